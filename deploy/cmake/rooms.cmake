# rooms.cmake - room(), program(), the generated wire format, the copies of the public headers.
# SPDX-License-Identifier: MIT

# The sources that match, also when they come and go later.
function(sources_of out)
    cmake_parse_arguments(arg "" "" "GLOB;EXCEPT" ${ARGN})
    set(found)
    foreach(pattern IN LISTS arg_GLOB)
        file(GLOB some RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${pattern})
        list(APPEND found ${some})
    endforeach()
    if(arg_EXCEPT)
        list(REMOVE_ITEM found ${arg_EXCEPT})
    endif()
    list(TRANSFORM found PREPEND ${PROJECT_SOURCE_DIR}/)
    set(${out} ${found} PARENT_SCOPE)
endfunction()

# room(NAME GLOB patterns [EXCEPT files] [SOURCES generated or chosen files] [LINK what it uses])
function(room name)
    cmake_parse_arguments(arg "" "" "GLOB;EXCEPT;SOURCES;LINK" ${ARGN})
    sources_of(sources GLOB ${arg_GLOB} EXCEPT ${arg_EXCEPT})
    list(APPEND sources ${arg_SOURCES})
    if(sources)
        add_library(${name} STATIC ${sources})
        target_compile_definitions(${name} PRIVATE RUNNEL_VERSION="${PROJECT_VERSION}")
        target_link_libraries(${name} PUBLIC ${arg_LINK})
        if(RUNNEL_RACE)
            target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:C>:-fno-sanitize=thread>)
        endif()
    else()
        add_library(${name} INTERFACE) # a room without code as yet
        target_link_libraries(${name} INTERFACE ${arg_LINK})
    endif()
endfunction()

# program(NAME GLOB patterns LINK libraries): built into <build>/bin and installed.  Without sources: nothing.
function(program name)
    cmake_parse_arguments(arg "" "" "GLOB;LINK" ${ARGN})
    sources_of(sources GLOB ${arg_GLOB})
    if(sources)
        add_executable(${name} ${sources})
        target_compile_definitions(${name} PRIVATE RUNNEL_VERSION="${PROJECT_VERSION}")
        target_link_libraries(${name} PRIVATE ${arg_LINK} m)
        install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    endif()
endfunction()

# ---- the context switch of this machine ----
string(TOLOWER ${CMAKE_SYSTEM_PROCESSOR} machine)
if(machine MATCHES "^(x86_64|amd64)$")
    set(machine x86_64)
elseif(machine MATCHES "^(aarch64|arm64)$")
    set(machine aarch64)
else()
    message(FATAL_ERROR "no context switch for ${CMAKE_SYSTEM_PROCESSOR}: x86-64 and aarch64 have one")
endif()
sources_of(ctx_source GLOB runtime/ctx_${machine}.S)

# ---- the wire format ----
set(wire_source)
if(EXISTS ${PROJECT_SOURCE_DIR}/proto/runnel.proto)
    find_program(PROTOC_C protoc-c REQUIRED)
    set(wire_dir ${PROJECT_BINARY_DIR}/proto)
    file(MAKE_DIRECTORY ${wire_dir})
    set(wire_source ${wire_dir}/runnel.pb-c.c)
    add_custom_command(
        OUTPUT ${wire_source} ${wire_dir}/runnel.pb-c.h
        COMMAND ${PROTOC_C} --c_out=${wire_dir} -I ${PROJECT_SOURCE_DIR}/proto ${PROJECT_SOURCE_DIR}/proto/runnel.proto
        DEPENDS ${PROJECT_SOURCE_DIR}/proto/runnel.proto VERBATIM)
    set_source_files_properties(${wire_source} PROPERTIES COMPILE_OPTIONS -w)
    include_directories(SYSTEM ${wire_dir})
endif()
# For programs that share librunnel.so: the functions of proto/ that need nothing of the runtime.
add_library(rn_proto_pure INTERFACE)
target_sources(rn_proto_pure INTERFACE ${PROJECT_SOURCE_DIR}/proto/name.c)

# ---- the public headers ----
file(GLOB public_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/runtime/rn.h
    ${PROJECT_SOURCE_DIR}/runtime/sync.h ${PROJECT_SOURCE_DIR}/node/runnel.h)
foreach(header IN LISTS public_headers)
    get_filename_component(file ${header} NAME)
    configure_file(${header} ${PROJECT_BINARY_DIR}/include/runnel/${file} COPYONLY)
endforeach()
install(FILES ${public_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/runnel)
