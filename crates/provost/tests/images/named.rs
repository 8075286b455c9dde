//! Images that are judged by themselves: how they start, their platforms, what lies in them, what is
//! wrong with them.

use super::*;

/// The rules that found something, by level, of what was named and nothing else.
fn found(sandbox: &Dir, args: &[&str]) -> (i32, Vec<String>) {
    let run = sandbox.provost(&[&["check", "--format", "json"], args].concat());
    let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{run}"));
    let findings = report["findings"].as_array().unwrap().iter();
    let of = findings
        .map(|f| format!("{} {}", f["level"].as_str().unwrap(), f["rule"].as_str().unwrap()));
    (run.code, of.collect())
}

#[test]
fn an_image_alone_that_cannot_start_is_no_pass() {
    let program = program();
    let srv = |mode| layer(&[File("etc/passwd", 0o644, PASSWD), File("srv", mode, &program)]);
    for (run, mode, expected) in [
        (json!({"Entrypoint": ["/nope"], "User": "1"}), 0o755, "error missing-entrypoint-file"),
        (json!({"Entrypoint": ["/srv"], "User": "app"}), 0o600, "error non-executable-entrypoint"),
        (json!({"Entrypoint": ["/srv"]}), 0o755, "note root-by-default"),
        (
            json!({"Entrypoint": ["/srv"], "StopSignal": "SIGKILL"}),
            0o755,
            "error unhandled-stop-signal",
        ),
        (
            json!({"Entrypoint": ["/srv"], "Healthcheck": {"Test": ["CMD-SHELL", "curl -f http://localhost/"]}}),
            0o755,
            "warning unrunnable-healthcheck",
        ),
    ] {
        let sandbox = Dir::new();
        write_dir(&sandbox, "shop", &layout("amd64", run.clone(), &[srv(mode)]));
        let (code, rules) = found(&sandbox, &["--image", "oci:shop"]);
        assert!(rules.iter().any(|rule| rule == expected), "{run} {rules:?}");
        assert_eq!(code, i32::from(expected.starts_with("error")), "{run} {rules:?}");
    }
    let sandbox = Dir::new();
    let sound = json!({"Entrypoint": ["/srv"], "User": "1000"});
    write_dir(&sandbox, "shop", &layout("amd64", sound, &[srv(0o755)]));
    let quiet = "missing-entrypoint-file,non-executable-entrypoint,root-by-default,unhandled-stop-signal,\
                 unrunnable-healthcheck,shell-form-entrypoint,architecture-mismatch";
    assert_eq!(found(&sandbox, &["--image", "oci:shop", "--only", quiet]), (0, vec![]));
}

#[test]
fn a_program_behind_a_shell_is_read_and_the_shell_is_told() {
    let sandbox = Dir::new();
    let elf = b"\x7fELF no program of Go";
    let layers = [layer(&[
        File("srv", 0o755, &program()),
        File("bin/dash", 0o755, elf),
        File("bin/mkdir", 0o755, elf),
        Link("bin/sh", "dash"),
    ])];
    let run = json!({
        "User": "1000", "Env": ["PATH=/bin"],
        "Entrypoint": ["/bin/sh", "-c", "mkdir -p /data && /srv --x; true"],
    });
    write_dir(&sandbox, "shop", &layout("amd64", run, &layers));
    let run = sandbox.provost(&["check", "--image", "oci:shop", "--format", "json"]);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["summary"]["binaries"], 1, "{run}");
    assert!(ids(&run.out).contains(&"shell-form-entrypoint".to_owned()), "{run}");
}

/// An index over the manifests of several layouts.
fn index(of: &[(&str, BTreeMap<String, Vec<u8>>)]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut manifests = Vec::new();
    for (architecture, layout) in of {
        let index: Value = serde_json::from_slice(&layout["index.json"]).unwrap();
        let mut manifest = index["manifests"][0].clone();
        manifest["platform"] = json!({"os": "linux", "architecture": architecture});
        manifests.push(manifest);
        files.extend(layout.clone());
    }
    let attestation = json!({
        "digest": digest(b"none"), "size": 4, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "platform": {"os": "unknown", "architecture": "unknown"},
    });
    manifests.push(attestation);
    let index = json!({"schemaVersion": 2, "manifests": manifests});
    files.insert("index.json".to_owned(), index.to_string().into_bytes());
    files
}

