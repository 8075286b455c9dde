use proptest::prelude::*;

use super::*;

fn text(text: &str) -> Exposition<'_> {
    read(text.as_bytes(), Format::Text, &Limits::DEFAULT)
}

fn open(text: &str) -> Exposition<'_> {
    read(text.as_bytes(), Format::OpenMetrics, &Limits::DEFAULT)
}

/// The first problem, its effect, and what stands where it is seen.
fn first(exposition: &Exposition<'_>) -> (Effect, String) {
    let problem = exposition.problems.first().expect("there is a problem");
    (problem.effect, problem.what.clone())
}

#[track_caller]
fn refused(exposition: &Exposition<'_>, part: &str) {
    let (effect, what) = first(exposition);
    assert_eq!(effect, Effect::Refused, "{what}");
    assert!(what.contains(part), "{what}");
}

#[track_caller]
fn forbidden(exposition: &Exposition<'_>, part: &str) {
    let (effect, what) = first(exposition);
    assert_eq!((effect, exposition.problems.len()), (Effect::Forbidden, 1), "{what}");
    assert!(what.contains(part), "{what}");
}

/// The example of the text format's documentation.
const DOCUMENTED: &str = r#"# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf

# A histogram, which has a pretty complex representation in the text format:
# HELP http_request_duration_seconds A histogram of the request duration.
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.05"} 24054
http_request_duration_seconds_bucket{le="+Inf"} 144320
http_request_duration_seconds_sum 53423
http_request_duration_seconds_count 144320

# TYPE rpc_duration_seconds summary
rpc_duration_seconds{quantile="0.99"} 76656
rpc_duration_seconds_sum 1.7560473e+07
rpc_duration_seconds_count 2693
"#;

#[test]
fn the_documented_example_is_read_whole() {
    let read = text(DOCUMENTED);
    assert_eq!(read.problems, []);
    assert!(read.complete);
    let names: Vec<_> = read.families.iter().map(|f| (f.name.as_ref(), f.kind)).collect();
    assert_eq!(
        names,
        [
            ("http_requests_total", Kind::Counter),
            ("msdos_file_access_time_seconds", Kind::Unknown),
            ("metric_without_timestamp_and_labels", Kind::Unknown),
            ("something_weird", Kind::Unknown),
            ("http_request_duration_seconds", Kind::Histogram),
            ("rpc_duration_seconds", Kind::Summary),
        ]
    );
    let escaped = &read.families[1].samples[0];
    assert_eq!(escaped.label("path"), Some("C:\\DIR\\FILE.TXT"));
    assert_eq!(escaped.label("error"), Some("Cannot find file:\n\"FILE.TXT\""));
    assert_eq!(read.families[0].samples[1].timestamp, Some(1_395_066_363_000.0));
    assert_eq!(read.families[4].samples.len(), 4);
    assert_eq!(histograms(&read), []);
    assert_eq!(decreases(&read, &read), []);
}

const OPEN: &str = "# TYPE acme_http_router_request_seconds summary\n\
# UNIT acme_http_router_request_seconds seconds\n\
# HELP acme_http_router_request_seconds Latency though all of ACME's HTTP request router.\n\
acme_http_router_request_seconds_sum{path=\"/api/v1\",method=\"GET\"} 9036.32\n\
acme_http_router_request_seconds_count{path=\"/api/v1\",method=\"GET\"} 807283.0\n\
acme_http_router_request_seconds_created{path=\"/api/v1\",method=\"GET\"} 1605281325.0\n\
# TYPE go_goroutines gauge\n\
go_goroutines 69\n\
# TYPE foo histogram\n\
foo_bucket{le=\"0.1\"} 8 # {trace_id=\"KOO5S4vxi0o\"} 0.067\n\
foo_bucket{le=\"+Inf\"} 17 1605281325.5 # {} 9.8 1520879607.789\n\
foo_count 17\n\
# TYPE reqs counter\n\
reqs_total 3\n\
{\"my.dotted.metric\",\"some.label\"=\"x\"} 1\n\
# EOF\n";

