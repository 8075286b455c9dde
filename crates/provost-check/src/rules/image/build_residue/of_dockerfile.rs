//! The same by a Dockerfile alone.

use super::{CONTEXT, PACKAGES};
use crate::facts::build::{Build, CommandForm, RunStep};
use crate::facts::build_steps::RunCommand;
use crate::facts::{Basis, Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Findings, Judged, Rule, Variant};

/// A final stage on an image that builds Go programs, which starts a program of its own.
pub(super) fn builder_shipped(
    build: &Build,
    rule: &'static Rule,
    variant: &'static Variant,
) -> Option<Finding> {
    let base = build.base_image().filter(|base| base.go_toolchain)?;
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

pub(super) fn check(build: &Build, rule: &'static Rule, out: &mut Findings) -> Judged {
    let of_image = build.in_image();
    context(build, &of_image, rule, out);
    let mut packages: Option<Packages> = None;
    let mut unread = false;
    let settings = Settings::of(build);
    for run in build.runs.iter().filter(|run| of_image.get(run.stage) == Some(&true)) {
        match run.commands() {
            Ok(commands) => {
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
    /// Worth a word, not a warning.
    mild: bool,
}

const MANAGERS: &[&str] =
    &["apt-get", "apt", "apk", "dnf", "microdnf", "yum", "tdnf", "zypper", "pip", "pip3"];

const NO_PIP_CACHE: &str = "PIP_NO_CACHE_DIR";

/// What the file sets for every package manager that it runs.
struct Settings {
    /// A RUN writes `APT::Install-Recommends "false"`.
    lean: bool,
    /// `PIP_NO_CACHE_DIR`, which any value but one for no turns on.
    no_pip_cache: bool,
}

impl Settings {
    fn of(build: &Build) -> Self {
        let mut texts = build.runs.iter().filter_map(|run| run.text.as_ref());
        Self {
            lean: texts.any(|text| text.as_str().contains("APT::Install-Recommends")),
            no_pip_cache: build.envs.iter().any(|(name, _, _)| name.value == NO_PIP_CACHE)
                || build.args.iter().any(|(name, _)| name.value == NO_PIP_CACHE),
        }
    }
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
        for command in commands {
            let Some((manager, arguments)) = command.program() else { continue };
            if !MANAGERS.contains(&manager) {
                continue;
            }
            let verb = arguments.iter().find(|word| !word.value.starts_with('-'));
            let Some(verb) = verb else { continue };
            let has = |flag: &str| arguments.iter().any(|word| word.value == flag);
            let mut faults = Vec::new();
            let mut fault =
                |what| faults.push(Fault { what, at: verb.origin.clone(), mild: false });
            match (manager, verb.value.as_str()) {
                ("apt-get" | "apt", "update") => {
                    if !removes("/var/lib/apt") && !run.caches("/var/lib/apt") {
                        fault("leaves the package lists in the layer");
                    }
                }
                (_, "upgrade" | "dist-upgrade" | "full-upgrade") => {
                    fault("upgrades the base image to whatever is there on the day");
                }
                ("dnf" | "microdnf" | "yum" | "tdnf", "update") => {
                    fault("upgrades the base image to whatever is there on the day");
                }
                ("zypper", "update" | "up" | "dup" | "patch") => {
                    fault("upgrades the base image to whatever is there on the day");
                }
                ("apk", "add") => {
                    let clean = has("--no-cache")
                        || removes("/var/cache/apk")
                        || run.caches("/var/cache/apk")
                        || run.caches("/etc/apk/cache");
                    if !clean {
                        fault("leaves the package index in the layer");
                    }
                }
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
                ("pip" | "pip3", "install") => {
                    let clean = has("--no-cache-dir")
                        || removes("/root/.cache")
                        || removes("~/.cache")
                        || run.caches("/root/.cache/pip")
                        || settings.no_pip_cache
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
                        faults.push(Fault { what, at: verb.origin.clone(), mild: true });
                    }
                }
                _ => continue,
            }
            if let Some(tool) = for_healthcheck(build, arguments) {
                faults.push(Fault {
                    what: "installs a client only for HEALTHCHECK, which Kubernetes does not run",
                    at: tool.origin.clone(),
                    mild: false,
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
        let message = match faults.iter().find(|fault| !fault.mild) {
            None => format!("{manager} installs packages into the image that runs"),
            Some(first) => format!("{manager} in the image that runs {}", first.what),
        };
        let mut finding = Finding::new(rule, message, &at, "in the final stage").variant(&PACKAGES);
        if faults.iter().any(|fault| !fault.mild) {
            finding = finding.level(Level::Warn);
        }
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
