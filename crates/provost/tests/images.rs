//! Container images end to end: layouts and archives written here, with a real Go program in them.

#![allow(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/layout.rs"]
mod layout;
#[path = "images/named.rs"]
mod named;
#[path = "images/started.rs"]
mod started;
mod support;

use std::collections::BTreeMap;
use std::fs;

use layout::Item::{self, Dir as Folder, File, Hard, Link};
use layout::{digest, gzip, layer, layout, program, write_dir, write_tar};
use serde_json::{Value, json};
use support::Dir;

fn deployment(command: &str, context: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: server}}\nspec:\n  selector: \
         {{matchLabels: {{app: server}}}}\n  template:\n    metadata: {{labels: {{app: server}}}}\n    \
         spec:\n      securityContext: {{{context}}}\n      containers:\n        - name: server\n          \
         image: registry.example/shop/server:1\n          {command}\n"
    )
}

const PASSWD: &[u8] = b"root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n";

/// The program behind a link, a shell that an upper layer takes away.
fn layers() -> Vec<Vec<u8>> {
    vec![
        layer(&[File("etc/passwd", 0o644, PASSWD), File("bin/sh", 0o755, b"#!")]),
        layer(&[
            File("bin/.wh.sh", 0, b""),
            File("./srv/server", 0o755, &program()),
            Link("entry", "/srv/server"),
        ]),
    ]
}

