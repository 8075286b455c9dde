//! `provost prove` on an image of a registry: fetched to be judged, fetched to be run, and nothing left of it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/layout.rs"]
mod layout;
#[path = "support/prove.rs"]
mod proving;
#[path = "support/registry.rs"]
mod registries;
#[path = "support/server.rs"]
mod server;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use layout::Item::File;
use layout::{layer, write_dir};
use proving::{CONFIG, POD, fixture, proof, words};
use registries::{CANARY, Registry};
use serde_json::{Value, json};
use server::{Server, ok, status};
use support::{Dir, Run};

/// The service of Go 1.27 in an image of that name.
fn files(name: &str) -> BTreeMap<String, Vec<u8>> {
    let service = fs::read(fixture("service", "1.27")).unwrap();
    let config = json!({"User": "1000", "Entrypoint": ["/service"], "Env": ["MODE=of-the-image"]});
    let layers = [layer(&[File("service", 0o755, &service)])];
    let mut files = layout::layout("amd64", config, &layers);
    let index = String::from_utf8(files["index.json"].clone()).unwrap();
    let index = index.replace("registry.example/shop/server:1", name);
    files.insert("index.json".to_owned(), index.into_bytes());
    files
}

/// The pod that runs that image.
fn sandbox(name: &str) -> Dir {
    let pod = POD.replace("registry.example/shop/service:1", name);
    assert!(pod.contains(name));
    Dir::new().file("pod.yaml", pod).file("provost.toml", CONFIG)
}

fn prove(sandbox: &Dir, name: &str, more: &[&str]) -> Run {
    let own = sandbox.path().join("own");
    fs::create_dir_all(&own).unwrap();
    let image = format!("registry:{name}");
    let mut args = vec!["prove", "--image", &image, "--manifest", "pod.yaml", "--phase", "start"];
    args.extend(["--write-proof", "proof.json"]);
    args.extend(more);
    let run = sandbox.provost_with_env(&args, &[("TMPDIR", own.to_str().unwrap())]);
    // Whatever came of it, the files are gone.
    assert_eq!(fs::read_dir(&own).unwrap().count(), 0, "{run}");
    run
}

#[test]
fn an_image_of_a_registry_is_run_with_the_login_that_docker_has() {
    let registry = Registry::with_password();
    let address = registry.address.as_str();
    let name = format!("{address}/shop/service:1");
    let pushing = Dir::new();
    write_dir(&pushing, "layout", &files(&name));
    registry.push_as_ci(&pushing, &name);
    let sandbox = sandbox(&name);
    let plain = ["--insecure-registry", address];

    // The network is used as it was asked for, and in no other way.
    let run = prove(&sandbox, &name, &[]);
    assert_eq!(run.code, 2, "{run}");
    let told = format!("does not speak TLS; --insecure-registry {address}");
    assert!(words(&run.err).contains(&told), "{run}");
    let run = prove(&sandbox, &name, &plain);
    assert_eq!(run.code, 2, "{run}");
    assert!(words(&run.err).contains("gives it to nobody without a login"), "{run}");

    let sandbox = sandbox.file(".docker/config.json", pushing.read(".docker/config.json"));
    let more = ["--env", "FAULT=shows-files"];
    let run = prove(&sandbox, &name, &[&plain[..], &more].concat());
    let proof = proof(&sandbox);
    assert_eq!(proof["program"]["path"], format!("registry:{name}:/service"), "{run}");
    assert_eq!(proof["container"], "shop/Pod/service/service", "{run}");
    assert!(proof["phases"][0]["ready_us"].is_u64(), "{run}");
    let lines = proof["phases"][0]["output"]["lines"].as_array().unwrap();
    let said = lines.iter().filter_map(|line| line["text"].as_str());
    let mut said = said.filter_map(|text| serde_json::from_str::<Value>(text).ok());
    let process = said.find(|line| line["msg"] == "process").unwrap();
    assert_eq!((&process["uid"], &process["args"]), (&1000.into(), &json!(["/service"])));
    let command = format!("provost prove --image registry:{name} --manifest pod.yaml");
    let command = format!("{command} --env FAULT=shows-files");
    let again = proof["command"].as_str().unwrap().replace(&format!(" {}", plain.join(" ")), "");
    assert_eq!(again, command, "{run}");
    assert!(!format!("{run}{proof}").contains(CANARY), "{run}");

    let other = format!("{address}/shop/service:2");
    let run = prove(&sandbox, &other, &plain);
    assert_eq!(run.code, 2, "{run}");
    let told = "has no shop/service:2 (404 Not Found, MANIFEST_UNKNOWN)";
    assert!(words(&run.err).contains(told), "{run}");
}

#[test]
fn a_layer_that_is_another_when_it_is_unpacked_is_not_run() {
    let files = files("shop/service:1");
    let blob = |digest: &Value| {
        let path = format!("blobs/{}", digest.as_str().unwrap().replace(':', "/"));
        files[&path].clone()
    };
    let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
    let bytes = blob(&index["manifests"][0]["digest"]);
    let manifest: Value = serde_json::from_slice(&bytes).unwrap();
    let layer = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
    let blobs: BTreeMap<String, Vec<u8>> = [&manifest["config"], &manifest["layers"][0]]
        .map(|part| (part["digest"].as_str().unwrap().to_owned(), blob(&part["digest"])))
        .into();
    let times = AtomicUsize::new(0);
    let server = Server::start(move |asked| {
        if asked.path == "/v2/shop/service/manifests/1" {
            return ok("application/vnd.oci.image.manifest.v1+json", &bytes);
        }
        let digest = asked.path.strip_prefix("/v2/shop/service/blobs/");
        let Some((digest, bytes)) = digest.and_then(|digest| blobs.get_key_value(digest)) else {
            return status(404, &[]);
        };
        let mut bytes = bytes.clone();
        if *digest == layer && times.fetch_add(1, Ordering::SeqCst) > 0 {
            // In the middle of the program, and as long as it was.
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
        ok("application/octet-stream", &bytes)
    });
    let name = format!("{}/shop/service:1", server.address);
    let sandbox = sandbox(&name);
    let run = prove(&sandbox, &name, &["--insecure-registry", &server.address]);
    assert_eq!(run.code, 2, "{run}");
    let told = words(&run.err);
    assert!(told.contains("cannot unpack registry:") && told.contains("layer 1: "), "{run}");
    assert!(!sandbox.path().join("proof.json").exists(), "{run}");
}
