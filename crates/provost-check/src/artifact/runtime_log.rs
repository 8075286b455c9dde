//! Logs in which the runtime wrote of itself. They are read piece by piece, and of their text only what a
//! process said of its end is kept.

mod processes;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Read};
use std::sync::Arc;

use goformats::runtimelog::{
    Entry, GcCycle, Goroutine, How, Line, Processor, Reader, Runtime, SchedSample,
};
use jiff::Timestamp;

use super::crash::{Budget, Crashes, Kept};
use super::pieces;
use crate::facts::SourceId;
use crate::facts::runtime_log::{Life, Mark, RuntimeLog, Untold};
use processes::{Id, Processes, Told};

/// Processes of a log of which something is kept.
pub const MOST_LIVES: usize = 64;
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
    let (lives, kept) = log.finish();
    let Lives { lives, more: more_lives, at_once, untold } = lives;
    Ok(RuntimeLog {
        source,
        counts: reader.counts(),
        lives,
        more_lives,
        at_once,
        untold,
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

/// What comes of it.
struct Lives {
    lives: Vec<Life>,
    more: u64,
    at_once: bool,
    untold: Option<Untold>,
}

/// One of those whose lines a log has.
#[derive(Default)]
struct Stream {
    processes: Processes,
    places: Places,
    /// A sample whose details may follow, and when it was written.
    open: Option<(SchedSample, Mark, Option<i64>)>,
    /// The process of the last sample, among all.
    sampled: Option<usize>,
    crashes: Crashes,
}

/// Which of all its processes are.
#[derive(Default)]
struct Places {
    known: HashMap<Id, usize>,
    /// The last one for which there was no place.
    refused: Id,
    /// Those whose lines cannot be told apart, how many there are in all, and the first line.
    untold: BTreeSet<usize>,
    untold_count: u64,
    untold_from: Option<u64>,
}

impl Places {
    fn of(
        &mut self,
        id: Id,
        stream: usize,
        lives: &mut Vec<(Life, usize)>,
        more: &mut u64,
    ) -> Option<usize> {
        if let Some(at) = self.known.get(&id) {
            return Some(*at);
        }
        if lives.len() >= MOST_LIVES {
            *more += u64::from(id > self.refused);
            self.refused = self.refused.max(id);
            return None;
        }
        lives.push((Life::default(), stream));
        self.known.insert(id, lives.len() - 1);
        Some(lives.len() - 1)
    }

    /// Takes note of those whose lines cannot be told apart.
    fn leave_out(&mut self, untold: &mut Vec<(Id, u64)>) {
        for (id, line) in untold.drain(..) {
            let place = self.known.get(&id);
            if place.is_none_or(|at| self.untold.insert(*at)) {
                self.untold_count = self.untold_count.saturating_add(1);
            }
            self.untold_from = Some(self.untold_from.map_or(line, |from| from.min(line)));
        }
    }

    fn push(
        &mut self,
        (id, cycle, mark): &Told,
        stream: usize,
        lives: &mut Vec<(Life, usize)>,
        more: &mut u64,
    ) {
        let at = self.of(*id, stream, lives, more);
        if let Some((life, _)) = at.and_then(|at| lives.get_mut(at)) {
            life.collections.get_or_insert_default().push(cycle, *mark);
        }
    }
}

/// When a line was written, in milliseconds.
fn written(line: &Line<'_>) -> Option<i64> {
    Some(line.time?.parse::<Timestamp>().ok()?.as_millisecond())
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
        stream.processes.torn |= line.how == How::Joined;
        let mark = |at_ms| Mark { line: line.number, at_ms };
        match entry {
            Runtime::Gc(cycle) => {
                self.cycle(line.stream, cycle, mark(cycle.at_ms), written(line));
            }
            Runtime::Sched(sample) => {
                self.close(line.stream);
                if let Some(stream) = self.streams.get_mut(line.stream) {
                    stream.open = Some((sample.clone(), mark(sample.at_ms), written(line)));
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

    fn cycle(&mut self, at: usize, cycle: &GcCycle, mark: Mark, written: Option<i64>) {
        let Self { lives, more_lives, streams, .. } = self;
        let Some(Stream { processes, places, .. }) = streams.get_mut(at) else { return };
        let push = &mut |told| places.push(&told, at, lives, more_lives);
        processes.cycle(cycle, mark, written, push);
        places.leave_out(&mut processes.untold);
    }

    /// The open sample is whole.
    fn close(&mut self, at: usize) {
        let Self { lives, more_lives, streams, .. } = self;
        let Some(Stream { processes, places, open, sampled, .. }) = streams.get_mut(at) else {
            return;
        };
        let Some((sample, mark, written)) = open.take() else { return };
        let push = &mut |told| places.push(&told, at, lives, more_lives);
        let id = processes.sample(&sample, mark.line, written, push);
        *sampled = places.of(id, at, lives, more_lives);
        places.leave_out(&mut processes.untold);
        if let Some((life, _)) = sampled.and_then(|at| lives.get_mut(at)) {
            life.scheduler.get_or_insert_default().push(&sample, mark);
        }
    }

    fn finish(mut self) -> (Lives, Kept) {
        for at in 0..self.streams.len() {
            self.close(at);
            let Self { lives, more_lives, streams, .. } = &mut self;
            let Some(Stream { processes, places, .. }) = streams.get_mut(at) else { continue };
            processes.finish(&mut |told| places.push(&told, at, lives, more_lives));
            places.leave_out(&mut processes.untold);
        }
        let Self { lives, more_lives, streams, names, mut budget } = self;
        let at_once = streams.iter().any(|stream| stream.processes.at_once);
        let mut left_out: BTreeSet<usize> = BTreeSet::new();
        let mut untold: Option<Untold> = None;
        for places in streams.iter().map(|stream| &stream.places) {
            left_out.extend(&places.untold);
            if let Some(line) = places.untold_from {
                let all = untold.get_or_insert(Untold { processes: 0, line });
                all.processes = all.processes.saturating_add(places.untold_count);
                all.line = all.line.min(line);
            }
        }
        let name = |at: usize| names.get(at).filter(|_| at > 0).cloned();
        let lives = lives.into_iter().enumerate().filter(|(at, _)| !left_out.contains(at));
        let lives = lives.map(|(_, (life, at))| Life { stream: name(at), ..life });
        // What was held back until it was known whose it is comes late.
        let mut lives: Vec<Life> = lives.collect();
        if at_once {
            lives.sort_by_key(Life::line);
        }
        let mut all = Kept::default();
        for (at, stream) in streams.into_iter().enumerate() {
            all.add(stream.crashes.finish(&mut budget), name(at));
        }
        (Lives { lives, more: more_lives, at_once, untold }, all)
    }

    fn goroutine(&mut self, at: usize, goroutine: &Goroutine) {
        // Details come behind the sample that they belong to.
        self.close(at);
        let stream = self.streams.get(at).filter(|stream| !stream.processes.at_once);
        let life = stream.and_then(|stream| stream.sampled);
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
        if let Some((sample, ..)) = self.open.as_mut().filter(|_| !self.processes.at_once) {
            sample.local.push(processor.runqsize);
        }
    }
}
