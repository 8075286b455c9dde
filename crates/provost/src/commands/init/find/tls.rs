//! Which listeners speak TLS, by the calls that start them.

use std::collections::BTreeMap;

use super::View;
use super::file::{Call, GoFile, Value};
use super::listen::{FRAMEWORKS, Role, role_named, role_unnamed};

/// Whether a listener speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Secure {
    Plain,
    Tls,
    /// The program has both, and which of them this is cannot be told.
    Unknown,
}

/// Which servers a program starts.
#[derive(Default)]
pub(super) struct Started {
    /// By what they are for: whether some speak TLS, and whether some do not.
    by_role: BTreeMap<Role, (bool, bool)>,
}

impl Started {
    /// `both`: of HTTP and gRPC.
    pub(super) fn of(view: &View<'_>, both: bool) -> Self {
        let mut started = Self::default();
        let has_framework = FRAMEWORKS.iter().any(|path| view.imports(path));
        // Listeners that are served by `Serve`, less those that are known to be others'.
        let mut serves = 0isize;
        for file in view.files() {
            for call in &file.calls {
                let is_of = |path: &str| file.imports.get(path) == Some(&call.receiver);
                if is_of("google.golang.org/grpc") && call.name == "NewServer" {
                    serves -= 1;
                    continue;
                }
                if call.name == "Serve" {
                    serves += 1;
                    continue;
                }
                let Some(secure) = of_call(call, file) else { continue };
                let is_frameworks = !call.name.starts_with("ListenAndServe")
                    && call.name != "ServeTLS"
                    && !is_listener(call, file);
                // `StartTLS` of SMTP and LDAP is a client's, `Run` everybody's.
                if is_frameworks && !has_framework {
                    continue;
                }
                serves -= isize::from(is_listener(call, file));
                let role = role_named(call).unwrap_or(role_unnamed(call, both));
                started.add(role, secure);
            }
        }
        if serves > 0 {
            started.add(Role::Http, false);
        }
        started
    }

    fn add(&mut self, role: Role, secure: bool) {
        let (tls, plain) = self.by_role.entry(role).or_default();
        *tls |= secure;
        *plain |= !secure;
    }

    /// Whether the listener for something speaks TLS; `call` is what the call with its address says.
    pub(super) fn secure(&self, role: Role, call: Option<bool>) -> Secure {
        let told = |is_tls| if is_tls { Secure::Tls } else { Secure::Plain };
        let any_tls = self.by_role.values().any(|(tls, _)| *tls);
        let any_plain = self.by_role.values().any(|(_, plain)| *plain);
        match (any_tls, any_plain, call, self.by_role.get(&role)) {
            (false, ..) => Secure::Plain,
            (true, false, ..) => Secure::Tls,
            (true, true, Some(is_tls), _) => told(is_tls),
            (true, true, None, Some((true, false))) => Secure::Tls,
            (true, true, None, Some((false, true))) => Secure::Plain,
            (true, true, None, _) => Secure::Unknown,
        }
    }
}

/// Whether a call that starts a server or listens speaks TLS; `None` of other calls, and of those
/// that leave it to what is done with the listener.
pub(super) fn of_call(call: &Call, file: &GoFile) -> Option<bool> {
    match call.name.as_str() {
        "ListenAndServeTLS" | "ServeTLS" | "RunTLS" | "StartTLS" | "StartAutoTLS" | "ListenTLS"
        | "ListenMutualTLS" => Some(true),
        "ListenAndServe" => Some(false),
        _ if is_listener(call, file) => Some(true),
        "Run" | "Start" | "Listen" => {
            // `cmd.Run()`, `worker.Start(ctx)`, `app.Run(os.Args)` and `net.Listen(...)` start no
            // server: one is given where to listen.
            let is_address = |name: &str| {
                let name = name.to_ascii_lowercase();
                ["addr", "port", "listen", "bind", "host"].iter().any(|word| name.contains(word))
            };
            let address = match call.arguments.as_slice() {
                [Value::Text(text), ..] => text.is_empty() || text.contains(':'),
                [Value::Name(name), ..] => !matches!(name.as_str(), "ctx" | "context" | "args"),
                [Value::Member(_, name), ..] => is_address(name),
                // `":" + port`
                [Value::Other] => call.name != "Start",
                _ => false,
            };
            // Neither does `(&net.ListenConfig{}).Listen(...)`; `gin.Default().Run(":80")` does.
            let net = file.imports.get("net") == Some(&call.receiver)
                || (call.receiver == ")" && call.name == "Listen");
            (address && !net).then_some(false)
        }
        _ => None,
    }
}

