# tests.cmake - what is in tests/, for ctest.   SPDX-License-Identifier: MIT
#
#   tests/<room>/test_*.c   a cmocka program each, linked with what its room may use and no more      label <room>
#   tests/sim               the simulator, and its own cmocka tests                                   label sim
#   tests/e2e, tests/api    bash: whole processes, an installed library                               label e2e
#   tests/python            a client in Python, against whole processes                               label e2e
#   tests/race              programs that race and programs that do not, with RUNNEL_RACE alone          label race
#   tests/fuzz/fuzz_*.c     libFuzzer targets with RUNNEL_FUZZ, else programs that replay files       label fuzz;
#                           other .c files beside them are what they share
#   tests/loom              the systematic scheduler test: the runtime once more, in virtual threads  label loom
#   examples/               each program, as tests/examples/check.sh says                             label examples
#   bench/                  the measurements, with tiny counts                                        label bench
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
set(timeout_default 240)
set(timeouts sim=300)
set(timeout_script 300)

# Goroutines that are abandoned at the end of rn_main are not unwound, as Go's, and what only they held is not a leak.
set(abandons runtime_dump runtime_seeds runtime_trace sim)

set(timeout_factor 1)
set(environment)
if(RUNNEL_SANITIZE OR CMAKE_CROSSCOMPILING_EMULATOR)
    set(timeout_factor 3)
endif()
if(RUNNEL_SANITIZE)
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
    if(CMAKE_CROSSCOMPILING_EMULATOR)
        list(JOIN CMAKE_CROSSCOMPILING_EMULATOR " " emulator)
        set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT "EMULATOR=${emulator}") # for tests that start themselves
    endif()
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
set(uses_race rn_runtime)
set(uses_core broker_core rn_link)
set(uses_broker broker)
set(uses_measure measure)
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

