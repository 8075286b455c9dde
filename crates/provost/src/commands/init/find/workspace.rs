//! Workspaces: `go.work` in or above a module's folder.

use std::fs;
use std::path::Path;

use provost_check::artifact::mmap;

use super::module::Module;
use provost_check::artifact::go_mod::GoMod;

/// Bytes of `go.work` and of a `go.mod` that are read.
const MOST_BYTES: u64 = 1 << 20;

/// Modules that are looked at.
const MOST_MODULES: usize = 200;

/// Another module of the workspace.
#[derive(Debug)]
pub(in super::super) struct Sibling {
    /// `example.com/shop/lib`
    pub(in super::super) path: String,
    /// As `go.work` names it: `./lib`.
    pub(in super::super) folder: String,
}

/// The folders that a `go.work` names.
pub(super) fn used(folder: &Path) -> Vec<String> {
    let Ok(bytes) = mmap::read_text(&folder.join("go.work"), MOST_BYTES, false) else {
        return Vec::new();
    };
    folders(&String::from_utf8_lossy(&bytes))
}

/// The folders behind `use`, alone or in a block.
fn folders(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default().trim();
        let entry = match (in_block, line.strip_prefix("use")) {
            (true, _) if line == ")" => {
                in_block = false;
                ""
            }
            (true, _) => line,
            (false, Some(rest)) if rest.trim() == "(" => {
                in_block = true;
                ""
            }
            (false, Some(rest)) if rest.starts_with(char::is_whitespace) => rest.trim(),
            (false, _) => "",
        };
        let entry = entry.trim_matches(['"', '`']);
        if !entry.is_empty() && found.len() < MOST_MODULES {
            found.push(entry.to_owned());
        }
    }
    found
}

/// Modules of the workspace around a module whose packages it imports. A container's build context
/// is the module's folder, and they are not in it.
pub(super) fn imported(module: &Module) -> Vec<Sibling> {
    // Only the nearest one counts (`go help work`).
    let around = module.folder.ancestors().find(|folder| folder.join("go.work").is_file());
    let Some(around) = around else { return Vec::new() };
    let mut siblings = Vec::new();
    for entry in used(around) {
        let folder = around.join(&entry);
        if fs::canonicalize(&folder).is_ok_and(|folder| folder == module.folder) {
            continue;
        }
        let Ok(bytes) = mmap::read_text(&folder.join("go.mod"), MOST_BYTES, false) else {
            continue;
        };
        let path = GoMod::parse(&String::from_utf8_lossy(&bytes)).module;
        let is_of = |import: &String| {
            import.strip_prefix(&path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let files = || module.packages.values().flat_map(|package| &package.files);
        if !path.is_empty() && files().any(|file| file.imports.keys().any(is_of)) {
            siblings.push(Sibling { path, folder: entry });
        }
    }
    siblings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_stand_alone_or_in_a_block() {
        let text =
            "go 1.27.0\nuse ./a // one\nuse (\n\t./b\n\t\"./c d\"\n)\nuser x\nreplace x => ./y\n";
        assert_eq!(folders(text), ["./a", "./b", "./c d"]);
        assert_eq!(folders("use (\n"), Vec::<String>::new());
    }
}
