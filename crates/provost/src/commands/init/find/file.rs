//! What one Go file says: its imports, the calls it makes with literals among their arguments, its
//! constants and the tags of its struct fields.
//!
//! It is no type checker. A call is a name with parentheses behind it; what a name stands for is
//! looked up among `name = literal` of the same package. That is enough for the habits of services,
//! and what it misses is a default with a comment in the files that are written.

use std::collections::{BTreeMap, BTreeSet};

use super::is_version;
use super::lexer::{Token, tokens};
use super::shutdown::flow::{self, Flow};

/// An argument, as far as it is one literal or one name.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    /// A literal times `time.Second` or another unit.
    Seconds(u64),
    Name(String),
    /// `syscall.SIGTERM`, `cfg.Addr`
    Member(String, String),
    Other,
}

/// `receiver.name(arguments)`
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// The name before the last dot; empty without one, `)` behind another call.
    pub(super) receiver: String,
    pub(super) name: String,
    pub(super) arguments: Vec<Value>,
    /// What routers put before the paths of this call: `/api` in `r.Route("/api", func ...)`.
    pub(super) prefix: String,
}

/// `Key: value` of a composite literal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) key: String,
    pub(super) value: Value,
    /// The last word of the literal's type: `Server` of `&http.Server{`. Empty without a name.
    pub(super) of: String,
    /// Tells the literals of a file apart.
    pub(super) literal: usize,
}

/// Braces that are open.
struct Open<'t> {
    of: &'t str,
    /// The token that it is.
    at: usize,
    /// Whether it is a `http.Server`.
    is_server: bool,
    has_handler: bool,
}

/// One file.
#[derive(Debug, Default)]
pub(super) struct GoFile {
    pub(super) package: String,
    /// Path, and the name it is used by.
    pub(super) imports: BTreeMap<String, String>,
    pub(super) calls: Vec<Call>,
    pub(super) fields: Vec<Field>,
    /// Whether a `http.Server` is written without a handler, so that it has the default router.
    pub(super) bare_server: bool,
    /// `name = value`, `name := value`
    pub(super) names: BTreeMap<String, Value>,
    /// Raw strings that are struct tags.
    pub(super) tags: Vec<String>,
    /// What is called or named with a dot: `signal.Notify`.
    pub(super) mentions: BTreeSet<String>,
    /// What its functions do one after the other.
    pub(super) flow: Flow,
    /// Variables that are given what a call returns, and how often.
    pub(super) made: BTreeMap<String, usize>,
    /// Below the module's folder.
    pub(super) path: String,
}

/// Tokens of an argument list that are looked at: more is a table, and no setting.
const MOST_TOKENS: usize = 2_048;

/// Bytes of a router's prefix; a longer one is no path of a probe.
const LONGEST_PREFIX: usize = 256;

/// Methods of routers that put a prefix before the paths below.
const GROUPS: &[&str] = &["Group", "Route", "PathPrefix", "Mount", "Party", "StripPrefix"];

