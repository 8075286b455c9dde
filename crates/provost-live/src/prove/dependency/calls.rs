//! Requests by HTTP/1.1 that the process makes of others, as far as their heads are seen on the way.

use std::cell::Cell;

use provost_check::facts::proof::Call;
use tokio::time::Instant;

use crate::prove::process::Clock;

/// Calls that are kept of one dependency, over all its connections.
const MOST: usize = 10_000;
/// Headers that are looked through.
const MOST_HEADERS: usize = 64;

/// How many there were over all connections to a dependency.
#[derive(Debug, Default)]
pub(super) struct Room {
    kept: Cell<usize>,
    more: Cell<u64>,
}

impl Room {
    /// Whether one more is kept.
    fn take(&self) -> bool {
        let has = self.kept.get() < MOST;
        match has {
            true => self.kept.set(self.kept.get() + 1),
            false => self.more.set(self.more.get() + 1),
        }
        has
    }

    /// Those that were not kept.
    pub(super) fn more(&self) -> u64 {
        self.more.get()
    }
}

/// Those of one connection.
#[derive(Debug, Default)]
pub(super) struct Calls {
    seen: Vec<(Instant, Option<String>)>,
}

impl Calls {
    /// Looks at what was sent at once: clients write a head in one piece.
    pub(super) fn look(&mut self, sent: &[u8], room: &Room) {
        if let Some(parent) = head(sent).filter(|_| room.take()) {
            self.seen.push((Instant::now(), parent));
        }
    }

    pub(super) fn facts(&self, clock: Clock) -> Vec<Call> {
        let of = |(at, parent): &(Instant, Option<String>)| Call {
            at_us: clock.at(*at),
            traceparent: parent.clone(),
        };
        self.seen.iter().map(of).collect()
    }
}

/// The `traceparent` of a request whose whole head stands at the front; nothing of anything else.
fn head(bytes: &[u8]) -> Option<Option<String>> {
    // Most protocols of databases are told apart by their first letter.
    bytes.first().filter(|byte| byte.is_ascii_uppercase())?;
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(_)) = request.parse(bytes) else { return None };
    let mut parents =
        request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("traceparent"));
    Some(parents.next().and_then(|header| trace_parent(header.value)))
}

/// One that has the shape of one (W3C Trace Context, section 3.2.2): a version, the trace, the span that
/// asked, flags. Whatever else stands there is kept by nobody: it may be anything.
fn trace_parent(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let parts: Vec<&str> = text.splitn(5, '-').collect();
    let is_hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let fits = |(part, length): (&&str, usize)| part.len() == length && is_hex(part);
    (parts.len() == 4 && parts.iter().zip([2, 32, 16, 2]).all(fits)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_all_connections_to_a_dependency_are_bounded_together() {
        let room = Room::default();
        let (mut one, mut other) = (Calls::default(), Calls::default());
        let request = b"GET / HTTP/1.1\r\nHost: b\r\n\r\n";
        for _ in 0..MOST - 1 {
            one.look(request, &room);
        }
        for _ in 0..3 {
            other.look(request, &room);
            other.look(b"no request", &room);
        }
        assert_eq!((one.seen.len(), other.seen.len(), room.more()), (MOST - 1, 1, 2));
    }

    #[test]
    fn heads_of_requests_are_told_from_other_protocols() {
        let parent = format!("00-{}-{}-01", "1".repeat(32), "2".repeat(16));
        let traced = format!("GET /a HTTP/1.1\r\nHost: b\r\nTraceparent: {parent}\r\n\r\n");
        assert_eq!(head(traced.as_bytes()), Some(Some(parent)));
        assert_eq!(head(b"POST / HTTP/1.1\r\nHost: b\r\n\r\nbody"), Some(None));
        // Not whole, HTTP/2, a query of PostgreSQL, a command of Redis.
        for other in [
            &b"GET /a HTTP/1.1\r\nHost"[..],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"Q\0\0\0\x0dSELECT 1\0",
            b"*1\r\n$4\r\nPING\r\n",
            b"",
        ] {
            assert_eq!(head(other), None, "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn what_has_not_the_shape_of_a_traceparent_is_not_kept() {
        for other in ["Bearer hunter2hunter2", "00-11-22-01", "", "00-hunter2hunter2"] {
            let call = format!("GET / HTTP/1.1\r\ntraceparent: {other}\r\n\r\n");
            assert_eq!(head(call.as_bytes()), Some(None), "{other}");
        }
        let long = format!("00-{}-{}-01-hunter2", "1".repeat(32), "2".repeat(16));
        assert_eq!(trace_parent(long.as_bytes()), None);
    }
}
