//! Go toolchains, fetched by the `go` command itself as the module `golang.org/toolchain`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail, ensure};

use crate::{cmd, paths};

/// A Go release as `minor.patch`; the major version is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub minor: u32,
    pub patch: u32,
}

impl Version {
    pub const fn new(minor: u32, patch: u32) -> Version {
        Version { minor, patch }
    }

    /// The name that `GOTOOLCHAIN` and `go version` use. Before Go 1.21 the first release of a
    /// minor had no patch number: `go1.20`, then `go1.21.0`.
    pub fn name(self) -> String {
        format!("go{}", self.written())
    }

    /// [`Version::name`] without its `go`.
    pub fn written(self) -> String {
        if self.patch == 0 && self.minor < 21 {
            format!("1.{}", self.minor)
        } else {
            format!("1.{}.{}", self.minor, self.patch)
        }
    }
}

impl fmt::Display for Version {
    /// Always with the patch number, so that texts sort and compare alike: `1.20.0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}.{}", self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = anyhow::Error;

    /// Reads `1.20`, `1.20.14`, with or without `go` before it; release candidates are refused.
    fn from_str(text: &str) -> Result<Version> {
        let bad = || format!("{text:?} is no Go release");
        let rest = text.strip_prefix("go").unwrap_or(text).strip_prefix("1.").with_context(bad)?;
        let (minor, patch) = rest.split_once('.').unwrap_or((rest, "0"));
        Ok(Version {
            minor: minor.parse().with_context(bad)?,
            patch: patch.parse().with_context(bad)?,
        })
    }
}

/// A toolchain that is on this machine.
#[derive(Debug)]
pub struct Toolchain {
    pub version: Version,
    pub goroot: PathBuf,
}

impl Toolchain {
    /// Fetches the toolchain unless it is there, and finds its GOROOT.
    ///
    /// Go before 1.21 knows nothing of running from the module cache. Where such a toolchain
    /// refuses modules there, its GOROOT is copied into our cache once and runs from the copy.
    pub fn fetch(version: Version) -> Result<Toolchain> {
        let found =
            cmd::output(hermetic("go").env("GOTOOLCHAIN", version.name()).args(["env", "GOROOT"]))
                .with_context(|| format!("{} cannot be had", version.name()))?;
        let goroot = PathBuf::from(found.trim());
        let toolchain = Toolchain { version, goroot };
        if version.minor < 21 && toolchain.lists_a_module().is_err() {
            let copy = toolchain.copied()?;
            copy.lists_a_module()?;
            return copy.proved();
        }
        toolchain.proved()
    }

    /// The toolchain if it is on this machine already; nothing is fetched.
    pub fn present(version: Version) -> Option<Toolchain> {
        let mut go = hermetic("go");
        go.env("GOTOOLCHAIN", version.name()).env("GOPROXY", "off").args(["env", "GOROOT"]);
        let goroot = PathBuf::from(cmd::output(&mut go).ok()?.trim());
        Some(Toolchain { version, goroot })
    }

    /// The toolchain behind the `go` command of this machine.
    pub fn installed() -> Result<Toolchain> {
        let mut go = hermetic("go");
        go.env("GOTOOLCHAIN", "local").args(["env", "GOVERSION", "GOROOT"]);
        let said = cmd::output(&mut go)?;
        let (version, goroot) =
            said.trim().split_once('\n').context("two answers to two questions")?;
        // A distribution may add to the version: `go1.26.8 X:nodwarf5`.
        let version = version.split(' ').next().unwrap_or_default().parse()?;
        Ok(Toolchain { version, goroot: goroot.into() })
    }

    /// The `go` command of this toolchain, deaf to the user's settings.
    pub fn go(&self) -> Command {
        let mut go = hermetic(self.goroot.join("bin/go"));
        go.env("GOROOT", &self.goroot).env("GOTOOLCHAIN", "local");
        go
    }

