# SPDX-License-Identifier: Apache-2.0 OR MIT
# Every .c under tests/ is one executable and one ctest case, every e2e/*.sh one case; nothing is listed by hand.
#
#   tests/unit/<layer>/*.c   links that layer (and what it stands on), so a forbidden call does not link
#   tests/kernels/*.c        links backend
#   tests/ops/*.c            links plan and backend
#   tests/golden/*.c         links libkwaai.a
#   tests/alloc/*.c          links libkwaai.a with every allocator wrapped (tests/support/alloc_fail.h)
#   tests/alloc/<layer>/*.c  that layer, likewise
#   tests/fuzz/fuzz_*.c      here replays its corpus; with KWAAI_FUZZERS a libFuzzer executable
#   tests/e2e/*.sh           gets KWAAI (the command), KW_SOURCE_DIR, KW_SHARED_DIR; exit 77 means skipped
#
# A line "kw-test: timeout 300" or "kw-test: labels threads" in a comment of a test sets that property.
# The label "threads" selects the run under the thread sanitizer; names with pool, thread or engine have it.

set(KWAAI_TEST_TIMEOUT 120)
set(KWAAI_SLOWDOWN 1 CACHE STRING "Tests may take so many times as long (valgrind)")
if(KWAAI_SANITIZE OR CMAKE_CROSSCOMPILING)
    set(KWAAI_TIMEOUT_FACTOR 4)
else()
    set(KWAAI_TIMEOUT_FACTOR 1)
endif()

add_library(kw_test INTERFACE)
target_include_directories(kw_test INTERFACE ${CMAKE_SOURCE_DIR}/tests ${CMAKE_SOURCE_DIR}/tests/support)
target_compile_definitions(kw_test INTERFACE KW_SHARED_DIR="${KWAAI_SHARED}" KW_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
if(CMAKE_CROSSCOMPILING)
    # cmocka is not built for the target; this header has the part of it that our tests use.
    target_include_directories(kw_test BEFORE INTERFACE ${CMAKE_SOURCE_DIR}/tests/support/cross)
    set(KWAAI_CMOCKA ON)
else()
    pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka)
    set(KWAAI_CMOCKA ${CMOCKA_FOUND})
    if(CMOCKA_FOUND)
        target_link_libraries(kw_test INTERFACE PkgConfig::CMOCKA)
    else()
        message(WARNING "cmocka is missing: no tests are built (Debian package libcmocka-dev)")
    endif()
endif()

