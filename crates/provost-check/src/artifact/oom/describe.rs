//! Pods as `kubectl describe pod` prints them (`pkg/describe/describe.go` of kubectl, `describePod`): lines for
//! people, of which some are told here by their label and how far they are indented.
//!
//! It has less than the object: not the pod's UID, not the ID of a container that ended, and of events how long ago
//! they were and not when.

mod fragment;

use fragment::{Fragment, Placed};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::pods::{MOST, MOST_CONTAINERS, cut, id_of};
use crate::facts::SourceId;
use crate::facts::oom::{ContainerStatus, Event, Pod, Setting, Terminated};
use crate::facts::origin::{Fact, Origin};
use crate::model::Quantity;

/// Whether a text begins as `kubectl describe pod` does, or with the command itself where a terminal was copied.
/// What else is described has no node of its own.
pub fn is_described(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let lines = text.trim_start_matches('\u{feff}').lines().filter(|line| !line.is_empty());
    let is_command = |line: &&str| line.contains(" describe ") && labelled(line, "Name").is_none();
    let mut lines = lines.skip_while(is_command);
    let has = |line: Option<&str>, label| line.is_some_and(|line| labelled(line, label).is_some());
    has(lines.next(), "Name")
        && has(lines.next(), "Namespace")
        && lines.take(8).any(|line| labelled(line, "Node").is_some())
}

/// Whether it is a part of that, without the lines that name the pod.
pub fn is_fragment(head: &[u8]) -> bool {
    fragment::is_one(&String::from_utf8_lossy(head))
}

/// What stands behind a label: `Running` in `Status:       Running`.
fn labelled<'t>(line: &'t str, label: &str) -> Option<&'t str> {
    let rest = line.strip_prefix(label)?.strip_prefix(':')?;
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then(|| rest.trim())
}

/// The part of a pod that a line is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Top,
    Containers,
    Events,
    Other,
}

/// The part of a container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inner {
    State,
    LastState,
    Limits,
    Environment,
    EnvironmentFrom,
    Other,
}

struct Reader {
    source: SourceId,
    pods: Vec<Pod>,
    events: Vec<Event>,
    part: Part,
    inner: Inner,
    /// The last container has a status, without which it says nothing.
    has_status: bool,
    /// Lines of a message that is not indented, up to the exit code.
    in_message: bool,
    /// The state before the last one is a status as well, where no more was pasted.
    is_fragment: bool,
}

/// The pods of a text, and their events.
pub fn described(source: SourceId, text: &str) -> (Vec<Pod>, Vec<Event>) {
    let mut reader = Reader::new(source);
    for (line, number) in text.lines().zip(1..) {
        reader.line(line.trim_end(), number);
    }
    reader.close_container();
    (reader.pods, reader.events)
}

/// The containers of a part of such a text: of a pod that nothing names.
pub fn fragment(source: SourceId, text: &str) -> (Vec<Pod>, Vec<Event>) {
    let mut reader = Reader { part: Part::Containers, is_fragment: true, ..Reader::new(source) };
    let mut fragment = Fragment::default();
    let first = Origin::log(source, 1, None);
    reader.top("Name:", first);
    reader.part = Part::Containers;
    for (line, number) in text.lines().zip(1..) {
        match fragment.place(line) {
            Placed::Line(line) => reader.line(&line, number),
            Placed::Begins(line) => {
                if !reader.in_message {
                    reader.part = Part::Containers;
                    reader.container(UNNAMED, Origin::log(source, number, None));
                }
                reader.line(&line, number);
            }
            Placed::Nothing => {}
        }
    }
    reader.close_container();
    (reader.pods, reader.events)
}

/// A container whose name was not pasted.
const UNNAMED: &str = "the container:";

impl Reader {
    fn new(source: SourceId) -> Self {
        Self {
            source,
            pods: Vec::new(),
            events: Vec::new(),
            part: Part::Other,
            inner: Inner::Other,
            has_status: true,
            in_message: false,
            is_fragment: false,
        }
    }

    fn line(&mut self, line: &str, number: u64) {
        let at = Origin::log(self.source, number, None);
        if self.in_message {
            // What a program left as its last words may look like anything.
            match line.strip_prefix("      ").and_then(|line| labelled(line, "Exit Code")) {
                Some(_) => self.in_message = false,
                None => return,
            }
        }
        let indent = line.len() - line.trim_start_matches(' ').len();
        let text = line.get(indent..).unwrap_or_default();
        match (indent, self.part) {
            _ if text.is_empty() => {}
            (0, _) => self.top(text, at),
            (_, Part::Events) => self.event(text, at),
            (2 | 3, Part::Containers) => self.container(text, at),
            (4, Part::Containers) => self.field(text, at),
            (6, Part::Containers) => self.inside(text, at),
            _ => {}
        }
    }

