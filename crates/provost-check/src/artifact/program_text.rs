//! The text inside a mapped executable, recovered when a rule asks for it.

use std::sync::{Mutex, OnceLock, PoisonError};

use goformats::binary::read;
use goformats::gostrings::{
    Addr, ConnectionAge as Age, Doubt, Ignored, Kind, Number, Owner, Presence, Signals, Strings,
    Unrouted, Where,
};
use goformats::limits::Limits;
use rustc_hash::FxHashMap;
use self_cell::self_cell;

use super::binary::Bytes;
use crate::facts::program_text::{
    AskedSignals, ConnectionAge, Endpoints, HttpServer, IgnoredTermination, JoinedHost, ListenText,
    ListenTexts, NumberPresence, ProgramString, ProgramText, Route, ServerAddress, TextKind,
    TextOwner, TextPresence, VariableRead, VariableReads,
};
use crate::facts::{Origin, SourceId};
use crate::model::names;

type Found<'a> = Option<Strings<'a>>;

self_cell!(
    /// The strings beside the bytes they lie in.
    struct Recovered {
        owner: Bytes,
        #[not_covariant]
        dependent: Found,
    }
);

const UNREADABLE: &str =
    "its text can be read in amd64 and arm64 programs with an intact function table only";

type Answers<Q, A> = Mutex<FxHashMap<Q, A>>;

/// The answer that was given before, or one that is kept.
fn remembered<Q: Eq + std::hash::Hash, A: Clone>(
    answers: &Answers<Q, A>,
    question: Q,
    answer: impl FnOnce() -> A,
) -> A {
    // Nothing panics while it holds the lock.
    let answers = || answers.lock().unwrap_or_else(PoisonError::into_inner);
    let known = answers().get(&question).cloned();
    known.unwrap_or_else(|| {
        let answer = answer();
        answers().insert(question, answer.clone());
        answer
    })
}

/// What a word may be a slip of, and where that stands.
type Slip = (String, Origin);

/// The text of a mapped executable.
pub struct MappedText {
    source: SourceId,
    bytes: Bytes,
    limits: Limits,
    recovered: OnceLock<Recovered>,
    strings: OnceLock<Result<Vec<ProgramString>, &'static str>>,
    signals: OnceLock<Result<AskedSignals, &'static str>>,
    ignored: OnceLock<Result<IgnoredTermination, &'static str>>,
    listens: OnceLock<Result<ListenTexts, &'static str>>,
    variables: OnceLock<Result<VariableReads, &'static str>>,
    routes: OnceLock<Result<Vec<Route>, String>>,
    endpoints: OnceLock<Result<Endpoints, String>>,
    tls: OnceLock<Result<bool, &'static str>>,
    age: OnceLock<Result<ConnectionAge, &'static str>>,
    /// Answers that were given: a hundred containers ask for one path.
    found: Answers<Box<str>, TextPresence>,
    paths: Answers<Box<str>, TextPresence>,
    calls: Answers<Box<str>, Result<bool, &'static str>>,
    slips: Answers<Box<str>, Result<Option<Slip>, &'static str>>,
}

impl MappedText {
    /// Nothing is read before the first question.
    pub fn new(source: SourceId, bytes: Bytes, limits: Limits) -> Self {
        Self {
            source,
            bytes,
            limits,
            recovered: OnceLock::new(),
            strings: OnceLock::new(),
            signals: OnceLock::new(),
            ignored: OnceLock::new(),
            listens: OnceLock::new(),
            variables: OnceLock::new(),
            routes: OnceLock::new(),
            endpoints: OnceLock::new(),
            tls: OnceLock::new(),
            age: OnceLock::new(),
            found: Mutex::default(),
            paths: Mutex::default(),
            calls: Mutex::default(),
            slips: Mutex::default(),
        }
    }

    fn recovered(&self) -> &Recovered {
        self.recovered.get_or_init(|| {
            Recovered::new(self.bytes.clone(), |bytes| {
                Strings::read(&read(bytes, &self.limits), &self.limits)
            })
        })
    }

    /// Looks through the whole program.
    fn look_for(
        &self,
        find: impl for<'s, 'a> FnOnce(&'s Strings<'a>) -> Presence<'s, 'a>,
    ) -> TextPresence {
        self.recovered().with_dependent(|_, strings| {
            let Some(strings) = strings else { return TextPresence::Unknown(UNREADABLE) };
            match find(strings) {
                Presence::Present(place) => TextPresence::Present(match place {
                    Where::Constant(string) | Where::Inside(string) => {
                        self.at("string constant", string.address)
                    }
                    Where::Data { address } => self.at("data", address),
                    Where::Compared { at } => self.at("comparison in code", at),
                }),
                Presence::Absent => TextPresence::Absent,
                Presence::Unknown(doubt) => TextPresence::Unknown(why(&doubt)),
            }
        })
    }

