/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* answer.c - constraints from options, events to stdout, timings to stderr. */
#include "cli/answer.h"

#include "cli/input.h"
#include "os/system.h"

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

static kw_status copy_stops(kw_runner *runner, const kw_options *o, kw_error *err)
{
    runner->stop_texts = calloc(o->stop.n + 1, sizeof *runner->stop_texts);
    if (!runner->stop_texts)
        return kw_fail(err, KW_E_NOMEM, "no memory for %zu stop texts", o->stop.n);
    for (size_t i = 0; i < o->stop.n; i++) {
        kw_buf text = {0};
        if (o->escape)
            kw_input_unescape(o->stop.items[i], strlen(o->stop.items[i]), &text);
        else
            kw_buf_add(&text, o->stop.items[i], strlen(o->stop.items[i]));
        KW_TRY(kw_buf_status(&text, err));
        if (text.len == 0) {
            kw_buf_free(&text);
            return kw_fail(err, KW_E_ARG, "--stop: the text is empty");
        }
        runner->stop_texts[i] = text.data;
        runner->constraints.n_stop = i + 1;
    }
    runner->constraints.stop = runner->stop_texts;
    return KW_OK;
}

static void free_stops(kw_runner *runner)
{
    for (size_t i = 0; i < runner->constraints.n_stop; i++)
        free((void *)(uintptr_t)runner->stop_texts[i]);
    free(runner->stop_texts);
    runner->stop_texts = NULL;
    runner->constraints.n_stop = 0;
}

kw_status kw_runner_constrain(kw_runner *runner, kw_error *err)
{
    const kw_options *o = &runner->cli->parsed.options;
    free_stops(runner);
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
    c->seed = o->seed < 0 ? new_seed() : (uint64_t)o->seed;
    c->ignore_eos = o->ignore_eos != 0;
    return copy_stops(runner, o, err);
}

void kw_runner_free(kw_runner *runner)
{
    free_stops(runner);
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
