//! Dockerfiles for the benchmark: one service each, of the kinds that repositories hold.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;

use crate::paths;

/// A folder of the cache with that many Dockerfiles, each in a folder of its own.
pub fn folder(count: usize) -> Result<PathBuf> {
    let folder = paths::cache()?.join("bench").join(format!("dockerfiles-{count}"));
    for number in 0..count {
        let path = folder.join(format!("service-{number:05}/Dockerfile"));
        paths::write(&path, dockerfile(number).as_bytes())?;
    }
    Ok(folder)
}

/// Two stages; the final one is distroless, Alpine or Debian in turn, with what is usual there.
fn dockerfile(number: usize) -> String {
    let name = format!("service-{number:05}");
    let mut text = format!(
        "# syntax=docker/dockerfile:1
FROM golang:1.{minor}.1-alpine AS build
ARG VERSION=1.{number}.0
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \\
    CGO_ENABLED=0 GOOS=linux go build -trimpath -ldflags=\"-s -w -X main.version=$VERSION\" \\
    -o /out/{name} ./cmd/{name}

",
        minor = 24 + number % 4,
    );
    // Writing into a String cannot fail.
    let _ = match number % 3 {
        0 => writeln!(text, "FROM gcr.io/distroless/static-debian12:nonroot"),
        1 => write!(
            text,
            "FROM alpine:3.22\nRUN apk add --no-cache ca-certificates tzdata \\\n    && adduser -D -u 65532 app\n"
        ),
        _ => write!(
            text,
            "FROM debian:12-slim\nRUN apt-get update \\\n    && apt-get install -y ca-certificates curl \\\n    \
             && rm -rf /var/lib/apt/lists/*\nRUN curl -fsSL https://example.com/{name}.tar.gz | tar xz -C /opt\n"
        ),
    };
    let _ = write!(
        text,
        "ENV LISTEN_ADDR=:8080 \\\n    LOG_LEVEL=info\nCOPY --from=build /out/{name} /usr/local/bin/{name}\n"
    );
    if number.is_multiple_of(4) {
        text += "ADD config /etc/service\n";
    }
    if number.is_multiple_of(5) {
        text +=
            "HEALTHCHECK --interval=10s CMD wget -qO- http://127.0.0.1:8080/healthz || exit 1\n";
    }
    text += "EXPOSE 8080 9090\nUSER 65532\n";
    let _ = if number.is_multiple_of(7) {
        writeln!(text, "ENTRYPOINT {name} --listen :8080")
    } else {
        writeln!(text, "ENTRYPOINT [\"/usr/local/bin/{name}\"]\nCMD [\"--listen\", \":8080\"]")
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_there() {
        let all: Vec<String> = (0..12).map(dockerfile).collect();
        for kind in [
            "distroless",
            "alpine:3.22",
            "debian:12",
            "ADD config",
            "HEALTHCHECK",
            "ENTRYPOINT service",
        ] {
            assert!(all.iter().any(|text| text.contains(kind)), "{kind}");
        }
        assert_eq!(dockerfile(3), dockerfile(3));
    }
}
