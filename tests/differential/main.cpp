// The differential test: every form of every instruction, with random operands, on doppel's
// interpreter and on the processor under us.
//
//     differential [--engine interp|jit] [--cases N] [--seed S] [--only MNEMONIC] [--mode 16|32|64] [--list]
//                  [--form TEXT] [--case N] [--verbose]
//
// A difference is printed with everything that is needed to see it again; the run goes on, and ends with
// status 1. Status 77: this host cannot run the test.

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include "tests/differential/compare.h"
#include "tests/differential/forms.h"
#include "tests/differential/generator.h"
#include "tests/differential/guest_runner.h"
#include "tests/differential/host_runner.h"

namespace doppel::differential {
namespace {

constexpr int kCannotRun = 77;
constexpr u64 kMaxSteps = 1024;         // Iterations of a repeated instruction.
constexpr unsigned kShownPerMnemonic = 2;
constexpr unsigned kQuietTicks = 500;  // Of 20 ms, without a test being finished.

struct Options {
  u64 cases = 1'500'000;
  u64 seed = 1;
  std::string only;
  std::string form;       // Part of a form's text.
  long long one_case = -1;
  int mode = 0;
  bool translates = false;
  bool list = false;
  bool all = false;       // Show every difference.
};

/// Where the child is; the parent reads it if the child dies.
struct Progress {
  size_t form = 0;
  u64 index = 0;
  volatile u64 tests = 0;
};

class Run {
 public:
  Run(const Options& options, std::vector<Form> forms, Progress& progress)
      : options_(options), forms_(std::move(forms)), progress_(progress), generator_(options.seed) {}

  int run() {
    auto host = HostRunner::create();
    if (!host.ok()) {
      std::printf("cannot run here: %s\n", host.error().message.c_str());
      return kCannotRun;
    }
    host_ = host.take();
    auto guest = GuestRunner::create(options_.translates);
    if (!guest.ok()) {
      std::printf("no guest: %s\n", guest.error().message.c_str());
      return 2;
    }
    guest_ = guest.take();
    generator_.fill_background(host_->memory());
    // An engine is stopped by what stands behind the instruction: see GuestRunner::run_engine.
    if (options_.translates) std::memset(host_->memory().code, 0xf4, kCodePages * kPageSize);
    copy(guest_->memory(), host_->memory());
    pristine_.resize(kCodePages * kPageSize + kDataBytes + kStackBytes);
    pristine_view_ = {pristine_.data(), pristine_.data() + kCodePages * kPageSize, pristine_.data() + kCodePages * kPageSize + kDataBytes};
    copy(pristine_view_, host_->memory());

    u64 compared_forms = 0;
    for (const Form& form : forms_) compared_forms += form.excluded.empty();
    const u64 per_form = std::max<u64>(1, compared_forms == 0 ? 1 : options_.cases / compared_forms);
    for (size_t i = 0; i < forms_.size(); ++i) {
      progress_.form = i;
      if (forms_[i].excluded.empty()) run_form(forms_[i], per_form);
    }
    return report(compared_forms);
  }

 private:
  static void copy(const MemoryView& to, const MemoryView& from) {
    std::memcpy(to.code, from.code, kCodePages * kPageSize);
    std::memcpy(to.data, from.data, kDataBytes);
    std::memcpy(to.stack, from.stack, kStackBytes);
  }
  /// Puts back what a test changed.
  void restore(const MemoryView& view) const {
    const auto page = [](u8* to, const u8* from, u64 bytes) {
      for (u64 at = 0; at < bytes; at += kPageSize) {
        if (std::memcmp(to + at, from + at, kPageSize) != 0) std::memcpy(to + at, from + at, kPageSize);
      }
    };
    page(view.code, pristine_view_.code, kCodePages * kPageSize);
    page(view.data, pristine_view_.data, kDataBytes);
    page(view.stack, pristine_view_.stack, kStackBytes);
  }
  static void apply(const MemoryView& view, const TestCase& test) {
    for (const Patch& patch : test.patches) {
      for (size_t i = 0; i < patch.bytes.size(); ++i) {
        if (u8* byte = view.at(patch.address + i)) *byte = patch.bytes[i];
      }
    }
  }

  void run_form(const Form& form, u64 count) {
    u64 made = 0;
    for (u64 index = 0; index < count; ++index) {
      if (options_.one_case >= 0 && index != static_cast<u64>(options_.one_case)) continue;
      progress_.index = index;
      progress_.tests = progress_.tests + 1;
      made += run_case(form, index);
    }
    if (made == 0 && options_.one_case < 0) {
      std::printf("not covered: %s: no attempt gave an instruction that may be compared\n", form.text.c_str());
      ++uncovered_;
    }
  }

  bool run_case(const Form& form, u64 index) {
    TestCase test;
    Decoded decoded;
    if (!generator_.make(form, index, test, decoded)) return false;
    test.before.rflags = host_->loadable_rflags(test.before.rflags) | rflags::TF;
    Side host;
    Side guest;
    host.memory = host_->memory();
    guest.memory = guest_->memory();
    apply(host.memory, test);
    apply(guest.memory, test);
    if (options_.one_case >= 0) {
      std::printf("%s, case %llu: %s\n%s", form.text.c_str(), static_cast<unsigned long long>(index),
                  guest_->disassemble(test).c_str(), reproduction(test, host, guest).c_str());
      std::fflush(stdout);
    }
    host.outcome = host_->run(test, host.state, kMaxSteps);
    ++total_;
    if (!host.outcome.unfinished) {
      guest.outcome = guest_->run(test, guest.state);
      const std::vector<std::string> lines = compare(test, decoded, host, guest);
      if (!lines.empty()) show(form, index, test, host, guest, lines);
      faulted_ += host.outcome.faulted;
    }
    restore(host.memory);
    restore(guest.memory);
    return true;
  }

