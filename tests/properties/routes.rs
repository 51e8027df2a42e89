//! The router beside a plain one, which looks at every route and takes the most specific.

use hob::tenants::{Found, Host, Pattern, Routes, host_of};
use http::Method;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// A route as a test has it. Few names, so that routes overlap.
#[derive(Clone, Debug)]
struct Given {
    host: &'static str,
    segments: Vec<&'static str>,
    end: &'static str,
    methods: Vec<Method>,
}

fn methods() -> Vec<Method> {
    vec![Method::GET, Method::HEAD, Method::POST, Method::OPTIONS]
}

fn given() -> impl Strategy<Value = Given> {
    let hosts = select(vec!["", "a.b.c", "b.c", "*.b.c", "*.c"]);
    let segments = vec(select(vec!["x", "y", "", "{p}"]), 0..4);
    let ends = select(vec!["", "{rest...}", "*"]);
    let some = prop_oneof![Just(Vec::new()), subsequence(methods(), 1..3)];
    (hosts, segments, ends, some).prop_map(|(host, segments, end, methods)| Given {
        host,
        segments,
        end,
        methods,
    })
}

impl Given {
    fn pattern(&self) -> Pattern {
        let mut path: String = self.numbered().map(|one| format!("/{one}")).collect();
        if self.end == "{rest...}" {
            path += "/{rest...}";
        }
        let pattern = Pattern::parse(&path).expect("a path");
        let pattern = if self.end == "*" { pattern.and_below().expect("no rest") } else { pattern };
        let host = match self.host {
            "" => Host::Any,
            host => Host::parse(host).expect("a host"),
        };
        pattern.at(host).for_methods(self.methods.clone())
    }

    /// Each parameter with a name of its own.
    fn numbered(&self) -> impl Iterator<Item = String> {
        self.segments.iter().enumerate().map(|(at, one)| one.replace("{p}", &format!("{{p{at}}}")))
    }

    fn fits_host(&self, host: &str) -> bool {
        match self.host.strip_prefix("*.") {
            Some(below) => host.strip_suffix(below).is_some_and(|rest| rest.ends_with('.')),
            None => self.host.is_empty() || self.host == host,
        }
    }

    fn fits_path(&self, path: &str) -> bool {
        let Some(below) = path.strip_prefix('/') else {
            return path.is_empty() && self.segments.is_empty() && self.end != "{rest...}";
        };
        let asked: Vec<&str> = below.split('/').collect();
        let count = self.segments.len();
        let is_long_enough = match self.end {
            "" => asked.len() == count,
            "*" => asked.len() >= count,
            _ => asked.len() > count,
        };
        let fits = |(wanted, asked): (&&str, &&str)| match *wanted {
            "{p}" => !asked.is_empty(),
            literal => literal == *asked,
        };
        is_long_enough && self.segments.iter().zip(&asked).all(fits)
    }

    fn fits_method(&self, method: &Method) -> bool {
        self.methods.is_empty()
            || self.methods.contains(method)
            || (*method == Method::HEAD && self.methods.contains(&Method::GET))
    }

    /// The least is the most specific.
    fn rank(&self, method: &Method) -> (usize, Vec<u8>, u8) {
        let host = match self.host.strip_prefix("*.") {
            None if self.host.is_empty() => 1000,
            None => 0,
            Some(below) => 500 - below.len(),
        };
        let mut path: Vec<u8> =
            self.segments.iter().map(|one| if *one == "{p}" { 2 } else { 1 }).collect();
        // Behind the last segment, what ends comes before what goes on.
        path.push(match self.end {
            "" => 0,
            "*" => 4,
            _ => 3,
        });
        let by_method = match self.methods.contains(method) {
            true => 0,
            false if self.methods.is_empty() => 2,
            false => 1,
        };
        (host, path, by_method)
    }
}

fn path() -> impl Strategy<Value = String> {
    vec(select(vec!["x", "y", "", "z", "%20"]), 0..6)
        .prop_map(|segments| segments.iter().map(|one| format!("/{one}")).collect())
}

