//! What a template leaves open in an object, and the tool that fills it in.
//!
//! Which tool a file is meant for is told by the form of its placeholders: `{{ .Values.tag }}` is
//! Helm's, `${TAG}` envsubst's, `${TAG:=1.0}` that of its Go relatives (clusterctl, Flux),
//! `$(TAG)` a kustomize variable, `{% if %}` Jinja's, `#@` ytt's.

use rustc_hash::FxHashSet;

use super::document::{Node, NodeId};

/// Who fills a placeholder in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// `{{ .Values.tag }}`
    Helm,
    /// `{{ tag }}`: text/template, Jinja, Mustache.
    Braces,
    /// `{% if tag %}`
    Jinja,
    /// `${TAG}`
    Envsubst,
    /// `${TAG:=1.0}`: GNU's envsubst knows no defaults.
    EnvsubstWithDefaults,
    /// The same in a file with Cluster API's kinds.
    Clusterctl,
    /// `$(TAG)`
    KustomizeVariable,
    /// `#@ data.values.tag`
    Ytt,
    /// `__TAG__`, `{TAG}`, `<%= tag %>`: `sed` and the like.
    Other,
    /// What a renderer leaves where a value was missing: `<no value>`, `%!s(`.
    Rendered,
}

impl Tool {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Helm => "Helm",
            Self::Braces => "a program that fills in `{{ }}`",
            Self::Jinja => "Jinja",
            Self::Envsubst | Self::EnvsubstWithDefaults => "envsubst",
            Self::Clusterctl => "clusterctl",
            Self::KustomizeVariable => "kustomize",
            Self::Ytt => "ytt",
            Self::Other => "another program",
            Self::Rendered => "nothing",
        }
    }

    /// The shell command that renders `file` and has it judged, where the file alone is enough.
    /// `quoted` is the path as a shell takes it.
    pub fn command(self, quoted: &str) -> Option<String> {
        let command = match self {
            Self::Envsubst => format!("envsubst < {quoted}"),
            Self::EnvsubstWithDefaults => format!("flux envsubst < {quoted}"),
            Self::Clusterctl => format!("clusterctl generate yaml --from {quoted}"),
            Self::Ytt => format!("ytt -f {quoted}"),
            _ => return None,
        };
        Some(format!("{command} | provost check -"))
    }
}

/// A placeholder in a scalar.
#[derive(Clone, Copy, Debug)]
pub struct Placeholder<'d> {
    /// The scalar.
    pub node: Node<'d>,
    /// The key it stands under.
    pub key: &'d str,
    /// The placeholder as it is written.
    pub text: &'d str,
    /// The variable, where the form has one.
    pub name: Option<&'d str>,
    /// Who fills it in.
    pub tool: Tool,
}

/// Fields in which nothing expands a variable.
const PLAIN: &[&str] = &[
    "name",
    "generateName",
    "namespace",
    "image",
    "replicas",
    "minReplicas",
    "maxReplicas",
    "port",
    "containerPort",
    "targetPort",
    "nodePort",
    "hostPort",
    "number",
    "host",
    "serviceAccountName",
    "storageClassName",
    "claimName",
    "secretName",
];

/// Mappings and lists all of whose values are such fields.
const PLAIN_PARENTS: &[&str] = &["labels", "matchLabels", "limits", "requests", "hosts"];

