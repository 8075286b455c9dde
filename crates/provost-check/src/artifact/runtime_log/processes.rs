//! Which process a line of the runtime's is of, where nothing names it: `kubectl logs -l app=x` shows several pods in one
//! log, and a program's children write into that of their parent.
//!
//! A process numbers its collections from 1 and prints since when it runs. The live heap is what was marked, and grows
//! until the next collection begins (`resetLive`, runtime/mgcpacer.go), so that a cycle begins with no less than the one
//! before it left; what all of them have taken of the CPU never becomes less; and as much time as passed between two lines
//! of another process has passed for each. Samples of the scheduler come no sooner
//! than their period (`sysmon`, runtime/proc.go). So a line goes on after some others and not after the rest. Where it may
//! go on after several, goals, Ps and clocks choose; where these do not either, nothing is told of any of them.

mod sampled;

use std::ops::RangeInclusive;

use goformats::runtimelog::{GcCycle, SchedSample};

use self::sampled::Sampled;
use crate::facts::runtime_log::{Mark, marked};

/// Processes that may go on.
const MOST_OPEN: usize = 32;
/// A process that was started anew begins with the first of its collections, or, where lines were lost, soon.
const BEGINS: u64 = 2;
/// Collections whose lines a log may well have lost, where some of its lines were torn.
const MOST_TORN: u64 = 8;
/// Lines of which it is not decided yet whether they are of the process before them.
const MOST_HELD: usize = 64;
/// Milliseconds by which a log may be late, and by which two of its lines say that they are of one process.
const LATE: u64 = 3000;
const NEAR: u64 = 250;
/// Goals without which a GOGC is not known.
const AGREED: u32 = 4;
/// Milliseconds by which two processes may be late with a line.
const DELAY: u64 = 200;

/// A process of a stream, by its number.
pub(super) type Id = u64;

/// A cycle that is told of a process.
pub(super) type Told = (Id, GcCycle, Mark);

/// The processes of one stream.
#[derive(Debug, Default)]
pub(super) struct Processes {
    open: Vec<Open>,
    current: usize,
    /// That of the last cycle.
    last: Option<Id>,
    lines: u64,
    ids: Id,
    /// Lines of it were torn, so that others may be lost.
    pub(super) torn: bool,
    /// One has gone on behind another.
    pub(super) at_once: bool,
    /// Those of which it was found that it is not known who wrote what, and the line with which that began; who takes
    /// the lines empties it.
    pub(super) untold: Vec<(Id, u64)>,
}

/// A process that may go on.
#[derive(Debug, Default)]
struct Open {
    id: Id,
    first: u64,
    last_cycle: Option<GcCycle>,
    last_sample: Option<Sampled>,
    /// GOMAXPROCS of the last line.
    procs: u64,
    /// When it was started, by the clock of who kept the log: milliseconds.
    started: Option<i64>,
    /// GOGC, as far as its goals agree, and how many of them, one behind the other.
    gogc: Option<(u64, u64)>,
    agreed: u32,
    /// Behind this one lines are missing, or it is another process that begins with a later number.
    held: Option<Held>,
    /// Numbers whose lines are taken to be lost.
    skipped: (u64, u64),
    /// The others that have collected since its last collection, and when each began to: milliseconds.
    others: Vec<(Id, u64)>,
    /// When it wrote last, among all lines of the stream.
    written: u64,
    /// The line from which on it is not known what is its.
    mixed: Option<u64>,
}

#[derive(Debug)]
struct Held {
    after: Id,
    cycles: Vec<(GcCycle, Mark)>,
    /// A sample came meanwhile, which may be of either.
    sampled: bool,
}

/// Whose a line is.
enum Whose {
    /// That of one which goes on.
    Known(usize),
    /// That of one which goes on if lines are missing, or else of one which begins.
    Behind(usize),
    /// That of one which begins.
    New,
    /// That of any of these.
    Any(Vec<usize>),
}

