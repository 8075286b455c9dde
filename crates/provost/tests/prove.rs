//! `provost prove` on a real service that breaks one clause of its contract at a time.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/prove.rs"]
mod proving;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use proving::{POD, each_is_found, eventually, findings, fixture, pod_with, proof, words};
use serde_json::Value;
use support::{Dir, Run};

/// What is found for each fault: by its own rule, and by those whose pages say that they come with it.
const FAULTS: &[(&str, &[&str])] = &[
    ("", &[]),
    ("immediate-shutdown", &["refuses-during-endpoint-removal"]),
    ("main-returns", &["loses-requests-in-flight", "refuses-during-endpoint-removal"]),
    ("no-handler", &["no-termination-handler-seen"]),
    ("ignores-signal", &["no-termination-handler-seen/ignores"]),
    ("no-deadline", &["hangs-on-long-request", "blocked-at-deadline"]),
    ("cuts-in-silence", &["hangs-on-long-request/cut-in-silence"]),
    ("long-drain", &["drain-longer-than-grace", "blocked-at-deadline"]),
    ("panics-under-load", &["ends-by-itself"]),
    ("panics-at-times", &["fails-under-load"]),
    ("hangs-under-load", &["fails-under-load/hangs"]),
    // No fault: idle connections are closed at the very moment at which their clients want to use them again.
    ("closes-idle", &[]),
    ("loopback", &["listens-on-loopback-only"]),
    ("other-port", &["probe-endpoint-missing"]),
    ("other-path", &["probe-endpoint-missing"]),
    ("never-listens", &["never-listens"]),
    ("never-ready", &["slow-start/never-ready"]),
    ("slow-start", &["slow-start"]),
    ("redirect", &["probe-redirects-or-authenticates"]),
    ("moved-for-ever", &["probe-endpoint-missing"]),
    ("login", &["probe-redirects-or-authenticates/login", "slow-start/never-ready"]),
    ("catch-all", &["catch-all-success"]),
    ("slow-liveness", &["probe-slower-than-its-timeout"]),
    ("slow-liveness-under-load", &["probe-slower-than-its-timeout"]),
    ("liveness-fails-in-drain", &["liveness-fails-in-drain"]),
    ("closes-unasked", &["loses-requests-at-some-phase"]),
    ("keeps-connections", &["keeps-connections-open-in-drain"]),
    // No faults: that readiness fails while it drains is what it is for, on the path of the load, too.
    ("not-ready-in-drain", &[]),
    ("second-signal-swallowed", &["second-signal-ignored"]),
    ("second-signal-panics", &["second-signal-panics"]),
    ("start-ignores-signal", &["ignores-signal-while-starting"]),
    ("secret-in-log", &["secret-in-output"]),
    ("secret-in-vars", &["secret-in-output"]),
    ("secret-in-header", &["secret-in-output"]),
    ("plain-line", &["log-line-not-json"]),
    ("silent", &["no-final-log-line"]),
    ("exit-one", &["unclean-exit-code"]),
    ("starts-without-token", &["starts-without-required-setting"]),
    ("token-not-named", &["starts-without-required-setting/not-named"]),
    ("accepts-malformed", &["accepts-malformed-setting"]),
    ("ignores-port", &["ignores-port-setting"]),
    ("no-level", &["log-time-or-level-missing"]),
    ("no-trace", &["log-without-trace-id"]),
    ("zero-trace", &["log-without-trace-id/zeros"]),
    ("other-name", &["service-name-differs"]),
    ("log-injection", &["log-injection"]),
    ("blocks-on-full-stdout", &["blocks-on-full-stdout"]),
    ("logs-probes", &["logs-every-probe"]),
    ("zombie", &["leaves-zombies-as-pid-one"]),
    ("leaves-child", &["leaves-children"]),
    ("needs-root", &["needs-root-user/assumed-user"]),
    ("malformed-metrics", &["malformed-exposition"]),
    ("malformed-protobuf", &["malformed-exposition"]),
    ("falling-bucket", &["inconsistent-histogram"]),
    ("counter-falls", &["counter-decreases"]),
    ("unbounded-series", &["unbounded-series"]),
    ("slow-metrics", &["slow-scrape"]),
    ("slow-metrics-under-load", &["slow-scrape"]),
    ("slow-metrics-in-drain", &["slow-scrape"]),
];

