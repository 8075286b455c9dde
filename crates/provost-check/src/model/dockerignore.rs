//! The patterns of `.dockerignore`, as BuildKit matches them: `github.com/moby/patternmatcher` v0.6.1
//! (`patternmatcher.go`, `ignorefile/ignorefile.go`).
//!
//! Go makes a regular expression of a pattern, or compares its beginning or end where `**` stands
//! there alone; both are followed, the quirks included. Matching keeps a set of positions and is
//! never more than pattern times path.

use std::ops::Range;

/// The file's patterns in order.
#[derive(Clone, Debug, Default)]
pub struct IgnoreFile {
    patterns: Vec<Pattern>,
    /// A pattern is beyond this reader, or one that BuildKit refuses: nothing is certain.
    unclear: bool,
}

/// Patterns that are read.
const MOST: usize = 2000;
/// Longest pattern, and longest path that is compared.
const LONGEST: usize = 4096;

#[derive(Clone, Debug)]
struct Pattern {
    /// The line in the file, without blanks around it.
    line: Range<usize>,
    exclusion: bool,
    kind: Kind,
    /// What every match starts with.
    literal: String,
    /// Names in a path that it matches; any number with `**`.
    names: Option<usize>,
}

#[derive(Clone, Debug)]
enum Kind {
    Exact(String),
    /// A `**` at the end and no other special character.
    Prefix(String),
    /// A `**` at the start and no other special character.
    Suffix(String),
    Expression(Vec<Part>),
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Char(char),
    /// `?`
    One,
    /// `*`
    Many,
    /// `**/`: nothing, or anything up to a slash.
    Directories,
    /// `**` at the end.
    All,
    /// `[a-z]`, and whether it is negated.
    Class(Vec<(char, char)>, bool),
}

impl IgnoreFile {
    /// Reads a file.
    pub fn parse(text: &str) -> Self {
        let mut file = Self::default();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let start = at;
            at += line.len();
            let line = if start == 0 { line.trim_start_matches('\u{feff}') } else { line };
            // A comment starts its line; behind blanks the sign is a part of the name.
            let trimmed = line.trim();
            if line.starts_with('#') || trimmed.is_empty() {
                continue;
            }
            if file.patterns.len() >= MOST || trimmed.len() > LONGEST {
                file.unclear = true;
                break;
            }
            let lead = at - line.len() + (line.len() - line.trim_start().len());
            match pattern(trimmed, lead..lead + trimmed.len()) {
                Some(pattern) => file.patterns.push(pattern),
                None => file.unclear = true,
            }
        }
        file
    }

    /// The place of the pattern that leaves a path out. `None` when it is sent to the builder, or
    /// something below it may be, or when that cannot be told. `path` is relative to the context, and
    /// empty for the context itself. `steps` is what may still be spent on comparing; without any
    /// left nothing can be told.
    pub fn excludes(&self, path: &str, steps: &mut usize) -> Option<Range<usize>> {
        if self.unclear || path.len() > LONGEST {
            return None;
        }
        if path.is_empty() {
            let exclusions = self.patterns.iter().any(|pattern| pattern.exclusion);
            let all = |pattern: &&Pattern| match &pattern.kind {
                Kind::Expression(parts) => {
                    *parts == [Part::Many] || *parts == [Part::Directories, Part::Many]
                }
                Kind::Suffix(end) => end.is_empty(),
                _ => false,
            };
            let all = self.patterns.iter().find(all).filter(|_| !exclusions);
            return all.map(|pattern| pattern.line.clone());
        }
        let mut by: Option<&Pattern> = None;
        for pattern in &self.patterns {
            // `MatchesOrParentMatches`: an exclusion counts only for what is left out by then.
            if pattern.exclusion != by.is_some() {
                continue;
            }
            let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
            let mut found = false;
            for path in std::iter::once(path).chain(parents) {
                *steps = steps.checked_sub(pattern.cost(path))?;
                found |= pattern.matches(path);
                if found {
                    break;
                }
            }
            if found {
                by = (!pattern.exclusion).then_some(pattern);
            }
        }
        let by = by?;
        // `!dist/app` keeps something of `dist`.
        let below = format!("{path}/");
        let own = path.split('/').count();
        let reaches = |pattern: &&Pattern| {
            pattern.exclusion
                && pattern.names.is_none_or(|names| names > own)
                && (pattern.literal.starts_with(&below) || below.starts_with(&pattern.literal))
        };
        let kept = self.patterns.iter().find(reaches);
        kept.is_none().then(|| by.line.clone())
    }
}

/// A line as `ignorefile.ReadAll` and `patternmatcher.New` take it; `None` for what they refuse.
fn pattern(line: &str, at: Range<usize>) -> Option<Pattern> {
    let (exclusion, rest) = match line.strip_prefix('!') {
        Some(rest) => (true, rest.trim()),
        None => (false, line),
    };
    if rest.is_empty() {
        return None;
    }
    let cleaned = clean(rest);
    let cleaned = match cleaned.strip_prefix('/') {
        Some(rest) if !rest.is_empty() => rest,
        _ => &cleaned,
    };
    let kind = compile(cleaned)?;
    let special = cleaned.find(['*', '?', '[', ']', '\\']).unwrap_or(cleaned.len());
    let literal = cleaned.get(..special)?.to_owned();
    let names = (!cleaned.contains("**")).then(|| cleaned.split('/').count());
    Some(Pattern { line: at, exclusion, kind, literal, names })
}

