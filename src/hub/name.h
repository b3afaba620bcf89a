/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* name.h - how a person names a model or a file of it.
 *
 *   org/name   org/name:file   org/name@version   org/name@version:file
 *   sha256:HEX, sha256-HEX or 64 hex digits
 *   the CID of a file's tree (bafk..., bafy..., Qm...), /ipfs/ before it or not
 *
 * A name without an org is any model whose last part it is. What follows ":" is a file, a version
 * (a tag of Ollama), or a piece of a file's name that only one of them has ("Q4_K_M"). */
#ifndef KW_HUB_NAME_H
#define KW_HUB_NAME_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "hub/index.h"

#define KW_NAME_PART_MAX 255

typedef enum kw_name_kind { KW_NAME_MODEL, KW_NAME_DIGEST, KW_NAME_CID } kw_name_kind;

typedef struct kw_name {
    kw_name_kind kind;
    char model[KW_NAME_PART_MAX + 1];   /* KW_NAME_MODEL */
    char version[KW_NAME_PART_MAX + 1]; /* "" when none was given */
    char file[KW_NAME_PART_MAX + 1];    /* likewise */
    uint8_t sha256[32];                 /* KW_NAME_DIGEST */
    kw_cid cid;                         /* KW_NAME_CID */
} kw_name;

/* KW_E_ARG: it cannot be the name of anything. */
kw_status kw_name_parse(kw_str text, kw_name *out, kw_error *err);

/* The files that a name means: of one model in one version, each file once (where several stores
 * have it, the own store first). */
typedef struct kw_found {
    kw_index_row *rows; /* [n], in the arena */
    size_t n, cap;
    kw_arena arena;
} kw_found;
/* Adds a copy of a row. */
kw_status kw_found_add(kw_found *found, const kw_index_row *row, kw_error *err);

/* KW_E_NOTFOUND: nothing here has this name. KW_E_ARG: several models or versions have. */
kw_status kw_find(kw_index *index, const kw_name *name, kw_found *out, kw_error *err);
void kw_found_free(kw_found *found);
/* What an engine opens of them: the one GGUF file, the first part of a split one, or the directory
 * of config.json; malloc'ed. KW_E_ARG: several would do. */
kw_status kw_found_runs(const kw_found *found, char **path, kw_error *err);

#endif