/// `tls.Listen`, `tls.NewListener`, `autocert.NewListener`
fn is_listener(call: &Call, file: &GoFile) -> bool {
    let paths = ["crypto/tls", "golang.org/x/crypto/acme/autocert"];
    matches!(call.name.as_str(), "Listen" | "NewListener")
        && paths.iter().any(|path| file.imports.get(*path) == Some(&call.receiver))
}

/// Whether servers of gRPC ask for TLS, which the kubelet's probe does not speak.
pub(super) fn grpc(view: &View<'_>) -> bool {
    const CREDENTIALS: &str = "google.golang.org/grpc/credentials";
    const INSECURE: &str = "google.golang.org/grpc/credentials/insecure";
    let others = view.files().flat_map(|file| file.imports.keys()).any(|path| {
        path != INSECURE
            && path.strip_prefix(CREDENTIALS).is_some_and(|r| r.is_empty() || r.starts_with('/'))
    });
    others
        || (view.uses("google.golang.org/grpc", &["Creds"]) && !view.imports(INSECURE))
        || view.uses("crypto/tls", &["Listen", "NewListener"])
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn view_of(source: &str, look: impl FnOnce(&View<'_>)) {
        let file = file::read(&format!("package main\n{source}"));
        look(&View { packages: vec![vec![&file]] });
    }

    #[test]
    fn each_listener_is_known_by_its_call() {
        use Secure::{Plain, Tls, Unknown};
        let http = "import (\n\"net/http\"\n\"crypto/tls\"\n)\n";
        // Of HTTP and of the operators'.
        for (source, expected) in [
            ("s.ListenAndServe()", [Plain, Plain]),
            ("s.ListenAndServeTLS(a, b)", [Tls, Tls]),
            ("s.ServeTLS(l, a, b)", [Tls, Tls]),
            ("s.ListenAndServeTLS(a, b); adminServer.ListenAndServe()", [Tls, Plain]),
            ("s.ListenAndServe(); adminServer.ListenAndServeTLS(a, b)", [Plain, Tls]),
            ("s.ListenAndServe(); t.ListenAndServeTLS(a, b)", [Unknown, Unknown]),
            ("l := tls.Listen(\"tcp\", a, c); http.Serve(l, h)", [Tls, Tls]),
            (
                "l := tls.Listen(\"tcp\", a, c); http.Serve(l, h); http.Serve(m, h)",
                [Unknown, Unknown],
            ),
            // Of SMTP.
            ("c.StartTLS(config); s.ListenAndServe()", [Plain, Plain]),
        ] {
            view_of(&format!("{http}func main() {{ {source} }}"), |view| {
                let started = Started::of(view, false);
                let found = [Role::Http, Role::Admin].map(|role| started.secure(role, None));
                assert_eq!(found, expected, "{source}");
            });
        }
        view_of(
            "import \"net/http\"\nfunc main() { a.ListenAndServe(); b.ListenAndServeTLS(c, d) }",
            |view| {
                assert_eq!(Started::of(view, false).secure(Role::Http, Some(true)), Tls);
            },
        );
        view_of(
            "import \"github.com/gin-gonic/gin\"\nfunc main() { go gin.New().Run(a); gin.New().RunTLS(b, c, d) }",
            |view| assert_eq!(Started::of(view, false).secure(Role::Http, None), Unknown),
        );
        // What is run besides is no server.
        for besides in ["app.Run(os.Args)", "worker.Start(context.Background())", "job.Run(ctx)"] {
            let source = format!(
                "import \"github.com/gin-gonic/gin\"\nfunc main() {{ {besides}; gin.New().RunTLS(b, c, d) }}"
            );
            view_of(&source, |view| {
                assert_eq!(Started::of(view, false).secure(Role::Http, None), Tls, "{besides}");
            });
        }
    }

    #[test]
    fn grpc_has_tls_by_its_credentials() {
        let grpc_path = "\"google.golang.org/grpc\"";
        for (imports, body, expected) in [
            ("", "grpc.NewServer()", false),
            ("", "grpc.NewServer(grpc.Creds(c))", true),
            ("\"google.golang.org/grpc/credentials\"", "credentials.NewTLS(c)", true),
            ("\"google.golang.org/grpc/credentials/insecure\"", "insecure.NewCredentials()", false),
            (
                "\"google.golang.org/grpc/credentials/insecure\"",
                "grpc.NewServer(grpc.Creds(insecure.NewCredentials()))",
                false,
            ),
            ("\"google.golang.org/grpc/credentials/xds\"", "f()", true),
            ("\"crypto/tls\"", "tls.Listen(\"tcp\", a, c)", true),
        ] {
            let source = format!("import (\n{grpc_path}\n{imports}\n)\nfunc main() {{ {body} }}");
            view_of(&source, |view| assert_eq!(grpc(view), expected, "{imports} {body}"));
        }
    }
}
