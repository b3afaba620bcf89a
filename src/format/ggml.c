/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ggml.c - the model files from before GGUF: LLaMA's under the marks ggml, ggmf (version 1) and
 * ggjt (versions 1 to 3), and Whisper's under ggml. LLaMA's get GGUF's names and keys, since they
 * hold the same rows; Whisper's keep their own.
 *
 * The invariant: a file is walked to its last byte, or it is not opened. Blocks of quantised types
 * are of version 1 up to ggjt 1, of version 2 in ggjt 2 and today's from ggjt 3 on; Whisper's files
 * say so in the thousands of their type, from 0 on. What the two older versions are: quant/old.h.
 * Source: llama.cpp and whisper.cpp of the first half of 2023, by what they read. */
#include "base/check.h"
#include "format/gguf_writer.h"
#include "format/image.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    N_LLAMA = 7,
    N_WHISPER = 11,
    MAX_VALUE = 1 << 24,
    FIRST_PIECE = 259, /* of LLaMA's vocabulary: after <unk>, <s>, </s> and 256 bytes */
    ALIGNMENT = 32,    /* of ggjt's tensors */
    VERSION_FACTOR = 1000
};

typedef struct reader {
    kw_str bytes;
    size_t pos;
    int part;
    bool scores, aligned, whisper;
    int blocks; /* the version of quantised blocks; 3 is GGUF's */
    char label[24];
    int32_t value[N_WHISPER]; /* the numbers at the start */
    int64_t ffn, kv_dim;      /* of LLaMA: rows of w1 and wk, 0: not seen */
    kw_arena *arena;
    kw_image image;
    size_t tensor_capacity, meta_capacity;
    kw_error *err;
} reader;

/* The numbers at the start of a LLaMA file. */
enum { VOCAB, EMBED, MULTIPLE, HEADS, LAYERS, ROTATED, FILE_TYPE };

static kw_status take(reader *r, uint64_t n, const char **out)
{
    if (n > r->bytes.len - r->pos)
        return kw_fail(r->err, KW_E_FORMAT,
                       "%s: %" PRIu64 " bytes at %zu run past the end of the file (%zu)", r->label,
                       n, r->pos, r->bytes.len);
    *out = r->bytes.data + r->pos;
    r->pos += (size_t)n;
    return KW_OK;
}

static int32_t load_i32(const char *src)
{
    uint32_t v = 0;
    for (size_t i = 4; i-- > 0;)
        v = v << 8 | (unsigned char)src[i];
    return (int32_t)v;
}

static kw_status take_int(reader *r, const char *what, int32_t low, int32_t high, int32_t *out)
{
    const char *src = NULL;
    KW_TRY(take(r, 4, &src));
    *out = load_i32(src);
    if (*out < low || *out > high)
        return kw_fail(r->err, KW_E_FORMAT,
                       "%s: %s is %" PRId32 ", must be %" PRId32 " to %" PRId32, r->label, what,
                       *out, low, high);
    return KW_OK;
}

static kw_status add_meta(reader *r, const char *key, kw_value value)
{
    return kw_image_push_meta(&r->image, &r->meta_capacity, r->arena,
                              &(kw_meta){kw_str_from(key), value}, r->err);
}

/* ---- vocabularies ---- */

typedef struct vocab {
    kw_str *tokens; /* [n] */
    float *scores;
    int32_t *types;
    size_t n;
} vocab;

static kw_status nomem(reader *r)
{
    return kw_fail(r->err, KW_E_NOMEM, "%s: no memory for its vocabulary", r->label);
}

/* Each token as it is written: a length, its bytes, and a score where the file has them. */
static kw_status read_tokens(reader *r, size_t n, vocab *out)
{
    const size_t least = r->scores ? 8 : 4;
    if (n > (r->bytes.len - r->pos) / least)
        return kw_fail(r->err, KW_E_FORMAT, "%s: %zu tokens cannot lie in the %zu bytes left",
                       r->label, n, r->bytes.len - r->pos);
    *out = (vocab){.tokens = kw_arena_array(r->arena, n, sizeof *out->tokens),
                   .scores = kw_arena_array(r->arena, n, sizeof *out->scores),
                   .types = kw_arena_array(r->arena, n, sizeof *out->types),
                   .n = n};
    if (!out->tokens || !out->scores || !out->types)
        return nomem(r);
    for (size_t i = 0; i < n; i++) {
        int32_t len = 0;
        const char *src = NULL;
        KW_TRY(take_int(r, "a token's length", 0, KW_MAX_NAME, &len));
        KW_TRY(take(r, (uint64_t)len, &out->tokens[i].data));
        out->tokens[i].len = (size_t)len;
        /* Without scores: LLaMA's own are the pieces' order. */
        out->scores[i] = i < FIRST_PIECE ? 0.0f : -(float)(i - FIRST_PIECE);
        if (!r->scores)
            continue;
        KW_TRY(take(r, 4, &src));
        memcpy(&out->scores[i], src, sizeof *out->scores);
    }
    return KW_OK;
}

