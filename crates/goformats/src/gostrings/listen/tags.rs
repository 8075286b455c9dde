//! Variables and their defaults in tags of struct fields, as the readers of configuration write them.
//!
//! `env:"PORT" envDefault:"8080"` (caarlos0/env), `envconfig:"PORT" default:"8080"` (kelseyhightower),
//! `env:"PORT" env-default:"8080"` (cleanenv), `env:"PORT, default=8080"` (sethvargo). A tag stands in the data of its
//! type, behind one byte with its length (or two: Go 1.16 and older, and where it is longer than 127).

/// Keys whose value is the name of a variable.
const NAMES: [&str; 3] = ["env:\"", "envconfig:\"", "env-name:\""];
/// Keys whose value is a default, with where all of them say the same, by which they are looked for.
const DEFAULTS: [(&str, usize); 4] =
    [("default:\"", 1), ("envDefault:\"", 4), ("env-default:\"", 5), ("default=", 1)];
/// Bytes of a tag that are looked at on each side.
const TAG: usize = 256;

/// What a tag says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tag<'a> {
    /// The name of a variable.
    Name(&'a str),
    /// A default with the variable of the same tag, and where in the bytes it starts.
    Default { name: Option<&'a str>, value: &'a str, at: usize },
}

/// Calls `found` for every name and default in data, of `left` at most; false where there are more.
pub(super) fn each<'a>(bytes: &'a [u8], left: &mut usize, mut found: impl FnMut(Tag<'a>)) -> bool {
    for at in memchr::memmem::find_iter(bytes, "efault") {
        let key = DEFAULTS.iter().find_map(|&(key, shared)| {
            let start = at.checked_sub(shared)?;
            is_key(bytes, start, key).then_some(start + key.len())
        });
        let Some(start) = key else { continue };
        let Some(rest) = left.checked_sub(1) else { return false };
        *left = rest;
        if let Some(value) = value_at(bytes, start) {
            found(Tag::Default { name: name_beside(bytes, at), value, at: start });
        }
    }
    for at in memchr::memmem::find_iter(bytes, "env") {
        let Some(key) = NAMES.iter().find(|key| is_key(bytes, at, key)) else { continue };
        let Some(rest) = left.checked_sub(1) else { return false };
        *left = rest;
        if let Some(name) = value_at(bytes, at + key.len()).filter(|name| !name.is_empty()) {
            found(Tag::Name(name));
        }
    }
    true
}

/// Whether a key stands there that is no end of another one.
fn is_key(bytes: &[u8], start: usize, key: &str) -> bool {
    if !bytes.get(start..).is_some_and(|rest| rest.starts_with(key.as_bytes())) {
        return false;
    }
    let Some(&before) = start.checked_sub(1).and_then(|at| bytes.get(at)) else { return true };
    if before == b' ' || (before == b',' && key.ends_with('=')) || !is_printable(&before) {
        return true;
    }
    // The tag's length can be a printable byte: then the tag ends where it says.
    bytes.get(start + usize::from(before) - 1) == Some(&b'"')
}

fn is_printable(byte: &u8) -> bool {
    (0x20..0x7f).contains(byte)
}

/// The value that starts there, up to its quote or a comma.
fn value_at(bytes: &[u8], start: usize) -> Option<&str> {
    let rest = bytes.get(start..start.saturating_add(TAG).min(bytes.len()))?;
    let quote = rest.iter().take_while(|b| is_printable(b)).position(|&b| b == b'"')?;
    std::str::from_utf8(rest.get(..quote)?).ok()?.split(',').next()
}

/// The name of the variable in the tag around a place.
fn name_beside(bytes: &[u8], at: usize) -> Option<&str> {
    let before = bytes.get(at.saturating_sub(TAG)..at)?;
    let low = at - before.iter().rev().take_while(|b| is_printable(b)).count();
    let behind = bytes.get(at..at.saturating_add(TAG).min(bytes.len()))?;
    let high = at + behind.iter().take_while(|b| is_printable(b)).count();
    let tag = bytes.get(low..high)?;
    memchr::memmem::find_iter(tag, "env").find_map(|found| {
        let start = low + found;
        let key = NAMES.iter().find(|key| is_key(bytes, start, key))?;
        value_at(bytes, start + key.len()).filter(|name| !name.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, and defaults with their names.
    fn read(bytes: &[u8]) -> (Vec<&str>, Vec<(&str, Option<&str>)>) {
        let (mut names, mut defaults) = (Vec::new(), Vec::new());
        let whole = each(bytes, &mut 100, |tag| match tag {
            Tag::Name(name) => names.push(name),
            Tag::Default { name, value, at } => {
                assert!(bytes[at..].starts_with(value.as_bytes()));
                defaults.push((value, name));
            }
        });
        assert!(whole);
        (names, defaults)
    }

    /// As the linker writes it: flags, the field's name and the tag, both behind their lengths.
    fn field(tag: &str) -> Vec<u8> {
        let len = u8::try_from(tag.len()).unwrap();
        [b"\x03\x04Port", &[len][..], tag.as_bytes(), b"\x01\x04Host"].concat()
    }

    #[test]
    fn tags_of_readers() {
        for (tag, name, default) in [
            ("env:\"PORT\" envDefault:\"8080\"", "PORT", Some("8080")),
            ("envDefault:\"8080\" env:\"PORT\"", "PORT", Some("8080")),
            ("envconfig:\"PORT\" default:\":8080\"", "PORT", Some(":8080")),
            ("env:\"PORT\" env-default:\"8080\"", "PORT", Some("8080")),
            ("env:\"PORT, default=8080\"", "PORT", Some("8080")),
            ("env:\"PORT,default=8080\"", "PORT", Some("8080")),
            ("env:\"PORT,required\" json:\"port\"", "PORT", None),
            // 34 and 57 bytes: their lengths are printable.
            ("json:\"the_port\" env:\"LISTEN_PORT\"", "LISTEN_PORT", None),
            (
                "env:\"SERVICE_PORT\" envDefault:\"8080\" json:\"service_port\"",
                "SERVICE_PORT",
                Some("8080"),
            ),
        ] {
            let bytes = field(tag);
            let defaults: Vec<_> = default.map(|value| (value, Some(name))).into_iter().collect();
            assert_eq!(read(&bytes), (vec![name], defaults), "{tag}");
        }
    }

    #[test]
    fn a_key_stands_for_itself() {
        for text in [
            "json:\"port\"",
            "envoy:\"PORT\"",
            "xenv:\"PORT\" mydefault:\"8080\"",
            "envoy.config.listener.v3.Listener default",
        ] {
            assert_eq!(read(&field(text)), (vec![], vec![]), "{text}");
        }
    }

    #[test]
    fn a_limit_is_said_and_only_keys_count() {
        let field = field("env:\"PORT\" envDefault:\"8080\"");
        let mut bytes = b"envoy default \0".repeat(50);
        bytes.extend(field.repeat(3));
        let count = |mut left: usize| {
            let mut found = 0;
            (each(&bytes, &mut left, |_| found += 1), found)
        };
        assert_eq!(count(6), (true, 6));
        assert_eq!(count(5), (false, 5));
        assert_eq!(count(0), (false, 0));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_may_hold_tags(text in "[ -~\0\"]{0,80}", cut in 0usize..20) {
            let bytes = [&text.as_bytes()[text.len().min(cut)..], b"Genv:\"P\" env-default:\"8"].concat();
            let mut left = 10;
            each(&bytes, &mut left, |_| ());
        }
    }
}
