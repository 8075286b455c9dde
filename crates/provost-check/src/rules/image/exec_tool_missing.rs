//! A probe or hook that runs a program the image does not have.

use crate::case::Case;
use crate::case::image::ImageView;
use crate::case::tools::{Missing, Tool, look_up_command};
use crate::facts::Fact;
use crate::facts::workload::{Action, Handler};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::shell::{Script, shell_text, sleep_seconds};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

mod kubelet_sleep;

/// The kubelet execs the words as they are written: no shell, and no tool that the image lacks.
pub static RULE: Rule = Rule {
    id: "exec-tool-missing",
    group: Group::Image,
    level: Level::Deny,
    title: "a probe or hook that runs a program the image does not have",
    page: include_str!("exec-tool-missing.md"),
    needs: &[Need::Manifest, Need::Dockerfile],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let handlers: Vec<_> = case
        .container
        .handlers()
        .filter_map(|(field, handler)| match &handler.action {
            Action::Exec(argv) => Some((field, handler, argv)),
            _ => None,
        })
        .collect();
    if handlers.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let image = case.image()?;
    for (field, handler, argv) in handlers {
        match look_up_command(image, argv) {
            Ok(Tool::Present) => {}
            Ok(Tool::Missing(missing)) => {
                out.push(finding(case, image, field, handler, argv, &missing));
            }
            Err(abstain) => out.abstain(abstain),
        }
    }
    Ok(())
}

fn finding(
    case: &Case<'_>,
    image: ImageView<'_>,
    field: &'static str,
    handler: &Handler,
    argv: &[Fact<String>],
    missing: &Missing,
) -> Finding {
    let what = &missing.word;
    let effect = match field {
        "preStop" => "FailedPreStopHook: the hook never runs and SIGTERM comes at once".to_owned(),
        "postStart" => "FailedPostStartHook: the container is killed and restarted".to_owned(),
        "readinessProbe" => "every probe fails and the pod never becomes ready".to_owned(),
        _ => case.container.probes().find(|(name, _)| *name == field).map_or_else(
            || "every probe fails".to_owned(),
            |(_, probe)| {
                let seconds = probe.timing().latest();
                format!("every probe fails and the container is restarted within {seconds} s")
            },
        ),
    };
    let at = argv
        .iter()
        .find(|word| word.value == *what)
        .or_else(|| argv.iter().find(|word| word.value.contains(what.as_str())));
    let missing_what =
        if missing.shell { "there is no shell at that path" } else { "not in the image" };
    let finding = Finding::new(
        &RULE,
        format!("{field} runs {what}, which the image does not have; {effect}"),
        at.map_or(&handler.origin, |word| &word.origin),
        format!("{what}: {missing_what}"),
    )
    .level(if missing.certain { Level::Deny } else { Level::Warn })
    .also(
        &image.origin(),
        if missing.shell { "has no shell".to_owned() } else { format!("has no {what}") },
    );
    match fix(case, field, handler, argv) {
        Some(fix) => finding.fix(fix),
        None => finding.fix(Fix::suggest(format!(
            "copy {what} into the image, or let the program itself answer"
        ))),
    }
}

/// The handler without a program: the kubelet's own sleep, HTTP or gRPC.
fn fix(
    case: &Case<'_>,
    field: &'static str,
    handler: &Handler,
    argv: &[Fact<String>],
) -> Option<Fix> {
    let words: Vec<&str> = argv.iter().map(|word| word.value.as_str()).collect();
    let commands: Vec<Vec<String>> = match shell_text(&words) {
        Some(text) => Script::parse(text)
            .commands
            .iter()
            .map(|c| c.argv().iter().map(|w| w.text.clone()).collect())
            .collect(),
        None => vec![words.iter().map(|w| (*w).to_owned()).collect()],
    };
    // Probes have no sleep.
    if let ([only], "preStop" | "postStart") = (commands.as_slice(), field) {
        let words: Vec<&str> = only.iter().map(String::as_str).collect();
        if let Some(seconds) = sleep_seconds(&words) {
            return Some(kubelet_sleep::fix(case, handler, seconds));
        }
    }
    let first = commands.first()?;
    let program = first.first()?.rsplit('/').next()?;
    let url = commands.iter().flatten().find(|word| word.starts_with("http"));
    match (program, url) {
        ("curl" | "wget", Some(url)) => {
            let (scheme, rest) = url.split_once("://")?;
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let port = host.rsplit_once(':').map_or("80", |(_, port)| port);
            let scheme = if scheme == "https" { ", scheme: HTTPS" } else { "" };
            Some(Fix::suggest(format!(
                "let the kubelet ask: httpGet: {{path: /{path}, port: {port}{scheme}}}"
            )))
        }
        ("grpc_health_probe" | "grpc-health-probe", _) => {
            Some(Fix::suggest("let the kubelet ask: grpc: {port: PORT}"))
        }
        _ => None,
    }
}
