//! Logins and tokens: who gets them, and that nobody sees them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::layout::Item::File;
use super::layout::{digest, layer, write_dir};
use super::registries::{CANARY, Registry};
use super::server::{Asked, Reply, Server, ok, status};
use super::support::{Dir, Run};
use super::{Image, MANIFEST, check, layers, named_layout, run_config, words};

/// An image as `--image` names it, which the registry has, and the sandbox of who pushed it.
fn pushed(registry: &Registry) -> (String, Dir) {
    let name = format!("{}/shop/server:1", registry.address);
    let pushing = Dir::new();
    write_dir(&pushing, "layout", &named_layout("amd64", &name));
    registry.push_as_ci(&pushing, &name);
    (format!("registry:{name}"), pushing)
}

#[test]
fn logins_of_docker_are_used_and_never_shown() {
    let (registry, sandbox) = (Registry::with_password(), Dir::new());
    let address = registry.address.as_str();
    let (image, pushing) = pushed(&registry);
    let args = ["check", "--image", &image, "--insecure-registry", address, "--fail-on", "never"];

    let without = sandbox.provost(&args);
    assert_eq!(without.code, 2, "{without}");
    let told = words(&without);
    assert!(told.contains("gives it to nobody without a login"), "{without}");
    assert!(told.contains("config.json does not exist"), "{without}");

    // What crane has written, where docker has it, and where DOCKER_CONFIG says.
    let config = pushing.read(".docker/config.json");
    let sandbox = sandbox.file(".docker/config.json", &config).file("other/config.json", "{}");
    let with = sandbox.provost(&args);
    assert_eq!(with.code, 0, "{with}");
    let other = sandbox.path().join("other").to_str().unwrap().to_owned();
    let elsewhere = sandbox.provost_with_env(&args, &[("DOCKER_CONFIG", other.as_str())]);
    assert_eq!(elsewhere.code, 2, "{elsewhere}");
    assert!(words(&elsewhere).contains(&format!("has none for {address}")), "{elsewhere}");

    let wrong = config.replace(&base64("ci", CANARY), &base64("ci", "wrong"));
    assert_ne!(wrong, config);
    let sandbox = sandbox.file(".docker/config.json", wrong);
    let refused = sandbox.provost(&args);
    assert_eq!(refused.code, 2, "{refused}");
    let told = words(&refused);
    assert!(told.contains("refuses to give shop/server to the login that is known"), "{refused}");

    // Whatever the parser would quote.
    let broken = format!("{{\"auths\": {{\"{address}\": {{\"auth\": 1, \"x\": \"{CANARY}\"}}}}}}");
    let sandbox = sandbox.file(".docker/config.json", broken);
    let broken = sandbox.provost(&args);
    assert!(broken.code == 2 && words(&broken).contains("(line 1, column"), "{broken}");
    for run in [without, with, elsewhere, refused, broken] {
        let encoded = base64("ci", CANARY);
        let shown = run.to_string();
        assert!(!shown.contains(CANARY) && !shown.contains(&encoded), "{run}");
    }
}

fn base64(user: &str, password: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
}

