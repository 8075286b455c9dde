//! An image that is run: which program, with what, as whom, and where its files are.

use std::io::{BufRead as _, BufReader};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result};
use provost_check::artifact::image::{self, Configuration, Form, Limits, Place};
use provost_check::artifact::{Problem, SourceKind, mmap};
use provost_check::case::image_user::{Starts, run_as};
use provost_check::case::{Case, World};
use provost_check::facts::image::Image;
use provost_check::facts::image_files::FileKind;
use provost_check::facts::proof::Program;
use provost_check::facts::workload::SecurityContext;
use provost_check::findings::Abstain;
use provost_check::pipeline::{ImageInput, RegistryInput};
use provost_live::prove::Harness;
use provost_live::prove::image::{open_inside, unpack};

use super::environment::Given;
use super::measured::{LARGEST_BINARY, Started, Who};
use crate::args::{ImageArg, ProveArgs};
use crate::exit::Mistake;

/// Where programs are looked for when nothing says so (`defaultUnixEnv` in containerd's
/// pkg/oci/spec_opts.go).
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Bytes of `/etc/passwd` that are read.
const MOST_PASSWD: u64 = 1 << 20;

/// This machine, as Go names it.
pub(super) fn machine() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// What an image has to be for.
pub(super) fn platform() -> String {
    format!("linux/{}", machine())
}

/// As it is typed.
pub(super) fn typed(image: &ImageArg) -> String {
    match image {
        ImageArg::Registry(reference) => format!("registry:{reference}"),
        ImageArg::File(ImageInput { path, form: Some(Form::Oci) }) => format!("oci:{path}"),
        ImageArg::File(ImageInput { path, form: Some(Form::Docker) }) => {
            format!("docker-archive:{path}")
        }
        ImageArg::File(ImageInput { path, form: None }) => path.clone(),
    }
}

/// Where its layers are.
pub(super) enum Input {
    /// In a directory or archive.
    File(ImageInput),
    /// In a registry, which sends them when it is judged and again when it is unpacked: nothing is kept.
    Registry(RegistryInput),
}

impl Input {
    /// As reports name it.
    fn shown(&self) -> &str {
        match self {
            Self::File(input) => &input.path,
            Self::Registry(input) => &input.shown,
        }
    }

    fn place(&self) -> Place<'_> {
        match self {
            Self::File(input) => Place::File(&input.path, input.form),
            Self::Registry(input) => Place::Registry(&input.shown, &input.from),
        }
    }
}

/// An image, and how it says that it is run.
pub(super) struct Unpacked<'w> {
    input: &'w Input,
    image: &'w Image,
    world: &'w World,
    says: Configuration,
}

impl<'w> Unpacked<'w> {
    /// What was read of it, and what no report may show.
    pub(super) fn of(input: &'w Input, world: &'w World) -> Result<Self, Mistake> {
        let broken = |why: &str| {
            let mut text = format!("--image: {} {why}", input.shown());
            world.sources.hidden().hide(&mut text);
            Mistake::new(text)
        };
        let of_it = |image: &&Image| image.path == input.shown();
        let Some(image) = world.images.iter().find(of_it) else {
            let of_image = |problem: &&Problem| {
                world.sources.get(problem.origin.source()).kind == SourceKind::Image
            };
            let why = world.problems.iter().find(of_image);
            return Err(broken(why.map_or("cannot be read", |problem| problem.message.as_str())));
        };
        if !image.complete || !image.mismatches.is_empty() {
            let first = image.mismatches.first();
            let why = match first {
                Some(wrong) => format!("is not run: {} is not what its digest says", wrong.what),
                None => "is not run: not all of its layers can be read".to_owned(),
            };
            return Err(broken(&why));
        }
        let limits = Limits::default();
        let says = image::configuration(input.place(), Some(&platform()), image.source, &limits)
            .map_err(|why| broken(&why))?;
        Ok(Self { input, image, world, says })
    }

