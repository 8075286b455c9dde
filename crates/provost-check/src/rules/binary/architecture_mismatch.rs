//! A program for another machine than it is put on.

use crate::case::image::ImageCase;
use crate::case::{Case, ProgramCase};
use crate::facts::binary::{Binary, GoProgram};
use crate::facts::{Fact, Node, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const OF_DOCKERFILE: Variant = Variant::new(
    "dockerfile-builds-another-architecture",
    Level::Warn,
    "the binary that was given is for another architecture than its Dockerfile builds for",
);

const VARIANT: Variant = Variant::new(
    "level-above-image-variant",
    Level::Deny,
    "the program needs a newer processor than the variant that its image is said to be for",
);

/// The kernel refuses to start it.
pub static RULE: Rule = Rule {
    id: "architecture-mismatch",
    group: Group::Binary,
    level: Level::Deny,
    title: "the program is built for another architecture than image or node",
    page: include_str!("architecture-mismatch.md"),
    needs: &[Need::Binary],
    variants: &[OF_DOCKERFILE, VARIANT],
    check: Check::Container(check),
    also: &[Check::Program(of_dockerfile), Check::Image(image)],
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let binary = case.binary()?;
    let unknown =
        || Abstain::unknown(Reason::ArchUnsupported, format!("machine of {}", binary.path));
    let machine = binary.machine.as_ref().ok_or_else(unknown)?;
    let own = machine.value.as_str();
    // Built for this check: for the machine at hand, unless the Dockerfile says for which.
    let pinned = match binary.built_from {
        Some(_) => Some(pinned(case, own).ok_or(Abstain::NotApplicable)?),
        None => None,
    };
    let mut say =
        |place: &Origin, label: &str, what: String| {
            let mut finding = Finding::new(
                &RULE,
                format!("{own} program on {what}: `exec format error`, it never starts"),
                place,
                label,
            )
            .also(&machine.origin, format!("built for {own}"));
            if let Some(pin) = &pinned {
                finding = finding.also(&pin.origin, format!("builds for {own} on any machine"));
            }
            out.push(finding.fix(Fix::suggest(
                "build with GOARCH=$TARGETARCH, or change what the pod asks for",
            )));
        };
    let mut applies = false;
    let mut too_new: Option<Finding> = None;
    let mut misnamed: Option<Finding> = None;
    if let Ok(view) = case.image()
        && let Some(image) = view.image()
    {
        applies = true;
        if !runs(own, image.arch()) {
            let what = format!("an {} image", image.arch());
            say(&image.platform.origin, "the image's platform", what);
        }
        too_new = above_variant(binary, &image.platform);
    }
    if let Ok(build) = case.build()
        && let Some(platform) = &build.last().platform
        && let Some(arch) = platform.value.split('/').nth(1).filter(|arch| !arch.contains('$'))
    {
        applies = true;
        if !runs(own, arch) {
            say(&platform.origin, "the image's platform", format!("an {arch} image"));
        }
        // What `--build` made is for the processors of this machine.
        if binary.built_from.is_none() && too_new.is_none() {
            too_new = above_variant(binary, platform);
        }
    }
    let selector = &case.pod().node_selector;
    if let Some(arch) =
        selector.get("kubernetes.io/arch").or_else(|| selector.get("beta.kubernetes.io/arch"))
    {
        applies = true;
        if let Some(name) = meant(&arch.value) {
            misnamed = Some(
                Finding::new(
                    &RULE,
                    format!(
                        "no node is labelled kubernetes.io/arch={}, which Go calls {name}: the pod stays Pending",
                        arch.value
                    ),
                    &arch.origin,
                    "asks for such nodes",
                )
                .fix(Fix::suggest(format!("write {name}")).replace(&arch.origin, name)),
            );
        } else if !runs(own, &arch.value) {
            say(&arch.origin, "asks for such nodes", format!("{} nodes", arch.value));
        }
    }
    let spec = case.of.object.document.node(case.pod().spec);
    if let Some(refused) = by_affinity(spec, own) {
        applies = true;
        if let Some((place, nodes)) = refused {
            say(&place, "asks for such nodes", nodes);
        }
    }
    let nodes = &case.settings().cluster.node_arch;
    if let Some(first) = nodes.first() {
        applies = true;
        if !nodes.iter().any(|arch| runs(own, &arch.value)) {
            say(&first.origin, "the cluster's nodes", format!("{} nodes", first.value));
        }
    }
    out.found.extend(misnamed);
    out.found.extend(too_new.map(|it| it.also(case.container_origin(), "runs the image")));
    if applies { Ok(()) } else { Err(Abstain::NotApplicable) }
}

/// An image that no container of the input runs, and the program in it.
fn image(case: &ImageCase<'_>, out: &mut Findings) -> Judged {
    case.start()?;
    let binary = case.binary().ok_or(Abstain::NotApplicable)?;
    let platform = &case.image.platform;
    let (Some(machine), arch) = (&binary.machine, case.image.arch()) else {
        let what = format!("machine of {}", binary.path);
        return Err(Abstain::unknown(Reason::ArchUnsupported, what));
    };
    if !arch.is_empty() && !runs(&machine.value, arch) {
        let own = machine.value.as_str();
        let message =
            format!("{own} program on an {arch} image: `exec format error`, it never starts");
        out.push(
            Finding::new(&RULE, message, &platform.origin, "the image's platform")
                .also(&machine.origin, format!("built for {own}"))
                .fix(Fix::suggest("build with GOARCH=$TARGETARCH")),
        );
    }
    out.found.extend(above_variant(binary, platform));
    Ok(())
}

/// The variant of a platform (`linux/arm/v6`, `linux/amd64/v2`) against the level that the program was
/// built for. A platform without one is not compared: that of amd64 is any processor, which
/// `goamd64-above-node-baseline` is about, and that of arm v7, which is the highest. GO386 has no
/// variant to be compared with.
fn above_variant(binary: &Binary, platform: &Fact<String>) -> Option<Finding> {
    let mut parts = platform.value.split('/').skip(1);
    let arch = parts.next()?;
    let variant: u8 = parts.next()?.strip_prefix('v')?.parse().ok()?;
    let program = binary.go.as_ref()?;
    let (setting, level, says) = level(program, arch)?;
    if level <= variant || binary.machine.as_ref().is_none_or(|it| it.value != arch) {
        return None;
    }
    let key = if arch == "arm" { "GOARM" } else { "GOAMD64" };
    Some(
        Finding::new(
            &RULE,
            format!(
                "built with {key}={}, in an image for {}: on such a processor it ends at its start \
                 (`{says}`)",
                setting.value, platform.value
            ),
            &platform.origin,
            format!("for v{variant}"),
        )
        .variant(&VARIANT)
        .also(&setting.origin, format!("needs v{level}"))
        .fix(Fix::suggest(if arch == "arm" {
            "build with ARG TARGETVARIANT and GOARM=${TARGETVARIANT#v}: without GOARM a build for \
             another machine is for v7"
                .to_owned()
        } else {
            format!("build with {key}=v{variant}, or make the image for {arch}/v{level}")
        })),
    )
}

/// The level of processors that a program needs, and how its runtime says so. Sources: `checkgoarm` of
/// runtime/os_linux_arm.go, which lets programs without hardware floating point pass, and `goarm` of
/// internal/buildcfg/cfg.go; runtime/asm_amd64.s (Go 1.26).
fn level<'p>(program: &'p GoProgram, arch: &str) -> Option<(&'p Fact<String>, u8, String)> {
    match arch {
        "arm" => {
            let setting = program.setting("GOARM")?;
            let (version, float) = match setting.value.split_once(',') {
                Some((version, float)) => (version, float != "softfloat"),
                None => (setting.value.as_str(), setting.value != "5"),
            };
            let version: u8 = version.parse().ok().filter(|it| (5..=7).contains(it))?;
            let says = if version == 7 {
                "this CPU has no VFPv3 floating point hardware"
            } else {
                "this CPU has no floating point hardware"
            };
            // ARMv5 with floating point needs what v6 has.
            float.then(|| (setting, version.max(6), says.to_owned()))
        }
        "amd64" => {
            let setting = program.setting("GOAMD64")?;
            let level: u8 = setting.value.strip_prefix('v')?.parse().ok()?;
            let says = format!(
                "This program can only be run on AMD64 processors with v{level} microarchitecture \
                 support."
            );
            Some((setting, level, says))
        }
        _ => None,
    }
}

