#include <filesystem>

#include <fmt/format.h>

#include "nodes/cli_commands.hpp"
#include "nodes/json_output.hpp"
#include "runtime/certificates.hpp"
#include "runtime/data_folder.hpp"
#include "runtime/replace_file.hpp"
#include "runtime/secure_links.hpp"

namespace sotto {

namespace {

namespace fs = std::filesystem;
using json = nlohmann::json;

constexpr size_t largest_file = 1 << 20;
constexpr uint32_t authority_days = 3650;

/// Where the files are. The authority's key is kept apart: no node needs it.
struct places {
  fs::path folder;
  fs::path authority() const { return folder / "ca.pem"; }
  fs::path authority_key() const { return folder / "authority" / "ca.key"; }
  fs::path certificate(const std::string& node) const { return folder / (node + ".pem"); }
  fs::path key(const std::string& node) const { return folder / (node + ".key"); }
};

struct made_file {
  std::string name;
  bool frontend = false;
  bool fresh = false;
};

/// The authority that is there, or a new one. `fresh` says which.
caf::expected<certificate_pair> open_authority(const places& at, bool& fresh) {
  auto certificate = read_small_file(at.authority(), largest_file);
  auto key = read_small_file(at.authority_key(), largest_file);
  if (certificate && key)
    return certificate_pair{std::move(*certificate), std::move(*key)};
  for (auto* x : {&certificate, &key})
    if (!*x && to_failure(x->error()).code != ec::not_found)
      return x->error();
  if (certificate || key)
    return to_error({ec::invalid,
                     fmt::format("{} is there and {} is not: put it back, or use another folder",
                                 (certificate ? at.authority() : at.authority_key()).string(),
                                 (certificate ? at.authority_key() : at.authority()).string()),
                     {}});
  auto made = make_authority("Sotto cluster authority", authority_days);
  if (!made)
    return made;
  // The key first: a certificate without it would be of no use.
  if (auto why = make_private_folder(at.authority_key().parent_path()))
    return to_error(why);
  if (auto why = replace_file(at.authority_key(), made->key))
    return to_error(why);
  if (auto why = replace_file(at.authority(), made->certificate))
    return to_error(why);
  fresh = true;
  return made;
}

/// Makes what a node or a frontend needs where it is missing. A key is never overwritten.
failure make_files(const places& at, const certificate_pair& authority, const cli_call& call,
                   made_file& x) {
  link_options with;
  with.certificate = at.certificate(x.name);
  with.key = at.key(x.name);
  with.ca = at.authority();
  auto holder = x.frontend ? link_end::frontend : link_end::node;
  if (fs::exists(with.certificate) || fs::exists(with.key)) {
    auto why = check_link_files(with, holder);
    if (why)
      why.message +=
          fmt::format("; move {} and {} away to have new ones made", with.certificate, with.key);
    return why;
  }
  auto made = x.frontend ? make_frontend_certificate(authority, x.name, call.tenant, call.days)
                         : make_certificate(authority, x.name, call.hosts, call.days);
  if (!made)
    return to_failure(made.error());
  if (auto why = replace_file(with.key, made->key))
    return why;
  if (auto why = replace_file(with.certificate, made->certificate))
    return why;
  x.fresh = true;
  return check_link_files(with, holder);
}

void tell(const cli_call& call, const places& at, bool fresh, const std::vector<made_file>& all) {
  if (call.json) {
    json out{{"ca", at.authority().string()},
             {"ca_made", fresh},
             {"nodes", json::array()},
             {"frontends", json::array()}};
    for (auto& x : all)
      out[x.frontend ? "frontends" : "nodes"].push_back(
          {{x.frontend ? "frontend" : "node", x.name},
           {"certificate", at.certificate(x.name).string()},
           {"key", at.key(x.name).string()},
           {"made", x.fresh}});
    return print(dump(out) + "\n");
  }
  auto word = [](bool x) { return x ? "made" : "kept"; };
  auto out = fmt::format("{}  authority  {}\n", word(fresh), at.authority().string());
  for (auto& x : all)
    out += fmt::format("{}  {}{}  {}, {}\n", word(x.fresh), x.name, x.frontend ? " (frontend)" : "",
                       at.certificate(x.name).string(), at.key(x.name).string());
  print(out);
  complain(
      fmt::format("Every node's certificate of this authority is a full member of the cluster. "
                  "Keep {} away from the nodes; each needs its own two files and ca.pem.",
                  at.authority_key().string()));
}

} // namespace

int cluster_certs_command(const cli_call& call) {
  places at{call.folder};
  if (auto why = make_private_folder(at.folder)) {
    complain(why.message);
    return exit_failure;
  }
  auto hold = folder_hold::take(at.folder);
  if (!hold) {
    complain(to_failure(hold.error()).message);
    return exit_failure;
  }
  auto fresh = false;
  auto authority = open_authority(at, fresh);
  if (!authority) {
    complain(to_failure(authority.error()).message);
    return exit_failure;
  }
  std::vector<made_file> done;
  for (auto& node : call.nodes)
    done.push_back({node});
  for (auto& frontend : call.frontends)
    done.push_back({frontend, true});
  for (auto& x : done)
    if (auto why = make_files(at, *authority, call, x)) {
      complain(why.message);
      return exit_failure;
    }
  tell(call, at, fresh, done);
  return exit_ok;
}

} // namespace sotto
