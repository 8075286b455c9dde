//! A program for newer processors than its nodes may have.

use crate::case::{Case, ProgramCase};
use crate::facts::binary::GoProgram;
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const ARM64: Variant =
    Variant::new("goarm64-with-lse", Level::Note, "a program for arm64 that needs atomics of 8.1");

/// The Go runtime asks the processor before anything else, and ends.
pub static RULE: Rule = Rule {
    id: "goamd64-above-node-baseline",
    group: Group::Binary,
    level: Level::Warn,
    title: "built for newer processors than the nodes are known to have",
    page: include_str!("goamd64-above-node-baseline.md"),
    needs: &[Need::Binary],
    variants: &[ARM64],
    check: Check::Container(check),
    also: &[Check::Program(program)],
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let program = case.program()?;
    // Whoever chooses machines has chosen processors.
    if chooses_machines(case) {
        return Ok(());
    }
    judge(program, case.settings().cluster.goamd64.as_ref(), Some(case.container_origin()), out)
}

/// A program that no container of the input runs.
fn program(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    if case.cases().next().is_some() {
        return Err(Abstain::NotApplicable);
    }
    let nodes = case.world().settings.cluster.goamd64.as_ref();
    judge(case.program()?, nodes, None, out)
}

fn judge(
    program: &GoProgram,
    nodes: Option<&Fact<u8>>,
    container: Option<&Origin>,
    out: &mut Findings,
) -> Judged {
    if let Some(setting) = program.setting("GOAMD64")
        && let Some(level) = setting.value.strip_prefix('v').and_then(|v| v.parse::<u8>().ok())
        && (2..=4).contains(&level)
    {
        out.found.extend(amd64(setting, level, nodes, container));
    } else if let Some(setting) = program.setting("GOARM64").filter(|it| needs_lse(&it.value)) {
        let finding = Finding::new(
            &RULE,
            format!(
                "built with GOARM64={}: on a processor of Armv8.0 it ends at its start (`This \
                 program can only run on ARM64 processors with LSE support.`)",
                setting.value
            ),
            &setting.origin,
            "needs the atomics of Armv8.1",
        )
        .variant(&ARM64)
        .note("AWS a1 and the Raspberry Pi 4 have none; Graviton2, Ampere Altra and later do");
        out.push(run_by(finding, container).fix(Fix::suggest(
            "build with GOARM64=v8.0, which is the default, unless no such node will be there",
        )));
    } else {
        return Err(Abstain::NotApplicable);
    }
    Ok(())
}

fn amd64(
    setting: &Fact<String>,
    level: u8,
    nodes: Option<&Fact<u8>>,
    container: Option<&Origin>,
) -> Option<Finding> {
    let ends = format!(
        "it ends at its start (`This program can only be run on AMD64 processors with v{level} \
         microarchitecture support.`)"
    );
    let build = "build with GOAMD64=v1, which is the default, or with what all nodes have";
    let finding = match nodes {
        Some(nodes) if nodes.value >= level => return None,
        Some(nodes) => Finding::new(
            &RULE,
            format!("built with GOAMD64=v{level}, and the nodes have v{}: {ends}", nodes.value),
            &setting.origin,
            format!("needs v{level}"),
        )
        .level(Level::Deny)
        .also(&nodes.origin, format!("the nodes have v{}", nodes.value))
        .fix(Fix::suggest(build)),
        None => Finding::new(
            &RULE,
            format!(
                "built with GOAMD64=v{level}, and nothing says that the nodes have it: where one \
                 has not, {ends}"
            ),
            &setting.origin,
            format!("needs v{level}"),
        )
        // Every server of the last fifteen years has v2.
        .level(if level == 2 { Level::Note } else { Level::Warn })
        .fix(Fix::suggest(format!(
            "say what the nodes have, [cluster] goamd64 = \"v{level}\" in provost.toml, or {build}"
        ))),
    };
    Some(run_by(finding, container))
}

fn run_by(finding: Finding, container: Option<&Origin>) -> Finding {
    match container {
        Some(container) => finding.also(container, "runs it on any node"),
        None => finding,
    }
}

/// `v8.1` and up, and `v8.0,lse`: all that Go makes of the level are these atomics
/// (internal/buildcfg/cfg.go in 1.27).
fn needs_lse(setting: &str) -> bool {
    let (version, options) = setting.split_once(',').unwrap_or((setting, ""));
    let newer = version != "v8.0" && version.starts_with('v');
    newer || options.split(',').any(|option| option == "lse")
}

/// Whether the pod goes to nodes with certain processors, or of a certain make: by the labels of
/// node-feature-discovery, by machine types, families and pools of clouds.
fn chooses_machines(case: &Case<'_>) -> bool {
    const WORDS: &[&str] = &[
        "cpu-",
        "/instance-",
        "machine-family",
        "machine-type",
        "compute-class",
        "nodepool",
        "node-pool",
        "nodegroup",
        "agentpool",
        "goamd64",
    ];
    let chooses = |key: &str| WORDS.iter().any(|word| key.contains(word));
    if case.pod().node_selector.0.iter().any(|(key, _)| chooses(&key.value)) {
        return true;
    }
    let spec = case.of.object.document.node(case.pod().spec);
    let terms = spec.at(&[
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
    ]);
    let terms = terms.iter().flat_map(|terms| terms.items()).take(64);
    let mut keys = terms
        .filter_map(|term| term.get("matchExpressions"))
        .flat_map(|list| {
            list.items().take(64).filter_map(|item| item.get("key")).collect::<Vec<_>>()
        })
        .filter_map(|key| key.as_str().map(str::to_owned));
    keys.any(|key| chooses(&key))
}
