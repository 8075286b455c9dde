//! What the manifests say about the volumes of a container, and what is put into them.

use std::path::{Component, Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_check::case::Case;
use provost_check::facts::container::Mount;
use provost_check::facts::document::Node;
use provost_check::facts::objects::Body;
use provost_check::facts::proof::Unlike;
use provost_check::facts::workload::VolumeKind;
use provost_live::prove::plan::{Content, Medium, Place, Volume, VolumeFile, WRITTEN};

use super::environment::{Given, ROOT_CA};
use super::fields;

/// Of files where nothing is said (`ConfigMapVolumeSourceDefaultMode` and the others in
/// pkg/apis/core/v1/defaults.go).
const MODE: u32 = 0o644;

/// Bytes of all files together: a ConfigMap has a megabyte at most.
const MOST_BYTES: usize = 64 << 20;

/// Files of one Secret that are told of.
const MOST_SAID: usize = 8;

/// The volumes of a container.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    /// Those whose content is known.
    pub(super) there: Vec<Volume>,
    /// Others: where they would be, and why they are not.
    pub(super) absent: Vec<(PathBuf, String)>,
}

/// Reads what each mount of the container shows. Values of Secrets are made up.
pub(super) fn of(case: &Case<'_>, given: &mut Given) -> Volumes {
    let mut found = Volumes::default();
    let spec = case.of.object.document.node(case.pod().spec);
    for mount in &case.container.mounts {
        let name = &mount.name.value;
        let place = match place(mount, given) {
            Ok(place) => place,
            Err(why) => {
                found.absent.push((PathBuf::from(&mount.path.value), why));
                continue;
            }
        };
        if let Some(known) = found.there.iter_mut().find(|it| it.name == *name) {
            known.mounts.push(place);
            continue;
        }
        let written = spec.get("volumes").into_iter().flat_map(|list| list.items());
        let mut written =
            written.filter(|it| it.get("name").and_then(|n| n.as_str()) == Some(name.as_str()));
        let kind = case.pod().volume(name).map(|volume| &volume.kind);
        let mut medium = Medium::Disk;
        let content = match kind {
            Some(VolumeKind::EmptyDir { size_limit, medium: said }) => {
                if said.as_ref().is_some_and(|it| it.value == "Memory") {
                    let size = size_limit.as_ref().and_then(|size| size.amount);
                    medium = Medium::Memory(size.map(|size| size.0));
                }
                Ok(Content::Empty)
            }
            Some(VolumeKind::Claim(_)) | None => {
                // A StatefulSet's claims are no volumes of the pod template.
                given.said.push(format!("the volume {name} is a claim; it was taken to be empty"));
                Ok(Content::Empty)
            }
            Some(VolumeKind::HostPath(path)) => {
                Err(format!("{} of a node is not here", path.value))
            }
            Some(_) => match written.next() {
                Some(node) => {
                    let at = (place.at.as_path(), place.sub_path.is_some());
                    Files { case, given, at, files: Vec::new(), bytes: 0 }.volume(node)
                }
                None => Err("its source is not known".to_owned()),
            },
        };
        match content {
            Ok(content) => {
                let mounts = vec![place];
                found.there.push(Volume { name: name.clone(), content, medium, mounts });
            }
            Err(why) => found.absent.push((place.at, why)),
        }
    }
    found.there.extend(message(case));
    found
}

/// Where a container has this file nothing is mounted: every root has it.
const MESSAGE: &str = "/dev/termination-log";

/// The file in which the container leaves a message at its end, which the kubelet mounts whatever its root is
/// (`terminationMessagePath`; `makeMounts` and `TerminationMessagePath` in pkg/kubelet).
fn message(case: &Case<'_>) -> Option<Volume> {
    let container = case.of.object.document.node(case.container.node);
    let at = PathBuf::from(container.get("terminationMessagePath")?.as_str()?);
    let is_taken = case.container.mounts.iter().any(|mount| Path::new(&mount.path.value) == at);
    if !at.is_absolute() || at == Path::new(MESSAGE) || is_taken {
        return None;
    }
    let mounts = vec![Place { at, sub_path: Some(PathBuf::from(WRITTEN)), read_only: false }];
    let name = "terminationMessagePath".to_owned();
    Some(Volume { name, content: Content::Written, medium: Medium::Disk, mounts })
}

