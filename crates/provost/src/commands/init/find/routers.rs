//! Which port a router is served on, where the source says it.
//!
//! `http.ListenAndServe(*admin, m)` and `http.Server{Addr: *admin, Handler: m}` make `m` a router for
//! operators whatever it is called. Where a router is handed on, wrapped or made twice under one name, its
//! name is all there is.

use std::collections::BTreeMap;

use super::Names;
use super::file::{GoFile, Value};
use super::listen::{self, Ports, STARTS};

/// Routers of a package by the variable that holds them, with whether each address that they are served on is
/// one for operators; `None` for an address that does not tell.
pub(super) struct Routers<'f>(BTreeMap<&'f str, Vec<Option<bool>>>);

impl<'f> Routers<'f> {
    pub(super) fn of(files: &[&'f GoFile], names: &Names<'_>, ports: Option<&Ports>) -> Self {
        let mut served: BTreeMap<&str, Vec<Option<bool>>> = BTreeMap::new();
        let mut serve = |router: &'f str, address: Option<&Value>| {
            let tells = address.and_then(|address| for_operators(address, names, ports));
            served.entry(router).or_default().push(tells);
        };
        for file in files {
            for call in &file.calls {
                match (call.name.as_str(), call.arguments.as_slice()) {
                    (
                        "ListenAndServe" | "ListenAndServeTLS",
                        [address, .., Value::Name(router)],
                    ) => serve(router, Some(address)),
                    // `admin.Run(":9090")` of frameworks.
                    (name, [address, ..]) if STARTS.contains(&name) => {
                        serve(&call.receiver, Some(address));
                    }
                    _ => {}
                }
            }
            let of_server = |key: &'static str| {
                file.fields.iter().filter(move |field| field.of == "Server" && field.key == key)
            };
            for handler in of_server("Handler") {
                if let Value::Name(router) = &handler.value {
                    let address = of_server("Addr").find(|field| field.literal == handler.literal);
                    serve(router, address.map(|field| &field.value));
                }
            }
        }
        // Of two variables of one name nobody knows here which one is served.
        served.retain(|router, _| {
            files.iter().filter_map(|file| file.made.get(*router)).sum::<usize>() <= 1
        });
        Routers(served)
    }

    /// Whether the router in a variable is for operators: by where it is served, else by its name.
    pub(super) fn is_for_operators(&self, router: &str) -> bool {
        let served = self.0.get(router).map(Vec::as_slice).unwrap_or_default();
        if served.contains(&Some(false)) {
            return false;
        }
        let all = !served.is_empty() && served.iter().all(|tells| *tells == Some(true));
        all || listen::is_for_operators(router)
    }
}

/// Whether an address to listen on is one for operators: by the port that it has, else by its name.
fn for_operators(address: &Value, names: &Names<'_>, ports: Option<&Ports>) -> Option<bool> {
    let port = names.text(Some(address)).and_then(listen::address).map(|(port, _)| port);
    if let (Some(port), Some(ports)) = (port, ports) {
        let is = |own: &Option<listen::Listener>| own.as_ref().is_some_and(|own| own.port == port);
        let private = ports.private.listeners.iter().any(|own| own.port == port);
        if private || is(&ports.admin) || is(&ports.metrics) {
            return Some(true);
        }
        if is(&ports.http) || is(&ports.grpc) || ports.others.contains(&port) {
            return Some(false);
        }
    }
    match address {
        Value::Name(name) | Value::Member(_, name) => {
            listen::is_for_operators(name).then_some(true)
        }
        _ => None,
    }
}
