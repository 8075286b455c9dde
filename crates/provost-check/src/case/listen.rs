//! What a container listens on, by its effective configuration.
//!
//! A program listens where its settings say, and where nothing is set at the defaults in it. So a port
//! that occurs in a program as the default of `PORT` is no evidence once `PORT` is given: the model is the
//! set of addresses that the given values and the defaults in force determine, and a port that is not in
//! it is listened on only if something else opens it. What else could is looked at one by one: another
//! text of the program, a number of its code, another setting that holds the number, a mounted file,
//! another container. Each makes the answer unknown, and none of them makes it silent. Where nothing tells
//! where the program listens, a port is opened by nothing when all of that is ruled out (`nothing`).

mod nothing;
mod others;
mod proof;

use std::collections::BTreeSet;

use super::Case;
use super::binding::is_known_sidecar;
use super::env::{Environment, Lookup};
use super::network::{ListenSetting, is_any, is_loopback};
use crate::facts::binary::GoProgram;
use crate::facts::objects::PortRef;
use crate::facts::program_text::{ListenText, NumberPresence, TextOwner, TextPresence};
use crate::facts::workload::{Action, ContainerRole};
use crate::findings::{Abstain, Reason};
use crate::model::listeners::{self, Listener, words};
use crate::model::names::{ImageRef, base_name};
pub use proof::{Elsewhere, Proof};

/// Fields of a pod that settle where its program listens, and what is asked.
const SETTINGS: &[&str] = &[
    "containers/env",
    "containers/envFrom",
    "containers/command",
    "containers/args",
    "containers/ports",
    "containers/readinessProbe",
    "containers/livenessProbe",
    "containers/startupProbe",
];

/// The first port that says something as a number of code.
const FIRST_TELLING: u16 = 1024;

/// An address that the program is known to listen on.
#[derive(Clone, Debug)]
pub struct Told {
    /// The name, value and place.
    pub setting: ListenSetting,
    /// Whom it is for.
    pub listener: Listener,
    /// Nothing sets it: this is the default in the program.
    pub is_default: bool,
}

impl Told {
    /// Whether it is a flag of the command line.
    pub fn is_flag(&self) -> bool {
        self.setting.name.starts_with('-')
    }

    /// `PORT is 9090`, for a message.
    pub fn sentence(&self) -> String {
        let ListenSetting { name, text, .. } = &self.setting;
        if self.is_default {
            format!("nothing sets {name}, whose default is {text}")
        } else {
            format!("{name} is {text}")
        }
    }
}

/// What a name of a setting is compared by: flags, keys and variables alike.
pub(super) fn key(name: &str) -> String {
    name.trim_start_matches('-').replace(['-', '.'], "_").to_ascii_uppercase()
}

impl<'w> Case<'w> {
    /// Addresses of this container's own listeners among its settings.
    pub fn told(&self) -> Vec<Told> {
        let own = self.own_names();
        let environment = self.environment();
        let mut all: Vec<Told> = Vec::new();
        for setting in self.listen_settings() {
            let Some(listener) = listeners::of_setting(&setting.name, &own) else { continue };
            let by_name = listeners::says_listen(&setting.name)
                || matches!(listener, Listener::Debug | Listener::Admin);
            let here = setting.is_any() || setting.is_loopback() && by_name;
            if here && !belongs_to_another(&environment, &setting.name) {
                all.push(Told { setting, listener, is_default: false });
            }
        }
        all
    }

