//! YAML and JSON text as [`Document`]s: every key, value and comment with its bytes.
//!
//! Scalars are typed as the Kubernetes tools type them, which is YAML 1.1 (`on` is a boolean, `0644`
//! is octal), whatever grammar the parser underneath follows. An alias becomes the *same* node as
//! its anchor, so memory grows with the text and not with what the aliases expand to.
//!
//! Nothing is repaired: a document that cannot be read is reported and left out, and the next one
//! is read as if nothing had happened.

use std::borrow::Cow;

use builder::{Arenas, Builder};
use granit_parser::{ErrorKind, Event, Parser, ScanError, Span as EventSpan};

use super::{Problem, ProblemKind};
use crate::facts::document::{Comment, Document};
use crate::facts::origin::{Origin, SourceId, Span};

mod builder;
mod quotes;
mod scalar;
#[cfg(test)]
mod tests;

pub(crate) use scalar::resolve_plain;

/// What a manifest file may cost. The defaults are far above what the API server takes (a request
/// of 3 MiB, an object of 1.5 MiB in etcd), since one file may hold many objects.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Documents in one file.
    pub documents: usize,
    /// Nodes (keys, scalars, lists, mappings) of one document.
    pub nodes: usize,
    /// Nesting of lists and mappings.
    pub depth: usize,
    /// Aliases in one document.
    pub aliases: usize,
    /// Nodes of one document once its aliases are expanded. Kubernetes' own reader gives up in the
    /// same range: it takes aliases for an attack from 400,000 decoded nodes on.
    pub expanded_nodes: u64,
    /// Bytes of one scalar.
    pub scalar_bytes: usize,
    /// Problems reported for one file; the rest is counted in one more.
    pub problems: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 64 << 20,
            documents: 100_000,
            nodes: 4_000_000,
            depth: 250,
            aliases: 20_000,
            expanded_nodes: 1_000_000,
            scalar_bytes: 16 << 20,
            problems: 100,
        }
    }
}

/// A document that could not be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    /// Its bytes, up to the start of the next document.
    pub region: Span,
    /// Why.
    pub problem: Problem,
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The documents that could be read, empty ones left out.
    pub documents: Vec<Document>,
    /// The documents that could not.
    pub broken: Vec<Broken>,
    /// Problems inside documents that are read all the same, with the document's index.
    pub problems: Vec<(u32, Problem)>,
}

/// Bytes that no YAML reader takes, replaced so that the rest of the file can still be read.
pub struct Cleaned<'t> {
    /// Text of the same length in bytes, so that positions stay those of the file.
    pub text: Cow<'t, str>,
    /// Where something was replaced, in order.
    pub replaced: Vec<Span>,
}

/// Takes bytes for text. What is not UTF-8 and the control characters that YAML forbids (go-yaml
/// `reader.go`: everything below a space but tab, line feed and carriage return, DEL and the C1
/// controls but NEL) are replaced by question marks, and where is told.
pub fn clean(bytes: &[u8]) -> Cleaned<'_> {
    let is_bad = |b: u8| (b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) || b == 0x7F;
    let is_c1 = |w: &[u8]| w[0] == 0xC2 && (0x80..=0x9F).contains(&w[1]) && w[1] != 0x85;
    if let Ok(text) = std::str::from_utf8(bytes)
        && !bytes.iter().copied().fold(false, |bad, b| bad | is_bad(b))
        && !(memchr::memchr(0xC2, bytes).is_some() && bytes.windows(2).any(is_c1))
    {
        return Cleaned { text: Cow::Borrowed(text), replaced: Vec::new() };
    }
    let mut text = String::with_capacity(bytes.len());
    let mut replaced: Vec<Span> = Vec::new();
    let mut replace = |text: &mut String, n: usize| {
        let start = text.len();
        text.extend(std::iter::repeat_n('?', n));
        match replaced.last_mut() {
            Some(last) if last.end as usize == start => last.end = Span::new(0, text.len()).end,
            _ => replaced.push(Span::new(start, text.len())),
        }
    };
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}') {
                replace(&mut text, c.len_utf8());
            } else {
                text.push(c);
            }
        }
        replace_if(&mut text, chunk.invalid().len(), &mut replace);
    }
    Cleaned { text: Cow::Owned(text), replaced }
}

fn replace_if(text: &mut String, n: usize, replace: &mut impl FnMut(&mut String, usize)) {
    if n > 0 {
        replace(text, n);
    }
}

