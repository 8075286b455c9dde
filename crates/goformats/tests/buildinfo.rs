//! Build information of real binaries, compared with `go version -m`.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{for_each, output, same};
use goformats::buildinfo::Layout;
use goformats::limits::Limits;

#[test]
fn the_text_is_that_of_go_version_m() {
    for_each(|fixture| {
        let bytes = fixture.bytes();
        let binary = goformats::binary::read(&bytes, &Limits::DEFAULT);
        let build = binary.build.ok_or(format!("no build information: {:?}", binary.problems))?;
        let theirs = output("go", &["version", "-m"], &fixture.path);
        let (first, rest) = theirs.split_once('\n').unwrap();
        let version = first.rsplit_once(": ").unwrap().1;
        let theirs: Vec<String> = std::iter::once(format!("go\t{version}"))
            .chain(rest.lines().map(|line| line.strip_prefix('\t').unwrap_or(line).to_owned()))
            // Their output ends with an empty line since `String` ends each line.
            .filter(|line| !line.is_empty())
            .collect();
        let ours: Vec<String> = build.to_string().lines().map(str::to_owned).collect();
        same("lines", &ours, &theirs)
    });
}

#[test]
fn the_version_and_layout_are_those_it_was_built_with() {
    for_each(|fixture| {
        let bytes = fixture.bytes();
        let binary = goformats::binary::read(&bytes, &Limits::DEFAULT);
        let build = binary.build.ok_or("no build information")?;
        let wanted = goformats::version::GoVersion::parse(&fixture.go);
        if build.go_version != wanted {
            return Err(format!("{:?} instead of {wanted:?}", build.go_version));
        }
        let layout = if fixture.minor() < 18 { Layout::Pointers } else { Layout::Inline };
        if build.layout != layout {
            return Err(format!("{:?}", build.layout));
        }
        Ok(())
    });
}

#[test]
fn each_place_leads_to_the_line() {
    for_each(|fixture| {
        let bytes = fixture.bytes();
        let binary = goformats::binary::read(&bytes, &Limits::DEFAULT);
        let (Some(elf), Some(build)) = (&binary.elf, &binary.build) else {
            return Err("nothing".into());
        };
        let mut lines: Vec<_> =
            build.settings.iter().map(|s| (format!("build\t{}=", s.key), s.place)).collect();
        lines.extend(build.main_module.iter().map(|m| (format!("mod\t{}", m.path), m.place)));
        lines.extend(build.deps.iter().map(|m| (format!("dep\t{}", m.path), m.place)));
        lines.extend(
            build.main_package.iter().map(|(path, place)| (format!("path\t{path}"), *place)),
        );
        if lines.is_empty() {
            return Err("no lines".into());
        }
        for (start, place) in lines {
            let at = usize::try_from(place.offset).unwrap();
            let in_file =
                bytes.get(at..at + usize::try_from(place.len).unwrap()).ok_or("outside")?;
            let address = place.address.ok_or("not mapped")?;
            if !in_file.starts_with(start.as_bytes())
                || elf.bytes_at(address, place.len) != Some(in_file)
            {
                return Err(format!("{start:?} is not at {place:?}"));
            }
        }
        Ok(())
    });
}
