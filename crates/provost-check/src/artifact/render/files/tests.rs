use super::*;

fn chart(files: &[(&str, &str)]) -> Chart {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    Chart::of("c.tgz", Some(files.collect()))
}

#[test]
fn charts_inside_go_by_the_names_that_are_given_them() {
    let chart = chart(&[
        (
            "Chart.yaml",
            "name: c\ndependencies:\n- {name: db, alias: main}\n- {name: db, alias: side}\n- {name: web, alias: front}\n",
        ),
        ("charts/db-1.2/Chart.yaml", "name: db\n"),
        ("charts/web/Chart.yaml", "name: web\n"),
        ("charts/web/charts/lib/Chart.yaml", "name: lib\n"),
    ]);
    let side = chart.locate("charts/side/templates/a.yaml").unwrap();
    assert_eq!(side.file, "charts/db-1.2/templates/a.yaml");
    assert_eq!(side.charts, ["side"]);
    // Both are made of it.
    assert_eq!(side.shared, 1);
    let lib = chart.locate("charts/front/charts/lib/templates/x/b.yaml").unwrap();
    assert_eq!(lib.file, "charts/web/charts/lib/templates/x/b.yaml");
    assert_eq!(lib.folders, ["", "charts/web/", "charts/web/charts/lib/"]);
    assert_eq!(lib.charts, ["front", "lib"]);
    assert_eq!(lib.shared, usize::MAX);
    assert!(lib.is_template());
    assert!(!chart.locate("crds/a.yaml").unwrap().is_template());
    // Helm calls none by these.
    assert_eq!(chart.locate("charts/db/templates/a.yaml"), None);
    assert_eq!(chart.locate("charts/web/templates/a.yaml"), None);
}

#[test]
fn packed_charts_inside_are_taken_for_what_helm_calls_them() {
    let lib = packed(&[("Chart.yaml", b"name: lib\n"), ("templates/_l.tpl", b"x")]);
    let db = packed(&[
        ("Chart.yaml", b"name: db\n"),
        ("values.yaml", b"size: 1\n"),
        ("templates/a.yaml", b"kind: A\n"),
        ("charts/lib-3.tgz", &lib),
    ]);
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("charts")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    write("Chart.yaml", b"name: c\ndependencies: [{name: db, alias: main}]\n");
    write("charts/db-1.2.tgz", &db);
    write("charts/_no.tgz", &packed(&[("Chart.yaml", b"name: no\n")]));
    write("charts/broken.tgz", b"no archive");
    let chart = Chart::open(dir.path().to_str().unwrap()).with_packed();
    let main = chart.locate("charts/main/templates/a.yaml").unwrap();
    assert_eq!(main.file, "charts/db-1.2.tgz:templates/a.yaml");
    assert!(main.is_template() && main.charts == ["main"]);
    assert_eq!(chart.read(&main.file, 100).unwrap(), b"kind: A\n");
    assert!(chart.shown(&main.file).ends_with("/charts/db-1.2.tgz:templates/a.yaml"));
    let lib = chart.locate("charts/main/charts/lib/templates/_l.tpl").unwrap();
    assert_eq!(lib.file, "charts/db-1.2.tgz:charts/lib-3.tgz:templates/_l.tpl");
    assert_eq!(chart.read(&lib.file, 100).unwrap(), b"x");
    let templates = ["charts/db-1.2.tgz:templates/a.yaml", lib.file.as_str()];
    assert_eq!(chart.templates(), templates);
    assert_eq!(chart.locate("charts/no/templates/a.yaml"), None);
    // Without being asked to, nothing is unpacked.
    let plain = Chart::open(dir.path().to_str().unwrap());
    assert_eq!(plain.locate("charts/main/templates/a.yaml"), None);
}

#[test]
fn packed_charts_inside_are_bounded_together() {
    let bytes = vec![b'a'; 3 << 20];
    let large =
        |name: &str| packed(&[("Chart.yaml", format!("name: {name}\n").as_bytes()), ("x", &bytes)]);
    let names = ["a", "b", "c"];
    let files = names.iter().map(|name| (format!("charts/{name}.tgz"), large(name)));
    let mut chart = Chart::of("c.tgz", Some(files.collect()));
    chart.inner.clear();
    chart.find_inner(Some(7 << 20));
    let there: Vec<bool> = names
        .iter()
        .map(|name| chart.locate(&format!("charts/{name}/templates/x")).is_some())
        .collect();
    assert_eq!(there, [true, true, false]);
}

#[test]
fn of_two_versions_neither_is_taken() {
    let chart =
        chart(&[("charts/a/Chart.yaml", "name: db\n"), ("charts/b/Chart.yaml", "name: db\n")]);
    assert_eq!(chart.locate("charts/db/templates/a.yaml"), None);
}

