//! Two programs in turns, and one alone.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::peak;

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
    ours: Taken,
    theirs: Taken,
}

/// What one program took.
#[derive(Default)]
pub struct Taken {
    times: Vec<Duration>,
    /// Bytes, see [`peak::run`].
    memory: u64,
}

/// A peer that takes longer runs once.
const VERY_SLOW: Duration = Duration::from_secs(60);

impl Pair<'_> {
    /// One turn that warms files and measures memory, then `turns` that measure time.
    pub fn run(
        &self,
        turns: usize,
        ours: &mut dyn FnMut() -> Command,
        theirs: &mut dyn FnMut() -> Command,
    ) -> Result<Outcome> {
        let mut outcome = Outcome {
            work: self.work.to_owned(),
            budget: self.budget,
            peer: self.peer.to_owned(),
            ours: Taken { memory: peak::run(&mut ours())?, ..Taken::default() },
            theirs: Taken::default(),
        };
        let began = Instant::now();
        outcome.theirs.memory = peak::run(&mut theirs())?;
        let first = began.elapsed();
        let turns = if first > Duration::from_secs(5) { turns.div_ceil(2) } else { turns };
        // What takes minutes is told from its only run: a cold file is nothing to it.
        if first > VERY_SLOW {
            outcome.ours.times.push(time(ours())?);
            outcome.theirs.times.push(first);
            return Ok(outcome);
        }
        for turn in 0..turns {
            // Who goes first alternates, too.
            if turn % 2 == 0 {
                outcome.ours.times.push(time(ours())?);
                outcome.theirs.times.push(time(theirs())?);
            } else {
                outcome.theirs.times.push(time(theirs())?);
                outcome.ours.times.push(time(ours())?);
            }
        }
        Ok(outcome)
    }
}

/// One program alone: a turn that warms files and measures memory, then `turns` of time.
pub fn alone(turns: usize, command: &mut dyn FnMut() -> Command) -> Result<Taken> {
    let memory = peak::run(&mut command())?;
    let times = (0..turns).map(|_| time(command())).collect::<Result<_>>()?;
    Ok(Taken { times, memory })
}

impl Taken {
    /// The median time and the memory, as two cells of a table.
    pub fn cells(&self) -> String {
        format!("{} | {}", shown(median(&self.times)), megabytes(self.memory))
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
            self.ours.cells(),
            self.theirs.cells(),
            quotients[quotients.len() / 2],
            least.copied().unwrap_or_default(),
            most.copied().unwrap_or_default(),
            self.budget
        )
    }

    /// The same for the terminal.
    pub fn line(&self) -> String {
        let (ours, theirs) = (self.ours.cells(), self.theirs.cells());
        format!("{}: {ours}, {}: {theirs}", self.work, self.peer)
    }

    fn quotients(&self) -> Vec<f64> {
        let pairs = self.ours.times.iter().zip(&self.theirs.times);
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

fn megabytes(bytes: u64) -> String {
    if bytes == 0 { "-".to_owned() } else { format!("{} MB", bytes.div_ceil(1_000_000)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(ours: &[u64], theirs: &[u64]) -> Outcome {
        let taken = |list: &[u64], memory| Taken {
            times: list.iter().map(|ms| Duration::from_millis(*ms)).collect(),
            memory,
        };
        Outcome {
            work: "w".into(),
            budget: "<= 1",
            peer: "p".into(),
            ours: taken(ours, 7_500_000),
            theirs: taken(theirs, 0),
        }
    }

    #[test]
    fn the_quotient_is_that_of_each_turn() {
        // Both are slowed alike in the second turn: the quotient does not move.
        let outcome = outcome(&[10, 40, 10], &[20, 80, 40]);
        assert_eq!(outcome.quotients(), [0.25, 0.5, 0.5]);
        assert_eq!(
            outcome.row(),
            "| w | p | 10.0 ms | 8 MB | 40.0 ms | - | 0.500 (0.250 to 0.500) | <= 1 |\n"
        );
    }

    #[test]
    fn times_have_the_unit_that_reads_best() {
        assert_eq!(shown(Duration::from_micros(1_240)), "1.2 ms");
        assert_eq!(shown(Duration::from_millis(2_346)), "2.35 s");
    }
}
