//! Processes that may get more rights than their parent.

use crate::case::Case;
use crate::case::image::ImageCase;
use crate::facts::image_files::FileKind;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const SET_UID: Variant = Variant::new(
    "setuid-file",
    Level::Note,
    "files of the image give a process their owner's rights",
)
.strict(Level::Warn);

/// Without no_new_privs a set-uid file makes its user root.
pub static RULE: Rule = Rule {
    id: "privilege-escalation-allowed",
    group: Group::Security,
    level: Level::Warn,
    title: "allowPrivilegeEscalation is not false",
    page: include_str!("privilege-escalation-allowed.md"),
    needs: &[Need::Manifest],
    after: &["privileged-container"],
    variants: &[SET_UID],
    judges_hooks: true,
    lacks: &["containers/securityContext"],
    check: Check::Container(check),
    also: &[Check::Image(set_uid)],
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.confinable()?;
    let security = case.security();
    // Both force it to true.
    if case.is_privileged() || case.adds_capability("SYS_ADMIN") {
        return Err(Abstain::NotApplicable);
    }
    let escalation = security.allow_privilege_escalation.as_ref();
    if escalation.is_some_and(|fact| !fact.value) {
        return Ok(());
    }
    let message = "allowPrivilegeEscalation is not false: a set-uid file, or one with \
                   capabilities, gives a process more rights than the program has";
    let place = escalation.map_or(&case.container.origin, |fact| &fact.origin);
    let label = if escalation.is_some() { "allows it" } else { "leaves it at the default, true" };
    let finding = Finding::new(&RULE, message, place, label);
    let title = "set securityContext.allowPrivilegeEscalation: false";
    let not_root = security.run_as_user.as_ref().is_some_and(|user| user.value > 0);
    out.push(finding.fix(match escalation {
        Some(fact) if not_root => Fix::safe(title).replace(&fact.origin, "false"),
        Some(fact) => Fix::suggest(title).replace(&fact.origin, "false"),
        None => Fix::suggest(title),
    }));
    Ok(())
}

/// Set-uid files of an image, unless no container that runs it lets them have their way.
fn set_uid(case: &ImageCase<'_>, out: &mut Findings) -> Judged {
    let image = case.image;
    let mut runs = case.cases().peekable();
    let forbids = |case: Case<'_>| {
        let allowed = case.security().allow_privilege_escalation;
        allowed.is_some_and(|allowed| !allowed.value)
    };
    if runs.peek().is_some() && runs.all(forbids) {
        return Ok(());
    }
    let is_set_uid = |mode: u32| mode & 0o4000 != 0 && mode & 0o111 != 0;
    let files: Vec<(&str, u32)> = image
        .files
        .iter()
        .filter(|(_, file)| file.kind == FileKind::File && is_set_uid(file.mode))
        .map(|(path, file)| (path, file.uid))
        .collect();
    let Some((first, owner)) = files.first() else { return Ok(()) };
    let more = match files.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{first}{more} of the image set the uid: whoever may execute them gets their owner's \
             rights, unless allowPrivilegeEscalation is false"
        ),
        &image.file(first),
        format!("runs as uid {owner}"),
    )
    .variant(&RULE.variants[0]);
    for (path, owner) in files.iter().skip(1).take(4) {
        finding = finding.also(&image.file(path), format!("runs as uid {owner}"));
    }
    out.push(finding.fix(Fix::suggest(
        "use a base without them (distroless), take the bit away (chmod u-s), or set \
         allowPrivilegeEscalation: false",
    )));
    Ok(())
}
