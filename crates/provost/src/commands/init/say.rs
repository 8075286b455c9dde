//! What a run says: what was found and written, what is left to decide, and what stays.

use std::collections::BTreeMap;

use provost_check::report::plain::clean;

use super::find::{Arguments, Found, LameDuck, ReadPath};
use super::write::{self, Golden, Place, Service, what_for};
use super::{Options, from_here, shown, word};
use crate::args::InitArgs;
use crate::output;

/// What was found and written, what is still to be decided, and what the program lacks.
pub(super) fn said(
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
            (Place::Other(_), ..) if args.keep => "left alone",
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
        ("What stays as it is:", stays(found, golden, places, args)),
    ] {
        if !items.is_empty() {
            out += &format!("\n{title}\n");
            for item in items {
                out += &wrapped(&item);
            }
        }
    }
    let charts: String = match args.helm {
        true => golden
            .services
            .iter()
            .map(|s| found.folder.join("charts").join(&s.name))
            .fold(String::new(), |all, chart| all + " --chart " + &word(&from_here(&chart))),
        false => String::new(),
    };
    let folder = word(&from_here(&found.folder));
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
    for listener in &service.ports.private.listeners {
        let variable = listener.variable.as_ref().map(|(name, _)| format!(" ({name})"));
        text += &format!(
            "; on the loopback address port {}{}",
            listener.port,
            variable.unwrap_or_default()
        );
    }
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
        if service.listens() && service.unasked().is_some() {
            // It is for somebody to decide.
        } else if service.listens() && !service.answers_probes() {
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
        } else if (http || !service.is_served())
            && service.answers_probes()
            && !service.grpc_health
            && !service.tells_apart()
        {
            items.push(format!(
                "{name} has one path for both probes, so liveness only asks whether it listens. Serve \
                 GET /livez without dependencies and GET /readyz with them."
            ));
        }
        if let (Some(http), false) = (&service.ports.http, service.debug_in_public.is_empty()) {
            items.push(format!(
                "{name} answers {} on port {}, to everybody who can send it requests: they show what is \
                 in its memory, and a profile keeps its CPUs busy. The import registers them with \
                 http.DefaultServeMux. Give the public server a router of its own (http.NewServeMux) \
                 and serve the default one on 127.0.0.1:6060 alone; kubectl port-forward reaches it \
                 there.",
                service.debug_in_public.join(" and "),
                http.port
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
             {path}}}]. Its jobs stand in the stages build and test."
        ));
    }
    for service in &golden.services {
        let name = &service.name;
        if let LameDuck::Unknown(what) = &service.times.lame_duck {
            items.push(format!(
                "{name}: how long a shutdown takes. After SIGTERM it waits{} before it ends, and its source \
                 does not say how long; that time is not in the grace period. Set drain and lame_duck in \
                 provost.toml, and raise the grace period by it.",
                what_for(what)
            ));
        } else if service.times.because.is_none() {
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
        if !service.reads.is_empty() {
            let shown = |read: &ReadPath| match &read.variable {
                Some(variable) => format!("{} ({variable})", read.path),
                None => read.path.clone(),
            };
            let paths: Vec<String> = service.reads.iter().map(shown).collect();
            items.push(format!(
                "{name} reads {} of the module's folder when it runs, and the image holds the program \
                 alone: embed it (//go:embed), or COPY it into the last stage and name its absolute \
                 path there.",
                paths.join(", ")
            ));
        }
        if service.arguments == Arguments::Unknown {
            items.push(format!(
                "{name}: the subcommand that serves. Its source does not say which one it is; write it as \
                 CMD behind the ENTRYPOINT of the Dockerfile."
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
    for sibling in &found.siblings {
        items.push(format!(
            "{} comes from the workspace ({}), which is outside of the build context: the Dockerfile's \
             go build finds it only when go.mod requires a version of it that is published, or with a \
             context that holds both.",
            sibling.path, sibling.folder
        ));
    }
    if !found.stamps_commit() {
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

/// What is left alone, and why.
fn stays(found: &Found, golden: &Golden, places: &[Place], args: &InitArgs) -> Vec<String> {
    let mut items = Vec::new();
    for (file, place) in golden.files.iter().zip(places) {
        if matches!(place, Place::Other(_)) && args.keep {
            let path = shown(file);
            items.push(match file.below.starts_with("Dockerfile") {
                true => format!(
                    "{path} is yours. The manifests expect that its image starts the program by itself, \
                     has a number other than 0 as USER and writes nowhere but in /tmp."
                ),
                false => format!("{path} is yours; --dry-run --force shows what it would become."),
            });
        }
    }
    items.extend(neighbours(found, golden));
    for service in &golden.services {
        let name = &service.name;
        let pod = match args.helm {
            true => "POD".to_owned(),
            false => format!("deployment/{name}"),
        };
        for listener in &service.ports.private.listeners {
            let variable = listener.variable.as_ref().map(|(name, _)| format!(" ({name})"));
            items.push(format!(
                "{name} listens on the loopback address, port {}{}, so the container declares no such \
                 port and the image exposes none: kubectl port-forward {pod} {} reaches it.",
                listener.port,
                variable.unwrap_or_default(),
                listener.port
            ));
        }
        if service.ports.private.metrics {
            items.push(format!(
                "{name} has its metrics there, where Prometheus does not reach them. To have them \
                 scraped, let it listen on all addresses, without pprof beside them."
            ));
        }
    }
    items
}

/// What is there for the same purpose, and is nobody's business here.
fn neighbours(found: &Found, golden: &Golden) -> Vec<String> {
    let is_written = |path: &String| {
        golden.files.iter().any(|file| file.root == found.folder && file.below == *path)
    };
    let mut by_folder: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in found.neighbours.manifests.iter().filter(|path| !is_written(path)) {
        let (folder, name) = path.split_once('/').unwrap_or(("", path));
        by_folder.entry(folder).or_default().push(name);
    }
    let mut items: Vec<String> = by_folder
        .into_iter()
        .map(|(folder, names)| {
            let more = names.len().saturating_sub(3);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let first = names[..names.len().min(3)].join(", ");
            format!(
                "{folder}/ already has {first}{more}: neither read nor changed. Apply one set or the \
                 other, not both."
            )
        })
        .collect();
    items.extend(found.neighbours.dockerfiles.iter().filter(|path| !is_written(path)).map(
        |path| {
            format!(
                "{path} is neither read nor changed; provost check judges it beside the new one."
            )
        },
    ));
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
    fn words_are_quoted_for_a_shell() {
        assert_eq!(
            [word("a/b.c"), word("my svc"), word("a'b"), word("")],
            ["a/b.c", "'my svc'", "'a'\\''b'", "''"]
        );
    }

    #[test]
    fn lists_keep_to_the_width() {
        let text = wrapped(&"word ".repeat(60));
        assert!(text.lines().all(|line| line.len() <= output::WIDTH), "{text}");
        assert!(text.starts_with("  - word"));
    }
}
