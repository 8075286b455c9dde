//! What a program of `provost prove` may look at and do as in a pod. The program is this test itself: it is called by
//! a variable, and is one of any machine.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/prove.rs"]
mod proving;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use proving::findings;
use provost_check::facts::proof::DISK;
use serde_json::Value;
use support::{Dir, Run};

/// Says what the program is to do.
const DOES: &str = "PROVE_POD_DOES";

/// Whether the program is this test; what it prints is looked for in the proof.
fn is_program() -> bool {
    let Ok(does) = std::env::var(DOES) else { return false };
    // Behind what the harness of tests prints itself, and past where it keeps what is printed.
    let say = |text: String| {
        let line = format!("\nsaid: {text}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    };
    let read = |path: &str| fs::read_to_string(path).unwrap_or_else(|error| error.to_string());
    for (number, what) in does.split(',').enumerate() {
        let (verb, of) = what.split_once(' ').unwrap_or((what, ""));
        match verb {
            "append" => {
                let file = fs::OpenOptions::new().append(true).open(of);
                let done = file.and_then(|mut file| writeln!(file, "\nsaid: by {of}"));
                say(format!("append {of} {}", done.is_ok()));
            }
            "read" => say(format!("read {of} {}", read(of).trim().replace('\n', " "))),
            "list" => {
                let names = fs::read_dir(of).unwrap().map(|it| it.unwrap().file_name());
                let mut names: Vec<_> = names.map(|it| it.into_string().unwrap()).collect();
                names.sort();
                say(format!("list {of} {}", names.join(" ")));
            }
            "write" => say(format!("write {of} {}", fs::write(of, "written").is_ok())),
            "fill" => {
                let mut file = fs::File::create(of).unwrap();
                // What is not on the disk yet counts for the container: version 1 kills for it.
                let part = vec![1; 1 << 20];
                let done =
                    (0..96).try_for_each(|_| file.write_all(&part).and_then(|()| file.sync_data()));
                say(format!("fill {of} {}", done.is_ok()));
            }
            // Its value is shown by no report.
            "variable" => say(format!(
                "variable {of} {}",
                match std::env::var(of).as_deref() {
                    Ok("of a real one") => "as given",
                    Ok(_) => "otherwise",
                    Err(_) => "not set",
                }
            )),
            "connect" => say(format!("connect {}", UnixStream::connect(of).is_ok())),
            "work" => {
                let Ok(pause) = std::env::var("PAUSE") else { panic!("PAUSE is not set") };
                // What is no duration is none.
                let pause = pause.strip_suffix('s').and_then(|text| text.parse().ok());
                let pause = Duration::from_secs(pause.unwrap_or(0));
                say("works".to_owned());
                std::thread::sleep(pause + Duration::from_secs(30));
            }
            "fails" => {
                say(format!("fails {number}"));
                panic!("it was told to");
            }
            "listen" => listen(of),
            other => panic!("{other}"),
        }
    }
    true
}

/// Serves at the address of the pod, or at all: to others or to itself only, or only sends on.
fn listen(how: &str) {
    let pod = std::env::var("POD_IP").unwrap();
    let everywhere = if how.is_empty() { pod.as_str() } else { "0.0.0.0" };
    let listener = TcpListener::bind((everywhere, 8080)).unwrap();
    for mut stream in listener.incoming().flatten() {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let mut request = [0; 4096];
        let read = stream.read(&mut request).unwrap_or(0);
        if read == 0 {
            continue;
        }
        let path = String::from_utf8_lossy(&request[..read]);
        let is_gone = path.split(' ').nth(1) == Some("/gone");
        let peer = stream.peer_addr().unwrap().ip().to_string();
        let status = match how {
            "to others" if peer != "10.255.0.1" => "403 Forbidden".to_owned(),
            "never ready" => "503 Service Unavailable".to_owned(),
            "to itself" if peer != "127.0.0.1" => "403 Forbidden".to_owned(),
            how if how.starts_with("behind ") && is_gone => "500 Internal Server Error".to_owned(),
            how => match how.strip_prefix("behind ") {
                Some(host) => {
                    let host = host.replace("POD_IP", &pod);
                    format!("302 Found\r\nLocation: http://{host}:8080/gone")
                }
                None => "200 OK".to_owned(),
            },
        };
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        let _ = stream.write_all(answer.as_bytes());
    }
}

/// The program.
#[test]
fn program() {
    // Called by the others; by itself there is nothing for it to do.
    assert!(is_program() || std::env::var(DOES).is_err());
}

/// A pod whose container does that.
fn pod(does: &str, pod: &str, container: &str) -> String {
    format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: service, namespace: shop}}
spec:
  {pod}
  containers:
    - name: service
      image: registry.example/shop/service:1
      env:
        - {{name: {DOES}, value: "{does}"}}
        - {{name: POD_NAME, valueFrom: {{fieldRef: {{fieldPath: metadata.name}}}}}}
        - {{name: POD_IP, valueFrom: {{fieldRef: {{fieldPath: status.podIP}}}}}}
      {container}
"#
    )
}

