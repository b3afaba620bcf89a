/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* answer.c - constraints from options, events to stdout, timings to stderr. */
#include "cli/answer.h"

#include "base/check.h"
#include "base/decimal.h"
#include "cli/input.h"
#include "os/system.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- constraints ---- */

/* 32 bits that differ from run to run, short enough to be typed again. */
static uint64_t new_seed(void)
{
    uint64_t x = kw_clock_ns() ^ ((uint64_t)time(NULL) << 32) ^ ((uint64_t)getpid() << 16);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u; /* the finaliser of splitmix64 */
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (x ^ (x >> 31)) & 0xffffffffu;
}

/* Texts of an option, their escapes read where -e says so: an owned array of owned texts. */
static kw_status copy_texts(const kw_text_list *list, bool escape, const char *option,
                            const char ***out, kw_error *err)
{
    const char **texts = calloc(list->n + 1, sizeof *texts);
    *out = texts;
    if (!texts)
        return kw_fail(err, KW_E_NOMEM, "no memory for %zu texts", list->n);
    for (size_t i = 0; i < list->n; i++) {
        kw_buf text = {0};
        if (escape)
            kw_input_unescape(list->items[i], strlen(list->items[i]), &text);
        else
            kw_buf_add(&text, list->items[i], strlen(list->items[i]));
        KW_TRY(kw_buf_status(&text, err));
        if (text.len == 0) {
            kw_buf_free(&text);
            return kw_fail(err, KW_E_ARG, "--%s: the text is empty", option);
        }
        texts[i] = text.data;
    }
    return KW_OK;
}

/* The array ends with NULL. */
static void free_texts(const char ***texts)
{
    for (size_t i = 0; *texts && (*texts)[i]; i++)
        free((void *)(uintptr_t)(*texts)[i]);
    free(*texts);
    *texts = NULL;
}

static void free_choices(kw_runner *runner)
{
    free_texts(&runner->stop_texts);
    free_texts(&runner->breakers);
    free(runner->biases);
    runner->biases = NULL;
    kw_buf_free(&runner->grammar);
}

static kw_status copy_stops(kw_runner *runner, const kw_options *o, kw_error *err)
{
    KW_TRY(copy_texts(&o->stop, o->escape, "stop", &runner->stop_texts, err));
    runner->constraints.stop = runner->stop_texts;
    runner->constraints.n_stop = o->stop.n;
    return KW_OK;
}

/* "15043+1", "15043-0.5", "15043-inf" */
static kw_status read_bias(const char *text, kw_logit_bias *out, kw_error *err)
{
    char *end;
    const long id = strtol(text, &end, 10);
    const size_t digits = (size_t)(end - text);
    const char *sign = end;
    double bias = 0;
    if (digits > 0 && digits < 10 && text[0] >= '0' && text[0] <= '9' &&
        (*sign == '+' || *sign == '-')) {
        if (strcmp(sign, "-inf") == 0)
            bias = -(double)INFINITY;
        else if (!kw_decimal_f64(kw_str_from(sign), &bias))
            sign = NULL;
    } else {
        sign = NULL;
    }
    if (!sign)
        return kw_fail(err, KW_E_ARG,
                       "--logit-bias %s: expected a token's id and what to add, as "
                       "15043+1 or 15043-inf",
                       text);
    *out = (kw_logit_bias){(int32_t)id, (float)bias};
    return KW_OK;
}

static kw_status copy_biases(kw_runner *runner, const kw_options *o, kw_error *err)
{
    runner->biases = calloc(o->logit_bias.n + 1, sizeof *runner->biases);
    if (!runner->biases)
        return kw_fail(err, KW_E_NOMEM, "no memory for %zu biases", o->logit_bias.n);
    for (size_t i = 0; i < o->logit_bias.n; i++)
        KW_TRY(read_bias(o->logit_bias.items[i], &runner->biases[i], err));
    runner->constraints.logit_bias = runner->biases;
    runner->constraints.n_logit_bias = o->logit_bias.n;
    return KW_OK;
}

static kw_status copy_breakers(kw_runner *runner, const kw_options *o, kw_error *err)
{
    const kw_text_list *list = &o->dry_breakers;
    const bool none = list->n == 1 && strcmp(list->items[0], "none") == 0;
    if (list->n == 0)
        return KW_OK;
    KW_TRY(copy_texts(list, true, "dry-sequence-breaker", &runner->breakers, err));
    runner->constraints.dry_breakers = runner->breakers;
    runner->constraints.n_dry_breakers = none ? 0 : list->n;
    return KW_OK;
}

