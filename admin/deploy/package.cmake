# The Debian package: `cpack` in a build directory whose program is built.
set(CPACK_GENERATOR DEB)
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_CONTACT "The developers of pgweir <pgweir@localhost>")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "Applications connect to it instead of the database. It multiplexes their sessions
onto a small pool of server connections, measures how many of these the workload
needs, and tells which size each pool should have, why, and how sure it is.")
# Each of them makes the user.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers | adduser")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS postgresql-client)
set(package "${PROJECT_SOURCE_DIR}/admin/deploy/debian")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA "${package}/conffiles;${package}/postinst;${package}/prerm;${package}/postrm")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
