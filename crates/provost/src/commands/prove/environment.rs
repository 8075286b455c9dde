//! What the process is given: arguments and environment of the container, outranked by the command
//! line.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;
use std::io::Read as _;
use std::path::Path;

use anyhow::Result;
use provost_check::artifact::mmap;
use provost_check::case::Case;
use provost_check::case::env::{EnvSource, Environment, Lookup};
use provost_check::facts::container::EnvValue;
use provost_check::facts::proof::{Says, Unlike};
use provost_check::findings::{Abstain, Reason};
use provost_check::model::env::{self, Found};
use provost_check::model::secret;

use super::canary::{self, Kind};
use super::certificate::{self, Pair};
use super::{env_from, fields};
use crate::args::ProveArgs;
use crate::exit::Mistake;

/// Bytes of a file of variables.
const MOST_ENV_FILE: u64 = 1 << 20;

/// The ConfigMap with the certificate of the API server's authority, which every namespace has
/// (pkg/controller/certificates/rootcacertpublisher).
pub(super) const ROOT_CA: &str = "kube-root-ca.crt";

/// Services whose names a certificate has.
const MOST_NAMES: usize = 16;

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
    /// What is made up or left out, by the variable or object that it is.
    pub(super) unlike: BTreeMap<String, Unlike>,
    /// What somebody gave for Secrets: by the name of the Secret, and by key.
    pub(super) files: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// Those of them that the container asks for.
    taken: BTreeSet<String>,
    /// In every text that is made up, so that it is nothing that a program or this machine has.
    mark: u64,
    /// What was made up, by what it stands for: a variable and a file of the same key are the same.
    canaries: BTreeMap<String, String>,
    /// Certificates by the Secret that they stand in for.
    pairs: BTreeMap<String, Pair>,
}

