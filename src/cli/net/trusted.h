/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* trusted.h - what the trust file says of a model that is here, and the publisher's key. */
#ifndef KW_CLI_NET_TRUSTED_H
#define KW_CLI_NET_TRUSTED_H

#include "cli/net/home.h"
#include "hub/trust.h"

/* The trust file, or the default (warn) when there is none; *there says which. */
kw_status kw_cli_trust(const kw_home *home, kw_trust *out, bool *there, kw_error *err);

/* What is known of a model: its manifest in the index, what was judged of it. */
typedef struct kw_model_trust {
    kw_judgement judgement;
    bool stated; /* there is a manifest */
    bool offered;
    kw_manifest manifest; /* when it could be read */
} kw_model_trust;
kw_status kw_cli_judge(kw_index *index, const kw_trust *trust, const char *model,
                       kw_model_trust *out, kw_error *err);
void kw_model_trust_free(kw_model_trust *trust);

/* Before a model runs: its files are hashed where that was not done, and compared with its
 * manifest, as its policy asks. KW_E_ARG: refused, and why. */
kw_status kw_cli_allow(kw_cli *cli, const kw_home *home, kw_index *index, const kw_found *found,
                       kw_error *err);

/* The publisher's key: path, or NULL for HOME/publisher.key, which is made when it is not there and
 * make is true. The password of one that is encrypted comes from KWAAI_KEY_PASSWORD. */
kw_status kw_cli_publisher(kw_cli *cli, const kw_home *home, const char *path, bool make,
                           kw_secret_key *out, kw_error *err);
/* A text file of at most limit bytes, malloc'ed and terminated. */
kw_status kw_cli_read_text(const char *path, size_t limit, char **out, size_t *len, kw_error *err);

#endif
