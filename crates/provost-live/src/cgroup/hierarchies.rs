//! Where control groups are, and where this process may make some.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Controller, Door, Folder, Limits};

/// Where control groups are shown.
pub(crate) const TOP: &str = "/sys/fs/cgroup";

/// What a container sees there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Version 2: its group is the top of all that there is (cgroup_namespaces(7)).
    Unified,
    /// Version 1: the names of the hierarchies, and the group in each.
    Apart(Vec<(String, PathBuf)>),
}

/// Where this process may make groups.
#[derive(Debug)]
pub struct Hierarchies {
    mounts: Vec<Mount>,
    /// Lines of `/proc/self/cgroup`: controllers and path; none for version 2.
    own: Vec<(Vec<String>, String)>,
}

/// A mounted hierarchy, by proc_pid_mountinfo(5).
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    /// The group that is shown at the mount point.
    root: String,
    at: PathBuf,
    unified: bool,
    /// Controllers of version 1.
    options: Vec<String>,
}

impl Hierarchies {
    /// Those of this process.
    pub fn of_this_process() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::parse(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"))
    }

    pub(super) fn parse(mounts: &str, own: &str) -> Self {
        let mount = |line: &str| {
            let (head, tail) = line.split_once(" - ")?;
            let mut head = head.split(' ').skip(3);
            let (root, at) = (head.next()?.to_owned(), PathBuf::from(head.next()?));
            let mut tail = tail.split(' ');
            let unified = match tail.next()? {
                "cgroup" => false,
                "cgroup2" => true,
                _ => return None,
            };
            let options = tail.nth(1).unwrap_or_default();
            let options = options.split(',').map(str::to_owned).collect();
            Some(Mount { root, at, unified, options })
        };
        let group = |line: &str| {
            let mut fields = line.splitn(3, ':').skip(1);
            let names = fields.next()?.split(',').filter(|name| !name.is_empty());
            Some((names.map(str::to_owned).collect(), fields.next()?.to_owned()))
        };
        Self {
            mounts: mounts.lines().filter_map(mount).collect(),
            own: own.lines().filter_map(group).collect(),
        }
    }

    /// The folder of our own group in a hierarchy, and the mount it lies in.
    fn own_folder(&self, controller: Option<&str>) -> Option<(PathBuf, &Path)> {
        let has = |names: &[String]| match controller {
            Some(name) => names.iter().any(|known| known == name),
            None => names.is_empty(),
        };
        let (_, path) = self.own.iter().find(|(names, _)| has(names))?;
        let is_it = |mount: &&Mount| match controller {
            Some(name) => !mount.unified && mount.options.iter().any(|option| option == name),
            None => mount.unified,
        };
        let mount = self.mounts.iter().find(is_it)?;
        // A mount may show a part of the hierarchy, and our own group lie outside of it.
        let below = match mount.root.as_str() {
            "/" => Some(path.as_str()),
            root => path.strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/')),
        };
        let below = below.filter(|below| !below.split('/').any(|part| part == ".."))?;
        Some((mount.at.join(below.trim_start_matches('/')), &mount.at))
    }

    /// Folders in which groups may have been made.
    pub(crate) fn all(&self) -> Vec<PathBuf> {
        let controllers = [Controller::Memory, Controller::Cpu];
        let own = controllers.iter().filter_map(|it| self.own_folder(Some(it.name())));
        let unified = self.own_folder(None).into_iter().flat_map(|(own, top)| {
            let above = own.ancestors().take_while(|it| it.starts_with(top));
            above.map(Path::to_path_buf).collect::<Vec<_>>()
        });
        own.map(|(own, _)| own).chain(unified).collect()
    }

    /// What a program in such groups sees at [`TOP`], which is its own group of each kind (`getCgroupMounts` in
    /// runc's libcontainer/rootfs_linux.go).
    pub(crate) fn seen(&self, doors: &[Door]) -> Seen {
        let folder = |door: &Door| door.file.parent().map(Path::to_path_buf);
        let groups: Vec<PathBuf> = doors.iter().filter_map(folder).collect();
        if self.mounts.iter().any(|mount| mount.unified && mount.at == Path::new(TOP)) {
            return Seen::Unified;
        }
        let mut folders = Vec::new();
        for mount in self.mounts.iter().filter(|it| !it.unified && it.at.starts_with(TOP)) {
            let Some(name) = mount.at.strip_prefix(TOP).ok().and_then(|name| name.to_str()) else {
                continue;
            };
            let group = groups.iter().find(|group| group.starts_with(&mount.at)).cloned();
            let own = || {
                let names = || mount.options.iter().filter(|it| *it != "rw" && *it != "ro");
                names().find_map(|it| Some(self.own_folder(Some(it.as_str()))?.0))
            };
            if let Some(folder) = group.or_else(own).filter(|_| !name.is_empty()) {
                folders.push((name.to_owned(), folder));
            }
        }
        Seen::Apart(folders)
    }

