/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_node_control.c - any bytes on the socket of a node's owner: each line is one call of a few
 * words without blanks, answered in order, and who writes a line that is too long is cut off. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/loop_uv.h"
#include "node/control.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct world {
    kw_loop *loop;
    kw_control *control;
    uv_pipe_t pipe;
    uv_connect_t connect;
    uv_write_t write;
    uv_shutdown_t shutdown;
    kw_bytes input;
    kw_control_call *later; /* answered when the next turn comes */
    size_t n_calls, n_answers;
    bool gone;
} world;

static void reply(world *w, kw_control_call *call)
{
    if (w->n_calls % 3 == 0)
        kw_control_refuse(call, "\"no\"\n");
    else
        kw_control_answer(call, KW_STR("{}"));
}

static void on_call(void *user, kw_control_call *call, char *const *words, size_t n)
{
    world *const w = user;
    promise(n > 0 && n <= KW_CONTROL_WORDS_MAX && !w->later);
    for (size_t i = 0; i < n; i++)
        promise(words[i][0] && !strpbrk(words[i], " \t\r\n"));
    if (++w->n_calls % 2 == 0)
        w->later = call;
    else
        reply(w, call);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char room[4096];
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(room, sizeof room);
}

static void on_gone(uv_handle_t *handle)
{
    ((world *)handle->data)->gone = true;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    world *const w = stream->data;
    for (ssize_t i = 0; i < n; i++)
        w->n_answers += buf->base[i] == '\n';
    if (n < 0 && !uv_is_closing((uv_handle_t *)stream))
        uv_close((uv_handle_t *)stream, on_gone);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    (void)request;
    (void)status;
}

static void on_written(uv_write_t *write, int status)
{
    world *const w = write->data;
    if (status == 0)
        (void)uv_shutdown(&w->shutdown, (uv_stream_t *)&w->pipe, on_shutdown);
}

static void on_connected(uv_connect_t *connect, int status)
{
    world *const w = connect->data;
    promise(status == 0);
    promise(uv_read_start((uv_stream_t *)&w->pipe, on_alloc, on_read) == 0);
    const uv_buf_t buf = uv_buf_init((char *)(uintptr_t)w->input.data, (unsigned)w->input.len);
    w->write.data = w;
    promise(kw_loop_write(w->loop, &w->write, (uv_stream_t *)&w->pipe, &buf, on_written) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    world w = {.input = {data, size}};
    char path[64];
    (void)snprintf(path, sizeof path, "/tmp/kw-fuzz-control-%d", (int)getpid());
    (void)unlink(path);
    promise(kw_loop_open(&w.loop, NULL) == KW_OK);
    promise(kw_control_open(w.loop, path, on_call, &w, &w.control, NULL) == KW_OK);
    promise(uv_pipe_init(kw_loop_uv(w.loop), &w.pipe, 0) == 0);
    w.pipe.data = w.connect.data = &w;
    uv_pipe_connect(&w.connect, &w.pipe, path, on_connected);
    for (int i = 0; i < 100000 && !w.gone; i++) {
        kw_loop_step(w.loop, 1);
        kw_control_call *const call = w.later;
        w.later = NULL;
        if (call)
            reply(&w, call);
    }
    promise(w.gone);
    promise(w.n_answers <= size);
    kw_control_close(w.control);
    if (w.later)
        reply(&w, w.later);
    kw_loop_close(w.loop);
    return 0;
}
