# SPDX-License-Identifier: Apache-2.0 OR MIT
include(GNUInstallDirs)
if(TARGET kwaai_command)
    install(TARGETS kwaai_command RUNTIME COMPONENT command)
endif()
if(TARGET kwaai_so)
    install(TARGETS kwaai_so LIBRARY COMPONENT library)
endif()
if(NOT KWAAI_WASM)
    install(TARGETS kwaai ARCHIVE COMPONENT library)
    install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/kwaai TYPE INCLUDE COMPONENT library)
    install(FILES ${CMAKE_SOURCE_DIR}/LICENSE-APACHE ${CMAKE_SOURCE_DIR}/LICENSE-MIT TYPE DOC
        COMPONENT command)
endif()
