//! The three lines of `go.mod` that decide a build.

/// What `go.mod` says of itself and of its toolchain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GoMod {
    /// `module` line.
    pub(crate) module: String,
    /// `go` line: `1.21`, `1.22.3`.
    pub(crate) go: Option<String>,
    /// `toolchain` line: `go1.27.4`.
    pub(crate) toolchain: Option<String>,
}

impl GoMod {
    /// Reads the directives. Blocks (`require (...)`) hold none of the three.
    pub(crate) fn parse(text: &str) -> GoMod {
        let mut found = GoMod::default();
        for line in text.lines() {
            let line = line.split("//").next().unwrap_or_default();
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("module"), Some(path)) => {
                    found.module = path.trim_matches(['"', '`']).to_owned();
                }
                (Some("go"), Some(version)) => found.go = Some(version.to_owned()),
                (Some("toolchain"), Some(name)) => found.toolchain = Some(name.to_owned()),
                _ => {}
            }
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
        assert_eq!(
            GoMod::parse(text),
            GoMod {
                module: "example.com/shop".to_owned(),
                go: Some("1.21".to_owned()),
                toolchain: Some("go1.27.4".to_owned()),
            }
        );
    }
}