    /// The default of a setting in the program's own code, where that is one address and nothing else: the code
    /// hands what is set to a listener as it is.
    pub fn own_default(&self, name: &str) -> Option<&'w ListenText> {
        let program = self.is_target().then(|| self.known_program()).flatten()?;
        let listens = program.text.listens().ok()?;
        let mut of_name = listens.texts.iter().filter(|text| text.name.as_deref() == Some(name));
        let first = of_name.next()?;
        let one = first.certain && first.owner == TextOwner::Main && first.text.contains(':');
        let joined = listens.joined.iter().any(|host| host.name.as_deref() == Some(name));
        (one && !joined && of_name.all(|other| other.text == first.text)).then_some(first)
    }

    /// Tells of a name whether a setting of that name is given; `None` when it is none of a setting that says
    /// where the program listens.
    pub fn listener_settings(&self) -> impl Fn(&str) -> Option<bool> + use<> {
        let own = self.own_names();
        let told: BTreeSet<String> =
            self.told().iter().map(|told| key(&told.setting.name)).collect();
        move |name| {
            listeners::of_setting(name, &own)?;
            Some(told.contains(&key(name)))
        }
    }

    /// The names that the program goes by.
    pub fn own_names(&self) -> Vec<Vec<String>> {
        let image = self.container.image.as_ref().and_then(|i| ImageRef::parse(&i.value).ok());
        let binary = self.binary().ok();
        let package = binary.and_then(|b| b.go.as_ref()?.main_package.as_ref());
        let names = [
            Some(self.container.name()),
            Some(self.of.object.meta.name()),
            image.as_ref().map(ImageRef::base_name),
            binary.map(|b| base_name(&b.path)),
            package.map(|p| base_name(&p.value)),
        ];
        names.into_iter().flatten().map(words).filter(|words| !words.is_empty()).collect()
    }

    /// Where the program listens instead of at `port`, when nothing makes it listen there; `None` when it
    /// does, or may well. `who` asks: a probe of the service, a scrape of metrics.
    ///
    /// # Errors
    /// Its settings send it elsewhere, and something may still open the port.
    pub fn listens_elsewhere(
        &self,
        port: u16,
        who: Listener,
    ) -> Result<Option<Elsewhere>, Abstain> {
        if self.container.role != ContainerRole::Main || is_known_sidecar(self.container) {
            return Ok(None);
        }
        let mut told = self.told();
        let program = if self.is_target() { self.program().ok() } else { None };
        if let Some(program) = program {
            told = self.read_by(program, told, port, who)?;
        }
        if told.iter().any(|told| told.setting.port == port) {
            return Ok(None);
        }
        if let Some(program) = program {
            if the_one(&told, who)?.is_none() {
                told.extend(self.defaults_in_force(program, port));
            }
            if told.iter().any(|told| told.setting.port == port) {
                return Ok(None);
            }
        }
        if self.neighbour_declares(port) {
            return Ok(None);
        }
        let Some(found) = the_one(&told, who)? else {
            return program.map_or(Ok(None), |program| self.opened_by_none(program, port));
        };
        let elsewhere = match program {
            Some(program) => match self.by_program(program, port, found, &told)? {
                None => return self.opened_by_none(program, port),
                found => found,
            },
            None => self.by_manifest(port, found),
        };
        let Some(mut elsewhere) = elsewhere else { return Ok(None) };
        self.of.pod_unpatched(SETTINGS)?;
        let although = format!(" although {}", found.sentence());
        self.nobody_else(port, &although)?;
        let may = self.files_may_say(port, &although)?;
        elsewhere.files = may || self.image_may_configure();
        Ok(Some(elsewhere))
    }

    /// That nothing opens the port: all listeners of the program are known, or whatever could is ruled out.
    fn opened_by_none(&self, program: &GoProgram, port: u16) -> Result<Option<Elsewhere>, Abstain> {
        let Some(elsewhere) = self.listens_on_others_only(program, port) else {
            return self.opened_by_nothing(program, port);
        };
        self.of.pod_unpatched(SETTINGS)?;
        self.nobody_else(port, "")?;
        Ok(Some(elsewhere))
    }

    /// Those settings that the program reads. Flags count: Go's packages for flags end the program at one
    /// that they do not know.
    fn read_by(
        &self,
        program: &GoProgram,
        told: Vec<Told>,
        port: u16,
        who: Listener,
    ) -> Result<Vec<Told>, Abstain> {
        if !told.is_empty() {
            self.may_be_searched()?;
        }
        let mut read = Vec::new();
        let mut doubt = None;
        for one in told {
            if one.is_flag() {
                read.push(one);
                continue;
            }
            match reads(program, &one.setting.name) {
                Ok(true) => read.push(one),
                Ok(false) if self.hands_on(&one.setting.name) => read.push(one),
                Ok(false) => {}
                // It may well be what opens the port.
                Err(_) if one.setting.port == port => read.push(one),
                // It matters only where it would be the answer.
                Err(abstain) if fits(who).contains(&one.listener) => doubt = Some(abstain),
                Err(_) => {}
            }
        }
        match doubt {
            Some(abstain) if the_one(&read, who)?.is_none() => Err(abstain),
            _ => Ok(read),
        }
    }

    /// Defaults of settings that nothing sets, where all that could is known, and the program does not
    /// hold the port as such: then there is nothing to find.
    fn defaults_in_force(&self, program: &GoProgram, port: u16) -> Vec<Told> {
        let number = port.to_string();
        let constant = |text: &str| program.text.constant(text);
        match (constant(&format!(":{number}")), constant(&number)) {
            (Ok(None), Ok(None)) => self.default_listeners(program),
            _ => Vec::new(),
        }
    }

    /// Defaults of settings that nothing sets, where all that could is known.
    pub fn default_listeners(&self, program: &GoProgram) -> Vec<Told> {
        let known = self.image().is_ok()
                && self.command_line().is_ok()
                && self.environment().open().is_none()
                // A reader of configuration may find a file.
                && program.reads_names_as_written().is_ok();
        let Some(listens) = known.then(|| program.text.listens().ok()).flatten() else {
            return Vec::new();
        };
        let own = self.own_names();
        let environment = self.environment();
        let flags: Vec<String> = self
            .command_words()
            .iter()
            .filter(|word| word.value.starts_with('-'))
            .map(|word| key(word.value.split('=').next().unwrap_or_default()))
            .collect();
        let mut all = Vec::new();
        for text in &listens.texts {
            let Some(name) = text.name.as_ref().filter(|_| text.certain) else { continue };
            let Some(listener) = listeners::of_setting(name, &own) else { continue };
            let host = text.text.rsplit_once(':').map_or("", |(host, _)| host).to_owned();
            let set = flags.contains(&key(name))
                || !matches!(environment.lookup(name), Lookup::Unset)
                || !matches!(environment.lookup(&key(name)), Lookup::Unset);
            if set || text.owner != TextOwner::Main || !is_any(&host) {
                continue;
            }
            let setting = ListenSetting {
                name: name.clone(),
                host,
                port: text.port,
                origin: text.origin.clone(),
                text: text.text.clone(),
                says_listen: true,
                of_pod: false,
            };
            all.push(Told { setting, listener, is_default: true });
        }
        all
    }

    /// What the program's own texts say of the port.
    fn by_program(
        &self,
        program: &GoProgram,
        port: u16,
        found: &Told,
        told: &[Told],
    ) -> Result<Option<Elsewhere>, Abstain> {
        let unknown = |reason, why: &str| {
            let name = &found.setting.name;
            let set = format!("{name} is {}", found.setting.text);
            Err(Abstain::unknown(
                reason,
                format!("whether the program listens on {port} although {set}: {why}"),
            ))
        };
        let listens = match program.text.listens() {
            Ok(listens) => listens,
            Err(why) => return unknown(Reason::StringsUnreadable, why),
        };
        let own = self.own_names();
        let mut default: Option<&ListenText> = None;
        let mut certain = true;
        for text in listens.texts.iter().filter(|text| text.port == port) {
            let host = text.text.rsplit_once(':').map_or("", |(host, _)| host);
            // Nobody outside of the pod reaches a listener on the loopback address.
            if text.owner == TextOwner::Std || is_loopback(host) {
                continue;
            }
            // gin's Run() reads PORT, and logs between that and its default.
            let of_gin =
                text.function.as_deref().is_some_and(|f| f.ends_with("/gin.resolveAddress"));
            let name = if of_gin { Some("PORT") } else { text.name.as_deref() };
            let given = name.and_then(|name| {
                let name = key(name);
                let equal = |told: &&Told| key(&told.setting.name) == name;
                let prefixed =
                    |told: &&Told| key(&told.setting.name).ends_with(&format!("_{name}"));
                let exact = told.iter().find(equal).map(|told| (told, true));
                exact.or_else(|| told.iter().find(prefixed).map(|told| (told, false)))
            });
            match (given, name) {
                (Some((_, exact)), _) => {
                    certain &= exact && (text.certain || of_gin);
                    default.get_or_insert(text);
                }
                // The default of a setting that is not given is in force.
                (None, Some(name))
                    if text.certain && listeners::of_setting(name, &own).is_some() =>
                {
                    return Ok(None);
                }
                _ => {
                    let place =
                        text.function.as_ref().map(|f| format!(" (in {f})")).unwrap_or_default();
                    let why = format!("{:?} is a text of it{place}", text.text);
                    return unknown(Reason::CodeUnclear, &why);
                }
            }
        }
        let declared = self.pod().declares_number(i64::from(found.setting.port));
        let advertised = !found.is_default
            && listeners::may_be_advertised(&found.setting.name)
            && self.is_port_of_service(found.setting.port);
        let proof = match default {
            Some(text) if certain => Proof::Default(text.clone()),
            _ if declared || advertised => return Ok(None),
            Some(text) => Proof::Beside(text.clone()),
            None => {
                if nothing::makes_ports_of_numbers(program) {
                    return unknown(Reason::CodeUnclear, nothing::COMPUTED);
                }
                // A longer text of it may be put together with others; the number alone is in the list above.
                match program.text.find_port(port) {
                    NumberPresence::Absent => {}
                    NumberPresence::Present(_) => {
                        return unknown(
                            Reason::CodeUnclear,
                            "a longer text of it holds the number",
                        );
                    }
                    NumberPresence::Unknown(why) => {
                        return unknown(Reason::StringsUnreadable, why);
                    }
                }
                match program.text.find_number(port) {
                    NumberPresence::Absent => Proof::NoNumber,
                    // Small numbers are in every program, and mostly something else.
                    NumberPresence::Present(_) if port >= FIRST_TELLING => {
                        return unknown(Reason::CodeUnclear, "the number is a constant of it");
                    }
                    _ => Proof::NoText,
                }
            }
        };
        Ok(Some(Elsewhere { told: Some(found.clone()), proof, files: false, unread: Vec::new() }))
    }

    /// Without the program: the port that it is told of must be named by nothing else, since that would
    /// be one listener more.
    fn by_manifest(&self, port: u16, found: &Told) -> Option<Elsewhere> {
        let own = i64::from(found.setting.port);
        let declares = self.container.declares(&PortRef::Number(i64::from(port)));
        if !declares
            || self.pod().declares_number(own)
            || self.asks(found.setting.port)
            || self.of.service_targets().any(|(_, _, number)| number == own)
            || self.is_port_of_service(found.setting.port)
        {
            return None;
        }
        let told = Some(found.clone());
        Some(Elsewhere { told, proof: Proof::Manifest, files: false, unread: Vec::new() })
    }

    /// Whether a setting, or an address that is a constant of the program, says that it listens on the port.
    pub fn is_told_port(&self, port: u16) -> bool {
        let told = self.told().iter().any(|told| told.setting.port == port);
        let program = if self.is_target() { self.program().ok() } else { None };
        told || program.is_some_and(|program| {
            let of_default = self.default_listeners(program);
            let listens = program.text.listens().map_or(&[][..], |listens| &listens.texts);
            of_default.iter().any(|told| told.setting.port == port)
                || listens.iter().any(|text| {
                    let host = text.text.rsplit_once(':').map_or("", |(host, _)| host);
                    text.port == port
                        && text.owner == TextOwner::Main
                        && text.name.is_none()
                        && is_any(host)
                        && text.text.contains(':')
                })
        })
    }

    /// Whether a Service of the container has the number as its own: a setting of it says what others are told,
    /// and nothing of where the program listens.
    fn is_port_of_service(&self, port: u16) -> bool {
        let is = |own: &crate::facts::Fact<i64>| own.value == i64::from(port);
        let mut ports = self.of.services().flat_map(|(_, service)| &service.ports);
        ports.any(|own| own.port.as_ref().is_some_and(is))
    }

    /// Whether a probe or hook of the container asks that port.
    pub fn asks(&self, port: u16) -> bool {
        self.container.handlers().any(|(_, handler)| self.asked_port(&handler.action) == Some(port))
    }

    /// The port of this container that a probe or hook asks; `None` where it asks another host.
    pub fn asked_port(&self, action: &Action) -> Option<u16> {
        let number = match action {
            Action::HttpGet { port: Some(port), host: None, .. }
            | Action::TcpSocket { port: Some(port), host: None } => match &port.value {
                PortRef::Number(number) => *number,
                PortRef::Name(name) => self.container.port_named(name)?.port.as_ref()?.value,
            },
            Action::Grpc { port: Some(port), .. } => port.value,
            _ => return None,
        };
        u16::try_from(number).ok()
    }
}

