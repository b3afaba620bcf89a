/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* token_source.c - finds out what a path is, and opens the tokenizer in it. */
#include "cli/token_source.h"

#include "engine/engine.h"
#include "os/file.h"

#include <stdio.h>
#include <string.h>

static bool ends_with(const char *path, const char *ending)
{
    const size_t len = strlen(path), n = strlen(ending);
    return len >= n && strcmp(path + len - n, ending) == 0;
}

/* GGUF and safetensors files are models; any other file is a tokenizer. */
static bool is_model_file(const char *path)
{
    char magic[4] = "";
    FILE *file = fopen(path, "rb");
    const size_t n = file ? fread(magic, 1, sizeof magic, file) : 0;
    if (file)
        (void)fclose(file);
    return (n == sizeof magic && memcmp(magic, "GGUF", 4) == 0) || ends_with(path, ".gguf") ||
           ends_with(path, ".safetensors") || ends_with(path, ".index.json");
}

static kw_status from_model(kw_cli *cli, const char *path, kw_tokenizer **out, kw_error *err)
{
    kw_model_file *file;
    kw_tokenizer *tokenizer = NULL;
    KW_TRY(kw_cli_open_file(cli, path, &file, err));
    kw_status status = kw_engine_tokenizer(file, NULL, NULL, &tokenizer, err);
    kw_model_file_close(file);
    if (status == KW_OK && !tokenizer)
        status =
            kw_fail(err, KW_E_NOTFOUND, "%s: no tokenizer is with it", kw_cli_model_name(path));
    if (status == KW_OK)
        *out = tokenizer;
    return status;
}

kw_status kw_token_source_open(kw_cli *cli, const char *path, kw_tokenizer **out, kw_error *err)
{
    const bool builtin = kw_cli_is_builtin(path);
    if (!builtin && kw_file_is_dir(path)) {
        const kw_status status = kw_tokenizer_from_path(path, out, err);
        return status == KW_E_NOTFOUND ? from_model(cli, path, out, err) : status;
    }
    if (!builtin && kw_file_exists(path) && !is_model_file(path))
        return kw_tokenizer_from_path(path, out, err);
    return from_model(cli, path, out, err);
}
