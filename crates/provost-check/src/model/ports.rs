//! Ports by name and number, and the user a container runs as.

/// Ports of what programs connect to on localhost: databases, queues, caches, collectors. An address with
/// one of them is a client's.
pub const CLIENTS: &[u16] = &[
    1433, 2181, 2379, 3306, 4222, 4317, 4318, 5432, 5672, 5775, 6379, 6831, 6832, 8125, 8126, 8200,
    8500, 9042, 9092, 9200, 9411, 11211, 14250, 14268, 26257, 27017,
];

/// What is wrong with the name of a container port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortNameProblem {
    /// Empty, or longer than 15.
    Length,
    /// Something else than lower-case letters, digits and `-`.
    Characters,
    /// No letter.
    NoLetter,
    /// `-` at an end, or two in a row.
    Hyphens,
}

/// Checks the name of a container port.
///
/// Source: `IsValidPortName` in k8s.io/apimachinery v0.37.2 pkg/util/validation/validation.go (IANA service names, RFC 6335).
pub fn port_name_problem(name: &str) -> Option<PortNameProblem> {
    if name.is_empty() || name.len() > 15 {
        Some(PortNameProblem::Length)
    } else if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        Some(PortNameProblem::Characters)
    } else if !name.bytes().any(|b| b.is_ascii_lowercase()) {
        Some(PortNameProblem::NoLetter)
    } else if name.starts_with('-') || name.ends_with('-') || name.contains("--") {
        Some(PortNameProblem::Hyphens)
    } else {
        None
    }
}

/// The protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// The default.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// A port of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerPort<'a> {
    /// Its name, if it has one.
    pub name: Option<&'a str>,
    /// Its number.
    pub number: u16,
    /// Its protocol.
    pub protocol: Protocol,
}

/// A port as probes, hooks and Services write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortRef<'a> {
    /// A number.
    Number(u16),
    /// A name.
    Name(&'a str),
}

/// The port a probe or a hook means: a name is looked up in its own container.
pub fn probe_port(port: PortRef<'_>, own: &[ContainerPort<'_>]) -> Option<u16> {
    match port {
        PortRef::Number(number) => Some(number),
        PortRef::Name(name) => own.iter().find(|p| p.name == Some(name)).map(|p| p.number),
    }
}

/// The port a Service sends to: a name is looked up over the containers in order, with the same protocol; the first counts.
///
/// Source: `FindPort` in k8s.io/kubernetes v1.37.2 pkg/api/v1/pod/util.go.
pub fn target_port(
    port: PortRef<'_>,
    protocol: Protocol,
    containers: &[&[ContainerPort<'_>]],
) -> Option<u16> {
    match port {
        PortRef::Number(number) => Some(number),
        PortRef::Name(name) => containers
            .iter()
            .flat_map(|ports| ports.iter())
            .find(|p| p.name == Some(name) && p.protocol == protocol)
            .map(|p| p.number),
    }
}

/// The port that a setting makes a program listen on: `:8080`, `0.0.0.0:8080`, `[::]:8080`, or a bare number under a name
/// with PORT, ADDR, LISTEN or BIND.
pub fn listen_port(name: &str, value: &str) -> Option<u16> {
    let value = value.trim();
    if let Some((host, port)) = value.rsplit_once(':') {
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
        return if bracketed || plain { port_number(port) } else { None };
    }
    let name = name.to_ascii_uppercase();
    let says_so = ["PORT", "ADDR", "LISTEN", "BIND"].iter().any(|word| name.contains(word));
    if says_so { port_number(value) } else { None }
}

fn port_number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|port| *port > 0)
}

/// USER of an image or a Dockerfile: `app`, `1000`, `1000:1000`, `app:staff`, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageUser {
    /// The part before the colon; empty means root.
    pub user: String,
    /// The part behind it.
    pub group: Option<String>,
}

impl ImageUser {
    /// Splits the text.
    pub fn parse(text: &str) -> ImageUser {
        match text.trim().split_once(':') {
            Some((user, group)) => {
                ImageUser { user: user.to_owned(), group: Some(group.to_owned()) }
            }
            None => ImageUser { user: text.trim().to_owned(), group: None },
        }
    }

    /// The number, when the user is one; empty is 0.
    pub fn uid(&self) -> Option<u32> {
        if self.user.is_empty() { Some(0) } else { self.user.parse().ok() }
    }
}

/// The user a container runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uid {
    /// By number.
    Known(u32),
    /// By a name that the image's passwd file resolves; the kubelet does not look there.
    Name(String),
    /// The image is not known.
    Unknown,
}

/// The user a container runs as: runAsUser, else the image's USER, by number or through `passwd`.
pub fn effective_uid(
    run_as_user: Option<i64>,
    image: Option<&ImageUser>,
    passwd: impl Fn(&str) -> Option<u32>,
) -> Uid {
    if let Some(uid) = run_as_user.and_then(|uid| u32::try_from(uid).ok()) {
        return Uid::Known(uid);
    }
    match image {
        None => Uid::Unknown,
        Some(image) => match image.uid().or_else(|| passwd(&image.user)) {
            Some(uid) => Uid::Known(uid),
            None => Uid::Name(image.user.clone()),
        },
    }
}

