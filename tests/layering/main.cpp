// Reads every #include and fails on one that goes to the wrong floor.
//
//     layering ROOT
//
// The table is the one of "The building": a folder may include its own files, the floors named for
// it, and the libraries named for it. Tests and benchmarks may look into every room.

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Room {
  std::string_view folder;
  std::vector<std::string_view> folders;    ///< What it may include besides itself.
  std::vector<std::string_view> libraries;  ///< Beginnings of includes in angle brackets, besides the standard library and Boost.
};

// The longest folder that a file's path begins with decides.
const Room kRooms[] = {
    {"cpu/base", {"cpu/arch"}, {}},
    {"cpu/arch", {"cpu/base"}, {}},
    {"mmu", {"cpu/base", "cpu/arch"}, {}},
    {"cpu", {"cpu/base", "cpu/arch", "mmu"}, {"Zydis/"}},
    {"devices", {"cpu/base", "cpu/arch", "mmu"}, {"zlib.h"}},
    {"jit", {"cpu", "cpu/base", "cpu/arch", "mmu"}, {"Zydis/", "asmjit/"}},
    {"frontend/sdl", {"cpu", "cpu/base", "cpu/arch", "mmu", "devices", "jit", "frontend"}, {"*"}},
    {"frontend/curses", {"cpu", "cpu/base", "cpu/arch", "mmu", "devices", "jit", "frontend"}, {"*"}},
    {"frontend/network", {"cpu", "cpu/base", "cpu/arch", "mmu", "devices", "jit", "frontend"}, {"*"}},
    {"frontend",
     {"cpu", "cpu/base", "cpu/arch", "mmu", "devices", "jit", "frontend/sdl", "frontend/curses", "frontend/network"},
     {"*"}},
};

/// Libraries with a home of their own: nobody else may name them.
struct Homed {
  std::string_view prefix;
  std::string_view folder;
};
constexpr Homed kHomed[] = {{"SDL", "frontend/sdl"},
                            {"curses", "frontend/curses"},
                            {"ncurses", "frontend/curses"},
                            {"libslirp", "frontend/network"},
                            {"glib", "frontend/network"}};

bool is_inside(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

const Room* room_of(std::string_view path) {
  const Room* best = nullptr;
  for (const Room& room : kRooms) {
    if (is_inside(path, room.folder) && (best == nullptr || room.folder.size() > best->folder.size())) best = &room;
  }
  return best;
}

/// Headers of C, C++ and the operating system: no library of ours.
bool is_system(std::string_view name) {
  if (name.find('/') == std::string_view::npos) {
    // <vector>, and <sys/mman.h>'s kin without a folder: <unistd.h>.
    constexpr std::string_view kKnown[] = {"unistd.h", "fcntl.h", "errno.h", "signal.h", "poll.h", "termios.h", "netdb.h", "ucontext.h",
                                           "cpuid.h", "elf.h", "dlfcn.h", "pty.h", "sched.h", "pthread.h", "getopt.h"};
    if (name.find('.') == std::string_view::npos || name.ends_with("intrin.h")) return true;
    for (std::string_view known : kKnown) {
      if (name == known) return true;
    }
    return false;
  }
  constexpr std::string_view kFolders[] = {"sys/", "asm/", "linux/", "arpa/", "netinet/", "net/"};
  for (std::string_view folder : kFolders) {
    if (name.starts_with(folder)) return true;
  }
  return false;
}

/// Why a file may not include this; empty if it may.
std::string objection(std::string_view path, const Room& room, std::string_view name, bool angled) {
  if (!angled) {
    const Room* other = room_of(name);
    if (other == nullptr) return "is in no room of the building, or not a path from the root";
    if (other == &room) return {};
    for (std::string_view folder : room.folders) {
      if (folder == other->folder) return {};
    }
    return "leads to " + std::string(other->folder) + ", which " + std::string(room.folder) + " may not include";
  }
  for (const Homed& homed : kHomed) {
    if (name.starts_with(homed.prefix)) {
      if (is_inside(path, homed.folder)) return {};
      return "belongs in " + std::string(homed.folder) + " alone";
    }
  }
  if (is_system(name) || name.starts_with("boost/")) return {};
  for (std::string_view library : room.libraries) {
    if (library == "*" || name.starts_with(library)) return {};
  }
  return "is a library that " + std::string(room.folder) + " may not use";
}

/// The name in an #include line; empty if the line is none.
std::string included(const std::string& line, bool& angled) {
  size_t at = line.find_first_not_of(" \t");
  if (at == std::string::npos || line[at] != '#') return {};
  at = line.find_first_not_of(" \t", at + 1);
  if (at == std::string::npos || line.compare(at, 7, "include") != 0) return {};
  const size_t open = line.find_first_of("\"<", at + 7);
  if (open == std::string::npos) return {};
  angled = line[open] == '<';
  const size_t close = line.find(angled ? '>' : '"', open + 1);
  if (close == std::string::npos) return {};
  return line.substr(open + 1, close - open - 1);
}

struct Totals {
  unsigned files = 0;
  unsigned includes = 0;
  unsigned wrong = 0;
};

void check_file(const std::filesystem::path& file, const std::string& path, const Room& room, Totals& totals) {
  ++totals.files;
  std::ifstream input(file);
  std::string line;
  for (unsigned number = 1; std::getline(input, line); ++number) {
    bool angled = false;
    const std::string name = included(line, angled);
    if (name.empty()) continue;
    ++totals.includes;
    const std::string reason = objection(path, room, name, angled);
    if (reason.empty()) continue;
    ++totals.wrong;
    std::printf("%s:%u: %s %s\n", path.c_str(), number, name.c_str(), reason.c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: layering ROOT\n");
    return 2;
  }
  const std::filesystem::path root = argv[1];
  Totals totals;
  for (std::string_view top : {"cpu", "mmu", "devices", "jit", "frontend"}) {
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / top, error)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cpp" && extension != ".inc") continue;
      const std::string path = std::filesystem::relative(entry.path(), root).generic_string();
      const Room* room = room_of(path);
      if (room != nullptr) check_file(entry.path(), path, *room, totals);
    }
  }
  std::printf("%u files, %u includes, %u wrong\n", totals.files, totals.includes, totals.wrong);
  // Nothing found is a wrong ROOT, not a clean building.
  return totals.wrong == 0 && totals.includes > 0 ? 0 : 1;
}
