//! Which server of a program listens where, and what each answers.
//!
//! An `http.Server` has its address at [`ADDRESS`] and its handler behind it. Where both are read off the function that
//! makes it, requests to a port go to one multiplexer, and patterns of another do not answer them. An address is a text,
//! or what a setting says: `":" + envOr("HTTP_PORT", "8080")`, whose name is an argument of the call that gives it.

use rustc_hash::FxHashMap;

use super::follow::{Call, Calls, Interpreter, Value};
use super::image::Image;
use super::owner::Owner;
use super::routes::{Route, Server, Unrouted};
use super::{Strings, follow};
use crate::pclntab::package_of;

/// The offset of `Addr` in `http.Server` (Go 1.0 to 1.27).
pub(super) const ADDRESS: i64 = 0;
/// Calls that are looked at.
const CALLS: usize = 4096;
/// Texts that are longer are no addresses, and no names of settings.
const LONGEST: u64 = 256;
/// Calls that lead to an address.
const DEPTH: usize = 4;

/// Functions that open a port, other than those of `http.Server`.
const LISTENING: [&str; 14] = [
    "net.Listen",
    "net.ListenTCP",
    "net.ListenPacket",
    "net.ListenUDP",
    "net.(*ListenConfig).Listen",
    "net.(*ListenConfig).ListenPacket",
    "net.FileListener",
    "net.FilePacketConn",
    "crypto/tls.Listen",
    "net/http.Serve",
    "net/http.ServeTLS",
    "net/http.(*Server).Serve",
    "net/http.(*Server).ServeTLS",
    "golang.org/x/sys/unix.Listen",
];

/// Packages that open ports by the kernel's own calls, or have somebody else do it.
const OTHERS: [&str; 3] =
    ["github.com/quic-go/quic-go", "runtime/cgo", "github.com/coreos/go-systemd"];

/// A multiplexer of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mux {
    /// `http.DefaultServeMux`.
    Default,
    /// The one that the function at this address allocates, by its number among what that allocates.
    Made(u64, u32),
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addr<'a> {
    /// As written: `:9465`.
    Text(&'a str),
    /// What a setting of that name says, with a colon or a host in front of it or alone.
    Setting(&'a str),
    /// It is not known.
    Unknown,
}

/// The servers of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints<'a> {
    /// Those of HTTP.
    pub servers: Vec<Server<'a>>,
    /// Every pattern that is registered.
    pub routes: Vec<Route<'a>>,
    /// Where the gRPC server listens, if there is one that has a listener.
    pub grpc: Option<Addr<'a>>,
    /// gRPC, or several protocols on one port, may be served by a server of HTTP or behind a listener that is shared.
    pub mixed: bool,
    /// Nothing else of the program listens.
    pub complete: bool,
}

/// Whether gRPC servers end connections after a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionAge<'a> {
    /// No call sets it.
    Unset,
    /// `MaxConnectionAge` is set by this function, at the address of the call.
    Set {
        /// The function.
        function: &'a str,
        /// The call.
        at: u64,
    },
    /// It cannot be told what this function sets.
    Unclear(&'a str),
}

/// What a call gave, as far as addresses are made of it.
#[derive(Clone, Copy)]
enum Made<'a> {
    /// A setting of that name.
    Setting(&'a str),
    /// A text before what another call gave.
    Joined(u32),
    /// A listener on an address.
    Listener(Text<'a>),
}

#[derive(Clone, Copy)]
enum Text<'a> {
    Constant(&'a str),
    Of(u32),
    Unknown,
}

/// What the calls of one function gave.
#[derive(Default)]
pub(super) struct Results<'a> {
    made: FxHashMap<u32, Made<'a>>,
}

impl<'a> Results<'a> {
    /// Notes what a call will give.
    pub(super) fn note(
        &mut self,
        strings: &Strings<'a>,
        calls: &Calls<'_, 'a>,
        machine: &Interpreter,
        call: Call<'a>,
    ) {
        if self.made.len() >= CALLS {
            return;
        }
        let made = match call.callee {
            "" => return,
            "runtime.concatstring2" => match calls.argument(machine, 3) {
                Value::Returned(id, 0) if constant(calls, machine, 1).is_some() => Made::Joined(id),
                _ => return,
            },
            "net.JoinHostPort" => match calls.argument(machine, 2) {
                Value::Returned(id, 0) => Made::Joined(id),
                _ => return,
            },
            "net.Listen" => Made::Listener(text(calls, machine, 2)),
            "os.Getenv" | "syscall.Getenv" => match constant(calls, machine, 0) {
                Some(name) => Made::Setting(name),
                None => return,
            },
            name if strings.is_of_std(name) => return,
            _ => match constant(calls, machine, 0) {
                Some(name) => Made::Setting(name),
                None => return,
            },
        };
        self.made.insert(machine.next_result(), made);
    }

