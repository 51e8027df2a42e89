//! `hob:host/offload` to its end: every form of module for handlers of both generations, and every way
//! in which a job can fail.

use crate::harness::{Guest, Hob, Response, Scratch, Serve, TESTS, guest, module, post};

pub(crate) const HANDLERS: [&str; 2] = ["offloading-0-3", "offloading-0-2"];
pub(crate) const JOBS: [&str; 3] = ["job-0-3", "job-0-2", "reuse"];
const STREAMING_JOBS: [&str; 2] = ["streaming-job-0-3", "streaming-job-0-2"];
const PROGRAMS: [&str; 3] = ["command", "command-0-3", "preview-1"];

/// The modules, with these limits each.
pub(crate) fn modules(limits: &str) -> Vec<Guest> {
    let mut modules: Vec<_> = ["job-0-3", "job-0-2", "command", "command-0-3"]
        .into_iter()
        .chain(STREAMING_JOBS)
        .map(module)
        .collect();
    modules.push(module("job-0-3").named("reuse").isolation("reuse"));
    let preview_1 = format!("{TESTS}/guests/preview-1.wat");
    let bytes = wat::parse_file(preview_1).expect("a module in text form");
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("preview_1.wasm");
    if std::fs::read(&file).ok().as_deref() != Some(&bytes[..]) {
        std::fs::write(&file, bytes).expect("a file in the target folder");
    }
    modules.push(module("command").named("preview-1").file(&file));
    modules.into_iter().map(|module| module.limits(limits)).collect()
}

/// A server with all handlers and modules.
pub(crate) fn serve_within(limits: &str) -> Serve {
    let modules = modules(limits);
    let handlers = HANDLERS.map(|name| guest(name).offloads_to(&modules));
    Serve::new(handlers.into_iter().chain(modules))
}

pub(crate) fn ask(hob: &Hob, handler: &str, deed: &str, input: impl AsRef<[u8]>) -> Response {
    hob.exchange(post(&format!("/{handler}/{deed}"), input))
}

#[track_caller]
pub(crate) fn expect(hob: &Hob, handler: &str, deed: &str, input: &str, wanted: &str) {
    let answer = ask(hob, handler, deed, input);
    assert_eq!((answer.status, answer.text()), (200, wanted), "{handler} {deed} {input}");
}

/// The words for the error, of which the first is its name.
#[track_caller]
pub(crate) fn error(hob: &Hob, handler: &str, deed: &str, input: &str) -> String {
    let answer = ask(hob, handler, deed, input);
    assert_eq!(answer.status, 422, "{handler} {deed} {input}: {}", answer.text());
    answer.text().to_owned()
}

#[track_caller]
pub(crate) fn expect_error(hob: &Hob, handler: &str, deed: &str, input: &str, name: &str) {
    let words = error(hob, handler, deed, input);
    assert_eq!(words.split(':').next(), Some(name), "{handler} {deed} {input}: {words}");
}

#[test]
fn every_module_runs_for_every_handler() {
    let hob = serve_within("").start();
    for handler in HANDLERS {
        for module in JOBS.into_iter().chain(STREAMING_JOBS) {
            expect(&hob, handler, &format!("run?module={module}"), "upper\nhello", "HELLO");
        }
        expect(&hob, handler, "run?module=command&arg=upper", "hello", "HELLO");
        expect(&hob, handler, "run?module=command-0-3&arg=upper", "hello", "HELLO");
        expect(&hob, handler, "run?module=preview-1", "hello", "hello");
    }
}

#[test]
fn an_empty_input_and_an_empty_output_are_what_they_are() {
    let hob = serve_within("").start();
    for handler in HANDLERS {
        for module in JOBS {
            expect(&hob, handler, &format!("run?module={module}"), "empty", "");
            expect(&hob, handler, &format!("run?module={module}"), "length\n", "0");
        }
        for program in PROGRAMS {
            let upper = if program == "preview-1" { "" } else { "&arg=upper" };
            expect(&hob, handler, &format!("run?module={program}{upper}"), "", "");
        }
    }
}

