//! Finding and reading `provost.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use provost_check::artifact::config::{self, Loaded};
use provost_check::artifact::{Source, SourceKind, Sources};
use provost_check::facts::origin::SourceId;
use provost_check::facts::settings::Settings;
use provost_check::findings::suppress::Suppression;
use provost_check::report::text::{self, Options};
use provost_check::rules::engine::Override;

use crate::exit::Mistake;
use crate::output;

/// A configuration is some kilobytes; what is larger is not one.
const MOST_BYTES: u64 = 4 << 20;

/// The file in force.
#[derive(Debug)]
pub(crate) struct Found {
    /// As reports show it: relative to the working directory where that is shorter.
    pub(crate) path: String,
    pub(crate) text: Arc<str>,
}

/// What a run names, by which the file in force is found.
#[derive(Debug, Default)]
pub(crate) struct Paths<'a> {
    /// Files and folders, charts and kustomizations.
    pub(crate) manifests: Vec<&'a str>,
    /// Binaries, Dockerfiles and images that belong to them, which may lie elsewhere.
    pub(crate) evidence: Vec<&'a str>,
}

/// What it says.
pub(crate) struct InForce {
    pub(crate) settings: Settings,
    pub(crate) levels: BTreeMap<String, Override>,
    pub(crate) ignores: Vec<Suppression>,
}

/// Today, in UTC: a gate must not answer differently by the time zone of its machine.
pub(crate) fn today() -> Date {
    jiff::Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// The file nearest to what is judged: in or above the manifests, else in or above the rest of the
/// evidence, else in or above the working directory. Whichever path comes first, the answer is the
/// same; two files are a mistake, because the settings of one would be applied to what the other
/// speaks of.
pub(crate) fn find(judged: &Paths<'_>) -> Result<Option<Found>> {
    let above = |paths: &[&str]| {
        let named = paths.iter().filter(|path| **path != "-").map(Path::new);
        named.filter_map(nearest).collect::<Vec<PathBuf>>()
    };
    let mut found = above(&judged.manifests);
    if found.is_empty() {
        found = above(&judged.evidence);
    }
    found.sort();
    let real = |path: &PathBuf| fs::canonicalize(path).ok();
    let Some(first) = found.first() else {
        return nearest(Path::new(".")).map(|path| read(&path)).transpose();
    };
    if let Some(other) = found.iter().find(|other| real(other) != real(first)) {
        let (first, other) = (shown(first), shown(other));
        return Err(Mistake::new(format!("two configurations apply: {first} and {other}"))
            .help("judge what each of them speaks of in a run of its own")
            .into());
    }
    read(first).map(Some)
}

/// What the file in force for a run says as of `date`, and nothing where there is none.
pub(crate) fn in_force(
    judged: &Paths<'_>,
    sources: &mut Sources,
    date: Date,
    color: bool,
) -> Result<InForce> {
    let Some(found) = find(judged)? else {
        return Ok(InForce {
            settings: Settings::at(date),
            levels: BTreeMap::new(),
            ignores: Vec::new(),
        });
    };
    let (_, Loaded { settings, levels, ignores, .. }) = load(&found, sources, date, color)?;
    Ok(InForce { settings, levels, ignores })
}

/// `provost.toml` in `start` or a folder above it.
fn nearest(start: &Path) -> Option<PathBuf> {
    let folder = if start.is_dir() { start } else { start.parent()? };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    // As written first, so that reports show the path as the user would.
    let here = folder.join(config::NAME);
    if here.is_file() {
        return Some(here);
    }
    let absolute = fs::canonicalize(folder).ok()?;
    let above = absolute.ancestors().skip(1).map(|folder| folder.join(config::NAME));
    above.into_iter().find(|path| path.is_file())
}

fn read(path: &Path) -> Result<Found> {
    let shown = shown(path);
    let refuse = |why: String| Mistake::new(format!("cannot read {shown}: {why}"));
    let size = fs::metadata(path).map_err(|error| refuse(error.to_string()))?.len();
    if size > MOST_BYTES {
        return Err(refuse(format!("it has {size} bytes, more than {MOST_BYTES}")).into());
    }
    match fs::read_to_string(path) {
        Ok(text) => Ok(Found { path: shown, text: Arc::from(text) }),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            Err(refuse("it is not UTF-8".to_owned()).into())
        }
        Err(error) => Err(refuse(error.to_string()).into()),
    }
}

/// `../provost.toml` rather than `/home/.../provost.toml` when it lies above.
fn shown(path: &Path) -> String {
    let plain = path.strip_prefix(".").unwrap_or(path);
    if plain.is_relative() {
        return slashes(plain);
    }
    let Some(here) = std::env::current_dir().and_then(fs::canonicalize).ok() else {
        return slashes(plain);
    };
    for (up, folder) in here.ancestors().enumerate().take(4) {
        // Everything lies below the root; that is no shorter way to say it.
        if folder.parent().is_some()
            && let Ok(rest) = plain.strip_prefix(folder)
        {
            return format!("{}{}", "../".repeat(up), slashes(rest));
        }
    }
    slashes(plain)
}

fn slashes(path: &Path) -> String {
    let parts = path.components().map(|part| match part {
        Component::RootDir => String::new(),
        other => other.as_os_str().to_string_lossy().into_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Reads what the file says. What is wrong with it is shown, and nothing is judged: it would be
/// judged by settings that nobody meant.
pub(crate) fn load(
    found: &Found,
    sources: &mut Sources,
    date: Date,
    color: bool,
) -> Result<(SourceId, Loaded)> {
    let source = Source::text(found.path.clone(), SourceKind::Config, found.text.clone());
    let id = sources.add(source);
    let loaded = config::load(id, &found.text, date);
    if loaded.problems.is_empty() {
        return Ok((id, loaded));
    }
    let options = Options { width: output::WIDTH, color, ..Options::default() };
    for problem in &loaded.problems {
        let place = text::evidence(problem.origin.clone(), "");
        let help = problem.help.as_deref();
        let shown = text::render_message(&problem.message, &place, help, sources, options);
        output::complain(&format!("{shown}\n"));
    }
    let n = loaded.problems.len();
    let what = if n == 1 { "a mistake".to_owned() } else { format!("{n} mistakes") };
    Err(Mistake::new(format!("{} has {what}; nothing was judged", found.path)).into())
}
