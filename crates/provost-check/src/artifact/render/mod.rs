//! Objects that a renderer printed: Helm for a chart, kustomize for an overlay.
//!
//! The renderer itself is run by whoever holds the command line. Here its output becomes objects,
//! and each line of it is traced back: to the template and the line of `values.yaml`, or to the
//! resource and the patch. Facts have their places in the rendered text; what is reported of them
//! is moved to where it was written when the rules have spoken (`findings/written.rs`).

mod align;
mod branches;
mod budget;
mod chart;
mod files;
mod filled;
mod helpers;
mod hidden;
mod kustomize;
mod lex;
mod line;
mod pipeline;
mod schemas;
mod secrets;
mod template;
mod trace;
mod values;

use std::collections::HashMap;

pub use hidden::{Hidden, Masker};
pub(in crate::artifact) use kustomize::changes_another;
pub use kustomize::{Plan, generated, plan, secrets_of_kustomization};
pub use schemas::refers_elsewhere;
pub use secrets::secrets_of;
pub use trace::{Trace, Traced, Value, Written};

use super::manifest::{self, Loaded};
use super::source::Sources;

/// Who printed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Renderer {
    /// `helm template`
    Helm,
    /// `kustomize build` or `kubectl kustomize`
    Kustomize,
}

/// What a renderer printed.
#[derive(Clone, Debug)]
pub struct Rendering {
    /// The chart (a folder or an archive) or the folder of the kustomization.
    pub root: String,
    /// By whom.
    pub by: Renderer,
    /// The manifests.
    pub text: Vec<u8>,
    /// Values files that were given, the last of which wins.
    pub values: Vec<String>,
    /// Keys of values that were given without a file.
    pub set: Vec<String>,
    /// What was given to the renderer and is secret.
    pub hidden: Hidden,
}

/// Loads the objects, and adds the inputs they come from.
pub fn load(rendering: &Rendering, sources: &mut Sources, options: &manifest::Options) -> Loaded {
    match rendering.by {
        Renderer::Helm => chart::load(rendering, sources, options),
        Renderer::Kustomize => kustomize::load(rendering, sources, options),
    }
}

/// The same for a chart whose files are at hand, by their path inside of it.
pub fn load_chart(
    files: HashMap<String, Vec<u8>>,
    rendering: &Rendering,
    sources: &mut Sources,
    options: &manifest::Options,
) -> Loaded {
    let chart = files::Chart::of(&rendering.root, Some(files)).with_packed();
    chart::load_from(&chart, rendering, sources, options, &mut budget::Budget::default())
}

/// By line of a rendered document: the line of the template, from 0, that printed it.
pub fn lines_of(template: &str, rendered: &str) -> Vec<Option<usize>> {
    let lines = template::read(template).lines;
    align::align(template, &lines, &rendered.lines().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
