#include "frontend/pacer.h"

#include <doctest/doctest.h>

namespace doppel::frontend {
namespace {

TEST_CASE("pacer: a moment of virtual time comes as long after the start as on the host") {
  Pacer pacer;
  pacer.start(5'000, 1'000'000);
  CHECK(pacer.wait_ns(5'000, 1'000'000) == 0);
  CHECK(pacer.wait_ns(8'000, 1'001'000) == 2'000);
  CHECK(pacer.wait_ns(8'000, 1'004'000) == -1'000);
  CHECK(pacer.virtual_ns(1'002'500) == 7'500);
}

TEST_CASE("pacer: a lag of up to 50 ms is made up for, the rest is lost") {
  Pacer pacer;
  pacer.start(0, 0);
  pacer.forget_lag(10'000'000, 40'000'000);
  CHECK(pacer.wait_ns(10'000'000, 40'000'000) == -30'000'000);
  pacer.forget_lag(10'000'000, 2'000'000'000);
  CHECK(pacer.wait_ns(10'000'000, 2'000'000'000) == -50'000'000);
}

TEST_CASE("pacer: a lead that is forgotten is not waited for") {
  Pacer pacer;
  pacer.start(0, 0);
  pacer.forget_lag(3'000'000'000, 1'000'000'000);
  CHECK(pacer.wait_ns(3'000'000'000, 1'000'000'000) == 2'000'000'000);
  pacer.forget_lead(3'000'000'000, 1'000'000'000);
  CHECK(pacer.wait_ns(3'000'000'000, 1'000'000'000) == 2'000'000);
}

}  // namespace
}  // namespace doppel::frontend
