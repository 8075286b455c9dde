//! The effective environment of a container.
//!
//! Order of the kubelet (pkg/kubelet/kubelet_pods.go, makeEnvironmentVariables, 1.37): image ENV is
//! lowest, then `envFrom` in order, then `env` in order, the last one winning; `$(NAME)` in an
//! `env` value is expanded with what is known at that point.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::resources::Supplied;
use super::{Case, ObjectId, World};
use crate::facts::objects::{ConfigMap, Object};
use crate::facts::workload::{ByteAmount, CpuAmount, EnvFrom, EnvValue, EnvVar, KeyRef};
use crate::facts::{Body, Fact, Origin};
use crate::findings::{Abstain, Reason};
use crate::model;
use crate::model::env::Found;
use crate::model::quantity::Quantity;

/// Who sets a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvSource {
    /// `env` or `envFrom` of the container.
    Manifest,
    /// ENV of the image.
    Image,
}

/// A variable that is set.
#[derive(Clone, Debug)]
pub struct Variable {
    /// The value after expansion, or why it cannot be known.
    pub value: Result<String, Abstain>,
    /// Where the value stands.
    pub origin: Origin,
    /// Where the reader of a manifest would look: the `env` entry, the ENV line.
    pub entry: Origin,
    /// Who sets it.
    pub source: EnvSource,
    /// From a `resourceFieldRef`, the resource and divisor.
    pub resource: Option<(Fact<String>, Option<Fact<String>>)>,
}

/// What is known of one variable.
#[derive(Clone, Debug)]
pub enum Lookup<'e> {
    /// Set.
    Set(&'e Variable),
    /// Certainly not set.
    Unset,
    /// A source that is not in the input may set it.
    Unknown(Abstain),
}

/// All variables of a container.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, Variable>,
    /// Why variables may be set that are not listed.
    open: Option<Abstain>,
    /// Bytes that were set so far.
    bytes: usize,
}

/// The kernel starts no program with more than 6 MiB of arguments and environment (fs/exec.c,
/// bprm_set_stack_limits: three quarters of `_STK_LIM`). A manifest can name the same ConfigMap
/// thousands of times.
const MOST_BYTES: usize = 6 << 20;

impl Environment {
    /// Sets a variable, unless there are too many: then nothing is known of any.
    fn set(&mut self, name: String, variable: Variable) {
        let value = variable.value.as_ref().map_or(0, String::len);
        // Entries cost something too, however short their names.
        self.bytes = self.bytes.saturating_add(name.len() + value + 2);
        if self.is_full() {
            let what = "an environment above 6 MiB";
            self.open = Some(Abstain::unknown(Reason::LimitReached, what));
            self.variables.clear();
        } else {
            self.variables.insert(name, variable);
        }
    }

    fn is_full(&self) -> bool {
        self.bytes > MOST_BYTES
    }

    /// What is known of a variable.
    pub fn lookup(&self, name: &str) -> Lookup<'_> {
        match (self.variables.get(name), &self.open) {
            (Some(variable), _) => Lookup::Set(variable),
            (None, Some(abstain)) => Lookup::Unknown(abstain.clone()),
            (None, None) => Lookup::Unset,
        }
    }

    /// The variable when it is set; `None` when it certainly is not; else why that is unknown.
    pub fn get(&self, name: &str) -> Result<Option<&Variable>, Abstain> {
        match self.lookup(name) {
            Lookup::Set(variable) => Ok(Some(variable)),
            Lookup::Unset => Ok(None),
            Lookup::Unknown(abstain) => Err(abstain),
        }
    }

    /// The variable's value as a fact, when it is set to a known value; `None` when it certainly
    /// is not set.
    pub fn literal(&self, name: &str) -> Result<Option<Fact<String>>, Abstain> {
        match self.get(name)? {
            Some(variable) => {
                let value = variable.value.clone()?;
                Ok(Some(Fact::written(value, variable.origin.clone())))
            }
            None => Ok(None),
        }
    }

    /// Every variable that is known to be set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Variable)> {
        self.variables.iter().map(|(name, variable)| (name.as_str(), variable))
    }

    /// Why variables may be set that are not listed: an `envFrom` that is not in the input.
    pub fn open(&self) -> Option<&Abstain> {
        self.open.as_ref()
    }
}

/// Environments by container, so that the dozen rules that ask for one compose it once.
#[derive(Debug)]
pub(super) struct Composed {
    /// By object, the place of its first container in `slots`; one more for the end.
    first: Vec<usize>,
    slots: Vec<Mutex<Option<Arc<Environment>>>>,
    /// Bytes that are kept, about.
    kept: AtomicUsize,
}

