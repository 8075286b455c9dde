//! A program larger than the team has decided.

use crate::case::ProgramCase;
use crate::case::binding::program_name;
use crate::case::image::ImageCase;
use crate::facts::settings::FormerProgram;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::Bytes;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const DUPLICATE: Variant = Variant::new(
    "duplicate-binary-layer",
    Level::Note,
    "two layers of the image hold the program's bytes",
);

const IMAGE: Variant = Variant::new(
    "image-over-size-budget",
    Level::Warn,
    "an image above the size budget in provost.toml",
);

const GROWN: Variant = Variant::new(
    "grown-since-baseline",
    Level::Warn,
    "a program that has grown by more than a fifth since the baseline was written",
);

/// Silent without a budget: no size is right for all.
pub static RULE: Rule = Rule {
    id: "binary-over-size-budget",
    group: Group::Binary,
    level: Level::Warn,
    title: "a program above the size budget in provost.toml",
    page: include_str!("binary-over-size-budget.md"),
    needs: &[Need::Binary],
    variants: &[DUPLICATE, IMAGE, GROWN],
    check: Check::Program(check),
    also: &[Check::Program(grown), Check::Image(duplicate), Check::Image(image)],
    ..Rule::BASE
};

fn check(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    let settings = &case.world().settings;
    let budget = settings.binary_size_budget.as_ref().ok_or(Abstain::NotApplicable)?;
    let size = case.binary.size;
    if size <= budget.value {
        return Ok(());
    }
    let shown = |bytes: u64| Bytes(bytes).to_string();
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the program has {}, {} more than its budget",
            shown(size),
            shown(size - budget.value)
        ),
        &case.binary.origin(),
        shown(size),
    )
    .also(&budget.origin, "the budget");
    let dwarf = case.binary.dwarf_size;
    let fix = match dwarf {
        0 => Fix::suggest(
            "look for what is linked in: go version -m, and go tool nm -size -sort size",
        ),
        saved => Fix::suggest(format!(
            "build with -ldflags=-w: debug information is {} of it",
            shown(saved)
        )),
    };
    finding = finding.fix(fix);
    out.push(finding);
    Ok(())
}

/// Percent of its former size by which a program may grow without a word.
const GROWTH: u64 = 20;

/// The size against that of the program of the same main package and machine in the baseline.
fn grown(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    let binary = case.binary;
    let known = &case.world().settings.former_programs;
    let arch = binary.machine.as_ref().map_or("", |machine| machine.value.as_str());
    let is_it = |it: &&FormerProgram| it.program == program_name(binary) && it.arch == arch;
    let former = &known.iter().find(is_it).ok_or(Abstain::NotApplicable)?.size;
    let more = binary.size.saturating_sub(former.value);
    // In parts of a hundred; sizes are those of files.
    if u128::from(more) * 100 <= u128::from(former.value) * u128::from(GROWTH) {
        return Ok(());
    }
    let shown = |bytes: u64| Bytes(bytes).to_string();
    let percent = u128::from(more) * 100 / u128::from(former.value.max(1));
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the program has {}, and had {} when the baseline was written: {percent} % more",
            shown(binary.size),
            shown(former.value)
        ),
        &binary.origin(),
        shown(binary.size),
    )
    .variant(&RULE.variants[2])
    .also(&former.origin, format!("knows it with {}", shown(former.value)));
    if binary.dwarf_size > 0 {
        finding = finding.note(format!(
            "debug information is {} of it: a build with -ldflags=-w has none",
            shown(binary.dwarf_size)
        ));
    }
    out.push(finding.fix(Fix::suggest(
        "look for what is new in go version -m; where it is meant, write the baseline again",
    )));
    Ok(())
}

/// A change of mode or owner, or a copy, in a step of its own: the layer has the whole file again.
fn duplicate(case: &ImageCase<'_>, out: &mut Findings) -> Judged {
    let image = case.image;
    let (layer, path) = image.program_copy.as_ref().ok_or(Abstain::NotApplicable)?;
    let binary = case.binary().ok_or(Abstain::NotApplicable)?;
    let inside = binary.path.strip_prefix(&format!("{}:", image.path)).unwrap_or(&binary.path);
    let (at, file) = image.files.lookup(inside).ok_or(Abstain::NotApplicable)?;
    let number = |layer: u32| layer.saturating_add(1);
    out.push(
        Finding::new(
            &RULE,
            format!(
                "layer {} holds the program a second time, as layer {} has it already: {} more to \
                 pull and to keep",
                number(file.layer),
                number(*layer),
                Bytes(binary.size)
            ),
            &image.file(&at),
            format!("again, in layer {}", number(file.layer)),
        )
        .variant(&RULE.variants[0])
        .also(&image.in_layer(*layer, path), format!("the same bytes in layer {}", number(*layer)))
        .fix(Fix::suggest("set mode and owner as it is copied: COPY --chmod=0755 --chown=65532")),
    );
    Ok(())
}

/// What a node pulls: the layers as they are stored.
fn image(case: &ImageCase<'_>, out: &mut Findings) -> Judged {
    let image = case.image;
    let budget = case.world().settings.image_size_budget.as_ref().ok_or(Abstain::NotApplicable)?;
    let size = image.layers.iter().fold(0u64, |sum, layer| sum.saturating_add(layer.size));
    if size <= budget.value {
        return Ok(());
    }
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the image has {}, {} more than its budget",
            Bytes(size),
            Bytes(size - budget.value)
        ),
        &image.origin,
        Bytes(size).to_string(),
    )
    .variant(&RULE.variants[1])
    .also(&budget.origin, "the budget");
    let largest = image.layers.iter().zip(1..).max_by_key(|(layer, _)| layer.size);
    if let Some((layer, number)) = largest.filter(|_| image.layers.len() > 1) {
        finding = finding.note(format!("layer {number} is the largest: {}", Bytes(layer.size)));
    }
    out.push(finding.fix(Fix::suggest("start from a smaller base, and copy the program alone")));
    Ok(())
}
