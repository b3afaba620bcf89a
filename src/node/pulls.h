/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pulls.h - files that the node fetches for its owner or by itself, and shares while they come.
 *
 * Each has a thread of its own, on which kw_fetch runs; its blocks come from peers by the node's
 * own connections, and from gateways and a web server that are named. What has arrived is served
 * from the partial file at once, and the DHT is told when there is the first of it. A file that is
 * whole is entered into the index, and served from there.
 *
 * The owner asks for one with the CID of its content and words NAME=VALUE, each with bytes other
 * than letters, digits and -._/:,+ as %XX:
 *
 *   model, file   where it is put: STORE/MODEL/FILE
 *   inside=1      the CID is of a directory that has a FILE
 *   size, sha256  of the file, where they are known
 *   url           where a web server has it
 *   rate          bytes a second at most
 *   peer          an address to connect to; may be repeated
 *   gateway       a URL; may be repeated
 *
 * A file that is being fetched already is joined. All calls are on the thread of the loop. */
#ifndef KW_NODE_PULLS_H
#define KW_NODE_PULLS_H

#include "hub/pull.h"
#include "node/control.h"
#include "wire/blocks.h"

#define KW_PULL_GATEWAYS 8 /* of one */
#define KW_PULL_PEERS 16
#define KW_PULLS_MAX 16 /* at a time, with those whose end nobody has asked for */

typedef struct kw_pulls kw_pulls;
struct kw_node;

kw_status kw_pulls_open(struct kw_node *node, kw_pulls **out, kw_error *err);
/* The node speaks all that it will. */
kw_status kw_pulls_begin(kw_pulls *pulls, kw_error *err);
/* Ends every pull. */
void kw_pulls_close(kw_pulls *pulls);
/* What the node serves: that of its config, and what is being pulled. */
kw_block_store kw_pulls_store(kw_pulls *pulls);

/* A file for who is within the node. */
typedef struct kw_pulls_order {
    const char *model;
    const kw_listed *file; /* with its root */
    uint32_t patience_s;   /* without a byte for so long it ends with KW_E_IO; 0: it waits */
    /* Its end, never within a call. why: an error's message. */
    void (*done)(void *user, kw_status status, const char *why);
    void *user;
} kw_pulls_order;
kw_status kw_pulls_fetch(kw_pulls *pulls, const kw_pulls_order *order, kw_error *err);
/* Whoever ordered with this `user` is told nothing more; what is under way goes on. */
void kw_pulls_leave(kw_pulls *pulls, const void *user);

/* Answers of the owner's words; words begin with the CID. */
void kw_pulls_start(kw_pulls *pulls, kw_control_call *call, char *const *words, size_t n);
void kw_pulls_tell(kw_pulls *pulls, kw_control_call *call, const char *id);
void kw_pulls_cancel(kw_pulls *pulls, kw_control_call *call, const char *id);

#endif