fn ids(report: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(report).unwrap();
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|f| f["rule"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_layers_answer_what_the_manifest_asks() {
    let sandbox = Dir::new();
    let files = layout("arm64", json!({"User": "app", "Entrypoint": ["/entry"]}), &layers());
    write_dir(&sandbox, "shop", &files);
    write_tar(&sandbox.path().join("shop.tar"), &files);
    let hook = "lifecycle: {preStop: {exec: {command: [\"/bin/sh\", \"-c\", \"sleep 5\"]}}}";
    fs::write(sandbox.path().join("deploy.yaml"), deployment(hook, "runAsNonRoot: true")).unwrap();
    let only =
        "architecture-mismatch,exec-tool-missing,run-as-non-root-will-fail,missing-entrypoint-file";
    let check = |image: &[&str]| {
        let mut args = vec!["check", "deploy.yaml", "--only", only, "--format", "json"];
        args.extend(image);
        sandbox.provost(&args)
    };
    let named = check(&["--image", "oci:shop"]);
    let found = ids(&named.out);
    assert_eq!(
        found,
        ["run-as-non-root-will-fail", "exec-tool-missing", "architecture-mismatch"],
        "{named}"
    );
    assert_eq!(named.code, 1, "{named}");
    let report: Value = serde_json::from_str(&named.out).unwrap();
    assert_eq!(report["subjects"][0]["image"], "shop");
    assert_eq!(report["subjects"][0]["binary"], "shop:/srv/server");
    let user = report["findings"][0]["evidence"][1].clone();
    assert_eq!((&user["origin"], &user["section"]), (&json!("image"), &json!("config.User")));
    // By content, from an archive, and as a path.
    for image in [&["shop"][..], &["shop.tar"], &["--image", "oci:shop.tar"]] {
        let run = check(image);
        assert_eq!(ids(&run.out), found, "{image:?} {run}");
    }
    // Without the image nothing of it is judged.
    let without = check(&[]);
    assert_eq!(ids(&without.out), [""; 0], "{without}");
    assert!(without.out.contains("no-dockerfile"), "{without}");
}

#[test]
fn a_docker_archive_is_read_by_its_manifest() {
    let sandbox = Dir::new();
    let layers = layers();
    let config = json!({
        "os": "linux", "architecture": "amd64", "config": {"Entrypoint": ["/entry"]},
        "rootfs": {"diff_ids": layers.iter().map(|l| digest(l)).collect::<Vec<_>>()},
    });
    let saved = json!([{
        "Config": "c.json", "RepoTags": ["registry.example/shop/server:1"],
        "Layers": ["0/layer.tar", "1/layer.tar"],
    }]);
    let files = BTreeMap::from([
        ("0/layer.tar".to_owned(), layers[0].clone()),
        ("1/layer.tar".to_owned(), layers[1].clone()),
        ("c.json".to_owned(), config.to_string().into_bytes()),
        ("manifest.json".to_owned(), saved.to_string().into_bytes()),
    ]);
    write_tar(&sandbox.path().join("saved.tar"), &files);
    fs::write(sandbox.path().join("deploy.yaml"), deployment("command: [/srv/servre]", ""))
        .unwrap();
    let only = "missing-entrypoint-file,image-digest-mismatch,unparsable-input";
    let args = ["check", "deploy.yaml", "--image", "docker-archive:saved.tar", "--only", only];
    let run = sandbox.provost(&args);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("the command /srv/servre is no file of the image"), "{run}");
    assert!(run.out.contains("did you mean /srv/server?"), "{run}");
    assert!(run.out.contains("1 error"), "{run}");
}

#[test]
fn a_blob_that_is_not_its_digest_is_found() {
    let sandbox = Dir::new();
    let mut files = layout("amd64", json!({"Entrypoint": ["/entry"]}), &layers());
    let first = layers().remove(0);
    let changed = layer(&[File("etc/passwd", 0o644, b"root:x:0:0::/:/bin/sh\n")]);
    files.insert(format!("blobs/{}", digest(&gzip(&first)).replace(':', "/")), gzip(&changed));
    write_dir(&sandbox, "shop", &files);
    let run = sandbox.provost(&["check", "shop"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("error[image-digest-mismatch]: layer 1 is not what"), "{run}");
}

#[test]
fn hostile_layers_end_in_a_message() {
    let zeros = vec![0; 100 << 20];
    let many: Vec<u8> = {
        let name = |i: u32| format!("loop/{i}");
        let names: Vec<String> = (0..100_000).map(name).collect();
        layer(&names.iter().map(|n| File(n, 0o644, b"")).collect::<Vec<_>>())
    };
    let mut lying = layer(&[File("a", 0o644, b"abc")]);
    lying[124..136].copy_from_slice(b"77777777777\0");
    let mut header = tar::Header::from_byte_slice(&lying[..512]).clone();
    header.set_cksum();
    lying[..512].copy_from_slice(header.as_bytes());
    let cases = [
        (
            "traversal",
            layer(&[File("../../etc/shadow", 0o644, b"x")]),
            Some("leads out of the image"),
        ),
        ("bomb", layer(&[File("zeros", 0o644, &zeros)]), Some("unpacks to more than it may")),
        ("lying", lying, Some("layer 1: ends in the middle")),
        ("garbage", vec![7; 2000], Some("no tar header")),
        ("circle", layer(&[Link("loop", "pool"), Link("pool", "loop")]), None),
        ("many", many, None),
    ];
    for (name, bytes, expected) in cases {
        let sandbox = Dir::new();
        let files = layout("amd64", json!({"Entrypoint": ["/loop/1x"]}), &[bytes]);
        write_dir(&sandbox, "shop", &files);
        fs::write(sandbox.path().join("deploy.yaml"), deployment("", "")).unwrap();
        let only = "unparsable-input,missing-entrypoint-file";
        let run = sandbox.provost(&["check", "shop", "deploy.yaml", "--only", only]);
        assert!(run.code == 1 || expected.is_some(), "{name}: {run}");
        // Long lines are wrapped.
        let out = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
        match expected {
            Some(expected) => assert!(out.contains(expected), "{name}: {run}"),
            None => assert!(out.contains("no file of the image"), "{name}: {run}"),
        }
    }
}

#[test]
fn what_is_no_image_is_named_and_not_a_pass() {
    let sandbox = Dir::new();
    let mut files = layout("amd64", json!({}), &[layer(&[])]);
    let layer = files.keys().filter(|k| k.starts_with("blobs")).cloned().collect::<Vec<_>>();
    write_dir(&sandbox, "whole", &files);
    for blob in layer {
        let kept = files.remove(&blob);
        write_dir(&sandbox, &blob.replace('/', "-"), &files);
        files.insert(blob.clone(), kept.unwrap());
        let run =
            sandbox.provost(&["check", "--image", &format!("oci:{}", blob.replace('/', "-"))]);
        assert!(run.code != 0 && run.out.contains("No such file"), "{run}");
    }
    let registry = sandbox.provost(&["check", "--image", "registry:A/B"]);
    assert!(registry.code == 2 && registry.err.contains("is no reference"), "{registry}");
    fs::write(sandbox.path().join("a.tar"), crate::layer(&[File("a", 0o644, b"x")])).unwrap();
    let no_image = sandbox.provost(&["check", "a.tar"]);
    assert!(no_image.code == 2 && no_image.out.contains("is no image"), "{no_image}");
}

/// A docker-archive as `docker save` writes it.
fn saved(run: &Value, layers: &[Vec<u8>]) -> BTreeMap<String, Vec<u8>> {
    let config = json!({
        "os": "linux", "architecture": "amd64", "config": run,
        "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|l| digest(l)).collect::<Vec<_>>()},
    });
    let name = |i: usize| format!("{i}/layer.tar");
    let saved = json!([{
        "Config": "c.json", "RepoTags": ["registry.example/shop/server:1"],
        "Layers": (0..layers.len()).map(name).collect::<Vec<_>>(),
    }]);
    let mut files = BTreeMap::from([
        ("c.json".to_owned(), config.to_string().into_bytes()),
        ("manifest.json".to_owned(), saved.to_string().into_bytes()),
    ]);
    files.extend(layers.iter().enumerate().map(|(i, layer)| (name(i), layer.clone())));
    files
}

const CANARY: &str = "kanarie-7Qx9vW2m";

/// Messages quote the words of commands, and only variables were masked.
#[test]
fn a_secret_in_the_configuration_is_never_shown() {
    let sandbox = Dir::new();
    let command = format!("curl -u me:{CANARY} x && mysql -p{CANARY} && PGPASSWORD={CANARY} psql");
    let words = ["/srv/servre", "--password", CANARY, "-H", &format!("X-Api-Key: {CANARY}")];
    let config = json!({
        "Entrypoint": words, "Cmd": ["redis-cli", "-a", CANARY, &command],
        "Healthcheck": {"Test": ["CMD-SHELL", command]},
        "Env": [
            format!("PGPASSWORD={CANARY}"), format!("STORE=me:{CANARY}@tcp(db:3306)/x"), format!("SIGNING_KEY={CANARY}"),
            format!("SQL=Server=h;Password={CANARY};"), format!("UPSTREAM=Bearer {CANARY}"), format!("BASIC_AUTH=me:{CANARY}"),
            format!("SLACK=https://hooks.slack.com/services/T01/B01/{CANARY}"), format!("OTEL_EXPORTER_OTLP_HEADERS=api-key={CANARY}"),
        ],
        "Labels": {"api-key": CANARY, "note": format!("password={CANARY}")},
    });
    write_dir(&sandbox, "shop", &layout("amd64", config, &layers()));
    let mut shown = String::new();
    for format in ["json", "sarif", "github", "gitlab", "junit", "markdown", "html", "text"] {
        let run = sandbox.provost(&["check", "shop", "--profile", "house", "--format", format]);
        assert_eq!(run.code, 1, "{run}");
        shown += &run.to_string();
    }
    let line = shown.lines().find(|line| line.contains(CANARY));
    assert_eq!(line, None);
    // By their names, and, masked before any rule sees them, by their shapes.
    for name in ["PGPASSWORD", "SIGNING_KEY", "BASIC_AUTH", "STORE", "SQL", "UPSTREAM", "SLACK"] {
        assert!(shown.contains(&format!("in {name}")), "{name} is not told");
    }
}

#[test]
fn a_secret_that_a_later_layer_deletes_is_told_and_never_shown() {
    let sandbox = Dir::new();
    let netrc = format!("machine git.shop.dev login ci password {CANARY}");
    let env = format!("DB_PASSWORD={CANARY}\n");
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        CANARY.replace('-', "a").repeat(8)
    );
    let layers = vec![
        layer(&[
            File("root/.netrc", 0o600, netrc.as_bytes()),
            File("app/.env", 0o644, env.as_bytes()),
            File("etc/tls/server.key", 0o600, key.as_bytes()),
            File("usr/share/doc/x/server.key", 0o600, key.as_bytes()),
        ]),
        layer(&[File("root/.wh..netrc", 0, b""), File("srv/server", 0o755, &program())]),
        layer(&[File("app/.wh..wh..opq", 0, b""), File("app/.env", 0o644, b"PORT=8080\n")]),
    ];
    let files = layout("amd64", json!({"Entrypoint": ["/srv/server"]}), &layers);
    write_dir(&sandbox, "shop", &files);
    let mut shown = String::new();
    for format in ["json", "sarif", "github", "gitlab", "junit", "markdown", "html", "text"] {
        let run = sandbox.provost(&["check", "shop", "--format", format]);
        assert_eq!(run.code, 1, "{run}");
        shown += &run.to_string();
    }
    let aligned = CANARY.replace('-', "a");
    assert!(!shown.contains(CANARY) && !shown.contains(&aligned), "a secret is shown");
    let run = sandbox.provost(&["check", "shop", "--only", "secret-file-in-image"]);
    let out = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "/root/.netrc holds a password of netrc: layer 2 takes it away, and it is still in layer 1",
        "/app/.env holds passwords or tokens: layer 3 takes it away",
        "/etc/tls/server.key holds a private key: whoever can pull",
        "3 errors",
    ] {
        assert!(out.contains(said), "{said}\n{run}");
    }
}

