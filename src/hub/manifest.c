/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* manifest.c - reading and writing manifests. Source: in-toto Statement v1; OpenSSF Model Signing
 * v1.0, predicate "https://model_signing/signature/v1.0". */
#include "hub/manifest.h"

#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "hub/stores.h"

#define STATEMENT "https://in-toto.io/Statement/v1"
#define PREDICATE "https://model_signing/signature/v1.0"

/* ---- what both directions check ---- */

bool kw_manifest_name_ok(kw_str name)
{
    size_t part = 0; /* where the part begins */
    if (name.len == 0 || name.len > KW_MANIFEST_NAME || !kw_utf8_valid(name.data, name.len))
        return false;
    for (size_t i = 0; i <= name.len; i++) {
        if (i < name.len && name.data[i] != '/') {
            const unsigned char c = (unsigned char)name.data[i];
            if (c < ' ' || c == 0x7f || c == '\\')
                return false;
            continue;
        }
        const kw_str word = {name.data + part, i - part};
        if (word.len == 0 || kw_str_is(word, ".") || kw_str_is(word, ".."))
            return false;
        part = i + 1;
    }
    return true;
}

static kw_status check_files(const kw_manifest *m, kw_status wrong, kw_error *err)
{
    for (size_t i = 0; i < m->n_files; i++) {
        const char *const name = m->files[i].name;
        if (!kw_manifest_name_ok(kw_str_from(name)))
            return kw_fail(err, wrong, "manifest: \"%.200s\" cannot be the name of a file", name);
        if (i > 0 && strcmp(m->files[i - 1].name, name) >= 0)
            return kw_fail(err, wrong, "manifest: \"%.200s\" is not in its place in the order",
                           name);
    }
    return KW_OK;
}

/* The digest of the subject. */
static void digest_of(const kw_manifest *manifest, uint8_t out[32])
{
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(false));
    for (size_t i = 0; i < manifest->n_files; i++)
        kw_sha256_update(&hash, manifest->files[i].sha256, 32);
    kw_sha256_final(&hash, out);
}

