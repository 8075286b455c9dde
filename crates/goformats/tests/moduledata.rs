//! The runtime's memory map in real binaries, compared with the linker's symbols for its ends.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;

use common::{for_each, output};
use goformats::limits::Limits;

#[test]
fn ranges_are_those_of_the_symbols() {
    for_each(|fixture| {
        let bytes = fixture.bytes();
        let binary = goformats::binary::read(&bytes, &Limits::DEFAULT);
        let elf = binary.elf.ok_or("no ELF header")?;
        let table = binary.functions.ok_or("no function table")?;
        // Stripping moves the data, so the symbols of the twin do not tell.
        if fixture.minor() < 16 || !elf.has_symbol_table() {
            return Ok(());
        }
        let module = table.module.as_ref().ok_or("no module table")?;
        let text = output("go", &["tool", "nm"], &fixture.path);
        let symbols: BTreeMap<&str, u64> = text
            .lines()
            .filter_map(|line| {
                let row: Vec<&str> = line.split_whitespace().collect();
                let [address, _, name] = row.as_slice() else { return None };
                Some((*name, u64::from_str_radix(address, 16).ok()?))
            })
            .collect();
        let mut ours = vec![
            ("runtime.text", module.text.start),
            ("runtime.etext", module.text.end),
            ("runtime.noptrdata", module.noptrdata.start),
            ("runtime.enoptrdata", module.noptrdata.end),
            ("runtime.data", module.data.start),
            ("runtime.edata", module.data.end),
            ("runtime.bss", module.bss.start),
            ("runtime.ebss", module.bss.end),
            ("runtime.noptrbss", module.noptrbss.start),
            ("runtime.enoptrbss", module.noptrbss.end),
            ("runtime.types", module.types.start),
            ("runtime.etypes", module.types.end),
            ("runtime.firstmoduledata", module.place.address.unwrap_or(0)),
        ];
        if fixture.minor() >= 18 {
            ours.push(("runtime.rodata", module.rodata.unwrap_or(0)));
            let gofunc = if fixture.minor() >= 20 { "go:func.*" } else { "go.func.*" };
            ours.push((gofunc, module.gofunc.unwrap_or(0)));
        }
        let mut compared = 0;
        for (name, address) in ours {
            if let Some(&theirs) = symbols.get(name) {
                compared += 1;
                if theirs != address {
                    return Err(format!("{name} is {address:#x} instead of {theirs:#x}"));
                }
            }
        }
        // External linkers drop a few of them.
        if compared < 10 { Err(format!("only {compared} symbols to compare with")) } else { Ok(()) }
    });
}
