//! Whether GOMEMLIMIT was in force when something was killed, and what the heap did until then.

use super::MemoryCase;
use crate::facts::Origin;
use crate::facts::oom::Setting;
use crate::findings::{Abstain, Reason};
use crate::model::Bytes;
use crate::model::memlimit::{self, Band, MemLimit, band};
use crate::model::oom::only_grows;
use crate::model::trend::Trend;

/// Cycles without which no trend is told.
const LEAST_CYCLES: usize = 10;

/// What the end of a log says of the live heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// It stood, or went up and down.
    No,
    /// It grew until the end, so that a limit would have put the kill off.
    Yes,
    /// The last collections freed next to nothing: a program that fills its memory at its start looks the same
    /// as one that never stops.
    Unclear,
}

impl MemoryCase<'_> {
    /// Where something was killed for memory; nothing where nothing was.
    pub fn killed_at(&self) -> Option<Origin> {
        let status = || {
            let (_, status) = self.status?;
            let end = status.ends.iter().find(|end| end.reason() == "OOMKilled")?;
            Some(end.reason.as_ref()?.origin.clone())
        };
        let kill = self.kill().map(|kill| Self::at(&kill));
        kill.or_else(|| self.killed_in().map(|group| Origin::whole(group.source))).or_else(status)
    }

    /// Whether the live heap grew until the log ends.
    pub fn growth(&self) -> Growth {
        let Ok(collections) = self.collections() else { return Growth::Unclear };
        let windows = &collections.windows;
        let second = windows.get(windows.len() / 2..).unwrap_or_default();
        let series: Vec<(f64, f64)> = second
            .iter()
            .map(|window| (window.to.at_ms as f64 / 1000.0, window.mean_live()))
            .collect();
        let quarter = (second.len() / 2).max(1);
        let early = second.iter().take(quarter).map(|window| window.live.most).max();
        let late = second.iter().rev().take(quarter).map(|window| window.live.least).min();
        let rises = Trend::of(&series).is_some_and(|trend| trend.rises());
        if windows.len() >= LEAST_CYCLES && rises && late > early {
            return Growth::Yes;
        }
        let points: Vec<(u64, u64)> = windows.iter().map(|w| (w.end.last, w.live.last)).collect();
        match only_grows(points.get(points.len().saturating_sub(3)..).unwrap_or_default()) {
            true => Growth::Unclear,
            false => Growth::No,
        }
    }

    /// A GOMEMLIMIT that was set, with room below the limit; not known where nothing that was given holds its value.
    pub fn gomemlimit(&self) -> Result<Option<(Origin, Bytes)>, Abstain> {
        let Some(setting) = self.status.and_then(|(_, status)| status.gomemlimit.as_ref()) else {
            return Ok(None);
        };
        let written = match &setting.value {
            Setting::Written(written) => written,
            Setting::Elsewhere => {
                let needs =
                    "GOMEMLIMIT, which comes from elsewhere (valueFrom, or another variable)";
                return Err(Abstain::unknown(Reason::ObjectNotInInput, needs));
            }
            Setting::Perhaps => {
                let needs = "whether GOMEMLIMIT is among the variables of envFrom";
                return Err(Abstain::unknown(Reason::ObjectNotInInput, needs));
            }
        };
        let Ok(MemLimit::Set(value)) = memlimit::parse(written, None) else { return Ok(None) };
        let has_room = |limit: u64| {
            !matches!(band(value, Some(Bytes(limit))), Band::AboveLimit | Band::NoHeadroom)
        };
        Ok(self.limit().filter(|limit| has_room(*limit)).map(|_| (setting.origin.clone(), value)))
    }
}
