//! A read-only root file system under a program that writes.

use std::collections::BTreeSet;

use crate::case::Case;
use crate::facts::Origin;
use crate::facts::program_text::{TextKind, TextOwner};
use crate::facts::symbols;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// `open /tmp/...: read-only file system`, at the first request that needs it.
pub static RULE: Rule = Rule {
    id: "read-only-root-with-writes",
    group: Group::Security,
    level: Level::Warn,
    title: "a read-only root file system and a program that writes where no volume is",
    page: include_str!("read-only-root-with-writes.md"),
    needs: &[Need::Manifest, Need::Binary],
    check: Check::Container(check),
    ..Rule::BASE
};

/// Packages that keep files of their own, and where they are told to.
const STORES: &[&str] = &[
    "github.com/mattn/go-sqlite3",
    "modernc.org/sqlite",
    "github.com/dgraph-io/badger",
    "go.etcd.io/bbolt",
    "github.com/syndtr/goleveldb",
    "github.com/cockroachdb/pebble",
];

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let security = case.security();
    let read_only = security.read_only_root.as_ref().filter(|fact| fact.value);
    let read_only = read_only.ok_or(Abstain::NotApplicable)?;
    let program = case.program()?;
    let mounts = case.container.mounts.iter().filter(|mount| !mount.read_only);
    let mounts: BTreeSet<&str> =
        mounts.map(|mount| mount.path.value.trim_end_matches('/')).collect();
    let writable = |path: &str| folders(path).any(|folder| mounts.contains(folder));
    let env = case.environment();
    let temp = match env.literal("TMPDIR")? {
        Some(dir) if dir.value.starts_with('/') => dir.value,
        _ => "/tmp".to_owned(),
    };
    let say = |message: String, origin: &Origin, label: String, level: Option<Level>| {
        let finding = Finding::new(
            &RULE,
            message,
            &read_only.origin,
            "nothing outside of volumes can be written",
        )
        .also(origin, label)
        .fix(Fix::suggest(format!("mount an emptyDir at {temp}")));
        match level {
            Some(level) => finding.level(level),
            None => finding,
        }
    };
    // A path under /tmp or /var in the program's own text is one it means to use.
    let strings = program.text.strings().unwrap_or_default();
    let own =
        strings.iter().filter(|s| s.kind == TextKind::AbsolutePath && s.owner == TextOwner::Main);
    let mut told = 0;
    for text in own {
        let path = text.text.as_str();
        let scratch = ["/tmp/", "/var/tmp/", "/var/cache/", "/var/lib/"];
        // Kubernetes' own folders are mounted; sockets of the node are no files of the program's.
        let lent = ["/var/lib/kubelet", "/var/lib/containerd", "/var/lib/docker"];
        if !scratch.iter().any(|start| path.starts_with(start))
            || lent.iter().any(|start| path.starts_with(start))
            || writable(path)
            || told >= 5
        {
            continue;
        }
        told += 1;
        out.push(say(
            format!("the program knows {path}, and the root file system is read-only there: `read-only file system`"),
            &text.origin,
            "a path of the program".to_owned(),
            None,
        ));
    }
    if told > 0 {
        return Ok(());
    }
    if let Some(store) = STORES.iter().find(|package| program.links_package(package)) {
        if mounts.is_empty() {
            out.push(say(
                format!("{store} keeps files, and no volume of the container can be written"),
                &program.version.origin,
                format!("links {store}"),
                None,
            ));
        }
        return Ok(());
    }
    let temporary = program.links_any(&[symbols::CREATE_TEMP, symbols::MKDIR_TEMP])?;
    if let Some(function) = temporary
        && !writable(&temp)
    {
        out.push(say(
            format!("temporary files are made in {temp}, where nothing can be written"),
            function,
            "makes temporary files; a library may be who links it".to_owned(),
            Some(Level::Note),
        ));
    }
    Ok(())
}

/// The path and all above it, without slashes at their ends.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at]).chain(std::iter::once(path))
}
