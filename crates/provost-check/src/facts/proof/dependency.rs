//! What the process depends on, and what the measurement made of it.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// A port on the process's loopback address behind which something stands in for what it depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The port that the process connects to.
    pub port: u16,
    /// The name by which the process knows its host, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The real one, on the loopback address of the machine; without it a stub that accepts and answers
    /// nothing, whatever it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<SocketAddr>,
    /// Variables of the process that name the port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
}

impl Dependency {
    /// In a few words: `db:5432`, `port 5432`.
    pub fn shown(&self) -> String {
        match &self.name {
            Some(name) => format!("{name}:{}", self.port),
            None => format!("port {}", self.port),
        }
    }

    /// Whether a text says that it is this dependency which is meant: its port as a number of its own,
    /// its name, or a variable that holds its address.
    pub fn is_named_in(&self, text: &str) -> bool {
        let port = self.port.to_string();
        let has_port = text.split(|c: char| !c.is_ascii_digit()).any(|number| number == port);
        let lower = text.to_ascii_lowercase();
        let has = |word: &String| lower.contains(&word.to_ascii_lowercase());
        has_port || self.name.as_ref().is_some_and(has) || self.variables.iter().any(has)
    }
}

/// What was seen of one dependency in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depended {
    /// Which.
    pub port: u16,
    /// What was made of it, in order; each holds until the next.
    pub turns: Vec<Turn>,
    /// Connections of the process that were accepted.
    #[serde(default)]
    pub links: Vec<Link>,
    /// Connections beyond those that are kept.
    #[serde(default)]
    pub more: u64,
    /// Requests by HTTP/1.1 beyond those that are kept with their connections.
    #[serde(default)]
    pub more_calls: u64,
}

impl Depended {
    /// When the process closed the last connection that it had, of those that it had at a moment or
    /// opened later; not where it still had one at its end, or had none at that moment.
    pub fn left_us(&self, since_us: u64) -> Option<u64> {
        let (mut last, mut had) = (None, false);
        for link in &self.links {
            match (link.closed_us, link.by) {
                (Some(closed), _) if closed < since_us => {}
                (Some(closed), Some(Side::Process)) => {
                    had |= link.at_us <= since_us;
                    last = last.max(Some(closed));
                }
                // Not the process's doing, or still there.
                _ => return None,
            }
        }
        last.filter(|_| had && self.more == 0)
    }

    /// The time in which it was in a state: from when until when, each time.
    pub fn in_state(&self, state: State) -> impl Iterator<Item = (u64, u64)> {
        let ends = self.turns.iter().skip(1).map(|turn| turn.at_us).chain([u64::MAX]);
        let turns = self.turns.iter().zip(ends);
        turns.filter(move |(turn, _)| turn.state == state).map(|(turn, end)| (turn.at_us, end))
    }
}

/// A change of what a dependency does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// When.
    pub at_us: u64,
    /// To what.
    pub state: State,
}

/// What a dependency does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It accepts, and what is behind it answers as it does.
    Up,
    /// A black hole: connections that are there get no more answers, new ones do not come about.
    Frozen,
    /// Connections that were there are reset, new ones refused.
    Refusing,
}

/// A connection of the process to a dependency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// When it was accepted.
    pub at_us: u64,
    /// When its end was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_us: Option<u64>,
    /// Who ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Side>,
    /// Bytes that the process sent.
    #[serde(default)]
    pub sent: u64,
    /// Bytes that it got.
    #[serde(default)]
    pub got: u64,
    /// Requests by HTTP/1.1 that it made, up to a limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
}

/// A request that the process made of a dependency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// When.
    pub at_us: u64,
    /// Its `traceparent`, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The process that is measured.
    Process,
    /// What it depends on, or the measurement.
    Dependency,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_is_named_by_its_port_its_host_or_its_variable() {
        let db = Dependency {
            port: 5432,
            name: Some("db".to_owned()),
            target: None,
            variables: vec!["DATABASE_URL".to_owned()],
        };
        assert!(db.is_named_in("dial tcp 127.0.0.1:5432: connect: connection refused"));
        assert!(db.is_named_in("cannot reach DB"));
        assert!(db.is_named_in("database_url: unreachable"));
        assert!(!db.is_named_in("cannot start, code 54321"));
    }

    #[test]
    fn a_connection_that_is_still_there_was_not_left() {
        let opened = |at_us, closed_us, by| {
            let (sent, got, calls) = (0, 0, Vec::new());
            Link { at_us, closed_us, by, sent, got, calls }
        };
        let link = |closed_us, by| opened(0, closed_us, by);
        let of = |links| Depended { port: 1, turns: vec![], links, more: 0, more_calls: 0 };
        let process = Some(Side::Process);
        let closed =
            of(vec![link(Some(5), process), link(Some(30), process), link(Some(20), process)]);
        assert_eq!(closed.left_us(10), Some(30));
        assert_eq!(closed.left_us(40), None);
        assert_eq!(of(vec![link(Some(30), process), link(None, None)]).left_us(10), None);
        assert_eq!(of(vec![link(Some(30), Some(Side::Dependency))]).left_us(10), None);
        // One for a request that came later is none that was left by being told to end.
        let later = opened(20, Some(30), process);
        assert_eq!(of(vec![later.clone()]).left_us(10), None);
        assert_eq!(of(vec![link(Some(20), process), later]).left_us(10), Some(30));
    }
}
