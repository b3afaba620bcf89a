/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_values.c - values by key, in one short array that is searched from end to end.
 *
 * Invariant: what is kept is valid, and the best that was offered. */
#include "net/kad_values.h"

#include "base/check.h"

#include <stdlib.h>

#define VALIDATORS 8

typedef struct entry {
    uint8_t *bytes; /* owned: the key, then the value */
    size_t key_len, value_len;
    uint64_t expires_ms;
} entry;

struct kw_kad_values {
    kw_kad_validator validators[VALIDATORS + 1];
    size_t n_validators, max_values, max_bytes;
    entry *entries; /* owned */
    size_t n, capacity, n_bytes;
};

/* "/pk/" and a peer id: the public key of that peer. */
static bool valid_public_key(void *user, kw_bytes key, kw_bytes value)
{
    (void)user;
    const kw_peer_id id = kw_peer_id_of(value);
    return key.len == 4U + id.len && memcmp(key.data + 4, id.bytes, id.len) == 0;
}

kw_status kw_kad_values_open(const kw_kad_values_config *config, kw_kad_values **out, kw_error *err)
{
    if (config->n_validators > VALIDATORS)
        return kw_fail(err, KW_E_LIMIT, "kad: %zu validators are above %d", config->n_validators,
                       VALIDATORS);
    kw_kad_values *values = calloc(1, sizeof *values);
    if (!values)
        return kw_fail(err, KW_E_NOMEM, "kad: no memory for values");
    for (size_t i = 0; i < config->n_validators; i++)
        values->validators[i] = config->validators[i];
    values->validators[config->n_validators] =
        (kw_kad_validator){.prefix = "/pk/", .valid = valid_public_key};
    values->n_validators = config->n_validators + 1;
    values->max_values = config->max_values ? config->max_values : 1024;
    values->max_bytes = config->max_bytes ? config->max_bytes : (size_t)16 << 20;
    *out = values;
    return KW_OK;
}

void kw_kad_values_free(kw_kad_values *values)
{
    if (!values)
        return;
    for (size_t i = 0; i < values->n; i++)
        free(values->entries[i].bytes);
    free(values->entries);
    free(values);
}

static const kw_kad_validator *validator_of(const kw_kad_values *values, kw_bytes key)
{
    for (size_t i = 0; i < values->n_validators; i++) {
        const size_t len = strlen(values->validators[i].prefix);
        if (key.len > len && memcmp(key.data, values->validators[i].prefix, len) == 0)
            return &values->validators[i];
    }
    return NULL;
}

bool kw_kad_values_valid(const kw_kad_values *values, kw_bytes key, kw_bytes value)
{
    const kw_kad_validator *validator = validator_of(values, key);
    return validator && key.len <= KW_KAD_KEY_MAX && value.len > 0 &&
           value.len <= KW_KAD_VALUE_MAX && validator->valid(validator->user, key, value);
}

bool kw_kad_values_better(const kw_kad_values *values, kw_bytes key, kw_bytes a, kw_bytes b)
{
    const kw_kad_validator *validator = validator_of(values, key);
    return validator && validator->better && validator->better(validator->user, key, a, b);
}

static kw_bytes key_of(const entry *e)
{
    return (kw_bytes){e->bytes, e->key_len};
}

static kw_bytes value_of(const entry *e)
{
    return (kw_bytes){e->bytes + e->key_len, e->value_len};
}

static bool equal(kw_bytes a, kw_bytes b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static entry *find(const kw_kad_values *values, kw_bytes key)
{
    for (size_t i = 0; i < values->n; i++) {
        if (equal(key_of(&values->entries[i]), key))
            return &values->entries[i];
    }
    return NULL;
}

static void remove_entry(kw_kad_values *values, entry *e)
{
    values->n_bytes -= e->key_len + e->value_len;
    free(e->bytes);
    *e = values->entries[--values->n];
}

static kw_status insert(kw_kad_values *values, kw_bytes key, kw_bytes value, uint64_t expires_ms,
                        kw_error *err)
{
    const size_t len = key.len + value.len; /* at most KW_KAD_KEY_MAX + KW_KAD_VALUE_MAX */
    if (values->n >= values->max_values || len > values->max_bytes - values->n_bytes)
        return kw_fail(err, KW_E_LIMIT,
                       "kad: %zu values of %zu bytes are kept, the limits are %zu "
                       "and %zu",
                       values->n, values->n_bytes, values->max_values, values->max_bytes);
    if (values->n == values->capacity) {
        const size_t capacity = values->capacity ? values->capacity * 2 : 16;
        entry *entries = realloc(values->entries, capacity * sizeof *entries);
        if (!entries)
            return kw_fail(err, KW_E_NOMEM, "kad: no memory for %zu values", capacity);
        values->entries = entries;
        values->capacity = capacity;
    }
    uint8_t *bytes = malloc(len);
    if (!bytes)
        return kw_fail(err, KW_E_NOMEM, "kad: no memory for a value of %zu bytes", value.len);
    memcpy(bytes, key.data, key.len);
    memcpy(bytes + key.len, value.data, value.len);
    values->entries[values->n++] = (entry){bytes, key.len, value.len, expires_ms};
    values->n_bytes += len;
    return KW_OK;
}

kw_status kw_kad_values_put(kw_kad_values *values, kw_bytes key, kw_bytes value,
                            uint64_t expires_ms, kw_error *err)
{
    if (!kw_kad_values_valid(values, key, value))
        return kw_fail(err, KW_E_FORMAT,
                       "kad: the value for \"%.*s\" is not valid, or nobody "
                       "knows its namespace",
                       KW_FMT(((kw_str){(const char *)key.data, key.len})));
    entry *known = find(values, key);
    if (known && equal(value_of(known), value)) {
        known->expires_ms = KW_MAX(known->expires_ms, expires_ms);
        return KW_OK;
    }
    if (known && !kw_kad_values_better(values, key, value, value_of(known)))
        return kw_fail(err, KW_E_LIMIT, "kad: a value at least as good is kept");
    const size_t at = known ? (size_t)(known - values->entries) : 0;
    KW_TRY(insert(values, key, value, expires_ms, err));
    if (known)
        remove_entry(values, &values->entries[at]);
    return KW_OK;
}

bool kw_kad_values_get(const kw_kad_values *values, kw_bytes key, uint64_t now_ms, kw_bytes *out)
{
    const entry *e = find(values, key);
    if (!e || e->expires_ms <= now_ms)
        return false;
    *out = value_of(e);
    return true;
}

void kw_kad_values_sweep(kw_kad_values *values, uint64_t now_ms)
{
    for (size_t i = values->n; i-- > 0;) {
        if (values->entries[i].expires_ms <= now_ms)
            remove_entry(values, &values->entries[i]);
    }
}
