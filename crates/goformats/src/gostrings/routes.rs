//! Which paths a program's HTTP servers answer.
//!
//! Which path a handler knows is up to its code. It is known where every `http.Server` of the program has an
//! `http.ServeMux`, which answers what its patterns match and 404 otherwise (net/http/server.go), and every pattern is
//! written out where it is registered. A server is an object that a function allocates by the type's descriptor; its
//! handler is the interface at [`HANDLER`] in it, whose method table names the method that is called. All of that is
//! read off the functions that do it ([`super::follow`]); what is not understood leaves the answer open.
//!
//! Whoever is handed the server may set another handler: it is followed there, too ([`super::handed`]).
//!
//! A server without a handler has `http.DefaultServeMux`. As nobody sees from there who fills the field later, that
//! counts only where the same function has it serve and the program registers patterns there.

use rustc_hash::{FxHashMap, FxHashSet};

use super::endpoints::{ADDRESS, Addr, Mux, Results};
use super::follow::{Calls, Interpreter, REGISTERS, STACK, Value};
use super::handed::{ARGUMENTS, Known};
use super::image::Image;
use super::owner::Owner;
use super::{Reference, Strings};
use crate::elf::Machine;
use crate::pclntab::{Function, package_of};

/// The offset of `Handler` in `http.Server`, behind `Addr` (Go 1.0 to 1.27).
pub(super) const HANDLER: i64 = 16;
/// Calls that are looked at.
const CALLS: usize = 4096;
/// Bytes of code that are followed.
const ALL_BYTES: u64 = 1 << 23;
/// Patterns that are longer are none.
const LONGEST: u64 = 1024;
/// Functions with a server.
const SERVERS: usize = 256;

/// A pattern that a `http.ServeMux` is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// As written: `GET /healthz`, `/api/`.
    pub pattern: &'a str,
    /// The function that registers it.
    pub function: &'a str,
    /// The address of the call.
    pub at: u64,
    /// The multiplexer, where that is known.
    pub mux: Option<Mux>,
}

