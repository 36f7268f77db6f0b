#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "messages/context.hpp"
#include "messages/error.hpp"
#include "messages/event.hpp"
#include "messages/memory.hpp"
#include "messages/turn.hpp"

/// What a C++ frontend (room `client`) and a node say to each other: frames over mutual TLS, their
/// values as CAF writes them. PROTOCOL.md describes it.
///
/// It is not CAF's own network protocol: whoever speaks that can address every actor of a node. Of
/// a frontend nothing is read but the values named here.
namespace sotto {

/// Protocols that this release speaks, oldest and newest. A change of anything that crosses makes a
/// new one.
inline constexpr uint32_t oldest_native_protocol = 1, newest_native_protocol = 2;

/// First of all: who asks to come in.
struct native_hello {
  uint32_t oldest = oldest_native_protocol, newest = newest_native_protocol;
  /// Of the program, for people.
  std::string version;
  /// The API key; empty where the node asks for none.
  std::string key;
  /// The tenant to act for where it is not the key's own; takes an admin key.
  std::string tenant;
};

/// The answer, if it may.
struct native_welcome {
  uint32_t protocol = newest_native_protocol;
  /// Name of the node in its cluster; may be empty.
  std::string node;
  std::string version;
  /// For whom it acts, as the node decided.
  std::string tenant;
  /// Calls that may be without an answer.
  uint32_t calls = 1;
  /// Bytes of the largest frame that is read.
  uint32_t frame = 0;
  /// Nanoseconds of silence after which the node takes the frontend for lost.
  int64_t idle = 0;
};

struct native_remove {
  owner_key owner;
  /// Of the memory.
  std::string id;
};

struct native_forget {
  owner_key owner;
};

/// Not answered: events follow until the lease ends.
struct native_subscribe {
  owner_key owner;
  std::string conversation;
  subscription wanted;
};

/// The call of this number is given up. Not answered.
struct native_cancel {};

/// The sender lives. A node answers with the same.
struct native_alive {};

/// Whether a stream goes on where it was cut.
struct native_resumed {
  bool recovered = false;
};

struct native_found {
  std::vector<recalled> memories;
};

struct native_removed {
  bool removed = false;
};

/// The node has done nothing with the call and will not: another one may.
struct native_returned {};

/// The node is about to end: calls under way are still answered, new ones are returned.
struct native_leaving {};

/// Where else a frontend may go: HOST:PORT of the ports for frontends of all nodes that are well.
/// In this order they are to be tried, so that not all frontends of a node that is lost choose the
/// same. Sent after the welcome and when it changes, from protocol 2 on.
struct native_nodes {
  std::vector<std::string> addresses;
};

/// What a frontend sends. A tenant in it counts for nothing: the node puts in its own. The place in
/// the list is what crosses, so new ones come last.
using native_call =
    std::variant<native_hello, turn_request, memory_query, memory_write, memory_page_query,
                 native_remove, native_forget, native_subscribe, native_cancel, native_alive>;

/// What a node sends.
using native_answer =
    std::variant<native_welcome, stream_piece, native_resumed, turn_reply, native_found,
                 memory_receipt, memory_page, native_removed, forget_receipt, failure,
                 session_event, native_returned, native_leaving, native_alive, native_nodes>;

/// One frame. `number` is the frontend's name for a call, and stands in all that answers it; 0
/// where it answers none: then a failure is the reason for which the node hangs up. Of `ctx` there
/// cross trace, level and (as nanoseconds that are left) the deadline.
template <class Body>
struct native_frame {
  uint64_t number = 0;
  context ctx;
  /// The frontend chose the level.
  bool level_given = false;
  Body body;
};
using native_call_frame = native_frame<native_call>;
using native_answer_frame = native_frame<native_answer>;

/// Bytes before each frame that say how long it is, most significant first.
inline constexpr size_t native_head = 4;

/// A frame with its head.
std::string to_bytes(const native_call_frame& x);
std::string to_bytes(const native_answer_frame& x);

/// Reads a head.
uint32_t native_size(std::string_view head);

/// Reads a frame without its head. Fails with `ec::invalid`: `to.number` is set if it could be
/// read.
failure from_bytes(std::string_view bytes, native_call_frame& to);
failure from_bytes(std::string_view bytes, native_answer_frame& to);

} // namespace sotto
