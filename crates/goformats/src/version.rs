//! Go release numbers, as `runtime.Version` and build information spell them.

use std::cmp::Ordering;
use std::fmt;

/// A stage before the first release of a minor version.
///
/// The order is that in which they appear: development tree, betas, release candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PreRelease {
    /// Built from the development tree (`devel go1.27-4f3e…` or `go1.27-devel_4f3e…`).
    Devel,
    /// `go1.18beta2`.
    Beta(u16),
    /// `go1.27rc1`.
    Rc(u16),
}

/// The version of a Go toolchain, such as `go1.27.3 X:boringcrypto`.
///
/// Two versions are equal, and ordered, by what was released (minor, patch, stage before the release).
/// What a vendor or an experiment added is kept for showing but takes no part in comparisons, so that
/// `version >= GoVersion::release(25, 0)` means the same for every build of that release.
///
/// Source of the spellings: `cmd/dist/build.go` (`findgoversion`) and `internal/gover/gover.go`, Go 1.27.
#[derive(Clone, Debug)]
pub struct GoVersion {
    /// The minor version: 27 in `go1.27.3`. The major version is 1.
    pub minor: u16,
    /// The patch version, absent where it was not written: `go1.20` and `go1.27rc1`.
    pub patch: Option<u16>,
    /// The stage before the release, if it is not a release.
    pub pre: Option<PreRelease>,
    /// What stands behind the number, without the separator: `X:boringcrypto`, `(Red Hat 1.25.3-1.el10)`, `fips`, a commit.
    pub suffix: String,
}

impl GoVersion {
    /// The release `go1.<minor>.<patch>`.
    pub fn release(minor: u16, patch: u16) -> Self {
        Self { minor, patch: Some(patch), pre: None, suffix: String::new() }
    }

    /// Reads a version as build information, `go.mod` (`1.25`, without `go`) or `go version` spell it.
    ///
    /// Returns `None` for anything that names no Go 1 release, such as `gccgo 14.2` or an empty string.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("devel ") {
            // `devel go1.27-4f3e2d Tue Jul 7 …`; before 1.17 `devel +4f3e2d`, which names no version.
            let mut version = Self::parse_number(rest.trim_start())?;
            version.pre = Some(PreRelease::Devel);
            return Some(version);
        }
        let mut version = Self::parse_number(text)?;
        if version.suffix.starts_with("devel") {
            version.pre = Some(PreRelease::Devel);
        }
        Some(version)
    }

    fn parse_number(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("go").unwrap_or(text).strip_prefix('1')?;
        let (minor, rest) = match rest.strip_prefix('.') {
            Some(rest) => number(rest)?,
            // `go1`, the very first release.
            None => (0, rest),
        };
        let (patch, rest) = match rest.strip_prefix('.') {
            Some(rest) => {
                let (patch, rest) = number(rest)?;
                (Some(patch), rest)
            }
            None => (None, rest),
        };
        let (pre, rest) = if let Some(rest) = rest.strip_prefix("rc") {
            let (n, rest) = number(rest)?;
            (Some(PreRelease::Rc(n)), rest)
        } else if let Some(rest) = rest.strip_prefix("beta") {
            let (n, rest) = number(rest)?;
            (Some(PreRelease::Beta(n)), rest)
        } else {
            (None, rest)
        };
        // A digit or letter directly behind the number means that it was another kind of word.
        if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.') {
            return None;
        }
        let suffix = rest.trim_start_matches(['-', '+', ' ']).trim_end();
        Some(Self { minor, patch, pre, suffix: suffix.to_owned() })
    }

    /// The experiments that differ from the release's defaults: `boringcrypto` in `go1.27.3 X:boringcrypto`.
    pub fn experiments(&self) -> impl Iterator<Item = &str> {
        self.suffix
            .split(' ')
            .filter_map(|word| word.strip_prefix("X:"))
            .flat_map(|list| list.split(','))
            .filter(|name| !name.is_empty())
    }

    /// Whether the toolchain has what `go1.<minor>` brought. Pre-releases of that minor version count:
    /// features are in the tree before the first beta.
    pub fn has_features_of(&self, minor: u16) -> bool {
        self.minor >= minor
    }

    fn key(&self) -> (u16, u16, bool, Option<PreRelease>) {
        (self.minor, self.patch.unwrap_or(0), self.pre.is_none(), self.pre)
    }
}

/// Reads decimal digits at the start.
fn number(text: &str) -> Option<(u16, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text.get(..end)?.parse().ok()?, text.get(end..)?))
}