/// Reads all documents of a text. `replaced` are the places [`clean`] reports: a document that
/// holds one is broken.
pub fn parse(source: SourceId, text: &str, replaced: &[Span], limits: &Limits) -> Parsed {
    let Once { mut parsed, mut unknown_escapes } = once(source, text, replaced, limits, false);
    let mut spent = 0;
    let mut stands_in = String::new();
    // One that the author wrote would become an apostrophe.
    let own = !unknown_escapes.is_empty() && text.contains(quotes::LETTER);
    // A document is given up at its first: the next round finds the second.
    while !unknown_escapes.is_empty() && !own && spent < quotes::REREAD {
        let before = if stands_in.is_empty() { text } else { &stands_in };
        let Some(next) = quotes::stand_in(before, &unknown_escapes) else { break };
        spent += text.len();
        stands_in = next;
        Once { parsed, unknown_escapes } = once(source, &stands_in, replaced, limits, true);
    }
    parsed
}

/// What one round has read.
struct Once {
    parsed: Parsed,
    /// Where quoted scalars begin that were given up because of an escape.
    unknown_escapes: Vec<usize>,
}

fn once(source: SourceId, text: &str, replaced: &[Span], limits: &Limits, stands_in: bool) -> Once {
    let options = granit_parser::options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: limits.depth,
        block_nesting_limit: limits.depth,
        // Comments are held back while the parser looks for what follows them; a long licence
        // header is no attack, and the file's own size bounds them.
        max_buffered_comment_events: usize::MAX,
    };
    let mut parser = Parser::new_from_str_with_options(text, options.clone());
    let mut builder = Builder::new(source, text, limits);
    builder.stands_in = stands_in;
    let mut parsed = Parsed::default();
    let mut unknown_escapes = Vec::new();
    let mut index = 0u32;
    // Where in the text the parser began.
    let mut base = 0usize;
    // Start of the bytes that belong to the document being read.
    let mut region = 0usize;
    let mut comments = Vec::new();
    loop {
        let stopped = match parser.next_event() {
            None => break,
            Some(Ok((event, span))) => match event {
                Event::StreamStart | Event::Anchor(..) => continue,
                Event::StreamEnd => break,
                Event::Comment(..) => {
                    comments.push(Comment { span: bytes_of(&span, base) });
                    continue;
                }
                Event::DocumentStart(explicit, _) => {
                    let start = bytes_of(&span, base);
                    if explicit {
                        region = start.start as usize;
                    }
                    builder.start(start.end as usize);
                    continue;
                }
                Event::DocumentEnd => {
                    let end = span.end.byte_offset().map_or(text.len(), |end| base + end);
                    let bad = first_inside(replaced, region, end);
                    if let Some(bad) = bad {
                        let problem = not_text(source, bad);
                        let region = Span::new(region, end);
                        parsed.broken.push(Broken { region, problem });
                        builder.problems.clear();
                    } else if let Some(root) = builder.finish() {
                        let problems = std::mem::take(&mut builder.problems);
                        parsed.problems.extend(problems.into_iter().map(|p| (index, p)));
                        let mut comments = std::mem::take(&mut comments);
                        comments.sort_unstable_by_key(|c| c.span);
                        let Arenas { nodes, texts, entries, items, numbers, aliases, has_aliases } =
                            builder.take();
                        parsed.documents.push(Document {
                            source,
                            index,
                            nodes,
                            texts,
                            entries,
                            items,
                            numbers,
                            aliases,
                            has_aliases,
                            root,
                            comments,
                        });
                    }
                    comments.clear();
                    region = end;
                    index += 1;
                    if parsed.documents.len() + parsed.broken.len() >= limits.documents
                        && parser.proceed_next_document().unwrap_or(false)
                    {
                        let message =
                            format!("more than {} documents in one file", limits.documents);
                        let at = Span::new(end, text.len());
                        let mut problem = limit(source, point(text, end), message);
                        problem.help = Some("split the file: those behind are not read".to_owned());
                        parsed.broken.push(Broken { region: at, problem });
                        break;
                    }
                    continue;
                }
                event => match builder.event(event, &span) {
                    Ok(()) => continue,
                    Err(problem) => Stopped::Limit(*problem),
                },
            },
            Some(Err(error)) => {
                if matches!(error.kind(), ErrorKind::UnknownQuotedScalarEscape) {
                    unknown_escapes.extend(error.marker().byte_offset().map(|at| base + at));
                }
                Stopped::Syntax(syntax_problem(source, text, base, &error))
            }
        };
        // The document is given up.
        builder.abandon();
        comments.clear();
        let (end, more, stopped) = match stopped {
            Stopped::Syntax(problem) => {
                let more = parser.proceed_next_document().unwrap_or(false);
                let start = |span: &EventSpan| span.start.byte_offset().map(|at| base + at);
                let end = match parser.peek() {
                    Some(Ok((_, span))) if more => start(span).unwrap_or(text.len()),
                    _ if more => region,
                    _ => text.len(),
                };
                (end, more, problem)
            }
            // What is beyond a limit is not scanned for its end: a line that begins with `---`
            // ends a document whatever it stands in.
            Stopped::Limit(problem) => {
                let at = problem.origin.span().map_or(region, |span| span.start as usize);
                let next = next_document(text, at.max(region));
                if let Some(next) = next {
                    base = next;
                    let rest = text.get(next..).unwrap_or_default();
                    parser = Parser::new_from_str_with_options(rest, options.clone());
                    builder.rebase(next);
                }
                (next.unwrap_or(text.len()), next.is_some(), problem)
            }
        };
        let here = Span::new(region, end.max(region));
        // What cannot be read at all matters more than what the replacement made of it.
        let problem = match first_inside(replaced, region, end) {
            Some(bad) => not_text(source, bad),
            None => stopped,
        };
        parsed.broken.push(Broken { region: here, problem });
        region = end.max(region);
        index += 1;
        if !more {
            break;
        }
        if parsed.documents.len() + parsed.broken.len() >= limits.documents {
            break;
        }
    }
    // Comments behind the last document belong to it.
    if let Some(last) = parsed.documents.last_mut() {
        last.comments.append(&mut comments);
    }
    Once { parsed, unknown_escapes }
}

