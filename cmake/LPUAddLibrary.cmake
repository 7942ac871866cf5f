# lpu_add_library(<name> SOURCES <file>... [LINK <library>...] [PROTOS <file>...])
#
# Adds the static library LPU<name>. Files in PROTOS are paths of .proto files
# below include/; their generated headers are included by the same path. It is
# installed (LPUInstall.cmake) unless LPU_LIBRARIES_ARE_INTERNAL is set.
function(lpu_add_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;PROTOS" ${ARGN})
  set(generated)
  foreach(proto ${ARG_PROTOS})
    string(REGEX REPLACE "\\.proto$" "" stem "${proto}")
    set(out "${CMAKE_BINARY_DIR}/include/${stem}.pb")
    add_custom_command(
      OUTPUT "${out}.cc" "${out}.h"
      COMMAND ${CMAKE_COMMAND} -E make_directory "${CMAKE_BINARY_DIR}/include"
      COMMAND protobuf::protoc "--cpp_out=${CMAKE_BINARY_DIR}/include"
              "-I${CMAKE_SOURCE_DIR}/include" "${CMAKE_SOURCE_DIR}/include/${proto}"
      DEPENDS "${CMAKE_SOURCE_DIR}/include/${proto}"
      VERBATIM)
    list(APPEND generated "${out}.cc" "${out}.h")
  endforeach()
  add_library(LPU${name} STATIC ${ARG_SOURCES} ${generated})
  if(generated)
    set_source_files_properties(${generated} PROPERTIES COMPILE_OPTIONS -w)
  endif()
  target_link_libraries(LPU${name} PUBLIC ${ARG_LINK})
  if(NOT LPU_LIBRARIES_ARE_INTERNAL)
    set_property(GLOBAL APPEND PROPERTY LPU_RUNTIME_LIBRARIES LPU${name})
  endif()
endfunction()
