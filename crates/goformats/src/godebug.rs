//! `GODEBUG`, read by the rules of the runtime that will read it.
//!
//! Sources: `parsegodebug` and `dbgvars` in src/runtime/runtime1.go, `parse` in
//! src/internal/godebug/godebug.go, `All` and `Removed` in src/internal/godebugs/table.go,
//! `processOptions` in src/internal/cpu/cpu.go; read in Go 1.18 to 1.27.
//!
//! What surprises people, and what this module therefore keeps apart:
//! - only `,` separates; a space or a `;` belongs to the key or the value beside it;
//! - an item without `=`, an unknown key and a runtime key without an integer are skipped silently;
//! - the last item of a key wins, but up to Go 1.19 the *first* one does for keys that a library
//!   package reads (its `get` scanned from the left);
//! - since Go 1.27 a removed key at one of its old values ends the process at start, even when a
//!   later item says otherwise; `cgocheck` above 1 does so since 1.21, judged by its final value.

use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::version::GoVersion;

mod suggest;
mod table;
#[cfg(test)]
mod tests;

pub use suggest::suggest;

/// A Go release, as far as GODEBUG depends on it: `1.minor.patch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    /// 27 for Go 1.27.3.
    pub minor: u16,
    /// 3 for Go 1.27.3; 0 for a release candidate, which has what the first release has.
    pub patch: u16,
}

impl Release {
    /// The release `1.minor.patch`.
    pub const fn new(minor: u16, patch: u16) -> Self {
        Release { minor, patch }
    }
}

impl From<&GoVersion> for Release {
    fn from(version: &GoVersion) -> Self {
        Release { minor: version.minor, patch: version.patch.unwrap_or(0) }
    }
}

/// Since which release a key exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// Minor version.
    pub minor: u16,
    /// The lowest patch release of this minor that was read and has the key.
    pub patch: u16,
    /// The highest patch release of this minor that was read and lacks it; `None` when the key
    /// is there from the first patch. Releases between the two are not known.
    pub missing: Option<u16>,
}

/// One GODEBUG key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// `gctrace`.
    pub name: &'static str,
    /// The package that reads it.
    pub package: &'static str,
    /// Listed in `dbgvars`: the runtime reads it, and only as a 32-bit integer.
    pub runtime: bool,
    /// Cannot be changed after the start of the program.
    pub immutable: bool,
    /// Read by the standard library but listed in no documentation (`godebug.New("#name")`).
    pub undocumented: bool,
    /// First the minor that introduced the key, then each later minor in which it came with a
    /// patch release only.
    pub since: &'static [Since],
    /// The first minor without the key.
    pub gone: Option<u16>,
    /// The minor that changed the default, and the value that brings the old behaviour back.
    pub changed: Option<(u16, &'static str)>,
    /// The minor that removed the key, and the values that are fatal from Go 1.27 on.
    pub removed: Option<(u16, &'static [&'static str])>,
}

/// Go 1.27 is the first whose runtime refuses to start on a removed key (go.dev/issue/76163).
const REMOVED_IS_FATAL: u16 = 27;
/// `parsegodebug` throws on `cgocheck` above 1 since Go 1.21.
const CGOCHECK2_IS_FATAL: u16 = 21;
/// internal/godebug kept the first of several items up to Go 1.19.
const LAST_ITEM_WINS: u16 = 20;
/// runtime's own `atoi`, which reads no `+` and takes a lone `-` for zero, gave way to
/// strconv.ParseInt in Go 1.26 (1.25 only moved it to internal/runtime/strconv).
const STRCONV_INTEGERS: u16 = 26;

