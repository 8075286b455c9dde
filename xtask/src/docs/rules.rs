//! `docs/rules`: one page for each rule, and a list by group.

use std::fmt::Write as _;

use provost_check::rules::RULES;
use provost_check::rules::known_as::{KNOWN, REFUSED};
use provost_check::rules::rule::Rule;

use super::Files;

pub(super) fn render(files: &mut Files) {
    files.insert("rules/README.md".into(), list(RULES));
    for rule in RULES {
        let path = format!("rules/{}.md", rule.id);
        files.insert(path.into(), rule.page.to_owned());
    }
}

fn list(rules: &[&Rule]) -> String {
    let mut text = String::from(
        "# Rules\n\n\
         <!-- Written by `cargo xtask docs` from the list of rules. -->\n\n\
         `error` blocks by default, `warning` is likely wrong, `note` never fails a run, `off` waits for `--level` or a \
         stricter profile. A variant is addressed as `rule/variant`. `provost explain <rule>` prints the page.\n",
    );
    let mut group = None;
    for rule in rules {
        if group != Some(rule.group) {
            group = Some(rule.group);
            let name = rule.group.name();
            let _ = write!(text, "\n## {name}\n\n| rule | level | refuses |\n|---|---|---|\n");
        }
        let id = rule.id;
        let level = shown(rule.level.label(), rule.off);
        let _ = writeln!(text, "| [{id}]({id}.md) | {level} | {} |", cell(rule.title));
        for variant in rule.variants {
            let level = shown(variant.level.label(), variant.off);
            let _ =
                writeln!(text, "| &emsp;{} | {level} | {} |", variant.name, cell(variant.title));
        }
    }
    by_other_names(&mut text);
    text
}

/// What other linters call it.
fn by_other_names(text: &mut String) {
    text.push_str(
        "\n## By other names\n\n\
         What checks of other linters are here. `provost explain DL3025` finds them too. What is missing has no \
         counterpart: the style of shell code is left to ShellCheck and hadolint, house rules of labels and owners \
         to policy engines. Of some the reason is below.\n",
    );
    let mut tool = "";
    for known in KNOWN {
        if known.tool != tool {
            tool = known.tool;
            let _ = write!(text, "\n### {tool}\n\n| {tool} | here |\n|---|---|\n");
        }
        let link = |id: &&str| {
            let page = id.split('/').next().unwrap_or_default();
            format!("[{id}]({page}.md)")
        };
        let rules: Vec<String> = known.rules.iter().map(link).collect();
        let _ = writeln!(text, "| {} | {} |", known.name, rules.join(", "));
    }
    without_a_rule(text);
}

/// Checks that no rule answers to, by their reasons.
fn without_a_rule(text: &mut String) {
    text.push_str("\n### Without a rule\n\n| checks | why not |\n|---|---|\n");
    let mut told: Vec<&str> = Vec::new();
    for refused in REFUSED {
        if told.contains(&refused.why) {
            continue;
        }
        told.push(refused.why);
        let same = REFUSED.iter().filter(|other| other.why == refused.why);
        let mut names = String::new();
        let mut tool = "";
        for other in same {
            let before = match (names.is_empty(), tool == other.tool) {
                (true, _) => format!("{} ", other.tool),
                (false, true) => ", ".to_owned(),
                (false, false) => format!("; {} ", other.tool),
            };
            tool = other.tool;
            let _ = write!(names, "{before}{}", other.name);
        }
        let _ = writeln!(text, "| {names} | {} |", cell(refused.why));
    }
}

fn shown(level: &str, off: bool) -> String {
    if off { format!("off ({level})") } else { level.to_owned() }
}

/// Text inside a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_page_and_its_line() {
        let mut files = Files::new();
        render(&mut files);
        assert_eq!(files.len(), RULES.len() + 1);
        let list = &files[std::path::Path::new("rules/README.md")];
        for rule in RULES {
            assert!(
                list.contains(&format!("| [{0}]({0}.md) | ", rule.id)),
                "{} is not listed",
                rule.id
            );
        }
    }
}
