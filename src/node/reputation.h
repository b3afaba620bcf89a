/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* reputation.h - what peers and addresses have done, and who is banned for it.
 *
 * A peer id and an address (an IPv4 address, or the /64 of an IPv6 one) have a score each, from
 * -100 to 20; 0 is nobody in particular. Misconduct takes points, verified bytes give some, and
 * half of what is left is forgotten within an hour. At -80 whose score it is is banned: for ten
 * minutes, four times as long each further time within a week, seven days at most. Silence and
 * broken streams alone never ban: a slow peer is asked last, which is enough.
 *
 * Peer ids cost nothing, so an address answers for those behind it, at a quarter of the points; it
 * answers alone for what came before anybody said who he is. Loopback does not: all of this machine
 * comes from there, and a proxy in front of a node too.
 *
 * Rows are at most KW_REPUTATION_ROWS of each kind; who is new takes the place of who matters
 * least. They are kept in a database that several processes share (a node, and what `kwaai pull`
 * saw): points are added to what is there, so nobody's are lost. All calls on one thread. */
#ifndef KW_NODE_REPUTATION_H
#define KW_NODE_REPUTATION_H

#include "wire/multiaddr.h"

#define KW_REPUTATION_ROWS 4096 /* of peers, and of addresses */
#define KW_REPUTATION_BAN_AT (-80.0)
#define KW_REPUTATION_FOREVER INT64_MAX

typedef struct kw_reputation kw_reputation;

typedef enum kw_conduct {
    KW_CONDUCT_BAD_BLOCK,      /* bytes that are not what they must be: at once banned */
    KW_CONDUCT_MALFORMED,      /* bytes that break a protocol */
    KW_CONDUCT_ABUSE,          /* more than a limit lets through */
    KW_CONDUCT_SLOW,           /* a handshake or request that is begun and not ended */
    KW_CONDUCT_STALL,          /* asked, and nothing came */
    KW_CONDUCT_LOST,           /* its streams broke, or it is not there */
    KW_CONDUCT_WRONG_MANIFEST, /* another one than was asked for by its SHA-256 */
    KW_N_CONDUCTS
} kw_conduct;

typedef struct kw_reputation_config {
    const char *path;           /* the database; NULL: nothing is kept */
    int64_t (*now)(void *user); /* milliseconds of wall time; NULL: the system's clock */
    /* Somebody was banned: connections may be ended, not within the call. NULL: nobody asks. */
    void (*banned)(void *user);
    void *user;
} kw_reputation_config;

kw_status kw_reputation_open(const kw_reputation_config *config, kw_reputation **out,
                             kw_error *err);
void kw_reputation_close(kw_reputation *reputation); /* writes what was not yet */

/* peer NULL or of length 0: not known; addr NULL, a name, or through a relay: not counted. */
void kw_reputation_report(kw_reputation *reputation, const kw_peer_id *peer,
                          const kw_multiaddr *addr, kw_conduct what);
/* Bytes that were verified came from a peer. */
void kw_reputation_good(kw_reputation *reputation, const kw_peer_id *peer, uint64_t bytes);
/* Whether neither of them is banned. */
bool kw_reputation_allows(kw_reputation *reputation, const kw_peer_id *peer,
                          const kw_multiaddr *addr);
/* Of a peer now; 0 when nothing is known of it. */
double kw_reputation_score(kw_reputation *reputation, const kw_peer_id *peer);

/* The owner's own word. seconds: KW_REPUTATION_FOREVER, or from now. One of the two is named. */
kw_status kw_reputation_ban(kw_reputation *reputation, const kw_peer_id *peer,
                            const kw_multiaddr *addr, int64_t seconds, kw_error *err);
/* Forgets what was held against it. KW_E_NOTFOUND: nothing was. */
kw_status kw_reputation_unban(kw_reputation *reputation, const kw_peer_id *peer,
                              const kw_multiaddr *addr, kw_error *err);
/* "12D3Koo...", "192.0.2.7", "2001:db8::/64" or any address of it: one of *peer and *addr is set,
 * the other has length 0. */
kw_status kw_reputation_parse(kw_str text, kw_peer_id *peer, kw_multiaddr *addr, kw_error *err);

typedef struct kw_reputation_row {
    char who[KW_PEER_ID_TEXT_MAX]; /* a peer id, an IPv4 address, or a /64 */
    bool is_peer;
    double score;
    unsigned n_bans; /* so far, automatic ones */
    int64_t ban_s;   /* seconds that are left; 0: not banned; KW_REPUTATION_FOREVER */
    const char *why; /* the last misconduct, or "" */
} kw_reputation_row;
typedef void (*kw_reputation_fn)(void *user, const kw_reputation_row *row);
void kw_reputation_each(kw_reputation *reputation, kw_reputation_fn row, void *user);

/* All that is worth showing, as a JSON array: "peer" or "addr", "score", "banned", "seconds" (that
 * are left; missing: without end), "bans" (so far), "why". */
void kw_reputation_json(kw_reputation *reputation, kw_buf *out);

/* Writes what changed, and reads what other processes wrote; to be called every few seconds. */
kw_status kw_reputation_sync(kw_reputation *reputation, kw_error *err);

const char *kw_conduct_name(kw_conduct what);

#endif
