//! Whether an image has a program.

use super::image::ImageView;
use crate::facts::Fact;
use crate::facts::build::ShellKind;
use crate::facts::build_files::Presence;
use crate::findings::{Abstain, Reason};
use crate::model::names::ImageRef;
use crate::model::published::{self, Distribution};
use crate::model::shell::{Kind, Script, Word, shell_text};

/// Whether a program is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tool {
    /// It is, or may well be.
    Present,
    /// It is not.
    Missing(Missing),
}

/// A program that is not in the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The word that names it.
    pub word: String,
    /// The base image is one whose content is fixed (scratch, distroless), so that it is certain;
    /// the content of others depends on the day they were pulled.
    pub certain: bool,
    /// The program is the shell that should run the text.
    pub shell: bool,
}

/// Directories in which the tools of the base table lie.
const BIN_DIRS: &[&str] =
    &["/bin", "/usr/bin", "/sbin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// Looks for the program that `word` names in the final image.
///
/// # Errors
/// The base image is not in the table, or steps of the Dockerfile may bring the program.
pub fn look_up(image: ImageView<'_>, word: &Fact<String>) -> Result<Tool, Abstain> {
    let unknown = || image.unknown(format!("whether {} has {}", image.name(), word.value));
    let paths = image.resolve(word);
    if paths.iter().any(|path| image.presence(&path.value) == Presence::Certainly) {
        return Ok(Tool::Present);
    }
    let missing = |certain| {
        Ok(Tool::Missing(Missing {
            word: word.value.clone(),
            certain,
            shell: is_shell(&word.value),
        }))
    };
    if image.image().is_some_and(|image| image.complete) {
        return missing(true);
    }
    let (Some(base), Some(build)) = (image.base(), image.build()) else { return Err(unknown()) };
    let name = word.value.rsplit('/').next().unwrap_or_default();
    let in_bin = paths
        .iter()
        .any(|path| path.value.rsplit_once('/').is_some_and(|(dir, _)| BIN_DIRS.contains(&dir)));
    let is_base_shell = name == "sh" && base.shell.is_some();
    if in_bin && (is_base_shell || base.tools.contains(&name)) {
        return Ok(Tool::Present);
    }
    if paths.iter().all(|path| build.presence(&path.value) == Presence::Impossible) {
        return missing(true);
    }
    // What RUN installs, and what lies in a copied folder, cannot be seen.
    let chain = build.final_chain();
    let installs = build.runs.iter().any(|run| chain.contains(&run.stage));
    let copies = build.copies.iter().filter(|copy| chain.contains(&copy.stage)).any(|copy| {
        paths.iter().any(|path| {
            let destination = copy.destination.value.trim_end_matches('/');
            path.value == destination || path.value.starts_with(&format!("{destination}/"))
        })
    });
    if base.tools_complete && !installs && !copies { missing(false) } else { Err(unknown()) }
}

fn is_shell(word: &str) -> bool {
    matches!(word.rsplit('/').next(), Some("sh" | "bash" | "ash" | "dash"))
}

/// Looks for everything an argument vector needs: its program and, where that is a shell which is
/// there, the programs of its text. The first that is missing is the answer.
///
/// # Errors
/// None is known to be missing, and one cannot be told.
pub fn look_up_command(image: ImageView<'_>, argv: &[Fact<String>]) -> Result<Tool, Abstain> {
    let Some(program) = argv.first() else { return Ok(Tool::Present) };
    if let Tool::Missing(missing) = look_up(image, program)? {
        return Ok(Tool::Missing(missing));
    }
    let words: Vec<&str> = argv.iter().map(|word| word.value.as_str()).collect();
    let Some(text) = shell_text(&words) else { return Ok(Tool::Present) };
    let at = argv.iter().find(|word| word.value == text).unwrap_or(program);
    look_up_script(image, at)
}

/// Looks for the programs of a shell text.
///
/// # Errors
/// As [`look_up_command`].
pub fn look_up_script(image: ImageView<'_>, text: &Fact<String>) -> Result<Tool, Abstain> {
    let kind = shell_kind(image);
    let script = Script::parse(&text.value);
    let mut unknown = None;
    for word in script.commands.iter().filter(|c| c.needs_program(kind)).filter_map(|c| c.program())
    {
        if !word.literal {
            unknown = Some(Abstain::unknown(
                Reason::BaseImageUnknown,
                format!("the program `{}`", word.text),
            ));
            continue;
        }
        match look_up(image, &as_fact(text, word)) {
            Ok(Tool::Present) => {}
            Ok(missing) => return Ok(missing),
            Err(abstain) => unknown = Some(abstain),
        }
    }
    unknown.map_or(Ok(Tool::Present), Err)
}

fn as_fact(text: &Fact<String>, word: &Word) -> Fact<String> {
    text.map(|_| word.text.clone())
}

/// The shell at `/bin/sh` of the final image.
pub fn shell_kind(image: ImageView<'_>) -> Kind {
    match image.shell() {
        Some(ShellKind::Dash) => Kind::Dash,
        Some(ShellKind::BusyboxAsh) => Kind::Busybox,
        Some(ShellKind::Bash) => Kind::Bash,
        None => of_official(image).unwrap_or(Kind::Unknown),
    }
}

/// The shell of a Docker Official Image that the Dockerfile is built on.
fn of_official(image: ImageView<'_>) -> Option<Kind> {
    let build = image.build().filter(|_| image.image().is_none())?;
    let root = build.stages.get(*build.final_chain().last()?)?;
    let base = ImageRef::parse(&root.base.value).ok()?;
    published::distribution(&base).map(|on| match on {
        Distribution::Debian => Kind::Dash,
        Distribution::Alpine => Kind::Busybox,
    })
}
