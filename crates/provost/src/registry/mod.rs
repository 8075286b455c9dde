//! Images of registries: the distribution protocol, as far as reading goes.
//!
//! Nothing is kept: a layer's bytes go to the image reader as they come. What a server says is
//! untrusted throughout: of its text only what stands in lists of ours is repeated, and hosts that it
//! leads to; what it was told in secret is left out of all that is shown; every answer has a limit of
//! bytes and of time. A login goes to the registry that it is for and, as docker does it, to the one
//! that this names for tokens: over TLS, or where `--insecure-registry` names the host.
//!
//! Source: github.com/opencontainers/distribution-spec v1.1.

mod auth;
mod credentials;
mod http;
mod name;
#[cfg(test)]
mod tests;
mod url;

use std::io::{IsTerminal as _, Read};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use provost_check::artifact::image::{Limits, Remote, Root, is_sha256};
use provost_check::pipeline::RegistryInput;
use serde::Deserialize;

use self::credentials::Login;
use self::http::{Answer, Ask, Fault, Http, Patience};
use self::name::Name;
use self::url::Url;

/// Media types that name an image, or images for several platforms.
const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// What `--image registry:REF` and `--insecure-registry` ask for; nothing is fetched yet.
pub(crate) fn open(
    references: &[&str],
    insecure: &[String],
    quiet: bool,
    interrupted: &Arc<AtomicBool>,
) -> Result<(Vec<RegistryInput>, ProgressBar)> {
    let mut names =
        references.iter().map(|typed| Name::parse(typed)).collect::<Result<Vec<_>, _>>()?;
    names.sort_by(|a, b| a.typed.cmp(&b.typed));
    names.dedup();
    let progress = match quiet || names.is_empty() || !std::io::stderr().is_terminal() {
        true => ProgressBar::hidden(),
        false => bar(&names),
    };
    let mut inputs = Vec::new();
    for name in names {
        let shown = format!("registry:{}", name.typed);
        let patience = Patience::default();
        let (interrupted, progress) = (Arc::clone(interrupted), progress.clone());
        let http = Http::new(insecure.into(), patience, interrupted, progress)
            .context("cannot prepare for the network")?;
        inputs.push(RegistryInput { shown, from: Arc::new(Registry::new(name, http)) });
    }
    Ok((inputs, progress))
}

fn bar(names: &[Name]) -> ProgressBar {
    let template = "{spinner} {msg} {bytes} ({bytes_per_sec})";
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::new_spinner()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    let all: Vec<&str> = names.iter().map(|name| name.typed.as_str()).collect();
    bar.set_message(all.join(", "));
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}

/// One image of a registry.
#[derive(Debug)]
struct Registry {
    name: Name,
    http: Http,
    /// The value of `Authorization`, once there is one.
    authorization: Mutex<Option<Arc<str>>>,
    login: OnceLock<Login>,
    /// All values of `Authorization` that there were.
    told: Mutex<Vec<Arc<str>>>,
    /// What the reference named when it was first asked.
    root: Mutex<Option<Root>>,
}

/// Tokens for one image. They live for minutes at least, and each is looked for in all that is shown.
const MOST_TOKENS: usize = 64;

/// Reasons that registries give: the specification's codes, and those of distribution 3.0
/// (`registry/api/errcode`, `registry/api/v2`).
const CODES: [&str; 19] = [
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DENIED",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "MANIFEST_UNVERIFIED",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "RANGE_INVALID",
    "SIZE_INVALID",
    "TAG_INVALID",
    "TOOMANYREQUESTS",
    "UNAUTHORIZED",
    "UNAVAILABLE",
    "UNKNOWN",
    "UNSUPPORTED",
];

/// Reasons that registries give.
#[derive(Deserialize)]
struct Reasons {
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    code: String,
}

