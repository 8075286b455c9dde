//! Which family a sample belongs to.

#![expect(
    clippy::ptr_arg,
    reason = "a clone of a name that is borrowed from the text stays borrowed"
)]

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::{Family, Format, Kind, Limits};

/// What a sample's name has behind that of its family.
const SUFFIXES: &[&str] =
    &["", "_bucket", "_count", "_sum", "_total", "_created", "_info", "_gcount", "_gsum"];

/// Whether samples of such a family may end so.
fn takes(format: Format, kind: Kind, suffix: &str) -> bool {
    let open = format == Format::OpenMetrics;
    match kind {
        Kind::Counter if open => matches!(suffix, "_total" | "_created"),
        Kind::Counter | Kind::Gauge | Kind::StateSet => suffix.is_empty(),
        Kind::Histogram => {
            matches!(suffix, "_bucket" | "_count" | "_sum") || (open && suffix == "_created")
        }
        Kind::GaugeHistogram => matches!(suffix, "_bucket" | "_gcount" | "_gsum"),
        Kind::Summary => matches!(suffix, "" | "_count" | "_sum") || (open && suffix == "_created"),
        Kind::Info => suffix == "_info",
        Kind::Unknown => suffix.is_empty(),
    }
}

/// The families by name.
#[derive(Debug)]
pub(super) struct Families<'t> {
    format: Format,
    pub(super) list: Vec<Family<'t>>,
    by_name: FxHashMap<Cow<'t, str>, usize>,
}

impl<'t> Families<'t> {
    pub(super) fn new(format: Format) -> Self {
        Self { format, list: Vec::new(), by_name: FxHashMap::default() }
    }

    /// The family of that name, which is made when it is new; none when there are too many.
    pub(super) fn named(&mut self, name: &Cow<'t, str>, limits: &Limits) -> Option<usize> {
        if let Some(index) = self.by_name.get(name.as_ref()) {
            return Some(*index);
        }
        if self.list.len() >= limits.families {
            return None;
        }
        Some(self.push(name, None))
    }

    fn push(&mut self, name: &Cow<'t, str>, older: Option<Kind>) -> usize {
        let index = self.list.len();
        self.list.push(Family {
            name: name.clone(),
            kind: Kind::Unknown,
            unit: None,
            samples: Vec::new(),
            typed: false,
            helped: false,
            older,
        });
        self.by_name.insert(name.clone(), index);
        index
    }

    /// The family that HELP or TYPE speaks of. In OpenMetrics a counter goes without its `_total` there, so that a
    /// gauge may have the same name: Go's own collector has `go_memstats_alloc_bytes` twice.
    pub(super) fn described(&mut self, name: &Cow<'t, str>, limits: &Limits) -> Option<usize> {
        let index = self.named(name, limits)?;
        let known = self.list.get(index)?;
        let again = self.format == Format::OpenMetrics && known.typed && !known.samples.is_empty();
        if !again || self.list.len() >= limits.families {
            return Some(index);
        }
        let older = Some(known.kind);
        Some(self.push(name, older))
    }

    /// The family of a sample; one of its own name where none takes it.
    pub(super) fn of_sample(&mut self, name: &Cow<'t, str>, limits: &Limits) -> Option<usize> {
        for suffix in SUFFIXES {
            let Some(base) = name.strip_suffix(suffix) else { continue };
            let Some(index) = self.by_name.get(base) else { continue };
            let fits = |family: &Family<'_>| takes(self.format, family.kind, suffix);
            if self.list.get(*index).is_some_and(fits) {
                return Some(*index);
            }
        }
        self.named(name, limits)
    }

    /// Whether samples of such a family came before anything was said of it.
    pub(super) fn came_before(&self, name: &str, kind: Kind) -> bool {
        SUFFIXES.iter().filter(|suffix| takes(self.format, kind, suffix)).any(|suffix| {
            let index = self.by_name.get(format!("{name}{suffix}").as_str());
            let family = index.and_then(|index| self.list.get(*index));
            family.is_some_and(|family| !family.typed && !family.samples.is_empty())
        })
    }
}
