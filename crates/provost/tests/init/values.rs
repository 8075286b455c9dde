//! Values of the charts that `init` writes: each of them is used, and what no template reads is
//! refused, by the helm of today and the one before.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use super::support::{Dir, files_below, tool};
use super::{init, module, report};

/// Every value of a chart, and another one for it.
const SERVED: &[(&str, &str)] = &[
    ("autoscaling.cpuUtilization", "55"),
    ("autoscaling.maxReplicas", "11"),
    ("autoscaling.minReplicas", "3"),
    ("env", "[{\"name\":\"EXTRA\",\"value\":\"1\"}]"),
    ("fullnameOverride", "\"other\""),
    ("godebug", "\"gctrace=1\""),
    ("image.repository", "\"registry.example.org/other\""),
    ("image.tag", "\"9.9.9\""),
    ("resources.cpuLimit", "\"3\""),
    ("resources.cpuRequest", "\"250m\""),
    ("resources.memory", "\"768Mi\""),
    ("termination.drain", "33"),
    ("termination.lameDuck", "4"),
    ("termination.preStop", "7"),
];

/// What a chart has that takes no requests.
fn unserved() -> Vec<(&'static str, &'static str)> {
    let served = SERVED.iter().copied();
    let mut values: Vec<_> = served
        .filter(|(path, _)| !path.starts_with("autoscaling.") && *path != "termination.preStop")
        .collect();
    values.push(("replicas", "2"));
    values.sort_unstable();
    values
}

struct Chart {
    dir: Dir,
    name: &'static str,
    values: Vec<(&'static str, &'static str)>,
}

fn charts() -> [Chart; 2] {
    [("http", "greeter", SERVED.to_vec()), ("worker", "worker", unserved())].map(
        |(fixture, name, values)| {
            let dir = module(fixture);
            init(&dir, &["--helm", "--ci", "none"]);
            Chart { dir, name, values }
        },
    )
}

impl Chart {
    fn folder(&self) -> String {
        format!("charts/{}", self.name)
    }

    fn render(&self, helm: &str, args: &[&str]) -> Output {
        let mut command = Command::new(tool(helm));
        command.current_dir(self.dir.path()).env("HOME", self.dir.path());
        let template = ["template", "prod", &self.folder(), "--kube-version", "1.35.0"];
        command.args(template).args(args).output().unwrap()
    }

