//! The settings in force, and where each comes from.

use std::fmt::Write as _;

use anyhow::Result;
use provost_check::artifact::Sources;
use provost_check::artifact::config::Loaded;
use provost_check::facts::Fact;
use provost_check::facts::settings::Settings;
use provost_check::findings::Level;
use provost_check::findings::suppress::{Scope, Until};

use provost_check::artifact::config::check_id;
use provost_check::rules::RULES;
use provost_check::rules::engine::Selection;

use crate::args::{self, Cli, ExplainArgs};
use crate::exit::Mistake;
use crate::{config, output};

/// One line for each setting: what is written, else the default; then the level of every rule.
pub(super) fn show(cli: &Cli, args: &ExplainArgs) -> Result<String> {
    let mut sources = Sources::default();
    let color = output::color_on_stderr(cli.color);
    let mut lines = Lines::default();
    let found = config::find(&config::Paths::default())?;
    let loaded = match &found {
        Some(found) => Some(config::load(found, &mut sources, config::today(), color)?.1),
        None => None,
    };
    for set in &args.level {
        check_id(&set.id).map_err(|unknown| {
            let mistake = Mistake::new(unknown.message);
            match unknown.help {
                Some(help) => mistake.help(help),
                None => mistake,
            }
        })?;
    }
    lines.heading("from the command line");
    let typed = typed(args, &mut lines);
    if !typed {
        lines.none();
    }
    match (&found, &loaded) {
        (Some(found), Some(loaded)) => {
            lines.heading(&format!("settings of {}", found.path));
            written(loaded, &sources, &mut lines);
        }
        _ => {
            lines.heading("settings: no provost.toml here or above");
        }
    }
    let settings = loaded.as_ref().map(|loaded| loaded.settings.clone());
    lines.heading("defaults");
    if args.profile.is_none() {
        lines.line("profile", "recommended", "default");
    }
    defaults(&settings.unwrap_or_else(|| Settings::at(config::today())), args, &mut lines);
    levels(args, loaded.as_ref(), &sources, &mut lines);
    Ok(lines.text)
}

/// What the flags say; whether they say anything.
fn typed(args: &ExplainArgs, lines: &mut Lines) -> bool {
    if let Some(profile) = args.profile {
        lines.line("profile", profile.name(), "--profile");
    }
    if let Some((oldest, newest)) = args.kubernetes {
        lines.line("cluster.kubernetes", &format!("\"1.{oldest}..1.{newest}\""), "--kubernetes");
    }
    if let Some(minor) = args.go {
        lines.line("target.go", &format!("\"1.{minor}\""), "--go");
    }
    for set in &args.level {
        let level = set.level.map_or("off", Level::name);
        lines.line(&format!("rules.{}", set.id), level, "--level");
    }
    args.profile.is_some()
        || args.kubernetes.is_some()
        || args.go.is_some()
        || !args.level.is_empty()
}

/// The level of every rule and variant, as `check` would take it, and what decided it. A rule may
/// choose a milder one for a case.
fn levels(args: &ExplainArgs, loaded: Option<&Loaded>, sources: &Sources, lines: &mut Lines) {
    let profile = args.profile.unwrap_or(args::Profile::Recommended);
    let mut chosen = loaded.map(|loaded| loaded.levels.clone()).unwrap_or_default();
    chosen.extend(args.level.iter().map(|set| (set.id.clone(), set.level)));
    let selection = Selection {
        profile: profile.of_the_engine(),
        levels: chosen.clone(),
        ..Selection::default()
    };
    let plain = Selection::default();
    let profiled = Selection { profile: profile.of_the_engine(), ..Selection::default() };
    let place = |id: &str| {
        if args.level.iter().any(|set| set.id == id) {
            return Some("--level".to_owned());
        }
        let place = loaded?.level_places.get(id)?;
        Some(at(place, sources))
    };
    lines.heading("levels of the rules");
    for rule in RULES {
        let variants = rule.variants.iter().map(Some);
        for variant in std::iter::once(None).chain(variants) {
            let level = selection.level(rule, variant);
            let id = match variant {
                Some(variant) => format!("{}/{}", rule.id, variant.name),
                None => rule.id.to_owned(),
            };
            // A rule that is off takes its variants with it.
            let by_rule = (chosen.get(rule.id) == Some(&None)).then(|| place(rule.id)).flatten();
            let why = place(&id).or(by_rule).unwrap_or_else(|| {
                let raised = profiled.level(rule, variant) != plain.level(rule, variant);
                if raised { format!("profile {}", profile.name()) } else { "default".to_owned() }
            });
            lines.line(&id, level.map_or("off", Level::name), &why);
        }
    }
}

#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn heading(&mut self, heading: &str) {
        let gap = if self.text.is_empty() { "" } else { "\n" };
        let _ = writeln!(self.text, "{gap}{heading}");
    }

    fn none(&mut self) {
        self.text.push_str("  nothing\n");
    }

    fn line(&mut self, key: &str, value: &str, origin: &str) {
        let _ = writeln!(self.text, "  {key} = {value}  ({origin})");
    }

    fn fact<T>(
        &mut self,
        key: &str,
        fact: Option<&Fact<T>>,
        sources: &Sources,
        show: impl Fn(&T) -> String,
    ) {
        if let Some(fact) = fact {
            self.line(key, &show(&fact.value), &place(fact, sources));
        }
    }
}

