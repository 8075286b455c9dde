//! Environment variables that a program reads, and the times of its shutdown.

use std::collections::BTreeMap;

use provost_check::model::goduration;
use provost_check::model::secret::{looks_secret, secret_word};

use super::file::Value;
use super::shutdown::{self, LameDuck, Told};
use super::{Names, Ports, View};

/// A variable that the program reads.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Setting {
    pub(in super::super) name: String,
    /// The default that stands beside it; none when it looks like a secret.
    pub(in super::super) default: Option<String>,
    pub(in super::super) secret: bool,
}

/// What a variable of the shutdown says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Time {
    Drain,
    LameDuck,
}

/// How long a shutdown takes, and who says so.
#[derive(Clone, Debug)]
pub(in super::super) struct Times {
    /// Seconds that requests in flight get.
    pub(in super::super) drain: u64,
    /// Where `drain` comes from; `None` when nothing says it.
    pub(in super::super) because: Option<String>,
    /// How long the listener stays open after SIGTERM.
    pub(in super::super) lame_duck: LameDuck,
    /// Variables to set, so that manifests and configuration say the same.
    pub(in super::super) set: Vec<(String, Time)>,
}

/// What a shutdown gets when nothing says it.
const DRAIN: u64 = 20;

/// What a wait before it gets when its variable has no default.
const LAME_DUCK: u64 = 5;

/// A drain that is taken from the source; a longer one is no timeout of a shutdown.
const LONGEST_DRAIN: u64 = 600;

/// Variables that are read, by name.
const MOST_SETTINGS: usize = 200;

