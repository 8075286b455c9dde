//! Ways through the functions of a program, from where the signal comes to where the listener is
//! closed.

use std::collections::BTreeMap;

use super::amount::{self, Amount, Given};
use super::expression::{Called, Expression};
use super::flow::{Event, When};
use super::program::{Program, Site};

/// Calls in each other that are followed.
const DEEPEST: usize = 10;

/// How often a function is gone into before the signal, and after it. Each way into it tells the
/// same but for what it is given.
const MOST_VISITS: [u32; 2] = [3, 16];

/// Waits on one way; more are in a loop somewhere.
const MOST_WAITS: usize = 64;

/// Something that is waited for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wait {
    pub(super) amount: Amount,
    pub(super) file: usize,
    pub(super) line: u32,
}

/// How far the end has come.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// Whether the signal has come.
    pub(super) begun: bool,
    pub(super) waits: Vec<Wait>,
    /// Limits of a shutdown, and how many waits were there before them.
    pub(super) limits: Vec<(Amount, usize)>,
    /// Whether nothing more happens here.
    pub(super) over: bool,
    /// Whether the function is left.
    pub(super) left: bool,
}

impl State {
    /// Known waits in seconds; infinite when one of them is not known.
    pub(super) fn total(&self) -> f64 {
        self.waits.iter().map(|wait| wait.amount.seconds().unwrap_or(f64::INFINITY)).sum()
    }

    fn begin(&mut self) {
        self.begun = true;
        self.waits.clear();
        self.limits.clear();
    }
}

/// How often functions were gone into.
pub(super) type Visits = BTreeMap<(Site, bool), u32>;

/// One way from a function on.
pub(super) struct Walk<'p, 'm> {
    program: &'p Program<'m>,
    steps: &'p mut usize,
    visits: &'p mut Visits,
    /// How it was when the listener was closed.
    pub(super) closes: Vec<State>,
    stack: Vec<Site>,
    /// Whether the signal came before, so that what runs at some other time is not followed.
    follows: bool,
}

impl<'p, 'm> Walk<'p, 'm> {
    pub(super) fn new(
        program: &'p Program<'m>,
        steps: &'p mut usize,
        visits: &'p mut Visits,
        follows: bool,
    ) -> Self {
        Self { program, steps, visits, closes: Vec::new(), stack: Vec::new(), follows }
    }

    /// Whether it is worth to go into a function.
    fn is_of_use(&self, site: Site, state: &State) -> bool {
        let known = if state.begun { &self.program.telling } else { &self.program.ending };
        known.contains(&site)
    }

    /// Runs a function, what it defers included.
    pub(super) fn function(&mut self, site: Site, given: &Given<'m>, state: State) -> State {
        let followed = self.stack.len() < DEEPEST && !self.stack.contains(&site);
        if !followed || !self.is_of_use(site, &state) {
            return state;
        }
        let visits = self.visits.entry((site, state.begun)).or_default();
        *visits += 1;
        if *visits > MOST_VISITS[usize::from(state.begun)] {
            return state;
        }
        self.stack.push(site);
        let (mut deferred, mut exits) = (Vec::new(), Vec::new());
        let events = &self.program.function(site).events;
        let mut at_end = self.events(events, site, given, state, &mut (&mut deferred, &mut exits));
        if !at_end.left {
            exits.push(at_end.clone());
        }
        at_end = merged(exits).unwrap_or(at_end);
        at_end.left = false;
        for event in deferred.iter().rev() {
            if at_end.over {
                break;
            }
            at_end = self.run(event, site, given, at_end);
        }
        self.stack.pop();
        at_end
    }

