//! What a process did while what it depends on was not there.

use super::process::ProcessCase;
use crate::facts::proof::{
    Depended, Dependency, Outcome, Phase, PhaseName, Purpose, Request, State,
};
use crate::findings::{Abstain, Reason};

/// A time in which a dependency of a process, or all of them, did not answer, or refused.
#[derive(Clone, Debug)]
pub struct Outage<'w> {
    /// The run.
    pub phase: &'w Phase,
    /// Which of the dependencies, in a few words.
    pub names: String,
    /// Several at once.
    pub several: bool,
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
            State::Frozen if self.several => "answer nothing",
            State::Frozen => "answers nothing",
            State::Refusing if self.several => "refuse connections",
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
    /// In a few words those of the dependencies that are among these.
    fn names<'s>(&self, seen: impl IntoIterator<Item = &'s Depended>) -> String {
        let all = &self.terms().dependencies;
        let names = seen.into_iter().map(|seen| {
            let asked = all.iter().find(|it| it.port == seen.port);
            asked.map_or_else(|| format!("port {}", seen.port), Dependency::shown)
        });
        names.collect::<Vec<_>>().join(", ")
    }

    /// Runs with dependencies, those first in which one failed by itself; not applicable to a process that was run
    /// without.
    pub fn with_dependencies(&self, name: PhaseName) -> Result<Vec<&'w Phase>, Abstain> {
        if self.terms().dependencies.is_empty() {
            return Err(Abstain::NotApplicable);
        }
        let phase = self.phase(name)?;
        if phase.dependencies.is_empty() {
            let what = "dependencies, which need a network of their own";
            return Err(Abstain::unknown(Reason::NotMeasured, what));
        }
        Ok(phase.repeats.iter().chain([phase]).collect())
    }

    /// The dependencies that refused connections from the start of a run: their names, and themselves.
    pub fn refusing(&self, phase: &Phase) -> (String, Vec<&'w Dependency>) {
        let from_start =
            |seen: &&Depended| seen.turns.first().is_some_and(|turn| turn.state == State::Refusing);
        let refusing: Vec<&Depended> = phase.dependencies.iter().filter(from_start).collect();
        let is_one = |it: &&Dependency| refusing.iter().any(|seen| seen.port == it.port);
        let asked = self.terms().dependencies.iter().filter(is_one).collect();
        (self.names(refusing), asked)
    }

    /// The outages that a ready process was in, of dependencies that it had used before: first those of one, then
    /// those of all at once. Of runs without one, why there is none.
    pub fn outages(&self) -> Result<(Vec<Outage<'w>>, Vec<Abstain>), Abstain> {
        let (mut outages, mut unknown) = (Vec::new(), Vec::new());
        for phase in self.with_dependencies(PhaseName::Outage)? {
            match self.outages_in(phase) {
                Ok(_) if phase.ended_by_itself() => {
                    let names = self.names(taken(phase));
                    let what = format!("an outage of {names}: the process ended in it");
                    unknown.push(Abstain::unknown(Reason::NotMeasured, what));
                }
                Ok(found) => outages.extend(found),
                Err(why) if unknown.contains(&why) => {}
                Err(why) => unknown.push(why),
            }
        }
        Ok((outages, unknown))
    }

    /// Whether each of several dependencies failed by itself, too: what all together bring about says nothing new
    /// then.
    pub fn each_alone(&self, phase: &Phase) -> bool {
        phase.repeats.len() >= self.terms().dependencies.len()
    }

    /// The outages of one run.
    pub fn outages_in(&self, phase: &'w Phase) -> Result<Vec<Outage<'w>>, Abstain> {
        self.speaks_http(phase, "outages")?;
        let unknown = |what: String| Err(Abstain::unknown(Reason::NotMeasured, what));
        let Some(ready) = phase.ready_us else {
            return unknown("an outage: the process did not become ready before".to_owned());
        };
        // Those that are taken away do the same at the same time; others stay as they are.
        let taken: Vec<&Depended> = taken(phase).collect();
        let names = self.names(taken.iter().copied());
        let mut outages = Vec::new();
        for state in [State::Frozen, State::Refusing] {
            let mut times = taken.iter().flat_map(|seen| seen.in_state(state));
            let first = times.find(|(from, _)| *from >= ready);
            outages.extend(first.map(|(from_us, to_us)| Outage {
                phase,
                names: names.clone(),
                several: taken.len() > 1,
                state,
                from_us,
                to_us,
                until_us: u64::MAX,
            }));
        }
        let Some(first) = outages.iter().map(|outage| outage.from_us).min() else {
            return unknown("an outage".to_owned());
        };
        if !taken.iter().any(|seen| seen.links.iter().any(|link| link.at_us < first)) {
            return unknown(format!("an outage: the process had not connected to {names} before"));
        }
        let starts: Vec<u64> = outages.iter().map(|outage| outage.from_us).collect();
        for outage in &mut outages {
            let next = starts.iter().copied().filter(|start| *start > outage.from_us).min();
            outage.until_us = next.unwrap_or(u64::MAX);
        }
        Ok(outages)
    }
}

/// Those of a run that were taken away and came back.
fn taken(phase: &Phase) -> impl Iterator<Item = &Depended> {
    phase.dependencies.iter().filter(|seen| seen.turns.len() > 1)
}

/// Of what was told of one dependency no more is told of it, nor of all together where each failed by itself.
#[derive(Debug, Default)]
pub struct Told {
    names: Vec<String>,
    each_alone: bool,
}

impl Told {
    /// Nothing yet.
    pub fn of(case: &ProcessCase<'_>) -> Self {
        let each_alone = case.phase(PhaseName::Outage).is_ok_and(|phase| case.each_alone(phase));
        Self { names: Vec::new(), each_alone }
    }

    /// Whether that outage says nothing new.
    pub fn is_known(&self, outage: &Outage<'_>) -> bool {
        let by_one = outage.several && self.each_alone && !self.names.is_empty();
        self.names.contains(&outage.names) || by_one
    }

    /// That something was told of it.
    pub fn add(&mut self, outage: &Outage<'_>) {
        self.names.push(outage.names.clone());
    }
}
