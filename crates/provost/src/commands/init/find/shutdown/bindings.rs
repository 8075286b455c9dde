//! What names are bound to: assignments, fields of literals, flags and tags of structs.

use provost_check::model::goduration;

use super::super::settings::{is_variable, tag_value};
use super::expression::{Called, Expression};
use super::flow::{Binding, DEEPEST, LONGEST_HEAD, Place, Walk};

/// Values of names that are kept of a file. Generated tables have more, and set no times.
const MOST_BINDINGS: usize = 4_096;

impl Walk<'_, '_> {
    /// `flag.DurationVar(&delay, "delay", 5*time.Second, "...")`, `v.SetDefault("delay", "5s")`
    pub(super) fn flag(&mut self, call: &Called, inside: Option<usize>) {
        let value = match call.name.as_str() {
            "SetDefault" => 1,
            name if name.ends_with("VarP") => 3,
            name if name.ends_with("Var") => 2,
            _ => return,
        };
        let Some(value) = call.arguments.get(value).cloned() else { return };
        match call.arguments.first() {
            Some(Expression::Name(name)) => {
                let place = match inside.is_some_and(|inside| self.has(inside, name)) {
                    true => inside.map_or(Place::Package, Place::Function),
                    false => Place::Package,
                };
                self.bind(name, value, place, inside);
            }
            Some(Expression::Member(_, name)) => self.bind(name, value, Place::Field, inside),
            Some(Expression::Text(key)) => {
                self.bind(&format!("\"{key}\""), value, Place::Field, inside);
            }
            _ => {}
        }
    }

    /// Whether a name is one of a function's own.
    fn has(&self, inside: usize, name: &str) -> bool {
        self.owners.get(name).is_some_and(|owners| owners.contains(&inside))
    }

    /// What stands on both sides of `=` and `:=`.
    pub(super) fn assignment(&mut self, at: usize, to: usize, inside: Option<usize>) {
        let read = self.read;
        let defines = at > 0 && read.mark(at - 1) == Some(b':');
        let before = at.checked_sub(1).and_then(|at| read.mark(at));
        let compares = read.mark(at + 1) == Some(b'=')
            || (!defines && before.is_some_and(|byte| b"=!<>+-*/%&|^".contains(&byte)));
        if compares {
            return;
        }
        // From the last to the first.
        let mut targets: Vec<Option<(String, bool)>> = Vec::new();
        let mut back = at - usize::from(defines);
        let mut start;
        loop {
            let Some(last) = back.checked_sub(1) else { return };
            start = last;
            let Some(name) = read.word(last) else {
                // `errs[0]`
                if read.mark(last) != Some(b']') {
                    return;
                }
                let least = last.saturating_sub(LONGEST_HEAD);
                while start > least && !read.is_first(start) && read.mark(start) != Some(b',') {
                    start -= 1;
                }
                targets.push(None);
                match read.mark(start) == Some(b',') && !read.is_first(start) {
                    true => back = start,
                    false => break,
                }
                continue;
            };
            while start >= 2 && read.mark(start - 1) == Some(b'.') && read.word(start - 2).is_some()
            {
                start -= 2;
            }
            targets.push(Some((name.to_owned(), start < last)));
            if targets.len() > 8 {
                return;
            }
            let comma = start.checked_sub(1).filter(|at| read.mark(*at) == Some(b','));
            match comma.filter(|_| !read.is_first(start)) {
                Some(comma) => back = comma,
                None => break,
            }
        }
        // `name Type = value`
        if targets.len() == 1
            && !read.is_first(start)
            && let Some(name) = start.checked_sub(1).and_then(|at| read.word(at))
            && !matches!(name, "var" | "const" | "if" | "for" | "switch" | "case")
        {
            targets[0] = Some((name.to_owned(), false));
        }
        targets.reverse();
        let mut from = at + 1;
        let count = targets.len();
        for (n, target) in targets.into_iter().enumerate() {
            let (value, next) = read.expression(from, to);
            // What a call gives second is an error or a function mostly.
            let is_whole = n == 0 || read.mark(from.saturating_sub(1)) == Some(b',');
            if let (Some((name, is_field)), true) = (target, is_whole) {
                let place = match (is_field, inside) {
                    (true, _) => Place::Field,
                    (false, Some(inside)) if defines || self.owner(inside, &name).is_some() => {
                        let owner = if defines { Some(inside) } else { self.owner(inside, &name) };
                        owner.map_or(Place::Package, Place::Function)
                    }
                    // `var name = ...` in a function, or the package's.
                    (false, Some(inside)) if self.declared(start) => Place::Function(inside),
                    (false, _) => Place::Package,
                };
                self.bind(&name, value, place, inside);
            }
            if n + 1 < count && read.mark(next) == Some(b',') {
                from = next + 1;
            } else {
                break;
            }
        }
    }

    /// Whether `var` or `const` stands before a name.
    fn declared(&self, start: usize) -> bool {
        (1..=4).any(|n| {
            start.checked_sub(n).is_some_and(|at| {
                matches!(self.read.word(at), Some("var" | "const"))
                    && self.read.lines.get(at) == self.read.lines.get(start)
            })
        })
    }

    /// The function around that a name belongs to.
    fn owner(&self, inside: usize, name: &str) -> Option<usize> {
        let mut at = Some(inside);
        for _ in 0..DEEPEST {
            let function = self.flow.functions.get(at?)?;
            if self.has(at?, name) || function.parameters.iter().any(|p| p == name) {
                return at;
            }
            at = function.around;
        }
        None
    }

    /// A field by the variable that its tag names.
    pub(super) fn tag(&mut self, at: usize, tag: &str) {
        let name = |key: &str| tag_value(tag, key).and_then(|text| text.split(',').next());
        let Some(variable) = ["env", "envconfig"].iter().find_map(|key| name(key)) else { return };
        let mut first = at;
        while !self.read.is_first(first) && at - first < LONGEST_HEAD {
            first -= 1;
        }
        let Some(field) = self.read.word(first).filter(|_| first < at) else { return };
        let default = ["envDefault", "default", "env-default"];
        let default = default.iter().find_map(|key| tag_value(tag, key));
        let text = |text: &str| Expression::Text(text.to_owned());
        let mut arguments = vec![text(variable)];
        arguments.extend(default.map(text));
        let call = Called { of: String::new(), name: "env".to_owned(), arguments };
        self.bind(field, Expression::Call(Box::new(call)), Place::Field, None);
    }

    pub(super) fn bind(
        &mut self,
        name: &str,
        value: Expression,
        place: Place,
        inside: Option<usize>,
    ) {
        let says = match &value {
            Expression::Other => place != Place::Field,
            Expression::Text(text) => {
                goduration::parse_seconds(text).is_some()
                    || is_variable(text)
                    || (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
            }
            _ => true,
        };
        if says && self.flow.bindings.len() < MOST_BINDINGS {
            if let Place::Function(number) = place
                && !self.has(number, name)
            {
                self.owners.entry(name.to_owned()).or_default().push(number);
            }
            self.flow.bindings.push(Binding { name: name.to_owned(), value, place, inside });
        }
    }
}
