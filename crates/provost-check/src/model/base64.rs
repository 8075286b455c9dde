//! Bytes as text.

/// Standard base64 with padding, as `encoding/json` reads `[]byte`; line breaks are skipped.
pub fn is_base64(text: &str) -> bool {
    let mut length = 0usize;
    let mut padding = 0usize;
    for byte in text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')) {
        length += 1;
        match byte {
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => {}
            _ => return false,
        }
    }
    length.is_multiple_of(4) && padding <= 2
}

#[cfg(test)]
mod tests {
    use super::is_base64;

    #[test]
    fn as_go_reads_it() {
        for text in ["", "YQ==", "YWI=", "YWJj", "YW\nJj\n", "+/+/"] {
            assert!(is_base64(text), "{text}");
        }
        // Go wants the padding, has another alphabet for URLs, and skips no blanks.
        for text in ["YQ", "YQ=", "Y===", "YW Jj", "-_-_", "hunter2", "a=bc", "****"] {
            assert!(!is_base64(text), "{text}");
        }
    }
}
