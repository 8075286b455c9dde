//! How the kubelet composes an environment.
//!
//! Source: `makeEnvironmentVariables` in k8s.io/kubernetes v1.37.2 pkg/kubelet/kubelet_pods.go and `Expand` in
//! third_party/forked/golang/expansion/expand.go.

use std::collections::BTreeMap;
use std::ops::Range;

/// The kernel refuses a single string longer than this (MAX_ARG_STRLEN), so a longer value is not worked out.
pub const LONGEST_VALUE: usize = 128 * 1024;

/// Beginnings of names that clients and tools beside the program read.
const OTHERS: &[&str] = &[
    "OTEL_",
    "AWS_",
    "GOOGLE_",
    "AZURE_",
    "KUBERNETES_",
    "POD_",
    "NODE_",
    "DD_",
    "JAEGER_",
    "SENTRY_",
    "LC_",
    "GO",
    "SSL_CERT_",
];

/// The same, whole.
const OTHER_NAMES: &[&str] = &[
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "ALL_PROXY",
    "LANG",
    "LANGUAGE",
    "HOME",
    "PATH",
    "TZ",
    "TMPDIR",
    "HOSTNAME",
    "TERM",
    "USER",
    "SHELL",
    "NAMESPACE",
    "ZONEINFO",
];

/// Whether a variable of that name is read by a library, a tool or the runtime rather than by the program's own code.
pub fn is_of_others(name: &str) -> bool {
    name.is_empty()
        || OTHER_NAMES.contains(&name)
        || OTHERS.iter().any(|start| name.starts_with(start))
}

/// The Service for which the kubelet sets a variable of that name (`FromServices` in pkg/kubelet/envvars):
/// `REDIS_MASTER_SERVICE_HOST`, `_SERVICE_PORT`, `_SERVICE_PORT_HTTP`, `_PORT`, `_PORT_6379_TCP` and what is
/// behind that. `None` for other names.
pub fn is_service_variable(name: &str) -> Option<String> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let stem = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .or_else(|| name.split_once("_SERVICE_PORT_").map(|(stem, _)| stem))
        .or_else(|| {
            let (stem, rest) = name.split_once("_PORT_")?;
            digits(rest.split('_').next()?).then_some(stem)
        })?;
    let upper = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    let is_stem = !stem.is_empty() && stem.bytes().all(upper);
    is_stem.then(|| stem.to_ascii_lowercase().replace('_', "-"))
}

/// What is known of a name while text is expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// Its value.
    Value(&'a str),
    /// It is defined; the value is not known (a Secret, a field).
    Hidden,
    /// It is not defined.
    Nothing,
    /// It may be defined by something that is not in the input.
    Maybe,
}

/// A `$(NAME)` in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// NAME.
    pub name: String,
    /// The bytes of `$(NAME)`.
    pub span: Range<usize>,
    /// Whether it stays as it is: `Some(false)` expanded, `Some(true)` stays, `None` not known.
    pub stays: Option<bool>,
}

/// A text after expansion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expansion {
    /// The text, when every value in it is known and it is not too long.
    pub text: Option<String>,
    /// The references in it, in order.
    pub references: Vec<Reference>,
}

/// Replaces `$(NAME)` as the kubelet does: what is not defined stays, `$$` is a dollar, nothing else is special.
pub fn expand<'a>(text: &str, mut lookup: impl FnMut(&str) -> Found<'a>) -> Expansion {
    let mut out = Some(String::with_capacity(text.len()));
    let mut references = Vec::new();
    let push = |out: &mut Option<String>, piece: &str| {
        if let Some(text) = out {
            text.push_str(piece);
            if text.len() > LONGEST_VALUE {
                *out = None;
            }
        }
    };
    let (mut from, mut closers_left) = (0, true);
    while let Some(dollar) = text[from..].find('$').map(|i| from + i) {
        push(&mut out, &text[from..dollar]);
        let after = &text[dollar + 1..];
        from = dollar + 1;
        if after.starts_with('$') {
            push(&mut out, "$");
            from += 1;
        } else if after.starts_with('(')
            && closers_left
            && let Some(length) = after.find(')')
        {
            let span = dollar..dollar + length + 2;
            let name = &after[1..length];
            let found = lookup(name);
            match found {
                Found::Value(value) => push(&mut out, value),
                Found::Nothing => push(&mut out, &text[span.clone()]),
                Found::Hidden | Found::Maybe => out = None,
            }
            from = span.end;
            let stays = match found {
                Found::Value(_) | Found::Hidden => Some(false),
                Found::Nothing => Some(true),
                Found::Maybe => None,
            };
            references.push(Reference { name: name.to_owned(), span, stays });
        } else {
            // Looking for a `)` once and finding none settles it for the rest of the text.
            closers_left &= !after.starts_with('(');
            push(&mut out, "$");
        }
    }
    push(&mut out, &text[from..]);
    Expansion { text: out, references }
}

