//! Whether a binary that was given can be what its Dockerfile builds.

use crate::facts::Origin;
use crate::facts::binary::Binary;
use crate::facts::build::Build;

/// Something that the build information of a binary and its Dockerfile tell differently.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The place in the Dockerfile.
    pub origin: Origin,
    /// What the Dockerfile builds with: `CGO_ENABLED=0`.
    pub wanted: String,
    /// What the binary says: `CGO_ENABLED=1`.
    pub found: String,
}

/// The first thing that speaks against the binary having been built by that Dockerfile. A binary
/// that `--build` made is none of those.
pub fn difference(build: &Build, binary: &Binary) -> Option<Difference> {
    if binary.built_from.is_some() {
        return None;
    }
    let program = binary.go.as_ref()?;
    let go = build.entrypoint_build()?;
    if let Some(wanted) = go.variable("CGO_ENABLED")
        && let Some(found) = program.setting("CGO_ENABLED")
        && matches!(wanted.value.as_str(), "0" | "1")
        && wanted.value != found.value
    {
        return Some(Difference {
            origin: wanted.origin.clone(),
            wanted: format!("CGO_ENABLED={}", wanted.value),
            found: format!("CGO_ENABLED={}", found.value),
        });
    }
    if let (Some(wanted), Some(found)) = (build.pinned_arch(go), &binary.machine)
        && wanted.value != found.value
    {
        return Some(Difference {
            origin: wanted.origin.clone(),
            wanted: format!("GOARCH={}", wanted.value),
            found: format!("GOARCH={}", found.value),
        });
    }
    let tag = build.go_tag(go)?;
    let exact = tag.value.patch.is_some() && tag.value.patch != program.version.patch;
    (tag.value.minor != program.version.minor || exact).then(|| Difference {
        origin: tag.origin.clone(),
        wanted: tag.value.to_string(),
        found: program.version.value.to_string(),
    })
}
