//! A container image as facts: its configuration and the files its layers leave.

use std::collections::BTreeMap;

use super::build::{Libc, ShellKind, StageConfig};
use super::image_files::{FileKind, FileTree};
use super::origin::{Fact, Origin, SourceId};

/// One image for one platform.
#[derive(Clone, Debug)]
pub struct Image {
    /// The directory or archive, or the reference into a registry.
    pub source: SourceId,
    /// The image as such.
    pub origin: Origin,
    /// Its path as the user gave it.
    pub path: String,
    /// Names it goes by: `RepoTags` of a docker-archive, `org.opencontainers.image.ref.name` and
    /// `io.containerd.image.name` of a layout.
    pub names: Vec<String>,
    /// `os/architecture` and, where there is one, `/variant`, as its configuration says.
    pub platform: Fact<String>,
    /// What it is configured to do. The origins name keys of the configuration.
    pub config: StageConfig,
    /// Variables of its ENV whose values are secrets.
    pub secret_env: Vec<SecretVariable>,
    /// Labels of the configuration.
    pub labels: BTreeMap<String, Fact<String>>,
    /// Layers, the lowest first.
    pub layers: Vec<Layer>,
    /// The files of all layers, one over the other.
    pub files: FileTree,
    /// Every layer was read to its end, so that what is not in `files` is not in the image.
    pub complete: bool,
    /// Of a layer that was not read to its end the cause is a limit, rather than its bytes.
    pub limited: bool,
    /// Users of `/etc/passwd`: name, uid, gid.
    pub users: Vec<(String, u32, u32)>,
    /// Groups of `/etc/group`.
    pub groups: Vec<UserGroup>,
    /// Files that hold secrets, in whatever layer, hidden ones too.
    pub secrets: Vec<SecretFile>,
    /// `libc.so.6` of glibc, links followed.
    pub libc_file: Option<String>,
    /// The newest version that it defines: 36 for `GLIBC_2.36`.
    pub glibc: Option<u16>,
    /// How the programs begin that it or a container of it is started with, by the path of the file.
    pub heads: BTreeMap<String, Head>,
    /// Libraries that a dynamic program of the image needs, directly or by others, by their path.
    pub libraries: BTreeMap<String, Library>,
    /// A lower layer that holds the bytes of the program already: its index and the path there.
    pub program_copy: Option<(u32, String)>,
    /// Blobs whose bytes are not those that their digest names.
    pub mismatches: Vec<Mismatch>,
}

/// One layer.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Digest of its blob; of its content where the blob has none (`docker save` of old).
    pub digest: String,
    /// Bytes of the blob.
    pub size: u64,
    /// Bytes of the unpacked archive.
    pub unpacked: u64,
    /// The instruction that made it, as the history has it.
    pub created_by: Option<String>,
}

/// How a file begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// It has no byte.
    Empty,
    /// An ELF file.
    Elf,
    /// `#!`, and what stands behind it up to the end of the line.
    Script(String),
    /// Text without `#!`.
    Text,
    /// Anything else.
    Other,
}

/// A shared library of the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Library {
    /// DT_NEEDED.
    pub needed: Vec<String>,
    /// DT_RUNPATH, else DT_RPATH.
    pub runpath: Option<String>,
}

/// A line of `/etc/group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserGroup {
    /// Its name.
    pub name: String,
    /// Its number.
    pub gid: u32,
    /// Names of users that are in it, besides those whose primary group it is.
    pub members: Vec<String>,
}

/// A variable that holds a secret, by its name or its shape. The secret itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretVariable {
    /// Its name.
    pub name: Fact<String>,
    /// The word in its name, or what it is by its shape: `a GitHub token`.
    pub what: &'static str,
}

/// A file that holds a secret. The secret itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile {
    /// Its absolute path.
    pub path: String,
    /// Index of the layer that brings it.
    pub layer: u32,
    /// `a private key`, `a registry's credentials`.
    pub what: &'static str,
    /// Index of the layer that deletes or replaces it.
    pub hidden_by: Option<u32>,
}

/// A blob that is not what its digest, or its descriptor, says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Where.
    pub origin: Origin,
    /// `layer 2`, `the configuration`, `the manifest`.
    pub what: String,
    /// What the image says.
    pub expected: String,
    /// What the bytes are.
    pub found: String,
    /// It is the number of bytes that differs, and may be all that does.
    pub by_size: bool,
}

impl Image {
    /// A file of the image.
    pub fn file(&self, path: &str) -> Origin {
        let layer = self.files.lookup(path).and_then(|(_, f)| self.layers.get(f.layer as usize));
        Origin::image(self.source, layer.map(|l| l.digest.as_str()), path)
    }

    /// A path in one of its layers, whether or not a later one hides it.
    pub fn in_layer(&self, layer: u32, path: &str) -> Origin {
        let layer = self.layers.get(layer as usize);
        Origin::image(self.source, layer.map(|l| l.digest.as_str()), path)
    }

    /// The architecture, by its `GOARCH` name.
    pub fn arch(&self) -> &str {
        self.platform.value.split('/').nth(1).unwrap_or_default()
    }

    /// The shell at `/bin/sh`, by the file that it is; `Some(None)` when there is a file and what
    /// it is cannot be told.
    pub fn shell(&self) -> Option<Option<ShellKind>> {
        let (path, file) = self.files.lookup("/bin/sh")?;
        if file.kind != FileKind::File {
            return None;
        }
        Some(match path.rsplit('/').next().unwrap_or_default() {
            "dash" => Some(ShellKind::Dash),
            "busybox" => Some(ShellKind::BusyboxAsh),
            "bash" => Some(ShellKind::Bash),
            // A hard link, or a copy, has no name to tell it by.
            _ => ["/bin/busybox", "/bin/dash", "/bin/bash"]
                .iter()
                .zip([ShellKind::BusyboxAsh, ShellKind::Dash, ShellKind::Bash])
                .find(|(path, _)| {
                    self.files.lookup(path).is_some_and(|(_, other)| other.same_content(file))
                })
                .map(|(_, kind)| kind),
        })
    }

    /// The C library, by its loader: musl's, glibc's, or none.
    pub fn libc(&self) -> Libc {
        let named = |start: &str| {
            ["/lib", "/lib64", "/usr/lib", "/usr/lib64"]
                .iter()
                .any(|dir| self.files.children(dir).any(|(name, _)| name.starts_with(start)))
        };
        if named("ld-musl-") {
            Libc::Musl
        } else if named("ld-linux") {
            Libc::Glibc(self.glibc)
        } else {
            Libc::None
        }
    }

    /// The uid of a user that `/etc/passwd` names.
    pub fn uid_of(&self, name: &str) -> Option<u32> {
        self.users.iter().find(|(user, _, _)| user == name).map(|(_, uid, _)| *uid)
    }

    /// The gid of a group that `/etc/group` names.
    pub fn gid_of(&self, name: &str) -> Option<u32> {
        self.groups.iter().find(|group| group.name == name).map(|group| group.gid)
    }
}