impl PartialEq for GoVersion {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for GoVersion {}

impl PartialOrd for GoVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for GoVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "go1.{}", self.minor)?;
        if let Some(patch) = self.patch {
            write!(f, ".{patch}")?;
        }
        match self.pre {
            Some(PreRelease::Rc(n)) => write!(f, "rc{n}")?,
            Some(PreRelease::Beta(n)) => write!(f, "beta{n}")?,
            Some(PreRelease::Devel) if !self.suffix.starts_with("devel") => write!(f, "-devel")?,
            Some(PreRelease::Devel) => return write!(f, "-{}", self.suffix),
            None => {}
        }
        match self.suffix.as_str() {
            "" => Ok(()),
            suffix if suffix.starts_with("X:") || suffix.starts_with('(') => write!(f, " {suffix}"),
            suffix => write!(f, "-{suffix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> GoVersion {
        GoVersion::parse(text).unwrap_or_else(|| panic!("{text:?} is a version"))
    }

    #[test]
    fn spellings() {
        let table = [
            ("go1.27.3", 27, Some(3), None, ""),
            ("go1.22", 22, None, None, ""),
            ("1.25", 25, None, None, ""),
            ("1.25.0", 25, Some(0), None, ""),
            ("go1", 0, None, None, ""),
            ("go1.27rc1", 27, None, Some(PreRelease::Rc(1)), ""),
            ("go1.18beta2", 18, None, Some(PreRelease::Beta(2)), ""),
            ("go1.9.2rc2", 9, Some(2), Some(PreRelease::Rc(2)), ""),
            ("go1.27.3 X:boringcrypto", 27, Some(3), None, "X:boringcrypto"),
            ("go1.27.3-X:nogreenteagc", 27, Some(3), None, "X:nogreenteagc"),
            ("go1.24.6-fips", 24, Some(6), None, "fips"),
            ("go1.25.3 (Red Hat 1.25.3-1.el10)", 25, Some(3), None, "(Red Hat 1.25.3-1.el10)"),
            (
                "devel go1.27-4f3e2d Tue Jul 7 12:00:00 2026 +0000",
                27,
                None,
                Some(PreRelease::Devel),
                "4f3e2d Tue Jul 7 12:00:00 2026 +0000",
            ),
            (
                "go1.25-20250209-RC00 cl/724970549 +ff27d2 X:fieldtrack",
                25,
                None,
                None,
                "20250209-RC00 cl/724970549 +ff27d2 X:fieldtrack",
            ),
            ("go1.27-devel_4f3e2d", 27, None, Some(PreRelease::Devel), "devel_4f3e2d"),
        ];
        for (text, minor, patch, pre, suffix) in table {
            let v = parse(text);
            assert_eq!(
                (v.minor, v.patch, v.pre, v.suffix.as_str()),
                (minor, patch, pre, suffix),
                "{text}"
            );
        }
    }

    #[test]
    fn other_words_are_no_versions() {
        for text in [
            "",
            "go",
            "go2.1",
            "gccgo 14.2",
            "devel +4f3e2d",
            "go1.x",
            "go1.27.",
            "go1.27.3.4",
            "go1.99999999",
            "go1rc",
            "10.4",
            "default",
        ] {
            assert!(GoVersion::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn order_is_that_of_releases() {
        let ascending = [
            "go1.9",
            "go1.21rc2",
            "go1.21.0",
            "go1.21.13",
            "devel go1.26-abc",
            "go1.26beta1",
            "go1.26rc1",
            "go1.26rc2",
            "go1.26.0",
            "go1.26.10",
            "go1.27.0",
        ];
        for pair in ascending.windows(2) {
            assert!(parse(pair[0]) < parse(pair[1]), "{} < {}", pair[0], pair[1]);
        }
        assert_eq!(parse("go1.20"), GoVersion::release(20, 0));
        assert_eq!(parse("go1.25.1 X:jsonv2"), GoVersion::release(25, 1));
    }

    #[test]
    fn experiments_are_listed() {
        assert_eq!(
            parse("go1.27.3 X:boringcrypto,jsonv2").experiments().collect::<Vec<_>>(),
            ["boringcrypto", "jsonv2"]
        );
        assert_eq!(parse("go1.27.3").experiments().count(), 0);
    }

    #[test]
    fn shown_as_written() {
        for text in [
            "go1.27.3",
            "go1.22",
            "go1.27rc1",
            "go1.27.3 X:boringcrypto",
            "go1.24.6-fips",
            "go1.25.3 (Red Hat 1.25.3-1.el10)",
            "go1.27-devel_4f3e2d",
        ] {
            assert_eq!(parse(text).to_string(), text);
        }
        assert_eq!(parse("1.25.1").to_string(), "go1.25.1");
    }
}
