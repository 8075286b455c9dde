//! Which lines are the runtime's, by how they begin.

use memchr::memmem::Finder;

use super::join::{Shapes, Torn};
use super::reader::Runtime;
use super::scan::{Scan, Stop};
use super::{gc, other, sched};

/// Lines that can be put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gc,
    Sample,
    Processor,
    Thread,
    Goroutine,
    Scavenge,
    Init,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Gc,
        Self::Sample,
        Self::Processor,
        Self::Thread,
        Self::Goroutine,
        Self::Scavenge,
        Self::Init,
    ];

    pub(super) fn start(self) -> &'static [u8] {
        match self {
            Self::Gc => gc::START,
            Self::Sample => sched::SAMPLE,
            Self::Processor => sched::PROCESSOR,
            Self::Thread => sched::THREAD,
            Self::Goroutine => sched::GOROUTINE,
            Self::Scavenge => other::SCAVENGE,
            Self::Init => other::INIT,
        }
    }

    /// Words that make a beginning of such a line out of what a program may write as well.
    pub(super) fn least_words(self) -> usize {
        match self {
            Self::Gc | Self::Sample | Self::Scavenge => 1,
            Self::Processor | Self::Thread | Self::Goroutine => 2,
            Self::Init => 3,
        }
    }

    pub(super) fn of(text: &[u8]) -> Option<Self> {
        if !begins(text) {
            return None;
        }
        Self::ALL.into_iter().find(|kind| text.starts_with(kind.start()))
    }

    pub(super) fn read(self, text: &[u8], ends: Option<&mut Vec<usize>>) -> Result<Runtime, Stop> {
        let scan = &mut match ends {
            Some(ends) => Scan::noting(text, ends),
            None => Scan::new(text),
        };
        Ok(match self {
            Self::Gc => Runtime::Gc(gc::read(scan)?),
            Self::Sample => Runtime::Sched(sched::sample(scan)?),
            Self::Processor => Runtime::Processor(sched::processor(scan)?),
            Self::Thread => Runtime::Thread(sched::thread(scan)?),
            Self::Goroutine => Runtime::Goroutine(sched::goroutine(scan)?),
            Self::Scavenge => Runtime::Scavenge(other::scavenge(scan)?),
            Self::Init => Runtime::Init(other::init(scan)?),
        })
    }
}

/// Whether a line may be one of the runtime's.
pub(super) fn begins(text: &[u8]) -> bool {
    matches!(
        text,
        [b'g', b'c', b' ', ..]
            | [b'S', b'C', b'H', b'E', b'D', b' ', ..]
            | [b' ', b' ', b'P' | b'M' | b'G', ..]
            | [b's', b'c', b'a', b'v' | b'n', ..]
            | [b'i', b'n', b'i', b't', b' ', ..]
            | [b'p', b'a', b'c', b'e', b'r', b':', ..]
    )
}

/// Whether a line is a cycle or a sample as far as its number.
pub(crate) fn is_traced(text: &[u8]) -> bool {
    let number = text.strip_prefix(gc::START).or_else(|| text.strip_prefix(sched::SAMPLE));
    number.and_then(<[u8]>::first).is_some_and(u8::is_ascii_digit)
}

/// A line of a version that is not known.
pub(super) fn loose(text: &[u8]) -> Option<Runtime> {
    if text.starts_with(other::PACER) {
        return other::pacer(text).map(Runtime::Pacer);
    }
    if text.starts_with(other::SCANNED) {
        return other::scanned(text).map(Runtime::Scanned);
    }
    if text.starts_with(sched::SAMPLE) {
        return sched::loose_sample(text).map(Runtime::Sched);
    }
    None
}

/// Where a cycle may begin behind a text without an end of its own.
pub(super) fn cycle_within<'t>(text: &'t [u8], start: &Finder<'_>) -> Option<(&'t [u8], &'t [u8])> {
    let at = start.find(text).filter(|at| *at > 0)?;
    let (before, found) = text.split_at_checked(at)?;
    found.get(gc::START.len()).is_some_and(u8::is_ascii_digit).then_some((before, found))
}

/// Whether something of the runtime's begins with a line, of one who wrote nothing of it before: `gc is slow` and
/// `init took 5 ms` are anybody's.
pub(super) fn opens(text: &[u8], start: &Finder<'_>) -> bool {
    let is_read = |kind: Kind, text: &[u8]| {
        let torn = || Torn::open(kind, text, &Shapes::default());
        kind.read(text, None).is_ok() || torn().is_some_and(|(torn, _)| torn.was_the_runtimes())
    };
    Kind::of(text).is_some_and(|kind| is_read(kind, text))
        || loose(text).is_some()
        || crate::crash::opens(text)
        || cycle_within(text, start).is_some_and(|(_, found)| is_read(Kind::Gc, found))
}
