//! Whose turn it is on the offload threads, how many may wait, and what is left of jobs that were
//! ended.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Client, Guest, Hob, Serve, guest, module, post};
use crate::offload::{HANDLERS, ask, expect, expect_error, serve_within};

/// Two tenants with one thread between them.
fn serve_two_tenants() -> Hob {
    let of = |tenant: &str, name: &str| -> [Guest; 2] {
        let job = module("job-0-3").named(&format!("job-{tenant}")).tenant(tenant);
        let handler = guest("offloading-0-3").named(name).tenant(tenant);
        [handler.offloads_to(std::slice::from_ref(&job)), job]
    };
    Serve::new(of("a", "one").into_iter().chain(of("b", "two")))
        .server("offload_threads = 1")
        .start()
}

fn begin(hob: &Hob, target: &str, input: &str) -> Client {
    let mut client = hob.client();
    client.send(post(target, input));
    client
}

fn running(hob: &Hob, tenant: &str, module: &str) -> f64 {
    let labels = format!("tenant=\"{tenant}\",module=\"{module}\"");
    hob.metrics().get(&format!("hob_offload_jobs_running{{{labels}}}"))
}

#[test]
fn a_long_job_locks_out_neither_another_tenants_nor_its_own() {
    let hob = serve_two_tenants();
    let _spinning: Vec<_> = (0..10).map(|_| begin(&hob, "/one/run?module=job-a", "spin")).collect();
    hob.wait_for_metrics(|_| running(&hob, "a", "job-a") == 3.0);
    // One thread, on which three jobs compute without end.
    expect(&hob, "two", "run?module=job-b", "upper\nshort", "SHORT");
    expect(&hob, "one", "run?module=job-a", "upper\nshort", "SHORT");
    hob.expect_hello("one");
}

#[test]
fn a_job_that_waits_holds_no_thread() {
    let hob = serve_two_tenants();
    let _waiting: Vec<_> =
        (0..20).map(|_| begin(&hob, "/one/run?module=job-a", "sleep 3600000")).collect();
    hob.wait_for_metrics(|_| running(&hob, "a", "job-a") == 20.0);
    expect(&hob, "one", "run?module=job-a", "upper\nshort", "SHORT");
}

#[test]
fn a_tenant_begins_so_many_and_so_many_wait_and_the_rest_is_refused() {
    for handler in HANDLERS {
        let job = module("job-0-3");
        // Of its own instance, which goes when its client does.
        let handlers = guest(handler).isolation("fresh");
        let handlers = handlers.offloads_to(std::slice::from_ref(&job));
        let of_other = module("job-0-3").named("other").tenant("b");
        let other = guest("offloading-0-3").named("two").tenant("b");
        let other = other.offloads_to(std::slice::from_ref(&of_other));
        let hob = Serve::new([handlers, other, job, of_other]).start();
        // Each waits for messages, of which none comes.
        let mut holding = hob.client();
        holding.send(post(&format!("/{handler}/spawn-hold?module=job-0-3&n=128"), "messages"));
        hob.wait_for_metrics(|m| m.of_module("job-0-3", "hob_offload_jobs_running") == 128.0);
        let answer = ask(&hob, handler, "many?module=job-0-3&n=300", "messages").expect(200);
        assert_eq!(answer.text(), "256 begun, then busy");
        expect_error(&hob, handler, "run?module=job-0-3&wait=50", "empty", "expired");
        // The other tenant has its own.
        expect(&hob, "two", "run?module=other", "upper\nmine", "MINE");
        drop(holding);
        expect(&hob, handler, "run?module=job-0-3", "upper\nroom", "ROOM");
    }
}

#[test]
fn a_job_that_may_not_wait_at_all_runs_where_a_thread_is_free() {
    let hob = serve_within("").start();
    for handler in HANDLERS {
        expect(&hob, handler, "run?module=job-0-3&wait=0", "upper\nfree", "FREE");
    }
}

#[test]
fn a_job_waits_no_longer_than_hob_toml_says() {
    let (job, hasty) = (module("job-0-3"), module("job-0-3").named("hasty"));
    let modules = [job, hasty.limits("wait_ms = 50")];
    let handler = guest("offloading-0-3").offloads_to(&modules);
    let hob = Serve::new([handler].into_iter().chain(modules)).start();
    let mut holding = hob.client();
    holding.send(post("/offloading-0-3/spawn-hold?module=job-0-3&n=128", "messages"));
    hob.wait_for_metrics(|m| m.of_module("job-0-3", "hob_offload_jobs_running") == 128.0);
    let deed = "run?module=hasty&wait=3600000";
    expect_error(&hob, "offloading-0-3", deed, "empty", "expired");
    // Also one that no one waits for yet.
    expect_error(&hob, "offloading-0-3", "spawn?module=hasty", "empty", "expired");
    hob.wait_for_metrics(|m| m.of_module("hasty", "hob_offload_jobs_waiting") == 0.0);
}

