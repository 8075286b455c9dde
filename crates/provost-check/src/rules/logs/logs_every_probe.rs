//! Lines that the kubelet causes, one after the other, for as long as the pod lives.

use crate::case::process::ProcessCase;
use crate::facts::proof::{Line, Phase, PhaseName, Probe, ProbeKind};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Fewer may be of anything else.
const LEAST: usize = 3;

/// Who looks for a request has to read past them, and somebody pays for them.
pub static RULE: Rule = Rule {
    id: "logs-every-probe",
    group: Group::Logs,
    level: Level::Note,
    title: "each probe is a line of the log",
    page: include_str!("logs-every-probe.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    let Some(ready) = phase.ready_us else { return Err(Abstain::NotApplicable) };
    // Startup probes end when it is up.
    let probes = case.terms().probes.iter().filter(|probe| probe.kind != ProbeKind::Startup);
    let judged: Vec<&Probe> = probes.filter(|probe| words_of(probe).is_some()).collect();
    if judged.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let mut told: Vec<(&Probe, usize, &Line)> = Vec::new();
    for probe in judged {
        let Some((asked, lines)) = logged(phase, ready, probe) else { continue };
        let Some(&first) = lines.first() else { continue };
        let known = told.iter().any(|(known, ..)| known.path == probe.path);
        if asked >= LEAST && lines.len() >= asked && !known {
            told.push((probe, asked, first));
        }
    }
    for (probe, asked, first) in told {
        let what = probe.asks();
        let mut finding = Finding::new(
            &RULE,
            format!("each of {asked} probes of {what} is a line of the log"),
            &case.moment(phase, first.at_us),
            "the first of them",
        );
        finding = case.show_probe(probe.kind, finding);
        finding = finding.note(format!("it printed: {}", first.shown()));
        if let Some(day) = a_day(case, probe) {
            finding = finding.note(format!("that is {day} lines a day from each pod"));
        }
        out.push(finding.note(case.repeat(phase)).fix(Fix::suggest(
            "leave the paths of probes out of the access log, or log those that fail only",
        )));
    }
    Ok(())
}

/// What a line has of a probe; nothing where other requests have it, too.
fn words_of(probe: &Probe) -> Option<&str> {
    let path = probe.path.split('?').next().unwrap_or_default();
    match probe.by.is_grpc() {
        true => Some("grpc.health.v1.Health/Check"),
        false => Some(path).filter(|path| path.len() > 1),
    }
}

/// How often what a probe asks for was asked when the process was ready, and the lines from then on that say so.
fn logged<'p>(phase: &'p Phase, ready: u64, probe: &Probe) -> Option<(usize, Vec<&'p Line>)> {
    let words = words_of(probe)?;
    // Another probe may ask for the same.
    let requests = phase.requests.iter().filter(|request| {
        request.at_us >= ready && request.path == probe.path && request.outcome.passes()
    });
    let moments: Vec<u64> = requests.map(|request| request.at_us).collect();
    let since = *moments.iter().min()?;
    let lines = phase.output.lines.iter().filter(|line| line.at_us >= since);
    let lines = lines.filter(|line| is_about(&line.text, words)).collect();
    Some((moments.len(), lines))
}

/// Whether a line names a path, by itself or in a URL.
fn is_about(line: &str, path: &str) -> bool {
    let apart = |c: char| c.is_whitespace() || "\"'`,;()[]{}<>=\\".contains(c);
    line.split(apart).any(|word| {
        let word = word.split(['?', '#']).next().unwrap_or_default();
        let before = word.strip_suffix(path);
        before.is_some_and(|before| {
            before.is_empty() || before == "/" || before.ends_with(':') || is_host(before)
        })
    })
}

/// `http://127.0.0.1:8080`, `127.0.0.1:8080`
fn is_host(before: &str) -> bool {
    let host = before.split_once("://").map_or(before, |(_, host)| host);
    !host.contains('/') && (host.contains(':') || before.contains("://"))
}

/// Lines a day, by the period of the manifest.
fn a_day(case: &ProcessCase<'_>, probe: &Probe) -> Option<u32> {
    let container = case.container()?.container;
    let written = match probe.kind {
        ProbeKind::Startup => return None,
        ProbeKind::Readiness => container.readiness.as_ref(),
        ProbeKind::Liveness => container.liveness.as_ref(),
    };
    86_400_u32.checked_div(written?.timing().period)
}

#[cfg(test)]
mod tests {
    use super::is_about;

    #[test]
    fn a_line_is_about_a_path_and_not_about_one_that_ends_like_it() {
        for line in [
            r#"{"method":"GET","path":"/readyz","status":200}"#,
            r#"10.0.0.1 - - "GET /readyz HTTP/1.1" 200 3"#,
            r#"level=info url=http://10.0.0.7:8080/readyz?full=1"#,
            "GET:/readyz 200",
        ] {
            assert!(is_about(line, "/readyz"), "{line}");
        }
        for line in [r#"{"path":"/orders/readyz"}"#, r#"{"path":"/readyz/db"}"#, "not readyz", ""] {
            assert!(!is_about(line, "/readyz"), "{line}");
        }
        let call = r#"{"method":"/grpc.health.v1.Health/Check"}"#;
        assert!(is_about(call, "grpc.health.v1.Health/Check"));
    }
}