#[test]
fn openmetrics_has_units_exemplars_and_quoted_names() {
    let read = open(OPEN);
    assert_eq!(read.problems, []);
    assert_eq!(read.families[0].unit, Some("seconds"));
    assert_eq!(read.families[0].samples.len(), 3);
    assert_eq!(read.families[2].samples[1].timestamp, Some(1_605_281_325.5));
    let exemplars: Vec<_> = read.families[2].samples.iter().map(|it| &it.exemplar[..]).collect();
    assert_eq!(exemplars, [&[("trace_id".into(), "KOO5S4vxi0o".into())][..], &[], &[]]);
    assert_eq!(read.families[3].samples[0].name, "reqs_total");
    let dotted = read.families.last().unwrap();
    assert_eq!(dotted.name, "my.dotted.metric");
    assert_eq!(dotted.samples[0].label("some.label"), Some("x"));
}

#[test]
fn what_prometheus_refuses_in_the_text_format() {
    for (line, part) in [
        ("a{b=\"c\" 1", "a comma or }"),
        ("a{b=c} 1", "has no quotes"),
        ("a{b=\"c} 1", "no closing quote"),
        ("a{1b=\"c\"} 1", "a label's name"),
        ("a{b=\"c\",b=\"d\"} 1", "twice"),
        ("a{,b=\"c\"} 1", "a label's name"),
        ("1a 1", "metric's name"),
        ("a-b 1", "which is no number"),
        ("a", "no value"),
        ("a one", "no number"),
        ("a 1_000", "no number"),
        ("a 1e999", "no number"),
        ("a 1 now", "timestamp"),
        ("a 1 1.5", "timestamp"),
        ("a 1 5 5", "more than a value"),
        ("a 1\r", "no number"),
        ("a 1 # {trace_id=\"x\"} 1", "an exemplar, which only OpenMetrics has"),
        ("{b=\"c\"} 1", "without a name"),
        ("a{\"b\"} 1", "two names"),
        ("# TYPE a Counter", "which is none"),
        ("# TYPE a unknown", "which is none"),
        ("# TYPE a", "which is none"),
        ("# TYPE a counter ", "which is none"),
        ("# TYPE a  counter", "which is none"),
        ("# HELP 1a text", "metric's name"),
        ("<html><body>metrics</body></html>", "metric's name"),
    ] {
        // What stands around it is read all the same.
        let all = format!("before 1\n{line}\nafter 1\n");
        let read = text(&all);
        refused(&read, part);
        assert_eq!(&all[read.problems[0].place.clone()], line);
        assert!(read.families.iter().any(|family| family.name == "after"), "{line}");
    }
}

#[test]
fn what_the_text_format_forbids_and_prometheus_takes() {
    forbidden(&text("a 1"), "no line break");
    forbidden(&text("# HELP a x\n# HELP a y\na 1\n"), "second HELP");
    forbidden(&text("# TYPE a gauge\n# TYPE a gauge\na 1\n"), "second TYPE");
    forbidden(&text("a 1\n# TYPE a gauge\n"), "behind its samples");
    forbidden(&text("a_bucket{le=\"+Inf\"} 1\n# TYPE a histogram\n"), "behind its samples");
    forbidden(&text("a{b=\"c:\\d\"} 1\n"), "is no escape");
    forbidden(&text("# HELP a C:\\DIR\na 1\n"), "is no escape");
    forbidden(&text("a{b=\"c\" d=\"e\"} 1\n"), "a comma is missing");
    forbidden(&text("# TYPE a gauge\na{b=\"1\"} 1\nc 1\na{b=\"2\"} 1\n"), "stand together");
    forbidden(&text("# TYPE a-gauge\na 1\n"), "a blank is missing");
    let broken = text("a{b=\"c\nd\"} 1\ne 2\n");
    forbidden(&broken, "line break");
    assert_eq!(broken.families.len(), 2);
}