impl Processes {
    /// Takes a cycle, and gives those of which it is known now whose they are. `written` is when its line was, in
    /// milliseconds.
    pub(super) fn cycle(
        &mut self,
        cycle: &GcCycle,
        mark: Mark,
        written: Option<i64>,
        each: &mut impl FnMut(Told),
    ) {
        let clock = &cycle.clock;
        let took = [clock.sweep_termination, clock.mark, clock.mark_termination];
        let took = took.iter().map(|term| term.nanos).fold(0, u64::saturating_add) / 1_000_000;
        let age = i64::try_from(cycle.at_ms.saturating_add(took)).ok();
        let started = written.zip(age).and_then(|(at, age)| at.checked_sub(age));
        self.lines += 1;
        let at = match self.whose_cycle(cycle, started) {
            Whose::Known(at) => at,
            Whose::Any(all) => self.any(&all, mark.line),
            Whose::New => {
                let is_told =
                    |open: &Open| (open.skipped.0..open.skipped.1).contains(&cycle.number);
                // A line that was taken to be lost: what was told behind it may be another's.
                let told: Vec<Id> =
                    self.open.iter().filter(|open| is_told(open)).map(|open| open.id).collect();
                told.into_iter().for_each(|id| self.mix(id, mark.line));
                self.begin(cycle.number)
            }
            Whose::Behind(before) => {
                let after = self.open.get(before).map_or(0, |open| open.id);
                let at = self.begin(cycle.number);
                if let Some(open) = self.open.get_mut(at) {
                    open.held = Some(Held { after, cycles: Vec::new(), sampled: false });
                }
                at
            }
        };
        let is_same = self.current == at && self.last == self.open.get(at).map(|open| open.id);
        self.current = at;
        self.part_from(at, mark.line, each);
        let lines = self.lines;
        let Some(open) = self.open.get_mut(at) else { return };
        open.go_on(cycle, started, lines);
        let id = open.id;
        self.last = Some(id);
        // One that wrote the line before as well is known to the others.
        for other in self.open.iter_mut().filter(|other| !is_same && other.id != id) {
            if !other.others.iter().any(|(known, _)| *known == id) {
                other.others.push((id, cycle.at_ms));
            }
        }
        let Some(open) = self.open.get_mut(at) else { return };
        match &mut open.held {
            None => each((open.id, *cycle, mark)),
            Some(held) => {
                held.cycles.push((*cycle, mark));
                if held.cycles.len() >= MOST_HELD {
                    self.join(at, each);
                }
            }
        }
    }

    /// Takes a sample of the scheduler, and gives its process.
    pub(super) fn sample(
        &mut self,
        sample: &SchedSample,
        line: u64,
        written: Option<i64>,
        each: &mut impl FnMut(Told),
    ) -> Id {
        self.lines += 1;
        let mut at = match self.whose_sample(sample) {
            Whose::Known(at) | Whose::Behind(at) => at,
            Whose::Any(all) => self.any(&all, line),
            Whose::New => self.begin(0),
        };
        // As long as it is not decided who wrote last, it is the one before.
        if let Some(held) = self.open.get_mut(at).and_then(|open| open.held.as_mut()) {
            held.sampled = true;
            let after = held.after;
            at = self.open.iter().position(|open| open.id == after).unwrap_or(at);
        } else if self
            .open
            .get(self.current)
            .and_then(|it| it.held.as_ref())
            .is_none_or(|held| self.open.get(at).is_none_or(|open| open.id != held.after))
        {
            self.current = at;
            self.part_from(at, line, each);
        }
        let lines = self.lines;
        let age = i64::try_from(sample.at_ms).ok();
        let started = written.zip(age).and_then(|(at, age)| at.checked_sub(age));
        let Some(open) = self.open.get_mut(at) else { return 0 };
        open.written = lines;
        open.procs = sample.gomaxprocs;
        open.started = open.started.or(started);
        let last = match open.last_sample {
            Some(last) => last.then(sample.at_ms),
            None => Sampled::first(sample.at_ms),
        };
        open.last_sample = Some(last);
        let id = open.id;
        if last.is_in_turns() {
            self.at_once = true;
            self.mix(id, line);
        }
        id
    }

