//! What `provost.toml` decides, and how mistakes in it are told.

use std::os::unix::fs::symlink;

use super::proving::{fixture, words};
use super::support::Dir;
use super::{ONE, Run, check, deployment};

#[test]
fn the_configuration_is_found_upwards_and_flags_outrank_it() {
    let dir =
        deployment().file("provost.toml", "[rules]\ngomemlimit-above-memory-limit = \"warn\"\n");
    let sub = dir.provost_in("deploy", &["check", "--date", "2026-11-23", ONE[0], ONE[1]]);
    assert_eq!(sub.code, 0, "{sub}");
    assert!(sub.out.contains("warning[gomemlimit-above-memory-limit]"), "{sub}");
    let flag = ["--level", "gomemlimit-above-memory-limit=deny"];
    assert_eq!(check(&dir, &[&ONE[..], &flag].concat()).code, 1);
}

#[test]
fn an_ignore_entry_hides_by_path() {
    let entry = "[[ignore]]\nrule = \"gomemlimit-above-memory-limit\"\npath = \"deploy/*\"\n";
    let dir = deployment().file("provost.toml", format!("{entry}reason = \"soak test\"\n"));
    let run = check(&dir, &ONE);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.out.contains("1 finding suppressed"), "{run}");
    let dir = deployment().file("provost.toml", entry);
    let run = check(&dir, &["--only", "gomemlimit-above-memory-limit,bad-suppression"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("bad-suppression/without-reason"), "{run}");
}

