//! SIGINT and SIGTERM: the first ends the work and prints what is known, the second ends provost.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::Exit;

/// Whether, and by which signal, the run was interrupted.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt {
    raised: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Starts to watch.
    pub(crate) fn watch() -> io::Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        let signal = Arc::new(AtomicUsize::new(0));
        for number in [SIGINT, SIGTERM] {
            // Handlers run in the order they are registered: on a second signal the first of these
            // finds the flag raised and does what the signal does by default.
            flag::register_conditional_default(number, raised.clone())?;
            flag::register_usize(number, signal.clone(), usize::try_from(number).unwrap_or(0))?;
            flag::register(number, raised.clone())?;
        }
        Ok(Self { raised, signal })
    }

    /// The flag for the pipeline.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        self.raised.clone()
    }

    /// How to exit, when a signal came.
    pub(crate) fn exit(&self) -> Option<Exit> {
        let raised = self.raised.load(Ordering::SeqCst);
        let is_interrupt =
            self.signal.load(Ordering::SeqCst) == usize::try_from(SIGINT).unwrap_or(0);
        raised.then_some(if is_interrupt { Exit::Interrupted } else { Exit::Terminated })
    }
}
