//! Whether an image has the certificates and time zones that Go looks for.

use super::image::ImageView;
use crate::facts::build::{BaseImage, Build, CommandForm, RunStep};
use crate::facts::build_files::Presence;
use crate::facts::container::Mount;
use crate::facts::image::Image;
use crate::facts::image_files::FileKind;
use crate::findings::{Abstain, Reason};
use crate::model::shell::Script;

/// Files that Go reads when it starts to need them.
#[derive(Debug)]
pub struct Supply {
    /// For messages: `a CA bundle`.
    pub name: &'static str,
    /// Files, any of which is enough.
    pub(super) files: &'static [&'static str],
    /// Directories, any of which is enough when something is in it.
    pub(super) dirs: &'static [&'static str],
    /// Where a minimal base has it.
    pub(super) usual: Option<&'static str>,
    /// Packages of distributions that bring it.
    packages: &'static [&'static str],
    /// Packages that certainly bring it not, whatever they depend on.
    harmless: &'static [&'static str],
    base: fn(&BaseImage) -> Option<bool>,
}

/// Root certificates, where `crypto/x509` looks for them on Linux (root_linux.go and root_unix.go,
/// Go 1.27).
pub static CA_BUNDLE: Supply = Supply {
    name: "a CA bundle",
    files: &[
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/pki/tls/cacert.pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ],
    dirs: &["/etc/ssl/certs", "/etc/pki/tls/certs"],
    usual: Some("/etc/ssl/certs/ca-certificates.crt"),
    packages: &["ca-certificates", "ca_root_nss", "update-ca-trust"],
    // Much brings it along: curl, git, wget.
    harmless: &["tzdata", "tini", "dumb-init", "su-exec"],
    base: |base| base.ca_bundle,
};

/// Time zones, where `time.LoadLocation` looks for them (zoneinfo_unix.go and zoneinfo_goroot.go,
/// Go 1.27), and the archive of a Go toolchain in its usual place.
pub static ZONEINFO: Supply = Supply {
    name: "time zones",
    files: &["/usr/local/go/lib/time/zoneinfo.zip", "/usr/lib/go/lib/time/zoneinfo.zip"],
    dirs: &[
        "/usr/share/zoneinfo",
        "/usr/share/lib/zoneinfo",
        "/usr/lib/locale/TZ",
        "/etc/zoneinfo",
    ],
    usual: Some("/usr/share/zoneinfo"),
    packages: &["tzdata"],
    harmless: &[
        "bash",
        "ca-certificates",
        "curl",
        "dumb-init",
        "gcompat",
        "git",
        "jq",
        "libc6-compat",
        "libcap",
        "openssl",
        "su-exec",
        "tini",
        "wget",
    ],
    base: |base| if base.go_toolchain { Some(true) } else { base.zoneinfo },
};

impl ImageView<'_> {
    /// Whether the image has it.
    ///
    /// # Errors
    /// Layers that were not read whole, a base that is not in the table, steps that may bring it.
    pub fn supplies(&self, supply: &Supply) -> Result<bool, Abstain> {
        match (self.image(), self.build()) {
            (Some(image), _) => {
                let has = in_layers(image, supply);
                if has || image.complete {
                    Ok(has)
                } else {
                    Err(self.unknown(format!("whether {} has {}", self.name(), supply.name)))
                }
            }
            (None, Some(build)) => self.by_dockerfile(build, supply),
            (None, None) => Err(Abstain::NotApplicable),
        }
    }

    fn by_dockerfile(&self, build: &Build, supply: &Supply) -> Result<bool, Abstain> {
        let base = self.base().and_then(supply.base);
        if base == Some(true) {
            return Ok(true);
        }
        let chain = build.final_chain();
        let runs = || build.runs.iter().filter(|run| chain.contains(&run.stage));
        let installs =
            |run: &RunStep| supply.packages.iter().any(|package| text(run).contains(package));
        if runs().any(installs) {
            return Ok(true);
        }
        // A directory counts by what a COPY may put below it.
        let below = supply.dirs.iter().map(|dir| format!("{dir}/x"));
        let paths: Vec<String> = supply
            .files
            .iter()
            .chain(supply.dirs)
            .map(|path| (*path).to_owned())
            .chain(below)
            .collect();
        let only_harmless = runs().all(|run| is_harmless(run, supply));
        let copied = |path: &String| {
            if only_harmless { build.copies_to(path) } else { build.brings(path) }
        };
        match paths.iter().map(copied).max() {
            Some(Presence::Certainly) => Ok(true),
            Some(Presence::Impossible) | None => match base {
                Some(has) => Ok(has),
                None => Err(self.unknown(format!("whether {} has {}", self.name(), supply.name))),
            },
            Some(Presence::Possibly) => Err(Abstain::unknown(
                Reason::NoImage,
                format!("whether a step of the final image brings {}", supply.name),
            )),
        }
    }
}

impl Supply {
    /// The mounts that may provide it, or hide what the image has.
    pub fn mounts<'m>(&self, mounts: &'m [Mount]) -> impl Iterator<Item = &'m Mount> {
        let inside = |path: &str, dir: &str| {
            let dir = dir.trim_end_matches('/');
            path == dir || path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
        };
        let (files, dirs) = (self.files, self.dirs);
        mounts.iter().filter(move |mount| {
            let at = mount.path.value.as_str();
            files.iter().chain(dirs).any(|path| inside(path, at) || inside(at, path))
        })
    }
}

fn in_layers(image: &Image, supply: &Supply) -> bool {
    let is_file = |path: &str| {
        image.files.lookup(path).is_some_and(|(_, f)| f.kind == FileKind::File && f.size > 0)
    };
    supply.files.iter().any(|path| is_file(path))
        || supply.dirs.iter().any(|dir| image.files.is_filled(dir))
}

fn text(run: &RunStep) -> String {
    match &run.command {
        CommandForm::Shell(text) => text.value.clone(),
        CommandForm::Exec(words) => {
            words.iter().map(|w| w.value.as_str()).collect::<Vec<_>>().join(" ")
        }
    }
}

/// Whether all that a RUN does is to install packages that bring it not, or to touch no file.
fn is_harmless(run: &RunStep, supply: &Supply) -> bool {
    let CommandForm::Shell(text) = &run.command else { return false };
    let script = Script::parse(&text.value);
    if script.unread || script.compound || !run.understood {
        return false;
    }
    script.commands.iter().all(|command| {
        let argv = command.argv();
        if argv.iter().any(|word| !word.literal) {
            return false;
        }
        let Some((program, rest)) = argv.split_first() else { return true };
        match program.text.as_str() {
            "apk" | "apt-get" | "apt" => {
                // `ca-certificates=2024` and `tzdata~2024` are the package, too.
                let name = |w: &str| w.split(['=', '~', '<', '>']).next().unwrap_or(w).to_owned();
                rest.iter()
                    .map(|word| word.text.as_str())
                    .filter(|w| !w.starts_with('-'))
                    .filter(|w| !matches!(*w, "add" | "install" | "update" | "clean"))
                    .all(|word| supply.harmless.contains(&name(word).as_str()))
            }
            "addgroup" | "adduser" | "groupadd" | "useradd" | "mkdir" | "chown" | "chmod"
            | "rm" | "true" | "set" => true,
            _ => false,
        }
    })
}
