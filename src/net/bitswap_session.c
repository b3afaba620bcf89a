/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bitswap_session.c - who is asked for what.
 *
 * A want waits, or is asked of one peer (WANT-BLOCK); the session's other peers are asked whether
 * they have it (WANT-HAVE), so that there is somebody to turn to. Invariant: a want is in exactly
 * one of the two lists, and a slot's `asked` counts the wants that are asked of it.
 *
 * Each peer is told of every want that waits (WANT-HAVE), and says so when it gets the block later:
 * so what is rare is known, and asked for first. A peer is asked for no more blocks than it sends
 * in AHEAD_MS: what it would hold up for longer others may have sooner. When nothing waits any
 * more, what a silent peer holds up goes to another one that has it.
 *
 * Events may do anything to sessions but close bitswap. One that is closed stays in memory until
 * the next turn, which no function of sessions is below; whoever tells an event looks at `closed`.
 */
#include "net/bitswap_internal.h"

#include "base/check.h"

#include <stdlib.h>

enum {
    BUCKETS = 4096,
    STALLS_MAX = 3, /* in a row, without a block in between */
    SCAN_MAX = 512,
    AHEAD_MS = 2000, /* a peer is asked for what it sends in so long */
    SILENT_MIN_MS = 4000,
    SLEPT_MS = 1000,
    ASK_AGAIN_MS = 10000, /* for what nobody had */
    END_WANTS = 4,        /* so few are left: a block may be asked of a second peer */
    HURRY_MIN_MS = 2000,
    HURRY_SILENT_MS = 500, /* of who has sent nothing meanwhile, or four times what it takes */
    DISTRUSTED = 10        /* by so much, a peer is asked for one block at first */
};

typedef struct want {
    kw_cid cid;
    uint64_t have, lack, told; /* a bit for each slot */
    uint64_t asked_of;         /* likewise: may still send it */
    int slot;                  /* it is asked of, -1: it waits */
    uint64_t asked_ms;
    uint64_t missing_ms; /* since when no peer has it; 0: some may */
    bool hurried;        /* asked of another peer before the first one was late */
    struct want *same;   /* the next of its bucket */
    struct want *next, **link;
} want;

typedef struct slot {
    bitswap_peer *peer; /* NULL: free */
    size_t asked, window;
    uint64_t progress_ms; /* the last block, or when the first was asked for */
    uint64_t pace;        /* 1/16 ms a block, averaged; a first guess is the time of an answer */
    uint64_t told_ms;     /* when it was first told of a want */
    unsigned stalls, distrust;
    bool sent; /* a block, in this session */
} slot;

struct kw_bitswap_session {
    kw_bitswap *bitswap;
    const kw_bitswap_events *events;
    void *user;
    slot slots[KW_BITSWAP_SESSION_PEERS];
    want *buckets[BUCKETS];
    want *waiting, *asked; /* lists */
    want **waiting_end;
    size_t n_wants;
    uint64_t serial;    /* of the last block it was given */
    uint64_t gap;       /* 1/16 ms between blocks of a peer that was asked, averaged over peers */
    uint64_t silent_ms; /* a peer may be silent for so long; grows with what comes after that */
    uint64_t ticked_ms;
    bool closed;
    bool dirty, starved;      /* for the next turn: something may be asked; no peer is left */
    kw_bitswap_session *next; /* of those that are open, or of those that were closed */
};

/* ---- wants ---- */

static want **bucket_of(kw_bitswap_session *s, const kw_cid *cid)
{
    return &s->buckets[bitswap_key(cid) % BUCKETS];
}

static want *find(kw_bitswap_session *s, const kw_cid *cid)
{
    for (want *w = *bucket_of(s, cid); w; w = w->same)
        if (memcmp(w->cid.digest, cid->digest, 32) == 0)
            return w;
    return NULL;
}

static void unlink_want(kw_bitswap_session *s, want *w)
{
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
    else if (s->waiting_end == &w->next)
        s->waiting_end = w->link;
}

static void link_front(want **list, want *w)
{
    w->next = *list;
    w->link = list;
    if (w->next)
        w->next->link = &w->next;
    *list = w;
}

static void put_waiting(kw_bitswap_session *s, want *w, bool first)
{
    w->slot = -1;
    if (first || !s->waiting) {
        link_front(&s->waiting, w);
        if (!w->next)
            s->waiting_end = &w->next;
        return;
    }
    w->next = NULL;
    w->link = s->waiting_end;
    *s->waiting_end = w;
    s->waiting_end = &w->next;
}

