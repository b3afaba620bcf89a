/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pytorch_collect.c - from the objects of a checkpoint to views of its tensors.
 *
 * The invariant: every element that a tensor's offset, sizes and strides reach lies in its storage.
 * A tensor whose elements follow each other is a view of the file; any other (a transposed one) is
 * copied into order once, and what is copied stays below a few times the file's own size.
 * Source: torch/_utils.py, torch/serialization.py. */
#include "format/pytorch.h"

#include "base/check.h"
#include "format/gguf_wire.h"
#include "format/strided.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    MAX_DEPTH = 64,
    MAX_PATH_BYTES = 1024,
    MAX_VISITS = 1 << 22, /* objects on all ways from the root; sharing makes many of few */
    COPY_FACTOR = 4,      /* bytes copied, in sizes of the file */
    SHARE_FACTOR = 64     /* bytes of all tensors; beyond 1, storages are shared */
};

typedef struct collector {
    const kw_pt_storages *storages;
    kw_str file;
    int part;
    kw_arena *arena;
    kw_image image;
    size_t tensor_capacity, meta_capacity;
    char path[MAX_PATH_BYTES]; /* the keys on the way here, joined by dots */
    size_t path_len;
    unsigned n_unnamed; /* keys on the way that are no part of a name */
    unsigned n_lists;   /* lists on the way */
    unsigned depth;
    size_t n_visits;
    uint64_t copied_bytes, all_bytes;
    kw_error *err;
} collector;

typedef struct tensor {
    const kw_pt_type *type;
    kw_str storage;
    uint64_t first; /* element of the storage */
    uint64_t n;     /* elements */
    kw_strided layout;
} tensor;

static kw_str path_of(const collector *c)
{
    return c->path_len > 0 ? (kw_str){c->path, c->path_len} : KW_STR("tensor");
}

/* ---- arguments ---- */

/* Argument i of a tuple; NULL when there are fewer. */
static const kw_pickle_object *arg(const kw_pickle_object *tuple, size_t i)
{
    return tuple->kind == KW_PICKLE_TUPLE && i < tuple->list.n ? tuple->list.items[i] : NULL;
}

static bool is_global(const kw_pickle_object *o, int id)
{
    return o && o->kind == KW_PICKLE_GLOBAL && o->global->id == id;
}

static bool whole(const kw_pickle_object *o, uint64_t *out)
{
    if (!o || o->kind != KW_PICKLE_INT || o->i < 0)
        return false;
    *out = (uint64_t)o->i;
    return true;
}

kw_status kw_pt_read_ref(const kw_pickle_object *persistent, kw_pt_storage_ref *out, kw_error *err)
{
    const kw_pickle_object *const id =
        persistent->kind == KW_PICKLE_PERSISTENT ? persistent->persistent : persistent;
    const kw_pickle_object *const tag = arg(id, 0), *const type = arg(id, 1);
    const kw_pickle_object *const key = arg(id, 2), *const view = arg(id, 5);
    uint64_t n = 0, offset = 0, n_view = 0;
    if (!tag || tag->kind != KW_PICKLE_TEXT || !kw_str_is(tag->text, "storage") ||
        !is_global(type, KW_PT_STORAGE) || !key || key->kind != KW_PICKLE_TEXT ||
        !kw_name_is_clean(key->text) || !whole(arg(id, 4), &n))
        return kw_fail(err, KW_E_FORMAT, "pytorch: a persistent id that is no storage");
    if (view && view->kind != KW_PICKLE_NONE &&
        (!whole(arg(view, 1), &offset) || !whole(arg(view, 2), &n_view) || offset > n ||
         n_view > n - offset))
        return kw_fail(err, KW_E_FORMAT, "pytorch: storage \"%.*s\": a part that is not inside it",
                       KW_FMT(key->text));
    *out = (kw_pt_storage_ref){
        .type = &kw_pt_types[type->global->detail], .key = key->text, .n = n, .offset = offset};
    return KW_OK;
}

static kw_status bad_tensor(const collector *c, const char *what)
{
    return kw_fail(c->err, KW_E_FORMAT, "pytorch: tensor \"%.*s\": %s", KW_FMT(path_of(c)), what);
}

/* A tuple of whole numbers, also inside a torch.Size. */
static kw_status read_numbers(const collector *c, const kw_pickle_object *o, int64_t *out, int *n)
{
    if (o && o->kind == KW_PICKLE_CALL && o->call.global->id == KW_PT_SIZE)
        o = arg(o->call.args, 0);
    if (!o || o->kind != KW_PICKLE_TUPLE)
        return bad_tensor(c, "its sizes or strides are no tuple");
    if (o->list.n > KW_STRIDED_MAX_RANK)
        return bad_tensor(c, "more than 32 dimensions");
    for (size_t i = 0; i < o->list.n; i++) {
        uint64_t v = 0;
        if (!whole(o->list.items[i], &v))
            return bad_tensor(c, "a size or stride that is no whole number");
        out[i] = (int64_t)v;
    }
    *n = (int)o->list.n;
    return KW_OK;
}