/// Bytes of environments that are kept. A pod may name a large ConfigMap in each of thousands of
/// containers; those beyond this are composed anew whenever a rule asks.
const MOST_KEPT: usize = 64 << 20;

/// Bytes that a variable takes besides its name and value, about.
const PER_VARIABLE: usize = 256;

impl Composed {
    pub(super) fn new(world: &World) -> Self {
        let mut first = vec![0];
        let mut count = 0;
        for object in &world.objects {
            count += object.workload().map_or(0, |workload| workload.pod.containers.len());
            first.push(count);
        }
        let slots = std::iter::repeat_with(Mutex::default).take(count).collect();
        Self { first, slots, kept: AtomicUsize::new(0) }
    }

    fn slot(
        &self,
        object: ObjectId,
        container: usize,
    ) -> Option<MutexGuard<'_, Option<Arc<Environment>>>> {
        let slot = self.slots.get(self.first.get(object)? + container)?;
        // What another thread left behind when it panicked is still an environment.
        Some(slot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn get(
        &self,
        object: ObjectId,
        container: usize,
        compose: impl FnOnce() -> Environment,
    ) -> Arc<Environment> {
        let known = self.slot(object, container).and_then(|slot| slot.clone());
        if let Some(known) = known {
            return known;
        }
        let composed = Arc::new(compose());
        let bytes = composed.cost();
        if self.kept.load(Ordering::Relaxed) < MOST_KEPT
            && let Some(mut slot) = self.slot(object, container)
            && slot.replace(Arc::clone(&composed)).is_none()
        {
            self.kept.fetch_add(bytes, Ordering::Relaxed);
        }
        composed
    }

    /// Lets go of an object's environments: its rules have run, and others seldom ask.
    pub(super) fn forget(&self, object: ObjectId) {
        let Some([start, end]) = self.first.get(object..object + 2) else { return };
        for container in 0..end - start {
            let held = self.slot(object, container).and_then(|mut slot| slot.take());
            if let Some(held) = held {
                self.kept.fetch_sub(held.cost(), Ordering::Relaxed);
            }
        }
    }
}

impl Environment {
    /// Bytes it takes, about.
    fn cost(&self) -> usize {
        self.bytes + self.variables.len() * PER_VARIABLE
    }
}

impl<'w> Case<'w> {
    /// The effective environment.
    pub fn environment(&self) -> Arc<Environment> {
        let composed = &self.of.joined.environments;
        composed.get(self.of.id, self.index, || self.compose_environment())
    }

    fn compose_environment(&self) -> Environment {
        let mut env = Environment::default();
        self.add_image(&mut env);
        for from in &self.container.env_from {
            if env.is_full() {
                return env;
            }
            self.add_env_from(&mut env, from);
        }
        for variable in &self.container.env {
            if env.is_full() {
                return env;
            }
            let set = self.resolve(variable, &env);
            env.set(variable.name.value.clone(), set);
        }
        // What a patch puts in beside it.
        if let Err(patched) = self.of.pod_unpatched(&["containers/env", "containers/envFrom"]) {
            env.open.get_or_insert(patched);
        }
        env
    }

    /// ENV of the image. Only what the Dockerfile says is known; a base image may add names of its
    /// own, none of which are Go's runtime variables, so this leaves the set closed.
    fn add_image(&self, env: &mut Environment) {
        let Ok(build) = self.image() else { return };
        for (name, value) in &build.config().env {
            env.set(
                name.value.clone(),
                Variable {
                    value: Ok(value.value.clone()),
                    origin: value.origin.clone(),
                    entry: name.origin.clone(),
                    source: EnvSource::Image,
                    resource: None,
                },
            );
        }
    }

