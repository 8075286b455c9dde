//! Ends of processes and dumps of goroutines, whole: what the text of a terminal has no room for. They are written
//! as they are serialized, one stack after the other.

use std::borrow::Cow;

use goformats::crash::{Cause, Ended, Group, OwnedCreated, OwnedFrame, WAITS};
use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};

use crate::case::crash::whole;
use crate::facts::crash::{Dump, Recovered, Stack};
use crate::facts::runtime_log::RuntimeLog;
use crate::model::secret::masked;

/// Those of one log.
#[derive(Debug, Serialize)]
pub struct DumpsView<'a> {
    path: &'a str,
    #[serde(serialize_with = "dumps")]
    dumps: &'a [Dump],
    /// Dumps and ends behind those, of which nothing is kept.
    more_dumps: u64,
    #[serde(serialize_with = "recovered", skip_serializing_if = "<[_]>::is_empty")]
    recovered: &'a [Recovered],
}

impl<'a> DumpsView<'a> {
    /// Of a log that has some.
    pub(super) fn of(path: &'a str, log: &'a RuntimeLog) -> Option<Self> {
        let RuntimeLog { dumps, more_dumps, recovered, .. } = log;
        let is_empty = dumps.is_empty() && recovered.is_empty();
        (!is_empty).then_some(Self { path, dumps, more_dumps: *more_dumps, recovered })
    }
}

/// Words of a program, which may hold a secret.
fn text(of: &str) -> String {
    masked(of).into_owned()
}

fn each<S: Serializer, T, V: Serialize>(
    all: impl ExactSizeIterator<Item = T>,
    view: impl Fn(T) -> V,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(all.len()))?;
    for one in all {
        list.serialize_element(&view(one))?;
    }
    list.end()
}

fn dumps<S: Serializer>(all: &[Dump], serializer: S) -> Result<S::Ok, S::Error> {
    each(all.iter(), DumpView::of, serializer)
}

fn recovered<S: Serializer>(all: &[Recovered], serializer: S) -> Result<S::Ok, S::Error> {
    each(all.iter(), RecoveredView::of, serializer)
}

#[derive(Serialize)]
struct DumpView<'a> {
    line: u64,
    /// `end` of a process, `dump` of one that was asked, `profile`.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<CauseView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<StackView<'a>>,
    goroutines: u64,
    states: Vec<StateView>,
    #[serde(serialize_with = "groups")]
    stacks: &'a Dump,
    /// Goroutines whose stacks are not among those.
    more_goroutines: u64,
}

impl<'a> DumpView<'a> {
    fn of(dump: &'a Dump) -> Self {
        let kind = match (&dump.profile, dump.is_end()) {
            (Some(_), _) => "profile",
            (None, true) => "end",
            (None, false) => "dump",
        };
        // A profile does not say what goroutines do.
        let states = dump.groups.states.iter().filter(|(state, _)| !state.is_empty());
        Self {
            line: dump.line,
            kind,
            profile: dump.profile.as_deref().map(text),
            cause: dump.cause.as_ref().map(CauseView::of),
            first: dump.first.as_ref().map(StackView::of),
            goroutines: dump.groups.total,
            states: states.map(|(state, n)| StateView { state: text(state), count: *n }).collect(),
            stacks: dump,
            more_goroutines: dump.groups.more,
        }
    }
}

#[derive(Serialize)]
struct StateView {
    state: String,
    count: u64,
}

fn groups<S: Serializer>(dump: &&Dump, serializer: S) -> Result<S::Ok, S::Error> {
    each(dump.groups.by_count().into_iter(), GroupView::of, serializer)
}

#[derive(Serialize)]
struct GroupView<'a> {
    count: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    state: String,
    line: u64,
    /// The numbers of all that there was room for.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    ids: &'a [u64],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waits: Vec<WaitView>,
    longest_wait_minutes: u64,
    locked_to_thread: u64,
    leaked: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locks: Vec<LockView<'a>>,
    #[serde(flatten)]
    calls: CallsView<'a>,
}

#[derive(Serialize)]
struct WaitView {
    /// Whole minutes, at least.
    minutes: u64,
    count: u64,
}

#[derive(Serialize)]
struct LockView<'a> {
    address: &'a str,
    count: u64,
}

