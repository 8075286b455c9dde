//! The phase `settings`: which variables are changed, how, and the starts with each change.

use core::net::IpAddr;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow};
use provost_check::case::{Case, Joined};
use provost_check::facts::proof::{Beside, Change, Listener, Phase, PhaseName, Terms, Trial};
use provost_check::model::env::is_of_others;
use provost_check::model::{goduration, listeners, secret};
use provost_live::prove::{self, Harness, Plan};

use super::environment::Given;
use crate::args::ProveArgs;
use crate::exit::Mistake;

/// Variables that are changed.
const MOST: usize = 16;

/// Starts that run side by side.
const AT_ONCE: usize = 4;

/// What a start with a change may take beside twice what the unchanged one took.
const BESIDE: Duration = Duration::from_secs(3);

/// Those below need rights.
const FIRST_FREE: u16 = 1024;

/// A start that is to be tried.
#[derive(Clone, Debug)]
pub(super) struct Try {
    variable: String,
    change: Change,
    /// What it is set to; nothing leaves it out.
    value: Option<String>,
    /// The port that it names now: where the unchanged process does not listen there, another says
    /// nothing.
    port: Option<u16>,
}

/// Chooses what is tried; how many variables are left out is said.
pub(super) fn choose(
    args: &ProveArgs,
    container: Option<&Case<'_>>,
    joined: &Joined<'_>,
    given: &Given,
    arguments: &[String],
    said: &mut Vec<String>,
) -> Result<Vec<Try>, Mistake> {
    if let Some(absent) = args.variable.iter().find(|name| !given.variables.contains_key(*name)) {
        return Err(Mistake::new(format!("--variable: nothing sets {absent}"))
            .help("set it in the manifest or with --env"));
    }
    let measured = args.phase.is_empty() || args.phase.contains(&PhaseName::Settings);
    if !args.variable.is_empty() && !measured {
        return Err(Mistake::new("--variable is about the phase settings, which is not measured")
            .help("add --phase settings"));
    }
    let program = joined.world.binaries.first().and_then(|binary| binary.go.as_ref());
    let is_known = |name: &str| {
        program.is_some_and(|it| it.text.constant(name).is_ok_and(|place| place.is_some()))
    };
    let mut names: Vec<&String> = match args.variable.as_slice() {
        [] => given.set.iter().filter(|name| !is_of_others(name)).collect(),
        named => named.iter().collect(),
    };
    // Those that the program surely reads say most.
    names.sort_by_cached_key(|name| (!is_known(name), (*name).clone()));
    names.dedup();
    if names.len() > MOST {
        let what = "variables were not changed in turn; name one with --variable";
        said.push(format!("{} {what}", names.len() - MOST));
        names.truncate(MOST);
    }
    let own = container.map(Case::own_names).unwrap_or_default();
    let mut tries = Vec::new();
    for name in names {
        let value = given.variables.get(name).map_or("", String::as_str);
        let one = |change, value: Option<String>, port| Try {
            variable: name.clone(),
            change,
            value,
            port,
        };
        tries.push(one(Change::Removed, None, None));
        let hidden = given.secrets.iter().any(|secret| secret == value)
            || secret::secret_word(name).is_some()
            || secret::looks_secret(name, value).is_some();
        let Some(kind) = Kind::of(name, value).filter(|_| !hidden) else { continue };
        let malformed = Some(kind.malformed().to_owned());
        let (Kind::Port(port) | Kind::Address(port)) = kind else {
            tries.push(one(Change::Malformed, malformed, None));
            continue;
        };
        let is_own = listeners::of_setting(name, &own).is_some()
            && !listeners::may_be_advertised(name)
            && !listeners::is_datagram(name);
        // A listener that is switched off takes any address.
        let here = is_own || is_of_this_machine(value);
        tries.push(one(Change::Malformed, malformed, here.then_some(port)));
        // Where something else names the port, too, it says nothing that this one alone does not move it.
        let rest = given.variables.iter().filter(|(other, _)| *other != name);
        let mut others = rest.map(|(_, value)| value).chain(arguments);
        if is_own && !others.any(|text| names_port(text, port)) {
            let taken = |port: u16| given.variables.values().any(|value| names_port(value, port));
            let new = another(port, taken);
            let head = value.strip_suffix(port.to_string().as_str()).unwrap_or_default();
            tries.push(one(Change::Other, Some(format!("{head}{new}")), Some(port)));
        }
    }
    Ok(tries)
}

/// What a value is, by its looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `8080`, under a name that says so
    Port(u16),
    /// `:8080`, `0.0.0.0:8080`
    Address(u16),
    /// `30s`
    Duration,
    /// `https://example.com/`
    Url,
}

