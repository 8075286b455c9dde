//! Where a fact comes from.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::proof::PhaseName;
use crate::model::hidden::Hidden;

/// Names one input of a run; an index into [`crate::artifact::source::Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A half-open range of bytes in a text input. Inputs over 4 GiB are refused before this is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span over `start..end`, in bytes; positions beyond 4 GiB saturate.
    pub fn new(start: usize, end: usize) -> Self {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { start: clamp(start), end: clamp(end.max(start)) }
    }

    /// The range as indices.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The smallest span that covers both.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Whether `other` lies inside.
    pub fn contains(self, other: Span) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// The place inside an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place<'o> {
    /// Bytes of a text file: a manifest, a Dockerfile, `provost.toml`.
    Text(Span),
    /// A place in an executable.
    Binary(&'o BinaryPlace),
    /// A place in a container image.
    Image(&'o ImagePlace),
    /// A moment in the life of a process that was measured.
    Process(Moment),
    /// A line of a log.
    Log(LogLine),
    /// The input as such.
    Whole,
}

/// A moment in the life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// Which of its runs.
    pub phase: PhaseName,
    /// Microseconds since it was started.
    pub at_us: Option<u64>,
}

/// A line of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogLine {
    /// From 1.
    pub line: u64,
    /// Milliseconds since the process was started, or the machine whose kernel's log it is; where the line says it.
    pub at_ms: Option<u64>,
}

/// A place in an executable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BinaryPlace {
    /// Virtual address, where the fact has one.
    pub address: Option<u64>,
    /// Section or program header, `.go.buildinfo` or `PT_INTERP`.
    pub section: Option<Box<str>>,
}

/// A place in a container image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImagePlace {
    /// Digest of the layer, where it stands in one.
    pub layer: Option<Arc<str>>,
    /// Path of a file in the image, or a key of its configuration: `config.User`.
    pub path: Arc<str>,
}

/// An input and a place in it. Each of the dozens of facts of a manifest has one, and those of a run
/// are all kept: it has room for the bytes of a text, and what says more is shared.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin(Kept);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Kept {
    Text(SourceId, Span),
    Binary(SourceId, Arc<BinaryPlace>),
    Image(SourceId, Arc<ImagePlace>),
    Process(SourceId, Arc<Moment>),
    Log(SourceId, Arc<LogLine>),
    Whole(SourceId),
}

const _: () = assert!(size_of::<Origin>() == 16, "thousands of them are kept for each manifest");

impl Origin {
    /// A range of a text input.
    pub fn text(source: SourceId, span: Span) -> Self {
        Self(Kept::Text(source, span))
    }

    /// The input as such.
    pub fn whole(source: SourceId) -> Self {
        Self(Kept::Whole(source))
    }

    /// An address in a section of an executable.
    pub fn binary(source: SourceId, section: &str, address: Option<u64>) -> Self {
        let place = BinaryPlace { address, section: Some(Box::from(section)) };
        Self(Kept::Binary(source, Arc::new(place)))
    }

    /// A file, or a key of the configuration, of an image.
    pub fn image(source: SourceId, layer: Option<&str>, path: &str) -> Self {
        let place = ImagePlace { layer: layer.map(Arc::from), path: Arc::from(path) };
        Self(Kept::Image(source, Arc::new(place)))
    }

    /// A moment in a run of a process.
    pub fn process(source: SourceId, phase: PhaseName, at_us: Option<u64>) -> Self {
        Self(Kept::Process(source, Arc::new(Moment { phase, at_us })))
    }

    /// Which input.
    pub fn source(&self) -> SourceId {
        match self.0 {
            Kept::Text(source, _)
            | Kept::Binary(source, _)
            | Kept::Image(source, _)
            | Kept::Process(source, _)
            | Kept::Log(source, _)
            | Kept::Whole(source) => source,
        }
    }

    /// Where in it.
    pub fn place(&self) -> Place<'_> {
        match &self.0 {
            Kept::Text(_, span) => Place::Text(*span),
            Kept::Binary(_, place) => Place::Binary(place),
            Kept::Image(_, place) => Place::Image(place),
            Kept::Process(_, moment) => Place::Process(**moment),
            Kept::Log(_, line) => Place::Log(**line),
            Kept::Whole(_) => Place::Whole,
        }
    }

    /// Names the input, which had no name yet when the place was found.
    pub(crate) fn set_source(&mut self, id: SourceId) {
        match &mut self.0 {
            Kept::Text(source, _)
            | Kept::Binary(source, _)
            | Kept::Image(source, _)
            | Kept::Process(source, _)
            | Kept::Log(source, _)
            | Kept::Whole(source) => *source = id,
        }
    }

    /// A line of a log, and when it was written.
    pub fn log(source: SourceId, line: u64, at_ms: Option<u64>) -> Self {
        Self(Kept::Log(source, Arc::new(LogLine { line, at_ms })))
    }

    /// Leaves out of a place in an image or executable what is secret.
    pub(crate) fn hide(&mut self, hidden: &Hidden) {
        match &mut self.0 {
            Kept::Image(_, place) => {
                if let Cow::Owned(path) = hidden.mask(&place.path) {
                    *place = Arc::new(ImagePlace { layer: place.layer.clone(), path: path.into() });
                }
            }
            Kept::Binary(_, place) => {
                let section = place.section.as_deref().map(|section| hidden.mask(section));
                if let Some(Cow::Owned(section)) = section {
                    let section = Some(section.into());
                    *place = Arc::new(BinaryPlace { address: place.address, section });
                }
            }
            Kept::Text(..) | Kept::Process(..) | Kept::Log(..) | Kept::Whole(_) => {}
        }
    }

    /// The byte range, when the place is one of a text.
    pub fn span(&self) -> Option<Span> {
        match self.0 {
            Kept::Text(_, span) => Some(span),
            Kept::Binary(..)
            | Kept::Image(..)
            | Kept::Process(..)
            | Kept::Log(..)
            | Kept::Whole(_) => None,
        }
    }
}

/// By input, then by place.
impl Ord for Origin {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.source(), self.place()).cmp(&(other.source(), other.place()))
    }
}

impl PartialOrd for Origin {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {:?}", self.place(), self.source())
    }
}

/// How a value came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// Somebody wrote it.
    Written,
    /// Nobody wrote it; Kubernetes, Docker or Go supplies it. The origin is the parent that lacks it.
    Defaulted,
    /// Follows from other facts.
    Derived,
}

/// A value, where it comes from and how.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fact<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub origin: Origin,
    /// Written, defaulted or derived.
    pub basis: Basis,
}

impl<T> Fact<T> {
    /// A value that somebody wrote at `origin`.
    pub fn written(value: T, origin: Origin) -> Self {
        Self { value, origin, basis: Basis::Written }
    }

    /// A value that is in force because nothing is written inside `origin`.
    pub fn defaulted(value: T, origin: Origin) -> Self {
        Self { value, origin, basis: Basis::Defaulted }
    }

    /// A value that follows from what stands at `origin`.
    pub fn derived(value: T, origin: Origin) -> Self {
        Self { value, origin, basis: Basis::Derived }
    }

    /// Whether somebody wrote it.
    pub fn is_written(&self) -> bool {
        self.basis == Basis::Written
    }

    /// The same place and basis with another value.
    pub fn map<U>(&self, f: impl FnOnce(&T) -> U) -> Fact<U> {
        Fact { value: f(&self.value), origin: self.origin.clone(), basis: self.basis }
    }
}

impl<T> std::ops::Deref for Fact<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Fact<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({:?})", self.value, self.basis)
    }
}

impl<T: fmt::Display> fmt::Display for Fact<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
