//! One line, as the runtime prints it.

use super::stack::Header;
use crate::digits::number;

/// Whether a line is one that only a crash or a dump begins with, so that a time before it was put there by
/// whoever kept the log.
pub(crate) fn begins(text: &[u8]) -> bool {
    match text.first() {
        Some(b'g') => is_header(text),
        Some(b'p') => text.starts_with(PANIC),
        Some(b'f') => text.starts_with(FATAL),
        Some(b'r') => text.starts_with(b"runtime: goroutine stack exceeds "),
        Some(b'S') => signal(text).is_some(),
        _ => false,
    }
}

/// Whether something that is told of a process may begin with a line: one of those, a panic that a server survived, a
/// profile, or what the runtime says before it ends.
pub(crate) fn opens(text: &[u8]) -> bool {
    begins(text)
        || profile(text).is_some()
        || text.starts_with(NOTE)
        || text.starts_with(CGO)
        || text.starts_with(FAULT)
        || memchr::memmem::find(text, SERVING).is_some()
        || super::within::holds(text)
}

pub(crate) const PANIC: &[u8] = b"panic: ";
pub(crate) const FATAL: &[u8] = b"fatal error: ";
pub(super) const NOTE: &[u8] = b"runtime: ";
/// What the runtime says in C (`runtime/cgo/gcc_libinit.c`), before it aborts.
pub(super) const CGO: &[u8] = b"runtime/cgo: ";
pub(super) const FAULT: &[u8] = b"unexpected fault address ";
pub(super) const SERVING: &[u8] = b"http: panic serving ";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_header(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let Some(rest) = line.strip_prefix(b"goroutine ").and_then(number) else { return false };
    let rest = rest.1;
    (rest.starts_with(b" [") || rest.starts_with(b" gp=0x")) && line.ends_with(b":")
}

/// Letters of a state, and labels, at most.
const LONGEST_STATE: usize = 128;
const MOST_LABELS: usize = 32;

/// `goroutine 7 gp=0xc000007c40 m=0 mp=0x55 [chan receive (scan), 5 minutes, locked to thread] {a: b}:`
///
/// Labels stand inside of the brackets in Go 1.26, as ` labels:{"a": "b"}`, and behind them from 1.27 on.
pub(super) fn header(line: &[u8]) -> Option<Header> {
    let line = line.trim_ascii_end();
    if !is_header(line) {
        return None;
    }
    let (id, rest) = number(line.strip_prefix(b"goroutine ")?)?;
    let rest = rest.strip_suffix(b":")?;
    let open = memchr::memchr(b'[', rest)?;
    // ` gp=0xc000007c40 m=nil ` is all that may stand before the state.
    let before = rest.get(..open)?;
    if before != b" " && !before.starts_with(b" gp=0x") {
        return None;
    }
    let rest = rest.get(open + 1..)?;
    let mut header = Header { id, ..Header::default() };
    let inside = match memchr::memmem::find(rest, b" labels:{") {
        Some(at) if rest.ends_with(b"}]") => {
            header.labels = labels(rest.get(at + 9..rest.len() - 2)?);
            rest.get(..at)?
        }
        _ => {
            // States have brackets of the round kind only.
            let end = memchr::memchr(b']', rest)?;
            let behind = rest.get(end + 1..)?;
            if let Some(list) = behind.strip_prefix(b" {").and_then(|l| l.strip_suffix(b"}")) {
                header.labels = labels(list);
            } else if !behind.is_empty() {
                return None;
            }
            rest.get(..end)?
        }
    };
    let mut parts = inside.split(|b| *b == b',').map(<[u8]>::trim_ascii);
    let mut state = parts.next()?;
    for part in parts {
        if part == b"locked to thread" {
            header.locked = true;
        } else if let Some((minutes, b" minutes")) = number(part) {
            header.minutes = Some(minutes);
        } else if let Some(of) = part.strip_prefix(b"synctest bubble ") {
            header.bubble = number(of).map(|(id, _)| id);
        } else if let Some(of) = part.strip_prefix(b"synctest group ") {
            header.bubble = number(of).map(|(id, _)| id);
        }
    }
    loop {
        if let Some(rest) = state.strip_suffix(b" (scan)") {
            state = rest;
        } else if let Some(rest) = state.strip_suffix(b" (leaked)") {
            state = rest;
            header.leaked = true;
        } else {
            break;
        }
    }
    header.leaked |= state == b"leaked";
    if state.is_empty() || state.len() > LONGEST_STATE {
        return None;
    }
    header.state = text(state);
    Some(header)
}

/// `"a": "b", c: d`
fn labels(mut list: &[u8]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    while !list.is_empty() && all.len() < MOST_LABELS {
        let Some((key, rest)) = word(list) else { break };
        let Some((value, rest)) = rest.strip_prefix(b": ").and_then(word) else { break };
        all.push((key, value));
        list = rest.strip_prefix(b", ").unwrap_or_default();
    }
    all
}

