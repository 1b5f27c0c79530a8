//! Hand-made histories: each kind of broken promise is caught, and nothing else.

use super::checker::{Violation, check};
use super::operation::{Operation, Sight, Value, What};

fn operation(began: u64, ended: Option<u64>, what: What) -> Operation {
    Operation {
        client: format!("client-{began}"),
        began,
        ended,
        what,
    }
}

fn write(began: u64, ended: u64, value: Value) -> Operation {
    operation(began, Some(ended), What::Write(value))
}

fn perhaps_write(began: u64, value: Value) -> Operation {
    operation(began, None, What::Write(value))
}

fn delete(began: u64, ended: u64, existed: bool) -> Operation {
    let existed = Some(existed);
    operation(began, Some(ended), What::Delete { existed })
}

fn perhaps_delete(began: u64) -> Operation {
    operation(began, None, What::Delete { existed: None })
}

fn see(began: u64, ended: u64, value: Value) -> Operation {
    saw(began, ended, Sight::OneOf(vec![value]))
}

fn see_nothing(began: u64, ended: u64) -> Operation {
    saw(began, ended, Sight::Nothing)
}

fn saw(began: u64, ended: u64, sight: Sight) -> Operation {
    operation(began, Some(ended), What::See(sight))
}

/// What is left of a history that must not be explained.
#[track_caller]
fn caught(history: &[Operation]) -> Vec<Operation> {
    let Err(Violation { operations }) = check(history) else {
        panic!("this was explained: {history:#?}");
    };
    operations
}

#[track_caller]
fn explained(history: &[Operation]) {
    if let Err(violation) = check(history) {
        panic!("{violation}");
    }
}

#[test]
fn a_stale_read_is_caught() {
    let stale = [write(1, 2, 0), write(3, 4, 1), see(5, 6, 0)];
    assert_eq!(caught(&stale), stale);
    // The two reads are of different clients: one answer came before the other was asked for.
    let backwards = [
        write(1, 2, 0),
        write(3, 9, 1),
        see(4, 5, 1),
        see(6, 7, 0),
        see(10, 11, 1),
    ];
    let Some((_, what_came_before)) = backwards.split_last() else {
        unreachable!()
    };
    let mut shortest = what_came_before.to_vec();
    shortest[1].ended = None;
    assert_eq!(caught(&backwards), shortest);
}

#[test]
fn a_lost_acknowledged_write_is_caught() {
    caught(&[write(1, 2, 0), see_nothing(3, 4)]);
    caught(&[write(1, 2, 0), saw(3, 4, Sight::Not(0))]);
    caught(&[write(1, 2, 0), write(3, 4, 1), see(5, 6, 1), see(7, 8, 0)]);
    caught(&[write(1, 2, 0), delete(3, 4, false)]);
}

#[test]
fn a_delete_that_is_undone_is_caught() {
    caught(&[write(1, 2, 0), delete(3, 4, true), see(5, 6, 0)]);
    caught(&[
        write(1, 2, 0),
        delete(3, 4, true),
        see_nothing(5, 6),
        see(7, 8, 0),
    ]);
    caught(&[write(1, 2, 0), delete(3, 4, true), delete(5, 6, true)]);
}

#[test]
fn a_vector_that_nobody_wrote_is_caught() {
    let phantom = [write(1, 2, 0), saw(3, 4, Sight::OneOf(vec![]))];
    assert_eq!(caught(&phantom), phantom[1..], "the write does not matter");
}

#[test]
fn an_operation_without_an_outcome_may_happen_at_any_time_since() {
    explained(&[perhaps_write(1, 0), see(2, 3, 0)]);
    explained(&[perhaps_write(1, 0), see_nothing(2, 3)]);
    explained(&[
        perhaps_write(1, 0),
        see_nothing(2, 3),
        write(4, 5, 1),
        see(6, 7, 1),
        see(8, 9, 0),
    ]);
    explained(&[write(1, 2, 0), perhaps_delete(3), see(4, 5, 0)]);
    explained(&[
        write(1, 2, 0),
        perhaps_delete(3),
        see(4, 5, 0),
        see_nothing(6, 7),
    ]);
}

#[test]
fn an_operation_without_an_outcome_happens_once_at_the_most_and_not_before_it_was_sent() {
    caught(&[see(1, 2, 0), perhaps_write(3, 0)]);
    caught(&[perhaps_write(1, 0), see(2, 3, 0), see_nothing(4, 5)]);
    caught(&[
        perhaps_write(1, 0),
        see(2, 3, 0),
        write(4, 5, 1),
        see(6, 7, 1),
        see(8, 9, 0),
    ]);
    caught(&[
        write(1, 2, 0),
        perhaps_delete(3),
        see_nothing(4, 5),
        write(6, 7, 1),
        see_nothing(8, 9),
    ]);
}

#[test]
fn operations_at_the_same_time_come_in_any_order() {
    let both = |first, second| {
        let writes = [write(1, 10, 0), write(2, 9, 1)];
        let reads = [see(3, 4, first), see(5, 6, second)];
        [writes, reads].concat()
    };
    explained(&both(0, 1));
    explained(&both(1, 0));
    explained(&[write(1, 10, 0), see_nothing(2, 3), see(4, 5, 0)]);
    caught(&[write(1, 10, 0), see(2, 3, 0), see_nothing(4, 5)]);
}

#[test]
fn a_sight_says_no_more_than_it_reveals() {
    explained(&[
        write(1, 2, 0),
        write(3, 4, 1),
        saw(5, 6, Sight::OneOf(vec![0, 1])),
    ]);
    explained(&[write(1, 2, 0), write(3, 4, 1), saw(5, 6, Sight::Not(0))]);
    caught(&[write(1, 2, 0), write(3, 4, 1), saw(5, 6, Sight::Not(1))]);
}

#[test]
fn what_does_not_matter_is_left_out_of_what_is_shown() {
    let mut history = vec![write(1, 2, 0), write(3, 4, 1), see(5, 6, 0)];
    for at in 10..60 {
        history.push(write(at * 10, at * 10 + 1, at as Value));
        history.push(see(at * 10 + 2, at * 10 + 3, at as Value));
    }
    assert_eq!(caught(&history), history[..3]);
    history.remove(2);
    explained(&history);
}

#[test]
fn what_explains_a_delete_that_found_something_is_shown() {
    let undone = [
        write(1, 2, 0),
        delete(3, 4, true),
        write(5, 6, 1),
        delete(7, 8, true),
        delete(9, 10, true),
    ];
    let [first, _, second, mut before, found] = undone.clone();
    before.what = What::Delete { existed: None };
    assert_eq!(caught(&undone), [first, second, before, found]);
}

#[test]
fn many_operations_without_an_outcome_are_looked_through() {
    let mut history = vec![write(1, 2, 0)];
    for number in 0..2 {
        history.push(perhaps_delete(10 + number));
        history.push(perhaps_write(20 + number, 100 + number as Value));
    }
    for at in 10..100 {
        history.push(write(at * 10, at * 10 + 5, at as Value));
        history.push(see(at * 10 + 1, at * 10 + 8, at as Value));
    }
    explained(&history);
    history.push(see(2_000, 2_001, 98));
    caught(&history);
}
