//! What it costs to find a route among many.

use std::hint::black_box;
use std::time::Instant;

use hob::tenants::{Found, Host, Pattern, Routes};
use http::Method;

const ROUTES: usize = 10_000;
const LOOK_UPS: usize = 1_000_000;

/// Prints the nanoseconds of a look-up, as JSON, in three tables of ten thousand routes: hosts with ten
/// routes each; paths of one host with parameters; and paths whose literals lead astray, so that the
/// look-up has to go back at each segment.
pub(crate) fn measure() -> Result<(), Box<dyn std::error::Error>> {
    let hosts = measured(
        |n| (format!("tenant-{}.example.com", n / 10), format!("/api/v1/things-{}/{{id}}", n % 10)),
        |n| (format!("tenant-{}.example.com", n / 10), format!("/api/v1/things-{}/42", n % 10)),
    )?;
    let paths = measured(
        |n| (String::new(), format!("/api/v1/things-{n}/{{id}}/parts/{{part}}")),
        |n| (String::new(), format!("/api/v1/things-{n}/42/parts/7")),
    )?;
    let astray = measured(
        |n| match n {
            0 => (String::new(), "/{a}/{b}/{c}/{d}/end".to_owned()),
            n => (String::new(), format!("/a/b/c/d/{n}")),
        },
        |_| (String::new(), "/a/b/c/d/end".to_owned()),
    )?;
    println!("{{\"hosts_ns\": {hosts:.0}, \"paths_ns\": {paths:.0}, \"astray_ns\": {astray:.0}}}");
    Ok(())
}

/// Nanoseconds of a look-up in the median of ten rounds, among routes of these hosts and paths.
fn measured(
    route: impl Fn(usize) -> (String, String),
    request: impl Fn(usize) -> (String, String),
) -> Result<f64, Box<dyn std::error::Error>> {
    let mut routes = Routes::default();
    for n in 0..ROUTES {
        let (host, path) = route(n);
        let host = if host.is_empty() { Host::Any } else { Host::parse(&host)? };
        let added = routes.add(&Pattern::parse(&path)?.at(host));
        added.map_err(|other| format!("{path} is for the same requests as route {other}"))?;
    }
    // In an order in which no cache has the next one, as requests come.
    let requests: Vec<_> = (0..ROUTES).map(|n| request((n * 7919) % ROUTES)).collect();
    let mut rounds: Vec<f64> = Vec::new();
    for _ in 0..10 {
        let begun = Instant::now();
        for (host, path) in requests.iter().cycle().take(LOOK_UPS / 10) {
            let host = Some(host.as_str()).filter(|host| !host.is_empty());
            let found = routes.find(black_box(host), black_box(path), &Method::GET);
            if !matches!(black_box(found), Found::Route(_)) {
                return Err(format!("no route for {path}").into());
            }
        }
        rounds.push(begun.elapsed().as_nanos() as f64 / (LOOK_UPS / 10) as f64);
    }
    rounds.sort_by(f64::total_cmp);
    Ok(rounds[rounds.len() / 2])
}
