//! Names of metrics that are not there.

use crate::facts::binary::GoProgram;
use crate::facts::metrics::{Family, Scrape};
use crate::facts::program_text::TextPresence;
use crate::findings::{Abstain, Reason};
use crate::model::names::meant;
use crate::rules::telemetry::metric_not_exposed::missing_word;

/// Whether a scrape has a sample of that name.
pub(super) fn has(scrape: &Scrape, name: &str) -> bool {
    scrape.families.iter().any(|family| family.has(name))
}

/// What a name that is not there comes to.
pub(super) struct Absence {
    pub(super) message: String,
    pub(super) fix: Option<String>,
    /// It cannot come later, either.
    pub(super) certain: bool,
    /// The process has its family, with other series.
    pub(super) of_family: bool,
}

/// Units and endings by which the same measure is called otherwise.
const ENDINGS: &[&str] = &[
    "_bucket",
    "_count",
    "_sum",
    "_total",
    "_seconds",
    "_milliseconds",
    "_microseconds",
    "_ms",
    "_us",
    "_ns",
    "_bytes",
    "_kilobytes",
    "_ratio",
    "_percent",
];

/// What a name asks of a family.
fn role(name: &str) -> &str {
    ["_bucket", "_count", "_sum"].into_iter().find(|it| name.ends_with(it)).unwrap_or("")
}

fn bare(mut name: &str) -> &str {
    while let Some(shorter) = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)) {
        name = shorter;
    }
    name
}

/// A series that was never counted is on no scrape: what is not there now may come, unless the program, or what is
/// there in its place, says otherwise.
pub(super) fn absence(
    scrapes: &[&Scrape],
    name: &str,
    program: Option<&GoProgram>,
) -> Result<Absence, Abstain> {
    let families = || scrapes.iter().flat_map(|scrape| &scrape.families);
    // The family is there, and has other series than that.
    let base = name.strip_suffix(role(name)).unwrap_or(name);
    let other = |family: &&Family| {
        (family.name == name && !family.samples.is_empty())
            || (!role(name).is_empty()
                && family.name == base
                && matches!(family.kind.as_str(), "gauge" | "counter" | "summary"))
    };
    if let Some(family) = families().find(other) {
        let kind = &family.kind;
        let samples: Vec<&str> = match family.samples.is_empty() {
            true => vec![&family.name],
            false => family.samples.iter().map(String::as_str).collect(),
        };
        let article = if kind.starts_with(['a', 'i', 'u']) { "an" } else { "a" };
        return Ok(Absence {
            message: format!(
                "the process has no series {name}: {} is {article} {kind}, whose series are {}",
                family.name,
                samples.join(", ")
            ),
            fix: Some(format!("ask for {}", samples.join(" or "))),
            certain: true,
            of_family: true,
        });
    }
    let near = near(families(), name);
    let proved = program.map(|program| missing(program, name, near));
    let certain = matches!(proved, Some(true));
    match near {
        Some(near) => Ok(Absence {
            message: format!("the process has no series {name}, and has {near}"),
            fix: Some(format!("ask for {near}")),
            certain,
            of_family: false,
        }),
        None if certain => Ok(Absence {
            message: format!(
                "the process has no series {name}, and its name is in no constant of the program"
            ),
            fix: None,
            certain,
            of_family: false,
        }),
        None => Err(Abstain::unknown(
            Reason::NotMeasured,
            format!("whether {name} comes with the first event: it was on no scrape"),
        )),
    }
}

/// The one name that may be meant: another unit or ending of the same measure, or a slip.
fn near<'f>(families: impl Iterator<Item = &'f Family> + Clone, name: &str) -> Option<&'f str> {
    let mut all: Vec<&str> = families
        .clone()
        .flat_map(|family| match family.samples.as_slice() {
            [] => vec![family.name.as_str()],
            samples => samples.iter().map(String::as_str).collect(),
        })
        .filter(|known| role(known) == role(name))
        .collect();
    all.sort_unstable();
    all.dedup();
    let same: Vec<&str> = all.iter().copied().filter(|known| bare(known) == bare(name)).collect();
    match same.as_slice() {
        [only] => Some(only),
        [] => meant(name, all).or_else(|| counted(families, name)),
        _ => meant(name, all),
    }
}

/// The one counter of the same things, where their number is asked for: `http_request_count` is called
/// `http_requests_total`.
fn counted<'f>(families: impl Iterator<Item = &'f Family>, name: &str) -> Option<&'f str> {
    if !matches!(role(name), "_count" | "") {
        return None;
    }
    let things = |name: &str| {
        let words = bare(name).split('_').map(|word| word.trim_end_matches('s').to_owned());
        words.collect::<Vec<_>>()
    };
    let wanted = things(name);
    let counters = families.filter(|family| family.kind == "counter");
    let mut same: Vec<&str> = counters
        .map(|family| family.samples.first().map_or(family.name.as_str(), String::as_str))
        .filter(|known| things(known) == wanted)
        .collect();
    same.sort_unstable();
    same.dedup();
    match same.as_slice() {
        [only] => Some(only),
        _ => None,
    }
}

/// Whether the program can be shown to have no such name: a word of it is nowhere, or it writes its names whole and
/// this one is not among them.
fn missing(program: &GoProgram, name: &str, near: Option<&str>) -> bool {
    if matches!(missing_word(program, name), Ok(Some(_))) {
        return true;
    }
    let written = |name: &str| {
        let bare = name.strip_suffix(role(name)).unwrap_or(name);
        program.text.find(bare)
    };
    near.is_some_and(|near| {
        matches!(written(near), TextPresence::Present(_)) && written(name) == TextPresence::Absent
    })
}
