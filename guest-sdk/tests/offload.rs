//! What a client sees of a job that fails, without a host.

use futures_executor::block_on;
use hob_sdk::offload::{self, Error as OffloadError};
use hob_sdk::{Error, caller};

#[test]
fn what_the_client_can_do_something_about_is_an_answer_and_the_rest_is_for_the_log() {
    let status = |error: OffloadError| Error::from(error).status_code();
    assert_eq!(status(OffloadError::TooLarge), Some(413));
    assert_eq!(status(OffloadError::Busy), Some(503));
    assert_eq!(status(OffloadError::Expired), Some(503));
    assert_eq!(status(OffloadError::TimedOut), Some(504));
    let for_the_log = [
        OffloadError::UnknownModule,
        OffloadError::Invalid("a job takes no arguments".to_owned()),
        OffloadError::Rejected("not a picture".to_owned()),
        OffloadError::Exited { code: 2, message: "usage".to_owned() },
        OffloadError::Trapped("unreachable".to_owned()),
        OffloadError::MemoryLimit,
        OffloadError::CpuLimit,
        OffloadError::OutputLimit,
        OffloadError::Cancelled,
        OffloadError::Ended,
        OffloadError::Failed("no instance".to_owned()),
    ];
    for error in for_the_log {
        let text = error.to_string();
        let error = Error::from(error);
        assert_eq!(error.status_code(), None, "{text}");
        assert!(error.downcast_ref::<OffloadError>().is_some(), "{text}");
    }
}

#[test]
fn an_exit_is_told_with_the_end_of_what_the_program_said() {
    let error = OffloadError::Exited { code: 2, message: "no such option\n".to_owned() };
    assert_eq!(error.to_string(), "the program ended with exit code 2: no such option");
}

#[test]
fn what_no_module_can_take_is_refused_before_it_is_handed_over() {
    // Without a host a call that is made would panic.
    let long = vec![0; 16 * 1024 * 1024 + 1];
    assert_eq!(block_on(offload::run("module", long.clone())), Err(OffloadError::TooLarge));
    assert_eq!(offload::spawn("module", &long).err(), Some(OffloadError::TooLarge));
    assert_eq!(block_on(caller::send(long)), Err(caller::Error::TooLarge));
}
