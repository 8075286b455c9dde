//! Which flags and variables of a Dockerfile's `go build` may be given to a `go build` on the
//! user's machine. A Dockerfile is hostile: `-toolexec` runs any program, `-overlay`, `-modfile`
//! and `-pkgdir` read and write any file, `CC` and `GOFLAGS` carry both. Only what is on the list
//! passes; the rest is named.

use crate::facts::Fact;
use crate::facts::build::GoBuild;

/// A `go build` as far as it may be repeated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reproduction {
    /// Flags with their values; an empty value is none: `-trimpath`.
    pub flags: Vec<(String, String)>,
    /// Environment.
    pub env: Vec<(String, String)>,
    /// What is not repeated, and why.
    pub refused: Vec<(Fact<String>, &'static str)>,
}

impl Reproduction {
    /// The flags as arguments.
    pub fn arguments(&self) -> Vec<String> {
        self.flags
            .iter()
            .map(|(flag, value)| match value.as_str() {
                "" => flag.clone(),
                value => format!("{flag}={value}"),
            })
            .collect()
    }
}

const UNRESOLVED: &str = "its value holds something that only the build knows";
const NOT_ALLOWED: &str = "it is not on the list of flags that are repeated";

/// Splits a `go build` into what is repeated and what is not.
pub fn repro_flags(build: &GoBuild) -> Reproduction {
    let mut out = Reproduction::default();
    for flag in &build.flags {
        let (name, value) = flag.value.split_once('=').unwrap_or((&flag.value, ""));
        let accepted = match name {
            // Where the binary goes and how much is printed is the caller's business.
            "-o" | "-v" | "-x" => continue,
            "-ldflags" => match ldflags(value) {
                Ok((kept, refused)) => {
                    out.refused.extend(
                        refused
                            .into_iter()
                            .map(|(word, why)| (flag.map(|_| format!("-ldflags {word}")), why)),
                    );
                    if kept.is_empty() {
                        continue;
                    }
                    Ok(kept)
                }
                Err(why) => Err(why),
            },
            _ if unresolved(value) => Err(UNRESOLVED),
            "-trimpath" | "-race" | "-cover" => boolean(value),
            "-tags" => word(value, |b| {
                b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b',' | b' ' | b'-')
            }),
            "-buildmode" => match value {
                "exe" | "pie" | "default" => Ok(value.to_owned()),
                _ => Err("only the build modes exe, pie and default make a program"),
            },
            _ => Err(NOT_ALLOWED),
        };
        match accepted {
            Ok(value) => out.flags.push((name.to_owned(), value)),
            Err(reason) => out.refused.push((flag.clone(), reason)),
        }
    }
    for (name, value) in &build.env {
        let allowed: &[&str] = match name.value.as_str() {
            "CGO_ENABLED" => &["0", "1"],
            "GOOS" => &["linux"],
            "GOARCH" => &["amd64", "arm64"],
            "GOAMD64" => &["v1", "v2", "v3", "v4"],
            "GOARM64" => {
                if word(value, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b',')).is_ok() {
                    out.set(&name.value, &value.value);
                } else {
                    out.refused.push((name.clone(), UNRESOLVED));
                }
                continue;
            }
            // Variables that change what is built; the others are none of the build's business.
            "CC" | "CXX" | "AR" | "PKG_CONFIG" | "GOFLAGS" | "GOEXPERIMENT" | "GOWORK"
            | "GO111MODULE" | "GOFIPS140" | "CGO_CFLAGS" | "CGO_CPPFLAGS" | "CGO_CXXFLAGS"
            | "CGO_LDFLAGS" | "GOENV" | "GOROOT" | "GOARM" => {
                if !value.value.is_empty() && name.is_written() {
                    out.refused.push((
                        name.clone(),
                        "it is not on the list of variables that are repeated",
                    ));
                }
                continue;
            }
            _ => continue,
        };
        if allowed.contains(&value.value.as_str()) {
            out.set(&name.value, &value.value);
        } else if unresolved(value) {
            out.refused.push((name.clone(), UNRESOLVED));
        } else {
            out.refused.push((name.clone(), "its value is not one that can be built here"));
        }
    }
    out
}

