//! Flags that several commands have.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use clap::Args;
use eventstore_node::grpc::{self, Credentials, GrpcOptions, TlsOptions};
use ledger_core::id::WORKER_MAX;
use notifications::NotificationOptions;
use query_api::RedisServer;

use crate::commands::Failure;
use crate::telemetry::LogFormat;

/// Every process that serves has these.
#[derive(Debug, Args)]
pub(crate) struct HostFlags {
    /// HTTP connections open at a time; further ones wait
    #[arg(
        long,
        value_name = "N",
        env = "DAYBOOK_HTTP_CONNECTIONS",
        default_value_t = 4096,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub(crate) http_connections: u32,
    /// How log lines look
    #[arg(
        long,
        value_name = "FORMAT",
        env = "DAYBOOK_LOG_FORMAT",
        value_enum,
        default_value_t = LogFormat::Text
    )]
    pub(crate) log_format: LogFormat,
    /// Which log lines are written, such as `warn` or `info,daybook=debug` [default: info]
    #[arg(long, value_name = "FILTER", env = "DAYBOOK_LOG")]
    pub(crate) log: Option<String>,
}

/// The log, when another process has it.
#[derive(Debug, Args)]
pub(crate) struct EventStoreFlags {
    /// The event store: `daybook serve node`, or an EventStoreDB (KurrentDB) server or cluster, such as
    /// esdb://127.0.0.1:2113?tls=false or esdb+discover://USER:PASSWORD@cluster.example.com:2113
    #[arg(long, value_name = "URL", env = "DAYBOOK_EVENT_STORE", hide_env_values = true)]
    pub(crate) event_store: String,
}

/// The read models, when somebody else runs Postgres.
#[derive(Debug, Args)]
pub(crate) struct DatabaseFlags {
    /// The Postgres database of the read models. Given up to four times, or with commas between, each has a part of the rows, by account
    /// and by transfer: always in the same order and number, which each database remembers
    #[arg(long, value_name = "URL", env = "DAYBOOK_DATABASE_URL", hide_env_values = true, required = true)]
    pub(crate) database_url: Vec<String>,
}

/// Where the issuer's key and the users' keys are.
#[derive(Debug, Args)]
pub(crate) struct KeysFlags {
    /// Where the token issuer's key (secrets/) and the users' keys (keys/) are; it must exist. All command and query
    /// processes need the same ones: on several machines, put them on a shared folder
    #[arg(long, value_name = "DIR", env = "DAYBOOK_DATA_DIR", default_value = ".data")]
    pub(crate) data_dir: PathBuf,
}

/// The bank's time.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct TimeZoneFlags {
    /// The bank's time zone: days and months begin at its midnight. The same in all processes
    #[arg(long, value_name = "ZONE", env = "DAYBOOK_TIME_ZONE", default_value = "UTC", value_parser = time_zone)]
    pub(crate) time_zone: Tz,
}

/// Numbers in ids.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct WorkerFlags {
    /// This process's number in the ids it makes, 0 to 1023; no two processes may share one [default: a free one, by way
    /// of the log]
    #[arg(
        long,
        value_name = "N",
        env = "DAYBOOK_WORKER",
        value_parser = clap::value_parser!(u16).range(0..=i64::from(WORKER_MAX))
    )]
    pub(crate) worker: Option<u16>,
}

/// How queries are answered.
#[derive(Clone, Debug, Args)]
pub(crate) struct QueryFlags {
    /// GraphQL does not describe its schema to clients: no introspection. The schema is committed under schemas/graphql
    #[arg(long, env = "DAYBOOK_NO_INTROSPECTION")]
    pub(crate) no_introspection: bool,
    /// A Redis server that keeps accounts' newest entries for all query processes, such as redis://127.0.0.1:6379 or
    /// rediss://USER:PASSWORD@redis.example.com:6379/0 [default: each process keeps them for itself]
    #[arg(long, value_name = "URL", env = "DAYBOOK_REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
}

impl QueryFlags {
    /// The Redis server that was asked for; nobody is asked yet.
    ///
    /// # Errors
    /// When that is no URL of one.
    pub(crate) fn redis(&self) -> Result<Option<RedisServer>, Failure> {
        // compose gives every variable a value.
        let url = self.redis_url.as_deref().filter(|url| !url.is_empty());
        let server = url.map(RedisServer::new).transpose();
        Ok(server.map_err(|error| format!("--redis-url: {error}"))?)
    }
}

/// Where webhooks may be.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct WebhookTargetFlags {
    /// Webhooks may be at private, link-local and loopback addresses, and without TLS: whoever registers one can make daybook call
    /// what it reaches. The same in all processes
    #[arg(long, env = "DAYBOOK_WEBHOOKS_ALLOW_PRIVATE")]
    pub(crate) webhooks_allow_private: bool,
}

