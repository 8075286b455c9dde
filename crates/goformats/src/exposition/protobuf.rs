//! The format that the text was made after: messages of `io.prometheus.client.MetricFamily`, each behind its
//! length (`encoding=delimited`). A collector is asked for it for native histograms, which no text has.
//!
//! Sources: `metrics.proto` of prometheus/client_model v0.6, model/textparse/protobufparse.go and
//! model/histogram of Prometheus v3.5.

use std::borrow::Cow;
use std::ops::Range;

use rustc_hash::FxHashSet;

use super::read::key;
use super::{Effect, Exposition, Family, Format, Kind, Limits, Problem, Sample};
use crate::protobuf::{Fields, Malformed, Value};

type Labels<'t> = Vec<(Cow<'t, str>, Cow<'t, str>)>;

/// Reads an exposition.
pub(super) fn read<'t>(bytes: &'t [u8], limits: &Limits) -> Exposition<'t> {
    let whole = bytes.len() <= limits.bytes;
    let bytes = bytes.get(..limits.bytes).unwrap_or(bytes);
    let mut reader = Reader {
        limits,
        out: Exposition {
            format: Format::Protobuf,
            families: Vec::new(),
            problems: Vec::new(),
            complete: whole,
        },
        samples: 0,
        seen: FxHashSet::default(),
        place: 0..0,
    };
    let mut stream = Fields::of(bytes);
    loop {
        let start = bytes.len() - stream.left();
        match stream.delimited() {
            Ok(None) => break,
            Ok(Some(message)) => {
                reader.place = start..bytes.len() - stream.left();
                if let Err(Refused(what)) = reader.family(message) {
                    reader.problem(what, Effect::Refused);
                    // Prometheus reads no further.
                    break;
                }
            }
            Err(Malformed) => {
                // The message that the limit cuts is nobody's fault.
                if whole {
                    reader.place = start..bytes.len();
                    reader.problem(
                        "a message is shorter than the length in front of it",
                        Effect::Refused,
                    );
                }
                break;
            }
        }
    }
    reader.out
}

/// Why the rest is not read.
struct Refused(String);

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Self {
        Self("a message is no protobuf".to_owned())
    }
}

struct Reader<'t, 'l> {
    limits: &'l Limits,
    out: Exposition<'t>,
    samples: usize,
    /// Series that were there.
    seen: FxHashSet<String>,
    /// Bytes of the family that is read.
    place: Range<usize>,
}

/// What is said of a family beside its metrics.
#[derive(Default)]
struct Head<'t> {
    name: &'t [u8],
    help: &'t [u8],
    kind: u64,
    unit: &'t [u8],
    metrics: usize,
}

impl<'t> Reader<'t, '_> {
    fn problem(&mut self, what: impl Into<String>, effect: Effect) {
        if self.out.problems.len() < self.limits.problems {
            let (place, at) = (self.place.clone(), self.place.start);
            self.out.problems.push(Problem { what: what.into(), effect, place, at });
        }
    }

    fn family(&mut self, message: &'t [u8]) -> Result<(), Refused> {
        let head = head(message)?;
        if head.metrics == 0 {
            return Ok(());
        }
        let name = text(head.name).filter(|name| !name.is_empty());
        let Some(name) = name else {
            return Err(Refused("a family has no name".to_owned()));
        };
        if text(head.help).is_none() {
            return Err(Refused(format!("what is said of {name} is no UTF-8")));
        }
        let Some(kind) = kind(head.kind) else {
            return Err(Refused(format!("{name} is of a kind that nobody knows, {}", head.kind)));
        };
        let unit = unit(name, kind, head.unit)?;
        if self.out.families.len() >= self.limits.families {
            self.out.complete = false;
            return Ok(());
        }
        let mut family = Family {
            name: Cow::Borrowed(name),
            kind,
            unit,
            samples: Vec::new(),
            typed: true,
            helped: !head.help.is_empty(),
            older: None,
        };
        // By the first one all of a family are taken for native histograms, or none.
        let mut native = None;
        let mut read = Ok(());
        for field in Fields::of(message) {
            let (4, metric) = field? else { continue };
            read = metric
                .bytes()
                .map_err(Refused::from)
                .and_then(|it| self.metric(&mut family, &mut native, it));
            if read.is_err() {
                break;
            }
        }
        self.out.families.push(family);
        read
    }

    fn metric(
        &mut self,
        family: &mut Family<'t>,
        native: &mut Option<bool>,
        message: &'t [u8],
    ) -> Result<(), Refused> {
        let wanted = field_of(family.kind);
        let (mut labels, mut value, mut timestamp) = (Labels::new(), None, None);
        for field in Fields::of(message) {
            match field? {
                (1, pair) => label(&mut labels, pair.bytes()?)?,
                (6, Value::Varint(at)) if at != 0 => timestamp = Some(at as i64 as f64),
                (number, it) if number == wanted => value = Some(it.bytes()?),
                (2..=5 | 7, other) => {
                    other.bytes()?;
                }
                _ => {}
            }
        }
        for (name, _) in &labels {
            if name.is_empty() {
                return Err(Refused(format!("a label of {} has no name", family.name)));
            }
        }
        labels.sort_by(|a, b| a.0.cmp(&b.0));
        let twice = labels.windows(2).find_map(|pair| match pair {
            [(one, _), (other, _)] if one == other => Some(one.clone()),
            _ => None,
        });
        if let Some(name) = twice {
            return Err(twofold(&name, &family.name));
        }
        if labels.len() > self.limits.labels {
            labels.truncate(self.limits.labels);
            self.out.complete = false;
        }
        let Some(value) = value else {
            let what = format!("a metric of {} has no {}", family.name, family.kind.name());
            self.problem(what, Effect::Forbidden);
            return Ok(());
        };
        let one = One { family, labels, timestamp, place: self.place.clone() };
        let samples = match one.family.kind {
            Kind::Histogram | Kind::GaugeHistogram => one.histogram(value, native)?,
            Kind::Summary => one.summary(value)?,
            _ => vec![one.sample("", None, number(value)?)],
        };
        let Some(first) = samples.first().map(key) else { return Ok(()) };
        if self.samples + samples.len() > self.limits.samples {
            self.out.complete = false;
            return Ok(());
        }
        self.samples += samples.len();
        if !self.seen.insert(first) {
            let what = samples.first().map_or_else(String::new, Sample::series);
            self.problem(format!("{what} stands there twice"), Effect::Dropped);
        }
        family.samples.extend(samples);
        Ok(())
    }
}

