//! Writing: what was found, put into templates, and the files onto the disk.

mod pins;
mod put;
mod service;
mod template;
mod termination;

use anyhow::{Context as _, Result, bail};
use provost_check::model::support;

use super::find::{Builder, Found, is_version, label, package};
use crate::args::Ci;
pub(super) use put::{NewFile, Place, write};
pub(super) use service::Service;
use template::Words;
pub(super) use termination::what_for;

/// The tag that manifests begin with.
pub(super) const TAG: &str = "0.1.0";

/// What is to be written.
pub(super) struct Options {
    pub(super) helm: bool,
    pub(super) image: Option<String>,
    pub(super) ci: Vec<Ci>,
}

/// Everything that is written for a module.
pub(super) struct Golden {
    pub(super) files: Vec<NewFile>,
    pub(super) services: Vec<Service>,
    /// Whether the registry of the images is a guess.
    pub(super) registry_assumed: bool,
    /// What the repository's own pipeline has to include, when this module's lies beside it.
    pub(super) to_include: Option<String>,
}

/// The golden set of a module.
pub(super) fn golden(found: &Found, options: &Options) -> Result<Golden> {
    let namespace =
        label(found.path.rsplit('/').find(|part| !is_version(part)).unwrap_or_default());
    let (repository, registry_assumed) = match &options.image {
        Some(name) => (name.clone(), false),
        None => repository(found),
    };
    let one = found.programs.len() == 1;
    // The remote's path is the repository's, which other modules are in, too.
    let shared = options.image.is_none()
        && found.repository.as_ref().is_some_and(|r| r.origin.is_some() && r.root != found.folder);
    let services: Vec<Service> = found
        .programs
        .iter()
        .map(|program| {
            let image = match one && !shared {
                true => repository.clone(),
                false => format!("{repository}/{}", program.name),
            };
            Service::new(program, found.language, image)
        })
        .collect();
    let mut set =
        Set { found, options, namespace: &namespace, files: Vec::new(), to_include: None };
    set.module(&services)?;
    for service in &services {
        set.service(service, one)?;
    }
    set.ci(&services, one)?;
    let Set { files, to_include, .. } = set;
    Ok(Golden { files, services, registry_assumed, to_include })
}

/// The image's name: of the registry beside the remote, or of one that has to be named.
fn repository(found: &Found) -> (String, bool) {
    let plain = |text: &str| {
        let lower = text.to_ascii_lowercase();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '.' | '_');
        let parts = lower.split('/').map(|part| part.trim_matches(['-', '.', '_']));
        let joined = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        joined.chars().filter(|c| allowed(*c)).take(150).collect::<String>()
    };
    let remote = found.repository.as_ref().and_then(|repository| repository.origin.as_ref());
    let (host, path) = match (remote, found.path.split_once('/')) {
        (Some((host, path)), _) => (host.as_str(), path.as_str()),
        (None, Some((host, path))) => (host, path),
        (None, None) => ("", found.path.as_str()),
    };
    let path = plain(path);
    let path = if path.is_empty() { "service".to_owned() } else { path };
    match host {
        "github.com" => (format!("ghcr.io/{path}"), false),
        "gitlab.com" => (format!("registry.gitlab.com/{path}"), false),
        _ => (format!("registry.example.com/{path}"), true),
    }
}

/// Files as they are made.
struct Set<'f> {
    found: &'f Found,
    options: &'f Options,
    namespace: &'f str,
    files: Vec<NewFile>,
    to_include: Option<String>,
}

