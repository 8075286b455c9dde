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
    let open = netlink::listening().unwrap_or_else(|_| of_proc());
    let held = (!own_network && !open.is_empty()).then(|| held_by(pid));
    let is_held = |inode: u32| held.as_ref().is_none_or(|held| held.contains(&inode));
    let is_ours = |socket: &&netlink::Listening| {
        own_network && socket.address.is_loopback() && ours.contains(&socket.port)
    };
    let held = open.iter().filter(|socket| is_held(socket.inode) && !is_ours(socket));
    held.map(|socket| (socket.address, socket.port)).collect()
}

/// `TCP_LISTEN` as /proc/net/tcp writes it.
const LISTEN: &str = "0A";

/// The same from `/proc/net/tcp` and `tcp6`, where the kernel answers no `inet_diag`: it may be built without, as
/// sandboxes are that are kernels themselves.
fn of_proc() -> Vec<netlink::Listening> {
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
    let text = tables.map(|table| fs::read_to_string(table).unwrap_or_default());
    text.iter().flat_map(|table| table.lines().skip(1)).filter_map(socket_of).collect()
}

/// `sl local_address rem_address st queues tr uid timeout inode ...`: addresses in hexadecimal, word by word as the
/// machine keeps them (`get_tcp4_sock` in net/ipv4/tcp_ipv4.c).
fn socket_of(line: &str) -> Option<netlink::Listening> {
    let columns: Vec<&str> = line.split_ascii_whitespace().collect();
    let (local, state) = (columns.get(1)?, columns.get(3)?);
    if *state != LISTEN {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let mut bytes = Vec::new();
    for word in address.as_bytes().chunks(8) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let address = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => IpAddr::from(four),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?),
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    let inode = columns.get(9)?.parse().ok()?;
    Some(netlink::Listening { address, port, inode })
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
    fn both_tables_of_the_kernel_say_the_same_of_our_sockets() {
        let four = TcpListener::bind("127.0.0.1:0").unwrap();
        let six = TcpListener::bind("[::1]:0").ok();
        let ports: Vec<u16> = [Some(&four), six.as_ref()]
            .into_iter()
            .flatten()
            .map(|it| it.local_addr().unwrap().port())
            .collect();
        let ours = |all: Vec<netlink::Listening>| -> BTreeSet<netlink::Listening> {
            all.into_iter().filter(|it| ports.contains(&it.port)).collect()
        };
        let by_proc = ours(of_proc());
        assert_eq!(by_proc.len(), ports.len());
        assert_eq!(by_proc, ours(netlink::listening().unwrap()));
    }

    #[test]
    fn lines_of_proc_are_read() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        assert_eq!(socket_of(head), None);
        let (a, port) = (u32::from_ne_bytes([127, 0, 0, 1]), 8080);
        let of = |state: &str| {
            format!(
                "   0: {a:08X}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0"
            )
        };
        let address = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(socket_of(&of("0A")), Some(netlink::Listening { address, port, inode: 4242 }));
        // A connection.
        assert_eq!(socket_of(&of("01")), None);
        assert_eq!(socket_of("0: 0:1F90 0:0 0A"), None);
    }

    #[test]
    fn our_own_socket_is_ours_and_no_other_process_has_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = (IpAddr::from([127, 0, 0, 1]), listener.local_addr().unwrap().port());
        assert!(listening(std::process::id(), false, &BTreeSet::new()).contains(&here));
        assert!(!listening(u32::MAX, false, &BTreeSet::new()).contains(&here));
    }
}
