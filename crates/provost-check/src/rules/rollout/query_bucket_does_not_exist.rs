//! Buckets that no histogram has.

use crate::case::ObjectCase;
use crate::case::rollouts::{Measured, Use};
use crate::facts::Origin;
use crate::facts::binary::GoProgram;
use crate::facts::symbols::{self, Symbol};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::promql::{Matcher, Op};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A selector of a bucket that does not exist returns nothing, for ever.
pub static RULE: Rule = Rule {
    id: "query-bucket-does-not-exist",
    group: Group::Rollout,
    level: Level::Deny,
    title: "a query for a histogram bucket that the program does not have",
    page: include_str!("query-bucket-does-not-exist.md"),
    needs: &[Need::Manifest, Need::Binary],
    check: Check::Object(check),
    ..Rule::BASE
};

/// A histogram whose buckets are known from the library that makes it.
struct Histogram {
    names: &'static [&'static str],
    /// Packages one of which makes it.
    packages: &'static [&'static str],
    /// With one of these the buckets may be others.
    unless: &'static [Symbol],
    bounds: &'static [f64],
    library: &'static str,
}

/// `DefBuckets` of client_golang v1.23.
const DEFAULTS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The advice of OpenTelemetry's semantic conventions for durations, as otelhttp and otelgrpc v0.72
/// give it (`WithExplicitBucketBoundaries`).
const CONVENTIONS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// `DefaultLatencyBounds` of stats/opentelemetry in grpc-go v1.78.
const A66: &[f64] = &[
    0.0, 0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005,
    0.006, 0.008, 0.01, 0.013, 0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16,
    0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0,
];

const HISTOGRAMS: &[Histogram] = &[
    Histogram {
        names: &["http_server_request_duration_seconds", "http_client_request_duration_seconds"],
        packages: &["go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"],
        unless: &[symbols::OTEL_WITH_VIEW],
        bounds: CONVENTIONS,
        library: "otelhttp",
    },
    Histogram {
        names: &["rpc_server_call_duration_seconds", "rpc_client_call_duration_seconds"],
        packages: &["go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"],
        unless: &[symbols::OTEL_WITH_VIEW],
        bounds: CONVENTIONS,
        library: "otelgrpc",
    },
    Histogram {
        names: &["grpc_server_handling_seconds", "grpc_client_handling_seconds"],
        packages: &[
            "github.com/grpc-ecosystem/go-grpc-prometheus",
            "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus",
        ],
        unless: &[symbols::GRPC_PROMETHEUS_BUCKETS, symbols::GRPC_MIDDLEWARE_BUCKETS],
        bounds: DEFAULTS,
        library: "the gRPC interceptor",
    },
    Histogram {
        names: &[
            "grpc_server_call_duration_seconds",
            "grpc_client_call_duration_seconds",
            "grpc_client_attempt_duration_seconds",
        ],
        packages: &["google.golang.org/grpc/stats/opentelemetry"],
        unless: &[symbols::OTEL_WITH_VIEW],
        bounds: A66,
        library: "grpc-go's stats/opentelemetry",
    },
];

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    case.analysis().ok_or(Abstain::NotApplicable)?;
    let queries = case.queries();
    let mut asked = false;
    for measured in &queries {
        for selector in &measured.query.selectors {
            let Some(base) = selector.name.as_deref().and_then(|name| name.strip_suffix("_bucket"))
            else {
                continue;
            };
            for matcher in selector.matchers.iter().filter(|matcher| matcher.label == "le") {
                asked = true;
                if let Err(abstain) = judge(case, measured, base, matcher, out) {
                    out.abstain(abstain);
                }
            }
        }
    }
    if asked { Ok(()) } else { Err(Abstain::NotApplicable) }
}

