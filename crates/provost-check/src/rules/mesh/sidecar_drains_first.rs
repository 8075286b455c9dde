//! A proxy that leaves while the program is still at work.

use crate::case::Case;
use crate::case::mesh::Proxy;
use crate::facts::Origin;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::grace::{Sidecar, network_lost_at};
use crate::model::mtls::{DEFAULT_DRAIN, duration_seconds};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const EXCEEDS: Variant = Variant::new(
    "mesh-drain-exceeds-grace",
    Level::Warn,
    "the proxy drains for longer than the grace period lasts",
);

/// An ordinary container gets SIGTERM when the pod is deleted, whatever preStop hook the program has, drains for
/// `terminationDrainDuration` and is gone: `terminate` in pkg/envoy/agent.go, Istio 1.31.
pub static RULE: Rule = Rule {
    id: "sidecar-drains-first",
    group: Group::Mesh,
    level: Level::Deny,
    title: "the sidecar is gone before the program has drained",
    page: include_str!("sidecar-drains-first.md"),
    needs: &[Need::Manifest],
    variants: &[EXCEEDS],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    case.not_batch()?;
    if !case.is_target() {
        return Err(Abstain::NotApplicable);
    }
    let meshed = case.of.sidecar()?;
    // A hook of its own is for waiting.
    let own_hook = case.of.written_sidecar().is_some_and(|proxy| proxy.pre_stop.is_some());
    if meshed.proxy != Proxy::ClassicSidecar || own_hook {
        return Err(Abstain::NotApplicable);
    }
    case.of.as_applied()?;
    let waits = case.of.proxy_setting("EXIT_ON_ZERO_ACTIVE_CONNECTIONS");
    if waits.is_some_and(|(value, _)| value == "true") {
        return Ok(());
    }
    let drain = Drain::of(case)?;
    exceeds(case, &drain, out);
    let service = case.service_settings();
    let own = service.and_then(|service| service.drain.as_ref());
    let termination = case.termination();
    let sidecar = Sidecar::Classic { drain: drain.seconds };
    let Some(lost) = network_lost_at(&termination, sidecar) else {
        return match own {
            Some(_) => Ok(()),
            None => Err(Abstain::unknown(
                Reason::MeasuredFactMissing,
                "how long the service drains (drain)",
            )),
        };
    };
    let done = termination.prestop.saturating_add(termination.need);
    let hook = case.pre_stop_origin().filter(|_| termination.prestop > 0);
    let place = hook.or(own.map(|own| &own.origin)).unwrap_or(&case.container.origin);
    let label = match hook {
        Some(_) => format!("the program works on for {} s", termination.prestop),
        None => format!("requests in flight take up to {} s", termination.need),
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "from second {lost} of its termination the program has no network: the sidecar leaves after \
             {lost} s, the program is at work until second {done}{}",
            if own.is_some() { "" } else { " or later" }
        ),
        place,
        label,
    );
    if let (Some(own), Some(_)) = (own, hook) {
        finding = finding.also(&own.origin, format!("then drains for up to {} s", own.value));
    }
    finding = match &drain.origin {
        Some(origin) => finding.also(origin, format!("the sidecar drains for {} s", drain.seconds)),
        None => finding.note(format!(
            "terminationDrainDuration is {} s unless the pod or the mesh configures it",
            drain.seconds
        )),
    };
    finding = finding.also(&meshed.origin, meshed.label());
    if let Some(kind) = case.of.sidecar_kind_origin().filter(|kind| **kind != meshed.origin) {
        finding = finding.also(kind, "an ordinary container");
    }
    out.push(finding.fix(Fix::suggest(format!(
        "annotate the pods with proxy.istio.io/config: '{{\"terminationDrainDuration\": \"{}s\"}}', set \
         EXIT_ON_ZERO_ACTIVE_CONNECTIONS in its proxyMetadata, or let the sidecar be a native one",
        done.saturating_add(1)
    ))));
    Ok(())
}

/// How long the sidecar waits after SIGTERM.
struct Drain {
    seconds: u32,
    origin: Option<Origin>,
}

impl Drain {
    fn of(case: &Case<'_>) -> Result<Drain, Abstain> {
        match case.of.proxy_setting("terminationDrainDuration") {
            None => Ok(Drain { seconds: DEFAULT_DRAIN, origin: None }),
            Some((text, origin)) => match duration_seconds(&text) {
                Some(seconds) => Ok(Drain { seconds, origin }),
                None => Err(Abstain::unknown(
                    Reason::Templated,
                    format!("terminationDrainDuration {text}"),
                )),
            },
        }
    }
}

/// It always waits for the whole of its time.
fn exceeds(case: &Case<'_>, drain: &Drain, out: &mut Findings) {
    let grace = &case.pod().grace_period;
    let seconds = i64::from(drain.seconds);
    let Some(origin) = drain.origin.as_ref().filter(|_| seconds >= grace.value && grace.value > 0)
    else {
        return;
    };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the sidecar waits {seconds} s after SIGTERM, and SIGKILL comes after {}: every pod takes \
                 the whole of its grace period to end, and what the sidecar has open then is cut",
                grace.value
            ),
            origin,
            format!("the sidecar drains for {seconds} s"),
        )
        .variant(&EXCEEDS)
        .also(&grace.origin, format!("SIGKILL at {} s", grace.value))
        .fix(Fix::suggest(
            "raise terminationGracePeriodSeconds above it, or set EXIT_ON_ZERO_ACTIVE_CONNECTIONS instead",
        )),
    );
}
