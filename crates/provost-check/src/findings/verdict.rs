//! The third outcome: not judged, and why.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Why a rule could not be judged. A closed list, part of the JSON schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// There is no program.
    NoBinary,
    /// There are several, and nothing says which.
    SeveralBinaries,
    /// There is no image, and the Dockerfile does not tell.
    NoImage,
    /// There is neither an image nor a Dockerfile.
    NoDockerfile,
    /// No manifest runs the program.
    NoWorkload,
    /// What the base image holds is not known.
    BaseImageUnknown,
    /// The program is not one of Go.
    NotAGoBinary,
    /// Of Go or Kubernetes, to this Provost.
    VersionUnknown,
    /// Names in the program were changed.
    Obfuscated,
    /// The program is compressed.
    Packed,
    /// Code of its machine is not read.
    ArchUnsupported,
    /// The program's strings cannot be found.
    StringsUnreadable,
    /// The code decides it while it runs.
    CodeUnclear,
    /// A volume may hold it.
    VolumeUnknown,
    /// The value is in a Secret.
    ValueFromSecret,
    /// The value is made on a node.
    ValueFromField,
    /// A template fills it in.
    Templated,
    /// Kubernetes refuses the value.
    Malformed,
    /// An object that decides it was not given.
    ObjectNotInInput,
    /// The node decides it.
    NodeUnknown,
    /// The mesh decides it.
    MeshUnknown,
    /// A controller makes it.
    ExternalController,
    /// It is a number that somebody has to measure.
    MeasuredFactMissing,
    /// More than is looked at.
    LimitReached,
    /// Several files say it in several ways.
    Alternatives,
    /// A kustomization changes it.
    Patched,
    /// No measurement shows it.
    NotMeasured,
    /// A part of the input cannot be read.
    Unreadable,
    /// The log does not go on for long enough.
    LogTooShort,
    /// There is no log of the runtime.
    NoRuntimeLog,
    /// There is neither the kernel's log nor a file of the cgroup.
    NoMemoryFiles,
    /// System calls were recorded in a way that does not show it.
    UnfitRecording,
}

