//! `provost prove` on a real service that sends traces by OpenTelemetry's own exporters, and what can be
//! asked of several runs.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/prove.rs"]
mod proving;
mod support;

use std::collections::BTreeSet;
use std::fs;

use proving::{each_is_found, findings, fixture, proof, words};
use serde_json::Value;
use support::{Dir, Run};

/// The service of `fixtures/go/traced` as a pod runs it.
const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: traced, namespace: shop, labels: {app.kubernetes.io/name: traced}}
spec:
  terminationGracePeriodSeconds: 5
  containers:
    - name: traced
      image: registry.example/shop/traced:1
      env:
        - {name: PORT, value: "8080"}
        - {name: LAME_DUCK, value: 600ms}
        - {name: OTEL_SERVICE_NAME, value: traced}
        - {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: "https://collector.observability.example:4318"}
        - {name: OTEL_EXPORTER_OTLP_COMPRESSION, value: gzip}
        - {name: OTEL_SEMCONV_STABILITY_OPT_IN, value: http/dup}
      ports: [{name: http, containerPort: 8080}]
      readinessProbe: {httpGet: {path: /readyz, port: http}}
      livenessProbe: {httpGet: {path: /livez, port: http}}
"#;

/// What is found for each fault.
const FAULTS: &[(&str, &[&str])] = &[
    ("", &[]),
    ("own-endpoint", &["ignores-otel-settings"]),
    ("no-provider", &["ignores-otel-settings/nothing-sent"]),
    ("no-propagator", &["breaks-trace-parent"]),
    ("always-samples", &["breaks-trace-parent/ignores-sampled-flag"]),
    ("error-on-404", &["wrong-span-status"]),
    ("bare-span", &["unconventional-span-attributes"]),
    ("legacy-attributes", &["unconventional-span-attributes/legacy-names"]),
    // No fault: it has had enough, whoever takes its telemetry.
    ("limited", &[]),
    // It grows, whoever takes its telemetry.
    ("cache", &[]),
    // No fault: those that are sampled have theirs.
    ("exemplars", &[]),
    ("exemplars-of-all", &["exemplar-without-trace"]),
    ("exemplars-of-none", &["exemplar-without-trace"]),
    ("no-flush", &["loses-last-telemetry"]),
    ("waits-for-exporter", &["exporter-failure-hurts-service"]),
    ("unbounded-queue", &["exporter-failure-hurts-service/memory-grows"]),
    ("flushes-for-ever", &["exporter-failure-hurts-service/holds-up-end"]),
    ("other-name", &["service-name-differs"]),
];

/// Runs side by side: they mostly wait.
const AT_ONCE: usize = 3;

fn sandbox(name: &str, go: &str, pod: &str) -> Dir {
    proving::sandbox(name, &fixture(name, go), pod)
}

fn prove(sandbox: &Dir, more: &[&str]) -> Run {
    let args = ["prove", "--binary", "traced", "--manifest", "pod.yaml", "--path", "/"];
    sandbox.provost(&args.iter().chain(more).copied().collect::<Vec<_>>())
}

/// Every fault is found by its own check and by no other.
fn each_fault_is_found(go: &str) {
    each_is_found(FAULTS, AT_ONCE, |(fault, expected)| {
        let sandbox = sandbox("traced", go, POD);
        let fault_is = format!("FAULT={fault}");
        let run = prove(&sandbox, &["--env", &fault_is, "--format", "json"]);
        ((*fault).to_owned(), expected, findings(&run), run)
    });
}

#[test]
fn each_fault_of_traces_of_a_go_1_22_service_is_found() {
    each_fault_is_found("1.22");
}

#[test]
fn each_fault_of_traces_of_a_go_1_27_service_is_found() {
    each_fault_is_found("1.27");
}

