//! A file of a ConfigMap or Secret volume that the volume does not have.
//!
//! Source: `MakePayload` in pkg/volume/configmap and pkg/volume/secret of Kubernetes 1.37: the files of
//! such a volume are the keys of its object, or the paths of `items`, and nothing can add to them.

use crate::case::Case;
use crate::facts::workload::{EnvValue, Mount, VolumeItem, VolumeKind};
use crate::facts::{Fact, Object, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The program is told a path that does not exist.
pub static RULE: Rule = Rule {
    id: "file-not-in-volume",
    group: Group::Config,
    level: Level::Warn,
    title: "a path in a volume of a ConfigMap or Secret that has no such file",
    page: include_str!("file-not-in-volume.md"),
    needs: &[Need::Manifest],
    check: Check::Container(check),
    ..Rule::BASE
};

/// Words and variables of one container that are looked at.
const WORDS: usize = 256;

/// Keys of one object that are compared with a name.
const MOST_COMPARED: usize = 256;

/// A path that the program is told.
struct Told<'w> {
    text: &'w Fact<String>,
    path: &'w str,
    /// In a variable: it may be one that the program takes where it is there.
    variable: bool,
}

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let told = told(case);
    if told.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    for told in told {
        if let Err(unknown) = judge(case, &told, out) {
            out.abstain(unknown);
        }
    }
    Ok(())
}

/// Paths below volumes of ConfigMaps and Secrets, in arguments and in variables.
fn told<'w>(case: &Case<'w>) -> Vec<Told<'w>> {
    let container = case.container;
    let words = [&container.command, &container.args].into_iter().flatten().flatten();
    let words = words.take(WORDS).map(|text| {
        let value = text.value.as_str();
        // `--config=/etc/app/config.yaml`, or the path alone.
        let path = match value.split_once('=') {
            Some((name, path)) if name.starts_with('-') => path,
            _ => value,
        };
        Told { text, path, variable: false }
    });
    let variables = container.env.iter().take(WORDS).filter_map(|entry| match &entry.value {
        EnvValue::Literal(text) => Some(Told { text, path: &text.value, variable: true }),
        _ => None,
    });
    let all = words.chain(variables).filter(|told| is_plain(told.path));
    all.filter(|told| mount(case, told.path).is_some()).collect()
}

/// Whether a text is the path of one file, and nothing else.
fn is_plain(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    // `..data` is how the kubelet swaps all files at once.
    path.starts_with('/')
        && !path.ends_with('/')
        && path.chars().all(plain)
        && !path.contains("//")
        && !path.split('/').any(|part| part.starts_with(".."))
}

/// The mount that a path lies below, and the rest of the path; the innermost mount has the file.
fn mount<'w, 'p>(case: &Case<'w>, path: &'p str) -> Option<(&'w Mount, &'p str)> {
    let below = |mount: &Mount| {
        let folder = mount.path.value.trim_end_matches('/');
        let rest = path.strip_prefix(folder)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest.trim_start_matches('/'))
    };
    let mounts = case.container.mounts.iter().filter_map(|mount| Some((mount, below(mount)?)));
    let (mount, rest) = mounts.min_by_key(|(_, rest)| rest.len())?;
    // A file that is mounted alone, or a part of the volume.
    if rest.is_empty() || mount.sub_path.is_some() {
        return None;
    }
    let volume = case.pod().volume(&mount.name.value)?;
    let of_object = matches!(
        volume.kind,
        VolumeKind::ConfigMap { optional: false, .. } | VolumeKind::Secret { optional: false, .. }
    );
    of_object.then_some((mount, rest))
}

/// What a volume holds.
struct Files<'w> {
    names: Vec<(&'w str, &'w Origin)>,
    /// Where to look when none is near.
    place: Origin,
    what: String,
}

