//! What no recorded log shows.

mod inline;

use super::{
    Code, Ended, Frame, Groups, Header, Limits, Main, Panicked, Parser, Said, line, package,
    place_of_end, place_of_panic, places_of_chain,
};

/// What a log says, one line each.
fn said(log: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut parser = Parser::default();
    let mut each = |said: Said<'_>| {
        all.push(match said {
            Said::Cause(cause) => format!("{}: {:?}", cause.line, cause.ended),
            Said::Profile { name, total, line } => format!("{line}: {name} of {total}"),
            Said::Goroutine { goroutine, begins, .. } => format!(
                "{}: {}{} {} frames{}",
                goroutine.line,
                if begins { "begins " } else { "" },
                goroutine.header.map_or(goroutine.count, |header| header.id),
                goroutine.frames().count(),
                goroutine.frames().next().map_or(String::new(), |f| format!(" {}", f.func)),
            ),
        });
    };
    for (number, text) in log.lines().enumerate() {
        parser.take(text.as_bytes(), (number as u64 + 1, 0), None, &mut each);
    }
    parser.finish(&mut each);
    all
}

fn header(text: &str) -> Header {
    line::header(text.as_bytes()).unwrap()
}

#[test]
fn headers_of_all_versions() {
    let plain = header("goroutine 7 [chan receive (nil chan), 12 minutes, locked to thread]:");
    assert_eq!((plain.id, plain.minutes, plain.locked), (7, Some(12), true));
    assert_eq!(plain.state, "chan receive (nil chan)");
    let of_thread =
        header("goroutine 1 gp=0xc0000061c0 m=0 mp=0x9a45a0 [running, locked to thread]:");
    assert_eq!((of_thread.id, of_thread.state.as_str()), (1, "running"));
    let none = header("goroutine 2 gp=0xc000006700 m=nil [force gc (idle)]:");
    assert_eq!(none.state, "force gc (idle)");
    let leaked = header("goroutine 20 [select (no cases) (leaked) (scan)]:");
    assert_eq!((leaked.state.as_str(), leaked.leaked), ("select (no cases)", true));
    // Labels of Go 1.26 and of 1.27.
    let pairs = [("path".to_owned(), "/a b".to_owned()), ("tenant".to_owned(), "acme".to_owned())];
    let inside = header(r#"goroutine 1 [running labels:{"path": "/a b", "tenant": "acme"}]:"#);
    assert_eq!((inside.state.as_str(), inside.labels.as_slice()), ("running", &pairs[..]));
    let behind = header(r#"goroutine 1 [select, 3 minutes] {path: "/a b", tenant: acme}:"#);
    assert_eq!((behind.state.as_str(), behind.labels.as_slice()), ("select", &pairs[..]));
    assert_eq!(behind.minutes, Some(3));
    // testing/synctest of Go 1.24 and of 1.25.
    assert_eq!(header("goroutine 9 [chan receive, synctest group 7]:").bubble, Some(7));
    assert_eq!(header("goroutine 9 [chan receive (durable), synctest bubble 1]:").bubble, Some(1));
}

#[test]
fn what_is_no_header() {
    for text in [
        "goroutine [running]:",
        "goroutine 1 running:",
        "goroutine 1 []:",
        "goroutine 1 [running]",
        "goroutine 1 [running] and then:",
        "goroutine 99999999999999999999999 [running]:",
        "goroutine 1 is [late]:",
    ] {
        assert!(line::header(text.as_bytes()).is_none(), "{text}");
    }
}

#[test]
fn places_have_spaces_and_colons() {
    let place = |text: &str| line::place(text.as_bytes()).map(|(file, line)| (file.to_vec(), line));
    assert_eq!(place("\t/a b/c:d.go:12 +0x1d"), Some((b"/a b/c:d.go".to_vec(), 12)));
    assert_eq!(place("\tC:/src/x.go:3"), Some((b"C:/src/x.go".to_vec(), 3)));
    assert_eq!(place("\t/x.go:3 +0x1 fp=0xc sp=0xb pc=0xa"), Some((b"/x.go".to_vec(), 3)));
    assert_eq!(place("\t/x.go:3 fp=0xc sp=0xb pc=0xa"), Some((b"/x.go".to_vec(), 3)));
    assert_eq!(place("\tx.go:"), None);
    assert_eq!(place("x.go:3"), None);
}

#[test]
fn a_word_of_the_programs_is_no_crash() {
    let log = "panic: it says so\nand goes on\nfatal error: nothing\nmore\n".to_owned()
        + &"more\n".repeat(300);
    assert_eq!(said(&log), [""; 0]);
}

#[test]
fn what_the_program_recovered_and_printed_is_no_end() {
    let log = "panic: too late\n\ngoroutine 7 [running]:\nruntime/debug.Stack()\n\t/usr/local/go/src/runtime/debug/stack.go:24 +0x5e\nmain.main()\n\t/src/main.go:3 +0x1\nnext\n";
    assert_eq!(said(log), [r#"1: Recovered("too late")"#, "3: 7 2 frames runtime/debug.Stack"]);
}

#[test]
fn a_collector_that_drops_empty_lines_hides_no_panic() {
    let log = "panic: boom\ngoroutine 7 [running]:\nmain.main()\n\t/src/main.go:3 +0x1\n";
    assert!(said(log)[0].starts_with("1: Panic("), "{:?}", said(log));
}

#[test]
fn others_write_between() {
    let log = "panic: boom\n\ngoroutine 7 [running]:\nmain.inner(0x1)\nGET /healthz 200\n\t/src/main.go:9 +0x1\nmain.main()\n\t/src/main.go:3 +0x1\n\n{\"level\":\"info\"}\ngoroutine 8 [select]:\nmain.other()\n\t/src/main.go:5 +0x1\n";
    let said = said(log);
    assert_eq!(said[1..], ["3: 7 2 frames main.inner", "11: 8 1 frames main.other"]);
}

#[test]
fn dumps_one_behind_the_other_are_two() {
    let dump = "goroutine 7 [running]:\nmain.main()\n\t/src/main.go:3 +0x1\n\ngoroutine 8 [select]:\nmain.other()\n\t/src/main.go:5 +0x1\n\n";
    let twice = format!("{dump}{dump}");
    let begins = said(&twice).iter().filter(|line| line.contains("begins")).count();
    assert_eq!(begins, 2);
    // Stacks that a program prints now and then are not one dump of many goroutines.
    let stacks: String = (1..4)
        .map(|id| format!("goroutine {id} [running]:\nmain.f()\n\t/src/main.go:3 +0x1\nlater\n"))
        .collect();
    assert!(said(&stacks).iter().all(|line| line.contains("begins")), "{:?}", said(&stacks));
}

#[test]
fn values_keep_within_the_limit() {
    let log =
        format!("panic: {}\n{}\n\ngoroutine 1 [running]:\n", "x".repeat(9000), "é".repeat(9000));
    let mut parser = Parser::new(Limits { message: 101, ..Limits::DEFAULT });
    let mut value = String::new();
    let mut each = |said: Said<'_>| {
        if let Said::Cause(cause) = said
            && let Ended::Panic(chain) = cause.ended
        {
            value.clone_from(&chain[0].value);
        }
    };
    for text in log.lines() {
        parser.take(text.as_bytes(), (1, 0), None, &mut each);
    }
    parser.finish(&mut each);
    assert_eq!(value.len(), 101);
}

#[test]
fn whose_code_it_is() {
    let mut main = Main::default();
    let code = |func: &str, file: &str, main: &Main| {
        Code::of(&Frame { func, args: "", file, line: 1 }, main)
    };
    for (func, file, whose) in [
        ("main.main", "/src/main.go", Code::Own),
        ("main.main", "example.com/checkout/main.go", Code::Own),
        ("example.com/checkout/work.Nil", "/src/work/work.go", Code::Own),
        ("example.com/checkout/work.Nil", "example.com/checkout/work/work.go", Code::Own),
        ("server/handlers.(*H).Get", "/home/me/server/handlers/h.go", Code::Own),
        ("net/http.(*conn).serve", "/usr/local/go/src/net/http/server.go", Code::Standard),
        ("net/http.(*conn).serve", "net/http/server.go", Code::Standard),
        (
            "net/http.(*conn).serve",
            "/root/go/pkg/mod/golang.org/toolchain@v0.0.1-go1.27.4.linux-amd64/src/net/http/server.go",
            Code::Standard,
        ),
        ("sync.runtime_SemacquireMutex", "/usr/local/go/src/runtime/sema.go", Code::Standard),
        ("internal/sync.fatal", "/usr/local/go/src/runtime/panic.go", Code::Standard),
        ("internal/sync.fatal", "runtime/panic.go", Code::Standard),
        ("panic", "/usr/local/go/src/runtime/panic.go", Code::Standard),
        (
            "vendor/golang.org/x/net/http2/hpack.F",
            "/usr/local/go/src/vendor/golang.org/x/net/http2/hpack/h.go",
            Code::Standard,
        ),
        // A module whose path begins like a package of Go's.
        ("text/shop.F", "/home/me/text/shop/f.go", Code::Own),
        (
            "golang.org/x/sync/errgroup.(*Group).Go",
            "/root/go/pkg/mod/golang.org/x/sync@v0.7.0/errgroup/e.go",
            Code::Dependency,
        ),
        (
            "golang.org/x/sync/errgroup.(*Group).Go",
            "golang.org/x/sync@v0.7.0/errgroup/e.go",
            Code::Dependency,
        ),
        (
            "github.com/lib/pq.(*conn).recv",
            "/src/vendor/github.com/lib/pq/conn.go",
            Code::Dependency,
        ),
        ("main._Cfunc_f", "_cgo_gotypes.go", Code::Foreign),
        ("non-Go function", "", Code::Foreign),
    ] {
        assert_eq!(code(func, file, &main), whose, "{func} {file}");
    }
    // Of a program that was installed by its version, that module is its own code.
    let file = "/root/go/pkg/mod/example.com/tool@v1.2.3/main.go";
    main.see(&Frame { func: "main.main", args: "", file, line: 1 });
    let inner = "/root/go/pkg/mod/example.com/tool@v1.2.3/inner/i.go";
    assert_eq!(code("example.com/tool/inner.F", inner, &main), Code::Own);
    let other = "/root/go/pkg/mod/example.com/other@v1.2.3/i.go";
    assert_eq!(code("example.com/other.F", other, &main), Code::Dependency);
}

#[test]
fn packages_of_functions() {
    for (func, of) in [
        ("main.main.func1", "main"),
        ("net/http.(*conn).serve", "net/http"),
        ("gopkg.in/yaml%2ev3.Unmarshal", "gopkg.in/yaml.v3"),
        ("example.com/a/b.F[...]", "example.com/a/b"),
        ("example.com/a.T[example.com/b/c.D].M", "example.com/a"),
    ] {
        assert_eq!(package(func), of);
    }
}

#[test]
fn a_panic_comes_from_behind_the_last_call_of_panic() {
    let frame = |func, file, line| Frame { func, args: "", file, line };
    let frames = [
        frame("main.again.func1", "/src/main.go", 96),
        frame("panic", "/usr/local/go/src/runtime/panic.go", 859),
        frame("example.com/a@v1/x.F", "/root/go/pkg/mod/example.com/a@v1.0.0/x/x.go", 1),
        frame("example.com/checkout/work.Nil", "/src/work/work.go", 19),
    ];
    let place = place_of_panic(frames.iter().copied(), &Main::default()).unwrap();
    assert_eq!((place.func, place.line), ("example.com/checkout/work.Nil", 19));
}

#[test]
fn a_million_goroutines_of_few_stacks_are_few_groups() {
    let mut groups = Groups::default();
    let mut parser = Parser::default();
    let mut each = |said: Said<'_>| {
        if let Said::Goroutine { goroutine, .. } = said {
            groups.push(&goroutine);
        }
    };
    for id in 2..20_002 {
        let header = format!("goroutine {id} [chan send, {} minutes]:", id % 70 + 1);
        for text in [header.as_str(), "main.send(0x1)", "\t/src/main.go:7 +0x1", ""] {
            parser.take(text.as_bytes(), (1, 0), None, &mut each);
        }
    }
    parser.finish(&mut each);
    assert_eq!((groups.groups.len(), groups.total, groups.newest), (1, 20_000, 20_001));
    let group = &groups.groups[0];
    assert_eq!((group.count, group.longest, group.ids.len()), (20_000, 70, 20_000));
    assert_eq!(group.waits.iter().sum::<u64>(), 20_000);
    assert!(group.waited(60) < group.waited(5));
}

#[test]
fn numbers_of_goroutines_are_kept_while_there_is_room() {
    let (mut groups, mut left) = (Groups::default(), 1000);
    let mut parser = Parser::default();
    let mut each = |said: Said<'_>| {
        if let Said::Goroutine { goroutine, .. } = said {
            groups.push_within(&goroutine, &mut left);
        }
    };
    for id in 2..502 {
        let header = format!("goroutine {id} [select]:");
        for text in [header.as_str(), "main.wait(0x1)", "\t/src/main.go:7 +0x1", ""] {
            parser.take(text.as_bytes(), (1, 0), None, &mut each);
        }
    }
    parser.finish(&mut each);
    let [group] = groups.groups.as_slice() else { panic!("{groups:?}") };
    assert_eq!((group.count, left / 12), (500, 0));
    assert!(group.ids.len() > 50 && group.ids.len() < 125, "{}", group.ids.len());
    assert!(group.ids.iter().copied().eq((2..).take(group.ids.len())));
}

/// The last line of a program was taken for the runtime's.
#[test]
fn a_last_line_of_the_programs_is_no_fatal_error() {
    for line in [
        "fatal error: cannot open config.yaml",
        "fatal error: out of memory budget of tenant 7",
        "panic: cannot open config.yaml",
    ] {
        assert_eq!(said(line), [""; 0], "{line}");
        assert_eq!(said(&format!("{line}\n{line}\n")), [""; 0], "{line}");
    }
    // What the runtime says with GOTRACEBACK=none, and what goroutines follow.
    for line in [
        "fatal error: concurrent map writes",
        "fatal error: sync: unlock of unlocked mutex",
        "fatal error: stack overflow",
        "fatal error: odd\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x1]",
        "fatal error: odd\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:3 +0x1",
        "panic: runtime error: index out of range [5] with length 3",
        "panic: a\n\tpanic: send on closed channel",
    ] {
        assert!(said(line)[0].starts_with("1: "), "{line}: {:?}", said(line));
    }
}

/// Any line that began with `panic: ` was taken for the next one of the chain.
#[test]
fn a_panic_without_a_tab_is_none_of_the_chain() {
    let stack = "\n\ngoroutine 7 [running]:\nmain.main()\n\t/src/main.go:3 +0x1\n";
    let log = format!("panic: retrying\nGET /a 200\npanic: boom{stack}");
    let said_of = said(&log);
    assert_eq!(said_of.len(), 2, "{said_of:?}");
    assert!(said_of[0].starts_with("3: ") && !said_of[0].contains("retrying"), "{said_of:?}");
    let log = format!("panic: first\n\tpanic: second{stack}");
    let said_of = said(&log);
    assert!(said_of[0].starts_with("1: ") && said_of[0].contains("second"), "{said_of:?}");
}

/// A line of JSON with a token in it became a part of the value.
#[test]
fn what_others_write_behind_a_panic_is_none_of_its_value() {
    let log = "panic: first\n\tsecond\n{\"level\":\"info\",\"token\":\"abc\"}\n\tat Other.java:3\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:3 +0x1\n";
    let said = said(log);
    assert!(said[0].contains(r#"value: "first\nsecond","#), "{said:?}");
}

/// Of Go 1.22 only the first line was told.
#[test]
fn lines_of_a_value_are_its_own_up_to_the_empty_one_before_the_goroutines() {
    let stack = "\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:3 +0x1\n";
    let value = |lines: &str| {
        let said = said(&format!("panic: {lines}{stack}"));
        let (_, rest) = said[0].split_once("value: \"").unwrap();
        rest.split_once("\", ").unwrap().0.to_owned()
    };
    assert_eq!(value("first\nsecond\n\nfourth"), "first\\nsecond\\n\\nfourth");
    // Whatever a logger writes at that moment is none of it, and then nothing is.
    for other in [
        "{\"token\":\"abc\"}",
        "2026/11/26 10:00:00 done",
        "level=info token=abc",
        "GET /a?token=abc 200",
    ] {
        assert_eq!(value(&format!("first\n{other}\nthird")), "first", "{other}");
    }
    // No goroutine follows at once: it is a line of a program.
    let log = "panic: first\nsecond\nthird\n";
    assert!(said(log).is_empty(), "{:?}", said(log));
}

/// The sum went over.
#[test]
fn frames_left_out_are_counted_as_far_as_a_number_goes() {
    let mut parser = Parser::new(Limits { frames: 1, ..Limits::DEFAULT });
    let mut elided = 0;
    let mut each = |said: Said<'_>| {
        if let Said::Goroutine { goroutine, .. } = said {
            elided = goroutine.elided;
        }
    };
    let most = "...9999999999999999999 frames elided...";
    let log = ["goroutine 1 [running]:", "main.a()", "\t/a.go:1 +0x1", most, most, "main.b()"];
    for text in log {
        parser.take(text.as_bytes(), (1, 0), None, &mut each);
    }
    parser.finish(&mut each);
    assert_eq!(elided, u64::MAX);
}

/// Each line was kept until the goroutine ended: 200 MB of them took 500.
#[test]
fn what_is_said_again_of_a_goroutine_takes_no_memory() {
    let mut parser = Parser::default();
    let mut created = Vec::new();
    let mut each = |said: Said<'_>| {
        if let Said::Goroutine { goroutine, .. } = said {
            created.extend(goroutine.created().map(|c| (c.func.to_owned(), c.line, c.by)));
        }
    };
    let mut take = |text: &str| parser.take(text.as_bytes(), (1, 0), None, &mut each);
    take("goroutine 1 [running]:");
    for _ in 0..10_000 {
        take("created by main.first in goroutine 7");
        take("created by main.other in goroutine 8");
        take("\t/src/main.go:3 +0x1");
    }
    assert!(parser.kept() < 100, "{}", parser.kept());
    parser.finish(&mut each);
    assert_eq!(created, [("main.first".to_owned(), 3, Some(7))]);
}

#[test]
fn notes_of_a_signal_are_few() {
    let mut parser = Parser::default();
    let mut notes = 0;
    let mut each = |said: Said<'_>| {
        if let Said::Cause(cause) = said {
            notes = cause.notes.len();
        }
    };
    parser.take(b"SIGSEGV: segmentation violation", (1, 0), None, &mut each);
    parser.take(b"PC=0x46de21 m=0 sigcode=1 addr=0x0", (2, 0), None, &mut each);
    for line in 3..10_000 {
        parser.take(b"signal arrived during cgo execution", (line, 0), None, &mut each);
    }
    parser.finish(&mut each);
    assert!((1..10).contains(&notes), "{notes}");
}

