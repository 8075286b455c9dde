//! The policies, and the modes of mutual TLS that they come to.

use super::MOST_OF_A_SCOPE;
use crate::case::{Joined, ObjectCase, ObjectId, WorkloadCase};
use crate::facts::mesh::{AuthorizationPolicy, DestinationRule, MeshPolicy, PeerAuthentication};
use crate::facts::{Body, Object, Origin};
use crate::findings::{Abstain, Reason};
use crate::model::mtls::{Effective, Mode, ROOT_NAMESPACE, Scopes, Setting};

/// The mode in force, each with the place that sets it.
pub type Mtls<'w> = Effective<&'w Origin>;

impl MeshPolicy {
    fn peer_authentication(object: &Object) -> Option<&PeerAuthentication> {
        match &object.body {
            Body::Mesh(policy) => match &**policy {
                Self::PeerAuthentication(policy) => Some(policy),
                _ => None,
            },
            _ => None,
        }
    }
}

impl<'w> ObjectCase<'w> {
    /// The PeerAuthentication, if it is one; `NotApplicable` where there is no Istio.
    pub fn peer_authentication(&self) -> Result<&'w PeerAuthentication, Abstain> {
        self.istio()?;
        MeshPolicy::peer_authentication(self.object).ok_or(Abstain::NotApplicable)
    }

    /// The AuthorizationPolicy, if it is one; `NotApplicable` where there is no Istio.
    pub fn authorization_policy(&self) -> Result<&'w AuthorizationPolicy, Abstain> {
        match self.istio()? {
            MeshPolicy::AuthorizationPolicy(policy) => Ok(policy),
            _ => Err(Abstain::NotApplicable),
        }
    }

    /// The DestinationRule, if it is one; `NotApplicable` where there is no Istio.
    pub fn destination_rule(&self) -> Result<&'w DestinationRule, Abstain> {
        match self.istio()? {
            MeshPolicy::DestinationRule(policy) => Ok(policy),
            _ => Err(Abstain::NotApplicable),
        }
    }

    fn istio(&self) -> Result<&'w MeshPolicy, Abstain> {
        self.joined.not_without_mesh()?;
        match &self.object.body {
            Body::Mesh(policy) => Ok(policy),
            _ => Err(Abstain::NotApplicable),
        }
    }
}

impl<'w> Joined<'w> {
    /// The Service of that name that is applied together with `from`, or may well be.
    pub fn service_near(
        &'w self,
        from: &Object,
        namespace: &str,
        name: &str,
    ) -> Option<ObjectCase<'w>> {
        let object = self.named(from, namespace, "Service", name).ok()??;
        let ids = self.joins.named(namespace, "Service", name).iter().copied();
        let is_it = |id: &ObjectId| {
            self.world.objects.get(*id).is_some_and(|found| std::ptr::eq(found, object))
        };
        let id = ids.take(MOST_OF_A_SCOPE).find(is_it)?;
        self.may_be_together(from, object).then_some(ObjectCase::new(self, id, object))
    }
}

impl<'w> WorkloadCase<'w> {
    /// The modes of mutual TLS in force. Not judged when a policy that may decide is not in the input.
    pub fn mtls(&self) -> Result<Mtls<'w>, Abstain> {
        let joined = self.joined;
        let world = joined.world;
        let object = |id: &ObjectId| world.objects.get(*id);
        let policy = |object: &'w Object| Some((object, MeshPolicy::peer_authentication(object)?));
        let namespace = self.object.meta.namespace.value.as_str();
        let mut scopes = Scopes { mesh: None, namespace: None, workload: None, ports: Vec::new() };
        // In the root namespace a policy with a selector holds for nobody.
        if namespace != ROOT_NAMESPACE {
            if joined.joins.peers_are_unsure(self.id) {
                return Err(alternatives("which PeerAuthentication is applied with it"));
            }
            let ids = joined.joins.peers(self.id).iter();
            let own = ids.filter_map(object).filter_map(policy).take(MOST_OF_A_SCOPE);
            let own: Vec<_> = own.collect();
            if let Some(&(object, first)) = own.first() {
                let same = |other: &PeerAuthentication| same_modes(first, other);
                if !own.iter().all(|(_, other)| same(other)) {
                    return Err(alternatives("PeerAuthentications that select the same pods"));
                }
                scopes.workload = Some(setting(object, first));
                scopes.ports = first
                    .ports
                    .iter()
                    .map(|p| (p.port.value, Setting { mode: p.mode.value, by: &p.mode.origin }))
                    .collect();
            }
            scopes.namespace = self.of_scope(namespace)?;
        }
        let decided =
            |setting: &Option<Setting<&Origin>>| setting.is_some_and(|s| s.mode.is_some());
        if !decided(&scopes.workload) && !decided(&scopes.namespace) {
            scopes.mesh = self.of_scope(ROOT_NAMESPACE)?;
            if scopes.mesh.is_none() && !world.settings.closed_world {
                let what = format!("the PeerAuthentication of {namespace} or of {ROOT_NAMESPACE}");
                return Err(Abstain::unknown(Reason::ObjectNotInInput, what));
            }
        }
        Ok(scopes.compose())
    }

    /// The policy of a whole namespace.
    fn of_scope(&self, namespace: &str) -> Result<Option<Setting<&'w Origin>>, Abstain> {
        let joined = self.joined;
        let all = joined.joins.peer_authentications(namespace);
        if all.len() > MOST_OF_A_SCOPE {
            return Err(alternatives("PeerAuthentications of one namespace"));
        }
        let mut found: Option<Setting<&'w Origin>> = None;
        let mut modes = Vec::new();
        for object in all.iter().filter_map(|id| joined.world.objects.get(*id)) {
            let Some(policy) = MeshPolicy::peer_authentication(object) else { continue };
            let setting = setting(object, policy);
            modes.push(setting.mode);
            let together = joined.together(self.object, object)
                || (all.len() == 1 && joined.may_be_together(self.object, object));
            found = found.or(together.then_some(setting));
        }
        // One that lies elsewhere, or the older of two, matters when it says something else.
        modes.dedup();
        if modes.len() > 1 || (found.is_none() && !modes.is_empty()) {
            return Err(alternatives("which PeerAuthentication is applied with it"));
        }
        Ok(found)
    }
}

