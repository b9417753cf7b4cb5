# One target a folder: warnings are errors, includes start at the root.

option(DOPPEL_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(DOPPEL_FUZZ "Build the fuzzers for libFuzzer (clang)" OFF)

add_library(doppel_settings INTERFACE)
target_include_directories(doppel_settings INTERFACE ${PROJECT_SOURCE_DIR})
target_include_directories(doppel_settings SYSTEM INTERFACE ${Boost_INCLUDE_DIRS})
target_compile_options(doppel_settings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  -Werror -fno-strict-aliasing -fno-math-errno)
if(DOPPEL_SANITIZE)
  target_compile_options(doppel_settings INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(doppel_settings INTERFACE -fsanitize=address,undefined)
endif()
if(DOPPEL_FUZZ)
  target_compile_options(doppel_settings INTERFACE -fsanitize=fuzzer-no-link)
endif()

# doppel_library(NAME sources...): a folder's library.
function(doppel_library name)
  add_library(${name} STATIC ${ARGN})
  target_link_libraries(${name} PUBLIC doppel_settings)
  target_compile_options(${name} PRIVATE -fno-exceptions)
endfunction()

# doppel_unit_test(NAME LIBRARY sources...): doctest cases of one folder, run as one CTest test.
function(doppel_unit_test name library)
  add_executable(${name} ${PROJECT_SOURCE_DIR}/tests/support/doctest_main.cpp ${ARGN})
  target_link_libraries(${name} PRIVATE ${library} doctest::doctest)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS unit)
endfunction()
