# SPDX-License-Identifier: Apache-2.0 OR MIT
include(GNUInstallDirs)
if(TARGET kwaai_command)
    install(TARGETS kwaai_command RUNTIME COMPONENT command)
endif()
# The manual page and the completions come from the command's own tables.
if(TARGET kwaai_command AND NOT CMAKE_CROSSCOMPILING)
    foreach(page "man kwaai.1" "completion bash kwaai.bash" "completion zsh _kwaai" "completion fish kwaai.fish")
        separate_arguments(words UNIX_COMMAND ${page})
        list(POP_BACK words file)
        add_custom_command(OUTPUT ${KWAAI_GENERATED}/${file}
            COMMAND kwaai_command ${words} > ${KWAAI_GENERATED}/${file}
            DEPENDS kwaai_command COMMENT "" VERBATIM)
        list(APPEND KWAAI_PAGES ${KWAAI_GENERATED}/${file})
    endforeach()
    add_custom_target(kw_pages ALL DEPENDS ${KWAAI_PAGES})
    install(FILES ${KWAAI_GENERATED}/kwaai.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT command)
    install(FILES ${KWAAI_GENERATED}/kwaai.bash RENAME kwaai
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT command)
    install(FILES ${KWAAI_GENERATED}/_kwaai
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions COMPONENT command)
    install(FILES ${KWAAI_GENERATED}/kwaai.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT command)
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
# The units name the command where it is installed, which is known only then.
if(TARGET kwaai_command AND KWAAI_NETWORK AND CMAKE_SYSTEM_NAME STREQUAL "Linux" AND NOT CMAKE_CROSSCOMPILING)
    foreach(kind IN ITEMS system user)
        set(unit kwaai-node.service)
        set(template ${CMAKE_SOURCE_DIR}/tools/systemd/kwaai-node.user.service.in)
        if(kind STREQUAL "system")
            set(template ${CMAKE_SOURCE_DIR}/tools/systemd/kwaai-node.service.in)
        endif()
        install(CODE "set(KWAAI_BINDIR \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
            configure_file(\"${template}\" \"${KWAAI_GENERATED}/${kind}/${unit}\" @ONLY)" COMPONENT command)
        install(FILES ${KWAAI_GENERATED}/${kind}/${unit} DESTINATION lib/systemd/${kind} COMPONENT command)
    endforeach()
endif()
