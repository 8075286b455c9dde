//! Names: image references, and the nearest of several names.

use std::fmt;

/// An image reference with the defaults Docker and the kubelet apply.
///
/// Source: `ParseNormalizedNamed` in github.com/distribution/reference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    /// Registry and path: `docker.io/library/alpine`.
    repository: String,
    /// Tag, when written.
    pub tag: Option<String>,
    /// Digest with its algorithm, when written.
    pub digest: Option<String>,
}

/// A text that names no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no image reference")]
pub struct InvalidImageRef;

impl ImageRef {
    /// Reads a reference; anything with a space, a template or an empty name is refused.
    pub fn parse(text: &str) -> Result<ImageRef, InvalidImageRef> {
        let bad = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | '$' | '<' | '>' | '"');
        if text.is_empty() || text.contains(bad) {
            return Err(InvalidImageRef);
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.to_owned())),
            None => (text, None),
        };
        // A colon after the last slash begins a tag; one before it belongs to the registry's port.
        let after_slash = name.rfind('/').map_or(0, |i| i + 1);
        let (name, tag) = match name[after_slash..].split_once(':') {
            Some((last, tag)) => (&name[..after_slash + last.len()], Some(tag.to_owned())),
            None => (name, None),
        };
        if name.is_empty() || name.ends_with('/') {
            return Err(InvalidImageRef);
        }
        let has_registry = name
            .split_once('/')
            .is_some_and(|(first, _)| first.contains(['.', ':']) || first == "localhost");
        let repository = match (has_registry, name.contains('/')) {
            (true, _) => name.strip_prefix("index.").unwrap_or(name).to_owned(),
            (false, true) => format!("docker.io/{name}"),
            (false, false) => format!("docker.io/library/{name}"),
        };
        Ok(ImageRef { repository, tag, digest })
    }

    /// Registry and path, defaults filled in.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Last element of the path: `alpine`.
    pub fn base_name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }

    /// Everything before the last element: `docker.io/library`.
    pub fn parent(&self) -> &str {
        self.repository.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    /// The tag in force: `latest` when neither tag nor digest is written.
    pub fn effective_tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, Some(_)) => None,
            (None, None) => Some("latest"),
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_normalised() {
        let parse = |text: &str| {
            let image = ImageRef::parse(text).unwrap();
            (image.to_string(), image.effective_tag().map(str::to_owned))
        };
        let latest = Some("latest".to_owned());
        assert_eq!(parse("alpine"), ("docker.io/library/alpine".to_owned(), latest.clone()));
        assert_eq!(
            parse("acme/shop:1"),
            ("docker.io/acme/shop:1".to_owned(), Some("1".to_owned()))
        );
        assert_eq!(parse("localhost:5000/shop"), ("localhost:5000/shop".to_owned(), latest));
        assert_eq!(
            parse("ghcr.io/acme/shop@sha256:00"),
            ("ghcr.io/acme/shop@sha256:00".to_owned(), None)
        );
        assert!(ImageRef::parse("{{ .Values.image }}").is_err());
        assert!(ImageRef::parse("").is_err());
    }
}
