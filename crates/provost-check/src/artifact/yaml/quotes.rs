//! `\\'` in double quotes: go-yaml, by which kubectl, Helm, kustomize and the API server read YAML, takes it for an
//! apostrophe (`yaml_parser_scan_flow_scalar` of scannerc.go in v2 and v3), YAML 1.2 and the parser here do not.
//!
//! Where the parser gives a scalar up, a letter of as many bytes stands in for the two, so that every place stays
//! what it is, and is an apostrophe again in the value.

use std::borrow::Cow;

/// Bytes that are read again for the sake of them.
pub(super) const REREAD: usize = 64 << 20;

/// U+05FF, two bytes of UTF-8: no letter has that number, and none is planned.
pub(super) const LETTER: char = '\u{5FF}';

/// The text with the letter for each `\\'` of the double-quoted scalars that begin at `starts`; `None` where there is
/// none.
pub(super) fn stand_in(text: &str, starts: &[usize]) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let mut letter = [0; 2];
    let encoded = LETTER.encode_utf8(&mut letter).as_bytes().to_vec();
    let mut any = false;
    for start in starts {
        if bytes.get(*start) != Some(&b'"') {
            continue;
        }
        let mut at = start + 1;
        while let Some(byte) = bytes.get(at) {
            match (byte, bytes.get(at + 1)) {
                (b'"', _) => break,
                (b'\\', Some(b'\'')) => {
                    bytes[at..at + 2].copy_from_slice(&encoded);
                    any = true;
                    at += 2;
                }
                (b'\\', _) => at += 2,
                _ => at += 1,
            }
        }
    }
    any.then(|| String::from_utf8(bytes).ok()).flatten()
}

/// A value as it was meant.
pub(super) fn restored(value: &str) -> Cow<'_, str> {
    match value.contains(LETTER) {
        true => Cow::Owned(value.replace(LETTER, "'")),
        false => Cow::Borrowed(value),
    }
}
