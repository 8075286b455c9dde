//! Ports of a container and of a pod by name and number.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::container::{Container, ContainerPort, ContainerRole};
use super::objects::{PortRef, Service, ServicePort};
use super::order::Order;
use super::workload::PodTemplate;

/// Orders of a container's ports.
#[derive(Clone, Debug, Default)]
pub struct ContainerPorts {
    names: Order,
    numbers: Order,
}

/// Where a port stands: container and port.
type PortPlace = (u32, u32);

/// Ports of several containers in order.
#[derive(Clone, Debug, Default)]
struct Ports {
    places: Vec<PortPlace>,
    names: Order,
    named_protocols: Order,
    numbers: Order,
    numbered_protocols: Order,
}

/// Orders of a pod's ports.
#[derive(Clone, Debug, Default)]
pub struct PodPorts {
    all: OnceLock<Ports>,
    serving: OnceLock<Ports>,
    declared: OnceLock<bool>,
}

fn name(port: &ContainerPort) -> Option<&str> {
    port.name.as_ref().map(|name| name.value.as_str())
}

fn number(port: &ContainerPort) -> Option<i64> {
    port.port.as_ref().map(|port| port.value)
}

impl Container {
    /// The first port of that name.
    pub fn port_named(&self, wanted: &str) -> Option<&ContainerPort> {
        self.port_orders.names.first(&self.ports, |port| name(port), &Some(wanted))
    }

    /// Whether it declares the port a Service or probe refers to.
    pub fn declares(&self, port: &PortRef) -> bool {
        match port {
            PortRef::Number(n) => {
                self.port_orders.numbers.first(&self.ports, number, &Some(*n)).is_some()
            }
            PortRef::Name(name) => self.port_named(name).is_some(),
        }
    }
}

impl Ports {
    fn of(pod: &PodTemplate, fits: impl Fn(&Container) -> bool) -> Self {
        let index = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let containers = pod.containers.iter().enumerate().filter(|(_, c)| fits(c));
        let places = containers.flat_map(|(at, container)| {
            (0..container.ports.len()).map(move |port| (index(at), index(port)))
        });
        Self { places: places.collect(), ..Self::default() }
    }
}

impl PodTemplate {
    fn port(&self, place: PortPlace) -> Option<&ContainerPort> {
        self.containers.get(place.0 as usize)?.ports.get(place.1 as usize)
    }

    fn all_ports(&self) -> &Ports {
        self.port_orders.all.get_or_init(|| Ports::of(self, |_| true))
    }

    fn orders(&self) -> &Ports {
        self.port_orders.serving.get_or_init(|| Ports::of(self, serves))
    }

    /// Ports of the containers that run while the pod serves: init containers that end are left
    /// out.
    pub fn serving_ports(&self) -> impl Iterator<Item = &ContainerPort> {
        self.orders().places.iter().filter_map(|place| self.port(*place))
    }

    /// The first serving port of that name and protocol.
    pub fn named_port(&self, wanted: &str, protocol: &str) -> Option<&ContainerPort> {
        let ports = self.orders();
        let key = |place: &PortPlace| {
            let port = self.port(*place);
            (port.and_then(name), port.map(|port| port.protocol.value.as_str()))
        };
        let found =
            ports.named_protocols.first(&ports.places, key, &(Some(wanted), Some(protocol)));
        self.port(*found?)
    }

    /// The first serving port of that name, whatever the protocol.
    pub fn port_named(&self, wanted: &str) -> Option<&ContainerPort> {
        let ports = self.orders();
        let key = |place: &PortPlace| self.port(*place).and_then(name);
        self.port(*ports.names.first(&ports.places, key, &Some(wanted))?)
    }

    /// Whether a serving container declares that number and protocol.
    pub fn serves(&self, wanted: i64, protocol: &str) -> bool {
        let ports = self.orders();
        let key = |place: &PortPlace| {
            let port = self.port(*place);
            (port.and_then(number), port.map(|port| port.protocol.value.as_str()))
        };
        let wanted = (Some(wanted), Some(protocol));
        ports.numbered_protocols.first(&ports.places, key, &wanted).is_some()
    }

    /// Whether a serving container declares that number, whatever the protocol.
    pub fn serves_number(&self, wanted: i64) -> bool {
        let ports = self.orders();
        let key = |place: &PortPlace| self.port(*place).and_then(number);
        ports.numbers.first(&ports.places, key, &Some(wanted)).is_some()
    }

    /// The first serving port with a number.
    pub fn first_number(&self) -> Option<&ContainerPort> {
        self.serving_ports().find(|own| own.port.is_some())
    }

    /// Whether any container of the pod declares a port by number.
    pub fn declares_ports(&self) -> bool {
        let declared = || self.containers.iter().any(|c| c.ports.iter().any(|p| p.port.is_some()));
        *self.port_orders.declared.get_or_init(declared)
    }

    /// Whether any container of the pod, of whatever role, declares that number.
    pub fn declares_number(&self, wanted: i64) -> bool {
        let ports = self.all_ports();
        let key = |place: &PortPlace| self.port(*place).and_then(number);
        ports.numbers.first(&ports.places, key, &Some(wanted)).is_some()
    }