/// Why the paths that a program answers are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unrouted<'a> {
    /// The compiler does not pass arguments in registers, or is not known.
    Compiler,
    /// There is no `http.Server`.
    NoServer,
    /// Another package serves HTTP, or reads requests itself.
    Other(&'a str),
    /// A server in this function has a handler of this type, which decides itself.
    Handler {
        /// The function.
        function: &'a str,
        /// Its `ServeHTTP`: `net/http.HandlerFunc.ServeHTTP`, `github.com/gin-gonic/gin.(*Engine).ServeHTTP`.
        method: &'a str,
    },
    /// It cannot be told which handler a server in this function has.
    UnclearHandler(&'a str),
    /// A pattern that this function registers is not written out there.
    UnclearPattern(&'a str),
    /// Functions that register patterns, or serve, are called through variables, or as method values.
    Indirect,
    /// There is more than is looked at.
    Limited,
}

/// A server of HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server<'a> {
    /// The function that makes it.
    pub function: &'a str,
    /// Whether its handler is an `http.ServeMux`.
    pub handler: Result<(), Unrouted<'a>>,
    /// Which one, where that is known.
    pub mux: Option<Mux>,
    /// Where it listens.
    pub addr: Addr<'a>,
}

impl<'a> Server<'a> {
    /// One of which no more is known.
    fn of(function: &'a str, handler: Result<(), Unrouted<'a>>) -> Self {
        Self { function, handler, mux: None, addr: Addr::Unknown }
    }
}

impl<'a> Strings<'a> {
    /// Every pattern that is registered, in the order of the code, where all servers of the program go by patterns. A
    /// few passes over the code; call it only when asked.
    pub fn routes(&self) -> Result<Vec<Route<'a>>, Unrouted<'a>> {
        let (routes, servers) = self.routed()?;
        if servers.is_empty() {
            return Err(Unrouted::NoServer);
        }
        servers.into_iter().try_for_each(|server| server.handler)?;
        Ok(routes)
    }

    /// Every pattern, and every server.
    pub(super) fn routed(&self) -> Result<(Vec<Route<'a>>, Vec<Server<'a>>), Unrouted<'a>> {
        self.minor.filter(|&minor| minor >= REGISTERS).ok_or(Unrouted::Compiler)?;
        self.serves_otherwise()?;
        let (routes, default) = self.registered()?;
        let servers = self.servers(default)?;
        Ok((routes, servers))
    }

    /// Whether something other than `http.Server` serves HTTP.
    fn serves_otherwise(&self) -> Result<(), Unrouted<'a>> {
        const OTHERS: [&str; 8] = [
            "github.com/valyala/fasthttp.(*Server).Serve",
            "github.com/valyala/fasthttp.(*Server).serveConn",
            "golang.org/x/net/http2.(*Server).ServeConn",
            "github.com/quic-go/quic-go/http3.(*Server).Serve",
            "net/http/fcgi.Serve",
            "net/http/cgi.Serve",
            "github.com/cloudwego/netpoll.NewEventLoop",
            "github.com/panjf2000/gnet/v2.Run",
        ];
        for function in self.functions.functions() {
            if OTHERS.contains(&function.name) {
                return Err(Unrouted::Other(package_of(function.name).unwrap_or_default()));
            }
        }
        if self.calls("net/http.ReadRequest") {
            return Err(Unrouted::Other("net/http.ReadRequest"));
        }
        // Who writes the line of a status writes the answer, too. 101 is what a library for WebSockets writes on a
        // connection that it took from a handler.
        let status = |text: &str| {
            let rest = text.strip_prefix("HTTP/1.1 ").or_else(|| text.strip_prefix("HTTP/1.0 "));
            rest.is_some_and(|rest| !rest.starts_with("101"))
        };
        match self.iter().find(|s| s.owner != Owner::Std && status(s.text)) {
            Some(s) => Err(Unrouted::Other(
                s.used_at.and_then(|at| self.function_at(at)).unwrap_or("the program"),
            )),
            None => Ok(()),
        }
    }

    /// Every pattern, and whether one is registered in `http.DefaultServeMux` by other code than the standard library's.
    fn registered(&self) -> Result<(Vec<Route<'a>>, bool), Unrouted<'a>> {
        let mut first = FxHashMap::default();
        let mut default = FxHashSet::default();
        for function in self.functions.functions() {
            // A method value, `mux.HandleFunc`: who calls it through a variable says what is registered.
            if function.name.strip_suffix("-fm").is_some_and(|name| registers(name).is_some()) {
                return Err(Unrouted::Indirect);
            }
            let Some(position) = registers(function.name) else { continue };
            if position == 0 {
                default.insert(function.address);
            }
            first.insert(function.address, position);
        }
        let targets: Vec<u64> = first.keys().copied().collect();
        let calls = self.calls_of(&targets);
        if calls.through_variables() {
            return Err(Unrouted::Indirect);
        }
        // The functions themselves call each other.
        let outside = |name: &str| package_of(name) != Some("net/http");
        let callers = calls.callers(CALLS, outside).ok_or(Unrouted::Limited)?;
        let mut routes = Vec::new();
        let mut at_default = false;
        let mut left = ALL_BYTES;
        for function in callers {
            if let Some(patterns) = known_patterns(function.name) {
                routes.extend(patterns.iter().map(|&pattern| Route {
                    pattern,
                    function: function.name,
                    at: function.address,
                    mux: Some(Mux::Default),
                }));
                continue;
            }
            left = left.checked_sub(function.size).ok_or(Unrouted::Limited)?;
            let found = calls.follow(&function, |machine, to| {
                let position = first.get(&to).copied().unwrap_or(0);
                let by_default = default.contains(&to)
                    || is_default(self, calls.argument(machine, 0), function.name);
                let mux = match calls.argument(machine, 0) {
                    _ if by_default => Some(Mux::Default),
                    // That of Go 1.21 stands inside of the other.
                    Value::Pointer(object, _) if object != STACK => {
                        Some(Mux::Made(function.address, object))
                    }
                    _ => None,
                };
                (pattern(&calls, machine, position), by_default, mux)
            });
            if found.is_empty() {
                return Err(Unrouted::UnclearPattern(function.name));
            }
            for (at, (pattern, by_default, mux)) in found {
                let pattern = pattern.ok_or(Unrouted::UnclearPattern(function.name))?;
                routes.push(Route { pattern, function: function.name, at, mux });
                at_default |= by_default;
            }
        }
        Ok((routes, at_default))
    }

    /// Every server, by the functions that make them. `default` says whether `http.DefaultServeMux` is used.
    pub fn servers(&self, default: bool) -> Result<Vec<Server<'a>>, Unrouted<'a>> {
        let types = self.server_types();
        let makers = self.functions.functions();
        let makers = makers.filter(|f| SERVING.iter().any(|(name, _)| *name == f.name));
        let makers: Vec<u64> = makers.map(|f| f.address).collect();
        let calls = self.calls_of(&makers);
        if calls.through_variables() {
            return Err(Unrouted::Indirect);
        }
        let outside = |name: &str| package_of(name) != Some("net/http");
        let mut left = ALL_BYTES;
        let mut servers = Vec::new();
        for function in calls.callers(CALLS, outside).ok_or(Unrouted::Limited)? {
            left = left.checked_sub(function.size).ok_or(Unrouted::Limited)?;
            let mut results = Results::default();
            let mut found = Vec::new();
            let whole = calls.walk(&function, |machine, call| {
                let position = SERVING.iter().find(|(known, _)| *known == call.callee);
                if let Some((name, position)) = position {
                    let argument = |position| calls.argument(machine, position);
                    let handler = self.is_mux(argument(*position), default, function.name);
                    let mux = mux_of(&function, argument(*position), argument(position + 1))
                        .filter(|_| handler.is_ok());
                    let addr = match name.contains("Listen") {
                        true => results.address(&calls, Some(argument(0)), Some(argument(1))),
                        false => Addr::Unknown,
                    };
                    found.push(Server { function: function.name, handler, mux, addr });
                }
                results.note(self, &calls, machine, call);
            });
            if whole.is_none() || found.is_empty() {
                let unclear = Err(Unrouted::UnclearHandler(function.name));
                servers.push(Server::of(function.name, unclear));
            } else {
                servers.extend(found);
            }
        }
        let mut known = Known::default();
        let mut allocated = false;
        for function in self.referring(&types).ok_or(Unrouted::Limited)? {
            if package_of(function.name) == Some("net/http") {
                continue;
            }
            left = left.checked_sub(function.size).ok_or(Unrouted::Limited)?;
            allocated = true;
            match self.servers_of(&calls, &function, &types, default, &mut known) {
                Ok(all) => servers.extend(all),
                Err(why) => servers.push(Server::of(function.name, Err(why))),
            }
        }
        if self.holds_server(&types) {
            let holder = "a struct that holds an http.Server";
            servers.push(Server::of(holder, Err(Unrouted::UnclearHandler(holder))));
        }
        for function in self.global_servers(allocated)? {
            servers.push(Server::of(function, Err(Unrouted::UnclearHandler(function))));
        }
        Ok(servers)
    }

    /// The servers that a function allocates, where what it does with them is understood.
    fn servers_of(
        &self,
        calls: &Calls<'_, 'a>,
        function: &Function<'a>,
        types: &[u64],
        default: bool,
        known: &mut Known,
    ) -> Result<Vec<Server<'a>>, Unrouted<'a>> {
        let unclear = Unrouted::UnclearHandler(function.name);
        let is_type = |value| matches!(value, Value::Address(at) if types.contains(&at));
        let mut allocated = 0;
        let mut handed_on = FxHashSet::default();
        let mut handed = Vec::new();
        let mut serves = FxHashSet::default();
        let mut results = Results::default();
        let machine = calls.walk(function, |machine, call| {
            let place = match call.callee {
                "runtime.newobject" => Some(0),
                // With the size in front (Go 1.26 and newer).
                name if name.starts_with("runtime.mallocgc") => Some(1),
                _ => None,
            };
            if place.is_some_and(|place| is_type(calls.argument(machine, place))) {
                machine.watch(HANDLER);
                allocated += 1;
            }
            if is_serving(call.callee) {
                serves.extend(machine.is_watched(calls.argument(machine, 0)));
            }
            results.note(self, calls, machine, call);
            // Methods of the server do not set its handler.
            if call.callee.starts_with("net/http.(*Server).") || call.callee.starts_with("runtime.")
            {
                return;
            }
            handed.extend(self.handed(calls, machine, call));
            for position in 0..ARGUMENTS {
                handed_on.extend(machine.is_watched(calls.argument(machine, position)));
            }
        });
        let machine = machine.ok_or_else(|| unclear.clone())?;
        if allocated == 0 {
            return Err(unclear);
        }
        if machine.stored_elsewhere().iter().any(|value| self.may_be_handler(value)) {
            return Err(unclear);
        }
        let mut servers = Vec::new();
        for (object, stores) in machine.watched() {
            if !self.keeps_handler(calls, &machine, object, &handed, known) {
                return Err(unclear);
            }
            let set = stores.iter().filter(|value| **value != Value::Number(0));
            if set.clone().count() == 0 {
                let here = serves.contains(&object)
                    || (machine.is_captured(object) && self.closure_serves(calls, function.name));
                if !default || !here || handed_on.contains(&object) {
                    return Err(unclear);
                }
            }
            let handler = set.clone().try_for_each(|v| self.is_mux(*v, default, function.name));
            let word = |offset| machine.word_of(object, offset);
            let mux = match set.count() {
                0 => Some(Mux::Default),
                _ => word(HANDLER).zip(word(HANDLER + 8)).and_then(|(table, data)| {
                    mux_of(function, table, data).filter(|_| handler.is_ok())
                }),
            };
            let addr = results.address(calls, word(ADDRESS), word(ADDRESS + 8));
            servers.push(Server { function: function.name, handler, mux, addr });
        }
        Ok(servers)
    }

    /// Whether a function inside of this one, which has its variables, has a server serve.
    fn closure_serves(&self, calls: &Calls<'_, 'a>, name: &str) -> bool {
        let inside =
            |f: &Function<'_>| f.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        self.functions.functions().filter(inside).any(|closure| {
            let mut serves = false;
            let whole = calls.walk(&closure, |_, call| serves |= is_serving(call.callee));
            whole.is_some() && serves
        })
    }

    /// Whether a handler is an `http.ServeMux`.
    fn is_mux(&self, handler: Value, default: bool, function: &'a str) -> Result<(), Unrouted<'a>> {
        let method = match handler {
            Value::Number(0) if default => return Ok(()),
            Value::Address(table) => self.handler_of(table),
            _ => None,
        };
        match method {
            Some("net/http.(*ServeMux).ServeHTTP") => Ok(()),
            Some(method) => Err(Unrouted::Handler { function, method }),
            None => Err(Unrouted::UnclearHandler(function)),
        }
    }

    /// The method of the table by which a type is an `http.Handler`, its only one.
    pub(super) fn handler_of(&self, table: u64) -> Option<&'a str> {
        let method = word(&self.image, table.checked_add(24)?)?;
        let function = self.functions.function_at(method).filter(|f| f.address == method)?;
        function.name.ends_with(".ServeHTTP").then_some(function.name)
    }

    /// Descriptors of types that are called `http.Server` and that code refers to.
    fn server_types(&self) -> Vec<u64> {
        let mut types: Vec<u64> = Vec::new();
        self.each_reference(
            |target| self.is_server_type(target),
            |reference| types.push(reference.target),
        );
        types.sort_unstable();
        types.dedup();
        types
    }

    /// Whether a descriptor's text is `*http.Server`, as that of a struct whose pointer has a descriptor reads
    /// (internal/abi/type.go, `TFlagExtraStar`).
    fn is_server_type(&self, address: u64) -> bool {
        const TEXT: &[u8] = b"*http.Server";
        let Some(module) = self.functions.module.as_ref() else { return false };
        if !module.types.contains(&address) || !address.is_multiple_of(8) {
            return false;
        }
        let Some(head) = self.image.bytes_at(address, 48) else { return false };
        // Kind 25 is a struct.
        let kind = head.get(23).copied().unwrap_or(0) & 31;
        let name = head.get(40..44).and_then(|b| b.first_chunk()).map(|b| u32::from_le_bytes(*b));
        let Some(name) = name.filter(|_| kind == 25) else { return false };
        let at = module.types.start.saturating_add(name.into());
        // A byte of flags, and the length.
        let text =
            self.image.bytes_at(at, 2 + TEXT.len() as u64).and_then(|b| b.split_at_checked(2));
        text.is_some_and(|(head, text)| head.get(1) == Some(&(TEXT.len() as u8)) && text == TEXT)
    }

    /// Whether a struct or an array is made of one of these types: then it may be allocated as a part of that.
    fn holds_server(&self, types: &[u64]) -> bool {
        let in_types = |at: u64| {
            self.functions.module.as_ref().is_some_and(|module| module.types.contains(&at))
        };
        // A field has its name in front of its type, an array its element behind the part that all types have; kind 17
        // is an array (internal/abi/type.go). Other words of that value are numbers.
        let is_field = |at: u64| {
            let name = at.checked_sub(8).and_then(|at| word(&self.image, at));
            name.is_some_and(in_types)
        };
        let is_element = |at: u64| {
            let head = at.checked_sub(48).and_then(|at| self.image.bytes_at(at, 24));
            head.and_then(|head| head.get(23)).is_some_and(|kind| kind & 31 == 17)
        };
        let holds = |at: u64, target: u64| {
            types.contains(&target) && in_types(at) && (is_field(at) || is_element(at))
        };
        self.image.relocations().any(|(at, target)| holds(at, target))
            || self.image.data().iter().any(|area| {
                let skip = (area.address.wrapping_neg() & 7) as usize;
                let words = area.bytes.get(skip..).unwrap_or_default().chunks_exact(8);
                words.enumerate().any(|(index, word)| {
                    let target = word.first_chunk().map_or(0, |&w| u64::from_le_bytes(w));
                    holds(area.address + skip as u64 + 8 * index as u64, target)
                })
            })
    }

    /// Functions that refer to one of these addresses; `None` when there are too many.
    fn referring(&self, addresses: &[u64]) -> Option<Vec<Function<'a>>> {
        let mut functions: Vec<Function<'a>> = Vec::new();
        self.each_reference(
            |target| addresses.contains(&target),
            |reference| {
                let function = self.functions.function_at(reference.at);
                let Some(function) = function.filter(|_| functions.len() <= SERVERS) else {
                    return;
                };
                if functions.iter().all(|known| known.address != function.address) {
                    functions.push(function);
                }
            },
        );
        (functions.len() <= SERVERS).then_some(functions)
    }

    /// Functions that have a server serve which is a variable of the program: nobody allocates it. Where nobody
    /// allocates any these are all that have one serve.
    fn global_servers(&self, allocated: bool) -> Result<Vec<&'a str>, Unrouted<'a>> {
        let mut found: Vec<&'a str> = Vec::new();
        // `g.Go(srv.Serve)`: which server that is nobody sees at the call.
        let is_value = |name: &str| name.strip_suffix("-fm").is_some_and(is_serving);
        if self.functions.functions().any(|function| is_value(function.name)) {
            found.push("a method value, as srv.Serve is");
        }
        let methods = self.functions.functions().filter(|f| is_serving(f.name));
        let methods: Vec<u64> = methods.map(|f| f.address).collect();
        let calls = self.calls_of(&methods);
        if calls.through_variables() {
            found.push("an interface");
        }
        let outside = |name: &str| package_of(name) != Some("net/http");
        let callers = calls.callers(CALLS, outside).ok_or(Unrouted::Limited)?.into_iter();
        let of_variable = callers.filter(|function| {
            let servers = calls.follow(function, |machine, _| calls.argument(machine, 0));
            !allocated
                || servers.iter().any(|(_, server)| match server {
                    Value::Address(_) => true,
                    // A pointer that is set before anything runs.
                    Value::Loaded(at) => word(&self.image, *at).is_some_and(|to| to != 0),
                    _ => false,
                })
        });
        found.extend(of_variable.map(|function| function.name));
        Ok(found)
    }

    fn each_reference(&self, wanted: impl Fn(u64) -> bool, mut found: impl FnMut(Reference)) {
        for area in self.image.code() {
            match self.machine {
                Machine::Amd64 => {
                    super::amd64::references(area.bytes, area.address, &wanted, &mut found);
                }
                _ => super::arm64::references(area.bytes, area.address, &wanted, &mut found),
            }
        }
    }
}