#[test]
fn each_platform_of_an_index_is_judged_and_what_is_the_same_is_told_once() {
    let sandbox = Dir::new();
    let layers = [layer(&[File("srv", 0o755, &program())])];
    let of = |arch| layout(arch, json!({"Entrypoint": ["/srv"]}), &layers);
    write_dir(&sandbox, "shop", &index(&[("amd64", of("amd64")), ("arm64", of("arm64"))]));
    let only = ["--only", "architecture-mismatch,root-by-default,untraceable-build"];
    let check = |more: &[&str]| {
        sandbox.provost(&[&["check", "--image", "oci:shop"], &only[..], more].concat())
    };
    let each = check(&[]);
    assert_eq!(each.code, 1, "{each}");
    let said = each.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("amd64 program on an arm64 image"), "{each}");
    assert!(
        said.contains("shop (linux/arm64)") && said.contains("of the image for linux/arm64"),
        "{each}"
    );
    assert_eq!(said.matches("note[root-by-default]").count(), 1, "{each}");
    assert_eq!(said.matches("note[untraceable-build]").count(), 1, "{each}");
    assert!(said.contains("in 2 images and 2 binaries"), "{each}");
    assert!(!said.contains("is not judged"), "{each}");
    let one = check(&["--platform", "linux/amd64"]);
    assert!(one.code == 0 && one.out.contains("its image for linux/arm64 is not judged"), "{one}");
    // `docker save` lists what it does not hold.
    let arm = of("arm64");
    let index: Value = serde_json::from_slice(&arm["index.json"]).unwrap();
    let blob = index["manifests"][0]["digest"].as_str().unwrap().replace(':', "/");
    fs::remove_file(sandbox.path().join("shop/blobs").join(blob)).unwrap();
    let half = check(&[]);
    assert_eq!(half.code, 0, "{half}");
    assert!(half.out.contains("its image for linux/arm64 is named and not there"), "{half}");
}

#[test]
fn tokens_and_keys_are_told_by_shape_and_never_shown() {
    let token = format!("{}{}", "ghp_", "a1B2c3D4e".repeat(4));
    let key = format!("{}{}", "AKIA", "IOSFODNN7EXAMPLF");
    let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj".repeat(2);
    let account = format!(
        "{{\"type\":\"service_account\",\"private_key\":\"-----BEGIN {0}-----\\n{body}\\n-----END {0}-----\\n\"}}",
        "PRIVATE KEY"
    );
    let sandbox = Dir::new();
    let layers = [layer(&[
        File("app/tok.txt", 0o644, token.as_bytes()),
        File("app/config.env", 0o644, format!("AWS_ACCESS_KEY_ID={key}\n").as_bytes()),
        File("gcp.json", 0o644, account.as_bytes()),
        File("usr/lib/python3/test/tok.txt", 0o644, token.as_bytes()),
        File("app/README.md", 0o644, token.as_bytes()),
        File("app/doc.txt", 0o644, format!("{}{}", "AKIA", "IOSFODNN7EXAMPLE").as_bytes()),
    ])];
    let run = json!({"Labels": {"token": token}});
    write_dir(&sandbox, "shop", &layout("amd64", run, &layers));
    for format in ["text", "json", "sarif", "html", "markdown", "junit", "gitlab", "github"] {
        let run = sandbox.provost(&["check", "--image", "oci:shop", "--format", format]);
        assert_eq!(run.code, 1, "{run}");
        let all = format!("{}{}", run.out, run.err);
        assert!(![&token, &key, &body].iter().any(|secret| all.contains(secret.as_str())), "{run}");
    }
    let only = "secret-file-in-image,secret-in-build";
    let run = sandbox.provost(&["check", "--image", "oci:shop", "--only", only]);
    let said = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "/app/tok.txt holds a GitHub token",
        "/app/config.env holds an AWS access key",
        "/gcp.json holds a private key",
        "the label token of the image holds a GitHub token",
    ] {
        assert!(said.contains(expected), "{expected}: {run}");
    }
    assert!(run.out.contains("4 errors"), "{run}");
}

