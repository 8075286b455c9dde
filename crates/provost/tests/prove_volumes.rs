//! `provost prove` with the volumes of a manifest.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/prove.rs"]
mod proving;
mod support;

use std::fs;
use std::os::unix::fs::symlink;

use proving::{fixture, proof, words};
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
    let sandbox = proving::sandbox("service", &fixture("service", "1.27"), POD);
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
    let proof = sandbox.read("proof.json");
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
    let err = words(&run.err);
    assert!(err.contains("without the volume at /gone (ConfigMap elsewhere is not among"), "{run}");
    assert!(err.contains("without the volume at /node (/var/log of a node is not here)"), "{run}");
    // Nothing is left of it.
    for path in ["/podinfo", "/cache/deep", "/srv/service", "/etc/only.yaml"] {
        assert!(!std::path::Path::new(path).exists(), "{path}");
    }
}

/// A service by TLS whose certificate, key, authority and settings are files of Secrets.
const BY_FILES: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: service, namespace: shop, labels: {app.kubernetes.io/name: service, b: x, a-b: y}}
spec:
  terminationGracePeriodSeconds: 5
  securityContext: {fsGroup: 2000}
  containers:
    - name: service
      image: registry.example/shop/service:1
      args: [MODE]
      resources: {limits: {cpu: 1500m}}
      env:
        - {name: PORT, value: "8443"}
        - {name: LAME_DUCK, value: 600ms}
        - {name: TOKEN, valueFrom: {secretKeyRef: {name: service, key: token}}}
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        - {name: CPUS, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
        - {name: ME, value: "$(POD_NAME).$(TOKEN)@$(NOT_THERE)"}
      ports: [{name: https, containerPort: 8443}]
      readinessProbe: {httpGet: {path: /readyz, port: https, scheme: HTTPS}}
      volumeMounts:
        - {name: tls, mountPath: /etc/tls}
        - {name: settings, mountPath: /etc/settings}
        - {name: info, mountPath: /info}
        - {name: data, mountPath: /files}
  volumes:
    - name: tls
      secret:
        secretName: service-tls
        items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key, mode: 0440}, {key: ca.crt, path: ca.crt}]
    - {name: settings, secret: {secretName: settings, items: [{key: settings.json, path: settings.json}]}}
    - name: info
      downwardAPI:
        items:
          - {path: labels, fieldRef: {fieldPath: metadata.labels}}
          - {path: cpu, mode: 0400, resourceFieldRef: {containerName: service, resource: limits.cpu, divisor: 1m}}
    - {name: data, configMap: {name: data, defaultMode: 0440}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: data, namespace: shop}
data: {a.txt: "text"}
binaryData: {b.bin: "/wABgA=="}
"#;

/// Measures it by that mode, and what it said of its files: content, bytes and mode by path.
fn by_files(mode: &str, more: &[&str]) -> (support::Run, Value) {
    let sandbox =
        proving::sandbox("service", &fixture("service", "1.27"), &BY_FILES.replace("MODE", mode));
    let mut args = vec!["prove", "--binary", "service", "--manifest", "pod.yaml", "--path", "/"];
    args.extend(["--phase", "start", "--write-proof", "proof.json", "--ready-within", "5"]);
    args.extend(more);
    let run = sandbox.provost(&args);
    (run, proof(&sandbox))
}

#[test]
fn a_server_starts_with_the_certificate_and_the_settings_that_stand_in_its_secrets() {
    let (run, proof) = by_files("tls-files", &[]);
    assert_eq!(run.code, 0, "{run}");
    assert!(proof["phases"][0]["ready_us"].is_u64(), "{run}");
    assert_eq!(proof["phases"][0]["spoken"][0]["protocol"], "h2", "{run}");
    let said = words(&run.err);
    assert!(said.contains("tls.crt is a certificate that signs itself"), "{run}");
}