impl Set<'_> {
    fn add(&mut self, below: String, template: &str, words: &Words) -> Result<()> {
        let text = words.render(template).with_context(|| format!("the template of {below}"))?;
        self.files.push(NewFile { root: self.found.folder.clone(), below, text });
        Ok(())
    }

    /// What there is once for all services.
    fn module(&mut self, services: &[Service]) -> Result<()> {
        let mut words = Words::default();
        words.word("namespace", self.namespace);
        words.flag("commit", self.found.stamps_commit());
        self.add(
            ".dockerignore".to_owned(),
            include_str!("../templates/dockerignore.tmpl"),
            &words,
        )?;
        if !self.options.helm {
            let template = include_str!("../templates/namespace.yaml.tmpl");
            self.add("deploy/namespace.yaml".to_owned(), template, &words)?;
        }
        let one = services.len() == 1;
        let mut lines = Vec::new();
        for service in services {
            lines.push(String::new());
            lines.push("[[service]]".to_owned());
            lines.push(format!("name = \"{}\"", service.name));
            lines.push(format!("image = \"{}\"", service.repository));
            lines.push(format!("dockerfile = \"{}\"", dockerfile(service, one)));
            if !self.options.helm {
                let name = &service.name;
                lines.push(format!("container = \"{}/Deployment/{name}/{name}\"", self.namespace));
            }
            lines.extend(service.settings_in_toml());
        }
        let c = services.iter().find_map(|service| service.cgo.clone());
        words.flag("cgo", c.is_some());
        words.word("cgo_because", c.unwrap_or_default());
        words.block("services", lines);
        let supported: Vec<u16> = support::table()
            .kubernetes
            .iter()
            .filter(|minor| minor.ended.is_none())
            .map(|minor| minor.minor)
            .collect();
        let range = match (supported.first(), supported.last()) {
            (Some(first), Some(last)) => format!("1.{first}..1.{last}"),
            _ => "1.35".to_owned(),
        };
        words.word("kubernetes", range);
        self.add("provost.toml".to_owned(), include_str!("../templates/provost.toml.tmpl"), &words)
    }

    fn service(&mut self, service: &Service, one: bool) -> Result<()> {
        let mut words = service.words(self.options.helm, self.namespace);
        words.word("go", number(&self.found.builder));
        words.word("go_because", self.found.builder.because.as_str());
        words.word("golang", golang(&self.found.builder));
        words.word("checked", pins::CHECKED);
        words.flag("commit", self.found.stamps_commit());
        words.flag(
            "download",
            self.found.has_go_sum && !self.found.vendored && !self.found.replaced_by_folders,
        );
        words.word("package", plain_package(&service.folder)?);
        self.add(dockerfile(service, one), include_str!("../templates/Dockerfile.tmpl"), &words)?;
        let templates = [
            ("deployment.yaml", include_str!("../templates/deployment.yaml.tmpl")),
            ("service.yaml", include_str!("../templates/service.yaml.tmpl")),
            ("availability.yaml", include_str!("../templates/availability.yaml.tmpl")),
        ];
        let name = &service.name;
        let folder = match (self.options.helm, one) {
            (true, _) => format!("charts/{name}/templates"),
            (false, true) => "deploy".to_owned(),
            (false, false) => format!("deploy/{name}"),
        };
        for (file, template) in templates {
            // Without a port there is no Service, and one pod alone has no availability to keep.
            let file = match (file, service.is_served()) {
                (file, true) => file,
                ("service.yaml", false) => "network.yaml",
                ("availability.yaml", false) => continue,
                (file, false) => file,
            };
            self.add(format!("{folder}/{file}"), template, &words)?;
        }
        if self.options.helm {
            for (file, template) in [
                ("Chart.yaml", include_str!("../templates/chart/Chart.yaml.tmpl")),
                ("values.yaml", include_str!("../templates/chart/values.yaml.tmpl")),
                ("values.schema.json", include_str!("../templates/chart/values.schema.json.tmpl")),
                ("templates/_helpers.tpl", include_str!("../templates/chart/_helpers.tpl.tmpl")),
            ] {
                self.add(format!("charts/{name}/{file}"), template, &words)?;
            }
        }
        Ok(())
    }

    fn ci(&mut self, services: &[Service], one: bool) -> Result<()> {
        // Pipelines belong to the repository, whichever folder of it the module is.
        let top = self.found.repository.as_ref().map(|repository| repository.root.clone());
        let top = top.unwrap_or_else(|| self.found.folder.clone());
        let below = self.found.folder.strip_prefix(&top).unwrap_or(&self.found.folder);
        let below = below.to_string_lossy().into_owned();
        if !below.bytes().all(is_plain_in_a_path) {
            bail!(
                "the folder {below:?} cannot be written into a pipeline; --ci none leaves it out"
            );
        }
        let is_below = !below.is_empty();
        let mut words = Words::default();
        words.flag("below", is_below);
        words.flag("helm", self.options.helm);
        words.word("below_slash", if is_below { format!("{below}/") } else { String::new() });
        // Other modules of the repository have theirs; folders are what tells them apart.
        let workflow =
            if is_below { format!("provost-{}", label(&below)) } else { "provost".to_owned() };
        words.word("workflow", workflow.as_str());
        words.word("job", if is_below { format!("{}-", label(&below)) } else { String::new() });
        words.block("cd", if is_below { vec![format!("- cd {below}")] } else { Vec::new() });
        words.word("below", below.as_str());
        let branch = self.found.repository.as_ref().and_then(|r| r.branch.clone());
        words.word("branch", branch.unwrap_or_else(|| "main".to_owned()));
        words.word("golang", golang(&self.found.builder));
        words.word("provost", env!("CARGO_PKG_VERSION"));
        for pin in pins::PINS {
            words.word(pin.word, pin.version);
        }
        words.word("checked", pins::CHECKED);
        let all = |line: &dyn Fn(&Service) -> String| services.iter().map(line).collect::<String>();
        let helm = self.options.helm;
        words.word(
            "charts",
            if helm { all(&|s| format!(" --chart charts/{}", s.name)) } else { String::new() },
        );
        words.word("binaries", all(&|s| format!(" --binary bin/{}", s.name)));
        words.word("cgo_enabled", if services.iter().any(|s| s.cgo.is_some()) { "1" } else { "0" });
        let mut builds = Vec::new();
        for service in services {
            let package = plain_package(&service.folder)?;
            builds.push(format!(
                "- go build -trimpath -ldflags=-w -o bin/{} {package}",
                service.name
            ));
        }
        words.block("builds", builds);
        let mut renders = vec!["- mkdir -p rendered".to_owned()];
        renders.extend(services.iter().map(|service| {
            format!("- helm template {0} charts/{0} > rendered/{0}.yaml", service.name)
        }));
        words.block("renders", renders);
        let dockerfiles = all(&|service| format!("{} ", dockerfile(service, one)));
        words.word(
            "gitlab_paths",
            format!("{dockerfiles}{}", if helm { "rendered" } else { "deploy" }),
        );
        words.pipeline(true);
        for ci in &self.options.ci {
            let (path, template) = match ci {
                Ci::Github => (
                    format!(".github/workflows/{workflow}.yaml"),
                    include_str!("../templates/github.yaml.tmpl"),
                ),
                Ci::Gitlab => {
                    (".gitlab-ci.yml".to_owned(), include_str!("../templates/gitlab.yaml.tmpl"))
                }
                Ci::None => continue,
            };
            let text = words.render(template).with_context(|| format!("the template of {path}"))?;
            let mut file = NewFile { root: top.clone(), below: path.clone(), text };
            // GitLab has one file for the repository. Where it is not of this module, it stays.
            if *ci == Ci::Gitlab
                && is_below
                && let Place::Other(before) = file.place()
                && !before.is_some_and(|text| is_pipeline_of(&text, &below))
            {
                words.pipeline(false);
                file.text =
                    words.render(template).with_context(|| format!("the template of {path}"))?;
                file.root.clone_from(&self.found.folder);
                self.to_include = Some(format!("/{below}/.gitlab-ci.yml"));
            }
            self.files.push(file);
        }
        Ok(())
    }
}

