use super::*;

const SERVER: Value = Value::Pointer(1, 0);

/// `kept.Handler = wrap(kept.Handler)`: the server is in a variable of the program.
#[test]
fn a_store_through_a_variable_is_kept() {
    let mut machine = Machine::watching(16);
    machine.store_at(Value::Loaded(0x5000), 16, Value::Unknown);
    machine.store_at(Value::Unknown, 16, Value::Address(0x6000));
    // Neither of that field, nor of a place that is known.
    machine.store_at(Value::Loaded(0x5000), 8, Value::Unknown);
    machine.store_at(Value::Pointer(STACK, 0), 16, Value::Unknown);
    assert_eq!(machine.stored_elsewhere(), [Value::Unknown, Value::Address(0x6000)]);
}

#[test]
fn what_leaves_the_function_is_published() {
    let begun = || Machine::given(3, 16);
    let mut machine = begun();
    machine.store_at(Value::Pointer(STACK, 0), 8, SERVER);
    machine.returns(&[0, 1]);
    assert!(!machine.is_published(1));
    let mut machine = begun();
    machine.returns(&[0, 3]);
    assert!(machine.is_published(1), "a result");
    for place in [Value::Address(0x5000), Value::Unknown, Value::Loaded(0x5000)] {
        let mut machine = begun();
        machine.store_at(place, 8, SERVER);
        assert!(machine.is_published(1), "{place:?}");
    }
}

/// A closure begins with the address of its code; what begins with two of them is none.
#[test]
fn closures_are_known_by_how_they_begin() {
    let mut machine = Machine::given(3, 16);
    machine.call("runtime.newobject", true);
    let closure = machine.register(0);
    assert_ne!(closure, SERVER);
    machine.store_at(closure, 0, Value::Address(0x4000));
    machine.store_at(closure, 8, SERVER);
    assert_eq!(machine.captures(1).collect::<Vec<_>>(), [(Some(0x4000), 8)]);
    machine.store_at(closure, 0, Value::Address(0x4100));
    assert_eq!(machine.captures(1).collect::<Vec<_>>(), [(None, 8)]);
    assert!(machine.stacked().next().is_none());
    machine.store_at(Value::Pointer(STACK, 0), 24, Value::Address(0x4200));
    assert_eq!(machine.stacked().collect::<Vec<_>>(), [0x4200]);
}

/// The branch back to the first instruction is that of a stack which was too small: without this the argument was
/// lost at once.
#[test]
fn arguments_hold_at_the_first_instruction() {
    let mut machine = Machine::given(3, 16);
    machine.set_back(vec![0x1000, 0x1010]);
    machine.arrive(0x1000);
    assert_eq!(machine.register(3), SERVER);
    machine.arrive(0x1010);
    assert_eq!(machine.register(3), Value::Unknown, "a loop");
}

/// What a closure has by value is the same after each call.
#[test]
fn a_closure_s_variables_stay() {
    let mut machine = Machine::of_closure(2, 8, 16);
    machine.call("main.wait", true);
    assert_eq!(machine.load(Value::Pointer(CONTEXT, 8)), SERVER);
}

/// `envOr("PORT", "8080")` where its body was put into its caller's.
#[test]
fn a_setting_with_a_default_is_the_setting() {
    let mut machine = Machine::new();
    machine.call("os.Getenv", true);
    assert_eq!(
        (machine.register(0), machine.register(3)),
        (Value::Returned(1, 0), Value::Returned(1, 1))
    );
    machine.branch(0x1000, 0x1010);
    machine.set(0, Value::Address(0x5000));
    machine.set(3, Value::Number(4));
    machine.set(1, Value::Pointer(STACK, 8));
    machine.arrive(0x1010);
    assert_eq!(
        (machine.register(0), machine.register(3)),
        (Value::Returned(1, 0), Value::Returned(1, 1))
    );
    assert_eq!(machine.register(1), Value::Unknown);
    machine.call("os.Getenv", true);
    assert_eq!(machine.register(0), Value::Returned(2, 0), "another call");
}

#[test]
fn words_of_an_object_are_what_was_stored_once() {
    let mut machine = Machine::given(3, 16);
    let server = machine.register(3);
    machine.store_at(server, 0, Value::Address(0x5000));
    machine.store_at(server, 8, Value::Number(5));
    machine.store_at(server, 24, Value::Number(1));
    machine.store_at(server, 24, Value::Number(2));
    let word = |machine: &Machine, offset| machine.word_of(1, offset);
    assert_eq!(word(&machine, 0), Some(Value::Address(0x5000)));
    assert_eq!(word(&machine, 8), Some(Value::Number(5)));
    assert_eq!(word(&machine, 24), None, "two things");
    assert_eq!(word(&machine, 16), None, "nothing");
    machine.forget(server, 4);
    assert_eq!(word(&machine, 0), None, "a part of it is not known");
}
