//! `provost diagnose` on logs of the collector: what it says of settings, what it draws, follows and compares.

#![allow(clippy::unwrap_used, clippy::panic, reason = "they are tests")]

mod support;

use std::fs;

use serde_json::Value;
use support::Dir;

/// What a browser is told to load for a page.
const NOTHING_ELSE: &str =
    "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\"";

fn log(name: &str) -> String {
    fs::read_to_string(support::repository().join("fixtures/runtimelog").join(name)).unwrap()
}

#[test]
fn a_report_says_what_was_set_and_what_would_be_otherwise() {
    let text = log("1.27/settings.log");
    let run_of = |name: &str| {
        let run = text.split("settings ").find(|run| run.contains(name)).unwrap();
        let args = ["diagnose", "-", "--format", "json", "--memory-limit", "128Mi"];
        let run = Dir::new().provost_with_stdin(&args, run);
        let report: Value = serde_json::from_str(&run.out).unwrap();
        report["logs"][0].clone()
    };
    let of = run_of("GOGC=400 GOMEMLIMIT=unset");
    let percents = &of["collections"]["settings"]["gogc_percent"];
    assert!((360..=400).contains(&percents[0].as_u64().unwrap()), "{of:#}");
    assert!((400..=440).contains(&percents[1].as_u64().unwrap()), "{of:#}");
    let what_if = &of["collections"]["what_if"];
    assert_eq!(what_if["container"]["gomemlimit"], "115MiB", "{of:#}");
    // As many as were in the log, by the model.
    let foretold = what_if["as_it_is"]["per_second"].as_f64().unwrap();
    let measured = of["collections"]["per_second"].as_f64().unwrap();
    assert!((0.5..2.0).contains(&(foretold / measured)), "{of:#}");

    let of = run_of("GOGC=off GOMEMLIMIT=256MiB");
    let limit = of["collections"]["settings"]["gomemlimit_least_mib"].as_u64().unwrap();
    assert!((200..=256).contains(&limit), "{of:#}");
}

#[test]
fn a_report_in_text_and_markdown_begins_with_the_verdict() {
    let dir = Dir::new().file("checkout.log", log("spiral.log"));
    let run = dir.provost(&["diagnose", "checkout.log"]);
    assert!(run.out.starts_with("checkout.log: memory-limit-death-spiral: "), "{run}");
    assert!(run.out.contains("GOMEMLIMIT: no more than was live"), "{run}");
    let run = dir.provost(&["diagnose", "checkout.log", "--format", "markdown"]);
    assert!(run.out.contains("`checkout.log`: memory-limit-death-spiral: "), "{run}");
    assert!(run.out.contains("| GOGC | GOMEMLIMIT |"), "{run}");
}

#[test]
fn two_logs_are_compared_and_equal_ones_do_not_differ() {
    let steady = log("steady.log");
    let lines: Vec<&str> = steady.lines().collect();
    let (first, second) = lines.split_at(lines.len() / 2);
    let dir = Dir::new()
        .file("steady.log", steady.clone())
        .file("first.log", first.join("\n"))
        .file("second.log", second.join("\n"))
        .file("tiny.log", log("tiny.log"));
    let args = ["diagnose", "gc", "--compare", "first.log", "second.log", "--format", "json"];
    let run = dir.provost(&args);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    for of in report["comparisons"].as_array().unwrap() {
        assert_eq!(of["verdict"], "no-difference-shown", "{run}");
        assert!(of["effect"]["detectable"].as_f64().unwrap() > 0.0, "{run}");
    }
    let run = dir.provost(&["diagnose", "gc", "--compare", "steady.log", "tiny.log"]);
    assert_eq!(run.code, 0, "{run}");
    let out = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(out.contains("these two runs differ in"), "{run}");
    assert!(out.contains("MB allocated a second: more in this run of B by "), "{run}");
    let run = dir.provost(&["diagnose", "gc", "--compare", "steady.log", "missing.log"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("missing.log does not exist"), "{run}");
    // Twice it was nothing at all, and a success.
    let again = ["--compare", "tiny.log", "steady.log"];
    let run = dir.provost(
        &[&["diagnose", "gc", "--compare", "first.log", "second.log"], &again[..]].concat(),
    );
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("--compare"), "{run}");
}

