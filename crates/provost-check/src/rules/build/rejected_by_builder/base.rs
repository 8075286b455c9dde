//! Base images whose name is none: BuildKit parses it before it asks any registry.

use super::RULE;
use crate::facts::build::{Build, may_be_given};
use crate::findings::{Finding, Level};
use crate::model::names::ImageRef;
use crate::rules::input::malformed_image_reference::{is_open, wrong};
use crate::rules::rule::Findings;

pub(super) fn check(build: &Build, reached: &[bool], out: &mut Findings) {
    for (index, stage) in build.stages.iter().enumerate() {
        let base = &stage.base;
        let text = base.value.as_str();
        // What an argument alone says is told as that (`floating-build-input`).
        if stage.parent.is_some() || text == "scratch" || text.contains('$') {
            continue;
        }
        let given = !base.is_written() || may_be_given(base) && !text.is_empty();
        let (why, fix) = if text.is_empty() {
            ("is empty", None)
        } else if is_id(text) {
            ("is the id of an image, which no registry has", None)
        } else if is_open(text) || ImageRef::parse(text).is_ok() {
            continue;
        } else {
            let Some(found) = wrong(text) else { continue };
            found
        };
        let message = match (given, text.is_empty()) {
            (false, true) => "FROM names no image".to_owned(),
            (false, false) => format!("{text} is no name of an image: the build stops"),
            (true, true) => {
                "without a --build-arg no image is named here: the build stops".to_owned()
            }
            (true, false) => {
                format!("without a --build-arg this is {text}, which is no name of an image")
            }
        };
        let mut finding = Finding::new(&RULE, message, &base.origin, why);
        if given {
            finding = finding.level(Level::Note);
        } else if reached.get(index) != Some(&true) {
            // A stage that the image does not need is not built at all.
            finding = finding.level(Level::Warn);
        }
        out.push(match fix {
            Some(fix) => finding.fix(fix),
            None => finding,
        });
    }
}

/// 64 hexadecimal digits: `reference.ParseNormalizedNamed` takes them for an identifier.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