/// Baselines held fingerprints only, so that nothing was said of a program that had grown.
#[test]
fn a_baseline_remembers_the_size_of_a_program() {
    let dir = Dir::new();
    let app = dir.path().join("app");
    let program = program();
    let check = |bytes: &[u8], more: &[&str]| {
        fs::write(&app, bytes).unwrap();
        let rule = ["check", "--binary", "app", "--only", "binary-over-size-budget"];
        dir.provost(&[&rule[..], more].concat())
    };
    let longer = |percent: usize| [&program[..], &vec![0; program.len() * percent / 100]].concat();
    let wrote = check(&program, &["--write-baseline", "known.json"]);
    assert_eq!(wrote.code, 0, "{wrote}");
    let known: Value =
        serde_json::from_slice(&fs::read(dir.path().join("known.json")).unwrap()).unwrap();
    assert_eq!(known["version"], 2);
    assert_eq!(known["programs"][0]["size"], program.len());
    assert_eq!(known["programs"][0]["arch"], "amd64");
    let baseline = ["--baseline", "known.json", "--fail-on", "warn"];
    let grown = check(&longer(30), &baseline);
    assert_eq!(grown.code, 1, "{grown}");
    assert!(grown.out.contains("binary-over-size-budget/grown-since-baseline"), "{grown}");
    assert!(grown.out.contains("known.json: knows it with"), "{grown}");
    assert_eq!(check(&longer(19), &baseline).code, 0);
    // What was written before sizes were kept says nothing of them.
    fs::write(dir.path().join("known.json"), "{\"version\": 2, \"findings\": []}").unwrap();
    assert_eq!(check(&longer(30), &baseline).code, 0);
}

