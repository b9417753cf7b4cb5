#include "frontend/curses/terminal_front.h"

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <string>
#include <string_view>

#include <curses.h>
#include <unistd.h>

#include "cpu/base/utf8.h"
#include "devices/display_text.h"
#include "frontend/curses/quiet_stderr.h"
#include "frontend/curses/terminal_keys.h"
#include "frontend/key_script.h"

namespace doppel::frontend::curses {
namespace {

constexpr int kEscape = 0x1b;
constexpr int kEscapeDelayMs = 25;
constexpr unsigned kPicturesBetweenLooks = 25;
constexpr int kColours = 8;
constexpr int kGray = 7;
// The adapter counts blue, green, red; terminals red, green, blue.
constexpr short kTerminalColour[kColours] = {COLOR_BLACK, COLOR_BLUE,    COLOR_GREEN,  COLOR_CYAN,
                                             COLOR_RED,   COLOR_MAGENTA, COLOR_YELLOW, COLOR_WHITE};

/// Gray on black is pair 0: the terminal's own colours.
short pair_of(int foreground, int background) {
  return static_cast<short>((foreground ^ kGray) * kColours + background);
}

/// The terminal while it is a screen.
class Screen {
 public:
  explicit Screen(SCREEN* screen) : screen_(screen) {
    ::raw();
    ::noecho();
    ::nonl();
    ::keypad(stdscr, TRUE);
    ::nodelay(stdscr, TRUE);
    ::set_escdelay(kEscapeDelayMs);
    if (::has_colors() != TRUE || ::start_color() != OK) return;
    for (int foreground = 0; foreground < kColours; ++foreground) {
      for (int background = 0; background < kColours; ++background) {
        if (pair_of(foreground, background) == 0) continue;
        ::init_pair(pair_of(foreground, background), kTerminalColour[foreground],
                    kTerminalColour[background]);
      }
    }
    coloured_ = true;
  }
  ~Screen() {
    ::endwin();
    ::delscreen(screen_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  bool is_coloured() const { return coloured_; }

 private:
  SCREEN* screen_;
  bool coloured_ = false;
};

void put(int row, int column, char32_t character, attr_t attributes, short pair) {
  const wchar_t text[2] = {static_cast<wchar_t>(character), L'\0'};
  cchar_t cell;
  if (::setcchar(&cell, text, attributes, pair, nullptr) == OK) ::mvadd_wch(row, column, &cell);
}

class TerminalFront final : public HostFront {
 public:
  TerminalFront(SCREEN* screen, std::vector<PageDevice*> pages, devices::DisplaySource& display,
                InputQueue& queue)
      : screen_(screen), pages_(std::move(pages)), display_(display), queue_(queue) {}

  bool poll(const Status& status) override;
  void refresh(const Status& status) override;
  bool quit_requested() const override { return false; }

 private:
  std::optional<TerminalKey> read_key();
  bool take(const TerminalKey& key, u64 now_ns);
  void show_text(const devices::TextScreen& text);
  void show_size();
  void show_page(const PageDevice& page);
  /// Null: the machine's screen is in front.
  PageDevice* page() const { return front_ == 0 ? nullptr : pages_[front_ - 1]; }

  QuietStderr quiet_;  // Ends after the screen does.
  Screen screen_;
  const std::vector<PageDevice*> pages_;
  devices::DisplaySource& display_;
  InputQueue& queue_;
  size_t front_ = 0;
  devices::Picture picture_;  // Of a graphics mode, for its size.
  unsigned pictures_ = 0;
};

std::optional<TerminalKey> TerminalFront::read_key() {
  wint_t code = 0;
  const int kind = ::get_wch(&code);
  if (kind == ERR) return std::nullopt;
  TerminalKey key{static_cast<unsigned>(code), kind == KEY_CODE_YES};
  if (key.is_special || code != kEscape) return key;
  // With alt held, the key itself is there already.
  const int next = ::get_wch(&code);
  if (next == ERR) return key;
  return TerminalKey{static_cast<unsigned>(code), next == KEY_CODE_YES, true};
}

bool TerminalFront::poll(const Status& status) {
  bool active = false;
  while (const auto key = read_key()) active = take(*key, status.virtual_ns) || active;
  return active;
}

bool TerminalFront::take(const TerminalKey& key, u64 now_ns) {
  if (key.is_special && key.code == KEY_RESIZE) {
    ::clear();
    return false;
  }
  const bool digit = key.with_alt && !key.is_special && key.code >= '1' && key.code <= '9';
  if (digit && key.code - '1' <= pages_.size()) {
    front_ = key.code - '1';
    ::clear();
    return false;
  }
  if (PageDevice* const in_front = page(); in_front != nullptr) {
    const std::string bytes = bytes_of(key);
    in_front->type(std::span(reinterpret_cast<const u8*>(bytes.data()), bytes.size()));
    return !bytes.empty();
  }
  const auto chord = chord_of(key);
  if (!chord) return false;
  play_chords(queue_, now_ns, std::span(&*chord, 1), kTypeHoldNs);
  return true;
}

void TerminalFront::refresh(const Status&) {
  ::erase();
  if (const PageDevice* const in_front = page(); in_front != nullptr) {
    show_page(*in_front);
  } else if (const auto text = display_.text()) {
    show_text(*text);
  } else {
    show_size();
  }
  ::refresh();
}

void TerminalFront::show_text(const devices::TextScreen& text) {
  const auto rows = static_cast<int>(text.rows);
  const auto columns = static_cast<int>(text.columns);
  // A terminal that is smaller shows the part around the cursor.
  const auto first_shown = [](int cursor, int size, int shown) {
    return std::clamp(cursor - shown + 1, 0, std::max(size - shown, 0));
  };
  const auto cursor_row = static_cast<int>(text.cursor_row);
  const auto cursor_column = static_cast<int>(text.cursor_column);
  const int top = first_shown(cursor_row, rows, LINES);
  const int left = first_shown(cursor_column, columns, COLS);
  for (int row = top; row < rows && row - top < LINES; ++row) {
    for (int column = left; column < columns && column - left < COLS; ++column) {
      const auto& cell = text.cells[static_cast<size_t>(row * columns + column)];
      const int foreground = cell.attribute & 7;
      const int background = cell.attribute >> 4 & 7;
      attr_t attributes = (cell.attribute & 8) != 0 ? A_BOLD : A_NORMAL;
      short pair = 0;
      if (screen_.is_coloured())
        pair = pair_of(foreground, background);
      else if (background > foreground)
        attributes |= A_REVERSE;
      put(row - top, column - left, devices::code_page_437(cell.character), attributes, pair);
    }
  }
  ::curs_set(text.cursor_visible ? 1 : 0);
  ::move(std::min(cursor_row - top, LINES - 1), std::min(cursor_column - left, COLS - 1));
}

void TerminalFront::show_size() {
  // Its size is all that is wanted of a picture, so it is not made every time.
  if (pictures_++ % kPicturesBetweenLooks == 0) display_.update(picture_);
  const std::string text = std::to_string(picture_.width) + "x" + std::to_string(picture_.height) +
                           " Graphic mode";
  ::curs_set(0);
  ::mvaddstr(LINES / 2, std::max(0, (COLS - static_cast<int>(text.size())) / 2), text.c_str());
}

void TerminalFront::show_page(const PageDevice& page) {
  const auto& lines = page.lines();
  const size_t shown = std::min(lines.size(), static_cast<size_t>(std::max(LINES, 1)));
  const size_t first = lines.size() - shown;
  int column = 0;
  for (size_t i = 0; i < shown; ++i) {
    std::string_view text = lines[first + i];
    for (column = 0; !text.empty() && column < COLS; ++column)
      put(static_cast<int>(i), column, take_utf8(text), A_NORMAL, 0);
  }
  ::curs_set(1);
  ::move(static_cast<int>(shown) - 1, std::min(column, COLS - 1));
}

}  // namespace

OpenedTerminal open_terminal(const std::vector<PageDevice*>& pages, devices::DisplaySource& display,
                             InputQueue& queue) {
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDOUT_FILENO) != 1)
    return Error{"-display curses: standard input and output are not a terminal"};
  // Which bytes a character is on this terminal.
  std::setlocale(LC_CTYPE, "");
  SCREEN* const screen = ::newterm(nullptr, stdout, stdin);
  if (screen == nullptr) {
    const char* const name = std::getenv("TERM");
    return Error{std::string("-display curses: the terminal '") + (name != nullptr ? name : "") +
                 "' is unknown"};
  }
  return std::unique_ptr<HostFront>(new TerminalFront(screen, pages, display, queue));
}

}  // namespace doppel::frontend::curses
