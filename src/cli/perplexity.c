/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* perplexity.c - kwaai perplexity: how well a model predicts a text, alone or beside another. */
#include "cli/commands.h"

#include "base/check.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/load.h"
#include "engine/score.h"

#include <stdlib.h>

typedef struct job {
    kw_cli *cli;
    kw_loaded loaded;
    kw_session *session;
    int32_t *ids;
    size_t n_ids;
    kw_score score;
} job;

static bool on_progress(void *user, const kw_score *so_far, size_t n_windows)
{
    kw_cli *const cli = user;
    kw_cli_progress(cli, "[%zu/%zu] PPL = %.4f +/- %.4f", so_far->n_windows, n_windows, so_far->ppl,
                    so_far->ppl_error);
    return !kw_interrupt_seen();
}

static void print_text(kw_out *out, const kw_score *s)
{
    if (s->compared) {
        kw_out_printf(out, "Mean PPL(Q)               : %12.6f +/- %.6f\n", s->ppl, s->ppl_error);
        kw_out_printf(out, "Mean PPL(base)            : %12.6f\n", s->base_ppl);
        kw_out_printf(out, "Mean ln(PPL(Q)/PPL(base)) : %12.6f +/- %.6f\n", s->log_ratio,
                      s->log_ratio_error);
        kw_out_printf(out, "Mean    KLD               : %12.6f +/- %.6f\n", s->kld, s->kld_error);
        kw_out_printf(out, "Maximum KLD               : %12.6f\n", s->kld_max);
        kw_out_printf(out, "99.9%%   KLD               : %12.6f\n", s->kld_999);
        kw_out_printf(out, "99.0%%   KLD               : %12.6f\n", s->kld_99);
        kw_out_printf(out, "95.0%%   KLD               : %12.6f\n", s->kld_95);
        kw_out_printf(out, "90.0%%   KLD               : %12.6f\n", s->kld_90);
        kw_out_printf(out, "Median  KLD               : %12.6f\n", s->kld_median);
        kw_out_printf(out, "10.0%%   KLD               : %12.6f\n", s->kld_10);
        kw_out_printf(out, "RMS change of p           : %11.3f %%\n", 100.0 * s->p_rms);
        kw_out_printf(out, "Same top p                : %11.3f %% +/- %.3f\n", 100.0 * s->same_top,
                      100.0 * s->same_top_error);
    }
    kw_out_printf(out, "Final estimate: PPL = %.4f +/- %.5f\n", s->ppl, s->ppl_error);
}

static void print_json(kw_out *out, const job *j)
{
    const kw_score *const s = &j->score;
    kw_json_writer w = {.out = out, .pretty = true};
    kw_json_open(&w, NULL, '{');
    kw_json_puts(&w, "model", j->loaded.info.name);
    kw_json_puts(&w, "description", j->loaded.info.description);
    kw_json_int(&w, "size_bytes", (int64_t)j->loaded.info.size_bytes);
    kw_json_int(&w, "windows", (int64_t)s->n_windows);
    kw_json_int(&w, "scored", (int64_t)s->n_scored);
    kw_json_real(&w, "ppl", s->ppl);
    kw_json_real(&w, "ppl_error", s->ppl_error);
    if (s->compared) {
        kw_json_real(&w, "base_ppl", s->base_ppl);
        kw_json_real(&w, "log_ratio", s->log_ratio);
        kw_json_real(&w, "log_ratio_error", s->log_ratio_error);
        kw_json_real(&w, "kld", s->kld);
        kw_json_real(&w, "kld_error", s->kld_error);
        kw_json_real(&w, "kld_max", s->kld_max);
        kw_json_real(&w, "kld_p99_9", s->kld_999);
        kw_json_real(&w, "kld_p99", s->kld_99);
        kw_json_real(&w, "kld_p95", s->kld_95);
        kw_json_real(&w, "kld_p90", s->kld_90);
        kw_json_real(&w, "kld_median", s->kld_median);
        kw_json_real(&w, "kld_p10", s->kld_10);
        kw_json_real(&w, "p_rms", s->p_rms);
        kw_json_real(&w, "same_top", s->same_top);
        kw_json_real(&w, "same_top_error", s->same_top_error);
    }
    kw_json_close(&w, '}');
}