/// The placeholders of the object at `root`, in the order they are written. Left out are the data
/// of ConfigMaps and Secrets and annotations, where templates for other programs live.
pub fn of_object(root: Node<'_>) -> Vec<Placeholder<'_>> {
    let kind = root.get("kind").and_then(Node::as_str).unwrap_or_default();
    let holds_data = matches!(kind, "ConfigMap" | "Secret");
    let version = root.get("apiVersion").and_then(Node::as_str).unwrap_or_default();
    let argo = version.starts_with("argoproj.io/");
    let mut found = Vec::new();
    // An alias is the same node as its anchor: each is looked at once.
    let aliases = root.doc.has_aliases;
    let mut seen: FxHashSet<NodeId> = FxHashSet::default();
    let mut stack = vec![(root, "", "", false)];
    while let Some((node, key, parent, shell)) = stack.pop() {
        if aliases && !seen.insert(node.id) {
            continue;
        }
        if let Some(text) = node.as_str() {
            let plain = !shell && (PLAIN.contains(&key) || PLAIN_PARENTS.contains(&parent));
            let braces = braces(text, shell)
                .filter(|(text, _)| !(argo && is_argo(text)))
                .map(|(text, tool)| (text, None, tool));
            let open = braces.or_else(|| if plain { variable(text) } else { None });
            if let Some((text, name, tool)) = open {
                found.push(Placeholder { node, key, text, name, tool });
            }
        }
        for item in node.items() {
            stack.push((item, key, key, shell));
        }
        for (name, value) in node.entries() {
            let name = name.as_str().unwrap_or("");
            let data = holds_data && matches!(name, "data" | "stringData" | "binaryData");
            if data || name == "annotations" {
                continue;
            }
            let shell = shell || matches!(name, "env" | "command" | "args");
            stack.push((value, name, key, shell));
        }
    }
    // The walk goes from the end.
    found.reverse();
    found
}

/// A placeholder in braces, or what printing a missing value leaves.
fn braces(text: &str, shell: bool) -> Option<(&str, Tool)> {
    // Most texts hold none of the characters that each of them needs.
    memchr::memchr3(b'<', b'%', b'{', text.as_bytes())?;
    for left in ["<no value>", "%!s(", "%!d(", "%!v("] {
        if let Some(at) = text.find(left) {
            return Some((text.get(at..at + left.len())?, Tool::Rendered));
        }
    }
    let start = text.find("{{")?;
    let end = start + text[start..].find("}}")? + 2;
    let found = &text[start..end];
    let helm = is_helm(found);
    // A program may take a template as its argument; Helm's own names are none of its.
    (!shell || helm).then_some((found, if helm { Tool::Helm } else { Tool::Braces }))
}

fn is_helm(braces: &str) -> bool {
    let inner = braces.trim_start_matches(['{', '-', ' ']);
    let names = [".Values", ".Release", ".Chart", "include \"", "template \""];
    names.iter().any(|word| inner.starts_with(word))
}

/// What Argo's controllers fill in themselves, while they run (utils/template of argo-rollouts,
/// the variables of Argo Workflows).
fn is_argo(braces: &str) -> bool {
    const OWN: &[&str] = &[
        "args.",
        "templates.",
        "experiment.",
        "inputs.",
        "outputs.",
        "workflow.",
        "steps.",
        "tasks.",
        "item",
        "pod.",
        "node.",
        "cronworkflow.",
        "retries",
        "lastRetry",
        "=",
    ];
    let inner = braces.trim_start_matches('{').trim_start();
    OWN.iter().any(|word| inner.starts_with(word))
}

/// `${NAME}` or `$(NAME)`, also with a default, and the name.
fn variable(text: &str) -> Option<(&str, Option<&str>, Tool)> {
    // Most texts hold none.
    memchr::memchr(b'$', text.as_bytes())?;
    for (open, close) in [("${", '}'), ("$(", ')')] {
        let Some(start) = text.find(open) else { continue };
        let Some(length) = text[start..].find(close) else { continue };
        let found = &text[start..=start + length];
        let inner = &found[2..found.len() - 1];
        let end =
            inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inner.len());
        let (name, rest) = inner.split_at(end);
        let named = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if named && (rest.is_empty() || rest.starts_with([':', '-', '='])) {
            let tool = match (close, rest.is_empty()) {
                (')', _) => Tool::KustomizeVariable,
                (_, true) => Tool::Envsubst,
                (_, false) => Tool::EnvsubstWithDefaults,
            };
            return Some((found, Some(name), tool));
        }
    }
    None
}

