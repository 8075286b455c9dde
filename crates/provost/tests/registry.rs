//! Images of registries end to end: a real registry on loopback that crane pushes to, and a server
//! that does what no registry should.

#![allow(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/layout.rs"]
mod layout;
#[path = "registry/logins.rs"]
mod logins;
#[path = "support/registry.rs"]
mod registries;
#[path = "support/server.rs"]
mod server;
mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use layout::Item::{File, Link};
use layout::{digest, gzip, layer, layout, program, write_dir};
use registries::{CANARY, Registry};
use serde_json::{Value, json};
use server::{Asked, Reply, Server, ok, status};
use support::{Dir, Run, succeed, tool};

const PASSWD: &[u8] = b"root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n";

/// The program behind a link, a shell that an upper layer takes away.
fn layers() -> Vec<Vec<u8>> {
    vec![
        layer(&[File("etc/passwd", 0o644, PASSWD), File("bin/sh", 0o755, b"#!")]),
        layer(&[
            File("bin/.wh.sh", 0, b""),
            File("srv/server", 0o755, &program()),
            Link("entry", "/srv/server"),
        ]),
    ]
}

fn run_config() -> Value {
    json!({"User": "app", "Entrypoint": ["/entry"]})
}

/// A layout whose image goes by this name.
fn named_layout(arch: &str, name: &str) -> BTreeMap<String, Vec<u8>> {
    let mut files = layout(arch, run_config(), &layers());
    let index = String::from_utf8(files["index.json"].clone()).unwrap();
    let index = index.replace("registry.example/shop/server:1", name);
    files.insert("index.json".to_owned(), index.into_bytes());
    files
}

