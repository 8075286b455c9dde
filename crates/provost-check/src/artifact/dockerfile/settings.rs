//! USER, WORKDIR, STOPSIGNAL, EXPOSE and ONBUILD.

use super::grammar;
use super::grammar::INSTRUCTIONS;
use super::run;
use super::stages::{Item, Loader, Trigger, nearest_instruction, shorten};
use crate::artifact::ProblemKind;
use crate::facts::build::Instruction;
use crate::facts::{Basis, Fact};

impl Loader<'_> {
    /// The working directory of the current stage: `/` when the base is known or nothing is set.
    pub(super) fn workdir(&self) -> Option<String> {
        let stage = self.stages.last()?;
        match &stage.config.workdir {
            Some(dir) => Some(dir.value.clone()),
            // An image outside the table may have any.
            None if stage.base_image.is_none() => None,
            None => Some("/".to_owned()),
        }
    }

    pub(super) fn one_word(&mut self, item: &Item<'_>, name: &str) {
        if item.split.rest.is_empty() {
            self.no_arguments(item, name);
            return;
        }
        let mut value = self.expanded(item.line, &item.split.rest, false);
        if name == "STOPSIGNAL" {
            self.stop_signal(&value);
        }
        self.one_value(item, name, &value);
        let dir = self.workdir();
        let index = self.stages.len() - 1;
        if name == "WORKDIR"
            && let Some(scope) = self.scopes.last_mut()
        {
            if !scope.workdir_set && is_relative(&value.value) {
                self.relative_workdirs.push((value.clone(), index));
            }
            scope.workdir_set = true;
        }
        let Some(stage) = self.stages.last_mut() else { return };
        match name {
            "USER" => {
                stage.config.user =
                    Some(Instruction { origin: item.origin.clone(), value, inherited: false });
            }
            "STOPSIGNAL" => stage.config.stop_signal = Some(value),
            _ => {
                if let Some(path) = run::join(Some(dir.as_deref().unwrap_or("/")), &value.value) {
                    if path != value.value {
                        value.basis = Basis::Derived;
                    }
                    value.value = path;
                }
                self.workdirs.push((value.clone(), index));
                stage.config.workdir = Some(value);
            }
        }
    }

    /// Blanks, comments and commands are part of the value.
    fn one_value(&mut self, item: &Item<'_>, name: &str, value: &Fact<String>) {
        let (line, text) = (item.line, value.value.as_str());
        let mut doubt = |message: String, help: &str| {
            let span = line.span(&item.split.rest);
            self.problem(ProblemKind::Doubtful, span, message, Some(help.to_owned()));
        };
        let shown = shorten(text);
        if name == "USER" && text.starts_with(':') {
            doubt(
                format!("USER {shown} names a group and no user: the user stays root"),
                "write a user before the colon: USER 65532:65532",
            );
        } else if text.split_whitespace().skip(1).any(|word| word.starts_with('#')) {
            doubt(
                format!("a comment takes a line of its own: {name} takes all of {shown}"),
                "put the comment on the line above",
            );
        } else if text.split_whitespace().any(|word| matches!(word, "&&" | "||" | ";" | "|")) {
            doubt(
                format!("{name} runs no shell: it takes all of {shown}"),
                "end the instruction before it, and run the rest in a RUN of its own",
            );
        } else if name == "USER" && !text.contains('\\') && text.split_whitespace().count() > 1 {
            // `NT AUTHORITY\NetworkService` is one.
            doubt(
                format!("USER takes all of {shown} for one name, and no user is called that"),
                "write user and group with a colon: USER 65532:65532",
            );
        }
    }

    pub(super) fn expose(&mut self, item: &Item<'_>) {
        let words = grammar::words(item.line, &item.split.rest);
        if words.is_empty() {
            self.no_arguments(item, "EXPOSE");
        }
        for word in words {
            let value = self.expanded(item.line, &word, false);
            for spec in value.value.split_whitespace().take(4096) {
                if spec.contains('$') {
                    continue;
                }
                let Some((ports, protocol)) = ports(spec) else {
                    let message =
                        format!("{} is no port, range of ports or port/protocol", shorten(spec));
                    self.refused(item.line.span(&word), message);
                    continue;
                };
                self.protocol_casing(item.line.span(&word), spec);
                if spec.contains(':') {
                    let message = format!(
                        "EXPOSE maps nothing to the host: of {} only {} counts",
                        shorten(spec),
                        shorten(spec.rsplit(':').next().unwrap_or_default())
                    );
                    let help = "give the container's port; docker run -p maps it".to_owned();
                    let span = item.line.span(&word);
                    self.problem(ProblemKind::Doubtful, span, message, Some(help));
                }
                // A range is as many facts as it has ports, from six bytes of text.
                let cost = ports.clone().count().saturating_mul(64);
                if cost > self.budget {
                    self.limit(
                        item.line.span(&word),
                        "too many exposed ports: these were left out",
                    );
                    continue;
                }
                self.budget -= cost;
                if let (Some(stage), Some(scope)) = (self.stages.last_mut(), self.scopes.last_mut())
                {
                    scope.bytes = scope.bytes.saturating_add(cost);
                    stage.config.exposed.extend(ports.map(|port| Fact {
                        value: (port, protocol.clone()),
                        origin: value.origin.clone(),
                        basis: value.basis,
                    }));
                }
            }
        }
    }

    pub(super) fn onbuild(&mut self, item: &Item<'_>) {
        if item.split.rest.is_empty() {
            self.no_arguments(item, "ONBUILD");
            return;
        }
        let inner = grammar::split(item.line, item.split.rest.start);
        let keyword = item.line.get(&inner.keyword).to_ascii_uppercase();
        let span = item.line.span(&inner.keyword);
        if matches!(keyword.as_str(), "ONBUILD" | "FROM" | "MAINTAINER") {
            self.refused(span, format!("ONBUILD does not take {keyword}"));
        } else if !INSTRUCTIONS.iter().any(|(name, _)| *name == keyword) {
            let help = nearest_instruction(&keyword).map(|name| format!("did you mean {name}?"));
            let message = format!("unknown instruction {}", shorten(item.line.get(&inner.keyword)));
            // Refused once an image is built on this one.
            self.problem(ProblemKind::Doubtful, span, message, help);
        }
        // What it triggers happens in builds on top of this image, and in stages of this file.
        let stage = self.stages.len().saturating_sub(1);
        let trigger = Trigger {
            line: item.line.clone(),
            from: item.split.rest.start,
            heredocs: item.heredocs.clone(),
            origin: item.origin.clone(),
        };
        self.triggers.push((stage, trigger));
    }

    /// The ONBUILD lines of a stage of this file run first in a stage that is based on it, and in no
    /// other (`initOnBuildTriggers` in `dockerfile2llb/convert.go`).
    pub(super) fn run_triggers(&mut self, parent: usize) {
        let first = self.triggers.partition_point(|(stage, _)| *stage < parent);
        let of_parent = self.triggers.get(first..).unwrap_or_default();
        let triggers: Vec<Trigger> = of_parent
            .iter()
            .take_while(|(stage, _)| *stage == parent)
            .take(self.limits.instructions.saturating_sub(self.triggered).min(1000))
            .map(|(_, trigger)| trigger.clone())
            .collect();
        self.triggered += triggers.len();
        for Trigger { line, from, heredocs, origin } in triggers {
            // What a line says may be kept once for each stage.
            let Some(left) = self.budget.checked_sub(line.text.len()) else { return };
            self.budget = left;
            let split = grammar::split(&line, from);
            let keyword = line.get(&split.keyword).to_ascii_uppercase();
            let known = INSTRUCTIONS.iter().find(|(name, _)| *name == keyword);
            if let Some((name, _)) = known
                && !matches!(*name, "ONBUILD" | "FROM" | "MAINTAINER")
            {
                self.dispatch(&Item { line: &line, split, heredocs, origin }, name);
            }
        }
    }
}

/// `[ip:][host:]port[-port][/protocol]` (`dockerfile2llb/convert_expose.go`).
fn ports(spec: &str) -> Option<(std::ops::RangeInclusive<u16>, String)> {
    let spec = spec.rsplit(':').next()?;
    let (ports, protocol) = spec.split_once('/').unwrap_or((spec, ""));
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "" | "tcp" => "tcp",
        "udp" => "udp",
        "sctp" => "sctp",
        _ => return None,
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
    (first <= last).then(|| (first..=last, protocol.to_owned()))
}

/// A path that depends on the directory it is seen from.
pub(super) fn is_relative(path: &str) -> bool {
    let drive = path.as_bytes().get(1) == Some(&b':');
    !path.is_empty() && !path.starts_with(['/', '\\', '$', '%']) && !drive
}