fn groups(of: impl Iterator<Item = u32>, left: &mut usize) -> Groups {
    let mut groups = Groups::default();
    let mut parser = Parser::default();
    let mut each = |said: Said<'_>| {
        if let Said::Goroutine { goroutine, .. } = said {
            groups.push_within(&goroutine, left);
        }
    };
    for line in of {
        let place = format!("\t/src/main.go:{line} +0x1");
        for text in ["goroutine 7 [select]:", "main.wait(0x1)", &place, ""] {
            parser.take(text.as_bytes(), (u64::from(line), 0), None, &mut each);
        }
    }
    parser.finish(&mut each);
    groups
}

/// Limits of dumps, groups and frames multiplied to more memory than there is.
#[test]
fn stacks_keep_within_a_budget_of_bytes() {
    let mut left = 10_000;
    let few = groups(1..1000, &mut left);
    assert!((10..100).contains(&few.groups.len()), "{}", few.groups.len());
    assert_eq!((few.total, few.more), (999, 999 - few.groups.len() as u64));
    // Those that are known go on to be counted, and the next dump has what is left.
    let next = groups(1..3, &mut left);
    assert_eq!((next.groups.len(), next.more), (0, 2));
}

#[test]
fn groups_are_found_in_another_dump() {
    let (a, b) = (groups(1..50, &mut 1_000_000), groups(40..100, &mut 1_000_000));
    for group in &a.groups {
        let found = b.like(group);
        assert_eq!(found.map(|group| group.line), (group.line >= 40).then_some(group.line));
        assert!(found.is_none_or(|found| found.is_like(group)));
    }
}

