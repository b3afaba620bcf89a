/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* interrupt_posix.c - signals. The one place of the command with process-wide state, because a
 * signal handler has no other argument. */
#include "cli/interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

static _Atomic(kw_session *) target;
static atomic_int n_seen;

static void on_interrupt(int number)
{
    (void)number;
    if (atomic_fetch_add(&n_seen, 1) > 0)
        _exit(130);
    kw_session *session = atomic_load(&target);
    if (session)
        kw_session_cancel(session);
}

void kw_interrupt_ignore_pipe(void)
{
    struct sigaction action = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &action, NULL);
    (void)sigaction(SIGXFSZ, &action, NULL);
}

void kw_interrupt_watch(void)
{
    struct sigaction old;
    if (sigaction(SIGINT, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
        return;
    /* No SA_RESTART: a read that waits for the user ends, too. */
    struct sigaction action = {.sa_handler = on_interrupt};
    (void)sigaction(SIGINT, &action, NULL);
}

void kw_interrupt_watch_service(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    kw_interrupt_watch();
    (void)sigaction(SIGTERM, &action, NULL);
}

void kw_interrupt_target(kw_session *session)
{
    atomic_store(&target, session);
}

bool kw_interrupt_seen(void)
{
    return atomic_load(&n_seen) > 0;
}

void kw_interrupt_clear(void)
{
    atomic_store(&n_seen, 0);
}
