//! What can be typed after `provost diagnose`.

use std::path::PathBuf;

use clap::{ArgAction, Args, Subcommand};
use provost_check::case::traced::Place;
use provost_check::model::memlimit::{self, MemLimit};
use provost_check::model::quantity::Quantity;

use super::{Output, RuleArgs};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct DiagnoseArgs {
    #[command(subcommand)]
    pub(crate) about: Option<About>,

    /// Logs of Go programs, kernels and system calls, counters, cgroups, pods and events, told apart by what they hold; `-` reads standard input
    #[arg(value_name = "FILE", required = true)]
    #[arg(
        long_help = "Logs of a process that ran with GODEBUG=gctrace=1 or schedtrace=1000 or that crashed, and dumps of its goroutines (SIGQUIT, /debug/pprof/goroutine), as it wrote them or as kubectl logs (with --prefix, of several pods), containerd, CRI-O, Docker, docker compose, stern, journalctl, logcli, Cloud Logging, Fluent Bit or aws logs tail keep or print them; snapshots of what its runtime counts (/debug/vars, /metrics with the metrics of client_golang, values of runtime/metrics), of which several of one process tell more; the kernel's log (dmesg, journalctl -k with any -o, syslog); heap profiles of /debug/pprof/heap, with ?debug=1 or without; system calls as strace or perf trace record them; the folder of a memory cgroup, live or copied, a tar archive or what `head -n 200 memory.*` prints of it; pods and events as kubectl get -o yaml or -o json and kubectl describe pod print them. Whatever else is in a log is left out. `-` reads standard input"
    )]
    pub(crate) files: Vec<String>,

    #[command(flatten)]
    pub(crate) tracing: Tracing,

    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Debug, Subcommand)]
pub(crate) enum About {
    /// What a log says of the garbage collector, and in what two logs differ
    Gc(Gc),
    /// Who was killed for memory, why, and what the memory was
    Oom(Oom),
    /// Why a process ended: panics, fatal errors, signals
    Crash(Logs),
    /// What goroutines wait for, and which become more from dump to dump
    Goroutines(Logs),
    /// Which system calls hold threads, by what strace or perf trace recorded
    Syscalls(Syscalls),
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Logs and dumps; `-` reads standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<String>,

    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// What is judged, and how it is printed.
#[derive(Debug, Args)]
pub(crate) struct Shown {
    #[command(flatten)]
    pub(crate) rules: RuleArgs,

    /// text (default), json, sarif, github, gitlab, junit, markdown, html; repeatable
    #[arg(long, value_name = "FORMAT[=FILE]", help_heading = "Output")]
    pub(crate) format: Vec<Output>,
}

#[derive(Debug, Args)]
pub(crate) struct Oom {
    /// The kernel's log, cgroups, pods and events, logs and heap profiles of Go programs, what --collect wrote; `-` reads standard input
    #[arg(value_name = "FILE", required_unless_present = "collect", conflicts_with = "collect")]
    #[arg(
        long_help = "Any of: the kernel's log (dmesg with whatever option, journalctl -k with any -o, syslog, /dev/kmsg); the folder of a memory cgroup, version 1 or 2, live or copied, a tar archive or what `head -n 200 memory.*` prints of it; pods and events as kubectl get -o yaml or -o json prints them, pods as kubectl describe does; the log of a Go program that ran with GODEBUG=gctrace=1, and its heap profiles (/debug/pprof/heap, with ?debug=1 or without); the archive that --collect wrote. `-` reads standard input"
    )]
    pub(crate) files: Vec<String>,

    /// Gather what this machine shows into one archive for later, secrets left out
    #[arg(long, help_heading = "Collecting")]
    #[arg(
        long_help = "Gather what this machine shows into one tar archive for later: the kernel's log, memory cgroups and those above them, of /proc what memory a process has. Of a pod, on its node, also the logs of its containers. What has the shape of a secret is left out of logs"
    )]
    pub(crate) collect: bool,

    /// The pod whose cgroups and logs are gathered; without it and --pid those in which something was killed
    #[arg(long, value_name = "NS/NAME", requires = "collect", conflicts_with_all = ["pid", "files"])]
    #[arg(help_heading = "Collecting")]
    pub(crate) pod: Option<String>,

    /// The process whose cgroup and memory are gathered
    #[arg(long, value_name = "PID", requires = "collect", conflicts_with = "files")]
    #[arg(help_heading = "Collecting")]
    pub(crate) pid: Option<u32>,

    /// Where the archive is written
    #[arg(long, value_name = "FILE", requires = "collect", default_value = "provost-oom.tar")]
    #[arg(conflicts_with = "files", help_heading = "Collecting")]
    pub(crate) out: PathBuf,

    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Debug, Args)]
pub(crate) struct Syscalls {
    /// What strace or perf trace recorded; `-` reads standard input
    #[arg(value_name = "FILE", required_unless_present = "how", conflicts_with = "how")]
    pub(crate) files: Vec<String>,

    /// Say how to record them on this machine and in a pod; of PID also what is in the way
    #[arg(long, value_name = "PID", num_args = 0..=1, help_heading = "Recording")]
    pub(crate) how: Option<Option<u32>>,

    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Debug, Args)]
pub(crate) struct Gc {
    /// Logs of a process that ran with GODEBUG=gctrace=1; `-` reads standard input
    #[arg(value_name = "FILE", required_unless_present = "compare")]
    pub(crate) files: Vec<String>,

    /// Say in what the collections of two logs differ, by how much, and what they could not show; as text, json, markdown or html
    #[arg(long, num_args = 2, action = ArgAction::Set, value_names = ["A", "B"])]
    #[arg(conflicts_with_all = ["files", "follow"])]
    pub(crate) compare: Vec<String>,

    #[command(flatten)]
    pub(crate) tracing: Tracing,

    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// How the log of a runtime is read, and for which place it is.
#[derive(Debug, Default, Args)]
pub(crate) struct Tracing {
    /// Wait for more as the file grows, until Ctrl-C, which prints the report
    #[arg(long, short)]
    pub(crate) follow: bool,

    /// Inputs are logs of system calls, however they begin: what `diagnose syscalls` is given.
    #[arg(skip)]
    pub(crate) calls: bool,

    /// The container's memory limit, as in its manifest (512Mi): which GOMEMLIMIT fits it
    #[arg(long, value_name = "QUANTITY", value_parser = size, help_heading = "Evidence")]
    pub(crate) memory_limit: Option<u64>,
    /// What the process needs of it outside of Go: cgo, mapped files, tmpfs, other processes
    #[arg(long, value_name = "QUANTITY", value_parser = size, requires = "memory_limit")]
    #[arg(help_heading = "Evidence")]
    pub(crate) non_heap_memory: Option<u64>,
}

impl Tracing {
    /// Where the process runs.
    pub(crate) fn place(&self) -> Place {
        Place {
            memory_limit: self.memory_limit,
            non_heap: self.non_heap_memory.unwrap_or_default(),
        }
    }
}

/// A size as manifests have it, or as GOMEMLIMIT has it.
fn size(text: &str) -> Result<u64, String> {
    let refused = || format!("`{text}` is no size of memory: 512Mi, 1G or 536870912 would be");
    if let Ok(MemLimit::Set(bytes)) = memlimit::parse(text, None) {
        return Ok(bytes.0);
    }
    let quantity = Quantity::parse(text).map_err(|_| refused())?;
    match quantity.is_negative() || text.ends_with('m') {
        true => Err(refused()),
        false => Ok(quantity.bytes().0),
    }
}
