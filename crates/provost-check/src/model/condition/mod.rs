//! What the conditions of an analysis say about a result: `result[0] >= 0.95`.
//!
//! Argo evaluates them with expr-lang/expr (utils/evaluate/evaluate.go of argo-rollouts v1.10.2,
//! expr v1.17). Here they are evaluated for the results that matter: nothing, NaN, a number. What
//! is not understood gives [`Outcome::Unknown`], never a guess.
//!
//! Constraints: text, nodes and depth are bounded; evaluation takes as many steps as there are
//! nodes, times the few values of a result.

mod parse;
pub mod syntax;
#[cfg(test)]
mod tests;

use parse::{Ast, Op};

/// A condition that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition(Ast);

/// What Argo measured: a Prometheus vector arrives as a list of numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
    /// True or false.
    Bool(bool),
    /// No value.
    Nil,
    /// A list.
    List(Vec<Value>),
}

/// What a condition comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be evaluated: Argo calls the measurement an error.
    Error,
    /// Not understood here.
    Unknown,
}

/// What a measurement comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// `Successful`
    Successful,
    /// `Failed`
    Failed,
    /// `Inconclusive`
    Inconclusive,
    /// `Error`
    Error,
    /// Not understood here.
    Unknown,
}

/// Why evaluation stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Error,
    Unknown,
}

impl Condition {
    /// Reads a condition; `None` for what is too long, too deep or not understood as a whole.
    pub fn read(text: &str) -> Option<Self> {
        parse::parse(text).map(Self)
    }

    /// What it says about a result.
    pub fn holds(&self, result: &Value) -> Outcome {
        let scope = Scope { result, item: None };
        match eval(&self.0, &scope) {
            Ok(Value::Bool(true)) => Outcome::True,
            Ok(Value::Bool(false)) => Outcome::False,
            Ok(_) | Err(Stop::Error) => Outcome::Error,
            Err(Stop::Unknown) => Outcome::Unknown,
        }
    }

    /// What it says of every result that it can be evaluated for, where that is one and the same:
    /// `result[0] >= 0.95 || true`. NaN counts as a result.
    pub fn constant(&self) -> Option<bool> {
        match fold(&self.0)? {
            Value::Bool(always) => Some(always),
            _ => None,
        }
    }

    /// Whether it looks at the first value of the result and at no other.
    pub fn reads_first_only(&self) -> bool {
        let (mut first, mut other) = (false, false);
        self.0.walk(&mut |node| match node {
            Ast::Index(of, index) if **of == Ast::Result => match **index {
                Ast::Number(0.0) => first = true,
                _ => other = true,
            },
            // `result` by itself in a call: len, all, any ...
            Ast::Call(_, args) if args.contains(&Ast::Result) => other = true,
            _ => {}
        });
        first && !other
    }

    /// Whether one is true exactly where the other is false, NaN apart.
    pub fn is_complement_of(&self, other: &Self) -> bool {
        let (a, b) = (&self.0, &other.0);
        let negates = |a: &Ast, b: &Ast| matches!(a, Ast::Not(inner) if **inner == *b);
        if negates(a, b) || negates(b, a) {
            return true;
        }
        let (Ast::Binary(op_a, left_a, right_a), Ast::Binary(op_b, left_b, right_b)) = (a, b)
        else {
            return false;
        };
        let straight = op_a.opposite() == Some(*op_b) && left_a == left_b && right_a == right_b;
        let turned = op_a.opposite().and_then(Op::turned) == Some(*op_b)
            && left_a == right_b
            && right_a == left_b;
        straight || turned
    }
}

