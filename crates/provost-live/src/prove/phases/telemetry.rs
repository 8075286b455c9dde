//! Asked in traces whose ids are known, with a sink where its collector would be, and told to end right
//! behind the last answer: what was sent of that shows whether it is flushed.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use provost_check::facts::proof::telemetry::{Behaviour, CONTROL, Traced};
use provost_check::facts::proof::{Otlp, Outcome, PhaseName, Purpose, TRACE_HIGH, TRACE_LOW};
use provost_check::model::hidden::Hidden;
use tokio::time::{Instant, sleep, timeout};

use super::run::Run;
use super::scrapes;
use super::start::{UNKNOWN, speaks_http1};
use crate::prove::connection::Connection;
use crate::prove::otlp::{Sink, repointed};
use crate::prove::plan::Plan;

/// Requests of a kind.
const TIMES: usize = 3;
/// What each may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Numbers of these traces begin behind those of all other requests.
const FIRST: u64 = 1 << 30;
/// Spans that ask.
const PARENT: u64 = 0x7072_6f76_0000_0000;
/// Beside the time in which spans are collected, what sending them may take.
const BESIDE: Duration = Duration::from_secs(2);
/// Nobody collects for longer.
const LONGEST: Duration = Duration::from_secs(30);
/// Between two looks at what has arrived.
const LOOK: Duration = Duration::from_millis(20);
/// Until what was sent last has been read.
const SETTLE: Duration = Duration::from_millis(200);

/// Opens the sink, where one is wanted, and tells the process of it.
pub(super) async fn sink(
    plan: &Plan,
    own_network: bool,
) -> Result<(Option<Sink>, Cow<'_, Plan>), String> {
    let Some(otlp) = &plan.terms.otlp else { return Ok((None, Cow::Borrowed(plan))) };
    let behaviour = match plan.phase {
        PhaseName::ExporterFailure if plan.turn != CONTROL => Behaviour::Refuses,
        _ => Behaviour::Takes,
    };
    let mut hidden = Hidden::default();
    plan.secrets.iter().for_each(|secret| hidden.add(secret));
    let sink = Sink::open(behaviour, own_network.then(|| plan.told()), hidden).await?;
    let environment = told(plan, otlp, sink.told);
    Ok((Some(sink), Cow::Owned(Plan { environment, ..plan.clone() })))
}

/// The environment in which telemetry goes to the sink. What was changed to see what comes of it stays
/// as it was changed.
fn told(plan: &Plan, otlp: &Otlp, to: SocketAddr) -> Vec<(String, String)> {
    let of_tls = |name: &str| {
        name.starts_with("OTEL_EXPORTER_OTLP")
            && (name.ends_with("_CERTIFICATE") || name.ends_with("_CLIENT_KEY"))
    };
    let changed = |name: &String| plan.changed.as_ref() == Some(name);
    let kept = plan.environment.iter().filter(|(name, _)| changed(name) || !of_tls(name));
    let of = |(name, value): &(String, String)| {
        let insecure = name.starts_with("OTEL_EXPORTER_OTLP") && name.ends_with("_INSECURE");
        let value = match () {
            () if changed(name) => value.clone(),
            () if otlp.endpoints.contains(name) => repointed(value, to),
            () if insecure => "true".to_owned(),
            () => value.clone(),
        };
        (name.clone(), value)
    };
    kept.map(of).collect()
}

/// Has the sink be where SDKs send by default as well, now that it is known where the process itself
/// listens. Of the network of the machine only what was asked for is taken.
async fn take_defaults(run: &mut Run<'_>, own_network: bool) {
    let Some(sink) = run.sink.as_mut().filter(|_| own_network) else { return };
    for port in run.plan.defaults() {
        if run.process.listening().iter().any(|(_, open)| *open == port) {
            continue;
        }
        // Known as ours before it is there, so that nobody takes it for the process's.
        run.process.mark(port, true);
        if !sink.also(port).await {
            run.process.mark(port, false);
        }
    }
}

