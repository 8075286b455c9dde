//! JUnit's XML, which every CI shows as tests: a suite for each subject, a case for each rule that
//! has something to say about it. A finding that fails the run fails its case; what was not judged
//! is a skipped case, not a passed one, and so is what is suppressed.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::plain::clean;
use super::view::{FindingView, View};

/// What a subject's suite is made of.
#[derive(Default)]
struct Suite<'v> {
    findings: BTreeMap<String, Vec<&'v FindingView<'v>>>,
    not_judged: BTreeMap<&'v str, String>,
    suppressed: BTreeMap<String, Vec<String>>,
}

/// The run as JUnit's XML.
pub fn render(view: &View<'_>) -> String {
    let mut suites: BTreeMap<&str, Suite<'_>> = BTreeMap::new();
    for finding in &view.findings {
        let suite = suites.entry(finding.subject).or_default();
        suite.findings.entry(finding.id()).or_default().push(finding);
    }
    for item in &view.not_judged {
        let suite = suites.entry(item.subject).or_default();
        let why = suite.not_judged.entry(item.rule).or_default();
        let separator = if why.is_empty() { "" } else { "; " };
        why.push_str(&format!("{separator}{} ({})", item.remedy, clean(item.needs)));
    }
    for item in &view.suppressed {
        let suite = suites.entry(item.finding.subject).or_default();
        suite.suppressed.entry(item.finding.id()).or_default().push(item.why());
    }
    // A consumer takes a report without a case for a run that did not happen.
    if suites.is_empty() && view.notices.is_empty() {
        suites.entry("provost").or_default();
    }
    let mut report = quick_junit::Report::new("provost");
    if !view.notices.is_empty() {
        report.add_test_suite(notices(view));
    }
    for (subject, suite) in suites {
        report.add_test_suite(test_suite(view, subject, suite));
    }
    let mut text = report.to_string().expect("names and messages are text, and nothing is written");
    text.push('\n');
    text
}

/// What no case of a rule says: what ends the run with 2 is an error, what is not shown is skipped.
fn notices(view: &View<'_>) -> TestSuite {
    let mut out = TestSuite::new("provost");
    for notice in &view.notices {
        let mut status = match notice.is_error() {
            true => TestCaseStatus::non_success(NonSuccessKind::Error),
            false => TestCaseStatus::skipped(),
        };
        status.set_message(clean(&notice.message).into_owned());
        let mut case = TestCase::new(notice.kind.name(), status);
        case.set_classname("provost");
        out.add_test_case(case);
    }
    out
}

fn test_suite(view: &View<'_>, subject: &str, suite: Suite<'_>) -> TestSuite {
    let mut out = TestSuite::new(clean(subject).into_owned());
    if suite.findings.is_empty() && suite.not_judged.is_empty() && suite.suppressed.is_empty() {
        out.add_test_case(TestCase::new("no findings", TestCaseStatus::success()));
    }
    for (id, findings) in suite.findings {
        let fails = findings.iter().any(|finding| view.fails(finding));
        let text: Vec<String> = findings.iter().map(|finding| in_full(finding)).collect();
        let text = text.join("\n");
        let mut case = if fails {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(findings[0].level);
            status.set_message(clean(findings[0].message).into_owned());
            status.set_description(text);
            TestCase::new(id, status)
        } else {
            let mut case = TestCase::new(id, TestCaseStatus::success());
            case.set_system_out(text);
            case
        };
        case.set_classname(clean(subject).into_owned());
        out.add_test_case(case);
    }
    for (rule, why) in suite.not_judged {
        let mut status = TestCaseStatus::skipped();
        status.set_message(format!("not judged: {why}"));
        let mut case = TestCase::new(rule, status);
        case.set_classname(clean(subject).into_owned());
        out.add_test_case(case);
    }
    for (id, mut why) in suite.suppressed {
        why.dedup();
        let mut status = TestCaseStatus::skipped();
        status.set_message(clean(&format!("suppressed: {}", why.join("; "))).into_owned());
        // Another finding of the rule may be none that is suppressed.
        let mut case = TestCase::new(format!("{id} (suppressed)"), status);
        case.set_classname(clean(subject).into_owned());
        out.add_test_case(case);
    }
    out
}

fn in_full(finding: &FindingView<'_>) -> String {
    let mut text = format!("{}: {}\n", finding.level, clean(finding.message));
    for place in &finding.evidence {
        text.push_str(&format!("  {}: {}\n", clean(&place.position()), clean(place.note)));
    }
    for note in finding.notes {
        text.push_str(&format!("  note: {}\n", clean(note)));
    }
    if let Some(fix) = &finding.fix {
        text.push_str(&format!("  fix: {}\n", clean(fix.title)));
    }
    text
}
