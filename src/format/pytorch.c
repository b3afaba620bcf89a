/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pytorch.c - the two containers of torch.save: a zip archive (since 1.6), and before that a row of
 * pickles with the storages behind them.
 *
 * Storages are views of the file in both. Source: torch/serialization.py. */
#include "format/pytorch.h"

#include "base/check.h"

#include <inttypes.h>

enum { MAX_ENTRY_NAME = 512, PROTOCOL_VERSION = 1001 };

static kw_status wrong_size(const kw_pt_storage_ref *ref, uint64_t bytes, kw_error *err)
{
    return kw_fail(err, KW_E_FORMAT,
                   "pytorch: storage \"%.*s\": %" PRIu64 " bytes where %" PRIu64 " elements of %s "
                   "are meant",
                   KW_FMT(ref->key), bytes, ref->n, ref->type->name);
}

static bool fits(const kw_pt_storage_ref *ref, uint64_t bytes)
{
    uint64_t needed = 0;
    return kw_mul_u64(ref->n, ref->type->bytes, &needed) && needed == bytes;
}

/* ---- the zip archive ---- */

typedef struct archive {
    const kw_zip *zip;
    kw_str folder; /* "name/", in front of each entry */
} archive;

/* The entry of that name in the checkpoint's folder; NULL: none. */
static const kw_zip_entry *find_entry(const archive *a, kw_str dir, kw_str name)
{
    char full[MAX_ENTRY_NAME];
    const kw_str parts[] = {a->folder, dir, name};
    size_t n = 0;
    for (size_t i = 0; i < KW_COUNT(parts); i++) {
        if (parts[i].len > sizeof full - n)
            return NULL;
        if (parts[i].len > 0)
            memcpy(full + n, parts[i].data, parts[i].len);
        n += parts[i].len;
    }
    return kw_zip_find(a->zip, (kw_str){full, n});
}

/* kw_pt_storages.find */
static kw_status find_in_zip(const kw_pt_storages *from, const kw_pt_storage_ref *ref, kw_str *out,
                             kw_error *err)
{
    const archive *const a = from->context;
    const kw_zip_entry *const entry = find_entry(a, KW_STR("data/"), ref->key);
    if (!entry)
        return kw_fail(err, KW_E_FORMAT, "pytorch: storage \"%.*s\" is not in the archive",
                       KW_FMT(ref->key));
    KW_TRY(kw_zip_data(a->zip, entry, out, err));
    return fits(ref, out->len) ? KW_OK : wrong_size(ref, out->len, err);
}

static kw_status check_byteorder(const archive *a, kw_error *err)
{
    kw_str text;
    const kw_zip_entry *const entry = find_entry(a, KW_STR(""), KW_STR("byteorder"));
    if (!entry) /* before 2.1: the machine's own, and no other was in use */
        return KW_OK;
    KW_TRY(kw_zip_checked(a->zip, entry, &text, err));
    if (kw_str_is(text, "little"))
        return KW_OK;
    if (kw_str_is(text, "big"))
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "pytorch: a checkpoint of a big-endian machine, which is not supported");
    return kw_fail(err, KW_E_FORMAT, "pytorch: its byteorder is neither little nor big");
}

static bool ends_with(kw_str text, kw_str end)
{
    return text.len >= end.len && memcmp(text.data + text.len - end.len, end.data, end.len) == 0;
}

/* The pickle of a checkpoint: data.pkl in the archive's one folder. */
static const kw_zip_entry *find_pickle(const kw_zip *zip)
{
    const kw_str name = KW_STR("data.pkl");
    for (size_t i = 0; i < zip->n; i++) {
        const kw_str full = zip->entries[i].name;
        const size_t slash = full.len - KW_MIN(full.len, name.len);
        if (ends_with(full, name) &&
            (slash == 0 || memchr(full.data, '/', slash) == full.data + slash - 1))
            return &zip->entries[i];
    }
    return NULL;
}