fn judge(case: &Case<'_>, told: &Told<'_>, out: &mut Findings) -> Judged {
    let Some((mount, file)) = mount(case, told.path) else { return Ok(()) };
    let Some(volume) = case.pod().volume(&mount.name.value) else { return Ok(()) };
    let (kind, name, items) = match &volume.kind {
        VolumeKind::ConfigMap { name, items, .. } => ("ConfigMap", name, items),
        VolumeKind::Secret { name, items, .. } => ("Secret", name, items),
        _ => return Ok(()),
    };
    let files = match items.as_slice() {
        [] => files_of(case, kind, name)?,
        items => files_of_items(items, &volume.origin, &mount.name.value)?,
    };
    let there = |known: &str| {
        known == file
            // A folder, of which `items` can make some.
            || known.strip_prefix(file).is_some_and(|rest| rest.starts_with('/'))
    };
    if files.names.iter().any(|(known, _)| there(known)) {
        return Ok(());
    }
    let known = || files.names.iter().take(MOST_COMPARED).map(|(known, _)| *known);
    let near = match told.variable {
        true => names::meant(file, known()),
        false => names::nearest(file, known(), 3),
    };
    if told.variable && near.is_none() {
        return Ok(());
    }
    let message = format!("{} does not exist: {} has no file {file}", told.path, files.what);
    let at = told.text.value.len() - told.path.len();
    let text = &told.text.value;
    let origin = case.world().part(&told.text.origin, text, at..text.len());
    let mut finding = Finding::new(&RULE, message, &origin, "no such file")
        .also(&mount.path.origin, format!("{} is mounted here", files.what));
    let place = near.and_then(|near| files.names.iter().find(|(known, _)| *known == near));
    finding = match place {
        Some((known, place)) => {
            let right = format!("{}{known}", &text[..text.len() - file.len()]);
            let fix = Fix::suggest(format!("did you mean {known}?"));
            let fix = case.world().rewrite(fix, &told.text.origin, text, &right);
            finding.also(place, format!("{known} is there")).fix(fix)
        }
        None => {
            let label = match files.names.as_slice() {
                [(only, _)] => format!("has {only} alone"),
                all => format!("has {} other files", all.len()),
            };
            finding.also(&files.place, label)
        }
    };
    out.push(finding);
    Ok(())
}

fn files_of_items<'w>(
    items: &'w [VolumeItem],
    volume: &Origin,
    name: &str,
) -> Result<Files<'w>, Abstain> {
    let path = |item: &'w VolumeItem| {
        let path = item.path.as_ref().filter(|path| !path.value.contains("{{"));
        path.map(|path| (path.value.as_str(), &path.origin))
    };
    let names: Option<Vec<_>> = items.iter().map(path).collect();
    let unknown = || Abstain::unknown(Reason::Malformed, format!("the items of volume {name}"));
    let what = format!("volume {name}");
    Ok(Files { names: names.ok_or_else(unknown)?, place: volume.clone(), what })
}

fn files_of<'w>(case: &Case<'w>, kind: &str, name: &str) -> Result<Files<'w>, Abstain> {
    let what = format!("{kind} {name}");
    let unknown = |reason| Abstain::unknown(reason, format!("the keys of {what}"));
    let object: &'w Object =
        case.named_object(kind, name)?.ok_or_else(|| unknown(Reason::ObjectNotInInput))?;
    case.of.joined.keys_are_known(object)?;
    let names: Vec<_> = object.data_keys().map(|key| (key.value.as_str(), &key.origin)).collect();
    if names.iter().any(|(key, _)| key.contains("{{")) {
        return Err(unknown(Reason::Templated));
    }
    // Operators put bundles of certificates into what asks for them by a label, and fill what is empty.
    let labels = object.meta.labels.iter().chain(object.meta.annotations.iter());
    if names.is_empty() || labels.into_iter().any(|(key, _)| key.contains("inject")) {
        return Err(unknown(Reason::ExternalController));
    }
    Ok(Files { names, place: object.origin(), what })
}
