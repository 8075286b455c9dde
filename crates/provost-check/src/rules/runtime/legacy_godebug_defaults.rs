//! A new toolchain that behaves like an old one.

use goformats::godebug::{self, Key};

use crate::case::ProgramCase;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Rule};

/// The go line of go.mod chooses the defaults of GODEBUG.
pub static RULE: Rule = Rule {
    id: "legacy-godebug-defaults",
    group: Group::Runtime,
    level: Level::Note,
    strict: Some(Level::Warn),
    title: "program that runs with the defaults of an older Go than the one that built it",
    page: include_str!("legacy-godebug-defaults.md"),
    check: Check::Program(check),
    ..Rule::BASE
};

fn check(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    let program = case.program()?;
    let minor = program.version.minor;
    // Settings at the value they had before a release up to this one changed them. Others were
    // chosen with a godebug line or //go:debug.
    let old: Vec<(&'static Key, u16)> = program
        .default_godebug
        .iter()
        .filter_map(|(name, value)| {
            let key = godebug::keys().iter().find(|key| key.name == name)?;
            let (changed, before) = key.changed?;
            (changed <= minor && before == value.value).then_some((key, changed))
        })
        .collect();
    let Some(first_changed) = old.iter().map(|(_, changed)| *changed).min() else {
        return Ok(());
    };
    let origin =
        program.default_godebug.first().map_or(&program.version.origin, |(_, f)| &f.origin);
    let mut finding = Finding::new(
        &RULE,
        format!(
            "built by {} and runs with {} of the older defaults, because go.mod's go line is below \
             1.{first_changed}",
            program.version,
            old.len()
        ),
        origin,
        "DefaultGODEBUG",
    );
    for (group, belongs) in GROUPS {
        let names: Vec<&str> =
            old.iter().filter(|(key, _)| belongs(key.package)).map(|(key, _)| key.name).collect();
        if !names.is_empty() {
            finding = finding.note(format!("{group}: {}", names.join(", ")));
        }
    }
    let title = format!("raise the go line of go.mod to 1.{minor}, after reading what changes");
    out.push(finding.fix(Fix::suggest(title)));
    Ok(())
}

/// A heading and the packages whose keys it takes.
type KeyGroup = (&'static str, fn(&str) -> bool);

const GROUPS: [KeyGroup; 4] = [
    ("runtime", |p| p == "runtime" || p == "time"),
    ("TLS and certificates", |p| p.starts_with("crypto/")),
    ("HTTP and network", |p| p.starts_with("net")),
    ("other", |p| {
        !(p == "runtime" || p == "time" || p.starts_with("crypto/") || p.starts_with("net"))
    }),
];
