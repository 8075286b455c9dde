//! What the kernel wrote, and parts of it in other forms.

use super::cgroup::{Limit, Memory, Version};
use super::log::{Constraint, Limits, PageTables, Reader, Report};
use super::process::Process;
use super::stamp::strip;

/// Linux 6.18, cgroup version 1: `dmesg`, with most lines of the statistics left out.
const V1: &str = "\
[25624.692500] leak invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
[25624.693118] memory: usage 65536kB, limit 65536kB, failcnt 19
[25624.693125] memory+swap: usage 65536kB, limit 9007199254740988kB, failcnt 0
[25624.693127] kmem: usage 304kB, limit 9007199254740988kB, failcnt 0
[25624.693128] Memory cgroup stats for /oomt/c:
[25624.693164] cache 0
[25624.693166] rss 66596864
[25624.693190] total_cache 0
[25624.693191] total_rss 66596864
[25624.693193] total_shmem 0
[25624.693239] Tasks state (memory values in pages):
[25624.693240] [  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name
[25624.693243] [   9402]     0  9402   323229    16533    16224      309         0   221184        0             0 leak
[25624.693247] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/oomt/c,task_memcg=/oomt/c,task=leak,pid=9402,uid=0
[25624.693279] Memory cgroup out of memory: Killed process 9402 (leak) total-vm:1292916kB, anon-rss:64896kB, file-rss:1236kB, shmem-rss:0kB, UID:0 pgtables:216kB oom_score_adj:0
";

fn reports(text: &str) -> Vec<Report> {
    let mut reader = Reader::default();
    let mut reports = Vec::new();
    reader.push(text.as_bytes(), &mut |report| reports.push(report));
    reader.finish(&mut |report| reports.push(report));
    assert_eq!(reader.counts().lines, text.lines().count() as u64);
    reports
}

#[test]
fn a_report_of_version_1_is_read_whole() {
    let all = reports(V1);
    let [report] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(report.stamp.uptime_us, Some(25_624_692_500));
    assert_eq!((report.invoker.as_deref(), &report.constraint), (Some("leak"), &Constraint::Memcg));
    assert_eq!(report.limit_group.as_deref(), Some("/oomt/c"));
    let memory = report.memory.unwrap();
    assert_eq!((memory.usage, memory.limit), (65_536 << 10, Limit::Bytes(65_536 << 10)));
    assert_eq!((memory.failures, report.swap), (19, Some(0)));
    let composition = report.composition().unwrap();
    assert_eq!(
        (composition.anon, composition.file, composition.kernel),
        (66_596_864, 0, 304 << 10)
    );
    let victim = report.victim().unwrap();
    assert_eq!((victim.pid, victim.name.as_str(), victim.line), (9402, "leak", 15));
    assert_eq!((victim.anon, victim.file), (Some(64_896 << 10), Some(1236 << 10)));
    let task = report.victim_task().unwrap();
    assert_eq!((task.rss, task.page_tables), (16_533, PageTables::Bytes(221_184)));
    assert_eq!(report.page(), Some(4096));
}

/// How a logger writes a line of that time and text.
type Form<'a> = &'a dyn Fn(&str, &str) -> String;

#[test]
fn whatever_stands_before_the_lines_does_not_matter() {
    let plain = reports(V1);
    let of = |f: &dyn Fn(&str, &str) -> String| -> String {
        let lines = V1.lines().map(|line| {
            let (stamp, text) = line.split_once("] ").unwrap();
            f(stamp.trim_start_matches('[').trim(), text) + "\n"
        });
        lines.collect()
    };
    let forms: [(&str, Form<'_>); 20] = [
        ("dmesg -t", &|_, text| text.to_owned()),
        ("dmesg -T", &|_, text| format!("[Thu Nov 26 15:30:00 2026] {text}")),
        ("dmesg -r", &|stamp, text| format!("<6>[{stamp}] {text}")),
        ("dmesg -x", &|stamp, text| format!("kern  :info  : [{stamp}] {text}")),
        ("callers", &|stamp, text| format!("[{stamp}][ T9402] {text}")),
        ("kmsg", &|_, text| format!("6,1234,25624692500,-;{text}")),
        ("syslog", &|stamp, text| format!("Nov 26 15:30:00 node-1 kernel: [{stamp}] {text}")),
        ("journal", &|_, text| format!("Nov 26 15:30:00 node-1 kernel: {text}")),
        ("iso", &|_, text| format!("2026-11-26T15:30:00+0000 node-1 kernel: {text}")),
        ("monotonic", &|stamp, text| format!("[{stamp}] node-1 kernel: {text}")),
        ("delta", &|stamp, text| format!("[{stamp} <    0.000105 >] node-1 kernel: {text}")),
        ("delta, first", &|stamp, text| format!("[{stamp}                ] node-1 kernel: {text}")),
        ("unix", &|_, text| format!("1764151215.605563 node-1 kernel: {text}")),
        ("full", &|_, text| format!("Thu 2026-11-26 15:30:00 UTC node-1 kernel: {text}")),
        ("no hostname", &|_, text| format!("Nov 26 15:30:00.605563 kernel: {text}")),
        ("json", &|_, text| {
            format!(
                "{{\"__REALTIME_TIMESTAMP\":\"1764151215605563\",\"_TRANSPORT\":\"kernel\",\"MESSAGE\":\"{text}\"}}"
            )
        }),
        ("json, only messages", &|_, text| {
            format!("{{\"__REALTIME_TIMESTAMP\":\"1764151215605563\",\"MESSAGE\":\"{text}\"}}")
        }),
        ("json-seq", &|_, text| {
            format!(
                "\u{1e}{{\"__REALTIME_TIMESTAMP\":\"1764151215605563\",\"MESSAGE\":\"{text}\"}}"
            )
        }),
        ("json-pretty", &|_, text| format!("\t\"MESSAGE\" : \"{text}\",")),
        ("verbose", &|_, text| format!("    MESSAGE={text}")),
    ];
    for (name, form) in forms {
        let all = reports(&of(form));
        let [report] = all.as_slice() else { panic!("{name}: {all:?}") };
        let mut same = report.clone();
        same.stamp = plain[0].stamp.clone();
        assert_eq!(same, plain[0], "{name}");
        let without = ["dmesg -t", "json-pretty", "verbose"].contains(&name);
        assert_eq!(report.stamp == super::Stamp::default(), without, "{name}");
    }
    let (stamp, text) = strip("2026-11-26T15:30:00+0000 node-1 kernel: oom_reaper: x");
    assert_eq!(stamp.date.as_deref(), Some("2026-11-26T15:30:00+0000"));
    assert_eq!(text, "oom_reaper: x");
    // A row of the table is no time.
    assert_eq!(strip("[   9402]     0  9402").1, "[   9402]     0  9402");
}

/// Each form as `journalctl` of systemd 252 writes it, of one journal.
#[test]
fn the_journal_gives_the_same_report_in_every_form() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/oom/journal");
    let of = |form: &str| {
        let text = std::fs::read_to_string(folder.join(form)).unwrap();
        assert!(super::log::is_one(&text[..text.len().min(8192)]) || form == "cat", "{form}");
        let all = reports(&text);
        let [report] = all.as_slice() else { panic!("{form}: {all:?}") };
        report.clone()
    };
    let monotonic = of("short-monotonic");
    assert!(!monotonic.tasks.is_empty() && monotonic.composition().is_some(), "{monotonic:?}");
    let forms = [
        "short",
        "short-precise",
        "short-iso",
        "short-iso-precise",
        "short-full",
        "short-delta",
        "short-unix",
        "with-unit",
        "cat",
        "json",
        "json-sse",
        "json-seq",
        "json-pretty",
        "verbose",
        "export",
    ];
    for form in forms {
        let mut report = of(form);
        if form.starts_with("json-s") || ["json", "short-delta"].contains(&form) {
            assert_eq!(report.stamp.uptime_us, monotonic.stamp.uptime_us, "{form}");
        }
        // Some have many lines for each entry.
        (report.line, report.stamp) = (monotonic.line, monotonic.stamp.clone());
        for (killed, same) in report.killed.iter_mut().zip(&monotonic.killed) {
            killed.line = same.line;
        }
        assert_eq!(report, monotonic, "{form}");
    }
}

#[test]
fn what_programs_write_into_the_journal_is_not_the_kernels() {
    let line = "Memory cgroup out of memory: Killed process 7 (a) total-vm:4kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:0kB oom_score_adj:0";
    let of =
        |transport: &str| format!("{{\"MESSAGE\":\"{line}\",\"_TRANSPORT\":\"{transport}\"}}\n");
    assert_eq!(reports(&of("kernel")).len(), 1);
    assert_eq!(reports(&of("stdout")), []);
}

#[test]
fn pieces_of_any_size_give_the_same() {
    let whole = reports(V1);
    for size in 1..200 {
        let mut reader = Reader::default();
        let mut got = Vec::new();
        for piece in V1.as_bytes().chunks(size) {
            reader.push(piece, &mut |report| got.push(report));
        }
        reader.finish(&mut |report| got.push(report));
        assert_eq!(got, whole, "{size}");
        assert_eq!(reader.counts().lines, V1.lines().count() as u64);
    }
}

#[test]
fn a_group_that_is_killed_together_is_one_report() {
    let text = "\
[    5.696815] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a,task=memory,pid=252,uid=0
[    5.696971] Memory cgroup out of memory: Killed process 252 (memory) total-vm:4kB, anon-rss:1kB, file-rss:4kB, shmem-rss:0kB, UID:0 pgtables:224kB oom_score_adj:900
[    5.697057] Tasks in /a are going to be killed due to memory.oom.group set
[    5.697120] Memory cgroup out of memory: Killed process 243 (init) total-vm:2260kB, anon-rss:92kB, file-rss:0kB, shmem-rss:20kB, UID:0 pgtables:28kB oom_score_adj:900
";
    let all = reports(text);
    let [report] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(report.all_of.as_deref(), Some("/a"));
    assert_eq!(report.killed.iter().map(|killed| killed.pid).collect::<Vec<_>>(), [252, 243]);
    assert_eq!(report.killed[0].adj, Some(900));
}

#[test]
fn kills_without_their_report_are_told_apart() {
    let line = |pid| {
        format!(
            "Memory cgroup out of memory: Killed process {pid} (a) b, c) total-vm:8kB, anon-rss:4kB, file-rss:0kB\n"
        )
    };
    let all = reports(&format!("{}{}", line(1), line(2)));
    assert_eq!(all.len(), 2);
    assert_eq!(all[1].victim().unwrap().name, "a) b, c");
    assert_eq!(all[1].constraint, Constraint::Memcg);
    // Nobody was killed by these.
    assert!(reports("app: Killed process 3\nsaid: \"Killed process\"\n").is_empty());
    assert!(reports("leak invoked oom-killer: gfp_mask=0xcc0\nmemory: usage 1kB\n").is_empty());
}

/// Linux 4 has a line for the group of the limit, which for a pod has no process itself, and one for each below it.
#[test]
fn statistics_of_groups_below_a_pod_are_summed_before_5_0() {
    let text = "\
[ 100.1] java invoked oom-killer: gfp_mask=0x14000c0(GFP_KERNEL), nodemask=(null), order=0, oom_score_adj=994
[ 100.2] Task in /kubepods/burstable/podx/y killed as a result of limit of /kubepods/burstable/podx
[ 100.4] Memory cgroup stats for /kubepods/burstable/podx: cache:0KB rss:0KB rss_huge:0KB shmem:0KB
[ 100.4] Memory cgroup stats for /kubepods/burstable/podx/y: cache:16KB rss:2000KB rss_huge:0KB shmem:8KB
[ 100.4] Memory cgroup stats for /kubepods/burstable/podx/z: cache:4KB rss:40KB rss_huge:0KB shmem:0KB
[ 100.8] Killed process 4711 (my server) total-vm:2800kB, anon-rss:1900kB, file-rss:100kB, shmem-rss:0kB
";
    let all = reports(text);
    let composition = all[0].composition().unwrap();
    assert_eq!(
        (composition.anon, composition.file, composition.shmem),
        (2040 << 10, 12 << 10, 8 << 10)
    );
}

#[test]
fn lines_that_were_cut_out_of_a_log_before_5_0_say_why() {
    let text = "\
[Thu Dec  7 00:05:15 2017] Memory cgroup out of memory: Kill process 24572 (app) score 0 or sacrifice child
[Thu Dec  7 00:05:15 2017] Killed process 28438 (child) total-vm:20255636kB, anon-rss:466160kB, file-rss:13684kB
[Thu Dec  7 00:06:15 2017] Out of memory: Kill process 5 (x) score 900 or sacrifice child
[Thu Dec  7 00:06:15 2017] Killed process 5 (x) total-vm:2800kB, anon-rss:1900kB, file-rss:100kB
[Thu Dec  7 00:07:15 2017] Killed process 6 (y) total-vm:2800kB, anon-rss:1900kB, file-rss:100kB
[Thu Dec  7 00:08:15 2017] watchdog: Out of memory: Kill process 7 (z) score 900 or sacrifice child
";
    let all = reports(text);
    let why: Vec<_> = all.iter().map(|r| (r.constraint.clone(), r.killed[0].pid, r.line)).collect();
    assert_eq!(
        why,
        [(Constraint::Memcg, 28438, 1), (Constraint::Machine, 5, 3), (Constraint::Unknown, 6, 5)]
    );
}

#[test]
fn the_machine_and_kernels_before_5_0() {
    let text = "\
[ 100.1] java invoked oom-killer: gfp_mask=0x14000c0(GFP_KERNEL), nodemask=(null), order=0, oom_score_adj=994
[ 100.2] Task in /kubepods/burstable/podx/y killed as a result of limit of /kubepods/burstable/podx
[ 100.3] memory: usage 2048kB, limit 2048kB, failcnt 7
[ 100.3] memory+swap: usage 3072kB, limit 4096kB, failcnt 0
[ 100.4] Memory cgroup stats for /kubepods/burstable/podx/y: cache:16KB rss:2000KB rss_huge:0KB shmem:8KB
[ 100.5] [ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name
[ 100.6] [ 4711]  1000  4711      700      500       9       3        7           994 my server
[ 100.7] Memory cgroup out of memory: Kill process 4711 (my server) score 1994 or sacrifice child
[ 100.8] Killed process 4711 (my server) total-vm:2800kB, anon-rss:1900kB, file-rss:100kB, shmem-rss:0kB
[ 200.1] x invoked oom-killer: gfp_mask=0x0, order=0, oom_score_adj=0
[ 200.2] Total swap = 1024kB
[ 200.3] 130942 pages RAM
[ 200.4] 0 pages HighMem/MovableOnly
[ 200.5] 10678 pages reserved
[ 200.6] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/a,b,task=x,pid=5,uid=0
[ 200.7] Out of memory: Killed process 5 (x) total-vm:4kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB
";
    let all = reports(text);
    let [old, machine] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(old.constraint, Constraint::Memcg);
    assert_eq!(old.limit_group.as_deref(), Some("/kubepods/burstable/podx"));
    assert_eq!(old.victim_task().unwrap().name, "my server");
    let task = old.victim_task().unwrap();
    assert_eq!(task.page_tables, PageTables::Pages(12));
    assert_eq!((task.total, task.rss, task.swap, task.adj), (700, 500, 7, 994));
    assert_eq!(old.swap, Some(1024 << 10));
    assert_eq!(old.composition().unwrap().anon, 2000 << 10);
    assert_eq!(old.composition().unwrap().file, 8 << 10);
    assert_eq!(machine.constraint, Constraint::Machine);
    assert_eq!(machine.victim_group.as_deref(), Some("/a,b"));
    assert_eq!((machine.machine_pages, machine.machine_swap), (Some(120_264), Some(1024 << 10)));
}

#[test]
fn swap_and_nodes_of_version_2() {
    let text = "\
oom-kill:constraint=CONSTRAINT_CPUSET,nodemask=(null),cpuset=/,mems_allowed=0,task_memcg=/a,task=x,pid=5,uid=0
swap: usage 12kB, limit 9007199254740988kB, failcnt 3
Out of memory: Killed process 5 (x) total-vm:4kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB
";
    let all = reports(text);
    assert_eq!((all[0].swap, &all[0].constraint), (Some(12 << 10), &Constraint::Nodes));
}

#[test]
fn what_is_kept_of_a_report_is_limited_and_the_rest_is_counted() {
    let limits = Limits { tasks: 2, killed: 2, report: 10, ..Limits::DEFAULT };
    let read = |text: &str| {
        let mut reports = Vec::new();
        let mut reader = Reader::new(limits);
        reader.push(text.as_bytes(), &mut |report| reports.push(report));
        reader.finish(&mut |report| reports.push(report));
        reports
    };
    let head = "x invoked oom-killer: gfp_mask=0x0\n[ pid ] total_vm rss name\n";
    let rows: String = (1..=5).map(|pid| format!("[ {pid}] 8 4 x\n")).collect();
    let kill =
        |pid| format!("Memory cgroup out of memory: Killed process {pid} (x) total-vm:4kB\n");
    let all = "Tasks in /a are going to be killed due to memory.oom.group set\n";
    let reports = read(&format!("{head}{rows}{all}{}", [1, 2, 3].map(kill).concat()));
    let [report] = reports.as_slice() else { panic!("{reports:?}") };
    assert_eq!((report.tasks.len(), report.more_tasks), (2, 3));
    assert_eq!((report.killed.len(), report.more_killed), (2, 1));
    // What comes that much later is of something else.
    let late = read(&format!("{head}{}{}", "other\n".repeat(20), kill(7)));
    assert_eq!((late.len(), late[0].invoker.as_deref(), late[0].line), (1, None, 23));
}

#[test]
fn files_of_a_group() {
    let mut memory = Memory::default();
    assert!(memory.take("memory.max", "67108864\n"));
    assert!(memory.take("memory.high", "max\n"));
    assert!(
        memory
            .take("memory.events", "low 0\nhigh 0\nmax 19\noom 1\noom_kill 4\noom_group_kill 1\n")
    );
    assert!(
        memory.take("memory.stat", "anon 66506752\nfile 4096\nkernel 598016\nshmem 4096\nsock 0\n")
    );
    assert!(memory.take("memory.pressure", "some avg10=61.25 avg60=0.00 avg300=0.00 total=877\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=7\n"));
    assert!(memory.take("cgroup.procs", ""));
    assert!(!memory.take("memory.current", "lots\n"));
    assert!(!memory.take("memory.unknown", "1\n"));
    assert_eq!(memory.version, Some(Version::V2));
    assert_eq!((memory.limit, memory.high), (Some(Limit::Bytes(64 << 20)), Some(Limit::None)));
    let events = memory.events.unwrap();
    assert_eq!((events.high, events.max, events.oom), (Some(0), Some(19), Some(1)));
    assert_eq!((events.oom_kill, events.oom_group_kill), (Some(4), Some(1)));
    let parts = memory.composition().unwrap();
    assert_eq!((parts.anon, parts.file, parts.shmem, parts.kernel), (66_506_752, 0, 4096, 598_016));
    assert_eq!((memory.processes, memory.usage), (Some(0), None));
    let pressure = memory.pressure.unwrap();
    assert_eq!((pressure.some_avg10, pressure.full_avg10), (61.25, 0.5));
    assert_eq!((pressure.some_total_us, pressure.full_total_us), (877, 7));
    // Before Linux 5.18 nothing says what the kernel's parts come to.
    let stat = "anon 1\nfile 0\nkernel_stack 16\npagetables 8\nsec_pagetables 4\npercpu 2\nslab 32\nsock 64\n";
    assert!(memory.take("memory.stat", stat));
    let parts = memory.composition().unwrap();
    assert_eq!((parts.kernel, parts.sock, parts.total()), (62, 64, 127));
    assert!(memory.take("memory.peak", "9\n") && memory.take("memory.oom.group", "1\n"));
    assert!(memory.take("cgroup.procs", "7\n9\n"));
    assert!(memory.take("cgroup.events", "populated 1\nfrozen 0\n"));
    assert_eq!((memory.peak, memory.oom_group, memory.processes), (Some(9), Some(true), Some(2)));
    assert_eq!(memory.populated, Some(true));

    let mut memory = Memory::default();
    assert!(memory.take("memory.limit_in_bytes", "9223372036854771712\n"));
    assert!(memory.take("memory.oom_control", "oom_kill_disable 0\nunder_oom 1\noom_kill 3\n"));
    assert!(memory.take("memory.usage_in_bytes", "5\n") && memory.take("memory.failcnt", "6\n"));
    assert!(memory.take("memory.kmem.usage_in_bytes", "7\n"));
    assert_eq!((memory.usage, memory.failures, memory.under_oom), (Some(5), Some(6), Some(true)));
    assert!(memory.take(
        "memory.stat",
        "cache 8192\nrss 100\nshmem 4096\ntotal_cache 16384\ntotal_rss 200\ntotal_shmem 4096\n"
    ));
    assert_eq!((memory.version, memory.limit), (Some(Version::V1), Some(Limit::None)));
    assert_eq!((memory.kills(), memory.events), (Some(3), None));
    let parts = memory.composition().unwrap();
    assert_eq!((parts.anon, parts.file, parts.shmem, parts.kernel), (200, 12_288, 4096, 7));
}

#[test]
fn files_of_a_process() {
    let status = "Name:\tmemory-1.27.4\nPid:\t174\nVmHWM:\t  300 kB\nVmRSS:\t  200 kB\nRssAnon:\t 150 kB\nRssFile:\t 48 kB\nRssShmem:\t 2 kB\nVmPTE:\t 64 kB\nVmSwap:\t 12 kB\nThreads:\t6\n";
    assert!(super::process::is_status(status));
    let mut process = Process::default();
    assert!(process.take("status", status) && process.take("oom_score_adj", "-997\n"));
    assert!(process.take("oom_score", "12\n") && !process.take("maps", ""));
    assert_eq!((process.name.as_deref(), process.pid), (Some("memory-1.27.4"), Some(174)));
    assert_eq!((process.anon, process.adj, process.score), (Some(150 << 10), Some(-997), Some(12)));
    assert!(process.take(
        "smaps_rollup",
        "Rss: 200 kB\nPss: 90 kB\nPss_Anon: 80 kB\nAnonymous: 96 kB\nAnonHugePages: 64 kB\n"
    ));
    let kib = |size: u64| Some(size << 10);
    assert_eq!((process.peak, process.resident, process.threads), (kib(300), kib(200), Some(6)));
    assert_eq!((process.file, process.shmem, process.swap), (kib(48), kib(2), kib(12)));
    assert_eq!((process.page_tables, process.proportional), (kib(64), kib(90)));
}

/// Any text that ended in a colon was taken for the kernel's: a supervisor's own words were a kill for memory.
#[test]
fn a_process_that_another_one_killed_is_no_kill_of_the_kernels() {
    for line in [
        "2026/11/26 10:00:00 supervisor: Killed process 42 (worker) after timeout",
        "Killed process 42 (worker)",
        "2026/11/26 10:00:01 job: upstream said: Memory cgroup out of memory: Killed process 43 (worker)",
    ] {
        assert!(reports(&format!("{line}\n")).is_empty(), "{line}");
    }
    for line in [
        "Out of memory: Killed process 43 (worker)",
        "Out of memory (oom_kill_allocating_task): Killed process 43 (worker)",
        "[ 100.8] Killed process 4711 (my server) total-vm:2800kB, anon-rss:1900kB, file-rss:100kB",
    ] {
        assert_eq!(reports(&format!("{line}\n")).len(), 1, "{line}");
    }
}

#[test]
fn what_a_program_writes_into_an_entry_of_many_lines_is_not_the_kernels() {
    let kill = "Out of memory: Killed process 42 (worker) total-vm:1kB, anon-rss:1kB, file-rss:0kB, \
                shmem-rss:0kB, UID:0 pgtables:1kB oom_score_adj:0";
    let kills = |text: &str, at: usize| {
        let mut all = Vec::new();
        let mut reader = Reader::default();
        let (one, other) = text.as_bytes().split_at(at);
        reader.push(one, &mut |report| all.push(report));
        reader.push(other, &mut |report| all.push(report));
        reader.finish(&mut |report| all.push(report));
        all.iter().flat_map(|report| &report.killed).count()
    };
    let head = "Wed 2025-11-26 10:00:15.605563 UTC [s=ab;i=1;b=2]\n";
    let verbose = |by: &str, first: bool| match first {
        true => format!("{head}    _TRANSPORT={by}\n    MESSAGE={kill}\n    _PID=1\n"),
        false => format!("{head}    MESSAGE={kill}\n    _PID=1\n    _TRANSPORT={by}\n"),
    };
    let export = |by: &str, _: bool| format!("__CURSOR=s\nMESSAGE={kill}\n_TRANSPORT={by}\n\n");
    let pretty = |by: &str, _: bool| {
        format!("{{\n\t\"MESSAGE\" : \"{kill}\",\n\t\"_TRANSPORT\" : \"{by}\"\n}}\n")
    };
    type Form<'f> = &'f dyn Fn(&str, bool) -> String;
    for form in [&verbose as Form<'_>, &export, &pretty] {
        for first in [true, false] {
            let all = [form("kernel", first), form("stdout", first), form("kernel", first)];
            let text = all.concat();
            for at in 0..text.len() {
                assert_eq!(kills(&text, at), 2, "{at} of {text}");
            }
            assert_eq!(kills(&all[1], 0), 0, "{text}");
        }
    }
    // A report that began behind the message, whose entry ends behind it.
    let mixed = format!("    MESSAGE={kill}\n  x invoked oom-killer: y\n");
    assert_eq!(kills(&mixed, 3), 1, "{mixed}");
}

/// `dmesg | grep oom-kill` and what was cut before the kill: no kill was told of.
#[test]
fn a_report_that_ends_before_the_kill_is_one_where_somebody_is_killed() {
    let choice = "> [ 100.2] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=x,mems_allowed=0,global_oom,task_memcg=/a/b,task=a, b,pid=7134,uid=1000\n";
    let of_limit = "Jan  5 02:12:02 node kernel: Task in /pod/a killed as a result of limit of /pod\nJan  5 02:12:02 node kernel: memory: usage 1024kB, limit 1024kB, failcnt 189\n";
    let traced = "[ 7.1] etcd invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n[ 7.1]  dump_stack+0x63/0x8b\n[ 7.1]  oom_kill_process+0x21c/0x420\n[ 7.1]  out_of_memory+0x11a/0x4b0\n[ 7.1]  mem_cgroup_out_of_memory+0x4b/0x80\n";
    let told = |text: &str| {
        let [report] = &reports(text)[..] else { panic!("{text}") };
        let victim = report.victim().map(|victim| (victim.name.clone(), victim.pid));
        (report.constraint.clone(), victim, report.limit_group.clone())
    };
    let victim = Some(("a, b".to_owned(), 7134));
    assert_eq!(told(choice), (Constraint::Machine, victim, None));
    assert_eq!(told(of_limit), (Constraint::Memcg, None, Some("/pod".to_owned())));
    assert_eq!(told(traced), (Constraint::Memcg, None, None));
    // Memory was asked for in vain, and nobody is killed yet.
    assert!(reports(&traced.replace("oom_kill_process", "dump_header")).is_empty());
}

/// Events of a node were a kill of which nothing was known.
#[test]
fn an_event_of_the_node_says_whose_limit_it_was_and_once() {
    let words = "Memory cgroup out of memory: Killed process 35 (kubectl) total-vm:753508kB, anon-rss:58776kB, file-rss:29400kB, shmem-rss:0kB";
    let event = format!("    \"message\": \"{words}\",\n");
    let old = "  Warning  OOMKilling  49m  kernel-monitor, node-1  Memory cgroup out of memory: Kill process 21 (app) score 1631 or sacrifice child\nKilled process 21 (app) total-vm:54kB, anon-rss:8kB, file-rss:3kB\n";
    for (text, pid) in [(event.as_str(), 35), (old, 21)] {
        let [report] = &reports(text)[..] else { panic!("{text}") };
        assert_eq!(report.constraint, Constraint::Memcg, "{text}");
        assert_eq!(report.victim().unwrap().pid, pid);
    }
    assert_eq!(reports(&format!("[ 1.5] {words}\n{event}")).len(), 1);
}
