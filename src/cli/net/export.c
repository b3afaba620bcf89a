/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* export.c - kwaai export: a model as one archive of blocks (CAR), for machines without a network.
 *
 * The root is a directory of the files, so that whoever has the archive can check all of it against
 * one name, which is printed. Leaves are written from the mapped files. */
#include "cli/commands.h"

#include "cli/interrupt.h"
#include "cli/net/home.h"
#include "os/file.h"
#include "wire/car.h"
#include "wire/unixfs.h"

#include <stdlib.h>
#include <string.h>

typedef struct exporting {
    kw_cli *cli;
    kw_home home;
    kw_index *index;
    kw_found found;
    kw_unixfs_entry *entries;  /* owned, ascending by name */
    const kw_index_row **rows; /* owned, in the order of entries */
    kw_file_writer *writer;
    uint64_t bytes, total;
} exporting;

static kw_status write_bytes(exporting *e, const void *data, size_t len, kw_error *err)
{
    e->bytes += len;
    return kw_file_write(e->writer, data, len, err);
}

static kw_status write_block(exporting *e, const kw_cid *cid, kw_bytes block, kw_error *err)
{
    uint8_t prefix[KW_CAR_PREFIX_MAX];
    const size_t n = kw_car_prefix(cid, block.len, prefix);
    KW_TRY(write_bytes(e, prefix, n, err));
    return write_bytes(e, block.data, block.len, err);
}

/* kw_unixfs_config.parent */
static kw_status on_parent(void *user, const kw_cid *cid, kw_bytes block, kw_error *err)
{
    return write_block(user, cid, block, err);
}

static kw_status write_leaf(exporting *e, const kw_map *map, const uint8_t digest[32], uint64_t n,
                            kw_error *err)
{
    const kw_cid cid = kw_cid_of_sha256(KW_CODEC_RAW, digest);
    const size_t from = (size_t)n * KW_UNIXFS_LEAF_BYTES;
    const size_t left = map->len - from;
    const kw_bytes block = {map->len ? map->data + from : NULL, /* an empty file has no map */
                            left < KW_UNIXFS_LEAF_BYTES ? left : KW_UNIXFS_LEAF_BYTES};
    char done[16], all[16];
    if (kw_interrupt_seen())
        return kw_fail(err, KW_E_CANCELLED, "export: interrupted");
    kw_cli_progress(e->cli, "%s of %s", kw_print_bytes(e->bytes, done),
                    kw_print_bytes(e->total, all));
    return write_block(e, &cid, block, err);
}

/* Builds the tree of a file from its digests; with a map its blocks are written, too. */
static kw_status walk_file(exporting *e, const kw_index_row *row, const kw_map *map,
                           kw_unixfs_entry *entry, kw_error *err)
{
    uint8_t(*leaves)[32];
    size_t n;
    kw_unixfs_builder *builder;
    const kw_unixfs_config config = {.parent = map ? on_parent : NULL, .user = e};
    KW_TRY(kw_index_leaves(e->index, row->id, &leaves, &n, err));
    kw_status status = kw_unixfs_open(&config, &builder, err);
    for (size_t i = 0; status == KW_OK && i < n; i++) {
        const uint64_t left = row->state.size - i * KW_UNIXFS_LEAF_BYTES;
        const size_t len =
            left < KW_UNIXFS_LEAF_BYTES ? (size_t)left : (size_t)KW_UNIXFS_LEAF_BYTES;
        if (map)
            status = write_leaf(e, map, leaves[i], i, err);
        if (status == KW_OK)
            status = kw_unixfs_leaf(builder, leaves[i], len, err);
        if (status != KW_OK)
            kw_unixfs_free(builder);
    }
    free(leaves);
    KW_TRY(status);
    entry->name = kw_str_from(row->file);
    status = kw_unixfs_finish(builder, &entry->cid, &entry->total, err);
    kw_unixfs_free(builder);
    return status;
}

static int by_name(const void *a, const void *b)
{
    const kw_index_row *const *const x = a, *const *const y = b;
    return strcmp((*x)->file, (*y)->file);
}

