//! Real logs of each version, and logs torn at every byte.

use super::*;

fn read(log: &[u8]) -> (Vec<(Runtime, How)>, Vec<String>, Counts) {
    read_in(log, log.len().max(1))
}

/// In pieces of that many bytes.
fn read_in(log: &[u8], piece: usize) -> (Vec<(Runtime, How)>, Vec<String>, Counts) {
    let mut reader = Reader::default();
    let (mut said, mut texts) = (Vec::new(), Vec::new());
    let mut each = |line: Line<'_>| match line.entry {
        Entry::Runtime(entry) => said.push((entry, line.how)),
        Entry::Text(text) => texts.push(String::from_utf8_lossy(text).into_owned()),
    };
    for piece in log.chunks(piece) {
        reader.push(piece, &mut each);
    }
    reader.finish(&mut each);
    let counts = reader.counts();
    (said, texts, counts)
}

fn one(line: &str) -> Runtime {
    let (said, texts, _) = read(format!("{line}\n").as_bytes());
    assert_eq!((said.len(), texts), (1, vec![]), "{line}");
    said.into_iter().next().unwrap().0
}

fn cycle(line: &str) -> GcCycle {
    match one(line) {
        Runtime::Gc(cycle) => cycle,
        other => panic!("{other:?}"),
    }
}

const LINE: &str = "gc 82 @0.651s 8%: 0.14+4.6+0.040 ms clock, 0.29+0.020/0.72/0+0.080 ms cpu, 48->71->31 MB, 78 MB goal, 0 MB stacks, 0 MB globals, 2 P";

#[test]
fn a_cycle_of_go_1_27() {
    let cycle = cycle(&format!("{LINE} (forced)"));
    assert_eq!((cycle.number, cycle.at_ms, cycle.cpu_percent), (82, 651, 8));
    assert_eq!(cycle.clock.sweep_termination, Term { nanos: 140_000, resolution: 10_000 });
    assert_eq!(cycle.clock.mark, Term { nanos: 4_600_000, resolution: 100_000 });
    assert_eq!(cycle.clock.mark_termination, Term { nanos: 40_000, resolution: 1000 });
    assert_eq!(cycle.cpu.assist, Term { nanos: 20_000, resolution: 1000 });
    assert_eq!(cycle.cpu.idle, Term { nanos: 0, resolution: 1000 });
    let heap =
        Heap { at_start: 48, at_end: 71, live: 31, goal: 78, stacks: Some(0), globals: Some(0) };
    assert_eq!((cycle.heap, cycle.procs, cycle.forced), (heap, 2, true));
}

/// Bytes were made of it, and the product went over.
#[test]
fn sizes_that_no_memory_has_are_no_cycle() {
    let (most, more) = ((u64::MAX >> 20).to_string(), ((u64::MAX >> 20) + 1).to_string());
    for part in ["48->", "->71", "31 MB", "78 MB goal", "0 MB stacks", "0 MB globals"] {
        let number: String = part.chars().filter(char::is_ascii_digit).collect();
        let with = |size: &str| LINE.replace(part, &part.replace(&number, size));
        cycle(&with(&most));
        let (said, texts, _) = read(format!("{}\n", with(&more)).as_bytes());
        assert_eq!((said.len(), texts.len()), (0, 1), "{part}");
    }
}

#[test]
fn cycles_of_older_versions() {
    let old = cycle("gc 1 @0.017s 4%: 0.028+1.3+0.046 ms clock, 0.22+0.6/2.1/0+0.36 ms cpu, 4->4->1 MB, 5 MB goal, 8 P".replace("+0.6/", "+0.60/").as_str());
    assert_eq!((old.heap.stacks, old.procs), (None, 8));
    let first = cycle(
        "gc 3 @0.101s 2%: 0.010+0.20+0.030+1.0+0.15 ms clock, 0.020+0.20+0.030+0.10/1.0/0+0.30 ms cpu, 4->4->1 MB, 5 MB goal, 4 P",
    );
    assert_eq!(first.clock.mark.nanos, 1_230_000);
    assert_eq!(first.cpu.assist.nanos, 100_000);
    assert_eq!(first.cpu.dedicated.nanos, 1_230_000);
}