/// The value of an expression, whatever the result; `None` where it depends on it. What cannot be
/// evaluated is an error and no verdict, so that `x || true` is true.
fn fold(ast: &Ast) -> Option<Value> {
    Some(match ast {
        Ast::Not(inner) => match fold(inner)? {
            Value::Bool(b) => Value::Bool(!b),
            _ => return None,
        },
        Ast::Binary(op @ (Op::And | Op::Or), left, right) => {
            let decides = Value::Bool(*op == Op::Or);
            let sides = [fold(left), fold(right)];
            // Of other types than these expr says that it does not compile.
            if sides.iter().flatten().any(|side| !matches!(side, Value::Bool(_))) {
                return None;
            }
            if sides.iter().flatten().any(|side| *side == decides) {
                return Some(decides);
            }
            let [Some(_), Some(same)] = sides else { return None };
            same
        }
        Ast::Choice(test, yes, no) => match fold(test) {
            Some(Value::Bool(true)) => fold(yes)?,
            Some(Value::Bool(false)) => fold(no)?,
            _ => {
                let (yes, no) = (fold(yes)?, fold(no)?);
                return (yes == no).then_some(yes);
            }
        },
        Ast::Binary(op, left, right) => {
            // Once each: a chain of comparisons would double with every link.
            match (fold(left), fold(right)) {
                (None, Some(Value::Number(n))) if is_length(left) => of_length(*op, n)?,
                (Some(Value::Number(n)), None) if is_length(right) => of_length(op.turned()?, n)?,
                (Some(left), Some(right)) => {
                    let scope = Scope { result: &Value::Nil, item: None };
                    binary(*op, &constant(left)?, &constant(right)?, &scope).ok()?
                }
                _ => return None,
            }
        }
        Ast::Negative(inner) => match fold(inner)? {
            Value::Number(n) => Value::Number(-n),
            _ => return None,
        },
        Ast::Number(n) => Value::Number(*n),
        Ast::Text(text) => Value::Text(text.clone()),
        Ast::Bool(b) => Value::Bool(*b),
        Ast::Nil => Value::Nil,
        _ => return None,
    })
}

/// Back to what can be evaluated.
fn constant(value: Value) -> Option<Ast> {
    Some(match value {
        Value::Number(n) => Ast::Number(n),
        Value::Text(text) => Ast::Text(text),
        Value::Bool(b) => Ast::Bool(b),
        Value::Nil => Ast::Nil,
        Value::List(_) => return None,
    })
}

fn is_length(ast: &Ast) -> bool {
    matches!(ast, Ast::Call(name, args) if name == "len" && args.len() == 1)
}

/// `len(result) >= 0`: a length is never negative.
fn of_length(op: Op, number: f64) -> Option<Value> {
    Some(Value::Bool(match op {
        Op::GreaterEqual if number <= 0.0 => true,
        Op::Greater if number < 0.0 => true,
        Op::Less if number <= 0.0 => false,
        Op::LessEqual if number < 0.0 => false,
        _ => return None,
    }))
}

/// What Argo calls a measurement: `EvaluateResult`.
pub fn phase(success: Option<&Condition>, failure: Option<&Condition>, result: &Value) -> Phase {
    let success = success.map(|condition| condition.holds(result));
    // An error of the first ends it before the second is looked at.
    match success {
        Some(Outcome::Error) => return Phase::Error,
        Some(Outcome::Unknown) => return Phase::Unknown,
        _ => {}
    }
    let failure = failure.map(|condition| condition.holds(result));
    match (success, failure) {
        (_, Some(Outcome::Error)) => Phase::Error,
        (_, Some(Outcome::Unknown)) => Phase::Unknown,
        (None, None) => Phase::Successful,
        (_, Some(Outcome::True)) => Phase::Failed,
        (Some(Outcome::True), _) | (None, Some(_)) => Phase::Successful,
        (Some(_), None) => Phase::Failed,
        (Some(_), Some(_)) => Phase::Inconclusive,
    }
}

struct Scope<'v> {
    result: &'v Value,
    /// `#` inside of a predicate.
    item: Option<&'v Value>,
}

type Evaluated = Result<Value, Stop>;

