//! Lines that were torn, put together.
//!
//! Whoever writes to the same pipe writes a line of its own at once, between two words of the runtime's: its
//! text stands behind what was printed so far, with the line's end, and the rest of the runtime's line follows.
//! Where the other's text begins as the runtime's could go on (a number behind a number), there are several
//! readings. All are kept; one is taken when it is the only one, or the only one that leaves a text that begins
//! as others did. That the runtime writes a word at once does not decide: what passes bytes on, need not.

use super::Runtime;
use super::kind::Kind;
use super::scan::Stop;

/// Readings of one torn line.
const MOST_READINGS: usize = 64;
/// Lines of others between two parts of one.
const MOST_LINES: usize = 128;
/// Bytes of a line that is put together; the longest are those of `schedtrace` on many Ps.
const LONGEST: usize = 16 << 10;
/// Bytes that are read again for one torn line, whatever is put behind it: an ordinary one, with all readings and lines of
/// others that it may have, takes a tenth of that; the longest of `schedtrace` some lines.
const MOST_READ: usize = 4 << 20;
/// Bytes of another's line that may read as if they were the runtime's: it is cut no further in front of what
/// fits nothing.
const MOST_ALIKE: usize = 64;
/// Kinds of lines of others that are remembered.
const MOST_SHAPES: usize = 64;

/// What a line was to the torn one before it.
#[allow(clippy::large_enum_variant, reason = "it is handed on and not kept")]
pub(super) enum Step {
    /// Another's line.
    Foreign,
    /// A part of it, up to that byte; more is to come.
    Part(usize),
    /// Its end.
    Whole(Joined),
    /// None of it, and nothing more is looked for.
    Over(Joined),
}

/// What became of a torn line.
#[allow(clippy::large_enum_variant, reason = "it is handed on and not kept")]
pub(super) enum Joined {
    /// It can have been no other.
    Sure(Runtime),
    /// It can have been several.
    Doubtful,
    /// The rest never came.
    Lost,
}

/// One reading: the runtime's text so far, and how many texts between its parts begin like none that was seen.
#[derive(Clone)]
struct Reading {
    text: Vec<u8>,
    strange: u8,
}

/// A torn line.
pub(super) struct Torn {
    kind: Kind,
    readings: Vec<Reading>,
    lines: usize,
    /// Bytes that may still be read.
    left: usize,
    /// Words of the longest reading.
    words: usize,
}

impl Torn {
    /// A line of which only the front fits, and where the other's text begins in it: `None` when too little
    /// of it fits.
    pub(super) fn open(kind: Kind, text: &[u8], shapes: &Shapes) -> Option<(Self, usize)> {
        let mut torn = Self { kind, readings: Vec::new(), lines: 0, left: MOST_READ, words: 0 };
        let (_, tail) = torn.cut(text, 0, 0, kind.start().len(), shapes)?;
        (torn.words >= kind.least_words()).then_some((torn, tail))
    }

    /// Adds a reading for each place behind `from` at which the text may be cut, and gives the place that has
    /// the least against it, the last of several.
    fn cut(
        &mut self,
        text: &[u8],
        strange: u8,
        from: usize,
        least: usize,
        shapes: &Shapes,
    ) -> Option<(u8, usize)> {
        let mut ends = Vec::new();
        let fits = match self.kind.read(text, Some(&mut ends)) {
            Ok(_) | Err(Stop::End) => text.len(),
            Err(Stop::Unfit(at)) => at,
        };
        self.words = self.words.max(ends.len());
        let mut best: Option<(u8, usize)> = None;
        let fits = fits.min(LONGEST);
        let first = (from + 1).max(least).max(fits.saturating_sub(MOST_ALIKE));
        for at in first..=fits {
            let (Some(head), Some(tail)) = (text.get(..at), text.get(at..)) else { break };
            let strange = strange.saturating_add(u8::from(!shapes.know(tail)));
            self.readings.push(Reading { text: head.to_vec(), strange });
            if best.is_none_or(|(least, _)| strange <= least) {
                best = Some((strange, at));
            }
        }
        if self.readings.len() > MOST_READINGS {
            self.readings.sort_by_key(|reading| reading.strange);
            self.readings.truncate(MOST_READINGS);
        }
        best
    }