#[test]
fn modes_of_the_image_s_files_are_those_of_its_users() {
    let sandbox = Dir::new();
    let group = b"root:x:0:\nstaff:x:50:app\n";
    let mut layers = layers();
    layers.push(layer(&[
        File("etc/group", 0o644, group),
        File("srv/server", 0o700, &program()),
        File("usr/bin/su", 0o4755, b"su"),
    ]));
    let run = json!({"User": "app", "Entrypoint": ["/entry"]});
    write_tar(&sandbox.path().join("shop.tar"), &saved(&run, &layers));
    let only = ["--only", "non-executable-entrypoint,privilege-escalation-allowed/setuid-file"];
    let check = |context: &str| {
        fs::write(sandbox.path().join("deploy.yaml"), deployment("", context)).unwrap();
        sandbox.provost(&[&["check", "shop.tar", "deploy.yaml"][..], &only].concat())
    };
    let refused = check("");
    let out = refused.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(out.contains("/srv/server has mode 0700, owner 0:0: uid 1000 may not"), "{refused}");
    assert!(out.contains("/usr/bin/su of the image set the uid"), "{refused}");
    let root = check("runAsUser: 0");
    assert!(!root.out.contains("may not execute"), "{root}");
}

#[test]
fn evidence_that_is_required_includes_the_image() {
    let sandbox = Dir::new();
    write_tar(
        &sandbox.path().join("shop.tar"),
        &saved(&json!({"Entrypoint": ["/entry"]}), &layers()),
    );
    fs::write(sandbox.path().join("deploy.yaml"), deployment("", "")).unwrap();
    let common = ["check", "deploy.yaml", "--require", "image", "--fail-on", "never"];
    let without = sandbox.provost(&common);
    assert_eq!(without.code, 1, "{without}");
    assert!(without.err.contains("no image was judged, and --require names it"), "{without}");
    let with = sandbox.provost(&[&common[..], &["--image", "docker-archive:shop.tar"]].concat());
    assert_eq!(with.code, 0, "{with}");
}

