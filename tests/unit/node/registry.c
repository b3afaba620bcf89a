/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* registry.c - manifests between hosts over loopback: by name, by SHA-256, by publisher; one of
 * megabytes; and peers that answer with something else, too much, or nothing. */
#include "node/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/sha256.h"
#include "hub/trust.h"
#include "net/frame.h"

typedef struct side {
    kw_identity identity;
    kw_host *host;
    kw_index *index;
    kw_guard *guard;
    kw_registry *registry;
    bool closed;
} side;

typedef struct said {
    bool done, idle;
    kw_status status;
    size_t n_answers, n_entries, len;
    bool more;
    kw_registry_entry first, last;
} said;

typedef struct world {
    kw_loop *loop;
    side a, b;
    kw_secret_key key;
} world;

static void open_side(side *s, kw_loop *loop, uint8_t seed)
{
    uint8_t secret[32];
    kw_multiaddr any;
    memset(secret, seed, sizeof secret);
    *s = (side){0};
    assert_int_equal(kw_identity_of_seed(secret, &s->identity, NULL), KW_OK);
    kw_host_config host = {.loop = loop, .identity = &s->identity, .agent = "kwaai/test"};
    assert_int_equal(kw_guard_open(loop, NULL, NULL, &s->guard, NULL), KW_OK);
    kw_guard_gate(s->guard, &host);
    assert_int_equal(kw_host_open(&host, &s->host, NULL), KW_OK);
    kw_guard_attach(s->guard, s->host);
    assert_int_equal(kw_multiaddr_parse(KW_STR("/ip4/127.0.0.1/tcp/0"), &any, NULL), KW_OK);
    assert_int_equal(kw_host_listen(s->host, &any, NULL), KW_OK);
    assert_int_equal(kw_index_open(":memory:", &s->index, NULL), KW_OK);
}

/* ask_ms: as in its configuration. */
static void speak_for(side *s, bool answers, uint32_t ask_ms)
{
    const kw_registry_config config = {
        .host = s->host, .index = answers ? s->index : NULL, .guard = s->guard, .ask_ms = ask_ms};
    assert_int_equal(kw_registry_open(&config, &s->registry, NULL), KW_OK);
}

static void speak(side *s, bool answers)
{
    speak_for(s, answers, 0);
}

static void on_closed(void *user)
{
    ((side *)user)->closed = true;
}

static void close_side(side *s, kw_loop *loop)
{
    kw_registry_close(s->registry);
    kw_guard_attach(s->guard, NULL);
    kw_host_close(s->host, on_closed, s);
    for (int i = 0; i < 500 && !s->closed; i++)
        kw_loop_step(loop, 10);
    assert_true(s->closed);
    kw_guard_close(s->guard);
    kw_index_close(s->index);
}

static void on_connected(void *user, const kw_peer_id *peer, kw_status status, const char *why)
{
    (void)peer;
    (void)why;
    assert_int_equal(status, KW_OK);
    *(bool *)user = true;
}

static void connect_sides(world *w)
{
    bool there = false;
    kw_host_connect(w->b.host, kw_host_id(w->a.host), NULL, on_connected, &there);
    for (int i = 0; i < 500 && !there; i++)
        kw_loop_step(w->loop, 10);
    assert_true(there);
}

/* What one side holds against the other, which is forgiven. A ban ends their connection. */
static double take_points(world *w, side *of, const side *whom)
{
    kw_reputation *const r = kw_guard_reputation(of->guard);
    const kw_peer_id *const peer = kw_host_id(whom->host);
    const bool banned = !kw_reputation_allows(r, peer, NULL);
    const double points = banned ? 100 : -kw_reputation_score(r, peer);
    for (int i = 0; i < 500 && banned && kw_host_connected(of->host, peer); i++)
        kw_loop_step(w->loop, 10);
    (void)kw_reputation_unban(r, peer, NULL, NULL);
    if (banned) {
        for (int i = 0; i < 20; i++)
            kw_loop_step(w->loop, 5);
        connect_sides(w);
    }
    return points;
}

