//! A port that nothing opens, though nothing tells where the program listens instead.

use super::proof::Unread;
use super::{Elsewhere, FIRST_TELLING, Proof, SETTINGS, reads};
use crate::case::Case;
use crate::case::network::holds;
use crate::facts::binary::GoProgram;
use crate::facts::objects::ServicePort;
use crate::facts::program_text::{NumberPresence, TextKind};
use crate::facts::workload::EnvValue;
use crate::findings::{Abstain, Reason};
use crate::model::names::{base_name, nearest};

/// Packages by which a program is told from outside what to open, or makes others open it.
const TOLD_FROM_OUTSIDE: &[&str] = &[
    "os/exec",
    "k8s.io/client-go",
    "go.etcd.io/etcd/client",
    "github.com/hashicorp/consul/api",
    "github.com/envoyproxy/go-control-plane",
];

/// Names of programs that read scripts, and scripts read any variable.
const SHELLS: &[&str] = &["sh", "bash", "ash", "dash", "busybox"];

/// Functions that make texts of numbers, and one that needs none. The second names are those of Go 1.26, where the
/// first are inlined.
const FORMATTERS: &[&str] = &[
    "strconv.Itoa",
    "strconv.FormatInt",
    "strconv.AppendInt",
    "internal/strconv.Itoa",
    "internal/strconv.FormatInt",
    "internal/strconv.AppendInt",
    "net.ListenTCP",
];

/// Texts that a number is put into to make an address or a port.
const FORMATS: &[&str] = &[":%d", "%s:%d", "0.0.0.0:%d", "[::]:%d", ":%v", "%s:%v", "%d"];

/// Why nobody knows that a port is closed whose number the program does not hold.
pub(super) const COMPUTED: &str =
    "it makes texts of numbers, and may compute the port from another";

/// Whether the program makes texts of numbers, and so may listen on a port that it computes: `PORT + 1`, or
/// `base + offset` of any distance.
pub(super) fn makes_ports_of_numbers(program: &GoProgram) -> bool {
    FORMATS.iter().any(|text| !matches!(program.text.constant(text), Ok(None)))
        || FORMATTERS.iter().any(|function| program.text.calls(function) != Ok(false))
}

/// Services whose variables are looked for.
const LINKED: usize = 64;

