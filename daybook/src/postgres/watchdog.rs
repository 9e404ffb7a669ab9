//! Stops the server when we die without a chance to.

use std::process::Stdio;

use tokio::process::{Child, Command};

use super::owner::Owner;

/// A shell that waits for our end (its input closes, however we end) and then asks the server to stop.
const SCRIPT: &str = r#"read -r _; kill -INT "$0" 2>/dev/null"#;

/// Watches over one server while it is held.
pub(super) struct Watchdog {
    shell: Option<Child>,
}

impl Watchdog {
    /// Watches over the server `pid`. Without it the server of a killed daybook is stopped at the next start, so a
    /// failure here is no more than noted.
    pub(super) fn over(pid: u32, owner: Option<Owner>) -> Self {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, &pid.to_string()])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        if let Some(owner) = owner {
            command.uid(owner.uid).gid(owner.gid);
        }
        let shell = command.spawn();
        if let Err(error) = &shell {
            tracing::debug!(%error, "no watchdog for Postgres");
        }
        Self { shell: shell.ok() }
    }

    /// Ends the watch before the server's number can become another program's.
    pub(super) async fn end(mut self) {
        if let Some(shell) = &mut self.shell
            && let Err(error) = shell.kill().await
        {
            tracing::debug!(%error, "cannot end the watchdog of Postgres");
        }
    }
}
