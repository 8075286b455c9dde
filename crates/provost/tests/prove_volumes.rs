//! `provost prove` with the volumes of a manifest.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/prove.rs"]
mod proving;
mod support;

use std::fs;
use std::os::unix::fs::symlink;

use proving::fixture;
use serde_json::Value;
use support::Dir;

const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: service, namespace: shop, labels: {app: service, tier: web}}
spec:
  securityContext: {fsGroup: 2000, runAsUser: 1234}
  containers:
    - name: service
      image: registry.example/shop/service:1
      workingDir: /srv/service
      env:
        - {name: PORT, value: "8080"}
        - {name: LAME_DUCK, value: 600ms}
        - {name: TOKEN, valueFrom: {secretKeyRef: {name: service, key: token}}}
      ports: [{name: http, containerPort: 8080}]
      volumeMounts:
        - {name: config, mountPath: /etc/service}
        - {name: config, mountPath: /etc/only.yaml, subPath: app.yaml}
        - {name: secret, mountPath: /run/secrets/service}
        - {name: all, mountPath: /podinfo}
        - {name: scratch, mountPath: /data}
        - {name: scratch, mountPath: /cache/deep, subPath: part}
        - {name: gone, mountPath: /gone}
        - {name: node, mountPath: /node}
  volumes:
    - name: config
      configMap: {name: service, items: [{key: app.yaml, path: app.yaml}, {key: app.yaml, path: sub/again.yaml}]}
    - name: secret
      secret: {secretName: service, defaultMode: 0400}
    - name: all
      projected:
        sources:
          - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
          - serviceAccountToken: {path: token}
    - {name: scratch, emptyDir: {}}
    - {name: gone, configMap: {name: elsewhere}}
    - {name: node, hostPath: {path: /var/log}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: service, namespace: shop}
data: {app.yaml: "level: debug", other.yaml: "not asked for"}
---
apiVersion: v1
kind: Secret
metadata: {name: service, namespace: shop}
stringData: {token: real-and-secret}
"#;

/// What the process said of its files and of its folder.
fn shown(proof: &str) -> Vec<(String, String)> {
    let proof: Value = serde_json::from_str(proof).unwrap();
    let lines = proof["phases"][0]["output"]["lines"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line["text"].as_str()?).ok())
        .filter(|line| line["msg"] == "file" || line["msg"] == "folder")
        .map(|line| (text(&line["path"]), text(&line["content"])))
        .collect()
}

#[test]
fn volumes_hold_what_the_manifests_say() {
    let sandbox = Dir::new();
    symlink(fixture("service", "1.27"), sandbox.path().join("service")).unwrap();
    fs::write(sandbox.path().join("pod.yaml"), POD).unwrap();
    let show = "SHOW=/etc/service/app.yaml /etc/service/sub/again.yaml /etc/service/other.yaml \
                /etc/only.yaml /run/secrets/service/token /podinfo/labels /podinfo/token \
                /etc/hostname /gone/file /proc/1/comm";
    let write = "WRITE=/data/file /cache/deep/file /etc/service/file /etc/file /file /tmp/file \
                 /sys/kernel/mm/ksm/run";
    let run = sandbox.provost(&[
        "prove",
        "--binary",
        "service",
        "--manifest",
        "pod.yaml",
        "--phase",
        "start",
        "--env",
        "FAULT=shows-files",
        "--env",
        show,
        "--env",
        write,
        "--write-proof",
        "proof.json",
    ]);
    let proof = fs::read_to_string(sandbox.path().join("proof.json")).unwrap();
    let shown = shown(&proof);
    let of = |path: &str| {
        let found = shown.iter().find(|(of, _)| of == path);
        found.unwrap_or_else(|| panic!("{path} of {shown:?}\n{run}")).1.clone()
    };
    for path in ["/etc/service/app.yaml", "/etc/service/sub/again.yaml", "/etc/only.yaml"] {
        assert_eq!(of(path), "level: debug", "{path}\n{run}");
    }
    assert!(of("/etc/service/other.yaml").contains("no such file"), "{shown:?}");
    assert_eq!(of("/podinfo/labels"), "app=\"service\"\ntier=\"web\"");
    // What was made up is shown nowhere; it was there, and its group could read it.
    assert!(!proof.contains("real-and-secret") && !proof.contains("canary-"), "{proof}");
    for path in ["/run/secrets/service/token", "/podinfo/token"] {
        assert!(!of(path).is_empty() && !of(path).contains("denied"), "{}", of(path));
    }
    for path in ["/data/file", "/cache/deep/file", "/tmp/file"] {
        assert_eq!(of(path), "written", "{path}\n{run}");
    }
    assert!(of("/etc/service/file").contains("read-only file system"), "{shown:?}");
    // Its root can be written to, by those to whom it belongs.
    for path in ["/etc/file", "/file"] {
        assert!(of(path).contains("permission denied"), "{path}: {}", of(path));
    }
    // Without a group of its own it has 0, beside that of its volumes.
    let user = proof.split("\"uid\\\":").nth(1).unwrap_or_default();
    assert!(user.starts_with("1234,\\\"gid\\\":0,\\\"groups\\\":[2000]"), "{user}");
    assert!(!of("/sys/kernel/mm/ksm/run").contains("written"), "{shown:?}");
    // What else the machine has is there.
    assert!(!of("/etc/hostname").contains("no such file"), "{shown:?}");
    assert_eq!(of("/srv/service"), "");
    let err = run.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(err.contains("without the volume at /gone (ConfigMap elsewhere is not among"), "{run}");
    assert!(err.contains("without the volume at /node (/var/log of a node is not here)"), "{run}");
    // Nothing is left of it.
    for path in ["/podinfo", "/cache/deep", "/srv/service", "/etc/only.yaml"] {
        assert!(!std::path::Path::new(path).exists(), "{path}");
    }
}

#[test]
fn a_folder_below_tmp_is_the_one_that_was_named() {
    let sandbox = Dir::new();
    symlink(fixture("service", "1.27"), sandbox.path().join("service")).unwrap();
    fs::write(sandbox.path().join("settings"), "found").unwrap();
    let folder = sandbox.path().canonicalize().unwrap();
    assert!(folder.starts_with("/tmp"), "{}", folder.display());
    // Others may look into it, and not write.
    std::process::Command::new("chmod").args(["755", "."]).current_dir(&folder).status().unwrap();
    let run = sandbox.provost(&[
        "prove",
        "--binary",
        "service",
        "--phase",
        "start",
        "--directory",
        ".",
        "--env",
        "FAULT=shows-files",
        "--env",
        "SHOW=settings",
        "--env",
        "WRITE=settings",
        "--env",
        "PORT=8080",
        "--env",
        "TOKEN=x",
        "--env",
        "LAME_DUCK=1s",
        "--write-proof",
        "proof.json",
    ]);
    let proof = fs::read_to_string(sandbox.path().join("proof.json")).unwrap();
    let shown = shown(&proof);
    assert_eq!(shown[0], ("settings".to_owned(), "found".to_owned()), "{run}");
    assert!(shown[1].1.contains("read-only file system"), "{shown:?}");
    assert_eq!(fs::read_to_string(folder.join("settings")).unwrap(), "found");
}
