//! GODEBUG keys that stop the process.

use goformats::godebug::{self, Item, Outcome, Release};

use crate::case::Case;
use crate::case::runtime::{GodebugVariable, quoted};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Go 1.27 does not start with a removed key at an old value.
pub static RULE: Rule = Rule {
    id: "removed-godebug-key",
    group: Group::Runtime,
    level: Level::Deny,
    title: "GODEBUG with a removed key: the process ends at start",
    page: include_str!("removed-godebug-key.md"),
    needs: &[Need::Manifest, Need::Binary],
    variants: &[CGOCHECK, TRAP],
    check: Check::Container(check),
    ..Rule::BASE
};

const CGOCHECK: Variant = Variant::new(
    "cgocheck-throws",
    Level::Deny,
    "GODEBUG cgocheck above 1: the process ends at start since Go 1.21",
);
const TRAP: Variant = Variant::new(
    "godebug-upgrade-trap",
    Level::Warn,
    "GODEBUG that stops every pod once the program is built by Go 1.27",
);

/// The oldest release that checks for removed keys, as far as the table was read.
const CHECKED: u16 = 27;

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let godebug = case.godebug()?;
    let value = &godebug.variable.value;
    let later = godebug::parse(value, godebug::newest());
    let removed: Vec<&Item<'_>> =
        later.items.iter().filter(|i| matches!(i.outcome, Outcome::FatalRemoved(_))).collect();
    let cgocheck = later.items.iter().find(|i| i.outcome == Outcome::FatalCgocheck);
    if removed.is_empty() && cgocheck.is_none() {
        return Ok(());
    }
    let program = godebug.program.clone()?;
    let release = Release::from(&program.version.value);
    if let Some((first, rest)) = removed.split_first() {
        let fatal = release.minor >= CHECKED;
        out.push(removed_key(case, &godebug, release, first, rest, fatal));
        if fatal {
            // The process ends over it before it looks at cgocheck.
            return Ok(());
        }
    }
    let now = godebug::parse(value, release);
    if let Some(item) = now.items.iter().find(|i| i.outcome == Outcome::FatalCgocheck) {
        out.push(cgocheck_throws(case, &godebug, item));
    }
    Ok(())
}

fn removed_key(
    case: &Case<'_>,
    godebug: &GodebugVariable<'_>,
    release: Release,
    first: &Item<'_>,
    rest: &[&Item<'_>],
    fatal: bool,
) -> Finding {
    let variable = &godebug.variable;
    let place =
        |item: &Item<'_>| case.world().part(variable.origin(), &variable.value, item.span.clone());
    let sentence = format!(
        "`fatal error: removed GODEBUG \"{}\" set to old value \"{}\"`",
        first.key,
        first.value.unwrap_or_default()
    );
    let mut finding = if fatal {
        let message = format!("{} stops the process at start: {sentence}", quoted(first.text));
        Finding::new(&RULE, message, &place(first), fixed_behaviour(first.key))
    } else {
        let message = format!(
            "{} works with Go 1.{}, and stops every pod once the program is built by Go \
             1.{CHECKED}: {sentence}",
            quoted(first.text),
            release.minor
        );
        let works = matches!(
            godebug::parse(&variable.value, release).deciding(first.key),
            Some(item) if item.value == first.value
        );
        let message = if works { message } else { message.replacen(" works", " is ignored", 1) };
        Finding::new(&RULE, message, &place(first), fixed_behaviour(first.key)).variant(&TRAP)
    };
    for item in rest {
        finding = finding.also(&place(item), fixed_behaviour(item.key));
    }
    finding = case.show_entry(variable, finding);
    if let Ok(program) = &godebug.program {
        let label = format!("built by {}", program.version);
        finding = finding.also(&program.version.origin, label);
    }
    let gone =
        |item: &Item<'_>| item.span == first.span || rest.iter().any(|r| r.span == item.span);
    let kept = without(&variable.value, gone);
    let names: Vec<&str> = std::iter::once(first.text).chain(rest.iter().map(|i| i.text)).collect();
    let title = format!("remove {} ({})", names.join(" and "), fixed_behaviour(first.key));
    // Removing what still acts changes the behaviour today; a person has to want that.
    let fix = if fatal { Fix::safe(title) } else { Fix::suggest(title) };
    finding.fix(remove(case, godebug, fix, &kept))
}

fn cgocheck_throws(case: &Case<'_>, godebug: &GodebugVariable<'_>, item: &Item<'_>) -> Finding {
    let variable = &godebug.variable;
    let place = case.world().part(variable.origin(), &variable.value, item.span.clone());
    let message = format!(
        "{} stops the process at start: `fatal error: cgocheck > 1 mode is no longer supported at \
         runtime`",
        quoted(item.text)
    );
    let mut finding =
        Finding::new(&RULE, message, &place, "a build option since Go 1.21").variant(&CGOCHECK);
    finding = case.show_entry(variable, finding);
    if let Ok(program) = &godebug.program {
        let label = format!("built by {}", program.version);
        finding = finding.also(&program.version.origin, label);
    }
    let kept = without(&variable.value, |other| other.key == "cgocheck");
    let title = "remove cgocheck, and build with GOEXPERIMENT=cgocheck2 to have the check";
    finding.fix(remove(case, godebug, Fix::safe(title), &kept))
}

/// The items that stay, joined again.
fn without(value: &str, gone: impl Fn(&Item<'_>) -> bool) -> String {
    let parsed = godebug::parse(value, godebug::newest());
    let kept: Vec<&str> = parsed.items.iter().filter(|i| !gone(i)).map(|i| i.text).collect();
    kept.join(",")
}

fn remove(case: &Case<'_>, godebug: &GodebugVariable<'_>, fix: Fix, kept: &str) -> Fix {
    if kept.is_empty() {
        case.unset(fix, &godebug.variable)
    } else {
        case.rewrite(fix, &godebug.variable, kept)
    }
}

/// What holds once the key is gone (doc/godebug.md of Go 1.27).
fn fixed_behaviour(key: &str) -> &'static str {
    match key {
        "asynctimerchan" => "timer channels are unbuffered now",
        "gotypesalias" => "go/types always has Alias types now",
        "tls10server" => "TLS 1.2 is the oldest a server accepts now",
        "tls3des" => "3DES suites are off unless configured now",
        "tlskyber" => "X25519MLKEM768 took the place of Kyber",
        "tlsrsakex" => "RSA key exchange is off unless configured now",
        "tlsunsafeekm" => "no exported keys without TLS 1.3 or EMS now",
        "x509keypairleaf" => "X509KeyPair always fills Leaf now",
        "x509sha1" => "SHA-1 signatures are refused now",
        _ => "the new behaviour is the only one now",
    }
}
