//! The metrics endpoint, asked as Prometheus asks it, with requests in between that must not leave series behind.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use goformats::exposition::{Exposition, Limits};
use provost_check::facts::metrics::{After, Endpoint, LEAST_UNKNOWN, Metrics, Scrape};
use provost_check::facts::proof::{Outcome, Protocol, Purpose};
use provost_check::model::hidden::Hidden;
use tokio::time::{Instant, sleep, timeout};

use super::run::Run;
use crate::prove::connection::{Connection, Kept, get, scrape, trace_parent};
use crate::prove::metrics::{hide, is_exposition, keep, read};
use crate::prove::process::Clock;

/// As Prometheus 3 asks (`acceptHeader` in scrape/scrape.go), without the formats that are not read here.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
application/openmetrics-text;version=0.0.1;q=0.4,\
text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";

/// As Prometheus asks first where it scrapes native histograms.
const PROTOBUF: &str = "application/vnd.google.protobuf;\
proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,text/plain;version=0.0.4;q=0.2";

/// As a reader asks that knows no other format.
const TEXT_ONLY: &str = "text/plain;version=0.0.4";

/// Requests that are served, between the first scrape and the second.
const SERVED: usize = 5;

/// Requests for paths that are not.
const UNKNOWN: u32 = 200;

/// What those may take together, where enough of them were answered.
const UNKNOWN_TIME: Duration = Duration::from_millis(500);

/// What they may take until then: a busy machine answers a few dozen in half a second.
const UNKNOWN_MOST: Duration = Duration::from_secs(5);

/// Ports that are tried where none is known.
const MOST_PORTS: usize = 4;

/// Handlers count a request when they have returned, which is a little behind the answer.
const SETTLE: Duration = Duration::from_millis(20);

/// Longer than Prometheus waits by default is not waited: a phase has an end.
const MOST_PATIENCE: Duration = Duration::from_secs(10);

/// A scrape that takes longer is made once.
const SLOW: Duration = Duration::from_secs(1);

/// Between two scrapes beside other requests; Prometheus makes one in many seconds, and would see the same later.
const PAUSE: Duration = Duration::from_millis(200);

/// So many of them are made.
const MOST_BESIDE: usize = 64;

/// Asks for metrics, where the process has any.
pub(super) async fn run(run: &mut Run<'_>) {
    let Some(endpoint) = run.plan.terms.metrics.clone() else { return };
    let Some((port, first, body)) = find(run, &endpoint).await else { return };
    let metrics = measure(run, &endpoint, port, (first, body)).await;
    run.metrics = Some(metrics);
}

/// Where metrics are, with what was said there.
async fn find(run: &mut Run<'_>, endpoint: &Endpoint) -> Option<(u16, Scrape, Vec<u8>)> {
    find_in(run, endpoint, false).await
}

/// The same, asked in a trace or in none, as Prometheus asks.
async fn find_in(
    run: &mut Run<'_>,
    endpoint: &Endpoint,
    traced: bool,
) -> Option<(u16, Scrape, Vec<u8>)> {
    for port in ports(run, endpoint) {
        // Prometheus speaks HTTP/1.1 to what speaks both; what speaks neither has no metrics.
        let spoken = run.speaks(port).await;
        if !endpoint.named && (!spoken || run.protocol(port).is_grpc()) {
            continue;
        }
        let asker = Asker { traced, ..Asker::of(run, port) };
        let (scrape, body) = asker.ask(endpoint, After::Probes, ACCEPT).await;
        let is_it = endpoint.named
            || (scrape.answered()
                && is_exposition(&read(&body, &scrape.content_type), &scrape.content_type));
        if is_it {
            return Some((port, scrape, body));
        }
    }
    None
}

/// One scrape behind requests in traces that are known, for the exemplars in it.
pub(super) async fn traced(run: &mut Run<'_>) {
    let Some(endpoint) = run.plan.terms.metrics.clone() else { return };
    // Its own span is to be in a trace of ours, as that of every request is.
    let Some((port, mut scrape, body)) = find_in(run, &endpoint, true).await else { return };
    scrape.after = After::Requests;
    if scrape.answered() {
        let read = read(&body, &scrape.content_type);
        keep(&mut scrape, &body, &read, None);
    }
    let (path, scrapes) = (endpoint.path, vec![scrape]);
    run.metrics = Some(Metrics { path, port, scrapes, unknown_paths: 0 });
}

/// Scrapes that go on beside other requests, as Prometheus makes them whatever the process does meanwhile. How long they
/// take is kept, and not what they say.
#[derive(Clone, Debug)]
pub(super) struct Beside {
    asker: Asker,
    endpoint: Endpoint,
    scrapes: Rc<RefCell<Vec<Scrape>>>,
}

