//! The three lines of `go.mod` that decide a build.

use std::ops::Range;

/// What `go.mod` says of itself and of its toolchain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoMod {
    /// `module` line.
    pub module: String,
    /// `go` line: `1.21`, `1.22.3`.
    pub go: Option<String>,
    /// Where it stands.
    pub go_at: Option<Range<usize>>,
    /// `toolchain` line: `go1.27.4`.
    pub toolchain: Option<String>,
    /// Where the version stands that chooses the toolchain: in the `toolchain` line, else in `go`.
    pub version: Option<Range<usize>>,
    /// The whole text.
    pub text: String,
}

impl GoMod {
    /// Reads the directives. Blocks (`require (...)`) hold none of the three.
    pub fn parse(text: &str) -> GoMod {
        let mut found = GoMod { text: text.to_owned(), ..GoMod::default() };
        let mut begin = 0;
        for whole in text.split_inclusive('\n') {
            let line = whole.split("//").next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let directive = (words.next(), words.next());
            // Behind the directive, whose letters no version holds.
            let place = |word: &str| {
                let start = begin + line.rfind(word).unwrap_or_default();
                start..start + word.len()
            };
            match directive {
                (Some("module"), Some(path)) => {
                    found.module = path.trim_matches(['"', '`']).to_owned();
                }
                (Some("go"), Some(version)) => {
                    found.go = Some(version.to_owned());
                    found.go_at = Some(place(version));
                    if found.toolchain.is_none() {
                        found.version = Some(place(version));
                    }
                }
                (Some("toolchain"), Some(name)) => {
                    found.toolchain = Some(name.to_owned());
                    found.version = Some(place(name));
                }
                _ => {}
            }
            begin += whole.len();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_and_comments_are_not() {
        let text = "// module wrong\nmodule \"example.com/shop\" // it\n\ngo 1.21\ntoolchain go1.27.4\nrequire (\n\texample.com/x v1.0.0\n)\n";
        let found = GoMod::parse(text);
        assert_eq!(
            (found.module.as_str(), found.go.as_deref(), found.toolchain.as_deref()),
            ("example.com/shop", Some("1.21"), Some("go1.27.4"))
        );
        assert_eq!(&text[found.version.unwrap()], "go1.27.4");
        let text = "module go1.22/go\r\ngo\t1.22 // go 1.23\r\n";
        let found = GoMod::parse(text);
        let version = found.version.unwrap();
        assert_eq!((&text[..version.start], &text[version]), ("module go1.22/go\r\ngo\t", "1.22"));
    }
}
