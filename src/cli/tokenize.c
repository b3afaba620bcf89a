/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tokenize.c - kwaai tokenize and kwaai detokenize: text to token ids and back. */
#include "cli/commands.h"

#include "cli/input.h"
#include "cli/token_source.h"

#include <stdlib.h>
#include <string.h>

/* ---- tokenize ---- */

/* One line of ids, in the form that --ids and --tokens take. */
static void print_ids(kw_out *out, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        kw_out_printf(out, "%s%d", i ? "," : "", ids[i]);
    kw_out_puts(out, "\n");
}

static void print_json(kw_cli *cli, const kw_tokenizer *tokenizer, const int32_t *ids, size_t n)
{
    kw_json_writer w = {.out = &cli->out};
    kw_json_open(&w, NULL, '{');
    kw_json_int(&w, "count", (int64_t)n);
    kw_json_open(&w, "tokens", '[');
    for (size_t i = 0; i < n; i++) {
        const kw_str piece = kw_tokenizer_piece(tokenizer, ids[i]);
        kw_json_open(&w, NULL, '{');
        kw_json_int(&w, "id", ids[i]);
        kw_json_text(&w, "piece", piece.data ? piece.data : "", piece.len);
        kw_json_close(&w, '}');
    }
    kw_json_close(&w, ']');
    kw_json_close(&w, '}');
}

static kw_status tokenize(kw_cli *cli, const char *path, kw_error *err)
{
    const kw_options *o = &cli->parsed.options;
    const unsigned flags =
        (o->bos ? KW_ENCODE_SPECIAL : 0u) | (o->parse_special ? KW_ENCODE_PARSE : 0u);
    kw_tokenizer *tokenizer = NULL;
    kw_buf text = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    kw_status status = KW_OK;
    if (o->text)
        kw_buf_add(&text, o->text, strlen(o->text));
    else
        status = kw_input_read(cli, o->file ? o->file : "-", &text, err);
    if (status == KW_OK)
        status = kw_buf_status(&text, err);
    if (status == KW_OK)
        status = kw_token_source_open(cli, path, &tokenizer, err);
    if (status == KW_OK)
        status = kw_tokenizer_encode(tokenizer, (kw_str){text.data ? text.data : "", text.len},
                                     flags, &ids, &n, err);
    if (status == KW_OK && o->json)
        print_json(cli, tokenizer, ids, n);
    else if (status == KW_OK)
        print_ids(&cli->out, ids, n);
    free(ids);
    kw_tokenizer_free(tokenizer);
    kw_buf_free(&text);
    return status;
}

static int run_tokenize(kw_cli *cli)
{
    const char *path;
    int code;
    kw_error err = {0};
    if (!kw_cli_only_model(cli, &path, &code))
        return code;
    if (kw_options_source(&cli->parsed, "text") == KW_FROM_FLAG &&
        kw_options_source(&cli->parsed, "file") == KW_FROM_FLAG)
        return kw_cli_usage(cli, "the text is given twice: by --text and by --file");
    if (kw_options_source(&cli->parsed, "file") == KW_FROM_FLAG)
        cli->parsed.options.text = NULL;
    const kw_status status = tokenize(cli, path, &err);
    return status == KW_OK ? KW_EXIT_OK : kw_cli_fail(cli, status, &err);
}

const kw_command kw_command_tokenize = {
    .name = "tokenize",
    .summary = "show the token ids of a text",
    .usage = "[MODEL]",
    .description = "Prints the token ids of --text, of a file, or of standard input, in one line "
                   "separated by commas, as detokenize --ids and logits --tokens take them. MODEL "
                   "may also be a bare tokenizer: tokenizer.json, tokenizer.model, spiece.model, "
                   "vocab.json beside merges.txt, vocab.txt, or a directory with one. Without "
                   "MODEL: the built-in model.",
    .examples =
        "  kwaai tokenize model.gguf --text \"Hello world\"\n"
        "  kwaai tokenize tokenizer.json --file book.txt --no-bos\n"
        "  kwaai detokenize model.gguf --ids \"$(kwaai tokenize model.gguf --text Hello)\"\n",
    .max_args = 1,
    .run = run_tokenize,
};

/* ---- detokenize ---- */

static kw_status detokenize(kw_cli *cli, const char *path, kw_error *err)
{
    const kw_options *o = &cli->parsed.options;
    kw_tokenizer *tokenizer = NULL;
    int32_t *ids = NULL;
    size_t n = 0, len = 0;
    char *text = NULL;
    kw_status status = kw_input_ids(cli, o->ids, o->file, &ids, &n, err);
    if (status == KW_OK)
        status = kw_token_source_open(cli, path, &tokenizer, err);
    for (size_t i = 0; status == KW_OK && i < n; i++) {
        if ((size_t)ids[i] >= kw_tokenizer_size(tokenizer))
            status = kw_fail(err, KW_E_ARG,
                             "token %d at position %zu: the vocabulary has %zu "
                             "tokens",
                             ids[i], i, kw_tokenizer_size(tokenizer));
    }
    if (status == KW_OK)
        status = kw_tokenizer_decode(tokenizer, ids, n, o->special != 0, &text, &len, err);
    if (status == KW_OK && o->json) {
        kw_json_writer w = {.out = &cli->out};
        kw_json_open(&w, NULL, '{');
        kw_json_text(&w, "text", text, len);
        kw_json_close(&w, '}');
    } else if (status == KW_OK) {
        kw_out_foreign(&cli->out, text, len);
        if (cli->out.tty && cli->out.last != '\n')
            kw_out_puts(&cli->out, "\n");
    }
    free(text);
    free(ids);
    kw_tokenizer_free(tokenizer);
    return status;
}

static int run_detokenize(kw_cli *cli)
{
    const char *path;
    int code;
    kw_error err = {0};
    if (!kw_cli_only_model(cli, &path, &code))
        return code;
    if (kw_options_source(&cli->parsed, "ids") == KW_FROM_FLAG &&
        kw_options_source(&cli->parsed, "file") == KW_FROM_FLAG)
        return kw_cli_usage(cli, "the ids are given twice: by --ids and by --file");
    if (kw_options_source(&cli->parsed, "file") == KW_FROM_FLAG)
        cli->parsed.options.ids = NULL;
    const kw_status status = detokenize(cli, path, &err);
    return status == KW_OK ? KW_EXIT_OK : kw_cli_fail(cli, status, &err);
}

const kw_command kw_command_detokenize = {
    .name = "detokenize",
    .summary = "show the text of token ids",
    .usage = "[MODEL]",
    .description = "Writes the text of the token ids of --ids, of a file, or of standard input, "
                   "byte for byte, without a line end of its own. MODEL as for tokenize.",
    .examples = "  kwaai detokenize model.gguf --ids 1,15043,3186\n"
                "  kwaai tokenize model.gguf --text Hello | kwaai detokenize model.gguf\n",
    .max_args = 1,
    .run = run_detokenize,
};
