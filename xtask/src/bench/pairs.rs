//! Two programs in turns.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// What is compared.
pub struct Pair<'a> {
    pub work: &'a str,
    /// The quotient that design asks for, as text.
    pub budget: &'static str,
    pub peer: &'a str,
}

/// The times of each turn.
pub struct Outcome {
    work: String,
    budget: &'static str,
    peer: String,
    ours: Vec<Duration>,
    theirs: Vec<Duration>,
}

/// A peer that takes longer runs once.
const VERY_SLOW: Duration = Duration::from_secs(60);

impl Pair<'_> {
    /// One unmeasured turn to warm files and to see that both run, then `turns` measured ones.
    pub fn run(
        &self,
        turns: usize,
        ours: &mut dyn FnMut() -> Command,
        theirs: &mut dyn FnMut() -> Command,
    ) -> Result<Outcome> {
        super::runs(&mut ours())?;
        let began = Instant::now();
        super::runs(&mut theirs())?;
        let first = began.elapsed();
        let turns = if first > Duration::from_secs(5) { turns.div_ceil(2) } else { turns };
        let mut outcome = Outcome {
            work: self.work.to_owned(),
            budget: self.budget,
            peer: self.peer.to_owned(),
            ours: Vec::new(),
            theirs: Vec::new(),
        };
        // What takes minutes is told from its only run: a cold file is nothing to it.
        if first > VERY_SLOW {
            outcome.ours.push(time(ours())?);
            outcome.theirs.push(first);
            return Ok(outcome);
        }
        for turn in 0..turns {
            // Who goes first alternates, too.
            if turn % 2 == 0 {
                outcome.ours.push(time(ours())?);
                outcome.theirs.push(time(theirs())?);
            } else {
                outcome.theirs.push(time(theirs())?);
                outcome.ours.push(time(ours())?);
            }
        }
        Ok(outcome)
    }
}

impl Outcome {
    /// A row of the table.
    pub fn row(&self) -> String {
        let quotients = self.quotients();
        let (least, most) = (quotients.first(), quotients.last());
        format!(
            "| {} | {} | {} | {} | {:.3} ({:.3} to {:.3}) | {} |\n",
            self.work,
            self.peer,
            shown(median(&self.ours)),
            shown(median(&self.theirs)),
            quotients[quotients.len() / 2],
            least.copied().unwrap_or_default(),
            most.copied().unwrap_or_default(),
            self.budget
        )
    }

    /// The same for the terminal.
    pub fn line(&self) -> String {
        let (ours, theirs) = (shown(median(&self.ours)), shown(median(&self.theirs)));
        format!("{}: {ours}, {} {theirs}", self.work, self.peer)
    }

    fn quotients(&self) -> Vec<f64> {
        let pairs = self.ours.iter().zip(&self.theirs);
        let mut all: Vec<f64> = pairs.map(|(a, b)| a.as_secs_f64() / b.as_secs_f64()).collect();
        all.sort_by(f64::total_cmp);
        all
    }
}

fn time(mut command: Command) -> Result<Duration> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    command.status().context("a program that ran before runs no more")?;
    Ok(began.elapsed())
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2]
}

fn shown(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.2} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(ours: &[u64], theirs: &[u64]) -> Outcome {
        let times = |list: &[u64]| list.iter().map(|ms| Duration::from_millis(*ms)).collect();
        Outcome {
            work: "w".into(),
            budget: "<= 1",
            peer: "p".into(),
            ours: times(ours),
            theirs: times(theirs),
        }
    }

    #[test]
    fn the_quotient_is_that_of_each_turn() {
        // Both are slowed alike in the second turn: the quotient does not move.
        let outcome = outcome(&[10, 40, 10], &[20, 80, 40]);
        assert_eq!(outcome.quotients(), [0.25, 0.5, 0.5]);
        assert_eq!(
            outcome.row(),
            "| w | p | 10.0 ms | 40.0 ms | 0.500 (0.250 to 0.500) | <= 1 |\n"
        );
    }

    #[test]
    fn times_have_the_unit_that_reads_best() {
        assert_eq!(shown(Duration::from_micros(1_240)), "1.2 ms");
        assert_eq!(shown(Duration::from_millis(2_346)), "2.35 s");
    }
}
