//! Renderers reach nothing that was not named: no network, no other program, no file outside.

use super::*;

#[test]
fn what_would_be_fetched_is_refused_before_helm_runs() {
    let dir = with_tools(Dir::new(), &[]);
    fake(&dir, "helm", "touch ran");
    for chart in ["oci://registry.example/shop", "bitnami/redis", "https://example.com/x.tgz"] {
        let run = check(&dir, &["--chart", chart]);
        assert_eq!(run.code, 2, "{run}");
        assert!(said(&run).contains("are pulled first: helm pull"), "{run}");
    }
    assert!(!dir.path().join("ran").exists());
}

#[test]
fn remote_bases_are_refused() {
    let dir = kustomized(&[]);
    fake(&dir, "kustomize", "touch ran");
    let run = check(&dir, &["--kustomize", "remote"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(
        said(&run).contains("remote/kustomization.yaml names https://github.com/example"),
        "{run}"
    );
    assert!(!Path::new(&dir.path().join("ran")).exists());
}

#[test]
fn tools_find_no_other_program_and_no_way_out() {
    let dir = chart("crds", &[]).copy_of("fixtures/kustomize", |_| ());
    let bin = dir.path().join(".bin");
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let env = [
        ("PATH", path.as_str()),
        ("HELM_PLUGINS", "/plugins"),
        ("HELM_NAMESPACE", "mine"),
        ("XDG_CONFIG_HOME", "/config"),
        ("NO_PROXY", "*"),
        ("https_proxy", "http://proxy.example"),
    ];
    for (tool, args) in
        [("helm", ["--chart", "crds"]), ("kustomize", ["--kustomize", "production"])]
    {
        teller(&dir, tool);
        dir.provost_with_env(&[&["check"], &args[..]].concat(), &env);
        let told = dir.read("told");
        for line in [
            "PATH=[]",
            "HTTP_PROXY=[http://127.0.0.1:9]",
            "https_proxy=[http://127.0.0.1:9]",
            "all_proxy=[http://127.0.0.1:9]",
            "NO_PROXY=[]",
            "KUBECONFIG=[/dev/null]",
            "HELM_NAMESPACE=[]",
            "XDG_CONFIG_HOME=[]",
        ] {
            assert!(told.lines().any(|told| told == line), "{line}: {told}");
        }
        assert!(!told.contains("HELM_PLUGINS=[/plugins]"), "{told}");
        assert!(told.contains("/helm_plugins]"), "{told}");
        fs::remove_file(dir.path().join("told")).unwrap();
    }
}

#[test]
fn a_tool_of_the_folder_that_is_judged_is_not_run() {
    let dir = chart("crds", &[]);
    fake(&dir, "helm", "touch ran");
    fs::rename(dir.path().join(".bin/helm"), dir.path().join("helm")).unwrap();
    for path in [".", "", "..:.", dir.path().to_str().unwrap()] {
        let run = dir.provost_with_env(&["check", "--chart", "crds"], &[("PATH", path)]);
        assert!(said(&run).contains("because helm is not on PATH"), "{path}: {run}");
    }
    assert!(!dir.path().join("ran").exists());
}

#[test]
fn links_out_of_a_chart_are_refused_before_helm_runs() {
    for (link, target) in [
        ("crds/templates/leak.yaml", "../../outside/a.yaml"),
        ("crds/charts", "../outside"),
        ("crds/crds/deep", "/etc"),
    ] {
        let dir = chart("crds", &[]).file("outside/a.yaml", "password: hunter2\n");
        fake(&dir, "helm", "touch ran");
        fs::create_dir_all(dir.path().join("crds/templates")).unwrap();
        std::os::unix::fs::symlink(target, dir.path().join(link)).unwrap();
        let run = check(&dir, &["--chart", "crds"]);
        assert_eq!(run.code, 2, "{run}");
        let inside = link.strip_prefix("crds/").unwrap();
        assert!(said(&run).contains(&format!("because {inside} links to what is")), "{run}");
        assert!(!dir.path().join("ran").exists());
    }
    // One that stays is followed.
    let dir = chart("shop", &["helm"]);
    let template = dir.path().join("shop/templates/deployment.yaml");
    fs::rename(&template, dir.path().join("shop/real.yaml")).unwrap();
    std::os::unix::fs::symlink("../real.yaml", &template).unwrap();
    let run = check(&dir, &["--chart", "shop", "--format", "json"]);
    assert!(!places(&run, "gomemlimit-above-memory-limit").is_empty(), "{run}");
}

#[test]
fn links_of_a_packed_chart_lead_nowhere() {
    for helm in ["helm", "helm4"] {
        let dir = with_tools(Dir::new().file("outside.txt", "hunter2"), &[helm]);
        let file = fs::File::create(dir.path().join("leak-1.tgz")).unwrap();
        let packer = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        let mut archive = tar::Builder::new(packer);
        let files = [
            ("leak/Chart.yaml", "apiVersion: v2\nname: leak\nversion: '1'\n"),
            (
                "leak/templates/pod.yaml",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: '{{ .Files.Get \"leak.txt\" }}x'}\n\
                 spec: {containers: [{name: a, image: b}]}\n",
            ),
        ];
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        let outside = dir.path().join("outside.txt");
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive.append_link(&mut header, "leak/leak.txt", &outside).unwrap();
        archive.into_inner().unwrap().finish().unwrap();
        let run = check(&dir, &["--chart", "leak-1.tgz", "--format", "json"]);
        assert!(run.out.contains("Pod/x"), "{run}");
        assert!(!run.out.contains("hunter2"), "{run}");
    }
}

#[test]
fn values_are_never_fetched() {
    // A file by that very path changes nothing.
    let dir = chart("shop", &[]).file("https:/example.com/values.yaml", "a: 1\n");
    fake(&dir, "helm", "touch ran");
    for values in ["https://example.com/values.yaml", "s3://bucket/values.yaml"] {
        let run = check(&dir, &["--chart", "shop", "--values", values]);
        assert_eq!(run.code, 2, "{run}");
        assert!(said(&run).contains("is an address, and nothing is fetched"), "{run}");
    }
    assert!(!dir.path().join("ran").exists());
}

#[test]
fn dependencies_are_never_fetched() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let address = server.local_addr().unwrap();
    for helm in ["helm", "helm4"] {
        let dir = chart("shop", &[helm]).file(
            "shop/Chart.yaml",
            format!(
                "apiVersion: v2\nname: shop\nversion: 0.1.0\ndependencies:\n- {{name: cache, version: 0.1.0}}\n\
                 - {{name: redis, version: 1.0.0, repository: \"http://{address}/charts\", alias: other}}\n"
            ),
        );
        let run = check(&dir, &["--chart", "shop"]);
        assert_eq!(run.code, 2, "{run}");
        assert!(said(&run).contains("fetch them first: helm dependency build shop"), "{run}");
    }
    let fetched = server.accept().map(|_| ()).unwrap_err();
    assert_eq!(fetched.kind(), std::io::ErrorKind::WouldBlock);
}
