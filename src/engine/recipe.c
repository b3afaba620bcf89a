/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* recipe.c - the table of mixtures: for each, a base type and the tensors that get another one.
 *
 * The first rule of a recipe that fits a tensor holds, else its base. Types stand by name, so that
 * a recipe may use a type that this build lacks and is refused only when a tensor needs it. Source
 * for which tensors get which type: the behaviour of llama.cpp's quantiser, so that a file of the
 * same name has the same size. Its special cases of Falcon and of eight experts are left out: no
 * family here has them. */
#include "engine/recipe.h"

#include "base/check.h"

#include <string.h>

/* What a tensor is for, by its name. */
enum role {
    OTHER = 1 << 0,
    EMBEDDING = 1 << 1,
    HEAD = 1 << 2,
    QUERY = 1 << 3,
    KEY = 1 << 4,
    VALUE = 1 << 5, /* and those that hold the values beside others */
    MIXED = 1 << 6, /* the projection after attention */
    UP = 1 << 7,
    GATE = 1 << 8,
    DOWN = 1 << 9
};

/* When a rule holds; all of its bits must. */
enum when {
    ALWAYS = 0,
    FIRST_2 = 1 << 0,         /* layers 0 and 1 */
    FIRST_4 = 1 << 1,         /* layers 0 to 3 */
    FIRST_EIGHTH = 1 << 2,    /* of the layers */
    FIRST_SIXTEENTH = 1 << 3, /* likewise */
    MIDDLE = 1 << 4,          /* neither the first nor the last eighth */
    MORE_BITS = 1 << 5,       /* the first and last eighth, and every third between */
    SHARED_KV = 1 << 6,       /* four or more query heads a value head */
    WITH_IMATRIX = 1 << 7,
    NO_IMATRIX = 1 << 8
};

typedef struct rule {
    uint16_t roles, when;
    const char *type; /* NULL ends the list */
} rule;

#define MAX_RULES 8

struct kw_recipe {
    const char *name;
    uint32_t file_type;
    const char *base;
    const char *alias;
    rule rules[MAX_RULES];
};

