//! A run of a process as a picture: time from left to right with SIGTERM at zero, what was asked in
//! lanes below each other, what was lost in the colour of errors.

use std::fmt::Write as _;

use super::story::{is_beyond, story};
use crate::facts::proof::{Exit, Measured, Outcome, Phase, PhaseName, Purpose, Request, Terms};
use crate::report::plain::clean;

/// Units of the drawing; the page scales it.
pub(super) const WIDTH: f64 = 960.0;
/// Where time begins, right of the names.
pub(super) const LEFT: f64 = 150.0;
/// Where it ends.
pub(super) const RIGHT: f64 = WIDTH - 16.0;
/// Of a lane of marks.
const LANE: f64 = 22.0;
/// Of a request that is drawn as a bar.
const BAR: f64 = 7.0;
/// Above the lanes: the names of moments.
const HEAD: f64 = 52.0;
/// Between them, of a drain: what the shade is.
const STRIP: f64 = 16.0;
/// Below them: the scale, and what the colours are.
const FOOT: f64 = 48.0;
/// Of a lane with a second line under its name.
const TWO_LINES: f64 = 30.0;
/// Requests drawn as bars; more would be a wall.
const MOST_BARS: usize = 12;

/// What a page needs for one run.
#[derive(Debug, serde::Serialize)]
pub struct Picture {
    /// `drain`
    pub name: &'static str,
    /// Its anchor in a page: the name, and a number where several processes have it.
    pub id: String,
    /// The container or program, where there are several.
    pub of: Option<String>,
    /// What is to be seen, in a sentence.
    pub story: String,
    /// The drawing, as SVG.
    pub svg: String,
}

/// Microseconds to the place on the page.
struct Scale {
    from: u64,
    to: u64,
    /// What is called zero.
    zero: u64,
}

impl Scale {
    fn x(&self, us: u64) -> f64 {
        let part = us.clamp(self.from, self.to) - self.from;
        LEFT + (RIGHT - LEFT) * part as f64 / (self.to - self.from).max(1) as f64
    }

    /// Seconds from zero, with their sign.
    fn seconds(&self, us: u64) -> f64 {
        (us as f64 - self.zero as f64) / 1e6
    }
}

/// Lanes in the order in which they are read.
const LANES: [(Purpose, &str); 20] = [
    (Purpose::NewConnection, "new connections"),
    (Purpose::Busy, "busy connections"),
    (Purpose::Idle, "idle connections"),
    (Purpose::Slow, "in flight"),
    (Purpose::Watch, "health watched"),
    (Purpose::WebSocket, "WebSocket"),
    (Purpose::Call, "called"),
    (Purpose::Endless, "never finished"),
    (Purpose::Handshake, "half a handshake"),
    (Purpose::Unread, "output unread"),
    (Purpose::ReadAgain, "output read"),
    (Purpose::Steady, "steady rate"),
    (Purpose::Near, "at the signal"),
    (Purpose::Opened, "opened before"),
    (Purpose::Traced, "traced"),
    (Purpose::Untaken, "no collector"),
    (Purpose::Taken, "with collector"),
    (Purpose::Readiness, "readiness"),
    (Purpose::Liveness, "liveness"),
    (Purpose::Startup, "startup"),
];

/// Runs of processes as pictures, those that end under load first: they are what is looked for.
pub(in crate::report) fn pictures(proofs: &[Measured]) -> Vec<Picture> {
    let several = proofs.len() > 1;
    let drawn = proofs.iter().enumerate().flat_map(|(number, measured)| {
        let proof = &measured.proof;
        let pictures = proof.phases.iter().filter_map(|phase| picture(phase, &proof.terms));
        pictures.map(move |mut picture| {
            if several {
                let subject = proof.container.as_ref().unwrap_or(&proof.program.path);
                picture.of = Some(clean(subject).into_owned());
            }
            if number > 0 {
                picture.id = format!("{}-{}", picture.name, number + 1);
            }
            picture
        })
    });
    let mut pictures: Vec<Picture> = drawn.collect();
    pictures.sort_by_key(|picture| picture.name != PhaseName::Drain.name());
    pictures
}

