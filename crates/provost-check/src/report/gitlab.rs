//! GitLab's code quality report: a subset of Code Climate's format, shown in merge requests. It has
//! no place for what is suppressed: an issue there is one to be looked at.

use serde_json::{Value, json};

use super::json::pretty;
use super::notice::Notice;
use super::plain::clean;
use super::view::{FindingView, View};
use crate::findings::Level;

/// The findings as a code quality report.
pub fn render(view: &View<'_>) -> String {
    let findings = view.findings.iter().map(|finding| issue(view, finding));
    pretty(&view.notices.iter().map(notice).chain(findings).collect::<Vec<_>>())
}

/// An empty list would read as a pass, and the format has nothing else to say it with.
fn notice(notice: &Notice) -> Value {
    let message = clean(&notice.message);
    json!({
        "type": "issue",
        "check_name": notice.kind.name(),
        "description": message,
        "fingerprint": format!("provost/{}: {message}", notice.kind.name()),
        "severity": if notice.is_error() { "critical" } else { "info" },
        // The run as a whole; a path and a line are required.
        "location": {"path": ".", "lines": {"begin": 1}},
    })
}

fn issue(view: &View<'_>, finding: &FindingView<'_>) -> Value {
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
            "path": view.from_root(place.path),
            // A line is required; a finding about a file as such stands on its first.
            "lines": {"begin": place.start.map_or(1, |start| start.line)},
        },
    })
}