fn deployment(image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: server}}\nspec:\n  selector: \
         {{matchLabels: {{app: server}}}}\n  template:\n    metadata: {{labels: {{app: server}}}}\n    \
         spec:\n      securityContext: {{runAsNonRoot: true}}\n      containers:\n        - name: \
         server\n          image: {image}\n          lifecycle: {{preStop: {{exec: {{command: \
         [\"/bin/sh\", \"-c\", \"sleep 5\"]}}}}}}\n"
    )
}

/// Long lines are wrapped.
fn words(run: &Run) -> String {
    format!("{} {}", run.out, run.err).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The report without what tells one input from another.
fn comparable(run: &Run, path: &str) -> Value {
    let text = run.out.replace(path, "IMAGE");
    let mut report: Value = serde_json::from_str(&text).unwrap();
    for finding in report["findings"].as_array_mut().unwrap() {
        finding.as_object_mut().unwrap().remove("fingerprint");
    }
    report
}

#[test]
fn an_image_of_a_registry_is_judged_like_its_layout() {
    let (registry, sandbox) = (Registry::plain(), Dir::new());
    let name = format!("{}/shop/server:1", registry.address);
    write_dir(&sandbox, "layout", &named_layout("arm64", &name));
    registry.crane(&sandbox, &["push", "layout", &name]);
    let sandbox = sandbox.file("deploy.yaml", deployment(&name));
    let check = |image: &str| {
        let insecure = ["--insecure-registry", &registry.address];
        let args = ["check", "deploy.yaml", "--image", image, "--format", "json"];
        sandbox.provost(&[&args[..], &insecure].concat())
    };
    let local = check("oci:layout");
    let remote = check(&format!("registry:{name}"));
    assert_eq!(remote.code, 1, "{remote}");
    assert_eq!(remote.err, "", "{remote}");
    let ids = |run: &Run| {
        let report: Value = serde_json::from_str(&run.out).unwrap();
        let findings = report["findings"].as_array().unwrap().clone();
        findings.iter().map(|f| f["rule"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for expected in ["run-as-non-root-will-fail", "exec-tool-missing", "architecture-mismatch"] {
        assert!(ids(&remote).iter().any(|id| id == expected), "{remote}");
    }
    assert_eq!(
        comparable(&remote, &format!("registry:{name}")),
        comparable(&local, "layout"),
        "{remote}\n{local}"
    );
    // The same by digest.
    let digest = registry.crane(&sandbox, &["digest", &name]);
    let by_digest = format!("registry:{}/shop/server@{}", registry.address, digest.trim());
    assert_eq!(ids(&check(&by_digest)), ids(&remote));
    let missing = check(&format!("registry:{}/shop/server:2", registry.address));
    assert_eq!(missing.code, 2, "{missing}");
    let told = "has no shop/server:2 (404 Not Found, MANIFEST_UNKNOWN)";
    assert!(words(&missing).contains(told), "{missing}");
}

#[test]
fn a_platform_of_an_index_is_chosen() {
    let (registry, sandbox) = (Registry::plain(), Dir::new());
    let name = format!("{}/shop/server:1", registry.address);
    let (mut files, arm) = (named_layout("amd64", &name), named_layout("arm64", &name));
    let descriptor = |files: &BTreeMap<String, Vec<u8>>, arch: &str| {
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let mut manifest = index["manifests"][0].clone();
        manifest["platform"] = json!({"os": "linux", "architecture": arch});
        manifest
    };
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [descriptor(&arm, "arm64"), descriptor(&files, "amd64")],
    });
    files.extend(arm);
    files.insert("index.json".to_owned(), index.to_string().into_bytes());
    write_dir(&sandbox, "layout", &files);
    registry.crane(&sandbox, &["push", "--index", "layout", &name]);
    let sandbox = sandbox.file("deploy.yaml", deployment(&name));
    let check = |more: &[&str]| {
        let (image, address) = (format!("registry:{name}"), registry.address.as_str());
        let args = ["check", "deploy.yaml", "--image", &image, "--insecure-registry", address];
        let only = ["--only", "architecture-mismatch,unparsable-input"];
        sandbox.provost(&[&args[..], &only, more].concat())
    };
    // Without the choice each is fetched and judged.
    let each = check(&[]);
    assert!(each.code == 1 && each.out.contains("error[architecture-mismatch]"), "{each}");
    assert!(words(&each).contains("of the image for linux/arm64"), "{each}");
    let amd = check(&["--platform", "linux/amd64"]);
    assert_eq!(amd.code, 0, "{amd}");
    assert!(words(&amd).contains("its image for linux/arm64 is not judged"), "{amd}");
    let arm = check(&["--platform", "linux/arm64"]);
    assert!(arm.code == 1 && arm.out.contains("error[architecture-mismatch]"), "{arm}");
    let none = check(&["--platform", "linux/s390x"]);
    assert!(none.code == 2 && words(&none).contains("it has linux/arm64, linux/amd64"), "{none}");
}

#[test]
fn certificates_are_checked() {
    let root = succeed(Command::new("go").args(["env", "GOROOT"]).current_dir("/"));
    let generate = PathBuf::from(root.trim()).join("src/crypto/tls/generate_cert.go");
    let certified = |hosts: &str| {
        let made = Dir::new();
        let mut go = Command::new("go");
        go.arg("run").arg(&generate).args(["--host", hosts, "--ecdsa-curve", "P256"]);
        go.current_dir(made.path()).envs(support::go_env());
        succeed(&mut go);
        (made.read("cert.pem"), made.read("key.pem"))
    };
    let start = |(certificate, key): &(String, String)| {
        let files = [("cert.pem", certificate.as_bytes()), ("key.pem", key.as_bytes())];
        let tls = "  tls: {certificate: FOLDER/cert.pem, key: FOLDER/key.pem}\n";
        Registry::start(&files, tls, "")
    };
    let pair = certified("127.0.0.1,localhost");
    let registry = start(&pair);
    let (certificate, _) = pair;
    let address = registry.address.as_str();
    let sandbox = Dir::new().file("cert.pem", &certificate);
    let name = format!("{address}/shop/server:1");
    write_dir(&sandbox, "layout", &named_layout("amd64", &name));
    // crane takes loopback for plain HTTP, unless it has a name.
    let port = address.rsplit(':').next().unwrap();
    let pushed = format!("localhost:{port}/shop/server:1");
    let mut crane = Command::new(tool("crane"));
    crane.args(["push", "layout", &pushed]).current_dir(sandbox.path()).env_clear();
    crane.env("HOME", sandbox.path()).env("SSL_CERT_FILE", sandbox.path().join("cert.pem"));
    succeed(&mut crane);
    let image = format!("registry:{name}");
    let args = ["check", "--image", &image, "--fail-on", "never"];
    let strange = sandbox.provost(&args);
    assert_eq!(strange.code, 2, "{strange}");
    assert!(words(&strange).contains("no authority that is known has signed it"), "{strange}");
    // What stands in a certificate is the server's word, and not repeated.
    let other = certified("told.example");
    let sandbox = sandbox.file("other.pem", &other.0);
    let elsewhere = start(&other);
    let image = format!("registry:{}/shop/server:1", elsewhere.address);
    let bundle = sandbox.path().join("other.pem").to_str().unwrap().to_owned();
    let env = [("SSL_CERT_FILE", bundle.as_str())];
    let run = sandbox.provost_with_env(&["check", "--image", &image], &env);
    assert_eq!(run.code, 2, "{run}");
    assert!(words(&run).contains("it is for another name"), "{run}");
    assert!(!words(&run).contains("told.example"), "{run}");
    let bundle = sandbox.path().join("cert.pem").to_str().unwrap().to_owned();
    let trusted = sandbox.provost_with_env(&args, &[("SSL_CERT_FILE", bundle.as_str())]);
    assert_eq!(trusted.code, 0, "{trusted}");
    // The other way round: TLS is spoken unless plain HTTP was allowed.
    let plain = Registry::plain();
    let image = format!("registry:{}/shop/server:1", plain.address);
    let run = sandbox.provost(&["check", "--image", &image]);
    assert_eq!(run.code, 2, "{run}");
    let told = format!("does not speak TLS; --insecure-registry {}", plain.address);
    assert!(words(&run).contains(&told), "{run}");
}

/// An image as a registry has it.
#[derive(Clone)]
struct Image {
    manifest: Vec<u8>,
    blobs: BTreeMap<String, Vec<u8>>,
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

impl Image {
    fn new() -> Self {
        Self::of(run_config(), &layers())
    }

    fn of(config: Value, layers: &[Vec<u8>]) -> Self {
        let files = layout("amd64", config, layers);
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let digest = index["manifests"][0]["digest"].as_str().unwrap();
        let blobs = files.iter().filter_map(|(path, bytes)| {
            Some((path.strip_prefix("blobs/")?.replace('/', ":"), bytes.clone()))
        });
        let mut blobs: BTreeMap<String, Vec<u8>> = blobs.collect();
        Self { manifest: blobs.remove(digest).unwrap(), blobs }
    }

    /// What the manifest says at a place.
    fn at(&self, pointer: &str) -> Value {
        let manifest: Value = serde_json::from_slice(&self.manifest).unwrap();
        manifest.pointer(pointer).unwrap().clone()
    }

    fn with(mut self, pointer: &str, value: Value) -> Self {
        let mut manifest: Value = serde_json::from_slice(&self.manifest).unwrap();
        *manifest.pointer_mut(pointer).unwrap() = value;
        self.manifest = manifest.to_string().into_bytes();
        self
    }

    fn answer(&self, asked: &Asked) -> Reply {
        if asked.path == "/v2/shop/server/manifests/1" {
            return ok(MANIFEST, &self.manifest);
        }
        let blob = asked.path.strip_prefix("/v2/shop/server/blobs/");
        match blob.and_then(|digest| self.blobs.get(digest)) {
            Some(bytes) => ok("application/octet-stream", bytes),
            None => status(404, &[]),
        }
    }

    fn layer(&self) -> String {
        format!("/v2/shop/server/blobs/{}", self.at("/layers/0/digest").as_str().unwrap())
    }

    fn config(&self) -> String {
        format!("/v2/shop/server/blobs/{}", self.at("/config/digest").as_str().unwrap())
    }
}

fn check(sandbox: &Dir, server: &Server, more: &[&str]) -> Run {
    let image = format!("registry:{}/shop/server:1", server.address);
    let args = ["check", "--image", &image, "--insecure-registry", &server.address];
    sandbox.provost(&[&args[..], more].concat())
}

/// Serves the image but for one path.
fn but(image: &Image, path: &str, reply: Reply) -> Server {
    let (image, path) = (image.clone(), path.to_owned());
    Server::start(move |asked| if asked.path == path { reply.clone() } else { image.answer(asked) })
}

const ROOT: &str = "/v2/shop/server/manifests/1";

#[test]
fn a_server_that_is_no_registry_is_told() {
    let image = Image::new();
    let unknown = br#"{"errors": [{"code": "NAME_UNKNOWN", "message": "kanarie-7Qx9vW2m"}]}"#;
    let limit = "8388608 bytes, the limit";
    let cases = [
        (ok("text/html", b"<html>"), "answers with a page (text/html), not with a manifest"),
        (ok("image/png", b"x"), "answers with what is no manifest"),
        (Reply::Raw(b"\x01\x02 garbage\r\n\r\n".to_vec()), "answers with what is no HTTP"),
        (Reply::Raw(Vec::new()), "ends the connection in the middle"),
        (Reply::Whole(404, Vec::new(), unknown.to_vec()), "(404 Not Found, NAME_UNKNOWN)"),
        (status(500, &[]), "answers 500 Internal Server Error"),
        (status(204, &[]), "answers 204 No Content"),
        (ok(MANIFEST, b"not json"), "the manifest is no JSON (line 1, column 2)"),
        (ok(MANIFEST, b"{}"), "the manifest is not made as an image's is (line 1, column 2)"),
        (ok("application/json", b"[]"), "answers with application/json, which is no manifest"),
        (ok("application/json", br#"{"schemaVersion": 1}"#), "a manifest of schema 1"),
        (Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()), limit),
        (Reply::Endless(b"HTTP/1.1 200 OK\r\nX: ".to_vec()), "headers without an end"),
        (Reply::Endless(b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec()), "(404 Not Found)"),
        (
            Reply::Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec()),
            "answers with what is no HTTP",
        ),
        (status(401, &[]), "asks for a login of a kind that is not known"),
        (status(401, &[("WWW-Authenticate", "Negotiate")]), "of a kind that is not known"),
        (status(403, &[]), "gives it to nobody without a login"),
        (status(429, &[("Retry-After", "0")]), "429 Too Many Requests after 5 attempts"),
        (
            status(429, &[("Retry-After", "3600")]),
            "asks to wait 60 minutes; 30 s is the most that is waited",
        ),
        (status(307, &[("Location", ROOT)]), "redirects without an end"),
        (status(307, &[]), "redirects to what is no address of HTTP"),
        (status(307, &[("Location", "file:///etc/passwd")]), "to what is no address of HTTP"),
    ];
    for (reply, expected) in cases {
        let server = but(&image, ROOT, reply);
        let run = check(&Dir::new(), &server, &[]);
        assert!(words(&run).contains(expected), "{expected}: {run}");
        assert_eq!(run.code, 2, "{expected}: {run}");
        assert!(!run.to_string().contains(CANARY), "{run}");
        assert!(!server.asked().is_empty());
    }
    let gone = but(&image, ROOT, status(500, &[]));
    let address = gone.address.clone();
    drop(gone);
    let name = format!("registry:{address}/shop/server:1");
    let run = Dir::new().provost(&["check", "--image", &name, "--insecure-registry", &address]);
    assert_eq!(run.code, 2, "{run}");
    assert!(words(&run).contains(&format!("cannot connect to {address}")), "{run}");
}

#[test]
fn a_registry_that_asks_to_wait_is_asked_again() {
    let (image, times) = (Image::new(), AtomicUsize::new(0));
    let server = Server::start(move |asked| {
        match asked.path == ROOT && times.fetch_add(1, Ordering::SeqCst) < 2 {
            true => status(429, &[("Retry-After", "0")]),
            false => image.answer(asked),
        }
    });
    let run = check(&Dir::new(), &server, &["--fail-on", "never"]);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(server.asked().iter().filter(|asked| asked.path == ROOT).count(), 3);
}

#[test]
fn layers_that_are_not_what_was_announced_are_told() {
    let image = Image::new();
    let path = image.layer();
    let bytes = image.blobs[path.rsplit('/').next().unwrap()].clone();
    let size = bytes.len();
    let other = gzip(&layer(&[File("etc/passwd", 0o644, b"root:x:0:0::/:/bin/sh\n")]));
    let cut = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").into_bytes();
    let longer = [&bytes[..], b"more"].concat();
    let same_size = [&bytes[..size - 1], &[bytes[size - 1] ^ 1]].concat();
    let says = format!("its manifest says {size}");
    let more = format!("sends more than the {size} bytes that its manifest says");
    let cases = [
        (status(404, &[]), 2, "does not have the blob sha256:"),
        (status(500, &[]), 2, "layer 1: 127.0.0.1:"),
        (Reply::Raw([&cut[..], &bytes[..50]].concat()), 2, "in the middle of an answer"),
        (ok("a/b", &other), 1, says.as_str()),
        (Reply::Unsized(bytes[..50].to_vec()), 1, says.as_str()),
        (Reply::Unsized(longer), 1, more.as_str()),
        (Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()), 1, more.as_str()),
        (ok("a/b", &same_size), 1, "error[image-digest-mismatch]: layer 1 is not what"),
    ];
    for (reply, code, expected) in cases {
        let server = but(&image, &path, reply);
        let run =
            check(&Dir::new(), &server, &["--only", "image-digest-mismatch,unparsable-input"]);
        assert!(words(&run).contains(expected), "{expected}: {run}");
        assert_eq!(run.code, code, "{expected}: {run}");
    }
    // Of what is not complete nothing is said to be missing.
    let server = but(&image, &path, status(404, &[]));
    let run = check(&Dir::new(), &server, &["--only", "missing-entrypoint-file,exec-tool-missing"]);
    assert!(words(&run).contains("no findings in 1 image"), "{run}");
}

#[test]
fn documents_that_are_not_what_was_announced_are_told() {
    let image = Image::new();
    let lying = |pointer: &str, value: Value| image.clone().with(pointer, value);
    let helm = json!("application/vnd.cncf.helm.config.v1+json");
    let cases = [
        (lying("/config/mediaType", helm), 2, "is no container image"),
        (lying("/config/size", json!(7)), 2, "its manifest says 7"),
        (lying("/config/size", json!(9 << 20)), 2, "the configuration is larger than"),
        (lying("/config/digest", json!("sha512:ab")), 2, "is no sha256"),
        (lying("/config/digest", json!("sha256:../../x")), 2, "is no sha256"),
        (lying("/layers/0/size", json!(1_u64 << 60)), 1, "34359738368 bytes, the limit"),
        (lying("/layers/0/size", json!(-1)), 2, "the manifest is not made as an image's is"),
        (lying("/layers", json!(vec![image.at("/layers/0"); 600])), 2, "more than 512 layers"),
    ];
    for (image, code, expected) in cases {
        let server = Server::start(move |asked| image.answer(asked));
        let run =
            check(&Dir::new(), &server, &["--only", "image-digest-mismatch,unparsable-input"]);
        assert!(words(&run).contains(expected), "{expected}: {run}");
        assert_eq!(run.code, code, "{expected}: {run}");
    }
    let missing = check(&Dir::new(), &but(&image, &image.config(), status(404, &[])), &[]);
    assert!(missing.code == 2 && words(&missing).contains("the blob sha256:"), "{missing}");
    // A registry that states another digest than that of what it sends.
    let headers = [
        ("Content-Type".to_owned(), MANIFEST.to_owned()),
        ("Docker-Content-Digest".to_owned(), digest(b"another")),
    ];
    let stated = Reply::Whole(200, headers.to_vec(), image.manifest.clone());
    let run = check(&Dir::new(), &but(&image, ROOT, stated), &["--only", "image-digest-mismatch"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(words(&run).contains("the manifest is not what"), "{run}");
}

/// The program as one that needs `libx.so.1`.
fn needing_a_library() -> Vec<u8> {
    let mut elf = program();
    let number = |elf: &[u8], at: usize| u64::from_le_bytes(elf[at..at + 8].try_into().unwrap());
    let headers = usize::try_from(number(&elf, 32)).unwrap();
    let count = usize::from(u16::from_le_bytes(elf[56..58].try_into().unwrap()));
    elf.resize(elf.len().next_multiple_of(4096), 0);
    let (offset, address) = (elf.len() as u64, 0x7000_0000_u64);
    // DT_NEEDED, DT_STRTAB, DT_STRSZ, DT_NULL; then the strings.
    for (tag, value) in [(1, 1), (5, address + 64), (10, 11), (0, 0)] {
        elf.extend([u64::to_le_bytes(tag), u64::to_le_bytes(value)].concat());
    }
    elf.extend(b"\0libx.so.1\0");
    let size = elf.len() as u64 - offset;
    // PT_NOTE becomes PT_LOAD, PT_GNU_STACK becomes PT_DYNAMIC.
    for (old, new, size) in [(4_u32, 1_u32, size), (0x6474_e551, 2, 64)] {
        let at = (0..count).map(|index| headers + index * 56);
        let at = at.into_iter().find(|at| elf[*at..at + 4] == old.to_le_bytes()).unwrap();
        elf[at..at + 4].copy_from_slice(&new.to_le_bytes());
        for (field, value) in [(8, offset), (16, address), (24, address), (32, size), (40, size)] {
            elf[at + field..at + field + 8].copy_from_slice(&value.to_le_bytes());
        }
    }
    elf
}

#[test]
fn libraries_that_cannot_be_read_a_second_time_are_no_pass() {
    let image = Image::of(
        json!({"Entrypoint": ["/srv/server"]}),
        &[
            layer(&[File("usr/lib/libx.so.1", 0o755, b"x")]),
            layer(&[File("srv/server", 0o755, &needing_a_library())]),
        ],
    );
    let path = image.layer();
    let mut other = image.blobs[path.rsplit('/').next().unwrap()].clone();
    *other.last_mut().unwrap() ^= 1;
    let same = image.answer(&Asked {
        method: "GET".to_owned(),
        path: path.clone(),
        headers: Vec::new(),
        body: String::new(),
    });
    for (second, passes) in [(same, true), (status(500, &[]), false), (ok("a/b", &other), false)] {
        let (image, path, times) = (image.clone(), path.clone(), AtomicUsize::new(0));
        let server = Server::start(move |asked| {
            match asked.path == path && times.fetch_add(1, Ordering::SeqCst) == 1 {
                true => second.clone(),
                false => image.answer(asked),
            }
        });
        let only = ["--only", "unresolvable-shared-library,unparsable-input", "--format", "json"];
        let run = check(&Dir::new(), &server, &only);
        let report: Value = serde_json::from_str(&run.out).unwrap();
        let not_judged = report["not_judged"].to_string();
        assert_eq!(run.code, if passes { 0 } else { 2 }, "{run}");
        assert_eq!(not_judged.contains("unresolvable-shared-library"), !passes, "{run}");
        assert_eq!(run.out.contains("its libraries cannot be read: layer 1"), !passes, "{run}");
    }
}

#[test]
fn what_was_interrupted_is_told_with_what_is_known() {
    let image = Image::new();
    let path = image.layer();
    let (reached, wait) = mpsc::channel();
    let server = Server::start(move |asked| {
        if asked.path != path {
            return image.answer(asked);
        }
        let _ = reached.send(());
        Reply::Stall(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())
    });
    let sandbox = Dir::new();
    let name = format!("registry:{}/shop/server:1", server.address);
    let mut command = Command::new(env!("CARGO_BIN_EXE_provost"));
    command.args(["check", "--image", &name, "--insecure-registry", &server.address]);
    command.env_clear().env("HOME", sandbox.path()).current_dir(sandbox.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait.recv().unwrap();
    let id = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let run = Run::from(child.wait_with_output().unwrap());
    assert_eq!(run.code, 130, "{run}");
    assert!(run.err.contains("interrupted; the report holds what was known"), "{run}");
}

#[test]
fn usage_is_told() {
    let sandbox = Dir::new();
    let cases = [
        (vec!["--image", "registry:https://ghcr.io/a"], "takes no address"),
        (vec!["--image", "registry:ci:kanarie@ghcr.io/a"], "is no reference to an image"),
        (vec!["--image", "registry:"], "is no reference to an image"),
        (vec!["--insecure-registry", "a:1"], "--image <FORM:PATH>"),
        (vec!["--image", "registry:a/b", "--insecure-registry", "http://a"], "expected HOST"),
    ];
    for (args, expected) in cases {
        let run = sandbox.provost(&[&["check"], &args[..]].concat());
        assert_eq!(run.code, 2, "{run}");
        assert!(run.err.contains(expected), "{run}");
        assert!(!run.to_string().contains("kanarie"), "{run}");
    }
}
