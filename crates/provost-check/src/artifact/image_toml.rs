//! Facts of an image as a rule page states them, so that a page needs no real image.
//!
//! ```toml
//! path = "shop.tar"                # default: image.tar
//! names = ["registry.example/shop/server:1"]
//! platform = "linux/amd64"
//! entrypoint = ["/server"]
//! cmd = ["--serve"]
//! user = "app"
//! made_by = "RUN |1 A=b /bin/sh -c make"   # the first layer, by the history
//! stop_signal = "SIGTERM"
//! healthcheck = "curl -f http://localhost:8080/"   # by the shell
//! env = ["A=1"]
//! files = ["/server", "/etc/passwd"]   # regular files, mode 0755
//! mismatches = ["layer 1"]             # blobs that are not what their digest says
//! wrong_sizes = ["layer 2"]            # blobs that have another size than their descriptor says
//! incomplete = true                    # absence is no proof
//! dirs = ["/app"]                  # mode 0755
//! unread = ["/usr/lib/libx.so.1"]  # that it needs something is not known
//! glibc = 36                       # what its libc.so.6 defines at most
//! [heads]
//! "/server" = "#!/bin/sh\n"        # how the file begins, else as ELF files do
//! [labels]
//! "org.opencontainers.image.revision" = "0123456"
//! [sizes]
//! "/server" = 1048576              # else 1
//! [modes]
//! "/server" = "0700"
//! [owners]
//! "/server" = 65532                # uid and gid, else 0
//! [[secrets]]
//! path = "/root/.netrc"
//! what = "a password of netrc"
//! hidden_by = 1                    # index of the layer
//! size = 1048576                   # bytes of its layers
//! layer = 1                        # index of the layer of all files; else 0
//! copy = "/checkout"               # the first layer has the program already, at that path
//! [needed]
//! "/usr/lib/libx.so.1" = ["liby.so.2"]   # what a library of it needs
//! [links]
//! "/bin" = "/usr/bin"
//! [users]
//! app = 1000
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::artifact::image::config::{Variables, variables};
use crate::artifact::image::heads::head;
use crate::artifact::{Source, SourceKind, Sources};
use crate::facts::build::{CommandForm, Instruction, StageConfig};
use crate::facts::image::{Image, Layer, Library, Mismatch, SecretFile};
use crate::facts::image_files::{FileEntry, FileKind, FileTree};
use crate::facts::{Fact, Origin};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Page {
    path: Option<String>,
    made_by: Option<String>,
    names: Vec<String>,
    platform: Option<String>,
    entrypoint: Vec<String>,
    cmd: Vec<String>,
    user: Option<String>,
    stop_signal: Option<String>,
    healthcheck: Option<String>,
    env: Vec<String>,
    files: Vec<String>,
    mismatches: Vec<String>,
    wrong_sizes: Vec<String>,
    incomplete: bool,
    dirs: Vec<String>,
    glibc: Option<u16>,
    heads: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    sizes: BTreeMap<String, u64>,
    modes: BTreeMap<String, String>,
    owners: BTreeMap<String, u32>,
    secrets: Vec<Secret>,
    copy: Option<String>,
    needed: BTreeMap<String, Vec<String>>,
    unread: Vec<String>,
    layer: u32,
    size: u64,
    links: BTreeMap<String, String>,
    users: BTreeMap<String, u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    path: String,
    what: String,
    hidden_by: Option<u32>,
}