/* Asked no more: it waits before all others. */
static void release(kw_bitswap_session *s, want *w)
{
    s->slots[w->slot].asked--;
    unlink_want(s, w);
    put_waiting(s, w, true);
}

/* Takes a want out and frees it; who was asked and has not answered is told. */
static void end_want(kw_bitswap_session *s, want *w, const bitswap_peer *from)
{
    want **at = bucket_of(s, &w->cid);
    while (*at != w)
        at = &(*at)->same;
    *at = w->same;
    for (int i = 0; i < KW_BITSWAP_SESSION_PEERS; i++) {
        const uint64_t bit = (uint64_t)1 << i;
        const bool answered = (w->have & bit) && !(w->asked_of & bit); /* who lacks it remembers */
        if (s->slots[i].peer && (w->told & bit) && !answered && s->slots[i].peer != from)
            kw_bitswap_entry_add(s->slots[i].peer, &w->cid, false, true);
    }
    if (w->slot >= 0)
        s->slots[w->slot].asked--;
    unlink_want(s, w);
    kw_bitswap_settle(s->bitswap, &w->cid);
    s->n_wants--;
    free(w);
}

/* Its next turn is soon, outside of what runs now. */
static void touch(kw_bitswap_session *s)
{
    s->dirty = true;
    kw_bitswap_soon(s->bitswap);
}

/* ---- asking ---- */

static int slot_of(const kw_bitswap_session *s, const bitswap_peer *peer)
{
    for (int i = 0; i < KW_BITSWAP_SESSION_PEERS; i++)
        if (s->slots[i].peer == peer)
            return i;
    return -1;
}

static uint64_t live_slots(const kw_bitswap_session *s)
{
    uint64_t live = 0;
    for (int i = 0; i < KW_BITSWAP_SESSION_PEERS; i++)
        live |= s->slots[i].peer ? (uint64_t)1 << i : 0;
    return live;
}

/* The slot with room that would deliver it first; one that said it has it counts twice. -1: none.
 * *room: whether any slot could take another want. */
static int pick(const kw_bitswap_session *s, const want *w, bool *room)
{
    int best = -1;
    uint64_t best_cost = UINT64_MAX;
    *room = false;
    for (int i = 0; i < KW_BITSWAP_SESSION_PEERS; i++) {
        const slot *const at = &s->slots[i];
        const uint64_t bit = (uint64_t)1 << i;
        if (!at->peer || at->asked >= at->window)
            continue;
        *room = true;
        const uint64_t cost =
            (at->asked + 1) * (at->pace + 16) * (at->distrust + 10) * (w->have & bit ? 1 : 2);
        if (!(w->lack & bit) && cost < best_cost) {
            best_cost = cost;
            best = i;
        }
    }
    return best;
}

/* Asks all who were not told of it whether they have it. */
static void tell(kw_bitswap_session *s, want *w, uint64_t live)
{
    for (int i = 0; i < KW_BITSWAP_SESSION_PEERS; i++) {
        slot *const at = &s->slots[i];
        const uint64_t bit = (uint64_t)1 << i;
        if (!(live & bit) || (w->told & bit))
            continue;
        w->told |= bit;
        if (at->told_ms == 0)
            at->told_ms = kw_bitswap_now(s->bitswap);
        kw_bitswap_entry_add(at->peer, &w->cid, true, false);
    }
}

static void ask(kw_bitswap_session *s, want *w, int i)
{
    slot *const at = &s->slots[i];
    const uint64_t bit = (uint64_t)1 << i, now = kw_bitswap_now(s->bitswap);
    unlink_want(s, w);
    link_front(&s->asked, w);
    w->slot = i;
    w->asked_ms = now;
    w->told |= bit;
    w->asked_of |= bit;
    if (at->asked++ == 0)
        at->progress_ms = now;
    kw_bitswap_entry_add(at->peer, &w->cid, false, false);
}

static void flush(kw_bitswap_session *s)
{
    for (int i = 0; i < KW_BITSWAP_SESSION_PEERS; i++)
        if (s->slots[i].peer)
            kw_bitswap_flush(s->slots[i].peer);
}

