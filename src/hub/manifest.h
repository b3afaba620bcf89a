/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* manifest.h - which files a model has and what they are: an in-toto Statement v1 with the
 * predicate of OpenSSF Model Signing, to be signed by who publishes it.
 *
 * Files are sorted by name. The digest of the subject is the SHA-256 of their digests in this
 * order. To what that specification asks for, each file adds its size and, where known, the CID of
 * its UnixFS tree. Written in one form only, so that equal manifests are equal bytes; read in any
 * form of JSON, within limits. */
#ifndef KW_HUB_MANIFEST_H
#define KW_HUB_MANIFEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "wire/cid.h"

#define KW_MANIFEST_MAX ((size_t)8 << 20)   /* bytes */
#define KW_MANIFEST_FILES ((size_t)1 << 16) /* files in one */
#define KW_MANIFEST_NAME 1024               /* bytes of a file's name */
/* How the two are called beside the files of a model. */
#define KW_MANIFEST_FILE "model.manifest.json"
#define KW_SIGNATURE_FILE "model.manifest.json.minisig"

typedef struct kw_manifest_file {
    const char *name; /* relative, with "/" between its parts; never leaves the model's directory */
    uint64_t size;
    bool sized, rooted;
    uint8_t sha256[32];
    kw_cid root; /* rooted */
} kw_manifest_file;

typedef struct kw_manifest {
    const char *model; /* "org/name" */
    kw_manifest_file *files;
    size_t n_files;
    kw_arena arena; /* of the texts and files of one that was read */
} kw_manifest;

/* Whether a name may become a path below a directory: relative parts without "..", control
 * characters or backslashes. */
bool kw_manifest_name_ok(kw_str name);
/* The files must be sorted and their names good: KW_E_ARG names the one that is not. */
kw_status kw_manifest_put(const kw_manifest *manifest, kw_buf *out, kw_error *err);
/* Refuses what is not sorted, named twice, or whose digest of the subject does not follow. */
kw_status kw_manifest_get(kw_str text, kw_manifest *out, kw_error *err);
void kw_manifest_free(kw_manifest *manifest);
/* NULL when there is none of this name. */
const kw_manifest_file *kw_manifest_find(const kw_manifest *manifest, const char *name);

#endif
