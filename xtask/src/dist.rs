//! `cargo xtask dist`: what a release consists of.
//!
//! `target/dist` gets `provost-VERSION-ARCH-linux.tar.gz`, with the executable, completions, man
//! pages, licence and README in a folder of that name, and its SHA-256 in the form that
//! `sha256sum --check` reads. `ci/install.sh` takes them from there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use goformats::limits::Limits;
use sha2::{Digest as _, Sha256};

use crate::{cmd, paths};

/// What a release is built for.
pub const TARGET: &str = "x86_64-unknown-linux-musl";

#[derive(clap::Args)]
pub struct Args {
    /// What to build for; one whose C library can be linked statically
    #[arg(long, default_value = TARGET)]
    target: String,
}

pub fn run(args: &Args) -> Result<()> {
    let executable = build(&args.target)?;
    ensure_static(&executable)?;
    let machine = args.target.split('-').next().unwrap_or(&args.target);
    let name = format!("provost-{}-{machine}-linux", env!("CARGO_PKG_VERSION"));
    let archive = pack(&executable, &paths::target().join("dist"), &name)?;
    println!("{}", archive.display());
    Ok(())
}

/// The release build, linked statically and without the paths of this machine.
fn build(target: &str) -> Result<PathBuf> {
    ensure!(
        has_library(target)?,
        "the standard library for {target} is not installed; run `rustup target add {target}`"
    );
    let folder = paths::target().join("release-static");
    let root = paths::root();
    let home = std::env::var("CARGO_HOME").map(PathBuf::from).ok();
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    // Bits instead of 24 bytes for each of 36,000 pointers; musl's start code reads them (1.2.4 on).
    flags.push("-Clink-arg=-Wl,-z,pack-relative-relocs".to_owned());
    flags.push(format!("--remap-path-prefix={}=provost", root.display()));
    flags.extend(home.map(|home| format!("--remap-path-prefix={}=cargo", home.display())));
    let mut cargo = Command::new("cargo");
    cargo.args([
        "build",
        "--profile",
        "dist",
        "--locked",
        "--package",
        "provost",
        "--target",
        target,
    ]);
    // An encoded list keeps spaces in paths apart from those between flags.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    cmd::output(cargo.env("CARGO_TARGET_DIR", &folder).current_dir(root))?;
    Ok(folder.join(target).join("dist/provost"))
}

/// Whether the standard library for a target is installed.
pub fn has_library(target: &str) -> Result<bool> {
    let mut rustc = Command::new("rustc");
    let library = cmd::output(rustc.args(["--print", "target-libdir", "--target", target]))?;
    Ok(Path::new(library.trim()).is_dir())
}

/// A static executable asks for no interpreter and no library.
fn ensure_static(executable: &Path) -> Result<()> {
    let bytes = fs::read(executable).with_context(|| format!("no {}", executable.display()))?;
    let binary = goformats::binary::read(&bytes, &Limits::DEFAULT);
    let elf = binary.elf.with_context(|| format!("{} is no ELF file", executable.display()))?;
    ensure!(elf.is_static(), "{} is not linked statically", executable.display());
    Ok(())
}

/// Makes the archive and its checksum; the same bytes for the same input.
fn pack(executable: &Path, into: &Path, name: &str) -> Result<PathBuf> {
    let folder = into.join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(folder.join("man"))?;
    fs::copy(executable, folder.join("provost"))
        .with_context(|| format!("cannot copy {}", executable.display()))?;
    for file in ["LICENSE", "README.md", "CHANGELOG.md"] {
        fs::copy(paths::root().join(file), folder.join(file))?;
    }
    for (shell, file) in [("bash", "provost.bash"), ("zsh", "_provost"), ("fish", "provost.fish")] {
        let script = cmd::output(Command::new(executable).args(["completions", shell]))?;
        paths::write(&folder.join("completions").join(file), script.as_bytes())?;
    }
    cmd::output(Command::new(executable).arg("man").arg(folder.join("man")))?;

    let archive = into.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]);
    // Whatever the umask, or who has cloned it.
    tar.arg("--mode=u=rwX,go=rX");
    tar.args(["-I", "gzip -9 -n", "-C"]).arg(into).arg("-cf").arg(&archive).arg(name);
    cmd::output(&mut tar)?;
    let digest = Sha256::digest(fs::read(&archive)?);
    let digest = digest.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let line = format!("{digest}  {name}.tar.gz\n");
    paths::write(&into.join(format!("{name}.tar.gz.sha256")), line.as_bytes())?;
    Ok(archive)
}