#[test]
fn what_no_version_prints_is_text() {
    for line in [
        "gc 1",
        "gc stats: 5",
        &LINE.replace("0.14+", "0.1+"),
        &LINE.replace("0.14+", "0.140+"),
        &LINE.replace("4.6+", "4+"),
        &LINE.replace("4.6+", "14.6+"),
        &LINE.replace("82 ", "082 "),
        "SCHED 0ms: hello",
        "  M: me",
        "init took 5 ms",
    ] {
        let (said, ..) = read(format!("{line}\n").as_bytes());
        assert_eq!(said, vec![], "{line}");
    }
}

#[test]
fn leak_checks_are_told() {
    let line = LINE.replace("8%:", "8% (checking for goroutine leaks):");
    assert!(cycle(&line).leak_check);
}

#[test]
fn samples_of_each_version() {
    let old = "SCHED 201ms: gomaxprocs=2 idleprocs=0 threads=4 spinningthreads=0 idlethreads=0 runqueue=3 [0 1]";
    let new = "SCHED 204ms: gomaxprocs=2 idleprocs=0 threads=5 spinningthreads=0 needspinning=1 idlethreads=1 runqueue=2 [ 1 0 ] schedticks=[ 17721 105 ]";
    let detail = "SCHED 1ms: gomaxprocs=2 idleprocs=1 threads=4 spinningthreads=0 idlethreads=2 runqueue=0 gcwaiting=0 nmidlelocked=0 stopwait=0 sysmonwait=0";
    let unknown = "SCHED 1ms: gomaxprocs=2 idleprocs=1 threads=4 helpgc=3 runqueue=0 [4 5]";
    let sample = |line| match one(line) {
        Runtime::Sched(sample) => sample,
        other => panic!("{other:?}"),
    };
    assert_eq!((sample(old).local, sample(old).runqueue), (vec![0, 1], 3));
    assert_eq!((sample(new).local, sample(new).schedticks), (vec![1, 0], vec![17721, 105]));
    assert_eq!(sample(new).needspinning, Some(1));
    assert_eq!(sample(detail).gcwaiting, Some(false));
    assert_eq!(sample(unknown).local, vec![4, 5]);
    assert_eq!(sample(unknown).other, vec![("helpgc".to_owned(), "3".to_owned())]);
}

#[test]
fn details_of_each_version() {
    let g = one("  G2: status=4(force gc (idle)) m=nil lockedm=nil");
    let Runtime::Goroutine(g) = g else { panic!("{g:?}") };
    assert_eq!((g.wait_reason.as_str(), g.thread), ("force gc (idle)", None));
    let m = one(
        "  M1: p=-1 curg=-1 mallocing=0 throwing=0 preemptoff= locks=2 dying=0 spinning=false blocked=true lockedg=-1",
    );
    let Runtime::Thread(m) = m else { panic!("{m:?}") };
    assert_eq!((m.locks, m.blocked, m.locked_to), (2, true, None));
    let p = one("  P0: status=1 schedtick=150 syscalltick=1 m=2 runqsize=1 gfreecnt=0 timerslen=2");
    let Runtime::Processor(p) = p else { panic!("{p:?}") };
    assert_eq!((p.schedtick, p.thread, p.timerslen), (150, Some(2), 2));
}

