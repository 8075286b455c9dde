# syntax=docker/dockerfile:1

# Provost itself: one static executable. docker build -t provost . && docker run --rm -v "$PWD:/work:ro" provost check .
FROM rust:1.95.0-alpine3.22 AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --release --package provost \
    && install -D -m 0755 target/release/provost /out/provost

FROM scratch
COPY --from=build /out/provost /provost
WORKDIR /work
USER 65532:65532
ENTRYPOINT ["/provost"]
