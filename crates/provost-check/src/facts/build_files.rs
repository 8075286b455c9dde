//! Which files a Dockerfile puts into the final image, and where the program it runs comes from.
//!
//! Answers come from COPY, ADD, the copies RUN lines make, and the outputs of `go build`; what a
//! RUN line does beyond that is unknown, and said to be.

use super::build::{Build, CommandForm, CopyStep, Created, FileMove, GoBuild, StageConfig};
use super::origin::{Fact, Origin, Span};
use crate::model::shell::{Kind, Script};
use goformats::version::GoVersion;

/// Whether an absolute path exists in the final image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// Nothing in the file can create it, and the base image is known to lack it.
    Impossible,
    /// It may.
    Possibly,
    /// A COPY or ADD creates it.
    Certainly,
}

/// Where the file that the image runs comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum EntrypointSource {
    /// Index in [`Build::go_builds`] of the command that builds it.
    Built(usize),
    /// Copied ready-made from the build context: this path of it.
    Context(Fact<String>),
    /// Comes with an image: the base, or the one that `COPY --from` names.
    Base,
    /// Cannot be told.
    Unknown,
}

/// Search path of a process whose image sets none (containerd and BuildKit agree on it).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Programs that run another one as their child or in their place.
const WRAPPERS: &[&str] =
    &["tini", "dumb-init", "catatonit", "su-exec", "gosu", "setpriv", "nice", "env"];

/// Steps looked at before a trace gives up: far above real files, and a bound for hostile ones.
const STEPS: usize = 1_000_000;

/// Sources of one COPY that are looked at one by one.
const SOURCES: usize = 1000;

/// What a trace found, by how sure it is.
#[derive(Clone, Debug)]
enum Found {
    Built(usize),
    Context(Fact<String>),
    Image,
    Unknown,
}

