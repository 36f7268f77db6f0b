#pragma once

#include <cstddef>

namespace sotto::sqlite {

/// The name of an SQLite file layer, registered by the first call, that writes the pages of a
/// database without remains of former content.
///
/// `secure_delete` zeroes what is deleted where it is. But when SQLite splits or merges b-tree
/// pages, it moves cells and leaves the old copies in the space that becomes free; a row that is
/// deleted later is still there. This layer zeroes that space (between the cell pointers and the
/// cells, and in free blocks; "B-tree Pages" in sqlite.org/fileformat2.html) in every page on its
/// way into the database file. The log has remains until it is truncated; its writes are gathered
/// (gathered_log.hpp).
const char* scrubbing_vfs();

/// Zeroes the unused space of a b-tree page of `size` bytes; leaves any other page as it is.
/// `first`: the page is the database's first, which starts with the file's header.
void scrub_page(unsigned char* page, size_t size, bool first);

} // namespace sotto::sqlite
