//! What BuildKit refuses beyond the grammar: flags, sources, mounts and signals, by
//! `frontend/dockerfile/instructions` and `dockerfile2llb` (v0.26).

use super::grammar::Split;
use super::lines::Line;
use super::stages::{Loader, shorten};
use crate::facts::Fact;

/// Flags that are on or off; they may stand without a value.
const SWITCHES: &[&str] = &["link", "keep-git-dir", "unpack", "parents"];
/// Flags that may stand more than once.
const REPEATED: &[&str] = &["exclude", "mount", "device"];
/// Flags of HEALTHCHECK that are Go durations.
const DURATIONS: &[&str] = &["interval", "timeout", "start-period", "start-interval"];
/// `instructions/commands_runmount.go`
const MOUNT_TYPES: &[&str] = &["bind", "cache", "tmpfs", "secret", "ssh"];
const MOUNT_KEYS: &[&str] = &[
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "required",
    "size",
    "id",
    "sharing",
    "mode",
    "uid",
    "gid",
    "env",
];
/// Signals of Linux without `SIG` (`github.com/moby/sys/signal`).
const SIGNALS: &[&str] = &[
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

const FROM_VARIABLE: &str =
    "from= takes no variables: give the image a stage of its own by FROM, and name that";

impl Loader<'_> {
    /// Flags that the instruction does not take, or not like this.
    pub(super) fn flags(&mut self, line: &Line, name: &str, known: &[&str], split: &Split) {
        let mut seen: Vec<&str> = Vec::new();
        for flag in &split.flags {
            let text = line.get(flag).trim_start_matches('-');
            let (flag_name, value) = match text.split_once('=') {
                Some((flag_name, value)) => (flag_name, Some(value)),
                None => (text, None),
            };
            if !known.contains(&flag_name) {
                let message = format!("{name} has no flag --{}", shorten(flag_name));
                self.refused(line.span(flag), message);
                continue;
            }
            let fault = if seen.contains(&flag_name) && !REPEATED.contains(&flag_name) {
                Some(format!("--{flag_name} is written twice"))
            } else {
                fault_of(flag_name, value)
            };
            // At most one of each kind that is known.
            if !seen.contains(&flag_name) {
                seen.push(flag_name);
            }
            if let Some(fault) = fault {
                self.refused(line.span(flag), fault);
            }
        }
    }

    /// Flags that need something of the others, or of the sources (`dispatchCopy`).
    pub(super) fn copy_flags(&mut self) {
        let Some(copy) = self.copies.last() else { return };
        let flag = |name: &str| {
            copy.flags.iter().find_map(|flag| Some((flag, flag.value.strip_prefix(name)?)))
        };
        let mut found = Vec::new();
        let is_link = flag("--link").is_some_and(|(_, rest)| rest.is_empty() || rest == "=true");
        if is_link
            && flag("--chmod=").is_none()
            && let Some((at, owner)) = flag("--chown=")
            && !has_variable(owner)
            && !owner.split(':').all(|id| id.bytes().all(|b| b.is_ascii_digit()))
        {
            let what = "with --link the owner is a number: a layer of its own has no /etc/passwd";
            found.push((at.origin.span(), what.to_owned()));
        }
        if let Some((at, _)) = flag("--checksum=") {
            let local = |source: &Fact<String>| {
                !source.contains([':', '$', '@']) && !source.starts_with("github.com/")
            };
            let what = match copy.sources.as_slice() {
                [only] if local(only) => {
                    "--checksum is for what is fetched: an address or a Git repository"
                }
                [_] => "",
                _ => "--checksum takes one source",
            };
            if !what.is_empty() {
                found.push((at.origin.span(), what.to_owned()));
            }
        }
        for (span, what) in found {
            self.refused(span.unwrap_or_default(), what);
        }
    }

    /// Sources that COPY does not take.
    pub(super) fn copy_sources(&mut self, name: &str) {
        let Some(copy) = self.copies.last().filter(|_| name == "COPY") else { return };
        let from = copy.from.as_ref().filter(|from| has_variable(from));
        let from = from.and_then(|from| from.origin.span());
        let remote = |source: &&Fact<String>| {
            source.starts_with("http://") || source.starts_with("https://")
        };
        let spans: Vec<_> =
            copy.sources.iter().filter(remote).filter_map(|s| s.origin.span()).collect();
        for span in spans {
            self.refused(span, "COPY takes no URL; ADD does");
        }
        if let Some(span) = from {
            self.refused(span, FROM_VARIABLE);
        }
    }

    /// Mounts of a type or with a key that there is not.
    pub(super) fn mounts(&mut self, flags: &[Fact<String>]) {
        for flag in flags {
            let Some(fields) = flag.value.strip_prefix("--mount=") else { continue };
            // A field in quotes may hold commas.
            if fields.contains('"') {
                continue;
            }
            let Some(span) = flag.origin.span() else { continue };
            for field in fields.split(',') {
                let (key, value) = field.split_once('=').unwrap_or((field, ""));
                let key = key.to_ascii_lowercase();
                if !MOUNT_KEYS.contains(&key.as_str()) {
                    self.refused(span, format!("a mount has no key {}", shorten(&key)));
                } else if key == "type"
                    && !value.contains('$')
                    && !MOUNT_TYPES.contains(&value.to_ascii_lowercase().as_str())
                {
                    let message = format!(
                        "{} is no type of mount: {}",
                        shorten(value),
                        MOUNT_TYPES.join(", ")
                    );
                    self.refused(span, message);
                } else if key == "from" && has_variable(value) {
                    self.refused(span, FROM_VARIABLE);
                }
            }
        }
    }

    /// STOPSIGNAL with something that is no signal.
    pub(super) fn stop_signal(&mut self, value: &Fact<String>) {
        let upper = value.value.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let real_time = name == "RTMIN"
            || name == "RTMAX"
            || name.strip_prefix("RTMIN+").is_some_and(|n| n.parse::<u8>().is_ok_and(|n| n <= 15))
            || name.strip_prefix("RTMAX-").is_some_and(|n| n.parse::<u8>().is_ok_and(|n| n <= 14));
        let number = upper.parse::<i64>().is_ok_and(|number| number != 0);
        if number || real_time || SIGNALS.contains(&name) || value.value.contains('$') {
            return;
        }
        let span = value.origin.span().unwrap_or_default();
        self.refused(span, format!("{} is no signal of Linux", shorten(value)));
    }
}