/// The multiplexer that the two words of a handler are, where they are one's.
fn mux_of(function: &Function<'_>, table: Value, data: Value) -> Option<Mux> {
    match (table, data) {
        (Value::Number(0), _) => Some(Mux::Default),
        (Value::Address(_), Value::Pointer(object, 0)) if object != STACK => {
            Some(Mux::Made(function.address, object))
        }
        _ => None,
    }
}

/// Functions that make a server, with the position of the handler among the words of their arguments.
const SERVING: [(&str, usize); 4] = [
    ("net/http.ListenAndServe", 2),
    ("net/http.ListenAndServeTLS", 6),
    ("net/http.Serve", 2),
    ("net/http.ServeTLS", 2),
];

/// For a function that registers a pattern, the position of that among the words of the arguments: behind the
/// multiplexer, or first.
fn registers(name: &str) -> Option<usize> {
    match name {
        "net/http.Handle" | "net/http.HandleFunc" => Some(0),
        "net/http.(*ServeMux).Handle"
        | "net/http.(*ServeMux).HandleFunc"
        | "net/http.(*ServeMux).register"
        | "net/http.(*ServeMux).registerErr"
        | "net/http.(*ServeMux).handle"
        | "net/http.(*serveMux121).Handle"
        | "net/http.(*serveMux121).HandleFunc"
        | "net/http.(*serveMux121).handle"
        | "net/http.(*serveMux121).handleFunc" => Some(1),
        _ => None,
    }
}