pub(super) async fn run(run: &mut Run<'_>) {
    if run.sink.is_none() || !run.become_ready().await {
        return;
    }
    take_defaults(run, run.own_network).await;
    // By HTTP/1.1, which most speak inside of TLS, too. Of what does not, nothing was asked.
    let Some(port) = run.port().filter(|port| speaks_http1(run.protocol(*port))) else { return };
    let to = run.to(port);
    let path = run.plan.terms.path.clone();
    for _ in 0..TIMES {
        for (path, sampled) in [(path.as_str(), true), (path.as_str(), false), (UNKNOWN, true)] {
            ask(run, to, path, sampled, false).await;
        }
    }
    let delay = run.plan.terms.otlp.as_ref().map_or(0, |otlp| otlp.delay_ms);
    let patience = (Duration::from_millis(delay) + BESIDE).min(LONGEST);
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline && !run.process.has_ended() && !all_arrived(run) {
        sleep(LOOK).await;
    }
    scrapes::traced(run).await;
    // What is not traced at all says nothing about the end.
    let arrived: Vec<String> =
        run.traced.iter().filter(|it| arrived(run, it)).map(|it| it.path.clone()).collect();
    let paths: Vec<&str> = [path.as_str(), UNKNOWN]
        .into_iter()
        .filter(|path| arrived.is_empty() || arrived.iter().any(|it| it == path))
        .collect();
    for path in paths.iter().cycle().take(TIMES + 1) {
        ask(run, to, path, true, true).await;
    }
    run.terminate();
    run.wait_for_end().await;
    sleep(SETTLE).await;
}

fn arrived(run: &Run<'_>, asked: &Traced) -> bool {
    run.sink.as_ref().is_some_and(|sink| sink.arrived(|span| span.trace == asked.trace))
}

fn all_arrived(run: &Run<'_>) -> bool {
    run.traced.iter().filter(|it| it.sampled && it.status.is_some()).all(|it| arrived(run, it))
}

/// Asks once on a connection of its own, in a trace of its own (W3C Trace Context, section 3.2).
async fn ask(run: &mut Run<'_>, to: SocketAddr, path: &str, sampled: bool, last: bool) {
    let number = run.traced.len() as u64 + 1;
    let trace = format!("{TRACE_HIGH:016x}{:016x}", TRACE_LOW + FIRST + number);
    let parent = format!("{:016x}", PARENT + number);
    let flags = u8::from(sampled);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: provost\r\n\
         traceparent: 00-{trace}-{parent}-{flags:02x}\r\n\r\n"
    );
    let at = Instant::now();
    let asking = async {
        let mut connection = Connection::open_as(to, run.protocol(to.port())).await?;
        connection.send(request.as_bytes()).await?;
        Ok::<_, Outcome>(connection.response().await)
    };
    let outcome = match timeout(PATIENCE, asking).await {
        Ok(Ok(outcome) | Err(outcome)) => outcome,
        Err(_) => Outcome::TimedOut,
    };
    let status = match &outcome {
        Outcome::Answered { status, .. } => Some(*status),
        _ => None,
    };
    run.traced.push(Traced {
        at_us: run.process.clock.at(at),
        end_us: run.process.clock.now_us(),
        path: path.to_owned(),
        status,
        trace,
        parent,
        sampled,
        last,
    });
    run.log.keep(Purpose::Traced, path, (at, Some(at)), outcome);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prove::plan::a_plan;

    #[test]
    fn a_changed_endpoint_stays_as_it_was_changed() {
        let set = |value: &str| {
            let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            vec![
                pair("OTEL_EXPORTER_OTLP_ENDPOINT", value),
                pair("OTEL_EXPORTER_OTLP_INSECURE", "soon"),
                pair("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
            ]
        };
        let endpoints = vec!["OTEL_EXPORTER_OTLP_ENDPOINT".to_owned()];
        let otlp = Otlp { endpoints, ..Otlp::default() };
        let to = SocketAddr::from(([127, 0, 0, 1], 14318));
        let values = |plan: &Plan| -> Vec<String> {
            told(plan, &otlp, to).into_iter().map(|(_, value)| value).collect()
        };
        let mut plan = Plan { environment: set("https://collector:4318"), ..a_plan() };
        assert_eq!(values(&plan), ["http://127.0.0.1:14318", "true"]);
        plan.environment = set("not-a-url");
        plan.changed = Some("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned());
        assert_eq!(values(&plan), ["not-a-url", "true"]);
        plan.changed = Some("OTEL_EXPORTER_OTLP_CERTIFICATE".to_owned());
        assert_eq!(values(&plan), ["127.0.0.1:14318", "true", "/ca.pem"]);
    }
}
