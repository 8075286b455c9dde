//! The other platforms of images. Each is put in the place of the first and everything is judged
//! again, one after the other, so that no more than one is in memory beside the first. What is found
//! for the first, too, is shown once.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Conclusion, Loaded, Request, finish, load};
use crate::artifact::image::Form;
use crate::case::{Joined, World};
use crate::facts::binary::Binary;
use crate::facts::image::Image;
use crate::facts::origin::Place;
use crate::facts::{Origin, SourceId};
use crate::findings::suppress::Suppression;
use crate::findings::{Finding, NotJudged};
use crate::rules;
use crate::rules::engine::{self, Selection, Verdicts};

/// A platform of an image that is loaded when its turn comes.
#[derive(Clone, Debug)]
pub struct Other {
    /// The image of the first platform.
    pub(super) of: SourceId,
    /// `linux/arm64`
    pub(super) platform: String,
    pub(super) at: At,
}

/// Where an image lies.
#[derive(Clone, Debug)]
pub(super) enum At {
    File(String, Option<Form>),
    /// Its number among the request's images of registries.
    Registry(usize),
}

/// Judges what was loaded with every rule, for each platform of its images.
pub fn judge_platforms(
    loaded: &mut Loaded,
    request: &Request,
    selection: &Selection,
    ignores: &[Suppression],
) -> Conclusion {
    let mut firsts: FxHashMap<SourceId, SourceId> = FxHashMap::default();
    let mut others = Vec::new();
    let (mut images, mut binaries) = (0, 0);
    for other in std::mem::take(&mut loaded.platforms) {
        if request.interrupted.load(Ordering::SeqCst) {
            break;
        }
        let Some(taken) = exchange(loaded, request, &other, &mut firsts) else { continue };
        images += 1;
        binaries += usize::from(taken.brought);
        let joined = Joined::new(&loaded.world);
        let verdicts = engine::judge(&joined, rules::RULES, selection);
        drop(joined);
        taken.put_back(&mut loaded.world);
        others.push((other.platform, verdicts));
    }
    let joined = Joined::new(&loaded.world);
    let verdicts = engine::judge(&joined, rules::RULES, selection);
    let verdicts = merged(verdicts, others, &firsts);
    let mut conclusion = finish(&joined, verdicts, selection, ignores);
    (conclusion.more_images, conclusion.more_binaries) = (images, binaries);
    conclusion
}

/// What stood where another platform's image and program now stand.
struct Taken {
    /// `None` where the first could not be used, and the other stands at the end.
    image: Option<(usize, Image)>,
    /// The first platform's program and its place, which the other one's may have taken.
    binary: Option<(usize, Binary)>,
    /// The other platform has a program, which stands at the end where the first has none.
    brought: bool,
}

/// Loads another platform into the place of the first; `None` when it cannot be used, which is then
/// among the problems.
fn exchange(
    loaded: &mut Loaded,
    request: &Request,
    other: &Other,
    firsts: &mut FxHashMap<SourceId, SourceId>,
) -> Option<Taken> {
    let (image, binary) = load::other(loaded, request, other)?;
    let world = &mut loaded.world;
    let position = world.images.iter().position(|image| image.source == other.of);
    let place = world.binaries.iter().position(|binary| binary.in_image == Some(other.of));
    firsts.insert(image.source, other.of);
    if let (Some(binary), Some(place)) = (&binary, place) {
        firsts.insert(binary.source, world.binaries[place].source);
    }
    let brought = binary.is_some();
    let image = match position {
        Some(at) => Some((at, std::mem::replace(&mut world.images[at], image))),
        None => {
            world.images.push(image);
            None
        }
    };
    let binary = match (binary, place) {
        (Some(binary), Some(at)) => Some((at, std::mem::replace(&mut world.binaries[at], binary))),
        (None, Some(at)) => Some((at, world.binaries.remove(at))),
        (Some(binary), None) => {
            world.binaries.push(binary);
            None
        }
        (None, None) => None,
    };
    Some(Taken { image, binary, brought })
}

