//! Is this text in the program?
//!
//! # What the compiler makes of a constant
//!
//! | use | amd64 | arm64 |
//! |---|---|---|
//! | passed on, stored, concatenated | text in the block | text in the block |
//! | compared (`==`, `switch`, `HasPrefix`), up to 16 bytes | immediates of 8, 4, 2 and 1 bytes | the same, by MOVZ and MOVK |
//! | compared, 17 to 32 bytes | text | immediates, the last one overlapping (since 1.26) |
//! | compared, longer | text | text |
//! | copied (`append(b, "…"...)`), up to 16 bytes | immediates, the last one overlapping | the same |
//!
//! Sources: `cmd/compile/internal/walk/compare.go` (`walkCompareString`), `ssa/_gen/generic.rules` (`memequal`, `MemEq`),
//! `AMD64.rules` and `ARM64.rules` (`Move`, loads with `symIsRO`), Go 1.18 to 1.27.
//!
//! Whatever the division, the first immediate is the longest of 8, 4 or 2 bytes that fits, taken from the text's start,
//! and all of them are in one function. On amd64 an immediate is its bytes in the code, in their order. So a text is
//! *proved absent* from the code when no function holds its first piece, or none that does holds the others. Nothing
//! weaker is called a proof. In the other direction, what looks like a comparison is called one only when the pieces
//! stand in order and the length is compared beside them.
//!
//! Since Go 1.26 two comparisons with the last piece, whose values differ in one bit, become one comparison with both
//! bits set (`ssa/fuse_comparisons.go`); the last piece is therefore looked for with one bit of tolerance.

use super::{GoString, Kind, Strings, arm64};
use crate::elf::Machine;

/// The newest minor version whose compiler was read for the table above.
const NEWEST_COMPILER: u16 = 27;
/// From here on compilers fuse comparisons that differ in one bit.
const FUSES_SINGLE_BITS: u16 = 26;
/// No compiler puts longer comparisons into immediates.
const LONGEST_INLINE: usize = 32;
/// Occurrences of a text or of its first piece that are looked at.
const OCCURRENCES: usize = 100_000;
/// Segments of a path that are put together in all ways.
const SEGMENTS: usize = 12;
/// How far from each other the pieces of one comparison stand.
const NEAR: u64 = 128;

/// Whether a text is in a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence<'s, 'a> {
    /// It is there.
    Present(Where<'s, 'a>),
    /// It is proved that neither the text nor parts that make it up are in the file.
    Absent,
    /// Neither.
    Unknown(Doubt<'s, 'a>),
}

/// Where a text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where<'s, 'a> {
    /// It is a constant.
    Constant(&'s GoString<'a>),
    /// It is a part of a constant.
    Inside(&'s GoString<'a>),
    /// It stands in other data: an embedded file, a C string, a value set by the linker.
    Data {
        /// Address of its first byte.
        address: u64,
    },
    /// Code compares with it.
    Compared {
        /// An instruction of the comparison.
        at: u64,
    },
}

/// Why it is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt<'s, 'a> {
    /// One or two bytes, or none: they are found in every program.
    TooShort,
    /// Too many occurrences of its beginning to look at, or more strings than a limit allows.
    TooMany,
    /// A byte is not ASCII, which the search in code does not cover.
    NotAscii,
    /// The compiler is newer than those whose code is understood, or not known; its minor version.
    Compiler(Option<u16>),
    /// The bytes are there, where constants are not told apart with certainty, or in the name of a type.
    Unclear {
        /// Address of the first byte.
        address: u64,
    },
    /// A function holds immediates that could be a comparison with it.
    MaybeCompared {
        /// Address of the first one.
        at: u64,
    },
    /// Constants and compared texts make it up when joined; the parts in order.
    Composed(Vec<String>),
    /// A constant with placeholders, or one that stands for all paths below it, matches it.
    Matched(&'s GoString<'a>),
}

