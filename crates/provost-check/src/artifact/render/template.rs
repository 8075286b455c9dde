//! The lines of a Helm template: what they print as it stands, and which values they fill in.
//!
//! Not an engine: enough of the language of Go's `text/template` to tell where text comes from.
//! Actions are found as its lexer finds them (text/template/parse/lex.go, Go 1.27: `{{`, `{{- `,
//! strings in three kinds of quotes, comments), and the meaning of the dot is followed through
//! `with`, `range`, `define`, `block` and assignments.

use std::ops::Range;

/// The longest path of a value: `.Values.a.b` has two parts.
const PARTS: usize = 32;

/// Blocks inside each other that are followed; deeper ones say nothing about the dot.
const DEPTH: usize = 256;

/// A path below `.Values`; `None` stands for an element of a list or a mapping.
pub(super) type Path = Vec<Option<String>>;

/// What a part of a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text that is printed as it is.
    Text(Range<usize>),
    /// An action that prints something, and the values it names.
    Hole(Vec<Path>),
}

/// A line of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Its bytes without the space around them.
    pub(super) content: Range<usize>,
    /// What it prints, without the space around it.
    pub(super) pieces: Vec<Piece>,
    /// The last piece may print more lines than this one.
    pub(super) block: bool,
    /// Bytes of the only action that prints something, when there is one.
    pub(super) hole: Option<Range<usize>>,
    /// The helper whose text it prints.
    pub(super) include: Option<String>,
}

impl Line {
    /// Letters and digits that are printed as they are: how much a match says.
    pub(super) fn weight(&self, text: &str) -> usize {
        let fixed = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(range) => text.get(range.clone()),
            Piece::Hole(_) => None,
        });
        fixed.flat_map(str::chars).filter(|c| c.is_alphanumeric()).count()
    }

    /// Whether the line prints `rendered`, which has no space around it.
    pub(super) fn prints(&self, text: &str, rendered: &str) -> bool {
        let mut rest = rendered;
        let mut open = false;
        for (at, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Hole(_) => open = true,
                Piece::Text(range) => {
                    let mut fixed = text.get(range.clone()).unwrap_or_default();
                    if at == 0 {
                        fixed = fixed.trim_start();
                    }
                    if at + 1 == self.pieces.len() {
                        fixed = fixed.trim_end();
                        if open {
                            return rest.ends_with(fixed);
                        }
                        return rest == fixed;
                    }
                    // A value may be empty, and then the space before it is gone at the end.
                    match rest.find(fixed) {
                        Some(found) if open || found == 0 => rest = &rest[found + fixed.len()..],
                        None if rest == fixed.trim_end() => rest = "",
                        _ => return false,
                    }
                    open = false;
                }
            }
        }
        open || rest.is_empty()
    }

    /// The values its holes name.
    pub(super) fn values(&self) -> impl Iterator<Item = &Path> {
        self.pieces.iter().flat_map(|piece| match piece {
            Piece::Hole(paths) => paths.as_slice(),
            Piece::Text(_) => &[],
        })
    }
}

/// What the dot or a variable stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    /// The top: `.Values` is a key of it.
    Top,
    /// A value.
    Value(Path),
    /// Something else.
    Unknown,
}

/// A template, read.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    /// Its lines, in order.
    pub(super) lines: Vec<Line>,
    /// What it defines for others to include: name and lines.
    pub(super) defines: Vec<(String, Range<usize>)>,
}

/// Reads a template.
pub(super) fn read(text: &str) -> Template {
    let mut reader = Reader {
        text,
        lines: Vec::new(),
        line: Line::default(),
        start: 0,
        dots: vec![Meaning::Top],
        ignored: 0,
        variables: Vec::new(),
        define: None,
        defines: Vec::new(),
    };
    reader.run();
    Template { lines: reader.lines, defines: reader.defines }
}

/// The text between the quotes that a text begins with.
fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '`'))?;
    text[1..].split(quote).next()
}

struct Reader<'t> {
    text: &'t str,
    lines: Vec<Line>,
    line: Line,
    /// Where the line starts.
    start: usize,
    /// What the dot is in each open block.
    dots: Vec<Meaning>,
    /// Open blocks beyond [`DEPTH`].
    ignored: usize,
    /// Later ones hide earlier ones; the number of blocks that were open when one was set.
    variables: Vec<(&'t str, Meaning, usize)>,
    /// The definition that is open: its name, its first line and its depth.
    define: Option<(String, usize, usize)>,
    defines: Vec<(String, Range<usize>)>,
}

