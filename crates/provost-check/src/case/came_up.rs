//! Whether a process came up, and whether what it was not given may be why it did not.

use super::process::{Fails, ProcessCase};
use crate::facts::proof::{Phase, PhaseName, Purpose, Request};
use crate::findings::{Abstain, Reason};

impl ProcessCase<'_> {
    /// Unknown where the process did not come up and the measurement itself may be why: then nothing is known of it.
    pub fn start_is_its_own(&self) -> Result<(), Abstain> {
        let start = self.phases().iter().find(|phase| phase.name == PhaseName::Start);
        let Some(phase) = start.or(self.phases().first()) else { return Ok(()) };
        if phase.ready_us.is_some() || phase.other_protocol {
            return Ok(());
        }
        if phase.ended_by_itself() {
            return match self.has_done_its_work(phase) {
                true => Ok(()),
                false => self.end_is_its_own(phase),
            };
        }
        if self.terms().is_worker() {
            return Ok(());
        }
        match phase.listens_us() {
            None => self.was_given_what_it_needs(Fails::Waits),
            Some(_) => {
                let watch = self.terms().watch().filter(|_| phase.live_us.is_none());
                let purpose = watch.map_or(Purpose::Readiness, |watch| watch.kind.purpose());
                let asked: Vec<&Request> = phase.of(purpose).collect();
                self.was_given_what_it_needs(Fails::by(asked.into_iter()))
            }
        }
    }

    /// Whether it is a worker, by its terms and by what it did.
    pub fn opens_no_port(&self) -> bool {
        let silent = |phase: &Phase| phase.listeners.is_empty();
        self.terms().is_worker() && !self.phases().is_empty() && self.phases().iter().all(silent)
    }

    /// Whether it is of a Job and ended well.
    pub fn has_done_its_work(&self, phase: &Phase) -> bool {
        let batch = self.container().is_some_and(|case| case.workload().kind.is_batch());
        batch && phase.exit.as_ref().is_some_and(|exit| exit.code == Some(0))
    }

    /// Unknown where a process ended by itself before it was ready, and what it was not given may be why.
    pub fn end_is_its_own(&self, phase: &Phase) -> Result<(), Abstain> {
        let missing = &self.proof().stage.missing;
        if let Some(missing) = missing.iter().find(|missing| missing.volume) {
            let what = format!("a start with {}", missing.what);
            return Err(Abstain::unknown(Reason::NotMeasured, what));
        }
        self.wrote_to_disk(phase)?;
        // What is made up may be what it takes no start with; its memory limit is another matter.
        if phase.killed_at_limit().is_none() {
            self.was_given_what_it_needs(Fails::Ends(phase))?;
        }
        Ok(())
    }
}
