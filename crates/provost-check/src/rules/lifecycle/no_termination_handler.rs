//! A server that does not handle SIGTERM.

use crate::case::Case;
use crate::facts::Origin;
use crate::facts::binary::GoProgram;
use crate::facts::program_text::{AskedSignals, IgnoredTermination};
use crate::facts::symbols;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::signal::{name_of, normalised};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const WITHOUT_SHUTDOWN: Variant = Variant::new(
    "server-without-shutdown",
    Level::Warn,
    "an HTTP server that handles signals and never shuts down",
);

const IGNORES: Variant =
    Variant::new("ignores", Level::Deny, "a server that has SIGTERM ignored, until it is killed");

/// Without a handler SIGTERM ends the process at once, and each rollout cuts requests in flight.
pub static RULE: Rule = Rule {
    id: "no-termination-handler",
    group: Group::Lifecycle,
    level: Level::Deny,
    title: "a server that does not handle SIGTERM",
    page: include_str!("no-termination-handler.md"),
    needs: &[Need::Manifest, Need::Binary],
    variants: &[WITHOUT_SHUTDOWN, IGNORES],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    case.not_batch()?;
    let binary = case.binary()?;
    let program = case.program()?;
    let server = case.server()?;
    if case.serves_loopback_alone() {
        return Err(Abstain::NotApplicable);
    }
    let table = Origin::binary(binary.source, ".gopclntab", None);
    let service = case.of.first_service();
    let heard = heard(case, program, &table)?;
    let grace = &case.pod().grace_period;
    if let Heard::Ignored { place, function } = &heard {
        let mut finding = Finding::new(
            &RULE,
            format!(
                "SIGTERM is ignored: the pod goes on for its whole grace period of {} s and is killed \
                 then, with whatever is in flight",
                grace.value
            ),
            case.container_origin(),
            "is sent SIGTERM when its pod is deleted",
        )
        .variant(&IGNORES)
        .level(if service.is_some() { Level::Deny } else { Level::Warn })
        .also(place, format!("{function} has SIGTERM ignored (signal.Ignore), nobody asks for it"))
        .also(server, "serves")
        .also(&grace.origin, "every rollout waits that long for each pod");
        if let Some((object, _)) = service {
            finding = finding.also(&object.origin(), "sends it requests");
        }
        out.push(finding.note("exit code 137").fix(Fix::suggest(HANDLE)));
        return Ok(());
    }
    if let Heard::Not { message, place, what } = &heard {
        // Up to 1.26 the runtime's own death by signal did not work for process 1, whose default
        // actions the kernel ignores, and it fell through to exit(2) (runtime/signal_unix.go,
        // dieFromSignal).
        let code = if program.version.minor >= 27 { "143" } else { "2 as process 1, else 143" };
        let mut finding = Finding::new(
            &RULE,
            message.clone(),
            case.container_origin(),
            "is sent SIGTERM when its pod is deleted",
        )
        .level(if service.is_some() { Level::Deny } else { Level::Warn })
        .also(place, what.clone())
        .also(server, "serves")
        .also(&grace.origin, format!("the grace period of {} s is not used", grace.value));
        if let Some((object, _)) = service {
            finding = finding.also(&object.origin(), "sends it requests");
        }
        out.push(finding.note(format!("exit code {code}")).fix(Fix::suggest(HANDLE)));
        return Ok(());
    }
    let http = program.links(symbols::HTTP_SERVE)?;
    let grpc = program.links(symbols::GRPC_SERVE)?;
    if let (Some(http), None) = (http, grpc)
        && !program.links_package("github.com/valyala/fasthttp")
        && program.links(symbols::HTTP_SHUTDOWN)?.is_none()
    {
        let mut finding = Finding::new(
            &RULE,
            "the program handles a signal and never calls http.Server.Shutdown: \
             requests in flight are cut when it exits",
            case.container_origin(),
            "is sent SIGTERM when its pod is deleted",
        )
        .variant(&WITHOUT_SHUTDOWN)
        .also(&table, "net/http.(*Server).Shutdown is not linked")
        .also(http, "serves HTTP");
        if let Some((object, _)) = service {
            finding = finding.also(&object.origin(), "sends it requests");
        }
        out.push(finding.fix(Fix::suggest(
            "call server.Shutdown with a deadline inside the grace period, and wait for it \
             before main returns",
        )));
        return Ok(());
    }
    match heard {
        Heard::Unclear(needs) => Err(Abstain::unknown(Reason::CodeUnclear, needs)),
        _ => Ok(()),
    }
}

