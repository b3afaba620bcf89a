/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* metered_linux.c - one property of NetworkManager, read over D-Bus.
 *
 * Three messages are written, and of those that come back only the reply to the last is looked at:
 * a variant with a number. Whatever else comes is "unknown". Messages are little endian and of at
 * most REPLY_MAX bytes; a field that does not fit ends the reading.
 * Source: dbus.freedesktop.org, "D-Bus Specification"; NetworkManager's D-Bus interface, Metered.
 */
#include "os/metered.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/system.h"

#define ANSWER_NS UINT64_C(200000000)
#define NO_AUTO_START 2 /* a question starts nobody */
#define CALL_MAX 512
#define REPLY_MAX 4096
#define SERIAL_GET 2

enum { METHOD_CALL = 1, METHOD_RETURN = 2 };
enum {
    FIELD_PATH = 1,
    FIELD_INTERFACE = 2,
    FIELD_MEMBER = 3,
    FIELD_REPLY = 5,
    FIELD_TO = 6,
    FIELD_SIGNATURE = 8
};
enum { METERED_YES = 1, METERED_NO = 2, METERED_GUESS_YES = 3, METERED_GUESS_NO = 4 };

/* ---- writing ---- */

typedef struct writer {
    uint8_t data[CALL_MAX];
    size_t len;
} writer;

static void put_bytes(writer *w, const void *data, size_t n)
{
    memcpy(w->data + w->len, data, n); /* every text is a constant below: it fits */
    w->len += n;
}

static void put_u8(writer *w, uint8_t value)
{
    put_bytes(w, &value, 1);
}

static void put_at(writer *w, size_t at, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        w->data[at + i] = (uint8_t)(value >> (8 * i));
}

static void align(writer *w, size_t to)
{
    while (w->len % to)
        put_u8(w, 0);
}

static void put_u32(writer *w, uint32_t value)
{
    align(w, 4);
    w->len += 4;
    put_at(w, w->len - 4, value);
}

static void put_text(writer *w, const char *text)
{
    put_u32(w, (uint32_t)strlen(text));
    put_bytes(w, text, strlen(text) + 1);
}

static void put_field(writer *w, uint8_t field, const char *type, const char *text)
{
    align(w, 8);
    put_u8(w, field);
    put_u8(w, 1);
    put_bytes(w, type, 2);
    if (type[0] == 'g') {
        put_u8(w, (uint8_t)strlen(text));
        put_bytes(w, text, strlen(text) + 1);
    } else {
        put_text(w, text);
    }
}

typedef struct call {
    uint32_t serial;
    const char *to, *path, *interface, *member;
    const char *arguments[2]; /* strings; both or none */
} call;

static void put_call(writer *w, const call *c)
{
    *w = (writer){.len = 0};
    const uint8_t head[4] = {'l', METHOD_CALL, NO_AUTO_START, 1};
    put_bytes(w, head, sizeof head);
    put_u32(w, 0); /* of the body */
    put_u32(w, c->serial);
    put_u32(w, 0); /* of the fields */
    put_field(w, FIELD_PATH, "o", c->path);
    put_field(w, FIELD_INTERFACE, "s", c->interface);
    put_field(w, FIELD_MEMBER, "s", c->member);
    put_field(w, FIELD_TO, "s", c->to);
    if (c->arguments[0])
        put_field(w, FIELD_SIGNATURE, "g", "ss");
    put_at(w, 12, (uint32_t)(w->len - 16));
    align(w, 8);
    const size_t body = w->len;
    for (size_t i = 0; i < 2 && c->arguments[0]; i++)
        put_text(w, c->arguments[i]);
    put_at(w, 4, (uint32_t)(w->len - body));
}

/* ---- the socket ---- */

typedef struct bus {
    int fd;
    uint64_t until_ns;
} bus;

static bool wait_for(const bus *b, short what)
{
    const uint64_t now = kw_clock_ns();
    struct pollfd fd = {.fd = b->fd, .events = what};
    return now < b->until_ns && poll(&fd, 1, (int)((b->until_ns - now) / 1000000) + 1) == 1;
}

