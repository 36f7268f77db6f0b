#pragma once

#include "nodes/cli.hpp"

namespace sotto {

/// The commands, each in a file of its own. They read stdin, write stdout, tell problems on stderr
/// and return the exit code.
int chat_command(const cli_call& call);
/// Passes stdin through what `open` makes; `header` goes first, but not before JSON.
int filter_command(const cli_call& call, const options& x,
                   line_handler (*open)(const options&, bool json), std::string_view header);
int memory_list_command(const cli_call& call);
int memory_search_command(const cli_call& call);
int memory_forget_command(const cli_call& call);
int memory_reembed_command(const cli_call& call);
int cluster_status_command(const cli_call& call);
int cluster_watch_command(const cli_call& call);
int cluster_drain_command(const cli_call& call);
int cluster_rebalance_command(const cli_call& call);
/// `file`: where the keys are.
int keys_create_command(const cli_call& call, const std::string& file);
int keys_list_command(const cli_call& call, const std::string& file);
int keys_revoke_command(const cli_call& call, const std::string& file);
int cluster_certs_command(const cli_call& call);
/// Copies `call.from` to `call.to`; the rest is as the configuration says.
int store_copy_command(const cli_call& call, const options& with);
int config_show_command(const cli_call& call, const loaded_options& x);
int config_check_command(const cli_call& call, const loaded_options& x);

/// Writes one line to stderr.
void complain(std::string_view text);

/// Writes all of it to stdout at once.
void print(std::string_view text);

} // namespace sotto
