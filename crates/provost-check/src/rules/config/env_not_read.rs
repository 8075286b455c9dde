//! A variable that nothing reads.

mod prefix;
mod unset;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::case::Case;
use crate::case::env::Lookup;
use crate::facts::Body;
use crate::facts::binary::GoProgram;
use crate::facts::program_text::{TextKind, TextPresence};
use crate::facts::workload::{Action, EnvValue, EnvVar, VolumeKind};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::env::is_of_others;
use crate::model::names::{meant, nearest};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const UNSET: Variant = Variant::new(
    "env-read-but-unset",
    Level::Note,
    "a variable that the program's own code asks for and nothing sets",
)
// Most variables have a default in the code, which cannot be seen.
.off()
.strict(Level::Note);

/// A setting that was renamed in the program, or was never there.
pub static RULE: Rule = Rule {
    id: "env-not-read",
    group: Group::Config,
    level: Level::Note,
    title: "an environment variable whose name is nowhere in the program",
    page: include_str!("env-not-read.md"),
    needs: &[Need::Manifest, Need::Binary],
    after: &["misspelt-runtime-variable"],
    variants: &[UNSET],
    check: Check::Container(check),
    also: &[Check::Container(unset::check)],
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let entries = case.container.env.iter().filter(|entry| !is_of_others(&entry.name.value));
    // What is taken from elsewhere is often given to every container alike: of that only what is nearly the name
    // of something that is missing is told.
    let (entries, others): (Vec<&EnvVar>, Vec<&EnvVar>) =
        entries.partition(|entry| matches!(entry.value, EnvValue::Literal(_)));
    let prefixed = case.container.env_from.iter().any(|from| !from.prefix.is_empty());
    if entries.is_empty()
        && others.is_empty()
        && !prefixed
        && case.container.env_from.iter().all(|from| from.secret)
    {
        return Err(Abstain::NotApplicable);
    }
    let program = case.program()?;
    program.reads_names_as_written()?;
    case.may_be_searched()?;
    let mentions = Mentions::of(case);
    for entry in entries {
        let name = entry.name.value.as_str();
        if mentions.holds(name) {
            continue;
        }
        match program.text.find(name) {
            TextPresence::Present(_) => {}
            TextPresence::Unknown(why) => {
                let what = format!("whether the program knows {name}: {why}");
                out.abstain(Abstain::unknown(Reason::StringsUnreadable, what));
            }
            TextPresence::Absent => {
                if let Some(finding) = misspelt(case, program, entry) {
                    out.push(finding);
                    continue;
                }
                let mut finding = Finding::new(
                    &RULE,
                    format!("nothing reads {name}: the program does not hold the name"),
                    &entry.name.origin,
                    "has no effect",
                )
                .also(&program.version.origin, "does not hold it");
                finding = finding.fix(match nearest(name, names_of(program), 3) {
                    Some(near) => Fix::suggest(format!("did you mean {near}?"))
                        .replace(&entry.name.origin, near),
                    None => Fix::suggest("remove it"),
                });
                out.push(finding);
            }
        }
    }
    for entry in others {
        let name = entry.name.value.as_str();
        if !mentions.holds(name) && matches!(program.text.find(name), TextPresence::Absent) {
            out.found.extend(misspelt(case, program, entry));
        }
    }
    of_config_maps(case, program, &mentions, out);
    prefix::check(case, program, &mentions, out);
    Ok(())
}

/// Names of variables that the program holds.
fn names_of(program: &GoProgram) -> impl Iterator<Item = &str> {
    let known = program.text.strings().unwrap_or_default().iter();
    known.filter(|s| s.kind == TextKind::EnvName).map(|s| s.text.as_str())
}

/// A name that nothing reads, and that is nearly the one which the program asks for and nothing sets.
fn misspelt(case: &Case<'_>, program: &GoProgram, entry: &EnvVar) -> Option<Finding> {
    let name = entry.name.value.as_str();
    let near = meant(name, names_of(program))?;
    if !matches!(case.environment().lookup(near), Lookup::Unset) {
        return None;
    }
    let message = format!("nothing reads {name}: the program asks for {near}, which nothing sets");
    let fix = Fix::suggest(format!("did you mean {near}?"));
    Some(
        Finding::new(&RULE, message, &entry.name.origin, "has no effect")
            .level(Level::Warn)
            .also(&program.version.origin, format!("asks for {near}"))
            .fix(case.world().rewrite(fix, &entry.name.origin, name, near)),
    )
}

/// Keys of one ConfigMap that are looked at.
const KEYS: usize = 256;

/// Workloads of a namespace that are asked whether they read a key, too.
const READERS: usize = 256;