/// The secrets of webhooks.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct WebhookSecretFlags {
    /// How long a webhook's replaced secret signs beside the new one, such as 12h or 7d
    #[arg(
        long,
        value_name = "TIME",
        env = "DAYBOOK_WEBHOOKS_SECRET_OVERLAP",
        default_value = "24h",
        value_parser = duration
    )]
    pub(crate) webhooks_secret_overlap: Duration,
}

/// How notifications are sent.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct NotificationFlags {
    /// How long a webhook's endpoint may take to answer
    #[arg(
        long,
        value_name = "TIME",
        env = "DAYBOOK_WEBHOOKS_TIMEOUT",
        default_value = "15s",
        value_parser = duration
    )]
    webhooks_timeout: Duration,
    /// How long a notification that failed waits at first; each further failure doubles it
    #[arg(
        long,
        value_name = "TIME",
        env = "DAYBOOK_WEBHOOKS_RETRY_MIN",
        default_value = "2s",
        value_parser = duration
    )]
    webhooks_retry_min: Duration,
    /// How long it waits at most; chance adds up to as much again
    #[arg(
        long,
        value_name = "TIME",
        env = "DAYBOOK_WEBHOOKS_RETRY_MAX",
        default_value = "1h",
        value_parser = duration
    )]
    webhooks_retry_max: Duration,
    /// How long one notification may fail before its webhook is disabled
    #[arg(
        long,
        value_name = "TIME",
        env = "DAYBOOK_WEBHOOKS_DISABLE_AFTER",
        default_value = "3d",
        value_parser = duration
    )]
    webhooks_disable_after: Duration,
}

impl NotificationFlags {
    /// What was asked for. No delivery log yet.
    pub(crate) fn options(&self, target: WebhookTargetFlags) -> NotificationOptions {
        NotificationOptions {
            allow_private: target.webhooks_allow_private,
            timeout: self.webhooks_timeout,
            retry_min: self.webhooks_retry_min,
            retry_max: self.webhooks_retry_max.max(self.webhooks_retry_min),
            disable_after: self.webhooks_disable_after,
            ..NotificationOptions::default()
        }
    }
}

/// How the embedded event store is served to others.
#[derive(Debug, Args)]
pub(crate) struct EsdbFlags {
    /// Where the event store is served in EventStoreDB's gRPC protocol, or `off`
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "DAYBOOK_ESDB",
        default_value = "127.0.0.1:2113",
        value_parser = listen
    )]
    esdb: Listen,
    /// The host and port that clients are told when they ask for the cluster's members [default: where it listens]
    #[arg(long, value_name = "HOST:PORT", env = "DAYBOOK_ESDB_ADVERTISE", value_parser = host_and_port)]
    esdb_advertise: Option<(String, u16)>,
    /// Serve it by TLS: the certificate chain, PEM
    #[arg(long, value_name = "FILE", env = "DAYBOOK_ESDB_TLS_CERT", requires = "esdb_tls_key")]
    esdb_tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE", env = "DAYBOOK_ESDB_TLS_KEY", requires = "esdb_tls_cert")]
    esdb_tls_key: Option<PathBuf>,
    /// Ask clients for this user's name and password
    #[arg(long, value_name = "NAME", env = "DAYBOOK_ESDB_USER", requires = "esdb_password_file")]
    esdb_user: Option<String>,
    /// The file that has the password, in its first line
    #[arg(long, value_name = "FILE", env = "DAYBOOK_ESDB_PASSWORD_FILE", requires = "esdb_user")]
    esdb_password_file: Option<PathBuf>,
    /// Listen on other addresses than this machine's own without TLS and a password: whoever reaches it owns the ledger
    #[arg(long, env = "DAYBOOK_ESDB_ALLOW_INSECURE")]
    esdb_allow_insecure: bool,
}

/// An address, or nowhere.
#[derive(Clone, Copy, Debug)]
enum Listen {
    At(SocketAddr),
    Off,
}

/// Where and how EventStoreDB's protocol is served.
#[derive(Clone)]
pub(crate) struct EsdbPlan {
    pub(crate) address: SocketAddr,
    pub(crate) options: GrpcOptions,
}

