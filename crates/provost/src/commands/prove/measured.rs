//! The run: what is known beforehand, the phases, the verdict.

use std::collections::BTreeSet;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use provost_check::artifact::{Source, SourceKind, Sources, mmap};
use provost_check::case::process::ProcessCase;
use provost_check::case::{Case, Joined, World};
use provost_check::facts::Fact;
use provost_check::facts::binary::Binary;
use provost_check::facts::proof::{Measured, PhaseName, Program, Proof, Protocol, Stage, VERSION};
use provost_check::findings::Abstain;
use provost_check::findings::suppress::Suppression;
use provost_check::pipeline::{self, BinaryInput, Request};
use provost_check::report::Judged;
use provost_check::report::plain::clean;
use provost_check::rules::RULES;
use provost_check::rules::engine::{Profile, Selection};
use provost_check::rules::rule::{Need, Rule};
use provost_live::cgroup::Groups;
use provost_live::prove::plan::ClientCertificate;
use provost_live::prove::{Harness, Plan, tls};

use super::environment::Given;
use super::image::{self, Input, Unpacked};
use super::{again, dependencies, environment, runs, settings, telemetry, terms, volumes};
use crate::args::{Cli, ImageArg, ProveArgs};
use crate::commands::check;
use crate::config::{InForce, Paths};
use crate::exit::{Exit, Mistake};
use crate::interrupt::Interrupt;
use crate::{config, output, registry};

/// An executable larger than this is not read for its digest.
pub(super) const LARGEST_BINARY: u64 = 8 << 30;

/// Bytes of a certificate and those above it.
const MOST_CERTIFICATE: u64 = 1 << 20;

/// What the harness may add to a measurement, in microseconds, before that has to be said.
const LATE_US: u64 = 2_000;

/// The user that distroless images call nonroot.
pub(super) const NONROOT: (u32, u32) = (65532, 65532);

pub(super) fn run(cli: &Cli, args: &ProveArgs) -> Result<Exit> {
    let interrupt = Interrupt::watch().context("cannot watch for signals")?;
    let Known { mut world, selection, ignores, unusable, image, fetching } =
        load(cli, args, &interrupt)?;
    let harness = Harness::new();
    let flag = interrupt.flag();
    let planned = plan(args, image.as_ref(), &world, &harness, &flag);
    fetching.finish_and_clear();
    if let (Err(_), Some(exit)) = (&planned, interrupt.exit()) {
        output::complain("error: interrupted before anything was measured\n");
        return Ok(exit);
    }
    let Planned { plan, program, container, tries, said } = planned?;
    let mut proof = Proof {
        version: VERSION,
        program,
        container,
        command: again::command(args),
        arguments: again::behind(args),
        terms: plan.terms.clone(),
        stage: Stage::default(),
        phases: Vec::new(),
        repeats: Vec::new(),
    };
    runs::measure(cli, args, &harness, (plan, tries), &mut proof, &interrupt)?;
    // Nothing of it is needed any more.
    drop(harness);
    if let Some(file) = &args.write_proof {
        let text = serde_json::to_string(&proof).context("cannot write the proof")?;
        output::write_file(Path::new(file), &(text + "\n"))
            .map_err(|error| Mistake::new(format!("cannot write {file}: {error}")))?;
    }
    let shown = proof.program.path.clone();
    let source = world.sources.add(Source::opaque(shown, SourceKind::Proof));
    if !cli.quiet {
        output::complain(&told(&proof, &said));
        // It is in the report for people; where nobody gets that, it is still what was asked for.
        if !check::prints_text(&args.format) {
            output::complain(&provost_check::report::timeline::render(&proof));
        }
    }
    world.proofs.push(Measured { source, proof });

    let rules = rules();
    let joined = Joined::new(&world);
    let unknown = unknown(&joined);
    let conclusion = pipeline::conclude(&joined, &rules, &selection, &ignores);
    let mut report =
        ManuallyDrop::new(pipeline::report(&world, env!("CARGO_PKG_VERSION"), conclusion));
    report.fail_on = args.rules.fail_on.level();
    // The manifests say how it was run; they are not judged here.
    report.judged = Judged { processes: world.proofs.len(), ..Judged::default() };
    let ran = world.proofs.first().and_then(|measured| measured.proof.container.clone());
    report.subjects.retain(|subject| Some(&subject.name) == ran.as_ref());
    check::write(cli, &args.format, false, &report)?;
    let fails = report
        .findings
        .iter()
        .any(|finding| report.fail_on.is_some_and(|from| finding.level >= from));
    if let Some(exit) = interrupt.exit() {
        output::complain("error: interrupted; the report holds what was measured until then\n");
        return Ok(exit);
    }
    Ok(match (unusable, fails, unknown) {
        (true, ..) => Exit::Usage,
        (false, true, _) => Exit::Findings,
        (false, false, Some(what)) => {
            output::complain(&format!(
                "error: the process never came up, and was not judged: not measured: {}\n",
                clean(&what)
            ));
            Exit::Usage
        }
        (false, false, None) => Exit::Clean,
    })
}