    /// Takes the next line of the stream.
    pub(super) fn take(&mut self, line: &[u8], shapes: &Shapes) -> Step {
        self.lines += 1;
        let near = line.get(..LONGEST.min(line.len())).unwrap_or_default();
        let read: usize = self.readings.iter().map(|reading| reading.text.len() + near.len()).sum();
        let Some(left) = self.left.checked_sub(read) else { return Step::Over(self.close()) };
        self.left = left;
        let before = self.readings.clone();
        let mut whole: Vec<(u8, Runtime)> = Vec::new();
        let mut part: Option<(u8, usize)> = None;
        for reading in &before {
            if reading.text.len() + near.len() > 2 * LONGEST {
                continue;
            }
            let text = [reading.text.as_slice(), near].concat();
            match self.kind.read(&text, None) {
                Ok(entry) => whole.push((reading.strange, entry)),
                Err(Stop::Unfit(at)) if at <= reading.text.len() => {}
                Err(_) if line.is_empty() => {}
                Err(_) => {
                    let from = reading.text.len();
                    let cut = self.cut(&text, reading.strange, from, 0, shapes);
                    if let Some((strange, at)) = cut
                        && part.is_none_or(|(least, _)| strange < least)
                    {
                        part = Some((strange, at - from));
                    }
                }
            }
        }
        if !whole.is_empty() {
            return Step::Whole(choose(whole));
        }
        if self.lines >= MOST_LINES {
            return Step::Over(self.close());
        }
        // Rather another's line like those before it than a part with a strange text behind.
        let whole = before.iter().map(|reading| reading.strange).min().unwrap_or_default();
        let whole = whole.saturating_add(u8::from(!shapes.know(line)));
        match part {
            Some((strange, at)) if strange < whole => Step::Part(at),
            _ => Step::Foreign,
        }
    }

    /// No more comes: only its line's end may be missing.
    pub(super) fn close(&self) -> Joined {
        let whole: Vec<(u8, Runtime)> = self
            .readings
            .iter()
            .filter_map(|reading| {
                Some((reading.strange, self.kind.read(&reading.text, None).ok()?))
            })
            .collect();
        if whole.is_empty() { Joined::Lost } else { choose(whole) }
    }

    /// Whether so much of it was seen that it ends the one before.
    pub(super) fn is_certain(&self) -> bool {
        self.words > self.kind.least_words()
    }

    /// Whether it was the runtime's: programs write `gc 12 objects in 3ms` as well, and only the next word tells.
    pub(super) fn was_the_runtimes(&self) -> bool {
        match self.kind {
            Kind::Gc => self.has_begun(),
            // Up to Go 1.18 a generation stands before the work.
            Kind::Scavenge => self.words > 3,
            _ => self.is_certain(),
        }
    }

    /// Whether it is a cycle's as far as its number, which text of a program hardly is.
    pub(super) fn has_begun(&self) -> bool {
        self.words > 2
    }
}

/// The one that has the least against it, if it is alone in that.
fn choose(mut whole: Vec<(u8, Runtime)>) -> Joined {
    let Some(least) = whole.iter().map(|(strange, _)| *strange).min() else { return Joined::Lost };
    let Some(at) = whole.iter().position(|(strange, _)| *strange == least) else {
        return Joined::Lost;
    };
    let (_, best) = whole.swap_remove(at);
    let others = || whole.iter().filter(|(_, other)| *other != best);
    let tied = others().any(|(strange, _)| *strange == least);
    // Of texts that are all strange, none is likelier.
    if tied || (least > 0 && others().next().is_some()) {
        return Joined::Doubtful;
    }
    Joined::Sure(best)
}

/// What lines of the other writers begin like.
#[derive(Default)]
pub(super) struct Shapes {
    seen: Vec<[u8; SHAPE]>,
    next: usize,
}

/// Bytes of a line that make its shape.
const SHAPE: usize = 12;

impl Shapes {
    /// Remembers a line that is another's for certain.
    pub(super) fn learn(&mut self, line: &[u8]) {
        let shape = shape(line);
        if line.is_empty() || self.seen.contains(&shape) {
            return;
        }
        if self.seen.len() < MOST_SHAPES {
            self.seen.push(shape);
        } else if let Some(oldest) = self.seen.get_mut(self.next) {
            *oldest = shape;
            self.next = (self.next + 1) % MOST_SHAPES;
        }
    }

    fn know(&self, tail: &[u8]) -> bool {
        !tail.is_empty() && self.seen.contains(&shape(tail))
    }
}

/// Digits are alike, and so are letters.
fn shape(line: &[u8]) -> [u8; SHAPE] {
    let mut shape = [0; SHAPE];
    for (slot, byte) in shape.iter_mut().zip(line) {
        *slot = match byte {
            b'0'..=b'9' => b'0',
            b'a'..=b'z' | b'A'..=b'Z' => b'a',
            other => *other,
        };
    }
    shape
}