    fn look_for_number(&self, find: impl FnOnce(&Strings<'_>) -> Number) -> NumberPresence {
        self.recovered().with_dependent(|_, strings| {
            let Some(strings) = strings else { return NumberPresence::Unknown(UNREADABLE) };
            match find(strings) {
                Number::At(address) => NumberPresence::Present(self.at("constant", address)),
                Number::Nowhere => NumberPresence::Absent,
                Number::Unclear(_) => {
                    NumberPresence::Unknown("its bytes are there, and what they are cannot be told")
                }
            }
        })
    }

    fn at(&self, section: &str, address: u64) -> Origin {
        Origin::binary(self.source, section, Some(address))
    }

    fn list(&self, strings: &Strings<'_>) -> Vec<ProgramString> {
        strings
            .iter()
            .filter_map(|string| {
                let kind = kind(string.kind())?;
                Some(ProgramString {
                    text: string.text.to_owned(),
                    kind,
                    owner: owner(strings, string.owner),
                    origin: self.at("string constant", string.address),
                    function: string
                        .used_at
                        .and_then(|at| strings.function_at(at))
                        .map(str::to_owned),
                })
            })
            .collect()
    }
}

impl std::fmt::Debug for MappedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "text of a program of {} bytes", self.bytes.len())
    }
}

impl ProgramText for MappedText {
    fn streams(&self) -> Vec<String> {
        let mut streams = goformats::descriptors::server_streams(&self.bytes);
        // Health, reflection, channelz.
        streams.retain(|method| !method.starts_with("/grpc."));
        streams
    }

    fn find(&self, text: &str) -> TextPresence {
        remembered(&self.found, text.into(), || self.look_for(|strings| strings.find(text)))
    }

    fn find_path(&self, path: &str) -> TextPresence {
        remembered(&self.paths, path.into(), || self.look_for(|strings| strings.find_path(path)))
    }

    fn find_port(&self, port: u16) -> NumberPresence {
        self.look_for_number(|strings| strings.find_port(port))
    }

    fn find_number(&self, number: u16) -> NumberPresence {
        self.look_for_number(|strings| strings.find_number(number))
    }

