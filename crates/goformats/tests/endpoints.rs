//! Where the servers of real binaries listen and what each answers, against their sources (`fixtures/go/ports/main.go` and
//! others).

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::of_program;
use goformats::gostrings::{Addr, ConnectionAge, Unrouted};

#[test]
fn each_server_has_its_address_and_its_own_routes() {
    of_program("ports", |_, strings| {
        let found = strings.endpoints().map_err(|why| format!("{why:?}"))?;
        let at = |addr: &Addr<'_>| found.servers.iter().find(|server| server.addr == *addr);
        let routes = |addr: &Addr<'_>| {
            let mux = at(addr)?.mux?;
            let own = found.routes.iter().filter(|route| route.mux == Some(mux));
            Some(own.map(|route| route.pattern).collect::<Vec<_>>())
        };
        let web = routes(&Addr::Setting("HTTP_PORT"));
        let metrics = routes(&Addr::Text(":9464"));
        let proxy = found.servers.iter().find(|server| server.function == "main.proxied");
        let proxied = proxy.is_some_and(|server| {
            server.addr == Addr::Unknown && server.mux.is_none() && server.handler.is_err()
        });
        let known = web == Some(vec!["/healthz", "/orders/"]) && metrics == Some(vec!["/metrics"]);
        if known
            && proxied
            && found.servers.len() == 3
            && found.grpc == Some(Addr::Setting("GRPC_PORT"))
            && !found.mixed
            && found.complete
        {
            return Ok(());
        }
        Err(format!("{found:#?}"))
    });
}

/// One server that decides itself does not take what is known of the others away, and leaves the paths of the program
/// open.
#[test]
fn a_proxy_beside_leaves_the_other_servers_known() {
    of_program("ports", |_, strings| match strings.routes() {
        Err(
            Unrouted::Handler { function: "main.proxied", .. }
            | Unrouted::UnclearHandler("main.proxied"),
        ) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// The functions of TLS are linked with every client and every server of HTTP. Before Go 1.20 nothing says whose code a
/// short one stands in.
#[test]
fn tls_is_served_by_who_asks_for_it() {
    for program in ["ports", "routes", "server"] {
        of_program(program, |fixture, strings| match strings.serves_tls() {
            serves if serves == (fixture.minor() < 20) => Ok(()),
            serves => Err(format!("serves TLS: {serves}")),
        });
    }
    for program in ["service", "tlslistener"] {
        of_program(program, |_, strings| match strings.serves_tls() {
            true => Ok(()),
            false => Err("serves no TLS".to_owned()),
        });
    }
}

#[test]
fn the_age_of_connections_is_read() {
    of_program("ports", |_, strings| match strings.connection_age() {
        ConnectionAge::Set { function: "main.main", .. } => Ok(()),
        other => Err(format!("{other:?}")),
    });
    of_program("grpc-service", |_, strings| match strings.connection_age() {
        ConnectionAge::Unset => Ok(()),
        other => Err(format!("{other:?}")),
    });
}
