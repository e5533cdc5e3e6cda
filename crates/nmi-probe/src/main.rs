//! `nmi-probe`: see the library of the same name.
//!
//! The only unsafe code of the project is in this file, for three reasons. As process 1 of a container the
//! kernel applies no default action to a signal, so `wait` would sleep through SIGTERM until the kubelet
//! kills it: a handler must be installed, and std has no way to. Without std's own start-up (`no_main`)
//! the static binary, a copy of which goes into every guarded Pod, is an eighth smaller. And it is smaller
//! again by what std's `Command` can do and a process that merely becomes another has no use for.
#![no_main]
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::io;
use std::iter;
use std::os::unix::ffi::OsStrExt;
use std::ptr;

// The same numbers on every architecture of Linux.
const SIGINT: c_int = 2;
const SIGPIPE: c_int = 13;
const SIGTERM: c_int = 15;

// Declared by hand, since the binary has no dependencies; POSIX, in the libc that std links.
unsafe extern "C" {
    fn signal(signum: c_int, handler: extern "C" fn(c_int)) -> usize;
    fn _exit(status: c_int) -> !;
    fn execvp(file: *const c_char, argv: *const *const c_char) -> c_int;
}

#[unsafe(no_mangle)]
extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    // SAFETY: the declaration matches libc's, the numbers are valid, and the handlers call nothing but
    // `_exit`, which POSIX lists as async-signal-safe.
    unsafe {
        signal(SIGTERM, end);
        signal(SIGINT, end);
        signal(SIGPIPE, carry_on);
    }
    // SAFETY: these are the arguments that the C runtime passes to main.
    let args = unsafe { arguments(argc, argv) };
    nmi_probe::run::run(args, |name| std::env::var_os(name), become_command).into()
}

/// Replaces this process by `program` with `args`, found along `PATH`, in the same environment. Returns only
/// if that fails. The handlers of signals go with the process: the kernel puts the defaults back.
fn become_command(program: &OsStr, args: &[OsString]) -> io::Error {
    let words = iter::once(program).chain(args.iter().map(OsString::as_os_str));
    // Arguments came as C strings, so that none has a NUL within and becomes an empty one here.
    let words: Vec<CString> = words.map(|word| CString::new(word.as_bytes()).unwrap_or_default()).collect();
    let pointers = words.iter().map(|word| word.as_ptr());
    let argv: Vec<*const c_char> = pointers.chain(iter::once(ptr::null())).collect();
    let Some(file) = words.first() else { return io::ErrorKind::InvalidInput.into() };
    // SAFETY: `argv` is an array of C strings, which live on in `words`, and ends with a null pointer.
    unsafe { execvp(file.as_ptr(), argv.as_ptr()) };
    io::Error::last_os_error()
}

/// The arguments without the program's name.
///
/// # Safety
/// `argv` must point to `argc` pointers to strings that end with NUL.
unsafe fn arguments(argc: c_int, argv: *const *const c_char) -> Vec<OsString> {
    let count = usize::try_from(argc).unwrap_or(0);
    let argument = |index| {
        // SAFETY: `index` is below `argc`; the rest is the caller's promise.
        let bytes = unsafe { CStr::from_ptr(*argv.add(index)) }.to_bytes();
        OsStr::from_bytes(bytes).to_owned()
    };
    (1..count).map(argument).collect()
}

/// Ends the process at once, with the exit status that shells give for the signal.
extern "C" fn end(signum: c_int) {
    // SAFETY: `_exit` takes any status and does not return.
    unsafe { _exit(128 + signum) }
}

/// Makes writing to a closed pipe an error, as std's start-up would, rather than the end.
extern "C" fn carry_on(_signum: c_int) {}