/// `filepath.Clean`
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(last) if *last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// `Pattern.compile`
fn compile(pattern: &str) -> Option<Kind> {
    let mut parts = Vec::new();
    let mut chars = pattern.chars().peekable();
    // exact, prefix, suffix or regexp, as the type there.
    let (mut exact, mut prefix, mut suffix) = (true, false, false);
    let mut first = true;
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.peek() == Some(&'*') => {
                chars.next();
                if chars.peek() == Some(&'/') {
                    chars.next();
                }
                if chars.peek().is_none() {
                    prefix = exact;
                    parts.push(Part::All);
                } else {
                    prefix = false;
                    parts.push(Part::Directories);
                }
                exact = false;
                suffix = first;
            }
            '*' | '?' => {
                parts.push(if c == '*' { Part::Many } else { Part::One });
                (exact, prefix, suffix) = (false, false, false);
            }
            '\\' => {
                parts.push(Part::Char(chars.next()?));
                (exact, prefix, suffix) = (false, false, false);
            }
            '[' => {
                parts.push(class(&mut chars)?);
                (exact, prefix, suffix) = (false, false, false);
            }
            ']' => return None,
            c => parts.push(Part::Char(c)),
        }
        first = false;
    }
    Some(if suffix {
        Kind::Suffix(pattern.get(2..)?.to_owned())
    } else if exact {
        Kind::Exact(pattern.to_owned())
    } else if prefix {
        Kind::Prefix(pattern.get(..pattern.len() - 2)?.to_owned())
    } else {
        Kind::Expression(parts)
    })
}

/// Behind `[`.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Part> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let mut c = chars.next()?;
        match c {
            ']' if !ranges.is_empty() => return Some(Part::Class(ranges, negated)),
            // Named classes and the like mean other things to the two who read a pattern.
            '[' | ']' | '^' => return None,
            '\\' => c = chars.next()?,
            _ => {}
        }
        let mut end = c;
        if chars.next_if_eq(&'-').is_some() {
            end = chars.next()?;
            if end == ']' || end == '\\' || end < c {
                return None;
            }
        }
        ranges.push((c, end));
    }
}

impl Pattern {
    fn cost(&self, path: &str) -> usize {
        match &self.kind {
            Kind::Expression(parts) => (parts.len() + 1) * (path.len() + 1),
            _ => 1,
        }
    }

    fn matches(&self, path: &str) -> bool {
        match &self.kind {
            Kind::Exact(pattern) => path == pattern,
            Kind::Prefix(start) => path.starts_with(start.as_str()),
            Kind::Suffix(end) => {
                path.ends_with(end.as_str()) || end.strip_prefix('/').is_some_and(|end| end == path)
            }
            Kind::Expression(parts) => expression(parts, path),
        }
    }
}

