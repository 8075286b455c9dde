//! The same by a Dockerfile alone.

use super::{CONTEXT, INSTALLED, LOGINS, PACKAGES};
use crate::facts::build::{Build, CommandForm, RunStep};
use crate::facts::build_steps::RunCommand;
use crate::facts::{Basis, Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::quantity::Bytes;
use crate::rules::rule::{Findings, Judged, Rule, Variant};

/// A final stage on an image that builds Go programs, which starts a program of its own.
pub(super) fn builder_shipped(
    build: &Build,
    rule: &'static Rule,
    variant: &'static Variant,
) -> Option<Finding> {
    let Some(base) = build.base_image().filter(|base| base.go_toolchain) else {
        return copied_whole(build, rule, variant);
    };
    let config = build.config();
    // An image without a command of its own is one to build with.
    let command = config.entrypoint.as_ref().or(config.cmd.as_ref()).filter(|c| !c.inherited)?;
    let root = build.root_of(build.final_stage)?;
    Some(
        Finding::new(
            rule,
            format!(
                "the image that runs is built on {}: it holds the Go toolchain, with a compiler for \
                 whoever gets in",
                base.name
            ),
            &root.base.origin,
            "the image that builds",
        )
        .variant(variant)
        .also(&command.origin, "what it runs")
        .fix(Fix::suggest(
            "end with a stage of its own: FROM gcr.io/distroless/static-debian12:nonroot, and \
             COPY --from the program",
        )),
    )
}

/// `COPY --from=build / /` of a stage that has the toolchain.
fn copied_whole(build: &Build, rule: &'static Rule, variant: &'static Variant) -> Option<Finding> {
    let of_image = build.in_image();
    let (copy, from, base) = build.copies.iter().find_map(|copy| {
        let whole = of_image.get(copy.stage) == Some(&true)
            && copy.sources.iter().any(|source| source.value == "/");
        let from = build.stages.get(copy.from_stage.filter(|from| whole && *from < copy.stage)?)?;
        let base = from.base_image.filter(|base| base.go_toolchain)?;
        Some((copy, from, base))
    })?;
    Some(
        Finding::new(
            rule,
            format!(
                "all of a stage that is built on {} is copied into the image that runs: it holds the \
                 Go toolchain, with a compiler for whoever gets in",
                base.name
            ),
            &copy.origin,
            "the whole file system",
        )
        .variant(variant)
        .also(&from.base.origin, "the image that builds")
        .fix(Fix::suggest("copy the program alone, and the files that it reads")),
    )
}

pub(super) fn check(build: &Build, rule: &'static Rule, out: &mut Findings) -> Judged {
    let of_image = build.in_image();
    context(build, &of_image, rule, out);
    let mut packages: Option<Packages> = None;
    let mut unread = false;
    let settings = Settings::of(build);
    for run in build.runs.iter().filter(|run| of_image.get(run.stage) == Some(&true)) {
        match run.commands() {
            Ok(commands) => {
                commands.iter().for_each(|command| login_records(command, rule, out));
                if let Some(found) = Packages::of(build, &settings, run, &commands) {
                    match &mut packages {
                        Some(all) => all.faults.extend(found.faults),
                        None => packages = Some(found),
                    }
                }
            }
            Err(_) => unread = true,
        }
    }
    if let Some(packages) = packages {
        out.push(packages.finding(rule));
    }
    if unread {
        let what = "what a RUN of that length, or with an open quote, runs";
        return Err(Abstain::unknown(Reason::LimitReached, what));
    }
    Ok(())
}

/// `COPY . DESTINATION` and `ADD .`
fn context(build: &Build, of_image: &[bool], rule: &'static Rule, out: &mut Findings) {
    let whole =
        |source: &&Fact<String>| matches!(source.value.as_str(), "." | "./" | "/" | "*" | "./*");
    let mut own =
        build.copies.iter().filter(|c| c.from.is_none() && of_image.get(c.stage) == Some(&true));
    let Some((copy, source)) = own.find_map(|copy| Some((copy, copy.sources.iter().find(whole)?)))
    else {
        return;
    };
    let name = if copy.add { "ADD" } else { "COPY" };
    out.push(
        Finding::new(
            rule,
            format!(
                "{name} {} puts the whole build context into the image that runs, and .git with it \
                 unless .dockerignore says otherwise",
                source.value
            ),
            &source.origin,
            "all of the context",
        )
        .variant(&CONTEXT)
        .also(&build.last().origin, "the final stage")
        .fix(Fix::suggest("name the files that the program needs")),
    );
}

/// Something that makes it worse than a package more.
struct Fault {
    what: &'static str,
    at: Origin,
    weight: Weight,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// A package more.
    Package,
    /// Contested: what is newer has its faults mended, and differs from what was tested.
    Word,
    Warning,
}

/// What an upgrade does.
const UPGRADES: &str = "upgrades the base image to whatever is there on the day";

const MANAGERS: &[&str] =
    &["apt-get", "apt", "apk", "dnf", "microdnf", "yum", "tdnf", "zypper", "pip", "pip2", "pip3"];

const NO_PIP_CACHE: &str = "PIP_NO_CACHE_DIR";

/// What the file sets for every package manager that it runs.
struct Settings {
    /// A RUN writes `APT::Install-Recommends "false"`.
    lean: bool,
    /// For each stage, `PIP_NO_CACHE_DIR`: whatever its value, also one for no, pip keeps nothing
    /// (`_handle_no_cache_dir` of pip's `cmdoptions.py`).
    no_pip_cache: Vec<bool>,
}

impl Settings {
    fn of(build: &Build) -> Self {
        let mut texts = build.runs.iter().filter_map(|run| run.text.as_ref());
        let by_arg = build.args.iter().any(|(name, _)| name.value == NO_PIP_CACHE);
        let mut no_pip_cache: Vec<bool> = Vec::with_capacity(build.stages.len());
        for stage in &build.stages {
            let below = stage.parent.and_then(|parent| no_pip_cache.get(parent).copied());
            no_pip_cache.push(by_arg || below.unwrap_or(false));
            let index = no_pip_cache.len() - 1;
            let sets = |(name, _, stage): &(Fact<String>, Fact<String>, usize)| {
                *stage == index && name.value == NO_PIP_CACHE
            };
            if build.envs.iter().any(sets)
                && let Some(last) = no_pip_cache.last_mut()
            {
                *last = true;
            }
        }
        Self {
            lean: texts.any(|text| text.as_str().contains("APT::Install-Recommends")),
            no_pip_cache,
        }
    }
}

/// Numbers below this one cost less than a layer's own overhead is worth.
const HIGH_UID: u64 = 100_000;
/// Bytes of a user in `/var/log/lastlog` and `/var/log/faillog` (`struct lastlog` of glibc's
/// `utmp.h`, `struct faillog` of shadow's `faillog.h`).
const RECORD: u64 = 292 + 32;

/// `useradd -u 1000000` where the image has these files: both are made as long as the number says, and
/// a layer holds the zeros.
fn login_records(command: &RunCommand, rule: &'static Rule, out: &mut Findings) {
    let Some(("useradd", words)) = command.program() else { return };
    let quiet = |word: &Fact<String>| {
        let letters = word.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
        word.value == "--no-log-init" || letters.is_some_and(|letters| letters.contains('l'))
    };
    if words.iter().any(quiet) {
        return;
    }
    let number = words.iter().enumerate().find_map(|(at, word)| {
        let value = match word.strip_prefix("--uid=") {
            Some(value) => value,
            None if matches!(word.value.as_str(), "-u" | "--uid") => words.get(at + 1)?.as_str(),
            None => word.strip_prefix("-u").filter(|rest| !rest.is_empty())?,
        };
        Some((word, value.parse::<u64>().ok()?))
    });
    let Some((word, uid)) = number.filter(|(_, uid)| *uid >= HIGH_UID) else { return };
    let size = Bytes(uid.saturating_mul(RECORD));
    out.push(
        Finding::new(
            rule,
            format!(
                "useradd of number {uid} without -l: where the image keeps records of logins, the layer \
                 has {size} of zeros"
            ),
            &word.origin,
            "a high number",
        )
        .variant(&LOGINS)
        .fix(Fix::suggest("write useradd -l, or a lower number")),
    );
}

fn weight_of(what: &str) -> Weight {
    if what == UPGRADES { Weight::Word } else { Weight::Warning }
}

struct Packages {
    manager: String,
    at: Origin,
    faults: Vec<Fault>,
}

impl Packages {
    fn of(
        build: &Build,
        settings: &Settings,
        run: &RunStep,
        commands: &[RunCommand],
    ) -> Option<Self> {
        let mut found: Option<Self> = None;
        let removes = |path: &str| {
            commands.iter().any(|command| {
                command.program().is_some_and(|(name, words)| {
                    matches!(name, "rm" | "find")
                        && words.iter().any(|word| word.trim_matches(['"', '\'']).starts_with(path))
                })
            })
        };
        let cleans = |manager: &str| {
            commands.iter().any(|command| {
                command.program().is_some_and(|(name, words)| {
                    name == manager
                        && words.iter().any(|word| matches!(word.value.as_str(), "clean" | "cc"))
                })
            })
        };
        let exported = commands.iter().any(|command| {
            matches!(command.program(), Some(("export", words)) if words.iter().any(|word| {
                word.strip_prefix(NO_PIP_CACHE).is_some_and(|rest| rest.starts_with('='))
            }))
        });
        for command in commands {
            let Some((manager, arguments)) = command.package_manager() else { continue };
            if !MANAGERS.contains(&manager) {
                continue;
            }
            let verb = arguments.iter().find(|word| !word.value.starts_with('-'));
            let Some(verb) = verb else { continue };
            let has = |flag: &str| arguments.iter().any(|word| word.value == flag);
            let mut faults = Vec::new();
            let mut fault = |what| {
                faults.push(Fault { what, at: verb.origin.clone(), weight: weight_of(what) })
            };
            match (manager, verb.value.as_str()) {
                ("apt-get" | "apt", "update") => {
                    // A cache over the lists alone is enough.
                    if !removes("/var/lib/apt") && !run.caches("/var/lib/apt/lists") {
                        fault("leaves the package lists in the layer");
                    }
                }
                ("apk", "update" | "add") => {
                    // With that flag apk reads the index and keeps none, whichever its command.
                    let clean = has("--no-cache")
                        || removes("/var/cache/apk")
                        || run.caches("/var/cache/apk")
                        || run.caches("/etc/apk/cache");
                    if !clean {
                        fault("leaves the package index in the layer");
                    }
                }
                (_, "upgrade" | "dist-upgrade" | "full-upgrade") => fault(UPGRADES),
                ("dnf" | "microdnf" | "yum" | "tdnf", "update") => fault(UPGRADES),
                ("zypper", "update" | "up" | "dup" | "patch") => fault(UPGRADES),
                ("dnf" | "microdnf" | "yum" | "tdnf", "install" | "reinstall") => {
                    let clean = cleans(manager)
                        || removes("/var/cache")
                        || run.caches("/var/cache/dnf")
                        || run.caches("/var/cache/yum");
                    if !clean {
                        fault("leaves the package cache in the layer");
                    }
                }
                ("zypper", "install" | "in") => {
                    let clean = cleans(manager)
                        || removes("/var/cache/zypp")
                        || run.caches("/var/cache/zypp");
                    if !clean {
                        fault("leaves the package cache in the layer");
                    }
                }
                // Packages of a language are what such an image runs: only what stays behind is told.
                ("pip" | "pip2" | "pip3", "install") => {
                    let clean = has("--no-cache-dir")
                        || removes("/root/.cache")
                        || removes("~/.cache")
                        || run.caches("/root/.cache/pip")
                        || exported
                        || settings.no_pip_cache.get(run.stage).copied().unwrap_or(false)
                        || command.env.iter().any(|(name, _)| name.value == NO_PIP_CACHE);
                    if clean {
                        continue;
                    }
                    fault("leaves the download cache in the layer");
                }
                ("apt-get" | "apt", "install") => {
                    let lean = arguments.iter().any(|word| {
                        let text = word.value.to_ascii_lowercase();
                        text.contains("install-recommends")
                    });
                    // A variable may hold the flag, and a file of the image the setting.
                    let open =
                        arguments.iter().any(|word| word.basis == Basis::Derived) || settings.lean;
                    if !lean && !open {
                        let what = "installs what is only recommended, too";
                        faults.push(Fault {
                            what,
                            at: verb.origin.clone(),
                            weight: Weight::Package,
                        });
                    }
                }
                _ => continue,
            }
            if let Some(tool) = for_healthcheck(build, arguments) {
                faults.push(Fault {
                    what: "installs a client only for HEALTHCHECK, which Kubernetes does not run",
                    at: tool.origin.clone(),
                    weight: Weight::Warning,
                });
            }
            let found = found.get_or_insert_with(|| Self {
                manager: manager.to_owned(),
                at: command.words.first().map_or(run.origin.clone(), |word| word.origin.clone()),
                faults: Vec::new(),
            });
            found.faults.extend(faults);
        }
        found
    }

    fn finding(self, rule: &'static Rule) -> Finding {
        let Self { manager, at, faults } = self;
        let worst = faults.iter().map(|fault| fault.weight).max().unwrap_or(Weight::Package);
        let first = faults.iter().find(|fault| fault.weight == worst);
        let message = match first.filter(|_| worst > Weight::Package) {
            None => format!("{manager} installs packages into the image that runs"),
            Some(first) => format!("{manager} in the image that runs {}", first.what),
        };
        let finding = Finding::new(rule, message, &at, "in the final stage");
        let mut finding = match worst {
            Weight::Package => finding.variant(&INSTALLED),
            Weight::Word => finding.variant(&PACKAGES).level(Level::Note),
            Weight::Warning => finding.variant(&PACKAGES),
        };
        for fault in faults.iter().take(8) {
            finding = finding.also(&fault.at, fault.what);
        }
        finding.fix(Fix::suggest(
            "a static Go program needs none: install in the builder stage, and COPY --from what runs; \
             else clean up in the same RUN (rm -rf /var/lib/apt/lists/*, apk add --no-cache)",
        ))
    }
}

/// `curl` among the packages, when the HEALTHCHECK is what calls it and nothing else can be seen to.
fn for_healthcheck<'w>(build: &Build, packages: &'w [Fact<String>]) -> Option<&'w Fact<String>> {
    let config = build.config();
    let check = config.healthcheck.as_ref()?.value.as_ref()?;
    let calls = |tool: &str, form: &CommandForm| match form {
        CommandForm::Shell(text) => text.value.split_whitespace().any(|word| word == tool),
        CommandForm::Exec(words) => {
            words.iter().any(|word| word.value.split_whitespace().any(|word| word == tool))
        }
    };
    packages.iter().find(|package| {
        matches!(package.value.as_str(), "curl" | "wget") && calls(&package.value, check)
    })
}
