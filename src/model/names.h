/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* names.h - the names of weights: GGUF's, and those of a family's aliases in Hugging Face files. */
#ifndef KW_MODEL_NAMES_H
#define KW_MODEL_NAMES_H

#include "model/net.h"

#define KW_WEIGHT_NAME_BYTES 160

/* The weight called name ("attn_q.weight") of a layer (-1: none) in the file, under GGUF's name or
 * the first alias that is there; NULL when there is none. shown: its name in this kind of file, or
 * the one it should have. */
const kw_tensor_view *kw_net_find_weight(const kw_net *net, int layer, const char *name,
                                         char shown[KW_WEIGHT_NAME_BYTES]);
/* The alias of a name of a Hugging Face file, NULL when the family has none. index: the numbers in
 * the holes of the pattern; suffix: ".weight" or the like. */
const kw_alias *kw_family_alias(const kw_family *family, kw_str name, int index[2], kw_str *suffix);
/* The same of a name of GGUF. */
const kw_alias *kw_family_alias_to(const kw_family *family, kw_str name);
/* Hugging Face's name of a weight for GGUF's: that of its first alias, whose flags say what else
 * differs; the first with `part` in it where there is one (NULL: any). NULL when it has none. out
 * holds `size` bytes. */
const kw_alias *kw_family_hf_name(const kw_family *family, kw_str name, const char *part, char *out,
                                  size_t size);
/* Matches "a.%d.b" against the whole of text; index: the numbers in its holes, -1 without. */
bool kw_name_match(const char *pattern, kw_str text, int index[2]);
/* Fills the holes of a pattern and appends the suffix; false when it does not fit. */
bool kw_name_expand(const char *pattern, const int index[2], kw_str suffix, char *out, size_t size);

#endif
