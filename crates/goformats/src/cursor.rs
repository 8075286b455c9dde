//! The one bounds-checked reader of binary formats.
//!
//! Everything that reads bytes of an input goes through here, so that "cannot read outside, cannot overflow" is
//! decided in one file.

use std::ops::Range;

/// A read that the input is too short for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} bytes wanted at offset {offset:#x}, the input ends at {end:#x}")]
pub struct OutOfBounds {
    /// Where the read would have started, from the start of the cursor's bytes.
    pub offset: u64,
    /// How many bytes were wanted.
    pub wanted: u64,
    /// The length of the cursor's bytes.
    pub end: u64,
}

/// Byte order of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endian {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Endian {
    /// The bytes of a 32-bit number in this order.
    pub fn u32_bytes(self, value: u32) -> [u8; 4] {
        match self {
            Endian::Little => value.to_le_bytes(),
            Endian::Big => value.to_be_bytes(),
        }
    }

    /// The bytes of a 64-bit number in this order.
    pub fn u64_bytes(self, value: u64) -> [u8; 8] {
        match self {
            Endian::Little => value.to_le_bytes(),
            Endian::Big => value.to_be_bytes(),
        }
    }
}

/// Size of a pointer of the program that wrote the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PtrSize {
    /// Four bytes.
    Four,
    /// Eight bytes.
    Eight,
}

impl PtrSize {
    /// The size in bytes.
    pub fn bytes(self) -> usize {
        match self {
            PtrSize::Four => 4,
            PtrSize::Eight => 8,
        }
    }
}

/// The range `offset..offset + len` if it lies inside `size` bytes; immune to overflow.
pub fn checked_range(offset: u64, len: u64, size: usize) -> Option<Range<usize>> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    (end <= size).then_some(start..end)
}

/// A position in a slice, with the byte order and pointer size of what is read.
///
/// Reading moves the position only when it succeeds.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
    endian: Endian,
    ptr_size: PtrSize,
}

