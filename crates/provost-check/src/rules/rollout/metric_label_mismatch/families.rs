//! Which labels well-known metrics carry, by the library or proxy that makes them.
//!
//! Read in go-grpc-prometheus v1.2.0 and go-grpc-middleware/providers/prometheus v1.1.0
//! (server_metrics.go, client_metrics.go), otelgrpc v0.49 and v0.72, otelhttp v0.49 and v0.72
//! (semconv v1.20 and v1.39), stats/opentelemetry of grpc-go v1.78 (gRFC A66), promhttp of
//! client_golang v1.23; documentation of Istio's standard metrics and of ingress-nginx.

/// Metrics with the same labels.
#[derive(Debug)]
pub(super) struct Family {
    /// Names, without the suffixes of a histogram.
    names: &'static [&'static str],
    /// Labels for status and method that it has; empty where it has none.
    labels: &'static [&'static str],
    /// How its status is written.
    status: Status,
    /// Who makes it.
    pub(super) maker: Maker,
    /// A metric that has what this one lacks.
    pub(super) instead: Option<&'static str>,
}

#[derive(Debug)]
pub(super) enum Maker {
    /// A library of the program.
    Library { name: &'static str, packages: &'static [&'static str] },
    /// Something else.
    Proxy(&'static str),
}

/// How a status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// `Unavailable`: `codes.Code.String` of grpc-go.
    GoNames,
    /// `UNAVAILABLE`: the names of the protocol.
    ProtocolNames,
    /// `14`
    Numbers,
    /// `503`
    Http,
    /// The metric has no status.
    None,
}

/// Labels by which libraries tell how a request ended.
const STATUS: &[&str] = &[
    "grpc_code",
    "grpc_status",
    "grpc_status_code",
    "grpc_response_status",
    "rpc_grpc_status_code",
    "rpc_response_status_code",
    "rpc_status_code",
    "http_status_code",
    "http_response_status_code",
    "http_status",
    "http_code",
    "response_code",
    "response_status",
    "status_code",
    "status",
    "code",
];

/// Labels by which they tell what was called.
const METHOD: &[&str] =
    &["grpc_method", "rpc_method", "http_method", "http_request_method", "request_method"];

const INTERCEPTOR: Maker = Maker::Library {
    name: "the gRPC interceptor of go-grpc-prometheus or go-grpc-middleware",
    packages: &[
        "github.com/grpc-ecosystem/go-grpc-prometheus",
        "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus",
    ],
};

const OTELGRPC: Maker = Maker::Library {
    name: "otelgrpc",
    packages: &["go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"],
};

const OTELHTTP: Maker = Maker::Library {
    name: "otelhttp",
    packages: &["go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"],
};

const A66: Maker = Maker::Library {
    name: "grpc-go's stats/opentelemetry",
    packages: &["google.golang.org/grpc/stats/opentelemetry"],
};

const FAMILIES: &[Family] = &[
    Family {
        names: &["grpc_server_handled_total", "grpc_client_handled_total"],
        labels: &["grpc_code", "grpc_method"],
        status: Status::GoNames,
        maker: INTERCEPTOR,
        instead: None,
    },
    Family {
        names: &[
            "grpc_server_started_total",
            "grpc_client_started_total",
            "grpc_server_msg_received_total",
            "grpc_client_msg_received_total",
            "grpc_server_msg_sent_total",
            "grpc_client_msg_sent_total",
        ],
        labels: &["grpc_method"],
        status: Status::None,
        maker: INTERCEPTOR,
        instead: Some("grpc_server_handled_total, which has grpc_code"),
    },
    Family {
        names: &["grpc_server_handling_seconds", "grpc_client_handling_seconds"],
        labels: &["grpc_method"],
        status: Status::None,
        maker: INTERCEPTOR,
        instead: Some("grpc_server_handled_total, which has grpc_code"),
    },
    // Semantic conventions up to 1.37.
    Family {
        names: &["rpc_server_duration_milliseconds", "rpc_client_duration_milliseconds"],
        labels: &["rpc_grpc_status_code", "rpc_method"],
        status: Status::Numbers,
        maker: OTELGRPC,
        instead: None,
    },
    // From 1.39 on; the name of the status changed twice.
    Family {
        names: &["rpc_server_call_duration_seconds", "rpc_client_call_duration_seconds"],
        labels: &["rpc_response_status_code", "rpc_status_code", "rpc_method"],
        status: Status::ProtocolNames,
        maker: OTELGRPC,
        instead: None,
    },
    Family {
        names: &[
            "grpc_server_call_duration_seconds",
            "grpc_client_call_duration_seconds",
            "grpc_client_attempt_duration_seconds",
        ],
        labels: &["grpc_status", "grpc_method"],
        status: Status::ProtocolNames,
        maker: A66,
        instead: None,
    },
    // Semantic conventions up to 1.20.
    Family {
        names: &["http_server_duration_milliseconds", "http_client_duration_milliseconds"],
        labels: &["http_status_code", "http_method"],
        status: Status::Http,
        maker: OTELHTTP,
        instead: None,
    },
    Family {
        names: &["http_server_request_duration_seconds", "http_client_request_duration_seconds"],
        labels: &["http_response_status_code", "http_request_method"],
        status: Status::Http,
        maker: OTELHTTP,
        instead: None,
    },
    Family {
        names: &["istio_requests_total", "istio_request_duration_milliseconds"],
        labels: &["response_code", "grpc_response_status", "request_method"],
        status: Status::Http,
        maker: Maker::Proxy("Istio's proxy"),
        instead: None,
    },
    Family {
        names: &["nginx_ingress_controller_requests"],
        labels: &["status"],
        status: Status::Http,
        maker: Maker::Proxy("ingress-nginx"),
        instead: None,
    },
];

/// What a label is to a family.
pub(super) enum Label {
    /// It is how the family tells the status.
    Status,
    /// One that it has, or that the scrape may have added.
    Known,
    /// How another library tells the same.
    Other,
}

/// The family of a metric.
pub(super) fn find(metric: &str) -> Option<&'static Family> {
    let bare = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| metric.strip_suffix(suffix));
    FAMILIES.iter().find(|family| {
        family.names.contains(&metric) || bare.is_some_and(|bare| family.names.contains(&bare))
    })
}

