use proptest::prelude::*;

use super::*;
use crate::facts::document::{Node, NodeId, ScalarKind};

fn read(text: &str) -> Parsed {
    read_within(text.as_bytes(), &Limits::default())
}

fn read_within(bytes: &[u8], limits: &Limits) -> Parsed {
    let cleaned = clean(bytes);
    assert_eq!(cleaned.text.len(), bytes.len(), "positions stay those of the file");
    parse(SourceId(0), &cleaned.text, &cleaned.replaced, limits)
}

/// The documents with the bytes of every key and value: `"key" text = "value" text`.
fn shown(text: &str) -> String {
    fn walk(node: Node<'_>, text: &str, indent: usize, out: &mut String) {
        let pad = "  ".repeat(indent);
        let raw = &text[node.span().range()];
        if node.is_mapping() {
            for (key, value) in node.entries() {
                let key = &text[key.span().range()];
                if value.is_mapping() || value.is_sequence() {
                    out.push_str(&format!("{pad}<{key}>:\n"));
                    walk(value, text, indent + 1, out);
                } else {
                    out.push_str(&format!("{pad}<{key}>: {}\n", scalar(value, text)));
                }
            }
        } else if node.is_sequence() {
            for item in node.items() {
                out.push_str(&format!("{pad}- <{}>\n", &text[item.span().range()]));
                if item.is_mapping() || item.is_sequence() {
                    walk(item, text, indent + 1, out);
                }
            }
        } else {
            out.push_str(&format!("{pad}{} {raw:?}\n", scalar(node, text)));
        }
    }
    fn scalar(node: Node<'_>, text: &str) -> String {
        let raw = &text[node.span().range()];
        format!("<{raw}> = {:?} {:?}", node.as_str(), node.scalar_kind())
    }
    let parsed = read(text);
    assert_eq!(parsed.broken, []);
    let mut out = String::new();
    for document in &parsed.documents {
        out.push_str(&format!("document {}\n", document.index));
        walk(document.root(), text, 1, &mut out);
        for comment in &document.comments {
            out.push_str(&format!("  {}\n", &text[comment.span.range()]));
        }
    }
    out
}

/// Messages and the text they point at, of broken documents and inside readable ones.
fn problems(text: &str) -> Vec<String> {
    let parsed = read(text);
    let all = parsed.broken.iter().map(|b| &b.problem);
    all.chain(parsed.problems.iter().map(|(_, p)| p))
        .map(|p| {
            format!("{:?} at <{}>: {}", p.kind, &text[p.origin.span().unwrap().range()], p.message)
        })
        .collect()
}

