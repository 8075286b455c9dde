//! Secrets written into `env`.

use crate::case::Case;
use crate::facts::workload::EnvValue;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::secret::{looks_secret, secret_word};
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
    variants: &[AS_ENV],
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

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let container = case.container;
    if container.env.is_empty() && container.env_from.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    for entry in &container.env {
        let name = &entry.name.value;
        match &entry.value {
            EnvValue::Literal(text) => {
                let Some(what) = looks_secret(name, &text.value) else { continue };
                let why = match secret_word(name) {
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
