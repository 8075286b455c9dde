//! Variables that a RUN takes away: `unset`, `env -u`, `env -i`.

use std::ops::Range;

use super::run::Word;
use super::shell_text::Value;

/// What tells a `go build` what to build.
pub(super) const OF_GO: &[&str] = &[
    "CGO_ENABLED",
    "GO111MODULE",
    "GOAMD64",
    "GOARCH",
    "GOARM",
    "GODEBUG",
    "GOEXPERIMENT",
    "GOFIPS140",
    "GOFLAGS",
    "GOOS",
    "GOPROXY",
    "GOSUMDB",
    "GOTOOLCHAIN",
    "GOWORK",
];

/// A variable that is taken away. Go takes an empty one for one that is not set (`Getenv` and
/// `EnvOrAndChanged` in cmd/go/internal/cfg/cfg.go).
pub(super) fn unset(name: &str, range: &Range<usize>) -> (Word, Word) {
    let word = |text: &str| Word {
        value: Value { text: text.to_owned(), resolved: true },
        range: range.clone(),
    };
    (word(name), word(""))
}
