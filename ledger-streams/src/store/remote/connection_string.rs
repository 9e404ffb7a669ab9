//! Connection strings, checked before anything is connected.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use eventstore::ClientSettings;

/// Why a connection string can never work. Says nothing of the credentials in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// It is not understood.
    #[error("not a connection string of EventStoreDB (esdb://host:port?tls=false): {0}")]
    Invalid(String),
    /// A file named in it cannot be read.
    #[error("the connection string names {}, which cannot be read: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

pub(super) fn parse(url: &str) -> Result<ClientSettings, ConnectError> {
    let settings = settings(url)?;
    for endpoint in settings.hosts() {
        // The client makes a URI of these and panics if it is none.
        let is_name = |host: &str| {
            !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._[]:".contains(c))
        };
        if !is_name(&endpoint.host) || endpoint.port > u32::from(u16::MAX) {
            return Err(invalid(format!("{}:{} is no address", endpoint.host, endpoint.port)));
        }
    }
    if settings.max_discover_attempts() < 2 {
        // The client counts the first attempt twice.
        return Err(invalid("maxDiscoverAttempts must be at least 2".into()));
    }
    let (certificate, key) = settings.user_certificate().unzip();
    for path in [settings.tls_ca_file(), certificate, key].into_iter().flatten() {
        File::open(path).map_err(|source| ConnectError::File { path: path.into(), source })?;
    }
    if is_cluster(&settings) || url.to_ascii_lowercase().contains("discoveryinterval=") {
        return Ok(settings);
    }
    // The client waits this long before its first call even when there is nothing to discover.
    let separator = if url.contains('?') { '&' } else { '?' };
    self::settings(&format!("{url}{separator}discoveryInterval=1"))
}

/// True when the client asks for a node first instead of calling the one it was told.
pub(super) fn is_cluster(settings: &ClientSettings) -> bool {
    settings.is_dns_discovery_enabled() || settings.hosts().len() > 1
}

fn settings(url: &str) -> Result<ClientSettings, ConnectError> {
    url.parse().map_err(|error: eventstore::ClientSettingsParseError| {
        // The message of an error with a cause is the whole string, password and all.
        invalid(error.error().map_or_else(|| error.message().to_owned(), ToString::to_string))
    })
}

fn invalid(reason: String) -> ConnectError {
    ConnectError::Invalid(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_work_is_taken() {
        for url in [
            "esdb://localhost:2113?tls=false",
            "esdb://127.0.0.1",
            "esdb+discover://admin:changeit@cluster.example:2113",
            "kurrentdb://a:1,b:2,c:3?tls=false&nodePreference=leader",
            "kurrentdb+discover://cluster.example?discoveryInterval=7",
            "esdb://[::1]:2113?tls=false",
        ] {
            parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        }
        let plain = parse("esdb://localhost:2113").unwrap();
        assert_eq!(plain.discovery_interval().as_millis(), 1);
        let chosen = parse("esdb://localhost:2113?discoveryInterval=70").unwrap();
        assert_eq!(chosen.discovery_interval().as_millis(), 70);
        assert!(is_cluster(&parse("esdb://a:1,b:2").unwrap()) && !is_cluster(&plain));
    }

    #[test]
    fn what_can_never_work_is_refused_without_telling_the_password() {
        for url in [
            "",
            "localhost:2113",
            "http://localhost:2113",
            "esdb://",
            "esdb://user:secret@host:port",
            "esdb://user:secret@ho%20st:1",
            "esdb://user:secret@host:1?tls=perhaps",
            "esdb://user:secret@host:1/path",
            "esdb://user:secret@host:1?maxDiscoverAttempts=1",
            "esdb://user:secret@host:1?tlsCaFile=/no/such/file",
        ] {
            let error = parse(url).expect_err(url).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
