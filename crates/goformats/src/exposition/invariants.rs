//! What a format cannot say and every reader relies on: buckets that count what is below them, and counters
//! that go up.

use std::borrow::Cow;
use std::ops::Range;

use rustc_hash::FxHashMap;

use super::values::float;
use super::{Exposition, Family, Kind, Sample, series};

/// More are not told of one exposition.
const MOST: usize = 20;

/// A histogram that contradicts itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    /// The family and the labels without `le`.
    pub series: String,
    /// One sentence without a full stop.
    pub what: String,
    /// Bytes of a line that shows it.
    pub place: Range<usize>,
}

/// A series that only goes up and went down.
#[derive(Clone, Debug, PartialEq)]
pub struct Decrease {
    /// The series.
    pub series: String,
    /// Before.
    pub from: f64,
    /// Afterwards.
    pub to: f64,
    /// Bytes of the later line.
    pub place: Range<usize>,
}

type Labels<'e> = Vec<(&'e str, &'e str)>;

/// The labels that tell series of one histogram apart.
fn group<'e>(sample: &'e Sample<'_>) -> Labels<'e> {
    let own = sample.labels.iter().filter(|(name, _)| name != "le");
    own.map(|(name, value)| (name.as_ref(), value.as_ref())).collect()
}

/// The buckets and the count of one histogram.
#[derive(Debug, Default)]
struct Buckets {
    /// Bound, value, line.
    buckets: Vec<(f64, f64, Range<usize>)>,
    count: Option<f64>,
    /// A bound that is no number.
    unreadable: Option<(String, Range<usize>)>,
}

/// Histograms that contradict themselves, by place.
pub fn histograms(exposition: &Exposition<'_>) -> Vec<Broken> {
    let mut broken = Vec::new();
    for family in exposition.families.iter().filter(|family| family.kind == Kind::Histogram) {
        let mut groups: FxHashMap<Labels<'_>, Buckets> = FxHashMap::default();
        let mut order = Vec::new();
        for sample in &family.samples {
            let labels = group(sample);
            let own = groups.entry(labels.clone()).or_insert_with(|| {
                order.push(labels);
                Buckets::default()
            });
            match sample.name.strip_prefix(family.name.as_ref()) {
                Some("_count") => own.count = Some(sample.value),
                Some("_bucket") => {
                    let bound = sample.label("le").unwrap_or_default();
                    match float(bound) {
                        Some(number) if !number.is_nan() => {
                            own.buckets.push((number, sample.value, sample.place.clone()));
                        }
                        _ => own.unreadable = Some((bound.to_owned(), sample.place.clone())),
                    }
                }
                _ => {}
            }
        }
        for labels in order {
            if broken.len() >= MOST {
                return broken;
            }
            let Some(own) = groups.get_mut(&labels) else { continue };
            let Some((what, place)) = own.contradiction(&family.name) else { continue };
            let labels: Vec<(Cow<'_, str>, Cow<'_, str>)> =
                labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            broken.push(Broken { series: series(&family.name, labels.iter()), what, place });
        }
    }
    broken.sort_by_key(|broken| broken.place.start);
    broken
}

impl Buckets {
    fn contradiction(&mut self, name: &str) -> Option<(String, Range<usize>)> {
        if let Some((bound, place)) = self.unreadable.take() {
            return Some((
                format!("the bound of a bucket is {bound:?}, which is no number"),
                place,
            ));
        }
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        for pair in self.buckets.windows(2) {
            let [low, high] = pair else { continue };
            if high.1 < low.1 {
                let what = format!(
                    "the bucket up to {} holds {}, and the one up to {} only {}: each counts all that is below its bound",
                    bound(low.0),
                    low.1,
                    bound(high.0),
                    high.1
                );
                return Some((what, high.2.clone()));
            }
        }
        // Without buckets it is a native histogram's shadow, or one that is only counted.
        let (top, value, place) = self.buckets.last().cloned()?;
        if top != f64::INFINITY {
            let what = format!(
                "the last bucket ends at {}: without le=\"+Inf\" no quantile can be computed",
                bound(top)
            );
            return Some((what, place));
        }
        let count = self.count.filter(|count| *count != value)?;
        Some((format!("the bucket +Inf holds {value}, and {name}_count is {count}"), place))
    }
}

