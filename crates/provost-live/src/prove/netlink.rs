//! Questions to the kernel by its netlink protocol (netlink(7)): to switch the loopback interface of a
//! new network namespace on and give it addresses, and for the sockets that listen in one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketType, recv, sendto, socket,
};

/// `NLM_F_REQUEST`, linux/netlink.h
const REQUEST: u16 = 1;
/// `NLM_F_ACK`
const ACK: u16 = 4;
/// `NLM_F_ROOT | NLM_F_MATCH`
const DUMP: u16 = 0x300;
/// `NLMSG_ERROR`, which also is the acknowledgement
const ERROR: u16 = 2;
/// `NLMSG_DONE`
const DONE: u16 = 3;
/// `RTM_NEWLINK`, linux/rtnetlink.h
const NEW_LINK: u16 = 16;
/// `RTM_NEWADDR`
const NEW_ADDRESS: u16 = 20;
/// `NLM_F_CREATE`
const CREATE: u16 = 0x400;
/// `IFA_ADDRESS` and `IFA_LOCAL`, linux/if_addr.h
const OF_ADDRESS: [u16; 2] = [1, 2];
/// `SOCK_DIAG_BY_FAMILY`, linux/sock_diag.h
const BY_FAMILY: u16 = 20;
/// `IFF_UP`, linux/if.h
const UP: u32 = 1;
/// The loopback interface is the first of every network namespace.
const LOOPBACK: i32 = 1;
/// `IPPROTO_TCP`
const TCP: u8 = 6;
/// `1 << TCP_LISTEN`, include/net/tcp_states.h
const LISTENING: u32 = 1 << 10;
/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Answers of one question that are looked at.
const MOST_ANSWERS: usize = 1 << 12;

/// A socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listening {
    /// The address it is bound to.
    pub address: IpAddr,
    /// TCP port.
    pub port: u16,
    /// What `/proc/PID/fd` calls it.
    pub inode: u32,
}

/// Brings the loopback interface up.
///
/// # Errors
/// When the kernel refuses, as it does without `CAP_NET_ADMIN` in the namespace.
pub fn loopback_up() -> io::Result<()> {
    let mut body = Vec::with_capacity(16);
    // struct ifinfomsg: family, padding, type, index, flags, mask of what changes.
    body.extend([0, 0, 0, 0]);
    body.extend(LOOPBACK.to_ne_bytes());
    body.extend(UP.to_ne_bytes());
    body.extend(UP.to_ne_bytes());
    done(NEW_LINK, REQUEST | ACK, &body)
}