fn setting<'w>(object: &'w Object, policy: &'w PeerAuthentication) -> Setting<&'w Origin> {
    match &policy.mode {
        Some(mode) => Setting { mode: mode.value, by: &mode.origin },
        None => Setting { mode: None, by: name_origin(object) },
    }
}

/// Where to point when the object as such is meant, by reference.
fn name_origin(object: &Object) -> &Origin {
    object.meta.name.as_ref().map_or(&object.meta.kind.origin, |name| &name.origin)
}

fn same_modes(a: &PeerAuthentication, b: &PeerAuthentication) -> bool {
    let mode = |policy: &PeerAuthentication| policy.mode.as_ref().and_then(|fact| fact.value);
    let ports = |policy: &PeerAuthentication| {
        let mut ports: Vec<(u16, Option<Mode>)> =
            policy.ports.iter().map(|p| (p.port.value, p.mode.value)).collect();
        ports.sort_unstable();
        ports
    };
    mode(a) == mode(b) && ports(a) == ports(b)
}

fn alternatives(what: &'static str) -> Abstain {
    Abstain::unknown(Reason::Alternatives, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Joined;
    use crate::case::mesh::tests::world;

    /// The mode of the first workload, and whether it is known.
    fn mode(policies: &str) -> Result<Mode, Abstain> {
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop, labels: {app: x}}\nspec: {containers: [{name: c, image: c}]}\n";
        let world = world(&format!("{pod}{policies}"), None);
        let joined = Joined::new(&world);
        let workload = joined.workloads().next().unwrap();
        workload.mtls().map(|mtls| mtls.mode)
    }

    fn peer(namespace: &str, name: &str, spec: &str) -> String {
        format!(
            "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
        )
    }

    #[test]
    fn the_mode_in_force_or_why_it_is_not_known() {
        let strict = "mtls: {mode: STRICT}";
        let off = "mtls: {mode: DISABLE}, selector: {matchLabels: {app: x}}";
        let reason = |found: Result<Mode, Abstain>| match found {
            Err(Abstain::Unknown { reason, .. }) => Some(reason),
            _ => None,
        };
        assert_eq!(reason(mode("")), Some(Reason::ObjectNotInInput));
        assert_eq!(mode(&peer("shop", "a", strict)), Ok(Mode::Strict));
        assert_eq!(mode(&peer("istio-system", "a", strict)), Ok(Mode::Strict));
        assert_eq!(reason(mode(&peer("other", "a", strict))), Some(Reason::ObjectNotInInput));
        assert_eq!(mode(&(peer("shop", "a", strict) + &peer("shop", "b", off))), Ok(Mode::Disable));
        // What the wider scope says is not asked for.
        assert_eq!(mode(&peer("shop", "b", off)), Ok(Mode::Disable));
        // The older one wins, and which that is is not written.
        let two = peer("shop", "a", strict) + &peer("shop", "b", "mtls: {mode: PERMISSIVE}");
        assert_eq!(reason(mode(&two)), Some(Reason::Alternatives));
        assert_eq!(
            mode(&(peer("shop", "a", strict) + &peer("shop", "b", strict))),
            Ok(Mode::Strict)
        );
        // A policy with a selector in the root namespace holds for nobody.
        assert_eq!(
            mode(&(peer("shop", "a", strict) + &peer("istio-system", "b", off))),
            Ok(Mode::Strict)
        );
    }
}