/// Variables that the runtime, the libraries or Kubernetes give a meaning: others write about them.
const KNOWN: &[&str] = &[
    "GOMAXPROCS",
    "GOMEMLIMIT",
    "GOGC",
    "GODEBUG",
    "GOTRACEBACK",
    "HOME",
    "PATH",
    "USER",
    "HOSTNAME",
    "PWD",
    "TMPDIR",
    "TZ",
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "OTEL_SERVICE_NAME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// All variables, in order of their names.
pub(super) fn read(view: &View<'_>) -> Vec<Setting> {
    let mut found: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut add = |name: &str, default: Option<String>| {
        if is_variable(name) && !KNOWN.contains(&name) && found.len() < MOST_SETTINGS {
            let entry = found.entry(name.to_owned()).or_default();
            *entry = entry.take().or(default);
        }
    };
    for files in &view.packages {
        let names = Names::of(files);
        for call in files.iter().flat_map(|file| &file.calls) {
            let lower = call.name.to_ascii_lowercase();
            let reads = lower.contains("env")
                && !["set", "unset", "clear", "expand"].iter().any(|verb| lower.starts_with(verb));
            if !reads {
                continue;
            }
            // viper.BindEnv has its own name first.
            let at = usize::from(lower == "bindenv" && call.arguments.len() > 1);
            if let Some(name) = names.text(call.arguments.get(at)) {
                let default =
                    call.arguments.get(at + 1).and_then(|value| text_of(names.resolve(value)));
                add(name, default);
            }
        }
        for tag in files.iter().flat_map(|file| &file.tags) {
            for key in ["env", "envconfig"] {
                let Some(name) = tag_value(tag, key) else { continue };
                let name = name.split(',').next().unwrap_or_default();
                let default =
                    ["envDefault", "default", "env-default"].iter().find_map(|k| tag_value(tag, k));
                add(name, default.map(str::to_owned));
            }
        }
    }
    found
        .into_iter()
        .map(|(name, default)| {
            let secret = secret_word(&name).is_some() || (default.is_none() && has_login(&name));
            let shown = default
                .filter(|value| looks_secret(&name, value).is_none() && !secret && is_plain(value));
            Setting { name, default: shown, secret }
        })
        .collect()
}

/// Splits off what decides the shutdown, and what [`Ports`] has taken.
pub(super) fn times(
    view: &View<'_>,
    settings: Vec<Setting>,
    ports: &Ports,
) -> (Times, Vec<Setting>) {
    let parses = view.calls("ParseDuration");
    let shutdown = shutdown::read(view);
    let (lame_duck, drain) = (shutdown.lame_duck, shutdown.drain);
    let (waits_for, drains_for) = (shutdown.waits_for, shutdown.drains_for);
    let mut times = Times { drain: DRAIN, because: None, lame_duck, set: Vec::new() };
    let mut rest = Vec::new();
    for setting in settings {
        if ports.is_told_by(&setting.name) {
            continue;
        }
        let told = |by: &Option<Told>| by.clone().filter(|by| by.name == setting.name);
        let (waits, drains) = (told(&waits_for), told(&drains_for));
        // What the source does with it says more than its name.
        let (is_lame_duck, is_drain) = match (&waits, &drains) {
            (None, None) => kind(&setting.name),
            // It cannot be set for one alone.
            (Some(_), Some(_)) => (false, false),
            _ => (waits.is_some(), drains.is_some()),
        };
        let of_source = waits.or(drains).and_then(|by| by.is_duration);
        // A number alone may be of any unit, and what reads it may take nothing else.
        let default = setting.default.as_deref();
        let own = default.filter(|text| *text != "0").and_then(goduration::parse_seconds);
        let known = own.map(|seconds| seconds.round() as u64).filter(|s| *s <= LONGEST_DRAIN);
        // A default that is not understood is the author's, and stays.
        let can_be_set = of_source != Some(false)
            && (known.is_some() || (default.is_none() && (parses || of_source == Some(true))));
        // A wait that is read off the source is not this one's.
        let is_another = is_lame_duck
            && waits_for.as_ref().is_none_or(|by| by.name != setting.name)
            && times.lame_duck.seconds() > 0;
        if !(is_lame_duck || is_drain) || !can_be_set || is_another {
            rest.push(setting);
        } else if is_lame_duck {
            let seconds = known.or(known_wait(&times.lame_duck)).unwrap_or(LAME_DUCK);
            times.lame_duck = LameDuck::Known(seconds, setting.name.clone());
            times.set.push((setting.name, Time::LameDuck));
        } else {
            let of_source =
                drain.filter(|_| drains_for.as_ref().is_some_and(|by| by.name == setting.name));
            times.drain = known.or(of_source).filter(|seconds| *seconds > 0).unwrap_or(DRAIN);
            times.because = Some(setting.name.clone());
            times.set.push((setting.name, Time::Drain));
        }
    }
    if times.because.is_none() {
        let of_source = drain.filter(|seconds| (1..=LONGEST_DRAIN).contains(seconds));
        if let Some(seconds) = of_source.or_else(|| written_drain(view)) {
            times.drain = seconds;
            let variable = drains_for.filter(|_| of_source.is_some()).map(|by| by.name);
            times.because = Some(variable.unwrap_or("the timeout of its shutdown".to_owned()));
        }
    }
    as_work(&mut times, ports);
    (times, rest)
}

/// Who listens on nothing has no lame duck: what it waits for after the signal is its work.
fn as_work(times: &mut Times, ports: &Ports) {
    let listens = !ports.is_empty() || ports.unknown || !ports.private.listeners.is_empty();
    if let LameDuck::Known(seconds @ 1..=LONGEST_DRAIN, because) = &times.lame_duck
        && !listens
        && times.because.is_none()
    {
        times.drain = *seconds;
        times.because = Some(because.clone());
        times.lame_duck = LameDuck::Known(0, String::new());
        times.set.iter_mut().for_each(|(_, time)| *time = Time::Drain);
    }
}

/// The wait that is the default of its variable.
fn known_wait(lame_duck: &LameDuck) -> Option<u64> {
    match lame_duck {
        LameDuck::Known(seconds, _) if *seconds > 0 => Some(*seconds),
        _ => None,
    }
}

/// Whether a variable says how long the listener stays open, or how long requests get.
fn kind(name: &str) -> (bool, bool) {
    let has = |part: &str| name.contains(part);
    let lame_duck = has("LAME_DUCK") || has("LAMEDUCK") || has("SHUTDOWN_DELAY");
    let time =
        ["TIMEOUT", "PERIOD", "DURATION", "GRACE", "WAIT"].iter().any(|word| name.ends_with(word));
    let drain =
        has("DRAIN") || (time && (has("SHUTDOWN") || has("GRACEFUL") || has("TERMINATION")));
    (lame_duck, drain && !lame_duck)
}

/// The longest timeout in a file that shuts a server down.
fn written_drain(view: &View<'_>) -> Option<u64> {
    let mut longest = None;
    for files in &view.packages {
        let names = Names::of(files);
        for file in files {
            let ends =
                |name: &str| matches!(name, "Shutdown" | "GracefulStop" | "ShutdownWithTimeout");
            if !file.calls.iter().any(|call| ends(&call.name)) {
                continue;
            }
            let stops_grpc = file.calls.iter().any(|call| call.name == "GracefulStop");
            for call in &file.calls {
                // `time.AfterFunc(limit, server.Stop)` is how GracefulStop gets a limit.
                let at = match call.name.as_str() {
                    "WithTimeout" => 1,
                    "AfterFunc" | "After" if stops_grpc => 0,
                    _ => continue,
                };
                if let Some(Value::Seconds(seconds)) =
                    call.arguments.get(at).map(|value| names.resolve(value))
                    && (1..=LONGEST_DRAIN).contains(seconds)
                {
                    longest = longest.max(Some(*seconds));
                }
            }
        }
    }
    longest
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Seconds(seconds) => Some(format!("{seconds}s")),
        Value::Name(_) | Value::Member(..) | Value::Other => None,
    }
}

/// Whether a variable is the address of something that one logs in to: it has the password in it.
fn has_login(name: &str) -> bool {
    let mut words = name.split('_');
    let is_address = matches!(words.next_back(), Some("DSN" | "URL" | "URI"));
    let kept = [
        "AMQP",
        "DATABASE",
        "DB",
        "MARIADB",
        "MONGO",
        "MONGODB",
        "MYSQL",
        "PG",
        "POSTGRES",
        "POSTGRESQL",
        "RABBITMQ",
        "REDIS",
    ];
    is_address && (name.ends_with("DSN") || words.any(|word| kept.contains(&word)))
}

