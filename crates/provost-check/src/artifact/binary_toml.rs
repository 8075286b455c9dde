//! Facts of an executable as a rule page states them, so that a page needs no real binary.
//!
//! ```toml
//! path = "bin/checkout"            # default: bin/app
//! go = "go1.27.3"                  # leave out for a program that is not Go
//! main = "example.com/shop/checkout"
//! machine = "amd64"
//! interp = "/lib64/ld-linux-x86-64.so.2"
//! needed = ["libc.so.6"]
//! pie = true
//! runpath = "$ORIGIN/lib"
//! glibc = 38                       # the newest GLIBC_2.n that it wants
//! build_id = "x/y"                 # Go's
//! sha256 = "aaaa"                  # of the file
//! functions = ["os/signal.Notify"] # those of facts::symbols; absence is proof unless:
//! complete = false
//! obfuscated = true
//! signals = [2]                    # what main.main asks for; without it SIGTERM; [] is not clear
//! ignores = [15]                   # what main.main has ignored; [] is not clear
//! in_image = true                  # it is the program of the image that image.toml states
//! packages = ["net/http"]
//! deps = ["golang.org/x/net@v0.50.0", "example.com/lib@v1.0.0 => ../lib"]
//! strings = ["/healthz"]           # constants of the main module
//!                                  # ... a name right before an address has it as its default,
//!                                  # and one right before "127.0.0.1:" is joined with it
//! routes = ["GET /healthz"]        # its servers go by these patterns only; without it a function answers
//! streams = ["/shop.Orders/Watch"] # methods of gRPC with a stream for an answer
//! grpc = "GRPC_PORT"               # where its gRPC server listens: a setting, or ":9090"
//! mixed = true                     # ... and it may serve several protocols on one port
//! tls = false                      # whether a server asks for TLS; without it where a function that serves TLS is linked
//! max_connection_age = "set"       # of its gRPC servers, or "unclear"
//! numbers = [9090]                 # constants of its code
//! calls = ["os.CreateTemp"]        # functions that code other than the standard library's calls
//! std_strings = ["/etc/hosts"]     # constants of the standard library
//! unreadable = "no string section" # the program's text cannot be read
//! [settings]
//! CGO_ENABLED = "1"
//! [godebug]
//! containermaxprocs = "0"          # DefaultGODEBUG
//! [[servers]]                      # each server of HTTP with a multiplexer of its own
//! listens = "HTTP_PORT"            # a setting, or ":8080"
//! routes = ["GET /healthz"]
//! handler = "why it is not known"  # it has none
//! ```

mod servers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use goformats::gostrings::{PathIn, path_in};
use goformats::version::GoVersion;
use serde::Deserialize;

use self::servers::{PageServer, endpoints};
use crate::artifact::{Source, SourceKind, Sources};
use crate::facts::binary::{Binary, BinaryFormat, Functions, GoProgram, Module};
use crate::facts::program_text::{
    AskedSignals, ConnectionAge, Endpoints, IgnoredTermination, JoinedHost, ListenText,
    ListenTexts, NumberPresence, ProgramString, ProgramText, Route, TextKind, TextOwner,
    TextPresence, VariableRead, VariableReads,
};
use crate::facts::{Fact, Origin, symbols};
use crate::model::names;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Page {
    path: String,
    go: Option<String>,
    main: String,
    machine: String,
    format: String,
    interp: Option<String>,
    needed: Vec<String>,
    runpath: Option<String>,
    glibc: Option<u16>,
    build_id: Option<String>,
    sha256: Option<String>,
    pie: bool,
    symtab: bool,
    dwarf: bool,
    size: u64,
    functions: Vec<String>,
    complete: bool,
    obfuscated: bool,
    signals: Option<Vec<u8>>,
    ignores: Option<Vec<u8>>,
    in_image: bool,
    packages: BTreeSet<String>,
    deps: Vec<String>,
    module_version: String,
    strings: Vec<String>,
    std_strings: Vec<String>,
    dep_strings: Vec<String>,
    numbers: Vec<u16>,
    routes: Option<Vec<String>>,
    streams: Vec<String>,
    reads: Vec<String>,
    unclear_reads: Vec<String>,
    sets: bool,
    calls: Vec<String>,
    servers: Vec<PageServer>,
    grpc: Option<String>,
    mixed: bool,
    tls: Option<bool>,
    max_connection_age: Option<String>,
    unreadable: Option<String>,
    settings: BTreeMap<String, String>,
    godebug: BTreeMap<String, String>,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            path: "bin/app".to_owned(),
            go: None,
            main: "example.com/app".to_owned(),
            machine: "amd64".to_owned(),
            format: "elf".to_owned(),
            interp: None,
            needed: Vec::new(),
            runpath: None,
            glibc: None,
            build_id: None,
            sha256: None,
            pie: false,
            symtab: false,
            dwarf: false,
            size: 8 << 20,
            functions: Vec::new(),
            complete: true,
            obfuscated: false,
            signals: None,
            ignores: None,
            in_image: false,
            packages: BTreeSet::new(),
            deps: Vec::new(),
            module_version: "(devel)".to_owned(),
            strings: Vec::new(),
            std_strings: Vec::new(),
            dep_strings: Vec::new(),
            numbers: Vec::new(),
            routes: None,
            streams: Vec::new(),
            reads: Vec::new(),
            unclear_reads: Vec::new(),
            sets: false,
            calls: Vec::new(),
            servers: Vec::new(),
            grpc: None,
            mixed: false,
            tls: None,
            max_connection_age: None,
            unreadable: None,
            settings: BTreeMap::new(),
            godebug: BTreeMap::new(),
        }
    }
}