#[test]
fn the_pacer_of_each_version() {
    let old = one(
        "pacer: 41% CPU (25 exp.) for 67960+4248+204552 B work (204552 B exp.) in 4038656 B -> 4661248 B (∆goal 466944, cons/mark +0.000000e+000)",
    );
    assert_eq!(
        old,
        Runtime::Pacer(Pacer::End {
            cpu_percent: 41,
            trigger: 4_038_656,
            live: 4_661_248,
            over_goal: 466_944
        })
    );
    let ratio = |line| match one(line) {
        Runtime::Pacer(Pacer::Start { assist_ratio }) => assist_ratio,
        other => panic!("{other:?}"),
    };
    let old = "pacer: assist ratio=+8.527721e-001 (scan 0 MB in 3->4 MB) workers=0++2.500000e-001";
    assert!((ratio(old) - 0.852_772_1).abs() < 1e-9);
    let new = "pacer: assist ratio=0.94439697265625 (scan 0 MB in 3->4 MB) workers=0+0.25";
    assert!((ratio(new) - 0.944_396_972_656_25).abs() < 1e-12);
}

#[test]
fn envelopes_are_taken_off() {
    for log in [
        format!("2026-11-26T10:00:00.123456789Z stderr F {LINE}\n"),
        format!("2026-11-26T10:00:00.123456789+01:00 stderr F {LINE}\n"),
        format!(
            "{{\"log\":\"{LINE}\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-26T10:00:00Z\"}}\n"
        )
        .replace("->", "-\\u003e"),
        format!("2026-11-26T10:00:00.1Z {LINE}\n"),
        format!(
            "2026-11-26T10:00:00.1Z stderr P {}\n2026-11-26T10:00:00.1Z stdout F hello\n2026-11-26T10:00:00.1Z stderr F {}\n",
            &LINE[..40],
            &LINE[40..]
        ),
        format!("{LINE}\r\n"),
    ] {
        let (said, texts, counts) = read(log.as_bytes());
        assert_eq!(said.len(), 1, "{log}");
        assert_eq!(counts.whole, 1, "{log}");
        assert!(texts.iter().all(|t| t == "hello"), "{texts:?}");
    }
}

#[test]
fn a_time_of_the_programs_own_is_no_envelope() {
    let log = "2026-11-26T10:00:00.1Z hello\n";
    assert_eq!(read(log.as_bytes()).1, vec!["2026-11-26T10:00:00.1Z hello"]);
}

/// Lines of other writers, of every kind that could be mistaken for the rest of one of the runtime's.
const OTHERS: &[&[&str]] = &[
    &["level=info msg=\"request served\" status=200"],
    &["2026/11/26 10:00:00 served", "2026/11/26 10:00:01 refused"],
    &["{\"level\":\"info\",\"msg\":\"served\"}"],
    &["127.0.0.1 - - [26/Nov/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 4"],
    &["404 not found"],
    &["2", "17"],
    &["0.25 s", "+1"],
    &[" MB", "->"],
    &["I1126 10:00:00.000000       1 main.go:5] served"],
    &["gc is slow", "SCHED it"],
];

/// The same lines, with one of them torn at each of its bytes by each of the others.
fn torn(lines: &[&str], at_words_only: bool) -> impl Iterator<Item = (String, usize, usize)> {
    let mut logs = Vec::new();
    for (kind, others) in OTHERS.iter().enumerate() {
        for (index, line) in lines.iter().enumerate() {
            let mut ends = Vec::new();
            let of = [kind::Kind::Gc, kind::Kind::Sample];
            let of = of.into_iter().find(|k| line.as_bytes().starts_with(k.start())).unwrap();
            of.read(line.as_bytes(), Some(&mut ends)).unwrap();
            for at in 1..=line.len() {
                if at_words_only && !ends.contains(&at) {
                    continue;
                }
                let mut log = String::new();
                for other in others.iter().cycle().take(3) {
                    log.push_str(other);
                    log.push('\n');
                }
                for (n, other) in lines.iter().enumerate() {
                    if n == index {
                        let inside = others[at % others.len()];
                        log.push_str(&format!("{}{inside}\n{}\n", &line[..at], &line[at..]));
                    } else {
                        log.push_str(other);
                        log.push('\n');
                        log.push_str(others[0]);
                        log.push('\n');
                    }
                }
                logs.push((log, kind, at));
            }
        }
    }
    logs.into_iter()
}

