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

use super::paths::{PathIn, path_in};
use super::{GoString, Owner, Strings, arm64};
use crate::elf::Machine;
use crate::pclntab::package_of;

/// The newest minor version whose compiler was read for the table above.
const NEWEST_COMPILER: u16 = 27;
/// From here on compilers fuse comparisons that differ in one bit.
const FUSES_SINGLE_BITS: u16 = 26;
/// No compiler puts longer comparisons into immediates.
const LONGEST_INLINE: usize = 32;
/// Occurrences of a text or of its first piece that are looked at.
const OCCURRENCES: usize = 100_000;
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
    /// A longer path, or a text about it, holds the path.
    Longer(&'s GoString<'a>),
    /// Code compares with the beginning of the path, and may ask for no more (`strings.HasPrefix`).
    Begun {
        /// An instruction of the comparison.
        at: u64,
    },
    /// A constant with placeholders, or one that stands for all paths below it, matches it.
    Matched(&'s GoString<'a>),
}

impl<'a> Strings<'a> {
    /// Says whether `text` is in the program.
    ///
    /// What is outside of the program (environment, arguments, files beside it) is not looked at; nor can a
    /// program be seen through whose literals were obfuscated.
    pub fn find(&self, text: &str) -> Presence<'_, 'a> {
        self.look_for(text, false)
    }

    /// Whether the text is in the program: by itself, or as a part of others. A part of a constant is one of a path
    /// where the constant holds it as such.
    pub(super) fn look_for(&self, text: &str, is_path: bool) -> Presence<'_, 'a> {
        if text.len() < 2 {
            return Presence::Unknown(Doubt::TooShort);
        }
        let data = self.in_data(text, is_path);
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
            if is_path && let Some(at) = self.begun(text) {
                return Presence::Unknown(Doubt::Begun { at });
            }
        }
        Presence::Absent
    }

    fn in_data(&self, text: &str, is_path: bool) -> Presence<'_, 'a> {
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
                            match path_in(string.text, text) {
                                _ if !is_path => {}
                                PathIn::Served => {}
                                PathIn::Longer => {
                                    doubt.get_or_insert(Doubt::Longer(string));
                                    continue;
                                }
                                PathIn::Not => continue,
                            }
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

    pub(super) fn around(&self, address: u64, len: u64) -> Around {
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

    pub(super) fn string_at(&self, address: u64) -> Option<&GoString<'a>> {
        let index = self.list.binary_search_by_key(&address, |s| s.address).ok()?;
        self.list.get(index)
    }

    /// Whether code compares with the text, or could.
    fn in_code(&self, text: &str) -> Presence<'_, 'a> {
        self.in_code_but(text, None)
    }

    /// The same, but for the code of one owner.
    pub(super) fn in_code_but(&self, text: &str, but: Option<Owner>) -> Presence<'_, 'a> {
        let mut compared = self.inline_texts().iter().filter(|t| Some(t.owner) != but);
        if let Some(found) = compared.find(|t| t.text == text) {
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
            if but.is_some() && but == self.owner_at(at) {
                continue;
            }
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

    /// Whose the code at an address is.
    fn owner_at(&self, address: u64) -> Option<Owner> {
        let package = package_of(self.functions.function_at(address)?.name)?;
        Some(self.owners.of_package(package))
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
}

pub(super) enum Around {
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

#[cfg(test)]
mod tests {
    use super::*;

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
