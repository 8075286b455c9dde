//! String constants of real binaries, against the constants of their source (`fixtures/go/strings/main.go`).

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use common::{Fixture, fixtures, for_each, of_program};
use goformats::binary::read;
use goformats::gostrings::{AddressClass, Doubt, Kind, Number, Owner, Presence, Strings, Where};
use goformats::limits::Limits;
use proptest::prelude::*;

fn expect(condition: bool, what: impl Fn() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(what()) }
}

/// Constants that are used as values, in code or in data.
const VALUES: [&str; 29] = [
    "10.1.2.3:8080",
    "8.8.8.8:53",
    "192.0.2.17",
    "https://warehouse.example.com/v2/items",
    "ledger.payments.svc.cluster.local:7443",
    "/etc/strings/config.yaml",
    "Europe/Rome",
    "STRINGS_LISTEN_ADDR",
    "1.3.6.1.4.1.311",
    "10.9.8.7",
    "fe80::1",
    "peer-a.mesh.svc",
    "127.0.0.1:9090",
    "/map/alpha",
    "/map/beta",
    "alpha",
    "beta",
    "north",
    "http://north.example.com:8081",
    "south",
    "postgres://south.example.com/db",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    ":8085",
    "/healthz",
    "/composed",
    "/v1",
    "page.txt",
    "/a/path/that/is/much/longer/than/any/inline/compare/does",
    "zqxjkvwpfgbdmcyuhtnroiaeZQXJKVWPFGBDMCYUHTNROIAEzqxjkvwpfgbdmcyu",
];

/// Constants that are compared with, in order of their length: by `switch`, `==` and `strings.HasPrefix`.
const COMPARED: [&str; 34] = [
    "zqx",
    "zqxj",
    "/pfx",
    "zqxjk",
    "/live",
    "zqxjkv",
    "bonobo",
    "iguana",
    "zqxjkvw",
    "/readyz",
    "echidna",
    "gazelle",
    "jackdaw",
    "lemming",
    "zqxjkvwp",
    "aardvark",
    "capybara",
    "dormouse",
    "flamingo",
    "hedgehog",
    "zqxjkvwpf",
    "/startupz",
    ".suffixed",
    "/prefixed/",
    "kingfisher",
    "zqxjkvwpfgbd",
    "/api/v1/orders",
    "zqxjkvwpfgbdmcy",
    "zqxjkvwpfgbdmcyu",
    "zqxjkvwpfgbdmcyuh",
    "/metrics-internal",
    "zqxjkvwpfgbdmcyuhtnroiae",
    "/api/v1/customers/search",
    "zqxjkvwpfgbdmcyuhtnroiaeZQXJKVWPF",
];

#[test]
fn values_are_found_whole_and_belong_to_the_main_module() {
    of_program("strings", |_, strings| {
        for text in VALUES {
            let found = strings.iter().find(|s| s.text == text);
            let owner = found.map(|s| s.owner);
            expect(owner == Some(Owner::Main), || format!("{text:?}: {owner:?}"))?;
            let place = found.map(|s| strings.place(s)).unwrap();
            expect(place.len == text.len() as u64 && place.offset > 0, || format!("{place:?}"))?;
        }
        Ok(())
    });
}

/// Nothing else that looks like an address is the main module's: neither the object identifiers of crypto/x509 nor the
/// tables of package net, and no digits that happen to stand together where two constants meet.
#[test]
fn addresses_of_the_main_module_are_exactly_those_of_its_source() {
    let expected: BTreeSet<&str> = VALUES.into_iter().filter(|t| is_address(t)).collect();
    assert_eq!(expected.len(), 12);
    of_program("strings", |_, strings| {
        let found: BTreeSet<&str> = strings
            .iter()
            .filter(|s| s.owner != Owner::Std && is_address(s.text))
            .map(|s| s.text)
            .collect();
        expect(found == expected, || format!("{found:?}"))?;
        let std = strings.iter().find(|s| s.text == "127.0.0.1:53").map(|s| s.owner);
        expect(std == Some(Owner::Std), || format!("package net's name server: {std:?}"))
    });
}

