//! A command that is there and that the kernel cannot start.

use crate::case::Case;
use crate::case::image::{ImageCase, unread};
use crate::case::start::Start;
use crate::facts::Fact;
use crate::facts::image::{Head, Image};
use crate::facts::image_files::{FileEntry, FileKind};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const INTERPRETER: Variant = Variant::new(
    "missing-interpreter",
    Level::Deny,
    "a script whose interpreter is not in the image",
);

/// `exec format error`, `no such file or directory`, `permission denied`.
pub static RULE: Rule = Rule {
    id: "unrunnable-entrypoint",
    group: Group::Image,
    level: Level::Deny,
    title: "a command that the kernel cannot start: no program, or a script without its interpreter",
    page: include_str!("unrunnable-entrypoint.md"),
    needs: &[Need::Image],
    after: &["missing-entrypoint-file", "non-executable-entrypoint"],
    variants: &[INTERPRETER],
    check: Check::Container(check),
    also: &[Check::Image(image)],
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    judge(&case.start()?, case.layers()?, out)
}

/// An image that no container of the input runs.
fn image(case: &ImageCase<'_>, out: &mut Findings) -> Judged {
    judge(&case.start()?, case.image, out)
}

fn judge(start: &Start<'_>, image: &Image, out: &mut Findings) -> Judged {
    let command = start.command_line()?;
    let program = command.program();
    let (path, file) = started(start, image, program)?.ok_or(Abstain::NotApplicable)?;
    let wrong = match file.kind {
        FileKind::Dir => Some(Wrong {
            what: format!("the command {} is a folder", program.value),
            error: "permission denied",
            label: "a folder".to_owned(),
            fix: "name the program in it".to_owned(),
            variant: None,
        }),
        FileKind::File => {
            let unknown =
                || Abstain::unknown(unread(image), format!("how the program {path} begins"));
            by_head(start, image, &path, image.heads.get(&path).ok_or_else(unknown)?)?
        }
        _ => return Err(Abstain::NotApplicable),
    };
    let Some(wrong) = wrong else { return Ok(()) };
    if let Some(case) = &start.by {
        case.of.pod_unpatched(&["containers/command", "initContainers/command"])?;
    }
    let end = match start.by {
        Some(_) => "the container cannot start",
        None => "a container of it cannot start",
    };
    let message = format!("{}: {end} (`{}`)", wrong.what, wrong.error);
    let mut finding = Finding::new(&RULE, message, &image.file(&path), wrong.label)
        .also(&program.origin, "starts it");
    if let Some(variant) = wrong.variant {
        finding = finding.variant(variant);
    }
    out.push(start.also_container(finding, "runs the image").fix(Fix::suggest(wrong.fix)));
    Ok(())
}

/// Why a file is not started.
struct Wrong {
    what: String,
    /// As the container runtime says it.
    error: &'static str,
    label: String,
    fix: String,
    variant: Option<&'static Variant>,
}

impl Wrong {
    fn format(what: String, label: &str, fix: &str) -> Self {
        let (label, fix) = (label.to_owned(), fix.to_owned());
        Self { what, error: "exec format error", label, fix, variant: None }
    }

    fn interpreter(what: String, error: &'static str, line: &str, fix: String) -> Self {
        let label = format!("begins with #!{}", line.replace('\r', "\\r"));
        Self { what, error, label, fix, variant: Some(&INTERPRETER) }
    }
}

/// The file of the image that a command starts; `None` where there is none, which `missing-entrypoint-file` tells.
fn started<'i>(
    start: &Start<'_>,
    image: &'i Image,
    program: &Fact<String>,
) -> Result<Option<(String, &'i FileEntry)>, Abstain> {
    if program.value.contains("$(") {
        return Err(Abstain::NotApplicable);
    }
    let by_path = program.value.contains('/');
    if !by_path {
        of_image_path(start)?;
    }
    for path in image.config.resolve(program) {
        start.not_mounted_over(&path.value)?;
        let Some((at, file)) = image.files.lookup(&path.value) else { continue };
        // Of several on PATH the first file that may be executed is taken.
        if by_path || (file.kind == FileKind::File && file.mode & 0o111 != 0) {
            start.not_mounted_over(&at)?;
            return Ok(Some((at, file)));
        }
    }
    Ok(None)
}

/// Unknown where the container has a PATH of its own.
fn of_image_path(start: &Start<'_>) -> Judged {
    let own = start.by.is_some_and(|case| {
        case.container.env.iter().any(|entry| entry.name.value == "PATH")
            || !case.container.env_from.is_empty()
    });
    if own {
        let what = "the PATH of the container, which is not the image's";
        return Err(Abstain::unknown(Reason::MeasuredFactMissing, what));
    }
    Ok(())
}

