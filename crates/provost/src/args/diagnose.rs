//! What can be typed after `provost diagnose`.

use clap::Args;

use super::{Output, RuleArgs};

#[derive(Debug, Args)]
pub(crate) struct DiagnoseArgs {
    /// Logs of a process: what it wrote of its runtime, of its end and of its goroutines; `-` reads standard input
    #[arg(value_name = "FILE", required = true)]
    #[arg(
        long_help = "Logs of a process that ran with GODEBUG=gctrace=1 or schedtrace=1000 or that crashed, and dumps of its goroutines (SIGQUIT, /debug/pprof/goroutine), as it wrote them or as kubectl logs, containerd, CRI-O or Docker keep them; whatever else is in them is left out. `-` reads standard input"
    )]
    pub(crate) logs: Vec<String>,

    #[command(flatten)]
    pub(crate) rules: RuleArgs,

    /// text (default), json, sarif, github, gitlab, junit, markdown, html; repeatable
    #[arg(long, value_name = "FORMAT[=FILE]", help_heading = "Output")]
    pub(crate) format: Vec<Output>,
}
