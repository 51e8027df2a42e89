//! What a client sees of a job that fails, without a host.

use hob_sdk::Error;
use hob_sdk::offload::Error as OffloadError;

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
