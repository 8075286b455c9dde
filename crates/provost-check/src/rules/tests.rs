//! The work of a run grows with its input, not with products of its parts. Counted in steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::artifact::binary_toml;
use crate::case::sample::world;
use crate::case::{Joined, World};
use crate::facts::objects::{Body, Selector};
use crate::facts::program_text::{
    AskedSignals, ConnectionAge, Endpoints, IgnoredTermination, ListenTexts, NumberPresence,
    ProgramString, ProgramText, Route, TextPresence, VariableReads,
};
use crate::facts::{Origin, SourceId};
use crate::findings::Reason;
use crate::rules::engine::{self, Selection, Verdicts};

/// A program that holds nothing and counts how often it is looked through.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

impl ProgramText for Counting {
    fn streams(&self) -> Vec<String> {
        Vec::new()
    }

    fn find(&self, _: &str) -> TextPresence {
        self.0.fetch_add(1, Ordering::Relaxed);
        TextPresence::Absent
    }

    fn find_path(&self, path: &str) -> TextPresence {
        self.find(path)
    }

    fn find_port(&self, _: u16) -> NumberPresence {
        self.0.fetch_add(1, Ordering::Relaxed);
        NumberPresence::Absent
    }

    fn find_number(&self, _: u16) -> NumberPresence {
        self.0.fetch_add(1, Ordering::Relaxed);
        NumberPresence::Absent
    }

    fn calls(&self, _: &str) -> Result<bool, &'static str> {
        Ok(false)
    }

    fn strings(&self) -> Result<&[ProgramString], &'static str> {
        Ok(&[])
    }

    fn constant(&self, _: &str) -> Result<Option<Origin>, &'static str> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(None)
    }

    fn own_constant(&self, text: &str) -> Result<Option<Origin>, &'static str> {
        self.constant(text)
    }

    fn slip(&self, name: &str) -> Result<Option<(String, Origin)>, &'static str> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Some((format!("{name}s"), Origin::whole(SourceId(0)))))
    }

    fn listens(&self) -> Result<&ListenTexts, &'static str> {
        Err("nothing is read of it")
    }

    fn signals(&self) -> Result<AskedSignals, &'static str> {
        Ok(AskedSignals::Termination)
    }

    fn ignores_termination(&self) -> Result<IgnoredTermination, &'static str> {
        Ok(IgnoredTermination::No)
    }

    fn variable_reads(&self) -> Result<&VariableReads, &'static str> {
        Err("nothing is read of it")
    }

    fn routes(&self) -> Result<&[Route], &str> {
        Err("nothing is read of it")
    }

    fn endpoints(&self) -> Result<&Endpoints, &str> {
        Err("nothing is read of it")
    }

    fn serves_tls(&self) -> Result<bool, &'static str> {
        Ok(false)
    }

    fn connection_age(&self) -> Result<ConnectionAge, &'static str> {
        Ok(ConnectionAge::Unset)
    }
}

/// Runs one rule.
fn judge(world: &World, rule: &str) -> Verdicts {
    engine::judge(&Joined::new(world), &[super::find(rule).unwrap()], &Selection::default())
}

/// Judges `count` pods of one program by a rule; `part` makes what is different in each. Says how
/// often the program was looked through, and how often the rule gave up.
fn searches(count: usize, rule: &str, part: impl Fn(usize) -> String) -> (usize, usize) {
    let pod = |n| {
        format!(
            "{{kind: Pod, apiVersion: v1, metadata: {{name: p{n}}}, spec: {{containers: \
             [{{name: a, image: \"a:1\", {}}}]}}}}\n---\n",
            part(n)
        )
    };
    let mut world = world((0..count).map(pod).collect::<String>());
    let page = "path = \"bin/a\"\ngo = \"go1.27.3\"\n\
                functions = [\"flag.(*FlagSet).parseOne\"]\n";
    let mut binary = binary_toml::load(&mut world.sources, page);
    let counting = Arc::new(Counting::default());
    binary.go.as_mut().unwrap().text = Arc::<Counting>::clone(&counting);
    world.binaries.push(binary);
    let verdicts = judge(&world, rule);
    let given_up = verdicts.not_judged.iter().filter(|n| n.reason == Reason::LimitReached).count();
    (counting.0.load(Ordering::Relaxed), given_up)
}

