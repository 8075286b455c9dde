//! What explains that a build context lacks a file: another directory of the repository that is
//! given instead, or something that prepares the build, such as a Makefile or a pipeline.

use std::collections::{BTreeSet, VecDeque};

use super::context::Tree;

/// Directories below the repository's that are looked through.
const DIRECTORIES: usize = 2000;
/// How deep.
const DEPTH: usize = 5;
/// Questions to the file system.
const LOOKS: usize = 20_000;
/// Names in a directory; one with more is not known wholly.
pub(super) const NAMES: usize = 1000;
/// Files that are read, and their bytes.
const FILES: usize = 100;
const BYTES: usize = 4 << 20;

/// Directories that hold no context.
const LEFT_OUT: &[&str] = &["node_modules", "vendor"];

/// Where builds and pipelines are described.
const PLACES: &[&str] = &[
    "",
    ".buildkite",
    ".ci",
    ".circleci",
    ".github/workflows",
    ".tekton",
    "build",
    "ci",
    "deploy",
    "docker",
    "hack",
    "make",
    "script",
    "scripts",
    "tools",
];

/// Beginnings of the names of such files, in lower case.
const DEFINITIONS: &[&str] = &[
    ".drone",
    ".gitlab-ci",
    ".goreleaser",
    ".travis",
    ".woodpecker",
    "azure-pipelines",
    "bitbucket-pipelines",
    "build.bazel",
    "cloudbuild",
    "compose",
    "docker-bake",
    "docker-compose",
    "earthfile",
    "gnumakefile",
    "jenkinsfile",
    "justfile",
    "magefile",
    "makefile",
    "package.json",
    "skaffold",
    "taskfile",
    "tiltfile",
];

fn is_definition(place: &str, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    DEFINITIONS.iter().any(|begin| name.starts_with(begin))
        || ends(&[".sh", ".bash", ".mk", ".mak", ".hcl"])
        || (place.starts_with('.') && ends(&[".yml", ".yaml"]))
        || (place == "hack" && ends(&[".go", ".py"]))
}

/// Directories that are no candidates and may be the context all the same.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// Sources that no candidate has, and one of them.
    pub(super) explained: BTreeSet<String>,
    /// One of them has everything.
    pub(super) whole: bool,
    /// One of them is a Go module.
    pub(super) modules: bool,
    /// All were looked at.
    pub(super) complete: bool,
}

/// Looks below `root`, the outermost candidate, for directories that lack at most `fewest` of
/// `files`. `own` are the candidates themselves, seen from `root`; `missing` is what none has.
pub(super) fn others(
    root: &dyn Tree,
    own: &[String],
    files: &[&str],
    missing: &BTreeSet<&str>,
    fewest: usize,
) -> Others {
    let mut found = Others { complete: true, ..Others::default() };
    let mut looks = LOOKS;
    let mut open = VecDeque::from([(String::new(), 0)]);
    let mut seen = 0;
    let path = |dir: &str, name: &str| match dir {
        "" => name.to_owned(),
        _ => format!("{dir}/{name}"),
    };
    while let Some((dir, depth)) = open.pop_front() {
        seen += 1;
        if seen > DIRECTORIES || looks == 0 {
            found.complete = false;
            break;
        }
        if !own.contains(&dir) {
            let mut has = |file: &str| {
                looks = looks.saturating_sub(1);
                root.is_directory(&path(&dir, file)).is_some()
            };
            found.modules |= has("go.mod");
            let brings: Vec<&str> = missing.iter().copied().filter(|file| has(file)).collect();
            if missing.is_empty() || !brings.is_empty() {
                let mut lacks = 0;
                for file in files {
                    lacks += usize::from(!has(file));
                    if lacks > fewest {
                        break;
                    }
                }
                found.whole |= lacks == 0;
                if lacks <= fewest {
                    found.explained.extend(brings.into_iter().map(str::to_owned));
                }
            }
        }
        let names: BTreeSet<String> = root.names(&dir).into_iter().collect();
        if names.len() >= NAMES {
            found.complete = false;
        }
        for name in &names {
            let file = [".go", ".md", ".yaml", ".yml", ".json", ".mod", ".sum", ".proto", ".txt"];
            if name.starts_with('.')
                || LEFT_OUT.contains(&name.as_str())
                || file.iter().any(|end| name.ends_with(end))
            {
                continue;
            }
            looks = looks.saturating_sub(1);
            let below = path(&dir, name);
            if root.is_directory(&below) == Some(true) {
                if depth < DEPTH {
                    open.push_back((below, depth + 1));
                } else {
                    found.complete = false;
                }
            }
        }
    }
    found
}

/// The texts of what may build the image.
#[derive(Debug, Default)]
pub(super) struct Builders {
    text: String,
    /// There was more than is read.
    left_out: bool,
}

impl Builders {
    pub(super) fn read(trees: &[Box<dyn Tree>]) -> Self {
        let mut all = Self::default();
        let mut files = 0;
        for tree in trees {
            for place in PLACES {
                let names: BTreeSet<String> = tree.names(place).into_iter().collect();
                all.left_out |= names.len() >= NAMES;
                for name in names.iter().filter(|name| is_definition(place, name)) {
                    let path = match *place {
                        "" => name.clone(),
                        _ => format!("{place}/{name}"),
                    };
                    files += 1;
                    if files > FILES || all.text.len() > BYTES {
                        all.left_out = true;
                        return all;
                    }
                    if tree.is_directory(&path) != Some(false) {
                        continue;
                    }
                    match tree.text(&path) {
                        Some(text) => all.text.push_str(&text),
                        // Too large, or no text.
                        None => all.left_out = true,
                    }
                    all.text.push('\n');
                }
            }
        }
        all
    }

