//! Methods of gRPC in real binaries.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::fixtures;
use goformats::descriptors::server_streams;

#[test]
fn streams_of_real_programs_are_found_by_their_descriptors() {
    let all = fixtures();
    let mut looked = 0;
    for fixture in all.iter().filter(|it| it.program == "grpc-service") {
        let streams = server_streams(&fixture.bytes());
        assert_eq!(streams, ["/grpc.health.v1.Health/Watch"], "{}", fixture.name());
        looked += 1;
    }
    assert!(looked >= 2, "{looked}");
    let other = all.iter().find(|it| it.program == "service" && it.variant == "plain").unwrap();
    assert!(server_streams(&other.bytes()).is_empty(), "{}", other.name());
}
