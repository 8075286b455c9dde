//! Addresses of one environment, compiled into the program.

use core::net::{IpAddr, Ipv4Addr};

use crate::case::{Case, ProgramCase};
use crate::facts::binary::GoProgram;
use crate::facts::program_text::{ProgramString, TextKind, TextOwner};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The address cannot be changed without a new build.
pub static RULE: Rule = Rule {
    id: "hard-coded-address",
    group: Group::Binary,
    level: Level::Warn,
    title: "the address of a machine or a cluster Service is a constant of the program",
    page: include_str!("hard-coded-address.md"),
    needs: &[Need::Binary],
    check: Check::Container(container),
    also: &[Check::Program(program)],
    ..Rule::BASE
};

fn container(case: &Case<'_>, out: &mut Findings) -> Judged {
    judge(case.program()?, out)
}

/// A program that no container of the input runs.
fn program(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    if case.cases().next().is_some() {
        return Err(Abstain::NotApplicable);
    }
    judge(case.program()?, out)
}

fn judge(program: &GoProgram, out: &mut Findings) -> Judged {
    let strings = program.text.strings();
    let strings = strings.map_err(|why| Abstain::unknown(Reason::StringsUnreadable, why))?;
    let mut found: Vec<(&ProgramString, &'static str)> = strings
        .iter()
        .filter(|s| s.owner == TextOwner::Main)
        .filter_map(|s| Some((s, suspicious(s)?)))
        .collect();
    found.dedup_by(|a, b| a.0.text == b.0.text);
    let Some((first, what)) = found.first() else { return Ok(()) };
    let more = match found.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let by = first.function.as_ref().map_or(String::new(), |f| format!(", used in {f}"));
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{}{more} is a constant of the program{by}: {what}, and another one takes a new build",
            first.text
        ),
        &first.origin,
        format!("the string {}", first.text),
    );
    for (string, _) in found.iter().skip(1).take(4) {
        finding = finding.also(&string.origin, format!("the string {}", string.text));
    }
    out.push(
        finding.fix(Fix::suggest("read it from a variable or a flag that has no such default")),
    );
    Ok(())
}

/// What an address is, when it is one of a particular machine or cluster.
fn suspicious(string: &ProgramString) -> Option<&'static str> {
    let text = string.text.as_str();
    let host = match string.kind {
        TextKind::Ip | TextKind::ClusterHost => text,
        TextKind::HostPort => text.rsplit_once(':')?.0,
        TextKind::Url => {
            let rest = text.split_once("://")?.1;
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let authority = rest[..end].rsplit('@').next()?;
            match authority.rsplit_once(':') {
                Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
                _ => authority,
            }
        }
        _ => return None,
    };
    // A format, not an address.
    if host.contains(['%', '{', '$', '*', '<']) {
        return None;
    }
    let host = host.trim_matches(['[', ']']);
    if let Ok(ip) = host.parse::<IpAddr>() {
        return is_of_a_machine(ip).then_some("the address of a machine");
    }
    let host = host.to_ascii_lowercase();
    let host = host.trim_end_matches('.');
    let name = host.strip_suffix(".svc.cluster.local").or_else(|| host.strip_suffix(".svc"))?;
    // NAME.NAMESPACE; the API server's own name is the same in every cluster.
    let parts: Vec<&str> = name.split('.').collect();
    let named = parts.len() >= 2 && parts.iter().all(|part| !part.is_empty());
    (named && name != "kubernetes.default").then_some("a Service of one cluster and namespace")
}

/// Unicast, and nobody's example: no loopback, no wildcard, no documentation, no link-local
/// metadata service, no well-known resolver, no network's own address.
fn is_of_a_machine(ip: IpAddr) -> bool {
    const RESOLVERS: &[Ipv4Addr] = &[
        Ipv4Addr::new(8, 8, 8, 8),
        Ipv4Addr::new(8, 8, 4, 4),
        Ipv4Addr::new(1, 1, 1, 1),
        Ipv4Addr::new(1, 0, 0, 1),
        Ipv4Addr::new(9, 9, 9, 9),
    ];
    match ip {
        IpAddr::V4(ip) => {
            let octets = ip.octets();
            let version = octets.iter().all(|octet| *octet < 10);
            !(ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_documentation()
                || ip.is_link_local()
                || ip.is_multicast()
                || octets[0] == 0
                || octets[0] >= 240
                || octets[3] == 0
                || octets[3] == 255
                || version
                || RESOLVERS.contains(&ip))
        }
        IpAddr::V6(ip) => {
            let [first, second, ..] = ip.segments();
            let filled = ip.segments().iter().filter(|segment| **segment != 0).count() >= 3;
            let unicast = first & 0xe000 == 0x2000 || first & 0xfe00 == 0xfc00;
            // Documentation, and the resolvers' ranges.
            let known = first == 0x2001 && matches!(second, 0x0db8 | 0x4860)
                || first == 0x2606 && second == 0x4700;
            filled && unicast && !known
        }
    }
}
