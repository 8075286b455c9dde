//! Volumes that are mounted over what the image has.

use super::Case;
use super::image::ImageView;
use super::image_contents::Supply;
use crate::facts::container::Mount;
use crate::facts::image_files::FileKind;
use crate::facts::workload::{Volume, VolumeItem, VolumeKind};
use crate::findings::{Abstain, Reason};
use crate::model::names::base_name;

/// A volume that lies over what the image has and certainly has not the same.
#[derive(Clone, Debug)]
pub struct Hides<'w> {
    /// Where it is mounted.
    pub mount: &'w Mount,
    /// The volume.
    pub volume: &'w Volume,
    /// Why it has not: `is empty`.
    pub why: String,
    /// It is mounted on the file itself.
    pub on_itself: bool,
}

impl Hides<'_> {
    /// What it does, as a part of a sentence.
    pub fn told(&self, what: &str) -> String {
        let (name, path) = (&self.mount.name.value, &self.mount.path.value);
        format!("the volume {name} at {path} hides the image's {what}")
    }

    /// What to do about it where files of one's own are to be added.
    pub fn elsewhere(&self, what: &str) -> String {
        format!(
            "mount the volume at a path where the image has nothing; where it is to add {what}, mount each \
             file by subPath beside those of the image"
        )
    }
}

impl<'w> Case<'w> {
    /// The volume that hides a file of the image; `None` where none does, or it may have the file itself.
    pub fn hides(&self, path: &str) -> Option<Hides<'w>> {
        let (mount, rest) = self.mount_over(path)?;
        self.hidden_by(mount, Wanted::File(rest))
    }

    fn hidden_by(&self, mount: &'w Mount, wanted: Wanted<'_>) -> Option<Hides<'w>> {
        // A part of a volume may be one file.
        if mount.sub_path.is_some() || mount.sub_path_expr {
            return None;
        }
        let volume = self.pod().volume(&mount.name.value)?;
        let why = lacks(self, mount, &volume.kind, wanted)?;
        Some(Hides { mount, volume, why, on_itself: wanted == Wanted::File("") })
    }

    /// The innermost mount that a path of the image lies under, and the rest of the path.
    fn mount_over<'p>(&self, path: &'p str) -> Option<(&'w Mount, &'p str)> {
        let below = |mount: &Mount| {
            let rest = path.strip_prefix(mount.path.value.trim_end_matches('/'))?;
            (rest.is_empty() || rest.starts_with('/')).then_some(rest.trim_start_matches('/'))
        };
        let mounts = self.container.mounts.iter().filter_map(|mount| Some((mount, below(mount)?)));
        mounts.min_by_key(|(_, rest)| rest.len())
    }

    /// Whether the container may run something else before its program, which may fill a volume first: a shell with
    /// `update-ca-certificates && exec /checkout`, a script of the image. Programs that only start another one do not.
    fn runs_before_the_program(&self) -> bool {
        const STARTERS: [&str; 8] =
            ["tini", "tini-static", "dumb-init", "catatonit", "su-exec", "gosu", "setpriv", "env"];
        if self.container.post_start.is_some() {
            return true;
        }
        let (Ok(line), Ok(binary)) = (self.command_line(), self.binary()) else { return true };
        let own = base_name(&binary.path);
        if line.shell_form {
            return true;
        }
        for (at, word) in line.argv.iter().enumerate() {
            if base_name(&word.value) == own {
                return false;
            }
            // The first word is a program; behind one that starts another come its flags and their values.
            let path = at == 0 || word.value.contains('/');
            if path && !STARTERS.contains(&base_name(&word.value)) {
                return true;
            }
        }
        true
    }

    /// The volume that hides all that the image has of something, where no other mount can bring it; `None` where a place
    /// of it is left, or none is known.
    ///
    /// # Errors
    /// What a volume holds that is mounted there is not known.
    pub fn hides_all(
        &self,
        image: ImageView<'_>,
        supply: &Supply,
    ) -> Result<Option<Hides<'w>>, Abstain> {
        let mut hiding: Option<Hides<'w>> = None;
        for Place { paths, folder } in places(image, supply) {
            let over = paths.iter().find_map(|path| self.mount_over(path));
            let Some((mount, rest)) = over else { return Ok(None) };
            let wanted = if folder { Wanted::Below(rest) } else { Wanted::File(rest) };
            let hides = self.hidden_by(mount, wanted).ok_or_else(|| unknown(mount))?;
            let writable =
                matches!(hides.volume.kind, VolumeKind::EmptyDir { .. }) && !mount.read_only;
            if writable && self.runs_before_the_program() {
                return Err(unknown(mount));
            }
            hiding = hiding.or(Some(hides));
        }
        let Some(hides) = hiding else { return Ok(None) };
        let own = |mount: &&Mount| mount.path.value != hides.mount.path.value;
        match supply.mounts(&self.container.mounts).find(own) {
            Some(other) => Err(unknown(other)),
            None => Ok(Some(hides)),
        }
    }
}