/// The text of a page's program: exactly the strings it lists.
#[derive(Debug)]
struct ListedText {
    strings: Result<Vec<ProgramString>, &'static str>,
    all: Vec<(String, Origin)>,
    numbers: Vec<(u16, Origin)>,
    listens: ListenTexts,
    signals: AskedSignals,
    ignores: IgnoredTermination,
    variables: VariableReads,
    routes: Result<Vec<Route>, &'static str>,
    streams: Vec<String>,
    /// It calls `os.Setenv`.
    sets: bool,
    /// Functions that it calls.
    calls: Vec<String>,
    endpoints: Option<Endpoints>,
    tls: bool,
    age: ConnectionAge,
}

impl ListedText {
    /// A text other than the standard library's that holds the digits by themselves.
    fn with_digits(&self, digits: &str) -> NumberPresence {
        let strings = match &self.strings {
            Ok(strings) => strings,
            Err(why) => return NumberPresence::Unknown(why),
        };
        let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        let holds = |text: &str| {
            text.match_indices(digits).any(|(at, _)| {
                let before = at.checked_sub(1).and_then(|at| text.as_bytes().get(at));
                (digits.starts_with(':') || !digit(before))
                    && !digit(text.as_bytes().get(at + digits.len()))
            })
        };
        let own = |s: &&ProgramString| s.owner != TextOwner::Std && holds(&s.text);
        match strings.iter().find(own) {
            Some(string) => NumberPresence::Present(string.origin.clone()),
            None => NumberPresence::Absent,
        }
    }
}

impl ProgramText for ListedText {
    fn streams(&self) -> Vec<String> {
        self.streams.clone()
    }

    fn endpoints(&self) -> Result<&Endpoints, &str> {
        self.endpoints.as_ref().ok_or("the servers of main.main are not known")
    }

