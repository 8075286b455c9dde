//! Where traffic goes: what a Service sends to, and what a container is told to listen on.

use super::{Case, ObjectCase, WorkloadCase};
use crate::facts::objects::{PortRef, Service, ServicePort};
use crate::facts::program_text::TextPresence;
use crate::facts::workload::{ContainerRole, Mount, PodTemplate, VolumeKind, WorkloadKind};
use crate::facts::{Object, Origin};
use crate::model::ports;

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
}

impl ListenSetting {
    /// Whether nobody outside of the pod reaches it.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// Whether this may be the address that the program does its work at: a host that is another machine's
    /// is where it connects to (`REDIS_ADDR`), and metrics or health have listeners of their own.
    fn may_be_the_service(&self) -> bool {
        let name = self.name.to_ascii_uppercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let host = self.host.trim_matches(['[', ']']);
        let is_any = host.is_empty()
            || host.parse::<core::net::IpAddr>().is_ok_and(|ip| ip.is_unspecified());
        (is_any || (self.is_loopback() && has(&["LISTEN", "BIND"]))) && !has(SIDE_LISTENERS)
    }
}

/// Words in the names of listeners that a program has beside that of its service.
const SIDE_LISTENERS: &[&str] = &[
    "METRIC", "PROM", "STAT", "ADMIN", "MANAGE", "MGMT", "INTERNAL", "DEBUG", "PPROF", "PROFIL",
    "HEALTH", "PROBE", "READY", "LIVE", "GRPC", "RPC", "TLS", "HTTPS", "WEBHOOK", "PEER", "GOSSIP",
    "CLUSTER", "RAFT",
];

/// Whether a host is this machine alone.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<core::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Case<'_> {
    /// Addresses in the environment and on the command line. Values that are not known are left
    /// out.
    pub fn listen_settings(&self) -> Vec<ListenSetting> {
        let mut all = Vec::new();
        let environment = self.environment();
        for (name, variable) in environment.iter() {
            if let Ok(value) = &variable.value {
                all.extend(setting(name, value, &variable.origin));
            }
        }
        let words = [&self.container.command, &self.container.args];
        let words: Vec<_> = words.into_iter().flatten().flatten().collect();
        for (i, word) in words.iter().enumerate() {
            let (flag, value) = match word.value.split_once('=') {
                Some((flag, value)) => (flag, value),
                None => {
                    let before = i.checked_sub(1).map_or("", |i| words[i].value.as_str());
                    (if before.starts_with('-') { before } else { "" }, word.value.as_str())
                }
            };
            all.extend(setting(flag, value, &word.origin));
        }
        all
    }

    /// The one address that the program is told to listen on, where that is at another port and nothing
    /// that is written brings it to this one: the program reads the variable, which is no side listener's,
    /// the number is in none of its texts, the environment is known, no file is mounted that could hold it,
    /// and no other container serves it. A number of its code may still be the port.
    pub fn listens_elsewhere(&self, port: u16) -> Option<ListenSetting> {
        let mut told = self.listen_settings().into_iter().filter(|setting| setting.says_listen);
        let setting = told.next().filter(|s| s.port != port && s.may_be_the_service())?;
        let declared = || self.container.declares(&PortRef::Number(i64::from(setting.port)));
        if told.next().is_some() || declared() || !self.is_target() || self.settings_mention(port) {
            return None;
        }
        let alone = self
            .pod()
            .containers
            .iter()
            .filter(|c| matches!(c.role, ContainerRole::Main | ContainerRole::Sidecar));
        let scratch = |mount: &Mount| {
            let volume = self.pod().volume(&mount.name.value);
            volume.is_some_and(|volume| matches!(volume.kind, VolumeKind::EmptyDir { .. }))
        };
        if alone.count() != 1
            || !self.container.mounts.iter().all(scratch)
            || self.environment().open().is_some()
        {
            return None;
        }
        let text = &self.known_program()?.text;
        let reads = || matches!(text.find(&setting.name), TextPresence::Present(_));
        // Host and port may be joined at run time.
        let texts = [format!(":{port}"), port.to_string()];
        let absent = || texts.iter().all(|number| text.find(number) == TextPresence::Absent);
        (!setting.name.is_empty() && !setting.name.starts_with('-') && reads() && absent())
            .then_some(setting)
    }

    /// Whether a number stands anywhere in the container's command line or known environment.
    pub fn settings_mention(&self, number: u16) -> bool {
        let number = number.to_string();
        let has =
            |text: &str| text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits == number);
        let words = [&self.container.command, &self.container.args];
        words.into_iter().flatten().flatten().any(|word| has(&word.value))
            || self.environment().iter().any(|(_, v)| v.value.as_ref().is_ok_and(|v| has(v)))
    }
}

fn setting(name: &str, value: &str, origin: &Origin) -> Option<ListenSetting> {
    let port = ports::listen_port(name, value)?;
    let upper = name.to_ascii_uppercase();
    let says_listen = ["LISTEN", "BIND", "ADDR"].iter().any(|word| upper.contains(word));
    let host = value.trim().rsplit_once(':').map_or("", |(host, _)| host);
    let (host, text) = (host.to_owned(), value.trim().to_owned());
    let (name, origin) = (name.to_owned(), origin.clone());
    Some(ListenSetting { name, host, port, origin, text, says_listen })
}

#[cfg(test)]
mod tests {
    use super::setting;
    use crate::facts::{Origin, SourceId};

    #[track_caller]
    fn check(name: &str, value: &str, may_be: bool) {
        let found = setting(name, value, &Origin::whole(SourceId(0))).unwrap();
        assert_eq!(found.may_be_the_service(), may_be, "{name}={value}");
    }

    #[test]
    fn which_address_is_the_service() {
        check("LISTEN_ADDR", ":8080", true);
        check("LISTEN_ADDR", "127.0.0.1:8080", true);
        check("HTTP_ADDR", "0.0.0.0:8080", true);
        check("BIND", "[::]:8080", true);
        for side in ["METRICS_ADDR", "DEBUG_ADDR", "admin-addr", "HEALTH_PROBE_BIND_ADDRESS"] {
            check(side, ":9090", false);
        }
        // Where it connects to.
        check("REDIS_ADDR", "redis:6379", false);
        check("CACHE_ADDR", "localhost:6379", false);
        check("DB_ADDR", "10.1.2.3:5432", false);
    }
}