#[test]
fn templates_come_in_one_order_whatever_the_folder_says() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["templates/b.yaml", "templates/_a.tpl", "charts/x/templates/_h.tpl"];
    for name in names.iter().chain(&["charts/x/Chart.yaml", "files/a.tpl", "docs/templates/c"]) {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "name: x\n").unwrap();
    }
    let chart = Chart::open(dir.path().to_str().unwrap());
    let sorted = ["templates/_a.tpl", "templates/b.yaml", "charts/x/templates/_h.tpl"];
    assert_eq!(chart.templates(), sorted);
    // The limit keeps the first, not whichever come first.
    let (mut left, mut found) = (2, Vec::new());
    chart.files_below("templates/", &mut left, &mut found);
    assert_eq!((left, found.as_slice()), (0, &["templates/_a.tpl".to_owned()][..]));
}

/// An archive with one entry of a kind, which says that it has so many bytes.
fn archive(kind: tar::EntryType, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path("c/values.yaml").unwrap();
    header.set_size(content.len() as u64);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    if kind == tar::EntryType::GNUSparse {
        // A hole of a TiB before what is there.
        let size = 1_u64 << 40;
        let gnu = header.as_gnu_mut().unwrap();
        gnu.set_atime(0);
        let octal = |n: u64| format!("{n:011o}\0").into_bytes();
        gnu.sparse[0].offset.copy_from_slice(&octal(0)[..12]);
        gnu.sparse[0].numbytes.copy_from_slice(&octal(0)[..12]);
        let mut binary = [0_u8; 12];
        binary[0] = 0x80;
        binary[4..].copy_from_slice(&size.to_be_bytes());
        gnu.sparse[1].offset.copy_from_slice(&binary);
        gnu.sparse[1].numbytes.copy_from_slice(&octal(0)[..12]);
        gnu.realsize.copy_from_slice(&binary);
    }
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, content).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn only_regular_files_are_taken_out_of_an_archive() {
    let regular = archive(tar::EntryType::Regular, b"a: 1\n");
    let (files, whole) = unpacked(&regular[..], 1 << 20).unwrap();
    assert_eq!(files["values.yaml"], b"a: 1\n");
    assert!(whole);
    for kind in [
        tar::EntryType::GNUSparse,
        tar::EntryType::Symlink,
        tar::EntryType::Link,
        tar::EntryType::Continuous,
    ] {
        let other = archive(kind, b"");
        assert_eq!(unpacked(&other[..], 1 << 20).unwrap(), (HashMap::new(), false), "{kind:?}");
    }
}

#[test]
fn an_archive_that_is_cut_between_two_files_is_not_whole() {
    let mut two = archive(tar::EntryType::Regular, b"a: 1\n")[..1024].to_vec();
    two.extend(archive(tar::EntryType::Regular, b"a: 2\n"));
    // Two of one name.
    assert!(!unpacked(&two[..], 1 << 20).unwrap().1);
    assert!(unpacked(&two[..], 1024).is_err());
}

#[test]
fn a_listing_tells_when_it_is_not_all() {
    let dir = tempfile::tempdir().unwrap();
    let deep = format!("charts/{}values.schema.json", "x/".repeat(30));
    for name in [&deep, "a.txt"] {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    std::os::unix::fs::symlink("a.txt", dir.path().join("b")).unwrap();
    let chart = Chart::open(dir.path().to_str().unwrap());
    let listing = chart.listing();
    let names: Vec<(&str, bool)> =
        listing.entries.iter().map(|it| (it.name.as_str(), it.is_link)).collect();
    assert_eq!(names, [("a.txt", false), ("b", true), (&*deep, false)]);
    assert!(listing.whole);
    // The folder itself, `charts`, thirty more and three files.
    assert!(chart.listing_of(35).whole);
    assert!(!chart.listing_of(34).whole);
    assert!(!Chart::open("/nowhere").listing().whole);
    assert_eq!(chart.try_read("c", 1).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn files_of_an_archive_are_bounded_each_and_together() {
    let large = archive(tar::EntryType::Regular, &vec![b'a'; LARGEST_FILE as usize + 1]);
    assert_eq!(unpacked(&large[..], LARGEST_CHART).unwrap(), (HashMap::new(), false));
    let mut builder = tar::Builder::new(Vec::new());
    for number in 0..8 {
        let mut header = tar::Header::new_gnu();
        header.set_size(1000);
        header.set_cksum();
        let name = format!("c/{number}");
        builder.append_data(&mut header, name, &[b'a'; 1000][..]).unwrap();
    }
    let archive = builder.into_inner().unwrap();
    assert_eq!(unpacked(&archive[..], 1 << 20).unwrap().0.len(), 8);
    // The archive's own bytes count.
    assert!(unpacked(&archive[..], 4000).is_err());
}
