//! What the author of a quantity meant that is none.

use crate::case::World;
use crate::facts::Fact;
use crate::findings::Fix;

/// The way out for a quantity of that resource, where the text tells one.
pub(super) fn quantity(world: &World, resource: &str, text: &Fact<String>) -> Option<Fix> {
    let written = text.value.trim();
    let end = written
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',')))
        .unwrap_or(written.len());
    let (number, unit) = written.split_at(end);
    let unit = unit.trim();
    if number.is_empty() || number.matches([',', '.']).count() > 1 || number.ends_with([',', '.']) {
        return None;
    }
    // `0,5` is a half where a comma parts the fraction; `1,000` may be a thousand.
    let number = match number.split_once(',') {
        Some((_, rest)) if rest.len() == 3 => return None,
        Some((whole, rest)) => format!("{whole}.{rest}"),
        None => number.to_owned(),
    };
    let spaced =
        written.contains(char::is_whitespace) || number.len() != end || text.value != written;
    let meant = if resource == "cpu" { cpu(&number, unit) } else { bytes(&number, unit, spaced) };
    let rewrite = |fix: Fix, meant: &str| world.rewrite(fix, &text.origin, &text.value, meant);
    match meant? {
        Meant::Surely(meant) => Some(rewrite(Fix::safe(format!("write {meant}")), &meant)),
        Meant::Perhaps(meant) => {
            Some(rewrite(Fix::suggest(format!("did you mean {meant}?")), &meant))
        }
        Meant::Either(binary, decimal) => {
            let title = format!("did you mean {binary}, or {decimal}?");
            Some(rewrite(Fix::suggest(title), &binary))
        }
    }
}

#[derive(Debug, PartialEq)]
enum Meant {
    /// Nothing else can be.
    Surely(String),
    /// As good a guess as any.
    Perhaps(String),
    /// By powers of 1024 or of 1000.
    Either(String, String),
}

fn bytes(number: &str, unit: &str, spaced: bool) -> Option<Meant> {
    let lower = unit.to_ascii_lowercase();
    let letter = lower.chars().next().filter(|c| "kmgtpe".contains(*c));
    let upper = letter.map(|c| c.to_ascii_uppercase());
    let binary = |letter: char| format!("{number}{letter}i");
    match (lower.get(1..).unwrap_or_default(), letter, upper) {
        ("i" | "ib", Some(_), Some(upper)) => Some(Meant::Surely(binary(upper))),
        ("b" | "", Some(letter), Some(upper)) => {
            let decimal = if letter == 'k' { 'k' } else { upper };
            // `512 m` may be anything.
            (spaced || unit.len() == 2 || letter != 'm')
                .then(|| Meant::Either(binary(upper), format!("{number}{decimal}")))
        }
        _ if unit == "B" || lower == "bytes" => Some(Meant::Surely(number.to_owned())),
        _ if unit.is_empty() => Some(Meant::Perhaps(number.to_owned())),
        _ => None,
    }
}

fn cpu(number: &str, unit: &str) -> Option<Meant> {
    match unit.to_ascii_lowercase().as_str() {
        "" | "cpu" | "cpus" | "core" | "cores" | "c" | "vcpu" | "vcpus" => {
            Some(Meant::Perhaps(number.to_owned()))
        }
        "m" | "mi" | "mcpu" | "milli" | "millicores" | "mcores" if !number.contains('.') => {
            Some(Meant::Perhaps(format!("{number}m")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Meant, bytes, cpu};

    #[test]
    fn units_that_are_none_have_one_nearby() {
        let surely = |text: &str| Some(Meant::Surely(text.to_owned()));
        let either = |a: &str, b: &str| Some(Meant::Either(a.to_owned(), b.to_owned()));
        assert_eq!(bytes("64", "MB", false), either("64Mi", "64M"));
        assert_eq!(bytes("1", "gb", false), either("1Gi", "1G"));
        assert_eq!(bytes("1", "g", false), either("1Gi", "1G"));
        assert_eq!(bytes("8", "KB", false), either("8Ki", "8k"));
        assert_eq!(bytes("64", "MiB", false), surely("64Mi"));
        assert_eq!(bytes("64", "mi", false), surely("64Mi"));
        assert_eq!(bytes("64", "Mi", true), surely("64Mi"));
        assert_eq!(bytes("64", "B", false), surely("64"));
        assert_eq!(bytes("64", "pages", false), None);
        assert_eq!(bytes("64", "é", false), None);
        assert_eq!(cpu("500", "mi"), Some(Meant::Perhaps("500m".to_owned())));
        assert_eq!(cpu("0.5", "cores"), Some(Meant::Perhaps("0.5".to_owned())));
        assert_eq!(cpu("5", "GHz"), None);
    }
}
