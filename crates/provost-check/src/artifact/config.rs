//! `provost.toml`: what no artifact says by itself.
//!
//! Every problem is collected with its place; a key that is not known is never ignored, because a
//! misspelt `drian` would silently leave a rule unjudged.

mod read;
pub mod values;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::civil::Date;
use toml::de::{DeTable, DeValue};

use super::{Problem, ProblemKind};
use crate::facts::origin::{Fact, Origin, SourceId, Span};
use crate::facts::settings::{Service, Settings};
use crate::findings::Level;
use crate::findings::suppress::{EVERY_RULE, Scope, Suppression, Until};
use crate::model::names::nearest;
use crate::rules::known_as;
use read::{Reader, Value};

/// The name of the file.
pub const NAME: &str = "provost.toml";

/// What a file says.
#[derive(Debug)]
pub struct Loaded {
    /// Facts for rules.
    pub settings: Settings,
    /// `[rules]`: level by `rule` or `rule/variant`; `None` is off.
    pub levels: BTreeMap<String, Option<Level>>,
    /// Where each of them stands.
    pub level_places: BTreeMap<String, Origin>,
    /// `[[ignore]]`, in written order.
    pub ignores: Vec<Suppression>,
    /// What is wrong with it. A run with problems here should not judge: it would judge by
    /// settings that its author did not mean.
    pub problems: Vec<Problem>,
}

/// What stands above all tables, and the tables.
const ROOT: &[&str] =
    &["service", "cluster", "health", "budget", "target", "render", "rules", "ignore"];

/// Reads a file whose text is `source`; `date` is the day to judge at.
pub fn load(source: SourceId, text: &str, date: Date) -> Loaded {
    let mut loaded = Loaded {
        settings: Settings::at(date),
        levels: BTreeMap::new(),
        level_places: BTreeMap::new(),
        ignores: Vec::new(),
        problems: Vec::new(),
    };
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        loaded.problems = errors.iter().map(|error| syntax_problem(error, source)).collect();
        return loaded;
    }
    let mut reader = Reader::new(source);
    reader.table(
        root.get_ref(),
        NAME,
        |reader, key, value| {
            match key {
                "service" => reader.tables(value, "[[service]]", |reader, table| {
                    let service = service(reader, table);
                    loaded.settings.services.push(service);
                }),
                "cluster" => cluster(reader, value, &mut loaded.settings),
                "health" => health(reader, value, &mut loaded.settings),
                "budget" => budget(reader, value, &mut loaded.settings),
                "target" => target(reader, value, &mut loaded.settings),
                "render" => {
                    let render = reader.boolean(value);
                    loaded.settings.render = render.is_some_and(|fact| fact.value);
                }
                "rules" => rules(reader, value, &mut loaded),
                "ignore" => reader.tables(value, "[[ignore]]", |reader, table| {
                    loaded.ignores.extend(ignore(reader, table));
                }),
                _ => return false,
            }
            true
        },
        ROOT,
    );
    loaded.problems = reader.problems;
    // The tree is sorted by key; people read from the top.
    loaded.problems.sort_by(|a, b| a.origin.cmp(&b.origin));
    loaded
}

fn syntax_problem(error: &toml::de::Error, source: SourceId) -> Problem {
    let span = error.span().unwrap_or(0..0);
    Problem {
        kind: ProblemKind::Malformed,
        origin: Origin::text(source, Span::new(span.start, span.end)),
        message: error.message().to_owned(),
        help: None,
    }
}

const SERVICE: &[&str] = &[
    "name",
    "binary",
    "dockerfile",
    "image",
    "container",
    "drain",
    "flush",
    "lame_duck",
    "start_time",
    "non_heap_memory",
];

