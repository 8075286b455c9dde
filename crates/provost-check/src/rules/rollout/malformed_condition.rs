//! Conditions of an analysis that are no expressions.

use crate::case::ObjectCase;
use crate::facts::placeholders::is_open_code;
use crate::findings::{Abstain, Finding, Level};
use crate::model::condition::syntax;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// `EvalCondition` in utils/evaluate/evaluate.go of argo-rollouts v1.10.2 compiles the condition for each
/// measurement; what does not compile is `AnalysisPhaseError`.
pub static RULE: Rule = Rule {
    id: "malformed-condition",
    group: Group::Rollout,
    level: Level::Deny,
    title: "a condition of an analysis that does not compile",
    page: include_str!("malformed-condition.md"),
    needs: &[Need::Manifest],
    check: Check::Object(check),
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let analysis = case.analysis().ok_or(Abstain::NotApplicable)?;
    case.joined.unpatched(case.object, &["spec/metrics"])?;
    for metric in &analysis.metrics {
        for (name, condition) in
            [("successCondition", &metric.success), ("failureCondition", &metric.failure)]
        {
            let Some(condition) = condition else { continue };
            if is_open_code(&condition.value) {
                continue;
            }
            let Some(wrong) = syntax::error(&condition.value) else { continue };
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "the {name} of metric {} does not compile: {wrong}; every measurement is \
                         an error",
                        metric.name
                    ),
                    &condition.origin,
                    "no expression",
                )
                .note("more errors than consecutiveErrorLimit, 4 by default, end the analysis as Error, and the release with it"),
            );
        }
    }
    Ok(())
}
