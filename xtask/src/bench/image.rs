//! An image for the benchmark: an OCI layout with one layer that holds a large Go program and
//! files of the kind that a base system has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{cmd, paths};

/// Bytes beside the program, in files of `FILE` bytes.
const REST: usize = 330_000_000;
const FILE: usize = 1_000_000;

/// The layout, and its layer as it lies there.
pub struct Image {
    pub layout: PathBuf,
    pub layer: PathBuf,
    /// An empty folder.
    pub nothing: PathBuf,
}

/// Writes the layout into the cache, once for each program.
pub fn layout(program: &Path) -> Result<Image> {
    let folder = paths::cache()?.join("bench/image");
    let (tree, packed) = (folder.join("tree"), folder.join("layer.tar.gz"));
    let stamp = folder.join("stamp");
    let digest_of_program = digest(&fs::read(program)?);
    if !fs::read_to_string(&stamp).is_ok_and(|known| known == digest_of_program) {
        paths::write(&tree.join("etc/passwd"), b"root:x:0:0::/root:/sbin/nologin\n")?;
        for number in 0..REST / FILE {
            paths::write(&tree.join(format!("usr/share/data/{number:03}")), &content(number))?;
        }
        fs::create_dir_all(tree.join("usr/local/bin"))?;
        fs::copy(program, tree.join("usr/local/bin/server"))
            .with_context(|| format!("cannot copy {}", program.display()))?;
        // As layers are made: sorted, without times and users.
        let mut tar = Command::new("tar");
        tar.args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "-I", "gzip -6 -n", "-C"]);
        cmd::output(tar.arg(&tree).arg("-cf").arg(&packed).arg("."))?;
        fs::remove_dir_all(&tree)?;
        paths::write(&stamp, digest_of_program.as_bytes())?;
    }
    let layer = fs::read(&packed)?;
    let mut unpacked = Command::new("sh");
    unpacked.args(["-c", "gzip -dc \"$1\" | sha256sum", "sh"]).arg(&packed);
    let diff_id = cmd::output(&mut unpacked)?;
    let diff_id = diff_id.split_whitespace().next().context("sha256sum said nothing")?;

    let layout = folder.join("layout");
    let put = |bytes: &[u8], kind: &str| -> Result<serde_json::Value> {
        let digest = digest(bytes);
        paths::write(&layout.join("blobs/sha256").join(&digest), bytes)?;
        let media_type = format!("application/vnd.oci.image.{kind}");
        Ok(
            json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()}),
        )
    };
    let config = json!({
        "os": "linux", "architecture": "amd64",
        "config": {"Entrypoint": ["/usr/local/bin/server"], "User": "65532"},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{diff_id}")]},
    });
    let config = put(config.to_string().as_bytes(), "config.v1+json")?;
    let described = put(&layer, "layer.v1.tar+gzip")?;
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": [described]});
    let manifest = put(manifest.to_string().as_bytes(), "manifest.v1+json")?;
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    paths::write(&layout.join("index.json"), index.to_string().as_bytes())?;
    paths::write(&layout.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    let nothing = folder.join("nothing");
    fs::create_dir_all(&nothing)?;
    Ok(Image { layout, layer: packed, nothing })
}

/// Bytes that gzip makes about half as long, different for each file.
fn content(number: usize) -> Vec<u8> {
    let mut state = number as u64 + 1;
    let mut bytes = Vec::with_capacity(FILE);
    while bytes.len() < FILE {
        // Knuth's MMIX generator; its upper bits are good.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let [a, b, c, d, ..] = state.to_be_bytes();
        bytes.extend([a, b, c, d, b'/', b'u', b's', b'r']);
    }
    bytes.truncate(FILE);
    bytes
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_differ_and_stay_the_same() {
        assert_eq!(content(3), content(3));
        assert_ne!(content(3), content(4));
        assert_eq!(content(3).len(), FILE);
    }
}