#[test]
fn ended_jobs_leave_neither_memory_nor_threads_behind() {
    let hob = serve_within("memory_mib = 32, cpu_ms = 50").start();
    let threads = || fs::read_dir(format!("/proc/{}/task", hob.pid())).expect("tasks").count();
    let ways = ["trap", "grow", "spin", "reject no", "output 1000000"];
    let round = || {
        for way in ways {
            for handler in HANDLERS {
                ask(&hob, handler, "run?module=job-0-3", way);
                ask(&hob, handler, "spawn-cancel?module=job-0-3", way);
                ask(&hob, handler, "drop-soon?module=job-0-3", way);
            }
        }
        ask(&hob, HANDLERS[0], "run?module=command&arg=exit&arg=1", "");
        hob.wait_for_metrics(|m| {
            m.beginning("hob_offload_jobs")
                .all(|(series, count)| series.starts_with("hob_offload_jobs_total") || count == 0.0)
        });
    };
    round();
    let (threads_before, memory_before) = (threads(), hob.resident_bytes());
    (0..10).for_each(|_| round());
    // More jobs than the pool has instances: each has given its own back.
    let mut client = hob.client();
    for _ in 0..1100 {
        let request = post(&format!("/{}/run?module=job-0-3", HANDLERS[0]), "trap");
        assert_eq!(client.exchange(request).status, 422);
    }
    let made = hob.metrics().of_module("job-0-3", "hob_offload_instances_made_total");
    assert!(made > 1000.0, "only {made} instances were made");
    assert_eq!(threads(), threads_before);
    let grown = hob.resident_bytes().saturating_sub(memory_before);
    assert!(grown < 32 << 20, "{grown} bytes more are resident");
}

#[test]
fn the_metrics_say_what_each_module_has_done() {
    let hob = serve_within("cpu_ms = 100").start();
    expect(&hob, HANDLERS[0], "run?module=job-0-3", "upper\nx", "X");
    expect(&hob, HANDLERS[0], "run?module=reuse", "upper\nx", "X");
    expect(&hob, HANDLERS[0], "run?module=reuse", "upper\nx", "X");
    expect_error(&hob, HANDLERS[0], "run?module=job-0-3", "spin", "cpu-limit");
    expect_error(&hob, HANDLERS[0], "run?module=job-0-3&arg=x", "", "invalid");
    // The last of it is counted after the handler was told.
    hob.wait_for_metrics(|m| m.of_module("job-0-3", "hob_offload_jobs_running") == 0.0);
    let metrics = hob.metrics();
    let of = |module: &str, outcome: &str| {
        let labels = format!("tenant=\"default\",module=\"{module}\",outcome=\"{outcome}\"");
        metrics.get(&format!("hob_offload_jobs_total{{{labels}}}"))
    };
    assert_eq!(of("job-0-3", "ok"), 1.0);
    assert_eq!(of("job-0-3", "cpu-limit"), 1.0);
    assert_eq!(of("job-0-3", "invalid"), 1.0);
    assert_eq!(of("reuse", "ok"), 2.0);
    assert_eq!(metrics.of_module("reuse", "hob_offload_instances_reused_total"), 1.0);
    assert_eq!(metrics.of_module("job-0-3", "hob_offload_queue_seconds_count"), 2.0);
    assert_eq!(metrics.of_module("job-0-3", "hob_offload_run_seconds_count"), 2.0);
    let cpu = metrics.of_module("job-0-3", "hob_offload_cpu_seconds_total");
    assert!((0.1..30.0).contains(&cpu), "{cpu}");
}