    fn top(&mut self, text: &str, at: Origin) {
        if let Some(name) = labelled(text, "Name") {
            self.close_container();
            self.part = Part::Other;
            if self.pods.len() < MOST {
                self.part = Part::Top;
                self.pods.push(Pod {
                    origin: at,
                    namespace: String::new(),
                    name: name.to_owned(),
                    uid: None,
                    qos: None,
                    reason: None,
                    message: None,
                    deletion: None,
                    containers: Vec::new(),
                });
            }
            return;
        }
        let Some(pod) = self.pods.last_mut() else { return };
        // A message may have lines of its own, that look like labels.
        let is_early = pod.containers.is_empty() && self.part == Part::Top;
        if let Some(namespace) = labelled(text, "Namespace").filter(|_| is_early) {
            pod.namespace = namespace.to_owned();
        } else if let Some(reason) = labelled(text, "Reason").filter(|_| is_early) {
            pod.reason = Some(Fact::written(reason.to_owned(), at));
        } else if let Some(message) = labelled(text, "Message").filter(|_| is_early) {
            pod.message = Some(cut(message));
        } else if let Some(qos) = labelled(text, "QoS Class") {
            pod.qos = Some(qos.to_owned());
        } else if ["Containers:", "Init Containers:", "Ephemeral Containers:"].contains(&text) {
            self.close_container();
            self.part = Part::Containers;
        } else if labelled(text, "Events").is_some() {
            self.close_container();
            self.part = Part::Events;
        } else if ["Conditions:", "Readiness Gates:", "Volumes:"].contains(&text) {
            self.close_container();
            self.part = Part::Other;
        }
    }

    /// `  app:`
    fn container(&mut self, text: &str, at: Origin) {
        self.close_container();
        let Some(name) = text.strip_suffix(':') else { return };
        let Some(pod) = self.pods.last_mut() else { return };
        (self.inner, self.has_status) = (Inner::Other, false);
        if pod.containers.len() < MOST_CONTAINERS {
            pod.containers.push(ContainerStatus {
                origin: at,
                name: name.to_owned(),
                id: None,
                limit: None,
                wanted: None,
                gomemlimit: None,
                running_since: None,
                ends: Vec::new(),
                restarts: 0,
            });
        }
    }

    /// A container that was not started has no status.
    fn close_container(&mut self) {
        let is_open = self.part == Part::Containers;
        if let Some(pod) = self.pods.last_mut().filter(|_| is_open && !self.has_status) {
            pod.containers.pop();
        }
        // Once is enough.
        self.has_status = true;
    }

    /// `    State:          Terminated`
    fn field(&mut self, text: &str, at: Origin) {
        let Some(container) = self.pods.last_mut().and_then(|pod| pod.containers.last_mut()) else {
            return;
        };
        let Some((label, value)) = text.split_once(':') else { return };
        let value = value.trim();
        self.inner = match label {
            "State" => Inner::State,
            "Last State" => Inner::LastState,
            "Limits" => Inner::Limits,
            "Environment" => Inner::Environment,
            "Environment Variables from" => Inner::EnvironmentFrom,
            _ => Inner::Other,
        };
        match label {
            "Container ID" => container.id = id_of(value),
            "Restart Count" => container.restarts = value.parse().unwrap_or(0),
            "State" | "Last State" => {
                self.has_status |= label == "State" || self.is_fragment;
                if value == "Terminated" {
                    // Its code is read where it stands.
                    container.ends.push(Terminated {
                        exit_code: Fact::written(UNKNOWN, at),
                        reason: None,
                        finished: None,
                        id: None,
                    });
                }
            }
            _ => {}
        }
    }

