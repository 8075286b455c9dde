use proptest::prelude::*;

use super::*;

const GO_1_18: Release = Release::new(18, 10);
const GO_1_19: Release = Release::new(19, 13);
const GO_1_20: Release = Release::new(20, 14);
const GO_1_22: Release = Release::new(22, 10);
const GO_1_23: Release = Release::new(23, 9);
const GO_1_26: Release = Release::new(26, 8);
const GO_1_27: Release = Release::new(27, 3);
const EACH: [Release; 10] = [
    GO_1_18,
    GO_1_19,
    GO_1_20,
    Release::new(21, 13),
    GO_1_22,
    GO_1_23,
    Release::new(24, 11),
    Release::new(25, 5),
    GO_1_26,
    GO_1_27,
];

fn outcomes(text: &str, release: Release) -> Vec<Outcome> {
    parse(text, release).items.into_iter().map(|item| item.outcome).collect()
}

#[test]
fn commas_separate() {
    for release in EACH {
        let parsed = parse("gctrace=1,gcpacertrace=1", release);
        assert_eq!(parsed.integer("gctrace"), Some(1));
        assert_eq!(parsed.integer("gcpacertrace"), Some(1));
    }
}

#[test]
fn semicolon_hides_the_next_key_and_spoils_this_one() {
    for release in EACH {
        let text = "gctrace=1,gcpacertrace=1;schedtrace=1000";
        let parsed = parse(text, release);
        assert_eq!(parsed.integer("gctrace"), Some(1));
        assert_eq!(parsed.value("gcpacertrace"), None);
        assert_eq!(parsed.value("schedtrace"), None);
        assert_eq!(parsed.items[1].outcome, Outcome::NotInteger);
        let hidden = parsed.items[1].hidden_keys();
        assert_eq!(hidden.len(), 1);
        assert_eq!(&text[hidden[0].clone()], "schedtrace");
        assert_eq!(&text[parsed.items[1].value_span()], "1;schedtrace=1000");
        assert_eq!(parsed.canonical(), "gctrace=1,gcpacertrace=1,schedtrace=1000");
    }
}

#[test]
fn space_belongs_to_the_key() {
    for release in EACH {
        let text = "gctrace=1, schedtrace=1000";
        let parsed = parse(text, release);
        assert_eq!(parsed.integer("gctrace"), Some(1));
        assert_eq!(parsed.value("schedtrace"), None);
        assert_eq!(parsed.items[1].key, " schedtrace");
        assert_eq!(parsed.items[1].outcome, Outcome::Unknown);
        assert_eq!(&text[parsed.items[1].hidden_keys()[0].clone()], "schedtrace");
        assert_eq!(parsed.canonical(), "gctrace=1,schedtrace=1000");
    }
}

#[test]
fn gcshrinkstack_never_existed() {
    for release in EACH {
        assert_eq!(outcomes("gcshrinkstack=0", release), [Outcome::Unknown]);
        assert_eq!(suggest("gcshrinkstack", release), Some("gcshrinkstackoff"));
    }
}

#[test]
fn removed_key_at_old_value_is_fatal_even_when_overridden() {
    let parsed = parse("tls10server=1,tls10server=0", GO_1_27);
    assert_eq!(parsed.fatal().map(|item| item.span.clone()), Some(0..13));
    assert_eq!(parsed.items[0].outcome, Outcome::FatalRemoved(27));
    assert_eq!(parsed.items[1].outcome, Outcome::Removed(27));

    let parsed = parse("tls10server=1,tls10server=0", GO_1_26);
    assert_eq!(parsed.fatal(), None);
    assert_eq!(parsed.value("tls10server"), Some("0"));
    assert_eq!(parsed.items[0].outcome, Outcome::Overridden(1));
}

#[test]
fn x509sha1_by_release() {
    assert_eq!(parse("x509sha1=1", GO_1_23).value("x509sha1"), Some("1"));
    assert_eq!(outcomes("x509sha1=1", GO_1_26), [Outcome::Removed(24)]);
    assert_eq!(outcomes("x509sha1=1", GO_1_27), [Outcome::FatalRemoved(24)]);
}

#[test]
fn every_removed_key_is_fatal_at_its_old_values_only() {
    let old = [
        ("x509sha1", "1"),
        ("tlskyber", "0"),
        ("gotypesalias", "0"),
        ("tlsunsafeekm", "1"),
        ("tlsrsakex", "1"),
        ("tls3des", "1"),
        ("tls10server", "1"),
        ("x509keypairleaf", "0"),
        ("asynctimerchan", "1"),
        ("asynctimerchan", "2"),
    ];
    for (key, value) in old {
        let text = format!("{key}={value}");
        assert!(parse(&text, GO_1_27).fatal().is_some(), "{text}");
        assert!(parse(&text, GO_1_26).fatal().is_none(), "{text}");
        let other = format!("{key}=7");
        assert!(parse(&other, GO_1_27).fatal().is_none(), "{other}");
    }
    let removed = keys().iter().filter(|key| key.removed.is_some()).count();
    assert_eq!(removed, 9, "a new removal needs its line above");
}