    /// The address that a text is.
    pub(super) fn address(
        &self,
        calls: &Calls<'_, 'a>,
        pointer: Option<Value>,
        len: Option<Value>,
    ) -> Addr<'a> {
        match (pointer, len) {
            (Some(Value::Address(at)), Some(Value::Number(len @ 1..=LONGEST))) => {
                constant_at(calls.image, at, len).map_or(Addr::Unknown, Addr::Text)
            }
            (Some(Value::Returned(id, 0)), _) => self.setting(id),
            _ => Addr::Unknown,
        }
    }

    fn setting(&self, mut id: u32) -> Addr<'a> {
        for _ in 0..DEPTH {
            match self.made.get(&id) {
                Some(Made::Setting(name)) => return Addr::Setting(name),
                Some(Made::Joined(inner)) => id = *inner,
                _ => break,
            }
        }
        Addr::Unknown
    }

    fn listeners(&self) -> impl Iterator<Item = Addr<'a>> {
        self.made.values().filter_map(|made| match made {
            Made::Listener(Text::Constant(text)) => Some(Addr::Text(text)),
            Made::Listener(Text::Of(id)) => Some(self.setting(*id)),
            Made::Listener(Text::Unknown) => Some(Addr::Unknown),
            _ => None,
        })
    }
}

impl<'a> Strings<'a> {
    /// The servers of the program, with what each answers; why that is not known otherwise. A few passes over the code.
    pub fn endpoints(&self) -> Result<Endpoints<'a>, Unrouted<'a>> {
        let (routes, servers) = self.routed()?;
        let (grpc, mixed) = self.grpc_address();
        // A listener of its own that is not gRPC's is somebody else's, too.
        let of_grpc = matches!(grpc, Some(Addr::Text(_) | Addr::Setting(_)));
        let known = grpc.is_none() || of_grpc;
        let listens = LISTENING.iter().any(|name| {
            let is_of_grpc = of_grpc && *name == "net.Listen";
            !is_of_grpc && self.is_used(name, &|_| false)
        });
        let is_other = |package: &str| OTHERS.iter().any(|other| package.starts_with(other));
        // The net package has that function in a variable.
        let others = self.calls("syscall.Listen")
            || self.functions.functions().any(|f| package_of(f.name).is_some_and(is_other));
        let complete = known && !listens && !others;
        Ok(Endpoints { servers, routes, grpc, mixed, complete })
    }

    /// Where a gRPC server listens: the one listener that the program opens by `net.Listen`, where nothing else could
    /// have that.
    fn grpc_address(&self) -> (Option<Addr<'a>>, bool) {
        const GRPC: &str = "google.golang.org/grpc";
        let of_grpc = |name: &str| package_of(name) == Some(GRPC);
        let mixed = self.functions.functions().any(|function| {
            package_of(function.name).is_some_and(|package| {
                package.starts_with("github.com/soheilhy/cmux")
                    || package.starts_with("golang.org/x/net/http2/h2c")
                    || package.starts_with("connectrpc.com/")
                    || package.starts_with("github.com/bufbuild/connect-go")
            })
        });
        let mixed = mixed || self.is_used("google.golang.org/grpc.(*Server).ServeHTTP", &of_grpc);
        if !self.is_used("google.golang.org/grpc.(*Server).Serve", &of_grpc) {
            return (None, mixed);
        }
        let shared = [
            "net/http.(*Server).Serve",
            "net/http.(*Server).ServeTLS",
            "net/http.Serve",
            "net/http.ServeTLS",
            "net.(*ListenConfig).Listen",
            "net.ListenTCP",
            "net.FileListener",
            "crypto/tls.Listen",
        ];
        if shared.iter().any(|name| self.is_used(name, &|_| false)) {
            return (Some(Addr::Unknown), mixed);
        }
        (Some(self.only_listener().unwrap_or(Addr::Unknown)), mixed)
    }

