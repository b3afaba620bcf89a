/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* llama.c - LLaMA 1, 2, 3.x, TinyLlama, Code Llama, Mistral, Mixtral and what shares their shape.
 * Source: Touvron et al. 2023, arXiv:2302.13971; the files' own metadata for everything else. */
#include "model/blocks/decoder.h"
#include "model/families/families.h"

#include <stddef.h>

static const kw_field fields[] = {{0}};

/* GGUF pairs neighbours in rotation, in this family alone. */
static const kw_alias aliases[] = {
    {"blk.%d.attn_q", "model.layers.%d.self_attn.q_proj", KW_ALIAS_ROTATED},
    {"blk.%d.attn_k", "model.layers.%d.self_attn.k_proj", KW_ALIAS_ROTATED},
    {0},
};

static kw_status check(void *config, const kw_model_file *file, kw_error *err)
{
    kw_decoder_config *c = config;
    c->renormalise = true;
    c->rope_adjacent = kw_model_file_names_gguf(file);
    return kw_decoder_check(c, file, err);
}

static size_t rope_factors(const void *config, int which, const char **name, float *out)
{
    const kw_decoder_config *c = config;
    *name = "rope_freqs.weight";
    return which == 0 ? kw_rope_factors(&c->rope, (int)c->n_rot, out) : 0;
}

static const char *const arch[] = {"llama", "mistral", "mixtral", NULL};

const kw_family kw_family_llama = {
    .name = "llama",
    .arch = arch,
    .config_size = sizeof(kw_decoder_config),
    .fields = fields,
    .aliases = aliases,
    KW_DECODER_ROW,
    .base_aliases = kw_decoder_aliases,
    .check = check,
    .rope_factors = rope_factors,
};
