/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* follow_job.h - one model of a publisher who is followed: whether it is taken, and taking it. */
#ifndef KW_NODE_FOLLOW_JOB_H
#define KW_NODE_FOLLOW_JOB_H

#include <stdatomic.h>

#include "hub/index.h"
#include "hub/source.h"
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
    bool sha_extension;
    kw_source source;
    atomic_bool cancelled;
    uint64_t bytes, moved_ns; /* of the file under way, and when it last grew */
    /* what came of it */
    kw_status status;
    kw_error err;
} kw_follow_job;

/* Reads an answer for what `entry` says, and judges it: signed by this key, newer than what was
 * here, not refused by the trust file, and of a model that nobody else's key or hand put here.
 * trust NULL: there is no trust file. KW_E_ARG says why not. */
kw_status kw_follow_accept(kw_follow_job *job, const kw_registry_entry *entry,
                           const kw_registry_answer *answer, const kw_trust_key *key,
                           const kw_trust *trust, kw_error *err);
/* Fetches the files into the store, verified, removes those that the version before had and this
 * one has not, and offers the manifest. On any thread; status and err say how it ended. */
void kw_follow_job_run(kw_follow_job *job);
void kw_follow_job_free(kw_follow_job *job);

#endif
