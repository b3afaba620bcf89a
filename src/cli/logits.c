/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* logits.c - kwaai logits: what a model says after every token, as a safetensors file. */
#include "cli/commands.h"

#include "base/check.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/load.h"
#include "format/safetensors_writer.h"

#include <stdlib.h>

typedef struct job {
    kw_cli *cli;
    kw_loaded loaded;
    kw_session *session;
    int32_t *ids; /* what logits are computed of */
    size_t n_ids;
    int32_t *source; /* of an encoder, NULL without one */
    size_t n_source;
    float *logits; /* [batch][vocab] */
    size_t batch;
} job;

static kw_status check_ids(const job *j, const int32_t *ids, size_t n, kw_error *err)
{
    const int vocab = j->loaded.info.vocab;
    if (n == 0)
        return kw_fail(err, KW_E_ARG, "no tokens are given");
    if (n > INT32_MAX)
        return kw_fail(err, KW_E_LIMIT, "%zu tokens are more than a session holds", n);
    for (size_t i = 0; i < n; i++) {
        if (ids[i] >= vocab)
            return kw_fail(err, KW_E_ARG, "token %d at position %zu: the vocabulary has %d tokens",
                           ids[i], i, vocab);
    }
    return KW_OK;
}

/* With an encoder, what was read is its source, and the decoder has tokens of its own. */
static kw_status read_decoder_tokens(job *j, kw_error *err)
{
    const char *const text = j->cli->parsed.options.decoder_tokens;
    const kw_model_info *const info = &j->loaded.info;
    if (info->has_encoder && !info->has_decoder)
        return kw_fail(err, KW_E_UNSUPPORTED, "%s has no decoder: kwaai embed uses its encoder",
                       info->name);
    if (!info->has_encoder && text)
        return kw_fail(err, KW_E_ARG, "--decoder-tokens: this model has no encoder");
    if (!info->has_encoder)
        return KW_OK;
    KW_TRY(check_ids(j, j->ids, j->n_ids, err));
    j->source = j->ids;
    j->n_source = j->n_ids;
    j->ids = NULL;
    j->n_ids = 0;
    if (text)
        return kw_input_ids(j->cli, text, NULL, &j->ids, &j->n_ids, err);
    j->ids = malloc(sizeof *j->ids);
    if (!j->ids)
        return kw_fail(err, KW_E_NOMEM, "no memory for a token");
    j->ids[0] = info->decoder_start;
    j->n_ids = 1;
    return KW_OK;
}

static kw_status open_job(job *j, const char *path, kw_error *err)
{
    kw_cli *cli = j->cli;
    const kw_options *o = &cli->parsed.options;
    kw_session_config config;
    int n_threads;
    KW_TRY(kw_cli_threads(cli, &n_threads, err));
    KW_TRY(kw_input_ids(cli, o->tokens, o->tokens_file, &j->ids, &j->n_ids, err));
    KW_TRY(kw_cli_load(cli, path, n_threads, &j->loaded, err));
    KW_TRY(read_decoder_tokens(j, err));
    KW_TRY(check_ids(j, j->ids, j->n_ids, err));
    kw_cli_session_config(cli, &j->loaded, &config);
    config.context = (int)KW_MAX(j->n_ids, j->n_source);
    KW_TRY(kw_session_open(j->loaded.model, &config, &j->session, err));
    j->batch = KW_MIN(j->n_ids, (size_t)(config.batch > 0 ? config.batch : 512));
    size_t bytes;
    if (kw_mul_size(j->batch, (size_t)j->loaded.info.vocab, &bytes) &&
        kw_mul_size(bytes, sizeof *j->logits, &bytes))
        j->logits = malloc(KW_MAX(bytes, (size_t)1));
    if (!j->logits)
        return kw_fail(err, KW_E_NOMEM, "no memory for the logits of %zu tokens", j->batch);
    kw_interrupt_target(j->session);
    kw_interrupt_watch();
    return j->source ? kw_session_encode(j->session, j->source, j->n_source, err) : KW_OK;
}

static kw_status stream(job *j, kw_st_writer *writer, kw_error *err)
{
    for (size_t i = 0; i < j->n_ids; i += j->batch) {
        const size_t n = KW_MIN(j->batch, j->n_ids - i);
        if (j->n_ids > j->batch)
            kw_cli_progress(j->cli, "computing: %zu of %zu tokens", i, j->n_ids);
        KW_TRY(kw_session_eval(j->session, j->ids + i, n, false, j->logits, err));
        KW_TRY(kw_st_write(writer, j->logits, n * (size_t)j->loaded.info.vocab * sizeof *j->logits,
                           err));
    }
    return KW_OK;
}

static kw_status write_logits(job *j, const char *out, kw_error *err)
{
    const kw_st_tensor header = {
        .name = "logits", .dtype = KW_F32, .shape = SHAPE((int64_t)j->n_ids, j->loaded.info.vocab)};
    kw_st_writer *writer;
    KW_TRY(kw_st_create(out, &header, 1, &writer, err));
    const kw_status status = stream(j, writer, err);
    const kw_status finished = kw_st_finish(writer, status == KW_OK, status == KW_OK ? err : NULL);
    return status == KW_OK ? finished : status;
}

static int run_logits(kw_cli *cli)
{
    const char *path;
    int code;
    kw_error err = {0};
    job j = {.cli = cli};
    const kw_options *o = &cli->parsed.options;
    if (!kw_cli_only_model(cli, &path, &code))
        return code;
    if (!o->out)
        return kw_cli_usage(cli, "say where to write the logits with --out FILE");
    if (!kw_cli_can_write(o->out, &err))
        return kw_cli_usage(cli, "%s", err.message);
    if (o->tokens && o->tokens_file)
        return kw_cli_usage(cli, "the tokens are given twice: by --tokens and by --tokens-file");
    kw_status status = open_job(&j, path, &err);
    if (status == KW_OK)
        status = write_logits(&j, o->out, &err);
    if (status == KW_OK && o->verbose)
        kw_cli_note(cli, "wrote \"logits\" [%zu, %d] to %s", j.n_ids, j.loaded.info.vocab, o->out);
    kw_interrupt_target(NULL);
    kw_session_close(j.session);
    kw_cli_unload(&j.loaded);
    free(j.logits);
    free(j.ids);
    free(j.source);
    return status == KW_OK ? KW_EXIT_OK : kw_cli_fail(cli, status, &err);
}

const kw_command kw_command_logits = {
    .name = "logits",
    .summary = "write the logits of every position to a file",
    .usage = "[MODEL] --out FILE",
    .description =
        "Feeds the token ids of --tokens, of a file, or of standard input to the model as "
        "they are (no bos token is added), and writes the tensor \"logits\", f32 [tokens, "
        "vocab], as a safetensors file. The values are the same, bit for bit, whatever "
        "the threads, the batch size or the instruction set. Of a model with an encoder and a "
        "decoder (T5), --tokens go to the encoder and the logits are those of --decoder-tokens. "
        "Without MODEL: the built-in model.",
    .examples = "  kwaai logits model.gguf --tokens 1,2,3 --out logits.safetensors\n"
                "  kwaai tokenize m.gguf --file t.txt | kwaai logits m.gguf --out l.safetensors\n",
    .max_args = 1,
    .run = run_logits,
};
