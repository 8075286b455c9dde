//! Whether a program reads variables by names that are written down in it.

use crate::facts::binary::GoProgram;
use crate::facts::symbols;
use crate::findings::{Abstain, Reason};

/// Packages that compose names at run time, or hand the whole environment on.
const READERS: &[&str] = &[
    "github.com/spf13/viper",
    "github.com/kelseyhightower/envconfig",
    "github.com/caarlos0/env",
    "github.com/sethvargo/go-envconfig",
    "github.com/ilyakaznacheev/cleanenv",
    "github.com/knadh/koanf",
    "github.com/alecthomas/kong",
    "github.com/alecthomas/kingpin",
    "github.com/urfave/cli",
    "github.com/peterbourgon/ff",
    "github.com/jessevdk/go-flags",
    "github.com/joho/godotenv",
    "github.com/codingconcepts/env",
    "github.com/vrischmann/envconfig",
    "github.com/namsral/flag",
    "github.com/alexflint/go-arg",
    "github.com/ardanlabs/conf",
    "github.com/joeshaw/envdecode",
    "github.com/Netflix/go-env",
    "github.com/cristalhq/aconfig",
    "github.com/jinzhu/configor",
    "github.com/JeremyLoy/config",
    "github.com/omeid/uconfig",
    "github.com/heetch/confita",
    "github.com/zeromicro/go-zero/core/conf",
    "github.com/go-kratos/kratos/v2/config",
];

impl GoProgram {
    /// Unknown when the program may look for names that are not written down in it.
    pub fn reads_names_as_written(&self) -> Result<(), Abstain> {
        let unknown = |what: &str| {
            Err(Abstain::unknown(Reason::StringsUnreadable, format!("the names that {what} reads")))
        };
        if let Some(reader) = READERS.iter().find(|package| self.links_package(package)) {
            return unknown(reader);
        }
        if self.links(symbols::OS_ENVIRON)?.is_some() {
            return unknown("os.Environ");
        }
        if self.links(symbols::CGO)?.is_some() {
            return unknown("C code");
        }
        Ok(())
    }
}