fn twofold(label: &str, family: &str) -> Refused {
    Refused(format!("the label {label} of {family} stands there twice"))
}

/// One metric, from which samples are made as the text has them.
struct One<'t, 'f> {
    family: &'f Family<'t>,
    labels: Labels<'t>,
    timestamp: Option<f64>,
    place: Range<usize>,
}

impl<'t> One<'t, '_> {
    fn sample(&self, suffix: &str, more: Option<(&'static str, f64)>, value: f64) -> Sample<'t> {
        let name = match suffix {
            "" => self.family.name.clone(),
            suffix => Cow::Owned(format!("{}{suffix}", self.family.name)),
        };
        // An empty value is none.
        let own = self.labels.iter().filter(|(_, value)| !value.is_empty());
        let mut labels: Labels<'t> = own.cloned().collect();
        if let Some((name, bound)) = more {
            labels.push((Cow::Borrowed(name), Cow::Owned(shown(bound))));
            labels.sort_by(|a, b| a.0.cmp(&b.0));
        }
        let (timestamp, place) = (self.timestamp, self.place.clone());
        Sample { name, labels, value, timestamp, exemplar: Vec::new(), place }
    }

    /// What makes a bucket or a quantile one is a label that the metric has not itself.
    fn leaves(&self, label: &str) -> Result<(), Refused> {
        match self.labels.iter().any(|(name, _)| name == label) {
            true => Err(twofold(label, &self.family.name)),
            false => Ok(()),
        }
    }

    fn summary(&self, message: &[u8]) -> Result<Vec<Sample<'t>>, Refused> {
        let (mut count, mut sum, mut quantiles) = (0.0, 0.0, Vec::new());
        for field in Fields::of(message) {
            match field? {
                (1, it) => count = it.number()? as f64,
                (2, it) => sum = double(it)?,
                (3, it) => {
                    let pair = pair(it.bytes()?)?;
                    quantiles.push(self.sample("", Some(("quantile", pair.0)), pair.1));
                }
                _ => {}
            }
        }
        if !quantiles.is_empty() {
            self.leaves("quantile")?;
        }
        let mut samples = vec![self.sample("_count", None, count), self.sample("_sum", None, sum)];
        samples.extend(quantiles);
        Ok(samples)
    }

    fn histogram(
        &self,
        message: &[u8],
        native: &mut Option<bool>,
    ) -> Result<Vec<Sample<'t>>, Refused> {
        let read = Histogram::read(message)?;
        let native = *native.get_or_insert(read.is_native());
        if let Some(what) = read.contradiction().filter(|_| native) {
            return Err(Refused(format!("the native histogram {}: {what}", self.family.name)));
        }
        if !native {
            self.leaves("le")?;
        }
        let count = read.count();
        let mut samples =
            vec![self.sample("_count", None, count), self.sample("_sum", None, read.sum)];
        for (bound, value) in &read.buckets {
            samples.push(self.sample("_bucket", Some(("le", *bound)), *value));
        }
        // The last one may be left out (metrics.proto, Histogram.bucket).
        if read.buckets.last().is_none_or(|last| last.0 != f64::INFINITY)
            && (!native || !read.buckets.is_empty())
        {
            samples.push(self.sample("_bucket", Some(("le", f64::INFINITY)), count));
        }
        Ok(samples)
    }
}

