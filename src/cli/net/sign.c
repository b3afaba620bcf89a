/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sign.c - kwaai sign: a signature of minisign beside a file. */
#include "cli/commands.h"

#include "cli/net/trusted.h"
#include "os/file.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static kw_status write_text(const char *path, const kw_buf *text, kw_error *err)
{
    kw_file_writer *writer;
    KW_TRY(kw_buf_status(text, err));
    KW_TRY(kw_file_create(path, &writer, err));
    const kw_status status = kw_file_write(writer, text->data, text->len, err);
    const kw_status end = kw_file_finish(writer, status == KW_OK, err);
    return status != KW_OK ? status : end;
}

/* The comment that minisign would write, or --comment. */
static void make_comment(const kw_cli *cli, const char *path, kw_buf *out)
{
    const char *const slash = strrchr(path, '/');
    if (cli->parsed.options.comment)
        kw_buf_printf(out, "%s", cli->parsed.options.comment);
    else
        kw_buf_printf(out, "timestamp:%lld\tfile:%s\thashed", (long long)time(NULL),
                      slash ? slash + 1 : path);
}

static kw_status sign_map(kw_cli *cli, const kw_secret_key *key, const char *path,
                          const kw_map *map, kw_error *err)
{
    kw_buf comment = {0}, text = {0}, place = {0};
    make_comment(cli, path, &comment);
    kw_buf_printf(&place, "%s.minisig", path);
    kw_status status = kw_buf_status(&comment, err);
    if (status == KW_OK)
        status = kw_buf_status(&place, err);
    if (status == KW_OK)
        status = kw_signature_make(key, (kw_bytes){map->data, map->len}, comment.data, &text, err);
    if (status == KW_OK)
        status = write_text(place.data, &text, err);
    if (status == KW_OK)
        kw_cli_note(cli, "wrote %s", place.data);
    kw_buf_free(&comment);
    kw_buf_free(&text);
    kw_buf_free(&place);
    return status;
}

static kw_status sign_file(kw_cli *cli, const kw_secret_key *key, const char *path, kw_error *err)
{
    kw_map map;
    KW_TRY(kw_map_open(path, false, &map, err));
    const kw_status status = sign_map(cli, key, path, &map, err);
    kw_map_close(&map);
    return status;
}

static kw_status sign(kw_cli *cli, kw_error *err)
{
    const kw_options *const o = &cli->parsed.options;
    kw_home home;
    kw_secret_key key = {0};
    KW_TRY(kw_home_open(cli, true, &home, err));
    kw_status status = kw_cli_publisher(cli, &home, o->key, o->generate, &key, err);
    if (status == KW_OK && cli->parsed.n_args > 0)
        status = sign_file(cli, &key, cli->parsed.args[0], err);
    kw_secret_key_wipe(&key);
    kw_home_close(&home);
    return status;
}

static int run_sign(kw_cli *cli)
{
    kw_error err = {0};
    if (cli->parsed.n_args == 0 && !cli->parsed.options.generate)
        return kw_cli_usage(cli, "which file?");
    const kw_status status = sign(cli, &err);
    if (status == KW_E_NOTFOUND) {
        kw_cli_note(cli, "%s", err.message);
        return KW_EXIT_FAILED;
    }
    return status == KW_OK ? KW_EXIT_OK : kw_cli_fail(cli, status, &err);
}

const kw_command kw_command_sign = {
    .name = "sign",
    .summary = "sign a file with the publisher's key",
    .usage = "[FILE]",
    .description =
        "Writes FILE.minisig, which minisign -V and kwaai verify --key check. The key is that of "
        "minisign too: ~/.kwaai/publisher.key, or another by --key. --generate makes it when it is "
        "not there. Models are signed by kwaai publish.",
    .examples = "  kwaai sign --generate\n"
                "  kwaai sign model.gguf\n"
                "  minisign -Vm model.gguf -p ~/.kwaai/publisher.pub  # by others\n",
    .max_args = 1,
    .run = run_sign,
};
