//! Who a container runs as, by its manifest and its image.

use super::Case;
use super::image::unread;
use crate::facts::Origin;
use crate::facts::image::Image;
use crate::facts::image_files::FileEntry;
use crate::facts::workload::SecurityContext;
use crate::findings::{Abstain, Reason};
use crate::model::ports::ImageUser;

/// User and groups of the container's first process.
#[derive(Clone, Debug)]
pub struct RunAs {
    /// Effective uid.
    pub uid: u32,
    /// The primary group, then the others.
    pub gids: Vec<u32>,
    /// What says so; `None` where nothing does, and it is root.
    pub origin: Option<Origin>,
}

impl RunAs {
    /// Whether it may execute a file. Root needs any of the bits: it passes by the others.
    pub fn may_execute(&self, file: &FileEntry) -> bool {
        file.executable_by(self.uid, &self.gids)
    }
}

/// Whether it may go through a directory. Root may always (CAP_DAC_READ_SEARCH and DAC_OVERRIDE).
pub fn may_search(run_as: &RunAs, dir: &FileEntry) -> bool {
    run_as.uid == 0 || dir.executable_by(run_as.uid, &run_as.gids)
}

impl<'w> Case<'w> {
    /// The layers of this container's image. `NotApplicable` for other containers than the target.
    ///
    /// # Errors
    /// No image is given.
    pub fn layers(&self) -> Result<&'w Image, Abstain> {
        let binding = self.binding().ok_or(Abstain::NotApplicable)?;
        match binding.image.and_then(|index| self.world().images.get(index)) {
            Some(image) => Ok(image),
            None if binding.is_target => {
                Err(Abstain::unknown(Reason::NoImage, "the files of the container's image"))
            }
            None => Err(Abstain::NotApplicable),
        }
    }

    /// The user of the container's first process. The manifest outranks the image; the groups are
    /// those of `/etc/passwd` and `/etc/group`, `fsGroup` and `supplementalGroups`.
    ///
    /// # Errors
    /// The image names a user that its passwd file does not have.
    pub fn run_as(&self, image: &Image) -> Result<RunAs, Abstain> {
        let spec = self.of.object.document.node(self.pod().spec);
        let supplemental = spec.at(&["securityContext", "supplementalGroups"]);
        let numbers = supplemental.iter().flat_map(|list| list.items());
        let numbers = numbers.filter_map(|item| u32::try_from(item.as_i64()?).ok());
        run_as(image, &self.security(), &numbers.collect::<Vec<_>>(), Starts::Kubelet)
    }

    /// Unknown when a volume is mounted over a path of the image: it hides or provides what is
    /// there.
    pub fn not_mounted_over(&self, path: &str) -> Result<(), Abstain> {
        let over = self.container.mounts.iter().find(|mount| {
            let dir = mount.path.value.trim_end_matches('/');
            path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        match over {
            Some(mount) => Err(Abstain::unknown(
                Reason::VolumeUnknown,
                format!("what the volume {} holds at {}", mount.name.value, mount.path.value),
            )),
            None => Ok(()),
        }
    }
}

/// Who starts a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starts {
    /// `docker run`, which takes USER as it is.
    Docker,
    /// The kubelet: where the manifest names no user it hands the runtime that of USER, without the group
    /// behind its colon (`determineEffectiveSecurityContext` in pkg/kubelet/kuberuntime/security_context.go,
    /// `getUserFromImage` in containerd's and CRI-O's image services).
    Kubelet,
}

/// The user of an image's first process under a security context. Without a group of its own it has that
/// of the image's `/etc/passwd`, else 0 (`WithUserID` in containerd's pkg/oci/spec_opts.go).
///
/// # Errors
/// The image names a user that its passwd file does not have.
pub fn run_as(
    image: &Image,
    security: &SecurityContext,
    supplemental: &[u32],
    starts: Starts,
) -> Result<RunAs, Abstain> {
    let configured = image.config.user.as_ref();
    let parsed = configured.map(|user| ImageUser::parse(&user.value.value)).unwrap_or_default();
    let by_manifest = security.run_as_user.as_ref();
    let unknown = || {
        let why = if image.complete { Reason::Malformed } else { unread(image) };
        Abstain::unknown(why, format!("user {}", parsed.user))
    };
    let (uid, origin) = match by_manifest {
        Some(user) => {
            let uid = u32::try_from(user.value).map_err(|_| Abstain::NotApplicable)?;
            (uid, Some(user.origin.clone()))
        }
        None => {
            let uid = parsed.uid().or_else(|| image.uid_of(&parsed.user));
            (uid.ok_or_else(unknown)?, configured.map(|user| user.value.origin.clone()))
        }
    };
    let user = image.users.iter().find(|(_, id, _)| *id == uid);
    let as_written = by_manifest.is_none() && starts == Starts::Docker;
    let own_group = parsed.group.as_deref().filter(|_| as_written);
    let by_image = own_group.and_then(|group| group.parse().ok().or(image.gid_of(group)));
    let number = |value: i64| u32::try_from(value).ok();
    let primary = security
        .run_as_group
        .as_ref()
        .and_then(|group| number(group.value))
        .or(by_image)
        .or(user.map(|(_, _, gid)| *gid))
        .unwrap_or(0);
    let mut gids = vec![primary];
    if let Some((name, _, _)) = user {
        let listed = image.groups.iter().filter(|group| group.members.contains(name));
        gids.extend(listed.map(|group| group.gid));
    }
    gids.extend(security.fs_group.as_ref().and_then(|group| number(group.value)));
    gids.extend(supplemental);
    Ok(RunAs { uid, gids, origin })
}