const ARGS: [&str; 12] = [
    "prove",
    "--binary",
    "program",
    "--manifest",
    "pod.yaml",
    "--container",
    "shop/Pod/service/service",
    "--phase",
    "start",
    "--write-proof",
    "proof.json",
    "--format",
];

const BEHIND: [&str; 5] = ["json", "--", "--exact", "program", "--nocapture"];

fn sandbox(pod: &str) -> Dir {
    let sandbox = Dir::new();
    symlink(std::env::current_exe().unwrap(), sandbox.path().join("program")).unwrap();
    sandbox.file("pod.yaml", pod)
}

/// The first run of the process, and what it said there.
fn start(sandbox: &Dir, run: &Run) -> (Value, Vec<String>) {
    let text = fs::read_to_string(sandbox.path().join("proof.json"));
    let proof: Value = serde_json::from_str(&text.unwrap_or_else(|_| panic!("{run}"))).unwrap();
    let lines = proof["phases"][0]["output"]["lines"].as_array().unwrap();
    let said = lines.iter().filter_map(|line| line["text"].as_str()?.strip_prefix("said: "));
    let said = said.map(str::to_owned).collect();
    (proof, said)
}

fn does(what: &str, of_pod: &str, container: &str) -> (Run, Value, Vec<String>) {
    let sandbox = sandbox(&pod(what, of_pod, container));
    let run = sandbox.provost(&[&ARGS[..], &BEHIND[..]].concat());
    let (proof, said) = start(&sandbox, &run);
    (run, proof, said)
}

/// Says what a machine has not that a test is about, before it says that the program did not find it.
fn needs(what: &str, has: impl FnOnce(&str) -> bool, proof: &Value) {
    let missing = proof["stage"]["missing"].to_string();
    assert!(has(&missing), "this test needs {what}; here is missing: {missing}");
}

/// What starts programs as others, or gives a right away.
fn needs_root() {
    let user = fs::metadata("/proc/self").unwrap().uid();
    assert!(user == 0, "this test needs to be run as root, and is run by user {user}");
}

fn has(said: &[String], line: &str) -> bool {
    said.iter().any(|said| said == line)
}

#[test]
fn a_program_may_open_its_output_and_leave_a_message_at_its_end() {
    let what = "append /dev/stdout,append /dev/stderr,append /dev/termination-log,\
                read /dev/termination-log";
    let (run, _, said) = does(what, "", "");
    for line in [
        "append /dev/stdout true",
        "by /dev/stdout",
        "append /dev/stderr true",
        "by /dev/stderr",
        "read /dev/termination-log said: by /dev/termination-log",
    ] {
        assert!(has(&said, line), "{line} is not in {said:?}\n{run}");
    }
}

