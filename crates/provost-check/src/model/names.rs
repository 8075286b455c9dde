//! Names people write: of files, near misses, and references to images.

use std::fmt;

/// The last part of a path, which is all of it where there is no `/`.
pub fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a word says nothing of the service whose program, folder or stage is called so.
pub fn is_generic(name: &str) -> bool {
    let words = ["", ".", "..", "...", "docker", "build", "deploy", "main", "cmd", "sh", "bash"];
    words.contains(&name)
}

/// Longer names are not compared: no name that matters is that long.
pub const LONGEST_COMPARED: usize = 128;

/// How many edits (insert, delete, replace, swap neighbours) lie between two names, if at most `most`.
pub fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    if a.len().max(b.len()) > LONGEST_COMPARED {
        return (a == b).then_some(0);
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (above[j] + 1).min(row[j - 1] + 1).min(above[j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        if row.iter().all(|d| *d > most) {
            return None;
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().filter(|d| *d <= most)
}

/// The candidate nearest to a name, at most a third of its letters away and never more than `most`; of equals the first.
pub fn nearest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
    most: usize,
) -> Option<&'c str> {
    let most = most.min(name.chars().count().div_ceil(3));
    candidates
        .into_iter()
        .filter_map(|c| distance(name, c, most).map(|d| (d, c)))
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// Letters of the shortest word in which a missing, a doubled or a swapped letter is a slip.
const SHORTEST_WORD: usize = 5;

/// The same of one in which a letter was replaced: of shorter ones many are two words.
const REPLACED: usize = 7;

/// The same of one with two slips.
const TWO_SLIPS: usize = 9;

/// Whether one name may be the other with a slip of the keyboard in it: the same words but for one, and
/// that one off by a letter inside of it. `api` and `api2`, `redis-a` and `redis-b`, `eu-west` and
/// `us-west`, `reader` and `leader`, `scheduler` and `scheduled` are two names.
pub fn is_slip(a: &str, b: &str) -> bool {
    // Most names are of another length.
    if a.len().abs_diff(b.len()) > 2 || a == b || a.len().max(b.len()) > LONGEST_COMPARED {
        return false;
    }
    let separates = |c: char| matches!(c, '-' | '.' | '_' | '/');
    if a.chars().filter(|c| !separates(*c)).eq(b.chars().filter(|c| !separates(*c))) {
        return a.chars().filter(|c| !separates(*c)).count() >= SHORTEST_WORD;
    }
    let (mut left, mut right) = (a.split(separates), b.split(separates));
    let mut different = None;
    loop {
        match (left.next(), right.next()) {
            (None, None) => break,
            (Some(x), Some(y)) if x == y => {}
            (Some(x), Some(y)) if different.is_none() => different = Some((x, y)),
            _ => return false,
        }
    }
    different.is_some_and(|(x, y)| is_slip_of_word(x, y))
}

fn is_slip_of_word(a: &str, b: &str) -> bool {
    let digits = |word: &str| word.chars().filter(char::is_ascii_digit).collect::<String>();
    if digits(a) != digits(b) {
        return false;
    }
    let (short, long): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let (short, long) = if short.len() > long.len() { (long, short) } else { (short, long) };
    if long.len() < SHORTEST_WORD {
        return is_swapped_term(a, b);
    }
    let same_ends = short.first() == long.first() && short.last() == long.last();
    match (distance(a, b, 2), long.len() - short.len()) {
        (Some(1), 0) => {
            let differs = short.iter().zip(&long).filter(|(x, y)| x != y).count();
            // Two letters that differ are swapped ones.
            differs == 2 || (long.len() >= REPLACED && same_ends)
        }
        // `serve`, `server` and `served` are three words.
        (Some(1), _) => {
            let ending = long.strip_prefix(short.as_slice());
            short.first() == long.first() && !matches!(ending, Some(['r' | 'd' | 'R' | 'D']))
        }
        (Some(2), _) => short.len() >= TWO_SLIPS && same_ends,
        _ => false,
    }
}

/// Short words of names that are no other word with two letters swapped.
const TERMS: &[&str] = &["auth", "cert", "dev", "grpc", "http", "prod", "tls"];

/// Whether one of two short words is a term and the other the same with two neighbours behind the first
/// letter swapped: `tls` and `tsl`.
fn is_swapped_term(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let is_term = |word: &[u8]| TERMS.iter().any(|term| term.as_bytes() == word);
    if a.len() != b.len() || is_term(a) == is_term(b) || a.first() != b.first() {
        return false;
    }
    let differs: Vec<usize> = (0..a.len()).filter(|at| a[*at] != b[*at]).collect();
    matches!(differs.as_slice(), [x, y] if x + 1 == *y && a[*x] == b[*y] && a[*y] == b[*x])
}

/// The only one of the candidates that a name may be a slip of; none where there are two.
pub fn meant<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let mut slips = candidates.into_iter().filter(|known| is_slip(name, known));
    let first = slips.next()?;
    slips.all(|other| other == first).then_some(first)
}

/// The name of the flag that a word of a command line is or begins with, as Go's flag packages read it:
/// `listen` of `--listen=:80` and `-listen`. One of a letter is none that could be misspelt, and a word
/// that is put together from something else has no name yet.
pub fn flag(word: &str) -> Option<&str> {
    let rest = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    let name = rest.split_once('=').map_or(rest, |(name, _)| name);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(plain);
    (is_name && name.len() > 1).then_some(name)
}

/// The registry of a reference that names none.
pub const DEFAULT_REGISTRY: &str = "docker.io";

/// A reference to an image, normalised.
///
/// Source of the grammar: github.com/distribution/reference `normalize.go` and `reference.go`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    repository: String,
    /// The tag as written.
    pub tag: Option<String>,
    /// The digest as written, `sha256:` and the rest.
    pub digest: Option<String>,
}

