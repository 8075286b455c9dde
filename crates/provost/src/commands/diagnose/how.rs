//! `provost diagnose syscalls --how`: how system calls are recorded here, by what the machine allows.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// What decides it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Machine {
    /// `uname -r`
    kernel: String,
    /// `/proc/sys/kernel/yama/ptrace_scope`; without Yama nothing.
    ptrace_scope: Option<u8>,
    /// `/proc/sys/kernel/perf_event_paranoid`
    perf_paranoid: Option<i32>,
    /// CAP_SYS_PTRACE is among the effective capabilities of this process.
    may_trace: bool,
    /// CAP_PERFMON or CAP_SYS_ADMIN.
    may_count: bool,
    /// Its user.
    user: u32,
    /// A seccomp filter is on it.
    filtered: bool,
    container: Option<&'static str>,
    strace: bool,
    perf: bool,
    target: Option<Target>,
}

/// The process that is to be recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Target {
    pid: u32,
    /// There is one.
    exists: bool,
    user: Option<u32>,
    threads: Option<u64>,
    /// Who traces it already.
    tracer: Option<u32>,
}

/// Bits of `CapEff` (`include/uapi/linux/capability.h`).
const CAP_SYS_PTRACE: u32 = 19;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;

/// The whole text.
pub(super) fn how(pid: Option<u32>) -> String {
    tell(&machine(pid))
}

fn machine(pid: Option<u32>) -> Machine {
    let own = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capabilities = field(&own, "CapEff").and_then(|bits| u64::from_str_radix(bits, 16).ok());
    let has = |bit: u32| capabilities.is_some_and(|bits| bits >> bit & 1 == 1);
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<i32>().ok();
    Machine {
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
            .unwrap_or_default()
            .trim()
            .to_owned(),
        ptrace_scope: number("/proc/sys/kernel/yama/ptrace_scope")
            .and_then(|n| u8::try_from(n).ok()),
        perf_paranoid: number("/proc/sys/kernel/perf_event_paranoid"),
        may_trace: has(CAP_SYS_PTRACE),
        may_count: has(CAP_PERFMON) || has(CAP_SYS_ADMIN),
        user: user(&own).unwrap_or_default(),
        filtered: field(&own, "Seccomp") == Some("2"),
        container: container(),
        strace: is_installed("strace"),
        perf: is_installed("perf"),
        target: pid.map(target),
    }
}

fn target(pid: u32) -> Target {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    let Ok(status) = status else { return Target { pid, ..Target::default() } };
    let number = |name| field(&status, name).and_then(|value| value.parse::<u64>().ok());
    let tracer = number("TracerPid").filter(|tracer| *tracer > 0);
    Target {
        pid,
        exists: true,
        user: user(&status),
        threads: number("Threads"),
        tracer: tracer.and_then(|tracer| u32::try_from(tracer).ok()),
    }
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let lines = status.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(key, _)| *key == name).map(|(_, value)| value.trim()).next()
}

/// The effective one, the second of four.
fn user(status: &str) -> Option<u32> {
    field(status, "Uid")?.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn container() -> Option<&'static str> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() || groups.contains("kubepods") {
        return Some("a container of a pod");
    }
    let marked = ["/.dockerenv", "/run/.containerenv"].iter().any(|path| Path::new(path).exists());
    marked.then_some("a container")
}

fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

fn tell(of: &Machine) -> String {
    let mut text = String::new();
    let pid = of.target.as_ref().map_or_else(|| "PID".to_owned(), |target| target.pid.to_string());
    // Writing into a String cannot fail.
    let mut say = |line: &str| {
        let _ = writeln!(text, "{line}");
    };
    say("Record for a minute under load, then stop it with ctrl-c:");
    say("");
    say(&format!("    strace -f -T -ttt -yy -o checkout.strace -p {pid}"));
    say("    strace -f -T -ttt -yy -o checkout.strace ./checkout      # from its start");
    say("    provost diagnose checkout.strace");
    say("");
    say(
        "-f follows all threads, -T tells how long calls took, -ttt when they began, -yy what descriptors lead to. Without -e: a Go program reads and writes sockets by read and write, and threads without work wait by futex and epoll_pwait.",
    );
    say(
        "strace stops a thread twice for each call: a busy service becomes several times slower. perf trace costs less and names only some descriptors:",
    );
    say("");
    say(&format!("    perf trace -o checkout.perf -p {pid}"));
    say("");
    let place = of.container.map(|what| format!(", in {what}")).unwrap_or_default();
    say(&format!(
        "Here (Linux {}{place}):",
        if of.kernel.is_empty() { "of an unknown version" } else { &of.kernel }
    ));
    for line in here(of) {
        say(&format!("  - {line}"));
    }
    say("");
    say("In a pod, with a container beside that of the service (its image needs strace):");
    say("");
    say(
        "    kubectl debug -it POD --image=IMAGE --target=CONTAINER --profile=general -- strace -f -T -ttt -yy -o /tmp/checkout.strace -p 1",
    );
    say(
        "    kubectl cp POD:/tmp/checkout.strace checkout.strace -c DEBUGGER      # while it still runs",
    );
    say("");
    say(
        "--target shows the processes of that container, of which the service is 1 unless the pod shares its process namespace. The profile general adds CAP_SYS_PTRACE, which root in the debugging container has then and another user has not: under runAsNonRoot it must run as the user of the service (--custom with securityContext.runAsUser), and the node must allow what is said of ptrace_scope above. A namespace that enforces the baseline or restricted level of Pod Security refuses the capability; then record on the node, where the process has another number (crictl inspect CONTAINER-ID shows it).",
    );
    text
}

