//! What is written down of requests while the process runs, and how they are made.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::proof::{
    Outcome, Probe, ProbeBy, ProbeKind, Protocol, Purpose, Request, Shown,
};
use provost_check::model::hidden::Hidden;
use provost_check::model::secret::{MASK, masked};
use tokio::time::{Instant, sleep_until, timeout};

use super::kubelet;
use crate::prove::connection::{Connection, Kept, get};
use crate::prove::http2::{Http2, Reads};
use crate::prove::process::Clock;
use crate::prove::tls::{Offer, Stream};

/// Requests that are kept.
const MOST_REQUESTS: usize = 400_000;
/// Letters of a `Location` that are kept.
const MOST_LOCATION: usize = 200;
/// Bytes of an answer that are searched for what is secret.
const MOST_SEARCHED: usize = 64 << 10;
/// Places where something secret was seen that are kept, and letters of what stands around it.
const MOST_SHOWN: usize = 20;
const MOST_AROUND: usize = 160;

/// What is written down while the process runs.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) clock: Clock,
    pub(super) requests: RefCell<Vec<Request>>,
    /// How late each moment was met, in microseconds.
    lateness: RefCell<Vec<u64>>,
    /// What is spoken on a port.
    protocols: RefCell<BTreeMap<u16, Protocol>>,
    /// What gRPC is asked for the health of.
    pub(super) service: String,
    /// What probes send beside what every kubelet does.
    headers: Vec<(ProbeKind, Sends)>,
    /// What no report may show.
    hidden: Rc<Hidden>,
    /// Where some of that was seen.
    pub(super) shown: RefCell<Vec<Shown>>,
}

/// What a probe sends, and what of all that is secret its answer may hold: an echo of what was sent is no leak.
#[derive(Debug)]
struct Sends {
    headers: Vec<(String, String)>,
    hidden: Hidden,
}

impl Log {
    pub(super) fn new(
        clock: Clock,
        service: String,
        headers: Vec<(ProbeKind, Vec<(String, String)>)>,
        hidden: Rc<Hidden>,
    ) -> Self {
        let sends = |(kind, headers): (ProbeKind, Vec<(String, String)>)| {
            let hidden = hidden.without(headers.iter().map(|(_, value)| value.as_str()));
            (kind, Sends { headers, hidden })
        };
        let headers = headers.into_iter().map(sends).collect();
        Self {
            clock,
            hidden,
            headers,
            shown: RefCell::default(),
            requests: RefCell::default(),
            lateness: RefCell::default(),
            protocols: RefCell::default(),
            service,
        }
    }

    /// What is spoken on a port; HTTP/1.1 where that is not known.
    pub(super) fn protocol(&self, port: u16) -> Protocol {
        self.protocols.borrow().get(&port).copied().unwrap_or(Protocol::Http)
    }

    /// That is spoken on a port from now on.
    pub(super) fn speak(&self, port: u16, protocol: Protocol) {
        self.protocols.borrow_mut().insert(port, protocol);
    }

    /// How late the moments were met, but for the latest of a hundred.
    pub(super) fn lateness_us(&self) -> u64 {
        let mut lateness = self.lateness.take();
        lateness.sort_unstable();
        let place = (lateness.len() * 99).div_ceil(100).saturating_sub(1);
        lateness.get(place).copied().unwrap_or(0)
    }

    /// Keeps the life of a request that ends now.
    pub(super) fn keep(
        &self,
        purpose: Purpose,
        path: &str,
        (at, sent): (Instant, Option<Instant>),
        outcome: Outcome,
    ) {
        self.keep_ended(purpose, path, (at, sent, Instant::now()), outcome);
    }

