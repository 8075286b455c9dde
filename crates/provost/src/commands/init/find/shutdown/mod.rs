//! What a program does between SIGTERM and the end of its listening: whether it waits, and how long.
//!
//! The functions of the program are followed from where they take the signal to where they close
//! the listener, calls within the module included. What takes time on the way is added up; where it
//! does not say how long, nothing is claimed.

mod amount;
mod bindings;
mod expression;
pub(super) mod flow;
mod program;
#[cfg(test)]
mod tests;
mod walk;

use amount::{Amount, Given};
use program::{Program, Site};
use walk::{State, Visits, Wait, Walk};

use super::View;

/// How long the listener stays open after SIGTERM.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum LameDuck {
    /// In seconds, and what says so.
    Known(u64, String),
    /// It waits, and its source does not say how long; for what it waits.
    Unknown(String),
    /// Where it stops listening is not in its source.
    Unseen,
}

impl LameDuck {
    /// What is known of it, in seconds.
    pub(in super::super) fn seconds(&self) -> u64 {
        match self {
            Self::Known(seconds, _) => *seconds,
            Self::Unknown(_) | Self::Unseen => 0,
        }
    }
}

/// What the source says of the end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shutdown {
    pub(super) lame_duck: LameDuck,
    /// The variable that decides how long it waits, when that is all that it waits for.
    pub(super) waits_for: Option<Told>,
    /// Seconds that requests in flight get, and the variable that says so.
    pub(super) drain: Option<u64>,
    pub(super) drains_for: Option<Told>,
}

/// A variable of the environment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub(super) name: String,
    /// Whether it is written as a duration, `5s`, where that is known.
    pub(super) is_duration: Option<bool>,
}

/// A wait that is no lame duck any more, in seconds; nobody has a grace period for it.
const LONGEST: f64 = 3_600.0;

/// Events that are followed in all.
const MOST_STEPS: usize = 100_000;

/// What the functions of a program say of its end.
pub(super) fn read(view: &View<'_>) -> Shutdown {
    let program = Program::new(view);
    let unseen =
        Shutdown { lame_duck: LameDuck::Unseen, waits_for: None, drain: None, drains_for: None };
    let mut steps = MOST_STEPS;
    // What nothing of the module calls: what it is given is known, and so is when it runs.
    let called = program.called_by_others();
    let mut first: Vec<Site> = program.telling.difference(&called).copied().collect();
    first.sort_by_key(|site| program.function(*site).name != "main");
    let (mut closes, ends) = follow(&program, &first, false, &mut steps);
    if closes.is_empty() {
        // It listens until it has waited and ends.
        closes = ends.into_iter().filter(|end| !end.waits.is_empty()).collect();
    }
    if closes.is_empty() {
        // Who takes the signal is in a library: what closes is called after it came.
        let hooks: Vec<Site> =
            first.iter().copied().filter(|site| program.function(*site).name != "main").collect();
        closes = follow(&program, &hooks, true, &mut steps).0;
    }
    if closes.is_empty() {
        let all: Vec<Site> = called.into_iter().collect();
        closes = follow(&program, &all, true, &mut steps).0;
    }
    if steps == 0 {
        return unseen;
    }
    let longest = closes.into_iter().max_by(|a, b| a.total().total_cmp(&b.total()));
    let Some(longest) = longest else { return unseen };
    program.shutdown(&longest)
}

/// Follows functions: how each way comes to the end of its listening, and how the program ends.
fn follow(
    program: &Program<'_>,
    from: &[Site],
    begun: bool,
    steps: &mut usize,
) -> (Vec<State>, Vec<State>) {
    let (mut closes, mut ends) = (Vec::new(), Vec::new());
    let mut visits = Visits::new();
    for site in from {
        let mut walk = Walk::new(program, steps, &mut visits, begun);
        let state = walk.function(*site, &Given::default(), State { begun, ..State::default() });
        closes.append(&mut walk.closes);
        if state.begun && program.function(*site).name == "main" {
            ends.push(state);
        }
    }
    (closes, ends)
}

impl Program<'_> {
    /// What a way to the end comes to.
    fn shutdown(&self, state: &State) -> Shutdown {
        let unknown = state.waits.iter().find(|wait| wait.amount.seconds().is_none());
        let total = state.total();
        let told = |amount: &Amount| {
            let name = amount.variable.clone()?;
            Some(Told { name, is_duration: amount.is_duration })
        };
        let only = match &state.waits[..] {
            [only] => told(&only.amount),
            _ => None,
        };
        let lame_duck = match (unknown, &state.waits[..]) {
            (Some(wait), _) => LameDuck::Unknown(wait.amount.what.clone()),
            (None, _) if total > LONGEST => LameDuck::Unknown(String::new()),
            (None, []) => LameDuck::Known(
                0,
                "nothing in the source waits between the signal and the end of its server"
                    .to_owned(),
            ),
            (None, waits) => {
                let seconds = total.ceil() as u64;
                let because = match &only {
                    Some(told) => told.name.clone(),
                    None => {
                        let places: Vec<String> =
                            waits.iter().filter_map(|wait| self.place(wait)).take(3).collect();
                        match places.is_empty() {
                            true => "it waits before its server is shut down".to_owned(),
                            false => format!("it waits in {}", places.join(" and ")),
                        }
                    }
                };
                LameDuck::Known(seconds, because)
            }
        };
        let (drain, drains_for) = match self.drain(state) {
            Some((seconds, amount)) => (Some(seconds), told(amount)),
            None => (None, None),
        };
        Shutdown { lame_duck, waits_for: only, drain, drains_for }
    }

    /// The longest limit, less what was waited for within it.
    fn drain<'s>(&self, state: &'s State) -> Option<(u64, &'s Amount)> {
        let mut longest: Option<(f64, &Amount)> = None;
        for (amount, before) in &state.limits {
            let within: f64 =
                state.waits[*before..].iter().filter_map(|wait| wait.amount.seconds()).sum();
            let left = (amount.seconds()? - within).max(0.0);
            if longest.is_none_or(|(known, _)| left > known) {
                longest = Some((left, amount));
            }
        }
        let (seconds, amount) = longest.filter(|(seconds, _)| *seconds <= LONGEST)?;
        Some((seconds.ceil() as u64, amount))
    }

    /// `internal/app/run.go:57`
    fn place(&self, wait: &Wait) -> Option<String> {
        let path = &self.files[wait.file].path;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
        let shown = !path.is_empty() && path.len() <= 100 && path.bytes().all(plain);
        shown.then(|| format!("{path}:{}", wait.line))
    }
}