impl Taken {
    fn put_back(self, world: &mut World) {
        match self.image {
            Some((at, image)) => world.images[at] = image,
            None => drop(world.images.pop()),
        }
        match (self.binary, self.brought) {
            (Some((at, binary)), true) => world.binaries[at] = binary,
            (Some((at, binary)), false) => world.binaries.insert(at, binary),
            (None, true) => drop(world.binaries.pop()),
            (None, false) => {}
        }
    }
}

/// By what two findings are one: all that is said, and where, but for layers and addresses, which
/// no two platforms have in common.
type Key<'f> = (&'static str, Option<&'static str>, &'f str, &'f str, Vec<(Where<'f>, &'f str)>);

#[derive(PartialEq, Eq, Hash)]
enum Where<'f> {
    Exactly(Cow<'f, Origin>),
    Image(SourceId, &'f str),
    Program(SourceId),
}

fn key<'f>(finding: &'f Finding, firsts: &FxHashMap<SourceId, SourceId>) -> Key<'f> {
    let places = finding.evidence.iter().map(|evidence| {
        let origin = &evidence.origin;
        let source = firsts.get(&origin.source()).copied().unwrap_or(origin.source());
        let place = match origin.place() {
            Place::Image(place) => Where::Image(source, &place.path),
            Place::Binary(_) => Where::Program(source),
            Place::Whole => Where::Exactly(Cow::Owned(Origin::whole(source))),
            Place::Text(_) | Place::Process(_) | Place::Log(_) => {
                Where::Exactly(Cow::Borrowed(origin))
            }
        };
        (place, evidence.note.as_str())
    });
    let variant = finding.variant.map(|variant| variant.name);
    (finding.rule.id, variant, &finding.subject, &finding.message, places.collect())
}

/// Adds what was said of other platforms alone.
fn merged(
    mut first: Verdicts,
    others: Vec<(String, Verdicts)>,
    firsts: &FxHashMap<SourceId, SourceId>,
) -> Verdicts {
    if others.is_empty() {
        return first;
    }
    // What could not be read of any platform is a problem of the run, and said in each judgement.
    let is_of_other = |finding: &Finding| {
        finding.evidence.iter().any(|evidence| firsts.contains_key(&evidence.origin.source()))
    };
    let (of_others, of_first): (Vec<_>, Vec<_>) =
        std::mem::take(&mut first.findings).into_iter().partition(is_of_other);
    first.findings = of_first;
    let mut unjudged: FxHashSet<NotJudged> = first.not_judged.iter().cloned().collect();
    let seen: FxHashSet<Key<'_>> =
        first.findings.iter().map(|finding| key(finding, firsts)).collect();
    let unreadable = of_others.iter().map(|finding| (None, finding));
    let said = others.iter().flat_map(|(platform, verdicts)| {
        verdicts.findings.iter().map(|finding| (Some(platform.as_str()), finding))
    });
    let mut places: FxHashMap<Key<'_>, usize> = FxHashMap::default();
    let mut added: Vec<(Vec<&str>, &Finding)> = Vec::new();
    for (platform, finding) in unreadable.chain(said) {
        let key = key(finding, firsts);
        if seen.contains(&key) {
            continue;
        }
        let place = *places.entry(key).or_insert_with(|| {
            added.push((Vec::new(), finding));
            added.len() - 1
        });
        added[place].0.extend(platform);
    }
    let more: Vec<Finding> = added
        .into_iter()
        .map(|(platforms, finding)| match platforms.as_slice() {
            [] => finding.clone(),
            of => finding.clone().note(format!("of the image for {}", of.join(", "))),
        })
        .collect();
    drop((seen, places));
    first.findings.extend(more);
    for (_, verdicts) in others {
        first.judged += verdicts.judged;
        let new = verdicts.not_judged.into_iter().filter(|item| unjudged.insert(item.clone()));
        first.not_judged.extend(new);
    }
    first.not_judged.sort_by(|a, b| a.rule.cmp(b.rule).then_with(|| a.cmp(b)));
    first
}
