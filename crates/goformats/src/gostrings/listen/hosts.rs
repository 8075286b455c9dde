//! Hosts that code joins with a port.
//!
//! `"127.0.0.1:" + os.Getenv("PORT")` takes the address of the name, calls, takes the address of the host, and calls
//! `runtime.concatstring2`; `fmt.Sprintf("127.0.0.1:%s", os.Getenv("PORT"))` calls `fmt.Sprintf` instead. The host is fixed
//! then, whatever the port is. It is the program's only one where no other code of it joins a host with anything, and
//! nothing else uses the name: a program may as well ask itself on `"localhost:" + port`, and listen on `":" + port`. What
//! is joined with the port of a setting of its own, as `":" + os.Getenv("METRICS_PORT")` is, is another listener.

use rustc_hash::FxHashMap;

use super::flow::Flow;
use crate::gostrings::{GoString, Owner};

/// Longer ones are none.
const LONGEST: usize = 64;

/// What a host in front of a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// This machine, from itself alone.
    Loopback,
    /// Every address of it, or one that is put in.
    Any,
}

impl Host {
    /// The host of a text that a port is appended to, or put in.
    pub(super) fn of(text: &str) -> Option<Self> {
        let host = if text.contains('%') {
            let (host, verb) = text.rsplit_once(':')?;
            matches!(verb, "%s" | "%d" | "%v").then_some(host)?
        } else {
            text.strip_suffix(':')?
        };
        match host {
            "localhost" | "127.0.0.1" | "[::1]" => Some(Self::Loopback),
            "" | "0.0.0.0" | "[::]" | "*" => Some(Self::Any),
            _ if host.contains('%') && text.len() <= LONGEST && !host.contains(['/', ' ']) => {
                Some(Self::Any)
            }
            _ => None,
        }
    }
}

/// A host on the loopback address that code joins with a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedHost<'a> {
    /// As written: `127.0.0.1:`, `localhost:%s`.
    pub text: &'a str,
    /// Address of its first byte.
    pub address: u64,
    /// Whose code joins it.
    pub owner: Owner,
    /// The function that joins it.
    pub function: Option<&'a str>,
    /// The name of what it is joined with: a variable that is read right before.
    pub name: Option<&'a str>,
    /// No other host is joined but with settings of its own, and nothing else uses the name.
    pub certain: bool,
}

/// What was seen of hosts and names.
#[derive(Debug, Default)]
pub(super) struct Hosts<'a> {
    joined: Vec<JoinedHost<'a>>,
    /// How often each name is used.
    uses: FxHashMap<&'a str, usize>,
    /// The name that the function used last.
    last: Option<(&'a str, u64)>,
    /// A host that is not on the loopback address is joined with something that has no name.
    others: bool,
}

impl<'a> Hosts<'a> {
    /// The next function.
    pub(super) fn enter(&mut self) {
        self.last = None;
    }

    /// A name is used there.
    pub(super) fn name(&mut self, name: &'a str, at: u64) {
        self.also(name);
        self.last = Some((name, at));
    }

    /// A name is used somewhere.
    pub(super) fn also(&mut self, name: &'a str) {
        *self.uses.entry(name).or_default() += 1;
    }

    /// A host is used there, by code that is not the standard library's.
    pub(super) fn host(
        &mut self,
        string: Option<&GoString<'a>>,
        host: Host,
        at: u64,
        flow: &Flow,
        owner: Owner,
        function: Option<&'a str>,
    ) {
        // A format is for nothing else than being joined.
        let joined = flow.is_joined(at);
        if !joined && !string.is_some_and(|s| s.text.contains('%')) {
            return;
        }
        let read = self.last.filter(|(_, named_at)| flow.is_of_result(*named_at, at));
        let Some(string) = string.filter(|_| host == Host::Loopback) else {
            // A name that is used once is that of this host alone.
            self.others |= !(joined && read.is_some_and(|(name, _)| is_of_port(name)));
            return;
        };
        self.joined.push(JoinedHost {
            text: string.text,
            address: string.address,
            owner,
            function,
            name: read.map(|(name, _)| name),
            certain: joined,
        });
    }

    /// All of them; `others` says whether there is yet another way in which a host is joined.
    pub(super) fn joined(mut self, others: impl FnOnce() -> bool) -> Vec<JoinedHost<'a>> {
        if self.joined.is_empty() {
            return self.joined;
        }
        let others = self.others || others();
        for joined in &mut self.joined {
            let once = joined.name.is_some_and(|name| self.uses.get(name) == Some(&1));
            joined.certain &= once && !others;
        }
        self.joined
    }
}

/// Whether the name of a setting says that it is a port.
fn is_of_port(name: &str) -> bool {
    name.to_ascii_lowercase().contains("port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_in_front_of_a_port() {
        for (text, host) in [
            ("127.0.0.1:", Some(Host::Loopback)),
            ("localhost:%s", Some(Host::Loopback)),
            ("[::1]:%d", Some(Host::Loopback)),
            (":", Some(Host::Any)),
            ("0.0.0.0:", Some(Host::Any)),
            (":%d", Some(Host::Any)),
            ("%s:%s", Some(Host::Any)),
            ("redis:", None),
            ("http://localhost:", None),
            ("http://%s:%s", None),
            ("failed: %s", None),
            ("127.0.0.1", None),
            ("127.0.0.1:8080", None),
            ("%d%%:%s", Some(Host::Any)),
            ("", None),
        ] {
            assert_eq!(Host::of(text), host, "{text}");
        }
    }
}
