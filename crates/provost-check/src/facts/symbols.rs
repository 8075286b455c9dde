//! The functions whose presence or absence in a Go program says something.
//!
//! Dead-code elimination makes absence of a plain function strong and its presence meaningful;
//! exported methods may be kept by reflection, so their presence is weak. Measured on programs of
//! ten lines each built by Go 1.21, 1.24, 1.26 and 1.27. The binary loader looks for exactly the
//! names in [`ALL`] in one pass over the function table.

/// A function name as the linker writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub &'static str);

macro_rules! symbols {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Symbol = Symbol($text);)*
        /// Every symbol a rule may ask for.
        pub static ALL: &[Symbol] = &[$($name),*];
    };
}

symbols! {
    /// Flags are parsed by the standard library, which knows no others than those it was told. Strong
    /// both ways.
    FLAG_PARSE = "flag.(*FlagSet).parseOne";
    /// The same of `spf13/pflag`.
    PFLAG_PARSE = "github.com/spf13/pflag.(*FlagSet).parseLongArg";
    /// The program handles some signal; reached from `NotifyContext` too. Strong both ways.
    SIGNAL_NOTIFY = "os/signal.Notify";
    /// The program has some signal ignored: what `signal.Ignore`, whose body is put where it is called, comes to.
    /// Strong both ways.
    SIGNAL_IGNORE = "os/signal.signal_ignore";
    /// Weak presence (reflection keeps it), strong absence.
    HTTP_SHUTDOWN = "net/http.(*Server).Shutdown";
    /// An HTTP server.
    HTTP_SERVE = "net/http.(*Server).Serve";
    /// TLS is served: strong absence.
    HTTP_SERVE_TLS = "net/http.(*Server).ServeTLS";
    /// TLS is served by a server without settings. Strong both ways.
    LISTEN_AND_SERVE_TLS = "net/http.ListenAndServeTLS";
    /// TLS is served on a listener of the program's own. Strong both ways.
    SERVE_TLS = "net/http.ServeTLS";
    /// TLS is served: weak presence, strong absence.
    HTTP_LISTEN_AND_SERVE_TLS = "net/http.(*Server).ListenAndServeTLS";
    /// TLS is served: strong absence.
    TLS_SERVER_HANDSHAKE = "crypto/tls.(*Conn).serverHandshake";
    /// Outbound HTTP.
    HTTP_DIAL = "net/http.(*Transport).dialConn";
    /// Outbound gRPC.
    GRPC_NEW_CLIENT = "google.golang.org/grpc.NewClient";
    /// Outbound gRPC, older name.
    GRPC_DIAL = "google.golang.org/grpc.DialContext";
    /// Outbound TLS.
    TLS_DIAL = "crypto/tls.Dial";
    /// What every `crypto/tls.Dial*` comes to.
    TLS_DIAL_INNER = "crypto/tls.dial";
    /// A database is opened; what `database/sql.Open` comes to.
    SQL_OPEN_DB = "database/sql.OpenDB";
    /// The program brings roots of its own, since Go 1.20.
    SET_FALLBACK_ROOTS = "crypto/x509.SetFallbackRoots";
    /// A gRPC server.
    GRPC_SERVE = "google.golang.org/grpc.(*Server).Serve";
    /// The gRPC health service is served. Strong both ways.
    GRPC_HEALTH_CHECK = "google.golang.org/grpc/health/grpc_health_v1._Health_Check_Handler";
    /// The gRPC health service is registered.
    GRPC_HEALTH_REGISTER = "google.golang.org/grpc/health/grpc_health_v1.RegisterHealthServer";
    /// Connect's health handler.
    CONNECT_HEALTH = "connectrpc.com/grpchealth.NewHandler";
    /// A gRPC server with TLS credentials.
    GRPC_SERVER_TLS = "google.golang.org/grpc/credentials.NewServerTLSFromFile";
    /// gRPC TLS credentials, either side.
    GRPC_TLS = "google.golang.org/grpc/credentials.NewTLS";
    /// pprof handlers on DefaultServeMux. Strong both ways.
    PPROF = "net/http/pprof.init";
    /// The same where the package has several init functions.
    PPROF_0 = "net/http/pprof.init.0";
    /// expvar on DefaultServeMux.
    EXPVAR = "expvar.init.0";
    /// Zones are loaded by name. Strong both ways.
    LOAD_LOCATION = "time.LoadLocation";
    /// Embedded zones.
    TZDATA = "time/tzdata.init.0";
    /// Embedded zones, other spelling.
    TZDATA_INIT = "time/tzdata.init";
    /// Embedded roots.
    FALLBACK_ROOTS = "golang.org/x/crypto/x509roots/fallback.init.0";
    /// Embedded roots.
    FALLBACK_ROOTS_INIT = "golang.org/x/crypto/x509roots/fallback.init";
    /// Temp files may be written: weak.
    CREATE_TEMP = "os.CreateTemp";
    /// Temp folders may be made: weak.
    MKDIR_TEMP = "os.MkdirTemp";
    /// automaxprocs by blank import.
    AUTOMAXPROCS_INIT = "go.uber.org/automaxprocs.init.0";
    /// automaxprocs with options that cannot be seen.
    AUTOMAXPROCS_SET = "go.uber.org/automaxprocs/maxprocs.Set";
    /// automemlimit by blank import: ratio 0.9.
    AUTOMEMLIMIT_INIT = "github.com/KimMachineGun/automemlimit.init.0";
    /// automemlimit with options that cannot be seen.
    AUTOMEMLIMIT_SET = "github.com/KimMachineGun/automemlimit/memlimit.SetGoMemLimitWithOpts";
    /// automemlimit, other entry.
    AUTOMEMLIMIT_SET_RATIO = "github.com/KimMachineGun/automemlimit/memlimit.SetGoMemLimit";
    /// Sets the memory limit in code, with a value that cannot be seen.
    SET_MEMORY_LIMIT = "runtime/debug.SetMemoryLimit";
    /// What that calls; never inlined, so that its absence is proof.
    SET_MEMORY_LIMIT_INNER = "runtime/debug.setMemoryLimit";
    /// Reads the service account token. Strong both ways.
    IN_CLUSTER_CONFIG = "k8s.io/client-go/rest.InClusterConfig";
    /// Prometheus text is served.
    PROMHTTP = "github.com/prometheus/client_golang/prometheus/promhttp.HandlerFor";
    /// Views of OpenTelemetry's SDK, which may change the buckets of a histogram. Found in inline
    /// trees too.
    OTEL_WITH_VIEW = "go.opentelemetry.io/otel/sdk/metric.WithView";
    /// Buckets of one's own for gRPC's histograms.
    GRPC_PROMETHEUS_BUCKETS = "github.com/grpc-ecosystem/go-grpc-prometheus.WithHistogramBuckets";
    /// The same in what replaced it.
    GRPC_MIDDLEWARE_BUCKETS = "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus.WithHistogramBuckets";
    /// A test binary.
    TESTING_MAIN = "testing.MainStart";
    /// Reads the whole environment: names cannot be told apart.
    OS_ENVIRON = "os.Environ";
    /// Leader election: one replica may be meant.
    LEADER_ELECTION = "k8s.io/client-go/tools/leaderelection.NewLeaderElector";
    /// C code is linked.
    CGO = "runtime/cgo.init";
}
