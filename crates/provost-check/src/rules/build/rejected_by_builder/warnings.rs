//! What BuildKit's own checks warn of: one finding for each of them, with the places it is at.

use super::{RULE, WARNING};
use crate::facts::Basis;
use crate::facts::build::Build;
use crate::facts::build_checks::BuilderWarning;
use crate::findings::{Finding, Fix, Level};
use crate::model::quantity::counted;
use crate::rules::rule::Findings;

/// Places that a finding shows beside its first.
const SHOWN: usize = 3;

pub(super) fn check(build: &Build, out: &mut Findings) {
    let constant = constant_platforms(build);
    let all: Vec<&BuilderWarning> = build.warnings.iter().chain(&constant).collect();
    let mut told: Vec<&str> = Vec::new();
    for first in &all {
        if told.contains(&first.check) || build.checks.skips(first.check) {
            continue;
        }
        told.push(first.check);
        let others = || all.iter().filter(|other| other.check == first.check).skip(1);
        let more = others().count();
        let message = match more {
            0 => format!("{} ({})", first.message, first.check),
            _ => format!(
                "{}, and {} ({})",
                first.message,
                counted(more as u64, "more of the kind"),
                first.check
            ),
        };
        let mut fix = Fix::suggest(first.help);
        if let Some(text) = &first.replacement {
            fix = fix.replace(&first.origin, text.as_str());
        }
        let mut finding = Finding::new(&RULE, message, &first.origin, "a warning of BuildKit's")
            .variant(&WARNING);
        for other in others().take(SHOWN) {
            finding = finding.also(&other.origin, "and here");
            if let Some(text) = &other.replacement {
                fix = fix.replace(&other.origin, text.as_str());
            }
        }
        if let Some(error) = &build.checks.error {
            finding = finding.level(Level::Deny).also(error, "makes it stop the build");
        }
        out.push(finding.fix(fix));
    }
}

/// Stages beside the one of the final image that are always of one platform: where the machine that
/// builds has another, they are emulated.
fn constant_platforms(build: &Build) -> Vec<BuilderWarning> {
    let root = build.root_of(build.final_stage).map(|stage| &stage.origin);
    let stages = build.stages.iter().filter(|stage| Some(&stage.origin) != root);
    stages
        .filter_map(|stage| {
            let platform = stage.platform.as_ref()?;
            let name = stage.name.as_ref().map_or("", |name| name.as_str());
            let named = platform.split('/').any(|part| !part.is_empty() && name.contains(part));
            let open = platform.basis == Basis::Derived || platform.contains('$');
            (!named && !open).then(|| BuilderWarning {
                check: "FromPlatformFlagConstDisallowed",
                origin: platform.origin.clone(),
                message: format!("this stage is always {}", platform.value),
                help: "write --platform=$BUILDPLATFORM, or name the platform in the stage's name",
                replacement: None,
            })
        })
        .collect()
}
