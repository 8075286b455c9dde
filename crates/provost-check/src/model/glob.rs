//! Patterns over `/`-separated paths and names.

enum Token {
    Char(char),
    /// `?`: one character of a name.
    One,
    /// `*`: any part of a name.
    Star,
    /// `**`: anything.
    Deep,
    /// `**/`: any number of folders, none included.
    Folders,
}

/// Whether `pattern` matches all of `text`. `?` and `*` stop at `/`, `**` does not. Time grows with
/// the product of both lengths, whatever the pattern.
pub fn matches(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for token in tokens(pattern) {
        let mut next = vec![false; text.len() + 1];
        let mut any = false;
        for i in 0..=text.len() {
            let before = i.checked_sub(1).map(|j| (text[j], reached[j], next[j]));
            next[i] = match (&token, before) {
                (Token::Char(c), Some((t, was, _))) => was && t == *c,
                (Token::One, Some((t, was, _))) => was && t != '/',
                (Token::Char(_) | Token::One, None) => false,
                (Token::Star, Some((t, _, run))) => reached[i] || (run && t != '/'),
                (Token::Deep, Some((_, _, run))) => reached[i] || run,
                (Token::Folders, Some((t, ..))) => reached[i] || (any && t == '/'),
                (Token::Star | Token::Deep | Token::Folders, None) => reached[i],
            };
            any |= reached[i];
        }
        reached = next;
    }
    reached[text.len()]
}

/// Whether `pattern` matches `path` or what is left of it below one of its folders, as a pattern
/// of `.gitignore` without a leading slash does.
pub fn matches_path(pattern: &str, path: &str) -> bool {
    let path = path.strip_prefix("./").unwrap_or(path);
    let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
    if let Some(rooted) = pattern.strip_prefix('/')
        && matches(rooted, path)
    {
        return true;
    }
    // Deep paths are refused long before this; the product stays small.
    matches(pattern, path)
        || path.match_indices('/').any(|(at, _)| matches(pattern, &path[at + 1..]))
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let (token, len) = if rest.starts_with("**/") {
            (Token::Folders, 3)
        } else if rest.starts_with("**") {
            (Token::Deep, 2)
        } else {
            match c {
                '*' => (Token::Star, 1),
                '?' => (Token::One, 1),
                c => (Token::Char(c), c.len_utf8()),
            }
        };
        tokens.push(token);
        rest = &rest[len..];
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::{matches, matches_path};

    #[test]
    fn stars_stop_at_folders_and_double_stars_do_not() {
        assert!(matches("deploy/*.yaml", "deploy/a.yaml"));
        assert!(!matches("deploy/*.yaml", "deploy/x/a.yaml"));
        assert!(matches("deploy/**/*.yaml", "deploy/a.yaml"));
        assert!(matches("deploy/**/*.yaml", "deploy/x/y/a.yaml"));
        assert!(matches("deploy/**", "deploy/x/y/a.yaml"));
        assert!(matches("default/Deployment/?", "default/Deployment/a"));
        assert!(!matches("default/*", "default/Deployment/a"));
        assert!(!matches("", "a"));
    }

    #[test]
    fn a_pattern_matches_at_any_depth_unless_rooted() {
        assert!(matches_path("deploy/*.yaml", "/ci/work/deploy/a.yaml"));
        assert!(matches_path("*.yaml", "./deploy/a.yaml"));
        assert!(matches_path("/deploy/*.yaml", "deploy/a.yaml"));
        assert!(!matches_path("/deploy/*.yaml", "x/deploy/a.yaml"));
    }

    #[test]
    fn hostile_patterns_take_no_exponential_time() {
        let pattern = "*a".repeat(200);
        assert!(!matches(&pattern, &format!("{}b", "a".repeat(2000))));
    }
}