/* ---- one tensor ---- */

/* Counts the elements and demands that the last one that is reached lies in the storage. */
static kw_status check_reach(const collector *c, tensor *t)
{
    const uint64_t n_storage = t->storage.len / t->type->bytes;
    uint64_t last = t->first, way = 0;
    t->n = 1;
    for (int i = 0; i < t->layout.rank; i++) {
        if (!kw_mul_u64(t->n, (uint64_t)t->layout.size[i], &t->n) || t->n > INT64_MAX)
            return bad_tensor(c, "its sizes multiply past 2^63");
    }
    for (int i = 0; i < t->layout.rank && t->n > 0; i++) {
        if (!kw_mul_u64((uint64_t)t->layout.size[i] - 1, (uint64_t)t->layout.stride[i], &way) ||
            !kw_add_u64(last, way, &last))
            return bad_tensor(c, "its strides reach past 2^64");
    }
    if (t->n > 0 ? last >= n_storage : t->first > n_storage)
        return kw_fail(c->err, KW_E_FORMAT,
                       "pytorch: tensor \"%.*s\": reaches element %" PRIu64
                       " of a storage of %" PRIu64,
                       KW_FMT(path_of(c)), last, n_storage);
    return KW_OK;
}

/* function: what rebuilds it; args: what that is called with */
static kw_status read_tensor(const collector *c, const kw_pickle_global *function,
                             const kw_pickle_object *args, tensor *t)
{
    const kw_pickle_object *const storage = arg(args, 0), *const typed = arg(args, 6);
    kw_pt_storage_ref ref;
    int n_strides = 0;
    if (!storage || storage->kind != KW_PICKLE_PERSISTENT || !whole(arg(args, 1), &t->first))
        return bad_tensor(c, "no storage, or no offset in it");
    KW_TRY(kw_pt_read_ref(storage, &ref, c->err));
    KW_TRY(read_numbers(c, arg(args, 2), t->layout.size, &t->layout.rank));
    KW_TRY(read_numbers(c, arg(args, 3), t->layout.stride, &n_strides));
    if (n_strides != t->layout.rank)
        return bad_tensor(c, "not as many strides as sizes");
    t->type = ref.type;
    if (function->id == KW_PT_TENSOR_TYPED) {
        if (!is_global(typed, KW_PT_SCALAR))
            return bad_tensor(c, "no type of elements");
        t->type = &kw_pt_types[typed->global->detail];
    } else if (typed && typed->kind == KW_PICKLE_DICT && typed->list.n > 0) {
        return kw_fail(c->err, KW_E_UNSUPPORTED,
                       "pytorch: tensor \"%.*s\": a view that negates or conjugates its storage",
                       KW_FMT(path_of(c)));
    }
    KW_TRY(c->storages->find(c->storages, &ref, &t->storage, c->err));
    if (ref.offset > 0) {
        const size_t skipped = (size_t)ref.offset * ref.type->bytes;
        t->storage.data += skipped;
        t->storage.len -= skipped;
    }
    return check_reach(c, t);
}

/* Do the elements follow each other in the storage? Strides of single elements do not matter. */
static bool is_contiguous(const tensor *t)
{
    int64_t expected = 1;
    for (int i = t->layout.rank; t->n > 0 && i-- > 0;) {
        if (t->layout.size[i] != 1 && t->layout.stride[i] != expected)
            return false;
        expected *= t->layout.size[i];
    }
    return true;
}

/* Copies the elements into order. */
static kw_status copy_elements(collector *c, const tensor *t, uint64_t bytes, const void **out)
{
    uint64_t limit = 0, total = 0;
    if (!kw_mul_u64(c->file.len, COPY_FACTOR, &limit))
        limit = UINT64_MAX;
    if (!kw_add_u64(c->copied_bytes, bytes, &total) || total > limit || bytes > SIZE_MAX)
        return kw_fail(c->err, KW_E_LIMIT,
                       "pytorch: tensor \"%.*s\": its elements do not follow each other, and "
                       "copying %" PRIu64 " bytes passes the limit (%" PRIu64 " in all)",
                       KW_FMT(path_of(c)), bytes, limit);
    c->copied_bytes = total;
    unsigned char *const copy = kw_arena_alloc(c->arena, (size_t)bytes);
    if (!copy)
        return kw_fail(c->err, KW_E_NOMEM, "pytorch: no memory for %" PRIu64 " bytes", bytes);
    kw_strided_copy(copy, t->storage.data + (size_t)t->first * t->type->bytes, t->type->bytes,
                    &t->layout, t->n);
    *out = copy;
    return KW_OK;
}

