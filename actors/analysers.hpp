#pragma once

#include <string>
#include <vector>

#include "actors/senses.hpp"

namespace sotto {

/// The analysers of the folder actors/analysers, by the names of their files. Every turn asks all
/// of them; what they find is in the reply under `analyses`.
std::vector<analyser_operation> custom_analysers();

/// An analyser from a function that labels one text; called on any thread, must not block for long.
/// An exception fails the text alone.
analyser_operation analyser_of(const char* name,
                               std::vector<std::string> (*label)(const std::string&));

/// Where the files of actors/analysers define their functions, each under the file's name.
namespace analysers {}

} // namespace sotto