/// Composes it.
pub(super) fn compose(
    args: &ProveArgs,
    container: Option<&Case<'_>>,
    of_image: &[(String, String)],
) -> Result<Given> {
    // As random as what keeps tables from being flooded.
    let mark = RandomState::new().hash_one(std::process::id());
    let mut given = Given { mark, ..Given::default() };
    for (name, folder) in &args.secret {
        let files = read_secret(name, folder)?;
        for (key, content) in &files {
            let Ok(text) = std::str::from_utf8(content) else { continue };
            given.of_real_file(key, text);
        }
        given.files.insert(name.clone(), files);
    }
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
                // What every PEM begins with is no secret.
                if line.len() >= SHORTEST
                    && !line.starts_with("-----")
                    && !self.secrets.iter().any(|known| known == line)
                {
                    self.secrets.push(line.to_owned());
                }
            }
        }
    }

    /// A real value of a Secret, or a file of them. A certificate is shown to everybody, and a key is secret whatever
    /// its file is called; what is one line is the value, and of settings those are whose names say so.
    fn of_real_file(&mut self, key: &str, text: &str) {
        let is_key = text.contains("PRIVATE KEY-----");
        let is_certificate = text.contains("-----BEGIN CERTIFICATE-----") && !is_key;
        if is_key || (!is_certificate && text.trim().lines().count() == 1) {
            return self.may_be_secret("SECRET", text.trim());
        }
        self.may_be_secret(key, text);
        for (name, value) in text.lines().filter_map(|line| line.split_once(['=', ':'])) {
            let plain = |it: &str| it.trim().trim_matches(['"', '\'', ',']).to_owned();
            self.may_be_secret(&plain(name), &plain(value));
        }
    }

    /// Stands for what is secret: whoever prints it has printed a secret, and no real one was needed to
    /// see that.
    pub(super) fn canary(&mut self, of: &str) -> String {
        self.made_up(of, Kind::Text, None)
    }

    /// What somebody gave for a key of a Secret.
    pub(super) fn of_folder(&mut self, secret: &str, key: &str) -> Option<Vec<u8>> {
        let content = self.files.get(secret)?.get(key).cloned();
        self.taken.insert(secret.to_owned());
        content
    }

    /// The keys of a Secret that somebody gave.
    pub(super) fn keys_of(&self, secret: &str) -> Vec<String> {
        self.files.get(secret).map(|files| files.keys().cloned().collect()).unwrap_or_default()
    }

    /// A variable with a value of a Secret that somebody gave.
    pub(super) fn put(&mut self, name: &str, value: String) {
        self.may_be_secret(name, &value);
        self.variables.insert(name.to_owned(), value);
    }

    /// A Secret that was given and that the container does not ask for.
    pub(super) fn unasked(&self) -> Option<&str> {
        self.files.keys().find(|name| !self.taken.contains(*name)).map(String::as_str)
    }

    /// The same for a key of a Secret, of the kind that is read there.
    pub(super) fn of_secret(
        &mut self,
        case: &Case<'_>,
        (name, key): (&str, &str),
        variable: Option<&str>,
    ) -> (String, Kind) {
        let object = case.named_object("Secret", name).ok().flatten();
        let secret_type = object.and_then(|object| object.node().get("type")?.as_str());
        let kind = match (Kind::of(secret_type, key), variable) {
            (Kind::Text, Some(variable)) => Kind::of_variable(variable, key),
            (kind, _) => kind,
        };
        let pair = kind.is_of_pair().then(|| self.pair(case, name)).flatten();
        let made = self.made_up(&format!("key {key} of Secret {name}"), kind, pair.as_ref());
        (made, kind)
    }

    /// The certificate of a Secret and its key, which belong to each other.
    pub(super) fn pair(&mut self, case: &Case<'_>, secret: &str) -> Option<Pair> {
        if !self.pairs.contains_key(secret) {
            let namespace = &case.of.object.meta.namespace.value;
            let services = case.of.services().map(|(service, _)| service.meta.name());
            let name = case.container.name.as_ref().map_or("container", |name| &name.value);
            let mut hosts: Vec<String> = vec!["localhost".to_owned()];
            for service in services.take(MOST_NAMES) {
                hosts.push(service.to_owned());
                hosts.push(format!("{service}.{namespace}.svc"));
                hosts.push(format!("{service}.{namespace}.svc.cluster.local"));
            }
            let made = certificate::make(name, &hosts).ok()?;
            self.pairs.insert(secret.to_owned(), made);
        }
        self.pairs.get(secret).cloned()
    }

    /// Of the certificates that were made up the one that a server surely knows: its authority is in the same Secret.
    pub(super) fn client(&self) -> Option<&Pair> {
        let mut own = self.pairs.iter().filter(|(secret, _)| secret.as_str() != ROOT_CA);
        own.next().filter(|_| own.next().is_none()).map(|(_, pair)| pair)
    }

    fn made_up(&mut self, of: &str, kind: Kind, pair: Option<&Pair>) -> String {
        if let Some(known) = self.canaries.get(of) {
            return known.clone();
        }
        // None is the beginning of another.
        let text = format!("canary-{:016x}-{}z", self.mark, self.canaries.len());
        let made = canary::make(kind, &text, pair);
        self.secrets.extend(made.secret);
        self.canaries.insert(of.to_owned(), made.text.clone());
        made.text
    }

    /// A header that a probe sends: secret when its name says so.
    pub(super) fn sends(&mut self, name: &str, value: &str) {
        if secret::is_secret_header(name) && value.len() >= SHORTEST {
            self.secrets.push(value.to_owned());
        }
    }

    /// A word of `command` or `args` as the kubelet writes it out (`ExpandContainerCommandAndArgs` in
    /// pkg/kubelet/container/helpers.go): what is not set, or set by the image alone, stays as it is.
    pub(super) fn written_out(&self, word: &str) -> String {
        let value = |name: &str| match self.variables.get(name) {
            Some(value) if self.set.contains(name) => Found::Value(value),
            _ => Found::Nothing,
        };
        env::expand(word, value).text.unwrap_or_else(|| word.to_owned())
    }

    /// A part of a volume that is named with variables (`ExpandContainerVolumeMounts` in
    /// pkg/kubelet/container/helpers.go).
    pub(super) fn sub_path(&self, text: &str) -> Result<String, String> {
        let mut missing: Option<String> = None;
        let value = |name: &str| match self.variables.get(name) {
            Some(value) if self.set.contains(name) && !value.is_empty() => Found::Value(value),
            _ => {
                missing.get_or_insert_with(|| name.to_owned());
                Found::Nothing
            }
        };
        let expanded = env::expand(text, value).text;
        match (expanded, missing) {
            (Some(path), None) => Ok(path),
            (_, Some(name)) => Err(format!("{name}, which its subPathExpr names, has no value")),
            (None, None) => Err(format!("its subPathExpr {text} is too long")),
        }
    }

    /// Says it once.
    pub(super) fn say(&mut self, said: String) {
        if !self.said.contains(&said) {
            self.said.push(said);
        }
    }

    /// A value that the user gave: secret when its name says so.
    fn set(&mut self, name: String, value: String) {
        self.may_be_secret(&name, &value);
        self.said.retain(|said| said.split_whitespace().next() != Some(name.as_str()));
        self.unlike.remove(&name);
        self.set.insert(name.clone());
        self.variables.insert(name, value);
    }
}

