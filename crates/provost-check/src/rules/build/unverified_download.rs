//! Builds that do not ask who they get their input from.

use crate::case::BuildCase;
use crate::facts::build_steps::RunCommand;
use crate::facts::{Fact, Origin};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Whoever is in between says what is built in.
pub static RULE: Rule = Rule {
    id: "unverified-download",
    group: Group::Build,
    level: Level::Warn,
    title: "a download whose certificate or signature is not checked",
    page: include_str!("unverified-download.md"),
    needs: &[Need::Dockerfile],
    check: Check::Build(check),
    ..Rule::BASE
};

fn check(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    let build = case.build;
    for (name, value, _) in &build.envs {
        variable("ENV", name, value, out);
    }
    for (name, value) in &build.args {
        if let Some(value) = value {
            variable("ARG", name, value, out);
        }
    }
    let mut unread = false;
    for run in &build.runs {
        match run.commands() {
            Ok(commands) => commands.iter().for_each(|command| in_run(command, out)),
            Err(_) => unread = true,
        }
    }
    if unread { Err(super::unread()) } else { Ok(()) }
}

fn in_run(command: &RunCommand, out: &mut Findings) {
    for (name, value) in &command.env {
        variable("RUN", name, value, out);
    }
    let Some((program, arguments)) = command.program() else { return };
    if matches!(program, "export" | "env" | "declare") {
        for word in arguments {
            if let Some((name, value)) = word.value.split_once('=') {
                variable(
                    "RUN",
                    &word.map(|_| name.to_owned()),
                    &word.map(|_| value.to_owned()),
                    out,
                );
            }
        }
    }
    // `env A=1 program`: what argv() steps over.
    let before = command.words.len().saturating_sub(arguments.len() + 1);
    for word in command.words.iter().take(before) {
        if let Some((name, value)) = word.value.split_once('=') {
            variable("RUN", &word.map(|_| name.to_owned()), &word.map(|_| value.to_owned()), out);
        }
    }
    if let Some((word, what)) = unchecked(program, arguments) {
        out.push(finding(format!("{program} {what}"), &word.origin));
    }
}

fn finding(message: String, origin: &Origin) -> Finding {
    Finding::new(&RULE, message, origin, "turns the check off").fix(Fix::suggest(
        "leave it out; where the server has a certificate of your own authority, add that to the \
         image's CA bundle in the builder stage",
    ))
}

