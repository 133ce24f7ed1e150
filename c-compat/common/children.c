/* A server's child processes: one for each client, or a pool of them in which whoever ends is replaced. */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

static int listenfds[MOST_WORKERS];
static size_t listenfds_count;

void also_listening(int listenfd)
{
    listenfds[listenfds_count++] = listenfd;
}

struct child {
    pid_t pid;
    size_t place; /* in a pool, which of the workers it is, from 0 on */
};

static struct child *children;
static size_t children_count, children_room;

/* The places of a pool's workers that have ended. */
static size_t vacated[MOST_WORKERS];
static size_t vacated_count;

static void make_room(size_t room)
{
    children_room = room;
    children = realloc(children, room * sizeof *children);
    if (children == NULL) die("realloc");
}

/* With SIGCHLD ignored, a child that has ended is nobody's child. */
static bool is_our_child(pid_t child)
{
    return waitpid(child, NULL, WNOHANG) == 0;
}

void child_started(pid_t childpid)
{
    if (children_count == children_room) {
        size_t alive = 0;
        for (size_t i = 0; i < children_count; i++)
            if (is_our_child(children[i].pid)) children[alive++] = children[i];
        children_count = alive;
        make_room(alive + (alive > 64 ? alive : 64));
    }
    children[children_count] = (struct child){.pid = childpid, .place = vacancy()};
    children_count++;
    if (vacated_count > 0) vacated_count--;
}

void end_children(void)
{
    /* From here on a child that ends keeps its id until it is waited for, so that no signal can hit
       a stranger. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR) die("signal");
    for (size_t i = 0; i < children_count; i++)
        /* Ours and not waited for, so it can only succeed. */
        if (is_our_child(children[i].pid)) (void)kill(children[i].pid, SIGTERM);
    for (;;) {
        int status;
        pid_t childpid = waitpid(-1, &status, WUNTRACED);
        /* A signal has come, or nobody is left. */
        if (childpid == -1 && errno == EINTR) continue;
        if (childpid == -1) break;
        /* Whoever has been stopped (SIGSTOP) goes on, to hear that it is to end. */
        if (WIFSTOPPED(status)) (void)kill(childpid, SIGCONT);
    }
}

static sigset_t waited_for(void)
{
    sigset_t set = stops();
    sigaddset(&set, SIGCHLD);
    return set;
}

void hold_signals(void)
{
    /* Ignored, a child that ends would send no signal. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR) die("signal");
    sigset_t set = waited_for();
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1) die("sigprocmask");
}

static void stop_all(void)
{
    stopping = true;
    /* First the children learn it, so that they know why accept() fails. */
    for (size_t i = 0; i < children_count; i++)
        /* Ours and not waited for, so it can only succeed. */
        (void)kill(children[i].pid, SIGTERM);
    end_of_file(atomic_exchange(&listenfd_to_end, -1));
    while (listenfds_count > 0)
        end_of_file(listenfds[--listenfds_count]);
}

/* Waits for one of the signals that are held back. A request to stop is obeyed as the handler would:
   the listening socket is shut down, in all that share it. */
static void next_signal(void)
{
    int signum;
    sigset_t set = waited_for();
    if ((errno = sigwait(&set, &signum)) != 0) die("sigwait");
    if (signum != SIGCHLD) stop_all();
}

void wait_for_stop(void)
{
    while (!stopping)
        next_signal();
}

/* Forgets the workers that have ended, but not their places, and returns how many are left. */
static size_t forget_ended(size_t workers)
{
    /* Room for all, so that child_started() forgets nobody. */
    if (children_room < workers) make_room(workers);
    pid_t childpid;
    while ((childpid = waitpid(-1, NULL, WNOHANG)) > 0) {
        for (size_t i = 0; i < children_count; i++) {
            if (children[i].pid != childpid) continue;
            vacated[vacated_count++] = children[i].place;
            children[i] = children[--children_count];
            break;
        }
    }
    return children_count;
}

bool lacks_worker(size_t workers)
{
    static bool has_begun;
    static size_t granted; /* how many are made before the next pause */
    if (!has_begun) granted = workers;
    has_begun = true;
    while (!stopping) {
        size_t lacking = workers - forget_ended(workers);
        if (lacking == 0) {
            granted = 0;
            next_signal();
        } else if (granted > 0) {
            granted--;
            return true;
        } else {
            struct timespec pause = {.tv_nsec = PAUSE * 1000000};
            sigset_t set = stops();
            if (sigtimedwait(&set, NULL, &pause) == -1)
                granted = lacking;
            else
                stop_all();
        }
    }
    return false;
}

size_t vacancy(void)
{
    return vacated_count > 0 ? vacated[vacated_count - 1] : children_count;
}

void worker(void)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1) die("prctl");
    if (getppid() != server) _exit(0);
    handle_stops(0);
    sigset_t set = waited_for();
    if (sigprocmask(SIG_UNBLOCK, &set, NULL) == -1) die("sigprocmask");
}
