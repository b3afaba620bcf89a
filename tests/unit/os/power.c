/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* power.c - supplies of power in a directory that looks like the kernel's. */
#include "os/power.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

typedef struct fixture {
    char dir[64];
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    strcpy(f->dir, "/tmp/kw-power-XXXXXX");
    *state = f;
    return mkdtemp(f->dir) ? 0 : -1;
}

static int teardown(void **state)
{
    fixture *f = *state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    const int code = system(command);
    free(f);
    return code;
}

static void put(const fixture *f, const char *supply, const char *attribute, const char *value)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", f->dir, supply);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof path, "%s/%s/%s", f->dir, supply, attribute);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "%s\n", value) > 0);
    assert_int_equal(fclose(file), 0);
}

static void test_none(void **state)
{
    const fixture *f = *state;
    kw_power power;
    kw_power_read("/nonexistent", &power);
    assert_false(power.battery);
    assert_int_equal(power.percent, 100);
    kw_power_read(f->dir, &power);
    assert_false(power.battery);
    assert_false(power.external);
}

static void test_laptop(void **state)
{
    const fixture *f = *state;
    kw_power power;
    put(f, "AC", "type", "Mains");
    put(f, "AC", "online", "0");
    put(f, "BAT0", "type", "Battery");
    put(f, "BAT0", "present", "1");
    put(f, "BAT0", "capacity", "80");
    put(f, "BAT0", "status", "Discharging");
    put(f, "BAT1", "type", "Battery");
    put(f, "BAT1", "capacity", "40");
    put(f, "BAT1", "status", "Unknown");
    kw_power_read(f->dir, &power);
    assert_true(power.battery);
    assert_false(power.external);
    assert_false(power.charging);
    assert_int_equal(power.percent, 60);
    put(f, "AC", "online", "1");
    put(f, "BAT1", "status", "Charging");
    kw_power_read(f->dir, &power);
    assert_true(power.external);
    assert_true(power.charging);
}

/* Batteries of a mouse, of an empty slot, and that say nonsense do not drive the machine. */
static void test_others(void **state)
{
    const fixture *f = *state;
    kw_power power;
    put(f, "hid", "type", "Battery");
    put(f, "hid", "scope", "Device");
    put(f, "hid", "capacity", "3");
    put(f, "slot", "type", "Battery");
    put(f, "slot", "present", "0");
    put(f, "slot", "capacity", "0");
    put(f, "odd", "type", "Battery");
    put(f, "odd", "capacity", "-7");
    put(f, "mute", "type", "Battery");
    kw_power_read(f->dir, &power);
    assert_false(power.battery);
    assert_int_equal(power.percent, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_laptop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_others, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