/// The picture of a run, and none of one that has nothing to show.
pub fn picture(phase: &Phase, terms: &Terms) -> Option<Picture> {
    // A start alone is the beginning of every other phase.
    if phase.name == PhaseName::Settings {
        return None;
    }
    if phase.name == PhaseName::Storm {
        return super::curve::picture(phase);
    }
    let scale = scale(phase, terms)?;
    let mut lanes = String::new();
    let shade = shade(phase, terms, &scale);
    let mut y = HEAD + if shade.is_some() { STRIP } else { 0.0 };
    let mut colours = Colours::default();
    for (purpose, name) in LANES {
        let requests: Vec<&Request> =
            phase.of(purpose).filter(|request| !is_beyond(request, phase, terms)).collect();
        if requests.is_empty() {
            continue;
        }
        let bars = matches!(
            purpose,
            Purpose::Slow
                | Purpose::Endless
                | Purpose::Idle
                | Purpose::Watch
                | Purpose::WebSocket
                | Purpose::Call
                | Purpose::Handshake
        );
        let height = if bars { BAR * requests.len().min(MOST_BARS) as f64 + 8.0 } else { LANE };
        let how = how_lost(&requests);
        let height = if how.is_some() { height.max(TWO_LINES) } else { height };
        let middle = y + height / 2.0 + if how.is_some() { -3.0 } else { 4.0 };
        let x = LEFT - 8.0;
        let _ = write!(
            lanes,
            r#"<g><title>{name}: {}</title><text class="name" x="{x:.0}" y="{middle:.1}">{name}</text>"#,
            counts(&requests)
        );
        if let Some(how) = &how {
            let below = middle + 13.0;
            let _ =
                write!(lanes, r#"<text class="name lost" x="{x:.0}" y="{below:.1}">{how}</text>"#);
        }
        colours.note(&requests, how.is_some());
        if bars {
            draw_bars(&mut lanes, &requests, &scale, y + 4.0);
        } else {
            draw_marks(&mut lanes, &requests, &scale, y + 4.0);
        }
        lanes.push_str("</g>");
        y += height;
        let _ = write!(
            lanes,
            r#"<line class="rule" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1}" y2="{y:.1}"/>"#
        );
    }
    let bottom = y + 4.0;
    let height = bottom + FOOT;
    let mut svg = format!(
        r#"<svg class="timeline" viewBox="0 0 {WIDTH} {height:.0}" role="img" aria-label="{} of the process over time">"#,
        phase.name.name()
    );
    if let Some(shade) = shade {
        window(&mut svg, shade, bottom);
    }
    svg.push_str(&lanes);
    moments(&mut svg, phase, terms, &scale, bottom);
    axis(&mut svg, &scale, bottom);
    colours.legend(&mut svg, bottom);
    svg.push_str("</svg>");
    let name = phase.name.name();
    Some(Picture { name, id: name.to_owned(), of: None, story: story(phase, terms), svg })
}

/// How it ended; that a run which is only looked at is cut off says nothing of it.
fn its_end(phase: &Phase) -> Option<&Exit> {
    phase.exit.as_ref().filter(|exit| !exit.killed || phase.told_us().is_some())
}

/// What happened before the process was asked for anything is not drawn, but for its start.
fn scale(phase: &Phase, terms: &Terms) -> Option<Scale> {
    let load = |request: &&Request| LANES.iter().any(|(purpose, _)| *purpose == request.purpose);
    let first = phase.requests.iter().filter(load).map(|request| request.at_us).min()?;
    let last = phase.requests.iter().filter(load).map(|request| request.end_us).max()?;
    let told = phase.told_us();
    let exit = its_end(phase).map(|exit| exit.at_us);
    let window = told.map(|told| told + terms.window_ms() * 1000);
    let from = match phase.name {
        PhaseName::Start => 0,
        PhaseName::Load => first,
        _ => told.map_or(first, |told| first.max(told.saturating_sub(800_000))),
    };
    let shown = window.filter(|_| phase.name == PhaseName::Drain);
    // How a start ends is another phase's.
    let ends = exit.filter(|_| phase.name != PhaseName::Start);
    let to = [Some(last), ends, shown, told].into_iter().flatten().max()?;
    // A little more, so that the last moment is seen.
    let to = to + (to.saturating_sub(from) / 40).max(10_000);
    Some(Scale { from, to, zero: told.unwrap_or(0) })
}

fn is_bad(request: &Request) -> bool {
    let probe =
        matches!(request.purpose, Purpose::Readiness | Purpose::Liveness | Purpose::Startup);
    request.is_lost() || (probe && !request.outcome.passes())
}

/// What became of those that were lost, in the few words that a lane has room for: `55 refused`.
fn how_lost(requests: &[&Request]) -> Option<String> {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for request in requests.iter().filter(|request| is_bad(request)) {
        let word = match &request.outcome {
            Outcome::Refused => "refused".to_owned(),
            Outcome::Reset { .. } => "reset".to_owned(),
            Outcome::Closed { bytes: 0 } => "closed".to_owned(),
            Outcome::Closed { .. } | Outcome::NoTrailers { .. } => "cut".to_owned(),
            Outcome::StreamReset { .. } => "reset".to_owned(),
            Outcome::TimedOut => "not answered".to_owned(),
            Outcome::Answered { grpc: None, status, .. } => format!("answered {status}"),
            _ => "failed".to_owned(),
        };
        match counted.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counted.push((word, 1)),
        }
    }
    counted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let more = counted.len() > 2;
    let shown = counted.iter().take(2).map(|(word, count)| format!("{count} {word}"));
    let text = shown.collect::<Vec<_>>().join(", ");
    (!counted.is_empty()).then(|| if more { format!("{text}, ...") } else { text })
}

