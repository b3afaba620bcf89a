/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kwaai.h - run open models from the files people download.
 *
 * The whole library in one page. Four handles, each opened and closed by you:
 *
 *     kw_engine   the machine: worker threads, kernels, one memory budget
 *     kw_model    a model file, mapped and checked; immutable, shared by its sessions
 *     kw_session  one conversation: its key/value cache and position
 *     (kw_run)    one answer: input and constraints in, events out
 *
 * The shortest program (examples/hello.c is this, with the errors checked):
 *
 *     kw_engine *engine;
 *     kw_model *model;
 *     kw_session *session;
 *     kw_engine_open(NULL, &engine, NULL);
 *     kw_model_load(engine, "model.gguf", NULL, &model, NULL);
 *     kw_session_open(model, NULL, &session, NULL);
 *     kw_run(session, &(kw_input){.struct_size = sizeof(kw_input), .text = "Once upon a time"},
 *            NULL, print_event, NULL, NULL, NULL);
 *     kw_session_close(session);
 *     kw_model_close(model);
 *     kw_engine_close(engine);
 *
 * Rules that hold everywhere:
 *  - Every fallible call returns kw_status and takes a kw_error * last; NULL is allowed. Outputs
 * are written on success only. Nothing aborts, exits, prints or reads the environment.
 *  - A configuration struct starts with its own size. The kw_..._init functions fill it with
 *    defaults; NULL stands for all defaults. A zeroed field means "the default" where that is said.
 *  - Results are exact: the same tokens and the same logits, bit for bit, whatever the number of
 *    threads, the batch size or the instruction set.
 *  - Engine and model may be used from many threads. A session belongs to one thread at a time,
 *    except kw_session_cancel, which any thread or signal handler may call.
 *  - close frees a handle and accepts NULL. Close sessions before their model, models before the
 *    engine. */
#ifndef KWAAI_KWAAI_H
#define KWAAI_KWAAI_H

#include <kwaai/arrival.h>
#include <kwaai/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kw_engine kw_engine;
typedef struct kw_model kw_model;
typedef struct kw_session kw_session;

/* "0.1.0" of the library that is linked. */
KW_API const char *kw_version(void);

/* ---- engine ------------------------------------------------------------------------------- */

/* How much of a machine to take. */
typedef enum kw_preset {
    KW_PRESET_DEFAULT, /* a desktop: all cores, no budget but the machine's memory */
    KW_PRESET_BROWSER, /* 1 GiB */
    KW_PRESET_MOBILE,  /* a quarter of the available memory */
    KW_PRESET_SERVER   /* half of the machine's memory */
} kw_preset;

typedef struct kw_engine_config {
    size_t struct_size;
    int n_threads;         /* 0: one for each physical core this process may use, of
                            * the fast ones where cores differ */
    uint64_t memory_bytes; /* budget over weights, caches and work space; 0: none */
    /* "scalar", "avx2", "avxvnni", "avx512", "amx", "neon", "i8mm", "wasm128"; NULL: the best */
    const char *isa;
    void (*log)(void *user, int level, const char *message); /* 0 error .. 3 debug; NULL: silent */
    void *log_user;
    int log_level; /* messages above it are not made */
    /* Float weights may use kernels that are faster and not exact: results then depend on the
     * instruction set. Quantised weights are always exact. */
    bool fast;
} kw_engine_config;

KW_API void kw_engine_config_init(kw_engine_config *config, kw_preset preset);
KW_API kw_status kw_engine_open(const kw_engine_config *config, kw_engine **out, kw_error *err);
KW_API void kw_engine_close(kw_engine *engine);

typedef struct kw_engine_info {
    size_t struct_size;
    int n_threads;
    const char *isa;
    uint64_t memory_bytes;      /* the budget, 0: none */
    uint64_t memory_used_bytes; /* weights mapped, caches, work space */
} kw_engine_info;

/* out->struct_size is set by the caller. */
KW_API void kw_engine_get_info(const kw_engine *engine, kw_engine_info *out);

/* ---- model -------------------------------------------------------------------------------- */

typedef struct kw_model_config {
    size_t struct_size;
    bool no_mmap;          /* read the file into memory instead of mapping it */
    const char *tokenizer; /* a tokenizer file or directory instead of the model's own; NULL */
    const char
        *type; /* a mixture ("q4_k_m"): float matrices are quantised while loading; NULL: not */
    /* The file is still being fetched: it has its final size, and holes. Asked before bytes of it
     * are read. Loading waits for the directory and the tokenizer of a GGUF file (for all of any
     * other), a run for the weights of each layer as it comes to it; KW_E_IO says that they will
     * not come. Results are the same. NULL: all is here. */
    kw_arrival_fn arrived;
    void *arrived_user;
} kw_model_config;

