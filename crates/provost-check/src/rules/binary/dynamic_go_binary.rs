//! A Go program that needs a loader.

use crate::case::ProgramCase;
use crate::facts::symbols;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Decided by PT_INTERP, whatever CGO_ENABLED was.
pub static RULE: Rule = Rule {
    id: "dynamic-go-binary",
    group: Group::Binary,
    level: Level::Note,
    house: Some(Level::Deny),
    title: "a Go program that is linked dynamically",
    page: include_str!("dynamic-go-binary.md"),
    needs: &[Need::Binary],
    after: &["unresolvable-interpreter"],
    check: Check::Program(check),
    ..Rule::BASE
};

fn check(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    let program = case.program()?;
    let Some(interp) = &case.binary.interp else { return Ok(()) };
    let needed: Vec<&str> = case.binary.needed.iter().map(|name| name.value.as_str()).collect();
    let libraries = match needed.as_slice() {
        [] => "no library".to_owned(),
        names => names.join(", "),
    };
    let mut finding = Finding::new(
        &RULE,
        format!("the program is linked dynamically: it needs {} and {libraries}", interp.value),
        &interp.origin,
        "the loader that has to be in the image",
    );
    if let Some(first) = case.binary.needed.first() {
        finding = finding.also(&first.origin, "libraries");
    }
    let cgo = program.links(symbols::CGO)?;
    if let Some(cgo) = cgo {
        finding = finding.also(cgo, "C code is linked");
    }
    let fix = match (cgo, case.binary.pie) {
        // `-buildmode=pie` asks for the loader even of a program without C.
        (None, true) => {
            "build without -buildmode=pie, or with -ldflags '-linkmode external -extldflags -static-pie'"
        }
        _ => {
            "build with CGO_ENABLED=0; a package that needs C (sqlite3, librdkafka, gopacket) can be \
             linked with -ldflags '-linkmode external -extldflags -static' against musl"
        }
    };
    out.push(finding.fix(Fix::suggest(fix)));
    Ok(())
}
