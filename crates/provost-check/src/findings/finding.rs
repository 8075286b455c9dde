//! A finding: one sentence, its evidence in every artifact that makes it true, and the way out.

use std::borrow::Cow;

use crate::artifact::Sources;
use crate::facts::origin::{Origin, SourceId, Span};
use crate::model::hidden::Hidden;
use crate::model::secret::{MASK, masked};
use crate::rules::rule::{Rule, Variant};

/// How bad. Deny blocks a run by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Worth knowing; never fails a run by default.
    Note,
    /// Likely wrong, or right only under a condition that is not visible.
    Warn,
    /// It will not start, not become ready, lose requests, be killed, or open a door.
    Deny,
}

impl Level {
    /// As reports print it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warn => "warning",
            Self::Deny => "error",
        }
    }

    /// As the command line and `provost.toml` write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

/// Levels that a rule chose for the case at hand; what is none is that of the rule or variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByCase {
    /// Under the recommended profile.
    pub level: Option<Level>,
    /// From the strict profile on.
    pub strict: Option<Level>,
}

/// Whether a place is where the reader should look first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The place to change, or the one that decides.
    Primary,
    /// Another place that makes the finding true.
    Related,
}

/// A place and what it contributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Where.
    pub origin: Origin,
    /// Primary or related.
    pub role: Role,
    /// What stands there, in a few words.
    pub note: String,
}

/// Whether a fix may be applied without thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applicability {
    /// The result means what the author meant.
    Safe,
    /// Right in most cases; a person decides.
    Suggest,
}

/// Replaces bytes of a text input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Which input.
    pub source: SourceId,
    /// What to replace; empty to insert.
    pub span: Span,
    /// With what.
    pub replacement: String,
}

/// The way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// In one line: `set GOMEMLIMIT to 460MiB (90 % of the limit)`.
    pub title: String,
    /// Safe or suggested; see [`Fix::applies`].
    pub applicability: Applicability,
    /// The edits, where they can be written down.
    pub edits: Vec<Edit>,
}

impl Fix {
    /// A fix that a person has to think about.
    pub fn suggest(title: impl Into<String>) -> Self {
        Self { title: title.into(), applicability: Applicability::Suggest, edits: Vec::new() }
    }

    /// A fix that means what the author meant.
    pub fn safe(title: impl Into<String>) -> Self {
        Self { title: title.into(), applicability: Applicability::Safe, edits: Vec::new() }
    }

    /// As reports name it: what nothing can apply is for a person to do, however sure it is. A value
    /// may stand where nobody can write it: in a chart's template, in a variable of a shell.
    pub fn applies(&self) -> Applicability {
        if self.edits.is_empty() { Applicability::Suggest } else { self.applicability }
    }

    /// Adds the replacement of a place in a text; ignored for other places.
    #[must_use]
    pub fn replace(mut self, origin: &Origin, replacement: impl Into<String>) -> Self {
        if let Some(span) = origin.span() {
            self.edits.push(Edit {
                source: origin.source(),
                span,
                replacement: replacement.into(),
            });
        }
        self
    }
}

/// A finding. Made by [`Finding::new`], which takes the primary place: a finding without one cannot
/// be built.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// The variant, when it is one.
    pub variant: Option<&'static Variant>,
    /// The level in force; the engine applies profile and configuration.
    pub level: Level,
    /// Set when the rule chose a level that depends on the case.
    pub level_by_case: bool,
    /// The level from the strict profile on, where it depends on the case.
    pub strict_by_case: Option<Level>,
    /// One sentence with the values that make it true.
    pub message: String,
    /// Places; the first is primary.
    pub evidence: Vec<Evidence>,
    /// Sentences without a place: arithmetic, sources, what to record next.
    pub notes: Vec<String>,
    /// The way out.
    pub fix: Option<Fix>,
    /// `NS/KIND/NAME[/CONTAINER]` or a path; filled by the engine.
    pub subject: String,
    /// What it is recognised by in another run, see [`super::fingerprint`]; filled when all
    /// findings of the run are known.
    pub fingerprint: String,
    /// The same by the recipe before, which older baselines hold.
    pub former: String,
    /// What the fingerprint is of; filled while the finding has its place in what was judged.
    pub(super) identity: String,
}

impl Finding {
    /// Whether another one says the same of the same places.
    pub fn says(&self, other: &Self) -> bool {
        let places = |of: &Self| of.evidence.iter().map(|it| it.origin.clone()).collect::<Vec<_>>();
        self.rule.id == other.rule.id
            && self.message == other.message
            && places(self) == places(other)
    }