KW_API void kw_model_config_init(kw_model_config *config);
/* A GGUF file (any part of a split set), a .safetensors file, or a directory with config.json,
 * *.safetensors and a tokenizer. */
KW_API kw_status kw_model_load(kw_engine *engine, const char *path, const kw_model_config *config,
                               kw_model **out, kw_error *err);
/* A GGUF image in memory, borrowed until kw_model_close. name appears in messages. */
KW_API kw_status kw_model_load_memory(kw_engine *engine, const void *data, size_t len,
                                      const char *name, const kw_model_config *config,
                                      kw_model **out, kw_error *err);
/* Random weights of a named shape ("llama-1.1b") in a type ("q4_0"), without a tokenizer: for
 * measuring speed, which does not depend on their values. */
KW_API kw_status kw_model_synthetic(kw_engine *engine, const char *shape, const char *type,
                                    kw_model **out, kw_error *err);
KW_API void kw_model_close(kw_model *model);

typedef struct kw_model_info {
    size_t struct_size;
    const char *name;         /* as the file calls itself, else its path */
    const char *architecture; /* "llama" */
    const char *description;  /* "llama 1.1B Q4_0", as benchmarks print it */
    uint64_t n_params;
    uint64_t size_bytes; /* of all weights */
    int context;         /* positions it was trained for */
    int vocab, dim, layers;
    bool has_tokenizer;
    const char *chat_template; /* Jinja source of the default one, NULL when the file has none */
    /* Of the matrices that each token of the input is multiplied with, and of those that give the
     * logits of a position. What is only looked up (embeddings) is in neither. */
    uint64_t token_params, token_bytes, output_params, output_bytes;
    /* An encoder alone makes embeddings; one with a decoder answers its input (T5); most models are
     * a decoder alone, which continues it. */
    bool has_encoder, has_decoder;
    int decoder_start; /* of an encoder with a decoder: the token that every answer begins with; -1
                        */
} kw_model_info;

/* Strings live as long as the model. out->struct_size is set by the caller. */
KW_API void kw_model_get_info(const kw_model *model, kw_model_info *out);
/* The Jinja source of one of the model's chat templates ("default", "tool_use", "rag", ...); NULL
 * when it has none of this name. Then the name of the i-th, NULL past the last. */
KW_API const char *kw_model_chat_template(const kw_model *model, const char *name);
KW_API const char *kw_model_chat_template_name(const kw_model *model, size_t i);

/* Token ids of UTF-8 text (any bytes are accepted). add_special: with the model's bos and eos;
 * parse_special: "<|eot_id|>" in the text is that token. *ids is freed with kw_free. */
KW_API kw_status kw_model_tokenize(const kw_model *model, const char *text, size_t len,
                                   bool add_special, bool parse_special, int32_t **ids,
                                   size_t *n_ids, kw_error *err);
/* The text of ids, terminated, freed with kw_free. */
KW_API kw_status kw_model_detokenize(const kw_model *model, const int32_t *ids, size_t n_ids,
                                     char **text, size_t *len, kw_error *err);
KW_API void kw_free(void *pointer);

/* ---- adapters ----------------------------------------------------------------------------- */

typedef struct kw_adapter kw_adapter;

/* A low-rank adapter (LoRA) for a model: a GGUF file, PEFT's adapter_model.safetensors with
 * adapter_config.json beside it, or the directory of both. The weights of the model stay as they
 * are. Closed before the model, after the sessions that use it. */
KW_API kw_status kw_adapter_load(kw_model *model, const char *path, kw_adapter **out,
                                 kw_error *err);
KW_API void kw_adapter_close(kw_adapter *adapter);

/* An adapter of a session: its product is multiplied by scale (1: as it was trained). */
typedef struct kw_adapter_use {
    kw_adapter *adapter;
    float scale;
} kw_adapter_use;

/* ---- session ------------------------------------------------------------------------------ */

/* How keys and values of past tokens are kept. q8_0 takes about half of f16's memory and rounds
 * more. */
typedef enum kw_cache_type {
    KW_CACHE_F16,
    KW_CACHE_F32,
    KW_CACHE_BF16,
    KW_CACHE_Q8_0
} kw_cache_type;

typedef struct kw_session_config {
    size_t struct_size;
    int context; /* positions the cache holds; 0: the model's, at most 4096 */
    int batch;   /* prompt tokens computed at once; 0: 256 */
    kw_cache_type cache;
    const kw_adapter_use *adapters; /* [n_adapters], read while the session opens */
    size_t n_adapters;
} kw_session_config;

