//! A flag that the program does not define.
//!
//! Sources: `(*FlagSet).parseOne` of Go's `flag` ("flag provided but not defined"), `parseLongArg` of
//! `spf13/pflag` ("unknown flag").

use std::collections::BTreeSet;

use crate::case::Case;
use crate::facts::binary::GoProgram;
use crate::facts::program_text::TextPresence;
use crate::facts::{Fact, symbols};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names::{base_name, flag};
use crate::model::shell::shell_text;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The flag packages end the program at the first flag they do not know.
pub static RULE: Rule = Rule {
    id: "undefined-flag",
    group: Group::Config,
    level: Level::Warn,
    title: "a flag that the program does not define, beside one that it does",
    page: include_str!("undefined-flag.md"),
    needs: &[Need::Manifest, Need::Binary],
    check: Check::Container(check),
    ..Rule::BASE
};

/// Words of one command line that are looked at.
const WORDS: usize = 256;

/// Parsers of flags that refuse what they do not know, and what they say.
const PARSERS: &[(symbols::Symbol, &str)] = &[
    (symbols::PFLAG_PARSE, "spf13/pflag ends the program: \"unknown flag\""),
    (symbols::FLAG_PARSE, "Go's flag package ends the program: \"flag provided but not defined\""),
];

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let written = [&case.container.command, &case.container.args].into_iter().flatten().flatten();
    if !written.into_iter().any(|word| flag(&word.value).is_some()) {
        return Err(Abstain::NotApplicable);
    }
    let program = case.program()?;
    let words = words(case)?;
    let flags = flags(&words);
    if flags.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    case.may_be_searched()?;
    let says = parser(program)?;
    let mut seen = BTreeSet::new();
    for (word, name) in flags.into_iter().filter(|(_, name)| seen.insert(*name)) {
        let near = program.text.slip(name);
        let near = near.map_err(|why| unreadable(name, why))?;
        let Some((near, place)) = near else { continue };
        // `SetNormalizeFunc` of pflag takes the one for the other, as Kubernetes' programs do.
        let plain = |name: &str| name.replace(['_', '.'], "-");
        if plain(&near) == plain(name) {
            continue;
        }
        match program.text.find(name) {
            TextPresence::Present(_) => continue,
            TextPresence::Unknown(why) => {
                out.abstain(unreadable(name, why));
                continue;
            }
            TextPresence::Absent => {}
        }
        let message = format!("the program has no flag {name}: it holds {near}, and not that name");
        let at = word.value.find(name).unwrap_or(0);
        let origin = case.world().part(&word.origin, &word.value, at..at + name.len());
        let right = word.value.replacen(name, &near, 1);
        let fix = Fix::suggest(format!("did you mean {near}?"));
        out.push(
            Finding::new(&RULE, message, &origin, format!("{near}?"))
                .also(&place, format!("holds {near}"))
                .note(says)
                .fix(case.world().rewrite(fix, &word.origin, &word.value, &right)),
        );
    }
    Ok(())
}

fn unreadable(name: &str, why: &str) -> Abstain {
    Abstain::unknown(Reason::StringsUnreadable, format!("whether the program knows {name}: {why}"))
}

/// What becomes of a flag that is not known; not applicable where nothing that is known parses flags.
fn parser(program: &GoProgram) -> Result<&'static str, Abstain> {
    for (symbol, says) in PARSERS {
        if program.links(*symbol)?.is_some() {
            return Ok(says);
        }
    }
    Err(Abstain::NotApplicable)
}

/// What the program is given: all behind its name. Words of a shell's text are for the shell, and of
/// an entrypoint that is a script nobody knows to whom it hands them on.
fn words(case: &Case<'_>) -> Result<Vec<Fact<String>>, Abstain> {
    let argv = match case.command_line() {
        Ok(line) if line.shell_form => return Err(Abstain::NotApplicable),
        Ok(line) => line.argv,
        // The program's own entrypoint is what most images have.
        Err(_) => {
            let args = case.container.args.clone().unwrap_or_default();
            let named = Fact::derived(case.binary()?.path.clone(), case.container.origin.clone());
            std::iter::once(named).chain(args).collect()
        }
    };
    let texts: Vec<&str> = argv.iter().map(|word| word.value.as_str()).collect();
    let is_script = |word: &&str| word.ends_with(".sh");
    if shell_text(&texts).is_some() || texts.first().is_some_and(is_script) {
        return Err(Abstain::NotApplicable);
    }
    // A reaper or wrapper comes before it, with flags of its own.
    let own = base_name(&case.binary()?.path);
    let start = texts.iter().position(|word| base_name(word) == own).unwrap_or(0);
    Ok(argv.into_iter().skip(start + 1).take(WORDS).collect())
}

/// The words that are flags of the program for certain, with the names.
fn flags(words: &[Fact<String>]) -> Vec<(&Fact<String>, &str)> {
    let mut found = Vec::new();
    let mut before = "";
    for word in words {
        let text = word.value.as_str();
        // What comes then is no flag, or is for a program that this one starts.
        if text == "--" || text.starts_with('/') && !before.starts_with('-') {
            break;
        }
        let name = flag(text);
        if let Some(name) = name.filter(|_| !hands_on(before)) {
            found.push((word, name));
        }
        before = text;
    }
    found
}

/// Whether what follows a word may be a flag for another program: `--extra-args --verbose`.
fn hands_on(before: &str) -> bool {
    let name = flag(before).filter(|_| !before.contains('=')).unwrap_or_default();
    ["arg", "opt", "flag", "param", "cmd", "command"].iter().any(|part| name.contains(part))
}
