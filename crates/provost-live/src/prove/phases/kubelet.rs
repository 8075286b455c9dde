//! A probe by HTTP as the kubelet makes it (`pkg/probe/http` of Kubernetes 1.37): its headers, the redirects that
//! it follows, and how much of an answer it reads. Beside them it sends a `traceparent`, as all requests of ours
//! do, so that what is traced of it is known to be ours.

use std::cell::Cell;
use std::net::SocketAddr;

use provost_check::facts::proof::{Outcome, Probe, ProbeBy};
use tokio::time::Instant;

use super::location::{Leads, Place};
use crate::prove::connection::{Connection, Kept, trace_parent};
use crate::prove::http2::{Http2, Reads};
use crate::prove::tls::{Offer, Stream};

/// Bytes of an answer; the rest is not read, and the probe passes (`maxRespBodyLength`).
const ENOUGH: u64 = 10 << 10;

/// Requests of one probe: the tenth redirect is one too many (`RedirectChecker`).
const MOST: usize = 10;

/// `userAgent` in request.go.
const USER_AGENT: &str = "kube-probe/1.37";

/// Asks, and follows as the kubelet does.
pub(super) async fn ask(
    probe: &Probe,
    headers: &[(String, String)],
    to: SocketAddr,
    sent: &Cell<Option<Instant>>,
    kept: &mut Kept,
) -> Result<Outcome, Outcome> {
    let mut place = Place {
        tls: probe.by == ProbeBy::Https,
        h2c: probe.by == ProbeBy::H2c,
        host: to.ip().to_string(),
        port: to.port(),
        path: probe.path.clone(),
    };
    let own = Headers::of(headers);
    let mut host = own.host.clone();
    kept.enough = Some(ENOUGH);
    for _ in 0..MOST {
        let at = SocketAddr::new(to.ip(), place.port);
        let outcome = once(&place, (&own, host.as_deref()), at, sent, kept).await?;
        let Outcome::Answered {
            status: 301 | 302 | 303 | 307 | 308, location: Some(location), ..
        } = &outcome
        else {
            return Ok(outcome);
        };
        if location.is_empty() {
            return Ok(outcome);
        }
        let (next, absolute) = match place.sent_to(location) {
            Leads::To(next, absolute) => (next, absolute),
            // Whoever is sent elsewhere stays here, and that is a success.
            Leads::Elsewhere => return Ok(outcome),
            Leads::Nowhere => return Ok(Outcome::SentNowhere { location: location.clone() }),
        };
        // A host that was asked for by its name is asked for again where the way is only a path.
        host = host.filter(|_| !absolute);
        place = next;
    }
    Ok(Outcome::SentOn)
}

/// What the manifest has the kubelet send.
#[derive(Debug, Default)]
struct Headers {
    host: Option<String>,
    user_agent: Option<String>,
    others: Vec<(String, String)>,
}

impl Headers {
    fn of(written: &[(String, String)]) -> Self {
        let mut headers = Self::default();
        let mut accepts = None;
        for (name, value) in written {
            let value = value.trim_matches([' ', '\t']);
            match name.to_ascii_lowercase().as_str() {
                // The first one counts.
                "host" => {
                    let host = Some(value.to_owned()).filter(|host| !host.is_empty());
                    headers.host = headers.host.or(host);
                }
                "user-agent" => {
                    headers.user_agent.get_or_insert_with(|| value.to_owned());
                }
                // Go writes these itself (`reqWriteExcludeHeader` in net/http).
                "content-length" | "transfer-encoding" | "trailer" | "connection" => {}
                "accept" => {
                    // An empty one is how it is left out.
                    let empty = *accepts.get_or_insert(value.is_empty());
                    if !empty {
                        headers.others.push((name.clone(), value.to_owned()));
                    }
                }
                _ => headers.others.push((name.clone(), value.to_owned())),
            }
        }
        if accepts.is_none() {
            headers.others.push(("Accept".to_owned(), "*/*".to_owned()));
        }
        headers
    }

    fn all(&self) -> Vec<(&str, &str)> {
        let agent = self.user_agent.as_deref().unwrap_or(USER_AGENT);
        let agent = Some(("User-Agent", agent)).filter(|(_, agent)| !agent.is_empty());
        let others = self.others.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        agent.into_iter().chain(others).collect()
    }
}

