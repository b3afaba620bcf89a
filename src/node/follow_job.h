/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* follow_job.h - one model of a publisher who is followed: whether it is taken, what is to be
 * fetched of it, and what it becomes when that is here. */
#ifndef KW_NODE_FOLLOW_JOB_H
#define KW_NODE_FOLLOW_JOB_H

#include "hub/index.h"
#include "hub/pull.h"
#include "hub/trust.h"
#include "node/registry_message.h"

typedef struct kw_follow_job {
    /* what; owned */
    kw_buf body, signature;
    kw_manifest manifest;
    uint64_t version;
    /* where to; borrowed */
    kw_index *index;
    const char *store;
    uint64_t cap_bytes; /* of all files in the store; 0: none */
    size_t n_fetched;   /* files of the manifest that are here, in its order */
} kw_follow_job;

/* Reads an answer for what `entry` says, and judges it: signed by this key, newer than what was
 * here, not refused by the trust file, of a model that nobody else's key or hand put here, and
 * within the cap (KW_E_LIMIT). trust NULL: there is no trust file. KW_E_ARG says why not;
 * KW_E_FORMAT: the key did not sign this, so it is the peer that sent it who is wrong. */
kw_status kw_follow_accept(kw_follow_job *job, const kw_registry_entry *entry,
                           const kw_registry_answer *answer, const kw_trust_key *key,
                           const kw_trust *trust, kw_error *err);
/* The next file to fetch; false: all are here. */
bool kw_follow_next(const kw_follow_job *job, kw_listed *out);
/* All files are here and in the index: removes those that the version before had and this one has
 * not, and offers the manifest. */
kw_status kw_follow_record(kw_follow_job *job, kw_error *err);
void kw_follow_job_free(kw_follow_job *job);

#endif
