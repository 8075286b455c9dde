//! The two GODEBUG keys that decide GOMAXPROCS, from the environment and the binary's own defaults.
//!
//! The grammar and the table of keys are [`goformats::godebug`].

use goformats::godebug::{self, Godebug};
use goformats::version::GoVersion;

/// Who set a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBy {
    /// The environment variable.
    Environment,
    /// DefaultGODEBUG in the build information: go.mod's go line, `godebug` lines, `//go:debug`.
    Binary,
    /// Nobody: the runtime's own default.
    Default,
}

/// A key of the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Whether it is above 0.
    pub on: bool,
    /// Who said so.
    pub by: SetBy,
}

/// What decides whether the runtime looks at the container's CPU limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerAware {
    /// `containermaxprocs`: it looks at start.
    pub containermaxprocs: Setting,
    /// `updatemaxprocs`: it looks again while running.
    pub updatemaxprocs: Setting,
}

/// Reads both keys. `environment` is GODEBUG, `default` is DefaultGODEBUG of the build information.
pub fn container_aware(
    go: &GoVersion,
    environment: Option<&str>,
    default: Option<&str>,
) -> ContainerAware {
    let environment = environment.map(|text| godebug::parse(text, go));
    let default = default.map(|text| godebug::parse(text, go));
    let setting = |key: &str| {
        let from = |source: &Option<Godebug<'_>>| source.as_ref().and_then(|g| g.integer(key));
        match (from(&environment), from(&default)) {
            (Some(value), _) => Setting { on: value > 0, by: SetBy::Environment },
            (None, Some(value)) => Setting { on: value > 0, by: SetBy::Binary },
            // Source: `parsedebugvars` in runtime/runtime1.go, Go 1.25: both are 1 before anything is read.
            (None, None) => Setting { on: true, by: SetBy::Default },
        }
    };
    ContainerAware {
        containermaxprocs: setting("containermaxprocs"),
        updatemaxprocs: setting("updatemaxprocs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_outranks_the_binary() {
        let go = GoVersion::release(27, 3);
        let containermaxprocs = |env, default| container_aware(&go, env, default).containermaxprocs;
        assert_eq!(containermaxprocs(None, None), Setting { on: true, by: SetBy::Default });
        let old = Some("containermaxprocs=0,updatemaxprocs=0");
        assert_eq!(containermaxprocs(None, old), Setting { on: false, by: SetBy::Binary });
        assert_eq!(
            containermaxprocs(Some("containermaxprocs=1"), old),
            Setting { on: true, by: SetBy::Environment }
        );
        assert!(!container_aware(&go, Some("containermaxprocs=1"), old).updatemaxprocs.on);
        // Not an integer: the item is ignored.
        assert_eq!(containermaxprocs(Some("containermaxprocs=yes"), old).by, SetBy::Binary);
        // A `;` hides the key.
        assert_eq!(
            containermaxprocs(Some("gctrace=1;containermaxprocs=0"), None).by,
            SetBy::Default
        );
    }
}
