//! The functions, names and values of a program, as they are looked up.

use std::collections::{BTreeMap, BTreeSet};

use super::super::View;
use super::super::file::GoFile;
use super::expression::{Called, Expression};
use super::flow::{Binding, Event, Function};

/// Rounds in which it is found out which functions reach which.
const DEEPEST: usize = 10;

/// Methods of one name that are all looked at, because it is not known whose it is.
const MOST_METHODS: usize = 4;

/// A function of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Site {
    pub(super) file: usize,
    pub(super) function: usize,
}

/// The program, as its names are looked up.
pub(super) struct Program<'m> {
    pub(super) files: Vec<&'m GoFile>,
    /// The package of each file.
    pub(super) packages: Vec<usize>,
    pub(super) functions: BTreeMap<&'m str, Vec<Site>>,
    pub(super) literals: BTreeMap<(usize, usize), Site>,
    pub(super) bindings: BTreeMap<&'m str, Vec<(usize, &'m Binding)>>,
    /// Channels that signals are sent to.
    pub(super) channels: BTreeSet<&'m str>,
    /// Functions from which something is waited for or closed, directly or not.
    pub(super) telling: BTreeSet<Site>,
    /// Of these those in which the signal is taken, or something closed.
    pub(super) ending: BTreeSet<Site>,
}

impl<'m> Program<'m> {
    pub(super) fn new(view: &View<'m>) -> Self {
        let mut program = Self {
            files: Vec::new(),
            packages: Vec::new(),
            functions: BTreeMap::new(),
            literals: BTreeMap::new(),
            bindings: BTreeMap::new(),
            channels: BTreeSet::new(),
            telling: BTreeSet::new(),
            ending: BTreeSet::new(),
        };
        for (package, files) in view.packages.iter().enumerate() {
            for file in files {
                let number = program.files.len();
                program.files.push(file);
                program.packages.push(package);
                for (function, known) in file.flow.functions.iter().enumerate() {
                    let site = Site { file: number, function };
                    match known.name.as_str() {
                        "" => {
                            program.literals.insert((number, known.at), site);
                        }
                        name => program.functions.entry(name).or_default().push(site),
                    }
                }
                for binding in &file.flow.bindings {
                    program.bindings.entry(&binding.name).or_default().push((number, binding));
                }
                let signal = file.imports.get("os/signal");
                for call in calls_of(file) {
                    if Some(&call.of) == signal && call.name == "Notify" {
                        program.channels.extend(call.arguments.first().and_then(Expression::name));
                    }
                }
            }
        }
        program.telling = program.reaching(true);
        program.ending = program.reaching(false);
        program
    }

    /// The functions from which the signal or a close is reached, or with `waits` something that is
    /// waited for. By names: some that only seem to reach one are among them.
    fn reaching(&self, waits: bool) -> BTreeSet<Site> {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        let mut found = BTreeSet::new();
        for _ in 0..=DEEPEST {
            let before = found.len();
            for (file, of) in self.files.iter().enumerate() {
                for (number, function) in of.flow.functions.iter().enumerate() {
                    let site = Site { file, function: number };
                    if !found.contains(&site)
                        && self.reaches(&function.events, site, waits, &names, &found)
                    {
                        found.insert(site);
                        names.insert(&function.name);
                    }
                }
            }
            if found.len() == before {
                break;
            }
        }
        found
    }

    fn reaches(
        &self,
        events: &'m [Event],
        site: Site,
        waits: bool,
        names: &BTreeSet<&str>,
        found: &BTreeSet<Site>,
    ) -> bool {
        let inner = |events: &'m [Event]| self.reaches(events, site, waits, names, found);
        events.iter().any(|event| match event {
            Event::Receive { of, ranges, .. } => {
                (waits && self.waits_for(of, site).is_some())
                    || self.signal(of, *ranges, site).is_some()
            }
            Event::Call { call, .. } => {
                let known = !call.name.is_empty() && names.contains(call.name.as_str());
                known || (waits && self.sleep(call, site).is_some()) || self.closes(call, site)
            }
            Event::Function { at, .. } => {
                self.literals.get(&(site.file, *at)).is_some_and(|literal| found.contains(literal))
            }
            Event::Either { branches, .. } | Event::Select(branches) => {
                branches.iter().any(|branch| inner(branch))
            }
            Event::Repeated(body) => inner(body),
            Event::Leave | Event::Exit => false,
        })
    }

