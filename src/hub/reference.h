/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* reference.h - what a person calls a model that is somewhere else.
 *
 *   hf.co/ORG/NAME[:FILE or QUANT]     Hugging Face; huggingface.co/..., and ORG/NAME alone
 *   ollama.com/[NAMESPACE/]NAME[:TAG]  Ollama's registry; registry.ollama.ai/...
 *   http://..., https://...            a file; one of Hugging Face is read as the first kind
 *   ipfs://CID[/FILE]                  a file by its content
 *
 * Everything that becomes a part of a path on this machine is checked here. */
#ifndef KW_HUB_REFERENCE_H
#define KW_HUB_REFERENCE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

typedef enum kw_reference_kind {
    KW_REF_URL,
    KW_REF_HUGGINGFACE,
    KW_REF_OLLAMA,
    KW_REF_IPFS
} kw_reference_kind;

#define KW_REF_NAME_MAX 200
#define KW_REF_URL_MAX 2048

typedef struct kw_reference {
    kw_reference_kind kind;
    char model[KW_REF_NAME_MAX + 1];    /* "org/name": where it is kept in the store */
    char repo[KW_REF_NAME_MAX + 1];     /* of the hub or registry; a CID in text */
    char file[KW_REF_NAME_MAX + 1];     /* a file, quantisation or tag; "": not said */
    char revision[KW_REF_NAME_MAX + 1]; /* "": not said */
    char url[KW_REF_URL_MAX + 1];       /* KW_REF_URL */
} kw_reference;

/* KW_E_ARG names what is wrong. */
kw_status kw_reference_parse(kw_str text, kw_reference *out, kw_error *err);

/* Whether a name from outside may be a relative path below a directory of ours: parts that are not
 * empty and begin with no dot, no control characters or backslashes, at most KW_REF_NAME_MAX. */
bool kw_path_is_safe(kw_str path);
/* Whether it is a model's name: 1 to 3 parts of letters, digits, "-", "_" and ".". */
bool kw_name_is_safe(kw_str name);
/* Appends text with everything but letters, digits, "-._~" and "/" as %XX. */
void kw_url_escape(kw_buf *out, kw_str text);

#endif
