//! Components whose start is code of their own: it is the guest's time like any other.

use crate::failures::expect_failure;
use crate::harness::{Guest, Scratch, Serve, get};

/// A component that spins when it is instantiated, before its handler can be called.
fn spins_at_start(export: &str) -> String {
    format!(
        r#"(component
            (core module $m
                (func $spin (loop br 0))
                (func (export "handle"))
                (start $spin))
            (core instance $i (instantiate $m))
            (func $handle (canon lift (core func $i "handle")))
            (instance $exports (export "handle" (func $handle)))
            (export "{export}" (instance $exports)))"#
    )
}

#[test]
fn a_start_that_spins_is_ended_at_the_limit() {
    let scratch = Scratch::new();
    let made = |name: &str, export: &str| {
        let bytes = wat::parse_str(spins_at_start(export)).expect("a component");
        scratch.file(name, bytes)
    };
    let of_0_2 = made("spins_0_2.wasm", "wasi:http/incoming-handler@0.2.0");
    let of_0_3 = made("spins_0_3.wasm", "wasi:http/handler@0.3.0");
    let cases = [
        (&of_0_2, "fresh"),
        (&of_0_2, "reuse"),
        (&of_0_3, "fresh"),
        (&of_0_3, "reuse"),
        (&of_0_3, "shared"),
    ];
    for (component, mode) in cases {
        let spinner = Guest::of("spinner", component).isolation(mode).limits("cpu_ms = 200");
        // A server of its own: nothing else must keep the time for it.
        let hob = Serve::new([spinner]).start();
        for _ in 0..2 {
            expect_failure(hob.get("/spinner"), 503, "cpu-limit");
        }
        assert_eq!(hob.ask_admin("/healthz").expect(200).text(), "ok\n");
        hob.exchange(get("/elsewhere")).expect(404);
    }
}
