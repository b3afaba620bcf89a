/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tokenizer_files.c - the tokenizer beside a model in safetensors.
 *
 * Sources: sentencepiece_model.proto of SentencePiece; tokenizer_config.json as transformers reads
 * it. */
#include "engine/tokenizer_files.h"

#include "engine/ends.h"

#include "base/buf.h"
#include "base/check.h"
#include "engine/chat_templates.h"

#include <stdio.h>
#include <string.h>

#define PATH_BYTES 4096

#define CHATS_DIR "additional_chat_templates"

enum { TYPE_CONTROL = 3, TYPE_USER = 4 };

static kw_status join(const char *dir, const char *name, char out[PATH_BYTES], kw_error *err)
{
    const int n = snprintf(out, PATH_BYTES, "%s/%s", dir[0] ? dir : ".", name);
    if (n < 0 || n >= PATH_BYTES)
        return kw_fail(err, KW_E_LIMIT, "a path of more than %d bytes", PATH_BYTES);
    return KW_OK;
}

kw_status kw_file_put(const char *dir, const char *name, kw_str content, kw_error *err)
{
    char path[PATH_BYTES];
    kw_file_writer *writer;
    KW_TRY(join(dir, name, path, err));
    KW_TRY(kw_file_create(path, &writer, err));
    const kw_status status = kw_file_write(writer, content.data, content.len, err);
    const kw_status finished =
        kw_file_finish(writer, status == KW_OK, status == KW_OK ? err : NULL);
    return status == KW_OK ? finished : status;
}

/* ---- copied ---- */

static kw_status copy(const char *from, const char *to, const char *name, bool *found,
                      kw_error *err)
{
    char path[PATH_BYTES];
    kw_map map;
    KW_TRY(join(from, name, path, err));
    *found = kw_file_exists(path) && !kw_file_is_dir(path);
    if (!*found)
        return KW_OK;
    if (strncmp(name, CHATS_DIR "/", sizeof CHATS_DIR) == 0) {
        KW_TRY(join(to, CHATS_DIR, path, err));
        KW_TRY(kw_dir_make(path, err));
        KW_TRY(join(from, name, path, err));
    }
    KW_TRY(kw_map_open(path, true, &map, err));
    const kw_status status = kw_file_put(to, name, (kw_str){(const char *)map.data, map.len}, err);
    kw_map_close(&map);
    return status;
}

kw_status kw_tokenizer_files_copy(const char *from, const char *to, bool *any, kw_error *err)
{
    static const struct {
        const char *name;
        bool tokenizer; /* enough for one */
    } files[] = {
        {"config.json", false},
        {"generation_config.json", false},
        {"special_tokens_map.json", false},
        {"tokenizer_config.json", false},
        {"chat_template.jinja", false},
        {"chat_template.json", false},
        {CHATS_DIR "/tool_use.jinja", false},
        {CHATS_DIR "/rag.jinja", false},
        {"merges.txt", false},
        {"tokenizer.json", true},
        {"tokenizer.model", true},
        {"spiece.model", true},
        {"vocab.json", true},
        {"vocab.txt", true},
    };
    *any = false;
    for (size_t i = 0; i < KW_COUNT(files); i++) {
        bool found = false;
        KW_TRY(copy(from, to, files[i].name, &found, err));
        *any = *any || (found && files[i].tokenizer);
    }
    return KW_OK;
}

/* ---- made ---- */

typedef struct vocab {
    const kw_model_file *file;
    const kw_value *tokens, *scores, *types, *merges;
} vocab;

static const kw_value *find(const kw_model_file *file, const char *key, kw_value_kind kind)
{
    const kw_value *const value = kw_model_file_meta(file, kw_str_from(key));
    return value && value->kind == kind ? value : NULL;
}

static const kw_value *find_array(const kw_model_file *file, const char *key, kw_value_kind kind,
                                  uint64_t n)
{
    const kw_value *const value = find(file, key, KW_VALUE_ARRAY);
    return value && value->array.kind == kind && (n == 0 || value->array.n == n) ? value : NULL;
}

static bool is_text(const kw_model_file *file, const char *key, const char *text)
{
    const kw_value *const value = find(file, key, KW_VALUE_STRING);
    return value && kw_str_is(value->s, text);
}

static bool flag(const kw_model_file *file, const char *key, bool otherwise)
{
    const kw_value *const value = find(file, key, KW_VALUE_BOOL);
    return value ? value->b : otherwise;
}

static int64_t type_of(const vocab *v, uint64_t i)
{
    return v->types ? kw_value_at(v->types, i).i : 1;
}