    /// The cheapest thing that a toolchain does with a module.
    fn lists_a_module(&self) -> Result<()> {
        let module = paths::cache()?.join("probe");
        paths::write(&module.join("go.mod"), b"module provost.test/probe\n\ngo 1.13\n")?;
        paths::write(&module.join("probe.go"), b"package probe\n\nimport _ \"fmt\"\n")?;
        cmd::output(self.go().current_dir(&module).args(["list", "-deps", "."])).map(drop)
    }

    fn copied(self) -> Result<Toolchain> {
        let goroot = paths::cache()?.join("goroot").join(self.version.name());
        if !goroot.exists() {
            let partial = goroot.with_extension(format!("partial-{}", std::process::id()));
            copy_tree(&self.goroot, &partial)?;
            fs::rename(&partial, &goroot)?;
        }
        Ok(Toolchain { goroot, ..self })
    }

    fn proved(self) -> Result<Toolchain> {
        let said = cmd::output(self.go().arg("version"))?;
        let wanted = self.version.name();
        ensure!(
            said.split(' ').nth(2) == Some(wanted.as_str()),
            "{} says {:?}, not {wanted}",
            self.goroot.display(),
            said.trim()
        );
        Ok(self)
    }
}

/// A command that does not see the user's Go settings, neither in files nor in the environment.
/// Where modules and checksums come from is kept: that is the machine's affair.
pub fn hermetic(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("GOENV", "off");
    for name in
        ["GOFLAGS", "GOROOT", "GODEBUG", "GOEXPERIMENT", "GOOS", "GOARCH", "GOAMD64", "GOARM64"]
    {
        command.env_remove(name);
    }
    command
}

/// Releases of Go that the module `golang.org/toolchain` has for this kind of machine, in order.
pub fn published() -> Result<Vec<Version>> {
    let mut list = hermetic("go");
    // Any folder without a go.mod; inside a module the answer would need that module's go line.
    list.current_dir(paths::cache()?);
    let text = cmd::output(list.args(["list", "-m", "-versions", "golang.org/toolchain"]))?;
    let versions = parse_published(&text);
    if versions.is_empty() {
        bail!("golang.org/toolchain lists no release");
    }
    Ok(versions)
}

/// Reads the answer of `go list -m -versions golang.org/toolchain`.
fn parse_published(text: &str) -> Vec<Version> {
    let name = |word: &str| -> Option<Version> {
        word.strip_prefix("v0.0.1-")?.strip_suffix(".linux-amd64")?.parse().ok()
    };
    let mut versions: Vec<Version> = text.split_whitespace().filter_map(name).collect();
    versions.sort();
    versions.dedup();
    versions
}

/// Copies a folder. The module cache is read-only; the copy is not.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for file in paths::files_below(from)? {
        let target = to.join(&file);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(from.join(&file), &target)
            .with_context(|| format!("cannot copy to {}", target.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_release_of_a_minor_is_named_as_go_names_it() {
        assert_eq!(Version::new(20, 0).name(), "go1.20");
        assert_eq!(Version::new(21, 0).name(), "go1.21.0");
        assert_eq!(Version::new(20, 0).to_string(), "1.20.0");
        assert_eq!("go1.20".parse::<Version>().unwrap(), Version::new(20, 0));
        assert_eq!("1.27.4".parse::<Version>().unwrap(), Version::new(27, 4));
        assert!("go1.27rc3".parse::<Version>().is_err());
        assert!("go2".parse::<Version>().is_err());
    }

    #[test]
    fn releases_are_read_off_the_module_s_versions() {
        let text = "golang.org/toolchain v0.0.1-go1.9.linux-amd64 v0.0.1-go1.21rc2.linux-amd64 \
                    v0.0.1-go1.21.0.linux-amd64 v0.0.1-go1.21.0.windows-amd64 v0.0.1-go1.21.13.linux-amd64\n";
        let versions = parse_published(text);
        assert_eq!(versions, [Version::new(9, 0), Version::new(21, 0), Version::new(21, 13)]);
    }
}
