//! What `provost.toml` decides, and how mistakes in it are told.

use super::support::Dir;
use super::{ONE, check, deployment};

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
