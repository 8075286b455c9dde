//! Pods that a ResourceQuota of their namespace does not let be made.
//!
//! Source: `Constraints`, `enforcePodContainerConstraints`, `podComputeUsageHelper` and `PodUsageFunc` in
//! pkg/quota/v1/evaluator/core/pods.go of Kubernetes v1.37.2, and `CheckRequest` in
//! k8s.io/apiserver/pkg/admission/plugin/resourcequota, which comes behind the LimitRanges.

use std::cell::{Cell, OnceCell};

use super::limit_range::{self, Defaults, display};
use super::{RULE, items, text};
use crate::case::{ObjectCase, WorkloadCase};
use crate::facts::document::Node;
use crate::facts::workload::WorkloadKind;
use crate::facts::{Object, Origin};
use crate::findings::{Abstain, Finding, Fix, Reason};
use crate::model::pdb::Replicas;
use crate::model::quantity::Quantity;
use crate::rules::rule::Findings;

/// Containers of one pod, and resources of one quota, that are looked at.
const CONTAINERS: usize = 256;
const RESOURCES: usize = 64;

/// Looks at containers for all quotas that one object is held against.
const MOST: usize = 1024;

/// Names of a quota, the resource of containers and whether the limit counts (`podComputeUsageHelper`). Of
/// cpu and memory each container must have the amount (`validationSet`).
const COUNTED: &[(&str, &str, bool)] = &[
    ("cpu", "cpu", false),
    ("requests.cpu", "cpu", false),
    ("limits.cpu", "cpu", true),
    ("memory", "memory", false),
    ("requests.memory", "memory", false),
    ("limits.memory", "memory", true),
    ("ephemeral-storage", "ephemeral-storage", false),
    ("requests.ephemeral-storage", "ephemeral-storage", false),
    ("limits.ephemeral-storage", "ephemeral-storage", true),
];

pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) {
    let Some(workload) = case.joined.workload(case.id) else { return };
    let mut quotas = case.joined.resource_quotas(case.object).peekable();
    if quotas.peek().is_none() || workload.workload.kind == WorkloadKind::Other {
        return;
    }
    let spec = case.object.document.node(workload.pod().spec);
    let Some((key, _)) = spec.get_entry("containers") else { return };
    let fields = ["containers/resources", "initContainers/resources", "resources", "containers"];
    if let Err(patched) = workload.pod_unpatched(&fields) {
        out.abstain(patched);
        return;
    }
    let in_pod =
        items(spec, "containers").chain(items(spec, "initContainers")).take(CONTAINERS).count();
    let judge = Judge {
        case,
        workload,
        spec,
        place: key,
        defaults: Defaults::of_pods(workload),
        in_pod: in_pod.max(1),
        left: Cell::new(MOST),
        pods: OnceCell::new(),
    };
    for quota in quotas {
        match applies(case, quota, spec) {
            Ok(true) => judge.quota(quota, out),
            Ok(false) => {}
            Err(unknown) => out.abstain(unknown),
        }
    }
    if judge.left.get() == 0 {
        let what = format!("more than {MOST} amounts against ResourceQuotas");
        out.abstain(Abstain::unknown(Reason::LimitReached, what));
    }
}

