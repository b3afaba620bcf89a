/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* options.h - the options of every command: one table (option_table.c), which parsing, --help, the
 * man page and the shell completions all read.
 *
 * A value comes from its flag, else from the environment (KWAAI_<NAME>), else from the table's
 * default. Adding an option is a row and a field. */
#ifndef KW_CLI_OPTIONS_H
#define KW_CLI_OPTIONS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits of kw_option.commands; the order is that of kw_commands[]. No enum: those have 32 bits. */
#define KW_CMD_RUN (UINT64_C(1) << 0)
#define KW_CMD_INSPECT (UINT64_C(1) << 1)
#define KW_CMD_TENSORS (UINT64_C(1) << 2)
#define KW_CMD_TOKENIZE (UINT64_C(1) << 3)
#define KW_CMD_DETOKENIZE (UINT64_C(1) << 4)
#define KW_CMD_LOGITS (UINT64_C(1) << 5)
#define KW_CMD_EMBED (UINT64_C(1) << 6)
#define KW_CMD_BENCH (UINT64_C(1) << 7)
#define KW_CMD_QUANTIZE (UINT64_C(1) << 8)
#define KW_CMD_IMATRIX (UINT64_C(1) << 9)
#define KW_CMD_PERPLEXITY (UINT64_C(1) << 10)
#define KW_CMD_MERGE (UINT64_C(1) << 11)
#define KW_CMD_CONVERT (UINT64_C(1) << 12)
#define KW_CMD_DOCTOR (UINT64_C(1) << 13)
#define KW_CMD_HELP (UINT64_C(1) << 14)
#define KW_CMD_COMPLETION (UINT64_C(1) << 15)
#define KW_CMD_MAN (UINT64_C(1) << 16)
#define KW_CMD_VERSION (UINT64_C(1) << 17)
/* Those of cli/net, which a build without the network does not have. */
#define KW_CMD_LIST (UINT64_C(1) << 18)
#define KW_CMD_VERIFY (UINT64_C(1) << 19)
#define KW_CMD_PULL (UINT64_C(1) << 20)
#define KW_CMD_SHOW (UINT64_C(1) << 21)
#define KW_CMD_RM (UINT64_C(1) << 22)
#define KW_CMD_DU (UINT64_C(1) << 23)
#define KW_CMD_PRUNE (UINT64_C(1) << 24)
#define KW_CMD_SIGN (UINT64_C(1) << 25)
#define KW_CMD_PUBLISH (UINT64_C(1) << 26)
#define KW_CMD_NODE (UINT64_C(1) << 27)
#define KW_CMD_EXPORT (UINT64_C(1) << 28)
#define KW_CMD_IMPORT (UINT64_C(1) << 29)
#define KW_CMD_ALL (~UINT64_C(0))
/* Those that may fetch a model. */
#ifdef KW_NETWORK
#define KW_CMD_FETCH (KW_CMD_PULL | KW_CMD_RUN)
#else
#define KW_CMD_FETCH KW_CMD_PULL
#endif

/* The values of all options; texts are borrowed from argv or the environment. */
typedef struct kw_text_list {
    const char **items; /* owned array of borrowed texts */
    size_t n;
} kw_text_list;

typedef struct kw_options {
    const char *model, *tokenizer, *isa, *threads;
    const char *system, *template_file;
    const char *prompt, *file, *cache_type, *text, *ids, *tokens, *tokens_file, *out, *stage;
    const char *n_prompt, *n_gen, *depth, *output, *synthetic, *type, *against;
    int mmap, escape, raw, ignore_eos, display_prompt, interactive, history, verbose, json, help;
    int bos, parse_special, special, warmup, roofline, fast, pull;
    int64_t predict, context, batch, top_k, repeat_last_n, seed, repetitions, chunks, busy;
    double temp, top_p, min_p, repeat_penalty, presence_penalty, frequency_penalty, delay;
    double typical, top_n_sigma, xtc_probability, xtc_threshold, dynatemp_range, dynatemp_exp;
    double dry_multiplier, dry_base, mirostat_lr, mirostat_ent;
    int64_t dry_allowed_length, dry_last_n, mirostat;
    const char *samplers, *grammar, *grammar_file, *json_schema, *json_schema_file;
    kw_text_list logit_bias, dry_breakers;
    kw_text_list stop, tensor_types, lora, lora_scaled, listen, bootstrap, through;
    int64_t count;
    int perf, local, relay, metered;
    const char *ban_for, *upload_limit, *contribute, *store_cap;
    kw_text_list peers;
    const char *method, *weights, *base, *to;
    const char *pooling, *decoder_tokens;
    int normalize;
    const char *kl_base, *imatrix, *output_type, *embedding_type;
    int kl_divergence, pure, leave_output, allow_requantize, dry_run;
    const char *sha256, *limit_rate, *from, *revision, *endpoint;
    kw_text_list gateways, routers;
    int offline;
    const char *key, *comment;
    int generate, force;
    const char *ignored; /* value of an option that has no effect here */
} kw_options;

