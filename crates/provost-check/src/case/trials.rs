//! What a process did when one of its variables was changed, beside what it does as it is.

use core::net::IpAddr;
use std::collections::BTreeSet;

use super::process::ProcessCase;
use super::programs::go_program;
use crate::facts::Origin;
use crate::facts::binary::GoProgram;
use crate::facts::proof::{Change, Line, Outcome, Phase, PhaseName, Purpose, Trial};
use crate::findings::{Abstain, Finding, Reason};
use crate::model::listeners::words;

/// The unchanged start, which came up, and those with a changed variable.
#[derive(Clone, Copy, Debug)]
pub struct Trials<'w> {
    /// As it is.
    pub control: &'w Phase,
    /// It opens no port: it came up by going on, and what it prints is all that shows how far.
    pub worker: bool,
}

impl<'w> ProcessCase<'w> {
    /// Starts with changed variables; not applicable when there is none, or when the unchanged process
    /// did not come up either.
    pub fn trials(&self) -> Result<Trials<'w>, Abstain> {
        let control = self.phase(PhaseName::Settings)?;
        let silent = control.listeners.is_empty() && !control.ended_by_itself();
        let worker = self.terms().is_worker() && silent;
        if control.trials.is_empty() || (control.ready_us.is_none() && !worker) {
            return Err(Abstain::NotApplicable);
        }
        Ok(Trials { control, worker })
    }

    /// The Go side of the program that was measured.
    pub fn program(&self) -> Result<&'w GoProgram, Abstain> {
        let unknown = || Abstain::unknown(Reason::NoBinary, "the program that was measured");
        let binaries = &self.world().binaries;
        let one = binaries.first().filter(|_| binaries.len() == 1);
        let bound = self.container().and_then(|case| case.binary().ok());
        go_program(bound.or(one).ok_or_else(unknown)?)
    }

    /// Where the process did that, and where the variable is set.
    pub fn tried(&self, finding: Finding, trial: &Trial) -> Finding {
        let entry = self.container().and_then(|case| {
            let environment = case.environment();
            let set = environment.get(&trial.variable).ok().flatten();
            set.map(|variable| variable.entry.clone())
        });
        let again = match self.phase(PhaseName::Settings) {
            Ok(phase) => self.repeat_with(phase, &format!(" --variable {}", trial.variable)),
            Err(_) => String::new(),
        };
        match entry {
            Some(entry) => finding.also(&entry, "is set here"),
            None => finding,
        }
        .note(again)
    }

    /// The last thing that was seen of a start.
    pub fn last_of(&self, trial: &Trial) -> Origin {
        let run = &trial.run;
        let exit = run.exit.as_ref().filter(|exit| !exit.killed).map(|exit| exit.at_us);
        let seen = exit.or(run.ready_us).or(run.listens_us());
        match seen {
            Some(at) => self.moment(run, at),
            None => self.run(run),
        }
    }
}

