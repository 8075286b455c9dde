//! A program of the image that a volume is mounted over.

use super::{HIDDEN, RULE, unpatched};
use crate::case::start::Start;
use crate::facts::Fact;
use crate::facts::build_files::Presence;
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
    let Some(hides) = case.hides(&path.value) else { return Ok(None) };
    let mount = hides.mount;
    unpatched(case, &["command", "args", "volumeMounts"])?;
    case.of.pod_unpatched(&["volumes", "initContainers", "containers/volumeMounts"])?;
    let folder = &mount.path.value;
    let message = match hides.on_itself {
        true => format!(
            "volume {} is mounted on the program {}, a folder on a file: the container cannot start",
            mount.name.value, program.value
        ),
        false => format!(
            "volume {} is mounted at {folder} and hides the program {}: the container cannot start",
            mount.name.value, program.value
        ),
    };
    Ok(Some(
        Finding::new(&RULE, message, &mount.path.origin, "hides what the image has here")
            .variant(&HIDDEN)
            .also(&hides.volume.origin, hides.why)
            .also(&program.origin, "runs this")
            .fix(Fix::suggest("mount the volume at a path where the image has nothing")),
    ))
}
