//! Proofs: what `provost prove` wrote down of a process.

use crate::facts::binary::Binary;
use crate::facts::problem::{Problem, ProblemKind};
use crate::facts::proof::{Measured, Phase, Proof, VERSION};
use crate::facts::{Origin, SourceId};

/// Bytes of a proof; larger ones are not read.
pub const LARGEST: u64 = 256 << 20;

/// Microseconds that a measurement takes at most, and Kubernetes grants: a day. What says more was not
/// measured, and sums of it might not be numbers.
const LONGEST_US: u64 = 86_400_000_000;

/// Reads a proof. One of another build than the executables that are judged with it says nothing of
/// them.
///
/// # Errors
/// When it is none, is of a newer form, or speaks of another program.
pub fn load(source: SourceId, bytes: &[u8], binaries: &[Binary]) -> Result<Measured, Problem> {
    let problem = |message: String, help: Option<&str>| Problem {
        kind: ProblemKind::Malformed,
        origin: Origin::whole(source),
        message,
        help: help.map(str::to_owned),
    };
    let proof: Proof = serde_json::from_slice(bytes)
        .map_err(|error| problem(format!("is no proof that provost prove wrote: {error}"), None))?;
    if proof.version > VERSION {
        let message = format!("is a proof of form {}, and {VERSION} is known here", proof.version);
        return Err(problem(message, Some("use the provost that made it, or measure again")));
    }
    if let Some(what) = implausible(&proof) {
        return Err(problem(format!("is no proof that provost prove wrote: {what}"), None));
    }
    let known: Vec<&Binary> = binaries.iter().filter(|binary| binary.sha256.is_some()).collect();
    let is_it = |binary: &&Binary| binary.sha256.as_deref() == Some(proof.program.sha256.as_str());
    if let Some(binary) = known.first().filter(|_| !known.iter().any(is_it)) {
        let message = format!("is a proof of another build than {}", binary.path);
        return Err(problem(message, Some("measure this one: provost prove --binary PATH")));
    }
    Ok(Measured { source, proof })
}

/// What cannot have been measured.
fn implausible(proof: &Proof) -> Option<String> {
    let terms = &proof.terms;
    let probes = terms.probes.iter().map(|probe| probe.timeout_ms);
    let promised =
        [terms.start_ms, terms.ready_ms, terms.grace_ms, terms.pre_stop_ms, terms.propagation_ms];
    let delay = terms.otlp.iter().map(|otlp| otlp.delay_ms);
    if promised.into_iter().chain(probes).chain(delay).any(|ms| ms > LONGEST_US / 1000) {
        return Some("its terms grant more than a day".to_owned());
    }
    let phases = || proof.phases.iter().chain(proof.repeats.iter().flatten());
    let trials = phases().flat_map(|phase| phase.trials.iter().map(|trial| &trial.run));
    if trials.clone().any(|run| !run.trials.is_empty()) {
        return Some("a start with a changed variable has others in it".to_owned());
    }
    let as_root = phases().filter_map(|phase| phase.as_root.as_deref());
    let has_others =
        |run: &Phase| run.as_root.is_some() || !(run.trials.is_empty() && run.repeats.is_empty());
    if as_root.clone().any(has_others) {
        return Some("a start as root has others in it".to_owned());
    }
    let repeats = phases().flat_map(|phase| &phase.repeats);
    if repeats.clone().chain(trials.clone()).any(|run| !run.repeats.is_empty()) {
        return Some("a further run of a phase has others in it".to_owned());
    }
    if repeats.clone().chain(trials.clone()).any(|run| run.as_root.is_some()) {
        return Some("a further run of a phase has a start as root in it".to_owned());
    }
    phases().chain(trials).chain(repeats).chain(as_root).find_map(|phase| {
        let name = phase.name.name();
        let listeners = phase.listeners.iter().flat_map(|it| [Some(it.at_us), it.closed_us]);
        let signals = phase.signals.iter().map(|sent| Some(sent.at_us));
        let lines = phase.output.lines.iter().map(|line| Some(line.at_us));
        let requests = phase.requests.iter().flat_map(|it| [Some(it.end_us), it.sent_us]);
        let exit = phase.exit.iter().map(|exit| Some(exit.at_us));
        let all = listeners.chain(signals).chain(lines).chain(requests).chain(exit);
        let all = all.chain([phase.ready_us, phase.live_us]).flatten();
        if all.chain(further(phase)).any(|at_us| at_us > LONGEST_US) {
            return Some(format!("the phase {name} lasted more than a day"));
        }
        let asked = phase.telemetry.iter().flat_map(|it| &it.asked);
        let asked = asked.map(|asked| (asked.at_us, asked.end_us));
        let mut requests = phase.requests.iter().map(|it| (it.at_us, it.end_us)).chain(asked);
        let backwards = requests.any(|(at_us, end_us)| end_us < at_us);
        backwards.then(|| format!("a request of the phase {name} ends before it begins"))
    })
}