const CYCLES: &[&str] = &[
    "gc 14 @0.015s 4%: 0.054+0.099+0.001 ms clock, 0.10+0.014/0.032/0+0.002 ms cpu, 4->4->0 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P",
    "gc 15 @1.016s 12%: 0.006+15+0.011 ms clock, 0.012+0.041/0/0+3.0 ms cpu, 13->24->10 MB, 26 MB goal, 1 MB stacks, 0 MB globals, 16 P",
    "SCHED 201ms: gomaxprocs=2 idleprocs=0 threads=14 spinningthreads=0 needspinning=1 idlethreads=0 runqueue=13 [ 10 21 ] schedticks=[ 20 345 ]",
    "gc 16 @2.016s 12%: 0.006+0+0.011 ms clock, 0.012+0.041/0/0+3.0 ms cpu, 13->24->10 MB, 20 MB goal, 1 MB stacks, 0 MB globals, 16 P (forced)",
];

#[test]
fn a_log_torn_at_every_byte_says_nothing_that_was_not_said() {
    let (truth, ..) = read(CYCLES.join("\n").as_bytes());
    let truth: Vec<Runtime> = truth.into_iter().map(|(entry, _)| entry).collect();
    let (mut logs, mut recovered) = (0, 0);
    for (log, kind, at) in torn(CYCLES, false) {
        let (said, ..) = read(log.as_bytes());
        for (entry, _) in &said {
            assert!(truth.contains(entry), "others {kind}, byte {at}: {entry:?} of\n{log}");
        }
        logs += 1;
        recovered += usize::from(said.len() == truth.len());
    }
    assert!(logs > 4000, "{logs}");
    // Cuts within the first word, and among numbers that are as likely as each other, are not joined.
    assert!(recovered * 100 / logs > 85, "{recovered} of {logs}");
}

#[test]
fn what_the_runtime_can_have_torn_is_put_together() {
    let (mut logs, mut recovered) = (0, 0);
    for (log, kind, at) in torn(CYCLES, true) {
        let (said, ..) = read(log.as_bytes());
        logs += 1;
        recovered += usize::from(said.len() == CYCLES.len());
        // Only others whose lines are numbers or the runtime's own words leave a doubt.
        let easy = matches!(kind, 0 | 1 | 2 | 3 | 8);
        assert!(!easy || said.len() == CYCLES.len(), "others {kind}, byte {at}:\n{log}");
    }
    assert!(recovered * 100 / logs > 95, "{recovered} of {logs}");
}

#[test]
fn pieces_of_any_size_read_alike() {
    let log: String = torn(CYCLES, true).step_by(17).map(|(log, ..)| log).collect();
    let whole = read(log.as_bytes());
    for piece in [1, 2, 7, 64, 1000] {
        assert_eq!(read_in(log.as_bytes(), piece), whole, "{piece}");
    }
}

#[test]
fn a_line_without_end_takes_no_memory() {
    let mut reader = Reader::default();
    let mut lines = 0;
    let mut each = |_: Line<'_>| lines += 1;
    for _ in 0..64 {
        reader.push(&[b'x'; 1 << 20], &mut each);
    }
    reader.push(b"\n", &mut each);
    reader.push(format!("{LINE}\n").as_bytes(), &mut each);
    reader.finish(&mut each);
    assert_eq!(lines, 2);
    assert_eq!((reader.counts().cut, reader.counts().whole), (1, 1));
}

