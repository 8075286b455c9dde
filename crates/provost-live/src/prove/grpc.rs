//! The messages of `grpc.health.v1`, and how gRPC puts messages into a body (PROTOCOL-HTTP2.md of
//! grpc/grpc). They have a field each; a generator of code would be more than they are.

use goformats::protobuf::{Fields, Value};

/// Bytes of a message that are taken: an answer of the health service has two.
pub const MOST_MESSAGE: usize = 64 << 10;

/// Bytes in front of a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// A `HealthCheckRequest` as the body of a call: field 1 is the name of the service.
pub fn health_check(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        varint(service.len() as u64, &mut message);
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], length.to_be_bytes().as_slice(), &message].concat()
}

/// A message that sets nothing, as the body of a call.
pub fn empty() -> Vec<u8> {
    vec![0; PREFIX]
}

fn varint(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Finds the messages in a body, in pieces as they come.
#[derive(Debug, Default)]
pub struct Messages {
    buffer: Vec<u8>,
    broken: bool,
}

impl Messages {
    /// Takes what comes next.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !self.broken {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next message that is whole. One that is compressed, which nobody asked for, or longer than
    /// any is the end: nothing behind it is read.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let (head, rest) = self.buffer.split_first_chunk::<PREFIX>()?;
        let length = usize::try_from(u32::from_be_bytes([head[1], head[2], head[3], head[4]]));
        let length = length.unwrap_or(usize::MAX);
        if head[0] != 0 || length > MOST_MESSAGE {
            self.broken = true;
            self.buffer.clear();
            return None;
        }
        let message = rest.get(..length)?.to_vec();
        self.buffer.drain(..PREFIX + length);
        Some(message)
    }
}

/// The `ServingStatus` of a `HealthCheckResponse`; UNKNOWN (0) is not written. None when it is no
/// message.
pub fn serving(message: &[u8]) -> Option<u32> {
    let mut found = 0;
    for field in Fields::of(message) {
        if let (1, Value::Varint(status)) = field.ok()? {
            found = u32::try_from(status).ok()?;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_written_as_grpc_writes_it() {
        assert_eq!(health_check(""), [0, 0, 0, 0, 0]);
        assert_eq!(health_check("shop"), [0, 0, 0, 0, 6, 0x0a, 4, b's', b'h', b'o', b'p']);
        let long = health_check(&"x".repeat(300));
        assert_eq!(long.get(..8), Some([0, 0, 0, 1, 47, 0x0a, 0xac, 0x02].as_slice()));
    }

    #[test]
    fn messages_are_found_however_they_come() {
        let bytes = [0, 0, 0, 0, 2, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 8, 2];
        let mut messages = Messages::default();
        let mut found = Vec::new();
        for byte in bytes {
            messages.feed(&[byte]);
            found.extend(messages.take());
        }
        let said: Vec<_> = found.iter().map(|message| serving(message)).collect();
        assert_eq!(said, [Some(1), Some(0), Some(2)]);
    }

    #[test]
    fn unknown_fields_are_passed_over_and_other_bytes_are_no_message() {
        assert_eq!(serving(&[0x12, 2, b'o', b'k', 8, 1, 0x1d, 0, 0, 0, 0]), Some(1));
        for broken in [&[8][..], &[0x0a, 9, 1], &[0x0b], &[0xff; 11]] {
            assert_eq!(serving(broken), None, "{broken:?}");
        }
        let mut compressed = Messages::default();
        compressed.feed(&[1, 0, 0, 0, 1, 9, 0, 0, 0, 0, 0]);
        assert_eq!(compressed.take(), None);
        compressed.feed(&[0, 0, 0, 0, 0]);
        assert_eq!(compressed.take(), None);
    }
}