    fn serves_tls(&self) -> Result<bool, &'static str> {
        self.strings.as_ref().map(|_| self.tls).map_err(|why| *why)
    }

    fn connection_age(&self) -> Result<ConnectionAge, &'static str> {
        self.strings.as_ref().map(|_| self.age.clone()).map_err(|why| *why)
    }

    fn find(&self, text: &str) -> TextPresence {
        if let Err(why) = &self.strings {
            return TextPresence::Unknown(why);
        }
        match self.all.iter().find(|(s, _)| s.contains(text)) {
            Some((_, origin)) => TextPresence::Present(origin.clone()),
            None => TextPresence::Absent,
        }
    }

    fn find_path(&self, path: &str) -> TextPresence {
        if let Err(why) = &self.strings {
            return TextPresence::Unknown(why);
        }
        let mut longer = false;
        for (text, origin) in &self.all {
            match path_in(text, path) {
                PathIn::Served => return TextPresence::Present(origin.clone()),
                PathIn::Longer => longer = true,
                PathIn::Not => {}
            }
        }
        if longer {
            return TextPresence::Unknown("a longer text of it holds the path");
        }
        TextPresence::Absent
    }

    fn find_port(&self, port: u16) -> NumberPresence {
        self.with_digits(&format!(":{port}"))
    }

    fn find_number(&self, number: u16) -> NumberPresence {
        match self.with_digits(&number.to_string()) {
            NumberPresence::Absent => {}
            found => return found,
        }
        match self.numbers.iter().find(|(own, _)| *own == number) {
            Some((_, origin)) => NumberPresence::Present(origin.clone()),
            None => NumberPresence::Absent,
        }
    }

    fn calls(&self, name: &str) -> Result<bool, &'static str> {
        let calls =
            self.sets && name == "os.Setenv" || self.calls.iter().any(|known| known == name);
        self.strings.as_ref().map(|_| calls).map_err(|why| *why)
    }

    fn constant(&self, text: &str) -> Result<Option<Origin>, &'static str> {
        let own = |s: &&ProgramString| s.owner != TextOwner::Std && s.text == text;
        Ok(self.strings()?.iter().find(own).map(|s| s.origin.clone()))
    }

    fn own_constant(&self, text: &str) -> Result<Option<Origin>, &'static str> {
        let own = |s: &&ProgramString| s.owner == TextOwner::Main && s.text == text;
        Ok(self.strings()?.iter().find(own).map(|s| s.origin.clone()))
    }

    fn slip(&self, name: &str) -> Result<Option<(String, Origin)>, &'static str> {
        let own = || self.strings.as_ref().map_err(|why| *why);
        if own()?.iter().any(|s| s.text == name) {
            return Ok(None);
        }
        let own: Vec<_> = own()?.iter().filter(|s| s.owner != TextOwner::Std).collect();
        let meant = names::meant(name, own.iter().map(|s| s.text.as_str()));
        let found = own.iter().find(|s| Some(s.text.as_str()) == meant);
        Ok(found.map(|string| (string.text.clone(), string.origin.clone())))
    }

    fn listens(&self) -> Result<&ListenTexts, &'static str> {
        self.strings.as_ref().map_err(|why| *why)?;
        Ok(&self.listens)
    }

    fn signals(&self) -> Result<AskedSignals, &'static str> {
        Ok(self.signals.clone())
    }

    fn ignores_termination(&self) -> Result<IgnoredTermination, &'static str> {
        Ok(self.ignores.clone())
    }

    fn variable_reads(&self) -> Result<&VariableReads, &'static str> {
        self.strings.as_ref().map_err(|why| *why)?;
        Ok(&self.variables)
    }

    fn routes(&self) -> Result<&[Route], &str> {
        self.routes.as_deref().map_err(|why| *why)
    }

    fn strings(&self) -> Result<&[ProgramString], &'static str> {
        self.strings.as_deref().map_err(|why| *why)
    }
}

