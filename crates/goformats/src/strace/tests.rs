//! Lines as the tools write them, one kind each.

use super::{Counts, Event, Limits, Reader, Said, Tool};

/// What a log says, one line of text for each event.
fn told(log: &str) -> Vec<String> {
    read(log, Limits::DEFAULT).0
}

fn read(log: &str, limits: Limits) -> (Vec<String>, Counts) {
    let mut told = Vec::new();
    let mut reader = Reader::new(limits);
    let mut each = |said: Said<'_>| told.push(tell(&said));
    reader.push(log.as_bytes(), &mut each);
    reader.finish(&mut each);
    (told, reader.counts())
}

fn tell(said: &Said<'_>) -> String {
    let thread = said.thread.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let at = said.at_us.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let text = String::from_utf8_lossy;
    let event = match said.event {
        Event::Call(call) => {
            let took = call.took.map_or_else(|| "-".to_owned(), |ns| ns.to_string());
            let open = if call.open { " open" } else { "" };
            let (args, result) = (text(call.args), text(call.result));
            format!("{}({args}) {result} {took}{open}", call.name)
        }
        Event::Begun { name, args } => format!("{name}({}…", text(args)),
        Event::Signal(name) => name.to_owned(),
        Event::Ended(end) => format!("{end:?}"),
        Event::Note(note) => format!("note {}", text(note)),
        Event::Text(line) => format!("text {}", text(line)),
    };
    format!("{}:{thread}@{at} {event}", said.number)
}

#[test]
fn every_front_that_strace_has_is_taken() {
    let fronts = [
        ("", "-", "-"),
        ("23883 ", "23883", "-"),
        ("7     ", "7", "-"),
        ("[pid 23883] ", "23883", "-"),
        ("[pid     7] ", "7", "-"),
        ("23883<checkout> ", "23883", "-"),
        ("[pid 23883<checkout>] ", "23883", "-"),
        ("1795709190.277267 ", "-", "0"),
        ("16:06:32 ", "-", "0"),
        ("16:06:32.491953 ", "-", "0"),
        ("     0.000831 ", "-", "0"),
        ("23883 1795709190.277267 ", "23883", "0"),
        ("23883      0.000065 ", "23883", "0"),
        ("[pid 23883] 16:06:32.613566 ", "23883", "0"),
        ("16:06:32 (+     0.000123) ", "-", "0"),
    ];
    for (front, thread, at) in fronts {
        let line = format!("{front}close(3) = 0\n");
        assert_eq!(told(&line), [format!("1:{thread}@{at} close(3) 0 -")], "{front:?}");
    }
}

