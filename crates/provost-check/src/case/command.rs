//! The effective command line of a container.

use super::Case;
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
        let args = self.container.args.clone().unwrap_or_default();
        if let Some(command) = self.container.command.as_ref().filter(|c| !c.is_empty()) {
            let mut argv = command.clone();
            argv.extend(args);
            let origin = argv[0].origin.clone();
            return Ok(CommandLine {
                argv,
                source: CommandSource::Manifest,
                origin,
                shell_form: false,
            });
        }
        let config = self.image()?.config();
        let unknown = || Abstain::unknown(Reason::BaseImageUnknown, "the image's ENTRYPOINT");
        let shell = || -> Vec<Fact<String>> { config.shell.clone().unwrap_or_default() };
        let (mut argv, origin, shell_form) = match (&config.entrypoint, &config.cmd) {
            (Some(entry), cmd) => match &entry.value {
                CommandForm::Exec(words) => {
                    let mut argv = words.clone();
                    if self.container.args.is_some() {
                        argv.extend(args);
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
            (None, _) if !args.is_empty() => {
                let origin = args[0].origin.clone();
                (args, origin, false)
            }
            (None, Some(cmd)) => (
                cmd_words(&cmd.value, &shell(), &cmd.origin),
                cmd.origin.clone(),
                matches!(cmd.value, CommandForm::Shell(_)),
            ),
            (None, None) => return Err(unknown()),
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