KW_API void kw_session_config_init(kw_session_config *config);
KW_API kw_status kw_session_open(kw_model *model, const kw_session_config *config, kw_session **out,
                                 kw_error *err);
KW_API void kw_session_close(kw_session *session);
/* Number of tokens in the cache, and how many it can hold. */
KW_API int kw_session_position(const kw_session *session);
KW_API int kw_session_context(const kw_session *session);
/* Forgets everything after the first `position` tokens (0: starts afresh). */
KW_API kw_status kw_session_rewind(kw_session *session, int position, kw_error *err);
/* Asks the running kw_run or kw_session_eval to stop soon. Safe in a signal handler. */
KW_API void kw_session_cancel(kw_session *session);

/* Models with an encoder and a decoder: reads the source (the text to translate), at most
 * kw_session_context tokens, all at once. What is decoded from then on attends to it, and the
 * session starts afresh: the decoder's first token is kw_model_info.decoder_start. */
KW_API kw_status kw_session_encode(kw_session *session, const int32_t *tokens, size_t n,
                                   kw_error *err);

/* Appends tokens and, when logits is not NULL, writes f32 [n][vocab] for every position, or for the
 * last one only ([vocab]) when last_only is set. */
KW_API kw_status kw_session_eval(kw_session *session, const int32_t *tokens, size_t n,
                                 bool last_only, float *logits, kw_error *err);

/* ---- chat --------------------------------------------------------------------------------- */

typedef struct kw_chat_message {
    const char *role;    /* "system", "user", "assistant", ... */
    const char *content; /* UTF-8 */
    size_t content_len;  /* 0: it is terminated */
} kw_chat_message;

/* A conversation, and how it is to be written. */
typedef struct kw_chat {
    size_t struct_size;
    const kw_chat_message *messages; /* [n_messages] */
    size_t n_messages;
    const char *messages_json;  /* instead of messages: a JSON array, as HTTP clients send it */
    const char *tools_json;     /* a JSON array of tools; NULL: none */
    const char *variables_json; /* a JSON object of what else the template reads; NULL: nothing */
    const char *source;         /* another template, in Jinja; NULL: the model's own */
    const char *template_name;  /* which of its own; NULL: tool_use with tools, else default */
    bool no_generation_prompt;  /* do not write the beginning of the answer */
    int64_t now_s; /* seconds since 1970 of the local clock, for templates that write the date */
} kw_chat;

KW_API void kw_chat_init(kw_chat *chat);
/* The conversation as the model's chat template writes it: terminated text, freed with kw_free; len
 * may be NULL. Special tokens stand in it as text, bos too: run it with no_special and
 * parse_special. A template sees what is in chat, the text of bos and eos, and nothing else. It is
 * KW_E_ARG when the template itself refuses the messages. */
KW_API kw_status kw_chat_apply(const kw_model *model, const kw_chat *chat, char **text, size_t *len,
                               kw_error *err);

/* ---- run ---------------------------------------------------------------------------------- */

typedef struct kw_input {
    size_t struct_size;
    const char *text; /* UTF-8; NULL when tokens are given */
    size_t text_len;  /* 0 with text: it is terminated */
    const int32_t *tokens;
    size_t n_tokens;
    bool no_special;    /* do not add bos; it is never added after position 0 */
    bool parse_special; /* special tokens written in the text are meant */
    /* The input is the whole conversation from its start: as much of it as the session holds is
     * kept, the rest of the session is forgotten. */
    bool from_start;
} kw_input;

/* Steps of choosing a token, in llama.cpp's names: they work on what the one before left. */
typedef enum kw_sampler_step {
    KW_STEP_PENALTIES, /* repetition, presence, frequency */
    KW_STEP_DRY,
    KW_STEP_TOP_N_SIGMA,
    KW_STEP_TOP_K,
    KW_STEP_TYPICAL_P,
    KW_STEP_TOP_P,
    KW_STEP_MIN_P,
    KW_STEP_XTC,
    KW_STEP_TEMPERATURE
} kw_sampler_step;

typedef struct kw_logit_bias {
    int32_t token;
    float bias; /* added to its logit; -INFINITY: never */
} kw_logit_bias;

