//! How much memory pictures may take, and that they give it back.

use std::os::unix::process::CommandExt as _;

use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, System};

const MIB: u64 = 1024 * 1024;
/// For everything but pictures: the process itself, connections, what allocators hold back.
const FOR_THE_REST: u64 = 256 * MIB;
/// Less would refuse the photos of any phone.
const LEAST: u64 = 64 * MIB;

/// mimalloc's option for the largest block that it keeps for the next one who needs such a block, in KiB.
const LARGEST_KEPT: &str = "MIMALLOC_ARENA_MAX_OBJECT_SIZE";
/// What a photo of a phone needs, scaled, is kept; what a large picture needs goes back to the system when
/// it is done. With mimalloc's 2 GiB, 200 photos in 1 GiB took all of it, with this, half.
const KEPT_KIB: &str = "16384";

/// Makes the allocator give large blocks back to the system, unless the environment says otherwise.
///
/// It reads its options before `main` can set them, so the program takes its own place once more, with the
/// option: same process, same arguments. Where that is not possible it goes on as it is.
pub(crate) fn give_back_large_blocks() {
    let mut arguments = std::env::args_os();
    if std::env::var_os(LARGEST_KEPT).is_some() {
        return;
    }
    if let (Ok(program), Some(name)) = (std::env::current_exe(), arguments.next()) {
        let mut again = std::process::Command::new(program);
        again.arg0(name).args(arguments).env(LARGEST_KEPT, KEPT_KIB);
        // It answers only when it did not work.
        let _ = again.exec();
    }
}

/// The budget: as configured, or by what this process may have.
pub(crate) fn budget(configured: Option<u64>) -> u64 {
    configured.unwrap_or_else(|| share(allowed()))
}

/// Three quarters of all, but [`FOR_THE_REST`] is left.
fn share(all: u64) -> u64 {
    (all / 4 * 3).min(all.saturating_sub(FOR_THE_REST)).max(LEAST)
}

/// Bytes that this process may have.
fn allowed() -> u64 {
    let mut limits = vec![address_space()];
    if let (Ok(mut system), Ok(pid)) = (System::new(), sysinfo::get_current_pid()) {
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        limits.push(Some(system.total_memory()).filter(|&bytes| bytes > 0));
        let kind = ProcessRefreshKind::nothing();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
        let cgroup = system.process(pid).and_then(sysinfo::Process::cgroup_limits);
        limits.push(cgroup.map(|limits| limits.total_memory));
    }
    limits.into_iter().flatten().min().unwrap_or(LEAST)
}

/// What `ulimit -v` leaves for use (proc(5), `/proc/pid/limits`).
fn address_space() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    // Allocators and threads reserve more than they use, and who gets no address is ended.
    soft_limit(&limits, "Max address space").map(|bytes| bytes / 2)
}

fn soft_limit(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_get_most_and_the_rest_gets_enough() {
        for (all, pictures) in [
            (64 * MIB, 64 * MIB),
            (256 * MIB, 64 * MIB),
            (512 * MIB, 256 * MIB),
            (1024 * MIB, 768 * MIB),
            (4096 * MIB, 3072 * MIB),
            (u64::MAX, u64::MAX / 4 * 3),
        ] {
            assert_eq!(share(all), pictures, "of {} MiB", all / MIB);
        }
        assert_eq!(budget(Some(7)), 7);
        assert!(budget(None) >= LEAST);
    }

    #[test]
    fn a_limit_of_the_shell_is_one() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max data size             unlimited            unlimited            bytes     \n\
                      Max address space         1048576000           unlimited            bytes     \n";
        assert_eq!(soft_limit(limits, "Max address space"), Some(1_048_576_000));
        assert_eq!(soft_limit(limits, "Max data size"), None);
        assert_eq!(soft_limit(limits, "Max nothing"), None);
    }
}
