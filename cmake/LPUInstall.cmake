# Libraries, headers, machine descriptions and the package file of
# `cmake --install` and `find_package(LPU)`: docs/Installing.md. The tools and the
# Python package are installed where they are built.
include(CMakePackageConfigHelpers)
set(LPU_CONFIG_INSTALL_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/LPU")

# lpu_install_libraries(<export set> INCLUDES <folder>... LIBRARIES <target>...)
#
# LPUSupport is LPU::Support to others, MLIRLPUIR is LPU::LPUIR.
function(lpu_install_libraries export)
  cmake_parse_arguments(ARG "" "" "INCLUDES;LIBRARIES" ${ARGN})
  foreach(library ${ARG_LIBRARIES})
    string(REGEX REPLACE "^(LPU|MLIR)" "" name "${library}")
    set_target_properties(${library} PROPERTIES EXPORT_NAME ${name})
    target_compile_features(${library} INTERFACE cxx_std_20)
    foreach(folder ${ARG_INCLUDES})
      target_include_directories(${library} INTERFACE "$<INSTALL_INTERFACE:${folder}>")
    endforeach()
  endforeach()
  install(TARGETS ${ARG_LIBRARIES} EXPORT ${export}
          ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(EXPORT ${export} NAMESPACE LPU:: DESTINATION "${LPU_CONFIG_INSTALL_DIR}")
endfunction()

# lpu_install_headers(<destination> <folder>...): with the structure below them.
function(lpu_install_headers destination)
  install(DIRECTORY ${ARGN} DESTINATION "${destination}"
          FILES_MATCHING PATTERN "*.h" PATTERN "*.def" PATTERN "*.td" PATTERN "*.inc"
                         PATTERN "*.proto"
          PATTERN "CMakeFiles" EXCLUDE)
endfunction()

set(include "${CMAKE_INSTALL_INCLUDEDIR}")
get_property(runtime GLOBAL PROPERTY LPU_RUNTIME_LIBRARIES)
lpu_install_libraries(LPUTargets INCLUDES "${include}" LIBRARIES ${runtime})
foreach(library ${runtime})
  string(REGEX REPLACE "^LPU" "" name "${library}")
  lpu_install_headers("${include}/lpu" "${CMAKE_SOURCE_DIR}/include/lpu/${name}")
endforeach()
lpu_install_headers("${include}" "${CMAKE_BINARY_DIR}/include/lpu")

set(LPU_COMPILER_EXPORTS)
if(LPU_ENABLE_MLIR)
  get_property(compiler GLOBAL PROPERTY LPU_COMPILER_LIBRARIES)
  lpu_install_libraries(LPUCompilerTargets INCLUDES "${include}" "${include}/lpu/dialects"
                        LIBRARIES ${compiler})
  foreach(name Conversion Export Host Import Pipelines)
    lpu_install_headers("${include}/lpu" "${CMAKE_SOURCE_DIR}/include/lpu/${name}")
  endforeach()
  lpu_install_headers("${include}/lpu/dialects"
                      "${CMAKE_SOURCE_DIR}/dialects/" "${CMAKE_BINARY_DIR}/dialects/")
  foreach(library ${compiler})
    get_target_property(name ${library} EXPORT_NAME)
    list(APPEND LPU_COMPILER_EXPORTS "LPU::${name}")
  endforeach()
endif()

set(LPU_MACHINES_INSTALL_DIR "${CMAKE_INSTALL_DATADIR}/lpu/machines")
install(DIRECTORY "${CMAKE_SOURCE_DIR}/lib/Target/machines/"
        DESTINATION "${LPU_MACHINES_INSTALL_DIR}" FILES_MATCHING PATTERN "*.textproto")
install(FILES "${CMAKE_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/lpu")

configure_package_config_file(
  "${CMAKE_CURRENT_LIST_DIR}/LPUConfig.cmake.in" "${CMAKE_BINARY_DIR}/LPUConfig.cmake"
  INSTALL_DESTINATION "${LPU_CONFIG_INSTALL_DIR}" PATH_VARS LPU_MACHINES_INSTALL_DIR)
# Before 1.0 a minor version may break others' code.
write_basic_package_version_file("${CMAKE_BINARY_DIR}/LPUConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/LPUConfig.cmake" "${CMAKE_BINARY_DIR}/LPUConfigVersion.cmake"
        DESTINATION "${LPU_CONFIG_INSTALL_DIR}")