fn eval(ast: &Ast, scope: &Scope<'_>) -> Evaluated {
    match ast {
        Ast::Number(n) => Ok(Value::Number(*n)),
        Ast::Text(text) => Ok(Value::Text(text.clone())),
        Ast::Bool(b) => Ok(Value::Bool(*b)),
        Ast::Nil => Ok(Value::Nil),
        Ast::Result => Ok(scope.result.clone()),
        Ast::Item => scope.item.cloned().ok_or(Stop::Unknown),
        Ast::Unknown => Err(Stop::Unknown),
        Ast::List(items) => {
            let items: Result<Vec<Value>, Stop> =
                items.iter().map(|item| eval(item, scope)).collect();
            Ok(Value::List(items?))
        }
        Ast::Index(of, index) => index_of(&eval(of, scope)?, &eval(index, scope)?),
        Ast::Not(inner) => match eval(inner, scope)? {
            Value::Bool(b) => Ok(Value::Bool(!b)),
            _ => Err(Stop::Error),
        },
        Ast::Negative(inner) => match eval(inner, scope)? {
            Value::Number(n) => Ok(Value::Number(-n)),
            _ => Err(Stop::Error),
        },
        Ast::Binary(op, left, right) => binary(*op, left, right, scope),
        Ast::Choice(test, yes, no) => match eval(test, scope)? {
            Value::Bool(true) => eval(yes, scope),
            Value::Bool(false) => eval(no, scope),
            _ => Err(Stop::Error),
        },
        Ast::Call(name, args) => call(name, args, scope),
    }
}

/// `fetch` of expr's vm/runtime: a negative index counts from the end.
fn index_of(of: &Value, index: &Value) -> Evaluated {
    let (Value::List(items), Value::Number(n)) = (of, index) else {
        return if matches!(of, Value::Nil | Value::Number(_) | Value::Bool(_)) {
            Err(Stop::Error)
        } else {
            Err(Stop::Unknown)
        };
    };
    let at = if *n < 0.0 { items.len() as f64 + n } else { *n };
    if at.fract() != 0.0 || at < 0.0 || at >= items.len() as f64 {
        return Err(Stop::Error);
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "inside the list")]
    items.get(at as usize).cloned().ok_or(Stop::Error)
}

fn binary(op: Op, left: &Ast, right: &Ast, scope: &Scope<'_>) -> Evaluated {
    let first = eval(left, scope)?;
    if matches!(op, Op::And | Op::Or) {
        let Value::Bool(known) = first else { return Err(Stop::Error) };
        // The second is not looked at where the first decides.
        if known == (op == Op::Or) {
            return Ok(Value::Bool(known));
        }
        return match eval(right, scope)? {
            Value::Bool(b) => Ok(Value::Bool(b)),
            _ => Err(Stop::Error),
        };
    }
    if op == Op::Coalesce {
        return if first == Value::Nil { eval(right, scope) } else { Ok(first) };
    }
    let second = eval(right, scope)?;
    match (op, &first, &second) {
        (Op::Equal, a, b) => equal(a, b).map(Value::Bool),
        (Op::NotEqual, a, b) => equal(a, b).map(|same| Value::Bool(!same)),
        (_, Value::Number(a), Value::Number(b)) => Ok(match op {
            Op::Less => Value::Bool(a < b),
            Op::LessEqual => Value::Bool(a <= b),
            Op::Greater => Value::Bool(a > b),
            Op::GreaterEqual => Value::Bool(a >= b),
            Op::Add => Value::Number(a + b),
            Op::Subtract => Value::Number(a - b),
            Op::Multiply => Value::Number(a * b),
            Op::Divide => Value::Number(a / b),
            _ => return Err(Stop::Unknown),
        }),
        // Numbers with lists or nothing have no order: expr refuses to compile or to run it.
        (_, Value::Number(_), Value::List(_) | Value::Nil)
        | (_, Value::List(_) | Value::Nil, Value::Number(_)) => Err(Stop::Error),
        _ => Err(Stop::Unknown),
    }
}

fn equal(a: &Value, b: &Value) -> Result<bool, Stop> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Ok(a == b),
        (Value::Text(a), Value::Text(b)) => Ok(a == b),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Nil, Value::Nil) => Ok(true),
        // A vector without series is an empty list, not nil.
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        _ => Err(Stop::Unknown),
    }
}

