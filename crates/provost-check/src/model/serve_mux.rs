//! Which requests a pattern of `http.ServeMux` takes (net/http/pattern.go, server.go).
//!
//! `[METHOD ][HOST]/[PATH]`: a path that ends in a slash takes all below it, and what lacks that slash is redirected to
//! it. Since Go 1.22 there are methods, and wildcards in braces: `{id}` for a segment, `{rest...}` for all that is left,
//! `{$}` for the end. Before, braces and spaces are what they are.

/// How a pattern takes a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Taken {
    /// Not at all.
    No,
    /// As one of those below a path, or by wildcards: the handler may know more or less than that.
    Below,
    /// As the very path.
    Exact,
}

/// How a pattern takes the path of a GET, on whatever host. `wildcards`: the program has Go 1.22 or newer.
pub fn taken(pattern: &str, path: &str, wildcards: bool) -> Taken {
    let rest = match pattern.split_once([' ', '\t']) {
        Some((_, rest)) if wildcards => rest.trim_start_matches([' ', '\t']),
        _ => pattern,
    };
    // What stands in front of the first slash is a host.
    let Some(at) = rest.find('/') else { return Taken::No };
    let wanted: Vec<&str> = rest.get(at + 1..).unwrap_or_default().split('/').collect();
    let asked: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    // `/a` is not `/a/`; a pattern that ends in a slash takes both.
    let open = path.len() > 1 && path.ends_with('/');
    let mut wild = false;
    for (index, part) in wanted.iter().enumerate() {
        let last = index + 1 == wanted.len();
        let braced = part.strip_prefix('{').and_then(|p| p.strip_suffix('}')).filter(|_| wildcards);
        let here = asked.get(index);
        match braced {
            Some("$") if last => return of(asked.len() == index, wild),
            Some(name) if last && name.ends_with("...") => return Taken::Below,
            Some(_) if here.is_some() => wild = true,
            Some(_) => return Taken::No,
            None if part.is_empty() && last => {
                // `/api/` takes `/api/x`, and sends `/api` to itself.
                return if asked.len() > index { Taken::Below } else { of(true, wild) };
            }
            None if here == Some(part) => {}
            None => return Taken::No,
        }
    }
    of(asked.len() == wanted.len() && !open, wild)
}

fn of(whole: bool, wild: bool) -> Taken {
    match (whole, wild) {
        (false, _) => Taken::No,
        (true, true) => Taken::Below,
        (true, false) => Taken::Exact,
    }
}

#[cfg(test)]
mod tests {
    use super::Taken::{Below, Exact, No};
    use super::*;

    /// Each of these was asked of `ServeMux.Handler` of Go 1.27, which has a pattern for it or none.
    #[test]
    fn patterns_take_what_servemux_gives_them() {
        for (pattern, path, expected) in [
            ("/healthz", "/healthz", Exact),
            ("/healthz", "/health", No),
            ("/healthz", "/healthz/live", No),
            ("/healthz", "/", No),
            ("GET /healthz", "/healthz", Exact),
            ("GET  shop.example.com/healthz", "/healthz", Exact),
            ("shop.example.com/", "/healthz", Below),
            ("/", "/healthz", Below),
            ("/", "/", Exact),
            ("/{$}", "/healthz", No),
            ("/{$}", "/", Exact),
            ("/api/", "/api/v1", Below),
            ("/api/", "/api", Exact),
            ("/api/", "/apis", No),
            ("/api/{$}", "/api/v1", No),
            ("/api/{$}", "/api", Exact),
            ("/orders/{id}", "/orders/7", Below),
            ("/orders/{id}", "/orders", No),
            ("/orders/{id}", "/orders/7/lines", No),
            ("/orders/{id}/lines", "/orders/7/lines", Below),
            ("/files/{path...}", "/files/a/b", Below),
            ("/{rest...}", "/healthz", Below),
            ("/files/{path...}", "/files", Below),
            ("/a", "/a/", No),
            ("/a/", "/a/", Exact),
            ("/a/{$}", "/a/", Exact),
        ] {
            assert_eq!(taken(pattern, path, true), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn before_go_1_22_braces_are_letters() {
        assert_eq!(taken("/orders/{id}", "/orders/7", false), No);
        assert_eq!(taken("/{$}", "/healthz", false), No);
        // A method is a host that nobody asks for; that is not for us to tell.
        assert_eq!(taken("GET /healthz", "/healthz", false), Exact);
    }

    #[test]
    fn nothing_panics() {
        for pattern in ["", " ", "GET ", "GET", "/{", "/}", "/{}", "/{...}", "//", "{x}/"] {
            for path in ["", "/", "//", "a", "/{}"] {
                taken(pattern, path, true);
                taken(pattern, path, false);
            }
        }
    }
}
