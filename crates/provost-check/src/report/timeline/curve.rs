//! The share of requests that were lost, over the moment around SIGTERM at which they began.

use std::fmt::Write as _;

use super::picture::{LEFT, Picture, RIGHT, WIDTH};
use crate::facts::proof::storm::{POINT_US, Point, WIDE_US, curve};
use crate::facts::proof::{Phase, PhaseName};
use crate::report::count;

/// Above the bars.
const HEAD: f64 = 34.0;
/// Of a bar for all that were lost.
const FULL: f64 = 90.0;
/// Below them: the scale.
const FOOT: f64 = 30.0;

/// A line for a terminal: a letter for each five milliseconds, `.` where nothing was lost, a digit for
/// tenths of it, `#` where everything was.
pub fn line(phase: &Phase) -> Option<String> {
    let points = points(phase)?;
    let letter = |point: &Point| match (point.asked, point.lost) {
        (0, _) => ' ',
        (_, 0) => '.',
        (asked, lost) if asked == lost => '#',
        (asked, lost) => {
            // One of many is more than nothing.
            char::from_digit((lost * 10 / asked.max(1)).clamp(1, 9), 10).unwrap_or('9')
        }
    };
    let text: String = points.iter().map(letter).collect();
    let (before, after) = text.split_at(text.len() / 2);
    let wide = WIDE_US / 1000;
    let (asked, lost) = sums(&points);
    Some(format!("storm: -{wide} ms {before}|{after} +{wide} ms, {lost} of {asked} lost"))
}

fn points(phase: &Phase) -> Option<Vec<Point>> {
    let points = curve(phase);
    let any = phase.name == PhaseName::Storm && points.iter().any(|point| point.asked > 0);
    any.then_some(points)
}

fn sums(points: &[Point]) -> (u32, u32) {
    points.iter().fold((0, 0), |(asked, lost), it| (asked + it.asked, lost + it.lost))
}

/// The curve as a picture.
pub(super) fn picture(phase: &Phase) -> Option<Picture> {
    let points = points(phase)?;
    let bottom = HEAD + FULL;
    let mut svg = format!(
        r#"<svg class="timeline" viewBox="0 0 {WIDTH} {:.0}" role="img" aria-label="share of requests that were lost, by when they began">"#,
        bottom + FOOT
    );
    for (share, name) in [(0.0, "none lost"), (1.0, "all lost")] {
        let y = bottom - FULL * share;
        let _ = write!(
            svg,
            r#"<text class="name" x="{:.0}" y="{:.1}">{name}</text><line class="rule" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1}" y2="{y:.1}"/>"#,
            LEFT - 8.0,
            y + 4.0
        );
    }
    let width = (RIGHT - LEFT) / points.len().max(1) as f64;
    for (place, point) in points.iter().enumerate().filter(|(_, point)| point.asked > 0) {
        let share = f64::from(point.lost) / f64::from(point.asked);
        // What is whole is seen, too.
        let height = (FULL * share).max(2.0);
        let kind = if point.lost > 0 { "bad" } else { "ok" };
        let from = point.from_us / 1000;
        let _ = write!(
            svg,
            r#"<rect class="{kind}" x="{:.1}" y="{:.1}" width="{:.1}" height="{height:.1}"><title>{from} to {} ms: {} of {} lost</title></rect>"#,
            LEFT + width * place as f64 + 1.0,
            bottom - height,
            width - 2.0,
            from + POINT_US / 1000,
            point.lost,
            point.asked
        );
    }
    let middle = (LEFT + RIGHT) / 2.0;
    let _ = write!(
        svg,
        r#"<line class="moment" x1="{middle:.1}" x2="{middle:.1}" y1="4" y2="{bottom:.1}"/><text class="moment" x="{:.1}" y="13">SIGTERM</text>"#,
        middle + 4.0
    );
    let wide = WIDE_US as i64 / 1000;
    for ms in (-wide..=wide).step_by(10) {
        let x = middle + (RIGHT - middle) * ms as f64 / wide as f64;
        let anchor = if ms == wide { " text-anchor=\"end\"" } else { "" };
        let class = if ms == wide { "" } else { "class=\"scale\" " };
        let _ = write!(
            svg,
            r#"<text {class}x="{x:.1}" y="{:.1}"{anchor}>{ms} ms</text>"#,
            bottom + 16.0
        );
    }
    svg.push_str("</svg>");
    let (asked, lost) = sums(&points);
    let runs = count(phase.repeats.len() + 1, "run");
    let story = format!(
        "Of {asked} connections that began within {wide} ms of SIGTERM, in {runs}, {lost} were lost. Each bar is the share of five milliseconds."
    );
    let name = phase.name.name();
    Some(Picture { name, id: name.to_owned(), of: None, story, svg })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(outcome: &str) -> Phase {
        let text = format!(
            r#"{{"name": "storm", "signals": [{{"at_us": 100000, "signal": "TERM"}}], "requests": [
            {{"purpose": "near", "path": "/", "at_us": 52000, "end_us": 60000, "outcome": {{"is": "answered", "status": 200}}}},
            {{"purpose": "near", "path": "/", "at_us": 101000, "end_us": 110000, "outcome": {{"is": "{outcome}"}}}},
            {{"purpose": "opened", "path": "/", "at_us": 101000, "end_us": 110000, "outcome": {{"is": "answered", "status": 200}}}}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn losses_are_drawn_where_they_began() {
        let text = line(&phase("refused")).unwrap();
        assert_eq!(text, "storm: -50 ms .         |5          +50 ms, 1 of 3 lost");
        let picture = picture(&phase("refused")).unwrap();
        assert!(picture.svg.contains("0 to 5 ms: 1 of 2 lost"), "{}", picture.svg);
        assert!(picture.story.starts_with("Of 3 connections"), "{}", picture.story);
        // It is of this phase alone.
        assert!(line(&Phase { name: PhaseName::Drain, ..phase("refused") }).is_none());
    }
}
