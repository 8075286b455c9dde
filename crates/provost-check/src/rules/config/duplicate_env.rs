//! A variable that is set twice.

use crate::case::Case;
use crate::facts::workload::{EnvValue, EnvVar};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::env::{Found, review};
use crate::model::secret::{is_hidden, token_shape};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// The kubelet takes the last; what applies the manifest may drop either.
pub static RULE: Rule = Rule {
    id: "duplicate-env",
    group: Group::Config,
    level: Level::Warn,
    title: "environment variable that is set twice",
    page: include_str!("duplicate-env.md"),
    needs: &[Need::Manifest],
    variants: &[IN_IMAGE],
    check: Check::Container(check),
    ..Rule::BASE
};

const IN_IMAGE: Variant = Variant::new(
    "runtime-setting-in-image",
    Level::Note,
    "runtime variable in the image, where nobody looks for it",
);

const RUNTIME: &[&str] = &["GOMEMLIMIT", "GOMAXPROCS", "GOGC", "GODEBUG", "GOTRACEBACK"];

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let in_image = runtime_settings(case, out);
    let entries = &case.container.env;
    if entries.is_empty() {
        return if in_image { Ok(()) } else { Err(Abstain::NotApplicable) };
    }
    let texts: Vec<(&str, Option<&str>)> =
        entries.iter().map(|entry| (entry.name.value.as_str(), literal(entry))).collect();
    let review = review(&texts, |_| Found::Hidden);
    for duplicate in review.duplicates.iter().filter(|duplicate| !duplicate.composed) {
        let (Some(loser), Some(winner)) =
            (entries.get(duplicate.loses), entries.get(duplicate.wins))
        else {
            continue;
        };
        out.push(twice(case, loser, winner));
    }
    Ok(())
}

fn literal(entry: &EnvVar) -> Option<&str> {
    match &entry.value {
        EnvValue::Literal(text) => Some(&text.value),
        _ => None,
    }
}

fn twice(case: &Case<'_>, loser: &EnvVar, winner: &EnvVar) -> Finding {
    let name = &winner.name.value;
    let equal = loser.value_text() == winner.value_text();
    let secret = |entry: &EnvVar| matches!(entry.value, EnvValue::SecretKey(_));
    let shown = match literal(winner) {
        _ if secret(winner) => "from a Secret".to_owned(),
        Some(text) if is_hidden(name, text) || token_shape(text).is_some() => {
            "a value not shown here".to_owned()
        }
        Some(text) => crate::case::runtime::quoted(text),
        None => "from elsewhere".to_owned(),
    };
    let message = format!(
        "{name} is set twice: the last wins ({shown}), and what applies the manifest may drop either"
    );
    // An alias, or a part that is merged twice, brings both from one place.
    let mut finding = if loser.name.origin == winner.name.origin {
        Finding::new(&RULE, message, &winner.name.origin, "comes into the list twice")
    } else {
        Finding::new(&RULE, message, &loser.name.origin, "loses in the kubelet")
            .also(&winner.name.origin, "wins in the kubelet")
    };
    if RUNTIME.contains(&name.as_str()) || (!equal && (secret(loser) || secret(winner))) {
        finding = finding.level(Level::Deny);
    }
    // What an alias stands for is written once, and the alias refers to it.
    let equal = equal && loser.origin != winner.origin;
    let fix = if equal {
        Fix::safe("remove one of the two equal entries")
    } else {
        Fix::suggest("remove the one that is not meant")
    };
    let fix = if equal { case.world().remove_entry(fix, &loser.origin) } else { fix };
    finding.fix(fix)
}

/// Runtime variables in the image's ENV; whether there was an image to look at.
fn runtime_settings(case: &Case<'_>, out: &mut Findings) -> bool {
    let Ok(build) = case.image() else { return false };
    for (name, value) in &build.config().env {
        if !RUNTIME.contains(&name.value.as_str()) {
            continue;
        }
        let own = case.container.env.iter().rfind(|entry| entry.name.value == name.value);
        let (rules, label) = match own {
            Some(_) => ("the manifest overrides it", "overridden in the cluster"),
            None => ("it is in force and no manifest shows it", "in force in the cluster"),
        };
        let message = format!("the image sets {}={}: {rules}", name.value, value.value);
        let finding = Finding::new(&RULE, message, &value.origin, label).variant(&IN_IMAGE);
        let finding = match own {
            Some(entry) => finding.also(&entry.name.origin, "this one wins"),
            None => finding.also(case.container_origin(), "sets none of its own"),
        };
        let title = "set it in the manifest, beside the limits it depends on";
        out.push(finding.fix(Fix::suggest(title)));
    }
    true
}