# ---- what a race detector is told: programs of goroutines, in a build that is for nothing else ----
if(RUNNEL_RACE)
    cmocka_test(${PROJECT_SOURCE_DIR}/tests/race/test_programs.c "${PROJECT_SOURCE_DIR}/tests/race/racy.c;${PROJECT_SOURCE_DIR}/tests/race/orderly.c")
    add_executable(storm ${PROJECT_SOURCE_DIR}/tests/race/storm.c)
    set_target_properties(storm PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    target_link_libraries(storm PRIVATE rn_runtime)
    add_test(NAME race_storm COMMAND storm --ops 1000000)
    test_properties(race_storm race ${timeout_default})
    add_custom_target(races DEPENDS test_race_programs storm)
    return()
endif()

# Other .c files beside the tests are what they share.
sources_of(sources GLOB tests/*/*.c tests/*/*/*.c)
list(FILTER sources EXCLUDE REGEX "/tests/(api|sim|fuzz|race|stress|e2e|lint|loom)/")
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
sources_of(fuzz_all GLOB tests/fuzz/*.c)
set(fuzzers ${fuzz_all})
list(FILTER fuzzers INCLUDE REGEX "/fuzz_[^/]*\\.c$")
set(fuzz_shared ${fuzz_all})
list(REMOVE_ITEM fuzz_shared ${fuzzers})
add_library(fuzz_shared STATIC ${fuzz_shared})
target_link_libraries(fuzz_shared PUBLIC rn_proto)
set(wraps_fuzz_shard rn__boottime rn__entropy rn_yield) # a target's own instead of the runtime's
foreach(source IN LISTS fuzzers)
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
    target_link_libraries(${name} PRIVATE fuzz_shared ${uses_all} m)
    add_dependencies(fuzzers ${name})
    foreach(function IN LISTS wraps_${name})
        target_link_options(${name} PRIVATE -Wl,--wrap=${function})
    endforeach()
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

# ---- the systematic scheduler test ----
# The runtime's sources once more, with smaller constants, our <stdatomic.h>, and models in place of these functions.
set(loom_models malloc calloc realloc aligned_alloc free clock_gettime getrandom gettid sched_yield usleep nanosleep
    clock_nanosleep _exit rn_panic rn__assert_failed rn__dump_deadlock rn__ctx_switch rn__fault_init rn__fault_fini rn__fault_thread_init
    rn__fault_thread_fini rn__signal_init rn__signal_fini pthread_create pthread_join pthread_sigmask mmap munmap pthread_mutex_lock
    pthread_mutex_trylock pthread_mutex_unlock pthread_cond_wait pthread_cond_timedwait pthread_cond_signal
    pthread_cond_broadcast epoll_create1 epoll_ctl epoll_wait eventfd write close fcntl poll syscall rn__stack_get
    rn__stack_put rn__stack_cache_drain rn__stack_trim rn__stack_give_back rn__stack_due rn__monitor_start rn__monitor_stop)
if(NOT RUNNEL_SANITIZE AND NOT RUNNEL_FUZZ AND NOT RUNNEL_COVERAGE)
    set(loom_dir ${PROJECT_BINARY_DIR}/loom)
    set(loom_runtime)
    sources_of(loom_originals GLOB runtime/*.c runtime/*.h)
    foreach(source IN LISTS loom_originals)
        file(RELATIVE_PATH name ${PROJECT_SOURCE_DIR} ${source})
        add_custom_command(OUTPUT ${loom_dir}/${name}
            COMMAND sed -E -f ${PROJECT_SOURCE_DIR}/tests/loom/shrink.sed ${source} > ${loom_dir}/${name}
            DEPENDS ${source} ${PROJECT_SOURCE_DIR}/tests/loom/shrink.sed VERBATIM)
        list(APPEND loom_runtime ${loom_dir}/${name})
    endforeach()
    file(MAKE_DIRECTORY ${loom_dir}/runtime)
    sources_of(loom_sources GLOB tests/loom/*.c)
    # As for ThreadSanitizer, in whose place tests/loom/races.c is linked.  The room is compiled with all warnings elsewhere.
    set(loom_flags -w -fsanitize=thread -U__SANITIZE_THREAD__)
    if(CMAKE_C_COMPILER_ID STREQUAL GNU)
        list(APPEND loom_flags --param=tsan-instrument-func-entry-exit=0)
    else()
        list(APPEND loom_flags "-D__has_feature(x)=0" -mllvm -tsan-instrument-func-entry-exit=0)
    endif()
    set_source_files_properties(${loom_runtime} PROPERTIES COMPILE_OPTIONS "${loom_flags}")
    add_executable(loom ${loom_sources} ${loom_runtime} ${ctx_source})
    set_target_properties(loom PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    target_include_directories(loom BEFORE PRIVATE ${PROJECT_SOURCE_DIR}/tests/loom/include ${loom_dir})
    target_compile_options(loom PRIVATE "$<$<COMPILE_LANGUAGE:C>:SHELL:-include stdatomic.h>"
        -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/= -fmacro-prefix-map=${loom_dir}/=)
    target_link_libraries(loom PRIVATE Threads::Threads ${CMAKE_DL_LIBS} m)
    foreach(function IN LISTS loom_models)
        target_link_options(loom PRIVATE -Wl,--wrap=${function})
    endforeach()
    set(loom_schedules 2000)
    if(CMAKE_CROSSCOMPILING_EMULATOR)
        set(loom_schedules 500) # the models are the same there, but for the switch between stacks
    endif()
    add_test(NAME loom COMMAND loom --schedules ${loom_schedules})
    test_properties(loom loom ${timeout_default})
endif()

# ---- whole processes ----
# A program that is a name of its own; .c files whose headers are beside them are what the programs share.
sources_of(e2e_all GLOB tests/e2e/*.c)
set(e2e_shared)
set(e2e_programs)
foreach(source IN LISTS e2e_all)
    string(REGEX REPLACE "\\.c$" ".h" header ${source})
    if(EXISTS ${header})
        list(APPEND e2e_shared ${source})
    else()
        list(APPEND e2e_programs ${source})
    endif()
endforeach()
add_library(e2e_shared STATIC ${e2e_shared})
set(uses_e2e_vandals fuzz_shared) # bytes, not a node: no librunnel
foreach(source IN LISTS e2e_programs)
    get_filename_component(name ${source} NAME_WE)
    add_executable(e2e_${name} ${source})
    set_target_properties(e2e_${name} PROPERTIES OUTPUT_NAME ${name}
        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests/e2e)
    if(NOT DEFINED uses_e2e_${name})
        set(uses_e2e_${name} librunnel)
    endif()
    target_link_libraries(e2e_${name} PRIVATE e2e_shared ${uses_e2e_${name}})
endforeach()
add_library(counting MODULE ${PROJECT_SOURCE_DIR}/tests/e2e/preload/counting.c) # for LD_PRELOAD: it links nothing of ours
set_target_properties(counting PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests/e2e)
target_include_directories(counting PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(counting PRIVATE ${CMAKE_DL_LIBS})
sources_of(scripts GLOB tests/e2e/*.sh tests/api/*.sh tests/python/*.sh EXCEPT tests/e2e/lib.sh tests/api/lib.sh)
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

# ---- examples: the programs; what each prints is in check.sh ----
foreach(source IN LISTS examples)
    get_filename_component(name ${source} NAME_WE)
    if(NOT name IN_LIST example_modules)
        add_test(NAME example_${name} COMMAND bash ${PROJECT_SOURCE_DIR}/tests/examples/check.sh
                 ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:${name}>)
        test_properties(example_${name} examples ${timeout_default})
    endif()
endforeach()

# ---- measurements, with a thousandth of their counts: they check what they compute, and it is not the time that counts ----
foreach(source IN LISTS benchmarks)
    get_filename_component(name ${source} NAME_WE)
    if(name MATCHES "^serve_(.*)$")
        add_test(NAME bench_${name}
                 COMMAND bench_load ${CMAKE_MATCH_1} 10 1000 ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:bench_${name}> 2)
    elseif(NOT name MATCHES "^(load|stalled|large)$") # the first serves the servers, the others need a broker: tests/e2e
        add_test(NAME bench_${name} COMMAND bench_${name} 2 1000)
    else()
        continue()
    endif()
    list(APPEND abandons bench_${name})
    test_properties(bench_${name} bench ${timeout_default})
endforeach()
set_tests_properties(bench_deadlock PROPERTIES PASS_REGULAR_EXPRESSION "all goroutines are asleep")
