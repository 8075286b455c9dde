//! `provost check`

use std::io::Read as _;
use std::mem::ManuallyDrop;
use std::path::Path;

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use provost_check::artifact::{Source, SourceKind, Sources, discover, mmap};
use provost_check::case::World;
use provost_check::case::binding::has_container;
use provost_check::facts::build::{Build, Stage};
use provost_check::facts::objects::Object;
use provost_check::facts::settings::Settings;
use provost_check::facts::{Fact, Origin};
use provost_check::findings::baseline::{self, Baseline};
use provost_check::findings::suppress::Suppression;
use provost_check::findings::{Finding, Reason};
use provost_check::pipeline::{self, BinaryInput, Conclusion, Loaded, Request};
use provost_check::report::notice::way_to_render;
use provost_check::report::plain::clean;
use provost_check::report::text::Options;
use provost_check::report::view::View;
use provost_check::report::{Report, github, gitlab, html, json, junit, markdown, sarif, text};
use provost_check::rules::engine::Selection;

use crate::args::{CheckArgs, Cli, Format, ImageArg, Kind, Output};
use crate::commands::changed::Changed;
use crate::commands::declared::{self, Declared};
use crate::commands::fix::{self, Drafts, Fixed};
use crate::config::{InForce, Paths};
use crate::exit::{Exit, Mistake};
use crate::interrupt::Interrupt;
use crate::{build, config, output, registry, render, repository, workers};

/// A baseline larger than this is refused: about 300,000 known findings.
const MOST_BASELINE: u64 = 64 << 20;

/// Standard input larger than this is refused.
const MOST_STDIN: u64 = 256 << 20;