/// Why the kubelet refuses to start a container with runAsNonRoot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// runAsUser is 0: "container's runAsUser breaks non-root policy".
    RunAsRoot,
    /// The image's user is 0 or not set: "container has runAsNonRoot and image will run as root".
    ImageRoot,
    /// The image's user is a name: "container has runAsNonRoot and image has non-numeric user (NAME), cannot verify user is non-root".
    ImageName(String),
}

/// What the kubelet does with runAsNonRoot: `Ok(None)` starts, an error when the image's user decides and is not known.
///
/// Source: `verifyRunAsNonRoot` in k8s.io/kubernetes v1.37.2 pkg/kubelet/kuberuntime/security_context_others.go. It reads the number the
/// image says and never the passwd file.
pub fn run_as_non_root(
    run_as_user: Option<i64>,
    image: Option<&ImageUser>,
) -> Result<Option<Refusal>, ImageUnknown> {
    match (run_as_user, image) {
        (Some(0), _) => Ok(Some(Refusal::RunAsRoot)),
        (Some(_), _) => Ok(None),
        (None, None) => Err(ImageUnknown),
        (None, Some(image)) => Ok(match image.uid() {
            Some(0) => Some(Refusal::ImageRoot),
            Some(_) => None,
            None => Some(Refusal::ImageName(image.user.clone())),
        }),
    }
}

/// The image's user decides, and the image is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageUnknown;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_names() {
        for name in ["http", "grpc-web", "h2", "a23456789012345"] {
            assert_eq!(port_name_problem(name), None, "{name}");
        }
        for (name, problem) in [
            ("", PortNameProblem::Length),
            ("a234567890123456", PortNameProblem::Length),
            ("HTTP", PortNameProblem::Characters),
            ("http_x", PortNameProblem::Characters),
            ("8080", PortNameProblem::NoLetter),
            ("-http", PortNameProblem::Hyphens),
            ("a--b", PortNameProblem::Hyphens),
        ] {
            assert_eq!(port_name_problem(name), Some(problem), "{name}");
        }
    }

    #[test]
    fn names_are_looked_up_where_they_are_looked_up() {
        let port = |name, number, protocol| ContainerPort { name: Some(name), number, protocol };
        let app = [port("http", 8080, Protocol::Tcp), port("dns", 53, Protocol::Udp)];
        let sidecar = [port("http", 9090, Protocol::Tcp), port("dns", 5353, Protocol::Tcp)];
        assert_eq!(probe_port(PortRef::Name("http"), &sidecar), Some(9090));
        assert_eq!(probe_port(PortRef::Name("web"), &app), None);
        assert_eq!(probe_port(PortRef::Number(1), &[]), Some(1));
        let pod: [&[ContainerPort<'_>]; 2] = [&app, &sidecar];
        assert_eq!(target_port(PortRef::Name("http"), Protocol::Tcp, &pod), Some(8080));
        assert_eq!(target_port(PortRef::Name("dns"), Protocol::Tcp, &pod), Some(5353));
        assert_eq!(target_port(PortRef::Name("dns"), Protocol::Sctp, &pod), None);
    }

    #[test]
    fn settings_that_name_a_port() {
        for (name, value, port) in [
            ("X", ":8080", Some(8080)),
            ("X", "0.0.0.0:80", Some(80)),
            ("X", "[::]:443", Some(443)),
            ("HTTP_PORT", "8080", Some(8080)),
            ("listen_addr", "8080", Some(8080)),
            ("RETRIES", "8080", None),
            ("PORT", "0", None),
            ("PORT", "99999", None),
            ("PORT", "", None),
            ("X", "http://h:80", None),
            ("X", "::1", None),
            ("X", "10:30:00", None),
        ] {
            assert_eq!(listen_port(name, value), port, "{name}={value}");
        }
    }

    #[test]
    fn who_runs() {
        let passwd = |name: &str| (name == "nonroot").then_some(65532);
        let user = ImageUser::parse;
        assert_eq!(effective_uid(Some(1000), None, passwd), Uid::Known(1000));
        assert_eq!(effective_uid(None, Some(&user("")), passwd), Uid::Known(0));
        assert_eq!(effective_uid(None, Some(&user("65532:65532")), passwd), Uid::Known(65532));
        assert_eq!(effective_uid(None, Some(&user("nonroot")), passwd), Uid::Known(65532));
        assert_eq!(
            effective_uid(None, Some(&user("app:app")), passwd),
            Uid::Name("app".to_owned())
        );
        assert_eq!(effective_uid(None, None, passwd), Uid::Unknown);
    }

    #[test]
    fn what_the_kubelet_refuses() {
        let user = ImageUser::parse;
        assert_eq!(run_as_non_root(Some(0), None), Ok(Some(Refusal::RunAsRoot)));
        assert_eq!(run_as_non_root(Some(1), Some(&user("root"))), Ok(None));
        assert_eq!(run_as_non_root(None, Some(&user(""))), Ok(Some(Refusal::ImageRoot)));
        assert_eq!(run_as_non_root(None, Some(&user("0:0"))), Ok(Some(Refusal::ImageRoot)));
        assert_eq!(run_as_non_root(None, Some(&user("65532"))), Ok(None));
        let refused = Ok(Some(Refusal::ImageName("nonroot".to_owned())));
        assert_eq!(run_as_non_root(None, Some(&user("nonroot:nonroot"))), refused);
        assert_eq!(run_as_non_root(None, None), Err(ImageUnknown));
    }
}
