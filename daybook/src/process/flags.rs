//! Flags that several commands have.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use chrono_tz::Tz;
use clap::Args;
use ledger_core::id::WORKER_MAX;

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
    /// The Postgres database of the read models
    #[arg(long, value_name = "URL", env = "DAYBOOK_DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: String,
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

/// How the embedded event store is served to others.
#[derive(Debug, Args)]
pub(crate) struct EsdbFlags {
    /// Where the event store is served in EventStoreDB's gRPC protocol, or `off`
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "DAYBOOK_ESDB",
        default_value = "127.0.0.1:2113",
        value_parser = esdb_address
    )]
    esdb: EsdbAddress,
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
struct EsdbAddress(Option<SocketAddr>);

/// Where and how EventStoreDB's protocol is served. The files are read.
#[derive(Clone)]
pub(crate) struct EsdbPlan {
    pub(crate) address: SocketAddr,
    /// Certificate chain and private key, PEM.
    pub(crate) tls: Option<(Vec<u8>, Vec<u8>)>,
    /// Name and password.
    pub(crate) user: Option<(String, String)>,
    pub(crate) allow_insecure: bool,
}

impl EsdbFlags {
    /// What was asked for; `None` for `off`.
    ///
    /// # Errors
    /// When a file cannot be read, or others could reach the event store without a password.
    pub(crate) fn plan(&self) -> Result<Option<EsdbPlan>, Failure> {
        let EsdbAddress(Some(address)) = self.esdb else { return Ok(None) };
        let tls = match (&self.esdb_tls_cert, &self.esdb_tls_key) {
            (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
            _ => None,
        };
        let user = match (&self.esdb_user, &self.esdb_password_file) {
            (Some(user), Some(file)) => Some((user.clone(), password(file)?)),
            _ => None,
        };
        let secure = tls.is_some() && user.is_some();
        if !is_loopback(address.ip()) && !secure && !self.esdb_allow_insecure {
            return Err(format!(
                "--esdb {address} can be reached from other machines, so it needs TLS (--esdb-tls-cert, --esdb-tls-key) and a \
                 password (--esdb-user, --esdb-password-file); on a network where nobody else is, --esdb-allow-insecure does \
                 without"
            )
            .into());
        }
        Ok(Some(EsdbPlan { address, tls, user, allow_insecure: self.esdb_allow_insecure }))
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
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

fn esdb_address(text: &str) -> Result<EsdbAddress, String> {
    if text == "off" {
        return Ok(EsdbAddress(None));
    }
    let wrong = |_| "not an address such as 127.0.0.1:2113, and not `off`".to_owned();
    text.parse().map(|address| EsdbAddress(Some(address))).map_err(wrong)
}

fn time_zone(name: &str) -> Result<Tz, String> {
    let wrong = |_| "not a time zone of the IANA database, such as UTC or Europe/Prague".to_owned();
    name.parse().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::EsdbFlags;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        esdb: EsdbFlags,
    }

    fn flags(arguments: &[&str]) -> EsdbFlags {
        Flags::try_parse_from(std::iter::once(&"x").chain(arguments)).unwrap().esdb
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
    fn tls_without_a_password_is_not_enough() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "secret\nsecond line\n").unwrap();
        let file = file.to_str().unwrap();
        let tls = ["--esdb", "0.0.0.0:1", "--esdb-tls-cert", file, "--esdb-tls-key", file];
        assert!(flags(&tls).plan().is_err());
        let user = ["--esdb-user", "bank", "--esdb-password-file", file];
        let plan = flags(&[&tls[..], &user[..]].concat()).plan().unwrap().unwrap();
        assert_eq!(plan.user, Some(("bank".to_owned(), "secret".to_owned())));
        assert!(flags(&[&["--esdb", "0.0.0.0:1"], &user[..]].concat()).plan().is_err());
    }
}
