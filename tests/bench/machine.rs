//! What the figures were measured on, and what the processes cost.

use std::collections::BTreeMap;
use std::fs;

/// One line about this machine.
pub fn describe() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name").and_then(|rest| rest.split_once(": ")))
        .map_or("unknown CPU", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.trim().parse().ok())
        .unwrap_or(0);
    format!("{cores} cores ({model}), {} GiB, {}", kib / 1024 / 1024, std::env::consts::OS)
}

/// CPU seconds used so far, by group of threads of a process, and by its children together.
#[derive(Clone, Debug, Default)]
pub struct Cpu {
    pub threads: BTreeMap<String, f64>,
    pub children: f64,
}

const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds in user and system mode: a line's own, and those of the children that have ended since and were waited for.
fn seconds(stat: &str) -> Option<[f64; 2]> {
    let rest = stat.rsplit_once(')')?.1;
    let ticks: Option<Vec<f64>> =
        rest.split_whitespace().skip(11).take(4).map(|field| field.parse().ok()).collect();
    let [user, system, ended_user, ended_system] = ticks?.try_into().ok()?;
    Some([(user + system) / TICKS_PER_SECOND, (ended_user + ended_system) / TICKS_PER_SECOND])
}

fn ticks(stat: &str) -> Option<f64> {
    seconds(stat).map(|[own, _]| own)
}

/// Reads a process's CPU use, and that of the processes below it (Postgres).
pub fn cpu(pid: u32) -> Cpu {
    let mut cpu = Cpu::default();
    for entry in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let group =
            name.trim().trim_end_matches(|c: char| c.is_ascii_digit() || c == '-' || c == '#').to_owned();
        *cpu.threads.entry(group).or_default() += ticks(&stat).unwrap_or(0.0);
    }
    for child in descendants(pid) {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        // A backend that ends hands its time on to the postmaster.
        cpu.children += seconds(&stat).unwrap_or_default().iter().sum::<f64>();
    }
    cpu
}

/// This process's own CPU seconds: the load generator's.
pub fn own_cpu() -> f64 {
    cpu_of("self")
}

/// CPU seconds of a process, threads that have ended included, and of those below it.
pub fn total_cpu(pid: u32) -> (f64, f64) {
    (cpu_of(&pid.to_string()), cpu(pid).children)
}

fn cpu_of(process: &str) -> f64 {
    ticks(&fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default()).unwrap_or(0.0)
}

fn descendants(pid: u32) -> Vec<u32> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent =
            stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        if parent == Some(pid) {
            all.push(child);
            all.extend(descendants(child));
        }
    }
    all
}

/// Resident memory now and at its peak, in MiB.
pub fn memory(pid: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())
            .unwrap_or(0)
            / 1024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

impl Cpu {
    /// CPU seconds of the process itself.
    pub fn total(&self) -> f64 {
        self.threads.values().sum()
    }

    /// One line: CPU use per second since `before`, by group of threads, greatest first.
    pub fn since(&self, before: &Self, seconds: f64) -> String {
        let mut groups: Vec<_> = self
            .threads
            .iter()
            .map(|(name, used)| (name.as_str(), used - before.threads.get(name).copied().unwrap_or(0.0)))
            .collect();
        groups.push(("postgres", self.children - before.children));
        groups.sort_by(|a, b| b.1.total_cmp(&a.1));
        let shown = groups.iter().filter(|(_, used)| used / seconds >= 0.005);
        shown.map(|(name, used)| format!("{name} {:.2}", used / seconds)).collect::<Vec<_>>().join(", ")
    }
}