impl Beside {
    /// Nothing where there are no metrics, or they are slow already.
    pub(super) async fn of(run: &mut Run<'_>) -> Option<Self> {
        let endpoint = run.plan.terms.metrics.clone()?;
        let (port, first, _) = find(run, &endpoint).await?;
        let took = Duration::from_micros(first.end_us.saturating_sub(first.at_us));
        if !first.answered() || took >= SLOW {
            return None;
        }
        let asker = Asker::of(run, port);
        Some(Self { asker, endpoint, scrapes: Rc::default() })
    }

    /// Scrapes until it is over, or nobody answers any more.
    pub(super) async fn scrape(self, after: After, over: Rc<Cell<bool>>) {
        while !over.get() && self.scrapes.borrow().len() < MOST_BESIDE {
            let (scrape, _) = self.asker.ask(&self.endpoint, after, ACCEPT).await;
            let took = Duration::from_micros(scrape.end_us.saturating_sub(scrape.at_us));
            let gone = !scrape.answered() && scrape.outcome != Outcome::TimedOut;
            self.scrapes.borrow_mut().push(scrape);
            if gone {
                break;
            }
            // What takes the process long is not asked for all the time.
            let next = Instant::now() + PAUSE.max(took * 4);
            while !over.get() && Instant::now() < next {
                sleep(SETTLE).await;
            }
        }
    }

    /// What there was.
    pub(super) fn seen(&self) -> Metrics {
        let (path, port) = (self.endpoint.path.clone(), self.asker.to.port());
        Metrics { path, port, scrapes: self.scrapes.take(), unknown_paths: 0 }
    }
}

