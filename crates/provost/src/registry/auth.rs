//! What a registry asks for before it gives something, and the token that a login is good for.
//!
//! Source: distribution's `docs/content/spec/auth` (token, oauth) and RFC 9110, section 11.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::credentials::{Credential, Login};
use super::http::{Answer, Ask, Fault, Http};
use super::name::Name;
use super::url::Url;

/// A `WWW-Authenticate` that is understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

/// The challenge to answer; a token rather than a password.
pub(super) fn challenge(answer: &Answer) -> Option<Challenge> {
    let all: Vec<Challenge> = answer.headers("WWW-Authenticate").filter_map(parse).collect();
    let bearer = all.iter().position(|c| matches!(c, Challenge::Bearer { .. }));
    all.into_iter().nth(bearer.unwrap_or(0))
}

fn parse(text: &str) -> Option<Challenge> {
    let (scheme, mut rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (mut realm, mut service) = (None, None);
    while let Some((key, value)) = rest.split_once('=') {
        let key = key.trim_matches([' ', ',', '\t']);
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_at(value.find(',').unwrap_or(value.len())),
        };
        if key.eq_ignore_ascii_case("realm") {
            realm = Some(value.to_owned());
        } else if key.eq_ignore_ascii_case("service") {
            service = Some(value.to_owned());
        }
        rest = after;
    }
    Some(Challenge::Bearer { realm: realm?, service })
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// The value of `Authorization` that answers a challenge.
pub(super) fn answer(
    challenge: &Challenge,
    name: &Name,
    login: &Login,
    http: &Http,
) -> Result<String, Fault> {
    let host = name.host();
    match (challenge, &login.credential) {
        (Challenge::Bearer { .. }, Some(Credential::Token(token))) => bearer(token, host),
        (Challenge::Bearer { realm, service }, _) => {
            let token = token(realm, service.as_deref(), name, login, http)?;
            bearer(&token, host)
        }
        (Challenge::Basic, Some(Credential::Basic(user, password))) => Ok(basic(user, password)),
        (Challenge::Basic, Some(_)) => {
            let source = &login.source;
            Err(Fault::denied(format!(
                "{host} asks for a password; the login that is known is a token: {source}"
            )))
        }
        (Challenge::Basic, None) => Err(needed(host, login)),
    }
}

/// A login is needed and there is none.
pub(super) fn needed(host: &str, login: &Login) -> Fault {
    Fault::denied(format!("{host} gives it to nobody without a login: {}", login.source))
}

/// A login is there and does not help.
pub(super) fn refused(host: &str, name: &Name, login: &Login) -> Fault {
    match &login.credential {
        Some(_) => Fault::denied(format!(
            "{host} refuses to give {} to the login that is known, {}",
            name.repository, login.source
        )),
        None => needed(host, login),
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", encoded(user, password))
}

fn encoded(user: &str, password: &str) -> String {
    STANDARD.encode(format!("{user}:{password}"))
}

/// What of a login is secret, in the forms in which it is sent. The user's name is not.
pub(super) fn secrets(credential: &Credential) -> Vec<String> {
    match credential {
        Credential::Basic(user, password) => vec![password.clone(), encoded(user, password)],
        Credential::Identity(token) | Credential::Token(token) => vec![token.clone()],
    }
}

/// Bytes of a token; servers take no longer header.
const LONGEST_TOKEN: usize = 16 << 10;

/// A token that is not of visible characters would be more than one header.
fn bearer(token: &str, host: &str) -> Result<String, Fault> {
    if token.len() > LONGEST_TOKEN {
        let most = LONGEST_TOKEN;
        return Err(Fault::failed(format!("the token for {host} has more than {most} bytes")));
    }
    match !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(format!("Bearer {token}")),
        false => Err(Fault::failed(format!("the token for {host} is none"))),
    }
}

fn token(
    realm: &str,
    service: Option<&str>,
    name: &Name,
    login: &Login,
    http: &Http,
) -> Result<String, Fault> {
    let host = name.host();
    let Some(url) = Url::parse(realm) else {
        return Err(Fault::failed(format!("{host} names no address that gives tokens")));
    };
    let scope = format!("repository:{}:pull", name.repository);
    let accept = "application/json";
    let said = if let Some(Credential::Identity(identity)) = &login.credential {
        let form = [
            ("grant_type", "refresh_token"),
            ("service", service.unwrap_or_default()),
            ("client_id", "provost"),
            ("scope", scope.as_str()),
            ("refresh_token", identity.as_str()),
        ];
        http.send(&Ask { url: url.clone(), accept, authorization: None, form: Some(&form) })?
    } else {
        let mut url = url.clone();
        if let Some(service) = service {
            url = url.with("service", service);
        }
        let authorization = match &login.credential {
            Some(Credential::Basic(user, password)) => Some(basic(user, password)),
            _ => None,
        };
        let authorization = authorization.as_deref();
        http.send(&Ask { url: url.with("scope", &scope), accept, authorization, form: None })?
    };
    match said.status {
        200 => {}
        400 | 401 | 403 => return Err(refused(&url.host, name, login)),
        _ => {
            let status = said.status_text();
            return Err(Fault::failed(format!(
                "{}, which gives tokens for {host}, answers {status}",
                url.host
            )));
        }
    }
    let words = said.words(http)?;
    let token = serde_json::from_slice::<Token>(&words).ok();
    token.and_then(|token| token.token.or(token.access_token)).ok_or_else(|| {
        Fault::failed(format!("{}, which gives tokens for {host}, gives none", url.host))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>| {
            let service = service.map(str::to_owned);
            Some(Challenge::Bearer { realm: realm.to_owned(), service })
        };
        assert_eq!(
            parse(
                "Bearer realm=\"https://auth.example/token?a=b\",service=\"registry, example\",\
                 scope=\"repository:a:pull\""
            ),
            bearer("https://auth.example/token?a=b", Some("registry, example"))
        );
        assert_eq!(
            parse("bearer service=x , realm=https://a/b"),
            bearer("https://a/b", Some("x "))
        );
        assert_eq!(parse("Basic realm=\"x\""), Some(Challenge::Basic));
        for none in ["Bearer", "Bearer realm=\"x", "Bearer service=\"x\"", "Negotiate", ""] {
            assert_eq!(parse(none), None, "{none}");
        }
    }

    #[test]
    fn a_token_is_one_word() {
        assert!(bearer("abc.def", "a").is_ok());
        let long = "a".repeat(LONGEST_TOKEN + 1);
        for token in ["", "a b", "a\r\nX-Y: z", "\u{e4}", &long] {
            assert!(bearer(token, "a").is_err(), "{token:?}");
        }
    }
}