/// What is needed of a manifest to tell what it is.
#[derive(Deserialize)]
struct Head {
    #[serde(default, rename = "mediaType")]
    media_type: String,
    #[serde(default, rename = "schemaVersion")]
    schema: u32,
    manifests: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
}

impl Registry {
    fn new(name: Name, http: Http) -> Self {
        let (authorization, root) = (Mutex::new(None), Mutex::new(None));
        let (login, told) = (OnceLock::new(), Mutex::default());
        Self { name, http, authorization, login, told, root }
    }

    fn url(&self, kind: &str, reference: &str) -> Url {
        let host = self.name.host();
        let path = format!("/v2/{}/{kind}/{reference}", self.name.repository);
        Url::new(!self.http.is_insecure(host), host, path)
    }

    fn login(&self) -> &Login {
        self.login.get_or_init(|| credentials::find(self.name.login(), self.http.interrupted()))
    }

    /// Asks for a part of the image, with a login where one is asked for.
    fn get(&self, kind: &str, reference: &str) -> Result<Answer, Fault> {
        let url = self.url(kind, reference);
        let accept = if kind == "manifests" { MANIFESTS.join(", ") } else { "*/*".to_owned() };
        let lock = || self.authorization.lock().unwrap_or_else(PoisonError::into_inner);
        let mut authorization = lock().clone();
        let mut renewed = false;
        loop {
            let authorized = authorization.as_deref();
            let ask =
                Ask { url: url.clone(), accept: &accept, authorization: authorized, form: None };
            let answer = self.http.send(&ask)?;
            match answer.status {
                200 => return Ok(answer),
                // A token may have run out since; one by another host is none of our business.
                401 if !renewed && answer.url.same_origin(&url) => {
                    let Some(challenge) = auth::challenge(&answer) else {
                        let host = self.name.host();
                        return Err(Fault::denied(format!(
                            "{host} asks for a login of a kind that is not known"
                        )));
                    };
                    let value = auth::answer(&challenge, &self.name, self.login(), &self.http)?;
                    let value: Arc<str> = value.into();
                    *lock() = Some(Arc::clone(&value));
                    self.remember(&value)?;
                    authorization = Some(value);
                    renewed = true;
                }
                _ => return Err(self.refusal(kind, reference, answer)),
            }
        }
    }

    /// Keeps what was told in secret, so that no report shows it.
    fn remember(&self, value: &Arc<str>) -> Result<(), Fault> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.contains(value) {
            return Ok(());
        }
        if told.len() >= MOST_TOKENS {
            let host = self.name.host();
            return Err(Fault::denied(format!(
                "{host} takes none of {MOST_TOKENS} tokens for long"
            )));
        }
        told.push(Arc::clone(value));
        Ok(())
    }

    /// Why an answer is none.
    fn refusal(&self, kind: &str, reference: &str, answer: Answer) -> Fault {
        let (status, text) = (answer.status, answer.status_text());
        let host = answer.url.host.clone();
        let code = answer.words(&self.http).ok().and_then(|words| {
            let reasons: Reasons = serde_json::from_slice(&words).ok()?;
            let code = reasons.errors.into_iter().next()?.code;
            CODES.into_iter().find(|known| *known == code)
        });
        let text = match code {
            Some(code) => format!("{text}, {code}"),
            None => text,
        };
        let repository = &self.name.repository;
        match (status, kind) {
            (404, "manifests") if *reference == self.name.reference => {
                let sign = if reference.contains(':') { '@' } else { ':' };
                Fault::missing(format!("{host} has no {repository}{sign}{reference} ({text})"))
            }
            (404, "manifests") => {
                Fault::missing(format!("{host} does not have the manifest {reference} ({text})"))
            }
            (404, _) => {
                Fault::missing(format!("{host} does not have the blob {reference} ({text})"))
            }
            (401 | 403, _) => auth::refused(&host, &self.name, self.login()),
            _ => Fault::failed(format!("{host} answers {text}")),
        }
    }

    fn fetch_root(&self) -> Result<Root, Fault> {
        let answer = self.get("manifests", &self.name.reference)?;
        let host = answer.url.host.clone();
        let sent = answer.header("Content-Type").unwrap_or_default();
        let sent = sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let stated = answer.header("Docker-Content-Digest").filter(|text| is_sha256(text));
        let digest = self.name.digest().or(stated).map(str::to_owned);
        let bytes = answer.whole(Limits::default().document, &self.http)?;
        let media_type = media_type(&sent, &bytes, &host)?;
        Ok(Root { bytes, media_type, digest })
    }
}