#[test]
fn a_program_is_looked_through_a_bounded_number_of_times() {
    let path = |n: usize| format!("readinessProbe: {{httpGet: {{path: /ready/{n}, port: 80}}}}");
    let name = |n: usize| format!("env: [{{name: SETTING_{n}, value: x}}]");
    assert_eq!(searches(100, "probe-path-not-served", path), (100, 0));
    assert_eq!(searches(100, "env-not-read", name), (100, 0));
    assert_eq!(searches(5000, "probe-path-not-served", path), (4096, 904));
    assert_eq!(searches(5000, "env-not-read", name), (4096, 904));
    // The same few texts are no more work in many pods than the pods are.
    let few = |n: usize| name(n % 10);
    assert_eq!(searches(5000, "env-not-read", few), (5000, 0));
    // What is near a flag, and then the flag.
    let flag = |n: usize| format!("args: [--setting-{n}=x]");
    assert_eq!(searches(100, "undefined-flag", flag), (200, 0));
    assert_eq!(searches(5000, "undefined-flag", flag), (2 * 4096, 904));
}

#[test]
fn a_monitor_is_compared_with_what_has_its_rarest_label() {
    let monitor = |n| {
        format!(
            "{{kind: ServiceMonitor, apiVersion: monitoring.coreos.com/v1, metadata: {{name: m{n}}}, \
             spec: {{selector: {{matchLabels: {{app: a{n}, team: all}}}}, endpoints: [{{port: http}}]}}}}\n---\n\
             {{kind: Service, apiVersion: v1, metadata: {{name: s{n}, labels: {{app: a{n}, team: all}}}}, \
             spec: {{ports: [{{name: http, port: 80}}]}}}}\n---\n"
        )
    };
    // More than are compared with one selector.
    let world = world((0..2500).map(monitor).collect::<String>());
    let joined = Joined::new(&world);
    let index = joined.joins.services_by_label();
    let monitors = world.objects.iter().filter(|object| matches!(object.body, Body::Other));
    let compared: usize = monitors
        .map(|object| {
            let selector = Selector::at(object.node().at(&["spec", "selector"]).unwrap());
            index.of(index.smallest(Some("default"), &selector)).len()
        })
        .sum();
    assert_eq!(compared, 2500);
    let verdicts = judge(&world, "unresolved-scrape-port");
    assert_eq!((verdicts.findings.len(), verdicts.not_judged.len()), (0, 0));
}

/// Containers, and Services that select their pod.
fn pod_of(containers: usize, services: usize) -> World {
    let container = |n| format!("{{name: c{n}, image: \"a:1\", ports: [{{containerPort: {n}}}]}},");
    let service = |n| {
        format!(
            "{{kind: Service, apiVersion: v1, metadata: {{name: s{n}}}, spec: {{selector: {{a: x}}, \
             ports: [{{port: 80, targetPort: 70000}}]}}}}\n---\n"
        )
    };
    let containers: String = (0..containers).map(container).collect();
    let services: String = (0..services).map(service).collect();
    world(format!(
        "{services}{{kind: Pod, apiVersion: v1, metadata: {{name: p, labels: {{a: x}}}}, spec: \
         {{containers: [{containers}]}}}}\n"
    ))
}

#[test]
fn a_container_is_compared_with_a_bounded_number_of_services() {
    let given_up = |world: &World| {
        let verdicts = judge(world, "missing-readiness-probe");
        verdicts.not_judged.iter().filter(|n| n.reason == Reason::LimitReached).count()
    };
    assert_eq!(given_up(&pod_of(10, 256)), 0);
    assert_eq!(given_up(&pod_of(10, 257)), 10);
}

/// `ValidateConfigMap` counts both, and `binaryData` as what it decodes to.
#[test]
fn a_config_map_has_a_mebibyte_for_text_and_bytes_together() {
    let refused = |text: usize, bytes: usize| {
        // Three bytes are four digits.
        let (text, digits) = ("a".repeat(text), "AAAA".repeat(bytes / 3));
        let world = world(format!(
            "{{kind: ConfigMap, apiVersion: v1, metadata: {{name: c}}, data: {{a: {text}}}, binaryData: {{b: {digits}}}}}"
        ));
        judge(&world, "rejected-by-api-server").findings.len()
    };
    const MIB: usize = 1 << 20;
    assert_eq!(refused(MIB / 2, 3), 0);
    assert_eq!(refused(MIB * 6 / 10, MIB * 6 / 10), 1);
    // As written it would be too long.
    assert_eq!(refused(1, MIB * 9 / 10), 0);
    assert_eq!(refused(1, MIB + 3), 1);
}