impl Kind {
    fn of(name: &str, value: &str) -> Option<Self> {
        let words = listeners::words(name);
        if words.last().is_some_and(|word| word == "PORT") {
            return value.parse().ok().filter(|port| *port > 0).map(Self::Port);
        }
        if value.contains("://") {
            return Some(Self::Url);
        }
        if let Some((host, port)) = value.rsplit_once(':') {
            let is_host = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
            let port = port.parse().ok().filter(|port| *port > 0);
            return port.filter(|_| host.chars().all(is_host)).map(Self::Address);
        }
        // A plain number may be of anything.
        let has_unit = value.ends_with(|c: char| c.is_ascii_alphabetic());
        let is_duration = has_unit && goduration::parse_seconds(value).is_some();
        is_duration.then_some(Self::Duration)
    }

    /// What none of its kind is.
    fn malformed(self) -> &'static str {
        match self {
            Self::Port(_) => "abc",
            Self::Address(_) => ":::",
            Self::Duration => "soon",
            Self::Url => "not-a-url",
        }
    }
}

/// Whether the host of an address can be that of a listener.
fn is_of_this_machine(address: &str) -> bool {
    let Some((host, _)) = address.rsplit_once(':') else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let own = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    host.is_empty() || host == "localhost" || host.parse().is_ok_and(own)
}

/// Whether a text holds the number, not as a part of a longer one.
pub(super) fn names_port(text: &str, port: u16) -> bool {
    let port = port.to_string();
    text.split(|c: char| !c.is_ascii_digit()).any(|number| number == port)
}

fn another(port: u16, taken: impl Fn(u16) -> bool) -> u16 {
    let from = port.max(FIRST_FREE);
    let mut next = (from..u16::MAX).map(|port| port + 1).chain(FIRST_FREE..from);
    next.find(|port| !taken(*port)).unwrap_or(FIRST_FREE)
}

/// With what it is measured, how long that may take, and what ends it.
type How<'h> = (&'h Harness, fn(&Terms) -> Duration, &'h AtomicBool);