#[test]
fn the_router_finds_what_a_plain_one_finds() {
    let host = select(vec!["a.b.c", "b.c", "x.b.c", "y.x.b.c", "c", "d"]);
    let values = (vec(given(), 0..24), host, path(), select(methods()));
    crate::holds(values, |(given, host, path, method)| {
        let mut routes = Routes::default();
        let mut kept: Vec<Option<Given>> = Vec::new();
        for one in given {
            let added = routes.add(&one.pattern());
            if let Err(other) = added {
                let other = kept[other].as_ref().expect("one that is kept");
                let ranks = methods().into_iter().any(|method| {
                    let both = one.fits_method(&method) && other.fits_method(&method);
                    both && one.rank(&method) == other.rank(&method)
                });
                prop_assert!(ranks, "{one:?} is not for the same requests as {other:?}");
            }
            kept.push(added.is_ok().then_some(one));
        }
        let fits = |one: &Given| one.fits_host(host) && one.fits_path(&path);
        let fit: Vec<(usize, &Given)> = kept
            .iter()
            .enumerate()
            .filter_map(|(place, one)| Some((place, one.as_ref().filter(|one| fits(one))?)))
            .collect();
        let best = fit
            .iter()
            .filter(|(_, one)| one.fits_method(&method))
            .min_by_key(|(_, one)| one.rank(&method));
        match routes.find(Some(host), &path, &method) {
            Found::Route(place) => prop_assert_eq!(Some(place), best.map(|(place, _)| *place)),
            Found::OtherMethods(others) => {
                prop_assert!(best.is_none(), "{best:?}");
                for other in &others {
                    prop_assert!(fit.iter().any(|(_, one)| one.methods.contains(other)));
                }
                let all = fit.iter().flat_map(|(_, one)| &one.methods);
                prop_assert!(all.clone().all(|method| others.contains(method)), "{others:?}");
                prop_assert!(!others.is_empty());
            }
            Found::Nothing => prop_assert!(fit.is_empty(), "{fit:?}"),
        }
        Ok(())
    });
}

#[test]
fn the_parameters_put_in_their_places_are_the_path() {
    let fillings = vec(select(vec!["x", "1", "%2F"]), 4);
    crate::holds((given(), fillings, path()), |(given, fillings, more)| {
        let filled = given.segments.iter().zip(fillings);
        let filled = filled.map(|(one, filling)| format!("/{}", one.replace("{p}", filling)));
        let mut path: String = filled.collect();
        path += match given.end {
            "" => "",
            "*" => &more,
            _ if more.is_empty() => "/",
            _ => &more,
        };
        prop_assert!(given.fits_path(&path), "{given:?} {path}");
        let pattern = given.pattern();
        let params = pattern.params(&path);
        let mut rebuilt: String = given.numbered().map(|one| format!("/{one}")).collect();
        for (name, value) in &params {
            rebuilt = rebuilt.replace(&format!("{{{name}}}"), value);
            if *name == "rest" {
                rebuilt += &format!("/{value}");
            }
        }
        rebuilt += if given.end == "*" { pattern.remainder(&path) } else { "" };
        prop_assert_eq!(rebuilt, path);
        Ok(())
    });
}

#[test]
fn nothing_that_is_asked_for_is_a_panic() {
    let values = (vec(".{0,30}", 0..6), ".{0,40}", "[/a-z%{}.*]{0,40}", "[A-Z]{1,8}");
    crate::holds(values, |(paths, host, path, method)| {
        let mut routes = Routes::default();
        for text in paths.iter().chain([&path]) {
            let Ok(pattern) = Pattern::parse(text) else { continue };
            let host = Host::parse(&host).unwrap_or(Host::Any);
            let _ = routes.add(&pattern.clone().at(host));
            let _ = (pattern.params(&path), pattern.remainder(&path), pattern.to_string());
        }
        let method = Method::from_bytes(method.as_bytes()).expect("letters");
        let name = host_of(&host);
        let _ = routes.find(name.as_deref(), &path, &method);
        Ok(())
    });
}
