//! Paths as texts, where a part of them may be a variable.

/// `*` and `?` of one path element; brackets match anything. Two positions, no backtracking tree.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    if pattern.len() > 256 || text.len() > 256 || pattern.contains(&b'[') {
        return true;
    }
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p.min(pattern.len())..].iter().all(|c| *c == b'*')
}

pub(super) fn in_dirs(dirs: &[&str], path: &str) -> bool {
    dirs.iter().any(|dir| path.starts_with(dir) || path == dir.trim_end_matches('/'))
}

/// The part of `path` below a directory.
pub(super) fn below<'a>(dir: &str, path: &'a str) -> Option<&'a str> {
    let dir = dir.trim_end_matches('/');
    path.strip_prefix(dir)?.strip_prefix('/').filter(|rest| !rest.is_empty())
}

/// Equality up to a trailing slash and the two ways to write an unknown variable.
pub(super) fn same_path(a: &str, b: &str) -> bool {
    let (a, b) = (a.trim_end_matches('/'), b.trim_end_matches('/'));
    a == b || (a.contains('$') && b.contains('$') && braces(a) == braces(b))
}

fn braces(path: &str) -> String {
    path.chars().filter(|c| !matches!(c, '{' | '}')).collect()
}

pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(dir, _)| if dir.is_empty() { "/" } else { dir })
}

/// An absolute path with `.` and `..` resolved.
pub(super) fn normal(dir: &str, path: &str) -> String {
    let dir = if path.starts_with('/') { "" } else { dir };
    let mut parts: Vec<&str> = Vec::new();
    for part in dir.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
