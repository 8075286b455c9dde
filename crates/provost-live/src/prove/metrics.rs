//! From the text of a scrape to what is kept of it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use goformats::exposition::{self, Exposition, Format, Limits};
use goformats::protobuf::Fields;
use provost_check::facts::metrics::{
    Decrease, Effect, Exemplar, Family, Fault, Label, MOST_VALUES, Problem, Scrape,
};
use provost_check::model::hidden::Hidden;
use provost_check::model::secret;

/// Families that are kept.
const MOST_FAMILIES: usize = 2000;

/// Labels of a family that are kept.
const MOST_LABELS: usize = 64;

/// Exemplars that are kept.
const MOST_EXEMPLARS: usize = 256;

/// Letters of a line, a name or a value that are kept.
const MOST_LETTERS: usize = 160;

/// Leaves out of a body what was given in secret; whether there was any. What is no UTF-8 stays as it
/// is where it holds none; of protobuf that holds one nothing is left.
pub fn hide(body: &mut Vec<u8>, content_type: &str, secrets: &Hidden) -> bool {
    let masked = match secrets.mask(&String::from_utf8_lossy(body)) {
        Cow::Owned(masked) => masked,
        Cow::Borrowed(_) => return false,
    };
    // Its lengths would be wrong.
    let is_protobuf = Format::of(content_type) == Format::Protobuf;
    *body = if is_protobuf { Vec::new() } else { masked.into_bytes() };
    true
}

/// Reads the body of a scrape.
pub fn read<'b>(body: &'b [u8], content_type: &str) -> Exposition<'b> {
    exposition::read(body, Format::of(content_type), &Limits::DEFAULT)
}

/// Whether it is likely meant for Prometheus: it names its format, or says of a family what it is.
pub fn is_exposition(read: &Exposition<'_>, content_type: &str) -> bool {
    let names_it = content_type.contains("version=0.0.4") || read.format != Format::Text;
    names_it
        || read
            .families
            .iter()
            .any(|family| family.kind != exposition::Kind::Unknown && !family.samples.is_empty())
}

/// Writes down what was read, and what became of counters since the scrape before.
pub fn keep(
    scrape: &mut Scrape,
    body: &[u8],
    read: &Exposition<'_>,
    before: Option<&Exposition<'_>>,
) {
    let fault =
        |broken: exposition::Broken| Fault { series: cut(&broken.series), what: cut(&broken.what) };
    scrape.whole = read.complete && !(scrape.secret && read.format == Format::Protobuf);
    let problem = |problem| self::problem(body, read.format, problem);
    scrape.problems = read.problems.iter().map(problem).collect();
    scrape.inconsistent = exposition::histograms(read).into_iter().map(fault).collect();
    scrape.no_counts = exposition::no_counts(read).into_iter().map(fault).collect();
    // When a counter of protobuf was begun is not read.
    let before = before.filter(|_| read.format != Format::Protobuf);
    let decreased = before.map(|before| exposition::decreases(before, read)).unwrap_or_default();
    let decrease = |it: exposition::Decrease| Decrease {
        series: cut(&it.series),
        from: it.from.to_string(),
        to: it.to.to_string(),
    };
    scrape.decreased = decreased.into_iter().map(decrease).collect();
    let samples = read.families.iter().flat_map(|family| &family.samples);
    scrape.exemplars = samples.filter_map(exemplar).take(MOST_EXEMPLARS).collect();
    scrape.families = read.families.iter().take(MOST_FAMILIES).map(family).collect();
    // What is cut proves no absence.
    scrape.whole &= read.families.len() <= MOST_FAMILIES
        && scrape.families.iter().all(|family| family.labels.len() < MOST_LABELS);
    scrape.families.sort_by(|a, b| a.name.cmp(&b.name));
}

/// How many messages stand there, each behind its length.
fn messages(bytes: &[u8]) -> usize {
    let mut stream = Fields::of(bytes);
    std::iter::from_fn(|| stream.delimited().ok().flatten()).count()
}

fn problem(body: &[u8], format: Format, problem: &exposition::Problem) -> Problem {
    let before = body.get(..problem.place.start).unwrap_or_default();
    let (lines, start) = match format {
        Format::Protobuf => (messages(before), &[][..]),
        Format::Text | Format::OpenMetrics => {
            let text = body.get(problem.place.clone()).unwrap_or_default();
            let lines = before.iter().filter(|byte| **byte == b'\n').count();
            (lines, text.get(..text.len().min(4 * MOST_LETTERS)).unwrap_or_default())
        }
    };
    Problem {
        what: cut(&problem.what),
        effect: match problem.effect {
            exposition::Effect::Refused => Effect::Refused,
            exposition::Effect::Dropped => Effect::Dropped,
            exposition::Effect::Forbidden => Effect::Forbidden,
        },
        line: u32::try_from(lines + 1).unwrap_or(u32::MAX),
        text: cut(&String::from_utf8_lossy(start)),
    }
}