bool kw_pytorch_in_zip(const kw_zip *zip)
{
    return find_pickle(zip) != NULL;
}

kw_status kw_pytorch_zip_parse(const kw_zip *zip, int part, kw_arena *arena, kw_image *out,
                               kw_error *err)
{
    const kw_zip_entry *const entry = find_pickle(zip);
    kw_assert(entry != NULL);
    const archive a = {zip, {entry->name.data, entry->name.len - strlen("data.pkl")}};
    const kw_pt_storages storages = {find_in_zip, &a};
    kw_str bytes;
    kw_pickle pickle;
    if (find_entry(&a, KW_STR(""), KW_STR("constants.pkl")))
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "pytorch: a TorchScript program, not a checkpoint: save its state_dict");
    KW_TRY(check_byteorder(&a, err));
    KW_TRY(kw_zip_checked(zip, entry, &bytes, err));
    KW_TRY(kw_pickle_read(bytes, kw_pt_globals, arena, &pickle, err));
    return kw_pt_collect(pickle.root, &storages, zip->bytes, part, arena, out, err);
}

/* ---- the row of pickles ---- */

typedef struct storage {
    kw_str key;
    const kw_pt_storage_ref *ref; /* the first that asks for it */
    kw_str bytes;
} storage;

typedef struct row {
    storage *storages;
    size_t n;
    kw_name_index index;
} row;

/* kw_pt_storages.find */
static kw_status find_in_row(const kw_pt_storages *from, const kw_pt_storage_ref *ref, kw_str *out,
                             kw_error *err)
{
    const row *const r = from->context;
    const size_t i = kw_name_index_find(&r->index, ref->key);
    if (i == KW_NOT_FOUND)
        return kw_fail(err, KW_E_FORMAT, "pytorch: storage \"%.*s\" is not in the file",
                       KW_FMT(ref->key));
    *out = r->storages[i].bytes;
    return fits(ref, out->len) ? KW_OK : wrong_size(ref, out->len, err);
}

static kw_status next_pickle(kw_str bytes, size_t *at, kw_arena *arena, kw_pickle *out,
                             kw_error *err)
{
    const kw_str rest = {bytes.data + *at, bytes.len - *at};
    KW_TRY(kw_pickle_read(rest, kw_pt_globals, arena, out, err));
    *at += out->bytes;
    return KW_OK;
}

static kw_status read_preamble(kw_str bytes, size_t *at, kw_arena *arena, kw_error *err)
{
    const kw_str magic = KW_STR("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19");
    kw_pickle pickle;
    KW_TRY(next_pickle(bytes, at, arena, &pickle, err));
    const kw_pickle_object *const first = pickle.root;
    if (first->kind != KW_PICKLE_LONG || !kw_str_eq(first->text, magic))
        return kw_fail(err, KW_E_UNSUPPORTED, "a pickle that is no PyTorch checkpoint");
    KW_TRY(next_pickle(bytes, at, arena, &pickle, err));
    if (pickle.root->kind != KW_PICKLE_INT || pickle.root->i != PROTOCOL_VERSION)
        return kw_fail(err, KW_E_UNSUPPORTED, "pytorch: a container of another version than %d",
                       PROTOCOL_VERSION);
    KW_TRY(next_pickle(bytes, at, arena, &pickle, err));
    const kw_pickle_object *const little = kw_pickle_get(pickle.root, "little_endian");
    if (!little || little->kind != KW_PICKLE_BOOL)
        return kw_fail(err, KW_E_FORMAT, "pytorch: the container does not say its byte order");
    if (!little->b)
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "pytorch: a checkpoint of a big-endian machine, which is not supported");
    return KW_OK;
}

