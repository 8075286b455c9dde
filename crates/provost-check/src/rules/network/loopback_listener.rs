//! A listener on the loopback address, where nothing from outside of the pod arrives.

use std::collections::HashSet;

use crate::case::Case;
use crate::case::env::Lookup;
use crate::case::network::{ListenSetting, is_loopback};
use crate::facts::Origin;
use crate::facts::objects::PortRef;
use crate::facts::program_text::{ListenText, TextKind, TextOwner};
use crate::facts::workload::{Action, EnvValue};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::listeners::{self, Listener};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Probes and Services connect to the pod's address.
pub static RULE: Rule = Rule {
    id: "loopback-listener",
    group: Group::Network,
    level: Level::Warn,
    title: "listens on localhost at a port that a probe or Service connects to",
    page: include_str!("loopback-listener.md"),
    needs: &[Need::Manifest],
    check: Check::Container(check),
    ..Rule::BASE
};

/// Who connects where it is no probe.
const SERVICE: &str = "the Service";

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    // On the host's network a probe may mean the node's own loopback address.
    if case.pod().host_network.value {
        return Err(Abstain::NotApplicable);
    }
    let wanted = wanted(case)?;
    if wanted.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let mut settings = case.listen_settings();
    // What the program does not read moves no listener.
    settings.retain(|setting| setting.name.starts_with('-') || !case.is_unread(&setting.name));
    for (port, origin, who) in &wanted {
        if let Some(finding) = joined(case, &settings, *port, origin, who) {
            out.push(finding);
            continue;
        }
        let told = settings.iter().find(|s| s.port == *port && s.says_listen);
        let part = told.and_then(|told| part_of(case, told));
        let is_other = |s: &&ListenSetting| {
            s.port == *port && !s.is_loopback() && part.as_deref() != Some(s.name.as_str())
        };
        if settings.iter().any(|setting| is_other(&setting)) {
            continue;
        }
        if let Some(setting) = told {
            let host = setting.host.trim_matches(['[', ']']);
            let mut finding = Finding::new(
                &RULE,
                format!(
                    "told to listen on {host} port {port}, where {who} cannot connect: it arrives at the \
                     pod's address, and the connection is refused"
                ),
                &setting.origin,
                "reached from inside of the pod only",
            )
            .also(origin, format!("{who} connects to {port}"));
            // A proxy of the mesh may be told to bring what a Service sends to the loopback address.
            if *who != SERVICE
                && let Some(default) = proved(case, setting)
            {
                let name = &setting.name;
                let label = format!("{}: the program listens where {name} says", default.text);
                finding = finding.level(Level::Deny).also(&default.origin, label);
            }
            out.push(finding.fix(case.world().rewrite(
                Fix::suggest(format!("listen on every address: :{port}")),
                &setting.origin,
                &setting.text,
                &format!(":{port}"),
            )));
        } else if !case.settings_mention(*port) {
            by_strings(case, *port, origin, who, out);
        }
    }
    Ok(())
}

/// The default that the setting is in place of, where that makes certain that nobody from outside finds a listener:
/// the program hands the value to it as it is. Then nobody in the pod can open the port for every address
/// beside it, and that something does for the pod's address alone nothing says.
fn proved<'w>(case: &Case<'w>, setting: &ListenSetting) -> Option<&'w ListenText> {
    let default = case.own_default(&setting.name)?;
    let certain = case.of.pod_unpatched(&["containers/env", "containers/envFrom"]).is_ok();
    certain.then_some(default)
}

/// The variable that gives the port of an address on the loopback address: `127.0.0.1:$(PORT)` of a setting that says
/// where the service itself listens. Both cannot be listened on, and it is the address that is made for it.
fn part_of(case: &Case<'_>, told: &ListenSetting) -> Option<String> {
    let own = case.own_names();
    if !told.is_loopback() || listeners::of_setting(&told.name, &own) != Some(Listener::Service) {
        return None;
    }
    let entry = case.container.env.iter().rev().find(|entry| entry.name.value == told.name)?;
    let EnvValue::Literal(text) = &entry.value else { return None };
    let (_, part) = text.value.rsplit_once(":$(")?;
    let name = part.trim_end().strip_suffix(')')?;
    (!name.contains(['$', '('])).then(|| name.to_owned())
}

