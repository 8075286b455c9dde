//! Descriptors that one process hands to another over a socket (`SCM_RIGHTS`, unix(7)).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// What goes along with a descriptor, and alone where there is none.
const THERE: u8 = 1;
const NOT_THERE: u8 = 0;

/// Hands one over, or says that there is none.
///
/// # Errors
/// The other end is gone.
pub(super) fn send(stream: impl AsFd, one: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    let all = one.map(|one| [one]);
    let answer = match &all {
        Some(all) if rights.push(SendAncillaryMessage::ScmRights(all)) => [THERE],
        _ => [NOT_THERE],
    };
    sendmsg(stream, &[IoSlice::new(&answer)], &mut rights, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes one; nothing where the other end has none, or is gone.
///
/// # Errors
/// Of a socket that does not wait: there is nothing yet.
pub(super) fn receive(stream: impl AsFd) -> io::Result<Option<OwnedFd>> {
    let mut byte = [NOT_THERE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut byte)];
    recvmsg(stream, &mut parts, &mut rights, RecvFlags::CMSG_CLOEXEC)?;
    let mut all = rights.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut all) => all.next(),
        _ => None,
    });
    Ok(all.next())
}
