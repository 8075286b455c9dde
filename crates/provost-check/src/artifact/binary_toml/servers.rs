//! Servers of a program as a rule page states them.

use serde::Deserialize;

use super::Page;
use crate::facts::Origin;
use crate::facts::program_text::{Endpoints, HttpServer, Route, ServerAddress};

/// A server of HTTP.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageServer {
    listens: String,
    #[serde(default)]
    pub(super) routes: Vec<String>,
    pub(super) handler: Option<String>,
}

/// A setting, or an address that is written out.
fn server_address(text: &str) -> ServerAddress {
    match text.contains(':') {
        true => ServerAddress::Text(text.to_owned()),
        false => ServerAddress::Setting(text.to_owned()),
    }
}

pub(super) fn endpoints(page: &Page, origin: &Origin) -> Option<Endpoints> {
    if page.servers.is_empty() && page.grpc.is_none() {
        return None;
    }
    let servers = page.servers.iter().enumerate().map(|(number, server)| HttpServer {
        function: "main.main".to_owned(),
        handler: server.handler.clone().map_or(Ok(()), Err),
        mux: server.handler.is_none().then_some(number),
        address: server_address(&server.listens),
    });
    let routes = page.servers.iter().enumerate().flat_map(|(number, server)| {
        server.routes.iter().map(move |pattern| Route {
            pattern: pattern.clone(),
            function: "main.main".to_owned(),
            origin: origin.clone(),
            mux: Some(number),
        })
    });
    Some(Endpoints {
        servers: servers.collect(),
        routes: routes.collect(),
        grpc: page.grpc.as_deref().map(server_address),
        mixed: page.mixed,
        complete: true,
    })
}
