#pragma once

#include "messages/native.hpp"
#include "nodes/openai_api.hpp"

/// The calls of C++ frontends, checked as those that come over HTTP. `tenant` is put in for
/// whatever the frontend wrote there, and what is not a frontend's to say is taken out.
namespace sotto {

/// `nobodys` names the conversation of a turn of nobody.
failure check_call(turn_request& x, const surface& with, const std::string& tenant,
                   const std::string& nobodys);
failure check_call(memory_query& x, const std::string& tenant);
failure check_call(memory_write& x, const std::string& tenant);
failure check_call(memory_page_query& x, const std::string& tenant);
failure check_call(native_remove& x, const std::string& tenant);
failure check_call(native_forget& x, const std::string& tenant);
failure check_call(native_subscribe& x, const surface& with, const std::string& tenant);

} // namespace sotto