/// One thing that a stage does to its file system.
enum Step<'a> {
    Build(usize, &'a GoBuild),
    Copy(&'a CopyStep),
    Move(&'a FileMove),
    Run(bool),
}

impl StageConfig {
    /// Absolute paths for a command's first word under this configuration.
    pub fn resolve(&self, word: &Fact<String>) -> Vec<Fact<String>> {
        let text = word.value.as_str();
        if text.is_empty() {
            return Vec::new();
        }
        if text.starts_with('/') {
            return vec![word.map(|t| normal("/", t))];
        }
        if text.contains('/') {
            let dir = self.workdir.as_ref().map_or("/", |d| d.value.as_str());
            return vec![word.map(|t| normal(dir, t))];
        }
        let path = self.env.iter().rev().find(|(name, _)| name.value == "PATH");
        path.map_or(DEFAULT_PATH, |(_, value)| value.value.as_str())
            .split(':')
            .filter(|dir| dir.starts_with('/'))
            .take(64)
            .map(|dir| word.map(|t| normal(dir, t)))
            .collect()
    }
}

impl Build {
    /// The words the image starts with: ENTRYPOINT, then CMD; nothing is expanded. In shell form
    /// the words of the first simple command, without a leading `exec`.
    pub fn command_words(&self) -> Vec<Fact<String>> {
        let config = self.config();
        let words = |form: &CommandForm| match form {
            CommandForm::Exec(words) => words.clone(),
            CommandForm::Shell(text) => shell_words(text),
        };
        match (&config.entrypoint, &config.cmd) {
            (Some(entrypoint), cmd) => {
                let mut all = words(&entrypoint.value);
                // A shell-form ENTRYPOINT takes no CMD; a shell-form CMD would be `/bin/sh -c`.
                if let (CommandForm::Exec(_), Some(cmd)) = (&entrypoint.value, cmd)
                    && let CommandForm::Exec(more) = &cmd.value
                {
                    all.extend(more.iter().cloned());
                }
                all
            }
            (None, Some(cmd)) => words(&cmd.value),
            (None, None) => Vec::new(),
        }
    }

    /// The word of the command that names the program: the first, or behind `tini --` and its like.
    pub fn program_word(&self) -> Option<Fact<String>> {
        let words = self.command_words();
        let wrapped = behind_wrapper(&words);
        wrapped.or_else(|| words.first().filter(|first| !is_wrapper(first))).cloned()
    }

    /// Absolute paths at which the program may lie: itself, or one for each directory of PATH.
    pub fn program_paths(&self) -> Vec<Fact<String>> {
        let Some(word) = self.program_word() else { return Vec::new() };
        self.resolve(&word)
    }

    /// Absolute paths for a command's first word in the final image.
    pub fn resolve(&self, word: &Fact<String>) -> Vec<Fact<String>> {
        self.config().resolve(word)
    }

    /// Where the file that the image runs comes from.
    pub fn entrypoint_source(&self) -> EntrypointSource {
        let mut weakest = EntrypointSource::Unknown;
        for path in self.program_paths() {
            let mut budget = STEPS;
            match self.trace(self.final_stage, &path, &mut budget, None) {
                Found::Built(index) => return EntrypointSource::Built(index),
                Found::Context(path) => return EntrypointSource::Context(path),
                Found::Image => weakest = EntrypointSource::Base,
                Found::Unknown => {}
            }
        }
        weakest
    }

    /// The `go build` that makes the program the image runs.
    pub fn entrypoint_build(&self) -> Option<&GoBuild> {
        match self.entrypoint_source() {
            EntrypointSource::Built(index) => self.go_builds.get(index),
            EntrypointSource::Context(_) | EntrypointSource::Base | EntrypointSource::Unknown => {
                None
            }
        }
    }

    /// The `go build` commands whose programs lie in the final image under a path that a COPY
    /// names, or that the image's own stage builds; those of its command first.
    pub fn image_builds(&self) -> Vec<&GoBuild> {
        let chain = self.final_chain();
        let copied = |build: &GoBuild| {
            let Some(output) = &build.output else { return false };
            self.copies
                .iter()
                .filter(|c| c.from_stage == Some(build.stage) && chain.contains(&c.stage))
                .flat_map(|c| c.sources.iter().take(SOURCES))
                .any(|source| {
                    let source = normal("/", source);
                    same_path(&source, output) || below(&source, output).is_some()
                })
        };
        let entry = self.entrypoint_build();
        let is_entry = |build: &GoBuild| entry.is_some_and(|entry| std::ptr::eq(entry, build));
        // Each is compared with every copy.
        let others =
            self.go_builds.iter().take(256).filter(|build| {
                !is_entry(build) && (chain.contains(&build.stage) || copied(build))
            });
        entry.into_iter().chain(others).collect()
    }

    /// The architecture that a `go build` is told to build for, whatever machine it runs on: GOARCH,
    /// or the platform of its stage.
    pub fn pinned_arch(&self, build: &GoBuild) -> Option<Fact<String>> {
        let literal = |arch: &&str| !arch.is_empty() && !arch.contains('$');
        match build.env.iter().rev().find(|(name, _)| name.value == "GOARCH") {
            Some((_, arch)) => literal(&arch.value.as_str()).then(|| arch.clone()),
            None => {
                let platform = self.stages.get(build.stage)?.platform.as_ref()?;
                let arch = platform.value.split('/').nth(1).filter(literal)?;
                Some(platform.map(|_| arch.to_owned()))
            }
        }
    }

    /// The Go version that the builder's tag names.
    pub fn go_tag(&self, build: &GoBuild) -> Option<&Fact<GoVersion>> {
        self.stages.get(build.stage)?.go_tag.as_ref()
    }

    /// What a stage does, last first, with what its Dockerfile place says about the order.
    fn steps(&self, stage: usize) -> Vec<Step<'_>> {
        let start = |origin: &Origin| origin.span().map_or(0, |s| s.start);
        let mut steps: Vec<(u32, u8, Step<'_>)> = Vec::new();
        for (i, build) in self.go_builds.iter().enumerate().filter(|(_, b)| b.stage == stage) {
            steps.push((start(&build.origin), 1, Step::Build(i, build)));
        }
        for copy in self.copies.iter().filter(|c| c.stage == stage) {
            steps.push((start(&copy.origin), 0, Step::Copy(copy)));
        }
        for moved in self.moves.iter().filter(|m| m.stage == stage) {
            steps.push((start(&moved.origin), 1, Step::Move(moved)));
        }
        for run in self.runs.iter().filter(|r| r.stage == stage) {
            steps.push((start(&run.origin), 0, Step::Run(run.understood)));
        }
        steps.sort_by_key(|(at, order, _)| std::cmp::Reverse((*at, *order)));
        steps.into_iter().map(|(_, _, step)| step).collect()
    }

    fn trace(
        &self,
        stage: usize,
        path: &Fact<String>,
        budget: &mut usize,
        // Steps before this many of the stage (from its end) are skipped.
        skip: Option<usize>,
    ) -> Found {
        let mut path = path.clone();
        let mut opaque = false;
        let mut plausible = None;
        let mut directory_of_context = None;
        let steps = self.steps(stage);
        let all = self.go_builds.len() + self.copies.len() + self.moves.len() + self.runs.len();
        *budget = budget.saturating_sub(all + 1);
        for step in steps.iter().skip(skip.unwrap_or(0)) {
            if *budget == 0 {
                return Found::Unknown;
            }
            *budget -= 1;
            match step {
                Step::Build(index, build) => {
                    if build.output.as_ref().is_some_and(|o| same_path(o, &path)) {
                        return Found::Built(*index);
                    }
                    // `-o` may name a directory, and `.` is called as the module is.
                    let dir = build.output_dir.as_ref().or(build.output.as_ref());
                    if dir.is_some_and(|d| same_path(d, parent(&path)))
                        && (build.output_dir.is_some() || names_package(build, base_name(&path)))
                    {
                        plausible.get_or_insert(*index);
                    }
                }
                Step::Move(moved) => {
                    let itself = same_path(&moved.to, &path);
                    let into_directory = same_path(parent(&path), &moved.to)
                        && base_name(&moved.from) == base_name(&path);
                    if itself || into_directory {
                        path.value.clone_from(&moved.from);
                    }
                }
                Step::Copy(copy) => {
                    *budget = budget.saturating_sub(copy.sources.len());
                    for (source, exact) in candidates(copy, &path.value) {
                        if *budget == 0 {
                            return Found::Unknown;
                        }
                        *budget -= 1;
                        let source = Fact { value: source, ..path.clone() };
                        match (copy.from_stage, &copy.from) {
                            (Some(from), _) if from < stage => {
                                let absolute = source.map(|p| normal("/", p));
                                match self.trace(from, &absolute, budget, None) {
                                    // A directory may lack the file: look on.
                                    Found::Unknown => {}
                                    // Nothing in that stage made it: only an exact path is sure.
                                    Found::Image if !exact => {}
                                    found => return found,
                                }
                            }
                            (_, Some(_)) if exact => return Found::Image,
                            (_, Some(_)) => opaque = true,
                            (_, None) if exact => {
                                let origin = copy.origin.clone();
                                return Found::Context(Fact::derived(source.value, origin));
                            }
                            (_, None) => {
                                directory_of_context.get_or_insert_with(|| {
                                    Fact::derived(source.value, copy.origin.clone())
                                });
                            }
                        }
                    }
                }
                Step::Run(understood) => opaque |= !understood,
            }
        }
        if let Some(index) = plausible {
            return Found::Built(index);
        }
        if let Some(context) = directory_of_context {
            return if opaque { Found::Unknown } else { Found::Context(context) };
        }
        if opaque {
            return Found::Unknown;
        }
        let Some(this) = self.stages.get(stage) else { return Found::Unknown };
        match this.parent {
            Some(earlier) if earlier < stage => self.trace(earlier, &path, budget, None),
            _ if this
                .base_image
                .is_some_and(|base| base.minimal && !in_dirs(base.system_dirs, &path)) =>
            {
                Found::Unknown
            }
            _ => Found::Image,
        }
    }

    /// Whether an absolute path exists in the final image.
    pub fn presence(&self, path: &str) -> Presence {
        let best = self.brings(path);
        let path = normal("/", path);
        match self.base_image() {
            Some(base) if !in_dirs(base.system_dirs, &path) => best,
            _ => best.max(Presence::Possibly),
        }
    }

    /// Whether a step of the final image brings an absolute path, whatever its base has.
    pub fn brings(&self, path: &str) -> Presence {
        let path = normal("/", path);
        let mut best = Presence::Impossible;
        for stage in self.final_chain() {
            for copy in self.copies.iter().filter(|c| c.stage == stage) {
                best = best.max(self.copied(copy, &path));
            }
            let by_run = self.runs.iter().filter(|r| r.stage == stage).any(|run| {
                run.created.as_ref().is_none_or(|all| all.iter().any(|c| creates(c, &path)))
            });
            let by_build = self.go_builds.iter().filter(|b| b.stage == stage).any(|build| {
                match build.output.as_ref().or(build.output_dir.as_ref()) {
                    Some(at) => {
                        at.contains('$') || same_path(at, &path) || below(at, &path).is_some()
                    }
                    None => true,
                }
            });
            if by_run || by_build {
                best = best.max(Presence::Possibly);
            }
        }
        best
    }

    /// Whether a COPY or ADD of the final image brings an absolute path.
    pub fn copies_to(&self, path: &str) -> Presence {
        let path = normal("/", path);
        let chain = self.final_chain();
        let own = self.copies.iter().filter(|copy| chain.contains(&copy.stage));
        own.map(|copy| self.copied(copy, &path)).max().unwrap_or(Presence::Impossible)
    }

    fn copied(&self, copy: &CopyStep, path: &str) -> Presence {
        let destination = copy.destination.value.as_str();
        if destination.contains('$') {
            return Presence::Possibly;
        }
        let mut best = Presence::Impossible;
        // `--parents` keeps the sources' directories, an archive holds anything.
        let loose = copy.flags.iter().any(|f| f.value.starts_with("--parents"))
            || (copy.add && copy.sources.iter().any(|s| is_archive(s)));
        if loose && below(destination, path).is_some() {
            return Presence::Possibly;
        }
        for name in &copy.inline {
            let target = if destination.ends_with('/') || copy.inline.len() > 1 {
                normal(destination, name)
            } else {
                normal("/", destination)
            };
            if target == path {
                return Presence::Certainly;
            }
        }
        if copy.sources.len() > SOURCES {
            best = Presence::Possibly;
        }
        for source in copy.sources.iter().take(SOURCES) {
            if source.contains('$') || source.contains(['*', '?', '[']) {
                if below(destination, path).is_some() || same_path(destination, path) {
                    best = best.max(Presence::Possibly);
                }
                continue;
            }
            if same_path(destination, path) && !destination.ends_with('/') {
                // A file or a directory: either way the path is there.
                best = best.max(Presence::Certainly);
            } else if let Some(rest) = below(destination, path) {
                let named = rest == base_name(source.trim_end_matches('/'));
                best = best.max(match self.is_file(copy, source) {
                    Some(true) if named && destination.ends_with('/') => Presence::Certainly,
                    // Into a directory of that name, should there be one.
                    Some(true) if named => Presence::Possibly,
                    Some(true) => Presence::Impossible,
                    _ => Presence::Possibly,
                });
            }
        }
        best
    }

    /// Whether a source is known to be a file (`Some(true)`), a directory, or neither.
    fn is_file(&self, copy: &CopyStep, source: &str) -> Option<bool> {
        if source.ends_with('/') || source == "." {
            return Some(false);
        }
        let from = copy.from_stage.filter(|from| *from < copy.stage)?;
        let absolute = normal("/", source);
        let built = self
            .go_builds
            .iter()
            .any(|b| b.stage == from && b.output.as_ref().is_some_and(|o| same_path(o, &absolute)));
        built.then_some(true)
    }

    /// Files that COPY and ADD certainly put into the final image, in order, for "did you mean".
    pub fn certain_files(&self) -> Vec<Fact<String>> {
        let chain = self.final_chain();
        let mut files = Vec::new();
        for copy in self.copies.iter().filter(|c| chain.contains(&c.stage)) {
            let destination = copy.destination.value.as_str();
            let into = |name: &str| match destination.ends_with('/') {
                true => normal(destination, name),
                false => normal("/", destination),
            };
            for source in copy.sources.iter().take(SOURCES) {
                if files.len() >= SOURCES {
                    return files;
                }
                let sure = match self.is_file(copy, source) {
                    Some(file) => file,
                    // A single source without a slash behind it takes the destination's name,
                    // as the file or directory that it is.
                    None => !destination.ends_with('/') && copy.sources.len() == 1,
                };
                let plain = !source.contains(['$', '*', '?', '[']) && !destination.contains('$');
                let archive = copy.add && is_archive(source) && !source.contains("://");
                if sure && plain && !archive {
                    let target = into(base_name(source.trim_end_matches('/')));
                    files.push(Fact::derived(target, copy.destination.origin.clone()));
                }
            }
            for name in copy.inline.iter().take(SOURCES) {
                files.push(Fact::derived(into(name), copy.destination.origin.clone()));
            }
        }
        files
    }
}

/// Whether a command runs the program that its arguments name.
fn is_wrapper(word: &Fact<String>) -> bool {
    WRAPPERS.contains(&base_name(word))
}

/// The program that a command such as `tini -- /app` runs in its own place or as its child.
pub fn behind_wrapper(words: &[Fact<String>]) -> Option<&Fact<String>> {
    let (first, rest) = words.split_first().filter(|(first, _)| is_wrapper(first))?;
    if let Some(end) = rest.iter().position(|w| w.value == "--") {
        return rest.get(end + 1);
    }
    let user_first = matches!(base_name(first), "su-exec" | "gosu");
    rest.iter()
        .filter(|w| !w.value.starts_with('-') && !w.value.contains('='))
        .nth(usize::from(user_first))
}

/// What a COPY may have read to create a path; `true` when the path is what it names, `false` when
/// it would come with a directory.
fn candidates(copy: &CopyStep, path: &str) -> Vec<(String, bool)> {
    let destination = copy.destination.value.as_str();
    let mut found = Vec::new();
    for source in copy.sources.iter().take(1000) {
        let source = source.value.as_str();
        if same_path(destination, path) && !destination.ends_with('/') {
            found.push((source.to_owned(), true));
            continue;
        }
        let Some(rest) = below(destination, path) else { continue };
        let trimmed = source.trim_end_matches('/');
        let name = base_name(trimmed);
        if name.contains(['*', '?', '[']) {
            if !rest.contains('/') && glob(name, rest) {
                found.push((format!("{}{rest}", &trimmed[..trimmed.len() - name.len()]), true));
            }
        } else {
            if rest == name && !source.ends_with('/') {
                found.push((source.to_owned(), true));
            }
            let directory = if trimmed.is_empty() { "" } else { trimmed };
            found.push((format!("{directory}/{rest}"), false));
        }
    }
    found
}

/// `*` and `?` of one path element; brackets match anything. Two positions, no backtracking tree.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    if pattern.len() > 256 || text.len() > 256 || pattern.contains(&b'[') {
        return true;
    }
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p.min(pattern.len())..].iter().all(|c| *c == b'*')
}

