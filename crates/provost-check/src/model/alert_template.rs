//! Templates in the labels and annotations of alerts, as far as they do not parse.
//!
//! Source: `testTemplateParsing` of model/rulefmt/rulefmt.go and template/template.go of Prometheus v3.5, over
//! text/template/parse of Go. Nothing is told of what vmalert parses (app/vmalert/templates of VictoriaMetrics
//! v1.154): rules of one kind are loaded by both. A variable counts as defined wherever it is.
//!
//! Constraints: total, linear in the text, no recursion.

use std::collections::HashSet;
use std::ops::Range;

use super::names::nearest;
use super::text::shown;

/// Longer texts are not read.
const MAX_BYTES: usize = 64 << 10;

/// Blocks inside of each other.
const DEEPEST: usize = 100;

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The bytes that are wrong.
    pub place: Range<usize>,
    /// `undefined variable "$label"`
    pub what: String,
    /// What was meant, as it is written.
    pub meant: Option<String>,
    /// No server knows better.
    pub sure: bool,
}

/// What Prometheus defines in front of each text.
const VARIABLES: &[&str] = &["labels", "value", "externalLabels", "externalURL"];

/// What vmalert defines beside.
const OF_VMALERT: &[&str] =
    &["type", "expr", "interval", "alertID", "groupID", "activeAt", "for", "isPartial"];

const KEYWORDS: &[&str] = &[
    "if", "else", "end", "range", "with", "define", "template", "block", "break", "continue",
    "nil", "true", "false",
];

/// Of text/template, of Prometheus (`now`, `toDuration` and `urlQueryEscape` since v3.5) and of vmalert.
const FUNCTIONS: &[&str] = &[
    "and",
    "or",
    "not",
    "call",
    "html",
    "index",
    "slice",
    "js",
    "len",
    "print",
    "printf",
    "println",
    "urlquery",
    "eq",
    "ge",
    "gt",
    "le",
    "lt",
    "ne",
    "query",
    "first",
    "label",
    "value",
    "strvalue",
    "args",
    "reReplaceAll",
    "safeHtml",
    "match",
    "title",
    "toUpper",
    "toLower",
    "graphLink",
    "tableLink",
    "sortByLabel",
    "stripPort",
    "stripDomain",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "toTime",
    "pathPrefix",
    "externalURL",
    "parseDuration",
    "tmpl",
    "now",
    "toDuration",
    "urlQueryEscape",
    // vmalert
    "crlfEscape",
    "quotesEscape",
    "jsonEscape",
    "htmlEscape",
    "parseDurationTime",
    "formatTime",
    "pathEscape",
    "queryEscape",
];

/// Of sprig, which Helm has and no server of alerts.
const OF_HELM: &[&str] = &[
    "default", "quote", "squote", "upper", "lower", "trim", "trunc", "replace", "contains",
    "round", "add", "sub", "mul", "div", "ternary", "toString", "int", "float64", "date",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A function or keyword.
    Word,
    /// `$name`, with the sign.
    Variable,
    /// `.name`
    Field,
    /// A string, character or number.
    Literal,
    /// `:=`
    Declare,
    /// `|`, brackets, a comma or a `=`.
    Sign,
    /// What belongs to no template.
    Bad,
}

#[derive(Clone, Debug)]
struct Token {
    kind: Kind,
    place: Range<usize>,
}