#[test]
fn a_page_of_two_logs_has_both_curves_both_histograms_and_what_the_tests_say() {
    // Processes were started at different times; what is compared begins at the first collection.
    let late: String = log("tiny.log").lines().fold(String::new(), |text, line| {
        let shifted = line.split_once('@').and_then(|(before, rest)| {
            let (at, rest) = rest.split_once("s ")?;
            Some(format!("{before}@{:.3}s {rest}", at.parse::<f64>().ok()? + 3600.0))
        });
        text + &shifted.unwrap_or_else(|| line.to_owned()) + "\n"
    });
    let dir = Dir::new().file("<b>.log", log("steady.log")).file("late.log", late);
    let args = ["diagnose", "gc", "--compare", "<b>.log", "late.log"];
    let page = dir.provost(&[&args[..], &["--format", "html"]].concat()).out;
    assert!(page.contains("&lt;b&gt;.log") && !page.contains("<b>.log"), "{page}");
    assert!(!page.contains("src=") && !page.contains("<link"), "a page needs nothing else");
    assert!(page.contains(NOTHING_ELSE), "{page}");
    assert!(page.contains("<title>provost: these two runs differ in "), "{page}");
    for line in ["all pauses", "MB allocated a second"] {
        assert!(page.contains(&format!("<th scope=\"row\">{line}</th>")), "{page}");
    }
    assert!(page.contains("more in this run of B by "), "{page}");
    for class in ["<rect class=\"of-a\"", "<rect class=\"of-b\""] {
        assert!(page.matches(class).count() > 2, "{class}: {page}");
    }
    let (_, data) = page.split_once("<script type=\"application/json\">").unwrap();
    let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    let heap = &data["charts"][0];
    let x: Vec<f64> = heap["x"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    assert!(x.first() == Some(&0.0) && x.is_sorted() && *x.last().unwrap() < 3600.0, "{heap}");
    let names: Vec<&str> =
        heap["series"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["A live", "B live", "A goal", "B goal"]);
    for series in heap["series"].as_array().unwrap() {
        let values = series["values"].as_array().unwrap();
        assert_eq!(values.len(), x.len());
        assert!(values.iter().filter(|value| value.is_number()).count() > 10, "{series}");
    }
}

#[test]
fn a_page_has_the_curves_and_needs_nothing_else() {
    // A path is text of somebody else's, and stands in the script's data as well.
    let name = "</script><b>.log";
    let run = Dir::new().file("checkout.log", log("spiral.log"));
    let page = run.provost(&["diagnose", "checkout.log", "--format", "html"]).out;
    for part in ["var uPlot=", "MIT License", "application/json", "class=\"bars\""] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains("memory-limit-death-spiral: a memory limit at the live heap"));
    assert!(!page.contains("src=") && !page.contains("<link"), "a page needs nothing else");
    assert!(page.contains(NOTHING_ELSE), "{page}");
    let (_, title) = page.split_once("<title>provost: ").unwrap();
    assert!(title.starts_with(|count: char| count.is_ascii_digit()), "{page}");
    let folder = std::env::temp_dir().join(format!("provost-page-{}", std::process::id()));
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, log("steady.log")).unwrap();
    let run = Dir::new().provost(&["diagnose", path.to_str().unwrap(), "--format", "html"]);
    fs::remove_dir_all(&folder).unwrap();
    assert!(!run.out.contains("</script><b>"), "{run}");
    // Goals that follow from GOGC have the model's beside them.
    assert!(run.out.contains("goal by the model"), "{run}");
}

