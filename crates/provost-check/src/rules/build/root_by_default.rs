//! Images whose program is root wherever nobody says otherwise.

use crate::case::BuildCase;
use crate::case::image::{ImageCase, ImageView};
use crate::facts::Origin;
use crate::facts::build::{Build, CommandForm};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names::ImageRef;
use crate::model::ports::{ImageUser, Uid, effective_uid};
use crate::model::published;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const NAME: Variant = Variant::new(
    "user-by-name",
    Level::Note,
    "a user by its name, of which the kubelet cannot tell that it is not root",
);

/// What a manifest makes of it is `root-user`.
pub static RULE: Rule = Rule {
    id: "root-by-default",
    group: Group::Build,
    level: Level::Note,
    strict: Some(Level::Warn),
    title: "an image whose user is root",
    page: include_str!("root-by-default.md"),
    needs: &[Need::Dockerfile],
    variants: &[NAME],
    check: Check::Build(check),
    also: &[Check::Image(image)],
    ..Rule::BASE
};

fn check(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    // With the workload that runs it the whole answer is known.
    if case.cases().next().is_some() {
        return Err(Abstain::NotApplicable);
    }
    let build = case.build;
    let view = case.image();
    if build.config().user.is_none() && build.base_image().is_none() && !on_root(build) {
        return Err(unknown("the user of the base image".to_owned()));
    }
    judge(view, &build.last().origin, "the final stage", out)
}

/// Whether the image that the final stage comes from in the end is known to name no user.
fn on_root(build: &Build) -> bool {
    let root = build.final_chain().last().and_then(|stage| build.stages.get(*stage));
    root.and_then(|stage| ImageRef::parse(&stage.base.value).ok())
        .is_some_and(|image| published::is_root(&image))
}

/// An image that no container of the input runs.
fn image(case: &ImageCase<'_>, out: &mut Findings) -> Judged {
    let start = case.start()?;
    judge(start.image, &case.image.origin, "the image", out)
}

fn unknown(what: String) -> Abstain {
    Abstain::unknown(Reason::BaseImageUnknown, what)
}

/// `place` is what ought to say who the user is.
fn judge(view: ImageView<'_>, place: &Origin, label: &str, out: &mut Findings) -> Judged {
    let config = view.config();
    let command = config.entrypoint.as_ref().or(config.cmd.as_ref());
    if command.is_some_and(|command| drops_root(&command.value)) {
        return Ok(());
    }
    let Some(user) = &config.user else {
        // An image without a command of its own is one to build on, or with.
        let Some(command) = command.filter(|c| !c.inherited) else { return Ok(()) };
        out.push(
            finding("no USER: the program runs as root", place, label)
                .also(&command.origin, "what it runs"),
        );
        return Ok(());
    };
    let text = user.value.value.as_str();
    if text.contains('$') {
        return Err(Abstain::unknown(Reason::Templated, format!("USER {text}")));
    }
    let passwd = |name: &str| view.uid_of(name).or((name == "root").then_some(0));
    match effective_uid(None, Some(&ImageUser::parse(text)), passwd) {
        Uid::Known(0) => {
            let mut finding =
                finding("the last USER is root: so is the program", &user.value.origin, "root");
            // An image does not tell whether it only took this over from its base.
            if !user.inherited && view.image().is_none() {
                finding = finding.level(Level::Warn);
            }
            out.push(finding);
            Ok(())
        }
        // A user that the file adds is hardly ever root.
        Uid::Known(_) | Uid::Name(_) => {
            let name = text.split(':').next().unwrap_or_default();
            if !user.inherited && name.parse::<u32>().is_err() {
                out.push(
                    Finding::new(
                        &RULE,
                        format!(
                            "USER {name} is a name: under runAsNonRoot: true the kubelet refuses it \
                             (`image has non-numeric user`) unless the manifest says a number"
                        ),
                        &user.value.origin,
                        "no number",
                    )
                    .variant(&NAME)
                    .fix(Fix::suggest("write the number that the user has: USER 65532:65532")),
                );
            }
            Ok(())
        }
        Uid::Unknown => Err(unknown("the image's user".to_owned())),
    }
}

/// Whether a command begins as root to go on as somebody else: `gosu app /app`.
fn drops_root(command: &CommandForm) -> bool {
    let words: Vec<&str> = match command {
        CommandForm::Exec(words) => words.iter().map(|word| word.value.as_str()).collect(),
        CommandForm::Shell(text) => text.value.split_whitespace().take(64).collect(),
    };
    let name = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let is_root = |user: &str| matches!(user.split(':').next(), Some("0" | "root" | "") | None);
    let init = |word: &&&str| {
        matches!(name(word).as_str(), "tini" | "dumb-init" | "catatonit" | "exec")
            || word.starts_with('-')
    };
    let mut words = words.iter().skip_while(init);
    match words.next().map(|word| name(word)).as_deref() {
        Some("gosu" | "su-exec") => words.next().is_some_and(|user| !is_root(user)),
        Some("setpriv") => {
            words.any(|word| word.strip_prefix("--reuid=").is_some_and(|user| !is_root(user)))
        }
        _ => false,
    }
}

fn finding(message: &str, place: &Origin, label: &str) -> Finding {
    Finding::new(&RULE, format!("{message}, unless a manifest says otherwise"), place, label).fix(
        Fix::suggest("write USER with a number other than 0 in the final stage: USER 65532:65532"),
    )
}
