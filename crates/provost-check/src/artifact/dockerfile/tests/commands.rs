//! `go build` and `go install` read off RUN lines.

use super::super::repro::repro_flags;
use super::*;

fn in_builder(lines: &str) -> String {
    format!("FROM golang:1.22\nWORKDIR /src\n{lines}\n")
}

#[test]
fn flags_keep_their_values_whole() {
    let text = in_builder(
        r#"RUN go build -ldflags="-s -w -X 'main.v=1 2'" -tags 'a b' -o=/out/svc --trimpath -p 4 ./cmd/svc"#,
    );
    insta::assert_snapshot!(go_builds(&text), @"stage 0 go build [] flags [-ldflags=-s -w -X 'main.v=1 2' | -tags=a b | -o=/out/svc | -trimpath | -p=4] packages [./cmd/svc] -> /out/svc");
    let build = build(&text);
    let go = &build.go_builds[0];
    assert_eq!(
        go.flags.iter().map(|f| place(&text, f)).collect::<Vec<_>>(),
        [r#"-ldflags="-s -w -X 'main.v=1 2'""#, "-tags 'a b'", "-o=/out/svc", "--trimpath", "-p 4"]
    );
    assert_eq!(place(&text, go.output.as_ref().unwrap()), "/out/svc");
    assert_eq!(place(&text, &go.packages[0]), "./cmd/svc");
}

#[test]
fn output_without_o() {
    let text = in_builder(
        "RUN go build ./cmd/svc
RUN go build
RUN go build . && go build main.go other.go
RUN go build ./...
RUN go build example.com/tool/v2
RUN go build -o bin/ ./cmd/svc
RUN go build -o ../bin/svc .
RUN go install ./cmd/svc && go install example.com/x/tool@v1.2.3 && go install .
RUN GOBIN=/usr/local/bin go install ./cmd/svc",
    );
    insta::assert_snapshot!(go_builds(&text), @r#"
    stage 0 go build [] flags [] packages [./cmd/svc] -> /src/svc
    stage 0 go build [] flags [] packages [] -> /src/?
    stage 0 go build [] flags [] packages [.] -> /src/?
    stage 0 go build [] flags [] packages [main.go | other.go] -> /src/main
    stage 0 go build [] flags [] packages [./...] -> /src/?
    stage 0 go build [] flags [] packages [example.com/tool/v2] -> /src/tool
    stage 0 go build [] flags [-o=bin/] packages [./cmd/svc] -> /src/bin/svc
    stage 0 go build [] flags [-o=../bin/svc] packages [.] -> /bin/svc
    stage 0 go install [] flags [] packages [./cmd/svc] -> /go/bin/svc
    stage 0 go install [] flags [] packages [example.com/x/tool@v1.2.3] -> /go/bin/tool
    stage 0 go install [] flags [] packages [.] -> /go/bin/?
    stage 0 go install [GOBIN=/usr/local/bin] flags [] packages [./cmd/svc] -> /usr/local/bin/svc
    "#);
}

#[test]
fn directories_and_environment() {
    let text = "FROM golang:1.22
ENV CGO_ENABLED=0
ARG VERSION=v7
ARG COMMIT
WORKDIR /src
RUN cd cmd/svc && go build -o svc .
RUN (cd tools && go build -o t .) && go build -o r .
RUN export GOOS=linux GOARCH=arm64; GOFLAGS=-mod=vendor go build -o /a -ldflags \"-X main.v=${VERSION} -X main.c=$COMMIT\" .
RUN set -eux; \\
    # a comment between
    V=$(git describe); \\
    env GOAMD64=v3 go build \\
      -ldflags \"-X main.v=$V\" \\
      -o \"/out/$VERSION\" . | tee log 2>&1
RUN go build -C sub -o s . > /dev/null
RUN [\"go\", \"build\", \"-o\", \"/j\", \".\"]
RUN [\"sh\", \"-c\", \"cd /x && go build -o y .\"]
RUN if [ -n \"$COMMIT\" ]; then go build -o /i .; fi
RUN make build
RUN go test ./... && go vet ./...
";
    insta::assert_snapshot!(go_builds(text), @r#"
    stage 0 go build [CGO_ENABLED=0 VERSION=v7] flags [-o=svc] packages [.] -> /src/cmd/svc/svc
    stage 0 go build [CGO_ENABLED=0 VERSION=v7] flags [-o=t] packages [.] -> /src/tools/t
    stage 0 go build [CGO_ENABLED=0 VERSION=v7] flags [-o=r] packages [.] -> /src/r
    stage 0 go build [CGO_ENABLED=0 VERSION=v7 GOOS=linux GOARCH=arm64 GOFLAGS=-mod=vendor] flags [-o=/a | -ldflags=-X main.v=v7 -X main.c=$COMMIT] packages [.] -> /a
    stage 0 go build [CGO_ENABLED=0 VERSION=v7 V=$(git describe) GOAMD64=v3] flags [-ldflags=-X main.v=$V | -o=/out/v7] packages [.] -> /out/v7
    stage 0 go build [CGO_ENABLED=0 VERSION=v7] flags [-C=sub | -o=s] packages [.] -> /src/sub/s
    stage 0 go build [CGO_ENABLED=0 VERSION=v7] flags [-o=/j] packages [.] -> /j
    stage 0 go build [CGO_ENABLED=0 VERSION=v7] flags [-o=y] packages [.] -> /x/y
    stage 0 go build [CGO_ENABLED=0 VERSION=v7] flags [-o=/i] packages [.] -> /i
    "#);
    let build = build(text);
    // The parts of a command that a continuation cuts have their own places.
    let continued =
        build.go_builds.iter().find(|g| place(text, &g.flags[0]).contains("main.v=$V")).unwrap();
    assert_eq!(place(text, continued.output.as_ref().unwrap()), "/out/$VERSION");
    assert_eq!(
        at(text, continued.origin.span().unwrap()),
        "GOAMD64=v3 go build \\\n      -ldflags \"-X main.v=$V\" \\\n      -o \"/out/$VERSION\" ."
    );
    assert_eq!(continued.env.iter().filter(|(n, _)| n.value == "V").count(), 1);
    let understood: Vec<bool> = build.runs.iter().map(|r| r.understood).collect();
    assert_eq!(understood.iter().filter(|u| !**u).count(), 2, "{understood:?}");
}

#[test]
fn heredoc_scripts() {
    let text = "FROM golang:1.22
WORKDIR /src
RUN <<EOF
set -e
cd cmd/svc
go build -o /out/svc .
EOF
RUN bash -e <<'X'
go build -o /out/two .
X
RUN cat <<EOF > build.sh
go build -o /out/never .
EOF
";
    insta::assert_snapshot!(go_builds(text), @r#"
    stage 0 go build [] flags [-o=/out/svc] packages [.] -> /out/svc
    stage 0 go build [] flags [-o=/out/two] packages [.] -> /out/two
    "#);
    let build = build(text);
    assert_eq!(place(text, build.go_builds[0].output.as_ref().unwrap()), "/out/svc");
    assert_eq!(
        form(&build.runs[0].command),
        r#"shell "set -e\ncd cmd/svc\ngo build -o /out/svc .""#
    );
}

/// Accepted flags and environment, and what is refused by name.
fn repro(line: &str) -> String {
    let text = format!("FROM golang:1.22\nWORKDIR /src\n{line}\n");
    let build = build(&text);
    let repro = repro_flags(&build.go_builds[0]);
    let mut out = String::new();
    writeln!(out, "flags {:?}", repro.arguments()).unwrap();
    writeln!(out, "env {:?}", repro.env).unwrap();
    for (fact, reason) in &repro.refused {
        writeln!(out, "refused {}: {reason}", fact.value).unwrap();
    }
    out
}

#[test]
fn what_is_repeated() {
    insta::assert_snapshot!(
        repro(r#"RUN CGO_ENABLED=0 GOOS=linux GOARCH=amd64 GOAMD64=v3 go build -trimpath -tags netgo,osusergo -buildmode=pie -race -cover -ldflags="-s -w -X 'main.v=1 2' -linkmode internal" -o /svc -v ."#),
        @r#"
    flags ["-trimpath", "-tags=netgo,osusergo", "-buildmode=pie", "-race", "-cover", "-ldflags=-s -w -X 'main.v=1 2' -linkmode=internal"]
    env [("CGO_ENABLED", "0"), ("GOOS", "linux"), ("GOARCH", "amd64"), ("GOAMD64", "v3")]
    "#
    );
}

#[test]
fn what_is_refused() {
    insta::assert_snapshot!(repro("RUN go build -toolexec /tmp/evil -o /svc ."), @r#"
    flags []
    env []
    refused -toolexec=/tmp/evil: it is not on the list of flags that are repeated
    "#);
    insta::assert_snapshot!(repro("RUN go build -ldflags='-s -extld=/tmp/evil' -o /svc ."), @r#"
    flags ["-ldflags=-s"]
    env []
    refused -ldflags -extld /tmp/evil: only -s, -w, -X and -linkmode are repeated from -ldflags
    "#);
    insta::assert_snapshot!(repro("RUN go build -ldflags='-X main.v=1 -X -extld=x' ."), @r#"
    flags ["-ldflags=-X main.v=1"]
    env []
    refused -ldflags -X -extld=x: only -s, -w, -X and -linkmode are repeated from -ldflags
    "#);
    insta::assert_snapshot!(repro("RUN go build -ldflags=\"-X main.v=$(git describe)\" ."), @r#"
    flags []
    env []
    refused -ldflags -X main.v=$(git describe): its value holds something that only the build knows
    "#);
    insta::assert_snapshot!(repro("RUN go build -overlay=o.json -modfile m -gcflags=-N -buildmode=plugin -tags='x;y' ."), @r#"
    flags []
    env []
    refused -overlay=o.json: it is not on the list of flags that are repeated
    refused -modfile=m: it is not on the list of flags that are repeated
    refused -gcflags=-N: it is not on the list of flags that are repeated
    refused -buildmode=plugin: only the build modes exe, pie and default make a program
    refused -tags=x;y: its value has characters that such a value does not need
    "#);
    insta::assert_snapshot!(repro("ARG TARGETARCH\nRUN CC=/tmp/evil GOFLAGS=-toolexec=/tmp/evil GOARCH=$TARGETARCH GOOS=windows go build ."), @r#"
    flags []
    env []
    refused CC: it is not on the list of variables that are repeated
    refused GOFLAGS: it is not on the list of variables that are repeated
    refused GOARCH: its value holds something that only the build knows
    refused GOOS: its value is not one that can be built here
    "#);
}

#[test]
fn a_later_assignment_wins() {
    insta::assert_snapshot!(repro("ENV CGO_ENABLED=1\nRUN CGO_ENABLED=0 go build ."), @r#"
    flags []
    env [("CGO_ENABLED", "0")]
    "#);
}