fn service(reader: &mut Reader, table: &Value<'_>) -> Service {
    let mut service = Service::default();
    reader.entries(
        table,
        "[[service]]",
        |reader, key, value| {
            match key {
                "name" => service.name = reader.string(value),
                "binary" => service.binary = reader.string(value),
                "dockerfile" => service.dockerfile = reader.string(value),
                "image" => service.image = reader.string(value),
                "container" => service.container = reader.container(value),
                "drain" => service.drain = reader.duration(value),
                "flush" => service.flush = reader.duration(value),
                "lame_duck" => service.lame_duck = reader.duration(value),
                "start_time" => service.start_time = reader.duration(value),
                "non_heap_memory" => service.non_heap_memory = reader.size(value),
                _ => return false,
            }
            true
        },
        SERVICE,
    );
    service
}

const CLUSTER: &[&str] = &[
    "kubernetes",
    "node_arch",
    "node_cpus",
    "goamd64",
    "cpu_manager",
    "cfs_quota",
    "pod_security",
    "mesh",
    "unprivileged_ports",
    "endpoint_propagation",
    "nodes",
    "exists",
];

fn cluster(reader: &mut Reader, value: &Value<'_>, settings: &mut Settings) {
    let cluster = &mut settings.cluster;
    reader.entries(
        value,
        "[cluster]",
        |reader, key, value| {
            match key {
                "kubernetes" => cluster.kubernetes = reader.kubernetes(value),
                "node_arch" => cluster.node_arch = reader.one_or_more(value, ARCHITECTURES),
                "node_cpus" => cluster.node_cpus = reader.count(value),
                "goamd64" => cluster.goamd64 = reader.goamd64(value),
                "cpu_manager" => {
                    let policy = reader.one_of(value, CPU_MANAGER);
                    cluster.static_cpu_manager = policy.is_some_and(|p| p.value == "static");
                }
                "cfs_quota" => cluster.cfs_quota = reader.boolean(value),
                "pod_security" => cluster.pod_security = reader.one_of(value, POD_SECURITY),
                "mesh" => cluster.mesh = reader.one_of(value, MESH),
                "unprivileged_ports" => cluster.unprivileged_ports = reader.boolean(value),
                "endpoint_propagation" => cluster.endpoint_propagation = reader.duration(value),
                "nodes" => cluster.nodes = reader.count(value),
                "exists" => cluster.exists = reader.existing(value),
                _ => return false,
            }
            true
        },
        CLUSTER,
    );
}

/// GOARCH values Kubernetes publishes a kubelet for.
const ARCHITECTURES: &[&str] = &["amd64", "arm64", "arm", "ppc64le", "s390x", "386", "riscv64"];

/// Policies of the kubelet's CPU manager.
const CPU_MANAGER: &[&str] = &["none", "static"];

/// Levels of Pod Security.
const POD_SECURITY: &[&str] = &["privileged", "baseline", "restricted"];

/// How pods are in the mesh.
const MESH: &[&str] = &["sidecar", "native-sidecar", "ambient", "none"];

/// Keys by the table they are written in.
const TABLES: &[(&str, &[&str])] = &[
    ("[[service]]", SERVICE),
    ("[cluster]", CLUSTER),
    ("[health]", HEALTH),
    ("[budget]", BUDGET),
    ("[target]", TARGET),
    ("[[ignore]]", IGNORE),
];

/// The words that a key may have, where they are few.
const WORDS: &[(&str, &[&str])] = &[
    ("cpu_manager", CPU_MANAGER),
    ("mesh", MESH),
    ("node_arch", ARCHITECTURES),
    ("pod_security", POD_SECURITY),
];

/// Where a key is written that a table does not know, and what it may say.
fn belongs(key: &str, table: &str) -> Option<String> {
    if ROOT.contains(&key) && table != NAME {
        let place = match TABLES.iter().find(|(name, _)| name.trim_matches(['[', ']']) == key) {
            Some((name, _)) => format!("it is a table of its own: {name}"),
            None => format!("`{key}` stands above all tables"),
        };
        return Some(place);
    }
    let (place, _) = TABLES.iter().find(|(name, keys)| *name != table && keys.contains(&key))?;
    let words = WORDS.iter().find(|(name, _)| *name == key);
    let words = words.map(|(_, words)| format!(", and is one of {}", read::quoted(words)));
    Some(format!("`{key}` belongs in {place}{}", words.unwrap_or_default()))
}

