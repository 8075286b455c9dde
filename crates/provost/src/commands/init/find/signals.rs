//! Whether a program waits for signals, and whether SIGTERM is among them.

use super::View;

/// Functions that ask for signals, by their package.
const ASK: &[(&str, &[&str])] =
    &[("os/signal", &["Notify", "NotifyContext"]), ("github.com/oklog/run", &["SignalHandler"])];

/// Libraries that handle SIGTERM by themselves.
const HANDLERS: &[&str] = &["go.uber.org/fx", "sigs.k8s.io/controller-runtime"];

/// Whether it waits for any signal.
pub(super) fn waits(view: &View<'_>) -> bool {
    ASK.iter().any(|(path, names)| view.uses(path, names))
        || HANDLERS.iter().any(|path| view.imports(path))
}

/// Whether it handles SIGTERM, which is what the kubelet sends.
pub(super) fn handles_sigterm(view: &View<'_>) -> bool {
    let is_named = ["syscall", "golang.org/x/sys/unix"].iter().any(|p| view.uses(p, &["SIGTERM"]));
    let asks = ASK.iter().any(|(path, names)| view.uses(path, names));
    HANDLERS.iter().any(|path| view.imports(path))
        || (asks && (is_named || asks_for_all(view) || !names_any(view)))
}

/// `signal.Notify(c)`: without a name it is all of them.
fn asks_for_all(view: &View<'_>) -> bool {
    view.files().any(|file| {
        ASK.iter().any(|(path, names)| {
            file.imports.get(*path).is_some_and(|receiver| {
                file.calls.iter().any(|call| {
                    call.receiver == *receiver
                        && names.contains(&call.name.as_str())
                        && call.arguments.len() == 1
                })
            })
        })
    })
}

/// Whether any signal is named here; if none is, which ones they are is said elsewhere.
fn names_any(view: &View<'_>) -> bool {
    let signals = ["os.Interrupt", "os.Kill", "syscall.SIG", "unix.SIG"];
    view.files().flat_map(|file| &file.mentions).any(|m| signals.iter().any(|s| m.starts_with(s)))
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn an_interrupt_is_no_sigterm() {
        for (body, waiting, handled) in [
            ("signal.NotifyContext(ctx, os.Interrupt)", true, false),
            ("signal.Notify(c, syscall.SIGHUP)", true, false),
            ("signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)", true, true),
            ("signal.Notify(c)", true, true),
            ("signal.Notify(c, signals.All...)", true, true),
            ("signal.Ignore(syscall.SIGTERM)", false, false),
        ] {
            let source = format!(
                "package main\nimport (\n\"os\"\n\"os/signal\"\n\"syscall\"\n)\nfunc main() {{ {body} }}"
            );
            let file = file::read(&source);
            let view = View { packages: vec![vec![&file]] };
            assert_eq!((waits(&view), handles_sigterm(&view)), (waiting, handled), "{body}");
        }
    }
}
