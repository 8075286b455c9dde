//! Processes that the measured one started: which of them nobody waits for, and which run on when it
//! ends.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep};

use super::listening::tree;

/// Whoever is waited for is no zombie for longer.
const WAITED_FOR: Duration = Duration::from_secs(1);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(3);

/// A look is of the end when it was no longer before it.
const AT_THE_END: Duration = Duration::from_millis(40);

/// What is seen so many times in a row was not about to end.
const STAYS: usize = 3;

/// Those below a process by number: their names, and whether they have ended. Nothing where the kernel does not
/// say which there are (`CONFIG_PROC_CHILDREN`).
fn below(pid: u32) -> Option<BTreeMap<u32, (String, bool)>> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    Some(tree(pid).into_iter().skip(1).filter_map(|pid| Some((pid, state(pid)?))).collect())
}

/// Names of those below a process that run.
pub(super) fn running(pid: u32) -> Option<BTreeMap<u32, String>> {
    let all = below(pid)?.into_iter().filter(|(_, (_, ended))| !ended);
    Some(all.map(|(pid, (name, _))| (pid, name)).collect())
}

/// `pid (name) state ...`, where the name may hold anything (proc_pid_stat(5)).
fn state(pid: u32) -> Option<(String, bool)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    named(&stat)
}

fn named(stat: &str) -> Option<(String, bool)> {
    let (head, rest) = stat.rsplit_once(") ")?;
    let name = head.split_once('(')?.1;
    Some((name.to_owned(), rest.starts_with('Z')))
}

/// Bytes of a command line that are looked at: the kernel has a limit for each word (MAX_ARG_STRLEN).
const MOST_WORDS: u64 = 256 << 10;

/// Command lines of a process and of those below it, words with blanks between them, and the names of the latter.
pub(super) fn command_lines(pid: u32) -> Vec<(Option<String>, Vec<u8>)> {
    let of = |(place, pid): (usize, u32)| {
        let mut words = Vec::new();
        let file = fs::File::open(format!("/proc/{pid}/cmdline")).ok()?;
        file.take(MOST_WORDS).read_to_end(&mut words).ok()?;
        for byte in words.iter_mut().filter(|byte| **byte == 0) {
            *byte = b' ';
        }
        let name = (place > 0).then(|| state(pid).map_or_else(String::new, |(name, _)| name));
        Some((name, words))
    };
    tree(pid).into_iter().enumerate().filter_map(of).collect()
}

/// Names of those that have ended and are not waited for; nothing where that cannot be seen.
pub(super) async fn zombies(pid: u32) -> Option<Vec<String>> {
    let dead = |pid| {
        let mut all = below(pid)?;
        all.retain(|_, (_, ended)| *ended);
        Some(all)
    };
    let before = dead(pid)?;
    if before.is_empty() {
        return Some(Vec::new());
    }
    sleep(WAITED_FOR).await;
    let now = dead(pid)?;
    let stay = before.into_iter().filter(|(pid, _)| now.contains_key(pid));
    Some(stay.map(|(_, (name, _))| name).collect())
}

/// Looks again and again which of them run, for where nobody is told that the process ends.
#[derive(Debug)]
pub(super) struct Watch {
    task: JoinHandle<()>,
    seen: Rc<RefCell<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    last: Option<Instant>,
    /// Those that ran, and how many times in a row that was seen.
    running: BTreeMap<u32, (String, usize)>,
}

impl Watch {
    pub(super) fn begin(pid: u32) -> Self {
        let seen = Rc::new(RefCell::new(Seen::default()));
        let shared = Rc::clone(&seen);
        let task = spawn_local(async move {
            // When it is gone there is nothing to be looked at any more.
            while state(pid).is_some_and(|(_, ended)| !ended) {
                let Some(now) = running(pid) else { return };
                {
                    let mut seen = shared.borrow_mut();
                    seen.last = Some(Instant::now());
                    let before = std::mem::take(&mut seen.running);
                    let times = |pid: u32| before.get(&pid).map_or(1, |(_, times)| times + 1);
                    seen.running =
                        now.into_iter().map(|(pid, name)| (pid, (name, times(pid)))).collect();
                }
                sleep(LOOK).await;
            }
        });
        Self { task, seen }
    }

    /// Names of those that ran when it ended, which was just now; nothing when the last look was too long before
    /// that.
    pub(super) fn left(self) -> Option<Vec<String>> {
        self.task.abort();
        let seen = self.seen.borrow();
        seen.last.filter(|last| last.elapsed() <= AT_THE_END)?;
        let running = seen.running.values().filter(|(_, times)| *times >= STAYS);
        Some(running.map(|(name, _)| name.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_read_as_words() {
        let lines = command_lines(std::process::id());
        let own = std::env::args().collect::<Vec<_>>().join(" ");
        assert_eq!(lines[0].0, None);
        assert_eq!(String::from_utf8_lossy(&lines[0].1).trim_end(), own.trim_end());
    }

    #[test]
    fn a_look_that_was_too_early_is_none() {
        let look = |before: Duration, times| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let set = tokio::task::LocalSet::new();
            set.block_on(&runtime, async {
                let running = BTreeMap::from([(7, ("worker".to_owned(), times))]);
                let last = Instant::now().checked_sub(before);
                let seen = Rc::new(RefCell::new(Seen { last, running }));
                Watch { task: spawn_local(async {}), seen }.left()
            })
        };
        assert_eq!(look(Duration::ZERO, STAYS), Some(vec!["worker".to_owned()]));
        // It was about to end.
        assert_eq!(look(Duration::ZERO, 1), Some(Vec::new()));
        assert_eq!(look(2 * AT_THE_END, STAYS), None);
    }

    #[test]
    fn a_name_may_hold_anything() {
        assert_eq!(named("12 (a) Z) b) S 1 12"), Some(("a) Z) b".to_owned(), false)));
        assert_eq!(named("12 (sleep) Z 1 12"), Some(("sleep".to_owned(), true)));
        assert_eq!(named(""), None);
    }
}
