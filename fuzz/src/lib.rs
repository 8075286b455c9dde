//! One function for each parser, called by the fuzzing engine and by the replay of the seeds.
//!
//! Each reads hostile bytes and then uses what came of them the way the pipeline does: a value
//! that parses and panics when it is looked at is found, too. Nothing is returned; the finding
//! is a panic, a time or a memory limit.

mod archive;
mod artifacts;
mod network;
mod process;
mod program;
mod wrap;

use artifacts::{analysis, dockerfile, fixes, image, layers, proof, render, report, yaml};
use network::{grpc, http2, otlp, response, websocket};
use process::{counters, crash, exposition, oom, profile, runtimelog, strace};
use program::{buildinfo, elf, godebug, pclntab, strings};

/// A target: its name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets. The names are those of the folders in `seeds/`.
pub const TARGETS: &[Target] = &[
    ("elf", elf),
    ("buildinfo", buildinfo),
    ("pclntab", pclntab),
    ("strings", strings),
    ("godebug", godebug),
    ("yaml", yaml),
    ("dockerfile", dockerfile),
    ("image", image),
    ("layers", layers),
    ("analysis", analysis),
    ("exposition", exposition),
    ("runtimelog", runtimelog),
    ("strace", strace),
    ("crash", crash),
    ("counters", counters),
    ("oom", oom),
    ("profile", profile),
    ("render", render),
    ("fixes", fixes),
    ("report", report),
    ("response", response),
    ("http2", http2),
    ("grpc", grpc),
    ("websocket", websocket),
    ("otlp", otlp),
    ("proof", proof),
];
