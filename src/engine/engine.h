/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* engine.h - the handles behind kwaai.h. */
#ifndef KW_ENGINE_ENGINE_H
#define KW_ENGINE_ENGINE_H

#include <kwaai/kwaai.h>

#include "backend/registry.h"
#include "base/log.h"
#include "engine/chat_templates.h"
#include "model/adapter.h"
#include "model/net.h"
#include "plan/plan.h"
#include "text/tokenizer.h"

#include <stdatomic.h>

#define KW_DEFAULT_CONTEXT 4096 /* positions of a session, or the model's when that is less */

struct kw_engine {
    const kw_backend *backend;
    kw_device *device;
    kw_log log;
    uint64_t budget_bytes; /* 0: none */
    _Atomic uint64_t used_bytes;
};

typedef struct kw_owned_weight {
    void *data; /* device memory */
    size_t bytes;
} kw_owned_weight;

struct kw_model {
    kw_engine *engine;
    kw_model_file *file;
    kw_net *net;
    kw_tokenizer *tokenizer; /* NULL: the file has none */
    char *name, *description;
    kw_chat_templates templates;
    uint64_t n_params, weight_bytes, reserved_bytes;
    uint64_t token_params, token_bytes, output_params, output_bytes; /* as in kw_model_info */
    int64_t vocab;
    kw_owned_weight *quantized; /* [n_quantized] weights made while loading; NULL: none */
    size_t n_quantized;
    void *image; /* synthetic models: the memory behind the file */
    size_t image_bytes;
    kw_weight_gate gate;     /* of a file that is still being fetched */
    atomic_bool all_is_here; /* of it */
};

struct kw_adapter {
    kw_model *model;
    kw_model_file *file;
    kw_adapter_set *set;
    uint64_t reserved_bytes;
};

/* Plans of a part: one token; a few, and a small batch of some more, with rows for all of them or
 * not; a chunk of the prompt; a chunk with rows for every token. Encoders and hidden states have
 * the last alone. */
typedef enum kw_bucket {
    KW_BUCKET_DECODE,
    KW_BUCKET_FEW,
    KW_BUCKET_SMALL,
    KW_BUCKET_PROMPT,
    KW_BUCKET_SCORE,
    KW_N_BUCKETS
} kw_bucket;

/* One graph of a session. */
typedef struct kw_session_part {
    kw_graph *graph;             /* NULL: the model has none, or it was not needed yet */
    void **states;               /* [graph->n_states] by slot, borrowed from the session */
    kw_plan *plan[KW_N_BUCKETS]; /* made when first used */
    int64_t bound[KW_N_BUCKETS][KW_N_EXTENTS];
} kw_session_part;

/* What lives between runs; graphs that name the same state share it. */
typedef struct kw_session_state {
    char *name; /* owned */
    void *data; /* device memory */
    size_t bytes;
} kw_session_state;

struct kw_session {
    kw_model *model;
    struct kw_constrainer *constrainer; /* NULL: no grammar was asked for yet */
    kw_net_options options;             /* but for the part */
    kw_adapter_use *adapters;           /* [n_adapters] of every part's graph */
    size_t n_adapters;
    kw_session_part part[KW_N_NET_PARTS];
    kw_session_state *states; /* [n_states] */
    size_t n_states;
    int context, batch, position;
    int source;                  /* tokens that the encoder has read for the decoder; 0: none */
    int32_t *tokens;             /* [context] what the cache holds */
    int32_t *inputs[KW_N_SLOTS]; /* [at_once] of a run, by slot */
    float *logits;               /* [vocab] of the last token; NULL without a decoder */
    uint64_t reserved_bytes;
    atomic_bool cancel;
};

/* Builds the part's graph and finds or makes its states, unless that was done. */
kw_status kw_part_open(kw_session *session, kw_net_part part, kw_error *err);
/* Runs n tokens, whose inputs are filled in, with a plan of this bucket: rows of n_rows of them go
 * to out. The bound of an encoder's or a hidden part's bucket grows as needed. */
kw_status kw_part_run(kw_session *session, kw_net_part part, kw_bucket bucket, size_t n,
                      size_t n_rows, float *out, kw_error *err);
void kw_parts_close(kw_session *session);
/* What a run of the model asks before it reads weights; NULL: all of the file is here. */
const kw_weight_gate *kw_model_gate(kw_model *model);
/* Counts bytes for the session. */
kw_status kw_session_reserve(kw_session *session, uint64_t bytes, const char *what, kw_error *err);
/* Fills in the tokens of a run: n from position `first` on, each seeing up to position `seen` of
 * what has no order. */
void kw_session_place(kw_session *session, const int32_t *tokens, size_t n, int first, int seen);
/* A text among those that an encoder reads at once. */
typedef struct kw_source_text {
    const int32_t *tokens; /* [n], borrowed */
    size_t n;
    size_t place; /* of the first: kw_source_place */
} kw_source_text;

/* The first place from `at` on where a text of n tokens has the bits that it has at place 0. */
size_t kw_source_place(size_t at, size_t n);
/* Reads texts at once, none of which knows of the others: their hidden states [tokens of all][dim]
 * go to out, one text's after the other. Places end at the context. */
kw_status kw_session_read_texts(kw_session *session, const kw_source_text *texts, size_t n_texts,
                                float *out, kw_error *err);
/* Whether an encoder can read them: there are some, not too many, and they exist. */
kw_status kw_session_check_source(const kw_session *session, const int32_t *tokens, size_t n,
                                  kw_error *err);
/* Reads a source with the encoder: n hidden states [n][dim] go to out, unless it is NULL. */
kw_status kw_session_read_source(kw_session *session, const int32_t *tokens, size_t n, float *out,
                                 kw_error *err);

/* Counts bytes against the budget, or refuses: "model needs .. of ..". */
kw_status kw_engine_reserve(kw_engine *engine, uint64_t bytes, const char *what, kw_error *err);
void kw_engine_release(kw_engine *engine, uint64_t bytes);

/* Adds the adapters that a session asked for to its graph. */
kw_status kw_session_adapt(const kw_model *model, const kw_adapter_use *uses, size_t n_uses,
                           kw_graph **graph, kw_error *err);
/* Whether these tokens exist. */
kw_status kw_session_check_ids(const kw_model *model, const int32_t *tokens, size_t n,
                               kw_error *err);
/* The input as tokens, malloc'ed. Empty text at the start becomes bos alone; no tokens at all are
 * refused. */
kw_status kw_input_tokens_of(const kw_session *session, const kw_input *input, int32_t **tokens,
                             size_t *n, kw_error *err);
/* The token that the model's texts begin with; -1: none. */
kw_status kw_model_bos(const kw_model *model, int *out, kw_error *err);
/* Whether these tokens exist and fit behind the session's position. */
kw_status kw_session_check(const kw_session *session, const int32_t *tokens, size_t n,
                           kw_error *err);
/* kw_session_eval that leaves a pending cancellation in force. */
kw_status kw_session_advance(kw_session *session, const int32_t *tokens, size_t n, bool last_only,
                             float *logits, kw_error *err);

/* How the model's files say that its hidden states are pooled; KW_POOLING_MODEL: they do not. */
kw_status kw_model_pooling(const kw_net *net, kw_pooling *out, kw_error *err);

/* The tokenizer that a file (or the directory it lies in, or a path) brings; *out stays NULL when
 * there is none. */
kw_status kw_engine_tokenizer(const kw_model_file *file, const char *path, const kw_log *log,
                              kw_tokenizer **out, kw_error *err);

#endif
