//! A program of the image that a volume is mounted over.

use super::{HIDDEN, RULE, unpatched};
use crate::case::Case;
use crate::case::start::Start;
use crate::facts::Fact;
use crate::facts::build_files::Presence;
use crate::facts::container::Mount;
use crate::facts::workload::{VolumeItem, VolumeKind};
use crate::findings::{Abstain, Finding, Fix};

/// A volume hides all that the image has below its mountPath. Said where the image has the program in one place,
/// and the volume certainly has not: it is empty, or its files are known, or it lies on the program itself.
pub(super) fn judge(
    start: &Start<'_>,
    program: &Fact<String>,
    paths: &[Fact<String>],
) -> Result<Option<Finding>, Abstain> {
    let (Some(case), [path]) = (&start.by, paths) else { return Ok(None) };
    if start.image.presence(&path.value) != Presence::Certainly {
        return Ok(None);
    }
    let Some((mount, rest)) = over(case, &path.value) else { return Ok(None) };
    let Some(volume) = case.pod().volume(&mount.name.value) else { return Ok(None) };
    let Some(why) = lacks(case, mount, &volume.kind, rest) else { return Ok(None) };
    unpatched(case, &["command", "args", "volumeMounts"])?;
    case.of.pod_unpatched(&["volumes", "initContainers", "containers/volumeMounts"])?;
    let folder = &mount.path.value;
    let message = match rest {
        "" => format!(
            "volume {} is mounted on the program {}, a folder on a file: the container cannot start",
            mount.name.value, program.value
        ),
        _ => format!(
            "volume {} is mounted at {folder} and hides the program {}: the container cannot start",
            mount.name.value, program.value
        ),
    };
    Ok(Some(
        Finding::new(&RULE, message, &mount.path.origin, "hides what the image has here")
            .variant(&HIDDEN)
            .also(&volume.origin, why)
            .also(&program.origin, "runs this")
            .fix(Fix::suggest("mount the volume at a path where the image has nothing")),
    ))
}

/// The innermost mount that a path of the image lies under, and the rest of the path. `None` for a part of a volume,
/// which may be one file.
fn over<'w, 'p>(case: &Case<'w>, path: &'p str) -> Option<(&'w Mount, &'p str)> {
    let below = |mount: &Mount| {
        let rest = path.strip_prefix(mount.path.value.trim_end_matches('/'))?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest.trim_start_matches('/'))
    };
    let mounts = case.container.mounts.iter().filter_map(|mount| Some((mount, below(mount)?)));
    let (mount, rest) = mounts.min_by_key(|(_, rest)| rest.len())?;
    mount.sub_path.is_none().then_some((mount, rest))
}

/// Why the volume certainly does not have the file.
fn lacks(case: &Case<'_>, mount: &Mount, kind: &VolumeKind, rest: &str) -> Option<String> {
    let name = mount.name.value.as_str();
    let folder = matches!(
        kind,
        VolumeKind::EmptyDir { .. }
            | VolumeKind::ConfigMap { .. }
            | VolumeKind::Secret { .. }
            | VolumeKind::Claim(_)
            | VolumeKind::Projected { .. }
    );
    if rest.is_empty() {
        return folder.then(|| "is a folder".to_owned());
    }
    match kind {
        // Who else mounts it may put the program there: an init container that copies it.
        VolumeKind::EmptyDir { .. } => {
            let of = |mounts: &[Mount]| mounts.iter().filter(|it| it.name.value == name).count();
            let all: usize = case.pod().containers.iter().map(|it| of(&it.mounts)).sum();
            (all == 1).then(|| "is empty".to_owned())
        }
        VolumeKind::ConfigMap { name, items, .. } => files(case, "ConfigMap", name, items, rest),
        VolumeKind::Secret { name, items, .. } => files(case, "Secret", name, items, rest),
        _ => None,
    }
}

fn files(
    case: &Case<'_>,
    kind: &str,
    name: &str,
    items: &[VolumeItem],
    rest: &str,
) -> Option<String> {
    if !items.is_empty() {
        let path = |item: &VolumeItem| item.path.as_ref().map(|path| path.value.clone());
        let paths: Option<Vec<String>> = items.iter().map(path).collect();
        let has = paths?.iter().any(|path| path == rest || path.contains("{{"));
        return (!has).then(|| "has other files".to_owned());
    }
    let object = case.named_object(kind, name).ok().flatten()?;
    case.of.joined.keys_are_known(object).ok()?;
    let has = object.data_keys().any(|key| key.value == rest || key.value.contains("{{"));
    (!has && object.data_keys().next().is_some()).then(|| format!("{kind} {name} has other files"))
}
