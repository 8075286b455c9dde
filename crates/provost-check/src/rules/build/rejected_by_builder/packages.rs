//! `go build ./cmd/srv` where the context has `cmd/server`: "directory not found".

use super::{NO_PACKAGE, RULE};
use crate::case::BuildCase;
use crate::findings::{Finding, Fix};
use crate::rules::rule::Findings;

pub(super) fn check(case: &BuildCase<'_>, out: &mut Findings) {
    let build = case.build;
    let Some(context) = &build.context else { return };
    for missing in &context.missing_packages {
        let (index, word) = missing.word;
        let Some(go) = build.go_builds.get(index) else { continue };
        let Some(word) = go.packages.get(word) else { continue };
        // `--build-arg` may say another than the default of `./cmd/$APP`.
        if case.world().verbatim(&word.origin, &word.value).is_none() {
            continue;
        }
        let dir = match context.dir.as_str() {
            "." => String::new(),
            dir => format!(" in {dir}"),
        };
        let message = format!(
            "go {} {}: the build context has no directory {}{dir}, and nothing in the file makes it",
            go.verb, word.value, missing.path
        );
        let finding = Finding::new(&RULE, message, &word.origin, "no such directory")
            .variant(&NO_PACKAGE)
            .also(&missing.copy, "brings what is around it");
        out.push(finding.fix(match &missing.near {
            Some(near) => {
                let fix = Fix::suggest(format!("did you mean {near}?"));
                fix.replace(&word.origin, near.as_str())
            }
            None => Fix::suggest("name a package that is there"),
        }));
    }
}
