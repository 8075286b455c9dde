//! How the retries of a route go into its timeout, as Envoy counts.
//!
//! Sources in envoyproxy/envoy: `FilterUtility::finalTimeout` in source/common/router/router.cc ("If it's >= global we
//! just ignore it"), `Filter::onPerTryTimeoutCommon` there, which resets the stream of a try that takes too long, and
//! `wouldRetryFromReset` in source/common/router/retry_state_impl.cc.

/// Words of `retryOn` by which a try that took too long is retried.
const AFTER_TIMEOUTS: &[&str] = &["5xx", "gateway-error", "reset"];

/// The word of `retryOn` by which a try that took too long is retried.
pub fn after_timeouts(retry_on: &str) -> Option<&str> {
    retry_on.split(',').map(str::trim).find(|word| AFTER_TIMEOUTS.contains(word))
}

/// What becomes of retries after tries that take too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Each of them is begun.
    All,
    /// The timeout of a try is left out, since it is none below that of the route.
    LeftOut,
    /// That many are begun, and the route's timeout is over before the others.
    Some(u64),
}

/// Held against each other in milliseconds, which is what Envoy is given. What Envoy waits between tries comes on top.
pub fn fit(timeout_ms: u64, try_ms: u64, attempts: u64) -> Fit {
    if timeout_ms == 0 || try_ms == 0 || attempts == 0 {
        return Fit::All;
    }
    if try_ms >= timeout_ms {
        return Fit::LeftOut;
    }
    let begun = timeout_ms.div_ceil(try_ms) - 1;
    if begun < attempts { Fit::Some(begun) } else { Fit::All }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_begun_while_there_is_time() {
        assert_eq!(fit(10_000, 3000, 2), Fit::All);
        assert_eq!(fit(10_000, 3000, 3), Fit::All, "the last is begun after 9 s");
        assert_eq!(fit(9000, 3000, 3), Fit::Some(2), "at 9 s it is over");
        assert_eq!(fit(5000, 4000, 3), Fit::Some(1));
        assert_eq!(fit(2000, 3000, 2), Fit::LeftOut);
        assert_eq!(fit(2000, 2000, 2), Fit::LeftOut);
    }

    #[test]
    fn what_is_off_is_no_limit() {
        for (timeout, of_try, attempts) in [(0, 3000, 2), (2000, 0, 2), (2000, 3000, 0)] {
            assert_eq!(fit(timeout, of_try, attempts), Fit::All);
        }
    }

    #[test]
    fn conditions_that_a_slow_try_meets() {
        assert_eq!(after_timeouts("connect-failure, gateway-error"), Some("gateway-error"));
        assert_eq!(after_timeouts("connect-failure,refused-stream,503,reset-before-request"), None);
        assert_eq!(after_timeouts(""), None);
    }
}
