//! Logs in which the runtime wrote of itself. They are read piece by piece, and of their text only what a
//! process said of its end is kept.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use goformats::runtimelog::{
    Entry, GcCycle, Goroutine, Line, Processor, Reader, Runtime, SchedSample,
};

use super::crash::{Budget, Crashes, Kept};
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
        log.name(reader.streams());
        go_on(reader.counts().bytes)
    })?;
    reader.finish(&mut |line| log.take(&line));
    log.name(reader.streams());
    let (lives, more_lives, kept) = log.finish();
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
    /// The processes, and of which stream each is.
    lives: Vec<(Life, usize)>,
    more_lives: u64,
    streams: Vec<Stream>,
    names: Vec<Arc<str>>,
    budget: Budget,
}

/// One of those whose lines a log has.
#[derive(Default)]
struct Stream {
    /// Its process that writes now, among all; none when there were too many.
    life: Option<usize>,
    /// A sample whose details may follow.
    open: Option<(SchedSample, Mark)>,
    last_cycle: Option<GcCycle>,
    last_sample_ms: Option<u64>,
    crashes: Crashes,
}

impl Collector {
    /// Learns the names of streams, of which the first has none.
    fn name<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        self.names.extend(names.skip(self.names.len()).map(Arc::from).collect::<Vec<_>>());
    }

    fn take(&mut self, line: &Line<'_>) {
        if line.stream >= self.streams.len() {
            self.streams.resize_with(line.stream + 1, Stream::default);
        }
        let Some(stream) = self.streams.get_mut(line.stream) else { return };
        let entry = match &line.entry {
            Entry::Runtime(entry) => entry,
            Entry::Text(text) => {
                let place = (line.number, line.offset);
                stream.crashes.take(text, place, line.time, &mut self.budget);
                return;
            }
        };
        let mark = |at_ms| Mark { line: line.number, at_ms };
        match entry {
            Runtime::Gc(cycle) => self.cycle(line.stream, cycle, mark(cycle.at_ms)),
            Runtime::Sched(sample) => {
                self.close(line.stream);
                if let Some(stream) = self.streams.get_mut(line.stream) {
                    stream.open = Some((sample.clone(), mark(sample.at_ms)));
                }
            }
            Runtime::Processor(processor) => stream.processor(processor),
            Runtime::Goroutine(goroutine) => self.goroutine(line.stream, goroutine),
            Runtime::Thread(_)
            | Runtime::Scavenge(_)
            | Runtime::Init(_)
            | Runtime::Pacer(_)
            | Runtime::Scanned(_) => {}
        }
    }

    fn cycle(&mut self, at: usize, cycle: &GcCycle, mark: Mark) {
        // Cycles are numbered from 1, and their times only grow.
        let last = self.streams.get(at).and_then(|stream| stream.last_cycle);
        let anew = last.is_some_and(|last| cycle.number <= last.number || cycle.at_ms < last.at_ms);
        if let Some(life) = self.life(at, anew) {
            life.collections.get_or_insert_default().push(cycle, mark);
        }
        if let Some(stream) = self.streams.get_mut(at) {
            stream.last_cycle = Some(*cycle);
        }
    }

    /// The process of a stream that writes now; none when there were too many.
    fn life(&mut self, at: usize, anew: bool) -> Option<&mut Life> {
        let stream = self.streams.get_mut(at)?;
        if anew {
            stream.last_sample_ms = None;
            stream.last_cycle = None;
        }
        // Of one whose place was refused there is nothing, until it ends.
        let is_first =
            stream.life.is_none() && stream.last_cycle.is_none() && stream.last_sample_ms.is_none();
        if is_first || anew {
            stream.life = None;
            if self.lives.len() >= MOST_LIVES {
                self.more_lives += 1;
                return None;
            }
            stream.life = Some(self.lives.len());
            self.lives.push((Life::default(), at));
        }
        self.lives.get_mut(stream.life?).map(|(life, _)| life)
    }

    /// The open sample is whole.
    fn close(&mut self, at: usize) {
        let Some(stream) = self.streams.get_mut(at) else { return };
        let Some((sample, mark)) = stream.open.take() else { return };
        let anew = stream.last_sample_ms.is_some_and(|last| sample.at_ms < last);
        let at_ms = sample.at_ms;
        if let Some(life) = self.life(at, anew) {
            life.scheduler.get_or_insert_default().push(&sample, mark);
        }
        if let Some(stream) = self.streams.get_mut(at) {
            stream.last_sample_ms = Some(at_ms);
        }
    }

    fn finish(mut self) -> (Vec<Life>, u64, Kept) {
        (0..self.streams.len()).for_each(|at| self.close(at));
        let Self { lives, more_lives, streams, names, mut budget } = self;
        let name = |at: usize| names.get(at).filter(|_| at > 0).cloned();
        let lives = lives.into_iter().map(|(life, at)| Life { stream: name(at), ..life });
        let mut all = Kept::default();
        for (at, stream) in streams.into_iter().enumerate() {
            all.add(stream.crashes.finish(&mut budget), name(at));
        }
        (lives.collect(), more_lives, all)
    }

    fn goroutine(&mut self, at: usize, goroutine: &Goroutine) {
        // Details come behind the sample that they belong to.
        self.close(at);
        let life = self.streams.get(at).and_then(|stream| stream.life);
        let life = life.and_then(|at| self.lives.get_mut(at)).map(|(life, _)| life);
        let Some(scheduler) = life.and_then(|life| life.scheduler.as_mut()) else { return };
        scheduler.goroutine(goroutine.status, goroutine.locked_to.is_some());
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

impl Stream {
    fn processor(&mut self, processor: &Processor) {
        if let Some((sample, _)) = &mut self.open {
            sample.local.push(processor.runqsize);
        }
    }
}
