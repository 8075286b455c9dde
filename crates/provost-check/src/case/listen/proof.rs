//! How it is known that a port is not listened on, and what is said of it.

use super::Told;
use crate::case::Case;
use crate::facts::Origin;
use crate::facts::program_text::ListenText;
use crate::findings::{Finding, Fix, Level};

/// How it is known that a port is listened on by nobody.
#[derive(Clone, Debug, PartialEq)]
pub enum Proof {
    /// The program holds the port as the default of the setting, which is given, and nowhere else.
    Default(ListenText),
    /// The same, as far as texts that stand beside each other tell.
    Beside(ListenText),
    /// No text of the program has the port; a number of its code may.
    NoText,
    /// Neither its texts nor the constants of its code have it.
    NoNumber,
    /// The same, and nothing tells where it listens instead; no setting that it reads has the port either.
    Nothing,
    /// Every server of the program listens on one of these, and nothing else of it listens.
    Only(Vec<u16>),
    /// The program is not known; nothing else of the manifest has the port that it is told of.
    Manifest,
}

/// A port that the program does not listen on.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    /// Where it listens instead, where that is known.
    pub told: Option<Told>,
    /// How that is known.
    pub proof: Proof,
    /// A Secret, a claim or the node's disk is mounted, or a file of settings is in the image: it may still say
    /// otherwise.
    pub files: bool,
    /// Variables with the port that the program does not read.
    pub unread: Vec<Unread>,
}

/// A variable that names a port, and that nothing reads.
#[derive(Clone, Debug)]
pub struct Unread {
    /// The name.
    pub name: String,
    /// Where it is set.
    pub origin: Origin,
    /// One that the program holds and that is nearly the same.
    pub meant: Option<String>,
}

impl Elsewhere {
    /// Whether nothing is left that could open the port.
    pub fn is_certain(&self) -> bool {
        matches!(self.proof, Proof::Default(_)) && !self.files
    }

    /// What becomes of whoever asks `port`: the second half of a sentence, ending with `then` where that is
    /// certain.
    pub fn consequence(&self, port: u16, then: &str) -> String {
        if let Proof::Only(ports) = &self.proof {
            return format!("and the program listens on {} alone: {then}", shown(ports));
        }
        let Some(told) = &self.told else {
            return format!(
                "and nothing opens it: no text or number of the program and no setting that it reads \
                 is {port}: {then}"
            );
        };
        let setting = &told.setting;
        let sentence = told.sentence();
        let text = &setting.text;
        // What it is told by a default it does.
        let listens = match told.is_default {
            true => format!("and the program listens on {text}: {sentence}"),
            false => format!("and the program is told to listen on {text}"),
        };
        match &self.proof {
            Proof::Default(default) if !self.files => format!(
                "and the program listens on {text}: {sentence}, and {} is its default only: {then}",
                default.text
            ),
            Proof::Default(default) | Proof::Beside(default) => format!(
                "and the program is told to listen on {text}: {sentence}, and {} seems to be its \
                 default only: the connection is refused unless something else opens {port}",
                default.text
            ),
            Proof::NoNumber | Proof::Nothing if !self.files => {
                format!("{listens}, and holds {port} in no text and no number: {then}")
            }
            Proof::NoNumber | Proof::Nothing => {
                format!(
                    "{listens}: the connection is refused unless a file makes it open {port} too"
                )
            }
            Proof::NoText => format!(
                "{listens}: the connection is refused unless a number in its code opens {port} too"
            ),
            Proof::Manifest | Proof::Only(_) => format!(
                "and {sentence}, which no port, probe or Service of the input names: the connection is \
                 refused unless the program does not read {}",
                setting.name
            ),
        }
    }

    /// Makes the setting agree with `port`, or those that `ask` for it agree with the setting.
    pub fn fix(&self, port: u16, ask: &str) -> Fix {
        let Some(told) = &self.told else {
            let meant =
                self.unread.iter().find_map(|unread| Some((unread, unread.meant.as_ref()?)));
            return match meant {
                Some((unread, meant)) => {
                    Fix::suggest(format!("did you mean {meant} where {} is set?", unread.name))
                }
                None => Fix::suggest(format!(
                    "make the program listen on {port}, or declare the port that it listens on and {ask}"
                )),
            };
        };
        let setting = &told.setting;
        let value = if told.is_default { port.to_string() } else { setting.with_port(port) };
        let other = setting.port;
        Fix::suggest(format!("set {} to {value}, or declare port {other} and {ask}", setting.name))
    }

    /// The finding on the level of the proof, with what the proof consists of.
    pub fn explain(&self, case: &Case<'_>, port: u16, finding: Finding) -> Finding {
        let mut finding = finding;
        if let Some(told) = &self.told {
            let setting = &told.setting;
            let says = if told.is_default {
                format!("{}: this is where it listens", told.sentence())
            } else {
                format!("{} says where to listen", setting.name)
            };
            finding = finding.also(&setting.origin, says);
        } else if let Ok(program) = case.program() {
            let says = match &self.proof {
                Proof::Only(ports) => format!("its servers listen on {}", shown(ports)),
                _ => format!("has no {port}"),
            };
            finding = finding.also(&program.version.origin, says);
        }
        for unread in &self.unread {
            let label = format!("{} is {port}, and the program does not read it", unread.name);
            finding = finding.also(&unread.origin, label);
        }
        if self.is_certain() {
            finding = finding.level(Level::Deny);
        }
        if let Some(default) = self.default() {
            let of = match &default.name {
                Some(name) => format!("the default of {name}"),
                None => "a default of the program".to_owned(),
            };
            finding = finding.also(&default.origin, format!("{}: {of}", default.text));
        }
        let mut declared = case.container.ports.iter().filter_map(|own| own.port.as_ref());
        let declared = declared.find(|own| own.value == i64::from(port));
        if let Some(declared) = declared.filter(|own| *finding.primary() != own.origin) {
            finding = finding.also(&declared.origin, "is declared");
        }
        finding
    }

    /// The default in the program that the setting overrides.
    fn default(&self) -> Option<&ListenText> {
        match &self.proof {
            Proof::Default(text) | Proof::Beside(text) => Some(text),
            Proof::NoText | Proof::NoNumber | Proof::Nothing | Proof::Only(_) | Proof::Manifest => {
                None
            }
        }
    }
}

fn shown(ports: &[u16]) -> String {
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}
