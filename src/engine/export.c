/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* export.c - a GGUF file is what it is; any other gets names, metadata and a tokenizer. */
#include "engine/export.h"

#include "engine/ends.h"
#include "engine/engine.h"

#include "base/check.h"
#include "format/gguf_writer.h"
#include "format/hf.h"
#include "format/paths.h"
#include "model/unpack.h"
#include "text/tokenizer.h"
#include "text/vocab_rules.h"

#include <stdio.h>
#include <string.h>

#define OWN_KEYS 28 /* of a tokenizer, how to pool, the name */

static kw_status nomem(kw_error *err)
{
    return kw_fail(err, KW_E_NOMEM, "export: no memory for names and metadata");
}

static kw_status from_gguf(kw_export *e, kw_model_file *file, kw_error *err)
{
    e->tensors = kw_arena_array(&e->arena, file->n_tensors, sizeof *e->tensors);
    if (!e->tensors)
        return nomem(err);
    for (size_t i = 0; i < file->n_tensors; i++) {
        kw_tensor_view *const view = &file->tensors[i];
        const kw_str name = {kw_arena_strdup(&e->arena, view->name), view->name.len};
        if (!name.data)
            return nomem(err);
        if (view->dtype < KW_N_DTYPES && kw_dtype_info(view->dtype)->gguf_id < 0)
            KW_TRY(kw_unpack_later(file, view, &e->arena, err)); /* blocks of before GGUF */
        e->tensors[i] = (kw_export_tensor){.name = name, .view = view};
    }
    e->n_tensors = file->n_tensors;
    e->metas = file->metas;
    e->n_metas = file->n_metas;
    return KW_OK;
}

/* ---- the tokenizer ---- */

static void put(kw_export *e, const char *key, kw_value value)
{
    e->metas[e->n_metas++] = (kw_meta){kw_str_from(key), value};
}

static void put_id(kw_export *e, const char *key, int64_t id)
{
    if (id >= 0)
        put(e, key, kw_gguf_u32((uint32_t)id));
}

