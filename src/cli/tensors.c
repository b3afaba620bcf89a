/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tensors.c - kwaai tensors: lists the tensors of a model, or writes one of them as f32. */
#include "cli/commands.h"

#include "base/check.h"
#include "cli/interrupt.h"
#include "cli/load.h"
#include "cli/suggest.h"
#include "format/safetensors_writer.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_ELEMS 65536 /* a multiple of every block */

static const char *type_name(const kw_tensor_view *t)
{
    if (t->type_name)
        return t->type_name;
    return t->dtype < KW_N_DTYPES ? kw_dtype_info(t->dtype)->name : "?";
}

static void list_text(kw_out *out, const kw_model_file *file)
{
    size_t name_width = 4, type_width = 4, shape_width = 5;
    char shape[96], size[16];
    uint64_t total = 0;
    for (size_t i = 0; i < file->n_tensors; i++) {
        const kw_tensor_view *t = &file->tensors[i];
        name_width = KW_MAX(name_width, KW_MIN(t->name.len, (size_t)64));
        type_width = KW_MAX(type_width, strlen(type_name(t)));
        shape_width = KW_MAX(shape_width, strlen(kw_shape_print(t->shape, shape, sizeof shape)));
        total += t->bytes;
    }
    kw_out_printf(out, "%-*s  %-*s  %-*s  %10s\n", (int)name_width, "NAME", (int)type_width, "TYPE",
                  (int)shape_width, "SHAPE", "SIZE");
    for (size_t i = 0; i < file->n_tensors; i++) {
        const kw_tensor_view *t = &file->tensors[i];
        kw_out_foreign(out, t->name.data, t->name.len);
        for (size_t n = t->name.len; n < name_width; n++)
            kw_out_puts(out, " ");
        kw_out_printf(out, "  %-*s  %-*s  %10s\n", (int)type_width, type_name(t), (int)shape_width,
                      kw_shape_print(t->shape, shape, sizeof shape),
                      kw_print_bytes(t->bytes, size));
    }
    if (out->tty)
        kw_out_printf(out, "%zu tensors, %s\n", file->n_tensors, kw_print_bytes(total, size));
}

static void list_json(kw_out *out, const kw_model_file *file)
{
    kw_json_writer w = {.out = out, .pretty = true};
    uint64_t total = 0;
    kw_json_open(&w, NULL, '{');
    kw_json_puts(&w, "model", file->path);
    kw_json_open(&w, "tensors", '[');
    for (size_t i = 0; i < file->n_tensors; i++) {
        const kw_tensor_view *t = &file->tensors[i];
        total += t->bytes;
        kw_json_open(&w, NULL, '{');
        kw_json_text(&w, "name", t->name.data, t->name.len);
        kw_json_puts(&w, "type", type_name(t));
        kw_json_open(&w, "shape", '[');
        for (int d = 0; d < t->shape.rank; d++)
            kw_json_int(&w, NULL, t->shape.dim[d]);
        kw_json_close(&w, ']');
        kw_json_int(&w, "bytes", (int64_t)t->bytes);
        kw_json_int(&w, "offset", (int64_t)t->offset);
        kw_json_puts(&w, "file", t->part < file->n_parts ? file->parts[t->part].path : NULL);
        kw_json_close(&w, '}');
    }
    kw_json_close(&w, ']');
    kw_json_int(&w, "count", (int64_t)file->n_tensors);
    kw_json_int(&w, "bytes", (int64_t)total);
    kw_json_close(&w, '}');
}

/* ---- one tensor ---- */

/* Says that there is no such tensor, and which one may be meant. */
static void note_missing(kw_cli *cli, const kw_model_file *file, const char *name)
{
    kw_suggestion s;
    char best[64] = "";
    kw_suggest_init(&s, name);
    for (size_t i = 0; i < file->n_tensors; i++) {
        char candidate[64];
        (void)snprintf(candidate, sizeof candidate, "%.*s", KW_FMT(file->tensors[i].name));
        if (kw_suggest_consider(&s, candidate))
            memcpy(best, candidate, sizeof best);
    }
    kw_cli_note(cli, "%s: no tensor \"%.80s\"%s%s%s", file->path, name,
                best[0] ? "; did you mean \"" : "", best, best[0] ? "\"?" : "");
}