const DIED: &str = "goroutine 1 [running]:\nmain.main.func1()\n\t/src/main.go:7 +0xa5\npanic({0x48bbe0?, 0x4bbfe0?})\n\t/usr/local/go/src/runtime/panic.go:770 +0x132\nmain.main()\n\t/src/main.go:9 +0x66\n";
const ITS_STACK: &str = "goroutine 1 [running]:\nruntime/debug.Stack()\n\t/usr/local/go/src/runtime/debug/stack.go:24 +0x5e\nmain.main.func1()\n\t/src/main.go:7 +0x3a\npanic({0x48bbe0?, 0x4bbfe0?})\n\t/usr/local/go/src/runtime/panic.go:770 +0x132\nmain.main()\n\t/src/main.go:9 +0x66\n";

/// Go 1.22 and before print a value as it is: the process was said to live on.
#[test]
fn a_stack_in_the_value_of_a_panic_is_no_recovery() {
    let panic = "panic: nil map [recovered]\n\tpanic: wrapped: nil map\n";
    let told = said(&format!("{panic}{ITS_STACK}\n\n{DIED}"));
    assert!(told[0].starts_with("1: Panic(") && told[0].contains("wrapped"), "{told:?}");
    assert_eq!(told[1..], ["14: 1 3 frames main.main.func1"], "the stack in the value is none");
    // More of the value behind the stack, and a chain that goes on there.
    let told =
        said(&format!("{panic}{ITS_STACK}\nof tenant 7 [recovered]\n\tpanic: once more\n\n{DIED}"));
    assert!(told[0].starts_with("1: Panic(") && told[0].contains("once more"), "{told:?}");
    let told = said(&format!("{panic}{ITS_STACK}\nof tenant 7\n\n{DIED}"));
    assert!(told[0].starts_with("1: Panic("), "{told:?}");
    // The signal stands behind the value.
    let signal = "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x464500]";
    let told = said(&format!("{panic}{ITS_STACK}\n{signal}\n\n{DIED}"));
    assert!(told[0].starts_with("1: Panic("), "{told:?}");
}