#[test]
fn a_megabyte_goes_in_and_comes_out_whole() {
    let hob = serve_within("").start();
    let data: Vec<u8> = (0..1 << 20).map(|index| (index % 251) as u8).collect();
    let of_job = [b"echo\n".as_slice(), &data].concat();
    let of_stream = [b"copy\n".as_slice(), &data].concat();
    let same = |answer: Response, what: &str| {
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        assert!(answer.body == data, "{what}: other bytes came out");
    };
    for handler in HANDLERS {
        for module in JOBS {
            same(ask(&hob, handler, &format!("run?module={module}"), &of_job), module);
        }
        for module in STREAMING_JOBS {
            same(ask(&hob, handler, &format!("run?module={module}"), &of_stream), module);
            let deed = format!("spawn-stream?module={module}");
            same(ask(&hob, handler, &deed, &of_stream), &deed);
        }
        same(ask(&hob, handler, "run?module=command&arg=copy", &data), "command");
        same(
            ask(&hob, handler, "spawn-stream?module=command&arg=copy", &data),
            "command, streamed",
        );
        same(ask(&hob, handler, "run?module=preview-1", &data), "preview-1");
    }
}

#[test]
fn an_input_longer_than_a_message_comes_in_pieces_that_can_be_one() {
    let hob = serve_within("").start();
    let data = vec![b'x'; 5 << 20];
    let input = [b"copy\n".as_slice(), &data].concat();
    for handler in HANDLERS {
        for module in STREAMING_JOBS {
            for deed in ["run", "spawn-stream"] {
                let answer = ask(&hob, handler, &format!("{deed}?module={module}"), &input);
                assert!(answer.expect(200).body == data, "{handler} {deed} {module}");
            }
        }
    }
}

#[test]
fn a_program_has_its_arguments_and_nothing_of_the_host() {
    let hob = serve_within("").start();
    for handler in HANDLERS {
        for program in ["command", "command-0-3"] {
            let deed = format!("run?module={program}&arg=args&arg=two%20words&arg=%C3%A4");
            let answer = ask(&hob, handler, &deed, "").expect(200);
            assert_eq!(answer.text().trim_end(), "args\ntwo words\n\u{e4}", "{program}");
        }
        expect(&hob, handler, "run?module=command&arg=env", "", "");
        let words = error(&hob, handler, "run?module=command&arg=read&arg=/etc/passwd", "");
        assert!(words.starts_with("exited: 1 "), "{words}");
    }
}

#[test]
fn an_exit_code_comes_with_the_end_of_the_standard_error() {
    let hob = serve_within("").start();
    for handler in HANDLERS {
        let words = error(&hob, handler, "run?module=command&arg=exit&arg=1&arg=no&arg=way", "");
        assert_eq!(words, "exited: 1 no way");
        let words = error(&hob, handler, "run?module=command-0-3&arg=exit&arg=no&arg=way", "");
        assert_eq!(words, "exited: 1 no way");
        let words = error(&hob, handler, "run?module=preview-1&arg=1", "");
        assert_eq!(words, "exited: 1 as asked");
        expect(&hob, handler, "run?module=preview-1&arg=0", "all is well", "all is well");
        let words = error(&hob, handler, "run?module=command&arg=complain&arg=100000", "");
        let message = words.strip_prefix("exited: 1 ").unwrap_or_else(|| panic!("{words}"));
        assert_eq!(message.len(), 4096, "{message}");
        assert!(message.ends_with("xend"), "{message}");
    }
}

#[test]
fn a_program_that_ends_well_at_once_has_its_output() {
    let hob = serve_within("").start();
    for handler in HANDLERS {
        expect(&hob, handler, "run?module=command&arg=exit-at-once&arg=0", "", "");
    }
}

