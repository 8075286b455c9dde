//! A USER by a name that the image's passwd file does not have.

use crate::case::image::{ImageCase, ImageView, unread};
use crate::case::start::Start;
use crate::case::{BuildCase, Case};
use crate::facts::Origin;
use crate::facts::build::{Build, CommandForm};
use crate::facts::build_files::Presence;
use crate::facts::image::Image;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names;
use crate::model::ports::ImageUser;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The container runtime refuses to start it.
pub static RULE: Rule = Rule {
    id: "unknown-image-user",
    group: Group::Image,
    level: Level::Deny,
    title: "a USER by a name that the image's passwd file does not have",
    page: include_str!("unknown-image-user.md"),
    needs: &[Need::Dockerfile],
    check: Check::Container(check),
    also: &[Check::Image(image), Check::Build(build)],
    ..Rule::BASE
};

/// Bytes of a passwd or group file that are read.
const LARGEST: u64 = 1 << 20;

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let start = case.start()?;
    // A number of the manifest takes the place of the name.
    if case.security().run_as_user.is_some() {
        return Err(Abstain::NotApplicable);
    }
    judge(&start, out)
}

fn image(case: &ImageCase<'_>, out: &mut Findings) -> Judged {
    judge(&case.start()?, out)
}

fn build(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    judge(&case.start()?, out)
}

fn judge(start: &Start<'_>, out: &mut Findings) -> Judged {
    let view = start.image;
    let user = view.config().user.as_ref().ok_or(Abstain::NotApplicable)?;
    let text = user.value.value.as_str();
    if text.contains('$') {
        return Err(Abstain::unknown(Reason::Templated, format!("USER {text}")));
    }
    // Whoever builds on an image has its user; that one is told where it is set.
    if user.inherited && view.image().is_none() {
        return Err(Abstain::NotApplicable);
    }
    let parsed = ImageUser::parse(text);
    let named = |name: &str| !name.is_empty() && name.parse::<u32>().is_err();
    let mut found = None;
    if named(&parsed.user) && !knows(start, view, Kind::User, &parsed.user)? {
        found = Some((Kind::User, parsed.user.as_str()));
    }
    // The kubelet hands on the user alone; `docker run` asks for the group, too.
    let group = parsed.group.as_deref().filter(|_| start.by.is_none());
    if let Some(group) = group.filter(|group| found.is_none() && named(group))
        && !knows(start, view, Kind::Group, group)?
    {
        found = Some((Kind::Group, group));
    }
    let Some((kind, name)) = found else { return Ok(()) };
    if let Some(case) = &start.by {
        case.of.pod_unpatched(&["securityContext", "containers/securityContext"])?;
    }
    let (what, file) = (kind.what(), kind.file());
    let (place, label) = evidence(view, file);
    let mut finding = Finding::new(
        &RULE,
        format!(
            "USER {text}: the image has no {what} {name}, and a container of it cannot start (`unable to find \
             {what} {name}: no matching entries in {} file`)",
            kind.name()
        ),
        &user.value.origin,
        "by a name",
    )
    .also(&place, label);
    finding = start.also_container(finding, "runs as the image says");
    let known: Vec<&str> = match (view.image(), kind) {
        (Some(image), Kind::User) => image.users.iter().map(|(name, ..)| name.as_str()).collect(),
        (Some(image), Kind::Group) => image.groups.iter().map(|g| g.name.as_str()).collect(),
        (None, _) => Vec::new(),
    };
    let fix = match names::nearest(name, known, 2) {
        Some(near) => format!("did you mean {near}?"),
        None => {
            format!("write a number, which needs no entry (USER 65532), or add {name} to {file}")
        }
    };
    out.push(finding.fix(Fix::suggest(fix)));
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Group,
}

impl Kind {
    fn what(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Group => "group",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::User => "passwd",
            Kind::Group => "group",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Kind::User => "/etc/passwd",
            Kind::Group => "/etc/group",
        }
    }
}

/// Whether the image's file has the name.
///
/// # Errors
/// The file was not read whole, or steps of the Dockerfile may write it.
fn knows(start: &Start<'_>, view: ImageView<'_>, kind: Kind, name: &str) -> Result<bool, Abstain> {
    let file = kind.file();
    start.not_mounted_over(file)?;
    let unknown = |reason| Abstain::unknown(reason, format!("whether {file} has {name}"));
    if let Some(image) = view.image() {
        let has = match kind {
            Kind::User => image.uid_of(name).is_some(),
            Kind::Group => image.gid_of(name).is_some(),
        };
        if has || (image.complete && was_read(image, file)) {
            return Ok(has);
        }
        return Err(unknown(unread(image)));
    }
    if kind == Kind::User && view.uid_of(name).is_some()
        || view.build().is_some_and(|it| makes(it, name))
    {
        return Ok(true);
    }
    match view.presence(file) {
        // Nothing of scratch has it, and nothing brings it.
        Presence::Impossible => Ok(false),
        _ if view.base().is_none() => Err(unknown(Reason::BaseImageUnknown)),
        _ => Err(unknown(Reason::NoImage)),
    }
}

/// Whether a RUN of the final image names it, as `adduser` is given it.
fn makes(build: &Build, name: &str) -> bool {
    let chain = build.final_chain();
    let part = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let names = |text: &str| text.split(part).any(|word| word == name);
    build.runs.iter().filter(|run| chain.contains(&run.stage)).any(|run| match &run.command {
        CommandForm::Shell(text) => names(&text.value),
        CommandForm::Exec(words) => words.iter().any(|word| names(&word.value)),
    })
}

/// Whether the entries of a file are all known; those of one that is not there are.
fn was_read(image: &Image, file: &str) -> bool {
    let Some((_, entry)) = image.files.lookup(file) else { return true };
    let inside = entry.content.1.trim_start_matches(['.', '/']);
    entry.size <= LARGEST && inside == file.trim_start_matches('/')
}

fn evidence(view: ImageView<'_>, file: &str) -> (Origin, String) {
    match view.image() {
        Some(image) if image.files.exists(file) => {
            (image.file(file), "has no such entry".to_owned())
        }
        _ => (view.origin(), format!("has no {file}")),
    }
}
