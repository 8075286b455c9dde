//! How many threads read and judge.

use std::fs;
use std::path::PathBuf;

use rayon::ThreadPoolBuilder;

use crate::args::CheckArgs;

/// Files that one thread reads and judges in less time than it takes to start others, and all that
/// is looked at to see how many there are.
const FEW: usize = 16;
const MOST_ENTRIES: usize = 64;

/// Bytes of a file that is read at once. Programs and images are larger.
const SMALL: u64 = 64 << 10;

/// Starts the threads that files are read and judged by, of which this one is the first: as many as
/// there are processors, and no other where there is little to do. Everything that this process
/// does side by side has to begin in this thread from now on. `declares` tells that `provost.toml` names binaries,
/// or has charts rendered.
pub(crate) fn start(args: &CheckArgs, declares: bool) {
    let named = [&args.binary, &args.chart, &args.kustomize, &args.proof];
    let named = !args.image.is_empty() || named.iter().any(|paths| !paths.is_empty());
    let more = declares || args.build || named;
    // What standard input holds is not known yet.
    let unknown = more || args.paths.iter().any(|path| path == "-");
    let alone = !unknown && is_little(args.paths.iter().chain(&args.dockerfile));
    // 0 is one for each processor.
    let threads = ThreadPoolBuilder::new().num_threads(usize::from(alone));
    // Without threads of ours the library starts its own.
    let _ = threads.use_current_thread().build_global();
}

/// Whether a few small files are all that lies at the paths.
fn is_little<'p>(paths: impl Iterator<Item = &'p String>) -> bool {
    let mut open: Vec<PathBuf> = paths.map(PathBuf::from).collect();
    let (mut entries, mut files) = (open.len(), 0);
    while let Some(path) = open.pop() {
        // What cannot be read takes no time.
        let Ok(there) = fs::metadata(&path) else { continue };
        if !there.is_dir() {
            files += 1;
            if files > FEW || there.len() > SMALL {
                return false;
            }
            continue;
        }
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            entries += 1;
            if entries > MOST_ENTRIES {
                return false;
            }
            // As the walk, which goes into no link.
            if entry.file_type().is_ok_and(|it| !it.is_symlink()) {
                open.push(entry.path());
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_small_files_are_little() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let named = [root.to_str().unwrap().to_owned()];
        let is_little = || is_little(named.iter());
        fs::create_dir(root.join("deploy")).unwrap();
        for number in 0..FEW {
            fs::write(root.join(format!("deploy/{number}.yaml")), "kind: Pod").unwrap();
        }
        // A link that leads back to where it stands would never end.
        std::os::unix::fs::symlink(root, root.join("deploy/again")).unwrap();
        assert!(is_little());
        fs::write(root.join("one-more.yaml"), "kind: Pod").unwrap();
        assert!(!is_little());
        fs::remove_dir_all(root.join("deploy")).unwrap();
        assert!(is_little());
        fs::File::create(root.join("program")).unwrap().set_len(SMALL + 1).unwrap();
        assert!(!is_little());
        fs::remove_file(root.join("program")).unwrap();
        (0..=MOST_ENTRIES).for_each(|n| fs::create_dir(root.join(n.to_string())).unwrap());
        assert!(!is_little());
    }
}
