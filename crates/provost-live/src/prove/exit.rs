//! The end of the process, stamped when it comes: what ends before anybody told it to did not end by being told.

use std::process::ExitStatus;

use tokio::process::Child;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};

use super::process::Clock;

/// When it was over, and how.
type Over = Option<(u64, ExitStatus)>;

/// Waits for a process all the time, and takes its number back at once. Dropped, it has the process killed.
#[derive(Debug)]
pub(super) struct Waiting {
    over: watch::Receiver<Over>,
    task: JoinHandle<()>,
}

impl Waiting {
    /// For that process. Must be called in a `LocalSet`.
    pub(super) fn begin(mut child: Child, clock: Clock) -> Self {
        let (tell, over) = watch::channel(None);
        let task = spawn_local(async move {
            if let Ok(status) = child.wait().await {
                tell.send_replace(Some((clock.now_us(), status)));
            }
        });
        Self { over, task }
    }

    /// When it ended and how, if that is known.
    pub(super) fn over(&self) -> Over {
        *self.over.borrow()
    }

    /// Waits until that is known, or never will be.
    pub(super) async fn come(&mut self) {
        // Who would tell is gone: nobody knows more.
        let _ = self.over.wait_for(Option::is_some).await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use tokio::process::Command;
    use tokio::time::sleep;

    #[test]
    fn an_end_that_nobody_waited_for_is_stamped_when_it_came() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let set = tokio::task::LocalSet::new();
        set.block_on(&runtime, async {
            let clock = Clock::now();
            let child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
            let mut waiting = Waiting::begin(child, clock);
            let late = async {
                loop {
                    if waiting.over().is_some() {
                        return;
                    }
                    sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), late).await.unwrap();
            let looked = clock.now_us();
            // Whoever asks much later hears of the same moment.
            sleep(Duration::from_millis(200)).await;
            waiting.come().await;
            let (at, status) = waiting.over().unwrap();
            assert!(at <= looked, "{at} {looked}");
            assert_eq!(status.code(), Some(7));
        });
    }
}
