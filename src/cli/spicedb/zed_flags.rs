//! The flags of `zed` that Kilwa's commands do not have.

use super::flags::{FlagGroup, switch, value};

pub(super) const GROUPS: &[FlagGroup] = &[
    FlagGroup {
        why: "zed expects another name in the server's certificate with this; Kilwa's commands expect that of the endpoint",
        instead: "leave it out, and connect by a name in the certificate",
        flags: &[value("hostname-override").only(&[])],
    },
    FlagGroup {
        why: "zed connects to a server with this; this command only reads files",
        instead: "leave it out",
        // Commands that connect define these flags themselves.
        flags: &[
            value("certificate-path"),
            value("endpoint"),
            switch("insecure"),
            switch("no-verify-ca"),
            value("token"),
        ],
    },
    FlagGroup {
        why: "zed connects through a proxy with this; Kilwa's commands connect directly",
        instead: "leave it out",
        flags: &[value("proxy").only(&[])],
    },
    FlagGroup {
        why: "zed puts a prefix before every type with this",
        instead: "leave it out, and write the prefix with the type: `shop/document:plan`",
        flags: &[value("permissions-system").only(&[])],
    },
    FlagGroup {
        why: "zed sets up its connection with this; Kilwa's commands connect once, and the server limits messages",
        instead: "leave it out",
        flags: &[
            value("max-message-size"),
            value("max-retries"),
            switch("skip-version-check"),
            value("request-id"),
        ],
    },
    FlagGroup {
        why: "zed prints the schema with this; Kilwa prints only results",
        instead: "leave it out, and use `kilwa schema read`",
        flags: &[switch("schema").only(&["false"])],
    },
    FlagGroup {
        why: "zed names a revision with this; Kilwa calls it `--consistency-at-exactly`",
        instead: "leave it out",
        flags: &[value("revision").only(&[])],
    },
    FlagGroup {
        why: "zed names types with this; Kilwa takes them as arguments, `kilwa relationship watch document`",
        instead: "leave it out",
        flags: &[value("object_types").only(&[])],
    },
    FlagGroup {
        why: "zed puts a prefix before the definitions of a schema with this, as `kilwa import` does",
        instead: "leave it out, and use `kilwa import --schema-definition-prefix PREFIX FILE`",
        flags: &[value("schema-definition-prefix").only(&[])],
    },
    FlagGroup {
        why: "zed prints the time at which a change arrived with this; Kilwa prints only changes",
        instead: "leave it out",
        flags: &[switch("timestamp")],
    },
    FlagGroup {
        why: "zed logs with this; Kilwa's commands have no log",
        instead: "leave it out",
        flags: &[value("log-level"), value("log-format"), switch("force-color")],
    },
    FlagGroup {
        why: "zed divides its work with this; Kilwa divides it itself",
        instead: "leave it out",
        flags: &[
            value("batches-per-transaction"),
            switch("disable-retries"),
            value("page-limit"),
            value("request-timeout"),
            value("workers"),
        ],
    },
    FlagGroup {
        why: "zed backs up a part of the data with this; Kilwa's backups are complete",
        instead: "leave it out, and use `kilwa relationship bulk-export TYPE` for a part",
        flags: &[value("prefix-filter").only(&[])],
    },
    FlagGroup {
        why: "zed repairs schemas of early versions of SpiceDB with this; Kilwa keeps the schema unchanged",
        instead: "leave it out",
        flags: &[switch("rewrite-legacy").only(&["false"])],
    },
    FlagGroup {
        why: "zed chooses what to redact with this; Kilwa redacts object ids and caveat contexts, and keeps the schema",
        instead: "leave it out",
        flags: &[
            switch("print-redacted-object-ids").only(&["false"]),
            switch("redact-definitions").only(&["false"]),
            switch("redact-object-ids").only(&["true"]),
            switch("redact-relations").only(&["false"]),
        ],
    },
];