    /// The variables that it sets.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let split = |line: &String| {
            let (name, value) = line.split_once('=')?;
            (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
        };
        let default = [("PATH".to_owned(), PATH.to_owned())];
        default.into_iter().chain(self.says.env.iter().filter_map(split)).collect()
    }

    /// Who it runs as: by the manifest, else by itself, which is root where it does not say.
    pub(super) fn user(&self, container: Option<&Case<'_>>) -> Result<Who, Mistake> {
        let run_as = match container {
            Some(case) => case.run_as(self.image),
            None => run_as(self.image, &SecurityContext::default(), &[], Starts::Kubelet),
        };
        let run_as = run_as.map_err(|why| {
            let user = &self.says.user;
            let needs = match why {
                Abstain::Unknown { needs, .. } => needs.to_string(),
                Abstain::NotApplicable => "a user that there can be".to_owned(),
            };
            Mistake::new(format!("--image: its USER is {user:?}, and {needs} is not known"))
                .help("name a user that its /etc/passwd has, or a number")
        })?;
        let (gid, further) =
            run_as.gids.split_first().map_or((0, &[][..]), |(gid, all)| (*gid, all));
        Ok(Who { user: (run_as.uid, gid), further: further.to_vec(), unsaid: false })
    }

    /// The words of its command, as kubelet and runtime put them together: `command` replaces ENTRYPOINT
    /// and CMD, `args` replaces CMD (`WithProcessArgs` in containerd's internal/cri/opts/spec_opts.go).
    fn command(
        &self,
        args: &ProveArgs,
        container: Option<&Case<'_>>,
        given: &Given,
    ) -> Vec<String> {
        let written = |list: Option<&Vec<provost_check::facts::Fact<String>>>| {
            let words = list.into_iter().flatten().map(|word| given.written_out(&word.value));
            words.collect::<Vec<String>>()
        };
        let container = container.map(|case| case.container);
        let mut command = written(container.and_then(|it| it.command.as_ref()));
        let mut arguments = written(container.and_then(|it| it.args.as_ref()));
        if command.is_empty() {
            if arguments.is_empty() {
                arguments.clone_from(&self.says.cmd);
            }
            if !matches!(self.says.entrypoint.as_slice(), [only] if only.is_empty()) {
                command.clone_from(&self.says.entrypoint);
            }
        }
        command.append(&mut arguments);
        if !args.arguments.is_empty() {
            command.truncate(1);
            command.extend(args.arguments.iter().cloned());
        }
        command
    }

    /// Unpacks it, and says what is started there.
    pub(super) fn start(
        &self,
        args: &ProveArgs,
        container: Option<&Case<'_>>,
        given: &mut Given,
        harness: &Harness,
        stop: &AtomicBool,
    ) -> Result<Started> {
        let mut command = self.command(args, container, given);
        if command.is_empty() {
            let what = "--image: neither ENTRYPOINT nor CMD says what to run";
            return Err(Mistake::new(what).help("name it in the manifest's command").into());
        }
        let word = command.remove(0);
        let directory = self.directory(args, container);
        let path = self.program(&word, &directory, given)?;
        let tree = harness.folder()?.join("root");
        std::fs::create_dir(&tree).with_context(|| format!("cannot make {}", tree.display()))?;
        let left_out = unpack(self.image, self.input.place(), Some(&platform()), &tree, stop)
            .with_context(|| format!("--image: cannot unpack {}", self.input.shown()))?;
        if left_out > 0 {
            let what = "files of its image are devices, sockets or pipes, and were left out";
            given.said.push(format!("{left_out} {what}"));
        }
        self.home(&tree, container, given)?;
        let without = self.capabilities(&path, container).into_iter().collect();
        let program = self.judged(&tree, &path)?;
        Ok(Started {
            path: PathBuf::from(path),
            called: Some(word),
            arguments: command,
            directory,
            tree: Some(tree),
            without,
            volumes: self.says.volumes.iter().map(PathBuf::from).collect(),
            program,
        })
    }

    /// Where it is started: as it was said, as the manifest has it, as the image has it, at the root.
    fn directory(&self, args: &ProveArgs, container: Option<&Case<'_>>) -> PathBuf {
        let written = container.and_then(|case| case.container.working_dir.as_ref());
        let said = match (&args.directory, written) {
            (Some(said), _) => said.clone(),
            (None, Some(written)) => PathBuf::from(&written.value),
            (None, None) => PathBuf::from(&self.says.working_dir),
        };
        // Without the names that lead upwards: there is nothing above the root.
        let mut directory = PathBuf::from("/");
        for part in said.components() {
            match part {
                Component::Normal(name) => directory.push(name),
                Component::ParentDir => drop(directory.pop()),
                _ => {}
            }
        }
        directory
    }

    /// The path of the program that a word names, links followed (`exec.LookPath` in runc's
    /// libcontainer/standard_init_linux.go).
    fn program(&self, word: &str, directory: &Path, given: &Given) -> Result<String, Mistake> {
        let folders = match word.contains('/') {
            true => vec![directory.to_string_lossy().into_owned()],
            false => {
                let path = given.variables.get("PATH").map_or(PATH, String::as_str);
                path.split(':').map(str::to_owned).collect()
            }
        };
        let at = |folder: &String| match word.starts_with('/') {
            true => word.to_owned(),
            false => format!("{folder}/{word}"),
        };
        let found = folders.iter().find_map(|folder| {
            let (at, file) = self.image.files.lookup(&at(folder))?;
            (file.kind == FileKind::File && file.mode & 0o111 != 0).then_some(at)
        });
        found.ok_or_else(|| {
            Mistake::new(format!("--image: it has no program {word} that can be started"))
                .help("see `provost check --image`, which says what its entrypoint lacks")
        })
    }

    /// What the kernel would give to whoever starts the program, which is given no rights here.
    fn capabilities(&self, path: &str, container: Option<&Case<'_>>) -> Option<(String, String)> {
        let file = self.image.files.get(path)?;
        let (names, effective) = file.capabilities.as_ref().map(|it| (it.names(), it.effective))?;
        if names.is_empty() {
            return None;
        }
        let what = format!("file capabilities of {path}, {}", names.join(", "));
        let lacks: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| container.is_some_and(|case| !case.may_have_capability(name)))
            .collect();
        // `get_file_caps` in the kernel's security/commoncap.c, which no_new_privs does not spare anybody.
        if effective && !lacks.is_empty() {
            let lacks = lacks.join(", ");
            let why = format!(
                "its container may not have {lacks}, and the kernel does not execute a file that wants what may not be had (EPERM); it was started here"
            );
            return Some((what, why));
        }
        let escalates = container.and_then(|case| case.security().allow_privilege_escalation);
        // Then they are worth nothing in the container, either.
        let escalates = escalates.is_none_or(|fact| fact.value);
        escalates.then(|| (what, "a program is given no rights here".to_owned()))
    }

    /// HOME, where nothing sets it: that of its user (`setupUser` in runc's libcontainer/init_linux.go).
    fn home(&self, tree: &Path, container: Option<&Case<'_>>, given: &mut Given) -> Result<()> {
        if given.variables.contains_key("HOME") {
            return Ok(());
        }
        let (uid, _) = self.user(container)?.user;
        let home = open_inside(tree, "etc/passwd").ok().and_then(|passwd| {
            let lines = BufReader::new(std::io::Read::take(passwd, MOST_PASSWD)).lines();
            lines.map_while(Result::ok).find_map(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                let is_it = fields.get(2)?.parse() == Ok(uid);
                is_it.then(|| fields.get(5).map(|home| (*home).to_owned())).flatten()
            })
        });
        let home = home.filter(|home| !home.is_empty()).unwrap_or_else(|| "/".to_owned());
        given.variables.insert("HOME".to_owned(), home);
        Ok(())
    }

    /// The program that a proof of it speaks of: the Go program in it, which a script may start.
    fn judged(&self, tree: &Path, started: &str) -> Result<Program> {
        let here = self.world.binaries.iter().find(|it| it.in_image == Some(self.image.source));
        if let Some((binary, sha256)) = here.and_then(|it| Some((it, it.sha256.clone()?))) {
            return Ok(Program { path: binary.path.clone(), sha256 });
        }
        // No link is left in its path.
        let content =
            mmap::Content::open(&tree.join(started.trim_start_matches('/')), LARGEST_BINARY)
                .with_context(|| format!("--image: cannot read {started}"))?;
        let path = format!("{}:{started}", self.input.shown());
        Ok(Program { path, sha256: mmap::sha256(&content) })
    }
}