impl Reason {
    /// Every reason, in the order of the documentation.
    pub const ALL: [Reason; 32] = [
        Self::NoBinary,
        Self::SeveralBinaries,
        Self::NoImage,
        Self::NoDockerfile,
        Self::NoWorkload,
        Self::BaseImageUnknown,
        Self::NotAGoBinary,
        Self::VersionUnknown,
        Self::Obfuscated,
        Self::Packed,
        Self::ArchUnsupported,
        Self::StringsUnreadable,
        Self::CodeUnclear,
        Self::VolumeUnknown,
        Self::ValueFromSecret,
        Self::ValueFromField,
        Self::Templated,
        Self::Malformed,
        Self::ObjectNotInInput,
        Self::NodeUnknown,
        Self::MeshUnknown,
        Self::ExternalController,
        Self::MeasuredFactMissing,
        Self::LimitReached,
        Self::Alternatives,
        Self::Patched,
        Self::NotMeasured,
        Self::Unreadable,
        Self::LogTooShort,
        Self::NoRuntimeLog,
        Self::NoMemoryFiles,
        Self::UnfitRecording,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoBinary => "no-binary",
            Self::SeveralBinaries => "several-binaries",
            Self::NoImage => "no-image",
            Self::NoDockerfile => "no-dockerfile",
            Self::NoWorkload => "no-workload",
            Self::BaseImageUnknown => "base-image-unknown",
            Self::NotAGoBinary => "not-a-go-binary",
            Self::VersionUnknown => "version-unknown",
            Self::Obfuscated => "obfuscated",
            Self::Packed => "packed",
            Self::ArchUnsupported => "arch-unsupported",
            Self::StringsUnreadable => "strings-unreadable",
            Self::CodeUnclear => "code-unclear",
            Self::VolumeUnknown => "volume-unknown",
            Self::ValueFromSecret => "value-from-secret",
            Self::ValueFromField => "value-from-field",
            Self::Templated => "templated",
            Self::Malformed => "malformed",
            Self::ObjectNotInInput => "object-not-in-input",
            Self::NodeUnknown => "node-unknown",
            Self::MeshUnknown => "mesh-unknown",
            Self::ExternalController => "external-controller",
            Self::MeasuredFactMissing => "measured-fact-missing",
            Self::LimitReached => "limit-reached",
            Self::Alternatives => "alternatives",
            Self::Patched => "patched",
            Self::NotMeasured => "not-measured",
            Self::Unreadable => "unreadable",
            Self::LogTooShort => "log-too-short",
            Self::NoRuntimeLog => "no-runtime-log",
            Self::NoMemoryFiles => "no-memory-files",
            Self::UnfitRecording => "unfit-recording",
        }
    }

    /// What would let it be judged, as an instruction to the user.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::NoBinary => "give the program with --binary PATH or build it with --build",
            Self::SeveralBinaries => {
                "say which in provost.toml: [[service]] with container and binary; ambiguous-binding names them"
            }
            Self::NoImage => "the Dockerfile does not tell; give the built image with --image",
            Self::NoDockerfile => {
                "give the image with --image, or its Dockerfile with --dockerfile"
            }
            Self::NoWorkload => "give the manifests that run the program",
            Self::BaseImageUnknown => "what is in the base image is not known",
            Self::NotAGoBinary => "give the Go program with --binary PATH",
            Self::VersionUnknown => {
                "a newer provost knows newer versions; --go or --kubernetes names one"
            }
            Self::Obfuscated => "give a build that is not obfuscated",
            Self::Packed => "give the program before it is packed",
            Self::ArchUnsupported => "give a build for amd64 or arm64",
            Self::StringsUnreadable => "give a build whose sections are intact",
            Self::CodeUnclear => "the program decides it while it runs: try it and see",
            Self::VolumeUnknown => "what a volume holds is only known where it is mounted",
            Self::ValueFromSecret => "the value is in a Secret and is not read",
            Self::ValueFromField => "the value is only known on a node",
            Self::Templated => "render the template first",
            Self::Malformed => "mend the value: Kubernetes refuses it as it is",
            Self::ObjectNotInInput => "give the object, or say --closed-world",
            Self::NodeUnknown => "set [cluster] node_cpus or node_arch in provost.toml",
            Self::MeshUnknown => "set [cluster] mesh in provost.toml",
            Self::ExternalController => "give the controller's object",
            Self::MeasuredFactMissing => "set it in a [[service]] entry of provost.toml",
            Self::LimitReached => "raise the limit that the message names",
            Self::Alternatives => "give the folder, or the built kustomization, that is applied",
            Self::NotMeasured => "measure it: provost prove",
            Self::Unreadable => "a part of the input cannot be read; unparsable-input says which",
            Self::LogTooShort => "record for longer",
            Self::NoRuntimeLog => "give the log of the process, which ran with GODEBUG=gctrace=1",
            Self::NoMemoryFiles => {
                "give the kernel's log or the files of the cgroup; provost diagnose oom --collect gathers them"
            }
            Self::UnfitRecording => "record again: provost diagnose syscalls --how says how",
            Self::Patched => "kustomize changes it; give its folder with --kustomize DIR",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a rule ends without having judged. Rules return it with `?` from the fact they lack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Abstain {
    /// The rule has nothing to say here: no HPA in the input, a Job for a Service rule.
    NotApplicable,
    /// A needed fact is unknown.
    Unknown {
        /// Why.
        reason: Reason,
        /// Which fact, in a few words: `env GOMEMLIMIT`.
        needs: Cow<'static, str>,
    },
}

impl Abstain {
    /// A needed fact is unknown.
    pub fn unknown(reason: Reason, needs: impl Into<Cow<'static, str>>) -> Self {
        Self::Unknown { reason, needs: needs.into() }
    }
}

/// A rule that could not be judged, in a report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NotJudged {
    /// Rule id.
    pub rule: &'static str,
    /// `NS/KIND/NAME[/CONTAINER]` or a path; rules share it.
    pub subject: Arc<str>,
    /// Why.
    pub reason: Reason,
    /// Which fact. Most are said of thousands of subjects in the same words.
    pub needs: Cow<'static, str>,
}
