//! `kustomize build`, or `kubectl kustomize`

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use provost_check::artifact::render::{self, Hidden, Renderer, Rendering};
use provost_check::report::plain::clean;

use super::{Rendered, as_argument, output};
use crate::process::offline;

/// Builds a kustomization, or says why not.
pub(super) fn render(root: &str, interrupted: &AtomicBool) -> Result<Result<Rendered, String>> {
    let what = format!("kustomization {}", clean(root));
    if !Path::new(root).is_dir() {
        return Ok(Err(format!("{what}: is no folder (a repository is cloned first)")));
    }
    let plan = render::plan(root);
    if let Some(why) = plan.refused.first() {
        let more = match plan.refused.len() - 1 {
            0 => String::new(),
            n => format!(" (and {n} more)"),
        };
        return Ok(Err(format!("{what}: not judged, because {}{more}", clean(why))));
    }
    let folder = as_argument(root);
    let (mut tool, arguments, called) = match (offline("kustomize")?, offline("kubectl")?) {
        (Some(kustomize), _) => (kustomize, "build", "kustomize build"),
        (None, Some(kubectl)) => (kubectl, "kustomize", "kubectl kustomize"),
        (None, None) => {
            let why = "not judged, because neither kustomize nor kubectl is on PATH";
            return Ok(Err(format!("{what}: {why}")));
        }
    };
    tool.command.args([arguments, &folder]);
    let known = || render::secrets_of_kustomization(&plan);
    let text = output(tool, &what, &known, interrupted)?;
    Ok(text.map_err(|failure| failure.why).map(|text| Rendered {
        rendering: Rendering {
            root: root.to_owned(),
            by: Renderer::Kustomize,
            text,
            values: Vec::new(),
            set: Vec::new(),
            hidden: Hidden::default(),
        },
        said: format!("rendered by {called} {}", clean(root)),
    }))
}
