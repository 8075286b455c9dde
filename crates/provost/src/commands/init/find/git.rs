//! The repository around the module, as far as `.git/config` says it. git is not run.

use std::fs;
use std::path::{Path, PathBuf};

use provost_check::artifact::mmap;

use crate::repository;

/// Bytes of a configuration of git.
const MOST_CONFIG: u64 = 1 << 20;

/// A git repository.
#[derive(Debug)]
pub(in super::super) struct Repository {
    /// Its top folder.
    pub(in super::super) root: PathBuf,
    /// Host and path of `origin`: `github.com`, `shop/checkout`.
    pub(in super::super) origin: Option<(String, String)>,
    /// The branch that `origin` is cloned at.
    pub(in super::super) branch: Option<String>,
}

impl Repository {
    /// The repository that a folder lies in.
    pub(super) fn around(folder: &Path) -> Option<Self> {
        let root = repository::root(folder)?;
        // The configuration of a linked work tree lies with the main one.
        let config = mmap::read_text(&root.join(".git/config"), MOST_CONFIG, false).ok();
        let origin = config.and_then(|bytes| origin(&String::from_utf8_lossy(&bytes)));
        let head = root.join(".git/refs/remotes/origin/HEAD");
        let head = mmap::read_text(&head, MOST_CONFIG, false).ok();
        let branch = head.and_then(|bytes| {
            let text = String::from_utf8_lossy(&bytes);
            let name = text.trim().strip_prefix("ref: refs/remotes/origin/")?;
            is_plain(name).then(|| name.to_owned())
        });
        Some(Self { root: root.to_owned(), origin, branch })
    }

    /// Whether a file or folder is there, by its path below the top.
    pub(in super::super) fn has(&self, path: &str) -> bool {
        fs::symlink_metadata(self.root.join(path)).is_ok()
    }
}

/// Host and path of the remote called origin.
fn origin(config: &str) -> Option<(String, String)> {
    let mut inside = false;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.replace(' ', "") == "[remote\"origin\"]";
        } else if inside
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == "url"
        {
            return host_and_path(value.trim());
        }
    }
    None
}

/// `https://user:token@github.com/shop/checkout.git`, `git@github.com:shop/checkout`: without what
/// may be a secret.
fn host_and_path(url: &str) -> Option<(String, String)> {
    let (authority, path) = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?,
        None => url.split_once(':')?,
    };
    let host = authority.rsplit('@').next()?;
    let host = host.split(':').next()?.to_ascii_lowercase();
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).to_owned();
    (is_plain(&host) && host.contains('.') && is_plain(&path)).then_some((host, path))
}

/// What can be written into a file of any language.
fn is_plain(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/');
    !text.is_empty() && !text.contains("..") && text.len() < 200 && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_read_without_its_secrets() {
        let found = |url: &str| {
            origin(&format!(
                "[remote \"other\"]\n\turl = https://x.example/y\n[remote \"origin\"]\n\turl = {url}\n"
            ))
            .map(|(host, path)| format!("{host} {path}"))
        };
        for url in [
            "https://github.com/shop/checkout.git",
            "https://me:t0ken@github.com/shop/checkout",
            "git@github.com:shop/checkout.git",
            "ssh://git@github.com:22/shop/checkout",
        ] {
            assert_eq!(found(url).as_deref(), Some("github.com shop/checkout"), "{url}");
        }
        for url in [
            "../elsewhere",
            "/srv/git/x",
            "https://github.com",
            "git@github.com:a b",
            "file:///x/y",
        ] {
            assert_eq!(found(url), None, "{url}");
        }
    }
}
