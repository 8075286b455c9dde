//! `provost explain`: the page of a rule, the list of rules, the settings in force.

mod page;
mod settings;

use std::fmt::Write as _;

use anyhow::Result;
use provost_check::artifact::config::check_id;
use provost_check::findings::Level;
use provost_check::rules::by_case::{ByCase, by_case};
use provost_check::rules::known_as::{Known, Refused};
use provost_check::rules::rule::{Rule, Variant};
use provost_check::rules::{self, RULES, known_as};

use crate::args::{Cli, ExplainArgs};
use crate::exit::{Exit, Mistake};
use crate::output;

pub(crate) fn run(cli: &Cli, args: &ExplainArgs) -> Result<Exit> {
    let text = match &args.rule {
        _ if args.config => settings::show(cli, args)?,
        Some(id) => rule(id, output::color_on_stdout(cli.color))?,
        None => list(),
    };
    output::print(&text)?;
    Ok(Exit::Clean)
}

fn rule(id: &str, color: bool) -> Result<String> {
    if let Err(unknown) = check_id(id) {
        // A name that another linter gives it, which a team that migrates has at hand.
        let elsewhere: Vec<&Known> = known_as::find(id).collect();
        if !elsewhere.is_empty() {
            return Ok(known_elsewhere(&elsewhere, color));
        }
        let refused: Vec<&Refused> = known_as::refused(id).collect();
        if !refused.is_empty() {
            return Ok(refused_here(&refused));
        }
        let mistake = Mistake::new(unknown.message);
        return Err(match unknown.help {
            Some(help) => mistake.help(help),
            None => mistake,
        }
        .into());
    }
    let (id, variant) = id.split_once('/').map_or((id, None), |(id, v)| (id, Some(v)));
    // `check_id` has found it.
    let Some(rule) = rules::find(id) else { return Ok(String::new()) };
    let mut text = String::new();
    if let Some(variant) = rule.variants.iter().find(|v| Some(v.name) == variant) {
        let level = level_of(variant.level, variant.off);
        let _ = writeln!(text, "{}/{} ({level}): {}\n", rule.id, variant.name, variant.title);
    }
    text.push_str(&page::render(rule.page, color, output::WIDTH));
    let _ = writeln!(text, "\n{}", facts(rule));
    Ok(text)
}

/// What other linters' checks are here, with the page where that is one.
fn known_elsewhere(all: &[&Known], color: bool) -> String {
    let mut text = String::new();
    for known in all {
        let _ = writeln!(text, "{} {}: {}", known.tool, known.name, known.rules.join(", "));
    }
    let mut rules: Vec<&str> = all.iter().flat_map(|known| known.rules).copied().collect();
    rules.dedup();
    if let [id] = rules[..]
        && let Ok(page) = rule(id, color)
    {
        let _ = write!(text, "\n{page}");
    }
    text
}

/// Why no rule answers to other linters' checks.
fn refused_here(all: &[&Refused]) -> String {
    let mut text = String::new();
    for refused in all {
        let _ = writeln!(text, "{} {}: no rule", refused.tool, refused.name);
        let _ = writeln!(text, "\n{}", page::render(refused.why, false, output::WIDTH).trim_end());
    }
    text
}

/// Level, profiles and needs, which the page does not repeat.
fn facts(rule: &'static Rule) -> String {
    let mut text = format!("Group: {}\nLevel: {}", rule.group.name(), levels(rule));
    let by_case = by_case(rule);
    by_cases(&by_case, None, &mut text);
    for variant in rule.variants {
        let _ = write!(text, "\n       {}/{}: {}", rule.id, variant.name, levels_of(variant));
        by_cases(&by_case, Some(variant.name), &mut text);
    }
    if !rule.needs.is_empty() {
        let needs: Vec<String> =
            rule.needs.iter().map(|n| format!("{n:?}").to_lowercase()).collect();
        let _ = write!(text, "\nNeeds: {}", needs.join(", "));
    }
    text
}

/// Cases of one level that are named; the others are counted.
const NAMED: usize = 4;

/// Where the level is another one, by the headings of the page, which say why.
fn by_cases(all: &[ByCase], variant: Option<&str>, text: &mut String) {
    for told in all.iter().filter(|told| told.variant == variant) {
        let profile = told.profile.map(|name| format!(", {name}")).unwrap_or_default();
        let _ = write!(text, "\n         {}{profile}, in the cases:", told.level.name());
        for case in told.cases.iter().take(NAMED) {
            let _ = write!(text, "\n           {case}");
        }
        if let Some(more @ 1..) = told.cases.len().checked_sub(NAMED) {
            let _ = write!(text, "\n           and {more} more on the page");
        }
    }
}

fn levels(rule: &Rule) -> String {
    by_profile(rule.level, rule.off, rule.strict, rule.house)
}

fn levels_of(variant: &Variant) -> String {
    by_profile(variant.level, variant.off, variant.strict, variant.house)
}

fn by_profile(level: Level, off: bool, strict: Option<Level>, house: Option<Level>) -> String {
    let mut text = level_of(level, off).to_owned();
    for (profile, level) in [("strict", strict), ("house", house)] {
        if let Some(level) = level {
            let _ = write!(text, ", {profile}: {}", level.name());
        }
    }
    text
}

fn level_of(level: Level, off: bool) -> &'static str {
    if off { "off" } else { level.name() }
}

/// Every rule by group, its variants below it.
fn list() -> String {
    let mut text = String::new();
    let mut group = "";
    for rule in RULES {
        if rule.group.name() != group {
            group = rule.group.name();
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{group}");
        }
        let _ = writeln!(text, "  {:4}  {}", level_of(rule.level, rule.off), rule.id);
        let _ = writeln!(text, "          {}", rule.title);
        for variant in rule.variants {
            let level = level_of(variant.level, variant.off);
            let _ = writeln!(text, "  {level:4}    /{}", variant.name);
        }
    }
    let _ = writeln!(text, "\nprovost explain RULE prints the page of a rule.");
    text
}
