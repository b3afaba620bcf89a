/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* publisher.c - the key with which this user signs models. It is made once, readable by its owner
 * alone, and never replaced. */
#include "cli/net/trusted.h"

#include "crypto/crypto.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Writes a file that is not there yet. */
static kw_status write_new(const char *path, const kw_buf *text, mode_t mode, kw_error *err)
{
    KW_TRY(kw_buf_status(text, err));
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return kw_fail(err, KW_E_IO, "%s: cannot make it: %s", path, strerror(errno));
    const bool whole = write(fd, text->data, text->len) == (ssize_t)text->len && fsync(fd) == 0;
    const int number = errno;
    if (close(fd) == 0 && whole)
        return KW_OK;
    (void)unlink(path);
    return kw_fail(err, KW_E_IO, "%s: cannot write it: %s", path, strerror(number));
}

static kw_status write_keys(const char *path, const char *public_path, const kw_secret_key *key,
                            kw_error *err)
{
    const kw_public_key half = kw_secret_key_public(key);
    kw_buf secret_text = {0}, public_text = {0};
    kw_secret_key_put(key, &secret_text);
    kw_public_key_put(&half, &public_text);
    kw_status status = write_new(path, &secret_text, 0600, err);
    if (status == KW_OK)
        status = write_new(public_path, &public_text, 0644, err);
    if (secret_text.data)
        kw_crypto_wipe(secret_text.data, secret_text.len);
    kw_buf_free(&secret_text);
    kw_buf_free(&public_text);
    return status;
}

static kw_status make_key(kw_cli *cli, const kw_home *home, const char *path, kw_secret_key *out,
                          kw_error *err)
{
    char *const public_path = kw_home_join(home->dir, "publisher.pub");
    kw_buf line = {0};
    if (!public_path)
        return kw_fail(err, KW_E_NOMEM, "no memory for a path");
    kw_status status = kw_secret_key_new(out, err);
    if (status == KW_OK)
        status = write_keys(path, public_path, out, err);
    if (status == KW_OK) {
        const kw_public_key half = kw_secret_key_public(out);
        kw_public_key_put_line(&half, &line);
        kw_cli_note(cli, "made a publisher's key, which signs your models: %s", path);
        kw_cli_note(cli,
                    "keep a copy of it where nobody else reads it; others trust you by this line "
                    "in ~/.kwaai/trust.conf:");
        kw_cli_note(cli, "  key NAME %s", line.data ? line.data : "");
    }
    kw_buf_free(&line);
    free(public_path);
    return status;
}

static kw_status read_key(kw_cli *cli, const char *path, kw_secret_key *out, kw_error *err)
{
    char *text;
    size_t len;
    bool locked;
    KW_TRY(kw_cli_read_text(path, KW_MINISIGN_FILE_MAX, &text, &len, err));
    const kw_status status =
        kw_secret_key_get((kw_str){text, len}, cli->env("KWAAI_KEY_PASSWORD"), out, &locked, err);
    kw_crypto_wipe(text, len);
    free(text);
    if (status == KW_E_ARG && locked && !cli->env("KWAAI_KEY_PASSWORD"))
        kw_cli_hint(cli, "KWAAI_KEY_PASSWORD holds the password of %s", path);
    return status;
}

kw_status kw_cli_publisher(kw_cli *cli, const kw_home *home, const char *path, bool make,
                           kw_secret_key *out, kw_error *err)
{
    if (path)
        return read_key(cli, path, out, err);
    char *const own = kw_home_join(home->dir, "publisher.key");
    if (!own)
        return kw_fail(err, KW_E_NOMEM, "no memory for a path");
    kw_status status;
    if (kw_file_exists(own))
        status = read_key(cli, own, out, err);
    else if (make)
        status = make_key(cli, home, own, out, err);
    else
        status = kw_fail(err, KW_E_NOTFOUND,
                         "there is no publisher's key yet: kwaai sign "
                         "--generate makes one");
    free(own);
    return status;
}