impl EsdbFlags {
    /// What was asked for, with the files read; `None` for `off`.
    ///
    /// # Errors
    /// When a file cannot be read or used, or others could reach the event store without a password.
    pub(crate) fn plan(&self) -> Result<Option<EsdbPlan>, Failure> {
        let Listen::At(address) = self.esdb else { return Ok(None) };
        let mut options = GrpcOptions::default();
        options.allow_insecure = self.esdb_allow_insecure;
        options.advertised.clone_from(&self.esdb_advertise);
        if let (Some(certificate), Some(key)) = (&self.esdb_tls_cert, &self.esdb_tls_key) {
            options.tls = Some(TlsOptions { certificate: read(certificate)?, key: read(key)? });
        }
        if let (Some(user), Some(file)) = (&self.esdb_user, &self.esdb_password_file) {
            options.credentials = Some(Credentials { user: user.clone(), password: password(file)? });
        }
        grpc::check_tls(&options).map_err(|error| format!("--esdb-tls-cert, --esdb-tls-key: {error}"))?;
        grpc::check_exposure(address, &options).map_err(|error| {
            format!(
                "--esdb {error} (--esdb-tls-cert, --esdb-tls-key, --esdb-user, --esdb-password-file; or --esdb-allow-insecure, \
                 where nobody else is on the network)"
            )
        })?;
        Ok(Some(EsdbPlan { address, options }))
    }
}

fn read(file: &PathBuf) -> Result<Vec<u8>, Failure> {
    Ok(fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?)
}

fn password(file: &PathBuf) -> Result<String, Failure> {
    let text = String::from_utf8(read(file)?)
        .map_err(|_| format!("the password in {} is not UTF-8 text", file.display()))?;
    match text.lines().next() {
        Some(password) if !password.is_empty() => Ok(password.to_owned()),
        _ => {
            Err(format!("the first line of {} is empty, so there is no password in it", file.display())
                .into())
        }
    }
}

fn listen(text: &str) -> Result<Listen, String> {
    if text == "off" {
        return Ok(Listen::Off);
    }
    let wrong = |_| "not an address such as 127.0.0.1:2113, and not `off`".to_owned();
    text.parse().map(Listen::At).map_err(wrong)
}

fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let parts = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    let parts = parts.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    parts.ok_or_else(|| "not a host and a port, such as node.example.com:2113".to_owned())
}

/// A number and a unit.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "not a time such as 500ms, 15s, 5m, 1h or 3d".to_owned();
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(unit_at);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    match u64::from(number).saturating_mul(millis) {
        0 => Err("a time must be longer than nothing".to_owned()),
        millis => Ok(Duration::from_millis(millis)),
    }
}

fn time_zone(name: &str) -> Result<Tz, String> {
    let wrong = |_| "not a time zone of the IANA database, such as UTC or Europe/Prague".to_owned();
    name.parse().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use std::time::Duration;

    use super::{EsdbFlags, duration};

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        esdb: EsdbFlags,
    }

    fn flags(arguments: &[&str]) -> EsdbFlags {
        Flags::try_parse_from(std::iter::once(&"x").chain(arguments)).unwrap().esdb
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("3d"), Ok(Duration::from_secs(259_200)));
        for wrong in ["", "5", "s", "0s", "1y", "-1s", "99999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_this_machine_comes_in_without_a_password() {
        for mine in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(flags(&["--esdb", mine]).plan().unwrap().is_some(), "{mine}");
        }
        assert!(flags(&["--esdb", "off"]).plan().unwrap().is_none());
        for open in ["0.0.0.0:1", "10.0.0.1:1", "[::]:1"] {
            let refused = flags(&["--esdb", open]).plan().err().unwrap().to_string();
            assert!(refused.contains("--esdb-tls-cert") && refused.contains(open), "{refused}");
            assert!(flags(&["--esdb", open, "--esdb-allow-insecure"]).plan().is_ok());
        }
    }

    #[test]
    fn files_are_read_and_checked_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "secret\nsecond line\n").unwrap();
        let file = file.to_str().unwrap();
        let user = ["--esdb-user", "bank", "--esdb-password-file", file];
        let credentials = flags(&user).plan().unwrap().unwrap().options.credentials.unwrap();
        assert_eq!((&*credentials.user, &*credentials.password), ("bank", "secret"));
        assert!(flags(&[&["--esdb", "0.0.0.0:1"], &user[..]].concat()).plan().is_err(), "without TLS");

        let tls = flags(&["--esdb-tls-cert", file, "--esdb-tls-key", file]);
        assert!(tls.plan().err().unwrap().to_string().contains("--esdb-tls-cert"));
        let missing = flags(&["--esdb-user", "bank", "--esdb-password-file", "/nowhere/password"]);
        assert!(missing.plan().err().unwrap().to_string().contains("/nowhere/password"));
    }

    #[test]
    fn what_is_advertised_has_a_host_and_a_port() {
        let plan = flags(&["--esdb-advertise", "node.example.com:2113"]).plan().unwrap().unwrap();
        assert_eq!(plan.options.advertised, Some(("node.example.com".to_owned(), 2113)));
        for wrong in ["node", ":2113", "node:", "node:x"] {
            assert!(Flags::try_parse_from(["x", "--esdb-advertise", wrong]).is_err(), "{wrong}");
        }
    }
}