static kw_status add_tensor(collector *c, const kw_pickle_global *function,
                            const kw_pickle_object *args)
{
    tensor t = {.type = &kw_pt_types[KW_PT_UNTYPED]};
    uint64_t bytes = 0;
    if (c->n_unnamed > 0)
        return kw_fail(c->err, KW_E_UNSUPPORTED,
                       "pytorch: a tensor under \"%.*s\" whose key is neither text nor a number, "
                       "or too long",
                       KW_FMT(path_of(c)));
    KW_TRY(read_tensor(c, function, args, &t));
    if (!kw_mul_u64(t.n, t.type->bytes, &bytes) || !kw_add_u64(c->all_bytes, bytes, &c->all_bytes))
        return bad_tensor(c, "its size passes 2^64 bytes");
    if (c->all_bytes / SHARE_FACTOR > c->file.len)
        return kw_fail(c->err, KW_E_LIMIT,
                       "pytorch: tensor \"%.*s\": with it all tensors have %" PRIu64
                       " bytes, more than %d times the file's (%zu)",
                       KW_FMT(path_of(c)), c->all_bytes, SHARE_FACTOR, c->file.len);
    const char *const first = t.storage.data + (t.n > 0 ? (size_t)t.first * t.type->bytes : 0);
    kw_tensor_view view = {.dtype = t.type->dtype,
                           .type_name = t.type->name,
                           .data = first,
                           .bytes = bytes,
                           .offset = (uint64_t)(first - c->file.data),
                           .part = c->part};
    const kw_str path = path_of(c);
    view.name = (kw_str){kw_arena_strdup(c->arena, path), path.len};
    if (!view.name.data)
        return kw_fail(c->err, KW_E_NOMEM, "pytorch: no memory for a name");
    view.shape = kw_shape_fold(t.layout.size, t.layout.rank);
    view.file_rank = t.layout.rank;
    if (!is_contiguous(&t))
        KW_TRY(copy_elements(c, &t, bytes, &view.data));
    return kw_image_push_tensor(&c->image, &c->tensor_capacity, c->arena, &view, c->err);
}

/* ---- the way to them ---- */

static kw_status walk(collector *c, const kw_pickle_object *o);

/* Plain values become metadata, except those in lists. */
static kw_status add_value(collector *c, const kw_pickle_object *o)
{
    static const char prefix[] = "__metadata__.";
    kw_value value = {.kind = KW_VALUE_INT, .wire_type = KW_GGUF_I64};
    if (c->n_unnamed > 0 || c->n_lists > 0 || c->path_len == 0)
        return KW_OK;
    if (o->kind == KW_PICKLE_TEXT)
        value = (kw_value){.kind = KW_VALUE_STRING, .wire_type = KW_GGUF_STRING, .s = o->text};
    else if (o->kind == KW_PICKLE_BOOL)
        value = (kw_value){.kind = KW_VALUE_BOOL, .wire_type = KW_GGUF_BOOL, .b = o->b};
    else if (o->kind == KW_PICKLE_FLOAT)
        value = (kw_value){.kind = KW_VALUE_FLOAT, .wire_type = KW_GGUF_F64, .f = o->f};
    else
        value.i = o->i;
    const size_t n = sizeof prefix - 1;
    char *const key = kw_arena_alloc(c->arena, n + c->path_len);
    if (!key)
        return kw_fail(c->err, KW_E_NOMEM, "pytorch: no memory for a key");
    memcpy(key, prefix, n);
    memcpy(key + n, c->path, c->path_len);
    const kw_meta meta = {{key, n + c->path_len}, value};
    return kw_image_push_meta(&c->image, &c->meta_capacity, c->arena, &meta, c->err);
}

static kw_status walk_call(collector *c, const kw_pickle_object *o)
{
    const kw_pickle_object *const args = o->call.args;
    const kw_pickle_object *inner = arg(args, 0);
    switch (o->call.global->id) {
    case KW_PT_TENSOR:
    case KW_PT_TENSOR_TYPED:
        return add_tensor(c, o->call.global, args);
    case KW_PT_PARAMETER:
        return inner && inner->kind == KW_PICKLE_CALL ? walk(c, inner)
                                                      : bad_tensor(c, "a parameter of nothing");
    case KW_PT_FROM_TYPE:
        if ((!is_global(inner, KW_PT_TENSOR) && !is_global(inner, KW_PT_TENSOR_TYPED)) ||
            !is_global(arg(args, 1), KW_PT_CLASS) || !arg(args, 2))
            return bad_tensor(c, "rebuilt by a way that is not known");
        return add_tensor(c, inner->global, arg(args, 2));
    default:
        return KW_OK;
    }
}

