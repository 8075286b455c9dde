//! Function tables of real binaries, compared with the symbols of the same or the unstripped program.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;

use common::{Fixture, for_each, output, same};
use goformats::limits::Limits;
use goformats::pclntab::{Presence, TableVersion};

/// Functions of the symbol table inside the Go code: address and name, without the suffix that tells calling conventions apart.
fn symbols(fixture: &Fixture, text: &std::ops::Range<u64>) -> BTreeSet<(u64, String)> {
    output("go", &["tool", "nm"], fixture.twin.as_ref().unwrap_or(&fixture.path))
        .lines()
        .filter_map(|line| {
            let line = line.trim_start();
            let (address, rest) = line.split_once(' ')?;
            let (kind, name) = rest.trim_start().split_once(' ')?;
            let address = u64::from_str_radix(address, 16).ok()?;
            let name = name.trim_start();
            let name =
                name.strip_suffix(".abi0").or(name.strip_suffix(".abiinternal")).unwrap_or(name);
            (matches!(kind, "T" | "t") && text.contains(&address)).then(|| (address, plain(name)))
        })
        .collect()
}

/// Spellings that differ between the two tables: Go 1.18 to 1.20 shorten type arguments to `[...]` in the function table
/// (`cmd/link/internal/ld/pcln.go`), and the symbol table has no middle dots.
fn plain(name: &str) -> String {
    let name = name.replace('·', ".");
    match (name.find('['), name.rfind(']')) {
        (Some(open), Some(close)) if open < close => {
            format!("{}[...]{}", &name[..open], &name[close + 1..])
        }
        _ => name,
    }
}

#[test]
fn functions_are_those_of_the_symbol_table() {
    for_each(|fixture| {
        let bytes = fixture.bytes();
        let binary = goformats::binary::read(&bytes, &Limits::DEFAULT);
        let table = binary.functions.ok_or(format!("no function table: {:?}", binary.problems))?;
        let mut ours = BTreeSet::new();
        let scan = table.for_each(|name, address| {
            ours.insert((address, plain(name)));
        });
        if !scan.is_complete() || scan.functions != table.len() {
            return Err(format!("{scan:?}"));
        }
        let last = table.functions().last().unwrap();
        let text = table.text_start()..last.address + last.size;
        let theirs = symbols(fixture, &text);
        // The linker's own labels name no function.
        let labels = [
            "runtime.text",
            "runtime.etext",
            "go:textfipsstart",
            "go:textfipsend",
            "go.buildid",
            "go:buildid",
        ];
        // Go's own linker lists the C functions of host objects, but not the labels of their sections.
        let counts = |name: &str| !labels.contains(&name) && !name.contains("(.text");
        let theirs: Vec<_> = theirs.into_iter().filter(|(_, name)| counts(name)).collect();
        let ours: Vec<_> = ours.into_iter().filter(|(_, name)| counts(name)).collect();
        same("functions", &ours, &theirs)
    });
}

#[test]
fn the_layout_is_that_of_the_version() {
    for_each(|fixture| {
        let bytes = fixture.bytes();
        let binary = goformats::binary::read(&bytes, &Limits::DEFAULT);
        let table = binary.functions.ok_or("no function table")?;
        let wanted = match fixture.minor() {
            ..16 => TableVersion::Go12,
            16..18 => TableVersion::Go116,
            18..20 => TableVersion::Go118,
            20.. => TableVersion::Go120,
        };
        if table.version != wanted || table.module.is_none() != (wanted == TableVersion::Go12) {
            return Err(format!("{:?}, module {:?}", table.version, table.module));
        }
        if binary.problems.is_empty() { Ok(()) } else { Err(format!("{:?}", binary.problems)) }
    });
}

#[test]
fn lookups_agree_with_passes() {
    for_each(|fixture| {
        let bytes = fixture.bytes();
        let binary = goformats::binary::read(&bytes, &Limits::DEFAULT);
        let table = binary.functions.ok_or("no function table")?;
        let functions: Vec<_> = table.functions().collect();
        let every = functions.iter().step_by(97);
        let wanted: Vec<&str> = every
            .clone()
            .map(|f| f.name)
            .chain(["main.main", "main.nowhere", "ain.main", "main.mai"])
            .collect();
        let lookup = table.find(&wanted);
        if !lookup.complete {
            return Err("not complete".into());
        }
        for (name, presence) in wanted.iter().zip(&lookup.found) {
            let first = functions.iter().find(|f| f.name == *name).map(|f| f.address);
            let expected = first.map_or(Presence::Absent, Presence::Linked);
            if *presence != expected || table.contains_name(name) != presence.is_present() {
                return Err(format!("{name}: {presence:?} instead of {expected:?}"));
            }
        }
        for function in every.filter(|f| f.size > 0) {
            for address in [function.address, function.address + function.size - 1] {
                if table.function_at(address).map(|f| f.address) != Some(function.address) {
                    return Err(format!("{address:#x} is not in {function:?}"));
                }
            }
        }
        // Pointer arithmetic of the runtime: inlined at every call in all versions, a name without an entry.
        let inlined = table.find(&["runtime.add"]);
        if inlined.found != [Presence::Inlined] || !table.contains_name("runtime.add") {
            return Err(format!("runtime.add is {:?}", inlined.found));
        }
        let names: BTreeSet<&str> = table.names().collect();
        if let Some(missing) = functions.iter().find(|f| !names.contains(f.name)) {
            return Err(format!("{missing:?} is not among the names"));
        }
        Ok(())
    });
}

#[test]
fn files_and_packages_are_listed() {
    for_each(|fixture| {
        let bytes = fixture.bytes();
        let binary = goformats::binary::read(&bytes, &Limits::DEFAULT);
        let table = binary.functions.ok_or("no function table")?;
        let packages = table.packages();
        for wanted in ["main", "runtime", "internal/cpu", "sync/atomic"] {
            if packages.binary_search_by(|p| p.as_str().cmp(wanted)).is_err() {
                return Err(format!("package {wanted} is missing"));
            }
        }
        let odd = packages.iter().find(|p| p.contains(['(', '[', ' ', '%']));
        if let Some(odd) = odd {
            return Err(format!("{odd:?} is no package"));
        }
        for wanted in ["/main.go", "runtime/proc.go"] {
            if !table.files().any(|f| f.ends_with(wanted)) {
                return Err(format!("no file {wanted} among {}", table.files().count()));
            }
        }
        Ok(())
    });
}