pub(crate) fn run(cli: &Cli, args: &CheckArgs) -> Result<Exit> {
    one_report_on_stdout(args)?;
    let interrupt = Interrupt::watch().context("cannot watch for signals")?;
    let known = read_baseline(args)?;
    let configured = configure(cli, args, known.as_ref())?;
    let Declared { binaries, absent } =
        declared::binaries(args, &configured.settings, &configured.sources);
    workers::start(args, !binaries.is_empty() || configured.settings.render);
    let changed = args.diff_base.as_deref().map(Changed::since).transpose()?;
    let (mut request, builds) = request(cli, args, &interrupt)?;
    request.binaries.extend(binaries);
    let mut rendered = render_all(args, &configured.settings, &mut request)?;
    let mut run = judge(args, configured, &request)?;
    builds.fetching.finish_and_clear();
    let mut fixed = Fixed::default();
    // What may be written lies in what was named.
    let roots: Vec<String> = args.paths.iter().chain(&args.chart).cloned().collect();
    if args.fix && !args.diff {
        for _ in 0..fix::PASSES {
            let world = &run.loaded.world;
            let mut new = new_findings(&run.conclusion.findings, known.as_ref());
            new.retain(|f| changed.as_ref().is_none_or(|c| c.touches(f, world)));
            if interrupt.exit().is_some()
                || !fix::write(world, &roots, &new, args.unsafe_fixes, &mut fixed)
            {
                break;
            }
            let configured = configure(cli, args, known.as_ref())?;
            // Values of a chart may have been written, and it may render no more.
            rendered = render_all(args, &configured.settings, &mut request)?;
            run = judge(args, configured, &request)?;
        }
    }
    let Run { loaded, conclusion, selection } = run;
    // The process ends when the report is written: taking millions of facts apart piece by piece
    // would only delay that.
    let loaded = ManuallyDrop::new(loaded);
    let version = env!("CARGO_PKG_VERSION");
    let mut report = ManuallyDrop::new(pipeline::report(&loaded.world, version, conclusion));
    let report = &mut *report;
    report.built = builds.said;
    report.built.extend(rendered.said);
    report.failed_renders = rendered.failed;
    report.failed_builds = builds.failed;
    report.skipped.clone_from(&loaded.skipped);
    report.skipped.extend(absent);
    report.folder = repository::folder();
    if !report.failed_renders.is_empty() {
        // What was tried and failed needs no advice to try it.
        let tried: Vec<String> = args
            .chart
            .iter()
            .chain(&args.kustomize)
            .map(|path| discover::shown(Path::new(path)))
            .collect();
        report.skipped.retain(|skipped| !tried.contains(&skipped.path));
    }
    report.fail_on = args.rules.fail_on.level();
    if let Some((path, known)) = &known {
        let seen = baseline::Seen {
            paths: report.inputs.iter().map(|input| input.path.as_str()).collect(),
            objects: loaded.world.objects.iter().map(Object::subject).collect(),
        };
        let not_judged = &report.not_judged;
        let judged = |entry: &baseline::Entry| {
            selection_has(&selection, entry) && baseline::was_judged(entry, &seen, not_judged)
        };
        report.baseline = Some(known.compare(path, &mut report.findings, judged));
    }
    if let Some(changed) = &changed {
        let all = report.findings.len();
        report.findings.retain(|finding| changed.touches(finding, &loaded.world));
        report.unchanged = all - report.findings.len();
    }
    if let Some(file) = &args.write_baseline {
        let written = Baseline::of(&report.findings, report.sources);
        let text = written.with_programs(&loaded.world.binaries).render();
        output::write_file(Path::new(file), &text)
            .map_err(|error| Mistake::new(format!("cannot write {file}: {error}")))?;
        report.fail_on = None;
    }

    let fails = report
        .findings
        .iter()
        .any(|finding| report.fail_on.is_some_and(|from| finding.level >= from));
    let missing = missing(report, &args.require);
    let nothing = report.judged.is_nothing();
    if args.diff {
        let mut drafts = Drafts::default();
        let new: Vec<&Finding> = report.findings.iter().collect();
        let suggested = args.unsafe_fixes;
        let mut changed_more =
            fix::draft(&loaded.world, &roots, &new, suggested, &mut fixed, &mut drafts);
        // As many passes as --fix makes, so that the diff is what it writes.
        for _ in 1..fix::PASSES {
            if interrupt.exit().is_some() || !changed_more {
                break;
            }
            request.drafts = drafts.texts();
            let next = judge(args, configure(cli, args, known.as_ref())?, &request)?;
            let world = &next.loaded.world;
            let mut new = new_findings(&next.conclusion.findings, known.as_ref());
            new.retain(|f| changed.as_ref().is_none_or(|c| c.touches(f, world)));
            changed_more = fix::draft(world, &roots, &new, suggested, &mut fixed, &mut drafts);
        }
        output::print(&drafts.diff())?;
    }
    write(cli, &args.format, args.diff, report)?;
    if args.fix {
        said_of_fixes(cli, args, report, &fixed);
    }
    for line in &missing {
        output::complain(&format!("error: {line}\n"));
    }
    if let Some(exit) = interrupt.exit() {
        output::complain("error: interrupted; the report holds what was known until then\n");
        return Ok(exit);
    }
    let failed = !report.failed_builds.is_empty() || !report.failed_renders.is_empty();
    Ok(if loaded.unusable || nothing || failed {
        Exit::Usage
    } else if fails || !missing.is_empty() {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

/// Says what became of fixes. `--quiet` leaves out what went well, and nothing that is the answer: an
/// empty diff alone would say neither that there are findings nor that they have other fixes.
fn said_of_fixes(cli: &Cli, args: &CheckArgs, report: &Report<'_>, fixed: &Fixed) {
    for line in fixed.refusals() {
        output::complain(&format!("{line}\n"));
    }
    if args.diff || !cli.quiet {
        output::complain(&format!("{}\n", fixed.summary(args.diff)));
    }
    let Some(from) = report.fail_on.filter(|_| args.diff) else { return };
    let count = report.findings.iter().filter(|finding| finding.level >= from).count();
    if count > 0 {
        let findings = if count == 1 { "finding" } else { "findings" };
        output::complain(&format!(
            "{count} {findings} of level {} or above before any fix: without --diff they are shown\n",
            from.name()
        ));
    }
}

/// Inputs as they were read, and what the rules said.
struct Run {
    loaded: Loaded,
    conclusion: Conclusion,
    selection: Selection,
}

fn judge(args: &CheckArgs, configured: Configured, request: &Request) -> Result<Run> {
    let Configured { sources, settings, selection, ignores } = configured;
    let mut loaded = pipeline::load(request, sources, settings);
    named_things_exist(args, &loaded.world)?;
    let conclusion = pipeline::judge_platforms(&mut loaded, request, &selection, &ignores);
    Ok(Run { loaded, conclusion, selection })
}

/// The findings that a baseline does not know; all without one.
fn new_findings<'f>(
    findings: &'f [Finding],
    known: Option<&(String, Baseline)>,
) -> Vec<&'f Finding> {
    match known {
        Some((_, known)) => known.new_of(findings),
        None => findings.iter().collect(),
    }
}

/// The file of known findings, before anything is judged: a typing error must not cost a build.
fn read_baseline(args: &CheckArgs) -> Result<Option<(String, Baseline)>, Mistake> {
    let Some(path) = &args.baseline else { return Ok(None) };
    let bytes = mmap::read_text(Path::new(path), MOST_BASELINE, true).map_err(|error| {
        let mistake = Mistake::new(format!("--baseline: cannot read {path}: {error}"));
        match error.kind() {
            std::io::ErrorKind::NotFound => {
                mistake.help(format!("write it first: provost check --write-baseline {path}"))
            }
            _ => mistake,
        }
    })?;
    let known = Baseline::read(&bytes)
        .map_err(|error| Mistake::new(format!("--baseline: {path} {error}")))?;
    Ok(Some((path.clone(), known)))
}

/// Whether an entry's rule runs under this selection; with --only the others are not resolved.
fn selection_has(selection: &Selection, entry: &baseline::Entry) -> bool {
    let (id, variant) =
        entry.rule.split_once('/').map_or((entry.rule.as_str(), None), |(id, v)| (id, Some(v)));
    let Some(rule) = provost_check::rules::find(id) else { return true };
    let variant = rule.variants.iter().find(|v| Some(v.name) == variant);
    selection.level(rule, variant).is_some()
}

/// Two reports on one stream would be none.
fn one_report_on_stdout(args: &CheckArgs) -> Result<(), Mistake> {
    let on_stdout = args.format.iter().filter(|output| output.file.is_none()).count();
    if on_stdout == 1 && args.diff {
        return Err(Mistake::new(
            "--diff writes to standard output, and --format to the same place",
        )
        .help("write the report to a file: --diff --format json=report.json"));
    }
    if on_stdout > 1 {
        return Err(Mistake::new("only one format can go to standard output")
            .help("write the other to a file: --format json=report.json"));
    }
    let mut files: Vec<_> = args.format.iter().filter_map(|o| o.file.as_deref()).collect();
    files.sort_unstable();
    match files.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Mistake::new(format!("two formats would be written to {}", pair[0]))),
        None => Ok(()),
    }
}

