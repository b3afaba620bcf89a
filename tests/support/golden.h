/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* golden.h - reading reference outputs, and the few steps every golden test begins with. */
#ifndef KW_TESTS_GOLDEN_H
#define KW_TESTS_GOLDEN_H

#include <kwaai/kwaai.h>

#include "format/model_file.h"

/* dir/name under the shared data, or tests/golden here for "decoders/...", in buffers that rotate:
 * at most 8 are alive. NULL and a printed reason when the shared data is not there. */
const char *golden_path(const char *name);
/* The whole file as terminated text, malloc'ed, NULL when it cannot be read. */
char *golden_text(const char *path, size_t *len);
/* meta.json's tolerance.max_abs_error, or a negative number. */
double golden_number(const char *meta_path, const char *dotted_key);
/* Tensor "seqN.<what>" of golden.safetensors, or NULL. */
const kw_tensor_view *golden_tensor(const kw_model_file *file, int seq, const char *what);
/* i64 ids of a view as i32, malloc'ed. */
int32_t *golden_ids(const kw_tensor_view *view, size_t *n);

/* An engine and a session on a model file; fails the test with the error's message. */
typedef struct golden_run {
    kw_engine *engine;
    kw_model *model;
    kw_session *session;
    int vocab;
} golden_run;

void golden_open(golden_run *run, const char *path, const kw_engine_config *engine,
                 const kw_session_config *session);
void golden_close(golden_run *run);
/* f32 [n][vocab], malloc'ed; starts afresh. */
float *golden_logits(golden_run *run, const int32_t *tokens, size_t n);

#endif