/// `^...$`, with the set of positions that are reached.
fn expression(parts: &[Part], path: &str) -> bool {
    let text: Vec<char> = path.chars().collect();
    let mut reach = vec![false; text.len() + 1];
    reach[0] = true;
    for part in parts {
        let mut next = vec![false; text.len() + 1];
        match part {
            Part::Many | Part::All => {
                let mut on = false;
                for (i, slot) in next.iter_mut().enumerate() {
                    let crosses = *part == Part::Many && i > 0 && text.get(i - 1) == Some(&'/');
                    on = (on && !crosses) || reach[i];
                    *slot = on;
                }
            }
            Part::Directories => {
                let mut on = false;
                for (i, slot) in next.iter_mut().enumerate() {
                    let behind_slash = i > 0 && text.get(i - 1) == Some(&'/');
                    *slot = reach[i] || (on && behind_slash);
                    on |= reach[i];
                }
            }
            Part::One | Part::Char(_) | Part::Class(..) => {
                for (i, c) in text.iter().enumerate().filter(|(i, _)| reach[*i]) {
                    next[i + 1] = match part {
                        Part::Char(wanted) => c == wanted,
                        Part::Class(ranges, negated) => {
                            let inside = |(a, b): &(char, char)| (a..=b).contains(&c);
                            ranges.iter().any(inside) != *negated
                        }
                        _ => *c != '/',
                    };
                }
            }
        }
        if !next.contains(&true) {
            return false;
        }
        reach = next;
    }
    reach.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn excluded(file: &str, path: &str) -> bool {
        IgnoreFile::parse(file).excludes(path, &mut 1_000_000).is_some()
    }

    /// Rows of `patternmatcher_test.go` v0.6.1 (`multiPatternTests` and `matchTests`).
    #[test]
    fn rows_of_patternmatchers_own_test() {
        for (pattern, path, matches) in [
            ("**", "file", true),
            ("**", "file/", true),
            ("**/", "file", true),
            ("**/", "dir/file", true),
            ("**/**", "dir/file", true),
            ("dir/**", "dir/file", true),
            ("dir/**", "dir/dir2/file", true),
            ("**/dir", "dir", true),
            ("**/dir", "dir/file", true),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/dir2/*", "dir/dir2/dir2/file", true),
            ("**/dir2/**", "dir/dir2/dir2/file", true),
            ("**file", "file", true),
            ("**file", "dir/file", true),
            ("**/file", "dir/file", true),
            ("**file", "dir/dir/file", true),
            ("**/file*", "dir/dir/file.txt", true),
            ("**/file*txt", "dir/dir/file.txt", true),
            ("**/file*.txt*", "dir/dir/file.txt", true),
            ("**/**/*.txt", "dir/dir/file.txt", true),
            ("**/**/*.txt2", "dir/dir/file.txt", false),
            ("**/*.txt", "file.txt", true),
            ("a**/*.txt", "a/file.txt", true),
            ("a**/*.txt", "a/dir/file.txt", true),
            ("a[b-d]e", "ae", false),
            ("a[b-d]e", "ace", true),
            ("a[b-d]e", "aae", false),
            ("a[^b-d]e", "aze", true),
            (".*", ".foo", true),
            (".*", "foo", false),
            ("abc.def", "abcdef", false),
            ("abc.def", "abc.def", true),
            ("abc.def", "abcZdef", false),
            ("abc?def", "abcZdef", true),
            ("abc?def", "abcdef", false),
            ("**/foo/bar", "foo/bar", true),
            ("**/foo/bar", "dir/foo/bar", true),
            ("abc/**", "abc", false),
            ("abc/**", "abc/def", true),
            ("**/.foo", ".foo", true),
            ("**/.foo", "bar.foo", false),
            ("a(b)c/def", "a(b)c/def", true),
            ("a.|)$(}+{bc", "a.|)$(}+{bc", true),
            ("dist/whatever/*.js", "dist/whatever/a.js", true),
            ("*", "dir/file", true),
            ("foo", "foo/bar/baz", true),
            ("a\\*c", "a*c", true),
            ("a\\*c", "abc", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("a?b", "a\u{263a}b", true),
            ("a[^a]b", "a\u{263a}b", true),
            ("a?b", "a/b", false),
            ("[\\]a]", "]", true),
            ("[x\\-]", "-", true),
            ("[x\\-]", "z", false),
        ] {
            assert_eq!(excluded(pattern, path), matches, "{pattern} {path}");
        }
    }

    #[test]
    fn the_last_pattern_decides() {
        assert!(!excluded("*\n!go.mod", "go.mod"));
        assert!(excluded("*\n!go.mod", "go.sum"));
        assert!(excluded("!go.mod\n*", "go.mod"));
        assert!(excluded("docs\n!docs/README.md\n*.md", "README.md"));
        assert!(!excluded("docs\n!docs/README.md", "docs/README.md"));
        assert!(excluded("*.md\n!README*.md\nREADME-secret.md", "README-secret.md"));
    }

    #[test]
    fn a_directory_of_which_something_is_kept() {
        for file in ["dist\n!dist/app", "*\n!*/app", "**\n!**/app", "*\n!dist/**/app"] {
            assert!(!excluded(file, "dist"), "{file}");
        }
        assert!(excluded("*\n!*.go\n!dist*", "vendor"));
        assert!(excluded("dist\n!bin/app", "dist"));
        assert!(excluded("*\n!cmd", "dist"));
    }

    #[test]
    fn lines_as_they_are_read() {
        let file = "\u{feff}# x\n\n  /vendor/ \n ! /vendor/keep.txt\n";
        let at = IgnoreFile::parse(file).excludes("vendor/a", &mut 100).unwrap();
        assert_eq!(&file[at], "/vendor/");
        assert!(!excluded(file, "vendor/keep.txt"));
        assert!(!excluded("#vendor", "#vendor"));
        assert!(excluded("./a/../vendor", "vendor"));
        // What BuildKit would refuse.
        assert!(!excluded("[a\nvendor", "vendor"));
        assert!(!excluded("!\nvendor", "vendor"));
    }

    #[test]
    fn the_context_itself() {
        for file in ["*", "**", "**/*"] {
            assert!(excluded(file, ""), "{file}");
        }
        assert!(!excluded("*\n!x", "") && !excluded("*.md", "") && !excluded(".", ""));
    }

    proptest! {
        #[test]
        fn any_file_is_read(text in "[ab*?/.!#\\[\\]^\\\\ \n-]{0,40}", path in "[ab/.]{0,20}") {
            let file = IgnoreFile::parse(&text);
            if let Some(at) = file.excludes(&path, &mut 100_000) {
                prop_assert!(text.get(at).is_some());
            }
        }
    }

    #[test]
    fn what_takes_too_many_steps_is_not_told() {
        let file = IgnoreFile::parse(&format!("{}b\nx", "*a".repeat(2000)));
        let mut steps = 1000;
        assert_eq!(file.excludes("x/y", &mut steps), None);
        assert!(file.excludes("x", &mut 10_000).is_some());
    }
}
