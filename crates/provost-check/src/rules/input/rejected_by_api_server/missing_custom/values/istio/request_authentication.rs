//! Rules of a RequestAuthentication.
//!
//! Source: `validateJwtRule` in validation.go and `ParseJwksURI` in pkg/config/security/security.go; the
//! CRDs ask for the scheme by CEL from 1.24 on.

use super::super::super::super::first_of_whole;
use super::{Refusals, entries, has, known};
use crate::facts::document::Node;

pub(super) fn check(spec: Node<'_>, to: &mut Refusals<'_>) {
    for rule in entries(spec, "jwtRules") {
        // Empty is as good as nothing; null may be filled in.
        let empty = |key: &str| match rule.has_key(key) {
            true => rule.get(key).is_some_and(|value| value.as_str() == Some("")),
            false => true,
        };
        let keys = ["jwksUri", "jwks_uri"];
        if let Some(first) = first_of_whole(rule)
            && empty("issuer")
            && keys.iter().all(|key| empty(key))
        {
            let why = "issuer or jwksUri must be non-empty string";
            let fix = "write issuer: the `iss` of the tokens";
            to.lacks(first, "of nobody", "a rule without issuer and jwksUri", why, fix);
        }
        for key in keys.into_iter().filter(|key| has(rule, key)) {
            let Some((address, node)) = known(rule, key) else { continue };
            let scheme = address.split_once(':').map_or("", |(scheme, _)| scheme);
            if !["http", "https"].iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
                let shown: String = address.chars().take(80).collect();
                let what = format!("jwksUri {shown} has neither https:// nor http:// in front");
                let why = "url must have scheme http:// or https://";
                to.tell(node, "no such scheme", &what, why, "write https:// in front");
            }
        }
    }
}
