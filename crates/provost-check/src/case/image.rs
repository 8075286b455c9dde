//! What the image holds and is configured to do: by its layers where an image is given, else by
//! its Dockerfile and the table of base images.

use std::borrow::Cow;

use super::{BuildCase, Case, Joined, ProgramCase, World};
use crate::facts::binary::Binary;
use crate::facts::build::{BaseImage, Build, Libc, ShellKind, StageConfig};
use crate::facts::build_files::Presence;
use crate::facts::image::Image;
use crate::facts::image_files::FileKind;
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Reason};

/// An image, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub struct ImageView<'w> {
    config: &'w StageConfig,
    build: Option<&'w Build>,
    image: Option<&'w Image>,
}

impl<'w> ImageView<'w> {
    /// An image by its layers, its Dockerfile or both. What the image is configured to do outranks
    /// what the Dockerfile says.
    pub fn new(image: Option<&'w Image>, build: Option<&'w Build>) -> Option<Self> {
        let config = image.map(|i| &i.config).or(build.map(Build::config))?;
        Some(Self { config, build, image })
    }

    /// What it is configured to do.
    pub fn config(&self) -> &'w StageConfig {
        self.config
    }

    /// Its Dockerfile.
    pub fn build(&self) -> Option<&'w Build> {
        self.build
    }

    /// Its layers.
    pub fn image(&self) -> Option<&'w Image> {
        self.image
    }

    /// The image itself, or the FROM that its files come from.
    pub fn origin(&self) -> Origin {
        match (self.image, self.build) {
            (Some(image), _) => image.origin.clone(),
            (None, Some(build)) => build.last().base.origin.clone(),
            // Made from at least one of the two.
            (None, None) => Origin::whole(crate::facts::SourceId(0)),
        }
    }

    /// The image's path, or its base image.
    pub fn name(&self) -> &'w str {
        let base = self.build.map_or("", |build| build.last().base.value.as_str());
        self.image.map_or(base, |image| image.path.as_str())
    }

    /// The table's entry for its base, when nothing better is known.
    pub fn base(&self) -> Option<&'static BaseImage> {
        self.build.filter(|_| self.image.is_none()).and_then(Build::base_image)
    }

    /// Whether all that it holds is known, by its layers or by the table.
    pub fn is_known(&self) -> bool {
        self.image.is_some_and(|image| image.complete) || self.base().is_some()
    }

    /// Whether a missing file is certain by what the image is, rather than by the day of its base.
    pub fn is_certain(&self) -> bool {
        self.image.is_some_and(|image| image.complete)
            || self.base().is_some_and(|base| base.minimal)
    }

    /// Absolute paths for a command's first word.
    pub fn resolve(&self, word: &Fact<String>) -> Vec<Fact<String>> {
        self.config.resolve(word)
    }

    /// Whether an absolute path exists.
    pub fn presence(&self, path: &str) -> Presence {
        match (self.image, self.build) {
            (Some(image), _) if image.files.exists(path) => Presence::Certainly,
            (Some(image), _) if image.complete => Presence::Impossible,
            (Some(_), _) => Presence::Possibly,
            (None, Some(build)) => build.presence(path),
            (None, None) => Presence::Possibly,
        }
    }

    /// Files that a mistyped command may have meant.
    pub fn likely_programs(&self) -> Vec<Fact<String>> {
        const MOST: usize = 1000;
        match (self.image, self.build) {
            (Some(image), _) => image
                .files
                .iter()
                .filter(|(_, file)| file.kind == FileKind::File && file.mode & 0o111 != 0)
                .take(MOST)
                .map(|(path, _)| Fact::written(path.to_owned(), image.file(path)))
                .collect(),
            (None, Some(build)) => build.certain_files(),
            (None, None) => Vec::new(),
        }
    }

    /// The shell at `/bin/sh`: `None` where there is certainly none, or it cannot be told.
    pub fn shell(&self) -> Option<ShellKind> {
        match self.image {
            Some(image) => image.shell().flatten(),
            None => self.base().and_then(|base| base.shell),
        }
    }

    /// The C library.
    ///
    /// # Errors
    /// Neither the layers nor the base are known.
    pub fn libc(&self) -> Result<Libc, Abstain> {
        match (self.image, self.base()) {
            (Some(image), _) if image.complete => Ok(image.libc()),
            (None, Some(base)) => Ok(base.libc),
            _ => Err(self.unknown(format!("what {} holds", self.name()))),
        }
    }

    /// The uid of a user's name, by the image's passwd file.
    pub fn uid_of(&self, name: &str) -> Option<u32> {
        match self.image {
            Some(image) => image.uid_of(name),
            None => {
                let users = self.base().map_or(&[][..], |base| base.users);
                users.iter().find(|(user, _)| *user == name).map(|(_, uid)| *uid)
            }
        }
    }

    /// Something about the image cannot be told.
    pub fn unknown(&self, what: impl Into<Cow<'static, str>>) -> Abstain {
        let reason = self.image.map_or(Reason::BaseImageUnknown, unread);
        Abstain::unknown(reason, what)
    }
}

/// Why an image is not known whole.
pub fn unread(image: &Image) -> Reason {
    if image.limited { Reason::LimitReached } else { Reason::Unreadable }
}

impl<'w> Case<'w> {
    /// The image this container runs: its layers, or the Dockerfile that builds it.
    /// `NotApplicable` for other containers than the target.
    pub fn image(&self) -> Result<ImageView<'w>, Abstain> {
        let index = self.binding().ok_or(Abstain::NotApplicable)?.image;
        let image = index.and_then(|index| self.world().images.get(index));
        match (image, self.build()) {
            (None, Err(abstain)) => Err(abstain),
            (image, build) => ImageView::new(image, build.ok()).ok_or(Abstain::NotApplicable),
        }
    }
}

impl<'w> ProgramCase<'w> {
    /// The image that runs the program, when one is known.
    pub fn image(&self) -> Option<ImageView<'w>> {
        let joined = self.joined;
        let index = joined.bindings.image_of_binary(self.index);
        ImageView::new(index.and_then(|index| self.world().images.get(index)), self.build())
    }
}

impl<'w> BuildCase<'w> {
    /// What the Dockerfile makes.
    pub fn image(&self) -> ImageView<'w> {
        ImageView { config: self.build.config(), build: Some(self.build), image: None }
    }
}

/// One container image by its layers.
#[derive(Clone, Copy, Debug)]
pub struct ImageCase<'w> {
    /// Everything.
    pub joined: &'w Joined<'w>,
    /// Its index in [`World::images`].
    pub index: usize,
    /// The image.
    pub image: &'w Image,
}

impl<'w> ImageCase<'w> {
    /// All facts.
    pub fn world(&self) -> &'w World {
        self.joined.world
    }

    /// What it holds, by its layers alone.
    pub fn view(&self) -> ImageView<'w> {
        ImageView { config: &self.image.config, build: None, image: Some(self.image) }
    }

    /// Containers that run it.
    pub fn cases(&self) -> impl Iterator<Item = Case<'w>> {
        let index = self.index;
        self.joined
            .cases()
            .filter(move |case| case.binding().is_some_and(|b| b.image == Some(index)))
    }

    /// The program at its entrypoint.
    pub fn binary(&self) -> Option<&'w Binary> {
        self.world().binaries.iter().find(|binary| binary.in_image == Some(self.image.source))
    }
}