/// A histogram with buckets by bounds, with buckets by a schema, or with both.
#[derive(Default)]
struct Histogram {
    count: u64,
    count_float: f64,
    sum: f64,
    /// Bound, and how many are up to it.
    buckets: Vec<(f64, f64)>,
    zero_threshold: f64,
    zero_count: u64,
    zero_count_float: f64,
    negative: Side,
    positive: Side,
}

/// The buckets below or above zero.
#[derive(Default)]
struct Side {
    spans: usize,
    /// Buckets that the spans have room for,
    room: u64,
    /// and those that are there.
    deltas: u64,
    counts: u64,
    last: i64,
    /// How many are in all of them.
    sum: u64,
    /// Why there is no such histogram.
    wrong: Option<String>,
}

impl Histogram {
    fn read(message: &[u8]) -> Result<Self, Malformed> {
        let mut read = Self::default();
        for field in Fields::of(message) {
            match field? {
                (1, it) => read.count = it.number()?,
                (2, it) => read.sum = double(it)?,
                (3, it) => read.buckets.push(bucket(it.bytes()?)?),
                (4, it) => read.count_float = double(it)?,
                (6, it) => read.zero_threshold = double(it)?,
                (7, it) => read.zero_count = it.number()?,
                (8, it) => read.zero_count_float = double(it)?,
                (9, it) => read.negative.span(it.bytes()?)?,
                (10, it) => read.negative.delta(it)?,
                (11, it) => read.negative.count(it)?,
                (12, it) => read.positive.span(it.bytes()?)?,
                (13, it) => read.positive.delta(it)?,
                (14, it) => read.positive.count(it)?,
                _ => {}
            }
        }
        Ok(read)
    }

    fn count(&self) -> f64 {
        if self.count_float > 0.0 { self.count_float } else { self.count as f64 }
    }

    /// `isNativeHistogram`: any of these says so.
    fn is_native(&self) -> bool {
        self.positive.spans + self.negative.spans > 0
            || self.zero_threshold > 0.0
            || self.zero_count > 0
            || self.zero_count_float > 0.0
    }

    /// `Histogram.Validate` of one that counts in whole numbers.
    fn contradiction(&self) -> Option<String> {
        let is_float = self.count_float > 0.0 || self.zero_count_float > 0.0;
        if is_float {
            return None;
        }
        for side in [&self.positive, &self.negative] {
            if let Some(wrong) = &side.wrong {
                return Some(wrong.clone());
            }
            if side.room != side.deltas {
                return Some(format!(
                    "its spans are for {} buckets, and it has {}",
                    side.room, side.deltas
                ));
            }
        }
        let all = self.positive.sum.saturating_add(self.negative.sum);
        let all = all.saturating_add(self.zero_count);
        // What is no number is in no bucket.
        let fits = if self.sum.is_nan() { all <= self.count } else { all == self.count };
        (!fits).then(|| format!("its buckets hold {all}, and its count is {}", self.count))
    }
}

impl Side {
    fn span(&mut self, message: &[u8]) -> Result<(), Malformed> {
        let (mut offset, mut length) = (0, 0);
        for field in Fields::of(message) {
            match field? {
                (1, it) => offset = zigzag(it.number()?),
                (2, it) => length = it.number()? & u64::from(u32::MAX),
                _ => {}
            }
        }
        if self.spans > 0 && offset < 0 {
            self.wrong.get_or_insert_with(|| {
                format!("a span begins {offset} buckets before the end of another")
            });
        }
        self.spans += 1;
        self.room = self.room.saturating_add(length);
        Ok(())
    }