#define COARSE_HEAD {HEAD, ALWAYS, "q5_k"}
/* clang-format off */
static const kw_recipe recipes[] = {
    {"Q4_K_M", 15, "q4_k", "Q4_K", {{VALUE | DOWN, MORE_BITS, "q6_k"}}},
    {"Q4_K_S", 14, "q4_k", NULL, {{VALUE, FIRST_4, "q5_k"}, {DOWN, FIRST_EIGHTH, "q5_k"}}},
    {"Q5_K_M", 17, "q5_k", "Q5_K", {{VALUE | DOWN, MORE_BITS, "q6_k"}}},
    {"Q5_K_S", 16, "q5_k", NULL, {{0}}},
    {"Q6_K", 18, "q6_k", NULL, {{0}}},
    {"Q8_0", 7, "q8_0", NULL, {{0}}},
    {"Q3_K_S", 11, "q3_k", NULL, {{0}}},
    {"Q3_K_M", 12, "q3_k", "Q3_K",
     {{VALUE, FIRST_2, "q5_k"}, {VALUE, ALWAYS, "q4_k"}, {DOWN, FIRST_SIXTEENTH, "q5_k"},
      {DOWN | MIXED, ALWAYS, "q4_k"}}},
    {"Q3_K_L", 13, "q3_k", NULL, {{VALUE | DOWN | MIXED, ALWAYS, "q5_k"}}},
    {"Q2_K", 10, "q2_k", NULL, {{VALUE, SHARED_KV, "q4_k"}, {VALUE | DOWN | MIXED, ALWAYS, "q3_k"}}},
    {"Q2_K_S", 21, "q2_k", NULL, {{VALUE, SHARED_KV, "q4_k"}, {DOWN, FIRST_EIGHTH, "q4_k"}}},
    {"Q4_0", 2, "q4_0", NULL, {{DOWN, FIRST_EIGHTH | WITH_IMATRIX, "q4_1"}}},
    {"Q4_1", 3, "q4_1", NULL, {{0}}},
    {"Q5_0", 8, "q5_0", NULL, {{DOWN, FIRST_EIGHTH | WITH_IMATRIX, "q5_1"}}},
    {"Q5_1", 9, "q5_1", NULL, {{0}}},
    {"IQ4_NL", 25, "iq4_nl", NULL,
     {{VALUE, SHARED_KV, "q5_k"}, {DOWN, FIRST_EIGHTH | NO_IMATRIX, "q5_k"}}},
    {"IQ4_XS", 30, "iq4_xs", NULL,
     {{VALUE, SHARED_KV, "q5_k"}, {DOWN, FIRST_EIGHTH | NO_IMATRIX, "q5_k"}}},
    {"IQ3_M", 27, "iq3_s", NULL,
     {{VALUE | MIXED, ALWAYS, "q4_k"}, {DOWN, FIRST_EIGHTH, "q4_k"}}},
    {"IQ3_S", 26, "iq3_s", NULL, {{VALUE, SHARED_KV, "q4_k"}}},
    {"IQ3_XS", 22, "iq3_s", NULL,
     {{VALUE, SHARED_KV, "q4_k"}, {QUERY | KEY, ALWAYS, "iq3_xxs"}, {UP | GATE, MIDDLE, "iq3_xxs"}}},
    {"IQ3_XXS", 23, "iq3_xxs", NULL,
     {{VALUE, SHARED_KV, "q4_k"}, {VALUE, NO_IMATRIX, "iq3_s"}, {QUERY | KEY, ALWAYS, "iq2_s"},
      {DOWN, FIRST_EIGHTH | NO_IMATRIX, "q4_k"}, {DOWN, NO_IMATRIX, "q3_k"},
      {MIXED | EMBEDDING, ALWAYS, "iq3_s"}, COARSE_HEAD}},
    {"IQ2_M", 29, "iq2_s", NULL,
     {{VALUE, SHARED_KV, "q4_k"}, {VALUE | MIXED | EMBEDDING, ALWAYS, "iq3_s"},
      {DOWN, FIRST_EIGHTH, "iq3_s"}, COARSE_HEAD}},
    {"IQ2_S", 28, "iq2_xs", NULL,
     {{VALUE, SHARED_KV, "q4_k"}, {VALUE | MIXED | EMBEDDING, ALWAYS, "iq3_s"},
      {DOWN, FIRST_EIGHTH, "iq3_s"}, COARSE_HEAD}},
    {"IQ2_XS", 20, "iq2_xs", NULL,
     {{VALUE, SHARED_KV, "q4_k"}, {VALUE | EMBEDDING, ALWAYS, "q2_k"},
      {DOWN, FIRST_EIGHTH, "q2_k"}, COARSE_HEAD}},
    {"IQ2_XXS", 19, "iq2_xxs", NULL,
     {{VALUE, SHARED_KV, "q4_k"}, {VALUE | EMBEDDING, ALWAYS, "q2_k"},
      {DOWN, FIRST_EIGHTH, "q2_k"}, COARSE_HEAD}},
    {"IQ1_M", 31, "iq1_m", NULL,
     {{VALUE, SHARED_KV, "q4_k"}, {VALUE | EMBEDDING, ALWAYS, "q2_k"},
      {DOWN, FIRST_EIGHTH, "q2_k"}, {MIXED, ALWAYS, "iq2_xxs"}, COARSE_HEAD}},
    {"IQ1_S", 24, "iq1_s", NULL,
     {{VALUE, SHARED_KV, "q4_k"}, {VALUE | EMBEDDING, ALWAYS, "q2_k"},
      {DOWN, FIRST_EIGHTH, "q2_k"}, {MIXED, ALWAYS, "iq2_xxs"}, COARSE_HEAD}},
    {"TQ1_0", 36, "tq1_0", NULL, {{EMBEDDING, ALWAYS, "q4_k"}}},
    {"TQ2_0", 37, "tq2_0", NULL, {{EMBEDDING, ALWAYS, "q4_k"}}},
    {"MXFP4", 38, "mxfp4", NULL, {{HEAD, ALWAYS, "q8_0"}}},
    {"F16", 1, "f16", NULL, {{0}}},
    {"BF16", 32, "bf16", NULL, {{0}}},
    {"F32", 0, "f32", NULL, {{0}}},
};

