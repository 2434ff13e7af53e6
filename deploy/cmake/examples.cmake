# examples.cmake - examples/: programs, and modules for runnel-node; bench/: measurements; all against librunnel alone.
# SPDX-License-Identifier: MIT
set(example_modules squares wordcount_lines wordcount_worker wordcount_collect)

sources_of(examples GLOB examples/*.c)
foreach(source IN LISTS examples)
    get_filename_component(name ${source} NAME_WE)
    if(name IN_LIST example_modules)
        add_library(${name} MODULE ${source})
        set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
    else()
        add_executable(${name} ${source})
    endif()
    target_link_libraries(${name} PRIVATE librunnel)
endforeach()

# ---- measurements: a program each, see docs/HACKING.md ----
# With the static library, as Go's programs have their runtime: calls through a shared one take 2 ns of a mutex's 5.
set(measured librunnel)
if(TARGET librunnel_static)
    set(measured librunnel_static)
endif()
sources_of(benchmarks GLOB bench/*.c)
foreach(source IN LISTS benchmarks)
    get_filename_component(name ${source} NAME_WE)
    add_executable(bench_${name} ${source})
    set_target_properties(bench_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench OUTPUT_NAME ${name})
    target_link_libraries(bench_${name} PRIVATE ${measured} m)
endforeach()