static bool is_about(double points, double wanted)
{
    return points > wanted - 0.5 && points < wanted + 0.5;
}

/* b knows a, and is connected to it. */
static int open_world(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    *state = w;
    assert_int_equal(kw_loop_open(&w->loop, NULL), KW_OK);
    assert_int_equal(kw_secret_key_new(&w->key, NULL), KW_OK);
    open_side(&w->a, w->loop, 1);
    open_side(&w->b, w->loop, 2);
    kw_multiaddr addr;
    assert_int_equal(kw_host_addrs(w->a.host, &addr, 1), 1);
    kw_host_learn(w->b.host, kw_host_id(w->a.host), &addr, 1, 600000);
    connect_sides(w);
    return 0;
}

static int close_world(void **state)
{
    world *w = *state;
    close_side(&w->b, w->loop);
    close_side(&w->a, w->loop);
    kw_loop_close(w->loop);
    free(w);
    return 0;
}

/* The manifest of a model of one file. */
static kw_buf state_of(const char *model)
{
    kw_manifest_file file = {.name = "a.gguf", .size = 3, .sized = true};
    const kw_manifest manifest = {.model = model, .files = &file, .n_files = 1};
    kw_buf out = {0};
    assert_int_equal(kw_manifest_put(&manifest, &out, NULL), KW_OK);
    return out;
}

/* Offers a manifest; its SHA-256. */
static void offer(world *w, const char *model, uint64_t version, kw_str body, bool offered,
                  uint8_t sha256[32])
{
    kw_buf comment = {0}, signature = {0};
    kw_trust_comment(model, version, 1, &comment);
    assert_int_equal(kw_signature_make(&w->key, (kw_bytes){(const uint8_t *)body.data, body.len},
                                       comment.data, &signature, NULL),
                     KW_OK);
    kw_index_manifest m = {.model = model,
                           .version = version,
                           .body = body,
                           .signature = {signature.data, signature.len},
                           .offered = offered};
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(false));
    kw_sha256_update(&hash, body.data, body.len);
    kw_sha256_final(&hash, m.sha256);
    memcpy(sha256, m.sha256, 32);
    assert_int_equal(kw_index_put_manifest(w->a.index, &m, NULL), KW_OK);
    kw_buf_free(&comment);
    kw_buf_free(&signature);
}

static void take(said *s, const kw_registry_answer *answer)
{
    kw_registry_entry entry;
    size_t at = 0;
    s->n_answers++;
    s->len = answer->manifest.len;
    s->more = answer->more;
    s->n_entries = answer->n_entries;
    for (size_t i = 0; kw_registry_next(answer, &at, &entry); i++) {
        s->first = i == 0 ? entry : s->first;
        s->last = entry;
    }
}

static void on_done(void *user, kw_status status, const kw_registry_answer *answer)
{
    said *s = user;
    assert_false(s->done);
    s->done = true;
    s->status = status;
    if (status == KW_OK)
        take(s, answer);
}

static said ask(world *w, const kw_registry_question *question)
{
    said s = {0};
    kw_registry_ask *asked;
    assert_int_equal(kw_registry_ask_peer(w->b.registry, kw_host_id(w->a.host), question, on_done,
                                          &s, &asked, NULL),
                     KW_OK);
    for (int i = 0; i < 1000 && !s.done; i++)
        kw_loop_step(w->loop, 10);
    assert_true(s.done);
    return s;
}

static kw_registry_question by_name(const char *name)
{
    kw_registry_question q = {.by = KW_REGISTRY_BY_NAME};
    memcpy(q.name, name, strlen(name) + 1);
    return q;
}

static kw_registry_question by_manifest(const uint8_t sha256[32])
{
    kw_registry_question q = {.by = KW_REGISTRY_BY_MANIFEST};
    memcpy(q.sha256, sha256, 32);
    return q;
}