    /// Keeps the life of a request that ended before.
    pub(super) fn keep_ended(
        &self,
        purpose: Purpose,
        path: &str,
        (at, sent, end): (Instant, Option<Instant>, Instant),
        mut outcome: Outcome,
    ) {
        if let Outcome::Answered { location: Some(location), .. }
        | Outcome::SentNowhere { location } = &mut outcome
        {
            // Cut first, the rest of what is secret would not be known again.
            self.hidden.hide(location);
            *location = masked(location).chars().take(MOST_LOCATION).collect();
        }
        let mut requests = self.requests.borrow_mut();
        if requests.len() < MOST_REQUESTS {
            requests.push(Request {
                purpose,
                path: path.to_owned(),
                at_us: self.clock.at(at),
                sent_us: sent.map(|sent| self.clock.at(sent)),
                end_us: self.clock.at(end),
                outcome,
            });
        }
    }

    /// Waits for the moment at which something is to be done, and notes how late that was.
    pub(super) async fn wait_until(&self, moment: Instant) {
        sleep_until(moment).await;
        self.began(moment);
    }

    /// Notes how late it is for what was to be done then.
    pub(super) fn began(&self, moment: Instant) {
        let late = u64::try_from(moment.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut lateness = self.lateness.borrow_mut();
        if lateness.len() < MOST_REQUESTS {
            lateness.push(late);
        }
    }

    /// How the request ended that was kept last.
    pub(super) fn last(&self) -> Option<Outcome> {
        self.requests.borrow().last().map(|request| request.outcome.clone())
    }

    /// The same of those for that purpose.
    pub(super) fn last_of(&self, purpose: Purpose) -> Option<Outcome> {
        let requests = self.requests.borrow();
        let mut back = requests.iter().rev();
        back.find(|request| request.purpose == purpose).map(|request| request.outcome.clone())
    }

    /// Opens a connection, asks once by what is spoken there, and keeps what came of it.
    pub(super) async fn ask(
        &self,
        purpose: Purpose,
        to: SocketAddr,
        path: &str,
        patience: Duration,
    ) {
        let protocol = self.protocol(to.port());
        if !protocol.is_http2() {
            let request = get(path, &to.to_string(), 0);
            return self.send(purpose, to, path, &request, patience).await;
        }
        let asked = if protocol.is_grpc() { self.service.as_str() } else { path };
        let by_grpc = protocol.is_grpc();
        self.keep_of(purpose, (asked, by_grpc), patience, &self.hidden, async |sent, kept| {
            let connection = Http2::open(to, protocol, Reads::AtOnce).await?;
            sent.set(Some(Instant::now()));
            Ok(match protocol.is_grpc() {
                true => connection.check(asked).await,
                false => connection.get(asked, kept).await,
            })
        })
        .await;
    }

    /// Opens a connection, sends bytes of HTTP/1.1, and keeps what came of it.
    pub(super) async fn send(
        &self,
        purpose: Purpose,
        to: SocketAddr,
        path: &str,
        request: &[u8],
        patience: Duration,
    ) {
        let protocol = self.protocol(to.port());
        self.keep_of(purpose, (path, false), patience, &self.hidden, async |sent, kept| {
            let mut connection = Connection::open_as(to, protocol).await?;
            connection.send(request).await?;
            sent.set(Some(Instant::now()));
            Ok(connection.response_to(kept).await)
        })
        .await;
    }

    /// Makes a probe as the kubelet makes it: by what the manifest says, whatever is spoken there.
    pub(super) async fn probe(&self, purpose: Purpose, probe: &Probe, to: SocketAddr) {
        let patience = Duration::from_millis(probe.timeout_ms);
        let path = probe.path.as_str();
        let by_grpc = probe.by.is_grpc();
        let sends = self.headers.iter().find(|(kind, _)| *kind == probe.kind);
        let headers = sends.map_or(&[][..], |(_, sends)| &sends.headers);
        let hidden = sends.map_or(&*self.hidden, |(_, sends)| &sends.hidden);
        self.keep_of(purpose, (path, by_grpc), patience, hidden, async |sent, kept| {
            if by_grpc {
                // The kubelet has no certificate of its own, either.
                let tls = (probe.by == ProbeBy::Grpcs).then_some(Offer::Http2);
                let stream = Stream::open_bare(to, tls).await?;
                let connection = Http2::over(stream, to, Reads::AtOnce).await?;
                sent.set(Some(Instant::now()));
                return Ok(connection.check(path).await);
            }
            kubelet::ask(probe, headers, to, sent, kept).await
        })
        .await;
    }

    async fn keep_of(
        &self,
        purpose: Purpose,
        (path, grpc): (&str, bool),
        patience: Duration,
        hidden: &Hidden,
        ask: impl AsyncFnOnce(&Cell<Option<Instant>>, &mut Kept) -> Result<Outcome, Outcome>,
    ) {
        let at = Instant::now();
        let sent = Cell::new(None);
        let most = if hidden.is_empty() { 0 } else { MOST_SEARCHED };
        let mut kept = Kept { most, ..Kept::default() };
        let outcome = match timeout(patience, ask(&sent, &mut kept)).await {
            Ok(Ok(outcome) | Err(outcome)) => outcome,
            Err(_) => Outcome::TimedOut,
        };
        let shown = shown(path, grpc);
        let place = || format!("in a header of the answer to {shown}");
        self.search_in(hidden, place, &kept.head, false);
        self.search_in(hidden, || format!("in the answer to {shown}"), &kept.body, false);
        self.keep(purpose, &shown, (at, sent.get()), outcome);
    }

    /// Looks for what is secret, and notes the place where there is some.
    pub(super) fn search(&self, place: impl FnOnce() -> String, bytes: &[u8]) -> bool {
        self.search_in(&self.hidden, place, bytes, false)
    }

    /// The same on the command line of the process.
    pub(super) fn search_arguments(&self, bytes: &[u8]) -> bool {
        self.search_in(&self.hidden, || "on its command line".to_owned(), bytes, true)
    }

    fn search_in(
        &self,
        hidden: &Hidden,
        place: impl FnOnce() -> String,
        bytes: &[u8],
        argument: bool,
    ) -> bool {
        let Some(mut text) = around(hidden, bytes) else { return false };
        // What is no leak is not shown either.
        self.hidden.hide(&mut text);
        let place = place();
        let mut shown = self.shown.borrow_mut();
        if shown.len() < MOST_SHOWN && shown.iter().all(|known| known.place != place) {
            let at_us = self.clock.now_us();
            shown.push(Shown { at_us, place, text, argument });
        }
        true
    }
}

/// What stands around a secret, without it; nothing where there is none.
fn around(hidden: &Hidden, bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() || hidden.is_empty() {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    let mut clean = text.clone().into_owned();
    if !hidden.hide(&mut clean) {
        return None;
    }
    // The first line that differs has it.
    let lines = clean.lines().zip(text.lines());
    let line = lines.into_iter().find(|(clean, text)| clean != text).map_or("", |(clean, _)| clean);
    let at = line.find(MASK).unwrap_or(0);
    let start = line.floor_char_boundary(at.saturating_sub(MOST_AROUND / 2));
    let part: String = line.get(start..).unwrap_or_default().chars().take(MOST_AROUND).collect();
    Some(masked(part.trim()).into_owned())
}

/// A connection by what is spoken where it goes.
#[derive(Debug)]
pub(super) enum Client {
    /// HTTP/1.1
    One(Connection),
    /// HTTP/2 or gRPC.
    Two(Http2, Protocol),
}

impl Client {
    /// Connects.
    pub(super) async fn open(log: &Log, to: SocketAddr) -> Result<Self, Outcome> {
        let protocol = log.protocol(to.port());
        Ok(match protocol.is_http2() {
            true => Self::Two(Http2::open(to, protocol, Reads::AtOnce).await?, protocol),
            false => Self::One(Connection::open_as(to, protocol).await?),
        })
    }

    /// Asks for a path, or by gRPC for the health of the service.
    pub(super) async fn ask(&mut self, log: &Log, to: SocketAddr, path: &str) -> Outcome {
        match self {
            Self::One(connection) => match connection.send(&get(path, &to.to_string(), 0)).await {
                Ok(()) => connection.response().await,
                Err(outcome) => outcome,
            },
            Self::Two(connection, protocol) => {
                let asked = if protocol.is_grpc() { log.service.as_str() } else { path };
                exchange(connection, *protocol, asked).await
            }
        }
    }

    /// Whether the request that ended so met the closing of its connection on the way, and nobody looked at it.
    /// Servers of HTTP/2 say which those are (RFC 9113, section 8.7), and Go's client repeats no others
    /// (`canRetryError`): a connection that ends without a word may have been closed by the handler.
    pub(super) async fn crossed(&self, outcome: &Outcome) -> bool {
        match self {
            Self::One(connection) => connection.crossed(outcome).await,
            Self::Two(connection, _) => connection.is_unsent() || outcome.is_given_back(),
        }
    }

    /// Whether the connection is still there after a pause.
    pub(super) async fn stays(&mut self, pause: Duration) -> bool {
        match self {
            Self::One(connection) => connection.stays(pause).await,
            Self::Two(connection, _) => timeout(pause, connection.let_go()).await.is_err(),
        }
    }
}

/// Asks on a connection of HTTP/2: a path, or for the health of a service.
pub(super) async fn exchange(connection: &Http2, protocol: Protocol, asked: &str) -> Outcome {
    match protocol.is_grpc() {
        true => connection.check(asked).await,
        false => connection.get(asked, &mut Kept::default()).await,
    }
}

/// What is asked for, as it is kept.
pub(super) fn shown(asked: &str, grpc: bool) -> String {
    match (grpc, asked) {
        (false, path) => path.to_owned(),
        (true, "") => "grpc.health.v1.Health/Check".to_owned(),
        (true, service) => format!("grpc.health.v1.Health/Check {service}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prove::frames::Frames;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::LocalSet;

    /// SETTINGS that say nothing.
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

    /// How the first request on a connection of HTTP/2 ends, and whether it is asked again, of a server that says
    /// those frames and closes: when it has read it, or before the client sends it.
    fn two(reads_it: bool, says: &[u8]) -> (Outcome, bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let to = listener.local_addr().unwrap();
            let serving = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(&SETTINGS).await.unwrap();
                let (mut frames, mut asked) = (Frames::of_client(), !reads_it);
                let mut piece = [0; 1024];
                while !asked {
                    let read = stream.read(&mut piece).await.unwrap();
                    assert!(read > 0, "the client asked for nothing");
                    frames.feed(&piece[..read], &mut |frame| asked |= frame.stream == 1);
                }
                stream.write_all(says).await.unwrap();
                stream.shutdown().await.unwrap();
                // Closed with bytes unread it would be reset.
                while matches!(stream.read(&mut piece).await, Ok(1..)) {}
            };
            let asking = async {
                let log = Log::new(Clock::now(), String::new(), Vec::new(), Rc::default());
                log.speak(to.port(), Protocol::H2c);
                let mut client = Client::open(&log, to).await.unwrap();
                if !reads_it {
                    assert!(!client.stays(Duration::from_secs(20)).await);
                }
                let outcome = client.ask(&log, to, "/").await;
                let again = client.crossed(&outcome).await;
                (outcome, again)
            };
            tokio::join!(serving, asking).1
        })
    }

    #[test]
    fn a_request_of_http_2_that_a_server_read_and_did_not_answer_is_lost() {
        assert_eq!(two(true, &[]), (Outcome::Closed { bytes: 0 }, false));
        // GOAWAY, by which the first stream was looked at, and the first GOAWAY of two, which gives nothing back.
        let goaway = |last: [u8; 4]| [&[0, 0, 8, 7, 0, 0, 0, 0, 0][..], &last, &[0; 4]].concat();
        assert_eq!(two(true, &goaway([0, 0, 0, 1])), (Outcome::Closed { bytes: 0 }, false));
        let first = goaway([0x7f, 0xff, 0xff, 0xff]);
        assert_eq!(two(true, &first), (Outcome::Closed { bytes: 0 }, false));
        // RST_STREAM with INTERNAL_ERROR, as of a handler that panics.
        let (outcome, again) = two(true, &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 2]);
        assert!(outcome.is_lost() && !again, "{outcome:?}");
    }