const HEALTH: &[&str] = &["endpoint_timeout"];

fn health(reader: &mut Reader, value: &Value<'_>, settings: &mut Settings) {
    reader.entries(
        value,
        "[health]",
        |reader, key, value| {
            match key {
                "endpoint_timeout" => settings.endpoint_timeout = reader.duration(value),
                _ => return false,
            }
            true
        },
        HEALTH,
    );
}

const BUDGET: &[&str] = &["binary_size", "image_size"];

fn budget(reader: &mut Reader, value: &Value<'_>, settings: &mut Settings) {
    reader.entries(
        value,
        "[budget]",
        |reader, key, value| {
            match key {
                "binary_size" => settings.binary_size_budget = reader.size(value),
                "image_size" => settings.image_size_budget = reader.size(value),
                _ => return false,
            }
            true
        },
        BUDGET,
    );
}

const TARGET: &[&str] = &["go"];

fn target(reader: &mut Reader, value: &Value<'_>, settings: &mut Settings) {
    reader.entries(
        value,
        "[target]",
        |reader, key, value| {
            match key {
                "go" => settings.target_go = reader.go_minor(value),
                _ => return false,
            }
            true
        },
        TARGET,
    );
}

/// `"id" = "deny"` or `"id" = { level = "deny" }`.
fn rules(reader: &mut Reader, value: &Value<'_>, loaded: &mut Loaded) {
    let mut set = |key: &str, level, place| {
        loaded.levels.insert(key.to_owned(), level);
        loaded.level_places.insert(key.to_owned(), place);
    };
    reader.each(value, "[rules]", |reader, key, span, value| {
        if let Err(error) = check_id(key) {
            reader.problem(span, error.message, error.help);
            return;
        }
        if let DeValue::Table(_) = value.get_ref() {
            reader.entries(
                value,
                &format!("the options of {key}"),
                |reader, option, value| {
                    if option != "level" {
                        return false;
                    }
                    if let Some(level) = reader.level(value) {
                        set(key, level, reader.origin(value.span()));
                    }
                    true
                },
                &["level"],
            );
        } else if let Some(level) = reader.level(value) {
            set(key, level, reader.origin(value.span()));
        }
    });
}

const IGNORE: &[&str] = &["rule", "rules", "path", "object", "namespace", "reason", "until"];

/// Rules that one entry names.
const MOST_RULES: usize = 1_000;

