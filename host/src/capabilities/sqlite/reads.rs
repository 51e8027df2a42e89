//! Owns how the engine reads its files: as SQLite does; or, where a thread must not wait for the disk, only
//! what the kernel has in memory.
//!
//! SQLite calls `pread` through a table that may be changed ([`xSetSystemCall`](https://sqlite.org/c3ref/vfs.html)),
//! and tells it nothing of who asks: so what a thread may do is kept with the thread.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::sync::Once;

use super::rusqlite::ffi;

static INSTALLED: Once = Once::new();

thread_local! {
    /// Reads that the thread may still make without waiting; none: it may wait, and read as it likes.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// To be called before a database is opened.
pub(super) fn install() {
    INSTALLED.call_once(|| {
        // SAFETY: `sqlite3_vfs_find` gives the engine's own VFS, which is never freed, and whose function is
        // called as it is declared. What is put in the place of `pread` is called with its arguments, and has
        // the type that the engine casts the pointer back to (`osPread` in `os_unix.c`). It is done once, before
        // Hob opens its first database, so that no thread of Hob's reads the table meanwhile; another's that
        // does finds the one pointer or the other.
        unsafe {
            let unix = ffi::sqlite3_vfs_find(c"unix".as_ptr());
            if let Some(set) = unix.as_ref().and_then(|vfs| vfs.xSetSystemCall) {
                let ours = std::mem::transmute::<PositionedRead, unsafe extern "C" fn()>(read_at);
                set(unix, c"pread".as_ptr(), Some(ours));
            }
        }
    });
}

/// Reads of files in `act` fail where they would wait for the disk, and when there were so many.
pub(super) fn without_waiting<T>(most: u32, act: impl FnOnce() -> T) -> T {
    let _may_wait_again = MayWaitAgain;
    LEFT.set(Some(most));
    act()
}

struct MayWaitAgain;

impl Drop for MayWaitAgain {
    fn drop(&mut self) {
        LEFT.set(None);
    }
}

type PositionedRead = unsafe extern "C" fn(c_int, *mut c_void, usize, libc::off_t) -> isize;

/// `pread(2)`. A file system that cannot tell what it has in memory says so, and the read fails.
///
/// # Safety
/// As `pread(2)`: there is room for `length` bytes at `buffer`.
unsafe extern "C" fn read_at(
    file: c_int,
    buffer: *mut c_void,
    length: usize,
    offset: libc::off_t,
) -> isize {
    let Some(left) = LEFT.get() else {
        // SAFETY: as the caller says.
        return unsafe { libc::pread(file, buffer, length, offset) };
    };
    let Some(left) = left.checked_sub(1) else {
        // SAFETY: the address is that of the thread's own `errno`. The engine asks whether it is `EINTR`.
        unsafe { *libc::__errno_location() = libc::EAGAIN };
        return -1;
    };
    LEFT.set(Some(left));
    let part = libc::iovec { iov_base: buffer, iov_len: length };
    // SAFETY: as the caller says; the one part lives until the call returns.
    unsafe { libc::preadv2(file, &raw const part, 1, offset, libc::RWF_NOWAIT) }
}
