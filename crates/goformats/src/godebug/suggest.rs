//! Did you mean: the known key nearest to a misspelt one.

use super::{Lookup, Release, keys, lookup};

/// Longer words are no misspelt key, and the comparison costs their length.
const LONGEST: usize = 64;

/// The key of `release` that `name` was probably meant to be: equal without case, spaces, `_` and
/// `-`; or a longer or shorter form of it (`gcshrinkstack` for `gcshrinkstackoff`); or at most two
/// letters away.
pub fn suggest(name: &str, release: Release) -> Option<&'static str> {
    let plain: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | '.') && !c.is_whitespace())
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if plain.len() < 3 || plain.len() > LONGEST {
        return None;
    }
    keys()
        .iter()
        .filter(|key| !key.undocumented && matches!(lookup(key.name, release), Lookup::Known(_)))
        .filter_map(|key| rank(&plain, key.name).map(|rank| (rank, key.name)))
        .min()
        .map(|(_, name)| name)
}

/// Smaller is nearer; `None` is too far.
fn rank(plain: &str, key: &str) -> Option<usize> {
    if plain == key {
        return Some(0);
    }
    // Short words are two letters away from half the dictionary.
    let allowed = if plain.len() < 6 { 1 } else { 2 };
    let distance = distance(plain.as_bytes(), key.as_bytes());
    if distance <= allowed {
        return Some(distance);
    }
    let prefix = plain.len() >= 6 && (key.starts_with(plain) || plain.starts_with(key));
    prefix.then(|| 3 + plain.len().abs_diff(key.len()))
}

/// Damerau-Levenshtein distance where no letter is moved twice (optimal string alignment).
pub(crate) fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, &y) in b.iter().enumerate() {
            let change = last[j] + usize::from(x != y);
            row[j + 1] = change.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