/// Each line behind a torn one of thousands of Ps was read with each of 64 readings: 97 MB took 46 s.
#[test]
fn a_torn_line_of_many_processors_is_given_up_before_it_takes_long() {
    let queues = " 1".repeat(7000);
    let torn = format!(
        "SCHED 10ms: gomaxprocs=7000 idleprocs=0 threads=5 spinningthreads=0 idlethreads=0 runqueue=0 [0{queues}"
    );
    let numbers = "1 ".repeat(8000);
    let log = (0..20)
        .map(|_| format!("{torn}\n{}", format!("{numbers}\n").repeat(100)))
        .collect::<String>();
    let began = std::time::Instant::now();
    let (entries, text, counts) = read(log.as_bytes());
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    assert!(entries.is_empty());
    assert_eq!(counts.lost, 20);
    // What was not taken for a part of it is handed on.
    assert!(text.iter().filter(|line| line.starts_with("1 1 1")).count() > 1500);
}

/// The line at which a torn one was given up was taken with it.
#[test]
fn the_line_at_which_a_torn_one_is_given_up_is_handed_on() {
    let torn = "gc 1 @0.001s 1%: 0.010+1.0+0.0";
    let others: String = (0..300).map(|n| format!("{{\"line\":{n}}}\n")).collect();
    let (_, text, counts) = read(format!("{torn}\n{others}").as_bytes());
    assert_eq!((counts.lost, text.len()), (1, 300), "{text:?}");
}

/// `gc 12 objects in 3ms` of a program was counted as a line of the runtime's of which a part is missing.
#[test]
fn what_a_program_writes_of_its_own_collector_is_no_torn_line() {
    for own in ["gc 12 objects in 3ms", "gc 7 done", "gc 3", "scav 12 sessions", "scav 4 KB freed"]
    {
        let few = format!("{own}\n{LINE}\n{own}\n");
        let many = format!("{own}\n{}{LINE}\n", "{\"line\":1}\n".repeat(300));
        for log in [few, many] {
            let (entries, _, counts) = read(log.as_bytes());
            assert_eq!((entries.len(), counts.whole), (1, 1), "{own}");
            assert_eq!((counts.lost, counts.doubtful, counts.joined), (0, 0, 0), "{own}");
        }
    }
    // What has come as far as the time was the runtime's.
    let (_, _, counts) = read(format!("gc 12 @1.000s\n{LINE}\n").as_bytes());
    assert_eq!(counts.lost, 1);
}

/// A number of 64 bits was added to others.
#[test]
fn numbers_that_no_runtime_counts_to_are_no_cycle_and_no_sample() {
    let cycle = "gc 18446744073709551615 @0.001s 1%: 0.010+1.0+0.010 ms clock, 0.020+0.10/0.10/0+0.010 ms cpu, 7->7->4 MB, 8 MB goal, 0 MB stacks, 0 MB globals, 2 P";
    let sample = "SCHED 10ms: gomaxprocs=18446744073709551615 idleprocs=0 threads=5 spinningthreads=0 idlethreads=0 runqueue=0 [0 0]";
    for line in
        [cycle, sample, &cycle.replace("18446744073709551615", "1").replace("2 P", "4294967296 P")]
    {
        let (entries, ..) = read(format!("{line}\n").as_bytes());
        assert!(entries.is_empty(), "{line}: {entries:?}");
    }
    let (entries, ..) = read(cycle.replace("18446744073709551615", "4294967295").as_bytes());
    assert_eq!(entries.len(), 1);
}

/// The texts of each stream by its name.
fn by_stream(log: &str) -> (Vec<(String, usize)>, Counts) {
    let mut reader = Reader::default();
    let mut entries = Vec::new();
    reader.push(log.as_bytes(), &mut |line| entries.push(line.stream));
    reader.finish(&mut |line| entries.push(line.stream));
    let of = |at| entries.iter().filter(|stream| **stream == at).count();
    let named = reader.streams().enumerate().skip(1);
    (named.map(|(at, name)| (name.to_owned(), of(at))).collect(), reader.counts())
}

