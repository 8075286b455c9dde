//! Who calls a function.

use super::{Owner, Strings};
use crate::elf::Machine;
use crate::pclntab::package_of;

impl Strings<'_> {
    /// Whether code other than the standard library's calls the function of that full name, by its address. One pass over
    /// that code.
    pub fn calls(&self, name: &str) -> bool {
        let Some(callee) = self.functions.functions().find(|f| f.name == name) else {
            return false;
        };
        self.functions.functions().any(|function| {
            let package = package_of(function.name);
            if package.is_some_and(|package| self.owners.of_package(package) == Owner::Std) {
                return false;
            }
            let end = function.address.saturating_add(function.size);
            let Some(code) = self.image.code_at(function.address..end) else { return false };
            match self.machine {
                Machine::Amd64 => amd64(code, function.address, callee.address),
                _ => arm64(code, function.address, callee.address),
            }
        })
    }
}

/// Whether some bytes are a CALL of that address; bytes of other instructions may be taken for one.
fn amd64(code: &[u8], entry: u64, callee: u64) -> bool {
    memchr::memchr_iter(0xe8, code).any(|at| {
        let Some(&distance) = code.get(at + 1..).and_then(|rest| rest.first_chunk()) else {
            return false;
        };
        let next = entry.wrapping_add(at as u64 + 5);
        next.wrapping_add_signed(i32::from_le_bytes(distance).into()) == callee
    })
}

/// Whether there is a BL to that address.
fn arm64(code: &[u8], entry: u64, callee: u64) -> bool {
    code.chunks_exact(4).enumerate().any(|(index, word)| {
        let word = word.first_chunk().map_or(0, |&w| u32::from_le_bytes(w));
        let distance = i64::from((word << 6) as i32 >> 6) * 4;
        word >> 26 == 0x25
            && entry.wrapping_add(4 * index as u64).wrapping_add_signed(distance) == callee
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_by_address() {
        // NOP; CALL 0x2000
        let code = b"\x90\xe8\xfa\x0f\0\0";
        assert!(amd64(code, 0x1000, 0x2000));
        assert!(!amd64(code, 0x1000, 0x2001) && !amd64(&code[..5], 0x1000, 0x2000));
        // BL forward and backward by four bytes
        assert!(arm64(&0x9400_0001u32.to_le_bytes(), 0x1000, 0x1004));
        assert!(arm64(&0x97ff_ffffu32.to_le_bytes(), 0x1000, 0xffc));
        assert!(!arm64(&0x1400_0001u32.to_le_bytes(), 0x1000, 0x1004), "B");
    }
}
