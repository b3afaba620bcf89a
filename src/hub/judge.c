/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* judge.c - whether a model's manifest may be believed, and why. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "hub/trust.h"

/* ---- patterns ---- */

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* "*" is any text, "/" too. Goes back to the last star only, so it takes |pattern| * |text| at
 * most. */
static bool matches(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (fold(*pattern) == fold(*text)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static const kw_trust_rule *rule_of(const kw_trust *trust, const char *model)
{
    for (size_t i = 0; i < trust->n_rules; i++)
        if (matches(trust->rules[i].pattern, model))
            return &trust->rules[i];
    return NULL;
}

kw_policy kw_trust_policy(const kw_trust *trust, const char *model)
{
    const kw_trust_rule *const rule = rule_of(trust, model);
    return rule ? rule->policy : KW_POLICY_WARN;
}

const kw_trust_key *kw_trust_find(const kw_trust *trust, const uint8_t id[KW_KEY_ID_LEN])
{
    for (size_t i = 0; i < trust->n_keys; i++)
        if (memcmp(trust->keys[i].key.id, id, KW_KEY_ID_LEN) == 0)
            return &trust->keys[i];
    return NULL;
}

static bool may_sign(const kw_trust_rule *rule, const kw_trust_key *key)
{
    if (!rule || rule->n_keys == 0)
        return true;
    for (size_t i = 0; i < rule->n_keys; i++)
        if (strcmp(rule->keys[i], key->name) == 0)
            return true;
    return false;
}

bool kw_trust_names(const kw_trust *trust, const kw_trust_key *key, const char *model, bool *named)
{
    bool any = false, fits = false;
    for (size_t i = 0; i < trust->n_rules; i++) {
        const kw_trust_rule *const rule = &trust->rules[i];
        if (rule->n_keys == 0 || !may_sign(rule, key))
            continue;
        any = true;
        fits = fits || matches(rule->pattern, model);
    }
    if (named)
        *named = any;
    return fits;
}

/* ---- trusted comments ---- */

void kw_trust_comment(const char *model, uint64_t version, int64_t timestamp, kw_buf *out)
{
    kw_buf_printf(out, "model:%s\tversion:%llu\ttimestamp:%lld", model, (unsigned long long)version,
                  (long long)timestamp);
}

kw_str kw_trust_field(const char *comment, const char *field)
{
    const size_t n = strlen(field);
    for (const char *at = comment; at;) {
        const char *const tab = strchr(at, '\t');
        if (strncmp(at, field, n) == 0 && at[n] == ':') {
            const char *const value = at + n + 1;
            return (kw_str){value, tab ? (size_t)(tab - value) : strlen(value)};
        }
        at = tab ? tab + 1 : NULL;
    }
    return (kw_str){0};
}

/* false: a version that is no number of at most 18 digits. None is 0. */
static bool version_of(const char *comment, uint64_t *out)
{
    const kw_str text = kw_trust_field(comment, "version");
    *out = 0;
    if (!text.data)
        return true;
    if (text.len == 0 || text.len > 18)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *out = *out * 10 + (uint64_t)(text.data[i] - '0');
    }
    return true;
}

/* ---- judging ---- */

static void say(kw_judgement *out, kw_trust_reason reason, const char *fmt, ...) KW_PRINTF(3, 4);

static void say(kw_judgement *out, kw_trust_reason reason, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(out->why, sizeof out->why, fmt, args);
    va_end(args);
    out->reason = reason;
}

/* The signature is good: is the manifest of this model, and not an old one? */
static void judge_content(const kw_signed *what, const kw_signature *signature,
                          const kw_trust_key *key, kw_judgement *out)
{
    kw_manifest manifest;
    kw_error err = {0};
    if (kw_manifest_get(what->manifest, &manifest, &err) != KW_OK) {
        say(out, KW_TRUST_BAD, "%s", err.message);
        return;
    }
    const kw_str named = kw_trust_field(signature->trusted, "model");
    if (!what->model || !kw_str_is(kw_str_from(manifest.model), what->model) ||
        (named.data && !kw_str_is(named, what->model)))
        say(out, KW_TRUST_OTHER_MODEL, "what %s signed is %.100s, not %.100s", key->name,
            manifest.model, what->model);
    else if (!version_of(signature->trusted, &out->version))
        say(out, KW_TRUST_BAD, "the version in the signature is no number");
    else if (out->version < what->seen)
        say(out, KW_TRUST_OLDER, "%s signed version %llu, and version %llu was here before",
            key->name, (unsigned long long)out->version, (unsigned long long)what->seen);
    else
        say(out, KW_TRUST_GOOD, "signed by %s (key %s)", key->name, out->key_id);
    kw_manifest_free(&manifest);
}

static void judge_signature(const kw_trust *trust, const kw_trust_rule *rule, const kw_signed *what,
                            kw_judgement *out)
{
    kw_signature signature;
    kw_error err = {0};
    const kw_bytes message = {(const uint8_t *)what->manifest.data, what->manifest.len};
    if (kw_signature_get(what->signature, &signature, &err) != KW_OK) {
        say(out, KW_TRUST_BAD, "%s", err.message);
        return;
    }
    kw_key_id_text(signature.id, out->key_id);
    const kw_trust_key *const key = kw_trust_find(trust, signature.id);
    if (!key)
        say(out, KW_TRUST_UNKNOWN_KEY, "signed with key %s, which the trust file does not have",
            out->key_id);
    else if (kw_signature_verify(&signature, &key->key, message, &err) != KW_OK)
        say(out, KW_TRUST_BAD, "%s", err.message);
    else if (!may_sign(rule, key))
        say(out, KW_TRUST_OTHER_KEY, "signed by %.100s, who may not sign %.100s", key->name,
            what->model);
    else
        judge_content(what, &signature, key, out);
}

static bool accepts(kw_policy policy, kw_trust_reason reason)
{
    switch (reason) {
    case KW_TRUST_GOOD:
    case KW_TRUST_NOT_ASKED:
        return true;
    case KW_TRUST_UNSIGNED:
    case KW_TRUST_UNKNOWN_KEY:
    case KW_TRUST_OTHER_KEY:
        return policy == KW_POLICY_WARN;
    case KW_TRUST_BAD:
    case KW_TRUST_OTHER_MODEL:
    case KW_TRUST_OLDER:
        break;
    }
    return false;
}

void kw_trust_judge(const kw_trust *trust, const kw_signed *what, kw_judgement *out)
{
    const kw_trust_rule *const rule = rule_of(trust, what->model);
    *out = (kw_judgement){.policy = kw_trust_policy(trust, what->model)};
    if (out->policy == KW_POLICY_OFF)
        say(out, KW_TRUST_NOT_ASKED, "the policy for %.100s is off", what->model);
    else if (what->manifest.len == 0 || what->signature.len == 0)
        say(out, KW_TRUST_UNSIGNED, "%.100s is not signed", what->model);
    else
        judge_signature(trust, rule, what, out);
    out->accepted = accepts(out->policy, out->reason);
}
