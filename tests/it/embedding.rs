//! Hob as a library: a host in the test's own process, whose plug-ins answer requests. Those that have a
//! world of a product's own are tested with the product, in `embedding/shop`.

use std::future::Future;
use std::time::Duration;

use hob::bytes::Bytes;
use hob::http::{Request, Response};
use hob::wasmtime::component::Linker;
use hob::{
    Access, CallError, Extension, Failure, Grants, GuestLimits, GuestState, Host, HostBuilder,
    Isolation, Limit, LoadError, NewGuest, Plugin, PluginPlan, RunningHost, TenantLimits,
};

use crate::harness::{Scratch, compile_cache, component};

/// One for each lane.
const GUESTS: [&str; 4] = ["kitchen", "kitchen-standard", "kitchen-0-2", "fast-0-2"];

fn builder() -> HostBuilder {
    component("kitchen");
    Host::builder().cache(compile_cache())
}

fn start() -> RunningHost {
    builder().start().expect("a host")
}

fn plan(guest: &str) -> PluginPlan {
    PluginPlan::file(guest, component(guest))
}

/// Runs a future as a program with a tokio runtime would: on threads of that.
fn wait<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async { tokio::spawn(future).await.expect("no panic") })
}

async fn get(plugin: &Plugin, target: &str) -> Result<Response<Bytes>, CallError> {
    plugin.request(Request::get(target).body(Bytes::new()).expect("a request")).await
}

async fn text(plugin: &Plugin, target: &str) -> String {
    let answer = get(plugin, target).await.expect("an answer");
    String::from_utf8_lossy(answer.body()).into_owned()
}

#[test]
fn a_program_has_its_requests_answered_through_every_lane() {
    let host = start();
    let handle = host.handle();
    wait(async move {
        for guest in GUESTS {
            let plugin = handle.load(plan(guest)).await.expect(guest);
            assert_eq!(text(&plugin, "/hello").await, "hello world\n", "{guest}");
            // Longer than what is handed over whole.
            let sent = Bytes::from(vec![b'x'; 300_000]);
            let request = Request::post("/echo").body(sent.clone()).expect("a request");
            let answer = plugin.request(request).await.expect("an answer");
            assert!(*answer.body() == sent, "{guest} gave {} bytes", answer.body().len());
            let request = Request::head("/hello").body(Bytes::new()).expect("a request");
            let answer = plugin.request(request).await.expect("an answer");
            assert_eq!((answer.status().as_u16(), answer.body().len()), (200, 0), "{guest}");
        }
    });
    host.stop().expect("no fault");
}

/// Of these limits only the one that is reached is small: on a machine with much else to do any other would
/// be reached first.
#[test]
fn a_call_that_goes_wrong_says_how() {
    let host = start();
    let handle = host.handle();
    let ample = || GuestLimits {
        memory_bytes: 64 << 20,
        cpu: Duration::from_secs(20),
        wall: Duration::from_secs(60),
    };
    wait(async move {
        for guest in ["kitchen", "kitchen-0-2"] {
            for isolation in [Isolation::Fresh, Isolation::Reuse] {
                let load = |name: &str, limits| {
                    let plan = PluginPlan::file(name, component(guest));
                    handle.load(plan.isolation(isolation).limits(limits))
                };
                let cpu = GuestLimits { cpu: Duration::from_millis(20), ..ample() };
                let memory = GuestLimits { memory_bytes: 16 << 20, ..ample() };
                let wall = GuestLimits { wall: Duration::from_millis(200), ..ample() };
                let short_of_cpu = load("short-of-cpu", cpu).await.expect(guest);
                let short_of_memory = load("short-of-memory", memory).await.expect(guest);
                let short_of_time = load("short-of-time", wall).await.expect(guest);

                let failed = async |plugin, target| match get(plugin, target).await {
                    Err(CallError::Failed(failure)) => failure,
                    other => panic!("{guest} {target}: {other:?}"),
                };
                let trapped = failed(&short_of_memory, "/trap").await;
                assert!(matches!(trapped, Failure::Trap(_)), "{guest}: {trapped:?}");
                let spun = failed(&short_of_cpu, "/spin").await;
                assert!(matches!(spun, Failure::CpuLimit), "{guest}: {spun:?}");
                let grew = failed(&short_of_memory, "/grow").await;
                assert!(matches!(grew, Failure::MemoryLimit), "{guest}: {grew:?}");
                let slept = failed(&short_of_time, "/sleep?ms=3600000").await;
                assert!(matches!(slept, Failure::WallLimit), "{guest}: {slept:?}");
                assert_eq!(text(&short_of_memory, "/hello").await, "hello world\n");
            }
        }
    });
}

#[test]
fn a_call_under_way_finishes_in_the_version_it_began_in() {
    let host = start();
    let handle = host.handle();
    wait(async move {
        for isolation in [Isolation::Fresh, Isolation::Reuse, Isolation::Shared] {
            let version = |number: &str| plan("kitchen").isolation(isolation).variable("V", number);
            let plugin = handle.load(version("1")).await.expect("a plug-in");
            assert_eq!(text(&plugin, "/env").await, "V=1\n");
            // The queue of orders is in order, so it has begun before the other is there.
            let of_first = plugin.clone();
            let slow = tokio::spawn(async move { text(&of_first, "/sleep?ms=300").await });
            tokio::task::yield_now().await;
            handle.load(version("2")).await.expect("a plug-in");
            assert_eq!(text(&plugin, "/env").await, "V=2\n");
            assert!(!slow.await.expect("no panic").is_empty());
        }
    });
}

