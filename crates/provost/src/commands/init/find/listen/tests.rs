//! Listeners as programs write them.

use super::super::{file, settings};
use super::*;

fn shown(source: &str) -> String {
    let file = file::read(&format!("package main\n{source}"));
    let view = View { packages: vec![vec![&file]] };
    let settings = settings::read(&view);
    let ports = ports(&view, &settings, "price-list");
    let mut lines: Vec<String> = ports
        .all()
        .map(|(name, port)| {
            let variable = port.setting().map(|(k, v)| format!(" {k}={v}")).unwrap_or_default();
            let assumed = if port.assumed { " assumed" } else { "" };
            let loopback = if port.loopback { " loopback" } else { "" };
            let secure = match port.secure {
                Secure::Plain => "",
                Secure::Tls => " TLS",
                Secure::Unknown => " TLS?",
            };
            format!("{name} {}{variable}{assumed}{loopback}{secure}", port.port)
        })
        .collect();
    lines.extend(ports.private.listeners.iter().map(|port| {
        let variable = port.variable.as_ref().map(|(name, _)| format!(" {name}"));
        format!("private {}{}", port.port, variable.unwrap_or_default())
    }));
    lines.extend(ports.others.iter().map(|port| format!("other {port}")));
    lines.extend(ports.unknown.then(|| "unknown".to_owned()));
    lines.join(", ")
}

#[test]
fn ports_are_found_where_services_name_them() {
    let http = "import \"net/http\"\n";
    for (source, expected) in [
        ("func main() { http.ListenAndServe(\":8081\", nil) }", "http 8081"),
        ("func main() { http.ListenAndServe(addr, nil) }", "http 8080 assumed"),
        (
            "func main() { http.ListenAndServe(\":\"+os.Getenv(\"PORT\"), nil) }",
            "http 8080 PORT=8080",
        ),
        (
            "func main() { s := &http.Server{Addr: env(\"LISTEN_ADDR\", \":9000\")}; s.ListenAndServe() }",
            "http 9000 LISTEN_ADDR=:9000",
        ),
        (
            "func main() { addr := \":7000\"; if p := os.Getenv(\"PORT\"); p != \"\" { addr = \":\" + p }; http.ListenAndServe(addr, nil) }",
            "http 7000 PORT=7000",
        ),
        (
            "func main() { addr := flag.String(\"addr\", \":8443\", \"where\"); http.ListenAndServe(*addr, nil) }",
            "http 8443",
        ),
        ("func main() { http.ListenAndServe(\"localhost:8080\", nil) }", "http 8080 loopback"),
        (
            "func main() { port := flag.Int(\"port\", 8090, \"where\"); http.ListenAndServe(fmt.Sprintf(\":%d\", *port), nil) }",
            "http 8090",
        ),
        (
            "func main() { cmd.Flags().IntVarP(&p, \"http-port\", \"p\", 8090, \"\"); cmd.Flags().IntVar(&m, \"metrics-port\", 9091, \"\"); flag.Int(\"db-port\", 5432, \"\"); http.ListenAndServe(at(p), nil) }",
            "http 8090, metrics 9091",
        ),
        (
            "func main() { http.ListenAndServe(os.Getenv(\"PRICE_LIST_PORT\"), r(\"REDIS_ADDR\")); os.Getenv(\"REDIS_PORT\") }",
            "http 8080 PRICE_LIST_PORT=8080",
        ),
        (
            "func main() { go http.ListenAndServe(\":9100\", promhttp); http.ListenAndServe(\":80\", nil) }",
            "http 80, metrics 9100",
        ),
        (
            "func main() { go http.ListenAndServe(\":8081\", f()); http.ListenAndServe(\":8080\", nil) }",
            "http 8081, other 8080",
        ),
        (
            "func main() { env(\"PORT\", \"80\"); http.ListenAndServe(p, nil) }",
            "http 8080 PORT=8080",
        ),
        (
            "func main() { http.ListenAndServe(os.Getenv(\"HTTP_ADDR\"), a); http.ListenAndServe(os.Getenv(\"METRICS_ADDR\"), b) }",
            "http 8080 HTTP_ADDR=:8080, metrics 9090 METRICS_ADDR=:9090",
        ),
        ("func main() { c := redis.Options{Addr: \"localhost:6379\"}; http.Get(c) }", ""),
        (
            "func main() { http.ListenAndServe(os.Getenv(\"PORT\"), a); http.ListenAndServe(os.Getenv(\"INTERNAL_ADDR\"), b); os.Getenv(\"RAFT_ADDR\") }",
            "http 8080 PORT=8080, admin 8081 INTERNAL_ADDR=:8081",
        ),
    ] {
        assert_eq!(shown(&format!("{http}{source}")), expected, "{source}");
    }
}