/// Which colours are there.
#[derive(Debug, Default)]
struct Colours {
    ok: bool,
    bad: bool,
    held: bool,
}

impl Colours {
    fn note(&mut self, requests: &[&Request], bad: bool) {
        let held = |it: &&Request| matches!(it.purpose, Purpose::Endless | Purpose::Handshake);
        self.held |= requests.iter().any(held);
        self.ok |= requests.iter().any(|it| !held(it) && !is_bad(it));
        self.bad |= bad;
    }

    /// What each of them is.
    fn legend(&self, svg: &mut String, bottom: f64) {
        let names = [
            (self.ok, "ok", "answered"),
            (self.bad, "bad", "lost, or a probe that fails"),
            (self.held, "held", "its client does not finish"),
        ];
        let mut x = LEFT;
        let y = bottom + 38.0;
        for (_, kind, name) in names.iter().filter(|(there, ..)| *there) {
            let _ = write!(
                svg,
                r#"<rect class="{kind}" x="{x:.1}" y="{:.1}" width="10" height="10" rx="2"/><text x="{:.1}" y="{y:.1}">{name}</text>"#,
                y - 9.0,
                x + 15.0
            );
            x += 40.0 + 6.5 * name.len() as f64;
        }
    }
}

fn counts(requests: &[&Request]) -> String {
    let bad = requests.iter().filter(|request| is_bad(request)).count();
    match bad {
        0 => requests.len().to_string(),
        bad => format!("{} of {} lost or failed", bad, requests.len()),
    }
}

