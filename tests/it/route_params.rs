//! The parameters of a route reach its handler, through every lane, and nothing else does under their
//! names.

use crate::harness::{Serve, guest};

const LANES: [&str; 5] = ["kitchen", "fast-0-2", "kitchen-standard", "kitchen-0-3", "kitchen-0-2"];

#[test]
fn the_parameters_are_fields_of_the_request_in_every_lane() {
    let mut serve = Serve::new(LANES.map(guest));
    for name in LANES {
        let path = format!("/{name}/{{user_id}}/{{rest...}}");
        serve = serve.route(&format!("path = \"{path}\"\nhandler = \"{name}\""));
    }
    let hob = serve.start();
    for name in LANES {
        let request = format!(
            "GET /{name}/a%20b%2Fc/x/y/fields HTTP/1.1\r\nhost: hob\r\nhob-param-user_id: forged\r\n\
             Hob-Param-Other: forged\r\nhob_param_rest: forged\r\nx-hob-param-a: kept\r\n\r\n"
        );
        let answer = hob.exchange(request).expect(200);
        let fields: Vec<&str> = answer.text().lines().collect();
        for wanted in
            ["hob-param-user_id: a%20b%2Fc", "hob-param-rest: x/y/fields", "x-hob-param-a: kept"]
        {
            assert!(fields.contains(&wanted), "{name}: no {wanted} in {fields:#?}");
        }
        assert!(!answer.text().contains("forged"), "{name}: {fields:#?}");
    }
}

#[test]
fn a_client_cannot_send_a_parameter_where_there_is_none() {
    let hob = Serve::new(LANES.map(guest)).start();
    for name in LANES {
        let request = format!(
            "GET /{name}/fields HTTP/1.1\r\nhost: hob\r\nhob-param-id: forged\r\nx-a: kept\r\n\r\n"
        );
        let answer = hob.exchange(request).expect(200);
        assert!(!answer.text().contains("forged"), "{name}: {}", answer.text());
        assert!(answer.text().contains("x-a: kept"), "{name}: {}", answer.text());
    }
}

#[test]
fn the_sdk_gives_a_parameter_decoded() {
    let hob = Serve::new([guest("kitchen")])
        .route("path = \"/{id}/{rest...}\"\nhandler = \"kitchen\"")
        .start();
    let param = |target: &str| hob.get(target).expect(200).text().to_owned();
    assert_eq!(param("/caf%C3%A9+%2F/param?to=id"), "caf\u{e9}+/");
    assert_eq!(param("/a/b/c/param?to=rest"), "b/c/param");
    assert_eq!(param("/a/param?to=other"), "none");
}
