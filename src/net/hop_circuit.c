/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hop_circuit.c - a circuit at the relay: two streams, and what comes from one goes to the other.
 *
 * A stream whose bytes find no room on the other side is paused, so at most its window (as far as
 * it was granted already) waits here. Both streams end when one of them breaks, when time is up, or
 * when more bytes came from one side than the limit. */
#include "net/hop_internal.h"

#include "base/check.h"
#include "net/circuit.h"

#include <stdlib.h>

#define ASK_MS 10000 /* for the first message, and for the answer of who is to be reached */

static kw_hop_end *end_of(kw_hop_circuit *c, const kw_stream *stream)
{
    return &c->ends[stream == c->ends[1].stream];
}

static kw_hop_end *other_of(kw_hop_circuit *c, const kw_hop_end *end)
{
    return &c->ends[end == &c->ends[0]];
}

static uint64_t now_of(const kw_hop_circuit *c)
{
    return kw_loop_now(kw_host_loop(c->hop->host));
}

/* ---- the end ---- */

static void free_if_gone(kw_hop_circuit *c)
{
    kw_hop *hop = c->hop;
    if (c->ends[0].stream || c->ends[1].stream || c->opening)
        return;
    if (c->next)
        c->next->prev = c->prev;
    *(c->prev ? &c->prev->next : &hop->circuits) = c->next;
    kw_frames_free(&c->frames);
    kw_fifo_free(&c->ends[0].rest);
    kw_fifo_free(&c->ends[1].rest);
    free(c);
    kw_hop_free_if_over(hop);
}

static void set_over(kw_hop_circuit *c)
{
    if (c->phase > KW_HOP_ASKED && c->phase < KW_HOP_OVER)
        c->hop->n_circuits--;
    c->phase = KW_HOP_OVER;
}

void kw_hop_end_circuit(kw_hop_circuit *c)
{
    const bool answered = c->phase == KW_HOP_ASKED;
    if (c->phase == KW_HOP_OVER)
        return;
    set_over(c);
    for (size_t i = 0; i < 2; i++) {
        if (c->ends[i].stream && answered)
            kw_stream_finish(c->ends[i].stream);
        else if (c->ends[i].stream)
            kw_stream_reset(c->ends[i].stream);
    }
}

void kw_hop_refuse(kw_hop_circuit *c, uint32_t status)
{
    const kw_relay_message answer = {.type = KW_RELAY_STATUS, .status = status};
    set_over(c);
    if (c->ends[1].stream)
        kw_stream_reset(c->ends[1].stream);
    kw_stream *stream = c->ends[0].stream;
    if (!stream)
        return;
    if (kw_relay_say(stream, KW_RELAY_HOP, &answer, NULL) == KW_OK)
        kw_stream_finish(stream);
    else
        kw_stream_reset(stream);
}

/* ---- joined ---- */

/* Moves what waits for an end into its stream; once nothing does, the other end may go on. */
static void settle(kw_hop_circuit *c, kw_hop_end *to)
{
    kw_hop_end *from = other_of(c, to);
    while (to->rest.len > 0 && to->stream) {
        const kw_bytes view = kw_fifo_view(&to->rest);
        const size_t n = KW_MIN(view.len, kw_stream_room(to->stream));
        /* With no room at all the failure asks for `drained`. */
        if (kw_stream_write(to->stream, (kw_bytes){view.data, n ? n : view.len}, NULL) != KW_OK)
            return;
        kw_fifo_drop(&to->rest, n ? n : view.len);
    }
    if (from->ended && to->stream)
        kw_stream_finish(to->stream);
    else if (from->stream)
        kw_stream_pause(from->stream, false);
}

static void carry(kw_hop_circuit *c, kw_hop_end *from, kw_bytes bytes)
{
    kw_hop *hop = c->hop;
    kw_hop_end *to = other_of(c, from);
    from->carried += bytes.len;
    hop->bytes += bytes.len;
    if (!hop->limits.unlimited && from->carried > hop->limits.circuit_bytes) {
        kw_hop_end_circuit(c);
        return;
    }
    size_t n = 0;
    if (to->rest.len == 0 && to->stream)
        n = KW_MIN(bytes.len, kw_stream_room(to->stream));
    if (n > 0 && kw_stream_write(to->stream, (kw_bytes){bytes.data, n}, NULL) != KW_OK)
        n = 0;
    if (n == bytes.len)
        return;
    if (!to->stream || !kw_fifo_add(&to->rest, (kw_bytes){bytes.data + n, bytes.len - n})) {
        kw_hop_end_circuit(c);
        return;
    }
    kw_stream_pause(from->stream, true);
    settle(c, to); /* finds no room, and will be told when there is some */
}

/* ---- messages ---- */

static void opened(kw_hop_circuit *c)
{
    kw_hop *hop = c->hop;
    kw_relay_message answer = kw_hop_limit(hop);
    answer.type = KW_RELAY_STATUS;
    answer.status = KW_RELAY_OK;
    if (!c->ends[0].stream ||
        kw_relay_say(c->ends[0].stream, KW_RELAY_HOP, &answer, NULL) != KW_OK) {
        kw_hop_end_circuit(c);
        return;
    }
    c->phase = KW_HOP_OPEN;
    c->until_ms = hop->limits.unlimited ? 0 : now_of(c) + (uint64_t)hop->limits.circuit_s * 1000;
    hop->n_relayed++;
    kw_stream_pause(c->ends[0].stream, false);
}