#[test]
fn a_wrong_form_or_an_archive_compressed_in_another_way_names_the_way() {
    let sandbox = Dir::new();
    let run = json!({"Entrypoint": ["/entry"]});
    let archive = saved(&run, &layers());
    write_tar(&sandbox.path().join("saved.tar"), &archive);
    write_tar(&sandbox.path().join("oci.tar"), &layout("amd64", run, &layers()));
    fs::write(sandbox.path().join("saved.tar.xz"), b"\xfd7zXZ\0\0").unwrap();
    fs::write(sandbox.path().join("saved.tar.bz2"), b"BZh91AY&SY").unwrap();
    for (arguments, said) in [
        (&["--image", "oci:saved.tar"][..], "name it with --image docker-archive:PATH"),
        (&["--image", "docker-archive:oci.tar"], "name it with --image oci:PATH"),
        (&["--image", "docker-archive:saved.tar.xz"], "decompress it first (xz -d)"),
        (&["--image", "docker-archive:saved.tar.bz2"], "decompress it first (bzip2 -d)"),
        (&["--image", "oci-archive:oci.tar"], "did you mean oci:oci.tar?"),
        (&["--image", "docker:shop:1"], "docker save -o image.tar shop:1"),
    ] {
        let run = sandbox.provost(&[&["check"], arguments].concat());
        let shown = format!("{} {}", run.out, run.err);
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(run.code == 2 && shown.contains(said), "{arguments:?} {run}");
    }
}