    /// The log is at its end: what was held back is of the process before it.
    pub(super) fn finish(&mut self, each: &mut impl FnMut(Told)) {
        while let Some(at) = self.open.iter().position(|open| open.held.is_some()) {
            self.join(at, each);
        }
    }

    fn begin(&mut self, number: u64) -> usize {
        if self.open.len() >= MOST_OPEN {
            self.forget();
        }
        self.ids += 1;
        self.open.push(Open { id: self.ids, first: number, ..Open::default() });
        self.open.len() - 1
    }

    /// The one that has written nothing for the longest time will write no more.
    fn forget(&mut self) {
        let is_needed = |id: Id| {
            let mut held = self.open.iter().filter_map(|open| open.held.as_ref());
            held.any(|held| held.after == id)
        };
        let may_go = |open: &&Open| open.held.is_none() && !is_needed(open.id);
        let oldest = self.open.iter().filter(may_go).min_by_key(|open| open.written);
        let Some(id) = oldest.map(|open| open.id) else { return };
        self.open.retain(|open| open.id != id);
        self.open.iter_mut().for_each(|open| open.others.retain(|(other, _)| *other != id));
    }

    fn mix(&mut self, id: Id, line: u64) {
        let open = self.open.iter_mut().find(|open| open.id == id);
        if let Some(open) = open.filter(|open| open.mixed.is_none()) {
            open.mixed = Some(line);
            self.untold.push((id, line));
        }
    }

    /// It is not known which of these: the numbers of one go on, whichever it is.
    fn any(&mut self, all: &[usize], line: u64) -> usize {
        let ids = all.iter().filter_map(|at| self.open.get(*at)).map(|open| open.id);
        let ids: Vec<Id> = ids.collect();
        ids.into_iter().for_each(|id| self.mix(id, line));
        let latest = |at: &&usize| self.open.get(**at).map(|open| open.written);
        all.iter().max_by_key(latest).copied().unwrap_or_default()
    }

    /// A process goes on: what was held back behind it is another's.
    fn part_from(&mut self, at: usize, line: u64, each: &mut impl FnMut(Told)) {
        let Some(id) = self.open.get(at).map(|open| open.id) else { return };
        let mut mixed = Vec::new();
        for open in &mut self.open {
            let Some(held) = open.held.take_if(|held| held.after == id) else { continue };
            self.at_once = true;
            if held.sampled {
                mixed.extend([id, open.id]);
            }
            held.cycles.into_iter().for_each(|(cycle, mark)| each((open.id, cycle, mark)));
            // It has a place only now.
            self.untold.extend(open.mixed.map(|line| (open.id, line)));
        }
        mixed.into_iter().for_each(|id| self.mix(id, line));
    }

    /// What was held back is of the process before it, of which lines are missing.
    fn join(&mut self, at: usize, each: &mut impl FnMut(Told)) {
        let Some(open) = self.open.get_mut(at) else { return };
        let Some(held) = open.held.take() else { return };
        let own = open.id;
        open.id = held.after;
        self.untold.extend(open.mixed.map(|line| (held.after, line)));
        let first = held.cycles.first().map_or(0, |(cycle, _)| cycle.number);
        held.cycles.into_iter().for_each(|(cycle, mark)| each((held.after, cycle, mark)));
        let before = self.open.iter().enumerate();
        let before = before.filter(|(n, open)| *n != at && open.id == held.after).map(|(n, _)| n);
        if let Some(before) = before.min() {
            let old = self.open.remove(before);
            self.current = self.current.saturating_sub(usize::from(self.current > before));
            let at = at - usize::from(at > before);
            if let Some(open) = self.open.get_mut(at) {
                open.skipped = (old.last_cycle.map_or(first, |last| last.number + 1), first);
                open.first = old.first;
                open.last_sample = open.last_sample.or(old.last_sample);
                open.started = open.started.or(old.started);
            }
        }
        // Whom it was held back behind has another number now.
        for open in self.open.iter_mut().filter_map(|open| open.held.as_mut()) {
            if open.after == own {
                open.after = held.after;
            }
        }
    }

