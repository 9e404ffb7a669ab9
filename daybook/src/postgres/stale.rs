//! A server that an earlier run of ours left behind: after `kill -9` nobody told it to stop.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::PostgresError;

/// How long a server may take to stop when asked nicely, and then when told.
const STOP_TIME_MAX: Duration = Duration::from_secs(30);
const QUIT_TIME_MAX: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Stops the server that runs on `cluster`, if one does. The caller holds the data directory's lock, so it is nobody's.
pub(super) async fn stop_stale(cluster: &Path) -> Result<(), PostgresError> {
    let pid_file = cluster.join("postmaster.pid");
    let Some(pid) = recorded_pid(&pid_file) else {
        return Ok(());
    };
    if test_kill_process(pid).is_err() {
        return Ok(());
    }
    if !is_server_of(pid, cluster) {
        // The number has gone to another program since; Postgres itself cannot tell and would refuse to start.
        return fs::remove_file(&pid_file).map_err(PostgresError::file("remove", &pid_file));
    }
    tracing::info!(pid = pid.as_raw_nonzero(), "stopping the Postgres of an earlier run");
    for (signal, time) in [(Signal::INT, STOP_TIME_MAX), (Signal::QUIT, QUIT_TIME_MAX)] {
        // An error means that it has ended meanwhile.
        let _ = kill_process(pid, signal);
        if gone_within(pid, cluster, time).await {
            return Ok(());
        }
    }
    Err(PostgresError::StaleStays { pid: pid.as_raw_nonzero().get() })
}

fn recorded_pid(pid_file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(pid_file).ok()?;
    Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
}

async fn gone_within(pid: Pid, cluster: &Path, time: Duration) -> bool {
    let started = Instant::now();
    while started.elapsed() < time {
        if test_kill_process(pid).is_err() || !is_server_of(pid, cluster) {
            return true;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    false
}

/// True when the process was started as `postgres -D cluster`. A zombie has no command line.
fn is_server_of(pid: Pid, cluster: &Path) -> bool {
    let pid = pid.as_raw_nonzero();
    let command = fs::read(format!("/proc/{pid}/cmdline")).or_else(|_| {
        let output = Command::new("ps").args(["-o", "command=", "-p"]).arg(pid.to_string()).output()?;
        Ok::<_, std::io::Error>(output.stdout)
    });
    let command = String::from_utf8_lossy(&command.unwrap_or_default()).replace('\0', " ");
    command.contains("postgres") && command.contains(&format!("-D {}", cluster.display()))
}
