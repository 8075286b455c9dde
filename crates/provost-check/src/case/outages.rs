//! What a process did while what it depends on was not there.

use super::process::ProcessCase;
use crate::facts::proof::{Outcome, Phase, PhaseName, Purpose, Request, State};
use crate::findings::{Abstain, Reason};

/// A time in which all dependencies of a process did not answer, or refused.
#[derive(Clone, Copy, Debug)]
pub struct Outage<'w> {
    /// The run.
    pub phase: &'w Phase,
    /// Which of the two.
    pub state: State,
    /// From when, in microseconds.
    pub from_us: u64,
    /// Until when.
    pub to_us: u64,
    /// Where what came after it ends: the next outage.
    until_us: u64,
}

impl<'w> Outage<'w> {
    fn between(
        &self,
        purpose: Purpose,
        (from, to): (u64, u64),
    ) -> impl Iterator<Item = &'w Request> + use<'w> {
        self.phase.of(purpose).filter(move |it| (from..to).contains(&it.at_us))
    }

    /// What was asked before the first outage.
    pub fn before(&self, purpose: Purpose) -> Vec<&'w Request> {
        let first = self.phase.dependencies.iter().filter_map(|it| it.turns.get(1));
        let first = first.map(|turn| turn.at_us).min().unwrap_or(self.from_us);
        let ready = self.phase.ready_us.unwrap_or(0);
        self.between(purpose, (ready, first)).collect()
    }

    /// What was asked while it lasted.
    pub fn during(&self, purpose: Purpose) -> Vec<&'w Request> {
        self.between(purpose, (self.from_us, self.to_us)).collect()
    }

    /// What was asked after it, and before the next.
    pub fn after(&self, purpose: Purpose) -> Vec<&'w Request> {
        self.between(purpose, (self.to_us, self.until_us)).collect()
    }

    /// What the dependencies did, as the end of a sentence that begins with their names.
    pub fn words(&self) -> &'static str {
        match self.state {
            State::Up => "answers",
            State::Frozen => "answers nothing",
            State::Refusing => "refuses connections",
        }
    }
}

/// Those at the end of a list that are of a kind, without one of another kind behind them.
pub fn last_of<'r>(requests: &[&'r Request], is: impl Fn(&Request) -> bool) -> Vec<&'r Request> {
    let mut last: Vec<&Request> =
        requests.iter().rev().take_while(|request| is(request)).copied().collect();
    last.reverse();
    last
}

/// Whether a request for what the process is there for failed, and it was not the client's doing.
pub fn failed(request: &Request) -> bool {
    !matches!(request.outcome, Outcome::Answered { status: ..500, .. } | Outcome::Unfinished)
}

impl<'w> ProcessCase<'w> {
    /// The dependencies that were stood in for, in a few words.
    pub fn dependencies(&self) -> String {
        let names: Vec<String> = self.terms().dependencies.iter().map(|it| it.shown()).collect();
        names.join(", ")
    }

    /// A run with dependencies; not applicable to a process that was run without.
    pub fn with_dependencies(&self, name: PhaseName) -> Result<&'w Phase, Abstain> {
        if self.terms().dependencies.is_empty() {
            return Err(Abstain::NotApplicable);
        }
        let phase = self.phase(name)?;
        if phase.dependencies.is_empty() {
            let what = "dependencies, which need a network of their own";
            return Err(Abstain::unknown(Reason::NotMeasured, what));
        }
        Ok(phase)
    }

    /// The outages that a ready process was in, of dependencies that it had used before.
    pub fn outages(&self) -> Result<Vec<Outage<'w>>, Abstain> {
        let phase = self.with_dependencies(PhaseName::Outage)?;
        self.speaks_http(phase, "outages")?;
        let unknown = |what: String| Err(Abstain::unknown(Reason::NotMeasured, what));
        let Some(ready) = phase.ready_us else {
            return unknown("an outage: the process did not become ready before".to_owned());
        };
        let mut outages = Vec::new();
        for seen in &phase.dependencies {
            for state in [State::Frozen, State::Refusing] {
                let mut times = seen.in_state(state).filter(|(from, _)| *from >= ready);
                outages.extend(times.next().map(|(from_us, to_us)| Outage {
                    phase,
                    state,
                    from_us,
                    to_us,
                    until_us: u64::MAX,
                }));
            }
            // All do the same at the same time.
            if !outages.is_empty() {
                break;
            }
        }
        let Some(first) = outages.iter().map(|outage| outage.from_us).min() else {
            return unknown("an outage".to_owned());
        };
        let used = |link: &&crate::facts::proof::Link| link.at_us < first;
        if !phase.dependencies.iter().any(|seen| seen.links.iter().any(|it| used(&it))) {
            let names = self.dependencies();
            return unknown(format!("an outage: the process had not connected to {names} before"));
        }
        if phase.ended_by_itself() {
            return unknown("an outage: the process ended in it".to_owned());
        }
        let starts: Vec<u64> = outages.iter().map(|outage| outage.from_us).collect();
        for outage in &mut outages {
            let next = starts.iter().copied().filter(|start| *start > outage.from_us).min();
            outage.until_us = next.unwrap_or(u64::MAX);
        }
        Ok(outages)
    }
}