    /// `      Exit Code:    137`
    fn inside(&mut self, text: &str, at: Origin) {
        let Some(container) = self.pods.last_mut().and_then(|pod| pod.containers.last_mut()) else {
            return;
        };
        match self.inner {
            Inner::State | Inner::LastState => {
                let started = labelled(text, "Started").filter(|_| self.inner == Inner::State);
                if let (Some(started), true) = (started, container.ends.is_empty()) {
                    container.running_since = time(started).map(|time| Fact::written(time, at));
                    return;
                }
                let Some(end) = container.ends.last_mut() else { return };
                if let Some(reason) = labelled(text, "Reason") {
                    end.reason = Some(Fact::written(reason.to_owned(), at));
                } else if labelled(text, "Message").is_some() {
                    self.in_message = true;
                } else if let Some(code) = labelled(text, "Exit Code") {
                    end.exit_code = Fact::written(code.parse().unwrap_or(UNKNOWN), at);
                } else if let Some(finished) = labelled(text, "Finished") {
                    end.finished = time(finished).map(|time| Fact::written(time, at));
                }
            }
            Inner::Limits => {
                let limit = labelled(text, "memory").and_then(|limit| Quantity::parse(limit).ok());
                if let Some(limit) = limit {
                    container.limit = Some(Fact::written(limit.bytes(), at));
                }
            }
            Inner::Environment => {
                if let Some(value) = labelled(text, "GOMEMLIMIT") {
                    let is_elsewhere = value.contains("$(")
                        || value.starts_with("<set to the key")
                        || value.ends_with(')');
                    container.gomemlimit = Some(match is_elsewhere {
                        true => Fact::derived(Setting::Elsewhere, at),
                        false => Fact::written(Setting::Written(value.to_owned()), at),
                    });
                }
            }
            Inner::EnvironmentFrom => {
                let prefix = text.split_once("with prefix '");
                let prefix = prefix.and_then(|(_, rest)| Some(rest.split_once('\'')?.0));
                if "GOMEMLIMIT".starts_with(prefix.unwrap_or_default()) {
                    container.gomemlimit.get_or_insert(Fact::derived(Setting::Perhaps, at));
                }
            }
            Inner::Other => {}
        }
    }

    /// `  Normal   Killing    12s (x2 over 30s)  kubelet  spec.containers{app}: Stopping container app`
    fn event(&mut self, text: &str, at: Origin) {
        let mut rest = text;
        let mut next = || {
            let (column, after) = rest.split_once("  ")?;
            rest = after.trim_start();
            Some(column)
        };
        let (Some(kind), Some(reason), Some(_age), Some(_from)) = (next(), next(), next(), next())
        else {
            return;
        };
        let Some(pod) = self.pods.last().filter(|_| self.events.len() < MOST) else { return };
        if kind != "Normal" && kind != "Warning" {
            return;
        }
        // Since kubectl 1.31 with what it is about.
        let about = rest.strip_prefix("spec.").and_then(|rest| rest.split_once("}: "));
        let (container, message) = match about {
            Some((path, message)) => (path.split_once('{').map(|(_, name)| name), message),
            None => (None, rest),
        };
        self.events.push(Event {
            reason: Fact::written(reason.to_owned(), at),
            message: cut(message),
            about: (pod.namespace.clone(), "Pod".to_owned(), pod.name.clone()),
            container: container.map(str::to_owned),
            last: None,
        });
    }
}

/// What is no exit code: the one that stands there is no number.
const UNKNOWN: i64 = -1;

