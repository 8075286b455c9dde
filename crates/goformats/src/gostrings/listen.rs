//! Texts that can be addresses to listen on, and the setting that each is the default of.
//!
//! # How a default is written
//!
//! `os.Getenv("PORT")` with `if port == "" { port = "8080" }`, a helper `env("PORT", "8080")` and `flag.String("addr",
//! ":8080", "…")` all come to code that takes the address of the name, and then that of the default, a few instructions
//! further on: with no call between the two where both are arguments, or with the one call that reads the variable and
//! a test of what it gave. The helper is the second form again, when it is inlined (Go 1.18 to 1.27, amd64 and arm64).
//! Tags of struct fields (`env:"PORT" envDefault:"8080"`) hold both in one text.
//!
//! A text that is used elsewhere as well, or in another way, is no proved default of anything.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Owner, Strings, references};
use crate::elf::Machine;

/// Names and addresses that are longer are neither.
const LONGEST: usize = 64;
/// Bytes of code between a name and its default, at most, where that is proved.
const NEAR: u64 = 128;
/// The same, where it is likely.
const BESIDE: u64 = 1024;
/// Bytes of a tag that are looked at on each side.
const TAG: usize = 256;
/// Tags with defaults that are looked at.
const TAGS: usize = 100_000;

/// A text that can be an address to listen on, where it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenText<'a> {
    /// As written: `:8080`, `0.0.0.0:8080`, `%s:8080`, `8080`.
    pub text: &'a str,
    /// Its port.
    pub port: u16,
    /// Address of its first byte.
    pub address: u64,
    /// Whose it is.
    pub owner: Owner,
    /// The function that uses it, where code does.
    pub function: Option<&'a str>,
    /// The name that is used right before it: the setting that it is the default of.
    pub name: Option<&'a str>,
    /// The code between the two is that of a default.
    pub certain: bool,
}

/// What a program holds of addresses to listen on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenTexts<'a> {
    /// Each use of each text, in the order of the code; those that only data holds come last.
    pub texts: Vec<ListenText<'a>>,
    /// Names of variables in tags of struct fields, sorted.
    pub tagged: Vec<&'a str>,
}

/// The port of a text that can be an address of this machine: a bare number, `[host]:port` with a host that is empty,
/// unspecified or loopback, and a format that ends with a port.
fn listen_port(text: &str) -> Option<u16> {
    if text.len() > LONGEST {
        return None;
    }
    let host = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = text.get(host.len()..)?;
    if !(2..=5).contains(&digits.len()) || digits.starts_with('0') {
        return None;
    }
    let own = matches!(
        host,
        "" | ":"
            | "0.0.0.0:"
            | "[::]:"
            | "*:"
            | "localhost:"
            | "127.0.0.1:"
            | "[::1]:"
            | "tcp://:"
            | "tcp://0.0.0.0:"
            | "http://:"
            | "http://0.0.0.0:"
    );
    let composed = || {
        host.ends_with(':')
            && host.contains('%')
            && !host.contains(|c: char| c.is_whitespace() || c == '/')
    };
    if own || composed() { digits.parse().ok() } else { None }
}

/// Whether a text can be the name of a variable, or that of a flag or key that says where to listen.
fn is_name(text: &str) -> bool {
    if !(3..=LONGEST).contains(&text.len())
        || !text.starts_with(|c: char| c.is_ascii_alphabetic())
        || !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
    {
        return false;
    }
    let variable = text.contains('_') && !text.bytes().any(|b| b.is_ascii_lowercase());
    let lower = text.to_ascii_lowercase();
    variable || ["port", "addr", "listen", "bind"].iter().any(|word| lower.contains(word))
}

/// What a relevant constant is.
#[derive(Clone, Copy)]
enum What {
    Name,
    Address(u16),
}

