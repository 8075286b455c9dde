//! What a chart is known to keep secret before it is rendered, for what its renderer says.

use std::path::Path;

use super::files::Chart;
use super::hidden::Hidden;
use crate::artifact::mmap;

/// Bytes of a file of a chart that is looked through before it is rendered.
const LARGEST_FILE: u64 = 1 << 20;

/// Bytes of a packed chart inside of it, as Helm has it (helm v3.22 pkg/chart/loader/archive.go,
/// MaxDecompressedFileSize).
const LARGEST_PACKED: u64 = 5 << 20;

/// Packed charts inside each other.
const DEEPEST: usize = 4;

/// Bytes of all files of a chart that are looked through, those of packed charts twice: packed and
/// unpacked.
const MOST_READ: usize = 16 << 20;

/// What a chart and the values files for it are known to keep secret, before it is rendered. When
/// not all of it could be looked through, everything is.
pub fn secrets_of(root: &str, files: &[String]) -> Hidden {
    let mut hidden = Hidden::default();
    for path in files {
        match mmap::read_text(Path::new(path), LARGEST_FILE, false) {
            Ok(bytes) => hidden.values(&bytes),
            Err(_) => hidden.everything(),
        }
    }
    if learn_chart(&mut hidden, &Chart::open(root), &mut { MOST_READ }, 0).is_none() {
        hidden.everything();
    }
    hidden
}

/// Learns the secrets of a chart and of those packed in it; `None` when that cannot be all of them.
fn learn_chart(hidden: &mut Hidden, chart: &Chart, left: &mut usize, depth: usize) -> Option<()> {
    let listing = chart.listing();
    for entry in &listing.entries {
        let name = entry.name.as_str();
        let is_template = name.split('/').rev().skip(1).any(|part| part == "templates");
        let is_values = name.rsplit('/').next() == Some("values.yaml");
        let is_chart = name.contains("charts/") && name.ends_with(".tgz");
        let is_read = is_template || is_values || is_chart;
        // What is behind a link of such a name was not listed, and a folder may hold any.
        if entry.is_link && (is_read || !chart.leads_to_file(name)) {
            return None;
        }
        if !is_read {
            continue;
        }
        let limit = if is_chart { LARGEST_PACKED } else { LARGEST_FILE };
        let bytes = chart.read(name, limit)?;
        *left = left.checked_sub(bytes.len())?;
        if is_chart {
            if depth == DEEPEST {
                return None;
            }
            let inner = Chart::packed(name, &bytes, *left as u64).ok()?;
            *left = left.checked_sub(inner.bytes())?;
            learn_chart(hidden, &inner, left, depth + 1)?;
        } else if is_template {
            hidden.manifest(&bytes);
        } else {
            hidden.values(&bytes);
        }
    }
    listing.whole.then_some(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::model::secret::MASK;

    #[test]
    fn of_a_chart_that_is_not_read_whole_everything_is_masked() {
        let learned = |change: &dyn Fn(&Path)| {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join("templates")).unwrap();
            std::fs::write(dir.path().join("values.yaml"), "password: hunter2\n").unwrap();
            change(dir.path());
            let hidden = secrets_of(dir.path().to_str().unwrap(), &[]);
            hidden.masker().masked("is hunter2 there").into_owned()
        };
        let symlink = |target: &str, link: PathBuf| std::os::unix::fs::symlink(target, link);
        let large = "a".repeat(LARGEST_FILE as usize + 1);
        assert_eq!(learned(&|_| ()), "is *** there");
        assert_eq!(learned(&|dir| symlink("values.yaml", dir.join("b")).unwrap()), "is *** there");
        let write = |path: PathBuf, text: &str| std::fs::write(path, text).unwrap();
        for change in [
            &|dir: &Path| write(dir.join("values.yaml"), &large) as (),
            &|dir: &Path| write(dir.join("templates/a.yaml"), &large),
            &|dir: &Path| symlink("../values.yaml", dir.join("templates/b.yaml")).unwrap(),
            &|dir: &Path| symlink("templates", dir.join("c")).unwrap(),
            &|dir: &Path| {
                for number in 0..=MOST_READ / large.len() {
                    write(dir.join(format!("templates/{number}")), &large[1..]);
                }
            },
            &|dir: &Path| {
                std::fs::create_dir(dir.join("charts")).unwrap();
                write(dir.join("charts/a.tgz"), "no archive");
            },
        ] as [&dyn Fn(&Path); 6]
        {
            assert_eq!(learned(change), MASK);
        }
        let hidden = secrets_of("/nowhere", &[]);
        assert_eq!(hidden.masker().masked("anything"), MASK);
    }

    #[test]
    fn charts_packed_in_a_chart_tell_their_secrets() {
        use std::io::Write as _;
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        let values = b"password: hunter2\n";
        header.set_size(values.len() as u64);
        archive.append_data(&mut header, "b/values.yaml", &values[..]).unwrap();
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&archive.into_inner().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("charts")).unwrap();
        std::fs::write(dir.path().join("charts/b-1.tgz"), packer.finish().unwrap()).unwrap();
        let hidden = secrets_of(dir.path().to_str().unwrap(), &[]);
        assert_eq!(hidden.masker().masked("is hunter2 there"), "is *** there");
    }
}