fn place<T>(fact: &Fact<T>, sources: &Sources) -> String {
    at(&fact.origin, sources)
}

fn at(origin: &provost_check::facts::Origin, sources: &Sources) -> String {
    let source = sources.get(origin.source());
    match origin.span() {
        Some(span) => format!("{}:{}", source.path, source.position(span.start).line),
        None => source.path.clone(),
    }
}

fn text(value: &String) -> String {
    format!("{value:?}")
}

fn seconds(value: &f64) -> String {
    format!("\"{value}s\"")
}

fn written(loaded: &Loaded, sources: &Sources, lines: &mut Lines) {
    for service in &loaded.settings.services {
        let name = service.name.as_ref().map_or("?", |name| name.value.as_str());
        let key = |key: &str| format!("service.{name}.{key}");
        for (field, fact) in [
            ("binary", &service.binary),
            ("dockerfile", &service.dockerfile),
            ("image", &service.image),
            ("container", &service.container),
        ] {
            lines.fact(&key(field), fact.as_ref(), sources, text);
        }
        for (field, fact) in [
            ("drain", &service.drain),
            ("flush", &service.flush),
            ("lame_duck", &service.lame_duck),
            ("start_time", &service.start_time),
        ] {
            lines.fact(&key(field), fact.as_ref(), sources, seconds);
        }
        let bytes = service.non_heap_memory.as_ref();
        lines.fact(&key("non_heap_memory"), bytes, sources, u64::to_string);
    }
    cluster(&loaded.settings, sources, lines);
    for (id, level) in &loaded.levels {
        let place = loaded.level_places.get(id).map(|place| at(place, sources));
        let place = place.unwrap_or_else(|| "[rules]".to_owned());
        lines.line(&format!("rules.{id}"), level.map_or("off", Level::name), &place);
    }
    for ignore in &loaded.ignores {
        let scope = match &ignore.scope {
            Scope::Where { path, object, namespace } => {
                let part = |word: &str, value: &Option<String>| {
                    value.as_ref().map(|value| format!(" {word} {value}")).unwrap_or_default()
                };
                let parts = [("in", path), ("of", object), ("in namespace", namespace)];
                parts.map(|(word, value)| part(word, value)).concat()
            }
            Scope::Line { .. } => String::new(),
        };
        let until = match &ignore.until {
            Until::Day(day) => format!(" until {day}"),
            Until::Always | Until::Unreadable(_) => String::new(),
        };
        let rule = format!("{}{scope}{until}", ignore.rule);
        lines.line("ignore", &rule, &at(&ignore.origin, sources));
    }
}

fn cluster(settings: &Settings, sources: &Sources, lines: &mut Lines) {
    let cluster = &settings.cluster;
    let range = |(oldest, newest): &(u16, u16)| format!("\"1.{oldest}..1.{newest}\"");
    lines.fact("cluster.kubernetes", cluster.kubernetes.as_ref(), sources, range);
    for arch in &cluster.node_arch {
        lines.fact("cluster.node_arch", Some(arch), sources, text);
    }
    lines.fact("cluster.node_cpus", cluster.node_cpus.as_ref(), sources, u32::to_string);
    lines.fact("cluster.goamd64", cluster.goamd64.as_ref(), sources, |v| format!("\"v{v}\""));
    if cluster.static_cpu_manager {
        lines.line("cluster.cpu_manager", "\"static\"", "[cluster]");
    }
    lines.fact("cluster.cfs_quota", cluster.cfs_quota.as_ref(), sources, bool::to_string);
    lines.fact("cluster.pod_security", cluster.pod_security.as_ref(), sources, text);
    lines.fact("cluster.mesh", cluster.mesh.as_ref(), sources, text);
    let ports = cluster.unprivileged_ports.as_ref();
    lines.fact("cluster.unprivileged_ports", ports, sources, bool::to_string);
    let propagation = cluster.endpoint_propagation.as_ref();
    lines.fact("cluster.endpoint_propagation", propagation, sources, seconds);
    lines.fact("cluster.nodes", cluster.nodes.as_ref(), sources, u32::to_string);
    for existing in &cluster.exists {
        lines.fact("cluster.exists", Some(existing), sources, |it| format!("\"{it}\""));
    }
    lines.fact("health.endpoint_timeout", settings.endpoint_timeout.as_ref(), sources, seconds);
    let budget = settings.binary_size_budget.as_ref();
    lines.fact("budget.binary_size", budget, sources, u64::to_string);
    let budget = settings.image_size_budget.as_ref();
    lines.fact("budget.image_size", budget, sources, u64::to_string);
    lines.fact("target.go", settings.target_go.as_ref(), sources, |m| format!("\"1.{m}\""));
}

/// What is in force because nothing else is written.
fn defaults(settings: &Settings, args: &ExplainArgs, lines: &mut Lines) {
    if settings.cluster.kubernetes.is_none() && args.kubernetes.is_none() {
        let (oldest, newest) = settings.kubernetes();
        let range = format!("\"1.{oldest}..1.{newest}\"");
        lines.line("cluster.kubernetes", &range, "the supported minors");
    }
    if settings.cluster.endpoint_propagation.is_none() {
        let propagation = seconds(&settings.endpoint_propagation());
        lines.line("cluster.endpoint_propagation", &propagation, "default");
    }
    lines.line("service.*.flush", "\"0s\"", "default");
    lines.line("service.*.lame_duck", "\"0s\"", "default: the listener closes on SIGTERM");
}