    /// Leaves out of every sentence what has the shape of a secret; the engine calls it once for
    /// each finding, before any report sees it.
    pub(crate) fn mask(&mut self) {
        let hide = |text: &mut String| {
            if let Cow::Owned(masked) = masked(text) {
                *text = masked;
            }
        };
        hide(&mut self.message);
        self.evidence.iter_mut().for_each(|evidence| hide(&mut evidence.note));
        self.notes.iter_mut().for_each(hide);
        if let Some(fix) = &mut self.fix {
            hide(&mut fix.title);
            // An edit is written as it is or not at all.
            if fix.edits.iter().any(|edit| matches!(masked(&edit.replacement), Cow::Owned(_))) {
                fix.edits.clear();
            }
        }
    }

    /// Leaves out of every sentence what it repeats of what is masked on the lines of its places.
    pub(crate) fn hide_repeated(&mut self, sources: &Sources) {
        let mut sentences: Vec<&mut String> = vec![&mut self.message];
        sentences.extend(&mut self.notes);
        sentences.extend(self.fix.as_mut().map(|fix| &mut fix.title));
        for evidence in &mut self.evidence {
            let Some(place) = evidence.origin.span() else { continue };
            let source = sources.get(evidence.origin.source());
            let note = std::iter::once(&mut evidence.note);
            for sentence in sentences.iter_mut().map(|sentence| &mut **sentence).chain(note) {
                for span in source.repeated(place, sentence).into_iter().rev() {
                    sentence.replace_range(span, MASK);
                }
            }
        }
    }

    /// Leaves out what is known to be secret by its text, also of the places.
    pub(crate) fn hide(&mut self, hidden: &Hidden) {
        hidden.hide(&mut self.message);
        hidden.hide(&mut self.subject);
        for note in &mut self.notes {
            hidden.hide(note);
        }
        for evidence in &mut self.evidence {
            hidden.hide(&mut evidence.note);
            evidence.origin.hide(hidden);
        }
        if let Some(fix) = &mut self.fix {
            hidden.hide(&mut fix.title);
            if fix.edits.iter_mut().any(|edit| hidden.hide(&mut edit.replacement)) {
                fix.edits.clear();
            }
        }
    }

    /// A finding of `rule` at `origin`, which `label` explains in a few words.
    pub fn new(
        rule: &'static Rule,
        message: impl Into<String>,
        origin: &Origin,
        label: impl Into<String>,
    ) -> Self {
        Self {
            rule,
            variant: None,
            level: rule.level,
            level_by_case: false,
            strict_by_case: None,
            message: message.into(),
            evidence: vec![Evidence {
                origin: origin.clone(),
                role: Role::Primary,
                note: label.into(),
            }],
            notes: Vec::new(),
            fix: None,
            subject: String::new(),
            fingerprint: String::new(),
            former: String::new(),
            identity: String::new(),
        }
    }

    /// Makes it a variant, with the variant's level.
    #[must_use]
    pub fn variant(mut self, variant: &'static Variant) -> Self {
        self.variant = Some(variant);
        self.level = variant.level;
        self
    }

    /// Sets a level that depends on the case.
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self.level_by_case = true;
        self
    }

    /// Sets the level from the strict profile on, in this case: that of the rule or variant counts
    /// in no other.
    #[must_use]
    pub fn strict(mut self, level: Level) -> Self {
        self.strict_by_case = Some(level);
        self
    }

    /// What the case says of its level.
    pub fn by_case(&self) -> ByCase {
        ByCase { level: self.level_by_case.then_some(self.level), strict: self.strict_by_case }
    }

    /// Adds another place that makes it true.
    #[must_use]
    pub fn also(mut self, origin: &Origin, label: impl Into<String>) -> Self {
        self.evidence.push(Evidence {
            origin: origin.clone(),
            role: Role::Related,
            note: label.into(),
        });
        self
    }

    /// Adds a sentence without a place.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds the way out.
    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }

    /// The primary place.
    pub fn primary(&self) -> &Origin {
        // `new` puts it there and nothing removes it.
        &self.evidence[0].origin
    }

    /// `rule` or `rule/variant`.
    pub fn id(&self) -> String {
        match self.variant {
            Some(variant) => format!("{}/{}", self.rule.id, variant.name),
            None => self.rule.id.to_owned(),
        }
    }
}
