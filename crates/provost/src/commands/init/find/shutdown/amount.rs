//! How long something takes, by what the source says: constants, fields, settings and their
//! defaults.

use std::rc::Rc;

use provost_check::model::goduration;

use super::super::settings::is_variable;
use super::expression::{Called, Expression};
use super::flow::{Binding, Place};
use super::{Program, Site};

/// Names behind names that are followed.
const DEEPEST: usize = 12;

/// Values of a field that are looked at.
const MOST_VALUES: usize = 8;

/// A number or a time, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Amount {
    /// In seconds where it is a time.
    pub(super) value: Option<f64>,
    pub(super) is_time: bool,
    /// The variable of the environment that decides it; `value` is then its default.
    pub(super) variable: Option<String>,
    /// Whether that is written as a duration, `5s`, rather than as a number; where it is known.
    pub(super) is_duration: Option<bool>,
    /// What the source calls it.
    pub(super) what: String,
}

/// What the parameters of a function are given; worked out when it is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Given<'m>(Option<Rc<Call<'m>>>);

/// A call that was followed.
#[derive(Debug)]
struct Call<'m> {
    names: &'m [String],
    arguments: &'m [Expression],
    site: Site,
    given: Given<'m>,
}

impl Amount {
    fn number(value: f64) -> Self {
        Self { value: Some(value), ..Self::default() }
    }

    fn time(seconds: f64) -> Self {
        Self { value: Some(seconds), is_time: true, ..Self::default() }
    }

    pub(super) fn unknown(what: &str) -> Self {
        Self { what: plain(what), ..Self::default() }
    }

    /// As a `time.Duration`: a number alone counts nanoseconds.
    pub(super) fn seconds(&self) -> Option<f64> {
        let seconds = if self.is_time { self.value } else { self.value.map(|n| n * 1e-9) };
        seconds.filter(|seconds| seconds.is_finite()).map(|seconds| seconds.max(0.0))
    }

    fn called(self, what: &str) -> Self {
        if self.what.is_empty() { Self { what: plain(what), ..self } } else { self }
    }
}

/// A name as a comment may have it.
pub(super) fn plain(name: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    name.chars().filter(plain).take(60).collect()
}

impl<'m> Program<'m> {
    /// What an expression comes to where it stands.
    pub(super) fn amount(&self, value: &Expression, site: Site, given: &Given<'m>) -> Amount {
        self.evaluate(value, site, given, 0)
    }

