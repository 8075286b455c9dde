//! `$(NAME)` that stays `$(NAME)`.

use std::collections::HashSet;

use crate::case::Case;
use crate::case::env::{EnvSource, Environment, Lookup};
use crate::case::runtime::quoted;
use crate::facts::Fact;
use crate::facts::workload::EnvValue;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::env::{Found, expand, review};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The kubelet leaves what it cannot expand as it stands.
pub static RULE: Rule = Rule {
    id: "dangling-env-reference",
    group: Group::Config,
    level: Level::Warn,
    title: "$(NAME) in env, command or args that nothing defines at that point",
    page: include_str!("dangling-env-reference.md"),
    needs: &[Need::Manifest],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let container = case.container;
    let command = container.command.iter().chain(&container.args).flatten();
    let has_reference = |text: &str| text.contains("$(");
    let literal = |value: &EnvValue| match value {
        EnvValue::Literal(text) => has_reference(&text.value),
        _ => false,
    };
    if !container.env.iter().any(|entry| literal(&entry.value))
        && !command.clone().any(|word| has_reference(&word.value))
    {
        return Err(Abstain::NotApplicable);
    }
    let env = case.environment();
    let mut maybe: Vec<String> = Vec::new();
    in_env(case, &env, &mut maybe, out);
    in_command(case, &env, &mut maybe, out);
    for name in maybe {
        out.abstain(Abstain::unknown(Reason::ObjectNotInInput, format!("$({name})")));
    }
    Ok(())
}

fn in_env(case: &Case<'_>, env: &Environment, maybe: &mut Vec<String>, out: &mut Findings) {
    let entries = &case.container.env;
    let texts: Vec<(&str, Option<&str>)> = entries
        .iter()
        .map(|entry| match &entry.value {
            EnvValue::Literal(text) => (entry.name.value.as_str(), Some(text.value.as_str())),
            _ => (entry.name.value.as_str(), None),
        })
        .collect();
    // What `env` itself sets is known to `review`; here only what lies outside counts.
    let names: HashSet<&str> = entries.iter().map(|entry| entry.name.value.as_str()).collect();
    let own = |name: &str| names.contains(name);
    let outside = |name: &str| {
        if own(name) { from_env_from(case, env, name) } else { outside(case, env, name) }
    };
    for dangling in review(&texts, outside).dangling {
        let Some(entry) = entries.get(dangling.entry) else { continue };
        let EnvValue::Literal(text) = &entry.value else { continue };
        let name = &dangling.reference.name;
        if dangling.reference.stays.is_none() {
            maybe.push(name.clone());
            continue;
        }
        let later = dangling.defined_later.and_then(|index| entries.get(index));
        let place = case.world().part(&text.origin, &text.value, dangling.reference.span.clone());
        let why = match later {
            Some(_) => format!("{name} is defined further down, and order matters"),
            None => format!("nothing defines {name}"),
        };
        let message = format!(
            "{} keeps the literal text {}: {why}",
            entry.name.value,
            quoted(&format!("$({name})"))
        );
        let mut finding = Finding::new(&RULE, message, &place, "not expanded");
        let fix = match later {
            Some(later) => {
                finding = finding.also(&later.name.origin, "defined too late");
                Fix::suggest(format!("move {name} above {}", entry.name.value))
            }
            None => {
                Fix::suggest(format!("define {name} above it, or write $$({name}) if it is meant"))
            }
        };
        out.push(finding.fix(fix));
    }
}

fn in_command(case: &Case<'_>, env: &Environment, maybe: &mut Vec<String>, out: &mut Findings) {
    let container = case.container;
    let words: Vec<&Fact<String>> =
        container.command.iter().chain(&container.args).flatten().collect();
    // In a shell's text `$(hostname)` runs a command; only what looks like a variable is meant.
    let shell = words.iter().take(2).any(|word| {
        matches!(word.value.rsplit('/').next(), Some("sh" | "bash" | "ash" | "dash" | "busybox"))
    });
    for word in words.iter().filter(|word| word.value.contains("$(")) {
        let references = expand(&word.value, |name| match env.lookup(name) {
            // The kubelet does not see the image's ENV.
            Lookup::Set(variable) if variable.source == EnvSource::Manifest => Found::Hidden,
            _ => outside(case, env, name),
        })
        .references;
        for reference in references.into_iter().filter(|r| r.stays != Some(false)) {
            let name = &reference.name;
            if shell && !is_variable(name) {
                continue;
            }
            if reference.stays.is_none() {
                maybe.push(name.clone());
                continue;
            }
            let place = case.world().part(&word.origin, &word.value, reference.span.clone());
            let message = format!(
                "the command line keeps the literal text {}: nothing defines {name}",
                quoted(&format!("$({name})"))
            );
            let finding = Finding::new(&RULE, message, &place, "not expanded");
            let title = format!("define {name} in env: the kubelet does not see the image's ENV");
            out.push(finding.fix(Fix::suggest(title)));
        }
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// A name that `envFrom` sets under an entry of `env` with the same name.
fn from_env_from(case: &Case<'_>, env: &Environment, name: &str) -> Found<'static> {
    if env.open().is_some() {
        return Found::Maybe;
    }
    let set = case.container.env_from.iter().any(|from| {
        let key = name.strip_prefix(from.prefix.as_str());
        key.is_some_and(|key| case.env_from_has(from, key))
    });
    if set { Found::Hidden } else { Found::Nothing }
}

/// A name that `env` does not set: from `envFrom`, or a variable of a Service.
fn outside(case: &Case<'_>, env: &Environment, name: &str) -> Found<'static> {
    match env.lookup(name) {
        Lookup::Set(variable) if variable.source == EnvSource::Manifest => Found::Hidden,
        Lookup::Unknown(_) => Found::Maybe,
        Lookup::Set(_) | Lookup::Unset => {
            if case.of.joined.provided.is_kustomize_variable(name) {
                return Found::Maybe;
            }
            if name.starts_with("KUBERNETES_") {
                return Found::Hidden;
            }
            if !case.pod().service_links.value {
                return Found::Nothing;
            }
            let services = services_of(name);
            if services.is_empty() {
                return Found::Nothing;
            }
            let namespace = &case.of.object.meta.namespace.value;
            let joins = &case.of.joined.joins;
            let known = services.iter().any(|s| {
                !joins.named(namespace, "Service", s).is_empty()
                    || case.of.joined.is_declared("Service", namespace, s)
            });
            // Services outside the input have variables as well.
            match (known, case.settings().closed_world) {
                (true, _) => Found::Hidden,
                (false, true) => Found::Nothing,
                (false, false) => Found::Maybe,
            }
        }
    }
}

/// Services whose variables have that name: `DB_SERVICE_HOST` and `DB_PORT_5432_TCP` are of `db`.
fn services_of(name: &str) -> Vec<String> {
    ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"]
        .iter()
        .flat_map(|part| name.match_indices(part))
        .filter(|(at, _)| *at > 0)
        .map(|(at, _)| name[..at].replace('_', "-").to_ascii_lowercase())
        .collect()
}
