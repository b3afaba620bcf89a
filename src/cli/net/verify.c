/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* verify.c - kwaai verify: whether files are what they should be. */
#include "cli/commands.h"

#include "base/sha256.h"
#include "cli/interrupt.h"
#include "cli/net/home.h"

#include <string.h>

typedef enum verdict {
    GOOD,     /* as its name, or the record, says */
    RECORDED, /* nothing to compare with; from now on there is */
    MISNAMED, /* not what its name says */
    CHANGED,  /* not what it was, though its time and size are */
    N_VERDICTS
} verdict;
static const char *const verdict_names[N_VERDICTS] = {"good", "recorded", "differs from its name",
                                                      "changed without a trace"};

typedef struct verifying {
    kw_cli *cli;
    kw_index *index;
    kw_json_writer json;
    size_t n[N_VERDICTS];
} verifying;

/* The content against what the index and the file's place say. */
static verdict judge(const kw_index_row *row, const uint8_t sha256[32])
{
    if (row->claimed && memcmp(row->claim, sha256, 32) != 0)
        return MISNAMED;
    if (row->hashed && memcmp(row->sha256, sha256, 32) != 0)
        return CHANGED;
    return row->claimed || row->hashed ? GOOD : RECORDED;
}

static void show(verifying *v, const kw_index_row *row, verdict found, const uint8_t sha256[32])
{
    char hex[65];
    kw_sha256_hex(sha256, hex);
    if (v->cli->parsed.options.json) {
        kw_json_open(&v->json, NULL, '{');
        kw_json_puts(&v->json, "model", row->model);
        kw_json_puts(&v->json, "file", row->file);
        kw_json_puts(&v->json, "sha256", hex);
        kw_json_puts(&v->json, "result", verdict_names[found]);
        kw_json_close(&v->json, '}');
        return;
    }
    kw_out_printf(&v->cli->out, "%-9s %.16s  ", verdict_names[found], hex);
    kw_out_foreign(&v->cli->out, row->file, strlen(row->file));
    kw_out_puts(&v->cli->out, "\n");
}

static kw_status verify_row(verifying *v, const kw_index_row *row, kw_error *err)
{
    kw_file_hash hash;
    KW_TRY(kw_cli_hash(v->cli, v->index, row, true, &hash, err));
    const verdict found = judge(row, hash.sha256);
    v->n[found]++;
    show(v, row, found, hash.sha256);
    kw_file_hash_free(&hash);
    return KW_OK;
}

static kw_status verify_name(verifying *v, const char *text, kw_error *err)
{
    kw_found found;
    KW_TRY(kw_cli_find(v->index, text, &found, err));
    kw_status status = KW_OK;
    for (size_t i = 0; status == KW_OK && i < found.n; i++)
        status = verify_row(v, &found.rows[i], err);
    kw_found_free(&found);
    return status;
}

static kw_status verify(verifying *v, const char *text, kw_error *err)
{
    kw_home home;
    KW_TRY(kw_home_open(v->cli, true, &home, err));
    kw_status status = kw_cli_open_index(&home, &v->index, err);
    if (status == KW_OK)
        status = verify_name(v, text, err);
    kw_index_close(v->index);
    kw_home_close(&home);
    return status;
}

static int run_verify(kw_cli *cli)
{
    kw_error err = {0};
    verifying v = {.cli = cli, .json = {.out = &cli->out, .pretty = true}};
    if (cli->parsed.n_args == 0)
        return kw_cli_usage(cli, "which model?");
    kw_interrupt_watch();
    if (cli->parsed.options.json)
        kw_json_open(&v.json, NULL, '[');
    const kw_status status = verify(&v, cli->parsed.args[0], &err);
    if (status != KW_OK)
        return kw_cli_fail_name(cli, status, &err);
    if (cli->parsed.options.json) {
        kw_json_close(&v.json, ']');
        kw_out_puts(&cli->out, "\n");
    }
    const size_t n_bad = v.n[MISNAMED] + v.n[CHANGED];
    if (n_bad > 0) {
        kw_cli_note(cli, "%zu of %zu files are not what they should be", n_bad,
                    n_bad + v.n[GOOD] + v.n[RECORDED]);
        return KW_EXIT_FAILED;
    }
    if (v.n[RECORDED] > 0)
        kw_cli_note(cli, "%zu files had no digest to compare with; theirs are recorded now",
                    v.n[RECORDED]);
    return KW_EXIT_OK;
}

const kw_command kw_command_verify = {
    .name = "verify",
    .summary = "check the files of a model against their digests",
    .usage = "NAME",
    .description =
        "Reads every file of a model and compares its SHA-256 with the digest in its name (the "
        "caches of Hugging Face and Ollama name content by it) and with the one recorded when it "
        "was last read. Exit code 1 when a file is not what it should be.",
    .examples = "  kwaai verify org/name\n"
                "  kwaai verify org/name:model.gguf --json\n",
    .max_args = 1,
    .run = run_verify,
};
