//! What BuildKit's own checks (`docker build --check`) say of how a Dockerfile is written.

use super::origin::Origin;

/// One place that a check warns of. The image is the same without the fault.
#[derive(Clone, Debug)]
pub struct BuilderWarning {
    /// BuildKit's name for the check: `FromAsCasing`.
    pub check: &'static str,
    /// Where.
    pub origin: Origin,
    /// What is written.
    pub message: String,
    /// What to write.
    pub help: &'static str,
    /// The text that takes the place's place.
    pub replacement: Option<String>,
}

/// `# check=skip=JSONArgsRecommended;error=true` on the first lines.
#[derive(Clone, Debug, Default)]
pub struct CheckOptions {
    /// Names of checks that are left out; `all` is every one.
    pub skip: Vec<String>,
    /// `error=true`: what a check says stops the build.
    pub error: Option<Origin>,
}

impl CheckOptions {
    /// The options of a directive's value; one that BuildKit cannot read has none.
    pub fn parse(value: &str, origin: &Origin) -> Self {
        let mut options = Self::default();
        for part in value.splitn(3, ';') {
            let Some((key, value)) = part.split_once('=') else { return Self::default() };
            match (key.trim(), value.trim()) {
                ("skip", names) => {
                    options.skip =
                        names.split(',').take(64).map(|name| name.trim().to_owned()).collect();
                }
                // `strconv.ParseBool`
                ("error", "1" | "t" | "T" | "true" | "TRUE" | "True") => {
                    options.error = Some(origin.clone());
                }
                _ => {}
            }
        }
        options
    }

    /// Whether a check is left out.
    pub fn skips(&self, check: &str) -> bool {
        self.skip.iter().any(|name| name == check || name == "all")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::SourceId;

    #[test]
    fn options_of_the_check_directive() {
        let origin = Origin::whole(SourceId(0));
        let read = |value: &str| CheckOptions::parse(value, &origin);
        let both = read("skip=JSONArgsRecommended, StageNameCasing;error=true");
        assert!(both.skips("StageNameCasing") && both.skips("JSONArgsRecommended"));
        assert!(!both.skips("FromAsCasing") && both.error.is_some());
        assert!(read("skip=all").skips("FromAsCasing"));
        assert!(read("error=false").error.is_none());
        // BuildKit reads nothing of what it cannot read.
        assert!(!read("skip=all;nonsense").skips("FromAsCasing"));
    }
}