fn of_manifest(case: &Case<'_>, given: &mut Given, image_too: bool) {
    let environment = case.environment();
    let mut open: Vec<(&str, &Abstain)> = Vec::new();
    for (name, variable) in environment.iter() {
        if variable.source == EnvSource::Image && !image_too {
            continue;
        }
        match &variable.value {
            Ok(value) => {
                given.may_be_secret(name, value);
                given.variables.insert(name.to_owned(), value.clone());
            }
            Err(Abstain::NotApplicable) => {}
            Err(why) => open.push((name, why)),
        }
    }
    let of_folders = env_from::of_folders(case, given);
    open.retain(|(name, _)| !of_folders.contains(*name));
    // In the order in which they are written: one may hold those before it.
    let written: BTreeMap<&str, usize> = case
        .container
        .env
        .iter()
        .enumerate()
        .map(|(at, it)| (it.name.value.as_str(), at))
        .collect();
    open.sort_by_key(|(name, _)| written.get(name).copied());
    for (name, why) in open {
        let entry = written.get(name).and_then(|at| case.container.env.get(*at));
        // Of a Secret, with the kind of what was made up; else what is known otherwise, or nothing.
        let (made, kind) = match entry.map(|entry| &entry.value) {
            Some(EnvValue::SecretKey(key)) => {
                let key = (key.name.value.as_str(), key.key.value.as_str());
                let own = given.of_folder(key.0, key.1).map(String::from_utf8);
                if let Some(Ok(own)) = own {
                    given.may_be_secret(name, &own);
                    (Some(own), None)
                } else {
                    let (made, kind) = given.of_secret(case, key, Some(name));
                    let what = if kind == Kind::Text { "a value" } else { kind.words() };
                    given.say(format!("{name} is of a Secret; {what} was made up for it"));
                    (Some(made), Some(kind))
                }
            }
            Some(value) => (composed(case, name, value, &environment, given), None),
            None if matches!(why, Abstain::Unknown { reason: Reason::ValueFromSecret, .. }) => {
                let kind = Kind::of_variable(name, name);
                let canary = given.made_up(&format!("{name} by envFrom"), kind, None);
                given.say(format!("{name} is of a Secret; a value was made up for it"));
                (Some(canary), Some(kind))
            }
            None => (None, None),
        };
        let left_out = made.is_none() && matches!(why, Abstain::Unknown { .. });
        let says = kind.map(|kind| kind.says(name));
        if let Some(says) = says.or(left_out.then_some(Says::Anything)) {
            let unlike = Unlike { what: format!("the real {name}"), says, paths: Vec::new() };
            given.unlike.insert(name.to_owned(), unlike);
        }
        match (made, why) {
            (Some(made), _) => {
                // What was made up is known; what is put together with it may be secret by its name.
                if entry.is_some_and(|entry| matches!(entry.value, EnvValue::Literal(_))) {
                    given.may_be_secret(name, &made);
                }
                given.variables.insert(name.to_owned(), made);
            }
            (None, Abstain::Unknown { needs, .. }) => {
                given.say(format!("{name} was left out: {needs} is not known"));
            }
            (None, Abstain::NotApplicable) => {}
        }
    }
    let known = given.variables.keys().filter(|name| {
        let variable = environment.get(name).ok().flatten();
        variable.is_some_and(|variable| variable.source == EnvSource::Manifest)
    });
    given.set = known.cloned().chain(of_folders).collect();
    if let Some(Abstain::Unknown { needs, .. }) = env_from::open(case, given, &environment) {
        let what = format!("all its variables: {needs} is not known");
        let unlike = Unlike { what, says: Says::Anything, paths: Vec::new() };
        given.unlike.insert(String::new(), unlike);
        given.say(format!("variables may be missing: {needs} is not known"));
    }
}

