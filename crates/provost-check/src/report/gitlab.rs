//! GitLab's code quality report: a subset of Code Climate's format, shown in merge requests.

use serde_json::{Value, json};

use super::json::pretty;
use super::plain::clean;
use super::view::{FindingView, View};
use crate::findings::Level;

/// The findings as a code quality report.
pub fn render(view: &View<'_>) -> String {
    pretty(&view.findings.iter().map(issue).collect::<Vec<_>>())
}

fn issue(finding: &FindingView<'_>) -> Value {
    let place = finding.primary();
    let mut description = clean(finding.message).into_owned();
    if let Some(fix) = &finding.fix {
        description.push_str(&format!(" (fix: {})", clean(fix.title)));
    }
    json!({
        "type": "issue",
        "check_name": finding.id(),
        "description": description,
        "fingerprint": finding.fingerprint,
        "severity": match finding.of.level {
            Level::Deny => "critical",
            Level::Warn => "major",
            Level::Note => "info",
        },
        "location": {
            // GitLab joins it to the root of the repository and reads no leading `./`.
            "path": place.path.strip_prefix("./").unwrap_or(place.path),
            // A line is required; a finding about a file as such stands on its first.
            "lines": {"begin": place.start.map_or(1, |start| start.line)},
        },
    })
}
