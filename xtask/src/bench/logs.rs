//! Logs of the runtime, generated: as many lines as a service writes in weeks.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{pairs, peak};
use crate::paths;

/// Bytes of each log, about.
const SIZE: u64 = 300 << 20;
/// Runs of each, beside the one that warms the file.
const TURNS: usize = 5;

/// The file, what it is, what it may take, and its lines.
type Kind = (&'static str, &'static str, &'static str, fn(u64, &mut String));

/// The table: one log of `gctrace`, one of `schedtrace`, one of each with as many lines of the program between.
pub fn table(provost: &Path) -> Result<String> {
    let mut text = String::from(
        "| log | time | memory | processor time | MB/s of a core | budget |\n|---|---:|---:|---:|---:|---|\n",
    );
    let kinds: [Kind; 4] = [
        ("gctrace", "gctrace", "300 MB/s, 50 MB", gctrace),
        ("schedtrace", "schedtrace of 8 Ps", "200 MB/s, 50 MB", schedtrace),
        ("strace", "strace -f -T -ttt -yy of 16 threads", "200 MB/s, 50 MB", strace),
        ("mixed", "gctrace among twenty times as many lines of the program", "-", mixed),
    ];
    for (file, name, budget, line) in kinds {
        let log = log(file, line)?;
        let size = fs::metadata(&log)?.len();
        let before = peak::of_children()?;
        let taken = pairs::alone(TURNS, &mut || {
            let mut command = Command::new(provost);
            command
                .args(["diagnose", "--quiet"])
                .arg(&log)
                .current_dir(log.parent().unwrap_or(&log));
            command
        })?;
        // A machine that others use takes longer, and no more of the processor.
        let used = (peak::of_children()? - before).as_secs_f64() / (TURNS + 1) as f64;
        let _ = writeln!(
            text,
            "| {name}, {} MB | {} | {used:.2} s | {:.0} | {budget} |",
            size / 1_000_000,
            taken.cells(),
            size as f64 / 1e6 / used.max(0.001)
        );
    }
    Ok(text)
}

/// A log in the cache.
fn log(name: &str, line: fn(u64, &mut String)) -> Result<PathBuf> {
    let folder = paths::cache()?.join("bench/logs");
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{name}.log"));
    if fs::metadata(&path).is_ok_and(|there| there.len() >= SIZE) {
        return Ok(path);
    }
    let mut file = BufWriter::new(fs::File::create(&path)?);
    let (mut written, mut text) = (0, String::new());
    for n in 1.. {
        text.clear();
        line(n, &mut text);
        file.write_all(text.as_bytes())?;
        written += text.len() as u64;
        if written >= SIZE {
            break;
        }
    }
    file.flush()?;
    Ok(path)
}

/// A heap that goes up and down, as Go 1.27 prints it; every tenth of a second a collection.
fn gctrace(n: u64, text: &mut String) {
    let live = 40 + n * 7 % 23;
    let before = 40 + n.saturating_sub(1) * 7 % 23;
    let _ = writeln!(
        text,
        "gc {n} @{}.{}00s 3%: 0.0{}+{}.{}+0.003 ms clock, 0.12+0.{}/1.{}/2.4+0.006 ms cpu, {}->{}->{live} MB, {} MB goal, 0 MB stacks, 0 MB globals, 8 P",
        n / 10,
        n % 10,
        10 + n % 90,
        2 + n % 5,
        n % 10,
        10 + n % 80,
        n % 10,
        before * 2 - 4,
        before * 2 - 1,
        before * 2
    );
}

fn schedtrace(n: u64, text: &mut String) {
    let q = |k: u64| n * k % 5;
    let _ = writeln!(
        text,
        "SCHED {}ms: gomaxprocs=8 idleprocs={} threads={} spinningthreads=1 needspinning=0 idlethreads={} runqueue={} [ {} {} {} {} {} {} {} {} ] schedticks=[ {n} {n} {n} {n} {n} {n} {n} {n} ]",
        n * 1000,
        q(2),
        14 + q(7),
        3 + q(3),
        q(11),
        q(2),
        q(3),
        q(4),
        q(7),
        q(9),
        q(11),
        q(13),
        q(17)
    );
}

/// What `strace -f -T -ttt -yy` writes of a server with sixteen threads that also writes a journal.
fn strace(n: u64, text: &mut String) {
    let (thread, at) = (1000 + n % 16, 1_795_709_190_000_000 + n * 40);
    let (seconds, micros) = (at / 1_000_000, at % 1_000_000);
    let _ = match n % 8 {
        0 => writeln!(
            text,
            "{thread} {seconds}.{micros:06} fsync(9</var/lib/journal/journal-{}> <unfinished ...>",
            n % 4
        ),
        1 => writeln!(
            text,
            "{} {seconds}.{micros:06} <... fsync resumed>) = 0 <0.000{}>",
            999 + n % 16,
            100 + n % 800
        ),
        2 | 3 => writeln!(
            text,
            "{thread} {seconds}.{micros:06} futex(0xc000{:06x}, FUTEX_WAKE_PRIVATE, 1) = 1 <0.000012>",
            n % 0xff_ffff
        ),
        4 => writeln!(
            text,
            "{thread} {seconds}.{micros:06} epoll_pwait(4<anon_inode:[eventpoll]>, [], 128, 0, NULL, 0) = 0 <0.000005>"
        ),
        5 => writeln!(
            text,
            "{thread} {seconds}.{micros:06} read({0}<TCP:[10.0.0.7:8080->10.0.0.9:{1}]>, 0xc0002e0000, 4096) = -1 EAGAIN (Resource temporarily unavailable) <0.000006>",
            10 + n % 90,
            30_000 + n % 90
        ),
        _ => writeln!(
            text,
            "{thread} {seconds}.{micros:06} write({0}<TCP:[10.0.0.7:8080->10.0.0.9:{1}]>, \"HTTP/1.1 200 OK\\r\\nContent-Type: t\"..., 341) = 341 <0.000031>",
            10 + n % 90,
            30_000 + n % 90
        ),
    };
}

fn mixed(n: u64, text: &mut String) {
    match n % 21 {
        0 => gctrace(n / 21, text),
        _ => {
            let _ = writeln!(
                text,
                "time=2026-11-26T10:00:00.{:03}Z level=INFO msg=\"request served\" path=/orders/{n} status=200 took={}ms",
                n % 1000,
                n % 70
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_that_the_runtime_writes() {
        let mut text = String::new();
        gctrace(82, &mut text);
        schedtrace(3, &mut text);
        let mut calls = String::new();
        (0..16).for_each(|n| strace(n, &mut calls));
        let first = "1000 1795709190.000000 fsync(9</var/lib/journal/journal-0> <unfinished ...>\n1000 1795709190.000040 <... fsync resumed>) = 0 <0.000101>\n";
        assert!(calls.starts_with(first), "{calls}");
        assert!(text.starts_with("gc 82 @8.200s 3%: 0.092+4.2+0.003 ms clock, "), "{text}");
        assert!(
            text.contains(" MB goal, 0 MB stacks, 0 MB globals, 8 P\nSCHED 3000ms: gomaxprocs=8"),
            "{text}"
        );
    }
}