/// The first fault; `None` where there is none, where the text is another tool's, and where a server may know
/// better.
pub fn fault(text: &str) -> Option<Fault> {
    if text.len() > MAX_BYTES || !text.contains("{{") || text.contains("{%") {
        return None;
    }
    let (actions, unclosed) = actions(text);
    let word = |token: &Token| text.get(token.place.clone()).unwrap_or_default();
    if actions.iter().any(|action| is_foreign(action, word)) {
        return None;
    }
    let mut declared: HashSet<&str> = HashSet::new();
    for tokens in &actions {
        let declares = tokens.iter().position(|token| token.kind == Kind::Declare).unwrap_or(0);
        let variables = tokens[..declares].iter().filter(|token| token.kind == Kind::Variable);
        declared.extend(variables.map(word));
    }
    let mut open: Vec<(&str, Range<usize>)> = Vec::new();
    for tokens in &actions {
        for token in tokens {
            if let Some(found) = wrong(token, word(token), &declared) {
                return found;
            }
        }
        let Some(first) = tokens.first().filter(|token| token.kind == Kind::Word) else { continue };
        match word(first) {
            "end" if open.pop().is_none() => {
                return said(first.place.clone(), "unexpected {{end}}", None, true);
            }
            "else" if open.is_empty() => {
                return said(first.place.clone(), "unexpected {{else}}", None, true);
            }
            block @ ("if" | "range" | "with" | "define" | "block") => {
                if open.len() >= DEEPEST {
                    return None;
                }
                open.push((block, first.place.clone()));
            }
            _ => {}
        }
    }
    if let Some(at) = unclosed {
        return said(at..at + 2, "unclosed action", None, true);
    }
    let (block, place) = open.pop()?;
    said(place, format!("unexpected EOF: {block} has no {{{{end}}}}"), None, true)
}

#[expect(clippy::unnecessary_wraps, reason = "what is returned as it is")]
fn said(
    place: Range<usize>,
    what: impl Into<String>,
    meant: Option<String>,
    sure: bool,
) -> Option<Fault> {
    Some(Fault { place, what: what.into(), meant, sure })
}

/// What is wrong with one word: nothing, something, or that all of it is not judged.
#[expect(clippy::option_option, reason = "the inner one is the answer for the whole text")]
fn wrong(token: &Token, text: &str, declared: &HashSet<&str>) -> Option<Option<Fault>> {
    let place = token.place.clone();
    match token.kind {
        Kind::Bad => {
            let what = match text {
                "&" | ">" | "<" | "!" | "+" | "-" | "*" | "/" | "%" | "=" => {
                    format!(
                        "unexpected \"{text}\": templates have functions for that (`gt $value 5.0`)"
                    )
                }
                _ => format!("unexpected \"{text}\""),
            };
            Some(said(place, what, None, true))
        }
        Kind::Variable => {
            let name = text.strip_prefix('$').unwrap_or_default();
            if name.is_empty() || VARIABLES.contains(&name) || declared.contains(text) {
                return None;
            }
            if OF_VMALERT.contains(&name) {
                return Some(None);
            }
            let meant = meant(name, VARIABLES);
            let sure = meant.is_some();
            let what = format!("undefined variable \"{}\"", shown(text));
            Some(said(place, what, meant.map(|name| format!("${name}")), sure))
        }
        Kind::Word if !KEYWORDS.contains(&text) && !FUNCTIONS.contains(&text) => {
            let meant = meant(text, FUNCTIONS);
            let sure = meant.is_some() || OF_HELM.contains(&text);
            let what = format!("function \"{}\" not defined", shown(text));
            Some(said(place, what, meant.map(str::to_owned), sure))
        }
        _ => None,
    }
}

fn meant(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let same = known.iter().find(|known| known.eq_ignore_ascii_case(name)).copied();
    same.or_else(|| nearest(name, known.iter().copied().filter(|known| known.len() > 3), 2))
}

/// Whether another tool fills an action in: Helm by its objects, Jinja and the like by a name that stands alone.
fn is_foreign<'t>(tokens: &[Token], word: impl Fn(&Token) -> &'t str) -> bool {
    let of_helm = |token: &Token| {
        matches!(
            word(token),
            ".Values"
                | ".Release"
                | ".Chart"
                | ".Files"
                | ".Capabilities"
                | ".Template"
                | "include"
                | "tpl"
        )
    };
    if tokens.iter().any(of_helm) {
        return true;
    }
    let Some(first) = tokens.first().filter(|token| token.kind == Kind::Word) else { return false };
    let name = word(first);
    let known = KEYWORDS.contains(&name) || FUNCTIONS.contains(&name);
    // A function that is called has something behind it.
    let called = tokens
        .get(1)
        .is_some_and(|next| matches!(next.kind, Kind::Variable | Kind::Literal | Kind::Word));
    !known && !called
}