static void test_asks(void **state)
{
    world *w = *state;
    uint8_t sha256[32], other[32];
    kw_buf body = state_of("me/model");
    offer(w, "me/model", 7, (kw_str){body.data, body.len}, true, sha256);
    offer(w, "me/hidden", 7, KW_STR("not offered"), false, other);
    speak(&w->a, true);
    speak(&w->b, false);
    kw_registry_question q = by_name("ME/Model");
    said s = ask(w, &q);
    assert_int_equal(s.status, KW_OK);
    assert_int_equal(s.len, body.len);
    kw_buf_free(&body);
    q = by_manifest(sha256);
    assert_int_equal(ask(w, &q).status, KW_OK);
    q = by_manifest(other);
    assert_int_equal(ask(w, &q).status, KW_E_NOTFOUND);
    q = by_name("me/hidden");
    assert_int_equal(ask(w, &q).status, KW_E_NOTFOUND);
    q = by_name("me/nothing");
    assert_int_equal(ask(w, &q).status, KW_E_NOTFOUND);
    kw_registry_info info;
    kw_registry_get_info(w->a.registry, &info);
    assert_int_equal(info.n_offered, 1);
    assert_int_equal(info.n_answered, 5);
    assert_true(is_about(take_points(w, &w->b, &w->a), 0));
    assert_true(is_about(take_points(w, &w->a, &w->b), 0));
}

/* More than a stream's queue holds: it goes out in pieces. */
static void test_large(void **state)
{
    world *w = *state;
    const size_t len = 6 << 20;
    uint8_t sha256[32];
    char *body = malloc(len);
    assert_non_null(body);
    memset(body, 'x', len);
    offer(w, "me/large", 1, (kw_str){body, len}, true, sha256);
    speak(&w->a, true);
    speak(&w->b, false);
    const kw_registry_question q = by_manifest(sha256);
    const said s = ask(w, &q);
    assert_int_equal(s.status, KW_OK);
    assert_int_equal(s.len, len);
    free(body);
}

static void test_list(void **state)
{
    world *w = *state;
    uint8_t sha256[32];
    char name[32];
    const size_t n = KW_REGISTRY_ENTRIES + 5;
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(name, sizeof name, "me/m%05zu", i);
        offer(w, name, i + 1, kw_str_from(name), true, sha256);
    }
    speak(&w->a, true);
    speak(&w->b, false);
    kw_registry_question q = {.by = KW_REGISTRY_BY_PUBLISHER};
    memcpy(q.publisher, w->key.id, KW_KEY_ID_LEN);
    said s = ask(w, &q);
    assert_int_equal(s.status, KW_OK);
    assert_int_equal(s.n_entries, KW_REGISTRY_ENTRIES);
    assert_true(s.more);
    assert_string_equal(s.first.name, "me/m00000");
    assert_int_equal(s.last.version, KW_REGISTRY_ENTRIES);
    memcpy(q.after, s.last.name, sizeof q.after);
    s = ask(w, &q);
    assert_int_equal(s.n_entries, 5);
    assert_false(s.more);
    assert_memory_equal(s.last.sha256, sha256, 32);
    q.publisher[0] ^= 1;
    assert_int_equal(ask(w, &q).n_entries, 0);
}

/* ---- everybody ---- */

static void on_answer(void *user, const kw_peer_id *from, const kw_registry_answer *answer)
{
    assert_true(from->len > 0);
    take(user, answer);
}

static void on_idle(void *user)
{
    ((said *)user)->idle = true;
}

