//! A Dockerfile that builds several images, each as a stage of its own.

use super::support::Dir;
use super::{Run, check};

const DOCKERFILE: &str = "\
FROM golang:1.27 AS build
WORKDIR /src
COPY . .
RUN CGO_ENABLED=0 go build -o /out/ledger ./cmd/ledger && CGO_ENABLED=0 go build -o /out/settler ./cmd/settler

FROM build AS test
CMD [\"go\", \"test\", \"./...\"]

FROM scratch AS settler
COPY --from=build /out/settler /settler
USER 65532
ENTRYPOINT [\"/settler\"]

FROM scratch AS ledger
COPY --from=build /out/ledger /ledger
USER 65532
ENTRYPOINT [\"/ledger\"]
";

const RULES: &str = "missing-entrypoint-file";

/// What is said of a pod of each image, the second of which runs `command`.
fn judged(dockerfile: &str, command: &str, only: &str) -> Run {
    let pod = |name: &str, command: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  containers:\n  - name: {name}\n    \
             image: \"registry.example/pay/{name}:1\"\n    command: [{command}]\n---\n"
        )
    };
    let pods = pod("ledger", "/ledger") + &pod("settler", command);
    let dir = Dir::new().file("Dockerfile", dockerfile).file("pods.yaml", pods);
    let dir = dir.file("go.mod", "module example.com/pay\n").file("cmd/ledger/main.go", "");
    check(&dir, &["--only", only, "--verbose"])
}

#[test]
fn each_container_is_held_against_the_stage_that_is_its_image() {
    let run = judged(DOCKERFILE, "/settler", RULES);
    assert_eq!(run.code, 0, "{run}");
    assert!(!run.out.contains("missing-entrypoint-file]"), "{run}");
    assert!(run.out.contains("stage settler of Dockerfile"), "{run}");
}

#[test]
fn faults_of_another_stage_than_the_last_are_found_at_it() {
    let elsewhere = DOCKERFILE.replace("/out/settler /settler", "/out/settler /bin/settler");
    let run = judged(&elsewhere, "/settler", RULES);
    assert_eq!(run.code, 1, "{run}");
    assert_eq!(run.out.matches("error[missing-entrypoint-file]").count(), 1, "{run}");
    assert!(run.out.contains("FROM scratch AS settler"), "{run}");
}

#[test]
fn what_stages_have_in_common_is_said_once() {
    let floating = DOCKERFILE.replace("golang:1.27", "golang");
    let run = judged(&floating, "/settler", "floating-build-input");
    assert_eq!(run.out.matches("[floating-build-input]").count(), 1, "{run}");
    assert!(run.out.contains("stage settler of Dockerfile"), "{run}");
}

/// A stage to develop in starts a shell, as many a container does that waits for something.
#[test]
fn a_stage_that_only_starts_a_shell_is_nobodys_image() {
    let dockerfile = "FROM golang:1.27 AS build\nRUN CGO_ENABLED=0 go build -o /app .\n\nFROM golang:1.27 AS dev\n\
                      CMD [\"sh\"]\n\nFROM scratch\nCOPY --from=build /app /app\nUSER 65532\nENTRYPOINT [\"/app\"]\n";
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: checkout}\nspec:\n  initContainers:\n  - name: wait\n    \
               image: busybox:1.37\n    command: [sh, -c, 'until nc -z db 5432; do sleep 1; done']\n  containers:\n  \
               - name: checkout\n    image: ghcr.io/acme/checkout:1\n";
    let dir = Dir::new().file("services/checkout/Dockerfile", dockerfile);
    let dir = dir.file("services/checkout/pod.yaml", pod);
    let run = check(&dir, &["--only", "build-residue,ambiguous-binding", "--verbose"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(!run.out.contains("ambiguous-binding]") && !run.out.contains("stage dev"), "{run}");
    assert!(run.out.contains("services/checkout/Dockerfile"), "{run}");
}

/// What another stage copies from is a step on the way to its image, whatever it starts.
#[test]
fn a_stage_that_another_one_needs_is_no_image_of_its_own() {
    let on_the_way =
        DOCKERFILE.replace("AS ledger\n", "AS ledger\nCOPY --from=settler /settler /settler\n");
    let run = judged(&on_the_way, "/settler", RULES);
    assert_eq!(run.code, 0, "{run}");
    assert!(!run.out.contains("stage settler of Dockerfile"), "{run}");
}