/* Decodes n elements in pieces and hands them to the writer. */
static kw_status decode_to(kw_st_writer *writer, const kw_tensor_view *t, int64_t n, kw_error *err)
{
    const kw_dtype_traits *traits = kw_dtype_info(t->dtype);
    const size_t block = traits->block_elems;
    float *values = malloc(CHUNK_ELEMS * sizeof *values);
    unsigned char *bytes = malloc(CHUNK_ELEMS / block * traits->block_bytes);
    kw_status status = values && bytes ? KW_OK : kw_fail(err, KW_E_NOMEM, "no memory to decode");
    const unsigned char *src = t->data;
    for (int64_t i = 0; status == KW_OK && i < n; i += CHUNK_ELEMS) {
        const size_t count = (size_t)KW_MIN((int64_t)CHUNK_ELEMS, n - i);
        const size_t n_bytes = count / block * traits->block_bytes;
        memcpy(bytes, src, n_bytes); /* aligned, whatever the file's offsets are */
        src += n_bytes;
        traits->decode(values, bytes, count);
        status = kw_st_write(writer, values, count * sizeof *values, err);
        if (status == KW_OK && kw_interrupt_seen())
            status = kw_fail(err, KW_E_CANCELLED, "interrupted");
    }
    free(values);
    free(bytes);
    return status;
}

static kw_status write_tensor(const kw_tensor_view *t, const char *name, const char *path,
                              kw_error *err)
{
    int64_t n;
    if (t->dtype >= KW_N_DTYPES || !kw_dtype_info(t->dtype)->decode)
        return kw_fail(err, KW_E_UNSUPPORTED, "tensor \"%.80s\": type %s cannot be decoded to f32",
                       name, type_name(t));
    if (!kw_shape_count(t->shape, &n))
        return kw_fail(err, KW_E_FORMAT, "tensor \"%.80s\": the shape is too large", name);
    const kw_st_tensor header = {.name = name, .dtype = KW_F32, .shape = t->shape};
    kw_st_writer *writer;
    KW_TRY(kw_st_create(path, &header, 1, &writer, err));
    kw_status status = decode_to(writer, t, n, err);
    const kw_status finished = kw_st_finish(writer, status == KW_OK, status == KW_OK ? err : NULL);
    return status == KW_OK ? finished : status;
}

static int extract(kw_cli *cli, const kw_model_file *file, const char *name)
{
    kw_error err = {0};
    char shape[96];
    const char *path = cli->parsed.options.out;
    const kw_tensor_view *t = kw_model_file_tensor(file, kw_str_from(name));
    if (!t) {
        note_missing(cli, file, name);
        return KW_EXIT_FAILED;
    }
    kw_interrupt_watch();
    const kw_status status = write_tensor(t, name, path, &err);
    if (status != KW_OK)
        return kw_cli_fail(cli, status, &err);
    kw_cli_note(cli, "wrote \"%s\" %s from %s to %s", name,
                kw_shape_print(t->shape, shape, sizeof shape), type_name(t), path);
    return KW_EXIT_OK;
}

static int run_tensors(kw_cli *cli)
{
    size_t n_used;
    kw_error err = {0};
    const char *path = kw_cli_model(cli, &n_used);
    const char *name = n_used < cli->parsed.n_args ? cli->parsed.args[n_used] : NULL;
    if (cli->parsed.n_args > n_used + 1)
        return kw_cli_usage(cli, "one argument too many: \"%s\"", cli->parsed.args[n_used + 1]);
    if (name && !cli->parsed.options.out)
        return kw_cli_usage(cli, "tensor \"%s\": say where to write it with --out FILE", name);
    if (!name && kw_options_source(&cli->parsed, "out") == KW_FROM_FLAG)
        return kw_cli_usage(cli, "--out needs the name of a tensor: kwaai tensors MODEL NAME --out "
                                 "FILE");
    if (name && !kw_cli_can_write(cli->parsed.options.out, &err))
        return kw_cli_usage(cli, "%s", err.message);
    kw_model_file *file;
    int code = KW_EXIT_OK;
    const kw_status status = kw_cli_open_file(cli, path, &file, &err);
    if (status != KW_OK)
        return kw_cli_fail(cli, status, &err);
    if (name)
        code = extract(cli, file, name);
    else if (cli->parsed.options.json)
        list_json(&cli->out, file);
    else
        list_text(&cli->out, file);
    kw_model_file_close(file);
    return code;
}

const kw_command kw_command_tensors = {
    .name = "tensors",
    .summary = "list the tensors of a model, or write one as f32",
    .usage = "[MODEL [NAME --out FILE]]",
    .description = "Lists name, type, shape (outermost dimension first) and size of every tensor. "
                   "With NAME and --out, decodes that tensor to f32 and writes it as a safetensors "
                   "file. Without MODEL: the built-in model, which \"builtin\" names where a NAME "
                   "follows.",
    .examples = "  kwaai tensors model.gguf\n"
                "  kwaai tensors model.gguf --json | jq -r '.tensors[].name'\n"
                "  kwaai tensors model.gguf blk.0.attn_q.weight --out q.safetensors\n",
    .max_args = 2,
    .run = run_tensors,
};