    /// Folders for groups of that name, with what each is for; a limit that nothing can set is told.
    pub(super) fn places(
        &self,
        limits: Limits,
        name: &str,
    ) -> (Vec<Folder>, Vec<(Controller, String)>) {
        let (mut folders, mut unified, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for controller in limits.controllers() {
            match self.own_folder(Some(controller.name())) {
                Some((own, _)) => folders.push(Folder {
                    path: own.join(name),
                    unified: false,
                    controllers: vec![controller],
                }),
                None => unified.push(controller),
            }
        }
        if !unified.is_empty() {
            match self.delegated(&unified) {
                Some(path) => folders.push(Folder {
                    path: path.join(name),
                    unified: true,
                    controllers: unified,
                }),
                None => {
                    for controller in unified {
                        let why = format!(
                            "no control group above this process hands the controller {} down",
                            controller.name()
                        );
                        refused.push((controller, why));
                    }
                }
            }
        }
        (folders, refused)
    }

    /// The nearest group of version 2 whose children have the controllers. Our own has processes in it,
    /// ourselves, and hands none down, unless it is the root ("no internal process constraint",
    /// cgroup-v2.rst).
    fn delegated(&self, controllers: &[Controller]) -> Option<PathBuf> {
        let (own, top) = self.own_folder(None)?;
        let hands_down = |folder: &&Path| {
            let text = fs::read_to_string(folder.join("cgroup.subtree_control"));
            let text = text.unwrap_or_default();
            let has = |controller: &Controller| {
                text.split_ascii_whitespace().any(|name| name == controller.name())
            };
            controllers.iter().all(has) && may_write(&folder.join("cgroup.procs"))
        };
        let within = own.ancestors().take_while(|folder| folder.starts_with(top));
        let found = within.into_iter().find(hands_down);
        found.map(Path::to_path_buf)
    }
}

/// Whether a process may be moved through that group: permission is asked for where both groups meet.
fn may_write(file: &Path) -> bool {
    fs::OpenOptions::new().write(true).open(file).is_ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const HYBRID: &str = "\
        27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
        35 31 0:32 /docker/1f /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    #[test]
    fn the_own_group_is_found_in_both_versions() {
        let own = "4:memory:/docker/1f/worker\n3:cpu,cpuacct:/a\n0::/b/c\n";
        let found = Hierarchies::parse(HYBRID, own);
        let of = |name| found.own_folder(name).map(|(path, _)| path.display().to_string());
        assert_eq!(of(Some("cpu")).unwrap(), "/sys/fs/cgroup/cpu,cpuacct/a");
        assert_eq!(of(Some("memory")).unwrap(), "/sys/fs/cgroup/memory/worker");
        assert_eq!(of(None).unwrap(), "/sys/fs/cgroup/unified/b/c");
        assert_eq!(of(Some("pids")), None);
        // Outside of what is mounted there is no folder to be had.
        let found = Hierarchies::parse(HYBRID, "4:memory:/docker/2a\n0::/../c\n");
        assert!(found.own_folder(Some("memory")).is_none() && found.own_folder(None).is_none());
    }

    /// A tree as version 2 shows it, in a folder of files.
    pub(in crate::cgroup) fn unified(handing: &[(&str, &str)]) -> (tempfile::TempDir, Hierarchies) {
        let top = tempfile::tempdir().unwrap();
        for (group, controllers) in handing {
            let folder = top.path().join(group);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("cgroup.subtree_control"), controllers).unwrap();
            fs::write(folder.join("cgroup.procs"), "").unwrap();
        }
        let mounts = format!("1 0 0:1 / {} rw - cgroup2 cgroup2 rw\n", top.path().display());
        let found = Hierarchies::parse(&mounts, "0::/user/app/shell\n");
        (top, found)
    }

    pub(in crate::cgroup) const BOTH: Limits = Limits { memory: Some(1 << 26), cpu_m: Some(250) };

    #[test]
    fn of_version_2_the_nearest_group_that_hands_the_controllers_down_is_taken() {
        let (top, found) = unified(&[
            ("", "cpu memory pids"),
            ("user", "cpu memory"),
            ("user/app", "memory"),
            ("user/app/shell", ""),
        ]);
        let (places, refused) = found.places(BOTH, "ours");
        assert_eq!(places[0].path, top.path().join("user/ours"));
        assert!(places.len() == 1 && places[0].unified && refused.is_empty());
        let memory = Limits { cpu_m: None, ..BOTH };
        assert_eq!(found.places(memory, "ours").0[0].path, top.path().join("user/app/ours"));
        // Systemd hands a user's groups no processor time in older releases.
        let (_top, found) = unified(&[("", "memory"), ("user/app/shell", "")]);
        let (places, refused) = found.places(BOTH, "ours");
        assert!(places.is_empty(), "{places:?}");
        let names: Vec<Controller> = refused.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, [Controller::Memory, Controller::Cpu]);
    }

    #[test]
    fn a_program_sees_its_own_group_of_each_hierarchy() {
        let own = "4:memory:/docker/1f/worker\n3:cpu,cpuacct:/a\n0::/b/c\n";
        let found = Hierarchies::parse(HYBRID, own);
        let file = PathBuf::from("/sys/fs/cgroup/memory/worker/ours/cgroup.procs");
        let door = Door { file, limits: Vec::new() };
        let of = |name: &str, path: &str| (name.to_owned(), PathBuf::from(path));
        let expected = Seen::Apart(vec![
            of("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/a"),
            of("memory", "/sys/fs/cgroup/memory/worker/ours"),
        ]);
        assert_eq!(found.seen(&[door]), expected);
        let unified = "1 0 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(Hierarchies::parse(unified, "0::/\n").seen(&[]), Seen::Unified);
    }
}