/* A piece as SentencePiece spells it: these files have a space for its mark. */
static kw_status spell_piece(reader *r, kw_str *token)
{
    static const char mark[3] = {'\xe2', '\x96', '\x81'};
    size_t len = 0;
    char *const text = kw_arena_array(r->arena, token->len, 3);
    if (!text)
        return nomem(r);
    for (size_t i = 0; i < token->len; i++) {
        if (token->data[i] == ' ') {
            memcpy(text + len, mark, sizeof mark);
            len += sizeof mark;
        } else {
            text[len++] = token->data[i];
        }
    }
    *token = (kw_str){text, len};
    return KW_OK;
}

/* The first 259 tokens of LLaMA are written as what they print; they get their names back. */
static kw_status name_token(reader *r, size_t i, vocab *v)
{
    enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, BYTE = 6 };
    static const char *const special[] = {"<unk>", "<s>", "</s>"};
    char text[8];
    v->types[i] = NORMAL;
    if (i >= FIRST_PIECE)
        return spell_piece(r, &v->tokens[i]);
    v->types[i] = i == 0 ? UNKNOWN : i < KW_COUNT(special) ? CONTROL : BYTE;
    if (i < KW_COUNT(special)) {
        v->tokens[i] = kw_str_from(special[i]);
        return KW_OK;
    }
    const int n = snprintf(text, sizeof text, "<0x%02X>", (unsigned)(i - KW_COUNT(special)));
    v->tokens[i] = (kw_str){kw_arena_strdup(r->arena, (kw_str){text, (size_t)n}), (size_t)n};
    return v->tokens[i].data ? KW_OK : nomem(r);
}

static kw_status read_llama_vocab(reader *r)
{
    vocab v = {0};
    KW_TRY(read_tokens(r, (size_t)r->value[VOCAB], &v));
    for (size_t i = 0; i < v.n; i++)
        KW_TRY(name_token(r, i, &v));
    KW_TRY(add_meta(r, "tokenizer.ggml.model", kw_gguf_string(KW_STR("llama"))));
    KW_TRY(add_meta(r, "tokenizer.ggml.tokens", kw_gguf_array(KW_GGUF_STRING, v.tokens, v.n)));
    KW_TRY(add_meta(r, "tokenizer.ggml.scores", kw_gguf_array(KW_GGUF_F32, v.scores, v.n)));
    KW_TRY(add_meta(r, "tokenizer.ggml.token_type", kw_gguf_array(KW_GGUF_I32, v.types, v.n)));
    KW_TRY(add_meta(r, "tokenizer.ggml.bos_token_id", kw_gguf_u32(1)));
    KW_TRY(add_meta(r, "tokenizer.ggml.eos_token_id", kw_gguf_u32(2)));
    return add_meta(r, "tokenizer.ggml.unknown_token_id", kw_gguf_u32(0));
}

/* ---- tensors ---- */

