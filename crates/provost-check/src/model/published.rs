//! Images that somebody else publishes: what runs in them was not built from the input, and what they
//! are configured to do is known from where they come from.

use super::names::ImageRef;

/// Who can have pushed an image, where only one can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publisher {
    /// A Docker Official Image.
    Docker,
    /// Whoever a registry, or a namespace of one, belongs to. The input may be the publisher's own.
    OfRegistry,
}

/// The publisher of an image, where it is known. A mirror of Docker Hub keeps `library/` in the path.
pub fn publisher(image: &ImageRef) -> Option<Publisher> {
    let library = image.parent().rsplit('/').next() == Some("library");
    if library && is_official(image.base_name()) {
        return Some(Publisher::Docker);
    }
    let below = |publisher: &str| {
        image.repository().strip_prefix(publisher).is_some_and(|rest| rest.starts_with('/'))
    };
    PUBLISHERS.iter().any(|it| below(it)).then_some(Publisher::OfRegistry)
}

/// Whether a name alone is that of a Docker Official Image.
pub fn is_official(name: &str) -> bool {
    OFFICIAL.binary_search(&name).is_ok()
}

/// Whether an image says no user, so that what is built on it is root until USER says otherwise: by
/// the Dockerfiles of the Docker Official Images.
pub fn is_root(image: &ImageRef) -> bool {
    let onbuild = image.tag.as_ref().is_some_and(|tag| tag.contains("onbuild"));
    image.parent() == "docker.io/library"
        && !onbuild
        && ROOT.binary_search(&image.base_name()).is_ok()
}

/// The distribution that a Docker Official Image of a language or server is built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Debian or Ubuntu.
    Debian,
    /// Alpine.
    Alpine,
}

/// What such an image is built on, by its tag: without a word of another distribution it is Debian or
/// Ubuntu.
pub fn distribution(image: &ImageRef) -> Option<Distribution> {
    if image.parent() != "docker.io/library" || ON_DEBIAN.binary_search(&image.base_name()).is_err()
    {
        return None;
    }
    let tag = image.tag.as_deref().unwrap_or_default();
    let others = [
        "windows", "nano", "ltsc", "ubi", "corretto", "amazon", "al2", "oracle", "fedora", "centos",
    ];
    if tag.contains("alpine") {
        Some(Distribution::Alpine)
    } else {
        (!others.iter().any(|other| tag.contains(other))).then_some(Distribution::Debian)
    }
}

/// Official images that are built on Debian or Ubuntu, unless a tag says another, in order.
const ON_DEBIAN: &[&str] = &[
    "buildpack-deps",
    "eclipse-temurin",
    "elixir",
    "erlang",
    "gcc",
    "haskell",
    "httpd",
    "julia",
    "mariadb",
    "nginx",
    "node",
    "perl",
    "php",
    "postgres",
    "python",
    "rabbitmq",
    "redis",
    "ruby",
    "rust",
    "wordpress",
];

/// Docker Official Images without USER, in order.
const ROOT: &[&str] = &[
    "almalinux",
    "amazoncorretto",
    "archlinux",
    "buildpack-deps",
    "caddy",
    "centos",
    "composer",
    "eclipse-temurin",
    "elixir",
    "erlang",
    "fedora",
    "gcc",
    "haskell",
    "httpd",
    "julia",
    "mariadb",
    "maven",
    "mongo",
    "mysql",
    "nginx",
    "node",
    "openjdk",
    "oraclelinux",
    "perl",
    "php",
    "postgres",
    "python",
    "rabbitmq",
    "redis",
    "rockylinux",
    "ruby",
    "rust",
    "swift",
    "tomcat",
    "traefik",
    "wordpress",
];

/// Registries and namespaces to which one publisher pushes what everybody pulls.
const PUBLISHERS: &[&str] = &[
    "docker.elastic.co",
    "docker.io/bitnami",
    "docker.io/bitnamilegacy",
    "docker.io/curlimages",
    "gcr.io/distroless",
    "gcr.io/google-containers",
    "gcr.io/google_containers",
    "k8s.gcr.io",
    "mcr.microsoft.com",
    "registry.access.redhat.com",
    "registry.k8s.io",
    "registry.redhat.io",
];

