//! `provost prove` on real services that speak something else than plain HTTP/1.1: TLS, HTTP/2, gRPC,
//! WebSockets.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/prove.rs"]
mod proving;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Mutex;

use proving::{each_is_found, findings, fixture, proof, words};
use serde_json::Value;
use support::{Dir, Run};

/// The service of `fixtures/go/service`; PROBE is how it is probed, ENV what else it is given.
const SERVICE: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: service, namespace: shop, labels: {app.kubernetes.io/name: service}}
spec:
  terminationGracePeriodSeconds: 5
  containers:
    - name: service
      image: registry.example/shop/service:1
      args: [ARGS]
      env:
        - {name: PORT, value: "8080"}
        - {name: LAME_DUCK, value: 600ms}
        - {name: TOKEN, valueFrom: {secretKeyRef: {name: service, key: token}}}
      ports: [{name: NAME, containerPort: 8080}]
      PROBES
"#;

const HTTPS: &str = "startupProbe: {httpGet: {path: /livez, port: 8080, scheme: HTTPS}, periodSeconds: 1, failureThreshold: 30}
      readinessProbe: {httpGet: {path: /readyz, port: 8080, scheme: HTTPS}}
      livenessProbe: {httpGet: {path: /livez, port: 8080, scheme: HTTPS}}";

const HTTP: &str = "readinessProbe: {httpGet: {path: /readyz, port: 8080}}
      livenessProbe: {httpGet: {path: /livez, port: 8080}}";

/// That of `fixtures/go/grpc-service`.
const GRPC: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: grpc-service, namespace: shop, labels: {app.kubernetes.io/name: grpc-service}}
spec:
  terminationGracePeriodSeconds: 5
  containers:
    - name: grpc-service
      image: registry.example/shop/grpc-service:1
      env:
        - {name: PORT, value: "8080"}
        - {name: LAME_DUCK, value: 600ms}
      ports: [{name: grpc, containerPort: 8080}]
      startupProbe: {grpc: {port: 8080, service: alive}, periodSeconds: 1, failureThreshold: 30}
      readinessProbe: {grpc: {port: 8080}}
      livenessProbe: {grpc: {port: 8080, service: alive}}
"#;

/// Runs side by side: they mostly wait.
const AT_ONCE: usize = 2;

/// One set of faults at a time: what is measured is in milliseconds.
static ONE: Mutex<()> = Mutex::new(());

/// A way of speaking: arguments of the service, the name of its port, its probes, and flags.
#[derive(Clone, Copy, Debug)]
enum Mode {
    Tls,
    H2c,
    WebSocket,
    Grpc,
}

use Mode::{Grpc, H2c, Tls, WebSocket};

/// A connection of HTTP/2 that Shutdown sends no GOAWAY on, and waits for.
const HANGS: &[&str] =
    &["drain-longer-than-grace", "blocked-at-deadline", "keeps-connections-open-in-drain"];

/// What is found for each fault: by its own rule, and by those whose pages say that they come with it.
const FAULTS: &[(Mode, &str, &[&str])] = &[
    (Tls, "", &[]),
    (Tls, "immediate-shutdown", &["refuses-during-endpoint-removal"]),
    (Tls, "main-returns", &["loses-requests-in-flight", "refuses-during-endpoint-removal"]),
    (Tls, "no-deadline", &["hangs-on-long-request", "blocked-at-deadline"]),
    (Tls, "hangs-in-h2-shutdown", HANGS),
    (Tls, "keeps-connections", &["keeps-connections-open-in-drain"]),
    // No fault: it gives up streams whose client does not read.
    (Tls, "write-timeout", &[]),
    (Tls, "other-path", &["probe-endpoint-missing"]),
    (WebSocket, "", &[]),
    (WebSocket, "websocket-cut", &["loses-requests-in-flight/websocket-cut"]),
    (Grpc, "", &[]),
    (Grpc, "no-health-service", &["grpc-health-incomplete"]),
    (Grpc, "stays-serving", &["grpc-health-stays-serving"]),
    (Grpc, "tls", &["grpc-probe-needs-plaintext"]),
    (Grpc, "immediate", &["refuses-during-endpoint-removal"]),
    (Grpc, "stop", &["loses-requests-in-flight"]),
    (Grpc, "no-fallback", &["hangs-on-long-request", "blocked-at-deadline"]),
];

/// HTTP/2 without TLS is spoken by the standard library since Go 1.24.
const FAULTS_OF_H2C: &[(Mode, &str, &[&str])] = &[
    (H2c, "", &[]),
    (H2c, "main-returns", &["loses-requests-in-flight", "refuses-during-endpoint-removal"]),
    (H2c, "keeps-connections", &["keeps-connections-open-in-drain"]),
];