static bool on_message(void *user, kw_bytes bytes)
{
    kw_hop_circuit *c = user;
    kw_relay_message message;
    const bool first = c->phase == KW_HOP_ASKED;
    if (kw_relay_message_get(first ? KW_RELAY_HOP : KW_RELAY_STOP, bytes, &message, NULL) != KW_OK)
        kw_hop_refuse(c, first ? KW_RELAY_MALFORMED : KW_RELAY_FAILED);
    else if (first)
        kw_hop_asked(c, &message);
    else if (message.type == KW_RELAY_STATUS && message.status == KW_RELAY_OK)
        opened(c);
    else
        kw_hop_refuse(c, KW_RELAY_FAILED);
    return false;
}

static void on_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    kw_hop_circuit *c = user;
    kw_hop_end *from = end_of(c, stream);
    /* Byte by byte to the end of a message: behind the answer of who is reached its connection
     * follows at once. */
    while (bytes.len > 0 && (c->phase == KW_HOP_ASKED || c->phase == KW_HOP_WAITING)) {
        if (c->phase == KW_HOP_WAITING && from == &c->ends[0])
            break; /* cannot be: it is paused */
        if (kw_frames_feed(&c->frames, (kw_bytes){bytes.data, 1}, on_message, c, NULL) != KW_OK)
            kw_hop_end_circuit(c);
        bytes.data++;
        bytes.len--;
    }
    if (bytes.len > 0 && c->phase == KW_HOP_OPEN)
        carry(c, from, bytes);
    else if (bytes.len > 0 && c->phase == KW_HOP_OPENING)
        kw_hop_end_circuit(c); /* it did not wait for the answer */
}

static void on_end(void *user, kw_stream *stream)
{
    kw_hop_circuit *c = user;
    kw_hop_end *from = end_of(c, stream);
    kw_hop_end *to = other_of(c, from);
    from->ended = true;
    if (c->phase == KW_HOP_OVER)
        kw_stream_finish(stream);
    else if (c->phase != KW_HOP_OPEN)
        kw_hop_end_circuit(c);
    else if (to->rest.len == 0 && to->stream)
        kw_stream_finish(to->stream);
}

static void on_drained(void *user, kw_stream *stream)
{
    kw_hop_circuit *c = user;
    if (c->phase == KW_HOP_OPEN)
        settle(c, end_of(c, stream));
}

static void on_closed(void *user, kw_stream *stream, kw_status why)
{
    kw_hop_circuit *c = user;
    kw_hop_end *end = end_of(c, stream);
    end->stream = NULL;
    if (why != KW_OK || !other_of(c, end)->ended)
        kw_hop_end_circuit(c);
    else if (!other_of(c, end)->stream)
        set_over(c);
    free_if_gone(c);
}

static const kw_stream_events events = {
    .data = on_data, .end = on_end, .drained = on_drained, .closed = on_closed};

/* ---- beginning ---- */

kw_hop_circuit *kw_hop_new_circuit(kw_hop *hop, kw_stream *stream)
{
    kw_hop_circuit *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->hop = hop;
    c->from = *kw_stream_peer(stream);
    c->ends[0].stream = stream;
    c->frames.max = KW_RELAY_MESSAGE_MAX;
    c->until_ms = now_of(c) + ASK_MS;
    c->next = hop->circuits;
    if (c->next)
        c->next->prev = c;
    hop->circuits = c;
    kw_stream_listen(stream, &events, c);
    return c;
}

static void on_stop(void *user, kw_stream *stream, kw_status status, const char *why)
{
    kw_hop_circuit *c = user;
    (void)status;
    (void)why;
    c->opening = false;
    if (!stream) {
        kw_hop_refuse(c, KW_RELAY_FAILED);
        free_if_gone(c);
        return;
    }
    c->ends[1].stream = stream;
    kw_stream_listen(stream, &events, c);
    if (c->phase != KW_HOP_OPENING) {
        kw_stream_reset(stream); /* who asked has gone meanwhile */
        return;
    }
    kw_relay_message ask = kw_hop_limit(c->hop);
    ask.type = KW_RELAY_CONNECT;
    ask.peer = c->from;
    c->phase = KW_HOP_WAITING;
    if (kw_relay_say(stream, KW_RELAY_STOP, &ask, NULL) != KW_OK)
        kw_hop_refuse(c, KW_RELAY_FAILED);
}

void kw_hop_connect(kw_hop_circuit *c)
{
    static const char *const ids[] = {KW_RELAY_STOP_ID};
    c->phase = KW_HOP_OPENING;
    c->opening = true;
    c->until_ms = now_of(c) + ASK_MS;
    kw_frames_free(&c->frames);
    kw_stream_pause(c->ends[0].stream, true);
    kw_host_stream(c->hop->host, &c->to, ids, 1, on_stop, c);
}
