//! The configuration of an image.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Broken;
use super::layout::{is_sha256, json};
use crate::facts::build::{CommandForm, Instruction, StageConfig};
use crate::facts::image::{SecretVariable, UserGroup};
use crate::facts::{Fact, Origin, SourceId};
use crate::model::secret::{
    MASK, is_hidden, looks_secret, masked, masked_command, masked_words, shaped,
};

/// How an image says that it is run, as it is written.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    /// `USER`
    pub user: String,
    /// `NAME=VALUE`
    pub env: Vec<String>,
    /// The words of ENTRYPOINT.
    pub entrypoint: Vec<String>,
    /// The words of CMD.
    pub cmd: Vec<String>,
    /// WORKDIR
    pub working_dir: String,
    /// VOLUME
    pub volumes: Vec<String>,
}

/// Values of its variables may be secret.
impl std::fmt::Debug for Configuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Configuration").finish_non_exhaustive()
    }
}

pub(super) fn as_written(bytes: &[u8]) -> Result<Configuration, Broken> {
    let file: File = json(bytes, "the configuration")?;
    let run = file.config.unwrap_or_default();
    Ok(Configuration {
        user: run.user,
        env: run.env.unwrap_or_default(),
        entrypoint: run.entrypoint.unwrap_or_default(),
        cmd: run.cmd.unwrap_or_default(),
        working_dir: run.working_dir,
        volumes: run.volumes.unwrap_or_default().into_keys().collect(),
    })
}

