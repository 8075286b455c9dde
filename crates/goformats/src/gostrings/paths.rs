//! Which paths a program knows.
//!
//! A path is served where a router was given it: as a constant, with a method or a host in front (`GET /readyz`), as a
//! pattern, or as the compared text of a `switch`. That a longer constant begins with it says nothing: `/readyz` does not
//! serve `/ready`. Routers also join a group's prefix and a path, so a path whose parts are texts of the program may be
//! served, and so may one that a longer path ends with, where the front of that is cut off.

use std::cell::OnceCell;

use super::presence::{Doubt, Presence, Where};
use super::{GoString, Kind, Owner, Strings, references};
use crate::pclntab::package_of;

/// Segments of a path that are put together in all ways.
const SEGMENTS: usize = 12;

/// Texts up to that length are compared by immediates, on every machine (see [`super::presence`]).
const LONGEST_PIECES: usize = 16;

/// How a text holds a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathIn {
    /// Not at all, or as the beginning of another segment only.
    Not,
    /// Whole segments of a longer path, or of a text about it.
    Longer,
    /// As what a router is given.
    Served,
}

/// How a whole text holds a path.
pub fn path_in(text: &str, path: &str) -> PathIn {
    let mut found = PathIn::Not;
    for (at, _) in text.match_indices(path) {
        let (Some(before), Some(after)) = (text.get(..at), text.get(at + path.len()..)) else {
            continue;
        };
        if !path.ends_with('/') && goes_on(after) {
            continue;
        }
        if is_method_or_host(before) && is_end(after) {
            return PathIn::Served;
        }
        found = PathIn::Longer;
    }
    found
}

/// Whether what stands behind a path belongs to its last segment.
fn goes_on(after: &str) -> bool {
    let mut letters = after.chars();
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    match letters.next() {
        // The end of a sentence, or that of a file's name.
        Some('.') => letter(letters.next()),
        first => letter(first),
    }
}

/// What a pattern has behind a path that it serves: `http.ServeMux` redirects to the one with a slash.
fn is_end(after: &str) -> bool {
    matches!(after, "" | "/" | "{$}" | "/{$}") || after.starts_with('?')
}

/// What a pattern has in front of a path: `GET `, `example.com`, `GET example.com`.
fn is_method_or_host(before: &str) -> bool {
    let host = without_method(before);
    let of_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':');
    host.is_empty()
        || (host.bytes().all(of_host) && (host.contains(['.', ':']) || host == "localhost"))
}

/// A pattern without its method.
fn without_method(pattern: &str) -> &str {
    match pattern.split_once([' ', '\t']) {
        Some((method, rest))
            if !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase()) =>
        {
            rest.trim_start_matches([' ', '\t'])
        }
        _ => pattern,
    }
}

/// The path of a pattern without a host, and without the slashes around it.
fn bare(pattern: &str) -> &str {
    let path = Some(without_method(pattern)).filter(|path| path.starts_with('/'));
    path.unwrap_or(pattern).trim_matches('/')
}

impl<'a> Strings<'a> {
    /// Says whether the program knows a path: other than [`Strings::find`] it takes no beginning of another segment for
    /// the path, where constants are told apart.
    pub fn find_path(&self, path: &str) -> Presence<'_, 'a> {
        self.look_for(path, true)
    }

    /// Paths that the program knows: whole constants that are paths or patterns and not of the standard library, and
    /// compared texts that start with a slash.
    pub fn paths(&self) -> Vec<&str> {
        let constants = self.iter().filter(|s| s.owner != Owner::Std);
        let mut paths: Vec<&str> = constants
            .filter_map(|s| match s.kind() {
                Kind::Path => Some(s.text),
                Kind::Pattern { path, .. } => path.find('/').and_then(|at| path.get(at..)),
                _ => None,
            })
            .chain(
                self.inline_texts()
                    .iter()
                    .filter(|t| t.owner != Owner::Std && t.text.starts_with('/'))
                    .map(|t| t.text.as_str()),
            )
            .collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// A constant that stands for the path without being equal to it.
    pub(super) fn matching_pattern(&self, path: &str) -> Option<&GoString<'a>> {
        self.iter().find(|s| is_pattern_of(s, path))
    }