/// A text that names no image: a template, an upper-case repository, an empty tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no image reference")]
pub struct InvalidImageRef;

impl ImageRef {
    /// Reads a reference and fills the defaults in.
    pub fn parse(text: &str) -> Result<ImageRef, InvalidImageRef> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        // A colon behind the last slash begins the tag; one before it is the registry's port.
        let name_from = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[name_from..].split_once(':') {
            Some((name, tag)) => (&rest[..name_from + name.len()], Some(tag)),
            None => (rest, None),
        };
        let (registry, path) = match name.split_once('/') {
            Some((first, path))
                if first.contains(['.', ':'])
                    || first == "localhost"
                    || first.bytes().any(|b| b.is_ascii_uppercase()) =>
            {
                (first, path)
            }
            _ => (DEFAULT_REGISTRY, name),
        };
        let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
        let valid = is_registry(registry)
            && path.split('/').all(is_path_component)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest);
        if !valid {
            return Err(InvalidImageRef);
        }
        let library =
            if registry == DEFAULT_REGISTRY && !path.contains('/') { "library/" } else { "" };
        Ok(ImageRef {
            repository: format!("{registry}/{library}{path}"),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// Registry and path, defaults filled in: `docker.io/library/alpine`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The registry: `docker.io`.
    pub fn registry(&self) -> &str {
        self.repository.split('/').next().unwrap_or(&self.repository)
    }

    /// The last part of the path: `alpine`.
    pub fn base_name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }

    /// Everything before the last part: `docker.io/library`.
    pub fn parent(&self) -> &str {
        self.repository.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    /// The tag that is pulled: `latest` when neither tag nor digest is written.
    pub fn effective_tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, Some(_)) => None,
            (None, None) => Some("latest"),
        }
    }

    /// Whether both name one image: the same repository, then the digest if both have one, else the tag.
    pub fn same_image(&self, other: &ImageRef) -> bool {
        self.repository == other.repository
            && match (&self.digest, &other.digest) {
                (Some(a), Some(b)) => a == b,
                _ => {
                    self.effective_tag().is_some() && self.effective_tag() == other.effective_tag()
                }
            }
    }

    /// imagePullPolicy when it is not written. Source: `SetDefaults_Container` in k8s.io/kubernetes v1.37.2
    /// pkg/apis/core/v1/defaults.go.
    pub fn default_pull_policy(&self) -> &'static str {
        if self.effective_tag() == Some("latest") { "Always" } else { "IfNotPresent" }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn is_registry(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
}