/* GGUF's name of a LLaMA tensor, or its own. */
static kw_status rename_tensor(reader *r, kw_str *name)
{
    static const struct {
        const char *from, *to;
    } names[] = {{"tok_embeddings.weight", "token_embd.weight"},
                 {"norm.weight", "output_norm.weight"},
                 {"attention_norm.weight", "attn_norm.weight"},
                 {"attention.wq.weight", "attn_q.weight"},
                 {"attention.wk.weight", "attn_k.weight"},
                 {"attention.wv.weight", "attn_v.weight"},
                 {"attention.wo.weight", "attn_output.weight"},
                 {"feed_forward.w1.weight", "ffn_gate.weight"},
                 {"feed_forward.w2.weight", "ffn_down.weight"},
                 {"feed_forward.w3.weight", "ffn_up.weight"},
                 {"ffn_norm.weight", "ffn_norm.weight"}};
    char text[64];
    size_t digits = 0;
    kw_str rest = *name;
    if (kw_str_starts(*name, KW_STR("layers."))) {
        while (7 + digits < name->len && name->data[7 + digits] >= '0' &&
               name->data[7 + digits] <= '9')
            digits++;
        if (digits == 0 || digits > 6 || 7 + digits >= name->len)
            return KW_OK;
        rest = (kw_str){name->data + 8 + digits, name->len - 8 - digits};
    }
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        if (!kw_str_is(rest, names[i].from))
            continue;
        const int n = digits > 0 ? snprintf(text, sizeof text, "blk.%.*s.%s", (int)digits,
                                            name->data + 7, names[i].to)
                                 : snprintf(text, sizeof text, "%s", names[i].to);
        *name = (kw_str){kw_arena_strdup(r->arena, (kw_str){text, (size_t)n}), (size_t)n};
        return name->data ? KW_OK
                          : kw_fail(r->err, KW_E_NOMEM, "%s: no memory for a name", r->label);
    }
    return KW_OK;
}

/* The types of blocks from before ggjt 3, by their number. Those of version 2 that are not here are
 * today's. */
static const struct old_type {
    int blocks;
    int32_t type;
    kw_dtype dtype;
    const char *name;
} OLD_TYPES[] = {{1, 2, KW_Q4_0_V1, "Q4_0 of before ggjt 2"},
                 {1, 3, KW_Q4_1_V1, "Q4_1 of before ggjt 2"},
                 {1, 4, KW_Q4_2, "Q4_2"},
                 {1, 5, KW_Q4_3, "Q4_3"},
                 {1, 6, KW_Q5_0_V1, "Q5_0 of before ggjt 2"},
                 {1, 7, KW_Q5_1_V1, "Q5_1 of before ggjt 2"},
                 {1, 8, KW_Q8_0_V1, "Q8_0 of before ggjt 3"},
                 {2, 2, KW_Q4_0_V2, "Q4_0 of ggjt 2"},
                 {2, 3, KW_Q4_1_V2, "Q4_1 of ggjt 2"},
                 {2, 8, KW_Q8_0_V1, "Q8_0 of before ggjt 3"}};

/* Elements and bytes of a block of a type in this file. */
static kw_status block_of(reader *r, int32_t type, kw_tensor_view *view, uint16_t *elems,
                          uint16_t *bytes)
{
    enum { LAST_OF_2 = 7 }; /* K-quants came with ggjt 3 */
    const bool floats = type <= 1;
    for (size_t i = 0; i < KW_COUNT(OLD_TYPES); i++) {
        if (OLD_TYPES[i].type != type || OLD_TYPES[i].blocks != r->blocks)
            continue;
        view->type_name = OLD_TYPES[i].name;
        view->dtype = OLD_TYPES[i].dtype;
        *elems = kw_dtype_info(view->dtype)->block_elems;
        *bytes = kw_dtype_info(view->dtype)->block_bytes;
        return KW_OK;
    }
    view->type_name = kw_gguf_type_name((uint32_t)type);
    view->dtype = KW_N_DTYPES;
    if ((!floats && r->blocks == 1) || (type > LAST_OF_2 && r->blocks == 2) ||
        !kw_gguf_type_block((uint32_t)type, elems, bytes))
        return kw_fail(r->err, KW_E_UNSUPPORTED, "%s: a tensor of type %" PRId32, r->label, type);
    (void)kw_dtype_by_gguf((uint32_t)type, &view->dtype);
    return KW_OK;
}