/// What stands for a value that only a cluster has: of the pod or its node, or put together with one of those or of a
/// Secret.
fn composed(
    case: &Case<'_>,
    name: &str,
    value: &EnvValue,
    environment: &Environment,
    given: &mut Given,
) -> Option<String> {
    let field = match value {
        EnvValue::Literal(text) => return expanded(&text.value, environment, given),
        EnvValue::Field(path) => fields::of_pod(case, &path.value),
        EnvValue::Resource { resource, divisor, container } => fields::of_resource(
            case,
            &resource.value,
            divisor.as_ref().map(|it| it.value.as_str()),
            container.as_ref().map(|it| it.value.as_str()),
        ),
        EnvValue::SecretKey(_) | EnvValue::ConfigMapKey(_) | EnvValue::Other(_) => None,
    }?;
    if field.made_up {
        given.say(format!("{name} is only known on a node; {} stands for it", field.text));
    }
    Some(field.text)
}

/// The value of a variable with `$(NAME)` in it; nothing where the value of one is not known.
fn expanded(text: &str, environment: &Environment, given: &Given) -> Option<String> {
    let lookup = |name: &str| match environment.lookup(name) {
        // The kubelet does not know what an image sets.
        Lookup::Set(variable) if variable.source == EnvSource::Image => Found::Nothing,
        Lookup::Set(_) => given.variables.get(name).map_or(Found::Maybe, |it| Found::Value(it)),
        Lookup::Unset => Found::Nothing,
        // It may be of a Secret that was given.
        Lookup::Unknown(_) => given.variables.get(name).map_or(Found::Maybe, |it| Found::Value(it)),
    };
    env::expand(text, lookup).text
}

/// Bytes of a Secret with all its keys (`MaxSecretSize` in pkg/apis/core/types.go).
const MOST_OF_SECRET: u64 = 1 << 20;

/// The files of a folder, by their names, which are the keys of a Secret. In a volume of a pod they are links.
fn read_secret(name: &str, folder: &str) -> Result<BTreeMap<String, Vec<u8>>> {
    let failed = |what: &Path, error: &dyn std::fmt::Display| {
        Mistake::new(format!("--secret {name}: cannot read {}: {error}", what.display()))
    };
    let folder = Path::new(folder);
    let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
    let (mut files, mut left) = (BTreeMap::new(), MOST_OF_SECRET);
    for entry in entries {
        let path = entry.map_err(|error| failed(folder, &error))?.path();
        let about = std::fs::metadata(&path).map_err(|error| failed(&path, &error))?;
        let Some(key) = path.file_name().and_then(|it| it.to_str()).filter(|_| about.is_file())
        else {
            continue;
        };
        let mut content = Vec::new();
        let read = std::fs::File::open(&path)
            .and_then(|file| file.take(left + 1).read_to_end(&mut content))
            .map_err(|error| failed(&path, &error))?;
        left = left
            .checked_sub(read as u64)
            .ok_or_else(|| failed(folder, &"a Secret holds a megabyte at most"))?;
        files.insert(key.to_owned(), content);
    }
    if files.is_empty() {
        return Err(failed(folder, &"it holds no files, each named as a key of the Secret").into());
    }
    Ok(files)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_secret_really_holds_is_no_text_for_a_report() {
        let mut given = Given::default();
        given.of_real_file("pin", "4711-real\n");
        given
            .of_real_file("config.yaml", "log_level: information\npassword: \"of the database\"\n");
        given.of_real_file("tls.crt", "-----BEGIN CERTIFICATE-----\nMIIBaaaa\n");
        given.of_real_file("client", "-----BEGIN PRIVATE KEY-----\nMIIBbbbb\n");
        assert_eq!(given.secrets, ["4711-real", "of the database", "MIIBbbbb"]);
    }
}