typedef enum kw_option_kind {
    KW_OPT_FLAG,         /* int: 0 or 1; --no-NAME clears it */
    KW_OPT_INT,          /* int64_t in [min, max] */
    KW_OPT_REAL,         /* double in [min, max] */
    KW_OPT_TEXT,         /* const char * */
    KW_OPT_PATH,         /* const char *, a file name */
    KW_OPT_CHOICE,       /* const char *, one of choices */
    KW_OPT_TEXTS,        /* kw_text_list: may be given again */
    KW_OPT_IGNORED_FLAG, /* known from other programs, no effect here: a note says why */
    KW_OPT_IGNORED       /* likewise, with a value */
} kw_option_kind;

enum kw_option_section {
    KW_SECTION_MODEL,
    KW_SECTION_TYPES,
    KW_SECTION_TESTS,
    KW_SECTION_INPUT,
    KW_SECTION_ANSWER,
    KW_SECTION_SAMPLING,
    KW_SECTION_MACHINE,
    KW_SECTION_NETWORK,
    KW_SECTION_OUTPUT,
    KW_N_SECTIONS
};

typedef struct kw_option {
    const char *name;    /* long, without its dashes */
    const char *aliases; /* other spellings with their dashes, separated by spaces; "!" negates */
    const char *meta;    /* name of the value; NULL for flags */
    const char *help;    /* of a flag that is on unless switched off: what --no-NAME does */
    const char *initial; /* default as a user would write it; NULL: none */
    const char *choices; /* separated by spaces; for texts: what completion offers */
    double min, max;
    size_t offset;
    uint64_t commands;
    uint8_t kind, section;
    char letter; /* 0: none */
} kw_option;

#define KW_MAX_OPTIONS 160

extern const kw_option kw_option_table[];
extern const size_t kw_n_options;

typedef enum kw_option_source {
    KW_FROM_DEFAULT,
    KW_FROM_ENVIRONMENT,
    KW_FROM_FLAG
} kw_option_source;

/* What a command line means. */
typedef struct kw_parsed {
    kw_options options;
    uint8_t source[KW_MAX_OPTIONS]; /* kw_option_source of each row */
    const char **args;              /* owned array of borrowed positional arguments */
    size_t n_args;
} kw_parsed;

/* getenv, or a stand-in for tests. */
typedef char *(*kw_env_fn)(const char *name);

/* Parses argv[0..argc) (without the command's name) for the command of this bit. KW_E_ARG names
 * what is wrong and, for an unknown option, the nearest one. Freed with kw_parsed_free, also after
 * a failure. */
kw_status kw_options_parse(uint64_t command, int argc, char *const *argv, kw_env_fn env,
                           kw_parsed *out, kw_error *err);
void kw_parsed_free(kw_parsed *parsed);

/* Sets one numeric option of a command by its name, as "/set temp 0.5" does. */
kw_status kw_options_set(uint64_t command, const char *name, const char *value, kw_parsed *parsed,
                         kw_error *err);
/* Where the value of an option comes from. */
kw_option_source kw_options_source(const kw_parsed *parsed, const char *name);

/* "KWAAI_TOP_K" of "top-k". */
void kw_option_env_name(const kw_option *option, char *out, size_t size);
bool kw_option_takes_value(const kw_option *option);
/* Rows that are listed to a person: not the ignored ones. */
bool kw_option_listed(const kw_option *option);
/* A flag that is on unless it is switched off, shown as --no-NAME. */
bool kw_option_shown_negated(const kw_option *option);
const char *kw_section_title(int section);

/* "1,2,-3" (commas, spaces or brackets between) into malloc'ed numbers, each in [min, max]. */
kw_status kw_parse_ints(const char *text, size_t len, int64_t min, int64_t max, const char *subject,
                        int64_t **out, size_t *n, kw_error *err);

#endif
