//! Which variables a text reads, and which it sets itself.
//!
//! One pass with a stack of what is open; nothing is expanded. What a text sets is said generously:
//! a name too many only keeps a reader from calling a variable unset.

use std::ops::Range;

use rustc_hash::FxHashSet;

/// A variable that a text reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read<'t> {
    /// Its name.
    pub name: &'t str,
    /// Where the name stands in the text.
    pub span: Range<usize>,
    /// Read with an answer for when it is not set: `${X:-1}`, `${X+y}`, `${X:?}`.
    pub guarded: bool,
}

/// Openings inside openings; deeper ones are not told apart.
const DEPTH: usize = 256;

/// Variables that `$NAME` and `${NAME}` read, in order. In a text for a shell `#` begins a comment.
/// `escape` takes the meaning of the character behind it.
pub fn reads(text: &str, escape: char, shell: bool) -> Vec<Read<'_>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut open: Vec<u8> = Vec::new();
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        let top = open.last().copied();
        // Inside double quotes, and inside `${...}` in them, a single quote is itself.
        let double =
            top == Some(b'"') || (top == Some(b'}') && open.iter().rev().nth(1) == Some(&b'"'));
        match byte {
            byte if char::from(byte) == escape => i += 1,
            b'\'' if !double => {
                let rest = bytes.get(i + 1..).unwrap_or_default();
                i += 1 + memchr::memchr(b'\'', rest).unwrap_or(rest.len());
            }
            b'"' | b'`' if top == Some(byte) => {
                open.pop();
            }
            b'"' | b'`' if open.len() < DEPTH && (shell || byte == b'"') => open.push(byte),
            b'#' if shell && top != Some(b'"') && starts_word(bytes, i) => {
                let rest = bytes.get(i..).unwrap_or_default();
                i += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            }
            b'(' if top == Some(b')') && open.len() < DEPTH => open.push(b')'),
            b')' | b'}' if top == Some(byte) => {
                open.pop();
            }
            b'$' => match bytes.get(i + 1) {
                Some(b'(') if shell && open.len() < DEPTH => {
                    open.push(b')');
                    i += 1;
                }
                Some(b'{') => {
                    // `${#X}` and `${!X}` read it too.
                    let at = i + 2 + usize::from(matches!(bytes.get(i + 2), Some(b'#' | b'!')));
                    let end = name_end(bytes, at);
                    if let Some(name) = text.get(at..end).filter(|name| !name.is_empty()) {
                        let guarded = matches!(
                            bytes.get(end..).unwrap_or_default(),
                            [b'-' | b'+' | b'=' | b'?', ..] | [b':', b'-' | b'+' | b'=' | b'?', ..]
                        );
                        found.push(Read { name, span: at..end, guarded });
                    }
                    if open.len() < DEPTH {
                        open.push(b'}');
                    }
                    i = end.max(i + 2) - 1;
                }
                _ => {
                    let end = name_end(bytes, i + 1);
                    match text.get(i + 1..end).filter(|name| !name.is_empty()) {
                        Some(name) => {
                            found.push(Read { name, span: i + 1..end, guarded: false });
                            i = end - 1;
                        }
                        // `$#`, `$$`, `$1`
                        None => {
                            i +=
                                usize::from(bytes.get(i + 1).is_some_and(|b| b"#$?!@*".contains(b)))
                        }
                    }
                }
            },
            _ => {}
        }
        i += 1;
    }
    found
}

/// Behind the name that starts at `at`; `at` itself when none does.
fn name_end(bytes: &[u8], at: usize) -> usize {
    if !bytes.get(at).is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_') {
        return at;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count()
}

fn starts_word(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1)
        .and_then(|before| bytes.get(before))
        .is_none_or(|b| b.is_ascii_whitespace() || b";&|()".contains(b))
}

/// What a text for a shell sets.
#[derive(Clone, Debug, Default)]
pub struct Sets<'t> {
    /// Names, wherever they are set.
    pub names: FxHashSet<&'t str>,
    /// It may set any: `. file`, `source`, `eval`.
    pub any: bool,
}

/// Commands whose arguments are names of variables that they set.
const SETTERS: &[&str] = &[
    "read",
    "getopts",
    "mapfile",
    "readarray",
    "declare",
    "local",
    "export",
    "typeset",
    "readonly",
    "let",
    "for",
    "select",
];

