//! What a process waited for when its time was over, by the stacks of its goroutines.

use goformats::crash::{Code, Frame, Main};

use super::crash::shown;
use crate::facts::proof::{Goroutines, Stack, StackCall};

/// What a goroutine is there for, as far as its calls say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doing {
    /// The main function: the process ends when it returns.
    Main,
    /// A handler of a request.
    Handler,
    /// A connection of HTTP/2.
    Http2,
    /// A connection of gRPC.
    Grpc,
    /// A connection of HTTP/1.1, or one in its TLS handshake.
    Http1,
    /// Something else of the program's own.
    Own,
    /// Something of a library's.
    Library,
}

/// Calls that have a handler called: of `net/http` (HTTP/2 in `h2_bundle.go` up to Go 1.26, in
/// `net/http/internal/http2` from 1.27 on) and of grpc-go.
const HANDLERS: [&str; 3] = [
    "net/http.serverHandler.ServeHTTP",
    "google.golang.org/grpc.(*Server).processUnaryRPC",
    "google.golang.org/grpc.(*Server).processStreamingRPC",
];

/// The connections of one.
const GRPC: &str = "google.golang.org/grpc/internal/transport.(*http2Server)";

/// One of HTTP/1.1, and the first function of each other.
const CONNECTION: &str = "net/http.(*conn).serve";

/// Stacks of one process, which know its main package.
#[derive(Debug)]
pub struct Blocked<'g> {
    /// The goroutines.
    pub goroutines: &'g Goroutines,
    main: Main,
}

fn frame(call: &StackCall) -> Frame<'_> {
    Frame { func: &call.func, args: "", file: &call.file, line: call.line }
}

impl<'g> Blocked<'g> {
    /// Those of a process.
    pub fn new(goroutines: &'g Goroutines) -> Self {
        let mut main = Main::default();
        let calls = goroutines.stacks.iter().flat_map(|stack| &stack.calls);
        calls.for_each(|call| main.see(&frame(call)));
        Self { goroutines, main }
    }

    /// The innermost call of the program's own code, and its place among all.
    fn own(&self, stack: &'g Stack) -> Option<(usize, &'g StackCall)> {
        let mut calls = stack.calls.iter().enumerate();
        calls.find(|(_, call)| Code::of(&frame(call), &self.main) == Code::Own)
    }

    /// What its goroutines are there for.
    pub fn doing(&self, stack: &'g Stack) -> Doing {
        let has = |known: &dyn Fn(&str) -> bool| stack.calls.iter().any(|call| known(&call.func));
        if stack.main {
            Doing::Main
        } else if has(&|func| HANDLERS.contains(&func)) && self.own(stack).is_some() {
            Doing::Handler
        } else if has(&|func| func.starts_with(GRPC)) {
            Doing::Grpc
        } else if has(&|func| func.contains("http2") && func.ends_with("erverConn).serve")) {
            Doing::Http2
        } else if self.own(stack).is_some() {
            Doing::Own
        } else if has(&|func| func == CONNECTION) {
            Doing::Http1
        } else {
            Doing::Library
        }
    }

    /// Where its goroutines are, and in which call of others they wait there:
    /// `main.shutdown (/src/main.go:284) in net/http.(*Server).Shutdown (select)`.
    pub fn place(&self, stack: &'g Stack) -> String {
        let state = &stack.state;
        let within = |at: usize| at.checked_sub(1).and_then(|inner| stack.calls.get(inner));
        if let Some((at, own)) = self.own(stack) {
            let place = shown(&frame(own));
            return match within(at) {
                Some(inner) => format!("{place} in {} ({state})", inner.func),
                None => format!("{place} ({state})"),
            };
        }
        // Of a connection it says more what the server does with it.
        let serve =
            |call: &StackCall| call.func == CONNECTION || call.func.ends_with("erverConn).serve");
        let at = stack.calls.iter().position(serve);
        let told = match (self.doing(stack), at) {
            (Doing::Http1, Some(at)) => within(at).or(stack.calls.get(at)),
            (_, Some(at)) => stack.calls.get(at),
            (_, None) => stack.calls.last(),
        };
        told.map_or_else(|| state.clone(), |call| format!("{} ({state})", call.func))
    }
}
