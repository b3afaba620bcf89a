/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pull_manifest.h - the manifest of what is pulled: from the index or from peers, judged by the
 * trust file, and compared with what a hub lists.
 *
 * A manifest is believed when a key of the trust file signed it, or when it was here before and is
 * accepted. A stranger's is a claim: it says which files there are only where nobody else does, and
 * never overrules a hub. */
#ifndef KW_CLI_NET_PULL_MANIFEST_H
#define KW_CLI_NET_PULL_MANIFEST_H

#include "cli/net/home.h"
#include "hub/pull.h"
#include "hub/trust.h"
#include "wire/multiaddr.h"

typedef struct kw_manifest_search {
    kw_cli *cli;
    const kw_home *home;
    kw_index *index;
    const char *model;
    const kw_multiaddr *peers; /* to ask; borrowed */
    size_t n_peers;
    bool ask, local;  /* whether peers are asked; those of the local network too */
    uint32_t wait_ms; /* for them */
} kw_manifest_search;

typedef struct kw_pull_manifest {
    bool stated; /* there is one; else the rest says what its absence means */
    bool believed, conflict;
    bool recorded; /* it is the one in the index */
    kw_buf body, signature;
    kw_manifest manifest;
    kw_judgement judgement;
    char refused[400]; /* why the last one was not accepted; "" */
    size_t n_peers;    /* that were met */
} kw_pull_manifest;

/* KW_E_ARG: the policy for the model wants a signature, and there is no good one. */
kw_status kw_pull_manifest_find(const kw_manifest_search *search, kw_pull_manifest *out,
                                kw_error *err);
void kw_pull_manifest_free(kw_pull_manifest *manifest);
/* Its files as what is to be fetched; KW_E_NOTFOUND without one, KW_E_ARG when peers disagree.
 * file: one of them, or a part of its name; "": all. */
kw_status kw_pull_manifest_list(const kw_pull_manifest *manifest, const char *model,
                                const char *file, kw_listing *out, kw_error *err);
/* Compares a hub's list with it, and adds the digests and CIDs that the hub does not say. KW_E_ARG:
 * a manifest that is believed says otherwise. */
kw_status kw_pull_manifest_apply(const kw_pull_manifest *manifest, kw_listing *listing,
                                 kw_error *err);
/* Keeps it with the model that was fetched. */
kw_status kw_pull_manifest_record(const kw_pull_manifest *manifest, kw_index *index, kw_error *err);

#endif