/* Sizes, innermost first in the file; the bytes of the data. */
static kw_status read_shape(reader *r, int32_t rank, uint16_t elems, uint16_t bytes,
                            const int32_t *sizes, kw_tensor_view *view)
{
    int64_t outermost_first[4] = {0};
    uint64_t n = 1;
    for (int i = 0; i < rank; i++) {
        outermost_first[rank - 1 - i] = sizes[i];
        if (!kw_mul_u64(n, (uint64_t)sizes[i], &n) || n > INT64_MAX)
            return kw_fail(r->err, KW_E_FORMAT, "%s: \"%.*s\" has more than 2^63 elements",
                           r->label, KW_FMT(view->name));
    }
    if (sizes[0] % elems != 0)
        return kw_fail(r->err, KW_E_FORMAT, "%s: \"%.*s\": rows of %" PRId32 " are no blocks of %d",
                       r->label, KW_FMT(view->name), sizes[0], (int)elems);
    view->shape = kw_shape_fold(outermost_first, rank);
    view->file_rank = rank;
    if (!kw_mul_u64(n / elems, bytes, &view->bytes))
        return kw_fail(r->err, KW_E_FORMAT, "%s: \"%.*s\" has more than 2^64 bytes", r->label,
                       KW_FMT(view->name));
    return KW_OK;
}

static kw_status read_tensor(reader *r)
{
    int32_t rank = 0, name_len = 0, type = 0, sizes[4] = {1, 1, 1, 1};
    uint16_t elems = 0, bytes = 0;
    const char *data = NULL;
    kw_tensor_view view = {.part = r->part};
    KW_TRY(take_int(r, "a tensor's number of dimensions", 1, 4, &rank));
    KW_TRY(take_int(r, "the length of a tensor's name", 1, KW_MAX_NAME, &name_len));
    KW_TRY(take_int(r, "a tensor's type", 0, 255, &type));
    for (int i = 0; i < rank; i++)
        KW_TRY(take_int(r, "a tensor's size", 1, INT32_MAX, &sizes[i]));
    KW_TRY(take(r, (uint64_t)name_len, &view.name.data));
    view.name.len = (size_t)name_len;
    if (!kw_name_is_clean(view.name))
        return kw_fail(r->err, KW_E_FORMAT, "%s: a tensor's name at %zu is not printable", r->label,
                       r->pos - view.name.len);
    KW_TRY(block_of(r, type, &view, &elems, &bytes));
    KW_TRY(read_shape(r, rank, elems, bytes, sizes, &view));
    if (r->aligned)
        KW_TRY(take(r, kw_align_up(r->pos, ALIGNMENT) - r->pos, &data));
    view.offset = r->pos;
    KW_TRY(take(r, view.bytes, &data));
    view.data = data;
    if (!r->whisper)
        KW_TRY(rename_tensor(r, &view.name));
    if (kw_str_is(view.name, "blk.0.ffn_gate.weight"))
        r->ffn = view.shape.dim[0];
    if (kw_str_is(view.name, "blk.0.attn_k.weight"))
        r->kv_dim = view.shape.dim[0];
    return kw_image_push_tensor(&r->image, &r->tensor_capacity, r->arena, &view, r->err);
}

/* ---- the two kinds of model ---- */

static kw_status add_llama_metas(reader *r)
{
    const int32_t *const v = r->value;
    const int64_t head_dim = v[EMBED] / v[HEADS];
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {
        {"llama.context_length", 2048}, /* the file does not say */
        {"llama.embedding_length", v[EMBED]},
        {"llama.block_count", v[LAYERS]},
        {"llama.feed_forward_length", r->ffn},
        {"llama.attention.head_count", v[HEADS]},
        {"llama.attention.head_count_kv", r->kv_dim > 0 ? r->kv_dim / head_dim : v[HEADS]},
        {"llama.rope.dimension_count", v[ROTATED]},
        {"llama.vocab_size", v[VOCAB]}};
    KW_TRY(add_meta(r, "general.architecture", kw_gguf_string(KW_STR("llama"))));
    for (size_t i = 0; i < KW_COUNT(numbers); i++)
        if (numbers[i].value > 0)
            KW_TRY(add_meta(r, numbers[i].key, kw_gguf_u32((uint32_t)numbers[i].value)));
    return add_meta(r, "llama.attention.layer_norm_rms_epsilon", kw_gguf_f32(1e-6f));
}

