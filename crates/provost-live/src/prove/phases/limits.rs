//! Started with `GODEBUG=schedtrace`, so that the runtime says how many threads run Go code.

use std::time::Duration;

use goformats::runtimelog::{Entry, Limits, Reader, Runtime};
use provost_check::facts::proof::{Output, Scheduler};
use rustix::thread::sched_getaffinity;
use tokio::time::sleep;

use super::run::Run;
use crate::prove::collector::collector;

/// Long enough for two lines of the trace, and for what is set right behind the start.
const SETTLE: Duration = Duration::from_millis(400);

pub(super) async fn run(run: &mut Run<'_>) {
    if !run.become_ready().await && !run.plan.terms.is_worker() {
        return;
    }
    sleep(SETTLE).await;
    let gomaxprocs = run.process.output(last_sample);
    // The worker's are the program's: nobody has chosen others.
    let cpus = sched_getaffinity(None).map(|set| set.count()).unwrap_or(0);
    run.collector = collector(run.process.id());
    run.scheduler =
        gomaxprocs.filter(|_| cpus > 0).map(|gomaxprocs| Scheduler { gomaxprocs, cpus });
    run.terminate();
    run.wait_for_end().await;
}

/// What the last line of the trace says.
fn last_sample(output: &Output) -> Option<u32> {
    let mut reader = Reader::new(Limits::default());
    let mut last = None;
    let mut keep = |line: goformats::runtimelog::Line<'_>| {
        if let Entry::Runtime(Runtime::Sched(sample)) = line.entry {
            last = u32::try_from(sample.gomaxprocs).ok();
        }
    };
    for line in output.lines.iter().filter(|line| line.stderr) {
        reader.push(line.text.as_bytes(), &mut keep);
        reader.push(b"\n", &mut keep);
    }
    reader.finish(&mut keep);
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_check::facts::proof::Line;

    #[test]
    fn the_last_line_counts_which_the_program_may_have_changed() {
        let line =
            |text: &str, stderr| Line { at_us: 0, stderr, secret: false, text: text.to_owned() };
        let output = Output {
            lines: vec![
                line(
                    "SCHED 0ms: gomaxprocs=2 idleprocs=1 threads=4 spinningthreads=0 needspinning=0 idlethreads=1 runqueue=0 [0 0]",
                    true,
                ),
                line("listening", true),
                line(
                    "SCHED 101ms: gomaxprocs=64 idleprocs=63 threads=5 spinningthreads=0 needspinning=0 idlethreads=2 runqueue=0 [ 0 0 ] schedticks=[ 1 2 ]",
                    true,
                ),
                line(
                    "SCHED 300ms: gomaxprocs=9 idleprocs=1 threads=4 spinningthreads=0 idlethreads=1 runqueue=0 [0]",
                    false,
                ),
            ],
            ..Output::default()
        };
        assert_eq!(last_sample(&output), Some(64));
        assert_eq!(last_sample(&Output::default()), None);
    }
}
