//! A runtime that starts as many threads as the node has CPUs.

use crate::case::Case;
use crate::case::resources::Supplied;
use crate::facts::binary::GoProgram;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::gomaxprocs::{self, Effective, Source};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Nothing tells the runtime of the CPU limit.
pub static RULE: Rule = Rule {
    id: "gomaxprocs-ignores-cpu-limit",
    group: Group::Runtime,
    level: Level::Warn,
    title: "GOMAXPROCS follows the node although the container has a CPU limit",
    page: include_str!("gomaxprocs-ignores-cpu-limit.md"),
    needs: &[Need::Manifest, Need::Binary],
    variants: &[FROM_NODE, UPGRADE],
    check: Check::Container(check),
    ..Rule::BASE
};

const FROM_NODE: Variant = Variant::new(
    "gomaxprocs-from-node",
    Level::Note,
    "GOMAXPROCS follows the node and the container has no CPU limit",
);
const UPGRADE: Variant = Variant::new(
    "upgrade-changes-gomaxprocs",
    Level::Note,
    "GOMAXPROCS will be another one after the upgrade to the target Go version",
);

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let program = case.program()?;
    let effective = case.gomaxprocs()?;
    match case.cpu_limit() {
        Ok(_) => limited(case, program, effective, out)?,
        Err(Abstain::NotApplicable) => unlimited(case, program, effective, out),
        Err(unknown) => return Err(unknown),
    }
    Ok(())
}

fn limited(
    case: &Case<'_>,
    program: &GoProgram,
    effective: Effective,
    out: &mut Findings,
) -> Judged {
    // Not enforced: what the runtime does with the limit does not matter.
    let Ok(limit) = case.cpu_quota() else { return Ok(()) };
    let own = gomaxprocs::container_aware(limit.value);
    upgrade(case, program, effective, out);
    if effective.source != Source::Node || case.has_exclusive_cpus() {
        return Ok(());
    }
    let cpus = case.settings().cluster.node_cpus.as_ref();
    if cpus.is_some_and(|cpus| cpus.value <= own) {
        return Ok(());
    }
    let wanted = limit.value.ceil_cpus();
    let threads = match cpus {
        Some(cpus) => format!("the node's {}", cpus.value),
        None => "as many as the node has CPUs".to_owned(),
    };
    let aware = program.version.has_features_of(25);
    let (why, place) = if aware {
        // Only `containermaxprocs=0` brings an aware release here.
        match case.runtime_variable("GODEBUG")? {
            Some(v) if v.value.contains("containermaxprocs") => {
                let place = v.value.find("containermaxprocs").map_or_else(
                    || v.origin().clone(),
                    |at| {
                        let end = v.value[at..].find(',').map_or(v.value.len(), |n| at + n);
                        case.world().part(v.origin(), &v.value, at..end)
                    },
                );
                ("GODEBUG switches its reading of the limit off".to_owned(), place)
            }
            _ => {
                let place = program.default_godebug("containermaxprocs");
                let place = place.map_or(&program.version.origin, |fact| &fact.origin);
                let why = "go.mod's go line is below 1.25, so the binary carries \
                           DefaultGODEBUG containermaxprocs=0";
                (why.to_owned(), place.clone())
            }
        }
    } else {
        let why = "only Go 1.25 and later read the CPU limit".to_owned();
        (why, program.version.origin.clone())
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "GOMAXPROCS will be {threads} under a CPU limit of {}: built by {}, {why}",
            limit.value, program.version
        ),
        &limit.origin,
        format!("a runtime that reads it would use {own}"),
    );
    if cpus.is_some_and(|cpus| u64::from(cpus.value) >= 4 * wanted) {
        finding = finding.level(Level::Deny);
    }
    let label = if aware { "containermaxprocs=0".to_owned() } else { program.version.to_string() };
    finding = finding.also(&place, label);
    if let Some(cpus) = cpus {
        finding = finding.also(&cpus.origin, format!("nodes have {} CPUs", cpus.value));
        if let Some(throttle) = gomaxprocs::throttle(limit.value, cpus.value) {
            finding = finding.note(format!(
                "{} busy threads use the quota up in {:.1} ms of each 100 ms and stand still for \
                 the other {:.1} ms",
                cpus.value, throttle.run_ms, throttle.stall_ms
            ));
        }
    }
    if effective.env_ignored
        && let Ok(Some(variable)) = case.runtime_variable("GOMAXPROCS")
    {
        let label = format!("{} is no number the runtime reads", variable.shown());
        finding = finding.also(variable.origin(), label);
    }
    let title = if aware {
        "write `go 1.25` or later in go.mod, or set \
         GODEBUG=containermaxprocs=1,updatemaxprocs=1, which outranks the default"
    } else {
        "set GOMAXPROCS from resourceFieldRef {resource: limits.cpu}, which rounds up"
    };
    out.push(finding.fix(Fix::suggest(title)));
    Ok(())
}