/* Limits and choices of one answer. */
typedef struct kw_constraints {
    size_t struct_size;
    int max_tokens;       /* -1: until the end token or a full context; 0: only read the input */
    uint64_t max_ms;      /* 0: none */
    float temperature;    /* 0: greedy */
    int top_k;            /* 0: off */
    float top_p;          /* 1: off */
    float min_p;          /* 0: off */
    float repeat_penalty; /* 1: off */
    int repeat_last_n;    /* tokens it looks back on; -1: the whole context */
    float presence_penalty, frequency_penalty; /* 0: off */
    uint64_t seed;
    const char *const *stop; /* [n_stop] texts that end the answer, not part of it */
    size_t n_stop;
    bool ignore_eos;
    const kw_logit_bias *logit_bias; /* [n_logit_bias] before every step */
    size_t n_logit_bias;
    float typical_p;   /* 1: off */
    float top_n_sigma; /* deviations below the largest logit that are kept; -1: off */
    float xtc_probability, xtc_threshold;    /* probability 0: off */
    float dynatemp_range, dynatemp_exponent; /* temperature +- range by entropy; 0: off */
    float dry_multiplier, dry_base;          /* multiplier 0: off */
    int dry_allowed_length, dry_last_n;      /* last_n -1: the whole context */
    const char *const *dry_breakers;         /* [n_dry_breakers] NULL: newline : " * */
    size_t n_dry_breakers;
    int mirostat; /* 1 or 2 take the place of all steps but the temperature; 0: off */
    float mirostat_tau, mirostat_eta;
    const kw_sampler_step *samplers; /* [n_samplers] the steps and their order; NULL: all, in the
                                      * order of kw_sampler_step */
    size_t n_samplers;
    const char *grammar;     /* the answer follows this GBNF, from its rule "root"; NULL: none */
    const char *json_schema; /* the answer is JSON that this JSON Schema describes; NULL: none */
} kw_constraints;

/* temperature 0.8, top_k 40, top_p 0.95, min_p 0.05, every other step off with llama.cpp's values,
 * max_tokens -1, seed 0. */
KW_API void kw_constraints_init(kw_constraints *constraints);

typedef enum kw_event_kind {
    KW_EVENT_PROMPT, /* progress: n_done of n_total input tokens are read */
    KW_EVENT_TOKEN,  /* one token was chosen; its text may be empty (part of a character) */
    KW_EVENT_END     /* the answer is complete; text holds what was still pending */
} kw_event_kind;

typedef enum kw_finish {
    KW_FINISH_NONE,
    KW_FINISH_STOP,     /* end token or a stop text */
    KW_FINISH_LENGTH,   /* max_tokens, max_ms or a full context */
    KW_FINISH_CANCELLED /* kw_session_cancel, or the callback returned false */
} kw_finish;

typedef struct kw_event {
    kw_event_kind kind;
    const char *text; /* whole UTF-8 characters, not terminated; valid during the call */
    size_t text_len;
    int32_t token; /* KW_EVENT_TOKEN */
    size_t n_done, n_total;
    kw_finish finish; /* KW_EVENT_END */
} kw_event;

/* Return false to stop the answer. */
typedef bool (*kw_event_fn)(void *user, const kw_event *event);

typedef struct kw_result {
    size_t struct_size; /* set by the caller */
    kw_finish finish;
    size_t n_prompt, n_generated;
    uint64_t prompt_ns, first_token_ns, generate_ns; /* first token: from the start of kw_run */
    size_t n_kept; /* of n_prompt, what the session held already (from_start) */
} kw_result;

/* Reads the input after what the session holds and writes an answer; a model with an encoder
 * forgets what the session holds and answers this input alone. constraints, on_event and result may
 * be NULL. A cancelled answer is KW_OK with finish CANCELLED; the session stays usable.
 */
KW_API kw_status kw_run(kw_session *session, const kw_input *input,
                        const kw_constraints *constraints, kw_event_fn on_event, void *user,
                        kw_result *result, kw_error *err);

/* ---- embeddings --------------------------------------------------------------------------- */

/* Which of a text's hidden states (after the last norm) become its vector. */
typedef enum kw_pooling {
    KW_POOLING_MODEL, /* as the model's files say; else mean of an encoder, last of a decoder */
    KW_POOLING_MEAN,
    KW_POOLING_CLS, /* of the first token */
    KW_POOLING_LAST /* of the last token */
} kw_pooling;

typedef struct kw_embedding {
    size_t struct_size;
    kw_pooling pooling;
    bool no_normalize; /* leave the vector as long as it is; else its length becomes 1 */
} kw_embedding;

KW_API void kw_embedding_init(kw_embedding *embedding);

/* Vectors of n texts, f32 [n][kw_model_info.dim]: by the encoder where there is one, else by the
 * decoder. An encoder reads several at once, which is faster and gives each the bits that it has
 * alone. Each text must fit the session's context; what the session held is forgotten. how may be
 * NULL; n_tokens (NULL allowed) receives how many tokens were read in all. */
KW_API kw_status kw_embed(kw_session *session, const kw_input *inputs, size_t n,
                          const kw_embedding *how, float *vectors, size_t *n_tokens, kw_error *err);

#ifdef __cplusplus
}
#endif
#endif
