/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* book.c - the peer book. Addresses are kept packed, one allocation each: most are 8 to 60 bytes.
 */
#include "net/book.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define BACKOFF_FIRST_MS 5000
#define BACKOFF_MAX_MS 300000

typedef struct address {
    uint64_t until_ms;
    uint8_t len;
    uint8_t bytes[];
} address;

typedef struct entry {
    kw_peer_node node;
    address *addrs[KW_BOOK_ADDRS]; /* owned; the newest first */
    size_t n;
    uint64_t backoff_ms, not_before_ms;
    bool pinned;
} entry;

struct kw_book {
    kw_peer_table peers;
};

kw_status kw_book_open(uint64_t salt, kw_book **out, kw_error *err)
{
    kw_book *book = calloc(1, sizeof *book);
    if (!book)
        return kw_fail(err, KW_E_NOMEM, "peer book: out of memory");
    book->peers.salt = salt;
    *out = book;
    return KW_OK;
}

static void forget(kw_book *book, entry *e)
{
    kw_peer_table_remove(&book->peers, &e->node);
    for (size_t i = 0; i < e->n; i++)
        free(e->addrs[i]);
    free(e);
}

void kw_book_close(kw_book *book)
{
    if (!book)
        return;
    kw_peer_node *node = kw_peer_table_next(&book->peers, NULL);
    while (node) {
        kw_peer_node *next = kw_peer_table_next(&book->peers, node);
        forget(book, (entry *)node);
        node = next;
    }
    kw_peer_table_free(&book->peers);
    free(book);
}

static entry *find(const kw_book *book, const kw_peer_id *peer)
{
    return (entry *)kw_peer_table_find(&book->peers, peer);
}

static uint64_t expiry(const entry *e)
{
    uint64_t last = e->not_before_ms;
    for (size_t i = 0; i < e->n; i++)
        last = KW_MAX(last, e->addrs[i]->until_ms);
    return last;
}

/* Room for one more peer: the one that expires first goes, unless all are connected. */
static kw_status make_room(kw_book *book, kw_error *err)
{
    if (book->peers.n < KW_BOOK_PEERS)
        return KW_OK;
    entry *first = NULL;
    for (kw_peer_node *at = NULL; (at = kw_peer_table_next(&book->peers, at)) != NULL;) {
        entry *e = (entry *)at;
        if (!e->pinned && (!first || expiry(e) < expiry(first)))
            first = e;
    }
    if (!first)
        return kw_fail(err, KW_E_LIMIT, "peer book: holds %d peers", KW_BOOK_PEERS);
    forget(book, first);
    return KW_OK;
}

static kw_status find_or_add(kw_book *book, const kw_peer_id *peer, entry **out, kw_error *err)
{
    *out = find(book, peer);
    if (*out)
        return KW_OK;
    KW_TRY(make_room(book, err));
    entry *e = calloc(1, sizeof *e);
    if (!e)
        return kw_fail(err, KW_E_NOMEM, "peer book: out of memory");
    e->node.id = *peer;
    const kw_status status = kw_peer_table_add(&book->peers, &e->node, err);
    if (status != KW_OK) {
        free(e);
        return status;
    }
    *out = e;
    return KW_OK;
}

/* Takes address i out of the list. */
static address *take(entry *e, size_t i)
{
    address *a = e->addrs[i];
    memmove(&e->addrs[i], &e->addrs[i + 1], (e->n - i - 1) * sizeof(e->addrs[0]));
    e->n--;
    return a;
}

static void expire(entry *e, uint64_t now_ms)
{
    for (size_t i = e->n; i-- > 0;)
        if (!e->pinned && e->addrs[i]->until_ms <= now_ms)
            free(take(e, i));
}

static size_t first_to_expire(const entry *e)
{
    size_t first = 0;
    for (size_t i = 1; i < e->n; i++)
        if (e->addrs[i]->until_ms < e->addrs[first]->until_ms)
            first = i;
    return first;
}

kw_status kw_book_learn(kw_book *book, const kw_peer_id *peer, const kw_multiaddr *addr,
                        uint64_t now_ms, uint64_t ttl_ms, kw_error *err)
{
    entry *e;
    KW_TRY(find_or_add(book, peer, &e, err));
    expire(e, now_ms);
    const uint64_t until = ttl_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + ttl_ms;
    address *a = NULL;
    for (size_t i = 0; i < e->n && !a; i++)
        if (e->addrs[i]->len == addr->len &&
            memcmp(e->addrs[i]->bytes, addr->bytes, addr->len) == 0)
            a = take(e, i);
    if (!a) {
        a = malloc(sizeof *a + addr->len);
        if (!a)
            return kw_fail(err, KW_E_NOMEM, "peer book: out of memory");
        a->until_ms = 0;
        a->len = addr->len;
        memcpy(a->bytes, addr->bytes, addr->len);
        if (e->n == KW_BOOK_ADDRS)
            free(take(e, first_to_expire(e)));
    }
    a->until_ms = KW_MAX(a->until_ms, until);
    memmove(&e->addrs[1], &e->addrs[0], e->n * sizeof(e->addrs[0]));
    e->addrs[0] = a;
    e->n++;
    return KW_OK;
}

void kw_book_pin(kw_book *book, const kw_peer_id *peer, bool pinned)
{
    entry *e = find(book, peer);
    if (!e && pinned && find_or_add(book, peer, &e, NULL) != KW_OK)
        return;
    if (e)
        e->pinned = pinned;
}

size_t kw_book_known(kw_book *book, const kw_peer_id *peer, uint64_t now_ms, kw_multiaddr *out,
                     size_t n)
{
    entry *e = find(book, peer);
    if (!e)
        return 0;
    expire(e, now_ms);
    for (size_t i = 0; i < e->n && i < n; i++) {
        out[i] = (kw_multiaddr){.len = e->addrs[i]->len};
        memcpy(out[i].bytes, e->addrs[i]->bytes, e->addrs[i]->len);
    }
    return e->n;
}

void kw_book_failed(kw_book *book, const kw_peer_id *peer, uint64_t now_ms)
{
    entry *e;
    if (find_or_add(book, peer, &e, NULL) != KW_OK)
        return;
    e->backoff_ms = e->backoff_ms ? KW_MIN(2 * e->backoff_ms, BACKOFF_MAX_MS) : BACKOFF_FIRST_MS;
    e->not_before_ms = now_ms + e->backoff_ms;
}

void kw_book_reached(kw_book *book, const kw_peer_id *peer)
{
    entry *e = find(book, peer);
    if (e)
        e->backoff_ms = e->not_before_ms = 0;
}

uint64_t kw_book_wait(kw_book *book, const kw_peer_id *peer, uint64_t now_ms)
{
    const entry *e = find(book, peer);
    return e && e->not_before_ms > now_ms ? e->not_before_ms - now_ms : 0;
}

size_t kw_book_size(const kw_book *book)
{
    return book->peers.n;
}