fn unlimited(case: &Case<'_>, program: &GoProgram, effective: Effective, out: &mut Findings) {
    if effective.source != Source::Node {
        return;
    }
    let request = case.container.resources.requests.cpu.as_ref();
    let request = request.and_then(|cpu| Some((cpu.amount?, cpu.text.origin.clone())));
    // What a container does not ask for a LimitRange may ask for in its place.
    let supplied = case.of.supplied(Supplied::Request, "cpu");
    let of_range = || {
        let supplied = supplied.as_ref().ok()?.as_ref()?;
        Some((supplied.value.millicores(), supplied.origin.clone()))
    };
    let from_range = request.is_none();
    let request = request.or_else(of_range);
    let cpus = case.settings().cluster.node_cpus.as_ref();
    if let (Some((request, _)), Some(cpus)) = (&request, cpus)
        && request.ceil_cpus() >= u64::from(cpus.value)
    {
        return;
    }
    let threads = match cpus {
        Some(cpus) => format!("the node's {}", cpus.value),
        None => "as many as the node has CPUs".to_owned(),
    };
    let (origin, label, asked) = match request {
        Some((amount, origin)) if from_range => {
            let asked =
                format!("a request of {amount}, which the LimitRange of the namespace supplies,");
            (origin, "the request of containers without one", asked)
        }
        Some((amount, origin)) => {
            (origin, "what the scheduler keeps free for it", format!("a request of {amount}"))
        }
        None => {
            let asked = match supplied {
                Ok(_) => "no request",
                // Which of several LimitRanges there will be is not known.
                Err(_) => "no request of its own",
            };
            (case.container_origin().clone(), "no CPU limit and no request", asked.to_owned())
        }
    };
    let finding = Finding::new(
        &RULE,
        format!(
            "GOMAXPROCS will be {threads}, with {asked} and no CPU limit; the collector may use a \
             quarter of them"
        ),
        &origin,
        label,
    )
    .variant(&FROM_NODE)
    .also(&program.version.origin, format!("{}, GOMAXPROCS is not set", program.version));
    let title = "set GOMAXPROCS from resourceFieldRef {resource: requests.cpu}, or a number";
    out.push(finding.fix(Fix::suggest(title)));
}

/// What moving toolchain and go.mod to `[target] go` would change.
fn upgrade(case: &Case<'_>, program: &GoProgram, now: Effective, out: &mut Findings) {
    let Some(target) = &case.settings().target_go else { return };
    let Ok(limit) = case.cpu_quota() else { return };
    if program.version.has_features_of(25) || target.value < 25 || now.source != Source::Node {
        return;
    }
    let own = gomaxprocs::container_aware(limit.value);
    let before = match now.procs.on_a_large_node() {
        Some(n) if n <= own => return,
        Some(n) => n.to_string(),
        None => "the node's CPUs".to_owned(),
    };
    let finding = Finding::new(
        &RULE,
        format!(
            "with Go 1.{} in toolchain and go.mod GOMAXPROCS changes from {before} to {own}",
            target.value
        ),
        &limit.origin,
        "Go 1.25 and later read this limit",
    )
    .variant(&UPGRADE)
    .also(&program.version.origin, format!("{} does not read it", program.version))
    .also(&target.origin, format!("the target is Go 1.{}", target.value))
    .note("a service that lived on the node's CPUs has less to burst with afterwards");
    out.push(finding);
}