impl<'t> Reader<'t> {
    fn run(&mut self) {
        let mut at = 0;
        while at < self.text.len() {
            match memchr::memmem::find(&self.text.as_bytes()[at..], b"{{") {
                Some(found) => {
                    self.text_to(at, at + found);
                    let (inner, next) = action(self.text, at + found);
                    let before = self.line.pieces.len();
                    self.action(inner);
                    if self.line.pieces.len() > before {
                        let is_hole = |piece: &Piece| matches!(piece, Piece::Hole(_));
                        let only = self.line.pieces.iter().filter(|p| is_hole(p)).count() == 1;
                        self.line.hole = only.then_some(at + found..next);
                    }
                    // Lines that an action spans are lines all the same.
                    for (offset, _) in self.text[at + found..next].match_indices('\n') {
                        self.end_line(at + found + offset);
                    }
                    at = next;
                }
                None => {
                    self.text_to(at, self.text.len());
                    at = self.text.len();
                }
            }
        }
        self.end_line(self.text.len());
    }

    fn text_to(&mut self, from: usize, to: usize) {
        let mut from = from;
        while let Some(found) = memchr::memchr(b'\n', &self.text.as_bytes()[from..to]) {
            self.literal(from, from + found);
            self.end_line(from + found);
            from += found + 1;
        }
        self.literal(from, to);
    }

    fn literal(&mut self, from: usize, to: usize) {
        // Space is text only between other pieces.
        if from < to && !(self.line.pieces.is_empty() && self.text[from..to].trim().is_empty()) {
            self.line.pieces.push(Piece::Text(from..to));
        }
    }

    fn end_line(&mut self, end: usize) {
        let mut line = std::mem::take(&mut self.line);
        while let Some(Piece::Text(range)) = line.pieces.last()
            && self.text[range.clone()].trim().is_empty()
        {
            line.pieces.pop();
        }
        let raw = &self.text[self.start..end];
        let lead = raw.len() - raw.trim_start().len();
        line.content = self.start + lead..self.start + lead + raw.trim().len();
        self.lines.push(line);
        self.start = end + 1;
    }

    fn dot(&self) -> &Meaning {
        if self.ignored > 0 {
            return &Meaning::Unknown;
        }
        self.dots.last().unwrap_or(&Meaning::Unknown)
    }

    fn open(&mut self, dot: Meaning) {
        if self.dots.len() >= DEPTH {
            self.ignored += 1;
        } else {
            self.dots.push(dot);
        }
    }

    fn action(&mut self, inner: &'t str) {
        if inner.starts_with("/*") {
            return;
        }
        let word = inner.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let rest = inner[word.len()..].trim_start();
        match word {
            "if" => self.open(self.dot().clone()),
            "with" => {
                let meaning = self.assigned(rest, |found| found);
                self.open(meaning);
            }
            "range" => {
                let meaning = self.assigned(rest, |found| match found {
                    Meaning::Value(mut path) => {
                        path.push(None);
                        Meaning::Value(path)
                    }
                    other => other,
                });
                self.open(meaning);
            }
            // Whoever includes it decides; only the top has `.Values`, so that nothing else is
            // taken for it.
            "define" | "block" => {
                self.open(Meaning::Top);
                let name = quoted(rest).map(str::to_owned);
                self.define = name.map(|name| (name, self.lines.len(), self.dots.len()));
            }
            "else" => {
                // `with` and `range` have the dot of before in their other branch.
                if self.dots.len() > 1 && self.ignored == 0 {
                    self.dots.pop();
                    let dot = self.dot().clone();
                    self.dots.push(dot);
                }
            }
            "end" => {
                if self.ignored > 0 {
                    self.ignored -= 1;
                } else if self.dots.len() > 1 {
                    if let Some((name, from, _)) =
                        self.define.take_if(|(_, _, depth)| *depth == self.dots.len())
                    {
                        self.defines.push((name, from..self.lines.len() + 1));
                    }
                    self.dots.pop();
                    let open = self.dots.len();
                    self.variables.retain(|(_, _, at)| *at <= open);
                }
            }
            "template" => {
                self.line.include = quoted(rest).map(str::to_owned);
                self.hole(Vec::new(), true);
            }
            "break" | "continue" => {}
            _ if is_assignment(inner) => {
                self.assigned(inner, |found| found);
            }
            _ => {
                let block = ["indent", "toYaml", "include", "tpl", "toPrettyJson"];
                let block = block.iter().any(|function| inner.contains(function));
                if let Some((_, name)) = inner.split_once("include ") {
                    self.line.include = quoted(name.trim_start()).map(str::to_owned);
                }
                self.hole(self.references(inner), block);
            }
        }
    }

    fn hole(&mut self, paths: Vec<Path>, block: bool) {
        self.line.block |= block;
        self.line.pieces.push(Piece::Hole(paths));
    }