/// A reference in `env` that is not expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dangling {
    /// The entry of `env` whose value it is in.
    pub entry: usize,
    /// The name and its place in the value.
    pub reference: Reference,
    /// The entry of `env` further down that defines the name: order matters.
    pub defined_later: Option<usize>,
}

/// A name that occurs twice in `env`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The entry that loses.
    pub loses: usize,
    /// The entry that counts, as far as these two are concerned.
    pub wins: usize,
    /// The later one is written with the earlier one (`A=$(A)x`), on purpose.
    pub composed: bool,
}

/// What is odd about the order of `env`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Review {
    /// References that stay as they are, or may.
    pub dangling: Vec<Dangling>,
    /// Names written twice.
    pub duplicates: Vec<Duplicate>,
}

/// Goes through `env` in order: the name, and the text when it is written as `value`. `outside` knows the names of
/// `envFrom` and of Services; image ENV is not visible to the kubelet.
pub fn review(
    env: &[(&str, Option<&str>)],
    mut outside: impl FnMut(&str) -> Found<'static>,
) -> Review {
    let last: BTreeMap<&str, usize> =
        env.iter().enumerate().map(|(i, (name, _))| (*name, i)).collect();
    let mut written: BTreeMap<&str, usize> = BTreeMap::new();
    let mut review = Review::default();
    for (entry, (name, text)) in env.iter().enumerate() {
        let references = text.map_or_else(Vec::new, |text| {
            let known = |wanted: &str| {
                if written.contains_key(wanted) { Found::Hidden } else { outside(wanted) }
            };
            expand(text, known).references
        });
        let composed = references.iter().any(|r| r.name == *name);
        for reference in references.into_iter().filter(|r| r.stays != Some(false)) {
            let defined_later = last.get(reference.name.as_str()).copied().filter(|l| *l > entry);
            review.dangling.push(Dangling { entry, reference, defined_later });
        }
        if let Some(loses) = written.insert(name, entry) {
            review.duplicates.push(Duplicate { loses, wins: entry, composed });
        }
    }
    review
}