fn is_address(text: &str) -> bool {
    use goformats::gostrings::classify;
    match classify(text) {
        // A scheme without a host is an argument of HasPrefix.
        Kind::Url { authority, .. } => !authority.is_empty(),
        kind => matches!(kind, Kind::Ip(..) | Kind::HostPort { .. } | Kind::ClusterHost),
    }
}

#[test]
fn kinds_of_found_strings() {
    of_program("strings", |_, strings| {
        let kind = |text: &str| strings.iter().find(|s| s.text == text).map(|s| s.kind());
        let class = match kind("10.1.2.3:8080") {
            Some(Kind::HostPort { class, port: 8080, .. }) => class,
            _ => None,
        };
        expect(class == Some(AddressClass::Private), || format!("{class:?}"))?;
        expect(kind("1.3.6.1.4.1.311") == Some(Kind::Other), || "the identifier".into())?;
        expect(kind("Europe/Rome") == Some(Kind::Zone), || "the zone".into())
    });
}

/// All but a few bytes of the constants are divided: lists of them are complete.
#[test]
fn the_block_is_divided() {
    of_program("strings", |_, strings| {
        let block = strings.bounds();
        expect(strings.len() > 1500 && block.end - block.start > 40_000, || {
            format!("{} in {block:x?}", strings.len())
        })?;
        expect(strings.undivided() * 100 < block.end - block.start, || {
            format!("{} bytes not divided", strings.undivided())
        })
    });
}

/// The one mistake that may never be made: to call absent what is there.
#[test]
fn nothing_of_the_source_is_absent() {
    of_program("strings", |_, strings| {
        for text in VALUES.into_iter().chain(COMPARED) {
            let found = strings.find(text);
            expect(found != Presence::Absent, || format!("{text:?} is absent"))?;
        }
        Ok(())
    });
}

#[test]
fn what_is_compared_is_found() {
    of_program("strings", |_, strings| {
        // What HasSuffix compares has no start at a register.
        for text in COMPARED.into_iter().filter(|text| *text != ".suffixed") {
            let found = strings.find(text);
            expect(matches!(found, Presence::Present(_)), || format!("{text:?}: {found:?}"))?;
        }
        Ok(())
    });
}

#[test]
fn what_is_not_in_the_source_is_absent() {
    of_program("strings", |_, strings| {
        for text in
            ["/alive", "/ready", "/nope/at/all", "/map/gamma", "/healthcheck", "10.1.2.4:8080"]
        {
            let found = strings.find(text);
            // A part of another text is still a part of it.
            if text == "/ready" {
                let part = matches!(found, Presence::Unknown(Doubt::MaybeCompared { .. }));
                expect(part, || format!("{text:?}: {found:?}"))?;
            } else {
                expect(found == Presence::Absent, || format!("{text:?}: {found:?}"))?;
            }
        }
        Ok(())
    });
}

#[test]
fn composed_embedded_and_matched_paths_are_not_absent() {
    of_program("strings", |fixture, strings| {
        let composed = strings.find("/composed/v1");
        expect(
            composed == Presence::Unknown(Doubt::Composed(vec!["/composed".into(), "/v1".into()])),
            || format!("{composed:?}"),
        )?;
        let embedded = strings.find("/embedded/only");
        let there = matches!(embedded, Presence::Present(Where::Inside(_) | Where::Data { .. }));
        expect(there, || format!("{embedded:?}"))?;
        if fixture.minor() >= 22 {
            for path in ["/pattern/42", "/pattern/42/confirm"] {
                let found = strings.find(path);
                let matched = matches!(found, Presence::Unknown(Doubt::Matched(_)));
                expect(matched, || format!("{path}: {found:?}"))?;
            }
            expect(strings.paths().contains(&"/pattern/{id}"), || "no pattern".into())?;
        }
        for path in ["/healthz", "/readyz", "/startupz", "/live", "/map/alpha"] {
            expect(strings.paths().contains(&path), || format!("{path} is no candidate"))?;
        }
        let std = strings.paths().iter().find(|p| p.starts_with("/usr/share")).copied();
        expect(std.is_none(), || format!("{std:?} is the standard library's"))
    });
}

