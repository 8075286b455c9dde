//! `provost init`: writes what a Go service needs to be deployed well, so that the gate has nothing
//! to object to.
//!
//! `find` reads the module's source and decides nothing; `write` puts what was found into the
//! templates. What cannot be found is written as a default that works, with a comment that says how
//! to decide, and what the program itself lacks is said at the end.

mod find;
mod write;

use std::path::Path;

use anyhow::Result;
use provost_check::facts::{SourceId, Span};
use provost_check::findings::Edit;
use provost_check::report::plain::clean;

use crate::args::{Ci, Cli, InitArgs};
use crate::commands::fix::diff;
use crate::config;
use crate::exit::{Exit, Mistake};
use crate::output;
use find::Found;
use write::{Golden, NewFile, Options, Place, Service};

pub(crate) fn run(cli: &Cli, args: &InitArgs) -> Result<Exit> {
    let found = find::read(Path::new(&args.path), &args.package, config::today())?;
    let options = Options { helm: args.helm, image: args.image.clone(), ci: ci(args, &found) };
    let golden = write::golden(&found, &options)?;
    let places: Vec<Place> = golden.files.iter().map(NewFile::place).collect();
    if args.dry_run {
        output::print(&diff_of(&golden.files, &places, args.force)?)?;
        if !cli.quiet {
            output::complain(&said(&found, &golden, &places, args, &options));
        }
        return Ok(Exit::Clean);
    }
    refuse(&golden.files, &places, args.force)?;
    let new: Vec<&NewFile> = golden
        .files
        .iter()
        .zip(&places)
        .filter(|(_, place)| **place != Place::Same)
        .map(|(file, _)| file)
        .collect();
    write::write(&new, args.force)?;
    if !cli.quiet {
        output::print(&said(&found, &golden, &places, args, &options))?;
    }
    Ok(Exit::Clean)
}

/// The pipelines to write: those that were named, else what the remote has, else both.
fn ci(args: &InitArgs, found: &Found) -> Vec<Ci> {
    if !args.ci.is_empty() {
        let mut named = args.ci.clone();
        named.retain(|ci| *ci != Ci::None);
        named.dedup();
        return named;
    }
    let repository = found.repository.as_ref();
    let host = repository.and_then(|r| r.origin.as_ref()).map_or("", |(host, _)| host.as_str());
    let has = |path| repository.is_some_and(|r| r.has(path));
    match (host.contains("github"), host.contains("gitlab")) {
        (true, _) => vec![Ci::Github],
        (_, true) => vec![Ci::Gitlab],
        _ => match (has(".github"), has(".gitlab-ci.yml") || has(".gitlab")) {
            (true, false) => vec![Ci::Github],
            (false, true) => vec![Ci::Gitlab],
            _ => vec![Ci::Github, Ci::Gitlab],
        },
    }
}

