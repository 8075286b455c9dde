//! How much of a hostile input is looked at.

/// Bounds on the work and memory one input can cause.
///
/// The defaults are several times what the largest programs of the field need (kube-apiserver and kubelet: 120 MB,
/// 130,000 functions, 350 modules), so that reaching one is itself worth a problem. A limit that was hit is always
/// reported, because absence proofs do not hold behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// ELF section and program headers, each.
    pub headers: usize,
    /// Entries of the dynamic section, of version tables and of note sections, each.
    pub dynamic_entries: usize,
    /// Relocations looked at to undo a position-independent link.
    pub relocations: usize,
    /// Bytes of build information (version and module text together).
    pub buildinfo_bytes: usize,
    /// Lines of build information that become dependencies or settings.
    pub buildinfo_lines: usize,
    /// Bytes searched for a magic number where no section names its place.
    pub search_bytes: usize,
    /// Functions of a function table.
    pub functions: usize,
    /// Files of a function table.
    pub files: usize,
    /// Bytes of one name: function, file, section, library.
    pub name_bytes: usize,
    /// Bytes of one Go string.
    pub string_bytes: usize,
    /// Go strings of a binary.
    pub strings: usize,
    /// Problems kept; further ones are counted by one closing problem.
    pub problems: usize,
}

impl Limits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        headers: 65_535,
        dynamic_entries: 4096,
        relocations: 16_000_000,
        buildinfo_bytes: 16 << 20,
        buildinfo_lines: 100_000,
        search_bytes: 256 << 20,
        functions: 8_000_000,
        files: 4_000_000,
        // Generic instantiations carry their type arguments in the name; 4 KiB names are seen in practice.
        name_bytes: 64 << 10,
        string_bytes: 1 << 20,
        strings: 4_000_000,
        problems: 64,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