/// What was judged is not what the Dockerfile builds. A file that walking found may be left over from
/// anything; one that was named is meant.
fn of_dockerfile(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    let given = case.binary;
    let named = case.world().sources.get(given.source).named;
    if given.in_image.is_some() || given.built_from.is_some() || !named {
        return Err(Abstain::NotApplicable);
    }
    let build = case.build().ok_or(Abstain::NotApplicable)?;
    let go = build.entrypoint_build().ok_or(Abstain::NotApplicable)?;
    let pin = build.pinned_arch(go).ok_or(Abstain::NotApplicable)?;
    let Some(machine) = &given.machine else {
        let what = format!("machine of {}", given.path);
        return Err(Abstain::unknown(Reason::ArchUnsupported, what));
    };
    if machine.value == pin.value {
        return Ok(());
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the Dockerfile builds the program for {}, and {} is for {}: what is judged of it is \
                 not what the Dockerfile builds",
                pin.value, given.path, machine.value
            ),
            &pin.origin,
            format!("builds for {}", pin.value),
        )
        .variant(&OF_DOCKERFILE)
        .also(&machine.origin, format!("built for {}", machine.value))
        .fix(Fix::suggest(format!(
            "give the binary that the Dockerfile builds (GOARCH={}), or leave --binary out and use --build",
            pin.value
        ))),
    );
    Ok(())
}

