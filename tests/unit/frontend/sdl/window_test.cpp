// The window under SDL's dummy video driver: no screen, but events, a renderer and its pixels.

#include "frontend/sdl/window.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <SDL.h>
#include <doctest/doctest.h>
#include <unistd.h>

#include "frontend/file.h"
#include "frontend/key_script.h"
#include "frontend/sdl/scan_codes.h"
#include "tests/support/fake_display.h"
#include "tests/unit/frontend/small_machine.h"

namespace doppel::frontend::sdl {
namespace {

/// A window, and a machine that sleeps behind it.
class WindowRig {
 public:
  explicit WindowRig(const WindowConfig& config = {})
      : display(320, 200, 0x102030), machine_({0xfb, 0xf4, 0xeb, 0xfd}) {
    ::setenv("SDL_VIDEODRIVER", "dummy", 1);
    ::setenv("SDL_RENDER_DRIVER", "software", 1);
    REQUIRE(queue_.record_to(path_).ok());
    auto opened = open_window(config, display, queue_);
    REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().message));
    front = opened.take();
    poll();
  }
  ~WindowRig() { std::remove(path_.c_str()); }

  bool poll() { return front->poll(status); }

  void key(SDL_Scancode code, bool down, unsigned modifiers = KMOD_NONE, bool repeat = false) {
    SDL_Event event = {};
    event.type = down ? SDL_KEYDOWN : SDL_KEYUP;
    event.key.keysym.scancode = code;
    event.key.keysym.mod = static_cast<Uint16>(modifiers);
    event.key.repeat = repeat ? 1 : 0;
    push(event);
  }
  /// Ctrl and alt are held, this key is pressed, and all are let go.
  void own_key(SDL_Scancode code) {
    key(SDL_SCANCODE_LCTRL, true, KMOD_LCTRL);
    key(SDL_SCANCODE_LALT, true, KMOD_LCTRL | KMOD_LALT);
    key(code, true, KMOD_LCTRL | KMOD_LALT);
    key(code, false, KMOD_LCTRL | KMOD_LALT);
    key(SDL_SCANCODE_LALT, false, KMOD_LCTRL);
    key(SDL_SCANCODE_LCTRL, false);
    poll();
  }
  void button(u8 number, bool down) {
    SDL_Event event = {};
    event.type = down ? SDL_MOUSEBUTTONDOWN : SDL_MOUSEBUTTONUP;
    event.button.button = number;
    push(event);
  }
  void motion(int x, int y) {
    SDL_Event event = {};
    event.type = SDL_MOUSEMOTION;
    event.motion.xrel = x;
    event.motion.yrel = y;
    push(event);
  }
  void wheel(int y) {
    SDL_Event event = {};
    event.type = SDL_MOUSEWHEEL;
    event.wheel.y = y;
    push(event);
  }
  void window_event(SDL_WindowEventID id) {
    SDL_Event event = {};
    event.type = SDL_WINDOWEVENT;
    event.window.event = static_cast<Uint8>(id);
    push(event);
  }

  /// What a target has got, in hexadecimal.
  std::string got(const std::string& target) {
    poll();
    RunConfig config;
    config.timeout_virtual_ns = machine_->now_ns() + 2'000'000'000;
    machine_.run(queue_, std::move(config));
    const std::vector<u8> bytes = read_file(path_).take();
    const std::string text(bytes.begin(), bytes.end());
    std::string found;
    const std::string word = " " + target + " ";
    for (size_t at = 0; (at = text.find(word, at)) != std::string::npos; ++at)
      found += text.substr(at + word.size(), text.find('\n', at) - at - word.size());
    return found;
  }

  static SDL_Window* window() {
    for (Uint32 id = 1; id < 1000; ++id) {
      if (SDL_Window* const found = SDL_GetWindowFromID(id)) return found;
    }
    return nullptr;
  }
  std::string title() { return SDL_GetWindowTitle(window()); }
  /// A pixel of the window.
  static u32 pixel(int x, int y) {
    u32 value = 0;
    const SDL_Rect rect = {x, y, 1, 1};
    REQUIRE(SDL_RenderReadPixels(SDL_GetRenderer(window()), &rect, SDL_PIXELFORMAT_XRGB8888, &value,
                                 sizeof value) == 0);
    return value & 0xffffff;
  }
  void show() {
    poll();
    front->refresh(status);
  }

  HostFront::Status status;
  devices::FakeDisplay display;

 private:
  static void push(SDL_Event& event) { REQUIRE(SDL_PushEvent(&event) == 1); }