/* What nobody has waits behind all others. The event may change the lists: false when it did. */
static bool tell_missing(kw_bitswap_session *s, uint64_t live)
{
    want *w = s->waiting;
    for (size_t n = 0; w && n < SCAN_MAX; n++, w = w->next) {
        if ((live & ~w->lack) != 0 || w->missing_ms != 0)
            continue;
        const kw_cid cid = w->cid;
        w->missing_ms = kw_bitswap_now(s->bitswap);
        unlink_want(s, w);
        put_waiting(s, w, false);
        s->events->missing(s->user, &cid);
        return false;
    }
    return true;
}

typedef struct candidate {
    want *want;
    size_t holders, place;
} candidate;

/* The rarest first, then those of which nobody has said that he has them; else in their order. */
static int compare(const void *a, const void *b)
{
    const candidate *const x = a, *const y = b;
    const size_t rx = x->holders - 1, ry = y->holders - 1; /* 0 becomes the largest */
    if (rx != ry)
        return rx < ry ? -1 : 1;
    return x->place < y->place ? -1 : 1;
}

static size_t count_bits(uint64_t bits)
{
    size_t n = 0;
    for (; bits; bits &= bits - 1)
        n++;
    return n;
}

/* Asks for what waits, as far as slots have room. */
static void schedule(kw_bitswap_session *s)
{
    candidate list[SCAN_MAX];
    const uint64_t live = live_slots(s);
    size_t n = 0;
    bool room = true, known = false;
    s->dirty = false;
    for (want *w = s->waiting; w && n < SCAN_MAX && live != 0; w = w->next) {
        if (live & ~w->lack)
            w->missing_ms = 0;
        list[n] = (candidate){w, count_bits(w->have & live), n};
        known = known || list[n].holders > 0;
        n++;
    }
    if (known)
        qsort(list, n, sizeof(list[0]), compare);
    for (size_t i = 0; i < n; i++) {
        const int best = room ? pick(s, list[i].want, &room) : -1;
        if (best >= 0)
            ask(s, list[i].want, best);
        if ((live & (live - 1)) != 0) /* there is somebody else */
            tell(s, list[i].want, live);
    }
    flush(s);
    if (live != 0 && !s->closed)
        s->dirty = !tell_missing(s, live);
}

static void run(kw_bitswap_session *s)
{
    while (!s->closed) {
        schedule(s);
        if (!s->dirty)
            return;
    }
}

/* ---- what peers say ---- */

static void note_progress(kw_bitswap_session *s, slot *at, uint64_t now)
{
    const uint64_t sample = (now - at->progress_ms) * 16;
    s->gap = s->gap ? (s->gap * 7 + sample) / 8 : sample;
    at->pace = (at->pace * 7 + sample) / 8;
    at->progress_ms = now;
    at->stalls = 0;
    at->sent = true;
    const uint64_t ahead = KW_MAX(AHEAD_MS * UINT64_C(16) / (at->pace + 1), UINT64_C(2));
    at->window = (size_t)KW_MIN(KW_MIN(at->window * UINT64_C(2), ahead), (uint64_t)BITSWAP_WINDOW);
}

bool kw_bitswap_session_block(kw_bitswap *b, bitswap_peer *from, const kw_cid *cid, kw_bytes data)
{
    const uint64_t serial = ++b->serial;
    bool wanted = false;
    kw_bitswap_session *s = b->sessions;
    while (s) {
        want *const w = s->serial == serial ? NULL : find(s, cid);
        if (!w) {
            s = s->next;
            continue;
        }
        const kw_cid name = w->cid;
        const int i = slot_of(s, from);
        wanted = true;
        s->serial = serial;
        if (i >= 0)
            note_progress(s, &s->slots[i], kw_bitswap_now(b));
        end_want(s, w, from);
        s->events->block(s->user, &name, data, &from->id);
        run(s);
        s = b->sessions; /* the list may be another now; who was served is passed over */
    }
    return wanted;
}

void kw_bitswap_session_presence(kw_bitswap *b, bitswap_peer *from, const kw_cid *cid, bool has)
{
    for (kw_bitswap_session *s = b->sessions; s; s = s->next) {
        const int i = slot_of(s, from);
        want *const w = i < 0 ? NULL : find(s, cid);
        if (!w)
            continue;
        const uint64_t bit = (uint64_t)1 << i, now = kw_bitswap_now(b);
        if (s->slots[i].pace == 0)
            s->slots[i].pace = (now - KW_MAX(s->slots[i].told_ms, w->asked_ms)) * 4 + 1;
        if (has)
            w->missing_ms = 0;
        w->have = has ? w->have | bit : w->have & ~bit;
        w->lack = has ? w->lack & ~bit : w->lack | bit;
        w->asked_of &= has ? ~UINT64_C(0) : ~bit;
        if (!has && w->slot == i)
            release(s, w);
        touch(s);
    }
}