/// Reads a `binary.toml` block.
///
/// # Panics
///
/// When the block is not valid: it is part of a test.
pub(crate) fn load(sources: &mut Sources, text: &str) -> Binary {
    let page: Page = toml::from_str(text).expect("binary.toml");
    let mut source = Source::opaque(page.path.clone(), SourceKind::Binary);
    source.named = !page.in_image;
    let source = sources.add(source);
    let at = |section: &str, address: u64| Origin::binary(source, section, Some(address));
    let info = || at(".go.buildinfo", 0x66_0000);
    let go = page.go.as_deref().map(|version| {
        let origin = |i: usize| at(".rodata", 0x50_0000 + 64 * u64::try_from(i).unwrap_or(0));
        let mut strings = Vec::new();
        let mut all = Vec::new();
        // A pattern is a constant, too.
        let of_servers = page.servers.iter().flat_map(|server| &server.routes);
        let patterns = page.routes.iter().flatten().chain(of_servers);
        let known = !page.servers.is_empty() && page.servers.iter().all(|s| s.handler.is_none());
        let owned = page.strings.iter().chain(patterns.clone()).map(|s| (s, TextOwner::Main));
        let route = |(i, pattern): (usize, &String)| Route {
            pattern: pattern.clone(),
            function: "main.main".to_owned(),
            origin: at(".text", 0x40_4000 + 16 * u64::try_from(i).unwrap_or(0)),
            mux: None,
        };
        let routes =
            (known || page.routes.is_some()).then(|| patterns.enumerate().map(route).collect());
        let std = page.std_strings.iter().map(|s| (s, TextOwner::Std));
        let library = TextOwner::Dependency("example.com/library".to_owned());
        let library = page.dep_strings.iter().map(|s| (s, library.clone()));
        for (i, (text, owner)) in owned.chain(std).chain(library).enumerate() {
            all.push((text.clone(), origin(i)));
            strings.push(ProgramString {
                text: text.clone(),
                kind: kind_of(text),
                owner,
                origin: origin(i),
                function: Some("main.main".to_owned()),
            });
        }
        let listens = listens(&strings);
        let found = page
            .functions
            .iter()
            .map(|name| {
                let symbol = symbols::ALL
                    .iter()
                    .find(|s| s.0 == name)
                    .unwrap_or_else(|| panic!("{name} is not in facts::symbols"));
                (*symbol, at(".text", 0x40_1000))
            })
            .collect();
        GoProgram {
            version: Fact::written(GoVersion::parse(version).expect("go version"), info()),
            main_package: Some(Fact::written(page.main.clone(), info())),
            main_module: Some(Fact::written(
                Module {
                    path: page.main.clone(),
                    version: page.module_version.clone(),
                    replace: None,
                },
                info(),
            )),
            deps: page.deps.iter().map(|d| Fact::written(dep(d), info())).collect(),
            settings: page
                .settings
                .iter()
                .map(|(k, v)| (k.clone(), Fact::written(v.clone(), info())))
                .collect(),
            default_godebug: page
                .godebug
                .iter()
                .map(|(k, v)| (k.clone(), Fact::written(v.clone(), info())))
                .collect(),
            packages: page.packages.clone(),
            functions: Functions { complete: page.complete, found },
            obfuscated: page.obfuscated,
            text: Arc::new(ListedText {
                strings: if page.unreadable.is_some() {
                    Err("the string sections cannot be read")
                } else {
                    Ok(strings)
                },
                all,
                numbers: page.numbers.iter().map(|n| (*n, at(".text", 0x40_1000))).collect(),
                listens,
                variables: VariableReads {
                    reads: page
                        .reads
                        .iter()
                        .enumerate()
                        .map(|(i, name)| VariableRead {
                            name: name.clone(),
                            function: "main.main".to_owned(),
                            origin: at(".text", 0x40_3000 + 16 * u64::try_from(i).unwrap_or(0)),
                        })
                        .collect(),
                    unclear: page.unclear_reads.clone(),
                    ..VariableReads::default()
                },
                streams: page.streams.clone(),
                routes: routes.ok_or(
                    "the server of main.main has a net/http.HandlerFunc, which may answer any path",
                ),
                sets: page.sets,
                calls: page.calls.clone(),
                endpoints: endpoints(&page, &at(".text", 0x40_4000)),
                tls: page.tls.unwrap_or_else(|| {
                    page.functions
                        .iter()
                        .any(|name| name.starts_with("crypto/tls.") || name.ends_with("TLS"))
                }),
                age: match page.max_connection_age.as_deref() {
                    None => ConnectionAge::Unset,
                    Some("set") => ConnectionAge::Set(at(".text", 0x40_5000)),
                    Some(_) => ConnectionAge::Unclear("main.main".to_owned()),
                },
                ignores: match &page.ignores {
                    Some(none) if none.is_empty() => {
                        IgnoredTermination::Unknown { function: Some("main.main".to_owned()) }
                    }
                    Some(numbers) if numbers.contains(&15) => IgnoredTermination::Yes {
                        function: "main.main".to_owned(),
                        origin: at(".text", 0x40_2100),
                    },
                    _ => IgnoredTermination::No,
                },
                signals: match &page.signals {
                    None => AskedSignals::Termination,
                    Some(none) if none.is_empty() => {
                        AskedSignals::Unknown { function: Some("main.main".to_owned()) }
                    }
                    Some(numbers) => AskedSignals::Others {
                        numbers: numbers.clone(),
                        function: "main.main".to_owned(),
                        origin: at(".text", 0x40_2000),
                    },
                },
            }),
        }
    });
    Binary {
        source,
        path: page.path.clone(),
        built_from: None,
        built_here: false,
        toolchain_line: None,
        in_image: page
            .in_image
            .then(|| {
                // Without its image.toml it is what it looks like.
                let image = sources.iter().find(|(_, source)| source.kind == SourceKind::Image);
                image.map(|(id, _)| id)
            })
            .flatten(),
        size: page.size,
        format: match page.format.as_str() {
            "elf" => BinaryFormat::Elf,
            "macho" => BinaryFormat::MachO,
            "pe" => BinaryFormat::Pe,
            "upx" => BinaryFormat::Packed("UPX".to_owned()),
            other => panic!("format {other}"),
        },
        machine: Some(Fact::written(page.machine.clone(), at("ELF header", 0))),
        pie: page.pie,
        interp: page.interp.clone().map(|p| Fact::written(p, at("PT_INTERP", 0x40_0f80))),
        needed: page
            .needed
            .iter()
            .map(|n| Fact::written(n.clone(), at(".dynamic", 0x66_1000)))
            .collect(),
        rpath: None,
        runpath: page.runpath,
        glibc: page.glibc.map(|minor| Fact::written(minor, at(".gnu.version_r", 0x40_2000))),
        build_id: page.build_id,
        sha256: page.sha256,
        has_symtab: page.symtab,
        has_dwarf: page.dwarf,
        dwarf_size: if page.dwarf { 2 << 20 } else { 0 },
        obfuscated: page.obfuscated,
        go,
    }
}