const kw_manifest_file *kw_manifest_find(const kw_manifest *manifest, const char *name)
{
    size_t low = 0, high = manifest->n_files;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(name, manifest->files[middle].name);
        if (order == 0)
            return &manifest->files[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

void kw_manifest_free(kw_manifest *manifest)
{
    kw_arena_free(&manifest->arena);
    *manifest = (kw_manifest){0};
}

/* ---- writing ---- */

static void put_file(kw_buf *out, const kw_manifest_file *file)
{
    char hex[65], cid[KW_CID_TEXT_MAX];
    kw_sha256_hex(file->sha256, hex);
    kw_buf_printf(out, "{\"algorithm\":\"sha256\"");
    if (file->rooted) {
        kw_cid_text(&file->root, cid);
        kw_buf_printf(out, ",\"cid\":\"%s\"", cid);
    }
    kw_buf_printf(out, ",\"digest\":\"%s\",\"name\":", hex);
    kw_buf_json(out, kw_str_from(file->name));
    if (file->sized)
        kw_buf_printf(out, ",\"size\":%llu", (unsigned long long)file->size);
    kw_buf_printf(out, "}");
}

kw_status kw_manifest_put(const kw_manifest *manifest, kw_buf *out, kw_error *err)
{
    char hex[65];
    uint8_t digest[32];
    if (!kw_model_name_ok(kw_str_from(manifest->model)))
        return kw_fail(err, KW_E_ARG, "manifest: \"%.200s\" is no name of a model",
                       manifest->model);
    if (manifest->n_files > KW_MANIFEST_FILES)
        return kw_fail(err, KW_E_LIMIT, "manifest: %zu files, the limit is %zu", manifest->n_files,
                       KW_MANIFEST_FILES);
    KW_TRY(check_files(manifest, KW_E_ARG, err));
    digest_of(manifest, digest);
    kw_sha256_hex(digest, hex);
    kw_buf_printf(out, "{\"_type\":\"" STATEMENT "\",\"predicate\":{\"resources\":[");
    for (size_t i = 0; i < manifest->n_files; i++) {
        kw_buf_add(out, ",\n", i == 0 ? 0 : 2);
        put_file(out, &manifest->files[i]);
    }
    kw_buf_printf(out,
                  "],\"serialization\":{\"allow_symlinks\":false,\"hash_type\":\"sha256\","
                  "\"ignore_paths\":[],\"method\":\"files\"}},\"predicateType\":\"" PREDICATE
                  "\",\"subject\":[{\"digest\":{\"sha256\":\"%s\"},\"name\":\"%s\"}]}\n",
                  hex, manifest->model);
    return kw_buf_status(out, err);
}

/* ---- reading ---- */

typedef struct reader {
    kw_json json;
    kw_manifest *out;
    size_t cap;
    bool typed, predicated, has_files, has_digest;
    uint8_t digest[32];
} reader;

static kw_status bad(const char *what, kw_error *err)
{
    return kw_fail(err, KW_E_FORMAT, "manifest: %s", what);
}

/* One member of an object: reads its value, of which `value` is the first token. */
typedef kw_status (*member_fn)(reader *r, kw_str key, const kw_json_token *value, void *user,
                               kw_error *err);

/* The rest of an object whose first token was read. */
static kw_status each_member(reader *r, member_fn each, void *user, kw_error *err)
{
    kw_json_token token;
    kw_str key;
    for (;;) {
        KW_TRY(kw_json_next(&r->json, &token, err));
        if (token.kind == KW_JSON_OBJECT_END)
            return KW_OK;
        KW_TRY(kw_json_string(&r->json, &token, &r->out->arena, &key, err));
        KW_TRY(kw_json_next(&r->json, &token, err));
        KW_TRY(each(r, key, &token, user, err));
    }
}

static kw_status get_text(reader *r, const kw_json_token *value, kw_str *out, kw_error *err)
{
    if (value->kind != KW_JSON_STRING)
        return bad("a member that must be a text is none", err);
    return kw_json_string(&r->json, value, &r->out->arena, out, err);
}

static kw_status keep_text(reader *r, const kw_json_token *value, const char **out, kw_error *err)
{
    kw_str text;
    KW_TRY(get_text(r, value, &text, err));
    if (text.len > 0 && memchr(text.data, '\0', text.len))
        return bad("a text with a zero in it", err);
    *out = kw_arena_strdup(&r->out->arena, text);
    return *out ? KW_OK : kw_fail(err, KW_E_NOMEM, "manifest: no memory for a text");
}

static kw_status get_digest(reader *r, const kw_json_token *value, uint8_t out[32], kw_error *err)
{
    kw_str text;
    KW_TRY(get_text(r, value, &text, err));
    if (text.len != 64)
        return bad("a SHA-256 that has not 64 digits", err);
    for (size_t i = 0; i < 64; i++) {
        const char c = text.data[i];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return bad("a SHA-256 with something else than lower-case hex digits", err);
        out[i / 2] = (uint8_t)(i % 2 == 0 ? digit << 4 : out[i / 2] | digit);
    }
    return KW_OK;
}

static kw_status get_cid(reader *r, const kw_json_token *value, kw_cid *out, kw_error *err)
{
    kw_str text;
    KW_TRY(get_text(r, value, &text, err));
    KW_TRY(kw_cid_parse(text, out, err));
    if (out->version != 1 || out->hash != KW_HASH_SHA2_256 || out->digest_len != 32 ||
        (out->codec != KW_CODEC_RAW && out->codec != KW_CODEC_DAG_PB))
        return kw_fail(err, KW_E_UNSUPPORTED, "manifest: a CID that is not of a file's tree");
    return KW_OK;
}

typedef struct file_reader {
    kw_manifest_file *file;
    unsigned seen; /* a bit for each member that may come once */
} file_reader;

static kw_status file_member(reader *r, kw_str key, const kw_json_token *value, void *user,
                             kw_error *err)
{
    file_reader *const f = user;
    kw_manifest_file *const file = f->file;
    static const char *const members[] = {"name", "digest", "algorithm", "size", "cid"};
    kw_str text;
    unsigned which = 0;
    while (which < KW_COUNT(members) && !kw_str_is(key, members[which]))
        which++;
    if (which == KW_COUNT(members))
        return kw_json_skip(&r->json, value, err);
    if (f->seen & 1u << which)
        return bad("a file says the same twice", err);
    f->seen |= 1u << which;
    switch (which) {
    case 0:
        return keep_text(r, value, &file->name, err);
    case 1:
        return get_digest(r, value, file->sha256, err);
    case 2:
        KW_TRY(get_text(r, value, &text, err));
        return kw_str_is(text, "sha256")
                   ? KW_OK
                   : kw_fail(err, KW_E_UNSUPPORTED, "manifest: digests by \"%.*s\", not sha256",
                             KW_FMT(text));
    case 3:
        file->sized = true;
        return value->kind == KW_JSON_NUMBER ? kw_json_u64(&r->json, value, &file->size, err)
                                             : bad("a size that is no number", err);
    default:
        file->rooted = true;
        return get_cid(r, value, &file->root, err);
    }
}

static kw_status add_file(reader *r, kw_manifest_file **out, kw_error *err)
{
    kw_manifest *const m = r->out;
    if (m->n_files == KW_MANIFEST_FILES)
        return kw_fail(err, KW_E_LIMIT, "manifest: more than %zu files", KW_MANIFEST_FILES);
    if (m->n_files == r->cap) {
        const size_t cap = KW_MAX(2 * r->cap, (size_t)16);
        kw_manifest_file *const grown = kw_arena_array(&m->arena, cap, sizeof *grown);
        if (!grown)
            return kw_fail(err, KW_E_NOMEM, "manifest: no memory for %zu files", cap);
        if (m->n_files > 0)
            memcpy(grown, m->files, m->n_files * sizeof *grown);
        m->files = grown;
        r->cap = cap;
    }
    *out = &m->files[m->n_files++];
    **out = (kw_manifest_file){0};
    return KW_OK;
}

static kw_status get_file(reader *r, kw_error *err)
{
    file_reader f = {0};
    KW_TRY(add_file(r, &f.file, err));
    KW_TRY(each_member(r, file_member, &f, err));
    return (f.seen & 7) == 7 ? KW_OK : bad("a file without name, digest or algorithm", err);
}

static kw_status get_files(reader *r, const kw_json_token *value, kw_error *err)
{
    kw_json_token token;
    if (value->kind != KW_JSON_ARRAY || r->has_files)
        return bad("resources that are not one list", err);
    r->has_files = true;
    for (;;) {
        KW_TRY(kw_json_next(&r->json, &token, err));
        if (token.kind == KW_JSON_ARRAY_END)
            return KW_OK;
        if (token.kind != KW_JSON_OBJECT)
            return bad("a resource that is no object", err);
        KW_TRY(get_file(r, err));
    }
}

static kw_status predicate_member(reader *r, kw_str key, const kw_json_token *value, void *user,
                                  kw_error *err)
{
    (void)user;
    return kw_str_is(key, "resources") ? get_files(r, value, err)
                                       : kw_json_skip(&r->json, value, err);
}

static kw_status digest_member(reader *r, kw_str key, const kw_json_token *value, void *user,
                               kw_error *err)
{
    (void)user;
    if (!kw_str_is(key, "sha256"))
        return kw_json_skip(&r->json, value, err);
    KW_TRY(get_digest(r, value, r->digest, err));
    r->has_digest = true;
    return KW_OK;
}

static kw_status subject_member(reader *r, kw_str key, const kw_json_token *value, void *user,
                                kw_error *err)
{
    if (kw_str_is(key, "name"))
        return keep_text(r, value, &r->out->model, err);
    if (!kw_str_is(key, "digest"))
        return kw_json_skip(&r->json, value, err);
    if (value->kind != KW_JSON_OBJECT)
        return bad("a digest of the subject that is no object", err);
    return each_member(r, digest_member, user, err);
}

/* A list of exactly one subject. */
static kw_status get_subject(reader *r, const kw_json_token *value, kw_error *err)
{
    kw_json_token token;
    if (value->kind != KW_JSON_ARRAY || r->out->model)
        return bad("subjects that are not one list", err);
    KW_TRY(kw_json_expect(&r->json, KW_JSON_OBJECT, &token, err));
    KW_TRY(each_member(r, subject_member, NULL, err));
    return kw_json_expect(&r->json, KW_JSON_ARRAY_END, &token, err);
}

/* A member whose value is known beforehand. */
static kw_status get_constant(reader *r, const kw_json_token *value, const char *want, bool *seen,
                              kw_error *err)
{
    kw_str text;
    KW_TRY(get_text(r, value, &text, err));
    *seen = kw_str_is(text, want);
    return *seen ? KW_OK
                 : kw_fail(err, KW_E_UNSUPPORTED, "manifest: \"%.*s\" where %s is known",
                           KW_FMT(text), want);
}

static kw_status statement_member(reader *r, kw_str key, const kw_json_token *value, void *user,
                                  kw_error *err)
{
    if (kw_str_is(key, "_type"))
        return get_constant(r, value, STATEMENT, &r->typed, err);
    if (kw_str_is(key, "predicateType"))
        return get_constant(r, value, PREDICATE, &r->predicated, err);
    if (kw_str_is(key, "subject"))
        return get_subject(r, value, err);
    if (!kw_str_is(key, "predicate"))
        return kw_json_skip(&r->json, value, err);
    if (value->kind != KW_JSON_OBJECT)
        return bad("a predicate that is no object", err);
    return each_member(r, predicate_member, user, err);
}

static kw_status get_statement(reader *r, kw_error *err)
{
    kw_json_token token;
    KW_TRY(kw_json_expect(&r->json, KW_JSON_OBJECT, &token, err));
    KW_TRY(each_member(r, statement_member, NULL, err));
    return kw_json_expect(&r->json, KW_JSON_END, &token, err);
}

static kw_status check(const reader *r, kw_error *err)
{
    uint8_t digest[32];
    if (!r->typed || !r->predicated || !r->has_files || !r->has_digest || !r->out->model)
        return bad("type, predicate, files or subject are missing", err);
    if (!kw_model_name_ok(kw_str_from(r->out->model)))
        return kw_fail(err, KW_E_FORMAT, "manifest: \"%.200s\" is no name of a model",
                       r->out->model);
    KW_TRY(check_files(r->out, KW_E_FORMAT, err));
    digest_of(r->out, digest);
    return memcmp(digest, r->digest, 32) == 0
               ? KW_OK
               : bad("the digest of the subject is not that of its files", err);
}

kw_status kw_manifest_get(kw_str text, kw_manifest *out, kw_error *err)
{
    reader r = {.out = out};
    *out = (kw_manifest){0};
    if (text.len > KW_MANIFEST_MAX)
        return kw_fail(err, KW_E_LIMIT, "manifest: %zu bytes, the limit is %zu", text.len,
                       KW_MANIFEST_MAX);
    kw_json_init(&r.json, text, "manifest");
    kw_status status = get_statement(&r, err);
    if (status == KW_OK)
        status = check(&r, err);
    if (status != KW_OK)
        kw_manifest_free(out);
    return status;
}