/// One mark for each column of the drawing; the worst of it gives the colour.
fn draw_marks(svg: &mut String, requests: &[&Request], scale: &Scale, y: f64) {
    let mut columns: Vec<(i64, bool)> = requests
        .iter()
        .filter(|request| request.at_us >= scale.from)
        .map(|request| (scale.x(request.at_us).round() as i64, is_bad(request)))
        .collect();
    columns.sort_unstable_by_key(|(column, bad)| (*column, !bad));
    columns.dedup_by_key(|(column, _)| *column);
    for (kind, wanted) in [("ok", false), ("bad", true)] {
        let mut path = String::new();
        for (column, _) in columns.iter().filter(|(_, bad)| *bad == wanted) {
            let _ = write!(path, "M{column} {y:.1}v14");
        }
        if !path.is_empty() {
            let _ = write!(svg, r#"<path class="{kind}" d="{path}"/>"#);
        }
    }
}

/// Each request from its beginning to its end.
fn draw_bars(svg: &mut String, requests: &[&Request], scale: &Scale, y: f64) {
    for (row, request) in requests.iter().take(MOST_BARS).enumerate() {
        let (from, to) = (scale.x(request.at_us), scale.x(request.end_us));
        let kind = match request.purpose {
            // It is the client that does not finish.
            Purpose::Endless | Purpose::Handshake => "held",
            _ if is_bad(request) => "bad",
            _ => "ok",
        };
        let _ = write!(
            svg,
            r#"<rect class="{kind}" x="{from:.1}" y="{:.1}" width="{:.1}" height="4.5" rx="1.5"><title>{}</title></rect>"#,
            y + BAR * row as f64,
            (to - from).max(2.0),
            request.outcome.words()
        );
    }
}

/// Where the time is in which new connections still arrive, from and to.
fn shade(phase: &Phase, terms: &Terms, scale: &Scale) -> Option<(f64, f64)> {
    let told = phase.told_us().filter(|_| phase.name == PhaseName::Drain)?;
    let (from, to) = (scale.x(told), scale.x(told + terms.window_ms() * 1000));
    (to - from >= 1.0).then_some((from, to))
}

/// The time in which new connections still arrive.
fn window(svg: &mut String, (from, to): (f64, f64), bottom: f64) {
    let top = HEAD - 4.0;
    let _ = write!(
        svg,
        r#"<rect class="window" x="{from:.1}" y="{top:.1}" width="{:.1}" height="{:.1}"/><text x="{:.1}" y="{:.1}">endpoints are being removed: new connections still arrive</text>"#,
        to - from,
        bottom - top,
        from + 4.0,
        top + 13.0
    );
}

/// Lines through all lanes, their names in two rows above, so that near ones do not overlap.
fn moments(svg: &mut String, phase: &Phase, terms: &Terms, scale: &Scale, bottom: f64) {
    let mut named: Vec<(u64, String)> = Vec::new();
    if phase.name == PhaseName::Start {
        named.extend(phase.listens_us().map(|at| (at, "listens".to_owned())));
        named.extend(phase.ready_us.map(|at| (at, "ready".to_owned())));
    }
    named.extend(phase.told_us().map(|at| (at, "SIGTERM".to_owned())));
    named.extend(phase.told_again_us().map(|at| (at, "SIGTERM again".to_owned())));
    let told = phase.told_us().unwrap_or(u64::MAX);
    let closed = phase.listeners.iter().filter_map(|listener| listener.closed_us).max();
    let exit = its_end(phase);
    // A port that goes with its process is not closed by it.
    let by_itself = |closed: &u64| exit.is_none_or(|exit| closed + 20_000 < exit.at_us);
    named.extend(
        closed
            .filter(|closed| *closed > told)
            .filter(by_itself)
            .map(|at| (at, "port closed".to_owned())),
    );
    let grace = phase.told_us().map(|told| told + terms.grace_ms * 1000);
    named.extend(grace.filter(|at| *at < scale.to).map(|at| (at, "SIGKILL due".to_owned())));
    named.extend(exit.map(|exit| {
        let how = if exit.killed { "killed".to_owned() } else { format!("exit {}", exit.shown()) };
        (exit.at_us, how)
    }));
    // Another phase's.
    named.retain(|(at, _)| *at <= scale.to);
    named.sort();
    // What names take of each row, from and to; lines go through the rows below the name.
    let mut taken: Vec<(usize, f64, f64)> = Vec::new();
    for (at, name) in &named {
        let x = scale.x(*at);
        let wide = 7.0 * name.len() as f64 + 6.0;
        let anchor = if x > RIGHT - wide { "end" } else { "start" };
        let (from, to) = if anchor == "end" { (x - wide, x) } else { (x, x + wide) };
        let free =
            |row: &usize| taken.iter().all(|(other, a, b)| other != row || *b < from || to < *a);
        let row = (0..3).find(free).unwrap_or(0);
        taken.push((row, from, to));
        let y = 12.0 + 15.0 * row as f64;
        let beside = if anchor == "end" { x - 3.0 } else { x + 3.0 };
        let _ = write!(
            svg,
            r#"<line class="moment" x1="{x:.1}" x2="{x:.1}" y1="{:.1}" y2="{bottom:.1}"/><text class="moment" text-anchor="{anchor}" x="{beside:.1}" y="{y:.1}">{name}</text>"#,
            y - 9.0
        );
    }
}

/// Seconds, at steps that leave room for their numbers.
fn axis(svg: &mut String, scale: &Scale, bottom: f64) {
    let span = (scale.to - scale.from) as f64 / 1e6;
    let steps = [0.01, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
    let step = steps.into_iter().find(|step| span / step <= 12.0).unwrap_or(600.0);
    let (first, last) = (scale.seconds(scale.from), scale.seconds(scale.to));
    let mut number = (first / step).ceil();
    while number * step <= last {
        // Not -0.0.
        let seconds = number * step + 0.0;
        let at = (seconds * 1e6 + scale.zero as f64).max(0.0) as u64;
        let digits = if step < 0.1 { 2 } else { usize::from(step < 1.0) };
        let _ = write!(
            svg,
            r#"<text class="scale" x="{:.1}" y="{:.1}">{seconds:.digits$} s</text>"#,
            scale.x(at),
            bottom + 16.0
        );
        number += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::proof::{Listener, Output, Sent, Signal};

    fn phase(requests: Vec<Request>) -> Phase {
        Phase {
            name: PhaseName::Drain,
            listeners: Vec::new(),
            ready_us: Some(100_000),
            live_us: None,
            other_protocol: false,
            spoken: Vec::new(),
            protocol: None,
            health: None,
            watched: None,
            signals: vec![Sent { at_us: 1_000_000, signal: Signal::Term }],
            requests,
            output: Output::default(),
            exit: Some(Exit { at_us: 2_000_000, code: Some(0), signal: None, killed: false }),
            lateness_us: 0,
            trials: Vec::new(),
            repeats: Vec::new(),
            telemetry: None,
            load: None,
            metrics: None,
            dependencies: Vec::new(),
            children: Default::default(),
            used: None,
            scheduler: None,
            collector: None,
            as_root: None,
            shown: Vec::new(),
            goroutines: None,
        }
    }

    fn new_connection(at_us: u64, outcome: Outcome) -> Request {
        let purpose = Purpose::NewConnection;
        Request {
            purpose,
            path: "/".to_owned(),
            at_us,
            sent_us: None,
            end_us: at_us + 500,
            outcome,
        }
    }

    #[test]
    fn what_was_lost_is_said_and_drawn() {
        let answered = Outcome::answered(200, 2, false);
        let requests =
            vec![new_connection(900_000, answered), new_connection(1_100_000, Outcome::Refused)];
        let picture = picture(&phase(requests), &Terms::default()).unwrap();
        assert!(
            picture.story.starts_with("1 request lost after SIGTERM, the first 100 ms after it")
        );
        for part in ["class=\"bad\"", "class=\"ok\"", ">SIGTERM<", ">exit 0<", "class=\"window\""] {
            assert!(picture.svg.contains(part), "{part}: {}", picture.svg);
        }
    }

    #[test]
    fn an_end_that_nobody_asked_for_is_said() {
        let mut drain = phase(vec![new_connection(200_000, Outcome::Refused)]);
        drain.signals.clear();
        drain.exit = Some(Exit { at_us: 173_000, code: Some(2), signal: None, killed: false });
        let picture = picture(&drain, &Terms::default()).unwrap();
        let said = "It ended by itself after 173 ms with exit code 2: nobody had told it to.";
        assert_eq!(picture.story, said);
    }

    #[test]
    fn why_requests_were_lost_is_said_and_stands_beside_them() {
        let of = |at_us| new_connection(at_us, Outcome::Refused);
        let mut drain = phase(vec![of(1_100_000), of(1_200_000), of(7_000_000)]);
        drain.listeners = vec![Listener {
            at_us: 10_000,
            closed_us: Some(1_050_000),
            address: [0, 0, 0, 0].into(),
            port: 8080,
        }];
        let picture = picture(&drain, &Terms::default()).unwrap();
        let why = "It stopped listening 50 ms after SIGTERM, and new connections went on arriving for 5.0 s: they were refused.";
        assert!(picture.story.contains(why), "{}", picture.story);
        // The third came when there were no endpoints any more.
        assert!(picture.story.starts_with("2 requests lost"), "{}", picture.story);
        for part in [
            ">2 refused</text>",
            ">lost, or a probe that fails</text>",
            ">endpoints are being removed",
        ] {
            assert!(picture.svg.contains(part), "{part}: {}", picture.svg);
        }
    }

    #[test]
    fn names_of_moments_that_are_near_stand_below_each_other() {
        let mut drain = phase(vec![new_connection(900_000, Outcome::answered(200, 2, false))]);
        drain.exit = Some(Exit { at_us: 1_001_000, code: Some(0), signal: None, killed: false });
        let terms = Terms { propagation_ms: 0, ..Terms::default() };
        let svg = picture(&drain, &terms).unwrap().svg;
        let row = |name: &str| {
            let before = svg.split(&format!(">{name}<")).next().unwrap();
            before.rsplit("y=\"").next().unwrap().to_owned()
        };
        assert_ne!(row("SIGTERM"), row("exit 0"), "{svg}");
    }

    #[test]
    fn marks_are_as_many_as_columns_at_most() {
        let requests: Vec<Request> =
            (0..50_000).map(|n| new_connection(500_000 + n * 20, Outcome::Refused)).collect();
        let picture = picture(&phase(requests), &Terms::default()).unwrap();
        assert!(picture.svg.len() < 40_000, "{}", picture.svg.len());
    }

    #[test]
    fn a_run_without_requests_has_no_picture() {
        assert!(picture(&phase(Vec::new()), &Terms::default()).is_none());
    }
}
