//! Lines of a log that are JSON objects.

use serde_json::{Map, Value};

use crate::facts::proof::{Line, Phase};

/// How deep fields are looked for.
const DEEPEST: usize = 4;

/// A line and its fields.
#[derive(Clone, Debug)]
pub struct Logged<'w> {
    /// As it was printed.
    pub line: &'w Line,
    fields: Map<String, Value>,
}

impl Phase {
    /// Lines that are JSON objects, in their order.
    pub fn logged(&self) -> impl Iterator<Item = Logged<'_>> {
        self.output.lines.iter().filter_map(|line| {
            let text = line.text.trim();
            let fields = text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten();
            fields.map(|fields| Logged { line, fields })
        })
    }
}

impl Logged<'_> {
    /// A field that goes by one of several names; `log.level` may as well be `level` in the object `log`.
    pub fn field(&self, names: &[&str]) -> Option<&Value> {
        names.iter().find_map(|name| {
            let whole = of(&self.fields, name);
            whole.or_else(|| {
                let (outer, inner) = name.split_once('.')?;
                of(of(&self.fields, outer)?.as_object()?, inner)
            })
        })
    }

    /// Whether it has that key.
    pub fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    /// Every text in it with its key, in objects and lists within it too.
    pub fn texts(&self) -> Vec<(&str, &str)> {
        let mut found = Vec::new();
        for (key, value) in &self.fields {
            texts(key, value, DEEPEST, &mut found);
        }
        found
    }
}

fn of<'v>(fields: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    let found = fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

fn texts<'v>(key: &'v str, value: &'v Value, deep: usize, found: &mut Vec<(&'v str, &'v str)>) {
    match value {
        Value::String(text) => found.push((key, text)),
        Value::Array(items) if deep > 0 => {
            items.iter().for_each(|item| texts(key, item, deep - 1, found));
        }
        Value::Object(fields) if deep > 0 => {
            fields.iter().for_each(|(key, value)| texts(key, value, deep - 1, found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::proof::Output;

    #[test]
    fn fields_are_found_whole_or_nested_and_lists_are_no_objects() {
        let line =
            |text: &str| Line { at_us: 0, stderr: false, secret: false, text: text.to_owned() };
        let phase: Phase = serde_json::from_str(r#"{"name": "start"}"#).unwrap();
        let lines = vec![
            line(r#"{"log": {"level": "info"}, "a": [{"b": "c"}]}"#),
            line(r#"{"log.level": "warn"}"#),
            line("[1]"),
            line("{"),
        ];
        let phase = Phase { output: Output { lines, ..Output::default() }, ..phase };
        let logged: Vec<Logged<'_>> = phase.logged().collect();
        let levels: Vec<_> = logged.iter().filter_map(|it| it.field(&["log.level"])).collect();
        assert_eq!(levels, ["info", "warn"]);
        assert_eq!(logged[0].texts(), [("b", "c"), ("level", "info")]);
    }
}