/// What crane makes of the same layers is what we make of them.
#[test]
fn layers_on_each_other_are_what_crane_exports() {
    let sandbox = Dir::new();
    let layers = vec![
        layer(&[
            Folder("usr/"),
            Folder("usr/bin/"),
            File("usr/bin/dash", 0o755, b"dash"),
            File("usr/bin/bash", 0o755, b"bash"),
            Folder("opt/"),
            Folder("opt/old/"),
            File("opt/old/a", 0o644, b"a"),
            File("opt/old/b", 0o644, b"b"),
            Folder("var/"),
            File("var/log", 0o644, b"log"),
            File("var/log-2", 0o644, b"log"),
            File("var/logs", 0o644, b"logs"),
        ]),
        layer(&[
            Link("usr/bin/sh", "dash"),
            Hard("usr/bin/ash", "usr/bin/dash"),
            File("usr/bin/.wh.bash", 0, b""),
            File("opt/.wh.old", 0, b""),
            File("var/.wh.log", 0, b""),
        ]),
        layer(&[
            Folder("opt/"),
            Folder("opt/old/"),
            File("opt/old/c", 0o600, b"cc"),
            Folder("var/log/"),
            File("var/log/now", 0o644, b"now"),
            File("./srv/server", 0o755, b"server"),
        ]),
        layer(&[File("srv/server", 0o555, b"newer server")]),
    ];
    let path = sandbox.path().join("shop.tar");
    write_tar(&path, &saved(&json!({"Entrypoint": ["/srv/server"]}), &layers));

    let exported = sandbox.path().join("exported.tar");
    let mut crane = std::process::Command::new(support::tool("crane"));
    let input = fs::File::open(&path).unwrap();
    let done = crane.args(["export", "-"]).arg(&exported).stdin(input).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut archive = tar::Archive::new(fs::File::open(&exported).unwrap());
    let mut theirs: BTreeMap<String, (bool, u64, u32)> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let path = path.trim_start_matches("./").trim_end_matches('/');
            let dir = header.entry_type().is_dir();
            (format!("/{path}"), (dir, header.size().unwrap(), header.mode().unwrap()))
        })
        .collect();

    // Where a later layer makes a folder again that a whiteout took away, crane brings back what was
    // in it; a runtime has deleted it by then (OCI image-spec, layer.md).
    assert!(theirs.remove("/opt/old/a").is_some() && theirs.remove("/opt/old/b").is_some());

    use provost_check::artifact::image;
    use provost_check::facts::SourceId;
    use provost_check::facts::image_files::FileKind;
    let bytes = fs::read(&path).unwrap();
    let loaded = image::load_bytes(SourceId(0), &bytes, &image::Limits::default());
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    let image = loaded.image.unwrap();
    let ours: BTreeMap<String, (bool, u64, u32)> = image
        .files
        .iter()
        .map(|(path, file)| {
            let hard = path == "/usr/bin/ash";
            let size = if hard { 0 } else { file.size };
            (path.to_owned(), (file.kind == FileKind::Dir, size, file.mode))
        })
        .collect();
    let names = |all: &BTreeMap<String, (bool, u64, u32)>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs));
    for (path, entry) in &ours {
        // What a link's own header says is of no use to anybody.
        if !["/usr/bin/ash", "/usr/bin/sh"].contains(&path.as_str()) {
            assert_eq!(entry, &theirs[path], "{path}");
        }
    }
}

#[test]
fn directories_that_an_archive_does_not_list_are_there() {
    let only = "missing-tzdata,missing-ca-bundle,build-residue/build-stage-shipped";
    let server = program();
    let check = |items: &[Item<'_>]| {
        let sandbox = Dir::new();
        let layers = [layer(&[File("srv/server", 0o755, &server)]), layer(items)];
        let run = json!({"Entrypoint": ["/srv/server"], "Env": ["TZ=Europe/Rome"]});
        write_tar(&sandbox.path().join("shop.tar"), &saved(&run, &layers));
        sandbox.provost(&["check", "shop.tar", "--only", only])
    };
    let bare = check(&[]);
    assert!(bare.out.contains("TZ is Europe/Rome"), "{bare}");
    let filled = check(&[File("usr/share/zoneinfo/Europe/Rome", 0o644, b"TZif")]);
    assert!(!filled.out.contains("missing-tzdata"), "{filled}");
    let builder = check(&[
        File("usr/local/go/bin/go", 0o755, b"go"),
        File("usr/local/go/src/runtime/proc.go", 0o644, b"package runtime"),
    ]);
    assert!(builder.out.contains("the image holds a Go toolchain"), "{builder}");
}

