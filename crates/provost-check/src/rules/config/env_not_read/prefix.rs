//! A prefix of `envFrom` that no name which the program asks for begins with.

use super::{Mentions, RULE};
use crate::case::{Case, MOST_PREFIXES, is_looked_for};
use crate::facts::binary::GoProgram;
use crate::facts::program_text::TextPresence;
use crate::findings::{Finding, Fix, Level};
use crate::model::env::forms_of_prefix;
use crate::rules::rule::Findings;

pub(super) fn check(
    case: &Case<'_>,
    program: &GoProgram,
    mentions: &Mentions<'_>,
    out: &mut Findings,
) {
    for from in case.container.env_from.iter().take(MOST_PREFIXES) {
        let prefix = from.prefix.as_str();
        if !is_looked_for(prefix) || mentions.begins(prefix) {
            continue;
        }
        let absent = |form: &String| matches!(program.text.find(form), TextPresence::Absent);
        if !forms_of_prefix(prefix).iter().all(absent) {
            continue;
        }
        let kind = if from.secret { "Secret" } else { "ConfigMap" };
        let message = format!(
            "nothing reads a variable of {kind} {}: each gets the prefix {prefix}, which the program does \
             not hold",
            from.name.value
        );
        out.push(
            Finding::new(&RULE, message, &from.name.origin, format!("under the prefix {prefix}"))
                .level(Level::Warn)
                .also(
                    &program.version.origin,
                    format!("asks for no name that begins with {prefix}"),
                )
                .fix(Fix::suggest("write the prefix that the program's names begin with, or none")),
        );
    }
}
