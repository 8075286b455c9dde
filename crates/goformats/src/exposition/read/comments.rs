//! Lines that describe a family: HELP, TYPE, UNIT and the end of OpenMetrics.

#![expect(
    clippy::ptr_arg,
    reason = "a clone of a name that is borrowed from the text stays borrowed"
)]

use std::borrow::Cow;

use super::super::{Effect, Format, Kind};
use super::{Read, Reader, refused};

impl<'t> Reader<'t, '_> {
    pub(super) fn comment(&mut self) -> Read<bool> {
        self.at += 1;
        if self.open() {
            if !self.takes(b" ") {
                return refused("a comment that is none of HELP, TYPE, UNIT and EOF");
            }
            if self.takes(b"EOF") {
                return if self.ends() { Ok(true) } else { refused("text behind # EOF") };
            }
        } else if !self.blanks() {
            self.rest();
            return Ok(false);
        }
        let word = ["HELP", "TYPE", "UNIT"].into_iter().find(|word| {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let behind = rest.strip_prefix(word.as_bytes()).and_then(|rest| rest.first());
            match self.format {
                Format::OpenMetrics => behind == Some(&b' '),
                Format::Text | Format::Protobuf => {
                    *word != "UNIT" && matches!(behind, Some(b' ' | b'\t'))
                }
            }
        });
        let Some(word) = word else {
            if self.open() {
                return refused("a comment that is none of HELP, TYPE, UNIT and EOF");
            }
            self.rest();
            return Ok(false);
        };
        self.at += word.len();
        if self.open() {
            self.at += 1;
        } else {
            self.blanks();
        }
        let name = self.metric_name(&format!("# {word}"))?;
        let separated = self.peek() == Some(b' ') || (!self.open() && self.peek() == Some(b'\t'));
        let ends = matches!(self.peek(), None | Some(b'\n'));
        if !separated && self.open() {
            return refused(format!("a blank is missing behind the name in # {word}"));
        }
        if !separated && !ends {
            let what = format!("a blank is missing behind the name in # {word}");
            self.problem(what, Effect::Forbidden);
        }
        // Prometheus takes whatever is there for the blank; what follows it is text.
        self.at += usize::from(!ends);
        let text = self.rest();
        let Ok(text) = std::str::from_utf8(text) else {
            return refused(format!("# {word} {name} is no UTF-8"));
        };
        match word {
            "HELP" => self.help(&name, text),
            "TYPE" => self.kind(&name, text)?,
            _ => self.unit(&name, text)?,
        }
        self.ends();
        Ok(false)
    }

    pub(super) fn help(&mut self, name: &Cow<'t, str>, text: &str) {
        let Some(index) = self.described(name) else { return };
        let Some(family) = self.families.list.get_mut(index) else { return };
        if std::mem::replace(&mut family.helped, true) {
            self.problem(format!("a second HELP of {name}"), Effect::Forbidden);
        }
        let mut escapes = text.split('\\').skip(1).peekable();
        while let Some(part) = escapes.next() {
            match part.chars().next() {
                // `\\`: the next part is text again.
                None => {
                    escapes.next();
                }
                Some('n') => {}
                Some('"') if self.format == Format::OpenMetrics => {}
                Some(other) => {
                    let what = format!("\\{other} in the HELP of {name} is no escape");
                    return self.problem(what, Effect::Forbidden);
                }
            }
        }
    }

    pub(super) fn kind(&mut self, name: &Cow<'t, str>, text: &str) -> Read<()> {
        let open = self.open();
        let kind = match text {
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            "histogram" => Kind::Histogram,
            "summary" => Kind::Summary,
            "untyped" if !open => Kind::Unknown,
            "unknown" if open => Kind::Unknown,
            "gaugehistogram" if open => Kind::GaugeHistogram,
            "info" if open => Kind::Info,
            "stateset" if open => Kind::StateSet,
            _ => return refused(format!("{name} has the type {text:?}, which is none")),
        };
        // They came as families of their own.
        let sampled = self.families.came_before(name, kind);
        let Some(index) = self.described(name) else { return Ok(()) };
        let Some(family) = self.families.list.get_mut(index) else { return Ok(()) };
        let older = family
            .older
            .filter(|older| *older == kind || (*older != Kind::Counter && kind != Kind::Counter));
        let typed = std::mem::replace(&mut family.typed, true);
        if !typed {
            family.kind = kind;
        }
        if typed || older.is_some() {
            self.problem(format!("a second TYPE of {name}"), Effect::Forbidden);
        } else if sampled {
            self.problem(format!("the TYPE of {name} comes behind its samples"), Effect::Forbidden);
        }
        Ok(())
    }

    pub(super) fn unit(&mut self, name: &Cow<'t, str>, text: &'t str) -> Read<()> {
        let fits =
            text.is_empty() || name.strip_suffix(text).is_some_and(|before| before.ends_with('_'));
        if !fits {
            return refused(format!("{name} has the unit {text:?} and does not end with it"));
        }
        if let Some(index) = self.family(name)
            && let Some(family) = self.families.list.get_mut(index)
        {
            family.unit = Some(text).filter(|text| !text.is_empty());
        }
        Ok(())
    }

    pub(super) fn described(&mut self, name: &Cow<'t, str>) -> Option<usize> {
        let found = self.families.described(name, self.limits);
        self.complete &= found.is_some();
        found
    }

    pub(super) fn family(&mut self, name: &Cow<'t, str>) -> Option<usize> {
        let found = self.families.named(name, self.limits);
        self.complete &= found.is_some();
        found
    }
}