/// `Thu, 26 Nov 2026 10:00:00 +0000`
fn time(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Pod>, Vec<Event>) {
        described(SourceId(0), text)
    }

    const HEAD: &str = "Name:  a\nNamespace:  b\nNode:  n/1.2.3.4\nStatus:  Failed\nReason:  Evicted\nMessage:  low on memory\nContainers:\n";

    #[test]
    fn only_a_pod_is_described_so() {
        assert!(
            is_described(HEAD.as_bytes()) && is_described(HEAD.replace('\n', "\r\n").as_bytes())
        );
        let copied = format!("$ kubectl describe pod a -n b\n\n{HEAD}");
        assert!(is_described(copied.as_bytes()));
        for other in [
            "$ kubectl describe deployment a\nName:  a\nNamespace:  b\nSelector:  a=b\n",
            "Name:  a\nNamespace:  b\nCreationTimestamp:  x\n",
            "Name: a\nserver started\n",
            "Name\nNamespace\nNode\n",
            "",
        ] {
            assert!(!is_described(other.as_bytes()), "{other}");
        }
    }

    /// Pasted without the lines before and behind them, they were a log without anything in it.
    #[test]
    fn a_part_of_a_description_is_read_however_it_is_indented() {
        let lines = "    State:          Running\n      Started:      Thu, 26 Nov 2026 10:05:00 +0000\n    Last State:     Terminated\n      Reason:       OOMKilled\n      Exit Code:    137\n      Started:      Thu, 26 Nov 2026 10:00:00 +0000\n      Finished:     Thu, 26 Nov 2026 10:04:59 +0000\n    Ready:          True\n    Restart Count:  7\n    Limits:\n      cpu:     1\n      memory:  256Mi\n    Requests:\n      memory:  64Mi\n    Environment:\n      GOMEMLIMIT:  230MiB\n    Mounts:\n      /var/run from x (ro)\n";
        let flat: String = lines.lines().map(|line| format!("{}\n", line.trim())).collect();
        let named = format!("  ledger:\n    Image:  x\n{lines}Conditions:\n  Type  Status\n");
        let asked = format!("$ kubectl describe pod ledger | grep -A 20 State\n{lines}");
        for (text, name) in [
            (lines, "the container"),
            (&flat, "the container"),
            (&named, "ledger"),
            (&asked, "the container"),
        ] {
            assert!(is_fragment(text.as_bytes()) && !is_described(text.as_bytes()), "{text}");
            let (pods, _) = fragment(SourceId(0), text);
            let [pod] = pods.as_slice() else { panic!("{pods:?}") };
            let [status] = pod.containers.as_slice() else { panic!("{pod:?}") };
            let end = &status.ends[0];
            assert_eq!((end.reason(), end.exit_code.value), ("OOMKilled", 137), "{text}");
            assert_eq!(status.limit.as_ref().map(|limit| limit.value.0), Some(256 << 20));
            assert_eq!((status.name.as_str(), status.restarts), (name, 7));
            let gomemlimit = status.gomemlimit.as_ref().map(|setting| &setting.value);
            assert_eq!(gomemlimit, Some(&Setting::Written("230MiB".to_owned())), "{text}");
            assert!(status.running_since.is_some() && end.finished.is_some());
        }
        // Of two containers, by grep, with the mark that it puts between.
        let two = "    Last State:     Terminated\n      Reason:       OOMKilled\n      Exit Code:    137\n--\n    Last State:     Terminated\n      Reason:       Error\n      Message:      Exit Code: x\nState: y\n      Exit Code:    1\n";
        assert!(is_fragment(two.as_bytes()));
        let (pods, _) = fragment(SourceId(0), two);
        let codes: Vec<_> =
            pods[0].containers.iter().map(|it| it.ends[0].exit_code.value).collect();
        assert_eq!(codes, [137, 1]);
        for other in [
            "server started\nState: Terminated\nExit Code: 1\n",
            "State: Running\nReason: x\n",
            "goroutine 1 [running]:\nState: Running\nExit Code: 2\n",
            "",
        ] {
            assert!(!is_fragment(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_pod_that_was_evicted_says_why() {
        let (pods, _) = read(&format!("{HEAD}  app:\n    Image:  x\nConditions:\n"));
        let [pod] = pods.as_slice() else { panic!("{pods:?}") };
        let reason = pod.reason.as_ref().map(|reason| reason.value.as_str());
        assert_eq!((reason, pod.message.as_deref()), (Some("Evicted"), Some("low on memory")));
        // A container that was not started has nothing to say.
        assert!(pod.containers.is_empty());
    }

    #[test]
    fn where_gomemlimit_comes_from_is_told() {
        let of = |lines: &str| {
            let text = format!("{HEAD}  app:\n    State:  Running\n{lines}");
            let (mut pods, _) = read(&text);
            let container = pods.pop().and_then(|mut pod| pod.containers.pop());
            container.and_then(|it| it.gomemlimit).map(|setting| setting.value)
        };
        let environment =
            |value: &str| of(&format!("    Environment:\n      GOMEMLIMIT:  {value}\n"));
        assert_eq!(environment("57MiB"), Some(Setting::Written("57MiB".to_owned())));
        for elsewhere in [
            "<set to the key 'a' in secret 'b'>  Optional: false",
            "$(A)",
            "67108864 (limits.memory)",
        ] {
            assert_eq!(environment(elsewhere), Some(Setting::Elsewhere), "{elsewhere}");
        }
        let from = "    Environment Variables from:\n      settings  ConfigMap  Optional: false\n";
        assert_eq!(of(from), Some(Setting::Perhaps));
        assert_eq!(of(&from.replace("ConfigMap", "Secret with prefix 'DB_'")), None);
        assert_eq!(
            of(&format!("{from}    Environment:\n      GOMEMLIMIT:  1GiB\n")),
            Some(Setting::Written("1GiB".to_owned()))
        );
        assert_eq!(of("    Environment:  <none>\n"), None);
    }

    #[test]
    fn events_are_of_the_pod_and_of_its_container_where_they_say_so() {
        let text = format!(
            "{HEAD}  app:\n    State:  Running\nEvents:\n  Type     Reason   Age                From     Message\n  ----     ------   ----               ----     -------\n  Normal   Killing  15s (x3 over 2m)   kubelet  spec.containers{{app}}: Container app failed  it\n  Warning  BackOff  3s                 kubelet  Back-off restarting\n"
        );
        let (_, events) = read(&text);
        let told: Vec<_> = events
            .iter()
            .map(|it| (it.reason.value.as_str(), it.container.as_deref(), it.message.as_str()))
            .collect();
        let expected = [
            ("Killing", Some("app"), "Container app failed  it"),
            ("BackOff", None, "Back-off restarting"),
        ];
        assert_eq!(told, expected);
        assert_eq!(events[0].about, ("b".to_owned(), "Pod".to_owned(), "a".to_owned()));
    }
}
