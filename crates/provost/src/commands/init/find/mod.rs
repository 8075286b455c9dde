//! Finding out: what a Go module says of the services in it, read from its source. Nothing is run
//! and nothing is asked.

mod constraint;
mod debug;
mod directives;
mod file;
mod files;
mod git;
mod lexer;
mod listen;
mod module;
mod neighbours;
mod routers;
mod routes;
mod settings;
mod shutdown;
mod signals;
mod subcommands;
mod tls;
mod workspace;

use std::path::{Path, PathBuf};

use anyhow::Result;
use goformats::version::GoVersion;
use jiff::civil::Date;
use provost_check::model::support::{self, Support};

use crate::exit::Mistake;
use file::{GoFile, Value};
pub(super) use files::ReadPath;
pub(super) use git::Repository;
pub(super) use listen::{Listener, Ports};
use module::{Module, Package};
pub(super) use neighbours::Neighbours;
use provost_check::artifact::go_mod::GoMod;
pub(super) use routes::Health;
pub(super) use settings::{Setting, Time, Times};
pub(super) use shutdown::LameDuck;
pub(super) use subcommands::Arguments;
pub(super) use tls::Secure;
pub(super) use workspace::Sibling;

/// Programs that files are written for; more are a monorepo that wants them one by one.
const MOST_PROGRAMS: usize = 20;

/// Programs that are looked at for services: each is read with all packages it is made of.
const MOST_CANDIDATES: usize = 100;

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    /// The folder with `go.mod`.
    pub(super) folder: PathBuf,
    /// The module's path, `example.com/shop/checkout`.
    pub(super) path: String,
    pub(super) builder: Builder,
    /// The minor release of the language, from the `go` line; 16 without one, as `go` takes it.
    pub(super) language: u16,
    pub(super) has_go_sum: bool,
    pub(super) vendored: bool,
    /// Whether a replacement is a folder, which is not there yet when only `go.mod` is.
    pub(super) replaced_by_folders: bool,
    /// Replacements that point out of the module's folder, and so out of the build context.
    pub(super) replaced_outside: Vec<String>,
    /// Modules of the workspace that it imports; they are outside of the build context, too.
    pub(super) siblings: Vec<Sibling>,
    /// What is there already.
    pub(super) neighbours: Neighbours,
    pub(super) repository: Option<Repository>,
    pub(super) programs: Vec<Program>,
    /// Programs that look like tools: nothing is written for them.
    pub(super) tools: Vec<String>,
    /// Whether limits ended the reading.
    pub(super) cut: bool,
}

impl Found {
    /// Whether a build in the module's folder finds the repository, and stamps its commit.
    pub(super) fn stamps_commit(&self) -> bool {
        self.repository.as_ref().is_some_and(|repository| repository.root == self.folder)
    }
}

/// Which Go builds the image.
#[derive(Debug)]
pub(super) struct Builder {
    pub(super) version: GoVersion,
    /// Where the version comes from, or why it is another than `go.mod`'s.
    pub(super) because: String,
}

/// One program.
#[derive(Debug)]
pub(super) struct Program {
    /// Its folder below the module's; empty for the module's own.
    pub(super) folder: String,
    /// A DNS label.
    pub(super) name: String,
    pub(super) ports: Ports,
    pub(super) health: Health,
    /// Whether the gRPC health service is registered.
    pub(super) grpc_health: bool,
    /// Whether gRPC asks for TLS.
    pub(super) grpc_tls: bool,
    /// Variables that are read and are neither addresses nor times.
    pub(super) settings: Vec<Setting>,
    pub(super) times: Times,
    /// What it reads of the module's folder when it runs.
    pub(super) reads: Vec<ReadPath>,
    /// How it is told to serve.
    pub(super) arguments: Arguments,
    /// Whether it asks for SIGTERM.
    pub(super) handles_signals: bool,
    pub(super) cgo: Option<Cgo>,
    pub(super) kubernetes_client: bool,
    pub(super) open_telemetry: bool,
    pub(super) automaxprocs: bool,
    /// Paths for debugging that whoever can send requests reaches.
    pub(super) debug_in_public: Vec<&'static str>,
    /// The path of Prometheus' handler, and whether it is on the router for operators.
    pub(super) metrics: Option<(String, bool)>,
}