/* The list of keys, each once. */
static kw_status read_keys(const kw_pickle_object *list, kw_arena *arena, row *out, kw_error *err)
{
    if (list->kind != KW_PICKLE_LIST)
        return kw_fail(err, KW_E_FORMAT, "pytorch: no list of storages behind the checkpoint");
    out->n = list->list.n;
    out->storages = kw_arena_array(arena, out->n, sizeof *out->storages);
    if (!out->storages)
        return kw_fail(err, KW_E_NOMEM, "pytorch: no memory for %zu storages", out->n);
    for (size_t i = 0; i < out->n; i++) {
        const kw_pickle_object *const key = list->list.items[i];
        if (key->kind != KW_PICKLE_TEXT || !kw_name_is_clean(key->text))
            return kw_fail(err, KW_E_FORMAT, "pytorch: the key of storage %zu is no text", i);
        out->storages[i].key = key->text;
    }
    return kw_name_index_build(&out->index, arena, out->storages, sizeof *out->storages, out->n,
                               "pytorch: storage", err);
}

/* What each storage holds, which only the references to it say. */
static kw_status read_refs(const kw_pickle *pickle, kw_arena *arena, row *r, kw_error *err)
{
    kw_pt_storage_ref *const refs = kw_arena_array(arena, pickle->n_persistent, sizeof *refs);
    if (!refs)
        return kw_fail(err, KW_E_NOMEM, "pytorch: no memory for %zu references",
                       pickle->n_persistent);
    for (size_t i = 0; i < pickle->n_persistent; i++) {
        KW_TRY(kw_pt_read_ref(pickle->persistent[i], &refs[i], err));
        const size_t at = kw_name_index_find(&r->index, refs[i].key);
        if (at != KW_NOT_FOUND && !r->storages[at].ref)
            r->storages[at].ref = &refs[i];
    }
    return KW_OK;
}

/* The storages in the order of the list: a number of elements, and they. */
static kw_status place_storages(row *r, kw_str bytes, size_t at, kw_error *err)
{
    for (size_t i = 0; i < r->n; i++) {
        storage *const s = &r->storages[i];
        uint64_t n = 0, needed = 0;
        if (!s->ref)
            return kw_fail(err, KW_E_FORMAT, "pytorch: nothing says what storage \"%.*s\" holds",
                           KW_FMT(s->key));
        if (bytes.len - at < 8)
            return kw_fail(err, KW_E_FORMAT, "pytorch: the file ends before storage \"%.*s\"",
                           KW_FMT(s->key));
        for (size_t k = 8; k-- > 0;)
            n = n << 8 | (unsigned char)bytes.data[at + k];
        at += 8;
        if (n != s->ref->n || !kw_mul_u64(n, s->ref->type->bytes, &needed) ||
            needed > bytes.len - at)
            return kw_fail(err, KW_E_FORMAT,
                           "pytorch: storage \"%.*s\": %" PRIu64 " elements at %zu, %" PRIu64
                           " are meant, and the file has %zu bytes",
                           KW_FMT(s->key), n, at, s->ref->n, bytes.len);
        s->bytes = (kw_str){bytes.data + at, (size_t)needed};
        at += (size_t)needed;
    }
    return KW_OK;
}

kw_status kw_pytorch_legacy_parse(kw_str bytes, int part, kw_arena *arena, kw_image *out,
                                  kw_error *err)
{
    size_t at = 0;
    kw_pickle checkpoint, keys;
    row r = {0};
    const kw_pt_storages storages = {find_in_row, &r};
    KW_TRY(read_preamble(bytes, &at, arena, err));
    KW_TRY(next_pickle(bytes, &at, arena, &checkpoint, err));
    KW_TRY(next_pickle(bytes, &at, arena, &keys, err));
    KW_TRY(read_keys(keys.root, arena, &r, err));
    KW_TRY(read_refs(&checkpoint, arena, &r, err));
    KW_TRY(place_storages(&r, bytes, at, err));
    return kw_pt_collect(checkpoint.root, &storages, bytes, part, arena, out, err);
}
