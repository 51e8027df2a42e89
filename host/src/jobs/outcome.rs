//! Owns what became of a job: from the guest's answer, or from the engine's error, to what its caller
//! is told.

use super::form::Answer;
use crate::capabilities::{
    Assignment, Exit, OffloadError, Outcome, OutputLimitReached, Program, exit_code,
};
use crate::engine::{self, CpuLimitReached};

/// No one wants the job any more.
#[derive(Debug)]
pub(super) struct Unwanted;

impl std::fmt::Display for Unwanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no one wants the job any more")
    }
}

impl std::error::Error for Unwanted {}

/// What came of a call that has returned or trapped. `memory_refused` tells the trap of a guest that
/// was refused memory from that of a bug.
pub(super) fn outcome(
    returned: wasmtime::Result<Answer>,
    assignment: &Assignment,
    memory_refused: bool,
) -> Outcome {
    let program = assignment.program.as_ref();
    let collected = |output: Vec<u8>| {
        let pieces = assignment.caller.take_output();
        if pieces.is_empty() { output } else { pieces }
    };
    match returned {
        Ok(Ok(output)) => Ok(collected(output)),
        Ok(Err(why)) => Err(match program {
            None => OffloadError::Rejected(why),
            Some(program) => exited(1, program),
        }),
        Err(error) => match (exit_code(&error), program) {
            (Some(0), Some(_)) => Ok(collected(Vec::new())),
            (Some(code), Some(program)) => Err(exited(code, program)),
            _ => Err(failure(&error, memory_refused)),
        },
    }
}

fn exited(code: u8, program: &Program) -> OffloadError {
    OffloadError::Exited(Exit { code, message: program.stderr.text() })
}

/// What an error of the engine means.
pub(super) fn failure(error: &wasmtime::Error, memory_refused: bool) -> OffloadError {
    if error.is::<CpuLimitReached>() {
        OffloadError::CpuLimit
    } else if error.is::<OutputLimitReached>() {
        OffloadError::OutputLimit
    } else if error.is::<Unwanted>() {
        OffloadError::Cancelled
    } else if engine::lacks_room(error) {
        OffloadError::Busy
    } else if memory_refused {
        OffloadError::MemoryLimit
    } else {
        OffloadError::Trapped(format!("{error:#}"))
    }
}
