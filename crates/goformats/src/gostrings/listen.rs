//! Texts that can be addresses to listen on, and the setting that each is the default of.
//!
//! # How a default is written
//!
//! - A helper `env("PORT", "8080")` or `flag.String("addr", ":8080", "…")`: the code takes the address of the name and
//!   that of the default as arguments of one call, with no other call between the two. Where `flag.StringVar` is
//!   inlined, the default comes first.
//! - `p := os.Getenv("PORT")` with `if p == "" { p = "8080" }`, which is also what an inlined helper comes to: the default
//!   is *chosen* where something is zero ([`flow`]). Between the name and the default may be other reads.
//! - `cmp.Or(os.Getenv("PORT"), "8080")` puts both on the stack and takes the first that is not empty: what comes behind is
//!   a call of `cmp.Or`, or code that the inline tree says is its own.
//! - Tags of struct fields (`env:"PORT" envDefault:"8080"`) hold both in one text.
//!
//! A text that is used in any other way is no proved default of anything. Hosts that are joined with a port
//! (`"127.0.0.1:" + os.Getenv("PORT")`) are told apart from those ([`hosts`]).

mod flow;
mod hosts;
mod tags;

use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Owner, Reference, Strings, references};
use crate::pclntab::Function;
use flow::{Callee, Flow};
pub use hosts::JoinedHost;
use hosts::{Host, Hosts};