#[test]
fn a_program_that_a_later_layer_has_again_is_told() {
    let sandbox = Dir::new();
    let server = program();
    let layers = [
        layer(&[File("srv/server", 0o644, &server)]),
        layer(&[File("srv/server", 0o755, &server)]),
    ];
    let run = json!({"Entrypoint": ["/srv/server"]});
    write_tar(&sandbox.path().join("shop.tar"), &saved(&run, &layers));
    let only = "binary-over-size-budget/duplicate-binary-layer";
    let twice = sandbox.provost(&["check", "shop.tar", "--only", only]);
    assert!(twice.out.contains("as layer 1 has it already"), "{twice}");
    write_tar(&sandbox.path().join("shop.tar"), &saved(&run, &layers[1..]));
    let once = sandbox.provost(&["check", "shop.tar", "--only", only]);
    assert!(once.out.contains("no findings"), "{once}");
}

#[test]
fn a_platform_that_the_image_has_not_is_told() {
    let sandbox = Dir::new();
    let run = json!({"Entrypoint": ["/entry"]});
    let mut files = layout("amd64", run.clone(), &layers());
    // The index need not say it; the configuration does.
    write_dir(&sandbox, "bare", &files);
    let mut index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
    index["manifests"][0]["platform"] = json!({"os": "linux", "architecture": "amd64"});
    files.insert("index.json".to_owned(), index.to_string().into_bytes());
    write_dir(&sandbox, "shop", &files);
    write_tar(&sandbox.path().join("saved.tar"), &saved(&run, &layers()));
    for image in ["oci:shop", "oci:bare", "docker-archive:saved.tar"] {
        let check =
            |platform| sandbox.provost(&["check", "--image", image, "--platform", platform]);
        let lacks = check("linux/arm64");
        assert_eq!(lacks.code, 2, "{image} {lacks}");
        let said = "has no image for linux/arm64; it has linux/amd64";
        let words: Vec<String> = format!("{lacks}").split_whitespace().map(str::to_owned).collect();
        assert!(words.join(" ").contains(said), "{lacks}");
        let has = check("linux/amd64");
        assert_ne!(has.code, 2, "{image} {has}");
    }
}

/// `--binary`, `--image` and the container that both are for.
#[test]
fn a_binary_is_compared_with_what_the_image_of_its_container_starts() {
    let sandbox = Dir::new();
    let files = layout("amd64", json!({"Entrypoint": ["/srv/server"]}), &layers());
    write_dir(&sandbox, "shop", &files);
    fs::write(sandbox.path().join("server"), program()).unwrap();
    let fixtures = fs::read(support::repository().join("target/fixtures.json")).unwrap();
    let fixtures: Value = serde_json::from_slice(&fixtures).unwrap();
    let is_other =
        |f: &&Value| f["program"] == "server" && f["variant"] == "plain" && f["goarch"] == "amd64";
    let other = fixtures.as_array().unwrap().iter().find(is_other);
    fs::copy(other.unwrap()["path"].as_str().unwrap(), sandbox.path().join("other")).unwrap();
    // Another container beside it, so that a name has to decide.
    let more = deployment("", "").replace("name: server", "name: front").replace("shop/", "front/");
    let both = format!("{}---\n{more}", deployment("", ""));
    fs::write(sandbox.path().join("deploy.yaml"), both).unwrap();
    let check = |binary: &str, more: &[&str]| {
        let only = "binary-differs-from-image,ambiguous-binding";
        let mut args = vec!["check", "deploy.yaml", "--only", only, "--image", "oci:shop"];
        args.extend(["--binary", binary, "--format", "json"]);
        args.extend(more);
        sandbox.provost(&args)
    };
    let container = ["--container", "default/Deployment/server/server"];
    for more in [&container[..], &[]] {
        let same = check("server", more);
        assert_eq!(ids(&same.out), Vec::<String>::new(), "{more:?} {same}");
    }
    let differs = check("other", &container);
    assert_eq!(ids(&differs.out), ["binary-differs-from-image"], "{differs}");
    assert!(differs.out.contains("and the binary that was given is"), "{differs}");
    assert_eq!(differs.code, 1, "{differs}");
}