/// A host that the program's code puts in front of a port that it is given, and of no other.
fn joined(
    case: &Case<'_>,
    settings: &[ListenSetting],
    port: u16,
    origin: &Origin,
    who: &str,
) -> Option<Finding> {
    let program = case.known_program()?;
    let listens = program.text.listens().ok()?;
    let environment = case.environment();
    let digits = port.to_string();
    let mut hosts =
        listens.joined.iter().filter(|host| host.certain && host.owner == TextOwner::Main);
    let (host, name, setting) = hosts.find_map(|host| {
        let name = host.name.as_ref()?;
        let given = settings.iter().find(|s| s.name == *name && s.text == digits);
        let is_default = || {
            let of_name = |text: &&ListenText| {
                text.name.as_ref() == Some(name) && text.certain && text.text == digits
            };
            listens.texts.iter().any(|text| of_name(&text))
                && matches!(environment.lookup(name), Lookup::Unset)
        };
        (given.is_some() || is_default()).then_some((host, name, given))
    })?;
    // Something else may open it for everybody.
    let others = || settings.iter().filter(|s| s.name != *name && !s.is_loopback());
    let text_of_any = |text: &ListenText| {
        let host = text.text.rsplit_once(':');
        text.owner != TextOwner::Std && host.is_some_and(|(host, _)| !is_loopback(host))
    };
    if others().any(|other| other.port == port)
        || listens.texts.iter().any(|text| text.port == port && text_of_any(text))
    {
        return None;
    }
    let value = match setting {
        Some(_) => format!("{name} is {port}"),
        None => format!("nothing sets {name}, whose default is {port}"),
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the program puts {} in front of {name}, where {who} cannot connect: it arrives at the \
             pod's address, and the connection is refused",
            host.text
        ),
        origin,
        format!("{who} connects to {port}"),
    )
    .also(&host.origin, "the host is fixed, whatever the port is");
    if let Some(setting) = setting {
        finding = finding.also(&setting.origin, value);
    } else {
        finding = finding.note(value);
    }
    Some(finding.fix(Fix::suggest(format!("listen on every address: \":\" + {name}"))))
}

/// The program's own strings, where nothing in the manifest speaks of the port and every string
/// with that port is a loopback address.
fn by_strings(case: &Case<'_>, port: u16, origin: &Origin, who: &str, out: &mut Findings) {
    if !case.is_target() || case.environment().open().is_some() {
        return;
    }
    let Some(strings) = case.known_program().and_then(|p| p.text.strings().ok()) else { return };
    let mut listens = strings
        .iter()
        .filter(|s| s.kind == TextKind::HostPort && s.owner != TextOwner::Std)
        .filter_map(|s| Some((s, s.text.rsplit_once(':')?)))
        .filter(|(_, (_, number))| number.parse() == Ok(port));
    let Some((first, (host, _))) = listens.next() else { return };
    let own = matches!(first.owner, TextOwner::Main);
    if !own || !is_loopback(host) || listens.any(|(_, (host, _))| !is_loopback(host)) {
        return;
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the only address with port {port} in the program is {}, where {who} cannot \
                 connect: it arrives at the pod's address",
                first.text
            ),
            origin,
            format!("{who} connects to {port}"),
        )
        .also(&first.origin, "reached from inside of the pod only")
        .fix(Fix::suggest(format!("listen on every address: :{port}"))),
    );
}

/// Ports that somebody outside of the pod connects to: port, place, who.
fn wanted(case: &Case<'_>) -> Result<Vec<(u16, Origin, &'static str)>, Abstain> {
    let mut all: Vec<(u16, Origin, &'static str)> = Vec::new();
    let mut seen = HashSet::new();
    let mut add = |number: Option<i64>, origin: &Origin, who| {
        if let Some(port) = number.and_then(|n| u16::try_from(n).ok())
            && seen.insert(port)
        {
            all.push((port, origin.clone(), who));
        }
    };
    let own = |port: &PortRef| match port {
        PortRef::Number(n) => Some(*n),
        PortRef::Name(name) => {
            let named = case.container.port_named(name);
            named.and_then(|p| p.port.as_ref()).map(|p| p.value)
        }
    };
    for (field, probe) in case.container.probes() {
        match &probe.handler.action {
            // With a host the probe goes elsewhere.
            Action::HttpGet { port: Some(port), host: None, .. }
            | Action::TcpSocket { port: Some(port), host: None } => {
                add(own(&port.value), &port.origin, field);
            }
            Action::Grpc { port: Some(port), .. } => add(Some(port.value), &port.origin, field),
            _ => {}
        }
    }
    for (_, service) in case.services()? {
        for port in service.ports_to(case.container) {
            let Some(target) = &port.target_port else { continue };
            add(case.pod().target_number(port), &target.origin, SERVICE);
        }
    }
    Ok(all)
}
