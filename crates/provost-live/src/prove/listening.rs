//! Which sockets a process listens on.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

use super::netlink;

/// Processes below one that are looked at.
const MOST_PROCESSES: usize = 1 << 10;

/// Listening sockets by address and port. In a network of its own all are the process's; elsewhere
/// those are that it or what it started holds open. On the loopback address some ports may be ours.
pub(super) fn listening(
    pid: u32,
    own_network: bool,
    ours: &BTreeSet<u16>,
) -> BTreeSet<(IpAddr, u16)> {
    let open = netlink::listening().unwrap_or_default();
    let held = (!own_network && !open.is_empty()).then(|| held_by(pid));
    let is_held = |inode: u32| held.as_ref().is_none_or(|held| held.contains(&inode));
    let is_ours = |socket: &&netlink::Listening| {
        own_network && socket.address.is_loopback() && ours.contains(&socket.port)
    };
    let held = open.iter().filter(|socket| is_held(socket.inode) && !is_ours(socket));
    held.map(|socket| (socket.address, socket.port)).collect()
}

/// Inodes of the sockets that a process and those it started hold.
fn held_by(pid: u32) -> BTreeSet<u32> {
    let mut inodes = BTreeSet::new();
    for pid in tree(pid) {
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            let target = target.to_string_lossy();
            let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
            inodes.extend(inode.and_then(|inode| inode.parse::<u32>().ok()));
        }
    }
    inodes
}

/// A process and those it started, which have not been given away.
pub(super) fn tree(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut at = 0;
    while let Some(pid) = all.get(at).copied().filter(|_| all.len() < MOST_PROCESSES) {
        at += 1;
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn our_own_socket_is_ours_and_no_other_process_has_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = (IpAddr::from([127, 0, 0, 1]), listener.local_addr().unwrap().port());
        assert!(listening(std::process::id(), false, &BTreeSet::new()).contains(&here));
        assert!(!listening(u32::MAX, false, &BTreeSet::new()).contains(&here));
    }
}
