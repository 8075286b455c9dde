//! Registries that let one wait, with less patience than the command has.

#![allow(clippy::unwrap_used, reason = "they are tests")]

#[path = "../../tests/support/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::ProgressBar;
use provost_check::artifact::image::{self, Limits, Loaded, Place, Remote};
use provost_check::facts::SourceId;

use self::server::{Asked, Reply, Server, ok, status};
use super::http::{Http, Patience};
use super::name::Name;
use super::{MANIFESTS, Registry};

/// The SHA-256 of `{}`, the configuration of the images here.
const EMPTY: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

fn answer(asked: &Asked) -> Reply {
    let layer = format!("sha256:{}", "a".repeat(64));
    let manifest = format!(
        "{{\"config\": {{\"digest\": \"{EMPTY}\", \"size\": 2}}, \
         \"layers\": [{{\"digest\": \"{layer}\", \"size\": 1000}}]}}"
    );
    match asked.path.rsplit('/').next().unwrap() {
        "1" => ok(MANIFESTS[1], manifest.as_bytes()),
        EMPTY => ok("a/b", b"{}"),
        _ => status(404, &[]),
    }
}

/// Impatient, but for what a test is about.
fn patience() -> Patience {
    let long = Duration::from_secs(600);
    Patience { connect: long, read: long, total: long, wait: long, waits: 1 }
}

fn load(server: &Server, patience: Patience, interrupted: bool) -> Loaded {
    read(&(registry(server, patience, interrupted) as Arc<dyn Remote>))
}

fn registry(server: &Server, patience: Patience, interrupted: bool) -> Arc<Registry> {
    let name = Name::parse(&format!("{}/a:1", server.address)).unwrap();
    let interrupted = Arc::new(AtomicBool::new(interrupted));
    let insecure = Arc::from([server.address.clone()]);
    let http = Http::new(insecure, patience, interrupted, ProgressBar::hidden()).unwrap();
    Arc::new(Registry::new(name, http))
}

fn read(from: &Arc<dyn Remote>) -> Loaded {
    let place = Place::Registry("registry", from);
    image::load(SourceId(0), place, None, &BTreeSet::new(), &Limits::default())
}

fn problem(loaded: &Loaded) -> String {
    loaded.problems.iter().map(|problem| problem.message.clone()).collect()
}

#[test]
fn a_registry_that_stalls_is_left() {
    // The requests before the one that stalls must come through on a busy machine.
    let short = Patience { read: Duration::from_secs(2), ..patience() };
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let stall = |last: &'static str, with_image, said: &'static [u8]| {
        let server = Server::start(move |asked| {
            let here = asked.path.rsplit('/').next().unwrap();
            let here = if here.ends_with("aaa") { "a" } else { here };
            if here == last { Reply::Stall(said.to_vec()) } else { answer(asked) }
        });
        let loaded = load(&server, short, false);
        assert!(problem(&loaded).contains("stalls: nothing came for 2 s"), "{loaded:?}");
        assert_eq!(loaded.image.is_some(), with_image, "{loaded:?}");
        assert!(loaded.image.is_none_or(|image| !image.complete));
    };
    // All wait together.
    std::thread::scope(|threads| {
        threads.spawn(|| stall("1", false, b""));
        threads.spawn(|| stall("1", false, b"HTTP/1.1 200 OK\r\nContent-Le"));
        threads.spawn(|| stall("1", false, head));
        threads.spawn(|| stall(EMPTY, false, b""));
        threads.spawn(|| stall("a", true, head));
    });
}

#[test]
fn an_image_has_only_so_much_time() {
    let short = Patience { total: Duration::from_millis(300), ..patience() };
    let server = Server::start(|asked| match asked.path.ends_with("aaa") {
        true => Reply::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nab".to_vec()),
        false => answer(asked),
    });
    let loaded = load(&server, short, false);
    assert!(problem(&loaded).contains("took more than 300 ms, the limit"), "{loaded:?}");
    // Waiting counts, too.
    let server = Server::start(|_| status(503, &[("Retry-After", "500")]));
    let loaded = load(&server, Patience { waits: 9, ..short }, false);
    assert!(problem(&loaded).contains("took more than 300 ms, the limit"), "{loaded:?}");
}

#[test]
fn the_time_begins_whenever_an_image_is_read() {
    let server = Server::start(answer);
    let registry = registry(&server, patience(), false);
    // Before the first request, and before that of the next pass of --fix.
    for _ in 0..2 {
        registry.http.run_out();
        let loaded = read(&(Arc::clone(&registry) as Arc<dyn Remote>));
        assert!(loaded.image.is_some(), "{loaded:?}");
        assert!(!problem(&loaded).contains("took more than"), "{loaded:?}");
    }
}

#[test]
fn nothing_is_asked_after_an_interruption() {
    let asked = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&asked);
    let server = Server::start(move |asked| {
        flag.store(true, Ordering::SeqCst);
        answer(asked)
    });
    let loaded = load(&server, patience(), true);
    assert!(problem(&loaded).contains("interrupted"), "{loaded:?}");
    assert!(loaded.image.is_none() && !asked.load(Ordering::SeqCst));
}