#[test]
fn what_is_allowed_in_the_text_format() {
    for line in [
        "",
        "a 1 \n",
        "  a{ b = \"c\" , } 1 5\n",
        "a{} NaN\n",
        "#comment\n",
        "# \n",
        "# HELPER a\n",
        "# HELP a\n",
        "# HELP a C:\\\\DIR \\n\n",
        "a\t1\n",
        "a:b -0\n",
        "# TYPE a gauge\n# TYPE a_total counter\na 1\na_total 1\n",
        // Without types nobody knows what belongs together.
        "a_bucket{b=\"1\",le=\"1\"} 1\na_sum{b=\"1\"} 1\na_bucket{b=\"2\",le=\"1\"} 1\n",
    ] {
        assert_eq!(text(line).problems, [], "{line:?}");
    }
}

#[test]
fn two_lines_of_one_series_are_told_wherever_their_labels_stand() {
    let all = "a{b=\"1\",c=\"2\"} 1\nd 1\na{c=\"2\",b=\"1\"} 2\n";
    let read = text(all);
    assert_eq!(first(&read), (Effect::Dropped, "a{b=\"1\",c=\"2\"} stands there twice".to_owned()));
    assert_eq!(&all[read.problems[0].place.clone()], "a{c=\"2\",b=\"1\"} 2");
    assert_eq!(text("a 1 5\na 2 6\n").problems, []);
}

#[test]
fn what_prometheus_refuses_in_openmetrics() {
    for (all, part) in [
        ("a 1\n", "does not end with # EOF"),
        ("", "does not end with # EOF"),
        ("a 1\n# EOF\na 2\n", "more behind # EOF"),
        ("\n# EOF\n", "empty line"),
        ("# a comment\n# EOF\n", "none of HELP"),
        ("#TYPE a gauge\n# EOF\n", "none of HELP"),
        ("# TYPE a untyped\n# EOF\n", "which is none"),
        ("# TYPE a counter\n# UNIT a seconds\n# EOF\n", "does not end with it"),
        ("# HELP a\n# EOF\n", "a blank is missing"),
        ("a  1\n# EOF\n", "no value"),
        ("a\t1\n# EOF\n", "one blank and a value"),
        ("a 1 \n# EOF\n", "timestamp"),
        ("a 1 NaN\n# EOF\n", "timestamp"),
        ("a{b=\"c\", d=\"e\"} 1\n# EOF\n", "a label's name"),
        ("a{b=\"c\"d=\"e\"} 1\n# EOF\n", "a comma"),
        ("a_total 1 # {b=\"c\"}\n# EOF\n", "one blank and a value"),
        ("a_total 1 # {b=\"c\"} x\n# EOF\n", "no number"),
        ("a_total 1 # {\"b\"} 1\n# EOF\n", "= is expected"),
    ] {
        refused(&open(all), part);
    }
    assert_eq!(open("a 1\n# EOF").problems, []);
}

#[test]
fn what_openmetrics_forbids_and_prometheus_takes() {
    forbidden(&open("# TYPE a counter\na 1\n# EOF\n"), "a_total in OpenMetrics");
    forbidden(&open("# TYPE a gauge\na 1 # {b=\"c\"} 1\n# EOF\n"), "only buckets and counters");
    let long = format!("# TYPE a counter\na_total 1 # {{b=\"{}\"}} 1\n# EOF\n", "x".repeat(128));
    forbidden(&open(&long), "more than 128 characters");
}

#[test]
fn a_gauge_and_a_counter_of_one_name_are_two_families_in_openmetrics() {
    let all = "# HELP go_memstats_alloc_bytes Now.\n# TYPE go_memstats_alloc_bytes gauge\ngo_memstats_alloc_bytes 9\n\
               # HELP go_memstats_alloc_bytes Ever.\n# TYPE go_memstats_alloc_bytes counter\ngo_memstats_alloc_bytes_total 9\n\
               # EOF\n";
    let read = open(all);
    assert_eq!(read.problems, []);
    let kinds: Vec<Kind> = read.families.iter().map(|family| family.kind).collect();
    assert_eq!(kinds, [Kind::Gauge, Kind::Counter]);
    let fell = all.replace("_total 9", "_total 8");
    assert_eq!(decreases(&read, &open(&fell)).len(), 1);
    let twice = all.replace("counter", "gauge").replace("_total", "{a=\"b\"}");
    forbidden(&open(&twice), "second TYPE");
}

