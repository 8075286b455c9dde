//! Programs that are there and are not started.

use super::*;

/// How a program begins is read off the layers: a script by its first line, a file without a byte by its size.
#[test]
fn a_command_that_the_kernel_cannot_start_is_told() {
    let shell = program();
    let script = |text: &'static str| File("entry.sh", 0o755, text.as_bytes());
    let rule = "unrunnable-entrypoint";
    let cases: [(&str, Vec<Item<'_>>, Option<&str>); 8] = [
        (
            "/entry.sh",
            vec![script("#!/bin/bash\nexec /srv\n")],
            Some("/bin/bash of /entry.sh is no file"),
        ),
        (
            "/entry.sh",
            vec![script("#!/bin/sh\r\nexec /srv\r\n"), File("bin/sh", 0o755, &shell)],
            Some("the kernel looks for /bin/sh\\r"),
        ),
        (
            "entry.sh",
            vec![
                File("usr/bin/entry.sh", 0o755, b"#!/usr/bin/env bash\n"),
                File("usr/bin/env", 0o755, &shell),
            ],
            Some("env of /usr/bin/entry.sh looks for bash"),
        ),
        ("/entry.sh", vec![script("exec /srv\n")], Some("is a text that does not begin with #!")),
        ("/srv", vec![File("srv", 0o755, b"")], Some("the program /srv is empty")),
        (
            "/app",
            vec![Folder("app"), File("app/srv", 0o755, &shell)],
            Some("the command /app is a folder"),
        ),
        ("/entry.sh", vec![script("#!/bin/sh\nexec /srv\n"), File("bin/sh", 0o755, &shell)], None),
        ("/srv", vec![File("srv", 0o755, &shell)], None),
    ];
    for (entrypoint, files, expected) in cases {
        let sandbox = Dir::new();
        write_dir(
            &sandbox,
            "shop",
            &layout("amd64", json!({"Entrypoint": [entrypoint]}), &[layer(&files)]),
        );
        let run =
            sandbox.provost(&["check", "--image", "oci:shop", "--only", rule, "--fail-on", "deny"]);
        let out = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
        match expected {
            Some(expected) => assert!(run.code == 1 && out.contains(expected), "{expected}: {run}"),
            None => assert!(run.code == 0 && !out.contains(rule), "{run}"),
        }
    }
}

/// A user's name is looked up in the passwd file of all layers.
#[test]
fn a_user_that_the_image_does_not_know_is_told() {
    let srv = program();
    for (user, passwd, expected) in [
        ("app", Some(PASSWD), None),
        ("nobody", Some(PASSWD), Some("the image has no user nobody")),
        ("ap", Some(PASSWD), Some("did you mean app?")),
        ("app:app", Some(PASSWD), Some("the image has no group app")),
        ("app", None, Some("the image has no user app")),
        ("1000:1000", None, None),
    ] {
        let mut files = vec![File("srv", 0o755, &srv)];
        files.extend(passwd.map(|passwd| File("etc/passwd", 0o644, passwd)));
        let sandbox = Dir::new();
        let config = json!({"Entrypoint": ["/srv"], "User": user});
        write_dir(&sandbox, "shop", &layout("amd64", config, &[layer(&files)]));
        let run =
            sandbox.provost(&["check", "--image", "oci:shop", "--only", "unknown-image-user"]);
        let out = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
        match expected {
            Some(expected) => assert!(run.code == 1 && out.contains(expected), "{user} {run}"),
            None => assert_eq!(run.code, 0, "{user} {run}"),
        }
    }
}