impl<'a> Cursor<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8], endian: Endian, ptr_size: PtrSize) -> Self {
        Self { bytes, position: 0, endian, ptr_size }
    }

    /// The same bytes read from `offset`; an offset behind the end makes every read fail.
    pub fn at(&self, offset: u64) -> Self {
        let position =
            usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len().saturating_add(1));
        Self { position, ..*self }
    }

    /// The start of other bytes, read with the same byte order and pointer size.
    pub fn over<'b>(&self, bytes: &'b [u8]) -> Cursor<'b> {
        Cursor::new(bytes, self.endian, self.ptr_size)
    }

    /// The pointer size of what is read.
    pub fn ptr_size(&self) -> PtrSize {
        self.ptr_size
    }

    /// Where the next read starts.
    pub fn position(&self) -> usize {
        self.position
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: u64) -> Result<&'a [u8], OutOfBounds> {
        let slice = checked_range(self.position as u64, len, self.bytes.len())
            .and_then(|range| self.bytes.get(range))
            .ok_or_else(|| self.out_of_bounds(len))?;
        self.position += slice.len();
        Ok(slice)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], OutOfBounds> {
        let array =
            self.rest().first_chunk::<N>().copied().ok_or_else(|| self.out_of_bounds(N as u64))?;
        self.position += N;
        Ok(array)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, OutOfBounds> {
        Ok(self.array::<1>()?[0])
    }

    /// The next two bytes as a number.
    pub fn u16(&mut self) -> Result<u16, OutOfBounds> {
        let array = self.array()?;
        Ok(match self.endian {
            Endian::Little => u16::from_le_bytes(array),
            Endian::Big => u16::from_be_bytes(array),
        })
    }

    /// The next four bytes as a number.
    pub fn u32(&mut self) -> Result<u32, OutOfBounds> {
        let array = self.array()?;
        Ok(match self.endian {
            Endian::Little => u32::from_le_bytes(array),
            Endian::Big => u32::from_be_bytes(array),
        })
    }

    /// The next eight bytes as a number.
    pub fn u64(&mut self) -> Result<u64, OutOfBounds> {
        let array = self.array()?;
        Ok(match self.endian {
            Endian::Little => u64::from_le_bytes(array),
            Endian::Big => u64::from_be_bytes(array),
        })
    }

    /// The next pointer-sized number.
    pub fn ptr(&mut self) -> Result<u64, OutOfBounds> {
        match self.ptr_size {
            PtrSize::Four => self.u32().map(u64::from),
            PtrSize::Eight => self.u64(),
        }
    }

    /// An unsigned varint as `encoding/binary.Uvarint` reads it: at most ten bytes, at most 64 bits.
    ///
    /// `Ok(None)` is a number of more than 64 bits.
    pub fn uvarint(&mut self) -> Result<Option<u64>, OutOfBounds> {
        let mut value = 0u64;
        for (i, &byte) in self.rest().iter().take(10).enumerate() {
            let bits = u64::from(byte & 0x7f);
            if i == 9 && byte > 1 {
                return Ok(None);
            }
            value |= bits << (7 * i);
            if byte & 0x80 == 0 {
                self.position += i + 1;
                return Ok(Some(value));
            }
        }
        if self.rest().len() >= 10 {
            Ok(None)
        } else {
            Err(self.out_of_bounds(self.rest().len() as u64 + 1))
        }
    }

    /// The bytes up to the next NUL, at most `max` of them; the NUL is read too.
    pub fn c_string(&mut self, max: usize) -> Result<&'a [u8], OutOfBounds> {
        let rest = self.rest();
        let window = rest.get(..max.saturating_add(1)).unwrap_or(rest);
        let len =
            memchr::memchr(0, window).ok_or_else(|| self.out_of_bounds(window.len() as u64 + 1))?;
        self.position += len + 1;
        Ok(window.get(..len).unwrap_or_default())
    }

    fn out_of_bounds(&self, wanted: u64) -> OutOfBounds {
        OutOfBounds { offset: self.position as u64, wanted, end: self.bytes.len() as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn little(bytes: &[u8]) -> Cursor<'_> {
        Cursor::new(bytes, Endian::Little, PtrSize::Eight)
    }

    #[test]
    fn numbers_in_both_orders() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(little(&bytes).u16(), Ok(0x0201));
        assert_eq!(little(&bytes).u32(), Ok(0x0403_0201));
        assert_eq!(little(&bytes).ptr(), Ok(0x0807_0605_0403_0201));
        let mut big = Cursor::new(&bytes, Endian::Big, PtrSize::Four);
        assert_eq!(big.ptr(), Ok(0x0102_0304));
        assert_eq!(big.u16(), Ok(0x0506));
        assert_eq!(big.u8(), Ok(7));
        assert_eq!(big.position(), 7);
    }

    #[test]
    fn a_failed_read_moves_nothing() {
        let mut cursor = little(&[1, 2, 3]);
        assert_eq!(cursor.u32(), Err(OutOfBounds { offset: 0, wanted: 4, end: 3 }));
        assert_eq!(cursor.u8(), Ok(1));
        assert!(cursor.take(u64::MAX).is_err());
        assert_eq!(cursor.take(2), Ok(&[2u8, 3][..]));
        assert!(cursor.at(u64::MAX).u8().is_err());
        assert_eq!(cursor.at(u64::MAX).rest(), b"");
        assert_eq!(cursor.at(3).take(0), Ok(&[][..]));
        assert!(cursor.at(4).take(0).is_err());
    }

    #[test]
    fn varints() {
        assert_eq!(little(&[0x7f]).uvarint(), Ok(Some(127)));
        assert_eq!(little(&[0x80, 0x01]).uvarint(), Ok(Some(128)));
        let mut max = [0xff; 10];
        max[9] = 1;
        assert_eq!(little(&max).uvarint(), Ok(Some(u64::MAX)));
        max[9] = 2;
        assert_eq!(little(&max).uvarint(), Ok(None));
        assert_eq!(little(&[0x80; 12]).uvarint(), Ok(None));
        assert!(little(&[0x80, 0x80]).uvarint().is_err());
        assert!(little(&[]).uvarint().is_err());
    }

    #[test]
    fn strings_end_at_nul_and_respect_the_limit() {
        let mut cursor = little(b"ab\0cdef\0");
        assert_eq!(cursor.c_string(10), Ok(&b"ab"[..]));
        assert!(cursor.c_string(3).is_err());
        assert_eq!(cursor.c_string(4), Ok(&b"cdef"[..]));
        assert!(cursor.c_string(4).is_err());
    }
}
