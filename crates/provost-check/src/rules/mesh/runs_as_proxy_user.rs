//! A program that goes by the sidecar's user.

use crate::case::Case;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// `--uid-owner 1337 -j RETURN`, tools/istio-iptables/pkg/capture/run.go; `DefaultProxyUID` in
/// tools/istio-iptables/pkg/constants/constants.go, Istio 1.31.
pub static RULE: Rule = Rule {
    id: "runs-as-proxy-user",
    group: Group::Mesh,
    level: Level::Warn,
    title: "a program runs as the user of Istio's sidecar",
    page: include_str!("runs-as-proxy-user.md"),
    needs: &[Need::Manifest],
    check: Check::Container(check),
    ..Rule::BASE
};

const PROXY: i64 = 1337;

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let meshed = case.of.sidecar()?;
    let security = case.security();
    let user = security.run_as_user.as_ref().filter(|user| user.value == PROXY);
    let Some(user) = user else { return Ok(()) };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "container {} runs as user {PROXY}, by which the sidecar's own connections are known: \
                 those of the program pass it by, without mutual TLS, policies and telemetry",
                case.container.name()
            ),
            &user.origin,
            "the sidecar's user",
        )
        .also(&meshed.origin, meshed.label())
        .fix(Fix::suggest("run it as any other user")),
    );
    Ok(())
}
