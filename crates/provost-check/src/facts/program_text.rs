//! Questions about the text inside a program, answered lazily.

use super::origin::Origin;

/// Whether a text can occur in a program. Go compiles short comparisons to immediates and joins
/// strings at run time, so "not among the strings" is not "absent".
#[derive(Clone, Debug, PartialEq)]
pub enum TextPresence {
    /// It is there, at that place.
    Present(Origin),
    /// Proved absent: in no string, in no inlined comparison, and no composition of parts gives it.
    Absent,
    /// Cannot be told, and why.
    Unknown(&'static str),
}

/// What a string is; decided on whole strings only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TextKind {
    /// `10.1.2.3`
    Ip,
    /// `db.prod:5432`, `10.1.2.3:8080`, `:8080`
    HostPort,
    /// `https://api.example.com/v1`
    Url,
    /// `*.svc`, `*.svc.cluster.local`
    ClusterHost,
    /// `/etc/ssl/certs`
    AbsolutePath,
    /// `GOMEMLIMIT`
    EnvName,
    /// `Europe/Rome`
    ZoneName,
    /// A whole PEM block.
    Pem,
    /// None of these.
    Other,
}

/// Whose text it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TextOwner {
    /// Go's standard library.
    Std,
    /// The main module.
    Main,
    /// A dependency, by module path.
    Dependency(String),
    /// Cannot be told.
    Unknown,
}

/// A string constant of the program.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgramString {
    /// The text.
    pub text: String,
    /// Its kind.
    pub kind: TextKind,
    /// Whose it is.
    pub owner: TextOwner,
    /// Where it stands.
    pub origin: Origin,
    /// The function that refers to it, when one was seen.
    pub function: Option<String>,
}

/// A text of the program that can be an address of its own machine, where it is used.
#[derive(Clone, Debug, PartialEq)]
pub struct ListenText {
    /// As written: `:8080`, `0.0.0.0:8080`, `8080`.
    pub text: String,
    /// Its port.
    pub port: u16,
    /// Where it stands.
    pub origin: Origin,
    /// Whose it is.
    pub owner: TextOwner,
    /// The function that uses it, where code does.
    pub function: Option<String>,
    /// The name that is used right before it: the variable, flag or key that it is the default of.
    pub name: Option<String>,
    /// The code between the two is that of a default; otherwise they only stand near each other.
    pub certain: bool,
}

/// A host on the loopback address that the program joins with a port: `"127.0.0.1:" + os.Getenv("PORT")`.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinedHost {
    /// As written: `127.0.0.1:`, `localhost:%s`.
    pub text: String,
    /// Where it stands.
    pub origin: Origin,
    /// Whose code joins it.
    pub owner: TextOwner,
    /// The function that joins it.
    pub function: Option<String>,
    /// The variable that it is joined with.
    pub name: Option<String>,
    /// No other host is joined but with settings of its own, and nothing else uses the name.
    pub certain: bool,
}

/// Whether a number can come from the program: from its texts, or from constants of its code and data. What is
/// computed is not seen.
#[derive(Clone, Debug, PartialEq)]
pub enum NumberPresence {
    /// It is there, at that place.
    Present(Origin),
    /// Proved absent.
    Absent,
    /// Cannot be told, and why.
    Unknown(&'static str),
}

/// What a program holds of addresses to listen on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListenTexts {
    /// Each use of each text.
    pub texts: Vec<ListenText>,
    /// Hosts that it joins with a port.
    pub joined: Vec<JoinedHost>,
    /// Names of variables that tags of struct fields hold, sorted.
    pub tagged: Vec<String>,
    /// Not all tags were looked at: a name that is not in `tagged` may stand in one all the same.
    pub limited: bool,
}

/// What a program that has `os/signal.Notify` linked asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum AskedSignals {
    /// `SIGTERM`, among others perhaps.
    Termination,
    /// `SIGTERM` by no call.
    Others {
        /// Their numbers on Linux, sorted.
        numbers: Vec<u8>,
        /// The function with the first call.
        function: String,
        /// The call.
        origin: Origin,
    },
    /// Neither is proved.
    Unknown {
        /// The function whose call is not clear, where one was found.
        function: Option<String>,
    },
}

/// Whether a program that has `os/signal.Ignore` linked has `SIGTERM` ignored.
#[derive(Clone, Debug, PartialEq)]
pub enum IgnoredTermination {
    /// By no call.
    No,
    /// By this one.
    Yes {
        /// The function that calls.
        function: String,
        /// The call.
        origin: Origin,
    },
    /// Neither is proved.
    Unknown {
        /// The function whose call is not clear, where one was found.
        function: Option<String>,
    },
}

/// An environment variable that the program's own code asks for by a name that is written out.
#[derive(Clone, Debug, PartialEq)]
pub struct VariableRead {
    /// Its name.
    pub name: String,
    /// The function that asks.
    pub function: String,
    /// The call.
    pub origin: Origin,
}

/// What code of the main module asks its environment for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VariableReads {
    /// Each call, in the order of the code.
    pub reads: Vec<VariableRead>,
    /// Functions that ask for names which are not written out, or are not understood.
    pub unclear: Vec<String>,
    /// `os.Getenv` or the like is handed on as a value.
    pub handed_on: bool,
    /// There are more calls than were looked at.
    pub limited: bool,
}