/// Nothing is written while something is in the way.
fn refuse(files: &[NewFile], places: &[Place], force: bool) -> Result<(), Mistake> {
    let mut lines = Vec::new();
    let mut blocked = false;
    for (file, place) in files.iter().zip(places) {
        match place {
            Place::Other(_) if !force => lines.push(shown(file)),
            Place::Blocked(what) => {
                blocked = true;
                lines.push(format!("{} ({what} is no plain folder)", shown(file)));
            }
            _ => {}
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    let count = match lines.len() {
        1 => "a file is".to_owned(),
        n => format!("{n} files are"),
    };
    let mistake = Mistake::new(format!(
        "{count} in the way, so nothing is written:\n  {}",
        lines.join("\n  ")
    ));
    Err(match blocked {
        true => mistake.help("a link or a file stands where a folder is needed"),
        false => mistake.help("--dry-run shows how they differ; --force replaces them; --ci none leaves out pipelines"),
    })
}

/// A file's path from the working directory, where it lies below.
fn shown(file: &NewFile) -> String {
    let path = file.path();
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).ok();
    let near = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    near.unwrap_or(path).to_string_lossy().into_owned()
}

/// What would change, as `git apply` takes it.
fn diff_of(files: &[NewFile], places: &[Place], force: bool) -> Result<String> {
    let mut out = String::new();
    for (file, place) in files.iter().zip(places) {
        match place {
            Place::Same | Place::Blocked(_) => {}
            Place::Free => {
                let lines: Vec<&str> = file.text.lines().collect();
                out += &format!(
                    "--- /dev/null\n+++ b/{}\n@@ -0,0 +1,{} @@\n",
                    clean(&shown(file)),
                    lines.len()
                );
                out.extend(lines.iter().map(|line| format!("+{line}\n")));
            }
            Place::Other(Some(before)) => {
                let edit = edit(before, &file.text);
                out += &diff::unified(&shown(file), before, &[edit]);
            }
            Place::Other(None) => {
                let what = if force { "would be replaced" } else { "is in the way" };
                output::complain(&format!("{}: {what}, and is no text\n", clean(&shown(file))));
            }
        }
    }
    Ok(out)
}

/// The one change that makes a text into another: what is between their common lines.
fn edit(before: &str, after: &str) -> Edit {
    let common = |a: &str, b: &str| -> usize {
        let same = a.split_inclusive('\n').zip(b.split_inclusive('\n')).take_while(|(a, b)| a == b);
        same.map(|(line, _)| line.len()).sum()
    };
    let start = common(before, after);
    let (old, new) = (&before[start..], &after[start..]);
    // From the end, line by line.
    let lines = |text: &str| text.split_inclusive('\n').map(str::to_owned).collect::<Vec<_>>();
    let (old_lines, new_lines) = (lines(old), lines(new));
    let tail: usize = old_lines
        .iter()
        .rev()
        .zip(new_lines.iter().rev())
        .take_while(|(a, b)| a == b)
        .map(|(line, _)| line.len())
        .sum();
    Edit {
        source: SourceId(0),
        span: Span::new(start, before.len() - tail),
        replacement: new[..new.len() - tail].to_owned(),
    }
}

/// What was found and written, what is still to be decided, and what the program lacks.
fn said(
    found: &Found,
    golden: &Golden,
    places: &[Place],
    args: &InitArgs,
    options: &Options,
) -> String {
    let mut out = format!(
        "{}, to be built by go{}\n",
        found.path,
        found.builder.version.to_string().trim_start_matches("go")
    );
    for service in &golden.services {
        out += &format!("  {}: {}\n", service.name, what(service));
    }
    out.push('\n');
    for (file, place) in golden.files.iter().zip(places) {
        let verb = match (place, args.dry_run, args.force) {
            (Place::Same, ..) => "unchanged",
            (Place::Free, true, _) => "to be written",
            (Place::Free, false, _) => "written",
            (Place::Blocked(_), ..) | (Place::Other(_), true, false) => "in the way",
            (Place::Other(_), true, true) => "to be replaced",
            (Place::Other(_), false, _) => "replaced",
        };
        out += &format!("  {verb:<14} {}\n", shown(file));
    }
    for (title, items) in [
        ("What the program lacks:", lacks(golden)),
        ("What is to be decided:", decide(found, golden, options)),
    ] {
        if !items.is_empty() {
            out += &format!("\n{title}\n");
            for item in items {
                out += &wrapped(&item);
            }
        }
    }
    let folder = args.path.trim_end_matches('/');
    let below = if folder == "." { String::new() } else { format!("{folder}/") };
    let charts: String = match args.helm {
        true => {
            golden.services.iter().map(|s| format!(" --chart {below}charts/{}", s.name)).collect()
        }
        false => String::new(),
    };
    out += &format!("\nNext: commit, then provost check --build{charts} {folder}\n");
    out.lines().map(|line| format!("{}\n", clean(line))).collect()
}

/// What a service is, in a few words.
fn what(service: &Service) -> String {
    let ports: Vec<String> = service
        .ports
        .all()
        .map(|(name, port)| {
            let name = match name {
                "http" => "HTTP",
                "grpc" => "gRPC",
                other => other,
            };
            let from = match (&port.variable, port.assumed) {
                (Some((variable, _)), _) => format!(" (set by {variable})"),
                (None, true) => " (assumed)".to_owned(),
                (None, false) => String::new(),
            };
            format!("{name} on {}{from}", port.port)
        })
        .collect();
    let mut text = match (ports.is_empty(), service.ports.unknown) {
        (true, true) => "listens on a port that its source does not say".to_owned(),
        (true, false) => "listens on no port".to_owned(),
        (false, _) => ports.join(", "),
    };
    if let Some(because) = &service.cgo {
        text += &format!("; links C ({because})");
    }
    text
}

/// What somebody has to add to the program.
fn lacks(golden: &Golden) -> Vec<String> {
    let mut items = Vec::new();
    for service in &golden.services {
        let name = &service.name;
        if !service.handles_signals {
            items.push(format!(
                "{name} handles no SIGTERM, so each rollout cuts what it is doing. Call \
                 signal.NotifyContext with syscall.SIGTERM; then stop being ready, end the server with \
                 Shutdown under a timeout of {} s, and exit 0.",
                service.times.drain
            ));
        }
        let (http, grpc) = (service.ports.http.is_some(), service.ports.grpc.is_some());
        if service.is_served() && service.unasked().is_some() {
            // It is for somebody to decide.
        } else if service.is_served() && !service.answers_probes() {
            items.push(match (http, grpc) {
                (false, true) => format!(
                    "{name} serves no gRPC health, so probes only ask whether it listens. Register \
                     google.golang.org/grpc/health, and set NOT_SERVING at SIGTERM."
                ),
                _ => format!(
                    "{name} serves no path that says how it is, so probes only ask whether it listens. \
                     Serve GET /livez (200 while the process can answer; no dependencies) and GET \
                     /readyz (200 while it should get requests, 503 before that and from SIGTERM on), \
                     then run provost init --force."
                ),
            });
        } else if http && service.answers_probes() && !service.grpc_health && !service.tells_apart()
        {
            items.push(format!(
                "{name} has one path for both probes, so liveness only asks whether it listens. Serve \
                 GET /livez without dependencies and GET /readyz with them."
            ));
        }
        if let Some((_, port)) = service.ports.all().find(|(_, port)| port.loopback) {
            items.push(format!(
                "{name} listens on the loopback address, where nothing outside of its pod reaches port \
                 {}. Listen on \":{}\".",
                port.port, port.port
            ));
        }
        if let Some((_, port)) = service.ports.all().find(|(_, port)| port.port < 1024) {
            items.push(format!(
                "{name} listens on port {}, which a user other than root may not be allowed to. Take \
                 one above 1023; the Service can still be port {}.",
                port.port, port.port
            ));
        }
    }
    items
}

/// What nobody can find out.
fn decide(found: &Found, golden: &Golden, options: &Options) -> Vec<String> {
    let mut items = Vec::new();
    if golden.registry_assumed {
        items.push(
            "The registry of the images: registry.example.com stands for it. --image NAME sets it."
                .to_owned(),
        );
    }
    items.push(format!(
        "Tags are exact ({}, images of the builder and the base), digests cannot be known without \
         asking a registry; the Dockerfile says how to add them.",
        write::TAG
    ));
    if !options.ci.is_empty() {
        items.push(
            "Where releases of Provost are: the pipelines take the address from the variable \
             PROVOST_RELEASES and fail until it is set."
                .to_owned(),
        );
    }
    if let Some(path) = &golden.to_include {
        items.push(format!(
            "The repository's .gitlab-ci.yml is not this module's. Add to it: include: [{{local: \
             {path}}}], and build and gate to its stages."
        ));
    }
    for service in &golden.services {
        let name = &service.name;
        if service.times.because.is_none() {
            items.push(format!(
                "{name}: how long a shutdown takes. {} s are assumed, in the grace period and in provost.toml.",
                service.times.drain
            ));
        }
        for (port_name, port) in service.ports.all().filter(|(_, port)| port.assumed) {
            items.push(format!(
                "{name}: the {port_name} port. Nothing in the program says it; {} is assumed.",
                port.port
            ));
        }
        if service.ports.unknown {
            items.push(format!(
                "{name} listens, and its source does not say where: its Service, its probes and the \
                 ports of its NetworkPolicy, which lets everybody in until then."
            ));
        }
        if let Some((because, change)) = service.unasked() {
            items.push(format!(
                "{name}: how probes ask it. {because}, so they only ask whether it listens. {change}"
            ));
        }
        if !service.ports.others.is_empty() {
            let others: Vec<String> = service.ports.others.iter().map(u16::to_string).collect();
            items.push(format!(
                "{name} also listens on {}: which port is for requests and which for probes.",
                others.join(", ")
            ));
        }
        let open = service.settings.iter().filter(|s| s.default.is_none() || s.secret).count();
        if open > 0 {
            let variables = if open == 1 { "a variable" } else { "variables" };
            items.push(format!(
                "{name} reads {variables} without a default that is known; see env in its manifests."
            ));
        }
        if !service.is_served() {
            items.push(format!(
                "{name}: whether two may run at once. One replica is written; if it ends by itself it \
                 is a Job and no Deployment."
            ));
        }
        if !service.libraries.is_empty() {
            items.push(format!(
                "{name} links {}: which packages provide them in the Dockerfile's images.",
                service.libraries.join(" ")
            ));
        }
        if service.kubernetes_client {
            items.push(format!("{name} talks to the Kubernetes API: the Role it needs."));
        }
    }
    for path in &found.replaced_outside {
        items.push(format!(
            "go.mod replaces a module by {path}, which is outside of the build context: build with a \
             context that holds both, or require a version."
        ));
    }
    let commit = found.repository.as_ref().is_none_or(|repository| repository.root != found.folder);
    if commit {
        items.push(
            "The module's folder has no .git, so a build in its Dockerfile stamps no commit; the label \
             from REVISION says it."
                .to_owned(),
        );
    }
    let tools = found.tools.join(", ");
    match found.tools.len() {
        0 => {}
        1 => items.push(format!(
            "{tools} neither listens nor waits for a signal and is taken for a tool; --package takes \
             it all the same."
        )),
        _ => items.push(format!(
            "{tools} neither listen nor wait for a signal and are taken for tools; --package takes \
             them all the same."
        )),
    }
    if found.cut {
        items.push(
            "The module is larger than what is read; name its programs with --package.".to_owned(),
        );
    }
    items
}

/// An item of a list, in lines of 80 columns.
fn wrapped(item: &str) -> String {
    let mut out = String::new();
    let mut line = String::from("  -");
    for word in item.split_whitespace() {
        if line.len() + 1 + word.len() > output::WIDTH && line.len() > 4 {
            out += &line;
            out.push('\n');
            line = String::from("   ");
        }
        line.push(' ');
        line += word;
    }
    out + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_edit_makes_a_text_into_another() {
        for (before, after) in [
            ("a\nb\nc\n", "a\nx\ny\nc\n"),
            ("", "a\n"),
            ("a\n", ""),
            ("a\na\n", "a\n"),
            ("a\n", "a\na\n"),
            ("a", "b\n"),
        ] {
            let edit = edit(before, after);
            let made = provost_check::findings::fix::apply(before, std::slice::from_ref(&edit));
            assert_eq!(made.as_deref(), Some(after), "{before:?} {edit:?}");
        }
    }

    #[test]
    fn lists_keep_to_the_width() {
        let text = wrapped(&"word ".repeat(60));
        assert!(text.lines().all(|line| line.len() <= output::WIDTH), "{text}");
        assert!(text.starts_with("  - word"));
    }
}
