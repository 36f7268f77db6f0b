#include "nodes/api_keys.hpp"

#include <set>
#include <stdexcept>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "config/rules.hpp"
#include "messages/json_input.hpp"
#include "messages/time_text.hpp"
#include "runtime/replace_file.hpp"

namespace sotto {

namespace {

using json = nlohmann::json;

constexpr std::string_view prefix = "sk-sotto-";
constexpr size_t id_digits = 16, secret_digits = 64;

bool is_hex(std::string_view x, size_t digits) {
  return x.size() == digits && x.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string to_hex(const unsigned char* bytes, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i)
    out += fmt::format("{:02x}", bytes[i]);
  return out;
}

int64_t read_time(field_reader& fields, const char* key) {
  auto text = fields.text(key, 64);
  auto at = text.empty() ? std::optional<int64_t>{0} : parse_rfc3339(text);
  if (!at)
    fields.refuse(key, "must be a time (RFC 3339)");
  return at.value_or(0);
}

api_key read_key(const json& from, failure& why, std::string place) {
  field_reader fields{from, why, std::move(place)};
  api_key x;
  x.id = fields.text("id", id_digits, true);
  x.name = fields.text("name", 100);
  x.tenant = fields.text("tenant", 100, true);
  x.hash = fields.text("sha256", 64, true);
  auto level = fields.text("priority_ceiling", 16, true);
  x.rate = fields.number("rate", 0, 1e6).value_or(0);
  x.burst = static_cast<uint32_t>(fields.integer("burst", 0, 1'000'000).value_or(0));
  x.admin = fields.flag("admin", false);
  x.created = read_time(fields, "created");
  x.expires = read_time(fields, "expires");
  x.revoked = read_time(fields, "revoked");
  if (why)
    return x;
  auto ceiling = priority_from(level);
  if (!is_hex(x.id, id_digits))
    fields.refuse("id", "must be 16 hex digits");
  else if (!hash_from(x.hash))
    fields.refuse("sha256", "must be 64 hex digits");
  else if (!rule::is_name(x.tenant))
    fields.refuse("tenant", "must be a name");
  else if (!ceiling)
    fields.refuse("priority_ceiling", "must be critical, high, normal, low or background");
  else if ((x.rate > 0) != (x.burst > 0))
    fields.refuse("burst", "must come with rate, and rate with it");
  x.ceiling = ceiling.value_or(priority::background);
  return x;
}

json to_json(const api_key& x) {
  json out{{"id", x.id},       {"tenant", x.tenant},
           {"sha256", x.hash}, {"priority_ceiling", to_string(x.ceiling)},
           {"admin", x.admin}, {"created", rfc3339(x.created)}};
  if (!x.name.empty())
    out["name"] = x.name;
  if (x.rate > 0) {
    out["rate"] = x.rate;
    out["burst"] = x.burst;
  }
  if (x.expires != 0)
    out["expires"] = rfc3339(x.expires);
  if (x.revoked != 0)
    out["revoked"] = rfc3339(x.revoked);
  return out;
}

} // namespace

std::optional<key_text> split_key(std::string_view text) {
  if (text.size() != prefix.size() + id_digits + 1 + secret_digits || !text.starts_with(prefix))
    return std::nullopt;
  key_text x{text.substr(prefix.size(), id_digits), text.substr(text.size() - secret_digits)};
  if (!is_hex(x.id, id_digits) || text[prefix.size() + id_digits] != '-')
    return std::nullopt;
  return x;
}

key_hash hash_of(std::string_view secret) {
  // Looking the algorithm up takes longer than running it.
  static const auto* sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  key_hash out{};
  unsigned size = 0;
  if (EVP_Digest(secret.data(), secret.size(), out.data(), &size, sha256, nullptr) != 1)
    throw std::runtime_error{"OpenSSL cannot compute SHA-256"};
  return out;
}

std::optional<key_hash> hash_from(std::string_view hex) {
  if (!is_hex(hex, 64))
    return std::nullopt;
  auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  key_hash out{};
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<unsigned char>(digit(hex[2 * i]) * 16 + digit(hex[2 * i + 1]));
  return out;
}

bool same_hash(const key_hash& a, const key_hash& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

caf::expected<made_key> make_key(api_key with) {
  std::array<unsigned char, (id_digits + secret_digits) / 2> bytes;
  if (::getentropy(bytes.data(), bytes.size()) != 0)
    return to_error({ec::internal, "the operating system gave no random numbers", {}});
  with.id = to_hex(bytes.data(), id_digits / 2);
  auto secret = to_hex(bytes.data() + id_digits / 2, secret_digits / 2);
  auto hash = hash_of(secret);
  with.hash = to_hex(hash.data(), hash.size());
  auto text = fmt::format("{}{}-{}", prefix, with.id, secret);
  return made_key{std::move(with), std::move(text)};
}

caf::expected<std::vector<api_key>> read_keys(const std::filesystem::path& file) {
  auto text = read_small_file(file, largest_key_file);
  if (!text)
    return text.error();
  failure why;
  auto body = parse_json(*text, why);
  std::vector<api_key> keys;
  std::set<std::string> seen;
  auto list = body.is_object() ? body.find("keys") : body.end();
  if (!why && (!body.is_object() || list == body.end() || !list->is_array()))
    why = {ec::invalid, "must be an object with an array 'keys'", {}};
  for (size_t i = 0; !why && i < list->size(); ++i) {
    auto place = fmt::format("keys[{}].", i);
    keys.push_back(read_key((*list)[i], why, place));
    if (!why && !seen.insert(keys.back().id).second)
      why = {ec::invalid, fmt::format("'{}id' is there already", place), {}};
  }
  if (why)
    return to_error({ec::storage_failed,
                     fmt::format("{} is damaged: {}; restore it, or remove it and make new keys",
                                 file.string(), why.message),
                     {}});
  return keys;
}

failure write_keys(const std::filesystem::path& file, const std::vector<api_key>& keys) {
  auto list = json::array();
  for (auto& x : keys)
    list.push_back(to_json(x));
  return replace_file(file, json{{"keys", std::move(list)}}.dump(2) + "\n");
}

} // namespace sotto
