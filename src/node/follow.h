/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* follow.h - fetches what followed publishers publish elsewhere, and offers it.
 *
 * Whom: a file in the form of the trust file, of which the keys count, and policies that name a
 * key: of it those models alone. A publisher is asked for of
 * connected peers and the DHT each half minute; a model that is newer than what was here, signed by
 * the key and not refused by the trust file, is fetched from peers within the cap of the store.
 * One model at a time, as the node pulls for its owner: shared while it comes. All calls on the
 * thread of the loop. */
#ifndef KW_NODE_FOLLOW_H
#define KW_NODE_FOLLOW_H

#include "base/log.h"
#include "hub/index.h"
#include "net/kad.h"
#include "node/pulls.h"
#include "node/registry.h"

typedef struct kw_follow kw_follow;

typedef struct kw_follow_config { /* all borrowed */
    kw_loop *loop;
    kw_kad *kad;
    kw_registry *registry;
    kw_pulls *pulls;
    kw_guard *guard; /* told of peers that send forged signatures */
    kw_index *index;
    const char *list;  /* the file of whom is followed; it need not be there */
    const char *trust; /* the trust file, likewise; NULL: none */
    const char *store;
    uint64_t cap_bytes; /* of the files in the store; 0: no cap */
    const kw_log *log;
} kw_follow_config;

kw_status kw_follow_open(const kw_follow_config *config, kw_follow **out, kw_error *err);
/* What is being fetched goes on without it. Registry and pulls still are there. */
void kw_follow_close(kw_follow *follow);
/* Looks soon, or again when a look is under way. */
void kw_follow_look(kw_follow *follow);

typedef struct kw_follow_info {
    size_t n_keys;
    uint64_t n_fetched, n_refused;        /* models since the start */
    char fetching[KW_MODEL_NAME_MAX + 1]; /* "": nothing */
} kw_follow_info;
void kw_follow_get_info(const kw_follow *follow, kw_follow_info *out);

#endif