/// What is read of it.
pub(super) struct Config {
    pub(super) platform: String,
    pub(super) stage: StageConfig,
    /// Variables of ENV that are secrets, and what each is; the value itself is kept nowhere.
    pub(super) secret_env: Vec<SecretVariable>,
    pub(super) labels: BTreeMap<String, Fact<String>>,
    pub(super) diff_ids: Vec<String>,
    /// Instructions that made a layer, in the order of the layers.
    pub(super) created_by: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    os: String,
    architecture: String,
    variant: Option<String>,
    config: Option<Run>,
    rootfs: RootFs,
    history: Option<Vec<History>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RootFs {
    diff_ids: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct History {
    created_by: String,
    empty_layer: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Run {
    user: String,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: String,
    volumes: Option<BTreeMap<String, serde_json::Value>>,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    healthcheck: Option<Healthcheck>,
    stop_signal: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    shell: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Healthcheck {
    test: Option<Vec<String>>,
}

pub(super) fn read(source: SourceId, bytes: &[u8]) -> Result<Config, Broken> {
    let file: File = json(bytes, "the configuration")?;
    let run = file.config.unwrap_or_default();
    let at = |key: &str| Origin::image(source, None, &format!("config.{key}"));
    let words = |words: Vec<String>, key: &str| -> Vec<Fact<String>> {
        // What is secret in a command goes no further, either.
        let words = masked_words(&words);
        words.into_iter().map(|word| Fact::written(word, at(key))).collect()
    };
    let command = |list: Option<Vec<String>>, key: &str| {
        let list = list.filter(|list| !list.is_empty())?;
        let value = CommandForm::Exec(words(list, key));
        Some(Instruction { origin: at(key), value, inherited: false })
    };
    let lines = run.env.unwrap_or_default();
    let Variables { env, secret: secret_env } =
        variables(lines.iter().map(String::as_str), &at("Env"));
    let stage = StageConfig {
        user: (!run.user.is_empty()).then(|| Instruction {
            origin: at("User"),
            value: Fact::written(run.user, at("User")),
            inherited: false,
        }),
        env,
        entrypoint: command(run.entrypoint, "Entrypoint"),
        cmd: command(run.cmd, "Cmd"),
        workdir: (!run.working_dir.is_empty())
            .then(|| Fact::written(run.working_dir, at("WorkingDir"))),
        exposed: run
            .exposed_ports
            .unwrap_or_default()
            .keys()
            .filter_map(|port| {
                let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
                let value = (number.parse().ok()?, protocol.to_owned());
                Some(Fact::written(value, at("ExposedPorts")))
            })
            .collect(),
        healthcheck: run.healthcheck.and_then(|h| h.test).and_then(|test| {
            let (first, rest) = test.split_first()?;
            let value = match (first.as_str(), rest) {
                ("NONE", _) => None,
                ("CMD", rest) => Some(CommandForm::Exec(words(rest.to_vec(), "Healthcheck"))),
                ("CMD-SHELL", [text, ..]) => {
                    let text = Fact::written(masked_command(text), at("Healthcheck"));
                    Some(CommandForm::Shell(text))
                }
                _ => return None,
            };
            Some(Instruction { origin: at("Healthcheck"), value, inherited: false })
        }),
        stop_signal: run
            .stop_signal
            .filter(|s| !s.is_empty())
            .map(|signal| Fact::written(signal, at("StopSignal"))),
        shell: run.shell.map(|shell| words(shell, "Shell")),
        healthcheck_flags: Vec::new(),
    };
    let labels = run.labels.unwrap_or_default();
    let history = file.history.unwrap_or_default();
    Ok(Config {
        platform: match file.variant {
            Some(variant) if !variant.is_empty() => {
                format!("{}/{}/{variant}", file.os, file.architecture)
            }
            _ => format!("{}/{}", file.os, file.architecture),
        },
        stage,
        secret_env,
        labels: labels.into_iter().map(|(k, v)| label(k, &v, at("Labels"))).collect(),
        diff_ids: file.rootfs.diff_ids.unwrap_or_default().into_iter().map(diff_id).collect(),
        created_by: history.into_iter().filter(|h| !h.empty_layer).map(|h| h.created_by).collect(),
    })
}

/// ENV of an image.
pub(crate) struct Variables {
    /// Names and values, the secret ones masked.
    pub(crate) env: Vec<(Fact<String>, Fact<String>)>,
    /// Those that are secret by name or shape.
    pub(crate) secret: Vec<SecretVariable>,
}

/// Reads ENV. A secret's value goes no further.
pub(crate) fn variables<'l>(lines: impl Iterator<Item = &'l str>, at: &Origin) -> Variables {
    let mut secret = Vec::new();
    let variable = |line: &'l str| {
        let (name, value) = line.split_once('=')?;
        let fact = |text: String| Fact::written(text, at.clone());
        let what = looks_secret(name, value);
        let part = || shaped(value).into_iter().next().map(|part| part.what);
        if let Some(what) = what.or_else(part) {
            secret.push(SecretVariable { name: fact(name.to_owned()), what });
        }
        let value = match what.is_some() || is_hidden(name, value) {
            true => "*".repeat(8),
            false => masked(value).into_owned(),
        };
        Some((fact(name.to_owned()), fact(value)))
    };
    let env = lines.filter_map(variable).collect();
    Variables { env, secret }
}

fn label(key: String, value: &str, at: Origin) -> (String, Fact<String>) {
    // What has a shape is told by it, and left out of every sentence.
    let by_name = is_hidden(&key, value) && shaped(value).is_empty();
    let value = if by_name { MASK } else { value };
    (key, Fact::written(value.to_owned(), at))
}

/// A digest; what is none stays one that nothing has, and is not repeated.
fn diff_id(said: String) -> String {
    let wrong = said.starts_with("sha256:") && !is_sha256(&said);
    if wrong { "sha256:(no digest)".to_owned() } else { said }
}

/// Name, uid and gid of each line of `/etc/passwd`.
pub(super) fn users(passwd: &[u8]) -> Vec<(String, u32, u32)> {
    let text = String::from_utf8_lossy(passwd);
    let user = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((name, fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    text.lines().filter_map(user).take(10_000).collect()
}

/// Name, gid and members of each line of `/etc/group`.
pub(super) fn groups(group: &[u8]) -> Vec<UserGroup> {
    let text = String::from_utf8_lossy(group);
    let line = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let gid = fields.nth(1)?.parse().ok()?;
        let members = fields.next().unwrap_or_default().split(',').map(str::trim);
        let members = members.filter(|m| !m.is_empty()).take(1000).map(str::to_owned).collect();
        Some(UserGroup { name, gid, members })
    };
    text.lines().filter_map(line).take(10_000).collect()
}
