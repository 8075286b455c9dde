//! How much memory a program takes at most, and how much of the processor.

use std::fs;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cmd;

/// Between two looks at a program.
const PAUSE: Duration = Duration::from_millis(2);

/// Runs a program to its end and returns its largest resident set in bytes, 0 where it ended
/// before anyone looked. Fails with the program's own words when it does not run; findings, exit
/// code 1, are no failure.
///
/// The kernel keeps the largest value (`VmHWM` in proc_pid_status(5)); what a program takes in
/// its last two milliseconds is not seen.
pub fn run(command: &mut Command) -> Result<u64> {
    let shown = cmd::show(command);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {shown:.80}"))?;
    let stderr = child.stderr.take();
    let words = thread::spawn(move || {
        let mut words = Vec::new();
        // Words that cannot be read are only missing from a message.
        let _ = stderr.map(|mut pipe| pipe.read_to_end(&mut words));
        words
    });
    let status_file = format!("/proc/{}/status", child.id());
    let mut most = 0;
    let status = loop {
        most = most.max(fs::read_to_string(&status_file).map_or(0, |text| high_water(&text)));
        match child.try_wait()? {
            Some(status) => break status,
            None => thread::sleep(PAUSE),
        }
    };
    let words = words.join().unwrap_or_default();
    let good = matches!(status.code(), Some(0 | 1));
    anyhow::ensure!(good, "{shown:.80}: {status}\n{}", String::from_utf8_lossy(&words));
    Ok(most)
}

/// `VmHWM: 45312 kB`, with a tab, in bytes.
fn high_water(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}

/// Time of the processor that ended children of this process took, in user space and in the kernel.
pub fn of_children() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    ticks(&stat).map(|ticks| Duration::from_millis(ticks * 10)).context("/proc/self/stat")
}

/// `cutime` and `cstime` of proc_pid_stat(5), in hundredths of a second (`USER_HZ`).
fn ticks(stat: &str) -> Option<u64> {
    // The name in front may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(13);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read_in_bytes() {
        assert_eq!(high_water("Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t   12 kB\n"), 12 * 1024);
        assert_eq!(high_water("Name:\tx\n"), 0);
    }

    #[test]
    fn time_of_children_is_told_from_ones_own() {
        let stat = "7 (a) 1 (x) S 1 7 7 0 -1 4194560 9 9 0 0 111 22 3000 400 20 0 1 0 9";
        assert_eq!(ticks(stat), Some(3400));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn findings_are_no_failure_and_words_are_kept() {
        assert!(run(Command::new("sh").args(["-c", "exit 1"])).is_ok());
        let failed = run(Command::new("sh").args(["-c", "echo told >&2; exit 3"]));
        assert!(failed.unwrap_err().to_string().contains("told"));
    }
}