  std::string path_ = "/tmp/doppel_test_" + std::to_string(::getpid()) + "_window";
  SmallMachine machine_;
  InputQueue queue_;

 public:
  std::unique_ptr<HostFront> front;
};

TEST_CASE("window: keys become set 2 bytes, with E0 and F0 where they belong") {
  WindowRig rig;
  rig.key(SDL_SCANCODE_A, true);
  rig.key(SDL_SCANCODE_A, false);
  rig.key(SDL_SCANCODE_DELETE, true);
  rig.key(SDL_SCANCODE_DELETE, false);
  rig.key(SDL_SCANCODE_UNKNOWN, true);
  CHECK(rig.poll());
  CHECK_FALSE(rig.poll());
  CHECK(rig.got("keyboard") == "1cf01ce071e0f071");
}

TEST_CASE("window: the host's repeats are not passed on: the guest's keyboard makes its own") {
  WindowRig rig;
  rig.key(SDL_SCANCODE_A, true);
  rig.key(SDL_SCANCODE_A, true, KMOD_NONE, true);
  rig.window_event(SDL_WINDOWEVENT_FOCUS_LOST);
  rig.key(SDL_SCANCODE_A, true, KMOD_NONE, true);
  rig.key(SDL_SCANCODE_A, false);
  CHECK(rig.got("keyboard") == "1cf01c");
}

TEST_CASE("window: losing the focus lets go of keys and mouse buttons") {
  WindowRig rig;
  rig.key(SDL_SCANCODE_LALT, true, KMOD_LALT);
  rig.key(SDL_SCANCODE_TAB, true, KMOD_LALT);
  rig.button(SDL_BUTTON_LEFT, true);  // Takes the mouse.
  rig.button(SDL_BUTTON_LEFT, true);
  rig.window_event(SDL_WINDOWEVENT_FOCUS_LOST);
  CHECK(rig.got("keyboard") == "110df00df011");
  CHECK(rig.got("mouse") == "000000000001000000000000");
  rig.motion(5, 5);
  CHECK(rig.got("mouse") == "000000000001000000000000");
}

TEST_CASE("window: a click takes the mouse; motion gathers, and buttons keep their order") {
  WindowRig rig;
  rig.motion(9, 9);
  rig.button(SDL_BUTTON_LEFT, true);
  rig.button(SDL_BUTTON_LEFT, false);
  rig.poll();  // Taking the mouse, SDL forgets motion that was on its way.
  rig.motion(1, 2);
  rig.motion(3, -5);
  rig.button(SDL_BUTTON_RIGHT, true);
  rig.wheel(1);
  rig.button(SDL_BUTTON_RIGHT, false);
  CHECK(rig.got("mouse") ==
        "0400fdff0000"
        "000000000002"
        "000000000102"
        "000000000000");
  rig.poll();
  CHECK(rig.title().find("Ctrl-Alt-G frees the mouse") != std::string::npos);
  rig.own_key(SDL_SCANCODE_G);
  CHECK(rig.title().find("frees") == std::string::npos);
}

TEST_CASE("window: its own keys do not reach the guest, ctrl-alt-delete does") {
  WindowRig rig;
  for (const SDL_Scancode code :
       {SDL_SCANCODE_G, SDL_SCANCODE_G, SDL_SCANCODE_EQUALS, SDL_SCANCODE_U, SDL_SCANCODE_1})
    rig.own_key(code);
  const std::string held = "1411f011f014";
  CHECK(rig.got("keyboard") == held + held + held + held + held);
  rig.own_key(SDL_SCANCODE_DELETE);
  CHECK(rig.got("keyboard") == held + held + held + held + held + "1411e071e0f071f011f014");
}

TEST_CASE("window: another modifier can be chosen for its own keys") {
  WindowConfig config;
  config.keys = FrontKeys::RightCtrl;
  WindowRig rig(config);
  rig.own_key(SDL_SCANCODE_G);
  CHECK(rig.got("keyboard") == "141134f034f011f014");
  rig.key(SDL_SCANCODE_G, true, KMOD_RCTRL);
  rig.poll();
  CHECK(rig.title().find("Right Ctrl-G frees the mouse") != std::string::npos);
}

TEST_CASE("window: closing it asks for the end") {
  WindowRig rig;
  CHECK_FALSE(rig.front->quit_requested());
  SUBCASE("by its button") { rig.window_event(SDL_WINDOWEVENT_CLOSE); }
  SUBCASE("by the host") {
    SDL_Event event = {};
    event.type = SDL_QUIT;
    REQUIRE(SDL_PushEvent(&event) == 1);
  }
  rig.poll();
  CHECK(rig.front->quit_requested());
}