/// What makes every `go build` of the Dockerfile build for `arch`. When one of them leaves it open,
/// what `--build` made is an accident of this machine.
fn pinned(case: &Case<'_>, arch: &str) -> Option<Fact<String>> {
    let build = case.build().ok()?;
    let builds = build.image_builds();
    let pins = builds.iter().map(|go| build.pinned_arch(go).filter(|pin| pin.value == arch));
    pins.collect::<Option<Vec<_>>>()?.into_iter().next()
}

/// Whether a machine starts programs of another: 64-bit ones mostly start their 32-bit kin.
fn runs(program: &str, machine: &str) -> bool {
    program == machine || matches!((program, machine), ("386", "amd64") | ("arm", "arm64"))
}

/// What Go, and with it the label that the kubelet puts on its node (`initialNode` of pkg/kubelet/kubelet_node_status.go),
/// calls an architecture that is written as other systems call it.
fn meant(label: &str) -> Option<&'static str> {
    match label.to_ascii_lowercase().as_str() {
        "x86_64" | "x86-64" | "x64" => Some("amd64"),
        "aarch64" => Some("arm64"),
        _ => None,
    }
}

/// What required node affinity says of a program's architecture: `None` where a term of it says nothing, since one is
/// enough; the first place and the nodes it asks for where no term leaves a node that runs the program. All expressions
/// of a term have to hold (`MatchNodeSelectorTerms` of k8s.io/component-helpers, scheduling/corev1/nodeaffinity).
fn by_affinity(spec: Node<'_>, own: &str) -> Option<Option<(Origin, String)>> {
    const KEYS: [&str; 2] = ["kubernetes.io/arch", "beta.kubernetes.io/arch"];
    let terms = spec.at(&[
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
    ])?;
    let hosts = ["amd64", "386", "arm64", "arm"].into_iter().filter(|host| runs(own, host));
    let hosts: Vec<&str> = std::iter::once(own).chain(hosts).collect();
    let mut place = None;
    let mut nodes = Vec::new();
    let mut fits = false;
    for term in terms.items().take(64) {
        let mut left = hosts.clone();
        let mut said = false;
        for expression in term.get("matchExpressions")?.items().take(64) {
            let key = expression.get("key").and_then(|key| key.as_str());
            if !key.is_some_and(|key| KEYS.contains(&key)) {
                continue;
            }
            let operator = expression.get("operator").and_then(|it| it.as_str())?;
            let list = expression.get("values");
            let values: Vec<&str> = list
                .iter()
                .flat_map(|list| list.items())
                .take(64)
                .filter_map(|v| v.as_str())
                .collect();
            let (keeps_listed, what) = match operator {
                "In" => (true, format!("{} nodes", values.join(" or "))),
                "NotIn" => (false, format!("nodes other than {}", values.join(" and "))),
                _ => continue,
            };
            if values.is_empty() {
                return None;
            }
            said = true;
            let before = left.len();
            left.retain(|host| values.contains(host) == keeps_listed);
            if left.is_empty() && before > 0 {
                place = place.or_else(|| list.map(|list| list.origin()));
                nodes.push(what);
            }
        }
        // A term that says nothing of it takes any node.
        if !said {
            return None;
        }
        fits |= !left.is_empty();
    }
    Some(place.filter(|_| !fits).map(|place| (place, nodes.join(", or "))))
}
