//! Which files and directories a simple command of a RUN line can bring into being.

use super::run::join;
use crate::facts::build::Created;
use crate::model::names::base_name;

/// Where packages of a distribution put files: the Filesystem Hierarchy Standard's directories,
/// `/opt` of third parties included.
const PACKAGE_DIRS: &[&str] = &[
    "/bin", "/boot", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/root",
    "/run", "/sbin", "/srv", "/tmp", "/usr", "/var", "/media", "/mnt", "/nix", "/snap",
];

/// Variables that say where the go command writes: modules, compiled packages, programs, its own
/// settings and temporary files (`go help environment`, Go 1.27).
const GO_PLACES: &[&str] = &[
    "GOBIN",
    "GOCACHE",
    "GOENV",
    "GOMODCACHE",
    "GOPATH",
    "GOROOT",
    "GOTMPDIR",
    "HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
];

/// Where it writes when they are not set, whoever runs it: the home may be `/`.
const GO_DEFAULTS: &[&str] = &["/.cache", "/.config", "/go", "/home", "/root", "/tmp"];

/// Its flags that name another file to write, or a program to run.
const GO_WRITES: &[&str] = &[
    "-toolexec",
    "-pkgdir",
    "-debug-",
    "-modfile",
    "-vettool",
    "-buildmode=c-",
    "-cpuprofile",
    "-memprofile",
    "-Map",
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
    "unset",
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
                    || (word.starts_with("--") && word.contains("dir"))
                    || word.contains("dir=")
                    || word.contains("root=")
                    || ["-p", "-o", "-c", "--option", "--config"]
                        .iter()
                        .any(|flag| word.starts_with(flag))
                    || matches!(word, "download" | "source" | "fetch")
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
        "strip" | "upx" => {
            (!any(&|word| word.starts_with("-o") || word.starts_with("--o"))).then(Vec::new)
        }
        "usermod" => {
            (!any(&|word| short(word, &['m', 'd']) || word.contains("home"))).then(Vec::new)
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
            // `go env -w` changes what later commands do.
            if verb.0 == "env" && any(&|word| word.starts_with("-w") || word.starts_with("-u")) {
                return None;
            }
            let flag = |word: &str, name: &str| {
                let word = word.trim_start_matches('-');
                word == name || word.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
            };
            // `go mod vendor`, `tidy` and `init` write where they stand.
            let fetches = arguments.get(1).is_none_or(|(word, _)| {
                matches!(*word, "download" | "verify" | "graph" | "why" | "-x")
            });
            if verb.0 == "mod" {
                let elsewhere = |word: &str| {
                    word.starts_with('-')
                        && ["o", "C", "modfile"].iter().any(|name| flag(word, name))
                };
                if any(&elsewhere) {
                    return None;
                }
                if !fetches {
                    let here = file(dir, ".", true)?;
                    return Some(vec![Created { tree: true, ..here }]);
                }
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
    if flags().any(|flag| short(flag, &['t']) || flag.starts_with("--t")) {
        return None;
    }
    let words = || arguments.iter().filter(|(word, _)| !word.starts_with('-'));
    if name == "install" && flags().any(|flag| short(flag, &['d']) || flag == "--directory") {
        let made = words().map(|(word, sure)| file(dir, word, *sure && !word.contains('{')));
        return made
            .map(|made| Some(Created { directory: true, ..made? }))
            .collect::<Option<Vec<_>>>()
            .or_else(|| Some(vec![anywhere()]));
    }
    // Behind a link to a directory lies all that is written under the other name.
    if name == "ln" {
        let (target, _) = words().next_back()?;
        let link = join(dir, target)?;
        let beside = link.rsplit_once('/').map(|(above, _)| format!("{above}/"));
        // A relative one is seen from where the link lies.
        let seen_from = [dir, beside.as_deref(), Some(link.as_str())];
        let trees = words().flat_map(|(word, sure)| {
            seen_from.map(|from| Some(Created { tree: true, ..file(from, word, *sure)? }))
        });
        return trees.collect();
    }
    let recursive = name == "mv"
        || flags().any(|flag| {
            let long = flag.starts_with("--");
            if long {
                matches!(flag, "--recursive" | "--archive" | "--parents")
            } else {
                flag.contains(['r', 'R', 'a'])
            }
        });
    let mut words = words();
    let (target, sure) = words.next_back()?;
    if !sure || target.starts_with('~') || target.contains('{') {
        return None;
    }
    let to = join(dir, target)?;
    let open = |(word, sure): &Seen<'_>| !sure || word.contains(['*', '?', '[', '{']);
    if recursive || words.clone().any(open) {
        return Some(vec![Created { path: to, tree: true, directory: false }]);
    }
    let inside = words.map(|(word, _)| file(Some(&to), base_name(word), true));
    let mut all: Vec<Created> = inside.collect::<Option<_>>()?;
    all.push(Created { path: to, tree: false, directory: false });
    Some(all)
}

/// Whether a word is short flags with one of these among them: `-Dt`.
fn short(word: &str, flags: &[char]) -> bool {
    word.strip_prefix('-').is_some_and(|rest| !rest.starts_with('-') && rest.contains(flags))
}

/// What the go command writes beside the programs it builds: into its caches and to places that
/// flags and variables name. `setting` says what is known of a variable. `None` when it may be
/// anywhere.
pub(super) fn of_go(
    arguments: &[Seen<'_>],
    setting: &dyn Fn(&str) -> Option<Option<String>>,
) -> Option<Vec<Created>> {
    let writes = |word: &str| {
        GO_WRITES.iter().any(|flag| word.contains(flag))
            || word.starts_with("c-archive")
            || word.starts_with("c-shared")
    };
    if arguments.iter().any(|(word, _)| writes(word)) {
        return None;
    }
    if let Some(flags) = setting("GOFLAGS") {
        let flags = flags?;
        if writes(&flags) || flags.contains("-o") || flags.contains("-C") {
            return None;
        }
    }
    let tree = |path: String| Created { path, tree: true, directory: false };
    let mut all: Vec<Created> = GO_DEFAULTS.iter().map(|dir| tree((*dir).to_owned())).collect();
    for name in GO_PLACES {
        let Some(value) = setting(name) else { continue };
        // GOPATH is a list.
        for dir in value?.split(':').filter(|dir| !dir.is_empty() && *dir != "off") {
            if !dir.starts_with('/') {
                return None;
            }
            all.push(tree(join(None, dir)?));
        }
    }
    Some(all)
}

/// One file, when its path can be told.
pub(super) fn file(dir: Option<&str>, word: &str, sure: bool) -> Option<Created> {
    // The shell puts the home in the place of `~`, and several words in that of braces.
    let sure = sure && !word.starts_with('~') && !word.contains(['{', '*', '?']);
    let path = sure.then(|| join(dir, word)).flatten()?;
    Some(Created { path, tree: false, directory: false })
}

/// Directories at places that cannot be told.
fn anywhere() -> Created {
    Created { path: "/".to_owned(), tree: true, directory: true }
}
