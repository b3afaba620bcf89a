/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tokenizer_files.h - the tokenizer of a model as the files that Hugging Face directories have. */
#ifndef KW_ENGINE_TOKENIZER_FILES_H
#define KW_ENGINE_TOKENIZER_FILES_H

#include "format/model_file.h"

/* Writes dir/name, whole or not at all. */
kw_status kw_file_put(const char *dir, const char *name, kw_str content, kw_error *err);
/* Copies config.json and the files of a tokenizer from one directory to another; those that are
 * not there are left out. *any: the tokenizer was among them. */
kw_status kw_tokenizer_files_copy(const char *from, const char *to, bool *any, kw_error *err);
/* Makes them of GGUF's metadata: tokenizer.model of a SentencePiece BPE, vocab.json and merges.txt
 * of a byte-level BPE that cuts text as GPT-2 does. *any is false for other kinds. */
kw_status kw_tokenizer_files_make(const kw_model_file *file, const char *to, bool *any,
                                  kw_error *err);

#endif
