//! What the process is given: arguments and environment of the container, outranked by the command
//! line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use provost_check::artifact::mmap;
use provost_check::case::Case;
use provost_check::case::env::EnvSource;
use provost_check::findings::{Abstain, Reason};
use provost_check::model::secret;

use crate::args::ProveArgs;
use crate::exit::Mistake;

/// Bytes of a file of variables.
const MOST_ENV_FILE: u64 = 1 << 20;

/// Bytes of a secret that can be told from other text.
const SHORTEST: usize = 6;

/// The environment and what is to be known of it.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// By name.
    pub(super) variables: BTreeMap<String, String>,
    /// Those that the manifest or the command line sets: what the image sets is there without them.
    pub(super) set: BTreeSet<String>,
    /// Values that no report may show.
    pub(super) secrets: Vec<String>,
    /// Variables whose values are not known here and had to be made up or left out, in sentences.
    pub(super) said: Vec<String>,
    /// What was made up, by what it stands for: a variable and a file of the same key are the same.
    canaries: BTreeMap<String, String>,
}

/// Composes it.
pub(super) fn compose(
    args: &ProveArgs,
    container: Option<&Case<'_>>,
    of_image: &[(String, String)],
) -> Result<Given> {
    let mut given = Given::default();
    if let Some(case) = container {
        of_manifest(case, &mut given, of_image.is_empty());
    }
    // What is known of an image beside its files has no values of secrets, and a process needs them.
    for (name, value) in of_image {
        if given.set.contains(name) {
            continue;
        }
        given.may_be_secret(name, value);
        given.variables.insert(name.clone(), value.clone());
    }
    for file in &args.env_file {
        for (name, value) in read_file(file)? {
            given.set(name, value);
        }
    }
    for (name, value) in &args.env {
        given.set(name.clone(), value.clone());
    }
    Ok(given)
}

impl Given {
    /// What of a value no report may show: all of it when its name says so, the password of a URL; each
    /// line, and as JSON writes it. A shorter one may be part of any word.
    fn may_be_secret(&mut self, name: &str, value: &str) {
        let whole = secret::secret_word(name).map(|_| value);
        let password = value.split_once("://").and_then(|(_, rest)| {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let (user, _) = authority.rsplit_once('@')?;
            Some(user.split_once(':')?.1)
        });
        for secret in [whole, password].into_iter().flatten() {
            let escaped = serde_json::to_string(secret).unwrap_or_default();
            // As encoding/json does.
            let html =
                escaped.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
            let forms = [secret, escaped.trim_matches('"'), html.trim_matches('"')];
            for line in forms.into_iter().flat_map(str::lines) {
                let line = line.trim();
                if line.len() >= SHORTEST && !self.secrets.iter().any(|known| known == line) {
                    self.secrets.push(line.to_owned());
                }
            }
        }
    }

    /// Stands for what is secret: whoever prints it has printed a secret, and no real one was needed to
    /// see that.
    pub(super) fn canary(&mut self, of: &str) -> String {
        if let Some(known) = self.canaries.get(of) {
            return known.clone();
        }
        let canary = format!("canary-{:x}-{}", std::process::id(), self.secrets.len());
        self.secrets.push(canary.clone());
        self.canaries.insert(of.to_owned(), canary.clone());
        canary
    }

    /// A value that the user gave: secret when its name says so.
    fn set(&mut self, name: String, value: String) {
        self.may_be_secret(&name, &value);
        self.said.retain(|said| said.split_whitespace().next() != Some(name.as_str()));
        self.set.insert(name.clone());
        self.variables.insert(name, value);
    }
}

fn of_manifest(case: &Case<'_>, given: &mut Given, image_too: bool) {
    let environment = case.environment();
    for (name, variable) in environment.iter() {
        if variable.source == EnvSource::Image && !image_too {
            continue;
        }
        match &variable.value {
            Ok(value) => {
                given.may_be_secret(name, value);
                given.variables.insert(name.to_owned(), value.clone());
            }
            Err(Abstain::Unknown { reason: Reason::ValueFromSecret, needs }) => {
                let canary = given.canary(needs);
                given.said.push(format!("{name} is of a Secret; a value was made up for it"));
                given.variables.insert(name.to_owned(), canary);
            }
            Err(Abstain::Unknown { reason: Reason::ValueFromField, .. }) => {
                given.said.push(format!("{name} is only known on a node, and was left out"));
            }
            Err(Abstain::Unknown { needs, .. }) => {
                given.said.push(format!("{name} was left out: {needs} is not known"));
            }
            Err(Abstain::NotApplicable) => {}
        }
    }
    let known = given.variables.keys().filter(|name| {
        let variable = environment.get(name).ok().flatten();
        variable.is_some_and(|variable| variable.source == EnvSource::Manifest)
    });
    given.set = known.cloned().collect();
    if let Some(Abstain::Unknown { needs, .. }) = environment.open() {
        given.said.push(format!("variables may be missing: {needs} is not known"));
    }
}

/// `NAME=VALUE` lines; empty ones and comments are passed over.
fn read_file(path: &str) -> Result<Vec<(String, String)>> {
    let bytes = mmap::read_text(Path::new(path), MOST_ENV_FILE, true)
        .map_err(|error| Mistake::new(format!("--env-file: cannot read {path}: {error}")))?;
    let text = String::from_utf8(bytes.to_vec())
        .map_err(|_| Mistake::new(format!("--env-file: {path} is not UTF-8")))?;
    let mut variables = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                variables.push((name.trim().to_owned(), value.to_owned()));
            }
            _ => {
                let what = format!("--env-file: {path}:{}: expected NAME=VALUE", number + 1);
                return Err(Mistake::new(what).into());
            }
        }
    }
    Ok(variables)
}