static kw_status read_llama(reader *r)
{
    static const char *const what[N_LLAMA] = {"n_vocab", "n_embd", "n_mult", "n_head",
                                              "n_layer", "n_rot",  "ftype"};
    for (int i = 0; i < N_LLAMA; i++)
        KW_TRY(
            take_int(r, what[i], i == FILE_TYPE || i == MULTIPLE ? 0 : 1, MAX_VALUE, &r->value[i]));
    if (r->value[EMBED] % r->value[HEADS] != 0)
        return kw_fail(r->err, KW_E_FORMAT,
                       "%s: n_embd %" PRId32 " is no multiple of n_head %" PRId32, r->label,
                       r->value[EMBED], r->value[HEADS]);
    KW_TRY(read_llama_vocab(r));
    while (r->pos < r->bytes.len)
        KW_TRY(read_tensor(r));
    return add_llama_metas(r);
}

/* Whisper's numbers are followed by the sizes of its filters, the first of which repeats one. */
static bool is_whisper(kw_str bytes)
{
    if (bytes.len < 4 + 4 * (N_WHISPER + 2))
        return false;
    const int32_t n_mels = load_i32(bytes.data + 4 + 4 * 9);
    const int32_t repeated = load_i32(bytes.data + 4 + 4 * N_WHISPER);
    return n_mels > 0 && n_mels == repeated;
}

static kw_status read_whisper(reader *r)
{
    static const char *const keys[N_WHISPER] = {"whisper.vocab_size",
                                                "whisper.audio.context",
                                                "whisper.audio.embedding_length",
                                                "whisper.audio.head_count",
                                                "whisper.audio.layers",
                                                "whisper.text.context",
                                                "whisper.text.embedding_length",
                                                "whisper.text.head_count",
                                                "whisper.text.layers",
                                                "whisper.mels",
                                                "whisper.file_type"};
    int32_t n_mel = 0, n_fft = 0, n_tokens = 0;
    const char *filters = NULL;
    vocab v = {0};
    for (int i = 0; i < N_WHISPER; i++)
        KW_TRY(take_int(r, keys[i], i == N_WHISPER - 1 ? 0 : 1, MAX_VALUE, &r->value[i]));
    r->whisper = true;
    r->blocks = KW_MIN(r->value[N_WHISPER - 1] / VERSION_FACTOR + 1, 3);
    KW_TRY(take_int(r, "the number of mel filters", 1, 4096, &n_mel));
    KW_TRY(take_int(r, "the length of a mel filter", 1, 65536, &n_fft));
    KW_TRY(take(r, (uint64_t)n_mel * (uint64_t)n_fft * sizeof(float), &filters));
    KW_TRY(take_int(r, "the number of tokens", 0, MAX_VALUE, &n_tokens));
    KW_TRY(read_tokens(r, (size_t)n_tokens, &v));
    KW_TRY(add_meta(r, "general.architecture", kw_gguf_string(KW_STR("whisper"))));
    for (int i = 0; i < N_WHISPER; i++)
        KW_TRY(add_meta(r, keys[i], kw_gguf_u32((uint32_t)r->value[i])));
    KW_TRY(add_meta(r, "whisper.tokens", kw_gguf_array(KW_GGUF_STRING, v.tokens, v.n)));
    while (r->pos < r->bytes.len)
        KW_TRY(read_tensor(r));
    return KW_OK;
}

/* The mark and, but for ggml's, a version. */
static kw_status read_mark(reader *r)
{
    const char *mark = NULL;
    int32_t version = 0;
    KW_TRY(take(r, 4, &mark));
    if (memcmp(mark, "lmgg", 4) == 0)
        return KW_OK;
    r->scores = true;
    r->aligned = memcmp(mark, "tjgg", 4) == 0;
    (void)snprintf(r->label, sizeof r->label, r->aligned ? "ggjt" : "ggmf");
    KW_TRY(take_int(r, "the version", 1, r->aligned ? 3 : 1, &version));
    r->blocks = r->aligned ? version : 1;
    r->image.version = (uint32_t)version;
    return KW_OK;
}

kw_status kw_ggml_parse(kw_str bytes, int part, kw_arena *arena, kw_image *out, kw_error *err)
{
    reader r = {.bytes = bytes,
                .part = part,
                .blocks = 1,
                .label = "ggml",
                .arena = arena,
                .image = {.kind = KW_FILE_GGML},
                .err = err};
    KW_TRY(read_mark(&r));
    if (r.scores || !is_whisper(bytes))
        KW_TRY(read_llama(&r));
    else
        KW_TRY(read_whisper(&r));
    kw_views_sort(r.image.tensors, r.image.n_tensors);
    *out = r.image;
    return KW_OK;
}