/* "top_k;temperature": names of llama.cpp, with - for _ if one likes. */
static kw_status read_steps(kw_runner *runner, const char *list, kw_error *err)
{
    static const struct {
        const char *name;
        kw_sampler_step step;
    } names[] = {{"penalties", KW_STEP_PENALTIES},
                 {"dry", KW_STEP_DRY},
                 {"top_n_sigma", KW_STEP_TOP_N_SIGMA},
                 {"top_k", KW_STEP_TOP_K},
                 {"typ_p", KW_STEP_TYPICAL_P},
                 {"typical_p", KW_STEP_TYPICAL_P},
                 {"typical", KW_STEP_TYPICAL_P},
                 {"top_p", KW_STEP_TOP_P},
                 {"nucleus", KW_STEP_TOP_P},
                 {"min_p", KW_STEP_MIN_P},
                 {"xtc", KW_STEP_XTC},
                 {"temperature", KW_STEP_TEMPERATURE},
                 {"temp", KW_STEP_TEMPERATURE}};
    size_t n = 0;
    for (const char *at = list; *at;) {
        const size_t len = strcspn(at, ";,");
        char word[24] = "";
        const kw_sampler_step *found = NULL;
        for (size_t i = 0; i < len && len < sizeof word; i++)
            word[i] = at[i] == '-' ? '_' : at[i];
        for (size_t i = 0; i < KW_COUNT(names) && !found; i++)
            found = strcmp(names[i].name, word) == 0 ? &names[i].step : NULL;
        if (!found || n == KW_COUNT(runner->steps))
            return kw_fail(err, KW_E_ARG, "--samplers: %s \"%.*s\"",
                           found ? "too many steps at" : "there is no step", (int)len, at);
        runner->steps[n++] = *found;
        at += len + (at[len] != '\0');
    }
    runner->constraints.samplers = runner->steps;
    runner->constraints.n_samplers = n;
    return KW_OK;
}

/* A grammar or schema, as text or from a file. */
static kw_status copy_grammar(kw_runner *runner, const kw_options *o, kw_error *err)
{
    const char *file = o->grammar_file ? o->grammar_file : o->json_schema_file;
    const int n = (o->grammar != NULL) + (o->grammar_file != NULL) + (o->json_schema != NULL) +
                  (o->json_schema_file != NULL);
    if (n > 1)
        return kw_fail(err, KW_E_ARG,
                       "one of --grammar, --grammar-file, --json-schema and "
                       "--json-schema-file at a time");
    runner->constraints.grammar = o->grammar;
    runner->constraints.json_schema = o->json_schema;
    if (!file)
        return KW_OK;
    KW_TRY(kw_input_read(runner->cli, file, &runner->grammar, err));
    kw_buf_add(&runner->grammar, "", 0);
    KW_TRY(kw_buf_status(&runner->grammar, err));
    if (o->grammar_file)
        runner->constraints.grammar = runner->grammar.data;
    else
        runner->constraints.json_schema = runner->grammar.data;
    return KW_OK;
}

kw_status kw_runner_constrain(kw_runner *runner, kw_error *err)
{
    const kw_options *o = &runner->cli->parsed.options;
    free_choices(runner);
    kw_constraints *c = &runner->constraints;
    kw_constraints_init(c);
    c->max_tokens = (int)o->predict;
    c->temperature = (float)o->temp;
    c->top_k = (int)o->top_k;
    c->top_p = (float)o->top_p;
    c->min_p = (float)o->min_p;
    c->repeat_penalty = (float)o->repeat_penalty;
    c->repeat_last_n = (int)o->repeat_last_n;
    c->presence_penalty = (float)o->presence_penalty;
    c->frequency_penalty = (float)o->frequency_penalty;
    c->typical_p = (float)o->typical;
    c->top_n_sigma = (float)o->top_n_sigma;
    c->xtc_probability = (float)o->xtc_probability;
    c->xtc_threshold = (float)o->xtc_threshold;
    c->dynatemp_range = (float)o->dynatemp_range;
    c->dynatemp_exponent = (float)o->dynatemp_exp;
    c->dry_multiplier = (float)o->dry_multiplier;
    c->dry_base = (float)o->dry_base;
    c->dry_allowed_length = (int)o->dry_allowed_length;
    c->dry_last_n = (int)o->dry_last_n;
    c->mirostat = (int)o->mirostat;
    c->mirostat_eta = (float)o->mirostat_lr;
    c->mirostat_tau = (float)o->mirostat_ent;
    c->seed = o->seed < 0 ? new_seed() : (uint64_t)o->seed;
    c->ignore_eos = o->ignore_eos != 0;
    KW_TRY(copy_stops(runner, o, err));
    KW_TRY(copy_biases(runner, o, err));
    KW_TRY(copy_breakers(runner, o, err));
    KW_TRY(copy_grammar(runner, o, err));
    return o->samplers ? read_steps(runner, o->samplers, err) : KW_OK;
}

