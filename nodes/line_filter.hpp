#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace sotto {

/// Reads lines from one file descriptor and writes to another what `line` appends for each, with
/// few system calls. A last line without line break counts; a carriage return before the break
/// does not belong to the line. Results are written before more is waited for.
///
/// Returns what went wrong, for people; empty if nothing did. Lines over 16 MiB end it.
using line_handler = std::function<void(std::string_view line, std::string& out)>;
std::string filter_lines(int in, int out, const line_handler& line);

/// Writes all of `text`; false with errno set if that fails.
bool write_all(int fd, std::string_view text);

} // namespace sotto