#[test]
fn limits_are_no_faults() {
    let all = "a 1\nb 2\nc 3\n";
    let read = read(all.as_bytes(), Format::Text, &Limits { bytes: 6, ..Limits::DEFAULT });
    assert_eq!((read.families.len(), read.complete, read.problems.len()), (1, false, 0));
    for limits in [
        Limits { samples: 1, ..Limits::DEFAULT },
        Limits { families: 1, ..Limits::DEFAULT },
        Limits { labels: 0, ..Limits::DEFAULT },
    ] {
        let read = super::read(b"a{b=\"c\"} 1\nd 2\n", Format::Text, &limits);
        assert!(!read.complete && read.problems.is_empty(), "{limits:?}");
    }
}

#[test]
fn a_quote_that_is_missing_takes_no_other_line_with_it() {
    let all = "a{b=\"c} 1\nd{e=\"f\"} 1\ng 1\n";
    let read = text(all);
    assert_eq!(read.problems.len(), 1, "{:?}", read.problems);
    refused(&read, "the value of b has no closing quote");
    let names: Vec<&str> = read.families.iter().map(|family| family.name.as_ref()).collect();
    assert_eq!(names, ["d", "g"]);
}

#[test]
fn the_format_is_that_of_the_content_type() {
    assert_eq!(Format::of("application/openmetrics-text; version=1.0.0"), Format::OpenMetrics);
    assert_eq!(Format::of("text/plain; version=0.0.4; charset=utf-8"), Format::Text);
    assert_eq!(Format::of(""), Format::Text);
}

fn histogram(lines: &str) -> Vec<String> {
    let all = format!("# TYPE a histogram\n{lines}");
    histograms(&text(&all))
        .into_iter()
        .map(|broken| format!("{}: {}", broken.series, broken.what))
        .collect()
}

#[test]
fn histograms_that_contradict_themselves() {
    let falls = "a_bucket{x=\"y\",le=\"+Inf\"} 9\na_bucket{x=\"y\",le=\"0.1\"} 5\na_bucket{x=\"y\",le=\"0.5\"} 4\na_count{x=\"y\"} 9\n";
    assert_eq!(
        histogram(falls),
        [
            "a{x=\"y\"}: the bucket up to 0.1 holds 5, and the one up to 0.5 only 4: each counts all that is below its bound"
        ]
    );
    assert_eq!(
        histogram("a_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 2\na_count 3\n"),
        ["a: the bucket +Inf holds 2, and a_count is 3"]
    );
    assert!(histogram("a_bucket{le=\"1\"} 1\na_count 1\n")[0].contains("no quantile"));
    assert!(histogram("a_bucket{le=\"1s\"} 1\n")[0].contains("no number"));
    assert!(histogram("a_count 3\na_sum 1\n").is_empty());
}

#[test]
fn counters_that_go_down_are_told_unless_they_were_begun_anew() {
    let before = "# TYPE a counter\na{b=\"c\"} 5\n# TYPE g gauge\ng 5\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 5\nh_sum 5\nh_count 5\n";
    let after = before.replace(" 5", " 4");
    let found = decreases(&text(before), &text(&after));
    let names: Vec<&str> = found.iter().map(|d| d.series.as_str()).collect();
    assert_eq!(names, ["a{b=\"c\"}", "h_bucket{le=\"+Inf\"}", "h_count"]);
    assert_eq!((found[0].from, found[0].to), (5.0, 4.0));
    assert_eq!(decreases(&text(&after), &text(before)), []);
    let began =
        |value: u8, at: u8| format!("# TYPE a counter\na_total {value}\na_created {at}\n# EOF\n");
    assert_eq!(decreases(&open(&began(5, 1)), &open(&began(1, 2))), []);
    assert_eq!(decreases(&open(&began(5, 1)), &open(&began(1, 1))).len(), 1);
    let wrong = "# TYPE a counter\na{b=\"1\"} NaN\na{b=\"2\"} -1\na{b=\"3\"} 0\n";
    let wrong: Vec<String> =
        no_counts(&text(wrong)).into_iter().map(|broken| broken.what).collect();
    assert_eq!(wrong, ["its value is NaN", "its value is -1"]);
}