/// A word with or without quotes. What a quoted one escapes stays escaped.
fn word(from: &[u8]) -> Option<(String, &[u8])> {
    if let Some(quoted) = from.strip_prefix(b"\"") {
        let mut end = 0;
        while *quoted.get(end)? != b'"' {
            end += if quoted.get(end) == Some(&b'\\') { 2 } else { 1 };
        }
        return Some((text(quoted.get(..end)?), quoted.get(end + 1..)?));
    }
    let end = from.iter().position(|b| matches!(b, b':' | b',' | b'}')).unwrap_or(from.len());
    Some((text(from.get(..end)?), from.get(end..)?))
}

/// `net/http.(*conn).serve(0xc0000b6000, {0x7d2a60, 0xc0000a4150})`: the function, and its arguments.
pub(super) fn call(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = line.strip_suffix(b")")?;
    let open = memchr::memrchr(b'(', inner)?;
    let (func, args) = (inner.get(..open)?, inner.get(open + 1..)?);
    let is_name = |b: &u8| !b.is_ascii_whitespace() && !b.is_ascii_control();
    let named = func == b"panic" || memchr::memchr(b'.', func).is_some() || func.starts_with(b"_");
    let printed = |b: &u8| {
        b.is_ascii_hexdigit() || matches!(b, b'x' | b'?' | b',' | b' ' | b'{' | b'}' | b'.' | b'_')
    };
    (named && func.iter().all(is_name) && args.iter().all(printed)).then_some((func, args))
}

/// What stands behind a tab, which the runtime puts before files and inner panics. Terminals and pages make spaces
/// of it, and most crashes that are passed on were copied from one.
pub(super) fn indented(line: &[u8]) -> Option<&[u8]> {
    let inner = line.trim_ascii_start();
    (inner.len() < line.len()).then_some(inner)
}

/// `\t/src/main.go:12 +0x1d fp=0x... sp=0x... pc=0x...`: the file and the line.
pub(super) fn place(line: &[u8]) -> Option<(&[u8], u32)> {
    place_in(indented(line)?)
}

/// The same of a line that has lost its tab, as forums and `logcli` print it (`strings.TrimSpace`,
/// pkg/logcli/output/default.go): a file that Go has stands in it, or the program counter behind it.
pub(super) fn trimmed_place(line: &[u8]) -> Option<(&[u8], u32)> {
    const SOURCES: [&[u8]; 5] = [b".go", b".s", b".c", b".goc", b"<autogenerated>"];
    let (file, number) = place_in(line)?;
    let counter = memchr::memmem::rfind(line, b" +0x").and_then(|at| line.get(at + 4..));
    let is_counted = counter
        .is_some_and(|counter| !counter.is_empty() && counter.iter().all(u8::is_ascii_hexdigit));
    let is_source = SOURCES.iter().any(|end| file.ends_with(end));
    let is_one = is_source || is_counted && memchr::memchr(b'.', file).is_some();
    is_one.then_some((file, number))
}

fn place_in(line: &[u8]) -> Option<(&[u8], u32)> {
    // A path may have spaces and colons: the number is behind the last colon before what is printed of the
    // program counter.
    let end = [&b" +0x"[..], b" fp=0x", b" pc=0x"]
        .iter()
        .filter_map(|mark| memchr::memmem::rfind(line, mark).map(|at| (at, mark)))
        .map(|(at, _)| at)
        .min()
        .unwrap_or(line.len());
    let line = line.get(..end)?;
    let colon = memchr::memrchr(b':', line)?;
    let (number, rest) = number(line.get(colon + 1..)?)?;
    let file = line.get(..colon)?;
    (rest.is_empty() && !file.is_empty()).then_some((file, u32::try_from(number).ok()?))
}

/// `created by main.main in goroutine 1`
pub(super) fn created(line: &[u8]) -> Option<(&[u8], Option<u64>)> {
    let rest = line.strip_prefix(b"created by ")?;
    let (func, by) = match memchr::memmem::rfind(rest, b" in goroutine ") {
        Some(at) => (rest.get(..at)?, number(rest.get(at + 14..)?).map(|(id, _)| id)),
        None => (rest, None),
    };
    let sound = memchr::memchr(b'.', func).is_some() && memchr::memchr(b' ', func).is_none();
    sound.then_some((func, by))
}

/// `...25 frames elided...`; before Go 1.21 without a number.
pub(super) fn elided(line: &[u8]) -> Option<u64> {
    let inner = line.strip_prefix(b"...")?.strip_suffix(b" frames elided...")?;
    if inner == b"additional" {
        return Some(1);
    }
    number(inner).filter(|(_, rest)| rest.is_empty()).map(|(count, _)| count)
}

