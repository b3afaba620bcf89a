/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* owner_posix.c - the key file and the socket of a node. See owner.h. */
#include "cli/net/owner.h"

#include "net/psk.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define REPLY_MAX ((size_t)16 << 20)

/* ---- the key ------------------------------------------------------------------------------- */

/* A new file for its owner's eyes only; the buffer is emptied whatever happens. */
static kw_status write_secret(const char *path, kw_buf *secret, kw_error *err)
{
    kw_status status = kw_buf_status(secret, err);
    if (status != KW_OK) {
        kw_buf_free(secret);
        return status;
    }
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, secret->data, secret->len) != (ssize_t)secret->len || fsync(fd) != 0)
        status = kw_fail(err, KW_E_IO, "%s: %s", path, strerror(errno));
    if (fd >= 0 && close(fd) != 0 && status == KW_OK)
        status = kw_fail(err, KW_E_IO, "%s: %s", path, strerror(errno));
    if (fd >= 0 && status != KW_OK)
        unlink(path);
    memset(secret->data, 0, secret->len);
    kw_buf_free(secret);
    return status;
}

static kw_status write_key(const char *path, const kw_identity *identity, kw_error *err)
{
    kw_buf key = {0};
    kw_identity_put(identity, &key);
    return write_secret(path, &key, err);
}

static kw_status new_certificate(const char *path, kw_certificate **out, kw_error *err)
{
    kw_buf pem = {0};
    KW_TRY(kw_certificate_new(out, err));
    kw_status status = kw_certificate_write(*out, &pem, err);
    if (status == KW_OK)
        status = write_secret(path, &pem, err);
    if (status != KW_OK)
        kw_certificate_free(*out);
    return status;
}

kw_status kw_owner_certificate(const char *dir, kw_certificate **out, kw_error *err)
{
    char *path = kw_home_join(dir, "webrtc.pem");
    if (!path)
        return kw_fail(err, KW_E_NOMEM, "no memory for a path");
    kw_status status;
    kw_map map;
    if (!kw_file_exists(path)) {
        status = new_certificate(path, out, err);
    } else if ((status = kw_map_open(path, true, &map, err)) == KW_OK) {
        kw_error why;
        status = kw_certificate_read((kw_bytes){map.data, map.len}, out, &why);
        kw_map_close(&map);
        if (status != KW_OK)
            status = kw_fail(err, status, "%s: %s", path, why.message);
    }
    free(path);
    return status;
}

kw_status kw_owner_identity(const char *dir, bool make, kw_identity *out, kw_error *err)
{
    char *path = kw_home_join(dir, "identity.key");
    if (!path)
        return kw_fail(err, KW_E_NOMEM, "no memory for a path");
    kw_status status;
    if (!kw_file_exists(path) && make) {
        status = kw_identity_new(out, err);
        if (status == KW_OK)
            status = write_key(path, out, err);
    } else {
        kw_map map;
        status = kw_map_open(path, true, &map, err);
        if (status == KW_OK) {
            status = kw_identity_get((kw_bytes){map.data, map.len}, out, err);
            kw_map_close(&map);
        }
    }
    free(path);
    return status;
}

kw_status kw_owner_network(const char *dir, uint8_t key[32], const uint8_t **out, kw_error *err)
{
    *out = NULL;
    char *path = kw_home_join(dir, "swarm.key");
    if (!path)
        return dir ? kw_fail(err, KW_E_NOMEM, "no memory for a path") : KW_OK;
    kw_status status = KW_OK;
    kw_map map;
    if (kw_file_exists(path) && (status = kw_map_open(path, true, &map, err)) == KW_OK) {
        kw_error why;
        status = kw_psk_parse((kw_str){(const char *)map.data, map.len}, key, &why);
        kw_map_close(&map);
        if (status == KW_OK)
            *out = key;
        else
            status = kw_fail(err, status, "%s/%s", dir, why.message);
    }
    free(path);
    return status;
}

