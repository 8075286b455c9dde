//! `provost prove` on an image: its files, its configuration, and nothing left of it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/layout.rs"]
mod layout;
#[path = "support/prove.rs"]
mod proving;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use layout::Item::{Capable, Dir as Folder, File, Hard, Link};
use layout::{gzip, layer, write_dir, write_tar};
use proving::{CONFIG, eventually, findings, fixture, words};
use serde_json::{Value, json};
use support::{Dir, Run};

const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: service, namespace: shop, labels: {app.kubernetes.io/name: service}}
spec:
  terminationGracePeriodSeconds: 5
  SECURITY
  containers:
    - name: service
      image: registry.example/shop/server:1
      COMMAND
      env:
        - {name: PORT, value: "8080"}
        - {name: LAME_DUCK, value: 600ms}
      ports: [{name: http, containerPort: 8080}]
      startupProbe: {httpGet: {path: /livez, port: http}, periodSeconds: 1, failureThreshold: 30}
      readinessProbe: {httpGet: {path: /readyz, port: http}}
      livenessProbe: {httpGet: {path: /livez, port: http}}
"#;

fn pod(security: &str, command: &str) -> String {
    POD.replace("  SECURITY\n", security).replace("      COMMAND\n", command)
}

const PASSWD: &[u8] =
    b"root:x:0:0:root:/root:/sbin/nologin\napp:x:1000:2000:app:/home/app:/sbin/nologin\n";
const GROUP: &[u8] = b"root:x:0:\nweb:x:2000:\nlogs:x:3000:app\n";

/// The layers of an image whose last one hides, replaces and links what is below.
fn layers(service: &[u8]) -> Vec<Vec<u8>> {
    let base = layer(&[
        Folder("etc"),
        File("etc/passwd", 0o644, PASSWD),
        File("etc/group", 0o644, GROUP),
        File("etc/gone", 0o644, b"hidden by a whiteout"),
        File("etc/changed", 0o644, b"as it was"),
        Folder("opt/old"),
        File("opt/old/below", 0o644, b"hidden by an opaque folder"),
        File("usr/bin/service", 0o755, service),
        File("root/key", 0o600, b"of root"),
        Link("bin", "usr/bin"),
        Link("etc/out", "../../../../../../etc/changed"),
        Link("outside", "/var/tmp/provost-test-outside"),
    ]);
    let top = layer(&[
        File("etc/.wh.gone", 0o644, b""),
        File("etc/changed", 0o644, b"as it is"),
        File("opt/old/.wh..wh..opq", 0o644, b""),
        File("opt/old/new", 0o644, b"beside it"),
        Hard("etc/linked", "etc/changed"),
        // Below the folder that the link leads to inside of the image, and nowhere else.
        File("outside/evil", 0o644, b"inside"),
    ]);
    vec![base, top]
}

fn configuration() -> Value {
    json!({
        "User": "app:logs",
        "Env": ["PATH=/usr/bin", "TOKEN=of-the-image-and-secret", "MODE=image", "LAME_DUCK=soon"],
        "Entrypoint": ["service"],
        "WorkingDir": "/srv/work",
    })
}

/// An image of a service of that version of Go, as a folder `image`.
fn sandbox(go: &str, pod: &str) -> Dir {
    let service = fs::read(fixture("service", go)).unwrap();
    let layers = layers(&service);
    let sandbox = Dir::new().file("pod.yaml", pod).file("provost.toml", CONFIG);
    write_dir(&sandbox, "image", &layout::layout("amd64", configuration(), &layers));
    sandbox
}

fn prove(sandbox: &Dir, more: &[&str]) -> Run {
    let own = sandbox.path().join("own");
    fs::create_dir_all(&own).unwrap();
    let mut args = vec!["prove", "--manifest", "pod.yaml", "--write-proof", "proof.json"];
    args.extend(more);
    let run = sandbox.provost_with_env(&args, &[("TMPDIR", own.to_str().unwrap())]);
    // Whatever came of it, the files are gone.
    assert_eq!(fs::read_dir(&own).unwrap().count(), 0, "{run}");
    run
}

/// What the process said of files and of itself, in its first run.
fn shown(sandbox: &Dir, run: &Run) -> Vec<Value> {
    let text = fs::read_to_string(sandbox.path().join("proof.json"));
    let proof: Value = serde_json::from_str(&text.unwrap_or_else(|_| panic!("{run}"))).unwrap();
    let lines = proof["phases"][0]["output"]["lines"].as_array().unwrap();
    lines.iter().filter_map(|line| serde_json::from_str(line["text"].as_str()?).ok()).collect()
}

