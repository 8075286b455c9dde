use proptest::prelude::{any, proptest};

use super::{Condition, Outcome, Phase, Value, phase};

fn list(values: &[f64]) -> Value {
    Value::List(values.iter().map(|n| Value::Number(*n)).collect())
}

fn holds(text: &str, values: &[f64]) -> Outcome {
    Condition::read(text).expect(text).holds(&list(values))
}

#[test]
fn what_a_threshold_says() {
    assert_eq!(holds("result[0] >= 0.95", &[0.97]), Outcome::True);
    assert_eq!(holds("result[0] >= 0.95", &[0.5]), Outcome::False);
    assert_eq!(holds("result[0] >= 0.95", &[]), Outcome::Error);
    assert_eq!(holds("result[0] >= 0.95", &[f64::NAN]), Outcome::False);
    assert_eq!(holds("result >= 0.95", &[0.97]), Outcome::Error);
    assert_eq!(
        holds("result[0] * 100 / 2 - 1 < 5 and not (result[0] == 1)", &[0.1]),
        Outcome::True
    );
    assert_eq!(holds("result[-1] > 1", &[0.0, 2.0]), Outcome::True);
    assert_eq!(holds("result[0]", &[1.0]), Outcome::Error);
}

#[test]
fn guards_against_nothing() {
    assert_eq!(holds("len(result) == 0 || result[0] <= 0.05", &[]), Outcome::True);
    assert_eq!(holds("len(result) > 0 && result[0] <= 0.05", &[]), Outcome::False);
    assert_eq!(holds("isNaN(result[0]) || result[0] <= 0.05", &[f64::NAN]), Outcome::True);
    assert_eq!(holds("isNaN(result[0]) || result[0] <= 0.05", &[]), Outcome::Error);
    // A vector without series is a list, and a list is not nil.
    assert_eq!(holds("isNil(result) || result[0] <= 0.05", &[]), Outcome::Error);
    assert_eq!(holds("default(result, 0) < 0.05", &[]), Outcome::Error);
    assert_eq!(holds("result == nil", &[]), Outcome::False);
    assert_eq!(holds("all(result, {# <= 0.05})", &[]), Outcome::True);
    assert_eq!(holds("all(result, # <= 0.05)", &[0.01, 0.2]), Outcome::False);
    assert_eq!(holds("any(result, # > 1)", &[]), Outcome::False);
    assert_eq!(holds("sum(result) == 0", &[]), Outcome::True);
    assert_eq!(holds("len(filter(result, # > 1)) == 0", &[]), Outcome::True);
}

#[test]
fn what_is_not_understood_is_said() {
    for text in [
        "result.successful",
        "result[0].value > 1",
        "foo(result) > 1",
        "\"a\" in result",
        "result[0:1] == nil",
    ] {
        assert_eq!(holds(text, &[1.0]), Outcome::Unknown, "{text}");
    }
    for text in [
        "",
        "result[",
        "let x = 1; x > 2",
        "{{args.x}} > 1",
        "result[0] > {{args.x}}",
        "a b",
        "result |",
        "'",
    ] {
        assert_eq!(Condition::read(text), None, "{text}");
    }
    assert_eq!(Condition::read(&"(".repeat(5000)), None);
    assert_eq!(Condition::read(&"!".repeat(5000)), None);
    assert_eq!(Condition::read(&format!("1{}", "+1".repeat(3000))), None);
}

#[test]
fn a_measurement_is_what_both_conditions_say() {
    let read = |text: &str| Condition::read(text);
    let of = |success: &str, failure: &str, values: &[f64]| {
        let (success, failure) = (read(success), read(failure));
        phase(success.as_ref(), failure.as_ref(), &list(values))
    };
    assert_eq!(of("result[0] >= 0.95", "", &[0.5]), Phase::Failed);
    assert_eq!(of("result[0] >= 0.95", "", &[f64::NAN]), Phase::Failed);
    assert_eq!(of("", "result[0] >= 0.05", &[f64::NAN]), Phase::Successful);
    assert_eq!(of("", "result[0] >= 0.05", &[0.1]), Phase::Failed);
    assert_eq!(of("result[0] < 0.05", "result[0] >= 0.1", &[0.07]), Phase::Inconclusive);
    assert_eq!(of("result[0] < 0.05", "result[0] >= 0.1", &[]), Phase::Error);
    assert_eq!(phase(None, None, &list(&[])), Phase::Successful);
}