fn ports(run: &Run<'_>, endpoint: &Endpoint) -> Vec<u16> {
    if let Some(port) = endpoint.port {
        return vec![port];
    }
    let mut ports: Vec<u16> = run.port().into_iter().collect();
    for (_, port) in run.process.listening() {
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    // Another one may be there beside the one that is named by nobody.
    ports.truncate(if endpoint.named { 1 } else { MOST_PORTS });
    ports
}

async fn measure(
    run: &mut Run<'_>,
    endpoint: &Endpoint,
    port: u16,
    (mut first, body): (Scrape, Vec<u8>),
) -> Metrics {
    let mut metrics =
        Metrics { path: endpoint.path.clone(), port, scrapes: Vec::new(), unknown_paths: 0 };
    let before = read(&body, &first.content_type);
    if first.answered() {
        keep(&mut first, &body, &before, None);
    }
    let took = Duration::from_micros(first.end_us.saturating_sub(first.at_us));
    let goes_on = first.answered() && took < SLOW;
    metrics.scrapes.push(first);
    if !goes_on {
        return metrics;
    }

    served(run).await;
    let (second, body) = again(run, endpoint, port, After::Requests, &before).await;
    let read_second = read(&body, &second.content_type);
    let is_open = second.is_open();
    metrics.scrapes.push(second);

    metrics.unknown_paths = unknown(run).await;
    let (third, _) = again(run, endpoint, port, After::UnknownPaths, &read_second).await;
    metrics.scrapes.push(third);

    let (mut binary, body) = ask(run, endpoint, port, After::Protobuf, PROTOBUF).await;
    // Whoever has none answers with text, of which all is known.
    if binary.answered() && binary.is_protobuf() {
        let read = read(&body, &binary.content_type);
        keep(&mut binary, &body, &read, None);
        metrics.scrapes.push(binary);
    }
    if is_open {
        let (mut text, body) = ask(run, endpoint, port, After::TextOnly, TEXT_ONLY).await;
        if text.answered() {
            // Names of counters differ between the formats, so that nothing is compared.
            let read = read(&body, &text.content_type);
            keep(&mut text, &body, &read, None);
        }
        metrics.scrapes.push(text);
    }
    metrics
}

/// A scrape that is compared with the one before.
async fn again(
    run: &Run<'_>,
    endpoint: &Endpoint,
    port: u16,
    after: After,
    before: &Exposition<'_>,
) -> (Scrape, Vec<u8>) {
    sleep(SETTLE).await;
    let (mut scrape, body) = ask(run, endpoint, port, after, ACCEPT).await;
    if scrape.answered() {
        let read = read(&body, &scrape.content_type);
        keep(&mut scrape, &body, &read, Some(before));
    }
    (scrape, body)
}

/// One scrape, and its body without what is secret.
async fn ask(
    run: &Run<'_>,
    endpoint: &Endpoint,
    port: u16,
    after: After,
    accept: &str,
) -> (Scrape, Vec<u8>) {
    Asker::of(run, port).ask(endpoint, after, accept).await
}

/// What a scrape takes of a run.
#[derive(Clone, Debug)]
struct Asker {
    to: SocketAddr,
    protocol: Protocol,
    clock: Clock,
    hidden: Rc<Hidden>,
    /// It asks in a trace.
    traced: bool,
}

impl Asker {
    fn of(run: &Run<'_>, port: u16) -> Self {
        let (clock, hidden) = (run.process.clock, Rc::clone(&run.process.hidden));
        Self { to: run.to(port), protocol: run.protocol(port), clock, hidden, traced: false }
    }

    async fn ask(&self, endpoint: &Endpoint, after: After, accept: &str) -> (Scrape, Vec<u8>) {
        let to = self.to;
        // One byte more than is read shows that there was more.
        let mut kept = Kept { most: Limits::DEFAULT.bytes + 1, ..Kept::default() };
        let at_us = self.clock.now_us();
        let asking = async {
            let mut connection = Connection::open_as(to, self.protocol).await?;
            let mut request = scrape(&endpoint.path, &to.to_string(), accept);
            if self.traced {
                // In front of the empty line.
                request.truncate(request.len() - 2);
                request.extend(format!("traceparent: {}\r\n\r\n", trace_parent()).bytes());
            }
            connection.send(&request).await?;
            Ok(connection.response_to(&mut kept).await)
        };
        let patience = Duration::from_millis(endpoint.timeout_ms).min(MOST_PATIENCE);
        let outcome = match timeout(patience, asking).await {
            Ok(Ok(outcome) | Err(outcome)) => outcome,
            Err(_) => Outcome::TimedOut,
        };
        let end_us = self.clock.now_us();
        let secret = hide(&mut kept.body, &kept.content_type, &self.hidden);
        let scrape = Scrape {
            after,
            at_us,
            end_us,
            outcome,
            content_type: kept.content_type.chars().take(120).collect(),
            whole: true,
            secret,
            problems: Vec::new(),
            inconsistent: Vec::new(),
            no_counts: Vec::new(),
            decreased: Vec::new(),
            exemplars: Vec::new(),
            families: Vec::new(),
        };
        (scrape, kept.body)
    }
}

/// A few requests that are served, so that counters move.
async fn served(run: &Run<'_>) {
    let Some(port) = run.port() else { return };
    let (to, path) = (run.to(port), run.plan.terms.path.clone());
    for _ in 0..SERVED {
        run.log.ask(Purpose::Served, to, &path, Duration::from_secs(1)).await;
    }
}

/// Requests for paths that nobody serves, each another one; how many were answered. They are not kept one by one.
async fn unknown(run: &Run<'_>) -> u32 {
    let Some(port) = run.port() else { return 0 };
    ask_unknown(run.to(port), run.protocol(port)).await
}

async fn ask_unknown(to: SocketAddr, protocol: Protocol) -> u32 {
    let host = to.to_string();
    let (mut answered, mut connection) = (0, None);
    let begun = Instant::now();
    let asking = async {
        for number in 0..UNKNOWN {
            if answered >= LEAST_UNKNOWN && begun.elapsed() >= UNKNOWN_TIME {
                break;
            }
            if connection.is_none() {
                connection = Connection::open_as(to, protocol).await.ok();
            }
            let Some(open) = &mut connection else { break };
            let path = format!("/provost-unknown-{number}/{}", number * 7919);
            let outcome = match open.send(&get(&path, &host, 0)).await {
                Ok(()) => open.response().await,
                Err(outcome) => outcome,
            };
            let stays = matches!(outcome, Outcome::Answered { close: false, .. });
            answered += u32::from(matches!(outcome, Outcome::Answered { .. }));
            if !stays {
                connection = None;
            }
        }
    };
    // One that is never answered ends it, too.
    let _ = timeout(UNKNOWN_MOST, asking).await;
    answered
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    #[test]
    fn of_a_slow_server_enough_paths_are_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while let Some(Ok(line)) = lines.next() {
                if line.is_empty() {
                    // Of these half a second has no fifty.
                    std::thread::sleep(Duration::from_millis(20));
                    let sent =
                        (&stream).write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
                    if sent.is_err() {
                        return;
                    }
                }
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answered = runtime.block_on(ask_unknown(to, Protocol::Http));
        assert!((LEAST_UNKNOWN..UNKNOWN).contains(&answered), "{answered}");
    }
}