#[test]
fn a_stack_that_was_printed_stays_a_recovery_whatever_comes_later() {
    let panic = "panic: nil map\n\n";
    for later in [
        String::new(),
        "next\n".to_owned(),
        format!("\n{ITS_STACK}"),
        format!("\npanic: other\n\n{DIED}"),
        // A dump that somebody asked for, of another goroutine.
        "served\n\ngoroutine 9 [running]:\nmain.dump()\n\t/src/main.go:7 +0xa5\n\ngoroutine 1 [select]:\nmain.main()\n\t/src/main.go:9 +0x66\n".to_owned(),
        format!("{}\n{DIED}", "more\n".repeat(300)),
    ] {
        let told = said(&format!("{panic}{ITS_STACK}{later}"));
        assert_eq!(told[0], r#"1: Recovered("nil map")"#, "{later}");
        assert_eq!(told[1], "3: 1 4 frames runtime/debug.Stack", "{later}");
    }
}

/// From Go 1.23 on each line of a value is indented, and one with those words was the runtime's.
#[test]
fn lines_of_a_value_are_no_fatal_error_and_no_panic_of_their_own() {
    let stack = "\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:5 +0x3b\n";
    let value = |log: &str| {
        let told = said(log);
        assert_eq!(told.len(), 2, "{told:?}");
        told[0].clone()
    };
    let told = value(&format!("panic: boot failed:\n\tfatal error: cannot open config\n{stack}"));
    assert!(told.contains(r#"value: "boot failed:\nfatal error: cannot open config""#), "{told}");
    let told = value(&format!("panic: boot failed:\n\tfatal error: x\n\tpanic: y\n\tz\n{stack}"));
    assert!(told.contains(r#"value: "boot failed:\nfatal error: x\npanic: y\nz""#), "{told}");
    // One that is nested, with such a line in the first.
    let nested = stack.replace("main.main()", "main.main.func1()\n\t/src/main.go:4 +0x1\npanic({0x1?, 0x2?})\n\t/usr/local/go/src/runtime/panic.go:859 +0x125\nmain.main()");
    let told = value(&format!(
        "panic: a\n\tpanic: b\n\tpanic: runtime error: index out of range [2] with length 0\n{nested}"
    ));
    assert!(told.contains(r#"value: "a\npanic: b""#) && told.contains("index out"), "{told}");
    // Before 1.23 they stand as they are; what the runtime throws has its frames.
    let told = value(&format!("panic: boot failed:\nfatal error: cannot open config\n{stack}"));
    assert!(told.contains(r#"value: "boot failed:\nfatal error: cannot open config""#), "{told}");
    let thrown = stack.replace(
        "main.main()",
        "runtime.throw({0x1?, 0x2?})\n\t/usr/local/go/src/runtime/panic.go:1047 +0x5d\nmain.main()",
    );
    let told = value(&format!("panic: said a job\nfatal error: bad summary data\n{thrown}"));
    assert!(told.contains(r#"Fatal("bad summary data")"#), "{told}");
}

/// The message was of the last panic, and the place of the first.
#[test]
fn a_panic_of_a_deferred_call_has_its_own_place() {
    let frame = |func, file, line| Frame { func, args: "", file, line };
    let panic = frame("panic", "/usr/local/go/src/runtime/panic.go", 859);
    let close = frame("main.(*DB).Close", "/src/main.go", 6);
    let handle = frame("main.handle", "/src/main.go", 12);
    let of = |value: &str, recovered, repanicked| Panicked {
        value: value.to_owned(),
        recovered,
        repanicked,
    };
    let nil = "runtime error: invalid memory address or nil pointer dereference";
    let index = "runtime error: index out of range [3] with length 0";
    let line = |chain: &[Panicked], frames: &[Frame<'static>]| {
        let all = places_of_chain(chain, frames.iter().copied(), &Main::default());
        let ended = Ended::Panic(chain.to_vec());
        let place = place_of_end(&ended, frames.iter().copied(), &Main::default());
        (place.map(|p| p.line), all.iter().map(|p| p.map_or(0, |p| p.line)).collect::<Vec<_>>())
    };
    let chain = [of(index, false, false), of(nil, false, false)];
    assert_eq!(line(&chain, &[close, panic, handle]), (Some(6), vec![12, 6]));
    // GOTRACEBACK=system shows all of the runtime's.
    let system = [
        panic,
        frame("runtime.panicmem", "/usr/local/go/src/runtime/panic.go", 262),
        frame("runtime.sigpanic", "/usr/local/go/src/runtime/signal_unix.go", 925),
        close,
        panic,
        handle,
    ];
    assert_eq!(line(&chain, &system), (Some(6), vec![12, 6]));
    // Given to panic again: it comes from where it was first.
    let wrapped = [of(index, true, false), of("handler: index out of range", false, false)];
    assert_eq!(line(&wrapped, &[close, panic, handle]), (Some(12), vec![12, 6]));
    assert_eq!(line(&[of(nil, true, true)], &[close, panic, handle]), (Some(12), vec![12]));
    // The call that recovers fails itself.
    let failed = [of(index, true, false), of(nil, false, false)];
    assert_eq!(line(&failed, &[close, panic, handle]).0, Some(6));
    // What a library's deferred call raised is in no code of the program's own.
    let dep = frame("example.com/a.F", "/root/go/pkg/mod/example.com/a@v1.0.0/a.go", 1);
    assert_eq!(line(&chain, &[dep, panic, handle]), (None, vec![12, 0]));
    // A fatal error in a deferred call is that call's.
    let fatal = Ended::Fatal("concurrent map writes".to_owned());
    let place = place_of_end(&fatal, [close, panic, handle].into_iter(), &Main::default());
    assert_eq!(place.map(|p| p.line), Some(6));
}

#[test]
fn who_sent_a_signal() {
    let code = |text: &str| {
        let mut code = None;
        let mut parser = Parser::default();
        let mut each = |said: Said<'_>| {
            if let Said::Cause(cause) = said {
                code = cause.signal.map(|s| (s.code, s.is_by_itself()));
            }
        };
        parser.take(b"SIGABRT: abort", (1, 0), None, &mut each);
        parser.take(format!("PC=0x46de21 m=0 sigcode={text}").as_bytes(), (2, 0), None, &mut each);
        parser.finish(&mut each);
        code.unwrap()
    };
    assert_eq!(code("18446744073709551610"), (Some(-6), Some(true)));
    assert_eq!(code("4294967290"), (Some(-6), Some(true)), "32 bits");
    assert_eq!(code("0 addr=0x0"), (Some(0), Some(false)));
    assert_eq!(code("18446744073709551615"), (Some(-1), Some(false)), "SI_QUEUE");
    assert_eq!(code("99999999999"), (None, None));
}
