/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* index.h - which model files are on this machine, where, and what their content is called.
 *
 * Nothing is copied: a row says where a file lies, in which state it was seen, and, once it was
 * hashed, its SHA-256, the digests of its leaves and the root of its tree. A file whose state
 * (size, mtime, inode, device) is not the one of its row loses its hashes and is never served by
 * them. Everything here can be made again from the files, except what is offered (manifests).
 *
 * SQLite in WAL mode: an index survives the death of its writer at any point, and several processes
 * may use it. Every function may be called from any thread; a text in a row is borrowed for the
 * call that shows it. */
#ifndef KW_HUB_INDEX_H
#define KW_HUB_INDEX_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "hub/file_hash.h"
#include "wire/cid.h"

typedef struct kw_index kw_index;

/* Whose a file is: only what is KW_OWNER_STORE is ours to remove. */
typedef enum kw_owner {
    KW_OWNER_STORE,       /* ~/.kwaai/store */
    KW_OWNER_HUGGINGFACE, /* the cache of huggingface_hub */
    KW_OWNER_OLLAMA,      /* blobs and manifests of Ollama */
    KW_OWNER_FOLDER       /* any other place that was named */
} kw_owner;
const char *kw_owner_name(kw_owner owner); /* "store", "huggingface", "ollama", "folder" */

/* A file under one of its names. */
typedef struct kw_index_row {
    int64_t id;          /* of the file */
    const char *model;   /* "org/name"; "" when no model has it */
    const char *file;    /* in the model: "model.gguf", "sub/config.json" */
    const char *place;   /* where the model has it, which may be a link to path */
    const char *path;    /* absolute, without links */
    const char *version; /* of the model there: a revision, or "" */
    kw_owner owner;
    kw_file_state state;
    bool claimed, hashed, rooted;
    uint8_t claim[32];  /* claimed: the SHA-256 that the place of the file says */
    uint8_t sha256[32]; /* hashed: what it is */
    kw_cid root;        /* rooted */
} kw_index_row;

/* Opens or makes the index; ":memory:" has no file. KW_E_UNSUPPORTED: a newer version made it. */
kw_status kw_index_open(const char *path, kw_index **out, kw_error *err);
void kw_index_close(kw_index *index);

/* ---- looking ---- */

/* What is asked for; every part that is given must hold. */
typedef struct kw_index_query {
    const char *model;     /* NULL: any; compared without regard to case */
    const char *file;      /* NULL: any */
    const char *path;      /* the path or the place; NULL: any */
    const uint8_t *sha256; /* [32] known or claimed; NULL: any */
    const kw_cid *root;    /* NULL: any */
    int64_t id;            /* 0: any */
} kw_index_query;

/* Called for each row in order of model, version, file; what it returns other than KW_OK ends the
 * walk and is returned. It may call the index. */
typedef kw_status (*kw_index_fn)(void *user, const kw_index_row *row, kw_error *err);
kw_status kw_index_each(kw_index *index, const kw_index_query *query, kw_index_fn each, void *user,
                        kw_error *err);

/* ---- scanning ---- */

/* What a scan is called that finds this owner's files in a directory. */
void kw_index_source(kw_owner owner, const char *dir, kw_buf *out);
/* A scan of one source is one transaction: begin, put what is there, end. end(true)
 * forgets what an earlier scan of this source saw and this one did not; end(false) undoes
 * everything. Between, no other thread gets at the index. */
kw_status kw_index_scan_begin(kw_index *index, kw_error *err);
/* Adds or refreshes a file and its name. row: all but id, sha256, root. An unchanged file keeps
 * its hashes. */
kw_status kw_index_scan_put(kw_index *index, const char *source, const kw_index_row *row,
                            kw_error *err);
kw_status kw_index_scan_end(kw_index *index, bool commit, const char *source, kw_error *err);

/* ---- content ---- */

/* Records what was hashed. KW_E_NOTFOUND when there is no such file, or it is not in the state in
 * which it was hashed. */
kw_status kw_index_put_hash(kw_index *index, int64_t id, const kw_file_hash *hash, kw_error *err);
/* Forgets a file and its names; the file itself stays. */
kw_status kw_index_forget(kw_index *index, int64_t id, kw_error *err);

/* Others may have a hashed file with the content that it has now: its blocks are found below until
 * it changes. A file that was only hashed is nobody else's business. */
kw_status kw_index_share(kw_index *index, int64_t id, kw_error *err);

/* A block of a shared file by its digest: a leaf, or a parent kept here. */
typedef struct kw_index_leaf {
    int64_t id;
    uint64_t n;    /* which leaf: it begins at n * KW_LEAF_SIZE */
    uint64_t size; /* of the leaf */
    char *path;    /* owned by the caller */
    kw_file_state state;
} kw_index_leaf;
/* KW_E_NOTFOUND: no file here has it. nth: the next place when the one before was no good. */
kw_status kw_index_find_leaf(kw_index *index, const uint8_t digest[32], size_t nth,
                             kw_index_leaf *out, kw_error *err);
/* The parent block, malloc'ed; KW_E_NOTFOUND. */
kw_status kw_index_find_parent(kw_index *index, const uint8_t digest[32], uint8_t **data,
                               size_t *len, kw_error *err);
/* The digests of a hashed file's leaves, malloc'ed. */
kw_status kw_index_leaves(kw_index *index, int64_t id, uint8_t (**leaves)[32], size_t *n,
                          kw_error *err);

/* ---- manifests ---- */

/* The statement about a model that is known here, one for each model. */
typedef struct kw_index_manifest {
    const char *model;
    uint64_t version;   /* of a signature that was judged good; else 0 */
    uint8_t sha256[32]; /* of body */
    kw_str body;        /* as it was signed */
    kw_str signature;   /* the file of minisign; len 0: not signed */
    bool offered;       /* shown to peers who ask */
    int64_t time;       /* when it came, in seconds since 1970 */
} kw_index_manifest;

/* Replaces the one of this model. KW_E_ARG: its version is below one that was here. */
kw_status kw_index_put_manifest(kw_index *index, const kw_index_manifest *manifest, kw_error *err);
/* One that is not there is fine. Its version is remembered. */
kw_status kw_index_remove_manifest(kw_index *index, const char *model, kw_error *err);
/* The highest version that was here; 0: none. */
kw_status kw_index_seen_version(kw_index *index, const char *model, uint64_t *out, kw_error *err);
typedef kw_status (*kw_manifest_fn)(void *user, const kw_index_manifest *manifest, kw_error *err);
/* Those of a model (NULL: any) and SHA-256 (NULL: any), in order of model; as kw_index_each. */
kw_status kw_index_each_manifest(kw_index *index, const char *model, const uint8_t *sha256,
                                 kw_manifest_fn each, void *user, kw_error *err);
/* Those that are offered, without their bodies (len 0). */
kw_status kw_index_each_offer(kw_index *index, kw_manifest_fn each, void *user, kw_error *err);

/* ---- folders that were named to us ---- */

kw_status kw_index_add_folder(kw_index *index, const char *path, const char *model, kw_error *err);
kw_status kw_index_remove_folder(kw_index *index, const char *path, kw_error *err);
typedef kw_status (*kw_folder_fn)(void *user, const char *path, const char *model, kw_error *err);
kw_status kw_index_each_folder(kw_index *index, kw_folder_fn each, void *user, kw_error *err);

#endif