    fn whose_cycle(&mut self, cycle: &GcCycle, started: Option<i64>) -> Whose {
        let current = self.current.min(self.open.len().saturating_sub(1));
        let Some(own) = self.open.get(current) else { return Whose::New };
        // Of a process that only its samples tell of so far.
        if own.last_cycle.is_none() && self.open.len() == 1 {
            return Whose::Known(current);
        }
        let all = || self.open.iter().enumerate();
        let is_next = |open: &Open| open.is_next(cycle) && self.is_in_time(open, cycle);
        let next: Vec<usize> = all().filter(|(_, it)| is_next(it)).map(|(at, _)| at).collect();
        let is_later = |open: &Open| open.is_later(cycle, started) && self.is_in_time(open, cycle);
        // What goes on after it may be another's that begins; whether it writes again decides.
        let behind = |at: usize| {
            let Some(open) = self.open.get(at) else { return Whose::New };
            let is_torn =
                self.torn && open.lost(cycle).is_some_and(|lost| (1..=MOST_TORN).contains(&lost));
            match open.held.is_some() || is_torn {
                true => Whose::Known(at),
                false => Whose::Behind(at),
            }
        };
        let as_before =
            |at: usize| self.open.get(at).is_some_and(|it| it.is_as_before(cycle, started));
        match next.as_slice() {
            [] if !self.at_once && is_later(own) => behind(current),
            [] if !self.at_once => Whose::New,
            [] => {
                let near = |open: &Open| {
                    let lost = open.lost(cycle).unwrap_or(u64::MAX);
                    lost <= MOST_TORN || lost.saturating_mul(8) <= cycle.number
                };
                let later = all().filter(|(_, open)| near(open) && is_later(open));
                match self.chosen(later.map(|(at, _)| at).collect(), cycle, started) {
                    Whose::Known(at) => behind(at),
                    other => other,
                }
            }
            // Of one that was started anew a line may be missing, or the one before it goes on.
            [one]
                if *one != current
                    && !self.at_once
                    && own.lost(cycle) == Some(1)
                    && own.first <= BEGINS
                    && is_later(own) =>
            {
                behind(current)
            }
            [one] if !as_before(*one) => behind(*one),
            [one] => {
                self.at_once |= *one != current;
                Whose::Known(*one)
            }
            _ if !self.at_once && next.contains(&current) => Whose::Known(current),
            _ => {
                self.at_once = true;
                self.chosen(next, cycle, started)
            }
        }
    }

    /// As much time has passed for a process as between two lines of another since its last.
    fn is_in_time(&self, open: &Open, cycle: &GcCycle) -> bool {
        let Some(last) = open.last_cycle else { return true };
        let own = cycle.at_ms.saturating_sub(last.at_ms).saturating_add(DELAY);
        open.others.iter().all(|(id, from)| {
            let other = self.open.iter().find(|other| other.id == *id);
            let last = other.and_then(|other| other.last_cycle);
            last.is_none_or(|last| last.at_ms.saturating_sub(*from) <= own)
        })
    }

    /// One of those that a cycle may go on after.
    fn chosen(&self, mut all: Vec<usize>, cycle: &GcCycle, started: Option<i64>) -> Whose {
        let mut keep = |fits: &dyn Fn(&Open) -> bool| {
            let fit = all.iter().copied().filter(|at| self.open.get(*at).is_some_and(fits));
            let fit: Vec<usize> = fit.collect();
            if !fit.is_empty() {
                all = fit;
            }
        };
        if let Some(started) = started {
            keep(&|open| open.started.is_none_or(|at| at.abs_diff(started) <= NEAR));
        }
        keep(&|open| open.procs == cycle.procs);
        keep(&|open| open.explains_goal(cycle));
        keep(&|open| open.explains_share(cycle));
        match all.as_slice() {
            [] => Whose::New,
            [one] => Whose::Known(*one),
            _ => Whose::Any(all),
        }
    }

