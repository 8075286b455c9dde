//! Contexts by lists of their paths.

use super::*;
use crate::artifact::dockerfile::{Limits, load};
use crate::facts::SourceId;

/// A directory by its paths, one a line; texts of some of them.
pub(crate) struct Listed {
    pub(crate) shown: String,
    pub(crate) paths: Vec<String>,
    pub(crate) texts: Vec<(String, String)>,
}

impl Tree for Listed {
    fn shown(&self) -> &str {
        &self.shown
    }

    fn is_directory(&self, path: &str) -> Option<bool> {
        let below = format!("{path}/");
        let directory = self.paths.iter().any(|p| p.starts_with(&below));
        let texts = self.texts.iter().any(|(name, _)| name == path);
        (directory || texts || self.paths.iter().any(|p| p == path)).then_some(directory)
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let inside = |path: &String| match directory {
            "" => path.split('/').next().map(str::to_owned),
            _ => {
                let rest = path.strip_prefix(directory)?.strip_prefix('/')?;
                rest.split('/').next().map(str::to_owned)
            }
        };
        let texts = self.texts.iter().map(|(name, _)| name);
        self.paths.iter().chain(texts).filter_map(inside).collect()
    }

    fn text(&self, path: &str) -> Option<String> {
        self.texts.iter().find(|(name, _)| name == path).map(|(_, text)| text.clone())
    }
}

pub(crate) fn listed(shown: &str, paths: &str, texts: &[(&str, &str)]) -> Box<dyn Tree> {
    Box::new(Listed {
        shown: shown.to_owned(),
        paths: paths.split_whitespace().map(str::to_owned).collect(),
        texts: texts.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect(),
    })
}

/// What the candidates say of each source of `COPY SOURCES /x/`.
fn answers(copied: &str, trees: &[Box<dyn Tree>]) -> String {
    match context(copied, trees) {
        Some(context) => shown(&context),
        None => "unclear".to_owned(),
    }
}

/// The context of `COPY SOURCES /x/`.
pub(crate) fn context(copied: &str, trees: &[Box<dyn Tree>]) -> Option<BuildContext> {
    let text = format!("FROM scratch\nCOPY {copied} /x/\n");
    let (build, _) = load(SourceId(0), &text, None, &Limits::DEFAULT);
    let mut build = build.unwrap();
    let mut sources = Sources::default();
    state(&mut build, trees, &["sub".to_owned()], "Dockerfile", &mut sources);
    build.context
}

fn shown(context: &BuildContext) -> String {
    let mut all: Vec<String> = context
        .sources
        .iter()
        .map(|(name, answer)| match answer {
            InContext::There => format!("{name} there"),
            InContext::Absent { near: None, made: false, .. } => format!("{name} absent"),
            InContext::Absent { near: Some(near), .. } => format!("{name} absent, {near}?"),
            InContext::Absent { made: true, .. } => format!("{name} made"),
            InContext::Excluded(by) => format!("{name} left out by {}", by.value),
        })
        .collect();
    all.sort();
    format!("{}: {}", context.dir, all.join("; "))
}

#[test]
fn the_nearest_directory_that_has_all_is_the_context() {
    let own = || listed("docker", "Dockerfile entry.sh", &[]);
    let root = || listed(".", "go.mod cmd/main.go docker/Dockerfile", &[]);
    assert_eq!(answers("go.mod cmd", &[own(), root()]), ".: cmd there; go.mod there");
    assert_eq!(answers("entry.sh", &[own(), root()]), "docker: entry.sh there");
    assert_eq!(answers(". *.go $X", &[own(), root()]), "unclear");
    assert_eq!(answers(".", &[root()]), ".:  there");
}