static const struct named_role {
    const char *part; /* of a name */
    uint16_t role;
} roles[] = {
    {"attn_qkv.weight", VALUE}, {"attn_kv_b.weight", VALUE}, {"attn_v.weight", VALUE},
    {"attn_k.weight", KEY}, {"attn_q.weight", QUERY}, {"attn_output.weight", MIXED},
    {"ffn_up", UP}, {"ffn_gate", GATE}, {"ffn_down", DOWN},
};

/* Parts of the names of tensors that are small or that suffer most. */
static const char *const kept[] = {
    "_norm.weight", "ffn_gate_inp.weight", "position_embd", "pos_embd", "token_types", "ssm_conv1d",
    "shortconv.conv.weight", "attn_rel_b.weight", ".rel_pos", ".patch_embd", ".patch_merger",
    "altup", "laurel", "per_layer_model_proj", "time_mix_first", "time_mix_w", "time_mix_v",
    "time_mix_a", "time_mix_g", "time_mix_decay_w", "time_mix_lerp_fused",
};

/* Where a row is no whole number of blocks. */
static const struct stand_in {
    const char *type, *instead;
} stand_ins[] = {
    {"iq1_s", "iq4_nl"}, {"iq1_m", "iq4_nl"}, {"iq2_xxs", "iq4_nl"}, {"iq2_xs", "iq4_nl"},
    {"iq2_s", "iq4_nl"}, {"iq3_xxs", "iq4_nl"}, {"iq3_s", "iq4_nl"}, {"iq4_xs", "iq4_nl"},
    {"q2_k", "q4_0"}, {"q3_k", "q4_0"}, {"tq1_0", "q4_0"}, {"tq2_0", "q4_0"},
    {"q4_k", "q5_0"}, {"q5_k", "q5_1"}, {"q6_k", "q8_0"},
};

static const char *const coarse[] = {"iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs"};
/* clang-format on */

static bool same_any_case(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        const char x = *a >= 'a' && *a <= 'z' ? (char)(*a - 32) : *a;
        const char y = *b >= 'a' && *b <= 'z' ? (char)(*b - 32) : *b;
        if (x != y)
            return false;
    }
    return *a == *b;
}

const kw_recipe *kw_recipe_find(const char *name)
{
    for (size_t i = 0; i < KW_COUNT(recipes); i++)
        if (same_any_case(name, recipes[i].name) ||
            (recipes[i].alias && same_any_case(name, recipes[i].alias)))
            return &recipes[i];
    return NULL;
}

const char *kw_recipe_name(const kw_recipe *recipe)
{
    return recipe->name;
}

const kw_recipe *kw_recipe_at(size_t index)
{
    return index < KW_COUNT(recipes) ? &recipes[index] : NULL;
}

uint32_t kw_recipe_file_type(const kw_recipe *recipe)
{
    return recipe->file_type;
}

static kw_status encodable(const char *name, kw_dtype *out, kw_error *err)
{
    kw_dtype type;
    if (!kw_dtype_by_name(kw_str_from(name), &type) || !kw_dtype_info(type)->encode)
        return kw_fail(err, KW_E_UNSUPPORTED, "quantize: this version cannot write the type %s",
                       name);
    *out = type;
    return KW_OK;
}

kw_status kw_recipe_base(const kw_recipe *recipe, kw_dtype *out, kw_error *err)
{
    return encodable(recipe->base, out, err);
}

static bool contains(kw_str text, const char *part)
{
    const size_t n = strlen(part);
    for (size_t i = 0; i + n <= text.len; i++)
        if (memcmp(text.data + i, part, n) == 0)
            return true;
    return false;
}

bool kw_recipe_quantizes(kw_str name, int file_rank)
{
    static const char suffix[] = "weight";
    const size_t n = sizeof suffix - 1;
    if (file_rank < 2 || name.len < n || memcmp(name.data + name.len - n, suffix, n) != 0)
        return false;
    for (size_t i = 0; i < KW_COUNT(kept); i++)
        if (contains(name, kept[i]))
            return false;
    return true;
}