#[test]
fn a_file_that_grows_is_followed_until_it_is_interrupted() {
    let text = log("steady.log");
    let lines: Vec<&str> = text.lines().collect();
    let (first, rest) = lines.split_at(40);
    let folder = std::env::temp_dir().join(format!("provost-follow-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("app.log");
    fs::write(&path, first.join("\n") + "\n").unwrap();
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_provost"))
        .args(["diagnose", "--follow", "--format", "json"])
        .arg(&path)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Until it has read all that is there.
    let has_read = |bytes: u64| {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", child.id())).into_iter().flatten();
        descriptors.flatten().any(|fd| {
            let info = format!("/proc/{}/fdinfo/{}", child.id(), fd.file_name().to_string_lossy());
            fs::read_link(fd.path()).is_ok_and(|target| target == path)
                && fs::read_to_string(info).is_ok_and(|text| {
                    text.lines().next().is_some_and(|pos| pos.ends_with(&format!("\t{bytes}")))
                })
        })
    };
    let wait = |bytes: u64| {
        let began = std::time::Instant::now();
        while !has_read(bytes) {
            assert!(began.elapsed().as_secs() < 60, "it never read {bytes} bytes");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    };
    wait(fs::metadata(&path).unwrap().len());
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, (rest.join("\n") + "\n").as_bytes()).unwrap();
    wait(fs::metadata(&path).unwrap().len());
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let done = child.wait_with_output().unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["logs"][0]["collections"]["cycles"], 106, "{out}");
    assert_eq!(done.status.code(), Some(0), "{out}");
}

/// Lines of a process that marks so many MB in so many milliseconds, every tenth of a second.
fn gctrace(cycles: u64, live: u64, goal: u64, mark_ms: &str) -> String {
    let line = |n: u64| {
        let (at, end) = (format!("{}.{}00", n / 10, n % 10), goal.max(live));
        format!(
            "gc {n} @{at}s 0%: 0.010+{mark_ms}+0.010 ms clock, 0.020+0/{mark_ms}/0+0.020 ms cpu, {end}->{end}->{live} MB, {goal} MB goal, 0 MB stacks, 0 MB globals, 2 P\n"
        )
    };
    (1..=cycles).map(line).collect()
}

#[test]
fn a_ballast_and_the_smallest_heap_are_recognised() {
    let remarks = |text: &str| {
        let run = Dir::new().provost_with_stdin(&["diagnose", "-", "--format", "json"], text);
        let report: Value = serde_json::from_str(&run.out).unwrap();
        report["logs"][0]["collections"]["remarks"].to_string()
    };
    let ballast = remarks(&gctrace(30, 1024, 2048, "0.30"));
    assert!(ballast.contains("as a ballast or a cache of bytes"), "{ballast}");
    let scanned = remarks(&gctrace(30, 1024, 2048, "900"));
    assert!(!scanned.contains("ballast"), "{scanned}");
    let small = remarks(&gctrace(30, 0, 4, "0.30"));
    assert!(small.contains("the smallest heap that Go collects, 4 MB"), "{small}");
    assert!(!scanned.contains("smallest") && !ballast.contains("smallest"), "{scanned} {ballast}");
}

#[test]
fn the_report_of_a_log_matches_its_schema() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../docs/report-v1.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let args = ["diagnose", "-", "--format", "json", "--memory-limit", "128Mi"];
    for text in [log("spiral.log"), log("1.27/basic.log"), log("1.27/detail.log")] {
        let run = Dir::new().provost_with_stdin(&args, &text);
        let report: Value = serde_json::from_str(&run.out).unwrap();
        let problems: Vec<String> =
            validator.iter_errors(&report).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(problems.is_empty(), "{problems:#?}");
        assert!(report["logs"][0]["verdict"].is_string(), "{run}");
    }
}