#[test]
fn wrong_media_types_and_sizes_are_found_and_missing_layers_are_no_findings_alone() {
    type Change = fn(&mut Value, &mut BTreeMap<String, Vec<u8>>);
    let bytes = layer(&[File("srv", 0o755, &program())]);
    let blob = format!("blobs/{}", digest(&gzip(&bytes)).replace(':', "/"));
    let cases: [(&str, Change, i32); 4] = [
        ("its media type is that of no layer", |l, _| l["mediaType"] = json!("text/html"), 2),
        ("layer 1 has another size than its descriptor says", |l, _| l["size"] = json!(5), 1),
        ("layer 1: No such file", |_, files| files.retain(|name, _| name != "BLOB"), 2),
        (
            "layer 1: ends in the middle",
            |l, files| {
                let blob = digest(b"hello");
                files.insert(format!("blobs/{}", blob.replace(':', "/")), b"hello".to_vec());
                (l["digest"], l["size"]) = (json!(blob), json!(5));
            },
            2,
        ),
    ];
    for (said, change, code) in cases {
        let sandbox = Dir::new();
        let mut files = layout(
            "amd64",
            json!({"Entrypoint": ["/srv"], "User": "1"}),
            std::slice::from_ref(&bytes),
        );
        let taken = files.remove(&blob).unwrap();
        files.insert("BLOB".to_owned(), taken);
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let manifest = index["manifests"][0]["digest"].as_str().unwrap().replace(':', "/");
        let mut document: Value =
            serde_json::from_slice(&files.remove(&format!("blobs/{manifest}")).unwrap()).unwrap();
        change(&mut document["layers"][0], &mut files);
        if let Some(bytes) = files.remove("BLOB") {
            files.insert(blob.clone(), bytes);
        }
        let document = document.to_string().into_bytes();
        let mut index = index;
        index["manifests"][0]["digest"] = json!(digest(&document));
        index["manifests"][0]["size"] = json!(document.len());
        files.insert(format!("blobs/{}", digest(&document).replace(':', "/")), document);
        files.insert("index.json".to_owned(), index.to_string().into_bytes());
        write_dir(&sandbox, "shop", &files);
        let run = sandbox.provost(&["check", "--image", "oci:shop", "--verbose"]);
        let text = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(run.code == code && text.contains(said), "{said}: {run}");
        // There was no limit to be raised.
        assert!(
            !text.contains("raise the limit")
                && (code == 1 || said.contains("media type") || text.contains("unreadable")),
            "{run}"
        );
    }
}

/// `docker load` takes both.
#[test]
fn archives_that_are_compressed_as_a_whole_are_read() {
    let sandbox = Dir::new();
    let run = json!({"Entrypoint": ["/entry"]});
    let shop = |name: &str| sandbox.path().join(name);
    write_tar(&shop("saved.tar"), &saved(&run, &layers()));
    write_tar(&shop("oci.tar"), &layout("amd64", run, &layers()));
    let plain = |name: &str, form: &str| {
        let image = format!("{form}:{name}");
        let run = sandbox.provost(&["check", "--image", &image, "--format", "json"]);
        let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{run}"));
        (run.code, ids(&run.out), report["summary"].clone())
    };
    for (name, form) in [("saved.tar", "docker-archive"), ("oci.tar", "oci")] {
        let bytes = fs::read(shop(name)).unwrap();
        fs::write(shop(&format!("{name}.gz")), gzip(&bytes)).unwrap();
        let expected = plain(name, form);
        assert_eq!(expected.2["binaries"], 1, "{expected:?}");
        assert_eq!(plain(&format!("{name}.gz"), form), expected);
    }
    // A bomb ends at the ratio, and what is no archive is told.
    let bomb = gzip(&vec![0; 100 << 20]);
    fs::write(shop("bomb.tar.gz"), &bomb[..]).unwrap();
    fs::write(shop("text.gz"), gzip(b"hello")).unwrap();
    for name in ["bomb.tar.gz", "text.gz"] {
        let run = sandbox.provost(&["check", "--image", &format!("docker-archive:{name}")]);
        assert_eq!(run.code, 2, "{run}");
    }
}

