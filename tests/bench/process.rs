//! What the kernel knows about a process.

use std::fs;
use std::time::Duration;

use crate::Failure;

/// CPU time that a process and all below it have used, those included that have ended.
pub(crate) fn cpu_below(id: u32) -> Result<Duration, Failure> {
    let mut all = cpu(id, 4)?;
    for task in fs::read_dir(format!("/proc/{id}/task"))? {
        // A thread or a process may end meanwhile: then it counts in its parent, a moment later.
        let children = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|child| child.parse().ok());
        all += children.filter_map(|child| cpu_below(child).ok()).sum::<Duration>();
    }
    Ok(all)
}

/// The sum of the first fields of utime, stime, and both again of the children that have ended.
pub(crate) fn cpu(id: u32, fields: usize) -> Result<Duration, Failure> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // Behind the name, which may hold anything, in parentheses: utime is the 14th field of all.
    let (_, rest) = stat.rsplit_once(')').ok_or("/proc/PID/stat has another form")?;
    let ticks: u64 = rest.split_whitespace().skip(11).take(fields).map(|field| field.parse::<u64>().unwrap_or(0)).sum();
    // USER_HZ is 100 on Linux.
    Ok(Duration::from_millis(ticks * 10))
}

/// The most memory that it ever had, in KiB; none when it is gone.
pub(crate) fn peak_kib(id: u32) -> Option<u64> {
    status_kib(id, "VmHWM:")
}

/// A figure of its status.
pub(crate) fn status_kib(id: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// CPU time of all its threads that live, to the nanosecond.
pub(crate) fn cpu_exact(id: u32) -> Result<Duration, Failure> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{id}/task"))? {
        // A thread may end meanwhile.
        let stat = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        nanos += stat.split_whitespace().next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or_default();
    }
    Ok(Duration::from_nanos(nanos))
}
