/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* connection_handshake.c - from the first byte to a muxer: agree on noise; its three messages;
 * agree on yamux unless both named it in the handshake. Over channels noise comes at once and names
 * who the peer is: the transport seals. */
#include "net/connection_internal.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

static const char *const noise_id = "/noise", *const yamux_id = "/yamux/1.0.0";

static bool speaks_noise(void *user, const char *protocol)
{
    (void)user;
    return strcmp(protocol, noise_id) == 0;
}

static bool speaks_yamux(void *user, const char *protocol)
{
    (void)user;
    return strcmp(protocol, yamux_id) == 0;
}

static bool begin_talk(kw_connection *c, const char *const *protocol, kw_buf *out)
{
    c->talk = malloc(sizeof *c->talk);
    if (!c->talk) {
        kw_connection_fail(c, KW_E_NOMEM, "no memory to agree on %s", *protocol);
        return false;
    }
    if (c->initiator)
        kw_multistream_propose(c->talk, protocol, 1, out);
    else
        kw_multistream_answer(c->talk, *protocol == noise_id ? speaks_noise : speaks_yamux, NULL,
                              out);
    if (kw_buf_status(out, NULL) != KW_OK) {
        kw_connection_fail(c, KW_E_NOMEM, "no memory to agree on %s", *protocol);
        return false;
    }
    return true;
}

void kw_connection_agree(kw_connection *c, kw_buf *out)
{
    (void)begin_talk(c, &noise_id, out);
}

static void free_noise(kw_connection *c)
{
    if (c->noise)
        kw_crypto_wipe(c->noise, sizeof *c->noise);
    free(c->noise);
    c->noise = NULL;
}

static void free_talk(kw_connection *c)
{
    if (c->talk)
        kw_multistream_free(c->talk);
    free(c->talk);
    c->talk = NULL;
}

static void open_muxer(kw_connection *c)
{
    c->phase = PHASE_OPEN;
    if (!c->muxer.channels)
        kw_muxer_ping(&c->muxer); /* the round trip, for the growth of windows */
    c->owner->secured(c->user, &c->peer);
}

/* Sends our next message of the handshake. */
static kw_status send_noise(kw_connection *c, kw_error *err)
{
    kw_buf payload = {0}, message = {0};
    kw_status status = KW_OK;
    static const char no_len[KW_FRAME_LEN];
    if (c->noise->step > 0)
        KW_GOTO(status, kw_noise_payload(c->noise, c->identity, c->muxer.channels ? NULL : yamux_id,
                                         &payload, err));
    kw_buf_add(&message, no_len, KW_FRAME_LEN);
    KW_GOTO(status, kw_noise_write(c->noise, (kw_bytes){(const uint8_t *)payload.data, payload.len},
                                   &message, err));
    message.data[0] = (char)((message.len - KW_FRAME_LEN) >> 8);
    message.data[1] = (char)(message.len - KW_FRAME_LEN);
    kw_connection_send_plain(c, &message);
fail:
    kw_buf_free(&payload);
    kw_buf_free(&message);
    return status;
}

/* Who the peer says it is, and whether that is right. */
static kw_status meet(kw_connection *c, kw_bytes payload, bool *early, kw_error *err)
{
    kw_bytes key;
    bool named, same;
    KW_TRY(kw_noise_check(c->noise, payload, yamux_id, &key, &c->peer, &named, &same, err));
    if (c->expected.len && !kw_peer_id_equal(&c->expected, &c->peer)) {
        char found[KW_PEER_ID_TEXT_MAX];
        kw_peer_id_text(&c->peer, found);
        return kw_fail(err, KW_E_FORMAT, "another peer answered than was expected: %s", found);
    }
    if (named && !same && !c->muxer.channels)
        return kw_fail(err, KW_E_UNSUPPORTED, "noise: the peer speaks no muxer that we do (%s)",
                       yamux_id);
    *early = same || c->muxer.channels;
    uint8_t *copy = malloc(key.len);
    if (!copy)
        return kw_fail(err, KW_E_NOMEM, "noise: no memory for a key");
    memcpy(copy, key.data, key.len);
    c->key = (kw_bytes){copy, key.len};
    return KW_OK;
}