#[test]
fn complements_leave_nothing_between() {
    let complement = |a: &str, b: &str| {
        let a = Condition::read(a).expect(a);
        let b = Condition::read(b).expect(b);
        a.is_complement_of(&b) && b.is_complement_of(&a)
    };
    assert!(complement("result[0] >= 0.95", "result[0] < 0.95"));
    assert!(complement("result[0] >= 0.95", "0.95 > result[0]"));
    assert!(complement("result[0] >= 0.95", "not (result[0] >= 0.95)"));
    assert!(complement("result[0] == 0", "(result[0] != 0)"));
    assert!(!complement("result[0] >= 0.95", "result[0] < 0.90"));
    assert!(!complement("result[0] >= 0.95", "result[0] <= 0.95"));
}

#[test]
fn one_series_of_several() {
    let first = |text: &str| Condition::read(text).expect(text).reads_first_only();
    assert!(first("result[0] >= 0.95"));
    assert!(first("isNaN(result[0]) || result[0] < 1"));
    assert!(!first("len(result) == 1 && result[0] >= 0.95"));
    assert!(!first("all(result, # >= 0.95)"));
    assert!(!first("result[0] > 1 && result[1] > 1"));
}

#[test]
fn what_is_the_same_for_every_result() {
    let always = |text: &str| Condition::read(text).expect(text).constant();
    for text in [
        "true",
        "result[0] >= 0 || true",
        "true or result[0] > 1",
        "not false",
        "!(result[0] > 1 && false)",
        "1 == 1",
        "1 < 2 && 'a' == 'a'",
        "2 - 1 > 0 ? true : result[0] > 1",
        "result[0] > 1 ? true : true",
        "len(result) >= 0",
        "0 <= len(result)",
        "len(result) > -1",
        "1 != nil",
    ] {
        assert_eq!(always(text), Some(true), "{text}");
    }
    for text in ["false", "result[0] > 1 && false", "1 == 2", "not true", "len(result) < 0"] {
        assert_eq!(always(text), Some(false), "{text}");
    }
    for text in [
        "result[0] >= 0",
        "result[0] >= 0 || false",
        "result[0] > 1 && true",
        "result[0] == result[0]",
        "len(result) > 0",
        "result[0] > 1 ? true : false",
        "1",
        "'true'",
        "1 || true",
        "foo(result) == 1",
        "result[0] == nil",
    ] {
        assert_eq!(always(text), None, "{text}");
    }
    // Each link of a chain is looked at once.
    assert_eq!(always(&format!("1{}", " < len(result)".repeat(50))), None);
}

proptest! {
    #[test]
    fn any_text_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let text = String::from_utf8_lossy(&bytes);
        if let Some(condition) = Condition::read(&text) {
            condition.holds(&list(&[1.0]));
        }
    }

    #[test]
    fn any_words_are_read(words in proptest::collection::vec(proptest::sample::select(
        vec!["result", "[0]", "(", ")", "[", "]", "{", "}", "#", "!", "not ", "||", "&&", "0.5", "1",
             "isNaN", "len", "all", ",", "?", ":", "==", "-", ".", "..", "nil", " in ", "??", "'a'", "ß"]), 0..30)) {
        if let Some(condition) = Condition::read(&words.concat()) {
            // What is always so is so for any result that can be judged.
            if let Some(always) = condition.constant() {
                let other = if always { Outcome::False } else { Outcome::True };
                for values in [&[][..], &[f64::NAN], &[0.5]] {
                    proptest::prop_assert_ne!(condition.holds(&list(values)), other);
                }
            }
            condition.holds(&list(&[]));
            condition.holds(&list(&[f64::NAN]));
            condition.reads_first_only();
        }
    }
}
