//! Goroutines with one stack that wait for the same.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::code::Main;
use super::stack::{Frame, Goroutine, OwnedCreated, OwnedFrame};

/// Minutes from which on a goroutine is one of each class of [`Group::waits`].
pub const WAITS: [u64; 5] = [0, 1, 5, 15, 60];

/// Goroutines of one stack and state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Empty in a profile (`debug=1`), which does not say it.
    pub state: String,
    /// From the innermost call outwards.
    pub frames: Vec<OwnedFrame>,
    /// Where they were started.
    pub created: Option<OwnedCreated>,
    /// Frames that are left out.
    pub elided: u64,
    /// How many.
    pub count: u64,
    /// How many of them have waited that long.
    pub waits: [u64; WAITS.len()],
    /// The longest wait in minutes.
    pub longest: u64,
    /// Locked to a thread.
    pub locked: u64,
    /// Found by the collector to be out of reach.
    pub leaked: u64,
    /// How many wait for each lock, by its address, as far as stacks print it.
    pub locks: BTreeMap<Box<str>, u64>,
    /// Their numbers, of the first ones where there is no room for all.
    pub ids: Vec<u64>,
    /// Whole minutes that each of those has waited.
    pub minutes: Vec<u32>,
    /// Line of the log in which the first one begins, from 1.
    pub line: u64,
    /// By which it is found.
    key: u64,
}

impl Group {
    /// How many have waited for at least that many minutes, which has to be one of [`WAITS`].
    pub fn waited(&self, minutes: u64) -> u64 {
        let classes = WAITS.iter().zip(&self.waits);
        classes.filter(|(from, _)| **from >= minutes).map(|(_, count)| *count).sum()
    }
}

/// All of a dump.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    /// In the order in which their first ones came.
    pub groups: Vec<Group>,
    /// Goroutines.
    pub total: u64,
    /// Those beyond the limit of groups, or of bytes.
    pub more: u64,
    /// How many are in each state.
    pub states: BTreeMap<String, u64>,
    /// The highest number: later ones are higher.
    pub newest: u64,
    /// Where the program's main package lies.
    pub main: Main,
    index: HashMap<u64, Vec<u32>>,
}

/// Groups of a dump that are kept.
const MOST: usize = 4096;
/// Locks of a group that are told apart.
const MOST_LOCKS: usize = 16;
/// States that are told apart; Go knows some fifty.
const MOST_STATES: usize = 128;

impl Groups {
    /// Takes one more.
    pub fn push(&mut self, goroutine: &Goroutine<'_>) {
        let mut left = usize::MAX;
        self.push_within(goroutine, &mut left);
    }

    /// The same, as long as the stacks that are kept take no more bytes than there are left.
    pub fn push_within(&mut self, goroutine: &Goroutine<'_>, left: &mut usize) {
        let header = goroutine.header;
        let state = header.map_or("", |header| header.state.as_str());
        self.total = self.total.saturating_add(goroutine.count);
        self.newest = self.newest.max(header.map_or(0, |header| header.id));
        if self.states.contains_key(state) || self.states.len() < MOST_STATES {
            let count = self.states.entry(state.to_owned()).or_default();
            *count = count.saturating_add(goroutine.count);
        }
        goroutine.frames().for_each(|frame| self.main.see(&frame));
        let key = key(goroutine, state);
        let known = self.index.get(&key).into_iter().flatten().copied();
        let found = known
            .filter_map(|at| usize::try_from(at).ok())
            .find(|at| self.groups.get(*at).is_some_and(|group| same(group, goroutine, state)));
        let at = match found {
            Some(at) => at,
            None if self.groups.len() >= MOST || !takes(goroutine, left) => {
                self.more = self.more.saturating_add(goroutine.count);
                return;
            }
            None => {
                let at = self.groups.len();
                self.index.entry(key).or_default().push(u32::try_from(at).unwrap_or(u32::MAX));
                self.groups.push(Group {
                    state: state.to_owned(),
                    frames: goroutine.frames().map(OwnedFrame::from).collect(),
                    created: goroutine.created().map(OwnedCreated::from),
                    elided: goroutine.elided,
                    count: 0,
                    waits: [0; WAITS.len()],
                    longest: 0,
                    locked: 0,
                    leaked: 0,
                    locks: BTreeMap::new(),
                    ids: Vec::new(),
                    minutes: Vec::new(),
                    line: goroutine.line,
                    key,
                });
                at
            }
        };
        let Some(group) = self.groups.get_mut(at) else { return };
        group.count = group.count.saturating_add(goroutine.count);
        if let Some(lock) = goroutine.frames().find_map(|frame| lock(&frame))
            && (group.locks.contains_key(lock) || group.locks.len() < MOST_LOCKS)
        {
            *group.locks.entry(lock.into()).or_default() += 1;
        }
        let Some(header) = header else { return };
        let minutes = header.minutes.unwrap_or(0);
        let class = WAITS.iter().rposition(|from| minutes >= *from).unwrap_or(0);
        if let Some(count) = group.waits.get_mut(class) {
            *count += 1;
        }
        group.longest = group.longest.max(minutes);
        group.locked += u64::from(header.locked);
        group.leaked += u64::from(header.leaked);
        if let Some(rest) = left.checked_sub(size_of::<u64>() + size_of::<u32>()) {
            *left = rest;
            group.ids.push(header.id);
            group.minutes.push(u32::try_from(minutes).unwrap_or(u32::MAX));
        }
    }