/// A GOMEMLIMIT was recommended to a process that was to be dead in two minutes, and numbers came of nothing.
#[test]
fn a_heap_that_grows_fits_no_limit_and_one_collection_has_no_rate() {
    let line = |n: u64, live: u64, goal: u64| {
        format!(
            "gc {n} @{n}.000s 1%: 0.010+1.0+0.010 ms clock, 0.020+0.10/0.10/0+0.010 ms cpu, {}->{}->{live} MB, {goal} MB goal, 0 MB stacks, 0 MB globals, 2 P\n",
            live + 20,
            live + 21
        )
    };
    let leak: String = (1..=60).map(|n| line(n, 20 + n, 41 + 2 * n)).collect();
    let dir = Dir::new().file("leak.log", leak).file("one.log", line(1, 4, 17592186044415));
    // Lines are folded.
    let flat = |args: &[&str]| {
        let run = dir.provost(args);
        run.out.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let out = flat(&["diagnose", "leak.log", "--memory-limit", "256Mi"]);
    assert!(out.contains("no limit fits a live heap that grows: by 60.0 MB a minute"), "{out}");
    assert!(!out.contains("; it fits"), "{out}");
    // The table was of the heap that there was on average, half of what came.
    assert!(out.contains("with 80 MB live as when the log ends"), "{out}");
    let run = dir.provost(&["diagnose", "leak.log", "--memory-limit", "256Mi", "--format", "json"]);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let what_if = &report["logs"][0]["collections"]["what_if"];
    let row = |gogc: &str, limit: bool| {
        let rows = what_if["rows"].as_array().unwrap().iter();
        let is_it = |row: &&Value| row["gogc"] == gogc && row["gomemlimit_mib"].is_u64() == limit;
        rows.into_iter().find(is_it).unwrap().clone()
    };
    assert_eq!(row("100", false)["peak_heap_mib"], 160, "{what_if:#}");
    // By one MB a second: of 256 MiB the heap may have 240, which twice of 120 MB live is; under GOMEMLIMIT what is
    // live alone fills them.
    let minutes = |row: Value| row["full_after_minutes"].as_f64().unwrap() * 60.0;
    assert!((39.0..41.0).contains(&minutes(row("100", false))), "{what_if:#}");
    assert!((158.0..162.0).contains(&minutes(row("100", true))), "{what_if:#}");
    // The limit of the pod whose log it is.
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: app-1, namespace: shop}\nspec:\n  containers:\n  - {name: app, image: x, resources: {limits: {memory: 256Mi}}}\nstatus:\n  containerStatuses:\n  - {name: app, restartCount: 0, state: {running: {startedAt: \"2026-11-26T10:00:10Z\"}}}\n";
    let dir = dir.file("pod.yaml", pod);
    let run = dir.provost(&["diagnose", "gc", "leak.log", "pod.yaml"]);
    let out = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(out.contains("a container of 256 MiB, shop/Pod/app-1/app: no limit fits"), "{run}");
    let flat = |args: &[&str]| {
        let run = dir.provost(args);
        run.out.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let out = flat(&["diagnose", "one.log"]);
    assert!(out.contains("no goal (GOGC=off)") && !out.contains("17592186044415"), "{out}");
    assert!(out.contains("an unknown number of MB allocated a second"), "{out}");
}

/// With 188 MB live at most and 22 on average the heap was said to have 44 MB at most, and had had 352.
#[test]
fn a_heap_is_foretold_to_be_as_large_as_it_was() {
    for version in ["1.19", "1.21", "1.22", "1.23", "1.24", "1.25", "1.26", "1.27"] {
        for kind in ["basic", "pacer"] {
            let text = log(&format!("{version}/{kind}.log"));
            let args = ["diagnose", "-", "--format", "json"];
            let run = Dir::new().provost_with_stdin(&args, &text);
            let report: Value = serde_json::from_str(&run.out).unwrap();
            let of = &report["logs"][0]["collections"];
            let foretold = of["what_if"]["as_it_is"]["peak_heap_mib"].as_u64().unwrap();
            let measured = of["peak_heap_mib"].as_u64().unwrap();
            // Marking ends a little before or behind the goal.
            assert!(foretold * 5 >= measured * 4, "{version} {kind}: {foretold} of {measured}");
        }
    }
}

/// `0 to 5` is no GOGC that anybody sets, and beside goals that leave no room at all a limit may be what made them.
#[test]
fn a_gogc_below_what_can_be_told_is_said_to_be_that_or_less() {
    let gogc = |text: &str| {
        let run = Dir::new().provost_with_stdin(&["diagnose", "-"], text);
        let flat = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
        let (_, rest) = flat.split_once(" GOGC: ").unwrap();
        rest.split_once(" GOMAXPROCS:").unwrap().0.to_owned()
    };
    // Goals go up with what is live, a twentieth above it, which whole MB of a small heap do not tell from none.
    let line = |n: u64| {
        let (live, goal) = (n + 9, ((n + 8) * 2 + 1) * 105 / 200);
        format!(
            "gc {n} @{n}.000s 1%: 0.010+1.0+0.010 ms clock, 0.020+0.10/0.10/0+0.010 ms cpu, {goal}->{live}->{live} MB, {goal} MB goal, 0 MB stacks, 0 MB globals, 2 P\n"
        )
    };
    let low = gogc(&(1..60).map(line).collect::<String>());
    assert!(low.contains(" or less GOMEMLIMIT: none that mattered"), "{low}");
    // Cycles before them are not in the log: a first one has the goal of an empty heap.
    let still: String =
        gctrace(60, 40, 40, "5.0").lines().skip(20).map(|line| format!("{line}\n")).collect();
    let still = gogc(&still);
    assert!(still.contains("or a GOMEMLIMIT at what was live"), "{still}");
    assert!(still.contains("GOMEMLIMIT: cannot tell"), "{still}");
    assert!(!still.contains("0 to ") && !low.contains("0 to "), "{still} {low}");
}

/// Nine of nineteen lines were lost, and it read "nothing is wrong that 10 collections show".
#[test]
fn a_log_with_half_of_its_lines_is_not_said_to_be_well() {
    let all = gctrace(40, 40, 80, "5.0");
    let half: String = all.lines().step_by(2).map(|line| format!("{line}\n")).collect();
    let run = Dir::new().provost_with_stdin(&["diagnose", "-"], &half);
    assert!(!run.out.contains("nothing is wrong"), "{run}");
    assert!(run.out.contains("not judged in full: 19 of 39 collections"), "{run}");
    assert!(run.out.contains("an unknown part of the CPU went to collections"), "{run}");
    let run = Dir::new().provost_with_stdin(&["diagnose", "-"], &all);
    assert!(run.out.contains("nothing is wrong that 40 collections show"), "{run}");
}
