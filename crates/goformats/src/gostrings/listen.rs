//! Texts that can be addresses to listen on, and the setting that each is the default of.
//!
//! # How a default is written
//!
//! - A helper `env("PORT", "8080")` or `flag.String("addr", ":8080", "…")`: the code takes the address of the name and
//!   that of the default as arguments of one call, with no other call between the two. Where `flag.StringVar` is
//!   inlined, the default comes first.
//! - `p := os.Getenv("PORT")` with `if p == "" { p = "8080" }`, which is also what an inlined helper comes to: the default
//!   is *chosen*. Right before it is a conditional branch past it, or right behind it a conditional move (`CMOVE`,
//!   `CSEL`). Between the name and the default may be other reads (Go 1.18 to 1.27, amd64 and arm64).
//! - Tags of struct fields (`env:"PORT" envDefault:"8080"`) hold both in one text.
//!
//! A text that is used in any other way is no proved default of anything.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Owner, Strings, references};
use crate::elf::Machine;

/// Names and addresses that are longer are neither.
const LONGEST: usize = 64;
/// Bytes of code between a name and its default, at most, where that is proved.
const NEAR: u64 = 128;
/// The same where other reads may come between.
const BESIDE: u64 = 1024;
/// Names that wait for their defaults, at most.
const PENDING: usize = 32;
/// Bytes around a use in which a branch or a conditional move chooses it.
const CHOSEN: u64 = 24;
/// A branch past a default goes no further than that.
const PAST: i64 = 64;
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
        // Names that were used in the function and have no default yet, and where.
        let mut pending: Vec<(&'a str, u64)> = Vec::new();
        for (position, &(at, target)) in uses.iter().enumerate() {
            let Some(&(index, what)) = places.get(&target) else { continue };
            let Some(string) = self.list.get(index) else { continue };
            used.insert(target);
            seen.insert(index);
            let here = self.functions.function_at(at);
            let entry = here.as_ref().map(|f| f.address);
            if function != Some(entry) {
                function = Some(entry);
                pending.clear();
            }
            let What::Address(port) = what else {
                if pending.len() >= PENDING {
                    pending.remove(0);
                }
                pending.push((string.text, at));
                continue;
            };
            let end = here.as_ref().map_or(at, |f| f.address.saturating_add(f.size));
            let behind = || {
                let &(next, target) = uses.get(position + 1)?;
                let &(index, What::Name) = places.get(&target)? else { return None };
                let name = self.list.get(index)?.text;
                let is_key = name.bytes().any(|b| b.is_ascii_lowercase());
                (is_key && next < end && self.is_one_call(at, next)).then_some((name, true))
            };
            let named = self.named(&mut pending, string.text, at).or_else(behind);
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
                certain: named.is_some_and(|(_, certain)| certain),
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

    /// The name among those before it that a text is the default of, and whether that is certain.
    fn named(
        &self,
        pending: &mut Vec<(&'a str, u64)>,
        text: &str,
        at: u64,
    ) -> Option<(&'a str, bool)> {
        if let Some(&(name, named_at)) = pending.last()
            && self.is_one_call(named_at, at)
        {
            pending.pop();
            return Some((name, true));
        }
        if !self.is_chosen(at) {
            return None;
        }
        let says = |name: &str, words: &[&str]| {
            let upper = name.to_ascii_uppercase();
            words.iter().any(|word| upper.contains(word))
        };
        let near = |(_, named_at): &&(&str, u64)| at.saturating_sub(*named_at) <= BESIDE;
        let fitting = |words: &[&str]| -> Vec<&'a str> {
            pending.iter().filter(near).map(|(name, _)| *name).filter(|n| says(n, words)).collect()
        };
        // A bare number is that of a port.
        let mut names = if text.contains(':') { Vec::new() } else { fitting(&["PORT"]) };
        if names.is_empty() {
            names = fitting(&["PORT", "ADDR", "LISTEN", "BIND"]);
        }
        let first = *names.first()?;
        // One name that is read twice is one.
        let certain = names.iter().all(|name| *name == first);
        if let Some(position) = pending.iter().position(|(name, _)| *name == first) {
            pending.remove(position);
        }
        Some((first, certain))
    }

    /// Whether two uses stand that near each other that both are for one call: there is none between them.
    fn is_one_call(&self, first: u64, second: u64) -> bool {
        if second.saturating_sub(first) > NEAR {
            return false;
        }
        let Some(code) = self.image.code_at(first..second) else { return false };
        let is_entry =
            |to: u64| self.functions.function_at(to).is_some_and(|function| function.address == to);
        match self.machine {
            Machine::Amd64 => !code.windows(5).enumerate().any(|(at, window)| {
                let &[0xe8, a, b, c, d] = window else { return false };
                let next = first.wrapping_add(at as u64 + 5);
                is_entry(next.wrapping_add_signed(i64::from(i32::from_le_bytes([a, b, c, d]))))
            }),
            // BL
            _ => !words_of(code).any(|(_, word)| word & 0xfc00_0000 == 0x9400_0000),
        }
    }

    /// Whether what is used there is chosen by a condition.
    fn is_chosen(&self, at: u64) -> bool {
        let before = at.saturating_sub(CHOSEN);
        let code = |range| self.image.code_at(range).unwrap_or_default();
        let past = |from: u64, distance: i64| {
            let to = from.wrapping_add_signed(distance);
            to > at && to.wrapping_sub(at) <= PAST.unsigned_abs()
        };
        match self.machine {
            Machine::Amd64 => {
                // Behind the seven bytes of LEA: CMOVcc, with its prefix.
                let moved = code(at..at.saturating_add(CHOSEN)).get(7..).unwrap_or_default();
                let moved = moved
                    .windows(3)
                    .take(9)
                    .any(|window| matches!(*window, [0x40..=0x4f, 0x0f, 0x40..=0x4f]));
                moved
                    || code(before..at).windows(2).enumerate().any(|(index, window)| {
                        let &[0x70..=0x7f, distance] = window else { return false };
                        past(before + index as u64 + 2, i64::from(distance as i8))
                    })
            }
            _ => {
                let mut behind = words_of(code(at..at.saturating_add(CHOSEN)));
                // CSEL
                behind.any(|(_, word)| word & 0x7fe0_0c00 == 0x1a80_0000)
                    || words_of(code(before & !3..at)).any(|(offset, word)| {
                        let signed = |bits: u32, value: u32| {
                            i64::from((value << (32 - bits)) as i32 >> (32 - bits)) * 4
                        };
                        let distance = match word {
                            // B.cond, CBZ and CBNZ; TBZ and TBNZ.
                            w if w & 0xff00_0010 == 0x5400_0000
                                || w & 0x7e00_0000 == 0x3400_0000 =>
                            {
                                signed(19, w >> 5 & 0x7_ffff)
                            }
                            w if w & 0x7e00_0000 == 0x3600_0000 => signed(14, w >> 5 & 0x3fff),
                            _ => return false,
                        };
                        past((before & !3) + offset, distance)
                    })
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

/// Instructions of ARM64 with their distance from the first.
fn words_of(code: &[u8]) -> impl Iterator<Item = (u64, u32)> {
    code.chunks_exact(4).enumerate().map(|(index, word)| {
        (4 * index as u64, word.first_chunk().map_or(0, |&w| u32::from_le_bytes(w)))
    })
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
