//! CPU time and memory of a process, from `/proc`.
//!
//! The threads that RocksDB compacts and flushes with are counted apart: they work when they want, and not for a call.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// How the names of RocksDB's threads begin.
const BACKGROUND_PREFIX: &str = "rocksdb:";
/// The state of a listening socket in the tables of the kernel.
const LISTENING: &str = "0A";
/// The kernel counts the time of a thread in `stat` in hundredths of a second.
const NANOS_PER_TICK: u64 = 10_000_000;

/// The CPU time of each thread so far, in nanoseconds, and whether it is one of RocksDB's.
#[derive(Clone, Debug, Default)]
pub(super) struct CpuSample(BTreeMap<u32, (u64, bool)>);

/// CPU time between two samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct CpuTime {
    pub(super) calls: Duration,
    pub(super) background: Duration,
}

/// Memory of a process in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ProcessMemory {
    pub(super) resident: u64,
    pub(super) peak: u64,
}

/// The CPU time of a process; `None` where `/proc` does not say.
pub(super) fn cpu_sample(pid: u32) -> Option<CpuSample> {
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let path = entry.path();
        let id = entry.file_name().to_string_lossy().parse();
        // A thread may end while it is read.
        let (Ok(id), Some(nanos)) = (id, thread_nanos(&path)) else { continue };
        let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
        threads.insert(id, (nanos, name.starts_with(BACKGROUND_PREFIX)));
    }
    (!threads.is_empty()).then_some(CpuSample(threads))
}

/// The CPU time of this thread so far.
pub(super) fn own_cpu() -> Duration {
    Duration::from_nanos(thread_nanos(Path::new("/proc/thread-self")).unwrap_or_default())
}

/// To the nanosecond if the kernel has statistics of its scheduler, or else to a hundredth of a second.
fn thread_nanos(path: &Path) -> Option<u64> {
    if let Ok(statistics) = fs::read_to_string(path.join("schedstat")) {
        return statistics.split_whitespace().next()?.parse().ok();
    }
    let stat = fs::read_to_string(path.join("stat")).ok()?;
    // The name may hold blanks and ends with the last parenthesis; then come the state and ten numbers.
    let (_, numbers) = stat.rsplit_once(')')?;
    let ticks = numbers.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().ok());
    Some(ticks.sum::<Option<u64>>()? * NANOS_PER_TICK)
}

impl CpuSample {
    /// The CPU time since an earlier sample. What a thread used that has ended since is lost.
    pub(super) fn since(&self, earlier: &Self) -> CpuTime {
        let mut time = CpuTime::default();
        for (id, (nanos, is_background)) in &self.0 {
            let before = earlier.0.get(id).map_or(0, |(nanos, _)| *nanos);
            let used = Duration::from_nanos(nanos.saturating_sub(before));
            if *is_background {
                time.background += used;
            } else {
                time.calls += used;
            }
        }
        time
    }
}

/// The memory of a process; `None` where `/proc` does not say.
pub(super) fn memory(pid: u32) -> Option<ProcessMemory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib = line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?;
        Some(kib << 10)
    };
    Some(ProcessMemory { resident: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
}

/// The process on this machine that listens at an address, if this user may see it.
pub fn listening_process(address: SocketAddr) -> Option<u32> {
    if !address.ip().is_loopback() {
        return None;
    }
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| listening_inode(&fs::read_to_string(table).ok()?, address.port()))?;
    let socket = format!("socket:[{inode}]");

    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    pids.find(|pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|to| to == Path::new(&socket))
    })
}

/// The inode of the socket that listens at a port.
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    let suffix = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let is_it = columns.get(1)?.ends_with(&suffix) && *columns.get(3)? == LISTENING;
        columns.get(9).filter(|_| is_it)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_socket_is_found_in_the_table_of_the_kernel() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                     0: 0100007F:C383 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 11 1 0\n\
                     1: 0100007F:C383 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0\n";
        assert_eq!(listening_inode(table, 0xC383), Some(4242));
        assert_eq!(listening_inode(table, 0xA000), None);
    }

    #[test]
    fn the_time_of_rocksdbs_threads_is_counted_apart() {
        let sample = |threads: &[(u32, u64, bool)]| {
            CpuSample(threads.iter().map(|(id, nanos, is)| (*id, (*nanos, *is))).collect())
        };
        let earlier = sample(&[(1, 100, false), (2, 50, true), (3, 70, false)]);
        let later = sample(&[(1, 300, false), (2, 60, true), (4, 5, false)]);
        let time = later.since(&earlier);
        assert_eq!(time.calls, Duration::from_nanos(205));
        assert_eq!(time.background, Duration::from_nanos(10));
    }
}
