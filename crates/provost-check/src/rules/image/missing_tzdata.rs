//! Time zones by name in an image without them.

use crate::case::hides::Hides;
use crate::case::image::ImageView;
use crate::case::image_contents::ZONEINFO;
use crate::case::{Case, ProgramCase};
use crate::facts::binary::GoProgram;
use crate::facts::program_text::{TextKind, TextOwner};
use crate::facts::{Fact, Origin, symbols};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const HIDDEN: Variant = Variant::new(
    "zones-hidden-by-volume",
    Level::Warn,
    "a program that names time zones, and a volume over the image's database of them",
);

/// LoadLocation fails, and TZ means UTC without a word.
pub static RULE: Rule = Rule {
    id: "missing-tzdata",
    group: Group::Image,
    level: Level::Warn,
    title: "a program that names time zones, in an image without their database",
    page: include_str!("missing-tzdata.md"),
    needs: &[Need::Binary, Need::Dockerfile],
    check: Check::Container(container),
    variants: &[HIDDEN],
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
    let hides = if image.supplies(&ZONEINFO)? {
        match case.hides_all(image, &ZONEINFO)? {
            Some(hides) => Some(hides),
            None => return Ok(()),
        }
    } else if let Some(mount) = ZONEINFO.mounts(&case.container.mounts).next() {
        let what = format!("what the volume {} holds at {}", mount.name.value, mount.path.value);
        return Err(Abstain::unknown(Reason::VolumeUnknown, what));
    } else {
        None
    };
    if env.get("ZONEINFO")?.is_some() {
        return Ok(());
    }
    if hides.is_some() {
        case.of.pod_unpatched(&["volumes", "initContainers", "containers/volumeMounts"])?;
    }
    let finding = finding(program, image, loads, zone.as_ref(), hides.as_ref());
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
    out.push(finding(program, image, loads, zone.as_ref(), None));
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
    hides: Option<&Hides<'_>>,
) -> Finding {
    let none = if zone.is_some() { "the image has no time zones" } else { "the image has none" };
    let gone = hides.map_or(none.to_owned(), |hides| hides.told("time zones"));
    let message = match zone {
        Some(zone) => {
            format!("TZ is {}, and {gone}: Go takes UTC for it without a word", zone.value)
        }
        None => format!(
            "the program loads time zones by name, and {gone}: `unknown time zone` at the first one"
        ),
    };
    let mut finding = match hides {
        Some(hides) => {
            Finding::new(&RULE, message, &hides.mount.path.origin, "hides what the image has here")
                .variant(&HIDDEN)
                .also(&hides.volume.origin, hides.why.clone())
        }
        None => Finding::new(&RULE, message, &image.origin(), "has no time zones"),
    };
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
    if let Some(hides) = hides {
        return finding.fix(Fix::suggest(hides.elsewhere("zones")));
    }
    finding.fix(Fix::suggest(
        "link the database: import _ \"time/tzdata\", or build with -tags timetzdata (450 KB); or \
         install tzdata in the image",
    ))
}