fn file(shown: &[Value], path: &str) -> String {
    let found = shown.iter().find(|line| line["msg"] == "file" && line["path"] == path);
    found.unwrap_or_else(|| panic!("{path} of {shown:?}"))["content"].as_str().unwrap().to_owned()
}

const SHOW: &str = "SHOW=/etc/gone /etc/changed /etc/linked /etc/out /opt/old/below /opt/old/new \
                    /bin/../../etc/changed /outside/evil /root/key /etc/hosts /sys/kernel/osrelease";
const WRITE: &str = "WRITE=/srv/work/file /tmp/file /etc/file";

#[test]
fn an_image_is_run_from_its_layers_as_its_configuration_and_the_manifest_say() {
    let sandbox = sandbox("1.27", &pod("", ""));
    let run = prove(
        &sandbox,
        &["--image", "oci:image", "--phase", "start", "--env", "FAULT=shows-files"]
            .iter()
            .chain(&["--env", SHOW, "--env", WRITE])
            .copied()
            .collect::<Vec<_>>(),
    );
    let shown = shown(&sandbox, &run);
    for path in ["/etc/changed", "/etc/linked", "/etc/out", "/bin/../../etc/changed"] {
        assert_eq!(file(&shown, path), "as it is", "{path}\n{run}");
    }
    for path in ["/etc/gone", "/opt/old/below"] {
        assert!(file(&shown, path).contains("no such file"), "{path}: {}", file(&shown, path));
    }
    assert_eq!(file(&shown, "/opt/old/new"), "beside it");
    assert_eq!(file(&shown, "/outside/evil"), "inside");
    assert!(file(&shown, "/root/key").contains("permission denied"), "{shown:?}");
    assert!(file(&shown, "/etc/hosts").starts_with("127.0.0.1\tlocalhost"), "{shown:?}");
    assert!(!Path::new("/var/tmp/provost-test-outside").exists());
    // Its own user may not write where the image gives it nothing.
    for path in ["/srv/work/file", "/etc/file"] {
        assert!(file(&shown, path).contains("permission denied"), "{path}: {shown:?}");
    }
    let folder = shown.iter().find(|line| line["msg"] == "folder").unwrap();
    assert_eq!(folder["path"], "/srv/work");
    let process = shown.iter().find(|line| line["msg"] == "process").unwrap();
    // The kubelet hands on the user of USER and not the group behind its colon.
    assert_eq!((&process["uid"], &process["gid"]), (&1000.into(), &2000.into()), "{process}");
    assert!(process["groups"].as_array().unwrap().contains(&3000.into()), "{process}");
    assert_eq!(process["home"], "/home/app");
    assert_eq!(process["args"], json!(["service"]));
    assert_eq!(process["token"], true);
    // A value of the image is a secret like any other.
    let proof = sandbox.read("proof.json");
    assert!(!proof.contains("of-the-image") && !run.out.contains("of-the-image"), "{run}");
    let program = serde_json::from_str::<Value>(&proof).unwrap()["program"]["path"].clone();
    assert_eq!(program, "image:/usr/bin/service");
}

#[test]
fn what_the_manifest_says_outranks_the_image() {
    let security = "  securityContext: {runAsUser: 4321, supplementalGroups: [77]}\n";
    let command = "      command: [/bin/service, $(PORT)]\n      args: [\"-x\", $(PATH)]\n      \
                   workingDir: /opt\n      securityContext: {readOnlyRootFilesystem: true}\n";
    let sandbox = sandbox("1.27", &pod(security, command));
    let more = ["--image", "image", "--phase", "start", "--env", "FAULT=shows-files"];
    let more = more.iter().chain(&["--env", WRITE]).copied().collect::<Vec<_>>();
    let run = prove(&sandbox, &more);
    let shown = shown(&sandbox, &run);
    let process = shown.iter().find(|line| line["msg"] == "process").unwrap();
    // Nobody in its passwd file has that number: its group is 0.
    assert_eq!((&process["uid"], &process["gid"]), (&4321.into(), &0.into()), "{process}");
    assert_eq!(process["groups"].as_array().unwrap(), &[Value::from(77)], "{process}");
    assert_eq!(process["home"], "/", "{process}");
    // What only the image sets is not there for the kubelet.
    assert_eq!(process["args"], json!(["/bin/service", "8080", "-x", "$(PATH)"]));
    assert_eq!(shown.iter().find(|line| line["msg"] == "folder").unwrap()["path"], "/opt");
    for path in ["/tmp/file", "/etc/file"] {
        assert!(!file(&shown, path).contains("written"), "{path}: {shown:?}");
    }
}

