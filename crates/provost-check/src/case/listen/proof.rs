//! How it is known that a port is not listened on, and what is said of it.

use super::Told;
use crate::case::Case;
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
    /// The program is not known; nothing else of the manifest has the port that it is told of.
    Manifest,
}

/// A port that the program does not listen on.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    /// Where it listens instead.
    pub told: Told,
    /// How that is known.
    pub proof: Proof,
    /// A Secret, a claim or the node's disk is mounted, or a file of settings is in the image: it may still say
    /// otherwise.
    pub files: bool,
}

impl Elsewhere {
    /// Whether nothing is left that could open the port.
    pub fn is_certain(&self) -> bool {
        matches!(self.proof, Proof::Default(_)) && !self.files
    }

    /// What becomes of whoever asks `port`: the second half of a sentence, ending with `then` where that is
    /// certain.
    pub fn consequence(&self, port: u16, then: &str) -> String {
        let setting = &self.told.setting;
        let told = self.told.sentence();
        let text = &setting.text;
        match &self.proof {
            Proof::Default(default) if !self.files => format!(
                "and the program listens on {text}: {told}, and {} is its default only: {then}",
                default.text
            ),
            Proof::Default(default) | Proof::Beside(default) => format!(
                "and the program is told to listen on {text}: {told}, and {} seems to be its \
                 default only: the connection is refused unless something else opens {port}",
                default.text
            ),
            Proof::NoText if self.told.is_default => format!(
                "and the program listens on {text}: {told}: the connection is refused unless a \
                 number in its code opens {port} too"
            ),
            Proof::NoText => format!(
                "and the program is told to listen on {text}: the connection is refused unless a \
                 number in its code opens {port} too"
            ),
            Proof::Manifest => format!(
                "and {told}, which no port, probe or Service of the input names: the connection is \
                 refused unless the program does not read {}",
                setting.name
            ),
        }
    }

    /// Makes the setting agree with `port`, or those that `ask` for it agree with the setting.
    pub fn fix(&self, port: u16, ask: &str) -> Fix {
        let setting = &self.told.setting;
        let value = if self.told.is_default { port.to_string() } else { setting.with_port(port) };
        let other = setting.port;
        Fix::suggest(format!("set {} to {value}, or declare port {other} and {ask}", setting.name))
    }

    /// The finding on the level of the proof, with what the proof consists of.
    pub fn explain(&self, case: &Case<'_>, port: u16, finding: Finding) -> Finding {
        let setting = &self.told.setting;
        let says = if self.told.is_default {
            format!("{}: this is where it listens", self.told.sentence())
        } else {
            format!("{} says where to listen", setting.name)
        };
        let mut finding = finding.also(&setting.origin, says);
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
        if let Some(declared) = declared.find(|own| own.value == i64::from(port)) {
            finding = finding.also(&declared.origin, "is declared");
        }
        finding
    }

    /// The default in the program that the setting overrides.
    fn default(&self) -> Option<&ListenText> {
        match &self.proof {
            Proof::Default(text) | Proof::Beside(text) => Some(text),
            Proof::NoText | Proof::Manifest => None,
        }
    }
}