    fn events(
        &mut self,
        events: &'m [Event],
        site: Site,
        given: &Given<'m>,
        mut state: State,
        out: &mut (&mut Vec<&'m Event>, &mut Vec<State>),
    ) -> State {
        for event in events {
            *self.steps = self.steps.saturating_sub(1);
            if state.over || state.left || *self.steps == 0 {
                break;
            }
            match event {
                Event::Receive { of, ranges, line } => match self.program.waits_for(of, site) {
                    Some(length) => self.wait(length, *line, site, given, &mut state),
                    None => match self.program.signal(of, *ranges, site) {
                        Some(true) => state.begin(),
                        Some(false) if !state.begun => state.begin(),
                        _ => {}
                    },
                },
                Event::Call { when: When::AtTheEnd, .. }
                | Event::Function { when: When::AtTheEnd, .. } => out.0.push(event),
                Event::Call { .. } | Event::Function { .. } => {
                    state = self.run(event, site, given, state);
                }
                Event::Either { branches, or_none } => {
                    let mut ways: Vec<State> = branches
                        .iter()
                        .map(|branch| self.events(branch, site, given, state.clone(), out))
                        .collect();
                    if *or_none {
                        ways.push(state.clone());
                    }
                    state = self.chosen(ways, state);
                }
                Event::Select(branches) => {
                    let ways = branches
                        .iter()
                        .map(|branch| self.events(branch, site, given, state.clone(), out))
                        .collect();
                    state = self.chosen(ways, state);
                }
                Event::Repeated(body) => {
                    let (was_begun, before) = (state.begun, state.waits.len());
                    let once = self.events(body, site, given, state.clone(), out);
                    // How often is not known.
                    let repeats = was_begun && once.waits.len() > before;
                    let left = once.left || once.over;
                    state = match left {
                        true if !once.begun || was_begun => state,
                        _ => State { left: false, over: false, ..once },
                    };
                    if repeats && !left {
                        for wait in state.waits.iter_mut().skip(before) {
                            wait.amount.value = None;
                        }
                    }
                }
                Event::Leave => {
                    out.1.push(state.clone());
                    state.left = true;
                }
                Event::Exit => state.over = true,
            }
        }
        state
    }

    /// Which way goes on: none that is over or left, when there is another.
    fn chosen(&self, ways: Vec<State>, before: State) -> State {
        let (gone, on): (Vec<State>, Vec<State>) =
            ways.into_iter().partition(|way| way.over || way.left);
        if on.is_empty() {
            // All have come to an end somewhere.
            return gone.into_iter().next().unwrap_or(before);
        }
        merged(on).unwrap_or(before)
    }

    fn wait(
        &mut self,
        length: &Expression,
        line: u32,
        site: Site,
        given: &Given<'m>,
        state: &mut State,
    ) {
        if state.begun && state.waits.len() < MOST_WAITS {
            let amount = self.program.amount(length, site, given);
            state.waits.push(Wait { amount, file: site.file, line });
        }
    }

    /// A call, or a literal that is called.
    fn run(&mut self, event: &'m Event, site: Site, given: &Given<'m>, mut state: State) -> State {
        match event {
            Event::Call { call, when, line } => self.call(call, *when, *line, site, given, state),
            Event::Function { at, when, to, line } => {
                let literal = self.program.literals.get(&(site.file, *at)).copied();
                let Some(literal) = literal.filter(|it| self.program.telling.contains(it)) else {
                    return state;
                };
                let of = |path: &str| {
                    to.as_ref().is_some_and(|to| self.program.is_of(site, path, &to.of))
                };
                match (when, to.as_ref().map_or("", |to| to.name.as_str())) {
                    (When::Here | When::AtTheEnd, _) | (When::Passed, "Do") => {
                        self.function(literal, given, state)
                    }
                    (When::Beside, _) | (When::Passed, "Go") => self.beside(literal, given, state),
                    (When::Passed, "AfterFunc") if of("time") => {
                        let before = state.clone();
                        let length = to.as_ref().and_then(|to| to.arguments.first());
                        if let Some(length) = length {
                            self.wait(length, *line, site, given, &mut state);
                        }
                        // Where it closes nothing it is a limit of something else.
                        let after = self.beside(literal, given, state);
                        if after.over { after } else { before }
                    }
                    (When::Passed, "AfterFunc") if of("context") => {
                        self.apart(literal, given, true);
                        state
                    }
                    (When::Passed, _) => {
                        self.apart(literal, given, false);
                        state
                    }
                }
            }
            _ => state,
        }
    }

    /// What runs beside counts when it closes.
    fn beside(&mut self, site: Site, given: &Given<'m>, state: State) -> State {
        if !state.begun {
            self.apart(site, given, false);
            return state;
        }
        let before = self.closes.len();
        self.function(site, given, state.clone());
        State { over: self.closes.len() > before, ..state }
    }

    /// What runs at some other time comes to an end of its own.
    fn apart(&mut self, site: Site, given: &Given<'m>, begun: bool) {
        let begun = begun || self.follows;
        self.function(site, given, State { begun, ..State::default() });
    }

    fn call(
        &mut self,
        call: &'m Called,
        when: When,
        line: u32,
        site: Site,
        given: &Given<'m>,
        mut state: State,
    ) -> State {
        let program = self.program;
        if let Some(length) = program.sleep(call, site) {
            if when != When::Beside {
                self.wait(length, line, site, given, &mut state);
            }
            return state;
        }
        if call.name.starts_with("WithTimeout") && program.is_of(site, "context", &call.of) {
            if let Some(limit) = call.arguments.get(1).filter(|_| state.begun) {
                let amount = program.amount(limit, site, given);
                state.limits.push((amount, state.waits.len()));
            }
            return state;
        }
        let candidates: Vec<Site> = program
            .called(call, site)
            .into_iter()
            .filter(|other| !self.stack.contains(other))
            .collect();
        let is_close = program.closes(call, site);
        if !candidates.is_empty() && self.stack.len() < DEEPEST {
            let closes = self.closes.len();
            let ways: Vec<State> = candidates
                .iter()
                .map(|other| {
                    let given = program.given(call, *other, site, given);
                    match when {
                        When::Beside => self.beside(*other, &given, state.clone()),
                        _ => self.function(*other, &given, state.clone()),
                    }
                })
                .collect();
            state = self.chosen(ways, state);
            if self.closes.len() > closes || !is_close {
                return state;
            }
        }
        if is_close && state.begun {
            if call.name == "ShutdownWithTimeout"
                && let Some(limit) = call.arguments.first()
            {
                state.limits.push((program.amount(limit, site, given), state.waits.len()));
            }
            self.closes.push(state.clone());
            state.over = true;
            return state;
        }
        let serves = matches!(call.name.as_str(), "ListenAndServe" | "ListenAndServeTLS" | "Serve");
        if serves && (when == When::Here || self.follows) {
            // It comes back when it is shut down: a signal before it was only looked for.
            state = State::default();
        }
        if state.begun && when == When::Here && waits_somehow(call) {
            let what = amount::plain(&call.name);
            state.waits.push(Wait { amount: Amount::unknown(&what), file: site.file, line });
        }
        state
    }
}

/// Whether a call that cannot be looked into waits by its name. What a cache is waited for is a start.
fn waits_somehow(call: &Called) -> bool {
    let lower = call.name.to_ascii_lowercase();
    let starts =
        ["sync", "ready", "cache", "start", "leader"].iter().any(|word| lower.contains(word));
    ["sleep", "delay", "pause"].iter().any(|word| lower.starts_with(word))
        || lower == "wait"
        || (lower.starts_with("waitfor") && !starts)
}

/// The way on which the signal has come, and the most is waited for.
fn merged(ways: Vec<State>) -> Option<State> {
    let begun = ways.iter().any(|way| way.begun);
    let left = ways.into_iter().filter(|way| way.begun == begun && !way.over);
    left.max_by(|a, b| a.total().total_cmp(&b.total()))
}
