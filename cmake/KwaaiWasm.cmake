# SPDX-License-Identifier: Apache-2.0 OR MIT
# kwaai.wasm: all layers as one module without a main (a "reactor"). It exports what include/ declares KW_API,
# malloc and free; it imports WASI and the host functions of text/*_host_wasm.c.
if(TARGET kw_engine AND "kw_engine" IN_LIST KWAAI_LAYERS)
    file(GLOB KWAAI_WASM_SOURCES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bindings/wasm/*.c)
    add_executable(kwaai_wasm ${KWAAI_WASM_SOURCES} ${KWAAI_OBJECTS})
    target_link_libraries(kwaai_wasm PRIVATE kw_flags)
    target_link_options(kwaai_wasm PRIVATE -mexec-model=reactor
        -Wl,--export-dynamic -Wl,--export=malloc -Wl,--export=free -Wl,--gc-sections
        -Wl,--stack-first -Wl,-z,stack-size=1048576 -Wl,--max-memory=4294967296)
    set_target_properties(kwaai_wasm PROPERTIES OUTPUT_NAME kwaai SUFFIX .wasm LINKER_LANGUAGE C
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})

    # tests/wasm/*.mjs: exit status 0 passed, 77 skipped. KWAAI is the native command to compare with.
    find_program(KWAAI_NODE node)
    if(KWAAI_TESTS AND KWAAI_NODE)
        file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/wasm/*.mjs)
        foreach(file IN LISTS scripts)
            get_filename_component(stem ${file} NAME_WE)
            add_test(NAME wasm/${stem} COMMAND ${KWAAI_NODE} --no-warnings ${file})
            set_tests_properties(wasm/${stem} PROPERTIES TIMEOUT 300 LABELS wasm SKIP_RETURN_CODE 77
                ENVIRONMENT "KWAAI_WASM=$<TARGET_FILE:kwaai_wasm>;KWAAI=${CMAKE_SOURCE_DIR}/build/dev/bin/kwaai;KW_SOURCE_DIR=${CMAKE_SOURCE_DIR};KW_SHARED_DIR=${KWAAI_SHARED}")
        endforeach()
    endif()
endif()
