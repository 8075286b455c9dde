//! Documents as each store gives them out, and whose lines come of them.

#![allow(clippy::unwrap_used, reason = "they are tests")]

use super::*;
use crate::runtimelog::{Entry, Reader, Runtime};

const POD: &str = "checkout-7d9c5b6f4-x2x7k";

fn gc(n: u64) -> String {
    format!(
        "gc {n} @{n}.000s 0%: 0.010+1.0+0.010 ms clock, 0.020+0/1.0/0+0.020 ms cpu, 4->4->2 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P"
    )
}

/// Of each cycle whose it is, its number and when it was written.
fn told(document: &str) -> Vec<(String, u64, Option<String>)> {
    assert!(is_one(&document.as_bytes()[..document.len().min(8192)]), "{document}");
    let text = lines(document.as_bytes()).unwrap();
    let mut reader = Reader::default();
    let mut cycles = Vec::new();
    let mut each = |line: crate::runtimelog::Line<'_>| {
        if let Entry::Runtime(Runtime::Gc(cycle)) = &line.entry {
            cycles.push((line.stream, cycle.number, line.time.map(str::to_owned)));
        }
    };
    reader.push(&text, &mut each);
    reader.finish(&mut each);
    let names: Vec<String> = reader.streams().map(str::to_owned).collect();
    cycles.into_iter().map(|(at, number, time)| (names[at].clone(), number, time)).collect()
}

#[track_caller]
fn check(document: &str, name: &str) {
    let told = told(document);
    let numbers: Vec<_> = told.iter().map(|(_, number, _)| *number).collect();
    assert_eq!(numbers, [1, 2, 3], "{document}");
    assert!(told.iter().all(|(of, ..)| of == name), "{told:?}");
}

const NEWEST_FIRST: [u64; 3] = [3, 2, 1];

/// `gcloud logging read` and the console give out the newest first, over several lines each.
#[test]
fn entries_of_cloud_logging_are_read_in_order_of_time() {
    let entry = |n: u64| {
        format!(
            "  {{\n    \"insertId\": \"a{n}\",\n    \"labels\": {{\n      \"k8s-pod/app\": \"checkout\"\n    }},\n    \"logName\": \"projects/shop/logs/stderr\",\n    \"receiveTimestamp\": \"2026-11-26T10:00:09Z\",\n    \"resource\": {{\n      \"labels\": {{\n        \"container_name\": \"app\",\n        \"pod_name\": \"{POD}\"\n      }},\n      \"type\": \"k8s_container\"\n    }},\n    \"severity\": \"ERROR\",\n    \"textPayload\": \"{}\\n\",\n    \"timestamp\": \"2026-11-26T10:00:0{n}.123456789Z\"\n  }}",
            gc(n)
        )
    };
    let document = format!("[\n{}\n]\n", NEWEST_FIRST.map(entry).join(",\n"));
    check(&document, &format!("{POD}/app"));
    let time = told(&document)[0].2.clone();
    assert_eq!(time.as_deref(), Some("2026-11-26T10:00:01.123456789Z"));
}

#[test]
fn events_of_cloudwatch_are_read() {
    let event = |n: u64| {
        format!(
            "        {{\n            \"logStreamName\": \"app/checkout/0a1b\",\n            \"timestamp\": 17958600{n}0000,\n            \"message\": \"{}\",\n            \"ingestionTime\": 1795860099999\n        }}",
            gc(n)
        )
    };
    let all = NEWEST_FIRST.map(event).join(",\n");
    check(&format!("{{\n    \"events\": [\n{all}\n    ]\n}}\n"), "app/checkout/0a1b");
}

#[test]
fn streams_of_loki_and_what_grafana_downloads_are_read() {
    let value = |n: u64| format!("[\"179586000{n}000000000\",\"{}\"]", gc(n));
    let document = format!(
        "{{\"status\":\"success\",\"data\":{{\"resultType\":\"streams\",\"result\":[{{\"stream\":{{\"container\":\"app\",\"pod\":\"{POD}\"}},\"values\":[{}]}}],\"stats\":{{\"summary\":{{}}}}}}}}",
        NEWEST_FIRST.map(value).join(",")
    );
    check(&document, &format!("{POD}/app"));
    let row = |n: u64| {
        format!(
            "  {{\n    \"line\": \"{}\",\n    \"timestamp\": \"179586000{n}000000000\",\n    \"date\": \"2026-11-26T10:00:0{n}.000Z\",\n    \"fields\": {{\n      \"pod\": \"{POD}\"\n    }}\n  }}",
            gc(n)
        )
    };
    check(&format!("[\n{}\n]", NEWEST_FIRST.map(row).join(",\n")), POD);
}

