#include "nodes/gate.hpp"

namespace sotto {

namespace {

std::string network_of(const boost::asio::ip::address& x) {
  if (x.is_v4())
    return x.to_string();
  auto bytes = x.to_v6().to_bytes();
  return x.to_v6().is_v4_mapped() ? std::string{bytes.begin() + 12, bytes.end()}
                                  : std::string{bytes.begin(), bytes.begin() + 8};
}

} // namespace

std::shared_ptr<void> socket_counts::take(const boost::asio::ip::address& from, size_t most) {
  std::string address;
  if (most > 0) {
    address = network_of(from);
    std::lock_guard guard{mutex_};
    auto& count = by_address_[address];
    if (count >= most)
      return nullptr;
    ++count;
  }
  ++open;
  return {this, [self = shared_from_this(), address](void*) { self->release(address); }};
}

void socket_counts::release(const std::string& address) {
  --open;
  if (address.empty())
    return;
  std::lock_guard guard{mutex_};
  auto at = by_address_.find(address);
  if (--at->second == 0)
    by_address_.erase(at);
}

} // namespace sotto
