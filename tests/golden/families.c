/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* families.c - every family in Q8_0 and in true Q4_K against its own f32 (docs/models.md).
 *
 * The models are made here: rows are whole blocks of 256, as in every model that people use, so
 * that no type gives way to another; weights are uniform noise of the size that keeps a layer's
 * output as large as its input. Two distances of the outputs, each relative to their size: to the
 * f32 model, which is what rounding the weights does, and to the f32 model made of the rounded
 * weights, which is what rounding the activations does and no more. */
#include "support/golden.h"

#include "base/check.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "engine/recipe.h"
#include "format/gguf_writer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LAYERS 2
#define DIM 256
#define FFN 512
#define HEADS 4
#define KV_HEADS 2
#define HEAD_DIM 64
#define VOCAB 96
#define CONTEXT 64
#define EXPERTS 4
#define BUCKETS 32
#define TOKENS 40
#define ANSWER 12 /* tokens of an encoder's decoder */

#define MOST_TENSORS 96
#define MOST_KEYS 24

/* Bounds of both distances; routed: where a token between two experts may go to the other one. */
typedef struct bounds {
    const char *type;
    double weights, activations, routed;
} bounds;

static const bounds q8 = {"Q8_0", 0.035, 0.03, 0.06};
static const bounds q4 = {"Q4_K_M", 0.35, 0.04, 0.15};

/* keys: "name=value" separated by spaces, a whole number, or a float when it has a dot; after the
 * architecture's name. tensors: "name=shape" likewise, shape: letters of extent(); a name with %
 * is of every layer, one with a last '+' has a bias. */
typedef struct family {
    const char *name, *arch, *keys, *tensors;
} family;

#define TABLES "token_embd=VD output_norm=D "
#define ATTENTION                                                                                  \
    "blk.%d.attn_norm=D blk.%d.attn_q=QD blk.%d.attn_k=KD blk.%d.attn_v=KD blk.%d.attn_output=DQ "
#define GATED "blk.%d.ffn_norm=D blk.%d.ffn_gate=FD blk.%d.ffn_up=FD blk.%d.ffn_down=DF "
#define ROUTED                                                                                     \
    "blk.%d.ffn_norm=D blk.%d.ffn_gate_inp=ED blk.%d.ffn_gate_exps=EFD blk.%d.ffn_up_exps=EFD "    \
    "blk.%d.ffn_down_exps=EDF "
#define HEAD_NORMS "blk.%d.attn_q_norm=H blk.%d.attn_k_norm=H "
#define POST_NORMS "blk.%d.post_attention_norm=D blk.%d.post_ffw_norm=D "
#define RMS "attention.layer_norm_rms_epsilon=0.000001 "
#define LAYER_NORM "attention.layer_norm_epsilon=0.00001 "
#define T5_SIDE(s)                                                                                 \
    #s ".output_norm=D " #s ".blk.%d.attn_norm=D " #s ".blk.%d.attn_q=QD " #s                      \
       ".blk.%d.attn_k=QD " #s ".blk.%d.attn_v=QD " #s ".blk.%d.attn_o=DQ " #s                     \
       ".blk.%d.attn_rel_b=BN " #s ".blk.%d.ffn_norm=D " #s ".blk.%d.ffn_up=FD " #s                \
       ".blk.%d.ffn_down=DF "
#define T5                                                                                         \
    "token_embd=VD dec.blk.%d.cross_attn_norm=D dec.blk.%d.cross_attn_q=QD "                       \
    "dec.blk.%d.cross_attn_k=QD dec.blk.%d.cross_attn_v=QD dec.blk.%d.cross_attn_o=DQ " T5_SIDE(   \
        enc) T5_SIDE(dec)

