# For the TSan preset, included right after project(): links abseil_mutex.cc, which says why, into every program. It is
# compiled while configuring, so that no target has to depend on it.
set(annotations ${CMAKE_BINARY_DIR}/abseil_mutex.o)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/abseil_mutex.cc)
execute_process(
  COMMAND ${CMAKE_CXX_COMPILER} -std=c++20 -O1 -fPIC -c ${CMAKE_CURRENT_LIST_DIR}/abseil_mutex.cc -o ${annotations}
  COMMAND_ERROR_IS_FATAL ANY)
add_link_options(${annotations})
