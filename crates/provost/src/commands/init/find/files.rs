//! Files of the module that a program reads when it runs: the image that is written holds the program
//! and nothing else.

use std::path::Path;

use super::file::{Call, GoFile, Value};
use super::{Names, Setting, View};

/// Functions and methods that are given what to read.
const READS: &[&str] = &[
    "Dir",
    "DirFS",
    "Glob",
    "LoadHTMLFiles",
    "LoadHTMLGlob",
    "Open",
    "OpenFile",
    "ParseFiles",
    "ParseGlob",
    "ReadDir",
    "ReadFile",
    "ServeFile",
    "Static",
    "StaticFile",
];

/// Packages whose functions read the disk, whatever is embedded.
const OF_DISK: &[&str] =
    &["html/template", "io/ioutil", "net/http", "os", "path/filepath", "text/template"];

/// Paths that are told.
const MOST: usize = 5;

/// A path below the module's folder, and the variable that may name another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct ReadPath {
    pub(in super::super) path: String,
    pub(in super::super) variable: Option<String>,
}

/// What the program reads of the module's folder.
pub(super) fn read(view: &View<'_>, settings: &[Setting], folder: &Path) -> Vec<ReadPath> {
    let embeds = view.imports("embed");
    let is_there = |path: &String| folder.join(path).exists();
    let mut found: Vec<ReadPath> = settings
        .iter()
        .filter_map(|setting| {
            let default = setting.default.as_deref()?;
            // A word alone may be the name of anything.
            let path = default.contains('/').then(|| below(default)).flatten()?;
            Some(ReadPath { path, variable: Some(setting.name.clone()) })
        })
        .filter(|read| is_there(&read.path))
        .collect();
    for files in &view.packages {
        let names = Names::of(files);
        for file in files {
            let calls = file.calls.iter().filter(|call| reads(call, file, embeds));
            let texts = calls.flat_map(|call| {
                let files = call.arguments.iter().filter_map(|value| names.text(Some(value)));
                files.filter_map(below).collect::<Vec<_>>()
            });
            for path in texts.filter(is_there) {
                if found.iter().all(|known| known.path != path) {
                    found.push(ReadPath { path, variable: None });
                }
            }
        }
    }
    found.sort();
    found.truncate(MOST);
    found
}

/// Whether a call reads the disk. What is embedded is read by methods of the same names.
fn reads(call: &Call, file: &GoFile, embeds: bool) -> bool {
    let of_disk = || OF_DISK.iter().any(|path| file.imports.get(*path) == Some(&call.receiver));
    let written = |value: &Value| matches!(value, Value::Text(text) if text.starts_with("file://") && text.len() > 7);
    (READS.contains(&call.name.as_str()) && (!embeds || of_disk()))
        || call.arguments.iter().any(written)
}

/// A path that stays in the module's folder, up to its first pattern.
fn below(text: &str) -> Option<String> {
    let text = text.strip_prefix("file://").unwrap_or(text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.*?[]".contains(&byte);
    if text.starts_with('/') || text.len() > 120 || !text.bytes().all(plain) {
        return None;
    }
    let parts = text.split('/').filter(|part| !matches!(*part, "" | "."));
    let fixed: Vec<&str> = parts.take_while(|part| !part.contains(['*', '?', '['])).collect();
    (!fixed.is_empty() && !fixed.contains(&"..")).then(|| fixed.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::{file, settings};
    use super::*;

    #[test]
    fn what_is_read_of_the_module_is_told_and_what_is_embedded_is_not() {
        let folder = std::env::temp_dir().join(format!("provost-read-{}", std::process::id()));
        for dir in ["migrations", "web/templates", "static"] {
            std::fs::create_dir_all(folder.join(dir)).unwrap();
        }
        let of = |imports: &str, body: &str| {
            let source = format!(
                "package main\nimport (\n\"os\"\n\"net/http\"\n{imports}\n)\nfunc main() {{\n{body}\n}}\n"
            );
            let file = file::read(&source);
            let view = View { packages: vec![vec![&file]] };
            let found = read(&view, &settings::read(&view), &folder);
            let shown = |read: ReadPath| match read.variable {
                Some(variable) => format!("{} {variable}", read.path),
                None => read.path,
            };
            found.into_iter().map(shown).collect::<Vec<_>>().join(", ")
        };
        for (imports, body, expected) in [
            ("", "env(\"MIGRATIONS_DIR\", \"./migrations\")", "migrations MIGRATIONS_DIR"),
            ("", "migrate.New(\"file://migrations\", url)", "migrations"),
            ("", "template.ParseGlob(\"web/templates/*.html\")", "web/templates"),
            ("", "http.FileServer(http.Dir(\"static\"))", "static"),
            ("", "r.Static(\"/assets\", \"./static\")", "static"),
            // Not there, elsewhere, or no path at all.
            (
                "",
                "os.ReadFile(\"config.yaml\"); os.Open(\"/etc/passwd\"); os.Open(\"../migrations\")",
                "",
            ),
            ("", "table(\"migrations\"); env(\"TABLE\", \"migrations\")", ""),
            // Of the program itself.
            ("\"embed\"", "content.ReadFile(\"static\")", ""),
            ("\"embed\"", "os.ReadDir(\"static\")", "static"),
        ] {
            assert_eq!(of(imports, body), expected, "{body}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
