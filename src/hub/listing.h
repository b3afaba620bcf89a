/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* listing.h - which files a model has at Hugging Face or in Ollama's registry, and which of them
 * are wanted. Sources: the Hub's API (/api/models/.../tree), the registry's manifests (version 2).
 *
 * Nothing of an answer is believed but as a claim: names are checked before they become paths, and
 * digests are what the content is compared with. */
#ifndef KW_HUB_LISTING_H
#define KW_HUB_LISTING_H

#include "hub/pull.h"

#define KW_LISTING_BYTES_MAX ((size_t)32 << 20)

/* Adds the files of one page of a tree. Of a file that Git keeps itself only the size is known. */
kw_status kw_listing_huggingface(kw_str json, kw_listing *listing, kw_error *err);
/* The commit of a revision: {"sha": "..."}. */
kw_status kw_listing_commit(kw_str json, char *out, size_t size, kw_error *err);
/* Adds the layers of a manifest as files; the digest is left in url for the caller. */
kw_status kw_listing_ollama(kw_str json, kw_listing *listing, kw_error *err);

/* Keeps what a person wants of a repository: the file of this name; else the GGUF files whose name
 * has it (a quantisation), all parts of one that is split; else, for "", the usual quantisation of
 * GGUF files, or what a directory of safetensors needs. KW_E_NOTFOUND says what there is. */
kw_status kw_listing_choose(kw_listing *listing, const char *what, kw_error *err);

typedef struct kw_listing_source {
    kw_web *web;
    const char *endpoint; /* NULL: https://huggingface.co, https://registry.ollama.ai */
    const char *token;    /* NULL: none */
    const char *revision; /* NULL: what the reference says, else main */
    bool (*still)(void *user);
    void *user;
} kw_listing_source;

/* The files that a reference to Hugging Face or Ollama means, with their URLs. */
kw_status kw_resolve_listing(const kw_listing_source *with, const kw_reference *ref,
                             kw_listing *out, kw_error *err);

#endif