# tests/support/*.c helps every test, except the allocator wraps, which only tests/alloc link.
file(GLOB KWAAI_SUPPORT CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/support/*.c)
list(FILTER KWAAI_SUPPORT EXCLUDE REGEX "/(alloc_fail|golden)\\.c$")
if(KWAAI_SUPPORT)
    add_library(kw_test_support STATIC ${KWAAI_SUPPORT})
    target_link_libraries(kw_test_support PRIVATE kw_flags kw_test)
    target_link_libraries(kw_test INTERFACE $<LINK_ONLY:kw_test_support>)
endif()

function(kw_test_properties test file)
    set(labels ${ARGN})
    set(timeout ${KWAAI_TEST_TIMEOUT})
    file(STRINGS ${file} lines REGEX "kw-test: ")
    foreach(line IN LISTS lines)
        if(line MATCHES "kw-test: timeout ([0-9]+)")
            set(timeout ${CMAKE_MATCH_1})
        elseif(line MATCHES "kw-test: labels ([a-z0-9_ -]+)")
            string(REPLACE " " ";" more "${CMAKE_MATCH_1}")
            list(APPEND labels ${more})
        endif()
    endforeach()
    if(test MATCHES "pool|thread|engine" AND NOT test MATCHES "^e2e/")
        list(APPEND labels threads)
    endif()
    math(EXPR timeout "${timeout} * ${KWAAI_TIMEOUT_FACTOR} * ${KWAAI_SLOWDOWN}")
    set_tests_properties(${test} PROPERTIES TIMEOUT ${timeout} LABELS "${labels}" SKIP_RETURN_CODE 77)
endfunction()

# One executable for each .c of a folder, linked with the given libraries.
function(kw_test_folder folder)
    if(NOT KWAAI_CMOCKA)
        return()
    endif()
    file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${folder}/*.c)
    list(FILTER files EXCLUDE REGEX "${KWAAI_FOREIGN}")
    foreach(file IN LISTS files)
        get_filename_component(stem ${file} NAME_WE)
        set(test ${folder}/${stem})
        string(REPLACE "/" "-" target test-${test})
        add_executable(${target} ${file})
        target_link_libraries(${target} PRIVATE kw_test ${ARGN} kw_flags)
        add_test(NAME ${test} COMMAND ${target})
        string(REPLACE "/" ";" labels ${folder})
        kw_test_properties(${test} ${file} ${labels})
        get_test_property(${test} LABELS labels)
        if("threads" IN_LIST labels)
            set_property(GLOBAL APPEND PROPERTY KWAAI_THREAD_TESTS ${target})
        endif()
    endforeach()
endfunction()

file(GLOB unit_folders CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/tests/unit ${CMAKE_SOURCE_DIR}/tests/unit/*)
foreach(layer IN LISTS unit_folders)
    if(layer STREQUAL "plan" AND TARGET kw_plan)
        # The arrow of plan ends at backend.h; its tests compile for the real backend.
        kw_test_folder(unit/plan kw_plan kw_backend)
    elseif(layer STREQUAL "text" AND NOT KWAAI_PATTERNS)
        message(STATUS "tests/unit/text is left out: no PCRE2 for this processor")
    elseif(TARGET kw_${layer})
        kw_test_folder(unit/${layer} kw_${layer})
    endif()
endforeach()
kw_test_folder(kernels kw_backend)
kw_test_folder(ops kw_plan kw_backend)
# Reference outputs are read through the engine, so its helper is not for the tests of layers.
add_library(kw_golden OBJECT ${CMAKE_SOURCE_DIR}/tests/support/golden.c)
target_link_libraries(kw_golden PRIVATE kw_flags kw_test)
kw_test_folder(golden kw_golden kwaai)

# Allocation failures: sanitizers bring their own allocator, so these stay out of those builds.
set(KWAAI_WRAP malloc calloc realloc aligned_alloc posix_memalign strdup realpath mmap free)
list(TRANSFORM KWAAI_WRAP PREPEND "-Wl,--wrap=")
if(KWAAI_CMOCKA AND NOT KWAAI_SANITIZE AND NOT CMAKE_CROSSCOMPILING
   AND EXISTS ${CMAKE_SOURCE_DIR}/tests/support/alloc_fail.c)
    add_library(kw_alloc_fail OBJECT ${CMAKE_SOURCE_DIR}/tests/support/alloc_fail.c)
    target_link_libraries(kw_alloc_fail PRIVATE kw_flags kw_test)
    add_library(kw_wrapped INTERFACE)
    target_sources(kw_wrapped INTERFACE $<TARGET_OBJECTS:kw_alloc_fail>)
    target_link_options(kw_wrapped INTERFACE ${KWAAI_WRAP})
    kw_test_folder(alloc kw_wrapped kwaai)
    foreach(layer hub net)
        if(TARGET kw_${layer})
            kw_test_folder(alloc/${layer} kw_wrapped kw_${layer})
        endif()
    endforeach()
endif()

# Fuzz targets: LLVMFuzzerTestOneInput, driven by libFuzzer or by replay.c over the corpus.
file(GLOB fuzz_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_*.c)
set(fuzz_libraries $<TARGET_NAME_IF_EXISTS:kw_cli> $<TARGET_NAME_IF_EXISTS:kw_node> kw_wire kwaai)
if(NOT KWAAI_NETWORK) # fuzz_crypto_*, fuzz_hub_*, fuzz_net_*, fuzz_node_*
    list(FILTER fuzz_files EXCLUDE REGEX "/fuzz_(crypto|hub|net|node)_")
endif()
foreach(file IN LISTS fuzz_files)
    get_filename_component(stem ${file} NAME_WE)
    set_source_files_properties(${file} PROPERTIES COMPILE_DEFINITIONS KW_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    if(KWAAI_FUZZERS)
        add_executable(${stem} ${file})
        target_link_options(${stem} PRIVATE -fsanitize=fuzzer)
        target_link_libraries(${stem} PRIVATE ${fuzz_libraries} kw_flags)
    else()
        add_executable(replay-${stem} ${file} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
        target_link_libraries(replay-${stem} PRIVATE ${fuzz_libraries} kw_flags)
        add_test(NAME fuzz/${stem} COMMAND replay-${stem} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${stem})
        kw_test_properties(fuzz/${stem} ${file} fuzz)
    endif()
endforeach()

# tests/interop/*.c: programs that scripts there talk to.
if(KWAAI_NETWORK)
    file(GLOB interop_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/interop/*.c)
    foreach(file IN LISTS interop_files)
        get_filename_component(stem ${file} NAME_WE)
        add_executable(interop-${stem} ${file})
        target_link_libraries(interop-${stem} PRIVATE kw_net kw_flags)
    endforeach()
    # A node that serves badly, for tests/swarm/run.
    add_executable(swarm-peer ${CMAKE_SOURCE_DIR}/tests/swarm/peer.c)
    target_link_libraries(swarm-peer PRIVATE kw_node kw_hub kw_net kw_flags)
endif()

# What the thread sanitizer's run needs, and no more.
get_property(thread_tests GLOBAL PROPERTY KWAAI_THREAD_TESTS)
add_custom_target(kw_thread_tests DEPENDS ${thread_tests})

# examples/*.c compile against the public headers alone.
file(GLOB example_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/examples/*.c)
foreach(file IN LISTS example_files)
    get_filename_component(stem ${file} NAME_WE)
    add_executable(example-${stem} ${file})
    target_include_directories(example-${stem} PRIVATE ${CMAKE_SOURCE_DIR}/include)
    target_compile_options(example-${stem} PRIVATE -Wall -Wextra -Wpedantic -Werror)
    target_link_libraries(example-${stem} PRIVATE
        ${CMAKE_ARCHIVE_OUTPUT_DIRECTORY}/libkwaai.a kw_libm kw_threads kw_text_system)
    add_dependencies(example-${stem} kwaai)
    if(KWAAI_SANITIZE)
        target_link_options(example-${stem} PRIVATE -fsanitize=${KWAAI_SANITIZE})
    endif()
endforeach()

if(TARGET kwaai_command AND NOT CMAKE_CROSSCOMPILING)
    file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/e2e/*.sh)
    foreach(file IN LISTS scripts)
        get_filename_component(stem ${file} NAME_WE)
        add_test(NAME e2e/${stem} COMMAND bash ${file})
        kw_test_properties(e2e/${stem} ${file} e2e)
        set_property(TEST e2e/${stem} PROPERTY ENVIRONMENT
            "KWAAI=$<TARGET_FILE:kwaai_command>;KW_SOURCE_DIR=${CMAKE_SOURCE_DIR};KW_SHARED_DIR=${KWAAI_SHARED};KW_BUILD_DIR=${CMAKE_BINARY_DIR}")
    endforeach()
endif()
