//! GOMEMLIMIT so near the memory limit that nothing is left for what it does not count.

use std::collections::BTreeMap;

use crate::case::Case;
use crate::case::runtime::RuntimeVariable;
use crate::facts::workload::{Volume, VolumeKind};
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::memlimit::{self, Band, MemLimit};
use crate::model::quantity::Bytes;
use crate::model::quantity::counted;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// The runtime counts its own memory, the kernel counts everything in the container.
pub static RULE: Rule = Rule {
    id: "gomemlimit-without-headroom",
    group: Group::Runtime,
    level: Level::Warn,
    title: "GOMEMLIMIT that leaves no room below the memory limit",
    page: include_str!("gomemlimit-without-headroom.md"),
    needs: &[Need::Manifest],
    variants: &[VOLUME],
    after: &["malformed-gomemlimit"],
    check: Check::Container(check),
    ..Rule::BASE
};

const VOLUME: Variant = Variant::new(
    "memory-backed-volume-over-headroom",
    Level::Warn,
    "GOMEMLIMIT and a volume in memory exceed the memory limit together",
);

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let limit = case.memory_limit()?;
    let (variable, value) = case.gomemlimit()?;
    let MemLimit::Set(value) = value else { return Ok(()) };
    let band = memlimit::band(value, Some(limit.value));
    if band == Band::AboveLimit {
        // `gomemlimit-above-memory-limit`.
        return Err(Abstain::NotApplicable);
    }
    let outside = case.service_settings().and_then(|service| service.non_heap_memory.as_ref());
    let left = limit.value.minus(value);
    match outside {
        Some(outside) if Bytes(outside.value) > left => {
            let finding = headroom(case, &variable, value, &limit, Some(Bytes(outside.value)))
                .level(Level::Deny)
                .also(&outside.origin, format!("it needs {} outside", Bytes(outside.value)));
            out.push(finding);
        }
        // What the service needs outside is known, and fits.
        Some(_) => {}
        None if band == Band::NoHeadroom => {
            out.push(headroom(case, &variable, value, &limit, None));
        }
        None => {}
    }
    volumes(case, &variable, value, &limit, out);
    Ok(())
}

fn headroom(
    case: &Case<'_>,
    variable: &RuntimeVariable,
    value: Bytes,
    limit: &Fact<Bytes>,
    outside: Option<Bytes>,
) -> Finding {
    let left = limit.value.minus(value);
    let mut finding = Finding::new(
        &RULE,
        format!(
            "GOMEMLIMIT ({value}) leaves {left} of the memory limit ({}) for C stacks, mmap, page \
             tables and page cache",
            limit.value
        ),
        variable.origin(),
        format!("what Go may use: {}", counted(value.0, "byte")),
    )
    .also(&limit.origin, format!("what all may use: {}", counted(limit.value.0, "byte")));
    finding = case.show_entry(variable, finding);
    let (better, why) = match outside {
        Some(outside) => {
            let why = format!("the limit less the {outside} outside");
            (memlimit::recommended_beside(limit.value, outside), why)
        }
        None => (memlimit::recommended(limit.value), "90 % of the limit".to_owned()),
    };
    let Some(better) = better else {
        return finding
            .fix(Fix::suggest("raise the memory limit: what is needed outside takes it all"));
    };
    let fix = if variable.is_computed() {
        Fix::suggest(format!(
            "write `value: {better}` ({why}) or link automemlimit; the downward API \
             cannot multiply"
        ))
    } else {
        let title = format!("set GOMEMLIMIT to {better} ({why})");
        case.rewrite(Fix::suggest(title), variable, &better)
    };
    finding.fix(fix)
}

/// A volume in memory and how much of it there may be.
struct InMemory<'w> {
    origin: &'w Origin,
    size: Option<Bytes>,
}

fn volumes(
    case: &Case<'_>,
    variable: &RuntimeVariable,
    value: Bytes,
    limit: &Fact<Bytes>,
    out: &mut Findings,
) {
    let volumes = case.container.mounts.iter().filter_map(|m| case.pod().volume(&m.name.value));
    // In the order of the pod, each once.
    let mounted: BTreeMap<&Origin, &Volume> = volumes.map(|v| (&v.origin, v)).collect();
    let mut found = Vec::new();
    for volume in mounted.into_values() {
        let VolumeKind::EmptyDir { medium: Some(medium), size_limit } = &volume.kind else {
            continue;
        };
        if medium.value != "Memory" {
            continue;
        }
        let (origin, size) = match size_limit {
            Some(size) => match size.amount {
                Some(amount) => (&size.text.origin, Some(amount)),
                None => continue,
            },
            None => (&medium.origin, None),
        };
        found.push(InMemory { origin, size });
    }
    let Some(first) = found.first() else { return };
    let sizes = found.iter().map(|v| v.size.unwrap_or(limit.value).0);
    let sum = Bytes(sizes.fold(0, u64::saturating_add));
    if value.0.saturating_add(sum.0) <= limit.value.0 {
        return;
    }
    let what = match (first.size, found.len()) {
        (None, 1) => "a volume in memory without sizeLimit".to_owned(),
        (Some(_), 1) => format!("a volume in memory of {sum}"),
        (_, n) => format!("{n} volumes in memory of up to {sum}"),
    };
    let label = |volume: &InMemory<'_>| match volume.size {
        Some(size) => format!("files of up to {} count as memory", counted(size.0, "byte")),
        None => "its files count as memory, up to the limit".to_owned(),
    };
    let mut finding = Finding::new(
        &RULE,
        format!("GOMEMLIMIT ({value}) and {what} exceed the memory limit ({})", limit.value),
        first.origin,
        label(first),
    )
    .variant(&VOLUME)
    .also(variable.origin(), format!("Go may use {}", counted(value.0, "byte")))
    .also(&limit.origin, format!("the kernel kills at {}", counted(limit.value.0, "byte")));
    for volume in &found[1..] {
        finding = finding.also(volume.origin, label(volume));
    }
    let left = limit.value.minus(value);
    let title =
        format!("set sizeLimit below the {left} that GOMEMLIMIT leaves, or lower GOMEMLIMIT");
    out.push(finding.fix(Fix::suggest(title)));
}