/// Each process of a machine took one of 256 places, and what came behind those was not read: a panic among it.
#[test]
fn lines_of_others_take_no_place_from_the_runtimes() {
    let from = |who: &str, pid: usize, text: &str| {
        format!("Nov 26 10:00:00 node-1 {who}[{pid}]: {text}\n")
    };
    let mut log = from("checkout", 7, LINE);
    log.extend((1000..1400).map(|pid| from("cron", pid, "(root) CMD (run-parts)")));
    log.extend((2000..2400).map(|pid| from("app", pid, "gc is slow, init took 5 ms")));
    for text in ["starting", "panic: boom", "", "goroutine 1 [running]:", "main.main()"] {
        log.push_str(&from("checkout", 8, text));
    }
    let (streams, counts) = by_stream(&log);
    let expected = [("checkout[7]", 1), ("checkout[8]", 4)];
    assert_eq!(streams, expected.map(|(name, lines)| (name.to_owned(), lines)));
    assert_eq!((counts.whole, counts.unread), (1, 0));
}

/// A stream begins where the runtime does, whatever it begins with.
#[test]
fn whatever_the_runtime_begins_with_opens_a_stream() {
    let torn = format!("{}level=info", &LINE[..40]);
    let behind = format!("served {LINE}");
    for (first, is_one) in [
        (LINE, true),
        (&torn, true),
        (&behind, true),
        (
            "SCHED 204ms: gomaxprocs=2 idleprocs=0 threads=5 spinningthreads=0 idlethreads=1 runqueue=2 [1 0]",
            true,
        ),
        ("panic: boom", true),
        ("fatal error: all goroutines are asleep - deadlock!", true),
        ("runtime: out of memory: cannot allocate 4194304-byte block", true),
        ("unexpected fault address 0x7f", true),
        ("SIGQUIT: quit", true),
        ("goroutine 7 [running]:", true),
        ("goroutine profile: total 8", true),
        ("2026/11/26 15:38:25 http: panic serving 127.0.0.1:34264: boom", true),
        ("gc 12 objects in 3ms", false),
        ("scan of 12 files", false),
        ("served", false),
        ("", false),
    ] {
        for log in [
            format!("[pod/a/app] {first}\n"),
            format!("[pod/a/app] 2026-11-26T10:00:00.1Z {first}\n"),
            format!("[pod/a/app] 2026-11-26T10:00:00.1Z stderr F {first}\n"),
        ] {
            let (streams, _) = by_stream(&log);
            assert_eq!(!streams.is_empty(), is_one, "{log}");
        }
    }
}

/// What the limit left out was counted and told nowhere.
#[test]
fn lines_of_more_streams_than_are_told_apart_are_counted() {
    let from = |pod: usize, text: &str| format!("[pod/a-{pod}/app] {text}\n");
    let many = MOST_STREAMS + 44;
    let log: String = (0..many).map(|pod| from(pod, LINE) + &from(pod, "served")).collect();
    let (streams, counts) = by_stream(&log);
    assert_eq!((streams.len(), counts.unread), (MOST_STREAMS, 44));
    assert!(streams.iter().all(|(_, lines)| *lines == 2), "{streams:?}");
}

/// A time before each line, and an excerpt that ends within one, were told as lines that others wrote into.
#[test]
fn what_was_cut_out_of_a_log_is_not_torn() {
    let dated = format!("Feb 26 12:52:23.767 {LINE}\nFeb 26 12:52:24.767 {LINE}\n");
    let (entries, _, counts) = read(dated.as_bytes());
    assert_eq!((entries.len(), counts.whole, counts.joined), (2, 2, 0));
    for end in ["", "\n", "\n```\n", "\n...\n"] {
        let cut = format!("{LINE}\n{}{end}", &LINE[..40]);
        let (_, _, counts) = read(cut.as_bytes());
        assert_eq!((counts.whole, counts.lost), (1, 0), "{end:?}");
    }
    let (_, _, counts) = read(format!("{}\nother\n", &LINE[..40]).as_bytes());
    assert_eq!(counts.lost, 1);
}
