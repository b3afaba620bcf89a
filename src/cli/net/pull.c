/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pull.c - kwaai pull: fetches a model into the store. */
#include "cli/commands.h"

#include "base/sha256.h"
#include "cli/interrupt.h"
#include "cli/net/fetch_progress.h"
#include "cli/net/pull_job.h"

#include <string.h>

typedef struct job {
    kw_cli *cli;
    kw_pull_job pull;
    kw_fetch_line line;
    kw_json_writer json;
    bool arrived; /* something of a file that is not whole */
} job;

static bool on_progress(void *user, const kw_listed *file, const kw_fetch_progress *progress)
{
    job *const j = user;
    kw_fetch_line_show(&j->line, file->name, progress);
    j->arrived = progress->bytes > 0;
    return !kw_interrupt_seen();
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
        if (!there)
            kw_note_unknown(j->cli, file, r);
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

/* Without a network: what the name means in the index. */
static kw_status pull_offline(job *j, kw_error *err)
{
    char name[2 * KW_REF_NAME_MAX + 2];
    kw_found found;
    kw_pull_job_name(&j->pull, name);
    KW_TRY(kw_cli_find(j->pull.index, name, &found, err));
    for (size_t i = 0; i < found.n; i++) {
        const kw_index_row *const row = &found.rows[i];
        kw_listed file = {.has_sha256 = row->hashed};
        kw_fetch_result result = {.size = row->state.size};
        snprintf(file.name, sizeof(file.name), "%s", row->file);
        memcpy(result.sha256, row->sha256, 32);
        tell_file(j, &file, row->path, &result, true);
    }
    kw_found_free(&found);
    return KW_OK;
}

static kw_status pull_file(job *j, const kw_listed *file, kw_buf *path, kw_error *err)
{
    kw_fetch_result result = {0};
    bool there;
    KW_TRY(kw_pull_job_find(&j->pull, file, path, &result, &there, err));
    if (!there)
        KW_TRY(kw_pull_job_fetch(&j->pull, file, path, &result, &there, err));
    kw_cli_progress_end(j->cli);
    tell_file(j, file, path->data, &result, there);
    return KW_OK;
}

static kw_status pull_online(job *j, kw_error *err)
{
    kw_buf path = {0};
    j->pull.config.progress = on_progress;
    j->pull.config.user = j;
    kw_status status = kw_pull_job_list(&j->pull, err);
    for (size_t i = 0; status == KW_OK && i < j->pull.listing.n; i++)
        status = pull_file(j, &j->pull.listing.files[i], &path, err);
    kw_buf_free(&path);
    return status == KW_OK ? kw_pull_job_record(&j->pull, err) : status;
}

static int run_pull(kw_cli *cli)
{
    kw_error err = {0};
    if (cli->parsed.n_args != 1)
        return kw_cli_usage(cli, "say what to fetch: kwaai pull NAME");
    job j = {.cli = cli, .line = {.cli = cli}, .json = {.out = &cli->out, .pretty = true}};
    kw_interrupt_watch();
    kw_status status = kw_pull_job_open(cli, cli->parsed.args[0], &j.pull, &err);
    const bool usage = status == KW_E_ARG; /* nothing was begun */
    if (cli->parsed.options.json && !usage)
        kw_json_open(&j.json, NULL, '[');
    if (status == KW_OK)
        status = j.pull.web ? pull_online(&j, &err) : pull_offline(&j, &err);
    kw_pull_job_close(&j.pull);
    kw_cli_progress_end(cli);
    if (cli->parsed.options.json && !usage)
        kw_json_close(&j.json, ']');
    if (status == KW_OK)
        return KW_EXIT_OK;
    const int code = kw_cli_fail(cli, status, &err);
    if (j.arrived && (status == KW_E_CANCELLED || status == KW_E_IO || status == KW_E_LIMIT))
        kw_cli_note(cli, "what has arrived is kept: the same command goes on from there");
    return code;
}

const kw_command kw_command_pull = {
    .name = "pull",
    .summary = "fetch a model into the store",
    .usage = "NAME",
    .description =
        "Fetches a model into ~/.kwaai/store (KWAAI_HOME/store), and prints where its files are "
        "then. NAME is one of\n\n"
        "ORG/NAME[:FILE or QUANTISATION] of Hugging Face, also as hf.co/... or the address of its "
        "page. Without a file: the usual quantisation of GGUF files, or what a directory of "
        "safetensors needs. HF_TOKEN is sent to its site alone; HF_ENDPOINT names another site.\n\n"
        "ollama.com/NAME[:TAG] of Ollama's registry.\n\n"
        "With --from peers alone, ORG/NAME is asked of other nodes: what they have of it is the "
        "signed list that its publisher made (kwaai publish), and the trust file says whose is "
        "accepted.\n\n"
        "ipfs://CID[/FILE], from other nodes and from trustless gateways; every block is verified "
        "here. Nodes are found at the addresses of --peer, on the local network, in the DHT and by "
        "the routers of --router. While kwaai node start runs here, that node fetches it, and "
        "shares what has arrived.\n\n"
        "A URL of http or https.\n\n"
        "What a store of this machine has already, by its SHA-256, is used where it is. What "
        "arrives "
        "is written at its place in the file and noted in a journal, so that a pull which was "
        "interrupted in any way goes on when it is repeated. A file gets its name once its SHA-256 "
        "was compared with what is wanted, where that is known.",
    .examples = "  kwaai pull hf.co/org/name:Q4_K_M\n"
                "  kwaai pull ollama.com/library/name:8b\n"
                "  kwaai pull ipfs://CID --from peers\n"
                "  kwaai pull org/name --from peers\n"
                "  kwaai pull https://example.org/model.gguf --sha256 DIGEST\n",
    .choices = "",
    .max_args = 1,
    .run = run_pull,
};