/// With these it does not come up in time: nobody waits half a minute for that.
const LATE: &[&str] = &[
    "slow-start",
    "never-listens",
    "never-ready",
    "login",
    "other-port",
    "other-path",
    "loopback",
    "moved-for-ever",
];

/// What asks for its metrics: a monitor, and an alert on the right series.
const MONITORED: &str = r#"
---
apiVersion: v1
kind: Service
metadata: {name: service, namespace: shop, labels: {app: service}}
spec:
  selector: {app.kubernetes.io/name: service}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: service, namespace: shop}
spec:
  selector: {matchLabels: {app: service}}
  endpoints: [{port: http, scrapeTimeout: 1s}]
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: service, namespace: shop}
spec:
  groups:
    - name: service
      rules:
        - alert: Errors
          expr: rate(http_requests_total{job="service",code=~"5.."}[5m]) > 1
        - alert: Slow
          expr: rate(http_request_duration_seconds_bucket{job="service",le="0.1"}[5m]) < 1
"#;

/// Runs side by side: they mostly wait.
const AT_ONCE: usize = 4;

fn prove(binary: &str, fault: &str, more: &[&str]) -> Run {
    let is_late = LATE.contains(&fault);
    let pod = if is_late { POD.replace("Threshold: 30", "Threshold: 3") } else { POD.to_owned() };
    // No fault of the program by itself: it goes on serving for longer than the pod has.
    let pod = if fault == "long-drain" { pod.replace("600ms", "9s") } else { pod };
    let sandbox = proving::sandbox("service", binary, &(pod + MONITORED));
    let fault = format!("FAULT={fault}");
    let mut args = vec!["prove", "--binary", "service", "--manifest", "pod.yaml", "--env", &fault];
    if is_late {
        args.extend(["--ready-within", "4"]);
    }
    args.extend(more);
    sandbox.provost(&args)
}

fn service(go: &str) -> String {
    fixture("service", go)
}

fn each_fault_is_found(go: &str) {
    let binary = service(go);
    each_is_found(FAULTS, AT_ONCE, |(fault, expected)| {
        let run = prove(&binary, fault, &["--format", "json"]);
        ((*fault).to_owned(), expected, findings(&run), run)
    });
}

#[test]
fn each_fault_of_a_go_1_22_service_is_found() {
    each_fault_is_found("1.22");
}

#[test]
fn each_fault_of_a_go_1_27_service_is_found() {
    each_fault_is_found("1.27");
}

#[test]
fn an_answer_without_an_end_is_not_waited_for_longer_than_readiness() {
    let sandbox = proving::sandbox("service", &service("1.27"), POD);
    let mut args = vec!["prove", "--binary", "service", "--phase", "start", "--ready-within", "3"];
    for variable in ["PORT=8080", "LAME_DUCK=600ms", "TOKEN=t", "FAULT=endless-answer"] {
        args.extend(["--env", variable]);
    }
    args.extend(["--write-proof", "proof.json"]);
    let begun = Instant::now();
    let run = sandbox.provost(&args);
    // A single request has ten times as long.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?} {run}", begun.elapsed());
    let start = &proof(&sandbox)["phases"][0];
    assert!(start["ready_us"].is_null(), "{start}");
    let told = start["signals"][0]["at_us"].as_u64().unwrap();
    assert!((3_000_000..15_000_000).contains(&told), "{start}");
}

#[test]
fn an_end_under_load_is_stamped_when_it_comes_and_named() {
    let run = prove(&service("1.27"), "panics-under-load", &["--phase", "load"]);
    let said = words(&run.out);
    assert_eq!(run.code, 1, "{run}");
    assert!(said.contains("error[ends-by-itself]: the process ended by itself after"), "{run}");
    for part in ["with exit code 2", "it printed: panic: too many", "requests from then on:"] {
        assert!(said.contains(part), "{part}: {run}");
    }
}

