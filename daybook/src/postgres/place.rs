//! Where the cluster and its socket are.

use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};

use super::PostgresError;
use super::owner::Owner;

/// Where the cluster is when its user cannot reach the data directory.
const ELSEWHERE: &str = "/var/lib/daybook";
/// The shortest limit on the length of a socket's path: macOS has 103 bytes, Linux 107.
const SOCKET_PATH_BYTES_MAX: usize = 103;
const SOCKET_NAME: &str = ".s.PGSQL.5432";

/// The cluster's directory: `DIR/postgres`. When Postgres runs as another user who cannot reach that, a directory
/// below `/var/lib/daybook`, whose path is then kept in `DIR/postgres.location`.
pub(super) fn cluster_dir(data_dir: &Path, owner: Option<Owner>) -> Result<PathBuf, PostgresError> {
    let Some(owner) = owner.filter(|owner| !owner.can_reach(data_dir)) else {
        return Ok(data_dir.join("postgres"));
    };
    let location = data_dir.join("postgres.location");
    if let Ok(recorded) = fs::read_to_string(&location) {
        return Ok(PathBuf::from(recorded.trim()));
    }
    let parent = Path::new(ELSEWHERE);
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(parent)
        .map_err(PostgresError::file("make", parent))?;
    // A new name for each data directory, so that a new log never meets the read models of an old one.
    let dir = parent.join(format!("{:016x}", rand::random::<u64>()));
    tracing::info!(
        uid = owner.uid,
        postgres = %dir.display(),
        "the data directory is closed to the user that Postgres runs as; its files go elsewhere"
    );
    fs::write(&location, format!("{}\n", dir.display())).map_err(PostgresError::file("write", &location))?;
    Ok(dir)
}

/// Where the socket is: in the cluster's directory (private already), or if that path is too long for a socket, in a
/// private directory of the user's or of `/tmp`.
pub(super) fn socket_dir(cluster: &Path) -> PathBuf {
    if cluster.join(SOCKET_NAME).as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return cluster.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    cluster.hash(&mut hasher);
    let name = format!("daybook-{:016x}", hasher.finish());
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let fits = |dir: &PathBuf| {
        dir.is_dir() && dir.join(&name).join(SOCKET_NAME).as_os_str().len() <= SOCKET_PATH_BYTES_MAX
    };
    runtime
        .filter(|_| !rustix::process::geteuid().is_root())
        .filter(fits)
        .unwrap_or_else(|| PathBuf::from("/tmp"))
        .join(name)
}

/// Makes a directory that only `owner` (or we) can enter. One that exists must be exactly that: in `/tmp` others may
/// have been faster.
pub(super) fn private_dir(dir: &Path, owner: Option<Owner>) -> Result<(), PostgresError> {
    let made = DirBuilder::new().mode(0o700).create(dir);
    match made {
        Ok(()) => match owner {
            Some(owner) => {
                chown(dir, Some(owner.uid), Some(owner.gid)).map_err(PostgresError::file("give away", dir))
            }
            None => Ok(()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let metadata = fs::symlink_metadata(dir).map_err(PostgresError::file("read", dir))?;
            let uid = owner.map_or_else(|| rustix::process::geteuid().as_raw(), |owner| owner.uid);
            let private = metadata.is_dir() && metadata.uid() == uid && metadata.mode() & 0o077 == 0;
            private.then_some(()).ok_or_else(|| PostgresError::SocketDir { path: dir.to_owned() })
        }
        Err(error) => Err(PostgresError::file("make", dir)(error)),
    }
}

/// The URL of a database reached by the socket in `dir`. The password is never asked for; with one, the client does not
/// look for a `.pgpass`.
pub(super) fn url(dir: &Path, user: &str, database: &str) -> String {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;
    let mut host = String::new();
    for byte in dir.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(byte) {
            host.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(host, "%{byte:02X}");
        }
    }
    format!("postgres://{user}:{user}@localhost/{database}?host={host}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{socket_dir, url};

    #[test]
    fn a_long_path_gets_a_short_socket() {
        assert_eq!(socket_dir(Path::new("/data/postgres")), Path::new("/data/postgres"));
        let long = format!("/{}/postgres", "x".repeat(120));
        let short = socket_dir(Path::new(&long));
        assert!(short.as_os_str().len() < 80, "{}", short.display());
        assert_eq!(short, socket_dir(Path::new(&long)));
    }

    #[test]
    fn a_url_survives_strange_paths() {
        let url = url(Path::new("/a b/ž&?#"), "daybook", "daybook");
        assert_eq!(url, "postgres://daybook:daybook@localhost/daybook?host=/a%20b/%C5%BE%26%3F%23");
        let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
        assert_eq!(options.get_socket().unwrap(), Path::new("/a b/ž&?#"));
    }
}
