//! Providers of telemetry in the text of Istio's mesh configuration, which is a YAML document inside a
//! ConfigMap.

/// A provider of `extensionProviders`: its name, and which one it is (`zipkin`).
pub type Provider<'t> = (&'t str, &'t str);

/// Lines of one document that are looked at.
const MOST_LINES: usize = 10_000;

/// The providers of a document; `None` where they are not written line by line.
pub fn providers<'t>(text: &'t str) -> Option<Vec<Provider<'t>>> {
    let Some(lines) = below(text, "extensionProviders")? else { return Some(Vec::new()) };
    let mut found = Vec::new();
    let mut item: Option<(usize, Option<&'t str>, Option<&'t str>)> = None;
    let mut own = None;
    for line in lines {
        let bare = line.trim_start();
        let mut indent = line.len() - bare.len();
        let mut rest = bare;
        if let Some(first) = bare.strip_prefix("- ")
            && own.is_none_or(|own| indent == own)
        {
            own = Some(indent);
            found.push(item.take());
            rest = first.trim_start();
            indent += bare.len() - rest.len();
            item = Some((indent, None, None));
        }
        let Some((of, name, kind)) = &mut item else { return None };
        if indent != *of {
            continue;
        }
        let (key, value) = rest.split_once(':')?;
        match key.trim_matches(['"', '\'']) {
            "name" => *name = Some(plain(value)?),
            key => *kind = Some(key),
        }
    }
    found.push(item);
    let items = found.into_iter().flatten();
    items.map(|(_, name, kind)| Some((name?, kind.unwrap_or_default()))).collect()
}

/// Whether the document says where access logs go that do not say it themselves; `None` where that
/// is not written line by line.
pub fn logs_by_default(text: &str) -> Option<bool> {
    let Some(lines) = below(text, "defaultProviders")? else { return Some(false) };
    Some(lines.iter().any(|line| line.trim_start().starts_with("accessLogging:")))
}

/// The lines below a key at the left edge; `None` where something stands behind it, `Some(None)` where
/// there is no such key.
#[expect(clippy::option_option, reason = "not there is something else than not known")]
fn below<'t>(text: &'t str, key: &str) -> Option<Option<Vec<&'t str>>> {
    let mut lines = text.lines().take(MOST_LINES);
    let is_key = |line: &&str| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'));
    let Some(line) = lines.by_ref().find(is_key) else {
        // A document on one line, or one that is JSON, has it somewhere else.
        return if text.contains(key) { None } else { Some(None) };
    };
    let behind = line.get(key.len() + 1..)?.trim();
    if matches!(behind, "[]" | "{}") {
        return Some(Some(Vec::new()));
    }
    if !behind.is_empty() && !behind.starts_with('#') {
        return None;
    }
    let counts = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let inside = |line: &&str| line.starts_with([' ', '-']);
    Some(Some(lines.filter(counts).take_while(inside).collect()))
}

/// A scalar without quotes and comments.
fn plain(value: &str) -> Option<&str> {
    let value = value.split(" #").next().unwrap_or_default().trim();
    let value = value.trim_matches(['"', '\'']);
    (!value.is_empty() && !value.starts_with(['{', '[', '&', '*', '|', '>'])).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "defaultConfig:\n  discoveryAddress: istiod:15012\ndefaultProviders:\n  metrics:\n  - prometheus\n\
        extensionProviders:\n- envoyOtelAls:\n    port: 4317\n    service: otel\n  name: otel\n\
        - name: \"jaeger\" # old\n  opentelemetry:\n    service: jaeger\n    headers:\n    - name: a\n      value: b\n\
        rootNamespace: istio-system\n";

    #[test]
    fn providers_are_read_line_by_line() {
        let both = Some(vec![("otel", "envoyOtelAls"), ("jaeger", "opentelemetry")]);
        assert_eq!(providers(TEXT), both);
        // Lists stand under their key, or a step to the right.
        let right = "extensionProviders:\n  - name: a\n    zipkin:\n      service: b\n  - name: c\n    lightstep: {}\nx: y\n";
        assert_eq!(providers(right), Some(vec![("a", "zipkin"), ("c", "lightstep")]));
        assert_eq!(providers("rootNamespace: a\n"), Some(vec![]));
        assert_eq!(providers("extensionProviders: []\n"), Some(vec![]));
        assert_eq!(logs_by_default(TEXT), Some(false));
        assert_eq!(logs_by_default("defaultProviders:\n  accessLogging: [envoy]\n"), Some(true));
        assert_eq!(logs_by_default(""), Some(false));
    }

    #[test]
    fn what_is_not_written_line_by_line_is_not_known() {
        assert_eq!(providers("extensionProviders: [{name: a, zipkin: {}}]\n"), None);
        assert_eq!(providers("{\"extensionProviders\": [{\"name\": \"a\"}]}\n"), None);
        assert_eq!(providers("extensionProviders:\n- zipkin: {}\n"), None);
        assert_eq!(providers("extensionProviders:\n- {name: a, zipkin: {}}\n"), None);
        assert_eq!(logs_by_default("defaultProviders: {accessLogging: [envoy]}\n"), None);
    }
}