#[test]
fn what_the_load_lost_is_in_the_table_and_named_with_the_panic_that_lost_it() {
    // Requests were sent again on another connection, and the table said that none was lost.
    let run = prove(&service("1.27"), "panics-at-times", &["--phase", "load"]);
    assert_eq!(run.code, 1, "{run}");
    let said = words(&run.out);
    assert!(said.contains("error[fails-under-load]: 6 of 300 requests had no answer"), "{run}");
    assert!(
        said.contains("http: panic serving") && said.contains("the first of 6 recovered panics"),
        "{run}"
    );
    let row = run.out.lines().find(|line| line.starts_with("load ")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells[3..5], ["300", "6"], "{run}");
}

#[test]
fn a_proof_is_joined_with_the_manifest_and_refused_for_another_build() {
    let sandbox = proving::sandbox("service", &service("1.27"), POD);
    symlink(service("1.22"), sandbox.path().join("older")).unwrap();
    let phases = ["--phase", "start", "--phase", "drain", "--write-proof", "proof.json"];
    let mut args = vec!["prove", "--binary", "service", "--manifest", "pod.yaml"];
    args.extend(["--env", "FAULT=immediate-shutdown"].iter().chain(&phases));
    args.extend(["--format", "text", "--format", "html=report.html"]);
    let run = sandbox.provost(&args);
    let page = fs::read_to_string(sandbox.path().join("report.html")).unwrap();
    let drain = page.split("<figure id=\"run-drain\">").nth(1).unwrap();
    assert!(drain.contains("lost after SIGTERM") && drain.contains("class=\"bad\""), "{page}");
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("refuses-during-endpoint-removal"), "{run}");
    // What was measured is judged again, against another manifest.
    let held = pod_with("      lifecycle: {preStop: {sleep: {seconds: 5}}}");
    let held = held.replace("PeriodSeconds: 5", "PeriodSeconds: 30");
    fs::write(sandbox.path().join("pod.yaml"), held).unwrap();
    let only = "refuses-during-endpoint-removal,drain-longer-than-grace,hangs-on-long-request";
    let check = ["check", "pod.yaml", "--proof", "proof.json", "--only", only];
    let run =
        sandbox.provost(&check.iter().chain(&["--binary", "service"]).copied().collect::<Vec<_>>());
    // The manifest holds SIGTERM back now until the endpoints are gone.
    assert!(!run.out.contains("refuses-during-endpoint-removal"), "{run}");
    // The phase in which a request never ends was not measured: no pass.
    assert!(run.out.contains("1 rule not judged"), "{run}");
    let run = sandbox.provost(&["check", "pod.yaml", "--proof", "proof.json", "--binary", "older"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.out.contains("is a proof of another build than older"), "{run}");
}