/// What would have to be measured to know anything of the process that was run.
fn unknown(joined: &Joined<'_>) -> Option<String> {
    let measured = joined.world.proofs.first()?;
    match ProcessCase::new(joined, 0, measured).start_is_its_own() {
        Err(Abstain::Unknown { needs, .. }) => Some(needs.into_owned()),
        _ => None,
    }
}

/// Rules about processes; those about inputs, because a manifest that cannot be read is not proved.
fn rules() -> Vec<&'static Rule> {
    let is_one = |rule: &&&'static Rule| {
        rule.needs.contains(&Need::Process) || rule.id == "unparsable-input"
    };
    RULES.iter().filter(is_one).copied().collect()
}

/// What is there before anything runs.
struct Known {
    world: World,
    selection: Selection,
    ignores: Vec<Suppression>,
    unusable: bool,
    image: Option<Input>,
    /// How far the image has come, for a terminal.
    fetching: ProgressBar,
}

fn load(cli: &Cli, args: &ProveArgs, interrupt: &Interrupt) -> Result<Known> {
    let mut sources = Sources::default();
    let color = output::color_on_stderr(cli.color);
    let judged = Paths {
        manifests: args.manifest.iter().map(String::as_str).collect(),
        evidence: args.binary.as_deref().into_iter().collect(),
    };
    let InForce { mut settings, levels, ignores } =
        config::in_force(&judged, &mut sources, config::today(), color)?;
    settings.container.clone_from(&args.container);
    let selection = args.rules.selection(Profile::Recommended, levels)?;
    let binary = args.binary.iter().map(|path| BinaryInput::given(path.clone(), path.clone()));
    let (image, fetching) = image(cli, args, interrupt)?;
    let (file, remote) = match &image {
        Some(Input::File(input)) => (Some(input.clone()), None),
        Some(Input::Registry(input)) => (None, Some(input.clone())),
        None => (None, None),
    };
    let request = Request {
        paths: args.manifest.clone(),
        binaries: binary.collect(),
        images: file.into_iter().collect(),
        registry_images: remote.into_iter().collect(),
        platform: args.image.as_ref().map(|_| image::platform()),
        interrupted: interrupt.flag(),
        ..Request::default()
    };
    let loaded = pipeline::load(&request, sources, settings);
    let (world, unusable) = (loaded.world, loaded.unusable);
    Ok(Known { world, selection, ignores, unusable, image, fetching })
}

/// The image that is named. Of one in a registry nothing is fetched yet.
fn image(
    cli: &Cli,
    args: &ProveArgs,
    interrupt: &Interrupt,
) -> Result<(Option<Input>, ProgressBar)> {
    let reference = match &args.image {
        Some(ImageArg::File(input)) => {
            return Ok((Some(Input::File(input.clone())), ProgressBar::hidden()));
        }
        Some(ImageArg::Registry(reference)) => reference.as_str(),
        None => return Ok((None, ProgressBar::hidden())),
    };
    let insecure = &args.insecure_registry;
    let (inputs, fetching) = registry::open(&[reference], insecure, cli.quiet, &interrupt.flag())?;
    Ok((inputs.into_iter().next().map(Input::Registry), fetching))
}

fn digest(path: &str) -> Result<String, Mistake> {
    let content = mmap::Content::open(Path::new(path), LARGEST_BINARY)
        .map_err(|error| Mistake::new(format!("--binary: cannot read {path}: {error}")))?;
    Ok(mmap::sha256(&content))
}

/// What is run, for which container, with which changes of its variables, and what is to be said of it.
struct Planned {
    plan: Plan,
    program: Program,
    container: Option<String>,
    tries: Vec<settings::Try>,
    said: Vec<String>,
}