/// Reads a file.
pub(super) fn read(source: &str) -> GoFile {
    let (tokens, lines) = tokens(source);
    let closing = closing(&tokens);
    let mut file = GoFile::default();
    let mut at = head(&tokens, &mut file);
    file.flow = flow::read(&tokens[at..], &lines[at..], &file.imports);
    // Parentheses of groups that are open, each with where it ends and its prefix.
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut braces: Vec<Open<'_>> = Vec::new();
    // Routers in variables, by name.
    let mut routers: BTreeMap<String, String> = BTreeMap::new();
    while at < tokens.len() {
        while open.last().is_some_and(|(end, _)| *end <= at) {
            open.pop();
        }
        match &tokens[at] {
            Token::Text(text) if text.contains(":\"") => file.tags.push(text.clone()),
            Token::Mark(b'{') => braces.push(opened(&tokens, at, &file)),
            Token::Mark(b'}') => {
                let closed = braces.pop();
                file.bare_server |= closed.is_some_and(|it| it.is_server && !it.has_handler);
            }
            Token::Word(word) => {
                if let Some(Token::Mark(b'.')) = tokens.get(at + 1)
                    && let Some(Token::Word(member)) = tokens.get(at + 2)
                {
                    file.mentions.insert(format!("{word}.{member}"));
                }
                if *word == "Handler"
                    && tokens.get(at + 1) == Some(&Token::Mark(b':'))
                    && let Some(inside) = braces.last_mut()
                {
                    inside.has_handler = true;
                }
                assignment(&tokens, at, word, braces.last(), &mut file);
                if let Some(Token::Mark(b'(')) = tokens.get(at + 1)
                    && let Some(end) = closing[at + 1]
                    && *word != "func"
                {
                    let receiver = receiver(&tokens, at);
                    let around = open.last().map_or("", |(_, prefix)| prefix.as_str());
                    let prefix = routers.get(&receiver).map_or(around, String::as_str).to_owned();
                    let arguments = arguments(&tokens, at + 2, end);
                    let variable = assigned(&tokens, at);
                    if GROUPS.contains(word)
                        && let Some(Value::Text(path)) = arguments.first()
                    {
                        let mut below = format!("{prefix}{}", path.trim_end_matches('/'));
                        if below.len() > LONGEST_PREFIX {
                            "/...".clone_into(&mut below);
                        }
                        if let Some(variable) = &variable {
                            routers.insert(variable.clone(), below.clone());
                        }
                        open.push((end, below));
                    }
                    if let Some(variable) = &variable {
                        *file.made.entry(variable.clone()).or_default() += 1;
                    }
                    // `addr := flag.String("addr", ":8080", "...")`
                    if let (Some(variable), Some(Value::Text(_) | Value::Number(_))) =
                        (variable, arguments.get(1))
                    {
                        file.names.entry(variable).or_insert_with(|| arguments[1].clone());
                    }
                    file.calls.push(Call { receiver, name: (*word).to_owned(), arguments, prefix });
                }
            }
            _ => {}
        }
        at += 1;
    }
    file
}

/// What a brace opens.
fn opened<'t>(tokens: &[Token<'t>], at: usize, file: &GoFile) -> Open<'t> {
    let word = |back: usize| match at.checked_sub(back).and_then(|at| tokens.get(at)) {
        Some(Token::Word(word)) => *word,
        _ => "",
    };
    let dot = at >= 2 && tokens[at - 2] == Token::Mark(b'.');
    let package = if dot { word(3) } else { "" };
    let http = file.imports.get("net/http").is_some_and(|name| name == package);
    let of = word(1);
    Open { of, at, is_server: http && of == "Server", has_handler: false }
}