#[test]
fn the_timeline_says_on_which_thread_a_job_ran() {
    let hob = serve_within("").server("offload_threads = 1").start();
    expect(&hob, HANDLERS[0], "run?module=job-0-3", "hash 20000000", &{
        ask(&hob, HANDLERS[1], "run?module=job-0-3", "hash 20000000").text().to_owned()
    });
    hob.wait_for_access("/offloading-0-3/run");
    let timeline = hob.ask_admin("/debug/timeline").expect(200);
    let timeline: Value = serde_json::from_str(timeline.text()).expect("JSON");
    let requests = timeline["requests"].as_array().expect("requests");
    let request = requests.iter().find(|r| r["handler"] == HANDLERS[0]).expect("the request");
    let spans = request["spans"].as_array().expect("spans");
    let offloaded: Vec<_> = spans.iter().filter(|s| s["what"] == "offload-thread").collect();
    assert!(!offloaded.is_empty(), "{request}");
    assert!(offloaded.iter().all(|s| s["module"] == "job-0-3" && s["thread"] == 0), "{request}");
    let waits = |s: &&Value| s["what"] == "suspended" && s["operation"] == "offload.run";
    assert_eq!(spans.iter().filter(waits).count(), 1, "{request}");
    let trace = hob.ask_admin("/debug/timeline?format=trace").expect(200);
    assert!(trace.text().contains("offload thread 0"), "{}", trace.text());
}

#[test]
fn what_a_job_writes_is_in_the_log_with_its_module_and_request() {
    let hob = serve_within("").start();
    let answer = ask(&hob, HANDLERS[0], "run?module=job-0-3", "print a word").expect(200);
    let id = answer.header("x-request-id").map(str::to_owned);
    for (stream, text) in [("stdout", "a word"), ("stderr", "on standard error: a word")] {
        let line =
            hob.wait_for_line(|line| line["module"] == "job-0-3" && line["stream"] == stream);
        assert_eq!(line["line"], text);
        if let Some(id) = &id {
            assert_eq!(line["id"], id.as_str());
        }
    }
    expect_error(&hob, HANDLERS[0], "run?module=job-0-3", "trap", "trapped");
    let failed = hob.wait_for_line(|line| line["event"] == "job-failed");
    assert_eq!((&failed["module"], &failed["code"]), (&"job-0-3".into(), &"trapped".into()));
}

#[test]
fn a_server_that_drains_waits_for_the_jobs_of_its_requests() {
    let hob = serve_within("").start();
    let mut waiting = hob.client();
    waiting.send(post("/offloading-0-3/run?module=job-0-3", "sleep 1000"));
    hob.wait_for_metrics(|m| m.of_module("job-0-3", "hob_offload_jobs_running") == 1.0);
    hob.signal(Signal::TERM);
    assert_eq!(waiting.response().expect(200).text(), "slept 1000 ms");
}

#[test]
fn a_server_whose_time_to_drain_is_over_ends_whatever_its_jobs_compute() {
    let mut hob = serve_within("").server("drain_ms = 100").start();
    let _spinning: Vec<_> = HANDLERS
        .iter()
        .map(|handler| begin(&hob, &format!("/{handler}/run?module=job-0-3"), "spin"))
        .collect();
    hob.wait_for_metrics(|m| m.of_module("job-0-3", "hob_offload_jobs_running") == 2.0);
    hob.signal(Signal::TERM);
    assert!(hob.wait().success());
}

/// The niceness of all offload threads, when there are so many. A thread has its name and its niceness
/// by its own doing, a while after it was started.
#[track_caller]
fn niceness_of_threads(hob: &Hob, count: usize) -> Vec<i32> {
    let mut found = Vec::new();
    hob.wait_for_metrics(|_| {
        found = hob.niceness("offload-");
        found.len() == count && found.iter().all(|nice| *nice > 0)
    });
    found
}

#[test]
fn there_are_as_many_threads_as_cores_but_one_and_they_give_way_to_the_loop() {
    let cores = std::thread::available_parallelism().expect("a number").get();
    let hob = serve_within("").start();
    let of_threads = niceness_of_threads(&hob, (cores - 1).max(1));
    let of_loop = hob.niceness("hob");
    assert!(of_threads.iter().all(|nice| *nice > of_loop[0]), "{of_threads:?} {of_loop:?}");
    let hob = serve_within("").server("offload_threads = 3").start();
    niceness_of_threads(&hob, 3);
}

#[test]
fn several_loops_offload_to_the_same_threads() {
    let hob = serve_within("").server("loops = 2").server("offload_threads = 1").start();
    let mut clients: Vec<_> =
        (0..16).map(|_| begin(&hob, "/offloading-0-3/run?module=reuse", "hash 100000")).collect();
    let answers: Vec<_> =
        clients.iter_mut().map(|client| client.response().expect(200).text().to_owned()).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}
