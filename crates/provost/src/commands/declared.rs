//! Programs that `provost.toml` names: evidence as much as those of `--binary`, which outranks them.

use std::path::Path;

use provost_check::artifact::Sources;
use provost_check::artifact::manifest::Skipped;
use provost_check::facts::settings::{Service, Settings};
use provost_check::pipeline::BinaryInput;

use crate::args::CheckArgs;

/// Entries whose binary is looked for.
const MOST: usize = 1024;

/// What the entries name.
#[derive(Default)]
pub(crate) struct Declared {
    pub(crate) binaries: Vec<BinaryInput>,
    /// Those that are not there: most repositories do not keep what they build.
    pub(crate) absent: Vec<Skipped>,
}

/// The binaries of `[[service]]` entries, by paths relative to their file; none where the command line says what
/// runs.
pub(crate) fn binaries(args: &CheckArgs, settings: &Settings, sources: &Sources) -> Declared {
    let mut declared = Declared::default();
    if args.build || !args.binary.is_empty() || !args.image.is_empty() {
        return declared;
    }
    for service in settings.services.iter().take(MOST) {
        let Some(binary) = &service.binary else { continue };
        let config = &sources.get(binary.origin.source()).path;
        let path = below(config, &binary.value);
        if declared.binaries.iter().any(|known| known.shown == path)
            || declared.absent.iter().any(|known| known.path == path)
        {
            continue;
        }
        if Path::new(&path).is_file() {
            declared.binaries.push(BinaryInput::given(path.clone(), path));
        } else {
            declared.absent.push(Skipped {
                why: format!(
                    "{config} names it as the binary of {}, and no such file is there; build it first, or \
                     give --build or --binary",
                    name(service)
                ),
                path,
                render: None,
            });
        }
    }
    declared
}

fn name(service: &Service) -> &str {
    let named = service.name.as_ref().or(service.container.as_ref()).or(service.image.as_ref());
    named.map_or("its [[service]]", |named| named.value.as_str())
}

/// A path of a configuration, as seen from the working directory.
fn below(config: &str, path: &str) -> String {
    let path = path.trim_start_matches("./");
    match config.rsplit_once('/') {
        Some((folder, _)) if !path.starts_with('/') => format!("{folder}/{path}"),
        _ => path.to_owned(),
    }
}