#[test]
fn events_of_datadog_are_read() {
    let event = |n: u64| {
        format!(
            "{{\"id\":\"a{n}\",\"type\":\"log\",\"attributes\":{{\"service\":\"checkout\",\"tags\":[\"env:prod\",\"pod_name:{POD}\",\"kube_container_name:app\"],\"timestamp\":\"2026-11-26T10:00:0{n}.000Z\",\"message\":\"{}\",\"attributes\":{{\"level\":\"info\"}}}}}}",
            gc(n)
        )
    };
    let document = format!("{{\"data\":[{}],\"meta\":{{}}}}", NEWEST_FIRST.map(event).join(","));
    check(&document, &format!("{POD}/app"));
}

/// Of these forms the message stands in a line of its own.
#[test]
fn entries_of_the_journal_over_several_lines_are_read() {
    let pretty = |n: u64| {
        format!(
            "{{\n\t\"_PID\" : \"7\",\n\t\"__REALTIME_TIMESTAMP\" : \"179586000{n}000000\",\n\t\"SYSLOG_IDENTIFIER\" : \"checkout\",\n\t\"MESSAGE\" : \"{}\"\n}}\n",
            gc(n)
        )
    };
    check(&NEWEST_FIRST.map(pretty).concat(), "checkout[7]");
    let export = |n: u64| {
        format!(
            "__CURSOR=s=ab;i={n}\n__REALTIME_TIMESTAMP=179586000{n}000000\n_PID=7\nSYSLOG_IDENTIFIER=checkout\n_CMDLINE\n\u{3}\0\0\0\0\0\0\0a\nb\nMESSAGE={}\n\n",
            gc(n)
        )
    };
    check(&NEWEST_FIRST.map(export).concat(), "checkout[7]");
    let verbose = |n: u64| {
        format!(
            "Thu 2026-11-26 10:00:0{n}.605563 UTC [s=ab;i={n};b=2]\n    _PID=7\n    SYSLOG_IDENTIFIER=checkout\n    MESSAGE={}\n    __REALTIME_TIMESTAMP=179586000{n}000000\n",
            gc(n)
        )
    };
    check(&NEWEST_FIRST.map(verbose).concat(), "checkout[7]");
}

#[test]
fn logs_of_lines_are_no_documents() {
    for log in [
        "[INFO] {\"message\":1}\n",
        "{\"message\":\"a\",\"timestamp\":\"b\"}\n{\"message\":\"c\"}\n",
        "[ 9120.101001] node-1 a[1]: \"message\"\n",
        "{\n\"a\": 1\n}\n",
        "gc 1 @\n",
        "",
    ] {
        assert!(!is_one(log.as_bytes()), "{log}");
    }
}

#[test]
fn times_are_what_they_say() {
    for (time, seconds) in [
        ("2026-11-26T10:00:00Z", 1_795_687_200),
        ("2026-11-26T11:00:00+01:00", 1_795_687_200),
        ("2026-11-26 10:00:00", 1_795_687_200),
        ("1795687200", 1_795_687_200),
        ("1795687200000", 1_795_687_200),
        ("1795687200000000", 1_795_687_200),
        ("1795687200000000000", 1_795_687_200),
        ("1970-01-01T00:00:00Z", 0),
        ("2000-02-29T00:00:00Z", 951_782_400),
    ] {
        assert_eq!(nanos(time.as_bytes()), Some(seconds * 1_000_000_000), "{time}");
    }
    let again = rfc3339(nanos(b"2026-11-26T10:00:00.000000009Z").unwrap());
    assert_eq!(again, "2026-11-26T10:00:00.000000009Z");
    assert_eq!(nanos(b"2026-13-26T10:00:00Z"), None);
}

#[test]
fn what_is_cut_anywhere_is_read_as_far_as_it_is() {
    let document = format!(
        "{{\n \"events\": [{{\"message\":\"{}\",\"timestamp\":1,\"ingestionTime\":2}}]}}",
        gc(1)
    );
    for end in 0..document.len() {
        lines(&document.as_bytes()[..end]);
    }
    let export = b"__CURSOR=a\nMESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xffab\n\n";
    for end in 0..=export.len() {
        lines(&export[..end]);
    }
    let deep = format!("{{\n\"resultType\":{}", "[{\"a\":".repeat(10_000));
    assert!(lines(deep.as_bytes()).is_none());
}

#[test]
fn a_name_longer_than_any_is_not_written_before_each_record() {
    let values: Vec<String> =
        (0..100).map(|n| format!("[\"176415121560556{n:04}\",\"x\"]")).collect();
    let document = format!(
        "{{\"data\":{{\"resultType\":\"streams\",\"result\":[{{\"stream\":{{\"pod\":\"{}\"}},\"values\":[{}]}}]}}}}",
        "p".repeat(100_000),
        values.join(",")
    );
    let text = lines(document.as_bytes()).unwrap();
    assert_eq!(text.iter().filter(|b| **b == b'\n').count(), 100);
    assert!(text.len() < document.len(), "{}", text.len());
}

#[test]
fn an_object_before_an_entry_of_the_journal_is_none() {
    let document =
        "{\n\"a\": 1\n}\n{\"MESSAGE\": \"x\", \"__REALTIME_TIMESTAMP\": \"1764151215605563\"}";
    let text = String::from_utf8(lines(document.as_bytes()).unwrap()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
}
