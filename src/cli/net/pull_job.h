/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pull_job.h - what a name on the command line stands for, and from where its files come: for
 * `kwaai pull`, and for commands that fetch the model they run. */
#ifndef KW_CLI_NET_PULL_JOB_H
#define KW_CLI_NET_PULL_JOB_H

#include "cli/net/pull_manifest.h"
#include "hub/reference.h"
#include "hub/web.h"
#include "node/routing.h"

/* Where files may come from: --from. */
enum { KW_FROM_CACHE_BIT = 1, KW_FROM_PEERS_BIT = 2, KW_FROM_IPFS_BIT = 4, KW_FROM_HTTP_BIT = 8 };

typedef struct kw_pull_job {
    kw_cli *cli;
    unsigned from; /* bits */
    bool alone;    /* set before kw_pull_job_list: the node that runs here has no part in it */
    bool by_node;  /* one runs here, and peers may be asked */
    kw_reference ref;
    kw_listing listing;
    kw_pull_manifest manifest;
    bool manifest_lists; /* what is fetched is what the manifest lists */
    kw_home home;
    kw_index *index;
    kw_web *web;      /* NULL: offline */
    kw_routed routed; /* whom routers name */
    struct kw_origins *origins;
    kw_pull_config config; /* progress, user and growing are the caller's to set */
} kw_pull_job;

/* Reads the options, opens the home, its index and, unless all may come from the cache alone, the
 * web. Closed by kw_pull_job_close also after a failure. */
kw_status kw_pull_job_open(kw_cli *cli, const char *name, kw_pull_job *out, kw_error *err);
void kw_pull_job_close(kw_pull_job *job);
/* The files that the name means, judged by the trust file, and the sources of them. */
kw_status kw_pull_job_list(kw_pull_job *job, kw_error *err);
/* The name under which a store of this machine has what is meant. */
void kw_pull_job_name(const kw_pull_job *job, char out[2 * KW_REF_NAME_MAX + 2]);
/* Finds a file in a store of this machine; *found says whether. */
kw_status kw_pull_job_find(kw_pull_job *job, const kw_listed *file, kw_buf *path,
                           kw_fetch_result *result, bool *found, kw_error *err);
/* Fetches a file that was not found; on any thread when the job is alone. */
kw_status kw_pull_job_fetch(kw_pull_job *job, const kw_listed *file, kw_buf *path,
                            kw_fetch_result *result, bool *there, kw_error *err);
/* Tells a person where nobody said what a file's content must be. */
void kw_note_unknown(kw_cli *cli, const kw_listed *file, const kw_fetch_result *result);
/* All files are here: keeps the manifest that they were compared with. */
kw_status kw_pull_job_record(kw_pull_job *job, kw_error *err);

#endif
