//! Control groups of our own, so that a process has the limits of its container and is counted by
//! itself: version 2 where this process may make groups that have the controllers, version 1 where the
//! machine has those.

mod hierarchies;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use provost_check::facts::proof::Used;
use provost_check::model::gomaxprocs;
use provost_check::model::quantity::{Bytes, Millicores};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

pub use self::hierarchies::Hierarchies;
pub(crate) use self::hierarchies::{Seen, TOP};

/// The period in which processor time is counted, in microseconds (`QuotaPeriod` in
/// pkg/kubelet/cm/helpers_linux.go).
const PERIOD_US: u64 = 100_000;

/// How long a group may take to become empty when all in it has been killed.
const EMPTY: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(2);

/// What a container may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Thousandths of a CPU.
    pub cpu_m: Option<u64>,
}

impl Limits {
    fn controllers(self) -> impl Iterator<Item = Controller> {
        let memory = self.memory.map(|_| Controller::Memory);
        memory.into_iter().chain(self.cpu_m.map(|_| Controller::Cpu))
    }
}

/// How a process comes into a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// The file to which it writes for that.
    pub file: PathBuf,
    /// The limits that it has then, in words.
    pub limits: Vec<String>,
}

/// What a group is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Controller {
    Memory,
    Cpu,
}

impl Controller {
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
        }
    }
}