impl<'a> Strings<'a> {
    /// Addresses to listen on that the program holds, with the names they are defaults of. One pass over the code and
    /// one over the data; call it only when asked.
    pub fn listen_texts(&self) -> ListenTexts<'a> {
        // Where a constant stands, or a header of it that the compiler made for an interface.
        let mut places: FxHashMap<u64, (usize, What)> = FxHashMap::default();
        for (index, string) in self.list.iter().enumerate() {
            let what = match listen_port(string.text) {
                Some(port) => What::Address(port),
                None if is_name(string.text) => What::Name,
                None => continue,
            };
            places.insert(string.address, (index, what));
        }
        let mut headers = Vec::new();
        for header in self.image.pointers().1 {
            if let Some(&place) = places.get(&header.target)
                && self.list.get(place.0).is_some_and(|s| s.text.len() as u64 == header.len)
            {
                headers.push((header.at, place));
            }
        }
        places.extend(headers.iter().copied());
        let mut uses: Vec<(u64, u64)> = references(&self.image, self.machine)
            .into_iter()
            .filter(|r| places.contains_key(&r.target))
            .map(|r| (r.at, r.target))
            .collect();
        uses.sort_unstable();
        uses.dedup();
        let mut found = ListenTexts::default();
        let mut used: FxHashSet<u64> = FxHashSet::default();
        let mut seen: FxHashSet<usize> = FxHashSet::default();
        let mut function = None;
        // The name that was used last in the function, and where.
        let mut last: Option<(&'a str, u64)> = None;
        for (at, target) in uses {
            let Some(&(index, what)) = places.get(&target) else { continue };
            let Some(string) = self.list.get(index) else { continue };
            used.insert(target);
            seen.insert(index);
            let here = self.functions.function_at(at);
            let entry = here.as_ref().map(|f| f.address);
            if function != Some(entry) {
                function = Some(entry);
                last = None;
            }
            let What::Address(port) = what else {
                last = Some((string.text, at));
                continue;
            };
            let named = last.take().filter(|(_, named_at)| at - named_at <= BESIDE);
            found.texts.push(ListenText {
                text: string.text,
                port,
                address: string.address,
                owner: here
                    .as_ref()
                    .and_then(|f| crate::pclntab::package_of(f.name))
                    .map_or(string.owner, |package| self.owners.of_package(package)),
                function: here.map(|f| f.name),
                name: named.map(|(name, _)| name),
                certain: named.is_some_and(|(_, named_at)| self.is_default(named_at, at)),
            });
        }
        // Tables and variables: whoever reads them is not looked for.
        let mut in_data: Vec<usize> = headers
            .iter()
            .filter(|(at, _)| !used.contains(at))
            .map(|(_, place)| place.0)
            .chain((0..self.list.len()).filter(|index| !seen.contains(index)))
            .collect();
        in_data.sort_unstable();
        in_data.dedup();
        for string in in_data.into_iter().filter_map(|index| self.list.get(index)) {
            let Some(port) = listen_port(string.text) else { continue };
            found.texts.push(ListenText {
                text: string.text,
                port,
                address: string.address,
                owner: string.owner,
                function: None,
                name: None,
                certain: false,
            });
        }
        self.add_tags(&mut found);
        found
    }

    /// Whether the code from one use to the other takes both as arguments of one call, or calls once and tests what that
    /// gave.
    fn is_default(&self, name: u64, text: u64) -> bool {
        if text.saturating_sub(name) > NEAR {
            return false;
        }
        let Some(code) = self.image.code_at(name..text) else { return false };
        match self.machine {
            Machine::Amd64 => {
                let calls: Vec<usize> =
                    code.iter().enumerate().filter(|(_, b)| **b == 0xe8).map(|(i, _)| i).collect();
                let is_call = |at: &usize| {
                    let distance = code.get(at + 1..at + 5).and_then(|d| d.first_chunk().copied());
                    let next = name.wrapping_add(*at as u64 + 5);
                    distance.is_some_and(|d| {
                        let to = next.wrapping_add_signed(i64::from(i32::from_le_bytes(d)));
                        self.functions.function_at(to).is_some_and(|f| f.address == to)
                    })
                };
                let calls: Vec<usize> = calls.into_iter().filter(is_call).collect();
                match calls.as_slice() {
                    [] => true,
                    [only] => {
                        let after = code.get(only + 5..).unwrap_or_default();
                        // TEST of a register with itself: a length, or what LookupEnv says.
                        after.windows(2).any(|w| {
                            matches!(w, [0x84 | 0x85, modrm] if *modrm >= 0xc0 && modrm >> 3 & 7 == modrm & 7)
                        })
                    }
                    _ => false,
                }
            }
            _ => {
                let words: Vec<u32> = code
                    .chunks_exact(4)
                    .map(|w| w.first_chunk().map_or(0, |&w| u32::from_le_bytes(w)))
                    .collect();
                let mut calls =
                    words.iter().enumerate().filter(|(_, w)| **w & 0xfc00_0000 == 0x9400_0000);
                match (calls.next(), calls.next()) {
                    (None, _) => true,
                    // CBZ, CBNZ, TBZ, TBNZ, or a comparison with zero.
                    (Some((at, _)), None) => words.iter().skip(at + 1).any(|w| {
                        matches!(w & 0x7e00_0000, 0x3400_0000 | 0x3600_0000)
                            || w & 0xffff_fc1f == 0xf100_001f
                    }),
                    _ => false,
                }
            }
        }
    }