/* clang-format off */
static const family families[] = {
    {"llama", "llama", RMS, TABLES "output=VD " ATTENTION GATED},
    {"mistral", "llama", RMS "attention.sliding_window=16 ", TABLES "output=VD " ATTENTION GATED},
    {"mixtral", "llama", RMS "expert_count=4 expert_used_count=2 ",
     TABLES "output=VD " ATTENTION ROUTED},
    {"gemma", "gemma", RMS, TABLES ATTENTION GATED},
    {"gemma2", "gemma2", RMS "attention.sliding_window=16 ", TABLES ATTENTION GATED POST_NORMS},
    {"gemma3", "gemma3", RMS "attention.sliding_window=16 attention.sliding_window_pattern=2 ",
     TABLES ATTENTION GATED POST_NORMS HEAD_NORMS},
    {"falcon-7b", "falcon", LAYER_NORM "attention.head_count_kv=1 ",
     "token_embd=VD output_norm+=D blk.%d.attn_norm+=D blk.%d.attn_qkv=1D blk.%d.attn_output=DQ "
     "blk.%d.ffn_up=FD blk.%d.ffn_down=DF "},
    {"falcon-40b", "falcon", LAYER_NORM,
     "token_embd=VD output=VD output_norm+=D blk.%d.attn_norm+=D blk.%d.attn_norm_2+=D "
     "blk.%d.attn_qkv=AD blk.%d.attn_output=DQ blk.%d.ffn_up=FD blk.%d.ffn_down=DF "},
    {"gpt2", "gpt2", LAYER_NORM "attention.head_count_kv=4 ",
     "token_embd=VD position_embd=PD output_norm+=D blk.%d.attn_norm+=D blk.%d.attn_qkv+=3D "
     "blk.%d.attn_output+=DQ blk.%d.ffn_norm+=D blk.%d.ffn_up+=FD blk.%d.ffn_down+=DF "},
    {"qwen2", "qwen2", RMS,
     TABLES "output=VD blk.%d.attn_norm=D blk.%d.attn_q+=QD blk.%d.attn_k+=KD blk.%d.attn_v+=KD "
     "blk.%d.attn_output=DQ " GATED},
    {"qwen3", "qwen3", RMS, TABLES "output=VD " ATTENTION HEAD_NORMS GATED},
    {"qwen3moe", "qwen3moe", RMS "expert_count=4 expert_used_count=2 "
     "expert_feed_forward_length=512 ", TABLES "output=VD " ATTENTION HEAD_NORMS ROUTED},
    {"phi3", "phi3", RMS, TABLES "output=VD blk.%d.attn_norm=D blk.%d.attn_qkv=AD "
     "blk.%d.attn_output=DQ blk.%d.ffn_norm=D blk.%d.ffn_up=GD blk.%d.ffn_down=DF "},
    {"t5", "t5", RMS "decoder_start_token_id=0 ", T5},
    {"t5-1.1", "t5", RMS "decoder_start_token_id=0 ",
     T5 "output=VD enc.blk.%d.ffn_gate=FD dec.blk.%d.ffn_gate=FD "},
    {"bert", "bert", "attention.layer_norm_epsilon=0.000001 ",
     "token_embd=VD position_embd=PD token_types=2D token_embd_norm+=D blk.%d.attn_q+=QD "
     "blk.%d.attn_k+=QD blk.%d.attn_v+=QD blk.%d.attn_output+=DQ blk.%d.attn_output_norm+=D "
     "blk.%d.ffn_up+=FD blk.%d.ffn_down+=DF blk.%d.layer_output_norm+=D "},
};
/* clang-format on */

static int64_t extent(char letter)
{
    static const struct {
        char letter;
        int64_t n;
    } extents[] = {
        {'V', VOCAB},
        {'D', DIM},
        {'F', FFN},
        {'G', 2 * FFN},
        {'P', CONTEXT},
        {'E', EXPERTS},
        {'N', HEADS},
        {'H', HEAD_DIM},
        {'B', BUCKETS},
        {'2', 2},
        {'Q', HEADS * HEAD_DIM},
        {'K', KV_HEADS * HEAD_DIM},
        {'A', (HEADS + 2 * KV_HEADS) * HEAD_DIM},
        {'1', (HEADS + 2) * HEAD_DIM},
        {'3', 3 * HEADS * HEAD_DIM},
    };
    for (size_t i = 0; i < KW_COUNT(extents); i++)
        if (extents[i].letter == letter)
            return extents[i].n;
    fail_msg("no extent %c", letter);
    return 0;
}