/// Families as a program would write them.
fn written() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("NaN".to_owned()),
        Just("+Inf".to_owned()),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
        any::<u32>().prop_map(|n| n.to_string()),
    ];
    let sample = ("[a-z_]{1,6}", "[ -~äöü\n]{0,12}", value);
    prop::collection::vec(sample, 0..6).prop_map(|samples| {
        let mut text = String::new();
        for (index, (label, content, value)) in samples.iter().enumerate() {
            let content = content.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            text.push_str(&format!(
                "# TYPE m{index} gauge\nm{index}{{{label}=\"{content}\"}} {value}\n"
            ));
        }
        text
    })
}

proptest! {
    #[test]
    fn what_is_written_rightly_is_read_without_a_problem(all in written()) {
        let read = text(&all);
        prop_assert_eq!(&read.problems, &[]);
        prop_assert_eq!(read.families.len(), all.matches("# TYPE").count());
        let closed = format!("{all}# EOF\n");
        prop_assert_eq!(&open(&closed).problems, &[]);
    }

    #[test]
    fn nothing_that_comes_breaks_it(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        likely in "[a{}\"=, 1#\\\\\nHELPTYUNIOF]{0,80}",
    ) {
        for bytes in [&bytes[..], likely.as_bytes()] {
            for format in [Format::Text, Format::OpenMetrics] {
                let read = read(bytes, format, &Limits::DEFAULT);
                for problem in &read.problems {
                    prop_assert!(problem.place.start <= problem.at && problem.at <= problem.place.end);
                    prop_assert!(bytes.get(problem.place.clone()).is_some());
                }
                histograms(&read);
                decreases(&read, &read);
            }
        }
    }
}

/// A field of protobuf that holds bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    assert!(number < 16 && content.len() < 128);
    [&[number << 3 | 2, content.len() as u8], content].concat()
}

fn double(number: u8, value: f64) -> Vec<u8> {
    [&[number << 3 | 1][..], &value.to_le_bytes()].concat()
}

fn family(name: &str, kind: u8, metrics: &[Vec<u8>]) -> Vec<u8> {
    let metrics: Vec<u8> = metrics.iter().flat_map(|metric| field(4, metric)).collect();
    let message = [field(1, name.as_bytes()), vec![0x18, kind], metrics].concat();
    // Two bytes of a length.
    let length = [message.len() as u8 | 0x80, (message.len() >> 7) as u8];
    [&length[..], &message].concat()
}

#[test]
fn protobuf_says_what_the_text_would() {
    let label = |name: &str, value: &str| {
        field(1, &[field(1, name.as_bytes()), field(2, value.as_bytes())].concat())
    };
    let counter = [label("code", "200"), field(3, &double(1, 7.0))].concat();
    let bucket = |bound: f64, count: u8| field(3, &[vec![0x08, count], double(2, bound)].concat());
    let histogram = [vec![0x08, 5], double(2, 1.5), bucket(0.5, 3), bucket(1.0, 4)].concat();
    let bytes = [
        family("requests_total", 0, &[counter]),
        family("took_seconds", 4, &[field(7, &histogram)]),
    ]
    .concat();
    let read = read(&bytes, Format::Protobuf, &Limits::DEFAULT);
    assert_eq!(read.problems, []);
    let samples: Vec<(String, f64)> = read
        .families
        .iter()
        .flat_map(|family| &family.samples)
        .map(|sample| (sample.series(), sample.value))
        .collect();
    let expected = [
        ("requests_total{code=\"200\"}", 7.0),
        ("took_seconds_count", 5.0),
        ("took_seconds_sum", 1.5),
        ("took_seconds_bucket{le=\"0.5\"}", 3.0),
        ("took_seconds_bucket{le=\"1.0\"}", 4.0),
        // Left out where it is the count.
        ("took_seconds_bucket{le=\"+Inf\"}", 5.0),
    ];
    assert_eq!(samples, expected.map(|(series, value)| (series.to_owned(), value)));
    assert_eq!(histograms(&read), []);
    let falling = [vec![0x08, 3], double(2, 1.5), bucket(0.5, 4), bucket(1.0, 3)].concat();
    let bytes = family("took_seconds", 4, &[field(7, &falling)]);
    let read = super::read(&bytes, Format::Protobuf, &Limits::DEFAULT);
    assert!(histograms(&read)[0].what.contains("only 3"), "{read:?}");
}

