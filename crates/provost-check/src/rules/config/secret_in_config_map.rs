//! Secrets written into ConfigMaps.

use crate::case::ObjectCase;
use crate::facts::{Body, Fact};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::secret::{Written, is_unfilled, looks_secret, secret_word, written};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const UNFILLED: Variant = Variant::new(
    "placeholder-secret",
    Level::Note,
    "a secret in a ConfigMap that is still to be filled in",
)
.strict(Level::Warn);

/// ConfigMaps are readable by whoever may look at the namespace, and kept in plain text.
pub static RULE: Rule = Rule {
    id: "secret-in-config-map",
    group: Group::Config,
    level: Level::Warn,
    title: "secret in a ConfigMap",
    page: include_str!("secret-in-config-map.md"),
    needs: &[Need::Manifest],
    variants: &[UNFILLED],
    check: Check::Object(check),
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let Body::ConfigMap(map) = &case.object.body else { return Err(Abstain::NotApplicable) };
    for (key, value) in &map.data.0 {
        // A file is told by its lines, but for one that is a key and nothing else.
        let text = value.value.trim();
        let file = text.contains('\n') && !text.starts_with("-----BEGIN");
        if file && inside(key, value, out) {
            continue;
        }
        let Some(what) = looks_secret(&key.value, &value.value) else {
            if is_unfilled(&key.value, &value.value).is_some() {
                let message = format!(
                    "key {} of the ConfigMap is still to be filled in: as it stands the placeholder \
                     is what is used, and what is written here instead everybody may read",
                    key.value
                );
                let finding = Finding::new(&RULE, message, &value.origin, "not shown")
                    .variant(&UNFILLED)
                    .fix(Fix::suggest("move it to a Secret"));
                out.push(finding);
            } else if !file {
                inside(key, value, out);
            }
            continue;
        };
        let why = match secret_word(&key.value) {
            Some(word) if word == what => format!("its name says {word}"),
            _ => format!("it looks like {what}"),
        };
        // Never the value: not in the message, and the loader masked the source.
        let message = format!("key {} of the ConfigMap holds a secret: {why}", key.value);
        let finding = Finding::new(&RULE, message, &value.origin, "not shown")
            .fix(Fix::suggest("move it to a Secret, and change it: it is in the history"));
        out.push(finding);
    }
    Ok(())
}

/// Lines that one message names.
const NAMED: usize = 3;

/// Secrets on lines of a file of settings.
fn inside(key: &Fact<String>, value: &Fact<String>, out: &mut Findings) -> bool {
    let found = written(&value.value);
    if found.is_empty() {
        return false;
    }
    let told = |it: &Written| match it.keyed {
        true => format!("line {} (its key says {})", it.line, it.what),
        false => format!("line {} (it looks like {})", it.line, it.what),
    };
    let mut lines: Vec<String> = found.iter().take(NAMED).map(told).collect();
    if let Some(more) = found.len().checked_sub(NAMED).filter(|more| *more > 0) {
        lines.push(format!("{more} more"));
    }
    let last = lines.pop().unwrap_or_default();
    let lines = match lines.as_slice() {
        [] => last,
        rest => format!("{} and {last}", rest.join(", ")),
    };
    let message = format!("key {key} of the ConfigMap holds a secret, on {lines}");
    out.push(Finding::new(&RULE, message, &value.origin, "not shown").fix(Fix::suggest(
        "keep the file in a Secret, or take the value from a variable, and change it: it is in the \
             history",
    )));
    true
}
