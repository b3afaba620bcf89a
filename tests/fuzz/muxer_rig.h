/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* muxer_rig.h - the two sides of a muxer that a fuzzer drives: an owner that holds back at times,
 * and streams that echo, pause, reset and end as the bytes say which they get. When all is over no
 * stream may be left. */
#ifndef KW_TEST_FUZZ_MUXER_RIG_H
#define KW_TEST_FUZZ_MUXER_RIG_H

#include "net/muxer.h"
#include "promise.h"

typedef struct muxer_rig {
    kw_muxer muxer;
    kw_peer_id peer;
    int n_open; /* streams that were told of, and not yet that they are closed */
} muxer_rig;

static inline bool rig_held(void *user)
{
    return ((muxer_rig *)user)->muxer.now_ms % 5 == 4;
}

static inline void rig_data(void *user, kw_stream *s, kw_bytes bytes)
{
    (void)user;
    switch (bytes.data[0] % 8) {
    case 0:
        kw_stream_reset(s);
        break;
    case 1:
        kw_stream_pause(s, true);
        break;
    case 2:
        kw_stream_finish(s);
        break;
    default:
        if (kw_stream_room(s) >= bytes.len)
            (void)kw_stream_write(s, bytes, NULL);
    }
}

static inline void rig_closed(void *user, kw_stream *s, kw_status why)
{
    (void)s;
    (void)why;
    ((muxer_rig *)user)->n_open--;
}

static const kw_stream_events RIG_EVENTS = {.data = rig_data, .closed = rig_closed};

static inline bool rig_incoming(void *user, kw_stream *stream, const char *protocol)
{
    promise(protocol[0] != '\0');
    ((muxer_rig *)user)->n_open++;
    kw_stream_listen(stream, &RIG_EVENTS, user);
    return true;
}

static inline bool rig_speaks(void *user, const char *protocol)
{
    (void)user;
    return protocol[0] == '/';
}

static inline void rig_fail(void *user, kw_status status, const char *reason)
{
    promise(status != KW_OK && reason[0] != '\0');
    kw_muxer_end(&((muxer_rig *)user)->muxer, KW_E_IO);
}

static inline void rig_soon(void *user)
{
    (void)user;
}

static inline void rig_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    promise(stream ? status == KW_OK : why != NULL);
    if (!stream)
        return;
    ((muxer_rig *)user)->n_open++;
    kw_stream_listen(stream, &RIG_EVENTS, user);
}

/* The owner's table; `write` gets the frames of a muxer that makes frames. */
static inline kw_muxer_owner rig_owner(void (*write)(void *user, kw_bytes header, kw_bytes payload))
{
    return (kw_muxer_owner){.write = write,
                            .held = rig_held,
                            .incoming = rig_incoming,
                            .speaks = rig_speaks,
                            .fail = rig_fail,
                            .soon = rig_soon};
}

/* Opens the muxer, whose kind and limits are set, and asks for a stream of it; false without
 * memory. */
static inline bool rig_open(muxer_rig *r, const kw_muxer_owner *owner)
{
    static const char *const names[] = {"/a", "/b"};
    r->muxer.owner = owner;
    r->muxer.owner_user = r;
    r->muxer.peer = &r->peer;
    r->muxer.max_inbound = 8;
    r->muxer.now_ms = 1000;
    if (kw_muxer_open(&r->muxer, NULL) != KW_OK)
        return false;
    kw_muxer_dial(&r->muxer, names, 2, rig_opened, r);
    return true;
}

static inline void rig_turn(muxer_rig *r)
{
    r->muxer.blocked = false;
    kw_muxer_pump(&r->muxer);
    kw_muxer_sweep(&r->muxer);
}

/* Ends the muxer, which must have let go of everything. */
static inline void rig_end(muxer_rig *r)
{
    kw_muxer_end(&r->muxer, KW_E_IO);
    rig_turn(r);
    promise(r->n_open == 0 && r->muxer.n_streams == 0 && r->muxer.n_unacknowledged == 0);
    promise(r->muxer.kept == 0);
    kw_muxer_free(&r->muxer);
}

#endif
