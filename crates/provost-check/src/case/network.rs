//! Where traffic goes: what a Service sends to, and what a container is told to listen on.

use std::collections::BTreeMap;

use super::env::{EnvSource, Lookup};
use super::{Case, ObjectCase, WorkloadCase};
use crate::facts::objects::{PortRef, Service, ServicePort};
use crate::facts::workload::{EnvValue, PodTemplate, WorkloadKind};
use crate::facts::{Fact, Object, Origin};
use crate::model::env::Found;
use crate::model::shell::{Script, shell_text};
use crate::model::{self, ports};

impl PodTemplate {
    /// The port number a Service port arrives at: a name is looked up over the containers in
    /// order, with the same protocol (`FindPort` in Kubernetes' pkg/api/v1/pod/util.go).
    pub fn target_number(&self, port: &ServicePort) -> Option<i64> {
        match &port.target_port.as_ref()?.value {
            PortRef::Number(number) => Some(*number),
            PortRef::Name(name) => {
                self.named_port(name, &port.protocol.value)?.port.as_ref().map(|p| p.value)
            }
        }
    }
}

impl<'w> ObjectCase<'w> {
    /// Selected workloads that stay up to serve and whose containers are known: no Jobs, and no
    /// Rollout that borrows its pods from a Deployment.
    pub fn serving(&self) -> impl Iterator<Item = WorkloadCase<'w>> {
        self.selected().filter(|w| !w.workload.kind.is_batch() && !w.pod().containers.is_empty())
    }

    /// Whether an Argo Rollout owns pods that the object selects: it rewrites selectors of the
    /// Services it shifts traffic with.
    pub fn selects_rollout(&self) -> bool {
        self.selected().any(|w| w.workload.kind == WorkloadKind::Rollout)
    }
}

impl<'w> WorkloadCase<'w> {
    /// Ports that the Services of the workload send to, with the Service's port.
    pub fn service_targets(&self) -> impl Iterator<Item = (&'w Object, &'w ServicePort, i64)> {
        let pod = self.pod();
        self.services().flat_map(move |(object, service): (&'w Object, &'w Service)| {
            let ports = service.ports.iter().filter(|port| port.protocol.value != "UDP");
            ports.filter_map(move |port| Some((object, port, pod.target_number(port)?)))
        })
    }
}

impl<'w> Case<'w> {
    /// TCP ports that the container is reached at: those it declares, else those that Services send to.
    pub fn inbound_ports(&self) -> Vec<i64> {
        let declared = self.container.ports.iter().filter(|port| port.protocol.value == "TCP");
        let mut ports: Vec<i64> =
            declared.filter_map(|port| port.port.as_ref()).map(|port| port.value).collect();
        if ports.is_empty() {
            ports.extend(self.of.service_targets().map(|(_, _, number)| number));
        }
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}

/// An address that a container is told to listen on.
#[derive(Clone, Debug)]
pub struct ListenSetting {
    /// The variable or flag; empty for a word of the command line alone.
    pub name: String,
    /// The host part, empty for every address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Where it stands.
    pub origin: Origin,
    /// As written.
    pub text: String,
    /// The variable's or flag's name says that it is an address to listen on.
    pub says_listen: bool,
    /// The host is a variable that the kubelet sets to the pod's own address.
    pub of_pod: bool,
}

impl ListenSetting {
    /// Whether nobody outside of the pod reaches it.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// The same address with another port, as it would be written.
    pub fn with_port(&self, port: u16) -> String {
        match self.text.rsplit_once(':') {
            Some(_) if self.is_loopback() => format!(":{port}"),
            Some((host, _)) => format!("{host}:{port}"),
            None => port.to_string(),
        }
    }

    /// Whether it is every address of this machine: what is written, `0.0.0.0`, `::`, or the pod's own.
    pub fn is_any(&self) -> bool {
        self.of_pod || is_any(&self.host)
    }

