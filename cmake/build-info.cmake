# SPDX-License-Identifier: Apache-2.0 OR MIT
# Writes OUTPUT with KW_COMMIT, only when its text changes. Git answers only where SOURCE_DIR is the
# top of the work tree, so that sources unpacked inside another repository do not take its commit.
set(commit "unknown")
file(READ ${SOURCE_DIR}/cmake/commit.txt archived)
string(STRIP "${archived}" archived)
if(NOT archived MATCHES "Format")
    set(commit ${archived})
elseif(EXISTS ${SOURCE_DIR}/.git)
    execute_process(COMMAND git -C ${SOURCE_DIR} describe --always --dirty --abbrev=12 --exclude=*
        OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
    if(NOT failed)
        set(commit ${described})
    endif()
endif()
set(text "#define KW_COMMIT \"${commit}\"\n")
set(old "")
if(EXISTS ${OUTPUT})
    file(READ ${OUTPUT} old)
endif()
if(NOT old STREQUAL text)
    file(WRITE ${OUTPUT} "${text}")
endif()
