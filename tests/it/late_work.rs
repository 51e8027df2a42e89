//! What a guest does after its answer: it is done at once, within the limits, although no
//! connection waits for it.

use crate::harness::{Hob, Serve, every_mode, get};

/// All of them can work on after the answer.
const GUESTS: [&str; 4] = ["kitchen", "kitchen-standard", "kitchen-0-2", "kitchen-0-3"];

/// At its wall limit a guest would be looked at anyway: that is far away.
fn serve() -> Hob {
    let guests = every_mode(&GUESTS).into_iter();
    Serve::new(guests.map(|guest| guest.limits("wall_ms = 3600000"))).start()
}

/// Waits until a guest has printed this.
fn wait_for_print(hob: &Hob, line: &str) {
    hob.wait_for_line(|found| found["kind"] == "guest" && found["line"] == line);
}

/// The work is longer than several slices. When the task that goes on with it is not told of its next
/// slice, nothing else drives it here: there are no timers, and no other clients.
#[test]
fn computing_goes_on_after_a_whole_answer() {
    let hob = serve();
    for name in hob.names() {
        // A guest of 0.3 that has no pause computes before the host sees the answer.
        for pause in [0, 5] {
            let line = format!("{name}-{pause}");
            let answer = hob.get(&format!("/{name}/late-spin?pause_ms={pause}&line={line}"));
            assert_eq!(answer.expect(200).text(), "answered\n", "{name}");
            wait_for_print(&hob, &line);
        }
    }
}

#[test]
fn computing_goes_on_after_a_streamed_answer() {
    let hob = serve();
    for name in hob.names() {
        for pause in [0, 5] {
            // On a busy machine all of it may be there before its head is sent, and then it goes whole.
            let is_streamed = (0..20).any(|again| {
                let line = format!("{name}-{pause}-{again}");
                let target = format!("/{name}/stream-late-spin?pause_ms={pause}&line={line}");
                let answer = hob.get(&target).expect(200);
                wait_for_print(&hob, &line);
                answer.header("transfer-encoding") == Some("chunked")
            });
            assert!(is_streamed, "{name}");
        }
    }
}

#[test]
fn computing_goes_on_after_the_answer_to_head() {
    let hob = serve();
    for name in hob.names() {
        for behaviour in ["late-spin", "stream-late-spin"] {
            let line = format!("{name}-{behaviour}");
            let target = format!("/{name}/{behaviour}?line={line}");
            let mut client = hob.client();
            client.send(format!("HEAD {target} HTTP/1.1\r\nhost: hob\r\n\r\n"));
            client.head().expect(200);
            wait_for_print(&hob, &line);
            // The connection is in step.
            client.exchange(get(&format!("/{name}/hello"))).expect(200);
        }
    }
}