/// Whether a step that creates that may create `path`.
fn creates(created: &Created, path: &str) -> bool {
    created.path == path || (created.tree && below(&created.path, path).is_some())
}

/// Whether the package a command builds has this name.
fn names_package(build: &GoBuild, name: &str) -> bool {
    build.packages.iter().any(|p| {
        let package = base_name(p.value.trim_end_matches('/'));
        package == name || package.contains("...") || package == "."
    })
}

fn in_dirs(dirs: &[&str], path: &str) -> bool {
    dirs.iter().any(|dir| path.starts_with(dir) || path == dir.trim_end_matches('/'))
}

fn is_archive(source: &str) -> bool {
    source.contains("://")
        || [".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tar.zst", ".git"]
            .iter()
            .any(|end| source.ends_with(end))
}

/// The part of `path` below a directory.
fn below<'a>(dir: &str, path: &'a str) -> Option<&'a str> {
    let dir = dir.trim_end_matches('/');
    path.strip_prefix(dir)?.strip_prefix('/').filter(|rest| !rest.is_empty())
}

/// Equality up to a trailing slash and the two ways to write an unknown variable.
fn same_path(a: &str, b: &str) -> bool {
    let (a, b) = (a.trim_end_matches('/'), b.trim_end_matches('/'));
    a == b || (a.contains('$') && b.contains('$') && braces(a) == braces(b))
}