/// Why C is linked.
#[derive(Debug)]
pub(super) struct Cgo {
    /// `import "C"` in a folder of the module, or the dependency.
    pub(super) because: String,
    pub(super) cpp: bool,
    /// Libraries beyond libc's own that have to be installed in the builder.
    pub(super) libraries: Vec<String>,
}

/// Reads the module in or above `path`.
pub(super) fn read(path: &Path, wanted: &[String], date: Date) -> Result<Found> {
    let module = Module::read(path)?;
    let folders = chosen(&module, wanted)?;
    if folders.len() > MOST_CANDIDATES {
        return Err(Mistake::new(format!("the module has {} programs", folders.len()))
            .help("name those to write files for: --package ./cmd/NAME")
            .into());
    }
    let mut programs = Vec::new();
    let mut tools = Vec::new();
    for folder in folders {
        let (program, is_service) = program(&module, folder);
        if is_service || !wanted.is_empty() {
            programs.push(program);
        } else {
            tools.push(program);
        }
    }
    if programs.is_empty() {
        return Err(no_service(&tools).into());
    }
    if programs.len() > MOST_PROGRAMS {
        return Err(Mistake::new(format!("the module has {} services", programs.len()))
            .help("name those to write files for: --package ./cmd/NAME")
            .into());
    }
    distinct(&programs)?;
    let replaced = replaced_by_folders(&module.go_mod.text);
    let language = module.go_mod.go.as_deref().and_then(GoVersion::parse);
    Ok(Found {
        builder: builder(&module.go_mod, date),
        language: language.map_or(16, |version| version.minor),
        has_go_sum: module.folder.join("go.sum").is_file(),
        vendored: module.folder.join("vendor/modules.txt").is_file(),
        replaced_by_folders: !replaced.is_empty(),
        replaced_outside: replaced.into_iter().filter(|to| is_outside(to)).collect(),
        siblings: workspace::imported(&module),
        neighbours: Neighbours::of(&module.folder),
        repository: Repository::around(&module.folder),
        programs,
        tools: tools.iter().map(|tool| package(&tool.folder)).collect(),
        cut: module.cut,
        path: module.go_mod.module,
        folder: module.folder,
    })
}

/// What is said of a module whose programs look like tools: they are called and end, and nothing
/// that is written here is for that.
fn no_service(tools: &[Program]) -> Mistake {
    let names: Vec<String> = tools.iter().map(|tool| package(&tool.folder)).collect();
    let what = match &names[..] {
        [only] => format!(
            "{only} is no service: its source listens on no port, waits for no signal and takes no work \
             from a queue"
        ),
        _ => {
            format!("no program of the module listens or waits for a signal: {}", names.join(", "))
        }
    };
    let first = names.first().map_or(".", String::as_str);
    Mistake::new(what).help(format!(
        "--package {first} writes for it all the same; what ends by itself is a Job or a CronJob"
    ))
}

/// A package as `go build` takes it.
pub(super) fn package(folder: &str) -> String {
    if folder.is_empty() { ".".to_owned() } else { format!("./{folder}") }
}

/// Folders of programs: those that were named, else all.
fn chosen<'m>(module: &'m Module, wanted: &[String]) -> Result<Vec<&'m str>, Mistake> {
    let all = module.programs();
    let names = || all.iter().map(|folder| package(folder)).collect::<Vec<_>>().join(", ");
    if all.is_empty() {
        return Err(Mistake::new(format!(
            "{} has no main package for Linux",
            module.go_mod.module
        )));
    }
    if wanted.is_empty() {
        return Ok(all);
    }
    let find = |name: &String| {
        let own = name.strip_prefix(&module.go_mod.module).map(|rest| rest.trim_start_matches('/'));
        let folder = own.unwrap_or(name).trim_start_matches("./").trim_matches('/');
        let folder = if folder == "." { "" } else { folder };
        all.iter().copied().find(|one| *one == folder).ok_or_else(|| {
            Mistake::new(format!("--package: {name} is no main package"))
                .help(format!("the module has {}", names()))
        })
    };
    wanted.iter().map(find).collect()
}