fn prove(go: &str, mode: Mode, fault: &str, more: &[&str]) -> (Dir, Run) {
    let program = if matches!(mode, Grpc) { "grpc-service" } else { "service" };
    let (arguments, name, probes) = match mode {
        Tls => ("tls", "https", HTTPS),
        H2c => ("h2c", "h2c", ""),
        WebSocket => ("", "http", HTTP),
        Grpc => ("", "", ""),
    };
    let service = SERVICE.replace("ARGS", arguments).replace("NAME", name);
    let pod =
        if matches!(mode, Grpc) { GRPC.to_owned() } else { service.replace("PROBES", probes) };
    // Nobody waits half a minute for what is not there.
    let pod = match fault {
        "other-path" | "no-health-service" | "tls" => pod.replace("Threshold: 30", "Threshold: 3"),
        _ => pod,
    };
    let sandbox = proving::sandbox(program, &fixture(program, go), &pod);
    let fault = format!("FAULT={fault}");
    let mut args = vec!["prove", "--binary", program, "--manifest", "pod.yaml", "--env", &fault];
    args.extend(["--ready-within", "10", "--write-proof", "proof.json"]);
    if matches!(mode, WebSocket) {
        args.extend(["--websocket", "/ws"]);
    }
    args.extend(more);
    let run = sandbox.provost(&args);
    (sandbox, run)
}

/// Every fault is found by its own check and by no other.
fn each_fault_is_found(go: &str, faults: &[(Mode, &str, &'static [&'static str])]) {
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    each_is_found(faults, AT_ONCE, |(mode, fault, expected)| {
        let (_, run) = prove(go, *mode, fault, &["--format", "json"]);
        (format!("{mode:?} {fault}"), expected, findings(&run), run)
    });
}

#[test]
fn each_fault_of_go_1_22_services_by_other_protocols_is_found() {
    each_fault_is_found("1.22", FAULTS);
}

#[test]
fn each_fault_of_go_1_27_services_by_other_protocols_is_found() {
    each_fault_is_found("1.27", FAULTS);
}

#[test]
fn each_fault_of_a_service_that_speaks_h2c_is_found() {
    each_fault_is_found("1.27", FAULTS_OF_H2C);
}

/// Phases of a proof, by name.
fn phase(sandbox: &Dir, name: &str) -> Value {
    let proof = proof(sandbox);
    let phases = proof["phases"].as_array().unwrap();
    phases.iter().find(|phase| phase["name"] == name).unwrap().clone()
}

fn of<'p>(phase: &'p Value, purpose: &str) -> Vec<&'p Value> {
    let requests = phase["requests"].as_array().unwrap();
    requests.iter().filter(|request| request["purpose"] == purpose).collect()
}

#[test]
fn what_is_spoken_is_asked_where_no_manifest_says_it() {
    let cases = [("tls", "h2", "HTTP/2 over TLS"), ("h2c", "h2c", "HTTP/2 without TLS (h2c)")];
    for (arguments, protocol, name) in cases {
        let sandbox = Dir::new();
        symlink(fixture("service", "1.27"), sandbox.path().join("service")).unwrap();
        let mut args = vec!["prove", "--binary", "service", "--env", "PORT=8080", "--env"];
        args.extend(["TOKEN=not-a-secret", "--env", "LAME_DUCK=1s", "--phase", "start"]);
        args.extend(["--write-proof", "proof.json", "--", arguments]);
        let run = sandbox.provost(&args);
        assert!(run.err.contains(&format!("port 8080 speaks {name} (it answered")), "{run}");
        assert_eq!(phase(&sandbox, "start")["protocol"], protocol, "{run}");
        assert!(phase(&sandbox, "start")["ready_us"].is_u64(), "{run}");
    }
}

#[test]
fn probes_of_kubernetes_1_37_speak_what_their_fields_say() {
    let of = |program: &str, pod: &str, more: &[&str]| {
        let sandbox = proving::sandbox(program, &fixture(program, "1.27"), pod);
        let mut args = vec!["prove", "--binary", program, "--manifest", "pod.yaml"];
        args.extend(["--phase", "start", "--ready-within", "5", "--write-proof", "proof.json"]);
        args.extend(more);
        let run = sandbox.provost(&args);
        let ready = phase(&sandbox, "start")["ready_us"].is_u64();
        (ready, words(&run.err), run)
    };
    let asks = "readinessProbe: {httpGet: {path: /readyz, port: 8080, protocol: HTTP2}}";
    let pod = SERVICE.replace("ARGS", "h2c").replace("NAME", "web").replace("PROBES", asks);
    let (ready, said, run) = of("service", &pod, &[]);
    assert!(ready, "{run}");
    let told = "the readiness probe was made by protocol: HTTP2, as from Kubernetes 1.37 on where \
                H2CContainerProbe is turned on";
    assert!(said.contains(told), "{run}");
    // What elsewhere becomes of the field, and this server speaks nothing else.
    let (ready, said, run) = of("service", &pod.replace(", protocol: HTTP2", ""), &[]);
    assert!(!ready && !said.contains("H2CContainerProbe"), "{run}");
    let tls = GRPC.replace("{port: 8080", "{port: 8080, mode: TLS");
    let (ready, said, run) = of("grpc-service", &tls, &["--env", "FAULT=tls"]);
    assert!(ready && said.contains("mode: TLS"), "{run}");
    assert!(said.contains("port 8080 speaks gRPC over TLS"), "{run}");
}