/// A ConfigMap may well hold what other programs read. Nobody reads a key that is nearly the name
/// which the program asks for and nothing sets.
fn of_config_maps(
    case: &Case<'_>,
    program: &GoProgram,
    mentions: &Mentions<'_>,
    out: &mut Findings,
) {
    let joined = case.of.joined;
    let env = case.environment();
    for from in case.container.env_from.iter().filter(|from| !from.secret) {
        let Ok(Some(object)) = case.named_object("ConfigMap", &from.name.value) else { continue };
        let Body::ConfigMap(map) = &object.body else { continue };
        for (key, _) in map.data.0.iter().take(KEYS) {
            let name = format!("{}{}", from.prefix, key.value);
            if is_of_others(&name) || mentions.holds(&name) {
                continue;
            }
            let Some(near) = meant(&name, names_of(program)) else { continue };
            let patched = joined.unpatched(object, &[format!("data/{}", key.value).as_str()]);
            if !matches!(env.lookup(near), Lookup::Unset)
                || patched.is_err()
                || !matches!(program.text.find(&name), TextPresence::Absent)
                || is_read_elsewhere(case, &from.name.value, &key.value)
            {
                continue;
            }
            let message = format!(
                "nothing reads {name} of ConfigMap {}: the program asks for {near}, which nothing sets",
                from.name.value
            );
            let fix = Fix::suggest(format!("did you mean {near}?"));
            let new = near.strip_prefix(from.prefix.as_str()).unwrap_or(near);
            out.push(
                Finding::new(&RULE, message, &key.origin, "has no effect")
                    .level(Level::Warn)
                    .also(&from.name.origin, "the variables come from here")
                    .also(&program.version.origin, format!("asks for {near}"))
                    .fix(case.world().rewrite(fix, &key.origin, &key.value, new)),
            );
        }
    }
}

/// Whether another container, or a process by way of a file, may read the key of the ConfigMap.
fn is_read_elsewhere(case: &Case<'_>, map: &str, key: &str) -> bool {
    let joined = case.of.joined;
    let ids = joined.joins.workloads_in(&case.of.object.meta.namespace.value);
    if ids.len() > READERS {
        return true;
    }
    let mut others = ids.iter().filter_map(|id| joined.workload(*id));
    others.any(|other| {
        let mounts = other.pod().volumes.iter().any(
            |volume| matches!(&volume.kind, VolumeKind::ConfigMap { name, .. } if name.value == map),
        );
        mounts || other.into_containers().any(|other| reads(case, &other, map, key))
    })
}

fn reads(case: &Case<'_>, other: &Case<'_>, map: &str, key: &str) -> bool {
    let names_key = other.container.env.iter().any(|entry| {
        matches!(&entry.value, EnvValue::ConfigMapKey(of) if of.name.value == map && of.key.value == key)
    });
    if names_key || (other.of.id == case.of.id && other.index == case.index) {
        return names_key;
    }
    let mut from =
        other.container.env_from.iter().filter(|from| !from.secret && from.name.value == map);
    from.any(|from| {
        let known = other.program().and_then(|program| {
            program.reads_names_as_written()?;
            other.may_be_searched()?;
            Ok(program)
        });
        let name = format!("{}{key}", from.prefix);
        known.map_or(true, |program| !matches!(program.text.find(&name), TextPresence::Absent))
    })
}

/// What the texts of a container speak of: its command, hooks, probes and other variables hand
/// a variable on. Looked up by name, since both the variables and the texts may be thousands.
struct Mentions<'c> {
    /// Words that may be names, and whose they are.
    words: BTreeMap<Cow<'c, str>, Holder<'c>>,
    /// A script may read whatever there is.
    script: bool,
}

/// Where a word occurs.
#[derive(Clone, Copy, PartialEq)]
enum Holder<'c> {
    /// In the value of this variable alone.
    Variable(&'c str),
    /// Elsewhere, or in values of several.
    Others,
}

/// The parts of a text that may be names, or parts of names.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

impl<'c> Mentions<'c> {
    fn of(case: &Case<'c>) -> Self {
        let container = case.container;
        let mut found = Self { words: BTreeMap::new(), script: false };
        for word in container.command.iter().chain(&container.args).flatten() {
            found.add(&word.value, Holder::Others);
        }
        for (_, handler) in container.handlers() {
            if let Action::Exec(words) = &handler.action {
                words.iter().for_each(|word| found.add(&word.value, Holder::Others));
            }
        }
        for entry in &container.env {
            if let EnvValue::Literal(text) = &entry.value {
                found.add(&text.value, Holder::Variable(&entry.name.value));
            }
        }
        if let Ok(line) = case.command_line() {
            found.script = line.shell_form;
            for word in line.argv.iter().flat_map(|word| words(&word.value)) {
                found.words.insert(Cow::Owned(word.to_owned()), Holder::Others);
            }
        }
        found
    }

    fn add(&mut self, text: &'c str, holder: Holder<'c>) {
        for word in words(text) {
            let known = self.words.entry(Cow::Borrowed(word)).or_insert(holder);
            if *known != holder {
                *known = Holder::Others;
            }
        }
    }

    /// Whether something speaks of a name that begins so.
    fn begins(&self, prefix: &str) -> bool {
        self.script || self.words.keys().any(|word| word.starts_with(prefix))
    }

    /// Whether something but the variable itself speaks of it; a name with a dot or a hyphen is
    /// mentioned where all its parts are.
    fn holds(&self, name: &str) -> bool {
        self.script
            || words(name).all(|word| match self.words.get(word) {
                Some(Holder::Variable(own)) => *own != name,
                Some(Holder::Others) => true,
                None => false,
            })
    }
}
