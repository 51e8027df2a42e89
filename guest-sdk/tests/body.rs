//! What a handler sees of a body that is late, long, broken or read twice, without a host.

use futures_executor::block_on;
use hob_sdk::http::Method;
use hob_sdk::{Body, BodyError, Error, Request};

fn broken() -> Body {
    Body::stream(async |mut writer| {
        writer.write("half of ").await?;
        Err(Error::new("the rest is lost"))
    })
}

#[test]
fn a_body_that_broke_off_is_an_error_and_not_a_short_body() {
    assert!(matches!(block_on(broken().bytes()), Err(BodyError::Aborted)));
    let mut body = broken();
    assert!(matches!(block_on(body.chunk()), Err(BodyError::Aborted)));
}

#[test]
fn a_written_body_is_all_that_was_written() {
    let body = Body::stream(async |mut writer| {
        for piece in ["one ", "two ", "three"] {
            writer.write(piece).await?;
        }
        Ok(())
    });
    assert_eq!(block_on(body.text()).unwrap(), "one two three");
}

#[test]
fn the_limit_is_the_longest_body_that_is_collected() {
    let body = || Body::from(vec![b'x'; 100]);
    assert_eq!(block_on(body().with_limit(100).bytes()).unwrap().len(), 100);
    assert!(matches!(block_on(body().with_limit(99).bytes()), Err(BodyError::TooLarge)));
    let long = Body::from(vec![b'x'; Body::LIMIT + 1]);
    assert!(matches!(block_on(long.bytes()), Err(BodyError::TooLarge)));
    let written = Body::stream(async |mut writer| Ok(writer.write(vec![0; 100]).await?));
    assert!(matches!(block_on(written.with_limit(99).bytes()), Err(BodyError::TooLarge)));
}

#[test]
fn the_chunks_of_an_empty_body_are_none() {
    assert!(block_on(Body::empty().chunk()).unwrap().is_none());
    let mut body = Body::stream(async |_| Ok(()));
    assert!(block_on(body.chunk()).unwrap().is_none());
    assert!(block_on(body.chunk()).unwrap().is_none());
}

#[test]
fn a_body_is_read_once() {
    let mut request = Request::new(Method::POST, "/").with_body("once");
    assert_eq!(block_on(request.text()).unwrap(), "once");
    assert!(matches!(block_on(request.text()), Err(BodyError::AlreadyRead)));
}

#[test]
fn faults_of_the_client_are_answers_to_the_client() {
    let status = |error: BodyError| Error::from(error).status_code();
    assert_eq!(status(BodyError::Aborted), Some(400));
    assert_eq!(status(BodyError::Malformed("x".into())), Some(400));
    assert_eq!(status(BodyError::TooLarge), Some(413));
    assert_eq!(status(BodyError::TimedOut), Some(408));
    assert_eq!(status(BodyError::AlreadyRead), None);
    assert_eq!(status(BodyError::Closed), None);
}

#[test]
fn an_error_for_the_log_tells_its_causes() {
    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the id")
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    let error = Error::from(Outer("x".parse::<u32>().unwrap_err()));
    assert_eq!(format!("{error}"), "the id");
    assert_eq!(format!("{error:?}"), "the id: invalid digit found in string");
}
