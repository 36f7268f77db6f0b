# Every actors/analysers/NAME.cpp defines `std::vector<std::string> sotto::analysers::NAME(const
# std::string&)`; this writes the list of them, so that adding one takes one file.
file(GLOB analysers CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/actors/analysers/*.cpp")
set(declared "")
set(listed "")
foreach(file ${analysers})
  get_filename_component(name ${file} NAME_WE)
  string(APPEND declared "std::vector<std::string> ${name}(const std::string&);\n")
  string(APPEND listed "      analyser_of(\"${name}\", analysers::${name}),\n")
endforeach()
file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/analysers.cpp" @ONLY CONTENT
"#include \"actors/analysers.hpp\"

namespace sotto {
namespace analysers {
@declared@}
std::vector<analyser_operation> custom_analysers() {
  return {
@listed@  };
}
} // namespace sotto
")
target_sources(sotto_actors PRIVATE ${analysers} "${CMAKE_BINARY_DIR}/analysers.cpp")
