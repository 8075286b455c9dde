//! What the servers of real binaries answer, against their sources (`fixtures/go/routes/main.go` and others).

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::of_program;
use goformats::gostrings::Unrouted;

/// What is known of the server that a function makes.
fn verdict(handler: &Result<(), Unrouted<'_>>) -> String {
    match handler {
        Ok(()) => "patterns".to_owned(),
        Err(Unrouted::Handler { method, .. }) => (*method).to_owned(),
        Err(Unrouted::UnclearHandler(_)) => "unclear".to_owned(),
        Err(other) => format!("{other:?}"),
    }
}

#[test]
fn each_server_s_handler_is_read() {
    let function = "net/http.HandlerFunc.ServeHTTP";
    let expected: BTreeMap<&str, &str> = [
        ("main.muxed", "patterns"),
        ("main.served", "patterns"),
        ("main.setLater", "patterns"),
        ("main.announced", "patterns"),
        ("main.byDefault", "patterns"),
        ("main.withoutHandler", "patterns"),
        ("main.byFunction", function),
        ("main.byOwn", "main.(*own).ServeHTTP"),
        ("main.wrapped", "unclear"),
        ("main.wrappedLater", "unclear"),
        ("main.wrappedAgain", "unclear"),
        ("main.given", "unclear"),
        ("main.filled", "unclear"),
        ("main.returned", "unclear"),
        ("main.ofVariable", "unclear"),
        // Set by whoever has the server, too.
        ("main.rewrapped", "unclear"),
        ("main.rewrappedInside", "unclear"),
        ("main.rewrappedOnStack", "unclear"),
        ("main.rewrappedThroughVariable", "unclear"),
        ("main.returnedMuxed", "unclear"),
        ("main.inStruct", "unclear"),
        ("a struct that holds an http.Server", "unclear"),
    ]
    .into();
    of_program("routes", |_, strings| {
        let servers = strings.servers(true).map_err(|why| format!("{why:?}"))?;
        let found: BTreeMap<&str, String> =
            servers.iter().map(|one| (one.function, verdict(&one.handler))).collect();
        let found: BTreeMap<&str, &str> = found.iter().map(|(k, v)| (*k, v.as_str())).collect();
        // The loop that clears a variable of that type on the heap is not followed.
        let is_expected = |(name, is): (&&str, &&str)| {
            expected.get(name) == Some(is) || (*name == "main.byOwn" && *is == "unclear")
        };
        if found.len() == expected.len() && found.iter().all(is_expected) {
            return Ok(());
        }
        Err(format!("{found:#?}"))
    });
}

/// Without a pattern in `http.DefaultServeMux` nothing is concluded from a server without a handler.
#[test]
fn a_server_without_a_handler_has_the_default_s_patterns_or_nothing_is_known() {
    of_program("routes", |_, strings| {
        let servers = strings.servers(false).map_err(|why| format!("{why:?}"))?;
        let unclear = |name: &str| servers.iter().any(|s| s.function == name && s.handler.is_err());
        if unclear("main.byDefault") && unclear("main.withoutHandler") && !unclear("main.muxed") {
            return Ok(());
        }
        Err(format!("{servers:?}"))
    });
}

/// One handler that decides itself leaves the routes of the program open.
#[test]
fn one_server_that_decides_itself_is_enough() {
    of_program("routes", |_, strings| match strings.routes() {
        Err(Unrouted::Handler { .. } | Unrouted::UnclearHandler(_)) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

fn minor(go: &str) -> u32 {
    go.split('.').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_server_by_patterns_only() {
    of_program("server", |fixture, strings| {
        let routes = match strings.routes() {
            Ok(routes) => routes,
            // What these add to the code is not followed.
            Err(_) if matches!(fixture.variant.as_str(), "race" | "cover") => return Ok(()),
            // Compilers up to Go 1.23 leave the server in the register of an argument where its closure calls
            // `ctx.Done()`, through a table of methods: it cannot be told that this call is not given the server.
            Err(Unrouted::UnclearHandler("main.main")) if minor(&fixture.go) <= 23 => return Ok(()),
            Err(why) => return Err(format!("{why:?}")),
        };
        let patterns: BTreeSet<&str> = routes.iter().map(|route| route.pattern).collect();
        if patterns == ["/debug/pprof/", "/healthz", "/orders"].into() {
            return Ok(());
        }
        Err(format!("{patterns:?}"))
    });
}

/// `register(mux.HandleFunc)` and `run(srv.ListenAndServe)` were not seen: the calls are those of a closure.
#[test]
fn values_of_methods_leave_it_open() {
    of_program("methodvalues", |_, strings| {
        let servers = strings.servers(true).map_err(|why| format!("{why:?}"))?;
        let serve = "a method value, as srv.Serve is";
        let global = servers.iter().any(|s| s.function == serve && s.handler.is_err());
        match (strings.routes(), global) {
            (Err(Unrouted::Indirect), true) => Ok(()),
            other => Err(format!("{other:?}, {servers:?}")),
        }
    });
}

#[test]
fn a_program_without_a_server() {
    of_program("environ", |_, strings| match strings.routes() {
        Err(Unrouted::NoServer) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}