#[test]
fn what_is_for_operators_on_loopback_stays_there() {
    let http = "import (\n\"net/http\"\n_ \"net/http/pprof\"\n)\n";
    for (source, expected) in [
        (
            "func main() { env(\"LISTEN_ADDR\", \":8080\"); env(\"DEBUG_ADDR\", \"127.0.0.1:6060\"); http.ListenAndServe(a, b) }",
            "http 8080 LISTEN_ADDR=:8080, private 6060 DEBUG_ADDR",
        ),
        (
            "func main() { env(\"METRICS_ADDR\", \"localhost:9090\"); http.ListenAndServe(\":8080\", b) }",
            "http 8080, private 9090 METRICS_ADDR",
        ),
        // Who wants requests has to be reached.
        (
            "func main() { env(\"LISTEN_ADDR\", \"127.0.0.1:8080\"); http.ListenAndServe(a, b) }",
            "http 8080 LISTEN_ADDR=:8080",
        ),
        // Off until somebody sets it.
        (
            "func main() { os.Getenv(\"PPROF_ADDR\"); http.ListenAndServe(\":8080\", b) }",
            "http 8080",
        ),
        (
            "func main() { go http.ListenAndServe(\"localhost:6060\", nil); http.ListenAndServe(\":8080\", b) }",
            "http 8080, private 6060",
        ),
        (
            "func main() { go http.ListenAndServe(\":6060\", nil); http.ListenAndServe(\":8080\", b) }",
            "http 8080, admin 6060",
        ),
        (
            "func main() { s := http.Server{Addr: \"[::1]:6060\"}; go s.ListenAndServe(); http.ListenAndServe(\":8080\", b) }",
            "http 8080, private 6060",
        ),
        // A worker's.
        ("func main() { go http.ListenAndServe(\"localhost:6060\", nil) }", "private 6060"),
        (
            "func main() { flag.String(\"debug-addr\", \"127.0.0.1:6060\", \"\"); http.ListenAndServe(\":8080\", b) }",
            "http 8080, private 6060",
        ),
        // A client's.
        (
            "func main() { flag.String(\"redis-addr\", \"127.0.0.1:6379\", \"\"); c := redis.Options{Addr: \"localhost:6379\"}; http.ListenAndServe(\":8080\", c) }",
            "http 8080",
        ),
    ] {
        assert_eq!(shown(&format!("{http}{source}")), expected, "{source}");
    }
}

#[test]
fn a_guess_is_no_number_that_another_listener_has() {
    let http = "import \"net/http\"\n";
    for (source, expected) in [
        (
            "func main() { f(os.Getenv(\"PORT\")); env(\"ADMIN_ADDR\", \":8080\"); http.ListenAndServe(a, b) }",
            "http 8081 PORT=8081, admin 8080 ADMIN_ADDR=:8080",
        ),
        (
            "func main() { env(\"PORT\", \"8081\"); os.Getenv(\"HEALTH_PORT\"); http.ListenAndServe(a, b) }",
            "http 8081 PORT=8081, admin 8082 HEALTH_PORT=8082",
        ),
        // Both say it: it is one.
        (
            "func main() { env(\"PORT\", \"8081\"); env(\"HEALTH_PORT\", \"8081\"); http.ListenAndServe(a, b) }",
            "http 8081 PORT=8081",
        ),
    ] {
        assert_eq!(shown(&format!("{http}{source}")), expected, "{source}");
    }
}

#[test]
fn a_program_that_listens_somewhere_is_no_program_without_callers() {
    for (source, expected) in [
        ("import \"net\"\nfunc main() { net.Listen(\"tcp\", addr) }", "unknown"),
        ("import \"net\"\nfunc main() { net.ListenPacket(\"udp\", \":53\") }", "unknown"),
        ("import \"crypto/tls\"\nfunc main() { tls.Listen(\"tcp\", a, c) }", "unknown"),
        (
            "import ctrl \"sigs.k8s.io/controller-runtime\"\nfunc main() { ctrl.NewManager(a) }",
            "unknown",
        ),
        ("import \"net/http\"\nfunc main() { lib.Go(&http.Server{Handler: h}) }", "unknown"),
        ("import \"net\"\nfunc main() { net.Dial(\"tcp\", \"a:1\") }", ""),
        (
            "import \"net/http\"\nfunc main() { s := &http.Server{Addr: \":8443\"}; s.ServeTLS(l, c, k) }",
            "http 8443 TLS",
        ),
        (
            "import \"github.com/labstack/echo/v4\"\nfunc main() { e := echo.New(); e.StartAutoTLS(\":8443\") }",
            "http 8443 TLS",
        ),
        (
            "import \"github.com/gin-gonic/gin\"\nfunc main() { gin.New().RunTLS(\":8443\", c, k) }",
            "http 8443 TLS",
        ),
    ] {
        assert_eq!(shown(source), expected, "{source}");
    }
}

