//! A dynamic program in an image that lacks its libraries.

use std::collections::{BTreeSet, VecDeque};

use crate::case::ProgramCase;
use crate::case::image::unread;
use crate::facts::Fact;
use crate::facts::binary::Binary;
use crate::facts::build::Libc;
use crate::facts::image::Image;
use crate::facts::image_files::FileKind;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const TOO_NEW: Variant = Variant::new(
    "glibc-symbol-too-new",
    Level::Deny,
    "built with a newer glibc than the image has",
);

/// The loader ends the program before its first instruction.
pub static RULE: Rule = Rule {
    id: "unresolvable-shared-library",
    group: Group::Binary,
    level: Level::Deny,
    title: "a dynamic program in an image that lacks one of its libraries",
    page: include_str!("unresolvable-shared-library.md"),
    needs: &[Need::Image],
    variants: &[TOO_NEW],
    after: &["unresolvable-interpreter"],
    check: Check::Program(check),
    ..Rule::BASE
};

fn check(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    let binary = case.binary;
    if binary.needed.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let view = case.image();
    let image = view.and_then(|view| view.image());
    let image = image
        .ok_or_else(|| Abstain::unknown(Reason::NoImage, "the libraries of the program's image"))?;
    let libc = image.libc();
    // What is looked for: the name, the DT_NEEDED of the program that leads to it, the library that
    // asks for it, and where the loader looks.
    let own = search_dirs(binary, image, libc);
    let mut open: VecDeque<Search<'_>> = binary
        .needed
        .iter()
        .map(|needed| Search { name: &needed.value, needed, by: None, dirs: own.clone() })
        .collect();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    // Breadth first, as the loader goes.
    while let Some(search) = open.pop_front() {
        let name = search.name;
        if !seen.insert(name) || (libc == Libc::Musl && is_of_musl(name)) || is_loader(name) {
            continue;
        }
        let path_itself = name.contains('/').then(|| name.to_owned());
        let in_dirs = search.dirs.iter().map(|dir| format!("{dir}/{name}"));
        let found = path_itself.into_iter().chain(in_dirs).find_map(|path| file(image, &path));
        match found {
            Some(path) => {
                let Some((path, library)) = image.libraries.get_key_value(&path) else {
                    let what = format!("which libraries {path} needs in turn");
                    out.abstain(Abstain::unknown(Reason::LimitReached, what));
                    continue;
                };
                let mut dirs = named(library.runpath.as_deref().unwrap_or_default(), path);
                dirs.extend(own.iter().cloned());
                open.extend(library.needed.iter().map(|name| Search {
                    name,
                    needed: search.needed,
                    by: Some(path),
                    dirs: dirs.clone(),
                }));
            }
            None => missing(image, &search, out),
        }
    }
    glibc(binary, image, libc, out);
    Ok(())
}

/// The version of glibc that the program asks for, against that of the image's own libc.so.6.
fn glibc(binary: &Binary, image: &Image, libc: Libc, out: &mut Findings) {
    let (Some(wanted), Libc::Glibc(Some(has))) = (&binary.glibc, libc) else { return };
    if wanted.value <= has {
        return;
    }
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the program wants glibc 2.{} and the image has 2.{has}: the loader ends it with \
             `version 'GLIBC_2.{}' not found`",
            wanted.value, wanted.value
        ),
        &wanted.origin,
        format!("wants GLIBC_2.{}", wanted.value),
    )
    .variant(&RULE.variants[0]);
    let place = image.libc_file.as_ref().map_or(image.origin.clone(), |path| image.file(path));
    finding = finding.also(&place, format!("is glibc 2.{has}"));
    if let Some(entrypoint) = &image.config.entrypoint {
        finding = finding.also(&entrypoint.origin, "starts it");
    }
    out.push(finding.fix(Fix::suggest(
        "take builder and final image from the same release of the distribution, or build with \
         CGO_ENABLED=0",
    )));
}

/// One library that the loader looks for.
struct Search<'w> {
    name: &'w str,
    needed: &'w Fact<String>,
    by: Option<&'w str>,
    dirs: Vec<String>,
}

