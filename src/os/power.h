/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* power.h - whether this machine runs on a battery, and how full it is. */
#ifndef KW_OS_POWER_H
#define KW_OS_POWER_H

#include <stdbool.h>

#define KW_POWER_ROOT "/sys/class/power_supply"

typedef struct kw_power {
    bool battery;  /* there is one that drives the machine (a mouse's does not) */
    bool external; /* a mains or USB supply is plugged in */
    bool charging; /* a battery is being charged, or full */
    int percent;   /* of all batteries together; 100 without one */
} kw_power;

/* root: the directory of supplies (KW_POWER_ROOT). What cannot be read is not there: a machine
 * without the directory has no battery. */
void kw_power_read(const char *root, kw_power *out);

#endif
