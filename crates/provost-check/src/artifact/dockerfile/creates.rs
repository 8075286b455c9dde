//! Which files and directories a simple command of a RUN line can bring into being.

use super::run::join;
use crate::facts::build::Created;
use crate::model::names::base_name;

/// Where packages of a distribution put files: the Filesystem Hierarchy Standard's directories,
/// `/opt` of third parties included.
const PACKAGE_DIRS: &[&str] = &[
    "/bin", "/boot", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/root",
    "/run", "/sbin", "/srv", "/tmp", "/usr", "/var",
];

/// Commands that make neither file nor directory.
const MAKE_NO_FILE: &[&str] = &[
    ":",
    "[",
    "[[",
    "addgroup",
    "cd",
    "chgrp",
    "chmod",
    "chown",
    "date",
    "echo",
    "esac",
    "export",
    "false",
    "for",
    "grep",
    "groupadd",
    "ldd",
    "ls",
    "printf",
    "pwd",
    "pushd",
    "rm",
    "rmdir",
    "set",
    "setcap",
    "sha256sum",
    "sleep",
    "test",
    "true",
    "uname",
];

/// A word's text, and whether it is what the shell will see.
pub(super) type Seen<'a> = (&'a str, bool);

/// The files that a command may create; `None` when that cannot be told. What `go build` writes is
/// known from [`crate::facts::build::GoBuild`].
pub(super) fn created(
    name: &str,
    arguments: &[Seen<'_>],
    dir: Option<&str>,
) -> Option<Vec<Created>> {
    let any = |test: &dyn Fn(&str) -> bool| arguments.iter().any(|(word, _)| test(word));
    match name {
        _ if MAKE_NO_FILE.contains(&name) => Some(Vec::new()),
        "mkdir" => Some(
            arguments
                .iter()
                .filter(|(word, _)| !word.starts_with('-'))
                .map(|(word, sure)| match file(dir, word, *sure && !word.contains('{')) {
                    Some(made) => Created { directory: true, ..made },
                    None => anywhere(),
                })
                .collect(),
        ),
        // The home of the user, and a mailbox.
        "adduser" | "useradd" => {
            let named =
                arguments.iter().filter(|(word, _)| word.contains('/') || word.contains('$'));
            let homes = ["/home", "/var"].map(|path| Created {
                path: path.to_owned(),
                tree: true,
                directory: true,
            });
            let named = named.map(|(word, sure)| {
                let path = word.split_once('=').map_or(*word, |(_, path)| path);
                let home = file(dir, path, *sure);
                home.map_or_else(anywhere, |home| Created { tree: true, directory: true, ..home })
            });
            Some(homes.into_iter().chain(named).collect())
        }
        "touch" => {
            let paths = arguments.iter().filter(|(word, _)| !word.starts_with('-'));
            paths.map(|(word, sure)| file(dir, word, *sure)).collect()
        }
        "apk" | "apt" | "apt-get" | "dnf" | "microdnf" | "yum" => {
            let elsewhere = |word: &str| {
                // Another root, a package of one's own, an archive into the working directory.
                word.starts_with("--root")
                    || word.starts_with("--installroot")
                    || matches!(word, "-p" | "-o" | "download" | "source" | "fetch")
                    || [".apk", ".deb", ".rpm"].iter().any(|end| word.ends_with(end))
            };
            // `$PACKAGES` may name a file too.
            let open = arguments.iter().any(|(_, sure)| !sure);
            let tree =
                |dir: &&str| Created { path: (*dir).to_owned(), tree: true, directory: false };
            (!open && !any(&elsewhere)).then(|| PACKAGE_DIRS.iter().map(tree).collect())
        }
        "update-ca-certificates" => {
            Some(vec![Created { path: "/etc".to_owned(), tree: true, directory: false }])
        }
        // In place, unless told otherwise.
        "strip" | "upx" => (!any(&|word| word.starts_with("-o"))).then(Vec::new),
        "usermod" => {
            (!any(&|word| matches!(word, "-m" | "-d") || word.contains("home"))).then(Vec::new)
        }
        "find" => {
            let acts = |word: &str| {
                ["-exec", "-ok", "-fprint", "-fls"].iter().any(|act| word.starts_with(act))
            };
            (!any(&acts)).then(Vec::new)
        }
        "go" | "xx-go" => {
            let plain = ["build", "env", "install", "list", "mod", "version", "vet"];
            let verb = arguments.first()?;
            // `go mod vendor`, `tidy` and `init` write where they stand.
            let fetches = arguments.get(1).is_none_or(|(word, _)| {
                matches!(*word, "download" | "verify" | "graph" | "why" | "-x")
            });
            if verb.0 == "mod" && !fetches {
                let here = file(dir, ".", true)?;
                return Some(vec![Created { tree: true, ..here }]);
            }
            (verb.1 && plain.contains(&verb.0)).then(Vec::new)
        }
        "cp" | "mv" | "install" | "ln" => copied(name, arguments, dir),
        _ => None,
    }
}

/// Targets of a copy: a file, or all below it when directories may come along.
fn copied(name: &str, arguments: &[Seen<'_>], dir: Option<&str>) -> Option<Vec<Created>> {
    let flags = || arguments.iter().map(|(word, _)| *word).filter(|w| w.starts_with('-'));
    if flags().any(|flag| flag.starts_with("-t") || flag.starts_with("--t")) {
        return None;
    }
    let recursive = name == "mv"
        || name == "ln"
        || flags().any(|flag| {
            let long = flag.starts_with("--");
            if long {
                matches!(flag, "--recursive" | "--archive")
            } else {
                flag.contains(['r', 'R', 'a'])
            }
        });
    let mut words = arguments.iter().filter(|(word, _)| !word.starts_with('-'));
    let (target, sure) = words.next_back()?;
    if !sure {
        return None;
    }
    let to = join(dir, target)?;
    if recursive || words.clone().any(|(word, sure)| !sure || word.contains(['*', '?', '['])) {
        return Some(vec![Created { path: to, tree: true, directory: false }]);
    }
    let inside = words.map(|(word, _)| file(Some(&to), base_name(word), true));
    let mut all: Vec<Created> = inside.collect::<Option<_>>()?;
    all.push(Created { path: to, tree: false, directory: false });
    Some(all)
}

/// One file, when its path can be told.
pub(super) fn file(dir: Option<&str>, word: &str, sure: bool) -> Option<Created> {
    let path = sure.then(|| join(dir, word)).flatten()?;
    Some(Created { path, tree: false, directory: false })
}

/// Directories at places that cannot be told.
fn anywhere() -> Created {
    Created { path: "/".to_owned(), tree: true, directory: true }
}