/// Listeners that answer whoever asks, the likeliest first.
fn fits(who: Listener) -> &'static [Listener] {
    match who {
        Listener::Service => &[Listener::Service],
        Listener::Grpc => &[Listener::Grpc, Listener::Service],
        Listener::Metrics => &[Listener::Metrics],
        Listener::Health => &[Listener::Health],
        Listener::Debug => &[Listener::Debug],
        Listener::Admin => &[Listener::Admin],
        Listener::Webhook => &[Listener::Webhook],
        Listener::Tls => &[Listener::Tls],
        Listener::Internal | Listener::Other => &[],
    }
}

/// The one address of the listener that is asked; unknown when several settings name different ones.
fn the_one(told: &[Told], who: Listener) -> Result<Option<&Told>, Abstain> {
    for listener in fits(who) {
        let mut all = told.iter().filter(|told| told.listener == *listener);
        let Some(first) = all.next() else { continue };
        return match all.find(|other| other.setting.port != first.setting.port) {
            None => Ok(Some(first)),
            // A flag that is given twice makes two listeners.
            Some(other) if other.setting.name == first.setting.name => Ok(None),
            Some(other) => Err(Abstain::unknown(
                Reason::CodeUnclear,
                format!(
                    "which of {} and {} the program listens by",
                    first.setting.name, other.setting.name
                ),
            )),
        };
    }
    Ok(None)
}