impl Reproduction {
    fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(n, _)| n != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }
}

fn unresolved(value: &str) -> bool {
    value.contains(['$', '`', '\n', '\r', '\0'])
}

fn boolean(value: &str) -> Result<String, &'static str> {
    match value {
        "" | "true" | "1" => Ok(String::new()),
        "false" | "0" => Ok("false".to_owned()),
        _ => Err("its value is neither true nor false"),
    }
}

fn word(value: &str, allowed: impl Fn(u8) -> bool) -> Result<String, &'static str> {
    if !value.is_empty() && value.len() <= 4096 && value.bytes().all(allowed) {
        Ok(value.to_owned())
    } else {
        Err("its value has characters that such a value does not need")
    }
}

/// Linker flags that are repeated when they are true, without a value. cmd/link, Go 1.27.
const LINKER_SWITCHES: &[&str] = &["-s", "-w"];
/// Other flags of the linker that take no value of their own.
const LINKER_OTHER_SWITCHES: &[&str] = &[
    "-V",
    "-a",
    "-asan",
    "-aslr",
    "-bindnow",
    "-c",
    "-checklinkname",
    "-compressdwarf",
    "-d",
    "-debugnosplit",
    "-dumpdep",
    "-f",
    "-g",
    "-h",
    "-linkshared",
    "-msan",
    "-n",
    "-pruneweakmap",
    "-race",
    "-u",
    "-v",
];
/// Flags of the linker whose value is the next word, unless it stands behind `=`.
const LINKER_VALUES: &[&str] = &[
    "-B",
    "-E",
    "-H",
    "-I",
    "-L",
    "-R",
    "-T",
    "-X",
    "-benchmark",
    "-benchmarkprofile",
    "-buildid",
    "-buildmode",
    "-capturehostobjs",
    "-cpuprofile",
    "-debugtextsize",
    "-debugtramp",
    "-extar",
    "-extld",
    "-extldflags",
    "-fipso",
    "-importcfg",
    "-installsuffix",
    "-k",
    "-libgcc",
    "-linkmode",
    "-memprofile",
    "-memprofilerate",
    "-o",
    "-pluginpath",
    "-r",
    "-randlayout",
    "-strictdups",
    "-tmpdir",
];

/// What of `-ldflags` is repeated, and the words that are not, with the reason.
type Ldflags = (String, Vec<(String, &'static str)>);

/// `-s`, `-w`, `-X name=value` and `-linkmode`. All is refused when it cannot be told which words
/// are flags and which are values: leaving one out could make another mean something else.
fn ldflags(value: &str) -> Result<Ldflags, &'static str> {
    const UNCLEAR: &str = "its words cannot be told apart";
    const REFUSED: &str = "only -s, -w, -X and -linkmode are repeated from -ldflags";
    // `-ldflags=PATTERN=...` is for some packages only.
    if value.len() > 16 << 10
        || value.contains('\0')
        || !value.trim_start().trim_start_matches(['\'', '"']).starts_with('-')
    {
        return Err(if value.contains('$') { UNRESOLVED } else { UNCLEAR });
    }
    let words = split(value).ok_or(UNCLEAR)?;
    let (mut kept, mut refused) = (Vec::new(), Vec::new());
    let mut rest = words.into_iter();
    while let Some(word) = rest.next() {
        let flag = if word.starts_with("--") { &word[1..] } else { word };
        let (name, inline) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, None),
        };
        let switch = LINKER_SWITCHES.contains(&name);
        if switch || LINKER_OTHER_SWITCHES.contains(&name) {
            match inline {
                _ if !switch => refused.push((word.to_owned(), REFUSED)),
                None | Some("true" | "1" | "t" | "T" | "TRUE" | "True") => {
                    kept.push(name.to_owned());
                }
                Some("false" | "0") => kept.push(format!("{name}=false")),
                Some(_) => refused.push((word.to_owned(), UNRESOLVED)),
            }
            continue;
        }
        if !LINKER_VALUES.contains(&name) {
            return Err(if word.contains('$') { UNRESOLVED } else { UNCLEAR });
        }
        let Some(value) = inline.or_else(|| rest.next()) else { return Err(UNCLEAR) };
        let all = format!("{name} {value}");
        match name {
            "-X" | "-linkmode" if unresolved(value) => refused.push((all, UNRESOLVED)),
            "-X" if value.contains('=') && !value.starts_with('-') => match quoted(value) {
                Some(value) => kept.extend([name.to_owned(), value]),
                None => refused.push((all, UNCLEAR)),
            },
            "-linkmode" if matches!(value, "internal" | "external" | "auto") => {
                kept.push(format!("-linkmode={value}"));
            }
            _ => refused.push((all, REFUSED)),
        }
    }
    Ok((kept.join(" "), refused))
}

