# SPDX-License-Identifier: Apache-2.0 OR MIT
# test-summary.awk - reads ctest's LastTest.log, names skipped and failed cases, counts.
#
# A case is one of cmocka's where an executable prints them, else the executable or script itself. An
# executable that dies without naming a failed case counts as one failure.
# Skipped cases of one test for one reason make one line.
function add_skip(test, name, why) {
    total_skipped++
    if (!((test, why) in skip_count)) { skip_test[++n_lines] = test; skip_why[n_lines] = why }
    skip_count[test, why]++
    skip_names[test, why] = skip_names[test, why] (skip_names[test, why] == "" ? "" : ", ") name
}
# From ctest's screen, because the log calls these passed.
/^was-skipped / { was_skipped[$2] = 1; next }
/^not-run / { not_run[$2] = 1; fail_list[++total_failed] = $2 " (not built)"; next }
/^[0-9]+\/[0-9]+ Testing: / {
    test = $3; ok = failed = skipped = seen = 0; note = ""; n_skips = n_fails = 0
    delete skip_name; delete fail_name
    next
}
/^\[ +OK +\] / { ok++; next }
# cmocka repeats failed and skipped names at the end of a group; each counts once.
/^\[ +FAILED +\] / {
    name = $0; sub(/^\[ +FAILED +\] /, "", name); sub(/^[^ ]*: /, "", name)
    if (name !~ /test\(s\)/ && !((test, name) in fails)) { fails[test, name] = 1; fail_name[++n_fails] = name }
    next
}
/^\[ +SKIPPED +\] / {
    name = $0; sub(/^\[ +SKIPPED +\] /, "", name); sub(/^[^ ]*: /, "", name)
    if (name !~ /test\(s\)/ && !((test, name) in skips)) {
        skips[test, name] = 1; skip_name[++n_skips] = name; skip_note[n_skips] = note
    }
    note = ""
    next
}
# A test says why before it skips: "skip: ..." or "skipped: ...".
/^[^\[]*([Ss]kip(ped|ping)?|SKIPPED)[:,] / {
    note = $0; sub(/^ *([Ss]kip(ped|ping)?|SKIPPED)[:,]? */, "", note)
    next
}
/^Test Passed\.$/ { verdict("pass") }
/^Test Failed\.$/ { verdict("fail") }
function verdict(kind,    i) {
    if (test in not_run) return
    if (test in was_skipped) {
        add_skip(test, "", note)
    } else {
        total_passed += ok
        for (i = 1; i <= n_skips; i++) add_skip(test, skip_name[i], skip_note[i])
        for (i = 1; i <= n_fails; i++) fail_list[++total_failed] = test ": " fail_name[i]
        if (kind == "fail" && n_fails == 0) fail_list[++total_failed] = test
        if (kind == "pass" && ok == 0 && n_skips == 0) total_passed++
    }
}
END {
    for (i = 1; i <= total_failed; i++) print "  FAILED   " fail_list[i]
    for (i = 1; i <= n_lines; i++) {
        n = skip_count[skip_test[i], skip_why[i]]
        names = n > 3 ? n " cases" : skip_names[skip_test[i], skip_why[i]]
        print "  skipped  " skip_test[i] (names == "" ? "" : ": " names) (skip_why[i] == "" ? "" : "  (" skip_why[i] ")")
    }
    printf "%s: %d passed, %d failed, %d skipped\n", preset, total_passed, total_failed, total_skipped
    printf "%d %d %d\n", total_passed, total_failed, total_skipped > count
}
