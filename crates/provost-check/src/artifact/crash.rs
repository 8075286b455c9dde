//! Crashes and goroutine dumps, out of the lines of a log that are none of the runtime's tracing.

use goformats::crash::{Cause, Ended, Goroutine, OwnedCreated, OwnedFrame, Parser, Said};

use crate::facts::crash::{Dump, MOST_DUMPS, MOST_RECOVERED, Recovered, Stack};

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
    /// Nothing is kept of what comes.
    over: bool,
}

impl Crashes {
    pub(super) fn take(&mut self, text: &[u8], place: (u64, u64), time: Option<&str>) {
        self.parser.take(text, place, time, &mut |said| self.kept.take(said));
    }

    pub(super) fn finish(mut self) -> Kept {
        self.parser.finish(&mut |said| self.kept.take(said));
        let mut kept = self.kept;
        kept.tell_recovered();
        kept
    }
}

impl Kept {
    fn take(&mut self, said: Said<'_>) {
        match said {
            Said::Cause(cause) if cause.is_survived() => self.survived = Some(cause),
            Said::Cause(cause) => {
                let line = cause.line;
                self.begin(Some(cause), None, line);
            }
            Said::Profile { name, line, .. } => self.begin(None, Some(name), line),
            Said::Goroutine { goroutine, begins } => self.goroutine(&goroutine, begins),
        }
    }

    fn begin(&mut self, cause: Option<Cause>, profile: Option<String>, line: u64) {
        self.survived = None;
        self.tell_recovered();
        self.over = self.dumps.len() >= MOST_DUMPS;
        if self.over {
            self.more_dumps += 1;
            return;
        }
        let groups = goformats::crash::Groups::default();
        self.dumps.push(Dump { cause, profile, line, first: None, groups });
    }

    fn goroutine(&mut self, goroutine: &Goroutine<'_>, begins: bool) {
        if let Some(cause) = self.survived.take() {
            if let Ended::Recovered(value) = cause.ended {
                self.recovered(Some(value), stack(goroutine));
            }
            return;
        }
        if begins {
            self.begin(None, None, goroutine.line);
        }
        let Some(dump) = self.dumps.last_mut().filter(|_| !self.over) else { return };
        if dump.first.is_none() {
            dump.first = Some(stack(goroutine));
        }
        dump.groups.push(goroutine);
    }

    /// A dump of one goroutine that is behind a panic is one that the program printed when it recovered.
    fn tell_recovered(&mut self) {
        let is_one = |dump: &Dump| {
            let own = |stack: &Stack| {
                let first = stack.frames.first().map_or("", |frame| &*frame.func);
                first == "runtime/debug.Stack" && stack.panics()
            };
            dump.cause.is_none() && dump.groups.total == 1 && dump.first.as_ref().is_some_and(own)
        };
        if self.dumps.last().is_some_and(is_one)
            && let Some(stack) = self.dumps.pop().and_then(|dump| dump.first)
        {
            self.recovered(None, stack);
        }
    }

    fn recovered(&mut self, value: Option<String>, stack: Stack) {
        let by_server = stack.frames.first().is_some_and(|f| f.func.starts_with("net/http."));
        let one = Recovered { value, by_server, count: 1, stack };
        let place = |of: &Recovered| {
            of.place().map(|frame| (frame.func.to_owned(), frame.file.to_owned(), frame.line))
        };
        let at = place(&one);
        if let Some(known) = self.recovered.iter_mut().find(|known| place(known) == at) {
            known.count += 1;
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
