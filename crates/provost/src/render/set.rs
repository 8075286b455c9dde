//! What `--set` says, as Helm reads it (helm v3.22 pkg/strvals/parser.go).

use std::iter::Peekable;
use std::str::Chars;

/// One key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// `a.b[0]`. A dot, a bracket or a backslash that belongs to a name has a backslash before it.
    pub(super) key: String,
    /// The value; of a list, its items.
    pub(super) values: Vec<String>,
}

impl Pair {
    /// The key as a name.
    pub(super) fn name(&self) -> String {
        self.key.replace('\\', "")
    }
}

/// The pairs of `a.b=1,c={2,3}`; `None` where a key has no value, which Helm refuses.
pub(super) fn pairs(set: &str) -> Option<Vec<Pair>> {
    let mut rest = set.chars().peekable();
    let mut pairs = Vec::new();
    while rest.peek().is_some() {
        let mut key = String::new();
        loop {
            let (name, end) = until(&mut rest, &['=', '[', ',', '.']);
            for c in name.chars() {
                if matches!(c, '.' | '[' | '\\') {
                    key.push('\\');
                }
                key.push(c);
            }
            match end {
                Some('=') => break,
                Some('.') => key.push('.'),
                Some('[') => {
                    let (number, _) = until(&mut rest, &[']']);
                    key.push_str(&format!("[{number}]"));
                }
                _ => return None,
            }
        }
        let mut values = Vec::new();
        if rest.next_if_eq(&'{').is_some() {
            loop {
                let (item, end) = until(&mut rest, &[',', '}']);
                values.push(item);
                if end != Some(',') {
                    break;
                }
            }
            rest.next_if_eq(&',');
        } else {
            values.push(until(&mut rest, &[',']).0);
        }
        pairs.push(Pair { key: key.trim().to_owned(), values });
    }
    Some(pairs)
}

/// What stands before the first of these characters, and which it is. A backslash takes the next
/// one for what it is.
fn until(rest: &mut Peekable<Chars<'_>>, stop: &[char]) -> (String, Option<char>) {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match c {
            '\\' => text.extend(rest.next()),
            c if stop.contains(&c) => return (text, Some(c)),
            c => text.push(c),
        }
    }
    (text, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(set: &str, expected: &[(&str, &[&str])]) {
        let pairs = pairs(set).unwrap();
        let found: Vec<(&str, Vec<&str>)> = pairs
            .iter()
            .map(|pair| (pair.key.as_str(), pair.values.iter().map(String::as_str).collect()))
            .collect();
        let expected: Vec<(&str, Vec<&str>)> =
            expected.iter().map(|(key, values)| (*key, values.to_vec())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn keys_are_told_from_their_values() {
        check("a.b=1,c[0].d=x", &[("a.b", &["1"]), ("c[0].d", &["x"])]);
        check(r"a=1\,b=2", &[("a", &["1,b=2"])]);
        check("a={b=1,c=2},d=3", &[("a", &["b=1", "c=2"]), ("d", &["3"])]);
        check("a=x{,b=1", &[("a", &["x{"]), ("b", &["1"])]);
        check("a=1, b=2,", &[("a", &["1"]), ("b", &["2"])]);
        check("a=null", &[("a", &["null"])]);
        check("a=", &[("a", &[""])]);
    }

    #[test]
    fn backslashes_take_the_next_character_for_what_it_is() {
        check(r"a=1\", &[("a", &["1"])]);
        check(r"a\.b=1", &[(r"a\.b", &["1"])]);
        check(r"a\=b=1", &[("a=b", &["1"])]);
        check(r"a={1\,2\}}", &[("a", &["1,2}"])]);
        assert_eq!(pairs(r"db\.password=1").unwrap()[0].name(), "db.password");
    }

    #[test]
    fn keys_without_values_are_none() {
        for set in ["a", "password:hunter2", "a=1,b", "a,b=1", "a[0", "a.b", ",a=1"] {
            assert_eq!(pairs(set), None, "{set}");
        }
        assert_eq!(pairs(""), Some(Vec::new()));
    }
}
