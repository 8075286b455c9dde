//! Packages of Debian, unpacked into a folder: nothing is installed, and nobody has to be root where the lists of
//! packages are fresh.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{cmd, paths};

/// Unpacks of a package, and of what it needs and this machine lacks, the files below `keep`; all of them where
/// that is empty.
pub fn unpack(package: &str, keep: &str, into: &Path) -> Result<()> {
    let archives = into.join("archives");
    fs::create_dir_all(archives.join("partial"))?;
    if let Err(first) = download(package, &archives) {
        // The lists are of another day, or there are none.
        cmd::output(Command::new("apt-get").args(["--quiet", "update"]))
            .with_context(|| format!("{first:#}"))?;
        download(package, &archives)?;
    }
    let packed: Vec<PathBuf> = paths::files_below(&archives)?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .collect();
    if packed.is_empty() {
        bail!("apt-get downloaded no package for {package}");
    }
    for path in packed {
        let archive = archives.join(path);
        if keep.is_empty() {
            cmd::output(Command::new("dpkg-deb").arg("--extract").arg(archive).arg(into))?;
            continue;
        }
        let whole = into.join("whole");
        cmd::output(Command::new("dpkg-deb").arg("--extract").arg(archive).arg(&whole))?;
        let wanted = whole.join(keep);
        if wanted.is_dir() {
            for file in paths::files_below(&wanted)? {
                let to = into.join(keep).join(&file);
                fs::create_dir_all(to.parent().context("a file has a folder")?)?;
                fs::rename(wanted.join(&file), to)?;
            }
        }
        fs::remove_dir_all(whole)?;
    }
    fs::remove_dir_all(archives).map_err(Into::into)
}

fn download(package: &str, archives: &Path) -> Result<()> {
    let mut apt = Command::new("apt-get");
    apt.args(["--quiet", "--yes", "install", "--download-only", "--no-install-recommends"])
        // What is installed already comes all the same: it may be gone tomorrow.
        .arg("--reinstall")
        .arg("-o")
        .arg(format!("Dir::Cache::archives={}/", archives.display()))
        .args(["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root", package])
        .env("LC_ALL", "C")
        .env("DEBIAN_FRONTEND", "noninteractive");
    cmd::output(&mut apt).map(drop)
}

/// The kernel of `linux-image-*`, under a name without its version.
pub fn kernel(package: &str, into: &Path) -> Result<()> {
    unpack(package, "boot", into)?;
    let boot = into.join("boot");
    let files = paths::files_below(&boot)?;
    let is_kernel = |path: &&PathBuf| path.to_string_lossy().starts_with("vmlinuz-");
    let kernel = files.iter().find(is_kernel).with_context(|| format!("{package} has none"))?;
    fs::rename(boot.join(kernel), into.join("vmlinuz")).map_err(Into::into)
}
