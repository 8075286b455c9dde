//! Keys and passwords that everybody with the image has.

use crate::case::ProgramCase;
use crate::case::image::{ImageCase, unread};
use crate::facts::program_text::{ProgramString, TextKind};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::secret::is_private_key;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const EMBEDDED: Variant =
    Variant::new("embedded-private-key", Level::Deny, "a private key is a constant of the program");

/// Whoever can pull the image can read it.
pub static RULE: Rule = Rule {
    id: "secret-file-in-image",
    group: Group::Image,
    level: Level::Deny,
    title: "a layer of the image holds a private key, a password or a token",
    page: include_str!("secret-file-in-image.md"),
    needs: &[Need::Image],
    variants: &[EMBEDDED],
    check: Check::Image(check),
    also: &[Check::Program(embedded)],
    ..Rule::BASE
};

fn check(case: &ImageCase<'_>, out: &mut Findings) -> Judged {
    let image = case.image;
    for secret in &image.secrets {
        let number = |layer: u32| layer.saturating_add(1);
        let place = image.in_layer(secret.layer, &secret.path);
        let finding = match secret.hidden_by {
            None => Finding::new(
                &RULE,
                format!(
                    "{} holds {}: whoever can pull the image can read it",
                    secret.path, secret.what
                ),
                &place,
                format!("in layer {}", number(secret.layer)),
            ),
            Some(by) => Finding::new(
                &RULE,
                format!(
                    "{} holds {}: layer {} takes it away, and it is still in layer {} for whoever \
                     can pull the image",
                    secret.path,
                    secret.what,
                    number(by),
                    number(secret.layer)
                ),
                &place,
                format!("in layer {}", number(secret.layer)),
            )
            .also(&image.in_layer(by, &secret.path), format!("layer {} only hides it", number(by))),
        };
        out.push(finding.fix(Fix::suggest(
            "give it to the container when it runs (a Secret), or to the build alone (RUN \
             --mount=type=secret); then replace it: it is known",
        )));
    }
    if image.complete {
        Ok(())
    } else {
        Err(Abstain::unknown(unread(image), format!("all files of {}", image.path)))
    }
}

fn embedded(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    let program = case.program()?;
    let strings = program.text.strings();
    let strings = strings.map_err(|why| Abstain::unknown(Reason::StringsUnreadable, why))?;
    let is_key = |s: &&ProgramString| s.kind == TextKind::Pem && is_private_key(&s.text);
    for key in strings.iter().filter(is_key).take(4) {
        let by = key.function.as_ref().map_or(String::new(), |f| format!(", used in {f}"));
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "a private key is a constant of the program{by}: whoever has the program has \
                     the key"
                ),
                &key.origin,
                "a whole PEM block",
            )
            .variant(&RULE.variants[0])
            .fix(Fix::suggest("read it from a file that a Secret mounts; then replace it")),
        );
    }
    Ok(())
}
