//! The effective command line of a container.

use super::Case;
use super::image::ImageView;
use crate::facts::build::CommandForm;
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Reason};

/// Who decides what a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandSource {
    /// `command` of the manifest.
    Manifest,
    /// ENTRYPOINT (or CMD) of the image.
    Image,
}

/// What the container runtime executes.
#[derive(Clone, Debug)]
pub struct CommandLine {
    /// The argument vector; never empty.
    pub argv: Vec<Fact<String>>,
    /// Who decides the program.
    pub source: CommandSource,
    /// The instruction or field that names the program.
    pub origin: Origin,
    /// The image's shell runs the text: argv is SHELL plus the text.
    pub shell_form: bool,
}

impl CommandLine {
    /// The program as written.
    pub fn program(&self) -> &Fact<String> {
        // Built from at least one word.
        &self.argv[0]
    }
}

impl Case<'_> {
    /// The command line after overrides: `command` replaces ENTRYPOINT and CMD, `args` replaces
    /// CMD. A shell-form ENTRYPOINT ignores CMD and `args`.
    pub fn command_line(&self) -> Result<CommandLine, Abstain> {
        if let Some(command) = self.container.command.as_ref().filter(|c| !c.is_empty()) {
            let mut argv = command.clone();
            argv.extend(self.container.args.iter().flatten().cloned());
            let origin = argv[0].origin.clone();
            return Ok(CommandLine {
                argv,
                source: CommandSource::Manifest,
                origin,
                shell_form: false,
            });
        }
        self.image()?.command_line(self.container.args.as_deref())
    }
}

impl ImageView<'_> {
    /// What the image runs where no `command` replaces it. `args` replace its CMD.
    ///
    /// # Errors
    /// It has neither ENTRYPOINT nor CMD that are known, and there are no `args`.
    pub fn command_line(&self, args: Option<&[Fact<String>]>) -> Result<CommandLine, Abstain> {
        let config = self.config();
        let unknown = || Abstain::unknown(Reason::BaseImageUnknown, "the image's ENTRYPOINT");
        let shell = || -> Vec<Fact<String>> { config.shell.clone().unwrap_or_default() };
        let (mut argv, origin, shell_form) = match (&config.entrypoint, &config.cmd) {
            (Some(entry), cmd) => match &entry.value {
                CommandForm::Exec(words) => {
                    let mut argv = words.clone();
                    if let Some(args) = args {
                        argv.extend_from_slice(args);
                    } else if let Some(cmd) = cmd {
                        argv.extend(cmd_words(&cmd.value, &shell(), &cmd.origin));
                    }
                    (argv, entry.origin.clone(), false)
                }
                CommandForm::Shell(_) => {
                    (cmd_words(&entry.value, &shell(), &entry.origin), entry.origin.clone(), true)
                }
            },
            // Without an ENTRYPOINT `args` is the whole command.
            (None, cmd) => match (args, cmd) {
                (Some([first, rest @ ..]), _) => {
                    let argv = std::iter::once(first).chain(rest).cloned().collect();
                    (argv, first.origin.clone(), false)
                }
                (_, Some(cmd)) => (
                    cmd_words(&cmd.value, &shell(), &cmd.origin),
                    cmd.origin.clone(),
                    matches!(cmd.value, CommandForm::Shell(_)),
                ),
                (_, None) => return Err(unknown()),
            },
        };
        argv.retain(|word| !word.value.is_empty() || shell_form);
        if argv.is_empty() {
            return Err(unknown());
        }
        Ok(CommandLine { argv, source: CommandSource::Image, origin, shell_form })
    }
}

/// The words of a CMD or ENTRYPOINT; Docker's default shell is `/bin/sh -c`.
fn cmd_words(form: &CommandForm, shell: &[Fact<String>], at: &Origin) -> Vec<Fact<String>> {
    match form {
        CommandForm::Exec(words) => words.clone(),
        CommandForm::Shell(text) => {
            let mut argv = if shell.is_empty() {
                ["/bin/sh", "-c"].map(|word| Fact::defaulted(word.to_owned(), at.clone())).to_vec()
            } else {
                shell.to_vec()
            };
            argv.push(text.clone());
            argv
        }
    }
}
