//! How a container ends: its hook, its grace period, and what the service is said to need.

use super::Case;
use super::network::is_loopback;
use crate::facts::program_text::TextOwner;
use crate::facts::symbols;
use crate::facts::workload::{Action, Handler};
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Finding, Fix};
use crate::model::grace::{self, Hook, HookTime, Termination};
use crate::model::ports::CLIENTS;

impl<'w> Case<'w> {
    /// The preStop hook and the time it takes when it can run.
    pub fn pre_stop_time(&self) -> (Option<&'w Handler>, HookTime) {
        let handler = self.container.pre_stop.as_deref();
        let time = match handler.map(|handler| &handler.action) {
            None => grace::hook_time(Hook::None),
            Some(Action::Sleep(seconds)) => grace::hook_time(Hook::Sleep(seconds.value)),
            Some(Action::Exec(words)) => {
                let argv: Vec<&str> = words.iter().map(|word| word.value.as_str()).collect();
                grace::hook_time(Hook::Exec(&argv))
            }
            Some(_) => grace::hook_time(Hook::HttpGet),
        };
        (handler, time)
    }

    /// The place of the seconds in the preStop hook, for a label: the number, the shell text, else
    /// the handler.
    pub fn pre_stop_origin(&self) -> Option<&'w Origin> {
        let handler = self.container.pre_stop.as_ref()?;
        Some(match &handler.action {
            Action::Sleep(seconds) => &seconds.origin,
            Action::Exec(words) => words.last().map_or(&handler.origin, |word| &word.origin),
            _ => &handler.origin,
        })
    }

    /// Adds to a finding what the preStop hook takes of the grace period.
    pub fn show_pre_stop(&self, finding: Finding) -> Finding {
        let prestop = self.termination().prestop;
        match self.pre_stop_origin().filter(|_| prestop > 0) {
            Some(origin) => finding
                .also(origin, format!("{prestop} s before SIGTERM, counted against the period")),
            None => finding,
        }
    }

    /// Giving the pod another grace period, in seconds. A chart may compute it: then it is the values
    /// that have to change.
    pub fn set_grace_period(&self, seconds: u32) -> Fix {
        let grace = &self.pod().grace_period;
        let values = self.world().computed_from(&grace.origin);
        if !values.is_empty() {
            return Fix::suggest(format!(
                "raise {}, of which terminationGracePeriodSeconds is computed, until it is {seconds}",
                values.join(" or ")
            ));
        }
        let fix = Fix::suggest(format!("set terminationGracePeriodSeconds to {seconds}"));
        if grace.is_written() { fix.replace(&grace.origin, seconds.to_string()) } else { fix }
    }

    /// The termination worked out, with the hook taken to run.
    pub fn termination(&self) -> Termination {
        let service = self.service_settings();
        let seconds = |fact: Option<&Fact<f64>>| fact.map(|fact| whole_seconds(fact.value));
        grace::terminate(&grace::Inputs {
            drain: seconds(service.and_then(|s| s.drain.as_ref())),
            flush: seconds(service.and_then(|s| s.flush.as_ref())).unwrap_or(0),
            lame_duck: seconds(service.and_then(|s| s.lame_duck.as_ref())).unwrap_or(0),
            ..self.ending()
        })
    }

    /// The same for a process that was measured to take so many microseconds from SIGTERM to its end.
    pub fn termination_of(&self, took_us: u64) -> Termination {
        let drain = u32::try_from(took_us.div_ceil(1_000_000)).unwrap_or(u32::MAX);
        grace::terminate(&grace::Inputs { drain: Some(drain), ..self.ending() })
    }

    /// What the manifest and the cluster say, and nothing of the service.
    fn ending(&self) -> grace::Inputs {
        grace::Inputs {
            grace: self.pod().grace_period.value,
            prestop: self.pre_stop_time().1.seconds,
            drain: None,
            flush: 0,
            lame_duck: 0,
            propagation: whole_seconds(self.settings().endpoint_propagation()),
        }
    }

    /// The signal by which the container is said to be stopped, where it is said: the manifest's
    /// `stopSignal` outranks the image's `STOPSIGNAL`.
    pub fn stop_signal(&self) -> Option<&'w Fact<String>> {
        let of_image = || self.image().ok()?.config().stop_signal.as_ref();
        self.container.stop_signal.as_ref().or_else(of_image)
    }

    /// Where the program serves: an HTTP or gRPC server is linked. `NotApplicable` when none is.
    pub fn server(&self) -> Result<&'w Origin, Abstain> {
        self.program()?
            .links_any(&[symbols::HTTP_SERVE, symbols::GRPC_SERVE])?
            .ok_or(Abstain::NotApplicable)
    }

    /// Whether the program serves on the loopback address alone, as a worker does that keeps pprof there: nobody outside
    /// of the pod has a request in flight. Everything that could bring one has to be silent: Services, ports, probes,
    /// settings, and each address that the program holds.
    pub fn serves_loopback_alone(&self) -> bool {
        let asks_the_pod = |action: &Action| {
            matches!(
                action,
                Action::HttpGet { host: None, .. }
                    | Action::TcpSocket { host: None, .. }
                    | Action::Grpc { .. }
            )
        };
        if self.of.first_service().is_some()
            || self.pod().declares_ports()
            || self.pod().host_network.value
            || self.container.handlers().any(|(_, handler)| asks_the_pod(&handler.action))
        {
            return false;
        }
        let Some(program) = self.known_program() else { return false };
        // Without a text of its own an address is put together.
        let composed = [":%d", ":%s", ":%v", "0.0.0.0:%d", "PORT"];
        if !matches!(program.links(symbols::GRPC_SERVE), Ok(None))
            || composed.iter().any(|text| !matches!(program.text.constant(text), Ok(None)))
        {
            return false;
        }
        let Ok(listens) = program.text.listens() else { return false };
        let told = self.told();
        let given = self.listener_settings();
        let environment = self.environment();
        let mut hidden = environment.iter().filter(|(_, variable)| variable.value.is_err());
        if told.iter().any(|told| !told.setting.is_loopback())
            || hidden.any(|(name, _)| given(name).is_some())
        {
            return false;
        }
        let mut found = !told.is_empty();
        for text in &listens.texts {
            let name = text.name.as_deref().filter(|_| text.certain);
            let of_setting = name.map(&given);
            // A setting that is given says more than its default, and one of another program is none.
            let is_said = matches!(of_setting, Some(None | Some(true)));
            if is_said || text.owner == TextOwner::Std || CLIENTS.contains(&text.port) {
                continue;
            }
            match text.text.rsplit_once(':') {
                // A library's is that of what it talks to.
                Some((host, _)) if is_loopback(host) => {
                    found |= matches!(text.owner, TextOwner::Main | TextOwner::Unknown);
                }
                Some(_) => return false,
                None if of_setting.is_some() => return false,
                // A number by itself may be anything.
                None => {}
            }
        }
        found
    }
}

/// Seconds rounded up; a configured time is checked to be finite when it is read.
fn whole_seconds(seconds: f64) -> u32 {
    seconds.max(0.0).ceil() as u32
}