#[test]
fn a_right_service_is_clean_from_its_image_and_needs_no_files_of_this_machine() {
    for go in ["1.22", "1.27"] {
        let sandbox = sandbox(go, &pod("", ""));
        let run = prove(&sandbox, &["--image", "oci:image", "--format", "json"]);
        assert_eq!(findings(&run), BTreeSet::new(), "{run}");
        assert!(!run.err.contains("a root that can be written to"), "{run}");
    }
}

#[test]
fn archives_of_both_forms_are_run() {
    let service = fs::read(fixture("service", "1.27")).unwrap();
    let image = layout::layout("amd64", configuration(), &layers(&service)[..1]);
    let sandbox = Dir::new().file("pod.yaml", pod("", "")).file("provost.toml", CONFIG);
    write_tar(&sandbox.path().join("oci.tar"), &image);
    let base =
        layer(&[File("etc/passwd", 0o644, PASSWD), File("usr/bin/service", 0o755, &service)]);
    let config = json!({
        "os": "linux", "architecture": "amd64", "config": configuration(),
        "rootfs": {"type": "layers", "diff_ids": [layout::digest(&base)]},
    });
    let saved =
        json!([{"Config": "config.json", "RepoTags": ["shop/server:1"], "Layers": ["l.tar"]}]);
    let files = [
        ("manifest.json", saved.to_string().into_bytes()),
        ("config.json", config.to_string().into_bytes()),
        ("l.tar", base),
    ];
    let files = files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
    write_tar(&sandbox.path().join("saved.tar"), &files);
    let packed = gzip(&fs::read(sandbox.path().join("saved.tar")).unwrap());
    fs::write(sandbox.path().join("saved.tar.gz"), packed).unwrap();
    for image in ["oci:oci.tar", "docker-archive:saved.tar", "saved.tar.gz"] {
        let more = ["--image", image, "--phase", "start", "--format", "json"];
        let run = prove(&sandbox, &more);
        assert_eq!(findings(&run), BTreeSet::new(), "{image}: {run}");
        assert_eq!(run.code, 0, "{image}: {run}");
    }
}

#[test]
fn a_program_that_its_user_may_not_run_as_needs_root() {
    let sandbox = sandbox("1.27", &pod("", ""));
    let more = ["--image", "oci:image", "--phase", "start", "--env", "FAULT=needs-root"];
    let run = prove(&sandbox, &more);
    assert_eq!(run.code, 1, "{run}");
    let said = words(&run.out);
    assert!(said.contains("as user 1000 and group 2000, and comes up as root"), "{run}");
    assert!(said.contains("error[needs-root-user]") && !said.contains("never-listens"), "{run}");
    // As root it is what the manifest asks for.
    let sandbox = self::sandbox("1.27", &pod("  securityContext: {runAsUser: 0}\n", ""));
    let run = prove(&sandbox, &more);
    assert_eq!(run.code, 0, "{run}");
}

#[test]
fn file_capabilities_are_not_given_and_that_is_said() {
    let service = fs::read(fixture("service", "1.27")).unwrap();
    // What `setcap cap_net_bind_service=+ep` writes.
    let bind = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let said = |security: &str| {
        let security = format!("      securityContext: {{{security}}}\n");
        let sandbox = Dir::new().file("pod.yaml", pod("", &security)).file("provost.toml", CONFIG);
        let passwd = [File("etc/passwd", 0o644, PASSWD), File("etc/group", 0o644, GROUP)];
        let layers = [layer(&passwd), layer(&[Capable("usr/bin/service", &bind, &service)])];
        write_dir(&sandbox, "image", &layout::layout("amd64", configuration(), &layers));
        let run = prove(&sandbox, &["--image", "oci:image", "--phase", "start"]);
        words(&run.err)
    };
    let what = "without file capabilities of /usr/bin/service, NET_BIND_SERVICE";
    let plain = said("");
    assert!(plain.contains(&format!("{what} (a program is given no rights here)")), "{plain}");
    // The container would not start.
    let dropped = said("allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}");
    assert!(dropped.contains(&format!("{what} (its container may not have NET_BIND")), "{dropped}");
    // There they give nothing, either.
    let without = said("allowPrivilegeEscalation: false");
    assert!(!without.contains("file capabilities"), "{without}");
    let added =
        "allowPrivilegeEscalation: false, capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}";
    assert!(!said(added).contains("file capabilities"));
}

