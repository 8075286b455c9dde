//! Numbers in lines that programs print.

/// A number at the front, and what follows it.
pub(crate) fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    let add = |sum: u64, digit: &u8| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    (!digits.is_empty()).then_some(())?;
    Some((digits.iter().try_fold(0, add)?, rest))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_of_64_bits() {
        assert_eq!(number(b"012 a"), Some((12, &b" a"[..])));
        assert_eq!(number(b"18446744073709551615"), Some((u64::MAX, &b""[..])));
        for none in [&b""[..], b"a1", b"18446744073709551616", &[b'9'; 1000]] {
            assert_eq!(number(none), None);
        }
    }
}
