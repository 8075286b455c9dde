//! Filters of routes.

use super::{Judge, MOST, holds, is_whole, items, text};
use crate::facts::document::Node;

/// A type of filter, its field, and whether a list takes it once only. What is newer than the oldest
/// release that serves the kind is unknown to that release, which drops it.
struct Filter {
    of: &'static str,
    field: &'static str,
    once: bool,
}

const fn filter(of: &'static str, field: &'static str, once: bool) -> Filter {
    Filter { of, field, once }
}

const HTTP: &[Filter] = &[
    filter("RequestHeaderModifier", "requestHeaderModifier", true),
    filter("ResponseHeaderModifier", "responseHeaderModifier", true),
    filter("RequestMirror", "requestMirror", false),
    filter("RequestRedirect", "requestRedirect", true),
    filter("URLRewrite", "urlRewrite", true),
    filter("ExtensionRef", "extensionRef", false),
    filter("CORS", "cors", false),
    filter("ExternalAuth", "externalAuth", false),
];

const GRPC: &[Filter] = &[
    filter("RequestHeaderModifier", "requestHeaderModifier", true),
    filter("ResponseHeaderModifier", "responseHeaderModifier", true),
    filter("RequestMirror", "requestMirror", false),
    filter("ExtensionRef", "extensionRef", false),
];

/// What a path is replaced by: the type, and its field.
const MODIFIERS: &[(&str, &str)] =
    &[("ReplaceFullPath", "replaceFullPath"), ("ReplacePrefixMatch", "replacePrefixMatch")];

impl Judge {
    pub(super) fn route_rule(&mut self, rule: Node<'_>, http: bool) {
        self.matches(rule, http);
        self.filters(rule, rule, http);
        for backend in items(rule, "backendRefs").take(MOST) {
            self.filters(backend, rule, http);
        }
        if !http {
            return;
        }
        let redirect = items(rule, "filters").find_map(|one| one.get_entry("requestRedirect"));
        if let (Some((redirect, _)), Some((backends, _))) =
            (redirect, rule.get_entry("backendRefs").filter(|_| holds(rule, "backendRefs")))
        {
            let words = "a request that is redirected reaches no backend";
            let cel = "RequestRedirect filter must not be used together with backendRefs";
            self.conflict(backends, redirect, words, cel);
        }
    }

    /// The filters of a rule, or of one of its backends.
    fn filters(&mut self, of: Node<'_>, rule: Node<'_>, http: bool) {
        let table = if http { HTTP } else { GRPC };
        let filters = || items(of, "filters").take(MOST);
        for filter in filters().filter(|one| is_whole(*one)) {
            let Some((kind, at)) = text(filter, "type") else { continue };
            // What is none of them is refused as such.
            if !table.iter().any(|known| known.of == kind) {
                continue;
            }
            for known in table {
                let Filter { of, field, .. } = known;
                match filter.get_entry(field) {
                    Some((key, _)) if kind != *of => {
                        let words =
                            format!("`{field}` is for a filter of type {of}, and this is {kind}");
                        let cel =
                            format!("filter.{field} must be nil if the filter.type is not {of}");
                        self.conflict(key, at, &words, &cel);
                    }
                    None if kind == *of => {
                        let words = format!("a filter of type {of} needs `{field}`");
                        let cel = format!("filter.{field} must be specified for {of} filter.type");
                        self.refuse(at, "and nothing of it", &words, &cel);
                    }
                    _ => {}
                }
            }
            self.mirror(filter);
            for header in ["requestHeaderModifier", "responseHeaderModifier"] {
                self.headers(filter, header);
            }
            for path in ["requestRedirect", "urlRewrite"] {
                self.path_modifier(filter, path, rule);
            }
        }
        for known in table.iter().filter(|known| known.once) {
            let same = filters().filter_map(|one| text(one, "type"));
            let same = same.filter(|(kind, _)| *kind == known.of);
            let cel = format!("{} filter cannot be repeated", known.of);
            let words = format!("one list has two filters of type {}", known.of);
            self.once(same.map(|(kind, place)| (kind.to_owned(), place)), &words, &cel);
        }
        let of_type = |wanted| {
            filters().filter_map(|one| text(one, "type")).find(|(kind, _)| *kind == wanted)
        };
        if http
            && let (Some((_, redirect)), Some((_, rewrite))) =
                (of_type("RequestRedirect"), of_type("URLRewrite"))
        {
            let words = "a request that is redirected is not rewritten";
            let cel = "May specify either httpRouteFilterRequestRedirect or \
                       httpRouteFilterRequestRewrite, but not both";
            self.conflict(rewrite, redirect, words, cel);
        }
    }