#[test]
fn mistakes_in_the_configuration_are_shown_at_their_line_and_nothing_is_judged() {
    let dir = deployment().file(
        "provost.toml",
        "[[service]]\nname = \"checkout\"\ndrian = \"30s\"\n\n[rules]\ngomemlimit-above-limit = \"deny\"\n",
    );
    let run = check(&dir, &[]);
    assert_eq!(run.code, 2, "{run}");
    assert_eq!(run.out, "");
    insta::assert_snapshot!(run.err, @r#"
    error: [[service]] has no key `drian`
     --> provost.toml:3:1
      |
    3 | drian = "30s"
      | ^^^^^
      |
      = help: did you mean `drain`?

    error: no rule is named `gomemlimit-above-limit`
     --> provost.toml:6:1
      |
    6 | gomemlimit-above-limit = "deny"
      | ^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `gomemlimit-above-memory-limit`?

    error: provost.toml has 2 mistakes; nothing was judged
    "#);
}

#[test]
fn the_settings_in_force_are_shown_with_what_set_them() {
    let dir = Dir::new().file(
        "provost.toml",
        "[[service]]\nname = \"checkout\"\ndrain = \"20s\"\n\n[rules]\nroot-user = \"note\"\n\
         naked-pod = { level = \"off\" }\n\n[[ignore]]\nrule = \"missing-pdb\"\n\
         path = \"jobs/**\"\nreason = \"batch\"\nuntil = 2030-01-31\n",
    );
    let run = dir.provost(&["explain", "--config"]);
    let (settings, levels) = run.out.split_once("\nlevels of the rules\n").unwrap();
    insta::assert_snapshot!(settings, @r#"
    from the command line
      nothing

    settings of provost.toml
      service.checkout.drain = "20s"  (provost.toml:3)
      rules.naked-pod = off  (provost.toml:7)
      rules.root-user = note  (provost.toml:6)
      ignore = missing-pdb in jobs/** until 2030-01-31  (provost.toml:10)

    defaults
      profile = recommended  (default)
      cluster.kubernetes = "1.35..1.37"  (the supported minors)
      cluster.endpoint_propagation = "5s"  (default)
      service.*.flush = "0s"  (default)
      service.*.lame_duck = "0s"  (default: the listener closes on SIGTERM)
    "#);
    let has = |levels: &str, line: &str| {
        assert!(levels.lines().any(|l| l == format!("  {line}")), "{line}\n{levels}");
    };
    has(levels, "root-user = note  (provost.toml:6)");
    has(levels, "naked-pod = off  (provost.toml:7)");
    has(levels, "gomemlimit-above-memory-limit = deny  (default)");
    has(levels, "end-of-life-toolchain = warn  (default)");

    let flags = ["--profile", "strict", "--level", "root-user=deny", "--kubernetes", "v1.36"];
    let run = dir.provost(&[&["explain", "--config"][..], &flags].concat());
    let (settings, levels) = run.out.split_once("\nlevels of the rules\n").unwrap();
    has(settings, "profile = strict  (--profile)");
    has(settings, "cluster.kubernetes = \"1.36..1.36\"  (--kubernetes)");
    assert!(!settings.contains("the supported minors"), "{run}");
    has(levels, "root-user = deny  (--level)");
    has(levels, "naked-pod = off  (provost.toml:7)");
    has(levels, "end-of-life-toolchain = deny  (profile strict)");

    let run = dir.provost(&["explain", "--profile", "strict"]);
    assert_eq!(run.code, 2, "{run}");
}

#[test]
fn a_release_that_is_not_known_is_a_mistake() {
    let dir = deployment();
    let fine = |args: &[&str]| {
        let run = check(&dir, &[&ONE, args].concat());
        assert_eq!(run.code, 1, "{run}");
    };
    for version in ["1.33", "v1.33", "1.33.2", "1.33..1.35"] {
        fine(&["--kubernetes", version]);
    }
    fine(&["--go", "1.27.3"]);
    for (flag, version) in
        [("--kubernetes", "1.99"), ("--kubernetes", "1.35..1.99"), ("--go", "1.99")]
    {
        let run = check(&dir, &[flag, version]);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{run}");
        assert!(
            run.err.contains("1.99 is not known: this provost knows the releases up to 1."),
            "{run}"
        );
    }
    let dir = deployment().file("provost.toml", "[cluster]\nkubernetes = \"1.99\"\n");
    let run = check(&dir, &ONE);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("provost.toml:2") && run.err.contains("is not known"), "{run}");
}

/// What is rendered or named by a flag belongs to a repository as much as a path does.
#[test]
fn the_configuration_is_found_above_whatever_is_named() {
    let wrong = "[cluster]\nnodez = 3\n";
    let dir = Dir::new()
        .file("repo/provost.toml", wrong)
        .file("repo/deploy/kustomization.yaml", "resources: []\n")
        .file("repo/chart/Chart.yaml", "name: c\nversion: 1.0.0\n")
        .file("repo/Dockerfile", "FROM scratch\n")
        .file("elsewhere/notes.txt", "");
    for (flag, path) in [
        ("--kustomize", "../repo/deploy"),
        ("--chart", "../repo/chart"),
        ("--dockerfile", "../repo/Dockerfile"),
        ("--binary", "../repo/Dockerfile"),
    ] {
        let run = dir.provost_in("elsewhere", &["check", flag, path]);
        assert_eq!(run.code, 2, "{flag}: {run}");
        assert!(run.err.contains("../repo/provost.toml:2:1"), "{flag}: {run}");
    }
    // The manifests are nearer to what settings speak of than what they run.
    let dir = dir.file("elsewhere/provost.toml", "").file("elsewhere/pod.yaml", "kind: List\n");
    let run = dir.provost_in("elsewhere", &["check", ".", "--dockerfile", "../repo/Dockerfile"]);
    assert!(!run.err.contains("provost.toml"), "{run}");
}

/// Two services of one repository, and the binaries that were built of them.
fn two_services(binaries: &[(&str, &str)], config: &str) -> Dir {
    let pod = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: pay}}\nspec:\n  containers:\n  - \
             name: {name}\n    image: registry.example/pay/{name}:1\n"
        )
    };
    let dir = Dir::new()
        .file("deploy/ledger.yaml", pod("ledger"))
        .file("deploy/settler.yaml", pod("settler"))
        .file("provost.toml", config);
    for (path, go) in binaries {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it can be made");
        symlink(fixture("plain", go), path).expect("the folder is there");
    }
    dir
}

const SERVICES: &str = "\
[[service]]
name = \"ledger\"
binary = \"./bin/ledger\"

[[service]]
container = \"pay/Pod/settler/settler\"
binary = \"bin/settler\"
";

fn judged_in(dir: &Dir, args: &[&str]) -> Run {
    let only = ["check", "--only", "ambiguous-binding,gomemlimit-above-memory-limit", "--verbose"];
    dir.provost(&[&only, args].concat())
}

#[test]
fn a_binary_that_the_configuration_names_is_judged() {
    let dir = two_services(&[("bin/ledger", "1.27"), ("bin/settler", "1.22")], SERVICES);
    let run = judged_in(&dir, &["deploy"]);
    assert_eq!(run.code, 0, "{run}");
    let said = words(&run.out);
    assert!(said.contains("pay/Pod/ledger/ledger bin/ledger"), "{run}");
    assert!(said.contains("pay/Pod/settler/settler bin/settler"), "{run}");
    assert!(said.contains("in 2 objects and 2 binaries"), "{run}");
    // From a folder below, by the path that leads to it.
    let below = dir.provost_in("deploy", &["check", "--only", "ambiguous-binding", "--verbose"]);
    assert!(words(&below.out).contains("pay/Pod/ledger/ledger ../bin/ledger"), "{below}");
    // What walking finds as well is one.
    let run = judged_in(&dir, &["."]);
    assert!(words(&run.out).contains("in 2 objects and 2 binaries"), "{run}");
    // A binary that is given outranks them.
    let run = judged_in(&dir, &["deploy", "--binary", "bin/settler"]);
    assert!(words(&run.out).contains("and 1 binary"), "{run}");
}

#[test]
fn a_binary_of_the_configuration_that_is_not_there_is_told() {
    let dir = two_services(&[("bin/settler", "1.27")], SERVICES);
    let run = judged_in(&dir, &["deploy"]);
    assert_eq!(run.code, 0, "{run}");
    let said = words(&run.out);
    assert!(
        said.contains(
            "bin/ledger: provost.toml names it as the binary of ledger, and no such file is there"
        ),
        "{run}"
    );
    // It is nobody else's because it is the only one.
    let run = judged_in(&dir, &["deploy/ledger.yaml"]);
    assert!(!words(&run.out).contains("pay/Pod/ledger/ledger bin/settler"), "{run}");
}

#[test]
fn a_release_older_than_the_tables_is_judged_and_told() {
    let dir = deployment();
    let run = check(&dir, &[&ONE[..], &["--kubernetes", "1.20..1.36"]].concat());
    assert_eq!(run.code, 1, "{run}");
    let told = "where Kubernetes 1.20 differs from 1.30";
    assert!(words(&run.out).contains(told), "{run}");
    let run = check(&dir, &[&ONE[..], &["--kubernetes", "1.30"]].concat());
    assert!(!words(&run.out).contains("otherwise"), "{run}");
}

/// `no findings in 1 object` over rules that were all switched off.
#[test]
fn a_run_without_a_rule_is_a_mistake() {
    let dir = deployment();
    let rule = ONE[1];
    let off = format!("{rule}=off");
    for more in [["--skip", rule], ["--level", &off]] {
        let run = check(&dir, &[&ONE[..], &more].concat());
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{run}");
        assert!(run.err.contains("no rule is left to judge by"), "{run}");
    }
    let both = ["--only", "gomemlimit-above-memory-limit,naked-pod", "--skip", rule];
    assert_eq!(check(&dir, &both).code, 0);
}

/// Options that were accepted and did nothing.
#[test]
fn what_an_option_needs_has_to_be_there() {
    let dir = deployment().file("log.txt", "x\n");
    for (args, why) in [
        (&["check", "--platform", "linux/arm64", "deploy"][..], "--platform: no image is given"),
        (&["check", "--namespace", "A B", "deploy"], "expected the name of a namespace"),
        (&["check", "--namespace", "", "deploy"], "--namespace"),
        (&["check", "--go", "1.5", "deploy"], "this provost knows the releases from 1.16 on"),
        (&["diagnose", "oom", "--pod", "a/b", "log.txt"], "cannot be used with"),
        (&["diagnose", "oom", "--pid", "1", "log.txt"], "cannot be used with"),
        (&["diagnose", "oom", "--out", "x.tar", "log.txt"], "cannot be used with"),
        (&["init", "--ci", "none,github"], "--ci: none goes with no other"),
        (&["explain", "--config", "--level", "naked-pot=off"], "did you mean `naked-pod`?"),
    ] {
        let run = dir.provost(args);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{args:?}: {run}");
        assert!(run.err.contains(why), "{args:?}: {run}");
    }
    // Only `check` has what its exit code 1 speaks of.
    for (verb, has) in [("check", true), ("prove", false), ("diagnose", false)] {
        assert_eq!(dir.provost(&[verb, "--help"]).out.contains("--require"), has, "{verb}");
    }
}
