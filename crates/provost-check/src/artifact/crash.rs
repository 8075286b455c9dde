//! Crashes and goroutine dumps, out of the lines of a log that are none of the runtime's tracing.

use std::sync::Arc;

use goformats::crash::{Cause, Ended, Goroutine, OwnedCreated, OwnedFrame, Parser, Said};

use crate::facts::crash::{Dump, MOST_DUMPS, MOST_RECOVERED, Recovered, Stack};

/// Bytes of the stacks of a log that are kept.
const MOST_BYTES: usize = 64 << 20;

/// By which controllers log a panic with its stack, and may go on: `HandleCrash` of
/// `k8s.io/apimachinery/pkg/util/runtime`.
const LOG_PANIC: &str = "k8s.io/apimachinery/pkg/util/runtime.logPanic";

/// Takes lines, and keeps dumps.
#[derive(Debug, Default)]
pub(super) struct Crashes {
    parser: Parser,
    kept: Kept,
}

/// What comes of a log.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) dumps: Vec<Dump>,
    /// Further ones, of which nothing is kept.
    pub(super) more_dumps: u64,
    pub(super) recovered: Vec<Recovered>,
    /// A panic that a server survived, whose goroutine comes next.
    survived: Option<Cause>,
    /// The program wrote the last goroutine into a line of its own.
    printed: bool,
    /// Nothing is kept of what comes.
    over: bool,
}

/// What a log has room for, whoever of it writes.
#[derive(Debug)]
pub(super) struct Budget {
    dumps: usize,
    /// Bytes of stacks.
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { dumps: MOST_DUMPS, bytes: MOST_BYTES }
    }
}

impl Crashes {
    pub(super) fn take(
        &mut self,
        text: &[u8],
        place: (u64, u64),
        time: Option<&str>,
        budget: &mut Budget,
    ) {
        self.parser.take(text, place, time, &mut |said| self.kept.take(said, budget));
    }

    pub(super) fn finish(mut self, budget: &mut Budget) -> Kept {
        self.parser.finish(&mut |said| self.kept.take(said, budget));
        let mut kept = self.kept;
        kept.tell_recovered(budget);
        kept.dumps.iter_mut().for_each(Dump::know_places);
        kept
    }
}

impl Kept {
    /// Adds what is of one of several that wrote a log, in the order of the log.
    pub(super) fn add(&mut self, other: Self, stream: Option<Arc<str>>) {
        let dumps = other.dumps.into_iter();
        self.dumps.extend(dumps.map(|dump| Dump { stream: stream.clone(), ..dump }));
        self.dumps.sort_by_key(|dump| dump.line);
        self.more_dumps = self.more_dumps.saturating_add(other.more_dumps);
        let room = MOST_RECOVERED.saturating_sub(self.recovered.len());
        self.recovered.extend(other.recovered.into_iter().take(room));
    }

    fn take(&mut self, said: Said<'_>, budget: &mut Budget) {
        match said {
            Said::Cause(cause) if cause.is_survived() => self.survived = Some(cause),
            Said::Cause(cause) => {
                let line = cause.line;
                self.begin(Some(cause), None, line, budget);
            }
            Said::Profile { name, line, .. } => self.begin(None, Some(name), line, budget),
            Said::Goroutine { goroutine, begins, printed } => {
                self.goroutine(&goroutine, begins, budget);
                self.printed = printed;
            }
        }
    }

    fn begin(
        &mut self,
        cause: Option<Cause>,
        profile: Option<String>,
        line: u64,
        budget: &mut Budget,
    ) {
        self.survived = None;
        self.tell_recovered(budget);
        self.over = budget.dumps == 0;
        if self.over {
            self.more_dumps += 1;
            return;
        }
        budget.dumps -= 1;
        let groups = goformats::crash::Groups::default();
        let places = Vec::new();
        self.dumps.push(Dump { cause, profile, stream: None, line, first: None, groups, places });
    }

    fn goroutine(&mut self, goroutine: &Goroutine<'_>, begins: bool, budget: &mut Budget) {
        if let Some(cause) = self.survived.take() {
            if let Ended::Recovered(value) = cause.ended {
                self.recovered(Some(value), stack(goroutine));
            }
            return;
        }
        if begins {
            self.begin(None, None, goroutine.line, budget);
        }
        let Some(dump) = self.dumps.last_mut().filter(|_| !self.over) else { return };
        if dump.first.is_none() {
            dump.first = Some(stack(goroutine));
        }
        dump.groups.push_within(goroutine, &mut budget.bytes);
    }

