# SPDX-License-Identifier: Apache-2.0 OR MIT
# The command kwaai: src/cli/main.c over the library kw_cli (all other src/cli/*.c), its version (kw_build_info.h) and the built-in model.
file(GLOB_RECURSE KWAAI_CLI_SOURCES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/cli/*.c)
list(FILTER KWAAI_CLI_SOURCES EXCLUDE REGEX "${KWAAI_FOREIGN}")
list(FILTER KWAAI_CLI_SOURCES EXCLUDE REGEX "/main\\.c$")
if(NOT KWAAI_NETWORK) # src/cli/net holds the commands of hub and node
    list(FILTER KWAAI_CLI_SOURCES EXCLUDE REGEX "/cli/net/")
endif()
file(GLOB KWAAI_MAIN CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/cli/main.c)

# KW_COMMIT: from git, or from the archive's own mark, or "unknown"; the header changes only when it does.
set(KWAAI_GENERATED ${CMAKE_BINARY_DIR}/generated)
add_custom_target(kw_build_info
    COMMAND ${CMAKE_COMMAND} -D SOURCE_DIR=${CMAKE_SOURCE_DIR}
        -D OUTPUT=${KWAAI_GENERATED}/kw_build_info.h -P ${CMAKE_SOURCE_DIR}/cmake/build-info.cmake
    BYPRODUCTS ${KWAAI_GENERATED}/kw_build_info.h
    COMMENT "" VERBATIM)

# src/cli/builtin_model.S includes the file's bytes; an empty file stands in until it is there.
set(KWAAI_BUILTIN_MODEL ${CMAKE_SOURCE_DIR}/models/builtin/stories.gguf)
file(GLOB KWAAI_BUILTIN_FOUND CONFIGURE_DEPENDS ${KWAAI_BUILTIN_MODEL})
if(NOT KWAAI_BUILTIN_FOUND)
    set(KWAAI_BUILTIN_MODEL ${KWAAI_GENERATED}/no-model.gguf)
    file(WRITE ${KWAAI_BUILTIN_MODEL} "")
endif()

if(KWAAI_CLI_SOURCES AND NOT KWAAI_WASM)
    add_library(kw_cli STATIC ${KWAAI_CLI_SOURCES})
    target_include_directories(kw_cli PRIVATE ${KWAAI_GENERATED})
    target_link_libraries(kw_cli PUBLIC kw_engine kw_format kw_text PRIVATE kw_flags)
    if(KWAAI_NETWORK)
        target_link_libraries(kw_cli PUBLIC kw_node kw_hub)
        target_compile_definitions(kw_cli PUBLIC KW_NETWORK)
    endif()
    add_dependencies(kw_cli kw_build_info)
endif()

if(KWAAI_MAIN AND TARGET kw_cli)
    enable_language(ASM)
    set(model ${CMAKE_SOURCE_DIR}/src/cli/builtin_model.S)
    set_source_files_properties(${model} PROPERTIES
        COMPILE_DEFINITIONS "KW_BUILTIN_MODEL_FILE=\"${KWAAI_BUILTIN_MODEL}\""
        OBJECT_DEPENDS ${KWAAI_BUILTIN_MODEL})
    add_executable(kwaai_command ${KWAAI_MAIN} ${model})
    set_target_properties(kwaai_command PROPERTIES OUTPUT_NAME kwaai)
    target_include_directories(kwaai_command PRIVATE ${KWAAI_GENERATED})
    target_link_libraries(kwaai_command PRIVATE kw_cli kw_flags)
    add_dependencies(kwaai_command kw_build_info)
    if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT KWAAI_SANITIZE)
        # Debug information lies beside the command, where debuggers look for it.
        add_custom_command(TARGET kwaai_command POST_BUILD
            COMMAND ${CMAKE_OBJCOPY} --only-keep-debug kwaai kwaai.debug
            COMMAND ${CMAKE_STRIP} kwaai
            COMMAND ${CMAKE_OBJCOPY} --add-gnu-debuglink=kwaai.debug kwaai
            WORKING_DIRECTORY ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} COMMENT "" VERBATIM)
    endif()
endif()