/// Objects and files are told apart by the name.
fn distinct(programs: &[Program]) -> Result<(), Mistake> {
    let mut names: Vec<(&str, &str)> =
        programs.iter().map(|p| (p.name.as_str(), p.folder.as_str())).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(Mistake::new(format!(
            "two programs are called {}: {} and {}",
            pair[0].0,
            package(pair[0].1),
            package(pair[1].1)
        ))
        .help(format!("name one of them: --package {}", package(pair[0].1)))),
        None => Ok(()),
    }
}

/// The program in a folder, and whether it looks like one that keeps running.
fn program(module: &Module, folder: &str) -> (Program, bool) {
    let packages = module.closure(folder);
    let view = View::new(&packages);
    let name = name(&module.go_mod.module, folder);
    let settings = settings::read(&view);
    let ports = listen::ports(&view, &settings, &name);
    let health = routes::health(&view, &ports);
    let reads = files::read(&view, &settings, &module.folder);
    let (times, settings) = settings::times(&view, settings, &ports);
    let consumes = CONSUMERS.iter().any(|path| view.imports(path));
    let is_service = !ports.is_empty()
        || ports.unknown
        || !ports.private.listeners.is_empty()
        || signals::waits(&view)
        || consumes;
    // What is served on the loopback address alone is nothing to scrape.
    let only_private =
        !ports.private.listeners.is_empty() && ports.admin.is_none() && ports.metrics.is_none();
    let metrics = routes::metrics(&view, &ports)
        .filter(|(_, inner)| !(ports.private.metrics || (*inner && only_private)));
    let program = Program {
        folder: folder.to_owned(),
        name,
        health,
        grpc_health: view.calls("RegisterHealthServer"),
        grpc_tls: tls::grpc(&view),
        settings,
        times,
        reads,
        arguments: subcommands::arguments(&view),
        handles_signals: signals::handles_sigterm(&view),
        cgo: cgo(&view, &packages),
        kubernetes_client: CLUSTER.iter().any(|path| view.imports(path)),
        open_telemetry: view.imports("go.opentelemetry.io/otel/sdk"),
        automaxprocs: view.imports("go.uber.org/automaxprocs"),
        debug_in_public: debug::public(&view, &ports),
        ports,
        metrics,
    };
    (program, is_service)
}

/// Libraries of programs that wait for work elsewhere than on a port.
const CONSUMERS: &[&str] = &[
    "github.com/segmentio/kafka-go",
    "github.com/confluentinc/confluent-kafka-go",
    "github.com/IBM/sarama",
    "github.com/twmb/franz-go",
    "github.com/nats-io/nats.go",
    "github.com/rabbitmq/amqp091-go",
    "github.com/hibiken/asynq",
    "go.temporal.io/sdk/worker",
    "github.com/robfig/cron",
    "cloud.google.com/go/pubsub",
];

/// Libraries that talk to the cluster's API server with the pod's account.
const CLUSTER: &[&str] =
    &["k8s.io/client-go/rest", "k8s.io/client-go/kubernetes", "sigs.k8s.io/controller-runtime"];

/// Dependencies that are written in C, by the beginning of their import paths; whether they need
/// C++'s library, too.
const C_DEPENDENCIES: &[(&str, bool)] = &[
    ("github.com/mattn/go-sqlite3", false),
    ("gorm.io/driver/sqlite", false),
    ("github.com/confluentinc/confluent-kafka-go", false),
    ("github.com/marcboeker/go-duckdb", true),
    ("github.com/duckdb/duckdb-go", true),
    ("github.com/linxGnu/grocksdb", true),
    ("github.com/google/gopacket/pcap", false),
    ("github.com/gopacket/gopacket/pcap", false),
    ("github.com/h2non/bimg", false),
    ("github.com/davidbyttow/govips", false),
    ("github.com/godror/godror", false),
    ("github.com/bytecodealliance/wasmtime-go", false),
    ("gocv.io/x/gocv", true),
];

