//! Debug information in a program that is deployed.

use crate::case::ProgramCase;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::Bytes;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A matter of taste: what it saves and what it costs.
pub static RULE: Rule = Rule {
    id: "unstripped-binary",
    group: Group::Binary,
    level: Level::Note,
    off: true,
    house: Some(Level::Note),
    title: "a program with debug information",
    page: include_str!("unstripped-binary.md"),
    needs: &[Need::Binary],
    check: Check::Program(check),
    ..Rule::BASE
};

fn check(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    let program = case.program()?;
    if !case.binary.has_dwarf {
        return if case.binary.has_symtab { Ok(()) } else { Err(Abstain::NotApplicable) };
    }
    let shown = |bytes: u64| Bytes(bytes).to_string();
    out.push(
        Finding::new(
            &RULE,
            format!(
                "{} of {} are debug information that nothing reads at run time",
                shown(case.binary.dwarf_size),
                shown(case.binary.size)
            ),
            &program.version.origin,
            "built without -w",
        )
        .note(
            "stack traces, pprof and delve's attach to a core do not need it; -s besides takes the \
             symbol table, which `govulncheck -mode=binary` reads",
        )
        .fix(Fix::suggest("build with -ldflags=-w, and leave -s out")),
    );
    Ok(())
}
