//! GODEBUG settings that bring broken cryptography back.

use goformats::godebug::{self, Lookup, Release};

use crate::case::{Case, ProgramCase};
use crate::facts::Origin;
use crate::facts::binary::GoProgram;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Rule};

/// From the environment, or from a go.mod whose go line is old.
pub static RULE: Rule = Rule {
    id: "weak-crypto-godebug",
    group: Group::Runtime,
    level: Level::Warn,
    strict: Some(Level::Deny),
    title: "GODEBUG setting that allows weak cryptography",
    page: include_str!("weak-crypto-godebug.md"),
    check: Check::Program(check),
    ..Rule::BASE
};

/// Key, the value that weakens, and what it allows (doc/godebug.md).
const WEAK: &[(&str, &str, &str)] = &[
    ("tls10server", "1", "servers accept TLS 1.0 and 1.1"),
    ("tls3des", "1", "3DES suites are offered"),
    ("tlsrsakex", "1", "RSA key exchange: no forward secrecy"),
    ("tlsunsafeekm", "1", "keys are exported from unsafe sessions"),
    ("rsa1024min", "0", "RSA keys below 1024 bits are used"),
    ("tlssha1", "1", "SHA-1 signatures in TLS 1.2"),
    ("x509sha1", "1", "certificates signed with SHA-1"),
    ("x509negativeserial", "1", "certificates with negative serials"),
];

/// The largest RSA key a TLS peer may present by default, in bits (crypto/tls, since Go 1.19).
const RSA_BITS: u32 = 8192;

/// One setting in force.
struct Setting {
    text: String,
    allows: &'static str,
    origin: Origin,
    from_binary: bool,
}

fn check(program_case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    let program = program_case.program()?;
    let mut seen: Vec<Origin> = Vec::new();
    let mut any = false;
    for case in program_case.cases() {
        any = true;
        match settings(program, Some(&case)) {
            Ok(found) => report(program, found, Some(&case), &mut seen, out),
            Err(abstain) => out.abstain(abstain),
        }
    }
    if !any {
        let found = settings(program, None)?;
        report(program, found, None, &mut seen, out);
    }
    Ok(())
}

/// What is in force in a container, or without any environment.
fn settings(program: &GoProgram, case: Option<&Case<'_>>) -> Result<Vec<Setting>, Abstain> {
    let release = Release::from(&program.version.value);
    let variable = match case {
        Some(case) => case.runtime_variable("GODEBUG")?,
        None => None,
    };
    let parsed = variable.as_ref().map(|variable| godebug::parse(&variable.value, release));
    let mut found = Vec::new();
    let names = WEAK.iter().map(|(name, _, _)| *name).chain(["tlsmaxrsasize"]);
    for name in names {
        // A key that is gone does nothing, or ends the process: `removed-godebug-key`.
        if !matches!(godebug::lookup(name, release), Lookup::Known(_)) {
            continue;
        }
        let weakens = |value: &str| match name {
            "tlsmaxrsasize" => {
                let bits = value.parse::<u32>().ok().filter(|bits| *bits > RSA_BITS);
                bits.map(|_| "RSA keys above 8192 bits: a peer can burn CPU time")
            }
            _ => WEAK.iter().find(|(k, v, _)| *k == name && *v == value).map(|w| w.2),
        };
        let item = parsed.as_ref().and_then(|parsed| parsed.deciding(name));
        let (value, origin, from_binary) = match (item, &variable, case) {
            (Some(item), Some(variable), Some(case)) => {
                let span = item.span.clone();
                let place = case.world().part(variable.origin(), &variable.value, span);
                (item.value.unwrap_or_default().to_owned(), place, false)
            }
            _ => match program.default_godebug(name) {
                Some(fact) => (fact.value.clone(), fact.origin.clone(), true),
                None => continue,
            },
        };
        if let Some(allows) = weakens(&value) {
            found.push(Setting { text: format!("{name}={value}"), allows, origin, from_binary });
        }
    }
    Ok(found)
}

fn report(
    program: &GoProgram,
    found: Vec<Setting>,
    case: Option<&Case<'_>>,
    seen: &mut Vec<Origin>,
    out: &mut Findings,
) {
    for from_binary in [false, true] {
        let these: Vec<&Setting> = found.iter().filter(|s| s.from_binary == from_binary).collect();
        let Some((first, rest)) = these.split_first() else { continue };
        // Several containers with one program, or one ConfigMap, have one finding.
        if seen.contains(&first.origin) {
            continue;
        }
        seen.push(first.origin.clone());
        let texts: Vec<&str> = these.iter().map(|setting| setting.text.as_str()).collect();
        let message = if from_binary {
            format!(
                "DefaultGODEBUG of the program has {}: {}; go.mod's go line is older than {}, or a \
                 godebug line says so",
                texts.join(", "),
                first.allows,
                program.version
            )
        } else {
            format!("GODEBUG has {}: {}", texts.join(", "), first.allows)
        };
        let mut finding = Finding::new(&RULE, message, &first.origin, first.allows);
        for setting in rest.iter().filter(|s| !s.from_binary) {
            finding = finding.also(&setting.origin, setting.allows);
        }
        if from_binary {
            let all: Vec<String> =
                these.iter().map(|s| format!("{}: {}", s.text, s.allows)).collect();
            if all.len() > 1 {
                finding = finding.note(all.join("; "));
            }
        } else {
            if let Some(case) = case
                && let Ok(Some(variable)) = case.runtime_variable("GODEBUG")
            {
                finding = case.show_entry(&variable, finding);
            }
            let label = format!("built by {}, which still has the key", program.version);
            finding = finding.also(&program.version.origin, label);
        }
        let title = if from_binary {
            let minor = program.version.minor;
            format!("write `go 1.{minor}` in go.mod, or a godebug line that sets the new value")
        } else {
            format!("remove {}", texts.join(", "))
        };
        out.push(finding.fix(Fix::suggest(title)));
    }
}
