//! Where the program comes from and which files are in the final image.

use super::*;
use crate::facts::build_files::{EntrypointSource, Presence};

fn source(text: &str) -> String {
    let build = build(text);
    match build.entrypoint_source() {
        EntrypointSource::Built(index) => {
            let go = &build.go_builds[index];
            format!("built: {}", at(text, go.origin.span().unwrap()))
        }
        EntrypointSource::Context(path) => {
            format!("context {}: {}", path.value, place(text, &path))
        }
        EntrypointSource::Base => "base".to_owned(),
        EntrypointSource::Unknown => "unknown".to_owned(),
    }
}

const BUILDER: &str = "FROM golang:1.22-alpine AS build\nWORKDIR /src\nCOPY . .\n";

#[test]
fn through_stages() {
    let cases = [
        (
            "RUN go build -o /out/svc .\nFROM scratch\nCOPY --from=build /out/svc /svc\nENTRYPOINT [\"/svc\"]\n",
            "built: go build -o /out/svc .",
        ),
        // A directory.
        (
            "RUN go build -o /out/svc .\nFROM scratch\nCOPY --from=build /out/ /\nENTRYPOINT [\"/svc\"]\n",
            "built: go build -o /out/svc .",
        ),
        (
            "RUN go build -o /out/svc .\nFROM scratch\nCOPY --from=build /out /opt/app\nENTRYPOINT [\"/opt/app/svc\"]\n",
            "built: go build -o /out/svc .",
        ),
        // Into a directory, by index, relative to WORKDIR.
        (
            "RUN go build -o bin/svc .\nFROM alpine\nWORKDIR /app\nCOPY --from=0 /src/bin/svc .\nCMD [\"./svc\"]\n",
            "built: go build -o bin/svc .",
        ),
        // A relative source of another stage is seen from its root.
        (
            "RUN go build -o /svc .\nFROM alpine\nCOPY --from=build svc /usr/local/bin/\nCMD [\"svc\"]\n",
            "built: go build -o /svc .",
        ),
        // By name over PATH.
        (
            "RUN go build -o /svc .\nFROM alpine\nCOPY --from=build /svc /usr/local/bin/svc\nCMD [\"svc\", \"-v\"]\n",
            "built: go build -o /svc .",
        ),
        // Two hops, a rename and a move.
        (
            "RUN go build -o /a . && mv /a /b\nFROM alpine AS mid\nCOPY --from=build /b /c\nFROM scratch\nCOPY --from=mid /c /d\nENTRYPOINT [\"/d\"]\n",
            "built: go build -o /a .",
        ),
        (
            "RUN go build -o /a .\nRUN cp /a /tmp/x/\nFROM scratch\nCOPY --from=build /tmp/x/a /a\nENTRYPOINT [\"/a\"]\n",
            "built: go build -o /a .",
        ),
        // A wildcard.
        (
            "RUN go build -o /out/svc .\nFROM scratch\nCOPY --from=build /out/* /bin/\nENTRYPOINT [\"/bin/svc\"]\n",
            "built: go build -o /out/svc .",
        ),
        // go install.
        (
            "RUN go install ./cmd/svc\nFROM scratch\nCOPY --from=build /go/bin/svc /svc\nENTRYPOINT [\"/svc\"]\n",
            "built: go install ./cmd/svc",
        ),
        (
            "RUN go install .\nFROM scratch\nCOPY --from=build /go/bin/svc /svc\nENTRYPOINT [\"/svc\"]\n",
            "built: go install .",
        ),
        // Named by the module, which is not known here.
        (
            "RUN go build\nFROM scratch\nCOPY --from=build /src/svc /svc\nENTRYPOINT [\"/svc\"]\n",
            "built: go build",
        ),
        // One of several.
        (
            "RUN go build -o /out/ ./cmd/a ./cmd/b\nFROM scratch\nCOPY --from=build /out/b /b\nENTRYPOINT [\"/b\"]\n",
            "built: go build -o /out/ ./cmd/a ./cmd/b",
        ),
        (
            "RUN go build -o /a ./cmd/a && go build -o /b ./cmd/b\nFROM scratch\nCOPY --from=build /a /b /\nENTRYPOINT [\"/b\"]\n",
            "built: go build -o /b ./cmd/b",
        ),
        // An unknown architecture in the name, written in two ways.
        (
            "ARG TARGETARCH\nRUN go build -o /svc-$TARGETARCH .\nFROM scratch\nARG TARGETARCH\nCOPY --from=build /svc-${TARGETARCH} /svc\nENTRYPOINT [\"/svc\"]\n",
            "built: go build -o /svc-$TARGETARCH .",
        ),
        // The final stage inherits the builder.
        (
            "RUN go build -o /svc .\nFROM build\nENTRYPOINT [\"/svc\"]\n",
            "built: go build -o /svc .",
        ),
        ("RUN go build -o svc .\nCMD [\"./svc\"]\n", "built: go build -o svc ."),
        // Wrappers and shell form.
        (
            "RUN go build -o /svc .\nFROM alpine\nRUN apk add tini\nCOPY --from=build /svc /svc\nENTRYPOINT [\"/sbin/tini\", \"--\", \"/svc\"]\n",
            "built: go build -o /svc .",
        ),
        (
            "RUN go build -o /svc .\nFROM alpine\nCOPY --from=build /svc /svc\nENTRYPOINT [\"/sbin/tini\", \"--\"]\nCMD [\"/svc\"]\n",
            "built: go build -o /svc .",
        ),
        (
            "RUN go build -o /svc .\nFROM alpine\nCOPY --from=build /svc /svc\nENTRYPOINT cd / && A=1 exec \"/svc\" --port 80\n",
            "built: go build -o /svc .",
        ),
        // Make builds something, nobody knows what.
        (
            "RUN make build\nFROM scratch\nCOPY --from=build /src/bin/svc /svc\nENTRYPOINT [\"/svc\"]\n",
            "unknown",
        ),
        // Committed to the repository.
        (
            "FROM scratch\nCOPY --from=build /src/bin/svc /svc\nENTRYPOINT [\"/svc\"]\n",
            "context ./bin/svc: COPY . .",
        ),
        ("FROM alpine\nCOPY svc /svc\nENTRYPOINT [\"/svc\"]\n", "context svc: COPY svc /svc"),
        (
            "FROM alpine\nCOPY dist/svc dist/other /app/\nENTRYPOINT [\"/app/svc\"]\n",
            "context dist/svc: COPY dist/svc dist/other /app/",
        ),
        ("FROM nginx\n", "unknown"),
        ("FROM alpine\nCMD [\"sh\"]\n", "base"),
        ("FROM scratch\nCOPY --from=ghcr.io/x/y:1 /svc /svc\nENTRYPOINT [\"/svc\"]\n", "base"),
        ("FROM scratch\nENTRYPOINT [\"/svc\"]\n", "unknown"),
        // The stage does not exist yet.
        ("FROM scratch\nCOPY --from=later /svc /svc\nENTRYPOINT [\"/svc\"]\n", "base"),
    ];
    for (lines, expected) in cases {
        let text = format!("{BUILDER}{lines}");
        assert_eq!(source(&text), expected, "{lines}");
    }
}