    /// A dump of one goroutine that is behind a panic is one that the program printed when it recovered.
    fn tell_recovered(&mut self, budget: &mut Budget) {
        let printed = self.printed;
        let is_one = |dump: &Dump| {
            let own = |stack: &Stack| {
                let first = stack.frames.first().map_or("", |frame| &*frame.func);
                let is_printer = first == "runtime/debug.Stack" || first.ends_with(LOG_PANIC);
                (is_printer || printed && first != "panic") && stack.panics()
            };
            dump.cause.is_none() && dump.groups.total == 1 && dump.first.as_ref().is_some_and(own)
        };
        if self.dumps.last().is_some_and(is_one)
            && let Some(stack) = self.dumps.pop().and_then(|dump| dump.first)
        {
            budget.dumps += 1;
            self.recovered(None, stack);
        }
    }

    fn recovered(&mut self, value: Option<String>, stack: Stack) {
        let by_server = stack.frames.first().is_some_and(|f| f.func.starts_with("net/http."));
        let one = Recovered { value, by_server, count: 1, stack };
        if let Some(known) = self.recovered.iter_mut().find(|known| known.is_like(&one)) {
            known.count = known.count.saturating_add(1);
        } else if self.recovered.len() < MOST_RECOVERED {
            self.recovered.push(one);
        }
    }
}

fn stack(of: &Goroutine<'_>) -> Stack {
    Stack {
        id: of.header.map_or(0, |header| header.id),
        state: of.header.map_or_else(String::new, |header| header.state.clone()),
        line: of.line,
        frames: of.frames().map(OwnedFrame::from).collect(),
        created: of.created().map(OwnedCreated::from),
        elided: of.elided,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "they are tests")]

    use super::{Budget, Crashes};
    use crate::artifact::runtime_log::read;
    use crate::artifact::source::{Source, SourceKind, Sources};
    use crate::facts::runtime_log::RuntimeLog;

    fn log(text: &str) -> RuntimeLog {
        let source = Sources::default().add(Source::opaque("a.log", SourceKind::Log));
        read(source, text.as_bytes(), &|_| true).unwrap()
    }

    fn served(value: &str, line: u32) -> String {
        format!(
            "2026/11/26 15:38:25 http: panic serving 127.0.0.1:34264: {value}\ngoroutine 7 [running]:\nnet/http.(*conn).serve.func1()\n\t/usr/local/go/src/net/http/server.go:1947 +0xbe\npanic({{0x6c6a40?, 0x8b1b70?}})\n\t/usr/local/go/src/runtime/panic.go:785 +0x132\nruntime.goPanicIndex(0x1, 0x2)\n\t/usr/local/go/src/runtime/panic.go:115 +0x74\nexample.com/a.F()\n\t/root/go/pkg/mod/example.com/a@v1.0.0/a.go:{line} +0x1\nnet/http.(*conn).serve(0xc0000b6000)\n\t/usr/local/go/src/net/http/server.go:2092 +0x5d0\ncreated by net/http.(*Server).Serve in goroutine 1\n\t/usr/local/go/src/net/http/server.go:3360 +0x485\n\n"
        )
    }

    /// All of them were one, whatever they were of.
    #[test]
    fn recovered_panics_of_dependencies_are_told_apart() {
        let text = [served("a", 1), served("a", 1), served("b", 1), served("a", 2)].concat();
        let log = log(&text);
        let counts: Vec<_> = log.recovered.iter().map(|r| (r.value.as_deref(), r.count)).collect();
        assert_eq!(counts, [(Some("a"), 2), (Some("b"), 1), (Some("a"), 1)]);
    }

    /// Dumps, groups and frames, each within its limit, took gigabytes.
    #[test]
    fn dumps_of_a_log_keep_within_a_budget_of_bytes() {
        let mut crashes = Crashes::default();
        let mut budget = Budget { bytes: 20_000, ..Budget::default() };
        let mut take = |text: &str| crashes.take(text.as_bytes(), (1, 0), None, &mut budget);
        for dump in 0..9 {
            for id in 1..=10 {
                let state = if id == 1 { "running" } else { "select" };
                take(&format!("goroutine {id} [{state}]:"));
                for frame in 0..5 {
                    take("main.wait(0x1)");
                    take(&format!("\t/src/main.go:{dump}{id}{frame} +0x1"));
                }
                take("");
            }
        }
        let kept = crashes.finish(&mut budget);
        assert_eq!(kept.dumps.len(), 9);
        let groups: usize = kept.dumps.iter().map(|dump| dump.groups.groups.len()).sum();
        assert!((10..60).contains(&groups), "{groups}");
        let more: u64 = kept.dumps.iter().map(|dump| dump.groups.more).sum();
        assert_eq!(groups as u64 + more, 90);
    }
}
