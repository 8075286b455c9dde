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
