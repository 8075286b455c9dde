//! The lines around a place.

use std::ops::Range;

use super::PlaceView;

/// Lines of a text around a place.
#[derive(Debug, PartialEq, Eq)]
pub struct Excerpt<'a> {
    /// Number of the first line.
    pub first: u32,
    /// The lines, without their breaks.
    pub lines: Vec<ExcerptLine<'a>>,
}

/// A line, and what of it the place covers.
#[derive(Debug, PartialEq, Eq)]
pub struct ExcerptLine<'a> {
    /// The line's text, secrets masked; of a long line the part around the place.
    pub text: &'a str,
    /// Bytes of `text`; empty when the place does not touch the line.
    pub marked: Range<usize>,
    /// Whether the line begins before `text`.
    pub cut_before: bool,
    /// Whether the line goes on behind `text`.
    pub cut_after: bool,
}

/// Bytes of a line that are shown, and of those what stands before the place: about what fits on
/// a page, so that nobody has to scroll to see what is marked.
const LONGEST_LINE: usize = 160;
const LEAD: usize = 50;
/// Lines of an excerpt; a place can cover a file of megabytes.
const MOST_LINES: u32 = 12;

impl<'a> PlaceView<'a> {
    /// The lines of the place with `around` lines before and after; `None` for a place that is not
    /// in a text.
    pub fn excerpt(&self, around: u32) -> Option<Excerpt<'a>> {
        let (start, end) = (self.start?, self.end?);
        let text = self.source.shown()?;
        let first = start.line.saturating_sub(around).max(1);
        let last = end.line.min(start.line + MOST_LINES).saturating_add(around);
        let place = start.offset as usize..end.offset as usize;
        let lines: Vec<_> = (first..=last)
            .map_while(|number| self.source.line(number))
            .map(|line| window(text, line, &place))
            .collect();
        (!lines.is_empty()).then_some(Excerpt { first, lines })
    }
}

/// What is shown of a line. It looks at no more bytes than it shows: a report can have thousands
/// of places in one line of megabytes.
fn window<'a>(text: &'a str, line: Range<usize>, place: &Range<usize>) -> ExcerptLine<'a> {
    let mut shown = line.clone();
    if line.len() > LONGEST_LINE {
        if (line.start..=line.end).contains(&place.start) {
            let start = place.start.saturating_sub(LEAD).max(line.start);
            shown.start = text.floor_char_boundary(start);
        }
        shown.end = text.floor_char_boundary((shown.start + LONGEST_LINE).min(line.end));
    }
    let within =
        |at: usize| text.floor_char_boundary(at.clamp(shown.start, shown.end)) - shown.start;
    ExcerptLine {
        marked: within(place.start)..within(place.end),
        cut_before: shown.start > line.start,
        cut_after: shown.end < line.end,
        text: &text[shown],
    }
}