async fn once(
    place: &Place,
    (headers, host): (&Headers, Option<&str>),
    to: SocketAddr,
    sent: &Cell<Option<Instant>>,
    kept: &mut Kept,
) -> Result<Outcome, Outcome> {
    let stream = Stream::open_bare(to, place.tls.then_some(Offer::Both)).await?;
    let (trace, path) = (trace_parent(), written(&place.path));
    let mut all = headers.all();
    all.push(("traceparent", &trace));
    if stream.is_h2() || (place.h2c && !place.tls) {
        let connection = Http2::over(stream, to, Reads::AtOnce).await?;
        sent.set(sent.get().or(Some(Instant::now())));
        return Ok(connection.get_with(&path, host, &all, kept).await);
    }
    let authority = to.to_string();
    let mut text = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", host.unwrap_or(&authority));
    for (name, value) in all {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    // `DisableKeepAlives`
    text.push_str("Connection: close\r\n\r\n");
    let mut connection = Connection::over(stream);
    connection.send(text.as_bytes()).await?;
    sent.set(sent.get().or(Some(Instant::now())));
    Ok(connection.response_to(kept).await)
}

/// A path as it is sent: without what only browsers keep, and with what no request line takes escaped.
fn written(path: &str) -> String {
    let path = path.split('#').next().unwrap_or_default();
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'!'..=b'~' if byte != b'"' && byte != b'<' && byte != b'>' => {
                out.push(char::from(byte))
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use provost_check::facts::proof::ProbeKind;

    fn probe(by: ProbeBy, path: &str, to: SocketAddr) -> Probe {
        let (kind, path) = (ProbeKind::Readiness, path.to_owned());
        Probe { kind, by, path, port: to.port(), timeout_ms: 1000, headers: Vec::new() }
    }

    /// Sends whoever asks for `/3` to `/2` and so on, `/0` is ready, and all other paths are somewhere else.
    fn counting_down() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = [0; 1024];
                let read = stream.read(&mut request).unwrap();
                let request = String::from_utf8_lossy(&request[..read]);
                let path = request.split(' ').nth(1).unwrap().trim_start_matches('/');
                let head = match path.parse::<u32>() {
                    Ok(0) => "200 OK".to_owned(),
                    Ok(left) => format!("302 Found\r\nLocation: /{}", left - 1),
                    Err(_) => "302 Found\r\nLocation: http://sso.example.com/0".to_owned(),
                };
                write!(stream, "HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n").unwrap();
            }
        });
        address
    }

    #[test]
    fn a_probe_by_http2_begins_with_its_preface_and_one_without_does_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for (by, begin) in
            [(ProbeBy::H2c, "PRI * HTTP/2.0\r\n"), (ProbeBy::Http, "GET /readyz HTTP/1.1")]
        {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let to = listener.local_addr().unwrap();
            let heard = std::thread::spawn(move || {
                let mut first = [0; 16];
                listener.accept().unwrap().0.read_exact(&mut first).unwrap();
                String::from_utf8_lossy(&first).into_owned()
            });
            let set = tokio::task::LocalSet::new();
            let _ = set.block_on(&runtime, async {
                let (sent, mut kept) = (Cell::new(None), Kept::default());
                ask(&probe(by, "/readyz", to), &[], to, &sent, &mut kept).await
            });
            let heard = heard.join().unwrap();
            assert!(begin.starts_with(&heard) || heard.starts_with(begin), "{heard}");
        }
    }

    #[test]
    fn nine_redirects_are_followed_no_tenth_and_none_to_another_host() {
        let to = counting_down();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let asked = |path: &str| {
            let probe = probe(ProbeBy::Http, path, to);
            let (sent, mut kept) = (Cell::new(None), Kept::default());
            runtime.block_on(ask(&probe, &[], to, &sent, &mut kept)).unwrap()
        };
        assert!(matches!(asked("/9"), Outcome::Answered { status: 200, .. }), "{:?}", asked("/9"));
        assert_eq!(asked("/10"), Outcome::SentOn);
        let away = asked("/login");
        assert!(matches!(away, Outcome::Answered { status: 302, .. }), "{away:?}");
    }

    #[test]
    fn headers_are_those_of_the_kubelet_and_of_the_manifest() {
        let of = |written: &[(&str, &str)]| {
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let headers = Headers::of(&written.iter().map(own).collect::<Vec<_>>());
            let all: Vec<String> =
                headers.all().iter().map(|(name, value)| format!("{name}: {value}")).collect();
            (headers.host, all.join("; "))
        };
        assert_eq!(of(&[]), (None, "User-Agent: kube-probe/1.37; Accept: */*".to_owned()));
        let host = Some("shop.example".to_owned());
        let written = [("host", "shop.example"), ("Host", "other"), ("accept", ""), ("X-A", " 1 ")];
        assert_eq!(of(&written), (host, "User-Agent: kube-probe/1.37; X-A: 1".to_owned()));
        let written = [("user-agent", "me"), ("Content-Length", "5"), ("Accept", "a")];
        assert_eq!(of(&written), (None, "User-Agent: me; Accept: a".to_owned()));
        assert_eq!(of(&[("User-Agent", "")]), (None, "Accept: */*".to_owned()));
    }

    #[test]
    fn paths_are_sent_as_a_request_line_takes_them() {
        assert_eq!(written("/a b?c=\u{e4}#top"), "/a%20b?c=%C3%A4");
        assert_eq!(written("/a%20b?c=d&e"), "/a%20b?c=d&e");
    }
}
