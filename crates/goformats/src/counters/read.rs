//! From bytes to a snapshot.

use std::collections::BTreeMap;

use super::names::{MEMSTATS, METRICS, of_prometheus};
use super::{Counter, Form, Pause, Snapshot};
use crate::exposition::{self, Format};
use crate::json::Json;

/// Entries of `MemStats.PauseNs`, a ring.
const RING: usize = 256;
/// Lines by which a form is told.
const FIRST: usize = 8;

/// In which form such bytes are, by how they begin.
pub fn form(head: &[u8]) -> Option<Form> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if let Some(inner) = head.strip_prefix(b"{") {
        let inner = inner.trim_ascii_start();
        if inner.starts_with(b"\"/") && metric_name(inner.get(1..)?).is_some() {
            return Some(Form::RuntimeMetrics);
        }
        // expvar prints names in order, and these two always.
        let has = |name: &[u8]| memchr::memmem::find(inner, name).is_some();
        let is_vars =
            inner.starts_with(b"\"cmdline\":") || has(b"\n\"cmdline\": [") || has(b"\"memstats\":");
        return is_vars.then_some(Form::Expvar);
    }
    let mut lines = head.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|l| !l.is_empty());
    let first: Vec<&[u8]> = lines.by_ref().take(FIRST).collect();
    if first.first().is_some_and(|line| metric_name(line).is_some()) {
        return Some(Form::RuntimeMetrics);
    }
    let of_prometheus = |line: &&[u8]| {
        line.starts_with(b"# HELP ")
            || line.starts_with(b"# TYPE ")
            || line.starts_with(b"go_goroutines ")
    };
    first.iter().take(2).any(of_prometheus).then_some(Form::Prometheus)
}

/// `/gc/heap/live:bytes` in front, and what follows it.
fn metric_name(line: &[u8]) -> Option<(&str, &[u8])> {
    let path = line.strip_prefix(b"/")?;
    let of =
        |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'/' | b'-' | b'_');
    let colon = path.iter().position(|b| !of(b)).filter(|at| path.get(*at) == Some(&b':'))?;
    let unit = path.get(colon + 1..)?;
    let end = unit.iter().position(|b| !of(b)).unwrap_or(unit.len());
    if colon == 0 || end == 0 || !path.get(..colon)?.contains(&b'/') {
        return None;
    }
    let all = colon + end + 2;
    Some((std::str::from_utf8(line.get(..all)?).ok()?, line.get(all..)?))
}

/// Reads them. `None` where nothing in them is known.
pub fn read(bytes: &[u8], form: Form) -> Option<Snapshot> {
    let mut snapshot = Snapshot { form, values: BTreeMap::new(), pauses: Vec::new(), go: None };
    match form {
        Form::Expvar => expvar(bytes, &mut snapshot),
        Form::RuntimeMetrics => metrics(bytes, &mut snapshot),
        Form::Prometheus => prometheus(bytes, &mut snapshot),
    }
    (!snapshot.values.is_empty()).then_some(snapshot)
}

fn expvar(bytes: &[u8], snapshot: &mut Snapshot) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let (mut nanos, mut ends) = (Vec::new(), Vec::new());
    // What is broken further on takes nothing from what was read.
    let _ = Json::new(bytes).object(&mut |name, json| {
        if name == b"memstats" {
            json.object(&mut |name, json| {
                let list = match name {
                    b"PauseNs" => &mut nanos,
                    b"PauseEnd" => &mut ends,
                    _ => {
                        let known = MEMSTATS.iter().find(|(known, ..)| known.as_bytes() == name);
                        if let Some((_, counter, unit)) = known
                            && let Some(value) = json.number()
                        {
                            snapshot.values.insert(*counter, value * unit);
                        }
                        return Some(());
                    }
                };
                list.clear();
                json.array(&mut |json| {
                    if let Some(value) = json.number()
                        && list.len() < RING
                    {
                        list.push(value as u64);
                    }
                    Some(())
                })
            })
        } else {
            // Many services publish these beside.
            if name == b"goroutines"
                && let Some(value) = json.number()
            {
                snapshot.values.insert(Counter::Goroutines, value);
            }
            Some(())
        }
    });
    let cycles = snapshot.get(Counter::Cycles).map_or(0, |cycles| cycles as u64);
    if nanos.len() == RING && ends.len() == RING {
        let first = cycles.saturating_sub(RING as u64);
        // That of cycle n, from 1, stands at (n + 255) % 256.
        snapshot.pauses = (first..cycles)
            .filter_map(|before| {
                let at = usize::try_from(before % RING as u64).ok()?;
                let (nanos, end) = (*nanos.get(at)?, *ends.get(at)?);
                Some(Pause { cycle: before + 1, nanos, end })
            })
            .collect();
    }
    // Before the first collection it is the beginning of all time.
    if cycles == 0 {
        snapshot.values.remove(&Counter::LastCollection);
    }
}

fn metrics(bytes: &[u8], snapshot: &mut Snapshot) {
    let mut take = |name: &str, value: f64| {
        if let Some((_, counter)) = METRICS.iter().find(|(known, _)| *known == name) {
            snapshot.values.insert(*counter, value);
        }
    };
    let trimmed = bytes.trim_ascii_start();
    if trimmed.starts_with(b"{") {
        let _ = Json::new(trimmed).object(&mut |name, json| {
            if let (Ok(name), Some(value)) = (std::str::from_utf8(name), json.number()) {
                take(name, value);
            }
            Some(())
        });
        return;
    }
    for line in bytes.split(|b| *b == b'\n') {
        let Some((name, rest)) = metric_name(line.trim_ascii()) else { continue };
        let rest = rest.trim_ascii_start();
        let rest = rest.strip_prefix(b":").or(rest.strip_prefix(b"=")).unwrap_or(rest);
        let value = std::str::from_utf8(rest.trim_ascii()).ok().and_then(|word| word.parse().ok());
        if let Some(value) = value.filter(|value: &f64| value.is_finite()) {
            take(name, value);
        }
    }
}

fn prometheus(bytes: &[u8], snapshot: &mut Snapshot) {
    let open = memchr::memmem::rfind(bytes, b"# EOF").is_some();
    let format = if open { Format::OpenMetrics } else { Format::Text };
    let read = exposition::read(bytes, format, &exposition::Limits::DEFAULT);
    for sample in read.families.iter().flat_map(|family| &family.samples) {
        if sample.name == "go_info" {
            snapshot.go = sample.label("version").map(|go| go.chars().take(64).collect());
        }
        // Labels part it, as those of a scrape of several processes do.
        if !sample.labels.is_empty() || !sample.value.is_finite() {
            continue;
        }
        if let Some(counter) = of_prometheus(&sample.name) {
            // What runtime/metrics says comes after what MemStats did, and is as good.
            snapshot.values.entry(counter).or_insert(sample.value);
        }
    }
}