/// Whether it is a method by which a server serves.
fn is_serving(name: &str) -> bool {
    matches!(
        name,
        "net/http.(*Server).ListenAndServe"
            | "net/http.(*Server).ListenAndServeTLS"
            | "net/http.(*Server).Serve"
            | "net/http.(*Server).ServeTLS"
    )
}

/// What packages register in `http.DefaultServeMux` by patterns that they put together.
fn known_patterns(function: &str) -> Option<&'static [&'static str]> {
    match package_of(function)? {
        "net/http/pprof" => Some(&["/debug/pprof/"]),
        "expvar" => Some(&["/debug/vars"]),
        "golang.org/x/net/trace" => Some(&["/debug/requests", "/debug/events"]),
        _ => None,
    }
}

/// Whether a multiplexer is `http.DefaultServeMux` where its methods take the place of `http.HandleFunc`: the variable
/// that the standard library's own packages use. Only that of a package other than the caller's is.
fn is_default(strings: &Strings<'_>, mux: Value, function: &str) -> bool {
    let std =
        package_of(function).is_none_or(|package| strings.owners.of_package(package) == Owner::Std);
    let Value::Loaded(at) = mux else { return false };
    // It is set before anything runs, to a multiplexer that is a variable itself.
    !std && word(&strings.image, at).is_some_and(|to| to != 0)
}

/// The constant that an argument is.
fn pattern<'a>(calls: &Calls<'_, 'a>, machine: &Interpreter, position: usize) -> Option<&'a str> {
    let (Value::Address(address), Value::Number(len @ 1..=LONGEST)) =
        (calls.argument(machine, position), calls.argument(machine, position + 1))
    else {
        return None;
    };
    if !calls.image.is_constant_data(address) {
        return None;
    }
    std::str::from_utf8(calls.image.bytes_at(address, len)?).ok()
}

/// A word in data as the program finds it when it starts.
fn word(image: &Image<'_>, address: u64) -> Option<u64> {
    if let Some(target) = image.relocation_at(address) {
        return Some(target);
    }
    image.bytes_at(address, 8)?.first_chunk().map(|&bytes| u64::from_le_bytes(bytes))
}
