#pragma once

// Results: after warm-up, the median and the spread of several runs; a line of JSON each.

#include <functional>
#include <string>
#include <string_view>

namespace doppel::bench {

class Results {
 public:
  /// Only results whose name begins with one of `wanted`'s, if it is not empty, are measured.
  Results(std::string engine, std::string wanted, unsigned runs)
      : engine_(std::move(engine)), wanted_(std::move(wanted)), runs_(runs) {}

  const std::string& engine() const { return engine_; }

  /// Calls `measure` several times and prints what it returned as `name`, unit included. The first
  /// call does not count where `warm_up` says so.
  void add(std::string_view name, const std::function<double()>& measure, bool warm_up = true);

  /// Whether anything that begins like this is wanted: spares the preparation.
  bool wants(std::string_view name) const;

 private:
  std::string engine_;
  std::string wanted_;
  unsigned runs_;
};

// One function a question, each in its file.
void bench_translate(Results& results);
void bench_mmu(Results& results);
void bench_callout(Results& results);
void bench_control(Results& results);
void bench_events(Results& results);

}  // namespace doppel::bench