impl<'a> Strings<'a> {
    /// Says whether `text` is in the program.
    ///
    /// What is outside of the program (environment, arguments, files beside it) is not looked at; nor can a
    /// program be seen through whose literals were obfuscated.
    pub fn find(&self, text: &str) -> Presence<'_, 'a> {
        if text.len() < 2 {
            return Presence::Unknown(Doubt::TooShort);
        }
        let data = self.in_data(text);
        if let Presence::Present(Where::Constant(_)) = data {
            return data;
        }
        // A comparison with the text says more than its being part of some other text.
        let code = self.in_code(text);
        match (&data, &code) {
            (_, Presence::Present(_)) => return code,
            (Presence::Present(_), _) | (Presence::Unknown(_), Presence::Absent) => return data,
            (_, Presence::Unknown(_)) => return code,
            (Presence::Absent, Presence::Absent) => {}
        }
        if self.limited {
            return Presence::Unknown(Doubt::TooMany);
        }
        if text.starts_with('/') {
            if let Some(pattern) = self.matching_pattern(text) {
                return Presence::Unknown(Doubt::Matched(pattern));
            }
            if let Some(parts) = self.composed(text) {
                return Presence::Unknown(Doubt::Composed(parts));
            }
        }
        Presence::Absent
    }

    /// Paths that the program knows: whole constants that are paths or patterns and not of the standard library, and
    /// compared texts that start with a slash.
    pub fn paths(&self) -> Vec<&str> {
        let constants = self.iter().filter(|s| s.owner != super::Owner::Std);
        let mut paths: Vec<&str> = constants
            .filter_map(|s| match s.kind() {
                Kind::Path => Some(s.text),
                Kind::Pattern { path, .. } => path.find('/').and_then(|at| path.get(at..)),
                _ => None,
            })
            .chain(
                self.inline_texts()
                    .iter()
                    .filter(|t| t.owner != super::Owner::Std && t.text.starts_with('/'))
                    .map(|t| t.text.as_str()),
            )
            .collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    fn in_data(&self, text: &str) -> Presence<'_, 'a> {
        let finder = memchr::memmem::Finder::new(text.as_bytes());
        let len = text.len() as u64;
        let types = self.functions.module.as_ref().map(|m| m.types.clone());
        let mut doubt = None;
        let mut best: Option<&GoString<'a>> = None;
        let mut elsewhere = None;
        let mut seen = 0;
        for area in self.image.data() {
            for at in finder.find_iter(area.bytes) {
                seen += 1;
                if seen > OCCURRENCES {
                    doubt = Some(Doubt::TooMany);
                    break;
                }
                let address = area.address + at as u64;
                match self.around(address, len) {
                    Around::Inside(piece) => match self.string_at(piece) {
                        Some(string) if string.text.len() == text.len() => {
                            return Presence::Present(Where::Constant(string));
                        }
                        Some(string) => {
                            if best.is_none_or(|b| super::owner::outranks(string.owner, b.owner)) {
                                best = Some(string);
                            }
                        }
                        None => doubt = Some(Doubt::Unclear { address }),
                    },
                    // The end of one constant and the start of the next: nobody's text.
                    Around::Across => {}
                    Around::Undivided => doubt = Some(Doubt::Unclear { address }),
                    Around::Outside => {
                        // Names and tags of types are text, too; up to Go 1.25 `types` spans all read-only data.
                        let name = types.as_ref().is_some_and(|t| t.contains(&address));
                        if name || text.len() < 4 {
                            doubt = Some(Doubt::Unclear { address });
                        } else {
                            elsewhere = Some(address);
                        }
                    }
                }
            }
        }
        match (best, elsewhere, doubt) {
            (Some(string), ..) => Presence::Present(Where::Inside(string)),
            (_, Some(address), _) => Presence::Present(Where::Data { address }),
            (.., Some(doubt)) => Presence::Unknown(doubt),
            _ => Presence::Absent,
        }
    }

    fn around(&self, address: u64, len: u64) -> Around {
        let end = address.saturating_add(len);
        let after = self.pieces.partition_point(|p| p.address <= address);
        let mut index = after.saturating_sub(1);
        let mut at = match self.pieces.get(index) {
            Some(piece) if after > 0 && address < piece.end() => {
                if end <= piece.end() {
                    return Around::Inside(piece.address);
                }
                piece.end()
            }
            _ => {
                let inside = self.bounds.start < end && address < self.bounds.end;
                return if inside { Around::Undivided } else { Around::Outside };
            }
        };
        while at < end {
            index += 1;
            match self.pieces.get(index) {
                Some(piece) if piece.address == at => at = piece.end(),
                _ => return Around::Undivided,
            }
        }
        Around::Across
    }

    fn string_at(&self, address: u64) -> Option<&GoString<'a>> {
        let index = self.list.binary_search_by_key(&address, |s| s.address).ok()?;
        self.list.get(index)
    }