/// The trace that an exemplar names: `trace_id` by OpenTelemetry's exporter for Prometheus, `traceID` by others.
fn exemplar(sample: &exposition::Sample<'_>) -> Option<Exemplar> {
    let is_trace =
        |name: &str| matches!(name, "trace_id" | "traceID" | "traceId" | "TraceID" | "traceid");
    let (_, trace) = sample.exemplar.iter().find(|(name, _)| is_trace(name))?;
    // A number of a trace has the shape of some tokens.
    let trace = match trace.len() <= 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => trace.to_string(),
        false => cut(trace),
    };
    Some(Exemplar { series: cut(&sample.series()), trace })
}

fn family(family: &exposition::Family<'_>) -> Family {
    let mut labels: BTreeMap<&str, (usize, BTreeSet<&str>)> = BTreeMap::new();
    let mut samples: BTreeSet<&str> = BTreeSet::new();
    for sample in &family.samples {
        samples.insert(&sample.name);
        for (name, value) in &sample.labels {
            let (count, values) = labels.entry(name).or_default();
            *count += 1;
            values.insert(value);
        }
    }
    let all = family.samples.len();
    let label = |(name, (count, values)): (&str, (usize, BTreeSet<&str>))| Label {
        name: cut(name),
        // A histogram's buckets have the one, a summary's quantiles the other, and nothing else has.
        sometimes: count < all && !matches!(name, "le" | "quantile"),
        count: values.len(),
        values: values.into_iter().take(MOST_VALUES).map(cut).collect(),
    };
    Family {
        name: cut(&family.name),
        kind: family.kind.name().to_owned(),
        samples: samples.into_iter().map(cut).collect(),
        series: all,
        labels: labels.into_iter().take(MOST_LABELS).map(label).collect(),
    }
}

/// As it is kept: short, and without what has the shape of a token.
fn cut(text: &str) -> String {
    let text = secret::masked(text);
    match text.char_indices().nth(MOST_LETTERS) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_check::facts::metrics::After;
    use provost_check::facts::proof::Outcome;

    fn scraped(text: &str, before: Option<&str>) -> Scrape {
        let mut scrape = Scrape {
            after: After::Probes,
            at_us: 0,
            end_us: 0,
            outcome: Outcome::TimedOut,
            content_type: String::new(),
            whole: true,
            secret: false,
            problems: Vec::new(),
            inconsistent: Vec::new(),
            no_counts: Vec::new(),
            decreased: Vec::new(),
            exemplars: Vec::new(),
            families: Vec::new(),
        };
        let before = before.map(|before| read(before.as_bytes(), ""));
        keep(&mut scrape, text.as_bytes(), &read(text.as_bytes(), ""), before.as_ref());
        scrape
    }

    #[test]
    fn what_is_kept_tells_labels_apart_that_only_some_series_have() {
        let text = "# TYPE h histogram\nh_bucket{a=\"1\",le=\"0.5\"} 1\nh_bucket{a=\"1\",le=\"+Inf\"} 1\n\
                    h_sum{a=\"1\"} 1\nh_count{a=\"1\"} 1\n# TYPE c counter\nc{x=\"1\"} 2\nc{x=\"2\",y=\"1\"} 2\n";
        let scrape = scraped(text, Some(&text.replace(" 2\n", " 3\n")));
        let [c, h] = scrape.families.as_slice() else { panic!("{scrape:?}") };
        let told = |family: &Family| {
            let labels = family.labels.iter();
            labels.map(|l| (l.name.clone(), l.sometimes, l.count)).collect::<Vec<_>>()
        };
        assert_eq!(told(h), [("a".to_owned(), false, 1), ("le".to_owned(), false, 2)]);
        assert_eq!(told(c), [("x".to_owned(), false, 2), ("y".to_owned(), true, 1)]);
        assert_eq!(h.samples, ["h_bucket", "h_count", "h_sum"]);
        assert_eq!(scrape.decreased.len(), 2);
        assert_eq!(
            (scrape.decreased[0].from.as_str(), scrape.decreased[0].to.as_str()),
            ("3", "2")
        );
    }

    #[test]
    fn secrets_are_left_out_wherever_they_stand() {
        let mut body = b"a{token=\"s3cr3t\"} 1\n# s3cr3ts3cr3t\n".to_vec();
        let mut secrets = Hidden::default();
        assert!(!hide(&mut body, "", &secrets));
        secrets.add("s3cr3t");
        assert!(hide(&mut body, "", &secrets));
        assert_eq!(body, b"a{token=\"***\"} 1\n# ******\n");
        assert!(!hide(&mut body, "", &secrets));
        body = b"\x07\x0a\x06s3cr3t".to_vec();
        assert!(hide(&mut body, "application/vnd.google.protobuf", &secrets) && body.is_empty());
    }

    #[test]
    fn a_page_is_no_exposition_and_a_line_that_is_wrong_has_its_number() {
        for page in ["hello\n", "<html>\n", "{\"a\": 1}\n", "ok 1\n", ""] {
            assert!(!is_exposition(&read(page.as_bytes(), "text/html"), "text/html"), "{page}");
        }
        let text = "# TYPE a gauge\na 1\nb\n";
        assert!(is_exposition(&read(text.as_bytes(), ""), ""));
        let problem = &scraped(text, None).problems[0];
        assert_eq!((problem.line, problem.text.as_str()), (3, "b"));
    }
}