/* The ids of the whole text, with the model's first token. */
static kw_status read_text(job *j, kw_error *err)
{
    kw_buf text = {0};
    kw_status status = kw_input_read(j->cli, j->cli->parsed.options.file, &text, err);
    if (status == KW_OK)
        status = kw_model_tokenize(j->loaded.model, text.data ? text.data : "", text.len, true,
                                   false, &j->ids, &j->n_ids, err);
    kw_buf_free(&text);
    return status;
}

static kw_status score(job *j, const char *path, kw_error *err)
{
    const kw_options *const o = &j->cli->parsed.options;
    kw_session_config session;
    int n_threads, window = (int)o->context;
    if (o->kl_divergence)
        KW_TRY(kw_score_window(o->kl_base, &window, err));
    KW_TRY(kw_cli_threads(j->cli, &n_threads, err));
    KW_TRY(kw_cli_load(j->cli, path, n_threads, &j->loaded, err));
    if (!o->kl_divergence)
        KW_TRY(read_text(j, err));
    kw_cli_session_config(j->cli, &j->loaded, &session);
    session.context = window;
    KW_TRY(kw_session_open(j->loaded.model, &session, &j->session, err));
    kw_interrupt_target(j->session);
    kw_interrupt_watch();
    const kw_score_config config = {.window = window,
                                    .max_windows = (size_t)o->chunks,
                                    .base_out = o->kl_divergence ? NULL : o->kl_base,
                                    .base_in = o->kl_divergence ? o->kl_base : NULL,
                                    .progress = on_progress,
                                    .user = j->cli};
    return kw_score_tokens(j->session, j->ids, j->n_ids, &config, &j->score, err);
}

static int run_perplexity(kw_cli *cli)
{
    const char *path;
    int code;
    kw_error err = {0};
    job j = {.cli = cli};
    const kw_options *const o = &cli->parsed.options;
    if (!kw_cli_only_model(cli, &path, &code))
        return code;
    if (o->kl_divergence && !o->kl_base)
        return kw_cli_usage(cli, "--kl-divergence compares with the predictions of "
                                 "--kl-divergence-base FILE");
    if (!o->kl_divergence && !o->file)
        return kw_cli_usage(cli, "say which text to predict with --file FILE");
    if (o->kl_base && !o->kl_divergence && !kw_cli_can_write(o->kl_base, &err))
        return kw_cli_usage(cli, "%s", err.message);
    const kw_status status = score(&j, path, &err);
    kw_cli_progress_end(cli);
    if (status == KW_OK && o->json)
        print_json(&cli->out, &j);
    else if (status == KW_OK)
        print_text(&cli->out, &j.score);
    kw_interrupt_target(NULL);
    kw_session_close(j.session);
    kw_cli_unload(&j.loaded);
    free(j.ids);
    return status == KW_OK ? KW_EXIT_OK : kw_cli_fail(cli, status, &err);
}

const kw_command kw_command_perplexity = {
    .name = "perplexity",
    .summary = "measure how well a model predicts a text",
    .usage = "[MODEL] -f TEXT",
    .description =
        "Cuts the text into windows of --ctx-size tokens and predicts the second half of each from "
        "what precedes it, as llama.cpp does, so that figures compare. Perplexity is the "
        "exponential of the mean negative log likelihood of a token: less is better.\n\n"
        "With --kl-divergence-base FILE the predictions are written to that file; with "
        "--kl-divergence too, they are read from it instead, and the model at hand is compared "
        "with "
        "the one that made them: how far its predictions are away (KLD), how often the likeliest "
        "token is the same. The file is llama.cpp's.",
    .examples = "  kwaai perplexity model.gguf -f text.txt\n"
                "  kwaai perplexity f16.gguf -f text.txt --kl-divergence-base base.kld\n"
                "  kwaai perplexity q4.gguf --kl-divergence --kl-divergence-base base.kld\n",
    .max_args = 1,
    .run = run_perplexity,
};
