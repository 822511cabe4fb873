//! The flags of `spicedb serve` and `spicedb serve-testing` that Kilwa does not have.

use super::flags::{Flag, FlagGroup, switch, value};

const DATABASE: &str = "SpiceDB connects to its database with this; Kilwa stores its data itself, in \
                        the folder of `--data-dir`";
const LEAVE_OUT_DATABASE: &str = "leave it out, and copy the data with `kilwa backup`";

pub(super) const GROUPS: &[FlagGroup] = &[
    FlagGroup {
        why: DATABASE,
        instead: LEAVE_OUT_DATABASE,
        flags: &[
            value("datastore-engine").none_with(&["memory"]),
            value("datastore-conn-uri").only(&[]),
            value("datastore-read-replica-conn-uri").only(&[]),
        ],
    },
    FlagGroup {
        why: "SpiceDB sets up connections to another database with this; Kilwa has none",
        instead: LEAVE_OUT_DATABASE,
        flags: CONNECTIONS,
    },
    FlagGroup {
        why: "SpiceDB signs what it stores in CockroachDB with this; Kilwa does not sign relationships",
        instead: "leave it out",
        flags: &[
            switch("datastore-relationship-integrity-enabled").only(&["false"]),
            value("datastore-relationship-integrity-current-key-filename"),
            value("datastore-relationship-integrity-current-key-id"),
            value("datastore-relationship-integrity-expired-keys"),
        ],
    },
    FlagGroup {
        why: "SpiceDB rounds revisions with this, so that answers may be some seconds old; Kilwa reads at the \
              newest revision at no extra cost",
        instead: "leave it out",
        flags: &[
            value("datastore-revision-quantization-interval"),
            value("datastore-revision-quantization-max-staleness-percent"),
            value("datastore-follower-read-delay-duration"),
            switch("enable-revision-heartbeat"),
            value("datastore-schema-watch-heartbeat"),
            switch("enable-experimental-watchable-schema-cache"),
        ],
    },
    FlagGroup {
        why: "SpiceDB overwrites stored data with its bootstrap files with this; Kilwa loads a bootstrap into an empty \
              store only",
        instead: "leave it out, and write to a store with data with `kilwa import FILE`",
        flags: &[switch("datastore-bootstrap-overwrite").only(&["false"])],
    },
    FlagGroup {
        why: "SpiceDB limits the time of loading bootstrap files with this; Kilwa loads them completely before it listens",
        instead: "leave it out",
        flags: &[value("datastore-bootstrap-timeout")],
    },
    FlagGroup {
        why: "SpiceDB splits a request into parts with this and may send them to other servers; Kilwa answers every \
              request in one process",
        instead: "leave it out",
        flags: DISPATCH,
    },
    FlagGroup {
        why: "SpiceDB sizes its caches with this; Kilwa has `--block-cache-size`, and sizes the others itself",
        instead: "leave it out",
        flags: CACHES,
    },
    FlagGroup {
        why: "SpiceDB sends usage data to its vendor with this; Kilwa sends none",
        instead: "leave it out",
        flags: &[
            value("telemetry-ca-override-path"),
            value("telemetry-endpoint"),
            value("telemetry-interval"),
            switch("skip-release-check"),
        ],
    },
    FlagGroup {
        why: "SpiceDB exports metrics of its parts, traces or profiles with this; Kilwa has no such option, and only `kilwa serve` \
              exports traces",
        instead: "leave it out",
        flags: OBSERVED,
    },
    FlagGroup {
        why: "SpiceDB serves TLS with this; `kilwa serve-testing`, which asks for no keys, serves plain text only",
        instead: "leave it out, or use `kilwa serve`",
        flags: &[
            value("grpc-tls-cert-path").only(&[]),
            value("grpc-tls-key-path").only(&[]),
            value("readonly-grpc-tls-cert-path").only(&[]),
            value("readonly-grpc-tls-key-path").only(&[]),
        ],
    },
    FlagGroup {
        why: "SpiceDB sets up its HTTP gateway with this; Kilwa serves gRPC only",
        instead: "leave it out",
        flags: HTTP,
    },
    FlagGroup {
        why: "SpiceDB sets up its gRPC server with this; Kilwa serves gRPC over TCP and manages connections itself",
        instead: "leave it out; `--grpc-addr` says where to listen",
        flags: GRPC,
    },
    FlagGroup {
        why: "SpiceDB refuses schemas whose definitions have no prefix with this; Kilwa accepts both",
        instead: "leave it out, and check schemas before they are written",
        flags: &[switch("schema-prefixes-required").only(&["false"])],
    },
    FlagGroup {
        why: "SpiceDB chooses how to treat a ZedToken of another server with this; Kilwa reads at the latest \
              revision instead",
        instead: "leave it out",
        flags: &[value("mismatch-zed-token-behavior").only(&["full-consistency", "min-latency"])],
    },
    FlagGroup {
        why: "SpiceDB tunes its internals with this; Kilwa works differently",
        instead: "leave it out",
        flags: INNER,
    },
];

