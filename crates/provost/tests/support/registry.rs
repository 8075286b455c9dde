//! A real registry on loopback, and crane, which pushes to it.

#![allow(dead_code, unreachable_pub, reason = "each test file is a crate and uses its part")]
#![allow(clippy::unwrap_used, reason = "it is a test's own tool")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use crate::support::{Dir, succeed, tool};

/// The password of `ci`.
pub const CANARY: &str = "kanarie-7Qx9vW2m";

/// `ci` and the canary, hashed by bcrypt.
const HTPASSWD: &str = "ci:$2a$04$YJTDRhoYls9JqeP9xOzFxuYv5nAw.AT5bMvNAZXAXJhUyQ8Z6hPJ.\n";

/// The registry of the distribution project. It ends with the test.
pub struct Registry {
    child: Child,
    /// `127.0.0.1:PORT`
    pub address: String,
    pub folder: Dir,
}

impl Registry {
    /// `more` is YAML for its configuration; `FOLDER` in it is where `files` lie.
    pub fn start(files: &[(&str, &[u8])], http: &str, more: &str) -> Self {
        let folder = files.iter().fold(Dir::new(), |dir, (name, text)| dir.file(name, text));
        let config = format!(
            "version: 0.1\nlog: {{level: info, formatter: text}}\nstorage:\n  filesystem: \
             {{rootdirectory: FOLDER/data}}\n  maintenance: {{uploadpurging: {{enabled: false}}}}\n\
             http:\n  addr: 127.0.0.1:0\n  secret: no-secret\n{http}{more}"
        );
        let config = config.replace("FOLDER", folder.path().to_str().unwrap());
        let folder = folder.file("config.yml", config);
        let mut command = Command::new(tool("registry"));
        command.args(["serve", "config.yml"]).current_dir(folder.path());
        command.env_clear().env("OTEL_TRACES_EXPORTER", "none");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            let length = lines.read_line(&mut line).unwrap();
            assert!(length > 0, "the registry ends before it listens:\n{said}");
            if let Some((_, rest)) = line.split_once("listening on ") {
                let end = rest.find(|c: char| c != '.' && c != ':' && !c.is_ascii_digit());
                break rest[..end.unwrap()].to_owned();
            }
            said += &line;
        };
        // What it goes on to say must be read, or it waits.
        std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
        Self { child, address, folder }
    }

    pub fn plain() -> Self {
        Self::start(&[], "", "")
    }

    pub fn with_password() -> Self {
        let auth = "auth: {htpasswd: {realm: shop, path: FOLDER/htpasswd}}\n";
        Self::start(&[("htpasswd", HTPASSWD.as_bytes())], "", auth)
    }

    /// What crane does, with the logins of a sandbox.
    pub fn crane(&self, sandbox: &Dir, args: &[&str]) -> String {
        let mut crane = Command::new(tool("crane"));
        crane.args(args).current_dir(sandbox.path()).env_clear().env("HOME", sandbox.path());
        let bundle = self.folder.path().join("cert.pem");
        if bundle.is_file() {
            crane.env("SSL_CERT_FILE", bundle);
        }
        succeed(&mut crane)
    }

    /// Pushes what lies in `layout` by that name, as `ci`, whose login is in the sandbox from then on.
    pub fn push_as_ci(&self, sandbox: &Dir, name: &str) {
        self.crane(sandbox, &["auth", "login", &self.address, "-u", "ci", "-p", CANARY]);
        self.crane(sandbox, &["push", "layout", name]);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
