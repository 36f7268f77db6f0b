#pragma once

#include <map>

#include "config/options.hpp"

namespace sotto {

/// Where configuration comes from. Later members go before earlier ones, except that a profile is
/// only what the others start from.
struct option_sources {
  /// Name of a profile; empty leaves the choice to SOTTO_PROFILE, then to `profile` in the file,
  /// then to ENABLE_PRODUCTION_OPTIMIZATION (true: production), then it is `standard`.
  std::string profile;
  /// Path of a TOML file; empty leaves it to SOTTO_CONFIG, which may be unset.
  std::string file;
  std::map<std::string, std::string> environment;
  /// `key=value`, as given to `--set`.
  std::vector<std::string> assignments;
};

/// What was loaded, and everything that is wrong with it, each with its place, what was given and
/// what would be right. Values may be used only if there are no problems.
struct loaded_options {
  options value;
  std::vector<std::string> problems;
};

/// Reads and checks all sources. Never throws for what they hold.
loaded_options load_options(const option_sources& from);

/// The variables of this process that may concern the configuration.
std::map<std::string, std::string> process_environment();

/// Names of the profiles, and the TOML text of one (nullptr if there is none of that name).
const std::vector<std::string>& profile_names();
const char* profile_text(std::string_view name);

/// The folder of `emotion.bin` and `words.bin`: `node.data_files` if set, else `data` beside the
/// build folder of this program, else `share/sotto` beside its `bin`, else /usr/share/sotto. The
/// folder may be missing or empty.
std::string find_data_files(const options& x);

} // namespace sotto
