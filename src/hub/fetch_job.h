/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fetch_job.h - the state of one kw_fetch and what its files ask of each other; for fetch*.c only.
 *
 * The scheduler's alone, but for `all`, which sources fill under its lock. */
#ifndef KW_HUB_FETCH_JOB_H
#define KW_HUB_FETCH_JOB_H

#include "hub/fetch_lanes.h"
#include "hub/fetch_tree.h"
#include "hub/partial.h"

#define KW_SECOND_NS UINT64_C(1000000000)
#define KW_FETCH_TICK_NS (KW_SECOND_NS / 20)
#define KW_FETCH_GRACE_NS (3 * KW_SECOND_NS) /* that better sources have before others are used */

typedef struct kw_fetch_job {
    const kw_fetch_config *config;
    kw_lanes all;
    kw_partial *partial; /* owned */
    kw_root tree;        /* owned; of a root */
    const uint8_t (*leaves)[32];
    uint64_t *order;  /* owned; NULL: blocks in turn */
    uint32_t *ranks;  /* owned, while the order is not known */
    uint64_t cursor;  /* in the order: no missing block before it */
    uint64_t rank_at; /* prefix at which rank is called next */
    kw_lane *only;    /* without leaves: the one that is asked */
    bool clean;       /* all blocks are from `only` and of this call */
    uint64_t resumed;
    uint64_t begin_ns, tick_ns, progress_ns, checkpoint_ns;
} kw_fetch_job;

/* Tells how it goes; false: the caller wants no more. Called without the lock. */
bool kw_fetch_report(kw_fetch_job *f, bool verifying);

/* fetch_offers.c. Opens every source; called without the lock. */
void kw_fetch_open(kw_fetch_job *f);
/* Until somebody has the file and its size is known. */
kw_status kw_fetch_wait(kw_fetch_job *f, kw_error *err);
/* What to say when nobody is left. */
kw_status kw_fetch_fail(kw_fetch_job *f, kw_error *err);
/* With the lock: opens again what may pass, looks at new offers, whether any source is left. */
void kw_fetch_reopen(kw_fetch_job *f);
void kw_fetch_see_offers(kw_fetch_job *f);
bool kw_fetch_any_left(kw_fetch_job *f);

/* fetch_arrivals.c. Whether a cell has what its digest says, where that is known. */
bool kw_fetch_is_leaf(const kw_fetch_job *f, const kw_cell *cell);
/* Verifies and writes what is here whole; without the lock. */
kw_status kw_fetch_take(kw_fetch_job *f, kw_error *err);
/* With the lock: ends what is over or has stalled; speeds, and the bytes that the limit allows. */
void kw_fetch_settle(kw_fetch_job *f);
void kw_fetch_tick(kw_fetch_job *f);

/* fetch_asks.c. With the lock: asks whoever is free; lets go on what waited. */
void kw_fetch_ask(kw_fetch_job *f);
void kw_fetch_resume(kw_fetch_job *f);
/* Draws the order of blocks. */
kw_status kw_fetch_scatter(kw_fetch_job *f, kw_error *err);
/* Finds the order of blocks once the caller can tell it; without the lock. */
void kw_fetch_rank(kw_fetch_job *f);

#endif