static bool send_all(const bus *b, const void *data, size_t n)
{
    const uint8_t *at = data;
    while (n > 0) {
        if (!wait_for(b, POLLOUT))
            return false;
        const ssize_t sent = send(b->fd, at, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

static bool receive_all(const bus *b, void *data, size_t n)
{
    uint8_t *at = data;
    while (n > 0) {
        if (!wait_for(b, POLLIN))
            return false;
        const ssize_t got = recv(b->fd, at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        n -= (size_t)got;
    }
    return true;
}

static bool open_bus(const char *path, bus *out)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof where.sun_path)
        return false;
    memcpy(where.sun_path, path, strlen(path) + 1);
    *out = (bus){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                 .until_ns = kw_clock_ns() + ANSWER_NS};
    if (out->fd < 0)
        return false;
    if (connect(out->fd, (const struct sockaddr *)&where, sizeof where) == 0)
        return true;
    close(out->fd);
    return false;
}

/* As the user that the kernel says we are; its answer is a line that begins with OK. */
static bool authenticate(const bus *b)
{
    char line[128], digits[32];
    const int n = snprintf(digits, sizeof digits, "%ld", (long)geteuid());
    size_t len = (size_t)snprintf(line, sizeof line, "%cAUTH EXTERNAL ", '\0');
    for (int i = 0; i < n; i++)
        len += (size_t)snprintf(line + len, sizeof line - len, "%02x", (unsigned)digits[i]);
    len += (size_t)snprintf(line + len, sizeof line - len, "\r\n");
    if (!send_all(b, line, len))
        return false;
    for (len = 0; len < sizeof line && (len == 0 || line[len - 1] != '\n'); len++)
        if (!receive_all(b, line + len, 1))
            return false;
    return len >= 3 && memcmp(line, "OK ", 3) == 0 && send_all(b, "BEGIN\r\n", 7);
}

/* ---- reading ---- */

static uint32_t get_u32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The field that says what is answered is a number: each field is padded to 8, its code, the
 * signature of its value ("u", "s", "o", "g"), and the value. */
static uint32_t reply_serial(const uint8_t *fields, size_t len)
{
    for (size_t at = 0; at + 8 <= len; at = (at + 7) & ~(size_t)7) {
        const uint8_t code = fields[at], type = fields[at + 2];
        const uint32_t value = get_u32(fields + at + 4);
        if (fields[at + 1] != 1)
            return 0;
        if (code == FIELD_REPLY && type == 'u')
            return value;
        if (type == 'u')
            at += 8;
        else if (type == 's' || type == 'o')
            at += value < len ? 8 + (size_t)value + 1 : len;
        else if (type == 'g')
            at += 4 + 1 + (size_t)fields[at + 4] + 1;
        else
            return 0;
    }
    return 0;
}

/* A message of the bus; false when it cannot be read. *body is in data, *type its kind. */
static bool receive(const bus *b, uint8_t data[REPLY_MAX], uint8_t *type, uint32_t *answers,
                    const uint8_t **body, size_t *len)
{
    uint8_t head[16];
    if (!receive_all(b, head, sizeof head) || head[0] != 'l')
        return false;
    const size_t n_body = get_u32(head + 4), n_fields = get_u32(head + 12);
    if (n_body > REPLY_MAX / 2 || n_fields > REPLY_MAX / 4)
        return false;
    const size_t padded = (n_fields + 7) & ~(size_t)7;
    if (!receive_all(b, data, padded + n_body))
        return false;
    *type = head[1];
    *answers = reply_serial(data, n_fields);
    *body = data + padded;
    *len = n_body;
    return true;
}

static kw_metered meaning(uint32_t value)
{
    if (value == METERED_YES || value == METERED_GUESS_YES)
        return KW_METERED_YES;
    return value == METERED_NO || value == METERED_GUESS_NO ? KW_METERED_NO : KW_METERED_UNKNOWN;
}

static kw_metered ask(const bus *b)
{
    static const call calls[] = {{1,
                                  "org.freedesktop.DBus",
                                  "/org/freedesktop/DBus",
                                  "org.freedesktop.DBus",
                                  "Hello",
                                  {NULL}},
                                 {SERIAL_GET,
                                  "org.freedesktop.NetworkManager",
                                  "/org/freedesktop/NetworkManager",
                                  "org.freedesktop.DBus.Properties",
                                  "Get",
                                  {"org.freedesktop.NetworkManager", "Metered"}}};
    uint8_t data[REPLY_MAX], type;
    uint32_t answers;
    const uint8_t *body;
    size_t len;
    writer w;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        put_call(&w, &calls[i]);
        if (!send_all(b, w.data, w.len))
            return KW_METERED_UNKNOWN;
    }
    while (receive(b, data, &type, &answers, &body, &len)) {
        if (answers != SERIAL_GET)
            continue;
        /* A variant: the length of its signature, the signature, its end, padding, the value. */
        return type == METHOD_RETURN && len == 8 && memcmp(body, "\1u", 3) == 0
                   ? meaning(get_u32(body + 4))
                   : KW_METERED_UNKNOWN;
    }
    return KW_METERED_UNKNOWN;
}

kw_metered kw_metered_read(const char *path)
{
    bus b;
    if (!open_bus(path, &b))
        return KW_METERED_UNKNOWN;
    const kw_metered metered = authenticate(&b) ? ask(&b) : KW_METERED_UNKNOWN;
    close(b.fd);
    return metered;
}