static void test_search(void **state)
{
    static const kw_registry_search_events events = {on_answer, on_idle};
    world *w = *state;
    uint8_t sha256[32];
    said s = {0};
    kw_registry_search *search;
    kw_buf body = state_of("me/model");
    offer(w, "me/model", 7, (kw_str){body.data, body.len}, true, sha256);
    kw_buf_free(&body);
    speak(&w->a, true);
    speak(&w->b, false);
    const kw_registry_question q = by_name("me/model");
    for (int i = 0;
         i < 500 && !kw_host_peer_speaks(w->b.host, kw_host_id(w->a.host), KW_REGISTRY_ID); i++)
        kw_loop_step(w->loop, 10);
    assert_int_equal(kw_registry_search_open(w->b.registry, NULL, &q, &events, &s, &search, NULL),
                     KW_OK);
    assert_false(s.idle);
    for (int i = 0; i < 500 && !s.idle; i++)
        kw_loop_step(w->loop, 10);
    assert_int_equal(s.n_answers, 1);
    kw_registry_search_again(search); /* each peer is asked once */
    s.idle = false;
    for (int i = 0; i < 500 && !s.idle; i++)
        kw_loop_step(w->loop, 10);
    assert_int_equal(s.n_answers, 1);
    kw_registry_search_close(search);
    /* Closing the registry in the middle ends searches and asks. */
    assert_int_equal(kw_registry_search_open(w->b.registry, NULL, &q, &events, &s, &search, NULL),
                     KW_OK);
    kw_loop_step(w->loop, 1);
    kw_registry_close(w->b.registry);
    w->b.registry = NULL;
    for (int i = 0; i < 20; i++)
        kw_loop_step(w->loop, 5);
    assert_int_equal(s.n_answers, 1);
}

/* ---- peers that do not keep to it ---- */

typedef enum liar_how { FRAMED, RAW, ENDLESS, SILENT } liar_how;

typedef struct liar {
    kw_bytes says;
    liar_how how;
    double points; /* that it costs */
} liar;

static void liar_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    const liar *l = user;
    (void)bytes;
    if (l->how == SILENT)
        return;
    if (l->how == FRAMED)
        (void)kw_frame_write(stream, l->says, NULL);
    else
        (void)kw_stream_write(stream, l->says, NULL);
    if (l->how != ENDLESS)
        kw_stream_finish(stream);
}

static void liar_drained(void *user, kw_stream *stream)
{
    static const uint8_t more[16384] = {0};
    const liar *l = user;
    while (l->how == ENDLESS && kw_stream_room(stream) >= sizeof more &&
           kw_stream_write(stream, (kw_bytes){more, sizeof more}, NULL) == KW_OK)
        ;
}

static void liar_closed(void *user, kw_stream *stream, kw_status why)
{
    (void)user;
    (void)stream;
    (void)why;
}

static bool liar_incoming(void *user, kw_stream *stream)
{
    static const kw_stream_events events = {
        .data = liar_data, .drained = liar_drained, .closed = liar_closed};
    kw_stream_listen(stream, &events, user);
    return true;
}

/* a answers as `l` says; what came of it at b, and that b holds the right points against a. */
static kw_status lie(world *w, const kw_registry_question *q, liar l)
{
    const kw_protocol protocol = {
        .id = KW_REGISTRY_ID, .incoming = liar_incoming, .user = &l, .max_per_peer = 4};
    assert_int_equal(kw_host_speak(w->a.host, &protocol, NULL), KW_OK);
    const kw_status status = ask(w, q).status;
    for (int k = 0; k < 10; k++)
        kw_loop_step(w->loop, 5);
    kw_host_unspeak(w->a.host, KW_REGISTRY_ID);
    const double points = take_points(w, &w->b, &w->a);
    if (!is_about(points, l.points))
        fail_msg("%.20s: %g points, and not %g", (const char *)l.says.data, points, l.points);
    return status;
}

static kw_bytes bytes_of(const kw_buf *buf)
{
    return (kw_bytes){(const uint8_t *)buf->data, buf->len};
}

