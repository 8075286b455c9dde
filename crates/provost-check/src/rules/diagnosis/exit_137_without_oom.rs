//! A container was killed, and not for memory.

use jiff::{SignedDuration, Timestamp};

use crate::case::memory::MemoryCase;
use crate::facts::oom::{ContainerStatus, EVICTED, Event, KernelLog, Pod, Terminated};
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::moment::Moment;
use crate::rules::rule::{Check, Findings, Group, Judged, Rule};

/// 128 + 9: whoever sent the signal.
const KILLED: i64 = 137;
/// Seconds before its end in which a container can have been told to end.
const NEAR: i64 = 3600;

/// `finishedAt` has no parts of a second.
const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// Logs of kernels of which it is said that they are of another time.
const MOST_LOGS: usize = 4;

/// More memory does not help.
pub static RULE: Rule = Rule {
    id: "exit-137-without-oom",
    group: Group::Diagnosis,
    level: Level::Warn,
    title: "exit code 137 without a kill for memory",
    page: include_str!("exit-137-without-oom.md"),
    check: Check::Memory(check),
    ..Rule::BASE
};

fn check(case: &MemoryCase<'_>, out: &mut Findings) -> Judged {
    let Some((pod, status)) = case.status else { return Ok(()) };
    let Some(end) = status.ends.first().filter(|end| end.exit_code.value == KILLED) else {
        return Ok(());
    };
    let counted = case.killed_in().is_some();
    let evicted = pod.reason.as_ref().is_some_and(|reason| reason.value == EVICTED);
    if end.reason() == "OOMKilled" || case.kill().is_some() || counted || evicted {
        return Ok(());
    }
    if case.unplaced && pod.uid.is_none() {
        let needs = "whether it was this container in which the kernel killed for memory: kubectl describe has neither the pod's UID nor the ID of the container that ended; kubectl get pod -o yaml has both";
        return Err(Abstain::unknown(Reason::NoMemoryFiles, needs));
    }
    if case.unplaced {
        let needs = "whose processes the kernel's log says were killed for memory: the line before each, with oom_memcg and task_memcg, is not in it";
        return Err(Abstain::unknown(Reason::NoMemoryFiles, needs));
    }
    let cause = cause(case, pod, status, end);
    let said = match end.reason() {
        "" => String::new(),
        reason => format!(" ({reason})"),
    };
    let message = format!(
        "{} ended with exit code 137{said}, and nothing that was given was killed for memory: {}",
        status.name, cause.told
    );
    let mut finding =
        Finding::new(&RULE, message, &end.exit_code.origin, "128 + 9: ended by SIGKILL");
    for (place, label) in cause.places {
        finding = finding.also(&place, label);
    }
    let ended = end.finished.as_ref().map(|finished| finished.value);
    let logs = case.all_facts().logs.iter();
    let (other, of_then): (Vec<_>, Vec<_>) = logs
        .map(|log| (log, reach(log, ended)))
        .partition(|(_, reach)| matches!(reach, Reach::From(_) | Reach::To(_)));
    let counted = case.group.and_then(|group| group.kills());
    for (log, reach) in other.into_iter().take(MOST_LOGS) {
        let path = &case.joined.world.sources.get(log.source).path;
        let says = match reach {
            Reach::To(date) => format!(
                "its last line is of {date}, before the container ended, and that it was taken later it does not say"
            ),
            Reach::From(date) => format!("it begins at {date}, when the container had ended"),
            Reach::Over | Reach::Unknown => continue,
        };
        finding = finding.note(format!("{path} says nothing of it: {says}"));
    }
    let over = of_then.iter().any(|(_, reach)| *reach == Reach::Over);
    finding = match (of_then.as_slice(), counted) {
        _ if over => finding.note("likely: the kernel's log that was given reaches over its end and tells of no kill in this container; that it is of its node the log does not say"),
        ([_, ..], _) => finding.note("likely: the kernel's log that was given tells of no kill in this container; that it is of its node, and reaches to its end, the log does not say"),
        ([], Some(_)) => finding.note("oom_kill of its cgroup is 0, which is of the container that runs now"),
        ([], None) => finding.note(
            "likely: Kubernetes would have been told of a kill for memory (OOMKilled); that of the kernel of its node, of that time, makes it certain",
        ),
    };
    out.push(finding.fix(Fix::suggest(cause.mend)));
    Ok(())
}