    /// What a call gives to the parameters of a function.
    pub(super) fn given(
        &self,
        call: &'m Called,
        to: Site,
        site: Site,
        given: &Given<'m>,
    ) -> Given<'m> {
        let names = &self.function(to).parameters;
        let (arguments, given) = (&call.arguments, given.clone());
        Given(Some(Rc::new(Call { names, arguments, site, given })))
    }

    fn evaluate(&self, value: &Expression, site: Site, given: &Given<'m>, depth: usize) -> Amount {
        if depth > DEEPEST {
            return Amount::default();
        }
        let of = |value: &Expression| self.evaluate(value, site, given, depth + 1);
        match value {
            Expression::Number(number) => Amount::number(*number),
            Expression::Unit(seconds) => Amount::time(*seconds),
            Expression::Text(text) => {
                match (text.parse::<u32>(), goduration::parse_seconds(text)) {
                    (Ok(number), _) => Amount::number(f64::from(number)),
                    (_, Some(seconds)) => Amount::time(seconds),
                    _ => Amount::default(),
                }
            }
            Expression::Name(name) => self.named(name, site, given, depth).called(name),
            Expression::Member(package, name) => {
                self.member(package, name, site, given, depth).called(name)
            }
            Expression::Call(call) => self.result(call, site, given, depth).called(&call.name),
            Expression::Product(one, other) => both(of(one), of(other), |a, b, times| {
                // A time that is multiplied by a time is a mistake.
                (times < 2).then_some(a * b)
            }),
            Expression::Sum(one, other) => {
                both(of(one), of(other), |a, b, times| (times != 1).then_some(a + b))
            }
            Expression::Function(_) | Expression::Other => Amount::default(),
        }
    }

    /// What is bound to a name where it is used: in the function, in those around it, in the package.
    pub(super) fn bound(&self, name: &str, site: Site) -> Vec<&'m Binding> {
        let all = self.in_package(name, self.packages[site.file]);
        let here = {
            let from = all.partition_point(|(file, _)| *file < site.file);
            let to = all.partition_point(|(file, _)| *file <= site.file);
            &all[from..to]
        };
        let functions = &self.files[site.file].flow.functions;
        let mut inside = Some(site.function);
        for _ in 0..functions.len().min(64) {
            let Some(function) = inside else { break };
            let own =
                |(_, binding): &&(usize, &'m Binding)| binding.place == Place::Function(function);
            let own: Vec<&'m Binding> =
                here.iter().filter(own).map(|(_, binding)| *binding).collect();
            if !own.is_empty() {
                return own;
            }
            inside = functions.get(function).and_then(|function| function.around);
        }
        let of_package = |(_, binding): &&(usize, &'m Binding)| binding.place == Place::Package;
        all.iter().filter(of_package).map(|(_, binding)| *binding).collect()
    }

    /// All values of a name in a package; its files stand together.
    fn in_package(&self, name: &str, package: usize) -> &[(usize, &'m Binding)] {
        let all = self.bindings.get(name).map_or(&[][..], Vec::as_slice);
        let from = all.partition_point(|(file, _)| self.packages[*file] < package);
        let to = all.partition_point(|(file, _)| self.packages[*file] <= package);
        &all[from..to]
    }

    fn named(&self, name: &str, site: Site, given: &Given<'m>, depth: usize) -> Amount {
        let bound = self.bound(name, site);
        let mut inside = Some(site.function);
        let functions = &self.files[site.file].flow.functions;
        for _ in 0..functions.len().min(64) {
            let Some(function) = inside.and_then(|at| functions.get(at)) else { break };
            if function.parameters.iter().any(|parameter| parameter == name) {
                // What it is given, unless it gets another value inside.
                let Some(call) = given.0.as_ref().filter(|_| bound.is_empty()) else {
                    return Amount::default();
                };
                let at = call.names.iter().position(|parameter| parameter == name);
                let Some(value) = at.and_then(|at| call.arguments.get(at)) else {
                    return Amount::default();
                };
                return self.evaluate(value, call.site, &call.given, depth + 1);
            }
            inside = function.around;
        }
        self.agreed(
            bound.iter().map(|binding| self.evaluate(&binding.value, site, given, depth + 1)),
        )
    }

    /// A field by its name, or what another package of the module calls so.
    fn member(&self, of: &str, name: &str, site: Site, given: &Given<'m>, depth: usize) -> Amount {
        let Some(all) = self.bindings.get(name) else { return Amount::default() };
        let imported = self.files[site.file].imports.iter().find(|(_, own)| own.as_str() == of);
        let is_wanted = |(file, binding): &&(usize, &Binding)| match imported {
            Some((path, _)) => {
                let theirs = &self.files[*file].package;
                let is_theirs = theirs == of || path.rsplit('/').next() == Some(theirs);
                is_theirs && binding.place == Place::Package
            }
            None => binding.place == Place::Field,
        };
        let wanted: Vec<_> = all.iter().filter(is_wanted).take(MOST_VALUES + 1).collect();
        if wanted.len() > MOST_VALUES {
            return Amount::default();
        }
        let found = wanted.into_iter().map(|(file, binding)| {
            // Where it is set the names of that function hold; what its parameters are is not known.
            let function = binding.inside.unwrap_or(self.files[*file].flow.functions.len());
            let there = Site { file: *file, function };
            let given = if there == site { given.clone() } else { Given::default() };
            self.evaluate(&binding.value, there, &given, depth + 1)
        });
        self.agreed(found)
    }

    /// One amount of all that a name may have.
    fn agreed(&self, all: impl Iterator<Item = Amount>) -> Amount {
        let mut agreed: Option<Amount> = None;
        for amount in all {
            // Until it is set it is nothing.
            if amount.value == Some(0.0) && amount.variable.is_none() {
                continue;
            }
            agreed = Some(match agreed {
                None => amount,
                Some(known) if known == amount => known,
                Some(known) => match (known.value, amount.value) {
                    // A default, and the variable that is asked first.
                    (Some(_), None) if amount.variable.is_some() => {
                        let is_duration = amount.is_duration;
                        Amount { variable: amount.variable, is_duration, ..known }
                    }
                    (None, Some(_)) if known.variable.is_some() => {
                        let is_duration = known.is_duration;
                        Amount { variable: known.variable, is_duration, ..amount }
                    }
                    (Some(a), Some(b)) if a == b && known.is_time == amount.is_time => {
                        Amount { variable: known.variable.or(amount.variable), ..amount }
                    }
                    _ => return Amount::default(),
                },
            });
        }
        agreed.unwrap_or_default()
    }

    /// What a call gives back.
    fn result(&self, call: &Called, site: Site, given: &Given<'m>, depth: usize) -> Amount {
        let argument = |at: usize| match call.arguments.get(at) {
            Some(value) => self.evaluate(value, site, given, depth + 1),
            None => Amount::default(),
        };
        let text = |at: usize| self.text(call.arguments.get(at)?, site);
        match call.name.as_str() {
            // `time.Duration(n)` is a number still.
            "Duration" if self.is_of(site, "time", &call.of) => return argument(0),
            "ParseDuration" => return Amount { is_duration: Some(true), ..argument(0) },
            "Atoi" | "ParseInt" | "ParseUint" | "ParseFloat" => {
                return Amount { is_duration: Some(false), ..argument(0) };
            }
            "int64" | "float64" | "int" => return argument(0),
            "Getenv" | "LookupEnv" => {
                let what = plain(&text(0).unwrap_or_default());
                return Amount { variable: text(0), what, ..Amount::default() };
            }
            _ => {}
        }
        let first = text(0);
        if let Some(name) = first.as_deref().filter(|name| is_variable(name)) {
            let default = argument(1);
            let variable = Some(name.to_owned());
            let is_duration = default.is_duration.or(default.value.map(|_| default.is_time));
            return Amount { variable, is_duration, what: plain(name), ..default };
        }
        let is_flag = call.arguments.len() >= 3 && first.is_some();
        match call.name.as_str() {
            "Duration" | "Int" | "Int64" | "Uint" | "Float64" if is_flag => argument(1),
            // `viper.GetDuration("shutdown.delay")` by its `SetDefault`.
            "GetDuration" | "GetInt" | "GetInt64" | "GetString" => match first {
                Some(key) => self.member(")", &format!("\"{key}\""), site, given, depth),
                None => Amount::default(),
            },
            _ => Amount::default(),
        }
    }

    /// A text, behind a constant too.
    fn text(&self, value: &Expression, site: Site) -> Option<String> {
        match value {
            Expression::Text(text) => Some(text.clone()),
            Expression::Name(name) => match &self.bound(name, site)[..] {
                [Binding { value: Expression::Text(text), .. }] => Some(text.clone()),
                _ => None,
            },
            _ => None,
        }
    }
}

/// An operation on two amounts; `known` gets how many of them are times.
fn both(one: Amount, other: Amount, known: impl Fn(f64, f64, u8) -> Option<f64>) -> Amount {
    let times = u8::from(one.is_time) + u8::from(other.is_time);
    let value = match (one.value, other.value) {
        (Some(a), Some(b)) => known(a, b, times),
        _ => None,
    };
    // What is counted in units is a number.
    let number = times > 0
        && [&one, &other].iter().any(|amount| amount.variable.is_some() && !amount.is_time);
    let is_duration = if number { Some(false) } else { one.is_duration.or(other.is_duration) };
    let what = if one.what.is_empty() { other.what } else { one.what };
    let variable = one.variable.or(other.variable);
    Amount { value, is_time: times > 0, variable, is_duration, what }
}