static void test_liars(void **state)
{
    world *w = *state;
    kw_buf other = {0}, both = {0};
    kw_registry_put_status(&other, KW_REGISTRY_HERE);
    kw_registry_put_manifest(&other, KW_STR("another manifest"), (kw_str){0});
    const kw_registry_entry entry = {.name = "a/b"};
    kw_registry_put_manifest(&both, KW_STR("a manifest"), (kw_str){0});
    kw_registry_put_entry(&both, &entry);
    const liar liars[] = {
        {bytes_of(&other), FRAMED, 100},                             /* not what was asked for */
        {bytes_of(&both), FRAMED, 20},                               /* two things at once */
        {{(const uint8_t *)"\xff\xff\xff\xff\x7f", 5}, RAW, 20},     /* a message too long */
        {{(const uint8_t *)"\xff\xff\xff\xff\x7f", 5}, ENDLESS, 20}, /* that goes on */
        {{(const uint8_t *)"\x80\x80\x80\x80\x80", 5}, ENDLESS, 20}, /* a length without end */
        {{(const uint8_t *)"\x22\x03\x0a\x01/", 5}, FRAMED, 20},     /* a name that is none */
        {{(const uint8_t *)"\xff\xff\xff", 3}, FRAMED, 20},          /* no protocol buffer */
        {{(const uint8_t *)"", 0}, RAW, 0},                          /* nothing */
        {{(const uint8_t *)"\x05\x0a", 2}, RAW, 0},                  /* half of a message */
        {{(const uint8_t *)"", 0}, SILENT, 10},                      /* nothing, for ever */
    };
    const uint8_t sha256[32] = {1};
    const kw_registry_question q = by_manifest(sha256);
    speak_for(&w->b, false, 1000); /* one of them says nothing */
    for (size_t i = 0; i < KW_COUNT(liars); i++) {
        const kw_status status = lie(w, &q, liars[i]);
        if (status == KW_OK || status == KW_E_NOTFOUND)
            fail_msg("liar %zu is believed", i);
    }
    kw_buf_free(&other);
    kw_buf_free(&both);
}

/* By name it is the manifest that says whose it is. */
static void test_other_names(void **state)
{
    world *w = *state;
    const kw_registry_question q = by_name("me/Model"), list = {.by = KW_REGISTRY_BY_PUBLISHER};
    kw_buf right = state_of("me/model"), wrong = state_of("me/other"), out = {0};
    speak(&w->b, false);
    kw_registry_put_manifest(&out, (kw_str){right.data, right.len}, (kw_str){0});
    assert_int_equal(lie(w, &q, (liar){bytes_of(&out), FRAMED, 0}), KW_OK);
    assert_int_equal(lie(w, &list, (liar){bytes_of(&out), FRAMED, 20}), KW_E_FORMAT);
    out.len = 0;
    kw_registry_put_manifest(&out, (kw_str){wrong.data, wrong.len}, (kw_str){0});
    assert_int_equal(lie(w, &q, (liar){bytes_of(&out), FRAMED, 20}), KW_E_FORMAT);
    out.len = 0;
    kw_registry_put_manifest(&out, KW_STR("{}"), (kw_str){0});
    assert_int_equal(lie(w, &q, (liar){bytes_of(&out), FRAMED, 20}), KW_E_FORMAT);
    kw_buf_free(&right);
    kw_buf_free(&wrong);
    kw_buf_free(&out);
}

/* Who asks faster than a peer may is not answered, and loses points; who asks slowly again is. */
static void test_flood(void **state)
{
    world *w = *state;
    const kw_registry_question q = by_name("me/nothing");
    size_t n_busy = 0;
    speak(&w->a, true);
    speak(&w->b, false);
    for (int i = 0; i < 150; i++)
        n_busy += ask(w, &q).status == KW_E_LIMIT;
    assert_true(n_busy >= 20);
    kw_reputation *const r = kw_guard_reputation(w->a.guard);
    assert_true(kw_reputation_score(r, kw_host_id(w->b.host)) <= -2);
    for (int i = 0; i < 150; i++) /* until it is out of its debt */
        kw_loop_step(w->loop, 10);
    assert_int_equal(ask(w, &q).status, KW_E_NOTFOUND);
}

