/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pull.c - kwaai pull: fetches a model into the store. */
#include "cli/commands.h"

#include "base/sha256.h"
#include "cli/interrupt.h"
#include "cli/net/fetch_progress.h"
#include "cli/net/home.h"
#include "hub/pull.h"
#include "hub/web_source.h"
#include "os/system.h"

#include <kwaai/kwaai.h>

#include <string.h>

typedef struct job {
    kw_cli *cli;
    kw_reference ref;
    kw_listing listing;
    kw_pull_config config;
    kw_fetch_line line;
    kw_json_writer json;
    uint64_t bytes, resumed; /* of all files */
} job;

static bool on_progress(void *user, const kw_listed *file, const kw_fetch_progress *progress)
{
    job *const j = user;
    kw_fetch_line_show(&j->line, file->name, progress);
    return !kw_interrupt_seen();
}

/* 64 hex digits, perhaps behind "sha256:". */
static kw_status parse_sha256(const char *text, uint8_t out[32], kw_error *err)
{
    const char *digits = strncmp(text, "sha256:", 7) == 0 ? text + 7 : text;
    uint8_t value[32] = {0};
    size_t n = 0;
    for (; n < 64 && digits[n]; n++) {
        const char c = (char)(digits[n] | 0x20);
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            break;
        value[n / 2] = (uint8_t)(value[n / 2] << 4 | digit);
    }
    if (n != 64 || digits[64])
        return kw_fail(err, KW_E_ARG, "--sha256 is \"%.80s\": 64 hexadecimal digits", text);
    memcpy(out, value, 32);
    return KW_OK;
}

/* The files that the name means. */
static kw_status list_files(job *j, kw_error *err)
{
    const kw_options *const o = &j->cli->parsed.options;
    if (j->ref.kind != KW_REF_URL)
        return kw_fail(err, KW_E_UNSUPPORTED, "only URLs can be pulled");
    kw_listed *file;
    KW_TRY(kw_listing_add(&j->listing, kw_str_from(j->ref.file), &file, err));
    memcpy(file->url, j->ref.url, sizeof(file->url));
    if (o->sha256) {
        KW_TRY(parse_sha256(o->sha256, file->sha256, err));
        file->has_sha256 = true;
    }
    return KW_OK;
}

static void tell_file(job *j, const kw_listed *file, const char *path, const kw_fetch_result *r,
                      bool there)
{
    char hex[65], size[16], shares[600];
    kw_sha256_hex(r->sha256, hex);
    if (!j->cli->parsed.options.json) {
        kw_cli_note(j->cli, "%s: %s, %s", file->name, kw_print_bytes(r->size, size),
                    there ? "already here"
                          : kw_print_shares(r->shares, r->n_shares, shares, sizeof(shares)));
        if (!there && !file->has_sha256 && !file->has_root)
            kw_cli_note(j->cli, "nothing said what its content must be; its SHA-256 is %s", hex);
        kw_out_printf(&j->cli->out, "%s\n", path);
        return;
    }
    kw_json_open(&j->json, NULL, '{');
    kw_json_puts(&j->json, "file", file->name);
    kw_json_puts(&j->json, "path", path);
    kw_json_int(&j->json, "size", (int64_t)r->size);
    kw_json_puts(&j->json, "sha256", hex);
    kw_json_bool(&j->json, "verified", file->has_sha256 || file->has_root);
    kw_json_bool(&j->json, "already_here", there);
    kw_json_int(&j->json, "resumed", (int64_t)r->resumed);
    kw_json_open(&j->json, "sources", '[');
    for (size_t i = 0; i < r->n_shares; i++) {
        kw_json_open(&j->json, NULL, '{');
        kw_json_puts(&j->json, "name", r->shares[i].name);
        kw_json_puts(&j->json, "from", r->shares[i].from);
        kw_json_int(&j->json, "bytes", (int64_t)r->shares[i].bytes);
        kw_json_int(&j->json, "bad_blocks", r->shares[i].n_bad);
        kw_json_int(&j->json, "failures", r->shares[i].n_failed + r->shares[i].n_stalled);
        kw_json_close(&j->json, '}');
    }
    kw_json_close(&j->json, ']');
    kw_json_close(&j->json, '}');
}