#[test]
fn each_way_to_fail_has_a_name() {
    let hob = serve_within("memory_mib = 32, cpu_ms = 200, output_mib = 1, input_mib = 1").start();
    let long = "x".repeat((1 << 20) + 1);
    for handler in HANDLERS {
        for module in JOBS {
            let run = format!("run?module={module}");
            expect_error(&hob, handler, &run, "trap", "trapped");
            expect_error(&hob, handler, &run, "recurse", "trapped");
            expect_error(&hob, handler, &run, "spin", "cpu-limit");
            expect_error(&hob, handler, &run, "grow", "memory-limit");
            expect_error(&hob, handler, &run, "output 1048577", "output-limit");
            expect_error(&hob, handler, &run, &long, "too-large");
            assert_eq!(
                error(&hob, handler, &run, "reject it is no picture"),
                "rejected: it is no picture"
            );
            expect_error(&hob, handler, &format!("{run}&arg=one"), "empty", "invalid");
            expect_error(&hob, handler, &format!("{run}&wall=50"), "sleep 3600000", "timed-out");
            expect(&hob, handler, &run, "upper\nstill there", "STILL THERE");
        }
        let run = "run?module=command";
        for (arguments, name) in [
            ("trap", "trapped"),
            ("panic", "trapped"),
            ("spin", "cpu-limit"),
            ("grow", "memory-limit"),
            ("endless", "output-limit"),
            ("sleep&arg=3600000&wall=50", "timed-out"),
        ] {
            expect_error(&hob, handler, &format!("{run}&arg={arguments}"), "", name);
        }
        expect_error(&hob, handler, run, &long, "too-large");
        for module in STREAMING_JOBS {
            let run = format!("run?module={module}");
            expect_error(&hob, handler, &run, "flood", "output-limit");
            expect_error(&hob, handler, &run, "trap 1\ndata", "trapped");
            assert_eq!(error(&hob, handler, &run, "reject 0 no"), "rejected: no");
            let flood = format!("spawn?module={module}");
            expect_error(&hob, handler, &flood, "flood", "output-limit");
        }
        expect_error(&hob, handler, "run?module=nothing", "", "unknown-module");
        expect_error(&hob, handler, "spawn?module=nothing", "", "unknown-module");
        hob.expect_hello(handler);
    }
}

#[test]
fn the_largest_input_and_output_are_taken_and_a_byte_more_is_refused() {
    let hob = serve_within("").start();
    let most = 16 << 20;
    for handler in HANDLERS {
        let run = "run?module=job-0-3";
        let largest = format!("length\n{}", "x".repeat(most - 7));
        expect(&hob, handler, run, &largest, &(most - 7).to_string());
        expect_error(&hob, handler, run, &format!("{largest}x"), "too-large");
        let output = ask(&hob, handler, run, format!("output {most}")).expect(200);
        assert_eq!(output.body.len(), most);
        expect_error(&hob, handler, run, &format!("output {}", most + 1), "output-limit");
    }
}

#[test]
fn an_error_becomes_an_answer_that_fits() {
    let hob = serve_within("cpu_ms = 100, input_mib = 1").start();
    let run = |input: &str| ask(&hob, "offloading-0-3", "run-plain?module=job-0-3", input).status;
    assert_eq!(run(&"x".repeat((1 << 20) + 1)), 413);
    assert_eq!(run("trap"), 500);
    assert_eq!(run("upper\nwell"), 200);
    let deed = "run-plain?module=job-0-3&wall=20";
    assert_eq!(ask(&hob, "offloading-0-3", deed, "sleep 3600000").status, 504);
}

#[test]
fn a_job_that_fails_leaves_the_callers_other_work_alone() {
    let hob = serve_within("cpu_ms = 300").start();
    let mut waiting = hob.client();
    waiting.send(post("/offloading-0-3/run?module=job-0-3", "sleep 1500"));
    for input in ["trap", "grow", "spin"] {
        assert_eq!(ask(&hob, "offloading-0-3", "run?module=job-0-3", input).status, 422);
    }
    // The instance of the handler is shared by all of these.
    assert_eq!(waiting.response().expect(200).text(), "slept 1500 ms");
}