#[test]
fn programs_that_keep_logins_are_asked() {
    let registry = Registry::with_password();
    let address = registry.address.as_str();
    let (image, _) = pushed(&registry);
    let args = ["check", "--image", &image, "--insecure-registry", address, "--fail-on", "never"];
    let said = |secret: &str| json!({"ServerURL": "x", "Username": "ci", "Secret": secret});
    // Answers about the registry that it is asked for and no other.
    let keeps = |secret: &str| {
        format!(
            "#!/bin/sh\nread server\n[ \"$1 $server\" = 'get {address}' ] && echo '{}'\n",
            said(secret)
        )
    };
    let store = json!({"credsStore": "kept"}).to_string();
    let helper = json!({"credHelpers": {address: "kept"}, "credsStore": "other"}).to_string();
    let fails = format!("#!/bin/sh\necho {CANARY}; echo {CANARY} >&2; exit 1\n");
    let not_found = "#!/bin/sh\necho 'credentials not found in native keychain'; exit 1\n";
    let loud = format!("#!/bin/sh\nwhile :; do echo {CANARY}; done\n");
    let cases = [
        (&store, Some(keeps(CANARY)), 0, ""),
        (&helper, Some(keeps(CANARY)), 0, ""),
        (&store, Some(keeps("wrong")), 2, "the one of docker-credential-kept"),
        (&store, None, 2, "docker-credential-kept is not on PATH"),
        (&store, Some(fails), 2, "docker-credential-kept fails; run it by hand"),
        (&store, Some(not_found.to_owned()), 2, "docker-credential-kept has none for"),
        (&store, Some("#!/bin/sh\necho nothing\n".to_owned()), 2, "answers with what is no login"),
        (&store, Some(loud), 2, "docker-credential-kept says too much"),
    ];
    for (config, script, code, expected) in cases {
        let mut sandbox = Dir::new().file(".docker/config.json", config).file("bin/empty", "");
        if let Some(script) = &script {
            sandbox = sandbox.file("bin/docker-credential-kept", script);
            let path = sandbox.path().join("bin/docker-credential-kept");
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:/usr/bin:/bin", sandbox.path().join("bin").display());
        let run = sandbox.provost_with_env(&args, &[("PATH", path.as_str())]);
        assert_eq!(run.code, code, "{config} {script:?}: {run}");
        assert!(words(&run).contains(expected), "{script:?}: {run}");
        assert!(!run.to_string().contains(CANARY), "{run}");
    }
    let evil = Dir::new().file(".docker/config.json", r#"{"credsStore": "../../bin/sh"}"#);
    let run = evil.provost(&args);
    assert!(run.code == 2 && words(&run).contains("is none of a program"), "{run}");
}

/// Demands a token for each request, and gives one to `ci` with the canary for a password.
fn with_tokens(image: Image, realm: Arc<Mutex<String>>) -> Server {
    Server::start(move |asked| {
        if asked.path.starts_with("/token?") {
            let login = format!("Basic {}", base64("ci", CANARY));
            return match asked.header("authorization") == Some(login.as_str()) {
                true => ok("application/json", br#"{"token": "kanarie-token"}"#),
                // As a careless server does.
                false => Reply::Whole(401, Vec::new(), format!("{asked:?}").into_bytes()),
            };
        }
        if asked.header("authorization") == Some("Bearer kanarie-token") {
            return image.answer(asked);
        }
        let challenge = format!("Bearer realm=\"{}\",service=\"the shop\"", realm.lock().unwrap());
        status(401, &[("WWW-Authenticate", &challenge)])
    })
}

fn login(address: &str, password: &str) -> String {
    json!({"auths": {format!("http://{address}/v2/"): {"auth": base64("ci", password)}}})
        .to_string()
}

#[test]
fn a_token_is_fetched_for_the_repository() {
    let realm = Arc::new(Mutex::new(String::new()));
    let server = with_tokens(Image::new(), Arc::clone(&realm));
    *realm.lock().unwrap() = format!("http://{}/token?a=b", server.address);
    let sandbox = Dir::new().file(".docker/config.json", login(&server.address, CANARY));
    let run = check(&sandbox, &server, &["--fail-on", "never"]);
    assert_eq!(run.code, 0, "{run}");
    let asked = server.asked();
    let tokens: Vec<&str> =
        asked.iter().map(|a| a.path.as_str()).filter(|p| p.starts_with("/token")).collect();
    let expected = "/token?a=b&service=the%20shop&scope=repository%3Ashop%2Fserver%3Apull";
    assert_eq!(tokens, [expected], "one token is enough");

    let wrong = Dir::new().file(".docker/config.json", login(&server.address, "kanarie-wrong"));
    let refused = check(&wrong, &server, &[]);
    assert_eq!(refused.code, 2, "{refused}");
    assert!(words(&refused).contains("to the login that is known"), "{refused}");
    let nobody = check(&Dir::new(), &server, &[]);
    assert!(nobody.code == 2 && words(&nobody).contains("without a login"), "{nobody}");

    // To a realm that nobody named nothing is sent in the clear.
    let elsewhere = Server::start(|_| ok("application/json", b"{}"));
    *realm.lock().unwrap() = format!("http://{}/token", elsewhere.address);
    let clear = check(&sandbox, &server, &[]);
    assert_eq!(clear.code, 2, "{clear}");
    assert!(words(&clear).contains("which --insecure-registry does not name"), "{clear}");
    assert!(elsewhere.asked().is_empty());
    *realm.lock().unwrap() = "file:///etc/passwd".to_owned();
    let file = check(&sandbox, &server, &[]);
    assert!(file.code == 2 && words(&file).contains("no address that gives tokens"), "{file}");
    for run in [run, refused, nobody, clear, file] {
        assert!(!run.to_string().contains("kanarie"), "{run}");
    }
}

/// What is told in secret would have no end: each part is given to a new token alone.
#[test]
fn tokens_without_an_end_are_refused() {
    let layers: Vec<Vec<u8>> =
        (0..70).map(|n| layer(&[File(&format!("etc/{n}"), 0o644, b"")])).chain(layers()).collect();
    let image = Image::of(run_config(), &layers);
    let realm = Arc::new(Mutex::new(String::new()));
    let own = Arc::clone(&realm);
    let (given, refused) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    let server = Server::start(move |asked| {
        if asked.path.starts_with("/token") {
            let n = given.fetch_add(1, Ordering::SeqCst);
            let token = format!("{{\"token\": \"kanarie-token-{n}\"}}");
            return ok("application/json", token.as_bytes());
        }
        // Layers are read side by side, so that it goes by what is asked for.
        if !refused.lock().unwrap().insert(asked.path.clone()) {
            return image.answer(asked);
        }
        let challenge = format!("Bearer realm=\"http://{}/token\"", own.lock().unwrap());
        status(401, &[("WWW-Authenticate", &challenge)])
    });
    realm.lock().unwrap().clone_from(&server.address);
    let run = check(&Dir::new(), &server, &[]);
    assert_eq!(run.code, 2, "{run}");
    assert!(words(&run).contains("takes none of 64 tokens for long"), "{run}");
    assert!(!run.to_string().contains("kanarie"), "{run}");
}

#[test]
fn an_identity_is_exchanged_for_a_token() {
    let image = Image::new();
    let address = Arc::new(Mutex::new(String::new()));
    let own = Arc::clone(&address);
    let server = Server::start(move |asked| {
        let parts: Vec<&str> = asked.body.split('&').collect();
        if asked.method == "POST" && asked.path == "/token" {
            let wanted = format!("refresh_token={CANARY}");
            let right = parts.contains(&"grant_type=refresh_token") && parts.contains(&&*wanted);
            let given = ok("application/json", br#"{"access_token": "kanarie-token"}"#);
            return if right { given } else { status(400, &[]) };
        }
        if asked.header("authorization") == Some("Bearer kanarie-token") {
            return image.answer(asked);
        }
        let challenge = format!("Bearer realm=\"http://{}/token\"", own.lock().unwrap());
        status(401, &[("WWW-Authenticate", &challenge)])
    });
    address.lock().unwrap().clone_from(&server.address);
    let config =
        |token: &str| json!({"auths": {&server.address: {"identitytoken": token}}}).to_string();
    let sandbox = Dir::new().file(".docker/config.json", config(CANARY));
    let run = check(&sandbox, &server, &["--fail-on", "never"]);
    assert_eq!(run.code, 0, "{run}");
    let sandbox = Dir::new().file(".docker/config.json", config("kanarie-wrong"));
    let refused = check(&sandbox, &server, &[]);
    assert_eq!(refused.code, 2, "{refused}");
    assert!(!format!("{run}{refused}").contains("kanarie"), "{refused}");
}

#[test]
fn a_login_does_not_follow_a_redirect() {
    let image = Image::new();
    let store = {
        let image = image.clone();
        Server::start(move |asked| match asked.header("authorization") {
            None => image.answer(asked),
            Some(_) => status(400, &[]),
        })
    };
    let to = store.address.clone();
    let path = image.layer();
    let registry = Server::start(move |asked| {
        let login = format!("Basic {}", base64("ci", CANARY));
        if asked.header("authorization") != Some(login.as_str()) {
            return status(401, &[("WWW-Authenticate", "Basic realm=\"shop\"")]);
        }
        let location = format!("http://{to}{}", asked.path);
        if asked.path == path {
            status(307, &[("Location", &location)])
        } else {
            image.answer(asked)
        }
    });
    let sandbox = Dir::new().file(".docker/config.json", login(&registry.address, CANARY));
    let allowed = ["--insecure-registry", &store.address, "--fail-on", "never"];
    let run = check(&sandbox, &registry, &allowed);
    assert_eq!(run.code, 0, "{run}");
    let asked = store.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("authorization"), None);
    // Plain HTTP only with whom it was allowed.
    let strict = check(&sandbox, &registry, &[]);
    assert_eq!(strict.code, 2, "{strict}");
    let told = format!("leads to plain HTTP at {}", store.address);
    assert!(words(&strict).contains(&told), "{strict}");
    assert_eq!(store.asked().len(), 1);
}

/// What is asked of a registry that has got the password; to all others it says that it wants it.
fn behind_login(
    password: &'static str,
    answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> Server {
    Server::start(move |asked| {
        let login = format!("Basic {}", base64("ci", password));
        match asked.header("authorization") == Some(login.as_str()) {
            true => answer(asked),
            false => status(401, &[("WWW-Authenticate", "Basic realm=\"shop\"")]),
        }
    })
}

#[test]
fn what_a_registry_sends_back_of_a_login_is_not_shown() {
    // In small letters, as hosts are.
    const SECRET: &str = "kanarie7qx9vw2m";
    let silent = |run: &Run, what: &str| {
        let text = run.to_string().to_ascii_lowercase();
        let encoded = base64("ci", SECRET).to_ascii_lowercase();
        assert!(!text.contains(SECRET) && !text.contains(&encoded), "{what}: {run}");
    };
    let manifest =
        |pointer: &str, value: Value| ok(MANIFEST, &Image::new().with(pointer, value).manifest);
    let index = json!({"manifests": [{
        "digest": digest(b"a"), "mediaType": MANIFEST,
        "platform": {"os": "linux", "architecture": SECRET},
    }]});
    let index = ok("application/vnd.oci.image.index.v1+json", index.to_string().as_bytes());
    let media_type = json!(format!("application/vnd.{SECRET}"));
    let config = |sandbox: Dir, server: &Server| {
        sandbox.file(".docker/config.json", login(&server.address, SECRET))
    };
    for (reply, expected) in [
        (manifest("/config/digest", json!(SECRET)), "has a digest that is no sha256"),
        (manifest("/config/size", json!(SECRET)), "the manifest is not made as an image's is"),
        (manifest("/config/mediaType", media_type), "its configuration is that of something else"),
        (ok(&format!("image/{SECRET}"), b"x"), "answers with what is no manifest"),
        (index, "for linux/riscv64; it has a platform of another name"),
    ] {
        let platform = ["--platform", "linux/riscv64"];
        let of_all = reply.clone();
        let known = behind_login(SECRET, move |_| reply.clone());
        let run = check(&config(Dir::new(), &known), &known, &platform);
        assert!(run.code == 2 && words(&run).contains(expected), "{expected}: {run}");
        silent(&run, expected);
        // Nor is it repeated where nobody knows that it is somebody's password.
        let open = Server::start(move |_| of_all.clone());
        let run = check(&Dir::new(), &open, &platform);
        assert!(run.code == 2 && words(&run).contains(expected), "{expected}: {run}");
        silent(&run, expected);
    }
    // Hosts are told, but for what is in them.
    let location = format!("http://{}.example/x", SECRET.to_ascii_uppercase());
    let to = location.clone();
    let redirect = behind_login(SECRET, move |_| status(307, &[("Location", &to)]));
    let challenge = format!("Bearer realm=\"{location}\"");
    let realm = Server::start(move |_| status(401, &[("WWW-Authenticate", &challenge)]));
    for (what, server) in [("redirect", redirect), ("realm", realm)] {
        let run = check(&config(Dir::new(), &server), &server, &[]);
        let told = "leads to plain HTTP at ***.example";
        assert!(run.code == 2 && words(&run).contains(told), "{what}: {run}");
        silent(&run, what);
    }
    // What an image says of itself is told in findings, but for that.
    let encoded = base64("ci", SECRET);
    let says = json!({
        "User": SECRET, "Entrypoint": [format!("/{SECRET}")], "StopSignal": SECRET,
        "Labels": {"org.opencontainers.image.revision": SECRET, "x": encoded},
    });
    let netrc = b"machine shop.example login ci password Zq8w7e6r5t\n";
    let files = layer(&[File(&format!("root/{SECRET}/.netrc"), 0o600, netrc)]);
    let image = Image::of(says, &[files]);
    let server = behind_login(SECRET, move |asked| image.answer(asked));
    let sandbox = config(Dir::new(), &server);
    for format in ["text", "json", "sarif", "html"] {
        let run = check(&sandbox, &server, &["--format", format]);
        // HTML writes slashes in its own way.
        let told = words(&run).replace("&#x2f;", "/");
        assert!(told.contains("/root/***/.netrc"), "{format}: {run}");
        silent(&run, format);
    }
}
