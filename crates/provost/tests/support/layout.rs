//! Images that tests write themselves.

#![allow(dead_code, unreachable_pub, reason = "each test file is a crate and uses its part")]
#![allow(clippy::unwrap_used, reason = "it is a test's own tool")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Dir, repository};

/// An entry of a layer: path, mode, content or link.
pub enum Item<'a> {
    File(&'a str, u32, &'a [u8]),
    Link(&'a str, &'a str),
    Hard(&'a str, &'a str),
    Dir(&'a str),
    /// A file with what setcap(8) wrote: path, that, content.
    Capable(&'a str, &'a [u8], &'a [u8]),
}
use Item::{Capable, Dir as Folder, File, Hard, Link};

pub fn layer(items: &[Item<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for item in items {
        let mut header = tar::Header::new_gnu();
        match item {
            File(path, mode, content) => {
                header.set_size(content.len() as u64);
                header.set_mode(*mode);
                // `set_path` would refuse what a hostile archive has.
                header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
                header.set_cksum();
                builder.append(&header, *content).unwrap();
            }
            Capable(path, capabilities, content) => {
                let key = "SCHILY.xattr.security.capability";
                builder.append_pax_extensions([(key, *capabilities)]).unwrap();
                header.set_size(content.len() as u64);
                header.set_mode(0o755);
                builder.append_data(&mut header, path, *content).unwrap();
            }
            Link(path, target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, path, target).unwrap();
            }
            Hard(path, target) => {
                header.set_entry_type(tar::EntryType::Link);
                header.set_size(0);
                builder.append_link(&mut header, path, target).unwrap();
            }
            Folder(path) => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                header.set_mode(0o755);
                builder.append_data(&mut header, path, std::io::empty()).unwrap();
            }
        }
    }
    builder.into_inner().unwrap()
}

pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, b| format!("{text}{b:02x}"))
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Files of an OCI layout by name.
pub fn layout(arch: &str, run: Value, layers: &[Vec<u8>]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut put = |bytes: Vec<u8>, kind: &str| {
        let (digest, size) = (digest(&bytes), bytes.len());
        files.insert(format!("blobs/{}", digest.replace(':', "/")), bytes);
        let media_type = format!("application/vnd.oci.image.{kind}");
        json!({"digest": digest, "size": size, "mediaType": media_type})
    };
    let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    let config = json!({
        "os": "linux", "architecture": arch, "config": run,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = put(config.to_string().into_bytes(), "config.v1+json");
    let layers: Vec<Value> =
        layers.iter().map(|layer| put(gzip(layer), "layer.v1.tar+gzip")).collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": layers,
    });
    let mut manifest = put(manifest.to_string().into_bytes(), "manifest.v1+json");
    manifest["annotations"] =
        json!({"org.opencontainers.image.ref.name": "registry.example/shop/server:1"});
    files.insert(
        "index.json".to_owned(),
        json!({"schemaVersion": 2, "manifests": [manifest]}).to_string().into_bytes(),
    );
    files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion": "1.0.0"}"#.to_vec());
    files
}

pub fn write_dir(sandbox: &Dir, name: &str, files: &BTreeMap<String, Vec<u8>>) {
    for (path, bytes) in files {
        let path = sandbox.path().join(name).join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

pub fn write_tar(path: &Path, files: &BTreeMap<String, Vec<u8>>) {
    let items: Vec<Item<'_>> = files.iter().map(|(name, bytes)| File(name, 0o644, bytes)).collect();
    fs::write(path, layer(&items)).unwrap();
}

/// A Go program for amd64.
pub fn program() -> Vec<u8> {
    let index = fs::read_to_string(repository().join("target/fixtures.json"))
        .expect("cargo xtask fixtures writes it");
    let all: Value = serde_json::from_str(&index).unwrap();
    let fits = |f: &&Value| f["program"] == "plain" && f["goarch"] == "amd64";
    let path = all.as_array().unwrap().iter().rfind(fits).unwrap()["path"].as_str().unwrap();
    fs::read(PathBuf::from(path)).unwrap()
}
