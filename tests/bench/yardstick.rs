//! The same double-entry transfer as a single SQL transaction, by pgbench on the same Postgres.

use std::path::{Path, PathBuf};
use std::process::Command;

use hdrhistogram::Histogram;
use tempfile::TempDir;

const SCHEMA: &str = "
drop schema if exists yardstick cascade;
create schema yardstick;
create table yardstick.account (id bigint primary key, balance bigint not null) with (fillfactor = 70);
create table yardstick.transfer (id bigserial primary key, from_id bigint not null, to_id bigint not null, amount bigint not null,
    created_at timestamptz not null default now());
create table yardstick.entry (account_id bigint not null, transfer_id bigint not null, amount bigint not null,
    balance_after bigint not null, primary key (account_id, transfer_id));
insert into yardstick.account select id, 100000000 from generate_series(1, 10000) id;
analyze;
";

/// Six statements: both balances, the transfer, its two entries, each returning what the next one needs.
const TRANSFER: &str = r"
\set from random(1, 5000)
\set to random(5001, 10000)
begin;
update yardstick.account set balance = balance - 1 where id = :from and balance >= 1 returning balance as from_balance \gset
update yardstick.account set balance = balance + 1 where id = :to returning balance as to_balance \gset
insert into yardstick.transfer (from_id, to_id, amount) values (:from, :to, 1) returning id as transfer_id \gset
insert into yardstick.entry values (:from, :transfer_id, -1, :from_balance), (:to, :transfer_id, 1, :to_balance);
commit;
";

/// Transactions a second with 32 clients, by the protocol ("simple" is pgbench's default, "prepared" its best); `None` when pgbench or the
/// server cannot be reached.
pub fn run(data_dir: &Path, seconds: u64, protocol: &str) -> Option<f64> {
    let (host, port) = socket(data_dir)?;
    let script = data_dir.join("transfer.sql");
    std::fs::write(&script, TRANSFER).ok()?;
    let prepared = Command::new(tool("psql"))
        .args(["-h", &host, "-p", &port, "-U", "daybook", "-d", "daybook"])
        .args(["-q", "-v", "ON_ERROR_STOP=1", "-c", SCHEMA])
        .output()
        .ok()?;
    if !prepared.status.success() {
        println!("  psql: {}", String::from_utf8_lossy(&prepared.stderr));
        return None;
    }
    Some(pgbench(data_dir, &[script], &Asking { protocol, seconds, rate: None })?.rate)
}

/// How pgbench asks, with 32 clients.
pub struct Asking<'a> {
    /// "simple" is pgbench's default, "prepared" its best.
    pub protocol: &'a str,
    pub seconds: u64,
    /// Transactions each second, whether or not the answers keep up.
    pub rate: Option<u64>,
}

/// What pgbench found.
pub struct Found {
    pub rate: f64,
    /// Microseconds from when a transaction was due to its end.
    pub latency: Histogram<u64>,
}

/// Runs scripts, each as often as the others, on the private server; `None` when pgbench or the server cannot be reached.
pub fn pgbench(data_dir: &Path, scripts: &[PathBuf], asking: &Asking<'_>) -> Option<Found> {
    let (host, port) = socket(data_dir)?;
    let logs = TempDir::new().ok()?;
    let mut command = Command::new(tool("pgbench"));
    command.current_dir(logs.path());
    command.args(["-h", &host, "-p", &port, "-U", "daybook", "-n", "-l", "-M", asking.protocol]);
    command.args(["-c", "32", "-j", "2", "-T", &asking.seconds.to_string()]);
    if let Some(rate) = asking.rate {
        command.args(["-R", &rate.to_string()]);
    }
    for script in scripts {
        command.arg("-f").arg(script);
    }
    let output = command.arg("daybook").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rate =
        text.lines().find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok());
    let Some(rate) = rate else {
        println!("  pgbench: {text}{}", String::from_utf8_lossy(&output.stderr));
        return None;
    };
    let mut latency = Histogram::new(3).unwrap();
    for log in std::fs::read_dir(logs.path()).ok()? {
        let log = std::fs::read_to_string(log.ok()?.path()).ok()?;
        let micros = log.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<u64>().ok());
        micros.for_each(|micros| latency.record(micros).unwrap());
    }
    Some(Found { rate, latency })
}

fn tool(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|entry| entry.path().join("bin").join(name)).filter(|path| path.exists()).max();
    newest.unwrap_or_else(|| name.into())
}

/// The socket directory and port of the private server, from its own pid file.
pub fn socket(data_dir: &Path) -> Option<(String, String)> {
    // Where its user cannot reach the data directory, it is elsewhere.
    let elsewhere = std::fs::read_to_string(data_dir.join("postgres.location"));
    let cluster = elsewhere.map_or_else(|_| data_dir.join("postgres"), |path| path.trim().into());
    let pid_file = [cluster.join("postmaster.pid"), cluster.join("data/postmaster.pid")]
        .into_iter()
        .find(|path| path.exists())?;
    let text = std::fs::read_to_string(pid_file).ok()?;
    let lines: Vec<_> = text.lines().collect();
    Some(((*lines.get(4)?).to_owned(), (*lines.get(3)?).to_owned()))
}
