/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* trust.h - whose models are accepted: publishers' keys, and a policy for each pattern of names.
 *
 *   # a comment
 *   key alice RWQ...                    a publisher's minisign key, by the name we call it
 *   policy alice* enforce alice         only what alice signed
 *   policy * warn                       the rest: said, but used
 *
 * The first policy whose pattern matches a model's name counts ("*" is any text); without one it is
 * warn. `off` looks at nothing; `warn` accepts what is not signed, or by a key that is not known,
 * and says so; `enforce` wants a good signature by one of the keys it names (by any known key when
 * it names none). A signature that is there and wrong is refused by warn, too. */
#ifndef KW_HUB_TRUST_H
#define KW_HUB_TRUST_H

#include "base/arena.h"
#include "hub/manifest.h"
#include "hub/minisign.h"

#define KW_TRUST_FILE_MAX ((size_t)1 << 20)
#define KW_TRUST_ROWS ((size_t)4096) /* keys, and policies */

typedef enum kw_policy { KW_POLICY_OFF, KW_POLICY_WARN, KW_POLICY_ENFORCE } kw_policy;
const char *kw_policy_name(kw_policy policy);

typedef struct kw_trust_key {
    const char *name;
    kw_public_key key;
} kw_trust_key;

typedef struct kw_trust_rule {
    const char *pattern;
    kw_policy policy;
    const char **keys; /* [n_keys] names; none: any key of the file */
    size_t n_keys;
} kw_trust_rule;

typedef struct kw_trust {
    kw_trust_key *keys;
    kw_trust_rule *rules;
    size_t n_keys, n_rules;
    kw_arena arena;
} kw_trust;

/* subject names the file in errors, which say the line. A rule that names an unknown key is one. */
kw_status kw_trust_get(kw_str text, const char *subject, kw_trust *out, kw_error *err);
/* The same from a file; one that is not there is empty, and *there is false. */
kw_status kw_trust_read(const char *path, kw_trust *out, bool *there, kw_error *err);
void kw_trust_free(kw_trust *trust);
kw_policy kw_trust_policy(const kw_trust *trust, const char *model);
/* NULL when the file has no key of this id. */
const kw_trust_key *kw_trust_find(const kw_trust *trust, const uint8_t id[KW_KEY_ID_LEN]);

/* Whether a policy that names this key fits the model; *named (may be NULL): whether any names it.
 * A list of whom is followed means by a policy: of this key the models that fit, alone. */
bool kw_trust_names(const kw_trust *trust, const kw_trust_key *key, const char *model, bool *named);

typedef enum kw_trust_reason {
    KW_TRUST_GOOD,        /* signed by a key that may sign this model */
    KW_TRUST_NOT_ASKED,   /* policy off */
    KW_TRUST_UNSIGNED,    /* no manifest, or none with a signature */
    KW_TRUST_UNKNOWN_KEY, /* signed by a key that the trust file does not have */
    KW_TRUST_OTHER_KEY,   /* by a known key, which may not sign this model */
    KW_TRUST_BAD,         /* the signature or the manifest is wrong */
    KW_TRUST_OTHER_MODEL, /* a good signature, of another model's manifest */
    KW_TRUST_OLDER        /* good, and older than one that was seen before */
} kw_trust_reason;

/* What is to be judged. */
typedef struct kw_signed {
    const char *model; /* the name under which it is wanted */
    kw_str manifest;   /* bytes; len 0: none */
    kw_str signature;  /* the file; len 0: none */
    uint64_t seen;     /* the highest version of it that was accepted before; 0: none */
} kw_signed;

typedef struct kw_judgement {
    kw_trust_reason reason;
    kw_policy policy;
    bool accepted;
    uint64_t version;            /* of a good signature; 0: it says none */
    char key_id[KW_KEY_ID_TEXT]; /* "" without a signature */
    char why[400];               /* one sentence for a person */
} kw_judgement;

/* Never fails: what cannot be read is KW_TRUST_BAD, with the reason. */
void kw_trust_judge(const kw_trust *trust, const kw_signed *what, kw_judgement *out);

/* The trusted comment of a model's manifest: "model:NAME version:N timestamp:T" with tabs. */
void kw_trust_comment(const char *model, uint64_t version, int64_t timestamp, kw_buf *out);
/* The value of a field of such a comment; data is NULL when it has none. */
kw_str kw_trust_field(const char *comment, const char *field);

#endif