/// Underscores of a name at which it is taken apart.
const MOST_PARTS: usize = 8;

/// Whether the program reads the variable; unknown where names are composed.
pub(crate) fn reads(program: &GoProgram, name: &str) -> Result<bool, Abstain> {
    let unreadable = |why: &str| {
        let what = format!("whether the program reads {name}: {why}");
        Abstain::unknown(Reason::StringsUnreadable, what)
    };
    if program.text.constant(name).map_err(unreadable)?.is_some() {
        return Ok(true);
    }
    let listens = program.text.listens().map_err(unreadable)?;
    if listens.tagged.binary_search_by(|tagged| tagged.as_str().cmp(name)).is_ok() {
        return Ok(true);
    }
    if listens.limited {
        return Err(unreadable("it has more tags than are read"));
    }
    match program.text.find(name) {
        TextPresence::Absent => {}
        // Tags of packages that are not known, and names that are put together.
        TextPresence::Present(_) => return Err(unreadable("a longer text of it holds the name")),
        TextPresence::Unknown(why) => return Err(unreadable(why)),
    }
    if may_be_joined(program, name) {
        return Err(unreadable("constants of it make up the name when they are joined"));
    }
    match program.reads_names_as_written() {
        Ok(()) => Ok(false),
        Err(Abstain::Unknown { needs, .. }) => Err(unreadable(&format!("{needs} are not known"))),
        Err(abstain) => Err(abstain),
    }
}