/* Takes back what a want was asked of. */
static void cancel_want(kw_bitswap_session *s, want *w)
{
    kw_bitswap_entry_add(s->slots[w->slot].peer, &w->cid, false, true);
    w->asked_of &= ~((uint64_t)1 << w->slot);
}

/* What a slot was asked for waits again. */
static void release_slot(kw_bitswap_session *s, int i, bool cancel)
{
    for (want *w = s->asked, *next; w; w = next) {
        next = w->next;
        if (w->slot != i)
            continue;
        if (cancel)
            cancel_want(s, w);
        release(s, w);
    }
}

/* Forgets what a slot said, for the next peer that takes it or for the same one's second try. */
static void clear_bits(kw_bitswap_session *s, int i)
{
    const uint64_t others = ~((uint64_t)1 << i);
    want *const lists[2] = {s->waiting, s->asked};
    for (size_t l = 0; l < 2; l++)
        for (want *w = lists[l]; w; w = w->next) {
            w->have &= others;
            w->lack &= others;
            w->told &= others;
            w->asked_of &= others;
        }
}

static void free_slot(kw_bitswap_session *s, int i, bool cancel)
{
    release_slot(s, i, cancel);
    clear_bits(s, i);
    s->slots[i].peer->n_slots--;
    s->slots[i] = (slot){0};
}

void kw_bitswap_session_again(kw_bitswap *b, bitswap_peer *peer)
{
    for (kw_bitswap_session *s = b->sessions; s; s = s->next) {
        const int i = slot_of(s, peer);
        if (i < 0)
            continue;
        release_slot(s, i, false);
        clear_bits(s, i);
        touch(s);
    }
}

void kw_bitswap_session_drop(kw_bitswap *b, bitswap_peer *peer)
{
    for (kw_bitswap_session *s = b->sessions; s; s = s->next) {
        const int i = slot_of(s, peer);
        if (i < 0)
            continue;
        free_slot(s, i, false);
        s->starved = live_slots(s) == 0;
        touch(s);
    }
}

/* ---- time ---- */

/* For how long a peer may send nothing of what it was asked for: four times what a block takes,
 * within bounds. A block that is on its way for long is not silence, up to a point. */
static bool is_silent(const kw_bitswap_session *s, const slot *at, uint64_t now)
{
    const uint64_t most = s->bitswap->config.stall_ms;
    const uint64_t usual = KW_MAX(at->pace / 4, s->silent_ms);
    const uint64_t heard = KW_MAX(at->progress_ms, at->peer->heard_ms);
    return now - heard > KW_MIN(usual, most) || now - at->progress_ms > 6 * most;
}

void kw_bitswap_session_late(kw_bitswap *b, bitswap_peer *from)
{
    for (kw_bitswap_session *s = b->sessions; s; s = s->next)
        if (slot_of(s, from) >= 0)
            s->silent_ms = KW_MIN(s->silent_ms + s->silent_ms / 4, b->config.stall_ms);
}

/* When this process was not run for a while, nobody's silence means anything. */
static void forgive(kw_bitswap_session *s, uint64_t now)
{
    const bool slept = s->ticked_ms != 0 && now - s->ticked_ms > SLEPT_MS;
    s->ticked_ms = now;
    for (int i = 0; slept && i < KW_BITSWAP_SESSION_PEERS; i++)
        s->slots[i].progress_ms = now;
}

static void check_stalls(kw_bitswap_session *s, uint64_t now)
{
    for (int i = 0; i < KW_BITSWAP_SESSION_PEERS; i++) {
        slot *const at = &s->slots[i];
        if (at->asked == 0)
            at->pace -= at->pace / 8; /* what is known of who has nothing to do grows old */
        if (!at->peer || at->asked == 0 || !is_silent(s, at, now))
            continue;
        bitswap_peer *const peer = at->peer;
        peer->silent = true;
        if (++at->stalls >= STALLS_MAX) {
            free_slot(s, i, true);
            s->starved = live_slots(s) == 0;
        } else {
            release_slot(s, i, true);
            at->window = 1;
            at->pace += s->bitswap->config.stall_ms * 16;
        }
        s->dirty = true;
        kw_bitswap_blame(s->bitswap, peer, KW_BITSWAP_STALLED);
    }
}