    fn add_env_from(&self, env: &mut Environment, from: &EnvFrom) {
        let kind = if from.secret { "Secret" } else { "ConfigMap" };
        let object = match self.named_object(kind, &from.name.value) {
            Ok(Some(object)) => object,
            Err(unknown) if !from.secret => {
                env.open = Some(unknown);
                return;
            }
            _ => {
                if !from.optional || env.open.is_none() {
                    env.open = Some(Abstain::unknown(
                        if from.secret {
                            Reason::ValueFromSecret
                        } else {
                            Reason::ObjectNotInInput
                        },
                        format!("{kind} {} (envFrom)", from.name.value),
                    ));
                }
                return;
            }
        };
        let mut set = |key: &str, value: Result<String, Abstain>, origin: &Origin| {
            env.set(
                format!("{}{key}", from.prefix),
                Variable {
                    value,
                    origin: origin.clone(),
                    entry: from.origin.clone(),
                    source: EnvSource::Manifest,
                    resource: None,
                },
            );
        };
        let joined = self.of.joined;
        match &object.body {
            Body::ConfigMap(map) => {
                for (key, value) in &map.data.0 {
                    let field = format!("data/{}", key.value);
                    let own =
                        joined.unpatched(object, &[field.as_str()]).map(|()| value.value.clone());
                    set(&key.value, own, &value.origin);
                }
            }
            Body::Secret(secret) => {
                for key in &secret.keys {
                    let unknown = Abstain::unknown(Reason::ValueFromSecret, key.value.clone());
                    set(&key.value, Err(unknown), &key.origin);
                }
            }
            _ => {}
        }
        if let Err(unknown) = joined.keys_are_known(object) {
            env.open = Some(unknown);
        }
    }

    /// Whether an `envFrom` source that is in the input has a key.
    pub fn env_from_has(&self, from: &EnvFrom, key: &str) -> bool {
        let kind = if from.secret { "Secret" } else { "ConfigMap" };
        match self.named_object(kind, &from.name.value).ok().flatten().map(|it| &it.body) {
            Some(Body::ConfigMap(map)) => map.data.get(key).is_some(),
            Some(Body::Secret(secret)) => secret.has(key),
            _ => false,
        }
    }

    /// A ConfigMap that the container names, when it is in the input and all of it is known.
    pub fn config_map(&self, name: &str) -> Option<&'w ConfigMap> {
        let object = self.named_object("ConfigMap", name).ok().flatten()?;
        let known = self.of.joined.keys_are_known(object).is_ok();
        match &object.body {
            Body::ConfigMap(map) if known => Some(map),
            _ => None,
        }
    }

