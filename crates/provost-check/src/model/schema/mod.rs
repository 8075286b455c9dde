//! Which fields objects have: Kubernetes' own by release, and custom resources by the CRDs of the
//! projects they belong to.

mod custom;
mod pattern;
mod table;
#[cfg(test)]
mod tests;

/// A kind that the API server serves.
#[derive(Debug)]
pub struct Kind {
    /// `apps/v1`
    pub version: &'static str,
    /// `Deployment`
    pub kind: &'static str,
    /// Its place in the table of structures.
    structure: u16,
    /// The first minor that serves it; 0 when the oldest that was read does.
    pub since: u8,
    /// The first minor that does not any more; 0 when the newest that was read serves it.
    pub until: u8,
}

/// A mapping with known fields.
#[derive(Debug, PartialEq, Eq)]
pub struct Structure {
    /// `Container`; what a CRD has no name for is called by the key it stands under.
    pub name: &'static str,
    /// Sorted by name.
    pub fields: &'static [Field],
    /// Whether it is a CRD's, and none of Kubernetes' own.
    pub custom: bool,
    /// Whether keys that it does not know are kept (`x-kubernetes-preserve-unknown-fields`).
    pub open: bool,
}

/// A field of a [`Structure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// How often it holds its value.
    pub form: Form,
    /// What it holds.
    pub leaf: Leaf,
    /// The first minor with the field; 0 when the oldest that was read has it.
    pub since: u8,
    /// The first minor without it, of a CRD's field the place of that release in
    /// [`Custom::releases`]; 0 when the newest that was read has it.
    pub until: u8,
    /// The first minor whose API server keeps it without a feature gate being turned on; 0 when
    /// that of `since` does, 255 when none does so far.
    pub on: u8,
    /// Whether the published schema wants it.
    pub required: bool,
    /// How long its value may be, where a CRD says so: the published schema of Kubernetes' own kinds
    /// says it of none.
    pub sizes: Option<&'static Sizes>,
}

/// How long the value of a field may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Entries of the list, or keys of the mapping of names, that the field is.
    pub entries: Size,
    /// Characters of each text, or keys of each mapping, in it.
    pub each: Size,
}

/// From how many to how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// No fewer than these.
    pub least: u32,
    /// No more than these; `u32::MAX` is no limit.
    pub most: u32,
}

impl Default for Size {
    fn default() -> Self {
        Self { least: 0, most: u32::MAX }
    }
}

impl Size {
    /// Whether it is as many.
    pub fn has(self, count: usize) -> bool {
        u32::try_from(count).is_ok_and(|count| (self.least..=self.most).contains(&count))
            || (self.most == u32::MAX && count > u32::MAX as usize)
    }
}

/// How often a field holds its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Once.
    One,
    /// A list of them.
    List,
    /// Names and values.
    Map,
    /// Names and lists of values.
    MapOfLists,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// Text.
    String,
    /// Bytes as base64.
    Base64,
    /// `true` or `false`.
    Bool,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// Any number.
    Number,
    /// A whole number or text.
    IntOrString,
    /// `100m`, or a number.
    Quantity,
    /// An RFC 3339 time.
    Time,
    /// Anything.
    Any,
    /// A mapping, by its place in the table.
    Type(u16),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A text that matches.
    Matching(&'static Pattern),
    /// A whole number, or a text that matches.
    IntOrMatching(&'static Pattern),
    /// A whole number from the first to the last.
    Between(i64, i64),
    /// Any number from the first to the last.
    Within(i64, i64),
    /// One of these whole numbers.
    Among(&'static [i64]),
    /// A mapping of a CRD.
    Mapping(&'static Structure),
}

/// A field as the table writes it down.
const fn f(name: &'static str, form: Form, leaf: Leaf) -> Field {
    Field { name, form, leaf, since: 0, until: 0, on: 0, required: false, sizes: None }
}

/// A structure as the table writes it down.
const fn s(name: &'static str, fields: &'static [Field]) -> Structure {
    Structure { name, fields, custom: false, open: false }
}

impl Field {
    const fn since(mut self, minor: u8) -> Self {
        self.since = minor;
        self
    }

    const fn until(mut self, minor: u8) -> Self {
        self.until = minor;
        self
    }

    const fn on(mut self, minor: u8) -> Self {
        self.on = minor;
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The structure of its values, where they are mappings with known fields.
    pub fn structure(&self) -> Option<&'static Structure> {
        match self.leaf {
            Leaf::Type(number) => table::TYPES.get(usize::from(number)),
            Leaf::Mapping(structure) => Some(structure),
            _ => None,
        }
    }
}

impl Structure {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        let found = self.fields.binary_search_by(|field| field.name.cmp(name)).ok()?;
        self.fields.get(found)
    }
}

impl Kind {
    /// Its fields.
    pub fn structure(&self) -> Option<&'static Structure> {
        table::TYPES.get(usize::from(self.structure))
    }
}

pub use custom::{Custom, original};
pub use pattern::Pattern;

/// The oldest and the newest minor of Kubernetes 1 that the table knows.
pub const MINORS: (u16, u16) = table::MINORS;

/// What an API version and a kind are to Kubernetes itself.
#[derive(Clone, Copy, Debug)]
pub enum Known {
    /// A kind of Kubernetes.
    Kind(&'static Kind),
    /// The version is Kubernetes', and has no such kind.
    NoSuchKind,
    /// A kind of another project whose CRDs were read.
    Custom(&'static Custom),
    /// A version that no release which was read serves, or somebody else's.
    Elsewhere,
}

/// Looks a kind up.
pub fn find(version: &str, kind: &str) -> Known {
    let key = (version, kind);
    match table::KINDS.binary_search_by(|row| (row.version, row.kind).cmp(&key)) {
        Ok(found) => table::KINDS.get(found).map_or(Known::Elsewhere, Known::Kind),
        Err(at) => {
            let same = |at: usize| table::KINDS.get(at).is_some_and(|row| row.version == version);
            let served = same(at) || at.checked_sub(1).is_some_and(same);
            if served {
                return Known::NoSuchKind;
            }
            custom::find(version, kind).map_or(Known::Elsewhere, Known::Custom)
        }
    }
}

/// The fields of a kind, Kubernetes' own or of another project's CRD.
pub fn structure_of(version: &str, kind: &str) -> Option<&'static Structure> {
    match find(version, kind) {
        Known::Kind(found) => found.structure(),
        Known::Custom(custom) => Some(custom.structure),
        Known::NoSuchKind | Known::Elsewhere => None,
    }
}

/// The versions that have a kind of that name, the newest release's first.
pub fn versions_of(kind: &str) -> impl Iterator<Item = &'static Kind> {
    table::KINDS.iter().filter(move |row| row.kind == kind && row.until == 0)
}

/// Of a kind in a version that its project gave up: what has it since, and a custom resource of the project.
pub fn custom_given_up(version: &str, kind: &str) -> Option<(&'static str, &'static Custom)> {
    custom::given_up(version, kind)
}

/// The versions of other projects' CRDs that have a kind of that name, one of each group. Reads all of
/// their tables, which is for what is wrong anyway.
pub fn custom_versions_of(kind: &str) -> Vec<&'static str> {
    custom::versions_of(kind)
}

