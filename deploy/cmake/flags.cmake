# flags.cmake - compiler and linker flags, the sanitizers, where the build puts things.   SPDX-License-Identifier: MIT
include(CheckCCompilerFlag)
include(GNUInstallDirs)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(zmq REQUIRED libzmq>=4.3)
pkg_check_modules(protobuf_c REQUIRED libprotobuf-c>=1.3)
include_directories(SYSTEM ${zmq_INCLUDEDIR} ${protobuf_c_INCLUDEDIR})
link_directories(${zmq_LIBRARY_DIRS} ${protobuf_c_LIBRARY_DIRS})

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")      # no -DNDEBUG: an assert that is not there protects nobody
set(CMAKE_ASM_FLAGS_DEBUG "-g")
set(CMAKE_ASM_FLAGS_RELWITHDEBINFO "-g")

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)         # the objects go into librunnel.so as well as into programs
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")

# The repository root is the include root, so that a path names the room; <runnel/...> are copies, as users have them.
include_directories(${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/include)
add_compile_definitions(_GNU_SOURCE=)           # with no value, as in a plain #define, so that both may be there
set(warnings -Wall -Wextra -Wshadow $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>
    $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes> $<$<COMPILE_LANGUAGE:C>:-Wincompatible-pointer-types>)
if(RUNNEL_WERROR)
    list(APPEND warnings -Werror)
endif()
add_compile_options(${warnings} -fno-omit-frame-pointer)

# A stack overflow must hit the guard page instead of stepping over it.
check_c_compiler_flag(-fstack-clash-protection has_stack_clash_protection)
if(has_stack_clash_protection)
    add_compile_options($<$<COMPILE_LANGUAGE:C>:-fstack-clash-protection>)
endif()
# librunnel.so is linked, rarely loaded late, and has few thread-locals: they may be as cheap as in a program.
add_compile_options($<$<COMPILE_LANGUAGE:C>:-ftls-model=initial-exec>)
# Nobody may replace a function of ours within librunnel.so; so it may be inlined.
check_c_compiler_flag(-fno-semantic-interposition has_no_semantic_interposition)
if(has_no_semantic_interposition)
    add_compile_options($<$<COMPILE_LANGUAGE:C>:-fno-semantic-interposition>)
endif()

if(RUNNEL_SLOW_CHECKS)
    add_compile_definitions(RN_SLOW_CHECKS)
endif()
# The rare branches are counted where tests were asked for, not where they are built because they can be.
if(RUNNEL_TESTS STREQUAL "ON")
    add_compile_definitions(RN_REACH)
endif()
if(RUNNEL_COVERAGE)
    add_compile_options($<$<COMPILE_LANGUAGE:C>:--coverage>)
    add_link_options(--coverage)
endif()
if(RUNNEL_SANITIZE)
    add_compile_options($<$<COMPILE_LANGUAGE:C>:-fsanitize=${RUNNEL_SANITIZE}> -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${RUNNEL_SANITIZE})
    if(RUNNEL_SANITIZE MATCHES thread AND CMAKE_C_COMPILER_ID STREQUAL GNU)
        # gcc warns that TSan does not understand fences; who uses one tells TSan himself.
        add_compile_options($<$<COMPILE_LANGUAGE:C>:-Wno-tsan>)
    endif()
endif()
if(RUNNEL_RACE)
    if(NOT RUNNEL_SANITIZE STREQUAL thread)
        message(FATAL_ERROR "RUNNEL_RACE needs RUNNEL_SANITIZE=thread")
    endif()
    add_compile_definitions(RN_RACE)
endif()
if(RUNNEL_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
        message(FATAL_ERROR "RUNNEL_FUZZ needs clang")
    endif()
    add_compile_options($<$<COMPILE_LANGUAGE:C>:-fsanitize=fuzzer-no-link>)
    add_compile_definitions(RUNNEL_FUZZ)
endif()