fn plan(
    args: &ProveArgs,
    image: Option<&Input>,
    world: &World,
    harness: &Harness,
    stop: &AtomicBool,
) -> Result<Planned> {
    let joined = Joined::new(world);
    let image = image.map(|input| Unpacked::of(input, world)).transpose()?;
    let container = container(args, &joined)?;
    let of_image = image.as_ref().map(Unpacked::variables).unwrap_or_default();
    let mut given = environment::compose(args, container.as_ref(), &of_image)?;
    let volumes = container.as_ref().map(|case| volumes::of(case, &mut given));
    let volumes = volumes.unwrap_or_default();
    let (fs_group, groups) = container.as_ref().map(groups).unwrap_or_default();
    let who = match &image {
        Some(image) => image.user(container.as_ref())?,
        None => Who { further: groups, ..container.as_ref().map_or(Who::NOBODY, user) },
    };
    let mut terms = terms::of(args, container.as_ref(), &world.settings);
    (terms.user, terms.user_unsaid) = (Some(who.user), who.unsaid);
    terms.unlike = given.unlike.values().cloned().collect();
    if let Some(name) = given.unasked() {
        return Err(Mistake::new(format!(
            "--secret {name}: the container asks for no such Secret"
        ))
        .help("the manifest that is run is named with --manifest")
        .into());
    }
    let probe_headers = terms::headers(container.as_ref(), &mut terms, &mut given);
    let client = client(args, &mut given)?;
    terms.dependencies = dependencies::of(args, &terms, &given)?;
    let together = terms.dependencies.len().saturating_sub(runs::MOST_ALONE);
    if together > 0 {
        let (all, last) = (terms.dependencies.len(), runs::MOST_ALONE + 1);
        let each =
            format!("of {all} dependencies the first {} fail by themselves", runs::MOST_ALONE);
        given.said.push(format!("{each}, those from the {last}th on with all others only"));
    }
    terms.otlp = telemetry::of(args, &terms.dependencies, &mut given);
    runs::phases(args, &terms)?;
    let mut said = std::mem::take(&mut given.said);
    said.push(match &container {
        Some(case) => format!("run as {}", case.subject()),
        None => "run without a manifest: no probes, and 30 s to end, as Kubernetes has it when nothing is said".to_owned(),
    });
    let mut started = match (&image, &args.binary) {
        (Some(image), _) => image.start(args, container.as_ref(), &mut given, harness, stop)?,
        (None, Some(binary)) => start(args, binary, world, container.as_ref(), &given, &mut said)?,
        (None, None) => return Err(Mistake::new("nothing to run: name it with --binary").into()),
    };
    started.without.extend(container.as_ref().and_then(terms::request));
    said.append(&mut given.said);
    let arguments = started.arguments;
    let tries = settings::choose(args, container.as_ref(), &joined, &given, &arguments, &mut said)?;
    let plan = Plan {
        phase: PhaseName::Start,
        program: started.path,
        called: started.called,
        image: started.tree,
        arguments,
        environment: given.variables.into_iter().collect(),
        secrets: given.secrets,
        directory: started.directory,
        user: who.user,
        read_only_root: container.as_ref().is_some_and(|case| {
            let read_only = case.security().read_only_root;
            read_only.is_some_and(|fact| fact.value)
        }),
        fs_group,
        further_groups: who.further,
        groups: Groups::default(),
        volumes: volumes.there,
        image_volumes: started.volumes,
        disk: Err("it was not asked for".to_owned()),
        absent: volumes.absent,
        without: started.without,
        terms,
        probe_headers,
        client,
        ports: container.as_ref().map(declared).unwrap_or_default(),
        changed: None,
        early_us: 0,
        sockets: None,
        turn: 0,
    };
    Ok(Planned {
        plan,
        program: started.program,
        container: container.map(|case| case.subject()),
        tries,
        said,
    })
}

/// The container that runs the binary: the one that is named, else the only one it was bound to.
fn container<'j>(args: &ProveArgs, joined: &'j Joined<'_>) -> Result<Option<Case<'j>>, Mistake> {
    if let Some(wanted) = &args.container {
        let found = joined.cases().find(|case| case.subject() == *wanted);
        return match found {
            Some(case) => Ok(Some(case)),
            None => {
                let names: Vec<String> =
                    joined.cases().map(|case| case.subject()).take(20).collect();
                let mistake = Mistake::new(format!("--container: no container is {wanted}"));
                Err(match names.is_empty() {
                    true => mistake.help("the manifests have none; --manifest names them"),
                    false => mistake.help(format!("containers: {}", names.join(", "))),
                })
            }
        };
    }
    let runs_it = |case: &Case<'_>| match &args.image {
        Some(_) => case.layers().is_ok(),
        None => case.binary().is_ok(),
    };
    let what = if args.image.is_some() { "image" } else { "binary" };
    let bound: Vec<Case<'j>> = joined.cases().filter(runs_it).collect();
    match bound.as_slice() {
        [] if args.manifest.is_empty() => Ok(None),
        [] => Err(Mistake::new(format!(
            "no container of the manifests runs this {what}, as far as can be told"
        ))
        .help("name it with --container NS/KIND/NAME/CONTAINER")),
        [case] => Ok(Some(*case)),
        [_, ..] => {
            let names: Vec<String> = bound.iter().map(Case::subject).take(20).collect();
            Err(Mistake::new(format!("several containers run this {what}"))
                .help(format!("name one with --container: {}", names.join(", "))))
        }
    }
}

