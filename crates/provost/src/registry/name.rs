//! What a reference names: host, repository, tag or digest.

use provost_check::model::names::{DEFAULT_REGISTRY, ImageRef};

use crate::exit::Mistake;

/// Docker's own registry answers under another name than the one that references have.
const DOCKER_HUB: &str = "registry-1.docker.io";

/// An image in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// As it was typed.
    pub(super) typed: String,
    /// As logins name it: `docker.io`, `127.0.0.1:5000`.
    pub(super) registry: String,
    /// `library/alpine`
    pub(super) repository: String,
    /// A tag or a digest.
    pub(super) reference: String,
}

impl Name {
    pub(super) fn parse(typed: &str) -> Result<Self, Mistake> {
        let form = "[HOST[:PORT]/]REPOSITORY[:TAG][@sha256:DIGEST]";
        if typed.contains("://") {
            return Err(Mistake::new("--image registry: takes no address, but a reference")
                .help(format!("write {form}")));
        }
        let Ok(reference) = ImageRef::parse(typed) else {
            // Somebody may have put a password in front of the host.
            return Err(Mistake::new("--image registry: what follows is no reference to an image")
                .help(format!("write {form}; logins come from the configuration of docker")));
        };
        let named = reference.digest.as_deref().or_else(|| reference.effective_tag());
        let registry = reference.registry().to_owned();
        Ok(Self {
            typed: typed.to_owned(),
            repository: reference.repository()[registry.len()..].trim_start_matches('/').to_owned(),
            registry,
            reference: named.unwrap_or("latest").to_owned(),
        })
    }

    /// Who is asked.
    pub(super) fn host(&self) -> &str {
        if self.registry == DEFAULT_REGISTRY { DOCKER_HUB } else { &self.registry }
    }

    /// The digest, where one was typed.
    pub(super) fn digest(&self) -> Option<&str> {
        self.reference.contains(':').then_some(self.reference.as_str())
    }

    /// What docker's configuration calls the registry.
    pub(super) fn login(&self) -> &str {
        if self.registry == DEFAULT_REGISTRY {
            "https://index.docker.io/v1/"
        } else {
            &self.registry
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "they are tests")]

    use super::*;

    #[test]
    fn references_are_completed_as_docker_does() {
        let parts = |typed: &str| {
            let name = Name::parse(typed).unwrap();
            format!("{} {} {}", name.host(), name.repository, name.reference)
        };
        assert_eq!(parts("alpine"), "registry-1.docker.io library/alpine latest");
        assert_eq!(parts("shop/server:1"), "registry-1.docker.io shop/server 1");
        assert_eq!(parts("127.0.0.1:5000/a/b/c"), "127.0.0.1:5000 a/b/c latest");
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(
            parts(&format!("ghcr.io/shop/server:1@{digest}")),
            format!("ghcr.io shop/server {digest}")
        );
        assert_eq!(Name::parse("alpine").unwrap().login(), "https://index.docker.io/v1/");
    }

    #[test]
    fn what_is_no_reference_is_refused_without_repeating_it() {
        for typed in ["", "https://ghcr.io/a", "A/B", "user:kanarie@ghcr.io/a", "a b"] {
            let text = Name::parse(typed).unwrap_err().to_string();
            assert!(!text.contains("kanarie") && text.contains("REPOSITORY"), "{typed}: {text}");
        }
    }
}