    /// Whether code compares with the text, or could.
    fn in_code(&self, text: &str) -> Presence<'_, 'a> {
        if let Some(found) = self.inline_texts().iter().find(|t| t.text == text) {
            return Presence::Present(Where::Compared { at: found.at });
        }
        if text.len() > LONGEST_INLINE {
            return Presence::Absent;
        }
        if !text.is_ascii() {
            return Presence::Unknown(Doubt::NotAscii);
        }
        if text.len() < 3 {
            return Presence::Unknown(Doubt::TooShort);
        }
        if self.minor.is_none_or(|minor| minor > NEWEST_COMPILER) {
            return Presence::Unknown(Doubt::Compiler(self.minor));
        }
        let text = text.as_bytes();
        let fuses = self.minor.is_some_and(|minor| minor >= FUSES_SINGLE_BITS);
        let mut places = Vec::new();
        let first = first_piece(text, fuses);
        let complete = match self.machine {
            Machine::Amd64 => self.places_amd64(&first, &mut places),
            _ => self.places_arm64(&first, &mut places),
        };
        if !complete {
            return Presence::Unknown(Doubt::TooMany);
        }
        let mut done = 0..0;
        for at in places {
            if done.contains(&at) {
                continue;
            }
            // Assembly and C have no entry; what belongs together there is near.
            done = match self.functions.function_at(at) {
                Some(function) => function.address..function.address.saturating_add(function.size),
                None => at.saturating_sub(NEAR)..at.saturating_add(2 * NEAR),
            };
            let Some(code) = self.image.code_at(done.clone()) else { continue };
            let holds = match self.machine {
                Machine::Amd64 => Immediates::Bytes(code),
                _ => Immediates::Words(arm64_constants(code)),
            };
            if divisions(text.len()).iter().any(|pieces| holds.all(text, pieces, fuses)) {
                return Presence::Unknown(Doubt::MaybeCompared { at });
            }
        }
        Presence::Absent
    }

    fn places_amd64(&self, first: &FirstPiece<'_>, places: &mut Vec<u64>) -> bool {
        for area in self.image.code() {
            for needle in &first.exact {
                for at in memchr::memmem::find_iter(area.bytes, needle) {
                    places.push(area.address + at as u64);
                    if places.len() > OCCURRENCES {
                        return false;
                    }
                }
            }
            if let Some(near) = first.nearly {
                for (at, window) in area.bytes.windows(4).enumerate() {
                    let value = window.first_chunk().map_or(0, |&w| u32::from_le_bytes(w));
                    if (value ^ near).count_ones() == 1 && value & near == near {
                        places.push(area.address + at as u64);
                        if places.len() > OCCURRENCES {
                            return false;
                        }
                    }
                }
            }
        }
        places.sort_unstable();
        true
    }