    /// Repeated numbers stand one by one or packed.
    fn delta(&mut self, value: Value<'_>) -> Result<(), Malformed> {
        match value {
            Value::Varint(delta) => self.one(zigzag(delta)),
            Value::Bytes(packed) => {
                let mut rest = Fields::of(packed);
                while let Some(delta) = rest.packed_number()? {
                    self.one(zigzag(delta));
                }
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }

    fn one(&mut self, delta: i64) {
        self.deltas += 1;
        self.last = self.last.wrapping_add(delta);
        match u64::try_from(self.last) {
            Ok(count) => self.sum = self.sum.saturating_add(count),
            Err(_) => {
                let (at, count) = (self.deltas, self.last);
                self.wrong.get_or_insert_with(|| format!("the bucket number {at} holds {count}"));
            }
        }
    }

    fn count(&mut self, value: Value<'_>) -> Result<(), Malformed> {
        match value {
            Value::Fixed64(_) => self.counts += 1,
            Value::Bytes(packed) if packed.len().is_multiple_of(8) => {
                self.counts += packed.len() as u64 / 8;
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }
}

fn head<'t>(message: &'t [u8]) -> Result<Head<'t>, Malformed> {
    let mut head = Head::default();
    for field in Fields::of(message) {
        match field? {
            (1, it) => head.name = it.bytes()?,
            (2, it) => head.help = it.bytes()?,
            (3, it) => head.kind = it.number()?,
            (4, it) => {
                it.bytes()?;
                head.metrics += 1;
            }
            (5, it) => head.unit = it.bytes()?,
            _ => {}
        }
    }
    Ok(head)
}

/// `MetricType`
fn kind(number: u64) -> Option<Kind> {
    Some(match number {
        0 => Kind::Counter,
        1 => Kind::Gauge,
        2 => Kind::Summary,
        3 => Kind::Unknown,
        4 => Kind::Histogram,
        5 => Kind::GaugeHistogram,
        _ => return None,
    })
}

/// Where a metric of that kind has its value.
fn field_of(kind: Kind) -> u32 {
    match kind {
        Kind::Gauge => 2,
        Kind::Counter => 3,
        Kind::Summary => 4,
        Kind::Histogram | Kind::GaugeHistogram => 7,
        Kind::Unknown | Kind::Info | Kind::StateSet => 5,
    }
}

/// A unit ends the name, in front of `_total` where a counter has that.
fn unit<'t>(name: &str, kind: Kind, unit: &'t [u8]) -> Result<Option<&'t str>, Refused> {
    if unit.is_empty() {
        return Ok(None);
    }
    let total = name.strip_suffix("_total").filter(|_| kind == Kind::Counter);
    let base = total.unwrap_or(name);
    let unit = text(unit).unwrap_or_default();
    match base.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')) && !unit.is_empty() {
        true => Ok(Some(unit)),
        false => Err(Refused(format!("the unit {unit:?} is not at the end of {name}"))),
    }
}

fn label<'t>(labels: &mut Labels<'t>, message: &'t [u8]) -> Result<(), Refused> {
    let (mut name, mut value) = (&[][..], &[][..]);
    for field in Fields::of(message) {
        match field? {
            (1, it) => name = it.bytes()?,
            (2, it) => value = it.bytes()?,
            _ => {}
        }
    }
    match (text(name), text(value)) {
        (Some(name), Some(value)) => {
            labels.push((Cow::Borrowed(name), Cow::Borrowed(value)));
            Ok(())
        }
        _ => Err(Refused("a label is no UTF-8".to_owned())),
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn double(value: Value<'_>) -> Result<f64, Malformed> {
    match value {
        Value::Fixed64(bits) => Ok(f64::from_bits(bits)),
        _ => Err(Malformed),
    }
}

/// `Counter`, `Gauge` and `Untyped` have their value first.
fn number(message: &[u8]) -> Result<f64, Malformed> {
    let mut value = 0.0;
    for field in Fields::of(message) {
        if let (1, it) = field? {
            value = double(it)?;
        }
    }
    Ok(value)
}

/// `Quantile`: which, and its value.
fn pair(message: &[u8]) -> Result<(f64, f64), Malformed> {
    let (mut which, mut value) = (0.0, 0.0);
    for field in Fields::of(message) {
        match field? {
            (1, it) => which = double(it)?,
            (2, it) => value = double(it)?,
            _ => {}
        }
    }
    Ok((which, value))
}

/// `Bucket`: its bound, and how many are up to it.
fn bucket(message: &[u8]) -> Result<(f64, f64), Malformed> {
    let (mut bound, mut count, mut float) = (0.0, 0.0, 0.0);
    for field in Fields::of(message) {
        match field? {
            (1, it) => count = it.number()? as f64,
            (2, it) => bound = double(it)?,
            (4, it) => float = double(it)?,
            _ => {}
        }
    }
    Ok((bound, if float > 0.0 { float } else { count }))
}

/// sint32 and sint64
fn zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// As Prometheus names a bucket or a quantile (`formatOpenMetricsFloat`).
fn shown(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    if value.is_nan() || value == 0.0 {
        return if value.is_nan() { "NaN" } else { "0.0" }.to_owned();
    }
    let short = format!("{value:e}");
    let (digits, exponent) = short.split_once('e').unwrap_or((&short, "0"));
    // Go writes large and small ones with an exponent, of two digits at least (`%g` in strconv/ftoa.go).
    match exponent.parse().unwrap_or(0) {
        -4..=5 => format!("{value:?}"),
        exponent => format!("{digits}e{exponent:+03}"),
    }
}