    /// Whether a listener here keeps another from there, where the ports are the same: one of the two is
    /// every address, or both are one.
    pub fn overlaps(&self, other: &Self) -> bool {
        let host = |setting: &Self| {
            let host = setting.host.trim_matches(['[', ']']).to_ascii_lowercase();
            if host == "localhost" { "127.0.0.1".to_owned() } else { host }
        };
        is_any(&self.host)
            || is_any(&other.host)
            || (self.of_pod && other.of_pod)
            || host(self) == host(other)
    }
}

/// Whether a host is every address of a machine.
pub fn is_any(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.is_empty()
        || host == "*"
        || host.parse::<core::net::IpAddr>().is_ok_and(|ip| ip.is_unspecified())
}

/// Whether a host is this machine alone.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<core::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Case<'_> {
    /// Addresses in the environment and on the command line. Values that are not known are left
    /// out, but for those whose host alone is not: `$(POD_IP):8080`.
    pub fn listen_settings(&self) -> Vec<ListenSetting> {
        let mut all = Vec::new();
        let environment = self.environment();
        for (name, variable) in environment.iter() {
            if let Ok(value) = &variable.value {
                all.extend(setting(name, value, &variable.origin));
            }
        }
        // By the last entry of each name: whether it is the pod's address.
        let mut of_pod = BTreeMap::new();
        for entry in &self.container.env {
            let is = match &entry.value {
                EnvValue::Field(field) => match field.value.as_str() {
                    "status.podIP" | "status.podIPs" => true,
                    "status.hostIP" | "status.hostIPs" => self.pod().host_network.value,
                    _ => false,
                },
                _ => false,
            };
            of_pod.insert(entry.name.value.as_str(), is);
        }
        let of_pod = |name: &str| of_pod.get(name).is_some_and(|is| *is);
        for entry in &self.container.env {
            let EnvValue::Literal(text) = &entry.value else { continue };
            let Some((host, port)) = text.value.rsplit_once("):") else { continue };
            let name = &entry.name.value;
            let hidden = matches!(environment.lookup(name), Lookup::Set(v) if v.value.is_err());
            if hidden && host.starts_with("$(") && !host[2..].contains(['$', '(', ':']) {
                let own = setting(name, &format!(":{port}"), &text.origin);
                all.extend(own.map(|own| ListenSetting {
                    host: format!("{host})"),
                    text: text.value.clone(),
                    of_pod: of_pod(&host[2..]),
                    ..own
                }));
            }
        }
        let words = self.command_words();
        let written = |word: &Fact<String>| -> Option<String> {
            if !word.value.contains("$(") {
                return Some(word.value.clone());
            }
            model::env::expand(&word.value, |name| match environment.lookup(name) {
                Lookup::Set(v) if v.source == EnvSource::Image => Found::Nothing,
                Lookup::Set(v) => v.value.as_deref().map_or(Found::Hidden, Found::Value),
                Lookup::Unset => Found::Nothing,
                Lookup::Unknown(_) => Found::Maybe,
            })
            .text
        };
        for (i, word) in words.iter().enumerate() {
            let Some(text) = written(word) else {
                // `--addr=$(POD_IP):8080`
                let parts = word.value.split_once("=$(");
                let parts = parts.and_then(|(flag, rest)| Some((flag, rest.rsplit_once("):")?)));
                if let Some((flag, (name, port))) = parts
                    && !name.contains(['$', '(', ')', ':'])
                    && let Some(own) = setting(flag, &format!(":{port}"), &word.origin)
                {
                    all.push(ListenSetting {
                        host: format!("$({name})"),
                        text: format!("$({name}):{port}"),
                        of_pod: of_pod(name),
                        ..own
                    });
                }
                continue;
            };
            let (flag, value) = match text.split_once('=') {
                Some((flag, value)) => (flag, value),
                None => {
                    let before = i.checked_sub(1).map_or("", |i| words[i].value.as_str());
                    (if before.starts_with('-') { before } else { "" }, text.as_str())
                }
            };
            all.extend(setting(flag, value, &word.origin));
        }
        all
    }

    /// The words of the command line, those that a shell is given one by one. Of an image that is not
    /// known only what the manifest says.
    pub(super) fn command_words(&self) -> Vec<Fact<String>> {
        let argv = match self.command_line() {
            Ok(line) => line.argv,
            Err(_) => [&self.container.command, &self.container.args]
                .into_iter()
                .flatten()
                .flatten()
                .cloned()
                .collect(),
        };
        let words: Vec<&str> = argv.iter().map(|word| word.value.as_str()).collect();
        let Some(text) = shell_text(&words) else { return argv };
        let Some(whole) = argv.iter().find(|word| word.value == text) else { return argv };
        let commands = Script::parse(text).commands;
        let all = commands.iter().flat_map(|command| command.argv());
        all.map(|word| Fact::derived(word.text.clone(), whole.origin.clone())).collect()
    }

    /// Whether a number stands anywhere in the container's command line or known environment; variables that the
    /// program is known not to read do not count.
    pub fn settings_mention(&self, number: u16) -> bool {
        let number = number.to_string();
        let has = |text: &str| holds(text, &number);
        let words = [&self.container.command, &self.container.args];
        words.into_iter().flatten().flatten().any(|word| has(&word.value))
            || self.environment().iter().any(|(name, variable)| {
                variable.value.as_ref().is_ok_and(|value| has(value)) && !self.is_unread(name)
            })
    }
}

/// Whether a number stands in a text by itself.
pub(super) fn holds(text: &str, number: &str) -> bool {
    text.match_indices(number).any(|(at, _)| {
        let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        let before = at.checked_sub(1).and_then(|before| text.as_bytes().get(before));
        !digit(before) && !digit(text.as_bytes().get(at + number.len()))
    })
}

fn setting(name: &str, value: &str, origin: &Origin) -> Option<ListenSetting> {
    let port = ports::listen_port(name, value)?;
    let upper = name.to_ascii_uppercase();
    let says_listen = ["LISTEN", "BIND", "ADDR"].iter().any(|word| upper.contains(word));
    let host = value.trim().rsplit_once(':').map_or("", |(host, _)| host);
    let (host, text) = (host.to_owned(), value.trim().to_owned());
    let (name, origin) = (name.to_owned(), origin.clone());
    Some(ListenSetting { name, host, port, origin, text, says_listen, of_pod: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_by_itself() {
        for text in ["8080", ":8080", "18080 8080", "port: 8080\n"] {
            assert!(holds(text, "8080"), "{text}");
        }
        for text in ["", "18080", "80801", "80808080", "808"] {
            assert!(!holds(text, "8080"), "{text}");
        }
    }

    #[test]
    fn addresses_that_keep_each_other_out() {
        let origin = Origin::whole(crate::facts::SourceId(0));
        let of = |value: &str| setting("ADDR", value, &origin).expect("an address");
        let pod = ListenSetting { of_pod: true, host: "$(IP)".to_owned(), ..of(":80") };
        for (one, other) in
            [(":80", "127.0.0.1:80"), ("[::]:80", "10.0.0.1:80"), ("localhost:80", "127.0.0.1:80")]
        {
            assert!(of(one).overlaps(&of(other)), "{one} {other}");
        }
        assert!(pod.overlaps(&of(":80")) && pod.overlaps(&pod));
        assert!(!of("10.0.0.1:80").overlaps(&of("127.0.0.1:80")));
        assert!(!pod.overlaps(&of("127.0.0.1:80")));
    }
}
