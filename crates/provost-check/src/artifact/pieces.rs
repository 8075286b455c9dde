//! Logs, which may be of any length, piece by piece.

use std::io::{self, Read};

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// Hands over what is read until its end, or until `take` says no.
///
/// # Errors
/// When it cannot be read.
pub(super) fn each(mut from: impl Read, mut take: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if !take(piece.get(..read).unwrap_or_default()) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one letter after the other; `!` is an interruption, `?` an error.
    struct Letters(&'static [u8]);

    impl Read for Letters {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some((letter, rest)) = self.0.split_first() else { return Ok(0) };
            self.0 = rest;
            match letter {
                b'!' => Err(io::ErrorKind::Interrupted.into()),
                b'?' => Err(io::ErrorKind::BrokenPipe.into()),
                letter => {
                    buffer[0] = *letter;
                    Ok(1)
                }
            }
        }
    }

    fn taken(letters: &'static [u8]) -> (io::Result<()>, Vec<u8>) {
        let mut all = Vec::new();
        let read = each(Letters(letters), |piece| {
            all.extend_from_slice(piece);
            !piece.contains(&b'.')
        });
        (read, all)
    }

    #[test]
    fn a_log_is_read_to_its_end_or_until_nobody_wants_more() {
        let (read, all) = taken(b"a!b");
        assert!(read.is_ok() && all == b"ab");
        let (read, all) = taken(b"a.b");
        assert!(read.is_ok() && all == b"a.");
        let (read, all) = taken(b"a?b");
        assert!(read.is_err() && all == b"a");
    }
}