/// The groups of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Groups {
    /// What was asked for.
    limits: Limits,
    folders: Vec<Folder>,
    /// Limits that could not be had, and why.
    refused: Vec<(Controller, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Folder {
    path: PathBuf,
    /// Version 2 has one folder for all controllers.
    unified: bool,
    controllers: Vec<Controller>,
}

impl Groups {
    /// Groups with these limits, made after `remember` has been told of each.
    pub fn make(
        limits: Limits,
        name: &str,
        hierarchies: &Hierarchies,
        mut remember: impl FnMut(&Path) -> io::Result<()>,
    ) -> Self {
        let (folders, refused) = hierarchies.places(limits, name);
        let mut groups = Self { limits, folders: Vec::new(), refused };
        for folder in folders {
            let made = remember(&folder.path)
                .and_then(|()| fs::create_dir(&folder.path))
                .and_then(|()| folder.limit(limits));
            match made {
                Ok(()) => groups.folders.push(folder),
                Err(error) => {
                    // What could not be made is not there.
                    if folder.path.exists() {
                        remove(&folder.path);
                    }
                    for controller in &folder.controllers {
                        groups.refused.push((*controller, error.to_string()));
                    }
                }
            }
        }
        groups
    }

    /// None, because there is nobody who would take them away.
    pub fn refused(limits: Limits, why: &str) -> Self {
        let refused = limits.controllers().map(|it| (it, why.to_owned())).collect();
        Self { limits, folders: Vec::new(), refused }
    }

    /// Files to which a process writes to come in, and what it gets by that.
    pub fn doors(&self) -> Vec<Door> {
        let door = |folder: &Folder| Door {
            file: folder.path.join("cgroup.procs"),
            limits: folder.controllers.iter().map(|it| self.words(*it)).collect(),
        };
        self.folders.iter().map(door).collect()
    }

    /// Limits that are in force, and those that are not with the reason, in words.
    pub fn said(&self) -> (Vec<String>, Vec<(String, String)>) {
        let refused = self.refused.iter().map(|(it, why)| (self.words(*it), why.clone()));
        (self.doors().into_iter().flat_map(|door| door.limits).collect(), refused.collect())
    }

    fn words(&self, controller: Controller) -> String {
        match controller {
            Controller::Memory => {
                format!("its memory limit, {}", Bytes(self.limits.memory.unwrap_or(0)))
            }
            Controller::Cpu => {
                format!("its CPU limit, {}", Millicores(self.limits.cpu_m.unwrap_or(0)))
            }
        }
    }

    /// What was used in them until now, but for those that the process could not get into.
    pub fn used(&self, lacks: impl Fn(&str) -> bool) -> Option<Used> {
        let mut used = Used::default();
        for folder in &self.folders {
            for controller in &folder.controllers {
                if lacks(&self.words(*controller)) {
                    continue;
                }
                match controller {
                    Controller::Memory => {
                        used.memory_limit = self.limits.memory;
                        folder.memory(&mut used);
                    }
                    Controller::Cpu => {
                        used.cpu_limit_m = self.limits.cpu_m;
                        folder.cpu(&mut used);
                    }
                }
            }
        }
        (used != Used::default()).then_some(used)
    }

    /// Whether processor time is limited.
    pub fn limit_cpu(&self) -> bool {
        self.folders.iter().any(|folder| folder.controllers.contains(&Controller::Cpu))
    }

    /// Takes them away, with all that is still in them.
    pub fn remove(&self) {
        self.folders.iter().for_each(|folder| remove(&folder.path));
    }
}

impl Folder {
    fn limit(&self, limits: Limits) -> io::Result<()> {
        let write = |name: &str, text: String| fs::write(self.path.join(name), text);
        for controller in &self.controllers {
            match (controller, self.unified) {
                (Controller::Memory, false) => {
                    let bytes = limits.memory.unwrap_or(u64::MAX).to_string();
                    write("memory.limit_in_bytes", bytes.clone())?;
                    // Without swap, as pods have it; a kernel may not count it.
                    let _ = write("memory.memsw.limit_in_bytes", bytes);
                }
                (Controller::Memory, true) => {
                    write("memory.max", limits.memory.unwrap_or(u64::MAX).to_string())?;
                    let _ = write("memory.swap.max", "0".to_owned());
                    // As the kubelet has it since 1.28 (`singleProcessOOMKill`).
                    let _ = write("memory.oom.group", "1".to_owned());
                }
                (Controller::Cpu, unified) => {
                    let quota = quota_us(limits.cpu_m.unwrap_or(0));
                    if unified {
                        write("cpu.max", format!("{quota} {PERIOD_US}"))?;
                    } else {
                        write("cpu.cfs_period_us", PERIOD_US.to_string())?;
                        write("cpu.cfs_quota_us", quota.to_string())?;
                    }
                }
            }
        }
        Ok(())
    }

    fn number(&self, file: &str) -> Option<u64> {
        fs::read_to_string(self.path.join(file)).ok()?.trim().parse().ok()
    }

    /// A line `key value` of a file.
    fn keyed(&self, file: &str, key: &str) -> Option<u64> {
        let text = fs::read_to_string(self.path.join(file)).ok()?;
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(name, _)| *name == key)?.1.trim().parse().ok()
    }

    fn memory(&self, used: &mut Used) {
        let (peak, events) = match self.unified {
            true => ("memory.peak", "memory.events"),
            false => ("memory.max_usage_in_bytes", "memory.oom_control"),
        };
        used.memory_peak = self.number(peak);
        used.killed = self.keyed(events, "oom_kill").unwrap_or(0);
    }

    fn cpu(&self, used: &mut Used) {
        let of = |key| self.keyed("cpu.stat", key).unwrap_or(0);
        used.periods = of("nr_periods");
        used.throttled = of("nr_throttled");
        used.throttled_us = match self.unified {
            true => of("throttled_usec"),
            // In nanoseconds (sched-bwc.rst).
            false => of("throttled_time") / 1000,
        };
    }
}

/// Microseconds of a period that a limit allows (`MilliCPUToQuota` in pkg/kubelet/cm/helpers_linux.go).
fn quota_us(cpu_m: u64) -> u64 {
    let granted = gomaxprocs::quota(Some(Millicores(cpu_m)));
    granted.map_or(PERIOD_US, |granted| granted.0 * PERIOD_US / 1000)
}

/// Takes a group away. What is in it is killed: nobody else is in a group of ours.
pub(crate) fn remove(folder: &Path) {
    let until = Instant::now() + EMPTY;
    loop {
        match fs::remove_dir(folder) {
            Ok(()) => return,
            Err(error) if is_for_good(&error) || Instant::now() > until => return,
            // Something is still in it.
            Err(_) => kill_all(folder),
        }
        std::thread::sleep(LOOK);
    }
}

/// Whether a group will not be taken away by being tried again: it is not there, or none may be taken away where
/// it is (EROFS, EACCES).
fn is_for_good(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::DirectoryNotEmpty)
}