/// Addresses among the strings, each the default of the name that stands right before it.
fn listens(strings: &[ProgramString]) -> ListenTexts {
    let port = |text: &str| {
        let (host, digits) = text.rsplit_once(':').unwrap_or(("", text));
        let own = matches!(host, "" | "0.0.0.0" | "[::]" | "localhost" | "127.0.0.1" | "[::1]");
        digits.parse::<u16>().ok().filter(|port| own && *port > 9)
    };
    let is_name = |text: &str| {
        let lower = text.to_ascii_lowercase();
        port(text).is_none()
            && ["port", "addr", "listen", "bind"].iter().any(|word| lower.contains(word))
    };
    let before = std::iter::once(None).chain(strings.iter().map(Some));
    let texts = strings.iter().zip(before).filter_map(|(string, before)| {
        let name = before.filter(|s| s.owner == string.owner && is_name(&s.text));
        Some(ListenText {
            text: string.text.clone(),
            port: port(&string.text)?,
            origin: string.origin.clone(),
            owner: string.owner.clone(),
            function: string.function.clone(),
            name: name.map(|s| s.text.clone()),
            certain: name.is_some(),
        })
    });
    let texts = texts.collect();
    let own = || strings.iter().filter(|s| s.owner != TextOwner::Std);
    let others = own().any(|s| matches!(s.text.as_str(), ":" | "0.0.0.0:" | ":%s" | ":%d"));
    let before = std::iter::once(None).chain(strings.iter().map(Some));
    let hosts = strings.iter().zip(before).filter(|(s, _)| {
        matches!(s.text.as_str(), "127.0.0.1:" | "localhost:" | "127.0.0.1:%s" | "localhost:%s")
    });
    let joined = hosts.map(|(string, before)| {
        let name = before.filter(|s| is_name(&s.text)).map(|s| s.text.clone());
        let once = own().filter(|s| Some(&s.text) == name.as_ref()).count() == 1;
        JoinedHost {
            text: string.text.clone(),
            origin: string.origin.clone(),
            owner: string.owner.clone(),
            function: string.function.clone(),
            certain: once && !others,
            name,
        }
    });
    let joined = joined.collect();
    ListenTexts { texts, joined, ..ListenTexts::default() }
}

fn dep(text: &str) -> Module {
    let (module, replace) = match text.split_once(" => ") {
        Some((module, replace)) => (module, Some(replace.to_owned())),
        None => (text, None),
    };
    let (path, version) = module.split_once('@').unwrap_or((module, ""));
    Module { path: path.to_owned(), version: version.to_owned(), replace }
}

/// Rough kinds, enough for pages; real binaries are classified by `goformats`.
fn kind_of(text: &str) -> TextKind {
    let is_ip = |t: &str| t.parse::<core::net::IpAddr>().is_ok();
    let host_port = text.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    if is_ip(text) {
        TextKind::Ip
    } else if text.contains("://") {
        TextKind::Url
    } else if host_port.is_some() {
        TextKind::HostPort
    } else if text.starts_with("-----BEGIN ") {
        TextKind::Pem
    } else if text.contains(".svc") {
        TextKind::ClusterHost
    } else if text.starts_with('/') {
        TextKind::AbsolutePath
    } else if text.len() > 2 && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') {
        TextKind::EnvName
    } else if text.contains('/') && text.starts_with(|c: char| c.is_ascii_uppercase()) {
        TextKind::ZoneName
    } else {
        TextKind::Other
    }
}