/* ---- the model file ---- */

typedef struct made {
    kw_tensor_spec specs[MOST_TENSORS];
    char names[MOST_TENSORS][64];
    kw_meta metas[MOST_KEYS];
    char keys[MOST_KEYS][64];
    size_t n_tensors, n_keys;
} made;

static void add_key(made *m, const char *arch, const char *key, size_t len, kw_value value)
{
    char *const full = m->keys[m->n_keys];
    assert_true(m->n_keys < MOST_KEYS);
    (void)snprintf(full, sizeof m->keys[0], "%s%s%.*s", arch, *arch ? "." : "", (int)len, key);
    for (size_t i = 0; i < m->n_keys; i++) /* a family's own comes first */
        if (strcmp(m->keys[i], full) == 0)
            return;
    m->metas[m->n_keys++] = (kw_meta){kw_str_from(full), value};
}

static void add_keys(made *m, const char *arch, const char *keys)
{
    for (const char *at = keys; *at; at += strcspn(at, " ") + 1) {
        const size_t len = strcspn(at, "=");
        const char *const text = at + len + 1;
        const bool real = strcspn(text, ".") < strcspn(text, " ");
        add_key(m, arch, at, len,
                real ? kw_gguf_f32(strtof(text, NULL))
                     : kw_gguf_u32((uint32_t)strtoul(text, NULL, 10)));
    }
}

static void add_tensor(made *m, const char *name, size_t len, int layer, const char *suffix,
                       kw_shape shape)
{
    char pattern[64];
    assert_true(m->n_tensors < MOST_TENSORS && len < sizeof pattern);
    memcpy(pattern, name, len);
    pattern[len] = '\0';
    char *const hole = strstr(pattern, "%d");
    char *const full = m->names[m->n_tensors];
    if (hole)
        (void)snprintf(full, sizeof m->names[0], "%.*s%d%s%s", (int)(hole - pattern), pattern,
                       layer, hole + 2, suffix);
    else
        (void)snprintf(full, sizeof m->names[0], "%s%s", pattern, suffix);
    m->specs[m->n_tensors++] = (kw_tensor_spec){full, KW_F32, shape};
}

static void add_tensors(made *m, const char *tensors)
{
    for (const char *at = tensors; *at; at += strcspn(at, " ") + 1) {
        const size_t len = strcspn(at, "="), rank = strcspn(at + len + 1, " ");
        const bool bias = at[len - 1] == '+';
        const size_t name = len - bias;
        kw_shape shape = {.rank = (int)rank};
        for (size_t i = 0; i < rank; i++)
            shape.dim[i] = extent(at[len + 1 + i]);
        const int layers = memchr(at, '%', len) ? LAYERS : 1;
        for (int il = 0; il < layers; il++) {
            add_tensor(m, at, name, il, ".weight", shape);
            if (bias)
                add_tensor(m, at, name, il, ".bias", SHAPE(shape.dim[0]));
        }
    }
}

/* T5 scales its queries by what it learns: scores of unscaled noise would be 0 or 1. */
static double size_of(const kw_tensor_spec *spec)
{
    const int rank = spec->shape.rank;
    const bool query = strstr(spec->name, ".blk.") && strstr(spec->name, "attn_q.");
    const double cols = rank > 1 ? (double)spec->shape.dim[rank - 1] : 100.0;
    return sqrt(3.0 / cols) / (query ? sqrt(HEAD_DIM) : 1.0);
}