    /// What a pipeline stands for, by the first value it names; sets the variable before `:=`.
    fn assigned(&mut self, text: &'t str, element: impl Fn(Meaning) -> Meaning) -> Meaning {
        let (names, value) = match text.find('=') {
            Some(at) if is_assignment(text) => {
                (text[..at].trim_end_matches(':'), text.get(at + 1..).unwrap_or_default())
            }
            _ => ("", text),
        };
        let found = self.references(value).into_iter().next();
        let found = match found {
            Some(path) => Meaning::Value(path),
            None if value.trim() == "." => self.dot().clone(),
            None if value.trim() == "$" => Meaning::Top,
            None => Meaning::Unknown,
        };
        let found = element(found);
        // `range $key, $value := ...`: the last one is the element.
        if let Some(name) = names.rsplit(',').next().map(str::trim).filter(|n| n.len() > 1) {
            let open = self.dots.len();
            if self.variables.len() < 1024 {
                self.variables.push((name, found.clone(), open));
            }
        }
        found
    }

    fn variable(&self, name: &str) -> Meaning {
        let found = self.variables.iter().rev().find(|(known, ..)| *known == name);
        found.map_or(Meaning::Unknown, |(_, meaning, _)| meaning.clone())
    }

    /// The values that a pipeline names, in order.
    fn references(&self, text: &str) -> Vec<Path> {
        let bytes = text.as_bytes();
        let mut all: Vec<Path> = Vec::new();
        // After `index`, words in quotes are further keys.
        let mut index = false;
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                quote @ (b'"' | b'`' | b'\'') => {
                    let end = end_of_string(bytes, at, quote);
                    if index && quote != b'\'' {
                        let inner = text.get(at + 1..end.saturating_sub(1)).unwrap_or_default();
                        if let Some(path) = all.last_mut().filter(|path| path.len() < PARTS) {
                            path.push(Some(inner.to_owned()));
                        }
                    }
                    at = end;
                }
                b'$' | b'.' => {
                    let end = reference_end(bytes, at);
                    all.extend(self.reference(&text[at..end]));
                    at = end.max(at + 1);
                }
                b'|' | b')' => {
                    index = false;
                    at += 1;
                }
                c if c.is_ascii_alphanumeric() || c == b'_' => {
                    let end = word_end(bytes, at);
                    index |= &text[at..end] == "index";
                    at = end;
                }
                _ => at += 1,
            }
        }
        all.retain(|path| !path.is_empty());
        all
    }

    /// `.Values.a`, `$.Values.a`, `$x.a`, `.a`, `.`
    fn reference(&self, text: &str) -> Option<Path> {
        let (base, fields) = match text.find('.') {
            Some(dot) => (&text[..dot], &text[dot + 1..]),
            None => (text, ""),
        };
        let meaning = match base {
            "" => self.dot().clone(),
            "$" => Meaning::Top,
            name => self.variable(name),
        };
        let mut fields = fields.split('.').filter(|field| !field.is_empty());
        let mut path = match meaning {
            Meaning::Unknown => return None,
            Meaning::Value(path) => path,
            Meaning::Top => {
                if fields.next() != Some("Values") {
                    return None;
                }
                Path::new()
            }
        };
        path.extend(fields.map(|field| Some(field.to_owned())));
        path.truncate(PARTS);
        // `.Values` itself is no value, but `index .Values "a"` goes on from it.
        Some(path)
    }
}

/// The inside of the action that starts at `at`, and where it ends; the rest of the text when it
/// does not.
fn action(text: &str, at: usize) -> (&str, usize) {
    let bytes = text.as_bytes();
    let mut start = at + 2;
    // `{{-` trims only when a space follows; `{{-3}}` is a number.
    if bytes.get(start) == Some(&b'-') && bytes.get(start + 1).is_some_and(u8::is_ascii_whitespace)
    {
        start += 2;
    }
    let body = text[start..].trim_start();
    start = text.len() - body.len();
    let mut end = start;
    if body.starts_with("/*") {
        end = memchr::memmem::find(body.as_bytes(), b"*/").map_or(text.len(), |n| start + n + 2);
    }
    while end < bytes.len() {
        match bytes[end] {
            quote @ (b'"' | b'`' | b'\'') => end = end_of_string(bytes, end, quote),
            b'}' if bytes.get(end + 1) == Some(&b'}') => {
                let inner = text.get(start..end).unwrap_or_default().trim_end();
                let inner = match inner.strip_suffix('-') {
                    Some(trimmed) if trimmed.ends_with(|c: char| c.is_whitespace()) => {
                        trimmed.trim_end()
                    }
                    // `*/ -}}` and `x -}}` have the space; `*/-}}` is refused by Go.
                    _ => inner,
                };
                return (inner, end + 2);
            }
            _ => end += 1,
        }
    }
    (text.get(start..).unwrap_or_default(), text.len())
}