/// Ports that the container says it listens on.
fn declared(case: &Case<'_>) -> BTreeSet<u16> {
    let ports = case.container.ports.iter().filter_map(|port| port.port.as_ref());
    ports.filter_map(|port| u16::try_from(port.value).ok()).collect()
}

/// What the program is given: behind `--`, else what manifest and image say behind its name.
fn arguments(
    args: &ProveArgs,
    container: Option<&Case<'_>>,
    given: &Given,
    said: &mut Vec<String>,
) -> Vec<String> {
    if !args.arguments.is_empty() {
        return args.arguments.clone();
    }
    let Some(case) = container else { return Vec::new() };
    // What the manifest says is written out by the kubelet, what the image says is not.
    let manifest = [&case.container.command, &case.container.args];
    let written: Vec<&str> =
        manifest.into_iter().flatten().flatten().map(|word| word.value.as_str()).collect();
    let word = |word: &Fact<String>| match written.contains(&word.value.as_str()) {
        true => given.written_out(&word.value),
        false => word.value.clone(),
    };
    match case.command_line() {
        Ok(line) if line.shell_form => {
            said.push(
                "the image starts it by a shell; it was started directly, without arguments"
                    .to_owned(),
            );
            Vec::new()
        }
        Ok(line) => line.argv.iter().skip(1).map(word).collect(),
        Err(_) => {
            let args = case.container.args.iter().flatten();
            args.map(word).collect()
        }
    }
}

/// Who asks, where the server wants to know: as it was said, or by the certificate that stands in the server's own
/// Secret, which is its own authority.
fn client(args: &ProveArgs, given: &mut Given) -> Result<Option<ClientCertificate>, Mistake> {
    let (Some(certificates), Some(key)) = (&args.client_cert, &args.client_key) else {
        let own = given.client();
        return Ok(own.map(|pair| ClientCertificate {
            certificates: pair.certificate.clone(),
            key: pair.key.clone(),
            made_up: true,
        }));
    };
    let read = |flag: &str, path: &String| {
        let bytes = mmap::read_text(Path::new(path), MOST_CERTIFICATE, true)
            .map_err(|error| Mistake::new(format!("{flag}: cannot read {path}: {error}")))?;
        String::from_utf8(bytes.to_vec())
            .map_err(|_| Mistake::new(format!("{flag}: {path} is no PEM")))
    };
    let (certificates, key) = (read("--client-cert", certificates)?, read("--client-key", key)?);
    let client = ClientCertificate { certificates, key, made_up: false };
    match tls::check(&client) {
        Ok(()) => Ok(Some(client)),
        Err(why) => Err(Mistake::new(format!("--client-cert, --client-key: {why}"))),
    }
}

/// Who a process runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) user: (u32, u32),
    /// Groups that it is in beside its own.
    pub(super) further: Vec<u32>,
    /// Nothing says who.
    pub(super) unsaid: bool,
}

impl Who {
    const NOBODY: Self = Self { user: NONROOT, further: Vec::new(), unsaid: true };
}

/// By the manifest alone. Whose user it is the image would say; in its `/etc/passwd` may stand a group for
/// a user that the manifest names, and where nothing does it is 0.
fn user(case: &Case<'_>) -> Who {
    let security = case.security();
    let id = |fact: Option<&Fact<i64>>| fact.and_then(|fact| u32::try_from(fact.value).ok());
    let (uid, gid) = (id(security.run_as_user.as_ref()), id(security.run_as_group.as_ref()));
    let user = (uid.unwrap_or(NONROOT.0), gid.unwrap_or(if uid.is_some() { 0 } else { NONROOT.1 }));
    Who { user, further: Vec::new(), unsaid: uid.is_none() }
}

/// What is started, and how.
pub(super) struct Started {
    pub(super) path: PathBuf,
    pub(super) called: Option<String>,
    pub(super) arguments: Vec<String>,
    pub(super) directory: PathBuf,
    /// The files of its image.
    pub(super) tree: Option<PathBuf>,
    /// What of its container is not here, and why.
    pub(super) without: Vec<(String, String)>,
    /// Folders that it declares as volumes.
    pub(super) volumes: Vec<PathBuf>,
    /// As the proof names it.
    pub(super) program: Program,
}

