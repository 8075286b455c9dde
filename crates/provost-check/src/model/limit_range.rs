//! What a LimitRange lets through.
//!
//! Source: `minConstraint`, `maxConstraint`, `maxRequestConstraint`, `limitRequestRatioConstraint`, `podRequests` and
//! `podLimits` in k8s.io/kubernetes v1.37.2 plugin/pkg/admission/limitranger/admission.go.

use std::cmp::Ordering;

use super::quantity::Quantity;

/// What is asked for of one resource, by a container, a pod or a claim, defaults filled in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Asked {
    /// `requests`
    pub request: Option<Quantity>,
    /// `limits`
    pub limit: Option<Quantity>,
}

/// Which of the two amounts is refused, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refused {
    /// There is no request, or it is zero where a ratio is asked for.
    NoRequest,
    /// There is no limit, or it is zero where a ratio is asked for.
    NoLimit,
    /// The request is outside.
    Request,
    /// The limit is outside.
    Limit,
    /// The limit is that many times the request.
    Ratio(f64),
}

/// Quantities above this many units are compared by whole units (`MaxMilliValue`).
const MOST_MILLI: u64 = (i64::MAX / 1000) as u64;

/// Compares two amounts of three that are brought to one precision (`requestLimitEnforcedValues`).
fn compare(one: Quantity, other: Quantity, third: Option<Quantity>) -> Ordering {
    let all = [Some(one), Some(other), third];
    let milli = all.iter().flatten().all(|it| it.units() <= MOST_MILLI);
    let value = |it: Quantity| if milli { it.millicores().0 } else { it.units() };
    value(one).cmp(&value(other))
}

/// `min` of a LimitRange.
pub fn below_min(min: Quantity, asked: Asked) -> Option<Refused> {
    let Some(request) = asked.request else { return Some(Refused::NoRequest) };
    if compare(request, min, asked.limit) == Ordering::Less {
        return Some(Refused::Request);
    }
    let limit = asked.limit?;
    (compare(limit, min, Some(request)) == Ordering::Less).then_some(Refused::Limit)
}

/// `max` of a LimitRange for containers and pods.
pub fn above_max(max: Quantity, asked: Asked) -> Option<Refused> {
    let Some(limit) = asked.limit else { return Some(Refused::NoLimit) };
    if compare(limit, max, asked.request) == Ordering::Greater {
        return Some(Refused::Limit);
    }
    let request = asked.request?;
    (compare(request, max, Some(limit)) == Ordering::Greater).then_some(Refused::Request)
}

/// `max` of a LimitRange for claims, whose limits count for nothing.
pub fn above_max_request(max: Quantity, asked: Asked) -> Option<Refused> {
    let Some(request) = asked.request else { return Some(Refused::NoRequest) };
    (compare(request, max, None) == Ordering::Greater).then_some(Refused::Request)
}

/// `maxLimitRequestRatio` of a LimitRange.
pub fn above_ratio(most: Quantity, asked: Asked) -> Option<Refused> {
    let there = |amount: Option<Quantity>| amount.filter(|it| it.millicores().0 > 0);
    let Some(request) = there(asked.request) else { return Some(Refused::NoRequest) };
    let Some(limit) = there(asked.limit) else { return Some(Refused::NoLimit) };
    let milli = [request, limit, most].iter().all(|it| it.units() <= MOST_MILLI);
    let value = |it: Quantity| if milli { it.millicores().0 } else { it.units() } as f64;
    let ratio = value(limit) / value(request);
    let outside = if most.units() <= MOST_MILLI {
        ratio * 1000.0 > most.millicores().0 as f64
    } else {
        ratio > most.units() as f64
    };
    outside.then_some(Refused::Ratio(ratio))
}

