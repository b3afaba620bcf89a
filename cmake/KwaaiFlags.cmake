# SPDX-License-Identifier: Apache-2.0 OR MIT
# Flags of every target. Exact numerics forbid the compiler to fuse or to reorder floating point,
# whatever the build type; nothing here may ever contain -ffast-math.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Release or Debug" FORCE)
endif()
# The build type says how hard to optimise; assertions are KWAAI_ASSERTIONS, on their own.
set(CMAKE_C_FLAGS_RELEASE "-O3 -g1 -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O2 -g")

string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" KWAAI_PROCESSOR)
set(KWAAI_X86 OFF)
set(KWAAI_ARM64 OFF)
set(KWAAI_WASM OFF)
if(KWAAI_PROCESSOR MATCHES "^(x86_64|amd64)$")
    set(KWAAI_X86 ON)
elseif(KWAAI_PROCESSOR MATCHES "^(aarch64|arm64)$")
    set(KWAAI_ARM64 ON)
elseif(KWAAI_PROCESSOR MATCHES "^wasm")
    set(KWAAI_WASM ON)
endif()

add_library(kw_flags INTERFACE)
target_compile_options(kw_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
    -Wundef -Wcast-qual -Wformat=2 -Wdouble-promotion -Wimplicit-fallthrough
    $<$<BOOL:${KWAAI_WERROR}>:-Werror>
    -ffp-contract=off -fno-math-errno -fno-trapping-math
    -fvisibility=hidden -ffunction-sections -fdata-sections)
target_include_directories(kw_flags INTERFACE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(kw_flags INTERFACE KW_VERSION="${PROJECT_VERSION}"
    $<$<BOOL:${KWAAI_ASSERTIONS}>:KW_ASSERTIONS>)
if(NOT KWAAI_WASM)
    # GNU interfaces of libc are declared; -std=c17 stays the language.
    target_compile_definitions(kw_flags INTERFACE _GNU_SOURCE)
    target_link_options(kw_flags INTERFACE -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,--as-needed)
    include(CheckPIESupported)
    check_pie_supported(LANGUAGES C)
    if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT KWAAI_SANITIZE)
        target_compile_options(kw_flags INTERFACE -fstack-protector-strong)
    endif()
endif()
if(KWAAI_SANITIZE)
    target_compile_options(kw_flags INTERFACE
        -fsanitize=${KWAAI_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(kw_flags INTERFACE -fsanitize=${KWAAI_SANITIZE})
endif()
if(KWAAI_FUZZERS)
    target_compile_options(kw_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