kw_status kw_cli_parse_addr(const char *text, kw_multiaddr *out, kw_error *err)
{
    kw_error why;
    const kw_status status = kw_multiaddr_parse(kw_str_from(text), out, &why);
    return status == KW_OK ? KW_OK : kw_fail(err, KW_E_ARG, "%s", why.message);
}

/* ---- the socket ---------------------------------------------------------------------------- */

static kw_status address_of(const char *dir, struct sockaddr_un *out, kw_error *err)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    const int len = snprintf(out->sun_path, sizeof out->sun_path, "%s/node.sock", dir);
    if (len < 0 || (size_t)len >= sizeof out->sun_path)
        return kw_fail(err, KW_E_LIMIT,
                       "%s/node.sock: a path of %d bytes is too long for a socket (at most %zu)",
                       dir, len, sizeof out->sun_path - 1);
    return KW_OK;
}

kw_status kw_owner_connect(const char *dir, int *out, kw_error *err)
{
    struct sockaddr_un address;
    KW_TRY(address_of(dir, &address, err));
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return kw_fail(err, KW_E_IO, "a socket: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) {
        *out = fd;
        return KW_OK;
    }
    const int code = errno;
    close(fd);
    if (code == ENOENT || code == ECONNREFUSED)
        return kw_fail(err, KW_E_NOTFOUND, "no node runs here (%s does not answer)",
                       address.sun_path);
    return kw_fail(err, KW_E_IO, "%s: %s", address.sun_path, strerror(code));
}

void kw_owner_disconnect(int node)
{
    close(node);
}

void kw_owner_pause(int ms)
{
    (void)poll(NULL, 0, ms);
}

kw_status kw_owner_ask(int node, const char *words, int timeout_ms, kw_buf *reply, kw_error *err)
{
    kw_buf line = {0};
    kw_buf_printf(&line, "%s\n", words);
    kw_status status = kw_buf_status(&line, err);
    if (status == KW_OK && send(node, line.data, line.len, MSG_NOSIGNAL) != (ssize_t)line.len)
        status = kw_fail(err, KW_E_IO, "the node does not listen: %s", strerror(errno));
    kw_buf_free(&line);
    while (status == KW_OK) {
        char piece[4096];
        struct pollfd wait = {.fd = node, .events = POLLIN};
        const int ready = poll(&wait, 1, timeout_ms);
        const ssize_t n = ready > 0 ? recv(node, piece, sizeof piece, 0) : 0;
        if (n <= 0) {
            if (ready < 0 && errno == EINTR)
                return kw_fail(err, KW_E_CANCELLED, "interrupted");
            return kw_fail(err, KW_E_IO,
                           ready == 0 ? "the node does not answer" : "the node went away");
        }
        const bool whole = piece[n - 1] == '\n';
        kw_buf_add(reply, piece, (size_t)n - whole);
        status = kw_buf_status(reply, err);
        if (whole)
            return status;
        if (reply->len > REPLY_MAX)
            return kw_fail(err, KW_E_LIMIT, "the node answers more than %zu bytes", REPLY_MAX);
    }
    return status;
}

kw_status kw_owner_socket(const char *dir, char **out, kw_error *err)
{
    struct sockaddr_un address;
    int node;
    KW_TRY(address_of(dir, &address, err));
    const kw_status status = kw_owner_connect(dir, &node, err);
    if (status == KW_OK) {
        kw_owner_disconnect(node);
        return kw_fail(err, KW_E_LIMIT, "a node runs here already (%s answers)", address.sun_path);
    }
    if (status != KW_E_NOTFOUND)
        return status;
    if (unlink(address.sun_path) != 0 && errno != ENOENT)
        return kw_fail(err, KW_E_IO, "%s: %s", address.sun_path, strerror(errno));
    *out = strdup(address.sun_path);
    return *out ? KW_OK : kw_fail(err, KW_E_NOMEM, "no memory for a path");
}