/// All kinds of a version.
pub fn kinds_of(version: &str) -> impl Iterator<Item = &'static str> {
    table::KINDS.iter().filter(move |row| row.version == version).map(|row| row.kind)
}

/// Whether a group is Kubernetes' own, and some release that was read serves it.
pub fn has_group(group: &str) -> bool {
    table::KINDS.iter().any(|row| group_of(row.version) == group)
}

/// The versions of a group of Kubernetes that have a kind of that name, whatever its case; those that
/// are neither alpha nor beta first.
pub fn kinds_like(kind: &str) -> Vec<&'static Kind> {
    let like = |row: &&Kind| row.until == 0 && row.kind.eq_ignore_ascii_case(kind);
    let mut rows: Vec<&Kind> = table::KINDS.iter().filter(like).collect();
    rows.sort_by_key(|row| row.version.contains("alpha") || row.version.contains("beta"));
    rows
}

/// The groups of Kubernetes with a resource of that name (`deployments`), each once and the one without a name first. Resources are
/// named after kinds by one rule (`UnsafeGuessKindToResource` of k8s.io/apimachinery).
pub fn groups_of(resource: &str) -> Vec<&'static str> {
    let mut groups: Vec<&str> = Vec::new();
    for row in table::KINDS {
        let group = group_of(row.version);
        if !groups.contains(&group) && is_resource_of(resource, row.kind) {
            groups.push(group);
        }
    }
    groups.sort_unstable();
    groups
}

/// The resource whose kind or singular somebody wrote instead: `pods` for `Pod` and `pod`.
pub fn resource_meant(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let kind =
        |row: &&Kind| row.kind.eq_ignore_ascii_case(text) || is_resource_of(&lower, row.kind);
    let row = table::KINDS.iter().filter(|row| !row.kind.ends_with("List")).find(kind)?;
    Some(resource_of(row.kind))
}

/// The group of a version: `apps` of `apps/v1`.
pub fn group_of(version: &str) -> &str {
    version.split_once('/').map_or("", |(group, _)| group)
}

fn is_resource_of(resource: &str, kind: &str) -> bool {
    // Compared without making a text of each of hundreds of kinds.
    let mut stem = kind.len();
    let lower = kind.as_bytes().last().copied().unwrap_or_default();
    let end = match (kind, lower) {
        ("Endpoints", _) => "",
        (_, b's') => "es",
        (_, b'y') => {
            stem -= 1;
            "ies"
        }
        _ => "s",
    };
    let Some(kind) = kind.get(..stem) else { return false };
    resource.strip_suffix(end).is_some_and(|rest| {
        rest.len() == kind.len()
            && rest.bytes().zip(kind.bytes()).all(|(r, k)| r == k.to_ascii_lowercase())
    })
}

fn resource_of(kind: &str) -> String {
    let lower = kind.to_ascii_lowercase();
    match lower.as_bytes().last() {
        _ if kind == "Endpoints" => lower,
        Some(b's') => lower + "es",
        Some(b'y') => format!("{}ies", lower.trim_end_matches('y')),
        _ => lower + "s",
    }
}
