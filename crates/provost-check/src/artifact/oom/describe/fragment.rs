//! A part of what `kubectl describe pod` prints, as people paste it: the lines about one container, from `grep -A 5 "Last
//! State"`, or without what they were indented by. Labels tell where a line belongs.

use super::labelled;

/// Of a container.
const FIELDS: [&str; 20] = [
    "Container ID",
    "Image",
    "Image ID",
    "Port",
    "Ports",
    "Host Port",
    "Host Ports",
    "SeccompProfile",
    "Command",
    "Args",
    "State",
    "Last State",
    "Ready",
    "Restart Count",
    "Limits",
    "Requests",
    "Liveness",
    "Readiness",
    "Startup",
    "Mounts",
];
const ENVIRONMENT: [&str; 2] = ["Environment", "Environment Variables from"];
/// Of one of its states.
const OF_STATE: [&str; 6] = ["Reason", "Message", "Exit Code", "Signal", "Started", "Finished"];
/// Of a pod.
const OF_POD: [&str; 8] = [
    "QoS Class",
    "Conditions",
    "Readiness Gates",
    "Volumes",
    "Events",
    "Containers",
    "Init Containers",
    "Ephemeral Containers",
];
/// What a container's state is called.
const STATES: [&str; 3] = ["Waiting", "Running", "Terminated"];
/// Lines by which it is told.
const HEAD: usize = 60;

/// Whether a text is one: how a container is or was stands in it, and most lines that it begins with are such.
pub(super) fn is_one(text: &str) -> bool {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let is_command = |line: &&str| {
        line.is_empty() || line.starts_with(['$', '#', '-']) || line.starts_with("kubectl ")
    };
    let mut lines = lines.skip_while(is_command).peekable();
    // Logs have lines of any kind.
    let first = lines.peek().copied().unwrap_or_default();
    let begins = is_known(first) || container(first).is_some();
    let (mut known, mut all, mut states, mut ends) = (0, 0, 0, 0);
    for line in lines.filter(|line| !line.is_empty() && *line != "--").take(HEAD) {
        all += 1;
        known += usize::from(is_known(line) || container(line).is_some());
        let state = labelled(line, "State").or_else(|| labelled(line, "Last State"));
        states += usize::from(state.is_some_and(|state| STATES.contains(&state)));
        ends += usize::from(labelled(line, "Exit Code").is_some());
    }
    begins && states > 0 && ends > 0 && known * 2 > all
}

fn is_known(line: &str) -> bool {
    let all = FIELDS.iter().chain(&ENVIRONMENT).chain(&OF_STATE).chain(&OF_POD);
    all.copied().any(|label| labelled(line, label).is_some())
}

/// `app:`
fn container(line: &str) -> Option<&str> {
    let name = line.strip_suffix(':')?;
    let of_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (!name.is_empty() && name.bytes().all(of_name)).then_some(name)
}

/// Where lines belong, one after the other.
#[derive(Debug, Default)]
pub(super) struct Fragment {
    field: String,
    seen: Vec<String>,
}

/// What becomes of a line.
pub(super) enum Placed {
    /// It stands so in the whole.
    Line(String),
    /// The same, and a container begins with it.
    Begins(String),
    /// Nothing is known of it.
    Nothing,
}

impl Fragment {
    /// Takes a line, and gives it as it is indented in the whole.
    pub(super) fn place(&mut self, line: &str) -> Placed {
        let text = line.trim();
        let of = |labels: &[&'static str]| {
            labels.iter().copied().find(|label| labelled(text, label).is_some())
        };
        let is_inside = |field: &str| self.field == field;
        if let Some(label) = of(&FIELDS).or_else(|| of(&ENVIRONMENT)) {
            // The same once more is of the next one.
            let is_again = self.seen.iter().any(|seen| seen == label);
            if is_again {
                self.seen.clear();
            }
            let is_first = self.seen.is_empty();
            self.field = label.to_owned();
            self.seen.push(label.to_owned());
            let line = format!("    {text}");
            return if is_first { Placed::Begins(line) } else { Placed::Line(line) };
        }
        if (is_inside("State") || is_inside("Last State")) && of(&OF_STATE).is_some()
            || is_inside("Limits")
            || ENVIRONMENT.contains(&self.field.as_str())
                && container(text).is_none()
                && of(&OF_POD).is_none()
        {
            return Placed::Line(format!("      {text}"));
        }
        if of(&OF_POD).is_some() {
            self.field = String::new();
            self.seen.clear();
            return Placed::Line(text.to_owned());
        }
        if container(text).is_some() {
            self.field = "".to_owned();
            self.seen = vec![String::new()];
            return Placed::Line(format!("  {text}"));
        }
        match self.field.as_str() {
            // Lines of a message, of which one may look like anything, and of events.
            "State" | "Last State" => Placed::Line(format!("        {text}")),
            "" => Placed::Line(format!("  {text}")),
            _ => Placed::Nothing,
        }
    }
}