    /// The first port of that name in any container of the pod, of whatever role, and the container.
    pub fn any_port_named(&self, wanted: &str) -> Option<(&Container, &ContainerPort)> {
        let ports = self.all_ports();
        let key = |place: &PortPlace| self.port(*place).and_then(name);
        let place = ports.names.first(&ports.places, key, &Some(wanted))?;
        Some((self.containers.get(place.0 as usize)?, self.port(*place)?))
    }
}

fn serves(container: &Container) -> bool {
    matches!(container.role, ContainerRole::Main | ContainerRole::Sidecar)
}

impl Service {
    /// Its ports that a container declares, in order.
    pub fn ports_to<'s>(&'s self, container: &Container) -> Vec<&'s ServicePort> {
        let target = |port: &'s ServicePort| port.target_port.as_ref().map(|t| &t.value);
        if self.ports.len() <= 8 {
            let declared = |port: &&ServicePort| {
                port.target_port.as_ref().is_some_and(|t| container.declares(&t.value))
            };
            return self.ports.iter().filter(declared).collect();
        }
        let names = container.ports.iter().filter_map(name).map(|n| PortRef::Name(n.to_owned()));
        let numbers = container.ports.iter().filter_map(number).map(PortRef::Number);
        let wanted: BTreeSet<PortRef> = names.chain(numbers).collect();
        let mut found: Vec<u32> = wanted
            .iter()
            .flat_map(|wanted| self.targets.positions(&self.ports, target, &Some(wanted)))
            .copied()
            .collect();
        found.sort_unstable();
        found.into_iter().filter_map(|at| self.ports.get(at as usize)).collect()
    }

    /// Whether it sends to a port that the container declares.
    pub fn sends_to(&self, container: &Container) -> bool {
        !self.ports_to(container).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use crate::artifact::Sources;
    use crate::artifact::manifest::{ManifestFile, Options, load_manifests};
    use crate::facts::objects::{Body, PortRef};

    /// Two init and two other containers with `count` ports each, and a Service of all of them.
    fn manifest(count: usize) -> String {
        let mut text = String::from("kind: Pod\napiVersion: v1\nmetadata: {name: p}\nspec:\n");
        for (list, first) in [("initContainers", 0), ("containers", 2)] {
            text += &format!("  {list}:\n");
            for container in first..first + 2 {
                text += &format!("  - name: c{container}\n    ports:\n");
                for port in 0..count {
                    // Names repeat between containers, numbers between protocols.
                    let number = 100 * container + port / 2;
                    let protocol = ["TCP", "UDP"][port % 2];
                    text += &format!(
                        "    - {{name: n{}, containerPort: {number}, protocol: {protocol}}}\n",
                        port / 3
                    );
                }
            }
        }
        text += "---\nkind: Service\napiVersion: v1\nmetadata: {name: s}\nspec:\n  ports:\n";
        for port in 0..count {
            text += &format!("  - {{port: 80, targetPort: n{}}}\n", port / 2);
            text += &format!("  - {{port: 81, targetPort: {}}}\n", 200 + 3 * port);
        }
        text
    }

    #[test]
    fn looking_up_finds_what_walking_finds() {
        for count in [1, 3, 20] {
            let files = [ManifestFile::text("p.yaml", manifest(count))];
            let loaded = load_manifests(&files, &mut Sources::default(), &Options::default());
            let pod = &loaded.objects[0].workload().unwrap().pod;
            let Body::Service(service) = &loaded.objects[1].body else { panic!() };
            let all = || pod.containers.iter().flat_map(|c| c.ports.iter().map(move |p| (c, p)));
            let serving = || pod.containers[2..].iter().flat_map(|c| &c.ports);
            assert!(pod.serving_ports().eq(serving()));
            for n in 0..25 {
                let name = format!("n{n}");
                let named = |p: &super::ContainerPort| super::name(p) == Some(name.as_str());
                assert_eq!(pod.port_named(&name), serving().find(|p| named(p)));
                let any = all().find(|(_, p)| named(p)).map(|(c, p)| (c.name(), p));
                assert_eq!(pod.any_port_named(&name).map(|(c, p)| (c.name(), p)), any);
                for protocol in ["TCP", "UDP", "SCTP"] {
                    let fits = |p: &&super::ContainerPort| p.protocol.value == protocol;
                    assert_eq!(
                        pod.named_port(&name, protocol),
                        serving().find(|p| named(p) && fits(p))
                    );
                    let has = |p: &super::ContainerPort| super::number(p) == Some(200 + n);
                    assert_eq!(
                        pod.serves(200 + n, protocol),
                        serving().any(|p| has(p) && fits(&p))
                    );
                }
                let number = |n| all().any(|(_, p)| super::number(p) == Some(n));
                assert_eq!(pod.declares_number(100 + n), number(100 + n));
                assert!(!pod.serves_number(100 + n) || n >= 100);
            }
            for container in &pod.containers {
                let walked = service.ports.iter().filter(|port| {
                    let Some(target) = &port.target_port else { return false };
                    container.ports.iter().any(|own| match &target.value {
                        PortRef::Name(name) => super::name(own) == Some(name.as_str()),
                        PortRef::Number(n) => super::number(own) == Some(*n),
                    })
                });
                assert!(service.ports_to(container).into_iter().eq(walked), "{count}");
            }
        }
    }
}
