//! Logs in which the runtime wrote of itself. They are read piece by piece, and of their text only what a
//! process said of its end is kept.

use std::collections::BTreeMap;
use std::io::{self, Read};

use goformats::runtimelog::{
    Entry, GcCycle, Goroutine, Line, Processor, Reader, Runtime, SchedSample,
};

use super::crash::Crashes;
use super::pieces;
use crate::facts::SourceId;
use crate::facts::runtime_log::{Life, Mark, RuntimeLog};

/// Processes of a log of which something is kept.
const MOST_LIVES: usize = 64;
/// Reasons to wait of one sample; Go knows some fifty.
const MOST_REASONS: usize = 128;

/// Reads a log to its end, or until `go_on` says no.
///
/// # Errors
/// When it cannot be read.
pub fn read(
    source: SourceId,
    from: impl Read,
    go_on: &dyn Fn(u64) -> bool,
) -> io::Result<RuntimeLog> {
    let mut reader = Reader::default();
    let mut log = Collector::default();
    pieces::each(from, |piece| {
        reader.push(piece, &mut |line| log.take(&line));
        go_on(reader.counts().bytes)
    })?;
    reader.finish(&mut |line| log.take(&line));
    log.close();
    let Collector { lives, more_lives, crashes, .. } = log;
    let kept = crashes.finish();
    Ok(RuntimeLog {
        source,
        counts: reader.counts(),
        lives,
        more_lives,
        dumps: kept.dumps,
        more_dumps: kept.more_dumps,
        recovered: kept.recovered,
    })
}

/// Puts entries where they belong.
#[derive(Default)]
struct Collector {
    lives: Vec<Life>,
    more_lives: u64,
    /// A sample whose details may follow.
    open: Option<(SchedSample, Mark)>,
    last_cycle: Option<GcCycle>,
    last_sample_ms: Option<u64>,
    crashes: Crashes,
}

impl Collector {
    fn take(&mut self, line: &Line<'_>) {
        let entry = match &line.entry {
            Entry::Runtime(entry) => entry,
            Entry::Text(text) => {
                self.crashes.take(text, (line.number, line.offset), line.time);
                return;
            }
        };
        let mark = |at_ms| Mark { line: line.number, at_ms };
        match entry {
            Runtime::Gc(cycle) => self.cycle(cycle, mark(cycle.at_ms)),
            Runtime::Sched(sample) => {
                self.close();
                self.open = Some((sample.clone(), mark(sample.at_ms)));
            }
            Runtime::Processor(processor) => self.processor(processor),
            Runtime::Goroutine(goroutine) => self.goroutine(goroutine),
            Runtime::Thread(_)
            | Runtime::Scavenge(_)
            | Runtime::Init(_)
            | Runtime::Pacer(_)
            | Runtime::Scanned(_) => {}
        }
    }

    fn cycle(&mut self, cycle: &GcCycle, mark: Mark) {
        // Cycles are numbered from 1, and their times only grow.
        let anew = self
            .last_cycle
            .is_some_and(|last| cycle.number <= last.number || cycle.at_ms < last.at_ms);
        if let Some(life) = self.life(anew) {
            life.collections.get_or_insert_default().push(cycle, mark);
        }
        self.last_cycle = Some(*cycle);
    }

    /// The process that writes now; none when there were too many.
    fn life(&mut self, anew: bool) -> Option<&mut Life> {
        if anew {
            self.last_sample_ms = None;
            self.last_cycle = None;
        }
        if self.lives.is_empty() || anew {
            if self.lives.len() >= MOST_LIVES {
                self.more_lives += 1;
                return None;
            }
            self.lives.push(Life::default());
        }
        if self.more_lives > 0 { None } else { self.lives.last_mut() }
    }

    /// The open sample is whole.
    fn close(&mut self) {
        let Some((sample, mark)) = self.open.take() else { return };
        let anew = self.last_sample_ms.is_some_and(|last| sample.at_ms < last);
        let at_ms = sample.at_ms;
        if let Some(life) = self.life(anew) {
            life.scheduler.get_or_insert_default().push(&sample, mark);
        }
        self.last_sample_ms = Some(at_ms);
    }

    fn processor(&mut self, processor: &Processor) {
        if let Some((sample, _)) = &mut self.open {
            sample.local.push(processor.runqsize);
        }
    }

    fn goroutine(&mut self, goroutine: &Goroutine) {
        // Details come behind the sample that they belong to.
        self.close();
        let life = self.lives.last_mut().filter(|_| self.more_lives == 0);
        let Some(scheduler) = life.and_then(|life| life.scheduler.as_mut()) else { return };
        // `_Grunnable`, which `_Gscan` may be added to.
        scheduler.goroutine(goroutine.status & 0xfff == 1, goroutine.locked_to.is_some());
        if goroutine.wait_reason.is_empty() {
            return;
        }
        let count = |of: &mut BTreeMap<String, u64>| {
            if of.len() < MOST_REASONS || of.contains_key(&goroutine.wait_reason) {
                *of.entry(goroutine.wait_reason.clone()).or_default() += 1;
            }
        };
        count(&mut scheduler.waiting);
        if goroutine.locked_to.is_some() {
            count(&mut scheduler.locked);
        }
    }
}