    /// A comparison with the beginning of a path, outside of the standard library. Whatever the length of what is
    /// compared, its first piece has four or eight bytes.
    pub(super) fn begun(&self, path: &str) -> Option<u64> {
        // Longer texts are compared as they lie in data.
        let long = |s: &&GoString<'_>| s.text.len() > LONGEST_PIECES && path.starts_with(s.text);
        if let Some(used) = self.iter().filter(|s| s.owner != Owner::Std).find(long) {
            return Some(used.used_at.unwrap_or(used.address));
        }
        let beginnings = [4, 8].into_iter().filter(|len| *len < path.len());
        beginnings.filter_map(|len| path.get(..len)).find_map(|beginning| {
            match self.in_code_but(beginning, Some(Owner::Std)) {
                Presence::Present(Where::Compared { at })
                | Presence::Unknown(Doubt::MaybeCompared { at }) => Some(at),
                _ => None,
            }
        })
    }

    /// Parts that are in the program and make the path up, cut beside slashes.
    pub(super) fn composed(&self, path: &str) -> Option<Vec<String>> {
        let bytes = path.as_bytes();
        let mut cuts: Vec<usize> = (1..bytes.len())
            .filter(|&i| bytes.get(i) == Some(&b'/') || bytes.get(i - 1) == Some(&b'/'))
            .collect();
        cuts.insert(0, 0);
        cuts.push(bytes.len());
        if cuts.len() > 2 * SEGMENTS {
            return Some(vec![path.to_owned()]);
        }
        let single = !path.trim_matches('/').contains('/');
        let joins = OnceCell::new();
        let may_join = || *joins.get_or_init(|| self.may_join_slash());
        // reached[i]: the cut before, on a way from the start to cut i.
        let mut reached: Vec<Option<usize>> = vec![None; cuts.len()];
        for to in 1..cuts.len() {
            for from in 0..to {
                let open = from == 0 || reached.get(from).copied().flatten().is_some();
                let whole = from == 0 && to + 1 == cuts.len();
                let (Some(&start), Some(&end)) = (cuts.get(from), cuts.get(to)) else { continue };
                let Some(part) = path.get(start..end) else { continue };
                // What the standard library alone uses, its own code may join; a single segment it does not.
                let but = (part.trim_matches('/') == path.trim_matches('/')).then_some(Owner::Std);
                // The text of an answer, `ready`, is no part of a path where nobody puts a slash in front of it.
                let slash = single && from == 0 && part == "/";
                if open && !whole && self.is_part(part, but) && (!slash || may_join()) {
                    if let Some(slot) = reached.get_mut(to) {
                        *slot = Some(from);
                    }
                    break;
                }
            }
        }
        let mut parts = Vec::new();
        let mut at = cuts.len() - 1;
        while at > 0 {
            let from = reached.get(at).copied().flatten()?;
            parts.push(path.get(*cuts.get(from)?..*cuts.get(at)?)?.to_owned());
            at = from;
        }
        parts.reverse();
        Some(parts)
    }

    /// Whether code may put a slash in front of a text that has none: that of a dependency, which may be a router, or of
    /// the program, where it takes the address of a text that is a slash. `http.ServeMux` does not: a pattern without one
    /// is a host.
    fn may_join_slash(&self) -> bool {
        let owner = |name: &str| package_of(name).map(|package| self.owners.of_package(package));
        let foreign =
            |name: &str| matches!(owner(name), Some(Owner::Dependency(_) | Owner::Unknown));
        let is_slash = |target: u64| {
            self.image.is_constant_data(target) && self.image.bytes_at(target, 1) == Some(b"/")
        };
        self.functions.functions().any(|function| foreign(function.name))
            || references(&self.image, self.machine).iter().any(|reference| {
                reference.taken
                    && reference.len.is_none_or(|len| len.get() == 1)
                    && is_slash(reference.target)
                    && self.string_at(reference.target).is_none_or(|string| string.text == "/")
                    && self
                        .functions
                        .function_at(reference.at)
                        .is_none_or(|function| owner(function.name) != Some(Owner::Std))
            })
    }

    /// Whether a part of a path is in the program by itself, used by others than `but`.
    fn is_part(&self, part: &str, but: Option<Owner>) -> bool {
        if part == "/" {
            return true;
        }
        // A router that joins a prefix and a path takes care of the slashes between them, and of the method.
        let own = self.iter().filter(|s| Some(s.owner) != but);
        own.into_iter().any(|s| bare(s.text) == bare(part) || is_pattern_of(s, part))
            || self.in_code_but(part, but) != Presence::Absent
    }
}