const HANDLE: &str = "ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt), \
                      then server.Shutdown with a deadline inside the grace period";

/// Whether the program hears the signal by which it is stopped.
enum Heard {
    Yes,
    /// It does not, by what is in the binary.
    Not {
        message: String,
        place: Origin,
        what: String,
    },
    /// It has it ignored.
    Ignored {
        place: Origin,
        function: String,
    },
    /// What would have to be known.
    Unclear(String),
}

/// What becomes of a signal that nobody asks for.
fn heard(case: &Case<'_>, program: &GoProgram, table: &Origin) -> Result<Heard, Abstain> {
    let heard = asked(case, program, table)?;
    // Another signal may stop the container; and what is not known to be ignored ends the process.
    let by_another = case.stop_signal().is_some_and(|signal| normalised(&signal.value) != "TERM");
    if !matches!(heard, Heard::Not { .. })
        || by_another
        || program.links(symbols::SIGNAL_IGNORE)?.is_none()
    {
        return Ok(heard);
    }
    Ok(match program.text.ignores_termination() {
        Ok(IgnoredTermination::No) => heard,
        Ok(IgnoredTermination::Yes { function, origin }) => {
            Heard::Ignored { place: origin, function }
        }
        Ok(IgnoredTermination::Unknown { function }) => Heard::Unclear(match function {
            Some(function) => format!("the signals that {function} has ignored"),
            None => "the signals that the program has ignored".to_owned(),
        }),
        Err(_) => return Err(unread(case, "the signals that the program has ignored")),
    })
}

fn asked(case: &Case<'_>, program: &GoProgram, table: &Origin) -> Result<Heard, Abstain> {
    const CUT: &str = "requests in flight are cut at every rollout";
    if program.links(symbols::SIGNAL_NOTIFY)?.is_none() {
        return Ok(Heard::Not {
            message: format!("SIGTERM ends the process at once: {CUT}"),
            place: table.clone(),
            what: "os/signal.Notify is not linked: no signal is handled".to_owned(),
        });
    }
    Ok(match program.text.signals() {
        Ok(AskedSignals::Termination) => Heard::Yes,
        Ok(AskedSignals::Others { numbers, function, origin }) => {
            let names: Vec<String> = numbers.iter().map(|number| name_of(*number)).collect();
            let stopped_by = case.stop_signal().map(|signal| normalised(&signal.value));
            if stopped_by.is_some_and(|name| names.contains(&format!("SIG{name}"))) {
                return Ok(Heard::Yes);
            }
            let names = names.join(", ");
            Heard::Not {
                message: format!(
                    "the program handles {names} only, and SIGTERM ends it at once: {CUT}"
                ),
                place: origin,
                what: format!("{function} asks for {names}, nobody for SIGTERM"),
            }
        }
        Ok(AskedSignals::Unknown { function: Some(function) }) => {
            Heard::Unclear(format!("the signals that {function} asks for"))
        }
        Ok(AskedSignals::Unknown { function: None }) => {
            Heard::Unclear("the signals that the program asks for".to_owned())
        }
        Err(_) => return Err(unread(case, "the signals that the program asks for")),
    })
}

/// Code that is not read: of a machine that is not known, or for want of its function table.
fn unread(case: &Case<'_>, what: &'static str) -> Abstain {
    let machine = case.binary().ok().and_then(|binary| binary.machine.as_ref());
    let reason = match machine.map(|machine| machine.value.as_str()) {
        Some("amd64" | "arm64") => Reason::StringsUnreadable,
        _ => Reason::ArchUnsupported,
    };
    Abstain::unknown(reason, what)
}