    fn rendered(&self, helm: &str, args: &[&str]) -> String {
        let output = self.render(helm, args);
        assert!(output.status.success(), "{args:?}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The schema says no, before any template is run.
    fn refused(&self, helm: &str, args: &[&str]) {
        let output = self.render(helm, args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{helm} {} takes {args:?}", self.name);
        assert!(error.contains("values don't meet the specifications"), "{args:?}\n{error}");
    }

    fn paths(&self) -> BTreeSet<String> {
        self.values.iter().map(|(path, _)| (*path).to_owned()).collect()
    }
}

/// Paths of a schema's values, and of the objects they are in.
fn of_schema(schema: &Value, path: &str, leaves: &mut BTreeSet<String>, inner: &mut Vec<String>) {
    for (key, value) in schema["properties"].as_object().unwrap() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if value["properties"].is_object() {
            assert_eq!(value["additionalProperties"], false, "{path}");
            inner.push(path.clone());
            of_schema(value, &path, leaves, inner);
        } else if !["global", "enabled"].contains(&path.as_str()) {
            leaves.insert(path);
        }
    }
}

/// Keys of a values file of two levels.
fn of_values(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut parent = String::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with(['#', '-'])) {
        let Some((key, value)) = line.split_once(':') else { continue };
        match (key.strip_prefix("  "), value.trim()) {
            (Some(key), _) => found.insert(format!("{parent}.{}", key.trim())),
            (None, "") => {
                parent = key.to_owned();
                false
            }
            (None, _) => found.insert(key.to_owned()),
        };
    }
    found
}

/// What templates read.
fn of_templates(chart: &Chart) -> BTreeSet<String> {
    let folder = chart.dir.path().join(chart.folder()).join("templates");
    let texts =
        files_below(&folder).into_iter().map(|f| fs::read_to_string(folder.join(f)).unwrap());
    let mut found = BTreeSet::new();
    for text in texts {
        for (at, mark) in text.match_indices(".Values.") {
            let rest = &text[at + mark.len()..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap();
            found.insert(rest[..end].to_owned());
        }
    }
    found
}

#[test]
fn values_templates_and_schema_have_the_same_names() {
    for chart in charts() {
        let read = |file: &str| chart.dir.read(&format!("{}/{file}", chart.folder()));
        let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
        assert_eq!(schema["additionalProperties"], false);
        let (mut leaves, mut inner) = (BTreeSet::new(), Vec::new());
        of_schema(&schema, "", &mut leaves, &mut inner);
        assert_eq!(leaves, chart.paths(), "{}: the schema", chart.name);
        assert_eq!(of_values(&read("values.yaml")), chart.paths(), "{}: values.yaml", chart.name);
        assert_eq!(of_templates(&chart), chart.paths(), "{}: templates", chart.name);
    }
}

#[test]
fn every_value_changes_what_is_rendered() {
    for chart in charts() {
        for helm in ["helm", "helm4"] {
            let before = chart.rendered(helm, &[]);
            for (path, other) in &chart.values {
                let set = format!("{path}={other}");
                let after = chart.rendered(helm, &["--set-json", &set]);
                assert_ne!(after, before, "{helm}: nothing of {} reads {path}", chart.name);
            }
        }
    }
}

/// `null` takes a default away. What then is missing is told by the schema, or is not missed.
#[test]
fn null_is_refused_or_is_the_default() {
    let objects = ["image", "resources", "autoscaling", "termination"];
    for chart in charts() {
        for helm in ["helm", "helm4"] {
            let before = chart.rendered(helm, &[]);
            let paths = chart.values.iter().map(|(path, _)| *path).chain(objects);
            let known = |path: &&str| *path != "autoscaling" || chart.name == "greeter";
            for path in paths.filter(known) {
                let set = format!("{path}=null");
                let optional = ["env", "fullnameOverride", "image.tag"].contains(&path);
                match optional {
                    true => assert_eq!(chart.rendered(helm, &["--set", &set]), before, "{path}"),
                    false => chart.refused(helm, &["--set", &set]),
                }
            }
        }
    }
}

#[test]
fn what_no_template_reads_is_refused() {
    let [served, worker] = charts();
    for helm in ["helm", "helm4"] {
        for set in [
            "replicas=3",
            "autoscalling.minReplicas=3",
            "autoscaling.enabled=false",
            "image.pullPolicy=Always",
            "resources.limits.memory=1Gi",
            "termination.grace=30",
            "resources.cpuLimit=0",
            "image.tag=latest",
            "env[0].name=GOMEMLIMIT,env[0].value=1GiB",
            "env[0].name=A,env[0].vale=1",
            "fullnameOverride=No_Name",
        ] {
            served.refused(helm, &["--set", set]);
        }
        for set in ["autoscaling.minReplicas=2", "termination.preStop=5", "replicas=-1"] {
            worker.refused(helm, &["--set", set]);
        }
        // Helm's own, for charts within charts.
        served.rendered(helm, &["--set", "global.x=1"]);
        // What a schema cannot say, a template does.
        let output = served.render(helm, &["--set", "autoscaling.minReplicas=20"]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            error.contains("autoscaling.minReplicas is above autoscaling.maxReplicas"),
            "{error}"
        );
    }
}

/// Helm holds all that a chart gives its dependency against the dependency's schema, the condition too.
#[test]
fn a_chart_is_a_dependency_with_a_condition() {
    for chart in charts() {
        let charts = chart.dir.path().join("charts");
        fs::create_dir_all(charts.join("shop/charts")).unwrap();
        fs::rename(charts.join(chart.name), charts.join("shop/charts").join(chart.name)).unwrap();
        let name = chart.name;
        let of = format!(
            "apiVersion: v2\nname: shop\nversion: 0.1.0\ndependencies:\n  \
             - {{name: {name}, version: 0.1.0, condition: {name}.enabled}}\n"
        );
        fs::write(charts.join("shop/Chart.yaml"), of).unwrap();
        for helm in ["helm", "helm4"] {
            for (enabled, count) in [("true", 1), ("false", 0)] {
                fs::write(
                    charts.join("shop/values.yaml"),
                    format!("{name}:\n  enabled: {enabled}\n"),
                )
                .unwrap();
                let mut command = Command::new(tool(helm));
                command.current_dir(chart.dir.path()).env("HOME", chart.dir.path());
                let out = command.args(["template", "prod", "charts/shop"]).output().unwrap();
                let error = String::from_utf8_lossy(&out.stderr);
                assert!(out.status.success(), "{helm} {name} {enabled}: {error}");
                let text = String::from_utf8(out.stdout).unwrap();
                assert_eq!(text.matches("\nkind: Deployment\n").count(), count, "{text}");
            }
            fs::write(charts.join("shop/values.yaml"), format!("{name}: {{enabled: 1}}\n"))
                .unwrap();
            let mut command = Command::new(tool(helm));
            command.current_dir(chart.dir.path()).env("HOME", chart.dir.path());
            let out = command.args(["template", "prod", "charts/shop"]).output().unwrap();
            assert!(!out.status.success(), "{helm} {name}: a number is no answer");
        }
    }
}

/// The grace period of the chart is a sum: what has to change are its parts.
#[test]
fn advice_about_the_grace_period_names_values() {
    let dir = module("http");
    init(&dir, &["--helm", "--ci", "none"]);
    let toml = dir.read("provost.toml");
    let dir = dir.file("provost.toml", toml.replace("drain = \"15s\"", "drain = \"60s\""));
    let report =
        report(&dir, &["--only", "drain-exceeds-grace-period", "--chart", "charts/greeter"]);
    let findings = report["findings"].as_array().unwrap();
    let [finding] = &findings[..] else { panic!("{report:#}") };
    let title = finding["fix"]["title"].as_str().unwrap();
    for part in
        ["termination.preStop", "termination.lameDuck", "termination.drain", "until it is 70"]
    {
        assert!(title.contains(part), "{title}");
    }
    assert_eq!(finding["fix"]["edits"].as_array().map_or(0, Vec::len), 0, "{finding:#}");
}