    /// Names and defaults in tags of struct fields, as the readers of configuration write them.
    fn add_tags(&self, found: &mut ListenTexts<'a>) {
        let names = memchr::memmem::Finder::new("env");
        let defaults = memchr::memmem::Finder::new("efault");
        let mut seen = 0;
        for area in self.image.data() {
            for at in defaults.find_iter(area.bytes).chain(names.find_iter(area.bytes)) {
                seen += 1;
                if seen > TAGS {
                    return;
                }
                let Some((tag, from)) = tag_around(area.bytes, at) else { continue };
                let name = value_of(tag, &["env:\"", "envconfig:\"", "env-name:\""])
                    .map(|(name, _)| name.split(',').next().unwrap_or_default())
                    .filter(|name| !name.is_empty());
                found.tagged.extend(name);
                let keys = ["default:\"", "envDefault:\"", "env-default:\"", "default="];
                // Each tag counts once: at the word before its value.
                let Some((value, value_at)) =
                    value_of(tag, &keys).filter(|_| area.bytes.get(at..at + 6) == Some(b"efault"))
                else {
                    continue;
                };
                let value = value.split(',').next().unwrap_or_default();
                if let Some(port) = listen_port(value) {
                    found.texts.push(ListenText {
                        text: value,
                        port,
                        address: area.address + (from + value_at) as u64,
                        owner: Owner::Unknown,
                        function: None,
                        name,
                        certain: name.is_some(),
                    });
                }
            }
        }
        found.tagged.sort_unstable();
        found.tagged.dedup();
    }
}

/// The printable text around a place that looks like a tag, and where it starts.
fn tag_around(bytes: &[u8], at: usize) -> Option<(&str, usize)> {
    let printable = |b: &u8| (0x20..0x7f).contains(b);
    let low = at.saturating_sub(TAG);
    let high = at.saturating_add(TAG).min(bytes.len());
    let before = bytes.get(low..at)?.iter().rev().take_while(|b| printable(b)).count();
    let after = bytes.get(at..high)?.iter().take_while(|b| printable(b)).count();
    let text = std::str::from_utf8(bytes.get(at - before..at + after)?).ok()?;
    text.contains(":\"").then_some((text, at - before))
}

/// The value behind the first of the keys that the tag has, and where it starts.
fn value_of<'t>(tag: &'t str, keys: &[&str]) -> Option<(&'t str, usize)> {
    keys.iter().find_map(|key| {
        let start = tag.find(key)? + key.len();
        let rest = tag.get(start..)?;
        Some((rest.get(..rest.find('"')?)?, start))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_listened_on() {
        for (text, port) in [
            ("8080", Some(8080)),
            (":8080", Some(8080)),
            ("0.0.0.0:80", Some(80)),
            ("[::]:443", Some(443)),
            ("%s:8080", Some(8080)),
            ("localhost:6060", Some(6060)),
            ("db.prod:5432", None),
            ("10.1.2.3:8080", None),
            ("http://localhost:8080", None),
            ("listening on :8080", None),
            ("%s://%s:8080", None),
            ("08080", None),
            ("99999", None),
            (":", None),
            ("", None),
        ] {
            assert_eq!(listen_port(text), port, "{text}");
        }
    }

    #[test]
    fn names_of_settings() {
        for name in ["PORT", "LISTEN_ADDR", "DB_HOST", "addr", "http.port", "listen-address"] {
            assert!(is_name(name), "{name}");
        }
        for other in ["GET", "hello", "a port", "/port", "8080"] {
            assert!(!is_name(other), "{other}");
        }
    }

    #[test]
    fn tags_of_readers() {
        for (tag, name, default) in [
            ("env:\"PORT\" envDefault:\"8080\"", Some("PORT"), Some("8080")),
            ("envconfig:\"PORT\" default:\":8080\"", Some("PORT"), Some(":8080")),
            ("env:\"PORT, default=8080\"", Some("PORT, default=8080"), Some("8080")),
            ("json:\"port\"", None, None),
        ] {
            let bytes = [b"\0", tag.as_bytes(), b"\0"].concat();
            let (found, from) = tag_around(&bytes, 3).unwrap();
            assert_eq!((found, from), (tag, 1));
            let text = |keys: &[&str]| value_of(found, keys).map(|(value, _)| value);
            assert_eq!(text(&["env:\"", "envconfig:\""]), name);
            assert_eq!(text(&["efault:\"", "efault="]), default.or(None), "{tag}");
        }
        assert_eq!(tag_around(b"default", 1), None);
    }
}
