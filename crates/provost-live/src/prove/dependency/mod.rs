//! What the process depends on: a port on the loopback address of its network that is taken away and
//! given back on command. Behind it is either nothing, so that it accepts and never answers, or a server
//! that the user runs on the loopback address of the machine, reached by [`beyond`].
//!
//! A stub knows no protocol. It can show what a process does when what it needs is not there, not that
//! the process works when it is.

pub(super) mod beyond;
mod calls;
mod link;

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::proof::{Depended, Dependency, Side, State, Turn};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep, timeout};

use super::process::Clock;
use beyond::Beyond;
use calls::Room;
use link::LinkSeen;

/// Connections that wait for being accepted.
const BACKLOG: u32 = 1024;

/// Between two tries to listen again.
const AGAIN: Duration = Duration::from_millis(5);

/// Connections that are kept of one dependency.
const MOST_LINKS: usize = 20_000;

/// Within that time a connection on the loopback address comes about, or does not.
const AT_ONCE: Duration = Duration::from_millis(50);

/// More than the kernel lets in beside the backlog.
const MOST_FILLERS: usize = 8;

/// All of a run.
#[derive(Debug, Default)]
pub(super) struct Dependencies {
    all: Vec<Rc<Stub>>,
    tasks: Vec<JoinHandle<()>>,
}

/// One.
#[derive(Debug)]
struct Stub {
    asked: Dependency,
    state: watch::Sender<State>,
    turns: RefCell<Vec<(Instant, State)>>,
    links: RefCell<Vec<LinkSeen>>,
    more: Cell<u64>,
    calls: Room,
    beyond: Option<Rc<Beyond>>,
}

impl Dependencies {
    /// Begins to listen. Must be called in a `LocalSet`, in the network of the process.
    ///
    /// # Errors
    /// When a port cannot be had.
    pub(super) async fn start(
        asked: &[Dependency],
        state: impl Fn(usize) -> State,
        beyond: Option<Rc<Beyond>>,
    ) -> Result<Self, String> {
        let mut started = Self::default();
        for (place, dependency) in asked.iter().enumerate() {
            let state = state(place);
            let stub = Rc::new(Stub {
                asked: dependency.clone(),
                state: watch::Sender::new(state),
                turns: RefCell::new(vec![(Instant::now(), state)]),
                links: RefCell::default(),
                more: Cell::new(0),
                calls: Room::default(),
                beyond: beyond.clone().filter(|_| dependency.target.is_some()),
            });
            for (address, first) in open(dependency.port, listen)? {
                let serving = Rc::clone(&stub).serve(address, first);
                started.tasks.push(spawn_local(serving));
            }
            started.all.push(stub);
        }
        Ok(started)
    }

    /// Whether there are any.
    pub(super) fn are_there(&self) -> bool {
        !self.all.is_empty()
    }

    /// Has one of them, or all, do something else.
    pub(super) fn turn(&self, state: State, alone: Option<usize>) {
        let all = self.all.iter().enumerate();
        for (_, stub) in all.filter(|(place, _)| alone.is_none_or(|alone| alone == *place)) {
            stub.turns.borrow_mut().push((Instant::now(), state));
            stub.state.send_replace(state);
        }
    }

    /// What was seen of each.
    pub(super) fn seen(self, clock: Clock) -> Vec<Depended> {
        self.tasks.iter().for_each(JoinHandle::abort);
        let of = |stub: &Rc<Stub>| Depended {
            port: stub.asked.port,
            turns: stub
                .turns
                .borrow()
                .iter()
                .map(|(at, state)| Turn { at_us: clock.at(*at), state: *state })
                .collect(),
            links: stub.links.borrow().iter().map(|link| link.fact(clock)).collect(),
            more: stub.more.get(),
            more_calls: stub.calls.more(),
        };
        self.all.iter().map(of).collect()
    }
}