/// A worker got a Service and an autoscaler for the port of its metrics.
#[test]
fn a_server_of_paths_for_operators_is_none_for_requests() {
    let served = |routes: &str, server: &str| {
        shown(&format!(
            "import \"net/http\"\nfunc main() {{ mux := http.NewServeMux(); {routes}; {server} }}"
        ))
    };
    let server = "s := &http.Server{Addr: \":9465\", Handler: mux}; go s.ListenAndServe()";
    let probes = "mux.Handle(\"/metrics\", promhttp.Handler()); mux.HandleFunc(\"GET /alive\", ok)";
    assert_eq!(served(probes, server), "metrics 9465");
    assert_eq!(served(probes, "http.ListenAndServe(\":9465\", mux)"), "metrics 9465");
    assert_eq!(
        served("http.HandleFunc(\"/metrics\", ok)", "http.ListenAndServe(\":9465\", nil)"),
        "metrics 9465"
    );
    for routes in [
        "",
        "mux.HandleFunc(\"/healthz\", ok)",
        "mux.HandleFunc(\"/metrics\", ok); mux.HandleFunc(\"/\", ok)",
        "mux.HandleFunc(\"/metrics\", ok); mux.HandleFunc(\"/debug/pprof/\", pprof.Index)",
        "mux.HandleFunc(\"/metrics\", ok); mux.HandleFunc(\"POST /orders\", ok)",
        "mux.HandleFunc(\"/metrics\", ok); mux.Handle(v1connect.NewOrders(svc))",
        "mux.HandleFunc(\"/metrics\", ok); api.HandlerFromMux(svc, mux)",
        "mux.HandleFunc(\"/metrics\", ok); r.HandleFunc(\"/orders\", ok)",
        "mux.HandleFunc(\"/metrics\", ok); mux.HandlePath(\"GET\", \"/orders\", ok)",
    ] {
        assert_eq!(served(routes, server), "http 9465", "{routes}");
    }
    // What wraps the router may answer by itself, and so may another server.
    let wrapped = "s := &http.Server{Addr: \":9465\", Handler: api(mux)}; s.ListenAndServe()";
    assert_eq!(served(probes, wrapped), "http 9465");
    let two = format!("{server}; http.ListenAndServe(\":8080\", api)");
    assert!(served(probes, &two).contains("http "), "{}", served(probes, &two));
}

#[test]
fn names_are_taken_apart_at_their_words() {
    for (name, expected) in [
        ("GRPC_ADDR", Some(Role::Grpc)),
        ("GRPCAddr", Some(Role::Grpc)),
        ("metricsServer", Some(Role::Metrics)),
        ("health-probe-bind-address", Some(Role::Admin)),
        ("shopsAddr", None),
        ("promptListener", None),
        ("INTERNAL_ADDR", Some(Role::Admin)),
        ("opsMux", Some(Role::Admin)),
        ("expvarServer", Some(Role::Admin)),
        ("liveAddr", Some(Role::Admin)),
        ("grpcMetricsAddr", Some(Role::Grpc)),
        // Words of a shop's as well.
        ("profileHandler", None),
        ("statusMux", None),
        ("readyOrders", None),
        ("", None),
    ] {
        assert_eq!(role(name), expected, "{name}");
    }
}

#[test]
fn grpc_has_a_port_of_its_own() {
    let grpc = "import (\n\"net/http\"\n\"google.golang.org/grpc\"\n)\n";
    for (source, expected) in [
        (
            "func main() { l, _ := net.Listen(\"tcp\", \":9000\"); s := grpc.NewServer(); s.Serve(l) }",
            "grpc 9000",
        ),
        (
            "func main() { l, _ := net.Listen(\"tcp\", os.Getenv(\"LISTEN_ADDR\")); grpc.NewServer().Serve(l) }",
            "grpc 50051 LISTEN_ADDR=:50051",
        ),
        (
            "func main() { net.Listen(\"tcp\", \":9000\"); grpc.NewServer(); http.ListenAndServe(\":8080\", nil) }",
            "http 8080, grpc 9000",
        ),
        (
            "func main() { net.Listen(\"tcp\", \":9000\"); grpc.NewServer(); http.ListenAndServe(env(\"METRICS_ADDR\", \":9102\"), nil) }",
            "grpc 9000, metrics 9102 METRICS_ADDR=:9102",
        ),
    ] {
        assert_eq!(shown(&format!("{grpc}{source}")), expected, "{source}");
    }
}