/// What a text for a shell sets. Quotes are not looked at, so that the text of an inner shell counts.
pub fn sets(text: &str) -> Sets<'_> {
    let mut sets = Sets::default();
    let separator = |c: char| c.is_whitespace() || ";&|(){}'\"`".contains(c);
    let mut at_start = true;
    let (mut setter, mut command) = (false, "");
    let mut at = 0;
    for word in text.split(separator) {
        // What stands between this word and the one before: the end of a command sets back.
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        let between = text.get(at..start).unwrap_or_default();
        at = start + word.len();
        at_start |= between.contains([';', '&', '|', '(', '{', '`', '\n', '\'', '"']);
        // `read "A" B` and `export 'A=1' B` go on.
        setter &= !between.contains([';', '&', '|', '(', '`', '\n']);
        if word.is_empty() {
            continue;
        }
        let name = word.get(..name_end(word.as_bytes(), 0)).unwrap_or_default();
        let behind = word.get(name.len()..).unwrap_or_default();
        if !name.is_empty() && (behind.starts_with('=') || behind.starts_with("+=")) {
            sets.names.insert(name);
            continue;
        }
        // The name in `${X}` is read.
        if text.get(..start).is_some_and(|before| before.ends_with("${")) {
            continue;
        }
        if setter && !name.is_empty() && behind.is_empty() {
            sets.names.insert(name);
        }
        if at_start {
            sets.any |= matches!(word, "." | "source" | "eval");
            setter = SETTERS.contains(&word);
            command = word;
        }
        setter |= word == "-v" && command == "printf";
        at_start = matches!(
            word,
            "then" | "do" | "else" | "if" | "while" | "until" | "!" | "elif" | "time" | "command"
        );
    }
    // `${X:=1}` sets it.
    for read in reads(text, '\\', true).into_iter().filter(|read| read.guarded) {
        let rest = text.get(read.span.end..).unwrap_or_default();
        if rest.starts_with('=') || rest.starts_with(":=") {
            sets.names.insert(read.name);
        }
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found = reads(text, '\\', true);
        for read in &found {
            assert_eq!(&text[read.span.clone()], read.name);
        }
        let names: Vec<String> = found
            .iter()
            .map(|read| format!("{}{}", read.name, if read.guarded { "?" } else { "" }))
            .collect();
        assert_eq!(names, expected, "{text}");
    }

    #[test]
    fn what_a_shell_reads() {
        check("go build -ldflags \"-X main.v=$VERSION\" -o ${OUT}/x", &["VERSION", "OUT"]);
        check("echo '$A' \"'$B'\" \\$C \"\\$D\" $E", &["B", "E"]);
        check(
            "echo ${A:-1} ${B-} ${C:+x} ${D:?no} ${E%.*} ${#F} ${G/a/b}",
            &["A?", "B?", "C?", "D?", "E", "F", "G"],
        );
        check("echo $(cat \"$A\" | tr '$B' $C) `echo $D`", &["A", "C", "D"]);
        check("echo \"${A:-'$B'}\" # $C\necho $D#$E", &["A?", "B", "D", "E"]);
        check("echo $$ $1 $# $? $@ $ \"$\" $((X + $Y)) a$Z.b", &["Y", "Z"]);
        check("awk '{print $NF}' && x=\"$(a '$B' \"$C\")\"", &["C"]);
    }

    #[test]
    fn what_the_builder_reads() {
        let names = |text| reads(text, '`', false).iter().map(|r| r.name).collect::<Vec<_>>();
        assert_eq!(names("C:\\$A`$B#$C"), ["A", "C"]);
        assert_eq!(names("\"#$A\" '$B'"), ["A"]);
    }

    #[test]
    fn what_a_text_sets() {
        let text = "A=1; export B C=2 O=${P} && for d in $X; do read -r e f; done; G=$(H=1 x) \
                    sh -c 'I=1; echo $I'; printf -v J x; : ${K:=1}; L+=1; if M=$(x); then N=1; fi";
        let sets = sets(text);
        for name in ["A", "B", "C", "d", "e", "f", "G", "H", "I", "J", "K", "L", "M", "N", "O"] {
            assert!(sets.names.contains(name), "{name}: {sets:?}");
        }
        for name in ["X", "P"] {
            assert!(!sets.names.contains(name), "{name}: {sets:?}");
        }
        assert!(!sets.any);
    }

    #[test]
    fn a_text_that_may_set_anything() {
        for text in
            [". ./env", "set -a && . ./env", "eval \"$(x)\"", "source /x; y", "if . /x; then"]
        {
            assert!(sets(text).any, "{text}");
        }
        for text in ["go build .", "cp . /x", "echo eval", "find . -name source"] {
            assert!(!sets(text).any, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[A-C=$({})`'\"\\\\;&|#! \n0-9é:-]{0,60}") {
            for read in reads(&text, '\\', true) {
                prop_assert_eq!(text.get(read.span.clone()), Some(read.name));
            }
            let _ = sets(&text);
        }
    }
}
