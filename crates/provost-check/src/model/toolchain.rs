//! Which Go builds a module of another Go.
//!
//! Sources: `NewerToolchain` and `Select` in cmd/go/internal/toolchain/select.go and `errors.go` in
//! cmd/go/internal/gover (Go 1.27).

use goformats::version::GoVersion;

/// From that minor on a Go refuses a module of a newer one, and fetches the other where it may.
pub const SELECTS: u16 = 21;

/// Whether a version of a tag is certain to be older than one that is required. `1.24` is its newest
/// patch release.
pub fn is_older(tag: &GoVersion, required: &GoVersion) -> bool {
    let plain = |version: &GoVersion| version.pre.is_none() && version.suffix.is_empty();
    let patch = match (tag.patch, required.patch) {
        (Some(tag), Some(required)) => tag < required,
        _ => false,
    };
    plain(tag)
        && plain(required)
        && (tag.minor < required.minor || (tag.minor == required.minor && patch))
}

/// Whether a Go of that tag may have something to say of a module with that `go` line: it is of a newer
/// Go, or the form of the file may be.
pub fn may_refuse(tag: &GoVersion, line: &str) -> bool {
    tag.minor < SELECTS || GoVersion::parse(line).is_some_and(|required| is_older(tag, &required))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(tag: &str, line: &str, expect: bool) {
        let tag = GoVersion::parse(tag).expect("a version");
        assert_eq!(may_refuse(&tag, line), expect, "{tag} {line}");
    }

    #[test]
    fn a_tag_without_a_patch_is_the_newest_of_its_minor() {
        check("go1.24", "1.24.5", false);
        check("go1.24.3", "1.24.5", true);
        check("go1.24.5", "1.24.5", false);
        check("go1.24", "1.25", true);
        check("go1.25rc1", "1.25.0", false);
        check("go1.20.7", "1.19", true);
        check("go1.24", "no version", false);
    }
}
