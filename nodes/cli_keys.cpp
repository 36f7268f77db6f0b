#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "messages/time_text.hpp"
#include "nodes/api_keys.hpp"
#include "nodes/cli_commands.hpp"
#include "nodes/json_output.hpp"
#include "runtime/clock.hpp"
#include "runtime/data_folder.hpp"
#include "runtime/replace_file.hpp"

namespace sotto {

namespace {

using json = nlohmann::json;

std::filesystem::path folder_of(const std::string& file) {
  auto folder = std::filesystem::path{file}.parent_path();
  return folder.empty() ? "." : folder;
}

/// What is in the file; a file that is not there has no keys.
bool load(const std::string& file, std::vector<api_key>& to) {
  auto keys = read_keys(file);
  if (keys)
    to = std::move(*keys);
  else if (auto why = to_failure(keys.error()); why.code != ec::not_found) {
    complain(why.message);
    return false;
  }
  return true;
}

/// Changes the file while nobody else does. `change` says whether there is something to write.
bool update(const std::string& file, const std::function<bool(std::vector<api_key>&)>& change) {
  auto folder = folder_of(file);
  if (auto why = make_private_folder(folder)) {
    complain(why.message);
    return false;
  }
  auto hold = folder_hold::take(folder);
  if (!hold) {
    complain(to_failure(hold.error()).message);
    return false;
  }
  std::vector<api_key> keys;
  if (!load(file, keys) || !change(keys))
    return false;
  if (auto why = write_keys(file, keys)) {
    complain(why.message);
    return false;
  }
  return true;
}

std::string_view state_of(const api_key& x, int64_t now) {
  return x.revoked != 0 ? "revoked" : x.expires != 0 && now >= x.expires ? "expired" : "active";
}

json to_json_value(const api_key& x, int64_t now) {
  auto time = [](int64_t at) { return at == 0 ? json{} : json(rfc3339(at)); };
  json out{{"id", x.id},
           {"name", x.name},
           {"tenant", x.tenant},
           {"priority_ceiling", to_string(x.ceiling)},
           {"rate", nullptr},
           {"burst", nullptr},
           {"admin", x.admin},
           {"created", time(x.created)},
           {"expires", time(x.expires)},
           {"revoked", time(x.revoked)},
           {"state", state_of(x, now)}};
  if (x.rate > 0) {
    out["rate"] = x.rate;
    out["burst"] = x.burst;
  }
  return out;
}

} // namespace

int keys_create_command(const cli_call& call, const std::string& file) {
  auto now = system_wall_clock()();
  auto with = call.key;
  with.created = now;
  if (with.expires != 0 && with.expires <= now) {
    complain("keys create: --expires is in the past");
    return exit_bad_use;
  }
  // A second's worth at once, if nothing else is said.
  if (with.rate > 0 && with.burst == 0)
    with.burst = static_cast<uint32_t>(std::max(1.0, std::ceil(with.rate)));
  auto made = make_key(std::move(with));
  if (!made) {
    complain(to_failure(made.error()).message);
    return exit_failure;
  }
  auto written = update(file, [&](auto& keys) {
    keys.push_back(made->record);
    return true;
  });
  if (!written)
    return exit_failure;
  if (call.json) {
    auto x = to_json_value(made->record, now);
    x["key"] = made->text;
    print(dump(x) + "\n");
    return exit_ok;
  }
  print(made->text + "\n");
  complain(
      fmt::format("This is the only time the key is shown. It is kept as {} for tenant {} in {}.",
                  made->record.id, made->record.tenant, file));
  return exit_ok;
}

int keys_list_command(const cli_call& call, const std::string& file) {
  std::vector<api_key> keys;
  if (!load(file, keys))
    return exit_failure;
  auto now = system_wall_clock()();
  std::string out;
  for (auto& x : keys) {
    if (call.json) {
      out += dump(to_json_value(x, now)) + "\n";
      continue;
    }
    out += fmt::format("{}  {:8} {:12} up to {}", x.id, state_of(x, now), x.tenant,
                       to_string(x.ceiling));
    if (x.rate > 0)
      out += fmt::format(", {}/s, {} at once", x.rate, x.burst);
    if (x.admin)
      out += ", admin";
    if (x.expires != 0)
      out += ", until " + rfc3339(x.expires);
    out += (x.name.empty() ? "" : "  " + x.name) + "\n";
  }
  print(out);
  return exit_ok;
}

int keys_revoke_command(const cli_call& call, const std::string& file) {
  auto now = system_wall_clock()();
  std::optional<api_key> revoked;
  auto found = update(file, [&](auto& keys) {
    auto at = std::find_if(keys.begin(), keys.end(), [&](auto& x) { return x.id == call.id; });
    if (at == keys.end()) {
      complain(
          fmt::format("there is no key {} in {}; \"sotto keys list\" shows them", call.id, file));
      return false;
    }
    if (at->revoked == 0)
      at->revoked = now;
    revoked = *at;
    return true;
  });
  if (!found)
    return exit_failure;
  print(call.json
            ? dump(to_json_value(*revoked, now)) + "\n"
            : fmt::format("revoked {}; a running node refuses it within two seconds\n", call.id));
  return exit_ok;
}

} // namespace sotto
