/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* embed.c - kwaai embed: one vector for each text, from arguments or from the lines of a file or of
 * standard input, some of them at a time. */
#include "cli/commands.h"

#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/load.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 64 }; /* texts that the engine is given together */

typedef struct job {
    kw_cli *cli;
    kw_loaded loaded;
    kw_session *session;
    kw_embedding how;
    kw_buf lines;   /* of a file */
    int32_t *ids;   /* of --tokens */
    float *vectors; /* [AT_ONCE][dim] */
    kw_input waiting[AT_ONCE];
    size_t n_waiting;
    kw_json_writer json;
    size_t n_texts, n_tokens; /* done so far */
} job;

static void choose_pooling(const kw_options *o, kw_embedding *how)
{
    static const struct {
        const char *name;
        kw_pooling pooling;
    } kinds[] = {{"mean", KW_POOLING_MEAN}, {"cls", KW_POOLING_CLS}, {"last", KW_POOLING_LAST}};
    kw_embedding_init(how);
    for (size_t i = 0; o->pooling && i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(o->pooling, kinds[i].name) == 0)
            how->pooling = kinds[i].pooling;
    how->no_normalize = !o->normalize;
}

static kw_status open_job(job *j, const char *path, kw_error *err)
{
    kw_cli *cli = j->cli;
    const kw_options *o = &cli->parsed.options;
    kw_session_config config;
    int n_threads;
    choose_pooling(o, &j->how);
    KW_TRY(kw_cli_threads(cli, &n_threads, err));
    KW_TRY(kw_cli_load(cli, path, n_threads, &j->loaded, err));
    if (!j->loaded.info.has_tokenizer && !o->tokens)
        return kw_fail(err, KW_E_NOTFOUND, "%s: no tokenizer is with it (--tokenizer names one)",
                       kw_cli_model_name(path));
    kw_cli_session_config(cli, &j->loaded, &config);
    config.context = (int)o->context;
    KW_TRY(kw_session_open(j->loaded.model, &config, &j->session, err));
    j->vectors = calloc(AT_ONCE, (size_t)j->loaded.info.dim * sizeof *j->vectors);
    if (!j->vectors)
        return kw_fail(err, KW_E_NOMEM, "no memory for vectors of %d", j->loaded.info.dim);
    kw_interrupt_target(j->session);
    kw_interrupt_watch();
    return KW_OK;
}

/* Enough digits to read the same f32 again. */
static void print_vector(job *j, const float *vector)
{
    kw_out *out = &j->cli->out;
    const int dim = j->loaded.info.dim;
    if (!j->cli->parsed.options.json) {
        for (int i = 0; i < dim; i++)
            kw_out_printf(out, "%s%.9g", i ? " " : "", (double)vector[i]);
        kw_out_puts(out, "\n");
        return;
    }
    kw_json_open(&j->json, NULL, '{');
    kw_json_puts(&j->json, "object", "embedding");
    kw_json_int(&j->json, "index", (int64_t)j->n_texts);
    kw_json_open(&j->json, "embedding", '[');
    for (int i = 0; i < dim; i++)
        kw_json_real(&j->json, NULL, (double)vector[i]);
    kw_json_close(&j->json, ']');
    kw_json_close(&j->json, '}');
}

/* Reads n texts together and prints their vectors. */
static kw_status embed(job *j, const kw_input *inputs, size_t n, kw_error *err)
{
    size_t n_tokens;
    KW_TRY(kw_embed(j->session, inputs, n, &j->how, j->vectors, &n_tokens, err));
    for (size_t i = 0; i < n; i++) {
        print_vector(j, j->vectors + i * (size_t)j->loaded.info.dim);
        j->n_texts++;
    }
    j->n_tokens += n_tokens;
    return kw_out_flush(&j->cli->out) ? KW_OK : kw_fail(err, KW_E_CANCELLED, "no reader");
}

/* The texts that wait. When one of them cannot be read, those before it are, and it is named. */
static kw_status embed_waiting(job *j, kw_error *err)
{
    const size_t n = j->n_waiting;
    j->n_waiting = 0;
    kw_error why = {0};
    kw_status status = n > 0 ? embed(j, j->waiting, n, &why) : KW_OK;
    if (status == KW_OK || status == KW_E_CANCELLED)
        return status == KW_OK ? KW_OK : kw_fail(err, status, "%s", why.message);
    for (size_t i = 0; i < n; i++) {
        status = embed(j, &j->waiting[i], 1, &why);
        if (status != KW_OK)
            return kw_fail(err, status, "text %zu: %s", j->n_texts + 1, why.message);
    }
    return KW_OK;
}

static kw_status add(job *j, const kw_input *input, kw_error *err)
{
    j->waiting[j->n_waiting++] = *input;
    return j->n_waiting == AT_ONCE ? embed_waiting(j, err) : KW_OK;
}

