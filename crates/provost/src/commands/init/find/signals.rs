//! Whether a program waits for signals, and whether SIGTERM is among them.

use super::View;
use super::file::{Call, GoFile, Value};

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

/// Where signals are named, and which of a package's members are.
const SIGNALS: &[&str] = &["syscall", "golang.org/x/sys/unix"];

/// Whether it handles SIGTERM, which is what the kubelet sends.
pub(super) fn handles_sigterm(view: &View<'_>) -> bool {
    HANDLERS.iter().any(|path| view.imports(path))
        || view.files().any(|file| asking(file).any(|call| may_take_sigterm(call, file, view)))
}

/// The calls of a file that ask for signals.
fn asking(file: &GoFile) -> impl Iterator<Item = &Call> {
    file.calls.iter().filter(|call| {
        ASK.iter().any(|(path, names)| {
            file.imports.get(*path) == Some(&call.receiver) && names.contains(&call.name.as_str())
        })
    })
}

/// Whether SIGTERM is among the signals that a call asks for, or may be.
fn may_take_sigterm(call: &Call, file: &GoFile, view: &View<'_>) -> bool {
    // The first is the channel or the context. Without a name it is all of them.
    let Some(signals @ [_, ..]) = call.arguments.get(1..) else { return true };
    let names: Option<Vec<&str>> = signals.iter().map(|value| signal(value, file)).collect();
    match names {
        Some(names) => names.contains(&"SIGTERM"),
        // They are named elsewhere: here, or where nothing of this module says so.
        None => SIGNALS.iter().any(|path| view.uses(path, &["SIGTERM"])) || !names_any(view),
    }
}

/// The signal that an argument is; `None` for a variable.
fn signal<'f>(value: &'f Value, file: &GoFile) -> Option<&'f str> {
    let Value::Member(of, name) = value else { return None };
    let is = |path: &str| file.imports.get(path) == Some(of);
    let of_os = is("os") && matches!(name.as_str(), "Interrupt" | "Kill");
    let named = SIGNALS.iter().any(|path| is(path)) && name.starts_with("SIG");
    (of_os || named).then_some(name.as_str())
}

/// Whether any signal is named here; if none is, which ones they are is said elsewhere.
fn names_any(view: &View<'_>) -> bool {
    view.files().any(|file| {
        let of = |path: &str, start: &str| {
            file.imports.get(path).is_some_and(|name| {
                let start = format!("{name}.{start}");
                file.mentions.iter().any(|mention| mention.starts_with(&start))
            })
        };
        of("os", "Interrupt") || of("os", "Kill") || SIGNALS.iter().any(|path| of(path, "SIG"))
    })
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
            // It sends one, and takes none.
            ("signal.Notify(c, os.Interrupt); child.Signal(syscall.SIGTERM)", true, false),
            ("stop := []os.Signal{syscall.SIGTERM}; signal.Notify(c, stop...)", true, true),
            ("stop := []os.Signal{syscall.SIGHUP}; signal.Notify(c, stop...)", true, false),
        ] {
            let source = format!(
                "package main\nimport (\n\"os\"\n\"os/signal\"\n\"syscall\"\n)\nfunc main() {{ {body} }}"
            );
            let file = file::read(&source);
            let view = View { packages: vec![vec![&file]] };
            assert_eq!((waits(&view), handles_sigterm(&view)), (waiting, handled), "{body}");
        }
        // A package goes by the name of its import.
        for (name, handled) in [("SIGINT", false), ("SIGTERM", true)] {
            let source = format!(
                "package main\nimport (\n\"os/signal\"\nsys \"syscall\"\n)\nfunc main() {{ signal.Notify(c, sys.{name}) }}"
            );
            let file = file::read(&source);
            let view = View { packages: vec![vec![&file]] };
            assert_eq!(handles_sigterm(&view), handled, "{name}");
        }
    }
}
