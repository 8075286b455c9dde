//! Secrets written into `env`.

use crate::case::Case;
use crate::case::provided::SourceKind;
use crate::facts::workload::{EnvFrom, EnvValue, EnvVar, Volume, VolumeKind};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::secret::{is_unfilled, looks_secret, secret_word};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// What stands in a manifest is in the repository, in etcd and in every `kubectl get -o yaml`.
pub static RULE: Rule = Rule {
    id: "secret-in-plain-env",
    group: Group::Config,
    level: Level::Warn,
    strict: Some(Level::Deny),
    title: "secret written into env",
    page: include_str!("secret-in-plain-env.md"),
    needs: &[Need::Manifest],
    variants: &[AS_ENV, UNFILLED],
    check: Check::Container(check),
    ..Rule::BASE
};

const AS_ENV: Variant = Variant::new(
    "secret-as-env",
    Level::Note,
    "secret handed over in the environment rather than in a file",
)
.off()
.house(Level::Note);

const UNFILLED: Variant = Variant::new(
    "placeholder-secret",
    Level::Note,
    "a secret in env that is still to be filled in",
)
.strict(Level::Warn);

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let container = case.container;
    if container.env.is_empty() && container.env_from.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    for entry in &container.env {
        let name = &entry.name.value;
        match &entry.value {
            EnvValue::Literal(text) => {
                let Some(what) = looks_secret(name, &text.value) else {
                    if is_unfilled(name, &text.value).is_some() {
                        let message = format!(
                            "{name} is still to be filled in: as it stands the program gets the \
                             placeholder, and what is written here instead is in the repository"
                        );
                        let finding = Finding::new(&RULE, message, &text.origin, "not shown")
                            .variant(&UNFILLED)
                            .fix(Fix::suggest("take it from a Secret"));
                        out.push(finding);
                    }
                    continue;
                };
                let why = match secret_word(name) {
                    // `postgres` for a password may be one, and a Secret of that name beside it.
                    Some("SECRET") if what == "SECRET" && names_secret(case, &text.value) => {
                        continue;
                    }
                    Some(word) if word == what => format!("its name says {word}"),
                    _ => format!("it looks like {what}"),
                };
                // Never the value: not in the message, and the loader masked the source.
                let message = format!("{name} holds a secret in plain text: {why}");
                let finding = Finding::new(&RULE, message, &text.origin, "not shown")
                    .fix(Fix::suggest("move it to a Secret, and change it: it is in the history"));
                out.push(finding);
            }
            EnvValue::SecretKey(key) => {
                let message = format!(
                    "{name} takes key {} of Secret {} into the environment",
                    key.key.value, key.name.value
                );
                let finding = Finding::new(&RULE, message, &key.name.origin, "read by every child")
                    .variant(&AS_ENV)
                    .fix(Fix::suggest("mount the Secret as a file"));
                out.push(finding);
            }
            _ => {}
        }
    }
    for from in container.env_from.iter().filter(|from| from.secret) {
        let message = format!("all of Secret {} comes into the environment", from.name.value);
        let finding = Finding::new(&RULE, message, &from.name.origin, "read by every child")
            .variant(&AS_ENV)
            .fix(Fix::suggest("mount the Secret as files"));
        out.push(finding);
    }
    Ok(())
}

/// Secrets and references to them that are compared with a value.
const COMPARED: usize = 256;

/// Whether the value is the name of a Secret: of the namespace, or one that the pod asks for.
fn names_secret(case: &Case<'_>, value: &str) -> bool {
    let namespace = &case.of.object.meta.namespace.value;
    let provided = &case.of.joined.provided;
    let objects = provided.objects(namespace, SourceKind::Secret).iter().take(COMPARED);
    let named =
        |id: &usize| case.world().objects.get(*id).is_some_and(|it| it.meta.name() == value);
    if provided.is_made(namespace, SourceKind::Secret, value) || objects.into_iter().any(named) {
        return true;
    }
    let pod = case.pod();
    let mounts = |volume: &Volume| match &volume.kind {
        VolumeKind::Secret { name, .. } => name.value == value,
        VolumeKind::Projected { sources, .. } => {
            sources.iter().take(COMPARED).any(|it| it.secret && it.name.value == value)
        }
        _ => false,
    };
    let asks = |entry: &EnvVar| match &entry.value {
        EnvValue::SecretKey(key) => key.name.value == value,
        _ => false,
    };
    let all = |from: &EnvFrom| from.secret && from.name.value == value;
    pod.volumes.iter().take(COMPARED).any(mounts)
        || pod.pull_secrets.iter().take(COMPARED).any(|name| name.value == value)
        || case.container.env.iter().take(COMPARED).any(asks)
        || case.container.env_from.iter().take(COMPARED).any(all)
}