/// The images of <https://github.com/docker-library/official-images> (`library/`), in order; those
/// of before that are still pulled, too.
const OFFICIAL: &[&str] = &[
    "adminer",
    "aerospike",
    "almalinux",
    "alpine",
    "alt",
    "amazoncorretto",
    "amazonlinux",
    "arangodb",
    "archlinux",
    "bash",
    "buildpack-deps",
    "busybox",
    "caddy",
    "cassandra",
    "centos",
    "chronograf",
    "cirros",
    "clickhouse",
    "clojure",
    "composer",
    "consul",
    "couchbase",
    "couchdb",
    "crate",
    "dart",
    "debian",
    "docker",
    "drupal",
    "eclipse-mosquitto",
    "eclipse-temurin",
    "elasticsearch",
    "elixir",
    "emqx",
    "erlang",
    "fedora",
    "flink",
    "fluentd",
    "gcc",
    "ghost",
    "golang",
    "gradle",
    "groovy",
    "haproxy",
    "haskell",
    "hello-world",
    "httpd",
    "influxdb",
    "jetty",
    "joomla",
    "jruby",
    "julia",
    "kapacitor",
    "kibana",
    "kong",
    "krakend",
    "liquibase",
    "logstash",
    "mariadb",
    "matomo",
    "maven",
    "mediawiki",
    "memcached",
    "mongo",
    "mongo-express",
    "mono",
    "mysql",
    "nats",
    "nats-streaming",
    "neo4j",
    "nextcloud",
    "nginx",
    "node",
    "odoo",
    "open-liberty",
    "openjdk",
    "oraclelinux",
    "orientdb",
    "percona",
    "perl",
    "photon",
    "php",
    "phpmyadmin",
    "postgres",
    "pypy",
    "python",
    "rabbitmq",
    "redis",
    "redmine",
    "registry",
    "rethinkdb",
    "rockylinux",
    "ruby",
    "rust",
    "sapmachine",
    "solr",
    "sonarqube",
    "spark",
    "storm",
    "swift",
    "telegraf",
    "tomcat",
    "tomee",
    "traefik",
    "ubuntu",
    "unit",
    "varnish",
    "vault",
    "wordpress",
    "zookeeper",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order() {
        assert!(OFFICIAL.is_sorted());
        assert!(ON_DEBIAN.is_sorted());
        assert!(ON_DEBIAN.iter().all(|name| is_official(name)));
        assert!(ROOT.is_sorted());
        assert!(ROOT.iter().all(|name| is_official(name)));
    }

    #[test]
    fn an_image_of_ones_own_is_nobody_elses() {
        let of = |text: &str| publisher(&ImageRef::parse(text).expect(text));
        for text in [
            "nginx:1.27",
            "docker.io/library/redis",
            "public.ecr.aws/docker/library/postgres:17",
            "mirror.acme.example/library/busybox",
        ] {
            assert_eq!(of(text), Some(Publisher::Docker), "{text}");
        }
        for text in ["registry.k8s.io/e2e-test-images/agnhost:2.45", "bitnami/redis:8"] {
            assert_eq!(of(text), Some(Publisher::OfRegistry), "{text}");
        }
        for text in [
            "checkout:1",
            "ghcr.io/acme/registry:1",
            "acme/node:1",
            "registry.k8s.io.acme.example/pause",
            "bitnami.example/redis",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn official_images_are_root_where_they_name_no_user() {
        let root = |text: &str| is_root(&ImageRef::parse(text).expect(text));
        assert!(root("python:3.14-slim"));
        assert!(root("docker.io/library/node"));
        // It ends with USER haproxy.
        assert!(!root("haproxy:3"));
        assert!(!root("ruby:2-onbuild"));
        assert!(!root("acme/python"));
        assert!(!root("mirror.acme.example/library/python"));
    }

    #[test]
    fn what_official_images_are_built_on() {
        let of = |text: &str| distribution(&ImageRef::parse(text).unwrap());
        assert_eq!(of("node"), Some(Distribution::Debian));
        assert_eq!(of("python:3.14-slim"), Some(Distribution::Debian));
        assert_eq!(of("docker.io/library/node:22-alpine3.22"), Some(Distribution::Alpine));
        for text in [
            "eclipse-temurin:21-ubi9-minimal",
            "python:3.14-windowsservercore",
            "acme/node:22",
            "ghcr.io/acme/node:22",
            "fedora:43",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
