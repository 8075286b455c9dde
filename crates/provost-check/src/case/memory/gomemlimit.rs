//! Whether GOMEMLIMIT was in force when something was killed, and what the heap did until then.

use goformats::kernel::log::Constraint;

use super::MemoryCase;
use crate::case::growth::{climbed, grows};
use crate::facts::Origin;
use crate::facts::oom::Setting;
use crate::findings::{Abstain, Reason};
use crate::model::Bytes;
use crate::model::goals::MemoryLimit;
use crate::model::memlimit::{self, Band, MemLimit, band};
use crate::model::oom::only_grows;

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

    /// Where something was killed at a limit that GOMEMLIMIT can be set below: the container's own, or one of a group
    /// above. What was killed because the node had no memory left did not come near its own.
    pub fn killed_at_limit(&self) -> Result<Origin, Abstain> {
        let place = self.killed_at().ok_or(Abstain::NotApplicable)?;
        let of_node = self.kill().is_some_and(|kill| {
            matches!(kill.report.constraint, Constraint::Machine | Constraint::Nodes)
        });
        if of_node {
            return Err(Abstain::NotApplicable);
        }
        // Where nothing says which limit it was, what it held does.
        if self.by_own_limit() != Some(true)
            && self.limit_above().is_none()
            && let (Some(limit), Some(held)) = (self.limit(), self.charged())
            && held < limit / 10 * 9
        {
            return Err(Abstain::NotApplicable);
        }
        Ok(place)
    }

    /// Cycles whose goal a GOMEMLIMIT made, by the log: one that the image sets, or the program itself, is in no pod.
    /// Not known where neither a pod nor the goals tell.
    pub fn limited_cycles(&self) -> Result<Option<(Origin, u64)>, Abstain> {
        let told = self.collections()?.goals.told();
        match told.limit {
            MemoryLimit::Decides { cycles, .. } => {
                let Some((log, _)) = self.life else { return Ok(None) };
                Ok(Some((Origin::whole(log.source), cycles)))
            }
            MemoryLimit::Unknown if self.status.is_none() => {
                let needs = "whether GOMEMLIMIT was set: the goals in the log are too few or too alike to tell, and there is no pod";
                Err(Abstain::unknown(Reason::LogTooShort, needs))
            }
            _ => Ok(None),
        }
    }

    /// A goal of the log, in MiB, that such a GOMEMLIMIT would not have left: another was in force.
    pub fn speaks_against(&self, value: Bytes) -> Option<(Origin, u64)> {
        let (log, _) = self.life?;
        let goal = match self.collections().ok()?.goals.told().limit {
            MemoryLimit::Above(goal) => goal,
            MemoryLimit::Decides { at_least: Some(least), .. } => least,
            _ => return None,
        };
        // Printed goals are cut off.
        (goal > (value.0 >> 20).saturating_add(1)).then(|| (Origin::whole(log.source), goal))
    }

    /// Whether the live heap grew until the log ends.
    pub fn growth(&self) -> Growth {
        let Ok(collections) = self.collections() else { return Growth::Unclear };
        if grows(collections).is_some() || climbed(collections) {
            return Growth::Yes;
        }
        let windows = &collections.windows;
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