  void show(const Form& form, u64 index, const TestCase& test, const Side& host, const Side& guest,
            const std::vector<std::string>& lines) {
    const std::string mnemonic = ZydisMnemonicGetString(static_cast<ZydisMnemonic>(form.mnemonic));
    ++differences_;
    if (++by_mnemonic_[mnemonic] > kShownPerMnemonic && !options_.all) return;
    std::printf("DIFFERENCE in %s, case %llu, seed %llu: %s\n", form.text.c_str(), static_cast<unsigned long long>(index),
                static_cast<unsigned long long>(options_.seed), guest_->disassemble(test).c_str());
    for (const std::string& line : lines) std::printf("  > %s\n", line.c_str());
    std::printf("%s", reproduction(test, host, guest).c_str());
    std::fflush(stdout);
  }

  int report(u64 compared_forms) const {
    std::map<std::string, std::map<std::string, unsigned>> excluded;
    for (const Form& form : forms_) {
      if (!form.excluded.empty()) ++excluded[form.excluded][ZydisMnemonicGetString(static_cast<ZydisMnemonic>(form.mnemonic))];
    }
    for (const auto& [reason, mnemonics] : excluded) {
      for (const auto& [mnemonic, count] : mnemonics) {
        std::printf("not covered: %s (%u forms): %s\n", mnemonic.c_str(), count, reason.c_str());
      }
    }
    for (const auto& [mnemonic, count] : by_mnemonic_) {
      std::printf("differences: %s: %llu\n", mnemonic.c_str(), static_cast<unsigned long long>(count));
    }
    std::printf("covered %llu of %zu forms; %llu cases, of which %llu faulted; seed %llu; %llu differences\n",
                static_cast<unsigned long long>(compared_forms - uncovered_), forms_.size(), static_cast<unsigned long long>(total_),
                static_cast<unsigned long long>(faulted_), static_cast<unsigned long long>(options_.seed),
                static_cast<unsigned long long>(differences_));
    return differences_ == 0 ? 0 : 1;
  }

  const Options& options_;
  std::vector<Form> forms_;
  Progress& progress_;
  Generator generator_;
  std::unique_ptr<HostRunner> host_;
  std::unique_ptr<GuestRunner> guest_;
  std::vector<u8> pristine_;
  MemoryView pristine_view_;
  std::map<std::string, u64> by_mnemonic_;
  u64 total_ = 0;
  u64 faulted_ = 0;
  u64 differences_ = 0;
  u64 uncovered_ = 0;
};

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--list") { options.list = true; continue; }
    if (name == "--all") { options.all = true; continue; }
    if (i + 1 >= argc) return false;
    const char* value = argv[++i];
    if (name == "--cases") options.cases = std::strtoull(value, nullptr, 0);
    else if (name == "--seed") options.seed = std::strtoull(value, nullptr, 0);
    else if (name == "--mode") options.mode = std::atoi(value);
    else if (name == "--form") options.form = value;
    else if (name == "--case") options.one_case = std::atoll(value);
    else if (name == "--only") options.only = value;
    else if (name == "--engine" && (std::string_view(value) == "interp" || std::string_view(value) == "jit")) options.translates = value[0] == 'j';
    else return false;
  }
  for (char& c : options.only) c = static_cast<char>(std::tolower(c));
  return options.mode == 0 || options.mode == 16 || options.mode == 32 || options.mode == 64;
}

std::vector<Form> select_forms(const Options& options) {
  std::vector<Form> forms = enumerate_forms();
  std::erase_if(forms, [&](const Form& form) {
    if (options.mode != 0 && options.mode != 16 << static_cast<int>(form.size)) return true;
    if (!options.form.empty() && form.text.find(options.form) == std::string::npos) return true;
    return !options.only.empty() && options.only != ZydisMnemonicGetString(static_cast<ZydisMnemonic>(form.mnemonic));
  });
  return forms;
}

int main_function(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::fprintf(stderr, "usage: differential [--engine interp|jit] [--cases N] [--seed S] [--only MNEMONIC] [--mode 16|32|64] [--form TEXT] [--case N] [--list] [--all]\n");
    return 2;
  }
  std::vector<Form> forms = select_forms(options);
  if (options.list) {
    for (const Form& form : forms) std::printf("%s%s%s\n", form.text.c_str(), form.excluded.empty() ? "" : ": not covered: ", form.excluded.c_str());
    std::printf("%zu forms\n", forms.size());
    return 0;
  }
  void* shared = mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 2;
  Progress& progress = *new (shared) Progress;
  std::printf("seed %llu, %zu forms\n", static_cast<unsigned long long>(options.seed), forms.size());
  std::fflush(stdout);
  // A child, so that an instruction that gets out of hand takes only itself along.
  const pid_t child = fork();
  if (child == 0) {
    const int status = Run(options, forms, progress).run();
    std::fflush(stdout);
    _exit(status);
  }
  if (child < 0) return 2;
  int status = 0;
  u64 seen = 0;
  for (unsigned quiet = 0; waitpid(child, &status, WNOHANG) == 0; usleep(20'000)) {
    quiet = progress.tests == seen ? quiet + 1 : 0;
    seen = progress.tests;
    if (quiet > kQuietTicks) kill(child, SIGKILL);
  }
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  std::printf("the runner died of signal %d (%d: it hung) in %s, case %llu, seed %llu\n", WTERMSIG(status), SIGKILL, forms[progress.form].text.c_str(),
              static_cast<unsigned long long>(progress.index), static_cast<unsigned long long>(options.seed));
  return 1;
}

}  // namespace
}  // namespace doppel::differential

int main(int argc, char** argv) { return doppel::differential::main_function(argc, argv); }
