//! Methods of gRPC that a program has descriptors of.
//!
//! `protoc-gen-go` puts the `FileDescriptorProto` of each file into the program as it is encoded (`file_NAME_rawDesc`,
//! since google.golang.org/protobuf 1.20; those of before are compressed, and not seen). Nothing says where they are: each
//! begins with its name, which ends in `.proto`.

use memchr::memmem;

use crate::protobuf::{Fields, Value};

/// Methods that are told.
const MOST_METHODS: usize = 256;

/// Places that may be one that are looked at.
const MOST_PLACES: usize = 4096;

/// Fields of all of them that are read: some thousand files have fewer.
const MOST_FIELDS: usize = 1 << 20;

/// What a name ends in.
const END: &[u8] = b".proto";

/// Fields of `FileDescriptorProto`, `ServiceDescriptorProto` and `MethodDescriptorProto` (descriptor.proto).
const PACKAGE: u32 = 2;
const SERVICE: u32 = 6;
const SYNTAX: u32 = 12;
const EDITION: u32 = 14;
const METHOD: u32 = 2;
const INPUT: u32 = 2;
const OUTPUT: u32 = 3;
const CLIENT_STREAMING: u32 = 5;
const SERVER_STREAMING: u32 = 6;

/// Methods by which a server answers one message with a stream, as they are called: `/shop.Orders/Watch`, sorted. A program has
/// descriptors of what it serves and of what it only calls.
pub fn server_streams(program: &[u8]) -> Vec<String> {
    let mut found = Found { methods: Vec::new(), fields: MOST_FIELDS };
    for at in memmem::find_iter(program, END).take(MOST_PLACES) {
        if let Some(file) = begin(program, at + END.len()) {
            found.of_file(file);
        }
    }
    found.methods.sort();
    found.methods.dedup();
    found.methods
}

/// From where a descriptor begins, whose name ends there: its key and its length stand before it.
fn begin(program: &[u8], end: usize) -> Option<&[u8]> {
    // Lengths of one byte, which other names hardly have.
    (END.len() + 1..0x80).find_map(|length| {
        let start = end.checked_sub(length + 2)?;
        let head = program.get(start..start + 2)?;
        (head == [0x0a, u8::try_from(length).ok()?]).then(|| program.get(start..))?
    })
}

/// What was found, and how many fields may still be read.
struct Found {
    methods: Vec<String>,
    fields: usize,
}

impl Found {
    /// The next field, as long as there is one and so many were not read yet.
    fn next<'b>(&mut self, fields: &mut Fields<'b>) -> Option<(u32, Value<'b>)> {
        self.fields = self.fields.checked_sub(1)?;
        fields.next()?.ok()
    }

    fn of_file(&mut self, file: &[u8]) {
        let (mut package, mut last) = (None, 0);
        let mut fields = Fields::of(file);
        // Nothing says where it ends. Fields are written in their order (protoc does, and what it writes is kept).
        while let Some((number, value)) = self.next(&mut fields) {
            if number < last || (number == 1 && last == 1) || number > EDITION {
                return;
            }
            last = number;
            match (number, value) {
                (PACKAGE, Value::Bytes(name)) => package = word(name),
                (SERVICE, Value::Bytes(service)) => self.of_service(service, package),
                (SYNTAX, _) => return,
                _ => {}
            }
        }
    }

    fn of_service(&mut self, service: &[u8], package: Option<&str>) {
        let mut name = None;
        let mut fields = Fields::of(service);
        while let Some((number, value)) = self.next(&mut fields) {
            match (number, value) {
                (1, Value::Bytes(own)) => name = word(own),
                (METHOD, Value::Bytes(method)) => {
                    let (Some(name), Some(method)) = (name, streaming(method)) else { continue };
                    if self.methods.len() < MOST_METHODS {
                        let dot = package.map_or(String::new(), |package| format!("{package}."));
                        self.methods.push(format!("/{dot}{name}/{method}"));
                    }
                }
                _ => {}
            }
        }
    }
}

/// Fields of a method that are read: it has six.
const MOST_OF_METHOD: usize = 16;

/// The name of a method that answers with a stream; nothing where it does not, or is no method.
fn streaming(method: &[u8]) -> Option<&str> {
    let (mut name, mut types, mut streams) = (None, 0, false);
    for field in Fields::of(method).take(MOST_OF_METHOD) {
        match field.ok()? {
            (1, Value::Bytes(own)) => name = Some(word(own)?),
            // `.shop.Order`
            (INPUT | OUTPUT, Value::Bytes(of)) => {
                word(of.strip_prefix(b".")?)?;
                types += 1;
            }
            (CLIENT_STREAMING, Value::Varint(1)) => return None,
            (SERVER_STREAMING, Value::Varint(it)) => streams = it == 1,
            _ => {}
        }
    }
    name.filter(|_| types == 2 && streams)
}

/// A name with its packages.
fn word(bytes: &[u8]) -> Option<&str> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let whole = !bytes.is_empty() && bytes.len() <= 200 && bytes.iter().all(is_part);
    std::str::from_utf8(bytes).ok().filter(|_| whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn method(name: &str, more: &[u8]) -> Vec<u8> {
        let types = [field(2, b".shop.Order"), field(3, b".shop.Order")].concat();
        field(2, &[&field(1, name.as_bytes()), &types, more].concat())
    }

    fn file() -> Vec<u8> {
        let streams = [SERVER_STREAMING as u8 * 8, 1];
        let both = [CLIENT_STREAMING as u8 * 8, 1, SERVER_STREAMING as u8 * 8, 1];
        let methods = [method("Get", &[]), method("Talk", &both), method("Watch", &streams)];
        let service = [field(1, b"Orders"), methods.concat()].concat();
        [
            field(1, b"shop/orders.proto"),
            field(2, b"shop"),
            field(6, &service),
            field(12, b"proto3"),
        ]
        .concat()
    }

    #[test]
    fn methods_that_stream_are_found_among_other_bytes() {
        let program = [&b"\x7fELF.protox"[..], &file(), b"\x0a\x06.proto and more"].concat();
        assert_eq!(server_streams(&program), ["/shop.Orders/Watch"]);
        // Cut, it has none, and nothing is read beyond its end.
        for length in 0..file().len() - 8 {
            let cut = server_streams(&file()[..length]);
            assert!(cut.is_empty() || cut == ["/shop.Orders/Watch"], "{cut:?}");
        }
    }

    #[test]
    fn a_hostile_program_is_read_in_bounded_time() {
        // Each place has fields to the end, of which there are millions.
        let places = field(1, b"x.proto").repeat(2000);
        let mut program = [places, b"\x22\x00".repeat(4 << 20)].concat();
        program.extend(file());
        let begun = std::time::Instant::now();
        assert!(server_streams(&program).len() <= 1);
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    #[test]
    fn names_of_others_begin_no_descriptor() {
        assert!(server_streams(b"see orders.proto for more").is_empty());
        assert!(server_streams(&b"\x0a\x0corders.proto2".repeat(10_000)).is_empty());
    }
}
