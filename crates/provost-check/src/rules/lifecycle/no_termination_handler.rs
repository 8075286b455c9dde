//! A server that does not handle SIGTERM.

use crate::case::Case;
use crate::facts::Origin;
use crate::facts::binary::GoProgram;
use crate::facts::program_text::AskedSignals;
use crate::facts::symbols;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::signal::{name_of, normalised};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Without a handler SIGTERM ends the process at once, and each rollout cuts requests in flight.
pub static RULE: Rule = Rule {
    id: "no-termination-handler",
    group: Group::Lifecycle,
    level: Level::Deny,
    title: "a server that does not handle SIGTERM",
    page: include_str!("no-termination-handler.md"),
    needs: &[Need::Manifest, Need::Binary],
    variants: &[Variant::new(
        "server-without-shutdown",
        Level::Warn,
        "an HTTP server that handles signals and never shuts down",
    )],
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
    if let Heard::Not { message, place, what } = &heard {
        let grace = &case.pod().grace_period;
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
        out.push(finding.note(format!("exit code {code}")).fix(Fix::suggest(
            "ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt), \
             then server.Shutdown with a deadline inside the grace period",
        )));
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
        .variant(&RULE.variants[0])
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

/// Whether the program hears the signal by which it is stopped.
enum Heard {
    Yes,
    /// It does not, by what is in the binary.
    Not {
        message: String,
        place: Origin,
        what: String,
    },
    /// What would have to be known.
    Unclear(String),
}

fn heard(case: &Case<'_>, program: &GoProgram, table: &Origin) -> Result<Heard, Abstain> {
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
        Err(_)
            if matches!(
                case.binary()?.machine.as_ref().map(|m| m.value.as_str()),
                Some("amd64" | "arm64")
            ) =>
        {
            return Err(Abstain::unknown(
                Reason::StringsUnreadable,
                "the signals that the program asks for",
            ));
        }
        Err(_) => {
            return Err(Abstain::unknown(
                Reason::ArchUnsupported,
                "the signals that the program asks for",
            ));
        }
    })
}