/// Lower-case letters and digits, joined by one `.`, one or two `_`, or any number of `-`.
fn is_path_component(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = bytes.first().is_some_and(|b| alphanumeric(*b))
        && bytes.last().is_some_and(|b| alphanumeric(*b));
    let separators_fit = bytes
        .split(|b| alphanumeric(*b))
        .all(|run| matches!(run, b"" | b"." | b"_" | b"__") || run.iter().all(|b| *b == b'-'));
    ends && separators_fit
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let mut bytes = text.bytes();
    text.len() <= 128
        && bytes.next().is_some_and(word)
        && bytes.all(|b| word(b) || b == b'.' || b == b'-')
}

fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty()
            && algorithm.bytes().all(|b| b.is_ascii_alphanumeric() || b"+._-".contains(&b))
            && hex.len() >= 32
            && hex.bytes().all(|b| b.is_ascii_hexdigit())
            && (algorithm != "sha256" || hex.len() == 64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn near_misses() {
        let known = ["GOMEMLIMIT", "GOMAXPROCS", "GOGC", "GODEBUG"];
        for (written, meant) in [
            ("GO_MEMLIMIT", Some("GOMEMLIMIT")),
            ("GOMAXPROC", Some("GOMAXPROCS")),
            ("GOMAXPORCS", Some("GOMAXPROCS")),
            ("GODEBUG", Some("GODEBUG")),
            ("GO", None),
            ("PATH", None),
        ] {
            assert_eq!(nearest(written, known, 2), meant, "{written}");
        }
        assert_eq!(distance("ab", "ba", 1), Some(1));
        assert_eq!(distance("kitten", "sitting", 2), None);
        assert_eq!(distance("kitten", "sitting", 3), Some(3));
        assert_eq!(distance(&"a".repeat(1000), &"b".repeat(1000), 2), None);
    }

    #[test]
    fn a_slip_is_a_letter_inside_of_a_word() {
        for (a, b) in [
            ("shop-tls", "shop-tsl"),
            ("http-proxy", "htpt-proxy"),
            ("checkout", "chekout"),
            ("checkout", "hceckout"),
            ("checkout-config", "checkout-cofnig"),
            ("checkout-config", "checkoutconfig"),
            ("checkout-v2", "chekout-v2"),
            ("payments", "payment"),
            ("checkout", "checkoit"),
            ("configuration", "confguraton"),
            ("LOG_LEVL", "LOG_LEVEL"),
            ("shop.checkout", "shop.chekout"),
        ] {
            assert!(is_slip(a, b), "{a} {b}");
        }
    }

    #[test]
    fn two_names_are_no_slip() {
        for (a, b) in [
            ("shop-tls", "shop-lts"),
            ("form-a", "from-a"),
            ("shop-tls", "shop-ttl"),
            ("checkout", "checkout"),
            ("api", "api2"),
            ("api-1", "api-2"),
            ("checkout", "checkout2"),
            ("checkout1", "checkout2"),
            ("redis-a", "redis-b"),
            ("checkout-a", "checkout-b"),
            ("v1.backend", "v2.backend"),
            ("checkout", "checkout-dev"),
            ("checkout-dev", "checkout-prd"),
            ("prod-checkout", "prep-checkout"),
            ("eu-west-checkout", "us-west-checkout"),
            ("checkout-east", "checkout-west"),
            ("orders-north", "orders-south"),
            ("orders-api", "orders-ape"),
            ("reader", "leader"),
            ("loader", "leader"),
            ("serve", "server"),
            ("jobs-scheduler", "jobs-scheduled"),
            ("internal", "external"),
            ("increase", "decrease"),
            ("upload", "unload"),
            ("cart", "card"),
            ("checkout-read", "checkout-write"),
            ("a-b", "ab"),
            ("", "checkout"),
        ] {
            assert!(!is_slip(a, b), "{a} {b}");
            assert!(!is_slip(b, a), "{b} {a}");
        }
    }

    #[test]
    fn of_two_that_may_be_meant_none_is() {
        assert_eq!(meant("chekout", ["checkout", "orders"]), Some("checkout"));
        assert_eq!(meant("chekout", ["checkout", "checkout"]), Some("checkout"));
        assert_eq!(meant("paymnts", ["payments", "paymants"]), None);
        assert_eq!(meant("chekout", ["orders"]), None);
    }

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_reference_is_normalised() {
        for (text, normal, tag) in [
            ("nginx", "docker.io/library/nginx", Some("latest")),
            ("nginx:1.29", "docker.io/library/nginx:1.29", Some("1.29")),
            ("envoyproxy/envoy", "docker.io/envoyproxy/envoy", Some("latest")),
            ("index.docker.io/nginx", "docker.io/library/nginx", Some("latest")),
            ("localhost/app", "localhost/app", Some("latest")),
            ("reg:5000/team/app:v1", "reg:5000/team/app:v1", Some("v1")),
            (
                "gcr.io/distroless/static-debian12:nonroot",
                "gcr.io/distroless/static-debian12:nonroot",
                Some("nonroot"),
            ),
        ] {
            let image = ImageRef::parse(text).unwrap_or_else(|_| panic!("{text}"));
            assert_eq!((image.to_string().as_str(), image.effective_tag()), (normal, tag));
            assert_eq!(ImageRef::parse(normal), Ok(image), "normal forms are their own");
        }
        let image = ImageRef::parse("ghcr.io/acme/shop:1").unwrap();
        assert_eq!(
            (image.registry(), image.parent(), image.base_name()),
            ("ghcr.io", "ghcr.io/acme", "shop")
        );
        let by_digest = ImageRef::parse(&format!("nginx@{DIGEST}")).unwrap();
        assert_eq!(
            (by_digest.effective_tag(), by_digest.default_pull_policy()),
            (None, "IfNotPresent")
        );
        for text in [
            "",
            "Nginx",
            "a//b",
            "a:",
            "a:b:c",
            "a@sha256:1",
            "{{ .Values.image }}",
            "a/-b",
            "${IMG}",
            "a b",
            "a_.b",
        ] {
            assert_eq!(ImageRef::parse(text), Err(InvalidImageRef), "{text:?}");
        }
    }

    #[test]
    fn equal_references() {
        let same =
            |a: &str, b: &str| ImageRef::parse(a).unwrap().same_image(&ImageRef::parse(b).unwrap());
        assert!(same("nginx", "docker.io/library/nginx:latest"));
        assert!(!same("nginx:1.28", "nginx:1.29"));
        assert!(same(&format!("a/b:v1@{DIGEST}"), "a/b:v1"));
        assert!(same(&format!("a/b:v1@{DIGEST}"), &format!("a/b@{DIGEST}")));
        assert!(!same(&format!("a/b@{DIGEST}"), "a/b:v1"));
        assert!(!same("ghcr.io/a/b:v1", "a/b:v1"));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "[a-z0-9:/@._A-Z{}-]{0,40}") {
            if let Ok(image) = ImageRef::parse(&text) {
                prop_assert_eq!(ImageRef::parse(&image.to_string()), Ok(image));
            }
        }

        #[test]
        fn slips_are_symmetric(a in "[abé1-]{0,12}", b in "[abé1-]{0,12}") {
            prop_assert_eq!(is_slip(&a, &b), is_slip(&b, &a));
        }

        #[test]
        fn distance_is_symmetric(a in "[abc]{0,8}", b in "[abc]{0,8}") {
            prop_assert_eq!(distance(&a, &b, 8), distance(&b, &a, 8));
        }
    }
}
