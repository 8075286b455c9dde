//! Labels that a metric does not have, and values that a label never takes.

mod families;

use crate::case::ObjectCase;
use crate::case::rollouts::{Measured, Use};
use crate::facts::binary::GoProgram;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::promql::{Matcher, Op};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};
use families::{Family, Maker};

/// A matcher on a label that is not there matches nothing, and a negative one everything.
pub static RULE: Rule = Rule {
    id: "metric-label-mismatch",
    group: Group::Rollout,
    level: Level::Deny,
    title: "a query for a label, or a value of one, that the metric's library does not write",
    page: include_str!("metric-label-mismatch.md"),
    needs: &[Need::Manifest],
    check: Check::Object(check),
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    case.analysis().ok_or(Abstain::NotApplicable)?;
    let queries = case.queries();
    let mut asked = false;
    for measured in &queries {
        for selector in &measured.query.selectors {
            let family = selector.name.as_deref().and_then(families::find);
            let Some(family) = family else { continue };
            asked = true;
            for matcher in &selector.matchers {
                let name = selector.name.as_deref().unwrap_or_default();
                if let Err(abstain) = judge(case, measured, (family, name), matcher, out) {
                    out.abstain(abstain);
                }
            }
        }
    }
    if asked { Ok(()) } else { Err(Abstain::NotApplicable) }
}

/// How sure it is that the library makes the metric.
enum Made<'w> {
    /// The program links the library.
    Certainly(&'w GoProgram, Use<'w>),
    /// By its name: a proxy, whose labels can be configured, or no program is there to look at.
    Probably,
}

fn made<'w>(case: &ObjectCase<'w>, family: &Family, name: &str) -> Result<Made<'w>, Abstain> {
    let Maker::Library { packages, .. } = family.maker else { return Ok(Made::Probably) };
    let mut seen = false;
    for used in case.uses() {
        let Some(program) = used.target().and_then(|target| target.known_program()) else {
            continue;
        };
        seen = true;
        if packages.iter().any(|package| program.links_package(package)) {
            return Ok(Made::Certainly(program, used));
        }
    }
    // Something else in the pod makes it.
    if seen {
        return Err(Abstain::unknown(Reason::CodeUnclear, format!("what makes {name}")));
    }
    Ok(Made::Probably)
}

fn judge(
    case: &ObjectCase<'_>,
    measured: &Measured<'_>,
    (family, name): (&'static Family, &str),
    matcher: &Matcher,
    out: &mut Findings,
) -> Judged {
    let text = measured.text.value.get(matcher.place.clone()).unwrap_or_default();
    let place = case.world().within(&measured.text.origin, text);
    let effect = match matcher.op {
        Op::Equal | Op::Regex => "it matches nothing",
        Op::NotEqual | Op::NotRegex => "it leaves nothing out",
    };
    let finding = match family.label(&matcher.label) {
        families::Label::Other => {
            let made = made(case, family, name)?;
            // Java's interceptor writes `code` where Go's writes `grpc_code`.
            let library = matches!(family.maker, Maker::Library { .. });
            if matches!(made, Made::Probably) && library && matcher.label == "code" {
                let what = format!("what makes {name}");
                return Err(Abstain::unknown(Reason::NoBinary, what));
            }
            // `grpc_code=""` is true of a metric without the label.
            if matcher.op == Op::Equal && matcher.value.is_empty() {
                return Ok(());
            }
            let right = family.right_label(&matcher.label);
            let message = match right {
                Some(right) => {
                    format!("{name} has no label {}, it is {right} there: {effect}", matcher.label)
                }
                None => format!("{name} has no label {}: {effect}", matcher.label),
            };
            let mut finding = Finding::new(&RULE, message, &place, "no such label");
            finding = match (right, family.instead) {
                (Some(right), _) => finding.fix(Fix::suggest(format!("match {right}"))),
                (None, Some(instead)) => finding.fix(Fix::suggest(format!("ask {instead}"))),
                (None, None) => finding,
            };
            sure(finding, made, family)
        }
        families::Label::Status => {
            let values = matcher.values().ok_or(Abstain::NotApplicable)?;
            if let Some((wrong, right)) = family.wrong_value(&values) {
                let made = made(case, family, name)?;
                let message = format!(
                    "{} of {name} is never `{wrong}`: {right} is written there, so that {effect}",
                    matcher.label
                );
                let finding = Finding::new(&RULE, message, &place, "never written so")
                    .fix(Fix::suggest(format!("match {right}")));
                sure(finding, made, family)
            } else if family.is_only_unknown(&values) && matches!(matcher.op, Op::Equal | Op::Regex)
            {
                Finding::new(
                    &RULE,
                    format!(
                        "only {} is watched: a server fails with other codes as well",
                        values.join(" and ")
                    ),
                    &place,
                    "one of six",
                )
                .level(Level::Note)
                .fix(Fix::suggest(format!("match {}", family.server_errors())))
            } else {
                return Ok(());
            }
        }
        families::Label::Known => return Ok(()),
    };
    out.push(finding);
    Ok(())
}

fn sure(finding: Finding, made: Made<'_>, family: &Family) -> Finding {
    match made {
        Made::Certainly(program, used) => finding
            .also(&program.version.origin, format!("links {}", family.library()))
            .also(&used.used.origin, format!("decides about {}", used.rollout.object.meta.name())),
        Made::Probably => {
            finding.level(Level::Warn).note(format!("as {} writes it", family.library()))
        }
    }
}
