//! The command that measures the same again.

use provost_check::facts::proof::RATE;
use provost_check::model::secret::{masked, secret_word};

use super::{dependencies, image};
use crate::args::{ProveArgs, READY_WITHIN};

/// The command line without what the report is written as, for whoever wants to see it again. Values
/// of the environment may be secrets.
pub(super) fn command(args: &ProveArgs) -> String {
    let mut words = vec!["provost prove".to_owned()];
    let mut flag = |name: &str, value: &str| words.push(format!("{name} {}", quoted(value)));
    args.binary.iter().for_each(|path| flag("--binary", path));
    args.image.iter().for_each(|image| flag("--image", &image::typed(image)));
    args.insecure_registry.iter().for_each(|host| flag("--insecure-registry", host));
    args.manifest.iter().for_each(|path| flag("--manifest", path));
    args.container.iter().for_each(|name| flag("--container", name));
    args.env_file.iter().for_each(|path| flag("--env-file", path));
    for (name, value) in &args.env {
        let hidden = secret_word(name).is_some();
        flag("--env", &format!("{name}={}", if hidden { "..." } else { value }));
    }
    args.secret.iter().for_each(|(name, dir)| flag("--secret", &format!("{name}={dir}")));
    args.dependency.iter().for_each(|it| flag("--dependency", &dependencies::typed(it)));
    args.directory.iter().for_each(|path| flag("--directory", &path.to_string_lossy()));
    args.port.iter().for_each(|port| flag("--port", &port.to_string()));
    if args.ready_within != READY_WITHIN {
        flag("--ready-within", &args.ready_within.to_string());
    }
    args.path.iter().for_each(|path| flag("--path", path));
    args.slow_path.iter().for_each(|path| flag("--slow-path", path));
    args.websocket.iter().for_each(|path| flag("--websocket", path));
    args.client_cert.iter().for_each(|path| flag("--client-cert", path));
    args.client_key.iter().for_each(|path| flag("--client-key", path));
    args.metrics_path.iter().for_each(|path| flag("--metrics-path", path));
    args.metrics_port.iter().for_each(|port| flag("--metrics-port", &port.to_string()));
    if args.rate != RATE {
        flag("--rate", &args.rate.to_string());
    }
    if args.otlp {
        words.push("--otlp".to_owned());
    }
    masked(&words.join(" ")).into_owned()
}

/// What stands behind the flags.
pub(super) fn behind(args: &ProveArgs) -> String {
    let words = args.arguments.iter().map(|word| {
        let named = word.split_once('=').filter(|(name, _)| {
            let name = name.trim_start_matches('-').replace('-', "_").to_ascii_uppercase();
            secret_word(&name).is_some()
        });
        let word = named.map_or_else(|| word.clone(), |(name, _)| format!("{name}=..."));
        quoted(&masked(&word))
    });
    let words: Vec<String> = std::iter::once("--".to_owned()).chain(words).collect();
    if words.len() == 1 { String::new() } else { words.join(" ") }
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