/// Whether the quota counts the pods; unknown where that depends on what is not known of them.
fn applies(case: &ObjectCase<'_>, quota: &Object, spec: Node<'_>) -> Result<bool, Abstain> {
    let joined = case.joined;
    let Some(of_quota) = quota.node().get("spec") else { return Ok(false) };
    let hard = of_quota.get("hard").into_iter().flat_map(Node::entries).take(RESOURCES);
    let counts = |name: &str| name == "pods" || COUNTED.iter().any(|(known, ..)| *known == name);
    let any = hard.filter_map(|(key, _)| key.as_str()).any(counts);
    if !any || !joined.may_be_together(case.object, quota) {
        return Ok(false);
    }
    let listed = of_quota.get("scopes").into_iter().flat_map(Node::items).filter_map(Node::as_str);
    let selector = of_quota.get("scopeSelector").into_iter();
    let selected = selector.flat_map(|selector| items(selector, "matchExpressions"));
    let selected = selected.filter_map(|it| Some(text(it, "scopeName")?.0));
    for scope in listed.chain(selected).take(RESOURCES) {
        // `IsTerminating`: of the pod, which a Job's own deadline is not.
        let ends = spec.get("activeDeadlineSeconds").is_some();
        match scope {
            "Terminating" if !ends => return Ok(false),
            "NotTerminating" if ends => return Ok(false),
            "Terminating" | "NotTerminating" => {}
            _ => {
                let what = format!("whether scope {scope} of {} has the pods", quota.subject());
                return Err(Abstain::unknown(Reason::ExternalController, what));
            }
        }
    }
    if !joined.together(case.object, quota) {
        let what = format!("whether {} is applied with it", quota.subject());
        return Err(Abstain::unknown(Reason::Alternatives, what));
    }
    joined.unpatched(quota, &["spec"])?;
    Ok(true)
}

struct Judge<'c, 'w> {
    case: &'c ObjectCase<'w>,
    workload: WorkloadCase<'w>,
    spec: Node<'w>,
    /// The key of the containers.
    place: Node<'w>,
    defaults: Defaults<'w>,
    /// How many containers the pod has.
    in_pod: usize,
    /// Containers that are looked at yet.
    left: Cell<usize>,
    /// See [`Judge::pods`].
    pods: OnceCell<Result<Option<(u32, Origin)>, Abstain>>,
}

