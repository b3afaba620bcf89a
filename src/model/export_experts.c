/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* export_experts.c - GGUF has the matrices of all experts of a layer in one tensor; Hugging Face
 * files and older GGUF have one tensor each. Names decide: "blk.3.ffn_up.7.weight" is part 7 of
 * "blk.3.ffn_up_exps.weight". */
#include "model/export.h"

#include "base/check.h"
#include "model/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {"blk.%d.ffn_gate.%d.weight", "blk.%d.ffn_up.%d.weight",
                                    "blk.%d.ffn_down.%d.weight"};
static const char *const stacked[] = {"blk.%d.ffn_gate_exps.weight", "blk.%d.ffn_up_exps.weight",
                                      "blk.%d.ffn_down_exps.weight"};

typedef struct part {
    int layer, kind, expert;
    size_t tensor;
} part;

static int by_place(const void *a, const void *b)
{
    const part *const x = a, *const y = b;
    if (x->layer != y->layer)
        return x->layer < y->layer ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return x->expert < y->expert ? -1 : x->expert > y->expert;
}

static size_t find_parts(const kw_net_export *e, part *parts)
{
    size_t n = 0;
    for (size_t i = 0; i < e->n_tensors; i++)
        for (int kind = 0; kind < (int)KW_COUNT(kinds); kind++) {
            int index[2];
            if (kw_name_match(kinds[kind], e->tensors[i].name, index))
                parts[n++] = (part){index[0], kind, index[1], i};
        }
    qsort(parts, n, sizeof *parts, by_place);
    return n;
}

/* How many of the parts from p on are experts 0, 1, ... of one tensor, all alike. */
static size_t run_of(const kw_net_export *e, const part *p, size_t n)
{
    const kw_export_tensor *const first = &e->tensors[p[0].tensor];
    size_t count = 0;
    for (; count < n; count++) {
        const kw_export_tensor *const t = &e->tensors[p[count].tensor];
        if (p[count].layer != p[0].layer || p[count].kind != p[0].kind ||
            p[count].expert != (int)count || t->order || t->flags || t->view->shape.rank != 2 ||
            !kw_shape_eq(t->view->shape, first->view->shape) ||
            t->view->dtype != first->view->dtype)
            break;
    }
    return count;
}

/* Makes the tensor of the first part that of all n; the others lose their views. */
static kw_status stack(kw_net_export *e, kw_arena *arena, const part *p, size_t n, kw_error *err)
{
    kw_export_tensor *const t = &e->tensors[p[0].tensor];
    kw_tensor_view *const view = kw_arena_alloc(arena, sizeof *view);
    const kw_tensor_view **const parts = kw_arena_array(arena, n, sizeof *parts);
    char name[KW_WEIGHT_NAME_BYTES];
    const int index[2] = {p[0].layer, 0};
    if (!view || !parts ||
        !kw_name_expand(stacked[p[0].kind], index, KW_STR(""), name, sizeof name))
        return kw_fail(err, KW_E_NOMEM, "model: no memory for %zu experts", n);
    const char *const own = kw_arena_strdup(arena, kw_str_from(name));
    if (!own)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for a name");
    *view = *t->view;
    view->shape = SHAPE((int64_t)n, t->view->shape.dim[0], t->view->shape.dim[1]);
    view->file_rank = 3;
    view->bytes = 0;
    for (size_t i = 0; i < n; i++) {
        parts[i] = e->tensors[p[i].tensor].view;
        view->bytes += parts[i]->bytes;
        e->tensors[p[i].tensor].view = NULL;
    }
    *t = (kw_export_tensor){.name = {own, strlen(own)}, .view = view, .parts = parts, .n_parts = n};
    return KW_OK;
}

kw_status kw_net_export_stack(kw_net_export *e, kw_arena *arena, kw_error *err)
{
    part *const parts = kw_arena_array(arena, e->n_tensors, sizeof *parts);
    if (!parts)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for its tensors");
    const size_t n = find_parts(e, parts);
    for (size_t i = 0; i < n;) {
        const size_t count = run_of(e, parts + i, n - i);
        if (count > 1)
            KW_TRY(stack(e, arena, parts + i, count, err));
        i += KW_MAX(count, (size_t)1);
    }
    size_t kept = 0;
    for (size_t i = 0; i < e->n_tensors; i++)
        if (e->tensors[i].view)
            e->tensors[kept++] = e->tensors[i];
    e->n_tensors = kept;
    return KW_OK;
}