impl<'w> Trials<'w> {
    /// All with that change.
    pub fn of(&self, change: Change) -> impl Iterator<Item = &'w Trial> {
        self.control.trials.iter().filter(move |trial| trial.change == change)
    }

    /// All of that variable.
    pub fn with(&self, variable: &str) -> impl Iterator<Item = &'w Trial> {
        self.control.trials.iter().filter(move |trial| trial.variable == variable)
    }

    /// Ports that the unchanged process opens.
    pub fn ports(&self) -> BTreeSet<u16> {
        ports(self.control)
    }

    /// Whether the process says in lines that it does not print otherwise which variable is wrong: by
    /// its name, however that is written and without its prefix, or by the value that it has now.
    pub fn says(&self, trial: &Trial) -> bool {
        let name: Vec<String> = words(&trial.variable).iter().map(|it| it.to_lowercase()).collect();
        let name = match name.as_slice() {
            // APP_PORT is `port` to most who speak of it.
            [_, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        };
        let value = trial.value.as_deref().filter(|_| trial.change == Change::Malformed);
        self.fresh(trial).any(|line| {
            let line = line.to_lowercase();
            value.is_some_and(|value| line.contains(value))
                || (!name.is_empty() && name.iter().all(|word| line.contains(word)))
        })
    }

    /// Lines that the unchanged process does not print; numbers and times differ from run to run.
    fn fresh<'t>(&self, trial: &'t Trial) -> impl Iterator<Item = &'t str> {
        let known: BTreeSet<String> =
            self.control.output.lines.iter().map(|line| shape(&line.text)).collect();
        let lines = trial.run.output.lines.iter().map(|line| line.text.as_str());
        lines.filter(move |line| !known.contains(&shape(line)))
    }

    /// Whether it is known that it came as far as the unchanged one: all that this printed, it printed, too. Of one that
    /// printed nothing that is not known.
    pub fn came_as_far(&self, trial: &Trial) -> bool {
        let printed: BTreeSet<String> =
            trial.run.output.lines.iter().map(|line| shape(&line.text)).collect();
        let mut lines = self.control.output.lines.iter().map(|line| shape(&line.text)).peekable();
        lines.peek().is_some() && lines.all(|line| printed.contains(&line))
    }

    /// Whether the change made a difference that can be seen from outside.
    pub fn differs(&self, trial: &Trial) -> bool {
        let run = &trial.run;
        // What a worker did not print yet it may print later.
        let came_up = self.worker
            || trial.change == Change::Other
            || (run.ready_us.is_some(), answers(run)) == (true, answers(self.control));
        !(trial.goes_on()
            && came_up
            && sockets(run) == sockets(self.control)
            && self.fresh(trial).next().is_none()
            && run.output.more == 0)
    }
}

impl Trial {
    /// Whether the process still ran when it had been seen enough of.
    pub fn goes_on(&self) -> bool {
        self.run.exit.as_ref().is_none_or(|exit| exit.killed)
    }

    /// Ports that it opened.
    pub fn ports(&self) -> BTreeSet<u16> {
        ports(&self.run)
    }

    /// What it printed last, for a report.
    pub fn last_line(&self) -> Option<String> {
        self.run.output.last_since(0).map(Line::shown)
    }
}

fn ports(phase: &Phase) -> BTreeSet<u16> {
    phase.listeners.iter().map(|listener| listener.port).collect()
}

fn sockets(phase: &Phase) -> BTreeSet<(IpAddr, u16)> {
    phase.listeners.iter().map(|listener| (listener.address, listener.port)).collect()
}

/// Whether the request behind the start got an answer that is no failure; none when there was no
/// request, or it only took too long.
pub fn answers(phase: &Phase) -> Option<bool> {
    match &phase.of(Purpose::Plain).next()?.outcome {
        Outcome::Answered { status, .. } => Some(*status < 500),
        Outcome::Reset { .. } | Outcome::Closed { .. } => Some(false),
        _ => None,
    }
}

/// A line without what differs from run to run: words with digits in them.
pub fn shape(text: &str) -> String {
    let mut shape = String::with_capacity(text.len());
    let (mut word, mut digits) = (String::new(), false);
    // The space at the end closes the last word.
    for c in text.chars().chain([' ']) {
        if c.is_alphanumeric() {
            digits |= c.is_ascii_digit();
            word.push(c);
            continue;
        }
        shape.push_str(if digits { "#" } else { &word });
        shape.push(c);
        word.clear();
        digits = false;
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_in_numbers_only_are_the_same() {
        let line = |time: &str, port: &str| {
            shape(&format!(r#"{{"time":"{time}","msg":"listening","addr":"[::]:{port}"}}"#))
        };
        let one = line("2026-11-23T10:00:00.123Z", "8080");
        assert_eq!(one, line("2026-11-23T10:00:07.9Z", "41234"));
        assert_ne!(one, line("2026-11-23T10:00:00.123Z", "abc"));
    }
}
