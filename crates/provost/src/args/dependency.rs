//! What `--dependency` takes.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use provost_check::facts::proof::Dependency;

const FORMS: &str = "expected tcp:PORT, tcp:PORT=NAME or tcp:PORT=127.0.0.1:PORT";

/// `tcp:PORT`, `tcp:PORT=NAME`, `tcp:PORT=HOST:PORT` with a host that is the loopback address, or
/// `tcp:PORT=NAME=HOST:PORT`.
pub(super) fn dependency(text: &str) -> Result<Dependency, String> {
    let rest = text.strip_prefix("tcp:").ok_or(FORMS)?;
    let mut parts = rest.split('=');
    let port = parts.next().and_then(number).ok_or(FORMS)?;
    let mut dependency = Dependency { port, name: None, target: None, variables: Vec::new() };
    match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => {}
        (Some(one), None, _) if one.contains(':') => dependency.target = Some(target(one)?),
        (Some(one), None, _) => dependency.name = Some(name(one)?),
        (Some(one), Some(other), None) => {
            dependency.name = Some(name(one)?);
            dependency.target = Some(target(other)?);
        }
        _ => return Err(FORMS.to_owned()),
    }
    Ok(dependency)
}

fn number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

/// A host as the process may know it. It stands in `/etc/hosts` for it.
fn name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_name = !text.is_empty() && text.len() <= 253 && text.chars().all(fits);
    match is_name && text.parse::<IpAddr>().is_err() {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no name of a host; {FORMS}")),
    }
}

fn target(text: &str) -> Result<SocketAddr, String> {
    let local = text.strip_prefix("localhost:").and_then(number);
    let local = local.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let address = local.or_else(|| text.parse().ok()).filter(|to| to.ip().is_loopback());
    address.filter(|to| to.port() > 0).ok_or_else(|| {
        format!("{text} is not on the loopback address of this machine, as 127.0.0.1:5432 is: nothing else is connected to")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_is_a_stub_or_on_loopback() {
        let read = |text| dependency(text).map(|it| (it.port, it.name, it.target));
        let loopback = Some("127.0.0.1:5433".parse().unwrap());
        assert_eq!(read("tcp:5432"), Ok((5432, None, None)));
        assert_eq!(read("tcp:5432=db.shop"), Ok((5432, Some("db.shop".to_owned()), None)));
        assert_eq!(read("tcp:5432=127.0.0.1:5433"), Ok((5432, None, loopback)));
        assert_eq!(read("tcp:5432=localhost:5433"), Ok((5432, None, loopback)));
        assert_eq!(read("tcp:5432=db=127.0.0.1:5433"), Ok((5432, Some("db".to_owned()), loopback)));
        assert!(read("tcp:5432=10.0.0.1:5432").unwrap_err().contains("loopback"));
        assert!(read("tcp:5432=db:5432").unwrap_err().contains("loopback"));
        for text in
            ["5432", "udp:53", "tcp:0", "tcp:5432=", "tcp:1=a=127.0.0.1:1=b", "tcp:5432=1.2.3.4"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