    fn places_arm64(&self, first: &FirstPiece<'_>, places: &mut Vec<u64>) -> bool {
        // A value of equal halves may be loaded by one instruction, which is not looked for.
        let masks = first.exact.iter().any(|needle| match needle.len() {
            8 => needle.first_chunk().is_some_and(|&b| arm64::is_bit_mask(u64::from_le_bytes(b))),
            4 => needle.first_chunk().is_some_and(|&b| {
                let value = u64::from(u32::from_le_bytes(b));
                arm64::is_bit_mask(value) || arm64::is_bit_mask(value << 32 | value)
            }),
            _ => false,
        });
        if masks {
            return false;
        }
        for area in self.image.code() {
            for (at, value) in arm64_constants(area.bytes) {
                let bytes = value.to_le_bytes();
                let exact = first.exact.iter().any(|n| bytes.windows(n.len()).any(|w| w == *n));
                let nearly = first.nearly.is_some_and(|near| {
                    let low = value as u32;
                    (low ^ near).count_ones() == 1 && low & near == near
                });
                if exact || nearly {
                    places.push(area.address + at);
                    if places.len() > OCCURRENCES {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// A constant that stands for the path without being equal to it.
    fn matching_pattern(&self, path: &str) -> Option<&GoString<'a>> {
        self.iter().find(|s| {
            let pattern = match s.kind() {
                Kind::Path if s.owner != super::Owner::Std => s.text,
                Kind::Pattern { path, .. } => {
                    path.get(path.find('/').unwrap_or(0)..).unwrap_or(path)
                }
                // Format strings are no paths by their look.
                Kind::Other if s.text.starts_with('/') && s.text.contains('%') => s.text,
                _ => return false,
            };
            matches(pattern, path)
        })
    }

    /// Parts that are in the program and make the path up, cut beside slashes.
    fn composed(&self, path: &str) -> Option<Vec<String>> {
        let bytes = path.as_bytes();
        let mut cuts: Vec<usize> = (1..bytes.len())
            .filter(|&i| bytes.get(i) == Some(&b'/') || bytes.get(i - 1) == Some(&b'/'))
            .collect();
        cuts.insert(0, 0);
        cuts.push(bytes.len());
        if cuts.len() > 2 * SEGMENTS {
            return Some(vec![path.to_owned()]);
        }
        // reached[i]: the cut before, on a way from the start to cut i.
        let mut reached: Vec<Option<usize>> = vec![None; cuts.len()];
        for to in 1..cuts.len() {
            for from in 0..to {
                let open = from == 0 || reached.get(from).copied().flatten().is_some();
                let whole = from == 0 && to + 1 == cuts.len();
                let (Some(&start), Some(&end)) = (cuts.get(from), cuts.get(to)) else { continue };
                let Some(part) = path.get(start..end) else { continue };
                if open && !whole && self.is_part(part) {
                    if let Some(slot) = reached.get_mut(to) {
                        *slot = Some(from);
                    }
                    break;
                }
            }
        }
        let mut parts = Vec::new();
        let mut at = cuts.len() - 1;
        while at > 0 {
            let from = reached.get(at).copied().flatten()?;
            parts.push(path.get(*cuts.get(from)?..*cuts.get(at)?)?.to_owned());
            at = from;
        }
        parts.reverse();
        Some(parts)
    }

    /// Whether a part of a path is in the program by itself.
    fn is_part(&self, part: &str) -> bool {
        if part == "/" {
            return true;
        }
        self.iter().any(|s| s.text == part) || self.in_code(part) != Presence::Absent
    }
}

enum Around {
    /// In the constant that starts at the address.
    Inside(u64),
    /// Across the border of constants, all of them certain.
    Across,
    /// Near or in what is not divided.
    Undivided,
    /// Not in the block.
    Outside,
}

/// What the code must hold at least if it compares with a text.
struct FirstPiece<'t> {
    /// Any of these bytes.
    exact: Vec<&'t [u8]>,
    /// Or this value with one more bit.
    nearly: Option<u32>,
}

fn first_piece(text: &[u8], fuses: bool) -> FirstPiece<'_> {
    let len = match text.len() {
        8.. => 8,
        4..=7 => 4,
        _ => 2,
    };
    let piece = text.get(..len).unwrap_or(text);
    // When the first piece is also the last, a bit may be set in it: in one of its halves only.
    if fuses && text.len() == 8 {
        return FirstPiece { exact: piece.chunks(4).collect(), nearly: None };
    }
    let nearly = (fuses && text.len() == 4)
        .then(|| piece.first_chunk().map_or(0, |&b| u32::from_le_bytes(b)));
    FirstPiece { exact: vec![piece], nearly }
}

/// The ways in which compilers divide a text of that length: offset and size of each piece. Single bytes are left out,
/// because every function holds every byte.
fn divisions(len: usize) -> Vec<Vec<(usize, usize)>> {
    let mut common = Vec::new();
    let mut at = 0;
    while len - at >= 8 {
        common.push((at, 8));
        at += 8;
    }
    let rest = len - at;
    let mut all = Vec::new();
    // In falling sizes.
    let mut falling = common.clone();
    let mut offset = at;
    for size in [4, 2] {
        if len - offset >= size {
            falling.push((offset, size));
            offset += size;
        }
    }
    all.push(falling);
    // The last piece overlaps the one before.
    if rest > 0 && len >= 8 {
        all.push([common.as_slice(), &[(len - 8, 8)]].concat());
        if rest <= 4 {
            all.push([common.as_slice(), &[(len - 4, 4)]].concat());
        }
    }
    if (5..8).contains(&len) {
        all.push(vec![(0, 4), (len - 4, 4)]);
    }
    all
}

/// The constants of a function.
enum Immediates<'a> {
    /// amd64: any bytes of the code.
    Bytes(&'a [u8]),
    /// arm64: what MOVZ and MOVK build.
    Words(Vec<(u64, u64)>),
}

impl Immediates<'_> {
    fn all(&self, text: &[u8], pieces: &[(usize, usize)], fuses: bool) -> bool {
        let last = pieces.len().saturating_sub(1);
        pieces.iter().enumerate().all(|(index, &(at, size))| {
            let Some(piece) = text.get(at..at + size) else { return false };
            self.holds(piece) || (fuses && index == last && self.nearly_holds(piece))
        })
    }

    fn holds(&self, piece: &[u8]) -> bool {
        match self {
            Immediates::Bytes(code) => memchr::memmem::find(code, piece).is_some(),
            Immediates::Words(words) => {
                let may_be_mask = piece.iter().all(|b| Some(b) == piece.first());
                may_be_mask
                    || words.iter().any(|(_, value)| {
                        value.to_le_bytes().windows(piece.len()).any(|w| w == piece)
                    })
            }
        }
    }

    /// With one bit more.
    fn nearly_holds(&self, piece: &[u8]) -> bool {
        let near = |window: &[u8]| {
            let mut extra = 0;
            for (a, b) in window.iter().zip(piece) {
                if a & b != *b {
                    return false;
                }
                extra += (a ^ b).count_ones();
            }
            extra == 1
        };
        match self {
            Immediates::Bytes(code) => code.windows(piece.len()).any(near),
            Immediates::Words(words) => {
                words.iter().any(|(_, value)| value.to_le_bytes().windows(piece.len()).any(near))
            }
        }
    }
}

/// The values that MOVZ and MOVK build, with the offset of the MOVZ.
fn arm64_constants(code: &[u8]) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    let mut open: Option<(u64, u32, u64)> = None;
    for (index, word) in code.chunks_exact(4).enumerate() {
        let word = word.first_chunk().map_or(0, |&w| u32::from_le_bytes(w));
        if let Some((register, place, bits)) = arm64::movk(word)
            && let Some((at, open_register, value)) = open
            && register == open_register
        {
            let shift = 16 * place;
            let value = value & !(0xffff << shift) | u64::from(bits) << shift;
            open = Some((at, register, value));
            continue;
        }
        if let Some((at, _, value)) = open.take() {
            all.push((at, value));
        }
        if let Some((register, bits)) = arm64::movz(word) {
            open = Some((4 * index as u64, register, bits.into()));
        }
    }
    all.extend(open.map(|(at, _, value)| (at, value)));
    all
}