fn call(name: &str, args: &[Ast], scope: &Scope<'_>) -> Evaluated {
    let arg = |n: usize| args.get(n).map_or(Err(Stop::Error), |arg| eval(arg, scope));
    match (name, args.len()) {
        ("len", 1) => match arg(0)? {
            Value::List(items) => Ok(Value::Number(items.len() as f64)),
            Value::Text(_) => Err(Stop::Unknown),
            _ => Err(Stop::Error),
        },
        ("isNaN", 1) => number(arg(0)?).map(|n| Value::Bool(n.is_nan())),
        ("isInf", 1) => number(arg(0)?).map(|n| Value::Bool(n.is_infinite())),
        ("asFloat" | "float", 1) => number(arg(0)?).map(Value::Number),
        ("asInt" | "int", 1) => {
            // What Go makes of int64(NaN) depends on the machine.
            let n = number(arg(0)?)?;
            if n.is_nan() { Err(Stop::Unknown) } else { Ok(Value::Number(n.trunc())) }
        }
        ("abs", 1) => number(arg(0)?).map(|n| Value::Number(n.abs())),
        // Both look at the result, whatever they are given (`isNilFunc`, `defaultFunc`), and the
        // argument is evaluated before.
        ("isNil", 1) => {
            arg(0)?;
            Ok(Value::Bool(*scope.result == Value::Nil))
        }
        ("default", 2) => {
            let _ = arg(0)?;
            let second = arg(1)?;
            Ok(if *scope.result == Value::Nil { second } else { scope.result.clone() })
        }
        ("all" | "any" | "none" | "one" | "count", 2) => quantified(name, args, scope),
        ("filter", 2) => {
            let Value::List(items) = arg(0)? else { return Err(Stop::Error) };
            let mut kept = Vec::new();
            for item in items {
                if truth(&args[1], scope, &item)? {
                    kept.push(item);
                }
            }
            Ok(Value::List(kept))
        }
        ("first" | "last", 1) => match arg(0)? {
            Value::List(mut items) if name == "last" => Ok(items.pop().unwrap_or(Value::Nil)),
            Value::List(items) => Ok(items.into_iter().next().unwrap_or(Value::Nil)),
            _ => Err(Stop::Unknown),
        },
        ("sum", 1) => match arg(0)? {
            Value::List(items) => {
                let mut total = 0.0;
                for item in items {
                    total += number(item)?;
                }
                Ok(Value::Number(total))
            }
            _ => Err(Stop::Unknown),
        },
        _ => Err(Stop::Unknown),
    }
}

fn number(value: Value) -> Result<f64, Stop> {
    match value {
        Value::Number(n) => Ok(n),
        Value::Text(_) => Err(Stop::Unknown),
        _ => Err(Stop::Error),
    }
}

fn truth(predicate: &Ast, scope: &Scope<'_>, item: &Value) -> Result<bool, Stop> {
    // A predicate within a predicate would be one step more for each value: nobody writes that.
    if scope.item.is_some() {
        return Err(Stop::Unknown);
    }
    match eval(predicate, &Scope { result: scope.result, item: Some(item) })? {
        Value::Bool(b) => Ok(b),
        _ => Err(Stop::Error),
    }
}

fn quantified(name: &str, args: &[Ast], scope: &Scope<'_>) -> Evaluated {
    let [list, predicate] = args else { return Err(Stop::Unknown) };
    let Value::List(items) = eval(list, scope)? else { return Err(Stop::Error) };
    let mut holds = 0_usize;
    for item in &items {
        let held = truth(predicate, scope, item)?;
        holds += usize::from(held);
        // The rest is not looked at where one decides.
        match name {
            "all" if !held => return Ok(Value::Bool(false)),
            "any" if held => return Ok(Value::Bool(true)),
            "none" if held => return Ok(Value::Bool(false)),
            _ => {}
        }
    }
    Ok(match name {
        "all" | "none" => Value::Bool(true),
        "any" => Value::Bool(false),
        "one" => Value::Bool(holds == 1),
        _ => Value::Number(holds as f64),
    })
}