/// A constant that begins with a path, or holds it between other segments, is another path.
#[test]
fn the_beginning_of_a_path_is_no_path() {
    of_program("strings", |fixture, strings| {
        for text in ["/health", "/map/alph", "/compose", "/v"] {
            let found = strings.find_path(text);
            expect(!matches!(found, Presence::Present(_)), || format!("{text:?}: {found:?}"))?;
        }
        // "tcp4" is a text of the standard library, whose code makes no path of it.
        let std = strings.find_path("/tcp4");
        expect(std == Presence::Absent, || format!("/tcp4: {std:?}"))?;
        let part = strings.find_path("/health");
        expect(part == Presence::Absent, || format!("/health of /healthz: {part:?}"))?;
        expect(matches!(strings.find("/health"), Presence::Present(Where::Inside(_))), || {
            "the text itself".into()
        })?;
        let longer = strings.find_path("/etc/strings");
        let is = matches!(longer, Presence::Unknown(Doubt::Longer(s)) if s.text.ends_with(".yaml"));
        expect(is, || format!("/etc/strings: {longer:?}"))?;
        for text in ["/healthz", "/readyz", "/api/v1/orders", "/map/alpha", "/composed"] {
            let found = strings.find_path(text);
            expect(matches!(found, Presence::Present(_)), || format!("{text:?}: {found:?}"))?;
        }
        // `strings.HasPrefix(s, "/pfx")`, and a pattern behind a prefix that a router joins.
        let begun = strings.find_path("/pfxes");
        let is = matches!(begun, Presence::Unknown(Doubt::Begun { .. }));
        // The race detector wants to see comparisons, so that they are calls.
        expect(is || fixture.variant == "race", || format!("{begun:?}"))?;
        if fixture.minor() >= 22 {
            let joined = strings.find_path("/composed/pattern/42");
            let is = matches!(joined, Presence::Unknown(Doubt::Composed(_)));
            expect(is, || format!("a pattern behind a prefix: {joined:?}"))?;
        }
        let composed = strings.find_path("/composed/v1");
        expect(matches!(composed, Presence::Unknown(Doubt::Composed(_))), || {
            format!("{composed:?}")
        })
    });
}

/// Reads everything from bytes that may be broken.
fn read_all(bytes: &[u8]) -> usize {
    let binary = read(bytes, &Limits::DEFAULT);
    let Some(strings) = Strings::read(&binary, &Limits::DEFAULT) else { return 0 };
    let mut seen = strings.len() + strings.inline_texts().len() + strings.paths().len();
    for text in ["/healthz", "/readyz", "/alive", "/composed/v1"] {
        seen += usize::from(strings.find(text) != Presence::Absent);
        seen += usize::from(strings.find_path(text) != Presence::Absent);
    }
    for number in [80, 8085, 9090] {
        seen += usize::from(strings.find_port(number) != Number::Nowhere);
        seen += usize::from(strings.find_number(number) != Number::Nowhere);
    }
    seen + strings.listen_texts().texts.len()
}

/// A small one for each machine.
static SAMPLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let all = fixtures();
    let of = |goarch: &str, variant: &str| {
        let newest =
            |f: &&Fixture| f.program == "strings" && f.goarch == goarch && f.variant == variant;
        all.iter().filter(newest).max_by_key(|f| f.minor()).unwrap().bytes()
    };
    vec![of("amd64", "stripped"), of("arm64", "stripped"), of("amd64", "pie")]
});

