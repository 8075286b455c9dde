//! Whether a process that had to be killed shows that it heard SIGTERM: then it drains, and takes too long for it.

use std::collections::BTreeSet;

use super::process::{ProcessCase, duration};
use crate::facts::proof::health::SERVING;
use crate::facts::proof::{Outcome, Phase, PhaseName, Purpose, Request};

impl ProcessCase<'_> {
    /// By what the process showed that it had heard SIGTERM, in a run in which it was killed, idle or under load.
    pub fn heard(&self) -> Option<String> {
        let runs = [PhaseName::Start, PhaseName::Drain];
        let killed = runs.into_iter().filter_map(|name| self.phase(name).ok());
        killed.filter(|phase| phase.is_killed()).find_map(Phase::heard)
    }
}

impl Phase {
    /// Whether it was made to end because its time was over.
    pub fn is_killed(&self) -> bool {
        self.exit.as_ref().is_some_and(|exit| exit.killed)
    }

    /// What is otherwise between SIGTERM and SIGKILL than it was before: `it printed: draining`.
    pub fn heard(&self) -> Option<String> {
        let told = self.told_us()?;
        let kill = self.given_up_us().or(self.exit.as_ref().map(|exit| exit.at_us))?;
        let meanwhile = |at: u64| at > told && at < kill;
        let after = |at: u64| duration(at.saturating_sub(told));
        let mut closed = self.listeners.iter().filter_map(|listener| listener.closed_us);
        if let Some(at) = closed.find(|at| meanwhile(*at)) {
            return Some(format!("it closed a port {} after it", after(at)));
        }
        if let Some(request) = self.first_only_after(told, kill, says_goodbye) {
            return Some(format!(
                "it told clients {} after it that connections end",
                after(request.end_us)
            ));
        }
        let not_ready = |request: &Request| {
            request.purpose == Purpose::Readiness
                && matches!(request.outcome, Outcome::Answered { .. })
                && !request.outcome.passes()
        };
        if let Some(request) = self.first_only_after(told, kill, not_ready) {
            return Some(format!(
                "readiness {} {} after it",
                request.outcome.words(),
                after(request.end_us)
            ));
        }
        if let Some(watched) = &self.watched {
            let mut states = watched.states.iter().filter(|state| state.serving != SERVING);
            let state = states.find(|state| meanwhile(state.at_us)).map(|state| state.at_us);
            if let Some(at) = watched.goaway_us.filter(|at| meanwhile(*at)).or(state) {
                return Some(format!("its health service said so {} after it", after(at)));
            }
        }
        // Under load it prints whatever it prints of requests.
        let line = (self.name == PhaseName::Start).then(|| self.first_new_line(told, kill))??;
        Some(format!("it printed: {line}"))
    }

    /// The first request that ended in a way in which none had before SIGTERM, and that was begun after it.
    fn first_only_after(
        &self,
        told: u64,
        kill: u64,
        how: impl Fn(&Request) -> bool,
    ) -> Option<&Request> {
        let first =
            self.requests.iter().filter(|request| how(request)).min_by_key(|it| it.end_us)?;
        (first.at_us > told && first.end_us < kill).then_some(first)
    }

    /// The first line with words that were in none before: what is printed every second says nothing of a signal.
    fn first_new_line(&self, told: u64, kill: u64) -> Option<String> {
        let (before, since): (Vec<_>, Vec<_>) =
            self.output.lines.iter().partition(|line| line.at_us <= told);
        let before: BTreeSet<&str> = before.iter().flat_map(|line| words(&line.text)).collect();
        let mut since = since.into_iter().filter(|line| line.at_us < kill);
        let new = since.find(|line| words(&line.text).any(|word| !before.contains(word)))?;
        Some(new.shown())
    }
}

/// That a connection ends: `Connection: close`, GOAWAY.
fn says_goodbye(request: &Request) -> bool {
    let of_load = matches!(request.purpose, Purpose::NewConnection | Purpose::Busy);
    let goodbye =
        matches!(request.outcome, Outcome::Answered { close: true, .. } | Outcome::Unprocessed);
    of_load && goodbye
}

/// Words without what counts or names one thing: times, numbers, ids.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(|letter: char| !letter.is_alphanumeric());
    parts.filter(|word| word.len() > 1 && word.chars().all(char::is_alphabetic))
}