/// `[originating from goroutine 1]:`
pub(super) fn is_ancestor(line: &[u8]) -> bool {
    line.starts_with(b"[originating from goroutine ") && line.ends_with(b"]:")
}

/// `SIGQUIT: quit`, the first line of a signal that ends the process: its name, and what it says.
pub(super) fn signal(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b':', line.get(..line.len().min(12))?)?;
    let (name, rest) = line.split_at_checked(end)?;
    let upper = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    let rest = rest.strip_prefix(b": ")?;
    (name.len() > 4 && name.starts_with(b"SIG") && name.iter().all(upper)).then_some((name, rest))
}

/// `PC=0x46de21 m=0 sigcode=0 addr=0x0`
pub(super) fn is_counter(line: &[u8]) -> bool {
    line.starts_with(b"PC=0x") && memchr::memmem::find(line, b" m=").is_some()
}

/// The `sigcode` of that line, which is printed without its sign: 18446744073709551610 is -6, and so is 4294967290
/// on a machine of 32 bits.
pub(super) fn sigcode(line: &[u8]) -> Option<i32> {
    let at = memchr::memmem::find(line, b" sigcode=")?;
    let (code, _) = number(line.get(at + 9..)?)?;
    let long = i32::try_from(code.cast_signed()).ok();
    long.or_else(|| u32::try_from(code).ok().map(u32::cast_signed))
}

/// `[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x68e700]`
pub(super) fn signal_of_panic(line: &[u8]) -> Option<(&[u8], &[u8], Option<u64>)> {
    let inner = line.strip_prefix(b"[signal ")?.strip_suffix(b"]")?;
    let end = memchr::memmem::find(inner, b" code=0x")?;
    let name = inner.get(..end)?;
    let (name, meaning) = match memchr::memchr(b':', name) {
        Some(at) => (name.get(..at)?, name.get(at + 1..)?.trim_ascii()),
        None => (name, &[] as &[u8]),
    };
    let addr = inner.get(end..)?;
    let addr = memchr::memmem::find(addr, b" addr=0x").and_then(|at| addr.get(at + 8..))?;
    let digits = addr.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(addr.len());
    let digits = std::str::from_utf8(addr.get(..digits)?).ok()?;
    // Before Go 1.7 a number stood there; 10 is SIGBUS of macOS and BSD.
    let (name, meaning): (&[u8], &[u8]) = match name {
        b"0x7" | b"0xa" => (b"SIGBUS", b"bus error"),
        b"0x8" => (b"SIGFPE", b"floating-point exception"),
        b"0xb" => (b"SIGSEGV", b"segmentation violation"),
        _ => (name, meaning),
    };
    Some((name, meaning, u64::from_str_radix(digits, 16).ok()))
}

/// `goroutine profile: total 8`: which profile, and how many.
pub(super) fn profile(line: &[u8]) -> Option<(&[u8], u64)> {
    let at = memchr::memmem::find(line.get(..line.len().min(64))?, b" profile: total ")?;
    let name = line.get(..at)?;
    let (total, rest) = number(line.get(at + 16..)?)?;
    let known = matches!(name, b"goroutine" | b"goroutineleak");
    (known && rest.is_empty()).then_some((name, total))
}

/// `2 @ 0x486c6a 0x4168ee`: how many have the stack that follows.
pub(super) fn counted(line: &[u8]) -> Option<u64> {
    let (count, rest) = number(line)?;
    let rest = rest.strip_prefix(b" @")?;
    (rest.is_empty() || rest.starts_with(b" 0x")).then_some(count)
}

/// A function, its file and the line.
pub(super) type Recorded<'t> = (&'t [u8], &'t [u8], u32);

/// `#\t0x68ef94\tmain.receive+0x14\t\t/src/work.go:145`: function, file and line, where it is known. The tabs may have
/// become spaces, and a path may hold some.
pub(super) fn record(line: &[u8]) -> Option<Option<Recorded<'_>>> {
    let rest = indented(line.strip_prefix(b"#")?)?.strip_prefix(b"0x")?;
    let cell = |from: &'_ [u8]| from.iter().position(u8::is_ascii_whitespace);
    let Some(rest) = cell(rest).and_then(|end| indented(rest.get(end..)?)) else {
        return Some(None);
    };
    if rest.is_empty() {
        return Some(None);
    }
    let (func, place) = rest.split_at_checked(cell(rest)?)?;
    let plus = memchr::memmem::rfind(func, b"+0x").unwrap_or(func.len());
    let place = place.trim_ascii();
    let colon = memchr::memrchr(b':', place)?;
    let (number, rest) = number(place.get(colon + 1..)?)?;
    let line = u32::try_from(number).ok().filter(|_| rest.is_empty())?;
    Some(Some((func.get(..plus)?, place.get(..colon)?, line)))
}