typedef struct asker {
    kw_bytes bytes;
    bool closed;
    kw_status why;
    size_t n_got;
} asker;

static void asker_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    (void)stream;
    ((asker *)user)->n_got += bytes.len;
}

static void asker_closed(void *user, kw_stream *stream, kw_status why)
{
    asker *a = user;
    (void)stream;
    a->closed = true;
    a->why = why;
}

static void asker_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    static const kw_stream_events events = {.data = asker_data, .closed = asker_closed};
    const asker *a = user;
    (void)why;
    assert_int_equal(status, KW_OK);
    kw_stream_listen(stream, &events, user);
    assert_int_equal(kw_stream_write(stream, a->bytes, NULL), KW_OK);
    kw_stream_finish(stream);
}

static void test_bad_questions(void **state)
{
    static const char *const ids[] = {KW_REGISTRY_ID};
    static const char *const questions[] = {"\xff\xff\x7f", "\x03\xff\xff\xff", "\x01\x08",
                                            "\x05\x0a\x03../", "\x02\x0a"};
    world *w = *state;
    speak(&w->a, true);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        asker a = {.bytes = {(const uint8_t *)questions[i], strlen(questions[i])}};
        kw_host_stream(w->b.host, kw_host_id(w->a.host), ids, 1, asker_opened, &a);
        for (int k = 0; k < 500 && !a.closed; k++)
            kw_loop_step(w->loop, 10);
        assert_true(a.closed);
        assert_int_not_equal(a.why, KW_OK);
        assert_int_equal(a.n_got, 0);
        if (!is_about(take_points(w, &w->a, &w->b), i == 4 ? 0 : 20))
            fail_msg("question %zu costs nothing", i); /* the last is half of one */
    }
}

/* ---- messages ---- */

static void test_messages(void **state)
{
    (void)state;
    kw_registry_question read;
    kw_buf out = {0};
    kw_registry_question q = by_name("org/name");
    kw_registry_question_put(&q, &out);
    assert_int_equal(
        kw_registry_question_get((kw_bytes){(const uint8_t *)out.data, out.len}, &read, NULL),
        KW_OK);
    assert_string_equal(read.name, "org/name");
    for (size_t n = 0; n < out.len; n++)
        assert_int_not_equal(
            kw_registry_question_get((kw_bytes){(const uint8_t *)out.data, n}, &read, NULL), KW_OK);
    /* About two things. */
    const uint8_t sha256[32] = {0};
    const kw_registry_question second = by_manifest(sha256);
    kw_registry_question_put(&second, &out);
    assert_int_not_equal(
        kw_registry_question_get((kw_bytes){(const uint8_t *)out.data, out.len}, &read, NULL),
        KW_OK);
    kw_buf_free(&out);
    /* The key of a name does not depend on case, and differs from that of others. */
    uint8_t keys[3][KW_REGISTRY_KEY_LEN];
    const kw_registry_question upper = by_name("ORG/Name"), other = by_name("org/nam");
    kw_registry_key(&q, keys[0]);
    kw_registry_key(&upper, keys[1]);
    kw_registry_key(&other, keys[2]);
    assert_memory_equal(keys[0], keys[1], KW_REGISTRY_KEY_LEN);
    assert_memory_not_equal(keys[0], keys[2], KW_REGISTRY_KEY_LEN);
    /* Too many entries. */
    const kw_registry_entry entry = {.name = "a/b"};
    kw_registry_answer answer;
    for (size_t i = 0; i <= KW_REGISTRY_ENTRIES; i++)
        kw_registry_put_entry(&out, &entry);
    assert_int_equal(
        kw_registry_answer_get((kw_bytes){(const uint8_t *)out.data, out.len}, &answer, NULL),
        KW_E_LIMIT);
    kw_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test_setup_teardown(test_asks, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_large, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_list, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_search, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_liars, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_other_names, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_flood, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_bad_questions, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