/* Hashes what was not, and names every file. */
static kw_status name_files(exporting *e, kw_error *err)
{
    const size_t n = e->found.n;
    e->entries = calloc(n, sizeof *e->entries);
    e->rows = calloc(n, sizeof *e->rows);
    if (!e->entries || !e->rows)
        return kw_fail(err, KW_E_NOMEM, "export: no memory for %zu files", n);
    for (size_t i = 0; i < n; i++) {
        e->rows[i] = &e->found.rows[i];
        if (strchr(e->rows[i]->file, '/'))
            return kw_fail(err, KW_E_UNSUPPORTED, "export: %.100s lies in a directory below",
                           e->rows[i]->file);
        KW_TRY(kw_cli_hash(e->cli, e->index, e->rows[i], false, NULL, err));
    }
    qsort(e->rows, n, sizeof *e->rows, by_name);
    for (size_t i = 0; i < n; i++) {
        KW_TRY(walk_file(e, e->rows[i], NULL, &e->entries[i], err));
        e->total += e->entries[i].total;
    }
    return KW_OK;
}

static kw_status write_file(exporting *e, size_t i, kw_error *err)
{
    kw_map map;
    kw_unixfs_entry again;
    KW_TRY(kw_map_open(e->rows[i]->path, false, &map, err));
    kw_status status = KW_OK;
    if (map.len != e->rows[i]->state.size)
        status = kw_fail(err, KW_E_IO, "export: %.100s changes meanwhile", e->rows[i]->path);
    if (status == KW_OK)
        status = walk_file(e, e->rows[i], &map, &again, err);
    kw_map_close(&map);
    return status;
}

static kw_status write_archive(exporting *e, kw_cid *root, kw_error *err)
{
    kw_buf directory = {0}, header = {0};
    kw_status status = kw_unixfs_directory(e->entries, e->found.n, &directory, NULL, err);
    const kw_bytes block = {(const uint8_t *)directory.data, directory.len};
    if (status == KW_OK) {
        *root = kw_cid_of(KW_CODEC_DAG_PB, block, NULL);
        kw_car_put_header(&header, root, 1);
        status = kw_buf_status(&header, err);
    }
    if (status == KW_OK)
        status = write_bytes(e, header.data, header.len, err);
    if (status == KW_OK)
        status = write_block(e, root, block, err);
    for (size_t i = 0; status == KW_OK && i < e->found.n; i++)
        status = write_file(e, i, err);
    kw_buf_free(&directory);
    kw_buf_free(&header);
    return status;
}

static kw_status export_model(exporting *e, const char *path, kw_error *err)
{
    kw_cid root;
    char text[KW_CID_TEXT_MAX], size[16];
    KW_TRY(kw_cli_find(e->index, e->cli->parsed.args[0], &e->found, err));
    KW_TRY(name_files(e, err));
    KW_TRY(kw_file_create(path, &e->writer, err));
    const kw_status status = write_archive(e, &root, err);
    kw_cli_progress_end(e->cli);
    const kw_status end = kw_file_finish(e->writer, status == KW_OK, err);
    KW_TRY(status);
    KW_TRY(end);
    kw_cid_text(&root, text);
    kw_cli_note(e->cli, "wrote %s: %zu file%s, %s", path, e->found.n, e->found.n == 1 ? "" : "s",
                kw_print_bytes(e->bytes, size));
    kw_out_printf(&e->cli->out, "%s\n", text);
    return KW_OK;
}

static int run_export(kw_cli *cli)
{
    kw_error err = {0};
    exporting e = {.cli = cli};
    if (cli->parsed.n_args != 2)
        return kw_cli_usage(cli, "say which model, and where to: kwaai export NAME FILE.car");
    kw_interrupt_watch();
    kw_status status = kw_home_open(cli, true, &e.home, &err);
    if (status == KW_OK)
        status = kw_cli_open_index(&e.home, &e.index, &err);
    if (status == KW_OK)
        status = export_model(&e, cli->parsed.args[1], &err);
    free(e.entries);
    free(e.rows);
    kw_found_free(&e.found);
    if (e.index)
        kw_index_close(e.index);
    kw_home_close(&e.home);
    return status == KW_OK ? KW_EXIT_OK : kw_cli_fail(cli, status, &err);
}

const kw_command kw_command_export = {
    .name = "export",
    .summary = "write a model as an archive for machines without a network",
    .usage = "NAME FILE.car",
    .description =
        "Writes the files of a model that is here (kwaai list) as one archive of blocks "
        "(CAR), which kwaai import and the programs of IPFS read. Prints the name of its "
        "content: the CID of the directory of the files.",
    .examples = "  kwaai export org/name model.car\n",
    .max_args = 2,
    .run = run_export,
};
