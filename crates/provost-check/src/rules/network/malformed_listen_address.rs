//! A setting that Go's net package cannot listen on.

use crate::case::Case;
use crate::facts::binary::GoProgram;
use crate::facts::placeholders::is_placeholder;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::listeners::{self, Listener};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// `net.Listen` ends with an error, and so does the program.
pub static RULE: Rule = Rule {
    id: "malformed-listen-address",
    group: Group::Network,
    level: Level::Warn,
    title: "a setting that is no address to listen on",
    page: include_str!("malformed-listen-address.md"),
    needs: &[Need::Manifest, Need::Binary],
    check: Check::Container(check),
    ..Rule::BASE
};

/// What code has that puts a host or a colon in front of a port. A colon alone is seldom seen: of a text of one byte
/// the machine code holds the byte. So the rule warns only.
const JOINTS: &[&str] =
    &[":", ":%s", ":%v", ":%d", "0.0.0.0:", "0.0.0.0:%s", "[::]:", "0.0.0.0", "::"];

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let program = case.program()?;
    let own = case.own_names();
    let environment = case.environment();
    let mut judged = Err(Abstain::NotApplicable);
    for (name, variable) in environment.iter() {
        let Some(listener) = listeners::of_setting(name, &own) else { continue };
        let Some(default) = case.own_default(name) else { continue };
        judged = Ok(());
        let Ok(value) = &variable.value else { continue };
        // A socket of the file system, and what a program takes apart by itself.
        let other = value.is_empty() || value.contains('/') || value.starts_with('@');
        if other || is_placeholder(value) {
            continue;
        }
        let Some(why) = listeners::refused_address(value) else { continue };
        case.of.pod_unpatched(&["containers/env", "containers/envFrom"])?;
        // Whatever stands in front of it, no port has that number.
        let for_certain = why == listeners::INVALID_PORT;
        if let Some(joint) = joint(program).filter(|_| !for_certain) {
            let what =
                format!("whether the program makes an address of {value:?}: it holds {joint:?}");
            out.abstain(Abstain::unknown(Reason::CodeUnclear, what));
            continue;
        }
        let unless = if for_certain { "" } else { " unless its code puts the rest in front of it" };
        let mut finding = Finding::new(
            &RULE,
            format!(
                "{name} is {value:?}, which is no address: the program ends with `listen tcp: address \
                 {value}: {why}`{unless}"
            ),
            &variable.origin,
            why,
        );
        // Beside the service's listener one that fails may be no more than a line in the log.
        if for_certain && listener == Listener::Service {
            finding = finding.level(Level::Deny);
        }
        let finding =
            finding.also(&default.origin, format!("{}: the default of {name}", default.text));
        let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        out.push(match digits {
            true => finding.fix(case.world().rewrite(
                Fix::suggest(format!("write \":{value}\"")),
                &variable.origin,
                value,
                &format!(":{value}"),
            )),
            false => {
                finding.fix(Fix::suggest(format!("write host and port, as in {}", default.text)))
            }
        });
    }
    judged
}

/// A text of the program's own code by which it may make an address of something else.
fn joint(program: &GoProgram) -> Option<&'static str> {
    JOINTS.iter().copied().find(|joint| !matches!(program.text.own_constant(joint), Ok(None)))
}
