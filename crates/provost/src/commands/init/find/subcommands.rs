//! Which subcommand of a program serves: `ctl serve` of one that cobra takes apart. Without it the
//! program prints its help and ends.

use std::collections::BTreeSet;

use super::View;
use super::file::GoFile;
use super::shutdown::flow::{Event, Expression, Subcommand};

/// How a program is told to serve.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Arguments {
    /// It serves as it is started, or takes no subcommands.
    None,
    /// These words.
    Words(Vec<String>),
    /// Some of its subcommands may serve.
    Unknown,
}

/// Subcommands in each other.
const DEEPEST: usize = 4;

/// Rounds in which it is found out which functions reach which.
const ROUNDS: usize = 12;

/// What a program that serves calls in the end.
const SERVES: &[&str] = &[
    "ListenAndServe",
    "ListenAndServeTLS",
    "Serve",
    "ServeTLS",
    "Notify",
    "NotifyContext",
    "SetupSignalHandler",
];

/// A subcommand, and the file that has it.
#[derive(Clone, Copy)]
struct Known<'m> {
    file: &'m GoFile,
    package: usize,
    command: &'m Subcommand,
}

/// How a program is told to serve.
pub(super) fn arguments(view: &View<'_>) -> Arguments {
    let mut all: Vec<Known<'_>> = Vec::new();
    for (package, files) in view.packages.iter().enumerate() {
        for file in files {
            let commands = file.flow.subcommands.iter();
            all.extend(commands.map(|command| Known { file, package, command }));
        }
    }
    if all.is_empty() {
        return Arguments::None;
    }
    let serving = serving_names(view);
    let serve: Vec<&Known<'_>> = all.iter().filter(|known| serves(known, &serving)).collect();
    let adds = additions(view);
    let is_root = |known: &&Known<'_>| !adds.iter().any(|added| added.is_of(known));
    match serve[..] {
        // None is seen to serve. A root that runs something may.
        [] if all.len() == 1 || all.iter().filter(is_root).any(|it| it.command.runs.is_some()) => {
            Arguments::None
        }
        [] => Arguments::Unknown,
        [only] => path(only, &all, &adds),
        _ => Arguments::Unknown,
    }
}

/// The words that lead to a subcommand.
fn path(from: &Known<'_>, all: &[Known<'_>], adds: &[Addition<'_>]) -> Arguments {
    let mut words = Vec::new();
    let mut at = *from;
    for _ in 0..DEEPEST {
        let mut parents = adds.iter().filter(|added| added.is_of(&at));
        let Some(added) = parents.next() else {
            words.reverse();
            return if words.is_empty() { Arguments::None } else { Arguments::Words(words) };
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let name = &at.command.name;
        if parents.next().is_some() || name.is_empty() || !name.bytes().all(plain) {
            return Arguments::Unknown;
        }
        words.push(name.clone());
        match all.iter().find(|known| added.is_by(known)) {
            Some(parent) => at = *parent,
            // The root is made in some other way.
            None => {
                words.reverse();
                return Arguments::Words(words);
            }
        }
    }
    Arguments::Unknown
}

/// `parent.AddCommand(child)`
struct Addition<'m> {
    file: &'m GoFile,
    package: usize,
    /// The function in which it is called.
    inside: usize,
    parent: &'m str,
    child: &'m Expression,
}

impl Addition<'_> {
    fn is_of(&self, known: &Known<'_>) -> bool {
        match self.child {
            Expression::Name(name) => self.names(name, known),
            // `version.NewCommand()`, `serve.Cmd`
            Expression::Call(call) => {
                let makes = made_in(known) == Some(call.name.as_str());
                makes && (!call.of.is_empty() || known.package == self.package)
            }
            Expression::Member(_, name) => {
                known.command.inside.is_none() && known.command.variable.as_deref() == Some(name)
            }
            _ => false,
        }
    }

    fn is_by(&self, known: &Known<'_>) -> bool {
        self.names(self.parent, known)
    }

    /// Whether a variable where this is called is that command.
    fn names(&self, name: &str, known: &Known<'_>) -> bool {
        let same = known.command.variable.as_deref() == Some(name) && known.package == self.package;
        same && match known.command.inside {
            None => true,
            Some(function) => std::ptr::eq(known.file, self.file) && function == self.inside,
        }
    }
}

/// The function that makes a command.
fn made_in<'m>(known: &Known<'m>) -> Option<&'m str> {
    let function = known.file.flow.functions.get(known.command.inside?)?;
    (!function.name.is_empty()).then_some(function.name.as_str())
}

fn additions<'m>(view: &View<'m>) -> Vec<Addition<'m>> {
    let mut found = Vec::new();
    for (package, files) in view.packages.iter().enumerate() {
        for file in files.iter().copied() {
            for (inside, function) in file.flow.functions.iter().enumerate() {
                each(&function.events, &mut |event| {
                    if let Event::Call { call, .. } = event
                        && call.name == "AddCommand"
                    {
                        let parent = call.of.as_str();
                        found.extend(call.arguments.iter().map(|child| Addition {
                            file,
                            package,
                            inside,
                            parent,
                            child,
                        }));
                    }
                });
            }
        }
    }
    found
}