impl<'w> Judge<'_, 'w> {
    fn quota(&self, quota: &'w Object, out: &mut Findings) {
        let hard = quota.node().at(&["spec", "hard"]);
        let mut seen: Vec<(&str, bool)> = Vec::new();
        for (key, most) in hard.into_iter().flat_map(Node::entries).take(RESOURCES) {
            let Some(name) = key.as_str() else { continue };
            if name == "pods" {
                self.number(key, most, out);
                continue;
            }
            let Some((_, resource, limit)) = COUNTED.iter().find(|(known, ..)| *known == name)
            else {
                continue;
            };
            // `cpu` and `requests.cpu` are the same.
            if seen.contains(&(resource, *limit)) {
                continue;
            }
            seen.push((resource, *limit));
            if self.left.get() == 0 {
                return;
            }
            self.left.set(self.left.get().saturating_sub(self.in_pod));
            let named = Named { name, resource, limit: *limit, key, most };
            if let Err(unknown) = self.named(&named, out) {
                out.abstain(unknown);
            }
        }
    }

    fn named(&self, named: &Named<'w>, out: &mut Findings) -> Result<(), Abstain> {
        let Named { resource, limit, .. } = *named;
        let whole = self.spec.get("resources");
        // With resources of the pod as a whole containers need none (`IsPodLevelResourcesSet`), where that gate is on.
        if whole.is_none() && matches!(resource, "cpu" | "memory") {
            let all = items(self.spec, "containers").chain(items(self.spec, "initContainers"));
            for container in all.take(CONTAINERS) {
                let asked = limit_range::of_container(&self.defaults, container, resource)?.asked;
                if if limit { asked.limit } else { asked.request }.is_none() {
                    out.push(self.lacking(named, container));
                    return Ok(());
                }
            }
        }
        let amounts = limit_range::of_pod(self.case, &self.defaults, self.spec, resource)?;
        let asked = if limit { amounts.asked.limit } else { amounts.asked.request };
        let (Some(asked), Some(text)) = (asked, named.most.as_str()) else { return Ok(()) };
        let Ok(most) = Quantity::parse(text) else { return Ok(()) };
        let of_pod = if limit { amounts.limit } else { amounts.request };
        let place = of_pod.or_else(|| self.written(resource, limit)).unwrap_or(self.place);
        if asked > most {
            let message = format!(
                "each pod asks for {} of {}, and the ResourceQuota of the namespace has {text}: no pod is \
                 made, `exceeded quota`",
                display(resource, asked),
                named.name,
            );
            out.push(self.exceeded(message, &place.origin(), named.key));
            return Ok(());
        }
        let Some((pods, from)) = self.pods()? else { return Ok(()) };
        let sum = (1..pods.min(PODS)).fold(asked, |sum, _| sum.plus(asked));
        if sum > most {
            let message = format!(
                "{pods} pods ask for {} of {} each, and the ResourceQuota of the namespace has {text}: the \
                 last of them are not made, `exceeded quota`",
                display(resource, asked),
                named.name,
            );
            out.push(self.exceeded(message, &place.origin(), named.key).also(&from, "the pods"));
        }
        Ok(())
    }

    /// Where the first container asks for it.
    fn written(&self, resource: &str, limit: bool) -> Option<Node<'w>> {
        let lists: &[&str] = if limit { &["limits"] } else { &["requests", "limits"] };
        let all = || items(self.spec, "containers").chain(items(self.spec, "initContainers"));
        lists.iter().find_map(|list| {
            all().take(CONTAINERS).find_map(|it| it.at(&["resources", list, resource]))
        })
    }

    /// The number of pods itself.
    fn number(&self, key: Node<'w>, most: Node<'w>, out: &mut Findings) {
        let (pods, from) = match self.pods() {
            Ok(Some(known)) => known,
            Ok(None) => return,
            Err(unknown) => return out.abstain(unknown),
        };
        let Some(text) = most.as_str() else { return };
        let Ok(allowed) = Quantity::parse(text) else { return };
        if u64::from(pods) > allowed.units() {
            let message = format!(
                "there are at least {pods} pods, and the ResourceQuota of the namespace has {text}: the \
                 others are not made, `exceeded quota`"
            );
            out.push(self.exceeded(message, &from, key));
        }
    }

    /// The fewest pods there are at a time and where that is written; none for kinds without replicas.
    fn pods(&self) -> Result<Option<(u32, Origin)>, Abstain> {
        self.pods.get_or_init(|| self.find_pods()).clone()
    }

    fn find_pods(&self) -> Result<Option<(u32, Origin)>, Abstain> {
        let pods = match self.workload.scale() {
            Ok(Replicas::Fixed(pods)) => pods,
            Ok(Replicas::Scaled { min, .. }) => min,
            Err(Abstain::NotApplicable) => return Ok(None),
            Err(unknown) => return Err(unknown),
        };
        Ok(self.workload.scale_evidence().map(|(place, _)| (pods, place)))
    }

    fn lacking(&self, named: &Named<'w>, container: Node<'w>) -> Finding {
        let name = container.get("name").and_then(Node::as_str).unwrap_or_default();
        let list = if named.limit { "limits" } else { "requests" };
        let place = ["resources", "name"].into_iter();
        let place = place.filter_map(|key| container.get_entry(key)).map(|(key, _)| key).next();
        let message = format!(
            "the pods are refused by the ResourceQuota of their namespace, `must specify {} for: {name}`: \
             container {name} has no {list}.{}, and no LimitRange supplies one",
            named.name, named.resource
        );
        let label = format!("no {list}.{}", named.resource);
        Finding::new(&RULE, message, &place.unwrap_or(container).origin(), label)
            .also(&named.key.origin(), "the quota counts it")
            .fix(Fix::suggest(format!("set resources.{list}.{}", named.resource)))
    }

    fn exceeded(&self, message: String, place: &Origin, key: Node<'w>) -> Finding {
        Finding::new(&RULE, message, place, "more than there is")
            .also(&key.origin(), "what the namespace has")
            .fix(Fix::suggest("ask for less, or raise the quota"))
    }
}

/// Pods that are added up; no quota that takes one of them is larger in earnest.
const PODS: u32 = 4096;

/// A resource of a quota.
struct Named<'w> {
    name: &'w str,
    resource: &'static str,
    limit: bool,
    key: Node<'w>,
    most: Node<'w>,
}
