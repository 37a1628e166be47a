//! A program that is followed from call to call of the operating system (`ptrace`), counted where it changes files, and
//! killed at a count.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::errno::Errno;
use nix::libc::{self, c_long};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How a program ended.
#[derive(Debug)]
pub enum Ended {
    /// At the count.
    Killed,
    /// By itself, after so many calls.
    Exited { status: i32, calls: u64 },
}

/// Runs a command and, if asked to, kills it with all its threads at its call number `n` that changes files: before the
/// call, or, for a write and `within`, after half of its bytes.
pub fn run(command: &mut Command, kill_at: Option<(u64, bool)>) -> Ended {
    // SAFETY: between fork and exec the child makes one system call, which touches no memory.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
    #[expect(clippy::zombie_processes, reason = "it is waited for below, as every thread that it has")]
    let child = command.spawn().unwrap();
    let program = Pid::from_raw(i32::try_from(child.id()).unwrap());
    // only children of this thread: the test of another thread follows its own
    let next = |pid| waitpid(pid, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)).unwrap();
    assert_eq!(next(program), WaitStatus::Stopped(program, Signal::SIGTRAP));
    let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(program, options).unwrap();
    go_on(program, None);
    let (mut calls, mut torn) = (0, None);
    loop {
        let stopped = match next(Pid::from_raw(-1)) {
            WaitStatus::Exited(pid, status) if pid == program => return Ended::Exited { status, calls },
            WaitStatus::Signaled(pid, Signal::SIGKILL, _) if pid == program => return Ended::Killed,
            WaitStatus::Signaled(pid, signal, _) if pid == program => panic!("{command:?} ended by {signal}"),
            WaitStatus::PtraceSyscall(pid) => pid,
            // the first stop of a new thread
            WaitStatus::Stopped(pid, Signal::SIGSTOP) | WaitStatus::PtraceEvent(pid, ..) => {
                go_on(pid, None);
                continue;
            }
            WaitStatus::Stopped(pid, signal) => {
                go_on(pid, Some(signal));
                continue;
            }
            _ => continue,
        };
        if torn == Some(stopped) {
            kill(program, Signal::SIGKILL).unwrap();
        }
        if let Some(call) = Call::entered(stopped).filter(Call::changes_files) {
            if let Some((n, within)) = kill_at
                && n == calls
            {
                if within && call.halve(stopped) {
                    torn = Some(stopped);
                } else {
                    kill(program, Signal::SIGKILL).unwrap();
                }
            }
            calls += 1;
        }
        go_on(stopped, None);
    }
}

/// Lets a thread run to its next stop. It may be gone already.
fn go_on(thread: Pid, signal: Option<Signal>) {
    match ptrace::syscall(thread, signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => panic!("cannot follow the program: {error}"),
    }
}

/// A call that a thread is about to make.
struct Call {
    number: c_long,
    arguments: [u64; 6],
}

/// Calls that write into an open file, their first argument.
const WRITES: [c_long; 4] = [libc::SYS_write, libc::SYS_writev, libc::SYS_pwrite64, libc::SYS_pwritev];

/// Calls that change what is in a folder or last on the disk, of every architecture.
const CHANGES: [c_long; 15] = [
    libc::SYS_ftruncate,
    libc::SYS_truncate,
    libc::SYS_fallocate,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
];

/// Those that only this architecture has.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[
    libc::SYS_rename,
    libc::SYS_unlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_chmod,
    libc::SYS_creat,
];

/// Those that only this architecture has.
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c_long] = &[];

impl Call {
    /// The call that a stopped thread enters; none if it returns from one.
    fn entered(thread: Pid) -> Option<Self> {
        let info = ptrace::syscall_info(thread).ok().filter(|info| info.op == libc::PTRACE_SYSCALL_INFO_ENTRY)?;
        // SAFETY: the kernel has filled in this part, as `op` says.
        let entry = unsafe { info.u.entry };
        Some(Self { number: c_long::try_from(entry.nr).ok()?, arguments: entry.args })
    }

    fn writes(&self) -> bool {
        WRITES.contains(&self.number) && self.arguments[0] > 2
    }

    fn changes_files(&self) -> bool {
        let creates = |flags: u64| flags & (libc::O_CREAT | libc::O_TRUNC | libc::O_TMPFILE) as u64 & !DIRECTORY != 0;
        self.writes()
            || CHANGES.contains(&self.number)
            || OLDER.contains(&self.number)
            || (self.number == libc::SYS_openat && creates(self.arguments[2]))
    }

    /// Makes a write one of half as many bytes; false for all else.
    #[cfg(target_arch = "x86_64")]
    fn halve(&self, thread: Pid) -> bool {
        let whole = self.arguments[2];
        if !self.writes() || self.number == libc::SYS_writev || self.number == libc::SYS_pwritev || whole < 2 {
            return false;
        }
        let Ok(mut registers) = ptrace::getregs(thread) else { return false };
        registers.rdx = whole / 2;
        ptrace::setregs(thread, registers).is_ok()
    }

    /// Only known for one architecture.
    #[cfg(not(target_arch = "x86_64"))]
    fn halve(&self, _: Pid) -> bool {
        false
    }
}

/// A part of `O_TMPFILE` that opening a folder also has.
const DIRECTORY: u64 = libc::O_DIRECTORY as u64;