/// Names of functions that reach what a server calls.
fn serving_names<'m>(view: &View<'m>) -> BTreeSet<&'m str> {
    let mut names = BTreeSet::new();
    for _ in 0..ROUNDS {
        let before = names.len();
        for file in view.files() {
            for (number, function) in file.flow.functions.iter().enumerate() {
                if !function.name.is_empty() && reaches(file, number, &names, 0) {
                    names.insert(function.name.as_str());
                }
            }
        }
        if names.len() == before {
            break;
        }
    }
    names
}

/// Whether a function, literals in it included, calls one of these, or a server.
fn reaches(file: &GoFile, number: usize, names: &BTreeSet<&str>, depth: usize) -> bool {
    let Some(function) = file.flow.functions.get(number).filter(|_| depth < 8) else {
        return false;
    };
    let mut found = false;
    each(&function.events, &mut |event| match event {
        Event::Call { call, .. } => {
            let name = call.name.as_str();
            found |= SERVES.contains(&name) || names.contains(name);
        }
        Event::Function { at, .. } if !found => {
            let inner = file.flow.functions.iter().position(|it| it.at == *at);
            found |= inner
                .is_some_and(|inner| inner != number && reaches(file, inner, names, depth + 1));
        }
        _ => {}
    });
    found
}

fn serves(known: &Known<'_>, names: &BTreeSet<&str>) -> bool {
    match &known.command.runs {
        Some(Expression::Function(at)) => {
            let number = known.file.flow.functions.iter().position(|it| it.at == *at);
            number.is_some_and(|number| reaches(known.file, number, names, 0))
        }
        Some(value) => value.name().is_some_and(|name| names.contains(name)),
        None => false,
    }
}

/// Every event, those in branches too.
fn each<'m>(events: &'m [Event], see: &mut impl FnMut(&'m Event)) {
    let mut open = vec![events];
    while let Some(events) = open.pop() {
        for event in events {
            see(event);
            match event {
                Event::Either { branches, .. } | Event::Select(branches) => {
                    open.extend(branches.iter().map(Vec::as_slice));
                }
                Event::Repeated(body) => open.push(body),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn of(files: &[&str]) -> Arguments {
        let head = "package main\nimport (\n\"net/http\"\n\"github.com/spf13/cobra\"\n)\n";
        let files: Vec<GoFile> =
            files.iter().map(|text| file::read(&format!("{head}{text}"))).collect();
        arguments(&View { packages: vec![files.iter().collect()] })
    }

    fn words(text: &str) -> Arguments {
        Arguments::Words(text.split(' ').map(str::to_owned).collect())
    }

    #[test]
    fn the_subcommand_that_serves_is_found() {
        let root =
            "var rootCmd = &cobra.Command{Use: \"ctl\"}\nfunc main() {\nrootCmd.Execute()\n}\n";
        let version = "var versionCmd = &cobra.Command{Use: \"version\", Run: func(c *cobra.Command, a []string) { println(1) }}\n\
                       func init() {\nrootCmd.AddCommand(versionCmd)\n}\n";
        let serve = "var serveCmd = &cobra.Command{\nUse: \"serve [flags]\",\nRunE: func(c *cobra.Command, a []string) error {\nreturn run()\n},\n}\n\
                     func init() {\nrootCmd.AddCommand(serveCmd)\n}\nfunc run() error {\nreturn http.ListenAndServe(addr, nil)\n}\n";
        assert_eq!(of(&[root, version, serve]), words("serve"));
        assert_eq!(of(&[root, version]), Arguments::Unknown);
        // The root itself serves, or nothing takes subcommands.
        let alone = "var rootCmd = &cobra.Command{Use: \"ctl\", RunE: run}\nfunc main() {\nrootCmd.Execute()\n}\n\
                     func run(c *cobra.Command, a []string) error {\nreturn http.ListenAndServe(addr, nil)\n}\n";
        assert_eq!(of(&[alone, version]), Arguments::None);
        assert_eq!(of(&["func main() {\nhttp.ListenAndServe(addr, nil)\n}\n"]), Arguments::None);
        // Made by functions, one in another.
        let made = "func newRoot() *cobra.Command {\ncmd := &cobra.Command{Use: \"ctl\"}\ncmd.AddCommand(newServer())\nreturn cmd\n}\n\
                    func newServer() *cobra.Command {\ncmd := &cobra.Command{Use: \"server\"}\ncmd.AddCommand(newStart(), newStop())\nreturn cmd\n}\n\
                    func newStart() *cobra.Command {\nreturn &cobra.Command{\nUse: \"start\",\nRunE: func(c *cobra.Command, a []string) error {\nreturn srv.ListenAndServe()\n},\n}\n}\n\
                    func newStop() *cobra.Command {\nreturn &cobra.Command{Use: \"stop\", Run: stop}\n}\n";
        assert_eq!(of(&[made]), words("server start"));
        // Two that serve, and a name that is none.
        let worker = serve.replace("serve", "work").replace("func run()", "func unused()");
        assert_eq!(of(&[root, serve, &worker]), Arguments::Unknown);
        assert_eq!(
            of(&[root, &serve.replace("\"serve [flags]\"", "\"{{serve}}\"")]),
            Arguments::Unknown
        );
    }
}
