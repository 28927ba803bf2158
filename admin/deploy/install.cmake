# What an installation has beside the program. Run when it is made, since only then the prefix is known:
# /usr has its configuration in /etc, any other prefix its own.
set(prefix "${CMAKE_INSTALL_PREFIX}")
if(prefix STREQUAL "/usr")
  set(config "/etc/pgweir")
else()
  set(config "${prefix}/etc/pgweir")
endif()

set(units "${prefix}/lib/systemd/system")
configure_file("${CMAKE_CURRENT_LIST_DIR}/pgweir.service.in" "$ENV{DESTDIR}${units}/pgweir.service" @ONLY
               FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/pgweir.socket" DESTINATION "${units}")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/pgweir.sysusers" DESTINATION "${prefix}/lib/sysusers.d" RENAME pgweir.conf)
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/pgweir.8" DESTINATION "${prefix}/share/man/man8")
set(doc "${prefix}/share/doc/pgweir")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/../../README.md" "${CMAKE_CURRENT_LIST_DIR}/../docs/" DESTINATION "${doc}")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/pgweir.rules.yml" "${CMAKE_CURRENT_LIST_DIR}/pgweir-dashboard.json"
             "${CMAKE_CURRENT_LIST_DIR}/kubernetes.yaml" DESTINATION "${doc}/examples")

# An operator's configuration is never overwritten; a new one is not for everybody's eyes, since passwords will
# stand in it.
if(EXISTS "$ENV{DESTDIR}${config}/pgweir.toml")
  message(STATUS "Kept: $ENV{DESTDIR}${config}/pgweir.toml")
else()
  file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/pgweir.toml" DESTINATION "${config}"
       PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)
endif()
