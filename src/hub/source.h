/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* source.h - what fetch asks of someone who may have a file: a cache, peers, IPFS, a web server.
 *
 * A source delivers bytes and is never believed: fetch verifies. It works on its own thread or
 * loop; every call of kw_source returns soon, and answers come by kw_delivery.
 *
 * Threads. Fetch calls a source from one thread, holding no lock. A source may call kw_delivery
 * from any thread, one at a time for each request, holding any lock of its own: no delivery calls
 * back into a source. After close returned, no delivery comes.
 *
 * A source opens a file once and then answers asks, each with an id that fetch chose. An ask is a
 * run of bytes (KW_ASK_RANGE), whole blocks of the plan, or one block by its CID (KW_ASK_BLOCK),
 * a parent of the tree. The bytes of a run may come in pieces of any size; those of each block come
 * in order. Every ask ends with `done`, unless it was cancelled. */
#ifndef KW_HUB_SOURCE_H
#define KW_HUB_SOURCE_H

#include "base/error.h"
#include "base/str.h"
#include "wire/cid.h"

#define KW_SIZE_UNKNOWN UINT64_MAX

/* The order in which sources are preferred. */
enum { KW_FROM_CACHE, KW_FROM_PEERS, KW_FROM_IPFS, KW_FROM_HTTP, KW_N_FROM };

/* What is known of a file before it is here. */
typedef struct kw_want {
    uint64_t size; /* KW_SIZE_UNKNOWN: whoever opens it says */
    bool has_sha256, has_root;
    uint8_t sha256[32];
    kw_cid root;        /* of UnixFS */
    const char *inside; /* the file in the directory that root is; borrowed; NULL: root is it */
    const char *url;    /* borrowed; NULL: none is known */
    const char *name;   /* borrowed; for messages */
    uint32_t leaf_size; /* bytes of a block; the last may be shorter */
} kw_want;

/* What a source says once it has found the file. */
typedef struct kw_offer {
    uint64_t size;         /* KW_SIZE_UNKNOWN: it does not know */
    const char *validator; /* what changes when the file does (an ETag), or NULL; borrowed */
    const char *from;      /* a host or peer, for a person; borrowed */
    uint32_t parallel;     /* asks at once */
    uint32_t span;         /* blocks in one ask it likes best */
    uint32_t first_span;   /* the same before its pace is known; 0: one */
    bool ranges;           /* false: it can only send the whole file, from the start */
    bool blocks;           /* answers KW_ASK_BLOCK */
    bool pauses;           /* honours KW_TAKE_PAUSE */
    bool by_leaf;          /* it finds blocks by their digests alone: asks have leaves */
} kw_offer;

typedef enum kw_ask_kind { KW_ASK_RANGE, KW_ASK_BLOCK } kw_ask_kind;

typedef struct kw_ask {
    kw_ask_kind kind;
    uint64_t id;
    uint64_t offset, len; /* KW_ASK_RANGE */
    /* KW_ASK_RANGE: the SHA-256 of each block in the run when they are known, else NULL; borrowed
     * until the file is closed. The blocks are raw leaves. */
    const uint8_t (*leaves)[32];
    uint32_t leaf_size; /* of each of them but the file's last */
    kw_cid cid;         /* KW_ASK_BLOCK */
} kw_ask;

typedef enum kw_take {
    KW_TAKE_OK,    /* all of it was taken */
    KW_TAKE_PAUSE, /* none was: offer it again after kw_source.resume */
    KW_TAKE_STOP   /* not wanted any more: end this ask, without done */
} kw_take;

typedef struct kw_delivery {
    void *user;
    /* The file is here to be asked for; again when what it offers has changed. */
    void (*opened)(void *user, const kw_offer *offer);
    /* Instead of opened: KW_E_IO when it is worth another try (it is closed and opened again then),
     * KW_E_NOTFOUND and the like when this source will not be of use. */
    void (*failed)(void *user, kw_status status, const char *why);
    kw_take (*data)(void *user, uint64_t id, uint64_t offset, kw_bytes bytes);
    /* The ask is over. KW_E_IO: worth another try, after retry_ms when that is not 0. Any other
     * failure: this source will be asked nothing more. */
    void (*done)(void *user, uint64_t id, kw_status status, const char *why, uint32_t retry_ms);
} kw_delivery;

typedef struct kw_source {
    const char *name; /* "http"; static */
    int order;        /* KW_FROM_... */
    void *user;
    /* Starts to look for the file; want and to are borrowed until close. *file is for the rest. */
    kw_status (*open)(void *user, const kw_want *want, const kw_delivery *to, void **file,
                      kw_error *err);
    kw_status (*ask)(void *file, const kw_ask *ask, kw_error *err);
    void (*cancel)(void *file, uint64_t id);
    /* Goes on with an ask that was paused. */
    void (*resume)(void *file, uint64_t id);
    /* What this ask delivered was not the block; whoever sent it is to blame. May be NULL. */
    void (*blame)(void *file, uint64_t id);
    void (*close)(void *file);
} kw_source;

#endif