const CONNECTIONS: &[Flag] = &[
    value("datastore-allowed-migrations"),
    value("datastore-conn-max-idletime"),
    value("datastore-conn-max-lifetime"),
    value("datastore-conn-max-lifetime-jitter"),
    value("datastore-conn-max-open"),
    value("datastore-conn-min-open"),
    value("datastore-conn-healthcheck-interval"),
    value("datastore-conn-pool-read-healthcheck-interval"),
    value("datastore-conn-pool-read-max-idletime"),
    value("datastore-conn-pool-read-max-lifetime"),
    value("datastore-conn-pool-read-max-lifetime-jitter"),
    value("datastore-conn-pool-read-max-open"),
    value("datastore-conn-pool-read-min-open"),
    value("datastore-conn-pool-write-healthcheck-interval"),
    value("datastore-conn-pool-write-max-idletime"),
    value("datastore-conn-pool-write-max-lifetime"),
    value("datastore-conn-pool-write-max-lifetime-jitter"),
    value("datastore-conn-pool-write-max-open"),
    value("datastore-conn-pool-write-min-open"),
    value("datastore-connect-rate"),
    switch("datastore-connection-balancing"),
    value("datastore-credentials-provider-name"),
    switch("datastore-experimental-column-optimization"),
    value("datastore-gc-max-operation-time"),
    value("datastore-max-tx-retries"),
    value("datastore-migration-phase"),
    value("datastore-mysql-table-prefix"),
    value("datastore-read-replica-conn-pool-read-healthcheck-interval"),
    value("datastore-read-replica-conn-pool-read-max-idletime"),
    value("datastore-read-replica-conn-pool-read-max-lifetime"),
    value("datastore-read-replica-conn-pool-read-max-lifetime-jitter"),
    value("datastore-read-replica-conn-pool-read-max-open"),
    value("datastore-read-replica-conn-pool-read-min-open"),
    value("datastore-read-replica-credentials-provider-name"),
    switch("datastore-request-hedging"),
    value("datastore-request-hedging-initial-slow-value"),
    value("datastore-request-hedging-max-requests"),
    value("datastore-request-hedging-quantile"),
    value("datastore-spanner-credentials"),
    value("datastore-spanner-emulator-host"),
    value("datastore-spanner-max-sessions"),
    value("datastore-spanner-metrics"),
    value("datastore-spanner-min-sessions"),
    value("datastore-tx-overlap-key"),
    value("datastore-tx-overlap-strategy"),
    value("datastore-watch-connect-timeout"),
    value("write-conn-acquisition-timeout"),
];

const DISPATCH: &[Flag] = &[
    value("dispatch-check-permission-concurrency-limit"),
    value("dispatch-chunk-size"),
    value("dispatch-cluster-addr"),
    switch("dispatch-cluster-enabled"),
    value("dispatch-cluster-max-conn-age"),
    value("dispatch-cluster-max-workers"),
    value("dispatch-cluster-network"),
    value("dispatch-cluster-tls-cert-path"),
    value("dispatch-cluster-tls-key-path"),
    value("dispatch-concurrency-limit"),
    value("dispatch-hashring-replication-factor"),
    value("dispatch-hashring-spread"),
    value("dispatch-lookup-resources-concurrency-limit"),
    value("dispatch-lookup-subjects-concurrency-limit"),
    value("dispatch-reachable-resources-concurrency-limit"),
    value("dispatch-upstream-addr"),
    value("dispatch-upstream-ca-path"),
    value("dispatch-upstream-timeout"),
    value("experimental-dispatch-secondary-maximum-primary-hedging-delays"),
    value("experimental-dispatch-secondary-upstream-addrs"),
    value("experimental-dispatch-secondary-upstream-exprs"),
];

const CACHES: &[Flag] = &[
    switch("dispatch-cache-enabled"),
    value("dispatch-cache-max-cost"),
    switch("dispatch-cache-metrics"),
    value("dispatch-cache-num-counters"),
    switch("dispatch-cluster-cache-enabled"),
    value("dispatch-cluster-cache-max-cost"),
    switch("dispatch-cluster-cache-metrics"),
    value("dispatch-cluster-cache-num-counters"),
    switch("lookup-resources-chunk-cache-enabled"),
    value("lookup-resources-chunk-cache-max-cost"),
    switch("lookup-resources-chunk-cache-metrics"),
    value("lookup-resources-chunk-cache-num-counters"),
    switch("ns-cache-enabled"),
    value("ns-cache-max-cost"),
    switch("ns-cache-metrics"),
    value("ns-cache-num-counters"),
    switch("stored-schema-cache-enabled"),
    value("stored-schema-cache-max-cost"),
    switch("stored-schema-cache-metrics"),
];

const OBSERVED: &[Flag] = &[
    switch("datastore-include-query-parameters-in-traces"),
    switch("datastore-prometheus-metrics"),
    switch("enable-performance-insight-metrics"),
    value("otel-endpoint"),
    switch("otel-insecure"),
    value("otel-provider"),
    value("otel-sample-ratio"),
    value("otel-service-name"),
    value("otel-trace-propagator"),
    value("pprof-block-profile-rate"),
    value("pprof-mutex-profile-rate"),
    value("termination-log-path"),
];

const HTTP: &[Flag] = &[
    value("readonly-http-addr"),
    switch("readonly-http-enabled").only(&["false"]),
    value("readonly-http-tls-cert-path"),
    value("readonly-http-tls-key-path"),
];

const GRPC: &[Flag] = &[
    switch("grpc-enabled").only(&["true"]),
    switch("grpc-log-requests-enabled"),
    switch("grpc-log-responses-enabled"),
    value("grpc-max-conn-age"),
    value("grpc-max-workers"),
    value("grpc-network").only(&["tcp"]),
    value("readonly-grpc-max-conn-age"),
    value("readonly-grpc-max-workers"),
    value("readonly-grpc-network").only(&["tcp"]),
];

const INNER: &[Flag] = &[
    switch("datastore-disable-watch-support"),
    value("datastore-watch-change-buffer-maximum-size"),
    switch("disable-version-response"),
    switch("enable-memory-protection-middleware"),
    value("experimental-lookup-resources-version"),
    value("experimental-query-plan"),
    value("experimental-schema-mode"),
    value("max-datastore-read-page-size"),
];