#[test]
fn requests_that_go_unanswered_without_a_collector_are_made_again_with_one() {
    let sandbox = sandbox("traced", "1.27", POD);
    let of = |fault: &str| {
        let fault = format!("FAULT={fault}");
        let more = ["--env", &fault, "--phase", "telemetry", "--phase", "exporter-failure"];
        let run = prove(&sandbox, &[&more[..], &["--write-proof", "proof.json"]].concat());
        (run, proof(&sandbox)["phases"][1].clone())
    };
    let bad = |phase: &Value| {
        let requests = phase["requests"].as_array().unwrap();
        let untaken = requests.iter().filter(|request| request["purpose"] == "untaken");
        untaken
            .filter(|it| it["outcome"]["is"] != "answered" || it["outcome"]["status"] == 503)
            .count()
    };
    let (run, phase) = of("waits-for-exporter");
    let said = words(&run.out);
    assert!(said.contains("requests are not answered while the collector"), "{run}");
    let control = &phase["repeats"][0];
    let turns = control["telemetry"]["turns"].as_array().unwrap();
    assert!(turns.iter().all(|turn| turn["to"] == "takes"), "{control}");
    assert!(bad(&phase) > 0 && bad(control) == 0, "{run}");
    // A limit that the first bursts do not reach on a slow machine is not reached by the control either.
    let (run, phase) = of("limited");
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(bad(&phase) > 0, phase["repeats"].is_array(), "{run}");
    assert!(bad(&phase) == 0 || bad(&phase["repeats"][0]) > 0, "{run}");
    let (_, phase) = of("");
    assert!(phase["repeats"].is_null());
}

#[test]
fn memory_that_grows_without_a_collector_is_held_against_another_process_that_has_one() {
    let sandbox = sandbox("traced", "1.27", POD);
    let of = |variable: &str| {
        let more = ["--env", variable, "--phase", "telemetry", "--phase", "exporter-failure"];
        let run = prove(&sandbox, &[&more[..], &["--write-proof", "proof.json"]].concat());
        (run, proof(&sandbox))
    };
    let grown = |phase: &Value| {
        let bytes = |of: Option<&Value>| of.unwrap()["bytes"].as_u64().unwrap();
        let memory = phase["telemetry"]["memory"].as_array().unwrap();
        bytes(memory.last()).saturating_sub(bytes(memory.get(2))) >> 20
    };
    let (run, proof) = of("FAULT=unbounded-queue");
    let phase = &proof["phases"][1];
    let control = &phase["repeats"][0];
    assert!(words(&run.out).contains("memory grows with every request"), "{run}");
    assert!(grown(phase) >= 2 * grown(control), "{phase}");
    // What a cache keeps it keeps of all requests.
    let (run, proof) = of("FAULT=cache");
    assert_eq!(run.code, 0, "{run}");
    assert!(proof["phases"][1]["repeats"].is_array(), "{proof}");
    // A longer queue is given more requests to fill it.
    let (run, proof) = of("OTEL_BSP_MAX_QUEUE_SIZE=4096");
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(proof["terms"]["otlp"]["queue"], 4096);
    assert!(proof["phases"][1]["repeats"].is_null(), "{proof}");
}

#[test]
fn grpc_is_understood_and_what_is_repointed_is_said() {
    let pod = POD.replace(
        "{name: OTEL_EXPORTER_OTLP_COMPRESSION, value: gzip}",
        "{name: OTEL_EXPORTER_OTLP_PROTOCOL, value: grpc}",
    );
    assert!(pod.contains("grpc"));
    let sandbox = sandbox("traced", "1.27", &pod);
    let run = prove(&sandbox, &["--phase", "telemetry", "--write-proof", "proof.json"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.err.contains("OTEL_EXPORTER_OTLP_ENDPOINT leads to a sink on loopback"), "{run}");
    let telemetry = &proof(&sandbox)["phases"][0]["telemetry"];
    assert_eq!(telemetry["exports"][0]["by"], "grpc", "{telemetry}");
    assert_eq!(telemetry["services"][0], "traced");
    assert!(telemetry["spans"].as_array().unwrap().len() >= 9, "{telemetry}");
    // What a kubelet asks for is not traced, and says nothing.
    let args = ["prove", "--binary", "traced", "--manifest", "pod.yaml", "--phase", "telemetry"];
    let more = ["--env", "FAULT=no-provider", "--format", "json"];
    let run = sandbox.provost(&args.iter().chain(&more).copied().collect::<Vec<_>>());
    assert_eq!(findings(&run), BTreeSet::new(), "{run}");
    assert!(run.out.contains("name one with --path"), "{run}");
}

/// Answers every request with 200, one connection after the other.
fn other_service() -> u16 {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").ok();
                }
            });
        }
    });
    port
}