void kw_runner_free(kw_runner *runner)
{
    free_choices(runner);
    kw_conversation_free(&runner->talk);
    kw_buf_free(&runner->said);
    kw_session_close(runner->session);
    runner->session = NULL;
    kw_cli_unload(&runner->loaded);
}

/* ---- events ---- */

static const char *finish_name(kw_finish finish)
{
    switch (finish) {
    case KW_FINISH_STOP:
        return "stop";
    case KW_FINISH_LENGTH:
        return "length";
    case KW_FINISH_CANCELLED:
        return "cancelled";
    case KW_FINISH_NONE:
        break;
    }
    return "none";
}

void kw_runner_start(kw_runner *runner)
{
    if (!runner->cli->parsed.options.json)
        return;
    kw_json_writer w = {.out = &runner->cli->out};
    kw_json_open(&w, NULL, '{');
    kw_json_puts(&w, "event", "start");
    kw_json_puts(&w, "version", kw_version());
    kw_json_puts(&w, "model", runner->loaded.info.name);
    kw_json_puts(&w, "description", runner->loaded.info.description);
    kw_json_int(&w, "context", kw_session_context(runner->session));
    kw_json_int(&w, "seed", (int64_t)runner->constraints.seed);
    kw_json_int(&w, "threads", runner->loaded.engine_info.n_threads);
    kw_json_puts(&w, "isa", runner->loaded.engine_info.isa);
    kw_json_real(&w, "load_ms", (double)runner->loaded.load_ns / 1e6);
    kw_json_close(&w, '}');
}

static void write_json(kw_out *out, const kw_event *event)
{
    kw_json_writer w = {.out = out};
    if (event->kind == KW_EVENT_END && event->text_len == 0)
        return; /* the event "end" follows, with the timings */
    kw_json_open(&w, NULL, '{');
    if (event->kind == KW_EVENT_PROMPT) {
        kw_json_puts(&w, "event", "prompt");
        kw_json_int(&w, "done", (int64_t)event->n_done);
        kw_json_int(&w, "total", (int64_t)event->n_total);
    } else {
        kw_json_puts(&w, "event", event->kind == KW_EVENT_END ? "text" : "token");
        if (event->kind == KW_EVENT_TOKEN)
            kw_json_int(&w, "id", event->token);
        kw_json_text(&w, "text", event->text, event->text_len);
    }
    kw_json_close(&w, '}');
}

/* The prompt is written when the first token is there: an error before it leaves stdout empty, and
 * a progress line does not run into it. */
static void show_prompt(kw_runner *runner)
{
    kw_cli_progress_end(runner->cli);
    if (runner->shown)
        kw_out_foreign(&runner->cli->out, runner->shown, runner->shown_len);
    runner->shown = NULL;
}

/* kw_event_fn */
static bool on_event(void *user, const kw_event *event)
{
    kw_runner *runner = user;
    kw_cli *cli = runner->cli;
    if (event->kind == KW_EVENT_PROMPT && event->n_total > (size_t)runner->batch &&
        event->n_done < event->n_total)
        kw_cli_progress(cli, "reading the prompt: %zu of %zu tokens", event->n_done,
                        event->n_total);
    if (runner->talk.active && event->kind != KW_EVENT_PROMPT)
        kw_buf_add(&runner->said, event->text, event->text_len);
    if (cli->parsed.options.json) {
        write_json(&cli->out, event);
    } else if (event->kind != KW_EVENT_PROMPT) {
        show_prompt(runner);
        kw_out_foreign(&cli->out, event->text, event->text_len);
    }
    return kw_out_flush(&cli->out);
}

static double per_second(size_t n, uint64_t ns)
{
    return ns > 0 ? (double)n * 1e9 / (double)ns : 0.0;
}

static void write_json_end(kw_runner *runner, const kw_result *result)
{
    kw_json_writer w = {.out = &runner->cli->out};
    kw_json_open(&w, NULL, '{');
    kw_json_puts(&w, "event", "end");
    kw_json_puts(&w, "finish", finish_name(result->finish));
    kw_json_int(&w, "prompt_tokens", (int64_t)result->n_prompt);
    kw_json_int(&w, "kept_tokens", (int64_t)result->n_kept);
    kw_json_int(&w, "generated_tokens", (int64_t)result->n_generated);
    kw_json_int(&w, "context_used", kw_session_position(runner->session));
    kw_json_real(&w, "first_token_ms", (double)result->first_token_ns / 1e6);
    kw_json_real(&w, "prompt_ms", (double)result->prompt_ns / 1e6);
    kw_json_real(&w, "generate_ms", (double)result->generate_ns / 1e6);
    kw_json_real(&w, "prompt_per_second",
                 per_second(result->n_prompt - result->n_kept, result->prompt_ns));
    kw_json_real(&w, "generated_per_second", per_second(result->n_generated, result->generate_ns));
    kw_json_int(&w, "peak_memory_bytes", (int64_t)kw_peak_rss_bytes());
    kw_json_close(&w, '}');
}