/// Where it is mounted; why not, where a variable in it is not known or it leads out of the volume, which the kubelet
/// takes for a mistake (`makeMounts` in pkg/kubelet/kubelet_pods.go).
fn place(mount: &Mount, given: &Given) -> Result<Place, String> {
    let sub_path = match &mount.sub_path {
        Some(sub) if mount.sub_path_expr => Some(given.sub_path(&sub.value)?),
        Some(sub) => Some(sub.value.clone()),
        None => None,
    };
    let sub_path = sub_path.map(PathBuf::from);
    if let Some(sub) = sub_path.as_ref().filter(|sub| !is_within(sub)) {
        return Err(format!("{} is no path within it", sub.display()));
    }
    let at = PathBuf::from(&mount.path.value);
    Ok(Place { at, sub_path, read_only: mount.read_only })
}

fn is_within(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Files of one volume while they are collected.
struct Files<'a, 'c> {
    case: &'a Case<'c>,
    given: &'a mut Given,
    /// Where it is mounted, and whether a part of it is.
    at: (&'a Path, bool),
    files: Vec<VolumeFile>,
    bytes: usize,
}

impl Files<'_, '_> {
    fn volume(mut self, node: Node<'_>) -> Result<Content, String> {
        for (key, source) in node.entries() {
            match key.as_str() {
                Some("name") | None => {}
                Some("projected") => {
                    let mode = mode(Some(source), "defaultMode", MODE);
                    let sources = source.get("sources").into_iter().flat_map(|list| list.items());
                    for one in sources {
                        for (key, source) in one.entries() {
                            self.source(key.as_str().unwrap_or_default(), source, mode)?;
                        }
                    }
                }
                Some(kind) => {
                    self.source(kind, source, mode(Some(source), "defaultMode", MODE))?;
                }
            }
        }
        Ok(Content::Files(self.files))
    }

    fn source(&mut self, kind: &str, source: Node<'_>, mode: u32) -> Result<(), String> {
        match kind {
            "configMap" => self.keys("ConfigMap", "name", source, mode),
            "secret" => {
                // In a projected volume it is called as other objects are.
                let name = if source.get("secretName").is_some() { "secretName" } else { "name" };
                self.keys("Secret", name, source, mode)
            }
            "downwardAPI" => self.downward(source, mode),
            "serviceAccountToken" => {
                let path = source.get("path").and_then(|path| path.as_str()).unwrap_or("token");
                let canary = self.given.canary("the token of the service account");
                // With a group of its own nobody else reads it (`projected.go`, collectData).
                let mode = if self.case.security().fs_group.is_some() { 0o600 } else { mode };
                self.add(path, canary, mode)
            }
            other => Err(format!("what {other} brings is not here")),
        }
    }

    /// Files of a ConfigMap or Secret.
    fn keys(
        &mut self,
        kind: &str,
        name: &str,
        source: Node<'_>,
        mode_of_all: u32,
    ) -> Result<(), String> {
        let name = source.get(name).and_then(|name| name.as_str()).unwrap_or_default();
        let optional = source.get("optional").and_then(|it| it.as_bool()).unwrap_or(false);
        let items: Vec<(String, String, u32)> = source
            .get("items")
            .into_iter()
            .flat_map(|list| list.items())
            .filter_map(|item| {
                let text = |key| item.get(key).and_then(|it| it.as_str()).map(str::to_owned);
                Some((text("key")?, text("path")?, mode(Some(item), "mode", mode_of_all)))
            })
            .collect();
        let object = self.case.named_object(kind, name).ok().flatten();
        let all = |keys: &mut dyn Iterator<Item = &str>| -> Vec<(String, String, u32)> {
            keys.map(|key| (key.to_owned(), key.to_owned(), mode_of_all)).collect()
        };
        match object.map(|object| &object.body) {
            Some(Body::ConfigMap(map)) => {
                let wanted = match items.is_empty() {
                    true => all(&mut map
                        .data
                        .iter()
                        .map(|(key, _)| key)
                        .chain(map.binary_keys.iter().map(|key| key.value.as_str()))),
                    false => items,
                };
                let binary = object.and_then(|object| object.node().get("binaryData"));
                for (key, path, mode) in wanted {
                    let text = map.data.get(&key).map(|value| value.value.clone().into_bytes());
                    let content = text.or_else(|| decoded(binary?.get(&key)?.as_str()?));
                    match content {
                        Some(content) => self.add(&path, content, mode)?,
                        None if optional => {}
                        None => {
                            return Err(format!("key {key} of ConfigMap {name} is not known"));
                        }
                    }
                }
                Ok(())
            }
            Some(Body::Secret(secret)) => {
                let wanted = match items.is_empty() {
                    true => all(&mut secret.keys.iter().map(|key| key.value.as_str())),
                    false => items,
                };
                self.secret(name, wanted)
            }
            None if kind == "ConfigMap" && name == ROOT_CA => {
                let pair = self.given.pair(self.case, ROOT_CA);
                let pair = pair.ok_or("no certificate can be made for it")?;
                let wanted =
                    if items.is_empty() { all(&mut ["ca.crt"].into_iter()) } else { items };
                for (_, path, mode) in wanted {
                    self.add(&path, pair.certificate.clone(), mode)?;
                }
                Ok(())
            }
            // Which keys it has is known by what is taken of it.
            _ if kind == "Secret" && !items.is_empty() => self.secret(name, items),
            _ if kind == "Secret" && self.given.files.contains_key(name) => {
                let files = self.given.files.get(name);
                let keys: Vec<String> =
                    files.into_iter().flat_map(|it| it.keys().cloned()).collect();
                self.secret(name, all(&mut keys.iter().map(String::as_str)))
            }
            _ if optional => Ok(()),
            _ => Err(format!("{kind} {name} is not among the manifests")),
        }
    }

    fn secret(&mut self, name: &str, keys: Vec<(String, String, u32)>) -> Result<(), String> {
        let mut made: Vec<String> = Vec::new();
        let mut unlike: Option<Unlike> = None;
        for (key, path, mode) in keys {
            if let Some(content) = self.given.of_folder(name, &key) {
                self.add(&path, content, mode)?;
                continue;
            }
            let (content, kind) = self.given.of_secret(self.case, (name, &key), None);
            self.add(&path, content, mode)?;
            let what = format!("the files of Secret {name}");
            let says = kind.says(&key);
            let unlike = unlike.get_or_insert(Unlike { what, says, paths: Vec::new() });
            unlike.says = unlike.says.min(says);
            if made.len() < MOST_SAID {
                made.push(format!("{key} is {}", kind.words()));
                unlike.paths.push(self.shown(&path));
            }
        }
        let Some(unlike) = unlike else { return Ok(()) };
        // Another volume may have other files of it.
        let before = self.given.unlike.remove(&format!("Secret {name}"));
        let unlike = match before {
            Some(mut before) => {
                before.says = before.says.min(unlike.says);
                before.paths.extend(unlike.paths);
                before
            }
            None => unlike,
        };
        self.given.unlike.insert(format!("Secret {name}"), unlike);
        self.given.say(format!("files of Secret {name} were made up: {}", made.join(", ")));
        Ok(())
    }

    /// Where the program sees a file; of a part of a volume that is this part.
    fn shown(&self, path: &str) -> String {
        match self.at {
            (at, true) => at.display().to_string(),
            (at, false) => at.join(path).display().to_string(),
        }
    }

    fn downward(&mut self, source: Node<'_>, mode_of_all: u32) -> Result<(), String> {
        for item in source.get("items").into_iter().flat_map(|list| list.items()) {
            let Some(path) = item.get("path").and_then(|path| path.as_str()) else { continue };
            let text = |at: &[&str]| item.at(at).and_then(|node| node.as_str());
            let field = match text(&["fieldRef", "fieldPath"]) {
                // What is of the node or of its network no volume has.
                Some(field) if field.starts_with("metadata.") => fields::of_pod(self.case, field),
                Some(_) => None,
                None => text(&["resourceFieldRef", "resource"]).and_then(|resource| {
                    let divisor = item.at(&["resourceFieldRef", "divisor"]);
                    let divisor = divisor.and_then(|divisor| divisor.as_str());
                    let container = text(&["resourceFieldRef", "containerName"]);
                    fields::of_resource(self.case, resource, divisor, container)
                }),
            };
            let Some(field) = field else {
                self.given
                    .say(format!("the file {path} is only known on a node, and was left out"));
                continue;
            };
            if field.made_up {
                let text = &field.text;
                self.given
                    .say(format!("the file {path} is only known on a node; {text} stands for it"));
            }
            self.add(path, field.text, mode(Some(item), "mode", mode_of_all))?;
        }
        Ok(())
    }

    fn add(&mut self, path: &str, content: impl Into<Vec<u8>>, mode: u32) -> Result<(), String> {
        let (path, content) = (PathBuf::from(path), content.into());
        if !is_within(&path) {
            return Err(format!("{} is no path within a volume", path.display()));
        }
        self.bytes += content.len();
        if self.bytes > MOST_BYTES {
            return Err("it holds too much".to_owned());
        }
        self.files.push(VolumeFile { path, content, mode });
        Ok(())
    }
}

/// A value of `binaryData`.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    STANDARD.decode(text).ok()
}

fn mode(node: Option<Node<'_>>, key: &str, default: u32) -> u32 {
    let written = node.and_then(|node| node.get(key)).and_then(|mode| mode.as_i64());
    written
        .and_then(|mode| u32::try_from(mode).ok())
        .filter(|mode| *mode <= 0o777)
        .unwrap_or(default)
}
