# The room `client`, and what is installed: the program, and a package with which C++ frontends are
# built (docs/native.md). A frontend needs CAF and OpenSSL and nothing else, so the library has the
# few files of `messages` that it uses in it, and fmt and xxhash compiled in.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

file(GLOB client_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/client/*.cpp")
add_library(sotto_client STATIC ${client_sources} messages/context.cpp messages/error.cpp
                                messages/native.cpp)
target_link_libraries(sotto_client PUBLIC sotto_flags ${CAF_CORE} OpenSSL::SSL Threads::Threads)
target_compile_definitions(sotto_client PRIVATE FMT_HEADER_ONLY XXH_INLINE_ALL)

install(TARGETS sotto RUNTIME)
install(TARGETS sotto_client ARCHIVE)
install(DIRECTORY "${CMAKE_SOURCE_DIR}/build/data/" DESTINATION "${CMAKE_INSTALL_DATADIR}/sotto"
        FILES_MATCHING PATTERN "*.bin")
# Headers keep their rooms: `sotto/client/client.hpp`, `sotto/messages/turn.hpp`. Those of `messages`
# that are not for frontends need other libraries.
install(FILES client/client.hpp client/client_actor.hpp
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/sotto/client")
file(GLOB message_headers CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/messages/*.hpp")
list(FILTER message_headers EXCLUDE REGEX "/(frontend|json_input)\\.hpp$")
install(FILES ${message_headers} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/sotto/messages")

set(package "${CMAKE_INSTALL_LIBDIR}/cmake/sotto")
configure_package_config_file(scripts/cmake/sottoConfig.cmake.in
                              "${CMAKE_BINARY_DIR}/sottoConfig.cmake" INSTALL_DESTINATION ${package}
                              PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file("${CMAKE_BINARY_DIR}/sottoConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/sottoConfig.cmake" "${CMAKE_BINARY_DIR}/sottoConfigVersion.cmake"
        DESTINATION ${package})
