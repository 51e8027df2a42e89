//! What a tenant finds of another's: nothing. Its files, databases, keys and connections are looked for
//! where those are tested (`files`, `sql`, `kv`, `fetch`), its modules in `modules`, and its configuration
//! and secrets in `config`; here is what remains: memory, environment, errors, output and limits.

use crate::harness::{Guest, Hob, Serve, get, guest};

const GUESTS: [&str; 2] = ["kitchen", "kitchen-0-2"];

/// The same handler of two tenants.
fn two_tenants(name: &str, mode: &str) -> Hob {
    let of = |tenant: &str| -> Guest {
        guest(name)
            .named(tenant)
            .tenant(tenant)
            .isolation(mode)
            .set(&format!("environment = {{ OWN_{tenant} = \"of-{tenant}\" }}"))
    };
    Serve::new([of("one"), of("two")]).start()
}

#[test]
fn memory_is_empty_whoever_had_it_before() {
    // Both have the same code, and so the same slots of the pool.
    for mode in ["fresh", "reuse"] {
        let hob = two_tenants("kitchen-0-2", mode);
        for _ in 0..20 {
            for tenant in ["one", "two"] {
                let found = hob.get(&format!("/{tenant}/marks?pages=200")).expect(200);
                assert_eq!(found.text(), "0\n", "{tenant} {mode}");
            }
        }
    }
}

#[test]
fn what_an_instance_counts_is_its_tenants_own() {
    for name in GUESTS {
        let hob = two_tenants(name, "reuse");
        let count =
            |tenant: &str| hob.get(&format!("/{tenant}/count")).expect(200).text().to_owned();
        assert_eq!(
            (count("one"), count("one"), count("one")),
            ("1\n".into(), "2\n".into(), "3\n".into())
        );
        assert_eq!(count("two"), "1\n", "{name}");
    }
}

#[test]
fn the_environment_is_the_handlers_own() {
    for name in GUESTS {
        let hob = two_tenants(name, "fresh");
        for (own, other) in [("one", "two"), ("two", "one")] {
            let seen = hob.get(&format!("/{own}/env")).expect(200);
            assert!(seen.text().contains(&format!("OWN_{own}=of-{own}")), "{}", seen.text());
            assert!(!seen.text().contains(other), "{}", seen.text());
            // Nor that of the host.
            assert!(!seen.text().contains("PATH"), "{}", seen.text());
        }
    }
}

#[test]
fn an_error_is_told_to_its_own_client_and_in_its_own_line() {
    for name in GUESTS {
        let hob = two_tenants(name, "fresh");
        let mut other = hob.client();
        for deed in ["trap", "panic", "grow"] {
            let failed = hob.get(&format!("/one/{deed}"));
            assert!(failed.status >= 500, "{failed:?}");
            // Nothing of what went wrong, nor of the host, is in it.
            for word in ["wasm", "unreachable", "panicked", "/", "two"] {
                assert!(!failed.text().contains(word), "{}", failed.text());
            }
            let fine = other.exchange(get("/two/hello")).expect(200);
            assert_eq!(fine.text(), "hello world\n");
        }
        hob.get("/one/print?line=secret-of-one").expect(200);
        let line = hob.wait_for_line(|line| line["line"] == "secret-of-one");
        assert_eq!(line["handler"], "one", "{line}");
        let lines = hob.lines();
        let of_two = lines.iter().filter(|line| line["handler"] == "two");
        assert!(of_two.clone().count() > 0);
        for line in of_two {
            assert!(!line.to_string().contains("secret-of-one"), "{line}");
        }
    }
}
