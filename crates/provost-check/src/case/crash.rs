//! The end of one process, or its goroutines at one moment, as a log tells of them.

use goformats::crash::{Cause, Ended, Frame, Limits, OwnedCreated};

use super::Joined;
use crate::facts::Origin;
use crate::facts::crash::{Dump, Recovered, Stack};
use crate::facts::runtime_log::RuntimeLog;
use crate::model::quantity::counted;
use crate::model::secret::masked;

/// A dump.
#[derive(Clone, Copy, Debug)]
pub struct DumpCase<'w> {
    /// Everything.
    pub joined: &'w Joined<'w>,
    /// The log.
    pub log: &'w RuntimeLog,
    /// The dump.
    pub dump: &'w Dump,
    /// Its place among those of the log.
    pub index: usize,
}

impl<'w> DumpCase<'w> {
    /// The log, and which of its dumps where there are several.
    pub fn subject(&self) -> String {
        let path = &self.joined.world.sources.get(self.log.source).path;
        match (self.log.dumps.len(), self.dump.stream.as_deref()) {
            (1, None) => path.clone(),
            (1, Some(stream)) => format!("{path} ({stream})"),
            (_, None) => format!("{path} (dump {})", self.index + 1),
            (_, Some(stream)) => format!("{path} ({stream}, dump {})", self.index + 1),
        }
    }

    /// A line of the log.
    pub fn at(&self, line: u64) -> Origin {
        Origin::log(self.log.source, line, None)
    }

    /// The fatal error that ended the process, of that kind.
    pub fn fatal(&self, kind: Fatal) -> Option<(&'w Cause, &'w str)> {
        let cause = self.dump.cause.as_ref()?;
        cause.fatal().filter(|text| Fatal::of(text) == kind).map(|text| (cause, text))
    }

    /// Where the first goroutine was in the program's own code, as evidence.
    pub fn culprit(&self) -> Option<(Origin, String)> {
        let first = self.dump.first.as_ref()?;
        let text = match self.dump.place() {
            Some(place) => format!("goroutine {} in {}", first.id, shown(&place)),
            None => format!("goroutine {}, in no code of the program's own", first.id),
        };
        Some((self.at(first.line), text))
    }
}

/// The panics that the processes of a log survived.
#[derive(Clone, Copy, Debug)]
pub struct RecoveredCase<'w> {
    /// Everything.
    pub joined: &'w Joined<'w>,
    /// The log.
    pub log: &'w RuntimeLog,
}

impl RecoveredCase<'_> {
    /// The log.
    pub fn subject(&self) -> String {
        self.joined.world.sources.get(self.log.source).path.clone()
    }

    /// The first of those from one place.
    pub fn at(&self, recovered: &Recovered) -> Origin {
        Origin::log(self.log.source, recovered.stack.line, None)
    }
}

/// `main.handler (/src/main.go:12)`
pub fn shown(frame: &Frame<'_>) -> String {
    match frame.file {
        "" => frame.func.to_owned(),
        file => format!("{} ({file}:{})", frame.func, frame.line),
    }
}

/// `started by main.serve (/src/main.go:7) in goroutine 1`
pub fn started(created: &OwnedCreated) -> String {
    let frame = Frame { func: &created.func, args: "", file: &created.file, line: created.line };
    match created.by {
        Some(by) => format!("started by {} in goroutine {by}", shown(&frame)),
        None => format!("started by {}", shown(&frame)),
    }
}

/// `1 goroutine`, `3 goroutines`
pub fn many(count: u64) -> String {
    counted(count, "goroutine")
}

/// What was given to `panic`, in one line that can be read.
pub fn value(text: &str) -> String {
    const MOST: usize = 200;
    // What is cut first has the shape of a secret no longer.
    let masked = masked(text);
    let mut line = masked.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(MOST) {
        line.truncate(end);
        line.push_str("...");
    } else if is_cut(text) {
        line.truncate(line.rfind(' ').unwrap_or(0));
        line.push_str("...");
    }
    line
}

/// The same with all its lines.
pub fn whole(text: &str) -> String {
    let mut shown = masked(text).into_owned();
    if is_cut(text) {
        shown.truncate(shown.rfind(char::is_whitespace).unwrap_or(0));
        shown.push_str("...");
    }
    shown
}

/// Whether a value was cut when it was read: its last word may be a part of a secret.
fn is_cut(text: &str) -> bool {
    text.len() + char::MAX.len_utf8() > Limits::DEFAULT.message
}

/// What a fatal error is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fatal {
    /// Nothing is left to run.
    Deadlock,
    /// A map that is written to while others use it.
    MapAccess,
    /// A stack that grew to its limit.
    StackOverflow,
    /// The kernel gave no more memory.
    OutOfMemory,
    /// A setting of GODEBUG that there is no longer.
    RemovedGodebug,
    /// Another one.
    Other,
}

impl Fatal {
    /// By what `throw` and `fatal` of Go 1.18 to 1.27 print.
    pub fn of(text: &str) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if has(&["all goroutines are asleep", "no goroutines (main called runtime.Goexit)"]) {
            Self::Deadlock
        } else if has(&["concurrent map "]) {
            Self::MapAccess
        } else if text == "stack overflow" {
            Self::StackOverflow
        } else if has(&["out of memory", "cannot allocate memory", "cannot map pages in arena"]) {
            Self::OutOfMemory
        } else if text.starts_with("removed GODEBUG ") {
            Self::RemovedGodebug
        } else {
            Self::Other
        }
    }
}

/// What a process ended with, in a few words.
pub fn ended(dump: &Dump) -> Option<String> {
    let cause = dump.cause.as_ref()?;
    let signal = cause.signal.as_ref();
    Some(match &cause.ended {
        Ended::Panic(chain) => {
            let last = chain.last().map_or("", |panicked| panicked.value.as_str());
            format!("panic: {}", value(last))
        }
        Ended::Fatal(text) => format!("fatal error: {}", value(text)),
        Ended::Signal => {
            let signal = signal.map(|s| format!("{}: {}", s.name, s.meaning));
            signal.unwrap_or_else(|| "a signal".to_owned())
        }
        Ended::Recovered(text) => format!("recovered: {}", value(text)),
    })
}

/// Who did it, and from where.
pub fn origin_of(stack: &Stack) -> String {
    match &stack.created {
        Some(created) => format!("goroutine {} was {}", stack.id, started(created)),
        None if stack.id == 1 => "goroutine 1 is the main goroutine".to_owned(),
        None => format!("goroutine {}", stack.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cut first, thirty letters of a token were shown: they have its shape no longer.
    #[test]
    fn a_token_over_the_end_of_what_is_shown_is_masked_first() {
        // Joined here, so that no scanner takes this file for a leak.
        let token = format!("{}{}", "ghp_", "a1B2".repeat(9));
        for before in 150..220 {
            let shown = value(&format!("{} {token} and on", "x".repeat(before)));
            assert!(!shown.contains("ghp_"), "{shown}");
        }
        assert_eq!(value("so\n\tit is"), "so it is");
        // What the parser cut: the key is masked, and the token behind it is there in part.
        let key = format!("-----BEGIN {}-----{}-----END", "PRIVATE KEY", "\nMIIE".repeat(800));
        let mut text = format!("{key} {token}");
        text.truncate(key.len() + 20);
        text.insert_str(0, &"\n".repeat(Limits::DEFAULT.message - text.len()));
        let shown = value(&text);
        assert!(!shown.contains("ghp_") && shown.contains("PRIVATE KEY"), "{shown}");
    }
}
