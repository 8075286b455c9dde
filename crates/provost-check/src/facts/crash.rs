//! How processes ended by what they wrote, and what their goroutines did then.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use goformats::crash::{
    Cause, Ended, Frame, Group, Groups, OwnedCreated, OwnedFrame, place_of_end, place_of_panic,
    places_of_chain,
};

/// Dumps of a log that are kept.
pub const MOST_DUMPS: usize = 64;
/// Places of panics that were survived.
pub const MOST_RECOVERED: usize = 64;

/// Goroutines of one moment: a process that ended, or one that was asked.
#[derive(Clone, Debug)]
pub struct Dump {
    /// Why the process ended; of one that was asked there is none.
    pub cause: Option<Cause>,
    /// `goroutine` or `goroutineleak`, of a profile by stack (`debug=1`).
    pub profile: Option<String>,
    /// Whose it is where a log is of several.
    pub stream: Option<Arc<str>>,
    /// Its first line in the log, from 1.
    pub line: u64,
    /// The first goroutine: the one that did it, where the cause is one's doing.
    pub first: Option<Stack>,
    /// All of them.
    pub groups: Groups,
    /// Lines of the program's own code that goroutines are in, as numbers in order: dumps of one program share
    /// some.
    pub places: Vec<u64>,
}

/// The stack of one goroutine.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Its number.
    pub id: u64,
    /// What it did.
    pub state: String,
    /// Line of the log, from 1.
    pub line: u64,
    /// From the innermost call outwards.
    pub frames: Vec<OwnedFrame>,
    /// Where it was started.
    pub created: Option<OwnedCreated>,
    /// Frames that are left out.
    pub elided: u64,
}

/// Panics that the process survived, which came from one place.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// What was given to `panic` first; unknown where the program printed only the stack.
    pub value: Option<String>,
    /// Who recovered: a server of `net/http`, or the program.
    pub by_server: bool,
    /// How often.
    pub count: u64,
    /// The first time.
    pub stack: Stack,
}

impl Stack {
    fn frames(&self) -> impl Iterator<Item = Frame<'_>> + Clone {
        self.frames.iter().map(OwnedFrame::frame)
    }

    /// Whether it is in a deferred call that runs because of a panic.
    pub fn panics(&self) -> bool {
        self.frames().any(|frame| frame.func == "panic")
    }
}

/// Groups by which a program is recognised.
const MOST_PLACES: usize = 256;

impl Dump {
    /// Fills in [`Dump::places`], when it is whole.
    pub fn know_places(&mut self) {
        let groups = self.groups.groups.iter().take(MOST_PLACES);
        let places = groups.filter_map(|group| {
            let mut hasher = DefaultHasher::new();
            self.place_of(group)
                .map(|place| (place.func, place.file, place.line))?
                .hash(&mut hasher);
            Some(hasher.finish())
        });
        let mut places: Vec<u64> = places.collect();
        places.sort_unstable();
        places.dedup();
        self.places = places;
    }

    /// The program's own code that the first goroutine was in: where it failed, of a process that ended.
    pub fn place(&self) -> Option<Frame<'_>> {
        let frames = self.first.as_ref()?.frames();
        match &self.cause {
            Some(cause) => place_of_end(&cause.ended, frames, &self.groups.main),
            None => place_of_panic(frames, &self.groups.main),
        }
    }

    /// Where each panic of the chain was raised that ended it.
    pub fn places_of_chain(&self) -> Vec<Option<Frame<'_>>> {
        match (&self.first, self.cause.as_ref().map(|cause| &cause.ended)) {
            (Some(first), Some(Ended::Panic(chain))) => {
                places_of_chain(chain, first.frames(), &self.groups.main)
            }
            _ => Vec::new(),
        }
    }

    /// The same of a group.
    pub fn place_of<'d>(&'d self, group: &'d Group) -> Option<Frame<'d>> {
        place_of_panic(group.frames.iter().map(OwnedFrame::frame), &self.groups.main)
    }

    /// The fatal error that ended it.
    pub fn fatal(&self) -> Option<&str> {
        self.cause.as_ref().and_then(Cause::fatal)
    }

    /// Whether the process ended.
    pub fn is_end(&self) -> bool {
        self.cause.as_ref().is_some_and(|cause| !matches!(cause.ended, Ended::Recovered(_)))
    }
}

impl Recovered {
    /// Whether another one came from the same place: of the program's own code, or, where it was in none, of
    /// whatever code panicked, with the same value.
    pub fn is_like(&self, other: &Self) -> bool {
        fn place<'f>(frame: Frame<'f>) -> (&'f str, &'f str, u32) {
            (frame.func, frame.file, frame.line)
        }
        match (self.place(), other.place()) {
            (None, None) => {
                let own = self.behind_panic().map(place);
                self.value == other.value && own == other.behind_panic().map(place)
            }
            (own, others) => own.map(place) == others.map(place),
        }
    }

    /// The call that panicked, whoever wrote it.
    fn behind_panic(&self) -> Option<Frame<'_>> {
        let at = self.stack.frames.iter().rposition(|frame| &*frame.func == "panic")?;
        let behind = self.stack.frames.get(at + 1..)?;
        // An error of the runtime's is raised by functions of its own.
        let is_own = |frame: &&OwnedFrame| !frame.func.starts_with("runtime.");
        behind.iter().find(is_own).or_else(|| behind.first()).map(OwnedFrame::frame)
    }

    /// The program's own code that it came from.
    pub fn place(&self) -> Option<Frame<'_>> {
        place_of_panic(self.stack.frames(), &goformats::crash::Main::default())
    }
}