    fn calls(&self, function: &str) -> Result<bool, &'static str> {
        remembered(&self.calls, function.into(), || {
            self.recovered().with_dependent(|_, strings| {
                strings.as_ref().map(|strings| strings.calls(function)).ok_or(UNREADABLE)
            })
        })
    }

    fn strings(&self) -> Result<&[ProgramString], &'static str> {
        let listed = self.strings.get_or_init(|| {
            self.recovered().with_dependent(|_, strings| {
                strings.as_ref().map(|strings| self.list(strings)).ok_or(UNREADABLE)
            })
        });
        match listed {
            Ok(strings) => Ok(strings),
            Err(why) => Err(why),
        }
    }

    fn constant(&self, text: &str) -> Result<Option<Origin>, &'static str> {
        self.recovered().with_dependent(|_, strings| {
            let strings = strings.as_ref().ok_or(UNREADABLE)?;
            let found = strings.iter().find(|s| s.owner != Owner::Std && s.text == text);
            Ok(found.map(|string| self.at("string constant", string.address)))
        })
    }

    fn own_constant(&self, text: &str) -> Result<Option<Origin>, &'static str> {
        self.recovered().with_dependent(|_, strings| {
            let strings = strings.as_ref().ok_or(UNREADABLE)?;
            let found = strings.iter().find(|s| s.owner == Owner::Main && s.text == text);
            Ok(found.map(|string| self.at("string constant", string.address)))
        })
    }

    fn slip(&self, name: &str) -> Result<Option<(String, Origin)>, &'static str> {
        remembered(&self.slips, name.into(), || {
            self.recovered().with_dependent(|_, strings| {
                let strings = strings.as_ref().ok_or(UNREADABLE)?;
                if strings.iter().any(|s| s.text == name) {
                    return Ok(None);
                }
                let own = || strings.iter().filter(|s| s.owner != Owner::Std);
                let meant = names::meant(name, own().map(|s| s.text));
                let found = meant.and_then(|meant| own().find(|s| s.text == meant));
                let at = |address| self.at("string constant", address);
                Ok(found.map(|string| (string.text.to_owned(), at(string.address))))
            })
        })
    }

    fn listens(&self) -> Result<&ListenTexts, &'static str> {
        let read = || {
            self.recovered().with_dependent(|_, strings| {
                let strings = strings.as_ref().ok_or(UNREADABLE)?;
                let found = strings.listen_texts();
                let text = |one: &goformats::gostrings::ListenText<'_>| ListenText {
                    text: one.text.to_owned(),
                    port: one.port,
                    origin: self.at("string constant", one.address),
                    owner: owner(strings, one.owner),
                    function: one.function.map(str::to_owned),
                    name: one.name.map(str::to_owned),
                    certain: one.certain,
                };
                let joined = |one: &goformats::gostrings::JoinedHost<'_>| JoinedHost {
                    text: one.text.to_owned(),
                    origin: self.at("string constant", one.address),
                    owner: owner(strings, one.owner),
                    function: one.function.map(str::to_owned),
                    name: one.name.map(str::to_owned),
                    certain: one.certain,
                };
                Ok(ListenTexts {
                    texts: found.texts.iter().map(text).collect(),
                    joined: found.joined.iter().map(joined).collect(),
                    tagged: found.tagged.iter().map(|name| (*name).to_owned()).collect(),
                    limited: found.limited,
                })
            })
        };
        self.listens.get_or_init(read).as_ref().map_err(|why| *why)
    }

    fn signals(&self) -> Result<AskedSignals, &'static str> {
        let asked = || {
            self.recovered().with_dependent(|_, strings| {
                let strings = strings.as_ref().ok_or(UNREADABLE)?;
                Ok(match strings.signals().ok_or("os/signal.Notify is not linked")? {
                    Signals::Termination => AskedSignals::Termination,
                    Signals::Others { numbers, function, at } => AskedSignals::Others {
                        numbers,
                        function: function.to_owned(),
                        origin: self.at(".text", at),
                    },
                    Signals::Unknown { function } => {
                        AskedSignals::Unknown { function: function.map(str::to_owned) }
                    }
                })
            })
        };
        self.signals.get_or_init(asked).clone()
    }

    fn ignores_termination(&self) -> Result<IgnoredTermination, &'static str> {
        let ignored = || {
            self.recovered().with_dependent(|_, strings| {
                let strings = strings.as_ref().ok_or(UNREADABLE)?;
                Ok(match strings.ignored().ok_or("os/signal.Ignore is not linked")? {
                    Ignored::Not => IgnoredTermination::No,
                    Ignored::Termination { function, at } => IgnoredTermination::Yes {
                        function: function.to_owned(),
                        origin: self.at(".text", at),
                    },
                    Ignored::Unknown { function } => {
                        IgnoredTermination::Unknown { function: function.map(str::to_owned) }
                    }
                })
            })
        };
        self.ignored.get_or_init(ignored).clone()
    }

    fn variable_reads(&self) -> Result<&VariableReads, &'static str> {
        let read = || {
            self.recovered().with_dependent(|_, strings| {
                let strings = strings.as_ref().ok_or(UNREADABLE)?;
                let found = strings
                    .variable_reads()
                    .ok_or("the arguments of calls are read in programs of Go 1.18 and newer")?;
                let reads = found.reads.iter().map(|read| VariableRead {
                    name: read.name.to_owned(),
                    function: read.function.to_owned(),
                    origin: self.at(".text", read.at),
                });
                Ok(VariableReads {
                    reads: reads.collect(),
                    unclear: found.unclear.iter().map(|name| (*name).to_owned()).collect(),
                    handed_on: found.handed_on,
                    limited: found.limited,
                })
            })
        };
        self.variables.get_or_init(read).as_ref().map_err(|why| *why)
    }

    fn routes(&self) -> Result<&[Route], &str> {
        let read = || {
            self.recovered().with_dependent(|_, strings| {
                let strings = strings.as_ref().ok_or_else(|| UNREADABLE.to_owned())?;
                let found = strings.routes().map_err(|why| unrouted(&why))?;
                let routes = found.into_iter().map(|route| Route {
                    pattern: route.pattern.to_owned(),
                    function: route.function.to_owned(),
                    origin: self.at(".text", route.at),
                    mux: None,
                });
                Ok(routes.collect())
            })
        };
        self.routes.get_or_init(read).as_deref().map_err(String::as_str)
    }

    fn endpoints(&self) -> Result<&Endpoints, &str> {
        let read = || {
            self.recovered().with_dependent(|_, strings| {
                let strings = strings.as_ref().ok_or_else(|| UNREADABLE.to_owned())?;
                let found = strings.endpoints().map_err(|why| unrouted(&why))?;
                let all =
                    found.routes.iter().map(|r| r.mux).chain(found.servers.iter().map(|s| s.mux));
                let mut muxes: Vec<_> = all.flatten().collect();
                muxes.sort_unstable();
                muxes.dedup();
                let number =
                    |mux: Option<goformats::gostrings::Mux>| muxes.binary_search(&mux?).ok();
                let servers = found.servers.iter().map(|server| HttpServer {
                    function: server.function.to_owned(),
                    handler: server.handler.as_ref().copied().map_err(unrouted),
                    mux: number(server.mux),
                    address: address(&server.addr),
                });
                let routes = found.routes.iter().map(|route| Route {
                    pattern: route.pattern.to_owned(),
                    function: route.function.to_owned(),
                    origin: self.at(".text", route.at),
                    mux: number(route.mux),
                });
                Ok(Endpoints {
                    servers: servers.collect(),
                    routes: routes.collect(),
                    grpc: found.grpc.as_ref().map(address),
                    mixed: found.mixed,
                    complete: found.complete,
                })
            })
        };
        self.endpoints.get_or_init(read).as_ref().map_err(String::as_str)
    }

    fn serves_tls(&self) -> Result<bool, &'static str> {
        let asked = || {
            self.recovered().with_dependent(|_, strings| {
                strings.as_ref().map(|strings| strings.serves_tls()).ok_or(UNREADABLE)
            })
        };
        *self.tls.get_or_init(asked)
    }

    fn connection_age(&self) -> Result<ConnectionAge, &'static str> {
        let asked = || {
            self.recovered().with_dependent(|_, strings| {
                let strings = strings.as_ref().ok_or(UNREADABLE)?;
                Ok(match strings.connection_age() {
                    Age::Unset => ConnectionAge::Unset,
                    Age::Set { at, .. } => ConnectionAge::Set(self.at(".text", at)),
                    Age::Unclear(function) => ConnectionAge::Unclear(function.to_owned()),
                })
            })
        };
        self.age.get_or_init(asked).clone()
    }

    fn paths(&self) -> Vec<String> {
        self.recovered().with_dependent(|_, strings| {
            strings.iter().flat_map(|strings| strings.paths()).map(str::to_owned).collect()
        })
    }
}