fn kill_all(folder: &Path) {
    let inside = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    for pid in inside.lines().filter_map(|line| Pid::from_raw(line.trim().parse().ok()?)) {
        // One that has just ended is not there any more.
        let _ = kill_process(pid, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::hierarchies::tests::{BOTH, unified};
    use super::*;

    #[test]
    fn limits_are_written_as_the_kubelet_does_and_counters_are_read() {
        let (_top, found) = unified(&[("", "cpu memory"), ("user/app/shell", "")]);
        let mut told = Vec::new();
        let groups = Groups::make(BOTH, "ours", &found, |path| {
            assert!(!path.exists());
            told.push(path.to_path_buf());
            Ok(())
        });
        let folder = told.first().unwrap();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(
            (read("cpu.max"), read("memory.max")),
            ("25000 100000".into(), "67108864".into())
        );
        fs::write(folder.join("memory.peak"), "4096\n").unwrap();
        fs::write(folder.join("memory.events"), "max 3\noom_kill 1\n").unwrap();
        let stat = "usage_usec 9\nnr_periods 40\nnr_throttled 30\nthrottled_usec 2100000\n";
        fs::write(folder.join("cpu.stat"), stat).unwrap();
        let used = groups.used(|_| false).unwrap();
        assert_eq!((used.memory_peak, used.killed), (Some(4096), 1));
        assert_eq!((used.periods, used.throttled, used.throttled_us), (40, 30, 2_100_000));
        assert!(used.is_throttled() && used.cpu_limit_m == Some(250));
        // What it could not get into limited nothing.
        assert_eq!(groups.used(|_| true), None);
        let without = groups.used(|limit| limit == "its CPU limit, 250m").unwrap();
        assert_eq!((without.memory_peak, without.cpu_limit_m), (Some(4096), None));
    }

    #[test]
    fn of_version_1_each_controller_has_a_folder_and_units_of_its_own() {
        let top = tempfile::tempdir().unwrap();
        let (memory, cpu) = (top.path().join("memory"), top.path().join("cpu"));
        [&memory, &cpu].into_iter().for_each(|folder| fs::create_dir(folder).unwrap());
        let mounts = format!(
            "1 0 0:1 / {} rw - cgroup cgroup rw,memory\n2 0 0:2 / {} rw - cgroup cgroup rw,cpu\n",
            memory.display(),
            cpu.display()
        );
        let found = Hierarchies::parse(&mounts, "2:memory:/\n1:cpu:/\n");
        let groups = Groups::make(BOTH, "ours", &found, |_| Ok(()));
        let (memory, cpu) = (memory.join("ours"), cpu.join("ours"));
        let read = |folder: &Path, name: &str| fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(read(&memory, "memory.limit_in_bytes"), "67108864");
        let quota = ["cpu.cfs_quota_us", "cpu.cfs_period_us"].map(|name| read(&cpu, name));
        assert_eq!(quota, ["25000", "100000"]);
        fs::write(memory.join("memory.max_usage_in_bytes"), "4096\n").unwrap();
        let control = "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n";
        fs::write(memory.join("memory.oom_control"), control).unwrap();
        let stat = "nr_periods 40\nnr_throttled 30\nthrottled_time 2100000000\n";
        fs::write(cpu.join("cpu.stat"), stat).unwrap();
        let used = groups.used(|_| false).unwrap();
        assert_eq!((used.memory_peak, used.killed), (Some(4096), 1));
        assert_eq!((used.periods, used.throttled, used.throttled_us), (40, 30, 2_100_000));
    }

    #[test]
    fn one_that_is_not_remembered_is_not_made() {
        let (top, found) = unified(&[("", "cpu memory"), ("user/app/shell", "")]);
        let groups = Groups::make(BOTH, "ours", &found, |_| Err(io::ErrorKind::BrokenPipe.into()));
        assert!(!top.path().join("ours").exists() && groups.used(|_| false).is_none());
        assert_eq!(groups.said().1.len(), 2);
    }

    #[test]
    fn a_group_that_cannot_be_taken_away_is_not_waited_for() {
        let begun = Instant::now();
        // The kernel lets nobody remove what is there, as where control groups are read-only.
        remove(Path::new("/proc/self/fdinfo"));
        remove(Path::new("/nowhere/ours"));
        assert!(begun.elapsed() < EMPTY / 2, "{:?}", begun.elapsed());
    }

    #[test]
    fn a_quota_is_a_millisecond_at_least() {
        assert_eq!([1, 10, 100, 1500].map(quota_us), [1000, 1000, 10_000, 150_000]);
    }
}