/// One past the closing quote; a line break ends all but a raw string.
fn end_of_string(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut end = at + 1;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'\\' if quote != b'`' => end += 1,
            b'\n' if quote != b'`' => return end,
            byte if *byte == quote => return end + 1,
            _ => {}
        }
        end += 1;
    }
    bytes.len()
}

fn word_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes[at..].iter();
    at + rest.take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count()
}

fn reference_end(bytes: &[u8], at: usize) -> usize {
    let is_part = |b: &&u8| b.is_ascii_alphanumeric() || matches!(**b, b'_' | b'.');
    let first = usize::from(bytes[at] == b'$');
    at + first + bytes[at + first..].iter().take_while(is_part).count()
}

/// `$x := ...` or `$x = ...`, also with two variables.
fn is_assignment(text: &str) -> bool {
    if !text.starts_with('$') {
        return false;
    }
    let Some(at) = text.find('=') else { return false };
    let names = text[..at].trim_end_matches(':');
    names.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '$' | '_' | ',' | ' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Line> {
        read(text).lines
    }

    fn paths(text: &str) -> Vec<String> {
        let all = lines(text);
        let shown = |path: &Path| {
            let parts = path.iter().map(|part| part.as_deref().unwrap_or("*"));
            parts.collect::<Vec<_>>().join(".")
        };
        all.iter().flat_map(Line::values).map(shown).collect()
    }

    #[test]
    fn values_are_followed_through_blocks_and_variables() {
        assert_eq!(paths("a: {{ .Values.a.b | quote }}"), ["a.b"]);
        assert_eq!(paths("{{- with .Values.r }}\n{{- toYaml . | nindent 2 }}\n{{- end }}"), ["r"]);
        assert_eq!(paths("{{ with .Values.r }}{{ .x }}{{ else }}{{ .x }}{{ end }}"), ["r.x"]);
        assert_eq!(paths("{{ range .Values.l }}- {{ .name }}{{ end }}"), ["l.*.name"]);
        assert_eq!(
            paths("{{ range $k, $v := .Values.m }}{{ $k }}: {{ $v.x }}{{ end }}"),
            ["m.*.x"]
        );
        assert_eq!(paths("{{ $p := .Values.port }}x: {{ $p }}"), ["port"]);
        assert_eq!(paths("{{ with .Values.a }}{{ $.Values.b }}{{ end }}"), ["b"]);
        assert_eq!(paths("{{ index .Values \"a-b\" \"c\" }}"), ["a-b.c"]);
        assert_eq!(paths("{{ printf \"%s.x\" .Release.Name }} {{ .Chart.Name }}"), [""; 0]);
        assert_eq!(
            paths("{{ define \"x\" }}{{ .Values.a }}{{ .b }}{{ end }}{{ .Values.c }}"),
            ["a", "c"]
        );
        assert_eq!(paths("{{/* {{ .Values.no }} */}}{{ \"}}\" }}{{ .Values.yes }}"), ["yes"]);
        assert_eq!(paths("{{ if .Values.on }}x{{ end }}{{ .Values.a }}"), ["a"]);
    }

    #[test]
    fn lines_print_what_they_hold() {
        let prints = |template: &str, rendered: &str| {
            let all = lines(template);
            assert_eq!(all.len(), 1, "{template}");
            all[0].prints(template, rendered)
        };
        assert!(prints("image: \"{{ .a }}:{{ .b }}\"", "image: \"nginx:1.2\""));
        assert!(!prints("image: \"{{ .a }}:{{ .b }}\"", "image: nginx"));
        assert!(prints("  replicas: {{ .Values.n }}", "replicas: 3"));
        assert!(prints("a: {{ .x }}", "a:"));
        assert!(prints("  kind: Service", "kind: Service"));
        assert!(!prints("kind: Service", "kind: ServiceAccount"));
        assert!(!prints("{{- if .x }}", "a: b"));
        assert!(prints("{{ .x }}", "a: b"));
    }

    #[test]
    fn an_action_over_several_lines_leaves_the_numbers_as_they_are() {
        let text = "a: {{ .x\n  | quote }}\nb: 1\n";
        let all = lines(text);
        assert_eq!(all.len(), 4);
        assert_eq!(&text[all[2].content.clone()], "b: 1");
        assert!(all[2].prints(text, "b: 1"));
    }

    #[test]
    fn half_of_an_action_is_no_panic() {
        for text in ["{{", "{{-", "{{ \"", "{{ `x", "{{/*", "{{ $ }}", "{{ . }", "}}", "{{ end }}"]
        {
            lines(text);
        }
        let deep = "{{ if x }}".repeat(5000) + &"{{ end }}".repeat(6000);
        assert_eq!(lines(&deep).len(), 1);
    }
}