#[test]
fn a_call_to_another_service_carries_the_trace_of_its_request() {
    let dependency = format!("tcp:9000=other=127.0.0.1:{}", other_service());
    let sandbox = sandbox("traced", "1.27", POD);
    for (fault, expected) in [("", None), ("plain-client", Some("no-outgoing-trace"))] {
        let fault = format!("FAULT={fault}");
        let run = sandbox.provost(&[
            "prove",
            "--binary",
            "traced",
            "--manifest",
            "pod.yaml",
            "--path",
            "/call",
            "--env",
            "OTHER=http://other:9000/",
            "--env",
            &fault,
            "--dependency",
            &dependency,
            "--phase",
            "telemetry",
            "--format",
            "json",
        ]);
        let expected: BTreeSet<String> = expected.map(str::to_owned).into_iter().collect();
        assert_eq!(findings(&run), expected, "{run}");
    }
}

#[test]
fn without_settings_of_an_exporter_no_sink_is_there_unless_it_is_asked_for() {
    let pod: String = POD
        .lines()
        .filter(|line| !line.contains("EXPORTER"))
        .fold(String::new(), |text, line| text + line + "\n");
    let sandbox = sandbox("traced", "1.27", &pod);
    let run = prove(&sandbox, &["--phase", "telemetry"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("--otlp"), "{run}");
    let more = ["--phase", "telemetry", "--otlp", "--write-proof", "proof.json"];
    let run = prove(&sandbox, &more);
    assert_eq!(run.code, 0, "{run}");
    assert!(proof(&sandbox)["phases"][0]["telemetry"]["spans"].as_array().unwrap().len() >= 9);
}

#[test]
fn only_the_phases_that_a_rule_asks_about_are_measured() {
    let sandbox = sandbox("traced", "1.27", POD);
    let of = |only: &str| {
        let run = prove(&sandbox, &["--only", only, "--write-proof", "proof.json"]);
        assert_eq!(run.code, 0, "{run}");
        let phases = proof(&sandbox)["phases"].clone();
        let names =
            phases.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<String>>()
    };
    assert_eq!(of("second-signal-panics"), ["second-signal"]);
    assert_eq!(of("never-listens,loses-requests-at-some-phase"), ["start", "storm"]);
    assert_eq!(of("ignores-signal-while-starting"), ["start", "early-signal"]);
}

#[test]
fn load_is_measured_from_when_it_was_due_and_every_step_around_the_signal_is_kept() {
    let sandbox = sandbox("traced", "1.27", POD);
    let more =
        ["--phase", "load", "--phase", "storm", "--rate", "50", "--write-proof", "proof.json"];
    let run = prove(
        &sandbox,
        &more.iter().chain(&["--format", "html=report.html"]).copied().collect::<Vec<_>>(),
    );
    assert_eq!(run.code, 0, "{run}");
    assert!(run.err.contains("load: 50 a second, ") && run.err.contains("p99"), "{run}");
    assert!(run.err.contains("storm: -50 ms ") && run.err.contains(", 0 of 80 lost"), "{run}");
    let proof = proof(&sandbox);
    let load = &proof["phases"][0]["load"];
    assert_eq!((&load["rate"], &load["lost"]), (&50.into(), &0.into()), "{load}");
    assert_eq!(load["due"], load["answered"], "{load}");
    assert!(load["p50_us"].as_u64().unwrap() <= load["p99_us"].as_u64().unwrap(), "{load}");
    let storm = &proof["phases"][1];
    assert_eq!(storm["repeats"].as_array().unwrap().len(), 3);
    let page = fs::read_to_string(sandbox.path().join("report.html")).unwrap();
    assert!(page.contains("<figure id=\"run-storm\">"), "{page}");
}

#[test]
fn a_result_that_differs_from_run_to_run_is_told_with_its_history() {
    let sandbox = sandbox("service", "1.27", &POD.replace("traced", "service"));
    let args = ["prove", "--binary", "service", "--manifest", "pod.yaml", "--env", "TOKEN=token"];
    let more = ["--env", "FAULT=exit-one-at-times", "--phase", "start", "--repeat", "5"];
    let all: Vec<&str> =
        args.iter().chain(&more).chain(&["--write-proof", "proof.json"]).copied().collect();
    let run = sandbox.provost(&all);
    let proof = proof(&sandbox);
    let repeats = proof["repeats"].as_array().unwrap();
    let runs = std::iter::once(&proof["phases"]).chain(repeats);
    let codes: Vec<&Value> = runs.map(|phases| &phases[0]["exit"]["code"]).collect();
    assert_eq!(codes.len(), 5, "{run}");
    let ones = codes.iter().filter(|code| **code == &Value::from(1)).count();
    let said = words(&run.out);
    let told = format!("unclean-exit-code is found in {ones} of 5 runs");
    // Once in sixteen times all are the same, and nothing is unstable.
    assert_eq!(said.contains(&told), (1..5).contains(&ones), "{run}");
    assert_eq!(
        said.contains("error[unclean-exit-code]") || said.contains("warning[unclean-exit-code]"),
        ones > 0,
        "{run}"
    );
    assert_eq!(said.contains("run 5: "), (1..5).contains(&ones), "{run}");
}

/// What is needed beside the port.
const ALONE: &[&str] = &[
    "--env",
    "LAME_DUCK=600ms",
    "--env",
    "OTEL_SERVICE_NAME=traced",
    "--env",
    "OTEL_EXPORTER_OTLP_ENDPOINT=https://collector.example:4318",
    "--phase",
    "telemetry",
    "--write-proof",
    "proof.json",
];

#[test]
fn a_service_that_listens_where_collectors_do_keeps_its_port() {
    let spans = |sandbox: &Dir, run: &Run| {
        assert_eq!(run.code, 0, "{run}");
        let proof = proof(sandbox);
        let phase = &proof["phases"][0];
        assert_eq!(phase["listeners"][0]["port"], 4318, "{phase}");
        phase["telemetry"]["spans"].as_array().unwrap().len()
    };
    let pod = POD.replace("\"8080\"", "\"4318\"").replace("8080", "4318");
    let declared = sandbox("traced", "1.27", &pod);
    let run = prove(&declared, &["--phase", "telemetry", "--write-proof", "proof.json"]);
    assert!(spans(&declared, &run) >= 9, "{run}");
    // Nobody says that it does.
    let alone = sandbox("traced", "1.27", POD);
    let args = ["prove", "--binary", "traced", "--env", "PORT=4318"];
    let run = alone.provost(&args.iter().chain(ALONE).copied().collect::<Vec<_>>());
    assert!(spans(&alone, &run) >= 9, "{run}");
}

#[test]
fn a_port_or_an_endpoint_of_a_dependency_is_left_to_it() {
    let sandbox = sandbox("traced", "1.27", POD);
    let of = |dependency: &str, phase: &str| {
        let more = ["--dependency", dependency, "--phase", phase, "--write-proof", "proof.json"];
        prove(&sandbox, &more)
    };
    let run = of("tcp:4317=other", "telemetry");
    assert_eq!(run.code, 0, "{run}");
    assert!(run.err.contains("port 4317 is that of --dependency"), "{run}");
    assert!(proof(&sandbox)["phases"][0]["telemetry"]["spans"].as_array().unwrap().len() >= 9);
    let run = of("tcp:4318=collector.observability.example", "start");
    assert_eq!(run.code, 0, "{run}");
    let said = "OTEL_EXPORTER_OTLP_ENDPOINT leads to what --dependency names";
    assert!(run.err.contains(said), "{run}");
    assert_eq!(proof(&sandbox)["terms"].get("otlp"), None);
}
