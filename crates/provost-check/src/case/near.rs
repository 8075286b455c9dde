//! Workloads that a selector seems to mean although it does not match their pods.

use crate::facts::Object;
use crate::facts::objects::{Selector, StringMap};
use crate::model::names;

/// Why a workload seems to be meant although it is not selected.
#[derive(Debug, PartialEq)]
pub enum Near {
    /// Its own labels match, those of its pods do not.
    OnObjectOnly,
    /// One value is off by a letter or two.
    Value {
        /// The label.
        key: String,
        /// What the selector asks for.
        wanted: String,
        /// What the pods carry.
        found: String,
    },
}

impl Near {
    /// What is nearly right about the object for the selector.
    pub fn of(selector: &Selector, object: &Object) -> Option<Near> {
        let pod = &object.workload()?.pod.labels;
        if selector.matches(&object.meta.labels) && object.workload()?.workload_ref.is_none() {
            return Some(Near::OnObjectOnly);
        }
        off_by_one(selector, pod)
    }

    /// The label whose value is off.
    pub fn key(&self) -> Option<&str> {
        match self {
            Near::Value { key, .. } => Some(key),
            Near::OnObjectOnly => None,
        }
    }

    /// Why nothing is selected, after "since".
    pub fn told(&self) -> String {
        match self {
            Near::OnObjectOnly => {
                "the labels are on the object that makes the pods, and not on its template"
                    .to_owned()
            }
            Near::Value { key, wanted, found } => {
                format!("it asks for {key}={wanted} and the pods carry {key}={found}")
            }
        }
    }
}

/// Labels under which the name of an application is written, of which pods mostly have one.
const NAMES: &[&str] = &["app", "app.kubernetes.io/name", "k8s-app", "name"];

/// A selector that asks for the name of the application under another label than the pods have it under.
#[derive(Debug, PartialEq)]
pub struct OtherKey {
    /// The label that the selector asks for.
    pub wanted: String,
    /// The label that the pods carry.
    pub found: String,
    /// The value of both.
    pub value: String,
}

impl OtherKey {
    /// Whether the pods of an object have all that a selector asks for, the application's name but under another
    /// label.
    pub fn of(selector: &Selector, object: &Object) -> Option<Self> {
        if !selector.expressions.is_empty() {
            return None;
        }
        let pod = &object.workload()?.pod.labels;
        let value = |key: &str| pod.get(key).map(|fact| fact.value.as_str());
        let mut wrong = selector.labels.iter().filter(|(k, v)| value(k) != Some(*v));
        let (key, wanted) = wrong.next()?;
        if wrong.next().is_some() || value(key).is_some() || !NAMES.contains(&key) {
            return None;
        }
        let found = NAMES.iter().find(|name| value(name) == Some(wanted))?;
        // One that goes by another name, too, may be beside the one that is meant, as its exporter is.
        if NAMES.iter().any(|name| value(name).is_some_and(|of| of != wanted)) {
            return None;
        }
        Some(Self { wanted: key.to_owned(), found: (*found).to_owned(), value: wanted.to_owned() })
    }
}

fn off_by_one(selector: &Selector, labels: &StringMap) -> Option<Near> {
    let value = |key: &str| labels.get(key).map(|fact| fact.value.as_str());
    let mut wrong = selector.labels.iter().filter(|(k, v)| value(k) != Some(*v));
    let (key, wanted) = wrong.next()?;
    if wrong.next().is_some() {
        return None;
    }
    let found = value(key)?;
    names::is_slip(wanted, found).then(|| Near::Value {
        key: key.to_owned(),
        wanted: wanted.to_owned(),
        found: found.to_owned(),
    })
}
