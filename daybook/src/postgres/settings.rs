//! The server's settings: for read models that can be built again, beside us on a small machine.

/// Passed on the command line, so that they hold for old clusters too.
pub(super) const SETTINGS: &[(&str, &str)] = &[
    // A Unix socket in a private directory, nothing else.
    ("listen_addresses", ""),
    ("port", "5432"),
    ("unix_socket_permissions", "0700"),
    ("max_connections", "100"),
    // A month of entries is a table with two indexes, and a statement over all time locks all of them.
    ("max_locks_per_transaction", "256"),
    // Memory; what depends on the machine is in `memory`.
    ("work_mem", "8MB"),
    ("maintenance_work_mem", "64MB"),
    // The log has the truth and there is no replica: write little, checkpoint seldom. fsync stays on.
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("wal_compression", "on"),
    ("wal_buffers", "16MB"),
    ("min_wal_size", "512MB"),
    ("max_wal_size", "3GB"),
    ("checkpoint_timeout", "15min"),
    ("checkpoint_completion_target", "0.9"),
    // Short queries on two cores.
    ("jit", "off"),
    ("random_page_cost", "1.1"),
    ("max_parallel_workers_per_gather", "0"),
    ("autovacuum_max_workers", "2"),
    ("autovacuum_naptime", "30s"),
    // What goes to DIR/postgres.log.
    ("logging_collector", "off"),
    ("log_checkpoints", "off"),
    ("log_line_prefix", "%m [%p] "),
    ("log_timezone", "UTC"),
    ("timezone", "UTC"),
];
