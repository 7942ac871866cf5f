# lpu_add_mlir_library(<name> SOURCES <file>... [DEPENDS <target>...] [LINK <library>...])
#
# Adds a static library over the shared MLIR and LLVM. DEPENDS are targets that
# generate headers; whoever links the library waits for them too. It is installed
# as a part of the compiler (LPUInstall.cmake).
function(lpu_add_mlir_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  target_link_libraries(${name} PUBLIC ${ARG_LINK} ${LPU_MLIR_LIBS})
  set_property(GLOBAL APPEND PROPERTY LPU_COMPILER_LIBRARIES ${name})
endfunction()