/// Whether a value may be a placeholder that something fills in before it is applied.
pub fn is_placeholder(text: &str) -> bool {
    let may = |b: u8| matches!(b, b'$' | b'{' | b'<' | b'(' | b'@' | b'%' | b'_');
    text.bytes().any(may)
        && (["$", "{{", "#{", "<", "(", "@", "%!", "%s", "%d", "__"]
            .iter()
            .any(|mark| text.contains(mark))
            || is_between(text, '%'))
}

/// `%NAME%`: a name in capitals between two of a sign, longer than a byte of a URL.
fn is_between(text: &str, sign: char) -> bool {
    text.split(sign).skip(1).take(64).zip(text.split(sign).skip(2)).any(|(name, _)| {
        name.len() > 2
            && name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    })
}

/// Whether a query or condition holds a placeholder that its language would read as signs: `<limit>`,
/// `@LIMIT@`, `%(limit)s`, `%LIMIT%`, `#{LIMIT}#`, `##LIMIT##`, `<%= limit %>`. Texts in quotes may hold
/// anything.
pub fn is_open_code(text: &str) -> bool {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    // Whether a name and its end follow.
    let named = |rest: &str, close: &str| {
        let length = rest.bytes().position(|b| !is_name(b)).unwrap_or(rest.len());
        rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && rest.get(length..).is_some_and(|end| end.starts_with(close))
    };
    const MARKS: &[(&str, &str)] = &[
        ("<", ">"),
        ("@", "@"),
        ("%(", ")s"),
        ("%(", ")d"),
        ("%", "%"),
        ("#{", "}"),
        ("##", "##"),
    ];
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in text.char_indices() {
        if let Some(open) = quote {
            if escaped {
                escaped = false;
            } else if c == '\\' && open != '`' {
                escaped = true;
            } else if c == open {
                quote = None;
            }
            continue;
        }
        match c {
            '"' | '\'' | '`' => quote = Some(c),
            '<' | '@' | '%' | '#' => {
                let rest = text.get(at..).unwrap_or_default();
                let is = |(open, close): &(&str, &str)| {
                    rest.strip_prefix(open).is_some_and(|rest| named(rest, close))
                };
                if rest.starts_with("<%") || MARKS.iter().any(is) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// Whether a text is a name in capitals, such as `PLACEHOLDER_ADDRESS`: what is written where neither a
/// host's name nor an address can look like it, for somebody to fill in.
pub fn is_in_capitals(text: &str) -> bool {
    text.contains('_')
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// Whether the bytes can hold a placeholder at all.
pub fn may_be_in(text: &str) -> bool {
    let has = |what: &[u8]| memchr::memmem::find(text.as_bytes(), what).is_some();
    has(b"{{") || has(b"${") || has(b"$(") || has(b"#@")
}

/// The tool whose control lines or comments stand in a text, whether or not it is YAML.
pub fn of_text(text: &str) -> Option<Tool> {
    if text.contains("{%") && text.contains("%}") {
        return Some(Tool::Jinja);
    }
    let loads = |line: &str| line.trim_start().starts_with("#@ load(");
    if has_ytt_value(text) || (text.contains("#@ load(") && text.lines().any(loads)) {
        return Some(Tool::Ytt);
    }
    if !text.contains("{{") {
        return None;
    }
    let helm = text.split("{{").skip(1).take(64).any(is_helm);
    Some(if helm { Tool::Helm } else { Tool::Braces })
}

/// `name: #@ data.values.name`
fn has_ytt_value(text: &str) -> bool {
    text.contains(": #@ ")
}

/// The tool whose placeholder stands in a line that is no YAML.
pub fn of_line(line: &str) -> Option<Tool> {
    if let Some((_, _, tool)) = variable(line) {
        return Some(tool);
    }
    let capital = |open: &str, close: &str| {
        line.match_indices(open).take(64).any(|(at, _)| {
            let rest = &line[at + open.len()..];
            let Some((name, _)) = rest.split_once(close) else { return false };
            name.len() > 1
                && name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        })
    };
    (capital("__", "__") || capital("{", "}") || line.contains("<%") || capital("@", "@"))
        .then_some(Tool::Other)
}

/// Whether an API group is one of Cluster API's, whose templates clusterctl fills in.
pub fn is_cluster_api(group: &str) -> bool {
    group == "cluster.x-k8s.io" || group.ends_with(".cluster.x-k8s.io")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_tells_the_tool() {
        let tool = |text: &'static str| {
            braces(text, false).map(|(_, tool)| tool).or_else(|| variable(text).map(|v| v.2))
        };
        assert_eq!(tool("app:{{ .Values.tag }}"), Some(Tool::Helm));
        assert_eq!(tool("{{- include \"app.name\" . }}"), Some(Tool::Helm));
        assert_eq!(tool("{{ app_name }}"), Some(Tool::Braces));
        assert_eq!(tool("cni-${CLUSTER_NAME}-crs-0"), Some(Tool::Envsubst));
        assert_eq!(tool("${TAG:=v1}"), Some(Tool::EnvsubstWithDefaults));
        assert_eq!(tool("${TAG:-v1}"), Some(Tool::EnvsubstWithDefaults));
        assert_eq!(tool("$(SERVICE).example.com"), Some(Tool::KustomizeVariable));
        assert_eq!(tool("<no value>.example.com"), Some(Tool::Rendered));
        assert_eq!(tool("${not a name}"), None);
        assert_eq!(tool("price: 5$"), None);
    }

    #[test]
    fn a_name_in_capitals_is_to_be_filled_in() {
        assert!(is_in_capitals("PLACEHOLDER_GATEWAY_IP"));
        for text in ["FE80", "DEAD::BEEF", "placeholder_ip", "10.0.0.1", "_", ""] {
            assert!(!is_in_capitals(text), "{text}");
        }
    }

    #[test]
    fn a_name_between_signs_of_per_cent_is_to_be_filled_in_and_bytes_of_an_address_are_not() {
        assert!(is_placeholder("%RENEW%"));
        assert!(is_placeholder("x-%TIMEOUT_SECONDS%"));
        for text in ["50%", "a%20b%C3%A9%2F", "%renew%", "10% of 20%"] {
            assert!(!is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn placeholders_that_a_language_would_read_as_signs_are_no_signs() {
        for text in [
            "result[0] >= <threshold>",
            "result[0] >= @THRESHOLD@",
            "result[0] >= %(limit)s",
            "sum(a) / %LIMIT%",
            "sum(a) > #{LIMIT}#",
            "sum(a) > ##LIMIT##",
            "sum(a) > <%= limit %>",
            "a{b=\"\\\"\"} > <limit>",
        ] {
            assert!(is_open_code(text), "{text}");
        }
        for text in [
            "a < b > c",
            "a{b=~\"(?P<name>x)\"}",
            "result == '<none>'",
            "a @ start() % (b) # more",
            "a % b % c",
            "all(result, {# > 3})",
            "a{b='@X@'} <",
        ] {
            assert!(!is_open_code(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_yaml_has_a_tool_too() {
        assert_eq!(of_text("{% raw %}\nkind: Pod\n{% endraw %}"), Some(Tool::Jinja));
        assert_eq!(of_text("kind: Pod\nname: {{ .Release.Name }}"), Some(Tool::Helm));
        assert_eq!(of_text("kind: Pod\nname: {{ name }}"), Some(Tool::Braces));
        assert_eq!(of_text("#@ load(\"@ytt:data\", \"data\")\nkind: Pod"), Some(Tool::Ytt));
        assert_eq!(of_text("kind: Pod\nname: #@ data.values.name"), Some(Tool::Ytt));
        assert_eq!(of_text("kind: Pod # @ home"), None);
        assert_eq!(of_line("  clusterIP: {SERVICE_IP_PREFIX}.16"), Some(Tool::Other));
        assert_eq!(of_line("        __EXTRA_VOL_MNTS__"), Some(Tool::Other));
        assert_eq!(of_line("  subnetIDs: [${SUBNET_IDS}]"), Some(Tool::Envsubst));
        assert_eq!(of_line("data: {a: b"), None);
        assert_eq!(of_line("mail: a@b.example, c@d.example"), None);
    }
}