/* Walks a value under its key, as one more part of the path. */
static kw_status walk_named(collector *c, kw_str name, const kw_pickle_object *value)
{
    const size_t old_len = c->path_len, dot = c->path_len > 0;
    const bool named = name.data && name.len + dot <= sizeof c->path - c->path_len;
    if (named) {
        if (dot)
            c->path[c->path_len] = '.';
        if (name.len > 0)
            memcpy(c->path + c->path_len + dot, name.data, name.len);
        c->path_len += dot + name.len;
    }
    c->n_unnamed += !named;
    const kw_status status = walk(c, value);
    c->n_unnamed -= !named;
    c->path_len = old_len;
    return status;
}

static kw_str number_name(char text[24], int64_t i)
{
    const int n = snprintf(text, 24, "%" PRId64, i);
    return (kw_str){text, (size_t)KW_MAX(n, 0)};
}

/* main: the value that needs no name of its own, or NULL */
static kw_status walk_dict(collector *c, const kw_pickle_object *dict, const kw_pickle_object *main)
{
    for (size_t i = 0; i + 1 < dict->list.n; i += 2) {
        const kw_pickle_object *const key = dict->list.items[i];
        const kw_pickle_object *const value = dict->list.items[i + 1];
        char text[24];
        kw_str name = {0};
        if (key->kind == KW_PICKLE_TEXT && kw_name_is_clean(key->text))
            name = key->text;
        else if (key->kind == KW_PICKLE_INT)
            name = number_name(text, key->i);
        KW_TRY(value == main ? walk(c, value) : walk_named(c, name, value));
    }
    return KW_OK;
}

static kw_status walk_list(collector *c, const kw_pickle_object *list)
{
    for (size_t i = 0; i < list->list.n; i++) {
        char text[24];
        KW_TRY(walk_named(c, number_name(text, (int64_t)i), list->list.items[i]));
    }
    return KW_OK;
}

/* Recursion is as deep as MAX_DEPTH. */
static kw_status walk(collector *c, const kw_pickle_object *o)
{
    kw_status status = KW_OK;
    if (++c->n_visits > MAX_VISITS)
        return kw_fail(c->err, KW_E_LIMIT, "pytorch: more than %d objects", MAX_VISITS);
    if (c->depth == MAX_DEPTH)
        return kw_fail(c->err, KW_E_LIMIT, "pytorch: objects nest deeper than %d", MAX_DEPTH);
    c->depth++;
    switch (o->kind) {
    case KW_PICKLE_DICT:
        status = walk_dict(c, o, NULL);
        break;
    case KW_PICKLE_LIST:
    case KW_PICKLE_TUPLE:
        c->n_lists++;
        status = walk_list(c, o);
        c->n_lists--;
        break;
    case KW_PICKLE_CALL:
        status = walk_call(c, o);
        break;
    case KW_PICKLE_TEXT:
    case KW_PICKLE_BOOL:
    case KW_PICKLE_INT:
    case KW_PICKLE_FLOAT:
        status = add_value(c, o);
        break;
    case KW_PICKLE_NONE:
    case KW_PICKLE_LONG:
    case KW_PICKLE_BYTES:
    case KW_PICKLE_GLOBAL:
    case KW_PICKLE_PERSISTENT:
        break;
    }
    c->depth--;
    return status;
}

/* The weights in a checkpoint that has more: the value of the first of these keys. Their names
 * begin there, as the model's own code has them. */
static const kw_pickle_object *main_dict(const kw_pickle_object *root)
{
    static const char *const keys[] = {"state_dict", "model_state_dict", "model",
                                       "module",     "params_ema",       "params"};
    for (size_t i = 0; root->kind == KW_PICKLE_DICT && i < KW_COUNT(keys); i++) {
        const kw_pickle_object *const value = kw_pickle_get(root, keys[i]);
        if (value && value->kind == KW_PICKLE_DICT && value->list.n > 0)
            return value;
    }
    return NULL;
}

kw_status kw_pt_collect(const kw_pickle_object *root, const kw_pt_storages *storages, kw_str file,
                        int part, kw_arena *arena, kw_image *out, kw_error *err)
{
    collector c = {.storages = storages, .file = file, .part = part, .arena = arena, .err = err};
    const kw_pickle_object *const main = main_dict(root);
    c.image.kind = KW_FILE_PYTORCH;
    KW_TRY(main ? walk_dict(&c, root, main) : walk(&c, root));
    kw_views_sort(c.image.tensors, c.image.n_tensors);
    *out = c.image;
    return KW_OK;
}
