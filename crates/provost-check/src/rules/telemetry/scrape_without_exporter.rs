//! Metrics are asked for and nothing serves them.

use crate::case::Case;
use crate::case::scraped::Scraped;
use crate::facts::binary::GoProgram;
use crate::facts::program_text::TextPresence;
use crate::facts::symbols;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const PATH: Variant = Variant::new(
    "scrape-path-not-served",
    Level::Warn,
    "metrics are asked for at a path that no route of the program serves",
);

/// 404, or JSON where text is expected.
pub static RULE: Rule = Rule {
    id: "scrape-without-exporter",
    group: Group::Telemetry,
    level: Level::Warn,
    title: "the pod asks to be scraped and the program exports no metrics",
    page: include_str!("scrape-without-exporter.md"),
    needs: &[Need::Manifest, Need::Binary],
    variants: &[PATH],
    check: Check::Container(check),
    ..Rule::BASE
};

/// Routes shown as those of the program.
const SHOWN: usize = 5;

/// Packages that write Prometheus' text format.
const EXPORTERS: &[&str] = &[
    "github.com/prometheus/client_golang/prometheus/promhttp",
    "github.com/prometheus/common/expfmt",
    "go.opentelemetry.io/otel/exporters/prometheus",
    "github.com/VictoriaMetrics/metrics",
    "k8s.io/component-base/metrics",
    "github.com/armon/go-metrics/prometheus",
    "github.com/hashicorp/go-metrics/prometheus",
    "contrib.go.opencensus.io/exporter/prometheus",
];

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let exported = exports(case, out);
    if !out.found.is_empty() || case.program().is_err() || case.may_be_searched().is_err() {
        return exported;
    }
    let Some(scraped) = case.scraped() else { return exported };
    let asked = scraped.path.split(['?', '#']).next().unwrap_or_default();
    if asked.trim_matches('/').is_empty() {
        return exported;
    }
    if !case.serves_path(asked, Some(scraped.port))? {
        out.push(path(case, &scraped, asked)?);
        return Ok(());
    }
    match exported {
        // No annotation asks.
        Err(Abstain::NotApplicable) => Ok(()),
        exported => exported,
    }
}

fn path(case: &Case<'_>, scraped: &Scraped, asked: &str) -> Result<Finding, Abstain> {
    let known = case.route_paths(Some(scraped.port));
    let port = scraped.port;
    let what = match case.served_by_another(asked, port) {
        Some(other) => {
            format!("the server on port {port} has no route {asked}, which is that of {other}")
        }
        None => format!("no route of the program serves {asked}"),
    };
    let message = format!("{what}: Prometheus will see 404, and has no metrics");
    let finding = Finding::new(&RULE, message, &scraped.path_origin, "asked by Prometheus")
        .variant(&PATH)
        .also(&case.binary()?.origin(), case.routes_shown(Some(scraped.port), SHOWN));
    let near = names::nearest(asked, known.iter().map(String::as_str), 3);
    Ok(finding.fix(Fix::suggest(match near {
        Some(near) => format!("did you mean {near}?"),
        None => "name the path that serves the metrics".to_owned(),
    })))
}

fn exports(case: &Case<'_>, out: &mut Findings) -> Judged {
    let annotations = &case.pod().annotations;
    let scrape = annotations.get("prometheus.io/scrape").filter(|fact| fact.value == "true");
    let scrape = scrape.ok_or(Abstain::NotApplicable)?;
    // Another container of the pod may be the exporter.
    if case.pod().containers.len() > 1 {
        return Err(Abstain::NotApplicable);
    }
    let program = case.program()?;
    if program.links(symbols::PROMHTTP)?.is_some()
        || EXPORTERS.iter().any(|package| program.links_package(package))
    {
        return Ok(());
    }
    case.may_be_searched()?;
    writes_none(program, annotations.get("prometheus.io/path").map_or("/metrics", |it| &it.value))?;
    let expvar = program.links(symbols::EXPVAR)?;
    let what = match expvar {
        Some(_) => "only expvar, which serves JSON that Prometheus does not read",
        None => "no package that serves Prometheus' text format",
    };
    let mut finding = Finding::new(
        &RULE,
        format!("the pod asks to be scraped, and the program links {what}"),
        &scrape.origin,
        "asks Prometheus to come",
    )
    .also(expvar.unwrap_or(&program.version.origin), "the program");
    finding =
        finding.fix(Fix::suggest("serve promhttp.Handler() on /metrics, or remove the annotation"));
    out.push(finding);
    Ok(())
}

/// Unknown when the program may write the format itself: it has a text of it, or knows the path.
fn writes_none(program: &GoProgram, path: &str) -> Judged {
    let asked = path.split(['?', '#']).next().unwrap_or_default();
    let texts = ["# TYPE ", "# HELP "].into_iter().map(|text| (text, program.text.find(text)));
    let path = (asked.len() > 1).then(|| (asked, program.text.find_path(asked)));
    for (text, presence) in texts.chain(path) {
        match presence {
            TextPresence::Absent => {}
            TextPresence::Present(_) => {
                let what = format!("what the program itself writes as metrics: it holds {text:?}");
                return Err(Abstain::unknown(Reason::CodeUnclear, what));
            }
            TextPresence::Unknown(why) => {
                let what = format!("whether the program holds {text:?}: {why}");
                return Err(Abstain::unknown(Reason::StringsUnreadable, what));
            }
        }
    }
    Ok(())
}