#[test]
fn truncated_binaries_are_read_as_far_as_they_go() {
    for bytes in SAMPLES.iter() {
        assert!(read_all(bytes) > 1500);
        for part in 1..24 {
            read_all(&bytes[..bytes.len() * part / 24]);
        }
    }
}

#[test]
fn limits_hold() {
    let limits = Limits { strings: 100, ..Limits::DEFAULT };
    for bytes in SAMPLES.iter() {
        let binary = read(bytes, &limits);
        let strings = Strings::read(&binary, &limits).unwrap();
        assert_eq!(strings.len(), 100);
        assert!(strings.is_limited());
        // What was left out is not called absent.
        assert_ne!(strings.find("/healthz"), Presence::Absent);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Lies anywhere in a binary end in a value.
    #[test]
    fn changed_binaries(
        sample in 0usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<[u8; 8]>()), 1..60),
        headers in prop::collection::vec((0usize..4096, any::<u8>()), 0..3),
    ) {
        let mut bytes = SAMPLES[sample].clone();
        for (at, value) in changes {
            let at = at.index(bytes.len() - 8);
            bytes[at..at + 8].copy_from_slice(&value);
        }
        for (at, value) in headers {
            bytes[at] = value;
        }
        read_all(&bytes);
    }
}

/// `fixtures/go/server/main.go` reads `LISTEN_ADDR`, and takes `:8080` where it is empty.
#[test]
fn a_default_belongs_to_the_variable_it_is_of() {
    of_program("server", |_, strings| {
        let found = strings.listen_texts();
        let own: Vec<_> = found.texts.iter().filter(|t| t.owner == Owner::Main).collect();
        let [only] = own.as_slice() else { return Err(format!("{own:?}")) };
        let is = (only.text, only.port, only.name, only.certain, only.function);
        let expected = (":8080", 8080, Some("LISTEN_ADDR"), true, Some("main.main"));
        expect(is == expected, || format!("{only:?}"))
    });
}

/// `:80` is no text of a program with `:8080`.
#[test]
fn a_port_is_not_the_beginning_of_another() {
    for_each(|fixture| {
        if fixture.program != "server" {
            return Ok(());
        }
        let bytes = fixture.bytes();
        let binary = read(&bytes, &Limits::DEFAULT);
        let strings = Strings::read(&binary, &Limits::DEFAULT).ok_or("no strings")?;
        let (whole, part) = (strings.find_port(8080), strings.find_port(80));
        expect(matches!(whole, Number::At(_)), || format!(":8080: {whole:?}"))?;
        expect(part == Number::Nowhere, || format!(":80: {part:?}"))
    });
}

/// `fixtures/go/listen/main.go`: what is the default of a variable, and what only stands beside one.
#[test]
fn a_fixed_address_is_no_default() {
    // In the program's order: the end of the function's name, the address, and the variable.
    const EXPECTED: [(&str, &str, Option<&str>); 14] = [
        ("byHelper", ":8081", Some("HELPER_PORT")),
        ("byInlinedHelper", ":8082", Some("INLINED_PORT")),
        ("byComparison", ":8083", Some("COMPARED_PORT")),
        ("byLookup", ":8084", Some("LOOKED_UP_PORT")),
        ("byFirst", ":8085", Some("FIRST_PORT")),
        // What comes before the variable may be given, and what comes after the default does not count.
        ("byFirstOfThree", ":9096", None),
        ("firstFixed", ":9097", None),
        ("forEach", ":9098", None),
        // The default comes first, as ":9091" might before a call that takes the name only.
        ("byInjectedHelper", ":8086", None),
        ("injected", ":9091", None),
        ("asked", ":9092", None),
        ("beside", ":9093", None),
        ("guarded", ":9094", None),
        ("switched", ":9095", None),
    ];
    of_program("listen", |_, strings| {
        let found = strings.listen_texts();
        let mut wrong = Vec::new();
        for (function, text, name) in EXPECTED {
            let all: Vec<_> = found.texts.iter().filter(|t| t.text == text).collect();
            let is = |t: &goformats::gostrings::ListenText<'_>| {
                t.function == Some(&format!("main.{function}"))
                    && t.name == name
                    && t.certain == name.is_some()
            };
            if !matches!(all.as_slice(), [only] if is(only)) {
                wrong.push(format!("{function}: {all:?}"));
            }
        }
        expect(wrong.is_empty(), || wrong.join("\n"))
    });
}

