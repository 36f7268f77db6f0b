#include "config/load.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "config/apply.hpp"
#include "config/bind.hpp"

extern char** environ;

namespace sotto {

namespace {

namespace fs = std::filesystem;

/// Variables of ours that are no settings.
constexpr std::array<std::string_view, 6> other_variables{
    "SOTTO_PROFILE", "SOTTO_CONFIG", "SOTTO_DATA_FILES", "SOTTO_DATA", "SOTTO_URL", "SOTTO_BIN"};

class loader {
public:
  explicit loader(const option_sources& from) : from_(from) {}

  loaded_options load() {
    read_file();
    auto profile = choose_profile();
    if (auto text = profile_text(profile))
      out_.apply_text("profile " + profile, text);
    else
      unknown_profile(profile);
    out_.value.profile = profile;
    if (!path_.empty())
      out_.apply(path_, document_);
    apply_environment();
    for (auto& x : from_.assignments)
      apply_assignment(x);
    out_.finish();
    return {std::move(out_.value), std::move(out_.problems)};
  }

private:
  std::string variable(const std::string& name) const {
    auto i = from_.environment.find(name);
    return i == from_.environment.end() ? std::string{} : i->second;
  }

  void read_file() {
    path_ = from_.file.empty() ? variable("SOTTO_CONFIG") : from_.file;
    if (path_.empty())
      return;
    std::error_code problem;
    if (fs::is_directory(path_, problem)) {
      out_.problem(fmt::format("{}: is a folder; give a TOML file", path_));
      return;
    }
    std::ifstream in{path_, std::ios::binary};
    if (!in) {
      out_.problem(fmt::format("{}: cannot be read: {}", path_, std::strerror(errno)));
      return;
    }
    // One byte more than the reader takes, so that it sees when there is too much.
    std::string text((1 << 20) + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(in.gcount()));
    document_ = read_toml(text);
  }

  std::string choose_profile() {
    if (!from_.profile.empty())
      return from_.profile;
    if (auto x = variable("SOTTO_PROFILE"); !x.empty())
      return x;
    for (auto& entry : document_.entries)
      if (entry.key == "profile")
        return profile_of(entry);
    return profile_of_switch();
  }

  std::string profile_of(const toml_entry& entry) {
    auto name = std::get_if<std::string>(&entry.value);
    if (name && !name->empty())
      return *name;
    if (!name)
      out_.problem(fmt::format("{}:{}:{}: profile: {} is wrong; it must be the name of a profile",
                               path_, entry.line, entry.column, show_safely(entry.value)));
    return profile_of_switch();
  }

  /// The original engine's switch.
  std::string profile_of_switch() {
    constexpr auto name = "ENABLE_PRODUCTION_OPTIMIZATION";
    auto text = variable(name);
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (text == "true")
      return "production";
    if (!text.empty() && text != "false")
      out_.problem(fmt::format("environment {}: {} is wrong; it must be true or false", name,
                               show_safely(variable(name))));
    return "standard";
  }

  void unknown_profile(const std::string& name) {
    auto near = nearest(name, profile_names());
    out_.problem(fmt::format("profile {} does not exist; {}", show_safely(name),
                             near.empty() ? "there are " + show(profile_names())
                                          : fmt::format("did you mean \"{}\"?", near)));
  }

  void apply_environment() {
    std::map<std::string, std::string> keys;
    std::vector<std::string> names;
    for (auto& key : known_keys())
      if (key != "profile") {
        names.push_back(variable_of(key));
        keys[names.back()] = key;
      }
    if (auto x = variable("SOTTO_DATA_FILES"); !x.empty())
      out_.apply_plain("environment SOTTO_DATA_FILES", "node.data_files", x);
    for (auto& [name, text] : from_.environment) {
      auto known = keys.find(name);
      if (known != keys.end())
        out_.apply_plain("environment " + name, known->second, text);
      else
        refuse_misspelt(name, names);
    }
  }

  /// Others may have variables that start with SOTTO_ too (Kubernetes makes some for a service of
  /// that name), so only what is nearly one of ours is refused.
  void refuse_misspelt(const std::string& name, const std::vector<std::string>& names) {
    if (!name.starts_with("SOTTO_") || name.size() > 100
        || std::find(other_variables.begin(), other_variables.end(), name) != other_variables.end())
      return;
    for (auto& x : names)
      if (edit_distance(name, x) <= 2) {
        out_.problem(fmt::format("environment {}: unknown variable; did you mean {}?", name, x));
        return;
      }
  }

  void apply_assignment(const std::string& text) {
    auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      out_.problem(fmt::format("--set {}: must be key=value, such as gateway.listen=127.0.0.1:7701",
                               show_safely(text)));
      return;
    }
    auto key = text.substr(0, equals);
    if (key == "profile")
      out_.problem("--set profile: give the profile with --profile");
    else
      out_.apply_plain("--set", key, text.substr(equals + 1));
  }

  const option_sources& from_;
  option_assembler out_;
  std::string path_;
  toml_document document_;
};

} // namespace

loaded_options load_options(const option_sources& from) {
  return loader{from}.load();
}

std::map<std::string, std::string> process_environment() {
  std::map<std::string, std::string> out;
  for (auto x = environ; x && *x; ++x) {
    std::string_view entry = *x;
    auto name = entry.substr(0, entry.find('='));
    if (name.size() < entry.size()
        && (name.starts_with("SOTTO_") || name == "ENABLE_PRODUCTION_OPTIMIZATION"))
      out.emplace(name, entry.substr(name.size() + 1));
  }
  return out;
}

std::string find_data_files(const options& x) {
  if (!x.node.data_files.empty())
    return x.node.data_files;
  std::error_code problem;
  auto program = fs::read_symlink("/proc/self/exe", problem);
  if (!problem) {
    // build/release/sotto, build/release/test/test_actors: the data lies in build/data.
    auto folder = program.parent_path();
    for (int up = 0; up < 3; ++up, folder = folder.parent_path())
      if (auto data = folder / "data";
          fs::exists(data / "emotion.bin", problem) || fs::exists(data / "words.bin", problem))
        return data.string();
    // PREFIX/bin/sotto
    if (auto data = program.parent_path().parent_path() / "share" / "sotto";
        fs::exists(data / "emotion.bin", problem) || fs::exists(data / "words.bin", problem))
      return data.string();
  }
  return "/usr/share/sotto";
}

} // namespace sotto
