//! The class of service of a pod.
//!
//! Source: `ComputePodQOS`, `requirementsQOS` and `resourceQOS` in k8s.io/kubernetes v1.37.2 pkg/apis/core/v1/helper/qos/qos.go.

use super::quantity::Quantity;

/// The class, as `status.qosClass` spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Every container has limits for CPU and memory and requests equal to them.
    Guaranteed,
    /// Anything between.
    Burstable,
    /// No container asks for anything: the first to be evicted, oom_score_adj 1000.
    BestEffort,
}

/// Requests and limits of a container, or of the pod.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Resources {
    /// requests.cpu.
    pub cpu_request: Option<Quantity>,
    /// limits.cpu.
    pub cpu_limit: Option<Quantity>,
    /// requests.memory.
    pub memory_request: Option<Quantity>,
    /// limits.memory.
    pub memory_limit: Option<Quantity>,
}

impl Resources {
    /// The class these alone give. A missing request is the limit: the API server fills it in on pods, not on templates.
    pub fn class(&self) -> Class {
        let one = |request: Option<Quantity>, limit: Option<Quantity>| {
            let set = |q: Option<Quantity>| q.filter(|q| !q.is_zero());
            let (request, limit) = (request.or(limit), set(limit));
            match (set(request), limit) {
                (None, None) => Class::BestEffort,
                (Some(r), Some(l)) if r.partial_cmp(&l) == Some(std::cmp::Ordering::Equal) => {
                    Class::Guaranteed
                }
                _ => Class::Burstable,
            }
        };
        both(one(self.cpu_request, self.cpu_limit), one(self.memory_request, self.memory_limit))
    }

    /// With what a LimitRange supplies: after the API server took the container's own limits for the
    /// requests that are missing, admission fills in what still is.
    pub fn with_defaults(&self, defaults: &Resources) -> Resources {
        Resources {
            cpu_request: self.cpu_request.or(self.cpu_limit).or(defaults.cpu_request),
            cpu_limit: self.cpu_limit.or(defaults.cpu_limit),
            memory_request: self.memory_request.or(self.memory_limit).or(defaults.memory_request),
            memory_limit: self.memory_limit.or(defaults.memory_limit),
        }
    }

    fn is_set(&self) -> bool {
        [self.cpu_request, self.cpu_limit, self.memory_request, self.memory_limit]
            .iter()
            .any(Option::is_some)
    }
}

fn both(a: Class, b: Class) -> Class {
    if a == b { a } else { Class::Burstable }
}

/// The class of a pod. Resources of the pod itself, when any is set, decide alone (on by default since Kubernetes 1.34);
/// else every container counts, init containers and sidecars too.
pub fn class(pod: &Resources, containers: &[Resources]) -> Class {
    if pod.is_set() {
        return pod.class();
    }
    containers.iter().map(Resources::class).reduce(both).unwrap_or(Class::BestEffort)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(
        cpu_request: &str,
        cpu_limit: &str,
        memory_request: &str,
        memory_limit: &str,
    ) -> Resources {
        let read = |text: &str| (!text.is_empty()).then(|| Quantity::parse(text).unwrap());
        Resources {
            cpu_request: read(cpu_request),
            cpu_limit: read(cpu_limit),
            memory_request: read(memory_request),
            memory_limit: read(memory_limit),
        }
    }

    const NONE: Resources =
        Resources { cpu_request: None, cpu_limit: None, memory_request: None, memory_limit: None };

    #[test]
    fn by_container() {
        let full = resources("500m", "0.5", "512Mi", "536870912");
        assert_eq!(class(&NONE, &[full]), Class::Guaranteed);
        assert_eq!(
            class(&NONE, &[resources("", "1", "", "1Gi")]),
            Class::Guaranteed,
            "a request is the limit"
        );
        assert_eq!(class(&NONE, &[resources("1200m", "1500m", "1Gi", "1Gi")]), Class::Burstable);
        assert_eq!(
            class(&NONE, &[resources("", "", "1Gi", "1Gi")]),
            Class::Burstable,
            "memory alone"
        );
        assert_eq!(class(&NONE, &[NONE, NONE]), Class::BestEffort);
        assert_eq!(
            class(&NONE, &[resources("0", "0", "", "0")]),
            Class::BestEffort,
            "nothing is not set"
        );
        assert_eq!(class(&NONE, &[]), Class::BestEffort);
    }

    #[test]
    fn one_sidecar_without_limits_decides() {
        let full = resources("1", "1", "1Gi", "1Gi");
        assert_eq!(class(&NONE, &[full, NONE]), Class::Burstable);
        assert_eq!(class(&NONE, &[full, full]), Class::Guaranteed);
    }

    #[test]
    fn the_pod_itself_decides_alone() {
        let full = resources("1", "1", "1Gi", "1Gi");
        assert_eq!(class(&full, &[NONE]), Class::Guaranteed);
        assert_eq!(class(&resources("1", "2", "1Gi", "1Gi"), &[full]), Class::Burstable);
    }
}