/// A binary of this machine.
fn start(
    args: &ProveArgs,
    binary: &str,
    world: &World,
    container: Option<&Case<'_>>,
    given: &Given,
    said: &mut Vec<String>,
) -> Result<Started> {
    let sha256 = digest(binary)?;
    runs_here(binary, world)?;
    let path =
        std::fs::canonicalize(binary).with_context(|| format!("--binary: cannot find {binary}"))?;
    Ok(Started {
        path,
        called: None,
        arguments: arguments(args, container, given, said),
        directory: directory(args, container),
        tree: None,
        without: Vec::new(),
        volumes: Vec::new(),
        program: Program { path: binary.to_owned(), sha256 },
    })
}

/// What this machine's processor cannot run would be handed to a shell by the C library.
fn runs_here(path: &str, world: &World) -> Result<(), Mistake> {
    let plain = |path: &str| path.trim_start_matches("./").to_owned();
    let same = |binary: &&Binary| plain(&binary.path) == plain(path);
    let Some(binary) = world.binaries.iter().find(same) else {
        return Err(Mistake::new(format!("--binary: {path} is no executable that can be run")));
    };
    let here = image::machine();
    match binary.machine.as_ref().map(|machine| machine.value.as_str()) {
        Some(machine) if machine != here => Err(Mistake::new(format!(
            "--binary: {path} is for {machine}, and this machine is {here}"
        ))
        .help(format!("build it with GOARCH={here}"))),
        _ => Ok(()),
    }
}

/// Groups that its volumes are given to, and further ones that it is in.
fn groups(case: &Case<'_>) -> (Option<u32>, Vec<u32>) {
    let number = |id: i64| u32::try_from(id).ok();
    let fs_group = case.security().fs_group.as_ref().and_then(|group| number(group.value));
    let spec = case.of.object.document.node(case.pod().spec);
    let listed = spec.at(&["securityContext", "supplementalGroups"]);
    let listed = listed.iter().flat_map(|list| list.items());
    (fs_group, listed.filter_map(|group| group.as_i64().and_then(number)).collect())
}

/// Where it is started: as it was said, as the manifest has it, at the root.
fn directory(args: &ProveArgs, container: Option<&Case<'_>>) -> PathBuf {
    let written = container.and_then(|case| case.container.working_dir.as_ref());
    match (&args.directory, written) {
        (Some(directory), _) => {
            std::path::absolute(directory).unwrap_or_else(|_| directory.clone())
        }
        (None, Some(written)) => Path::new("/").join(&written.value),
        (None, None) => PathBuf::from("/"),
    }
}

/// What is spoken on which port, where that is not HTTP/1.1 in plain text.
fn spoken(proof: &Proof) -> Vec<String> {
    let all = proof.phases.iter().flat_map(|phase| &phase.spoken);
    let mut said: Vec<String> = all
        .filter(|spoken| spoken.protocol != Some(Protocol::Http))
        .map(|spoken| match spoken.protocol {
            Some(protocol) => {
                format!("port {} speaks {} ({})", spoken.port, protocol.name(), spoken.by)
            }
            None => format!("what port {} speaks is not known: {}", spoken.port, spoken.by),
        })
        .collect();
    said.sort();
    said.dedup();
    said
}

/// What is to be known of how it was measured.
fn told(proof: &Proof, said: &[String]) -> String {
    let mut text = String::new();
    for line in said {
        text.push_str(&format!("{}\n", clean(line)));
    }
    for missing in &proof.stage.missing {
        text.push_str(&format!("without {} ({})\n", clean(&missing.what), clean(&missing.why)));
    }
    for spoken in spoken(proof) {
        text.push_str(&format!("{}\n", clean(&spoken)));
    }
    if proof.phases.iter().any(|phase| phase.as_root.is_some()) {
        text.push_str(
            "it ended by itself and was started once more as root, in the same surroundings\n",
        );
    }
    for line in dependencies::unheard(proof) {
        text.push_str(&format!("{}\n", clean(&line)));
    }
    let late = proof.phases.iter().map(|phase| phase.lateness_us).max().unwrap_or(0);
    if late > LATE_US {
        text.push_str(&format!(
            "this machine was busy: one request in a hundred was begun {:.1} ms late or more\n",
            late as f64 / 1e3
        ));
    }
    text
}