/// The package clause and the imports; where the rest begins. `SourceFile = PackageClause ";" { ImportDecl ";" } ...`, where
/// `ImportDecl = "import" ( ImportSpec | "(" { ImportSpec ";" } ")" )` and `ImportSpec = [ "." | PackageName ] ImportPath`
/// (Go 1.27 specification, "Import declarations"). A semicolon is written where a line does not end.
fn head(tokens: &[Token<'_>], file: &mut GoFile) -> usize {
    let mut at = 0;
    if let [Token::Word("package"), Token::Word(name), ..] = tokens {
        file.package = (*name).to_owned();
        at = 2;
    }
    loop {
        at = behind_semicolons(tokens, at);
        if tokens.get(at) != Some(&Token::Word("import")) {
            return at;
        }
        at += 1;
        if tokens.get(at) != Some(&Token::Mark(b'(')) {
            at = import(tokens, at, file).unwrap_or(at);
            continue;
        }
        at = behind_semicolons(tokens, at + 1);
        while let Some(end) = import(tokens, at, file) {
            at = behind_semicolons(tokens, end);
        }
        if tokens.get(at) == Some(&Token::Mark(b')')) {
            at += 1;
        }
    }
}

fn behind_semicolons(tokens: &[Token<'_>], mut at: usize) -> usize {
    while tokens.get(at) == Some(&Token::Mark(b';')) {
        at += 1;
    }
    at
}

/// One import; where it ends, and `None` where there is none.
fn import(tokens: &[Token<'_>], at: usize, file: &mut GoFile) -> Option<usize> {
    let (name, at) = match tokens.get(at)? {
        Token::Word(name) => (Some(*name), at + 1),
        Token::Mark(b'.') => (Some(""), at + 1),
        _ => (None, at),
    };
    let Token::Text(path) = tokens.get(at)? else { return None };
    let name = name.map_or_else(|| last_of(path), str::to_owned);
    // A path may be imported for its effects, too, and that is no name to call it by.
    if name != "_" || !file.imports.contains_key(path) {
        file.imports.insert(path.clone(), name);
    }
    Some(at + 1)
}

/// The last part of an import path that is no version.
fn last_of(path: &str) -> String {
    path.rsplit('/').find(|part| !is_version(part)).unwrap_or(path).to_owned()
}

/// Where each parenthesis that opens is closed.
fn closing(tokens: &[Token<'_>]) -> Vec<Option<usize>> {
    let mut ends = vec![None; tokens.len()];
    let mut open = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Mark(b'(') => open.push(at),
            Token::Mark(b')') => {
                if let Some(start) = open.pop() {
                    ends[start] = Some(at);
                }
            }
            _ => {}
        }
    }
    ends
}

fn receiver(tokens: &[Token<'_>], name: usize) -> String {
    if name < 2 || tokens[name - 1] != Token::Mark(b'.') {
        return String::new();
    }
    match &tokens[name - 2] {
        Token::Word(word) => (*word).to_owned(),
        _ => ")".to_owned(),
    }
}

/// The variable in `variable := receiver.name(`.
fn assigned(tokens: &[Token<'_>], name: usize) -> Option<String> {
    // Back over `a.b.c.` to the operator.
    let mut at = name;
    while at >= 2 && tokens[at - 1] == Token::Mark(b'.') && matches!(tokens[at - 2], Token::Word(_))
    {
        at -= 2;
    }
    if at < 2 || tokens[at - 1] != Token::Mark(b'=') {
        return None;
    }
    let variable = at - 2 - usize::from(tokens[at - 2] == Token::Mark(b':'));
    match tokens.get(variable) {
        Some(Token::Word(word)) => Some((*word).to_owned()),
        _ => None,
    }
}

/// `name = value`, `name := value`, `name string = value` and `Key: value`, for values of one
/// literal.
fn assignment(
    tokens: &[Token<'_>],
    at: usize,
    name: &str,
    inside: Option<&Open<'_>>,
    file: &mut GoFile,
) {
    let mark = |n: usize, byte: u8| tokens.get(at + n) == Some(&Token::Mark(byte));
    let is_member = at > 0 && tokens[at - 1] == Token::Mark(b'.');
    if is_member {
        return;
    }
    if mark(1, b':') && !mark(2, b'=') {
        let value = value(tokens, at + 2);
        if value != Value::Other {
            let of = inside.map_or("", |inside| inside.of).to_owned();
            let literal = inside.map_or(0, |inside| inside.at);
            file.fields.push(Field { key: name.to_owned(), value, of, literal });
        }
        return;
    }
    let is_typed = matches!(tokens.get(at + 1), Some(Token::Word("string" | "int")));
    let from = if mark(1, b'=') && !mark(2, b'=') {
        at + 2
    } else if (mark(1, b':') || is_typed) && mark(2, b'=') {
        at + 3
    } else {
        return;
    };
    let value = value(tokens, from);
    if matches!(value, Value::Text(_) | Value::Number(_) | Value::Seconds(_)) {
        // The first one is the default; a later one is what replaces it.
        file.names.entry(name.to_owned()).or_insert(value);
    }
}

/// The value that begins at a token, when a whole literal or name ends with it.
fn value(tokens: &[Token<'_>], at: usize) -> Value {
    let rest = tokens.get(at..).unwrap_or_default();
    if let Some(seconds) = duration(rest) {
        return seconds;
    }
    // A concatenation is no literal.
    let goes_on = |n: usize| {
        matches!(rest.get(n), Some(Token::Mark(b'+' | b'-' | b'*' | b'/' | b'.' | b'(' | b'[')))
    };
    match rest.first() {
        Some(Token::Text(text)) if !goes_on(1) => Value::Text(text.clone()),
        Some(Token::Number(digits)) if !goes_on(1) => number(digits),
        Some(Token::Word(word)) if !goes_on(1) => Value::Name((*word).to_owned()),
        Some(Token::Word(of)) if !goes_on(3) => match (rest.get(1), rest.get(2)) {
            (Some(Token::Mark(b'.')), Some(Token::Word(name))) => {
                Value::Member((*of).to_owned(), (*name).to_owned())
            }
            _ => Value::Other,
        },
        // What a flag points at.
        Some(Token::Mark(b'*')) => match rest.get(1) {
            Some(Token::Word(word)) if !goes_on(2) => Value::Name((*word).to_owned()),
            _ => Value::Other,
        },
        _ => Value::Other,
    }
}

fn number(digits: &str) -> Value {
    digits.replace('_', "").parse().map_or(Value::Other, Value::Number)
}

/// `20 * time.Second`, `time.Second * 20`, `time.Minute`
fn duration(rest: &[Token<'_>]) -> Option<Value> {
    let unit = |tokens: &[Token<'_>]| match tokens {
        [Token::Word("time"), Token::Mark(b'.'), Token::Word(unit), ..] => match *unit {
            "Second" => Some(1),
            "Minute" => Some(60),
            "Hour" => Some(3600),
            _ => None,
        },
        _ => None,
    };
    let times = |digits: &str, unit: u64| {
        let count: u64 = digits.replace('_', "").parse().ok()?;
        count.checked_mul(unit).map(Value::Seconds)
    };
    match rest {
        [Token::Number(digits), Token::Mark(b'*'), more @ ..] => times(digits, unit(more)?),
        _ => {
            let unit = unit(rest)?;
            match rest.get(3..5) {
                Some([Token::Mark(b'*'), Token::Number(digits)]) => times(digits, unit),
                Some([Token::Mark(b'*' | b'/' | b'+' | b'-'), _]) => None,
                _ => Some(Value::Seconds(unit)),
            }
        }
    }
}

/// The arguments between two parentheses, at most the first eight.
fn arguments(tokens: &[Token<'_>], from: usize, end: usize) -> Vec<Value> {
    let mut arguments = Vec::new();
    let (mut depth, mut start) = (0usize, from);
    for at in from..=end.min(from + MOST_TOKENS) {
        let ends = match tokens[at] {
            Token::Mark(b'(' | b'[' | b'{') => {
                depth += 1;
                false
            }
            Token::Mark(b')' | b']' | b'}') if at < end => {
                depth = depth.saturating_sub(1);
                false
            }
            Token::Mark(b',') => depth == 0,
            _ => at == end,
        };
        if !ends {
            continue;
        }
        if at > start {
            // Only what ends here is the whole argument.
            let whole = &tokens[start..at];
            arguments.push(value(whole, 0));
        }
        start = at + 1;
        if arguments.len() == 8 {
            break;
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call<'f>(file: &'f GoFile, name: &str) -> &'f Call {
        file.calls.iter().find(|call| call.name == name).unwrap_or_else(|| panic!("{file:#?}"))
    }

    #[test]
    fn imports_constants_and_calls_are_read() {
        let file = read(
            "package main\nimport \"C\"\nimport (\n\tlog \"log/slog\"\n\t_ \"net/http/pprof\"\n\t\"example.com/x/v2\"\n)\n\
             const port = \"PORT\"\nvar grace = 20 * time.Second\n\
             func main() {\n\tv := getenv(port, \":8080\")\n\tctx, c := context.WithTimeout(a, time.Second*5)\n\
             \ts := &http.Server{Addr: \":9090\", ReadTimeout: 5 * time.Second}\n\
             \tf(\"a\"+b, 8080, x.y)\n}\n",
        );
        assert_eq!(file.package, "main");
        let imports: Vec<_> = file.imports.iter().map(|(p, n)| format!("{p} {n}")).collect();
        assert_eq!(imports, ["C C", "example.com/x/v2 x", "log/slog log", "net/http/pprof _"]);
        assert_eq!(file.names["port"], Value::Text("PORT".into()));
        assert_eq!(file.names["grace"], Value::Seconds(20));
        let getenv = call(&file, "getenv");
        assert_eq!(getenv.arguments, [Value::Name("port".into()), Value::Text(":8080".into())]);
        let timeout = call(&file, "WithTimeout");
        assert_eq!(timeout.receiver, "context");
        assert_eq!(timeout.arguments, [Value::Name("a".into()), Value::Seconds(5)]);
        let member = Value::Member("x".into(), "y".into());
        assert_eq!(call(&file, "f").arguments, [Value::Other, Value::Number(8080), member]);
        let value = Value::Text(":9090".into());
        let is_addr = |f: &Field| f.key == "Addr" && f.value == value && f.of == "Server";
        assert!(file.fields.iter().any(is_addr), "{:?}", file.fields);
        assert!(!file.bare_server, "that is another package's");
        assert!(file.mentions.contains("http.Server"));
    }

    #[test]
    fn imports_are_read_however_they_are_written() {
        for source in [
            "package main; import (\"net/http\"; \"os/signal\"); func main() { f(1) }",
            "package main\nimport (\"net/http\"; \"os/signal\";)\nfunc main() { f(1) }",
            "package main\nimport \"os/signal\"\nimport \"net/http\"\nfunc main() { f(1) }",
            "package main;import \"os/signal\";import \"net/http\";func main() { f(1) }",
            "package main\nimport ()\nimport (\n\t// both\n\t\"net/http\"\n\n\t`os/signal` /* raw */\n)\nfunc main() { f(1) }",
            "package main\nimport(\"net/http\"\n;;\"os/signal\")\nfunc main() { f(1) }",
            "package main\nimport \"os/signal\"\nimport _ \"os/signal\"\nimport (\"net/http\")\nfunc main() { f(1) }",
        ] {
            let file = read(source);
            let imports: Vec<_> = file.imports.iter().map(|(p, n)| format!("{p} {n}")).collect();
            assert_eq!(imports, ["net/http http", "os/signal signal"], "{source}");
            assert_eq!(call(&file, "f").arguments, [Value::Number(1)], "{source}");
        }
        let file = read("package main\nimport (s \"os/signal\"; . \"net/http\"; _ \"embed\")\n");
        let imports: Vec<_> = file.imports.iter().map(|(p, n)| format!("{p} {n}")).collect();
        assert_eq!(imports, ["embed _", "net/http ", "os/signal s"]);
    }

    #[test]
    fn routers_put_prefixes_before_paths() {
        let file = read(
            "package a\nfunc f() {\n r.Get(\"/livez\", h)\n api := r.Group(\"/api\")\n api.GET(\"/healthz\", h)\n\
             r.Route(\"/v1\", func(r chi.Router) {\n r.Head(\"/ready\", h)\n r.Route(\"/x\", func(r chi.Router) { r.Any(\"/y\", h) })\n})\n\
             r.Post(\"/after\", h)\n}\n",
        );
        let prefix = |name: &str| call(&file, name).prefix.as_str();
        assert_eq!(
            [prefix("Get"), prefix("GET"), prefix("Head"), prefix("Any"), prefix("Post")],
            ["", "/api", "/v1", "/v1/x", ""]
        );
    }

    #[test]
    fn what_is_broken_is_read_as_far_as_it_goes() {
        for source in [
            "package",
            "import (",
            "f(((((",
            ")))",
            "a := b.",
            "x.(",
            "package a\nimport (\"a\" \"b\"",
            "package a;import",
            "package a;import (a;",
            "package a;import import (;;",
            "a=",
            "a:",
        ] {
            let _ = read(source);
        }
        // Nested calls are no reason to be slow.
        let _ = read(&"f(".repeat(100_000));
        let _ = read(&format!("{}{}", "f(".repeat(3_000), ")".repeat(3_000)));
    }
}