/// What the containers of a pod ask for together: those that run side by side are added, of the init
/// containers the largest counts, beside those that go on (`restartPolicy: Always`). `None` where none
/// asks for any.
pub fn of_pod(
    containers: impl IntoIterator<Item = Option<Quantity>>,
    init: impl IntoIterator<Item = (bool, Option<Quantity>)>,
) -> Option<Quantity> {
    let add = |sum: Option<Quantity>, amount: Option<Quantity>| match (sum, amount) {
        (Some(sum), Some(amount)) => Some(sum.plus(amount)),
        (sum, amount) => sum.or(amount),
    };
    let larger = |one: Option<Quantity>, other: Option<Quantity>| match (one, other) {
        (Some(one), Some(other)) => Some(if other > one { other } else { one }),
        (one, other) => one.or(other),
    };
    let mut all = containers.into_iter().fold(None, add);
    let (mut going_on, mut most) = (None, None);
    for (goes_on, amount) in init {
        let beside = add(going_on, amount);
        if goes_on {
            all = add(all, amount);
            going_on = beside;
        }
        most = larger(most, beside);
    }
    larger(all, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn q(text: &str) -> Quantity {
        Quantity::parse(text).unwrap()
    }

    fn asked(request: &str, limit: &str) -> Asked {
        let read = |text: &str| (!text.is_empty()).then(|| q(text));
        Asked { request: read(request), limit: read(limit) }
    }

    /// As `TestMinConstraint` and `TestMaxConstraint` of the plugin have them.
    #[test]
    fn bounds() {
        for (min, request, limit, refused) in [
            ("1Gi", "1Gi", "2Gi", None),
            ("1Gi", "512Mi", "2Gi", Some(Refused::Request)),
            ("1Gi", "1Gi", "512Mi", Some(Refused::Limit)),
            ("1Gi", "", "2Gi", Some(Refused::NoRequest)),
            ("1Gi", "1Gi", "", None),
            ("100m", "0.1", "", None),
        ] {
            assert_eq!(
                below_min(q(min), asked(request, limit)),
                refused,
                "{min} {request} {limit}"
            );
        }
        for (max, request, limit, refused) in [
            ("1Gi", "1Gi", "1Gi", None),
            ("1Gi", "1Gi", "2Gi", Some(Refused::Limit)),
            ("1Gi", "2Gi", "1Gi", Some(Refused::Request)),
            ("1Gi", "1Gi", "", Some(Refused::NoLimit)),
            ("1Gi", "", "1Gi", None),
            ("1", "999m", "1001m", Some(Refused::Limit)),
        ] {
            assert_eq!(
                above_max(q(max), asked(request, limit)),
                refused,
                "{max} {request} {limit}"
            );
        }
        assert_eq!(above_max_request(q("5Gi"), asked("6Gi", "")), Some(Refused::Request));
        assert_eq!(above_max_request(q("5Gi"), asked("5Gi", "9Gi")), None);
        assert_eq!(above_max_request(q("5Gi"), asked("", "")), Some(Refused::NoRequest));
    }

    #[test]
    fn ratios() {
        for (most, request, limit, refused) in [
            ("2", "100m", "200m", None),
            ("2", "100m", "201m", Some(Refused::Ratio(2.01))),
            ("1.5", "1Gi", "2Gi", Some(Refused::Ratio(2.0))),
            ("2", "0", "200m", Some(Refused::NoRequest)),
            ("2", "100m", "", Some(Refused::NoLimit)),
            ("2", "", "1", Some(Refused::NoRequest)),
        ] {
            assert_eq!(above_ratio(q(most), asked(request, limit)), refused, "{most} {request}");
        }
    }

    /// `TestPodRequests` of pkg/api/v1/resource has the same sums.
    #[test]
    fn containers_of_a_pod() {
        let some = |text: &str| Some(q(text));
        let total = |main: &[&str], init: &[(bool, &str)]| {
            of_pod(
                main.iter().map(|it| some(it)),
                init.iter().map(|(goes_on, it)| (*goes_on, some(it))),
            )
            .map(|it| it.units())
        };
        assert_eq!(total(&["1", "2"], &[]), Some(3));
        assert_eq!(total(&["1", "2"], &[(false, "5")]), Some(5));
        assert_eq!(total(&["1", "2"], &[(true, "5")]), Some(8));
        // The one that goes on runs beside the second init container, and beside the containers.
        assert_eq!(total(&["1"], &[(true, "2"), (false, "7")]), Some(9));
        assert_eq!(total(&["8"], &[(false, "7"), (true, "2")]), Some(10));
        assert_eq!(of_pod([None, None], [(false, None)]), None);
        assert_eq!(of_pod([None, some("1")], []).map(|it| it.units()), Some(1));
    }

    proptest::proptest! {
        #[test]
        fn any_amounts_are_compared(a: u64, b: u64, c: u64) {
            let amounts = [a, b, c].map(|n| Quantity::parse(&format!("{n}")).unwrap());
            let asked = Asked { request: Some(amounts[0]), limit: Some(amounts[1]) };
            let low = below_min(amounts[2], asked).is_none();
            proptest::prop_assert_eq!(low, amounts[0] >= amounts[2] && amounts[1] >= amounts[2]);
            let high = above_max(amounts[2], asked).is_none();
            proptest::prop_assert_eq!(high, amounts[0] <= amounts[2] && amounts[1] <= amounts[2]);
            let sum = of_pod([Some(amounts[0]), Some(amounts[1])], []).unwrap();
            proptest::prop_assert!(sum >= amounts[0] && sum >= amounts[1]);
        }
    }
}
