# What `cmake --install` lays where Debian expects it, and the .deb that `cpack -G DEB` makes of it. ./dev package builds and checks
# it.
include(GNUInstallDirs)
set(covet_deploy ${PROJECT_SOURCE_DIR}/deploy)

install(TARGETS covetd covet-token RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(PROGRAMS ${covet_deploy}/backup.sh DESTINATION ${CMAKE_INSTALL_SBINDIR} RENAME covet-backup)
install(FILES ${covet_deploy}/config/covet.yaml DESTINATION /etc/covet)
install(FILES ${covet_deploy}/systemd/covetd.service DESTINATION lib/systemd/system)
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${covet_deploy}/debian/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR})
# Debian's form of it, for a native package.
set(covet_changelog ${PROJECT_BINARY_DIR}/changelog.gz)
execute_process(COMMAND gzip -9nc ${covet_deploy}/debian/changelog OUTPUT_FILE ${covet_changelog} COMMAND_ERROR_IS_FATAL ANY)
install(FILES ${covet_changelog} DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${covet_deploy}/prometheus ${covet_deploy}/grafana DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/proto/covet DESTINATION ${CMAKE_INSTALL_DATADIR}/covet/proto FILES_MATCHING PATTERN "*.proto")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME covet)
set(CPACK_PACKAGE_CONTACT "Covet <covet@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "realtime backend: rooms, streams, RPC, notifications and files over WebSocket")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Browsers, apps and services open one WebSocket and speak JSON envelopes. An
edge translates them to Protobuf and routes them over gRPC to services that
keep what they acknowledged on disk, in order.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# postinst makes the system user.
set(CPACK_DEBIAN_PACKAGE_DEPENDS adduser)
# covet-backup.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS sqlite3)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${covet_deploy}/debian/conffiles ${covet_deploy}/debian/postinst ${covet_deploy}/debian/prerm ${covet_deploy}/debian/postrm)
set(CPACK_STRIP_FILES ON)
# /etc lies beside /usr, not below it; DESTDIR moves both.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
include(CPack)