fn by_head(
    start: &Start<'_>,
    image: &Image,
    path: &str,
    head: &Head,
) -> Result<Option<Wrong>, Abstain> {
    Ok(match head {
        Head::Elf | Head::Other => None,
        Head::Empty => Some(Wrong::format(
            format!("the program {path} is empty"),
            "has no byte",
            "see why the build wrote nothing there: a COPY of a file that a failed command left empty",
        )),
        Head::Text => Some(Wrong::format(
            format!("{path} is a text that does not begin with #!"),
            "begins with neither #! nor as a program does",
            "write #! and its interpreter as the very first bytes, or have a shell run it: [\"/bin/sh\", FILE]",
        )),
        Head::Script(line) => script(start, image, path, line)?,
    })
}

/// A script, by its first line as the kernel reads it: the interpreter up to the first blank, and the rest as one
/// argument (`load_script` of fs/binfmt_script.c).
fn script(
    start: &Start<'_>,
    image: &Image,
    path: &str,
    line: &str,
) -> Result<Option<Wrong>, Abstain> {
    let blank = |c: char| matches!(c, ' ' | '\t');
    let line = line.trim_matches(blank);
    let (interpreter, argument) = line.split_once(blank).unwrap_or((line, ""));
    let argument = argument.trim_start_matches(blank);
    if line.is_empty() {
        return Ok(Some(Wrong::format(
            format!("{path} begins with #! and names no interpreter"),
            "names no interpreter",
            "write the interpreter behind #!: #!/bin/sh",
        )));
    }
    // From the working directory.
    if !interpreter.starts_with('/') {
        return Err(Abstain::NotApplicable);
    }
    let crlf =
        "write the file with LF at the ends of its lines: `*.sh text eol=lf` in .gitattributes";
    if !has(start, image, interpreter)? {
        let error = "no such file or directory";
        return Ok(Some(match interpreter.strip_suffix('\r') {
            Some(plain) => Wrong::interpreter(
                format!(
                    "{path} has lines that end as on Windows, and the kernel looks for {plain}\\r, with the \
                     carriage return"
                ),
                error,
                line,
                crlf.to_owned(),
            ),
            None => Wrong::interpreter(
                format!("the interpreter {interpreter} of {path} is no file of the image"),
                error,
                line,
                format!(
                    "start the program itself, or take a base image that has {interpreter}{}",
                    other_shell(image, interpreter)
                ),
            ),
        }));
    }
    let name = interpreter.rsplit('/').next().unwrap_or_default();
    let shell = matches!(name, "sh" | "bash" | "dash" | "ash");
    if shell && argument.ends_with('\r') {
        let what = format!(
            "{path} has lines that end as on Windows, and {name} is given an option that ends in a carriage return"
        );
        return Ok(Some(Wrong::interpreter(what, "illegal option", line, crlf.to_owned())));
    }
    if name == "env" { by_env(start, image, path, line, argument) } else { Ok(None) }
}

/// What `env` looks for on PATH: the whole rest of the line is one word.
fn by_env(
    start: &Start<'_>,
    image: &Image,
    path: &str,
    line: &str,
    word: &str,
) -> Result<Option<Wrong>, Abstain> {
    // Its options and variables.
    if word.is_empty() || word.starts_with('-') || word.contains('=') {
        return Ok(None);
    }
    if !word.contains('/') {
        of_image_path(start)?;
    }
    let as_fact = Fact::derived(word.to_owned(), image.origin.clone());
    for candidate in image.config.resolve(&as_fact) {
        if has(start, image, &candidate.value)? {
            return Ok(None);
        }
    }
    let plain = word.trim_end_matches('\r');
    let (what, fix) = match plain.split_once([' ', '\t']) {
        _ if plain != word => (
            format!(
                "{path} has lines that end as on Windows, and env looks for {plain}\\r, with the carriage return"
            ),
            "write the file with LF at the ends of its lines: `*.sh text eol=lf` in .gitattributes"
                .to_owned(),
        ),
        Some((first, _)) => (
            format!(
                "env of {path} is given `{plain}` as one word, and looks for a program of that name"
            ),
            format!(
                "write the path of {first} behind #! instead of env's, or `set` what is behind it in the script"
            ),
        ),
        None => (
            format!("env of {path} looks for {plain}, which is in no folder of the image's PATH"),
            format!(
                "start the program itself, or take a base image that has {plain}{}",
                other_shell(image, plain)
            ),
        ),
    };
    Ok(Some(Wrong::interpreter(what, "env: No such file or directory", line, fix)))
}

/// Whether the image has a file; unknown where a volume may bring it, or not all of it was read.
fn has(start: &Start<'_>, image: &Image, path: &str) -> Result<bool, Abstain> {
    start.not_mounted_over(path)?;
    if image.files.exists(path) {
        return Ok(true);
    }
    if !image.complete {
        return Err(Abstain::unknown(unread(image), format!("whether the image has {path}")));
    }
    Ok(false)
}

/// The shell that is there in the place of one that is not.
fn other_shell(image: &Image, missing: &str) -> &'static str {
    let shell = matches!(missing.rsplit('/').next(), Some("bash" | "zsh" | "ksh"));
    if shell && image.files.exists("/bin/sh") {
        "; the image has /bin/sh, where the script keeps to what that can"
    } else {
        ""
    }
}