    #[test]
    fn a_request_of_http_2_that_a_server_gave_back_or_never_got_is_asked_again() {
        let goaway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(two(true, &goaway), (Outcome::Unprocessed, true));
        // REFUSED_STREAM.
        let (outcome, again) = two(true, &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7]);
        assert!(!outcome.is_lost() && again, "{outcome:?}");
        let (outcome, again) = two(false, &[]);
        assert!(again, "{outcome:?}");
    }

    #[test]
    fn a_secret_at_the_cut_of_a_location_is_left_out() {
        let mut hidden = Hidden::default();
        hidden.add("hunter2hunter2");
        let log = Log::new(Clock::now(), String::new(), Vec::new(), Rc::new(hidden));
        let whole = format!("/{}hunter2hunter2", "a".repeat(MOST_LOCATION - 8));
        let mut outcome = Outcome::answered(302, 0, false);
        if let Outcome::Answered { location, .. } = &mut outcome {
            *location = Some(whole);
        }
        log.keep(Purpose::Plain, "/", (Instant::now(), None), outcome);
        let Some(Outcome::Answered { location: Some(kept), .. }) = log.last() else { panic!() };
        assert_eq!(kept, format!("/{}***", "a".repeat(MOST_LOCATION - 8)));
    }

    #[test]
    fn what_is_secret_is_found_in_an_answer_and_left_out_of_what_is_told() {
        let mut hidden = Hidden::default();
        hidden.add("hunter2hunter2");
        assert_eq!(around(&hidden, b"nothing"), None);
        let body = format!(
            "first\n{}: \"hunter2hunter2\", \"more\": {}",
            "a".repeat(300),
            "b".repeat(300)
        );
        let told = around(&hidden, body.as_bytes()).unwrap();
        assert!(told.contains("a: \"***\", \"more\": bb") && told.len() <= MOST_AROUND, "{told}");
        let log = Log::new(Clock::now(), String::new(), Vec::new(), Rc::new(hidden));
        for _ in 0..2 {
            assert!(log.search(|| "here".to_owned(), body.as_bytes()));
        }
        assert_eq!(log.shown.borrow().len(), 1);
    }

    /// Whether a probe with that header saw a secret in an answer that says one.
    fn seen_with(header: &str) -> bool {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nhunter2hunter2").unwrap();
        });
        let mut hidden = Hidden::default();
        hidden.add("hunter2hunter2");
        let headers = vec![("X-Probe".to_owned(), header.to_owned())];
        let headers = vec![(ProbeKind::Readiness, headers)];
        let log = Log::new(Clock::now(), String::new(), headers, Rc::new(hidden));
        let probe = Probe {
            kind: ProbeKind::Readiness,
            by: ProbeBy::Http,
            path: "/".to_owned(),
            port: to.port(),
            timeout_ms: 1000,
            headers: Vec::new(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(log.probe(Purpose::Readiness, &probe, to));
        assert!(log.last().unwrap().passes(), "{:?}", log.last());
        !log.shown.take().is_empty()
    }

    #[test]
    fn a_header_of_a_probe_hides_no_secret_but_the_one_that_it_is() {
        assert!(seen_with("kubelet"));
        // It may answer with what it was sent.
        assert!(!seen_with("Bearer hunter2hunter2"));
    }
}