/// A name in capitals, as environment variables have it.
pub(super) fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_uppercase())
        && name.len() > 1
        && name.len() <= 64
        && bytes.all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// What can stand in a comment.
fn is_plain(value: &str) -> bool {
    // Helm reads braces in comments, too.
    let plain = |c: char| (c.is_ascii_graphic() && !matches!(c, '{' | '}')) || c == ' ';
    value.len() <= 80 && value.chars().all(plain)
}

/// `name` in `key:"name"` of a struct tag.
pub(super) fn tag_value<'t>(tag: &'t str, key: &str) -> Option<&'t str> {
    let start = tag.match_indices(key).find_map(|(at, _)| {
        let alone = at == 0 || tag.as_bytes()[at - 1] == b' ';
        let rest = tag[at + key.len()..].strip_prefix(":\"")?;
        alone.then_some(rest)
    })?;
    start.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn settings(source: &str) -> Vec<Setting> {
        let file = file::read(source);
        read(&View { packages: vec![vec![&file]] })
    }

    #[test]
    fn variables_are_found_by_call_and_by_tag() {
        let found = settings(
            "package main\nconst key = \"STOCK_URL\"\ntype c struct {\n A string `env:\"LOG_LEVEL,required\" envDefault:\"info\"`\n\
             B int `envconfig:\"WORKERS\" default:\"4\"`\n C string `json:\"env\"`\n}\n\
             func main() { os.Getenv(key); os.Setenv(\"NOT_READ\", \"x\"); envOr(\"RETRIES\", 3); os.Getenv(\"HOME\")\n\
             mustEnv(\"DB_PASSWORD\"); mustEnv(\"DATABASE_URL\"); getEnv(\"REDIS_URL\", \"redis://cache:6379\"); getEnv(\"API_TOKEN\", \"s3cr3t-t0k3n\"); f(os.Getenv(\"lower\")) }\n",
        );
        let shown: Vec<String> = found
            .iter()
            .map(|s| format!("{} {:?} {}", s.name, s.default.as_deref(), s.secret))
            .collect();
        assert_eq!(
            shown,
            [
                "API_TOKEN None true",
                "DATABASE_URL None true",
                "DB_PASSWORD None true",
                "LOG_LEVEL Some(\"info\") false",
                "REDIS_URL Some(\"redis://cache:6379\") false",
                "RETRIES Some(\"3\") false",
                "STOCK_URL None false",
                "WORKERS Some(\"4\") false",
            ]
        );
    }

    /// It took 30 s as a lame duck, and 20 s of drain for granted.
    #[test]
    fn what_a_worker_waits_for_is_its_drain() {
        let file = file::read(
            "package main\nimport (\n\"context\"\n\"time\"\n)\nfunc main() {\n<-ctx.Done()\nselect {\ncase <-done:\ncase <-time.After(30 * time.Second):\n}\n}\n",
        );
        let view = View { packages: vec![vec![&file]] };
        let of = |ports: &Ports| {
            let (times, _) = times(&view, Vec::new(), ports);
            (times.drain, times.lame_duck.seconds(), times.because.is_some())
        };
        assert_eq!(of(&Ports::default()), (30, 0, true));
        assert_eq!(of(&Ports { unknown: true, ..Ports::default() }), (20, 30, false));
    }

    #[test]
    fn times_come_from_variables_or_from_the_shutdown() {
        let of = |source: &str| {
            let file = file::read(source);
            let view = View { packages: vec![vec![&file]] };
            let settings = read(&view);
            let (times, rest) = times(&view, settings, &Ports::default());
            (times.drain, times.lame_duck.seconds(), times.set.len(), rest.len())
        };
        assert_eq!(
            of(
                "package a\nfunc f() { d(os.Getenv(\"DRAIN_TIMEOUT\")); d(os.Getenv(\"LAME_DUCK\")); time.ParseDuration(x) }"
            ),
            (20, 5, 2, 0)
        );
        assert_eq!(of("package a\nfunc f() { env(\"SHUTDOWN_TIMEOUT\", \"45s\") }"), (45, 0, 1, 0));
        // In which unit it is to be written is not known.
        assert_eq!(of("package a\nfunc f() { env(\"DRAIN_TIMEOUT\", 30) }"), (20, 0, 0, 1));
        for default in ["30", "\"30\"", "0", "\"15m\"", "\"soon\""] {
            let source = format!(
                "package a\nfunc f() {{ env(\"DRAIN_TIMEOUT\", {default}); time.ParseDuration(x) }}"
            );
            assert_eq!(of(&source), (20, 0, 0, 1), "{default}");
        }
        assert_eq!(
            of(
                "package a\nvar t = 15 * time.Second\nfunc f() { context.WithTimeout(x, t); s.Shutdown(x) }"
            ),
            (15, 0, 0, 0)
        );
        assert_eq!(
            of("package a\nfunc f() { context.WithTimeout(x, time.Minute) }"),
            (20, 0, 0, 0)
        );
    }
}