/// The words of each action, and where one begins that does not end.
fn actions(text: &str) -> (Vec<Vec<Token>>, Option<usize>) {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find("{{")).map(|n| at + n) {
        let inside = start + 2;
        let rest = text.get(inside..).unwrap_or_default();
        let trimmed =
            rest.strip_prefix('-').filter(|rest| rest.starts_with([' ', '\t', '\r', '\n']));
        let rest = trimmed.map_or(rest, str::trim_start);
        if rest.starts_with("/*") {
            let Some(end) = rest.find("*/") else { return (found, Some(start)) };
            let from = text.len() - rest.len() + end;
            let Some(close) = text.get(from..).and_then(|rest| rest.find("}}")) else {
                return (found, Some(start));
            };
            at = from + close + 2;
            continue;
        }
        let (tokens, end) = tokens(text, text.len() - rest.len());
        found.push(tokens);
        let Some(end) = end else { return (found, Some(start)) };
        at = end;
    }
    (found, None)
}

/// The words from a place on, and where what stands behind the action begins.
fn tokens(text: &str, from: usize) -> (Vec<Token>, Option<usize>) {
    let bytes = text.as_bytes();
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80;
    let run = |at: usize| bytes[at..].iter().take_while(|b| is_name(b)).count();
    let mut found: Vec<Token> = Vec::new();
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        if rest.starts_with(b"}}") {
            return (found, Some(at + 2));
        }
        if byte.is_ascii_whitespace() {
            at += 1;
            // ` -}}`
            if bytes[at..].starts_with(b"-}}") {
                return (found, Some(at + 3));
            }
            continue;
        }
        let (kind, length) = match byte {
            b'"' | b'\'' | b'`' => match closing(rest) {
                Some(length) => (Kind::Literal, length),
                None => return (found, None),
            },
            b'$' => (Kind::Variable, 1 + run(at + 1)),
            b'.' if rest.get(1).is_some_and(u8::is_ascii_digit) => (Kind::Literal, 1 + run(at + 1)),
            b'.' => (Kind::Field, 1 + run(at + 1)),
            b'0'..=b'9' => (Kind::Literal, number(rest)),
            b'+' | b'-' if rest.get(1).is_some_and(u8::is_ascii_digit) => {
                (Kind::Literal, 1 + number(&rest[1..]))
            }
            b':' if rest.starts_with(b":=") => (Kind::Declare, 2),
            b'|' | b'(' | b')' | b',' => (Kind::Sign, 1),
            b'=' if !rest.starts_with(b"==") => (Kind::Sign, 1),
            _ if is_name(&byte) => (Kind::Word, run(at)),
            _ => (Kind::Bad, 1),
        };
        found.push(Token { kind, place: at..at + length });
        at += length;
        // `atTerminator`: a name ends before one of these, and nowhere else.
        if matches!(kind, Kind::Word | Kind::Variable | Kind::Field)
            && let Some(&next) = bytes.get(at)
            && !next.is_ascii_whitespace()
            && !b".,|:()".contains(&next)
            && !bytes[at..].starts_with(b"}}")
            && !is_name(&next)
        {
            found.push(Token { kind: Kind::Bad, place: at..at + 1 });
            at += 1;
        }
    }
    (found, None)
}

/// `0.95`, `1e-3`
fn number(bytes: &[u8]) -> usize {
    let part = |(at, b): (usize, &u8)| {
        let exponent =
            at > 0 && matches!(b, b'+' | b'-') && matches!(bytes.get(at - 1), Some(b'e' | b'E'));
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_') || exponent
    };
    bytes.iter().enumerate().take_while(|pair| part(*pair)).count()
}