impl<'a> GroupView<'a> {
    fn of(group: &'a Group) -> Self {
        let waits = WAITS.into_iter().zip(group.waits).filter(|(_, count)| *count > 0);
        let locks = group.locks.iter();
        Self {
            count: group.count,
            state: text(&group.state),
            line: group.line,
            ids: &group.ids,
            waits: waits.map(|(minutes, count)| WaitView { minutes, count }).collect(),
            longest_wait_minutes: group.longest,
            locked_to_thread: group.locked,
            leaked: group.leaked,
            locks: locks.map(|(address, n)| LockView { address, count: *n }).collect(),
            calls: CallsView::of(&group.frames, group.created.as_ref(), group.elided),
        }
    }
}

/// A stack without what its goroutine does.
#[derive(Serialize)]
struct CallsView<'a> {
    /// From the innermost one outwards.
    #[serde(serialize_with = "frames")]
    frames: &'a [OwnedFrame],
    elided_frames: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<FrameView<'a>>,
    /// The goroutine that did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_in: Option<u64>,
}

#[derive(Serialize)]
struct FrameView<'a> {
    func: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

impl<'a> FrameView<'a> {
    fn of(func: &'a str, file: &'a str, line: u32) -> Self {
        let file = (!file.is_empty()).then(|| masked(file));
        Self { func: masked(func), file, line: (line > 0).then_some(line) }
    }
}

fn frames<S: Serializer>(all: &[OwnedFrame], serializer: S) -> Result<S::Ok, S::Error> {
    each(all.iter(), |it| FrameView::of(&it.func, &it.file, it.line), serializer)
}

impl<'a> CallsView<'a> {
    fn of(frames: &'a [OwnedFrame], created: Option<&'a OwnedCreated>, elided: u64) -> Self {
        Self {
            frames,
            elided_frames: elided,
            created_by: created.map(|it| FrameView::of(&it.func, &it.file, it.line)),
            created_in: created.and_then(|it| it.by),
        }
    }
}

#[derive(Serialize)]
struct StackView<'a> {
    id: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    state: String,
    line: u64,
    #[serde(flatten)]
    calls: CallsView<'a>,
}

impl<'a> StackView<'a> {
    fn of(stack: &'a Stack) -> Self {
        Self {
            id: stack.id,
            state: text(&stack.state),
            line: stack.line,
            calls: CallsView::of(&stack.frames, stack.created.as_ref(), stack.elided),
        }
    }
}

#[derive(Serialize)]
struct CauseView<'a> {
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a str>,
    /// `panic`, `fatal`, `signal`; `recovered` where it went on.
    kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    panics: Vec<PanicView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<SignalView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

#[derive(Serialize)]
struct PanicView {
    value: String,
    recovered: bool,
    repanicked: bool,
}

#[derive(Serialize)]
struct SignalView {
    name: String,
    meaning: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

impl<'a> CauseView<'a> {
    fn of(cause: &'a Cause) -> Self {
        let (kind, panics, error) = match &cause.ended {
            Ended::Panic(chain) => ("panic", chain.as_slice(), None),
            Ended::Fatal(error) => ("fatal", &[][..], Some(whole(error))),
            Ended::Signal => ("signal", &[][..], None),
            Ended::Recovered(value) => ("recovered", &[][..], Some(whole(value))),
        };
        let panics = panics.iter().map(|it| PanicView {
            value: whole(&it.value),
            recovered: it.recovered,
            repanicked: it.repanicked,
        });
        let signal = cause.signal.as_ref().map(|it| SignalView {
            name: text(&it.name),
            meaning: text(&it.meaning),
            address: it.address.map(|address| format!("{address:#x}")),
        });
        Self {
            line: cause.line,
            time: cause.time.as_deref(),
            kind,
            panics: panics.collect(),
            error,
            signal,
            notes: cause.notes.iter().map(|note| text(note)).collect(),
        }
    }
}

/// Panics from one place that the process survived.
#[derive(Serialize)]
struct RecoveredView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    by_server: bool,
    count: u64,
    first: StackView<'a>,
}

impl<'a> RecoveredView<'a> {
    fn of(recovered: &'a Recovered) -> Self {
        Self {
            value: recovered.value.as_deref().map(whole),
            by_server: recovered.by_server,
            count: recovered.count,
            first: StackView::of(&recovered.stack),
        }
    }
}
