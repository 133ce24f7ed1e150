//! What a process gives up for good: Landlock and seccomp, through the crates landlock and seccompiler.
//! [landlock(7)](https://man7.org/linux/man-pages/man7/landlock.7.html),
//! [seccomp(2)](https://man7.org/linux/man-pages/man2/seccomp.2.html)

use std::collections::BTreeMap;
use std::error::Error as _;
use std::ffi::{c_int, c_long};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetError,
    RulesetStatus, Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter_all_threads,
};

use crate::posix::error::{EINVAL, ENOSYS, EOPNOTSUPP, Error, Result};

/// No file can be opened from here on, none made, renamed or removed, and as far as the kernel knows how,
/// no TCP socket bound or connected and nobody outside signalled: in this thread, and in those that it
/// makes.
pub fn forbid_files() -> Result<()> {
    let refused = |error: RulesetError| Error::new("landlock_restrict_self", cause(&error));
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .map_err(refused)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))
        .map_err(refused)?
        .handle_access(AccessNet::from_all(ABI::V4))
        .map_err(refused)?
        .scope(Scope::from_all(ABI::V6))
        .map_err(refused)?
        .create()
        .map_err(refused)?
        .restrict_self()
        .map_err(refused)?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(Error::new("landlock_restrict_self", EOPNOTSUPP));
    }
    Ok(())
}

/// The number behind the crate's words; a kernel without Landlock is refused before it is asked.
fn cause(error: &RulesetError) -> c_int {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return error.raw_os_error().unwrap_or(EOPNOTSUPP);
        }
        source = error.source();
    }
    EOPNOTSUPP
}

/// What a server still does that has its sockets, its threads and its epoll instance.
const CALLS: &[c_long] = &[
    // Clients.
    libc::SYS_accept4,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_close,
    // Waiting: which of these the C library takes, it decides.
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_restart_syscall,
    libc::SYS_clock_gettime,
    // Counters and signals that are read, lines that are written.
    libc::SYS_read,
    libc::SYS_write,
    // A thread's end.
    libc::SYS_rt_sigprocmask,
    libc::SYS_sigaltstack,
    libc::SYS_futex,
    libc::SYS_madvise,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // The allocator.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_getrandom,
];

/// Memory that is asked for or whose protection is changed is never to be executed.
const WITHOUT_EXEC: &[c_long] = &[libc::SYS_mmap, libc::SYS_mprotect];
const PROTECTION: u8 = 2;

/// From here on any other system call, in any thread, ends the process with `SIGSYS`.
pub fn forbid_calls() -> Result<()> {
    let filter = program().map_err(|_| Error::new("seccomp", EINVAL))?;
    apply_filter_all_threads(&filter).map_err(|error| {
        let number = match error {
            seccompiler::Error::Seccomp(error) | seccompiler::Error::Prctl(error) => {
                error.raw_os_error()
            }
            _ => None,
        };
        Error::new("seccomp", number.unwrap_or(ENOSYS))
    })
}

fn program() -> std::result::Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        CALLS.iter().map(|&call| (call, vec![])).collect();
    for &call in WITHOUT_EXEC {
        let executable = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
        let never = SeccompCondition::new(PROTECTION, SeccompCmpArgLen::Dword, executable, 0)?;
        rules.insert(call, vec![SeccompRule::new(vec![never])?]);
    }
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)?.try_into()
}
