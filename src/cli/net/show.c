/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* show.c - kwaai show: what is known of one model. */
#include "cli/commands.h"

#include "base/sha256.h"
#include "cli/net/trusted.h"

#include <string.h>

typedef struct showing {
    kw_cli *cli;
    kw_json_writer json;
} showing;

static void json_file(showing *s, const kw_index_row *row)
{
    char hex[65], cid[KW_CID_TEXT_MAX];
    kw_json_open(&s->json, NULL, '{');
    kw_json_puts(&s->json, "file", row->file);
    kw_json_int(&s->json, "bytes", (int64_t)row->state.size);
    if (row->hashed || row->claimed) {
        kw_sha256_hex(row->hashed ? row->sha256 : row->claim, hex);
        kw_json_puts(&s->json, row->hashed ? "sha256" : "sha256_claimed", hex);
    }
    if (row->rooted) {
        kw_cid_text(&row->root, cid);
        kw_json_puts(&s->json, "cid", cid);
    }
    kw_json_puts(&s->json, "path", row->path);
    kw_json_puts(&s->json, "store", kw_owner_name(row->owner));
    kw_json_close(&s->json, '}');
}

static void print_file(showing *s, const kw_index_row *row)
{
    kw_out *const out = &s->cli->out;
    char hex[65], size[16], cid[KW_CID_TEXT_MAX];
    kw_out_foreign(out, row->file, strlen(row->file));
    kw_out_printf(out, "\n  size    %s (%llu bytes)\n", kw_print_bytes(row->state.size, size),
                  (unsigned long long)row->state.size);
    if (row->hashed || row->claimed) {
        kw_sha256_hex(row->hashed ? row->sha256 : row->claim, hex);
        kw_out_printf(out, "  sha256  %s%s\n", hex, row->hashed ? "" : " (by its name)");
    }
    if (row->rooted) {
        kw_cid_text(&row->root, cid);
        kw_out_printf(out, "  cid     %s\n", cid);
    }
    kw_out_printf(out, "  path    ");
    kw_out_foreign(out, row->path, strlen(row->path));
    kw_out_puts(out, "\n");
}

static void json_model(showing *s, const kw_found *found, const kw_model_trust *trust)
{
    const kw_judgement *const j = &trust->judgement;
    kw_json_open(&s->json, NULL, '{');
    kw_json_puts(&s->json, "model", found->rows[0].model);
    kw_json_puts(&s->json, "version", found->rows[0].version);
    kw_json_puts(&s->json, "policy", kw_policy_name(j->policy));
    kw_json_bool(&s->json, "manifest", trust->stated);
    kw_json_bool(&s->json, "offered", trust->offered);
    kw_json_puts(&s->json, "key", j->key_id[0] ? j->key_id : NULL);
    kw_json_puts(&s->json, "trust", j->why);
    kw_json_open(&s->json, "files", '[');
    for (size_t i = 0; i < found->n; i++)
        json_file(s, &found->rows[i]);
    kw_json_close(&s->json, ']');
    kw_json_close(&s->json, '}');
    kw_out_puts(&s->cli->out, "\n");
}

static void print_model(showing *s, const kw_found *found, const kw_model_trust *trust)
{
    kw_out *const out = &s->cli->out;
    const kw_index_row *const row = &found->rows[0];
    kw_out_foreign(out, row->model, strlen(row->model));
    if (row->version[0]) {
        kw_out_puts(out, "@");
        kw_out_foreign(out, row->version, strlen(row->version));
    }
    kw_out_printf(out, "\n  trust   %s%s\n", trust->judgement.why,
                  trust->offered ? "; offered to peers" : "");
    for (size_t i = 0; i < found->n; i++)
        print_file(s, &found->rows[i]);
}

static kw_status show_found(showing *s, const kw_home *home, kw_index *index, const kw_found *found,
                            kw_error *err)
{
    kw_trust trust;
    kw_model_trust model;
    bool there;
    KW_TRY(kw_cli_trust(home, &trust, &there, err));
    kw_status status = kw_cli_judge(index, &trust, found->rows[0].model, &model, err);
    if (status == KW_OK && s->cli->parsed.options.json)
        json_model(s, found, &model);
    else if (status == KW_OK)
        print_model(s, found, &model);
    kw_model_trust_free(&model);
    kw_trust_free(&trust);
    return status;
}

static kw_status show(showing *s, const char *text, kw_error *err)
{
    kw_home home;
    kw_index *index = NULL;
    kw_found found = {0};
    KW_TRY(kw_home_open(s->cli, true, &home, err));
    kw_status status = kw_cli_open_index(&home, &index, err);
    if (status == KW_OK)
        status = kw_cli_find(index, text, &found, err);
    if (status == KW_OK)
        status = show_found(s, &home, index, &found, err);
    kw_found_free(&found);
    kw_index_close(index);
    kw_home_close(&home);
    return status;
}

static int run_show(kw_cli *cli)
{
    kw_error err = {0};
    showing s = {.cli = cli, .json = {.out = &cli->out, .pretty = true}};
    if (cli->parsed.n_args == 0)
        return kw_cli_usage(cli, "which model?");
    const kw_status status = show(&s, cli->parsed.args[0], &err);
    return status == KW_OK ? KW_EXIT_OK : kw_cli_fail_name(cli, status, &err);
}

const kw_command kw_command_show = {
    .name = "show",
    .summary = "show the files of a model, and who signed it",
    .usage = "NAME",
    .description =
        "Shows each file of a model with its size, its SHA-256 and CID where they are known (kwaai "
        "verify and kwaai publish find them out), where it lies, and what the trust file says of "
        "the model.",
    .examples = "  kwaai show org/name\n"
                "  kwaai show org/name:Q4_K_M --json\n",
    .max_args = 1,
    .run = run_show,
};
