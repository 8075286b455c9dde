//! One connection of the process to a dependency.

use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::proof::{Link, Side, State};
use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::Stub;
use super::calls::Calls;
use crate::prove::process::Clock;

/// What was sent is still answered for that long when the other side sends no more.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes that are handed on at once.
const PIECE: usize = 16 << 10;

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct LinkSeen {
    at: Instant,
    /// When its end was seen, and who made it.
    pub(super) end: Option<(Instant, Side)>,
    sent: u64,
    got: u64,
    calls: Calls,
}

impl LinkSeen {
    pub(super) fn new() -> Self {
        Self { at: Instant::now(), end: None, sent: 0, got: 0, calls: Calls::default() }
    }

    pub(super) fn fact(&self, clock: Clock) -> Link {
        Link {
            at_us: clock.at(self.at),
            closed_us: self.end.map(|(at, _)| clock.at(at)),
            by: self.end.map(|(_, by)| by),
            sent: self.sent,
            got: self.got,
            calls: self.calls.facts(clock),
        }
    }
}

/// Why no more comes from a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It closed, or is gone.
    Closed,
    /// The dependency refuses from now on.
    Cut,
}

impl Stub {
    /// Hands on what is sent, or swallows it.
    pub(super) async fn link(self: Rc<Self>, process: TcpStream, number: Option<usize>) {
        let _ = process.set_nodelay(true);
        let target = match &self.beyond {
            None => None,
            Some(beyond) => match beyond.connect(self.asked.port).await {
                Some(stream) => Some(stream),
                None => {
                    // What is behind it refused: so does this one, as far as it still can.
                    reset(&process);
                    self.ended(number, Side::Dependency);
                    return;
                }
            },
        };
        // By it the end can be made a hard one while both halves are in use.
        let socket = rustix::io::fcntl_dupfd_cloexec(&process, 3);
        let (from_process, mut to_process) = process.into_split();
        let (from_target, mut to_target) = match target {
            Some(stream) => {
                let (read, write) = stream.into_split();
                (Some(read), Some(write))
            }
            None => (None, None),
        };
        let end = {
            let up = async {
                let end = self.pump(from_process, to_target.as_mut(), number, Side::Process).await;
                if let (End::Closed, Some(target)) = (end, &mut to_target) {
                    let _ = target.shutdown().await;
                }
                end
            };
            let down = async {
                let Some(from_target) = from_target else { return std::future::pending().await };
                let end =
                    self.pump(from_target, Some(&mut to_process), number, Side::Dependency).await;
                if end == End::Closed {
                    let _ = to_process.shutdown().await;
                }
                end
            };
            tokio::pin!(up, down);
            tokio::select! {
                end = &mut up => match end {
                    End::Closed if self.beyond.is_some() => {
                        timeout(LINGER, down).await.unwrap_or(End::Closed)
                    }
                    end => end,
                },
                end = &mut down => match end {
                    End::Closed => up.await,
                    End::Cut => end,
                },
            }
        };
        if end == End::Cut {
            socket.iter().for_each(reset);
            // Dropped, it would send its FIN first.
            to_process.forget();
            self.ended(number, Side::Dependency);
        }
    }

    /// Hands on what comes from one side until it ends.
    async fn pump(
        &self,
        mut from: OwnedReadHalf,
        mut to: Option<&mut OwnedWriteHalf>,
        number: Option<usize>,
        side: Side,
    ) -> End {
        let mut state = self.state.subscribe();
        let mut piece = vec![0; PIECE];
        loop {
            if let Some(end) = until_up(&mut state).await {
                return end;
            }
            let read = tokio::select! {
                changed = state.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return End::Cut,
                },
                read = from.read(&mut piece) => read.unwrap_or(0),
            };
            if read == 0 {
                self.ended(number, side);
                return End::Closed;
            }
            self.note(number, |link| match side {
                Side::Process => {
                    link.sent += read as u64;
                    link.calls.look(piece.get(..read).unwrap_or_default(), &self.calls);
                }
                Side::Dependency => link.got += read as u64,
            });
            // It may have been taken away while this came.
            if let Some(end) = until_up(&mut state).await {
                return end;
            }
            let bytes = piece.get(..read).unwrap_or_default();
            if let Some(to) = &mut to {
                tokio::select! {
                    written = to.write_all(bytes) => if written.is_err() { return End::Closed },
                    // One that does not read any more would hold this up for ever.
                    () = cut(self.state.subscribe()) => return End::Cut,
                }
            }
        }
    }
}

/// Waits while nothing gets through.
async fn until_up(state: &mut watch::Receiver<State>) -> Option<End> {
    loop {
        match *state.borrow_and_update() {
            State::Up => return None,
            State::Refusing => return Some(End::Cut),
            State::Frozen => {}
        }
        if state.changed().await.is_err() {
            return Some(End::Cut);
        }
    }
}

async fn cut(mut state: watch::Receiver<State>) {
    let _ = state.wait_for(|state| *state == State::Refusing).await;
}

/// Has the connection end with RST rather than FIN.
fn reset(socket: impl AsFd) {
    let _ = set_socket_linger(socket, Some(Duration::ZERO));
}