/// As `le` writes it.
fn bound(value: f64) -> String {
    if value == f64::INFINITY { "+Inf".to_owned() } else { value.to_string() }
}

/// Whether the sample only goes up while the process lives.
fn only_goes_up(family: &Family<'_>, sample: &Sample<'_>) -> bool {
    let suffix = sample.name.strip_prefix(family.name.as_ref()).unwrap_or_default();
    match family.kind {
        Kind::Counter => matches!(suffix, "" | "_total"),
        Kind::Histogram => matches!(suffix, "_bucket" | "_count"),
        Kind::Summary => suffix == "_count",
        _ => false,
    }
}

fn going_up<'e, 't>(
    exposition: &'e Exposition<'t>,
) -> impl Iterator<Item = (&'e Family<'t>, &'e Sample<'t>)> {
    let samples = exposition
        .families
        .iter()
        .flat_map(|family| family.samples.iter().map(move |sample| (family, sample)));
    samples.filter(|(family, sample)| only_goes_up(family, sample))
}

/// Counters that are no number, or below zero.
pub fn no_counts(exposition: &Exposition<'_>) -> Vec<Broken> {
    let wrong = |value: f64| value.is_nan() || value < 0.0;
    let found = going_up(exposition).filter(|(_, sample)| wrong(sample.value)).take(MOST);
    found
        .map(|(_, sample)| Broken {
            series: sample.series(),
            what: format!("its value is {}", sample.value),
            place: sample.place.clone(),
        })
        .collect()
}

/// Series of one process that only go up and are lower afterwards than before, by place. One that says that it
/// was begun anew (`_created`) may be.
pub fn decreases(before: &Exposition<'_>, after: &Exposition<'_>) -> Vec<Decrease> {
    let (known, now) = (written_once(before), written_once(after));
    let (was, is) = (created(before), created(after));
    let mut found: Vec<Decrease> = Vec::new();
    for (family, sample) in going_up(after) {
        let name = sample.series();
        let from = known.get(&name).copied().flatten().filter(|from| sample.value < *from);
        let Some(from) = from.filter(|_| now.get(&name).is_some_and(Option::is_some)) else {
            continue;
        };
        // In the text format the family of a counter ends with `_total`.
        let of = family.name.strip_suffix("_total").unwrap_or(&family.name);
        let key = (of, group(sample));
        if was.get(&key) != is.get(&key) {
            continue;
        }
        found.push(Decrease { series: name, from, to: sample.value, place: sample.place.clone() });
        if found.len() >= MOST {
            break;
        }
    }
    found.sort_by_key(|decrease| decrease.place.start);
    found
}

/// What goes up, by its series; nothing of one that is written twice, of which no value is the one.
fn written_once(exposition: &Exposition<'_>) -> FxHashMap<String, Option<f64>> {
    let mut found: FxHashMap<String, Option<f64>> = FxHashMap::default();
    for (_, sample) in going_up(exposition) {
        found
            .entry(sample.series())
            .and_modify(|value| *value = None)
            .or_insert(Some(sample.value));
    }
    found
}

/// When series were begun, by family and labels.
fn created<'e>(exposition: &'e Exposition<'_>) -> FxHashMap<(&'e str, Labels<'e>), f64> {
    let mut found = FxHashMap::default();
    for family in &exposition.families {
        for sample in &family.samples {
            if let Some(of) = sample.name.strip_suffix("_created") {
                found.insert((of, group(sample)), sample.value);
            }
        }
    }
    found
}