/// Names and addresses that are longer are neither.
const LONGEST: usize = 64;
/// Bytes of code between a name and its default, at most, where other reads may come between.
const BESIDE: u64 = 1024;
/// Names that wait for their defaults, at most.
const PENDING: usize = 32;
/// Names and defaults in tags that are looked at.
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
    /// Hosts that code joins with a port, in the order of the code.
    pub joined: Vec<JoinedHost<'a>>,
    /// Not all tags were looked at: a variable that is not in `tagged` may be read all the same.
    pub limited: bool,
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
    Host(Host),
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
                None => match Host::of(string.text) {
                    Some(host) => What::Host(host),
                    None => continue,
                },
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
        let references = references(&self.image, self.machine);
        for reference in references.iter().filter(|r| r.taken && self.may_be_colon(r)) {
            places.entry(reference.target).or_insert((usize::MAX, What::Host(Host::Any)));
        }
        let mut uses: Vec<(u64, u64)> = references
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
        let mut flow = None;
        let mut hosts = Hosts::default();
        for (position, &(at, target)) in uses.iter().enumerate() {
            let Some(&(index, what)) = places.get(&target) else { continue };
            used.insert(target);
            seen.insert(index);
            let here = self.functions.function_at(at);
            let entry = here.as_ref().map(|f| f.address);
            if function != Some(entry) {
                function = Some(entry);
                pending.clear();
                hosts.enter();
                flow = None;
            }
            if let What::Host(host) = what {
                let function = here.as_ref().map(|f| f.name);
                let string = self.list.get(index);
                let owner = self.owner_of(function, string.map_or(Owner::Unknown, |s| s.owner));
                if owner != Owner::Std {
                    let flow = flow.get_or_insert_with(|| self.flow(here.as_ref()));
                    hosts.host(string, host, at, flow, owner, function);
                }
                continue;
            }
            let Some(string) = self.list.get(index) else { continue };
            let port = match what {
                What::Address(port) => port,
                What::Name => {
                    if pending.len() >= PENDING {
                        pending.remove(0);
                    }
                    pending.push((string.text, at));
                    hosts.name(string.text, at);
                    continue;
                }
                What::Host(_) => continue,
            };
            let flow = flow.get_or_insert_with(|| self.flow(here.as_ref()));
            let end = here.as_ref().map_or(at, |f| f.address.saturating_add(f.size));
            let behind = || {
                let &(next, target) = uses.get(position + 1)?;
                let &(index, What::Name) = places.get(&target)? else { return None };
                let name = self.list.get(index)?.text;
                let is_key = name.bytes().any(|b| b.is_ascii_lowercase());
                (is_key && next < end && flow.is_one_call(at, next)).then_some((name, true))
            };
            let or = || {
                let function = here.as_ref()?;
                let memory = |address, len| self.image.bytes_at(address, len);
                Some(self.functions.inlined(function, memory, is_or))
            };
            let named = named(&mut pending, string.text, at, flow, || or().unwrap_or_default())
                .or_else(behind);
            found.texts.push(ListenText {
                text: string.text,
                port,
                address: string.address,
                owner: self.owner_of(here.as_ref().map(|f| f.name), string.owner),
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
        // A name that data holds may be read by anybody.
        for (_, place) in headers.iter().filter(|(_, place)| matches!(place.1, What::Name)) {
            hosts.also(self.list.get(place.0).map_or("", |s| s.text));
        }
        found.joined = hosts.joined(|| self.calls("net.JoinHostPort"));
        self.add_tags(&mut found);
        found
    }

    /// Whether an address that is taken can be that of `":"`, which the linker may put elsewhere: it is one with
    /// whatever else has that content.
    fn may_be_colon(&self, reference: &Reference) -> bool {
        self.image.is_constant_data(reference.target)
            && self.image.bytes_at(reference.target, 1) == Some(b":")
            && reference.len.is_none_or(|len| len.get() == 1)
            && self.string_at(reference.target).is_none_or(|string| string.text == ":")
    }

    /// Whose the code of a function is; `other` where there is none.
    fn owner_of(&self, function: Option<&str>, other: Owner) -> Owner {
        let package = function.and_then(crate::pclntab::package_of);
        package.map_or(other, |package| self.owners.of_package(package))
    }

    /// The instructions of a function that matter here; none where there is no function.
    fn flow(&self, function: Option<&Function<'_>>) -> Flow {
        let code = function.and_then(|f| {
            let end = f.address.saturating_add(f.size);
            Some((f.address, self.image.code_at(f.address..end)?))
        });
        let Some((address, code)) = code else { return Flow::default() };
        Flow::read(self.machine, code, address, |to| {
            match self.functions.function_at(to).map_or("", |f| f.name) {
                name if name.starts_with("runtime.gcWriteBarrier") => Callee::Barrier,
                name if name.starts_with("runtime.concatstring") => Callee::Join,
                "fmt.Sprintf" => Callee::Join,
                name if is_or(name) => Callee::Or,
                name if name.starts_with("runtime.convT") => Callee::Box,
                _ => Callee::Other,
            }
        })
    }

    /// Names and defaults in tags of struct fields, as the readers of configuration write them.
    fn add_tags(&self, found: &mut ListenTexts<'a>) {
        let mut left = TAGS;
        for area in self.image.data() {
            let whole = tags::each(area.bytes, &mut left, |tag| match tag {
                tags::Tag::Name(name) => found.tagged.push(name),
                tags::Tag::Default { name, value, at } => {
                    let Some(port) = listen_port(value) else { return };
                    found.texts.push(ListenText {
                        text: value,
                        port,
                        address: area.address + at as u64,
                        owner: Owner::Unknown,
                        function: None,
                        name,
                        certain: name.is_some(),
                    });
                }
            });
            if !whole {
                found.limited = true;
                break;
            }
        }
        found.tagged.sort_unstable();
        found.tagged.dedup();
    }
}

/// Whether a function is `cmp.Or`, of whatever type.
fn is_or(name: &str) -> bool {
    name.starts_with("cmp.Or[")
}

/// The name among those before it that a text is the default of, and whether that is certain. `or` gives the code that
/// was inlined from `cmp.Or`.
fn named<'a>(
    pending: &mut Vec<(&'a str, u64)>,
    text: &str,
    at: u64,
    flow: &Flow,
    or: impl FnOnce() -> Vec<Range<u64>>,
) -> Option<(&'a str, bool)> {
    if let Some(&(name, named_at)) = pending.last()
        && flow.is_one_call(named_at, at)
    {
        pending.pop();
        return Some((name, true));
    }
    if !flow.is_chosen(at) {
        let &(name, named_at) = pending.last()?;
        if !flow.is_or(named_at, at, &or()) {
            return None;
        }
        pending.pop();
        return Some((name, true));
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
}
