/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* metered.h - whether each byte of this machine's network costs its owner. */
#ifndef KW_OS_METERED_H
#define KW_OS_METERED_H

#include <stdbool.h>

#define KW_METERED_BUS "/run/dbus/system_bus_socket"

typedef enum kw_metered {
    KW_METERED_UNKNOWN, /* nobody here says */
    KW_METERED_YES,
    KW_METERED_NO
} kw_metered;

/* What NetworkManager says, or guesses, of the connection in use. bus: the socket of the system's
 * message bus (KW_METERED_BUS). Takes at most 200 ms. */
kw_metered kw_metered_read(const char *bus);

#endif
