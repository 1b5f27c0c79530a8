//! Looks for an order of a register's operations that explains every answer: Wing and Gong's search
//! with Lowe's memory of what was tried, by `todc-utils`.

use std::fmt;

use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History};
use todc_utils::specifications::Specification;

use super::operation::{Operation, Sight, Value, What};

/// What one register does when it is asked one thing after the other.
struct Register;

impl Specification for Register {
    type State = Option<Value>;
    type Operation = What;

    fn init() -> Self::State {
        None
    }

    fn apply(what: &What, held: &Self::State) -> (bool, Self::State) {
        match what {
            What::Write(value) => (true, Some(*value)),
            What::Delete { existed } => {
                let is_explained = existed.is_none_or(|existed| existed == held.is_some());
                (is_explained, if is_explained { None } else { *held })
            }
            What::See(sight) => {
                let is_explained = match sight {
                    Sight::Nothing => held.is_none(),
                    Sight::OneOf(values) => held.is_some_and(|held| values.contains(&held)),
                    Sight::Not(value) => *held != Some(*value),
                };
                (is_explained, *held)
            }
        }
    }
}

/// A history that no order explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The shortest beginning of it that no order explains, less what does not matter.
    pub operations: Vec<Operation>,
}

/// Checks what was done to one register.
pub fn check(operations: &[Operation]) -> Result<(), Violation> {
    if is_linearizable(operations) {
        return Ok(());
    }
    let operations = without_the_irrelevant(shortest_beginning(operations));
    Err(Violation { operations })
}

fn is_linearizable(operations: &[Operation]) -> bool {
    if operations.is_empty() {
        return true;
    }
    // An operation without an outcome is one that is not answered before the end: to happen after
    // all others is as good as never to happen.
    let mut moments = Vec::with_capacity(operations.len() * 2);
    for (process, operation) in operations.iter().enumerate() {
        let ended = operation
            .ended
            .or_else(|| first_sight(operation, operations));
        moments.push((
            operation.began,
            process,
            Action::Call(operation.what.clone()),
        ));
        let ended = ended.unwrap_or(u64::MAX);
        moments.push((ended, process, Action::Response(operation.what.clone())));
    }
    moments.sort_by_key(|(at, ..)| *at);
    // Each operation is a process of its own, so that none waits for one that never ends.
    let actions = moments
        .into_iter()
        .map(|(_, process, action)| (process, action));
    WGLChecker::<Register>::is_linearizable(History::from_actions(actions.collect()))
}

/// When a write without an outcome was seen first, for then it had happened. Only to make the search
/// shorter: an order in which it comes later does not explain who saw it.
fn first_sight(write: &Operation, operations: &[Operation]) -> Option<u64> {
    let What::Write(value) = write.what else {
        return None;
    };
    let seen = operations
        .iter()
        .filter(|other| other.seen() == Some(value));
    seen.filter_map(|other| other.ended).min()
}

/// The operations as of the first answer that no order explains.
fn shortest_beginning(operations: &[Operation]) -> Vec<Operation> {
    let mut answers: Vec<u64> = operations.iter().filter_map(|one| one.ended).collect();
    answers.sort_unstable();
    // What is explained as of one moment is explained as of every earlier one.
    let explained = answers.partition_point(|at| is_linearizable(&as_of(*at, operations)));
    match answers.get(explained) {
        Some(at) => as_of(*at, operations),
        None => operations.to_vec(),
    }
}

/// What was known at a moment: what ended later had no outcome yet.
fn as_of(moment: u64, operations: &[Operation]) -> Vec<Operation> {
    let known = |operation: &Operation| {
        let mut operation = operation.clone();
        if operation.ended.is_some_and(|at| at <= moment) {
            return Some(operation);
        }
        operation.ended = None;
        match &mut operation.what {
            What::See(_) => return None,
            What::Delete { existed } => *existed = None,
            What::Write(_) => {}
        }
        (operation.began <= moment).then_some(operation)
    };
    operations.iter().filter_map(known).collect()
}

/// Leaves out what was seen, and then what was done and concerns nothing that is left, as long as no
/// order explains the rest.
fn without_the_irrelevant(operations: Vec<Operation>) -> Vec<Operation> {
    let less_seen = reduced(operations, |_, operation| match &operation.what {
        What::See(_) => Some(None),
        What::Delete { existed: Some(_) } => Some(Some(What::Delete { existed: None })),
        _ => None,
    });
    let less_written = reduced(less_seen, |others, operation| match operation.what {
        What::Write(value) => {
            let needs_it = |what: &What| match what {
                What::See(Sight::OneOf(values)) => values.contains(&value),
                What::See(Sight::Not(_))
                | What::Delete {
                    existed: Some(true),
                } => true,
                _ => false,
            };
            (!others.iter().any(|other| needs_it(&other.what))).then_some(None)
        }
        _ => None,
    });
    reduced(less_written, |others, operation| match operation.what {
        What::Delete { existed: None } => {
            let needs_it = |what: &What| {
                let is_empty = What::Delete {
                    existed: Some(false),
                };
                *what == is_empty || matches!(what, What::See(Sight::Nothing | Sight::Not(_)))
            };
            (!others.iter().any(|other| needs_it(&other.what))).then_some(None)
        }
        _ => None,
    })
}

/// Replaces operations by less, or by nothing, as proposed, where no order explains what is left.
fn reduced(
    mut operations: Vec<Operation>,
    propose: impl Fn(&[Operation], &Operation) -> Option<Option<What>>,
) -> Vec<Operation> {
    for place in (0..operations.len()).rev() {
        let Some(less) = propose(&operations, &operations[place]) else {
            continue;
        };
        let mut fewer = operations.clone();
        match less {
            Some(what) => fewer[place].what = what,
            None => drop(fewer.remove(place)),
        }
        if !is_linearizable(&fewer) {
            operations = fewer;
        }
    }
    operations
}

impl fmt::Display for Violation {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "no order explains this:")?;
        for operation in &self.operations {
            writeln!(to, "{operation}")?;
        }
        Ok(())
    }
}