static void fill(const kw_tensor_spec *spec, uint64_t stream, float *out, size_t n)
{
    const double size = size_of(spec);
    const bool norm = spec->shape.rank == 1 && strstr(spec->name, ".weight");
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(size * (2.0 * (double)kw_rng_uniform(4, stream, i) - 1.0)) +
                 (norm ? 1.0f : 0.0f);
}

static void write_file(const char *path, const kw_meta *metas, size_t n_metas,
                       const kw_tensor_spec *specs, size_t n, const kw_model_file *from)
{
    kw_gguf_writer *writer;
    kw_error err = {0};
    if (kw_gguf_create(path, metas, n_metas, specs, n, &writer, &err) != KW_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < n; i++) {
        int64_t count;
        assert_true(kw_shape_count(specs[i].shape, &count));
        float *values = malloc((size_t)count * sizeof *values);
        assert_non_null(values);
        if (from)
            kw_dtype_info(from->tensors[i].dtype)
                ->decode(values, from->tensors[i].data, (size_t)count);
        else
            fill(&specs[i], i, values, (size_t)count);
        assert_int_equal(kw_gguf_write(writer, values, (size_t)count * sizeof *values, NULL),
                         KW_OK);
        free(values);
    }
    assert_int_equal(kw_gguf_finish(writer, true, NULL), KW_OK);
}

static void make(const family *f, const char *path)
{
    made *m = calloc(1, sizeof *m);
    assert_non_null(m);
    add_key(m, "", "general.architecture", 20, kw_gguf_string(kw_str_from(f->arch)));
    add_keys(m, f->arch, f->keys);
    add_keys(m, f->arch,
             "embedding_length=256 block_count=2 attention.head_count=4 attention.head_count_kv=2 "
             "attention.key_length=64 attention.value_length=64 feed_forward_length=512 "
             "context_length=64 ");
    add_tensors(m, f->tensors);
    write_file(path, m->metas, m->n_keys, m->specs, m->n_tensors, NULL);
    free(m);
}

/* The weights that a model has, as f32. */
static void write_decoded(const kw_model_file *file, const char *path)
{
    kw_tensor_spec specs[MOST_TENSORS];
    char names[MOST_TENSORS][64];
    assert_true(file->n_tensors <= MOST_TENSORS);
    for (size_t i = 0; i < file->n_tensors; i++) {
        (void)snprintf(names[i], sizeof names[i], "%.*s", KW_FMT(file->tensors[i].name));
        specs[i] = (kw_tensor_spec){names[i], KW_F32, file->tensors[i].shape};
    }
    write_file(path, file->metas, file->n_metas, specs, file->n_tensors, file);
}

/* ---- what a model says ---- */

static void must(kw_status status, const kw_error *err)
{
    if (status != KW_OK)
        fail_msg("%s", err->message);
}

/* Of a decoder the logits of every token, of an encoder alone the sum of what it makes of them. */
static float *outputs(golden_run *run, size_t *n)
{
    kw_error err = {0};
    int32_t ids[TOKENS];
    kw_model_info info = {.struct_size = sizeof info};
    kw_model_get_info(run->model, &info);
    for (size_t i = 0; i < TOKENS; i++)
        ids[i] = (int32_t)((i * 37 + i * i * 11 + 5) % VOCAB);
    if (info.has_encoder && info.has_decoder)
        must(kw_session_encode(run->session, ids, TOKENS, &err), &err);
    const size_t tokens = info.has_encoder ? ANSWER : TOKENS;
    *n = info.has_decoder ? tokens * (size_t)info.vocab : (size_t)info.dim;
    float *out = malloc(*n * sizeof *out);
    assert_non_null(out);
    if (info.has_decoder) {
        must(kw_session_eval(run->session, ids, tokens, false, out, &err), &err);
        return out;
    }
    kw_embedding how;
    kw_embedding_init(&how);
    how.pooling = KW_POOLING_MEAN;
    how.no_normalize = true;
    const kw_input input = {.struct_size = sizeof input, .tokens = ids, .n_tokens = TOKENS};
    must(kw_embed(run->session, &input, 1, &how, out, NULL, &err), &err);
    return out;
}