#[test]
fn madvdontneed_is_the_default() {
    for release in EACH {
        assert_eq!(parse("madvdontneed=1", release).integer("madvdontneed"), Some(1));
        assert_eq!(runtime_default("madvdontneed", release), Some(1));
    }
    assert_eq!(runtime_default("madvdontneed", Release::new(15, 0)), Some(0));
}

#[test]
fn cgocheck_counts_by_its_final_value() {
    assert_eq!(outcomes("cgocheck=2", GO_1_20), [Outcome::Effective]);
    assert_eq!(outcomes("cgocheck=2", GO_1_22), [Outcome::FatalCgocheck]);
    assert!(parse("cgocheck=2,cgocheck=1", GO_1_22).fatal().is_none());
    assert!(parse("cgocheck=1,cgocheck=2", GO_1_22).fatal().is_some());
    assert!(parse("cgocheck=2,cgocheck=x", GO_1_22).fatal().is_some());
}

#[test]
fn invalid_integer_leaves_the_earlier_one_standing() {
    let parsed = parse("gctrace=1,gctrace=yes,gctrace=2147483648", GO_1_27);
    assert_eq!(parsed.integer("gctrace"), Some(1));
    assert_eq!(
        outcomes("gctrace=1,gctrace=yes", GO_1_27),
        [Outcome::Effective, Outcome::NotInteger]
    );
    assert_eq!(
        parse("memprofilerate=4294967296", GO_1_27).integer("memprofilerate"),
        Some(1 << 32)
    );
}

#[test]
fn integers_as_each_runtime_reads_them() {
    assert_eq!(outcomes("gctrace=+1", GO_1_23), [Outcome::NotInteger]);
    assert_eq!(outcomes("gctrace=+1", Release::new(25, 5)), [Outcome::NotInteger]);
    assert_eq!(outcomes("gctrace=+1", Release::new(26, 0)), [Outcome::Effective]);
    assert_eq!(parse("gctrace=+1", GO_1_27).integer("gctrace"), Some(1));
    assert_eq!(parse("gctrace=-", GO_1_23).integer("gctrace"), Some(0));
    assert_eq!(outcomes("gctrace=-", GO_1_27), [Outcome::NotInteger]);
    for text in
        ["gctrace=", "gctrace= 1", "gctrace=1 ", "gctrace=0x1", "gctrace=--1", "gctrace=+-1"]
    {
        for release in EACH {
            assert_eq!(outcomes(text, release), [Outcome::NotInteger], "{text}");
        }
    }
}

#[test]
fn library_keys_first_wins_until_1_19() {
    let text = "netdns=go,netdns=cgo";
    assert_eq!(parse(text, GO_1_19).value("netdns"), Some("go"));
    assert_eq!(parse(text, GO_1_20).value("netdns"), Some("cgo"));
    assert_eq!(parse("gctrace=1,gctrace=0", GO_1_19).integer("gctrace"), Some(0));
}

#[test]
fn bisect_pattern_is_no_value() {
    assert_eq!(parse("panicnil=1#x", GO_1_27).value("panicnil"), None);
    assert_eq!(parse("http2client=0#!v+", GO_1_27).value("http2client"), Some("0"));
}

#[test]
fn value_keeps_later_equal_signs() {
    let parsed = parse("netdns=go=1", GO_1_27);
    assert_eq!(parsed.value("netdns"), Some("go=1"));
}

#[test]
fn items_without_equals_are_skipped() {
    assert_eq!(
        outcomes("gctrace,,schedtrace=1,", GO_1_27),
        [Outcome::NoEquals, Outcome::Empty, Outcome::Effective, Outcome::Empty]
    );
    assert!(outcomes("", GO_1_27).is_empty());
}

#[test]
fn cpu_options_are_known() {
    assert_eq!(outcomes("cpu.avx2=off,cpu.all=off", GO_1_27), [Outcome::Effective; 2]);
    assert_eq!(outcomes("cpu.avx2=0", GO_1_27), [Outcome::NotOnOff]);
    assert_eq!(outcomes("cpu.=off", GO_1_27), [Outcome::Unknown]);
}

#[test]
fn keys_come_with_patch_releases() {
    assert!(matches!(lookup("fips140ems", Release::new(25, 5)), Lookup::TooNew(_)));
    assert!(matches!(lookup("fips140ems", Release::new(25, 14)), Lookup::Known(_)));
    assert!(matches!(lookup("containermaxprocs", Release::new(24, 9)), Lookup::TooNew(_)));
    assert!(matches!(lookup("containermaxprocs", Release::new(25, 0)), Lookup::Known(_)));
}