/// Samples of one family of protobuf.
fn samples_of(kind: u8, metric: &[Vec<u8>]) -> Vec<(String, f64, Option<f64>)> {
    let bytes = family("took_seconds", kind, &[metric.concat()]);
    let read = read(&bytes, Format::Protobuf, &Limits::DEFAULT);
    assert_eq!(read.problems, []);
    let samples = read.families.iter().flat_map(|family| &family.samples);
    samples.map(|sample| (sample.series(), sample.value, sample.timestamp)).collect()
}

#[test]
fn protobuf_of_every_kind() {
    let label = field(1, &[field(1, b"zone"), field(2, b"a")].concat());
    let at = Some(7.0);
    let time = vec![0x30, 7];
    for (kind, number) in [(0, 3), (1, 2), (3, 5)] {
        let metric = [label.clone(), field(number, &double(1, 1.5)), time.clone()];
        assert_eq!(samples_of(kind, &metric), [("took_seconds{zone=\"a\"}".to_owned(), 1.5, at)]);
    }
    let quantile = |of, value| field(3, &[double(1, of), double(2, value)].concat());
    let summary = [vec![0x08, 3], double(2, 4.5), quantile(0.5, 0.25), quantile(0.99, 2.0)];
    let expected = [
        ("took_seconds_count{zone=\"a\"}", 3.0),
        ("took_seconds_sum{zone=\"a\"}", 4.5),
        ("took_seconds{quantile=\"0.5\",zone=\"a\"}", 0.25),
        ("took_seconds{quantile=\"0.99\",zone=\"a\"}", 2.0),
    ];
    assert_eq!(
        samples_of(2, &[label, field(4, &summary.concat()), time]),
        expected.map(|(series, value)| (series.to_owned(), value, at))
    );
}

/// A bucket up to 1000000 had another name than in Prometheus.
#[test]
fn bounds_of_protobuf_are_named_as_prometheus_names_them() {
    let bounds = [
        (0.0, "0.0"),
        (1.0, "1.0"),
        (-2.5, "-2.5"),
        (0.0001, "0.0001"),
        (0.000_025, "2.5e-05"),
        (100_000.0, "100000.0"),
        (1e6, "1e+06"),
        (1_234_567.0, "1.234567e+06"),
        (1e300, "1e+300"),
        (f64::INFINITY, "+Inf"),
    ];
    for (bound, name) in bounds {
        let bucket = field(3, &double(2, bound));
        let samples = samples_of(4, &[field(7, &bucket)]);
        assert_eq!(samples[2].0, format!("took_seconds_bucket{{le=\"{name}\"}}"));
    }
}

#[test]
fn protobuf_is_named_by_its_content_type() {
    let full = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    assert_eq!(Format::of(full), Format::Protobuf);
    assert_eq!(Format::of("text/plain; version=0.0.4"), Format::Text);
}

proptest! {
    #[test]
    fn no_protobuf_breaks_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let limits = Limits { samples: 20, labels: 2, families: 3, ..Limits::DEFAULT };
        let read = read(&bytes, Format::Protobuf, &limits);
        for problem in &read.problems {
            prop_assert!(bytes.get(problem.place.clone()).is_some());
        }
        let _ = (histograms(&read), no_counts(&read), decreases(&read, &read));
    }
}