#[test]
fn every_key_and_value_has_its_bytes() {
    let text = "\
# head
apiVersion: v1 # beside
quoted: \"a\\tb\"
single: 'it''s'
flow: {a: 1, 'b': [x, yes]}
list:
- one
- k: v
  l:
multi: two
  lines
literal: |
  one
   two

folded: >- # why
  a
  b
tagged: !!str 12
last: ~
---
{\"json\": [true, 1.5, null]}
";
    insta::assert_snapshot!(shown(text), @r#"
    document 0
      <apiVersion>: <v1> = Some("v1") Some(Str)
      <quoted>: <"a\tb"> = Some("a\tb") Some(Str)
      <single>: <'it''s'> = Some("it's") Some(Str)
      <flow>:
        <a>: <1> = Some("1") Some(Int(1))
        <'b'>:
          - <x>
          - <yes>
      <list>:
        - <one>
        - <k: v
      l>
          <k>: <v> = Some("v") Some(Str)
          <l>: <> = None Some(Null)
      <multi>: <two
      lines> = Some("two lines") Some(Str)
      <literal>: <|
      one
       two> = Some("one\n two\n") Some(Str)
      <folded>: <>- # why
      a
      b> = Some("a b") Some(Str)
      <tagged>: <12> = Some("12") Some(Str)
      <last>: <~> = None Some(Null)
      # head
      # beside
      # why
    document 1
      <"json">:
        - <true>
        - <1.5>
        - <null>
    "#);
}

#[test]
fn an_alias_is_the_node_of_its_anchor() {
    let text = "a: &x {k: v}\nb: *x\nc: [*x, *x]\n";
    let parsed = read(text);
    let document = &parsed.documents[0];
    let root = document.root();
    let a = root.get("a").unwrap().id;
    assert_eq!(root.get("b").unwrap().id, a);
    assert!(root.get("c").unwrap().items().all(|item| item.id == a));
    assert!(document.has_aliases);
    let spans: Vec<_> = document
        .aliased_entries_of(root.id)
        .map(|(_, alias)| alias.map(|s| &text[s.range()]))
        .collect();
    assert_eq!(spans, [None, Some("*x"), None]);
}

#[test]
fn merges_are_seen_through() {
    let text =
        "base: &b {a: 1, b: 2}\nmid: &m {<<: *b, b: 3}\ntop: {<<: [*m, {a: 9, z: 5}], c: 4}\n";
    let parsed = read(text);
    let top = parsed.documents[0].root().get("top").unwrap();
    let int = |key: &str| top.get(key).and_then(Node::as_i64);
    assert_eq!([int("a"), int("b"), int("c"), int("z")], [Some(1), Some(3), Some(4), Some(5)]);
}

#[test]
fn children_come_after_their_parents() {
    let parsed = read("a: {b: [1, {c: 2}]}\nd: 3\n");
    let document = &parsed.documents[0];
    for index in 0..document.nodes.len() {
        let id = NodeId(u32::try_from(index).unwrap());
        let entries = document.entries_of(id).iter().flat_map(|e| [e.key, e.value]);
        let children: Vec<NodeId> = entries.chain(document.items_of(id).iter().copied()).collect();
        assert!(children.iter().all(|child| child.0 as usize > index));
    }
}

#[test]
fn scalars_are_what_the_kubernetes_tools_take_them_for() {
    let table = include_str!("testdata/scalar.tsv");
    let mut rows = 0;
    for line in table.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let text: String = serde_json::from_str(columns[0]).unwrap();
        let ours = scalar::resolve_plain(&text);
        if text == "<<" {
            // Its own kind upstream; here a key that the reading of mappings knows.
            continue;
        }
        rows += 1;
        if columns[1] == "error" {
            // No JSON for what is not finite.
            assert!(matches!(ours, ScalarKind::Float(f) if !f.is_finite()), "{text:?}: {ours:?}");
            continue;
        }
        let theirs: serde_json::Value = serde_json::from_str(columns[1]).unwrap();
        let agrees = match ours {
            ScalarKind::Null => theirs.is_null(),
            ScalarKind::Bool(b) => theirs == serde_json::Value::Bool(b),
            ScalarKind::Int(n) => theirs.as_i64() == Some(n),
            ScalarKind::Float(f) => theirs.as_f64() == Some(f) && theirs.is_number(),
            ScalarKind::Str => theirs.as_str() == Some(&*text),
        };
        assert!(agrees, "{text:?}: {ours:?}, upstream {theirs}");
    }
    assert!(rows > 150);
}

#[test]
fn a_key_written_twice_is_reported_with_its_first_place() {
    assert_eq!(
        problems("a: 1\nb: {c: 1, \"c\": 2}\na: 2\n<<: {x: 1}\n<<: {y: 1}\n"),
        [
            "DuplicateKey at <\"c\">: the key `c` is written before, in line 2",
            "DuplicateKey at <a>: the key `a` is written before, in line 1",
        ]
    );
    let many: String = (0..20).map(|i| format!("k{}: {i}\n", i % 19)).collect();
    assert_eq!(
        problems(&many),
        ["DuplicateKey at <k0>: the key `k0` is written before, in line 1"]
    );
}

#[test]
fn a_broken_document_hides_nothing_but_itself() {
    for broken in [
        "a: [1, 2\n",
        "a: {b: [}\n",
        "a: \"unfinished\n",
        "a: 'unfinished\n",
        "a: b: c\n",
        "a:\n\tb: 1\n",
        "- a\nb\n",
        "a: @b\n",
        "a: \"\\q\"\n",
        "%FOO\n",
        "a: b\n c: d\n",
    ] {
        let text = format!("first: 1\n---\n{broken}---\nlast: 1\n");
        let parsed = read(&text);
        let kept: Vec<_> = parsed.documents.iter().map(|d| d.index).collect();
        assert_eq!(kept, [0, 2], "{broken:?}");
        assert_eq!(parsed.broken.len(), 1, "{broken:?}");
        let region = &text[parsed.broken[0].region.range()];
        assert!(region.contains(broken), "{broken:?} in {region:?}");
        assert!(!region.contains("first") && !region.contains("last"), "{region:?}");
        let at = parsed.broken[0].problem.origin.span().unwrap();
        assert!(at.end > at.start && text.get(at.range()).is_some(), "{broken:?}: {at:?}");
    }
}

#[test]
fn messages_say_what_and_where() {
    for (text, message) in [
        ("a: [1, 2", "Malformed at <[>: unclosed bracket '['"),
        ("a:\n\tb: 1", "Malformed at <b>: tabs disallowed within this context (block indentation)"),
        ("a: b: c", "Malformed at <:>: mapping values are not allowed in this context"),
        ("a: *b", "Malformed at <*b>: this alias has no anchor before it in this document"),
        ("a: &b [*b]", "Malformed at <*b>: this alias stands inside the value it refers to"),
        ("a: \"x", "Malformed at <\">: unclosed quote"),
        (
            "- a\nb: c",
            "Malformed at <b>: while parsing a block collection, did not find expected '-' indicator",
        ),
    ] {
        assert_eq!(problems(text), [message]);
    }
}

#[test]
fn byte_order_marks_and_carriage_returns_are_no_content() {
    let text = "\u{FEFF}a: 1\r\nb: |\r\n  x\r\n  y\r\n---\r\nc: 2\r\n";
    let parsed = read(text);
    assert_eq!(parsed.broken, []);
    let root = parsed.documents[0].root();
    let (key, value) = root.get_entry("a").unwrap();
    assert_eq!((&text[key.span().range()], value.as_i64()), ("a", Some(1)));
    assert_eq!(root.get("b").and_then(Node::as_str), Some("x\ny\n"));
    assert_eq!(parsed.documents[1].root().get("c").and_then(Node::as_i64), Some(2));
}

#[test]
fn bytes_that_are_no_text_spoil_their_document_alone() {
    for bad in [&b"\xff"[..], b"\0", b"\x1b", b"\xed\xa0\x80", b"\xc2\x9b", b"\x7f", b"\xf0\x9f"] {
        let mut bytes = b"a: 1\n---\nb: x".to_vec();
        bytes.extend_from_slice(bad);
        bytes.extend_from_slice(b"y\n---\nc: 3\n");
        let parsed = read_within(&bytes, &Limits::default());
        let kept: Vec<_> = parsed.documents.iter().map(|d| d.index).collect();
        assert_eq!(kept, [0, 2], "{bad:?}");
        let problem = &parsed.broken[0].problem;
        assert_eq!(problem.origin.span(), Some(Span::new(13, 13 + bad.len())), "{bad:?}");
        assert!(problem.message.contains("offset 13"), "{}", problem.message);
    }
    // The controls that YAML allows.
    let parsed = read("a: \"x\ty\u{85}\"\n");
    assert_eq!((parsed.documents.len(), parsed.broken.len()), (1, 0));
}

/// `n` levels of nine aliases to the level below.
fn bomb(n: usize) -> String {
    let mut text = "l0: &l0 [x]\n".to_owned();
    for i in 1..=n {
        let below = format!("*l{}", i - 1);
        text.push_str(&format!("l{i}: &l{i} [{}]\n", vec![below; 9].join(", ")));
    }
    text
}

#[test]
fn an_alias_bomb_is_refused_and_costs_nothing() {
    let text = format!("{}---\nb: 1\n", bomb(30));
    let parsed = read(&text);
    assert_eq!(parsed.broken.len(), 1);
    assert_eq!(parsed.broken[0].problem.kind, ProblemKind::Limit);
    assert_eq!(parsed.documents.len(), 1);
    assert!(read(&bomb(3)).broken.is_empty());
}

#[test]
fn limits_name_themselves() {
    let small = Limits {
        documents: 3,
        nodes: 10,
        depth: 5,
        aliases: 2,
        scalar_bytes: 20,
        ..Limits::default()
    };
    let refused = |text: &str| {
        let parsed = read_within(text.as_bytes(), &small);
        let [broken] = &parsed.broken[..] else { panic!("{text}: {parsed:?}") };
        assert_eq!(broken.problem.kind, ProblemKind::Limit, "{text}");
        broken.problem.message.clone()
    };
    assert_eq!(refused("[1,2,3,4,5,6,7,8,9,0]"), "more than 10 nodes in one document");
    assert_eq!(refused("[&a 1, *a, *a, *a]"), "more than 2 aliases in one document");
    assert_eq!(refused("aaaaaaaaaaaaaaaaaaaaa"), "a value of more than 20 bytes");
    refused("[[[[[[1]]]]]]");
    refused("- - - - - - 1");
    assert_eq!(refused("1\n---\n2\n---\n3\n---\n4\n"), "more than 3 documents in one file");
    assert!(read_within(b"1\n---\n2\n---\n3\n", &small).broken.is_empty());
}

/// The scanner went on to the end of five million items of which nothing is kept.
#[test]
fn what_is_beyond_a_limit_is_not_scanned() {
    let small = Limits { nodes: 10, ..Limits::default() };
    // Were it scanned, the quote that nobody closes would be the end of everything.
    let text = "- 1\n".repeat(20) + "- \"open\n--- # next\na: [b]\n---\nc: 'x\n";
    let parsed = read_within(text.as_bytes(), &small);
    let messages: Vec<&str> = parsed.broken.iter().map(|b| &*b.problem.message).collect();
    assert_eq!(messages[0], "more than 10 nodes in one document");
    assert_eq!(messages.len(), 2, "{messages:?}");
    let [next] = &parsed.documents[..] else { panic!("{parsed:?}") };
    let key = next.root().entries().next().unwrap().0;
    assert_eq!(&text[key.span().range()], "a");
    assert_eq!(next.index, 1);
    let at = parsed.broken[1].problem.origin.span().unwrap();
    assert!(at.start as usize > text.find("c: ").unwrap(), "{at:?}");
    check_spans(&text, &parsed);
    // `---` in the middle of a line, or of more dashes, ends nothing.
    let text = "- 1\n".repeat(20) + "- a ---\n----\n";
    assert_eq!(read_within(text.as_bytes(), &small).documents.len(), 0);
}

#[test]
fn hostile_shapes_end_soon() {
    let deep = "[".repeat(100_000);
    let parsed = read(&format!("{deep}\n---\na: 1\n"));
    assert_eq!((parsed.documents.len(), parsed.broken.len()), (1, 1));
    assert_eq!(parsed.broken[0].problem.kind, ProblemKind::Limit);
    let parsed = read(&"{a: ".repeat(100_000));
    assert_eq!(parsed.broken.len(), 1);
    let parsed = read(&(0..2000).map(|i| " ".repeat(i) + "a:\n").collect::<String>());
    assert_eq!(parsed.broken.len(), 1);
    let parsed = read(&"- ".repeat(100_000));
    assert_eq!(parsed.broken.len(), 1);
    let parsed = read(&"? ".repeat(10_000));
    assert_eq!(parsed.broken.len(), 1);
}

#[test]
fn twenty_thousand_documents_are_twenty_thousand() {
    let text = "a: 1\n---\n".repeat(20_000);
    let parsed = read(&text);
    assert_eq!((parsed.documents.len(), parsed.broken.len()), (20_000, 0));
    assert_eq!(parsed.documents[19_999].index, 19_999);
    let text = "a: [\n---\n".repeat(20_000);
    assert_eq!(read(&text).broken.len(), 20_000);
}

#[test]
fn nothing_is_a_document_without_content() {
    for text in ["", "\n", "# only this\n", "---\n---\n", "---\n# c\n...\n", "\u{FEFF}", "~\n"] {
        let parsed = read(text);
        assert!(parsed.documents.is_empty() && parsed.broken.is_empty(), "{text:?}: {parsed:?}");
    }
}

#[test]
fn many_equal_keys_are_found_in_order_and_counted_out() {
    let text: String = (0..50_000).map(|i| format!("k{}: 1\n", i % 25_000)).collect();
    let parsed = read(&text);
    assert_eq!(parsed.problems.len(), Limits::default().problems);
}

/// Text with a good share of what YAML gives a meaning to.
fn yamlish() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b: ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "---\n",
        "...\n",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "'",
        "\"",
        "|\n",
        ">-\n",
        "&x ",
        "*x",
        "*y",
        "!!str ",
        "!t ",
        "# c",
        "\\",
        "? ",
        "<<: ",
        "%YAML 1.1\n",
        "\t",
        "é",
        "\r\n",
        "\u{FEFF}",
        "0x1",
        "~",
        ":",
        " ",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn check_spans(text: &str, parsed: &Parsed) {
    let fine = |span: Span| assert!(text.get(span.range()).is_some(), "{span:?} of {text:?}");
    for document in &parsed.documents {
        document.nodes.iter().for_each(|node| fine(node.span));
        document.comments.iter().for_each(|comment| fine(comment.span));
    }
    for broken in &parsed.broken {
        fine(broken.region);
        fine(broken.problem.origin.span().unwrap());
    }
    parsed.problems.iter().for_each(|(_, p)| fine(p.origin.span().unwrap()));
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic_and_with_spans_inside(text in yamlish()) {
        let parsed = read(&text);
        check_spans(&text, &parsed);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let cleaned = clean(&bytes);
        prop_assert_eq!(cleaned.text.len(), bytes.len());
        let parsed = parse(SourceId(0), &cleaned.text, &cleaned.replaced, &Limits::default());
        check_spans(&cleaned.text, &parsed);
    }

    #[test]
    fn json_is_read_as_json(text in "[ -~é\\n\\t]{0,20}", n in any::<i64>(), b in any::<bool>()) {
        let value = serde_json::json!({"t": text, "n": n, "b": [b, null]});
        for json in [value.to_string(), format!("{value:#}")] {
            let parsed = read(&json);
            prop_assert!(parsed.broken.is_empty(), "{:?}", parsed.broken);
            let root = parsed.documents[0].root();
            prop_assert_eq!(root.get("t").and_then(Node::as_str), Some(&*text));
            prop_assert_eq!(root.get("n").and_then(Node::as_i64), Some(n));
            let first = root.get("b").and_then(|b| b.items().next());
            prop_assert_eq!(first.and_then(Node::as_bool), Some(b));
        }
    }
}

#[test]
fn an_escape_of_json_is_told_in_yaml_and_read() {
    let told = |text: &str| {
        let parsed = parse(SourceId(0), text, &[], &Limits::default());
        assert!(parsed.broken.is_empty(), "{text}");
        assert_eq!(parsed.documents.len(), 1, "{text}");
        let written = |(_, problem): &(u32, Problem)| {
            let span = problem.origin.span().expect("a place");
            text[span.range()].to_owned()
        };
        parsed.problems.iter().map(written).collect::<Vec<_>>()
    };
    assert_eq!(told(r#"regexp: "^app1\/.+$""#), [r"\/"]);
    assert_eq!(told(r#"face: ["a", "\ud83d\ude00"]"#), [r"\ud83d"]);
    // A backslash, and a slash behind it.
    assert!(told(r#"path: "C:\\/x""#).is_empty());
    assert!(told(r"plain: a\/b").is_empty());
    assert!(told(r"single: 'a\/b'").is_empty());
    assert!(told(r#"unicode: "\u00e4 \U0001F600""#).is_empty());
    // JSON has it.
    assert!(told(r#"{"regexp": "^app1\/.+$", "face": "\ud83d\ude00"}"#).is_empty());
}

/// `while parsing a quoted scalar, found unknown escape character`: Helm and kubectl read it.
#[test]
fn a_backslash_before_an_apostrophe_is_read_as_go_reads_it() {
    let text = "a: \"it\\'s\"\nb: [\"\\\\\", \"x\\'\\'\", 'c:\\']\n---\n\"k\\'\": \"\u{e4}\\'\"\n";
    let parsed = read(text);
    assert!(parsed.broken.is_empty(), "{:?}", parsed.broken);
    let first = parsed.documents[0].root();
    let value = first.get("a").unwrap();
    assert_eq!(value.as_str(), Some("it's"));
    assert_eq!(&text[value.span().range()], "\"it\\'s\"");
    let items: Vec<_> = first.get("b").unwrap().items().filter_map(Node::as_str).collect();
    assert_eq!(items, ["\\", "x''", "c:\\"]);
    assert_eq!(parsed.documents[1].root().get("k'").and_then(Node::as_str), Some("\u{e4}'"));
    // What is no escape of Go's either stays an error, and the letter that stands in is the author's.
    assert_eq!(read("a: \"\\'\\z\"\n").broken.len(), 1);
    assert_eq!(read("a: \"\u{5FF}\\'\"\n").broken.len(), 1);
    let kept = read("a: \"\u{5FF}\"\n");
    assert_eq!(kept.documents[0].root().get("a").and_then(Node::as_str), Some("\u{5FF}"));
}