/* Every matrix has a type of the recipe, none the next best. */
static void check_types(const kw_model_file *file, const bounds *b)
{
    const bool k = strcmp(b->type, "Q8_0") != 0;
    uint64_t main = 0, all = 0;
    for (size_t i = 0; i < file->n_tensors; i++) {
        const kw_tensor_view *view = &file->tensors[i];
        if (!kw_recipe_quantizes(view->name, view->file_rank))
            continue;
        assert_int_equal(kw_dtype_info(view->dtype)->block_elems, k ? 256 : 32);
        int64_t count = 0;
        (void)kw_shape_count(view->shape, &count);
        all += (uint64_t)count;
        main += view->dtype == (k ? KW_Q4_K : KW_Q8_0) ? (uint64_t)count : 0;
    }
    assert_true(k ? main > all / 2 : main == all && all > 0);
}

/* The outputs of the model at path with weights of that type (NULL: as they are), and those weights
 * written as f32 to `decoded`. */
static float *run_model(const char *path, const bounds *b, const char *decoded, size_t *n)
{
    golden_run run = {0};
    kw_model_config config;
    kw_error err = {0};
    const kw_session_config session = {.struct_size = sizeof session, .cache = KW_CACHE_F32};
    kw_model_config_init(&config);
    config.type = b ? b->type : NULL;
    must(kw_engine_open(NULL, &run.engine, &err), &err);
    must(kw_model_load(run.engine, path, &config, &run.model, &err), &err);
    must(kw_session_open(run.model, &session, &run.session, &err), &err);
    float *const out = outputs(&run, n);
    if (b) {
        check_types(run.model->file, b);
        write_decoded(run.model->file, decoded);
    }
    golden_close(&run);
    return out;
}

/* Root mean square of the difference over that of b. */
static double distance(const float *a, const float *b, size_t n)
{
    double apart = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)a[i] - (double)b[i];
        apart += d * d;
        size += (double)b[i] * (double)b[i];
    }
    return sqrt(apart / size);
}

static void check_type(const family *f, const char *path, const float *whole, const bounds *b)
{
    char decoded[] = "/tmp/kw-decoded-XXXXXX";
    size_t n = 0;
    assert_int_equal(close(mkstemp(decoded)), 0);
    float *const small = run_model(path, b, decoded, &n);
    float *const exact = run_model(decoded, NULL, NULL, &n);
    const double weights = distance(small, whole, n), activations = distance(small, exact, n);
    print_message("%-10s %-6s %.4f of its f32, %.4f of the f32 of its weights\n", f->name, b->type,
                  weights, activations);
    assert_true(weights > 1e-4 && weights <= b->weights);
    const bool routed = strstr(f->tensors, "ffn_gate_inp") != NULL;
    assert_true(activations > 1e-5 && activations <= (routed ? b->routed : b->activations));
    free(small);
    free(exact);
    assert_int_equal(remove(decoded), 0);
}

static void a_family_is_close_to_its_f32(void **state)
{
    const family *const f = *state;
    char path[] = "/tmp/kw-family-XXXXXX";
    size_t n = 0;
    assert_int_equal(close(mkstemp(path)), 0);
    make(f, path);
    float *const whole = run_model(path, NULL, NULL, &n);
    check_type(f, path, whole, &q8);
    check_type(f, path, whole, &q4);
    free(whole);
    assert_int_equal(remove(path), 0);
}

int main(void)
{
    struct CMUnitTest tests[KW_COUNT(families)];
    for (size_t i = 0; i < KW_COUNT(families); i++)
        tests[i] = (struct CMUnitTest){families[i].name, a_family_is_close_to_its_f32, NULL, NULL,
                                       (void *)(uintptr_t)&families[i]};
    return _cmocka_run_group_tests("families", tests, KW_COUNT(families), NULL, NULL);
}