/// What is wrong with a flag's value.
fn fault_of(name: &str, value: Option<&str>) -> Option<String> {
    let Some(value) = value else {
        return (!SWITCHES.contains(&name)).then(|| format!("--{name} needs a value"));
    };
    if value.contains('$') {
        return None;
    }
    if SWITCHES.contains(&name) {
        let fine = matches!(value.to_ascii_lowercase().as_str(), "true" | "false");
        return (!fine).then(|| format!("--{name} is true or false, not {}", shorten(value)));
    }
    if DURATIONS.contains(&name) && !is_duration(value) {
        let seconds = value.bytes().all(|b| b.is_ascii_digit()) && !value.is_empty();
        return Some(if seconds {
            format!("--{name}={} has no unit: {value}s", shorten(value))
        } else {
            format!("--{name}={} is no duration such as 30s", shorten(value))
        });
    }
    // What begins with a digit is octal; other modes are those of chmod(1).
    let octal = || u32::from_str_radix(value, 8).is_ok_and(|mode| mode <= 0o7777);
    if name == "chmod" && value.starts_with(|c: char| c.is_ascii_digit()) && !octal() {
        return Some(format!("--chmod={} is no mode: octal digits up to 7777", shorten(value)));
    }
    if name == "retries" && !value.is_empty() && value.parse::<u32>().is_err() {
        return Some(format!("--retries={} is no number", shorten(value)));
    }
    None
}

/// `time.ParseDuration` of at least a millisecond, or zero.
fn is_duration(value: &str) -> bool {
    let rest = value.strip_prefix('+').unwrap_or(value);
    if rest.is_empty() || rest == "0" {
        // An empty value is the default.
        return value == rest || rest == "0";
    }
    let mut rest = rest;
    let mut at_least = false;
    let mut all_zero = true;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number = rest.get(..digits).unwrap_or_default();
        if !number.bytes().any(|b| b.is_ascii_digit()) || number.matches('.').count() > 1 {
            return false;
        }
        all_zero &= number.bytes().all(|b| matches!(b, b'0' | b'.'));
        rest = rest.get(digits..).unwrap_or_default();
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        match rest.get(..unit).unwrap_or_default() {
            "ms" | "s" | "m" | "h" => at_least = true,
            "ns" | "us" | "\u{b5}s" | "\u{3bc}s" => {}
            _ => return false,
        }
        rest = rest.get(unit..).unwrap_or_default();
    }
    at_least || all_zero
}

/// Whether a word holds `$NAME` or `${NAME}`.
pub(super) fn has_variable(word: &str) -> bool {
    let name =
        |rest: &str| rest.starts_with(|c: char| c == '{' || c == '_' || c.is_ascii_alphabetic());
    word.match_indices('$').any(|(at, _)| word.get(at + 1..).is_some_and(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for value in ["", "0", "30s", "1m30s", "1.5h", "500ms", "0s", "2000us1ms"] {
            assert!(is_duration(value), "{value}");
        }
        for value in ["30", "s", "1 s", "30sec", "1.2.3s", "5us", "-"] {
            assert!(!is_duration(value), "{value}");
        }
    }
}
