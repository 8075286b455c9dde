//! Quantities that say something else than was meant.

use crate::case::Case;
use crate::facts::Fact;
use crate::facts::workload::{ByteAmount, CpuAmount, ResourceAmounts};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::quantity::{Quantity, Suffix};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// `512m` of memory is one byte; `500` of CPU is 500 processors.
pub static RULE: Rule = Rule {
    id: "suspicious-quantity",
    group: Group::Resources,
    level: Level::Deny,
    title: "a quantity that is off by its suffix",
    page: include_str!("suspicious-quantity.md"),
    needs: &[Need::Manifest],
    judges_hooks: true,
    check: Check::Container(check),
    ..Rule::BASE
};

/// Less memory than a Go program has mapped before main; runc's own process needs as much.
const LEAST_MEMORY: u64 = 4 << 20;

/// CPUs from which on a number without a suffix was meant as thousandths.
const MOST_CPUS: u64 = 128;

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let resources = &case.container.resources;
    let sides = [("request", &resources.requests), ("limit", &resources.limits)];
    let none = ResourceAmounts::default();
    if sides.iter().all(|(_, amounts)| **amounts == none) {
        return Err(Abstain::NotApplicable);
    }
    for (side, amounts) in sides {
        if let Some(memory) = &amounts.memory {
            bytes(case, side, "memory", memory, out);
        }
        if let Some(storage) = &amounts.ephemeral_storage {
            bytes(case, side, "ephemeral-storage", storage, out);
        }
        if let Some(amount) = &amounts.cpu {
            cpu(case, side, amount, out);
        }
    }
    mixed(case, out);
    Ok(())
}

fn bytes(case: &Case<'_>, side: &str, name: &str, amount: &ByteAmount, out: &mut Findings) {
    let text = &amount.text;
    let (Some(value), Ok(quantity)) = (amount.amount, Quantity::parse(&text.value)) else { return };
    if quantity.is_zero() {
        return;
    }
    if quantity.suffix == Suffix::Decimal(-3) {
        let digits = text.value.trim_end_matches('m');
        let meant = format!("{digits}Mi");
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "{name} {side} {} is {digits} thousandths of a byte, {value}: {}",
                    text.value,
                    if side == "limit" && name == "memory" {
                        "the container is killed before it starts"
                    } else {
                        "it asks for nothing"
                    }
                ),
                &text.origin,
                "`m` is a thousandth",
            )
            .fix(case.world().rewrite(
                Fix::safe(format!("write {meant}")),
                &text.origin,
                &text.value,
                &meant,
            )),
        );
        return;
    }
    if name != "memory" || value.0 >= LEAST_MEMORY {
        return;
    }
    let (level, then) = if side == "limit" {
        (Level::Deny, "the container is killed before it starts")
    } else {
        let go = case.known_program().is_some();
        (Level::Warn, if go { "no Go program runs in that" } else { "few programs run in that" })
    };
    out.push(
        Finding::new(
            &RULE,
            format!("memory {side} {} is {value}: {then}", text.value),
            &text.origin,
            "less than 4 MiB",
        )
        .level(level)
        .fix(Fix::suggest(if quantity.suffix == Suffix::None {
            format!("write {}Mi, if mebibytes were meant", text.value)
        } else {
            "write the memory it needs, in Mi".to_owned()
        })),
    );
}

fn cpu(case: &Case<'_>, side: &str, amount: &CpuAmount, out: &mut Findings) {
    let text = &amount.text;
    let (Some(value), Ok(quantity)) = (amount.amount, Quantity::parse(&text.value)) else { return };
    let cpus = value.0 / 1000;
    // `500M` is written by who knows `m` of memory, and `Mi`; the others of its kind are nobody's.
    let digits = text.value.trim_end_matches('M');
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    let million = quantity.suffix == Suffix::Decimal(6) && plain;
    if !(million || quantity.suffix == Suffix::None) || cpus < MOST_CPUS {
        return;
    }
    let meant = format!("{digits}m");
    let then = if side == "request" {
        "no node has as many, and the pod stays Pending"
    } else {
        "nothing is limited"
    };
    out.push(
        Finding::new(
            &RULE,
            format!("cpu {side} {} is {cpus} processors: {then}", text.value),
            &text.origin,
            if million { "`M` is a million" } else { "whole CPUs without a suffix" },
        )
        .fix(case.world().rewrite(
            match million {
                // No cluster has as many.
                true => Fix::safe(format!("write {meant}: `m` is a thousandth")),
                false => Fix::suggest(format!("write {meant}, if thousandths were meant")),
            },
            &text.origin,
            &text.value,
            &meant,
        )),
    );
}

/// `M` beside `Mi`: 4.6 % less than the reader thinks.
fn mixed(case: &Case<'_>, out: &mut Findings) {
    let resources = &case.container.resources;
    let texts = || {
        [&resources.requests.memory, &resources.limits.memory]
            .into_iter()
            .flatten()
            .map(|amount| &amount.text)
    };
    let with = |suffix: Suffix| -> Option<&Fact<String>> {
        texts().find(|text| Quantity::parse(&text.value).is_ok_and(|q| q.suffix == suffix))
    };
    let (Some(decimal), Some(binary)) = (with(Suffix::Decimal(6)), with(Suffix::Binary(20))) else {
        return;
    };
    let meant = format!("{}i", decimal.value);
    out.push(
        Finding::new(
            &RULE,
            format!("{} beside {}: M is 1000000 bytes, Mi is 1048576", decimal.value, binary.value),
            &decimal.origin,
            "4.6 % less than with Mi",
        )
        .level(Level::Note)
        .also(&binary.origin, "in mebibytes")
        .fix(case.world().rewrite(
            Fix::suggest(format!("write {meant}")),
            &decimal.origin,
            &decimal.value,
            &meant,
        )),
    );
}