/// What a variable turns off when it has this value.
fn variable(instruction: &str, name: &Fact<String>, value: &Fact<String>, out: &mut Findings) {
    let text = ['"', '\'']
        .iter()
        .find_map(|quote| value.value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(&value.value);
    let any = || text.split([',', ' ']).any(|pattern| matches!(pattern, "*" | "*/*"));
    let off = || ["0", "false", "no", "off"].iter().any(|no| text.eq_ignore_ascii_case(no));
    let on = || !text.is_empty() && !off() && !text.starts_with('$');
    let what = match name.value.as_str() {
        // Set at all: `getenv` in http.c of git, which does not look at the value.
        "GIT_SSL_NO_VERIFY" => "git takes any certificate",
        "GOINSECURE" if on() => "go fetches these modules without TLS and any certificate",
        "GONOSUMDB" | "GONOSUMCHECK" | "GOPRIVATE" if any() => {
            "go asks no checksum database for any module"
        }
        "GOSUMDB" if text == "off" => "go asks no checksum database",
        "GOFLAGS"
            if text.split_whitespace().any(|flag| flag.trim_start_matches('-') == "insecure") =>
        {
            "go fetches modules without TLS"
        }
        "PYTHONHTTPSVERIFY" if text == "0" => "Python takes any certificate",
        "PIP_TRUSTED_HOST" if on() => "pip takes any certificate of these hosts",
        "NODE_TLS_REJECT_UNAUTHORIZED" if text == "0" => "Node takes any certificate",
        "NPM_CONFIG_STRICT_SSL" | "npm_config_strict_ssl" if off() => "npm takes any certificate",
        "CURL_INSECURE" | "CURL_SSL_NO_VERIFY" if on() => "curl takes any certificate",
        _ => return,
    };
    out.push(finding(format!("{instruction} {}: {what}", name.value), &name.origin));
}

/// The word that turns a check off, and what that means.
fn unchecked<'w>(
    program: &str,
    arguments: &'w [Fact<String>],
) -> Option<(&'w Fact<String>, &'static str)> {
    let word = |test: &dyn Fn(&str) -> bool| arguments.iter().find(|word| test(&word.value));
    let pair = |name: &str, values: &[&str]| {
        arguments
            .windows(2)
            .find(|two| {
                two[0].value.eq_ignore_ascii_case(name) && values.contains(&two[1].value.as_str())
            })
            .map(|two| &two[1])
    };
    let certificate = "takes any certificate";
    let signature = "takes packages without a good signature";
    match program {
        "curl" => insecure_curl(arguments).map(|word| (word, certificate)),
        "wget" => word(&|w| w == "--no-check-certificate").map(|word| (word, certificate)),
        "git" => word(&|w| {
            let lower = w.to_ascii_lowercase();
            lower == "http.sslverify=false" || lower == "http.sslverify=0"
        })
        .or_else(|| pair("http.sslVerify", &["false", "0", "off", "no"]))
        .map(|word| (word, certificate)),
        "apt" | "apt-get" | "aptitude" => word(&|w| {
            matches!(w, "--allow-unauthenticated" | "--force-yes" | "--allow-insecure-repositories")
                || w.ends_with("AllowInsecureRepositories=true")
                || w.ends_with("AllowUnauthenticated=true")
        })
        .map(|word| (word, signature))
        .or_else(|| word(&|w| w.ends_with("Verify-Peer=false")).map(|word| (word, certificate))),
        "apk" => word(&|w| w == "--allow-untrusted").map(|word| (word, signature)),
        "yum" | "dnf" | "microdnf" | "tdnf" | "yum-config-manager" | "dnf-config-manager"
        | "zypper" => word(&|w| {
            let lower = w.to_ascii_lowercase();
            matches!(lower.as_str(), "--nogpgcheck" | "--no-gpg-checks" | "--no-gpg-check")
                || lower.ends_with("gpgcheck=0")
        })
        .map(|word| (word, signature))
        .or_else(|| {
            let off = |w: &str| {
                let lower = w.to_ascii_lowercase();
                ["sslverify=0", "sslverify=false", "sslverify=no"]
                    .iter()
                    .any(|o| lower.ends_with(o))
            };
            word(&off).map(|word| (word, certificate))
        }),
        "rpm" => word(&|w| {
            matches!(
                w,
                "--nosignature" | "--nodigest" | "--noverify" | "--nofiledigest" | "--nogpgcheck"
            )
        })
        .map(|word| (word, signature)),
        "npm" | "pnpm" | "yarn" => {
            word(&|w| matches!(w, "--strict-ssl=false" | "--no-strict-ssl" | "strict-ssl=false"))
                .or_else(|| pair("strict-ssl", &["false"]))
                .or_else(|| pair("--strict-ssl", &["false"]))
                .map(|word| (word, certificate))
        }
        "pip" | "pip3" => word(&|w| w == "--trusted-host" || w.starts_with("--trusted-host="))
            .map(|word| (word, "takes any certificate of that host")),
        name if name.starts_with("python") => {
            // `python -m pip`
            let pip =
                arguments.iter().position(|word| matches!(word.value.as_str(), "pip" | "pip3"));
            pip.and_then(|at| arguments.get(at + 1..)).and_then(|rest| unchecked("pip", rest))
        }
        "go" => word(&|w| w == "-insecure" || w == "--insecure")
            .map(|word| (word, "fetches modules without TLS")),
        "echo" | "printf" => word(&|w| w.contains("[trusted=yes]") || w.contains("trusted=yes ]"))
            .map(|word| (word, "writes a source of packages whose signatures are not checked")),
        _ => None,
    }
}

/// `-k`, `--insecure`, and `-k` among other letters: `-fsSLk`.
fn insecure_curl(arguments: &[Fact<String>]) -> Option<&Fact<String>> {
    // Letters of curl(1) 8 that take a value.
    const VALUES: &str = "AbcCdDeEFhHKmoPQrtTuUwxXyYz";
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let text = word.value.as_str();
        if matches!(text, "--insecure" | "--proxy-insecure" | "--doh-insecure") {
            return Some(word);
        }
        let Some(letters) = text.strip_prefix('-').filter(|rest| !rest.starts_with('-')) else {
            continue;
        };
        for (at, letter) in letters.char_indices() {
            if letter == 'k' {
                return Some(word);
            }
            if VALUES.contains(letter) {
                // The value is the rest of the word, or the next one.
                if at + letter.len_utf8() == letters.len() {
                    words.next();
                }
                break;
            }
        }
    }
    None
}
