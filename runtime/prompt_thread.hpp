#pragma once

namespace sotto {

/// For a thread that mostly waits and that others wait for: asks the system to let it run soon
/// after it wakes, in place of when whoever is on the core has had a whole slice of it.
///
/// Linux (from 6.12 on) lets the thread with the earliest deadline run, and a deadline is a slice
/// ahead; a thread with short slices is preferred by as much, has no more of the core for it, and
/// needs no right to ask. Without this STORE WRITER, back from a disk that took 0.2 ms, waited as
/// much again and up to several ms for a core that workers kept busy, and with it every turn that
/// it was to commit. Where the system knows no such thing nothing happens.
void make_thread_prompt();

} // namespace sotto
