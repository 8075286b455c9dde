//! Connections to what the user runs on the loopback address of the machine, for a worker that is in a
//! network of its own. A socket stays in the network in which it was made, so that the process outside
//! makes it, connects it and hands it over (`SCM_RIGHTS`, unix(7)).

use std::io::{self, Read as _};
use std::net::TcpStream as Outside;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use provost_check::facts::proof::Dependency;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::prove::rights;

/// What a connection on the loopback address may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What its answer may take in the worker, which is more.
const ANSWER: Duration = Duration::from_secs(10);

/// The way out, in the worker.
#[derive(Debug)]
pub(crate) struct Beyond {
    /// None once an answer did not come: a later one would be taken for that to the next question.
    stream: Mutex<Option<tokio::net::UnixStream>>,
    answer: Duration,
}

impl Beyond {
    /// Over the stream that the plan came by.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        Self::waiting(stream, ANSWER)
    }

    /// The same, with what an answer may take.
    pub(super) fn waiting(stream: UnixStream, answer: Duration) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let stream = tokio::net::UnixStream::from_std(stream)?;
        Ok(Self { stream: Mutex::new(Some(stream)), answer })
    }

    /// A connection to what stands behind that port.
    pub(super) async fn connect(&self, port: u16) -> Option<TcpStream> {
        let mut way = self.stream.lock().await;
        let stream = way.take()?;
        let answered = timeout(self.answer, ask(&stream, port)).await.ok()?.ok()?;
        *way = Some(stream);
        let socket = Outside::from(answered?);
        socket.set_nonblocking(true).ok()?;
        let _ = socket.set_nodelay(true);
        TcpStream::from_std(socket).ok()
    }
}

async fn ask(stream: &tokio::net::UnixStream, port: u16) -> io::Result<Option<OwnedFd>> {
    let question = port.to_be_bytes();
    let asking = || rustix::io::write(stream, &question).map_err(io::Error::from);
    let written = stream.async_io(Interest::WRITABLE, asking).await?;
    if written != question.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    stream.async_io(Interest::READABLE, || rights::receive(stream)).await
}

/// Answers a worker until it is gone. Only what the dependencies name is connected to, and only on the
/// loopback address.
pub(crate) fn serve(mut worker: &UnixStream, dependencies: &[Dependency]) {
    let mut question = [0; 2];
    while worker.read_exact(&mut question).is_ok() {
        let port = u16::from_be_bytes(question);
        let asked = dependencies.iter().find(|it| it.port == port);
        let target = asked.and_then(|it| it.target).filter(|to| to.ip().is_loopback());
        let socket = target.and_then(|to| Outside::connect_timeout(&to, PATIENCE).ok());
        let sent = rights::send(worker, socket.as_ref().map(AsFd::as_fd));
        if sent.is_err() {
            return;
        }
    }
}