/// Reads an `image.toml` block.
///
/// # Panics
///
/// When the block is not valid: it is part of a test.
pub(crate) fn load(sources: &mut Sources, text: &str) -> Image {
    let page: Page = toml::from_str(text).expect("image.toml");
    let path = page.path.unwrap_or_else(|| "image.tar".to_owned());
    let source = sources.add(Source::opaque(path.clone(), SourceKind::Image));
    let at = |key: &str| Origin::image(source, None, &format!("config.{key}"));
    let mut files = FileTree::default();
    let mut put = |path: &str, kind, link: &str| {
        let entry = FileEntry {
            kind,
            mode: page.modes.get(path).map_or(0o755, |mode| octal(mode)),
            uid: page.owners.get(path).copied().unwrap_or(0),
            gid: page.owners.get(path).copied().unwrap_or(0),
            size: page.sizes.get(path).copied().unwrap_or(1),
            link: link.into(),
            layer: page.layer,
            content: (page.layer, path.into()),
            capabilities: None,
        };
        files.insert(path, entry);
    };
    for path in &page.files {
        put(path, FileKind::File, "");
    }
    for path in &page.dirs {
        put(path, FileKind::Dir, "");
    }
    for (path, target) in &page.links {
        put(path, FileKind::Symlink, target);
    }
    let command = |words: Vec<String>, key: &str| {
        let value = words.into_iter().map(|word| Fact::written(word, at(key))).collect();
        let value = CommandForm::Exec(value);
        let is_there = matches!(&value, CommandForm::Exec(words) if !words.is_empty());
        is_there.then(|| Instruction { origin: at(key), value, inherited: false })
    };
    let layer = format!("sha256:{}", "1f".repeat(32));
    let sizes = page.wrong_sizes.into_iter().map(|what| Mismatch {
        origin: Origin::image(source, Some(&layer), &what),
        what,
        expected: "5 bytes".to_owned(),
        found: "1024 bytes".to_owned(),
        by_size: true,
    });
    let mismatches = page.mismatches.into_iter().map(|what| Mismatch {
        origin: Origin::image(source, Some(&layer), &what),
        what,
        expected: layer.clone(),
        found: format!("sha256:{}", "2e".repeat(32)),
        by_size: false,
    });
    // As a real image's.
    let Variables { env, secret: secret_env } =
        variables(page.env.iter().map(String::as_str), &at("Env"));
    Image {
        source,
        origin: Origin::whole(source),
        path,
        secret_env,
        names: page.names,
        platform: Fact::written(
            page.platform.unwrap_or_else(|| "linux/amd64".to_owned()),
            at("architecture"),
        ),
        config: StageConfig {
            env,
            user: page.user.map(|user| Instruction {
                origin: at("User"),
                value: Fact::written(user, at("User")),
                inherited: false,
            }),
            entrypoint: command(page.entrypoint, "Entrypoint"),
            cmd: command(page.cmd, "Cmd"),
            stop_signal: page.stop_signal.map(|signal| Fact::written(signal, at("StopSignal"))),
            healthcheck: page.healthcheck.map(|text| Instruction {
                origin: at("Healthcheck"),
                value: Some(CommandForm::Shell(Fact::written(text, at("Healthcheck")))),
                inherited: false,
            }),
            ..StageConfig::default()
        },
        labels: page
            .labels
            .into_iter()
            .map(|(name, value)| (name, Fact::written(value, at("Labels"))))
            .collect(),
        groups: Vec::new(),
        secrets: page
            .secrets
            .into_iter()
            .map(|secret| SecretFile {
                path: secret.path,
                layer: 0,
                what: secret.what.leak(),
                hidden_by: secret.hidden_by,
            })
            .collect(),
        libc_file: files.lookup("/lib/x86_64-linux-gnu/libc.so.6").map(|(path, _)| path),
        glibc: page.glibc,
        heads: page
            .files
            .iter()
            .map(|path| {
                let text = page.heads.get(path).map_or("\x7fELF", String::as_str);
                (path.clone(), head(text.as_bytes()))
            })
            .collect(),
        libraries: page
            .files
            .iter()
            .filter(|path| !page.unread.contains(path))
            .map(|path| {
                let needed = page.needed.get(path).cloned().unwrap_or_default();
                (path.clone(), Library { needed, runpath: None })
            })
            .collect(),
        program_copy: page.copy.map(|path| (0, path)),
        mismatches: mismatches.chain(sizes).collect(),
        layers: vec![
            Layer {
                digest: layer.clone(),
                size: page.size,
                unpacked: 1,
                created_by: page.made_by.clone(),
            },
            Layer { digest: layer.clone(), size: 0, unpacked: 1, created_by: None },
        ],
        files,
        complete: !page.incomplete,
        limited: page.incomplete,
        users: page.users.into_iter().map(|(name, uid)| (name, uid, uid)).collect(),
    }
}

fn octal(text: &str) -> u32 {
    u32::from_str_radix(text, 8).expect("an octal mode")
}
