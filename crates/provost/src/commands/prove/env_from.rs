//! Variables that `envFrom` takes from Secrets whose values somebody gave.

use std::collections::BTreeSet;

use provost_check::case::Case;
use provost_check::case::env::Environment;
use provost_check::facts::container::EnvFrom;
use provost_check::findings::Abstain;

use super::environment::Given;

/// Sets them, but for those that something behind sets, too: `env` outranks `envFrom`, and of several the last counts
/// (`makeEnvironmentVariables` in pkg/kubelet/kubelet_pods.go).
pub(super) fn of_folders(case: &Case<'_>, given: &mut Given) -> BTreeSet<String> {
    let written: BTreeSet<&str> =
        case.container.env.iter().map(|variable| variable.name.value.as_str()).collect();
    let sources = &case.container.env_from;
    let mut set = BTreeSet::new();
    for (place, from) in sources.iter().enumerate().filter(|(_, from)| from.secret) {
        let behind = sources.get(place + 1..).unwrap_or_default();
        for key in given.keys_of(&from.name.value) {
            let own = given.of_folder(&from.name.value, &key).map(String::from_utf8);
            let name = format!("{}{key}", from.prefix);
            let is_of_another = written.contains(name.as_str())
                || behind.iter().any(|other| has(case, given, other, &name));
            if let (Some(Ok(own)), false) = (own, is_of_another) {
                given.put(&name, own);
                set.insert(name);
            }
        }
    }
    set
}

/// Whether a source sets that variable, as far as it is known.
fn has(case: &Case<'_>, given: &Given, from: &EnvFrom, name: &str) -> bool {
    let Some(key) = name.strip_prefix(&from.prefix) else { return false };
    match from.secret && given.files.contains_key(&from.name.value) {
        true => given.keys_of(&from.name.value).iter().any(|known| known == key),
        false => case.env_from_has(from, key),
    }
}

/// Why variables may be missing, where what was given does not hold them all.
pub(super) fn open<'e>(
    case: &Case<'_>,
    given: &Given,
    environment: &'e Environment,
) -> Option<&'e Abstain> {
    let open = environment.open()?;
    let is_known = |from: &&EnvFrom| {
        from.secret && given.files.contains_key(&from.name.value)
            || case
                .named_object(if from.secret { "Secret" } else { "ConfigMap" }, &from.name.value)
                .is_ok_and(|object| object.is_some())
    };
    let sources = &case.container.env_from;
    let Abstain::Unknown { needs, .. } = open else { return Some(open) };
    let is_given = sources.iter().any(|from| {
        from.secret
            && given.files.contains_key(&from.name.value)
            && *needs == format!("Secret {} (envFrom)", from.name.value)
    });
    // It is the last of them that the environment tells.
    (!is_given || !sources.iter().all(|from| is_known(&from))).then_some(open)
}