/// Why a document was given up.
enum Stopped {
    /// It is no YAML.
    Syntax(Problem),
    /// It is more than is read.
    Limit(Problem),
}

/// Where the next line begins that starts a document (YAML 1.2, 9.1.2: no scalar may hold one).
fn next_document(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    memchr::memmem::find_iter(bytes.get(from..)?, "\n---").map(|at| from + at + 1).find(|at| {
        bytes.get(at + 3).is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
    })
}

/// Whether a node has a tag other than those that say what a scalar is anyway: what is behind
/// `!!binary` is not what is written.
pub(crate) fn has_unusual_tag(text: &str) -> bool {
    if !text.contains('!') {
        return false;
    }
    let mut parser = Parser::new_from_str(text);
    // What cannot be read is told by [`parse`].
    while let Some(Ok((event, _))) = parser.next_event() {
        let tag = match &event {
            Event::Scalar(_, _, _, tag) => tag,
            Event::SequenceStart(_, _, tag) | Event::MappingStart(_, _, tag) => tag,
            _ => continue,
        };
        let usual = ["str", "int", "float", "bool", "null", "seq", "map"];
        if let Some(tag) = tag
            && !tag.core_suffix().is_some_and(|suffix| usual.contains(&suffix))
        {
            return true;
        }
    }
    false
}

fn first_inside(replaced: &[Span], start: usize, end: usize) -> Option<Span> {
    let first = replaced.partition_point(|span| (span.end as usize) <= start);
    replaced.get(first).copied().filter(|span| (span.start as usize) < end)
}

fn not_text(source: SourceId, at: Span) -> Problem {
    Problem {
        kind: ProblemKind::Malformed,
        origin: Origin::text(source, at),
        message: format!(
            "{} at offset {} is neither UTF-8 text nor white space that YAML allows",
            if at.end - at.start == 1 { "the byte" } else { "what stands" },
            at.start
        ),
        help: Some("save the file as UTF-8 without control characters".to_owned()),
    }
}

/// What becomes of a document with more than is read.
const LEFT_OUT: &str = "make it smaller: this document is left out, all of it";

fn limit(source: SourceId, at: Span, message: String) -> Problem {
    let help = Some(LEFT_OUT.to_owned());
    Problem { kind: ProblemKind::Limit, origin: Origin::text(source, at), message, help }
}

/// The character at an offset, or the last one of the text.
fn point(text: &str, offset: usize) -> Span {
    let mut start = offset.min(text.trim_end().len().saturating_sub(1));
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let length = text[start..].chars().next().map_or(0, char::len_utf8);
    Span::new(start, start + length)
}

fn syntax_problem(source: SourceId, text: &str, base: usize, error: &ScanError) -> Problem {
    let offset = error.marker().byte_offset().map_or(text.len(), |at| base + at);
    let kind = match error.kind() {
        ErrorKind::RecursionLimitExceeded => ProblemKind::Limit,
        _ => ProblemKind::Malformed,
    };
    let help = match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabAtBlockScalarStart => Some("YAML is indented with spaces"),
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidMappingValueWhitespace => {
            Some("quote a value that contains `: `")
        }
        ErrorKind::UnexpectedCharacter { .. } => Some("quote a value that begins with it"),
        ErrorKind::RecursionLimitExceeded => Some(LEFT_OUT),
        _ => None,
    };
    Problem {
        kind,
        origin: Origin::text(source, point(text, offset)),
        message: error.info(),
        help: help.map(str::to_owned),
    }
}

/// Bytes of an event in the text of which the parser reads what follows `base`.
fn bytes_of(span: &EventSpan, base: usize) -> Span {
    // A parser over a `str` always knows byte offsets.
    let range = span.byte_range().unwrap_or_default();
    Span::new(base + range.start, base + range.end)
}