#[test]
fn a_result_is_looked_for_from_the_right() {
    let lines = [
        ("close(3)                                = 0", "close(3) 0 -"),
        (r#"write(1, ") = 7 <0.5>", 9) = 9 <0.000006>"#, r#"write(1, ") = 7 <0.5>", 9) 9 6000"#),
        (
            "openat(AT_FDCWD</srv>, \"/a=b\", O_RDONLY) = 3</a=b> <0.000019>",
            "openat(AT_FDCWD</srv>, \"/a=b\", O_RDONLY) 3</a=b> 19000",
        ),
        (
            "poll([{fd=5, events=POLLIN}], 1, 2000) = 1 ([{fd=5, revents=POLLIN}]) <0.040213>",
            "poll([{fd=5, events=POLLIN}], 1, 2000) 1 ([{fd=5, revents=POLLIN}]) 40213000",
        ),
        (
            "read(4, 0xc00, 8) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)",
            "read(4, 0xc00, 8) ? ERESTARTSYS (To be restarted if SA_RESTART is set) -",
        ),
        ("exit_group(0) = ?", "exit_group(0) ? -"),
        ("gettid()                = 24112 <1.250000>", "gettid() 24112 1250000000"),
        (
            "mmap(NULL, 4096, PROT_READ) = 0x7f730d92b000 <0.000009>",
            "mmap(NULL, 4096, PROT_READ) 0x7f730d92b000 9000",
        ),
    ];
    for (line, expected) in lines {
        assert_eq!(told(&format!("{line}\n")), [format!("1:-@- {expected}")], "{line}");
    }
}

#[test]
fn halves_are_put_together() {
    let log = "\
7 10.000000 read(4</a>,  <unfinished ...>
8 10.000010 futex(0xa2dc08, FUTEX_WAIT_PRIVATE, 0, NULL <unfinished ...>
7 10.000500 <... read resumed>\"x\", 1) = 1 <0.000490>
8 10.000600 <... futex resumed>) = -1 EAGAIN (Resource temporarily unavailable)
";
    // The times are small enough to be relative ones.
    assert_eq!(
        told(log),
        [
            "1:7@0 read(4</a>, …",
            "2:8@10000010 futex(0xa2dc08, FUTEX_WAIT_PRIVATE, 0, NULL…",
            "1:7@0 read(4</a>, \"x\", 1) 1 490000",
            "2:8@10000010 futex(0xa2dc08, FUTEX_WAIT_PRIVATE, 0, NULL) -1 EAGAIN (Resource temporarily unavailable) 20001100000",
        ]
    );
}

#[test]
fn what_a_half_takes_is_told_by_its_times_where_they_are_fine() {
    let fine =
        "7 16:00:00.000000 fsync(3 <unfinished ...>\n7 16:00:01.500000 <... fsync resumed>) = 0\n";
    assert_eq!(told(fine)[1], "1:7@0 fsync(3) 0 1500000000");
    let coarse = "7 16:00:00 fsync(3 <unfinished ...>\n7 16:00:01 <... fsync resumed>) = 0\n";
    assert_eq!(told(coarse)[1], "1:7@1000000 fsync(3) 0 -");
}

#[test]
fn midnight_passes() {
    let log = "23:59:59.900000 close(3) = 0\n00:00:00.100000 close(4) = 0\n";
    assert_eq!(told(log)[1], "2:-@200000 close(4) 0 -");
}

#[test]
fn a_clock_that_is_set_back_stands_still() {
    let log = "1795709190.5 close(3) = 0\n1795709180.5 close(4) = 0\n1795709191.5 close(5) = 0\n";
    let told = told(log);
    assert_eq!(told[1], "2:-@0 close(4) 0 -");
    assert_eq!(told[2], "3:-@1000000 close(5) 0 -");
}

#[test]
fn what_never_ends_is_given_at_the_end() {
    let log =
        "7 1795709190.0 flock(3</lock>, LOCK_EX <unfinished ...>\n8 1795709195.0 close(4) = 0\n";
    assert_eq!(told(log)[2], "1:7@0 flock(3</lock>, LOCK_EX) ? 5000000000 open");
}

#[test]
fn a_call_that_ends_with_its_process_is_over() {
    let log = "7 read(3, <unfinished ...>\n7 <... read resumed> <unfinished ...>) = ?\n7 +++ exited with 0 +++\n";
    assert_eq!(told(log)[1..], ["1:7@- read(3,) ? -", "3:7@- Exited"]);
}

#[test]
fn a_restarted_call_bears_the_name_of_the_one_it_restarts() {
    let log = "restart_syscall(<... resuming interrupted nanosleep ...>) = 0 <0.02>\n";
    assert!(told(log)[0].starts_with("1:-@- nanosleep("), "{:?}", told(log));
}

/// Its second half has the name that the first one no longer had, and was taken for another call's.
#[test]
fn a_restarted_call_in_two_halves_is_one() {
    let log = "\
7 1795709190.0 restart_syscall(<... resuming interrupted nanosleep ...> <unfinished ...>
8 1795709190.1 close(3) = 0
7 1795709190.5 <... restart_syscall resumed>) = 0
";
    let (told, counts) = read(log, Limits::DEFAULT);
    assert_eq!(told[2], "1:7@0 nanosleep(<... resuming interrupted nanosleep ...>) 0 500000000");
    assert_eq!((counts.halves, counts.orphans), (1, 0));
}

#[test]
fn signals_ends_and_words_of_the_tool() {
    let log = "\
strace: Process 24112 attached
[pid 24112] --- SIGURG {si_signo=SIGURG, si_code=SI_TKILL, si_pid=7, si_uid=0} ---
[pid 24112] --- stopped by SIGSTOP ---
[pid 24112] +++ killed by SIGKILL +++
7 +++ superseded by execve in pid 9 +++
listening on :8080
";
    assert_eq!(
        told(log),
        [
            "1:-@- note strace: Process 24112 attached",
            "2:24112@- SIGURG",
            "3:24112@- SIGSTOP",
            "4:24112@- Killed",
            "5:7@- Superseded",
            "6:-@- text listening on :8080",
        ]
    );
}

/// As strace 6.1 writes on a terminal.
#[test]
fn what_strace_says_in_the_middle_of_a_line_is_taken_out() {
    let log = "\
clone(child_stack=0x6fdff720000, flags=CLONE_VM|CLONE_THREADstrace: Process 24112 attached
, tls=0x6fdff734090) = 24112 <0.000077>
[pid 24112] nanosleep({tv_sec=0, tv_nsec=20000}, strace: Process 24116 attached
 <unfinished ...>
";
    assert_eq!(
        told(log),
        [
            "1:-@- note strace: Process 24112 attached",
            "1:-@- clone(child_stack=0x6fdff720000, flags=CLONE_VM|CLONE_THREAD, tls=0x6fdff734090) 24112 77000",
            "3:-@- note strace: Process 24116 attached",
            "3:24112@- nanosleep({tv_sec=0, tv_nsec=20000}, …",
            "3:24112@- nanosleep({tv_sec=0, tv_nsec=20000}, ) ? - open",
        ]
    );
}

