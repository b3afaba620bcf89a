/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* verify.c - kwaai verify: whether files are what they should be. */
#include "cli/commands.h"

#include "base/sha256.h"
#include "cli/interrupt.h"
#include "cli/net/trusted.h"
#include "os/file.h"

#include <stdlib.h>
#include <string.h>

typedef enum verdict {
    GOOD,     /* as its name, or the record, says */
    RECORDED, /* nothing to compare with; from now on there is */
    MISNAMED, /* not what its name says */
    CHANGED,  /* not what it was, though its time and size are */
    UNSTATED, /* the manifest does not list it */
    OTHER,    /* not what the manifest says */
    N_VERDICTS
} verdict;
static const char *const verdict_names[N_VERDICTS] = {"good",
                                                      "recorded",
                                                      "differs from its name",
                                                      "changed without a trace",
                                                      "unlisted",
                                                      "differs from the manifest"};

typedef struct verifying {
    kw_cli *cli;
    kw_index *index;
    kw_json_writer json;
    size_t n[N_VERDICTS];
    kw_model_trust trust;
    bool refused; /* by the trust file */
} verifying;

/* The content against what the manifest, the index and the file's place say. */
static verdict judge(const verifying *v, const kw_index_row *row, const uint8_t sha256[32])
{
    const kw_manifest_file *const stated =
        v->trust.stated ? kw_manifest_find(&v->trust.manifest, row->file) : NULL;
    if (stated && memcmp(stated->sha256, sha256, 32) != 0)
        return OTHER;
    if (row->claimed && memcmp(row->claim, sha256, 32) != 0)
        return MISNAMED;
    if (row->hashed && memcmp(row->sha256, sha256, 32) != 0)
        return CHANGED;
    if (v->trust.stated && !stated)
        return UNSTATED;
    return stated || row->claimed || row->hashed ? GOOD : RECORDED;
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
    const verdict found = judge(v, row, hash.sha256);
    v->n[found]++;
    show(v, row, found, hash.sha256);
    kw_file_hash_free(&hash);
    return KW_OK;
}

/* Files that the manifest lists and that are not here. */
static size_t count_missing(const kw_manifest *manifest, const kw_found *found)
{
    size_t n = 0;
    for (size_t i = 0; i < manifest->n_files; i++) {
        bool here = false;
        for (size_t k = 0; !here && k < found->n; k++)
            here = strcmp(found->rows[k].file, manifest->files[i].name) == 0;
        n += !here;
    }
    return n;
}

static kw_status verify_found(verifying *v, const kw_home *home, const kw_found *found,
                              kw_error *err)
{
    kw_trust trust;
    bool there;
    KW_TRY(kw_cli_trust(home, &trust, &there, err));
    kw_status status = kw_cli_judge(v->index, &trust, found->rows[0].model, &v->trust, err);
    for (size_t i = 0; status == KW_OK && i < found->n; i++)
        status = verify_row(v, &found->rows[i], err);
    if (status == KW_OK && (v->trust.stated || there)) {
        v->refused = !v->trust.judgement.accepted;
        kw_cli_note(v->cli, "%s", v->trust.judgement.why);
    }
    const size_t missing = v->trust.stated ? count_missing(&v->trust.manifest, found) : 0;
    if (status == KW_OK && missing > 0)
        kw_cli_note(v->cli, "%zu files of the manifest are not here", missing);
    kw_model_trust_free(&v->trust);
    kw_trust_free(&trust);
    return status;
}

static kw_status verify(verifying *v, const char *text, kw_error *err)
{
    kw_home home;
    kw_found found = {0};
    KW_TRY(kw_home_open(v->cli, true, &home, err));
    kw_status status = kw_cli_open_index(&home, &v->index, err);
    if (status == KW_OK)
        status = kw_cli_find(v->index, text, &found, err);
    if (status == KW_OK)
        status = verify_found(v, &home, &found, err);
    kw_found_free(&found);
    kw_index_close(v->index);
    kw_home_close(&home);
    return status;
}

