//! Lines, one after the other.

#![expect(
    clippy::ptr_arg,
    reason = "a clone of a name that is borrowed from the text stays borrowed"
)]

use std::borrow::Cow;

use memchr::{memchr, memrchr};
use rustc_hash::FxHashSet;

use super::families::Families;
use super::values::float;
use super::{Effect, Exposition, Format, Kind, Limits, Problem, Sample};

/// Runes of all labels of an exemplar together (OpenMetrics 1.0, Exemplars).
const MOST_EXEMPLAR: usize = 128;

/// Reads an exposition.
pub fn read<'t>(bytes: &'t [u8], format: Format, limits: &Limits) -> Exposition<'t> {
    let whole = bytes.len() <= limits.bytes;
    let mut bytes = bytes.get(..limits.bytes).unwrap_or(bytes);
    if !whole {
        // The line that the limit cuts is nobody's fault.
        let end = memrchr(b'\n', bytes).map_or(0, |end| end + 1);
        bytes = bytes.get(..end).unwrap_or_default();
    }
    let mut reader = Reader {
        bytes,
        at: 0,
        line: 0,
        format,
        limits,
        families: Families::new(format),
        problems: Vec::new(),
        complete: whole,
        samples: 0,
        seen: FxHashSet::default(),
        last: None,
        crossed: None,
    };
    reader.run(whole);
    Exposition {
        format,
        families: reader.families.list,
        problems: reader.problems,
        complete: reader.complete,
    }
}

/// Why the rest of a line is not read.
struct Refused(String);

type Read<T> = Result<T, Refused>;

fn refused<T>(what: impl Into<String>) -> Read<T> {
    Err(Refused(what.into()))
}

struct Reader<'t, 'l> {
    bytes: &'t [u8],
    at: usize,
    /// Where the line begins.
    line: usize,
    format: Format,
    limits: &'l Limits,
    families: Families<'t>,
    problems: Vec<Problem>,
    complete: bool,
    samples: usize,
    /// Series that were there.
    seen: FxHashSet<String>,
    /// The family of the last sample.
    last: Option<usize>,
    /// What between quotes went beyond the line, and where the line ended.
    crossed: Option<(String, usize)>,
}

