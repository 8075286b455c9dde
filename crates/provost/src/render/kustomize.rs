//! `kustomize build`, or `kubectl kustomize`

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use provost_check::artifact::discover::absent;
use provost_check::artifact::render::{self, Hidden, Renderer, Rendering};
use provost_check::report::plain::clean;

use super::{Rendered, as_argument, output};
use crate::process::offline;

/// Why a path is not that of a folder that kustomize can build.
fn no_folder(root: &str) -> Option<String> {
    let path = Path::new(root);
    if path.is_dir() {
        return None;
    }
    // What kustomize would fetch if it were asked (api v0.21 `internal/git/repospec.go`).
    let is_remote = root.contains("://")
        || root.contains("?ref=")
        || ["git@", "git::", "github.com/"].iter().any(|start| root.starts_with(start));
    Some(match path.symlink_metadata() {
        Ok(_) if path.is_file() => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new(".")).display().to_string();
            format!("is a file; name the folder: --kustomize {}", clean(&folder))
        }
        Ok(_) => "is no folder".to_owned(),
        Err(_) if is_remote => "is a repository, and nothing is fetched; clone it first".to_owned(),
        Err(_) => clean(&absent(path, Path::is_dir)).into_owned(),
    })
}

/// Builds a kustomization, or says why not.
pub(super) fn render(root: &str, interrupted: &AtomicBool) -> Result<Result<Rendered, String>> {
    let what = format!("kustomization {}", clean(root));
    if let Some(why) = no_folder(root) {
        return Ok(Err(format!("{what}: {why}")));
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