fn judge(
    case: &ObjectCase<'_>,
    measured: &Measured<'_>,
    base: &str,
    matcher: &Matcher,
    out: &mut Findings,
) -> Judged {
    let values = matcher.values().ok_or(Abstain::NotApplicable)?;
    let histogram = HISTOGRAMS.iter().find(|histogram| histogram.names.contains(&base));
    let histogram = histogram
        .ok_or_else(|| Abstain::unknown(Reason::CodeUnclear, format!("the buckets of {base}")))?;
    let (program, used) = program(case)?;
    // Another program of the pod makes it, or a library that is not known here.
    if !histogram.packages.iter().any(|package| program.links_package(package)) {
        return Err(Abstain::unknown(Reason::CodeUnclear, format!("what makes {base}")));
    }
    if program.links_any(histogram.unless)?.is_some() {
        return Err(Abstain::unknown(Reason::CodeUnclear, format!("the buckets of {base}")));
    }
    for value in values {
        let Some(problem) = problem(histogram, matcher, &value) else { continue };
        let text = measured.text.value.get(matcher.place.clone()).unwrap_or_default();
        let place = case.world().within(&measured.text.origin, text);
        out.push(finding(histogram, base, &value, &problem, &place, program, &used));
    }
    Ok(())
}

/// The program of the first Rollout that uses the template and has one bound.
fn program<'w>(case: &ObjectCase<'w>) -> Result<(&'w GoProgram, Use<'w>), Abstain> {
    let mut why = Abstain::unknown(
        Reason::ObjectNotInInput,
        format!("the Rollout that uses {}", case.object.meta.name()),
    );
    for used in case.uses() {
        let Some(target) = used.target() else { continue };
        match target.program() {
            Ok(program) => return Ok((program, used)),
            Err(Abstain::NotApplicable) => {}
            Err(unknown) => why = unknown,
        }
    }
    Err(why)
}

/// What is wrong with a value of `le`.
enum Problem {
    /// No bucket has that bound; the nearest that one has.
    NoBucket { nearest: f64 },
    /// The bound is there and written otherwise.
    Spelling { right: String },
}

fn problem(histogram: &Histogram, matcher: &Matcher, value: &str) -> Option<Problem> {
    if value == "+Inf" {
        return None;
    }
    let number: f64 = value.parse().ok().filter(|n: &f64| n.is_finite())?;
    let nearest = histogram
        .bounds
        .iter()
        .copied()
        .min_by(|a, b| (a - number).abs().total_cmp(&(b - number).abs()))?;
    if (nearest - number).abs() > number.abs() * 1e-9 {
        return Some(Problem::NoBucket { nearest });
    }
    // A dot in an expression matches any letter: `0.50` would have to be written so by somebody.
    let written = format!("{nearest}");
    // Prometheus 3 writes `1.0` where 2 took over `1`: both are right somewhere.
    let right = value == written || value == format!("{written}.0") || written.contains('e');
    let exact = matches!(matcher.op, Op::Equal | Op::NotEqual);
    (!right && exact).then_some(Problem::Spelling { right: written })
}

fn finding(
    histogram: &Histogram,
    base: &str,
    value: &str,
    problem: &Problem,
    place: &Origin,
    program: &GoProgram,
    used: &Use<'_>,
) -> Finding {
    let (message, fix) = match problem {
        Problem::NoBucket { nearest } => (
            format!(
                "{base} has no bucket le=\"{value}\": the query returns nothing, whatever the \
                 latency is"
            ),
            format!("ask for le=\"{nearest}\", or give the histogram a bucket of {value}"),
        ),
        Problem::Spelling { right } => (
            format!(
                "labels are compared as text, and the bucket of {base} is le=\"{right}\", not \
                 le=\"{value}\": the query returns nothing"
            ),
            format!("write le=\"{right}\""),
        ),
    };
    let bounds: Vec<String> = histogram.bounds.iter().map(|bound| format!("{bound}")).collect();
    Finding::new(&RULE, message, place, "matches no bucket")
        .also(&program.version.origin, format!("links {} and sets no buckets", histogram.library))
        .also(&used.used.origin, format!("decides about {}", used.rollout.object.meta.name()))
        .note(format!("the buckets are {}", bounds.join(" ")))
        .fix(Fix::suggest(fix))
}
