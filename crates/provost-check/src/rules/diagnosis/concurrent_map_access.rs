//! A map that several goroutines use without a lock.

use crate::case::crash::{DumpCase, Fatal, started};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Nothing recovers from it.
pub static RULE: Rule = Rule {
    id: "concurrent-map-access",
    group: Group::Diagnosis,
    level: Level::Deny,
    title: "a map that is written to while other goroutines use it",
    page: include_str!("concurrent-map-access.md"),
    needs: &[Need::Log],
    check: Check::Dump(check),
    ..Rule::BASE
};

fn check(case: &DumpCase<'_>, out: &mut Findings) -> Judged {
    let Some((cause, text)) = case.fatal(Fatal::MapAccess) else { return Ok(()) };
    let what = if text.contains("iteration and map write") {
        "one goroutine ranged over a map while another wrote to it"
    } else if text.contains("read and map write") {
        "one goroutine read a map while another wrote to it"
    } else if text.contains("clone and map write") {
        "one goroutine copied a map while another wrote to it"
    } else {
        "two goroutines wrote to one map at the same time"
    };
    let message = format!("the process ended because {what}");
    let mut finding = Finding::new(&RULE, message, &case.at(cause.line), text);
    if let Some((origin, text)) = case.culprit() {
        finding = finding.also(&origin, text);
    }
    let created = case.dump.first.as_ref().and_then(|first| first.created.as_ref());
    if let Some(created) = created {
        finding = finding.note(format!("it was {}", started(created)));
    }
    if case.dump.groups.total == 1 {
        finding = finding.note(
            "the other one is not printed (Go 1.19 on): GOTRACEBACK=all shows what the others did",
        );
    }
    out.push(
        finding
            .note("this is a fatal error and no panic: nothing recovers from it, and the runtime finds only some of such accesses")
            .fix(Fix::suggest("hold a sync.Mutex around every use of the map, or use sync.Map; go test -race finds the other places")),
    );
    Ok(())
}