    pub(super) fn function(&self, site: Site) -> &'m Function {
        &self.files[site.file].flow.functions[site.function]
    }

    pub(super) fn is_of(&self, site: Site, path: &str, name: &str) -> bool {
        self.files[site.file].imports.get(path).is_some_and(|own| own == name)
    }

    /// Functions that others call, and literals that stand in others: they are followed from there.
    pub(super) fn called_by_others(&self) -> BTreeSet<Site> {
        let mut found = BTreeSet::new();
        for site in &self.telling {
            let mut open = vec![&self.function(*site).events[..]];
            while let Some(events) = open.pop() {
                for event in events {
                    match event {
                        Event::Call { call, .. } => {
                            let others = self.called(call, *site);
                            found.extend(others.into_iter().filter(|other| other != site));
                        }
                        Event::Function { at, .. } => {
                            found.extend(self.literals.get(&(site.file, *at)));
                        }
                        Event::Either { branches, .. } | Event::Select(branches) => {
                            open.extend(branches.iter().map(|branch| &branch[..]));
                        }
                        Event::Repeated(body) => open.push(body),
                        Event::Receive { .. } | Event::Leave | Event::Exit => {}
                    }
                }
            }
        }
        found
    }

    /// How long a receive takes at most, when a clock ends it.
    pub(super) fn waits_for(&self, of: &'m Expression, site: Site) -> Option<&'m Expression> {
        let timed = |call: &'m Called| {
            let timer = matches!(call.name.as_str(), "After" | "NewTimer");
            (timer && self.is_of(site, "time", &call.of)).then(|| call.arguments.first())?
        };
        match of {
            Expression::Call(call) => timed(call),
            Expression::Member(timer, field) if field == "C" => self.timer(timer, site, &timed),
            Expression::Name(name) => self.timer(name, site, &timed),
            _ => None,
        }
    }

    fn timer(
        &self,
        name: &str,
        site: Site,
        timed: &dyn Fn(&'m Called) -> Option<&'m Expression>,
    ) -> Option<&'m Expression> {
        let mut bound = self.bound(name, site).into_iter();
        let (Some(only), None) = (bound.next(), bound.next()) else { return None };
        match &only.value {
            Expression::Call(call) => timed(call),
            _ => None,
        }
    }

    /// Whether a receive is that of the signal: for certain, or by the channel's name.
    pub(super) fn signal(&self, of: &Expression, ranges: bool, site: Site) -> Option<bool> {
        match of {
            Expression::Call(call) if call.name == "Done" => {
                let limited = |binding: &&Binding| match &binding.value {
                    Expression::Call(call) => {
                        matches!(call.name.as_str(), "WithTimeout" | "WithDeadline")
                    }
                    _ => false,
                };
                let bound = self.bound(&call.of, site);
                let is_limit = !bound.is_empty() && bound.iter().all(limited);
                (!is_limit).then_some(true)
            }
            Expression::Name(name) | Expression::Member(_, name) => {
                if self.channels.contains(name.as_str()) {
                    return Some(true);
                }
                let lower = name.to_ascii_lowercase();
                let words = ["sig", "quit", "stop", "shutdown", "term", "interrupt"];
                (!ranges && words.iter().any(|word| lower.contains(word))).then_some(false)
            }
            _ => None,
        }
    }

    /// What is slept for.
    pub(super) fn sleep<'c>(&self, call: &'c Called, site: Site) -> Option<&'c Expression> {
        let of_time = self.is_of(site, "time", &call.of);
        (of_time && call.name == "Sleep").then(|| call.arguments.first()).flatten()
    }

    /// Whether a call ends the listening of a server.
    pub(super) fn closes(&self, call: &Called, site: Site) -> bool {
        let of = call.of.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| of.contains(word));
        // They have a `Shutdown` as well.
        let telemetry =
            has(&["trace", "provider", "meter", "otel", "telemetry", "export", "health"])
                || matches!(of.as_str(), "tp" | "mp" | "lp");
        let file = self.files[site.file];
        let imports = |path: &str| file.imports.keys().any(|found| found.starts_with(path));
        match call.name.as_str() {
            "GracefulStop" | "ShutdownWithTimeout" | "ShutdownWithContext" => true,
            "Shutdown" if call.arguments.is_empty() => {
                let frameworks = ["github.com/gofiber/fiber", "github.com/valyala/fasthttp"];
                !telemetry && frameworks.iter().any(|path| imports(path))
            }
            "Shutdown" => !telemetry && !of.is_empty(),
            _ => false,
        }
    }

    /// The functions of the module that a call may be of.
    pub(super) fn called(&self, call: &Called, site: Site) -> Vec<Site> {
        let file = self.files[site.file];
        let package = file.imports.iter().find(|(_, name)| **name == call.of);
        let named = self.functions.get(call.name.as_str());
        let mut found: Vec<Site> = named
            .into_iter()
            .flatten()
            .copied()
            .filter(|other| {
                let is_method = self.function(*other).is_method;
                let theirs = self.files[other.file];
                match (call.of.as_str(), package) {
                    ("", _) => !is_method && self.packages[other.file] == self.packages[site.file],
                    (_, Some((path, name))) => {
                        let last = path.rsplit('/').next().unwrap_or_default();
                        !is_method && (theirs.package == *name || theirs.package == last)
                    }
                    (_, None) => is_method,
                }
            })
            .collect();
        if call.of.is_empty() && found.is_empty() {
            let literal = |binding: &Binding| match binding.value {
                Expression::Function(at) => self.literals.get(&(site.file, at)).copied(),
                _ => None,
            };
            found.extend(self.bound(&call.name, site).into_iter().filter_map(literal));
        }
        found.retain(|other| self.telling.contains(other));
        if found.len() > MOST_METHODS { Vec::new() } else { found }
    }
}

/// All calls in a file's functions.
fn calls_of(file: &GoFile) -> Vec<&Called> {
    let mut found = Vec::new();
    let mut open: Vec<&[Event]> = file.flow.functions.iter().map(|f| &f.events[..]).collect();
    while let Some(events) = open.pop() {
        for event in events {
            match event {
                Event::Call { call, .. } => found.push(call),
                Event::Either { branches, .. } | Event::Select(branches) => {
                    open.extend(branches.iter().map(|branch| &branch[..]));
                }
                Event::Repeated(body) => open.push(body),
                _ => {}
            }
        }
    }
    found
}
