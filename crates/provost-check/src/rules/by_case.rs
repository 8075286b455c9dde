//! Levels that a rule tells other than its own, by the cases of its page.
//!
//! The level of a finding may hang on the case: a server without a handler is an error where a Service sends it requests,
//! else a warning. Each case of a page says what is told there, and the pages are tests, so that what is read here is
//! true.

use super::rule::Rule;
use crate::findings::Level;

/// A level, and where it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByCase {
    /// The variant; none for the rule itself.
    pub variant: Option<&'static str>,
    /// The profile that has to be on, where it is not the recommended one.
    pub profile: Option<&'static str>,
    /// The level.
    pub level: Level,
    /// Headings of the cases on the page.
    pub cases: Vec<&'static str>,
}

/// Every level that the page of a rule has a case for and that is not the declared one, in the order of the page.
pub fn by_case(rule: &'static Rule) -> Vec<ByCase> {
    let mut all: Vec<ByCase> = Vec::new();
    for section in sections(rule.page) {
        for (level, id) in section.told {
            let (name, variant) = id.split_once('/').map_or((id, None), |(r, v)| (r, Some(v)));
            let found = rule.variants.iter().find(|known| Some(known.name) == variant);
            let declared = match (name == rule.id, variant, found) {
                (true, None, _) => (rule.level, rule.strict, rule.house),
                (true, Some(_), Some(found)) => (found.level, found.strict, found.house),
                _ => continue,
            };
            let declared = match (section.profile, declared) {
                (Some("strict"), (level, strict, _)) => strict.unwrap_or(level),
                (Some("house"), (level, strict, house)) => house.or(strict).unwrap_or(level),
                (_, (level, ..)) => level,
            };
            if level == declared {
                continue;
            }
            let is_it = |it: &&mut ByCase| {
                (it.variant, it.profile, it.level) == (variant, section.profile, level)
            };
            match all.iter_mut().find(is_it) {
                Some(known) if known.cases.contains(&section.heading) => {}
                Some(known) => known.cases.push(section.heading),
                None => all.push(ByCase {
                    variant,
                    profile: section.profile,
                    level,
                    cases: vec![section.heading],
                }),
            }
        }
    }
    all
}

/// A case: what stands between two headings.
#[derive(Default)]
struct Section {
    heading: &'static str,
    profile: Option<&'static str>,
    told: Vec<(Level, &'static str)>,
}

fn sections(page: &'static str) -> Vec<Section> {
    let marks =
        [("# error: ", Level::Deny), ("# warning: ", Level::Warn), ("# note: ", Level::Note)];
    let mut all = Vec::new();
    let mut current = Section::default();
    let mut block: Option<&str> = None;
    for line in page.lines() {
        match (block, line.strip_prefix("```")) {
            (None, Some(info)) => block = Some(info.split_whitespace().nth(1).unwrap_or("")),
            (Some(_), Some(_)) => block = None,
            (Some("profile"), None) => current.profile = Some(line.trim()),
            // What is printed holds no claims.
            (Some("report"), None) => {}
            (Some(_), None) => {
                for (mark, level) in marks {
                    let claims = line.split(mark).skip(1);
                    let ids = claims.filter_map(|claim| claim.split_whitespace().next());
                    current.told.extend(ids.map(|id| (level, id)));
                }
            }
            (None, None) if line.starts_with('#') => {
                let heading = line.trim_start_matches('#').trim();
                all.push(std::mem::replace(
                    &mut current,
                    Section { heading, ..Section::default() },
                ));
            }
            (None, None) => {}
        }
    }
    all.push(current);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::find;

    #[test]
    fn a_level_by_case_is_read_off_the_page() {
        let all = by_case(find("no-termination-handler").unwrap());
        let warned = all.iter().find(|it| it.variant.is_none() && it.level == Level::Warn);
        assert!(warned.unwrap().cases.contains(&"Nobody sends it requests"), "{all:?}");
        assert!(all.iter().all(|it| it.level != Level::Deny), "that is its own: {all:?}");
    }

    /// What a profile makes of the declared level is declared too.
    #[test]
    fn a_level_by_profile_is_none_by_case() {
        let all = by_case(find("missing-pdb").unwrap());
        assert!(all.iter().all(|it| it.profile.is_none()), "{all:?}");
    }
}