/// The length of a text with both of its quotes.
fn closing(bytes: &[u8]) -> Option<usize> {
    let quote = *bytes.first()?;
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quote != b'`' => at += 1,
            b'\n' if quote != b'`' => return None,
            b if b == quote => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::fault;

    #[test]
    fn what_prometheus_does_not_parse() {
        for (text, wanted) in [
            ("slow {{ $label.pod }}", "undefined variable \"$label\""),
            ("{{ $Labels.pod }}", "undefined variable \"$Labels\""),
            ("{{ $values | humanize }}", "undefined variable \"$values\""),
            ("{{ $value | humanise }}", "function \"humanise\" not defined"),
            ("{{ humanizePercent $value }}", "function \"humanizePercent\" not defined"),
            ("{{ $labels.pod | default \"none\" }}", "function \"default\" not defined"),
            ("{{ $labels.k8s-app }}", "unexpected \"-\""),
            ("{{ $labels[\"pod\"] }}", "unexpected \"[\""),
            ("{{ if $value > 5.0 }}a{{ end }}", "unexpected \">\""),
            ("{{ if $value == 5.0 }}a{{ end }}", "unexpected \"=\""),
            ("{{ if gt $value 5.0 }}many", "unexpected EOF: if has no {{end}}"),
            ("a {{ end }}", "unexpected {{end}}"),
            ("a {{ else }} b", "unexpected {{else}}"),
            ("{{ $labels.pod", "unclosed action"),
            ("{{ \"a }}", "unclosed action"),
            ("{{/* a }}", "unclosed action"),
        ] {
            let found = fault(text).map(|fault| fault.what).unwrap_or_default();
            assert!(found.starts_with(wanted), "{text}: {found}");
        }
    }

    #[test]
    fn what_some_server_parses() {
        for text in [
            "plain",
            "{{ $labels.pod }} of {{ .Labels.app }} at {{ $value | humanizePercentage }}",
            "{{- if gt $value 0.5 -}} a {{- else if eq $labels.x \"y\" }} b {{ else }} c {{ end -}}",
            "{{ range query \"up{job='x'} == 0\" }}{{ .Labels.instance }}{{ end }}",
            "{{ with $x := printf \"a{pod='%s'}\" $labels.pod | query }}{{ . | first | value }}{{ end }}",
            "{{ range $i, $e := query \"up\" }}{{ $i }}{{ $e.Value }}{{ end }}",
            "{{ $externalURL }}{{ $externalLabels.cluster }}{{ externalURL }}",
            "{{ $.Labels.a }}{{ printf \"%.2f\" (index $labels \"k8s-app\") }}",
            "{{ define \"x\" }}a{{ end }}{{ template \"x\" . }}",
            "{{/* $label */}}a{{- /* b */ -}}{{-\n$value\n-}}",
            "{{ \"{{ $label }}\" }} {{`{{ $label.pod }}`}}",
            "{{ $value | printf \"%.1f\" }} {{ -1.5 | print }} {{ 1e-3 }}",
            // vmalert
            "{{ $expr }} since {{ $activeAt }}",
            "{{ $labels.pod | queryEscape }}",
            // Another tool's.
            "{{ namespace }}: {{ $labels.pod }}",
            "{{ item.name }} is slow",
            "{{ cluster | default('x') }}",
            "{{ .Values.x }} {{ $root.Values.y }}",
            "{{ include \"x\" . }}",
            "{% raw %}{{ $label }}{% endraw %}",
            "",
        ] {
            assert_eq!(fault(text), None, "{text}");
        }
    }

    #[test]
    fn what_was_meant_is_told() {
        let meant = |text: &str| fault(text).map(|fault| (fault.meant, fault.sure));
        assert_eq!(meant("{{ $label.a }}"), Some((Some("$labels".to_owned()), true)));
        assert_eq!(meant("{{ $value | humanise }}"), Some((Some("humanize".to_owned()), true)));
        assert_eq!(meant("{{ $something.a }}"), Some((None, false)));
        assert_eq!(meant("{{ $value | toDays }}"), Some((None, false)));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>()) {
            fault(&text);
        }

        #[test]
        fn any_words_are_read(words in proptest::collection::vec(proptest::sample::select(
            vec!["{{", "}}", "$label", "$", ".a", "if ", "end", " ", "\"", "`", "'", "/*", "*/", "|",
                 ":=", "-", "1", "\u{df}", "\n", "\\", "x", "range "]), 0..40)) {
            let text = words.concat();
            if let Some(found) = fault(&text) {
                prop_assert!(text.get(found.place).is_some());
            }
        }
    }
}