#[test]
fn stages_that_copy_from_each_other_end() {
    let text = "FROM scratch AS a\nCOPY --from=b /x /x\nFROM scratch AS b\nCOPY --from=b /x /x\nCOPY --from=a /x /x\nENTRYPOINT [\"/x\"]\n";
    assert_eq!(source(text), "base");
}

#[test]
fn the_go_version_of_the_builder() {
    let text = "FROM golang:1.22.3-bookworm AS base\nFROM base AS build\nRUN go build -o /svc .\nFROM scratch\nCOPY --from=build /svc /svc\nCMD [\"/svc\"]\n";
    let build = build(text);
    let go = build.entrypoint_build().unwrap();
    let tag = build.go_tag(go).unwrap();
    assert_eq!(tag.value.to_string(), "go1.22.3");
    assert_eq!(place(text, tag), "golang:1.22.3-bookworm");
}

#[test]
fn presence_of_a_path() {
    use Presence::{Certainly, Impossible, Possibly};
    let built = "FROM golang:1.22 AS b\nRUN go build -o /out/svc .\n";
    let cases = [
        ("FROM scratch\nCOPY --from=b /out/svc /svc\n", "/svc", Certainly),
        ("FROM scratch\nCOPY --from=b /out/svc /svc\n", "/svc-old", Impossible),
        ("FROM scratch\nCOPY --from=b /out/svc /svc\n", "/svc/svc", Possibly),
        ("FROM scratch\nCOPY --from=b /out/svc /bin/\n", "/bin/svc", Certainly),
        ("FROM scratch\nCOPY --from=b /out/svc /bin/\n", "/bin/other", Impossible),
        ("FROM scratch\nCOPY --from=b /out/ /\n", "/svc-old", Possibly),
        ("FROM scratch\nCOPY dist /app\n", "/app/svc", Possibly),
        ("FROM scratch\nCOPY dist /app\n", "/svc", Impossible),
        ("FROM scratch\nADD root.tar.gz /\n", "/svc", Possibly),
        ("FROM scratch\nADD --checksum=sha256:0 https://x/svc /svc\n", "/svc", Certainly),
        ("FROM scratch\nCOPY --parents a/svc /\n", "/a/svc", Possibly),
        ("FROM scratch\nCOPY *.conf /etc/\n", "/svc", Impossible),
        ("FROM scratch\nCOPY *.conf /etc/\n", "/etc/x.conf", Possibly),
        ("FROM scratch\nCOPY <<x.conf /etc/\nhello\nx.conf\n", "/etc/x.conf", Certainly),
        ("FROM gcr.io/distroless/static\nCOPY svc /svc\n", "/bin/sh", Impossible),
        ("FROM gcr.io/distroless/static\nCOPY svc /svc\n", "/etc/passwd", Possibly),
        ("FROM gcr.io/distroless/base:debug\nCOPY svc /svc\n", "/busybox/sh", Possibly),
        ("FROM alpine\nCOPY svc /svc\n", "/anything", Impossible),
        ("FROM alpine\nCOPY svc /svc\n", "/usr/local/bin/x", Impossible),
        ("FROM alpine\nCOPY svc /svc\n", "/usr/bin/x", Possibly),
        ("FROM golang\nCOPY svc /svc\n", "/usr/local/bin/x", Possibly),
        ("FROM golang\nRUN go build -o /app/x .\n", "/app/x", Possibly),
        ("FROM golang\nRUN go build -o /app/x .\n", "/app/y", Impossible),
        ("FROM example.com/unknown:1\n", "/anything", Possibly),
        ("FROM scratch AS p\nCOPY svc /svc\nFROM p\n", "/svc", Certainly),
        ("FROM scratch\nCOPY svc /svc\nRUN [\"/svc\", \"-install\"]\n", "/x", Possibly),
        ("FROM scratch\nWORKDIR /app\nCOPY svc .\n", "/app/svc", Possibly),
    ];
    for (lines, path, expected) in cases {
        let build = build(&format!("{built}{lines}"));
        assert_eq!(build.presence(path), expected, "{path} in {lines}");
    }
}

