//! Started, probed, asked for what nobody serves and for its metrics, ended while idle.

use std::time::Duration;

use provost_check::facts::proof::{INJECTED, Outcome, ProbeKind, Protocol, Purpose};
use tokio::time::{Instant, sleep};

use super::run::{PATIENCE, Run};
use super::{health, scrapes};
use crate::prove::children;
use crate::prove::connection::get;

/// How often each probe is made.
const TIMES: usize = 3;

/// `net/http/pprof` and `expvar`, and what services call what they were configured by.
const DEBUG: [&str; 4] = ["/debug/pprof/cmdline", "/debug/vars", "/debug/config", "/debug/env"];
/// Ports that are asked for it.
const MOST_PORTS: usize = 4;

/// No service has it. A handler that answers it well answers anything.
pub(super) const UNKNOWN: &str = "/provost-asks-for-what-is-not-there";

/// Bytes of a header that is long: `net/http` takes sixteen times as much by default.
const LONG: usize = 64 << 10;

/// Until what was printed has been read.
const SETTLE: Duration = Duration::from_millis(100);

/// What is not useful by then is not because it was too early.
const LATE: Duration = Duration::from_secs(10);

/// Between two of the first requests, and what each may take.
const BETWEEN: Duration = Duration::from_millis(50);
const FIRST: Duration = Duration::from_secs(2);

pub(super) async fn run(run: &mut Run<'_>) {
    let ready = run.become_ready().await;
    if ready {
        first(run).await;
        slow(run).await;
    }
    // Also when it is not: what answers instead is worth knowing.
    for probe in &run.plan.terms.probes {
        let to = run.to(probe.port);
        for _ in 0..TIMES {
            run.log.probe(probe.kind.purpose(), probe, to).await;
        }
    }
    if let Some(port) = run.port().filter(|_| ready) {
        let to = run.to(port);
        let patience = Duration::from_secs(2);
        let protocol = run.protocol(port);
        // A call has no path.
        if !protocol.is_grpc() {
            run.log.ask(Purpose::UnknownPath, to, UNKNOWN, patience).await;
        }
        health::run(run).await;
        scrapes::run(run).await;
        run.log.ask(Purpose::Plain, to, &run.plan.terms.path, patience).await;
        debug(run).await;
        // Their heads are written by hand, which HTTP/2 compresses. Inside of TLS most speak both.
        let hostile = if speaks_http1(protocol) { hostile() } else { Vec::new() };
        for (path, header) in hostile {
            let mut request = get(&path, &to.to_string(), 0);
            // In front of the empty line.
            request.truncate(request.len() - 2);
            request.extend(format!("{header}\r\n\r\n").bytes());
            run.log.send(Purpose::Hostile, to, &path, &request, patience).await;
        }
        // What is logged of it is none of the end.
        sleep(SETTLE).await;
    }
    let pid = run.process.id();
    run.children.zombies = children::zombies(pid).await;
    let watch = children::Watch::begin(pid);
    run.terminate();
    run.wait_for_end().await;
    run.children.left = run.process.left().or_else(|| watch.left());
}

/// What the process is there for, asked as soon as it says that it is ready; where that is no other
/// path than readiness itself, there is nothing to ask for. One that fails is asked until it does not.
async fn first(run: &Run<'_>) {
    let terms = &run.plan.terms;
    let port = run.port();
    let other = terms
        .probe(ProbeKind::Readiness)
        .is_some_and(|probe| probe.path != terms.path || Some(probe.port) != port);
    // Of a gRPC service nothing is known to ask for but its health.
    let asks = |port: &u16| other && !run.protocol(*port).is_grpc();
    let Some(port) = port.filter(asks) else { return };
    let to = run.to(port);
    let deadline = Instant::now() + LATE;
    loop {
        run.log.ask(Purpose::First, to, &terms.path, FIRST).await;
        let well = matches!(run.log.last(), Some(Outcome::Answered { status: ..500, .. }));
        if well || Instant::now() > deadline {
            return;
        }
        sleep(BETWEEN).await;
    }
}

/// What Go services have for whoever looks for a fault, where something secret was given to this one: whoever
/// reaches the port may ask for it, too.
async fn debug(run: &mut Run<'_>) {
    if run.plan.secrets.is_empty() {
        return;
    }
    for (name, words) in children::command_lines(run.process.id()) {
        match name {
            None => run.log.search_arguments(&words),
            Some(name) => run
                .log
                .search(|| format!("on the command line of {name}, which it started"), &words),
        };
    }
    let mut ports: Vec<u16> = run.process.listening().iter().map(|(_, port)| *port).collect();
    ports.sort_unstable();
    ports.dedup();
    for port in ports.into_iter().take(MOST_PORTS) {
        let spoken = run.speaks(port).await;
        if !spoken || run.protocol(port).is_grpc() {
            continue;
        }
        for path in DEBUG {
            run.log.ask(Purpose::Debug, run.to(port), path, FIRST).await;
            if run.log.last() == Some(Outcome::TimedOut) {
                break;
            }
        }
    }
}

/// What takes a while, once: whether it works when nobody tells the process to end.
async fn slow(run: &Run<'_>) {
    let path = run.plan.terms.slow_path.as_deref().filter(|_| run.dependencies.are_there());
    if let (Some(port), Some(path)) = (run.port(), path) {
        run.log.ask(Purpose::Plain, run.to(port), path, PATIENCE).await;
    }
}

/// Whether HTTP/1.1 may be spoken, too.
pub(super) fn speaks_http1(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Http | Protocol::Https | Protocol::H2)
}

/// Paths and headers that are logged as they came make lines of their own, or fields, or no text. All
/// are what HTTP allows.
fn hostile() -> Vec<(String, String)> {
    let plain = || "Accept: */*".to_owned();
    let quoted = format!("%22%2C%22{INJECTED}%22%3A%22");
    vec![
        (format!("/provost%0D%0A{INJECTED}%20path"), plain()),
        (format!("/?provost=%0A{INJECTED}%20query"), plain()),
        (format!("/provost{quoted}path"), plain()),
        (format!("/?provost={quoted}query"), plain()),
        ("/provost%FF%FE%00path".to_owned(), plain()),
        ("/provost-header".to_owned(), format!("Referer: provost\",\"{INJECTED}\":\"header")),
        ("/provost-long-header".to_owned(), format!("X-Provost: {}", "x".repeat(LONG))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_requests_are_single_heads() {
        for (path, header) in hostile() {
            assert!(
                !path.contains(char::is_whitespace) && !header.contains(['\r', '\n']),
                "{path}"
            );
        }
    }
}
