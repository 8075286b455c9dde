//! A variable that the program's own code asks for, and that nothing sets.

use super::{RULE, UNSET};
use crate::case::Case;
use crate::case::binding::program_name;
use crate::case::env::Lookup;
use crate::facts::build_files::behind_wrapper;
use crate::facts::program_text::VariableRead;
use crate::findings::{Abstain, Finding, Fix, Reason};
use crate::model::env::{is_of_others, is_service_variable};
use crate::model::names::base_name;
use crate::rules::rule::{Findings, Judged};

/// Functions of which it is said that their names are not known.
const UNCLEAR: usize = 4;

/// Names in the sentence, and places.
const SHOWN: usize = 4;

pub(super) fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let program = case.program()?;
    let found = program.text.variable_reads().map_err(|why| {
        let what = format!("the variables that the program asks for: {why}");
        Abstain::unknown(Reason::StringsUnreadable, what)
    })?;
    let unclear = |what: String| Abstain::unknown(Reason::CodeUnclear, what);
    // What is asked for in other ways need not be set either; what is written out is judged all the same.
    for function in found.unclear.iter().take(UNCLEAR) {
        out.abstain(unclear(format!("the variables that {function} asks for")));
    }
    if found.handed_on || found.limited {
        out.abstain(unclear("all variables that the program asks for".to_owned()));
    }
    let mut reads: Vec<&VariableRead> =
        found.reads.iter().filter(|read| !is_of_others(&read.name)).collect();
    reads.sort_by(|a, b| a.name.cmp(&b.name));
    reads.dedup_by(|a, b| a.name == b.name);
    if reads.is_empty() {
        return Ok(());
    }
    for setter in ["os.Setenv", "syscall.Setenv"] {
        if program.text.calls(setter).unwrap_or(true) {
            return Err(unclear(format!("the variables that the program sets itself by {setter}")));
        }
    }
    starts_as_it_is(case)?;
    let env = case.environment();
    let mut unset: Vec<&VariableRead> = Vec::new();
    let mut open = None;
    for read in reads {
        match env.lookup(&read.name) {
            Lookup::Set(_) => {}
            Lookup::Unknown(why) => open = open.or(Some(why)),
            Lookup::Unset => match linked(case, &read.name) {
                Ok(true) => {}
                Ok(false) => unset.push(read),
                Err(why) => open = open.or(Some(why)),
            },
        }
    }
    if let Some(why) = open {
        out.abstain(why);
    }
    let Some(first) = unset.first() else { return Ok(()) };
    // ENV of the image may set any of them.
    let image = case.image()?;
    if image.image().is_none() && image.base().is_none() {
        return Err(image.unknown("ENV of the base image"));
    }
    let names: Vec<&str> = unset.iter().take(SHOWN).map(|read| read.name.as_str()).collect();
    let (names, more) = (names.join(", "), unset.len().saturating_sub(SHOWN));
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let is = if unset.len() == 1 { "it is empty there" } else { "they are empty there" };
    let mut finding = Finding::new(
        &RULE,
        format!("the program asks for {names}{more}, which nothing sets: {is}"),
        case.container_origin(),
        "sets no such variable",
    )
    .variant(&UNSET)
    .also(&first.origin, format!("{} asks for {}", first.function, first.name));
    for read in unset.iter().skip(1).take(SHOWN) {
        finding = finding.also(&read.origin, format!("{} asks for {}", read.function, read.name));
    }
    if image.image().is_some() || image.build().is_some() {
        finding = finding.also(&image.origin(), "its ENV has none either");
    }
    out.push(finding.fix(Fix::suggest(
        "set what the program cannot do without; where it has a default nothing is to be done",
    )));
    Ok(())
}

/// Unknown where something else is started first, which may set variables: a shell, a script, `env`.
fn starts_as_it_is(case: &Case<'_>) -> Judged {
    let line = case.command_line()?;
    let first = line.program();
    let word = behind_wrapper(&line.argv).unwrap_or(first);
    let binary = case.binary()?;
    let file = binary.path.rsplit(['/', ':']).next().unwrap_or_default();
    let named = [file, base_name(program_name(binary))].contains(&base_name(&word.value));
    // The Dockerfile says that it is the program, whatever the file is called there.
    let built = case.container.command.is_none()
        && case.build().is_ok_and(|build| build.entrypoint_build().is_some());
    if line.shell_form || base_name(&first.value) == "env" || !(named || built) {
        let what = format!("the variables that {} sets before it starts the program", first.value);
        return Err(Abstain::unknown(Reason::CodeUnclear, what));
    }
    Ok(())
}

/// Whether the kubelet sets the variable for a Service of the namespace (`enableServiceLinks`); unknown
/// where one may be there that is not in the input.
fn linked(case: &Case<'_>, name: &str) -> Result<bool, Abstain> {
    if !case.pod().service_links.value {
        return Ok(false);
    }
    let Some(service) = is_service_variable(name) else { return Ok(false) };
    let namespace = case.of.object.meta.namespace.value.as_str();
    let there = !case.of.joined.joins.named(namespace, "Service", &service).is_empty();
    if there || case.settings().closed_world {
        return Ok(there);
    }
    Err(Abstain::unknown(Reason::ObjectNotInInput, format!("Service {service}, which sets {name}")))
}