#[test]
fn a_program_listens_on_the_address_of_its_pod_and_is_asked_there() {
    let probe = "readinessProbe: {httpGet: {path: /, port: 8080}}";
    let (run, proof, _) = does("listen", "terminationGracePeriodSeconds: 1", probe);
    let start = &proof["phases"][0];
    assert!(start["ready_us"].as_u64().is_some(), "{start}\n{run}");
    assert_eq!(start["listeners"][0]["address"], "10.255.0.2", "{run}");
    assert!(!findings(&run).contains("listens-on-loopback-only"), "{run}");
}

/// What became of the readiness probe of a pod that listens at all its addresses.
fn probed(how: &str) -> (Option<u64>, Value, Run) {
    let probe = "readinessProbe: {httpGet: {path: /, port: 8080}}";
    let pod = pod(&format!("listen {how}"), "terminationGracePeriodSeconds: 1", probe);
    let sandbox = sandbox(&pod);
    let within = ["json", "--ready-within", "3"];
    let run = sandbox.provost(&[&ARGS[..], &within[..], &BEHIND[1..]].concat());
    let (proof, _) = start(&sandbox, &run);
    let start = &proof["phases"][0];
    assert_eq!(start["listeners"][0]["address"], "0.0.0.0", "{run}");
    let requests = start["requests"].as_array().unwrap();
    let asked = requests.iter().rev().find(|it| it["purpose"] == "readiness");
    (start["ready_us"].as_u64(), asked.map_or(Value::Null, |it| it["outcome"].clone()), run)
}

#[test]
fn what_answers_to_itself_alone_passes_no_probe_which_comes_from_the_node() {
    let (ready, outcome, run) = probed("to others");
    assert!(ready.is_some(), "{outcome} {run}");
    let (ready, outcome, run) = probed("to itself");
    assert!(ready.is_none() && outcome["status"] == 403, "{outcome} {run}");
}

#[test]
fn a_probe_is_sent_on_to_the_address_of_the_pod_and_to_no_other() {
    let (ready, outcome, run) = probed("behind POD_IP");
    assert!(ready.is_none() && outcome["status"] == 500, "{outcome} {run}");
    assert!(findings(&run).iter().any(|id| id.starts_with("slow-start")), "{run}");
    // A kubelet stays where it is sent to another host, and takes that for an answer.
    let (ready, outcome, run) = probed("behind 127.0.0.1");
    assert!(ready.is_some() && outcome["status"] == 302, "{outcome} {run}");
}

#[test]
fn what_is_written_to_volumes_and_root_takes_no_memory_of_the_container() {
    needs_root();
    let container = "resources: {limits: {memory: 64Mi}}
      securityContext: {runAsUser: 0}
      volumeMounts: [{name: data, mountPath: /data}]";
    let volumes = "volumes: [{name: data, emptyDir: {sizeLimit: 10Mi}}]";
    let (run, proof, said) =
        does("fill /data/big,fill /tmp/big,fill /var/big,fill /big", volumes, container);
    let disk = "a memory controller, and /tmp or /var/tmp on a disk of which \
                overlays can be made (not in an overlay or in memory)";
    let is_there = |missing: &str| !missing.contains(DISK) && !missing.contains("memory limit");
    needs(disk, is_there, &proof);
    // Nor is it cut at what a node evicts for later.
    for line in
        ["fill /data/big true", "fill /tmp/big true", "fill /var/big true", "fill /big true"]
    {
        assert!(has(&said, line), "{said:?}\n{run}");
    }
    assert_eq!(proof["phases"][0]["used"]["killed"], 0, "{run}");
    // A volume of memory is another matter.
    let volumes = "volumes: [{name: data, emptyDir: {medium: Memory, sizeLimit: 10Mi}}]";
    let (run, _, said) = does("fill /data/big", volumes, container);
    assert!(has(&said, "fill /data/big false"), "{said:?}\n{run}");
}

#[test]
fn a_program_reads_its_own_limits_where_control_groups_are_shown() {
    let what = "read /sys/fs/cgroup/memory.max,\
                read /sys/fs/cgroup/memory/memory.limit_in_bytes";
    let (run, proof, said) = does(what, "", "resources: {limits: {memory: 64Mi}}");
    let is_there = |missing: &str| !missing.contains("memory limit");
    needs("a memory controller whose groups it may make", is_there, &proof);
    let reproduced = proof["stage"]["reproduced"].to_string();
    assert!(reproduced.contains("its memory limit, 64 MiB"), "{run}");
    assert!(said.iter().any(|line| line.ends_with(" 67108864")), "{said:?}\n{run}");
}

