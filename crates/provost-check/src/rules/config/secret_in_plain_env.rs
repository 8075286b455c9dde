//! Secrets written into `env`, commands and annotations.

use crate::case::provided::SourceKind;
use crate::case::{Case, ObjectCase};
use crate::facts::objects::StringMap;
use crate::facts::workload::{Action, EnvFrom, EnvValue, EnvVar, Volume, VolumeKind, WorkloadKind};
use crate::facts::{Body, Fact};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::secret::{
    by_key, given, is_secret_header, is_unfilled, looks_secret, secret_word, shaped, written,
};
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
    variants: &[AS_ENV, COMMAND, ANNOTATION, UNFILLED],
    check: Check::Container(check),
    also: &[Check::Container(commands), Check::Object(annotations)],
    ..Rule::BASE
};

const AS_ENV: Variant = Variant::new(
    "secret-as-env",
    Level::Note,
    "secret handed over in the environment rather than in a file",
)
.off()
.house(Level::Note);

const COMMAND: Variant = Variant::new(
    "secret-in-command",
    Level::Warn,
    "secret written into a command, an argument or a header of a probe",
)
.strict(Level::Deny);

const ANNOTATION: Variant =
    Variant::new("secret-in-annotation", Level::Warn, "secret written into an annotation")
        .strict(Level::Deny);

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

/// A finding that never has the value: not in the message, and the loader masked the source.
fn told(variant: &'static Variant, message: String, place: &Fact<String>, fix: &str) -> Finding {
    Finding::new(&RULE, message, &place.origin, "not shown")
        .variant(variant)
        .fix(Fix::suggest(format!("{fix}, and change it: it is in the history")))
}

fn commands(case: &Case<'_>, out: &mut Findings) -> Judged {
    let container = case.container;
    let mut words: Vec<&Fact<String>> = container.command.iter().flatten().collect();
    let arguments = words.len();
    words.extend(container.args.iter().flatten());
    let field = |at: usize| if at < arguments { "command" } else { "args" };
    command(&words, field, out);
    for (name, handler) in container.handlers() {
        match &handler.action {
            Action::Exec(words) => command(&words.iter().collect::<Vec<_>>(), |_| name, out),
            Action::HttpGet { headers, .. } => {
                for (header, value) in headers {
                    let keyed = is_secret_header(&header.value);
                    let what = shaped(&value.value).first().map(|it| it.what);
                    let what = what
                        .or_else(|| keyed.then(|| by_key("TOKEN", &value.value)).flatten())
                        .is_some();
                    if what {
                        let message =
                            format!("header {header} of the {name} holds a secret in plain text");
                        let fix = "serve the path of a probe without it";
                        out.push(told(&COMMAND, message, value, fix));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The words of a command: each is a text of its own, or what the flag before it takes.
fn command(words: &[&Fact<String>], field: impl Fn(usize) -> &'static str, out: &mut Findings) {
    let texts: Vec<&str> = words.iter().map(|word| word.as_str()).collect();
    let login = texts
        .split_first()
        .and_then(|(program, rest)| given(program.rsplit('/').next().unwrap_or(program), rest));
    for (at, word) in words.iter().enumerate() {
        let flag = at.checked_sub(1).and_then(|at| texts.get(at)).filter(|flag| is_flag(flag));
        let by_flag = flag.and_then(|flag| by_key(flag, word)).filter(|_| !word.starts_with('-'));
        let login = login.filter(|login| login.word + 1 == at);
        let why = if let Some(first) = written(word).first() {
            match first.keyed {
                true => format!("its name says {}", first.what),
                false => format!("it looks like {}", first.what),
            }
        } else if let (Some(what), Some(flag)) = (by_flag, flag) {
            format!("{flag} says {what}")
        } else if let Some(login) = login {
            format!("it is {}", login.what)
        } else {
            continue;
        };
        let message = format!("a word of {} holds a secret in plain text: {why}", field(at));
        let fix = "take it from a Secret: as a file, or as a variable that $(NAME) stands for";
        out.push(told(&COMMAND, message, word, fix));
    }
}

/// `--api-token`, and not `--api-token=x`.
fn is_flag(word: &str) -> bool {
    let name = word.trim_start_matches('-');
    word.starts_with('-')
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// `kubectl apply` keeps the whole object in it: what is there is told where it stands.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Annotations are for machines and people alike, and whoever may see an object may see them: only what is a
/// secret by its shape is one.
fn annotations(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let mut judge = |map: &StringMap| {
        for (key, value) in map.0.iter().filter(|(key, _)| key.value != LAST_APPLIED) {
            let Some(found) = shaped(&value.value).into_iter().next() else { continue };
            let what = found.what;
            let message = format!("annotation {key} holds a secret: it looks like {what}");
            out.push(told(&ANNOTATION, message, value, "keep it in a Secret"));
        }
    };
    judge(&case.object.meta.annotations);
    if let Body::Workload(workload) = &case.object.body
        && workload.kind != WorkloadKind::Pod
    {
        judge(&workload.pod.annotations);
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