/// A container or a stage that a flag names and that is not there would judge something else.
fn named_things_exist(args: &CheckArgs, world: &World) -> Result<(), Mistake> {
    if let Some(wanted) = &args.container
        && !has_container(world, wanted)
    {
        return Err(Mistake::new(format!("--container: no container is {wanted}"))
            .help("a report of `provost check --verbose` names them"));
    }
    if let Some(wanted) = &args.platform
        && !world.sources.iter().any(|(_, source)| source.kind == SourceKind::Image)
    {
        return Err(Mistake::new(format!("--platform: no image is given to choose {wanted} of"))
            .help("name the image: --image oci:DIR, docker-archive:TAR or registry:REFERENCE"));
    }
    if let Some(wanted) = &args.target {
        let named = |stage: &Stage| {
            stage.name.as_ref().is_some_and(|name| name.value.eq_ignore_ascii_case(wanted))
        };
        let there = |build: &Build| {
            let index = wanted.parse().ok().and_then(|n: usize| build.stages.get(n));
            index.is_some() || build.stages.iter().any(named)
        };
        if !world.builds.iter().any(there) {
            let stages = world.builds.iter().flat_map(|build| &build.stages);
            let names: Vec<&str> = stages
                .filter_map(|stage| stage.name.as_ref().map(|name| name.value.as_str()))
                .take(20)
                .collect();
            let mistake = Mistake::new(format!("--target: no Dockerfile has a stage {wanted}"));
            return Err(match names.is_empty() {
                true => mistake.help("no stage has a name"),
                false => mistake.help(format!("stages: {}", names.join(", "))),
            });
        }
    }
    Ok(())
}

/// What to judge by.
struct Configured {
    /// Configuration files and flags that facts point at.
    sources: Sources,
    settings: Settings,
    selection: Selection,
    ignores: Vec<Suppression>,
}

