//! What starts the program of an image: a container, or, where none of the input does, the image by
//! itself, as `docker run` and a container without `command` start it.

use super::command::CommandLine;
use super::image::ImageCase;
use super::image::ImageView;
use super::image_user::{RunAs, Starts, run_as};
use super::{BuildCase, Case, World, go_program};
use crate::facts::Fact;
use crate::facts::binary::{Binary, GoProgram};
use crate::facts::image::Image;
use crate::facts::workload::SecurityContext;
use crate::findings::{Abstain, Finding, Reason};

/// One way in which an image is started.
#[derive(Clone, Copy, Debug)]
pub struct Start<'w> {
    /// What is started.
    pub image: ImageView<'w>,
    /// The container that starts it.
    pub by: Option<Case<'w>>,
    /// The program, where no container tells it.
    binary: Option<&'w Binary>,
    world: &'w World,
}

impl<'w> Start<'w> {
    /// All facts.
    pub fn world(&self) -> &'w World {
        self.world
    }

    /// The command line. An image by itself has the one that it brings, and none where it only takes
    /// over what its base runs: that is for others to build on.
    pub fn command_line(&self) -> Result<CommandLine, Abstain> {
        if let Some(case) = &self.by {
            return case.command_line();
        }
        let config = self.image.config();
        let first = config.entrypoint.as_ref().or(config.cmd.as_ref());
        match first {
            Some(command) if !command.inherited => self.image.command_line(None),
            _ => Err(Abstain::NotApplicable),
        }
    }

    /// User and groups of the first process.
    pub fn run_as(&self, image: &Image) -> Result<RunAs, Abstain> {
        match &self.by {
            Some(case) => case.run_as(image),
            None => run_as(image, &SecurityContext::default(), &[], Starts::Docker),
        }
    }

    /// Unknown when a volume is mounted over a path of the image.
    pub fn not_mounted_over(&self, path: &str) -> Result<(), Abstain> {
        self.by.map_or(Ok(()), |case| case.not_mounted_over(path))
    }

    /// The signal by which it is said to be stopped.
    pub fn stop_signal(&self) -> Option<&'w Fact<String>> {
        match &self.by {
            Some(case) => case.stop_signal(),
            None => self.image.config().stop_signal.as_ref(),
        }
    }

    /// The Go side of the program.
    pub fn program(&self) -> Result<&'w GoProgram, Abstain> {
        match (&self.by, self.binary) {
            (Some(case), _) => case.program(),
            (None, Some(binary)) => go_program(binary),
            (None, None) => Err(Abstain::unknown(Reason::NoBinary, "the image's program")),
        }
    }

    /// The finding with the container as a place, where one starts it.
    pub fn also_container(&self, finding: Finding, label: &str) -> Finding {
        match &self.by {
            Some(case) => finding.also(case.container_origin(), label),
            None => finding,
        }
    }
}

impl<'w> Case<'w> {
    /// How this container starts its image. `NotApplicable` for other containers than the target.
    pub fn start(&self) -> Result<Start<'w>, Abstain> {
        Ok(Start { image: self.image()?, by: Some(*self), binary: None, world: self.world() })
    }
}

impl<'w> ImageCase<'w> {
    /// How the image starts by itself. `NotApplicable` where a container runs it, since that says how,
    /// and for what is no image of Linux, of which paths and modes are others.
    pub fn start(&self) -> Result<Start<'w>, Abstain> {
        let os = self.image.platform.value.split('/').next().unwrap_or_default();
        if self.cases().next().is_some() || !matches!(os, "" | "linux") {
            return Err(Abstain::NotApplicable);
        }
        let image = self.view();
        Ok(Start { image, by: None, binary: self.binary(), world: self.world() })
    }
}

impl<'w> BuildCase<'w> {
    /// How what the Dockerfile makes starts by itself. `NotApplicable` where a container runs it.
    pub fn start(&self) -> Result<Start<'w>, Abstain> {
        if self.cases().next().is_some() {
            return Err(Abstain::NotApplicable);
        }
        let image = self.image();
        Ok(Start { image, by: None, binary: self.binary(), world: self.world() })
    }
}