/// Whether a kernel's log is of the moment in which the container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach<'w> {
    /// It begins before it, and goes on behind it.
    Over,
    /// It begins then, when that was over.
    From(&'w str),
    /// Its last line is of then, before that.
    To(&'w str),
    /// Its lines do not say when they were written, or not in which zone.
    Unknown,
}

fn reach(log: &KernelLog, ended: Option<Timestamp>) -> Reach<'_> {
    let Some(ended) = ended else { return Reach::Unknown };
    let dates = [&log.span.first, &log.span.last]
        .map(|stamp| stamp.as_ref().and_then(|stamp| stamp.date.as_deref()));
    let [Some(begin), Some(end)] = dates else { return Reach::Unknown };
    let (Some(first), Some(last)) = (Moment::parse(begin, ended), Moment::parse(end, ended)) else {
        return Reach::Unknown;
    };
    // `journalctl -r` has the newest first.
    let (begin, end, first, last) = match last.latest < first.earliest {
        true => (end, begin, last, first),
        false => (begin, end, first, last),
    };
    // Kubernetes has whole seconds.
    let until = ended.saturating_add(SECOND).unwrap_or(ended);
    match () {
        () if first.earliest > until => Reach::From(begin),
        () if last.latest < ended => Reach::To(end),
        () if first.latest <= ended && last.earliest >= ended => Reach::Over,
        () => Reach::Unknown,
    }
}

struct Cause {
    told: &'static str,
    mend: &'static str,
    places: Vec<(Origin, String)>,
}

fn cause(case: &MemoryCase<'_>, pod: &Pod, status: &ContainerStatus, end: &Terminated) -> Cause {
    // An event of another day has no part in it.
    let ended = end.finished.as_ref().map(|finished| finished.value.as_second());
    let near = |event: &&Event| match (event.last, ended) {
        (Some(seen), Some(ended)) => (-NEAR..=60).contains(&(seen.as_second() - ended)),
        _ => true,
    };
    // The kubelet says `Container app failed liveness probe, will be restarted`.
    let liveness = case.events().filter(near).find(|event| {
        event.reason.value == "Killing" && event.message.contains("failed liveness probe")
    });
    if let Some(event) = liveness {
        return Cause {
            told: "the liveness probe failed, and the program did not end within the grace period",
            mend: "find out why the probe is not answered; and end on SIGTERM, within the grace period",
            places: vec![(event.reason.origin.clone(), "the kubelet ended it".to_owned())],
        };
    }
    // `metadata.deletionTimestamp` is when it has to be gone.
    let late = |until: &&Fact<jiff::Timestamp>| {
        end.finished.as_ref().is_some_and(|finished| finished.value >= until.value)
    };
    if let Some(until) = pod.deletion.as_ref().filter(late) {
        return Cause {
            told: "the pod was deleted, and its grace period ran out",
            mend: "end on SIGTERM, within terminationGracePeriodSeconds; provost prove shows what takes the time",
            places: vec![(until.origin.clone(), "it had to be gone by then".to_owned())],
        };
    }
    let stopping = case.events().filter(near).find(|event| {
        event.reason.value == "Killing"
            && event.message.contains(&format!("Stopping container {}", status.name))
    });
    if let Some(event) = stopping {
        return Cause {
            told: "the kubelet stopped it, and it did not end within its grace period",
            mend: "end on SIGTERM, within terminationGracePeriodSeconds; provost prove shows what takes the time",
            places: vec![(event.reason.origin.clone(), "the kubelet stopped it".to_owned())],
        };
    }
    Cause {
        told: "a grace period that ran out, a liveness probe or a kill -9; nothing given says which",
        mend: "give its events too: kubectl get events -o yaml --field-selector involvedObject.name=POD",
        places: Vec::new(),
    }
}
