//! `kustomize build`, or `kubectl kustomize`

use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use provost_check::artifact::render::{self, Renderer, Rendering};
use provost_check::report::plain::clean;

use super::{Rendered, as_argument, output};

/// Builds a kustomization, or says why not.
pub(super) fn render(root: &str, interrupted: &AtomicBool) -> Result<Result<Rendered, String>> {
    let what = format!("kustomization {root}");
    if !Path::new(root).is_dir() {
        return Ok(Err(format!("{what}: is no folder (a repository is cloned first)")));
    }
    let plan = render::plan(root);
    if let Some((entry, file)) = plan.remote.first() {
        return Ok(Err(format!(
            "{what}: not judged, because {} names {}, which is not in the folder and which \
             kustomize would fetch; copy it beside the kustomization",
            clean(file),
            clean(entry)
        )));
    }
    let folder = as_argument(root);
    let mut kustomize = Command::new("kustomize");
    kustomize.args(["build", &folder]);
    let (tool, text) = match on_path("kustomize") {
        true => ("kustomize build", output(kustomize, &what, interrupted)?),
        false if on_path("kubectl") => {
            let mut kubectl = Command::new("kubectl");
            kubectl.args(["kustomize", &folder]);
            ("kubectl kustomize", output(kubectl, &what, interrupted)?)
        }
        false => {
            let why = "not judged, because neither kustomize nor kubectl is on PATH";
            return Ok(Err(format!("{what}: {why}")));
        }
    };
    Ok(text.map(|text| Rendered {
        rendering: Rendering {
            root: root.to_owned(),
            by: Renderer::Kustomize,
            text,
            values: Vec::new(),
            set: Vec::new(),
        },
        said: format!("rendered by {tool} {root}"),
    }))
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
