//! How much memory the server may use for itself.

use std::fs;

const MIB: u64 = 1024 * 1024;
/// The server's share of the machine: reads of a table that fits cost half of what they cost from the system's cache.
const SHARE: u64 = 8;
/// Where the machine does not say what it has, and on small ones.
const BUFFERS_MIB_MIN: u64 = 128;
/// More helps only where the read models are larger.
const BUFFERS_MIB_MAX: u64 = 4 * 1024;

/// With the system's cache of files, the planner may reckon with so many times the server's share.
const CACHE: u64 = 4;

/// Settings for this machine, or for the container if that has less. Memory that holds nothing yet is not used.
pub(super) fn settings() -> [(&'static str, String); 2] {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (machine, container) = (read("/proc/meminfo"), read("/sys/fs/cgroup/memory.max"));
    let buffers = buffers_mib(&machine, &container);
    let cache = buffers.saturating_mul(CACHE);
    [("shared_buffers", format!("{buffers}MB")), ("effective_cache_size", format!("{cache}MB"))]
}

fn buffers_mib(meminfo: &str, limit: &str) -> u64 {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    let total: Option<u64> =
        total.and_then(|text| text.parse().ok()).map(|kib: u64| kib.saturating_mul(1024));
    // "max" where there is none.
    let limit: Option<u64> = limit.trim().parse().ok();
    let memory = total.into_iter().chain(limit).min().unwrap_or(0);
    (memory / SHARE / MIB).clamp(BUFFERS_MIB_MIN, BUFFERS_MIB_MAX)
}

#[cfg(test)]
mod tests {
    use super::buffers_mib;

    #[test]
    fn a_share_of_what_there_is_within_bounds() {
        let machine = |kib: u64| format!("MemTotal:       {kib} kB\nMemFree:          429124 kB\n");
        for (meminfo, limit, expected) in [
            (machine(24 * 1024 * 1024), "max\n", 3 * 1024),
            (machine(24 * 1024 * 1024), "2147483648\n", 256),
            (machine(1024 * 1024), "", 128),
            (machine(512 * 1024 * 1024), "max\n", 4 * 1024),
            (String::new(), "", 128),
        ] {
            assert_eq!(buffers_mib(&meminfo, limit), expected, "{meminfo} {limit}");
        }
    }
}