/// A suppression for each rule that an entry names: each of them can turn out to be needless.
fn ignore(reader: &mut Reader, table: &Value<'_>) -> Vec<Suppression> {
    let span = table.span();
    let mut rules: Vec<Fact<String>> = Vec::new();
    let (mut one, mut several) = (false, false);
    let (mut path, mut object, mut namespace) = (None, None, None);
    let (mut reason, mut until) = (None, None);
    let mut valid = true;
    reader.entries(
        table,
        "[[ignore]]",
        |reader, key, value| {
            match key {
                "rule" => {
                    one = true;
                    let id = reader.string(value);
                    valid &= id.is_some();
                    rules.extend(id);
                }
                "rules" => {
                    several = true;
                    let listed = reader.strings(value, "rules", MOST_RULES);
                    valid &= listed.is_some();
                    rules.extend(listed.unwrap_or_default());
                }
                "path" => path = reader.string(value),
                "object" => object = reader.string(value),
                "namespace" => namespace = reader.string(value),
                "reason" => reason = reader.string(value),
                "until" => {
                    until = reader.date(value);
                    valid &= until.is_some();
                }
                _ => return false,
            }
            true
        },
        IGNORE,
    );
    if !one && !several {
        let help = "write rule = \"id\", rules = [\"id\", \"id/variant\"], or rule = \"*\" with an \
                    object, a namespace or a path";
        reader.problem(span, "[[ignore]] names no rule".to_owned(), Some(help.to_owned()));
        return Vec::new();
    }
    if one && several {
        let help = "write all of them in rules = [\"id\", \"id/variant\"]".to_owned();
        reader.problem(span, "[[ignore]] has both rule and rules".to_owned(), Some(help));
        return Vec::new();
    }
    let everywhere = path.is_none() && object.is_none() && namespace.is_none();
    for rule in &rules {
        let place = rule.origin.span().map_or(span.clone(), Span::range);
        if rule.value == EVERY_RULE {
            if everywhere || several {
                let help = "write rule = \"*\" with an object, a namespace or a path".to_owned();
                let message = match everywhere {
                    true => "`*` would hide every finding of the run",
                    false => "`*` stands alone: it is every rule",
                };
                reader.problem(place, message.to_owned(), Some(help));
                valid = false;
            }
        } else if let Err(error) = check_id(&rule.value) {
            reader.problem(place, error.message, error.help);
            valid = false;
        }
    }
    if !valid {
        return Vec::new();
    }
    let value = |fact: &Option<Fact<String>>| fact.as_ref().map(|fact| fact.value.clone());
    let reason = reason.map(|r| r.value.trim().to_owned()).filter(|r| !r.is_empty());
    let until = until.map_or(Until::Always, Until::Day);
    let of_rule = |rule: Fact<String>| Suppression {
        rule: rule.value,
        reason: reason.clone(),
        until: until.clone(),
        scope: Scope::Where {
            path: value(&path),
            object: value(&object),
            namespace: value(&namespace),
        },
        origin: rule.origin,
    };
    rules.into_iter().map(of_rule).collect()
}

/// An id that names no rule or variant.
#[derive(Debug)]
pub struct UnknownId {
    /// What is unknown.
    pub message: String,
    /// What may have been meant.
    pub help: Option<String>,
}

/// Whether `rule` or `rule/variant` exists.
pub fn check_id(id: &str) -> Result<(), UnknownId> {
    let (rule_id, variant) = match id.split_once('/') {
        Some((rule, variant)) => (rule, Some(variant)),
        None => (id, None),
    };
    let Some(rule) = crate::rules::find(rule_id) else {
        let near = || {
            let ids = crate::rules::RULES.iter().map(|rule| rule.id);
            let near = nearest(rule_id, ids, 3).map(str::to_owned);
            let near = near.or_else(|| variant_named(rule_id)).or_else(|| shortened(rule_id));
            near.map(|near| format!("did you mean `{near}`?"))
        };
        let help = known_as::instead(id).or_else(near);
        let help = help.unwrap_or_else(|| "`provost explain` lists the rules".to_owned());
        return Err(UnknownId {
            message: format!("no rule is named `{rule_id}`"),
            help: Some(help),
        });
    };
    let Some(variant) = variant else { return Ok(()) };
    if rule.variants.iter().any(|v| v.name == variant) {
        return Ok(());
    }
    let names = rule.variants.iter().map(|v| v.name);
    let near = nearest(variant, names, 3);
    Err(UnknownId {
        message: format!("rule `{rule_id}` has no variant `{variant}`"),
        help: match near {
            Some(near) => Some(format!("did you mean `{rule_id}/{near}`?")),
            None => Some(format!("`provost explain {rule_id}` names its variants")),
        },
    })
}

/// The only rule whose id holds every word of a name: `gomemlimit-above-limit`.
fn shortened(name: &str) -> Option<String> {
    let holds = |id: &str| name.split('-').all(|word| id.split('-').any(|part| part == word));
    let mut rules = crate::rules::RULES.iter().filter(|rule| holds(rule.id));
    let only = rules.next()?;
    rules.next().is_none().then(|| only.id.to_owned())
}

/// The full id of a variant that was written without its rule.
fn variant_named(name: &str) -> Option<String> {
    crate::rules::RULES.iter().find_map(|rule| {
        rule.variants.iter().find(|v| v.name == name).map(|v| format!("{}/{}", rule.id, v.name))
    })
}
