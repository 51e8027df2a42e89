//! The loop's time is shared between tenants by their weights, whatever each of them asks for.

use crate::harness::{Client, Guest, Hob, Metrics, Serve, get, guest, post};

/// Guests that never end by themselves.
fn spinner(name: &str) -> Guest {
    guest("kitchen-0-2").named(name).tenant(name).limits("cpu_ms = 3600000, wall_ms = 3600000")
}

fn spin(hob: &Hob, name: &str, count: usize) -> Vec<Client> {
    let mut clients: Vec<_> = (0..count).map(|_| hob.client()).collect();
    clients.iter_mut().for_each(|client| client.send(get(&format!("/{name}/spin"))));
    hob.wait_for_in_flight(name, count);
    clients
}

/// The loop's time that each of them had while so many slices were given.
fn had(hob: &Hob, names: [&str; 2], slices: f64) -> [f64; 2] {
    let given = |metrics: &Metrics| metrics.get("hob_loop_heavy_slices_total{loop=\"0\"}");
    let times = |metrics: &Metrics| {
        names.map(|name| metrics.of_tenant(name, "hob_tenant_cpu_seconds_total"))
    };
    let before = hob.metrics();
    let mut after = times(&before);
    hob.wait_for_metrics(|metrics| {
        after = times(metrics);
        given(metrics) >= given(&before) + slices
    });
    let before = times(&before);
    [after[0] - before[0], after[1] - before[1]]
}

#[test]
fn tenants_have_the_loop_by_their_weights() {
    let hob =
        Serve::new([spinner("light"), spinner("heavy")]).tenant_with("heavy", "weight = 4").start();
    let _clients = [spin(&hob, "light", 2), spin(&hob, "heavy", 2)];
    let [light, heavy] = had(&hob, ["light", "heavy"], 400.0);
    let ratio = heavy / light;
    assert!((3.0..5.0).contains(&ratio), "{heavy} s and {light} s: {ratio}");
}

#[test]
fn a_tenant_with_many_requests_has_no_more_of_the_loop_than_one_with_few() {
    let hob = Serve::new([spinner("many"), spinner("one")]).start();
    let _clients = [spin(&hob, "many", 30), spin(&hob, "one", 1)];
    let [many, one] = had(&hob, ["many", "one"], 400.0);
    let ratio = many / one;
    assert!((0.7..1.4).contains(&ratio), "{many} s and {one} s: {ratio}");
}

#[test]
fn who_waits_for_little_is_answered_while_others_want_all_of_the_loop() {
    let short = guest("kitchen").named("short").tenant("short");
    let hob = Serve::new([spinner("many"), short]).start();
    let _clients = spin(&hob, "many", 30);
    for _ in 0..200 {
        hob.expect_hello("short");
    }
    let metrics = hob.metrics();
    assert_eq!(metrics.beginning("hob_tenant_refused_total{").count(), 0);
    assert_eq!(metrics.of("many", "hob_requests_in_flight"), 30.0);
}

/// Requests that take less than a slice each, and a neighbour with the same.
#[test]
fn a_flood_of_short_requests_waits_for_its_turn_and_all_of_them_are_answered() {
    let guests = ["flood", "few"].map(|name| guest("kitchen").named(name).tenant(name));
    let hob = Serve::new(guests).start();
    let mut flood: Vec<_> = (0..50).map(|_| hob.client()).collect();
    let mut few = hob.client();
    for _ in 0..20 {
        flood.iter_mut().for_each(|client| client.send(get("/flood/hello")));
        assert_eq!(few.exchange(get("/few/hello")).expect(200).text(), "hello world\n");
        for client in &mut flood {
            assert_eq!(client.response().expect(200).text(), "hello world\n");
        }
    }
}

/// Whether the system lets a thread of this process, and so of one that it starts, go before others: tried, on one
/// that ends then.
fn may_go_first() -> bool {
    let tried = std::thread::spawn(|| rustix::process::setpriority_process(None, -10).is_ok());
    tried.join().expect("the thread ends")
}

#[test]
fn the_thread_that_interrupts_guests_goes_before_the_loop_where_the_system_lets_it() {
    let hob = Serve::new([guest("kitchen-0-2")]).start();
    let wanted = if may_go_first() { -10 } else { hob.niceness("hob")[0] };
    // A thread has its name and its niceness by its own doing, a while after it was started.
    hob.wait_for_metrics(|_| hob.niceness("epoch-ticker") == [wanted]);
}

/// Whether the system lets a thread of this process, and so of one that it starts, return from giving way: tried,
/// on one that ends then.
fn may_return() -> bool {
    let niceness = |niceness| rustix::process::setpriority_process(None, niceness).is_ok();
    let own = rustix::process::getpriority_process(None).expect("a niceness");
    let tried = std::thread::spawn(move || niceness(own + 1) && niceness(own));
    tried.join().expect("the thread ends")
}

#[test]
fn a_host_thread_gives_way_to_the_loop_for_a_long_job_and_returns_where_the_system_lets_it() {
    // On a busy machine what gives way takes long.
    let guest = guest("capabilities").grants("").limits("wall_ms = 600000");
    let hob = Serve::new([guest]).start();
    let of_loop = hob.niceness("hob")[0];
    let (short, long) =
        if may_return() { (of_loop, of_loop + 15) } else { (5.max(of_loop), 5.max(of_loop)) };
    // Seconds of work, for there are more than threads for long jobs.
    let derive = "/capabilities/crypto.derive-key?what=sha256:2000000&length=32";
    let mut clients: Vec<_> = (0..8).map(|_| hob.client()).collect();
    clients.iter_mut().for_each(|client| client.send(post(derive, "73656372\n73616c74")));
    hob.wait_for_metrics(|_| {
        let of_threads = hob.niceness("host-thread");
        of_threads.iter().filter(|nice| **nice == long.min(19)).count() >= 2
    });
    clients.iter_mut().for_each(|client| drop(client.response().expect(200)));
    hob.wait_for_metrics(|_| hob.niceness("host-thread").iter().all(|nice| *nice == short));
}