/// A pattern that a program registers in an `http.ServeMux`.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// As written: `GET /healthz`, `/api/`.
    pub pattern: String,
    /// The function that registers it.
    pub function: String,
    /// The call.
    pub origin: Origin,
    /// The multiplexer, by a number of its own, where that is known.
    pub mux: Option<usize>,
}

/// Where a server of the program listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAddress {
    /// As written: `:9465`.
    Text(String),
    /// What a setting of that name says.
    Setting(String),
    /// It is not known.
    Unknown,
}

/// A server of HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpServer {
    /// The function that makes it.
    pub function: String,
    /// Its handler goes by patterns alone; why that is not known otherwise.
    pub handler: Result<(), String>,
    /// Its multiplexer, by the number of [`Route::mux`], where that is known.
    pub mux: Option<usize>,
    /// Where it listens.
    pub address: ServerAddress,
}

/// The servers of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoints {
    /// Those of HTTP.
    pub servers: Vec<HttpServer>,
    /// Every pattern that is registered.
    pub routes: Vec<Route>,
    /// Where the gRPC server listens, if there is one with a listener of its own.
    pub grpc: Option<ServerAddress>,
    /// gRPC may be served by a server of HTTP, or several protocols share a port.
    pub mixed: bool,
    /// Nothing else of the program listens.
    pub complete: bool,
}

/// Whether gRPC servers of a program end connections after a while (`MaxConnectionAge`).
#[derive(Clone, Debug, PartialEq)]
pub enum ConnectionAge {
    /// No call sets it.
    Unset,
    /// It is set.
    Set(Origin),
    /// It cannot be told what this function sets.
    Unclear(String),
}

/// The text of one program. Implemented over the mapped binary, and over a list for rule pages.
/// Answers depend on the bytes only, so a rule that asks stays a pure function.
pub trait ProgramText: Send + Sync + std::fmt::Debug {
    /// Whether `text` can occur in the program.
    fn find(&self, text: &str) -> TextPresence;

    /// Whether the program knows a path: `/ready` is none of one that knows `/readyz`.
    fn find_path(&self, path: &str) -> TextPresence;

    /// Whether a text of it ends a host's name with this port: `:8080`.
    fn find_port(&self, port: u16) -> NumberPresence;

    /// Whether the number is in its texts, its code or its data.
    fn find_number(&self, number: u16) -> NumberPresence;

    /// Whether its own code or that of its dependencies calls a function by that name, directly; why that cannot be
    /// told otherwise.
    fn calls(&self, function: &str) -> Result<bool, &'static str>;

    /// String constants of a kind other than [`TextKind::Other`], in address order, or why they
    /// cannot be read.
    fn strings(&self) -> Result<&[ProgramString], &'static str>;

    /// Where a whole constant that is not the standard library's has this text; `None` when none has,
    /// or why constants cannot be read.
    fn constant(&self, text: &str) -> Result<Option<Origin>, &'static str>;

    /// Where a whole constant that code of the main module uses has this text; `None` when none has, or
    /// why constants cannot be read.
    fn own_constant(&self, text: &str) -> Result<Option<Origin>, &'static str>;

    /// The one whole constant, not the standard library's, that a name may be a slip of; `None` where the
    /// name itself is a constant, where nothing is near it and where two are. Why constants cannot be
    /// read otherwise.
    fn slip(&self, name: &str) -> Result<Option<(String, Origin)>, &'static str>;

    /// Addresses to listen on that it holds, or why they cannot be read.
    fn listens(&self) -> Result<&ListenTexts, &'static str>;

    /// The signals that it asks for, when it has `os/signal.Notify` linked; why they cannot be read
    /// otherwise.
    fn signals(&self) -> Result<AskedSignals, &'static str>;

    /// Whether it has `SIGTERM` ignored, when it has `os/signal.Ignore` linked; why that cannot be told
    /// otherwise.
    fn ignores_termination(&self) -> Result<IgnoredTermination, &'static str>;

    /// The variables that its own code asks for, or why that cannot be told.
    fn variable_reads(&self) -> Result<&VariableReads, &'static str>;

    /// Every pattern that is registered, where all HTTP servers of the program go by such patterns and answer 404
    /// otherwise; why that is not known otherwise.
    fn routes(&self) -> Result<&[Route], &str>;

    /// Methods of gRPC with a stream for an answer that it has descriptors of, but for those that servers have beside
    /// their own (`/grpc.health.v1.Health/Watch`).
    fn streams(&self) -> Vec<String>;

    /// Its servers and where they listen; why that is not known otherwise.
    fn endpoints(&self) -> Result<&Endpoints, &str>;

    /// Whether code that is not gRPC's own asks for a server with TLS; why that cannot be told otherwise.
    fn serves_tls(&self) -> Result<bool, &'static str>;

    /// Whether its gRPC servers end connections after a while; why that cannot be told otherwise.
    fn connection_age(&self) -> Result<ConnectionAge, &'static str>;

    /// Paths that the program's own code and its dependencies know, for "did you mean". By default
    /// those among [`ProgramText::strings`].
    fn paths(&self) -> Vec<String> {
        let strings = self.strings().unwrap_or_default();
        strings
            .iter()
            .filter(|s| s.kind == TextKind::AbsolutePath && s.owner != TextOwner::Std)
            .map(|s| s.text.clone())
            .collect()
    }
}
