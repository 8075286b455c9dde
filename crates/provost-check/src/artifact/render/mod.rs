//! Objects that a renderer printed: Helm for a chart, kustomize for an overlay.
//!
//! The renderer itself is run by whoever holds the command line. Here its output becomes objects,
//! and each line of it is traced back: to the template and the line of `values.yaml`, or to the
//! resource and the patch. Facts have their places in the rendered text; what is reported of them
//! is moved to where it was written when the rules have spoken (`findings/written.rs`).

mod align;
mod chart;
mod helpers;
mod kustomize;
mod template;
mod trace;
mod values;

use base64::Engine as _;

pub use kustomize::{Plan, plan};
pub use trace::{Trace, Value, Written};

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
}

/// Loads the objects, and adds the inputs they come from.
pub fn load(rendering: &Rendering, sources: &mut Sources, options: &manifest::Options) -> Loaded {
    match rendering.by {
        Renderer::Helm => chart::load(rendering, sources, options),
        Renderer::Kustomize => kustomize::load(rendering, sources, options),
    }
}

/// By line of a rendered document: the line of the template, from 0, that printed it.
pub fn lines_of(template: &str, rendered: &str) -> Vec<Option<usize>> {
    let lines = template::read(template).lines;
    align::align(template, &lines, &rendered.lines().collect::<Vec<_>>())
}

/// Texts shorter than this are masked where they stand only, or nothing could be read any more.
const SHORTEST: usize = 4;

/// The texts that a loader masked in what was rendered, as they are and decoded: they stand in the
/// template or the values as well.
fn secrets(text: &str, shown: &str) -> Vec<String> {
    if text.len() != shown.len() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let (text, shown) = (text.as_bytes(), shown.as_bytes());
    let mut at = 0;
    while at < shown.len() {
        let masked = |at: usize| shown[at] == b'*' && text[at] != b'*';
        if !masked(at) {
            at += 1;
            continue;
        }
        let start = at;
        while at < shown.len() && (masked(at) || text[at] == b'*') {
            at += 1;
        }
        let part = String::from_utf8_lossy(&text[start..at]);
        // The mask covers what stands behind a key: the space and the quotes as well.
        let part = part.trim().trim_start_matches([':', ' ']).trim_matches(['"', '\'']);
        found.push(part.to_owned());
        let decoded = base64::engine::general_purpose::STANDARD.decode(part);
        found.extend(decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok()));
    }
    found.retain(|part| part.len() >= SHORTEST);
    found
}

#[cfg(test)]
mod tests;
