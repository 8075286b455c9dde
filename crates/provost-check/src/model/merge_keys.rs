//! Which lists a strategic merge merges, and by which keys of their items.

/// `patchMergeKey` in k8s.io/api v0.37, by the name of the list. Of several, lists of one name have
/// either.
const KEYS: [(&str, &[&str]); 13] = [
    ("containers", &["name"]),
    ("env", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("hostAliases", &["ip"]),
    ("imagePullSecrets", &["name"]),
    ("initContainers", &["name"]),
    ("ports", &["containerPort", "port"]),
    ("resourceClaims", &["name"]),
    ("secrets", &["name"]),
    ("topologySpreadConstraints", &["topologyKey"]),
    ("volumeDevices", &["devicePath"]),
    ("volumeMounts", &["mountPath"]),
    ("volumes", &["name"]),
];

/// The keys that items of a list of that name are told apart by; `None` for a list that a patch
/// replaces as a whole.
pub fn merge_keys(list: &str) -> Option<&'static [&'static str]> {
    KEYS.iter().find(|(name, _)| *name == list).map(|(_, keys)| *keys)
}
