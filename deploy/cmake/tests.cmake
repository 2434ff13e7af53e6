# tests.cmake - what is in tests/, for ctest.   SPDX-License-Identifier: MIT
#
#   tests/<room>/test_*.c   a cmocka program each, linked with what its room may use and no more      label <room>
#   tests/sim               the simulator, and its own cmocka tests                                   label sim
#   tests/e2e, tests/api    bash: whole processes, an installed library                               label e2e
#   tests/fuzz/fuzz_*.c     libFuzzer targets with RUNNEL_FUZZ, else programs that replay files       label fuzz
#   examples/               those that end by themselves                                              label examples
enable_testing()
pkg_check_modules(cmocka cmocka)
if(RUNNEL_TESTS STREQUAL AUTO AND NOT cmocka_FOUND)
    message(STATUS "runnel: no cmocka, so no tests are built (deploy/install-deps.sh test)")
    return()
elseif(NOT RUNNEL_TESTS)
    return()
elseif(NOT cmocka_FOUND)
    message(FATAL_ERROR "RUNNEL_TESTS needs cmocka: deploy/install-deps.sh test")
endif()

# Seconds; for tests that are known to need longer, name=seconds.
set(timeout_default 60)
set(timeouts sim=300)
set(timeout_script 120)

# Goroutines that are abandoned at the end of rn_main are not unwound, as Go's, and what only they held is not a leak.
set(abandons runtime_dump sim)

set(timeout_factor 1)
set(environment)
if(RUNNEL_SANITIZE)
    set(timeout_factor 3)
    set(environment
        "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
        "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp:halt_on_error=1:second_deadlock_stack=1")
endif()

function(test_properties name label seconds)
    foreach(pair IN LISTS timeouts)
        if(pair MATCHES "^${name}=([0-9]+)$")
            set(seconds ${CMAKE_MATCH_1})
        endif()
    endforeach()
    math(EXPR seconds "${seconds} * ${timeout_factor}")
    set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${seconds})
    set(asan "detect_stack_use_after_return=0:abort_on_error=1")
    if(name IN_LIST abandons)
        string(APPEND asan ":detect_leaks=0")
    endif()
    if(RUNNEL_SANITIZE)
        set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT ${environment} "ASAN_OPTIONS=${asan}")
    endif()
endfunction()

# What the tests of a room may use; a folder that is not listed may use everything.
set(uses_runtime rn_runtime)
set(uses_proto rn_link) # session and the in-memory link are bytes in, bytes out too
set(uses_link rn_link)
set(uses_core broker_core rn_link)
set(uses_broker broker)
set(uses_all broker rn_node)

function(cmocka_test source extra)
    get_filename_component(name ${source} NAME_WE)
    get_filename_component(room ${source} DIRECTORY)
    file(RELATIVE_PATH room ${PROJECT_SOURCE_DIR}/tests ${room})
    string(REPLACE / _ room ${room})
    string(REGEX REPLACE "^test_(${room}_)?" "${room}_" name ${name})
    if(NOT DEFINED uses_${room})
        set(uses_${room} ${uses_all})
    endif()
    add_executable(test_${name} ${source} ${extra})
    set_target_properties(test_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    target_link_libraries(test_${name} PRIVATE ${uses_${room}} ${cmocka_LIBRARIES} m ${CMAKE_DL_LIBS})
    target_link_options(test_${name} PRIVATE -rdynamic) # so that stacks in reports have names
    target_compile_definitions(test_${name} PRIVATE RUNNEL_VERSION="${PROJECT_VERSION}")
    add_test(NAME ${name} COMMAND test_${name})
    test_properties(${name} ${room} ${timeout_default})
endfunction()

# Other .c files beside the tests are what they share.
sources_of(sources GLOB tests/*/*.c tests/*/*/*.c)
list(FILTER sources EXCLUDE REGEX "/tests/(api|sim|fuzz|stress|e2e|lint)/")
foreach(source IN LISTS sources)
    if(source MATCHES "/test_[^/]*$")
        get_filename_component(folder ${source} DIRECTORY)
        set(shared ${sources})
        list(FILTER shared INCLUDE REGEX "^${folder}/[^/]*$")
        list(FILTER shared EXCLUDE REGEX "/test_[^/]*$")
        cmocka_test(${source} "${shared}")
    endif()
endforeach()

# ---- the simulator: sim.c and sim_*.c are programs, the rest is what they and the tests share ----
sources_of(sim_all GLOB tests/sim/*.c)
set(sim_programs ${sim_all})
list(FILTER sim_programs INCLUDE REGEX "/sim(_[^/]*)?\\.c$")
set(sim_tests ${sim_all})
list(FILTER sim_tests INCLUDE REGEX "/test_[^/]*\\.c$")
set(sim_shared ${sim_all})
if(sim_all)
    list(REMOVE_ITEM sim_shared ${sim_programs} ${sim_tests})
endif()
foreach(source IN LISTS sim_programs)
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source} ${sim_shared})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    target_link_libraries(${name} PRIVATE ${uses_all} m)
    target_link_options(${name} PRIVATE -rdynamic)
    add_test(NAME ${name} COMMAND ${name} --seeds 20)
    test_properties(${name} sim ${timeout_default})
endforeach()
foreach(source IN LISTS sim_tests)
    cmocka_test(${source} "${sim_shared}")
endforeach()

# ---- what decodes bytes from outside ----
add_custom_target(fuzzers)
sources_of(fuzzers GLOB tests/fuzz/fuzz_*.c)
foreach(source IN LISTS fuzzers)
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
    target_link_libraries(${name} PRIVATE ${uses_all} m)
    add_dependencies(fuzzers ${name})
    if(RUNNEL_FUZZ)
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    else()
        target_compile_definitions(${name} PRIVATE FUZZ_STANDALONE)
        string(REGEX REPLACE "^fuzz_" "" corpus ${name})
        file(GLOB inputs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${corpus}/*)
        if(inputs)
            add_test(NAME ${name} COMMAND ${name} ${inputs})
            test_properties(${name} fuzz ${timeout_default})
        endif()
    endif()
endforeach()

# ---- whole processes ----
sources_of(scripts GLOB tests/e2e/*.sh tests/api/*.sh EXCEPT tests/e2e/lib.sh tests/api/lib.sh)
foreach(script IN LISTS scripts)
    get_filename_component(name ${script} NAME_WE)
    get_filename_component(folder ${script} DIRECTORY)
    get_filename_component(folder ${folder} NAME)
    set(name ${folder}_${name})
    add_test(NAME ${name} COMMAND bash ${script})
    set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 ENVIRONMENT
        "RUNNEL_BIN=${PROJECT_BINARY_DIR}/bin;RUNNEL_BUILD=${PROJECT_BINARY_DIR};RUNNEL_SOURCE=${PROJECT_SOURCE_DIR}")
    test_properties(${name} e2e ${timeout_script})
endforeach()

# ---- examples that need no broker ----
if(TARGET tutorial)
    add_test(NAME example_tutorial COMMAND tutorial)
    test_properties(example_tutorial examples ${timeout_default})
    set_tests_properties(example_tutorial PROPERTIES PASS_REGULAR_EXPRESSION "0 1 2 3 4 5 6 7 8 9 closed")
endif()
