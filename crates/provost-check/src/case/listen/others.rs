//! What else could open a port: another setting, another container, a file.

use rustc_hash::FxHashSet;

use crate::case::Case;
use crate::case::binding::is_known_sidecar;
use crate::case::network::{holds, is_any, is_loopback};
use crate::facts::build::Created;
use crate::facts::objects::PortRef;
use crate::facts::workload::{Container, ContainerRole, VolumeKind};
use crate::findings::{Abstain, Reason};
use crate::model::names::base_name;

/// Volumes of one container that are looked at.
const VOLUMES: usize = 256;
/// Files of an image that are looked at; one of more may hold any.
const FILES: usize = 4096;

impl<'w> Case<'w> {
    fn neighbours(&self) -> impl Iterator<Item = &'w Container> {
        let serves = |role| matches!(role, ContainerRole::Main | ContainerRole::Sidecar);
        let own = self.index;
        self.pod()
            .containers
            .iter()
            .enumerate()
            .filter(move |(index, c)| *index != own && serves(c.role))
            .map(|(_, container)| container)
    }

    /// The containers of a pod share its ports.
    pub(super) fn neighbour_declares(&self, port: u16) -> bool {
        let number = i64::from(port);
        // Most pods declare it once, here.
        self.pod().serves_number(number)
            && self.neighbours().take(256).any(|c| c.declares(&PortRef::Number(number)))
    }

    /// Unknown when a setting or another container may bring the port.
    pub(super) fn nobody_else(&self, port: u16, although: &str) -> Result<(), Abstain> {
        let unknown = |why: String| {
            let what = format!("whether something listens on {port}{although}: {why}");
            Err(Abstain::unknown(Reason::CodeUnclear, what))
        };
        let silent = |c: &&Container| c.ports.is_empty() && !is_known_sidecar(c);
        if let Some(other) = self.neighbours().find(silent) {
            return unknown(format!("container {} declares no ports", other.name()));
        }
        let environment = self.environment();
        if let Some(abstain) = environment.open() {
            return Err(abstain.clone());
        }
        let number = port.to_string();
        for (name, variable) in environment.iter() {
            let Ok(value) = &variable.value else { continue };
            if holds(value, &number) && !is_of_another_machine(value) && !self.is_unread(name) {
                return unknown(format!("{name} holds that number"));
            }
        }
        for word in self.command_words() {
            let value = word.value.split_once('=').map_or(word.value.as_str(), |(_, value)| value);
            if holds(value, &number) && !is_of_another_machine(value) {
                return unknown(format!("an argument holds that number: {}", word.value));
            }
        }
        Ok(())
    }

    /// Whether a file that is not known may say where to listen; unknown when one that is known, or a
    /// ConfigMap that is not in the input, may bring the port.
    pub(super) fn files_may_say(&self, port: u16, although: &str) -> Result<bool, Abstain> {
        let number = port.to_string();
        let mut files = false;
        let mut mounted = FxHashSet::default();
        let mut maps = FxHashSet::default();
        for mount in &self.container.mounts {
            if !mounted.insert(mount.name.value.as_str()) {
                continue;
            }
            let volume = self.pod().volume(&mount.name.value);
            let Some(volume) = volume.filter(|_| mounted.len() <= VOLUMES) else {
                files = true;
                continue;
            };
            match &volume.kind {
                VolumeKind::EmptyDir { .. } => {}
                VolumeKind::ConfigMap { name, .. } => {
                    if !maps.insert(name.value.as_str()) {
                        continue;
                    }
                    let unknown = |reason, why: &str| {
                        let what = format!(
                            "whether something listens on {port}{although}: ConfigMap {} {why}",
                            name.value
                        );
                        Err(Abstain::unknown(reason, what))
                    };
                    match self.config_map(&name.value) {
                        Some(map) => {
                            if map.data.iter().any(|(_, text)| holds(text, &number)) {
                                let why = "is mounted and holds that number";
                                return unknown(Reason::VolumeUnknown, why);
                            }
                            if !map.binary_keys.is_empty() {
                                let why = "is mounted and has binary data";
                                return unknown(Reason::VolumeUnknown, why);
                            }
                        }
                        _ => return unknown(Reason::ObjectNotInInput, "is mounted"),
                    }
                }
                _ => files = true,
            }
        }
        Ok(files)
    }

    /// Whether the image brings a file that looks like settings, and so may say where to listen.
    pub(super) fn image_may_configure(&self) -> bool {
        let Ok(view) = self.image() else { return false };
        if let Some(image) = view.image() {
            let mut files = image.files.iter();
            return files.by_ref().take(FILES).any(|(path, _)| is_settings(path))
                || files.next().is_some();
        }
        let Some(build) = view.build() else { return false };
        let chain = build.final_chain();
        // What a command of the image's own stages writes.
        let runs = build.runs.iter().filter(|run| chain.contains(&run.stage));
        let writes = |created: &Created| {
            created.path.contains('$') || (!created.directory && is_settings(&created.path))
        };
        let mut written = runs.map(|run| run.created.as_ref());
        if written.any(|all| all.is_none_or(|all| all.iter().any(writes))) {
            return true;
        }
        let copies = build.copies.iter().filter(|copy| chain.contains(&copy.stage));
        copies.flat_map(|copy| copy.sources.iter().chain([&copy.destination])).take(FILES).any(
            |path| {
                let name = base_name(path.value.trim_end_matches('/'));
                // The whole build context, or a folder of that name.
                matches!(name, "." | "config" | "configs" | "conf" | "settings")
                    || is_settings(&path.value)
            },
        )
    }
}

/// Whether a file of that path can be one of settings of the program.
fn is_settings(path: &str) -> bool {
    // What distributions put there.
    let of_system = ["usr/", "lib/", "proc/", "sys/", "var/lib/"];
    if of_system.iter().any(|folder| path.trim_start_matches('/').starts_with(folder)) {
        return false;
    }
    let name = base_name(path);
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    matches!(
        ending,
        "yaml"
            | "yml"
            | "json"
            | "toml"
            | "ini"
            | "env"
            | "properties"
            | "hcl"
            | "conf"
            | "cfg"
            | "config"
    )
}

/// Whether a value is the address of something else: a URL or `host:port` with a host that is not this machine.
fn is_of_another_machine(value: &str) -> bool {
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match authority.rsplit_once(':') {
        // A variable that is not known.
        Some((host, _)) if host.starts_with("$(") => false,
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
            !is_any(host) && !is_loopback(host)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_settings() {
        for path in ["config.yaml", "/etc/checkout/app.toml", "/app/.env", "settings.json"] {
            assert!(is_settings(path), "{path}");
        }
        for path in ["/checkout", "/usr/share/a.json", "usr/lib/b.yaml", "/etc/passwd", "json"] {
            assert!(!is_settings(path), "{path}");
        }
    }

    #[test]
    fn addresses_of_others() {
        for value in ["redis:6379", "http://ledger:8080/x", "user:8080@ledger:8080"] {
            assert!(is_of_another_machine(value), "{value}");
        }
        for value in [":8080", "localhost:8080", "0.0.0.0:8080", "$(HOST):8080", "8080"] {
            assert!(!is_of_another_machine(value), "{value}");
        }
    }
}