#[test]
fn what_is_named_without_a_path_is_judged_alone() {
    let sandbox = Dir::new().file("deploy.yaml", deployment("", ""));
    let sound = json!({"Entrypoint": ["/entry"], "User": "1000"});
    write_dir(&sandbox, "shop", &layout("amd64", sound, &layers()));
    let check = |args: &[&str]| {
        let run =
            sandbox.provost(&[&["check", "--only", "missing-entrypoint-file"], args].concat());
        run.out.trim_end().to_owned()
    };
    assert_eq!(check(&["--image", "oci:shop"]), "no findings in 1 image and 1 binary");
    let with = check(&["--image", "oci:shop", "."]);
    assert!(with.ends_with("no findings in 1 object, 1 image and 1 binary"), "{with}");
    assert!(check(&[]).contains("1 object"));
}

/// An init container that names the very image that was given runs its files; one of another tag does not.
#[test]
fn an_init_container_of_the_same_image_is_judged_by_it() {
    let image = "registry.example/shop/server:1";
    for (own, init, found) in
        [(true, image, true), (false, image, true), (true, "registry.example/shop/server:2", false)]
    {
        let sandbox = Dir::new();
        let files = saved(&json!({"Entrypoint": ["/entry"], "User": "65532"}), &layers());
        write_tar(&sandbox.path().join("saved.tar"), &files);
        let main = if own { image } else { "registry.example/db/postgres:16" };
        let init = format!(
            "      initContainers: [{{name: migrate, image: \"{init}\", command: [/migrate]}}]\n      containers:\n"
        );
        let text = deployment("", "").replace(image, main).replace("      containers:\n", &init);
        fs::write(sandbox.path().join("deploy.yaml"), text).unwrap();
        let only = ["--only", "missing-entrypoint-file,root-user", "--profile", "house"];
        let args = ["check", "deploy.yaml", "--image", "docker-archive:saved.tar", "-v"];
        let run = sandbox.provost(&[&args[..], &only].concat());
        assert_eq!(run.out.contains("/migrate is no file of the image"), found, "{own} {run}");
        if own {
            assert_eq!(run.out.contains("the image alone says who"), !found, "{run}");
        }
    }
}

#[test]
fn an_image_that_others_publish_is_not_the_one_that_was_given() {
    for (image, told) in [("redis:8", false), ("ghcr.io/acme/shop:1", true)] {
        let sandbox = Dir::new();
        let files = saved(&json!({"Entrypoint": ["/entry"]}), &layers());
        write_tar(&sandbox.path().join("saved.tar"), &files);
        let only_one = deployment("command: [redis-server]", "").replace("server}", "cache}");
        let only_one = only_one.replace("name: server\n", "name: cache\n");
        let only_one = only_one.replace("registry.example/shop/server:1", image);
        fs::write(sandbox.path().join("deploy.yaml"), only_one).unwrap();
        let run = sandbox.provost(&[
            "check",
            "deploy.yaml",
            "--image",
            "docker-archive:saved.tar",
            "--only",
            "missing-entrypoint-file",
        ]);
        assert_eq!(run.out.contains("redis-server"), told, "{image} {run}");
    }
}

#[test]
fn the_image_of_another_container_is_not_that_of_the_named_one() {
    let other = "registry.example/shop/proxy:1";
    let both = deployment("command: [/checkout]", "").replace("server", "checkout")
        + &format!("        - {{name: proxy, image: \"{other}\", command: [/srv/servre]}}\n");
    for (tag, said) in [
        (other, "the command /srv/servre is no file"),
        ("registry.example/shop/checkout:1", "the command /checkout is no file"),
    ] {
        let sandbox = Dir::new();
        let mut files = saved(&json!({"Entrypoint": ["/entry"]}), &layers());
        let manifest = String::from_utf8(files["manifest.json"].clone()).unwrap();
        let manifest = manifest.replace("registry.example/shop/server:1", tag);
        files.insert("manifest.json".to_owned(), manifest.into_bytes());
        write_tar(&sandbox.path().join("saved.tar"), &files);
        fs::write(sandbox.path().join("deploy.yaml"), &both).unwrap();
        let image = ["--image", "docker-archive:saved.tar", "--only", "missing-entrypoint-file"];
        let named = ["check", "deploy.yaml", "--container", "default/Deployment/checkout/checkout"];
        let run = sandbox.provost(&[&named[..], &image].concat());
        assert!(run.out.contains(said), "{tag} {run}");
        assert_eq!(run.out.contains("/checkout is no file"), tag != other, "{tag} {run}");
    }
}