static kw_status pull_files(job *j, kw_error *err)
{
    kw_buf path = {0};
    kw_status status = KW_OK;
    for (size_t i = 0; i < j->listing.n && status == KW_OK; i++) {
        const kw_listed *const file = &j->listing.files[i];
        kw_fetch_result result;
        bool there;
        status = kw_pull_file(&j->config, j->ref.model, file, &path, &result, &there, err);
        kw_cli_progress_end(j->cli);
        if (status == KW_OK)
            tell_file(j, file, path.data, &result, there);
    }
    kw_buf_free(&path);
    return status;
}

static kw_status pull(job *j, kw_web *http, kw_error *err)
{
    kw_web_source web = {.http = http};
    const kw_source source = kw_web_source_make(&web);
    const kw_source *const sources[] = {&source};
    kw_system system;
    kw_system_query(&system);
    j->config.sources = sources;
    j->config.n_sources = 1;
    j->config.sha_extension = (system.features & KW_CPU_SHA) != 0;
    j->config.progress = on_progress;
    j->config.user = j;
    kw_status status = list_files(j, err);
    if (status == KW_OK)
        status = pull_files(j, err);
    j->config.sources = NULL;
    return status;
}

static kw_status open_and_pull(job *j, kw_error *err)
{
    const kw_options *const o = &j->cli->parsed.options;
    kw_home home;
    kw_web *http = NULL;
    if (o->limit_rate)
        KW_TRY(kw_parse_rate("limit-rate", o->limit_rate, &j->config.bytes_per_s, err));
    KW_TRY(kw_home_open(j->cli, true, &home, err));
    char agent[64];
    snprintf(agent, sizeof(agent), "kwaai/%s", kw_version());
    kw_status status = kw_web_open(agent, &http, err);
    if (status == KW_OK) {
        j->config.store = home.store;
        status = pull(j, http, err);
        kw_web_close(http);
    }
    kw_home_close(&home);
    kw_listing_free(&j->listing);
    return status;
}

static int run_pull(kw_cli *cli)
{
    kw_error err = {0};
    if (cli->parsed.n_args != 1)
        return kw_cli_usage(cli, "say what to fetch: kwaai pull NAME");
    job j = {.cli = cli, .line = {.cli = cli}, .json = {.out = &cli->out, .pretty = true}};
    kw_status status = kw_reference_parse(kw_str_from(cli->parsed.args[0]), &j.ref, &err);
    kw_interrupt_watch();
    if (status != KW_OK)
        return kw_cli_fail(cli, status, &err);
    if (cli->parsed.options.json)
        kw_json_open(&j.json, NULL, '[');
    status = open_and_pull(&j, &err);
    kw_cli_progress_end(cli);
    if (cli->parsed.options.json)
        kw_json_close(&j.json, ']');
    if (status == KW_OK)
        return KW_EXIT_OK;
    const int code = kw_cli_fail(cli, status, &err);
    if (status == KW_E_CANCELLED || status == KW_E_IO || status == KW_E_LIMIT)
        kw_cli_note(cli, "what has arrived is kept: the same command goes on from there");
    return code;
}

const kw_command kw_command_pull = {
    .name = "pull",
    .summary = "fetch a model into the store",
    .usage = "NAME",
    .description =
        "Fetches the file at a URL into ~/.kwaai/store (KWAAI_HOME/store), and prints where it is "
        "then.\n\n"
        "What arrives is written at its place in the file and noted in a journal, so that a pull "
        "which was interrupted in any way goes on when it is repeated. A file gets its name once "
        "its SHA-256 was compared with what is wanted, where that is known.",
    .examples = "  kwaai pull https://example.org/model.gguf --sha256 DIGEST\n",
    .choices = "",
    .max_args = 1,
    .run = run_pull,
};