/// `provost.toml`, outranked by the command line.
fn configure(
    cli: &Cli,
    args: &CheckArgs,
    known: Option<&(String, Baseline)>,
) -> Result<Configured> {
    let mut sources = Sources::default();
    let color = output::color_on_stderr(cli.color);
    let date = args.date.unwrap_or_else(config::today);
    let InForce { mut settings, levels, ignores } =
        config::in_force(&named(args), &mut sources, date, color)?;
    settings.closed_world |= args.closed_world;
    settings.container.clone_from(&args.container);
    flag_facts(args, &mut settings, &mut sources);
    if let Some((path, known)) = known.filter(|(_, known)| !known.programs.is_empty()) {
        let origin = Origin::whole(sources.add(Source::opaque(path.clone(), SourceKind::Flag)));
        settings.former_programs = known.former(&origin);
    }
    let selection = args.rules.selection(args.profile.of_the_engine(), levels)?;
    Ok(Configured { sources, settings, selection, ignores })
}

/// What the command line names.
fn named(args: &CheckArgs) -> Paths<'_> {
    let manifests = args.paths.iter().chain(&args.chart).chain(&args.kustomize);
    let images = args.image.iter().filter_map(|image| match image {
        ImageArg::File(file) => Some(&file.path),
        ImageArg::Registry(_) => None,
    });
    let evidence = args.dockerfile.iter().chain(&args.binary).chain(images).chain(&args.proof);
    Paths {
        manifests: manifests.map(String::as_str).collect(),
        evidence: evidence.map(String::as_str).collect(),
    }
}

/// Facts that the command line states have their place on it.
fn flag_facts(args: &CheckArgs, settings: &mut Settings, sources: &mut Sources) {
    let mut flag = |name: &str| Origin::whole(sources.add(Source::opaque(name, SourceKind::Flag)));
    if let Some(minors) = args.kubernetes {
        settings.cluster.kubernetes = Some(Fact::written(minors, flag("--kubernetes")));
    }
    if let Some(minor) = args.go {
        settings.target_go = Some(Fact::written(minor, flag("--go")));
    }
}

/// What `--build` did, and what will be fetched.
struct Builds {
    said: Vec<String>,
    failed: Vec<String>,
    /// What shows how much of images has come.
    fetching: ProgressBar,
}

/// Lines of another program, its escape sequences shown rather than obeyed.
fn cleaned_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

/// What was rendered, and what was not.
struct Rendered {
    said: Vec<String>,
    failed: Vec<String>,
}

/// Has charts and kustomizations rendered, for the request to hold.
fn render_all(args: &CheckArgs, settings: &Settings, request: &mut Request) -> Result<Rendered> {
    let outcome = render::run(args, settings.render, settings.kubernetes(), &request.interrupted)?;
    request.renderings = outcome.renderings;
    Ok(Rendered { said: outcome.said, failed: outcome.failed })
}

/// What to load, and what `--build` did for it.
fn request(cli: &Cli, args: &CheckArgs, interrupt: &Interrupt) -> Result<(Request, Builds)> {
    let mut request = Request {
        paths: args.paths.clone(),
        dockerfiles: args.dockerfile.clone(),
        platform: args.platform.clone(),
        target: args.target.clone(),
        namespace: args.namespace.clone(),
        proofs: args.proof.clone(),
        interrupted: interrupt.flag(),
        ..Request::default()
    };
    let given = |path: &String| BinaryInput::given(path.clone(), path.clone());
    request.binaries = args.binary.iter().map(given).collect();
    let mut references = Vec::new();
    for image in &args.image {
        match image {
            ImageArg::File(file) => request.images.push(file.clone()),
            ImageArg::Registry(reference) => references.push(reference.as_str()),
        }
    }
    let insecure = &args.insecure_registry;
    let (inputs, fetching) = registry::open(&references, insecure, cli.quiet, &interrupt.flag())?;
    request.registry_images = inputs;
    if args.paths.iter().any(|path| path == "-") {
        request.stdin = Some(read_stdin()?);
    }
    let (mut said, mut failed) = (Vec::new(), Vec::new());
    if args.build {
        let paths: Vec<String> = args.paths.iter().filter(|p| *p != "-").cloned().collect();
        let target = args.target.as_deref();
        let outcome = build::run(&paths, &args.dockerfile, target, cli.quiet, &interrupt.flag())?;
        for built in outcome.built {
            said.extend(built.because);
            request.binaries.push(built.input);
        }
        for failure in outcome.failed {
            if !failure.output.is_empty() {
                output::complain(&format!("{}\n", cleaned_lines(&failure.output)));
            }
            failed.push(failure.sentence);
        }
    }
    Ok((request, Builds { said, failed, fetching }))
}