#[test]
fn a_part_of_a_volume_is_named_by_variables() {
    let container = "volumeMounts: [{name: data, mountPath: /data},
        {name: data, mountPath: /part, subPathExpr: of/$(POD_NAME)}]";
    let volumes = "volumes: [{name: data, emptyDir: {}}]";
    let (run, _, said) =
        does("write /part/a,list /data/of,list /data/of/service", volumes, container);
    assert!(has(&said, "list /data/of service"), "{said:?}\n{run}");
    assert!(has(&said, "list /data/of/service a"), "{said:?}\n{run}");
    // Without its value there is no such pod.
    let container = container.replace("POD_NAME", "ELSE");
    let (run, _, _) = does("list /data", volumes, &container);
    assert!(run.err.contains("ELSE, which its subPathExpr names, has no value"), "{run}");
}

#[test]
fn the_mask_of_who_runs_it_is_not_the_programs() {
    let sandbox = sandbox(&pod("write /tmp/a,read /etc/hosts", "", ""));
    let script = "umask 077 && exec \"$0\" \"$@\"";
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_provost")])
        .args([&ARGS[..], &BEHIND[..]].concat())
        .current_dir(sandbox.path())
        .output()
        .unwrap();
    let run = Run::from(output);
    let (_, said) = start(&sandbox, &run);
    assert!(has(&said, "write /tmp/a true"), "{said:?}\n{run}");
}

/// A socket of this machine that trusts whoever may open it, below a folder that programs see.
struct Socket {
    path: String,
    _listener: UnixListener,
}