static uint16_t role_of(const kw_recipe_model *model, kw_str name)
{
    if (kw_str_is(name, "output.weight"))
        return HEAD;
    if (kw_str_is(name, "token_embd.weight"))
        return model->tied_head ? HEAD : EMBEDDING;
    for (size_t i = 0; i < KW_COUNT(roles); i++)
        if (contains(name, roles[i].part))
            return roles[i].role;
    return OTHER;
}

/* N of "blk.N."; 0 for tensors of no layer. */
static int layer_of(kw_str name)
{
    int layer = 0;
    if (!kw_str_starts(name, KW_STR("blk.")))
        return 0;
    for (size_t i = 4; i < name.len && name.data[i] >= '0' && name.data[i] <= '9'; i++)
        layer = KW_MIN(layer * 10 + (name.data[i] - '0'), 100000);
    return layer;
}

static uint16_t conditions(const kw_recipe_model *model, int layer)
{
    const int n = model->layers, eighth = n / 8;
    const bool inner = layer >= eighth && layer < 7 * n / 8;
    unsigned now = model->has_imatrix ? WITH_IMATRIX : NO_IMATRIX;
    now |= layer < 2 ? FIRST_2 : 0u;
    now |= layer < 4 ? FIRST_4 : 0u;
    now |= layer < eighth ? FIRST_EIGHTH : 0u;
    now |= layer < n / 16 ? FIRST_SIXTEENTH : 0u;
    now |= inner ? MIDDLE : 0u;
    now |= !inner || (layer - eighth) % 3 == 2 ? MORE_BITS : 0u;
    now |= model->kv_heads > 0 && model->heads / model->kv_heads >= 4 ? SHARED_KV : 0u;
    return (uint16_t)now;
}

/* The head's type where no rule names it. */
static const char *head_type(const kw_recipe *recipe, kw_dtype base, int64_t cols)
{
    if (cols % kw_dtype_info(base)->block_elems != 0 || strcmp(recipe->base, "q8_0") == 0)
        return "q8_0";
    return "q6_k";
}

/* A 70B model's values are an eighth of its queries, and cheap to keep better. */
static const char *better_values(const kw_recipe_model *model, const char *type)
{
    const bool large = model->layers == 80 && model->kv_heads < model->heads;
    return large && (strcmp(type, "q3_k") == 0 || strcmp(type, "q4_k") == 0) ? "q5_k" : type;
}

kw_status kw_recipe_type(const kw_recipe *recipe, const kw_recipe_model *model, kw_str name,
                         int64_t cols, kw_dtype *out, kw_error *err)
{
    kw_dtype base;
    KW_TRY(kw_recipe_base(recipe, &base, err));
    if (kw_dtype_info(base)->is_float) {
        *out = base;
        return KW_OK;
    }
    const uint16_t role = role_of(model, name), now = conditions(model, layer_of(name));
    const char *type = role == HEAD ? head_type(recipe, base, cols) : recipe->base;
    for (const rule *r = recipe->rules; r < recipe->rules + MAX_RULES && r->type; r++) {
        if ((r->roles & role) == 0 || (r->when & now) != r->when)
            continue;
        if (role != HEAD || cols % kw_dtype_info(base)->block_elems == 0)
            type = r->type;
        break;
    }
    return encodable(role == VALUE ? better_values(model, type) : type, out, err);
}

kw_status kw_recipe_fit(kw_dtype type, int64_t cols, kw_dtype *out, kw_error *err)
{
    kw_dtype found = type;
    for (size_t i = 0; i < KW_COUNT(stand_ins); i++)
        if (cols % kw_dtype_info(type)->block_elems != 0 &&
            strcmp(kw_dtype_info(type)->name, stand_ins[i].type) == 0)
            KW_TRY(encodable(stand_ins[i].instead, &found, err));
    *out = cols % kw_dtype_info(found)->block_elems == 0 ? found : KW_F16;
    return KW_OK;
}

bool kw_recipe_wants_imatrix(kw_dtype type, kw_str name)
{
    if (kw_str_is(name, "token_embd.weight") || kw_str_is(name, "output.weight"))
        return false;
    for (size_t i = 0; i < KW_COUNT(coarse); i++)
        if (strcmp(kw_dtype_info(type)->name, coarse[i]) == 0)
            return true;
    return false;
}
