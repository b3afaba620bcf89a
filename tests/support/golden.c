/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* golden.c - see golden.h. */
#include "support/golden.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const char *golden_path(const char *name)
{
    static char paths[8][1024];
    static int next;
    const char *shared = getenv("KWAAI_SHARED");
    if (!shared || !*shared)
        shared = KW_SHARED_DIR;
    if (strncmp(name, "decoders/", 9) == 0)
        shared = KW_SOURCE_DIR "/tests/golden";
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", shared, name);
    if (!kw_file_exists(path) && !kw_file_is_dir(path)) {
        print_message("no shared data: %s is not there\n", path);
        return NULL;
    }
    return path;
}

char *golden_text(const char *path, size_t *len)
{
    kw_map map;
    if (kw_map_open(path, false, &map, NULL) != KW_OK)
        return NULL;
    char *text = malloc(map.len + 1);
    if (text) {
        memcpy(text, map.data, map.len);
        text[map.len] = '\0';
        if (len)
            *len = map.len;
    }
    kw_map_close(&map);
    return text;
}

double golden_number(const char *meta_path, const char *dotted_key)
{
    size_t len = 0;
    char *text = golden_text(meta_path, &len);
    double found = -1;
    if (!text)
        return found;
    kw_json json;
    kw_json_init(&json, (kw_str){text, len}, meta_path);
    kw_json_token token;
    const char *rest = dotted_key;
    while (kw_json_next(&json, &token, NULL) == KW_OK && token.kind != KW_JSON_END) {
        const size_t part = strcspn(rest, ".");
        if (token.kind == KW_JSON_KEY && token.text.len == part &&
            memcmp(token.text.data, rest, part) == 0) {
            rest += part + (rest[part] == '.');
            if (*rest == '\0') {
                if (kw_json_next(&json, &token, NULL) == KW_OK)
                    (void)kw_json_f64(&json, &token, &found, NULL);
                break;
            }
        }
    }
    free(text);
    return found;
}

const kw_tensor_view *golden_tensor(const kw_model_file *file, int seq, const char *what)
{
    char name[64];
    (void)snprintf(name, sizeof name, "seq%d.%s", seq, what);
    return kw_model_file_tensor(file, kw_str_from(name));
}

int32_t *golden_ids(const kw_tensor_view *view, size_t *n)
{
    *n = (size_t)view->shape.dim[0];
    int32_t *ids = malloc(*n * sizeof *ids);
    assert_non_null(ids);
    for (size_t i = 0; i < *n; i++) {
        int64_t id;
        memcpy(&id, (const char *)view->data + i * sizeof id, sizeof id);
        ids[i] = (int32_t)id;
    }
    return ids;
}

static void must(kw_status status, const kw_error *err)
{
    if (status != KW_OK)
        fail_msg("%s", err->message);
}

void golden_open(golden_run *run, const char *path, const kw_engine_config *engine,
                 const kw_session_config *session)
{
    kw_error err = {0};
    kw_model_info info = {.struct_size = sizeof info};
    *run = (golden_run){0};
    must(kw_engine_open(engine, &run->engine, &err), &err);
    must(kw_model_load(run->engine, path, NULL, &run->model, &err), &err);
    must(kw_session_open(run->model, session, &run->session, &err), &err);
    kw_model_get_info(run->model, &info);
    run->vocab = info.vocab;
}

void golden_close(golden_run *run)
{
    kw_session_close(run->session);
    kw_model_close(run->model);
    kw_engine_close(run->engine);
}

float *golden_logits(golden_run *run, const int32_t *tokens, size_t n)
{
    kw_error err = {0};
    float *logits = malloc(n * (size_t)run->vocab * sizeof *logits);
    assert_non_null(logits);
    must(kw_session_rewind(run->session, 0, &err), &err);
    must(kw_session_eval(run->session, tokens, n, false, logits, &err), &err);
    return logits;
}
