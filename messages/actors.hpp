#pragma once

#include <caf/replies_to.hpp>
#include <caf/typed_actor.hpp>

#include "messages/atoms.hpp"
#include "messages/context.hpp"
#include "messages/error.hpp"
#include "messages/journal.hpp"
#include "messages/store.hpp"
#include "messages/turn.hpp"
#include "messages/work.hpp"

/// Every protocol of the node on one page.
///
///   CONNECTION ─► ADMISSION ─► PARTITION ─► SESSION ─┬─► EMOTION
///                     │                 ├─► TOPICS
///                     │                 ├─► EMBEDDING
///                     │                 ├─► LLM SCHEDULER ─► LLM CONNECTION | BUILTIN
///                     └─────────────────┴─► SHARD ─► STORE WRITER, STORE READER
///
/// Every message begins with a context. Messages sent as urgent (message_priority::high) are
/// control: they pass the five-level mailbox and are never refused. Whoever has many requests
/// under way gives a handle and a ticket of its own with each, and gets events with that ticket
/// back; whoever has few uses CAF's requests, always with a time-out.
namespace sotto {

/// What a five-level mailbox answers to a sender it refuses: a CAF error made by `to_error`.

/// TURN CLIENT: waits for turns. A CONNECTION of the gateway, or a test.
using turn_client_actor = caf::typed_actor<
    // A piece of the reply to the turn `ticket`; only where the turn asked for a stream.
    caf::reacts_to<context, atom::token, uint64_t, stream_piece>,
    // Before all else, to who wants to take up a stream again: whether it goes on where it was cut
    // (true), or begins anew because nothing is known of it.
    caf::reacts_to<context, atom::resumed, uint64_t, bool>,
    // The turn is over and, if it was to be remembered, durable.
    caf::reacts_to<context, atom::completed, uint64_t, turn_reply>,
    // The turn failed or was refused.
    caf::reacts_to<context, atom::failed, uint64_t, failure>>;

/// SESSION: one conversation; runs its turns one after another.
/// Started by PARTITION. Calls EMOTION, TOPICS, EMBEDDING, SHARD and LLM SCHEDULER.
using session_actor = caf::typed_actor<
    // Runs a turn when those before it are done, and tells the client under its ticket.
    caf::reacts_to<context, atom::say, turn_client_actor, uint64_t, turn_request>,
    // Control: the client gave the turn up, or (true) was lost: then a turn with a key goes on, and
    // its reply can be asked for again.
    caf::reacts_to<context, atom::cancel, turn_client_actor, uint64_t, bool>,
    // Of the generation under way.
    caf::reacts_to<context, atom::token, uint64_t, std::string>,
    caf::reacts_to<context, atom::completed, uint64_t, completion>,
    caf::reacts_to<context, atom::failed, uint64_t, failure>,
    // Control: ends if nothing is under way and nothing waits; says whether it did.
    caf::replies_to<context, atom::passivate>::with<bool>,
    // Control: ends when what is under way is over.
    caf::reacts_to<context, atom::drain>,
    // Control: memories of the owner were removed; what was loaded of them is dropped.
    caf::reacts_to<context, atom::forget>,
    // Own timer: a generation that never ends fails the turn.
    caf::reacts_to<context, atom::tick>>;

/// EMOTION: scores texts. Called by SESSION and CONNECTION.
using emotion_actor = caf::typed_actor<
    caf::replies_to<context, atom::analyse, std::string>::with<emotion_reading>,
    // As many readings as texts, in the same order.
    caf::replies_to<context, atom::analyse,
                    std::vector<std::string>>::with<std::vector<emotion_reading>>,
    // The same as clients read them: JSON objects with commas between them.
    caf::replies_to<context, atom::write, std::vector<std::string>>::with<std::string>>;

/// ANALYSER: labels a text; TOPICS and those of actors/analysers. Called by SESSION.
using analyser_actor = caf::typed_actor<
    caf::replies_to<context, atom::analyse, std::string>::with<std::vector<std::string>>>;

/// EMBEDDING: sentence vectors. Called by SESSION and CONNECTION.
using embedding_actor = caf::typed_actor<
    // A vector of unit length; all zeros where no word of the text is known.
    caf::replies_to<context, atom::embed, std::string>::with<std::vector<float>>,
    caf::replies_to<context, atom::embed,
                    std::vector<std::string>>::with<std::vector<std::vector<float>>>>;

/// What PARTITION and SHARD both offer on an owner's memories. PARTITION hands over to its SHARD.
using memory_actor = caf::typed_actor<
    // Best first.
    caf::replies_to<context, atom::recall, memory_query>::with<std::vector<recalled>>,
    // Answered when durable. An id that is there already changes nothing.
    caf::replies_to<context, atom::remember, memory_write>::with<memory_receipt>,
    caf::replies_to<context, atom::list, memory_page_query>::with<memory_page>,
    // Removes one memory by id; false where there is none.
    caf::replies_to<context, atom::remove, owner_key, std::string>::with<bool>,
    // Removes everything of an owner.
    caf::replies_to<context, atom::forget, owner_key>::with<forget_receipt>,
    // Removes what a user said in the groups of this partition, and what was answered to it.
    // Answered when durable.
    caf::replies_to<context, atom::forget, spoken_by>::with<spoken_receipt>>;

/// STORE CLIENT: is told what became of a write, by ticket. Control: never refused.
using store_client_actor =
    caf::typed_actor<caf::reacts_to<context, atom::committed, uint64_t, failure>>;

/// SHARD: the memories of one partition's owners, loaded an owner at a time.
/// Called by PARTITION and SESSION. Calls STORE WRITER and STORE READER.
using shard_actor = memory_actor::extend_with<store_client_actor>::extend<
    // The end of a conversation: at most so many lines, and what was before them in short.
    caf::replies_to<context, atom::recent, owner_key, std::string,
                    uint32_t>::with<conversation_end>,
    // Looks a turn up; one that is not known is written down, and answered when that is durable.
    caf::replies_to<context, atom::journal, turn_opening>::with<turn_found>,
    // Keeps a summary, made of lines that were read then (`conversation_end::as_of`) or came later,
    // in the place of the conversation's last one; answered when durable. False: it may tell of
    // what was removed; read the lines again.
    caf::replies_to<context, atom::summarise, owner_key, summary_record, uint64_t>::with<bool>,
    // From STORE READER, control: an owner's first memories in order of `seq` (`loading.hpp` has
    // the others), or why they could not be read. `vectors` is as long as `memories`.
    caf::reacts_to<context, atom::loaded, memory_write, failure>,
    // Own timer: evict cold owners.
    caf::reacts_to<context, atom::tick>>;

/// STORE WRITER: owns the store's writing thread. Commits what is waiting in one transaction and
/// then tells every client. Called by SHARD.
using store_writer_actor = caf::typed_actor<
    caf::reacts_to<context, atom::write, store_client_actor, uint64_t, store_write>,
    // Answered when everything sent before is durable or refused.
    caf::replies_to<context, atom::drain>::with<atom::drained>>;

/// STORE READER: owns a reading thread. Called by SHARD.
using store_reader_actor = caf::typed_actor<
    caf::reacts_to<context, atom::load, shard_actor, owner_key>,
    // What a user said in the groups of a partition, as of the last commit.
    caf::replies_to<context, atom::list, spoken_by>::with<std::vector<spoken_lines>>>;

/// LLM CLIENT: waits for generations, by ticket. SESSION, CONNECTION (pass-through), and LLM
/// SCHEDULER towards its LLM CONNECTIONs.
using llm_client_actor = caf::typed_actor<
    // A piece of the text; only where the generation asked for a stream.
    caf::reacts_to<context, atom::token, uint64_t, std::string>,
    caf::reacts_to<context, atom::completed, uint64_t, completion>,
    caf::reacts_to<context, atom::failed, uint64_t, failure>>;

/// LLM: generates text. LLM SCHEDULER (queues by priority and picks a connection), LLM CONNECTION
/// (one kept-alive connection to a provider) and BUILTIN (answers from what is recalled and felt)
/// all have this interface.
using llm_actor = caf::typed_actor<
    caf::reacts_to<context, atom::generate, llm_client_actor, uint64_t, generation>,
    // Control: the client gave the generation up; no event follows.
    caf::reacts_to<context, atom::cancel, llm_client_actor, uint64_t>>;

/// LLM SCHEDULER: one a node. Called by SESSION and CONNECTION. Calls LLM CONNECTION and BUILTIN.
using llm_scheduler_actor =
    llm_actor::extend_with<llm_client_actor>::extend<caf::reacts_to<context, atom::tick>>;

/// WORKER: runs jobs for its WORK POOL, one at a time.
using worker_actor = caf::typed_actor<caf::reacts_to<context, atom::run, work_job>>;

/// WORK POOL: keeps as many workers as are needed and gives them jobs by priority. A job that there
/// is no room for, or that comes too late, is refused. Called by batchers.
using work_pool_actor = caf::typed_actor<caf::reacts_to<context, atom::run, work_job>,
                                         // Control, of a worker: its job is done.
                                         caf::reacts_to<context, atom::completed, uint64_t>,
                                         // Own timer: grow or shrink.
                                         caf::reacts_to<context, atom::tick>>;

/// PARTITION: supervises the sessions and the shard of a share of all owners.
/// Called by CONNECTION. Calls SESSION and SHARD.
using partition_actor = memory_actor::extend<
    // Starts the session where it is not running, and hands the turn over.
    caf::reacts_to<context, atom::say, turn_client_actor, uint64_t, turn_request>,
    // Control: the client gave up the turn `ticket` of an owner's conversation, or (true) was lost.
    caf::reacts_to<context, atom::cancel, turn_client_actor, uint64_t, owner_key, std::string,
                   bool>,
    // No new turns; answered when the running ones are over.
    caf::replies_to<context, atom::drain>::with<atom::drained>,
    // Own timer: passivate sessions that are idle.
    caf::reacts_to<context, atom::tick>>;

} // namespace sotto
