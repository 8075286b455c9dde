//! What the written files pin: one table, so that it is looked after in one place.
//!
//! Go's own image is not in it: its version comes from `go.mod` and the table of releases.

/// A version that is written into files.
pub(super) struct Pin {
    /// What it stands for in templates: `<<checkout>>`.
    pub(super) word: &'static str,
    /// As the files write it: exact, because a tag of a major version moves.
    pub(super) version: &'static str,
}

/// The day by which each version was last seen in use in public repositories. The lists of releases named
/// beside the rows were not asked: a newer version may have been there already.
pub(super) const CHECKED: &str = "2026-11-26";

/// All of them.
pub(super) const PINS: &[Pin] = &[
    // actions/checkout, github.com/actions/checkout/releases
    Pin { word: "checkout", version: "v6.0.2" },
    // actions/setup-go, github.com/actions/setup-go/releases
    Pin { word: "setup_go", version: "v6.4.0" },
    // Version 3 ends in December 2026.
    // github/codeql-action/upload-sarif, github.com/github/codeql-action/releases
    Pin { word: "sarif", version: "v4.36.2" },
    // GitHub's hosted runner, github.com/actions/runner-images
    Pin { word: "runner", version: "ubuntu-24.04" },
    // The image of GitLab's job for charts, hub.docker.com/r/alpine/helm
    Pin { word: "helm_image", version: "alpine/helm:3.19.0" },
    // Debian 13 has security support until 2028 (debian.org/releases/trixie).
    // Debian of the builder, hub.docker.com/_/golang
    Pin { word: "suite", version: "trixie" },
    // The image of a program without C, github.com/GoogleContainerTools/distroless
    Pin { word: "base_static", version: "gcr.io/distroless/static-debian13:nonroot" },
    // The image of a program with C, likewise
    Pin { word: "base_c", version: "gcr.io/distroless/base-debian13:nonroot" },
    // The image of a program with C++, likewise
    Pin { word: "base_cpp", version: "gcr.io/distroless/cc-debian13:nonroot" },
];

/// The version of a word of the table.
pub(super) fn version(word: &str) -> &'static str {
    let pin = PINS.iter().find(|pin| pin.word == word);
    // A word that is not there would be one of this program's; the test asks for each.
    pin.map_or("", |pin| pin.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pin_is_exact_and_templates_have_none_of_their_own() {
        let templates = [
            include_str!("../templates/github.yaml.tmpl"),
            include_str!("../templates/gitlab.yaml.tmpl"),
            include_str!("../templates/Dockerfile.tmpl"),
        ];
        assert!(CHECKED.parse::<jiff::civil::Date>().is_ok());
        for pin in PINS {
            assert!(!pin.version.is_empty(), "{}", pin.word);
            assert_eq!(version(pin.word), pin.version);
            if let Some(number) = pin.version.strip_prefix('v') {
                assert_eq!(number.split('.').count(), 3, "{}", pin.version);
            }
        }
        for line in templates.iter().flat_map(|text| text.lines()).map(str::trim) {
            let used = ["- uses: ", "uses: ", "runs-on: ", "image: ", "name: alpine", "FROM "]
                .iter()
                .find_map(|start| line.strip_prefix(start));
            if let Some(used) = used {
                assert!(used.contains("<<"), "a version of its own: {line}");
            }
        }
    }
}
