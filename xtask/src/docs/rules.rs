//! `docs/rules`: one page for each rule, and a list by group.

use std::fmt::Write as _;

use provost_check::rules::RULES;
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
    text
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
