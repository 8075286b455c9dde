//! How the kubelet composes an environment.

/// Replaces `$(NAME)` by what `lookup` answers; an unknown name stays as it is written, `$$`
/// becomes `$`, so that `$$(NAME)` is the literal `$(NAME)`.
///
/// Source: `Expand` in k8s.io/kubernetes `third_party/forked/golang/expansion/expand.go`, 1.37.
pub fn expand(text: &str, mut lookup: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some(name_on) = after.strip_prefix('(') {
            match name_on.find(')') {
                Some(end) => {
                    let name = &name_on[..end];
                    match lookup(name) {
                        Some(value) => out.push_str(&value),
                        None => {
                            out.push_str("$(");
                            out.push_str(name);
                            out.push(')');
                        }
                    }
                    rest = &name_on[end + 1..];
                }
                None => {
                    out.push_str("$(");
                    rest = name_on;
                }
            }
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansion_follows_the_kubelet() {
        let expand = |text: &str| expand(text, |name| (name == "B").then(|| "1".to_owned()));
        assert_eq!(expand("$(B)"), "1");
        assert_eq!(expand("$(C)"), "$(C)");
        assert_eq!(expand("$$(B)"), "$(B)");
        assert_eq!(expand("$B"), "$B");
        assert_eq!(expand("a$(B"), "a$(B");
        assert_eq!(expand("$(B)2$"), "12$");
    }
}
