/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* recipe.h - which type each tensor of a model gets: the mixtures under their usual names. */
#ifndef KW_ENGINE_RECIPE_H
#define KW_ENGINE_RECIPE_H

#include "base/error.h"
#include "base/str.h"
#include "tensor/dtype.h"

#include <stdbool.h>
#include <stdint.h>

/* What a recipe asks of a model. */
typedef struct kw_recipe_model {
    int layers;
    int heads, kv_heads;
    bool tied_head;   /* no tensor "output.weight": the embedding is the head */
    bool has_imatrix; /* importances are given */
} kw_recipe_model;

typedef struct kw_recipe kw_recipe;

/* "Q4_K_M" in any case; Q3_K, Q4_K and Q5_K stand for their _M. NULL when there is none. */
const kw_recipe *kw_recipe_find(const char *name);
const char *kw_recipe_name(const kw_recipe *recipe);
/* All of them, best known first: 0, 1, ...; NULL after the last. */
const kw_recipe *kw_recipe_at(size_t index);
/* GGUF's general.file_type. */
uint32_t kw_recipe_file_type(const kw_recipe *recipe);
/* The type of most tensors; fails when this build has no encoder for it. */
kw_status kw_recipe_base(const kw_recipe *recipe, kw_dtype *out, kw_error *err);

/* Tensors that quantisation leaves as they are: vectors, norms, positions, gates of experts. name:
 * GGUF's. */
bool kw_recipe_quantizes(kw_str name, int file_rank);
/* The type of a tensor of `cols` columns, before kw_recipe_fit. */
kw_status kw_recipe_type(const kw_recipe *recipe, const kw_recipe_model *model, kw_str name,
                         int64_t cols, kw_dtype *out, kw_error *err);
/* The type itself when rows of `cols` are whole blocks of it, else one with smaller blocks that
 * takes its place, at last f16. */
kw_status kw_recipe_fit(kw_dtype type, int64_t cols, kw_dtype *out, kw_error *err);
/* Types so coarse that without importances little is left of a model. */
bool kw_recipe_wants_imatrix(kw_dtype type, kw_str name);

#endif