fn cgo(view: &View<'_>, packages: &[&Package]) -> Option<Cgo> {
    let own = packages.iter().filter(|p| p.files.iter().any(|file| file.imports.contains_key("C")));
    let own: Vec<_> = own.collect();
    if !own.is_empty() {
        // libc's own parts are in every base with a libc.
        let libc =
            |name: &&String| matches!(name.as_str(), "-lm" | "-lpthread" | "-ldl" | "-lrt" | "-lc");
        let mut libraries: Vec<String> =
            own.iter().flat_map(|p| &p.libraries).filter(|l| !libc(l)).cloned().collect();
        libraries.sort();
        libraries.dedup();
        let cpp = own.iter().any(|p| p.cpp) || libraries.iter().any(|l| l == "-lstdc++");
        libraries.retain(|library| library != "-lstdc++");
        return Some(Cgo { because: "import \"C\"".to_owned(), cpp, libraries });
    }
    let (path, cpp) = C_DEPENDENCIES.iter().find(|(path, _)| view.imports(path))?;
    Some(Cgo { because: (*path).to_owned(), cpp: *cpp, libraries: Vec::new() })
}

/// The name of a program: its folder's, or the module's where that says nothing.
fn name(module: &str, folder: &str) -> String {
    let generic = |name: &&str| {
        matches!(*name, "" | "cmd" | "main" | "app" | "src" | "bin" | "server" | "service" | "svc")
    };
    let from_module = || module.rsplit('/').find(|part| !is_version(part)).unwrap_or("service");
    let last = folder.rsplit('/').next().filter(|name| !generic(name));
    label(last.unwrap_or_else(from_module))
}

/// The `v2` at the end of a module's path.
pub(super) fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Words that YAML 1.1 reads as something else than text (yaml.org/type/bool.html and null.html).
const YAML_WORDS: &[&str] = &["on", "off", "y", "n", "yes", "no", "true", "false", "null"];

/// A DNS label (RFC 1123) of at most 40 characters, so that what is added to it fits.
pub(super) fn label(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let mapped: String = lower.chars().map(plain).take(40).collect();
    let trimmed = mapped.trim_matches(|c: char| c == '-').to_owned();
    match trimmed.chars().next() {
        Some(c) if c.is_ascii_alphabetic() && !YAML_WORDS.contains(&trimmed.as_str()) => trimmed,
        // Names of Services begin with a letter (RFC 1035).
        Some(_) => format!("svc-{trimmed}"),
        None => "service".to_owned(),
    }
}

/// Which Go the image is built by: that of `go.mod`, unless it gets no fixes any more.
fn builder(go_mod: &GoMod, date: Date) -> Builder {
    let parse = |text: &Option<String>| text.as_deref().and_then(GoVersion::parse);
    let plain = |version: &GoVersion| version.pre.is_none() && version.suffix.is_empty();
    // There is no image of a release that somebody made their own: `go1.27.4-fips`.
    let line = parse(&go_mod.go).filter(plain);
    let toolchain = parse(&go_mod.toolchain).filter(plain);
    let named = toolchain.clone().or(line);
    let newest = || {
        let minor = support::supported_go(date).into_iter().max();
        let known = minor.or_else(|| support::table().go.last().map(|row| row.minor));
        let minor = known.unwrap_or(27);
        GoVersion::release(minor, support::newest_patch(minor).unwrap_or(0))
    };
    let Some(named) = named else {
        let version = newest();
        let because = "go.mod names no release; this is the newest one known".to_owned();
        return Builder { version, because };
    };
    if let Support::Ended { .. } = support::go_support(named.minor, date) {
        let version = newest();
        let because = format!(
            "go.mod asks for {named}, which gets no fixes any more; newer releases build it with \
             the behaviour of its go line"
        );
        return Builder { version, because };
    }
    let newest_patch = support::newest_patch(named.minor).unwrap_or(0);
    match toolchain {
        Some(exact) if exact.patch.is_some() => {
            Builder { version: exact, because: "the toolchain line of go.mod".to_owned() }
        }
        _ => {
            let patch = named.patch.unwrap_or(0).max(newest_patch);
            Builder {
                version: GoVersion::release(named.minor, patch),
                because: "the go line of go.mod, in its newest patch release known".to_owned(),
            }
        }
    }
}

/// Targets of `replace` that are folders: a path that begins with `./`, `../` or `/` (Go modules
/// reference, "replace directive").
fn replaced_by_folders(go_mod: &str) -> Vec<String> {
    let lines = go_mod.lines().map(|line| line.split("//").next().unwrap_or_default());
    let target = |line: &str| {
        let (_, to) = line.split_once("=>")?;
        Some(to.split_whitespace().next()?.trim_matches(['"', '`']).to_owned())
    };
    // A URL's `//` is cut off with the comments; folders have none.
    lines.filter_map(target).filter(|to| to.starts_with(['.', '/'])).collect()
}

