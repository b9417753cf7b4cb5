#include "benchmarks/micro/results.h"

#include <algorithm>
#include <cstdio>
#include <vector>

namespace doppel::bench {

bool Results::wants(std::string_view name) const {
  const size_t common = std::min(name.size(), wanted_.size());
  return name.substr(0, common) == std::string_view(wanted_).substr(0, common);
}

void Results::add(std::string_view name, const std::function<double()>& measure, bool warm_up) {
  if (!wants(name)) return;
  if (warm_up) measure();
  std::vector<double> values;
  for (unsigned i = 0; i < runs_; ++i) values.push_back(measure());
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  std::printf("{\"%.*s\": %.4g, \"min\": %.4g, \"max\": %.4g, \"runs\": %u, \"engine\": \"%s\"}\n",
              static_cast<int>(name.size()), name.data(), median, values.front(), values.back(),
              runs_, engine_.c_str());
  std::fflush(stdout);
}

}  // namespace doppel::bench
