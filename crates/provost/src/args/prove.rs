//! What can be typed after `provost prove`.

use clap::Args;
use clap::builder::RangedI64ValueParser;
use provost_check::facts::proof::{Dependency, PhaseName, RATE};

use super::dependency::dependency;
use super::{ImageArg, Output, RuleArgs, container, host};
use provost_check::pipeline::ImageInput;

/// Seconds that readiness is waited for, where nobody says how many.
pub(crate) const READY_WITHIN: u64 = 60;

#[derive(Debug, Args)]
pub(crate) struct ProveArgs {
    /// The Go binary to run
    #[arg(long, value_name = "PATH", help_heading = "Process")]
    #[arg(required_unless_present = "image", conflicts_with = "image")]
    pub(crate) binary: Option<String>,
    /// The image to run, with its files as its root: oci:DIR, oci:TAR, docker-archive:TAR, a PATH to one
    /// of them, or registry:REF
    #[arg(long, value_name = "FORM:PATH", value_parser = image, help_heading = "Process")]
    pub(crate) image: Option<ImageArg>,
    /// A registry (HOST or HOST:PORT) to speak plain HTTP with
    #[arg(long, value_name = "HOST", value_parser = host, requires = "image")]
    #[arg(help_heading = "Process")]
    pub(crate) insecure_registry: Vec<String>,
    /// Manifests and Dockerfiles that say how it is run, and its folder of configuration
    #[arg(long, value_name = "FILE|DIR", help_heading = "Process")]
    pub(crate) manifest: Vec<String>,
    /// The container that runs the binary, when several could
    #[arg(long, value_name = "NS/KIND/NAME/C", value_parser = container, help_heading = "Process")]
    pub(crate) container: Option<String>,
    /// A variable of its environment; outranks the manifest
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable, help_heading = "Process")]
    pub(crate) env: Vec<(String, String)>,
    /// Variables, one NAME=VALUE a line
    #[arg(long, value_name = "FILE", help_heading = "Process")]
    pub(crate) env_file: Vec<String>,
    /// What a Secret holds, which is made up else: DIR has a file for each key; for variables that name
    /// a key, and for volumes; repeatable
    #[arg(long, value_name = "NAME=DIR", value_parser = secret, help_heading = "Process")]
    pub(crate) secret: Vec<(String, String)>,
    /// What it depends on, at PORT of its loopback address: a stub that accepts and answers nothing, or
    /// a real one on loopback of this machine (tcp:5432=127.0.0.1:5432); NAME is what it calls the host
    /// (tcp:5432=db); repeatable
    #[arg(long, value_name = "tcp:PORT[=NAME][=127.0.0.1:PORT]", value_parser = dependency)]
    #[arg(help_heading = "Process")]
    pub(crate) dependency: Vec<Dependency>,
    /// The folder it is started in (default: the container's workingDir, else the image's, else /)
    #[arg(long, value_name = "DIR", help_heading = "Process")]
    pub(crate) directory: Option<std::path::PathBuf>,
    /// Its arguments, behind `--`; outrank the manifest
    #[arg(last = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<String>,

    /// The port that load goes to (default: the manifest's, else the first that is opened)
    #[arg(long, value_name = "PORT", value_parser = port(), help_heading = "Measurement")]
    pub(crate) port: Option<u16>,
    /// What is asked for under load (default: the readiness probe's path, else /)
    #[arg(long, value_name = "PATH", value_parser = path, help_heading = "Measurement")]
    pub(crate) path: Option<String>,
    /// A path that takes seconds to answer, for requests in flight; of gRPC a method (/PACKAGE.SERVICE/METHOD), which is called with a message that sets nothing
    #[arg(long, value_name = "PATH", value_parser = path, help_heading = "Measurement")]
    pub(crate) slow_path: Option<String>,
    /// A path at which a WebSocket is opened
    #[arg(long, value_name = "PATH", value_parser = path, help_heading = "Measurement")]
    pub(crate) websocket: Option<String>,
    /// The certificate of whoever asks, as PEM, where the server wants to know; probes have none
    #[arg(long, value_name = "FILE", requires = "client_key", help_heading = "Measurement")]
    pub(crate) client_cert: Option<String>,
    /// Its key, as PEM
    #[arg(long, value_name = "FILE", requires = "client_cert", help_heading = "Measurement")]
    pub(crate) client_key: Option<String>,
    /// Where its metrics are (default: what monitors or annotations say, else /metrics)
    #[arg(long, value_name = "PATH", value_parser = path, help_heading = "Measurement")]
    pub(crate) metrics_path: Option<String>,
    /// The port of its metrics (default: likewise, else any that answers)
    #[arg(long, value_name = "PORT", value_parser = port(), help_heading = "Measurement")]
    pub(crate) metrics_port: Option<u16>,
    /// Seconds that readiness is waited for
    #[arg(long, value_name = "SECONDS", default_value_t = READY_WITHIN, help_heading = "Measurement")]
    pub(crate) ready_within: u64,
    /// A sink of OTLP where the process sends telemetry, also when no OTEL_EXPORTER_OTLP_* is set
    #[arg(long, help_heading = "Measurement")]
    pub(crate) otlp: bool,
    /// Requests a second in the phase load
    #[arg(long, value_name = "NUMBER", default_value_t = RATE, value_parser = rate())]
    #[arg(help_heading = "Measurement")]
    pub(crate) rate: u32,
    /// Measure everything so many times, and say what differs
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = times())]
    #[arg(help_heading = "Measurement")]
    pub(crate) repeat: u32,
    /// Only this part: start, drain, stuck, second-signal, early-signal, full-stdout, settings,
    /// without-dependency, outage, load, throttled, limits, storm, telemetry, exporter-failure; repeatable
    #[arg(long, value_name = "PHASE", value_parser = phase, help_heading = "Measurement")]
    pub(crate) phase: Vec<PhaseName>,
    /// In the phase settings, change only this variable; repeatable
    #[arg(long, value_name = "NAME", conflicts_with = "quick", help_heading = "Measurement")]
    pub(crate) variable: Vec<String>,
    /// Start and drain only
    #[arg(long, conflicts_with = "phase", help_heading = "Measurement")]
    pub(crate) quick: bool,

    #[command(flatten)]
    pub(crate) rules: RuleArgs,

    /// Keep what was measured, for `provost check --proof FILE`
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) write_proof: Option<String>,
    /// text (default), json, sarif, github, gitlab, junit, markdown, html; repeatable
    #[arg(long, value_name = "FORMAT[=FILE]", help_heading = "Output")]
    pub(crate) format: Vec<Output>,
}

/// As `check --image` takes it; a path by itself says its form.
fn image(text: &str) -> Result<ImageArg, String> {
    match super::image(text) {
        Err(_) if std::path::Path::new(text).exists() => {
            Ok(ImageArg::File(ImageInput { path: text.to_owned(), form: None }))
        }
        read => read,
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

fn secret(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, folder)) if !name.is_empty() && !folder.is_empty() => {
            Ok((name.to_owned(), folder.to_owned()))
        }
        _ => Err("expected NAME=DIR".to_owned()),
    }
}

fn path(text: &str) -> Result<String, String> {
    let fits = |c: char| !c.is_ascii_whitespace() && !c.is_ascii_control();
    match text.starts_with('/') && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => Err("expected a path that begins with /, without blanks".to_owned()),
    }
}

/// More is no load for one connection of clients.
fn rate() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=20_000)
}

fn times() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=100)
}

fn port() -> RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..)
}

fn phase(text: &str) -> Result<PhaseName, String> {
    PhaseName::ALL.into_iter().find(|phase| phase.name() == text).ok_or_else(|| {
        let names: Vec<&str> = PhaseName::ALL.iter().map(|phase| phase.name()).collect();
        format!("expected one of {}", names.join(", "))
    })
}