/// Gives the loopback interface a further address, which nobody outside of the network has.
///
/// # Errors
/// When the kernel refuses, as it does without `CAP_NET_ADMIN` in the namespace.
pub fn add_address(address: Ipv4Addr) -> io::Result<()> {
    let mut body = Vec::with_capacity(24);
    // struct ifaddrmsg: family, length of the prefix, flags, scope, interface.
    body.extend([AddressFamily::INET.as_raw() as u8, 32, 0, 0]);
    body.extend(LOOPBACK.to_ne_bytes());
    for kind in OF_ADDRESS {
        // struct rtattr: its length and type.
        body.extend(8_u16.to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(address.octets());
    }
    done(NEW_ADDRESS, REQUEST | ACK | CREATE, &body)
}

/// Asks for something to be done, and waits until it is.
fn done(kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    // Protocol 0 is NETLINK_ROUTE.
    let netlink = ask(None, kind, flags, body)?;
    let mut answer = [0; 1 << 10];
    let (length, _) = recv(&netlink, &mut answer, RecvFlags::empty())?;
    match messages(answer.get(..length).unwrap_or_default()).next() {
        Some((ERROR, body)) => failure(body),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// The sockets that listen in the network namespace of the calling thread. It does not walk through
/// all connections, as reading `/proc/net/tcp` does.
///
/// # Errors
/// When the kernel has no `inet_diag`.
pub fn listening() -> io::Result<Vec<Listening>> {
    let mut found = Vec::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        // struct inet_diag_req_v2: family, protocol, extensions, padding, states, and no socket's id.
        let mut body = vec![family.as_raw() as u8, TCP, 0, 0];
        body.extend(LISTENING.to_ne_bytes());
        body.extend([0; 48]);
        let netlink = ask(Some(SOCK_DIAG), BY_FAMILY, REQUEST | DUMP, &body)?;
        let mut answer = vec![0; 32 << 10];
        'answers: for _ in 0..MOST_ANSWERS {
            let (length, _) = recv(&netlink, &mut answer[..], RecvFlags::empty())?;
            if length == 0 {
                break;
            }
            for (kind, body) in messages(answer.get(..length).unwrap_or_default()) {
                match kind {
                    DONE => break 'answers,
                    ERROR => failure(body)?,
                    BY_FAMILY => found.extend(socket_of(body)),
                    _ => {}
                }
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn ask(protocol: Option<Protocol>, kind: u16, flags: u16, body: &[u8]) -> io::Result<OwnedFd> {
    let netlink = socket(AddressFamily::NETLINK, SocketType::RAW, protocol)?;
    let length = u32::try_from(HEADER + body.len()).unwrap_or(0);
    let mut message = Vec::with_capacity(HEADER + body.len());
    // struct nlmsghdr: length, type, flags, sequence, port.
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(1_u32.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend(body);
    sendto(&netlink, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    Ok(netlink)
}

/// Type and body of each message.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32::from_ne_bytes(array(bytes, 0)?)).ok()?;
        let kind = u16::from_ne_bytes(array(bytes, 4)?);
        let body = bytes.get(HEADER..length)?;
        // Each begins at a multiple of four.
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

/// `struct nlmsgerr` begins with the negative error; 0 acknowledges.
fn failure(body: &[u8]) -> io::Result<()> {
    match array(body, 0).map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(error.saturating_neg())),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// `struct inet_diag_msg`: family, three bytes, source port, destination port, addresses of 16 bytes
/// each, interface, cookie, expires, two queues, user, inode.
fn socket_of(body: &[u8]) -> Option<Listening> {
    let family = u16::from(*body.first()?);
    let port = u16::from_be_bytes(array(body, 4)?);
    let address = match family {
        family if family == AddressFamily::INET.as_raw() => {
            IpAddr::from(Ipv4Addr::from(array::<4>(body, 8)?))
        }
        _ => IpAddr::from(Ipv6Addr::from(array::<16>(body, 8)?)),
    };
    let inode = u32::from_ne_bytes(array(body, 68)?);
    Some(Listening { address, port, inode })
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::AsRawFd as _;

    #[test]
    fn what_listens_is_found_with_its_inode() {
        let four = TcpListener::bind("127.0.0.1:0").unwrap();
        let six = TcpListener::bind("[::1]:0").unwrap();
        let found = listening().unwrap();
        for listener in [&four, &six] {
            let link = format!("/proc/self/fd/{}", listener.as_raw_fd());
            let target = std::fs::read_link(link).unwrap();
            let here = listener.local_addr().unwrap();
            let same = |it: &&Listening| it.port == here.port() && it.address == here.ip();
            let it = found.iter().find(same).unwrap();
            assert_eq!(target.to_str().unwrap(), format!("socket:[{}]", it.inode));
        }
        let port = four.local_addr().unwrap().port();
        drop(four);
        assert!(!listening().unwrap().iter().any(|it| it.port == port));
    }

    #[test]
    fn cut_messages_end_the_list() {
        let mut bytes = vec![20, 0, 0, 0, 3, 0, 0, 0];
        bytes.extend([0; 12]);
        assert_eq!(
            messages(&bytes).map(|(kind, body)| (kind, body.len())).collect::<Vec<_>>(),
            [(3, 4)]
        );
        for cut in 0..bytes.len() {
            assert_eq!(messages(&bytes[..cut]).count(), 0, "at {cut}");
        }
        // One that says it is shorter than its header is none.
        bytes[0] = 4;
        assert_eq!(messages(&bytes).count(), 0);
    }
}
