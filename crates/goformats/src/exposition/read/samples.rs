//! Lines that are samples: name, labels, value, timestamp, exemplar.

use std::borrow::Cow;

use super::super::values::float;
use super::super::{Effect, Format, Kind, Sample};
use super::{Read, Reader, refused};

/// Runes of all labels of an exemplar together (OpenMetrics 1.0, Exemplars).
const MOST_EXEMPLAR: usize = 128;

impl<'t> Reader<'t, '_> {
    pub(super) fn sample(&mut self) -> Read<()> {
        let mut labels = Vec::new();
        let mut name = None;
        if self.peek() != Some(b'{') {
            name = Some(self.metric_name("the line break")?);
            self.blanks();
        }
        if self.takes(b"{") {
            self.labels(&mut labels, &mut name, false)?;
        }
        let Some(name) = name else { return refused("a sample without a name") };
        let value = self.value(&name)?;
        let timestamp = self.timestamp(&name)?;
        let exemplar = match self.open() && self.takes(b" # {") {
            true => self.exemplar(&name)?,
            false => Vec::new(),
        };
        self.blanks();
        let end = self.at;
        if !self.ends() {
            let what = match self.peek() {
                Some(b'#') if !self.open() => {
                    "an exemplar, which only OpenMetrics has, behind the value of"
                }
                _ => "more than a value and a timestamp on the line of",
            };
            return refused(format!("{what} {name}"));
        }
        let place = self.line..end;
        self.keep(Sample { name, labels, value, timestamp, exemplar, place });
        Ok(())
    }

    pub(super) fn value(&mut self, name: &str) -> Read<f64> {
        if self.open() {
            if !self.takes(b" ") {
                return refused(format!(
                    "one blank and a value are expected behind {name}, {}",
                    self.shown()
                ));
            }
        } else {
            self.blanks();
        }
        let start = self.at;
        let word = self.word();
        if word.is_empty() {
            return refused(format!("{name} has no value"));
        }
        match std::str::from_utf8(word).ok().and_then(float) {
            Some(value) => Ok(value),
            None => {
                self.at = start;
                refused(format!("the value of {name} is {:?}, which is no number", lossy(word)))
            }
        }
    }

    pub(super) fn timestamp(&mut self, name: &str) -> Read<Option<f64>> {
        let bad = |word: &[u8]| {
            refused(format!("the timestamp of {name} is {:?}, which is none", lossy(word)))
        };
        if self.open() {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            if !rest.starts_with(b" ") || rest.starts_with(b" # {") {
                return Ok(None);
            }
            self.at += 1;
            let word = self.word();
            let value = std::str::from_utf8(word).ok().and_then(float);
            return match value.filter(|value| value.is_finite()) {
                Some(value) => Ok(Some(value)),
                None => bad(word),
            };
        }
        self.blanks();
        if matches!(self.peek(), None | Some(b'\n' | b'#')) {
            return Ok(None);
        }
        let word = self.word();
        let is_number = word.iter().all(u8::is_ascii_digit);
        let value = std::str::from_utf8(word).ok().and_then(|word| word.parse::<i64>().ok());
        match value.filter(|_| is_number) {
            Some(value) => Ok(Some(value as f64)),
            None => bad(word),
        }
    }

    /// From behind `{` to behind `}`.
    pub(super) fn labels(
        &mut self,
        labels: &mut Vec<(Cow<'t, str>, Cow<'t, str>)>,
        name: &mut Option<Cow<'t, str>>,
        exemplar: bool,
    ) -> Read<()> {
        loop {
            self.blanks();
            if self.takes(b"}") {
                break;
            }
            let quoted = self.peek() == Some(b'"');
            let label = self.label_name()?;
            self.blanks();
            if quoted && !exemplar && matches!(self.peek(), Some(b',' | b'}')) {
                // `{"a metric",label="value"}`
                if name.replace(label).is_some() {
                    return refused("two names of a metric");
                }
                if !self.takes(b",") {
                    self.at += 1;
                    break;
                }
                continue;
            }
            if !self.takes(b"=") {
                return refused(format!(
                    "= is expected behind the label {label}, {}",
                    self.shown()
                ));
            }
            self.blanks();
            if self.peek() != Some(b'"') {
                return refused(format!("the value of {label} has no quotes"));
            }
            let value = self.quoted(&format!("the value of {label}"), !self.open())?;
            if labels.iter().any(|(own, _)| *own == label) {
                return refused(format!("the label {label} stands there twice"));
            }
            if label == "__name__" && !exemplar {
                self.problem("__name__ is no label of its own", Effect::Forbidden);
            }
            if labels.len() < self.limits.labels {
                labels.push((label, value));
            } else {
                self.complete = false;
            }
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {}
                Some(byte) if !self.open() && (byte.is_ascii_alphabetic() || byte == b'_') => {
                    self.problem("a comma is missing between two labels", Effect::Forbidden);
                }
                _ => return refused(format!("a comma or }} is expected, {}", self.shown())),
            }
        }
        labels.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(())
    }

    pub(super) fn label_name(&mut self) -> Read<Cow<'t, str>> {
        if self.peek() == Some(b'"') {
            return self.quoted("the name of a label", true);
        }
        let first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
        if !self.peek().is_some_and(first) {
            return refused(format!("a label's name is expected, {}", self.shown()));
        }
        Ok(String::from_utf8_lossy(self.while_in(|byte| first(byte) || byte.is_ascii_digit())))
    }

    /// From behind ` # {`.
    pub(super) fn exemplar(&mut self, name: &str) -> Read<Vec<(Cow<'t, str>, Cow<'t, str>)>> {
        let mut labels = Vec::new();
        self.labels(&mut labels, &mut None, true)?;
        self.value("the exemplar")?;
        self.timestamp("the exemplar")?;
        let runes = |text: &Cow<'_, str>| text.chars().count();
        let all: usize = labels.iter().map(|(name, value)| runes(name) + runes(value)).sum();
        if all > MOST_EXEMPLAR {
            let what = format!("an exemplar of {name} with more than {MOST_EXEMPLAR} characters");
            self.problem(what, Effect::Forbidden);
        }
        if !name.ends_with("_bucket") && !name.ends_with("_total") {
            let what = format!("{name} has an exemplar, which only buckets and counters have");
            self.problem(what, Effect::Forbidden);
        }
        Ok(labels)
    }

    pub(super) fn keep(&mut self, sample: Sample<'t>) {
        if self.samples >= self.limits.samples {
            self.complete = false;
            return;
        }
        self.samples += 1;
        let Some(index) = self.families.of_sample(&sample.name, self.limits) else {
            self.complete = false;
            return;
        };
        let interrupted = self.last.is_some_and(|last| last != index);
        self.last = Some(index);
        if !self.seen.insert(key(&sample)) {
            let what = format!("{} stands there twice", sample.series());
            self.problem_at(self.line, what, Effect::Dropped);
        }
        let Some(family) = self.families.list.get_mut(index) else { return };
        let split = interrupted && family.typed && !family.samples.is_empty();
        let counter = self.format == Format::OpenMetrics && family.kind == Kind::Counter;
        let bare = counter && sample.name == family.name;
        let name = family.name.clone();
        family.samples.push(sample);
        if split {
            let what = format!("the samples of {name} do not stand together");
            self.problem_at(self.line, what, Effect::Forbidden);
        }
        if bare {
            let what = format!("{name} is a counter, whose value is {name}_total in OpenMetrics");
            self.problem_at(self.line, what, Effect::Forbidden);
        }
    }
}

/// What makes a series one: name, labels and, where it is given, the time.
pub(in super::super) fn key(sample: &Sample<'_>) -> String {
    let mut key = sample.series();
    if let Some(timestamp) = sample.timestamp {
        key.push_str(&format!("@{timestamp}"));
    }
    key
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(80).collect()
}
