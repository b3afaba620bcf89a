/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* perf.c - the perf protocol: 8 bytes that say how much is wanted, bytes up to the end, then that
 * many bytes down. */
#include "net/perf.h"

#include "base/check.h"

#include <stdlib.h>
#include <uv.h>

static const char perf_id[] = "/perf/1.0.0";
static const uint8_t zeros[1 << 16];

/* Writes zeros until *left is 0 or enough of them wait; finishes the stream at the end. */
static void pour(kw_stream *stream, uint64_t *left)
{
    while (*left > 0) {
        const kw_bytes some = {zeros, (size_t)KW_MIN(*left, sizeof zeros)};
        if (!kw_stream_flows(stream))
            return; /* `drained` goes on */
        if (kw_stream_write(stream, some, NULL) != KW_OK) {
            kw_stream_reset(stream);
            return;
        }
        *left -= some.len;
    }
    kw_stream_finish(stream);
}

/* ---- serving ---- */

typedef struct service {
    size_t n_header;
    uint64_t wanted;
    bool answering;
} service;

static void on_bytes(void *user, kw_stream *stream, kw_bytes bytes)
{
    service *s = user;
    (void)stream;
    for (size_t i = 0; i < bytes.len && s->n_header < 8; i++, s->n_header++)
        s->wanted = s->wanted << 8 | bytes.data[i];
}

static void on_end(void *user, kw_stream *stream)
{
    service *s = user;
    if (s->n_header < 8) {
        kw_stream_reset(stream);
        return;
    }
    s->answering = true;
    pour(stream, &s->wanted);
}

static void on_drained(void *user, kw_stream *stream)
{
    service *s = user;
    if (s->answering && s->wanted > 0)
        pour(stream, &s->wanted);
}

static void on_closed(void *user, kw_stream *stream, kw_status why)
{
    (void)stream;
    (void)why;
    free(user);
}

static const kw_stream_events service_events = {
    .data = on_bytes, .end = on_end, .drained = on_drained, .closed = on_closed};

static bool on_incoming(void *user, kw_stream *stream)
{
    service *s = calloc(1, sizeof *s);
    (void)user;
    if (s)
        kw_stream_listen(stream, &service_events, s);
    return s != NULL;
}

kw_status kw_perf_serve(kw_host *host, kw_error *err)
{
    return kw_host_speak(
        host, &(kw_protocol){.id = perf_id, .incoming = on_incoming, .max_per_peer = 8}, err);
}

/* ---- measuring ---- */

typedef struct run {
    kw_perf_fn done;
    void *user;
    uint64_t left, wanted, begin_ns, answer_ns;
    kw_perf_result result;
} run;

static void see_answer(run *r)
{
    if (r->answer_ns == 0)
        r->answer_ns = uv_hrtime();
}

static void on_answer(void *user, kw_stream *stream, kw_bytes bytes)
{
    run *r = user;
    (void)stream;
    see_answer(r);
    r->result.down_bytes += bytes.len;
}

static void on_answered(void *user, kw_stream *stream)
{
    (void)stream;
    see_answer(user);
}

static void on_more(void *user, kw_stream *stream)
{
    run *r = user;
    if (r->left > 0)
        pour(stream, &r->left);
}

static void on_over(void *user, kw_stream *stream, kw_status why)
{
    run *r = user;
    (void)stream;
    see_answer(r);
    r->result.up_us = (r->answer_ns - r->begin_ns) / 1000;
    r->result.down_us = (uv_hrtime() - r->answer_ns) / 1000;
    if (why == KW_OK && r->result.down_bytes != r->wanted)
        why = KW_E_FORMAT;
    r->done(r->user, why, &r->result);
    free(r);
}

static const kw_stream_events run_events = {
    .data = on_answer, .end = on_answered, .drained = on_more, .closed = on_over};

static void on_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    run *r = user;
    uint8_t header[8];
    (void)why;
    if (!stream) {
        r->done(r->user, status, &r->result);
        free(r);
        return;
    }
    for (size_t i = 0; i < sizeof header; i++)
        header[i] = (uint8_t)(r->wanted >> (56 - 8 * i));
    r->begin_ns = uv_hrtime();
    kw_stream_listen(stream, &run_events, r);
    if (kw_stream_write(stream, (kw_bytes){header, sizeof header}, NULL) != KW_OK)
        kw_stream_reset(stream);
    else
        pour(stream, &r->left);
}

void kw_perf_run(kw_host *host, const kw_peer_id *peer, uint64_t up_bytes, uint64_t down_bytes,
                 kw_perf_fn done, void *user)
{
    static const char *const ids[] = {perf_id};
    run *r = calloc(1, sizeof *r);
    if (!r) {
        done(user, KW_E_NOMEM, &(kw_perf_result){0});
        return;
    }
    r->done = done;
    r->user = user;
    r->left = r->result.up_bytes = up_bytes;
    r->wanted = down_bytes;
    kw_host_stream(host, peer, ids, 1, on_opened, r);
}
