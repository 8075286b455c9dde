//! What the process says on its metrics endpoint.

pub mod counter_decreases;
pub mod exemplar_without_trace;
pub mod inconsistent_histogram;
pub mod malformed_exposition;
pub mod malformed_prometheus_rule;
pub mod malformed_query;
pub mod selector_without_series;
pub mod slow_scrape;
pub mod unbounded_series;
pub mod unsound_query;

use crate::case::ObjectCase;
use crate::case::queried::Asker;
use crate::facts::Fact;
use crate::facts::placeholders::is_open_code;
use crate::findings::Abstain;

/// Queries of one object that are looked at.
const MOST: usize = 1000;

/// Findings of one object.
const MOST_SAID: usize = 50;

/// The queries of an object that are written out, and whose they are.
fn queries(case: &ObjectCase<'_>) -> Result<impl Iterator<Item = (Fact<String>, Asker)>, Abstain> {
    let queries = case.promql();
    if queries.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    case.joined.unpatched(case.object, &["spec"])?;
    Ok(queries.into_iter().take(MOST).filter(|(query, _)| !is_open_code(&query.value)))
}