/// Whether such a folder lies outside of the module's.
fn is_outside(path: &str) -> bool {
    let mut depth = 0i32;
    path.starts_with('/')
        || path.split('/').any(|part| {
            match part {
                ".." => depth -= 1,
                "" | "." => {}
                _ => depth += 1,
            }
            depth < 0
        })
}

/// All files of a program, with what their names stand for.
struct View<'m> {
    /// By package, so that a name is looked up where it is used.
    packages: Vec<Vec<&'m GoFile>>,
}

impl<'m> View<'m> {
    fn new(packages: &[&'m Package]) -> Self {
        let files = |package: &&'m Package| package.files.iter().collect();
        Self { packages: packages.iter().map(files).collect() }
    }

    fn files(&self) -> impl Iterator<Item = &'m GoFile> {
        self.packages.iter().flatten().copied()
    }

    /// Whether a package, or one below it, is imported.
    fn imports(&self, path: &str) -> bool {
        let is = |found: &String| {
            found.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.files().any(|file| file.imports.keys().any(is))
    }

    /// Whether one of a package's members is named.
    fn uses(&self, path: &str, members: &[&str]) -> bool {
        self.files().any(|file| {
            file.imports.get(path).is_some_and(|name| {
                members.iter().any(|member| file.mentions.contains(&format!("{name}.{member}")))
            })
        })
    }

    /// Whether a function or method of this name is called.
    fn calls(&self, name: &str) -> bool {
        self.files().any(|file| file.calls.iter().any(|call| call.name == name))
    }
}

/// What a name stands for in its package.
struct Names<'m>(std::collections::BTreeMap<&'m str, &'m Value>);

impl<'m> Names<'m> {
    fn of(files: &[&'m GoFile]) -> Self {
        let mut names = std::collections::BTreeMap::new();
        for (name, value) in files.iter().flat_map(|file| &file.names) {
            names.entry(name.as_str()).or_insert(value);
        }
        Self(names)
    }

    /// A value, a name replaced by its literal.
    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value {
            Value::Name(name) => self.0.get(name.as_str()).copied().unwrap_or(value),
            other => other,
        }
    }

    fn text<'a>(&'a self, value: Option<&'a Value>) -> Option<&'a str> {
        match self.resolve(value?) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for (module, folder, expected) in [
            ("example.com/shop/checkout", "cmd/checkout", "checkout"),
            ("example.com/shop/checkout/v2", "", "checkout"),
            ("example.com/shop", "cmd/server", "shop"),
            ("example.com/shop", "cmd/Price_List", "price-list"),
            ("example.com/3d", "", "svc-3d"),
            ("example.com/é", "cmd", "service"),
            ("example.com/shop", "cmd/On", "svc-on"),
            ("example.com/no", "", "svc-no"),
            ("example.com/null", "cmd/nobody", "nobody"),
        ] {
            assert_eq!(name(module, folder), expected, "{module} {folder}");
        }
        assert_eq!(label(&"x".repeat(200)).len(), 40);
    }

    #[test]
    fn replacements_outside_are_named() {
        let text = "module a\nreplace b => ../b\nreplace (\n\tc v1.0.0 => ./c // here\n\td => /srv/d\n\te => f v1.2.3\n\tg => \"./x/../../g\"\n)\n";
        let folders = replaced_by_folders(text);
        assert_eq!(folders, ["../b", "./c", "/srv/d", "./x/../../g"]);
        let outside: Vec<_> = folders.into_iter().filter(|path| is_outside(path)).collect();
        assert_eq!(outside, ["../b", "/srv/d", "./x/../../g"]);
    }

    #[test]
    fn the_builder_is_one_that_has_an_image() {
        let of = |text: &str| {
            let date = Date::constant(2026, 11, 26);
            builder(&GoMod::parse(&format!("module a\n{text}")), date).version.to_string()
        };
        assert_eq!(of("go 1.27.0\ntoolchain go1.27.3\n"), "go1.27.3");
        let plain = of("go 1.27.0\n");
        assert_eq!(of("go 1.27.0\ntoolchain go1.27.4-fips\n"), plain);
        assert!(!plain.contains('-'), "{plain}");
    }
}