#[test]
fn a_release_beyond_the_table_is_not_judged() {
    let beyond = Release::new(newest().minor + 1, 0);
    assert_eq!(outcomes("gctrace=1,nosuchkey=1", beyond), [Outcome::Undecided; 2]);
    let patch = Release::new(newest().minor, newest().patch + 1);
    assert_eq!(outcomes("gctrace=1,nosuchkey=1", patch), [Outcome::Effective, Outcome::Undecided]);
    // What was removed stays removed.
    assert_eq!(outcomes("tls10server=1", beyond), [Outcome::FatalRemoved(27)]);
}

#[test]
fn environment_outranks_default_key_by_key() {
    let default = parse("containermaxprocs=0,updatemaxprocs=0", GO_1_27);
    let environment = parse("containermaxprocs=1,updatemaxprocs=x", GO_1_27);
    let both = |key| effective(key, Some(&environment), Some(&default));
    assert_eq!(both("containermaxprocs"), Some("1"));
    assert_eq!(both("updatemaxprocs"), Some("0"), "an invalid item leaves the default");
    assert_eq!(both("gctrace"), None);
}

#[test]
fn canonical_form_mends_separators_only() {
    let mended = |text| parse(text, GO_1_27).canonical();
    assert_eq!(mended("gctrace=1 ; schedtrace = 1000"), "gctrace=1,schedtrace=1000");
    assert_eq!(mended(",gctrace=1,,word,gctrace=2,"), "gctrace=2");
    assert_eq!(mended("gcshrinkstack=0"), "gcshrinkstack=0");
    assert_eq!(mended("= =;,"), "");
}

#[test]
fn suggestions() {
    assert_eq!(suggest("gctrac", GO_1_27), Some("gctrace"));
    assert_eq!(suggest("GCTRACE", GO_1_27), Some("gctrace"));
    assert_eq!(suggest(" schedtrace", GO_1_27), Some("schedtrace"));
    assert_eq!(suggest("madvise_dontneed", GO_1_27), None);
    assert_eq!(suggest("asyncpremptoff", GO_1_27), Some("asyncpreemptoff"));
    assert_eq!(suggest("containermaxproc", GO_1_23), None, "not a key of Go 1.23");
    assert_eq!(suggest("xyz", GO_1_27), None);
}

#[test]
fn table_is_sorted_and_consistent() {
    for pair in keys().windows(2) {
        assert!(pair[0].name < pair[1].name, "{} before {}", pair[0].name, pair[1].name);
    }
    for key in keys() {
        assert!(!key.since.is_empty(), "{}", key.name);
        assert!(key.since.windows(2).all(|w| w[0].minor < w[1].minor), "{}", key.name);
        assert!(key.gone.is_none_or(|gone| gone > key.since[0].minor), "{}", key.name);
        if let Some((minor, old)) = key.removed {
            assert!(!old.is_empty(), "{}", key.name);
            assert_eq!(key.gone, Some(minor), "{}", key.name);
        }
    }
    assert!(table::READ.windows(2).all(|w| w[0].0 + 1 == w[1].0));
}

/// The runtime keys of the oldest and newest releases, counted in their `dbgvars`.
#[test]
fn runtime_keys_by_release() {
    for (release, count) in
        [(GO_1_19, 20), (GO_1_22, 26), (GO_1_23, 29), (GO_1_26, 34), (GO_1_27, 33)]
    {
        let known = keys()
            .iter()
            .filter(|key| key.runtime && key.name != "memprofilerate")
            .filter(|key| matches!(lookup(key.name, release), Lookup::Known(_)))
            .count();
        assert_eq!(known, count, "go1.{}", release.minor);
    }
}

proptest! {
    #[test]
    fn spans_cover_the_text(text in "[a-z=,; #0-9é-]{0,60}", minor in 10u16..40) {
        let parsed = parse(&text, Release::new(minor, 0));
        let mut at = 0;
        for item in &parsed.items {
            prop_assert_eq!(item.span.start, at);
            prop_assert_eq!(&text[item.span.clone()], item.text);
            prop_assert_eq!(&text[item.key_span()], item.key);
            prop_assert_eq!(&text[item.value_span()], item.value.unwrap_or(""));
            for hidden in item.hidden_keys() {
                prop_assert!(item.span.start <= hidden.start && hidden.end <= item.span.end);
                prop_assert!(text.get(hidden).is_some());
            }
            at = item.span.end + 1;
        }
    }

    #[test]
    fn canonical_form_is_stable(text in "[a-c=,; 0-9]{0,40}") {
        let once = parse(&text, GO_1_27).canonical();
        prop_assert_eq!(parse(&once, GO_1_27).canonical(), once.clone());
        prop_assert!(!once.contains([' ', ';']));
    }

    #[test]
    fn any_text_is_read(text in any::<String>(), minor in any::<u16>(), patch in any::<u16>()) {
        let release = Release::new(minor, patch);
        let parsed = parse(&text, release);
        let _ = (parsed.fatal(), parsed.canonical(), suggest(&text, release));
    }
}