/// What the table says of a key in one release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// The release knows the key.
    Known(&'static Key),
    /// The release had the key once and has it no more; the minor that dropped it.
    Gone(&'static Key, u16),
    /// No release up to this one knows the key.
    Unknown,
    /// A later release knows the key.
    TooNew(&'static Key),
    /// Not decidable: the release is newer than those the table was read from, or lies between
    /// a patch release without the key and one with it.
    Undecided,
}

/// The newest release the table was read from.
pub fn newest() -> Release {
    let (minor, patch) = table::READ[table::READ.len() - 1];
    Release::new(minor, patch)
}

/// The releases the table was read from: the newest patch of each minor, oldest first.
pub fn releases() -> impl Iterator<Item = Release> {
    table::READ.iter().map(|&(minor, patch)| Release::new(minor, patch))
}

/// Every key of every release, sorted by name.
pub fn keys() -> &'static [Key] {
    table::KEYS
}

/// Looks a key up for one release. Keys `cpu.*` are not in the table; see [`is_cpu_key`].
pub fn lookup(name: &str, release: Release) -> Lookup {
    let found = table::KEYS.binary_search_by(|key| key.name.cmp(name)).ok();
    let read = table::READ.iter().find(|(minor, _)| *minor == release.minor);
    // A patch release newer than the one read may have brought a key, but takes none away.
    let beyond_minor = release.minor > newest().minor;
    let beyond_patch = beyond_minor || read.is_some_and(|(_, patch)| release.patch > *patch);
    let Some(index) = found else {
        return if beyond_patch { Lookup::Undecided } else { Lookup::Unknown };
    };
    let key = &table::KEYS[index];
    if let Some(gone) = key.gone
        && release.minor >= gone
    {
        return Lookup::Gone(key, gone);
    }
    if beyond_minor {
        return Lookup::Undecided;
    }
    let Some(first) = key.since.first() else { return Lookup::Unknown };
    // The table starts at Go 1.18; what 1.18 has, older releases are taken to have too.
    let oldest = table::READ[0].0;
    if release.minor < first.minor {
        return if first.minor == oldest { Lookup::Known(key) } else { Lookup::TooNew(key) };
    }
    match key.since.iter().find(|since| since.minor == release.minor) {
        None => Lookup::Known(key),
        Some(since) if release.patch >= since.patch => Lookup::Known(key),
        Some(since) => match since.missing {
            Some(missing) if release.patch <= missing => Lookup::TooNew(key),
            _ => Lookup::Undecided,
        },
    }
}

/// `cpu.<feature>` and `cpu.all`: options of internal/cpu, which take `on` or `off`. The features
/// depend on the processor, so every name after the dot counts as known.
pub fn is_cpu_key(name: &str) -> bool {
    name.len() > 4 && name.starts_with("cpu.")
}

/// What becomes of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Decides the value of its key.
    Effective,
    /// Valid, but another item of the same key decides; its index.
    Overridden(usize),
    /// Empty: two commas in a row, or one at an end. Harmless.
    Empty,
    /// Ignored: there is no `=`.
    NoEquals,
    /// Ignored: a key of the runtime whose value is no 32-bit integer.
    NotInteger,
    /// Ignored with a complaint on stderr: a `cpu.` option that is neither `on` nor `off`.
    NotOnOff,
    /// Ignored: this release has no such key.
    Unknown,
    /// Ignored: the key came with a later release.
    TooNew(&'static Key),
    /// Ignored: the key was removed in the minor given.
    Removed(u16),
    /// Ends the process at start: a removed key at an old value; the minor that removed it.
    FatalRemoved(u16),
    /// Ends the process at start: `cgocheck` above 1.
    FatalCgocheck,
    /// The table does not reach to this release; the item may have an effect or not.
    Undecided,
}

/// One comma-separated item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<'t> {
    /// The item as written, without commas.
    pub text: &'t str,
    /// Bytes of `text` in the whole value.
    pub span: Range<usize>,
    /// Left of the first `=`, spaces included; the whole item when there is no `=`.
    pub key: &'t str,
    /// Right of the first `=`; `None` when there is none.
    pub value: Option<&'t str>,
    /// What becomes of it.
    pub outcome: Outcome,
}

impl Item<'_> {
    /// Bytes of the key in the whole value.
    pub fn key_span(&self) -> Range<usize> {
        self.span.start..self.span.start + self.key.len()
    }

    /// Bytes of the value in the whole value; empty, at the end, when there is none.
    pub fn value_span(&self) -> Range<usize> {
        self.span.end - self.value.map_or(0, str::len)..self.span.end
    }

    /// A key that a `;` or white space hides inside this item: `schedtrace` in
    /// `gcpacertrace=1;schedtrace=1000`. The bytes are those of the hidden key.
    pub fn hidden_keys(&self) -> Vec<Range<usize>> {
        let mut hidden = Vec::new();
        let mut at = 0;
        for piece in self.text.split([';', ' ', '\t', '\n', '\r']) {
            if let Some((key, _)) = piece.split_once('=') {
                let start = self.span.start + at;
                // The piece at the very start is the item's own key, read as it stands.
                if at > 0 && !key.is_empty() {
                    hidden.push(start..start + key.len());
                }
            }
            at += piece.len() + 1;
        }
        hidden
    }
}

