//! Finds the installed server binaries.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::PostgresError;

/// Folders with one subfolder per version: `…/NAME` and what comes below it.
const VERSIONED: &[(&str, &str, &str)] = &[
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// A folder with `initdb` and `postgres`.
#[derive(Clone, Debug)]
pub(super) struct Binaries {
    dir: PathBuf,
    /// The major version, as in the file `PG_VERSION`.
    pub(super) major: String,
}

impl Binaries {
    /// The binaries to use: those in `given`; else the best of what is installed, which is the version that made the
    /// existing cluster (`wanted`), or the newest.
    pub(super) fn find(given: Option<&Path>, wanted: Option<&str>) -> Result<Self, PostgresError> {
        let places = given.map_or_else(places, |dir| vec![dir.to_owned()]);
        let mut found: Vec<Self> = places.iter().filter_map(|dir| Self::at(dir)).collect();
        // Newest first; of equals the first found.
        found.sort_by_key(|binaries| std::cmp::Reverse(binaries.major_number()));
        let matching = found.iter().position(|binaries| Some(binaries.major.as_str()) == wanted);
        if found.is_empty() {
            let looked = given.map_or_else(
                || "looked at pg_config, the usual places and PATH".to_owned(),
                |dir| format!("{} has no `postgres` and `initdb`", dir.display()),
            );
            return Err(PostgresError::NotInstalled { looked });
        }
        Ok(found.swap_remove(matching.unwrap_or(0)))
    }

    fn at(dir: &Path) -> Option<Self> {
        let complete = ["initdb", "postgres"].iter().all(|name| dir.join(name).is_file());
        let version = complete.then(|| output(Command::new(dir.join("postgres")).arg("--version")))??;
        Some(Self { dir: dir.to_owned(), major: major(&version)? })
    }

    pub(super) fn major_number(&self) -> u32 {
        self.major.parse().unwrap_or(0)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

fn places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    places.extend(output(Command::new("pg_config").arg("--bindir")).map(|dir| PathBuf::from(dir.trim())));
    for (parent, prefix, below) in VERSIONED {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        let versions = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
        places.extend(versions.map(|entry| entry.path().join(below)));
    }
    let path: OsString = env::var_os("PATH").unwrap_or_default();
    places.extend(env::split_paths(&path));
    places
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// "16" of `postgres (PostgreSQL) 16.4 (Debian 16.4-1)`, also of `17beta1`.
fn major(version: &str) -> Option<String> {
    let number = version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    Some(number.chars().take_while(char::is_ascii_digit).collect())
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn major_versions() {
        assert_eq!(major("postgres (PostgreSQL) 16.4 (Debian 16.4-1)\n").as_deref(), Some("16"));
        assert_eq!(major("postgres (PostgreSQL) 18beta1").as_deref(), Some("18"));
        assert_eq!(major("postgres"), None);
    }
}
