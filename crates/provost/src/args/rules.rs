//! Which rules are on, and what their findings count for.

use std::collections::BTreeMap;

use clap::Args;
use provost_check::artifact::config::check_id;
use provost_check::rules::engine::{Override, Profile, Selection};

use super::{FailOn, LevelOf};
use crate::exit::Mistake;

#[derive(Debug, Args)]
pub(crate) struct RuleArgs {
    /// Only these rules (or rule/variant)
    #[arg(long, value_name = "RULE,...", value_delimiter = ',', help_heading = "Rules")]
    pub(crate) only: Vec<String>,
    /// Not these rules (or rule/variant)
    #[arg(long, value_name = "RULE,...", value_delimiter = ',', help_heading = "Rules")]
    pub(crate) skip: Vec<String>,
    /// Set the level of a rule: off, note, warn, deny
    #[arg(long, value_name = "RULE=LEVEL", value_delimiter = ',', help_heading = "Rules")]
    pub(crate) level: Vec<LevelOf>,
    /// Exit with 1 from this level on: deny (default), warn, note, never
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "deny",
        hide_default_value = true,
        hide_possible_values = true,
        help_heading = "Rules"
    )]
    pub(crate) fail_on: FailOn,
}

impl RuleArgs {
    /// The rules that run: what the configuration says, outranked by the flags.
    ///
    /// # Errors
    /// When a flag names a rule that does not exist, or all that it names are off.
    pub(crate) fn selection(
        &self,
        profile: Profile,
        mut levels: BTreeMap<String, Override>,
    ) -> Result<Selection, Mistake> {
        let named = self.level.iter().map(|set| &set.id);
        for id in self.only.iter().chain(&self.skip).chain(named) {
            check_id(id).map_err(|unknown| {
                let mistake = Mistake::new(unknown.message);
                match unknown.help {
                    Some(help) => mistake.help(help),
                    None => mistake,
                }
            })?;
        }
        levels.extend(self.level.iter().map(|set| (set.id.clone(), set.level)));
        let selection =
            Selection { profile, levels, only: self.only.clone(), skip: self.skip.clone() };
        if !self.only.is_empty() && selection.is_empty() {
            // A report without findings would say that these rules have none.
            let off = "no rule is left to judge by: all that --only names are off";
            return Err(Mistake::new(off).help(
                "--skip or --level takes them away again, or provost.toml, or they are off in this \
                 profile: --level RULE=warn switches one on",
            ));
        }
        Ok(selection)
    }
}
