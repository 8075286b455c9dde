//! What a rule of a route matches.

use super::{Judge, MOST, holds, is_whole, items, known, text};
use crate::facts::document::Node;

/// What a path that is compared as it is may not hold, and how that is said.
const NOT_IN_PATH: &[&str] = &["//", "/./", "/../", "%2f", "%2F", "#"];
const NOT_AT_END: &[&str] = &["/..", "/."];

impl Judge {
    pub(super) fn matches(&mut self, rule: Node<'_>, http: bool) {
        for one in items(rule, "matches").take(MOST) {
            for (list, what) in [("headers", "header"), ("queryParams", "query parameter")] {
                let names = items(one, list).filter_map(|entry| text(entry, "name"));
                let words = format!("one match names a {what} twice");
                let names = names.map(|(name, at)| (name.to_owned(), at));
                self.once(names, &words, "Duplicate value");
            }
            match (one.get("path"), one.get_entry("method")) {
                (Some(path), _) if http => self.path(path),
                (_, Some((key, method))) if !http => self.method(key, method),
                _ => {}
            }
        }
    }

    fn path(&mut self, path: Node<'_>) {
        let Some(kind) = known(path, "type") else { return };
        let Some((value, place)) = text(path, "value") else { return };
        if !matches!(kind, "" | "Exact" | "PathPrefix") {
            return;
        }
        let types = "when type one of ['Exact', 'PathPrefix']";
        if !value.starts_with('/') {
            let words = format!("the path {value} is not absolute");
            let cel = format!("value must be an absolute path and start with '/' {types}");
            return self.refuse(place, "no slash in front", &words, &cel);
        }
        let held = NOT_IN_PATH.iter().find(|part| value.contains(**part));
        if let Some(part) = held {
            let words = format!("{part} is in no path as a gateway compares it");
            let cel = format!("must not contain '{part}' {types}");
            return self.refuse(place, "never comes", &words, &cel);
        }
        let end = NOT_AT_END.iter().find(|part| value.ends_with(**part));
        if let Some(part) = end {
            let words = format!("{part} is at the end of no path as a gateway compares it");
            let cel = format!("must not end with '{part}' {types}");
            return self.refuse(place, "never comes", &words, &cel);
        }
        if let Some(character) = unfit(value) {
            let words = format!("`{character}` is no character of a path");
            let cel = "must only contain valid characters for types ['Exact', 'PathPrefix']";
            self.refuse(place, "write it as %XX", &words, cel);
        }
    }

    /// Both patterns of a gRPC method are of its names in protobuf; the CRD has them as texts.
    fn method(&mut self, key: Node<'_>, method: Node<'_>) {
        if is_whole(method)
            && method.entries().next().is_some()
            && !holds(method, "service")
            && !holds(method, "method")
        {
            let words = "a match of a method says which";
            let cel = "One or both of 'service' or 'method' must be specified";
            self.refuse(key, "of no service", words, cel);
        }
    }
}

/// The first character that `^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$` does not take.
fn unfit(path: &str) -> Option<char> {
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let fits = first.is_ascii_alphanumeric() || "-/._~!$&'()*+,;=:@".contains(first);
        let escape = rest.strip_prefix('%').and_then(|rest| rest.get(..2));
        let length = if fits {
            1
        } else if escape.is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())) {
            3
        } else {
            return Some(first);
        };
        rest = rest.get(length..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::unfit;

    #[test]
    fn a_path_is_of_the_characters_of_a_path_and_of_whole_escapes() {
        assert_eq!(unfit("/v1/users(1);a=b:@-._~!$&'*+,%7e"), None);
        assert_eq!(unfit("/a[b]"), Some('['));
        assert_eq!(unfit("/a b"), Some(' '));
        assert_eq!(unfit("/%4"), Some('%'));
        assert_eq!(unfit("/%zz"), Some('%'));
        assert_eq!(unfit("/%é1"), Some('%'));
        assert_eq!(unfit("/ü"), Some('ü'));
    }
}