/// What of it this machine allows.
fn here(of: &Machine) -> Vec<String> {
    let mut lines = Vec::new();
    if !of.strace {
        lines.push(
            "strace is not in PATH (Debian, Ubuntu, Fedora, Alpine: the package strace)".to_owned(),
        );
    }
    lines.push(scope(of));
    if let Some(target) = &of.target {
        lines.extend(about(of, target));
    }
    if of.filtered {
        lines.push(match older(&of.kernel, (4, 8)) {
            true => "a seccomp filter is on this process, and container runtimes forbid ptrace before Linux 4.8: run it with --cap-add SYS_PTRACE or seccomp=unconfined".to_owned(),
            false => "a seccomp filter is on this process; the default ones of Docker and containerd let ptrace through on Linux 4.8 and newer".to_owned(),
        });
    }
    match (of.perf, of.perf_paranoid) {
        (false, _) => lines.push("perf is not in PATH (Debian: linux-perf)".to_owned()),
        (true, Some(level)) if level > -1 && of.user != 0 && !of.may_count => lines.push(format!(
            "perf trace needs CAP_PERFMON or perf_event_paranoid -1, and it is {level}; it also needs to read /sys/kernel/tracing"
        )),
        (true, _) => lines.push("perf may trace".to_owned()),
    }
    lines
}

/// `Documentation/admin-guide/LSM/Yama.rst`
fn scope(of: &Machine) -> String {
    match of.ptrace_scope {
        Some(3) => "ptrace_scope is 3: strace can trace nothing until the machine starts anew, nobody may attach; use perf trace".to_owned(),
        Some(2) if !of.may_trace => "ptrace_scope is 2: attaching needs CAP_SYS_PTRACE, which this process has not (sudo)".to_owned(),
        Some(1) if !of.may_trace => "ptrace_scope is 1: strace may start a program, and attach to a running one with CAP_SYS_PTRACE only, which this process has not (sudo)".to_owned(),
        _ if of.may_trace => "this process has CAP_SYS_PTRACE: strace may attach to any process that it sees".to_owned(),
        _ => format!("strace may attach to processes of the same user ({}) that are not set-uid", of.user),
    }
}

fn about(of: &Machine, target: &Target) -> Vec<String> {
    let pid = target.pid;
    if !target.exists {
        return vec![format!("there is no process {pid} here")];
    }
    let mut lines = Vec::new();
    if let Some(tracer) = target.tracer {
        lines.push(format!(
            "process {pid} is traced by {tracer} already (a debugger, another strace): only one can"
        ));
    }
    match target.user {
        Some(user) if user != of.user && !of.may_trace => {
            lines.push(format!(
                "process {pid} is of user {user}, this one of {}: it needs CAP_SYS_PTRACE (sudo)",
                of.user
            ));
        }
        _ => {}
    }
    if let Some(threads) = target.threads {
        lines.push(format!("process {pid} has {threads} threads"));
    }
    lines
}

/// Whether a release is older; one that cannot be read is not.
fn older(release: &str, than: (u32, u32)) -> bool {
    let mut parts = release.split(['.', '-']).map(|part| part.parse::<u32>());
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < than,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            kernel: "6.1.0-18-amd64".to_owned(),
            strace: true,
            perf: true,
            user: 1000,
            ..Machine::default()
        }
    }

    #[test]
    fn who_may_attach_is_told_by_scope_and_capability() {
        let said =
            |ptrace_scope, may_trace| scope(&Machine { ptrace_scope, may_trace, ..machine() });
        assert!(said(None, false).contains("same user (1000)"));
        assert!(said(Some(0), false).contains("same user (1000)"));
        assert!(said(Some(1), false).contains("with CAP_SYS_PTRACE only"));
        assert!(said(Some(2), false).contains("attaching needs CAP_SYS_PTRACE"));
        for scope in [None, Some(0), Some(1), Some(2)] {
            assert!(said(scope, true).contains("has CAP_SYS_PTRACE"), "{scope:?}");
        }
        // Nothing helps against this one.
        assert!(said(Some(3), true).contains("nobody may attach"));
    }

    #[test]
    fn what_is_in_the_way_of_one_process_is_told() {
        let target =
            Target { pid: 7, exists: true, user: Some(65532), threads: Some(12), tracer: Some(9) };
        let text = tell(&Machine { target: Some(target.clone()), ..machine() });
        assert!(text.contains("strace -f -T -ttt -yy -o checkout.strace -p 7\n"), "{text}");
        assert!(text.contains("process 7 is traced by 9 already"), "{text}");
        assert!(text.contains("process 7 is of user 65532, this one of 1000"), "{text}");
        assert!(text.contains("process 7 has 12 threads"), "{text}");
        let missing = Target { exists: false, ..target };
        let text = tell(&Machine { target: Some(missing), ..machine() });
        assert!(text.contains("there is no process 7 here"), "{text}");
    }

    #[test]
    fn filters_stand_in_the_way_of_old_kernels_only() {
        let said = |kernel: &str| {
            tell(&Machine { kernel: kernel.to_owned(), filtered: true, ..machine() })
        };
        assert!(said("4.4.0-generic").contains("forbid ptrace before Linux 4.8"));
        assert!(said("4.8.0").contains("let ptrace through"));
        assert!(said("6.18.44").contains("let ptrace through"));
    }

    #[test]
    fn the_machine_that_it_runs_on_can_be_read() {
        let text = how(Some(std::process::id()));
        assert!(text.contains(&format!("process {} has ", std::process::id())), "{text}");
    }
}