/// Forms in which a program may hold a prefix of names of variables: code puts names together of a prefix in any case,
/// and an underscore.
pub fn forms_of_prefix(prefix: &str) -> [String; 4] {
    let word = prefix.trim_end_matches('_');
    let mut title = word.to_ascii_lowercase();
    title.get_mut(..1).into_iter().for_each(str::make_ascii_uppercase);
    [word.to_owned(), word.to_ascii_uppercase(), word.to_ascii_lowercase(), title]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn variables_of_services() {
        for (name, service) in [
            ("REDIS_PORT", Some("redis")),
            ("REDIS_MASTER_SERVICE_HOST", Some("redis-master")),
            ("REDIS_MASTER_SERVICE_PORT", Some("redis-master")),
            ("REDIS_MASTER_SERVICE_PORT_HTTP", Some("redis-master")),
            ("REDIS_PORT_6379_TCP_ADDR", Some("redis")),
            ("REDIS_PORT_6379_TCP", Some("redis")),
            ("PORT", None),
            ("_PORT", None),
            ("PORT_NAME", None),
            ("REDIS_PORT_NAME", None),
            ("LOG_LEVEL", None),
            ("redis_PORT", None),
        ] {
            assert_eq!(is_service_variable(name).as_deref(), service, "{name}");
        }
    }

    /// Expands in order, the last of a name winning.
    #[track_caller]
    fn value_of_a(env: &[(&str, &str)], expected: &str) {
        let mut known: BTreeMap<&str, String> = BTreeMap::new();
        for (name, text) in env {
            let lookup = |name: &str| known.get(name).map_or(Found::Nothing, |v| Found::Value(v));
            let value = expand(text, lookup).text.expect("short");
            known.insert(name, value);
        }
        assert_eq!(known["A"], expected, "{env:?}");
    }

    #[test]
    fn order_decides() {
        value_of_a(&[("A", "$(B)"), ("B", "1")], "$(B)");
        value_of_a(&[("B", "1"), ("A", "$(B)")], "1");
        value_of_a(&[("A", "1"), ("A", "$(A)2")], "12");
        value_of_a(&[("B", "1"), ("A", "$$(B)")], "$(B)");
        value_of_a(&[("B", "1"), ("A", "$B ${B}")], "$B ${B}");
        value_of_a(&[("A", "1"), ("A", "2")], "2");
    }

    #[test]
    fn a_name_that_comes_too_late_is_named() {
        let env = [("A", Some("x$(B)y$(C)z$(D)$(E)")), ("B", Some("1")), ("F", Some("$(A)"))];
        let found = review(&env, |name| match name {
            "D" => Found::Hidden,
            "E" => Found::Maybe,
            _ => Found::Nothing,
        });
        let found: Vec<_> = found
            .dangling
            .iter()
            .map(|d| {
                (
                    d.entry,
                    d.reference.name.as_str(),
                    d.reference.span.clone(),
                    d.reference.stays,
                    d.defined_later,
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                (0, "B", 1..5, Some(true), Some(1)),
                (0, "C", 6..10, Some(true), None),
                (0, "E", 15..19, None, None)
            ]
        );
    }

    #[test]
    fn names_written_twice() {
        let env = [("A", Some("1")), ("B", None), ("A", Some("$(A)2")), ("B", Some("3"))];
        let review = review(&env, |_| Found::Nothing);
        assert_eq!(
            review.duplicates,
            [
                Duplicate { loses: 0, wins: 2, composed: true },
                Duplicate { loses: 1, wins: 3, composed: false }
            ]
        );
        assert_eq!(review.dangling, []);
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        for found in [Found::Hidden, Found::Maybe] {
            assert_eq!(expand("x$(S)", |_| found).text, None);
        }
    }

    #[test]
    fn doubling_values_end_at_the_limit() {
        let mut value = Some("x".repeat(1024));
        for _ in 0..7 {
            value =
                expand("$(V)$(V)", |_| value.as_deref().map_or(Found::Hidden, Found::Value)).text;
        }
        assert_eq!(value.as_ref().map(String::len), Some(LONGEST_VALUE));
        value = expand("$(V)$(V)", |_| value.as_deref().map_or(Found::Hidden, Found::Value)).text;
        assert_eq!(value, None);
    }

    #[test]
    fn expansion_like_upstream() {
        let lookup = |name: &str| if name == "A" { Found::Value("1") } else { Found::Nothing };
        // Rows of TestMapping in third_party/forked/golang/expansion/expand_test.go, rewritten.
        for (text, expanded) in [
            ("$(A)$(A)", "11"),
            ("$$$$(A)", "$$(A)"),
            ("$$$(A)", "$1"),
            ("$", "$"),
            ("$$", "$"),
            ("a$", "a$"),
            ("$(A", "$(A"),
            ("$()", "$()"),
            ("$(B(A))", "$(B(A))"),
            ("$($(A))", "$($(A))"),
            ("é$é$(A)é", "é$é1é"),
        ] {
            assert_eq!(expand(text, lookup).text.as_deref(), Some(expanded), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_expanded(text in "[$()A é]{0,40}") {
            let expansion = expand(&text, |_| Found::Nothing);
            for reference in &expansion.references {
                prop_assert_eq!(&text[reference.span.clone()], format!("$({})", reference.name));
            }
            // Without names only dollars disappear.
            let removed = text.len() - expansion.text.map_or(0, |t| t.len());
            prop_assert!(removed <= text.matches("$$").count());
        }
    }

    #[test]
    fn openings_without_end_take_no_long_time() {
        let text = "$(".repeat(500_000);
        assert_eq!(expand(&text, |_| Found::Nothing).text, None, "longer than the kernel takes");
    }
}