fn read_stdin() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut limited = std::io::stdin().lock().take(MOST_STDIN + 1);
    limited.read_to_end(&mut bytes).context("cannot read standard input")?;
    if bytes.len() as u64 > MOST_STDIN {
        let most = MOST_STDIN >> 20;
        return Err(Mistake::new(format!("standard input has more than {most} MiB"))
            .help("give the manifests as files")
            .into());
    }
    Ok(bytes)
}

/// Evidence that `--require` names and that is not there, or not everywhere.
fn missing(report: &Report<'_>, require: &[Kind]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for kind in require {
        let before = lines.len();
        let (word, count, reason) = match kind {
            Kind::Binary => ("binary", report.judged.binaries, Reason::NoBinary),
            Kind::Image => ("image", report.judged.images, Reason::NoImage),
            Kind::Dockerfile => ("Dockerfile", report.judged.dockerfiles, Reason::NoDockerfile),
            Kind::Manifest => ("manifest", report.judged.objects, Reason::NoWorkload),
        };
        let waiting = report.not_judged.iter().find(|n| n.reason == reason);
        let several = report.not_judged.iter().find(|n| n.reason == Reason::SeveralBinaries);
        let several = several.filter(|_| *kind == Kind::Binary);
        if count == 0 {
            lines.push(format!("no {word} was judged, and --require names it"));
        } else if let Some(waiting) = waiting {
            let subject = provost_check::report::plain::clean(&waiting.subject);
            lines.push(format!("--require names a {word}, and {subject} has none"));
        } else if let Some(several) = several {
            let subject = provost_check::report::plain::clean(&several.subject);
            lines.push(format!(
                "--require names a {word}, and nothing says which of several {subject} runs\nhelp: {}",
                several.reason.remedy()
            ));
        }
        // What is written is a half of it.
        let patched = report.not_judged.iter().find(|n| n.reason == Reason::Patched);
        if let (Kind::Manifest, Some(patched)) = (kind, patched) {
            let subject = provost_check::report::plain::clean(&patched.subject);
            lines.push(format!(
                "--require names a manifest, and {subject} is one only when kustomize has built it"
            ));
        }
        // What lies there may be the input of a renderer.
        let last = lines.len().checked_sub(1).filter(|last| *last >= before);
        if let (Kind::Manifest, Some(last), Some(way)) = (kind, last, way_to_render(report)) {
            lines[last].push_str(&format!("\nhelp: {way}"));
        }
    }
    lines
}

/// Whether the report for people goes to standard output.
pub(crate) fn prints_text(formats: &[Output]) -> bool {
    let on_stdout = formats.iter().find(|output| output.file.is_none());
    on_stdout.map_or(formats.is_empty(), |output| output.format == Format::Text)
}

/// Writes every report that is asked for; files first, so that a closed pipe loses none of them.
///
/// `silent` is for a run whose answer is something else on standard output.
pub(crate) fn write(
    cli: &Cli,
    formats: &[Output],
    silent: bool,
    report: &Report<'_>,
) -> Result<()> {
    let options =
        |color| Options { width: output::WIDTH, color, verbose: cli.verbose, quiet: cli.quiet };
    let view = std::cell::LazyCell::new(|| View::new(report));
    let render = |format, color| match format {
        Format::Text => text::render(report, options(color)),
        Format::Json => json::render(&view),
        Format::Sarif => sarif::render(&view),
        Format::Github => github::render(&view),
        Format::Gitlab => gitlab::render(&view),
        Format::Junit => junit::render(&view),
        Format::Markdown => markdown::render(&view),
        Format::Html => html::render(&view),
    };
    for wanted in formats {
        if let Some(file) = &wanted.file {
            output::write_file(Path::new(file), &render(wanted.format, false))
                .map_err(|error| Mistake::new(format!("cannot write {file}: {error}")))?;
        }
    }
    let on_stdout = formats.iter().find(|output| output.file.is_none());
    match on_stdout.map(|output| output.format) {
        Some(format) => output::print(&render(format, output::color_on_stdout(cli.color))),
        // The diff is the answer; whoever wants a report beside it names one.
        None if silent => Ok(()),
        None if formats.is_empty() => {
            output::print(&render(Format::Text, output::color_on_stdout(cli.color)))
        }
        None => Ok(()),
    }
}
