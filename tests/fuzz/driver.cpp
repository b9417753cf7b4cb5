// Runs a fuzzer without libFuzzer: every compiler can, for as many inputs as are asked for.
//
//     fuzz_board [--runs N] [--seed S] [FILE...]
//     fuzz_board --write-seeds DIRECTORY          inputs for libFuzzer to begin with
//
// Inputs are mutations of the fuzzer's seeds, or of the files. With FILE and --runs 0 just these are run.
// What was running when the process died is in fuzz-input, in the current directory.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "tests/fuzz/fuzzer.h"

namespace {

using doppel::u64;
using doppel::u8;
using Bytes = std::vector<u8>;

/// Values on which length and bound checks turn.
constexpr u8 kEdges[] = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff};

class Mutator {
 public:
  Mutator(u64 seed, std::vector<Bytes> pool) : random_(seed), pool_(std::move(pool)) {}

  Bytes next() {
    Bytes bytes = pool_[below(pool_.size())];
    const u64 changes = 1 + below(12);
    for (u64 i = 0; i < changes; ++i) change(bytes);
    return bytes;
  }

 private:
  u64 below(u64 end) { return end == 0 ? 0 : random_() % end; }

  void change(Bytes& bytes) {
    const size_t at = below(bytes.size() + 1);
    switch (below(7)) {
      case 0:
        if (at < bytes.size()) bytes[at] ^= static_cast<u8>(1u << below(8));
        break;
      case 1:
        if (at < bytes.size()) bytes[at] = kEdges[below(std::size(kEdges))];
        break;
      case 2:
        for (size_t i = at; i < std::min(bytes.size(), at + 8); ++i) bytes[i] = static_cast<u8>(below(256));
        break;
      case 3: {
        const size_t count = std::min<size_t>(below(16), bytes.size() - at);
        bytes.erase(bytes.begin() + static_cast<long>(at), bytes.begin() + static_cast<long>(at + count));
        break;
      }
      case 4: {
        Bytes more(below(16));
        for (u8& byte : more) byte = static_cast<u8>(below(256));
        bytes.insert(bytes.begin() + static_cast<long>(at), more.begin(), more.end());
        break;
      }
      case 5: {
        // A piece of another input.
        const Bytes& other = pool_[below(pool_.size())];
        const size_t from = below(other.size() + 1);
        const size_t count = std::min({below(64), u64{other.size() - from}, u64{bytes.size() - at}});
        std::copy_n(other.begin() + static_cast<long>(from), count, bytes.begin() + static_cast<long>(at));
        break;
      }
      default:
        if (at < bytes.size()) bytes[at] = static_cast<u8>(below(256));
    }
  }

  std::mt19937_64 random_;
  std::vector<Bytes> pool_;
};

void write(const std::string& name, const Bytes& bytes) {
  std::ofstream file(name, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

/// The input that runs: what is there when the process dies is the finding. One open file, for a file that is made
/// anew each time costs milliseconds on some file systems.
class InputFile {
 public:
  InputFile() : file_(::open(kName, O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {}
  ~InputFile() {
    ::close(file_);
    ::unlink(kName);
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  bool put(const Bytes& bytes) {
    return ::pwrite(file_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()) &&
           ::ftruncate(file_, static_cast<off_t>(bytes.size())) == 0;
  }

 private:
  static constexpr const char* kName = "fuzz-input";
  int file_;
};

int run_all(const std::vector<Bytes>& pool, u64 seed, u64 runs) {
  InputFile file;
  const auto run = [&](const Bytes& bytes) {
    if (!file.put(bytes)) return false;
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    return true;
  };
  bool is_written = std::all_of(pool.begin(), pool.end(), run);
  Mutator mutator(seed, pool);
  for (u64 i = 0; i < runs && is_written; ++i) is_written = run(mutator.next());
  if (!is_written) {
    std::perror("fuzz-input");
    return 1;
  }
  std::printf("%llu inputs, seed %llu\n", static_cast<unsigned long long>(runs + pool.size()), static_cast<unsigned long long>(seed));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  u64 runs = 1000;
  u64 seed = 1;
  std::vector<Bytes> pool;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--write-seeds" && i + 1 < argc) {
      const std::string directory = argv[++i];
      unsigned number = 0;
      for (const Bytes& bytes : doppel::fuzz::seeds()) write(directory + "/seed" + std::to_string(number++), bytes);
      return 0;
    }
    if (word.starts_with("--") && i + 1 < argc) {
      (word == "--seed" ? seed : runs) = std::strtoull(argv[++i], nullptr, 0);
      continue;
    }
    std::ifstream file(argv[i], std::ios::binary);
    pool.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  if (pool.empty()) pool = doppel::fuzz::seeds();
  return run_all(pool, seed, runs);
}