/// Names of gRPC's codes in their order, as Go and as the protocol writes them.
const CODES: &[(&str, &str)] = &[
    ("OK", "OK"),
    ("Canceled", "CANCELLED"),
    ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"),
    ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"),
    ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"),
    ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"),
    ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
];

/// Codes that say the server failed rather than the caller: the semantic conventions of gRPC.
const SERVER_ERRORS: &[usize] = &[2, 4, 12, 13, 14, 15];

impl Family {
    pub(super) fn label(&self, label: &str) -> Label {
        if self.labels.contains(&label) {
            // Of Istio's two, the first is HTTP's.
            let status = STATUS.contains(&label) && label != "grpc_response_status";
            return if status { Label::Status } else { Label::Known };
        }
        // Plain words are also what a scrape or a relabelling adds.
        let proxy = matches!(self.maker, Maker::Proxy(_));
        let foreign = STATUS.contains(&label) || (!proxy && METHOD.contains(&label));
        if foreign { Label::Other } else { Label::Known }
    }

    /// The label that tells the same here.
    pub(super) fn right_label(&self, label: &str) -> Option<&'static str> {
        let alike = if METHOD.contains(&label) { METHOD } else { STATUS };
        self.labels.iter().copied().find(|known| alike.contains(known))
    }

    pub(super) fn library(&self) -> &'static str {
        match self.maker {
            Maker::Library { name, .. } | Maker::Proxy(name) => name,
        }
    }

    fn write(&self, code: usize) -> Option<String> {
        let (go, protocol) = CODES.get(code)?;
        Some(match self.status {
            Status::GoNames => (*go).to_owned(),
            Status::ProtocolNames => (*protocol).to_owned(),
            Status::Numbers => code.to_string(),
            Status::Http | Status::None => return None,
        })
    }

    /// The first value that is written otherwise here, and how. Values that mean nothing to gRPC
    /// or HTTP are left alone.
    pub(super) fn wrong_value(&self, values: &[String]) -> Option<(String, String)> {
        values.iter().find_map(|value| {
            if self.status == Status::Http {
                let class = value.as_bytes();
                let is_class = matches!(class, [b'1'..=b'5', b'x' | b'X', b'x' | b'X']);
                return is_class
                    .then(|| (value.clone(), format!("a number such as `{}00`", &value[..1])));
            }
            let bare = |text: &str| text.replace(['_', '-', ' '], "").to_ascii_lowercase();
            let same = |known: &str| bare(known) == bare(value);
            let code =
                value.parse::<usize>().ok().filter(|n| *n < CODES.len()).or_else(|| {
                    CODES.iter().position(|(go, protocol)| same(go) || same(protocol))
                })?;
            let right = self.write(code)?;
            (right != *value).then(|| (value.clone(), format!("`{right}`")))
        })
    }

    /// Whether `Unknown` is all that is asked for.
    pub(super) fn is_only_unknown(&self, values: &[String]) -> bool {
        let unknown = self.write(2);
        !values.is_empty() && values.iter().all(|value| Some(value) == unknown.as_ref())
    }

    /// An expression for all codes by which a server fails.
    pub(super) fn server_errors(&self) -> String {
        let all: Vec<String> = SERVER_ERRORS.iter().filter_map(|code| self.write(*code)).collect();
        format!("=~\"{}\"", all.join("|"))
    }
}

#[cfg(test)]
mod tests {
    use super::{CODES, FAMILIES, find};

    #[test]
    fn every_metric_is_in_one_family() {
        let mut names: Vec<&str> = FAMILIES.iter().flat_map(|f| f.names.iter().copied()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert_eq!(CODES.len(), 17);
    }

    #[test]
    fn values_are_written_by_one_of_four_ways() {
        let wrong = |metric: &str, value: &str| {
            find(metric).expect(metric).wrong_value(&[value.to_owned()]).map(|(_, right)| right)
        };
        assert_eq!(wrong("grpc_server_handled_total", "UNKNOWN").as_deref(), Some("`Unknown`"));
        assert_eq!(wrong("grpc_server_handled_total", "14").as_deref(), Some("`Unavailable`"));
        assert_eq!(wrong("grpc_server_handled_total", "OK"), None);
        assert_eq!(wrong("grpc_server_handled_total", "Cancelled").as_deref(), Some("`Canceled`"));
        assert_eq!(
            wrong("rpc_server_duration_milliseconds_count", "Internal").as_deref(),
            Some("`13`")
        );
        assert_eq!(wrong("rpc_server_duration_milliseconds_count", "13"), None);
        assert_eq!(
            wrong("grpc_server_call_duration_seconds_count", "2").as_deref(),
            Some("`UNKNOWN`")
        );
        assert_eq!(wrong("istio_requests_total", "5xx").as_deref(), Some("a number such as `500`"));
        assert_eq!(wrong("istio_requests_total", "503"), None);
        assert_eq!(wrong("istio_requests_total", "5.."), None);
        assert_eq!(wrong("grpc_server_handled_total", "shop"), None);
    }
}