    fn mirror(&mut self, filter: Node<'_>) {
        let Some(mirror) = filter.get("requestMirror") else { return };
        if let (Some((percent, _)), Some((fraction, _))) =
            (mirror.get_entry("percent"), mirror.get_entry("fraction"))
        {
            let words = "the share that is mirrored is said twice";
            let cel = "Only one of percent or fraction may be specified in HTTPRequestMirrorFilter";
            self.conflict(fraction, percent, words, cel);
        }
    }

    /// Lists with one entry for each name, and a set.
    fn headers(&mut self, filter: Node<'_>, field: &str) {
        let Some(modifier) = filter.get(field) else { return };
        for list in ["add", "set"] {
            let names = items(modifier, list).filter_map(|header| text(header, "name"));
            let words = "one list names a header twice";
            self.once(names.map(|(name, at)| (name.to_owned(), at)), words, "Duplicate value");
        }
        let removed = modifier.get("remove").into_iter().flat_map(Node::items);
        let removed = removed.filter_map(|name| Some((name.as_str()?.to_owned(), name)));
        self.once(removed, "one list names a header twice", "Duplicate value");
    }

    fn path_modifier(&mut self, filter: Node<'_>, field: &str, rule: Node<'_>) {
        let Some(path) = filter.at(&[field, "path"]).filter(|path| is_whole(*path)) else { return };
        let Some((kind, at)) = text(path, "type") else { return };
        for (of, value) in MODIFIERS {
            match path.get_entry(value) {
                Some((key, _)) if kind != *of => {
                    let words = format!("`{value}` is for type {of}, and this is {kind}");
                    let cel = format!("type must be '{of}' when {value} is set");
                    self.conflict(key, at, &words, &cel);
                }
                None if kind == *of => {
                    let words = format!("type {of} needs `{value}`");
                    let cel = format!("{value} must be specified when type is set to '{of}'");
                    self.refuse(at, "and nothing of it", &words, &cel);
                }
                Some(_) if kind == "ReplacePrefixMatch" && !one_prefix(rule) => {
                    let name = if field == "urlRewrite" { "URLRewrite" } else { "RequestRedirect" };
                    let words = "the prefix that is replaced is that of the rule's only match, \
                                 which has to be a PathPrefix";
                    let cel = format!(
                        "When using {name} filter with path.replacePrefixMatch, exactly one \
                         PathPrefix match must be specified"
                    );
                    self.refuse(at, "of which prefix?", words, &cel);
                }
                _ => {}
            }
        }
    }
}

/// Whether a rule has one match, and that by a prefix: the default for what is not written, and what
/// is still to be filled in may be.
fn one_prefix(rule: Node<'_>) -> bool {
    let Some(matches) = rule.get("matches") else { return true };
    if !matches.is_sequence() {
        return true;
    }
    let mut all = matches.items();
    let (Some(only), None) = (all.next(), all.next()) else { return false };
    match only.get("path") {
        None => true,
        Some(path) if !is_whole(path) => true,
        Some(path) => match path.get("type") {
            None => true,
            Some(kind) => kind.as_str().is_none_or(|kind| {
                kind == "PathPrefix" || crate::facts::placeholders::is_placeholder(kind)
            }),
        },
    }
}