/// Starts the process as it is, then with each change, some side by side.
pub(super) fn measure(plan: &Plan, tries: Vec<Try>, how: How<'_>) -> Result<prove::Measured> {
    let (harness, longest, stop) = how;
    let plan = Plan { phase: PhaseName::Settings, ..plan.clone() };
    let mut measured = harness.measure(&plan, longest(&plan.terms), stop)?;
    // Two that share a network would want the same port.
    let at_once = if measured.stage.has_own_network() { AT_ONCE } else { 1 };
    let Ok(control) = &mut measured.phase else { return Ok(measured) };
    // What does not come up as it is says nothing when it does not come up otherwise.
    let worker = plan.terms.is_worker() && control.listeners.is_empty();
    let ready_us = match control.ready_us {
        Some(ready_us) => ready_us,
        // It came up by going on.
        None if worker && !control.ended_by_itself() => 0,
        None => return Ok(measured),
    };
    let bound = Duration::from_micros(ready_us) * 2 + BESIDE;
    let start_ms = match worker {
        // How long it is looked at is known.
        true => plan.terms.ready_ms,
        false => u64::try_from(bound.as_millis()).unwrap_or(u64::MAX),
    };
    let ports: BTreeSet<u16> = control.listeners.iter().map(|listener| listener.port).collect();
    let says_something = |it: &Try| it.port.is_none_or(|port| ports.contains(&port));
    let mut base = plan.clone();
    base.terms.ready_ms = start_ms.min(plan.terms.ready_ms);
    let sockets = open(&control.listeners, ready_us);
    let waiting = Mutex::new(tries.into_iter().filter(says_something).enumerate());
    let done: Mutex<Vec<(usize, Result<Trial>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((number, next)) = next else { return };
                    let trial = one(&base, next, sockets, how);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((number, trial));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    let mut trials: Vec<Trial> = done.into_iter().map(|(_, trial)| trial).collect::<Result<_>>()?;
    if !worker {
        again(&base, &mut trials, (plan.terms.ready_ms.max(start_ms), at_once), how)?;
    }
    control.trials = trials;
    Ok(measured)
}

/// How many sockets listened when the process was ready, or came later. On a busy machine their end is
/// seen when the process is killed, which is no closing of its own.
fn open(listeners: &[Listener], ready_us: u64) -> usize {
    let stayed = |it: &&Listener| it.closed_us.is_none_or(|closed| closed > ready_us);
    listeners.iter().filter(stayed).count()
}

fn one(base: &Plan, next: Try, sockets: usize, (harness, longest, stop): How<'_>) -> Result<Trial> {
    let Try { variable, change, value, .. } = next;
    let mut plan = base.clone();
    plan.sockets = (change == Change::Other).then_some(sockets);
    plan.changed = Some(variable.clone());
    plan.environment.retain(|(name, _)| *name != variable);
    plan.environment.extend(value.clone().map(|value| (variable.clone(), value)));
    let run = harness.measure(&plan, longest(&plan.terms), stop)?.phase;
    let mut run = run.map_err(|why| anyhow!("the program cannot be started again: {why}"))?;
    shorten(&mut run);
    Ok(Trial { variable, change, value, beside: None, run })
}

/// Starts what neither came up nor ended once more, beside the process as it is, and for longer and longer, until
/// either is seen or that one came up in half of the time.
fn again(
    base: &Plan,
    trials: &mut [Trial],
    (most_ms, at_once): (u64, usize),
    how: How<'_>,
) -> Result<()> {
    let (harness, longest, stop) = how;
    let mut base = base.clone();
    loop {
        let in_doubt = |trial: &&mut Trial| {
            let judged = trial.beside.is_some() && trial.had_its_time();
            trial.change != Change::Other && !trial.is_over() && !judged
        };
        let mut unclear: Vec<&mut Trial> = trials.iter_mut().filter(in_doubt).collect();
        if unclear.is_empty() {
            return Ok(());
        }
        for some in unclear.chunks_mut(at_once.saturating_sub(1).max(1)) {
            let as_it_is = || harness.measure(&base, longest(&base.terms), stop);
            let changed = |trial: &Trial| {
                let Trial { variable, change, value, .. } = trial.clone();
                one(&base, Try { variable, change, value, port: None }, 0, how)
            };
            let (control, started) = if at_once == 1 {
                (as_it_is(), some.iter().map(|it| Some(changed(it))).collect::<Vec<_>>())
            } else {
                std::thread::scope(|scope| {
                    let changed = &changed;
                    let control = scope.spawn(as_it_is);
                    let running: Vec<_> =
                        some.iter().map(|trial| scope.spawn(move || changed(trial))).collect();
                    let started = running.into_iter().map(|it| it.join().ok()).collect();
                    (control.join().unwrap_or_else(|_| Err(anyhow!("a start went wrong"))), started)
                })
            };
            let ready_us = control?.phase.ok().and_then(|run| run.ready_us);
            for (trial, started) in some.iter_mut().zip(started) {
                let Some(started) = started.transpose()? else { continue };
                **trial = Trial { beside: Some(Beside { ready_us }), ..started };
            }
        }
        let next = base.terms.ready_ms.saturating_mul(2).min(most_ms);
        if next <= base.terms.ready_ms {
            return Ok(());
        }
        base.terms.ready_ms = next;
    }
}

/// Lines of a start with a change that are kept, and bytes of each.
const MOST_LINES: usize = 200;
const MOST_LINE: usize = 500;

/// A proof of many starts stays small.
pub(super) fn shorten(run: &mut Phase) {
    let output = &mut run.output;
    let beyond = output.lines.len().saturating_sub(MOST_LINES);
    output.more += beyond as u64;
    output.lines.truncate(MOST_LINES);
    for line in &mut output.lines {
        if line.text.len() > MOST_LINE {
            line.text.truncate(line.text.floor_char_boundary(MOST_LINE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_by_their_looks() {
        for (name, value, kind) in [
            ("PORT", "8080", Some(Kind::Port(8080))),
            ("DB_PORT", "5432", Some(Kind::Port(5432))),
            ("PORT", "0", None),
            ("PORT", "http", None),
            ("REPLICAS", "8080", None),
            ("SUPPORT", "8080", None),
            ("LISTEN_ADDR", ":8080", Some(Kind::Address(8080))),
            ("DB_HOST", "db.shop.svc:5432", Some(Kind::Address(5432))),
            ("ADDR", "[::]:8080", Some(Kind::Address(8080))),
            ("TIME", "at 10:30", None),
            ("TIMEOUT", "1m30s", Some(Kind::Duration)),
            ("TIMEOUT", "30", None),
            ("MODE", "fast", None),
            ("API", "https://api.example.com/v1", Some(Kind::Url)),
        ] {
            assert_eq!(Kind::of(name, value), kind, "{name}={value}");
        }
    }

    #[test]
    fn a_socket_that_went_with_the_process_was_open() {
        let listener = |at_us, closed_us| {
            let address = core::net::Ipv4Addr::UNSPECIFIED.into();
            Listener { at_us, closed_us, address, port: 8080 }
        };
        assert_eq!(open(&[listener(503_680, Some(922_775))], 521_491), 1);
        // One that was open for the start only.
        assert_eq!(open(&[listener(100, Some(200)), listener(300, None)], 400), 1);
    }

    #[test]
    fn another_port_is_free_and_needs_no_rights() {
        assert_eq!(another(8080, |_| false), 8081);
        assert_eq!(another(8080, |port| port == 8081), 8082);
        assert_eq!(another(80, |_| false), 1025);
        assert_eq!(another(u16::MAX, |_| false), 1024);
    }

    #[test]
    fn addresses_of_this_machine_are_told_from_those_of_others() {
        for address in [":80", "localhost:2019", "0.0.0.0:80", "[::]:80", "127.0.0.1:80"] {
            assert!(is_of_this_machine(address), "{address}");
        }
        for address in ["db:5432", "10.0.0.1:80", "8080"] {
            assert!(!is_of_this_machine(address), "{address}");
        }
    }

    #[test]
    fn ports_are_whole_numbers() {
        assert!(names_port("--listen=:8080", 8080) && names_port("8080", 8080));
        assert!(!names_port("18080", 8080) && !names_port("80801", 8080));
    }
}