impl Socket {
    fn new() -> Self {
        let path = format!("/var/tmp/provost-test-{}.sock", std::process::id());
        let listener = UnixListener::bind(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        Self { path, _listener: listener }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[test]
fn no_socket_of_this_machine_is_within_reach_whatever_the_root_is() {
    let socket = Socket::new();
    assert!(UnixStream::connect(&socket.path).is_ok());
    for read_only in [true, false] {
        let security =
            format!("securityContext: {{runAsUser: 0, readOnlyRootFilesystem: {read_only}}}");
        let what = format!("connect {},write /var/tmp/a", socket.path);
        let (run, _, said) = does(&what, "", &security);
        assert!(has(&said, "connect false"), "{said:?}\n{run}");
        assert!(has(&said, &format!("write /var/tmp/a {}", !read_only)), "{said:?}\n{run}");
    }
    assert!(!Path::new("/var/tmp/a").exists());
}

/// A run as in a container without CAP_SYS_ADMIN: the user may be changed, and nothing be mounted.
fn without_mounts(sandbox: &Dir) -> Run {
    let output = Command::new("setpriv")
        .args(["--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"])
        .arg(env!("CARGO_BIN_EXE_provost"))
        .args([&ARGS[..], &BEHIND[..]].concat())
        .current_dir(sandbox.path())
        .output()
        .expect("setpriv of util-linux is on PATH");
    Run::from(output)
}

#[test]
fn nobody_is_started_as_root_on_the_files_of_this_machine_without_namespaces() {
    needs_root();
    let sandbox = sandbox(&pod("fails", "securityContext: {runAsUser: 65532}", ""));
    let run = without_mounts(&sandbox);
    let (proof, said) = start(&sandbox, &run);
    assert!(has(&said, "fails 0"), "{said:?}\n{run}");
    let missing = proof["stage"]["missing"].to_string();
    assert!(missing.contains("its own network"), "{missing}\n{run}");
    assert!(proof["phases"][0]["as_root"].is_null(), "{run}");
}

#[test]
fn an_end_is_not_blamed_where_the_value_of_a_secret_was_made_up() {
    let of = |pod: String, more: &[&str]| {
        let sandbox = sandbox(&pod);
        let run = sandbox.provost(&[&ARGS[..], &["json"], more, &BEHIND[1..]].concat());
        (findings(&run), run)
    };
    let with = |line: &str| {
        pod("fails", "", "").replacen("      env:\n", &format!("      env:\n{line}"), 1)
    };
    let line = "        - {name: DATABASE_URL, valueFrom: {secretKeyRef: {name: db, key: url}}}\n";
    let ends = |found: &BTreeSet<String>| found.contains("never-listens/ends-at-once");
    let (found, run) = of(with(""), &[]);
    assert!(ends(&found), "{run}");
    let (found, run) = of(with(line), &[]);
    assert!(!ends(&found) && run.out.contains("the real DATABASE_URL"), "{run}");
    // Nothing is known of it, which is no pass: it ended with 0.
    assert!(run.code == 2 && run.err.contains("error: the process never came up"), "{run}");
    // With its own value it is the program that ends.
    let (found, run) = of(with(line), &["--env", "DATABASE_URL=postgres://a@127.0.0.1/b"]);
    assert!(ends(&found), "{run}");
}

#[test]
fn what_is_not_ready_is_not_blamed_where_what_it_needs_is_at_a_made_up_place() {
    let of = |name: &str, more: &[&str]| {
        let line = format!(
            "        - {{name: {name}, valueFrom: {{secretKeyRef: {{name: db, key: value}}}}}}\n"
        );
        let probe = "readinessProbe: {httpGet: {path: /, port: 8080}}";
        let pod = pod("listen never ready", "terminationGracePeriodSeconds: 1", probe);
        let sandbox = sandbox(&pod.replacen("      env:\n", &format!("      env:\n{line}"), 1));
        let sandbox = sandbox.file("own/value", "postgres://a@127.0.0.1/b");
        let within = ["json", "--ready-within", "2"];
        let run = sandbox.provost(&[&ARGS[..], &within[..], more, &BEHIND[1..]].concat());
        (findings(&run).contains("slow-start/never-ready"), run)
    };
    let (blamed, run) = of("DATABASE_URL", &[]);
    assert!(!blamed && run.out.contains("the real DATABASE_URL; --env gives"), "{run}");
    // Nothing is known of its start, which is no pass.
    let (_, run) = of("DATABASE_URL", &["--only", "slow-start"]);
    assert!(run.code == 2 && run.err.contains("error: the process never came up"), "{run}");
    for more in [["--env", "DATABASE_URL=postgres://a@127.0.0.1/b"], ["--secret", "db=own"]] {
        let (blamed, run) = of("DATABASE_URL", &more);
        assert!(blamed && run.code != 2, "{run}");
    }
    // Nobody here would look at it.
    let (blamed, run) = of("DATABASE_PASSWORD", &[]);
    assert!(blamed, "{run}");
    // A slip is no value that is given.
    let sandbox = sandbox(&pod("fails", "", "")).file("own/value", "a");
    let more = ["json", "--secret", "dbs=own"];
    let run = sandbox.provost(&[&ARGS[..], &more[..], &BEHIND[1..]].concat());
    assert!(run.code == 2 && run.err.contains("--secret dbs: the container asks for no"), "{run}");
}

#[test]
fn an_end_is_blamed_again_where_the_files_of_a_secret_were_given() {
    let container = "volumeMounts: [{name: license, mountPath: /license}]";
    let volumes =
        "volumes: [{name: license, secret: {secretName: license, items: [{key: a, path: b}]}}]";
    let of = |more: &[&str]| {
        let sandbox = sandbox(&pod("list /license,fails", volumes, container));
        let sandbox = sandbox.file("own/a", "of a real one");
        let run = sandbox.provost(&[&ARGS[..], &["json"], more, &BEHIND[1..]].concat());
        (findings(&run), start(&sandbox, &run).1, run)
    };
    let (found, said, run) = of(&[]);
    assert!(!found.contains("never-listens/ends-at-once"), "{run}");
    assert!(run.out.contains("--secret NAME=DIR"), "{run}");
    assert!(has(&said, "list /license ..2026_01_01_00_00_00.000000001 ..data b"), "{said:?}");
    let (found, said, run) = of(&["--secret", "license=own"]);
    assert!(found.contains("never-listens/ends-at-once"), "{run}");
    assert!(has(&said, "list /license ..2026_01_01_00_00_00.000000001 ..data b"), "{said:?}");
}

#[test]
fn env_from_takes_the_values_of_a_secret_that_was_given() {
    // Variables of a Secret that is not among the manifests were left out, and it was called one that nobody asks for.
    let of = |more: &[&str]| {
        let does = "variable DB_user,variable DB_password,variable PLAIN,fails";
        let from = "envFrom: [{secretRef: {name: db}, prefix: DB_}, {configMapRef: {name: plain}}]";
        let pod = pod(does, "", from)
            + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain, namespace: shop}\ndata: {PLAIN: of a real one, DB_user: of the one behind}\n";
        let sandbox = sandbox(&pod);
        let sandbox =
            sandbox.file("own/user", "of a real one").file("own/password", "of a real one");
        let run = sandbox.provost(&[&ARGS[..], &["json"], more, &BEHIND[1..]].concat());
        (findings(&run), start(&sandbox, &run).1, run)
    };
    let (found, said, run) = of(&[]);
    assert!(has(&said, "variable DB_password not set"), "{said:?}\n{run}");
    assert!(!found.contains("never-listens/ends-at-once"), "{run}");
    let (found, said, run) = of(&["--secret", "db=own"]);
    for line in ["DB_password as given", "DB_user otherwise", "PLAIN as given"] {
        assert!(has(&said, &format!("variable {line}")), "{said:?}\n{run}");
    }
    // Nothing is missing any more: it is the program that ends.
    assert!(found.contains("never-listens/ends-at-once"), "{run}");
    assert!(!run.err.contains("variables may be missing"), "{run}");
}

#[test]
fn settings_of_a_worker_are_changed_in_turn() {
    // What opens no port is never ready, and its settings were not looked at.
    let line = "        - {name: PAUSE, value: 10s}\n";
    let pod = pod("work", "terminationGracePeriodSeconds: 2", "");
    let sandbox = sandbox(&pod.replacen("      env:\n", &format!("      env:\n{line}"), 1));
    let more = ["json", "--phase", "settings", "--variable", "PAUSE"];
    let run = sandbox.provost(&[&ARGS[..], &more[..], &BEHIND[1..]].concat());
    let found = findings(&run);
    assert!(found.contains("accepts-malformed-setting"), "{run}");
    assert!(!found.iter().any(|id| id.starts_with("starts-without-required-setting")), "{run}");
    assert!(run.out.contains("goes on as it does otherwise"), "{run}");
}

#[test]
fn a_message_at_the_end_is_left_where_the_manifest_says_whatever_the_root_is() {
    let container = "terminationMessagePath: /var/msg/last
      securityContext: {readOnlyRootFilesystem: true}";
    let (run, _, said) = does("append /var/msg/last,write /var/msg/other", "", container);
    assert!(has(&said, "append /var/msg/last true"), "{said:?}\n{run}");
    assert!(has(&said, "write /var/msg/other false"), "{said:?}\n{run}");
}

#[test]
fn nothing_holds_the_end_of_a_program_that_outlives_its_proof() {
    // Without namespaces what is left behind lives on, and nobody would ever let it go.
    let sandbox = sandbox(&pod("read /proc/self/status", "", ""));
    let run = without_mounts(&sandbox);
    let (_, said) = start(&sandbox, &run);
    let filters = |status: &str| {
        let (_, rest) = status.split_once("Seccomp_filters:").unwrap();
        rest.split_whitespace().next().unwrap().parse::<u32>().unwrap()
    };
    let own = filters(&fs::read_to_string("/proc/self/status").unwrap());
    let there = said.iter().find(|said| said.starts_with("read /proc/self/status")).unwrap();
    assert_eq!(filters(there), own, "{there}\n{run}");
}