fn braces(path: &str) -> String {
    path.chars().filter(|c| !matches!(c, '{' | '}')).collect()
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(dir, _)| if dir.is_empty() { "/" } else { dir })
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// An absolute path with `.` and `..` resolved.
fn normal(dir: &str, path: &str) -> String {
    let dir = if path.starts_with('/') { "" } else { dir };
    let mut parts: Vec<&str> = Vec::new();
    for part in dir.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The program a shell text runs with its arguments: the first simple command that is no builtin
/// such as `cd` or `export`, quotes removed.
fn shell_words(text: &Fact<String>) -> Vec<Fact<String>> {
    let script = Script::parse(&text.value);
    let command = script.commands.iter().find(|c| c.needs_program(Kind::Unknown));
    let Some(command) = command else { return Vec::new() };
    // The text stands in the file in one piece unless a continuation cuts it.
    let start = text.origin.span().filter(|span| span.range().len() == text.value.len());
    command
        .argv()
        .iter()
        .map(|word| {
            let origin = match start {
                Some(span) => {
                    let at = span.start as usize;
                    Origin::text(
                        text.origin.source,
                        Span::new(at + word.span.start, at + word.span.end),
                    )
                }
                None => text.origin.clone(),
            };
            Fact { value: word.text.clone(), origin, basis: text.basis }
        })
        .collect()
}