/// Times of what not every phase measures.
fn further(phase: &Phase) -> impl Iterator<Item = u64> {
    let watched = phase.watched.iter().flat_map(|it| {
        let states = it.states.iter().map(|state| state.at_us);
        states.chain(it.goaway_us).chain([it.end_us])
    });
    let checks = phase.health.iter().flat_map(|it| &it.checks).map(|check| check.at_us);
    let load = phase
        .load
        .iter()
        .flat_map(|it| [it.took_us, it.p50_us, it.p90_us, it.p99_us, it.p999_us, it.max_us]);
    let dependencies = phase.dependencies.iter().flat_map(|it| {
        let turns = it.turns.iter().map(|turn| turn.at_us);
        let links = it.links.iter().flat_map(|link| {
            let calls = link.calls.iter().map(|call| call.at_us);
            calls.chain(link.closed_us).chain([link.at_us])
        });
        turns.chain(links)
    });
    // Of all CPUs together.
    let throttled = phase.used.iter().map(|used| used.throttled_us / 4096);
    let telemetry = phase.telemetry.iter().flat_map(|it| {
        let asked = it.asked.iter().map(|asked| asked.end_us);
        let arrived = it.exports.iter().map(|export| export.at_us);
        let arrived = arrived.chain(it.spans.iter().map(|span| span.at_us));
        let memory = it.memory.iter().map(|memory| memory.at_us);
        asked.chain(arrived).chain(it.turns.iter().map(|turn| turn.at_us)).chain(memory)
    });
    let goroutines = phase.goroutines.iter().map(|it| it.at_us);
    let all =
        watched.chain(goroutines).chain(checks).chain(load).chain(dependencies).chain(telemetry);
    all.chain(throttled).chain([phase.lateness_us])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Measured, String> {
        load(SourceId(0), text.as_bytes(), &[]).map_err(|problem| problem.message)
    }

    const LEAST: &str =
        r#"{"version": 1, "program": {"path": "p", "sha256": "aa"}, "terms": {}, "phases": []}"#;

    #[test]
    fn the_least_proof_has_kubernetes_defaults() {
        let proof = read(LEAST).unwrap().proof;
        assert_eq!((proof.terms.grace_ms, proof.terms.window_ms()), (30_000, 5000));
    }

    #[test]
    fn what_is_no_proof_is_said_to_be_none() {
        assert!(read("{").unwrap_err().starts_with("is no proof"));
        let long =
            LEAST.replace("\"terms\": {}", "\"terms\": {\"grace_ms\": 18446744073709551615}");
        assert!(read(&long).unwrap_err().contains("more than a day"));
        let request = r#"{"purpose": "busy", "path": "/", "at_us": 2, "end_us": 1, "outcome": {"is": "refused"}}"#;
        let phases = format!(r#""phases": [{{"name": "drain", "requests": [{request}]}}]"#);
        let backwards = LEAST.replace("\"phases\": []", &phases);
        assert!(read(&backwards).unwrap_err().contains("ends before it begins"));
        let start = |inner: &str| {
            let run = format!(r#"{{"name": "settings", {inner}}}"#);
            format!(r#""trials": [{{"variable": "A", "change": "removed", "run": {run}}}]"#)
        };
        for (inner, what) in [
            (r#""ready_us": 18446744073709551615"#.to_owned(), "more than a day"),
            (start(r#""ready_us": 1"#), "has others in it"),
        ] {
            let phases = format!(r#""phases": [{{"name": "settings", {}}}]"#, start(&inner));
            let trial = LEAST.replace("\"phases\": []", &phases);
            assert!(read(&trial).unwrap_err().contains(what), "{what}");
        }
        for (inner, what) in [
            (r#""repeats": [{"name": "storm"}]"#, "others in it"),
            (r#""ready_us": 86400000001"#, "more than a day"),
        ] {
            let run = format!(r#"{{"name": "storm", {inner}}}"#);
            let phases = format!(r#""phases": [{{"name": "storm", "repeats": [{run}]}}]"#);
            let further = LEAST.replace("\"phases\": []", &phases);
            assert!(read(&further).unwrap_err().contains(what), "{what}");
            let again = format!(r#""phases": [], "repeats": [[{run}]]"#);
            let again = LEAST.replace("\"phases\": []", &again);
            let told = read(&again).map(drop);
            assert_eq!(told.is_err(), what == "more than a day", "{told:?}");
        }
        for inner in [
            r#""watched": {"service": "", "states": [], "end_us": FAR}"#,
            r#""watched": {"service": "", "states": [], "goaway_us": FAR, "end_us": 1}"#,
            r#""watched": {"service": "", "states": [{"at_us": FAR, "serving": 1}], "end_us": 1}"#,
            r#""health": {"port": 1, "checks": [{"service": "", "at_us": FAR, "outcome": {"is": "refused"}}]}"#,
            r#""load": {"p50_us": FAR}"#,
            r#""load": {"took_us": FAR}"#,
            r#""lateness_us": FAR"#,
            r#""dependencies": [{"port": 1, "turns": [{"at_us": FAR, "state": "up"}]}]"#,
            r#""dependencies": [{"port": 1, "turns": [], "links": [{"at_us": 1, "closed_us": FAR}]}]"#,
            r#""dependencies": [{"port": 1, "turns": [], "links": [{"at_us": 1, "calls": [{"at_us": FAR}]}]}]"#,
            r#""telemetry": {"asked": [{"at_us": 1, "end_us": FAR, "path": "/", "trace": "", "parent": "", "sampled": true}]}"#,
            r#""telemetry": {"spans": [{"at_us": FAR, "trace": "", "id": ""}]}"#,
            r#""telemetry": {"exports": [{"at_us": FAR, "signal": "traces", "by": "grpc", "items": 1}]}"#,
            r#""telemetry": {"turns": [{"at_us": FAR, "to": "hangs"}]}"#,
            r#""telemetry": {"memory": [{"at_us": FAR, "bytes": 1, "requests": 1}]}"#,
        ] {
            let of = |far: u64| {
                let inner = inner.replace("FAR", &far.to_string());
                let phases = format!(r#""phases": [{{"name": "drain", {inner}}}]"#);
                read(&LEAST.replace("\"phases\": []", &phases)).map(drop)
            };
            assert!(of(u64::MAX).unwrap_err().contains("more than a day"), "{inner}");
            assert_eq!(of(1), Ok(()), "{inner}");
        }
        let newer = LEAST.replace("\"version\": 1", "\"version\": 2");
        assert!(read(&newer).unwrap_err().contains("form 2"));
    }
}
