/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* home.h - where this user's models and keys are, and opening the index of them. */
#ifndef KW_CLI_NET_HOME_H
#define KW_CLI_NET_HOME_H

#include "cli/cli.h"
#include "hub/index.h"
#include "hub/name.h"
#include "hub/stores.h"

/* All owned; NULL where the environment does not say (no HOME). */
typedef struct kw_home {
    char *dir;         /* KWAAI_HOME, or ~/.kwaai */
    char *index;       /* dir/index.db */
    char *store;       /* dir/store */
    char *trust;       /* dir/trust.conf */
    char *node;        /* dir/node.db: scores of peers, and bans */
    char *huggingface; /* HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub */
    char *ollama;      /* OLLAMA_MODELS, ~/.ollama/models, the service's */
} kw_home;

/* make: the directory is made when it is not there. */
kw_status kw_home_open(const kw_cli *cli, bool make, kw_home *out, kw_error *err);
void kw_home_close(kw_home *home);
/* a/b, malloc'ed; NULL when a is NULL. */
char *kw_home_join(const char *a, const char *b);

/* The index, brought up to date with the stores. */
kw_status kw_cli_open_index(const kw_home *home, kw_index **out, kw_error *err);
/* The files that a name on the command line means: a name, or the path of a file or directory that
 * is in the index. */
kw_status kw_cli_find(kw_index *index, const char *text, kw_found *out, kw_error *err);
/* As kw_cli_fail, with the hint that fits a name that is not here. */
int kw_cli_fail_name(kw_cli *cli, kw_status status, const kw_error *err);
/* Hashes the file of a row when it was not, with progress, and puts it into the index. again: also
 * when it was. A copy of what came out is in *hash (may be NULL), to be freed. */
kw_status kw_cli_hash(kw_cli *cli, kw_index *index, const kw_index_row *row, bool again,
                      kw_file_hash *hash, kw_error *err);

#endif
