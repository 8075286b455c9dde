//! Tables that kubectl prints for people: they say that something ended, and not how. What does is named.

/// Lines that are looked at.
const MOST: usize = 200;

/// What a text is that is such a table, and which command says more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) is: &'static str,
    pub(super) ask: String,
}

/// By how it begins: a command that was copied with it, a heading, or rows without one (`--no-headers`).
pub(super) fn of(head: &[u8]) -> Option<Table> {
    let text = String::from_utf8_lossy(head);
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim_end);
    let is_command = |line: &&str| {
        line.trim().is_empty() || line.starts_with(['$', '#']) || line.starts_with("kubectl ")
    };
    let mut lines = lines.skip_while(is_command).take(MOST).peekable();
    let heading: Vec<&str> = lines.peek()?.split_whitespace().collect();
    let has = |names: &[&str]| names.iter().all(|name| heading.contains(name));
    if has(&["READY", "STATUS", "RESTARTS"]) {
        let named = heading.first() == Some(&"NAMESPACE");
        return Some(pods(lines.skip(1), named));
    }
    if has(&["LAST", "SEEN", "REASON", "OBJECT"]) {
        return Some(Table {
            is: "a table of events, which has lost when each was and what it is about",
            ask: "kubectl get events -o yaml".to_owned(),
        });
    }
    if has(&["CPU(cores)", "MEMORY(bytes)"]) {
        return Some(Table {
            is: "a table of what pods use now, which does not say what they use it for",
            ask: "kubectl exec POD -- head -n 200 /sys/fs/cgroup/memory.stat /sys/fs/cgroup/memory.events, or a log with GODEBUG=gctrace=1".to_owned(),
        });
    }
    row(lines.peek()?, false).is_some().then(|| pods(lines, false))
}

struct Row<'t> {
    namespace: Option<&'t str>,
    name: &'t str,
    is_well: bool,
}

/// `ledger-5d8f7c9b4-abcde   0/1   OOMKilled   7 (12s ago)   3h`
fn row(line: &str, named: bool) -> Option<Row<'_>> {
    let mut words = line.split_whitespace();
    let namespace = if named { Some(words.next()?) } else { None };
    let name = words.next()?;
    let (ready, all) = words.next()?.split_once('/')?;
    let status = words.next()?;
    let restarts: u64 = words.next()?.parse().ok()?;
    let (ready, all): (u64, u64) = (ready.parse().ok()?, all.parse().ok()?);
    let is_word = status.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'/'));
    // Both go into a command that somebody copies.
    let is_name = namespace
        .into_iter()
        .chain([name])
        .all(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')));
    let is_well = status == "Completed" || status == "Running" && ready == all && restarts == 0;
    (is_word && is_name).then_some(Row { namespace, name, is_well })
}

fn pods<'t>(lines: impl Iterator<Item = &'t str>, named: bool) -> Table {
    // The first that has something to tell.
    let rows: Vec<Row<'_>> = lines.filter_map(|line| row(line, named)).collect();
    let one = rows.iter().find(|row| !row.is_well).or_else(|| rows.first());
    let pod = match one {
        Some(Row { namespace: Some(namespace), name, .. }) => format!("{name} -n {namespace}"),
        Some(Row { name, .. }) => (*name).to_owned(),
        None => "NAME".to_owned(),
    };
    Table {
        is: "a table of pods, which does not say how a container ended",
        ask: format!("kubectl get pod {pod} -o yaml; what it wrote, kubectl logs {pod} --previous"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "they are tests")]

    use super::of;

    #[test]
    fn the_pod_that_has_something_to_tell_is_named() {
        let rows = "checkout-7d9c5b6f4-x2x7k   1/1     Running            0             3h\nledger-5d8f7c9b4-abcde     0/1     CrashLoopBackOff   7 (12s ago)   3h\n";
        let heading = "NAME                       READY   STATUS             RESTARTS      AGE\n";
        let ask = "kubectl get pod ledger-5d8f7c9b4-abcde -o yaml; what it wrote, kubectl logs ledger-5d8f7c9b4-abcde --previous";
        for text in [
            format!("{heading}{rows}"),
            rows.to_owned(),
            format!("$ kubectl get pods\n{heading}{rows}").replace('\n', "\r\n"),
        ] {
            assert_eq!(of(text.as_bytes()).unwrap().ask, ask, "{text}");
        }
        let all = "NAMESPACE   NAME     READY   STATUS      RESTARTS   AGE\nshop        ledger   0/1     OOMKilled   1          3h\n";
        assert!(
            of(all.as_bytes()).unwrap().ask.starts_with("kubectl get pod ledger -n shop -o yaml")
        );
    }

    #[test]
    fn other_tables_and_logs_are_told_apart() {
        let events = "LAST SEEN   TYPE      REASON    OBJECT       MESSAGE\n12s         Warning   BackOff   pod/ledger   Back-off\n";
        assert!(of(events.as_bytes()).unwrap().ask.contains("events"));
        let top = "NAME     CPU(cores)   MEMORY(bytes)\nledger   1m           200Mi\n";
        assert!(of(top.as_bytes()).unwrap().ask.contains("memory.stat"));
        for log in ["ready 1/1 Running on :80\n", "NAME is taken\n", "gc 1 @0.1s 0%:\n", "\n", ""] {
            assert_eq!(of(log.as_bytes()), None, "{log}");
        }
    }
}
