//! Build information for `--version`. Everything is optional: a source archive has no repository.

use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = output(&rustc, &["--version"]);
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"]);
    let target = std::env::var("TARGET").ok();
    let parts: Vec<String> = [commit, target, version].into_iter().flatten().collect();
    println!("cargo::rustc-env=PROVOST_BUILD={}", parts.join(", "));
    // The log grows with every commit and checkout.
    if let Some(log) = output("git", &["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}
