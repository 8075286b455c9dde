use proptest::prelude::{any, prop_assert, proptest};

use super::{Op, Query, Shape, seconds};

fn selectors(text: &str) -> Vec<String> {
    let query = Query::read(text);
    let one = |s: &super::Selector| {
        let labels: Vec<String> =
            s.matchers.iter().map(|m| format!("{}{}{}", m.label, m.op.text(), m.value)).collect();
        let window = s.window.map(|w| format!("[{w}]")).unwrap_or_default();
        let inside = s.function.as_ref().map(|f| format!(" in {f}")).unwrap_or_default();
        format!("{}{{{}}}{window}{inside}", s.name.as_deref().unwrap_or("?"), labels.join(","))
    };
    query.selectors.iter().map(one).collect()
}

#[test]
fn the_selectors_of_a_success_rate() {
    let text = "sum(irate(\n  istio_requests_total{reporter=\"source\",destination_service=~\"{{args.service-name}}\",response_code!~\"5.*\"}[5m]\n)) / # all of them\nsum(irate(istio_requests_total{reporter='source'}[1m30s]))";
    assert_eq!(
        selectors(text),
        [
            "istio_requests_total{reporter=source,destination_service=~{{args.service-name}},response_code!~5.*}[300] in irate",
            "istio_requests_total{reporter=source}[90] in irate",
        ]
    );
    let query = Query::read(text);
    assert!(query.complete && query.divides && query.fallback.is_none());
    assert_eq!(query.calls, ["sum", "irate", "sum", "irate"]);
    let place = query.selectors[0].matchers[1].place.clone();
    assert_eq!(&text[place], "destination_service=~\"{{args.service-name}}\"");
}

#[test]
fn words_that_are_no_metrics() {
    assert_eq!(
        selectors("sum by (le, pod) (rate(a_bucket[5m])) and on(pod) up == bool 1 offset 5m"),
        ["a_bucket{}[300] in rate", "up{}"]
    );
    assert_eq!(
        selectors("a * on(instance) group_left(version) b unless c atan2 inf"),
        ["a{}", "b{}", "c{}"]
    );
    assert_eq!(
        selectors("max_over_time(rate(job:x:sum[5m])[30m:1m])"),
        ["job:x:sum{}[300] in rate"]
    );
    assert_eq!(selectors("vector(1)"), [""; 0]);
    assert_eq!(selectors("{__name__=\"a\", job=~`x\\d`}"), ["a{job=~x\\d}"]);
    assert_eq!(selectors("{\"http.requests\", \"le\"=\"1\"}"), ["http.requests{le=1}"]);
}

#[test]
fn placeholders_stand_anywhere() {
    assert_eq!(
        selectors("rate(a{b=\"{{args.b}}\"}[{{args.window}}])"),
        ["a{b={{args.b}}} in rate"]
    );
    assert_eq!(selectors("{{args.metric}}{job=\"x\"}"), ["?{job=x}"]);
    assert_eq!(selectors("prefix_{{args.metric}}_total{job=\"x\"}"), ["?{job=x}"]);
    assert_eq!(selectors("{{args.query}}"), [""; 0]);
    assert_eq!(selectors("a{b={{args.b}}} > {{args.threshold}}"), ["a{b={{args.b}}}"]);
    assert_eq!(selectors("rate(a[$__interval])"), ["a{} in rate"]);
}

#[test]
fn what_the_whole_gives() {
    let shape = |text: &str| Query::read(text).shape;
    assert_eq!(shape("sum(rate(a[5m]))"), Shape::One);
    assert_eq!(shape("rate(a[5m])"), Shape::Several);
    assert_eq!(shape("a{pod=\"x\"}"), Shape::Unknown);
    assert_eq!(shape("sum by (pod) (rate(a[5m]))"), Shape::Several);
    assert_eq!(shape("sum(rate(a[5m])) by (pod)"), Shape::Several);
    assert_eq!(shape("sum(a) / sum(b)"), Shape::Unknown);
    assert_eq!(shape("scalar(a)"), Shape::Unknown);
    assert_eq!(shape("job:errors:ratio"), Shape::Unknown);
}

#[test]
fn what_stands_in_for_no_data() {
    let fallback = |text: &str| {
        Query::read(text).fallback.map(|(value, place)| (value, text[place].to_owned()))
    };
    assert_eq!(
        fallback("sum(a) / sum(b) or vector(0)"),
        Some((Some(0.0), "or vector(0)".to_owned()))
    );
    assert_eq!(
        fallback("sum(a) or on() vector(1)"),
        Some((Some(1.0), "or on() vector(1)".to_owned()))
    );
    assert_eq!(fallback("(sum(a) or vector(0)) / sum(b)"), None);
    assert!(!Query::read("sum(a) / 1000").divides);
    assert!(!Query::read("sum(a) / clamp_min(sum(b), 1)").divides);
    assert!(Query::read("sum(a) / (sum(b))").divides);
}

#[test]
fn values_of_a_matcher() {
    let values = |text: &str| Query::read(text).selectors[0].matchers[0].values();
    let list = |all: &[&str]| Some(all.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
    assert_eq!(values("a{le=\"0.2\"}"), list(&["0.2"]));
    assert_eq!(values("a{le=~\"0\\\\.5|1|+Inf\"}"), list(&["0.5", "1", "+Inf"]));
    assert_eq!(values("a{code=~\"(Unknown|Internal)\"}"), list(&["Unknown", "Internal"]));
    assert_eq!(values("a{code=~\"5..\"}"), list(&["5.."]));
    assert_eq!(values("a{code=~\"5.*\"}"), None);
    assert_eq!(values("a{code=\"{{args.code}}\"}"), None);
}

#[test]
fn durations_of_prometheus() {
    for (text, wanted) in
        [("5m", 300.0), ("1h30m", 5400.0), ("90", 90.0), ("1d", 86_400.0), ("500ms", 0.5)]
    {
        assert_eq!(seconds(text), Some(wanted), "{text}");
    }
    for text in ["", "m", "5x", "0s", "5", "-5m"].iter().filter(|t| **t != "5") {
        assert_eq!(seconds(text), None, "{text}");
    }
}

#[test]
fn broken_text_is_said_to_be() {
    for text in ["a{b=\"c", "a{b=\"c\"", "{{args.x", "a{b c}", "a[5m", "ä", "a{b=5}"] {
        assert!(!Query::read(text).complete, "{text}");
    }
    let nested = "(".repeat(60_000);
    assert_eq!(Query::read(&nested).selectors.len(), 0);
    assert!(!Query::read(&"a".repeat(super::MAX_BYTES + 1)).complete);
    assert_eq!(Op::NotRegex.text(), "!~");
}

proptest! {
    #[test]
    fn any_text_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        let query = Query::read(&text);
        for selector in &query.selectors {
            prop_assert!(text.get(selector.place.clone()).is_some());
            prop_assert!(selector.matchers.iter().all(|m| text.get(m.place.clone()).is_some()));
        }
        prop_assert!(query.fallback.is_none_or(|(_, place)| text.get(place).is_some()));
    }

    #[test]
    fn any_words_are_read(words in proptest::collection::vec(proptest::sample::select(
        vec!["a", "{", "}", "[", "]", "(", ")", "=", "=~", "\"x\"", "'", "{{args.a}}", "by", "or",
             "vector", "on", "5m", "/", ",", "sum", "ß", "`", "$x", "${", "#", "\n", ":", "\\"]), 0..40)) {
        let text = words.concat();
        let query = Query::read(&text);
        for selector in &query.selectors {
            prop_assert!(text.get(selector.place.clone()).is_some());
        }
    }
}
