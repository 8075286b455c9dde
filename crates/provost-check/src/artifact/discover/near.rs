//! What may have been meant by a path that is not there.

use std::path::{Component, Path, PathBuf};

use crate::model::names::nearest;

/// Entries of one folder that a name is compared with.
const MOST_ENTRIES: usize = 10_000;

/// Letters that make a name the beginning of another rather than any.
const SHORTEST: usize = 3;

/// The path that is there and differs by a slip in each name, or goes on where this one stops;
/// `is_meant` says of a path whether it is of the kind that is asked for.
pub fn near(path: &Path, is_meant: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        let fits = |path: &Path| if is_last { is_meant(path) } else { path.is_dir() };
        let Component::Normal(name) = part else {
            found.push(part);
            continue;
        };
        let direct = found.join(name);
        if fits(&direct) {
            found = direct;
            continue;
        }
        let name = name.to_str()?;
        let folder = if found.as_os_str().is_empty() { Path::new(".") } else { &found };
        let entries = std::fs::read_dir(folder).ok()?.take(MOST_ENTRIES).flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|other| fits(&found.join(other))).collect();
        names.sort_unstable();
        let mut longer = names.iter().filter(|other| {
            name.len() >= SHORTEST && other.len() > name.len() && other.starts_with(name)
        });
        let only = longer.next().filter(|_| longer.next().is_none()).map(String::as_str);
        let meant = nearest(name, names.iter().map(String::as_str), 2).or(only)?;
        found = found.join(meant);
    }
    (found != path).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_in_a_name_is_told_and_another_name_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for folder in ["overlays/production", "overlays/staging", "charts/web"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(root.join("overlays/productoin"), "").unwrap();
        std::fs::write(root.join("values-production.yaml"), "").unwrap();
        let told = |path: &str, folder: bool| {
            let is_meant = |path: &Path| if folder { path.is_dir() } else { path.is_file() };
            let found = near(&root.join(path), is_meant)?;
            Some(found.strip_prefix(root).unwrap().to_str().unwrap().to_owned())
        };
        let told = |path, folder| told(path, folder).unwrap_or_default();
        assert_eq!(told("overlays/prodution", true), "overlays/production");
        // A file of the name is none that can be built.
        assert_eq!(told("overlays/productoin", true), "overlays/production");
        assert_eq!(told("overlay/stagin", true), "overlays/staging");
        assert_eq!(told("overlays/prod", true), "overlays/production");
        assert_eq!(told("values-prodution.yaml", false), "values-production.yaml");
        for path in ["nope", "overlays/nope", "nope/production", "overlays/p"] {
            assert_eq!(told(path, true), "", "{path}");
        }
        // It is there.
        assert_eq!(told("charts/web", true), "");
    }
}