/// Which of [`MANIFESTS`] an answer is.
fn media_type(sent: &str, bytes: &[u8], host: &str) -> Result<String, Fault> {
    if MANIFESTS.contains(&sent) {
        return Ok(sent.to_owned());
    }
    let old = || {
        Fault::lie(format!(
            "{host} answers with a manifest of schema 1, which no runtime takes any more"
        ))
    };
    if sent.starts_with("application/vnd.docker.distribution.manifest.v1") {
        return Err(old());
    }
    // Proxies and plain file servers know no better than this.
    let general = ["", "application/json", "application/octet-stream", "text/plain"];
    let head = serde_json::from_slice::<Head>(bytes).ok().filter(|_| general.contains(&sent));
    if let Some(head) = head {
        if MANIFESTS.contains(&head.media_type.as_str()) {
            return Ok(head.media_type);
        }
        match (head.media_type.as_str(), head.schema) {
            (_, 1) => return Err(old()),
            ("", _) if head.manifests.is_some() => return Ok(MANIFESTS[0].to_owned()),
            ("", _) if head.config.is_some() => return Ok(MANIFESTS[1].to_owned()),
            _ => {}
        }
    }
    let of_ours = general.into_iter().find(|known| *known == sent && !known.is_empty());
    Err(Fault::lie(match (sent, of_ours) {
        ("text/html", _) => {
            format!(
                "{host} answers with a page (text/html), not with a manifest: is it a registry?"
            )
        }
        (_, Some(known)) => {
            format!("{host} answers with {known}, which is no manifest of an image")
        }
        // What came may be anything that the server knows.
        (_, None) => format!("{host} answers with what is no manifest of an image"),
    }))
}

impl Remote for Registry {
    fn name(&self) -> &str {
        &self.name.typed
    }

    fn secrets(&self) -> Vec<String> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let values = told.iter().filter_map(|value| value.split_once(' '));
        let mut secrets: Vec<String> = values.map(|(_, value)| value.to_owned()).collect();
        drop(told);
        let credential = self.login.get().and_then(|login| login.credential.as_ref());
        secrets.extend(credential.into_iter().flat_map(auth::secrets));
        secrets
    }

    fn root(&self) -> std::io::Result<Root> {
        // Whoever reads an image asks for this first.
        self.http.begin();
        let mut root = self.root.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(root) = &*root {
            return Ok(root.clone());
        }
        let fetched = self.fetch_root()?;
        *root = Some(fetched.clone());
        Ok(fetched)
    }

    fn manifest(&self, digest: &str) -> std::io::Result<Box<dyn Read + Send>> {
        let answer = self.get("manifests", digest)?;
        Ok(Box::new(answer.reader(None, &self.http)))
    }

    fn blob(&self, digest: &str, size: u64) -> std::io::Result<Box<dyn Read + Send>> {
        let answer = self.get("blobs", digest)?;
        let length = answer.header("Content-Length").and_then(|text| text.parse::<u64>().ok());
        if let Some(length) = length.filter(|length| *length != size) {
            let host = &answer.url.host;
            let lie = format!("{host} sends {length} bytes; its manifest says {size}");
            return Err(Fault::lie(lie).into());
        }
        Ok(Box::new(answer.reader(Some(size), &self.http)))
    }
}