#[test]
fn what_a_run_may_create() {
    use Presence::{Impossible, Possibly};
    let cases = [
        ("apk add --no-cache ca-certificates", Impossible),
        ("apk add --no-cache $PACKAGES", Possibly),
        ("apk add --root /app/ x", Possibly),
        ("apt-get update && apt-get install -y tini && rm -rf /var/lib/apt/lists/*", Impossible),
        ("apt-get install ./app.deb", Possibly),
        ("adduser -D -h /app app && mkdir -p /app/y && chown -R app /app", Impossible),
        ("touch /app/x", Possibly),
        ("cd /app && touch x", Possibly),
        ("cd $HERE && touch x", Possibly),
        ("touch /app/y", Impossible),
        ("echo hello > /app/x", Possibly),
        ("cd /app; echo hello >> x", Possibly),
        ("echo hello > /app/y 2>&1", Impossible),
        ("echo hello > $FILE", Possibly),
        ("echo $(make)", Possibly),
        ("echo `make`", Possibly),
        ("cp /tmp/x /app/", Possibly),
        ("cp /tmp/x /app", Possibly),
        ("cp /tmp/y /app/", Impossible),
        ("cp -r /tmp/y /app/", Possibly),
        ("cp /tmp/* /app/", Possibly),
        ("cp -t /app /tmp/x", Possibly),
        ("mv /tmp/y /app", Possibly),
        ("ln -s /srv /app", Possibly),
        ("mv /tmp/y /srv", Impossible),
        ("find / -name x -exec cp {} /app/x ;", Possibly),
        ("find / -name x -delete", Impossible),
        ("upx -o /app/x /y", Possibly),
        ("./configure", Possibly),
        ("curl -o /app/y https://example.com", Possibly),
        ("go generate", Possibly),
        ("go mod download", Impossible),
        ("go install example.com/x", Possibly),
        ("<<EOF\ntouch /app/x\nEOF", Possibly),
        ("cat <<EOF\ntouch /app/x\nEOF", Possibly),
        ("[\"/bin/make\"]", Possibly),
        ("[\"mkdir\", \"/app\"]", Impossible),
    ];
    for (run, expected) in cases {
        let build = build(&format!("FROM debian\nRUN {run}\n"));
        assert_eq!(build.presence("/app/x"), expected, "{run}");
    }
}

#[test]
fn files_for_did_you_mean() {
    let text = "FROM golang:1.22 AS b\nRUN go build -o /out/svc .\nFROM scratch\nCOPY --from=b /out/svc /bin/\nCOPY a.pem /etc/ssl/cert.pem\nCOPY dir/ /dir\nCOPY <<motd /etc/\nx\nmotd\n";
    let build = build(text);
    let files: Vec<String> = build.certain_files().into_iter().map(|f| f.value).collect();
    assert_eq!(files, ["/bin/svc", "/etc/ssl/cert.pem", "/etc/motd"]);
}

#[test]
fn targets() {
    let text = "FROM alpine AS one\nUSER 1\nFROM alpine AS Two\nUSER 2\nFROM alpine\nUSER 3\n";
    let user = |target: Option<&str>| {
        let (build, problems) = load(SourceId(0), text, target, &Limits::DEFAULT);
        let user = build.unwrap().config().user.as_ref().unwrap().value.value.clone();
        (user, shown(text, &problems))
    };
    assert_eq!(user(None), ("3".to_owned(), String::new()));
    assert_eq!(user(Some("one")), ("1".to_owned(), String::new()));
    assert_eq!(user(Some("two")), ("2".to_owned(), String::new()));
    insta::assert_snapshot!(user(Some("three")).1, @"file: there is no stage three; the last one is judged (stages: one, Two)");
}