/// `fixtures/go/hosts/main.go`: what is joined with a host is told apart from what is only read.
#[test]
fn a_host_in_front_of_a_port_is_fixed() {
    // The end of the function's name, the host, the variable, and whether nothing else is possible.
    const EXPECTED: [(&str, &str, &str, bool); 4] = [
        ("joined", "127.0.0.1:", "JOINED_PORT", true),
        ("withDefault", "localhost:", "DEFAULT_PORT", true),
        ("formatted", "[::1]:%s", "FORMATTED_PORT", true),
        ("twice", "localhost:", "TWICE_PORT", false),
    ];
    assert!(fixtures().iter().any(|f| f.program == "hosts"), "run `cargo xtask fixtures`");
    for_each(|fixture| {
        let (hosts, listen) = (fixture.program == "hosts", fixture.program == "listen");
        if !hosts && !listen {
            return Ok(());
        }
        let bytes = fixture.bytes();
        let binary = read(&bytes, &Limits::DEFAULT);
        let strings = Strings::read(&binary, &Limits::DEFAULT).ok_or("no strings")?;
        let found = strings.listen_texts().joined;
        if listen {
            // It listens on every address, too.
            let own: Vec<_> = found.iter().filter(|j| j.text == "localhost:").collect();
            return expect(own.len() == 1 && !own[0].certain, || format!("{found:?}"));
        }
        let mut wrong = Vec::new();
        for (function, text, name, certain) in EXPECTED {
            let own = format!("main.{function}");
            let all: Vec<_> = found.iter().filter(|j| j.function == Some(&own)).collect();
            let is = |j: &goformats::gostrings::JoinedHost<'_>| {
                j.text == text && j.name == Some(name) && j.certain == certain
            };
            if !matches!(all.as_slice(), [only] if is(only)) {
                wrong.push(format!("{function}: {all:?}"));
            }
        }
        expect(wrong.is_empty(), || wrong.join("\n"))
    });
}

/// The text of an answer (`ready`) is a path with a slash in front of it, where somebody puts one there.
#[test]
fn a_text_is_a_path_only_where_a_slash_is_joined() {
    for (program, known) in [("ignore", false), ("hosts", true)] {
        of_program(program, |_, strings| {
            let found = strings.find_path("/ready");
            let is_known = matches!(found, Presence::Unknown(Doubt::Composed(_)));
            let absent = found == Presence::Absent;
            expect((is_known, absent) == (known, !known), || format!("{program}: {found:?}"))
        });
    }
}

/// `fixtures/go/hosts/main.go`: a port that is a number of code or data is never called absent, and most that are
/// not there are.
#[test]
fn a_port_that_is_a_number_is_found() {
    of_program("hosts", |_, strings| {
        // Its own code reads variables, and joins no host by the standard library.
        let calls = (strings.calls("os.Getenv"), strings.calls("net.JoinHostPort"));
        expect(calls == (true, false), || format!("calls: {calls:?}"))?;
        for number in 29001..=29007 {
            let found = strings.find_number(number);
            expect(found != Number::Nowhere, || format!("{number}: {found:?}"))?;
        }
        let absent = (29008..29108).filter(|n| strings.find_number(*n) == Number::Nowhere).count();
        expect(absent >= 60, || format!("{absent} of a hundred are absent"))?;
        // The longer number is a text of it, and this one is not.
        let part = strings.find_number(29008);
        expect(part == Number::Nowhere, || format!("29008 of 129008: {part:?}"))
    });
}