    /// The address of the one listener that code outside of the standard library opens.
    fn only_listener(&self) -> Option<Addr<'a>> {
        let listen = self.functions.functions().find(|f| f.name == "net.Listen")?.address;
        let targets = [listen];
        let calls = self.calls_of(&targets);
        if calls.through_variables() {
            return None;
        }
        let callers = calls.callers(CALLS, |name| !self.is_of_std(name))?;
        let [function] = callers.as_slice() else { return None };
        let mut results = Results::default();
        calls.walk(function, |machine, call| results.note(self, &calls, machine, call))?;
        let mut all = results.listeners();
        all.next().filter(|_| all.next().is_none())
    }

    /// Whether code calls a function, or has it as a value: other than the standard library's, and none of those that
    /// are left out.
    pub fn is_used(&self, name: &str, leaves_out: &dyn Fn(&str) -> bool) -> bool {
        let functions = || self.functions.functions();
        let Some(function) = functions().find(|function| function.name == name) else {
            return false;
        };
        let as_value = |f: &str| f.strip_suffix("-fm") == Some(name);
        if functions().any(|function| as_value(function.name)) {
            return true;
        }
        let targets = [function.address];
        let calls = self.calls_of(&targets);
        calls.through_variables()
            || calls
                .callers(CALLS, |caller| !self.is_of_std(caller) && !leaves_out(caller))
                .is_none_or(|callers| !callers.is_empty())
    }

    /// Whether code other than the standard library's may hold the body of one of the functions in the place of a call:
    /// inline trees say it from Go 1.20 on.
    fn is_inlined(&self, names: &[&str], leaves_out: &dyn Fn(&str) -> bool) -> bool {
        if self.minor.is_none_or(|minor| minor < 20) {
            return true;
        }
        let memory = |address, len| self.image.bytes_at(address, len);
        self.functions
            .functions()
            .filter(|caller| !self.is_of_std(caller.name) && !leaves_out(caller.name))
            .any(|caller| {
                !self.functions.inlined(&caller, memory, |of| names.contains(&of)).is_empty()
            })
    }

    /// Whether a server may speak TLS: code that is not gRPC's own asks for it.
    pub fn serves_tls(&self) -> bool {
        let of_grpc = |name: &str| name.starts_with("google.golang.org/grpc");
        let servers = [
            "net/http.(*Server).ServeTLS",
            "net/http.(*Server).ListenAndServeTLS",
            "net/http.ServeTLS",
            "net/http.ListenAndServeTLS",
            "crypto/tls.NewListener",
            "crypto/tls.Listen",
            "crypto/tls.Server",
            "crypto/tls.QUICServer",
        ];
        servers.iter().any(|name| self.is_used(name, &of_grpc))
            // So short that they mostly stand in their callers.
            || self.is_inlined(&["crypto/tls.NewListener", "crypto/tls.Server"], &of_grpc)
    }

    /// Whether `MaxConnectionAge` of `keepalive.ServerParameters` is set, the second of five words that
    /// `grpc.KeepaliveParams` takes.
    pub fn connection_age(&self) -> ConnectionAge<'a> {
        const SETTER: &str = "google.golang.org/grpc.KeepaliveParams";
        let functions = || self.functions.functions();
        let Some(setter) = functions().find(|function| function.name == SETTER) else {
            // What is left of it where its body was put into its caller's.
            let left = functions()
                .find(|f| f.name.strip_prefix(SETTER).is_some_and(|rest| rest.starts_with('.')));
            return left.map_or(ConnectionAge::Unset, |f| ConnectionAge::Unclear(f.name));
        };
        let unclear = ConnectionAge::Unclear(setter.name);
        if self.minor.is_none_or(|minor| minor < follow::REGISTERS) {
            return unclear;
        }
        let targets = [setter.address];
        let calls = self.calls_of(&targets);
        if calls.through_variables() {
            return unclear;
        }
        let Some(callers) = calls.callers(CALLS, |_| true) else { return unclear };
        let mut found = ConnectionAge::Unset;
        for function in callers {
            let ages = calls.follow(&function, |machine, _| calls.argument(machine, 1));
            if ages.is_empty() {
                found = ConnectionAge::Unclear(function.name);
            }
            for (at, age) in ages {
                match age {
                    Value::Number(0) => {}
                    Value::Number(_) => {
                        return ConnectionAge::Set { function: function.name, at };
                    }
                    _ => found = ConnectionAge::Unclear(function.name),
                }
            }
        }
        found
    }

    pub(super) fn is_of_std(&self, function: &str) -> bool {
        package_of(function).is_some_and(|package| self.owners.of_package(package) == Owner::Std)
    }
}

fn text<'a>(calls: &Calls<'_, 'a>, machine: &Interpreter, position: usize) -> Text<'a> {
    match calls.argument(machine, position) {
        Value::Returned(id, 0) => Text::Of(id),
        _ => constant(calls, machine, position).map_or(Text::Unknown, Text::Constant),
    }
}

/// The constant that two words of the arguments are.
fn constant<'a>(calls: &Calls<'_, 'a>, machine: &Interpreter, position: usize) -> Option<&'a str> {
    match (calls.argument(machine, position), calls.argument(machine, position + 1)) {
        (Value::Address(at), Value::Number(len @ 1..=LONGEST)) => constant_at(calls.image, at, len),
        _ => None,
    }
}

fn constant_at<'a>(image: &Image<'a>, at: u64, len: u64) -> Option<&'a str> {
    if !image.is_constant_data(at) {
        return None;
    }
    std::str::from_utf8(image.bytes_at(at, len)?).ok()
}
