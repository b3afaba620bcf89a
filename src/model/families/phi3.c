/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* phi3.c - Phi 3, 3.5 and 4: fused projections, and a rotation with one list of factors for short
 * sessions and one for long ones.
 * Sources: Abdin et al. 2024, arXiv:2404.14219; Ding et al. 2024, arXiv:2402.13753 (LongRoPE). */
#include "model/blocks/decoder.h"
#include "model/families/families.h"

#include "base/check.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define AT(member) KW_DECODER_AT(member)

static const kw_field fields[] = {
    {"rope.fraction", NULL, "rope_parameters.partial_rotary_factor|partial_rotary_factor",
     AT(rot_fraction), KW_FIELD_FLOAT, false, 0},
    {"rope.attention_factor", ".rope.scaling.attn_factor",
     "rope_parameters.attention_factor|rope_scaling.attention_factor", AT(rope.attention_factor),
     KW_FIELD_FLOAT, false, 0},
    {0},
};

static const kw_alias aliases[] = {
    {"blk.%d.attn_qkv", "model.layers.%d.self_attn.qkv_proj", 0},
    {"blk.%d.ffn_up", "model.layers.%d.mlp.gate_up_proj", 0},
    {0},
};

/* Element i of an array of config.json, which is flattened element by element when it mixes whole
 * numbers with others. */
static bool element(const kw_model_file *file, const char *key, size_t i, double *out)
{
    char one[96];
    const kw_value *array = kw_model_file_meta(file, kw_str_from(key));
    if (array && array->kind == KW_VALUE_ARRAY) {
        if (i >= array->array.n)
            return false;
        const kw_value value = kw_value_at(array, i);
        return kw_value_number(&value, out);
    }
    (void)snprintf(one, sizeof one, "%s.%zu", key, i);
    const kw_value *value = kw_model_file_meta(file, kw_str_from(one));
    return value && kw_value_number(value, out);
}

/* One factor for each pair of a head. */
static kw_status read_factors(const kw_decoder_config *c, const kw_model_file *file,
                              const char *name, float *out, kw_error *err)
{
    static const char *const parents[] = {"rope_parameters", "rope_scaling"};
    const size_t n = (size_t)c->n_rot / 2;
    for (size_t p = 0; p < KW_COUNT(parents); p++) {
        char key[64];
        double value = 0;
        size_t i = 0;
        (void)snprintf(key, sizeof key, "%s.%s", parents[p], name);
        for (; i < n && element(file, key, i, &value); i++) {
            if (!(value > 0 && value < 1e6))
                return kw_fail(err, KW_E_FORMAT, "config: %s[%zu] is %g, must be above 0", key, i,
                               value);
            out[i] = (float)value;
        }
        if (i == n)
            return KW_OK;
    }
    return kw_fail(err, KW_E_FORMAT, "config: rope %s has no %zu numbers", name, n);
}

static kw_status check(void *config, const kw_model_file *file, kw_error *err)
{
    kw_decoder_config *c = config;
    c->fused_gate = c->long_rope = true;
    KW_TRY(kw_decoder_check(c, file, err));
    if (c->rope.scaling != KW_ROPE_LONG || kw_model_file_names_gguf(file))
        return KW_OK;
    KW_TRY(read_factors(c, file, "short_factor", c->short_factors, err));
    return read_factors(c, file, "long_factor", c->long_factors, err);
}

static size_t rope_factors(const void *config, int which, const char **name, float *out)
{
    const kw_decoder_config *c = config;
    const size_t n = c->rope.scaling == KW_ROPE_LONG && which < 2 ? (size_t)c->n_rot / 2 : 0;
    *name = which == 0 ? "rope_factors_long.weight" : "rope_factors_short.weight";
    memcpy(out, which == 0 ? c->long_factors : c->short_factors, n * sizeof *out);
    return n;
}

static const char *const arch[] = {"phi3", NULL};

const kw_family kw_family_phi3 = {
    .name = "phi3",
    .arch = arch,
    .config_size = sizeof(kw_decoder_config),
    .fields = fields,
    .aliases = aliases,
    KW_DECODER_ROW,
    .base_aliases = kw_decoder_aliases,
    .check = check,
    .rope_factors = rope_factors,
};