    fn whose_sample(&mut self, sample: &SchedSample) -> Whose {
        let current = self.current.min(self.open.len().saturating_sub(1));
        let Some(own) = self.open.get(current) else { return Whose::New };
        let all = || self.open.iter().enumerate();
        let of = |is: &dyn Fn(&Open) -> bool| -> Vec<usize> {
            all().filter(|(_, open)| is(open)).map(|(at, _)| at).collect()
        };
        let after = own.held.as_ref().map(|held| held.after);
        let is_own = |at: usize| {
            at == current || self.open.get(at).is_some_and(|open| Some(open.id) == after)
        };
        let goes_on = own.may_take(sample);
        let on_time = of(&|open| open.is_on_time(sample));
        match on_time.as_slice() {
            [] if !self.at_once && goes_on => Whose::Known(current),
            [] if !self.at_once => {
                // None comes sooner than the period, of a process that was not started anew.
                let too_soon = own.last_sample.is_some_and(|last| sample.at_ms > last.at_ms);
                self.at_once |= too_soon;
                Whose::New
            }
            [] => {
                match of(&|open| open.last_sample.is_some() && open.may_take(sample)).as_slice() {
                    [] => Whose::New,
                    [one] => Whose::Known(*one),
                    all => Whose::Any(all.to_vec()),
                }
            }
            [one] if is_own(*one) => Whose::Known(*one),
            [one] => {
                self.at_once = true;
                Whose::Known(*one)
            }
            all if !self.at_once && all.iter().any(|at| is_own(*at)) => {
                Whose::Known(all.iter().copied().find(|at| is_own(*at)).unwrap_or(current))
            }
            all => {
                self.at_once = true;
                let same = all.iter().copied().filter(|at| {
                    self.open.get(*at).is_some_and(|open| open.procs == sample.gomaxprocs)
                });
                match same.collect::<Vec<_>>().as_slice() {
                    [one] => Whose::Known(*one),
                    _ => Whose::Any(on_time),
                }
            }
        }
    }
}

impl Open {
    fn go_on(&mut self, cycle: &GcCycle, started: Option<i64>, lines: u64) {
        let last = self.last_cycle.filter(|last| last.number.saturating_add(1) == cycle.number);
        if let Some(last) = last.filter(|_| cycle.heap.has_roots()) {
            let percents = percents(&last, cycle);
            let (least, most) = self.gogc.unwrap_or((0, u64::MAX));
            let both = (least.max(*percents.start()), most.min(*percents.end()));
            // It was changed, or is a limit's.
            let alone = (*percents.start(), *percents.end());
            (self.gogc, self.agreed) = match both.0 <= both.1 {
                true => (Some(both), self.agreed.saturating_add(1)),
                false => (Some(alone), 0),
            };
        }
        self.others.clear();
        self.last_cycle = Some(*cycle);
        self.procs = cycle.procs;
        self.started = started.or(self.started);
        self.written = lines;
    }

    /// A cycle may be the one behind its last.
    fn is_next(&self, cycle: &GcCycle) -> bool {
        let Some(last) = &self.last_cycle else { return false };
        let grown = cycle.heap.at_start.saturating_add(1) >= last.heap.live;
        cycle.number == last.number.saturating_add(1) && grown && self.is_after(cycle)
    }

    /// A cycle may be one of its, behind others whose lines are not in the log.
    fn is_later(&self, cycle: &GcCycle, started: Option<i64>) -> bool {
        let Some(last) = &self.last_cycle else { return false };
        let clocks = self.started.zip(started);
        let is_late = clocks.is_some_and(|(a, b)| a.abs_diff(b) > LATE);
        let is_after = self.is_after(cycle) && self.has_taken(cycle);
        cycle.number > last.number.saturating_add(1) && !is_late && is_after
    }