/// Whether a path pattern matches a path that is not equal to it. Placeholders: `{name}` and `:name` for a segment,
/// `{name...}`, `*` and `*name` for the rest, `%s` and its like for anything without a slash; a slash at the end for all below.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    const LONGEST: usize = 512;
    if pattern.len() > LONGEST || path.len() > LONGEST {
        return false;
    }
    let letters = |segment: &str| segment.bytes().any(|b| b.is_ascii_alphanumeric());
    let mut literal = false;
    let mut path = path.split('/');
    let mut pattern = pattern.split('/').peekable();
    let mut placeholder = false;
    while let Some(expected) = pattern.next() {
        if expected.is_empty() && pattern.peek().is_none() {
            // A trailing slash: everything below, the root excepted, which matches all paths and says nothing.
            return literal;
        }
        let rest = expected.starts_with('*')
            || (expected.starts_with('{')
                && (expected.ends_with("...}") || expected.contains(":.*")));
        if rest {
            return literal && path.next().is_some();
        }
        let Some(segment) = path.next() else { return false };
        let any = (expected.starts_with('{') && expected.ends_with('}'))
            || (expected.starts_with(':') && expected.len() > 1);
        if any {
            placeholder = true;
            if segment.is_empty() {
                return false;
            }
        } else if let Some(at) = expected.find('%') {
            placeholder = true;
            let (before, after) = expected.split_at(at);
            // The verb ends with its first letter.
            let verb = after.find(|c: char| c.is_ascii_alphabetic()).map_or(after.len(), |i| i + 1);
            let after = after.get(verb..).unwrap_or_default();
            let fits = segment.starts_with(before)
                && (after.contains('%') || segment.ends_with(after))
                && segment.len() >= before.len();
            if !fits {
                return false;
            }
            literal |= letters(before) || letters(after);
        } else if expected == segment {
            literal |= letters(segment);
        } else {
            return false;
        }
    }
    placeholder && literal && path.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path) in [
            ("/pattern/{id}", "/pattern/42"),
            ("/pattern/{id}/confirm", "/pattern/42/confirm"),
            ("/files/{path...}", "/files/a/b"),
            ("/static/", "/static/site.css"),
            ("/users/:id", "/users/7"),
            ("/assets/*filepath", "/assets/a/b/c"),
            ("/api/%s/pods", "/api/v1/pods"),
            ("/api/v%d", "/api/v1"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/", "/alive"),
            ("/%s", "/alive"),
            ("/{anything}", "/alive"),
            ("/*", "/alive"),
            ("/pattern/{id}", "/pattern/"),
            ("/pattern/{id}", "/pattern/42/confirm"),
            ("/static/", "/statics/x"),
            ("/healthz", "/healthz"),
            ("/api/v%d", "/api/x1"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    /// Every division covers the text but for single bytes, and starts with the piece that is searched for.
    #[test]
    fn divisions_cover_the_text() {
        for len in 3..=LONGEST_INLINE {
            let text: Vec<u8> = (0..len as u8).map(|i| b'A' + i).collect();
            let first = first_piece(&text, false);
            for pieces in divisions(len) {
                assert_eq!(pieces.first(), Some(&(0, first.exact[0].len())), "{len}");
                let mut end = 0;
                for (at, size) in pieces {
                    assert!(at <= end && at + size <= len, "{len}: {at} {size}");
                    end = end.max(at + size);
                }
                assert!(end + 1 >= len, "{len} ends at {end}");
            }
        }
    }

    /// `MOVD $29050, R4; MOVK $(27256<<16), R4` of Go 1.27.
    #[test]
    fn constants_of_arm64() {
        let code: Vec<u8> =
            [0xd28e2f44u32, 0xf2ad4f04, 0x6b04007f].iter().flat_map(|w| w.to_le_bytes()).collect();
        assert_eq!(arm64_constants(&code), [(0, u64::from(u32::from_le_bytes(*b"zqxj")))]);
    }

    #[test]
    fn one_bit_of_tolerance() {
        let holds = Immediates::Bytes(b"....Zealthz....");
        assert!(!holds.holds(b"Xeal"));
        assert!(!holds.nearly_holds(b"Aeal"), "bits are missing, and more than one is there");
        // 'R' | 8 == 'Z'
        assert!(holds.nearly_holds(b"Real"));
        assert!(holds.all(b"Real", &[(0, 4)], true));
        assert!(!holds.all(b"Real", &[(0, 4)], false));
    }
}