/* The model's further ends: GGUF has two more names for them. */
static void put_ends(kw_export *e, const kw_ends *ends, const kw_ggml_vocab *raw)
{
    static const char *const keys[] = {"tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    size_t next = 0;
    put_id(e, keys[0], raw->eot);
    if (raw->eot >= 0)
        next = 1;
    for (size_t i = 0; i < ends->n; i++) {
        const int32_t id = ends->ids[i];
        if (id == raw->eos || id == raw->eot || (size_t)id >= raw->n_tokens)
            continue;
        if (next < KW_COUNT(keys))
            put_id(e, keys[next++], id);
        else
            (void)snprintf(e->warning, sizeof e->warning,
                           "GGUF has no name for all of the model's end tokens: %d is left out",
                           (int)id);
    }
}

typedef struct vocab_use {
    kw_export *e;
    kw_ends ends;
} vocab_use;

/* kw_vocab_use: the keys of a tokenizer, its arrays copied into the arena. */
static kw_status take_vocab(void *user, const kw_vocab *vocab, kw_error *err)
{
    const vocab_use *const use = user;
    kw_export *const e = use->e;
    kw_ggml_vocab raw;
    bool named = true;
    KW_TRY(kw_vocab_to_ggml(vocab, &e->arena, &raw, &named, err));
    if (!named) {
        (void)snprintf(e->warning, sizeof e->warning,
                       "GGUF has no name for the way this tokenizer cuts text: the file gets no "
                       "tokenizer (give one with --tokenizer where it is used)");
        return KW_OK;
    }
    put(e, "tokenizer.ggml.model", kw_gguf_string(raw.model));
    if (raw.pre.len > 0)
        put(e, "tokenizer.ggml.pre", kw_gguf_string(raw.pre));
    put(e, "tokenizer.ggml.tokens", kw_gguf_array(KW_GGUF_STRING, raw.tokens, raw.n_tokens));
    if (raw.scores)
        put(e, "tokenizer.ggml.scores", kw_gguf_array(KW_GGUF_F32, raw.scores, raw.n_tokens));
    put(e, "tokenizer.ggml.token_type", kw_gguf_array(KW_GGUF_I32, raw.types, raw.n_tokens));
    if (raw.n_merges > 0)
        put(e, "tokenizer.ggml.merges", kw_gguf_array(KW_GGUF_STRING, raw.merges, raw.n_merges));
    put_id(e, "tokenizer.ggml.bos_token_id", raw.bos);
    put_id(e, "tokenizer.ggml.eos_token_id", raw.eos);
    put_ends(e, &use->ends, &raw);
    put_id(e, "tokenizer.ggml.unknown_token_id", raw.unk);
    put_id(e, "tokenizer.ggml.padding_token_id", raw.pad);
    put_id(e, "tokenizer.ggml.cls_token_id", raw.cls);
    put_id(e, "tokenizer.ggml.seperator_token_id", raw.sep); /* spelled so */
    if (raw.charsmap.len > 0)
        put(e, "tokenizer.ggml.precompiled_charsmap",
            kw_gguf_array(KW_GGUF_U8, raw.charsmap.data, raw.charsmap.len));
    put(e, "tokenizer.ggml.add_bos_token", kw_gguf_bool(raw.add_bos > 0));
    put(e, "tokenizer.ggml.add_eos_token", kw_gguf_bool(raw.add_eos > 0));
    if (raw.add_space_prefix >= 0)
        put(e, "tokenizer.ggml.add_space_prefix", kw_gguf_bool(raw.add_space_prefix > 0));
    if (raw.remove_extra_whitespaces >= 0)
        put(e, "tokenizer.ggml.remove_extra_whitespaces",
            kw_gguf_bool(raw.remove_extra_whitespaces > 0));
    return KW_OK;
}

/* What stands beside a model that makes embeddings is a key in GGUF. */
static kw_status take_pooling(kw_export *e, kw_error *err)
{
    kw_pooling pooling;
    char key[80];
    KW_TRY(kw_model_pooling(e->net, &pooling, err));
    if (pooling == KW_POOLING_MODEL)
        return KW_OK;
    (void)snprintf(key, sizeof key, "%s.pooling_type", kw_family_gguf_arch(e->net->family));
    const char *const owned = kw_arena_strdup(&e->arena, kw_str_from(key));
    if (!owned)
        return nomem(err);
    put(e, owned, kw_gguf_u32((uint32_t)pooling)); /* llama.cpp's numbers are ours */
    return KW_OK;
}

/* ---- what else the folder says ---- */

/* The folder's own name is the model's. */
static kw_status put_name(kw_export *e, const char *dir, kw_error *err)
{
    size_t end = strlen(dir);
    while (end > 0 && dir[end - 1] == '/')
        end--;
    const char *const path = kw_arena_strdup(&e->arena, (kw_str){dir, end});
    if (!path)
        return nomem(err);
    const kw_str name = kw_path_base(path);
    if (name.len > 0 && !kw_str_is(name, ".") && !kw_str_is(name, ".."))
        put(e, "general.name", kw_gguf_string(name));
    return KW_OK;
}

/* The chat templates: the default one under its key, the others under theirs and listed. */
static kw_status put_chat(kw_export *e, const char *dir, kw_error *err)
{
    kw_chat_templates *const chats = &e->chats;
    size_t n_named = 0;
    KW_TRY(kw_chat_templates_read(dir, chats, err));
    kw_str *const names = kw_arena_array(&e->arena, chats->n + 1, sizeof *names);
    if (!names)
        return nomem(err);
    for (size_t i = 0; i < chats->n; i++) {
        const kw_chat_template *const chat = &chats->items[i];
        char key[160] = "tokenizer.chat_template";
        const bool named = strcmp(chat->name, "default") != 0;
        if (named && strlen(chat->name) > 100)
            return kw_fail(err, KW_E_LIMIT, "export: a chat template's name of %zu bytes",
                           strlen(chat->name));
        if (named) {
            (void)snprintf(key, sizeof key, "tokenizer.chat_template.%s", chat->name);
            names[n_named++] = kw_str_from(chat->name);
        }
        const char *const owned = kw_arena_strdup(&e->arena, kw_str_from(key));
        if (!owned)
            return nomem(err);
        put(e, owned, kw_gguf_string((kw_str){chat->source, chat->len}));
    }
    if (n_named > 0)
        put(e, "tokenizer.chat_templates", kw_gguf_array(KW_GGUF_STRING, names, n_named));
    return KW_OK;
}

static kw_status from_net(kw_export *e, kw_model_file *file, kw_error *err)
{
    kw_net_export made;
    KW_TRY(kw_net_open_stream(file, &e->net, err));
    KW_TRY(kw_net_export_gguf(e->net, &e->arena, &made, err));
    e->tensors = made.tensors;
    e->n_tensors = made.n_tensors;
    e->n_dropped = made.n_dropped;
    e->metas = kw_arena_array(&e->arena, made.n_metas + OWN_KEYS + KW_MAX_CHAT_TEMPLATES + 1,
                              sizeof *e->metas);
    if (!e->metas)
        return nomem(err);
    memcpy(e->metas, made.metas, made.n_metas * sizeof *e->metas);
    e->n_metas = made.n_metas;
    KW_TRY(take_pooling(e, err));
    if (!file->dir)
        return KW_OK;
    KW_TRY(put_name(e, file->dir, err));
    KW_TRY(put_chat(e, file->dir, err));
    vocab_use use = {.e = e};
    KW_TRY(kw_ends_read(file, &use.ends, err));
    const kw_status status = kw_vocab_from_path(file->dir, take_vocab, &use, err);
    if (status == KW_E_NOTFOUND)
        (void)snprintf(e->warning, sizeof e->warning,
                       "no tokenizer beside the model: the file gets none");
    return status == KW_E_NOTFOUND ? KW_OK : status;
}

kw_status kw_export_open(kw_export *out, kw_model_file *file, kw_error *err)
{
    KW_TRY(kw_model_file_names_gguf(file) ? from_gguf(out, file, err) : from_net(out, file, err));
    kw_net_export made = {.tensors = out->tensors, .n_tensors = out->n_tensors};
    KW_TRY(kw_net_export_stack(&made, &out->arena, err));
    out->n_tensors = made.n_tensors;
    return KW_OK;
}

void kw_export_close(kw_export *model)
{
    kw_net_close(model->net);
    kw_chat_templates_free(&model->chats);
    kw_arena_free(&model->arena);
}

static const kw_value *find(const kw_export *model, kw_str first, kw_str second)
{
    for (size_t i = 0; i < model->n_metas; i++) {
        const kw_str key = model->metas[i].key;
        if (key.len == first.len + second.len && kw_str_starts(key, first) &&
            memcmp(key.data + first.len, second.data, second.len) == 0)
            return &model->metas[i].value;
    }
    return NULL;
}

bool kw_export_value(const kw_export *model, const char *suffix, kw_value *out)
{
    const kw_value *const arch = find(model, KW_STR("general.architecture"), KW_STR(""));
    if (!arch || arch->kind != KW_VALUE_STRING)
        return false;
    const kw_value *const value = find(model, arch->s, kw_str_from(suffix));
    if (!value || (value->kind == KW_VALUE_ARRAY && value->array.n == 0))
        return false;
    *out = value->kind == KW_VALUE_ARRAY ? kw_value_at(value, 0) : *value;
    return true;
}
