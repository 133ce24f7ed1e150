//! Children and what became of them.

use socklab::posix::error::{ECHILD, EINVAL};
use socklab::posix::signal::{SIG_IGN, SIGCHLD, SIGCONT, SIGKILL, SIGSTOP, SIGTERM, kill, signal};
use socklab::posix::sys_wait::{
    WCONTINUED, WCOREDUMP, WEXITSTATUS, WIFCONTINUED, WIFEXITED, WIFSIGNALED, WIFSTOPPED, WNOHANG,
    WSTOPSIG, WTERMSIG, WUNTRACED, waitpid,
};
use socklab::posix::unistd::{close, pipe, read};

use crate::support::{alone, forked, row, until};

/// What the six macros that ask say: exited, signaled, core, stopped, continued.
fn asked(wstatus: i32) -> [bool; 5] {
    [
        WIFEXITED(wstatus),
        WIFSIGNALED(wstatus),
        WIFSIGNALED(wstatus) && WCOREDUMP(wstatus),
        WIFSTOPPED(wstatus),
        WIFCONTINUED(wstatus),
    ]
}

#[test]
fn the_life_of_a_child() {
    alone(|| {
        let [reading, writing] = pipe().expect("pipe");
        let child = forked(|| read(&reading, &mut [0; 1]).map_or(1, |_| 0));
        assert_eq!(waitpid(child, WNOHANG), Ok((0, 0)), "it has not changed");
        kill(child, SIGSTOP).expect("kill");
        let (pid, wstatus) = waitpid(child, WUNTRACED).expect("waitpid");
        assert_eq!((pid, asked(wstatus)), (child, [false, false, false, true, false]));
        assert_eq!(WSTOPSIG(wstatus), SIGSTOP);
        kill(child, SIGCONT).expect("kill");
        let (pid, wstatus) = waitpid(child, WCONTINUED).expect("waitpid");
        assert_eq!((pid, asked(wstatus)), (child, [false, false, false, false, true]));
        kill(child, SIGTERM).expect("kill");
        let (pid, wstatus) = waitpid(-1, 0).expect("waitpid");
        assert_eq!((pid, asked(wstatus)), (child, [false, true, false, false, false]));
        assert_eq!(WTERMSIG(wstatus), SIGTERM);
        row("waitpid", "it was reaped", waitpid(child, 0), ECHILD);
        close(writing).expect("close");
    });
}

#[test]
fn statuses() {
    alone(|| {
        for code in [0, 1, 42, 255] {
            let (_, wstatus) = waitpid(forked(|| code), 0).expect("waitpid");
            assert_eq!(asked(wstatus), [true, false, false, false, false]);
            assert_eq!(WEXITSTATUS(wstatus), code);
        }
        assert_eq!(asked(0x80 | 6), [false, true, true, false, false], "SIGABRT with a core");
        assert_eq!(WTERMSIG(0x80 | 6), 6);
    });
}

#[test]
fn many_children() {
    alone(|| {
        let mut children: Vec<_> = (0..5).map(|code| forked(|| code)).collect();
        let mut reaped = Vec::new();
        until(|| match waitpid(-1, WNOHANG) {
            Ok((0, _)) => false,
            Ok((pid, wstatus)) => {
                assert_eq!(Some(&pid), children.get(WEXITSTATUS(wstatus) as usize));
                reaped.push(pid);
                false
            }
            Err(error) => error.errno() == ECHILD,
        });
        children.sort_unstable();
        reaped.sort_unstable();
        assert_eq!(reaped, children);
        let child = forked(|| 3);
        assert_eq!(waitpid(0, 0).map(|(pid, _)| pid), Ok(child), "0: of this process group");
    });
}

#[test]
fn errors() {
    alone(|| {
        row("waitpid", "no children", waitpid(-1, 0), ECHILD);
        row("waitpid", "no children, WNOHANG", waitpid(-1, WNOHANG), ECHILD);
        row("waitpid", "not a child", waitpid(1, 0), ECHILD);
        row("waitpid", "no such option", waitpid(-1, 0x0100_0000), EINVAL);
        signal(SIGCHLD, SIG_IGN).expect("signal");
        let child = forked(|| 0);
        row("waitpid", "SIGCHLD ignored: nothing stays of children", waitpid(child, 0), ECHILD);
        assert!(kill(child, SIGKILL).is_err(), "not even a zombie");
    });
}
