//! The encoding of Protocol Buffers, as much as reading takes. A decoder that makes a value for every
//! message would let two bytes of a hostile one become two hundred; this one walks over them, and whoever
//! calls keeps what is wanted.

/// What is no encoding of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'b> {
    /// int32, int64, uint64, bool, enum
    Varint(u64),
    /// fixed64, double
    Fixed64(u64),
    /// fixed32, float
    Fixed32(u32),
    /// string, bytes, a message, packed numbers
    Bytes(&'b [u8]),
}

impl<'b> Value<'b> {
    /// The bytes of a field that has some.
    ///
    /// # Errors
    /// When it is a number.
    pub fn bytes(self) -> Result<&'b [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed),
        }
    }

    /// The number of a varint.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn number(self) -> Result<u64, Malformed> {
        match self {
            Self::Varint(number) => Ok(number),
            _ => Err(Malformed),
        }
    }
}

/// The fields of a message, in order.
#[derive(Clone, Debug)]
pub struct Fields<'b> {
    rest: &'b [u8],
}

impl<'b> Fields<'b> {
    /// Of that message.
    pub fn of(message: &'b [u8]) -> Self {
        Self { rest: message }
    }

    /// A message that stands behind its length, as several of them do in one stream; nothing at the end.
    ///
    /// # Errors
    /// When it is cut, or its length is none.
    pub fn delimited(&mut self) -> Result<Option<&'b [u8]>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
        self.take(length).map(Some)
    }

    /// A number among packed ones; nothing at the end.
    ///
    /// # Errors
    /// When it is cut.
    pub fn packed_number(&mut self) -> Result<Option<u64>, Malformed> {
        if self.rest.is_empty() { Ok(None) } else { self.varint().map(Some) }
    }

    /// Bytes that were not read yet.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for (place, &byte) in self.rest.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                self.rest = self.rest.get(place + 1..).unwrap_or_default();
                // The tenth byte has room for one bit.
                return if place == 9 && byte > 1 { Err(Malformed) } else { Ok(number) };
            }
        }
        Err(Malformed)
    }

    fn field(&mut self) -> Result<(u32, Value<'b>), Malformed> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| Malformed)?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(array(self.take(8)?)?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(array(self.take(4)?)?)),
            // Groups were given up before any of the formats that are read here began.
            _ => return Err(Malformed),
        };
        if number == 0 { Err(Malformed) } else { Ok((number, value)) }
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = Result<(u32, Value<'b>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_order_and_unknown_ones_too() {
        // 1: 150, 2: "testing" (the examples of the encoding's own page), 3: fixed32, 4: fixed64
        let mut bytes = vec![0x08, 0x96, 0x01, 0x12, 0x07];
        bytes.extend(b"testing");
        bytes.extend([0x1d, 1, 0, 0, 0, 0x21, 2, 0, 0, 0, 0, 0, 0, 0]);
        let read: Result<Vec<_>, _> = Fields::of(&bytes).collect();
        let expected = vec![
            (1, Value::Varint(150)),
            (2, Value::Bytes(b"testing")),
            (3, Value::Fixed32(1)),
            (4, Value::Fixed64(2)),
        ];
        assert_eq!(read, Ok(expected));
        // Cut between fields it is a shorter message, elsewhere none.
        let whole = [0, 3, 12, 17];
        for cut in 0..bytes.len() {
            let read: Result<Vec<_>, _> = Fields::of(&bytes[..cut]).collect();
            assert_eq!(read.is_ok(), whole.contains(&cut), "at {cut}");
        }
    }

    #[test]
    fn messages_behind_their_lengths_are_taken_one_by_one() {
        let mut stream = Fields::of(&[2, 0x08, 1, 0, 1]);
        assert_eq!(stream.delimited(), Ok(Some(&[0x08, 1][..])));
        assert_eq!((stream.delimited(), stream.left()), (Ok(Some(&[][..])), 1));
        assert_eq!(stream.delimited(), Err(Malformed));
        assert_eq!(Fields::of(&[]).delimited(), Ok(None));
    }

    #[test]
    fn numbers_have_ten_bytes_at_most_and_lengths_are_not_believed() {
        fn of(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Malformed> {
            Fields::of(bytes).collect()
        }
        let mut most = vec![0x08];
        most.extend([0xff; 9]);
        assert_eq!(of(&[&most[..], &[1]].concat()), Ok(vec![(1, Value::Varint(u64::MAX))]));
        assert_eq!(of(&[&most[..], &[2]].concat()), Err(Malformed));
        assert_eq!(
            of(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            Err(Malformed)
        );
        assert_eq!(of(&[0x00]), Err(Malformed));
        assert_eq!(of(&[0x0b]), Err(Malformed));
    }
}