static kw_status finish_noise(kw_connection *c, kw_error *err)
{
    if (c->muxer.channels) { /* the transport seals */
        free_noise(c);
        return KW_OK;
    }
    uint8_t send[32], receive[32];
    KW_TRY(kw_noise_split(c->noise, send, receive, err));
    kw_status status = kw_aead_open(send, true, &c->seal, err);
    if (status == KW_OK)
        status = kw_aead_open(receive, false, &c->unseal, err);
    kw_crypto_wipe(send, sizeof send);
    kw_crypto_wipe(receive, sizeof receive);
    free_noise(c);
    return status;
}

static kw_status read_noise(kw_connection *c, kw_bytes message, bool *early, kw_error *err)
{
    kw_buf payload = {0};
    kw_status status;
    KW_GOTO(status, kw_noise_read(c->noise, message, &payload, err));
    if (c->noise->step > 1)
        KW_GOTO(status,
                meet(c, (kw_bytes){(const uint8_t *)payload.data, payload.len}, early, err));
    if (kw_noise_ours(c->noise))
        KW_GOTO(status, send_noise(c, err));
    if (kw_noise_over(c->noise))
        KW_GOTO(status, finish_noise(c, err));
fail:
    kw_buf_free(&payload);
    return status;
}

/* After the handshake: the muxer is known, or is agreed on now. */
static void choose_muxer(kw_connection *c, bool early)
{
    if (early) {
        open_muxer(c);
        return;
    }
    c->phase = PHASE_MUXER;
    kw_buf buf = {0};
    if (begin_talk(c, &yamux_id, &buf))
        kw_connection_put(c, (kw_bytes){(const uint8_t *)buf.data, buf.len});
    kw_buf_free(&buf);
}

void kw_connection_take_noise(kw_connection *c, kw_bytes message)
{
    kw_error err;
    bool early = false;
    const kw_status status = read_noise(c, message, &early, &err);
    if (status != KW_OK)
        kw_connection_fail(c, status, "%s", err.message);
    else if (!c->noise)
        choose_muxer(c, early);
}

void kw_connection_begin_noise(kw_connection *c, kw_bytes prologue)
{
    kw_error err = {0};
    c->phase = PHASE_NOISE;
    c->noise = malloc(sizeof *c->noise);
    kw_status status = KW_E_NOMEM;
    if (c->noise)
        status = kw_noise_begin(c->noise, c->initiator, prologue, NULL, NULL, &err);
    if (status == KW_OK && kw_noise_ours(c->noise))
        status = send_noise(c, &err);
    if (status != KW_OK)
        kw_connection_fail(c, status, "noise: %s", err.message[0] ? err.message : "no memory");
}

kw_bytes kw_connection_take_talk(kw_connection *c, kw_bytes bytes)
{
    kw_buf out = {0};
    size_t used;
    const bool clear = c->phase == PHASE_SECURITY;
    const kw_multistream_state state = kw_multistream_feed(c->talk, bytes, &used, &out);
    if (kw_buf_status(&out, NULL) != KW_OK)
        kw_connection_fail(c, KW_E_NOMEM, "no memory to agree on a protocol");
    else if (clear)
        kw_connection_send_plain(c, &out);
    else
        kw_connection_put(c, (kw_bytes){(const uint8_t *)out.data, out.len});
    kw_buf_free(&out);
    if (state == KW_MULTISTREAM_NONE)
        kw_connection_fail(c, KW_E_UNSUPPORTED, "the peer does not speak %s",
                           clear ? noise_id : yamux_id);
    else if (state == KW_MULTISTREAM_BAD)
        kw_connection_fail(c, KW_E_FORMAT, "the peer broke the rules of multistream-select");
    if (state == KW_MULTISTREAM_DONE && !c->dead) {
        free_talk(c);
        if (clear)
            kw_connection_begin_noise(c, (kw_bytes){0});
        else
            open_muxer(c);
    }
    return (kw_bytes){bytes.data + used, bytes.len - used};
}

void kw_connection_forget_handshake(kw_connection *c)
{
    free_noise(c);
    free_talk(c);
}
