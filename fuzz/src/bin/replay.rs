//! Feeds each target its seeds, and every seed with a byte changed or its end cut off: what is
//! left of fuzzing where the engine is not there. Ends with a count for each target.

use std::path::{Path, PathBuf};
use std::{fs, io};

use provost_fuzz::TARGETS;

/// Changes tried for one seed; spread evenly over a long one.
const CHANGES: usize = 400;

fn main() -> io::Result<()> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for (name, target) in TARGETS {
        let mut runs = 0;
        for path in files(&seeds.join(name))? {
            let seed = fs::read(&path)?;
            target(&seed);
            let step = seed.len().div_ceil(CHANGES).max(1);
            for at in (0..seed.len()).step_by(step) {
                target(&seed[..at]);
                let mut changed = seed.clone();
                for value in [0, 0xff, changed[at] ^ 0x80, changed[at].wrapping_add(1)] {
                    changed[at] = value;
                    target(&changed);
                }
                runs += 5;
            }
            runs += 1;
        }
        // A target without a seed proves nothing.
        if runs == 0 {
            return Err(io::Error::other(format!("no seed in fuzz/seeds/{name}")));
        }
        println!("{name}: {runs} inputs");
    }
    Ok(())
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files: Vec<PathBuf> = entries.collect::<Result<_, _>>()?;
    files.sort();
    Ok(files)
}