fn missing(image: &Image, search: &Search<'_>, out: &mut Findings) {
    let name = search.name;
    // What the lists in /etc name cannot be told, unless there is no such file anywhere.
    let elsewhere = image
        .files
        .iter()
        .find(|(path, file)| file.kind != FileKind::Dir && path.rsplit('/').next() == Some(name));
    if let Some((path, _)) = elsewhere {
        let what = format!("whether the loader's configuration names the folder of {path}");
        out.abstain(Abstain::unknown(Reason::LimitReached, what));
        return;
    }
    if !image.complete {
        let what = format!("whether {} has {name}", image.path);
        out.abstain(Abstain::unknown(unread(image), what));
        return;
    }
    let through = search.by.map_or(String::new(), |by| format!(" by {by}"));
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the program needs {name}{through}, which is not in the image: the loader ends it with \
             `error while loading shared libraries`"
        ),
        &search.needed.origin,
        format!("needs {}", search.needed.value),
    );
    if let Some(by) = search.by {
        finding = finding.also(&image.file(by), format!("needs {name}"));
    }
    finding = finding.also(&image.origin, "has no file of that name");
    if let Some(entrypoint) = &image.config.entrypoint {
        finding = finding.also(&entrypoint.origin, "starts it");
    }
    out.push(finding.note(format!("looked for in {}", search.dirs.join(", "))).fix(Fix::suggest(
        "build with CGO_ENABLED=0, or install the package that brings it in the final image",
    )));
}

fn file(image: &Image, path: &str) -> Option<String> {
    let (at, file) = image.files.lookup(path)?;
    (file.kind == FileKind::File).then_some(at)
}

/// The loader itself, which glibc's libraries name too, and which is there or nothing runs.
fn is_loader(name: &str) -> bool {
    name.starts_with("ld-linux") || name.starts_with("ld-musl") || name.starts_with("ld64.so")
}

/// The folders of an RPATH, RUNPATH or LD_LIBRARY_PATH of a file.
fn named(list: &str, of: &str) -> Vec<String> {
    let origin = of.rsplit_once('/').map_or("/", |(dir, _)| dir);
    let dirs = list.split(':').take(64).filter(|dir| !dir.is_empty());
    dirs.map(|dir| dir.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)).collect()
}

/// Where the loader looks, in order: ld.so(8) and `ldso/dynlink.c` of musl. `LD_LIBRARY_PATH` is
/// the image's.
fn search_dirs(binary: &Binary, image: &Image, libc: Libc) -> Vec<String> {
    let own = binary.path.rsplit_once(':').map_or(binary.path.as_str(), |(_, path)| path);
    let mut dirs = Vec::new();
    let list =
        |text: &Option<String>| text.as_deref().map(|list| named(list, own)).unwrap_or_default();
    // RPATH counts only without RUNPATH.
    if binary.runpath.is_none() {
        dirs.extend(list(&binary.rpath));
    }
    let env = image.config.env.iter().rev().find(|(name, _)| name.value == "LD_LIBRARY_PATH");
    dirs.extend(env.map(|(_, value)| named(&value.value, own)).unwrap_or_default());
    dirs.extend(list(&binary.runpath));
    let triplet = match binary.machine.as_ref().map(|m| m.value.as_str()) {
        Some("amd64") => "x86_64-linux-gnu",
        Some("arm64") => "aarch64-linux-gnu",
        Some("arm") => "arm-linux-gnueabihf",
        Some("386") => "i386-linux-gnu",
        Some("riscv64") => "riscv64-linux-gnu",
        Some("ppc64") => "powerpc64le-linux-gnu",
        Some("s390x") => "s390x-linux-gnu",
        _ => "",
    };
    let default: Vec<String> = if libc == Libc::Musl {
        ["/lib", "/usr/local/lib", "/usr/lib"].map(str::to_owned).to_vec()
    } else {
        let plain = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(str::to_owned);
        let multiarch = ["/lib", "/usr/lib"].map(|dir| format!("{dir}/{triplet}"));
        multiarch.into_iter().filter(|_| !triplet.is_empty()).chain(plain).collect()
    };
    dirs.extend(default);
    dirs.iter_mut().for_each(|dir| dir.truncate(dir.trim_end_matches('/').len()));
    dirs
}

/// Names that musl takes for itself (`load_library` in ldso/dynlink.c).
fn is_of_musl(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("lib") else { return false };
    ["c.", "pthread.", "rt.", "m.", "dl.", "util.", "xnet."].iter().any(|own| rest.starts_with(own))
}