/* What nobody had for a while is asked for anew: a peer may have forgotten that it was asked. */
static void ask_again(kw_bitswap_session *s, uint64_t now)
{
    for (want *w = s->waiting; w; w = w->next) {
        if (w->missing_ms == 0 || now - w->missing_ms < ASK_AGAIN_MS)
            continue;
        w->missing_ms = 0;
        w->have = w->lack = w->told = 0;
    }
}

/* Whether a peer has sent nothing for longer than it usually takes it, and others. */
static bool keeps_waiting(const kw_bitswap_session *s, const slot *at, uint64_t now)
{
    const uint64_t heard = KW_MAX(at->progress_ms, at->peer->heard_ms);
    return now - heard > KW_MAX((uint64_t)HURRY_SILENT_MS, KW_MAX(at->pace, s->gap) / 4);
}

/* Those who send blocks and have time for more. */
static uint64_t idle_slots(const kw_bitswap_session *s, uint64_t now)
{
    uint64_t idle = 0;
    for (int i = 0; i < KW_BITSWAP_SESSION_PEERS; i++) {
        const slot *const at = &s->slots[i];
        if (at->peer && at->sent && !at->peer->silent && at->asked <= at->window / 2 &&
            (at->asked == 0 || !keeps_waiting(s, at, now)))
            idle |= (uint64_t)1 << i;
    }
    return idle;
}

/* Whether the last wants may be asked twice for it. */
static bool is_late(const kw_bitswap_session *s, const want *w, uint64_t now)
{
    const slot *const at = &s->slots[w->slot];
    const uint64_t late_ms = KW_MAX((uint64_t)HURRY_MIN_MS, at->pace * (at->asked + 2) / 4);
    return s->n_wants <= END_WANTS && now - w->asked_ms >= late_ms;
}

/* At the end, when nothing waits and a peer has time, it gets what a silent one holds up; and the
 * last wants of all, which another one is slow to send, are asked of it too. Each once. */
static void hurry(kw_bitswap_session *s, uint64_t now)
{
    const uint64_t idle = s->waiting ? 0 : idle_slots(s, now);
    for (want *w = idle ? s->asked : NULL, *next; w; w = next) {
        next = w->next;
        slot *const at = &s->slots[w->slot];
        const bool silent = keeps_waiting(s, at, now);
        bool room;
        if (w->hurried || (!silent && !is_late(s, w, now)))
            continue;
        const uint64_t able = idle & ~((uint64_t)1 << w->slot) & (silent ? w->have : ~w->lack);
        const want others = {.have = w->have, .lack = ~able};
        const int i = pick(s, &others, &room);
        if (i < 0 || (!silent && s->slots[i].asked > 0))
            continue;
        w->hurried = true;
        if (silent) {
            cancel_want(s, w);
            at->window = 1;
            at->peer->silent = true;
        }
        release(s, w);
        ask(s, w, i);
    }
}

void kw_bitswap_session_turn(kw_bitswap *b)
{
    kw_bitswap_session *s = b->sessions;
    while (s) {
        if (!s->dirty && !s->starved) {
            s = s->next;
            continue;
        }
        const bool starved = s->starved && s->n_wants > 0;
        s->starved = s->dirty = false;
        if (starved && s->events->starved)
            s->events->starved(s->user);
        run(s);
        s = b->sessions;
    }
}

void kw_bitswap_session_tick(kw_bitswap *b, uint64_t now_ms)
{
    for (kw_bitswap_session *s = b->sessions; s; s = s->next) {
        forgive(s, now_ms);
        check_stalls(s, now_ms);
        ask_again(s, now_ms);
        hurry(s, now_ms);
        s->dirty = true;
    }
    kw_bitswap_session_turn(b);
}

/* ---- for its owner ---- */

kw_status kw_bitswap_session_open(kw_bitswap *bitswap, const kw_bitswap_events *events, void *user,
                                  kw_bitswap_session **out, kw_error *err)
{
    kw_bitswap_session *const s = calloc(1, sizeof(*s));
    if (!s)
        return kw_fail(err, KW_E_NOMEM, "bitswap: out of memory");
    s->bitswap = bitswap;
    s->events = events;
    s->user = user;
    s->waiting_end = &s->waiting;
    s->silent_ms = SILENT_MIN_MS;
    s->next = bitswap->sessions;
    bitswap->sessions = s;
    bitswap->info.n_sessions++;
    *out = s;
    return KW_OK;
}

