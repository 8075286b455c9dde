//! How long the end of a service takes, by its source: what `init` writes of it, and what the gate
//! then says.

use super::support::Dir;
use super::{assert_clean, commit, git, has, init, program, report, said};

/// A service that goes on accepting for a while after SIGTERM, as `wait` says.
fn lingering(wait: &str, rest: &str) -> Dir {
    let source = format!(
        "import (\n\"context\"\n\"net/http\"\n\"os\"\n\"os/signal\"\n\"syscall\"\n\"time\"\n)\n{rest}\nfunc main() {{\n\
         stop, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)\ndefer release()\n\
         mux := http.NewServeMux()\nmux.HandleFunc(\"GET /livez\", func(w http.ResponseWriter, _ *http.Request) {{}})\n\
         mux.HandleFunc(\"GET /readyz\", func(w http.ResponseWriter, _ *http.Request) {{}})\n\
         server := &http.Server{{Addr: \":8080\", Handler: mux, ReadHeaderTimeout: time.Second}}\n\
         go server.ListenAndServe()\n<-stop.Done()\n{wait}\n\
         limit, cancel := context.WithTimeout(context.Background(), 20*time.Second)\ndefer cancel()\n\
         server.Shutdown(limit)\n}}\n"
    );
    let dir = program(&source);
    git(&dir, &["init", "--quiet", "--initial-branch=main"]);
    dir
}

/// `init` wrote 0s for it, and the gate then judged a shorter end than there is.
#[test]
fn a_program_that_waits_before_its_shutdown_has_a_lame_duck() {
    let dir = lingering("time.Sleep(linger)", "const linger = 8 * time.Second");
    init(&dir, &["--ci", "none"]);
    has(
        &dir,
        "provost.toml",
        &[
            "drain = \"20s\"",
            "lame_duck = \"8s\"",
            "# How long the listener stays open after SIGTERM: it waits in main.go:20.",
        ],
    );
    // 5 s preStop, 8 s, 20 s and what is kept.
    has(&dir, "deploy/deployment.yaml", &["terminationGracePeriodSeconds: 40"]);
    commit(&dir);
    assert_clean(&report(&dir, &["--build"]), "it waits", 1);
    // The gate knows of the wait.
    let deployment = dir.read("deploy/deployment.yaml");
    let short = deployment.replace("GracePeriodSeconds: 40", "GracePeriodSeconds: 30");
    let dir = dir.file("deploy/deployment.yaml", short);
    let report = report(&dir, &["--only", "drain-exceeds-grace-period"]);
    assert_eq!(report["findings"].as_array().unwrap().len(), 1, "{report:#}");

    let dir = lingering("time.Sleep(linger)", "const linger = 8 * time.Second");
    init(&dir, &["--ci", "none", "--helm"]);
    has(&dir, "charts/parcel/values.yaml", &["lameDuck: 8", "drain: 20"]);
}

#[test]
fn a_wait_that_a_variable_decides_is_set_where_it_can_be() {
    let of = |wait: &str, rest: &str| {
        let dir = lingering(wait, rest);
        init(&dir, &["--ci", "none"]);
        (dir.read("provost.toml"), dir.read("deploy/deployment.yaml"))
    };
    let env = "func env(name string, or time.Duration) time.Duration {\nif d, err := time.ParseDuration(os.Getenv(name)); err == nil {\nreturn d\n}\nreturn or\n}";
    let (toml, deployment) = of("time.Sleep(env(\"STOP_AFTER\", 6*time.Second))", env);
    assert!(toml.contains("SIGTERM: STOP_AFTER.\nlame_duck = \"6s\""), "{toml}");
    assert!(deployment.contains("- name: STOP_AFTER\n              value: \"6s\""), "{deployment}");
    // As a number of seconds it stays at its default.
    let count = "func count(name string, or int) int { return or }";
    let wait = "time.Sleep(time.Duration(count(\"STOP_AFTER_ENV\", 6)) * time.Second)";
    let (toml, deployment) = of(wait, count);
    assert!(toml.contains("lame_duck = \"6s\""), "{toml}");
    assert!(!deployment.contains("value: \"6s\""), "{deployment}");
}

#[test]
fn a_wait_of_unknown_length_is_left_to_decide() {
    let rest = "func wait() time.Duration { return time.Duration(os.Getpid()) }";
    let dir = lingering("time.Sleep(wait())", rest);
    let run = init(&dir, &["--ci", "none"]);
    assert!(said(&run).contains("After SIGTERM it waits for wait before it ends"), "{run}");
    let toml = dir.read("provost.toml");
    assert!(toml.contains("# drain = \"20s\"\n# lame_duck = \"5s\""), "{toml}");
    has(
        &dir,
        "deploy/deployment.yaml",
        &[
            "# 5 s preStop + 20 s drain, and 5 s to end before the kill. How long it waits for wait before it drains is not known, and not in it.",
        ],
    );
    commit(&dir);
    // What nobody has said is not judged, and no pass.
    let report = report(&dir, &["--only", "drain-exceeds-grace-period"]);
    assert_eq!(report["findings"], serde_json::json!([]), "{report:#}");
    let not_judged = report["not_judged"].to_string();
    assert!(not_judged.contains("measured-fact-missing"), "{report:#}");
}

/// `ctl` alone prints its help and ends with 0, again and again.
#[test]
fn a_program_of_subcommands_is_started_with_the_one_that_serves() {
    let source = "import (\n\"net/http\"\n\"github.com/spf13/cobra\"\n)\nvar root = &cobra.Command{Use: \"parcel\"}\n\
        var serve = &cobra.Command{\nUse: \"serve\",\nRunE: func(c *cobra.Command, _ []string) error {\n\
        return http.ListenAndServe(\":8080\", nil)\n},\n}\nfunc main() {\nroot.AddCommand(serve)\nroot.Execute()\n}\n";
    let dir = program(source);
    let run = init(&dir, &["--ci", "none"]);
    has(&dir, "Dockerfile", &["ENTRYPOINT [\"/usr/local/bin/parcel\"]", "CMD [\"serve\"]"]);
    assert!(!said(&run).contains("the subcommand that serves"), "{run}");

    let both = source.replace("root.AddCommand(serve)", "root.AddCommand(serve, serve2)")
        + "var serve2 = &cobra.Command{\nUse: \"proxy\",\nRun: func(c *cobra.Command, _ []string) {\nhttp.ListenAndServe(\":8081\", nil)\n},\n}\n";
    let dir = program(&both);
    let run = init(&dir, &["--ci", "none"]);
    assert!(said(&run).contains("parcel: the subcommand that serves"), "{run}");
    assert!(!dir.read("Dockerfile").contains("CMD"), "{run}");
}

#[test]
fn what_a_program_reads_and_its_image_lacks_is_said() {
    let source = "import (\n\"net/http\"\n\"os\"\n)\nfunc main() {\nmigrate(env(\"MIGRATIONS_DIR\", \"./migrations\"), os.Getenv(\"DATABASE_URL\"))\n\
        http.ListenAndServe(\":8080\", nil)\n}\n";
    let dir = program(source).file("migrations/0001.sql", "SELECT 1;\n");
    let run = init(&dir, &["--ci", "none"]);
    let text = said(&run);
    assert!(
        text.contains("parcel reads migrations (MIGRATIONS_DIR) of the module's folder"),
        "{run}"
    );
    // Its address has the password in it.
    has(&dir, "deploy/deployment.yaml", &["- name: DATABASE_URL", "key: DATABASE_URL"]);
}