#[test]
fn a_variable_that_nothing_reads_is_told_and_one_alone_can_be_tried_again() {
    let binary = service("1.27");
    let more = ["--env", "UNREAD_SETTING=17", "--phase", "settings", "--format", "json"];
    let run = prove(&binary, "", &more);
    assert_eq!(findings(&run), BTreeSet::from(["setting-has-no-effect".to_owned()]), "{run}");
    assert!(run.out.contains("--phase settings --variable UNREAD_SETTING"), "{run}");
    // The secret that is there for the variable that is left out is shown nowhere.
    assert!(!run.out.contains("canary-"), "{run}");
    let run = prove(&binary, "ignores-port", &["--phase", "settings", "--variable", "LAME_DUCK"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(!run.out.contains("PORT"), "{run}");
    let run = prove(&binary, "ignores-port", &["--phase", "settings", "--variable", "PORT"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("with PORT=8081 the process listens on 8080"), "{run}");
    let run = prove(&binary, "", &["--variable", "ABSENT"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("nothing sets ABSENT"), "{run}");
}

#[test]
fn without_a_terminal_each_phase_is_told_when_it_begins_and_ends_and_the_report_has_the_table() {
    let binary = service("1.27");
    let of = |more: &[&str]| prove(&binary, "", &[&["--phase", "start"], more].concat());
    let table = "phase  ready";
    let run = of(&[]);
    assert!(run.err.contains("measuring start\nmeasured start in "), "{run}");
    assert!(run.out.contains(table) && !run.err.contains(table), "{run}");
    // Other phases were not measured, and whoever measures knows how to.
    let words = words(&run.out);
    assert!(words.contains("not-measured: ") && !words.contains("measure it"), "{run}");
    // Who gets no text still sees it.
    let run = of(&["--format", "json"]);
    assert!(run.err.contains(table) && !run.out.contains(table), "{run}");
    let run = of(&["--format", "markdown"]);
    assert!(run.out.contains(&format!("```text\n{table}")), "{run}");
    let run = of(&["--quiet"]);
    assert!(run.err.is_empty() && !run.out.contains(table), "{run}");
}

/// One run of the phase start with another manifest.
fn start(pod: &str, more: &[&str]) -> (Run, Value) {
    let sandbox = proving::sandbox("service", &service("1.27"), pod);
    let mut args = vec!["prove", "--binary", "service", "--manifest", "pod.yaml"];
    args.extend(["--phase", "start", "--write-proof", "proof.json"]);
    args.extend(more);
    let run = sandbox.provost(&args);
    (run, proof(&sandbox))
}

#[test]
fn probes_are_made_as_the_kubelet_makes_them() {
    // The service answers a probe when it has the headers of the manifest and those of every kubelet, and sends it on
    // to another path; what liveness is answered never ends.
    let plain = "readinessProbe: {httpGet: {path: /readyz, port: http}}";
    let headers = "readinessProbe: {httpGet: {path: /readyz, port: http, httpHeaders: [                   {name: host, value: shop.example}, {name: X-Probe, value: \"yes\"}]}}";
    let pod = POD.replace(plain, headers);
    assert!(pod.contains("shop.example"), "{pod}");
    let more = ["--env", "FAULT=strict-probes", "--path", "/", "--ready-within", "5"];
    let (run, proof) = start(&pod, &more);
    assert_eq!(run.code, 0, "{run}");
    assert!(proof["phases"][0]["ready_us"].is_u64(), "{run}");
    assert_eq!(proof["terms"]["probes"][1]["headers"][1], "X-Probe", "{proof}");
    let (run, proof) = start(POD, &more);
    assert!(proof["phases"][0]["ready_us"].is_null(), "{run}");
    assert!(run.out.contains("probe-endpoint-missing"), "{run}");
    // What a probe sends in secret is in no proof, and another host is none of the pod's.
    let secret =
        headers.replace("X-Probe, value: \"yes\"", "Authorization, value: Bearer-0123456789");
    let secret = secret.replace("httpHeaders", "host: 192.0.2.1, httpHeaders");
    let (run, proof) = start(&POD.replace(plain, &secret), &["--path", "/"]);
    assert!(run.err.contains("the readiness probe asks 192.0.2.1, which is not the pod"), "{run}");
    assert!(!proof.to_string().contains("Bearer-0123456789"), "{proof}");
}

#[test]
fn a_secret_on_the_command_line_is_told_and_was_written_out_as_the_kubelet_does() {
    let args = r#"      args: ["--token=$(TOKEN)", $$(TOKEN), $(ABSENT), $(MORE)]"#;
    let (run, proof) =
        start(&pod_with(args), &["--path", "/", "--env", "MORE=of-the-command-line"]);
    let said = words(&run.out);
    assert!(said.contains("stands on the command line of the process"), "{run}");
    let shown = proof["phases"][0]["shown"].as_array().unwrap();
    let text = shown[0]["text"].as_str().unwrap();
    let expected = "--token=*** $(TOKEN) $(ABSENT) of-the-command-line";
    assert!(shown.len() == 1 && text.ends_with(expected), "{shown:?}");
}

#[test]
fn metrics_are_read_in_every_format_that_is_there() {
    let (run, proof) = start(POD, &["--path", "/"]);
    assert_eq!(run.code, 0, "{run}");
    let scrapes = proof["phases"][0]["metrics"]["scrapes"].as_array().unwrap();
    let of = |after: &str| scrapes.iter().find(|scrape| scrape["after"] == after).unwrap();
    let names = |scrape: &Value| {
        let families = scrape["families"].as_array().unwrap();
        families.iter().map(|family| family["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(of("protobuf")), names(of("unknown-paths")), "{proof}");
    let histogram = &of("protobuf")["families"][0];
    assert_eq!(histogram["labels"][0]["values"], serde_json::json!(["+Inf", "0.1"]), "{histogram}");
    assert!(of("protobuf")["content_type"].as_str().unwrap().starts_with("application/vnd.google"));
}

#[test]
fn what_cannot_be_started_is_a_mistake_with_its_reason() {
    let sandbox = Dir::new();
    fs::write(sandbox.path().join("script"), "#!/nowhere/sh\n").unwrap();
    let run = sandbox.provost(&["prove", "--binary", "script"]);
    assert_eq!(run.code, 2, "{run}");
    let run = sandbox.provost(&["prove", "--binary", "absent"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("absent"), "{run}");
}

/// Processes that run what was put into that folder.
fn running(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(folder.to_str().unwrap()) {
            found.push(format!("{}: {command}", entry.path().display()));
        }
    }
    found
}

#[test]
fn nothing_is_left_behind_when_provost_is_killed_or_interrupted() {
    let service = service("1.27");
    for (signal, code) in [("-KILL", None), ("-INT", Some(130)), ("-TERM", Some(143))] {
        let sandbox = Dir::new();
        // A folder of its own, by which the processes of this run are known.
        let folder = sandbox.path().canonicalize().unwrap().join("here");
        fs::create_dir(&folder).unwrap();
        let program = folder.join("service");
        fs::hard_link(&service, &program)
            .or_else(|_| fs::copy(&service, &program).map(drop))
            .unwrap();
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_provost"))
            .args(["prove", "--binary", program.to_str().unwrap(), "--env", "FAULT=ignores-signal"])
            .args(["--env", "PORT=8080", "--env", "TOKEN=x", "--env", "LAME_DUCK=1s"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Provost itself and what becomes the program have it among their arguments.
        let is_up =
            || running(&folder).iter().any(|it| it.contains(&format!(": {}", program.display())));
        assert!(eventually(is_up), "{:?}", running(&folder));
        let pid = child.id().to_string();
        assert!(
            std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success()
        );
        assert_eq!(child.wait().unwrap().code(), code, "{signal}");
        assert!(eventually(|| running(&folder).is_empty()), "{signal}: {:?}", running(&folder));
    }
}

#[test]
fn a_program_that_is_root_changes_nothing_outside() {
    // Anybody may write there.
    let outside = format!("/var/tmp/provost-test-{}", std::process::id());
    let place = format!("OUTSIDE={outside}");
    for (read_only, told) in [(false, "nil"), (true, "read-only file system")] {
        let security = format!("{{runAsUser: 0, readOnlyRootFilesystem: {read_only}}}");
        let pod = pod_with(&format!("      securityContext: {security}"));
        let (run, proof) = start(&pod, &["--env", "FAULT=writes-outside", "--env", &place]);
        let proof = proof.to_string();
        let line = proof.split("tried to write").nth(1).unwrap_or_default();
        assert!(line.chars().take(160).collect::<String>().contains(told), "{line}\n{run}");
        // What it wrote to its own root is gone with it.
        assert!(!std::path::Path::new(&outside).exists(), "{run}");
    }
}

#[test]
fn runs_follow_each_other_where_they_share_a_network() {
    // It is this machine's network, where others may have the usual port.
    let pod = POD.replace("8080", "18080");
    let sandbox = proving::sandbox("service", &service("1.27"), &pod);
    // Nobody gets another network in there, and root is the only user.
    let script = "echo 0 > /proc/sys/user/max_net_namespaces && exec \"$0\" prove --binary service \
                  --manifest pod.yaml --format json --env FAULT= \
                  --phase second-signal --phase full-stdout --phase settings";
    let run = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", script, env!("CARGO_BIN_EXE_provost")])
        .current_dir(sandbox.path())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(err.contains("without its own network"), "{err}");
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    assert_eq!(report["findings"].as_array().unwrap().len(), 0, "{out}");
    let ready =
        |phase: &str| err.lines().any(|line| line.starts_with(phase) && line.contains("ms"));
    assert!(["second-signal", "full-stdout", "settings"].into_iter().all(ready), "{err}");
}

#[test]
fn a_query_that_no_series_answers_is_told_with_the_one_that_is_meant() {
    let queries = MONITORED
        .replace("http_requests_total{", "http_request_total{")
        .replace("le=\"0.1\"", "le=\"0.3\"")
        .replace("code=~\"5..\"", "code=\"500\"");
    let (run, _) = start(&(POD.to_owned() + &queries), &[]);
    assert_eq!(run.code, 1, "{run}");
    let out = words(&run.out);
    let told = "error[selector-without-series]: the process has no series http_request_total, and has http_requests_total";
    assert!(out.contains(told), "{run}");
    let told = "http_request_duration_seconds_bucket has no bucket le=\"0.3\", only 0.1 +Inf";
    assert!(out.contains(told), "{run}");
    // Without anything that asks for it, what is wrong with the metrics is found all the same.
    let (run, _) = start(POD, &["--env", "FAULT=falling-bucket", "--format", "json"]);
    assert_eq!(findings(&run), BTreeSet::from(["inconsistent-histogram".to_owned()]), "{run}");
}

#[test]
fn metrics_that_are_asked_for_and_not_there_are_told() {
    let asked = MONITORED.replace("{port: http,", "{port: http, path: /prometheus,");
    let (run, _) = start(&(POD.to_owned() + &asked), &["--format", "json"]);
    let expected = BTreeSet::from(["malformed-exposition/not-served".to_owned()]);
    assert_eq!(findings(&run), expected, "{run}");
}

#[test]
fn load_goes_to_the_port_of_requests_and_again_repeats_the_run() {
    let ports = "ports: [{name: metrics, containerPort: 8081}, {name: http, containerPort: 8080}]";
    let pod = POD.replace("ports: [{name: http, containerPort: 8080}]", ports);
    assert!(pod.contains(ports));
    let (run, proof) = start(&pod, &["--env", "FAULT=never-ready", "--ready-within", "2"]);
    assert_eq!(proof["terms"]["port"], 8080, "{run}");
    let again = "again: provost prove --binary service --manifest pod.yaml --env FAULT=never-ready \
                 --ready-within 2 --phase start";
    let said = words(&run.out);
    assert!(said.contains(again), "{run}");
}

/// A load balancer outside of the cluster, which asks pods by itself: as often as one may there.
const BALANCED: &str = r#"
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: service
  namespace: shop
  annotations:
    alb.ingress.kubernetes.io/target-type: ip
    alb.ingress.kubernetes.io/healthcheck-path: /readyz
    alb.ingress.kubernetes.io/healthcheck-interval-seconds: "5"
spec:
  ingressClassName: alb
  defaultBackend: {service: {name: service, port: {name: http}}}
"#;

#[test]
fn what_a_load_balancer_asks_by_itself_has_to_say_that_the_process_drains() {
    let pod = POD.replace("600ms", "6s").replace("PeriodSeconds: 5", "PeriodSeconds: 12");
    let told: &[&str] = &["readiness-stays-up-in-drain"];
    let faults = ["1.22", "1.27"].map(|go| [(go, "", true), (go, "not-ready-in-drain", true)]);
    // Where only Services send to it, it is no fault.
    let faults = [faults.as_flattened(), &[("1.27", "", false)]].concat();
    each_is_found(&faults, AT_ONCE, |&(go, fault, balanced)| {
        let ingress = if balanced { BALANCED } else { "" };
        let sandbox =
            proving::sandbox("service", &service(go), &(pod.clone() + MONITORED + ingress));
        let env = format!("FAULT={fault}");
        let mut args = vec!["prove", "--binary", "service", "--manifest", "pod.yaml"];
        args.extend(["--env", &env, "--phase", "drain", "--format", "json"]);
        let run = sandbox.provost(&args);
        let expected = if balanced && fault.is_empty() { told } else { &[] };
        (format!("{go} {fault} {balanced}"), expected, findings(&run), run)
    });
}
