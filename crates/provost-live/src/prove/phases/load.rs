//! Asked at a steady rate, whatever becomes of the answers, while the kubelet's probes go on.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use hdrhistogram::Histogram;
use provost_check::facts::metrics::After;
use provost_check::facts::proof::{Load, Outcome, ProbeKind, Purpose};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::task::{JoinSet, spawn_local};
use tokio::time::{Instant, sleep, timeout};

use super::log::{Client, Log};
use super::run::Run;
use super::scrapes::Beside;

/// How long.
const TIME: Duration = Duration::from_secs(3);
/// Between two probes.
const PROBES: Duration = Duration::from_millis(100);
/// What an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Requests without an answer at a time; beyond that there is nothing more to be learned.
const MOST_OPEN: usize = 4096;
/// Significant digits of a latency.
const DIGITS: u8 = 3;

pub(super) async fn run(run: &mut Run<'_>) {
    if !run.become_ready().await {
        return;
    }
    let Some(port) = run.port() else { return };
    let over = Rc::new(Cell::new(false));
    let metrics = Beside::of(run).await;
    let terms = &run.plan.terms;
    for probe in terms.probes.iter().filter(|probe| probe.kind != ProbeKind::Startup) {
        let (log, over, to) = (Rc::clone(&run.log), Rc::clone(&over), run.to(probe.port));
        let probe = probe.clone();
        spawn_local(async move {
            while !over.get() {
                log.probe(probe.kind.purpose(), &probe, to).await;
                sleep(PROBES).await;
            }
        });
    }
    let scraping = metrics
        .as_ref()
        .map(|beside| spawn_local(beside.clone().scrape(After::Load, Rc::clone(&over))));
    run.load = Some(steady(&run.log, run.to(port), &terms.path, terms.rate.max(1)).await);
    over.set(true);
    if let Some(scraping) = scraping {
        // It waits no longer than Prometheus does.
        let _ = scraping.await;
    }
    run.metrics = metrics.map(|beside| beside.seen());
    run.terminate();
    run.wait_for_end().await;
}

/// Moments at which something is due. The runtime's timers know milliseconds; a timer of the kernel
/// wakes within some fifty microseconds (timerfd_create(2); timer slack, prctl(2)). A thread that sleeps
/// would, too, and none can be had: what is started from here is in another namespace of processes.
struct Moments {
    /// Read as a pipe is; a number comes out each time.
    timer: Receiver,
    begun: Instant,
    period: Duration,
    /// How many have come,
    come: u64,
    /// have been told,
    told: u64,
    /// and will come in all.
    all: u64,
}

impl Moments {
    fn begin(rate: u32) -> std::io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let period = Duration::from_secs(1) / rate;
        let nanoseconds = i64::try_from(period.as_nanos()).unwrap_or(i64::MAX);
        let time =
            Timespec { tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000 };
        let begun = Instant::now();
        let each = Itimerspec { it_interval: time, it_value: time };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &each)?;
        let timer = Receiver::from_owned_fd_unchecked(timer)?;
        let all = u64::from(rate) * TIME.as_secs();
        Ok(Self { timer, begun, period, come: 0, told: 0, all })
    }

    async fn next(&mut self) -> Option<Instant> {
        while self.told >= self.come {
            let mut number = [0; 8];
            self.timer.read_exact(&mut number).await.ok()?;
            self.come += u64::from_ne_bytes(number);
        }
        self.told += 1;
        let after = self.period * u32::try_from(self.told).unwrap_or(u32::MAX);
        (self.told <= self.all).then(|| self.begun + after)
    }
}

struct Shared {
    log: Rc<Log>,
    to: SocketAddr,
    path: String,
    /// Connections that nobody uses.
    free: RefCell<Vec<Client>>,
    taken: RefCell<(Option<Histogram<u64>>, Load)>,
}

async fn steady(log: &Rc<Log>, to: SocketAddr, path: &str, rate: u32) -> Load {
    let histogram = Histogram::new_with_bounds(1, 60_000_000, DIGITS).ok();
    let shared = Rc::new(Shared {
        log: Rc::clone(log),
        to,
        path: path.to_owned(),
        free: RefCell::default(),
        taken: RefCell::new((histogram, Load { rate, ..Load::default() })),
    });
    let Ok(mut moments) = Moments::begin(rate) else { return Load { rate, ..Load::default() } };
    let mut asked = JoinSet::new();
    let (mut first, mut last) = (None, None);
    while let Some(due) = moments.next().await {
        log.began(due);
        first = first.or(Some(due));
        last = Some(Instant::now());
        shared.taken.borrow_mut().1.due += 1;
        while asked.try_join_next().is_some() {}
        if asked.len() >= MOST_OPEN {
            break;
        }
        asked.spawn_local(Rc::clone(&shared).ask(due));
    }
    while asked.join_next().await.is_some() {}
    let (histogram, mut load) = shared.taken.take();
    let took = first.zip(last).map(|(first, last)| last.saturating_duration_since(first));
    load.took_us = took.map_or(0, |took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    if let Some(latency) = histogram {
        let part = |part| latency.value_at_quantile(part);
        (load.p50_us, load.p90_us, load.p99_us) = (part(0.5), part(0.9), part(0.99));
        (load.p999_us, load.max_us) = (part(0.999), latency.max());
    }
    load
}

impl Shared {
    async fn ask(self: Rc<Self>, due: Instant) {
        let (outcome, end) = match timeout(PATIENCE, self.exchange()).await {
            Ok(ended) => ended,
            Err(_) => (Outcome::TimedOut, Instant::now()),
        };
        let latency = end.saturating_duration_since(due).as_micros();
        let latency = u64::try_from(latency).unwrap_or(u64::MAX);
        let mut taken = self.taken.borrow_mut();
        let (histogram, load) = &mut *taken;
        match &outcome {
            Outcome::Answered { .. } => {
                load.answered += 1;
                load.failed += u64::from(outcome.fails());
                if let Some(histogram) = histogram {
                    histogram.saturating_record(latency);
                }
            }
            _ => load.lost += 1,
        }
        self.log.keep_ended(Purpose::Steady, &self.path, (due, Some(due), end), outcome);
    }

    /// On a connection that is there, or another: a client sees that an idle one was closed, and asks again what
    /// met its closing on the way. What was read and not answered is lost, and is not asked again. With the moment at
    /// which it ended, which is before it is known why.
    async fn exchange(&self) -> (Outcome, Instant) {
        let free = self.free.borrow_mut().pop();
        if let Some(mut open) = free
            && open.stays(Duration::ZERO).await
        {
            let (outcome, open) = self.on(open).await;
            let end = Instant::now();
            let crossed = match &open {
                Some(open) => open.crossed(&outcome).await,
                None => false,
            };
            if !crossed {
                return (outcome, end);
            }
        }
        let outcome = match Client::open(&self.log, self.to).await {
            Ok(open) => self.on(open).await.0,
            Err(outcome) => outcome,
        };
        (outcome, Instant::now())
    }

    /// Asks, and gives the connection back where it is of no more use.
    async fn on(&self, mut open: Client) -> (Outcome, Option<Client>) {
        let outcome = open.ask(&self.log, self.to, &self.path).await;
        if matches!(outcome, Outcome::Answered { close: false, .. }) {
            self.free.borrow_mut().push(open);
            return (outcome, None);
        }
        (outcome, Some(open))
    }
}
