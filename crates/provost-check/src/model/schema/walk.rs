//! An object held against the schema of its kind.

use super::{Field, Form, Leaf, Structure};
use crate::facts::document::{Node, ScalarKind, ScalarStyle};
use crate::model::secret::MASK;

/// Something that does not fit.
#[derive(Debug)]
pub struct Deviation<'d> {
    /// The key.
    pub key: Node<'d>,
    /// What stands under it.
    pub value: Node<'d>,
    /// The mapping it stands in.
    pub mapping: Node<'d>,
    /// What that mapping is.
    pub parent: &'static Structure,
    /// The mappings around that, the object first.
    pub above: Vec<&'static Structure>,
    /// What is wrong.
    pub what: What,
}

/// What does not fit.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// No release has the field.
    Unknown,
    /// The field is there, in some releases.
    Field(&'static Field),
    /// The value is of another type: what is wanted, and what is there.
    Type {
        /// `an integer`
        wanted: &'static str,
        /// `a string`
        found: &'static str,
    },
}

/// Every key and value of the object at `root` that does not fit. Fields that not all releases keep
/// are told too, so that the caller can compare them with the cluster's.
///
/// Left out are keys that steer the patches of kubectl and kustomize (`$patch`), merges, and the
/// `status`, which the API server writes itself.
pub fn deviations<'d>(root: Node<'d>, structure: &'static Structure) -> Vec<Deviation<'d>> {
    let mut walk = Walk { found: Vec::new(), above: Vec::new(), floor: 0 };
    walk.mapping(root, structure);
    walk.found
}

/// Deviations of one object that are told; a file of garbage has as many as lines.
const MOST: usize = 200;

/// A key and the mapping it stands in.
#[derive(Clone, Copy)]
struct Place<'d> {
    key: Node<'d>,
    mapping: Node<'d>,
    structure: &'static Structure,
}

struct Walk<'d> {
    found: Vec<Deviation<'d>>,
    above: Vec<&'static Structure>,
    /// The first minor that keeps the field we are inside of: what came with it needs no word of its
    /// own.
    floor: u8,
}

impl<'d> Walk<'d> {
    // The loader bounds how deep values are nested and what aliases expand to.
    fn mapping(&mut self, node: Node<'d>, structure: &'static Structure) {
        for (key, value) in node.entries() {
            let Some(name) = key.as_str() else { continue };
            let steers = name == "<<" || name.starts_with('$');
            let status = name == "status" && self.above.is_empty();
            if steers || status || self.found.len() >= MOST {
                continue;
            }
            let place = Place { key, mapping: node, structure };
            let Some(field) = structure.field(name) else {
                self.push(place, value, What::Unknown);
                continue;
            };
            let floor = self.floor;
            self.floor = floor.max(field.since).max(field.on);
            if self.floor > floor || field.until > 0 {
                self.push(place, value, What::Field(field));
            }
            // Null is the same as nothing, whatever is wanted.
            if !value.is_null() {
                self.field(place, value, field);
            }
            self.floor = floor;
        }
    }

    fn field(&mut self, at: Place<'d>, value: Node<'d>, field: &Field) {
        match field.form {
            Form::One => self.leaf(at, value, field),
            Form::List => self.list(at, value, field),
            Form::Map | Form::MapOfLists if !value.is_mapping() => {
                self.wrong(at, value, "a mapping");
            }
            Form::Map | Form::MapOfLists => {
                for (key, value) in value.entries().filter(|(_, value)| !value.is_null()) {
                    // What a merge brings is looked at where it is written.
                    if key.as_str() == Some("<<") {
                        continue;
                    }
                    let at = Place { key, ..at };
                    match field.form {
                        Form::MapOfLists => self.list(at, value, field),
                        _ => self.leaf(at, value, field),
                    }
                }
            }
        }
    }

    fn list(&mut self, at: Place<'d>, value: Node<'d>, field: &Field) {
        if !value.is_sequence() {
            return self.wrong(at, value, "a list");
        }
        for item in value.items().filter(|item| !item.is_null()) {
            self.leaf(at, item, field);
        }
    }

