# librunnel.cmake - the library that users link, shared and static, and its installation.   SPDX-License-Identifier: MIT
set(library_objects)
foreach(room IN ITEMS rn_runtime rn_proto rn_link rn_node)
    get_target_property(type ${room} TYPE)
    if(type STREQUAL STATIC_LIBRARY)
        list(APPEND library_objects $<TARGET_OBJECTS:${room}>)
    endif()
endforeach()

if(NOT library_objects)
    add_library(librunnel INTERFACE)
    return()
endif()

set(needs ${zmq_LIBRARIES} ${protobuf_c_LIBRARIES} Threads::Threads ${CMAKE_DL_LIBS} m)
add_library(librunnel SHARED ${library_objects})

# The static library is one object in which all that librunnel.so does not export is local, so that a program may have a
# session_new() of its own.
set(one_object ${PROJECT_BINARY_DIR}/librunnel.o)
add_custom_command(
    OUTPUT ${one_object}
    COMMAND ${CMAKE_LINKER} -r -o ${one_object} ${library_objects}
    COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=rn_[a-z]* --keep-global-symbol=rn__node_query
            --keep-global-symbol=rn__node_why ${one_object}
    DEPENDS ${library_objects} COMMAND_EXPAND_LISTS VERBATIM)
set_source_files_properties(${one_object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
add_library(librunnel_static STATIC ${one_object})

foreach(library IN ITEMS librunnel librunnel_static)
    set_target_properties(${library} PROPERTIES OUTPUT_NAME runnel LINKER_LANGUAGE C)
    target_link_libraries(${library} PRIVATE ${needs})
    target_include_directories(${library} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()
set_target_properties(librunnel PROPERTIES
    EXPORT_NAME runnel VERSION ${PROJECT_VERSION} SOVERSION 0
    LINK_DEPENDS ${PROJECT_SOURCE_DIR}/deploy/cmake/librunnel.map)
set_target_properties(librunnel_static PROPERTIES EXPORT_NAME runnel_static)
target_link_options(librunnel PRIVATE
    -Wl,--version-script=${PROJECT_SOURCE_DIR}/deploy/cmake/librunnel.map -Wl,-Bsymbolic-functions)
if(NOT RUNNEL_SANITIZE)
    target_link_options(librunnel PRIVATE -Wl,-z,defs) # the sanitizers' own symbols come with the program
endif()

install(TARGETS librunnel librunnel_static EXPORT runnel
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})

install(FILES ${PROJECT_SOURCE_DIR}/deploy/gdb/runnel-gdb.py DESTINATION ${CMAKE_INSTALL_DATADIR}/runnel)

# ---- pkg-config: the paths are relative to the file, so that it may be installed anywhere ----
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pc_to_prefix /prefix/${pc_dir} /prefix)
string(REGEX REPLACE "/$" "" pc_to_prefix ${pc_to_prefix})
configure_file(${PROJECT_SOURCE_DIR}/deploy/runnel.pc.in ${PROJECT_BINARY_DIR}/runnel.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/runnel.pc DESTINATION ${pc_dir})

# ---- find_package(runnel) ----
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/runnel)
configure_package_config_file(${PROJECT_SOURCE_DIR}/deploy/cmake/runnel-config.cmake.in
    ${PROJECT_BINARY_DIR}/runnel-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/runnel-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/runnel-config.cmake ${PROJECT_BINARY_DIR}/runnel-config-version.cmake
        DESTINATION ${package_dir})
install(EXPORT runnel NAMESPACE runnel:: FILE runnel-targets.cmake DESTINATION ${package_dir})
