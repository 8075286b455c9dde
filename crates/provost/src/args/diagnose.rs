//! What can be typed after `provost diagnose`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Output, RuleArgs};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct DiagnoseArgs {
    #[command(subcommand)]
    pub(crate) about: Option<About>,

    /// Logs of Go programs and kernels, counters, cgroups, pods and events, told apart by what they hold; `-` reads standard input
    #[arg(value_name = "FILE", required = true)]
    #[arg(
        long_help = "Logs of a process that ran with GODEBUG=gctrace=1 or schedtrace=1000 or that crashed, and dumps of its goroutines (SIGQUIT, /debug/pprof/goroutine), as it wrote them or as kubectl logs, containerd, CRI-O or Docker keep them; snapshots of what its runtime counts (/debug/vars, /metrics with the metrics of client_golang, values of runtime/metrics), of which several of one process tell more; the kernel's log (dmesg, journalctl -k, syslog); the folder of a memory cgroup, live or copied, a tar archive or what `head -n 200 memory.*` prints of it; pods and events as kubectl get -o yaml or -o json prints them. Whatever else is in a log is left out. `-` reads standard input"
    )]
    pub(crate) files: Vec<String>,

    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Debug, Subcommand)]
pub(crate) enum About {
    /// Who was killed for memory, why, and what the memory was
    Oom(Oom),
    /// Why a process ended: panics, fatal errors, signals
    Crash(Logs),
    /// What goroutines wait for, and which become more from dump to dump
    Goroutines(Logs),
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
    /// The kernel's log, cgroups, pods and events, logs of Go programs, what --collect wrote; `-` reads standard input
    #[arg(value_name = "FILE", required_unless_present = "collect", conflicts_with = "collect")]
    #[arg(
        long_help = "Any of: the kernel's log (dmesg with whatever option, journalctl -k, syslog, /dev/kmsg); the folder of a memory cgroup, version 1 or 2, live or copied, a tar archive or what `head -n 200 memory.*` prints of it; pods and events as kubectl get -o yaml or -o json prints them; the log of a Go program that ran with GODEBUG=gctrace=1; the archive that --collect wrote. `-` reads standard input"
    )]
    pub(crate) files: Vec<String>,

    /// Gather what this machine shows into one archive for later, secrets left out
    #[arg(long, help_heading = "Collecting")]
    #[arg(
        long_help = "Gather what this machine shows into one tar archive for later: the kernel's log, memory cgroups and those above them, of /proc what memory a process has. Of a pod, on its node, also the logs of its containers. What has the shape of a secret is left out of logs"
    )]
    pub(crate) collect: bool,

    /// The pod whose cgroups and logs are gathered; without it and --pid those in which something was killed
    #[arg(long, value_name = "NS/NAME", requires = "collect", conflicts_with = "pid")]
    #[arg(help_heading = "Collecting")]
    pub(crate) pod: Option<String>,

    /// The process whose cgroup and memory are gathered
    #[arg(long, value_name = "PID", requires = "collect", help_heading = "Collecting")]
    pub(crate) pid: Option<u32>,

    /// Where the archive is written
    #[arg(long, value_name = "FILE", requires = "collect", default_value = "provost-oom.tar")]
    #[arg(help_heading = "Collecting")]
    pub(crate) out: PathBuf,

    #[command(flatten)]
    pub(crate) shown: Shown,
}
