use super::*;
use proptest::prelude::*;

#[test]
fn agrees_with_real_shells() {
    let (mut rows, mut undecided) = (0, Vec::new());
    for line in include_str!("../testdata/pid1.tsv").lines().filter(|l| !l.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let text: String = serde_json::from_str(columns[0]).expect("texts are quoted");
        let script = Script::parse(&text);
        for (kind, real) in
            [(Kind::Dash, columns[1]), (Kind::Bash, columns[2]), (Kind::Busybox, columns[3])]
        {
            match script.first_process(kind) {
                First::Unknown => undecided.push(format!("{kind:?} {text:?}")),
                First::ShellStays => {
                    assert_eq!(real, "stays", "{kind:?} -c {text:?}: {script:#?}")
                }
                First::Replaced(_) => {
                    assert_eq!(real, "replaced", "{kind:?} -c {text:?}: {script:#?}")
                }
            }
            rows += 1;
        }
    }
    assert!(rows > 100, "the table is cut: {rows} rows");
    assert!(undecided.len() < 10, "too many are not decided: {undecided:#?}");
}

#[test]
fn the_table_of_the_rule_book() {
    use First::{Replaced, ShellStays};
    for (text, dash, busybox, bash) in [
        ("svc --x", ShellStays, Replaced(0), Replaced(0)),
        ("cd /a && svc", ShellStays, Replaced(1), Replaced(1)),
        ("svc || exit 1", ShellStays, ShellStays, ShellStays),
        ("exec svc", Replaced(0), Replaced(0), Replaced(0)),
    ] {
        let script = Script::parse(text);
        assert_eq!(script.first_process(Kind::Dash), dash, "{text}");
        assert_eq!(script.first_process(Kind::Busybox), busybox, "{text}");
        assert_eq!(script.first_process(Kind::Bash), bash, "{text}");
    }
    assert_eq!(Script::parse("svc").first_process(Kind::Unknown), First::Unknown);
    assert_eq!(Script::parse("exec svc").first_process(Kind::Unknown), Replaced(0));
}

#[track_caller]
fn programs(text: &str, expected: &[&str]) {
    let script = Script::parse(text);
    assert!(!script.unread, "{text}");
    let found: Vec<&str> = script
        .commands
        .iter()
        .filter(|c| c.needs_program(Kind::Unknown))
        .filter_map(|c| c.program())
        .map(|w| w.text.as_str())
        .collect();
    assert_eq!(found, expected, "{text}: {script:#?}");
}

#[test]
fn the_programs_a_text_needs() {
    programs("curl -f http://localhost:8080/healthz || exit 1", &["curl"]);
    programs("wget -qO- 'http://localhost/;x' | grep -q ok && true", &["wget", "grep"]);
    programs("test -f /tmp/ready && [ -d /data ]", &[]);
    programs("A=b B=\"c d\" exec /svc --name 'x y' 2>&1 >/dev/null", &["/svc"]);
    programs("(nginx -s quit; sleep 5) & wait", &["nginx", "sleep"]);
    programs("if [ -f /x ]; then /bin/a; else /bin/b; fi", &["/bin/a", "/bin/b"]);
    programs("case $X in a) one;; b|c) two;; esac", &["one", "two"]);
    programs("for i in 1 2 3; do probe $i; done", &["probe"]);
    programs("echo $(date +%s) `hostname` # curl", &[]);
    programs("grep -q \"$(cat /x | tr '(' x)\" /y", &["grep"]);
    programs("a\\\n b && \n c", &["a", "c"]);
    programs("f() { inner; }; f", &["inner", "f"]);
    programs("echo 'it''s' \"a \\\" b\"; 'quoted prog' x", &["quoted prog"]);
}

#[test]
fn a_word_knows_its_place_and_whether_it_is_literal() {
    let text = "cd /a && \"$BIN\" --x";
    let script = Script::parse(text);
    let word = script.commands[1].program().expect("a program");
    assert_eq!((&text[word.span.clone()], word.literal), ("\"$BIN\"", false));
}

#[test]
fn what_is_not_closed_is_not_judged() {
    for text in ["echo 'a", "echo \"a", "echo $(a", "cat <<EOF\nx\nEOF", "echo `a"] {
        let script = Script::parse(text);
        assert!(script.unread, "{text}");
        assert_eq!(script.first_process(Kind::Bash), First::Unknown);
    }
    assert!(Script::parse(&"a ".repeat(LONGEST_TEXT)).unread);
}

#[test]
fn sleeping() {
    for (text, seconds, exact) in [
        ("sleep 30", 30.0, true),
        ("sleep 1m 5", 65.0, true),
        ("/bin/sleep 0.5", 0.5, true),
        ("sleep 5; sleep 10s", 15.0, true),
        ("echo draining && sleep 15", 15.0, true),
        ("exec sleep 7; sleep 9", 7.0, true),
        ("nginx -s quit; sleep 5", 5.0, false),
        ("nginx -s quit && sleep 5", 0.0, false),
        ("sleep 5 & true", 0.0, false),
        ("sleep 5 || sleep 6", 5.0, false),
        ("sleep $DELAY", 0.0, false),
        ("while true; do sleep 1; done", 0.0, false),
    ] {
        assert_eq!(Script::parse(text).sleeps(), Slept { seconds, exact }, "{text}");
    }
    assert_eq!(sleep_seconds(&["busybox", "sleep", "3"]), Some(3.0));
    assert_eq!(sleep_seconds(&["sleep", "infinity"]), None);
    assert_eq!(sleep_seconds(&["sleep"]), None);
}

#[test]
fn shells_are_seen_in_an_argument_vector() {
    assert_eq!(shell_text(&["/bin/sh", "-c", "sleep 5"]), Some("sleep 5"));
    assert_eq!(shell_text(&["bash", "-e", "-uc", "x"]), Some("x"));
    assert_eq!(shell_text(&["/busybox/busybox", "sh", "-c", "x"]), Some("x"));
    assert_eq!(shell_text(&["/bin/sh", "/start.sh"]), None);
    assert_eq!(shell_text(&["svc", "-c", "x"]), None);
}

proptest! {
    #[test]
    fn any_text_is_read(text in "[a-c$({})`'\"\\\\;&|<>#!= \n0-9é]{0,60}") {
        let script = Script::parse(&text);
        let _ = script.first_process(Kind::Bash);
        let _ = script.sleeps();
        for word in script.commands.iter().flat_map(|c| &c.words) {
            prop_assert!(text.get(word.span.clone()).is_some(), "{:?}", word);
        }
    }
}

#[test]
fn long_texts_take_no_long_time() {
    // Each would be quadratic if the rest was looked through for every opening.
    for piece in ["$(", "`", "'", "\"", "(", "{ ", "$((", "${", "a;", "if ", "\\"] {
        let _ = Script::parse(&piece.repeat(LONGEST_TEXT / piece.len()));
    }
}