static kw_status embed_text(job *j, const char *text, size_t len, kw_error *err)
{
    /* A length of 0 would mean that the text is terminated. */
    const kw_input input = {.struct_size = sizeof input, .text = len ? text : "", .text_len = len};
    return add(j, &input, err);
}

/* Each line of a file, or of standard input ("-"); the last needs no line end. */
static kw_status embed_lines(job *j, const char *path, kw_error *err)
{
    KW_TRY(kw_input_read(j->cli, path, &j->lines, err));
    if (j->lines.len == 0)
        return KW_OK;
    const char *at = j->lines.data, *const end = at + j->lines.len;
    while (at < end) {
        const char *const stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((stop ? stop : end) - at);
        const size_t next = len + (stop != NULL);
        if (len > 0 && at[len - 1] == '\r')
            len--;
        KW_TRY(embed_text(j, at, len, err));
        at += next;
    }
    KW_TRY(embed_waiting(j, err)); /* while the lines are there */
    kw_buf_free(&j->lines);
    return KW_OK;
}

static kw_status embed_all(job *j, const char *const *texts, size_t n, kw_error *err)
{
    const kw_options *o = &j->cli->parsed.options;
    if (o->tokens) {
        kw_input input = {.struct_size = sizeof input};
        KW_TRY(kw_input_ids(j->cli, o->tokens, NULL, &j->ids, &input.n_tokens, err));
        input.tokens = j->ids;
        KW_TRY(add(j, &input, err));
        return embed_waiting(j, err);
    }
    if (o->file || n == 0)
        return embed_lines(j, o->file ? o->file : "-", err);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(texts[i], "-") == 0)
            KW_TRY(embed_lines(j, "-", err));
        else
            KW_TRY(embed_text(j, texts[i], strlen(texts[i]), err));
    }
    return embed_waiting(j, err);
}

/* The object that OpenAI's /v1/embeddings answers with. */
static kw_status write_all(job *j, const char *const *texts, size_t n, kw_error *err)
{
    kw_json_writer *w = &j->json;
    const bool json = j->cli->parsed.options.json;
    if (json) {
        kw_json_open(w, NULL, '{');
        kw_json_puts(w, "object", "list");
        kw_json_puts(w, "model", j->loaded.info.name);
        kw_json_open(w, "data", '[');
    }
    KW_TRY(embed_all(j, texts, n, err));
    if (json) {
        kw_json_close(w, ']');
        kw_json_open(w, "usage", '{');
        kw_json_int(w, "prompt_tokens", (int64_t)j->n_tokens);
        kw_json_int(w, "total_tokens", (int64_t)j->n_tokens);
        kw_json_close(w, '}');
        kw_json_close(w, '}');
    }
    return KW_OK;
}

static int run_embed(kw_cli *cli)
{
    size_t n_used;
    kw_error err = {0};
    job j = {.cli = cli, .json = {.out = &cli->out}};
    const char *path = kw_cli_model(cli, &n_used);
    const char *const *texts = cli->parsed.args + n_used;
    const size_t n = cli->parsed.n_args - n_used;
    if ((n > 0) + (cli->parsed.options.tokens != NULL) + (cli->parsed.options.file != NULL) > 1)
        return kw_cli_usage(cli, "give texts, --tokens or --file, one of them");
    kw_status status = open_job(&j, path, &err);
    if (status == KW_OK)
        status = write_all(&j, texts, n, &err);
    if (status == KW_OK && cli->parsed.options.verbose)
        kw_cli_note(cli, "%zu texts, %zu tokens, vectors of %d", j.n_texts, j.n_tokens,
                    j.loaded.info.dim);
    kw_interrupt_target(NULL);
    kw_session_close(j.session);
    kw_cli_unload(&j.loaded);
    kw_buf_free(&j.lines);
    free(j.ids);
    free(j.vectors);
    return status == KW_OK ? KW_EXIT_OK : kw_cli_fail(cli, status, &err);
}

const kw_command kw_command_embed = {
    .name = "embed",
    .summary = "turn texts into vectors",
    .usage = "[MODEL] [TEXT...]",
    .description =
        "Prints one vector for each TEXT, in one line, its numbers separated by spaces: the "
        "hidden states after the model's last norm, pooled as the model's files say, of length 1. "
        "The dot product of two such vectors says how much alike their texts are. MODEL is an "
        "encoder (BERT, MiniLM, BGE, T5) or any other language model. - stands for the lines of "
        "standard input, a text each; so does no TEXT at all, and --file names a file of them.",
    .examples = "  kwaai embed all-MiniLM-L6-v2 \"a cat\" \"a dog\"\n"
                "  kwaai embed model.gguf --file sentences.txt >vectors.txt\n"
                "  kwaai embed model.gguf \"a cat\" --json | jq '.data[0].embedding | length'\n"
                "  kwaai embed model.gguf \"a cat\" --pooling last --no-normalize\n",
    .max_args = SIZE_MAX,
    .run = run_embed,
};