    /// The group that is like one of another dump.
    pub fn like(&self, other: &Group) -> Option<&Group> {
        let known = self.index.get(&other.key).into_iter().flatten();
        let mut known = known.filter_map(|at| self.groups.get(usize::try_from(*at).ok()?));
        known.find(|group| group.is_like(other))
    }

    /// The largest first.
    pub fn by_count(&self) -> Vec<&Group> {
        let mut all: Vec<&Group> = self.groups.iter().collect();
        all.sort_by(|a, b| b.count.cmp(&a.count).then(a.line.cmp(&b.line)));
        all
    }
}

impl Group {
    /// Whether two groups of different dumps have the same stack and state.
    pub fn is_like(&self, other: &Self) -> bool {
        self.key == other.key
            && self.state == other.state
            && self.started() == other.started()
            && self.places().eq(other.places())
    }

    fn places(&self) -> impl Iterator<Item = (&str, &str, u32)> {
        self.frames.iter().map(|f| (&*f.func, &*f.file, f.line))
    }

    fn started(&self) -> Option<(&str, &str, u32)> {
        self.created.as_ref().map(|c| (&*c.func, &*c.file, c.line))
    }
}

/// Whether there is room for one more stack, which takes it.
fn takes(goroutine: &Goroutine<'_>, left: &mut usize) -> bool {
    let frames = goroutine.frames().map(|f| f.func.len() + f.args.len() + f.file.len());
    let frames: usize = frames.map(|text| text + size_of::<OwnedFrame>()).sum();
    let created = goroutine.created().map_or(0, |c| c.func.len() + c.file.len());
    let Some(rest) = left.checked_sub(frames + created + size_of::<Group>()) else { return false };
    *left = rest;
    true
}

/// The address of the lock that a call waits for.
fn lock<'f>(frame: &Frame<'f>) -> Option<&'f str> {
    let func = frame.func.strip_prefix("internal/").unwrap_or(frame.func);
    let waits = [
        "sync.(*Mutex).lockSlow",
        "sync.(*RWMutex).",
        "sync.(*WaitGroup).Wait",
        "sync.(*Cond).Wait",
    ];
    if !waits.iter().any(|known| func.starts_with(known)) {
        return None;
    }
    let word = frame.args.split([',', ')']).next()?;
    // A question mark says that the register may hold something else by then.
    (word.starts_with("0x") && word.len() > 6 && !word.ends_with('?')).then_some(word)
}

fn key(goroutine: &Goroutine<'_>, state: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    for frame in goroutine.frames() {
        (frame.func, frame.file, frame.line).hash(&mut hasher);
    }
    goroutine.created().map(|c| (c.func, c.file, c.line)).hash(&mut hasher);
    hasher.finish()
}

fn same(group: &Group, goroutine: &Goroutine<'_>, state: &str) -> bool {
    let created = goroutine.created().map(|c| (c.func, c.file, c.line));
    group.state == state
        && group.started() == created
        && group.places().eq(goroutine.frames().map(|f| (f.func, f.file, f.line)))
}
