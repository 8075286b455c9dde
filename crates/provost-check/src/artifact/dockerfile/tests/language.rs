use super::*;

#[test]
fn a_usual_service() {
    let text = r#"# syntax=docker/dockerfile:1
ARG GO_VERSION=1.22
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION}-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH
RUN --mount=type=cache,target=/root/.cache \
    CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} \
    go build -trimpath -ldflags="-s -w" -o /out/svc ./cmd/svc

FROM gcr.io/distroless/static:nonroot
COPY --from=build /out/svc /svc
ENV GOMEMLIMIT=400MiB
EXPOSE 8080 9090/udp
HEALTHCHECK --interval=5s CMD wget -qO- http://localhost:8080/ || exit 1
ENTRYPOINT ["/svc"]
CMD ["--port", "8080"]
"#;
    insta::assert_snapshot!(config(text), @r#"
    entrypoint: exec ["/svc"]
    cmd: exec ["--port", "8080"]
    user: 65532
    workdir: /home/nonroot
    env: GOMEMLIMIT=400MiB
    expose: 8080/tcp
    expose: 9090/udp
    healthcheck: shell "wget -qO- http://localhost:8080/ || exit 1"
    "#);
    insta::assert_snapshot!(go_builds(text), @"stage 0 go build [CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH}] flags [-trimpath | -ldflags=-s -w | -o=/out/svc] packages [./cmd/svc] -> /out/svc");
    let build = build(text);
    let user = build.config().user.as_ref().unwrap();
    assert!(user.inherited);
    assert_eq!(place(text, &build.stages[0].base), "golang:${GO_VERSION}-alpine");
    assert_eq!(build.stages[0].base.value, "golang:1.22-alpine");
    assert_eq!(build.stages[0].platform.as_ref().unwrap().value, "$BUILDPLATFORM");
    assert_eq!(build.stages[0].go_tag.as_ref().unwrap().value.minor, 22);
    assert_eq!(build.copies.last().unwrap().from_stage, Some(0));
    assert_eq!(build.base_image().unwrap().name, "distroless/static");
}