/// Listens on a port of the loopback addresses. A machine may be without IPv6: that address is left
/// alone from then on.
fn open<L>(
    port: u16,
    listen: impl Fn(SocketAddr) -> std::io::Result<L>,
) -> Result<Vec<(SocketAddr, L)>, String> {
    let four = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let six = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let first =
        listen(four).map_err(|error| format!("nothing can listen on {four} for it: {error}"))?;
    let second = listen(six).ok();
    Ok([(four, first)].into_iter().chain(second.map(|it| (six, it))).collect())
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Stub {
    /// Listens while it is to, as it is to.
    async fn serve(self: Rc<Self>, address: SocketAddr, first: TcpListener) {
        let mut state = self.state.subscribe();
        let mut listener = Some(first);
        // Our own connections, which fill the queue of a black hole.
        let mut filled: Vec<SocketAddr> = Vec::new();
        loop {
            let now = *state.borrow_and_update();
            match (now, &listener) {
                (State::Refusing, _) => {
                    listener = None;
                    if state.changed().await.is_err() {
                        return;
                    }
                }
                (_, None) => match listen(address) {
                    Ok(new) => listener = Some(new),
                    Err(_) => sleep(AGAIN).await,
                },
                (State::Frozen, Some(open)) => {
                    let fillers = fill(open, address).await;
                    filled = fillers.iter().filter_map(|it| it.local_addr().ok()).collect();
                    if state.changed().await.is_err() {
                        return;
                    }
                    let _ = rustix::net::listen(open, BACKLOG as i32);
                    drop(fillers);
                }
                (State::Up, Some(open)) => {
                    tokio::select! {
                        changed = state.changed() => if changed.is_err() { return },
                        accepted = open.accept() => match accepted {
                            Ok((_, peer)) if filled.contains(&peer) => {}
                            Ok((stream, _)) => self.accept(stream),
                            Err(_) => sleep(AGAIN).await,
                        },
                    }
                }
            }
        }
    }

    fn accept(self: &Rc<Self>, stream: TcpStream) {
        let number = {
            let mut links = self.links.borrow_mut();
            if links.len() < MOST_LINKS {
                links.push(LinkSeen::new());
                Some(links.len() - 1)
            } else {
                self.more.set(self.more.get() + 1);
                None
            }
        };
        spawn_local(Rc::clone(self).link(stream, number));
    }

    /// Changes what is known of a connection.
    fn note(&self, number: Option<usize>, change: impl FnOnce(&mut LinkSeen)) {
        let mut links = self.links.borrow_mut();
        if let Some(link) = number.and_then(|number| links.get_mut(number)) {
            change(link);
        }
    }

    fn ended(&self, number: Option<usize>, by: Side) {
        self.note(number, |link| {
            link.end.get_or_insert((Instant::now(), by));
        });
    }
}

/// Fills the queue of connections that nobody accepts: the kernel answers no more of them
/// (`tcp_conn_request` in net/ipv4/tcp_input.c drops what a full queue has no room for).
async fn fill(listener: &TcpListener, address: SocketAddr) -> Vec<TcpStream> {
    let mut fillers = Vec::new();
    if rustix::net::listen(listener, 0).is_err() {
        return fillers;
    }
    while fillers.len() < MOST_FILLERS {
        match timeout(AT_ONCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => fillers.push(stream),
            Ok(Err(_)) | Err(_) => break,
        }
    }
    fillers
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, test);
    }

    /// A port that nobody had a moment ago.
    fn free() -> u16 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    }

    fn asked(port: u16) -> Vec<Dependency> {
        vec![Dependency { port, name: None, target: None, variables: vec![] }]
    }

    #[test]
    fn it_accepts_is_a_black_hole_refuses_and_is_there_again() {
        run(async {
            let port = free();
            let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let dependencies =
                Dependencies::start(&asked(port), |_| State::Up, None).await.unwrap();
            let mut open = TcpStream::connect(to).await.unwrap();
            open.write_all(b"hello").await.unwrap();
            // It is silent, and there.
            let mut piece = [0; 8];
            assert!(timeout(AT_ONCE, open.read(&mut piece)).await.is_err());
            dependencies.turn(State::Frozen, None);
            sleep(AT_ONCE * 3).await;
            assert!(timeout(AT_ONCE * 2, TcpStream::connect(to)).await.is_err());
            dependencies.turn(State::Refusing, None);
            sleep(AT_ONCE).await;
            let error = TcpStream::connect(to).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
            let error = open.read(&mut piece).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            dependencies.turn(State::Up, None);
            sleep(AT_ONCE).await;
            drop(TcpStream::connect(to).await.unwrap());
            sleep(AT_ONCE).await;
            let seen = dependencies.seen(Clock::now());
            let [one] = seen.as_slice() else { panic!("{seen:?}") };
            let ends: Vec<_> = one.links.iter().map(|link| (link.sent, link.by)).collect();
            assert_eq!(ends, [(5, Some(Side::Dependency)), (0, Some(Side::Process))]);
            assert_eq!(one.turns.len(), 4);
        });
    }

    #[test]
    fn one_fails_by_itself_while_the_other_is_there() {
        run(async {
            let ports = [free(), free()];
            let both: Vec<Dependency> = ports.iter().flat_map(|port| asked(*port)).collect();
            let only = |place| if place == 1 { State::Refusing } else { State::Up };
            let dependencies = Dependencies::start(&both, only, None).await.unwrap();
            sleep(AT_ONCE).await;
            let open =
                async |port: u16| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok();
            assert_eq!((open(ports[0]).await, open(ports[1]).await), (true, false));
            dependencies.turn(State::Up, Some(1));
            dependencies.turn(State::Refusing, Some(0));
            sleep(AT_ONCE).await;
            assert_eq!((open(ports[0]).await, open(ports[1]).await), (false, true));
            let turns: Vec<usize> =
                dependencies.seen(Clock::now()).iter().map(|it| it.turns.len()).collect();
            assert_eq!(turns, [2, 2]);
        });
    }

    #[test]
    fn an_address_that_is_not_there_is_not_tried_again() {
        let none = || std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        let four = |address: SocketAddr| address.is_ipv4().then_some(()).ok_or_else(none);
        let opened = open(5432, four).unwrap();
        assert_eq!(opened, [(SocketAddr::from((Ipv4Addr::LOCALHOST, 5432)), ())]);
        assert_eq!(open(5432, |_| Ok(())).unwrap().len(), 2);
        assert!(open::<()>(5432, |_| Err(none())).unwrap_err().contains("127.0.0.1:5432"));
    }

    #[test]
    fn a_process_outside_that_answers_nothing_is_not_waited_for_for_ever() {
        run(async {
            let (_ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            let beyond = Beyond::waiting(theirs, AT_ONCE).unwrap();
            let begun = Instant::now();
            // What it may still say is no answer to the next question.
            let both = async { (beyond.connect(1).await, beyond.connect(2).await) };
            let (one, other) = timeout(AT_ONCE * 100, both).await.unwrap();
            assert!(one.is_none() && other.is_none() && begun.elapsed() >= AT_ONCE);
        });
    }

    #[test]
    fn what_the_user_runs_is_reached_and_can_be_frozen() {
        run(async {
            let real = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let target = real.local_addr().unwrap();
            spawn_local(async move {
                loop {
                    let (mut stream, _) = real.accept().await.unwrap();
                    spawn_local(async move {
                        let (mut read, mut write) = stream.split();
                        let _ = tokio::io::copy(&mut read, &mut write).await;
                    });
                }
            });
            let port = free();
            let mut dependencies = asked(port);
            dependencies[0].target = Some(target);
            let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            let served = dependencies.clone();
            std::thread::spawn(move || beyond::serve(&ours, &served));
            let beyond = Some(Rc::new(Beyond::new(theirs).unwrap()));
            let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let started = Dependencies::start(&dependencies, |_| State::Up, beyond).await.unwrap();
            let mut open = TcpStream::connect(to).await.unwrap();
            let mut piece = [0; 4];
            open.write_all(b"ping").await.unwrap();
            open.read_exact(&mut piece).await.unwrap();
            assert_eq!(&piece, b"ping");
            started.turn(State::Frozen, None);
            sleep(AT_ONCE).await;
            open.write_all(b"pong").await.unwrap();
            assert!(timeout(AT_ONCE * 2, open.read_exact(&mut piece)).await.is_err());
            started.turn(State::Up, None);
            open.read_exact(&mut piece).await.unwrap();
            assert_eq!(&piece, b"pong");
            drop(open);
            sleep(AT_ONCE).await;
            let seen = started.seen(Clock::now());
            let link = &seen[0].links[0];
            assert_eq!((link.sent, link.got, link.by), (8, 8, Some(Side::Process)));
        });
    }
}