#[test]
fn an_instance_is_used_again_only_where_that_is_said() {
    let hob = serve_within("").start();
    for handler in HANDLERS {
        for _ in 0..3 {
            expect(&hob, handler, "run?module=job-0-3", "count", "1");
            expect(&hob, handler, "run?module=job-0-2", "count", "1");
        }
    }
    // One after another, so that each finds the instance of the one before.
    let mut counts = Vec::new();
    for _ in 0..3 {
        counts.push(
            ask(&hob, "offloading-0-3", "run?module=reuse", "count").expect(200).text().to_owned(),
        );
    }
    assert_eq!(counts, ["1", "2", "3"]);
    // One that has trapped is not kept.
    expect_error(&hob, "offloading-0-3", "run?module=reuse", "trap", "trapped");
    expect(&hob, "offloading-0-3", "run?module=reuse", "count", "1");
    // Nor one that has kept nearly all the memory it may have.
    expect(&hob, "offloading-0-3", "run?module=reuse", "hold 200", "200");
    expect(&hob, "offloading-0-3", "run?module=reuse", "count", "1");
}

#[test]
fn pieces_are_done_at_once_and_joined_in_their_order() {
    let hob = serve_within("").server("offload_threads = 2").start();
    let input = (1..=20).map(|n| format!("hash {n}")).collect::<Vec<_>>().join("\n");
    let one = |n: u32| {
        ask(&hob, HANDLERS[0], "run?module=job-0-3", format!("hash {n}")).text().to_owned()
    };
    let wanted = (1..=20).map(one).collect::<Vec<_>>().join("\n");
    for handler in HANDLERS {
        let answer = ask(&hob, handler, "all?module=job-0-3", &input).expect(200);
        assert_eq!(answer.text(), wanted, "{handler}");
        // The first that fails is told.
        let failing = format!("{input}\nreject the last");
        assert_eq!(error(&hob, handler, "all?module=job-0-3", &failing), "rejected: the last");
    }
}

#[test]
fn a_module_has_what_it_is_granted_and_told_and_nothing_else() {
    let job = module("job-0-3");
    let granted = job
        .clone()
        .named("granted")
        .set("grants.files = \"read\"")
        .set("environment = { COLOUR = \"blue\" }")
        .set("config = { size = \"large\" }");
    let all = [job, granted];
    let handler = guest("offloading-0-3").offloads_to(&all);
    let data = Scratch::new();
    let server = Serve::new([handler].into_iter().chain(all));
    let hob = server.server(&format!("data = {:?}", data.path())).start();
    let run = |module: &str, input: &str| {
        ask(&hob, "offloading-0-3", &format!("run?module={module}"), input).text().to_owned()
    };
    assert_eq!(run("granted", "env"), "COLOUR=blue\n");
    assert_eq!(run("granted", "config size"), "large");
    assert_eq!(run("job-0-3", "env"), "");
    assert_eq!(run("job-0-3", "config size"), "none");
    std::fs::write(data.join("default/files/note.txt"), "of the tenant").expect("a file");
    assert_eq!(run("granted", "read /note.txt"), "of the tenant");
    assert!(run("job-0-3", "read /note.txt").starts_with("rejected: "));
}

#[test]
fn a_handler_reaches_only_the_modules_it_is_granted() {
    let (one, other) = (module("job-0-3").named("one"), module("job-0-3").named("other"));
    let first = guest("offloading-0-3").offloads_to(std::slice::from_ref(&one));
    let foreign = module("job-0-3").named("foreign").tenant("b");
    let of_b = guest("offloading-0-2").tenant("b").offloads_to(std::slice::from_ref(&foreign));
    let hob = Serve::new([first, of_b, one, other, foreign]).start();
    expect(&hob, "offloading-0-3", "run?module=one", "upper\nx", "X");
    expect_error(&hob, "offloading-0-3", "run?module=other", "upper\nx", "unknown-module");
    expect_error(&hob, "offloading-0-3", "run?module=foreign", "upper\nx", "unknown-module");
    expect(&hob, "offloading-0-2", "run?module=foreign", "upper\nx", "X");
    expect_error(&hob, "offloading-0-2", "run?module=one", "upper\nx", "unknown-module");
}