impl Words {
    /// When the jobs of GitLab's pipeline run: all alike where it stands alone; where the
    /// repository's includes it, each for itself.
    fn pipeline(&mut self, alone: bool) {
        self.flag("alone", alone);
        let rules = [
            "rules:",
            "  - if: $CI_PIPELINE_SOURCE == \"merge_request_event\"",
            "  - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH",
        ];
        let rules = if alone { Vec::new() } else { rules.map(str::to_owned).to_vec() };
        self.block("rules", rules);
    }
}

/// Whether a pipeline goes into a module's folder.
fn is_pipeline_of(text: &str, below: &str) -> bool {
    text.lines().any(|line| line.trim().strip_prefix("- cd ") == Some(below))
}

/// `1.27.4`
fn number(builder: &Builder) -> String {
    builder.version.to_string().trim_start_matches("go").to_owned()
}

/// The image that builds.
fn golang(builder: &Builder) -> String {
    format!("golang:{}-{}", number(builder), pins::version("suite"))
}

fn dockerfile(service: &Service, one: bool) -> String {
    if one { "Dockerfile".to_owned() } else { format!("Dockerfile.{}", service.name) }
}

fn is_plain_in_a_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.')
}

/// A package for a shell's command, which must not read it as anything else.
fn plain_package(folder: &str) -> Result<String> {
    if !folder.bytes().all(is_plain_in_a_path) || folder.starts_with('-') {
        bail!("the folder {folder:?} cannot be written into a Dockerfile");
    }
    Ok(package(folder))
}