TEST_CASE("window: it shows the picture, follows its size, and draws what changed") {
  WindowRig rig;
  rig.show();
  int width = 0;
  int height = 0;
  SDL_GetWindowSize(rig.window(), &width, &height);
  CHECK(width == 320);
  CHECK(height == 200);
  CHECK(rig.pixel(0, 0) == 0x102030);
  CHECK(rig.pixel(319, 199) == 0x102030);

  rig.display.set(7, 150, 0xff8040);
  rig.show();
  CHECK(rig.pixel(7, 150) == 0xff8040);
  CHECK(rig.pixel(8, 150) == 0x102030);

  rig.display.fill(640, 400, 0x00ff00);
  rig.show();
  SDL_GetWindowSize(rig.window(), &width, &height);
  CHECK(width == 640);
  rig.show();
  CHECK(rig.pixel(639, 399) == 0x00ff00);
}

TEST_CASE("window: the picture grows by quarters and goes back to one to one") {
  WindowRig rig;
  rig.show();
  for (unsigned i = 0; i < 4; ++i) rig.own_key(SDL_SCANCODE_KP_PLUS);
  int width = 0;
  SDL_GetWindowSize(rig.window(), &width, nullptr);
  CHECK(width == 640);
  rig.show();
  CHECK(rig.pixel(639, 399) == 0x102030);
  rig.own_key(SDL_SCANCODE_MINUS);
  SDL_GetWindowSize(rig.window(), &width, nullptr);
  CHECK(width == 560);
  rig.own_key(SDL_SCANCODE_U);
  SDL_GetWindowSize(rig.window(), &width, nullptr);
  CHECK(width == 320);
}

TEST_CASE("window: a picture of another shape has black beside it") {
  WindowRig rig;
  SDL_SetWindowSize(rig.window(), 640, 200);
  rig.window_event(SDL_WINDOWEVENT_RESIZED);
  rig.show();
  CHECK(rig.pixel(0, 100) == 0);
  CHECK(rig.pixel(320, 100) == 0x102030);
  CHECK(rig.pixel(639, 100) == 0);
  // The size that a hand gave it stays.
  rig.display.fill(400, 200, 0x0000ff);
  rig.show();
  int width = 0;
  SDL_GetWindowSize(rig.window(), &width, nullptr);
  CHECK(width == 640);
}

TEST_CASE("window: the clipboard is typed") {
  WindowRig rig;
  REQUIRE(SDL_SetClipboardText("aB\n") == 0);
  rig.own_key(SDL_SCANCODE_V);
  CHECK(rig.got("keyboard") ==
        "1411f011f014"
        "1cf01c"
        "1232f032f012"
        "5af05a");
}

TEST_CASE("window: a screenshot goes to the first free name") {
  const std::filesystem::path before = std::filesystem::current_path();
  const std::filesystem::path folder = "/tmp/doppel_test_" + std::to_string(::getpid()) + "_shots";
  std::filesystem::create_directory(folder);
  std::filesystem::current_path(folder);
  {
    WindowRig rig;
    rig.own_key(SDL_SCANCODE_S);
    rig.own_key(SDL_SCANCODE_S);
  }
  CHECK(read_file("doppel-1.png").take().size() > 8);
  CHECK(file_exists("doppel-2.png"));
  CHECK_FALSE(file_exists("doppel-3.png"));
  std::filesystem::current_path(before);
  std::filesystem::remove_all(folder);
}

TEST_CASE("window: the title tells whether the machine runs") {
  WindowConfig config;
  config.name = "test";
  WindowRig rig(config);
  CHECK(rig.title() == "doppel [test] - running - 0 MIPS");
  rig.status.paused = true;
  rig.poll();
  CHECK(rig.title() == "doppel [test] - paused");
}

TEST_CASE("window: every key of the table can be reached from the host's keyboard but one") {
  std::vector<std::string> missing;
#define KEY(name, text, code)                                                 \
  {                                                                           \
    bool found = false;                                                       \
    for (int place = 0; place < SDL_NUM_SCANCODES; ++place)                   \
      found = found || key_at(static_cast<SDL_Scancode>(place)) == Key::name; \
    if (!found) missing.emplace_back(text);                                   \
  }
#include "frontend/keys.inc"
#undef KEY
  CHECK(missing == std::vector<std::string>{"wake"});
}

}  // namespace
}  // namespace doppel::frontend::sdl
