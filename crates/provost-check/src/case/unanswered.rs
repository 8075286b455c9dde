//! Requests that had no answer while nobody had told the process to end.

use super::process::ProcessCase;
use crate::facts::proof::{Line, Outcome, Phase, PhaseName, Purpose, Request};
use crate::findings::{Abstain, Reason};

/// What waits so much longer than any answer took is not slow.
const SLOWER: u64 = 5;

/// The same right before SIGTERM, where time is short.
const SLOWER_AT_SIGTERM: u64 = 10;

/// For so long a garbage collector or a busy machine may hold everything up.
const PAUSE: u64 = 100_000;

/// Requests that wait in a row before nobody is said to be answered any more.
const IN_A_ROW: usize = 5;

/// What `net/http` prints of a panic that it recovers, behind `http: ` of the connection that it closes then (`conn.serve`
/// in net/http/server.go), behind `http2: ` of the stream (`runHandler` in net/http/h2_bundle.go).
const RECOVERED: &str = ": panic serving ";

/// What a process left unanswered in one run, before it was told to end.
#[derive(Clone, Debug)]
pub struct Unanswered<'w> {
    /// The run.
    pub phase: &'w Phase,
    /// How many requests were begun.
    pub asked: usize,
    /// Those whose connection or stream ended without a whole answer.
    pub ended: Vec<&'w Request>,
    /// Those that were waited for in vain.
    pub hung: Vec<&'w Request>,
    /// The longest that an answer took, in microseconds; none where there was no answer.
    pub longest: Option<u64>,
}

impl Unanswered<'_> {
    /// Whether it left none.
    pub fn is_none(&self) -> bool {
        self.ended.is_empty() && self.hung.is_empty()
    }

    /// Whether it left a single one, with nothing that says why: what happened once need not happen again.
    pub fn is_one(&self) -> bool {
        self.ended.len() == 1 && self.hung.is_empty() && self.phase.recovered().next().is_none()
    }

    /// Whether what was left unanswered may be why others are after SIGTERM: not where one was lost by itself, and one
    /// that was begun behind it was answered.
    fn may_go_on(&self) -> bool {
        let answered_since = |lost: &Request| {
            let mut others = self.phase.requests.iter();
            others.any(|it| {
                it.at_us > lost.end_us
                    && Some(it.end_us) <= self.phase.told_us()
                    && matches!(it.purpose, Purpose::NewConnection | Purpose::Busy)
                    && matches!(it.outcome, Outcome::Answered { .. })
            })
        };
        let alone = self.is_one() && self.ended.iter().all(|lost| answered_since(lost));
        !(self.is_none() || alone)
    }
}

/// Whether a request ended without a whole answer, by the doing of the server.
fn ended(request: &Request) -> bool {
    match request.outcome {
        // Of a connection that was used before, this is what meets its closing.
        Outcome::Reset { bytes: 0 } => request.purpose != Purpose::Busy,
        Outcome::Reset { .. }
        | Outcome::Closed { .. }
        | Outcome::StreamReset { .. }
        | Outcome::NoTrailers { .. }
        | Outcome::Refused => request.outcome.is_lost(),
        _ => false,
    }
}

fn answered(request: &&&Request) -> bool {
    matches!(request.outcome, Outcome::Answered { .. })
}

fn took(request: &Request) -> u64 {
    request.end_us.saturating_sub(request.at_us)
}

impl Phase {
    /// What became of the load before SIGTERM, where the process was ready.
    pub fn unanswered(&self) -> Option<Unanswered<'_>> {
        let told = self.told_us().filter(|_| self.ready_us.is_some() && !self.ended_by_itself())?;
        let is_load = |request: &&Request| match self.name {
            PhaseName::Load => request.purpose == Purpose::Steady,
            _ => matches!(request.purpose, Purpose::NewConnection | Purpose::Busy),
        };
        let load: Vec<&Request> = self.requests.iter().filter(is_load).collect();
        let asked: Vec<&Request> = load.iter().filter(|it| it.at_us < told).copied().collect();
        let in_time = asked.iter().filter(answered).filter(|request| request.end_us <= told);
        let longest = in_time.map(|request| took(request)).max();
        let over = |request: &&&Request| request.end_us <= told && ended(request);
        Some(Unanswered {
            phase: self,
            asked: asked.len(),
            ended: asked.iter().filter(over).copied().collect(),
            hung: match self.name {
                PhaseName::Load => asked
                    .iter()
                    .filter(|request| request.outcome == Outcome::TimedOut)
                    .filter(|request| {
                        longest.is_some_and(|it| it.saturating_mul(SLOWER) <= took(request))
                    })
                    .copied()
                    .collect(),
                _ => waiting(&load, &asked, told, longest),
            },
            longest,
        })
    }

    /// Whether requests that have no answer after SIGTERM may have none for another reason.
    pub fn fails_before_sigterm(&self) -> bool {
        self.unanswered().is_some_and(|before| before.may_go_on())
    }

    /// Lines that say of a request that its handler panicked.
    pub fn recovered(&self) -> impl Iterator<Item = &Line> {
        self.output.lines.iter().filter(|line| line.text.contains(RECOVERED))
    }
}

/// Those that waited at SIGTERM for an answer that none got any more which was begun with them or later, so much longer
/// than any answer had taken that SIGTERM is not why.
fn waiting<'p>(
    load: &[&'p Request],
    asked: &[&'p Request],
    told: u64,
    longest: Option<u64>,
) -> Vec<&'p Request> {
    let Some(longest) = longest else { return Vec::new() };
    let last = load.iter().filter(answered).map(|request| request.at_us).max().unwrap_or(0);
    let patience = PAUSE.max(longest.saturating_mul(SLOWER_AT_SIGTERM));
    let hung: Vec<&Request> = asked
        .iter()
        .filter(|it| it.at_us > last && it.end_us > told && told - it.at_us >= patience)
        .filter(|it| !matches!(it.outcome, Outcome::Answered { .. } | Outcome::Unprocessed))
        .copied()
        .collect();
    if hung.len() < IN_A_ROW { Vec::new() } else { hung }
}

impl<'w> ProcessCase<'w> {
    /// Unknown where requests had no answer before SIGTERM, either: those that have none after it say nothing of the
    /// end.
    pub fn answered_before(&self, phase: &'w Phase, what: &str) -> Result<(), Abstain> {
        let Some(before) = phase.unanswered().filter(Unanswered::may_go_on) else {
            return Ok(());
        };
        let what = format!(
            "{what}: {} of {} had no answer before it, either (fails-under-load)",
            before.ended.len() + before.hung.len(),
            before.asked
        );
        Err(Abstain::unknown(Reason::NotMeasured, what))
    }
}
