//! Policies of a DestinationRule.
//!
//! Source: `ValidateDestinationRule`, `validateTrafficPolicy` and what they call in validation.go.

use super::super::super::super::is_whole;
use super::{Refusals, entries, unique_names};
use crate::facts::document::Node;

pub(super) fn check(spec: Node<'_>, to: &mut Refusals<'_>) {
    let why = |name: &str| format!("duplicate subset names: {name}");
    unique_names(entries(spec, "subsets"), "subsets", why, to);
    let subsets = entries(spec, "subsets").filter_map(|subset| subset.get_entry("trafficPolicy"));
    for (key, policy) in spec.get_entry("trafficPolicy").into_iter().chain(subsets) {
        if is_whole_and_empty(policy) {
            let why = "traffic policy must have at least one field";
            to.lacks(key, "empty", "a trafficPolicy without anything", why, "remove it");
        }
        one(policy, to);
        for port in entries(policy, "portLevelSettings") {
            one(port, to);
        }
    }
}

fn is_whole_and_empty(node: Node<'_>) -> bool {
    is_whole(node) && node.entries().next().is_none()
}

fn one(policy: Node<'_>, to: &mut Refusals<'_>) {
    let pool = policy.get_entry("connectionPool");
    if let Some((key, _)) = pool.filter(|(_, pool)| is_whole_and_empty(*pool)) {
        let why = "connection pool must have at least one field";
        to.lacks(key, "empty", "a connectionPool without anything", why, "remove it");
    }
    if let Some(outliers) = policy.get("outlierDetection") {
        self::outliers(outliers, to);
    }
    let hash = policy.at(&["loadBalancer", "consistentHash"]);
    if let Some(size) = hash.and_then(|hash| hash.at(&["maglev", "tableSize"]))
        && let Some(number) = size.as_i64().and_then(|number| u64::try_from(number).ok())
    {
        // `isPrime` of the source takes 1 for one.
        if number >= 5_000_011 {
            let why = "tableSize must be less than 5000011 for maglev";
            to.tell(size, "too large", &format!("tableSize is {number}"), why, "write 65537");
        } else if !is_prime(number) {
            let why = "tableSize must be a prime number for maglev";
            let what = format!("tableSize {number} is no prime number");
            to.tell(size, "no prime", &what, why, "write 65537, the default, or another prime");
        }
    }
}

/// `validateOutlierDetection`
fn outliers(of: Node<'_>, to: &mut Refusals<'_>) {
    for key in ["maxEjectionPercent", "minHealthPercent"] {
        let Some(node) = of.get(key) else { continue };
        if let Some(number) = node.as_i64().filter(|number| !(0..=100).contains(number)) {
            let what = format!("{key} is {number}");
            let why = format!("percentage {number} is not in range 0..100");
            to.tell(node, "no share", &what, &why, "write a share from 0 to 100");
        }
    }
    let split = of.get("splitExternalLocalOriginErrors");
    let on = split.is_some_and(|split| split.as_bool() != Some(false));
    if let Some((key, failures)) = of.get_entry("consecutiveLocalOriginFailures")
        && failures.as_i64().is_some_and(|number| number > 0)
        && is_whole(of)
        && !on
    {
        let why = "outlier detection consecutive local origin failures is specified, but split \
                   external local origin errors is set to false";
        let what = "failures of local origin are counted, and not told apart";
        let fix = "write splitExternalLocalOriginErrors: true";
        to.lacks(key, "counts nothing", what, why, fix);
    }
}

/// Below 5,000,011: some thousand divisions at most.
fn is_prime(number: u64) -> bool {
    match number {
        0 => false,
        1..4 => true,
        even if even % 2 == 0 => false,
        odd => (3..).step_by(2).take_while(|factor| factor * factor <= odd).all(|f| odd % f != 0),
    }
}
