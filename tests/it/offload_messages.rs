//! Jobs that run while their caller goes on: messages in both directions, progress, and each way to
//! end.

use crate::harness::{Hob, Serve, guest, module, post};
use crate::offload::{HANDLERS, JOBS, ask, error, expect, expect_error, serve_within};

#[test]
fn messages_go_both_ways_while_a_job_runs() {
    let hob = serve_within("").start();
    for handler in HANDLERS {
        for module in JOBS {
            let deed = format!("spawn-messages?module={module}&n=50&size=1000");
            expect(&hob, handler, &deed, "messages", "50000 50");
            // The largest there can be.
            let deed = format!("spawn-messages?module={module}&n=3&size=1048576");
            expect(&hob, handler, &deed, "messages", "3145728 3");
        }
    }
}

#[test]
fn a_message_that_is_too_long_is_refused_and_the_job_goes_on() {
    let hob = serve_within("").start();
    for handler in HANDLERS {
        for module in JOBS {
            let deed = format!("spawn-send?module={module}&n=1&size=1048577");
            expect_error(&hob, handler, &deed, "messages", "too-large");
        }
    }
}

#[test]
fn who_receives_slowly_holds_the_job_up_and_loses_nothing() {
    let hob = serve_within("").start();
    for handler in HANDLERS {
        for module in JOBS {
            let deed = format!("spawn-receive?module={module}");
            expect(&hob, handler, &deed, "tell 100 1000", "100 100000 told");
            expect(&hob, handler, &deed, "tell 5 1048576", "5 5242880 told");
        }
        for module in ["streaming-job-0-3", "streaming-job-0-2"] {
            let deed = format!("spawn-receive?module={module}");
            expect(&hob, handler, &deed, "tell 100 1000\n", "100 100000 ");
        }
    }
}

#[test]
fn what_a_finished_job_gave_and_no_one_received_is_thrown_away() {
    let hob = serve_within("").start();
    for handler in HANDLERS {
        for module in JOBS {
            // It gives more than there is room for.
            expect(&hob, handler, &format!("spawn?module={module}"), "tell 100 1000", "told");
        }
        expect(&hob, handler, "spawn?module=streaming-job-0-3", "tell 100 1000\n", "");
        expect(&hob, handler, "spawn?module=command&arg=output&arg=3000000", "", "");
    }
}

#[test]
fn a_stream_is_copied_piece_by_piece_in_both_directions() {
    let hob = serve_within("").start();
    let data: String = (0..200_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    let upper = data.to_uppercase();
    for module in ["streaming-job-0-3", "streaming-job-0-2"] {
        let deed = format!("spawn-copy?module={module}&size=30000&first=upper%0A");
        let answer = ask(&hob, "offloading-0-3", &deed, &data).expect(200);
        assert!(answer.text() == upper, "{module}");
    }
    for program in ["command&arg=upper", "command-0-3&arg=upper"] {
        let deed = format!("spawn-copy?module={program}&size=30000");
        let answer = ask(&hob, "offloading-0-3", &deed, &data).expect(200);
        assert!(answer.text() == upper, "{program}");
    }
    let answer = ask(&hob, "offloading-0-3", "spawn-copy?module=preview-1&size=7000", &data);
    assert!(answer.expect(200).text() == data);
}

#[test]
fn progress_is_what_was_reported_last() {
    let hob = serve_within("").start();
    for handler in HANDLERS {
        for module in JOBS {
            let deed = format!("spawn-progress?module={module}&n=3");
            expect(&hob, handler, &deed, "progress 9", "0/9\n1/9\n2/9\n3");
        }
    }
}

#[test]
fn a_job_that_is_cancelled_says_so_and_ends() {
    let hob = serve_within("").start();
    for handler in HANDLERS {
        for module in JOBS {
            for input in ["spin", "sleep 3600000", "messages"] {
                let deed = format!("spawn-cancel?module={module}");
                expect_error(&hob, handler, &deed, input, "cancelled");
            }
            // While it waits for room, after it has given some.
            let deed = format!("spawn-cancel?module={module}&receive=2");
            expect_error(&hob, handler, &deed, "tell 1000 100000", "cancelled");
        }
        expect_error(&hob, handler, "spawn-cancel?module=command&arg=spin", "", "cancelled");
        let flood = "spawn-cancel?module=streaming-job-0-3&receive=1";
        expect_error(&hob, handler, flood, "flood\n", "cancelled");
        hob.wait_for_metrics(|m| {
            m.beginning("hob_offload_jobs_running").all(|(_, running)| running == 0.0)
        });
    }
}

/// The handlers in instances of their own, which go when the request is over, and one module.
fn serve_fresh() -> Hob {
    let job = module("job-0-3");
    let handler = |name| guest(name).isolation("fresh").offloads_to(std::slice::from_ref(&job));
    Serve::new(HANDLERS.map(handler).into_iter().chain([job.clone()])).start()
}

#[track_caller]
fn wait_for_running(hob: &Hob, count: f64) {
    hob.wait_for_metrics(|m| {
        m.of_module("job-0-3", "hob_offload_jobs_waiting") == 0.0
            && m.of_module("job-0-3", "hob_offload_jobs_running") == count
    });
}

#[test]
fn a_job_that_is_dropped_is_stopped() {
    let hob = serve_fresh();
    for handler in HANDLERS {
        for deed in ["spawn-drop", "drop-soon", "leave"] {
            for input in ["spin", "sleep 3600000", "messages"] {
                let deed = format!("{deed}?module=job-0-3");
                assert_eq!(ask(&hob, handler, &deed, input).status, 200, "{deed} {input}");
                wait_for_running(&hob, 0.0);
            }
        }
    }
    assert_eq!(ask(&hob, HANDLERS[0], "run-dropped?module=job-0-3&ms=20", "spin").status, 200);
    wait_for_running(&hob, 0.0);
}

#[test]
fn a_job_whose_request_is_left_is_stopped() {
    let hob = serve_fresh();
    for handler in HANDLERS {
        let mut leaving = hob.client();
        leaving.send(post(&format!("/{handler}/run?module=job-0-3"), "spin"));
        wait_for_running(&hob, 1.0);
        drop(leaving);
        wait_for_running(&hob, 0.0);
    }
}

#[test]
fn a_job_that_is_over_takes_and_gives_no_more() {
    let hob = serve_within("").start();
    for handler in HANDLERS {
        for module in JOBS {
            let over = format!("spawn-over?module={module}");
            let answer = ask(&hob, handler, &over, "upper\nx").expect(200);
            let lines: Vec<_> = answer.text().lines().map(str::to_owned).collect();
            assert_eq!(lines, ["send: ended", "receive: none", "finish: X"], "{module}");
            let closed = format!("spawn-closed?module={module}");
            expect_error(&hob, handler, &closed, "messages", "ended");
            let twice = format!("spawn-twice?module={module}");
            expect(&hob, handler, &twice, "upper\nx", "X\nended");
        }
    }
}

#[test]
fn a_job_that_is_run_for_its_output_alone_has_no_one_to_talk_to() {
    let hob = serve_within("").start();
    for handler in HANDLERS {
        for module in JOBS {
            let run = format!("run?module={module}");
            // Nothing comes, and so it is over at once.
            expect(&hob, handler, &run, "messages", "0");
            let words = error(&hob, handler, &run, "tell 1 10");
            assert!(words.starts_with("rejected: "), "{words}");
        }
    }
}
