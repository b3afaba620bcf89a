/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* loop.c - kw_loop on libuv.
 *
 * Work from other threads goes through one list under a mutex and one uv_async. While the loop
 * runs or writes, its thread does not take SIGPIPE (uv.h brings the calls for that): libuv writes
 * without MSG_NOSIGNAL, and a peer that hangs up must not end the process. No signal handler is
 * installed for it. */
#include "net/loop_uv.h"

#include <stdlib.h>
#include <time.h>

typedef struct post {
    struct post *next;
    void (*work)(void *user);
    void *user;
} post;

struct kw_loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t limit; /* ends a kw_loop_step that waits */
    uv_mutex_t mutex;
    post *first, **last; /* owned, under the mutex */
    void *place;         /* borrowed */
    int quiet;           /* calls of begin_quiet that have not ended */
    bool masked, was_pending;
    sigset_t before;
};

struct kw_timer {
    uv_timer_t uv;
    void (*fire)(void *user);
    void *user;
};

uv_loop_t *kw_loop_uv(kw_loop *loop)
{
    return &loop->uv;
}

void **kw_loop_place(kw_loop *loop)
{
    return &loop->place;
}

kw_status kw_uv_fail(kw_error *err, const char *what, int code)
{
    return kw_fail(err, code == UV_ENOMEM ? KW_E_NOMEM : KW_E_IO, "%s: %s", what,
                   uv_strerror(code));
}

static void run_posts(kw_loop *loop)
{
    uv_mutex_lock(&loop->mutex);
    post *list = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    uv_mutex_unlock(&loop->mutex);
    while (list) {
        post *next = list->next;
        list->work(list->user);
        free(list);
        list = next;
    }
}

static void on_wake(uv_async_t *wake)
{
    run_posts(wake->data);
}

/* Not only wakes: when the time is over before the loop first waits, it must not wait at all. */
static void on_limit(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

kw_status kw_loop_open(kw_loop **out, kw_error *err)
{
    kw_loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return kw_fail(err, KW_E_NOMEM, "loop: out of memory");
    loop->last = &loop->first;
    int code = uv_loop_init(&loop->uv);
    if (code != 0)
        goto no_loop;
    code = uv_mutex_init(&loop->mutex);
    if (code != 0)
        goto no_mutex;
    code = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (code != 0)
        goto no_async;
    loop->wake.data = loop;
    (void)uv_timer_init(&loop->uv, &loop->limit);
    *out = loop;
    return KW_OK;
no_async:
    uv_mutex_destroy(&loop->mutex);
no_mutex:
    (void)uv_loop_close(&loop->uv);
no_loop:
    free(loop);
    return kw_uv_fail(err, "loop", code);
}

/* From here on this thread does not take SIGPIPE, unless that is so already. */
static void begin_quiet(kw_loop *loop)
{
    sigset_t pipe_only, pending;
    if (loop->quiet++ > 0)
        return;
    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    loop->masked = pthread_sigmask(SIG_BLOCK, &pipe_only, &loop->before) == 0 &&
                   sigismember(&loop->before, SIGPIPE) == 0;
    loop->was_pending = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

/* One that came meanwhile is taken out before the thread is as it was. */
static void end_quiet(kw_loop *loop)
{
    const struct timespec none = {0};
    sigset_t pipe_only;
    if (--loop->quiet > 0 || !loop->masked)
        return;
    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    if (!loop->was_pending)
        (void)sigtimedwait(&pipe_only, NULL, &none);
    (void)pthread_sigmask(SIG_SETMASK, &loop->before, NULL);
}

static void run(kw_loop *loop, uv_run_mode mode)
{
    begin_quiet(loop);
    (void)uv_run(&loop->uv, mode);
    end_quiet(loop);
}

int kw_loop_try_write(kw_loop *loop, uv_stream_t *stream, const uv_buf_t *buf)
{
    begin_quiet(loop);
    const int n = uv_try_write(stream, buf, 1);
    end_quiet(loop);
    return n;
}

int kw_loop_write(kw_loop *loop, uv_write_t *request, uv_stream_t *stream, const uv_buf_t *buf,
                  uv_write_cb done)
{
    begin_quiet(loop);
    const int code = uv_write(request, stream, buf, 1, done);
    end_quiet(loop);
    return code;
}

void kw_loop_run(kw_loop *loop)
{
    run(loop, UV_RUN_DEFAULT);
}

void kw_loop_step(kw_loop *loop, uint64_t wait_ms)
{
    uv_update_time(&loop->uv);
    if (wait_ms != 0)
        (void)uv_timer_start(&loop->limit, on_limit, wait_ms, 0);
    run(loop, wait_ms != 0 ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    (void)uv_timer_stop(&loop->limit);
}

void kw_loop_stop(kw_loop *loop)
{
    uv_stop(&loop->uv);
}

void kw_loop_close(kw_loop *loop)
{
    if (!loop)
        return;
    run_posts(loop);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->limit, NULL);
    run(loop, UV_RUN_DEFAULT);
    run_posts(loop);
    (void)uv_loop_close(&loop->uv);
    uv_mutex_destroy(&loop->mutex);
    free(loop);
}

kw_status kw_loop_post(kw_loop *loop, void (*work)(void *user), void *user, kw_error *err)
{
    post *item = malloc(sizeof *item);
    if (!item)
        return kw_fail(err, KW_E_NOMEM, "loop: out of memory for posted work");
    *item = (post){.work = work, .user = user};
    uv_mutex_lock(&loop->mutex);
    *loop->last = item;
    loop->last = &item->next;
    uv_mutex_unlock(&loop->mutex);
    (void)uv_async_send(&loop->wake);
    return KW_OK;
}

uint64_t kw_loop_now(const kw_loop *loop)
{
    return uv_now(&loop->uv);
}

/* ---- timers ---- */

static void on_timer(uv_timer_t *handle)
{
    kw_timer *timer = handle->data;
    timer->fire(timer->user);
}

static void timer_gone(uv_handle_t *handle)
{
    free(handle->data);
}

kw_status kw_timer_open(kw_loop *loop, void (*fire)(void *user), void *user, kw_timer **out,
                        kw_error *err)
{
    kw_timer *timer = calloc(1, sizeof *timer);
    if (!timer)
        return kw_fail(err, KW_E_NOMEM, "loop: out of memory for a timer");
    timer->fire = fire;
    timer->user = user;
    (void)uv_timer_init(&loop->uv, &timer->uv);
    timer->uv.data = timer;
    *out = timer;
    return KW_OK;
}

void kw_timer_set(kw_timer *timer, uint64_t after_ms, uint64_t repeat_ms)
{
    (void)uv_timer_start(&timer->uv, on_timer, after_ms, repeat_ms);
}

void kw_timer_clear(kw_timer *timer)
{
    (void)uv_timer_stop(&timer->uv);
}

void kw_timer_close(kw_timer *timer)
{
    if (timer)
        uv_close((uv_handle_t *)&timer->uv, timer_gone);
}