impl<'t> Reader<'t, '_> {
    fn run(&mut self, whole: bool) {
        let mut ended = false;
        while self.at < self.bytes.len() {
            self.line = self.at;
            if ended {
                self.problem("there is more behind # EOF", Effect::Refused);
                return;
            }
            self.crossed = None;
            let known = self.problems.len();
            match self.line() {
                Ok(end) => ended = end,
                Err(Refused(what)) => match self.crossed.take() {
                    None => self.problem(what, Effect::Refused),
                    // A quote that is missing finds another one further down.
                    Some((what, end)) => {
                        self.problems.truncate(known);
                        self.at = end;
                        self.problem(format!("{what} has no closing quote"), Effect::Refused);
                    }
                },
            }
            // A label's value may have taken line breaks with it.
            if self.at == self.line || self.bytes.get(self.at - 1) != Some(&b'\n') {
                let rest = self.bytes.get(self.at..).unwrap_or_default();
                self.at = memchr(b'\n', rest).map_or(self.bytes.len(), |end| self.at + end + 1);
            }
        }
        if !whole {
            return;
        }
        self.at = self.bytes.len();
        let before = self.bytes.get(..self.at.saturating_sub(1)).unwrap_or_default();
        self.line = memrchr(b'\n', before).map_or(0, |at| at + 1);
        if self.open() && !ended {
            self.problem("it does not end with # EOF", Effect::Refused);
        } else if !self.open() && self.bytes.last().is_some_and(|last| *last != b'\n') {
            self.problem("the last line has no line break", Effect::Forbidden);
        }
    }

    fn problem(&mut self, what: impl Into<String>, effect: Effect) {
        self.problem_at(self.at, what, effect);
    }

    fn problem_at(&mut self, at: usize, what: impl Into<String>, effect: Effect) {
        if self.problems.len() >= self.limits.problems {
            return;
        }
        let rest = self.bytes.get(self.line..).unwrap_or_default();
        let end = memchr(b'\n', rest).map_or(self.bytes.len(), |end| self.line + end);
        let at = at.clamp(self.line, end);
        self.problems.push(Problem { what: what.into(), effect, place: self.line..end, at });
    }

    fn open(&self) -> bool {
        self.format == Format::OpenMetrics
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The byte here, for a message.
    fn shown(&self) -> String {
        match self.peek() {
            None | Some(b'\n') => "the line ends".to_owned(),
            Some(byte) => format!("there is {:?}", char::from(byte)),
        }
    }

    fn takes(&mut self, text: &[u8]) -> bool {
        let is = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(text));
        if is {
            self.at += text.len();
        }
        is
    }

    /// Blanks and tabs where they mean nothing; OpenMetrics has none.
    fn blanks(&mut self) -> bool {
        let start = self.at;
        while !self.open() && matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        self.at > start
    }

    fn while_in(&mut self, is: impl Fn(u8) -> bool) -> &'t [u8] {
        let start = self.at;
        while self.peek().is_some_and(&is) {
            self.at += 1;
        }
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// Up to a blank or the end of the line.
    fn word(&mut self) -> &'t [u8] {
        let tab = !self.open();
        self.while_in(|byte| byte != b' ' && byte != b'\n' && !(tab && byte == b'\t'))
    }

    /// The rest of the line, without its end.
    fn rest(&mut self) -> &'t [u8] {
        self.while_in(|byte| byte != b'\n')
    }

    /// The end of the line, or of the text; whether it was here.
    fn ends(&mut self) -> bool {
        self.takes(b"\n") || self.at >= self.bytes.len()
    }

    /// Reads a line; whether it was `# EOF`.
    fn line(&mut self) -> Read<bool> {
        self.blanks();
        match self.peek() {
            Some(b'\n') if self.open() => refused("an empty line"),
            None | Some(b'\n') => {
                self.ends();
                Ok(false)
            }
            Some(b'#') => self.comment(),
            Some(_) => self.sample().map(|()| false),
        }
    }

    fn comment(&mut self) -> Read<bool> {
        self.at += 1;
        if self.open() {
            if !self.takes(b" ") {
                return refused("a comment that is none of HELP, TYPE, UNIT and EOF");
            }
            if self.takes(b"EOF") {
                return if self.ends() { Ok(true) } else { refused("text behind # EOF") };
            }
        } else if !self.blanks() {
            self.rest();
            return Ok(false);
        }
        let word = ["HELP", "TYPE", "UNIT"].into_iter().find(|word| {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let behind = rest.strip_prefix(word.as_bytes()).and_then(|rest| rest.first());
            match self.format {
                Format::OpenMetrics => behind == Some(&b' '),
                Format::Text => *word != "UNIT" && matches!(behind, Some(b' ' | b'\t')),
            }
        });
        let Some(word) = word else {
            if self.open() {
                return refused("a comment that is none of HELP, TYPE, UNIT and EOF");
            }
            self.rest();
            return Ok(false);
        };
        self.at += word.len();
        if self.open() {
            self.at += 1;
        } else {
            self.blanks();
        }
        let name = self.metric_name(&format!("# {word}"))?;
        let separated = self.peek() == Some(b' ') || (!self.open() && self.peek() == Some(b'\t'));
        let ends = matches!(self.peek(), None | Some(b'\n'));
        if !separated && self.open() {
            return refused(format!("a blank is missing behind the name in # {word}"));
        }
        if !separated && !ends {
            let what = format!("a blank is missing behind the name in # {word}");
            self.problem(what, Effect::Forbidden);
        }
        // Prometheus takes whatever is there for the blank; what follows it is text.
        self.at += usize::from(!ends);
        let text = self.rest();
        let Ok(text) = std::str::from_utf8(text) else {
            return refused(format!("# {word} {name} is no UTF-8"));
        };
        match word {
            "HELP" => self.help(&name, text),
            "TYPE" => self.kind(&name, text)?,
            _ => self.unit(&name, text)?,
        }
        self.ends();
        Ok(false)
    }

    fn help(&mut self, name: &Cow<'t, str>, text: &str) {
        let Some(index) = self.described(name) else { return };
        let Some(family) = self.families.list.get_mut(index) else { return };
        if std::mem::replace(&mut family.helped, true) {
            self.problem(format!("a second HELP of {name}"), Effect::Forbidden);
        }
        let mut escapes = text.split('\\').skip(1).peekable();
        while let Some(part) = escapes.next() {
            match part.chars().next() {
                // `\\`: the next part is text again.
                None => {
                    escapes.next();
                }
                Some('n') => {}
                Some('"') if self.format == Format::OpenMetrics => {}
                Some(other) => {
                    let what = format!("\\{other} in the HELP of {name} is no escape");
                    return self.problem(what, Effect::Forbidden);
                }
            }
        }
    }

    fn kind(&mut self, name: &Cow<'t, str>, text: &str) -> Read<()> {
        let open = self.open();
        let kind = match text {
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            "histogram" => Kind::Histogram,
            "summary" => Kind::Summary,
            "untyped" if !open => Kind::Unknown,
            "unknown" if open => Kind::Unknown,
            "gaugehistogram" if open => Kind::GaugeHistogram,
            "info" if open => Kind::Info,
            "stateset" if open => Kind::StateSet,
            _ => return refused(format!("{name} has the type {text:?}, which is none")),
        };
        // They came as families of their own.
        let sampled = self.families.came_before(name, kind);
        let Some(index) = self.described(name) else { return Ok(()) };
        let Some(family) = self.families.list.get_mut(index) else { return Ok(()) };
        let older = family
            .older
            .filter(|older| *older == kind || (*older != Kind::Counter && kind != Kind::Counter));
        let typed = std::mem::replace(&mut family.typed, true);
        if !typed {
            family.kind = kind;
        }
        if typed || older.is_some() {
            self.problem(format!("a second TYPE of {name}"), Effect::Forbidden);
        } else if sampled {
            self.problem(format!("the TYPE of {name} comes behind its samples"), Effect::Forbidden);
        }
        Ok(())
    }

    fn unit(&mut self, name: &Cow<'t, str>, text: &'t str) -> Read<()> {
        let fits =
            text.is_empty() || name.strip_suffix(text).is_some_and(|before| before.ends_with('_'));
        if !fits {
            return refused(format!("{name} has the unit {text:?} and does not end with it"));
        }
        if let Some(index) = self.family(name)
            && let Some(family) = self.families.list.get_mut(index)
        {
            family.unit = Some(text).filter(|text| !text.is_empty());
        }
        Ok(())
    }

    fn described(&mut self, name: &Cow<'t, str>) -> Option<usize> {
        let found = self.families.described(name, self.limits);
        self.complete &= found.is_some();
        found
    }

    fn family(&mut self, name: &Cow<'t, str>) -> Option<usize> {
        let found = self.families.named(name, self.limits);
        self.complete &= found.is_some();
        found
    }

    /// The name of a metric, plain or between quotes.
    fn metric_name(&mut self, behind: &str) -> Read<Cow<'t, str>> {
        if self.peek() == Some(b'"') {
            return self.quoted("the name of a metric", true);
        }
        let first = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':');
        if !self.peek().is_some_and(first) {
            return refused(format!(
                "a metric's name is expected behind {behind}, {}",
                self.shown()
            ));
        }
        let name = self.while_in(|byte| first(byte) || byte.is_ascii_digit());
        Ok(String::from_utf8_lossy(name))
    }

    /// Text between quotes, whose first is here. Prometheus takes line breaks with it, though not in the values of
    /// OpenMetrics.
    fn quoted(&mut self, what: &str, takes_breaks: bool) -> Read<Cow<'t, str>> {
        self.at += 1;
        let start = self.at;
        let (mut escaped, mut broken) = (false, false);
        let text = loop {
            match self.peek() {
                Some(b'"') => break self.bytes.get(start..self.at).unwrap_or_default(),
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                    if matches!(self.peek(), None | Some(b'\n')) {
                        return refused(format!("{what} has no closing quote"));
                    }
                    self.at += 1;
                }
                None => return refused(format!("{what} has no closing quote")),
                Some(b'\n') if !takes_breaks => {
                    return refused(format!("{what} has no closing quote"));
                }
                Some(byte) => {
                    if byte == b'\n' && self.crossed.is_none() {
                        self.crossed = Some((what.to_owned(), self.at));
                    }
                    broken |= byte == b'\n';
                    self.at += 1;
                }
            }
        };
        self.at += 1;
        let Ok(text) = std::str::from_utf8(text) else {
            return refused(format!("{what} is no UTF-8"));
        };
        if broken {
            let what = format!("{what} holds a line break, which is written \\n");
            self.problem(what, Effect::Forbidden);
        }
        if !escaped {
            return Ok(Cow::Borrowed(text));
        }
        Ok(Cow::Owned(self.unescaped(text, what)))
    }

    fn unescaped(&mut self, text: &str, what: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter != '\\' {
                out.push(letter);
                continue;
            }
            match letters.next() {
                Some('n') => out.push('\n'),
                Some(plain @ ('\\' | '"')) => out.push(plain),
                other => {
                    let other = other.unwrap_or_default();
                    self.problem(format!("\\{other} in {what} is no escape"), Effect::Forbidden);
                    out.push('\\');
                    out.push(other);
                }
            }
        }
        out
    }

    fn sample(&mut self) -> Read<()> {
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
        if self.open() && self.takes(b" # {") {
            self.exemplar(&name)?;
        }
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
        self.keep(Sample { name, labels, value, timestamp, place });
        Ok(())
    }

    fn value(&mut self, name: &str) -> Read<f64> {
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

    fn timestamp(&mut self, name: &str) -> Read<Option<f64>> {
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
    fn labels(
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

    fn label_name(&mut self) -> Read<Cow<'t, str>> {
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
    fn exemplar(&mut self, name: &str) -> Read<()> {
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
        Ok(())
    }

    fn keep(&mut self, sample: Sample<'t>) {
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
fn key(sample: &Sample<'_>) -> String {
    let mut key = sample.series();
    if let Some(timestamp) = sample.timestamp {
        key.push_str(&format!("@{timestamp}"));
    }
    key
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(80).collect()
}