/// Words as cmd/internal/quoted.Split has them: one is quoted as a whole or not at all. What the
/// shell would substitute (`$(git describe --tags)`) is one word.
fn split(text: &str) -> Option<Vec<&str>> {
    let space = |b: u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
    let bytes = text.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        if space(b) {
            at += 1;
            continue;
        }
        let quote = matches!(b, b'"' | b'\'').then_some(b);
        let start = at + usize::from(quote.is_some());
        at = start;
        loop {
            match (bytes.get(at), quote) {
                (Some(b'$'), _) if bytes.get(at + 1) == Some(&b'(') => {
                    let mut depth = 0usize;
                    loop {
                        match bytes.get(at)? {
                            b'(' => depth += 1,
                            b')' if depth == 1 => break,
                            b')' => depth -= 1,
                            _ => {}
                        }
                        at += 1;
                    }
                }
                (Some(b'`'), _) => at += 1 + memchr::memchr(b'`', &bytes[at + 1..])?,
                (Some(b), Some(quote)) if *b == quote => break,
                (Some(b), None) if space(*b) => break,
                (None, None) => break,
                (None, Some(_)) => return None,
                _ => {}
            }
            at += 1;
        }
        words.push(text.get(start..at)?);
        at += usize::from(quote.is_some());
    }
    Some(words)
}

/// A word as cmd/internal/quoted.Join writes it; one with both quotes cannot be written.
fn quoted(word: &str) -> Option<String> {
    match (word.contains('\''), word.contains('"')) {
        (false, false) if !word.contains([' ', '\t']) => Some(word.to_owned()),
        (false, _) => Some(format!("'{word}'")),
        (true, false) => Some(format!("\"{word}\"")),
        (true, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, kept: &str, refused: &[&str]) {
        let (got, left) = ldflags(value).unwrap();
        assert_eq!(got, kept, "{value}");
        assert_eq!(left.iter().map(|(w, _)| w.as_str()).collect::<Vec<_>>(), refused, "{value}");
    }

    #[test]
    fn ldflags_are_repeated_in_part() {
        check("-s -w", "-s -w", &[]);
        check("-s=true --w=0", "-s -w=false", &[]);
        check("-X main.v=1 -X=main.c=2", "-X main.v=1 -X main.c=2", &[]);
        check("-X 'main.v=a b' -s", "-X 'main.v=a b' -s", &[]);
        check("'-X=main.v=a b'", "-X 'main.v=a b'", &[]);
        check("-linkmode external", "-linkmode=external", &[]);
        check("-s -extldflags -static -w", "-s -w", &["-extldflags -static"]);
        check("-extldflags '-static -s' -w", "-w", &["-extldflags -static -s"]);
        check("-s -extld=evil", "-s", &["-extld evil"]);
        check("-s -X main.v=$(git describe --tags)", "-s", &["-X main.v=$(git describe --tags)"]);
        check("-X main.v=${V} -w", "-w", &["-X main.v=${V}"]);
        check("-X \"main.v=`git describe -s`\" -w", "-w", &["-X main.v=`git describe -s`"]);
        check("-linkmode weird -v -s", "-s", &["-linkmode weird", "-v"]);
    }

    #[test]
    fn unclear_ldflags_are_not_repeated() {
        for value in
            ["all=-s", "$FLAGS -s", "-s $FLAGS", "-s 'x", "-X", "-unknown -s", "-X main.v=$(x", ""]
        {
            assert!(ldflags(value).is_err(), "{value}");
        }
    }
}
