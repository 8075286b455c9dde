//! Which server of a container's program listens on a port.

use super::Case;
use super::env::Lookup;
use super::listen::{Elsewhere, Proof, key};
use crate::facts::binary::GoProgram;
use crate::facts::objects::PortRef;
use crate::facts::program_text::{HttpServer, ServerAddress, TextOwner};
use crate::model::serve_mux::{Taken, taken};

/// A server of the program.
#[derive(Clone, Copy, Debug)]
pub enum Serves<'w> {
    /// One of HTTP.
    Http(&'w HttpServer),
    /// That of gRPC, on a listener of its own.
    Grpc,
}

/// Packages by which others listen in the program's name.
const OTHER_PROCESSES: &str = "os/exec";

impl<'w> Case<'w> {
    /// The server that listens on a port, by the program's code and the settings of the container; `None` where that
    /// is not known, or where two would.
    pub fn server_at(&self, port: u16) -> Option<Serves<'w>> {
        let program = self.is_target().then(|| self.known_program()).flatten()?;
        let endpoints = program.text.endpoints().ok()?;
        let at = |address: &ServerAddress| self.port_of(program, address) == Some(port);
        let of_http = endpoints.servers.iter().filter(|server| at(&server.address));
        let of_grpc = endpoints.grpc.as_ref().filter(|address| at(address));
        let mut all = of_http.map(Serves::Http).chain(of_grpc.map(|_| Serves::Grpc));
        all.next().filter(|_| all.next().is_none())
    }

    /// The port that an address comes to.
    fn port_of(&self, program: &GoProgram, address: &ServerAddress) -> Option<u16> {
        match address {
            ServerAddress::Text(text) => port_in(text),
            ServerAddress::Setting(name) => self.port_set(program, name),
            ServerAddress::Unknown => None,
        }
    }

    fn port_set(&self, program: &GoProgram, name: &str) -> Option<u16> {
        match self.environment().lookup(name) {
            Lookup::Set(variable) => port_in(variable.value.as_ref().ok()?),
            Lookup::Unknown(_) => None,
            Lookup::Unset => {
                let by_flag = self.command_words().iter().any(|word| {
                    let flag = word.value.split('=').next().unwrap_or_default();
                    flag.starts_with('-') && key(flag) == key(name)
                });
                let listens = program.text.listens().ok()?;
                let mut of_name = listens.texts.iter().filter(|text| {
                    text.name.as_deref() == Some(name) && text.owner == TextOwner::Main
                });
                let first = of_name.next().filter(|text| text.certain && !by_flag)?;
                // The image's environment is known, or the container's ports agree.
                let declared = self.container.declares(&PortRef::Number(i64::from(first.port)));
                let agree = of_name.all(|other| other.port == first.port);
                (agree && (declared || self.image().is_ok())).then_some(first.port)
            }
        }
    }

    /// Where every listener of the program is known, and none is on the port: that it is opened by nothing.
    pub(super) fn listens_on_others_only(
        &self,
        program: &GoProgram,
        port: u16,
    ) -> Option<Elsewhere> {
        let endpoints = program.text.endpoints().ok()?;
        if !endpoints.complete
            || endpoints.servers.is_empty()
            || program.links_package(OTHER_PROCESSES)
        {
            return None;
        }
        let all = endpoints.servers.iter().map(|server| &server.address).chain(&endpoints.grpc);
        let ports: Option<Vec<u16>> = all.map(|address| self.port_of(program, address)).collect();
        let mut ports = ports?;
        ports.sort_unstable();
        ports.dedup();
        if ports.contains(&port) {
            return None;
        }
        let proof = Proof::Only(ports);
        Some(Elsewhere { told: None, proof, files: false, unread: Vec::new() })
    }

    /// The port of another server than the one at `port` that has the path for a route.
    pub fn served_by_another(&self, path: &str, port: u16) -> Option<u16> {
        let program = self.is_target().then(|| self.known_program()).flatten()?;
        let endpoints = program.text.endpoints().ok()?;
        let wildcards = program.version.value.minor >= super::served::WILDCARDS;
        let mut ports = endpoints.servers.iter().filter_map(|server| {
            let mux = server.mux?;
            let own = endpoints.routes.iter().filter(|route| route.mux == Some(mux));
            let has = own.map(|route| taken(&route.pattern, path, wildcards));
            has.max().filter(|taken| *taken == Taken::Exact)?;
            self.port_of(program, &server.address).filter(|other| *other != port)
        });
        ports.next()
    }
}

/// `8080` of `8080`, `:8080` and `0.0.0.0:8080`.
fn port_in(text: &str) -> Option<u16> {
    text.rsplit(':').next()?.parse().ok().filter(|port| *port > 0)
}
