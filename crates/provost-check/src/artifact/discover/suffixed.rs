//! Files called `Dockerfile.` and something that is as well the name of a format.

use std::path::Path;

use super::first_bytes;

/// Templates and texts, whatever is in them.
const NEVER: &[&str] = &["tmpl", "tpl", "j2", "erb", "md", "txt", "go", "sh"];

/// Formats of files that are rather about Dockerfiles than one: `dockerfile.rego`. `Dockerfile.py` may
/// be the one of a Python program.
const RARELY: &[&str] = &[
    "c", "cc", "cpp", "cs", "css", "cue", "diff", "ex", "exs", "h", "hcl", "html", "java", "js",
    "jsonnet", "jsx", "kt", "lock", "lua", "mjs", "mod", "patch", "php", "pl", "png", "ps1", "py",
    "rb", "rego", "rs", "scala", "svg", "swift", "tf", "toml", "ts", "tsx", "vim", "xml", "zig",
];

/// Whether the extension of a file called `Dockerfile.EXTENSION` leaves it one.
pub(super) fn is_one(path: &Path, extension: &str) -> bool {
    !NEVER.contains(&extension) && (!RARELY.contains(&extension) || builds(path))
}

/// Whether a FROM is near its beginning. `from shop import cart` is Python's.
fn builds(path: &Path) -> bool {
    // A pipe is not waited for.
    if !path.metadata().is_ok_and(|about| about.is_file()) {
        return false;
    }
    let Ok(head) = first_bytes(path) else { return false };
    String::from_utf8_lossy(&head).lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next().is_some_and(|word| word.eq_ignore_ascii_case("from"))
            && words.next().is_some()
            && words.next() != Some("import")
    })
}