/* A length limit that nobody asked for is the context: that is said, with its numbers. */
static void explain_end(kw_runner *runner, const kw_result *result)
{
    const int used = kw_session_position(runner->session);
    const int held = kw_session_context(runner->session);
    const int64_t limit = runner->constraints.max_tokens;
    if (result->finish != KW_FINISH_LENGTH || used < held - 1 ||
        (limit >= 0 && (int64_t)result->n_generated >= limit))
        return;
    kw_cli_note(runner->cli, "the context is full (%d of %d tokens): the answer ends here", used,
                held);
    if (held < runner->loaded.info.context)
        kw_cli_hint(runner->cli, "-c N makes it larger; this model was trained for %d",
                    runner->loaded.info.context);
}

/* What the model reads of a text: itself, or the conversation that it is the next message of. */
static kw_status run_text(kw_runner *runner, kw_str text, kw_result *result, kw_error *err)
{
    const bool raw = runner->cli->parsed.options.raw != 0;
    kw_input input = {.struct_size = sizeof input,
                      .text = text.data ? text.data : "",
                      .text_len = text.len,
                      .no_special = raw || runner->talk.active,
                      .parse_special = !raw,
                      .from_start = runner->talk.active};
    char *written = NULL;
    if (runner->talk.active) {
        KW_TRY(kw_conversation_add(&runner->talk, "user", text, err));
        const kw_status status = kw_conversation_write(&runner->talk, runner->loaded.model,
                                                       &written, &input.text_len, err);
        if (status != KW_OK) {
            kw_conversation_drop(&runner->talk);
            return status;
        }
        input.text = written;
    }
    kw_buf_free(&runner->said);
    const kw_status status =
        kw_run(runner->session, &input, &runner->constraints, on_event, runner, result, err);
    kw_free(written);
    if (!runner->talk.active)
        return status;
    if (status != KW_OK) {
        kw_conversation_drop(&runner->talk);
        return status;
    }
    KW_TRY(kw_buf_status(&runner->said, err));
    return kw_conversation_add(&runner->talk, "assistant",
                               (kw_str){runner->said.data, runner->said.len}, err);
}

kw_status kw_runner_answer(kw_runner *runner, kw_str text, kw_result *result, kw_error *err)
{
    kw_cli *cli = runner->cli;
    *result = (kw_result){.struct_size = sizeof *result};
    const kw_status status = run_text(runner, text, result, err);
    if (status == KW_OK && cli->parsed.options.json)
        write_json_end(runner, result);
    if (status == KW_OK && !cli->parsed.options.json)
        show_prompt(runner);
    runner->ended_line = cli->out.last == '\n';
    if (!runner->ended_line)
        kw_out_puts(&cli->out, "\n");
    (void)kw_out_flush(&cli->out);
    if (status == KW_OK)
        explain_end(runner, result);
    return status;
}

void kw_runner_advise(const kw_runner *runner, kw_status status)
{
    if (runner->talk.active && (status == KW_E_FORMAT || status == KW_E_UNSUPPORTED))
        kw_cli_hint(runner->cli, "--template FILE takes another template, --raw none");
}

static void report_rate(const char *what, size_t n, uint64_t ns)
{
    char time[16];
    (void)fprintf(stderr, "  %-13s %zu tokens in %s (%.2f tokens/s)\n", what, n,
                  kw_print_ns(ns, time), per_second(n, ns));
}

void kw_runner_report(kw_runner *runner, const kw_result *result)
{
    char text[16];
    const kw_loaded *l = &runner->loaded;
    kw_cli_progress_end(runner->cli);
    (void)fprintf(stderr, "\n  %-13s %s (%s, %s)\n", "model", l->info.name, l->info.description,
                  kw_print_bytes(l->info.size_bytes, text));
    (void)fprintf(stderr, "  %-13s %d, %s\n", "threads", l->engine_info.n_threads,
                  l->engine_info.isa);
    (void)fprintf(stderr, "  %-13s %s\n", "load", kw_print_ns(l->load_ns, text));
    (void)fprintf(stderr, "  %-13s %s\n", "first token", kw_print_ns(result->first_token_ns, text));
    report_rate("prefill", result->n_prompt - result->n_kept, result->prompt_ns);
    report_rate("decode", result->n_generated, result->generate_ns);
    (void)fprintf(stderr, "  %-13s %d of %d tokens\n", "context",
                  kw_session_position(runner->session), kw_session_context(runner->session));
    (void)fprintf(stderr, "  %-13s %s\n", "peak memory", kw_print_bytes(kw_peak_rss_bytes(), text));
    (void)fprintf(stderr, "  %-13s %llu\n", "seed", (unsigned long long)runner->constraints.seed);
}