/// Whether the program holds both parts of a name, divided at an underscore, as `prefix + "_" + key` does.
fn may_be_joined(program: &GoProgram, name: &str) -> bool {
    let holds = |text: &str| !matches!(program.text.constant(text), Ok(None));
    name.match_indices('_').take(MOST_PARTS).any(|(at, _)| {
        let (with, rest) = name.split_at(at + 1);
        let without = &name[..at];
        let begins =
            [with, without].iter().any(|part| holds(part) || holds(&part.to_ascii_lowercase()));
        !rest.is_empty() && !without.is_empty() && begins && holds(rest)
    })
}

/// Whether a host beside it says that a port is another machine's: `CACHE_HOST` of `CACHE_PORT`.
fn belongs_to_another(environment: &Environment, name: &str) -> bool {
    let Some(stem) = name.strip_suffix("PORT") else { return false };
    ["HOST", "HOSTNAME", "SERVER", "URL", "ENDPOINT"].iter().any(|other| {
        // `HOSTNAME` alone is the pod's own name.
        if stem.is_empty() && *other != "HOST" {
            return false;
        }
        match environment.lookup(&format!("{stem}{other}")) {
            Lookup::Set(variable) => match &variable.value {
                Ok(host) => !is_any(host) && !is_loopback(host),
                Err(_) => true,
            },
            Lookup::Unset | Lookup::Unknown(_) => false,
        }
    })
}

impl crate::facts::workload::Container {
    /// Whose listener a port of the container is, by the name that it has in `ports`: the service's where it
    /// has none, and nobody's that is known where the name says nothing.
    pub fn listener_of(&self, port: &PortRef) -> Option<Listener> {
        let named = match port {
            PortRef::Name(name) => Some(name.as_str()),
            PortRef::Number(number) => {
                let is = |own: &&crate::facts::workload::ContainerPort| {
                    own.port.as_ref().is_some_and(|own| own.value == *number)
                };
                self.ports
                    .iter()
                    .find(is)
                    .and_then(|own| own.name.as_ref())
                    .map(|n| n.value.as_str())
            }
        };
        named.map_or(Some(Listener::Service), listeners::of_port)
    }
}