/* Protobuf: a number, with its key when it is a field. */
static void put_varint(kw_buf *out, uint64_t v)
{
    do {
        const char byte = (char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        kw_buf_add(out, &byte, 1);
        v >>= 7;
    } while (v > 0);
}

static void put_field(kw_buf *out, unsigned number, uint64_t v)
{
    put_varint(out, (uint64_t)number << 3);
    put_varint(out, v);
}

static void put_bytes(kw_buf *out, unsigned number, const char *data, size_t n)
{
    put_varint(out, (uint64_t)number << 3 | 2);
    put_varint(out, n);
    kw_buf_add(out, n > 0 ? data : "", n);
}

static void put_piece(kw_buf *out, const vocab *v, uint64_t i)
{
    kw_buf piece = {0};
    const kw_str text = kw_value_at(v->tokens, i).s;
    const float score = v->scores ? (float)kw_value_at(v->scores, i).f : 0.0f;
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    put_bytes(&piece, 1, text.data, text.len);
    put_varint(&piece, 2 << 3 | 5);
    for (unsigned k = 0; k < 4; k++) {
        const char byte = (char)(bits >> (8 * k) & 0xff);
        kw_buf_add(&piece, &byte, 1);
    }
    put_field(&piece, 3, (uint64_t)type_of(v, i));
    put_bytes(out, 1, piece.data, piece.len);
    out->failed = out->failed || piece.failed;
    kw_buf_free(&piece);
}

static void put_id(kw_buf *out, unsigned number, const kw_model_file *file, const char *key)
{
    const kw_value *const value = find(file, key, KW_VALUE_INT);
    /* A vocabulary without such a token says -1, or 2^32 - 1 in older files. */
    const bool none = !value || value->i < 0 || value->i > INT32_MAX;
    put_field(out, number, none ? UINT64_MAX : (uint64_t)value->i);
}

static kw_status write_sentencepiece(const vocab *v, const char *to, kw_error *err)
{
    kw_buf model = {0}, trainer = {0}, normalizer = {0};
    for (uint64_t i = 0; i < v->tokens->array.n; i++)
        put_piece(&model, v, i);
    put_field(&trainer, 3, 2); /* BPE */
    put_field(&trainer, 4, v->tokens->array.n);
    put_field(&trainer, 35, 1); /* byte_fallback */
    put_id(&trainer, 40, v->file, "tokenizer.ggml.unknown_token_id");
    put_id(&trainer, 41, v->file, "tokenizer.ggml.bos_token_id");
    put_id(&trainer, 42, v->file, "tokenizer.ggml.eos_token_id");
    put_id(&trainer, 43, v->file, "tokenizer.ggml.padding_token_id");
    put_bytes(&normalizer, 1, "identity", 8);
    put_field(&normalizer, 3, flag(v->file, "tokenizer.ggml.add_space_prefix", true));
    put_field(&normalizer, 4, flag(v->file, "tokenizer.ggml.remove_extra_whitespaces", false));
    put_field(&normalizer, 5, 1);
    put_bytes(&model, 2, trainer.data, trainer.len);
    put_bytes(&model, 3, normalizer.data, normalizer.len);
    model.failed = model.failed || trainer.failed || normalizer.failed;
    kw_status status = kw_buf_status(&model, err);
    if (status == KW_OK)
        status = kw_file_put(to, "tokenizer.model", (kw_str){model.data, model.len}, err);
    kw_buf_free(&model);
    kw_buf_free(&trainer);
    kw_buf_free(&normalizer);
    return status;
}

static kw_status put_text(const char *to, const char *name, kw_buf *text, kw_error *err)
{
    kw_status status = kw_buf_status(text, err);
    if (status == KW_OK)
        status = kw_file_put(to, name, (kw_str){text->data, text->len}, err);
    kw_buf_free(text);
    return status;
}

static kw_status write_merges(const vocab *v, const char *to, kw_error *err)
{
    kw_buf text = {0};
    kw_buf_printf(&text, "{");
    for (uint64_t i = 0; i < v->tokens->array.n; i++) {
        kw_buf_printf(&text, "%s\n", i > 0 ? "," : "");
        kw_buf_json(&text, kw_value_at(v->tokens, i).s);
        kw_buf_printf(&text, ": %llu", (unsigned long long)i);
    }
    kw_buf_printf(&text, "\n}\n");
    KW_TRY(put_text(to, "vocab.json", &text, err));
    text = (kw_buf){0};
    kw_buf_printf(&text, "#version: 0.2\n");
    for (uint64_t i = 0; i < v->merges->array.n; i++) {
        const kw_str merge = kw_value_at(v->merges, i).s;
        kw_buf_add(&text, merge.data, merge.len);
        kw_buf_printf(&text, "\n");
    }
    return put_text(to, "merges.txt", &text, err);
}

static void print_token(const vocab *v, const char *name, const char *key, kw_buf *out)
{
    const kw_value *const id = find(v->file, key, KW_VALUE_INT);
    if (!id || id->i < 0 || (uint64_t)id->i >= v->tokens->array.n)
        return;
    kw_buf_printf(out, ",\n  \"%s\": ", name);
    kw_buf_json(out, kw_value_at(v->tokens, (uint64_t)id->i).s);
}

/* One as a text, several as a list. */
static void print_chats(const kw_chat_templates *chats, kw_buf *out)
{
    const kw_chat_template *const only = kw_chat_templates_find(chats, "default");
    if (chats->n == 0)
        return;
    kw_buf_printf(out, ",\n  \"chat_template\": ");
    if (chats->n == 1 && only) {
        kw_buf_json(out, (kw_str){only->source, only->len});
        return;
    }
    for (size_t i = 0; i < chats->n; i++) {
        kw_buf_printf(out, "%s\n    {\"name\": ", i > 0 ? "," : "[");
        kw_buf_json(out, kw_str_from(chats->items[i].name));
        kw_buf_printf(out, ", \"template\": ");
        kw_buf_json(out, (kw_str){chats->items[i].source, chats->items[i].len});
        kw_buf_printf(out, "}");
    }
    kw_buf_printf(out, "]");
}

/* Which tokens stand for themselves, and what a text begins and ends with. */
static kw_status write_config(const vocab *v, bool bos, const char *to, kw_error *err)
{
    kw_buf out = {0};
    const char *before = "";
    kw_buf_printf(&out, "{\n  \"added_tokens_decoder\": {");
    for (uint64_t i = 0; i < v->tokens->array.n; i++) {
        const int64_t type = type_of(v, i);
        if (type != TYPE_CONTROL && type != TYPE_USER)
            continue;
        kw_buf_printf(&out, "%s\n    \"%llu\": {\"content\": ", before, (unsigned long long)i);
        kw_buf_json(&out, kw_value_at(v->tokens, i).s);
        kw_buf_printf(&out, ", \"special\": %s}", type == TYPE_CONTROL ? "true" : "false");
        before = ",";
    }
    kw_buf_printf(&out, "\n  },\n  \"add_bos_token\": %s,\n  \"add_eos_token\": %s",
                  flag(v->file, "tokenizer.ggml.add_bos_token", bos) ? "true" : "false",
                  flag(v->file, "tokenizer.ggml.add_eos_token", false) ? "true" : "false");
    print_token(v, "bos_token", "tokenizer.ggml.bos_token_id", &out);
    print_token(v, "eos_token", "tokenizer.ggml.eos_token_id", &out);
    print_token(v, "unk_token", "tokenizer.ggml.unknown_token_id", &out);
    print_token(v, "pad_token", "tokenizer.ggml.padding_token_id", &out);
    kw_chat_templates chats = {0};
    const kw_status status = kw_chat_templates_of(v->file, &chats, err);
    if (status == KW_OK)
        print_chats(&chats, &out);
    kw_chat_templates_free(&chats);
    kw_buf_printf(&out, "\n}\n");
    if (status == KW_OK)
        return put_text(to, "tokenizer_config.json", &out, err);
    kw_buf_free(&out);
    return status;
}

/* Where the model has more ends than its tokenizer's. */
static kw_status write_ends(const kw_model_file *file, const char *to, kw_error *err)
{
    kw_ends ends;
    kw_buf out = {0};
    KW_TRY(kw_ends_read(file, &ends, err));
    if (ends.n < 2)
        return KW_OK;
    kw_buf_printf(&out, "{\n  \"eos_token_id\": [");
    for (size_t i = 0; i < ends.n; i++)
        kw_buf_printf(&out, "%s%d", i > 0 ? ", " : "", (int)ends.ids[i]);
    kw_buf_printf(&out, "]\n}\n");
    return put_text(to, "generation_config.json", &out, err);
}

kw_status kw_tokenizer_files_make(const kw_model_file *file, const char *to, bool *any,
                                  kw_error *err)
{
    vocab v = {.file = file,
               .tokens = find_array(file, "tokenizer.ggml.tokens", KW_VALUE_STRING, 0)};
    *any = false;
    if (!v.tokens)
        return KW_OK;
    const uint64_t n = v.tokens->array.n;
    v.scores = find_array(file, "tokenizer.ggml.scores", KW_VALUE_FLOAT, n);
    v.types = find_array(file, "tokenizer.ggml.token_type", KW_VALUE_INT, n);
    v.merges = find_array(file, "tokenizer.ggml.merges", KW_VALUE_STRING, 0);
    const bool pieces = is_text(file, "tokenizer.ggml.model", "llama") && v.scores;
    const bool merges = is_text(file, "tokenizer.ggml.model", "gpt2") && v.merges &&
                        (is_text(file, "tokenizer.ggml.pre", "gpt-2") ||
                         !find(file, "tokenizer.ggml.pre", KW_VALUE_STRING));
    if (!pieces && !merges)
        return KW_OK;
    KW_TRY(pieces ? write_sentencepiece(&v, to, err) : write_merges(&v, to, err));
    KW_TRY(write_config(&v, pieces, to, err));
    KW_TRY(write_ends(file, to, err));
    *any = true;
    return KW_OK;
}