#[test]
fn tenants_of_a_host_have_their_folders_apart() {
    let scratch = Scratch::new();
    let host = builder().data(scratch.path()).start().expect("a host");
    let handle = host.handle();
    let grants = || Grants { kv: Some(Access::Write), ..Grants::default() };
    let of = move |tenant: &str| plan("keyvalue").tenant(tenant).grants(grants());
    wait(async move {
        let ungranted = handle.load(plan("keyvalue")).await.expect_err("it is not granted");
        assert!(ungranted.to_string().contains("wasi:keyvalue/store"), "{ungranted}");
        let bad = handle.load(of("../one")).await;
        assert!(matches!(bad, Err(LoadError::Name(_))), "{bad:?}");
        let one = handle.load(of("one")).await.expect("a plug-in");
        let other = handle.load(of("other")).await.expect("a plug-in");
        let set = Request::post("/set?key=a").body(Bytes::from("mine")).expect("a request");
        assert!(one.request(set).await.expect("an answer").status().is_success());
        assert_eq!(text(&one, "/get?key=a").await, "mine");
        assert_eq!(text(&other, "/get?key=a").await, "none");
    });
    drop(host);
    let host = builder().start().expect("a host");
    let handle = host.handle();
    let nowhere = wait(async move { handle.load(of("one")).await });
    assert!(matches!(nowhere, Err(LoadError::NoDataFolder)), "{nowhere:?}");
}

#[test]
fn a_tenants_limits_hold_for_its_plug_ins_together() {
    let of_one = TenantLimits { requests_in_flight: 1, queue: 0, ..TenantLimits::default() };
    let few = TenantLimits { requests_per_second: 1, body_bytes: 3, ..TenantLimits::default() };
    let host = builder().tenant("one", 10, of_one).tenant("few", 10, few);
    let host = host.start().expect("a host");
    let handle = host.handle();
    wait(async move {
        let over = |outcome: Result<Response<Bytes>, CallError>| match outcome {
            Err(CallError::OverLimit(over)) => over.limit,
            other => panic!("{other:?}"),
        };
        let one = handle.load(plan("kitchen").tenant("one")).await.expect("a plug-in");
        let other = handle.load(plan("kitchen-0-2").tenant("one")).await.expect("a plug-in");
        let few = handle.load(plan("kitchen").tenant("few")).await.expect("a plug-in");
        let sleeper = one.clone();
        let asleep = tokio::spawn(async move { get(&sleeper, "/sleep?ms=3600000").await });
        tokio::task::yield_now().await;
        assert_eq!(over(get(&other, "/hello").await), Limit::Requests);
        assert_eq!(text(&few, "/hello").await, "hello world\n");
        let refused = loop {
            let outcome = get(&few, "/hello").await;
            if outcome.is_err() {
                break outcome;
            }
        };
        assert_eq!(over(refused), Limit::Rate);
        let long = loop {
            let request = Request::post("/echo").body(Bytes::from("four")).expect("a request");
            match few.request(request).await {
                Err(CallError::OverLimit(_)) => {}
                other => break other,
            }
        };
        assert!(matches!(long, Err(CallError::BodyTooLong)), "{long:?}");
        // Who waits no longer makes room.
        asleep.abort();
        drop(asleep.await);
        let made_room = async || get(&other, "/hello").await.is_ok();
        while !made_room().await {}
    });
}

/// Wants to answer in the place of the host.
struct Greedy;

impl Extension for Greedy {
    type State = ();

    fn link(&self, linker: &mut Linker<GuestState>) -> hob::wasmtime::Result<()> {
        let mut store = linker.instance("wasi:config/store@0.2.0-rc.1")?;
        store.func_wrap("get", |_, (_,): (String,)| Ok(("mine".to_owned(),)))
    }

    fn state(&self, _: NewGuest<'_>) {}
}

#[test]
fn what_a_program_adds_cannot_take_the_place_of_what_the_host_has() {
    let host = builder().extension(Greedy).start().expect("a host");
    let handle = host.handle();
    let refused = wait(async move { handle.load(plan("kitchen")).await });
    let refused = refused.expect_err("an extension that is refused").to_string();
    assert!(refused.contains("extension") && refused.contains("`get`"), "{refused}");
}

#[test]
fn what_a_plug_in_prints_goes_to_the_programs_log() {
    let (lines, sink) = std::io::pipe().expect("a pipe");
    let host = builder().log(sink).start().expect("a host");
    let handle = host.handle();
    wait(async move {
        let plugin = handle.load(plan("kitchen")).await.expect("a plug-in");
        text(&plugin, "/print?line=printed").await;
    });
    host.stop().expect("no fault");
    let log = std::io::read_to_string(lines).expect("text");
    assert!(log.contains(r#""handler":"kitchen""#) && log.contains("printed"), "{log}");
}

#[test]
fn a_host_on_the_programs_own_thread_runs_its_main_task() {
    let host = builder().build().expect("a host");
    let elsewhere = host.handle();
    let (said, answer) = host
        .run(async move |handle| {
            let said = handle.waiting().blocking("test.say", || "hello").await.expect("a thread");
            handle.waiting().sleep(Duration::from_millis(1)).await;
            let plugin = handle.load(plan("kitchen")).await.expect("a plug-in");
            (said, text(&plugin, "/hello").await)
        })
        .expect("no fault");
    assert_eq!((said, answer.as_str()), ("hello", "hello world\n"));
    let gone = wait(async move { elsewhere.load(plan("kitchen")).await });
    assert!(matches!(gone, Err(LoadError::Stopped)), "{gone:?}");
}