    fn leaf(&mut self, at: Place<'d>, value: Node<'d>, field: &Field) {
        if let Some(structure) = field.structure() {
            if !value.is_mapping() {
                return self.wrong(at, value, "a mapping");
            }
            self.above.push(at.structure);
            self.mapping(value, structure);
            self.above.pop();
            return;
        }
        let fits = match value.scalar_kind() {
            Some(kind) => fits(field.leaf, kind, value),
            None => field.leaf == Leaf::Any,
        };
        if !fits {
            self.wrong(at, value, wanted(field.leaf));
        }
    }

    fn wrong(&mut self, at: Place<'d>, value: Node<'d>, wanted: &'static str) {
        self.push(at, value, What::Type { wanted, found: kind_of(value) });
    }

    fn push(&mut self, at: Place<'d>, value: Node<'d>, what: What) {
        if self.found.len() < MOST {
            let Place { key, mapping, structure } = at;
            let above = self.above.clone();
            self.found.push(Deviation { key, value, mapping, parent: structure, above, what });
        }
    }
}

/// Whether Go's JSON decoder takes the scalar for that type, after sigs.k8s.io/yaml has made JSON
/// of the YAML: a whole float becomes an integer on the way.
fn fits(leaf: Leaf, kind: ScalarKind, value: Node<'_>) -> bool {
    let whole = |n: f64| n.fract() == 0.0 && n.abs() < 9.0e15;
    match (leaf, kind) {
        (Leaf::Any, _)
        | (Leaf::String | Leaf::Time | Leaf::IntOrString | Leaf::Quantity, ScalarKind::Str)
        | (Leaf::Bool, ScalarKind::Bool(_))
        | (Leaf::Int64 | Leaf::Number | Leaf::IntOrString, ScalarKind::Int(_))
        | (Leaf::Quantity, ScalarKind::Int(_) | ScalarKind::Float(_))
        | (Leaf::Number, ScalarKind::Float(_)) => true,
        (Leaf::Int32, ScalarKind::Int(n)) => i32::try_from(n).is_ok(),
        (Leaf::Int32, ScalarKind::Float(n)) => whole(n) && n.abs() <= f64::from(i32::MAX),
        (Leaf::Int64 | Leaf::IntOrString, ScalarKind::Float(n)) => whole(n),
        // The values of Secrets are hidden before anything looks at them.
        (Leaf::Base64, ScalarKind::Str) => {
            value.as_str().is_some_and(|text| text == MASK || is_base64(text))
        }
        // YAML 1.1 has dates of its own; the decoder makes text of them.
        _ => false,
    }
}

/// Standard base64 with padding, as `encoding/json` reads `[]byte`; line breaks are skipped.
fn is_base64(text: &str) -> bool {
    let mut length = 0usize;
    let mut padding = 0usize;
    for byte in text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')) {
        length += 1;
        match byte {
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => {}
            _ => return false,
        }
    }
    length.is_multiple_of(4) && padding <= 2
}

fn wanted(leaf: Leaf) -> &'static str {
    match leaf {
        Leaf::String | Leaf::Time => "a string",
        Leaf::Base64 => "base64",
        Leaf::Bool => "a boolean",
        Leaf::Int32 => "an integer of 32 bits",
        Leaf::Int64 => "an integer",
        Leaf::Number => "a number",
        Leaf::IntOrString => "an integer or a string",
        Leaf::Quantity => "a quantity",
        Leaf::Any => "anything",
        Leaf::Type(_) => "a mapping",
    }
}

fn kind_of(value: Node<'_>) -> &'static str {
    if value.is_mapping() {
        return "a mapping";
    }
    if value.is_sequence() {
        return "a list";
    }
    match value.scalar_kind() {
        Some(ScalarKind::Bool(_)) => "a boolean",
        Some(ScalarKind::Int(_)) => "an integer",
        Some(ScalarKind::Float(_)) => "a number with a fraction",
        Some(ScalarKind::Str) if value.scalar_style() != Some(ScalarStyle::Plain) => {
            "a quoted string"
        }
        _ => "a string",
    }
}
