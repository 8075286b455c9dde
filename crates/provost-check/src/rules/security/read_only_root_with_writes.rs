//! A read-only root file system under a program that writes.

use std::collections::BTreeMap;

use crate::case::Case;
use crate::facts::Origin;
use crate::facts::container::Mount;
use crate::facts::program_text::{TextKind, TextOwner};
use crate::facts::symbols;
use crate::facts::workload::VolumeKind;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
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
    // The kubelet mounts files of the API server read-only, whatever is written
    // (pkg/volume/configmap, secret, projected and downwardapi).
    let of_api = |mount: &Mount| {
        let volume = case.pod().volume(&mount.name.value).map(|volume| &volume.kind);
        matches!(
            volume,
            Some(
                VolumeKind::ConfigMap { .. }
                    | VolumeKind::Secret { .. }
                    | VolumeKind::Projected { .. }
            )
        ) || matches!(volume, Some(VolumeKind::Other(kind)) if kind == "downwardAPI")
    };
    let mounts: BTreeMap<&str, &Mount> = case
        .container
        .mounts
        .iter()
        .map(|mount| (mount.path.value.trim_end_matches('/'), mount))
        .collect();
    // The innermost mount counts.
    let mount_of = |path: &str| folders(path).filter_map(|folder| mounts.get(folder)).last();
    let can_be_written = |mount: &Mount| !mount.read_only && !of_api(mount);
    let writable = |path: &str| mount_of(path).is_some_and(|mount| can_be_written(mount));
    // Files of the API server are there to be read: those that the volume certainly has not are meant to be written.
    let is_read = |path: &str| {
        mount_of(path).is_some_and(|mount| {
            of_api(mount) && (mount.path.value == path || case.hides(path).is_none())
        })
    };
    let env = case.environment();
    let temp = match env.literal("TMPDIR")? {
        Some(dir) if dir.value.starts_with('/') => dir.value,
        _ => "/tmp".to_owned(),
    };
    let say = |message: String, origin: &Origin, label: String, fix: String| {
        let read_only = &read_only.origin;
        Finding::new(&RULE, message, read_only, "nothing outside of volumes can be written")
            .also(origin, label)
            .fix(Fix::suggest(fix))
    };
    // A path under /tmp or /var in the program's own text is one it means to use.
    let strings = program.text.strings().unwrap_or_default();
    let own =
        strings.iter().filter(|s| s.kind == TextKind::AbsolutePath && s.owner == TextOwner::Main);
    let mut told = 0;
    for text in own {
        let path = text.text.as_str();
        // Kubernetes' own folders are mounted; sockets of the node are no files of the program's.
        let lent = ["/var/lib/kubelet", "/var/lib/containerd", "/var/lib/docker"];
        let Some(folder) = written_folder(path) else { continue };
        if lent.iter().any(|start| path.starts_with(start))
            || writable(path)
            || is_read(path)
            || told >= 5
        {
            continue;
        }
        told += 1;
        out.push(say(
            format!("the program knows {path}, and the root file system is read-only there: `read-only file system`"),
            &text.origin,
            "a path of the program".to_owned(),
            mount_at(folder),
        ));
    }
    if told > 0 {
        return Ok(());
    }
    if let Some(store) = STORES.iter().find(|package| program.links_package(package)) {
        if !mounts.values().any(|mount| can_be_written(mount)) {
            out.push(say(
                format!("{store} keeps files, and no volume of the container can be written"),
                &program.version.origin,
                format!("links {store}"),
                "mount a volume where they are kept: an emptyDir, unless they have to outlast the \
                 pod"
                .to_owned(),
            ));
        }
        return Ok(());
    }
    let temporary = program.links_any(&[symbols::CREATE_TEMP, symbols::MKDIR_TEMP])?;
    let Some(function) = temporary.filter(|_| !writable(&temp)) else { return Ok(()) };
    // net/http links it for the files of forms, in every program that serves.
    for (callee, who) in TEMPORARY {
        match program.text.calls(callee) {
            Ok(false) => continue,
            Ok(true) => {}
            Err(why) => {
                let what = format!("whether the program makes temporary files: {why}");
                return Err(Abstain::unknown(Reason::StringsUnreadable, what));
            }
        }
        let finding = say(
            format!("{who} in {temp}, where nothing can be written"),
            function,
            format!("{callee} is called, perhaps by a library"),
            mount_at(&temp),
        );
        out.push(finding.level(Level::Note));
        break;
    }
    Ok(())
}

/// Functions that make temporary files, and what they make. Up to the limit that it is given, the form of a request is
/// kept in memory; `FormValue` passes over what fails (net/http/request.go, mime/multipart/formdata.go).
const TEMPORARY: [(&str, &str); 5] = [
    ("os.CreateTemp", "temporary files are made"),
    ("os.MkdirTemp", "temporary folders are made"),
    ("net/http.(*Request).ParseMultipartForm", "large files of forms are kept"),
    ("net/http.(*Request).FormFile", "large files of forms are kept"),
    ("mime/multipart.(*Reader).ReadForm", "large files of forms are kept"),
];

/// Folders below which programs keep what they write, and whether several programs share one.
const WRITTEN: [(&str, bool); 4] =
    [("/tmp", true), ("/var/tmp", true), ("/var/cache", false), ("/var/lib", false)];

/// The folder that has to be writable for a path below one of [`WRITTEN`]. Whether the path is that
/// of a file is known by its extension only, so that a folder around both is taken where there is one
/// that is the program's own.
fn written_folder(path: &str) -> Option<&str> {
    let below = |(folder, _): &&(&str, bool)| {
        path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    };
    let (root, is_shared) = WRITTEN.iter().find(below)?;
    let path = path.trim_end_matches('/');
    if *is_shared || path.len() <= root.len() {
        return Some(root);
    }
    let (parent, name) = path.rsplit_once('/')?;
    Some(if parent == *root && !name.contains('.') { path } else { parent })
}

fn mount_at(folder: &str) -> String {
    match folder.starts_with("/var/lib") {
        true => format!(
            "mount a volume at {folder}: an emptyDir, unless what is there has to outlast the pod"
        ),
        false => format!("mount an emptyDir at {folder}"),
    }
}

/// The path and all above it, without slashes at their ends.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at]).chain(std::iter::once(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_that_is_written_is_named() {
        for (path, folder) in [
            ("/var/cache/checkout", "/var/cache/checkout"),
            ("/var/cache/checkout/", "/var/cache/checkout"),
            ("/var/cache/checkout/thumbs", "/var/cache/checkout"),
            ("/var/cache/checkout/thumbs/a.png", "/var/cache/checkout/thumbs"),
            ("/var/lib/checkout/orders.db", "/var/lib/checkout"),
            ("/var/lib/orders.db", "/var/lib"),
            ("/tmp/uploads/x", "/tmp"),
            ("/tmp/", "/tmp"),
            ("/var/tmp/x.json", "/var/tmp"),
        ] {
            assert_eq!(written_folder(path), Some(folder), "{path}");
        }
        for path in ["/tmp", "/tmpx/a", "/var/log/x", "/var/cachex/y", ""] {
            assert_eq!(written_folder(path), None, "{path}");
        }
    }
}
