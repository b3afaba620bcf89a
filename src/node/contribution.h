/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* contribution.h - whether this machine gives to others now: by what its owner chose, and by its
 * power and network. */
#ifndef KW_NODE_CONTRIBUTION_H
#define KW_NODE_CONTRIBUTION_H

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "net/loop.h"
#include "os/power.h"
#include "wire/blocks.h"

typedef enum kw_contribute {
    KW_CONTRIBUTE_WHEN_OPTIMAL, /* plugged in, the battery above half, no meter */
    KW_CONTRIBUTE_ALWAYS,
    KW_CONTRIBUTE_NEVER
} kw_contribute;

/* "when-optimal", "always", "never" */
const char *kw_contribute_name(kw_contribute policy);
bool kw_contribute_parse(kw_str text, kw_contribute *out);

/* What a machine says of itself. */
typedef struct kw_conditions {
    kw_power power;
    bool metered; /* each byte costs its owner */
} kw_conditions;

/* Whether to give. *why: a few words for a person; static. */
bool kw_contribution_decide(kw_contribute policy, const kw_conditions *conditions,
                            const char **why);

/* ---- while a node runs ---- */

typedef struct kw_contribution kw_contribution;

typedef struct kw_contribution_config {
    kw_contribute policy;
    /* Says what the machine is like now; asked each few seconds. NULL: external power, no meter. */
    void (*read)(void *user, kw_conditions *out);
    void *user;
    const kw_log *log; /* borrowed; told of each change */
} kw_contribution_config;

kw_status kw_contribution_open(kw_loop *loop, const kw_contribution_config *config,
                               kw_contribution **out, kw_error *err);
void kw_contribution_close(kw_contribution *contribution);
/* Whether to give now; why may be NULL. */
bool kw_contribution_gives(const kw_contribution *contribution, const char **why);
/* A store that has what `inner` has while the node gives, and nothing otherwise; borrowed from the
 * contribution, as what inner stands on is. Once. */
kw_block_store kw_contribution_store(kw_contribution *contribution, kw_block_store inner);

#endif