/// A `go.mod` in a folder above silenced the rule: either may be what is built.
#[test]
fn a_module_that_may_be_one_of_two_is_said_to_be_unclear() {
    let text = "FROM golang:1.21\nWORKDIR /src\nCOPY go.mod ./\nRUN go build -o /a .\n";
    let modules = |own: &str, above: &str| {
        let (build, _) = load(SourceId(0), text, None, &Limits::DEFAULT);
        let mut build = build.unwrap();
        let trees = [
            listed("svc", "Dockerfile", &[("go.mod", own)]),
            listed(".", "svc/Dockerfile", &[("go.mod", above)]),
        ];
        state(&mut build, &trees, &["svc".to_owned()], "Dockerfile", &mut Sources::default());
        let context = build.context.unwrap();
        let unsure = context.unsure_modules.iter().map(|(_, a, b)| format!("{a} or {b}"));
        let known = context.modules.iter().map(|(_, module)| module.path.clone());
        known.chain(unsure).collect::<Vec<_>>()
    };
    let (old, new) = ("module a\n\ngo 1.20\n", "module a\n\ngo 1.26\n");
    assert_eq!(modules(new, old), ["svc/go.mod or go.mod"]);
    assert_eq!(modules(old, new), ["go.mod or svc/go.mod"]);
    assert_eq!(modules(new, new), ["svc/go.mod"]);
    assert_eq!(modules(old, old), [""; 0]);
}

#[test]
fn missing_is_what_no_candidate_has() {
    let own = || listed("docker", "Dockerfile entry.sh", &[]);
    let root = || listed(".", "go.mod cmd/main.go config.yaml", &[]);
    assert_eq!(
        answers("go.mod go.sum confg.yaml bin/app", &[own(), root()]),
        ".: bin/app made; confg.yaml absent, config.yaml?; go.mod there; go.sum absent"
    );
    // Nothing says that this is the context at all.
    assert_eq!(answers("go.mod go.sum", &[own()]), "unclear");
}

#[test]
fn what_git_ignores_is_made_before() {
    let own = listed("svc", "main.go", &[(".gitignore", "/app\n")]);
    let root = listed(".", "svc/main.go", &[(".gitignore", "svc/*.pb.go\ngen/\n")]);
    assert_eq!(
        answers("main.go app x.pb.go gen y.go", &[own, root]),
        "svc: app made; gen made; main.go there; x.pb.go absent; y.go absent"
    );
}

#[test]
fn the_ignore_file_of_the_context() {
    let root = |texts: &[(&str, &str)]| listed(".", "go.mod vendor/a cmd/a", texts);
    assert_eq!(
        answers("go.mod vendor cmd", &[root(&[(".dockerignore", "*\n!go.mod\n!cmd\n")])]),
        ".: cmd there; go.mod there; vendor left out by *"
    );
    let both = [(".dockerignore", "*\n"), ("Dockerfile.dockerignore", "vendor\n")];
    assert_eq!(
        answers("go.mod vendor", &[root(&both)]),
        ".: go.mod there; vendor left out by vendor"
    );
    // Two may be the context.
    let two = [root(&[]), root(&[(".dockerignore", "vendor\n")])];
    assert_eq!(answers("vendor", &two), ".: vendor there");
}

#[test]
fn a_directory_of_the_disk() {
    let root = tempfile::tempdir().unwrap();
    let file = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let text = "FROM scratch\nCOPY go.mod go.sum vendor ../app /x/\n";
    file(".git/HEAD", "");
    file("go.mod", "module x\n");
    file(".gitignore", "/app\n");
    file(".dockerignore", "# sources\nvendor\n");
    file("vendor/modules.txt", "");
    file("build/docker/Dockerfile", text);
    let (build, _) = load(SourceId(0), text, None, &Limits::DEFAULT);
    let mut build = build.unwrap();
    let mut sources = Sources::default();
    let path = root.path().join("build/docker/Dockerfile");
    find(&mut build, &path, "build/docker/Dockerfile", &mut sources);
    let context = build.context.unwrap();
    assert_eq!(
        shown(&context),
        ".: app made; go.mod there; go.sum absent; vendor left out by vendor"
    );
    file("go.sum", "");
    file("app", "");
    let (build, _) = load(SourceId(0), text, None, &Limits::DEFAULT);
    let mut build = build.unwrap();
    find(&mut build, &path, "build/docker/Dockerfile", &mut sources);
    let context = build.context.unwrap();
    assert_eq!(
        shown(&context),
        ".: app there; go.mod there; go.sum there; vendor left out by vendor"
    );
    let (_, ignore) = sources.iter().last().unwrap();
    assert_eq!((ignore.path.as_str(), ignore.kind), (".dockerignore", SourceKind::DockerIgnore));
}

#[test]
fn standard_input_has_no_context() {
    let (build, _) = load(SourceId(0), "FROM scratch\nCOPY go.mod /\n", None, &Limits::DEFAULT);
    let mut build = build.unwrap();
    find(&mut build, Path::new("-"), "-", &mut Sources::default());
    assert!(build.context.is_none());
}