/// Whether a constant is a pattern that matches a path.
fn is_pattern_of(string: &GoString<'_>, path: &str) -> bool {
    let pattern = match string.kind() {
        Kind::Path if string.owner != Owner::Std => string.text,
        Kind::Pattern { path, .. } => path.get(path.find('/').unwrap_or(0)..).unwrap_or(path),
        // Format strings and wild cards are no paths by their look.
        Kind::Other if string.text.starts_with('/') && string.text.contains(['%', '*']) => {
            string.text
        }
        _ => return false,
    };
    matches(pattern, path)
}

/// Whether a path pattern matches a path that is not equal to it. Placeholders: `{name}` and `:name` for a segment,
/// `{name...}`, `*` and `*name` for the rest, as behind the beginning of a segment (`/live*`), `%s` and its like for anything
/// without a slash; a slash at the end for all below.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    const LONGEST: usize = 512;
    if pattern.len() > LONGEST || path.len() > LONGEST {
        return false;
    }
    let letters = |segment: &str| segment.bytes().any(|b| b.is_ascii_alphanumeric());
    let mut literal = false;
    let mut path = path.split('/');
    let mut pattern = pattern.split('/').peekable();
    let mut placeholder = false;
    while let Some(expected) = pattern.next() {
        if expected.is_empty() && pattern.peek().is_none() {
            // A trailing slash: everything below, the root excepted, which matches all paths and says nothing.
            return literal;
        }
        let rest = expected.starts_with('*')
            || (expected.starts_with('{')
                && (expected.ends_with("...}") || expected.contains(":.*")));
        if rest {
            return literal && path.next().is_some();
        }
        let Some(segment) = path.next() else { return false };
        if let Some(beginning) = expected.strip_suffix('*') {
            return (literal || letters(beginning)) && segment.starts_with(beginning);
        }
        let any = (expected.starts_with('{') && expected.ends_with('}'))
            || (expected.starts_with(':') && expected.len() > 1);
        if any {
            placeholder = true;
            if segment.is_empty() {
                return false;
            }
        } else if let Some(at) = expected.find('%') {
            placeholder = true;
            let (before, after) = expected.split_at(at);
            // The verb ends with its first letter.
            let verb = after.find(|c: char| c.is_ascii_alphabetic()).map_or(after.len(), |i| i + 1);
            let after = after.get(verb..).unwrap_or_default();
            let fits = segment.starts_with(before)
                && (after.contains('%') || segment.ends_with(after))
                && segment.len() >= before.len();
            if !fits {
                return false;
            }
            literal |= letters(before) || letters(after);
        } else if expected == segment {
            literal |= letters(segment);
        } else {
            return false;
        }
    }
    placeholder && literal && path.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_borders() {
        use PathIn::*;
        for (text, path, expected) in [
            ("/ready", "/ready", Served),
            ("GET /ready", "/ready", Served),
            ("GET  /ready/{$}", "/ready", Served),
            ("/ready/", "/ready", Served),
            ("shop.example.com/ready", "/ready", Served),
            ("GET localhost/ready", "/ready", Served),
            ("/readyz", "/ready", Not),
            ("GET /readyz", "/ready", Not),
            ("/ready-check", "/ready", Not),
            ("/ready_2", "/ready", Not),
            ("/ready.json", "/ready", Not),
            ("/readyz?or=/ready", "/ready", Longer),
            ("/ready/db", "/ready", Longer),
            ("/internal/ready", "/ready", Longer),
            ("http://localhost:8080/ready", "/ready", Longer),
            ("ask /ready.", "/ready", Longer),
            ("/api/orders", "/api/", Longer),
            ("/api/", "/api/", Served),
            ("/other", "/ready", Not),
            ("", "/ready", Not),
        ] {
            assert_eq!(path_in(text, path), expected, "{text} {path}");
        }
    }

    #[test]
    fn patterns() {
        for (pattern, path) in [
            ("/pattern/{id}", "/pattern/42"),
            ("/pattern/{id}/confirm", "/pattern/42/confirm"),
            ("/files/{path...}", "/files/a/b"),
            ("/static/", "/static/site.css"),
            ("/users/:id", "/users/7"),
            ("/assets/*filepath", "/assets/a/b/c"),
            ("/api/%s/pods", "/api/v1/pods"),
            ("/api/v%d", "/api/v1"),
            ("/live*", "/livez"),
            ("/live*", "/live/db"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/", "/alive"),
            ("/%s", "/alive"),
            ("/{anything}", "/alive"),
            ("/*", "/alive"),
            ("/pattern/{id}", "/pattern/"),
            ("/pattern/{id}", "/pattern/42/confirm"),
            ("/static/", "/statics/x"),
            ("/healthz", "/healthz"),
            ("/api/v%d", "/api/x1"),
            ("/live*", "/alive"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }
}
