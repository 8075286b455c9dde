//! What the kubelet says of a pod that it evicts.
//!
//! Source: `evictionMessage` and the formats beside it, k8s.io/kubernetes pkg/kubelet/eviction/helpers.go. Until 1.26
//! a container that used more than it asked for had `which exceeds its request of`.

use super::Bytes;
use super::quantity::Quantity;

/// Why the pod had to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause<'t> {
    /// It ran on a node that was low on that: `memory`, `ephemeral-storage`, `inodes`, `pids`.
    LowOn(&'t str),
    /// It was refused by a node in that condition: `MemoryPressure`.
    Condition(&'t str),
    /// Something of its own: a volume or storage beyond its limit.
    Own,
}

impl Cause<'_> {
    /// Whether the node had too little memory. Old kubelets name the condition where new ones name the resource.
    pub fn is_memory(&self) -> bool {
        match self {
            Self::LowOn(what) | Self::Condition(what) => {
                *what == "memory" || what.contains("MemoryPressure")
            }
            Self::Own => false,
        }
    }
}

/// A container, or a pod with resources of its own, that used more than it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User<'t> {
    /// Its name.
    pub name: &'t str,
    /// What it used.
    pub used: Bytes,
    /// What it had asked for.
    pub request: Bytes,
}

impl User<'_> {
    /// How much more that was.
    pub fn more(&self) -> Bytes {
        Bytes(self.used.0.saturating_sub(self.request.0))
    }
}

/// Why the pod had to go, by the message in its status or of the event.
pub fn cause(message: &str) -> Cause<'_> {
    let named = |label: &str| {
        let (_, rest) = message.split_once(label)?;
        Some(rest.split(". ").next()?.trim_end().trim_end_matches('.').trim_matches(['[', ']']))
    };
    named("low on resource: ")
        .map(Cause::LowOn)
        .or_else(|| named("had condition: ").map(Cause::Condition))
        .unwrap_or(Cause::Own)
}

/// Who of the pod used more memory than it asked for.
pub fn users(message: &str) -> Vec<User<'_>> {
    message.split(". ").filter_map(user).collect()
}

/// `Container app was using 400Mi, request is 100Mi, has larger consumption of memory`
fn user(sentence: &str) -> Option<User<'_>> {
    let sentence = sentence.trim();
    let rest = sentence.strip_prefix("Container ").or_else(|| sentence.strip_prefix("Pod "))?;
    let (name, rest) = rest.split_once(" was using ")?;
    let (used, request) = match rest.split_once(", request is ") {
        Some((used, rest)) => {
            let (request, of) = rest.split_once(", has larger consumption of ")?;
            (used, Some(request).filter(|_| of.trim_end_matches('.') == "memory")?)
        }
        None => rest.split_once(", which exceeds its request of ")?,
    };
    let bytes = |text: &str| Some(Quantity::parse(text.trim_end_matches('.')).ok()?.bytes());
    Some(User { name, used: bytes(used)?, request: bytes(request)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_kubelet_says_what_the_node_was_low_on_and_who_used_more() {
        let low =
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 80Mi. ";
        let both = format!(
            "{low}Container app was using 400Mi, request is 100Mi, has larger consumption of memory. Container proxy was using 20Mi, request is 0, has larger consumption of memory. "
        );
        assert_eq!(cause(&both), Cause::LowOn("memory"));
        let app = User { name: "app", used: Bytes(400 * MIB), request: Bytes(100 * MIB) };
        let proxy = User { name: "proxy", used: Bytes(20 * MIB), request: Bytes(0) };
        assert_eq!(users(&both), [app, proxy]);
        assert_eq!(app.more(), Bytes(300 * MIB));
        // Cut, as messages are, in the middle of the last sentence.
        assert_eq!(users(&both[..both.len() - 30]), [app]);
        assert_eq!(users(low), []);
        // Until 1.26, and with resources of the pod itself.
        let old = "Container app was using 409600Ki, which exceeds its request of 100Mi. ";
        assert_eq!(users(old), [app]);
        let pod = "Pod app was using 400Mi, request is 100Mi, has larger consumption of memory. ";
        assert_eq!(users(pod), [app]);
    }

    #[test]
    fn what_is_no_memory_is_not_told_as_memory() {
        for (message, expected, is_memory) in [
            ("The node was low on resource: memory.", Cause::LowOn("memory"), true),
            (
                "The node was low on resource: [MemoryPressure]. ",
                Cause::LowOn("MemoryPressure"),
                true,
            ),
            (
                "The node had condition: [MemoryPressure]. ",
                Cause::Condition("MemoryPressure"),
                true,
            ),
            ("The node had condition: [DiskPressure]. ", Cause::Condition("DiskPressure"), false),
            (
                "The node was low on resource: ephemeral-storage. ",
                Cause::LowOn("ephemeral-storage"),
                false,
            ),
            ("Usage of EmptyDir volume \"memory\" exceeds the limit \"64Mi\". ", Cause::Own, false),
            ("", Cause::Own, false),
        ] {
            assert_eq!((cause(message), cause(message).is_memory()), (expected, is_memory));
        }
        let disk = "Container app was using 4Gi, request is 0, has larger consumption of ephemeral-storage. ";
        assert_eq!(users(disk), []);
    }
}
