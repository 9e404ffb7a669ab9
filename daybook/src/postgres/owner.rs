//! Which user the server runs as.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::PostgresError;

/// The user that owns the server's files and processes, when it is not us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Owner {
    /// `None` when we are an ordinary user: then it is us. Postgres refuses to run as root, so root lends it the user
    /// `postgres` that its packages make, or else `nobody`.
    pub(super) fn find() -> Result<Option<Self>, PostgresError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let found = ["postgres", "nobody"].into_iter().find_map(|name| {
            let uid = id("-u", name).filter(|uid| *uid != 0)?;
            Some(Self { uid, gid: id("-g", name)? })
        });
        found.map(Some).ok_or(PostgresError::NoUser)
    }

    /// True when this user can reach what lies in `dir`.
    pub(super) fn can_reach(self, dir: &Path) -> bool {
        dir.ancestors().filter(|dir| !dir.as_os_str().is_empty()).all(|dir| {
            let Ok(metadata) = dir.metadata() else {
                return false;
            };
            let search = if metadata.uid() == self.uid {
                0o100
            } else if metadata.gid() == self.gid {
                0o010
            } else {
                0o001
            };
            metadata.mode() & search != 0
        })
    }
}

fn id(what: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([what, name]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
