/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* control.c - the socket of the owner. See control.h.
 *
 * A client has one call under way; what it writes meanwhile waits in the socket. */
#include "node/control.h"

#include "base/check.h"
#include "net/loop_uv.h"

#include <stdlib.h>
#include <string.h>

#define CLIENTS_MAX 16

typedef struct client client;

struct kw_control_call {
    client *client; /* NULL: it went away */
    char *words[KW_CONTROL_WORDS_MAX];
    size_t n_words;
    char line[KW_CONTROL_LINE_MAX + 1];
};

struct client {
    uv_pipe_t pipe;
    kw_control *control;
    client *next;
    kw_control_call *call; /* under way */
    size_t len;
    bool closing;
    char line[KW_CONTROL_LINE_MAX];
};

struct kw_control {
    uv_pipe_t pipe;
    kw_control_fn handle;
    void *user;
    client *clients;
    size_t n_clients, n_handles;
    bool closing;
    char *path;
};

static void handle_gone(kw_control *control)
{
    if (--control->n_handles > 0)
        return;
    free(control->path);
    free(control);
}

static void client_closed(uv_handle_t *handle)
{
    client *const c = handle->data;
    kw_control *const control = c->control;
    free(c);
    handle_gone(control);
}

static void close_client(client *c)
{
    if (c->closing)
        return;
    c->closing = true;
    if (c->call)
        c->call->client = NULL;
    for (client **place = &c->control->clients; *place; place = &(*place)->next) {
        if (*place == c) {
            *place = c->next;
            c->control->n_clients--;
            break;
        }
    }
    uv_close((uv_handle_t *)&c->pipe, client_closed);
}

/* Reads calls out of what has come, one at a time. */
static void take_lines(client *c)
{
    while (!c->call && !c->closing) {
        char *const end = memchr(c->line, '\n', c->len);
        if (!end) {
            if (c->len == sizeof c->line)
                close_client(c);
            return;
        }
        const size_t len = (size_t)(end - c->line);
        kw_control_call *call = calloc(1, sizeof *call);
        if (!call) {
            close_client(c);
            return;
        }
        memcpy(call->line, c->line, len);
        c->len -= len + 1;
        memmove(c->line, end + 1, c->len);
        call->client = c;
        c->call = call;
        char *rest = call->line, *word;
        while (call->n_words < KW_CONTROL_WORDS_MAX &&
               (word = strtok_r(rest, " \t\r", &rest)) != NULL)
            call->words[call->n_words++] = word;
        if (call->n_words == 0)
            kw_control_refuse(call, "an empty line");
        else
            c->control->handle(c->control->user, call, call->words, call->n_words);
    }
}

static void give_room(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
    client *const c = handle->data;
    (void)hint;
    *buf = uv_buf_init(c->line + c->len, (unsigned)(sizeof c->line - c->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    client *const c = stream->data;
    (void)buf;
    if (n < 0) {
        close_client(c);
        return;
    }
    c->len += (size_t)n;
    take_lines(c);
}

typedef struct reply {
    uv_write_t request;
    char text[];
} reply;

static void on_written(uv_write_t *request, int status)
{
    client *const c = request->handle->data;
    free(request->data);
    if (status < 0)
        close_client(c);
}

void kw_control_answer(kw_control_call *call, kw_str json)
{
    client *const c = call->client;
    free(call);
    if (!c)
        return;
    c->call = NULL;
    reply *r = malloc(sizeof *r + json.len + 1);
    if (!r) {
        close_client(c);
        return;
    }
    memcpy(r->text, json.data, json.len);
    r->text[json.len] = '\n';
    r->request.data = r;
    uv_buf_t buf = uv_buf_init(r->text, (unsigned)(json.len + 1));
    if (uv_write(&r->request, (uv_stream_t *)&c->pipe, &buf, 1, on_written) < 0) {
        free(r);
        close_client(c);
        return;
    }
    take_lines(c);
}

void kw_control_refuse(kw_control_call *call, const char *text)
{
    kw_buf buf = {0};
    kw_buf_printf(&buf, "{\"error\": ");
    kw_buf_json(&buf, kw_str_from(text));
    kw_buf_printf(&buf, "}");
    const kw_str none = KW_STR("{\"error\": \"no memory\"}");
    kw_control_answer(call, buf.failed ? none : (kw_str){buf.data, buf.len});
    kw_buf_free(&buf);
}

static void on_connection(uv_stream_t *server, int status)
{
    kw_control *const control = server->data;
    if (status < 0 || control->closing)
        return;
    client *c = calloc(1, sizeof *c);
    if (!c)
        return;
    c->control = control;
    c->pipe.data = c;
    uv_pipe_init(server->loop, &c->pipe, 0);
    control->n_handles++;
    c->next = control->clients;
    control->clients = c;
    control->n_clients++;
    if (uv_accept(server, (uv_stream_t *)&c->pipe) < 0 || control->n_clients > CLIENTS_MAX ||
        uv_read_start((uv_stream_t *)&c->pipe, give_room, on_read) < 0)
        close_client(c);
}

static void server_closed(uv_handle_t *handle)
{
    handle_gone(handle->data);
}

kw_status kw_control_open(kw_loop *loop, const char *path, kw_control_fn handle, void *user,
                          kw_control **out, kw_error *err)
{
    kw_control *control = calloc(1, sizeof *control);
    char *copy = strdup(path);
    if (!control || !copy) {
        free(control);
        free(copy);
        return kw_fail(err, KW_E_NOMEM, "%s: no memory for a socket", path);
    }
    *control = (kw_control){.handle = handle, .user = user, .path = copy, .n_handles = 1};
    uv_pipe_init(kw_loop_uv(loop), &control->pipe, 0);
    control->pipe.data = control;
    int code = uv_pipe_bind(&control->pipe, path);
    uv_fs_t mode;
    if (code == 0)
        code = uv_fs_chmod(kw_loop_uv(loop), &mode, path, 0600, NULL);
    if (code == 0)
        code = uv_listen((uv_stream_t *)&control->pipe, 8, on_connection);
    if (code == 0) {
        *out = control;
        return KW_OK;
    }
    uv_close((uv_handle_t *)&control->pipe, server_closed);
    kw_loop_step(loop, 0);
    return kw_uv_fail(err, "node: the socket of its owner", code);
}

void kw_control_close(kw_control *control)
{
    if (!control)
        return;
    control->closing = true;
    while (control->clients)
        close_client(control->clients);
    uv_close((uv_handle_t *)&control->pipe, server_closed); /* libuv removes the file */
}
