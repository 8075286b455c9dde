//! A HEALTHCHECK that can never succeed.

use crate::case::image::{ImageCase, ImageView};
use crate::case::tools::{Missing, Tool, look_up, look_up_command, look_up_script};
use crate::case::{BuildCase, Case};
use crate::facts::build::{CommandForm, Instruction};
use crate::facts::workload::ContainerRole;
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::shell::{Script, shell_text};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Docker and Compose mark the container unhealthy; Kubernetes never runs it.
pub static RULE: Rule = Rule {
    id: "unrunnable-healthcheck",
    group: Group::Build,
    level: Level::Warn,
    title: "a HEALTHCHECK that can never succeed",
    page: include_str!("unrunnable-healthcheck.md"),
    needs: &[Need::Dockerfile],
    variants: &[Variant::new(
        "healthcheck-without-probes",
        Level::Note,
        "a HEALTHCHECK where Kubernetes wants probes",
    )],
    check: Check::Build(check),
    also: &[Check::Image(image)],
    ..Rule::BASE
};

const KUBERNETES: &str = "Kubernetes does not run HEALTHCHECK: the CRI has no such call";

fn check(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    judge(case.image(), &case.cases().collect::<Vec<_>>(), out)
}

/// What the built image is configured to do, unless the Dockerfile of its containers tells the same.
fn image(case: &ImageCase<'_>, out: &mut Findings) -> Judged {
    let cases: Vec<Case<'_>> = case.cases().collect();
    let builds = cases.iter().filter_map(|case| case.build().ok());
    let told = builds.filter_map(|build| ImageView::new(None, Some(build))).any(|view| {
        let mut said = Findings::default();
        judge(view, &[], &mut said).is_ok() && said.abstained.is_empty()
    });
    if told {
        return Err(Abstain::NotApplicable);
    }
    judge(case.view(), &cases, out)
}

fn judge(view: ImageView<'_>, cases: &[Case<'_>], out: &mut Findings) -> Judged {
    let config = view.config();
    let healthcheck = config.healthcheck.as_ref().ok_or(Abstain::NotApplicable)?;
    let command = healthcheck.value.as_ref().ok_or(Abstain::NotApplicable)?;
    without_probes(cases, healthcheck, out);
    let report = |out: &mut Findings, what: String, at: &Origin, label: String| {
        let mut finding =
            Finding::new(&RULE, format!("HEALTHCHECK cannot succeed: {what}"), at, label)
                .also(&view.origin(), "the final image");
        if let Some(cased) = cases.first() {
            finding =
                finding.also(cased.container_origin(), "runs it; the kubelet asks its own probes");
        }
        out.push(finding.note(KUBERNETES).fix(Fix::suggest(
            "remove it, or let the program check itself: HEALTHCHECK CMD [\"/app\", \"-healthcheck\"]",
        )));
    };
    let argv: Vec<Fact<String>> = match command {
        CommandForm::Exec(argv) => argv.clone(),
        CommandForm::Shell(text) => {
            let shell = config.shell.as_ref().and_then(|shell| shell.first()).cloned();
            let shell = shell.unwrap_or_else(|| text.map(|_| "/bin/sh".to_owned()));
            if let Tool::Missing(missing) = look_up(view, &shell)? {
                let what =
                    format!("shell form needs {}, which the image does not have", missing.word);
                report(out, what, &text.origin, format!("run by {}", missing.word));
                return Ok(());
            }
            if let Tool::Missing(missing) = look_up_script(view, text)? {
                let (what, label) = said(&missing);
                report(out, what, &text.origin, label);
                return Ok(());
            }
            vec![text.clone()]
        }
    };
    if let CommandForm::Exec(argv) = command {
        let Some(program) = argv.first() else { return Ok(()) };
        if program.value.contains("://") {
            let what = format!("{} is an address, not a program", program.value);
            report(out, what, &program.origin, "no program of that name".to_owned());
            return Ok(());
        }
        if let Tool::Missing(missing) = look_up_command(view, argv)? {
            let at = argv.iter().find(|w| w.value.contains(&missing.word)).unwrap_or(program);
            let (what, label) = said(&missing);
            report(out, what, &at.origin, label);
            return Ok(());
        }
    }
    wrong_port(view, cases, &argv, out);
    Ok(())
}

fn said(missing: &Missing) -> (String, String) {
    let word = &missing.word;
    let what = if missing.shell { "shell" } else { "program" };
    (format!("the image has no {word}"), format!("there is no such {what} in the image"))
}

/// The kubelet ignores it, so a container without any probe is not checked at all.
fn without_probes(
    cases: &[Case<'_>],
    healthcheck: &Instruction<Option<CommandForm>>,
    out: &mut Findings,
) {
    if healthcheck.inherited {
        return;
    }
    for cased in cases {
        if cased.container.probes().next().is_none()
            && cased.container.role == ContainerRole::Main
            && !cased.workload().kind.is_batch()
        {
            out.push(
                Finding::new(
                    &RULE,
                    "HEALTHCHECK is not run by Kubernetes, and the container has no probe",
                    &healthcheck.origin,
                    "only Docker and Compose run it",
                )
                .variant(&RULE.variants[0])
                .also(cased.container_origin(), "has no probe of any kind")
                .note(KUBERNETES)
                .fix(Fix::suggest(
                    "write probes: interval is periodSeconds, timeout timeoutSeconds, retries \
                     failureThreshold, start-period a startupProbe",
                )),
            );
            return;
        }
    }
}

/// The port it calls is none that a workload with this image declares.
fn wrong_port(view: ImageView<'_>, cases: &[Case<'_>], argv: &[Fact<String>], out: &mut Findings) {
    let words: Vec<&str> = argv.iter().map(|word| word.value.as_str()).collect();
    let text = shell_text(&words).or(if words.len() == 1 { Some(words[0]) } else { None });
    let urls: Vec<String> = match text {
        Some(text) => Script::parse(text)
            .commands
            .iter()
            .flat_map(|c| c.argv().iter().map(|w| w.text.clone()))
            .collect(),
        None => words.iter().map(|w| (*w).to_owned()).collect(),
    };
    let local_port = urls.iter().find_map(|url| {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
        let authority = rest.split('/').next()?;
        let (host, port) = authority.rsplit_once(':')?;
        matches!(host, "localhost" | "127.0.0.1" | "[::1]").then_some(port)?.parse::<i64>().ok()
    });
    let Some(port) = local_port else { return };
    let declared: Vec<_> = cases
        .iter()
        .flat_map(|cased| cased.container.ports.iter())
        .filter_map(|p| p.port.as_ref())
        .collect();
    if declared.is_empty() || declared.iter().any(|p| p.value == port) {
        return;
    }
    let at = argv.last().map_or_else(|| view.origin(), |word| word.origin.clone());
    out.push(
        Finding::new(
            &RULE,
            format!(
                "HEALTHCHECK calls port {port}, and the container's port is {}",
                declared[0].value
            ),
            &at,
            format!("calls port {port}"),
        )
        .also(&declared[0].origin, "the port the workload declares")
        .note(KUBERNETES)
        .fix(Fix::suggest("call the port the program listens on, or remove the HEALTHCHECK")),
    );
}