#[test]
fn an_image_that_cannot_be_run_is_told_with_its_reason() {
    let service = fs::read(fixture("service", "1.27")).unwrap();
    let of = |arch: &str, config: Value, layers: &[Vec<u8>]| {
        let sandbox = Dir::new().file("pod.yaml", pod("", "")).file("provost.toml", CONFIG);
        write_dir(&sandbox, "image", &layout::layout(arch, config, layers));
        let run = prove(&sandbox, &["--image", "oci:image", "--phase", "start"]);
        assert_eq!(run.code, 2, "{run}");
        words(&run.err)
    };
    let one = [layer(&[File("usr/bin/service", 0o755, &service)])];
    let err = of("s390x", configuration(), &one);
    assert!(err.contains("has no image for linux/amd64; it has linux/s390x"), "{err}");
    // Its user is in no passwd file.
    let err = of("amd64", configuration(), &one);
    assert!(err.contains("USER is \"app:logs\""), "{err}");
    let err = of("amd64", json!({"Entrypoint": ["absent"]}), &one);
    assert!(err.contains("it has no program absent"), "{err}");
    let err = of("amd64", json!({}), &one);
    assert!(err.contains("neither ENTRYPOINT nor CMD"), "{err}");
    // A layer that is not what was announced.
    let sandbox = Dir::new().file("pod.yaml", pod("", ""));
    let mut image = layout::layout("amd64", json!({"Entrypoint": ["/usr/bin/service"]}), &one);
    let largest = image.iter_mut().max_by_key(|(_, bytes)| bytes.len()).unwrap().1;
    *largest = gzip(&layer(&[File("usr/bin/service", 0o755, &service), Folder("more")]));
    write_dir(&sandbox, "image", &image);
    let run = prove(&sandbox, &["--image", "oci:image", "--phase", "start"]);
    assert!(run.code == 2 && run.err.contains("is not what its digest says"), "{run}");
}

#[test]
fn where_no_namespaces_are_to_be_had_an_image_is_refused() {
    let sandbox = sandbox("1.27", &pod("", ""));
    let script = "echo 0 > /proc/sys/user/max_mnt_namespaces && exec \"$0\" prove --image oci:image \
                  --manifest pod.yaml --phase start";
    let own = sandbox.path().join("own");
    fs::create_dir(&own).unwrap();
    let run = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", script, env!("CARGO_BIN_EXE_provost")])
        .current_dir(sandbox.path())
        .env("TMPDIR", &own)
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&run.stderr);
    assert!(err.contains("in a mount namespace of its own only"), "{err}");
    assert_eq!(run.status.code(), Some(2), "{err}");
    assert_eq!(fs::read_dir(&own).unwrap().count(), 0, "{err}");
}

#[test]
fn somebody_without_rights_runs_an_image_as_himself() {
    let sandbox = sandbox("1.27", &pod("", ""));
    let own = sandbox.path().join("own");
    fs::create_dir(&own).unwrap();
    let run = Command::new("unshare")
        .args(["--user", "--map-root-user", env!("CARGO_BIN_EXE_provost"), "prove"])
        .args(["--image", "oci:image", "--manifest", "pod.yaml", "--phase", "start"])
        .args(["--env", "FAULT=shows-files", "--env", SHOW, "--write-proof", "proof.json"])
        .current_dir(sandbox.path())
        .env("TMPDIR", &own)
        .output()
        .unwrap();
    let run = Run::from(run);
    let shown = shown(&sandbox, &run);
    assert_eq!(file(&shown, "/etc/changed"), "as it is", "{run}");
    assert!(run.err.contains("without owners of the image's files"), "{run}");
    assert!(run.err.contains("without user 1000 and group 2000"), "{run}");
    assert_eq!(fs::read_dir(&own).unwrap().count(), 0, "{run}");
}

#[test]
fn no_file_of_an_image_is_left_behind() {
    for (signal, code) in [("-KILL", None), ("-INT", Some(130)), ("-TERM", Some(143))] {
        let sandbox = sandbox("1.27", &pod("", ""));
        let own = sandbox.path().join("own");
        fs::create_dir(&own).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_provost"))
            .args(["prove", "--image", "oci:image", "--manifest", "pod.yaml"])
            .args(["--env", "FAULT=ignores-signal"])
            .current_dir(sandbox.path())
            .env("TMPDIR", &own)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let count = || fs::read_dir(&own).unwrap().count();
        let unpacked = || {
            let below = fs::read_dir(&own).unwrap().flatten().next();
            below.is_some_and(|tree| tree.path().join("root/usr/bin/service").exists())
        };
        assert!(eventually(unpacked), "{signal}");
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), code, "{signal}");
        assert!(eventually(|| count() == 0), "{signal}");
    }
}
