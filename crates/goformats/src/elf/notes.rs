//! Build identities in note sections.

use std::borrow::Cow;

use object::elf;

use super::Elf;
use crate::cursor::Cursor;
use crate::limits::Limits;
use crate::problem::Problems;

/// Identities that linkers write into notes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildIds<'a> {
    /// Go's build id: `actionID/…/contentID` (`cmd/link`, note `Go`, type 4).
    pub go: Option<Cow<'a, str>>,
    /// The GNU build id: bytes shown as hexadecimal (note `GNU`, type 3). Go 1.24 and later write one by default.
    pub gnu: Option<&'a [u8]>,
}

pub(super) fn read<'a>(elf: &Elf<'a>, limits: &Limits, problems: &mut Problems) -> BuildIds<'a> {
    // Programs have note segments; object files only note sections.
    let segments = elf
        .segments
        .iter()
        .filter(|s| s.kind == elf::PT_NOTE.0)
        .map(|s| (s.offset, s.file_size, s.align));
    let sections =
        elf.sections.iter().filter(|s| s.kind == elf::SHT_NOTE.0).map(|s| (s.offset, s.size, 4));
    let mut ids = BuildIds::default();
    let mut left = limits.dynamic_entries;
    for (offset, size, align) in segments.chain(sections) {
        let Ok(bytes) = elf.cursor(elf.bytes()).at(offset).take(size) else {
            problems.push("a note lies outside the file", offset.min(elf.bytes().len() as u64));
            continue;
        };
        let mut cursor = elf.cursor(bytes);
        while let Some((name, kind, content)) = note(&mut cursor, align) {
            if left == 0 {
                problems.push("too many notes", offset);
                return ids;
            }
            left -= 1;
            match (name, kind) {
                (b"Go\0\0", 4) => ids.go = Some(String::from_utf8_lossy(content)),
                (b"GNU\0", 3) => ids.gnu = Some(content),
                _ => {}
            }
        }
    }
    ids
}

/// One note: name, type, content. Both are padded to 4 bytes, or to 8 in segments aligned so.
fn note<'a>(cursor: &mut Cursor<'a>, align: u64) -> Option<(&'a [u8], u32, &'a [u8])> {
    let name_size = cursor.u32().ok()?;
    let content_size = cursor.u32().ok()?;
    let kind = cursor.u32().ok()?;
    let name = cursor.take(name_size.into()).ok()?;
    pad(cursor, align);
    let content = cursor.take(content_size.into()).ok()?;
    pad(cursor, align);
    Some((name, kind, content))
}

fn pad(cursor: &mut Cursor<'_>, align: u64) {
    let align = if align == 8 { 8 } else { 4 };
    let excess = cursor.position() as u64 % align;
    if excess != 0 {
        // The last note of a section may lack its padding.
        let _ = cursor.take((align - excess).min(cursor.rest().len() as u64));
    }
}