#[test]
fn calls_are_in_flight_until_the_server_says_goaway() {
    let (sandbox, run) = prove("1.27", Grpc, "", &["--phase", "drain"]);
    assert_eq!(run.code, 0, "{run}");
    let drain = phase(&sandbox, "drain");
    let told = drain["signals"][0]["at_us"].as_u64().unwrap();
    let goaway = drain["watched"]["goaway_us"].as_u64().unwrap();
    assert!(goaway > told + 500_000, "it goes on serving for 600 ms: {drain}");
    let slow = of(&drain, "slow");
    assert_eq!(slow.len(), 8, "{drain}");
    for call in slow {
        assert_eq!(call["outcome"]["serving"], 1, "it was asked before SIGTERM: {call}");
        assert!(call["end_us"].as_u64().unwrap() > goaway, "{call}");
    }
    let states = drain["watched"]["states"].as_array().unwrap();
    let said: Vec<u64> = states.iter().map(|state| state["serving"].as_u64().unwrap()).collect();
    assert_eq!(said, [1, 2], "{drain}");
}

#[test]
fn a_stream_of_the_services_own_is_in_flight_at_sigterm() {
    let more = ["--phase", "drain", "--slow-path", "/shop.Orders/Watch", "--format", "json"];
    let (sandbox, run) = prove("1.27", Grpc, "", &more);
    assert_eq!(findings(&run), BTreeSet::new(), "{run}");
    let drain = phase(&sandbox, "drain");
    let calls = of(&drain, "call");
    assert!(calls.len() == 1 && calls[0]["outcome"]["grpc"] == 14, "{calls:?}");
    let told = drain["signals"][0]["at_us"].as_u64().unwrap();
    assert!(calls[0]["end_us"].as_u64().unwrap() > told, "{calls:?}");
    let (_, run) = prove("1.27", Grpc, "keeps-streams", &more);
    let cut = BTreeSet::from(["loses-requests-in-flight/stream-cut".to_owned()]);
    assert_eq!(findings(&run), cut, "{run}");
}

#[test]
fn a_handshake_that_is_not_finished_is_open_when_sigterm_comes() {
    let (sandbox, run) = prove("1.27", Tls, "no-deadline", &["--phase", "stuck"]);
    assert_eq!(run.code, 1, "{run}");
    let stuck = phase(&sandbox, "stuck");
    let told = stuck["signals"][0]["at_us"].as_u64().unwrap();
    let handshakes = of(&stuck, "handshake");
    assert_eq!(handshakes.len(), 1, "{stuck}");
    // net/http lets it go five seconds after it was accepted, which is the grace period here.
    let held = handshakes[0]["end_us"].as_u64().unwrap() - told;
    assert!(held > 3_000_000, "{stuck}");
    assert!(
        words(&run.out).contains("a client asks and does not read what it is answered"),
        "{run}"
    );
}

#[test]
fn a_websocket_that_is_none_is_not_judged() {
    for (path, judged) in [("/livez", false), ("/ws", true)] {
        let more = ["--phase", "drain", "--websocket", path, "--format", "json"];
        let (sandbox, run) = prove("1.27", Tls, "", &more);
        assert_eq!(findings(&run), BTreeSet::new(), "{run}");
        let drain = phase(&sandbox, "drain");
        let expected = if judged { "close-frame" } else { "answered" };
        assert_eq!(of(&drain, "web-socket")[0]["outcome"]["is"], expected, "{run}");
        assert_eq!(!run.out.contains("the WebSocket at"), judged, "{run}");
    }
}

#[test]
fn the_picture_of_a_drain_has_what_goes_by_other_protocols() {
    let more = ["--phase", "drain", "--format", "html=report.html", "--format", "text"];
    let (sandbox, run) = prove("1.27", Grpc, "stop", &more);
    assert!(
        words(&run.out).contains("gRPC calls that were in flight at SIGTERM were lost"),
        "{run}"
    );
    assert!(words(&run.out).contains("port 8080 speaks gRPC without TLS"), "{run}");
    let page = fs::read_to_string(sandbox.path().join("report.html")).unwrap();
    let drain = page.split("<figure id=\"run-drain\">").nth(1).unwrap();
    assert!(drain.contains(">health watched</text>"), "{page}");
}
