//! The end of a service in numbers that add up: preStop, what it goes on accepting for, its drain,
//! and what is kept before the kill.

use provost_check::model::grace;

use super::super::find::LameDuck;
use super::service::Service;
use super::template::Words;

impl Service {
    fn pre_stop(&self) -> u64 {
        if self.is_served() { u64::from(grace::DEFAULT_PROPAGATION) } else { 0 }
    }

    fn sum(&self) -> u64 {
        self.pre_stop() + self.times.lame_duck.seconds() + self.times.drain
    }

    /// Seconds between the end of the drain and the kill: at least what the kubelet keeps and a
    /// second, up to the next multiple of five.
    fn reserve(&self) -> u64 {
        let least = self.sum() + u64::from(grace::SMALLEST_REMAINDER) + 3;
        least.div_ceil(5) * 5 - self.sum()
    }

    pub(in super::super) fn grace(&self) -> u64 {
        self.sum() + self.reserve()
    }

    /// Lines of `provost.toml` behind the names.
    pub(super) fn settings_in_toml(&self) -> Vec<String> {
        let times = &self.times;
        if let LameDuck::Unknown(what) = &times.lame_duck {
            let what = what_for(what);
            let mut lines = vec![
                format!("# After SIGTERM the program waits{what} before it ends, and its source does not say how long. Until both"),
                "# of these are set, whether they fit into the grace period is not judged: how long requests in flight get, and how long"
                    .to_owned(),
                "# the program waits before that.".to_owned(),
                format!("# drain = \"{}s\"", times.drain),
                "# lame_duck = \"5s\"".to_owned(),
            ];
            lines.extend(start_time());
            return lines;
        }
        let drain = match &times.because {
            Some(because) => format!("# How long requests in flight get after SIGTERM: {because}."),
            None => "# How long requests in flight get after SIGTERM. Nothing in the program says it: measure or decide."
                .to_owned(),
        };
        let mut lines = vec![drain, format!("drain = \"{}s\"", times.drain)];
        match &times.lame_duck {
            LameDuck::Known(seconds, because) if self.is_served() || *seconds > 0 => {
                lines.push(format!("# How long the listener stays open after SIGTERM: {because}."));
                lines.push(format!("lame_duck = \"{seconds}s\""));
            }
            LameDuck::Unseen if self.is_served() => {
                lines.push("# How long the listener stays open after SIGTERM. Where it is closed is not in the program's source.".to_owned());
                lines.push("# lame_duck = \"0s\"".to_owned());
            }
            _ => {}
        }
        lines.extend(start_time());
        lines
    }

    pub(super) fn termination(&self, words: &mut Words, helm: bool) {
        let lame = self.times.lame_duck.seconds();
        let (drain, reserve) = (self.times.drain, self.reserve());
        let pre_stop = self.pre_stop();
        let mut parts = Vec::new();
        if self.is_served() {
            parts.push(format!("{pre_stop} s preStop"));
        }
        if lame > 0 {
            parts.push(format!("{lame} s in which the listener stays open"));
        }
        parts.push(format!("{drain} s drain"));
        let assumed =
            if self.times.because.is_none() { " (assumed, see provost.toml)" } else { "" };
        // What is not known is in no sum.
        let (without, lame_note) = match &self.times.lame_duck {
            LameDuck::Unknown(what) => (
                format!(
                    " How long it waits{} before it drains is not known, and not in it.",
                    what_for(what)
                ),
                ": not known, and 0 stands for it; see provost.toml".to_owned(),
            ),
            LameDuck::Known(seconds, because) if *seconds > 0 => {
                (String::new(), format!(": {because}; provost.toml says the same"))
            }
            _ => (String::new(), String::new()),
        };
        words.word("lame_duck_note", lame_note);
        let sum = format!(
            "{}{assumed}, and {reserve} s to end before the kill.{without}",
            parts.join(" + ")
        );
        let keys: &[&str] = if self.is_served() {
            &["preStop", "lameDuck", "drain"]
        } else {
            &["lameDuck", "drain"]
        };
        let values: Vec<String> =
            keys.iter().map(|key| format!(".Values.termination.{key}")).collect();
        if helm {
            words.word(
                "grace_sum",
                format!("What the values say, and {reserve} s to end before the kill.{without}"),
            );
            words.word("grace", format!("{{{{ add {} {reserve} }}}}", values.join(" ")));
            words.word("pre_stop", "{{ .Values.termination.preStop }}");
        } else {
            words.word("grace_sum", sum);
            words.word("grace", self.grace().to_string());
            words.word("pre_stop", pre_stop.to_string());
        }
        words.word("pre_stop_value", pre_stop.to_string());
        words.word("lame_duck", lame.to_string());
        words.word("drain", drain.to_string());
        words.word("reserve", reserve.to_string());
        let note = match &self.times.because {
            Some(because) => format!("From {because}; provost.toml says the same."),
            None => "Assumed; provost.toml says the same.".to_owned(),
        };
        words.word("drain_note", note);
    }
}

/// ` for delay`, by the name that the source has for it.
pub(in super::super) fn what_for(what: &str) -> String {
    if what.is_empty() { String::new() } else { format!(" for {what}") }
}

fn start_time() -> [String; 2] {
    [
        "# From exec to ready, on a busy node. Measure it: the startup probe is held against it."
            .to_owned(),
        "# start_time = \"5s\"".to_owned(),
    ]
}
