//! How the programs of an image begin, by which the kernel decides how to start them.

use crate::facts::image::Head;

/// Bytes of a file that the kernel reads to choose who starts it: `BINPRM_BUF_SIZE` (include/uapi/linux/binfmts.h).
const READ: usize = 256;

/// Reads the beginning of a file.
pub(crate) fn head(bytes: &[u8]) -> Head {
    let begin = bytes.get(..READ).unwrap_or(bytes);
    match begin {
        [] => Head::Empty,
        [0x7F, b'E', b'L', b'F', ..] => Head::Elf,
        [b'#', b'!', rest @ ..] => {
            let end = rest.iter().position(|b| *b == b'\n');
            let whole = end.is_some() || bytes.len() < READ;
            let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            match std::str::from_utf8(line) {
                Ok(line) if whole => Head::Script(line.to_owned()),
                _ => Head::Other,
            }
        }
        // A byte order mark in front of a script hides it from the kernel.
        text if std::str::from_utf8(without_half(text)).is_ok_and(is_text) => Head::Text,
        _ => Head::Other,
    }
}

/// Without a letter that the end of what is read may have cut.
fn without_half(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => {
            bytes.get(..error.valid_up_to()).unwrap_or_default()
        }
        _ => bytes,
    }
}

fn is_text(text: &str) -> bool {
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    !text.is_empty() && !text.chars().any(control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_beginning() {
        assert_eq!(head(b""), Head::Empty);
        assert_eq!(head(b"\x7fELF\x02\x01\x01"), Head::Elf);
        assert_eq!(head(b"#!/bin/sh\nexec /app\n"), Head::Script("/bin/sh".into()));
        assert_eq!(head(b"#! /bin/sh -e\r\n"), Head::Script(" /bin/sh -e\r".into()));
        assert_eq!(head(b"#!/bin/sh"), Head::Script("/bin/sh".into()), "no end of the line");
        assert_eq!(head("\u{feff}#!/bin/sh\n".as_bytes()), Head::Text);
        assert_eq!(head(b"exec /app\n"), Head::Text);
        assert_eq!(head(b"MZ\x90\0\x03"), Head::Other);
        assert_eq!(head(&[0xCF, 0xFA, 0xED, 0xFE, 7]), Head::Other);
    }

    #[test]
    fn what_goes_beyond_what_the_kernel_reads_is_not_concluded_from() {
        let long = format!("#!/{}\n", "a".repeat(300));
        assert_eq!(head(long.as_bytes()), Head::Other);
        let cut = format!("{}ä", "a".repeat(255));
        assert_eq!(head(cut.as_bytes()), Head::Text);
        for end in 0..6 {
            head(&b"\x7fELF\xff\xff"[..end]);
            head(&b"#!\xff\xff\xff\xff"[..end]);
        }
    }
}
