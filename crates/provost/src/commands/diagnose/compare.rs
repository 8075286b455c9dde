//! `provost diagnose gc --compare A B`

use anyhow::{Context as _, Result, bail};
use provost_check::artifact::Sources;
use provost_check::case::World;
use provost_check::case::compared::{self, Comparison};
use provost_check::case::traced::first_collections;
use provost_check::report::html::compared::{Side, page};
use provost_check::report::plain::clean;
use provost_check::report::{compared as report, json};
use serde::Serialize;

use super::inputs::Loader;
use crate::args::{Cli, Format, Shown};
use crate::config::{self, InForce, Paths};
use crate::exit::{Exit, Mistake};
use crate::interrupt::Interrupt;
use crate::output;

#[derive(Serialize)]
struct Compared<'a> {
    version: u32,
    a: &'a str,
    b: &'a str,
    comparisons: &'a [Comparison],
}

pub(super) fn run(cli: &Cli, args: &Shown, [a, b]: [&String; 2]) -> Result<Exit> {
    let interrupt = Interrupt::watch().context("cannot watch for signals")?;
    if a == b && a == "-" {
        bail!(Mistake::new("standard input is one log: name a file for the other"));
    }
    let mut sources = Sources::default();
    let color = output::color_on_stderr(cli.color);
    let InForce { settings, .. } =
        config::in_force(&Paths::default(), &mut sources, config::today(), color)?;
    let mut world = World::new(sources, settings);
    let mut loader =
        Loader { cli, world: &mut world, interrupt: &interrupt, follow: false, calls: false };
    [a, b].iter().for_each(|path| loader.load(path));
    if let Some(exit) = interrupt.exit() {
        return Ok(exit);
    }
    if let Some(problem) = world.problems.first() {
        let path = &world.sources.get(problem.origin.source()).path;
        bail!(Mistake::new(format!("{} {}", clean(path), problem.message)));
    }
    let compared = match world.logs.as_slice() {
        [a, b] => compared::compare(a, b).zip(first_collections(a).zip(first_collections(b))),
        _ => None,
    };
    let Some((comparisons, (of_a, of_b))) = compared else {
        bail!(Mistake::new(
            "one of the logs holds no line of gctrace: run the program with GODEBUG=gctrace=1"
        ));
    };
    let format = args.format.first();
    let text = match format.map_or(Format::Text, |output| output.format) {
        Format::Text => report::text(&clean(a), &clean(b), &comparisons, output::WIDTH),
        Format::Markdown => report::markdown(a, b, &comparisons),
        Format::Html => page(
            [&Side { name: a, gc: &of_a }, &Side { name: b, gc: &of_b }],
            &comparisons,
            env!("CARGO_PKG_VERSION"),
        ),
        Format::Json => json::value(&Compared { version: 1, a, b, comparisons: &comparisons }),
        _ => bail!(Mistake::new("a comparison is written as text, json, markdown or html")),
    };
    match format.and_then(|output| output.file.as_ref()) {
        None => output::print(&text)?,
        Some(file) => output::write_file(std::path::Path::new(file), &text)
            .map_err(|error| Mistake::new(format!("cannot write {file}: {error}")))?,
    }
    Ok(Exit::Clean)
}