    /// What an `envFrom` takes its variables from; unknown when several are equally near.
    pub fn named_object(&self, kind: &str, name: &str) -> Result<Option<&'w Object>, Abstain> {
        let (joined, from) = (self.of.joined, self.of.object);
        let found = joined.named(from, &from.meta.namespace.value, kind, name)?;
        Ok(found.filter(|object| object.generated.is_none() || joined.together(from, object)))
    }

    fn resolve(&self, variable: &EnvVar, so_far: &Environment) -> Variable {
        let mut origin = variable.origin.clone();
        let mut resource_field = None;
        let value = match &variable.value {
            EnvValue::Literal(text) => {
                origin = text.origin.clone();
                expand(&text.value, so_far)
            }
            EnvValue::Field(path) => {
                origin = path.origin.clone();
                self.field(path).map(|fact| {
                    origin = fact.origin.clone();
                    fact.value.clone()
                })
            }
            EnvValue::Resource { resource, divisor, container } => {
                origin = resource.origin.clone();
                resource_field = Some((resource.clone(), divisor.clone()));
                self.resource_value(
                    &resource.value,
                    divisor.as_ref().map(|it| it.value.as_str()),
                    container.as_ref().map(|it| it.value.as_str()),
                )
            }
            EnvValue::ConfigMapKey(key) => self.config_map_key(key, &mut origin),
            EnvValue::SecretKey(key) => Err(Abstain::unknown(
                Reason::ValueFromSecret,
                format!("key {} of Secret {}", key.key.value, key.name.value),
            )),
            EnvValue::Other(what) => Err(Abstain::unknown(
                Reason::ValueFromField,
                format!("{} from {}", variable.name.value, what.value),
            )),
        };
        Variable {
            value,
            origin,
            entry: variable.origin.clone(),
            source: EnvSource::Manifest,
            resource: resource_field,
        }
    }

    fn config_map_key(&self, key: &KeyRef, origin: &mut Origin) -> Result<String, Abstain> {
        let object = self.named_object("ConfigMap", &key.name.value)?;
        match object.map(|object| (object, &object.body)) {
            Some((object, Body::ConfigMap(map))) => match map.data.get(&key.key.value) {
                Some(value) => {
                    let field = format!("data/{}", key.key.value);
                    self.of.joined.unpatched(object, &[field.as_str()])?;
                    *origin = value.origin.clone();
                    Ok(value.value.clone())
                }
                None => Err(Abstain::unknown(
                    Reason::ObjectNotInInput,
                    format!("key {} of ConfigMap {}", key.key.value, key.name.value),
                )),
            },
            _ => Err(Abstain::unknown(
                Reason::ObjectNotInInput,
                format!("ConfigMap {}", key.name.value),
            )),
        }
    }

    /// `fieldRef`: annotations and labels of the template are known, the rest is only on a node.
    fn field(&self, path: &Fact<String>) -> Result<&'w Fact<String>, Abstain> {
        let pod = self.pod();
        let keyed =
            |prefix: &str| path.value.strip_prefix(prefix)?.strip_prefix("['")?.strip_suffix("']");
        let found = if let Some(key) = keyed("metadata.annotations") {
            pod.annotations.get(key)
        } else if let Some(key) = keyed("metadata.labels") {
            pod.labels.get(key)
        } else if path.value == "metadata.namespace" {
            Some(&self.of.object.meta.namespace)
        } else if path.value == "spec.serviceAccountName" {
            Some(&pod.service_account)
        } else {
            None
        };
        found.ok_or_else(|| Abstain::unknown(Reason::ValueFromField, path.value.clone()))
    }

    /// `resourceFieldRef`: the amount over the divisor, rounded up, as a bare number
    /// (pkg/api/v1/resource/helpers.go, ExtractContainerResourceValue).
    ///
    /// # Errors
    /// When it is the node's, or not known.
    pub fn resource_value(
        &self,
        resource: &str,
        divisor: Option<&str>,
        container: Option<&str>,
    ) -> Result<String, Abstain> {
        let container = match container {
            Some(name) => self.pod().container_named(name),
            None => Some(self.container),
        };
        let unknown = || Abstain::unknown(Reason::NodeUnknown, resource.to_owned());
        let container = container.ok_or_else(unknown)?;
        let requests = container.resources.effective_requests();
        let limits = &container.resources.limits;
        let divisor = match divisor {
            Some(text) => Some(Quantity::parse(text).map_err(|_| unknown())?),
            None => None,
        };
        // What a pod as a whole may use the kubelet takes before what its node has.
        let whole = self.pod().resources.is_some();
        let supplied = |what, resource| match whole {
            true => Err(unknown()),
            false => Ok(self.of.supplied(what, resource)?.ok_or_else(unknown)?.value),
        };
        let cpu = |cpu: Option<&CpuAmount>, what| {
            let amount = match cpu {
                Some(cpu) => cpu.amount.ok_or_else(unknown)?,
                None => supplied(what, "cpu")?.millicores(),
            };
            Ok(model::gomaxprocs::resource_field(amount, divisor).to_string())
        };
        let memory = |memory: Option<&ByteAmount>, what| {
            let amount = match memory {
                Some(memory) => memory.amount.ok_or_else(unknown)?,
                None => supplied(what, "memory")?.bytes(),
            };
            Ok(model::memlimit::resource_field(amount, divisor).to_string())
        };
        match resource {
            "limits.cpu" => cpu(limits.cpu.as_ref(), Supplied::Limit),
            "requests.cpu" => cpu(requests.cpu.as_ref(), Supplied::Request),
            "limits.memory" => memory(limits.memory.as_ref(), Supplied::Limit),
            "requests.memory" => memory(requests.memory.as_ref(), Supplied::Request),
            _ => Err(unknown()),
        }
    }
}

/// Expands `$(NAME)` with what is set so far. Image ENV is not visible to the kubelet.
fn expand(text: &str, so_far: &Environment) -> Result<String, Abstain> {
    if !text.contains("$(") {
        return Ok(text.to_owned());
    }
    let mut unknown = None;
    let expansion = model::env::expand(text, |name| match so_far.lookup(name) {
        Lookup::Set(v) if v.source == EnvSource::Image => Found::Nothing,
        Lookup::Set(v) => match &v.value {
            Ok(value) => Found::Value(value),
            Err(abstain) => {
                unknown = Some(abstain.clone());
                Found::Hidden
            }
        },
        Lookup::Unset => Found::Nothing,
        Lookup::Unknown(abstain) => {
            unknown = Some(abstain);
            Found::Maybe
        }
    });
    match (unknown, expansion.text) {
        (Some(abstain), _) => Err(abstain),
        (None, Some(text)) => Ok(text),
        // Values that repeat one another grow without bound; the kernel refuses them long before.
        (None, None) => {
            Err(Abstain::unknown(Reason::LimitReached, "an environment value above 128 KiB"))
        }
    }
}