fn why(doubt: &Doubt<'_, '_>) -> &'static str {
    match doubt {
        Doubt::TooShort => "it is too short to look for",
        Doubt::TooMany => "its beginning occurs too often to look at every place",
        Doubt::NotAscii => "it is not ASCII",
        Doubt::Compiler(_) => "the compiler is newer than those whose code is understood",
        Doubt::Unclear { .. } => "its bytes are there, where constants cannot be told apart",
        Doubt::MaybeCompared { .. } => "code holds numbers that may be a comparison with it",
        Doubt::Composed(_) => "constants of the program make it up when they are joined",
        Doubt::Longer(_) => "a longer text of it holds the path",
        Doubt::Begun { .. } => "code compares with the beginning of it, and may ask for no more",
        Doubt::Matched(_) => "a pattern of the program matches it",
    }
}

fn address(addr: &Addr<'_>) -> ServerAddress {
    match addr {
        Addr::Text(text) => ServerAddress::Text((*text).to_owned()),
        Addr::Setting(name) => ServerAddress::Setting((*name).to_owned()),
        Addr::Unknown => ServerAddress::Unknown,
    }
}

fn unrouted(why: &Unrouted<'_>) -> String {
    match why {
        Unrouted::Compiler => {
            "its routes are read in programs of Go 1.18 and newer only".to_owned()
        }
        Unrouted::NoServer => "it makes no http.Server of its own".to_owned(),
        Unrouted::Other(what) => format!("{what} serves HTTP, whose routes are not read"),
        Unrouted::Handler { function, method } => {
            let handler = method.strip_suffix(".ServeHTTP").unwrap_or(method);
            format!("the server of {function} has a {handler}, which may answer any path")
        }
        Unrouted::UnclearHandler(what) => {
            format!("the handler of the server of {what} is not known")
        }
        Unrouted::UnclearPattern(what) => {
            format!("{what} registers a pattern that is not written out there")
        }
        Unrouted::Indirect => "it registers patterns through variables or method values".to_owned(),
        Unrouted::Limited => "it registers more patterns than are looked at".to_owned(),
    }
}

fn kind(kind: Kind<'_>) -> Option<TextKind> {
    Some(match kind {
        Kind::Ip(..) => TextKind::Ip,
        Kind::HostPort { .. } => TextKind::HostPort,
        Kind::Url { .. } => TextKind::Url,
        Kind::ClusterHost => TextKind::ClusterHost,
        Kind::Path => TextKind::AbsolutePath,
        Kind::Zone => TextKind::ZoneName,
        Kind::EnvName => TextKind::EnvName,
        Kind::Pem => TextKind::Pem,
        Kind::Pattern { .. } | Kind::Other => return None,
    })
}

fn owner(strings: &Strings<'_>, of: Owner) -> TextOwner {
    match of {
        Owner::Main => TextOwner::Main,
        Owner::Std => TextOwner::Std,
        Owner::Unknown => TextOwner::Unknown,
        Owner::Dependency(_) => strings
            .owners()
            .module(of)
            .map_or(TextOwner::Unknown, |module| TextOwner::Dependency(module.to_owned())),
    }
}
