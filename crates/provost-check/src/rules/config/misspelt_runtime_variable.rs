//! A variable of the runtime under a name it does not look for.

use crate::case::Case;
use crate::case::env::EnvSource;
use crate::facts::program_text::TextPresence;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::names;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Nothing reads a variable that is nearly called GOMEMLIMIT.
pub static RULE: Rule = Rule {
    id: "misspelt-runtime-variable",
    group: Group::Config,
    level: Level::Warn,
    title: "environment variable whose name is nearly one that the Go runtime reads",
    page: include_str!("misspelt-runtime-variable.md"),
    needs: &[Need::Manifest],
    check: Check::Container(check),
    ..Rule::BASE
};

/// What the runtime and the standard library read in a deployed program.
const READ: &[&str] = &[
    "GOMEMLIMIT",
    "GOMAXPROCS",
    "GOGC",
    "GODEBUG",
    "GOTRACEBACK",
    "GOCOVERDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Names that other tools of Go read (`go env`), some of which are near.
const OTHERS: &[&str] = &[
    "GOARCH",
    "GOBIN",
    "GOCACHE",
    "GOENV",
    "GOEXE",
    "GOFIPS140",
    "GOFLAGS",
    "GOINSECURE",
    "GOMOD",
    "GOOS",
    "GOPATH",
    "GOPROXY",
    "GOROOT",
    "GOSUMDB",
    "GOTMPDIR",
    "GOVCS",
    "GOWORK",
];

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let env = case.environment();
    let mut any = false;
    for (name, variable) in env.iter() {
        any = true;
        let Some(meant) = meant(name) else { continue };
        let mut proof = None;
        // A part of the right name (`GOMAXPROC`) is in every Go program, and shows nothing.
        if let Some(program) = case.known_program().filter(|_| !meant.contains(name)) {
            match program.text.find(name) {
                // The program reads it under this name.
                TextPresence::Present(_) => continue,
                TextPresence::Absent => proof = Some(program),
                TextPresence::Unknown(_) => {}
            }
        }
        let written = case.container.env.iter().find(|e| e.name.value == name);
        let origin = match (variable.source, written) {
            (EnvSource::Manifest, Some(entry)) => &entry.name.origin,
            _ => &variable.entry,
        };
        let message = format!("nothing reads {name}; the runtime looks for {meant}");
        let mut finding = Finding::new(&RULE, message, origin, format!("{meant}?"));
        if let Some(program) = proof {
            let label = format!("{} does not hold the name {name}", program.version);
            finding = finding.also(&program.version.origin, label);
        }
        let right = env.get(meant).ok().flatten();
        let fix = match right {
            Some(right) => {
                finding = finding.also(&right.entry, format!("{meant} is set here"));
                Fix::suggest(format!("remove {name}"))
            }
            None => {
                let fix = Fix::safe(format!("rename it to {meant}"));
                case.world().rewrite(fix, origin, name, meant)
            }
        };
        out.push(finding.fix(fix));
    }
    if any { Ok(()) } else { Err(Abstain::NotApplicable) }
}

/// The name that was meant, if `name` is near one and is none itself.
fn meant(name: &str) -> Option<&'static str> {
    if READ.contains(&name) || OTHERS.contains(&name) {
        return None;
    }
    let plain = |text: &str| text.replace(['_', '-'], "").to_ascii_uppercase();
    let bare = plain(name);
    READ.iter().copied().find(|read| {
        let key = plain(read);
        if key == bare {
            return true;
        }
        // DEBUG and MEMLIMIT are names of their own; a misspelling keeps the beginning.
        let most = if key.len() < 6 { 1 } else { 2 };
        bare.starts_with(&key[..2]) && names::distance(&bare, &key, most).is_some()
    })
}
