//! What only the build needs, in the image that runs.

mod of_dockerfile;

use crate::case::BuildCase;
use crate::case::image::{ImageCase, unread};
use crate::facts::image::Image;
use crate::facts::image_files::{FileEntry, FileKind};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::quantity::Bytes;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const SHIPPED: Variant = Variant::new(
    "build-stage-shipped",
    Level::Warn,
    "the image that builds is the image that runs",
)
.strict(Level::Deny);
const DEBUG: Variant =
    Variant::new("debug-image", Level::Note, "a shell or a debugger for debugging, in the image");
const CONTEXT: Variant = Variant::new(
    "context-copied-to-final",
    Level::Note,
    "the whole build context, in the image that runs",
);
const PACKAGES: Variant = Variant::new(
    "package-manager-in-final-stage",
    Level::Warn,
    "a package manager that leaves more than packages in the image that runs",
);
const INSTALLED: Variant = Variant::new(
    "packages-in-final-stage",
    Level::Note,
    "packages installed into the image that runs",
)
.off()
.strict(Level::Note);

const LOGINS: Variant =
    Variant::new("login-records", Level::Note, "records of logins up to a user's high number");

/// Bytes to pull, and tools and sources for whoever gets in.
pub static RULE: Rule = Rule {
    id: "build-residue",
    group: Group::Image,
    level: Level::Warn,
    title: "the image holds what only its build needs",
    page: include_str!("build-residue.md"),
    needs: &[Need::Dockerfile],
    variants: &[SHIPPED, DEBUG, CONTEXT, PACKAGES, INSTALLED, LOGINS],
    check: Check::Image(check),
    also: &[Check::Build(build)],
    ..Rule::BASE
};

/// Sources that an image may have without being told: some programs read templates or examples.
const FEW_SOURCES: u64 = 5;

fn check(case: &ImageCase<'_>, out: &mut Findings) -> Judged {
    let image = case.image;
    if let Some(toolchain) = toolchain(image) {
        out.push(shipped(image, toolchain));
    }
    let mut residues = Residues::default();
    let is_go = case.binary().is_some_and(|binary| binary.go.is_some());
    for (path, file) in image.files.iter().filter(|(_, file)| file.kind == FileKind::File) {
        residues.add(path, file, is_go);
    }
    residues.push_finding(image, out);
    if let Some((path, what)) = debugging(image) {
        out.push(
            Finding::new(
                &RULE,
                format!("the image has {what} ({path}): it is one for debugging"),
                &image.file(&path),
                what,
            )
            .variant(&RULE.variants[1])
            .fix(Fix::suggest(
                "use the image without it, and debug with kubectl debug --image=busybox",
            )),
        );
    }
    if image.complete {
        Ok(())
    } else {
        Err(Abstain::unknown(unread(image), format!("all files of {}", image.path)))
    }
}

fn build(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    // The image's own files say better whether it has a toolchain.
    if case.world().images.is_empty()
        && let Some(finding) = of_dockerfile::builder_shipped(case.build, &RULE, &SHIPPED)
    {
        // What else the stage holds follows from that.
        out.push(finding);
        return Ok(());
    }
    of_dockerfile::check(case.build, &RULE, out)
}

/// The `go` command of a toolchain, and the folder it belongs to.
fn toolchain(image: &Image) -> Option<(String, String)> {
    let at = |root: &str| {
        let (path, file) = image.files.lookup(&format!("{root}/bin/go"))?;
        let has = |dir: &str| image.files.is_filled(&format!("{root}/{dir}"));
        let whole = has("src/runtime") || has("pkg/tool");
        (file.kind == FileKind::File && whole).then(|| (path, root.to_owned()))
    };
    at("/usr/local/go").or_else(|| at("/usr/lib/go")).or_else(|| at("/usr/lib/golang"))
}

fn shipped(image: &Image, (go, root): (String, String)) -> Finding {
    let bytes: u64 =
        image.files.below(&root).map(|(_, file)| file.size).fold(0, u64::saturating_add);
    Finding::new(
        &RULE,
        format!(
            "the image holds a Go toolchain ({} in {root}): it is the one that builds, with a \
             compiler for whoever gets in",
            size(bytes)
        ),
        &image.file(&go),
        "the go command",
    )
    .variant(&RULE.variants[0])
    .fix(Fix::suggest(
        "copy the program into a stage of its own: FROM gcr.io/distroless/static-debian12:nonroot",
    ))
}