/// A `GODEBUG` value as one release reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Godebug<'t> {
    /// The items in the order written.
    pub items: Vec<Item<'t>>,
    /// The release whose rules were applied.
    pub release: Release,
}

/// Reads the value of the environment variable, or of `DefaultGODEBUG` in the build information,
/// as a program built by `release` does at start.
pub fn parse(text: &str, release: impl Into<Release>) -> Godebug<'_> {
    let release = release.into();
    let mut items = Vec::new();
    let mut start = 0;
    // An empty variable has no items at all, unlike ",", which has two empty ones.
    if !text.is_empty() {
        for piece in text.split(',') {
            items.push(item(piece, start, release));
            start += piece.len() + 1;
        }
    }
    settle(&mut items, release);
    Godebug { items, release }
}

fn item(text: &str, start: usize, release: Release) -> Item<'_> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (text, None),
    };
    let outcome = match value {
        None if text.is_empty() => Outcome::Empty,
        None => Outcome::NoEquals,
        Some(value) => alone(key, value, release),
    };
    Item { text, span: start..start + text.len(), key, value, outcome }
}

/// The outcome of an item when no other item mentions its key.
fn alone(key: &str, value: &str, release: Release) -> Outcome {
    if is_cpu_key(key) {
        return if matches!(value, "on" | "off") { Outcome::Effective } else { Outcome::NotOnOff };
    }
    let known = lookup(key, release);
    if let Lookup::Known(key) | Lookup::Gone(key, _) = known
        && let Some((minor, old)) = key.removed
        && release.minor >= minor
    {
        return if release.minor >= REMOVED_IS_FATAL && old.contains(&value) {
            Outcome::FatalRemoved(minor)
        } else {
            Outcome::Removed(minor)
        };
    }
    match known {
        Lookup::Known(key) if key.runtime && integer(key, value, release).is_none() => {
            Outcome::NotInteger
        }
        Lookup::Known(_) => Outcome::Effective,
        Lookup::Gone(_, minor) => Outcome::Removed(minor),
        Lookup::TooNew(key) => Outcome::TooNew(key),
        Lookup::Unknown => Outcome::Unknown,
        Lookup::Undecided => Outcome::Undecided,
    }
}

