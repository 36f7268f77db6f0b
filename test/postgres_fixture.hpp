#pragma once

#include <catch2/catch.hpp>

#include <cstdlib>

#include <fmt/format.h>
#include <unistd.h>

#include "runtime/postgres.hpp"

namespace sotto::test {

/// The PostgreSQL of `scripts/services`; a test without it fails.
inline std::string postgres_url() {
  auto url = std::getenv("SOTTO_TEST_POSTGRES");
  if (!url || !*url)
    FAIL("SOTTO_TEST_POSTGRES is not set: run scripts/test, or "
         "eval \"$(scripts/services start /tmp/services)\"");
  return url;
}

/// A schema of a test's own, made when the first connection wants it and dropped with everything in
/// it.
struct own_schema {
  own_schema() {
    static int count = 0;
    to.url = postgres_url();
    to.schema = fmt::format("test_{}_{}", getpid(), ++count);
  }
  ~own_schema() {
    postgres::connection db;
    if (!db.open({to.url}))
      db.run("DROP SCHEMA IF EXISTS " + postgres::quoted_name(to.schema) + " CASCADE");
  }
  own_schema(const own_schema&) = delete;
  own_schema& operator=(const own_schema&) = delete;

  postgres::target to;
};

} // namespace sotto::test