impl Case<'_> {
    /// Proves that nothing opens a port of which no setting speaks: the program holds the number in no text,
    /// code or data, and neither a variable nor an argument nor a file brings it.
    ///
    /// # Errors
    /// The program does not hold it, and something may still bring it.
    pub(super) fn opened_by_nothing(
        &self,
        program: &GoProgram,
        port: u16,
    ) -> Result<Option<Elsewhere>, Abstain> {
        // An empty address is `:http` or `:https`, and small numbers are in every program.
        if port < FIRST_TELLING {
            return Ok(None);
        }
        match program.text.find_number(port) {
            NumberPresence::Absent => {}
            NumberPresence::Present(_) | NumberPresence::Unknown(_) => return Ok(None),
        }
        let unknown = |reason, why: &str| {
            Err(Abstain::unknown(reason, format!("whether something listens on {port}: {why}")))
        };
        self.of.pod_unpatched(SETTINGS)?;
        self.nobody_else(port, "")?;
        if let Some(abstain) = self.hidden() {
            return Err(abstain);
        }
        if makes_ports_of_numbers(program) {
            return unknown(Reason::CodeUnclear, COMPUTED);
        }
        if self.files_may_say(port, "")? {
            return unknown(Reason::VolumeUnknown, "a file that is mounted may bring it");
        }
        program.reads_names_as_written()?;
        if let Some(package) = TOLD_FROM_OUTSIDE.iter().find(|own| program.links_package(own)) {
            let why = format!("the program links {package}");
            return unknown(Reason::CodeUnclear, &why);
        }
        if let Some(name) = self.asks_for_configuration(program) {
            return unknown(Reason::CodeUnclear, &format!("what {name} leads to may bring it"));
        }
        if let Some(name) = self.linked_with(program, port) {
            return unknown(Reason::CodeUnclear, &format!("the kubelet sets {name} to it"));
        }
        self.command_line()?;
        if !self.image()?.is_known() {
            return unknown(Reason::BaseImageUnknown, "a file of the image may bring it");
        }
        if self.image_may_configure() {
            return unknown(Reason::VolumeUnknown, "a file of settings in the image may bring it");
        }
        let unread = self.unread_with(program, port);
        Ok(Some(Elsewhere { told: None, proof: Proof::Nothing, files: false, unread }))
    }

    /// Why the value of a variable is not known that may be a port and that the program may read.
    fn hidden(&self) -> Option<Abstain> {
        // What a pod is called, and where it runs, is no port.
        let of_pod = |name: &str| {
            let entry = self.container.env.iter().rev().find(|entry| entry.name.value == name);
            entry.is_some_and(|entry| match &entry.value {
                EnvValue::Field(field) => !["metadata.labels", "metadata.annotations"]
                    .iter()
                    .any(|own| field.value.starts_with(own)),
                _ => false,
            })
        };
        let environment = self.environment();
        let mut hidden = environment.iter().filter_map(|(name, variable)| {
            let abstain = variable.value.as_ref().err()?;
            (!of_pod(name) && !self.is_unread(name)).then(|| abstain.clone())
        });
        hidden.next()
    }

    /// A variable that says where configuration is asked for.
    fn asks_for_configuration(&self, program: &GoProgram) -> Option<String> {
        let environment = self.environment();
        let mut named = environment.iter().filter(|(name, variable)| {
            let is_address = variable.value.as_ref().is_ok_and(|value| value.contains("://"));
            let words = ["CONFIG", "SETTINGS", "DISCOVERY", "VAULT", "CONSUL"];
            is_address && words.iter().any(|word| name.contains(word))
        });
        named.find(|(name, _)| reads(program, name) != Ok(false)).map(|(name, _)| name.to_owned())
    }

    /// A variable by which the kubelet tells of a Service of the namespace, which the program may read and which
    /// holds the port (pkg/kubelet/envvars, v1.37.2): `CART_SERVICE_PORT_OPS`.
    fn linked_with(&self, program: &GoProgram, port: u16) -> Option<String> {
        if !self.pod().service_links.value {
            return None;
        }
        let screaming = |name: &str| name.to_ascii_uppercase().replace('-', "_");
        let services = self.of.services().take(LINKED);
        let mut names = services.flat_map(|(object, service)| {
            let stem = screaming(object.meta.name());
            let ports = service.ports.iter().filter(move |own| {
                own.port.as_ref().is_some_and(|number| number.value == i64::from(port))
            });
            let of_port = |own: &ServicePort| own.name.as_ref().map(|name| screaming(&name.value));
            let all: Vec<String> = ports
                .flat_map(|own| {
                    let named = of_port(own).map(|name| format!("{stem}_SERVICE_PORT_{name}"));
                    [Some(format!("{stem}_SERVICE_PORT")), Some(format!("{stem}_PORT")), named]
                })
                .flatten()
                .collect();
            all
        });
        names.find(|name| reads(program, name) != Ok(false))
    }

    /// Variables that name the port and that the program does not read.
    fn unread_with(&self, program: &GoProgram, port: u16) -> Vec<Unread> {
        let number = port.to_string();
        let environment = self.environment();
        let held = environment.iter().filter(|(name, variable)| {
            variable.value.as_ref().is_ok_and(|value| holds(value, &number)) && self.is_unread(name)
        });
        let known = program.text.strings().unwrap_or_default();
        let known = || known.iter().filter(|s| s.kind == TextKind::EnvName);
        held.take(2)
            .map(|(name, variable)| Unread {
                name: name.to_owned(),
                origin: variable.entry.clone(),
                meant: nearest(name, known().map(|s| s.text.as_str()), 3).map(str::to_owned),
            })
            .collect()
    }

    /// Whether a variable is known to tell the program nothing: it does not hold the name, and no command hands
    /// the value on.
    pub fn is_unread(&self, name: &str) -> bool {
        if !self.is_target() || self.may_be_searched().is_err() {
            return false;
        }
        let Ok(program) = self.program() else { return false };
        reads(program, name) == Ok(false) && !self.hands_on(name)
    }

    /// Whether the command line speaks of a variable, or is a script that may.
    pub(super) fn hands_on(&self, name: &str) -> bool {
        let all = self.command_words();
        let script = |word: &str| {
            let base = base_name(word);
            base.ends_with(".sh") || SHELLS.contains(&base)
        };
        all.iter().any(|word| word.value.contains(name) || script(&word.value))
    }
}