#[test]
fn lines_of_perf() {
    let log = "         ? (         ): journal/24408  ... [continued]: execve())                                           = 0
     0.155 ( 0.015 ms): journal/24408 read(fd: 4</a>, buf: 0x7fff2e94f444, count: 20)                           = 8
    13.445 (         ): my/app x/24415 nanosleep(rqtp: 0x235f629e7f00)                                    ...
    13.445 ( 0.144 ms): my/app x/24415  ... [continued]: nanosleep())                                        = 0
";
    assert_eq!(
        told(log),
        [
            "1:24408@- execve() 0 -",
            "2:24408@155 read(fd: 4</a>, buf: 0x7fff2e94f444, count: 20) 8 15000",
            "3:24415@13445 nanosleep(rqtp: 0x235f629e7f00…",
            "3:24415@13445 nanosleep(rqtp: 0x235f629e7f00) 0 144000",
        ]
    );
}

#[test]
fn sums_are_told_from_logs() {
    let tool = |log: &str| {
        let mut reader = Reader::default();
        reader.push(log.as_bytes(), &mut |_| ());
        reader.tool()
    };
    assert_eq!(
        tool("% time     seconds  usecs/call     calls    errors syscall\n"),
        Some(Tool::StraceSummary)
    );
    assert_eq!(tool("\n Summary of events:\n"), Some(Tool::PerfSummary));
    assert_eq!(tool("close(3) = 0\n"), Some(Tool::Strace));
    assert_eq!(tool("hello (world)\n"), None);
}

#[test]
fn lines_that_are_too_long_or_cut_off_are_counted() {
    let limits = Limits { line: 32, ..Limits::DEFAULT };
    let log =
        format!("close(3) = 0\nwrite(1, \"{}\", 100) = 100\nclose(4) = 0\nclo", "x".repeat(100));
    let (told, counts) = read(&log, limits);
    assert_eq!(told, ["1:-@- close(3) 0 -", "3:-@- close(4) 0 -"]);
    assert_eq!((counts.cut, counts.lines, counts.bytes), (2, 4, log.len() as u64));
}

#[test]
fn threads_beyond_the_limit_are_not_kept() {
    let limits = Limits { threads: 2, args: 4, ..Limits::DEFAULT };
    let log = (1..=4)
        .map(|id| format!("{id} read(123456 <unfinished ...>\n"))
        .chain((1..=4).map(|id| format!("{id} <... read resumed>) = 0\n")))
        .collect::<String>();
    let (told, counts) = read(&log, limits);
    assert_eq!(
        told[4..],
        ["1:1@- read(1234) 0 -", "2:2@- read(1234) 0 -", "7:3@- read() 0 -", "8:4@- read() 0 -"]
    );
    assert_eq!((counts.halves, counts.orphans), (2, 2));
}

#[test]
fn values_and_errors() {
    let of = |line: &str| {
        let mut had = None;
        let mut reader = Reader::default();
        reader.push(format!("{line}\n").as_bytes(), &mut |said| {
            if let Event::Call(call) = said.event {
                had = Some((call.value(), call.error().map(str::to_owned)));
            }
        });
        had.unwrap()
    };
    assert_eq!(of("openat(1) = 3</etc/hosts>"), (Some(3), None));
    assert_eq!(
        of("read(1) = -1 EAGAIN (Resource temporarily unavailable)"),
        (Some(-1), Some("EAGAIN".into()))
    );
    assert_eq!(of("fcntl(1) = 0x8802 (flags O_RDWR)"), (Some(0x8802), None));
    assert_eq!(of("exit_group(0) = ?"), (None, None));
    assert_eq!(of("read(1) = ? ERESTARTSYS (To be restarted)"), (None, Some("ERESTARTSYS".into())));
}

/// Each of them was searched anew with all that came before: 2.5 MB took 2 s.
#[test]
fn words_of_straces_own_do_not_grow_a_torn_line_without_end() {
    let mut reader = Reader::default();
    let mut longest = 0;
    let mut each = |said: Said<'_>| {
        if let Event::Text(text) = said.event {
            longest = longest.max(text.len());
        }
    };
    for _ in 0..2000 {
        reader.push(b"10 1700000000.100000 clone(child_stack=0x1, fl\n", &mut each);
        reader.push(
            &[b"a".repeat(900).as_slice(), b"strace: Process 7 attached\n"].concat(),
            &mut each,
        );
    }
    reader.finish(&mut each);
    assert!(longest < 16 << 10, "{longest}");
}
