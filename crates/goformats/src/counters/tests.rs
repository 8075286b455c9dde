//! What no recorded file shows.

use super::{Counter, Form, form, read};

#[test]
fn forms_are_told_by_how_they_begin() {
    for (head, is) in [
        ("{\n\"cmdline\": [\"./app\"],\n\"memstats\": {}", Some(Form::Expvar)),
        ("{\n\"app\": 3,\n\"cmdline\": [\"./app\"]", Some(Form::Expvar)),
        ("{\"memstats\":{\"Alloc\":1}}", Some(Form::Expvar)),
        ("{\"log\":\"goroutine 1 [running]:\\n\"}", None),
        ("{\"apiVersion\":\"v1\"}", None),
        ("/gc/cycles/total:gc-cycles: 7\n", Some(Form::RuntimeMetrics)),
        ("{\"/gc/cycles/total:gc-cycles\": 7}", Some(Form::RuntimeMetrics)),
        ("/usr/bin/app: not found\n", None),
        ("# HELP go_gc x\n", Some(Form::Prometheus)),
        ("go_goroutines 5\n", Some(Form::Prometheus)),
        ("gc 1 @0.017s 4%: ", None),
        ("", None),
    ] {
        assert_eq!(form(head.as_bytes()), is, "{head}");
    }
}

#[test]
fn pauses_are_those_of_the_last_cycles() {
    let ring = |of: fn(usize) -> usize| {
        (0..256).map(|at| of(at).to_string()).collect::<Vec<_>>().join(",")
    };
    // Cycle n stands at (n + 255) % 256: of 300 the last is at 43.
    let vars = |cycles: u64| {
        format!(
            "{{\"cmdline\": [], \"memstats\": {{\"NumGC\": {cycles}, \"PauseNs\": [{}], \"PauseEnd\": [{}], \"x\": [[1, {{\"a\": null}}]]}}}}",
            ring(|at| at + 1),
            ring(|at| at * 10)
        )
    };
    let many = read(vars(300).as_bytes(), Form::Expvar).unwrap();
    assert_eq!(many.pauses.len(), 256);
    let (first, last) = (many.pauses[0], many.pauses[255]);
    assert_eq!((first.cycle, first.nanos), (45, 45));
    assert_eq!((last.cycle, last.nanos, last.end), (300, 44, 430));
    let few = read(vars(3).as_bytes(), Form::Expvar).unwrap();
    let of: Vec<(u64, u64)> = few.pauses.iter().map(|pause| (pause.cycle, pause.nanos)).collect();
    assert_eq!(of, [(1, 1), (2, 2), (3, 3)]);
}

#[test]
fn what_is_broken_takes_nothing_from_what_is_before_it() {
    let cut = read(b"{\"memstats\": {\"NextGC\": 7, \"NumGC\": ", Form::Expvar).unwrap();
    assert_eq!(cut.get(Counter::Goal), Some(7.0));
    let deep = format!("{{\"a\": {}, \"memstats\": {{\"NextGC\": 7}}}}", "[".repeat(100_000));
    assert!(read(deep.as_bytes(), Form::Expvar).is_none());
    assert!(read(b"# HELP x\nx 1\n", Form::Prometheus).is_none());
    assert!(read(b"/gc/cycles/total:gc-cycles: many\n", Form::RuntimeMetrics).is_none());
}

#[test]
fn metrics_of_several_processes_are_nobodys() {
    let text =
        b"# TYPE go_goroutines gauge\ngo_goroutines{pod=\"a\"} 5\ngo_goroutines{pod=\"b\"} 7\n";
    assert!(read(text, Form::Prometheus).is_none());
}

#[test]
fn forms_of_runtime_metrics_agree() {
    for text in [
        "/gc/heap/live:bytes: 12\n",
        "/gc/heap/live:bytes 12\n",
        "/gc/heap/live:bytes = 12\n",
        "{\"/gc/heap/live:bytes\": 12}",
    ] {
        let form = form(text.as_bytes()).unwrap();
        assert_eq!(read(text.as_bytes(), form).unwrap().get(Counter::Live), Some(12.0), "{text}");
    }
    let text = b"go_gc_heap_live_bytes 12\ngo_gc_limiter_last_enabled_gc_cycle 3\ngo_cpu_classes_gc_total_cpu_seconds_total 1.5\n";
    let read = read(text, Form::Prometheus).unwrap();
    let of = |counter| read.get(counter);
    assert_eq!(
        (of(Counter::Live), of(Counter::Limited), of(Counter::GcCpu)),
        (Some(12.0), Some(3.0), Some(1.5))
    );
}