void kw_bitswap_session_close(kw_bitswap_session *session)
{
    if (!session || session->closed)
        return;
    while (session->waiting)
        end_want(session, session->waiting, NULL);
    while (session->asked)
        end_want(session, session->asked, NULL);
    flush(session);
    for (int i = 0; i < KW_BITSWAP_SESSION_PEERS; i++)
        if (session->slots[i].peer)
            free_slot(session, i, false);
    kw_bitswap *const b = session->bitswap;
    kw_bitswap_session **at = &b->sessions;
    while (*at != session)
        at = &(*at)->next;
    *at = session->next;
    session->next = b->closed;
    b->closed = session;
    session->closed = true;
    b->info.n_sessions--;
    kw_bitswap_soon(b);
}

void kw_bitswap_session_sweep(kw_bitswap *b)
{
    while (b->closed) {
        kw_bitswap_session *const s = b->closed;
        b->closed = s->next;
        free(s);
    }
}

kw_status kw_bitswap_add_peer(kw_bitswap_session *session, const kw_peer_id *peer, kw_error *err)
{
    bitswap_peer *const p = kw_bitswap_peer_get(session->bitswap, peer);
    if (!p && session->bitswap->n_peers == BITSWAP_PEERS)
        return kw_fail(err, KW_E_LIMIT, "bitswap: more than %d peers", BITSWAP_PEERS);
    if (!p)
        return kw_fail(err, KW_E_NOMEM, "bitswap: no memory for a peer");
    int i = slot_of(session, p);
    if (i < 0) {
        i = slot_of(session, NULL);
        if (i < 0)
            return kw_fail(err, KW_E_LIMIT, "bitswap: a session of more than %d peers",
                           KW_BITSWAP_SESSION_PEERS);
        session->slots[i].peer = p;
        p->n_slots++;
    }
    clear_bits(session, i);
    session->slots[i].stalls = 0;
    const kw_bitswap_config *const config = &session->bitswap->config;
    session->slots[i].distrust =
        config->distrust ? KW_MIN(config->distrust(config->user, peer), 100U) : 0;
    const bool doubtful = p->silent || session->slots[i].distrust >= DISTRUSTED;
    session->slots[i].window = doubtful ? 1 : BITSWAP_WINDOW_FIRST;
    touch(session);
    return KW_OK;
}

void kw_bitswap_remove_peer(kw_bitswap_session *session, const kw_peer_id *peer)
{
    for (int i = 0; i < KW_BITSWAP_SESSION_PEERS; i++)
        if (session->slots[i].peer && kw_peer_id_equal(&session->slots[i].peer->id, peer)) {
            free_slot(session, i, true);
            touch(session);
        }
}

static kw_status add_want(kw_bitswap_session *s, const kw_cid *cid, kw_error *err)
{
    if (cid->hash != KW_HASH_SHA2_256)
        return kw_fail(err, KW_E_UNSUPPORTED, "bitswap: a block by hash 0x%x; SHA-256 is verified",
                       cid->hash);
    if (find(s, cid))
        return KW_OK;
    if (s->n_wants == KW_BITSWAP_SESSION_WANTS)
        return kw_fail(err, KW_E_LIMIT, "bitswap: more than %d blocks wanted",
                       KW_BITSWAP_SESSION_WANTS);
    want *const w = calloc(1, sizeof(*w));
    if (!w)
        return kw_fail(err, KW_E_NOMEM, "bitswap: out of memory");
    w->cid = *cid;
    w->same = *bucket_of(s, cid);
    *bucket_of(s, cid) = w;
    put_waiting(s, w, false);
    s->n_wants++;
    return KW_OK;
}

kw_status kw_bitswap_want(kw_bitswap_session *session, const kw_cid *cids, size_t n, kw_error *err)
{
    kw_status status = KW_OK;
    for (size_t i = 0; i < n && status == KW_OK; i++)
        status = add_want(session, &cids[i], err);
    touch(session);
    return status;
}

void kw_bitswap_unwant(kw_bitswap_session *session, const kw_cid *cid)
{
    want *const w = find(session, cid);
    if (w)
        end_want(session, w, NULL);
    touch(session);
}

size_t kw_bitswap_wanted(const kw_bitswap_session *session)
{
    return session->n_wants;
}