    /// Whether something may prepare a file: it is named, or was not looked for everywhere.
    pub(super) fn may_prepare(&self, key: &str) -> bool {
        self.left_out || self.text.contains(key)
    }

    /// Whether something may write `go.mod`, `go.sum` or `go.work`.
    pub(super) fn may_write_modules(&self) -> bool {
        self.left_out
            || ["go mod ", "go work ", "go get "].iter().any(|verb| self.text.contains(verb))
    }

    /// Whether a build is given contexts by name, which may stand for stages.
    pub(super) fn names_contexts(&self) -> bool {
        ["build-context", "additional_contexts", "contexts = {", "contexts={", "\"contexts\""]
            .iter()
            .any(|mark| self.text.contains(mark))
    }
}

#[cfg(test)]
mod tests {
    use super::super::context::tests::{context, listed};
    use super::*;
    use crate::facts::build_context::InContext;

    /// Sources that the one candidate lacks, and what is made of it.
    fn lacks(copied: &str, paths: &str, texts: &[(&str, &str)]) -> String {
        let Some(context) = context(copied, &[listed(".", paths, texts)]) else {
            return "unclear".to_owned();
        };
        let mut all: Vec<String> = context
            .sources
            .iter()
            .filter_map(|(name, answer)| match answer {
                InContext::There => None,
                InContext::Absent { made: true, .. } => Some(format!("{name} made")),
                InContext::Absent { sure: true, .. } => Some(format!("{name} surely")),
                InContext::Absent { .. } => Some(format!("{name} perhaps")),
                InContext::Excluded(_) if context.another => Some(format!("{name} perhaps out")),
                InContext::Excluded(_) => Some(format!("{name} out")),
            })
            .collect();
        all.sort();
        all.join(", ")
    }

    #[test]
    fn a_dockerfile_that_modules_below_share() {
        let below = ".git/HEAD Dockerfile backend/go.mod backend/go.sum";
        assert_eq!(lacks("go.mod go.sum", below, &[]), "unclear");
        let ignore = [(".dockerignore", "*.md\n")];
        assert_eq!(lacks("go.mod go.sum", below, &ignore), "");
        let both = ".git/HEAD LICENSE backend/go.mod backend/go.sum backend/LICENSE";
        assert_eq!(lacks("go.mod go.sum LICENSE", both, &[]), "");
        // It has less of the rest than the directory itself.
        let less = ".git/HEAD a.txt b.txt backend/go.mod";
        assert_eq!(lacks("go.mod a.txt b.txt", less, &[]), "go.mod perhaps");
        let none = ".git/HEAD a.txt backend/main.go";
        assert_eq!(lacks("go.mod a.txt", none, &[]), "go.mod surely");
        let modules = [(".gitmodules", "[submodule \"x\"]\n\tpath = backend\n")];
        assert_eq!(lacks("go.mod a.txt", none, &modules), "go.mod perhaps");
        assert_eq!(lacks("a.txt backend/x.go", "a.txt", &modules), "backend/x.go made");
        // The ignore file is that of another directory.
        let whole = "go.mod vendor/a backend/go.mod backend/vendor/a";
        let vendor = [(".dockerignore", "vendor\n")];
        assert_eq!(lacks("go.mod vendor", whole, &vendor), "vendor perhaps out");
        let own = [("Dockerfile.dockerignore", "vendor\n")];
        assert_eq!(lacks("go.mod vendor", whole, &own), "vendor out");
        assert_eq!(lacks("go.mod vendor", "go.mod vendor/a", &vendor), "vendor out");
    }

    #[test]
    fn what_is_prepared_before_the_build() {
        let with = |name: &'static str, text: &'static str| {
            lacks("a.txt go.sum api/gen.go", "a.txt go.mod", &[(name, text)])
        };
        assert_eq!(with("x", ""), "api/gen.go surely, go.sum surely");
        assert_eq!(with("Makefile", "docker:\n\tdocker build .\n"), with("x", ""));
        assert_eq!(with("Makefile", "tidy:\n\tgo mod tidy\n"), "api/gen.go surely, go.sum perhaps");
        assert_eq!(
            with(".github/workflows/a.yaml", "run: touch go.sum\n"),
            "api/gen.go surely, go.sum perhaps"
        );
        assert_eq!(with("hack/gen.sh", "p > api/gen.go\n"), "api/gen.go made, go.sum surely");
        // There, and not to be read.
        assert_eq!(lacks("a.txt go.sum", "a.txt go.mod Makefile", &[]), "go.sum perhaps");
    }

    #[test]
    fn contexts_by_name() {
        let names = |text: &'static str| {
            Builders::read(&[listed(".", "", &[("Makefile", text)])]).names_contexts()
        };
        assert!(names("docker buildx build --build-context build=../x .\n"));
        assert!(!names("docker build --build-arg A=1 .\n"));
    }

    #[test]
    fn a_large_repository_is_not_looked_through() {
        let paths: Vec<String> =
            (0..3000).map(|i| format!("d{}/e{}/x", i / 100, i % 100)).collect();
        let tree = listed(".", "", &[]);
        assert!(
            others(tree.as_ref(), &[String::new()], &["a"], &BTreeSet::from(["a"]), 0).complete
        );
        let tree = listed(".", &paths.join(" "), &[]);
        assert!(
            !others(tree.as_ref(), &[String::new()], &["a"], &BTreeSet::from(["a"]), 0).complete
        );
    }
}
