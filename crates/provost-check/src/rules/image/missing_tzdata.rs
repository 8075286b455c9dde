//! Time zones by name in an image without them.

use crate::case::image::ImageView;
use crate::case::image_contents::{ZONEINFO, mounted};
use crate::case::{Case, ProgramCase};
use crate::facts::binary::GoProgram;
use crate::facts::program_text::{TextKind, TextOwner};
use crate::facts::{Fact, Origin, symbols};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// LoadLocation fails, and TZ means UTC without a word.
pub static RULE: Rule = Rule {
    id: "missing-tzdata",
    group: Group::Image,
    level: Level::Warn,
    title: "a program that names time zones, in an image without their database",
    page: include_str!("missing-tzdata.md"),
    needs: &[Need::Binary, Need::Dockerfile],
    check: Check::Container(container),
    also: &[Check::Program(program)],
    ..Rule::BASE
};

fn container(case: &Case<'_>, out: &mut Findings) -> Judged {
    let program = case.program()?;
    if embeds(program)? {
        return Ok(());
    }
    let loads = program.links(symbols::LOAD_LOCATION)?;
    let env = case.environment();
    // A variable that is not known may name no zone; what is linked is known.
    let zone = match env.literal("TZ") {
        Ok(zone) => zone.filter(|zone| is_zone(&zone.value)),
        Err(_) if loads.is_some() => None,
        Err(why) => return Err(why),
    };
    if loads.is_none() && zone.is_none() {
        return Err(Abstain::NotApplicable);
    }
    let image = case.image()?;
    if image.supplies(&ZONEINFO)? {
        return Ok(());
    }
    if let Some(mount) = mounted(&ZONEINFO, &case.container.mounts) {
        let what = format!("what the volume {} holds at {}", mount.name.value, mount.path.value);
        return Err(Abstain::unknown(Reason::VolumeUnknown, what));
    }
    if env.get("ZONEINFO")?.is_some() {
        return Ok(());
    }
    let finding = finding(program, image, loads, zone.as_ref());
    out.push(finding.also(case.container_origin(), "runs it"));
    Ok(())
}

/// An image that no container of the input runs.
fn program(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    if case.cases().next().is_some() {
        return Err(Abstain::NotApplicable);
    }
    let program = case.program()?;
    if embeds(program)? {
        return Ok(());
    }
    let loads = program.links(symbols::LOAD_LOCATION)?;
    let image = case.image();
    let set = |name: &str| {
        let env = image.map_or(&[][..], |image| &image.config().env);
        env.iter().rev().find(|(key, _)| key.value == name).map(|(_, value)| value.clone())
    };
    let zone = set("TZ").filter(|zone| is_zone(&zone.value));
    if loads.is_none() && zone.is_none() {
        return Err(Abstain::NotApplicable);
    }
    let image = image
        .ok_or_else(|| Abstain::unknown(Reason::NoDockerfile, "the image the program runs in"))?;
    if image.supplies(&ZONEINFO)? || set("ZONEINFO").is_some() {
        return Ok(());
    }
    out.push(finding(program, image, loads, zone.as_ref()));
    Ok(())
}

/// The database is linked into the program.
fn embeds(program: &GoProgram) -> Result<bool, Abstain> {
    Ok(program.links_any(&[symbols::TZDATA, symbols::TZDATA_INIT])?.is_some())
}

/// A value of TZ for which the database is looked into: not empty, UTC or Local. One with a slash
/// in front is a file.
fn is_zone(value: &str) -> bool {
    let value = value.strip_prefix(':').unwrap_or(value);
    !matches!(value, "" | "UTC" | "Local") && !value.starts_with('/') && !value.contains('$')
}

fn finding(
    program: &GoProgram,
    image: ImageView<'_>,
    loads: Option<&Origin>,
    zone: Option<&Fact<String>>,
) -> Finding {
    let message = match zone {
        Some(zone) => format!(
            "TZ is {}, and the image has no time zones: Go takes UTC for it without a word",
            zone.value
        ),
        None => "the program loads time zones by name, and the image has none: \
                 `unknown time zone` at the first one"
            .to_owned(),
    };
    let mut finding = Finding::new(&RULE, message, &image.origin(), "has no time zones");
    if let Some(loads) = loads {
        finding = finding.also(loads, "links time.LoadLocation");
    }
    let strings = program.text.strings().unwrap_or_default();
    let named = strings
        .iter()
        .find(|s| s.owner == TextOwner::Main && s.kind == TextKind::ZoneName)
        .filter(|_| loads.is_some());
    if let Some(zone) = zone {
        finding = finding.also(&zone.origin, format!("names {}", zone.value));
    }
    if let Some(named) = named {
        finding = finding.also(&named.origin, format!("the string {}", named.text));
    }
    if (zone.is_some() || named.is_some()) && image.is_certain() {
        finding = finding.level(Level::Deny);
    }
    finding.fix(Fix::suggest(
        "link the database: import _ \"time/tzdata\", or build with -tags timetzdata (450 KB); or \
         install tzdata in the image",
    ))
}