fn size(bytes: u64) -> String {
    Bytes(bytes).to_string()
}

#[derive(Default)]
struct Residue {
    bytes: u64,
    files: u64,
    first: Option<String>,
}

/// What was found, by what it is.
#[derive(Default)]
struct Residues {
    modules: Residue,
    cache: Residue,
    git: Residue,
    sources: Residue,
    tests: Residue,
    node: Residue,
    is_git: bool,
}

impl Residues {
    fn add(&mut self, path: &str, file: &FileEntry, is_go: bool) {
        const OF_TOOLCHAIN: &[&str] = &["/usr/local/go/", "/usr/lib/go", "/usr/share/"];
        let of_toolchain = OF_TOOLCHAIN.iter().any(|start| path.starts_with(start));
        self.is_git |= path.ends_with("/.git/HEAD");
        let kind = if of_toolchain {
            return;
        } else if path.contains("/pkg/mod/") {
            &mut self.modules
        } else if path.contains("/.cache/go-build/") {
            &mut self.cache
        } else if path.contains("/.git/") {
            &mut self.git
        } else if is_go && path.contains("/node_modules/") && !path.starts_with("/usr/") {
            &mut self.node
        } else if path.ends_with(".go") {
            &mut self.sources
        } else if path.ends_with(".test") && file.mode & 0o111 != 0 && file.size > 1 << 20 {
            &mut self.tests
        } else {
            return;
        };
        kind.files += 1;
        kind.bytes = kind.bytes.saturating_add(file.size);
        kind.first.get_or_insert_with(|| path.to_owned());
    }

    fn push_finding(self, image: &Image, out: &mut Findings) {
        let is_git = self.is_git;
        let all = [
            (self.modules, "the module cache"),
            (self.cache, "the build cache"),
            (self.git, "the git history"),
            (self.sources, "Go sources"),
            (self.tests, "test programs"),
            (self.node, "node_modules"),
        ];
        let found: Vec<(String, u64, String)> = all
            .into_iter()
            .filter(|(residue, what)| match *what {
                "Go sources" => residue.files > FEW_SOURCES,
                // Some programs of others keep a folder of that name.
                "the git history" => is_git,
                _ => true,
            })
            .filter_map(|(residue, what)| {
                Some((format!("{what} ({})", size(residue.bytes)), residue.bytes, residue.first?))
            })
            .collect();
        let Some((label, _, first)) = found.first() else { return };
        let names: Vec<&str> = found.iter().map(|(label, ..)| label.as_str()).collect();
        let bytes = found.iter().map(|(_, bytes, _)| *bytes).fold(0, u64::saturating_add);
        let mut finding = Finding::new(
            &RULE,
            format!("the image holds what only its build needs: {}", names.join(", ")),
            &image.file(first),
            label.as_str(),
        );
        for (label, _, path) in found.iter().skip(1) {
            finding = finding.also(&image.file(path), label.as_str());
        }
        out.push(finding.note(format!("{} that every node pulls and keeps", size(bytes))).fix(
            Fix::suggest(
                "COPY --from the program alone into a final stage, and keep .git and the rest \
                     out of the context with .dockerignore",
            ),
        ));
    }
}

/// A file by which an image is one for debugging, and what it is.
fn debugging(image: &Image) -> Option<(String, &'static str)> {
    let file = |path: &str| {
        let (at, file) = image.files.lookup(path)?;
        (file.kind == FileKind::File).then_some(at)
    };
    // `:debug` of distroless.
    if let Some(at) = file("/busybox/sh").or_else(|| file("/busybox/busybox")) {
        return Some((at, "busybox of a debug image"));
    }
    ["/go/bin/dlv", "/usr/local/bin/dlv", "/usr/bin/dlv", "/bin/dlv", "/dlv"]
        .iter()
        .find_map(|path| file(path))
        .map(|at| (at, "the debugger delve"))
}