fn unknown(mount: &Mount) -> Abstain {
    let what = format!("what the volume {} holds at {}", mount.name.value, mount.path.value);
    Abstain::unknown(Reason::VolumeUnknown, what)
}

/// What is looked for in a volume, by its path there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted<'p> {
    /// This file.
    File(&'p str),
    /// Any file below this folder; of the volume itself where it is empty.
    Below(&'p str),
}

/// A place where the image has something of a supply.
struct Place {
    /// The paths that lead there: its own, and behind links that of its target.
    paths: Vec<String>,
    /// It is a folder, and counts by what is in it.
    folder: bool,
}

fn places(image: ImageView<'_>, supply: &Supply) -> Vec<Place> {
    let place = |paths, folder| Place { paths, folder };
    let mut all = Vec::new();
    let Some(layers) = image.image() else {
        // What a table says of a base is in the usual place; bases that are not minimal may have it in several.
        if image.base().is_some_and(|base| base.minimal) {
            all.extend(
                supply.usual.map(|path| place(vec![path.to_owned()], supply.dirs.contains(&path))),
            );
        }
        return all;
    };
    for path in supply.files {
        if let Some((at, file)) = layers.files.lookup(path)
            && file.kind == FileKind::File
            && file.size > 0
        {
            all.push(place(vec![(*path).to_owned(), at], false));
        }
    }
    for dir in supply.dirs.iter().filter(|dir| layers.files.is_filled(dir)) {
        let at = layers.files.resolve(dir, true).unwrap_or_else(|| (*dir).to_owned());
        all.push(place(vec![(*dir).to_owned(), at], true));
    }
    all
}

/// Why the volume certainly does not have it.
fn lacks(case: &Case<'_>, mount: &Mount, kind: &VolumeKind, wanted: Wanted<'_>) -> Option<String> {
    let name = mount.name.value.as_str();
    if wanted == Wanted::File("") {
        let folder = matches!(
            kind,
            VolumeKind::EmptyDir { .. }
                | VolumeKind::ConfigMap { .. }
                | VolumeKind::Secret { .. }
                | VolumeKind::Claim(_)
                | VolumeKind::Projected { .. }
        );
        return folder.then(|| "is a folder".to_owned());
    }
    match kind {
        // Who else mounts it may put the file there: an init container that copies it.
        VolumeKind::EmptyDir { .. } => {
            let of = |mounts: &[Mount]| mounts.iter().filter(|it| it.name.value == name).count();
            let all: usize = case.pod().containers.iter().map(|it| of(&it.mounts)).sum();
            (all == 1).then(|| "is empty".to_owned())
        }
        VolumeKind::ConfigMap { name, items, .. } => files(case, "ConfigMap", name, items, wanted),
        VolumeKind::Secret { name, items, .. } => files(case, "Secret", name, items, wanted),
        _ => None,
    }
}

fn files(
    case: &Case<'_>,
    kind: &str,
    name: &str,
    items: &[VolumeItem],
    wanted: Wanted<'_>,
) -> Option<String> {
    let is_it = |path: &str| {
        let found = match wanted {
            Wanted::File(file) => path == file,
            Wanted::Below("") => true,
            Wanted::Below(dir) => path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/')),
        };
        found || path.contains("{{")
    };
    if !items.is_empty() {
        let path = |item: &VolumeItem| item.path.as_ref().map(|path| path.value.clone());
        let paths: Option<Vec<String>> = items.iter().map(path).collect();
        let has = paths?.iter().any(|path| is_it(path));
        return (!has).then(|| "has other files".to_owned());
    }
    let object = case.named_object(kind, name).ok().flatten()?;
    case.of.joined.keys_are_known(object).ok()?;
    let has = object.data_keys().any(|key| is_it(&key.value));
    (!has && object.data_keys().next().is_some()).then(|| format!("{kind} {name} has other files"))
}
