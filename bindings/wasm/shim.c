/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* shim.c - kwaai.h as a JavaScript host can call it: numbers and pointers only, no structs.
 *
 * The host owns every buffer that it allocated with malloc. Failures return 0 or -1; the message of
 * the last one is at kw_wasm_error. One runtime is one engine; this module has one thread. */
#include <kwaai/kwaai.h>

#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(#name)))
#define HOST(name) __attribute__((import_module("kwaai"), import_name(#name)))

/* Host function: one token and the text it completes; 0 stops the answer. */
HOST(on_token) int32_t kw_host_on_token(int32_t token, const char *text, size_t len);

typedef struct kw_wasm {
    kw_engine *engine;
    kw_model *model;
    kw_session *session;
    kw_error error;
} kw_wasm;

EXPORT(kw_wasm_create) kw_wasm *kw_wasm_create(void);
EXPORT(kw_wasm_destroy) void kw_wasm_destroy(kw_wasm *w);
EXPORT(kw_wasm_error) const char *kw_wasm_error(const kw_wasm *w);
EXPORT(kw_wasm_load)
int32_t kw_wasm_load(kw_wasm *w, const void *image, size_t len, int32_t context);
EXPORT(kw_wasm_run)
int32_t kw_wasm_run(kw_wasm *w, const char *text, size_t len, int32_t max_tokens, float temperature,
                    uint32_t seed);
EXPORT(kw_wasm_version) const char *kw_wasm_version(void);

kw_wasm *kw_wasm_create(void)
{
    return calloc(1, sizeof(kw_wasm));
}

static void unload(kw_wasm *w)
{
    kw_session_close(w->session);
    kw_model_close(w->model);
    kw_engine_close(w->engine);
    w->session = NULL;
    w->model = NULL;
    w->engine = NULL;
}

void kw_wasm_destroy(kw_wasm *w)
{
    if (w)
        unload(w);
    free(w);
}

const char *kw_wasm_error(const kw_wasm *w)
{
    return w->error.message;
}

const char *kw_wasm_version(void)
{
    return kw_version();
}

/* image is borrowed until the next load or destroy. 1 on success. */
int32_t kw_wasm_load(kw_wasm *w, const void *image, size_t len, int32_t context)
{
    kw_engine_config config;
    kw_session_config session;
    unload(w);
    kw_engine_config_init(&config, KW_PRESET_BROWSER);
    kw_session_config_init(&session);
    session.context = context;
    if (kw_engine_open(&config, &w->engine, &w->error) == KW_OK &&
        kw_model_load_memory(w->engine, image, len, "model", NULL, &w->model, &w->error) == KW_OK &&
        kw_session_open(w->model, &session, &w->session, &w->error) == KW_OK)
        return 1;
    unload(w);
    return 0;
}

static bool forward(void *user, const kw_event *event)
{
    (void)user;
    if (event->kind == KW_EVENT_TOKEN)
        return kw_host_on_token(event->token, event->text, event->text_len) != 0;
    if (event->kind == KW_EVENT_END && event->text_len > 0)
        return kw_host_on_token(-1, event->text, event->text_len) != 0;
    return true;
}

/* Starts afresh and answers; the number of tokens written, or -1. temperature 0 is greedy. */
int32_t kw_wasm_run(kw_wasm *w, const char *text, size_t len, int32_t max_tokens, float temperature,
                    uint32_t seed)
{
    kw_constraints constraints;
    kw_result result = {.struct_size = sizeof result};
    kw_constraints_init(&constraints);
    constraints.max_tokens = max_tokens;
    constraints.temperature = temperature;
    constraints.seed = seed;
    const kw_input input = {
        .struct_size = sizeof input, .text = len > 0 ? text : "", .text_len = len};
    if (!w->session || kw_session_rewind(w->session, 0, &w->error) != KW_OK ||
        kw_run(w->session, &input, &constraints, forward, NULL, &result, &w->error) != KW_OK)
        return -1;
    return (int32_t)result.n_generated;
}