#[test]
fn binary_data_modes_and_fields_are_as_the_kubelet_writes_them() {
    let show = "SHOW=/info/labels /info/cpu /files/a.txt /files/b.bin /etc/tls/tls.key";
    let more = ["--env", "FAULT=shows-files", "--env", show, "--env"];
    let more = [&more[..], &["VARIABLES=POD_NAME POD_IP CPUS ME"]].concat();
    let (run, proof) = by_files("tls-files", &more);
    let lines = proof["phases"][0]["output"]["lines"].as_array().unwrap();
    let lines: Vec<Value> =
        lines.iter().filter_map(|line| serde_json::from_str(line["text"].as_str()?).ok()).collect();
    let of = |path: &str, what: &str| {
        let line = lines.iter().find(|line| line["path"] == path);
        line.unwrap_or_else(|| panic!("{path}\n{run}"))[what].as_str().unwrap().to_owned()
    };
    assert_eq!(of("/files/b.bin", "hex"), "ff000180");
    assert_eq!(of("/files/a.txt", "content"), "text");
    let labels = "a-b=\"y\"\napp.kubernetes.io/name=\"service\"\nb=\"x\"";
    assert_eq!(of("/info/labels", "content"), labels);
    assert_eq!(of("/info/cpu", "content"), "1500");
    let modes = ["/files/a.txt", "/info/labels", "/info/cpu", "/etc/tls/tls.key"];
    // A group of its own may read what is read-only (`SetVolumeOwnership`).
    let expected = ["0440", "0644", "0440", "0440"];
    assert_eq!(modes.map(|path| of(path, "mode")), expected, "{run}");
    let variables = ["$POD_NAME", "$POD_IP", "$CPUS"].map(|name| of(name, "content"));
    assert_eq!(variables, ["service", "10.255.0.2", "2"], "{run}");
    // The secret in the middle was there, and is left out here.
    assert_eq!(of("$ME", "content"), "service.***@$(NOT_THERE)", "{run}");
    assert!(
        !proof.to_string().contains("canary-") && !of("/etc/tls/tls.key", "content").contains("MI"),
        "{run}"
    );
}

#[test]
fn a_server_that_wants_to_know_who_asks_is_shown_a_certificate_and_probes_have_none() {
    // The authority that it trusts was made up with its own certificate.
    let (run, proof) = by_files("mutual-tls", &[]);
    let said = words(&run.out);
    assert!(said.contains("the server wants a certificate of whoever asks"), "{run}");
    assert!(proof["phases"][0]["ready_us"].is_null(), "{run}");
    // Without probes there is nobody to fail.
    let pod = BY_FILES.replace("MODE", "mutual-tls");
    let pod: String = pod
        .lines()
        .filter(|line| !line.contains("readinessProbe"))
        .fold(String::new(), |text, line| text + line + "\n");
    let sandbox = proving::sandbox("service", &fixture("service", "1.27"), &pod);
    let args = ["prove", "--binary", "service", "--manifest", "pod.yaml", "--path", "/"];
    let more = ["--phase", "start", "--phase", "drain", "--ready-within", "5"];
    let run = sandbox.provost(&[&args[..], &more].concat());
    assert_eq!(run.code, 0, "{run}");
    assert!(run.err.contains("to whoever shows the certificate that was made up"), "{run}");
    // A certificate that the server does not know, and one that is none.
    let other = proving::sandbox("service", &fixture("service", "1.27"), &pod)
        .file("cert.pem", "no certificate")
        .file("key.pem", "no key");
    let client = ["--client-cert", "cert.pem", "--client-key", "key.pem"];
    let run = other.provost(&[&args[..], &more, &client].concat());
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("--client-cert"), "{run}");
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
    let proof = sandbox.read("proof.json");
    let shown = shown(&proof);
    assert_eq!(shown[0], ("settings".to_owned(), "found".to_owned()), "{run}");
    assert!(shown[1].1.contains("read-only file system"), "{shown:?}");
    assert_eq!(fs::read_to_string(folder.join("settings")).unwrap(), "found");
}
