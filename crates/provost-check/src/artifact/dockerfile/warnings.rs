//! What BuildKit warns of and builds all the same, by `frontend/dockerfile/linter/ruleset.go` and the
//! places that run its rules (v0.34).

use std::ops::Range;

use super::lines::Line;
use super::stages::{Item, Loader, shorten};
use crate::facts::Span;
use crate::facts::build_checks::BuilderWarning;

impl Loader<'_> {
    pub(super) fn warning(
        &mut self,
        check: &'static str,
        span: Span,
        message: String,
        help: &'static str,
        replacement: Option<String>,
    ) {
        if self.warnings.len() < self.limits.problems {
            let origin = self.origin(span);
            self.warnings.push(BuilderWarning { check, origin, message, help, replacement });
        }
    }

    /// `FROM image as Name`
    pub(super) fn casing_of_from(
        &mut self,
        item: &Item<'_>,
        as_: &Range<usize>,
        name: &Range<usize>,
    ) {
        let line = item.line;
        let (from, word) = (line.get(&item.split.keyword), line.get(as_));
        let meant = match (is_lower(from), is_upper(from)) {
            (true, _) => word.to_ascii_lowercase(),
            (_, true) => word.to_ascii_uppercase(),
            // The keyword is told for itself.
            _ => word.to_owned(),
        };
        if meant != word {
            let message = format!("{word} is written in another case than {from}");
            let span = line.span(as_);
            self.warning("FromAsCasing", span, message, "write both in one case", Some(meant));
        }
        if !is_lower(line.get(name)) {
            let message = format!("the stage's name {} has capitals", shorten(line.get(name)));
            let help = "write it in lower case, where it is used, too";
            self.warning("StageNameCasing", line.span(name), message, help, None);
        }
    }

    /// `--platform=$TARGETPLATFORM`
    pub(super) fn target_platform(&mut self, line: &Line, value: &Range<usize>) {
        if matches!(line.get(value), "$TARGETPLATFORM" | "${TARGETPLATFORM}") {
            let message = "the target's platform is what a stage has without --platform".to_owned();
            let help = "leave it out";
            self.warning("RedundantTargetPlatform", line.span(value), message, help, None);
        }
    }

    /// `ENV name value`
    pub(super) fn legacy_pair(
        &mut self,
        line: &Line,
        keyword: &str,
        name: &Range<usize>,
        end: usize,
    ) {
        let message = format!(
            "{keyword} {} and its value are parted by a blank, as was done before there was =",
            shorten(line.get(name))
        );
        let help = "write name=value, in quotes where the value has blanks";
        self.warning("LegacyKeyValueFormat", line.span(&(name.start..end)), message, help, None);
    }

    /// `EXPOSE 53/UDP`
    pub(super) fn protocol_casing(&mut self, span: Span, spec: &str) {
        let protocol = spec.split_once('/').map_or("", |(_, protocol)| protocol);
        if !is_lower(protocol) {
            let message = format!("the protocol of {} has capitals", shorten(spec));
            self.warning("ExposeProtoCasing", span, message, "write it in lower case", None);
        }
    }

    /// Instructions in another case than most: those of stages, as `validateCommandCasing` counts.
    pub(super) fn instruction_casing(&mut self) {
        let text = self.text;
        let written: Vec<(Span, &str)> = self
            .instructions
            .iter()
            .filter(|written| written.stage.is_some())
            .filter_map(|written| {
                let span = written.keyword.span()?;
                Some((span, text.get(span.range())?))
            })
            .collect();
        let lower = written.iter().filter(|(_, word)| is_lower(word)).count();
        let upper = written.iter().filter(|(_, word)| is_upper(word)).count();
        let (case, most) = if lower > upper { ("lower", lower) } else { ("upper", upper) };
        for (span, word) in written {
            let fine = if case == "lower" { is_lower(word) } else { is_upper(word) };
            if fine {
                continue;
            }
            let message = match most {
                0 => format!("{word} is written in two cases"),
                _ => format!("{word} is not written in {case} case, as most instructions here are"),
            };
            let meant = match case {
                "lower" => word.to_ascii_lowercase(),
                _ => word.to_ascii_uppercase(),
            };
            let help = "write all instructions in one case";
            self.warning("ConsistentInstructionCasing", span, message, help, Some(meant));
        }
    }
}

fn is_lower(word: &str) -> bool {
    !word.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_upper(word: &str) -> bool {
    !word.bytes().any(|b| b.is_ascii_lowercase())
}
