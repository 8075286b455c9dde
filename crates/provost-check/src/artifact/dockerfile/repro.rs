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
            _ if unresolved(value) => Err(UNRESOLVED),
            "-trimpath" | "-race" | "-cover" => boolean(value),
            "-tags" => word(value, |b| {
                b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b',' | b' ' | b'-')
            }),
            "-buildmode" => match value {
                "exe" | "pie" | "default" => Ok(value.to_owned()),
                _ => Err("only the build modes exe, pie and default make a program"),
            },
            "-ldflags" => ldflags(value),
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

/// `-s`, `-w`, `-X name=value` and `-linkmode`; one refused word refuses all, because leaving a
/// word out could make its value the next flag.
fn ldflags(value: &str) -> Result<String, &'static str> {
    const REFUSED: &str = "only -s, -w, -X and -linkmode are repeated from -ldflags";
    if value.len() > 16 << 10 {
        return Err(REFUSED);
    }
    // Quotes are cmd/internal/quoted's: a word is quoted as a whole or not at all.
    let mut words = Vec::new();
    let mut rest = value.trim_start();
    while !rest.is_empty() {
        let (word, after) = match rest.chars().next() {
            Some(q @ ('\'' | '"')) => {
                let inner = rest.get(1..).unwrap_or_default();
                let Some(end) = inner.find(q) else { return Err(REFUSED) };
                (inner.get(..end).unwrap_or_default(), inner.get(end + 1..).unwrap_or_default())
            }
            _ => {
                let end = rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
                rest.split_at(end)
            }
        };
        words.push(word);
        rest = after.trim_start();
    }
    let mut i = 0;
    while let Some(word) = words.get(i) {
        let flag = word.strip_prefix("--").map_or_else(|| (*word).to_owned(), |w| format!("-{w}"));
        let (name, inline) = match flag.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (flag, None),
        };
        match name.as_str() {
            "-s" | "-w"
                if inline.as_deref().is_none_or(|v| matches!(v, "true" | "false" | "0" | "1")) => {}
            "-X" => {
                let setting = match &inline {
                    Some(setting) => Some(setting.as_str()),
                    None => {
                        i += 1;
                        words.get(i).copied()
                    }
                };
                if !setting.is_some_and(|s| s.contains('=') && !s.starts_with('-')) {
                    return Err(REFUSED);
                }
            }
            "-linkmode" => {
                let mode = match &inline {
                    Some(mode) => Some(mode.as_str()),
                    None => {
                        i += 1;
                        words.get(i).copied()
                    }
                };
                if !mode.is_some_and(|m| matches!(m, "internal" | "external" | "auto")) {
                    return Err(REFUSED);
                }
            }
            _ => return Err(REFUSED),
        }
        i += 1;
    }
    Ok(value.to_owned())
}