/* ---- a file and its signature ---- */

/* The public key in a file, or written out. */
static kw_status get_key(const char *text, kw_public_key *out, kw_error *err)
{
    char *file;
    size_t len;
    if (!kw_file_exists(text))
        return kw_public_key_get(kw_str_from(text), out, err);
    KW_TRY(kw_cli_read_text(text, KW_MINISIGN_FILE_MAX, &file, &len, err));
    const kw_status status = kw_public_key_get((kw_str){file, len}, out, err);
    free(file);
    return status;
}

static kw_status get_signature(const char *path, kw_signature *out, kw_error *err)
{
    kw_buf place = {0};
    char *text;
    size_t len;
    kw_buf_printf(&place, "%s.minisig", path);
    kw_status status = kw_buf_status(&place, err);
    if (status == KW_OK)
        status = kw_cli_read_text(place.data, KW_MINISIGN_FILE_MAX, &text, &len, err);
    if (status == KW_OK) {
        status = kw_signature_get((kw_str){text, len}, out, err);
        free(text);
    }
    kw_buf_free(&place);
    return status;
}

static kw_status verify_signature(kw_cli *cli, const char *path, kw_error *err)
{
    kw_public_key key;
    kw_signature signature;
    kw_map map;
    KW_TRY(get_key(cli->parsed.options.key, &key, err));
    KW_TRY(get_signature(path, &signature, err));
    KW_TRY(kw_map_open(path, false, &map, err));
    const kw_status status =
        kw_signature_verify(&signature, &key, (kw_bytes){map.data, map.len}, err);
    kw_map_close(&map);
    if (status == KW_OK)
        kw_cli_note(cli, "%s: the signature is good; %s", path, signature.trusted);
    return status;
}

static int run_signature(kw_cli *cli)
{
    kw_error err = {0};
    if (verify_signature(cli, cli->parsed.args[0], &err) == KW_OK)
        return KW_EXIT_OK;
    kw_cli_note(cli, "%s", err.message);
    return KW_EXIT_FAILED;
}

/* ---- the command ---- */

static int conclude(verifying *v)
{
    const size_t n_bad = v->n[MISNAMED] + v->n[CHANGED] + v->n[OTHER];
    if (n_bad > 0)
        kw_cli_note(v->cli, "%zu of %zu files are not what they should be", n_bad,
                    n_bad + v->n[GOOD] + v->n[RECORDED] + v->n[UNSTATED]);
    if (v->n[RECORDED] > 0)
        kw_cli_note(v->cli, "%zu files had no digest to compare with; theirs are recorded now",
                    v->n[RECORDED]);
    if (v->refused)
        kw_cli_note(v->cli, "the trust file refuses it");
    return n_bad > 0 || v->refused ? KW_EXIT_FAILED : KW_EXIT_OK;
}

static int run_verify(kw_cli *cli)
{
    kw_error err = {0};
    verifying v = {.cli = cli, .json = {.out = &cli->out, .pretty = true}};
    if (cli->parsed.n_args == 0)
        return kw_cli_usage(cli, "which model?");
    if (cli->parsed.options.key)
        return run_signature(cli);
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
    return conclude(&v);
}

const kw_command kw_command_verify = {
    .name = "verify",
    .summary = "check a model's files against their digests and signature",
    .usage = "NAME",
    .description =
        "Reads every file of a model and compares its SHA-256 with its manifest, with the digest "
        "in its name (the caches of Hugging Face and Ollama name content by it), and with the one "
        "recorded when it was last read; and asks the trust file about who signed it. With --key, "
        "NAME is any file with a signature of minisign beside it. Exit code 1 when a file is not "
        "what it should be, or nobody who is trusted says so.",
    .examples = "  kwaai verify org/name\n"
                "  kwaai verify org/name:model.gguf --json\n"
                "  kwaai verify release.gguf --key publisher.pub\n",
    .max_args = 1,
    .run = run_verify,
};
