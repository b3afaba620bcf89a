/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* qwen.c - Qwen 2 and 2.5 (biases of queries, keys and values), Qwen 3 (a norm of each head) and
 * its mixtures of experts. Sources: Qwen Team 2024, arXiv:2407.10671 and arXiv:2412.15115; 2025,
 * arXiv:2505.09388. */
#include "model/blocks/decoder.h"
#include "model/families/families.h"

#include <stddef.h>

typedef struct qwen_config {
    kw_decoder_config decoder; /* first: the shared tables point into it */
    bool has_window;
    int64_t first_window; /* the first layer that has the window */
} qwen_config;

static const kw_field fields[] = {
    {"norm_eps", ".attention.layer_norm_rms_epsilon", "rms_norm_eps", KW_DECODER_AT(norm_eps),
     KW_FIELD_FLOAT, false, 1e-6},
    {"has_window", NULL, "use_sliding_window", offsetof(qwen_config, has_window), KW_FIELD_BOOL,
     false, 0},
    {"first_window", NULL, "max_window_layers", offsetof(qwen_config, first_window), KW_FIELD_INT,
     false, 0},
    {0},
};

static const kw_field fields_moe[] = {
    {"norm_eps", ".attention.layer_norm_rms_epsilon", "rms_norm_eps", KW_DECODER_AT(norm_eps),
     KW_FIELD_FLOAT, false, 1e-6},
    {"has_window", NULL, "use_sliding_window", offsetof(qwen_config, has_window), KW_FIELD_BOOL,
     false, 0},
    {"first_window", NULL, "max_window_layers", offsetof(qwen_config, first_window), KW_FIELD_INT,
     false, 0},
    {"renormalise", ".expert_weights_norm", "norm_topk_prob", KW_DECODER_AT(renormalise),
     KW_FIELD_BOOL, false, 0},
    {0},
};

static const kw_alias aliases[] = {{0}};

static kw_status check(void *config, const kw_model_file *file, kw_error *err)
{
    qwen_config *own = config;
    kw_decoder_config *c = &own->decoder;
    if (!own->has_window)
        c->window = 0;
    KW_TRY(kw_decoder_check(c, file, err));
    for (int64_t il = 0; il < c->layers && il < own->first_window; il++)
        c->local[il / 64] &= ~((uint64_t)1 << il % 64);
    return KW_OK;
}

static kw_status check_qwen3(void *config, const kw_model_file *file, kw_error *err)
{
    ((kw_decoder_config *)config)->head_norms = true;
    return check(config, file, err);
}

static kw_status check_moe(void *config, const kw_model_file *file, kw_error *err)
{
    /* Files of GGUF that do not say were all made of models that do. */
    if (kw_model_file_names_gguf(file) &&
        !kw_model_file_meta(file, KW_STR("qwen3moe.expert_weights_norm")))
        ((kw_decoder_config *)config)->renormalise = true;
    return check_qwen3(config, file, err);
}

static const char *const qwen3_moe[] = {"qwen3moe", "qwen3_moe", NULL};
static const char *const qwen2[] = {"qwen2", NULL}, *const qwen3[] = {"qwen3", NULL};

const kw_family kw_family_qwen2 = {
    .name = "qwen2",
    .arch = qwen2,
    .config_size = sizeof(qwen_config),
    .fields = fields,
    .aliases = aliases,
    KW_DECODER_ROW,
    .base_aliases = kw_decoder_aliases,
    .check = check,
};

const kw_family kw_family_qwen3 = {
    .name = "qwen3",
    .arch = qwen3,
    .config_size = sizeof(qwen_config),
    .fields = fields,
    .aliases = aliases,
    KW_DECODER_ROW,
    .base_aliases = kw_decoder_aliases,
    .check = check_qwen3,
};

const kw_family kw_family_qwen3_moe = {
    .name = "qwen3moe",
    .arch = qwen3_moe,
    .config_size = sizeof(qwen_config),
    .fields = fields_moe,
    .aliases = aliases,
    KW_DECODER_ROW,
    .base_aliases = kw_decoder_aliases,
    .check = check_moe,
};
