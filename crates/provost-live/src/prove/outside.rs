//! Connections as they come to a pod: from another address than its own. A kubelet asks from the node's, and what a
//! program answers to itself alone passes no probe.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::ptr;

use provost_check::facts::proof::{NODE_ADDRESS, POD_ADDRESS};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

/// Whether this network has the addresses of a pod and its node: only who has one may bind it.
pub(super) async fn is_there() -> bool {
    for address in [POD_ADDRESS, NODE_ADDRESS] {
        if UdpSocket::bind((address, 0)).await.is_err() {
            return false;
        }
    }
    true
}

/// Connects, to the address of the pod from that of its node.
///
/// # Errors
/// Nobody listens there, or ports have run out.
pub(super) async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    if to.ip() != IpAddr::from(POD_ADDRESS) {
        return TcpStream::connect(to).await;
    }
    let socket = TcpSocket::new_v4()?;
    choose_port_late(&socket);
    // Where nobody has it, it is asked from its own.
    let _ = socket.bind(SocketAddr::from((NODE_ADDRESS, 0)));
    socket.connect(to).await
}

/// Has a port chosen when it is known where to (`IP_BIND_ADDRESS_NO_PORT`, ip(7)): else each is taken until nothing
/// of its last connection can arrive any more, and many short ones use all of them up.
#[expect(unsafe_code, reason = "neither tokio nor rustix has the option")]
fn choose_port_late(socket: &TcpSocket) {
    let on: libc::c_int = 1;
    let (level, option) = (libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT);
    let value = ptr::from_ref(&on).cast();
    // SAFETY: the pointer is to a value of the size that is given, and the descriptor is open.
    let _ = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            value,
            size_of_val(&on) as libc::socklen_t,
        )
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_an_address_is_chosen_when_it_connects() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let to = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let socket = TcpSocket::new_v4().unwrap();
            choose_port_late(&socket);
            socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
            assert_eq!(socket.local_addr().unwrap().port(), 0);
            let stream = socket.connect(to.local_addr().unwrap()).await.unwrap();
            let (_, from) = to.accept().await.unwrap();
            assert_eq!(from, stream.local_addr().unwrap());
            assert_eq!(from.ip().to_string(), "127.0.0.2");
        });
    }
}