/// Decides between several items of one key.
fn settle(items: &mut [Item<'_>], release: Release) {
    let mut deciding: FxHashMap<&str, usize> = FxHashMap::default();
    for (index, item) in items.iter().enumerate() {
        if item.outcome != Outcome::Effective {
            continue;
        }
        let first_wins = release.minor < LAST_ITEM_WINS
            && matches!(lookup(item.key, release), Lookup::Known(key) if !key.runtime);
        if first_wins {
            deciding.entry(item.key).or_insert(index);
        } else {
            deciding.insert(item.key, index);
        }
    }
    for (index, item) in items.iter_mut().enumerate() {
        if item.outcome != Outcome::Effective {
            continue;
        }
        match deciding.get(item.key) {
            Some(&decider) if decider != index => item.outcome = Outcome::Overridden(decider),
            _ => {}
        }
        if item.outcome == Outcome::Effective
            && item.key == "cgocheck"
            && release.minor >= CGOCHECK2_IS_FATAL
            && item.value.and_then(|v| parse_integer(v, release)).is_some_and(|n| n > 1)
        {
            item.outcome = Outcome::FatalCgocheck;
        }
    }
}

/// The integer the runtime reads for `key`: 32 bits, but a full int for `memprofilerate`.
fn integer(key: &Key, value: &str, release: Release) -> Option<i64> {
    let number = parse_integer(value, release)?;
    (key.name == "memprofilerate" || i32::try_from(number).is_ok()).then_some(number)
}

fn parse_integer(value: &str, release: Release) -> Option<i64> {
    let old = release.minor < STRCONV_INTEGERS;
    let digits = match value.as_bytes().first()? {
        b'-' => &value[1..],
        b'+' if !old => &value[1..],
        _ => value,
    };
    if digits.is_empty() {
        return (old && value == "-").then_some(0);
    }
    // Rust would accept a second sign; Go does not.
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    value.parse().ok()
}

impl<'t> Godebug<'t> {
    /// The item that decides `key`, if any has an effect.
    pub fn deciding(&self, key: &str) -> Option<&Item<'t>> {
        self.items.iter().find(|i| {
            i.key == key && matches!(i.outcome, Outcome::Effective | Outcome::FatalCgocheck)
        })
    }

    /// The value that takes effect for `key`. A library key may carry `#pattern` for bisect,
    /// which is not part of the value.
    pub fn value(&self, key: &str) -> Option<&'t str> {
        let value = self.deciding(key)?.value?;
        match lookup(key, self.release) {
            Lookup::Known(key) if !key.runtime && self.release.minor >= 21 => {
                Some(value.split('#').next().unwrap_or(value))
            }
            _ => Some(value),
        }
    }

    /// The integer that takes effect for a key of the runtime.
    pub fn integer(&self, key: &str) -> Option<i64> {
        self.value(key).and_then(|value| parse_integer(value, self.release))
    }

    /// The item that ends the process at start: the one the runtime names.
    pub fn fatal(&self) -> Option<&Item<'t>> {
        // The removed keys are met while parsing, and end it; cgocheck is looked at afterwards.
        self.items
            .iter()
            .find(|i| matches!(i.outcome, Outcome::FatalRemoved(_)))
            .or_else(|| self.items.iter().find(|i| i.outcome == Outcome::FatalCgocheck))
    }

    /// The same settings written so that every one is read: commas for `;` and white space, no
    /// empty items, of several items of one key the one that was written last. Keys and values
    /// are kept as they are, unknown ones too; words without `=` go.
    pub fn canonical(&self) -> String {
        let spaced: Vec<&str> = self.items.iter().map(|item| item.text).collect();
        canonical(&spaced.join(","))
    }
}

/// The value that takes effect for `key` in a program whose environment says `environment` and
/// whose build information says `default`: the environment outranks the default key by key.
pub fn effective<'t>(
    key: &str,
    environment: Option<&Godebug<'t>>,
    default: Option<&Godebug<'t>>,
) -> Option<&'t str> {
    environment.and_then(|e| e.value(key)).or_else(|| default.and_then(|d| d.value(key)))
}

/// The value that `key` has when nobody sets it, for keys of the runtime on Linux; `None` for
/// others, whose default is a behaviour and not a value.
pub fn runtime_default(key: &str, release: Release) -> Option<i64> {
    let Lookup::Known(key) = lookup(key, release) else { return None };
    if !key.runtime {
        return None;
    }
    Some(match key.name {
        "cgocheck" | "invalidptr" | "adaptivestackstart" => 1,
        // src/runtime/runtime1.go: MADV_DONTNEED on Linux since Go 1.16.
        "madvdontneed" => i64::from(release.minor >= 16),
        "containermaxprocs" | "updatemaxprocs" | "decoratemappings" | "tracebacklabels" => 1,
        "profstackdepth" => 128,
        "panicnil" | "asynctimerchan" => 0,
        "memprofilerate" | "traceadvanceperiod" => return None,
        _ => 0,
    })
}

fn canonical(text: &str) -> String {
    // "key = value" means key=value to whoever wrote it; join before splitting at white space.
    let mut joined = String::with_capacity(text.len());
    for (index, part) in text.split('=').enumerate() {
        if index > 0 {
            joined.truncate(joined.trim_end().len());
            joined.push('=');
            joined.push_str(part.trim_start());
        } else {
            joined.push_str(part);
        }
    }
    let words: Vec<&str> = joined
        .split(|c: char| matches!(c, ',' | ';') || c.is_whitespace())
        .filter(|word| word.split_once('=').is_some_and(|(key, _)| !key.is_empty()))
        .collect();
    let mut last: FxHashMap<&str, usize> = FxHashMap::default();
    for (index, word) in words.iter().enumerate() {
        last.insert(word.split('=').next().unwrap_or(word), index);
    }
    let kept: Vec<&str> = words
        .iter()
        .enumerate()
        .filter(|(index, word)| last.get(word.split('=').next().unwrap_or(word)) == Some(index))
        .map(|(_, word)| *word)
        .collect();
    kept.join(",")
}