    /// Time goes on.
    fn is_after(&self, cycle: &GcCycle) -> bool {
        self.last_cycle.is_none_or(|last| cycle.at_ms >= last.at_ms)
    }

    /// What all collections took of the CPU does not become less.
    fn has_taken(&self, cycle: &GcCycle) -> bool {
        let Some(last) = &self.last_cycle else { return true };
        let taken = |percent: u64, of: &GcCycle| u128::from(percent) * u128::from(of.at_ms);
        // Percentages are cut off; those of the first milliseconds are of times that are, too.
        let is_told = last.procs == cycle.procs && last.at_ms >= 1000;
        !is_told
            || taken(cycle.cpu_percent.saturating_add(2), cycle) >= taken(last.cpu_percent, last)
    }

    /// Nothing else speaks against its having written a cycle either.
    fn is_as_before(&self, cycle: &GcCycle, started: Option<i64>) -> bool {
        let is_near = self.started.zip(started).is_none_or(|(a, b)| a.abs_diff(b) <= NEAR);
        let is_like = self.procs == cycle.procs && self.explains_goal(cycle);
        is_near && is_like && self.explains_share(cycle)
    }

    /// Cycles between its last one and that.
    fn lost(&self, cycle: &GcCycle) -> Option<u64> {
        cycle.number.checked_sub(self.last_cycle?.number)?.checked_sub(1)
    }

    /// Its GOGC explains the goal.
    fn explains_goal(&self, cycle: &GcCycle) -> bool {
        let (Some(last), Some((least, most))) = (&self.last_cycle, self.gogc) else { return true };
        if self.lost(cycle) != Some(0) || !cycle.heap.has_roots() || self.agreed < AGREED {
            return true;
        }
        let percents = percents(last, cycle);
        *percents.start().max(&least) <= *percents.end().min(&most)
    }

    /// The percentage is what it was, with this cycle's part (`gc_cpu_fraction`, runtime/mgc.go).
    fn explains_share(&self, cycle: &GcCycle) -> bool {
        let Some(last) = self.last_cycle.filter(|_| self.lost(cycle) == Some(0)) else {
            return true;
        };
        if last.procs != cycle.procs || last.at_ms < 1000 {
            return true;
        }
        let cpu = &cycle.cpu;
        let own = [cpu.sweep_termination, cpu.assist, cpu.dedicated, cpu.mark_termination];
        let own = own.iter().map(|term| term.nanos).fold(0, u64::saturating_add) as f64 / 1e6;
        let own = own * 100.0 / cycle.procs.max(1) as f64;
        let of = |percent: u64| (percent as f64 * last.at_ms as f64 + own) / cycle.at_ms as f64;
        let percent = cycle.cpu_percent as f64;
        of(last.cpu_percent) - 2.0 <= percent
            && percent <= of(last.cpu_percent.saturating_add(1)) + 1.0
    }

    fn may_take(&self, sample: &SchedSample) -> bool {
        self.last_sample.is_none_or(|last| {
            let period = last.least.filter(|_| last.intervals > 1).unwrap_or(1);
            sample.at_ms >= last.at_ms.saturating_add((period / 4 * 3).max(1))
        })
    }

    /// A sample comes as long behind its last one as that did behind the one before.
    fn is_on_time(&self, sample: &SchedSample) -> bool {
        let Some(last) = self.last_sample else { return false };
        let now = sample.at_ms.checked_sub(last.at_ms);
        let late = now.zip(last.since()).map(|(now, since)| (now.abs_diff(since), since));
        late.is_some_and(|(late, since)| late <= (since / 8).max(5))
    }
}

/// The GOGC that explain a goal as it is: where a heap that began late has moved it, another one fits the better.
fn percents(last: &GcCycle, cycle: &GcCycle) -> RangeInclusive<u64> {
    marked(last).percents(cycle.heap.goal, 0)
}
